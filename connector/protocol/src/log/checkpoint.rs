//! Checkpoints: origin, size and root of a log in a signed note, and the proof that a log forked (spec chapter 08, LOG-5).
//!
//! A [`SignedCheckpoint`] exists only if the log's key verified, over the bytes read. Does not decide when to sign: the
//! compare-and-swap before a signature leaves is the store's.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    merkle::{self, Hash, ProofError, TreeError},
    note::{KeyKind, Note, NoteError, NoteKey, NoteSigner, Signed},
};
use crate::{
    error::Code,
    json::{self, JsonError, V1},
    limits,
    signature::PublicKey,
};

/// The longest origin that is read.
const ORIGIN_MAX: usize = 255;

/// Why a checkpoint or what is said about it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not origin, size and root, one a line, and nothing else.
    #[error("not a checkpoint")]
    Malformed,
    /// An origin that is not `naru/<root key>/<shard>`.
    #[error("not the origin of a log of ours")]
    BadOrigin,
    /// More bytes than the place allows.
    #[error("a checkpoint of more than {0} bytes")]
    TooLarge(usize),
    /// A place that takes the log's own line alone has others too.
    #[error("the checkpoint carries other signatures than the log's own")]
    ForeignLines,
    /// The note's key is named for another origin, or is no key of a log.
    #[error("the key does not belong to the origin of the checkpoint")]
    WrongKey,
    /// The note does not open.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Two checkpoints of different logs were compared.
    #[error("checkpoints of different logs")]
    OtherOrigin,
    /// Two checkpoints of one size with different roots: the log forked, and the two notes prove it.
    #[error("two checkpoints of one size with different roots: the log forked")]
    Forked,
    /// A proof that proves nothing.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl CheckpointError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge(_) => Code::TooLarge,
            Self::Malformed | Self::BadOrigin => Code::Malformed,
            Self::ForeignLines | Self::WrongKey | Self::OtherOrigin => Code::CheckpointInvalid,
            Self::Note(error) => error.code(),
            Self::Forked => Code::LogForked,
            Self::Proof(error) => error.code(),
        }
    }
}

/// Whose log and which of its shards: the text `naru/<root key>/<shard>` (LOG-5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The participant's root key.
    pub root: PublicKey,
    /// Counts the logs of this participant; a restored one opens the next.
    pub shard: u32,
}

impl Origin {
    /// Reads the text, exactly as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (root, shard) = text
            .strip_prefix("naru/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(CheckpointError::BadOrigin)?;
        let shard =
            decimal(shard).and_then(|shard| shard.try_into().ok()).ok_or(CheckpointError::BadOrigin)?;
        Ok(Self { root: PublicKey::parse(root).map_err(|_| CheckpointError::BadOrigin)?, shard })
    }

    /// The note key of this log: named for the origin, with the log key of a key set.
    pub fn key(&self, log: PublicKey) -> Result<NoteKey, NoteError> {
        NoteKey::new(&self.to_string(), KeyKind::Note, log)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "naru/{}/{}", self.root, self.shard)
    }
}

/// A decimal number without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// What a log says of itself: how long it is and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log; one of ours reads as [`Origin`].
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the hash tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a note's text: exactly three lines (LOG-5.2). A log without entries has the root of the empty tree.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Malformed)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed);
        };
        if origin.is_empty() || origin.len() > ORIGIN_MAX {
            return Err(CheckpointError::Malformed);
        }
        let size = decimal(size).ok_or(CheckpointError::Malformed)?;
        let root = Hash::parse(root).ok_or(CheckpointError::Malformed)?;
        if size == 0 && root != Hash::EMPTY {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)
    }
}

/// A checkpoint whose log signed it. There is no other way to one than [`Self::sign`] and opening a note with the log's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    signed: Vec<Signed>,
}

impl SignedCheckpoint {
    /// Signs. The signer's name must be the origin (LOG-5.3).
    pub fn sign(checkpoint: Checkpoint, signer: &NoteSigner) -> Result<Self, CheckpointError> {
        let text = checkpoint.to_string();
        if Checkpoint::parse(&text)? != checkpoint {
            return Err(CheckpointError::Malformed);
        }
        check_key(signer.key(), &checkpoint)?;
        let note = Note::sign(&text, signer, 0)?;
        let signed = Vec::from([Signed { key: signer.key().clone(), time: None }]);
        Ok(Self { checkpoint, note, signed })
    }

    /// Opens a note with the log's key; lines of the given cosigners are verified too (LOG-5.4).
    pub fn open(note: &[u8], log: &NoteKey, cosigners: &[NoteKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        check_key(log, &checkpoint)?;
        let mut keys = Vec::with_capacity(1 + cosigners.len());
        keys.push(log.clone());
        keys.extend_from_slice(cosigners);
        let signed = note.open(&keys)?;
        if !signed.iter().any(|signed| signed.key == *log) {
            return Err(NoteError::Unsigned.into());
        }
        Ok(Self { checkpoint, note, signed })
    }

    /// Opens the form that travels in tokens and acknowledgements: short, and with the log's own line alone (LOG-5.5).
    pub fn open_own(note: &[u8], log: &NoteKey) -> Result<Self, CheckpointError> {
        if note.len() > limits::CHECKPOINT {
            return Err(CheckpointError::TooLarge(limits::CHECKPOINT));
        }
        let signed = Self::open(note, log, &[])?;
        if signed.note.lines().len() == 1 { Ok(signed) } else { Err(CheckpointError::ForeignLines) }
    }

    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Number of entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Root of the tree.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    /// The note, with all its lines.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The note with the log's own line alone: what travels in tokens and acknowledgements.
    #[must_use]
    pub fn own_note(&self) -> String {
        let mut text = self.note.text().to_owned();
        let own = self.signed.iter().find(|signed| signed.key.name() == self.checkpoint.origin);
        if let Some(own) = own {
            let line = self
                .note
                .lines()
                .iter()
                .find(|line| line.name() == own.key.name() && line.id() == own.key.id());
            text.push('\n');
            text.extend(line.map(ToString::to_string));
            text.push('\n');
        }
        text
    }

    /// The lines that verified: the log's, and those of the cosigners that were asked for, with their times.
    #[must_use]
    pub fn signed(&self) -> &[Signed] {
        &self.signed
    }

    /// Checks that an entry is in this log (LOG-2.3).
    pub fn includes(&self, index: u64, leaf: &Hash, proof: &[Hash]) -> Result<(), CheckpointError> {
        Ok(merkle::verify_inclusion(index, self.size(), leaf, proof, self.root())?)
    }

    /// Checks that this log begins with the one of an older checkpoint (LOG-2.4, LOG-5.6). Anything begins with the empty log.
    pub fn extends(&self, older: &Self, proof: &[Hash]) -> Result<(), CheckpointError> {
        if older.checkpoint.origin != self.checkpoint.origin {
            return Err(CheckpointError::OtherOrigin);
        }
        if older.size() == self.size() && older.root() != self.root() {
            return Err(CheckpointError::Forked);
        }
        if older.size() == 0 {
            return if proof.is_empty() { Ok(()) } else { Err(ProofError::WrongLength.into()) };
        }
        Ok(merkle::verify_consistency(older.size(), self.size(), proof, older.root(), self.root())?)
    }
}

fn check_key(key: &NoteKey, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    if key.kind() == KeyKind::Note && key.name() == checkpoint.origin {
        Ok(())
    } else {
        Err(CheckpointError::WrongKey)
    }
}

/// Why a proof of a fork convicts nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// Not the JSON form of a fork proof.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// One of the notes does not open, or they are of different logs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The first is longer than the second.
    #[error("the first checkpoint is the longer one")]
    Order,
    /// The path does not lead to the second root, so it says nothing about that log.
    #[error("the path does not belong to the second checkpoint")]
    Path,
    /// The second log begins with the first.
    #[error("the checkpoints are consistent")]
    Consistent,
}

impl ForkError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Order | Self::Path | Self::Consistent => Code::ProofInvalid,
        }
    }
}

/// Two checkpoints that a log signed and that cannot both be true: JSON `{first,path,second,v}` (LOG-5.7).
///
/// With different sizes, the path rebuilds from the second log the root that it had at the first size. A log that is merely
/// unable to prove consistency is not convicted by this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkProof {
    v: V1,
    /// The note of the smaller size.
    pub first: String,
    /// The note of the larger size, or of the same with another root.
    pub second: String,
    /// What [`merkle::prefix_proof`] gives in the second log; empty for equal sizes.
    pub path: Vec<Hash>,
}

impl ForkProof {
    /// Compares two checkpoints; the nodes are the longer log's. `None` if they are consistent.
    pub fn find(
        one: &SignedCheckpoint,
        other: &SignedCheckpoint,
        read: &mut impl FnMut(u8, u64) -> Option<Hash>,
    ) -> Result<Option<Self>, TreeError> {
        let (first, second) = if one.size() <= other.size() { (one, other) } else { (other, one) };
        let path = if first.size() == second.size() || first.size() == 0 {
            Vec::new()
        } else {
            merkle::prefix_proof(first.size(), second.size(), read)?
        };
        let proof = Self { v: V1, first: first.note.to_string(), second: second.note.to_string(), path };
        Ok(proof.compare(first, second).is_ok().then_some(proof))
    }

    /// Reads the canonical JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        Ok(json::parse_canonical(bytes)?)
    }

    /// The canonical JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JsonError> {
        json::to_canonical(self)
    }

    /// Checks that both are of one log and signed by one of its keys, and that they contradict each other. Gives both.
    pub fn check(&self, keys: &[NoteKey]) -> Result<(SignedCheckpoint, SignedCheckpoint), ForkError> {
        let first = open_any(self.first.as_bytes(), keys)?;
        let second = open_any(self.second.as_bytes(), keys)?;
        self.compare(&first, &second)?;
        Ok((first, second))
    }

    fn compare(&self, first: &SignedCheckpoint, second: &SignedCheckpoint) -> Result<(), ForkError> {
        if first.checkpoint.origin != second.checkpoint.origin {
            return Err(CheckpointError::OtherOrigin.into());
        }
        if first.size() > second.size() {
            return Err(ForkError::Order);
        }
        if first.size() == second.size() || first.size() == 0 {
            if !self.path.is_empty() {
                return Err(ForkError::Path);
            }
            let same = first.size() == 0 || first.root() == second.root();
            return if same { Err(ForkError::Consistent) } else { Ok(()) };
        }
        let (old, new) =
            merkle::prefix_roots(first.size(), second.size(), &self.path).map_err(|_| ForkError::Path)?;
        if new != *second.root() {
            return Err(ForkError::Path);
        }
        if old == *first.root() { Err(ForkError::Consistent) } else { Ok(()) }
    }
}

/// A log may have had several keys; each note is signed by one.
fn open_any(note: &[u8], keys: &[NoteKey]) -> Result<SignedCheckpoint, CheckpointError> {
    let mut last = CheckpointError::from(NoteError::Unsigned);
    for key in keys {
        match SignedCheckpoint::open(note, key, &[]) {
            Ok(signed) => return Ok(signed),
            Err(error) => last = error,
        }
    }
    Err(last)
}
