//! Listings, file lists, content roots, windows, receipts: vectors, and everything that must be refused (spec chapters 04
//! and 07).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use naru_protocol::{
    encoding::{Digest, Id, to_base64url},
    error::Code,
    filelist::{
        BadFileList, BadPath, CHUNK_BYTES, ChunkHash, ChunkPlace, ChunksDigest, FileEntry, FileList,
        MAX_DATASET_BYTES, check_path, chunk_count, is_media_type,
    },
    json::{self, V1},
    jws::{Payload, sign_compact, verify_compact},
    limits,
    listing::{BadListing, BadSummary, Columns, Listing, Summary, Title, content_root, is_dataset_id},
    receipt::{BadCapability, BadReceipt, Capability, DataReceipt, Expected},
    window::{
        Acknowledged, BadWindow, Transfer, WindowAck, WindowLedger, WindowProgress, Windows, window_bytes,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{NOW, did, key, public, same};

/// The bytes of the files in the vectors: byte i is i mod 251.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn hashes(bytes: &[u8]) -> Vec<ChunkHash> {
    bytes.chunks(usize::try_from(CHUNK_BYTES).unwrap()).map(ChunkHash::of).collect()
}

fn digest_of(hashes: &[ChunkHash]) -> Digest {
    let mut digest = ChunksDigest::new();
    hashes.iter().for_each(|hash| digest.push(hash));
    digest.digest()
}

fn entry(path: &str, media: &str, bytes: &[u8]) -> FileEntry {
    FileEntry {
        chunks: digest_of(&hashes(bytes)),
        media: media.into(),
        path: path.into(),
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
    }
}

/// An entry of any size; the digests are no one's.
fn sized(path: &str, size: u64) -> FileEntry {
    let digest = Digest::of(if size == 0 { b"" } else { b"any" });
    FileEntry { chunks: digest, media: "text/csv".into(), path: path.into(), sha256: digest, size }
}

const MIB: usize = 1 << 20;

/// The dataset version of the vectors: name, media type, length.
const FILES: [(&str, &str, usize); 5] = [
    ("audio/calls.wav", "audio/wav", 9 * MIB),
    ("empty.txt", "text/plain", 0),
    ("images/나루.png", "image/png", 4 * MIB),
    ("orders.csv", "text/csv", 4 * MIB + 1),
    ("quote\"d.json", "application/json", 2),
];

fn file_list() -> FileList {
    FileList::from_entries(
        FILES.iter().map(|(path, media, len)| entry(path, media, &pattern(*len))).collect(),
    )
    .unwrap()
}

fn summary() -> Summary {
    let columns = vec![Columns { file: "orders.csv".into(), names: vec!["id".into(), "품목".into()] }];
    Summary::of(&file_list(), columns).unwrap()
}

fn all_hashes() -> Vec<ChunkHash> {
    FILES.iter().flat_map(|(_, _, len)| hashes(&pattern(*len))).collect()
}

fn root() -> Digest {
    content_root(&summary().digest().unwrap(), &file_list().digest()).unwrap()
}

fn listing() -> Listing {
    Listing {
        content_root: root(),
        dataset: "urn:dxp:0123456789abcdef0123456789abcdef".into(),
        facts: json!({"categories": ["audio"], "personal_data": false}),
        iss: did(2),
        policy: json!({"@type": "Offer", "@id": "urn:uuid:6f1e", "permission": [{"action": "use"}]}),
        summary: summary(),
        title: Title { en: Some("Calls".into()), ko: Some("통화".into()) },
        v: V1,
        valid_from: NOW,
        valid_to: NOW + 86_400,
        version: 1,
    }
}

fn transfer() -> Transfer {
    Transfer {
        consumer: did(1),
        provider: did(2),
        exchange: Id([0x22; 16]),
        provider_pid: "urn:uuid:7d1f7f5c-3c0c-4c3e-9a54-0d6f4bb0f7a1".into(),
        agreement: Digest::of(b"agreement"),
    }
}

fn progress(list: &FileList, hashes: &[ChunkHash], window: u64) -> WindowProgress {
    let windows = Windows::new(list);
    let end = (0..window).fold(0, |end, _| windows.end(end));
    let part = &hashes[..usize::try_from(end).unwrap()];
    WindowProgress { chunks: end, digest: digest_of(part), window }
}

// ---- vectors

#[test]
fn vectors_of_content() {
    // CAT-4.1, CAT-5.2, CAT-5.3, CAT-6.1
    let (list, summary) = (file_list(), summary());
    let files: Vec<Value> = FILES
        .iter()
        .map(|(path, _, len)| {
            let bytes = pattern(*len);
            let hashes: Vec<String> = hashes(&bytes).iter().map(|hash| to_base64url(&hash.0)).collect();
            json!({"path": path, "size": len, "sha256": Digest::of(&bytes), "chunk_hashes": hashes,
                "chunks": digest_of(&self::hashes(&bytes))})
        })
        .collect();
    let vector = json!({
        "about": "A dataset version (CAT-4 to CAT-6). Byte i of every file is i mod 251. Chunk hashes are BLAKE3, in base64url.",
        "files": files,
        "file_list": String::from_utf8(list.print()).unwrap(),
        "file_list_digest": list.digest(),
        "summary": summary,
        "summary_digest": summary.digest().unwrap(),
        "content_root": root(),
    });
    same("data/content.json", &vector);
}

/// Texts of file lists, the good ones first.
fn list_cases() -> Vec<(&'static str, String)> {
    let line = |path: &str| {
        String::from_utf8(FileList::from_entries(vec![sized(path, 1)]).unwrap().print()).unwrap()
    };
    let (a, b, inside) = (line("a"), line("b"), line("a/b"));
    let mut cases = vec![
        ("one file", a.clone()),
        ("two files", format!("{a}{b}")),
        ("bytes, not letters, decide the order", format!("{}{}", line("Z"), line("a"))),
        (
            "UTF-8 bytes, not UTF-16 units, decide the order",
            format!("{}{}", line("\u{fb33}"), line("\u{1f602}")),
        ),
        ("names before folders of the same beginning", format!("{a}{}{}", line("a.b"), line("b/a"))),
        ("no file", String::new()),
        ("last line not ended", a.trim_end().into()),
        ("empty line", format!("{a}\n")),
        ("carriage return", a.replace('\n', "\r\n")),
        ("out of order", format!("{b}{a}")),
        ("twice", format!("{a}{a}")),
        ("a file inside a file", format!("{a}{inside}")),
        ("space", a.replace(":1}", ": 1}")),
        ("members in another order", {
            let (head, size) = a.trim_end().rsplit_once(",\"size\":1}").unwrap();
            assert!(size.is_empty());
            format!("{{\"size\":1,{}}}\n", &head[1..])
        }),
        ("unknown member", a.replace(":1}", ":1,\"x\":1}")),
        ("missing member", a.replace(",\"size\":1", "")),
        ("repeated member", a.replace(":1}", ":1,\"size\":1}")),
        ("size as text", a.replace(":1}", ":\"1\"}")),
        ("size with a fraction", a.replace(":1}", ":1.0}")),
        ("negative size", a.replace(":1}", ":-1}")),
        ("size beyond the limit", a.replace(":1}", &format!(":{}}}", MAX_DATASET_BYTES + 1))),
        ("sizes together beyond the limit", {
            let large = |line: &str| line.replace(":1}", &format!(":{MAX_DATASET_BYTES}}}"));
            format!("{}{}", large(&a), large(&b))
        }),
        ("size 0 with digests of something", a.replace(":1}", ":0}")),
        ("escape that is not needed", a.replace("\"a\"", "\"\\u0061\"")),
        ("digest with padding", a.replace("\",\"media\"", "=\",\"media\"")),
        ("media type in capitals", a.replace("text/csv", "text/CSV")),
        ("media type with parameter", a.replace("text/csv", "text/csv;header=present")),
        ("no media type", a.replace("text/csv", "csv")),
    ];
    cases.extend(path_cases(&a));
    cases
}

/// The same list with paths that break a rule, or just keep one.
fn path_cases(a: &str) -> Vec<(&'static str, String)> {
    let line = |path: &str| {
        String::from_utf8(FileList::from_entries(vec![sized(path, 1)]).unwrap().print()).unwrap()
    };
    let raw = |path: &str| a.replace("\"a\"", &serde_json::to_string(path).unwrap());
    vec![
        ("absolute path", raw("/etc/passwd")),
        ("path out of the folder", raw("../a")),
        ("path out of a folder and in again", raw("a/../a")),
        ("path with a dot segment", raw("./a")),
        ("path with an empty segment", raw("a//b")),
        ("path of a folder", raw("a/")),
        ("path with a backslash", raw("a\\b")),
        ("path with a control character", raw("a\u{1}")),
        ("path with a C1 control character", raw("a\u{85}")),
        ("empty path", raw("")),
        ("path of 1024 bytes", line(&"a".repeat(1024))),
        ("path of 1025 bytes", raw(&"a".repeat(1025))),
        ("byte order mark", format!("\u{feff}{a}")),
    ]
}

#[test]
fn vectors_of_file_lists() {
    // CAT-4.1 to CAT-4.7 (CAT-4.2, CAT-4.4, CAT-4.5, CAT-4.6), CAT-5.4: what is refused, and under which code.
    let cases = list_cases();
    let cases: Vec<Value> = cases
        .iter()
        .map(|(name, text)| {
            let outcome =
                FileList::parse(text.as_bytes()).map_or_else(|error| error.code().as_str(), |_| "accepted");
            json!({"name": name, "text": text, "outcome": outcome})
        })
        .collect();
    let accepted = cases.iter().filter(|case| case["outcome"] == "accepted").count();
    assert_eq!(accepted, 6);
    same(
        "data/file-lists.json",
        &json!({"about": "Texts of file lists, accepted or not (CAT-4).", "cases": cases}),
    );
}

#[test]
fn vectors_of_windows() {
    // TRF-8.1, TRF-8.2, TRF-8.4
    let sizes = [0, 1, 4 * MIB, 64 * MIB, 64 * MIB + 1, 100 * MIB, 1024 * MIB, 1024 * MIB + 1, 8192 * MIB];
    let sizes: Vec<Value> =
        sizes.iter().map(|size| json!({"size": size, "window": window_bytes(*size as u64)})).collect();
    let cases = [
        ("one file of 100 MiB: two chunks a window", vec![100 * MIB]),
        ("small files share a window", vec![MIB; 10]),
        ("empty files have no chunk", vec![0, 5 * MIB, 0, 0, 3 * MIB, 0]),
        ("a window ends within a file and between files", vec![200 * MIB, 3, 60 * MIB, 7]),
        ("nothing but an empty file", vec![0]),
    ];
    let cuts: Vec<Value> = cases
        .iter()
        .map(|(name, sizes)| {
            let entries = sizes.iter().enumerate().map(|(i, size)| sized(&format!("{i:02}"), *size as u64));
            let list = FileList::from_entries(entries.collect()).unwrap();
            let windows = Windows::new(&list);
            let mut ends = Vec::new();
            let mut end = 0;
            while end < list.chunks() {
                end = windows.end(end);
                ends.push(end);
            }
            let limits: Vec<u64> =
                std::iter::once(0).chain(ends.iter().copied()).map(|at| windows.limit(at)).collect();
            json!({"name": name, "sizes": sizes, "window": windows.bytes(), "chunks": list.chunks(),
                "window_ends": ends, "served_up_to": limits})
        })
        .collect();
    let (list, hashes) = (file_list(), all_hashes());
    let acks: Vec<Value> = (1..=4)
        .map(|window| {
            let ack = WindowAck::of(&transfer(), &progress(&list, &hashes, window), NOW);
            let jws = sign_compact(&ack, 1, &key(11)).unwrap();
            verify_compact::<WindowAck>(&jws, &public(11)).unwrap();
            json!({"payload": ack, "jws": jws})
        })
        .collect();
    let vector = json!({
        "about": "Windows (TRF-8). `window_ends` are the chunks behind each window; `served_up_to[k]` the first chunk that is not served when k windows are acknowledged. The acknowledgements are of the dataset version in content.json, signed with the seed of 32 bytes 11.",
        "sizes": sizes,
        "cuts": cuts,
        "acknowledgements": acks,
    });
    same("data/windows.json", &vector);
}

#[test]
fn vectors_of_listings_and_receipts() {
    // CAT-1.1, TRF-7.1, TRF-9.1
    let listing = listing();
    let signed = |text: String| json!({"jws": text, "digest": Digest::of(text.as_bytes())});
    let jws = sign_compact(&listing, 1, &key(21)).unwrap();
    assert_eq!(verify_compact::<Listing>(&jws, &public(21)).unwrap().payload(), &listing);
    let capability = capability();
    let shown = sign_compact(&capability, 1, &key(21)).unwrap();
    let receipt = DataReceipt::of(&expected(), NOW);
    let vector = json!({
        "about": "Listing and capability, signed with the seed of 32 bytes 21, and the data receipt, of the dataset version in content.json.",
        "listing": {"payload": listing, "signed": signed(jws)},
        "capability": {"payload": capability, "signed": signed(shown)},
        "receipt": {"body": receipt, "canonical": String::from_utf8(json::to_canonical(&receipt).unwrap()).unwrap()},
    });
    same("data/statements.json", &vector);
}

// ---- file lists

#[test]
fn the_vector_list_reads_back() {
    let list = file_list();
    assert_eq!(FileList::parse(&list.print()).unwrap(), list);
    assert_eq!((list.chunks(), list.bytes(), list.text_len()), (7, 17 * MIB as u64 + 3, list.print().len()));
    assert_eq!(list.chunks_of(1), 3..3);
    assert_eq!(list.chunks_of(99), 0..0);
    let place = |file, chunk, offset, len| Some(ChunkPlace { file, chunk, offset, len });
    assert_eq!(list.place(2), place(0, 2, 2 * CHUNK_BYTES, MIB as u64));
    assert_eq!(list.place(3), place(2, 0, 0, CHUNK_BYTES));
    assert_eq!(list.place(5), place(3, 1, CHUNK_BYTES, 1));
    assert_eq!(list.place(7), None);
    assert_eq!(list.touched(0, &(CHUNK_BYTES - 1..CHUNK_BYTES + 1)), Some(0..2));
    assert_eq!(list.touched(3, &(CHUNK_BYTES..CHUNK_BYTES + 1)), Some(5..6));
    for (file, range) in
        [(0, 5..5), (0, 0..9 * MIB as u64 + 1), (1, 0..1), (9, 0..1), (0, u64::MAX - 1..u64::MAX)]
    {
        assert_eq!(list.touched(file, &range), None);
    }
}

#[test]
fn chunks_are_counted_at_the_edges() {
    // CAT-5.1
    for (size, chunks) in [(0, 0), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (3 * CHUNK_BYTES - 1, 3)] {
        assert_eq!(chunk_count(size), chunks);
    }
    assert_eq!(ChunkHash::split(&[0; 64]).unwrap().len(), 2);
    assert_eq!(ChunkHash::split(&[0; 33]), None);
    assert_eq!(digest_of(&[]), Digest::of(b""));
}

#[test]
fn limits_of_a_list_hold() {
    // CAT-4.7
    let long = vec![b'x'; naru_protocol::filelist::MAX_FILE_LIST_BYTES + 1];
    assert_eq!(FileList::parse(&long), Err(BadFileList::TooLong));
    let line = [vec![b' '; limits::FILE_LINE], b"\n".to_vec()].concat();
    assert_eq!(FileList::parse(&line), Err(BadFileList::Line { line: 1 }));
    assert_eq!(check_path(&"가".repeat(342)), Err(BadPath::TooLong));
    assert!(
        is_media_type("application/vnd.apache.parquet") && !is_media_type(&format!("a/{}", "b".repeat(127)))
    );
    assert!(
        !is_media_type("/csv") && !is_media_type("text/") && !is_media_type("a/b/c") && !is_media_type("")
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = FileList::parse(&bytes);
    }

    #[test]
    fn a_list_with_a_byte_changed_is_another_list_or_none(at in 0_usize..1200, to in any::<u8>()) {
        // CAT-4.3: the text and its meaning cannot come apart.
        let entries = FILES.iter().map(|(path, _, len)| sized(path, *len as u64)).collect();
        let list = FileList::from_entries(entries).unwrap();
        let mut text = list.print();
        let at = at % text.len();
        prop_assume!(text[at] != to);
        text[at] = to;
        if let Ok(other) = FileList::parse(&text) {
            prop_assert_ne!(other.entries(), list.entries());
            prop_assert_eq!(other.print(), text);
        }
    }

    #[test]
    fn any_paths_round_trip_or_are_refused(paths in proptest::collection::btree_set("[a-c./가\\\\]{0,6}", 1..12)) {
        let entries: Vec<_> = paths.iter().map(|path| sized(path, 1)).collect();
        let good = paths.iter().all(|path| check_path(path).is_ok());
        let crossing = paths.iter().any(|path| paths.iter().any(|other| other.starts_with(&format!("{path}/"))));
        match FileList::from_entries(entries) {
            Ok(list) => {
                prop_assert!(good && !crossing);
                prop_assert_eq!(FileList::parse(&list.print()), Ok(list));
            }
            Err(BadFileList::Path { .. }) => prop_assert!(!good),
            Err(error) => prop_assert!(crossing && matches!(error, BadFileList::Inside { .. }), "{}", error),
        }
    }

    #[test]
    fn places_and_windows_agree_with_counting(sizes in proptest::collection::vec(0_u64..(90 << 20), 1..9)) {
        // CAT-5.5, TRF-8.2: against a plain count
        let entries = sizes.iter().enumerate().map(|(i, size)| sized(&format!("{i}"), *size)).collect();
        let list = FileList::from_entries(entries).unwrap();
        let places: Vec<_> = (0..list.chunks()).map(|number| list.place(number).unwrap()).collect();
        let expected: Vec<_> = sizes.iter().enumerate().flat_map(|(file, size)| {
            (0..chunk_count(*size)).map(move |chunk| {
                let offset = chunk * CHUNK_BYTES;
                ChunkPlace { file, chunk, offset, len: CHUNK_BYTES.min(size - offset) }
            })
        }).collect();
        prop_assert_eq!(&places, &expected);
        let windows = Windows::new(&list);
        for from in 0..=list.chunks() {
            let mut end = from;
            let mut sum = 0;
            while sum < windows.bytes() && end < list.chunks() {
                sum += places[usize::try_from(end).unwrap()].len;
                end += 1;
            }
            prop_assert_eq!(windows.end(from), end);
        }
    }
}

// ---- summaries and listings

#[test]
fn a_summary_keeps_its_rules() {
    // CAT-3.1, CAT-3.2, CAT-3.3, CAT-3.4, CAT-3.5, CAT-6.4
    let good = summary();
    good.check().unwrap();
    let wrong = |change: &dyn Fn(&mut Summary)| {
        let mut summary = good.clone();
        change(&mut summary);
        summary.check().unwrap_err()
    };
    assert_eq!(wrong(&|s| s.files += 1), BadSummary::Totals);
    assert_eq!(wrong(&|s| s.media[0].bytes = u64::MAX), BadSummary::Totals);
    assert_eq!(wrong(&|s| s.files = 0), BadSummary::Size);
    assert_eq!(wrong(&|s| s.bytes = MAX_DATASET_BYTES + 1), BadSummary::Size);
    assert_eq!(wrong(&|s| s.media.swap(0, 1)), BadSummary::Media);
    assert_eq!(wrong(&|s| s.media[0].media = "wav".into()), BadSummary::Media);
    assert_eq!(wrong(&|s| s.columns.push(s.columns[0].clone())), BadSummary::ColumnOrder);
    assert_eq!(wrong(&|s| s.columns[0].file = "../x".into()), BadSummary::Path(BadPath::DotSegment));
    assert_eq!(wrong(&|s| s.columns[0].names = vec![String::new(); 257]), BadSummary::TooManyColumns);
    assert_eq!(wrong(&|s| s.columns[0].names = vec!["x".repeat(257)]), BadSummary::TooManyColumns);
    let other = FileList::from_entries(vec![sized("a", 1)]).unwrap();
    assert_eq!(good.matches(&other), Err(BadSummary::OtherList));
    let columns = vec![Columns { file: "empty.txt".into(), names: Vec::new() }];
    assert_eq!(Summary::of(&file_list(), columns), Err(BadSummary::OtherColumns));
}

#[test]
fn a_listing_keeps_its_rules() {
    // CAT-1.2, CAT-1.3, CAT-1.4, CAT-1.5, CAT-1.6, CAT-1.7
    let good = listing();
    good.validate().unwrap();
    let wrong = |change: &dyn Fn(&mut Listing)| {
        let mut listing = good.clone();
        change(&mut listing);
        assert!(listing.check().is_err() && sign_compact(&listing, 1, &key(21)).is_err());
        listing.validate().unwrap_err()
    };
    assert_eq!(
        wrong(&|l| l.dataset = "urn:dxp:0123456789ABCDEF0123456789abcdef".into()),
        BadListing::Dataset
    );
    assert_eq!(wrong(&|l| l.version = 0), BadListing::Version);
    assert_eq!(wrong(&|l| l.version = 1 << 53), BadListing::Version);
    assert_eq!(wrong(&|l| l.title = Title { en: None, ko: None }), BadListing::Title);
    assert_eq!(wrong(&|l| l.title.ko = Some(" ".into())), BadListing::Title);
    assert_eq!(wrong(&|l| l.title.en = Some("x\u{202e}y".into())), BadListing::Title);
    assert_eq!(wrong(&|l| l.policy["target"] = "urn:x".into()), BadListing::Policy);
    assert_eq!(wrong(&|l| l.policy["@type"] = "Agreement".into()), BadListing::Policy);
    assert_eq!(wrong(&|l| l.facts = Value::Null), BadListing::Facts);
    assert_eq!(wrong(&|l| l.valid_to = l.valid_from), BadListing::Validity);
    assert_eq!(wrong(&|l| l.summary.files += 1), BadListing::Summary(BadSummary::Totals));
    assert!(!is_dataset_id("urn:dxp:0") && !is_dataset_id("urn:xxx:0123456789abcdef0123456789abcdef"));
}

#[test]
fn a_listing_holds_for_its_time() {
    // CAT-2.2
    let listing = listing();
    assert_eq!(listing.holds_at(NOW - 1), Err(BadListing::NotYet { from: NOW }));
    assert_eq!(listing.holds_at(NOW), Ok(()));
    assert_eq!(listing.holds_at(NOW + 86_399), Ok(()));
    let ended = listing.holds_at(NOW + 86_400).unwrap_err();
    assert_eq!((ended.code(), ended), (Code::ListingExpired, BadListing::Ended { to: NOW + 86_400 }));
}

// ---- windows

/// A hundred MiB in one file, and the hashes that its chunks might have.
fn hundred() -> (FileList, Vec<ChunkHash>) {
    let hashes: Vec<_> = (0..25_u8).map(|n| ChunkHash([n; 32])).collect();
    let mut file = sized("big", 100 << 20);
    file.chunks = digest_of(&hashes);
    (FileList::from_entries(vec![file]).unwrap(), hashes)
}

fn acknowledge(
    ledger: &mut WindowLedger,
    list: &FileList,
    hashes: &[ChunkHash],
    ack: &WindowAck,
) -> Result<Acknowledged, BadWindow> {
    let mut reached = ledger.digest().clone();
    if let Some(chunks) = ledger.needs(list, ack)? {
        let (from, to) = (usize::try_from(chunks.start).unwrap(), usize::try_from(chunks.end).unwrap());
        hashes[from..to].iter().for_each(|hash| reached.push(hash));
    }
    ledger.acknowledge(list, ack, reached)
}

#[test]
fn no_chunk_beyond_two_windows_is_served() {
    // TRF-8.3: a window is two chunks here.
    let (list, hashes) = hundred();
    let mut ledger = WindowLedger::new();
    let chunk = |n: u64| n * CHUNK_BYTES..(n + 1) * CHUNK_BYTES;
    for _ in 0..3 {
        assert_eq!(ledger.admit(&list, 0, &chunk(3)), Ok(3..4), "the same chunk counts once");
    }
    assert_eq!(ledger.admit(&list, 0, &(0..4 * CHUNK_BYTES)), Ok(0..4));
    let beyond = Err(BadWindow::Exceeded { chunk: 4, limit: 4 });
    assert_eq!(ledger.admit(&list, 0, &(0..4 * CHUNK_BYTES + 1)), beyond);
    assert_eq!(ledger.admit(&list, 0, &chunk(24)), Err(BadWindow::Exceeded { chunk: 24, limit: 4 }));
    assert_eq!(ledger.admit(&list, 0, &chunk(25)), Err(BadWindow::NoSuchRange));
    let ack = |window| WindowAck::of(&transfer(), &progress(&list, &hashes, window), NOW);
    assert_eq!(acknowledge(&mut ledger, &list, &hashes, &ack(1)), Ok(Acknowledged::Advanced));
    assert_eq!(ledger.admit(&list, 0, &chunk(5)), Ok(5..6));
    assert!(ledger.admit(&list, 0, &chunk(6)).is_err());
    assert_eq!(ledger.admit(&list, 0, &chunk(0)), Ok(0..1), "what is signed for may be read again");
    // The last window is a single chunk.
    assert_eq!(acknowledge(&mut ledger, &list, &hashes, &ack(12)), Ok(Acknowledged::Advanced));
    assert!(!ledger.is_complete(&list));
    assert_eq!(acknowledge(&mut ledger, &list, &hashes, &ack(13)), Ok(Acknowledged::Advanced));
    assert!(ledger.is_complete(&list));
    assert_eq!(ledger.last(), WindowProgress { chunks: 25, digest: digest_of(&hashes), window: 13 });
}

#[test]
fn acknowledgements_are_cumulative_and_only_the_last_is_kept() {
    // TRF-8.6, TRF-8.7
    let (list, hashes) = hundred();
    let mut ledger = WindowLedger::new();
    let ack = |window| WindowAck::of(&transfer(), &progress(&list, &hashes, window), NOW);
    let mut take = |ack: &WindowAck| acknowledge(&mut ledger, &list, &hashes, ack);
    assert_eq!(take(&ack(3)), Ok(Acknowledged::Advanced));
    for window in [3, 2, 1] {
        assert_eq!(take(&ack(window)), Ok(Acknowledged::Repeated));
    }
    let wrong = |change: &dyn Fn(&mut WindowAck)| {
        let mut ack = ack(4);
        change(&mut ack);
        ack
    };
    assert_eq!(take(&wrong(&|a| a.digest = Digest::of(b"x"))), Err(BadWindow::OtherDigest));
    assert_eq!(take(&wrong(&|a| a.chunks += 1)), Err(BadWindow::NotAWindow));
    assert_eq!(take(&wrong(&|a| a.chunks -= 1)), Err(BadWindow::NotAWindow));
    assert_eq!(take(&wrong(&|a| (a.window, a.chunks) = (3, 5))), Err(BadWindow::NotAWindow));
    assert_eq!(take(&wrong(&|a| (a.window, a.chunks) = (14, 26))), Err(BadWindow::NotAWindow));
    assert_eq!(take(&wrong(&|a| (a.window, a.chunks) = (u64::MAX, u64::MAX))), Err(BadWindow::NotAWindow));
    let mut contradicting = ack(3);
    contradicting.digest = Digest::of(b"x");
    assert_eq!(take(&contradicting), Err(BadWindow::OtherDigest));
    let mut reached = ledger.digest().clone();
    reached.push(&hashes[6]);
    assert_eq!(ledger.acknowledge(&list, &ack(4), reached), Err(BadWindow::WrongHashes));
    assert_eq!(ledger.last().window, 3, "a refusal changes nothing");
}

#[test]
fn a_ledger_goes_on_from_the_last_acknowledgement() {
    let (list, hashes) = hundred();
    let mut reached = ChunksDigest::new();
    hashes[..6].iter().for_each(|hash| reached.push(hash));
    let last = progress(&list, &hashes, 3);
    let mut ledger = WindowLedger::resume(&last, reached.clone()).unwrap();
    assert_eq!(ledger.last(), last);
    let ack = WindowAck::of(&transfer(), &progress(&list, &hashes, 5), NOW);
    assert_eq!(acknowledge(&mut ledger, &list, &hashes, &ack), Ok(Acknowledged::Advanced));
    let other = WindowProgress { digest: Digest::of(b"x"), ..last };
    assert_eq!(WindowLedger::resume(&other, reached).unwrap_err(), BadWindow::OtherDigest);
    assert_eq!(WindowLedger::resume(&last, ChunksDigest::new()).unwrap_err(), BadWindow::WrongHashes);
}

#[test]
fn an_acknowledgement_belongs_to_one_transfer() {
    // TRF-8.5
    let (list, hashes) = hundred();
    let good = WindowAck::of(&transfer(), &progress(&list, &hashes, 1), NOW);
    good.belongs_to(&transfer()).unwrap();
    let wrong = |change: &dyn Fn(&mut Transfer)| {
        let mut transfer = transfer();
        change(&mut transfer);
        assert_eq!(good.belongs_to(&transfer), Err(BadWindow::OtherTransfer));
    };
    wrong(&|t| t.consumer = did(3));
    wrong(&|t| t.provider = did(3));
    wrong(&|t| t.exchange = Id([0; 16]));
    wrong(&|t| t.provider_pid.push('x'));
    wrong(&|t| t.agreement = Digest::of(b"x"));
    let none = WindowAck { window: 0, ..good.clone() };
    assert!(none.check().is_err());
    assert!(WindowAck { window: 3, chunks: 2, ..good }.check().is_err(), "a window has a chunk at least");
}

// ---- receipts and capabilities

fn expected() -> Expected {
    let pid = "urn:uuid:1b8a1e55-9a53-4d7e-8c5e-8f4a40a86c2e".into();
    Expected::new(pid, transfer().provider_pid, transfer().agreement, root(), &summary())
}

fn capability() -> Capability {
    Capability {
        agreement: transfer().agreement,
        aud: did(1),
        exp: NOW + limits::CAPABILITY_SECONDS,
        iss: did(2),
        transfer: transfer().provider_pid,
        v: V1,
    }
}

#[test]
fn a_receipt_says_what_it_must() {
    // TRF-9.1, TRF-9.3
    let receipt = DataReceipt::of(&expected(), NOW);
    let text = serde_json::to_vec(&receipt).unwrap();
    let read = DataReceipt::parse(&text).unwrap();
    assert_eq!(read, receipt);
    read.check(&expected()).unwrap();
    let wrong = |change: &dyn Fn(&mut DataReceipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        receipt.check(&expected()).unwrap_err()
    };
    assert_eq!(wrong(&|r| r.consumer_pid.push('x')), BadReceipt::OtherTransfer);
    assert_eq!(wrong(&|r| r.provider_pid.push('x')), BadReceipt::OtherTransfer);
    assert_eq!(wrong(&|r| r.agreement = root()), BadReceipt::OtherAgreement);
    assert_eq!(wrong(&|r| r.content_root = Digest::of(b"")), BadReceipt::OtherContent);
    assert_eq!(wrong(&|r| r.files = 1), BadReceipt::OtherCount { files: 1, bytes: receipt.bytes });
    assert_eq!(wrong(&|r| r.bytes = 1).code(), Code::ReceiptInvalid);
    let mut value = serde_json::to_value(&receipt).unwrap();
    for (member, other) in
        [("@type", json!("Receipt")), ("v", json!(2)), ("extra", json!(1)), ("files", json!("5"))]
    {
        let before = value.get(member).cloned();
        value[member] = other;
        assert!(DataReceipt::parse(value.to_string().as_bytes()).is_err(), "{member}");
        match before {
            Some(before) => value[member] = before,
            None => drop(value.as_object_mut().unwrap().remove(member)),
        }
    }
}

#[test]
fn a_capability_opens_one_transfer_for_its_time() {
    // TRF-7.1, TRF-7.3
    let good = capability();
    assert_eq!(good.check(&transfer(), NOW), Ok(()));
    assert_eq!(good.check(&transfer(), good.exp - 1), Ok(()));
    let expired = BadCapability::Expired { exp: good.exp };
    assert_eq!(good.check(&transfer(), good.exp), Err(expired));
    assert_eq!(good.check(&transfer(), NOW - 1), Err(BadCapability::TooLong));
    let other = |transfer: Transfer| good.check(&transfer, NOW).unwrap_err();
    assert_eq!(other(Transfer { agreement: root(), ..transfer() }), BadCapability::OtherTransfer);
    assert_eq!(other(Transfer { provider_pid: "x".into(), ..transfer() }), BadCapability::OtherTransfer);
    assert_eq!(other(Transfer { consumer: did(3), ..transfer() }), BadCapability::OtherParty);
    assert_eq!(other(Transfer { provider: did(3), ..transfer() }), BadCapability::OtherParty);
    assert_eq!(
        (expired.code(), BadCapability::OtherParty.code()),
        (Code::CapabilityExpired, Code::CapabilityInvalid)
    );
}
