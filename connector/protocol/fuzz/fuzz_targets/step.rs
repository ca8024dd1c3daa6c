//! `step`: two sides and a link that loses, repeats and reorders, for as long as the input goes on. Each byte is one thing that
//! happens. Whatever does: nothing panics, an error changes nothing, no side ever holds a finalized agreement where the other
//! holds a terminated negotiation, and both agree once nothing is outstanding.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use naru_protocol::exchange::{Exchange, Flow, Role};
use naru_protocol_fuzz as _;

#[path = "../../tests/deal/mod.rs"]
mod deal;
#[path = "../../tests/worlds/mod.rs"]
mod worlds;

use worlds::{Acts, World, at};

fn acts() -> &'static Acts {
    static ACTS: OnceLock<Acts> = OnceLock::new();
    ACTS.get_or_init(Acts::new)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, happenings)) = data.split_first() else { return };
    let acts = acts();
    let (mut world, kinds) = if first & 1 == 0 {
        let initiator = if first & 2 == 0 { Role::Consumer } else { Role::Provider };
        let of = |role| Exchange::negotiation(role, initiator);
        (World::new(of(Role::Consumer), of(Role::Provider)), &acts.negotiation)
    } else {
        let flow = if first & 2 == 0 { Flow::Pull } else { Flow::Push };
        let of = |role| Exchange::transfer(role, acts.agreement, acts.finalized, flow);
        (World::new(of(Role::Consumer), of(Role::Provider)), &acts.transfer)
    };
    for happening in happenings.iter().take(64) {
        let number = usize::from(happening >> 2);
        match happening & 3 {
            0 => {
                let (by, kind) = &kinds[number % kinds.len()];
                if let Some(sent) = world.nodes[at(*by)].send(*by, kind) {
                    world.sent.push(sent);
                }
            }
            1 | 2 if !world.sent.is_empty() => {
                let sent = world.sent[number % world.sent.len()];
                let (from, to) = (at(sent.by), 1 - at(sent.by));
                let stored = world.nodes[to].deliver(&sent, acts);
                if let Some(stored) = stored.filter(|_| happening & 3 == 1) {
                    world.nodes[from].answered(sent.digest(), stored);
                }
            }
            3 => world.pass(number % 2, number % 8 > 5),
            _ => {}
        }
        assert!(!world.is_torn(), "{}", world.told());
    }
    if world.is_quiet() {
        assert!(world.agrees(), "{}", world.told());
    }
});
