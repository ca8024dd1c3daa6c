//! Data that rules read and that are signed apart from the packs: sanctions lists and stop orders (POL-19).
//!
//! What is accepted adds to what the node has: entries to the list that came with the packs, orders to the operator's own. Once
//! it is stale, the fact is not known any more, whatever it would have said: the rule that needs it says so.

use naru_protocol::{
    encoding::Digest,
    error::Code,
    supply::{DataKind, Signed, SignedData},
};
use serde_json::{Value, json};

use super::{
    super::{
        Node, NodeError,
        facts::readable,
        now,
        verbs::{AddFile, DataView},
    },
    shelf::data_place,
};
use crate::supply::Supply;

impl Node {
    /// At a start.
    pub(super) async fn take_up_data(&self) -> Result<(), NodeError> {
        let corrupt = |e: &dyn std::fmt::Display| NodeError::refused(Code::StoreCorrupt, e.to_string());
        for kind in DataKind::ALL {
            let Some(text) = self.store.meta(&data_place(kind)).await? else { continue };
            let signed: Signed = serde_json::from_str(&text).map_err(|e| corrupt(&e))?;
            let data = signed.read::<SignedData>().map_err(|e| corrupt(&e))?;
            self.shelf.put_data(data, signed.digest::<SignedData>()?);
        }
        Ok(())
    }

    /// The data in use, and who may sign newer.
    pub async fn data(&self) -> Result<DataView, NodeError> {
        let signers = self.folder.config()?.packs.unwrap_or_default().of_data()?;
        let supplies = self.supplies().into_iter().filter(|supply| supply.what != "packs").collect();
        Ok(DataView {
            supplies,
            signers: signers.keys.iter().map(ToString::to_string).collect(),
            threshold: signers.threshold,
        })
    }

    /// Accepts data from a file.
    pub async fn add_data(&self, ask: AddFile) -> Result<DataView, NodeError> {
        let _one = self.shelf.adding.lock().await;
        let signers = self.folder.config()?.packs.unwrap_or_default().of_data()?;
        let read = tokio::task::spawn_blocking(move || Supply::read(&ask.file)).await;
        let signed = read.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))??.signed;
        let data: SignedData =
            signed.open(&signers, now()).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        readable(&data)?;
        let digest = signed.digest::<SignedData>()?;
        if self.is_newer(&data, &digest)? {
            let text = serde_json::to_string(&signed)
                .map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
            let fields =
                vec![("data", json!(digest)), ("kind", json!(data.kind)), ("number", json!(data.number))];
            self.keep_accepted((data_place(data.kind), text), fields).await?;
            tracing::info!(kind = data.kind.as_str(), number = data.number, "newer data are in use");
            self.shelf.put_data(data, digest);
        }
        self.data().await
    }

    fn is_newer(&self, data: &SignedData, digest: &Digest) -> Result<bool, NodeError> {
        let Some((before, known)) = self.shelf.data(data.kind) else { return Ok(true) };
        if data.number < before.number || (data.number == before.number && *digest != known) {
            let why = format!("{} {}; accepted is {}", data.kind.as_str(), data.number, before.number);
            return Err(NodeError::refused(Code::SupplyOlder, why));
        }
        Ok(data.number > before.number)
    }

    /// Entries of a kind of data at this time: none where none was accepted; an error word where they are stale.
    fn fresh(&self, kind: DataKind, at: u64) -> Result<Vec<Value>, Stale> {
        match self.shelf.data(kind) {
            None => Ok(Vec::new()),
            Some((data, _)) if at >= data.expires_at => Err(Stale),
            Some((data, _)) => Ok(data.entries),
        }
    }

    /// POL-19.3: what the lists say about a consumer; nothing, where a list that was accepted is stale.
    pub(in crate::node) fn screened(&self, consumer: &str, name: Option<&str>, at: u64) -> Option<Value> {
        let more = self.fresh(DataKind::Sanctions, at).ok()?;
        let number = self.shelf.data(DataKind::Sanctions).map(|(data, _)| data.number);
        super::super::sanctions::screened(consumer, name, at, (&more, number))
    }

    /// POL-19.4: the operator's orders and those that were signed; no member, where those are stale.
    pub(in crate::node) fn with_orders(&self, private: &mut Value, at: u64) {
        let Some(members) = private.as_object_mut() else { return };
        match self.fresh(DataKind::StopOrders, at) {
            Ok(orders) => {
                if let Some(own) = members.get_mut("stop_orders").and_then(Value::as_array_mut) {
                    own.extend(orders);
                }
            }
            Err(Stale) => {
                members.remove("stop_orders");
            }
        }
    }
}

/// Data whose time is over.
struct Stale;
