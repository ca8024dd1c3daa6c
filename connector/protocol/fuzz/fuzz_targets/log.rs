//! What a log or an auditor reads: notes, checkpoints, entries, tiles, proofs, disclosures.
//!
//! The first byte says what follows. Proofs and tiles are given as bytes: no mutation of their text keeps base64 whole.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use naru_protocol::{
    encoding::to_base64url,
    log::{
        checkpoint::{Checkpoint, ForkProof, Origin, SignedCheckpoint},
        disclosure::Disclosure,
        entry::Entry,
        merkle::{
            Frontier, Hash, consistency_proof, inclusion_proof, inclusion_root, prefix_proof, prefix_roots,
            verify_consistency,
        },
        note::{Note, NoteKey, SignatureLine},
        proof::TlogProof,
        tile::{
            Tile, VerifiedTiles, bundle_bytes, bundle_entries, tile_hashes, tiles_for_consistency,
            tiles_for_inclusion,
        },
    },
};
use naru_protocol_fuzz as _;

/// Names of tiles that a proof between any two numbers needs: on each of 8 levels one for each of at most 65 hashes.
const TILES: usize = 8 * 66;

fn text(text: &str) {
    if let Ok(tile) = Tile::parse(text) {
        assert_eq!(tile.path(), text);
    }
    if let Ok(proof) = TlogProof::parse(text) {
        assert_eq!(proof.to_text(), text);
    }
    if let Some(hash) = Hash::parse(text) {
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
    }
    let _ = (Origin::parse(text), NoteKey::parse(text), SignatureLine::parse(text));
    if let Ok(disclosure) = Disclosure::parse(text) {
        assert_eq!(disclosure.text(), text);
    }
}

/// A note, which one line of a key that it names itself may precede.
fn note(bytes: &[u8]) {
    let (key, bytes) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (
            std::str::from_utf8(&bytes[..at]).ok().and_then(|key| NoteKey::parse(key).ok()),
            &bytes[at + 1..],
        ),
        None => (None, bytes),
    };
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let _ = Checkpoint::parse(note.text());
    }
    let _ = std::str::from_utf8(bytes).map(Checkpoint::parse);
    if let Some(key) = key {
        let _ = (SignedCheckpoint::open(bytes, &key, &[]), SignedCheckpoint::open_own(bytes, &key));
        if let Ok(fork) = ForkProof::parse(bytes) {
            let _ = fork.check(&[key]);
        }
    }
}

/// The path of a bundle or a tile, a zero, its bytes.
fn bundle(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    let Some(tile) = std::str::from_utf8(&data[..at]).ok().and_then(|path| Tile::parse(path).ok()) else {
        return;
    };
    let bytes = &data[at + 1..];
    if let Ok(entries) = bundle_entries(tile, bytes) {
        assert_eq!(bundle_bytes(tile, &entries).as_deref(), Ok(bytes));
        for entry in entries {
            let _ = Entry::parse(entry);
        }
    }
    let _ = tile_hashes(tile, bytes);
}

fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.to_bytes().as_deref().ok(), Some(bytes));
    }
    if let Ok(disclosure) = Disclosure::parse(&to_base64url(bytes)) {
        assert_eq!(disclosure.text(), to_base64url(bytes));
    }
    if let Ok(frontier) = Frontier::from_bytes(bytes) {
        assert_eq!(frontier.to_bytes(), bytes);
        let mut grown = frontier.clone();
        let _ = (frontier.root(), grown.append(Hash([1; 32])), grown.root());
    }
}

/// Two numbers, a root and hashes: whatever leads to a root has the length that a proof between these numbers has.
fn proof(data: &[u8]) {
    let Some((old, rest)) = data.split_first_chunk::<8>() else { return };
    let Some((new, rest)) = rest.split_first_chunk::<8>() else { return };
    let (old, new) = (u64::from_be_bytes(*old), u64::from_be_bytes(*new));
    let hashes: Vec<Hash> = rest.as_chunks::<32>().0.iter().copied().map(Hash).collect();
    let [root, path @ ..] = hashes.as_slice() else { return };
    let mut read = |_, _| Some(Hash::EMPTY);
    let length = |proof: Result<Vec<Hash>, _>| proof.map(|proof| proof.len()).ok();
    let inclusion = length(inclusion_proof(old, new, &mut read));
    if inclusion_root(old, new, root, path).is_ok() {
        assert_eq!(inclusion, Some(path.len()));
    }
    let prefix = length(prefix_proof(old, new, &mut read));
    if prefix_roots(old, new, path).is_ok() {
        assert_eq!(prefix, Some(path.len()));
    }
    let consistency = length(consistency_proof(old, new, &mut read));
    if verify_consistency(old, new, path, root, root).is_ok() {
        assert_eq!(consistency, Some(path.len()));
    }
    assert!([inclusion, prefix, consistency].iter().flatten().all(|length| *length <= 65));
    if let Ok(tiles) = tiles_for_inclusion(old, new) {
        assert!(tiles.len() <= TILES, "{} tiles", tiles.len());
    }
    if let Ok(tiles) = tiles_for_consistency(old, new) {
        assert!(tiles.len() <= TILES, "{} tiles", tiles.len());
        // Of few tiles: hashing hundreds takes a millisecond.
        verified(new, root, &tiles.into_iter().take(4).collect::<Vec<_>>(), path);
    }
}

/// Tiles filled from a few hashes, over and over; what verifies answers as one tree.
fn verified(size: u64, root: &Hash, tiles: &[Tile], hashes: &[Hash]) {
    let mut endless = hashes.iter().cycle();
    let mut given = BTreeMap::new();
    for tile in tiles {
        let width = usize::from(tile.width());
        let bytes: Vec<u8> = endless.by_ref().take(width).flat_map(|hash| hash.0).collect();
        given.insert(*tile, bytes);
    }
    for root in [root, &Hash::EMPTY] {
        if let Ok(tiles) = VerifiedTiles::check(size, root, &given) {
            assert_eq!(tiles.root_at(size).as_ref(), Ok(root));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 5 {
        0 => text(&String::from_utf8_lossy(bytes)),
        1 => note(bytes),
        2 => bundle(bytes),
        3 => entry(bytes),
        _ => proof(bytes),
    }
});
