//! LOG-3, LOG-5: a log written as files, for a verifier in another language. With `NARU_LOG_EXPORT=FOLDER`, folders are written
//! there: `good-*` must be accepted, `bad-*` refused, by the Go program beside this repository's CI.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use naru_protocol::{
    encoding::{Digest, Id},
    log::{
        checkpoint::{Checkpoint, Origin, SignedCheckpoint},
        entry::{EntryDraft, EntryType, FieldKey, Genesis, NodeKey},
        note::{KeyKind, NoteSigner},
        tile::{
            TileKind, VerifiedTiles, bundle_bytes, entry_bundles, hash_tiles, leaves_of_bundle, tile_bytes,
        },
    },
};
use serde_json::json;

use crate::common::{Tree, signing_key};

type Files = BTreeMap<String, Vec<u8>>;

fn entry(number: u64) -> Vec<u8> {
    let key = NodeKey::from_bytes([5; 32]);
    let mut msg = [0; 16];
    msg[..8].copy_from_slice(&number.to_be_bytes());
    if number == 0 {
        let genesis = Genesis {
            root: signing_key(1).public(),
            log_key: signing_key(2).public(),
            shard: 1,
            supersedes: None,
        };
        return EntryDraft::genesis(&genesis, &key, Id(msg), 0).seal(&[]).unwrap().bytes;
    }
    let act = Digest::of(&number.to_be_bytes());
    let mut draft = EntryDraft::sent(EntryType::TransferRequest, Id(msg), Id(msg), act, number);
    draft.field("peer", json!(number), FieldKey::Node(key));
    draft.seal(&[]).unwrap().bytes
}

/// Every file of a log of `size` entries, by its path.
fn export(size: u64) -> Files {
    let entries: Vec<_> = (0..size).map(entry).collect();
    let tree = Tree::of(entries.iter().cloned());
    let origin = Origin { root: signing_key(1).public(), shard: 1 }.to_string();
    let signer = NoteSigner::new(&origin, KeyKind::Note, signing_key(2)).unwrap();
    let checkpoint = Checkpoint { origin, size, root: tree.roots[size as usize] };
    let signed = SignedCheckpoint::sign(checkpoint, &signer).unwrap();
    let mut files = Files::new();
    files.insert("vkey".to_owned(), format!("{}\n", signer.key()).into_bytes());
    files.insert("checkpoint".to_owned(), signed.own_note().into_bytes());
    for tile in hash_tiles(size) {
        files.insert(tile.path(), tile_bytes(tile, &mut tree.reader()).unwrap());
    }
    for bundle in entry_bundles(size) {
        let first = bundle.first() as usize;
        let bytes = bundle_bytes(bundle, &entries[first..first + usize::from(bundle.width())]).unwrap();
        files.insert(bundle.path(), bytes);
    }
    files
}

/// Whether the files are a whole log: what the Go program checks, by our own code.
fn accept(files: &Files) -> Result<(), String> {
    let text = |name: &str| String::from_utf8(files[name].clone()).map_err(|error| error.to_string());
    let key =
        naru_protocol::log::note::NoteKey::parse(text("vkey")?.trim_end()).map_err(|e| e.to_string())?;
    let signed = SignedCheckpoint::open(&files["checkpoint"], &key, &[]).map_err(|e| e.to_string())?;
    let size = signed.size();
    let tiles = hash_tiles(size).map(|tile| (tile, files[&tile.path()].clone())).collect();
    let tiles = VerifiedTiles::check(size, signed.root(), &tiles).map_err(|e| e.to_string())?;
    for bundle in entry_bundles(size) {
        let leaves = leaves_of_bundle(bundle, &files[&bundle.path()]).map_err(|e| e.to_string())?;
        for (index, leaf) in (bundle.first()..).zip(leaves) {
            let proof = tiles.inclusion_proof(index).map_err(|e| e.to_string())?;
            signed.includes(index, &leaf, &proof).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn tampered(files: &Files, path: &str, at: usize) -> Files {
    let mut files = files.clone();
    let bytes = files.get_mut(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    files
}

fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn an_exported_log_is_accepted_and_any_tampering_noticed() {
    let mut folders = BTreeMap::new();
    for size in [1, 2, 5, 255, 256, 257, 600] {
        folders.insert(format!("good-{size}"), export(size));
    }
    let whole = export(600);
    let note = whole["checkpoint"].len();
    for (name, path, at) in [
        ("bad-entry", "tile/entries/001", 1000),
        ("bad-last-entry", "tile/entries/002.p/88", usize::MAX),
        ("bad-tile", "tile/0/001", 100),
        ("bad-edge-tile", "tile/0/002.p/88", 32 * 87),
        ("bad-upper-tile", "tile/1/000.p/2", 0),
        ("bad-checkpoint-root", "checkpoint", "naru/".len() + 48 + 3 + 4 + 10),
        ("bad-checkpoint-signature", "checkpoint", note - 20),
        ("bad-checkpoint-origin", "checkpoint", 8),
        ("bad-vkey", "vkey", 80),
    ] {
        folders.insert(name.to_owned(), tampered(&whole, path, at));
    }
    // A whole bundle and its tile replaced together: each fits the other, neither the checkpoint.
    let mut replaced = whole.clone();
    let bundle = entry_bundles(600).next().unwrap();
    let entries = vec![b"{}".to_vec(); 256];
    let bytes = bundle_bytes(bundle, &entries).unwrap();
    let leaves = leaves_of_bundle(bundle, &bytes).unwrap();
    replaced.insert(bundle.path(), bytes);
    let tile = naru_protocol::log::tile::Tile::new(TileKind::Hashes(0), 0, 256).unwrap();
    replaced.insert(tile.path(), leaves.iter().flat_map(|leaf| leaf.0).collect());
    folders.insert("bad-replaced".to_owned(), replaced);

    for (name, files) in &folders {
        assert_eq!(accept(files).is_ok(), name.starts_with("good"), "{name}: {:?}", accept(files));
    }
    if let Some(folder) = std::env::var_os("NARU_LOG_EXPORT") {
        for (name, files) in &folders {
            write(&PathBuf::from(&folder).join(name), files);
        }
    }
}
