//! The Merkle tree of transparency logs (RFC 6962, section 2.1), its proofs, and tiles (C2SP tlog-tiles): verification for the peer's log,
//! and a small tree of our own, kept in memory, for what the suite itself must log.

use sha2::{Digest as _, Sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// Hash of a leaf.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// Hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two below `size`, for `size` of two or more.
fn split(size: usize) -> usize {
    let half = size.next_power_of_two() / 2;
    if half == size { size / 2 } else { half }
}

/// Root over leaf hashes; of none, the hash of nothing.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// Audit path of a leaf, from the leaf upwards.
#[must_use]
pub fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, other) = if index < left.len() {
        (inclusion(left, index), root(right))
    } else {
        (inclusion(right, index - left.len()), root(left))
    };
    path.push(other);
    path
}

/// Consistency proof from the first `old` leaves to all of them.
#[must_use]
pub fn consistency(leaves: &[Hash], old: usize) -> Vec<Hash> {
    if old == 0 || old >= leaves.len() {
        return Vec::new();
    }
    sub_proof(leaves, old, true)
}

fn sub_proof(leaves: &[Hash], old: usize, whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (sub_proof(left, old, whole), root(right))
    } else {
        (sub_proof(right, old - left.len(), false), root(left))
    };
    proof.push(other);
    proof
}

/// Whether `leaf` stands at `index` in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], tree: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(step, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *tree
}

/// Whether the tree of `new` leaves extends the tree of `old` ones (RFC 9162, section 2.1.4.2); from none needs no
/// proof, and asking is refused (LOG-2.5).
#[must_use]
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.to_vec();
    if old.is_power_of_two() {
        // A complete old tree is its own first step.
        path.insert(0, *old_root);
    }
    climb(old, new, &path) == Some((*old_root, *new_root))
}

/// Whether two roots prove that their log forked: the path is a sound consistency proof to the second root, but from another tree
/// than the first; its first hash is always written. Of equal size, different roots are proof enough.
#[must_use]
pub fn forks(old: u64, new: u64, old_root: &Hash, new_root: &Hash, path: &[Hash]) -> bool {
    if old == new {
        return path.is_empty() && old_root != new_root;
    }
    (1..new).contains(&old)
        && climb(old, new, path).is_some_and(|(before, after)| before != *old_root && after == *new_root)
}

/// The roots of `old` and `new` leaves that a consistency path leads to; its first hash is always written.
fn climb(old: u64, new: u64, path: &[Hash]) -> Option<(Hash, Hash)> {
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (first, steps) = path.split_first()?;
    let (mut before, mut after) = (*first, *first);
    for step in steps {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            before = node_hash(step, &before);
            after = node_hash(step, &after);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            after = node_hash(&after, step);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((before, after))
}

/// The hashes of a tile of at most 256: level 0 holds leaf hashes, level L the roots of complete trees of 256^L leaves.
/// None if the tree does not have that many.
#[must_use]
pub fn tile(leaves: &[Hash], level: u32, number: usize, width: usize) -> Option<Vec<Hash>> {
    let span = 256usize.checked_pow(level)?;
    let first = number.checked_mul(256)?;
    (first..first.checked_add(width)?)
        .map(|at| leaves.get(at.checked_mul(span)?..at.checked_add(1)?.checked_mul(span)?).map(root))
        .collect()
}

/// A file of a tiled log: a tile of hashes, or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// Level of a hash tile; none for a bundle of entries.
    pub level: Option<u32>,
    /// Its number in the level.
    pub number: u64,
    /// How many hashes or entries it holds: 256, or less at the right edge.
    pub width: usize,
}

impl TilePath {
    /// The path: `tile/<level>/x001/234[.p/<width>]`, `entries` in place of the level for bundles.
    #[must_use]
    pub fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.number % 1000)];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if self.width < 256 { format!(".p/{}", self.width) } else { String::new() };
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        format!("tile/{level}/{}{partial}", groups.join("/"))
    }

    /// Reverse of [`TilePath::path`]; takes no other spelling, and nothing beyond a tree of 2^64 leaves.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (whole, width) = match path.split_once(".p/") {
            Some((whole, width)) => (whole, width.parse().ok().filter(|width| (1..256).contains(width))?),
            None => (path, 256),
        };
        let (level, groups) = whole.strip_prefix("tile/")?.split_once('/')?;
        let level =
            if level == "entries" { None } else { Some(level.parse().ok().filter(|level| *level < 8)?) };
        let mut number = 0u64;
        for group in groups.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group).parse::<u64>().ok()?;
            number = number.checked_mul(1000)?.checked_add(digits)?;
        }
        let span = 8 * (level.unwrap_or(0) + 1);
        let tile = Self { level, number, width };
        // Whatever was read loosely above does not write itself back the same.
        (tile.path() == path && (span == 64 && number == 0 || span < 64 && number >> (64 - span) == 0))
            .then_some(tile)
    }

    /// All hash tiles and all bundles of a log of some size, in order.
    #[must_use]
    pub fn all(size: u64) -> (Vec<Self>, Vec<Self>) {
        let level_of = |level: Option<u32>, count: u64| {
            let whole = (0..count / 256).map(move |number| Self { level, number, width: 256 });
            let rest = (count % 256) as usize;
            whole.chain((rest > 0).then_some(Self { level, number: count / 256, width: rest }))
        };
        let mut tiles = Vec::new();
        for level in 0..8 {
            tiles.extend(level_of(Some(level), size >> (8 * level)));
        }
        (tiles, level_of(None, size).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(format!("entry {i}").as_bytes())).collect()
    }

    #[test]
    fn known_roots() {
        // The test tree of RFC 6962 implementations.
        assert_eq!(hex(&root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let inputs: [&[u8]; 8] =
            [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"];
        let hashes: Vec<Hash> = inputs.iter().map(|input| leaf_hash(input)).collect();
        assert_eq!(
            hex(&root(&hashes[..1])),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(hex(&root(&hashes)), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_other() {
        let all = leaves(40);
        for size in 1..=40usize {
            let tree = root(&all[..size]);
            for index in 0..size {
                let proof = inclusion(&all[..size], index);
                assert!(verify_inclusion(&all[index], index as u64, size as u64, &proof, &tree));
                assert!(!verify_inclusion(&all[(index + 1) % 40], index as u64, size as u64, &proof, &tree));
                let mut longer = proof.clone();
                longer.push(tree);
                assert!(!verify_inclusion(&all[index], index as u64, size as u64, &longer, &tree));
            }
            for old in 1..=size {
                let proof = consistency(&all[..size], old);
                let before = root(&all[..old]);
                assert!(verify_consistency(old as u64, size as u64, &before, &tree, &proof), "{old} {size}");
                let other = root(&leaves(old + 41)[1..=old]);
                assert!(!verify_consistency(old as u64, size as u64, &other, &tree, &proof), "{old} {size}");
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_consistency(old as u64, size as u64, &before, &tree, shorter));
                }
            }
        }
    }

    #[test]
    fn tiles_and_their_paths() {
        let tile_at = |level, number, width| TilePath { level, number, width };
        for (known, path) in [
            (tile_at(Some(0), 1_234_067, 256), "tile/0/x001/x234/067"),
            (tile_at(Some(3), 5, 9), "tile/3/005.p/9"),
            (tile_at(None, 0, 1), "tile/entries/000.p/1"),
        ] {
            assert_eq!(known.path(), path);
            assert_eq!(TilePath::parse(path), Some(known));
        }
        for path in
            ["tile/0/5", "tile/0/x005", "tile/0/0005", "tile/8/000", "tile/0/000.p/256", "tile/0/x000/001"]
        {
            assert_eq!(TilePath::parse(path), None, "{path}");
        }
        let all = leaves(600);
        assert_eq!(tile(&all, 0, 2, 88).unwrap(), all[512..600]);
        assert_eq!(tile(&all, 1, 0, 2).unwrap(), [root(&all[..256]), root(&all[256..512])]);
        assert_eq!(tile(&all, 0, 2, 89), None);
        assert_eq!(tile(&all, 1, 0, 3), None);
    }
}
