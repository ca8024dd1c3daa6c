//! Two nodes of the real core and every act that was ever sent between them: what the exhaustive tests and the fuzz target
//! of `step` share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each user takes its part, and a test may panic"
)]

use naru_protocol::{
    encoding::Digest,
    exchange::{
        About, ActKind, Answer, Effect, Exchange, Half, Input, Proposal, Role, SendKind, State, Unexpected,
    },
    negotiation, permit,
    terms::Phase,
    transfer,
};

use crate::deal::{self, DEADLINE, DRAFT, Deal};

pub(crate) const SIDES: [Role; 2] = [Role::Consumer, Role::Provider];

/// Every act that can be sent, with real proofs.
pub(crate) struct Acts {
    pub(crate) negotiation: Vec<(Role, SendKind)>,
    pub(crate) transfer: Vec<(Role, SendKind)>,
    pub(crate) proposal: Proposal,
    pub(crate) agreement: Digest,
    pub(crate) finalized: Digest,
}

impl Acts {
    pub(crate) fn new() -> Self {
        use Role::{Consumer as C, Provider as P};
        let deal: Deal = deal::deal();
        let permit = |role, phase| -> permit::Permit { deal.permit(role, phase) };
        let (both, force) = (deal.signed_by_both(), deal.in_force());
        let (n, t) = (Phase::Negotiation, Phase::Transfer);
        let mut negotiation = vec![
            (C, SendKind::Request(permit(C, n))),
            (C, SendKind::Accept(permit(C, n))),
            (C, SendKind::Verify(both.clone())),
            (P, SendKind::Offer(permit(P, n))),
            (P, SendKind::Agree(permit(P, n))),
            (P, SendKind::Finalize(both)),
        ];
        let mut transfer = vec![
            (C, SendKind::TransferRequest(permit(C, t), force)),
            (C, SendKind::Start(permit(C, t), force)),
            (P, SendKind::Start(permit(P, t), force)),
            (C, SendKind::Receipt),
        ];
        for role in SIDES {
            negotiation.extend([
                (role, SendKind::Terminate),
                (role, SendKind::End(force)),
                (role, SendKind::Report(force)),
            ]);
            transfer.extend([
                (role, SendKind::Suspend),
                (role, SendKind::Complete),
                (role, SendKind::TransferTerminate),
            ]);
        }
        let proposal = Proposal { terms: deal.terms.digest().unwrap(), conclude_by: DEADLINE };
        let (agreement, finalized) = (force.agreement(), force.finalized());
        Self { negotiation, transfer, proposal, agreement, finalized }
    }

    /// What an act that came in says.
    fn about(&self, kind: ActKind) -> About {
        use negotiation::ActKind as N;
        match kind {
            ActKind::Negotiation(N::Request | N::Offer) => About::Proposal(self.proposal),
            ActKind::Negotiation(N::Accept | N::Agree) => About::Terms(self.proposal.terms),
            ActKind::Transfer(transfer::ActKind::Request) => About::Agreement(self.agreement),
            ActKind::Negotiation(N::Verify | N::Finalize | N::Terminate | N::End | N::Report)
            | ActKind::Transfer(
                transfer::ActKind::Start
                | transfer::ActKind::Suspend
                | transfer::ActKind::Complete
                | transfer::ActKind::Terminate
                | transfer::ActKind::Receipt,
            ) => About::Nothing,
        }
    }
}

/// An act on the link: what it is and what it names; its digest follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sent {
    pub(crate) by: Role,
    pub(crate) number: u8,
    pub(crate) kind: ActKind,
    pub(crate) prev: Option<Digest>,
}

impl Sent {
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }
}

/// The answer that a node stored for an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stored {
    Accepted,
    Refused,
    Lapsed,
}

impl Stored {
    fn answer(self) -> Answer {
        match self {
            Self::Accepted => Answer::Accepted,
            Self::Refused => Answer::Refused { lapsed: false },
            Self::Lapsed => Answer::Refused { lapsed: true },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) exchange: Exchange,
    pub(crate) made: u8,
    pub(crate) late: bool,
    pub(crate) answers: Vec<(Digest, Stored)>,
}

impl Node {
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self { exchange, made: 0, late: false, answers: Vec::new() }
    }

    fn now(&self) -> u64 {
        if self.late { DEADLINE + 1 } else { DRAFT + 1 }
    }

    fn step(&mut self, input: Input) -> Result<Vec<Effect>, Unexpected> {
        let before = self.exchange.clone();
        let result = self.exchange.step(input, self.now());
        if result.is_err() {
            assert_eq!(self.exchange, before, "an error changes nothing");
        }
        result
    }

    pub(crate) fn send(&mut self, by: Role, send: &SendKind) -> Option<Sent> {
        let sent = Sent { by, number: self.made, kind: send.kind(), prev: self.exchange.prev() };
        let act = sent.digest();
        let effects = self.step(Input::Send { act, kind: send.clone() }).ok()?;
        let record = Effect::Record { act, kind: sent.kind, half: Half::Sent };
        assert_eq!(effects, [record, Effect::Transmit { act }]);
        self.made += 1;
        Some(sent)
    }

    /// The stored answer, a new one, or none where the refusal promises nothing.
    pub(crate) fn deliver(&mut self, sent: &Sent, acts: &Acts) -> Option<Stored> {
        let act = sent.digest();
        if let Some((_, stored)) = self.answers.iter().find(|(known, _)| *known == act) {
            return Some(*stored);
        }
        let about = acts.about(sent.kind);
        let effects = match self.step(Input::Receive { act, kind: sent.kind, prev: sent.prev, about }) {
            Ok(effects) => effects,
            Err(Unexpected::Crossed | Unexpected::Stale) => return None,
            Err(other) => panic!("{other} for {sent:?}"),
        };
        let record = Effect::Record { act, kind: sent.kind, half: Half::Received };
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Record { .. })).count(), 1);
        assert!(effects.contains(&record));
        let mut stored = None;
        for effect in effects {
            match effect {
                Effect::Accept { status, .. } => {
                    assert!(stored.is_none() && matches!(status, 200 | 201));
                    stored = Some(Stored::Accepted);
                }
                Effect::Refuse { why, .. } => {
                    assert!(stored.is_none() && why.is_final() && why.status() == 400, "{why}");
                    stored = Some(if why == Unexpected::Lapsed { Stored::Lapsed } else { Stored::Refused });
                }
                Effect::Record { .. }
                | Effect::Settled { .. }
                | Effect::Dropped { .. }
                | Effect::Moved { .. }
                | Effect::Lapsed
                | Effect::InForce
                | Effect::Ended => {}
                Effect::Transmit { .. } | Effect::Refused { .. } => panic!("{effect:?}"),
            }
        }
        self.answers.push((act, stored.unwrap()));
        self.answers.sort();
        stored
    }

    pub(crate) fn answered(&mut self, act: Digest, stored: Stored) {
        match self.step(Input::Answered { act, answer: stored.answer() }) {
            Ok(_) | Err(Unexpected::NotPending) => {}
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn waits(&self) -> bool {
        self.exchange.pending().is_some()
    }
}

/// Both nodes (consumer first) and every act that was ever sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) nodes: [Node; 2],
    pub(crate) sent: Vec<Sent>,
}

pub(crate) fn at(role: Role) -> usize {
    usize::from(role == Role::Provider)
}

impl World {
    pub(crate) fn new(consumer: Exchange, provider: Exchange) -> Self {
        Self { nodes: [Node::new(consumer), Node::new(provider)], sent: Vec::new() }
    }

    pub(crate) fn successors(
        &self,
        limit: u8,
        deadline: bool,
        kinds: &[(Role, SendKind)],
        acts: &Acts,
    ) -> Vec<Self> {
        let mut next = Vec::new();
        for (by, kind) in kinds {
            let mut world = self.clone();
            let node = &mut world.nodes[at(*by)];
            if node.made < limit
                && let Some(sent) = node.send(*by, kind)
            {
                let place = world.sent.partition_point(|other| *other < sent);
                world.sent.insert(place, sent);
                next.push(world);
            }
        }
        for sent in &self.sent {
            let (from, to) = (at(sent.by), 1 - at(sent.by));
            let mut lost = self.clone();
            let stored = lost.nodes[to].deliver(sent, acts);
            if let Some(stored) = stored {
                let mut arrived = lost.clone();
                arrived.nodes[from].answered(sent.digest(), stored);
                next.push(arrived);
            }
            next.push(lost);
        }
        for side in 0..2 {
            let mut world = self.clone();
            world.pass(side, deadline);
            next.push(world);
        }
        next.retain(|world| world != self);
        next
    }

    /// Time passes on one side, beyond the deadline where it is said so.
    pub(crate) fn pass(&mut self, side: usize, deadline: bool) {
        self.nodes[side].late |= deadline;
        let before = self.nodes[side].exchange.clone();
        self.nodes[side].step(Input::Tick).unwrap();
        assert!(!self.nodes[side].waits() || self.nodes[side].exchange == before, "NEG-14.4");
    }

    /// Nothing is unanswered, and no clock that already ended the exchange on one side is still to pass on the other.
    pub(crate) fn is_quiet(&self) -> bool {
        let lapsed = self.nodes.iter().any(|node| node.exchange.is_lapsed());
        let settled = |node: &Node| {
            !node.waits()
                && (!lapsed || (node.late && Some(true) == node.exchange.state().map(State::is_final)))
        };
        self.nodes.iter().all(settled)
    }

    pub(crate) fn agrees(&self) -> bool {
        let view = |node: &Node| {
            let exchange = &node.exchange;
            (exchange.state(), exchange.proposal(), exchange.is_ended(), exchange.is_received())
        };
        let [consumer, provider] = &self.nodes;
        let lapsed = consumer.exchange.is_lapsed() || provider.exchange.is_lapsed();
        view(consumer) == view(provider) || (lapsed && consumer.exchange.state() == provider.exchange.state())
    }

    /// Whether one side holds a finalized agreement and the other a terminated negotiation.
    pub(crate) fn is_torn(&self) -> bool {
        let is = |node: &Node, state| node.exchange.state() == Some(State::Negotiation(state));
        let torn = |a: &Node, b: &Node| {
            is(a, negotiation::State::Finalized) && is(b, negotiation::State::Terminated)
        };
        torn(&self.nodes[0], &self.nodes[1]) || torn(&self.nodes[1], &self.nodes[0])
    }

    pub(crate) fn told(&self) -> String {
        let of = |node: &Node| {
            format!(
                "{:?} waits {:?} late {}",
                node.exchange.state(),
                node.exchange.pending().map(|p| p.kind),
                node.late
            )
        };
        format!("C {} | P {}", of(&self.nodes[0]), of(&self.nodes[1]))
    }
}
