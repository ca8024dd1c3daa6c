//! The one pass over the files of a dataset: read once, hashed, and copied if that is asked for, on several cores (spec chapter
//! 04, CAT-4.8, CAT-5).
//!
//! Each file is read by one thread; where its chunk hashes lie in the index is known before, from the sizes that the folder
//! was listed with, so that the result does not depend on who is faster. A file that is another one by then, that changes or
//! goes while it is read, or that leads out of the folder, ends all of it with its name.
//!
//! Memory is a MiB and the first bytes of a file for each thread.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufWriter, Read, Seek as _, SeekFrom, Write},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use naru_protocol::{
    encoding::Digest,
    filelist::{CHUNK_BYTES, ChunkHash, ChunksDigest, FileEntry, chunk_count},
    limits,
    listing::Columns,
};
use sha2::{Digest as _, Sha256};

use super::{
    media::{self, HEAD_BYTES},
    publish::{Found, PublishError},
};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Most threads: more would only wait for the disk.
const THREADS: usize = 8;

/// A file that is done: its entry, and its columns if it is CSV.
type Hashed = (FileEntry, Option<Vec<String>>);

/// Hashes all files; gives their entries in the order of the list, and the columns of those that are CSV. `on_bytes` is told
/// the number of a file and how many bytes of all files are hashed, by the thread that has just hashed them.
pub(super) fn hash(
    folder: &Path,
    found: &[Found],
    chunks: &Path,
    copy: Option<&Path>,
    stop: &AtomicBool,
    on_bytes: &mut (dyn FnMut(usize, u64) + Send),
) -> Result<(Vec<FileEntry>, Vec<Columns>), PublishError> {
    let failed = |error| PublishError::io(chunks, error);
    let made = File::create(chunks).map_err(failed)?;
    let mut first = Vec::with_capacity(found.len());
    let mut count = 0_u64;
    for file in found {
        first.push(count);
        count = count.saturating_add(chunk_count(file.size));
    }
    made.set_len(count.saturating_mul(ChunkHash::LEN as u64)).map_err(failed)?;
    let mut done = Vec::new();
    done.resize_with(found.len(), || None);
    let gathered = Mutex::new(Gathered { done, bytes: 0, failed: None, on_bytes });
    let (halt, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let all = All { folder, found, first: &first, chunks, copy, stop, halt, next, gathered };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(found.len());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| all.work());
        }
    });
    let gathered = all.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, error)) = gathered.failed {
        return Err(error);
    }
    let (entries, columns): (Vec<_>, Vec<_>) = gathered.done.into_iter().flatten().unzip();
    if entries.len() != found.len() {
        return Err(PublishError::Stopped);
    }
    made.sync_all().map_err(failed)?;
    let named = found
        .iter()
        .zip(columns)
        .filter_map(|(file, names)| names.map(|names| Columns { file: file.path.clone(), names }));
    Ok((entries, named.take(limits::SUMMARY_FILES).collect()))
}

/// What the threads have done.
struct Gathered<'a> {
    done: Vec<Option<Hashed>>,
    bytes: u64,
    /// The first file in the list of those that failed.
    failed: Option<(usize, PublishError)>,
    on_bytes: &'a mut (dyn FnMut(usize, u64) + Send),
}

/// What the threads share.
struct All<'a> {
    folder: &'a Path,
    found: &'a [Found],
    /// Number of each file's first chunk.
    first: &'a [u64],
    chunks: &'a Path,
    copy: Option<&'a Path>,
    stop: &'a AtomicBool,
    /// A file failed.
    halt: AtomicBool,
    next: AtomicUsize,
    gathered: Mutex<Gathered<'a>>,
}

impl<'a> All<'a> {
    fn is_over(&self) -> bool {
        self.stop.load(Relaxed) || self.halt.load(Relaxed)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered<'a>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread: takes file after file.
    fn work(&self) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let number = self.next.fetch_add(1, Relaxed);
            let (Some(file), Some(first)) = (self.found.get(number), self.first.get(number)) else { return };
            if self.is_over() {
                return;
            }
            let hashed = self.file(number, file, *first, &mut buffer);
            let mut gathered = self.gathered();
            match hashed {
                Ok(hashed) => {
                    if let Some(place) = gathered.done.get_mut(number) {
                        *place = Some(hashed);
                    }
                }
                Err(error) => {
                    self.halt.store(true, Relaxed);
                    // What was left off since another file failed is no reason.
                    let first = gathered.failed.as_ref().is_none_or(|(first, _)| number < *first);
                    if !matches!(error, PublishError::Stopped) && first {
                        gathered.failed = Some((number, error));
                    }
                }
            }
        }
    }

    fn tell(&self, number: usize, more: usize) {
        let mut gathered = self.gathered();
        let bytes = gathered.bytes.saturating_add(more as u64);
        gathered.bytes = bytes;
        (gathered.on_bytes)(number, bytes);
    }

    /// Hashes a file; answers its entry, and its columns if it is CSV.
    fn file(
        &self,
        number: usize,
        found: &Found,
        first: u64,
        buffer: &mut [u8],
    ) -> Result<Hashed, PublishError> {
        let path = &self.folder.join(&found.path);
        let io = |error| PublishError::io(path, error);
        let mut input = open(self.folder, path)?;
        let before = Stamp::of(&input.metadata().map_err(io)?);
        if before.size != found.size {
            return Err(PublishError::Changed { path: path.clone() });
        }
        let mut output = match self.copy.map(|copy| copy.join(number.to_string())) {
            Some(copy) => Some((File::create(&copy).map_err(|error| PublishError::io(&copy, error))?, copy)),
            None => None,
        };
        let failed = |error| PublishError::io(self.chunks, error);
        let mut chunks = self.hashes_at(first).map_err(failed)?;
        let (mut hashes, mut head) = (FileHashes::default(), Vec::new());
        loop {
            if self.is_over() {
                return Err(PublishError::Stopped);
            }
            let read = match input.read(buffer) {
                Ok(0) => break,
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io(error)),
            };
            if hashes.size.saturating_add(read.len() as u64) > before.size {
                return Err(PublishError::Changed { path: path.clone() });
            }
            if head.len() < HEAD_BYTES {
                head.extend_from_slice(read.get(..(HEAD_BYTES - head.len()).min(read.len())).unwrap_or(read));
            }
            hashes.update(read, |hash| chunks.write_all(&hash.0)).map_err(failed)?;
            if let Some((output, copy)) = &mut output {
                output.write_all(read).map_err(|error| PublishError::io(copy, error))?;
            }
            self.tell(number, read.len());
        }
        if hashes.size != before.size || !is_still(self.folder, path, &input, &before)? {
            return Err(PublishError::Changed { path: path.clone() });
        }
        if let Some((output, copy)) = output {
            output.sync_all().map_err(|error| PublishError::io(&copy, error))?;
        }
        let size = hashes.size;
        let (sha256, digest) = hashes.finish(|hash| chunks.write_all(&hash.0)).map_err(failed)?;
        chunks.flush().map_err(failed)?;
        let whole = head.len() as u64 == size;
        let media = media::media_type(&found.path, &head, whole);
        let columns = if media == media::CSV { media::csv_columns(&head, whole) } else { None };
        let path = found.path.clone();
        Ok((FileEntry { chunks: digest, media: media.to_owned(), path, sha256, size }, columns))
    }

    /// The file of chunk hashes, at this chunk.
    fn hashes_at(&self, chunk: u64) -> io::Result<BufWriter<File>> {
        let mut file = OpenOptions::new().write(true).open(self.chunks)?;
        file.seek(SeekFrom::Start(chunk.saturating_mul(ChunkHash::LEN as u64)))?;
        Ok(BufWriter::new(file))
    }
}

/// Opens a file that was found in the folder: what has taken its place since must be a file there too.
fn open(folder: &Path, path: &Path) -> Result<File, PublishError> {
    let at = |error: io::Error| {
        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            return PublishError::Gone { path: path.to_owned() };
        }
        PublishError::io(path, error)
    };
    let place = path.canonicalize().map_err(at)?;
    if !place.starts_with(folder) {
        return Err(PublishError::Symlink { path: path.to_owned() });
    }
    // Opening a pipe that took the file's place would wait for ever.
    if !fs::metadata(&place).map_err(at)?.is_file() {
        return Err(PublishError::NotAFile { path: path.to_owned() });
    }
    File::open(&place).map_err(at)
}

/// Whether what was read is still what lies under this name in the folder, and has not changed.
fn is_still(folder: &Path, path: &Path, input: &File, before: &Stamp) -> Result<bool, PublishError> {
    // The handle tells of writes to this file, the path of another file in its place.
    let of_handle = input.metadata().map_err(|error| PublishError::io(path, error))?;
    if Stamp::of(&of_handle) != *before {
        return Ok(false);
    }
    let again = open(folder, path)?.metadata().map_err(|error| PublishError::io(path, error))?;
    Ok(Stamp::of(&again) == *before)
}

/// What must not change while a file is read.
#[derive(PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Both kinds of hashes of a file, fed with bytes in order.
#[derive(Default)]
struct FileHashes {
    sha: Sha256,
    chunk: blake3::Hasher,
    in_chunk: u64,
    digest: ChunksDigest,
    size: u64,
}

impl FileHashes {
    fn update(
        &mut self,
        mut bytes: &[u8],
        mut on_chunk: impl FnMut(&ChunkHash) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sha.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK_BYTES - self.in_chunk).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.update(now);
            self.in_chunk += now.len() as u64;
            bytes = later;
            if self.in_chunk == CHUNK_BYTES {
                self.end_chunk(&mut on_chunk)?;
            }
        }
        Ok(())
    }

    fn end_chunk(&mut self, on_chunk: &mut impl FnMut(&ChunkHash) -> io::Result<()>) -> io::Result<()> {
        let hash = ChunkHash(*self.chunk.finalize().as_bytes());
        self.chunk.reset();
        self.in_chunk = 0;
        self.digest.push(&hash);
        on_chunk(&hash)
    }

    /// SHA-256 of the file, digest of its chunk hashes.
    fn finish(
        mut self,
        mut on_chunk: impl FnMut(&ChunkHash) -> io::Result<()>,
    ) -> io::Result<(Digest, Digest)> {
        if self.in_chunk > 0 {
            self.end_chunk(&mut on_chunk)?;
        }
        Ok((Digest(self.sha.finalize().into()), self.digest.digest()))
    }
}
