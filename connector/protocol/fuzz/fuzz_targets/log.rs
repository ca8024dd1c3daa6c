//! What a log or an auditor reads: notes, checkpoints, entries, tiles, proofs, disclosures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::log::{
    checkpoint::{Checkpoint, ForkProof, Origin},
    disclosure::Disclosure,
    entry::Entry,
    merkle::{Frontier, Hash},
    note::{Note, NoteKey, SignatureLine},
    proof::TlogProof,
    tile::{Tile, bundle_entries, tile_hashes},
};

fuzz_target!(|data: &[u8]| {
    let _ = (Note::parse(data), Entry::parse(data), ForkProof::parse(data), Frontier::from_bytes(data));
    if let Some((path, bytes)) = data.iter().position(|byte| *byte == 0).map(|at| data.split_at(at)) {
        let tile = std::str::from_utf8(path).ok().and_then(|path| Tile::parse(path).ok());
        if let Some(tile) = tile {
            let _ = (bundle_entries(tile, &bytes[1..]), tile_hashes(tile, &bytes[1..]));
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(tile) = Tile::parse(text) {
        assert_eq!(tile.path(), text);
    }
    if let Ok(proof) = TlogProof::parse(text) {
        assert_eq!(TlogProof::parse(&proof.to_text()).as_ref(), Ok(&proof));
    }
    if let Some(hash) = Hash::parse(text) {
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
    }
    let _ = (Checkpoint::parse(text), Origin::parse(text), NoteKey::parse(text), SignatureLine::parse(text));
    if let Ok(disclosure) = Disclosure::parse(text) {
        assert_eq!(disclosure.text(), text);
    }
});
