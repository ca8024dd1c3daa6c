//! What a starting node has reached: latches that close once, one for each thing without which nobody can be served.
//!
//! Peers are none of them: a node that reaches nobody is ready.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a node needs before it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Latch {
    /// Keys and statements are read.
    Keys = 1,
    /// The packs are compiled.
    Packs = 2,
    /// The store is open and is the newest that was signed.
    Store = 4,
    /// It listens, where it is to listen.
    Listening = 8,
}

impl Latch {
    /// All, in the order in which they close.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Packs, Self::Store, Self::Listening];

    /// As `/ready` names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Packs => "packs",
            Self::Store => "store",
            Self::Listening => "listening",
        }
    }
}

/// The latches of one node.
#[derive(Debug, Default)]
pub struct Latches(AtomicU8);

impl Latches {
    /// Closes one, for good.
    pub fn close(&self, latch: Latch) {
        self.0.fetch_or(latch as u8, Ordering::Relaxed);
    }

    /// Those that are still open.
    #[must_use]
    pub fn open(&self) -> Vec<&'static str> {
        let closed = self.0.load(Ordering::Relaxed);
        Latch::ALL.into_iter().filter(|latch| closed & *latch as u8 == 0).map(Latch::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latches_close_once_and_each_is_named() {
        let latches = Latches::default();
        assert_eq!(latches.open(), ["keys", "packs", "store", "listening"]);
        latches.close(Latch::Store);
        latches.close(Latch::Store);
        assert_eq!(latches.open(), ["keys", "packs", "listening"]);
        Latch::ALL.into_iter().for_each(|latch| latches.close(latch));
        assert!(latches.open().is_empty());
    }
}
