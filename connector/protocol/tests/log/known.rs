//! Known answers: a small log whose hashes, files, notes and proofs other programs computed first.

use naru_protocol::{
    encoding::Digest,
    log::{
        checkpoint::{Checkpoint, SignedCheckpoint},
        merkle::{Hash, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion},
        note::{KeyKind, Note, NoteKey, NoteSigner},
        proof::TlogProof,
        tile::{Tile, bundle_bytes, bundle_entries, entry_bundles, hash_tiles, tile_bytes},
    },
    signature::SigningKey,
};
use serde_json::Value;

use crate::common::{Tree, hash_of_hex, hex, read_vector, unhex};

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn hashes(value: &Value) -> Vec<Hash> {
    texts(value).iter().map(|text| Hash::parse(text).unwrap()).collect()
}

fn known() -> (Value, Tree) {
    let vector = read_vector("known-answers.json");
    let tree = Tree::of(texts(&vector["entries"]).iter().map(|entry| unhex(entry)));
    (vector, tree)
}

fn signers(vector: &Value) -> Vec<(NoteSigner, u64)> {
    let keys = vector["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| {
            let seed = unhex(key["seed"].as_str().unwrap()).try_into().unwrap();
            let kind = if key["type"] == 1 { KeyKind::Note } else { KeyKind::Cosignature };
            let name = key["name"].as_str().unwrap();
            let signer = NoteSigner::new(name, kind, SigningKey::from_seed(&seed)).unwrap();
            assert_eq!(signer.key().to_string(), key["vkey"].as_str().unwrap());
            (signer, key["time"].as_u64().unwrap_or(0))
        })
        .collect()
}

#[test]
fn hashes_and_proofs() {
    // LOG-1.1, LOG-1.2, LOG-2.1, LOG-2.2
    let (vector, tree) = known();
    assert_eq!(
        tree.leaves,
        texts(&vector["leaves"]).iter().map(|hash| hash_of_hex(hash)).collect::<Vec<_>>()
    );
    assert_eq!(tree.roots, texts(&vector["roots"]).iter().map(|hash| hash_of_hex(hash)).collect::<Vec<_>>());
    let proof = inclusion_proof(3, 5, &mut tree.reader()).unwrap();
    assert_eq!(proof, hashes(&vector["inclusion"]["proof"]));
    assert_eq!(verify_inclusion(3, 5, &tree.leaves[3], &proof, &tree.roots[5]), Ok(()));
    let proof = consistency_proof(3, 5, &mut tree.reader()).unwrap();
    assert_eq!(proof, hashes(&vector["consistency"]["proof"]));
    assert_eq!(verify_consistency(3, 5, &proof, &tree.roots[3], &tree.roots[5]), Ok(()));
}

#[test]
fn files() {
    // LOG-3.1 to LOG-3.4
    let (vector, tree) = known();
    let tile = hash_tiles(5).next().unwrap();
    assert_eq!(tile.path(), vector["tile"]["path"].as_str().unwrap());
    let bytes = tile_bytes(tile, &mut tree.reader()).unwrap();
    assert_eq!(hex(&Digest::of(&bytes).0), vector["tile"]["sha256"].as_str().unwrap());
    let entries: Vec<_> = texts(&vector["entries"]).iter().map(|entry| unhex(entry)).collect();
    let bundle = entry_bundles(5).next().unwrap();
    assert_eq!(Tile::parse(vector["bundle"]["path"].as_str().unwrap()), Ok(bundle));
    let bytes = bundle_bytes(bundle, &entries).unwrap();
    assert_eq!(hex(&bytes), vector["bundle"]["bytes"].as_str().unwrap());
    assert_eq!(hex(&Digest::of(&bytes).0), vector["bundle"]["sha256"].as_str().unwrap());
    assert_eq!(bundle_entries(bundle, &bytes).unwrap(), entries);
}

#[test]
fn signed_and_cosigned_checkpoint() {
    // LOG-4.1 to LOG-4.5, LOG-5.2
    let (vector, tree) = known();
    let signers = signers(&vector);
    let checkpoint =
        Checkpoint { origin: signers[0].0.key().name().to_owned(), size: 5, root: tree.roots[5] };
    let mut note = Note::sign(&checkpoint.to_string(), &signers[0].0, 0).unwrap();
    for (signer, time) in &signers[1..] {
        note.add(note.signature_by(signer, *time)).unwrap();
    }
    let text = vector["note"].as_str().unwrap();
    assert_eq!(note.to_string(), text);

    let keys: Vec<NoteKey> = signers.iter().map(|(signer, _)| signer.key().clone()).collect();
    let opened = SignedCheckpoint::open(text.as_bytes(), &keys[0], &keys[1..]).unwrap();
    assert_eq!(*opened.checkpoint(), checkpoint);
    let times: Vec<_> = opened.signed().iter().map(|signed| signed.time).collect();
    assert_eq!(times, [None, Some(1_700_000_000), Some(1_700_000_001)]);
    assert_eq!(NoteKey::parse(vector["spec_vkey"].as_str().unwrap()).unwrap().name(), "example.com/foo");
}

#[test]
fn proof_file() {
    // LOG-8.1, LOG-8.2
    let (vector, tree) = known();
    let proof = TlogProof {
        index: 3,
        proof: inclusion_proof(3, 5, &mut tree.reader()).unwrap(),
        note: vector["note"].as_str().unwrap().to_owned(),
    };
    let text = proof.to_text();
    assert_eq!(text.len() as u64, vector["tlog_proof"]["length"].as_u64().unwrap());
    assert_eq!(hex(&Digest::of(text.as_bytes()).0), vector["tlog_proof"]["sha256"].as_str().unwrap());
    assert_eq!(TlogProof::parse(&text), Ok(proof.clone()));
    let key = signers(&vector)[0].0.key().clone();
    assert_eq!(proof.check(br#"{"type":"agreement"}"#, &key, &[]).unwrap().size(), 5);
    assert!(proof.check(br#"{"type":"agreemens"}"#, &key, &[]).is_err());
    for bad in [
        text.replace("index 3", "index 03"),
        text.replace("@v1", "@v2"),
        text.replacen("index", "extra AAAA\nindex", 1),
        text.replacen("\n\n", "\n", 2),
        text.replacen("9uCc=", "9uCd=", 1),
    ] {
        assert!(TlogProof::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn digest_of_a_disclosure() {
    // LOG-7.1: the example of RFC 9901, whose JSON is not canonical and whose salt is shorter than ours.
    let (vector, _) = known();
    let text = vector["disclosure"]["text"].as_str().unwrap();
    assert_eq!(Digest::of(text.as_bytes()).to_string(), vector["disclosure"]["digest"].as_str().unwrap());
    assert!(naru_protocol::log::entry::Disclosure::parse(text).is_err());
}
