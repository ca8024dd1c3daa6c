//! What [`super::Exchange::step`] is told and what it answers: acts, states, inputs, effects, refusals.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::{
    agreement::{InForce, SignedByBoth},
    encoding::Digest,
    error::Code,
    log::entry::{EntryType, Side as Half},
    negotiation,
    permit::Permit,
    transfer,
};

/// Acts of one exchange, both sides together. Beyond it only terminations, completions and `end` are taken.
pub const ACTS: u32 = 1000;

/// The other role.
#[must_use]
pub const fn other(role: Role) -> Role {
    match role {
        Role::Provider => Role::Consumer,
        Role::Consumer => Role::Provider,
    }
}

/// An act of either machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// Of a contract negotiation.
    Negotiation(negotiation::ActKind),
    /// Of a transfer process.
    Transfer(transfer::ActKind),
}

impl ActKind {
    /// The type of the log entry for this act.
    #[must_use]
    pub const fn entry_type(self) -> EntryType {
        match self {
            Self::Negotiation(act) => act.entry_type(),
            Self::Transfer(act) => act.entry_type(),
        }
    }

    /// How strong the act is where two cross: termination beats completion beats the rest (NEG-13.2).
    pub(crate) const fn rank(self) -> u8 {
        use negotiation::ActKind as N;
        use transfer::ActKind as T;
        match self {
            Self::Negotiation(N::Terminate) | Self::Transfer(T::Terminate) => 2,
            Self::Transfer(T::Complete) => 1,
            Self::Negotiation(
                N::Request | N::Offer | N::Accept | N::Agree | N::Verify | N::Finalize | N::End | N::Report,
            )
            | Self::Transfer(T::Request | T::Start | T::Suspend | T::Receipt) => 0,
        }
    }

    /// Whether the act ends something; such acts need no time left and no room left.
    pub(crate) const fn is_closing(self) -> bool {
        self.rank() > 0 || matches!(self, Self::Negotiation(negotiation::ActKind::End))
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry_type().as_str())
    }
}

/// Where an exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A contract negotiation.
    Negotiation(negotiation::State),
    /// A transfer process.
    Transfer(transfer::State),
}

impl State {
    /// True where DSP allows no further message.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Negotiation(state) => state.is_final(),
            Self::Transfer(state) => state.is_final(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negotiation(state) => state.fmt(f),
            Self::Transfer(state) => state.fmt(f),
        }
    }
}

/// What was proposed last: acts that take it up name its terms, and its deadline is the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// Digest of the terms.
    pub terms: Digest,
    /// Until when the agreement must be FINALIZED, seconds.
    pub conclude_by: u64,
}

/// Our act that the peer has not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pending {
    /// Its digest.
    pub act: Digest,
    /// What it is.
    pub kind: ActKind,
    /// What it proposes.
    pub proposal: Option<Proposal>,
}

/// Which way the data go, and so who says that they have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// The consumer fetches: it alone completes, after its data receipt was acknowledged (TRF-3.4).
    Pull,
    /// The provider delivers: either completes, as in DSP.
    Push,
}

/// An act to be sent, with the proofs that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendKind {
    /// First or counter-request, under a permit over the proposed terms.
    Request(Permit),
    /// First or counter-offer, under a permit over the proposed terms.
    Offer(Permit),
    /// ACCEPTED, under a permit that waits for nothing.
    Accept(Permit),
    /// The agreement, under a permit that waits for nothing.
    Agree(Permit),
    /// The verification: the provider's signature was checked and ours, made under a permit, stands beside it.
    Verify(SignedByBoth),
    /// FINALIZED: both signatures were checked.
    Finalize(SignedByBoth),
    /// Termination of a negotiation.
    Terminate,
    /// End of the agreement in force.
    End(InForce),
    /// What became of a duty under the agreement in force, or one that was.
    Report(InForce),
    /// First act of a transfer, under a permit of today.
    TransferRequest(Permit, InForce),
    /// Start or resumption of a transfer, under a permit of today that waits for nothing.
    Start(Permit, InForce),
    /// Suspension of a transfer.
    Suspend,
    /// Completion of a transfer.
    Complete,
    /// Termination of a transfer.
    TransferTerminate,
    /// The data receipt.
    Receipt,
}

impl SendKind {
    /// The act without its proofs.
    #[must_use]
    pub const fn kind(&self) -> ActKind {
        use negotiation::ActKind as N;
        use transfer::ActKind as T;
        match self {
            Self::Request(_) => ActKind::Negotiation(N::Request),
            Self::Offer(_) => ActKind::Negotiation(N::Offer),
            Self::Accept(_) => ActKind::Negotiation(N::Accept),
            Self::Agree(_) => ActKind::Negotiation(N::Agree),
            Self::Verify(_) => ActKind::Negotiation(N::Verify),
            Self::Finalize(_) => ActKind::Negotiation(N::Finalize),
            Self::Terminate => ActKind::Negotiation(N::Terminate),
            Self::End(_) => ActKind::Negotiation(N::End),
            Self::Report(_) => ActKind::Negotiation(N::Report),
            Self::TransferRequest(..) => ActKind::Transfer(T::Request),
            Self::Start(..) => ActKind::Transfer(T::Start),
            Self::Suspend => ActKind::Transfer(T::Suspend),
            Self::Complete => ActKind::Transfer(T::Complete),
            Self::TransferTerminate => ActKind::Transfer(T::Terminate),
            Self::Receipt => ActKind::Transfer(T::Receipt),
        }
    }
}

/// What is known of an act that came in, beyond its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A request or an offer: what it proposes.
    Proposal(Proposal),
    /// ACCEPTED or the agreement: the digest of the terms that it names.
    Terms(Digest),
    /// A transfer request: the digest of the agreement that it names.
    Agreement(Digest),
    /// Any other act.
    Nothing,
}

/// How the peer answered an act of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 2xx under a valid acknowledgement.
    Accepted,
    /// A final 4xx under a valid acknowledgement.
    Refused {
        /// Whether its code is `lapsed`.
        lapsed: bool,
    },
    /// Anything else: it promises nothing, the act is repeated.
    Unsettled,
}

impl Answer {
    /// From an answer's status, whether a valid acknowledgement came with it, and the code in its body.
    #[must_use]
    pub fn of(status: u16, acknowledged: bool, code: Option<&str>) -> Self {
        if !acknowledged || !crate::act::is_final(status) {
            return Self::Unsettled;
        }
        if (200..300).contains(&status) {
            return Self::Accepted;
        }
        Self::Refused { lapsed: code == Some(Code::Lapsed.as_str()) }
    }
}

/// What happens to an exchange.
#[allow(clippy::large_enum_variant, reason = "an input lives for one step, and no list of them is kept")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// We sign an act and send it. Its `prev` is [`Exchange::prev`](super::Exchange::prev).
    Send {
        /// Digest of the act.
        act: Digest,
        /// What it is, with its proofs.
        kind: SendKind,
    },
    /// An act of the peer that was not answered finally before.
    Receive {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
        /// The act of ours that it names.
        prev: Option<Digest>,
        /// What it says.
        about: About,
    },
    /// The peer answered an act of ours.
    Answered {
        /// Digest of our act.
        act: Digest,
        /// The answer.
        answer: Answer,
    },
    /// An act of another exchange, the first one of a transfer, names an act of ours here.
    Named {
        /// Digest of our act.
        act: Digest,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order and in one commit with the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Write the entry of an act.
    Record {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
        /// Sent or received.
        half: Half,
    },
    /// Put the act into the outbox and repeat it until it is answered.
    Transmit {
        /// Digest of the act.
        act: Digest,
    },
    /// Answer the received act with this status, acknowledged and stored.
    Accept {
        /// Digest of the act.
        act: Digest,
        /// 201 for the first act of an exchange, else 200.
        status: u16,
    },
    /// Refuse the received act finally: acknowledged, stored, logged.
    Refuse {
        /// Digest of the act.
        act: Digest,
        /// Why; always [final](Unexpected::is_final).
        why: Unexpected,
    },
    /// Our act is accepted by the peer: take it out of the outbox.
    Settled {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
    /// Our act was refused finally: take it out of the outbox.
    Refused {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
    /// Our act lost against one that crossed it: take it out of the outbox and log that it never becomes current.
    Dropped {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
    /// The state changed.
    Moved {
        /// The new state.
        state: State,
    },
    /// The deadline passed: the negotiation reads TERMINATED.
    Lapsed,
    /// The agreement is in force, once the proofs are joined in [`InForce`].
    InForce,
    /// The agreement has ended.
    Ended,
}

/// Why an input does not fit. The exchange is unchanged when [`Exchange::step`](super::Exchange::step) returns one; refusals
/// that are final do not come that way but as [`Effect::Refuse`], since they are committed like anything that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// The diagram has no such arrow from here.
    #[error("{act} is not legal in state {state}", state = StateText(*.state))]
    IllegalState {
        /// Where the exchange stands; none before its first act.
        state: Option<State>,
        /// The act.
        act: ActKind,
    },
    /// The act names other terms than those proposed last, or another agreement than this transfer's.
    #[error("{act} names other terms than those proposed last")]
    OtherTerms {
        /// The act.
        act: ActKind,
    },
    /// The deadline is over.
    #[error("the deadline of the negotiation is over")]
    Lapsed,
    /// The exchange has as many acts as it may have.
    #[error("the exchange has {ACTS} acts")]
    TooManyActs,
    /// An act of the other machine.
    #[error("{act} does not belong to this exchange")]
    OtherMachine {
        /// The act.
        act: ActKind,
    },
    /// The act crossed ours, which is stronger.
    #[error("the act crossed one of ours that is stronger")]
    Crossed,
    /// The act rests on an act of ours that is not the current one.
    #[error("the act does not name our last act")]
    Stale,
    /// An act of ours is unanswered; ours only.
    #[error("an act of ours is unanswered")]
    PendingAct,
    /// The proof is for another side, phase, deal or agreement, or still waits for the peer; ours only.
    #[error("the proof does not fit the act")]
    WrongProof,
    /// The answer is to no act that waits for one: a repetition, to be ignored.
    #[error("no act of ours waits for this answer")]
    NotPending,
    /// The peer accepted an act that lost against its own: an alarm.
    #[error("the peer accepted an act that it had crossed with a stronger one")]
    Contradiction,
}

/// A state or `none` in messages.
struct StateText(Option<State>);

impl fmt::Display for StateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(state) => state.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl Unexpected {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::IllegalState { .. } | Self::TooManyActs => Code::IllegalState,
            Self::OtherMachine { .. } => Code::NotFound,
            Self::OtherTerms { .. } => Code::TermsVoid,
            Self::Lapsed => Code::Lapsed,
            Self::Crossed => Code::Crossed,
            Self::Stale => Code::Stale,
            Self::PendingAct | Self::WrongProof | Self::NotPending | Self::Contradiction => Code::Internal,
        }
    }

    /// Whether a refusal with this reason is final: signed, stored and logged. Others are unsigned and promise nothing.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::IllegalState { .. } | Self::OtherTerms { .. } | Self::Lapsed | Self::TooManyActs => true,
            Self::OtherMachine { .. }
            | Self::Crossed
            | Self::Stale
            | Self::PendingAct
            | Self::WrongProof
            | Self::NotPending
            | Self::Contradiction => false,
        }
    }

    /// The status of an answer that refuses for this reason.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code().http_status()
    }
}
