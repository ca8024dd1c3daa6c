//! Key sets that came after the ones that are known: our own, and those of peers (spec chapter 02; API-1.4).
//!
//! A peer that signs under a number that nobody here knows is asked for its sets. They are believed for their signature by the
//! root that is pinned, and for nothing else: who asked, and by which door, does not matter.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use naru_protocol::{
    act::{Method, Path, Token, issue_token},
    encoding::Digest,
    error::Code,
    identity::{Accepted, peer_id, verify_key_set},
    log::entry::{EntryType, Side},
    signature::SigningKey,
};
use serde::Deserialize;

use super::{Node, NodeError, link, now, peers::Peer, route::DXP};
use crate::store::{Batch, KeySetRow, MAX_ROWS};

/// How long a peer is not asked again. Anybody can send a token with a number that nobody knows.
const AGAIN: Duration = Duration::from_secs(5);
/// How long what came under an unknown number waits for the answer.
const WAIT: Duration = Duration::from_secs(3);

/// An answer to `GET /keys` (API-1.3).
#[derive(Debug, Deserialize)]
struct Sets {
    keys: Vec<String>,
}

fn row(did: &str, number: u32, jws: &str) -> KeySetRow {
    let digest = Digest::of(jws.as_bytes());
    KeySetRow { did: did.to_owned(), number: u64::from(number), jws: jws.to_owned(), digest }
}

impl Node {
    /// Logs those of our own key sets that the log does not have yet: after a rotation.
    pub(super) async fn own_keys(&self) -> Result<(), NodeError> {
        let did = self.me.did.to_string();
        let known = self.store.key_sets(&did, 1, MAX_ROWS).await?;
        let mut batch = Batch::default();
        for (number, jws) in &self.me.sets {
            if known.iter().all(|row| row.number != u64::from(*number)) {
                batch.entries.push(self.statement_entry(EntryType::Keys, jws, Side::Own, now())?);
                batch.key_sets.push(row(&did, *number, jws));
            }
        }
        if !batch.entries.is_empty() {
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// All own key sets as rows.
    pub(super) fn own_rows(&self) -> Vec<KeySetRow> {
        let did = self.me.did.to_string();
        self.me.sets.iter().map(|(number, jws)| row(&did, *number, jws)).collect()
    }

    /// Asks a peer for its key sets and pins those that are new; each is logged. True if there was one. `over` is the connection
    /// that it may be at the other end of: where it revoked its keys, that is another than the one that its known keys name.
    pub(super) async fn learn_keys(&self, peer: &Peer, over: Option<&str>) -> Result<bool, NodeError> {
        let did = peer.did();
        {
            let mut asked = self.asked_keys.lock().unwrap_or_else(PoisonError::into_inner);
            asked.retain(|_, at| at.elapsed() < AGAIN);
            if asked.contains_key(&did) {
                return Ok(false);
            }
            asked.insert(did.clone(), Instant::now());
        }
        let body = tokio::time::timeout(WAIT, self.keys_of(peer, over)).await;
        let body = body.map_err(|_| NodeError::refused(Code::TimedOut, did.clone()))??;
        let shown: Sets = serde_json::from_slice(&body)
            .map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        let mut ring = peer.pinned.ring().clone();
        let newest = ring.newest().map_or(0, |set| set.number);
        let mut batch = Batch::default();
        for text in shown.keys {
            let set = verify_key_set(&text)?;
            // Sets from before the one that was pinned first cannot be pinned any more (ID-6.2).
            if set.payload().number <= newest || ring.accept(&set)? == Accepted::Known {
                continue;
            }
            batch.entries.push(self.statement_entry(EntryType::Keys, &text, Side::Received, now())?);
            batch.key_sets.push(row(&did, set.payload().number, &text));
        }
        if batch.entries.is_empty() {
            return Ok(false);
        }
        self.may_sign()?;
        {
            let _one = self.pinning.lock().await;
            self.store.commit(batch).await?;
            self.peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&did);
        }
        tracing::info!(peer = %did, "new key sets are pinned");
        self.introduce().await?;
        // ID-10.2: nothing more comes or goes over a connection of an identity that was revoked.
        let revoked = |id: &String| ring.newest().is_none_or(|set| peer_id(&set.transport) != *id);
        if let Some(gone) = peer.peer_id().filter(revoked) {
            self.forget_keys_of(peer.pinned.did());
            let _ = self.transport.disconnect(&gone).await;
        }
        Ok(true)
    }

    /// The peer may not know our newest set either: then older ones vouch for the question.
    async fn keys_of(&self, peer: &Peer, over: Option<&str>) -> Result<Bytes, NodeError> {
        let mut refused = None;
        for (number, key) in self.me.signing_keys() {
            match self.ask_keys(peer, over, number, key).await {
                Err(NodeError::Refused(code @ (Code::KeyUnknown | Code::NotPaired), detail)) => {
                    refused.get_or_insert(NodeError::Refused(code, detail));
                }
                answered => return answered,
            }
        }
        Err(refused.unwrap_or_else(|| NodeError::refused(Code::KeyUnknown, "")))
    }

    async fn ask_keys(
        &self,
        peer: &Peer,
        over: Option<&str>,
        number: u32,
        key: &SigningKey,
    ) -> Result<Bytes, NodeError> {
        let path = Path::parse("/keys").map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let target = format!("{DXP}{path}");
        let did = *peer.pinned.did();
        let token = Token::for_read(self.me.did, did, Method::Get, path, Digest::of(&[]), now());
        let token = issue_token(&token, number, key)?;
        let response = match over {
            Some(id) => self.transport.request(id, link::bare(&target, &token)?).await?,
            None => self.send(peer, Method::Get, &target, &token, None, Vec::new()).await?,
        };
        let answered = link::whole(response).await?;
        match answered.status {
            200 => Ok(answered.body),
            status => Err(link::refusal(status, &answered.body)),
        }
    }

    /// All key sets of a peer that has just accepted us, oldest first, as it hands them out.
    pub(super) async fn all_keys(&self, peer: &Peer) -> Result<Vec<String>, NodeError> {
        let shown: Sets = serde_json::from_slice(&self.keys_of(peer, None).await?)
            .map_err(|e| NodeError::refused(Code::AnswerMalformed, e.to_string()))?;
        Ok(shown.keys)
    }
}
