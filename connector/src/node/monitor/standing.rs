//! What a result at `monitor` means for an agreement that was concluded (POL-17.3).
//!
//! A denial suspends. What is not known suspends only where it was known when the agreement was concluded: a running agreement
//! is not stopped by a question that nobody could have answered then. It is told all the same, for a person to see to it.

use naru_policy::{Engine, Finding};
use naru_protocol::{encoding::Digest, error::Code, terms::Terms};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::policy::Judged;
use crate::store::EvaluationRow;

/// The rule of every missing fact; its detail is the fact's pointer.
const MISSING: &str = "CORE-001";

/// How an agreement in force stands, where it does not stand as agreed. Kept with the deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::node) struct Standing {
    /// No transfer begins under it; otherwise a person is only told.
    pub(in crate::node) suspended: bool,
    /// Since when, seconds.
    pub(in crate::node) since: u64,
    /// `denied`, `undetermined` or `policy_broken`.
    pub(in crate::node) code: String,
    /// Digest of the record, which is in the store.
    pub(in crate::node) record: Digest,
    /// Rules and what they found, for this node's operator alone.
    pub(in crate::node) findings: Vec<Finding>,
}

impl Standing {
    /// What makes one standing another: not which evaluation found it.
    pub(super) fn said(&self) -> (bool, &str, &[Finding]) {
        (self.suspended, &self.code, &self.findings)
    }

    pub(in crate::node) const fn word(&self) -> &'static str {
        if self.suspended { "suspended" } else { "undetermined" }
    }
}

/// What comes of a judgement.
pub(super) enum Verdict {
    /// As agreed.
    Clear,
    /// Something is not known that was not known either when it was concluded.
    Alarm(Judged),
    /// Nothing new begins; `ends` where a rule that denies says that this ends the agreement.
    Suspended { judged: Judged, ends: bool },
}

impl Verdict {
    /// What is kept of it, as of this second.
    pub(super) fn standing(&self, at: u64) -> Option<Standing> {
        let (judged, suspended) = match self {
            Self::Clear => return None,
            Self::Alarm(judged) => (judged, false),
            Self::Suspended { judged, .. } => (judged, true),
        };
        let findings = judged.result.deny.iter().chain(&judged.result.undetermined).cloned().collect();
        let (code, record) = (judged.code().as_str().to_owned(), judged.row.digest);
        Some(Standing { suspended, since: at, code, record, findings })
    }
}

/// What a result means, given what was known when the agreement was concluded.
pub(super) fn verdict(
    law: &Engine,
    terms: &Terms,
    concluded: Option<&EvaluationRow>,
    judged: &Judged,
) -> Verdict {
    let denies = !judged.result.deny.is_empty() || judged.code() == Code::PolicyBroken;
    let lost = || judged.result.undetermined.iter().any(|open| was_known(law, terms, concluded, open));
    if denies || lost() {
        let ends = judged.result.deny.iter().any(|found| law.rule(&found.id).is_some_and(|rule| rule.ends));
        return Verdict::Suspended { judged: judged.clone(), ends };
    }
    if judged.result.undetermined.is_empty() { Verdict::Clear } else { Verdict::Alarm(judged.clone()) }
}

/// Whether what is not known now was known at conclusion: the fact stood in the input, or the rule of the same pack had decided.
fn was_known(law: &Engine, terms: &Terms, concluded: Option<&EvaluationRow>, open: &Finding) -> bool {
    let Some(row) = concluded else { return true };
    if open.id == MISSING {
        return said(row, &open.detail);
    }
    let pack = law.packs().find(|pack| pack.rules.contains_key(&open.id));
    let pinned = pack.is_some_and(|pack| {
        terms.packs.iter().any(|pin| pin.name == pack.name && pin.digest.to_string() == pack.digest)
    });
    let decided = law.rule(&open.id).is_some_and(|rule| {
        rule.phases.iter().any(|phase| phase == "negotiation") && rule.in_force.from <= row.created
    });
    pinned && decided
}

/// Whether the input of an evaluation had something at this pointer.
fn said(row: &EvaluationRow, pointer: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (shared, parts) = (read(&row.shared), read(&row.private));
    let private = ["private", "host"].map(|part| parts.get(part));
    let found = [Some(&shared)].into_iter().chain(private).flatten().find_map(|part| part.pointer(pointer));
    found.is_some_and(|value| !value.is_null() && value.as_str() != Some("unknown"))
}

#[cfg(test)]
mod tests {
    use naru_protocol::encoding::Digest;
    use serde_json::json;

    use super::*;
    use crate::store::EvaluationSide;

    fn row() -> EvaluationRow {
        EvaluationRow {
            digest: Digest::of(b"record"),
            exchange: None,
            record: Vec::new(),
            shared: json!({"dataset": {"id": "d", "sector": "unknown"}, "contract": {"purposes": null}})
                .to_string(),
            private: json!({"private": {"stop_orders": []}, "host": {"now": 5}}).to_string(),
            phase: "negotiation".to_owned(),
            side: EvaluationSide::Exporter,
            created: 5,
        }
    }

    /// POL-17.3
    #[test]
    fn what_was_known_at_conclusion_is_told_from_what_was_not() {
        for (pointer, known) in [
            ("/dataset/id", true),
            ("/stop_orders", true),
            ("/now", true),
            ("/dataset/sector", false),
            ("/contract/purposes", false),
            ("/contract/clauses/liability", false),
            ("/transfer/legal_basis/kind", false),
        ] {
            assert_eq!(said(&row(), pointer), known, "{pointer}");
        }
    }
}
