//! One exchange, a negotiation or a transfer, as one side sees it (spec chapter 06, NEG-11 to NEG-15; chapter 07, TRF-3).
//!
//! [`Exchange::step`] takes an input and the time, changes the state and says what is to be done about it: a plain function of
//! what it is given. It knows acts by their digests only. What acts hold was checked before; proofs that must exist before an
//! act is sent come with it as types.
//!
//! Each side has at most one unanswered act. A state changes at the receiver when it accepts and at the sender when it learns
//! of that: by the answer, or by an act of the peer whose `prev` names its own. Two acts that cross are resolved by one rule.
//! Acts of one side that get the same answer again (the same act repeated) never come here: stored answers are the shell's.

mod words;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use words::{
    ACTS, About, ActKind, Answer, Effect, Flow, Input, Pending, Proposal, SendKind, State, Unexpected, other,
};

use crate::{
    encoding::Digest,
    negotiation,
    permit::Permit,
    terms::{Phase, Side},
    transfer,
};
pub use crate::{identity::Role, log::entry::Side as Half};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Machine {
    Negotiation { state: Option<negotiation::State>, proposal: Option<Proposal>, ended: bool },
    Transfer { state: Option<transfer::State>, agreement: Digest, flow: Flow, received: bool },
}

/// One side's view of one exchange; what is stored between inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    role: Role,
    initiator: Role,
    machine: Machine,
    pending: Option<Pending>,
    last_in: Option<Digest>,
    last_acked: Option<Digest>,
    dropped: Vec<Digest>,
    lapsed: bool,
    acts: u32,
}

impl Exchange {
    /// A negotiation before its first act; `role` is ours.
    #[must_use]
    pub const fn negotiation(role: Role, initiator: Role) -> Self {
        let machine = Machine::Negotiation { state: None, proposal: None, ended: false };
        Self::new(role, initiator, machine, None, None)
    }

    /// A transfer before its first act. That act's `prev` is the FINALIZED act of the negotiation: for the provider an act of its
    /// own that was answered, for the consumer the last one that came in.
    #[must_use]
    pub const fn transfer(role: Role, agreement: Digest, finalized: Digest, flow: Flow) -> Self {
        let machine = Machine::Transfer { state: None, agreement, flow, received: false };
        match role {
            Role::Provider => Self::new(role, Role::Consumer, machine, None, Some(finalized)),
            Role::Consumer => Self::new(role, Role::Consumer, machine, Some(finalized), None),
        }
    }

    const fn new(
        role: Role,
        initiator: Role,
        machine: Machine,
        last_in: Option<Digest>,
        last_acked: Option<Digest>,
    ) -> Self {
        Self {
            role,
            initiator,
            machine,
            pending: None,
            last_in,
            last_acked,
            dropped: Vec::new(),
            lapsed: false,
            acts: 0,
        }
    }

    /// Our role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Who sent the first act.
    #[must_use]
    pub const fn initiator(&self) -> Role {
        self.initiator
    }

    /// Where the exchange stands for us; none before its first act took effect.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        match &self.machine {
            Machine::Negotiation { state: Some(state), .. } => Some(State::Negotiation(*state)),
            Machine::Transfer { state: Some(state), .. } => Some(State::Transfer(*state)),
            Machine::Negotiation { state: None, .. } | Machine::Transfer { state: None, .. } => None,
        }
    }

    /// Our one unanswered act.
    #[must_use]
    pub const fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// The `prev` of our next act: the peer's last act that was answered 2xx here.
    #[must_use]
    pub const fn prev(&self) -> Option<Digest> {
        self.last_in
    }

    /// Our last act that the peer answered 2xx.
    #[must_use]
    pub const fn last_acked(&self) -> Option<Digest> {
        self.last_acked
    }

    /// Our acts that lost against crossing ones.
    #[must_use]
    pub fn dropped(&self) -> &[Digest] {
        &self.dropped
    }

    /// Whether the deadline ended the negotiation.
    #[must_use]
    pub const fn is_lapsed(&self) -> bool {
        self.lapsed
    }

    /// What was proposed last, if its proposer and its receiver know it.
    #[must_use]
    pub const fn proposal(&self) -> Option<Proposal> {
        match &self.machine {
            Machine::Negotiation { proposal, .. } => *proposal,
            Machine::Transfer { .. } => None,
        }
    }

    /// Whether the agreement was finalized, as far as we know, and has not ended.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(
            self.machine,
            Machine::Negotiation { state: Some(negotiation::State::Finalized), ended: false, .. }
        )
    }

    /// Whether the agreement has ended.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.machine, Machine::Negotiation { ended: true, .. })
    }

    /// Whether the data receipt was given.
    #[must_use]
    pub const fn is_received(&self) -> bool {
        matches!(self.machine, Machine::Transfer { received: true, .. })
    }

    /// Whether this act by this role has an arrow from here; does not look at deadlines and crossings.
    #[must_use]
    pub fn allows(&self, by: Role, act: ActKind) -> bool {
        self.next(by, act).is_some()
    }

    /// Takes one input at `now` seconds. On an error nothing has changed.
    pub fn step(&mut self, input: Input, now: u64) -> Result<Vec<Effect>, Unexpected> {
        let mut after = self.clone();
        let mut effects = Vec::new();
        match input {
            Input::Send { act, kind } => after.send(act, &kind, now, &mut effects)?,
            Input::Receive { act, kind, prev, about } => {
                after.receive(act, kind, prev, about, now, &mut effects)?
            }
            Input::Answered { act, answer } => after.answered(act, answer, &mut effects)?,
            Input::Named { act } => after.named(act, &mut effects)?,
            Input::Tick => after.tick(now, &mut effects),
        }
        *self = after;
        Ok(effects)
    }

    fn send(
        &mut self,
        act: Digest,
        send: &SendKind,
        now: u64,
        out: &mut Vec<Effect>,
    ) -> Result<(), Unexpected> {
        let kind = send.kind();
        if self.pending.is_some() {
            return Err(Unexpected::PendingAct);
        }
        self.belongs(kind)?;
        let proposal = self.check_proof(send)?;
        if self.is_late(kind, proposal, now) {
            return Err(Unexpected::Lapsed);
        }
        if self.next(self.role, kind).is_none() {
            return Err(Unexpected::IllegalState { state: self.state(), act: kind });
        }
        self.count(kind)?;
        self.pending = Some(Pending { act, kind, proposal });
        out.push(Effect::Record { act, kind, half: Half::Sent });
        out.push(Effect::Transmit { act });
        Ok(())
    }

    fn receive(
        &mut self,
        act: Digest,
        kind: ActKind,
        prev: Option<Digest>,
        about: About,
        now: u64,
        out: &mut Vec<Effect>,
    ) -> Result<(), Unexpected> {
        self.belongs(kind)?;
        let by = other(self.role);
        match self.pending {
            Some(ours) if prev == Some(ours.act) => self.settle(ours, out),
            _ if prev != self.last_acked => return Err(Unexpected::Stale),
            Some(ours) => {
                let stronger = kind.rank() > ours.kind.rank()
                    || (kind.rank() == ours.kind.rank() && by == Role::Consumer);
                // A stronger act that is illegal here gets no signed answer either: ours still stands.
                if !stronger || self.next(by, kind).is_none() {
                    return Err(Unexpected::Crossed);
                }
                self.pending = None;
                self.dropped.push(ours.act);
                out.push(Effect::Dropped { act: ours.act, kind: ours.kind });
            }
            None => {}
        }
        out.push(Effect::Record { act, kind, half: Half::Received });
        if let Some(why) = self.refusal(by, kind, about, now) {
            out.push(Effect::Refuse { act, why });
            if why == Unexpected::Lapsed {
                self.lapse(out);
            }
            return Ok(());
        }
        let status = if self.state().is_none() { 201 } else { 200 };
        out.push(Effect::Accept { act, status });
        self.last_in = Some(act);
        let proposal = match about {
            About::Proposal(proposal) => Some(proposal),
            About::Terms(_) | About::Agreement(_) | About::Nothing => None,
        };
        self.apply(by, kind, proposal, out);
        Ok(())
    }

    /// Why a current act is refused finally; counts it if it is not.
    fn refusal(&mut self, by: Role, kind: ActKind, about: About, now: u64) -> Option<Unexpected> {
        let proposal = match about {
            About::Proposal(proposal) => Some(proposal),
            About::Terms(_) | About::Agreement(_) | About::Nothing => None,
        };
        if self.lapsed || self.is_late(kind, proposal, now) {
            return Some(Unexpected::Lapsed);
        }
        if self.next(by, kind).is_none() {
            return Some(Unexpected::IllegalState { state: self.state(), act: kind });
        }
        if !self.names_what_stands(kind, about) {
            return Some(Unexpected::OtherTerms { act: kind });
        }
        self.count(kind).err()
    }

    fn answered(&mut self, act: Digest, answer: Answer, out: &mut Vec<Effect>) -> Result<(), Unexpected> {
        let Some(ours) = self.pending.filter(|ours| ours.act == act) else {
            return match answer {
                Answer::Accepted if self.dropped.contains(&act) => Err(Unexpected::Contradiction),
                Answer::Accepted | Answer::Refused { .. } | Answer::Unsettled => Err(Unexpected::NotPending),
            };
        };
        match answer {
            Answer::Accepted => self.settle(ours, out),
            Answer::Refused { lapsed } => {
                self.pending = None;
                out.push(Effect::Refused { act, kind: ours.kind });
                if lapsed && self.is_open() {
                    self.lapse(out);
                }
            }
            Answer::Unsettled => {}
        }
        Ok(())
    }

    fn named(&mut self, act: Digest, out: &mut Vec<Effect>) -> Result<(), Unexpected> {
        match self.pending {
            Some(ours) if ours.act == act => {
                self.settle(ours, out);
                Ok(())
            }
            Some(_) | None if self.last_acked == Some(act) => Ok(()),
            Some(_) | None => Err(Unexpected::Stale),
        }
    }

    /// Only with nothing unanswered: what is on its way is judged by its receiver, FINALIZED above all.
    fn tick(&mut self, now: u64, out: &mut Vec<Effect>) {
        let over = self.proposal().is_some_and(|proposal| now > proposal.conclude_by);
        if over && self.pending.is_none() && self.is_open() {
            self.lapse(out);
        }
    }

    /// Our act took effect at the peer: now it does here.
    fn settle(&mut self, ours: Pending, out: &mut Vec<Effect>) {
        self.pending = None;
        self.last_acked = Some(ours.act);
        out.push(Effect::Settled { act: ours.act, kind: ours.kind });
        self.apply(self.role, ours.kind, ours.proposal, out);
    }

    /// Takes an arrow that was found legal.
    fn apply(&mut self, by: Role, kind: ActKind, proposed: Option<Proposal>, out: &mut Vec<Effect>) {
        let before = self.state();
        match (&mut self.machine, kind) {
            (Machine::Negotiation { state, proposal, ended }, ActKind::Negotiation(act)) => {
                *state = negotiation::next(*state, by, act).or(*state);
                if act.is_proposal() {
                    *proposal = proposed;
                }
                match act {
                    negotiation::ActKind::Finalize => out.push(Effect::InForce),
                    negotiation::ActKind::End => {
                        *ended = true;
                        out.push(Effect::Ended);
                    }
                    negotiation::ActKind::Request
                    | negotiation::ActKind::Offer
                    | negotiation::ActKind::Accept
                    | negotiation::ActKind::Agree
                    | negotiation::ActKind::Verify
                    | negotiation::ActKind::Terminate
                    | negotiation::ActKind::Report => {}
                }
            }
            (Machine::Transfer { state, received, .. }, ActKind::Transfer(act)) => {
                *state = transfer::next(*state, by, act).or(*state);
                *received |= act == transfer::ActKind::Receipt;
            }
            (Machine::Negotiation { .. }, ActKind::Transfer(_))
            | (Machine::Transfer { .. }, ActKind::Negotiation(_)) => {}
        }
        if let Some(state) = self.state().filter(|state| before != Some(*state)) {
            out.push(Effect::Moved { state });
        }
    }

    /// The deadline ends the negotiation, whoever noticed it.
    fn lapse(&mut self, out: &mut Vec<Effect>) {
        if self.lapsed || !self.is_open() {
            return;
        }
        if let Machine::Negotiation { state, .. } = &mut self.machine {
            *state = Some(negotiation::State::Terminated);
            self.lapsed = true;
            out.push(Effect::Lapsed);
            out.push(Effect::Moved { state: State::Negotiation(negotiation::State::Terminated) });
        }
    }

    /// Whether a negotiation is still before FINALIZED and TERMINATED.
    const fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Negotiation { state: Some(state), .. } => !state.is_final(),
            Machine::Negotiation { state: None, .. } => true,
            Machine::Transfer { .. } => false,
        }
    }

    /// Whether a deadline, the one in force or the act's own, forbids the act. Closing acts need no time.
    fn is_late(&self, kind: ActKind, proposed: Option<Proposal>, now: u64) -> bool {
        let over = |proposal: Option<Proposal>| proposal.is_some_and(|proposal| now > proposal.conclude_by);
        self.is_open() && !kind.is_closing() && (over(self.proposal()) || over(proposed))
    }

    fn belongs(&self, kind: ActKind) -> Result<(), Unexpected> {
        match (&self.machine, kind) {
            (Machine::Negotiation { .. }, ActKind::Negotiation(_))
            | (Machine::Transfer { .. }, ActKind::Transfer(_)) => Ok(()),
            (Machine::Negotiation { .. }, ActKind::Transfer(_))
            | (Machine::Transfer { .. }, ActKind::Negotiation(_)) => {
                Err(Unexpected::OtherMachine { act: kind })
            }
        }
    }

    /// One more act, within the limit.
    const fn count(&mut self, kind: ActKind) -> Result<(), Unexpected> {
        if self.acts >= ACTS && !kind.is_closing() {
            return Err(Unexpected::TooManyActs);
        }
        self.acts = self.acts.saturating_add(1);
        Ok(())
    }

    /// The state after an act, with what the profile demands beyond the diagrams.
    fn next(&self, by: Role, kind: ActKind) -> Option<State> {
        match (&self.machine, kind) {
            (Machine::Negotiation { state, ended, .. }, ActKind::Negotiation(act)) => {
                if state.is_none() && by != self.initiator {
                    return None;
                }
                if act == negotiation::ActKind::End && *ended {
                    return None;
                }
                negotiation::next(*state, by, act).map(State::Negotiation)
            }
            (Machine::Transfer { state, flow, received, .. }, ActKind::Transfer(act)) => {
                let first_receipt = act != transfer::ActKind::Receipt || !received;
                let completes = match flow {
                    Flow::Push => true,
                    Flow::Pull => act != transfer::ActKind::Complete || (by == Role::Consumer && *received),
                };
                if !first_receipt || !completes {
                    return None;
                }
                transfer::next(*state, by, act).map(State::Transfer)
            }
            (Machine::Negotiation { .. }, ActKind::Transfer(_))
            | (Machine::Transfer { .. }, ActKind::Negotiation(_)) => None,
        }
    }

    /// Whether an act that came in says what it must about what stands here.
    fn names_what_stands(&self, kind: ActKind, about: About) -> bool {
        use negotiation::ActKind as N;
        use transfer::ActKind as T;
        match (kind, about) {
            (ActKind::Negotiation(N::Request | N::Offer), About::Proposal(_)) => true,
            (ActKind::Negotiation(N::Accept | N::Agree), About::Terms(terms)) => {
                self.proposal().is_some_and(|proposal| proposal.terms == terms)
            }
            (ActKind::Transfer(T::Request), About::Agreement(named)) => self.is_under(named),
            (
                ActKind::Negotiation(N::Verify | N::Finalize | N::Terminate | N::End | N::Report)
                | ActKind::Transfer(T::Start | T::Suspend | T::Complete | T::Terminate | T::Receipt),
                About::Nothing,
            ) => true,
            (ActKind::Negotiation(_) | ActKind::Transfer(_), _) => false,
        }
    }

    fn is_under(&self, named: Digest) -> bool {
        match &self.machine {
            Machine::Transfer { agreement, .. } => *agreement == named,
            Machine::Negotiation { .. } => false,
        }
    }

    /// Whether the proof is for this deal; gives what a proposal proposes.
    fn check_proof(&self, send: &SendKind) -> Result<Option<Proposal>, Unexpected> {
        let ours =
            |permit: &Permit, phase: Phase| permit.side() == Side::of(self.role) && permit.phase() == phase;
        let stands = |terms: Digest| self.proposal().is_some_and(|proposal| proposal.terms == terms);
        let proposal =
            |permit: &Permit| Proposal { terms: permit.terms(), conclude_by: permit.conclude_by() };
        let fits = match send {
            SendKind::Request(permit) | SendKind::Offer(permit) => {
                if !ours(permit, Phase::Negotiation) {
                    return Err(Unexpected::WrongProof);
                }
                return Ok(Some(proposal(permit)));
            }
            SendKind::Accept(permit) | SendKind::Agree(permit) => {
                ours(permit, Phase::Negotiation) && !permit.is_conditional() && stands(permit.terms())
            }
            SendKind::Verify(signed) | SendKind::Finalize(signed) => stands(signed.terms_digest()),
            SendKind::End(agreement) | SendKind::Report(agreement) => stands(agreement.terms()),
            SendKind::TransferRequest(permit, agreement) => {
                ours(permit, Phase::Transfer)
                    && permit.terms() == agreement.terms()
                    && self.is_under(agreement.agreement())
                    && self.last_in == Some(agreement.finalized())
            }
            SendKind::Start(permit, agreement) => {
                ours(permit, Phase::Transfer)
                    && !permit.is_conditional()
                    && permit.terms() == agreement.terms()
                    && self.is_under(agreement.agreement())
            }
            SendKind::Terminate
            | SendKind::Suspend
            | SendKind::Complete
            | SendKind::TransferTerminate
            | SendKind::Receipt => true,
        };
        if fits { Ok(None) } else { Err(Unexpected::WrongProof) }
    }
}
