//! What the turns of signed and of plain exchanges do alike when they become durable: acts beside their entries, lanes, and a
//! commit that runs to its end whoever waits for it.

use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    log::entry::{EntryDraft, Lane, LaneKey},
};

use super::{Node, NodeError};
use crate::store::{ActRow, Batch, NewAct, Sequenced};

/// An act with its entry, waiting for the commit.
pub(super) struct Recorded {
    pub(super) row: ActRow,
    pub(super) entry: EntryDraft,
}

/// Adds acts to a batch, each pointing to its entry, in the order in which they happened.
pub(super) fn record(batch: &mut Batch, acts: impl IntoIterator<Item = Recorded>) {
    for Recorded { row, entry } in acts {
        batch.acts.push(NewAct { act: row, entry: Some(batch.entries.len()) });
        batch.entries.push(entry);
    }
}

impl Node {
    /// The lanes in which an entry counts, one for each country.
    pub(super) fn lanes(&self, mut countries: Vec<String>) -> Vec<Lane> {
        countries.sort_unstable();
        countries.dedup();
        let seed = &self.me.secret().lanes.0;
        let lane = |country: String| {
            let key = Digest::of(&[seed.as_slice(), b"lane:", country.as_bytes()].concat());
            Lane { key: LaneKey::from_bytes(key.0), country }
        };
        countries.into_iter().map(lane).collect()
    }

    /// Commits a batch and wakes the outbox. A task of its own: whoever waits may be gone with its connection, and what became
    /// durable is sent all the same. Then tells the task that moves the data of `halts`, if any, to leave off.
    pub(super) async fn make_durable(&self, batch: Batch, halts: Option<Id>) -> Result<Sequenced, NodeError> {
        let node = self.clone();
        let changes = self.changes(&batch);
        let concerned = self.watch.concerned(&batch);
        let committed = tokio::spawn(async move {
            let sequenced = node.store.commit(batch).await;
            node.wake.notify_one();
            if sequenced.is_ok() {
                node.tell_all(changes);
                node.watch.touch(concerned);
            }
            if let Some(id) = halts {
                node.receiving.halt(id);
            }
            if sequenced.as_ref().is_err_and(|error| error.code() == Code::StoreUnavailable) {
                // Done or not, nobody here follows it up.
                node.unsure.notify_one();
            }
            sequenced
        });
        Ok(committed.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))??)
    }
}
