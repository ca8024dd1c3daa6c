//! The crossing rule over the real core, exhaustively: two nodes and a link that loses, repeats, delays and reorders.
//!
//! Every act may be delivered any number of times at any later moment, every answer may be lost, each side's clock may pass the
//! deadline at any moment. Wherever both sides have nothing unanswered they agree, and from everywhere such a moment can be
//! reached. Four acts a side by default (three after the start of a transfer), one more with `NARU_LONG=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod worlds;

use std::collections::HashMap;

use naru_protocol::{
    exchange::{Exchange, Flow, Role, SendKind, State},
    negotiation,
};
use worlds::{Acts, Node, SIDES, World, at};

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
