//! The files of the log: hash tiles and entry bundles, their paths, bytes and verification (spec chapter 08, LOG-3).
//!
//! A hash tile holds up to 256 nodes of one level that is a multiple of eight; an entry bundle up to 256 entries. Paths and bytes
//! are those of C2SP tlog-tiles. Does not fetch or store: callers hand in functions or maps.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use core::fmt;

use super::merkle::{self, Frontier, Hash, TreeError, leaf_hash, root_of};
use crate::error::Code;

/// Hashes of a full tile and entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// The highest level at which a log counted in 64 bits has a tile.
pub const TILE_LEVEL_MAX: u8 = 7;
/// What the length of an entry in a bundle can say. Our entries are shorter ([`super::entry::ENTRY_MAX`]).
pub const BUNDLE_ENTRY_MAX: usize = 65_535;
/// No path of a log counted in 64 bits is longer.
const PATH_MAX: usize = 64;

/// Which of the two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of a level, 0 to [`TILE_LEVEL_MAX`]; level `n` holds nodes of tree level `8 n`.
    Hashes(u8),
    /// Entries; as many as the hashes of level 0.
    Entries,
}

/// A tile or bundle: kind, number, and how many of its 256 places are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a tile is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// A path that is not exactly one that C2SP tlog-tiles writes, or beyond what 64 bits count.
    #[error("not the path of a tile")]
    BadPath,
    /// Level, number or width beyond what a log can have.
    #[error("no log has such a tile")]
    OutOfRange,
    /// The bytes have another length than the width says, or an entry is cut off or too long.
    #[error("the bytes of tile {0} have the wrong length")]
    BadLength(Tile),
    /// The checkpoint's size has no such tile.
    #[error("a log of this size has no tile {0}")]
    NotInSize(Tile),
    /// A tile without which another cannot be verified was not given.
    #[error("tile {0} is missing")]
    Missing(Tile),
    /// The hashes do not lead to the checkpoint's root.
    #[error("tile {0} does not belong to the checkpoint")]
    Mismatch(Tile),
    /// The tiles of the right edge do not lead to the checkpoint's root.
    #[error("the tiles of the right edge do not lead to the root of the checkpoint")]
    RootMismatch,
    /// The tree cannot answer.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl TileError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::BadPath | Self::OutOfRange | Self::NotInSize(_) => Code::NotFound,
            Self::BadLength(_) | Self::Missing(_) | Self::Mismatch(_) | Self::RootMismatch => {
                Code::ProofInvalid
            }
            Self::Tree(error) => error.code(),
        }
    }
}

impl Tile {
    /// Names a tile; width 1 to 256, level 0 to 7, and a number whose last place a `u64` still counts.
    pub const fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, TileError> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        if level > TILE_LEVEL_MAX || width == 0 || width > TILE_WIDTH {
            return Err(TileError::OutOfRange);
        }
        // Places at this level are numbered below 2^(64 - 8 level), tiles below a 256th of that.
        if index > (u64::MAX >> (8 * level)) / 256 {
            return Err(TileError::OutOfRange);
        }
        Ok(Self { kind, index, width })
    }

    /// Hashes or entries.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The number in its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many places are filled, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether all 256 places are filled; a full tile never changes.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The level of a hash tile; entries count as level 0.
    #[must_use]
    pub const fn level(&self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// Number of the first place: of a node of tree level `8 level`, or of an entry.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.index * TILE_WIDTH as u64
    }

    /// The path under the log's prefix, without a leading slash (LOG-3.1).
    #[must_use]
    pub fn path(&self) -> String {
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let width = if self.is_full() { String::new() } else { format!(".p/{}", self.width) };
        match self.kind {
            TileKind::Hashes(level) => format!("tile/{level}/{number}{width}"),
            TileKind::Entries => format!("tile/entries/{number}{width}"),
        }
    }

    /// Reads a path; anything that [`Self::path`] would not have written is refused (LOG-3.1).
    pub fn parse(path: &str) -> Result<Self, TileError> {
        if path.len() > PATH_MAX {
            return Err(TileError::BadPath);
        }
        let rest = path.strip_prefix("tile/").ok_or(TileError::BadPath)?;
        let (kind, rest) = rest.split_once('/').ok_or(TileError::BadPath)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(number(level)?),
        };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, number(width)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in digits.split('/') {
            let group = group.strip_prefix('x').unwrap_or(group);
            let group: u16 = number(group)?;
            index = index
                .checked_mul(1000)
                .and_then(|index| index.checked_add(u64::from(group)))
                .ok_or(TileError::BadPath)?;
        }
        let tile = Self::new(kind, index, width).map_err(|_| TileError::BadPath)?;
        // Groups of the wrong length, a missing or surplus `x`, leading zeros, a full width spelled out: none of them comes back.
        if tile.path() == path { Ok(tile) } else { Err(TileError::BadPath) }
    }

    /// Whether a log of `size` entries has this tile: full if it is full there, else at exactly the width of that size.
    ///
    /// `at_most` asks instead whether some size up to `size` had it.
    #[must_use]
    pub fn exists_in(&self, size: u64, at_most: bool) -> bool {
        let width = width_in(self.level(), self.index, size);
        if at_most { self.width <= width } else { self.width == width }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A decimal number of digits alone.
fn number<T: core::str::FromStr>(digits: &str) -> Result<T, TileError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TileError::BadPath);
    }
    digits.parse().map_err(|_| TileError::BadPath)
}

/// How many places of tile `index` at `level` a log of `size` fills: 0 to 256.
fn width_in(level: u8, index: u64, size: u64) -> u16 {
    let places = if level > TILE_LEVEL_MAX { 0 } else { size >> (8 * level) };
    let filled = index.checked_mul(u64::from(TILE_WIDTH)).map_or(0, |first| places.saturating_sub(first));
    u16::try_from(filled).map_or(TILE_WIDTH, |filled| filled.min(TILE_WIDTH))
}

/// Every hash tile of a log of `size`, level by level, full ones first, then the partial one (LOG-3.2).
pub fn hash_tiles(size: u64) -> impl Iterator<Item = Tile> {
    new_hash_tiles(0, size)
}

/// Every entry bundle of a log of `size`.
pub fn entry_bundles(size: u64) -> impl Iterator<Item = Tile> {
    level_tiles(TileKind::Entries, 0, size)
}

/// The hash tiles that a log of `new` has and the same log at `old` had not: what a commit writes.
pub fn new_hash_tiles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    (0..=TILE_LEVEL_MAX).flat_map(move |level| level_tiles(TileKind::Hashes(level), old, new))
}

/// The entry bundles that a log of `new` has and the same log at `old` had not.
pub fn new_entry_bundles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    level_tiles(TileKind::Entries, old, new)
}

fn level_tiles(kind: TileKind, old: u64, new: u64) -> impl Iterator<Item = Tile> {
    let level = match kind {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    let mut index = (old >> (8 * level)) / u64::from(TILE_WIDTH);
    core::iter::from_fn(move || {
        let width = width_in(level, index, new);
        if width == 0 || (width < TILE_WIDTH && width_in(level, index, old) == width) {
            return None;
        }
        let tile = Tile { kind, index, width };
        index += 1;
        Some(tile)
    })
}

/// The bytes of a hash tile from stored nodes: its hashes, 32 bytes each (LOG-3.3). Empty for a bundle.
pub fn tile_bytes(tile: Tile, read: &mut impl FnMut(u8, u64) -> Option<Hash>) -> Result<Vec<u8>, TileError> {
    let TileKind::Hashes(level) = tile.kind else { return Ok(Vec::new()) };
    let mut bytes = Vec::with_capacity(32 * usize::from(tile.width));
    for place in 0..u64::from(tile.width) {
        let (level, index) = (8 * level, tile.first() + place);
        let hash = read(level, index).ok_or(TreeError::MissingNode { level, index })?;
        bytes.extend_from_slice(&hash.0);
    }
    Ok(bytes)
}

/// The hashes of a hash tile from its bytes, which must be exactly as many as its width says.
pub fn tile_hashes(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let (hashes, tail) = bytes.as_chunks::<32>();
    if !tail.is_empty() || hashes.len() != usize::from(tile.width) {
        return Err(TileError::BadLength(tile));
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// The bytes of an entry bundle: each entry after its length in two bytes, big endian (LOG-3.4).
pub fn bundle_bytes(tile: Tile, entries: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, TileError> {
    if entries.len() != usize::from(tile.width) {
        return Err(TileError::BadLength(tile));
    }
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::BadLength(tile))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle, exactly as many as its width says.
pub fn bundle_entries(tile: Tile, bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(tile.width));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        if entries.len() == usize::from(tile.width) || after.len() < length {
            return Err(TileError::BadLength(tile));
        }
        let (entry, after) = after.split_at(length);
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() || entries.len() != usize::from(tile.width) {
        return Err(TileError::BadLength(tile));
    }
    Ok(entries)
}

/// The bytes of the level 0 tile that belongs to a bundle: the leaf hash of each entry.
pub fn leaves_of_bundle(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    Ok(bundle_entries(tile, bytes)?.into_iter().map(leaf_hash).collect())
}

/// The tiles that must be at hand to read some nodes of a log of `size` and to verify them: theirs, every tile above them, and
/// the right edge.
///
/// Nodes that the log does not have are left out.
#[must_use]
pub fn tiles_needed(size: u64, nodes: impl IntoIterator<Item = (u8, u64)>) -> BTreeSet<Tile> {
    let mut needed: BTreeSet<Tile> = edge_tiles(size).collect();
    for (level, index) in nodes {
        let Some((level, mut index)) = place_of(level, index) else { continue };
        for level in level..=TILE_LEVEL_MAX {
            let number = index / u64::from(TILE_WIDTH);
            let width = width_in(level, number, size);
            if width == 0 {
                break;
            }
            needed.insert(Tile { kind: TileKind::Hashes(level), index: number, width });
            index = number;
        }
    }
    needed
}

/// The tiles needed to prove that an entry is in a log of `size`; beyond the entry's hash, nothing else is.
pub fn tiles_for_inclusion(index: u64, size: u64) -> Result<BTreeSet<Tile>, TreeError> {
    let mut nodes = BTreeSet::new();
    nodes.insert((0, index));
    merkle::inclusion_proof(index, size, &mut |level, index| {
        nodes.insert((level, index));
        Some(Hash::EMPTY)
    })?;
    Ok(tiles_needed(size, nodes))
}

/// The tiles needed to prove that a log of `new` begins with the log of `old`.
pub fn tiles_for_consistency(old: u64, new: u64) -> Result<BTreeSet<Tile>, TreeError> {
    let mut nodes = BTreeSet::new();
    merkle::prefix_proof(old, new, &mut |level, index| {
        nodes.insert((level, index));
        Some(Hash::EMPTY)
    })?;
    Ok(tiles_needed(new, nodes))
}

/// The partial tiles of a size: together they hold its right edge.
fn edge_tiles(size: u64) -> impl Iterator<Item = Tile> {
    (0..=TILE_LEVEL_MAX).filter_map(move |level| {
        let places = size >> (8 * level);
        let width = (places % u64::from(TILE_WIDTH)) as u16;
        let index = places / u64::from(TILE_WIDTH);
        (width > 0).then_some(Tile { kind: TileKind::Hashes(level), index, width })
    })
}

/// The tile level of a node and the first place there of the `2^(level % 8)` from which it is computed.
fn place_of(level: u8, index: u64) -> Option<(u8, u64)> {
    let first = index.checked_mul(1 << (level % 8))?;
    (level / 8 <= TILE_LEVEL_MAX).then_some((level / 8, first))
}

/// Hash tiles that were verified against the root of a checkpoint: a value exists only if all of them lead to it (LOG-3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTiles {
    size: u64,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl VerifiedTiles {
    /// Verifies tiles against size and root of a checkpoint. The right edge and, for each tile, every one above it must be there.
    ///
    /// What [`tiles_for_inclusion`] and [`tiles_for_consistency`] name is complete. Bundles among the tiles are refused.
    pub fn check(size: u64, root: &Hash, given: &BTreeMap<Tile, Vec<u8>>) -> Result<Self, TileError> {
        let mut tiles = BTreeMap::new();
        for (tile, bytes) in given {
            let TileKind::Hashes(level) = tile.kind else { return Err(TileError::NotInSize(*tile)) };
            if !tile.exists_in(size, false) {
                return Err(TileError::NotInSize(*tile));
            }
            tiles.insert((level, tile.index), tile_hashes(*tile, bytes)?);
        }
        for tile in edge_tiles(size) {
            if !tiles.contains_key(&(tile.level(), tile.index)) {
                return Err(TileError::Missing(tile));
            }
        }
        let verified = Self { size, tiles };
        if Frontier::from_nodes(size, &mut |level, index| verified.node(level, index))?.root() != *root {
            return Err(TileError::RootMismatch);
        }
        verified.check_below_edge()?;
        Ok(verified)
    }

    /// Each full tile is a place of one above it; the partial ones are bound by the root.
    fn check_below_edge(&self) -> Result<(), TileError> {
        for (&(level, index), hashes) in &self.tiles {
            let tile = Tile { kind: TileKind::Hashes(level), index, width: hashes.len() as u16 };
            if !tile.is_full() {
                continue;
            }
            let above = level + 1;
            let number = index / u64::from(TILE_WIDTH);
            let Some(parent) = self.tiles.get(&(above, number)) else {
                let width = width_in(above, number, self.size);
                return Err(TileError::Missing(Tile { kind: TileKind::Hashes(above), index: number, width }));
            };
            if parent.get((index % u64::from(TILE_WIDTH)) as usize) != Some(&root_of(hashes)) {
                return Err(TileError::Mismatch(tile));
            }
        }
        Ok(())
    }

    /// The size of the log that the tiles were verified against.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// A node that the tiles hold or from whose hashes it can be computed.
    #[must_use]
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let (tile_level, first) = place_of(level, index)?;
        let hashes = self.tiles.get(&(tile_level, first / u64::from(TILE_WIDTH)))?;
        let first = (first % u64::from(TILE_WIDTH)) as usize;
        hashes.get(first..first + (1_usize << (level % 8))).map(root_of)
    }

    /// The leaf hash of an entry, if its tile is among these.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.node(0, index)
    }

    /// The proof that an entry is included, from these tiles.
    pub fn inclusion_proof(&self, index: u64) -> Result<Vec<Hash>, TreeError> {
        merkle::inclusion_proof(index, self.size, &mut |level, index| self.node(level, index))
    }

    /// The proof that the log begins with the log of `old`, from these tiles.
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>, TreeError> {
        merkle::consistency_proof(old, self.size, &mut |level, index| self.node(level, index))
    }

    /// The root at an older size, from these tiles: comparing it with a checkpoint held is the consistency check.
    pub fn root_at(&self, old: u64) -> Result<Hash, TreeError> {
        if old > self.size {
            return Err(TreeError::SizeOutOfRange { old, new: self.size });
        }
        merkle::root_at(old, &mut |level, index| self.node(level, index))
    }
}
