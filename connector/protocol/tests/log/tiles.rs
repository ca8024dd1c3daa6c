//! LOG-3: paths, which files a size has, bytes, and verification of tiles against a checkpoint.

use std::collections::BTreeMap;

use naru_protocol::log::{
    merkle::{Hash, verify_consistency, verify_inclusion},
    tile::{
        Tile, TileError, TileKind, VerifiedTiles, bundle_bytes, bundle_entries, entry_bundles, hash_tiles,
        leaves_of_bundle, new_entry_bundles, new_hash_tiles, tile_bytes, tile_hashes, tiles_for_consistency,
        tiles_for_inclusion,
    },
};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{Tree, check_vector};

fn paths(tiles: impl Iterator<Item = Tile>) -> Vec<String> {
    tiles.map(|tile| tile.path()).collect()
}

#[test]
fn paths_are_those_of_c2sp() {
    // LOG-3.1
    let tile = |level, index, width| Tile::new(TileKind::Hashes(level), index, width).unwrap().path();
    assert_eq!(tile(0, 0, 256), "tile/0/000");
    assert_eq!(tile(0, 273, 112), "tile/0/273.p/112");
    assert_eq!(tile(1, 1_234_067, 256), "tile/1/x001/x234/067");
    assert_eq!(tile(2, 1000, 1), "tile/2/x001/000.p/1");
    assert_eq!(Tile::new(TileKind::Entries, 999, 5).unwrap().path(), "tile/entries/999.p/5");
}

const BAD_PATHS: &[&str] = &[
    "",
    "tile",
    "tile/0",
    "tile/0/",
    "/tile/0/000",
    "tile/0/000/",
    "tile/8/0/000",
    "tile/00/000",
    "tile/+0/000",
    "tile/8/000",
    "tile/data/000",
    "tile/entries",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/1000",
    "tile/0/x001",
    "tile/0/001/000",
    "tile/0/x000/001",
    "tile/0/x001/x000",
    "tile/0/x001/00",
    "tile/0/000.p",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/-1",
    "tile/0/000.p/1/",
    "tile/0/000.p/1.p/1",
    "tile/0/\u{0660}00",
    "tile/0/x072/x057/x594/x037/x927/936",
    "tile/7/001",
    "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
];

#[test]
fn other_paths_are_refused() {
    // LOG-3.1
    for path in BAD_PATHS {
        assert_eq!(Tile::parse(path), Err(TileError::BadPath), "{path}");
    }
    assert!(Tile::parse("tile/0/x072/x057/x594/x037/x927/935").is_ok());
    assert!(Tile::parse("tile/7/000.p/255").is_ok());
}

proptest! {
    #[test]
    fn paths_round_trip(level in 0_u8..8, index: u64, width in 1_u16..=256, entries: bool) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let index = (index >> 8) >> if entries { 0 } else { 8 * level };
        let tile = Tile::new(kind, index, width).unwrap();
        prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
    }

    #[test]
    fn any_path_is_judged_without_panic(path in "(tile/)?[0-9a-z/.x]{0,40}") {
        if let Ok(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.path(), path);
        }
    }
}

#[test]
fn sizes_have_the_files_that_c2sp_says() {
    // LOG-3.2
    assert!(paths(hash_tiles(0)).is_empty());
    assert_eq!(paths(hash_tiles(256)), ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(paths(entry_bundles(256)), ["tile/entries/000"]);
    assert_eq!(paths(entry_bundles(257)), ["tile/entries/000", "tile/entries/001.p/1"]);
    let all = paths(hash_tiles(70_000));
    assert_eq!(all.len(), 273 + 1 + 1 + 1 + 1);
    assert_eq!(all[273..], ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(hash_tiles(u64::MAX).take(3).count(), 3);
}

#[test]
fn new_tiles_are_those_that_the_older_size_lacks() {
    // LOG-3.2
    for new in [0_u64, 1, 255, 256, 257, 300, 511, 512, 513, 65_536, 65_537, 66_000] {
        for old in [0_u64, 1, 2, 255, 256, 257, 512, 65_535, 65_536].into_iter().filter(|old| *old <= new) {
            let before: Vec<Tile> = hash_tiles(old).collect();
            let lacking: Vec<Tile> = hash_tiles(new).filter(|tile| !before.contains(tile)).collect();
            assert_eq!(new_hash_tiles(old, new).collect::<Vec<_>>(), lacking, "{old} to {new}");
            let before: Vec<Tile> = entry_bundles(old).collect();
            let lacking: Vec<Tile> = entry_bundles(new).filter(|tile| !before.contains(tile)).collect();
            assert_eq!(new_entry_bundles(old, new).collect::<Vec<_>>(), lacking, "{old} to {new}");
        }
    }
}

#[test]
fn a_size_knows_its_tiles() {
    // LOG-3.2
    for size in [1, 5, 256, 257, 70_000] {
        for tile in hash_tiles(size) {
            assert!(tile.exists_in(size, false) && tile.exists_in(size, true));
        }
    }
    let partial = Tile::parse("tile/0/000.p/5").unwrap();
    assert!(!partial.exists_in(6, false) && partial.exists_in(6, true) && !partial.exists_in(4, true));
}

#[test]
fn bundles_round_trip_and_broken_ones_are_refused() {
    // LOG-3.4
    let tile = Tile::new(TileKind::Entries, 0, 3).unwrap();
    let entries = [b"".to_vec(), b"one".to_vec(), vec![7; 65_535]];
    let bytes = bundle_bytes(tile, &entries).unwrap();
    assert_eq!(bundle_entries(tile, &bytes).unwrap(), entries.each_ref().map(Vec::as_slice));
    for cut in [0, 1, 2, 3, 4, 6, 7, 8, bytes.len() - 1] {
        assert_eq!(bundle_entries(tile, &bytes[..cut]), Err(TileError::BadLength(tile)));
    }
    for width in [1, 2, 4, 256] {
        let other = Tile::new(TileKind::Entries, 0, width).unwrap();
        assert_eq!(bundle_entries(other, &bytes), Err(TileError::BadLength(other)));
        assert_eq!(bundle_bytes(other, &entries), Err(TileError::BadLength(other)));
    }
    let long = [vec![0; 65_536]];
    let one = Tile::new(TileKind::Entries, 0, 1).unwrap();
    assert_eq!(bundle_bytes(one, &long), Err(TileError::BadLength(one)));
}

#[test]
fn bundles_hash_to_the_tiles_of_level_0() {
    // LOG-3.4
    let tree = Tree::counting(600);
    for bundle in entry_bundles(600) {
        let entries: Vec<_> =
            (bundle.first()..bundle.first() + u64::from(bundle.width())).map(u64::to_be_bytes).collect();
        let leaves = leaves_of_bundle(bundle, &bundle_bytes(bundle, &entries).unwrap()).unwrap();
        let tile = Tile::new(TileKind::Hashes(0), bundle.index(), bundle.width()).unwrap();
        let bytes = tile_bytes(tile, &mut tree.reader()).unwrap();
        assert_eq!(tile_hashes(tile, &bytes).unwrap(), leaves);
    }
}

fn all_tiles(tree: &Tree) -> BTreeMap<Tile, Vec<u8>> {
    hash_tiles(tree.size()).map(|tile| (tile, tile_bytes(tile, &mut tree.reader()).unwrap())).collect()
}

#[test]
fn tiles_of_every_small_size_verify() {
    // LOG-3.3, LOG-3.5
    for size in (0..=300).chain([511, 512, 513, 1024]) {
        let tree = Tree::counting(size);
        let tiles = VerifiedTiles::check(size, &tree.roots[size as usize], &all_tiles(&tree)).unwrap();
        for (node, hash) in &tree.nodes {
            assert_eq!(tiles.node(node.0, node.1), Some(*hash), "{node:?} of {size}");
        }
        assert_eq!(tiles.leaf(size), None);
    }
}

#[test]
fn proofs_come_from_the_tiles_named_for_them() {
    // LOG-3.5, LOG-3.6
    let tree = Tree::counting(70_000);
    let root = tree.roots[70_000];
    let all = all_tiles(&tree);
    let pick = |needed: std::collections::BTreeSet<Tile>| {
        assert!(needed.len() <= 16);
        needed.into_iter().map(|tile| (tile, all[&tile].clone())).collect::<BTreeMap<_, _>>()
    };
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let tiles =
            VerifiedTiles::check(70_000, &root, &pick(tiles_for_inclusion(index, 70_000).unwrap())).unwrap();
        let proof = tiles.inclusion_proof(index).unwrap();
        assert_eq!(tiles.leaf(index), Some(tree.leaves[index as usize]));
        assert_eq!(verify_inclusion(index, 70_000, &tree.leaves[index as usize], &proof, &root), Ok(()));
    }
    for old in [1, 2, 255, 256, 257, 40_000, 65_536, 65_537, 69_999, 70_000] {
        let tiles =
            VerifiedTiles::check(70_000, &root, &pick(tiles_for_consistency(old, 70_000).unwrap())).unwrap();
        let proof = tiles.consistency_proof(old).unwrap();
        assert_eq!(tiles.root_at(old), Ok(tree.roots[old as usize]));
        assert_eq!(verify_consistency(old, 70_000, &proof, &tree.roots[old as usize], &root), Ok(()));
    }
}

#[test]
fn any_changed_byte_of_a_tile_is_noticed() {
    // LOG-3.5
    for size in [1, 3, 5, 256, 257, 600] {
        let tree = Tree::counting(size);
        let root = tree.roots[size as usize];
        let tiles = all_tiles(&tree);
        for (tile, bytes) in &tiles {
            for at in (0..bytes.len()).step_by(if size < 10 { 1 } else { 97 }) {
                let mut changed = tiles.clone();
                changed.get_mut(tile).unwrap()[at] ^= 0x10;
                let error = VerifiedTiles::check(size, &root, &changed).unwrap_err();
                assert!(matches!(error, TileError::Mismatch(_) | TileError::RootMismatch), "{tile}: {error}");
            }
        }
    }
}

#[test]
fn missing_surplus_and_misplaced_tiles_are_refused() {
    // LOG-3.5
    let tree = Tree::counting(600);
    let tiles = all_tiles(&tree);
    let root = tree.roots[600];
    let without = |path: &str| {
        let mut fewer = tiles.clone();
        fewer.remove(&Tile::parse(path).unwrap()).unwrap();
        VerifiedTiles::check(600, &root, &fewer)
    };
    assert_eq!(without("tile/0/002.p/88"), Err(TileError::Missing(Tile::parse("tile/0/002.p/88").unwrap())));
    assert_eq!(without("tile/1/000.p/2"), Err(TileError::Missing(Tile::parse("tile/1/000.p/2").unwrap())));
    assert!(without("tile/0/000").is_ok(), "a tile that nobody asks for may be left out");
    for path in ["tile/0/002.p/87", "tile/0/003", "tile/entries/000", "tile/1/000.p/1"] {
        let tile = Tile::parse(path).unwrap();
        let mut more = tiles.clone();
        more.insert(tile, vec![0; 32 * usize::from(tile.width())]);
        assert_eq!(VerifiedTiles::check(600, &root, &more), Err(TileError::NotInSize(tile)));
    }
    let full = Tile::parse("tile/0/000").unwrap();
    let mut swapped = tiles.clone();
    swapped.insert(full, tiles[&Tile::parse("tile/0/001").unwrap()].clone());
    assert_eq!(VerifiedTiles::check(600, &root, &swapped), Err(TileError::Mismatch(full)));
    let mut short = tiles;
    short.get_mut(&full).unwrap().pop();
    assert_eq!(VerifiedTiles::check(600, &root, &short), Err(TileError::BadLength(full)));
    assert_eq!(VerifiedTiles::check(0, &Hash::EMPTY, &BTreeMap::new()).unwrap().root_at(0), Ok(Hash::EMPTY));
    assert_eq!(VerifiedTiles::check(0, &root, &BTreeMap::new()), Err(TileError::RootMismatch));
}

#[test]
fn tile_vectors() {
    let numbers = [0, 1, 9, 255, 999, 1000, 1_234_067, 999_999, 1_000_000, u64::MAX >> 8];
    let named: Vec<_> = numbers
        .into_iter()
        .flat_map(|index| {
            [(TileKind::Hashes(0), 256), (TileKind::Hashes(0), 1), (TileKind::Entries, 255)].map(
                |(kind, width)| {
                    let tile = Tile::new(kind, index, width).unwrap();
                    let level = if kind == TileKind::Entries { json!("entries") } else { json!(0) };
                    json!({"level": level, "index": index.to_string(), "width": width, "path": tile.path()})
                },
            )
        })
        .collect();
    let sizes: Vec<_> = [0, 1, 5, 255, 256, 257, 512, 600, 1024]
        .into_iter()
        .map(|size| json!({"size": size, "tiles": paths(hash_tiles(size)), "bundles": paths(entry_bundles(size))}))
        .collect();
    check_vector(
        "tile.json",
        &json!({
            "about": "Paths of tiles and bundles (index as text, since it may exceed 2^53), paths to be refused, and all files of some sizes.",
            "paths": named,
            "refused": BAD_PATHS,
            "sizes": sizes,
        }),
    );
}
