//! What a peer may cost us: acts and reads per minute, refusals that are logged per hour; strangers are counted, not logged
//! (spec chapter 11, LIM-1).
//!
//! In memory: a restart gives a fresh window, which costs at most one budget more.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use naru_protocol::{error::Code, limits};

use super::{Node, NodeError, now};
use crate::store::Counted;

/// Counts in the window of time that runs now, by whom they are charged to.
#[derive(Debug, Default)]
struct Window(Mutex<(u64, BTreeMap<String, u64>)>);

impl Window {
    /// One more for `whom`, unless it has had `most` in this window of so many seconds.
    fn charge(&self, whom: &str, seconds: u64, most: u64) -> Result<(), NodeError> {
        let window = now() / seconds;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != window {
            *held = (window, BTreeMap::new());
        }
        let count = held.1.entry(whom.to_owned()).or_insert(0);
        if *count >= most {
            return Err(NodeError::refused(Code::BudgetExceeded, ""));
        }
        *count += 1;
        Ok(())
    }
}

/// Counts of this process.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    refused: Window,
    acts: Window,
    reads: Window,
    unknown: Window,
    strangers: AtomicU64,
}

impl Budgets {
    /// Charges a peer for one refusal that will be signed and logged; beyond its budget it gets an unsigned 429.
    pub(super) fn refusal(&self, did: &str) -> Result<(), NodeError> {
        self.refused.charge(did, 3600, limits::PEER_REFUSALS_HOUR)
    }

    /// Charges a peer for an act.
    pub(super) fn act(&self, did: &str) -> Result<(), NodeError> {
        self.acts.charge(did, 60, limits::PEER_ACTS_MINUTE)
    }

    /// Charges a peer for a read or a service post.
    pub(super) fn read(&self, did: &str) -> Result<(), NodeError> {
        self.reads.charge(did, 60, limits::PEER_READS_MINUTE)
    }

    /// Charges a connection for a request that no pinned peer's token came with.
    pub(super) fn unknown(&self, connected: &str) -> Result<(), NodeError> {
        self.unknown.charge(connected, 60, limits::STRANGER_REQUESTS_MINUTE)
    }

    /// Somebody whom we do not know was turned away.
    pub(super) fn stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were turned away since the start.
    pub(super) fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }
}

impl Node {
    /// Refuses a new exchange with a peer while too many are open, or too much waits for answers (LIM-1.1).
    pub(super) async fn room_for(&self, peer: &str) -> Result<(), NodeError> {
        let limits = [
            (Counted::LiveExchanges(peer), limits::PEER_EXCHANGES, "exchanges with this peer are open"),
            (Counted::Outbox(peer), limits::OUTBOX_PEER, "acts wait for this peer's answer"),
            (Counted::WholeOutbox, limits::OUTBOX, "acts wait for an answer"),
        ];
        for (what, most, text) in limits {
            self.room(what, most, text).await?;
        }
        Ok(())
    }

    /// Refuses one more of something than its limit allows.
    pub(super) async fn room(&self, what: Counted<'_>, most: usize, text: &str) -> Result<(), NodeError> {
        if self.store.count(what).await? >= most as u64 {
            return Err(NodeError::refused(Code::BudgetExceeded, format!("{most} {text}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_beyond_its_budget_is_refused_without_an_entry_and_others_are_not() {
        let budgets = Budgets::default();
        for _ in 0..limits::PEER_REFUSALS_HOUR {
            budgets.refusal("did:a").unwrap();
        }
        let over = budgets.refusal("did:a").unwrap_err();
        assert_eq!(over.code(), Code::BudgetExceeded);
        budgets.refusal("did:b").unwrap();
    }
}
