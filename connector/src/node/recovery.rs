//! After a start: what a peer holds of our log, asked before an act goes to it or is taken from it (spec chapter 08, LOG-9).
//!
//! A database that was put back from an older copy, high-water file and all, does not know what it has signed since; its
//! peers do. If one of them shows a checkpoint of ours that this database does not have, nothing is signed any more: a
//! second history would be worse than no history. `naru restore` opens a new shard then (LOG-9.3); what peers give back is not adopted into it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use naru_protocol::{
    encoding::{Digest, Id, to_base64url},
    error::Code,
    json, limits,
    log::checkpoint::{Origin, SignedCheckpoint},
};
use serde::Deserialize;
use serde_json::{Value, json as object};

use super::{Node, NodeError, peers::Peer, route::DXP};
use crate::store::{Direction, MAX_ROWS};

/// How long an act of a peer waits for that peer's answer to our question, before it is asked to come again.
const WAIT: Duration = Duration::from_secs(2);
/// Bytes of an answer to `GET /log/yours` that acts may fill; the checkpoint needs the rest.
const ACTS_BYTES: usize = limits::MESSAGE - 8 * 1024;

/// Who has answered since the start, and whether one of them holds more than we do.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    answered: Mutex<BTreeSet<String>>,
    behind: OnceLock<String>,
}

/// An answer to `GET /log/yours` (API-3.5), as far as it is used here.
#[derive(Debug, Deserialize)]
struct Yours {
    checkpoint: Option<String>,
}

impl Node {
    /// Refuses once a peer has shown that this database is older than what was signed with its keys.
    pub(super) fn may_sign(&self) -> Result<(), NodeError> {
        match self.recovery.behind.get() {
            Some(what) => Err(NodeError::refused(Code::StoreRolledBack, what.clone())),
            None => Ok(()),
        }
    }

    /// Why nothing is signed any more, if so.
    pub(super) fn behind(&self) -> Option<String> {
        self.recovery.behind.get().cloned()
    }

    /// Asks the peer once after a start what it holds of our log; errs until it has answered, and for ever if it holds
    /// more than we do.
    pub(super) async fn recovered(&self, peer: &Peer) -> Result<(), NodeError> {
        self.may_sign()?;
        let did = peer.did();
        let answered =
            || self.recovery.answered.lock().unwrap_or_else(PoisonError::into_inner).contains(&did);
        if answered() {
            return Ok(());
        }
        let _one = self.locks.one(question(&did)).await;
        if answered() {
            return Ok(());
        }
        let size = self.store.head().await?.map_or(0, |head| head.size);
        let body = self.get(peer, DXP, &format!("/log/yours?from={size}")).await?;
        let shown: Yours = serde_json::from_slice(&body)
            .map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        if let Some(note) = shown.checkpoint {
            self.is_of_this_history(peer, &note).await?;
        }
        self.recovery.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(did);
        Ok(())
    }

    /// The same for an act that has come: it may wait a little, then its sender is asked to repeat it.
    pub(super) async fn recovered_for_act(&self, peer: &Peer) -> Result<(), NodeError> {
        let again = || NodeError::refused(Code::Recovering, "");
        match tokio::time::timeout(WAIT, self.recovered(peer)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(peer = %peer.did(), code = error.code().as_str(), %error, "acts of this peer wait");
                Err(again())
            }
            Err(_) => Err(again()),
        }
    }

    /// A checkpoint of ours, shown by a peer, against the log that we have.
    async fn is_of_this_history(&self, peer: &Peer, note: &str) -> Result<(), NodeError> {
        let nonsense = |what: &str| NodeError::refused(Code::AnswerMalformed, what.to_owned());
        let origin =
            Origin::parse(note.lines().next().unwrap_or_default()).map_err(|e| nonsense(&e.to_string()))?;
        let opened = self.me.ring.log_keys().into_iter().find_map(|key| {
            let key = origin.key(key).ok()?;
            SignedCheckpoint::open_own(note.as_bytes(), &key).ok()
        });
        // Without our own signature it is only the peer's word, and a word must not stop us.
        let Some(opened) = opened.filter(|_| origin.root == *self.me.did.root_key()) else {
            return Err(nonsense("the checkpoint shown as ours is not signed by us"));
        };
        let (shown, head) = (opened.size(), self.store.head().await?.map_or(0, |head| head.size));
        let same_log = origin.to_string() == self.me.origin;
        let known = same_log && shown <= head && self.store.root(shown).await? == *opened.root();
        let earlier = !same_log && self.is_earlier_shard(&origin);
        if known || earlier {
            return Ok(());
        }
        let what =
            format!("{} holds a checkpoint of {shown} entries that this database does not have", peer.did());
        tracing::error!(%what, size = head, "this database is older than what was signed: nothing is signed any more");
        let first = self.recovery.behind.get().is_none();
        let error =
            NodeError::refused(Code::StoreRolledBack, self.recovery.behind.get_or_init(|| what).clone());
        if first {
            self.tell_trouble(None, None, &error);
        }
        Err(error)
    }

    fn is_earlier_shard(&self, origin: &Origin) -> bool {
        Origin::parse(&self.me.origin).is_ok_and(|ours| origin.shard < ours.shard)
    }

    /// (API-3.5) `GET /log/yours?from=N`: the largest checkpoint that the caller has shown us of its newest log, and its
    /// acts from there on, as many as fit.
    pub(super) async fn yours_for(&self, peer: &Peer, from: u64) -> Result<Vec<u8>, NodeError> {
        let newest = |origin: &str| Origin::parse(origin).map_or(0, |origin| origin.shard);
        let logs = self.store.peer_claims(&peer.did(), MAX_ROWS).await?;
        let Some(log) = logs.into_iter().max_by_key(|log| newest(&log.origin)) else {
            return Ok(json::to_canonical(&object!({"v": 1, "checkpoint": null, "acts": []}))?);
        };
        let (mut acts, mut bytes) = (Vec::new(), 0);
        for place in self.store.peer_acts_from(&peer.did(), &log.origin, from, MAX_ROWS).await? {
            let Some(act) = self.store.act(place.act).await?.filter(|act| act.direction == Direction::In)
            else {
                continue;
            };
            let shown: Value = object!({"act": act.digest, "index": place.index, "token": act.token,
                "path": act.path, "content": to_base64url(&act.body)});
            bytes += json::canonical(&shown)?.len() + 1;
            if bytes > ACTS_BYTES || acts.len() >= limits::LOG_PAGE {
                break;
            }
            acts.push(shown);
        }
        Ok(json::to_canonical(&object!({"v": 1, "checkpoint": log.note, "acts": acts}))?)
    }
}

/// What stands for the question to a peer among the locks.
fn question(did: &str) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(format!("yours:{did}").as_bytes()).0[..16]);
    Id(id)
}
