//! Writing what was fetched: verified chunks go to their place, each file's SHA-256 is computed in order beside it, and
//! progress is marked once it is durable (spec chapter 07, TRF-6.7 and TRF-6.9).
//!
//! One thread writes; a second makes durable and marks, at most once a second, so that a slow disk does not hold up what
//! arrives. What arrives has been verified against its chunk hash already.
//!
//! A chunk is taken only when its writing is answered, so the queue before this thread is as short as the fetches are few.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use naru_protocol::{
    encoding::Digest,
    filelist::{ChunkHash, ChunkPlace, FileList},
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    buffers::Buffer,
    fetch::FetchError,
    part::{Done, Mark, PartFolder},
};
use crate::store::write_back;

/// Time between two marks.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// Most files that wait to be made durable, each with a descriptor.
const MAX_DIRTY: usize = 256;
/// From so many on they are written back together before each is synced.
const TOGETHER: usize = 16;

/// A verified chunk on its way to the disk.
struct Chunk {
    number: u64,
    place: ChunkPlace,
    hash: ChunkHash,
    buffer: Buffer,
    written: oneshot::Sender<()>,
}

/// The way to the writing thread, cheap to clone. When the last one is dropped, the thread marks what it has and ends.
#[derive(Debug, Clone)]
pub(super) struct Sink(mpsc::Sender<Chunk>);

/// The writing thread.
#[derive(Debug)]
pub(super) struct SinkThread(JoinHandle<Result<(), FetchError>>);

impl Sink {
    /// Starts to write behind what the writer resumed from.
    pub(super) fn start(writer: Writer) -> (Self, SinkThread) {
        let (to, from) = mpsc::channel(1);
        (Self(to), SinkThread(spawn_blocking(move || writer.run(from))))
    }

    /// Writes a chunk; returns when it is on its way to the disk and belongs to its file. [`FetchError::Stopped`] means that
    /// the thread has ended, with the reason that [`SinkThread::join`] tells.
    pub(super) async fn write(
        &self,
        number: u64,
        place: ChunkPlace,
        hash: ChunkHash,
        buffer: Buffer,
    ) -> Result<(), FetchError> {
        let (written, answer) = oneshot::channel();
        let chunk = Chunk { number, place, hash, buffer, written };
        self.0.send(chunk).await.map_err(|_| FetchError::Stopped)?;
        answer.await.map_err(|_| FetchError::Stopped)
    }
}

impl SinkThread {
    /// Waits until everything written is durable and marked. All [`Sink`]s must be dropped.
    pub(super) async fn join(self) -> Result<(), FetchError> {
        self.0.await.map_err(|_| FetchError::Stopped)?
    }
}

/// The files of an unfinished transfer.
#[derive(Debug)]
pub(super) struct Writer {
    folder: Arc<PartFolder>,
    list: Arc<FileList>,
    done: Done,
    sha: Sha256,
    chunks: File,
    /// Files with more than one chunk that are being written.
    open: BTreeMap<usize, Arc<File>>,
    /// Files written since the last mark.
    dirty: BTreeMap<usize, Arc<File>>,
}

impl Writer {
    /// Takes up where the folder's last mark says, as far as the files bear it out. Blocks: reads the file that the mark
    /// lies in.
    pub(super) fn resume(
        folder: Arc<PartFolder>,
        list: Arc<FileList>,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, FetchError> {
        let chunks = folder.open_chunks()?;
        let prefix = whole_prefix(&folder, &list)?;
        let (open, dirty) = (BTreeMap::new(), BTreeMap::new());
        let mut writer =
            Self { folder, list, done: Done::default(), sha: Sha256::new(), chunks, open, dirty };
        let place = writer.list.place(prefix);
        let first = place.map_or(prefix, |place| prefix - place.chunk);
        writer.done = Done::up_to(first);
        for number in first..prefix {
            if !writer.resume_chunk(number, buffer)? {
                break;
            }
        }
        Ok(writer)
    }

    /// Takes a chunk that was written before into the SHA-256 of its file, if it is right.
    fn resume_chunk(&mut self, number: u64, buffer: &mut Vec<u8>) -> Result<bool, FetchError> {
        let Some(place) = self.list.place(number) else { return Ok(false) };
        let hash = super::part::read_hash(&mut self.chunks, number)
            .map_err(|error| FetchError::io(&self.folder.chunks_path(), error))?;
        if !self.folder.read_chunk(place, buffer) || ChunkHash::of(buffer) != hash {
            return Ok(false);
        }
        self.done.add(number);
        self.done.advance();
        self.sha.update(buffer);
        Ok(true)
    }

    /// How many chunks are there, from the first on.
    pub(super) const fn prefix(&self) -> u64 {
        self.done.prefix
    }

    fn run(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), FetchError> {
        let syncer = Syncer::start(Arc::clone(&self.folder))?;
        let mut marked = Instant::now();
        let mut failed = None;
        while let Some(chunk) = chunks.blocking_recv() {
            let Chunk { number, place, hash, buffer, written } = chunk;
            let mut result = self.write(number, place, hash, buffer.as_ref());
            drop(buffer);
            if result.is_ok() && (marked.elapsed() >= MARK_EVERY || self.dirty.len() >= MAX_DIRTY) {
                result = self.mark(&syncer, self.dirty.len() >= MAX_DIRTY).map(|sent| {
                    if sent {
                        marked = Instant::now();
                    }
                });
            }
            // The reason is told by the thread's end: whoever waits may be gone. So may a listener to success be.
            match result {
                Ok(()) => drop(written.send(())),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        // What can still be kept is kept, whatever happened.
        let marked = self.mark(&syncer, true).map(|_| ());
        let synced = syncer.join();
        failed.map_or(Ok(()), Err).and(marked).and(synced)
    }

    fn write(
        &mut self,
        number: u64,
        place: ChunkPlace,
        hash: ChunkHash,
        bytes: &[u8],
    ) -> Result<(), FetchError> {
        let path = self.folder.file(place.file);
        let io = |error| FetchError::io(&path, error);
        let file = self.file(place.file, &path)?;
        (&*file).seek(SeekFrom::Start(place.offset)).map_err(io)?;
        (&*file).write_all(bytes).map_err(io)?;
        let only =
            place.chunk == 0 && self.list.entry(place.file).is_some_and(|entry| entry.size == place.len);
        if only {
            // Its hash came with the chunk itself: the list has the digest of just this one.
            write_hash(&mut self.chunks, number, &hash)
                .map_err(|error| FetchError::io(&self.folder.chunks_path(), error))?;
        } else {
            self.open.insert(place.file, Arc::clone(&file));
        }
        self.dirty.insert(place.file, file);
        self.done.add(number);
        while let Some(next) = self.done.advance() {
            let in_hand = (next == number).then_some(bytes);
            if let Err(error) = self.hash(next, in_hand) {
                // A file with a wrong digest is never marked as done.
                self.done = Done::up_to(next);
                return Err(error);
            }
        }
        Ok(())
    }

    fn file(&self, number: usize, path: &Path) -> Result<Arc<File>, FetchError> {
        if let Some(file) = self.open.get(&number).or_else(|| self.dirty.get(&number)) {
            return Ok(Arc::clone(file));
        }
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        opened.map(Arc::new).map_err(|error| FetchError::io(path, error))
    }

    /// Takes the next chunk in order into the SHA-256 of its file, and compares that at the end of the file.
    fn hash(&mut self, number: u64, in_hand: Option<&[u8]>) -> Result<(), FetchError> {
        let Some(place) = self.list.place(number) else { return Ok(()) };
        if place.chunk == 0 {
            self.sha = Sha256::new();
        }
        let path = self.folder.file(place.file);
        match in_hand {
            Some(bytes) => self.sha.update(bytes),
            None => {
                let file = self.file(place.file, &path)?;
                hash_range(&file, place, &mut self.sha).map_err(|error| FetchError::io(&path, error))?;
            }
        }
        let Some(entry) = self.list.entry(place.file) else { return Ok(()) };
        if place.offset + place.len < entry.size {
            return Ok(());
        }
        self.open.remove(&place.file);
        let sha256 = Digest(core::mem::take(&mut self.sha).finalize().into());
        if sha256 == entry.sha256 { Ok(()) } else { Err(FetchError::FileDigest { path: entry.path.clone() }) }
    }

    /// Hands what was written over to be made durable and marked. Unless it must, it does not wait for the mark before it.
    fn mark(&mut self, syncer: &Syncer, must: bool) -> Result<bool, FetchError> {
        syncer.check()?;
        let chunks = self.chunks.try_clone();
        let chunks = chunks.map_err(|error| FetchError::io(&self.folder.chunks_path(), error))?;
        let files = core::mem::take(&mut self.dirty);
        match syncer.send(SyncJob { files, chunks, prefix: self.done.prefix }, must) {
            None => Ok(true),
            Some(job) => {
                self.dirty = job.files;
                Ok(false)
            }
        }
    }
}

/// How many chunks from the first on the mark vouches for and the folder has, by size and by kept hashes.
fn whole_prefix(folder: &PartFolder, list: &FileList) -> Result<u64, FetchError> {
    let mark = folder.read_mark();
    let marked = mark.chunks.min(list.chunks());
    for (file, entry) in list.entries().iter().enumerate() {
        let chunks = list.chunks_of(file);
        if chunks.start >= marked {
            break;
        }
        let bytes = (marked.min(chunks.end) - chunks.start) * naru_protocol::filelist::CHUNK_BYTES;
        let there = mark.placing || folder.has_bytes(file, bytes.min(entry.size));
        let right = folder.check_hashes(list, file, |_| {});
        if !there || !right.map_err(|error| FetchError::io(&folder.chunks_path(), error))? {
            return Ok(chunks.start);
        }
    }
    Ok(marked)
}

fn write_hash(file: &mut File, chunk: u64, hash: &ChunkHash) -> io::Result<()> {
    file.seek(SeekFrom::Start(chunk * ChunkHash::LEN as u64))?;
    file.write_all(&hash.0)
}

fn hash_range(mut file: &File, place: ChunkPlace, sha: &mut Sha256) -> io::Result<()> {
    file.seek(SeekFrom::Start(place.offset))?;
    let mut piece = vec![0; 256 << 10];
    let mut left = place.len;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let part = piece.get_mut(..now).unwrap_or_default();
        file.read_exact(part)?;
        sha.update(&*part);
        left -= now as u64;
    }
    Ok(())
}

/// What is to be made durable, and the mark that this allows.
#[derive(Debug)]
struct SyncJob {
    files: BTreeMap<usize, Arc<File>>,
    chunks: File,
    prefix: u64,
}

/// The thread that makes durable and marks.
struct Syncer {
    jobs: SyncSender<SyncJob>,
    failed: Arc<Mutex<Option<FetchError>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Syncer {
    fn start(folder: Arc<PartFolder>) -> Result<Self, FetchError> {
        let (jobs, todo) = sync_channel(1);
        let failed = Arc::new(Mutex::new(None));
        let report = Arc::clone(&failed);
        let thread = std::thread::Builder::new().name("naru-sync".to_owned());
        let thread = thread.spawn(move || run_syncer(&folder, &todo, &report));
        let thread = thread.map_err(|error| FetchError::io(Path::new("naru-sync"), error))?;
        Ok(Self { jobs, failed, thread })
    }

    /// The error that a mark before this one ended with, once.
    fn check(&self) -> Result<(), FetchError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Hands a job over; gives it back if the thread is busy and need not be waited for.
    fn send(&self, job: SyncJob, must: bool) -> Option<SyncJob> {
        if must {
            // A thread that is gone has left its error, which `join` tells.
            let _ = self.jobs.send(job);
            return None;
        }
        match self.jobs.try_send(job) {
            Err(TrySendError::Full(job)) => Some(job),
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }

    fn join(self) -> Result<(), FetchError> {
        drop(self.jobs);
        self.thread.join().map_err(|_| FetchError::Stopped)?;
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

fn run_syncer(folder: &PartFolder, jobs: &Receiver<SyncJob>, failed: &Mutex<Option<FetchError>>) {
    for job in jobs {
        if let Err(error) = sync(folder, &job) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
    }
}

/// First the bytes, then the mark that vouches for them.
fn sync(folder: &PartFolder, job: &SyncJob) -> Result<(), FetchError> {
    // One wait for the disk for each of many small files would be most of the time that they take.
    if job.files.len() > TOGETHER {
        write_back(&job.chunks);
    }
    for (number, file) in &job.files {
        file.sync_data().map_err(|error| FetchError::io(&folder.file(*number), error))?;
    }
    job.chunks.sync_data().map_err(|error| FetchError::io(&folder.chunks_path(), error))?;
    folder.sync_names();
    folder.write_mark(Mark { v: 1, chunks: job.prefix, placing: false })
}
