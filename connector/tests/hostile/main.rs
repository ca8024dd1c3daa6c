//! A peer that means harm against a node in a process of its own: whatever it does it is refused by code, the node's memory
//! and descriptors stay flat, others are served meanwhile, and its entries in the log are bounded (spec chapters 03, 10 and 11).
//!
//! Latencies are printed, not asserted. Needs `/proc`, so Linux.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attacks;
#[path = "../common/mod.rs"]
mod common;
mod victim;

use std::time::{Duration, Instant};

use crate::{
    attacks::{ATTACKS, Attack},
    common::hand::{DSP, Hand},
    victim::Victim,
};

/// MiB that a node may grow by under attack: what its limits let one peer and all strangers hold together.
const GROWTH: u64 = 96;
/// Descriptors that may be left once the attackers are gone and idle connections have been closed.
const LEFT: usize = 24;

/// Asks for the catalog again and again, as an honest partner; gives the milliseconds that each answer took.
async fn honest(hand: &Hand, until: impl Fn() -> bool) -> Vec<u128> {
    let mut took = Vec::new();
    while !until() {
        let began = Instant::now();
        let answer = attacks::catalog(hand).await;
        assert_eq!(answer, 200, "an honest peer is served whatever others do");
        took.push(began.elapsed().as_millis());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort_unstable();
    took
}

fn told(took: &[u128]) -> String {
    let at = |share: usize| took.get(took.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    format!("{} answers, p50 {} ms, p99 {} ms", took.len(), at(50), at(99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_peer_does_the_node_stays_as_it_is_and_serves_others() {
    // LIM-1.1, NET-5.1, NET-6.5, ACT-2.1, LOG-6.5
    let victim = Victim::start();
    let partner = Hand::of_ticket(&victim.ticket(), "SG").await;
    assert_eq!(partner.redeem(&partner.redemption()).await.status, 200);
    let began = Instant::now();
    let calm = honest(&partner, || began.elapsed() > Duration::from_secs(2)).await;
    println!("calm: {}", told(&calm));
    let before = (victim.memory(), victim.descriptors(), victim.entries());
    let known = victim.strangers();
    for Attack { name, run } in ATTACKS {
        let attack = tokio::spawn(run(victim.ticket()));
        let took = honest(&partner, || attack.is_finished()).await;
        let refused = attack.await.unwrap();
        let (memory, descriptors) = (victim.memory(), victim.descriptors());
        println!("{name}: {refused}; others: {}; {memory} MiB, {descriptors} descriptors", told(&took));
        assert!(memory < before.0 + GROWTH, "{name}: grew from {} to {memory} MiB", before.0);
    }
    // What the attackers held is let go of with their connections.
    let began = Instant::now();
    while victim.descriptors() > before.1 + LEFT {
        assert!(began.elapsed() < Duration::from_secs(60), "{} descriptors are left", victim.descriptors());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let strangers = victim.strangers() - known;
    println!("strangers: {strangers} requests and connections counted");
    assert!(strangers >= 100, "{strangers}: noise and strangers are counted");
    let grown = victim.entries() - before.2;
    let most = naru_protocol::limits::PEER_REFUSALS_HOUR + 64;
    println!(
        "log: {grown} entries more; {} of one peer's refusals at most",
        naru_protocol::limits::PEER_REFUSALS_HOUR
    );
    assert!(grown <= most, "{grown} entries");
    // And it still trades.
    assert_eq!(partner.get(DSP, "/catalog/datasets/urn:dxp:0").await.status, 404);
    assert_eq!(attacks::catalog(&partner).await, 200);
}
