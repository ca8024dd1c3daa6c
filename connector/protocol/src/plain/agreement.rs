//! What may be agreed with a peer that signs nothing (spec chapter 13, PLN-5 and PLN-6).
//!
//! An [`UnsignedPermit`] comes from the record of an own evaluation that allows and leaves nothing to the peer: there is no
//! signed decision that could answer it. An [`UnsignedAgreement`] comes from such a permit over its very terms. It proves what
//! this side decided, and nothing about the peer.
//!
//! ```compile_fail
//! // No public constructor, no public field.
//! let forged = naru_protocol::plain::UnsignedPermit { record: todo!() };
//! ```
//! ```compile_fail
//! // A permit of a signed deal is another type.
//! use naru_protocol::{permit::Permit, plain::{UnsignedAgreement, UnsignedTerms}};
//! fn mix(terms: UnsignedTerms, permit: &Permit) {
//!     let _ = UnsignedAgreement::check(terms, permit);
//! }
//! ```

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    dsp::odrl::Agreement,
    encoding::{Digest, Id},
    error::Code,
    exchange::Role,
    json::{self, JsonError, V1},
    permit::{Asked, Input, PermitError, allowed},
    terms::{Obligation, Pack, Phase, Side},
};

/// What a record must say to become an [`UnsignedPermit`].
#[derive(Debug, Clone)]
pub struct UnsignedExpectation {
    /// At which point.
    pub phase: Phase,
    /// Our role in the deal.
    pub role: Role,
    /// What was judged.
    pub input: Input,
    /// By which packs, as the terms name them.
    pub packs: Vec<Pack>,
    /// Overlays that must have been asked beside them: no terms name these.
    pub overlays: Vec<Pack>,
}

/// Proof that our own policy allows a deal with a peer that signs nothing, and waits for no word of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedPermit {
    phase: Phase,
    role: Role,
    shared: Digest,
    packs: Vec<Pack>,
    record: Digest,
    obligations: Vec<Obligation>,
}

impl UnsignedPermit {
    /// Reads the bytes of an evaluation record. A rule that only the peer may evaluate makes it [`PermitError::Orphaned`].
    pub fn check(record: &[u8], expect: &UnsignedExpectation) -> Result<Self, PermitError> {
        let packs = [&expect.packs[..], &expect.overlays].concat();
        let asked =
            Asked { phase: expect.phase, side: Side::of(expect.role), input: expect.input, packs: &packs };
        let (_, outcome) = allowed(record, &asked)?;
        if let Some(rule) = outcome.delegated.into_iter().next() {
            return Err(PermitError::Orphaned(rule.id));
        }
        Ok(Self {
            phase: expect.phase,
            role: expect.role,
            shared: expect.input.shared,
            packs: expect.packs.clone(),
            record: Digest::of(record),
            obligations: outcome.obligations,
        })
    }

    /// At which point.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Digest of the evaluation record.
    #[must_use]
    pub const fn record(&self) -> Digest {
        self.record
    }

    /// The packs that were asked, but for overlays.
    #[must_use]
    pub fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// Duties that the evaluation found.
    #[must_use]
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }
}

/// What is agreed, as this side keeps it beside the agreement object of the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsignedTerms {
    /// Version.
    pub v: V1,
    /// The negotiation.
    pub exchange: Id,
    /// Participant id of the provider.
    pub provider: String,
    /// Participant id of the consumer.
    pub consumer: String,
    /// The agreement object, as sent or received.
    pub agreement: Agreement,
    /// Digest of the listing that it is about, where we are the provider.
    pub listing: Option<Digest>,
    /// The document that policy was asked about.
    pub shared: Value,
    /// The packs that were asked, but for overlays.
    pub packs: Vec<Pack>,
    /// Duties that our own evaluation found.
    pub obligations: Vec<Obligation>,
}

impl UnsignedTerms {
    /// What entries and transfers name: SHA-256 over the canonical form.
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }
}

/// Why terms and permit make no agreement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsignedAgreementError {
    /// The terms have no canonical form.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The permit is for another point of the deal.
    #[error("the permit is not for a negotiation")]
    OtherPhase,
    /// The permit is over another document or by other packs.
    #[error("the permit is over other terms")]
    OtherTerms,
    /// Assigner or assignee of the agreement is not the party.
    #[error("the agreement is between other parties")]
    OtherParties,
    /// A party's id names a key: such a deal is signed or not made.
    #[error("{0} is no id of a participant that signs nothing")]
    Signs(String),
}

impl UnsignedAgreementError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::OtherPhase | Self::OtherTerms => Code::PermitInvalid,
            Self::OtherParties => Code::AgreementDiffers,
            Self::Signs(_) => Code::Downgraded,
        }
    }
}

/// An agreement that this side may conclude with a peer that signs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct UnsignedAgreement {
    terms: UnsignedTerms,
    digest: Digest,
}

impl UnsignedAgreement {
    /// Joins terms with the permit over them.
    pub fn check(terms: UnsignedTerms, permit: &UnsignedPermit) -> Result<Self, UnsignedAgreementError> {
        if permit.phase != Phase::Negotiation {
            return Err(UnsignedAgreementError::OtherPhase);
        }
        if json::digest_of(&terms.shared)? != permit.shared || terms.packs != permit.packs {
            return Err(UnsignedAgreementError::OtherTerms);
        }
        let (agreement, peer) = (
            &terms.agreement,
            match permit.role {
                Role::Provider => &terms.consumer,
                Role::Consumer => &terms.provider,
            },
        );
        if agreement.assigner() != terms.provider || agreement.assignee() != terms.consumer {
            return Err(UnsignedAgreementError::OtherParties);
        }
        if !super::is_plain_id(peer) {
            return Err(UnsignedAgreementError::Signs(peer.clone()));
        }
        let digest = terms.digest()?;
        Ok(Self { terms, digest })
    }

    /// What is agreed.
    #[must_use]
    pub const fn terms(&self) -> &UnsignedTerms {
        &self.terms
    }

    /// Digest of the terms.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// Proof that a negotiation over an unsigned agreement was finalized, as far as this side knows: only
/// [`super::PlainExchange::in_force`] gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsignedInForce {
    pub(super) agreement: Digest,
}

impl UnsignedInForce {
    /// Digest of the terms.
    #[must_use]
    pub const fn agreement(&self) -> Digest {
        self.agreement
    }
}
