//! What has become of the duties of an agreement: from which event each runs, until when, and whether somebody attested that it
//! was done (spec chapter 08b, OBL-1 and OBL-3).
//!
//! A plain function of the terms, of what both sides signed and of the time: nothing is kept, so that both sides and an auditor
//! reckon the same. Which acts count is the caller's to know: only those that were answered 2xx.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Digest, Id},
    limits,
    report::{Report, ReportKind},
    terms::Obligation,
};

/// Where a duty stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its event has not happened, its time is far, or it is one that is kept and not done.
    Open,
    /// It is to be done now.
    Due,
    /// Somebody who owes it attested that it was done, or what is to be kept was kept long enough.
    Fulfilled,
    /// Its time is over and nobody attested anything.
    Violated,
}

impl Standing {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Due => "due",
            Self::Fulfilled => "fulfilled",
            Self::Violated => "violated",
        }
    }
}

/// Duties to keep, protect or refrain: nothing is done at a certain time, and `within` says how long they last.
const KEPT: [&str; 9] = [
    "keep_log",
    "keep_processing_records",
    "retain_records",
    "protect_integrity",
    "no_reidentification",
    "resist_foreign_access",
    "attribute",
    "nextPolicy",
    "log",
];

/// Duties that a deletion of everything that was received does.
const DELETES: [&str; 3] = ["delete", "destroy_and_confirm", "return_or_delete"];

/// Whether a duty lasts, instead of being done once (OBL-1.4). A word that nobody knows is a duty to be done.
#[must_use]
pub fn lasts(duty: &str) -> bool {
    KEPT.contains(&duty) || duty.starts_with("refrain ")
}

/// Whether deleting the data does it.
#[must_use]
pub fn deletes(duty: &str) -> bool {
    DELETES.contains(&duty)
}

/// A report that was taken, and the act that it is.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// Digest of the act.
    pub act: Digest,
    /// Whose it is.
    pub by: crate::identity::Role,
    /// What it says.
    pub report: &'a Report,
}

/// What is known of an agreement, besides its terms.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// Time of the draft: the agreement's `timestamp`.
    pub agreed: u64,
    /// When the right to use the data ends: the terms' own day, or the end of the agreement.
    pub term_end: Option<u64>,
    /// Transfers whose data receipt was signed, with its time.
    pub completed: &'a [(Id, u64)],
    /// Reports that were taken, in their order.
    pub reports: &'a [Taken<'a>],
}

/// One duty after one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// The duty.
    pub obligation: &'a Obligation,
    /// The transfer that it runs from.
    pub transfer: Option<Id>,
    /// When its event happened or will; none where nobody knows of one.
    pub since: Option<u64>,
    /// Until when it is to be done; none where no time runs.
    pub deadline: Option<u64>,
    /// Where it stands.
    pub standing: Standing,
    /// The act that fulfilled it, and its time.
    pub evidence: Option<(Digest, u64)>,
}

impl Row<'_> {
    /// Whether it is done, and not only kept.
    #[must_use]
    pub fn is_done_once(&self) -> bool {
        !lasts(&self.obligation.duty)
    }

    /// Whether it was done after its deadline.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!((self.deadline, self.evidence), (Some(deadline), Some((_, at))) if at > deadline)
    }
}

impl Course<'_> {
    /// Every duty of the terms after every event that is known, in the order of the terms.
    #[must_use]
    pub fn rows<'a>(&self, obligations: &'a [Obligation], now: u64) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        for obligation in obligations {
            let events = self.events(&obligation.after);
            if events.is_empty() {
                rows.push(self.row(obligation, None, None, now));
            }
            rows.extend(
                events.into_iter().map(|(transfer, at)| self.row(obligation, transfer, Some(at), now)),
            );
        }
        rows
    }

    /// When something happened, as far as both sides can know (OBL-1.1).
    fn events(&self, after: &str) -> Vec<(Option<Id>, u64)> {
        match after {
            "agreement" | "decision" => [(None, self.agreed)].into(),
            "completion" => self.completed.iter().map(|(transfer, at)| (Some(*transfer), *at)).collect(),
            "term_end" => self.term_end.map(|at| (None, at)).into_iter().collect(),
            "destruction" => {
                let deleted = self.reports.iter().filter(|taken| settles(taken.report));
                deleted
                    .filter(|taken| taken.report.kind == ReportKind::Deletion)
                    .map(|taken| (None, taken.report.at))
                    .collect()
            }
            said => {
                let told = self.reports.iter().filter(|taken| taken.report.event.as_deref() == Some(said));
                told.filter_map(|taken| taken.report.happened).map(|at| (None, at)).collect()
            }
        }
    }

    fn row<'a>(
        &self,
        obligation: &'a Obligation,
        transfer: Option<Id>,
        since: Option<u64>,
        now: u64,
    ) -> Row<'a> {
        let deadline = since.and_then(|since| Some(since.saturating_add(obligation.within?)));
        let evidence = self.evidence(obligation, since).map(|taken| (taken.act, taken.report.at));
        let standing = if lasts(&obligation.duty) {
            let over = deadline.is_some_and(|deadline| now > deadline);
            if over { Standing::Fulfilled } else { Standing::Open }
        } else if evidence.is_some() {
            Standing::Fulfilled
        } else {
            standing(since, deadline, now)
        };
        Row { obligation, transfer, since, deadline, standing, evidence }
    }

    /// The first report that says that it was done, at its event or later (OBL-3.1).
    fn evidence(&self, obligation: &Obligation, since: Option<u64>) -> Option<&Taken<'_>> {
        self.reports.iter().find(|taken| {
            let report = taken.report;
            let named = report.obligation.as_ref() == Some(obligation);
            let deleted = report.kind == ReportKind::Deletion
                && deletes(&obligation.duty)
                && report.obligation.is_none();
            taken.by == obligation.on
                && (named || deleted)
                && settles(report)
                && since.is_none_or(|since| report.at >= since)
        })
    }
}

/// Whether a report says that something was done. One that leaves files unknown and says nothing of them does not (OBL-3.2).
fn settles(report: &Report) -> bool {
    report.deletion.is_none_or(|deletion| deletion.unknown == 0 || !report.text.trim().is_empty())
}

/// Where a duty stands that nobody attested (OBL-1.3).
fn standing(since: Option<u64>, deadline: Option<u64>, now: u64) -> Standing {
    let Some(since) = since.filter(|since| *since <= now) else { return Standing::Open };
    let Some(deadline) = deadline else { return Standing::Due };
    if now > deadline {
        return Standing::Violated;
    }
    let short = deadline - since <= limits::OBLIGATION_SHORT_SECONDS;
    if short || deadline - now <= limits::OBLIGATION_DUE_SECONDS { Standing::Due } else { Standing::Open }
}
