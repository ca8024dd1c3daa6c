//! `Report`: the act by which one side says what it did about a duty, or that something happened from which a duty runs (spec
//! chapter 08b, OBL-2). Its signature is that of its token; both sides log it like any act.
//!
//! It attests: the signer's key stands for what is said. That data were really deleted, or somebody really told, it does not
//! show. What a report does to a duty is [`crate::obligation`].

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    dsp::{self, MessageError, nullable, pids, text},
    encoding::Digest,
    error::Code,
    identity::{Country, Role},
    json::V1,
    limits,
    terms::{Obligation, Terms},
};

/// What a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// The data were deleted, as far as the node that holds them could.
    Deletion,
    /// A duty was done in another way.
    Report,
    /// Something happened: a breach, the end of the purpose, a request to delete.
    Notice,
    /// The data were passed on.
    OnwardTransfer,
}

/// What a node deleted of what it had received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Bytes of the files that it deleted.
    pub bytes: u64,
    /// Files that were as delivered, and that it deleted.
    pub files: u64,
    /// Files that were not there as delivered: changed, moved or copied. It left them alone and knows nothing of them.
    pub unknown: u64,
}

/// To whom data were passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Onward {
    /// The country of whoever got them.
    pub country: Country,
    /// Whether the same duties bind whoever got them.
    pub flow_down: bool,
    /// Its name.
    pub to: String,
}

/// The act. A message of the profile's own, without `@context`. All members are there; null is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// Version.
    pub v: V1,
    /// The consumer's pid of the negotiation.
    pub consumer_pid: String,
    /// The provider's pid of the negotiation.
    pub provider_pid: String,
    /// Digest of the agreement's payload bytes.
    pub agreement: Digest,
    /// What it is.
    pub kind: ReportKind,
    /// The duty that it is about, word for word as in the terms; null where it is about none, or about every duty to delete.
    #[serde(deserialize_with = "nullable")]
    pub obligation: Option<Obligation>,
    /// What happened, in the word of `after`; in a notice only.
    #[serde(deserialize_with = "nullable")]
    pub event: Option<String>,
    /// When it happened, seconds; with `event` only.
    #[serde(deserialize_with = "nullable")]
    pub happened: Option<u64>,
    /// When the report was written, seconds.
    pub at: u64,
    /// For people.
    pub text: String,
    /// Digest of a document that the sender keeps.
    #[serde(deserialize_with = "nullable")]
    pub evidence: Option<Digest>,
    /// What was deleted; in a deletion only.
    #[serde(deserialize_with = "nullable")]
    pub deletion: Option<Deletion>,
    /// To whom the data went; in an onward transfer only.
    #[serde(deserialize_with = "nullable")]
    pub onward: Option<Onward>,
}

/// Why a report that can be read is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReport {
    /// It is about another agreement.
    #[error("the report is about another agreement")]
    OtherAgreement,
    /// The terms list no such duty of its sender.
    #[error("the terms put no such duty on the sender of the report")]
    OtherObligation,
    /// Only the consumer holds data that it could delete or pass on.
    #[error("a provider neither deletes nor passes on what it gave")]
    OtherSide,
    /// It speaks of a time that has not come.
    #[error("the report is from the future")]
    Future,
}

impl BadReport {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::OtherAgreement | Self::OtherObligation | Self::OtherSide | Self::Future => {
                Code::ReportInvalid
            }
        }
    }
}

impl Report {
    /// The value of `@type`.
    pub const TYPE: &'static str = "Report";

    /// What the shape alone does not say (OBL-2.2).
    pub fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        if self.text.len() > limits::REASON {
            return Err(MessageError::Text { member: "text", limit: limits::REASON });
        }
        let is = |kind| self.kind == kind;
        for (there, belongs, member) in [
            (self.deletion.is_some(), is(ReportKind::Deletion), "deletion"),
            (self.onward.is_some(), is(ReportKind::OnwardTransfer), "onward"),
            (self.happened.is_some(), self.event.is_some(), "happened"),
        ] {
            match (there, belongs) {
                (true, false) => return Err(MessageError::Misplaced(member)),
                (false, true) => return Err(MessageError::Missing(member)),
                (true, true) | (false, false) => {}
            }
        }
        if self.event.is_some() && !is(ReportKind::Notice) {
            return Err(MessageError::Misplaced("event"));
        }
        let says = !self.text.is_empty() || self.evidence.is_some() || self.event.is_some();
        if !says && (is(ReportKind::Report) || is(ReportKind::Notice)) {
            return Err(MessageError::Missing("text"));
        }
        if let Some(event) = &self.event {
            text("event", event)?;
        }
        match &self.onward {
            Some(onward) if onward.to.is_empty() => Err(MessageError::Empty("to")),
            Some(onward) if onward.to.len() > limits::NAME => {
                Err(MessageError::Text { member: "to", limit: limits::NAME })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it may stand under this agreement, by this side, at this time (OBL-2.3 to OBL-2.5).
    pub fn fits(&self, agreement: Digest, terms: &Terms, by: Role, now: u64) -> Result<(), BadReport> {
        if self.agreement != agreement {
            return Err(BadReport::OtherAgreement);
        }
        if let Some(obligation) = &self.obligation
            && (obligation.on != by || !terms.obligations.contains(obligation))
        {
            return Err(BadReport::OtherObligation);
        }
        if by == Role::Provider && matches!(self.kind, ReportKind::Deletion | ReportKind::OnwardTransfer) {
            return Err(BadReport::OtherSide);
        }
        let latest = self.happened.unwrap_or(0).max(self.at);
        if latest > now.saturating_add(limits::SKEW_SECONDS) {
            return Err(BadReport::Future);
        }
        Ok(())
    }

    /// Reads the content bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let report: Self = dsp::parse_own(bytes, Self::TYPE)?;
        report.check()?;
        Ok(report)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        self.check()?;
        dsp::own_to_bytes(self, Self::TYPE)
    }
}
