//! The node in numbers, for metrics.

use std::collections::{BTreeMap, BTreeSet};

use super::{Node, NodeError, now, views::resident};
use crate::store::Tally;

/// The node in numbers, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// This node's clock, seconds.
    pub now: u64,
    /// What is stored.
    pub tally: Tally,
    /// Own decisions since the start, by phase and result.
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// Bytes of data handed to connections since the start.
    pub sent: u64,
    /// Bytes of data received and verified since the start.
    pub verified: u64,
    /// Bytes of data received since the start from partners that sign nothing.
    pub unsigned: u64,
    /// Peers in contact.
    pub connected: u64,
    /// Requests of strangers that were turned away since the start, and connections of theirs that came to nothing.
    pub strangers: u64,
    /// Nothing is signed any more.
    pub stopped: bool,
    /// Resident memory in bytes, where the system tells.
    pub resident: Option<u64>,
}

impl Node {
    /// What strangers tried: requests that were turned away, and connections that never became one of a peer.
    pub(super) fn strangers(&self) -> u64 {
        self.budgets.strangers().saturating_add(self.transport.failed_incoming())
    }

    /// Measures.
    pub async fn measure(&self) -> Result<Measured, NodeError> {
        let (sent, verified, unsigned) = self.counters.bytes();
        let mut here: BTreeSet<String> = self.transport.connected().into_iter().map(|c| c.peer).collect();
        here.extend(self.ways.heard());
        let mut connected = 0;
        for row in self.store.peers(None, crate::store::MAX_ROWS).await? {
            let id = self.peer(&row.did).await?.and_then(|peer| peer.peer_id());
            connected += u64::from(id.is_some_and(|id| here.contains(&id)));
        }
        Ok(Measured {
            now: now(),
            tally: self.store.tally().await?,
            decisions: self.counters.decisions(),
            sent,
            verified,
            unsigned,
            connected,
            strangers: self.strangers(),
            stopped: self.behind().is_some(),
            resident: resident(),
        })
    }
}
