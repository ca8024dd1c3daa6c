//! Standing orders: which offers of a peer a consumer takes up without asking a person again.
//!
//! An order is used once, for the purpose and places that it names; without one an offer waits.

use std::{collections::BTreeSet, path::PathBuf};

use naru_protocol::{error::Code, terms::Terms};
use serde_json::{Value, json};

use super::{Node, NodeError, country, verbs::Expect};
use crate::store::Batch;

/// Under which setting the order for a peer is kept.
pub(super) fn name(did: &str) -> String {
    format!("expect:{did}")
}

fn countries(value: Option<&Value>) -> BTreeSet<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Node {
    /// Takes up the next offer of a peer for this purpose.
    pub async fn expect(&self, ask: Expect) -> Result<Value, NodeError> {
        let peer = self.named(&ask.peer).await?;
        country::known(&ask.countries)?;
        let _outs = self.outs.lock().await;
        self.check_out(&ask.out, None, &[], Some(&peer.did())).await?;
        let order =
            serde_json::to_string(&ask).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let batch = Batch { meta: vec![(name(&peer.did()), order)], ..Batch::default() };
        self.store.commit(batch).await?;
        Ok(json!({"peer": peer.did(), "out": ask.out}))
    }

    /// What makes an order used up: written in the commit that takes the offer up, and not before.
    pub(super) fn used_up(did: &str) -> (String, String) {
        (name(did), String::new())
    }

    /// Where the files of an offer go, if an order covers its purpose and places.
    pub(super) async fn expected_from(&self, did: &str, terms: &Terms) -> Result<Option<PathBuf>, NodeError> {
        let Some(text) = self.store.meta(&name(did)).await? else { return Ok(None) };
        let Ok(order) = serde_json::from_str::<Expect>(&text) else { return Ok(None) };
        let said = |pointer: &str| terms.shared.pointer(pointer);
        let ordered: BTreeSet<&str> = order.countries.iter().map(String::as_str).collect();
        let covered = said("/transfer/purpose").and_then(Value::as_str) == Some(order.purpose.as_str())
            && countries(said("/destination/storage_countries")) == ordered
            && countries(said("/destination/processing_countries")) == ordered;
        if !covered {
            return Ok(None);
        }
        Ok(Some(order.out))
    }
}
