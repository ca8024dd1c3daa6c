//! One exchange with a peer that signs nothing, as this side sees it (spec chapter 13, PLN-4).
//!
//! [`PlainExchange::step`] is [`crate::exchange::Exchange::step`] without what rests on signatures: no `prev`, no deadline, no
//! acknowledgement. Each side has at most one unanswered message. An answer 2xx settles it, and so does a message of the peer
//! that is legal only after it; what crosses is resolved by rank, and otherwise refused.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::agreement::{UnsignedAgreement, UnsignedInForce, UnsignedPermit};
use crate::{
    encoding::Digest,
    error::Code,
    exchange::{ACTS, ActKind, Role, State, other},
    negotiation as neg,
    terms::Phase,
    transfer as tra,
};

/// Our message that the peer has not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainPending {
    /// Its digest.
    pub act: Digest,
    /// What it is.
    pub kind: ActKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Machine {
    Negotiation { state: Option<neg::State>, agreement: Option<Digest>, ended: bool },
    Transfer { state: Option<tra::State>, agreement: Digest },
}

/// One side's view; what is stored between inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainExchange {
    role: Role,
    machine: Machine,
    pending: Option<PlainPending>,
    acts: u32,
}

/// A message to be sent, with the proofs that it rests on.
#[derive(Debug, Clone)]
pub enum PlainSend {
    /// First or counter-request, under a permit.
    Request(UnsignedPermit),
    /// First or counter-offer, under a permit.
    Offer(UnsignedPermit),
    /// ACCEPTED, under a permit.
    Accept(UnsignedPermit),
    /// The agreement.
    Agree(UnsignedAgreement),
    /// The verification of an agreement that we would make ourselves.
    Verify(UnsignedAgreement),
    /// FINALIZED.
    Finalize,
    /// Termination of a negotiation.
    Terminate,
    /// First message of a transfer, under a permit of today.
    TransferRequest(UnsignedPermit, UnsignedInForce),
    /// Start or resumption, under a permit of today.
    Start(UnsignedPermit, UnsignedInForce),
    /// Suspension of a transfer.
    Suspend,
    /// Completion of a transfer.
    Complete,
    /// Termination of a transfer.
    TransferTerminate,
}

impl PlainSend {
    /// The message without its proofs.
    #[must_use]
    pub const fn kind(&self) -> ActKind {
        match self {
            Self::Request(_) => ActKind::Negotiation(neg::ActKind::Request),
            Self::Offer(_) => ActKind::Negotiation(neg::ActKind::Offer),
            Self::Accept(_) => ActKind::Negotiation(neg::ActKind::Accept),
            Self::Agree(_) => ActKind::Negotiation(neg::ActKind::Agree),
            Self::Verify(_) => ActKind::Negotiation(neg::ActKind::Verify),
            Self::Finalize => ActKind::Negotiation(neg::ActKind::Finalize),
            Self::Terminate => ActKind::Negotiation(neg::ActKind::Terminate),
            Self::TransferRequest(..) => ActKind::Transfer(tra::ActKind::Request),
            Self::Start(..) => ActKind::Transfer(tra::ActKind::Start),
            Self::Suspend => ActKind::Transfer(tra::ActKind::Suspend),
            Self::Complete => ActKind::Transfer(tra::ActKind::Complete),
            Self::TransferTerminate => ActKind::Transfer(tra::ActKind::Terminate),
        }
    }
}

/// How the peer answered a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainAnswer {
    /// 2xx.
    Accepted,
    /// An error that repeating does not mend, or that was repeated often enough.
    Refused,
}

/// What happens to an exchange.
#[allow(clippy::large_enum_variant, reason = "an input lives for one step, and no list of them is kept")]
#[derive(Debug, Clone)]
pub enum PlainInput {
    /// We send a message.
    Send {
        /// Digest of the act.
        act: Digest,
        /// What it is, with its proofs.
        kind: PlainSend,
    },
    /// A message of the peer that was not taken before.
    Receive {
        /// What it is.
        kind: ActKind,
    },
    /// The peer answered a message of ours, or never will.
    Answered {
        /// Digest of our act.
        act: Digest,
        /// The answer.
        answer: PlainAnswer,
    },
}

/// What follows, in this order and in one commit with the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainEffect {
    /// The peer has our message: it is out of the outbox.
    Settled {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
    /// Our message was refused for good.
    Refused {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
    /// Our message lost against one that crossed it.
    Dropped {
        /// Digest of the act.
        act: Digest,
        /// What it is.
        kind: ActKind,
    },
}

/// Why an input does not fit. The exchange is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlainUnexpected {
    /// The diagram has no such arrow from here.
    #[error("{act} is not legal here")]
    IllegalState {
        /// The message.
        act: ActKind,
    },
    /// The message crossed one of ours that is not weaker.
    #[error("the message crossed one of ours")]
    Crossed,
    /// The exchange has as many messages as it may have.
    #[error("the exchange has {ACTS} messages")]
    TooManyActs,
    /// A message of the other machine.
    #[error("{act} does not belong to this exchange")]
    OtherMachine {
        /// The message.
        act: ActKind,
    },
    /// A message of ours is unanswered; ours only.
    #[error("a message of ours is unanswered")]
    Pending,
    /// The proof is for another phase or agreement; ours only.
    #[error("the proof does not fit the message")]
    WrongProof,
    /// No message of ours waits for this answer: a repetition, to be ignored.
    #[error("no message of ours waits for this answer")]
    NotPending,
}

impl PlainUnexpected {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::IllegalState { .. } | Self::Crossed | Self::TooManyActs => Code::IllegalState,
            Self::OtherMachine { .. } => Code::NotFound,
            Self::Pending | Self::WrongProof | Self::NotPending => Code::Internal,
        }
    }
}

impl PlainExchange {
    /// A negotiation before its first message; `role` is ours.
    #[must_use]
    pub const fn negotiation(role: Role) -> Self {
        let machine = Machine::Negotiation { state: None, agreement: None, ended: false };
        Self { role, machine, pending: None, acts: 0 }
    }

    /// A transfer before its first message, under an agreement in force.
    #[must_use]
    pub const fn transfer(role: Role, in_force: UnsignedInForce) -> Self {
        let machine = Machine::Transfer { state: None, agreement: in_force.agreement };
        Self { role, machine, pending: None, acts: 0 }
    }

    /// Our role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where the exchange stands for us; none before its first message was taken.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        match self.machine {
            Machine::Negotiation { state: Some(state), .. } => Some(State::Negotiation(state)),
            Machine::Transfer { state: Some(state), .. } => Some(State::Transfer(state)),
            Machine::Negotiation { state: None, .. } | Machine::Transfer { state: None, .. } => None,
        }
    }

    /// Our one unanswered message.
    #[must_use]
    pub const fn pending(&self) -> Option<&PlainPending> {
        self.pending.as_ref()
    }

    /// Whether this message by us has an arrow from here and none of ours is unanswered.
    #[must_use]
    pub fn may_send(&self, act: ActKind) -> bool {
        self.pending.is_none() && self.after(self.role, act).is_some()
    }

    /// The operator ended the agreement: no transfer begins under it any more. DSP has no message for it (`[PLN-6.4]`).
    pub const fn end(&mut self) {
        if let Machine::Negotiation { ended, .. } = &mut self.machine {
            *ended = true;
        }
    }

    /// The peer refuses to hear that it is over: it is over here (`[PLN-4.6]`). What is concluded or complete stays so.
    pub fn give_up(&mut self) {
        if self.state().is_none_or(|state| !state.is_final()) {
            self.pending = None;
            self.put(match self.machine {
                Machine::Negotiation { .. } => State::Negotiation(neg::State::Terminated),
                Machine::Transfer { .. } => State::Transfer(tra::State::Terminated),
            });
        }
    }

    /// Whether the operator ended the agreement.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.machine, Machine::Negotiation { ended: true, .. })
    }

    /// The agreement that was sent or verified here, if FINALIZED was taken and it has not ended.
    #[must_use]
    pub const fn in_force(&self) -> Option<UnsignedInForce> {
        match self.machine {
            Machine::Negotiation {
                state: Some(neg::State::Finalized),
                agreement: Some(agreement),
                ended: false,
            } => Some(UnsignedInForce { agreement }),
            Machine::Negotiation { .. } | Machine::Transfer { .. } => None,
        }
    }

    /// Takes one input. On an error nothing has changed.
    pub fn step(&mut self, input: PlainInput) -> Result<Vec<PlainEffect>, PlainUnexpected> {
        let mut next = self.clone();
        let mut effects = Vec::new();
        match input {
            PlainInput::Send { act, kind } => next.send(act, &kind)?,
            PlainInput::Receive { kind } => next.receive(kind, &mut effects)?,
            PlainInput::Answered { act, answer } => next.answered(act, answer, &mut effects)?,
        }
        *self = next;
        Ok(effects)
    }

    fn send(&mut self, act: Digest, send: &PlainSend) -> Result<(), PlainUnexpected> {
        let kind = send.kind();
        if self.pending.is_some() {
            return Err(PlainUnexpected::Pending);
        }
        if self.after(self.role, kind).is_none() {
            return Err(PlainUnexpected::IllegalState { act: kind });
        }
        self.count(kind)?;
        self.proven(send)?;
        self.pending = Some(PlainPending { act, kind });
        Ok(())
    }

    /// The proof that a message rests on is for this exchange.
    fn proven(&mut self, send: &PlainSend) -> Result<(), PlainUnexpected> {
        let at = |permit: &UnsignedPermit, phase| permit.phase() == phase;
        let holds = match (send, &mut self.machine) {
            (
                PlainSend::Request(permit) | PlainSend::Offer(permit) | PlainSend::Accept(permit),
                Machine::Negotiation { .. },
            ) => at(permit, Phase::Negotiation),
            (PlainSend::Agree(made) | PlainSend::Verify(made), Machine::Negotiation { agreement, .. }) => {
                *agreement = Some(made.digest());
                true
            }
            (PlainSend::Finalize, Machine::Negotiation { agreement, .. }) => agreement.is_some(),
            (
                PlainSend::TransferRequest(permit, in_force) | PlainSend::Start(permit, in_force),
                Machine::Transfer { agreement, .. },
            ) => at(permit, Phase::Transfer) && in_force.agreement == *agreement,
            (
                PlainSend::Terminate
                | PlainSend::Suspend
                | PlainSend::Complete
                | PlainSend::TransferTerminate,
                Machine::Negotiation { .. } | Machine::Transfer { .. },
            ) => true,
            (
                PlainSend::Request(_)
                | PlainSend::Offer(_)
                | PlainSend::Accept(_)
                | PlainSend::Agree(_)
                | PlainSend::Verify(_)
                | PlainSend::Finalize
                | PlainSend::TransferRequest(..)
                | PlainSend::Start(..),
                Machine::Negotiation { .. } | Machine::Transfer { .. },
            ) => false,
        };
        if holds { Ok(()) } else { Err(PlainUnexpected::WrongProof) }
    }

    fn receive(&mut self, kind: ActKind, out: &mut Vec<PlainEffect>) -> Result<(), PlainUnexpected> {
        let belongs = matches!(
            (kind, self.machine),
            (ActKind::Negotiation(_), Machine::Negotiation { .. })
                | (ActKind::Transfer(_), Machine::Transfer { .. })
        );
        if !belongs {
            return Err(PlainUnexpected::OtherMachine { act: kind });
        }
        self.count(kind)?;
        if let Some(pending) = self.pending {
            // Nothing crosses a first message: the peer knows the process from it alone.
            if self.state().is_some() && self.after_received(kind).is_some() {
                if kind.rank() <= pending.kind.rank() && kind != pending.kind {
                    return Err(PlainUnexpected::Crossed);
                }
                self.pending = None;
                out.push(PlainEffect::Dropped { act: pending.act, kind: pending.kind });
            } else {
                // Legal, if at all, only after ours: then the peer has it.
                self.settle(pending.kind);
                out.push(PlainEffect::Settled { act: pending.act, kind: pending.kind });
            }
        }
        let after = self.after_received(kind).ok_or(PlainUnexpected::IllegalState { act: kind })?;
        self.put(after);
        Ok(())
    }

    fn answered(
        &mut self,
        act: Digest,
        answer: PlainAnswer,
        out: &mut Vec<PlainEffect>,
    ) -> Result<(), PlainUnexpected> {
        let pending = self.pending.filter(|pending| pending.act == act).ok_or(PlainUnexpected::NotPending)?;
        match answer {
            PlainAnswer::Accepted => {
                self.settle(pending.kind);
                out.push(PlainEffect::Settled { act, kind: pending.kind });
            }
            PlainAnswer::Refused => {
                self.pending = None;
                out.push(PlainEffect::Refused { act, kind: pending.kind });
            }
        }
        Ok(())
    }

    fn settle(&mut self, kind: ActKind) {
        if let Some(state) = self.after(self.role, kind) {
            self.put(state);
        }
        self.pending = None;
    }

    fn count(&mut self, kind: ActKind) -> Result<(), PlainUnexpected> {
        if self.acts >= ACTS && !kind.is_closing() {
            return Err(PlainUnexpected::TooManyActs);
        }
        self.acts = self.acts.saturating_add(1);
        Ok(())
    }

    const fn put(&mut self, to: State) {
        match (&mut self.machine, to) {
            (Machine::Negotiation { state, .. }, State::Negotiation(to)) => *state = Some(to),
            (Machine::Transfer { state, .. }, State::Transfer(to)) => *state = Some(to),
            (Machine::Negotiation { .. }, State::Transfer(_))
            | (Machine::Transfer { .. }, State::Negotiation(_)) => {}
        }
    }

    /// The state after a message of the peer. A termination is taken wherever the negotiation is not over: DSP's text allows
    /// it "at any state", its diagram does not, and a peer that goes cannot be held (`[PLN-4.4]`).
    fn after_received(&self, kind: ActKind) -> Option<State> {
        let live = self.state().is_some_and(|state| !state.is_final());
        if kind == ActKind::Negotiation(neg::ActKind::Terminate) && live {
            return Some(State::Negotiation(neg::State::Terminated));
        }
        self.after(other(self.role), kind)
    }

    fn after(&self, by: Role, act: ActKind) -> Option<State> {
        match (self.machine, act) {
            // `end`, reports and the data receipt are the profile's own.
            (
                _,
                ActKind::Negotiation(neg::ActKind::End | neg::ActKind::Report)
                | ActKind::Transfer(tra::ActKind::Receipt),
            ) => None,
            (Machine::Negotiation { state, .. }, ActKind::Negotiation(act)) => {
                neg::next(state, by, act).map(State::Negotiation)
            }
            (Machine::Transfer { state, .. }, ActKind::Transfer(act)) => {
                tra::next(state, by, act).map(State::Transfer)
            }
            (Machine::Negotiation { .. }, ActKind::Transfer(_))
            | (Machine::Transfer { .. }, ActKind::Negotiation(_)) => None,
        }
    }
}
