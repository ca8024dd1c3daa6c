//! The crossing rule over the real core, exhaustively: two nodes and a link that loses, repeats, delays and reorders.
//!
//! Every act may be delivered any number of times at any later moment, every answer may be lost, each side's clock may pass the
//! deadline at any moment. Wherever both sides have nothing unanswered they agree, and from everywhere such a moment can be
//! reached. Four acts a side by default (three after the start of a transfer), one more with `NARU_LONG=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;

use std::collections::HashMap;

use deal::{DEADLINE, DRAFT, Deal};
use naru_protocol::{
    encoding::Digest,
    exchange::{
        About, ActKind, Answer, Effect, Exchange, Flow, Half, Input, Proposal, Role, SendKind, State,
        Unexpected,
    },
    negotiation, permit,
    terms::Phase,
    transfer,
};

const SIDES: [Role; 2] = [Role::Consumer, Role::Provider];

/// Every act that can be sent, with real proofs.
struct Acts {
    negotiation: Vec<(Role, SendKind)>,
    transfer: Vec<(Role, SendKind)>,
    proposal: Proposal,
    agreement: Digest,
    finalized: Digest,
}

impl Acts {
    fn new() -> Self {
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
            negotiation.extend([(role, SendKind::Terminate), (role, SendKind::End(force))]);
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
            ActKind::Negotiation(N::Verify | N::Finalize | N::Terminate | N::End)
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
struct Sent {
    by: Role,
    number: u8,
    kind: ActKind,
    prev: Option<Digest>,
}

impl Sent {
    fn digest(&self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }
}

/// The answer that a node stored for an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stored {
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
struct Node {
    exchange: Exchange,
    made: u8,
    late: bool,
    answers: Vec<(Digest, Stored)>,
}

impl Node {
    fn new(exchange: Exchange) -> Self {
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

    fn send(&mut self, by: Role, send: &SendKind) -> Option<Sent> {
        let sent = Sent { by, number: self.made, kind: send.kind(), prev: self.exchange.prev() };
        let act = sent.digest();
        let effects = self.step(Input::Send { act, kind: send.clone() }).ok()?;
        let record = Effect::Record { act, kind: sent.kind, half: Half::Sent };
        assert_eq!(effects, [record, Effect::Transmit { act }]);
        self.made += 1;
        Some(sent)
    }

    /// The stored answer, a new one, or none where the refusal promises nothing.
    fn deliver(&mut self, sent: &Sent, acts: &Acts) -> Option<Stored> {
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

    fn answered(&mut self, act: Digest, stored: Stored) {
        match self.step(Input::Answered { act, answer: stored.answer() }) {
            Ok(_) | Err(Unexpected::NotPending) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn waits(&self) -> bool {
        self.exchange.pending().is_some()
    }
}

/// Both nodes (consumer first) and every act that was ever sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    nodes: [Node; 2],
    sent: Vec<Sent>,
}

fn at(role: Role) -> usize {
    usize::from(role == Role::Provider)
}

impl World {
    fn new(consumer: Exchange, provider: Exchange) -> Self {
        Self { nodes: [Node::new(consumer), Node::new(provider)], sent: Vec::new() }
    }

    fn successors(&self, limit: u8, deadline: bool, kinds: &[(Role, SendKind)], acts: &Acts) -> Vec<Self> {
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
            world.nodes[side].late |= deadline;
            let before = world.nodes[side].exchange.clone();
            world.nodes[side].step(Input::Tick).unwrap();
            assert!(!world.nodes[side].waits() || world.nodes[side].exchange == before, "NEG-14.4");
            next.push(world);
        }
        next.retain(|world| world != self);
        next
    }

    /// Nothing is unanswered, and no clock that already ended the exchange on one side is still to pass on the other.
    fn is_quiet(&self) -> bool {
        let lapsed = self.nodes.iter().any(|node| node.exchange.is_lapsed());
        let settled = |node: &Node| {
            !node.waits()
                && (!lapsed || (node.late && Some(true) == node.exchange.state().map(State::is_final)))
        };
        self.nodes.iter().all(settled)
    }

    fn agrees(&self) -> bool {
        let view = |node: &Node| {
            let exchange = &node.exchange;
            (exchange.state(), exchange.proposal(), exchange.is_ended(), exchange.is_received())
        };
        let [consumer, provider] = &self.nodes;
        let lapsed = consumer.exchange.is_lapsed() || provider.exchange.is_lapsed();
        view(consumer) == view(provider) || (lapsed && consumer.exchange.state() == provider.exchange.state())
    }

    /// Whether one side holds a finalized agreement and the other a terminated negotiation.
    fn is_torn(&self) -> bool {
        let is = |node: &Node, state| node.exchange.state() == Some(State::Negotiation(state));
        let torn = |a: &Node, b: &Node| {
            is(a, negotiation::State::Finalized) && is(b, negotiation::State::Terminated)
        };
        torn(&self.nodes[0], &self.nodes[1]) || torn(&self.nodes[1], &self.nodes[0])
    }

    fn told(&self) -> String {
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

/// Visits every reachable world; returns how many there are and how many are quiet.
fn explore(
    start: World,
    limit: u8,
    deadline: bool,
    kinds: &[(Role, SendKind)],
    acts: &Acts,
) -> (usize, usize) {
    let mut index: HashMap<World, usize> = HashMap::from([(start.clone(), 0)]);
    let mut worlds = vec![start];
    let mut parents: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < worlds.len() {
        for next in worlds[at].successors(limit, deadline, kinds, acts) {
            let known = *index.entry(next.clone()).or_insert_with(|| {
                worlds.push(next);
                parents.push(Vec::new());
                worlds.len() - 1
            });
            parents[known].push(at);
        }
        at += 1;
    }
    let path = |mut at: usize| {
        let mut told = vec![worlds[at].told()];
        while let Some(parent) = parents[at].first().filter(|_| at > 0) {
            at = *parent;
            told.push(worlds[at].told());
        }
        told.reverse();
        told.join("\n")
    };
    let quiet: Vec<usize> = (0..worlds.len()).filter(|at| worlds[*at].is_quiet()).collect();
    for at in &quiet {
        assert!(worlds[*at].agrees(), "diverged:\n{}", path(*at));
    }
    for (at, world) in worlds.iter().enumerate() {
        assert!(!world.is_torn(), "torn:\n{}", path(at));
    }
    let mut reaches = vec![false; worlds.len()];
    let mut open = quiet.clone();
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut reaches[at], true) {
            open.extend(parents[at].iter().copied());
        }
    }
    if let Some(stuck) = reaches.iter().position(|reached| !reached) {
        panic!("stuck:\n{}", path(stuck));
    }
    (worlds.len(), quiet.len())
}

/// Acts a side: these, and one more if there is time.
fn limit(acts: u8) -> u8 {
    acts + u8::from(std::env::var_os("NARU_LONG").is_some())
}

#[test]
fn a_negotiation_started_by_either_side_never_diverges() {
    // NEG-13.1 to NEG-13.5, NEG-12.1 to NEG-12.4
    let acts = Acts::new();
    for initiator in SIDES {
        let start = World::new(
            Exchange::negotiation(Role::Consumer, initiator),
            Exchange::negotiation(Role::Provider, initiator),
        );
        let (worlds, quiet) = explore(start, limit(4), false, &acts.negotiation, &acts);
        println!("negotiation by {initiator:?}: {worlds} worlds, {quiet} quiet");
        assert!(worlds > 100 && quiet > 20);
    }
}

#[test]
fn a_deadline_that_passes_at_any_moment_never_tears_a_negotiation() {
    // NEG-14.1 to NEG-14.6
    let acts = Acts::new();
    for initiator in SIDES {
        let start = World::new(
            Exchange::negotiation(Role::Consumer, initiator),
            Exchange::negotiation(Role::Provider, initiator),
        );
        let (worlds, quiet) = explore(start, limit(4), true, &acts.negotiation, &acts);
        println!("negotiation by {initiator:?} with a deadline: {worlds} worlds, {quiet} quiet");
        assert!(worlds > 500 && quiet > 100);
    }
}

fn transfer(acts: &Acts, flow: Flow) -> World {
    let exchange = |role| Exchange::transfer(role, acts.agreement, acts.finalized, flow);
    World::new(exchange(Role::Consumer), exchange(Role::Provider))
}

#[test]
fn a_transfer_never_diverges() {
    // TRF-3.1 to TRF-3.5
    let acts = Acts::new();
    for flow in [Flow::Pull, Flow::Push] {
        let (worlds, quiet) = explore(transfer(&acts, flow), limit(4), false, &acts.transfer, &acts);
        println!("transfer, {flow:?}: {worlds} worlds, {quiet} quiet");
        assert!(worlds > 500 && quiet > 100);
    }
}

#[test]
fn a_started_transfer_never_diverges() {
    // TRF-3.1 to TRF-3.5: all acts of the limit come after the start.
    let acts = Acts::new();
    for flow in [Flow::Pull, Flow::Push] {
        let mut start = transfer(&acts, flow);
        for (by, kind) in [&acts.transfer[0], &acts.transfer[2]] {
            let sent = start.nodes[at(*by)].send(*by, kind).unwrap();
            let stored = start.nodes[1 - at(*by)].deliver(&sent, &acts).unwrap();
            start.nodes[at(*by)].answered(sent.digest(), stored);
        }
        for node in &mut start.nodes {
            (node.made, node.answers) = (0, Vec::new());
        }
        let (worlds, quiet) = explore(start, limit(3), false, &acts.transfer, &acts);
        println!("transfer from STARTED, {flow:?}: {worlds} worlds, {quiet} quiet");
        assert!(worlds > 500 && quiet > 100);
    }
}

/// What the link does with the n-th delivery of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Act,
    Answer,
}

/// A whole deal with one loss: whoever's turn it is acts as soon as it can; what is unanswered is repeated after that.
fn run_deal(initiator: Role, script: &[usize], lossy: usize, loss: Loss, acts: &Acts) -> World {
    let mut world = World::new(
        Exchange::negotiation(Role::Consumer, initiator),
        Exchange::negotiation(Role::Provider, initiator),
    );
    let (mut script, mut deliveries) = (script.iter().map(|at| &acts.negotiation[*at]).peekable(), 0);
    for _ in 0..100 {
        if let Some((by, kind)) = script.peek()
            && let Some(sent) = world.nodes[at(*by)].send(*by, kind)
        {
            world.sent.push(sent);
            script.next();
        }
        // The newest act first: an old one may still be unanswered then.
        for sent in world.sent.clone().iter().rev() {
            let (from, to) = (at(sent.by), 1 - at(sent.by));
            if world.nodes[from].exchange.pending().map(|pending| pending.act) != Some(sent.digest()) {
                continue;
            }
            deliveries += 1;
            if deliveries == lossy && loss == Loss::Act {
                break;
            }
            let stored = world.nodes[to].deliver(sent, acts);
            if !(deliveries == lossy && loss == Loss::Answer) {
                world.nodes[from].answered(sent.digest(), stored.unwrap());
            }
            break;
        }
        if script.peek().is_none() && !world.nodes.iter().any(Node::waits) {
            return world;
        }
    }
    panic!("{initiator:?} starts, {loss:?} {lossy} lost: never quiet\n{}", world.told());
}

#[test]
fn a_deal_survives_the_loss_of_any_act_or_answer() {
    // NEG-12.5: request, agreement, verification, FINALIZED; and offer, ACCEPTED, agreement, verification, FINALIZED.
    let acts = Acts::new();
    for (initiator, script) in
        [(Role::Consumer, [0, 4, 2, 5].as_slice()), (Role::Provider, [3, 1, 4, 2, 5].as_slice())]
    {
        for lossy in 1..=script.len() {
            for loss in [Loss::Act, Loss::Answer] {
                let world = run_deal(initiator, script, lossy, loss, &acts);
                for node in &world.nodes {
                    assert_eq!(
                        node.exchange.state(),
                        Some(State::Negotiation(negotiation::State::Finalized)),
                        "{initiator:?} {loss:?} {lossy}"
                    );
                    assert!(node.exchange.dropped().is_empty() && node.exchange.is_live());
                }
            }
        }
    }
}
