//! The hash tree of the log: RFC 6962 hashes, the growing right edge, proofs and their checks (spec chapter 08, LOG-1 and LOG-2).
//!
//! A *node* `(level, index)` is the root of the complete subtree over the leaves `index << level .. (index + 1) << level`.
//! Nodes never change once written, so whoever stores them can prove anything about any size up to theirs.
//! Does not store nodes: callers hand in a function that looks them up. Every function is total on `u64`.

use alloc::{string::String, vec::Vec};
use core::fmt;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::error::Code;

/// A hash of the tree: SHA-256, 32 bytes. Its text, in notes and proofs, is padded standard base64, as C2SP writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The root of the tree without leaves: the digest of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Reads padded standard base64 of exactly 32 bytes; what does not encode back to the same text is refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 44 || Base64::decode(text, &mut bytes).ok()?.len() != 32 {
            return None;
        }
        let mut again = [0; 44];
        (Base64::encode(&bytes, &mut again).ok()? == text).then_some(Self(bytes))
    }

    /// Takes 32 bytes off a slice; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a hash of the tree in base64"))
    }
}

/// The hash of a leaf: SHA-256 of a zero byte and the entry (LOG-1.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of an inner node: SHA-256 of a one byte and the two children (LOG-1.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of a complete subtree over its `2^n` hashes, or of any other number by the rule of RFC 6962; the digest of nothing for none.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::EMPTY,
        [one] => *one,
        more => {
            let split = usize::try_from(split_of(more.len() as u64)).unwrap_or(more.len() / 2);
            let (left, right) = more.split_at(split);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Why the tree cannot grow or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The tree already has as many leaves as a `u64` counts.
    #[error("the log is full")]
    Full,
    /// A leaf at or past the size was asked for.
    #[error("there is no entry {index} in a log of {size}")]
    IndexOutOfRange {
        /// The leaf asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older size of a consistency proof is zero or above the newer.
    #[error("no proof leads from size {old} to size {new}")]
    SizeOutOfRange {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// The store lacks a node that the tree of this size has.
    #[error("the hash at level {level}, index {index} is missing")]
    MissingNode {
        /// Levels above the leaves.
        level: u8,
        /// Position in its level.
        index: u64,
    },
    /// Bytes that are not a frontier.
    #[error("not the right edge of a tree")]
    BadFrontier,
}

impl TreeError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Full => Code::Internal,
            Self::IndexOutOfRange { .. } | Self::SizeOutOfRange { .. } => Code::NotFound,
            Self::MissingNode { .. } | Self::BadFrontier => Code::StoreCorrupt,
        }
    }
}

/// A node of the tree that never changes again: `(level, index, hash)`.
pub type Node = (u8, u64, Hash);

/// The right edge of a tree: all that is needed to append to it and to compute its root. At most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One hash per set bit of `size`, from the largest subtree (left) to the smallest.
    edge: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, edge: Vec::new() }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and names every node that it completes, leaf first: `1 + trailing ones of the old size` of them.
    pub fn append(&mut self, leaf: Hash) -> Result<Vec<Node>, TreeError> {
        let index = self.size;
        self.size = index.checked_add(1).ok_or(TreeError::Full)?;
        let mut made = Vec::with_capacity(2);
        let mut hash = leaf;
        let mut at = index;
        let mut level = 0;
        made.push((level, at, hash));
        while at & 1 == 1 {
            // A set bit has its hash on the edge; were it lacking, the node is left out and `root` says nothing worse.
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(&left, &hash);
            at >>= 1;
            level += 1;
            made.push((level, at, hash));
        }
        self.edge.push(hash);
        Ok(made)
    }

    /// The root of the tree (LOG-1.2).
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(Hash::EMPTY)
    }

    /// Restores the edge of a tree of `size` leaves from stored nodes.
    pub fn from_nodes(size: u64, read: &mut impl FnMut(u8, u64) -> Option<Hash>) -> Result<Self, TreeError> {
        let mut edge = Vec::new();
        for (level, index) in subtrees(0, size) {
            edge.push(read(level, index).ok_or(TreeError::MissingNode { level, index })?);
        }
        Ok(Self { size, edge })
    }

    /// The size, big endian, and the hashes of the edge, largest subtree first: at most 2,056 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.edge.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for hash in &self.edge {
            bytes.extend_from_slice(&hash.0);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote. The hashes are believed: compare [`Self::root`] with a checkpoint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        let (head, rest) = bytes.split_first_chunk::<8>().ok_or(TreeError::BadFrontier)?;
        let size = u64::from_be_bytes(*head);
        let (hashes, tail) = rest.as_chunks::<32>();
        if !tail.is_empty() || hashes.len() != size.count_ones() as usize {
            return Err(TreeError::BadFrontier);
        }
        Ok(Self { size, edge: hashes.iter().copied().map(Hash).collect() })
    }
}

/// The largest power of two strictly below `n`, for `n` of at least two.
const fn split_of(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The complete subtrees that tile `low..high`, left to right. `low` is a multiple of a power of two not below `high - low`.
fn subtrees(low: u64, high: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = low;
    core::iter::from_fn(move || {
        let level = high.saturating_sub(at).checked_ilog2()?;
        let node = (u8::try_from(level).unwrap_or(u8::MAX), at >> level);
        // The last step of a tree that ends at `u64::MAX` stays below it, since `at + 2^level <= high`.
        at = at.saturating_add(1 << level);
        Some(node)
    })
}

/// The RFC 6962 hash of the leaves `low..high`, from stored nodes.
fn range_root(
    low: u64,
    high: u64,
    read: &mut impl FnMut(u8, u64) -> Option<Hash>,
) -> Result<Hash, TreeError> {
    let mut parts = Vec::new();
    for (level, index) in subtrees(low, high) {
        parts.push(read(level, index).ok_or(TreeError::MissingNode { level, index })?);
    }
    Ok(parts.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or(Hash::EMPTY))
}

/// The root of the tree of the first `size` leaves, from stored nodes.
pub fn root_at(size: u64, read: &mut impl FnMut(u8, u64) -> Option<Hash>) -> Result<Hash, TreeError> {
    range_root(0, size, read)
}

/// The proof that leaf `index` is in the tree of `size` leaves, the leaf's sibling first (LOG-2.1). At most 64 hashes.
pub fn inclusion_proof(
    index: u64,
    size: u64,
    read: &mut impl FnMut(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::IndexOutOfRange { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    while high - low > 1 {
        let middle = low + split_of(high - low);
        if index < middle {
            proof.push(range_root(middle, high, read)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, read)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves (LOG-2.2); empty when they are equal. At
/// most 65 hashes.
pub fn consistency_proof(
    old: u64,
    new: u64,
    read: &mut impl FnMut(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, TreeError> {
    let mut proof = prefix_proof(old, new, read)?;
    // The verifier of a whole left subtree holds its root already.
    if old.is_power_of_two() || old == new {
        proof.remove(0);
    }
    Ok(proof)
}

/// As [`consistency_proof`], but the first hash, from which the older root is rebuilt, is always written.
///
/// From it alone, [`prefix_roots`] computes both roots: what a proof that a log forked needs.
pub fn prefix_proof(
    old: u64,
    new: u64,
    read: &mut impl FnMut(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, TreeError> {
    if old == 0 || old > new {
        return Err(TreeError::SizeOutOfRange { old, new });
    }
    let (mut low, mut high) = (0, new);
    let mut proof = Vec::new();
    while old != high {
        let middle = low + split_of(high - low);
        if old <= middle {
            proof.push(range_root(middle, high, read)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, read)?);
            low = middle;
        }
    }
    proof.push(range_root(low, high, read)?);
    proof.reverse();
    Ok(proof)
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies outside the tree.
    #[error("the index lies outside the log")]
    IndexOutOfRange,
    /// The older size is zero or above the newer.
    #[error("the sizes have no proof between them")]
    SizeOutOfRange,
    /// More or fewer hashes than a proof between these numbers has.
    #[error("the proof has the wrong length")]
    WrongLength,
    /// The hashes do not lead to the older root.
    #[error("the proof does not lead to the older root")]
    OldRootMismatch,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    RootMismatch,
}

impl ProofError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::IndexOutOfRange
            | Self::SizeOutOfRange
            | Self::WrongLength
            | Self::OldRootMismatch
            | Self::RootMismatch => Code::ProofInvalid,
        }
    }
}

/// The root to which an inclusion proof leads (RFC 9162 section 2.1.3.2).
pub fn inclusion_root(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = *leaf;
    for hash in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            // `node` is not zero here: it is odd, or equal to a `last` that is not zero.
            let skip = node.trailing_zeros();
            node >>= skip;
            last >>= skip;
        } else {
            root = node_hash(&root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(root) } else { Err(ProofError::WrongLength) }
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves with this root (LOG-2.3).
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if inclusion_root(index, size, leaf, proof)? == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Both roots to which a proof from [`prefix_proof`] leads, older first (RFC 9162 section 2.1.4.2).
pub fn prefix_roots(old: u64, new: u64, proof: &[Hash]) -> Result<(Hash, Hash), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::SizeOutOfRange);
    }
    let (first, rest) = proof.split_first().ok_or(ProofError::WrongLength)?;
    if old == new {
        return if rest.is_empty() { Ok((*first, *first)) } else { Err(ProofError::WrongLength) };
    }
    let skip = (old - 1).trailing_ones();
    let (mut node, mut last) = shift(old - 1, new - 1, skip);
    let (mut old_root, mut new_root) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_root = node_hash(hash, &old_root);
            new_root = node_hash(hash, &new_root);
            (node, last) = shift(node, last, node.trailing_zeros());
        } else {
            new_root = node_hash(&new_root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok((old_root, new_root)) } else { Err(ProofError::WrongLength) }
}

/// Both numbers shifted; a shift by the whole width gives zero.
fn shift(a: u64, b: u64, by: u32) -> (u64, u64) {
    (a.checked_shr(by).unwrap_or(0), b.checked_shr(by).unwrap_or(0))
}

/// Checks that the tree of `new` leaves begins with the tree of `old` leaves (LOG-2.4).
///
/// Nothing can be proven from size zero; whoever held nothing compares nothing.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::SizeOutOfRange);
    }
    if old == new {
        if !proof.is_empty() {
            return Err(ProofError::WrongLength);
        }
        return if old_root == new_root { Ok(()) } else { Err(ProofError::RootMismatch) };
    }
    let mut whole = Vec::with_capacity(proof.len() + 1);
    if old.is_power_of_two() {
        whole.push(*old_root);
    }
    whole.extend_from_slice(proof);
    let (rebuilt_old, rebuilt_new) = prefix_roots(old, new, &whole)?;
    if rebuilt_old != *old_root {
        return Err(ProofError::OldRootMismatch);
    }
    if rebuilt_new == *new_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}
