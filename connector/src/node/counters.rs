//! What this process has counted since it started, for metrics: decisions of its own policy and bytes that went either way.
//!
//! Counts of what is stored (exchanges, the outbox, the log) are read from the store when somebody asks.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use naru_policy::ResultDoc;

/// Counts of this process.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    decisions: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    sent: AtomicU64,
    verified: AtomicU64,
    unsigned: AtomicU64,
}

impl Counters {
    /// Our own packs have decided.
    pub(super) fn decided(&self, phase: &'static str, result: &ResultDoc, broken: bool) {
        let word = match (broken, result.allow, result.visible) {
            (true, _, _) => "broken",
            (false, Some(true), _) => "allow",
            (false, None, Some(true)) => "visible",
            (false, None, _) => "hidden",
            (false, Some(false), _) if !result.deny.is_empty() => "deny",
            (false, Some(false), _) => "undetermined",
        };
        *self.decisions.lock().unwrap_or_else(PoisonError::into_inner).entry((phase, word)).or_default() += 1;
    }

    /// Bytes of data were handed to a connection.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of data arrived, were verified against the agreed content root and written.
    pub(super) fn verified(&self, bytes: u64) {
        self.verified.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of data arrived from a peer that signs nothing and promised no digest.
    pub(super) fn unsigned(&self, bytes: u64) {
        self.unsigned.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Decisions by phase and result.
    pub(crate) fn decisions(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes sent, bytes received and verified, bytes received unsigned.
    pub(crate) fn bytes(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (of(&self.sent), of(&self.verified), of(&self.unsigned))
    }
}
