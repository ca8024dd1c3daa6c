//! Fetching a dataset version: file list, chunk hashes, chunks, acknowledgements, names (spec chapter 07, TRF-6 and TRF-8).
//!
//! Nothing is fetched before the content root over summary and file list is that of the agreement. Then chunks come in
//! file-list order, several at once, each verified before it is written; a wrong one is fetched again alone. Windows are
//! acknowledged as they fill, and no chunk is asked for beyond the second window after the last acknowledgement that the
//! provider took. Files get their names when all are verified and durable.
//!
//! A transfer that ends with an error or is dropped can be resumed by fetching into the same folder again. What is left
//! behind after success is removed with [`super::part::discard`], once the receipt is durable.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{BadFileList, ChunkHash, ChunksDigest, FileList, MAX_FILE_LIST_BYTES},
    limits,
    listing::{BadSummary, Summary, content_root},
    window::{WindowProgress, Windows},
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
};

use super::{
    Part,
    buffers::Buffers,
    fetch_parts::{self, Job},
    part::{Done, Mark, PartFolder},
    ranges::{Pauses, RangeError, RangeSource, Retries, RetryOptions, receive_some},
    sink::{Sink, SinkThread, Writer},
};

/// MiB that a permit of the network stands for.
const UNIT: usize = 1 << 20;
/// Lists of chunk hashes are fetched for files that begin within so many chunks.
const LOOKAHEAD: u64 = 16;

/// What is to be fetched, as the agreement and the listing have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Content root in the agreement.
    pub content_root: Digest,
    /// Summary in the listing.
    pub summary: Summary,
}

/// How to fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    /// Full chunks that are asked for at once; of smaller ones up to four times as many. Memory grows with it: 4 MiB each
    /// and as much again for two chunks that are being written.
    pub parallel: usize,
    /// How failures are repeated.
    pub retry: RetryOptions,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { parallel: 4, retry: RetryOptions::default() }
    }
}

/// What happens while fetching; for progress bars and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// The file list is the agreed one.
    Started {
        /// Number of files.
        files: u64,
        /// Bytes of all files.
        bytes: u64,
        /// Chunks of all files.
        chunks: u64,
        /// Chunks that an earlier fetch has marked as done.
        resumed: u64,
        /// Bytes of them.
        held: u64,
    },
    /// A chunk is verified and written.
    Chunk {
        /// Number over all files.
        number: u64,
        /// Its bytes.
        bytes: u64,
        /// It lay on disk already, from an earlier fetch.
        found: bool,
    },
    /// A chunk arrived wrong, or the provider could not read it; it is fetched again.
    Corrupt {
        /// The file.
        path: &'a str,
        /// Number of the chunk in its file.
        chunk: u64,
        /// How often so far.
        tries: u32,
    },
    /// A request failed and is repeated.
    Retry {
        /// What failed.
        error: &'a RangeError,
        /// Pause before it is repeated.
        pause: Duration,
    },
    /// The provider took a window acknowledgement.
    Acknowledged(WindowProgress),
    /// All is verified; files get their names.
    Placing,
}

/// Receives events, from several threads.
pub type OnEvent = Arc<dyn Fn(FetchEvent<'_>) + Send + Sync>;

/// What is there now: the facts of the data receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Content root, verified.
    pub content_root: Digest,
    /// Number of files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why fetching ended without all files.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file list breaks the rules.
    #[error(transparent)]
    FileList(#[from] BadFileList),
    /// Summary and file list do not give the content root of the agreement.
    #[error("the file list is not the agreed one: its content root differs")]
    OtherContent,
    /// The file list contradicts the summary in the listing.
    #[error(transparent)]
    Summary(#[from] BadSummary),
    /// The chunk hashes of a file are not those of the file list, however often they are fetched.
    #[error("{path}: the chunk hashes are not those of the file list")]
    ChunkList {
        /// The file.
        path: String,
    },
    /// A chunk is wrong, however often it is fetched.
    #[error("{path}: chunk {chunk} is corrupt at the source")]
    SourceCorrupt {
        /// The file.
        path: String,
        /// Number of the chunk in its file, from 0.
        chunk: u64,
    },
    /// The provider says, however often it is asked, that its file is no longer what it published.
    #[error("{path}: the provider cannot read chunk {chunk} of its own file ({code})")]
    SourceFault {
        /// The file.
        path: String,
        /// Number of the chunk in its file, from 0.
        chunk: u64,
        /// The provider's code: [`Code::SourceChanged`] or [`Code::SourceMissing`].
        code: Code,
    },
    /// All chunks of a file are right, but its SHA-256 is not that of the file list.
    #[error("{path}: the file list lies about the SHA-256 of the file")]
    FileDigest {
        /// The file.
        path: String,
    },
    /// A final refusal, or no success for too long.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The disk is full.
    #[error("{path}: the disk is full")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// Reading or writing on this side failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A path of the file list is no name for a file below the folder on this system.
    #[error("{path}: cannot be the name of a file here")]
    Name {
        /// The path in the file list.
        path: String,
    },
    /// Two paths of the file list are one name on this system.
    #[error("{first:?} and {second:?} are one name here")]
    Alike {
        /// A path in the file list.
        first: String,
        /// Another.
        second: String,
    },
    /// A file has the name already.
    #[error("{path}: exists already")]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or an earlier fetch that is just ending, works in the folder.
    #[error("{path}: in use by another transfer")]
    InUse {
        /// The folder of the unfinished transfer.
        path: PathBuf,
    },
    /// A thread was stopped, since the process ends.
    #[error("stopped")]
    Stopped,
}

impl FetchError {
    pub(super) fn io(path: &Path, error: std::io::Error) -> Self {
        let path = path.to_owned();
        if super::part::is_disk_full(&error) { Self::DiskFull { path } } else { Self::Io { path, error } }
    }

    /// Whether fetching again later, into the same folder, can succeed without anybody changing what is published.
    #[must_use]
    pub const fn is_resumable(&self) -> bool {
        match self {
            Self::Range(RangeError::Refused { .. } | RangeError::SourceFault(_)) => false,
            Self::Range(_) | Self::DiskFull { .. } | Self::Io { .. } | Self::InUse { .. } | Self::Stopped => {
                true
            }
            Self::FileList(_)
            | Self::OtherContent
            | Self::Summary(_)
            | Self::ChunkList { .. }
            | Self::SourceCorrupt { .. }
            | Self::SourceFault { .. }
            | Self::FileDigest { .. }
            | Self::Name { .. }
            | Self::Alike { .. }
            | Self::Occupied { .. } => false,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::FileList(BadFileList::Path { .. }) | Self::Name { .. } | Self::Alike { .. } => {
                Code::PathRefused
            }
            Self::FileList(_) | Self::OtherContent | Self::Summary(_) | Self::ChunkList { .. } => {
                Code::FileListDiffers
            }
            Self::FileDigest { .. } => Code::FileListDiffers,
            Self::SourceCorrupt { .. } => Code::ChunkCorrupt,
            Self::SourceFault { code, .. } => *code,
            Self::Range(error) => error.code(),
            Self::DiskFull { .. } => Code::DiskFull,
            Self::Io { .. } | Self::Occupied { .. } => Code::FileUnusable,
            Self::InUse { .. } => Code::FolderLocked,
            Self::Stopped => Code::Cancelled,
        }
    }
}

/// What all requests of a transfer share.
pub(super) struct Shared<S> {
    pub(super) source: Arc<S>,
    pub(super) list: Arc<FileList>,
    pub(super) folder: Arc<PartFolder>,
    pub(super) buffers: Buffers,
    /// Permits of a MiB each: how much is asked for at once.
    pub(super) network: Semaphore,
    pub(super) retries: Retries,
    pub(super) on_event: OnEvent,
}

/// Fetches a dataset version into the folder `out`, or goes on with what an earlier fetch left there.
///
/// Dropping the future stops it; what was written is then marked in the background.
pub async fn fetch<S: RangeSource>(
    source: Arc<S>,
    wanted: &Wanted,
    out: &Path,
    options: FetchOptions,
    on_event: OnEvent,
) -> Result<Fetched, FetchError> {
    let retries = Retries::new(options.retry, source.back());
    let folder = Arc::new(open_folder(out, wanted.content_root).await?);
    let list = Arc::new(agreed_list(&*source, wanted, &folder, &retries, &on_event).await?);
    let parallel = options.parallel.max(1);
    let chunk_mib = limits::CHUNK / UNIT;
    let shared = Arc::new(Shared {
        source,
        list: Arc::clone(&list),
        folder: Arc::clone(&folder),
        buffers: Buffers::new((parallel + 2) * chunk_mib),
        network: Semaphore::new(parallel * chunk_mib),
        retries,
        on_event,
    });
    let mark = fetch_files(&shared, parallel).await?;
    (shared.on_event)(FetchEvent::Placing);
    blocking(move || {
        if !mark.placing {
            folder.write_mark(Mark { placing: true, ..mark })?;
        }
        folder.place(&shared.list)
    })
    .await?;
    Ok(Fetched { content_root: wanted.content_root, files: list.entries().len() as u64, bytes: list.bytes() })
}

/// Everything up to the names: all chunks verified, durable and acknowledged.
async fn fetch_files<S: RangeSource>(shared: &Arc<Shared<S>>, parallel: usize) -> Result<Mark, FetchError> {
    let (folder, list) = (Arc::clone(&shared.folder), Arc::clone(&shared.list));
    let (writer, mark) = blocking(move || {
        let mark = folder.read_mark();
        folder.check_names(&list, mark.placing)?;
        let writer = Writer::resume(folder, list, &mut Vec::new())?;
        Ok((writer, mark))
    })
    .await?;
    let (list, resumed) = (&shared.list, writer.prefix());
    let (files, bytes, chunks) = (list.entries().len() as u64, list.bytes(), list.chunks());
    let held = (0..resumed).filter_map(|chunk| list.place(chunk)).map(|place| place.len).sum();
    (shared.on_event)(FetchEvent::Started { files, bytes, chunks, resumed, held });
    let done = Mark { v: 1, chunks, placing: mark.placing };
    if mark.placing && resumed == chunks {
        return Ok(done);
    }
    let (sink, thread) = Sink::start(writer);
    let mut course = Course::new(shared, sink, parallel, resumed).await?;
    let result = course.run().await;
    course.stop().await;
    finish(result, thread).await?;
    Ok(done)
}

/// Joins the writing thread; its error is the reason for whatever else failed at the same time.
async fn finish(result: Result<(), FetchError>, thread: SinkThread) -> Result<(), FetchError> {
    let written = thread.join().await;
    match result {
        Err(FetchError::Stopped) => written.and(Err(FetchError::Stopped)),
        Err(error) => Err(error),
        Ok(()) => written,
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    spawn_blocking(work).await.map_err(|_| FetchError::Stopped)?
}

/// Opens the folder of the transfer; waits a little for an earlier fetch that was dropped and is just ending.
async fn open_folder(out: &Path, content_root: Digest) -> Result<PartFolder, FetchError> {
    let mut tries = 0;
    loop {
        let out = out.to_owned();
        let opened = blocking(move || PartFolder::open(&out, &content_root)).await;
        match opened {
            Err(FetchError::InUse { .. }) if tries < 50 => tries += 1,
            opened => return opened,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The file list, kept or fetched, checked against the agreement and the listing (TRF-6.2).
async fn agreed_list<S: RangeSource>(
    source: &S,
    wanted: &Wanted,
    folder: &Arc<PartFolder>,
    retries: &Retries,
    on_event: &OnEvent,
) -> Result<FileList, FetchError> {
    wanted.summary.check()?;
    let kept = Arc::clone(folder);
    if let Some(text) = blocking(move || Ok(kept.read_list())).await?
        && let Ok(list) = check_list(&text, wanted)
    {
        return Ok(list);
    }
    let mut pauses = Pauses::default();
    let text = loop {
        let mut text = Vec::new();
        let (limit, stall) = (MAX_FILE_LIST_BYTES as u64, retries.options.stall);
        match receive_some(source, Part::FileList, None, limit, stall, |bytes| text.extend_from_slice(bytes))
            .await
        {
            Ok(_) => break text,
            Err(RangeError::Length) => return Err(BadFileList::TooLong.into()),
            Err(error) => {
                retries
                    .pause(&mut pauses, error, |error, pause| on_event(FetchEvent::Retry { error, pause }))
                    .await?;
            }
        }
    };
    retries.succeeded();
    let list = check_list(&text, wanted)?;
    let folder = Arc::clone(folder);
    blocking(move || folder.write_list(&text)).await?;
    Ok(list)
}

fn check_list(text: &[u8], wanted: &Wanted) -> Result<FileList, FetchError> {
    // The digest first: what was not agreed is not even read.
    let summary = wanted.summary.digest().map_err(|_| FetchError::OtherContent)?;
    let root = content_root(&summary, &Digest::of(text)).map_err(|_| FetchError::OtherContent)?;
    if root != wanted.content_root {
        return Err(FetchError::OtherContent);
    }
    let list = FileList::parse(text)?;
    wanted.summary.matches(&list)?;
    Ok(list)
}

/// A transfer on its way: what runs, what is done, what is signed for.
struct Course<S> {
    shared: Arc<Shared<S>>,
    sink: Option<Sink>,
    jobs: JoinSet<Result<Job, FetchError>>,
    /// Most jobs at once; memory and network have their own bounds.
    max_jobs: usize,
    /// Next chunk to be asked for.
    next: u64,
    /// First chunk that may not be asked for yet.
    limit: u64,
    done: Done,
    /// Digest over the hashes of the chunks that are done, in order.
    digest: ChunksDigest,
    /// Hashes of chunks that are done before their turn.
    waiting: std::collections::BTreeMap<u64, ChunkHash>,
    window: WindowProgress,
    /// First chunk behind the window that is filling.
    window_end: u64,
    /// The last full window, while the provider has not taken it.
    unsent: Option<WindowProgress>,
    sending: bool,
    /// Next file whose list of chunk hashes has not been asked for, and those asked for.
    next_list: usize,
    lists: BTreeSet<usize>,
}

impl<S: RangeSource> Course<S> {
    async fn new(
        shared: &Arc<Shared<S>>,
        sink: Sink,
        parallel: usize,
        prefix: u64,
    ) -> Result<Self, FetchError> {
        let digest = ChunksDigest::new();
        let window = WindowProgress { chunks: 0, digest: digest.digest(), window: 0 };
        let windows = Windows::new(&shared.list);
        let mut course = Self {
            shared: Arc::clone(shared),
            sink: Some(sink),
            jobs: JoinSet::new(),
            max_jobs: parallel * 4 + 4,
            next: prefix,
            limit: windows.limit(0),
            done: Done::default(),
            digest,
            waiting: std::collections::BTreeMap::new(),
            window,
            window_end: windows.end(0),
            unsent: None,
            sending: false,
            next_list: shared.list.place(prefix).map_or(shared.list.entries().len(), |place| place.file),
            lists: BTreeSet::new(),
        };
        course.recall(prefix).await?;
        Ok(course)
    }

    /// Counts the chunks of an earlier fetch in, by their kept hashes.
    async fn recall(&mut self, prefix: u64) -> Result<(), FetchError> {
        let folder = Arc::clone(&self.shared.folder);
        let mut file = blocking(move || folder.open_chunks()).await?;
        let mut at = 0;
        while at < prefix {
            let end = prefix.min(at + 4096);
            let folder = Arc::clone(&self.shared.folder);
            let (back, hashes) = blocking(move || {
                let hashes: Result<Vec<ChunkHash>, _> =
                    (at..end).map(|chunk| super::part::read_hash(&mut file, chunk)).collect();
                Ok((file, hashes.map_err(|error| FetchError::io(&folder.chunks_path(), error))?))
            })
            .await?;
            file = back;
            (at..end).zip(hashes).for_each(|(chunk, hash)| self.chunk_done(chunk, hash));
            at = end;
        }
        // The provider may know less than we had done, or all of it: the last full window tells.
        self.limit = Windows::new(&self.shared.list).limit(0);
        Ok(())
    }

    async fn run(&mut self) -> Result<(), FetchError> {
        loop {
            self.start_jobs();
            // Nothing left to do, or to wait for: all is fetched and signed for.
            let Some(ended) = self.jobs.join_next().await else {
                let complete = self.done.prefix == self.shared.list.chunks();
                return if complete { Ok(()) } else { Err(FetchError::Stopped) };
            };
            match ended.map_err(|_| FetchError::Stopped)?? {
                Job::Chunk { number, hash } => self.chunk_done(number, hash),
                Job::List { file } => {
                    self.lists.remove(&file);
                }
                Job::Acknowledged(progress) => self.acknowledged(progress),
            }
        }
    }

    /// Ends all that runs, so that the writing thread can end.
    async fn stop(mut self) {
        self.sink = None;
        self.jobs.shutdown().await;
    }

    fn start_jobs(&mut self) {
        self.start_acknowledgement();
        self.start_lists();
        while self.next < self.limit && self.jobs.len() < self.max_jobs {
            let Some(place) = self.shared.list.place(self.next) else { return };
            if self.lists.contains(&place.file) || place.file >= self.next_list {
                return;
            }
            let Some(sink) = self.sink.clone() else { return };
            self.jobs.spawn(fetch_parts::chunk(Arc::clone(&self.shared), sink, self.next, place));
            self.next += 1;
        }
    }

    fn start_lists(&mut self) {
        let list = Arc::clone(&self.shared.list);
        while self.lists.len() < 4 && self.next_list < list.entries().len() {
            let chunks = list.chunks_of(self.next_list);
            if chunks.start > self.next + LOOKAHEAD {
                return;
            }
            // The list of a file with one chunk has its hash's digest already.
            if chunks.end - chunks.start > 1 {
                self.lists.insert(self.next_list);
                self.jobs.spawn(fetch_parts::chunk_list(Arc::clone(&self.shared), self.next_list));
            }
            self.next_list += 1;
        }
    }

    fn start_acknowledgement(&mut self) {
        if self.sending {
            return;
        }
        if let Some(progress) = self.unsent.take() {
            self.sending = true;
            self.jobs.spawn(fetch_parts::acknowledge(Arc::clone(&self.shared), progress));
        }
    }

    fn chunk_done(&mut self, number: u64, hash: ChunkHash) {
        self.waiting.insert(number, hash);
        self.done.add(number);
        while let Some(next) = self.done.advance() {
            if let Some(hash) = self.waiting.remove(&next) {
                self.digest.push(&hash);
            }
            if self.done.prefix == self.window_end {
                let (chunks, digest) = (self.done.prefix, self.digest.digest());
                self.window = WindowProgress { chunks, digest, window: self.window.window + 1 };
                self.window_end = Windows::new(&self.shared.list).end(chunks);
                self.unsent = Some(self.window);
            }
        }
    }

    fn acknowledged(&mut self, progress: WindowProgress) {
        self.sending = false;
        self.limit = Windows::new(&self.shared.list).limit(progress.chunks);
        (self.shared.on_event)(FetchEvent::Acknowledged(progress));
    }
}
