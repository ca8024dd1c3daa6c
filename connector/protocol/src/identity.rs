//! Who signs: DIDs, peer ids, participant statements, key sets and the ring of keys pinned for a participant (spec chapter 02).
//!
//! A participant is the `did:key` of its root key. The root signs numbered key sets; a [`KeyRing`] holds those of one root and
//! says which key may sign now. Legal identity is not known here: name and country are what the participant says of itself.

mod keys;

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

pub use keys::{Accepted, KeyRing, KeySet, Revocation};

use crate::{
    base58,
    encoding::Digest,
    error::Code,
    json::{V1, serde_as_text},
    jws::{self, JwsError, Payload, Typ, Unverified, Verified},
    limits,
    signature::{KeyError, PublicKey},
};

/// What stands before the 32 bytes of a key in a peer id: identity multihash of a libp2p public key, Ed25519.
const PEER_ID: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A participant: `did:key:z6Mk…` of its root key (ID-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(PublicKey);

impl Did {
    /// The participant with this root key.
    #[must_use]
    pub const fn of(root: PublicKey) -> Self {
        Self(root)
    }

    /// Reads `did:key:z6Mk…`, without fragment.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        PublicKey::parse(text.strip_prefix("did:key:").ok_or(KeyError::Text)?).map(Self)
    }

    /// Its root key.
    #[must_use]
    pub const fn root_key(&self) -> &PublicKey {
        &self.0
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:key:{}", self.0)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Did);

/// The libp2p peer id of a transport key, `12D3KooW…` (ID-3).
#[must_use]
pub fn peer_id(key: &PublicKey) -> String {
    let mut bytes = Vec::from(PEER_ID);
    bytes.extend_from_slice(key.as_bytes());
    base58::encode(&bytes)
}

/// The transport key in a peer id; other kinds of peer ids are refused.
pub fn parse_peer_id(text: &str) -> Result<PublicKey, KeyError> {
    let bytes = base58::decode(text).ok_or(KeyError::Text)?;
    let key = bytes.strip_prefix(&PEER_ID).ok_or(KeyError::Text)?;
    PublicKey::from_bytes(key.try_into().map_err(|_| KeyError::Text)?)
}

/// What two people compare: the first 16 hex digits of SHA-256 over the DID, in groups of four (ID-2.4).
#[must_use]
pub fn fingerprint(did: &Did) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    for (at, byte) in Digest::of(alloc::format!("{did}").as_bytes()).0.iter().take(8).enumerate() {
        if at > 0 && at % 2 == 0 {
            out.push(' ');
        }
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Country of a participant: two capital letters (ISO 3166-1 alpha-2, not checked against the list).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// Text that is not two capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a country code of two capital letters")]
pub struct BadCountry;

impl Country {
    /// Reads the two letters.
    pub fn parse(text: &str) -> Result<Self, BadCountry> {
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(BadCountry),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Country);

/// Size of a firm, as rules distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Micro, small or medium.
    Sme,
    /// Between SME and large.
    Mid,
    /// Large.
    Large,
}

/// What a participant does in exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes datasets.
    Consumer,
    /// Gives datasets.
    Provider,
}

/// What a participant says of itself, signed by its root (ID-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// Version.
    pub v: V1,
    /// Who says it.
    pub iss: Did,
    /// Name of the firm, 1 to [`limits::NAME`] bytes, without control or direction characters.
    pub name: String,
    /// Country of establishment.
    pub country: Country,
    /// Size of the firm.
    pub size: Size,
    /// Roles, sorted, at least one.
    pub roles: Vec<Role>,
    /// When it was signed, seconds.
    pub at: u64,
}

impl Payload for Participant {
    const TYP: Typ = Typ::Participant;
    const LIMIT: usize = limits::PARTICIPANT;

    fn check(&self) -> Result<(), &'static str> {
        if !is_name(&self.name) {
            return Err("name");
        }
        if self.roles.is_empty() || !self.roles.is_sorted_by(|a, b| a < b) {
            return Err("roles");
        }
        Ok(())
    }
}

/// Whether a text can be shown in one line as what it is: 1 to [`limits::NAME`] bytes, no control characters, none that turn
/// the direction of writing (ID-4.3).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    !text.is_empty() && text.len() <= limits::NAME && text.trim() == text && !text.chars().any(hidden)
}

/// Why a statement about keys is not pinned, or a key may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The JWS itself is refused.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Signed by another key than the root of who it speaks of, or about another participant.
    #[error("statement is not signed by the root key of its participant")]
    NotByRoot,
    /// An older participant statement than the pinned one.
    #[error("participant statement is older than the pinned one")]
    OlderStatement,
    /// Another key set is known under this number.
    #[error("two different key sets with number {0}")]
    Conflict(u32),
    /// The number is not above the newest known one.
    #[error("key set {given} after key set {newest}")]
    NotNewer {
        /// Number given.
        given: u32,
        /// Newest known number.
        newest: u32,
    },
    /// `valid_from` lies before that of an earlier set.
    #[error("key set is valid from before its predecessor")]
    ValidFrom,
    /// A revocation that was known is missing or changed.
    #[error("revocation of key set {0} taken back or changed")]
    RevocationChanged(u32),
    /// A key of a revoked set is used again.
    #[error("key of revoked key set {0} used again")]
    RevokedKey(u32),
    /// More key sets than are kept.
    #[error("more than {} key sets", limits::KEY_SETS)]
    TooMany,
    /// No key set with this number is pinned.
    #[error("key set {0} is not known")]
    Unknown(u32),
    /// Older than the minimum that was agreed.
    #[error("key set {given} is older than the agreed minimum {min}")]
    BelowMinimum {
        /// Number given.
        given: u32,
        /// Lowest number that counts.
        min: u32,
    },
    /// Revoked.
    #[error("key set {0} is revoked")]
    Revoked(u32),
    /// Not valid yet.
    #[error("key set {0} is not valid yet")]
    NotYet(u32),
}

impl IdentityError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Jws(error) => error.code(),
            Self::NotByRoot => Code::NotByRoot,
            Self::OlderStatement => Code::StatementOlder,
            Self::Conflict(_)
            | Self::NotNewer { .. }
            | Self::ValidFrom
            | Self::RevocationChanged(_)
            | Self::RevokedKey(_)
            | Self::TooMany => Code::KeysRefused,
            Self::Unknown(_) => Code::KeyUnknown,
            Self::BelowMinimum { .. } => Code::KeyTooOld,
            Self::Revoked(_) => Code::KeyRevoked,
            Self::NotYet(_) => Code::KeyNotYet,
        }
    }
}

/// A participant that is known by its own signed words: statement and keys, all checked (ID-7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedPeer {
    participant: Participant,
    statement: Digest,
    ring: KeyRing,
}

impl PinnedPeer {
    /// Checks a participant statement and the key sets of the same root, oldest first; at least one.
    pub fn pin<'a>(
        statement: &str,
        key_sets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, IdentityError> {
        let participant = verify_participant(statement)?;
        let mut ring = KeyRing::new(participant.payload().iss);
        for text in key_sets {
            ring.accept(&verify_key_set(text)?)?;
        }
        if ring.newest().is_none() {
            return Err(IdentityError::Unknown(1));
        }
        Ok(Self { statement: participant.digest(), participant: participant.into_payload(), ring })
    }

    /// Who.
    #[must_use]
    pub const fn did(&self) -> &Did {
        self.ring.did()
    }

    /// What it says of itself.
    #[must_use]
    pub const fn participant(&self) -> &Participant {
        &self.participant
    }

    /// Digest of the participant statement.
    #[must_use]
    pub const fn statement(&self) -> Digest {
        self.statement
    }

    /// Its keys.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Its keys, to pin a newer set.
    pub const fn ring_mut(&mut self) -> &mut KeyRing {
        &mut self.ring
    }

    /// Replaces the statement by a later one of the same root.
    pub fn restate(&mut self, statement: &str) -> Result<(), IdentityError> {
        let participant = verify_participant(statement)?;
        if participant.payload().iss != *self.did() {
            return Err(IdentityError::NotByRoot);
        }
        if participant.payload().at < self.participant.at {
            return Err(IdentityError::OlderStatement);
        }
        self.statement = participant.digest();
        self.participant = participant.into_payload();
        Ok(())
    }
}

/// Reads a participant statement and checks it under the root that it names.
pub fn verify_participant(text: &str) -> Result<Verified<Participant>, IdentityError> {
    let read = jws::peek::<Participant>(text)?;
    let root = *read.claims().iss.root_key();
    by_root(read, &root)
}

/// Reads a key set and checks it under the root that it names.
pub fn verify_key_set(text: &str) -> Result<Verified<KeySet>, IdentityError> {
    let read = jws::peek::<KeySet>(text)?;
    let root = *read.claims().iss.root_key();
    by_root(read, &root)
}

fn by_root<M: Payload>(read: Unverified<M>, root: &PublicKey) -> Result<Verified<M>, IdentityError> {
    if read.header().ks != 0 || read.header().kid != *root {
        return Err(IdentityError::NotByRoot);
    }
    Ok(read.verify(root)?)
}
