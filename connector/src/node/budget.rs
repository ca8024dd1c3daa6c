//! What a peer may cost us: refusals that are logged, per peer and hour; strangers are counted, not logged.
//!
//! In memory: a restart gives a fresh hour, which costs at most one budget more.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use naru_protocol::{error::Code, limits};

use super::{NodeError, now};

/// Counts of this process.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    refused: Mutex<BTreeMap<String, (u64, u64)>>,
    strangers: AtomicU64,
}

impl Budgets {
    /// Charges a peer for one refusal that will be signed and logged; beyond its budget it gets an unsigned 429.
    pub(super) fn refusal(&self, did: &str) -> Result<(), NodeError> {
        let hour = now() / 3600;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, (at, _)| *at == hour);
        let (_, count) = refused.entry(did.to_owned()).or_insert((hour, 0));
        if *count >= limits::PEER_REFUSALS_HOUR {
            return Err(NodeError::refused(Code::BudgetExceeded, ""));
        }
        *count += 1;
        Ok(())
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
