//! LOG-4 and LOG-5: notes, checkpoints and proofs of a fork.

use naru_protocol::log::{
    checkpoint::{Checkpoint, CheckpointError, ForkError, ForkProof, Origin, SignedCheckpoint},
    merkle::{Hash, ProofError, consistency_proof},
    note::{KeyKind, Note, NoteError, NoteKey, NoteSigner},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Tree, check_vector, signing_key};

fn origin() -> Origin {
    Origin { root: signing_key(1).public(), shard: 1 }
}

fn log_signer() -> NoteSigner {
    NoteSigner::new(&origin().to_string(), KeyKind::Note, signing_key(2)).unwrap()
}

fn cosigner() -> NoteSigner {
    NoteSigner::new("witness.example/w", KeyKind::Cosignature, signing_key(3)).unwrap()
}

fn signed(size: u64, root: Hash) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: origin().to_string(), size, root };
    SignedCheckpoint::sign(checkpoint, &log_signer()).unwrap()
}

/// A note of this text, whatever it says, signed by the log.
fn note(text: &str) -> String {
    Note::sign(text, &log_signer(), 0).unwrap().to_string()
}

#[test]
fn notes_sign_and_open() {
    // LOG-4.1, LOG-4.3
    let text = "a text\n\nwith blank lines\n\n";
    let mut note = Note::sign(text, &log_signer(), 0).unwrap();
    note.add(note.signature_by(&cosigner(), 77)).unwrap();
    note.add(note.signature_by(&cosigner(), 78)).unwrap();
    assert_eq!(note.lines().len(), 2, "a line of the same key takes the place of the older");
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read, note);
    assert_eq!(read.text(), text);
    let opened = read.open(&[cosigner().key().clone()]).unwrap();
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].time, Some(78));
    for bad in ["", "no newline", "tab\there\n", "nul\0\n", "\r\n"] {
        assert_eq!(Note::sign(bad, &log_signer(), 0), Err(NoteError::BadText));
    }
}

#[test]
fn lines_of_unknown_keys_prove_nothing_and_harm_nothing() {
    // LOG-4.3, LOG-4.4
    let own = log_signer();
    let mut note = Note::sign("text\n", &own, 0).unwrap();
    let foreign = NoteSigner::new("example.com/other", KeyKind::Note, signing_key(9)).unwrap();
    note.add(Note::sign("another text\n", &foreign, 0).unwrap().lines()[0].clone()).unwrap();
    assert_eq!(note.open(&[own.key().clone()]).unwrap().len(), 1);
    assert_eq!(note.open(&[]), Err(NoteError::Unsigned));
    assert_eq!(note.open(&[cosigner().key().clone()]), Err(NoteError::Unsigned));
    let both = [own.key().clone(), foreign.key().clone()];
    assert_eq!(note.open(&both), Err(NoteError::BadSignature), "a known key that fails refuses the note");
    let namesake = NoteKey::new(own.key().name(), KeyKind::Note, signing_key(9).public()).unwrap();
    assert_eq!(note.open(&[namesake]), Err(NoteError::Unsigned), "the same name with another id is unknown");
}

#[test]
fn later_lines_of_a_key_are_not_looked_at() {
    // LOG-4.4
    let own = log_signer();
    let good = Note::sign("text\n", &own, 0).unwrap();
    let other = Note::sign("other\n", &own, 0).unwrap();
    let first_good = format!("{good}{}\n", other.lines()[0]);
    let opened = Note::parse(first_good.as_bytes()).unwrap().open(&[own.key().clone()]).unwrap();
    assert_eq!(opened.len(), 1);
    let first_bad = format!("text\n\n{}\n{}\n", other.lines()[0], good.lines()[0]);
    let read = Note::parse(first_bad.as_bytes()).unwrap();
    assert_eq!(read.open(&[own.key().clone()]), Err(NoteError::BadSignature));
}

#[test]
fn many_signatures_are_taken_and_too_many_refused() {
    // LOG-4.6
    let mut text = String::from("text\n\n");
    let line = |number: u8| {
        let signer = NoteSigner::new(&format!("w{number}"), KeyKind::Note, signing_key(number)).unwrap();
        format!("{}\n", Note::sign("text\n", &signer, 0).unwrap().lines()[0])
    };
    let keys: Vec<_> = (0..33)
        .map(|n| NoteKey::new(&format!("w{n}"), KeyKind::Note, signing_key(n).public()).unwrap())
        .collect();
    for number in 0..32 {
        text.push_str(&line(number));
    }
    assert_eq!(Note::parse(text.as_bytes()).unwrap().open(&keys).unwrap().len(), 32);
    text.push_str(&line(32));
    assert_eq!(Note::parse(text.as_bytes()), Err(NoteError::TooLarge));
    let long = format!("{}\n\n{}", "x".repeat(16 * 1024), line(0));
    assert_eq!(Note::parse(long.as_bytes()), Err(NoteError::TooLarge));
}

/// Notes that are no notes, each with what is wrong.
fn malformed_notes() -> Vec<(&'static str, Vec<u8>)> {
    let good = note("text\n");
    let line = good.strip_prefix("text\n\n").unwrap();
    let bytes = |text: String| text.into_bytes();
    vec![
        ("empty", Vec::new()),
        ("no blank line", bytes(good.replacen("\n\n", "\n", 1))),
        ("no final newline", bytes(good.trim_end().to_owned())),
        ("no signature", b"text\n\n".to_vec()),
        ("blank line after the signatures", bytes(format!("{good}\n"))),
        ("hyphen for em dash", bytes(good.replace('\u{2014}', "-"))),
        ("two spaces", bytes(good.replacen("\u{2014} ", "\u{2014}  ", 1))),
        ("carriage returns", bytes(good.replace('\n', "\r\n"))),
        ("tab in the text", bytes(good.replacen("text", "te\txt", 1))),
        ("no-break space in a name", bytes(good.replacen("naru/", "naru\u{a0}/", 1))),
        ("plus in a name", bytes(good.replacen("naru/", "naru+", 1))),
        ("no name", bytes(format!("text\n\n\u{2014} {}", line.rsplit(' ').next().unwrap()))),
        ("no padding", bytes(good.replace("=\n", "\n"))),
        ("trailing bits of base64", bytes("text\n\n\u{2014} name AAAAAAB=\n".to_owned())),
        ("key id alone", bytes("text\n\n\u{2014} name AAAAAA==\n".to_owned())),
        ("other text between", bytes(format!("{good}comment\n{line}"))),
        ("not UTF-8", [good.as_bytes(), b"\xff\n"].concat()),
        ("an overlong newline", [b"text\xc0\x8a\n\n", line.as_bytes()].concat()),
    ]
}

#[test]
fn malformed_notes_are_refused() {
    // LOG-4.2
    for (why, note) in malformed_notes() {
        assert_eq!(Note::parse(&note), Err(NoteError::Malformed), "{why}");
    }
}

#[test]
fn verifier_keys_round_trip_and_others_are_refused() {
    // LOG-4.5
    for signer in [log_signer(), cosigner()] {
        assert_eq!(NoteKey::parse(&signer.key().to_string()).unwrap(), *signer.key());
    }
    let good = cosigner().key().to_string();
    let id = good.split('+').nth(1).unwrap();
    for bad in [
        good.replace('+', " "),
        good.replacen('w', "v", 1),
        good.replacen(id, &id.to_uppercase(), 1),
        good.replacen(id, "00000000", 1),
        good.replacen(id, &id[1..], 1),
        good.trim_end_matches('=').to_owned() + "A",
        "name+12345678+".to_owned(),
        "PRIVATE+KEY+x+00000000+AAAA".to_owned(),
        "+00000000+AQ==".to_owned(),
        String::new(),
    ] {
        assert_eq!(NoteKey::parse(&bad), Err(NoteError::BadKey), "{bad}");
    }
    let algorithm = Note::sign("x\n", &cosigner(), 1).unwrap();
    assert_eq!(algorithm.open(&[log_signer().key().clone()]), Err(NoteError::Unsigned));
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb", "a\u{1}b"] {
        assert_eq!(NoteKey::new(name, KeyKind::Note, signing_key(1).public()), Err(NoteError::BadName));
    }
}

#[test]
fn secrets_are_not_printed() {
    let shown = format!("{:?}", log_signer());
    assert!(!shown.contains("02030405") && shown.contains("secret"), "{shown}");
}

#[test]
fn origins_round_trip_and_others_are_refused() {
    // LOG-5.1
    let text = origin().to_string();
    assert_eq!(text, format!("naru/{}/1", signing_key(1).public()));
    assert_eq!(Origin::parse(&text), Ok(origin()));
    for bad in [
        text.replacen("naru", "Naru", 1),
        text.replacen("naru/", "", 1),
        text.clone() + "/",
        text.clone() + "/2",
        text.strip_suffix('1').unwrap().to_owned(),
        text.replace("/1", "/01"),
        text.replace("/1", "/+1"),
        text.replace("/1", "/4294967296"),
        text.replace("z6Mk", "z6Ml"),
    ] {
        assert_eq!(Origin::parse(&bad), Err(CheckpointError::BadOrigin), "{bad}");
    }
}

/// Texts that are no checkpoint of ours, each with what is wrong.
fn malformed_checkpoints() -> Vec<(&'static str, String)> {
    let origin = origin().to_string();
    let root = Hash([7; 32]).to_string();
    let empty = Hash::EMPTY;
    vec![
        ("two lines", format!("{origin}\n5\n")),
        ("an extension line", format!("{origin}\n5\n{root}\nextension\n")),
        ("a blank line", format!("{origin}\n5\n{root}\n\n")),
        ("no origin", format!("\n5\n{root}\n")),
        ("leading zero", format!("{origin}\n05\n{root}\n")),
        ("sign", format!("{origin}\n+5\n{root}\n")),
        ("hexadecimal", format!("{origin}\n0x5\n{root}\n")),
        ("no size", format!("{origin}\n\n{root}\n")),
        ("above 64 bits", format!("{origin}\n18446744073709551616\n{root}\n")),
        ("short root", format!("{origin}\n5\n{}\n", &root[4..])),
        ("root in base64url", format!("{origin}\n5\n{}\n", Hash([0xfb; 32]).to_string().replace('+', "-"))),
        ("root without padding", format!("{origin}\n5\n{}\n", root.trim_end_matches('='))),
        ("trailing bits of the root", format!("{origin}\n5\n{}\n", root.replace("c=", "d="))),
        ("empty log with another root", format!("{origin}\n0\n{root}\n")),
        ("space after the size", format!("{origin}\n5 \n{root}\n")),
        ("root of the empty tree, cut", format!("{origin}\n0\n{}", &empty.to_string()[..40])),
        ("long origin", format!("{}\n5\n{root}\n", "x".repeat(256))),
    ]
}

#[test]
fn malformed_checkpoints_are_refused() {
    // LOG-5.2
    let good = Checkpoint { origin: origin().to_string(), size: 5, root: Hash([7; 32]) };
    assert_eq!(Checkpoint::parse(&good.to_string()), Ok(good));
    for (why, text) in malformed_checkpoints() {
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::Malformed), "{why}");
    }
    let key = log_signer().key().clone();
    for (why, text) in malformed_checkpoints().into_iter().filter(|(_, text)| text.ends_with('\n')) {
        let opened = SignedCheckpoint::open(note(&text).as_bytes(), &key, &[]);
        assert_eq!(opened, Err(CheckpointError::Malformed), "signed all the same: {why}");
    }
}

#[test]
fn checkpoints_open_with_their_own_log_key_alone() {
    // LOG-5.3, LOG-5.4
    let signer = log_signer();
    let one = signed(5, Hash([7; 32]));
    let bytes = one.note().to_string();
    assert_eq!(SignedCheckpoint::open(bytes.as_bytes(), signer.key(), &[]), Ok(one.clone()));
    let foreign = NoteKey::new("other", KeyKind::Note, *signer.key().key()).unwrap();
    assert_eq!(SignedCheckpoint::open(bytes.as_bytes(), &foreign, &[]), Err(CheckpointError::WrongKey));
    let cosigner_key = NoteKey::new(signer.key().name(), KeyKind::Cosignature, *signer.key().key()).unwrap();
    assert_eq!(SignedCheckpoint::open(bytes.as_bytes(), &cosigner_key, &[]), Err(CheckpointError::WrongKey));
    let rotated = origin().key(signing_key(8).public()).unwrap();
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(SignedCheckpoint::open(bytes.as_bytes(), &rotated, &[]), unsigned);

    let mut witnessed = Note::sign(&one.checkpoint().to_string(), &cosigner(), 9).unwrap();
    let opened =
        SignedCheckpoint::open(witnessed.to_string().as_bytes(), signer.key(), &[cosigner().key().clone()]);
    assert_eq!(opened, unsigned, "a cosigner's line does not stand for the log's");
    witnessed.add(one.note().lines()[0].clone()).unwrap();
    let opened =
        SignedCheckpoint::open(witnessed.to_string().as_bytes(), signer.key(), &[cosigner().key().clone()])
            .unwrap();
    assert_eq!(opened.signed().len(), 2);
    assert_eq!(opened.own_note(), bytes);
    let other = Checkpoint { origin: "other".to_owned(), size: 5, root: Hash([7; 32]) };
    assert_eq!(SignedCheckpoint::sign(other, &signer), Err(CheckpointError::WrongKey));
}

#[test]
fn tokens_take_the_logs_own_line_alone() {
    // LOG-5.5
    let key = log_signer().key().clone();
    let one = signed(u64::MAX, Hash([7; 32]));
    let own = one.own_note();
    assert!(own.len() < 300);
    assert_eq!(SignedCheckpoint::open_own(own.as_bytes(), &key), Ok(one.clone()));
    let mut more = one.note().clone();
    more.add(one.note().signature_by(&cosigner(), 1)).unwrap();
    let refused = SignedCheckpoint::open_own(more.to_string().as_bytes(), &key);
    assert_eq!(refused, Err(CheckpointError::ForeignLines));
    let long = "x".repeat(1000);
    assert_eq!(SignedCheckpoint::open_own(long.as_bytes(), &key), Err(CheckpointError::TooLarge(768)));
}

#[test]
fn a_checkpoint_extends_an_older_one_or_is_refused() {
    // LOG-5.6
    let tree = Tree::counting(20);
    let at = |size: u64| signed(size, tree.roots[size as usize]);
    let proof = consistency_proof(7, 20, &mut tree.reader()).unwrap();
    assert_eq!(at(20).extends(&at(7), &proof), Ok(()));
    assert_eq!(at(20).extends(&at(20), &[]), Ok(()));
    assert_eq!(at(20).extends(&at(0), &[]), Ok(()));
    assert_eq!(at(20).extends(&at(0), &proof), Err(ProofError::WrongLength.into()));
    assert_eq!(at(7).extends(&at(20), &proof), Err(ProofError::SizeOutOfRange.into()));
    assert_eq!(at(20).extends(&at(8), &proof), Err(ProofError::WrongLength.into()));
    assert_eq!(at(20).extends(&signed(7, Hash([1; 32])), &proof), Err(ProofError::OldRootMismatch.into()));
    assert_eq!(at(20).extends(&signed(20, Hash([1; 32])), &[]), Err(CheckpointError::Forked));
}

/// Two logs that share their first eleven entries.
fn forked() -> (Tree, Tree) {
    let branch = |mark: u64| {
        Tree::of((0..23).map(move |n: u64| (if n < 11 { n } else { n + mark }).to_be_bytes().to_vec()))
    };
    (branch(0), branch(100))
}

#[test]
fn a_fork_is_proven() {
    // LOG-5.7
    let (ours, other) = forked();
    let keys = [log_signer().key().clone()];
    for (old, new) in [(12, 12), (12, 23), (16, 23), (16, 17), (22, 23)] {
        let (first, second) = (signed(old, ours.roots[old as usize]), signed(new, other.roots[new as usize]));
        let proof = ForkProof::find(&first, &second, &mut other.reader()).unwrap().expect("they contradict");
        if old < new {
            let turned = ForkProof::find(&second, &first, &mut other.reader()).unwrap();
            assert_eq!(turned.as_ref(), Some(&proof));
        }
        assert_eq!(proof.check(&keys).unwrap(), (first, second));
        assert_eq!(ForkProof::parse(&proof.to_bytes().unwrap()).unwrap(), proof);
    }
    for (old, new) in [(0, 5), (0, 0), (5, 5), (11, 23), (8, 11), (4, 23)] {
        let (first, second) = (signed(old, ours.roots[old as usize]), signed(new, other.roots[new as usize]));
        assert_eq!(ForkProof::find(&first, &second, &mut other.reader()), Ok(None), "{old} and {new}");
    }
}

#[test]
fn an_honest_log_cannot_be_accused() {
    // LOG-5.7
    let (ours, other) = forked();
    let keys = [log_signer().key().clone()];
    let (first, second) = (signed(12, ours.roots[12]), signed(23, other.roots[23]));
    let proof = ForkProof::find(&first, &second, &mut other.reader()).unwrap().unwrap();
    let with = |first: &SignedCheckpoint, second: &SignedCheckpoint, path: Vec<Hash>| {
        let mut forged = proof.clone();
        forged.first = first.note().to_string();
        forged.second = second.note().to_string();
        forged.path = path;
        forged.check(&keys).unwrap_err()
    };
    let path = proof.path.clone();
    assert_eq!(with(&second, &first, path.clone()), ForkError::Order);
    assert_eq!(with(&first, &second, path[1..].to_vec()), ForkError::Path);
    assert_eq!(with(&first, &second, Vec::new()), ForkError::Path);
    assert_eq!(with(&first, &first, Vec::new()), ForkError::Consistent);
    assert_eq!(with(&first, &first, path.clone()), ForkError::Path);
    // The path that convicts one log says nothing about another.
    let honest = signed(23, ours.roots[23]);
    assert_eq!(with(&first, &honest, path.clone()), ForkError::Path);
    let own = naru_protocol::log::merkle::prefix_proof(12, 23, &mut ours.reader()).unwrap();
    assert_eq!(with(&first, &honest, own), ForkError::Consistent);
    for at in 0..path.len() {
        let mut changed = path.clone();
        changed[at].0[31] ^= 1;
        assert_eq!(with(&first, &second, changed), ForkError::Path);
    }
    assert!(matches!(proof.check(&[]), Err(ForkError::Checkpoint(_))));
    let stranger = origin().key(signing_key(8).public()).unwrap();
    assert!(matches!(proof.check(&[stranger]), Err(ForkError::Checkpoint(_))));
}

proptest! {
    #[test]
    fn any_note_is_judged_without_panic(note in "(text|[\n\u{2014} a-z=+]){0,30}\n\n\u{2014} [a-z]{0,3} [A-Za-z0-9+/]{0,12}=?\n?") {
        if let Ok(read) = Note::parse(note.as_bytes()) {
            prop_assert_eq!(read.to_string(), note);
        }
    }

    #[test]
    fn any_changed_byte_of_a_checkpoint_is_noticed(at in 0_usize..260, bit in 0_u8..8) {
        let one = signed(5, Hash([7; 32]));
        let mut bytes = one.note().to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let key = log_signer().key().clone();
        prop_assert!(SignedCheckpoint::open(&bytes, &key, &[]).is_err());
    }
}

#[test]
fn checkpoint_vectors() {
    let (ours, other) = forked();
    let (first, second) = (signed(12, ours.roots[12]), signed(23, other.roots[23]));
    let fork = ForkProof::find(&first, &second, &mut other.reader()).unwrap().unwrap();
    let same = ForkProof::find(&first, &signed(12, other.roots[12]), &mut other.reader()).unwrap().unwrap();
    let json_of =
        |proof: &ForkProof| -> Value { serde_json::from_slice(&proof.to_bytes().unwrap()).unwrap() };
    let mut wrong_path = fork.clone();
    wrong_path.path[0].0[0] ^= 1;
    let mut witnessed = first.note().clone();
    witnessed.add(first.note().signature_by(&cosigner(), 1_700_000_000)).unwrap();
    let notes: Vec<_> = malformed_notes()
        .into_iter()
        .filter_map(|(why, bytes)| Some(json!({"why": why, "note": String::from_utf8(bytes).ok()?})))
        .collect();
    let texts: Vec<_> =
        malformed_checkpoints().into_iter().map(|(why, text)| json!({"why": why, "text": text})).collect();
    check_vector(
        "checkpoint.json",
        &json!({
            "about": "A log of ours: its origin, its key and that of a cosigner, a checkpoint as it travels in tokens and with a cosignature; notes and checkpoint texts to be refused; proofs of a fork. Secrets: the seed of the root key is 01 02 .. 20, of the log key 02 03 .. 21, of the cosigner 03 04 .. 22.",
            "origin": origin().to_string(),
            "vkey": log_signer().key().to_string(),
            "cosigner": cosigner().key().to_string(),
            "checkpoint": {"size": 12, "root": first.root().to_string(), "own_note": first.own_note(), "cosigned": witnessed.to_string(), "time": 1_700_000_000},
            "refused_notes": notes,
            "refused_texts": texts,
            "forks": [json_of(&fork), json_of(&same)],
            "refused_forks": [
                {"why": "the path leads to another root", "fork": json_of(&wrong_path)},
                {"why": "the two are consistent", "fork": {"v": 1, "first": first.note().to_string(), "second": first.note().to_string(), "path": []}},
            ],
        }),
    );
}
