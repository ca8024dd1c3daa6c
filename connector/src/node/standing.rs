//! Standing orders: which offers of a peer a consumer takes up without asking a person again.
//!
//! An order is used once, for the purpose and places that it names; without one an offer waits. There is one for each peer, and
//! it stands until it is used or revoked.

use std::{collections::BTreeSet, path::PathBuf};

use naru_protocol::{encoding::Id, error::Code, identity::Role, terms::Terms};
use serde_json::{Value, json};

use super::{
    Node, NodeError,
    approval::{facts_fit, signs_them},
    country,
    peers::Peer,
    verbs::{Expect, PeerName},
};
use crate::store::{Batch, ExchangeKind, ExchangeQuery, MAX_ROWS};

/// Under which setting the order for a peer is kept.
fn name(did: &str) -> String {
    format!("expect:{did}")
}

fn countries(value: Option<&Value>) -> BTreeSet<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Node {
    /// Takes up the next offer of a peer for this purpose.
    pub async fn expect(&self, ask: Expect) -> Result<Value, NodeError> {
        let id = self.id_of(&ask.peer).await?;
        country::known(&ask.countries)?;
        facts_fit(ask.facts.as_ref())?;
        if ask.facts.is_some() && self.plain_named(&ask.peer).await?.is_none() {
            return Err(signs_them());
        }
        let _outs = self.outs.lock().await;
        if let Some(order) = self.standing(&id).await?.filter(|order| *order != ask) {
            let stands = format!(
                "an order stands for this peer: {} into {}; revoke it first",
                order.purpose,
                order.out.display()
            );
            return Err(NodeError::refused(Code::IllegalState, stands));
        }
        self.check_out(&ask.out, None, &[], Some(&id)).await?;
        let order =
            serde_json::to_string(&ask).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let batch = Batch { meta: vec![(name(&id), order)], ..Batch::default() };
        self.store.commit(batch).await?;
        let taken = match self.peer(&id).await? {
            Some(peer) => self.take_up_waiting(&peer).await?,
            None => self.take_up_plain(&id).await?,
        };
        Ok(json!({"peer": id, "out": ask.out, "taken_up": taken.map(|id| id.to_string())}))
    }

    /// The participant id of an accepted peer, whatever it speaks.
    pub(super) async fn id_of(&self, peer: &str) -> Result<String, NodeError> {
        if let Some(plain) = self.plain_named(peer).await? {
            return Ok(plain.id().to_owned());
        }
        Ok(self.named(peer).await?.did())
    }

    /// Ends the standing order for a peer.
    pub async fn revoke(&self, ask: PeerName) -> Result<Value, NodeError> {
        let id = self.id_of(&ask.peer).await?;
        let _outs = self.outs.lock().await;
        let none = || NodeError::refused(Code::IllegalState, "no order stands for this peer");
        let order = self.standing(&id).await?.ok_or_else(none)?;
        let batch = Batch { meta: vec![Self::used_up(&id)], ..Batch::default() };
        self.store.commit(batch).await?;
        Ok(json!({"peer": id, "revoked": order.out}))
    }

    /// The order that stands for a peer, if any.
    pub(super) async fn standing(&self, did: &str) -> Result<Option<Expect>, NodeError> {
        let text = self.store.meta(&name(did)).await?.unwrap_or_default();
        Ok(serde_json::from_str(&text).ok())
    }

    /// Takes up the offer of a peer that came before the order, the one that has waited longest.
    async fn take_up_waiting(&self, peer: &Peer) -> Result<Option<Id>, NodeError> {
        let query = ExchangeQuery {
            states: vec!["OFFERED".into()],
            kind: Some(ExchangeKind::Negotiation),
            peer: Some(peer.did()),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        for row in self.store.exchanges(query).await?.into_iter().rev() {
            let _lock = self.locks.one(row.id).await;
            let mut turn = self.turn(row.id).await?;
            let waits = turn.machine.role() == Role::Consumer
                && turn.machine.pending().is_none()
                && turn.row.state == "OFFERED";
            let Some(terms) = turn.deal()?.terms.clone().filter(|_| waits) else { continue };
            let Some(out) = self.expected_from(&peer.did(), &terms).await? else { continue };
            let allow = self.proposed_under(&turn).await?;
            turn.deal()?.out = Some(out);
            turn.deal()?.held = None;
            turn.batch.meta.push(Self::used_up(&peer.did()));
            turn.decide_proposal(terms, allow).await?;
            turn.commit().await?;
            return Ok(Some(row.id));
        }
        Ok(None)
    }

    /// What makes an order used up: written in the commit that takes the offer up, and not before.
    pub(super) fn used_up(did: &str) -> (String, String) {
        (name(did), String::new())
    }

    /// Where the files of an offer go, if an order covers its purpose and places.
    pub(super) async fn expected_from(&self, did: &str, terms: &Terms) -> Result<Option<PathBuf>, NodeError> {
        let Some(order) = self.standing(did).await? else { return Ok(None) };
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
