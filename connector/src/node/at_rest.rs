//! A node that does not run, read from its folder: what `status`, `peers`, `datasets`, `exchanges`, `agreements`, `queue` and `log` say then.
//!
//! The database is opened for reading, no lock is taken, nothing is sent, signed or written. The parts of a running node are
//! put together around it, so that both say the same in the same words; secret keys are not read, throw-away ones stand in
//! their place. What only a running node knows is left out of the answer, never made up.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Node, NodeError, load_packs, me::Me, overlays::Overlays, seams::Seams, verbs::ExchangeName};
use crate::{
    config::{self, Folder},
    store::{SqliteStore, wrapping::Wrapping},
    transport::{self, Transport},
};
use naru_protocol::error::Code;

/// Members of `status` that only a running node knows.
const OF_STATUS: [&str; 6] = ["addresses", "packs", "stopped", "standings", "strangers", "resident"];
/// Members of a peer that only a running node knows.
const OF_PEER: [&str; 1] = ["connected"];

/// A node that does not run. It has no verb that changes anything.
#[derive(Debug)]
pub struct AtRest(Node);

impl AtRest {
    /// Opens a folder for reading; none if no node has ever run in it.
    pub async fn open(folder: &Folder) -> Result<Option<Self>, NodeError> {
        if !folder.database().exists() {
            return Ok(None);
        }
        let config = folder.config()?;
        let no_random = |e: std::io::Error| NodeError::Folder(format!("no random bytes: {e}"));
        let me = Me::at_rest(folder, config.shard)?;
        let store = SqliteStore::open_reading(&folder.database()).await?;
        let wrapping = Wrapping::open_reading(&folder.join("erasable.keys"))?;
        let engine = tokio::task::spawn_blocking(load_packs).await;
        let engine = engine.map_err(|e| NodeError::Folder(e.to_string()))??;
        let own = Overlays::read(folder, &engine)?;
        // Of no identity and at no address: it stands where a running node has its own, and reaches nobody.
        let seed = config::random::<32>().map_err(no_random)?;
        let (transport, _) = Transport::start(transport::Config::new(seed, Vec::new())).await?;
        let beside = (config.approval.clone().unwrap_or_default(), Seams::default());
        let node = Node::of(folder, me, Arc::new(store), wrapping, transport, (engine, own), beside);
        node.take_up_packs().await?;
        node.know_plain_peers().await?;
        Ok(Some(Self(node)))
    }

    /// What a reading verb says; none for one that asks more than the folder.
    pub async fn look(&self, verb: &str, request: Option<&Value>) -> Result<Option<Value>, NodeError> {
        let node = &self.0;
        Ok(Some(match verb {
            "status" => {
                // What is owed is kept in no table: a node that runs has it from its start.
                node.reckon_all().await?;
                let mut status = without(json(&node.status().await?), &OF_STATUS);
                status["running"] = json!(false);
                status
            }
            "peers" => each(json(&node.peers().await?), &OF_PEER),
            "datasets" => json(&node.datasets().await?),
            "exchanges" => json(&node.exchanges().await?),
            "exchange" => {
                let id = request.and_then(|r| r.get("id")).and_then(Value::as_str).unwrap_or_default();
                json(&node.exchange(ExchangeName { id: id.to_owned() }).await?)
            }
            "agreements" => json(&node.agreements().await?),
            "obligations" => json(&node.obligations(asked(request)?).await?),
            "packs" => json(&node.packs().await?),
            "data" => json(&node.data().await?),
            "queue" => json(&node.queue().await?),
            "log" => json(&node.log(asked(request)?).await?),
            _ => return Ok(None),
        }))
    }
}

/// What a verb is asked; nothing, where nothing was said.
fn asked<T: serde::de::DeserializeOwned>(request: Option<&Value>) -> Result<T, NodeError> {
    let request = request.cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(request).map_err(|e| NodeError::refused(Code::ArgumentInvalid, e.to_string()))
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn without(mut value: Value, members: &[&str]) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !members.contains(&name.as_str()));
    }
    value
}

fn each(value: Value, members: &[&str]) -> Value {
    if let Value::Array(items) = value {
        return items.into_iter().map(|item| without(item, members)).collect();
    }
    without(value, members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::verbs::{PeerView, Status};

    #[test]
    fn what_is_left_out_are_members_that_there_are() {
        let names = |schema: schemars::Schema| {
            let properties = schema.as_value().get("properties").and_then(Value::as_object).cloned();
            properties.unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let (status, peer) = (names(schemars::schema_for!(Status)), names(schemars::schema_for!(PeerView)));
        assert!(OF_STATUS.iter().all(|name| status.iter().any(|n| n == name)), "{status:?}");
        assert!(OF_PEER.iter().all(|name| peer.iter().any(|n| n == name)), "{peer:?}");
        assert_eq!(each(json!([{"a": 1, "connected": null}]), &OF_PEER), json!([{"a": 1}]));
    }
}
