//! Claims: what was looked at, what came of it, how strong it is and why it failed (spec chapter 09, AUD-7).
//!
//! A check gives a value or a [`Fault`]; [`Findings`] keeps both as claims. Nothing is proved but by a check that was made.

use naru_protocol::encoding::Id;

use super::reason::Reason;

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Shown by the files and the anchors.
    Proved,
    /// A party signed that it is so. Nothing shows that it is.
    Attested,
    /// Shown to be false, or not shown although the export must show it.
    Failed,
    /// Not shown to this auditor.
    NotDisclosed,
    /// Not checked by this version.
    Unsupported,
}

impl Verdict {
    /// As written in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Attested => "attested",
            Self::Failed => "failed",
            Self::NotDisclosed => "not_disclosed",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Who vouches for a proved or attested claim; each is stronger than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// The exporter's own signature.
    Own,
    /// The counterparty of the exchange as well.
    Counterparty,
    /// A cosigner that the anchors name.
    Witness,
}

impl Grade {
    /// As written in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Counterparty => "counterparty",
            Self::Witness => "witness",
        }
    }
}

/// Why a check gives no value.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    pub(super) detail: String,
}

pub(super) type Check<T> = Result<T, Fault>;

impl Fault {
    /// The claim is false, or not shown although it must be.
    pub(super) fn failed(reason: Reason, detail: impl ToString) -> Self {
        Self { verdict: Verdict::Failed, reason, detail: detail.to_string() }
    }

    /// The files do not say.
    pub(super) fn open(reason: Reason, detail: impl ToString) -> Self {
        Self { verdict: Verdict::NotDisclosed, reason, detail: detail.to_string() }
    }

    /// This version does not look.
    pub(super) fn unsupported(reason: Reason, detail: impl ToString) -> Self {
        Self { verdict: Verdict::Unsupported, reason, detail: detail.to_string() }
    }
}

/// What a claim is about.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) claim: &'static str,
    pub(super) subject: String,
    pub(super) log: Option<usize>,
    pub(super) exchange: Option<Id>,
}

impl Subject {
    pub(super) fn new(claim: &'static str, subject: impl ToString) -> Self {
        Self { claim, subject: subject.to_string(), log: None, exchange: None }
    }

    /// In which of the given folders, counted from 0.
    pub(super) const fn log(mut self, log: usize) -> Self {
        self.log = Some(log);
        self
    }

    pub(super) const fn exchange(mut self, exchange: Id) -> Self {
        self.exchange = Some(exchange);
        self
    }
}

/// One claim of a report.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) about: Subject,
    pub(super) verdict: Verdict,
    pub(super) grade: Option<Grade>,
    pub(super) reason: Option<Reason>,
    pub(super) detail: String,
}

impl Claim {
    /// What is claimed: `checkpoint`, `act`, `decision` …
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.about.claim
    }

    /// Of what: an origin, a digest, a file.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.about.subject
    }

    /// What came of it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why it is not proved.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        self.reason
    }
}

/// All claims so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) claims: Vec<Claim>,
}

impl Findings {
    pub(super) fn proved(&mut self, about: Subject, grade: Grade, detail: impl ToString) {
        let detail = detail.to_string();
        self.claims.push(Claim { about, verdict: Verdict::Proved, grade: Some(grade), reason: None, detail });
    }

    /// What a party stands for by its signature, which verified; what it says is not proved by that.
    pub(super) fn attested(&mut self, about: Subject, grade: Grade, detail: impl ToString) {
        let detail = detail.to_string();
        self.claims.push(Claim {
            about,
            verdict: Verdict::Attested,
            grade: Some(grade),
            reason: None,
            detail,
        });
    }

    pub(super) fn fault(&mut self, about: Subject, fault: Fault) {
        let Fault { verdict, reason, detail } = fault;
        self.claims.push(Claim { about, verdict, grade: None, reason: Some(reason), detail });
    }

    /// Keeps what came of a check; gives its value on.
    pub(super) fn take<T>(&mut self, about: Subject, grade: Grade, check: Check<T>) -> Option<T> {
        match check {
            Ok(value) => {
                self.proved(about, grade, "");
                Some(value)
            }
            Err(fault) => {
                self.fault(about, fault);
                None
            }
        }
    }

    /// Keeps a failure only; gives the value on.
    pub(super) fn need<T>(&mut self, about: Subject, check: Check<T>) -> Option<T> {
        match check {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(about, fault);
                None
            }
        }
    }

    /// Whether a claim about this exchange failed.
    pub(super) fn failed_in(&self, exchange: Id) -> bool {
        let bad = |claim: &&Claim| claim.verdict == Verdict::Failed && claim.about.exchange == Some(exchange);
        self.claims.iter().any(|claim| bad(&claim))
    }
}
