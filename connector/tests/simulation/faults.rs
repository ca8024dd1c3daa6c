//! What goes wrong at one node: a pure function of the seed, whose node it is, and the number of the effect.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use naru::{
    node::seams::{Fate, Link},
    store::{WriteFate, Writes},
};

/// Effects of one node at which something may still go wrong; after them it is calm, so that every world ends.
const TROUBLED: u64 = 90;
/// Crashes of one node in one world.
const CRASHES: u64 = 3;

/// A number that follows from others and looks like any (splitmix64).
pub(crate) fn mix(parts: &[u64]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        state = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

/// What an effect is.
#[derive(Clone, Copy)]
enum Effect {
    Write = 1,
    Send = 2,
}

/// The faults of one node.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    whose: u64,
    effects: AtomicU64,
    crashes: AtomicU64,
    happened: AtomicU64,
    /// From a crash until the node is opened again it does nothing.
    dead: AtomicBool,
    /// Nothing goes wrong.
    calm: AtomicBool,
    /// The node is being opened: its first commits would have to be repeated by hand.
    opening: AtomicBool,
}

impl Faults {
    pub(crate) fn new(seed: u64, whose: u64) -> Self {
        Self {
            seed,
            whose,
            effects: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
            happened: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            calm: AtomicBool::new(true),
            opening: AtomicBool::new(false),
        }
    }

    pub(crate) fn calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// It is opened again, until `opened`.
    pub(crate) fn opening(&self) {
        self.opening.store(true, Ordering::SeqCst);
        self.dead.store(false, Ordering::SeqCst);
    }

    pub(crate) fn opened(&self) {
        self.opening.store(false, Ordering::SeqCst);
    }

    pub(crate) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::SeqCst)
    }

    pub(crate) fn happened(&self) -> u64 {
        self.happened.load(Ordering::SeqCst)
    }

    /// A number below 1000 for the next effect; none where nothing may go wrong.
    fn roll(&self, effect: Effect) -> Option<(u64, u64)> {
        if self.calm.load(Ordering::SeqCst) || self.opening.load(Ordering::SeqCst) {
            return None;
        }
        let number = self.effects.fetch_add(1, Ordering::SeqCst);
        (number < TROUBLED).then(|| {
            let roll = mix(&[self.seed, self.whose, effect as u64, number]);
            (roll % 1000, roll >> 32)
        })
    }

    fn crash(&self) {
        self.crashes.fetch_add(1, Ordering::SeqCst);
        self.dead.store(true, Ordering::SeqCst);
    }

    /// The link is cut for some requests in a row: for both sides at about the same time, since both count on.
    fn parted(&self, number: u64) -> bool {
        let cut = mix(&[self.seed, 77]);
        let (from, length) = (cut % 40, (cut >> 16) % 14);
        self.seed.is_multiple_of(3) && (from..from + length).contains(&number)
    }

    fn may_crash(&self) -> bool {
        self.crashes() < CRASHES
    }

    fn came<T>(&self, fate: T) -> T {
        self.happened.fetch_add(1, Ordering::SeqCst);
        fate
    }
}

impl Writes for Faults {
    fn fate(&self) -> WriteFate {
        if self.is_dead() {
            return WriteFate::Failed;
        }
        let Some((roll, _)) = self.roll(Effect::Write) else { return WriteFate::Done };
        match roll {
            0..=24 => self.came(WriteFate::Failed),
            25..=49 => self.came(WriteFate::Unsaid),
            50..=64 if self.may_crash() => {
                self.crash();
                self.came(WriteFate::Failed)
            }
            65..=84 if self.may_crash() => {
                self.crash();
                self.came(WriteFate::Unsaid)
            }
            _ => WriteFate::Done,
        }
    }
}

impl Link for Faults {
    fn fate(&self, _: &str) -> Fate {
        if self.is_dead() {
            return Fate::Lost;
        }
        let Some((roll, more)) = self.roll(Effect::Send) else { return Fate::Pass };
        if self.parted(self.effects.load(Ordering::SeqCst)) {
            return self.came(Fate::Lost);
        }
        match roll {
            0..=79 => self.came(Fate::Lost),
            80..=149 => self.came(Fate::Unanswered),
            150..=219 => self.came(Fate::Twice),
            220..=319 => self.came(Fate::Late(Duration::from_millis(more % 120))),
            320..=339 if self.may_crash() => {
                self.crash();
                self.came(Fate::Lost)
            }
            340..=359 if self.may_crash() => {
                self.crash();
                self.came(Fate::Unanswered)
            }
            _ => Fate::Pass,
        }
    }
}
