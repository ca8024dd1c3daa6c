//! A peer that signed two histories of its log: what proves it is kept, recorded, and shown to auditors (spec chapter 08,
//! LOG-5.7 and LOG-5.8).
//!
//! Only two checkpoints of one size convict here, since no other proof is needed than their signatures. A peer that fails to
//! prove that a larger log extends a smaller one gets no data, and is not accused. Telling other participants is not done.

use naru_protocol::{
    encoding::Digest,
    error::Code,
    log::{
        checkpoint::{ForkProof, SignedCheckpoint},
        entry::{EntryDraft, EntryType, FieldKey},
    },
};
use serde_json::json;

use super::{Node, NodeError, now, peers::random_id};
use crate::store::Batch;

/// Where the proof about a log is kept.
fn place(origin: &str) -> String {
    format!("fork:{origin}")
}

impl Node {
    /// The proof that this log forked, if it was shown to have done so.
    pub(super) async fn fork_of(&self, origin: &str) -> Result<Option<String>, NodeError> {
        Ok(self.store.meta(&place(origin)).await?)
    }

    /// Keeps two checkpoints that cannot both be true, in one commit with the entry that records it; once for each log.
    pub(super) async fn convict(
        &self,
        did: &str,
        one: &SignedCheckpoint,
        other: &SignedCheckpoint,
    ) -> Result<(), NodeError> {
        let found = ForkProof::find(one, other, &mut |_, _| None);
        let Ok(Some(proof)) = found else { return Ok(()) };
        let origin = one.checkpoint().origin.clone();
        let _one = self.pinning.lock().await;
        if self.fork_of(&origin).await?.is_some() {
            return Ok(());
        }
        self.may_sign()?;
        let bytes = proof.to_bytes()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut entry = EntryDraft::own(EntryType::Fork, random_id()?, now());
        entry.field("peer", json!(did), FieldKey::Node(self.node_key()));
        entry.field("proof", json!(Digest::of(&bytes)), FieldKey::Node(self.node_key()));
        self.store
            .commit(Batch { entries: vec![entry], meta: vec![(place(&origin), text)], ..Batch::default() })
            .await?;
        tracing::error!(peer = did, %origin, size = one.size(), "the peer signed two histories: nothing more is taken from it");
        Ok(())
    }

    /// Refuses whatever rests on a log that was shown to have forked.
    pub(super) async fn not_convicted(&self, origin: &str) -> Result<(), NodeError> {
        match self.fork_of(origin).await? {
            Some(_) => Err(NodeError::refused(Code::LogForked, origin)),
            None => Ok(()),
        }
    }
}
