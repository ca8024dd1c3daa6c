//! The report: claims, logs, exchanges, and what may and may not be concluded, as text and as JSON (spec chapter 09, AUD-7, AUD-12).

use std::{collections::BTreeMap, fmt::Write as _};

use naru_protocol::encoding::Id;
use serde_json::{Value, json};

use super::{
    exchanges::Concluded,
    finding::{Claim, Verdict},
};

/// What may be concluded from proved claims; printed in every report and in the specification. The last is of signed
/// exchanges alone.
pub const MAY: [&str; 5] = [
    "the key of this participant signed these bytes",
    "the entry was in the log when this checkpoint was signed, before the time of each cosignature on it",
    "no logged entry of a lane whose counters are proved is withheld",
    "these packs over this input give this result",
    "the consumer's node acknowledged bytes with this digest",
];

/// What may not.
pub const MAY_NOT: [&str; 5] = [
    "legal identity: the anchors are the auditor's word, name and country are self-declared",
    "the truth of declared facts",
    "the absence of trade outside the log",
    "real deletion of data",
    "exact times, where no cosigner vouches for them",
];

/// What may not either, where a report is about exchanges with peers that sign nothing.
pub const MAY_NOT_UNSIGNED: &str = "of exchanges that are marked unsigned: that the peer sent, agreed to or received anything; only what this log's owner recorded";

/// One log of a report.
#[derive(Debug)]
pub(super) struct LogLine {
    pub(super) dir: String,
    pub(super) participant: String,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: String,
    /// Relative path of the last entry bundle.
    pub(super) last_bundle: String,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub(super) logs: Vec<LogLine>,
    pub(super) exchanges: Vec<Concluded>,
    pub(super) claims: Vec<Claim>,
    pub(super) any_pack: bool,
}

impl Report {
    /// Whether no claim failed and at least one log verified.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.claims.iter().any(|claim| claim.verdict == Verdict::Failed)
            && self.logs.iter().any(|log| log.size > 0)
    }

    /// Claims that are proved, and all.
    #[must_use]
    pub fn tally(&self) -> (usize, usize) {
        (self.count(Verdict::Proved), self.claims.len())
    }

    /// Every claim, in the order in which it was looked at.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// What is concluded of an exchange, by its id; `None` if no act of it was shown.
    #[must_use]
    pub fn verdict_of(&self, id: &str) -> Option<&str> {
        let id = Id::parse(id).ok()?;
        self.exchanges.iter().find(|exchange| exchange.id == id).map(|exchange| exchange.word.as_str())
    }

    /// Path of the last entry bundle of a log, relative to its folder; empty if the log did not verify.
    #[must_use]
    pub fn partial(&self, log: usize) -> String {
        self.logs.get(log).map(|log| log.last_bundle.clone()).unwrap_or_default()
    }

    /// The first claim that failed, in one line.
    #[must_use]
    pub fn first_failure(&self) -> Option<String> {
        self.claims.iter().find(|claim| claim.verdict == Verdict::Failed).map(line)
    }

    /// One JSON document (AUD-12.2).
    #[must_use]
    pub fn to_json(&self) -> String {
        let (proved, all) = self.tally();
        let claim = |claim: &Claim| {
            json!({
                "claim": claim.about.claim, "subject": claim.about.subject, "verdict": claim.verdict.as_str(),
                "grade": claim.grade.map(super::finding::Grade::as_str), "reason": claim.reason.map(|r| r.as_str()),
                "detail": claim.detail, "log": claim.about.log, "exchange": claim.about.exchange,
            })
        };
        let exchange = |exchange: &Concluded| {
            json!({
                "id": exchange.id, "kind": exchange.kind, "verdict": exchange.word, "code": exchange.code,
                "agreement": exchange.agreement, "parties": exchange.parties, "acts": exchange.acts,
                "unsigned": exchange.unsigned,
            })
        };
        let log = |log: &LogLine| {
            json!({
                "dir": log.dir, "participant": log.participant, "origin": log.origin, "size": log.size,
                "root": log.root,
            })
        };
        json!({
            "v": 1, "holds": self.holds(),
            "tally": {
                "claims": all, "proved": proved, "failed": self.count(Verdict::Failed), "attested": self.count(Verdict::Attested),
                "not_disclosed": self.count(Verdict::NotDisclosed), "unsupported": self.count(Verdict::Unsupported),
            },
            "logs": self.logs.iter().map(log).collect::<Vec<Value>>(),
            "exchanges": self.exchanges.iter().map(exchange).collect::<Vec<Value>>(),
            "claims": self.claims.iter().map(claim).collect::<Vec<Value>>(),
            "packs_accepted": if self.any_pack { "any" } else { "anchors" },
            "may_be_concluded": self.may().collect::<Vec<_>>(), "may_not_be_concluded": self.may_not(),
        })
        .to_string()
    }

    /// What may not be concluded from this report.
    /// What may be concluded from this report: a receipt is spoken of only where an exchange could have one.
    fn may(&self) -> impl Iterator<Item = &'static str> {
        let only_unsigned =
            !self.exchanges.is_empty() && self.exchanges.iter().all(|exchange| exchange.unsigned);
        MAY.into_iter().take(MAY.len() - usize::from(only_unsigned))
    }

    fn may_not(&self) -> Vec<&'static str> {
        let unsigned = self.exchanges.iter().any(|exchange| exchange.unsigned);
        MAY_NOT.into_iter().chain(unsigned.then_some(MAY_NOT_UNSIGNED)).collect()
    }

    /// For people: logs, exchanges, tally, what may be concluded, failures last.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (number, log) in self.logs.iter().enumerate() {
            let _ = writeln!(out, "log {}  {}", number + 1, log.dir);
            if log.size == 0 {
                let _ = writeln!(out, "       did not verify");
                continue;
            }
            let _ = writeln!(
                out,
                "       {}\n       {}, {} entries, root {}",
                log.participant, log.origin, log.size, log.root
            );
        }
        let _ = writeln!(out);
        for exchange in &self.exchanges {
            let code = exchange.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            let under = exchange.agreement.map(|digest| format!(", agreement {digest}")).unwrap_or_default();
            let mark = if exchange.unsigned { "unsigned " } else { "" };
            let _ = writeln!(
                out,
                "{mark}{} {}: {}{code}, {} acts{under}",
                exchange.kind, exchange.id, exchange.word, exchange.acts
            );
        }
        self.write_tally(&mut out);
        let _ = writeln!(out, "\nFrom what is proved it may be concluded that");
        for text in self.may() {
            let _ = writeln!(out, "  + {text}");
        }
        let _ = writeln!(out, "It may not be concluded, and is not claimed:");
        for text in self.may_not() {
            let _ = writeln!(out, "  - {text}");
        }
        if self.any_pack {
            let _ = writeln!(out, "The anchors name no packs: whichever the parties used were taken.");
        }
        self.write_attested(&mut out);
        self.write_open(&mut out);
        self.write_failures(&mut out);
        out
    }

    fn write_tally(&self, out: &mut String) {
        let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for claim in &self.claims {
            let at = match claim.verdict {
                // Neither proved nor open: each is told in its own words below.
                Verdict::Attested => continue,
                Verdict::Proved => 0,
                Verdict::Failed => 1,
                Verdict::NotDisclosed => 2,
                Verdict::Unsupported => 3,
            };
            kinds.entry(claim.about.claim).or_default()[at] += 1;
        }
        let _ = writeln!(out, "\n{:<18} proved failed not disclosed unsupported", "claim");
        for (kind, [proved, failed, open, unsupported]) in kinds {
            let _ = writeln!(out, "{kind:<18} {proved:>6} {failed:>6} {open:>13} {unsupported:>11}");
        }
    }

    fn write_attested(&self, out: &mut String) {
        let attested = |claim: &&Claim| claim.verdict == Verdict::Attested;
        for claim in self.claims.iter().filter(attested).take(20) {
            let _ = writeln!(out, "attested: {}", line(claim));
        }
        let more = self.claims.iter().filter(attested).count().saturating_sub(20);
        if more > 0 {
            let _ = writeln!(out, "attested: {more} more, see --json");
        }
    }

    fn write_open(&self, out: &mut String) {
        let open = |claim: &&Claim| matches!(claim.verdict, Verdict::NotDisclosed | Verdict::Unsupported);
        for claim in self.claims.iter().filter(open).take(20) {
            let _ = writeln!(out, "open: {}", line(claim));
        }
        let more = self.claims.iter().filter(open).count().saturating_sub(20);
        if more > 0 {
            let _ = writeln!(out, "open: {more} more, see --json");
        }
    }

    fn write_failures(&self, out: &mut String) {
        let (proved, all) = self.tally();
        let failed = self.count(Verdict::Failed);
        for claim in self.claims.iter().filter(|claim| claim.verdict == Verdict::Failed).take(50) {
            let _ = writeln!(out, "FAILED: {}", line(claim));
        }
        let word = if self.holds() { "holds" } else { "DOES NOT HOLD" };
        let count = |verdict, word| match self.count(verdict) {
            0 => String::new(),
            n => format!(", {n} {word}"),
        };
        let open = count(Verdict::Attested, "attested")
            + &count(Verdict::NotDisclosed, "not disclosed")
            + &count(Verdict::Unsupported, "unsupported");
        let _ = writeln!(out, "\n{proved} of {all} claims proved, {failed} failed{open}: this {word}");
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|claim| claim.verdict == verdict).count()
    }
}

fn line(claim: &Claim) -> String {
    let mut line = format!("{} {}", claim.about.claim, claim.about.subject);
    if let Some(log) = claim.about.log {
        let _ = write!(line, " (log {})", log + 1);
    }
    if let Some(reason) = claim.reason {
        let _ = write!(line, ": {} [{reason}]", reason.says());
    }
    if !claim.detail.is_empty() {
        let _ = write!(line, ": {}", claim.detail);
    }
    line
}
