//! Which transfer under its agreement one is, counted from the log (spec chapter 09, AUD-6.11): the host's word for it is
//! no part of the record, and a limit on transfers rests on it.
//!
//! Not here: whether the limit was kept. That is a rule, and it is executed again with this number.

use std::collections::BTreeMap;

use naru_protocol::{
    dsp::{Message as _, transfer::TransferRequestMessage},
    encoding::{Digest, Id},
    log::entry::EntryType,
};
use serde_json::Value;

use super::{
    acts::Acts,
    finding::{Check, Fault},
    log::Log,
    plain::Plain,
    reason::Reason,
};

/// The transfers of one log.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// Agreement that a transfer was requested under.
    agreement: BTreeMap<Id, Digest>,
    /// Index of the first START of a transfer that was not refused.
    started: BTreeMap<Id, u64>,
}

impl Transfers {
    pub(super) fn of(log: &Log, acts: &Acts, plain: &Plain) -> Self {
        let mut all = Self { agreement: plain.transfers().clone(), ..Self::default() };
        for seen in acts.seen.values().filter(|seen| seen.kind == EntryType::TransferRequest) {
            let named = TransferRequestMessage::parse(&seen.content).ok().and_then(|message| message.dxp);
            if let Some(named) = named {
                all.agreement.insert(seen.act.exchange, named.agreement);
            }
        }
        for (index, entry, _) in log.all().filter(|(_, entry, _)| entry.kind() == EntryType::TransferStart) {
            let refused = entry.status().is_some_and(|status| status >= 400);
            if let (Some(exchange), false) = (entry.exchange(), refused) {
                all.started.entry(*exchange).or_insert(index);
            }
        }
        all
    }

    /// The host's `transfer.occurrence` in an evaluation that an entry at `index` names: one more than the other transfers
    /// under the agreement that had started before this one did, or, if it had not, before the entry.
    pub(super) fn check(&self, exchange: Id, index: u64, host: &Value) -> Check<()> {
        let open = |why: &str| Fault::open(Reason::NotDisclosed, why);
        let agreement = self.agreement.get(&exchange).ok_or_else(|| open("no request is shown"))?;
        let by = self.started.get(&exchange).map_or(index, |start| *start.min(&index));
        let (mut known, mut hidden) = (1_u64, 0_u64);
        for other in self.started.iter().filter(|(other, start)| **other != exchange && **start < by) {
            match self.agreement.get(other.0) {
                Some(under) if under == agreement => known += 1,
                Some(_) => {}
                None => hidden += 1,
            }
        }
        let said = host.pointer("/transfer/occurrence").and_then(Value::as_u64).unwrap_or_default();
        match said {
            n if n == known => Ok(()),
            n if n > known && n <= known + hidden => Err(open("other transfers are not shown")),
            n => Err(Fault::failed(Reason::OccurrenceDiffers, format!("{n}, the log shows {known}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::finding::Verdict;

    const A: Id = Id([1; 16]);
    const B: Id = Id([2; 16]);
    const C: Id = Id([3; 16]);

    /// What the check says of a number: the verdict if it does not hold.
    fn said(transfers: &Transfers, exchange: Id, index: u64, occurrence: u64) -> Option<Verdict> {
        let host = json!({"transfer": {"occurrence": occurrence}});
        transfers.check(exchange, index, &host).err().map(|fault| fault.verdict)
    }

    /// AUD-6.11
    #[test]
    fn a_transfer_has_the_number_that_the_log_shows() {
        let deal = Digest::of(b"deal");
        let mut transfers = Transfers {
            agreement: [(A, deal), (B, deal), (C, Digest::of(b"another deal"))].into(),
            started: [(A, 10), (B, 20), (C, 5)].into(),
        };
        assert_eq!(said(&transfers, A, 10, 1), None);
        assert_eq!(said(&transfers, B, 20, 2), None);
        assert_eq!(said(&transfers, C, 5, 1), None, "a transfer of another deal does not count");
        assert_eq!(said(&transfers, B, 20, 1), Some(Verdict::Failed));
        assert_eq!(said(&transfers, A, 10, 2), Some(Verdict::Failed));
        assert_eq!(said(&transfers, A, 30, 1), None, "asked again while it runs, it keeps its number");
        assert_eq!(said(&transfers, A, 4, 1), None, "the consumer's request stands before its start");
        // Refused before it started: counted at the entry that names the evaluation.
        transfers.started.remove(&B);
        assert_eq!(said(&transfers, B, 30, 2), None);
        assert_eq!(said(&transfers, B, 9, 1), None);
        // What is not shown may be of this agreement, and no number above it is true.
        transfers.agreement.remove(&C);
        assert_eq!(said(&transfers, B, 30, 2), None);
        assert_eq!(said(&transfers, B, 30, 3), Some(Verdict::NotDisclosed));
        assert_eq!(said(&transfers, B, 30, 4), Some(Verdict::Failed));
        assert_eq!(said(&transfers, C, 5, 1), Some(Verdict::NotDisclosed));
    }
}
