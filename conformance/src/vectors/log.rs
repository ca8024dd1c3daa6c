//! Vectors of spec chapter 08.

use ed25519_dalek::SigningKey;
use serde_json::Value;

use super::{Case, bytes, each, list, members, number, text, whole_file};
use crate::{
    encoding::{b64, digest_text, from_b64, hex, sha256},
    json::Json,
    ledger::{self, disclosure_digest, known_type, open_disclosure, open_entry},
    merkle::{self, Hash, TilePath},
    note::{self, Checkpoint},
    refusal::Refusal,
    report::same,
};

fn hashes(case: &Value, name: &str) -> Result<Vec<Hash>, String> {
    let hash = |value: &Value| value.as_str().and_then(from_b64)?.try_into().ok();
    list(case, name).iter().map(|value| hash(value).ok_or_else(|| format!("{name}: no hash"))).collect()
}

fn encoded(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(|hash| b64(hash)).collect()
}

/// The log of these vectors: entry n is n in eight bytes.
fn counting_log(size: u64) -> Vec<Hash> {
    (0..size).map(|n| merkle::leaf_hash(&n.to_be_bytes())).collect()
}

/// Roots, inclusion and consistency proofs.
pub(super) fn tree(file: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, due) in list(file, "roots").iter().enumerate() {
        let got = b64(&merkle::root(&counting_log(size as u64)));
        cases.push(Case::of(format!("root of {size}"), same("root", &due.as_str(), &Some(got.as_str()))));
    }
    cases.extend(each(file, "inclusion", |case| {
        members(case, &["index", "size", "proof"])?;
        let (index, size, proof) = (number(case, "index")?, number(case, "size")?, hashes(case, "proof")?);
        let leaves = counting_log(size);
        let made = merkle::inclusion(&leaves, index as usize);
        same("proof", &encoded(&proof), &encoded(&made))?;
        let verified =
            merkle::verify_inclusion(&leaves[index as usize], index, size, &proof, &merkle::root(&leaves));
        same("verified", &true, &verified)
    }));
    cases.extend(each(file, "consistency", |case| {
        members(case, &["old", "new", "proof", "path"])?;
        let (old, new, proof) = (number(case, "old")?, number(case, "new")?, hashes(case, "proof")?);
        let leaves = counting_log(new);
        same("proof", &encoded(&proof), &encoded(&merkle::consistency(&leaves, old as usize)))?;
        let before = merkle::root(&leaves[..old as usize]);
        // LOG-5.7: the first hash is always written, which is the old root where the proof leaves it out.
        let mut path = proof.clone();
        if old.is_power_of_two() || old == new {
            path.insert(0, before);
        }
        same("path", &encoded(&hashes(case, "path")?), &encoded(&path))?;
        let verified = merkle::verify_consistency(old, new, &before, &merkle::root(&leaves), &proof);
        same("verified", &true, &verified)
    }));
    whole_file(file, &["about", "roots", "inclusion", "consistency"], cases)
}

/// Paths of tiles and bundles.
pub(super) fn tile(file: &Value) -> Vec<Case> {
    let mut cases = each(file, "paths", |case| {
        members(case, &["index", "level", "path", "width"])?;
        let level = if case["level"] == "entries" { None } else { Some(number(case, "level")? as u32) };
        let index = text(case, "index")?.parse().map_err(|_| "index")?;
        let tile = TilePath { level, number: index, width: number(case, "width")? as usize };
        same("path", &text(case, "path")?, &tile.path().as_str())?;
        same("parsed", &Some(tile), &TilePath::parse(&tile.path()))
    });
    cases.extend(each(file, "refused", |path| {
        let path = path.as_str().ok_or("no text")?;
        same(path, &None, &TilePath::parse(path))
    }));
    cases.extend(each(file, "sizes", |case| {
        members(case, &["size", "tiles", "bundles"])?;
        let (tiles, bundles) = TilePath::all(number(case, "size")?);
        let paths =
            |tiles: Vec<TilePath>| tiles.iter().map(|tile| tile.path().into()).collect::<Vec<Value>>();
        same("tiles", &list(case, "tiles"), &paths(tiles).as_slice())?;
        same("bundles", &list(case, "bundles"), &paths(bundles).as_slice())
    }));
    whole_file(file, &["about", "paths", "refused", "sizes"], cases)
}

const KNOWN: [&str; 13] = [
    "about",
    "keys",
    "entries",
    "leaves",
    "roots",
    "inclusion",
    "consistency",
    "bundle",
    "tile",
    "note",
    "tlog_proof",
    "disclosure",
    "spec_vkey",
];

/// A small log that other programs made.
pub(super) fn known_answers(file: &Value) -> Vec<Case> {
    let entries: Vec<Vec<u8>> = list(file, "entries")
        .iter()
        .map(|entry| entry.as_str().and_then(crate::encoding::from_hex).unwrap_or_default())
        .collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let mut cases = each(file, "keys", |case| known_key(file, case));
    let texts =
        |name: &str| list(file, name).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let hexes = |hashes: &[Hash]| hashes.iter().map(|hash| hex(hash)).collect::<Vec<_>>();
    cases.push(Case::of("leaves", same("leaves", &texts("leaves"), &hexes(&leaves))));
    let roots: Vec<Hash> = (0..=leaves.len()).map(|size| merkle::root(&leaves[..size])).collect();
    cases.push(Case::of("roots", same("roots", &texts("roots"), &hexes(&roots))));
    cases.push(Case::of("proofs", known_proofs(file, &leaves)));
    cases.push(Case::of("tile", known_tile(&file["tile"], &leaves)));
    cases.push(Case::of("bundle", known_bundle(&file["bundle"], &entries)));
    cases.push(Case::of("proof file", known_proof_file(file, &leaves)));
    cases.push(Case::of("disclosure", known_disclosure(&file["disclosure"])));
    let foreign =
        text(file, "spec_vkey").and_then(|key| note::parse_vkey(key).map(|_| ()).ok_or("refused".to_owned()));
    cases.push(Case::of("verifier key of the note format's own text", foreign));
    whole_file(file, &KNOWN, cases)
}

fn known_key(file: &Value, case: &Value) -> Result<(), String> {
    members(case, &["name", "type", "seed", "vkey", "time"])?;
    let (name, kind) = (text(case, "name")?, number(case, "type")? as u8);
    let seed: [u8; 32] = bytes(case, "seed")?.try_into().map_err(|_| "seed")?;
    let key = SigningKey::from_bytes(&seed);
    let public = key.verifying_key().to_bytes();
    same("vkey", &text(case, "vkey")?, &note::vkey(name, kind, &public).as_str())?;
    same("parsed", &Some((name.to_owned(), kind, public)), &note::parse_vkey(text(case, "vkey")?))?;
    let note = text(file, "note")?;
    if kind == note::WITNESS_KEY {
        return same("cosigned at", &Some(number(case, "time")?), &note::cosigned_at(note, name, &public));
    }
    let checkpoint = Checkpoint::open(note, &public).ok_or("the note does not open")?;
    same("origin", &name, &checkpoint.origin.as_str())?;
    let own = checkpoint.sign(&key);
    if note.starts_with(&own) { Ok(()) } else { Err(format!("expected the note to begin with {own:?}")) }
}

fn known_proofs(file: &Value, leaves: &[Hash]) -> Result<(), String> {
    let (inclusion, consistency) = (&file["inclusion"], &file["consistency"]);
    members(inclusion, &["index", "size", "proof"])?;
    members(consistency, &["old", "new", "proof"])?;
    let index = number(inclusion, "index")?;
    let made = merkle::inclusion(&leaves[..number(inclusion, "size")? as usize], index as usize);
    same("inclusion", &encoded(&hashes(inclusion, "proof")?), &encoded(&made))?;
    let old = number(consistency, "old")?;
    let made = merkle::consistency(&leaves[..number(consistency, "new")? as usize], old as usize);
    same("consistency", &encoded(&hashes(consistency, "proof")?), &encoded(&made))
}

fn known_tile(case: &Value, leaves: &[Hash]) -> Result<(), String> {
    members(case, &["path", "sha256"])?;
    let tile = TilePath::parse(text(case, "path")?).ok_or("the path")?;
    let made = merkle::tile(leaves, tile.level.ok_or("a bundle")?, tile.number as usize, tile.width);
    same(
        "sha256",
        &Some(text(case, "sha256")?.to_owned()),
        &made.map(|hashes| hex(&sha256(&hashes.concat()))),
    )
}

fn known_bundle(case: &Value, entries: &[Vec<u8>]) -> Result<(), String> {
    members(case, &["path", "bytes", "sha256"])?;
    let tile = TilePath::parse(text(case, "path")?).ok_or("the path")?;
    let mut made = Vec::new();
    for entry in entries.iter().take(tile.width) {
        made.extend_from_slice(
            &u16::try_from(entry.len()).map_err(|_| "an entry is too long")?.to_be_bytes(),
        );
        made.extend_from_slice(entry);
    }
    same("bytes", &text(case, "bytes")?, &hex(&made).as_str())?;
    same("sha256", &text(case, "sha256")?, &hex(&sha256(&made)).as_str())
}

fn known_proof_file(file: &Value, leaves: &[Hash]) -> Result<(), String> {
    let case = &file["tlog_proof"];
    members(case, &["index", "length", "sha256"])?;
    let index = number(case, "index")?;
    let lines: Vec<String> = encoded(&merkle::inclusion(leaves, index as usize));
    let made =
        format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n\n{}", lines.join("\n"), text(file, "note")?);
    same("length", &number(case, "length")?, &(made.len() as u64))?;
    same("sha256", &text(case, "sha256")?, &hex(&sha256(made.as_bytes())).as_str())
}

fn known_disclosure(case: &Value) -> Result<(), String> {
    members(case, &["text", "digest"])?;
    same("digest", &text(case, "digest")?, &disclosure_digest(text(case, "text")?).as_str())?;
    same("plain digest", &text(case, "digest")?, &digest_text(text(case, "text")?.as_bytes()).as_str())
}

/// Checkpoints, notes and proofs of a fork.
pub(super) fn checkpoint(file: &Value) -> Vec<Case> {
    let Some((_, _, key)) = file["vkey"].as_str().and_then(note::parse_vkey) else {
        return vec![Case::of("vkey", Err("is no verifier key".to_owned()))];
    };
    let mut cases =
        vec![Case::of("own keys", own_keys(file)), Case::of("checkpoint", known_checkpoint(file, &key))];
    cases.extend(each(file, "forks", |fork| {
        members(fork, &["first", "second", "path", "v"])?;
        proves_fork(fork, &key)
    }));
    let plain = |why: String| Refusal::new("proof_invalid", why);
    cases.extend(refused(file, "refused_forks", |case| proves_fork(&case["fork"], &key).map_err(plain)));
    cases.extend(refused(file, "refused_notes", |case| {
        note::lines(text(case, "note").unwrap_or_default()).ok_or_else(|| Refusal::malformed("the note"))
    }));
    cases.extend(refused(file, "refused_texts", |case| {
        Checkpoint::parse(text(case, "text").unwrap_or_default())
            .ok_or_else(|| Refusal::malformed("the text"))
    }));
    let known = [
        "about",
        "checkpoint",
        "cosigner",
        "forks",
        "origin",
        "refused_forks",
        "refused_notes",
        "refused_texts",
        "vkey",
    ];
    whole_file(file, &known, cases)
}

/// Cases that must all be refused, named by `why`; where they have an `outcome`, it is the code of the refusal.
fn refused<T>(file: &Value, array: &str, check: impl Fn(&Value) -> Result<T, Refusal>) -> Vec<Case> {
    let negated = |case: &Value| {
        members(case, &["why", "note", "text", "fork", "entry", "outcome"])?;
        match check(case) {
            Ok(_) => Err("expected a refusal, got none".to_owned()),
            Err(refusal) if case["outcome"].is_null() || case["outcome"] == refusal.code => Ok(()),
            Err(refusal) => Err(format!("expected {}, got {refusal}", case["outcome"])),
        }
    };
    let name = |case: &Value| format!("{array}: {}", case["why"].as_str().unwrap_or_default());
    list(file, array).iter().map(|case| Case::of(name(case), negated(case))).collect()
}

/// Seeds are runs of bytes: root 01 02 .., log 02 03 .., cosigner 03 04 ..
fn own_keys(file: &Value) -> Result<(), String> {
    let public = |first: u8| {
        SigningKey::from_bytes(&std::array::from_fn(|place| first + place as u8)).verifying_key().to_bytes()
    };
    let origin = format!("naru/{}/1", crate::encoding::multibase(&public(1)));
    same("origin", &text(file, "origin")?, &origin.as_str())?;
    same("vkey", &text(file, "vkey")?, &note::vkey(&origin, note::LOG_KEY, &public(2)).as_str())?;
    let name = text(file, "cosigner")?.split('+').next().unwrap_or_default();
    same("cosigner", &text(file, "cosigner")?, &note::vkey(name, note::WITNESS_KEY, &public(3)).as_str())
}

fn known_checkpoint(file: &Value, key: &[u8; 32]) -> Result<(), String> {
    let case = &file["checkpoint"];
    members(case, &["own_note", "cosigned", "root", "size", "time"])?;
    let due = Checkpoint {
        origin: text(file, "origin")?.to_owned(),
        size: number(case, "size")?,
        root: from_b64(text(case, "root")?).and_then(|root| root.try_into().ok()).ok_or("root")?,
    };
    same("own note", &Some(&due), &Checkpoint::open(text(case, "own_note")?, key).as_ref())?;
    let cosigned = text(case, "cosigned")?;
    same("cosigned", &Some(&due), &Checkpoint::open(cosigned, key).as_ref())?;
    let (name, _, witness) = note::parse_vkey(text(file, "cosigner")?).ok_or("cosigner")?;
    same("cosigned at", &Some(number(case, "time")?), &note::cosigned_at(cosigned, &name, &witness))
}

/// Two checkpoints of one log of which neither extends the other: the path is a valid consistency proof towards the
/// second from another root than the first one's.
fn proves_fork(fork: &Value, key: &[u8; 32]) -> Result<(), String> {
    let open = |name: &str| Checkpoint::open(text(fork, name)?, key).ok_or(format!("{name} does not open"));
    let (first, second) = (open("first")?, open("second")?);
    let path = hashes(fork, "path")?;
    if first.origin != second.origin || first.size > second.size || first.size == 0 {
        return Err("not two checkpoints of one log".to_owned());
    }
    if merkle::forks(first.size, second.size, &first.root, &second.root, &path) {
        Ok(())
    } else {
        Err("proves nothing".to_owned())
    }
}

/// Entries and their disclosures.
pub(super) fn entry(file: &Value) -> Vec<Case> {
    let mut cases: Vec<Case> = list(file, "entries")
        .iter()
        .map(|case| Case::of(case["why"].as_str().unwrap_or("an entry"), known_entry(file, case)))
        .collect();
    cases.extend(refused(file, "refused_entries", |case| {
        open_entry(text(case, "entry").unwrap_or_default().as_bytes())
    }));
    cases.extend(refused(file, "refused_disclosures", |case| {
        open_disclosure(text(case, "text").unwrap_or_default())
            .ok_or_else(|| Refusal::malformed("the disclosure"))
    }));
    cases.extend(each(file, "types", |kind| {
        let kind = kind.as_str().ok_or("no text")?;
        same(kind, &true, &known_type(kind))
    }));
    whole_file(file, &["about", "entries", "keys", "refused_disclosures", "refused_entries", "types"], cases)
}

fn known_entry(file: &Value, case: &Value) -> Result<(), String> {
    members(case, &["why", "msg", "entry", "leaf", "disclosures"])?;
    let raw = text(case, "entry")?.as_bytes();
    let entry = open_entry(raw)?;
    same("leaf", &text(case, "leaf")?, &b64(&merkle::leaf_hash(raw)).as_str())?;
    let msg = crate::encoding::fixed::<16>(text(case, "msg")?).ok_or("msg")?;
    let mut digests = Vec::new();
    for item in list(case, "disclosures") {
        members(item, &["digest", "key", "name", "text", "value"])?;
        let (name, value) = open_disclosure(text(item, "text")?).ok_or("a disclosure does not open")?;
        same("name", &text(item, "name")?, &name.as_str())?;
        same("value", &Json::from_serde(&item["value"]).map_err(|error| error.to_string())?, &value)?;
        let key = bytes(&file["keys"], text(item, "key")?)?;
        let made = ledger::disclosure(&key, &msg, &name, &value);
        same("disclosure", &text(item, "text")?, &made.as_str())?;
        same("digest", &text(item, "digest")?, &disclosure_digest(&made).as_str())?;
        digests.push(disclosure_digest(&made));
    }
    digests.sort();
    let listed: Vec<&str> = entry.list("_sd").iter().filter_map(Json::as_text).collect();
    same("_sd", &listed, &digests.iter().map(String::as_str).collect())
}
