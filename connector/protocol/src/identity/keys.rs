//! Key sets and the ring of those that are known of one root (ID-5, ID-6).

use alloc::{collections::BTreeMap, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Did, IdentityError};
use crate::{
    encoding::Digest,
    json::V1,
    jws::{self, Payload, Typ, Verified},
    limits,
    signature::PublicKey,
};

/// An earlier key set that no longer counts (ID-5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Number of the key set.
    pub number: u32,
    /// From when on, seconds.
    pub at: u64,
    /// Whether its log key is revoked too.
    pub log: bool,
}

/// The keys of a participant from some time on, signed by its root (ID-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// Version.
    pub v: V1,
    /// The participant.
    pub iss: Did,
    /// Number, from 1 up.
    pub number: u32,
    /// Signs tokens, acknowledgements, listings, agreements, window acknowledgements and capabilities.
    pub signing: PublicKey,
    /// Signs checkpoints of the participant's log.
    pub log: PublicKey,
    /// Identity of the participant's node on the network.
    pub transport: PublicKey,
    /// Cosigns checkpoints of others.
    pub witness: PublicKey,
    /// From when on the set counts, seconds.
    pub valid_from: u64,
    /// Earlier sets that no longer count, sorted by number.
    pub revoked: Vec<Revocation>,
}

impl KeySet {
    const fn keys(&self) -> [PublicKey; 4] {
        [self.signing, self.log, self.transport, self.witness]
    }
}

impl Payload for KeySet {
    const TYP: Typ = Typ::Keys;
    const LIMIT: usize = limits::KEY_SET;

    fn check(&self) -> Result<(), &'static str> {
        if self.number == 0 {
            return Err("number");
        }
        // One key, one purpose: a signature made for one can then never count for another.
        let keys = self.keys();
        if keys.iter().enumerate().any(|(at, key)| key == self.iss.root_key() || keys[..at].contains(key)) {
            return Err("keys");
        }
        let earlier = |revocation: &Revocation| (1..self.number).contains(&revocation.number);
        if self.revoked.len() > limits::REVOKED
            || !self.revoked.iter().all(earlier)
            || !self.revoked.is_sorted_by(|a, b| a.number < b.number)
        {
            return Err("revoked");
        }
        Ok(())
    }
}

/// Whether a key set was new to a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Pinned now: to be logged.
    New,
    /// Known already, byte for byte.
    Known,
}

/// One pinned key set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pinned {
    set: KeySet,
    digest: Digest,
}

/// All key sets of one root that are known so far (ID-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    did: Did,
    sets: BTreeMap<u32, Pinned>,
    revoked: BTreeMap<u32, Revocation>,
}

impl KeyRing {
    /// An empty ring, under which nothing verifies.
    #[must_use]
    pub const fn new(did: Did) -> Self {
        Self { did, sets: BTreeMap::new(), revoked: BTreeMap::new() }
    }

    /// Whose ring this is.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// Pins a key set: signed by the root, numbered above all known ones, taking no revocation back (ID-6.1 to ID-6.6).
    pub fn accept(&mut self, keys: &Verified<KeySet>) -> Result<Accepted, IdentityError> {
        let set = keys.payload();
        if set.iss != self.did || keys.signer() != (*self.did.root_key(), 0) {
            return Err(IdentityError::NotByRoot);
        }
        if let Some(known) = self.sets.get(&set.number) {
            let same = known.digest == keys.digest();
            return if same { Ok(Accepted::Known) } else { Err(IdentityError::Conflict(set.number)) };
        }
        if let Some(newest) = self.newest() {
            if set.number < newest.number {
                return Err(IdentityError::NotNewer { given: set.number, newest: newest.number });
            }
            if set.valid_from < newest.valid_from {
                return Err(IdentityError::ValidFrom);
            }
        }
        self.check_revocations(set)?;
        if self.sets.len() >= limits::KEY_SETS {
            return Err(IdentityError::TooMany);
        }
        self.revoked.extend(set.revoked.iter().map(|revocation| (revocation.number, *revocation)));
        self.sets.insert(set.number, Pinned { set: set.clone(), digest: keys.digest() });
        Ok(Accepted::New)
    }

    /// A newer set repeats every known revocation, may extend one to the log key, and revives no revoked key.
    fn check_revocations(&self, set: &KeySet) -> Result<(), IdentityError> {
        for known in self.revoked.values() {
            let kept = set
                .revoked
                .iter()
                .any(|now| now.number == known.number && now.at == known.at && (now.log || !known.log));
            if !kept {
                return Err(IdentityError::RevocationChanged(known.number));
            }
        }
        for revocation in &set.revoked {
            let Some(Pinned { set: old, .. }) = self.sets.get(&revocation.number) else { continue };
            let dead = old.keys().into_iter().filter(|key| revocation.log || *key != old.log);
            if dead.into_iter().any(|key| set.keys().contains(&key)) {
                return Err(IdentityError::RevokedKey(revocation.number));
            }
        }
        Ok(())
    }

    /// The set with the highest number, valid already or not.
    #[must_use]
    pub fn newest(&self) -> Option<&KeySet> {
        self.sets.last_key_value().map(|(_, pinned)| &pinned.set)
    }

    /// The set to sign with at `now` (seconds): the newest that is valid and not revoked.
    #[must_use]
    pub fn current(&self, now: u64) -> Option<&KeySet> {
        let live = |set: &&KeySet| set.valid_from <= now && !self.revoked.contains_key(&set.number);
        self.sets().rev().find(live)
    }

    /// Any known set, revoked or not: for evidence, never for something new.
    #[must_use]
    pub fn set(&self, number: u32) -> Option<&KeySet> {
        self.sets.get(&number).map(|pinned| &pinned.set)
    }

    /// Digest of the key set statement with this number.
    #[must_use]
    pub fn digest(&self, number: u32) -> Option<Digest> {
        self.sets.get(&number).map(|pinned| pinned.digest)
    }

    /// All known sets, by number.
    pub fn sets(&self) -> impl DoubleEndedIterator<Item = &KeySet> {
        self.sets.values().map(|pinned| &pinned.set)
    }

    /// What is known of the revocation of a set.
    #[must_use]
    pub fn revocation(&self, number: u32) -> Option<&Revocation> {
        self.revoked.get(&number)
    }

    /// A set that may be used for something new at `now`: known, at least `min`, valid, not revoked (ID-6.7).
    pub fn usable(&self, number: u32, min: u32, now: u64) -> Result<&KeySet, IdentityError> {
        if number > 0 && number < min {
            return Err(IdentityError::BelowMinimum { given: number, min });
        }
        let set = self.set(number).ok_or(IdentityError::Unknown(number))?;
        if self.revoked.contains_key(&number) {
            return Err(IdentityError::Revoked(number));
        }
        if set.valid_from > now.saturating_add(limits::SKEW_SECONDS) {
            return Err(IdentityError::NotYet(number));
        }
        Ok(set)
    }

    /// The key that signs under set `ks` at `now`, if that set is [usable](Self::usable).
    pub fn signing_key(&self, ks: u32, min: u32, now: u64) -> Result<&PublicKey, IdentityError> {
        self.usable(ks, min, now).map(|set| &set.signing)
    }

    /// Reads and checks a compact JWS by this participant: signed under a usable set (ID-6.8).
    pub fn verify<M: Payload>(&self, text: &str, min: u32, now: u64) -> Result<Verified<M>, IdentityError> {
        let read = jws::peek::<M>(text)?;
        let key = *self.signing_key(read.header().ks, min, now)?;
        Ok(read.verify(&key)?)
    }

    /// Whether a transport key belongs to a usable set at `now`, whatever its number.
    #[must_use]
    pub fn has_transport(&self, key: &PublicKey, now: u64) -> bool {
        self.sets().any(|set| set.transport == *key && self.usable(set.number, 0, now).is_ok())
    }

    /// The log keys of all sets whose log key is not revoked, newest first, without repetition.
    #[must_use]
    pub fn log_keys(&self) -> Vec<PublicKey> {
        let mut keys = Vec::new();
        for set in self.sets().rev() {
            let revoked = self.revoked.get(&set.number).is_some_and(|revocation| revocation.log);
            if !revoked && !keys.contains(&set.log) {
                keys.push(set.log);
            }
        }
        keys
    }
}
