//! Reading published files: every chunk is read whole and hashed again before a byte of it is handed out (spec chapter 07,
//! TRF-6.4 to TRF-6.6).
//!
//! The files lie where their owner keeps them and may be changed or deleted at any time; then reading ends with the file's
//! name. A stream holds at most two chunks: the one being sent and, if the pool of buffers allows, the next.
//!
//! Whether somebody may read is not asked here ([`super::serve`]).

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use futures::{Stream, stream};
use hyper::body::Bytes;
use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{BadFileList, ChunkHash, ChunkPlace, ChunksDigest, FileList},
    listing::{BadSummary, Summary, content_root},
};
use tokio::task::JoinHandle;

use super::{
    Part,
    buffers::{Buffer, Buffers},
    publish::Publication,
};

/// Bytes of file list or chunk hashes read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// Why published content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The index folder is not what publishing wrote.
    #[error("{path}: the index is damaged: {what}")]
    Index {
        /// The index folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file list in the index breaks the rules.
    #[error("{path}: {error}")]
    List {
        /// The index folder.
        path: PathBuf,
        /// The rule.
        error: BadFileList,
    },
    /// Summary and file list in the index contradict each other.
    #[error("{path}: {error}")]
    Summary {
        /// The index folder.
        path: PathBuf,
        /// The contradiction.
        error: BadSummary,
    },
    /// A published file no longer has the bytes that were published.
    #[error("{path}: chunk {chunk} is not what was published")]
    Changed {
        /// Path in the file list.
        path: String,
        /// Number of the chunk in its file, from 0.
        chunk: u64,
    },
    /// A published file is gone.
    #[error("{path}: the published file is gone")]
    Missing {
        /// Path in the file list.
        path: String,
    },
    /// A published file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// Path in the file list.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// There is no such file or range.
    #[error("no such range")]
    NoSuchRange,
    /// Reading was given up because the process ends.
    #[error("the process is shutting down")]
    Stopped,
}

/// Content on its way out.
pub type SourceStream = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// The answer to a request for a range.
pub struct Reading {
    /// Bytes of the whole content.
    pub total: u64,
    /// The range that `stream` yields; all of it without interruption if it yields no error.
    pub range: Range<u64>,
    /// The bytes. The first chunk is verified already.
    pub stream: SourceStream,
}

impl core::fmt::Debug for Reading {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Reading({:?} of {})", self.range, self.total)
    }
}

/// A published dataset version, open for reading.
#[derive(Debug)]
pub struct Source {
    index: PathBuf,
    /// Folder of the published files; `None` if the index has a copy.
    folder: Option<PathBuf>,
    list: FileList,
    summary: Summary,
    content_root: Digest,
    buffers: Buffers,
}

/// A published file that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// Nothing, or no file, is in its place: the path in the file list.
    Gone(String),
    /// It has another size, or was written to after it was published.
    Changed(String),
}

/// The first file of a published version that is not as it was, by size and time; looks at no more than `left` files, and counts them
/// off. Blocks.
///
/// # Errors
/// [`SourceError::Index`], [`SourceError::List`]: the index folder.
pub fn stale(index: &Path, left: &mut usize) -> Result<Option<Stale>, SourceError> {
    let source = Source::open(index, Buffers::new(0))?;
    let written = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let published = written(&index.join("publication.json"));
    for (number, entry) in source.list.entries().iter().enumerate().take(*left) {
        *left -= 1;
        let location = source.location(number, &entry.path);
        let Some(found) = fs::metadata(&location).ok().filter(std::fs::Metadata::is_file) else {
            return Ok(Some(Stale::Gone(entry.path.clone())));
        };
        let later = found.modified().ok().zip(published).is_some_and(|(file, index)| file > index);
        if later || found.len() != entry.size {
            return Ok(Some(Stale::Changed(entry.path.clone())));
        }
    }
    Ok(None)
}

impl Source {
    /// Opens an index folder and checks that it is consistent. Blocks. `buffers` bounds the memory of all streams.
    pub fn open(index: &Path, buffers: Buffers) -> Result<Self, SourceError> {
        let damaged = |what: String| SourceError::Index { path: index.to_owned(), what };
        let read =
            |name: &str| fs::read(index.join(name)).map_err(|error| damaged(format!("{name}: {error}")));
        let publication: Publication = serde_json::from_slice(&read("publication.json")?)
            .map_err(|error| damaged(format!("publication.json: {error}")))?;
        if publication.v != 1 {
            return Err(damaged(format!("publication.json has version {}", publication.v)));
        }
        let list = FileList::parse(&read("filelist")?)
            .map_err(|error| SourceError::List { path: index.to_owned(), error })?;
        let Publication { summary, folder, content_root: stated, .. } = publication;
        summary.matches(&list).map_err(|error| SourceError::Summary { path: index.to_owned(), error })?;
        let digest = summary.digest().map_err(|error| damaged(error.to_string()))?;
        let computed = content_root(&digest, &list.digest()).map_err(|error| damaged(error.to_string()))?;
        if computed != stated {
            return Err(damaged("the content root is not that of the file list".to_owned()));
        }
        let hashes =
            fs::metadata(index.join("chunks")).map_err(|error| damaged(format!("chunks: {error}")))?;
        if hashes.len() != list.chunks() * ChunkHash::LEN as u64 {
            return Err(damaged("chunks does not have a hash for every chunk".to_owned()));
        }
        Ok(Self { index: index.to_owned(), folder, list, summary, content_root: stated, buffers })
    }

    /// The file list.
    #[must_use]
    pub const fn list(&self) -> &FileList {
        &self.list
    }

    /// The summary for the listing.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The content root.
    #[must_use]
    pub const fn content_root(&self) -> Digest {
        self.content_root
    }

    /// Bytes of what a part has; `None` if there is no such file.
    #[must_use]
    pub fn total(&self, part: Part) -> Option<u64> {
        match part {
            Part::FileList => Some(self.list.text_len() as u64),
            Part::File(file) => self.list.entry(file).map(|entry| entry.size),
            Part::Chunks(file) => {
                let chunks = self.list.chunks_of(file);
                self.list.entry(file).map(|_| (chunks.end - chunks.start) * ChunkHash::LEN as u64)
            }
        }
    }

    /// The published hashes of chunks, by their numbers over all files. Blocks; 32 bytes a chunk in memory.
    pub fn hashes(&self, chunks: &Range<u64>) -> Result<Vec<ChunkHash>, SourceError> {
        let damaged =
            |error: io::Error| SourceError::Index { path: self.index.clone(), what: error.to_string() };
        let len = ChunkHash::LEN as u64;
        let bytes = read_range(&self.index.join("chunks"), &(chunks.start * len..chunks.end * len));
        ChunkHash::split(&bytes.map_err(damaged)?).ok_or(SourceError::NoSuchRange)
    }

    /// Adds the published hashes of chunks to a digest. Blocks; bounded memory.
    pub fn add_hashes(&self, digest: &mut ChunksDigest, chunks: &Range<u64>) -> Result<(), SourceError> {
        let mut at = chunks.start;
        while at < chunks.end {
            let end = chunks.end.min(at + PIECE_BYTES / ChunkHash::LEN as u64);
            self.hashes(&(at..end))?.iter().for_each(|hash| digest.push(hash));
            at = end;
        }
        Ok(())
    }

    /// Starts to read a range of a part, or all of it. Returns when the first chunk is verified.
    ///
    /// Empty content has only the empty range, asked for by `None`.
    pub async fn read(
        self: &Arc<Self>,
        part: Part,
        range: Option<Range<u64>>,
    ) -> Result<Reading, SourceError> {
        let total = self.total(part).ok_or(SourceError::NoSuchRange)?;
        let whole = range.is_none();
        let range = range.unwrap_or(0..total);
        if range.end > total || range.start > range.end || (range.is_empty() && !whole) {
            return Err(SourceError::NoSuchRange);
        }
        let stream: SourceStream = match part {
            Part::File(file) => {
                let mut chunks = Chunks { source: Arc::clone(self), file, range: range.clone(), ahead: None };
                let first = chunks.next().await.transpose()?;
                let rest = stream::unfold(Some(chunks), |state| async move {
                    let mut chunks = state?;
                    // After an error the stream ends.
                    match chunks.next().await? {
                        Ok(bytes) => Some((Ok(bytes), Some(chunks))),
                        Err(error) => Some((Err(error), None)),
                    }
                });
                Box::pin(futures::StreamExt::chain(stream::iter(first.map(Ok)), rest))
            }
            Part::FileList => self.index_stream("filelist", 0, range.clone()),
            Part::Chunks(file) => {
                let offset = self.list.chunks_of(file).start * ChunkHash::LEN as u64;
                self.index_stream("chunks", offset, range.clone())
            }
        };
        Ok(Reading { total, range, stream })
    }

    /// A range of a file of the index, `offset` bytes in.
    fn index_stream(self: &Arc<Self>, name: &'static str, offset: u64, range: Range<u64>) -> SourceStream {
        let source = Arc::clone(self);
        Box::pin(stream::unfold(Some(range), move |state| {
            let source = Arc::clone(&source);
            async move {
                let range = state.filter(|range| !range.is_empty())?;
                let end = range.end.min(range.start + PIECE_BYTES);
                let path = source.index.join(name);
                let piece = offset + range.start..offset + end;
                let read = tokio::task::spawn_blocking(move || read_range(&path, &piece)).await;
                match read {
                    Ok(Ok(bytes)) => Some((Ok(Bytes::from(bytes)), Some(end..range.end))),
                    Ok(Err(error)) => {
                        let what = format!("{name}: {error}");
                        Some((Err(SourceError::Index { path: source.index.clone(), what }), None))
                    }
                    Err(_) => Some((Err(SourceError::Stopped), None)),
                }
            }
        }))
    }

    /// Where a file of the list lies on this machine.
    fn location(&self, file: usize, path: &str) -> PathBuf {
        match &self.folder {
            // Rules for paths keep it below the folder; an empty path is the published file itself.
            Some(folder) => folder.join(path),
            None => self.index.join("copy").join(file.to_string()),
        }
    }

    /// Reads a chunk whole and checks it. Blocks.
    fn load(&self, number: u64, place: ChunkPlace, mut buffer: Buffer) -> Result<Buffer, SourceError> {
        let entry = self.list.entry(place.file).ok_or(SourceError::NoSuchRange)?;
        let path = || entry.path.clone();
        let failed = |error: io::Error| {
            let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
            if gone { SourceError::Missing { path: path() } } else { SourceError::Io { path: path(), error } }
        };
        let location = self.location(place.file, &entry.path);
        // Opening a pipe that took the file's place would wait for ever.
        let found = fs::metadata(&location).map_err(failed)?;
        if !found.is_file() {
            return Err(SourceError::Missing { path: path() });
        }
        // One that grew is another file, though what was published still stands at its beginning.
        if found.len() != entry.size {
            return Err(SourceError::Changed { path: path(), chunk: place.chunk });
        }
        let mut file = File::open(&location).map_err(failed)?;
        file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
        file.take(place.len).read_to_end(buffer.bytes()).map_err(failed)?;
        let expected = self.hashes(&(number..number + 1))?;
        if expected.first() != Some(&ChunkHash::of(buffer.as_ref())) {
            return Err(SourceError::Changed { path: path(), chunk: place.chunk });
        }
        Ok(buffer)
    }
}

/// Exactly this range of a file.
fn read_range(path: &Path, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; len];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A chunk that is being read.
type Loading = JoinHandle<Result<Buffer, SourceError>>;

/// The chunks of a range of a file, one after the other.
struct Chunks {
    source: Arc<Source>,
    file: usize,
    /// What is still to be yielded.
    range: Range<u64>,
    /// The chunk at the start of the range, if it is being read already.
    ahead: Option<Loading>,
}

impl Chunks {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        if self.range.is_empty() {
            return None;
        }
        Some(self.next_chunk().await)
    }

    async fn next_chunk(&mut self) -> Result<Bytes, SourceError> {
        let (number, place) = self.at(self.range.start)?;
        let loading = match self.ahead.take() {
            Some(loading) => loading,
            None => {
                let buffer = self.source.buffers.take(len_of(place)).await.ok_or(SourceError::Stopped)?;
                self.load(number, place, buffer)
            }
        };
        let buffer = loading.await.map_err(|_| SourceError::Stopped)??;
        let within = |at: u64| usize::try_from(at.saturating_sub(place.offset)).unwrap_or(usize::MAX);
        let end = self.range.end.min(place.offset + place.len);
        let bytes = buffer.freeze().slice(within(self.range.start)..within(end));
        self.range.start = end;
        if !self.range.is_empty() {
            let (number, place) = self.at(end)?;
            // Only if there is room: a stream must be able to go on with one buffer.
            self.ahead =
                self.source.buffers.try_take(len_of(place)).map(|buffer| self.load(number, place, buffer));
        }
        Ok(bytes)
    }

    /// The chunk that holds this byte of the file.
    fn at(&self, byte: u64) -> Result<(u64, ChunkPlace), SourceError> {
        let touched =
            self.source.list.touched(self.file, &(byte..byte + 1)).ok_or(SourceError::NoSuchRange)?;
        let place = self.source.list.place(touched.start).ok_or(SourceError::NoSuchRange)?;
        Ok((touched.start, place))
    }

    fn load(&self, number: u64, place: ChunkPlace, buffer: Buffer) -> Loading {
        let source = Arc::clone(&self.source);
        tokio::task::spawn_blocking(move || source.load(number, place, buffer))
    }
}

fn len_of(place: ChunkPlace) -> usize {
    usize::try_from(place.len).unwrap_or(usize::MAX)
}

impl SourceError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Changed { .. } => Code::SourceChanged,
            Self::Missing { .. } => Code::SourceMissing,
            Self::Io { .. } => Code::FileUnusable,
            Self::Index { .. } | Self::List { .. } | Self::Summary { .. } => Code::StoreCorrupt,
            Self::NoSuchRange => Code::RangeInvalid,
            Self::Stopped => Code::Busy,
        }
    }
}
