//! The contract negotiation: its states, its acts and every transition that the diagram allows (spec chapter 06, NEG-1).
//!
//! A pure table. Who may speak now, crossing acts and deadlines are [`crate::exchange`]; what the messages hold is
//! [`crate::dsp::negotiation`].

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{exchange::Role, log::entry::EntryType};

/// Where a negotiation stands, spelt as on the wire (DSP 2025-1, contract negotiation states).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The consumer asked last.
    Requested,
    /// The provider offered last.
    Offered,
    /// The consumer took up the provider's offer.
    Accepted,
    /// The provider signed the agreement.
    Agreed,
    /// The consumer countersigned it.
    Verified,
    /// The provider closed the negotiation; only `end` may follow.
    Finalized,
    /// Over without an agreement.
    Terminated,
}

impl State {
    /// All states, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Offered,
        Self::Accepted,
        Self::Agreed,
        Self::Verified,
        Self::Finalized,
        Self::Terminated,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Offered => "OFFERED",
            Self::Accepted => "ACCEPTED",
            Self::Agreed => "AGREED",
            Self::Verified => "VERIFIED",
            Self::Finalized => "FINALIZED",
            Self::Terminated => "TERMINATED",
        }
    }

    /// True where DSP allows no further message of the negotiation.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Finalized | Self::Terminated => true,
            Self::Requested | Self::Offered | Self::Accepted | Self::Agreed | Self::Verified => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The acts of a negotiation: the DSP messages, and the profile's `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// `ContractRequestMessage`, first or counter.
    Request,
    /// `ContractOfferMessage`, first or counter.
    Offer,
    /// `ContractNegotiationEventMessage` ACCEPTED.
    Accept,
    /// `ContractAgreementMessage`.
    Agree,
    /// `ContractAgreementVerificationMessage`.
    Verify,
    /// `ContractNegotiationEventMessage` FINALIZED.
    Finalize,
    /// `ContractNegotiationTerminationMessage`.
    Terminate,
    /// `End`: the agreement ends, the state stays FINALIZED.
    End,
    /// `Report`: what became of a duty; as often as needed, after `end` too.
    Report,
}

impl ActKind {
    /// All acts, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Request,
        Self::Offer,
        Self::Accept,
        Self::Agree,
        Self::Verify,
        Self::Finalize,
        Self::Terminate,
        Self::End,
        Self::Report,
    ];

    /// The type of the log entry for this act.
    #[must_use]
    pub const fn entry_type(self) -> EntryType {
        match self {
            Self::Request => EntryType::NegotiationRequest,
            Self::Offer => EntryType::NegotiationOffer,
            Self::Accept => EntryType::NegotiationAccept,
            Self::Agree => EntryType::NegotiationAgreement,
            Self::Verify => EntryType::NegotiationVerification,
            Self::Finalize => EntryType::NegotiationFinalized,
            Self::Terminate => EntryType::NegotiationTermination,
            Self::End => EntryType::NegotiationEnd,
            Self::Report => EntryType::NegotiationReport,
        }
    }

    /// True for the acts that carry complete terms and void earlier ones.
    #[must_use]
    pub const fn is_proposal(self) -> bool {
        match self {
            Self::Request | Self::Offer => true,
            Self::Accept
            | Self::Agree
            | Self::Verify
            | Self::Finalize
            | Self::Terminate
            | Self::End
            | Self::Report => false,
        }
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry_type().as_str())
    }
}

/// The state after `act` by `by`, or `None` where the diagram has no such arrow; `state` is `None` before the first act.
#[must_use]
pub const fn next(state: Option<State>, by: Role, act: ActKind) -> Option<State> {
    use ActKind as A;
    use Role::{Consumer, Provider};
    use State as S;
    match (act, by) {
        (A::Request, Consumer) => match state {
            None | Some(S::Offered) => Some(S::Requested),
            Some(S::Requested | S::Accepted | S::Agreed | S::Verified | S::Finalized | S::Terminated) => None,
        },
        (A::Offer, Provider) => match state {
            None | Some(S::Requested) => Some(S::Offered),
            Some(S::Offered | S::Accepted | S::Agreed | S::Verified | S::Finalized | S::Terminated) => None,
        },
        (A::Accept, Consumer) => step_from(state, S::Offered, S::Accepted),
        (A::Agree, Provider) => match state {
            Some(S::Requested | S::Accepted) => Some(S::Agreed),
            None | Some(S::Offered | S::Agreed | S::Verified | S::Finalized | S::Terminated) => None,
        },
        (A::Verify, Consumer) => step_from(state, S::Agreed, S::Verified),
        (A::Finalize, Provider) => step_from(state, S::Verified, S::Finalized),
        (A::End | A::Report, Provider | Consumer) => step_from(state, S::Finalized, S::Finalized),
        (A::Terminate, Provider) => match state {
            Some(S::Requested | S::Offered | S::Accepted | S::Verified) => Some(S::Terminated),
            None | Some(S::Agreed | S::Finalized | S::Terminated) => None,
        },
        (A::Terminate, Consumer) => match state {
            Some(S::Requested | S::Offered | S::Agreed) => Some(S::Terminated),
            None | Some(S::Accepted | S::Verified | S::Finalized | S::Terminated) => None,
        },
        (A::Request | A::Accept | A::Verify, Provider) | (A::Offer | A::Agree | A::Finalize, Consumer) => {
            None
        }
    }
}

/// The one arrow of an act that starts in a single state.
const fn step_from(state: Option<State>, from: State, to: State) -> Option<State> {
    match state {
        Some(state) if state as u8 == from as u8 => Some(to),
        Some(_) | None => None,
    }
}
