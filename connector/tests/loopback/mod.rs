//! A provider that is a call away, with faults to inject, and the folders and files of the tests of the data plane.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use hyper::body::Bytes;
use naru::data::{
    Part,
    buffers::Buffers,
    fetch::{FetchError, FetchEvent, FetchOptions, Fetched, OnEvent, Wanted, fetch},
    publish::{PublishOptions, Published, publish},
    ranges::{BodyStream, RangeError, RangeSource, RetryOptions},
    serve::{ServeError, Serving},
    source::{Source, SourceError},
};
use naru_protocol::{
    encoding::{Digest, Id},
    filelist::CHUNK_BYTES,
    identity::Did,
    jws::{sign_compact, verify_compact},
    signature::SigningKey,
    window::{Transfer, WindowAck, WindowProgress},
};

pub(crate) const CHUNK: usize = CHUNK_BYTES as usize;

/// A folder that is removed at the end of its test.
pub(crate) struct Temp(pub(crate) PathBuf);

impl Temp {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("naru-data-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that differ everywhere.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Four kinds of files, and every length at the edge of a chunk.
pub(crate) fn sample(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let with = |head: &[u8], len: usize, seed| [head, &noise(len - head.len(), seed)].concat();
    let files: BTreeMap<String, Vec<u8>> = [
        ("empty.txt", Vec::new()),
        ("images/하나.png", with(b"\x89PNG\r\n\x1a\n", 70_000, 1)),
        ("audio/exact.wav", with(b"RIFF\x24\x00\x00\x00WAVEfmt ", 2 * CHUNK, 2)),
        ("audio/more.wav", with(b"RIFF\x24\x00\x00\x00WAVEfmt ", 2 * CHUNK + 1, 3)),
        ("audio/less.wav", with(b"RIFF\x24\x00\x00\x00WAVEfmt ", 2 * CHUNK - 1, 4)),
        ("one.bin", noise(CHUNK, 5)),
        ("table.csv", "id,이름\r\n1,나루\r\n".as_bytes().to_vec()),
        ("meta.json", b"{\"a\": [1, 2]}".to_vec()),
    ]
    .map(|(path, bytes)| (path.to_owned(), bytes))
    .into();
    files.iter().for_each(|(path, bytes)| write(folder, path, bytes));
    files
}

pub(crate) fn check_out(out: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        assert!(fs::read(out.join(path)).unwrap() == *bytes, "{path}");
    }
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn parties() -> Transfer {
    Transfer {
        consumer: Did::of(key(1).public()),
        provider: Did::of(key(2).public()),
        exchange: Id([7; 16]),
        provider_pid: "urn:uuid:2f6d9a2e-0000-4000-8000-000000000001".to_owned(),
        agreement: Digest::of(b"agreement"),
    }
}

pub(crate) fn publish_quietly(source: &Path, index: &Path) -> Published {
    publish(source, index, &PublishOptions::default(), &mut |_| {}).unwrap()
}

/// What the provider does wrong with the bytes of a chunk.
#[derive(Default)]
pub(crate) struct Faults {
    /// File and chunk whose bytes are flipped, and how often.
    pub(crate) flip: Option<(usize, u64, AtomicU32)>,
    /// Every n-th answer breaks off in the middle.
    pub(crate) break_every: usize,
    /// Answers for files wait for ever from this number of requests on.
    pub(crate) hang_after: Option<usize>,
    /// No acknowledgement is ever taken.
    pub(crate) deaf: AtomicBool,
    /// The file list that is served instead.
    pub(crate) list: Option<Vec<u8>>,
}

/// A provider that is a call away.
pub(crate) struct Loopback {
    pub(crate) serving: Serving,
    pub(crate) faults: Faults,
    /// Requests for files, by file and first byte.
    pub(crate) asked: Mutex<Vec<(Part, Range<u64>)>>,
    pub(crate) count: AtomicUsize,
}

impl Loopback {
    pub(crate) fn new(index: &Path, faults: Faults) -> Arc<Self> {
        let source = Arc::new(Source::open(index, Buffers::new(32)).unwrap());
        let serving = Serving::new(source, parties(), None).unwrap();
        Arc::new(Self { serving, faults, asked: Mutex::default(), count: AtomicUsize::new(0) })
    }

    pub(crate) fn times_asked(&self, part: Part, offset: u64) -> usize {
        self.asked.lock().unwrap().iter().filter(|(p, range)| *p == part && range.start == offset).count()
    }

    pub(crate) fn chunks_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub(crate) fn to_range_error(error: ServeError) -> RangeError {
    match error {
        ServeError::Source(error @ (SourceError::Changed { .. } | SourceError::Missing { .. })) => {
            RangeError::SourceFault(error.code())
        }
        error @ (ServeError::Source(_) | ServeError::Window(_)) => {
            RangeError::Refused { status: error.code().http_status(), code: Some(error.code()) }
        }
    }
}

impl RangeSource for Loopback {
    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<BodyStream, RangeError> {
        let part = Part::parse(path).unwrap();
        if let (Part::FileList, Some(list)) = (part, &self.faults.list) {
            return Ok(Box::pin(stream::iter([Ok(Bytes::from(list.clone()))])));
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let mut flip = false;
        if let Part::File(file) = part {
            let range = range.clone().unwrap();
            self.asked.lock().unwrap().push((part, range.clone()));
            if self.faults.hang_after.is_some_and(|after| number >= after) {
                std::future::pending::<()>().await;
            }
            if let Some((bad_file, bad_chunk, left)) = &self.faults.flip {
                let hit = (file, range.start / CHUNK_BYTES) == (*bad_file, *bad_chunk);
                flip = hit
                    && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            }
        }
        let broken = self.faults.break_every > 0 && number % self.faults.break_every == 1;
        let reading = self.serving.read(part, range).await.map_err(to_range_error)?;
        let pieces = reading.stream.flat_map(move |bytes| {
            let bytes = bytes.map_err(|error| to_range_error(error.into()));
            let pieces: Vec<Result<Bytes, RangeError>> = match bytes {
                Err(error) => vec![Err(error)],
                Ok(bytes) if flip => {
                    let mut bytes = bytes.to_vec();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    vec![Ok(bytes.into())]
                }
                Ok(bytes) if broken => {
                    vec![
                        Ok(bytes.slice(..bytes.len() / 2)),
                        Err(RangeError::Interrupted("unplugged".to_owned())),
                    ]
                }
                Ok(bytes) => {
                    let cuts = (0..bytes.len()).step_by(100_000);
                    cuts.map(|at| Ok(bytes.slice(at..bytes.len().min(at + 100_000)))).collect()
                }
            };
            stream::iter(pieces)
        });
        Ok(Box::pin(pieces))
    }

    async fn acknowledge(&self, progress: WindowProgress) -> Result<(), RangeError> {
        if self.faults.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let ack = WindowAck::of(&parties(), &progress, 1_700_000_000);
        let text = sign_compact(&ack, 1, &key(1)).unwrap();
        let ack = verify_compact::<WindowAck>(&text, &key(1).public()).unwrap();
        let advance = self.serving.acknowledge(&ack).map_err(to_range_error)?;
        advance.into_iter().for_each(|advance| self.serving.advance(advance));
        Ok(())
    }
}

pub(crate) fn options() -> FetchOptions {
    let retry = RetryOptions {
        first_pause: Duration::from_millis(1),
        last_pause: Duration::from_millis(5),
        ..RetryOptions::default()
    };
    FetchOptions { retry, ..FetchOptions::default() }
}

/// What happened, as far as tests ask.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) corrupt: Mutex<Vec<(String, u64)>>,
    pub(crate) resumed: AtomicUsize,
    pub(crate) found: AtomicUsize,
    pub(crate) written: AtomicUsize,
}

impl Seen {
    pub(crate) fn listen(self: &Arc<Self>) -> OnEvent {
        let seen = Arc::clone(self);
        Arc::new(move |event| match event {
            FetchEvent::Corrupt { path, chunk, .. } => {
                seen.corrupt.lock().unwrap().push((path.to_owned(), chunk))
            }
            FetchEvent::Started { resumed, .. } => seen.resumed.store(resumed as usize, Ordering::SeqCst),
            FetchEvent::Chunk { found, .. } => {
                seen.found.fetch_add(usize::from(found), Ordering::SeqCst);
                seen.written.fetch_add(1, Ordering::SeqCst);
            }
            FetchEvent::Retry { .. } | FetchEvent::Acknowledged(_) | FetchEvent::Placing => {}
        })
    }
}

pub(crate) async fn fetch_from(
    provider: &Arc<Loopback>,
    out: &Path,
    seen: &Arc<Seen>,
) -> Result<Fetched, FetchError> {
    let source = provider.serving.source();
    let wanted = Wanted { content_root: source.content_root(), summary: source.summary().clone() };
    fetch(Arc::clone(provider), &wanted, out, options(), seen.listen()).await
}

/// A fetch that comes to a halt, and is dropped.
pub(crate) async fn hangs(provider: &Arc<Loopback>, out: &Path, seen: &Arc<Seen>) {
    let mut before = usize::MAX;
    tokio::select! {
        ended = fetch_from(provider, out, seen) => panic!("{ended:?}"),
        () = async {
            while std::mem::replace(&mut before, provider.chunks_asked()) != provider.chunks_asked() {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        } => {}
    }
}
