//! The data plane from a published folder to a fetched one: round trips, corruption, lies, restarts, windows, full disks
//! (spec chapter 07, TRF-6 to TRF-8; chapter 04, CAT-4 to CAT-6). The transport is a call; faults are injected there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod loopback;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use hyper::body::Bytes;

use crate::loopback::{
    CHUNK, Faults, Loopback, Seen, Temp, check_out, fetch_from, hangs, key, noise, options, parties,
    publish_quietly, sample, write,
};
use naru::data::{
    Part,
    buffers::Buffers,
    capability::{self, CapabilityError, LastChecked},
    fetch::{FetchError, FetchEvent, Wanted, fetch},
    part,
    publish::{PublishError, PublishEvent, PublishOptions, publish},
    ranges::{RangeError, RangeSource},
    serve::{ServeError, Serving},
    source::{self, Source, SourceError},
};
use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{BadFileList, CHUNK_BYTES, FileEntry, FileList, MAX_FILE_LIST_BYTES},
    identity::{Did, KeyRing, KeySet, verify_key_set},
    json::V1,
    jws::sign_compact,
    listing::{Summary, content_root},
    receipt::BadCapability,
    signature::SigningKey,
    window::{BadWindow, Transfer, WindowProgress},
};

/// Set in the child process of the test of full disks.
const CHILD: &str = "NARU_TEST_DISK_FULL";

// ---- whole transfers

#[tokio::test(flavor = "multi_thread")]
async fn four_kinds_of_files_of_every_length_arrive() {
    // CAT-5.1, TRF-6.9, TRF-8.6
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    let published = publish_quietly(&temp.join("data"), &temp.join("index"));
    let summary = &published.summary;
    let media: Vec<_> = summary.media.iter().map(|total| (total.media.as_str(), total.files)).collect();
    let expected = [
        ("application/json", 1),
        ("application/octet-stream", 1),
        ("audio/wav", 3),
        ("image/png", 1),
        ("text/csv", 1),
        ("text/plain", 1),
    ];
    assert_eq!(media, expected);
    assert_eq!(summary.columns[0].names, ["id", "이름"]);

    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let seen = Arc::new(Seen::default());
    let fetched = fetch_from(&provider, &temp.join("out"), &seen).await.unwrap();
    check_out(&temp.join("out"), &files);
    assert_eq!((fetched.files, fetched.bytes), (summary.files, summary.bytes));
    assert_eq!(fetched.content_root, published.content_root);
    assert!(provider.serving.is_complete());
    assert_eq!(provider.chunks_asked() as u64, provider.serving.source().list().chunks(), "none twice");

    // Until the receipt is durable a repetition finds everything placed and asks for nothing.
    assert!(temp.join("out/.naru-part").exists());
    let again = fetch_from(&provider, &temp.join("out"), &seen).await.unwrap();
    assert_eq!(again, fetched);
    part::discard(&temp.join("out"), &fetched.content_root).unwrap();
    assert!(!temp.join("out/.naru-part").exists());
    check_out(&temp.join("out"), &files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_and_an_empty_one_are_datasets() {
    let temp = Temp::new();
    for (name, bytes) in [("a.csv", b"x,y\n1,2\n".to_vec()), ("nothing", Vec::new())] {
        write(&temp.0, name, &bytes);
        let index = temp.join(&format!("{name}.index"));
        publish_quietly(&temp.join(name), &index);
        let provider = Loopback::new(&index, Faults::default());
        let out = temp.join(&format!("{name}.out"));
        fetch_from(&provider, &out, &Arc::default()).await.unwrap();
        assert_eq!(fs::read(out.join(name)).unwrap(), bytes);
        assert!(provider.serving.is_complete());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_off_are_asked_again() {
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let provider = Loopback::new(&temp.join("index"), Faults { break_every: 3, ..Faults::default() });
    let seen = Arc::new(Seen::default());
    fetch_from(&provider, &temp.join("out"), &seen).await.unwrap();
    check_out(&temp.join("out"), &files);
    assert!(seen.corrupt.lock().unwrap().is_empty(), "a broken line is no corruption");
}

// ---- corruption

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_flipped_on_the_way_is_fetched_again_alone() {
    // TRF-6.6
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    // File 2 in list order is audio/more.wav; file 7 is table.csv, with the one chunk that has no list.
    for (file, path, chunk) in [(2, "audio/more.wav", 1), (7, "table.csv", 0)] {
        let faults = Faults { flip: Some((file, chunk, AtomicU32::new(1))), ..Faults::default() };
        let provider = Loopback::new(&temp.join("index"), faults);
        let seen = Arc::new(Seen::default());
        let out = temp.join(&format!("out{file}"));
        fetch_from(&provider, &out, &seen).await.unwrap();
        check_out(&out, &files);
        assert_eq!(*seen.corrupt.lock().unwrap(), [(path.to_owned(), chunk)]);
        assert_eq!(provider.times_asked(Part::File(file), chunk * CHUNK_BYTES), 2);
        assert_eq!(provider.chunks_asked() as u64, provider.serving.source().list().chunks() + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_stays_wrong_ends_with_its_name() {
    // TRF-6.6: after so many tries, and no file gets its name.
    let temp = Temp::new();
    sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let faults = Faults { flip: Some((2, 1, AtomicU32::new(u32::MAX))), ..Faults::default() };
    let provider = Loopback::new(&temp.join("index"), faults);
    let error = fetch_from(&provider, &temp.join("out"), &Arc::default()).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::SourceCorrupt { path, chunk: 1 } if path == "audio/more.wav"),
        "{error}"
    );
    assert!(!error.is_resumable());
    assert_eq!(provider.times_asked(Part::File(2), CHUNK_BYTES), naru_protocol::limits::CHUNK_TRIES as usize);
    let names: Vec<_> =
        fs::read_dir(temp.join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [".naru-part"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_or_vanished_stops_with_its_name() {
    // TRF-6.4, TRF-6.5, CAT-6.3
    let temp = Temp::new();
    let mut files = sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let wav = files.get_mut("audio/less.wav").unwrap();
    wav[CHUNK + 5] ^= 0x80;
    write(&temp.join("data"), "audio/less.wav", wav);
    fs::remove_file(temp.join("data/one.bin")).unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let source = provider.serving.source();
    let read = source.read(Part::File(1), Some(CHUNK_BYTES..CHUNK_BYTES + 1)).await;
    assert!(matches!(read, Err(SourceError::Changed { path, chunk: 1 }) if path == "audio/less.wav"));
    // What is not damaged is still served, byte by byte.
    let mut reading = source.read(Part::File(1), Some(3..17)).await.unwrap();
    assert_eq!(reading.stream.next().await.unwrap().unwrap(), wav[3..17]);
    // A longer range yields the good chunk, then the error, then nothing.
    let reading = source.read(Part::File(1), Some(0..2 * CHUNK_BYTES - 1)).await.unwrap();
    let yielded: Vec<_> = reading.stream.collect().await;
    assert!(matches!(&yielded[..], [Ok(_), Err(SourceError::Changed { .. })]));
    let missing = source.read(Part::File(6), Some(0..1)).await;
    assert!(matches!(missing, Err(SourceError::Missing { path }) if path == "one.bin"));
    // Cut short counts as changed.
    fs::write(temp.join("data/one.bin"), b"short").unwrap();
    let short = source.read(Part::File(6), Some(0..1)).await;
    assert!(matches!(short, Err(SourceError::Changed { chunk: 0, .. })));

    // And so does more of it, though what was published is still there.
    let mut longer = files["meta.json"].clone();
    longer.push(1);
    write(&temp.join("data"), "meta.json", &longer);
    let grown = source.read(Part::File(5), Some(0..1)).await;
    assert!(
        matches!(&grown, Err(SourceError::Changed { path, chunk: 0 }) if path == "meta.json"),
        "{:?}",
        grown.err()
    );
    write(&temp.join("data"), "meta.json", &files["meta.json"]);

    // TRF-6.11: the fetch ends with what the provider said and the name of the file, whichever comes first.
    let seen = Arc::new(Seen::default());
    let error = fetch_from(&provider, &temp.join("out"), &seen).await.unwrap_err();
    assert!(!error.is_resumable());
    assert_eq!(error.code(), Code::SourceChanged);
    let FetchError::SourceFault { path, chunk, .. } = error else { panic!("{error}") };
    assert!([("audio/less.wav", 1), ("one.bin", 0)].contains(&(path.as_str(), chunk)));
    let tries = seen.corrupt.lock().unwrap().iter().filter(|(p, c)| (p, *c) == (&path, chunk)).count();
    assert_eq!(tries, naru_protocol::limits::CHUNK_TRIES as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_mended_in_time_arrives() {
    // TRF-6.11: asked again as often as for a wrong chunk.
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let (path, bytes) = (temp.join("data/one.bin"), files["one.bin"].clone());
    fs::remove_file(&path).unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let source = provider.serving.source();
    let wanted = Wanted { content_root: source.content_root(), summary: source.summary().clone() };
    let faults = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&faults);
    let on_event = move |event: FetchEvent<'_>| {
        if let FetchEvent::Corrupt { path: "one.bin", tries, .. } = event {
            seen.store(tries, Ordering::SeqCst);
            if tries == 3 {
                fs::write(&path, &bytes).unwrap();
            }
        }
    };
    let out = temp.join("out");
    fetch(Arc::clone(&provider), &wanted, &out, options(), Arc::new(on_event)).await.unwrap();
    check_out(&out, &files);
    assert_eq!(faults.load(Ordering::SeqCst), 3);
    assert_eq!(provider.times_asked(Part::File(6), 0), 4);
}

// ---- lies

/// A publication whose file list was made by somebody else.
fn lie(temp: &Temp, change: impl FnOnce(&mut Vec<FileEntry>)) -> (Arc<Loopback>, Wanted) {
    write(&temp.join("data"), "a.bin", &noise(CHUNK + 9, 1));
    write(&temp.join("data"), "b.bin", &noise(1000, 2));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let honest = Source::open(&temp.join("index"), Buffers::new(4)).unwrap();
    let mut entries = honest.list().entries().to_vec();
    change(&mut entries);
    let (bytes, files) = (entries.iter().map(|entry| entry.size).sum(), entries.len() as u64);
    let mut text = Vec::new();
    for entry in &entries {
        text.extend_from_slice(&serde_json::to_vec(entry).unwrap());
        text.push(b'\n');
    }
    let mut summary = honest.summary().clone();
    (summary.bytes, summary.files) = (bytes, files);
    (summary.media[0].bytes, summary.media[0].files) = (bytes, files);
    let content_root = content_root(&summary.digest().unwrap(), &Digest::of(&text)).unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults { list: Some(text), ..Faults::default() });
    (provider, Wanted { content_root, summary })
}

async fn fetch_lie(change: impl FnOnce(&mut Vec<FileEntry>)) -> FetchError {
    let temp = Temp::new();
    let (provider, wanted) = lie(&temp, change);
    let out = temp.join("out");
    let error = fetch(provider, &wanted, &out, options(), Arc::new(|_| {})).await.unwrap_err();
    assert!(!out.join("b.bin").exists() && !temp.join("x").exists());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lies_is_found_out() {
    // TRF-6.2: another list than the agreed one is not even read.
    let temp = Temp::new();
    let (provider, mut wanted) = lie(&temp, |_| {});
    wanted.content_root = Digest::of(b"agreed otherwise");
    let error =
        fetch(provider.clone(), &wanted, &temp.join("out"), options(), Arc::new(|_| {})).await.unwrap_err();
    assert!(matches!(error, FetchError::OtherContent));
    assert_eq!(provider.chunks_asked(), 0);

    // TRF-6.9: agreed, but untrue.
    let error = fetch_lie(|entries| entries[0].sha256 = Digest::of(b"else")).await;
    assert!(matches!(error, FetchError::FileDigest { path } if path == "a.bin"));
    let error = fetch_lie(|entries| entries[0].size += 1).await;
    assert!(matches!(error, FetchError::SourceCorrupt { path, chunk: 1 } if path == "a.bin"));
    let error = fetch_lie(|entries| entries[0].size += 2 * CHUNK_BYTES).await;
    assert!(matches!(error, FetchError::ChunkList { path } if path == "a.bin"));
    let error = fetch_lie(|entries| entries[0].size -= 1).await;
    assert!(matches!(error, FetchError::SourceCorrupt { path, chunk: 1 } if path == "a.bin"));
    let error = fetch_lie(|entries| entries[0].chunks = Digest::of(b"else")).await;
    assert!(matches!(error, FetchError::ChunkList { path } if path == "a.bin"));
    let error = fetch_lie(|entries| entries[1].chunks = Digest::of(b"else")).await;
    assert!(matches!(error, FetchError::SourceCorrupt { path, chunk: 0 } if path == "b.bin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_ten_million_files_is_given_up_at_the_limit() {
    // CAT-4.7, TRF-6.2: as it is said, and as it comes.
    let temp = Temp::new();
    let (_, wanted) = lie(&temp, |_| {});
    let line = b"{\"chunks\":\"x\"}\n";
    let list = line.repeat(MAX_FILE_LIST_BYTES / line.len() + 1);
    let provider = Loopback::new(&temp.join("index"), Faults { list: Some(list), ..Faults::default() });
    let ask = async |wanted: &Wanted| {
        fetch(provider.clone(), wanted, &temp.join("out"), options(), Arc::new(|_| {})).await.unwrap_err()
    };
    let error = ask(&wanted).await;
    assert!(matches!(error, FetchError::FileList(BadFileList::TooLong)), "{error}");
    let mut many = wanted.clone();
    (many.summary.files, many.summary.media[0].files) = (10_000_000, 10_000_000);
    let error = ask(&many).await;
    assert_eq!(error.code().side(), naru_protocol::error::Side::Peer, "{error}");
    assert_eq!(provider.chunks_asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_out_of_the_folder_are_refused() {
    // TRF-6.8, CAT-4.4
    for name in ["../x", "/tmp/x", "a/../../x", "a\\x"] {
        let error = fetch_lie(|entries| entries[0].path = name.to_owned()).await;
        assert_eq!(error.code(), Code::PathRefused, "{name}: {error}");
    }
    let error = fetch_lie(|entries| entries[0].path = ".naru-part/x".to_owned()).await;
    assert!(matches!(error, FetchError::Name { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_not_overwritten() {
    let temp = Temp::new();
    sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    write(&temp.join("out"), "one.bin", b"mine");
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let error = fetch_from(&provider, &temp.join("out"), &Arc::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }));
    assert_eq!((provider.chunks_asked(), fs::read(temp.join("out/one.bin")).unwrap()), (0, b"mine".to_vec()));
}

// ---- restarts

#[tokio::test(flavor = "multi_thread")]
async fn after_an_abort_only_what_was_in_flight_is_fetched_again() {
    // TRF-6.7, TRF-6.10
    let temp = Temp::new();
    write(&temp.join("data"), "big.bin", &noise(40 * CHUNK + 77, 1));
    write(&temp.join("data"), "c.bin", &noise(500, 2));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let total = 42;
    let hanging = Loopback::new(&temp.join("index"), Faults { hang_after: Some(20), ..Faults::default() });
    let seen = Arc::new(Seen::default());
    hangs(&hanging, &temp.join("out"), &seen).await;
    let written = seen.written.load(Ordering::SeqCst);
    assert!(written > 5, "{written}");

    // The same provider, still with its windows.
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let again = Arc::new(Seen::default());
    fetch_from(&provider, &temp.join("out"), &again).await.unwrap();
    assert_eq!(provider.chunks_asked(), total - written, "what was written is not asked for again");
    let (resumed, found) = (again.resumed.load(Ordering::SeqCst), again.found.load(Ordering::SeqCst));
    assert_eq!(resumed + found, written);
    assert!(fs::read(temp.join("out/big.bin")).unwrap() == fs::read(temp.join("data/big.bin")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_in_an_unfinished_transfer_is_fetched_again() {
    // TRF-6.10
    let temp = Temp::new();
    write(&temp.join("data"), "big.bin", &noise(20 * CHUNK, 1));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let hanging = Loopback::new(&temp.join("index"), Faults { hang_after: Some(15), ..Faults::default() });
    hangs(&hanging, &temp.join("out"), &Arc::default()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let root = hanging.serving.source().content_root();
    let kept = temp.join("out/.naru-part").join(root.to_string()).join("files/0");
    let mut bytes = fs::read(&kept).unwrap();
    bytes[CHUNK + 3] ^= 4;
    fs::write(&kept, bytes).unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    fetch_from(&provider, &temp.join("out"), &Arc::default()).await.unwrap();
    assert!(fs::read(temp.join("out/big.bin")).unwrap() == fs::read(temp.join("data/big.bin")).unwrap());
    assert_eq!(provider.times_asked(Part::File(0), CHUNK_BYTES), 1);
    assert_eq!(provider.times_asked(Part::File(0), 0), 0);
}

// ---- windows

#[tokio::test(flavor = "multi_thread")]
async fn two_windows_may_be_open_and_no_third() {
    // TRF-8.3
    let temp = Temp::new();
    write(&temp.join("data"), "big.bin", &noise(40 * CHUNK, 1));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    // 160 MiB: a window is 10 MiB, three chunks.
    let deaf =
        Loopback::new(&temp.join("index"), Faults { deaf: AtomicBool::new(true), ..Faults::default() });
    let seen = Arc::new(Seen::default());
    hangs(&deaf, &temp.join("out"), &seen).await;
    assert_eq!(
        (deaf.chunks_asked(), seen.written.load(Ordering::SeqCst)),
        (6, 6),
        "the consumer stops by itself"
    );

    let chunk = |number: u64| Some(number * CHUNK_BYTES..(number + 1) * CHUNK_BYTES);
    for number in [5, 0, 5] {
        deaf.serving.read(Part::File(0), chunk(number)).await.unwrap();
    }
    for range in [chunk(6), chunk(39), Some(0..6 * CHUNK_BYTES + 1), None] {
        let refused = deaf.serving.read(Part::File(0), range).await.unwrap_err();
        assert!(matches!(refused, ServeError::Window(BadWindow::Exceeded { limit: 6, .. })), "{refused}");
        assert_eq!(refused.code(), Code::WindowExceeded);
    }
    deaf.faults.deaf.store(false, Ordering::SeqCst);
    let hashes = deaf.serving.source().hashes(&(0..6)).unwrap();
    let mut digest = naru_protocol::filelist::ChunksDigest::new();
    hashes.iter().for_each(|hash| digest.push(hash));
    let progress = WindowProgress { chunks: 6, digest: digest.digest(), window: 2 };
    let wrong = WindowProgress { digest: Digest::of(b"else"), ..progress };
    assert!(matches!(deaf.acknowledge(wrong).await, Err(RangeError::Refused { status: 400, .. })));
    deaf.acknowledge(progress).await.unwrap();
    deaf.serving.read(Part::File(0), chunk(11)).await.unwrap();
    assert!(deaf.serving.read(Part::File(0), chunk(12)).await.is_err());

    // After a restart the last acknowledgement is all there is to know.
    let source = Arc::clone(deaf.serving.source());
    let again = Serving::new(source, parties(), Some(&deaf.serving.last())).unwrap();
    again.read(Part::File(0), chunk(11)).await.unwrap();
    assert!(again.read(Part::File(0), chunk(12)).await.is_err());
}

// ---- full disks

#[test]
fn a_full_disk_ends_resumably() {
    if let Ok(folder) = std::env::var(CHILD) {
        return fetch_on_a_full_disk(Path::new(&folder));
    }
    let temp = Temp::new();
    write(&temp.join("data"), "big.bin", &noise(10 * CHUNK, 1));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    // No file of the child may exceed 22 MiB: the sixth chunk does not fit. The signal that says so is ignored.
    let limit = "trap '' XFSZ; ulimit -f 45056; exec \"$0\" --exact a_full_disk_ends_resumably --nocapture";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", limit]).arg(std::env::current_exe().unwrap()).env(CHILD, &temp.0);
    let child = shell.output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let seen = Arc::new(Seen::default());
    runtime.block_on(fetch_from(&provider, &temp.join("out"), &seen)).unwrap();
    assert!(fs::read(temp.join("out/big.bin")).unwrap() == fs::read(temp.join("data/big.bin")).unwrap());
    assert!(provider.chunks_asked() < 10, "what fitted is not fetched again");
}

fn fetch_on_a_full_disk(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let provider = Loopback::new(&folder.join("index"), Faults::default());
    let error = runtime.block_on(fetch_from(&provider, &folder.join("out"), &Arc::default())).unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { .. }), "{error}");
    assert!(error.is_resumable());
    assert_eq!(error.code(), Code::DiskFull);
}

// ---- memory

/// Both sides in one process; as a child with the number of GiB, it prints its peak in KiB.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "writes 9 GiB"]
fn peak_memory_does_not_grow_with_the_data() {
    let field = |name: &str| -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    if let Ok(gib) = std::env::var(CHILD) {
        let temp = Temp::new();
        fs::create_dir_all(temp.join("data")).unwrap();
        let file = fs::File::create(temp.join("data/sparse.bin")).unwrap();
        file.set_len(gib.parse::<u64>().unwrap() << 30).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let idle = field("VmRSS:");
        publish_quietly(&temp.join("data"), &temp.join("index"));
        let published = field("VmHWM:");
        let provider = Loopback::new(&temp.join("index"), Faults::default());
        let start = std::time::Instant::now();
        runtime.block_on(fetch_from(&provider, &temp.join("out"), &Arc::default())).unwrap();
        eprintln!("{gib} GiB fetched in {:?}; idle {idle} KiB, published {published} KiB", start.elapsed());
        println!("peak {} over {idle}", field("VmHWM:"));
        return;
    }
    let peak = |gib: &str| -> (u64, u64) {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "peak_memory_does_not_grow_with_the_data", "--ignored", "--nocapture"]);
        let output = child.env(CHILD, gib).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
        let (_, numbers) = text.split_once("peak ").unwrap();
        let (peak, idle) = numbers.lines().next().unwrap().split_once(" over ").unwrap();
        (peak.parse().unwrap(), idle.parse().unwrap())
    };
    let ((small, _), (large, idle)) = (peak("1"), peak("8"));
    assert!(large * 10 <= small * 11, "{small} KiB for 1 GiB, {large} KiB for 8 GiB");
    // Twice 64 MiB, since both sides are in the process.
    assert!(large <= idle + 2 * 65_536, "{large} KiB over {idle} KiB");
}

// ---- publishing

#[test]
fn what_cannot_be_published_is_named() {
    let temp = Temp::new();
    let data = temp.join("data");
    fs::create_dir_all(&data).unwrap();
    let publish = |name: &str| publish(&data, &temp.join(name), &PublishOptions::default(), &mut |_| {});
    assert!(matches!(publish("i0"), Err(PublishError::Nothing { .. })));
    write(&data, "a/one.txt", b"one");
    write(&temp.0, "outside.txt", b"secret");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(temp.join("outside.txt"), data.join("link")).unwrap();
        assert!(matches!(publish("i1"), Err(PublishError::Symlink { path }) if path.ends_with("link")));
        fs::remove_file(data.join("link")).unwrap();
        symlink("..", data.join("a/up")).unwrap();
        assert!(matches!(publish("i1"), Err(PublishError::Symlink { .. })), "folders are not followed");
        fs::remove_file(data.join("a/up")).unwrap();
        symlink("a/one.txt", data.join("two.txt")).unwrap();
        let bad = std::process::Command::new("mkfifo").arg(data.join("pipe")).status();
        if bad.is_ok_and(|status| status.success()) {
            assert!(matches!(publish("i1"), Err(PublishError::NotAFile { path }) if path.ends_with("pipe")));
            fs::remove_file(data.join("pipe")).unwrap();
        }
        write(&data, "back\\slash", b"");
        assert!(matches!(publish("i1"), Err(PublishError::Name { .. })));
        fs::remove_file(data.join("back\\slash")).unwrap();
    }
    // The folder of a node, whosever, wherever in the data: keys would go to everybody.
    write(&data, "old/copy/keys/root.key", b"seed");
    assert!(!matches!(publish("i0b"), Err(PublishError::Keys { .. })), "a folder named so is none of a node");
    write(&data, "old/copy/identity/participant.jws", b"a.b.c");
    assert!(matches!(publish("i1"), Err(PublishError::Keys { path }) if path.ends_with("old/copy")));
    let key = data.join("old/copy/keys/root.key");
    let only = naru::data::publish::publish(&key, &temp.join("i1"), &PublishOptions::default(), &mut |_| {});
    assert!(
        matches!(only, Err(PublishError::Keys { path }) if path.ends_with("old/copy")),
        "nor one of its keys"
    );
    fs::remove_dir_all(data.join("old")).unwrap();
    assert!(!temp.join("i1").exists() && !temp.join("i1.building").exists());
    let published = publish("i1").unwrap();
    assert!(matches!(publish("i1"), Err(PublishError::Exists { .. })));
    assert_eq!(publish("i2").unwrap(), published, "the same files give the same content root");
}

#[test]
fn what_was_changed_since_is_found_by_size_and_time() {
    let temp = Temp::new();
    sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let stale = || source::stale(&temp.join("index"), &mut 100).unwrap();
    assert_eq!(stale(), None);
    let path = temp.join("data/one.bin");
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
    assert_eq!(stale(), Some(source::Stale::Changed("one.bin".into())), "written to after it was published");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert_eq!(stale(), None);
    file.set_len(2).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert_eq!(stale(), Some(source::Stale::Changed("one.bin".into())));
    fs::remove_file(path).unwrap();
    assert_eq!(stale(), Some(source::Stale::Gone("one.bin".into())));
    // A check that has looked at enough looks no further.
    let mut left = 1;
    assert_eq!(source::stale(&temp.join("index"), &mut left).unwrap(), None);
    assert_eq!(left, 0);
}

#[test]
fn a_file_that_changes_while_it_is_published_is_named() {
    // CAT-4.8
    let temp = Temp::new();
    for change in ["grow", "rewrite", "replace"] {
        let data = temp.join(change);
        write(&data, "a.bin", &noise(3 << 20, 1));
        let path = data.join("a.bin");
        let mut changed = false;
        let mut on_event = |event: PublishEvent<'_>| {
            if matches!(event, PublishEvent::Hashed { .. }) && !std::mem::replace(&mut changed, true) {
                std::thread::sleep(Duration::from_millis(20));
                let len = if change == "grow" { (3 << 20) + 1 } else { 3 << 20 };
                if change == "replace" {
                    fs::remove_file(&path).unwrap();
                }
                fs::write(&path, noise(len, 2)).unwrap();
            }
        };
        let result = publish(&data, &temp.join("index"), &PublishOptions::default(), &mut on_event);
        assert!(
            matches!(&result, Err(PublishError::Changed { path }) if path.ends_with("a.bin")),
            "{change}: {result:?}"
        );
    }
    assert!(!temp.join("index").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_served_when_the_files_are_gone() {
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    publish(
        &temp.join("data"),
        &temp.join("index"),
        &PublishOptions { copy: true, ..PublishOptions::default() },
        &mut |_| {},
    )
    .unwrap();
    fs::remove_dir_all(temp.join("data")).unwrap();
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    fetch_from(&provider, &temp.join("out"), &Arc::default()).await.unwrap();
    check_out(&temp.join("out"), &files);
}

#[test]
fn a_damaged_index_is_not_served() {
    let temp = Temp::new();
    sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let open = || Source::open(&temp.join("index"), Buffers::new(4)).unwrap_err();
    let list = temp.join("index/filelist");
    let text = fs::read(&list).unwrap();
    let changed = FileList::parse(&text).unwrap();
    let mut entries = changed.entries().to_vec();
    entries[0].sha256 = Digest::of(b"else");
    fs::write(&list, FileList::from_entries(entries).unwrap().print()).unwrap();
    assert!(matches!(open(), SourceError::Index { .. }), "another content root");
    fs::write(&list, &text[1..]).unwrap();
    assert!(matches!(open(), SourceError::List { .. }));
    fs::write(&list, &text).unwrap();
    fs::write(temp.join("index/chunks"), b"short").unwrap();
    assert!(matches!(open(), SourceError::Index { .. }));
}

#[tokio::test]
async fn ranges_that_do_not_exist_are_refused() {
    let temp = Temp::new();
    let files = sample(&temp.join("data"));
    publish_quietly(&temp.join("data"), &temp.join("index"));
    let provider = Loopback::new(&temp.join("index"), Faults::default());
    let source = provider.serving.source();
    let size = files["audio/more.wav"].len() as u64;
    for (part, range) in [
        (Part::File(2), size..size + 1),
        (Part::File(2), 5..5),
        (Part::File(8), 0..1),
        (Part::Chunks(8), 0..1),
        (Part::Chunks(2), 0..97),
        (Part::File(3), 0..1),
        (Part::FileList, 0..u64::MAX),
    ] {
        let read = provider.serving.read(part, Some(range.clone())).await;
        assert_eq!(read.unwrap_err().code(), Code::RangeInvalid, "{part} {range:?}");
    }
    let whole = provider.serving.read(Part::FileList, None).await.unwrap();
    assert_eq!(whole.total as usize, source.list().text_len());
    let bytes: Vec<Bytes> = whole.stream.map(Result::unwrap).collect().await;
    assert_eq!(bytes.concat(), source.list().print());
    // The empty file has its one, empty answer.
    let empty = provider.serving.read(Part::File(3), None).await.unwrap();
    assert_eq!((empty.total, empty.stream.count().await), (0, 0));
}

// ---- capabilities

fn own_keys(root: &SigningKey, signing: &SigningKey) -> KeyRing {
    let did = Did::of(root.public());
    let set = KeySet {
        v: V1,
        iss: did,
        number: 1,
        signing: signing.public(),
        log: key(91).public(),
        transport: key(92).public(),
        witness: key(93).public(),
        valid_from: 0,
        revoked: Vec::new(),
    };
    let mut ring = KeyRing::new(did);
    ring.accept(&verify_key_set(&sign_compact(&set, 0, root).unwrap()).unwrap()).unwrap();
    ring
}

#[test]
fn a_capability_opens_one_transfer_for_a_while() {
    // TRF-7.1, TRF-7.2, TRF-7.3
    let (transfer, signing, now) = (parties(), key(50), 1_700_000_000);
    let ring = own_keys(&key(2), &signing);
    let text = capability::issue(&transfer, 1, &signing, now).unwrap();
    let last = LastChecked::default();
    for at in [now, now + 899] {
        capability::check(&text, &ring, &transfer, at).unwrap();
        last.check(&text, &ring, &transfer, at).unwrap();
    }
    let expired = CapabilityError::Content(BadCapability::Expired { exp: now + 900 });
    assert_eq!(capability::check(&text, &ring, &transfer, now + 900), Err(expired.clone()));
    assert_eq!(last.check(&text, &ring, &transfer, now + 900), Err(expired));
    let early = capability::check(&text, &ring, &transfer, now - 1);
    assert_eq!(early, Err(CapabilityError::Content(BadCapability::TooLong)));
    let mut other = parties();
    other.provider_pid.push('x');
    assert_eq!(last.check(&text, &ring, &other, now).unwrap_err().code(), Code::CapabilityInvalid);
    let other = Transfer { consumer: Did::of(key(9).public()), ..parties() };
    let theirs = last.check(&text, &ring, &other, now);
    assert_eq!(theirs, Err(CapabilityError::Content(BadCapability::OtherParty)));
    let forged = capability::issue(&transfer, 1, &key(51), now).unwrap();
    assert!(matches!(last.check(&forged, &ring, &transfer, now), Err(CapabilityError::Signature(_))));
    assert_eq!(last.check("", &ring, &transfer, now).unwrap_err().code(), Code::CapabilityInvalid);
    last.check(&text, &ring, &transfer, now).unwrap();
}

#[test]
fn a_summary_that_promises_other_files_is_found_out() {
    // CAT-6.4
    let temp = Temp::new();
    sample(&temp.join("data"));
    let published = publish_quietly(&temp.join("data"), &temp.join("index"));
    let source = Source::open(&temp.join("index"), Buffers::new(4)).unwrap();
    let promised = Summary { files: published.summary.files + 1, ..published.summary.clone() };
    assert!(promised.matches(source.list()).is_err());
    assert!(promised.check().is_err());
    assert!(published.summary.matches(source.list()).is_ok());
}
