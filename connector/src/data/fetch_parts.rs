//! The single requests of a transfer at the consumer: one chunk, one list of chunk hashes, one acknowledgement (spec
//! chapter 07, TRF-6.6, TRF-6.7 and TRF-6.11). Each repeats itself until it succeeds or its failure is final.
//!
//! Which of them run when is the business of [`super::fetch`].

use std::{
    io::{Seek, SeekFrom, Write},
    sync::Arc,
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{ChunkHash, ChunkPlace, FileEntry},
    window::WindowProgress,
};
use sha2::{Digest as _, Sha256};

use super::{
    Part,
    buffers::Buffer,
    fetch::{FetchError, FetchEvent, Shared, blocking},
    part,
    ranges::{Pauses, RangeError, RangeSource, receive},
    sink::Sink,
};

/// Bytes of a list of chunk hashes that are asked for at once.
const LIST_PIECE: u64 = 1 << 20;

/// What a finished request was.
pub(super) enum Job {
    /// A chunk is verified and written.
    Chunk {
        /// Number over all files.
        number: u64,
        /// Its hash.
        hash: ChunkHash,
    },
    /// The chunk hashes of a file are verified and kept.
    List {
        /// The file.
        file: usize,
    },
    /// The provider took an acknowledgement.
    Acknowledged(WindowProgress),
}

/// What a chunk must be.
#[derive(Clone, Copy)]
enum Right {
    /// The kept hash of a chunk among others.
    Hash(ChunkHash),
    /// The digest in the file list, over the one hash of a file with one chunk.
    Digest(Digest),
}

impl Right {
    fn is(&self, hash: &ChunkHash) -> bool {
        match self {
            Self::Hash(right) => right == hash,
            Self::Digest(right) => *right == Digest::of(&hash.0),
        }
    }
}

impl<S: RangeSource> Shared<S> {
    /// Waits before a request is repeated, or ends with its error.
    async fn pause(&self, pauses: &mut Pauses, error: RangeError) -> Result<(), FetchError> {
        let on_pause = |error: &RangeError, pause| (self.on_event)(FetchEvent::Retry { error, pause });
        Ok(self.retries.pause(pauses, error, on_pause).await?)
    }

    fn entry(&self, file: usize) -> Result<&FileEntry, FetchError> {
        self.list.entry(file).ok_or(FetchError::Stopped)
    }
}

/// Gets a chunk: from disk if an earlier fetch left it there, else from the provider; verifies and writes it.
pub(super) async fn chunk<S: RangeSource>(
    shared: Arc<Shared<S>>,
    sink: Sink,
    number: u64,
    place: ChunkPlace,
) -> Result<Job, FetchError> {
    let len = usize::try_from(place.len).unwrap_or(usize::MAX);
    let buffer = shared.buffers.take(len).await.ok_or(FetchError::Stopped)?;
    let (folder, list) = (Arc::clone(&shared.folder), Arc::clone(&shared.list));
    let (right, mut buffer, found) = blocking(move || {
        let mut buffer = buffer;
        let entry = list.entry(place.file).ok_or(FetchError::Stopped)?;
        let right = if entry.size == place.len {
            Right::Digest(entry.chunks)
        } else {
            let mut kept = folder.open_chunks()?;
            let hash = part::read_hash(&mut kept, number);
            Right::Hash(hash.map_err(|error| FetchError::io(&folder.chunks_path(), error))?)
        };
        let found = folder.has_bytes(place.file, place.offset + place.len)
            && folder.read_chunk(place, buffer.bytes())
            && right.is(&ChunkHash::of(buffer.as_ref()));
        Ok((right, buffer, found))
    })
    .await?;
    let hash = if found {
        ChunkHash::of(buffer.as_ref())
    } else {
        download(&shared, place, right, &mut buffer).await?
    };
    sink.write(number, place, hash, buffer).await?;
    (shared.on_event)(FetchEvent::Chunk { number, bytes: place.len, found });
    Ok(Job::Chunk { number, hash })
}

/// Fetches one chunk until it is right.
async fn download<S: RangeSource>(
    shared: &Shared<S>,
    place: ChunkPlace,
    right: Right,
    buffer: &mut Buffer,
) -> Result<ChunkHash, FetchError> {
    let entry = shared.entry(place.file)?;
    let permits = u32::try_from(place.len.div_ceil(1 << 20).max(1)).unwrap_or(u32::MAX);
    let mut pauses = Pauses::default();
    let mut corrupt = 0;
    loop {
        let permit = shared.network.acquire_many(permits).await.map_err(|_| FetchError::Stopped)?;
        let result = attempt(shared, place, buffer).await;
        drop(permit);
        let error = match result {
            Ok(hash) if right.is(&hash) => {
                shared.retries.succeeded();
                return Ok(hash);
            }
            Ok(_) => None,
            Err(error) => Some(error),
        };
        // A wrong chunk, a wrong length and a source that cannot be read count alike; other failures have patience only.
        if is_no_range(error.as_ref()) {
            return Err(given_up(entry, place, None));
        }
        if let None | Some(RangeError::SourceFault(_) | RangeError::Length) = error {
            corrupt += 1;
            (shared.on_event)(FetchEvent::Corrupt { path: &entry.path, chunk: place.chunk, tries: corrupt });
            if corrupt >= shared.retries.options.corrupt_tries {
                return Err(given_up(entry, place, error.as_ref()));
            }
        }
        if let Some(error) = error {
            shared.pause(&mut pauses, error).await?;
        }
    }
}

/// Why a chunk is not asked for again: what the provider said of its source is kept, anything else is a wrong chunk.
fn given_up(entry: &FileEntry, place: ChunkPlace, last: Option<&RangeError>) -> FetchError {
    let (path, chunk) = (entry.path.clone(), place.chunk);
    match last {
        Some(RangeError::SourceFault(code)) => FetchError::SourceFault { path, chunk, code: *code },
        None
        | Some(
            RangeError::Interrupted(_)
            | RangeError::Busy { .. }
            | RangeError::Refused { .. }
            | RangeError::Length,
        ) => FetchError::SourceCorrupt { path, chunk },
    }
}

/// The provider does not have a range that its own file list has: asking again is no use.
const fn is_no_range(error: Option<&RangeError>) -> bool {
    matches!(error, Some(RangeError::Refused { code: Some(Code::RangeInvalid), .. }))
}

/// One request for a chunk; hashes the bytes as they come, while they are in the cache.
async fn attempt<S: RangeSource>(
    shared: &Shared<S>,
    place: ChunkPlace,
    buffer: &mut Buffer,
) -> Result<ChunkHash, RangeError> {
    let _turn = shared.source.turn().await;
    let bytes = buffer.bytes();
    bytes.clear();
    let mut hasher = blake3::Hasher::new();
    let range = place.offset..place.offset + place.len;
    receive(&*shared.source, Part::File(place.file), range, shared.retries.options.stall, |piece| {
        hasher.update(piece);
        bytes.extend_from_slice(piece);
    })
    .await?;
    Ok(ChunkHash(*hasher.finalize().as_bytes()))
}

/// Gets the chunk hashes of a file: those kept if they are right, else from the provider; verifies and keeps them.
pub(super) async fn chunk_list<S: RangeSource>(
    shared: Arc<Shared<S>>,
    file: usize,
) -> Result<Job, FetchError> {
    let (folder, list) = (Arc::clone(&shared.folder), Arc::clone(&shared.list));
    let kept = blocking(move || Ok(folder.check_hashes(&list, file, |_| {}).unwrap_or(false))).await?;
    if kept {
        return Ok(Job::List { file });
    }
    let entry = shared.entry(file)?;
    for _ in 0..shared.retries.options.corrupt_tries {
        if download_list(&shared, file).await? == entry.chunks {
            return Ok(Job::List { file });
        }
    }
    Err(FetchError::ChunkList { path: entry.path.clone() })
}

/// Fetches and keeps the chunk hashes of a file; answers their digest. They count only if that is right.
async fn download_list<S: RangeSource>(shared: &Shared<S>, file: usize) -> Result<Digest, FetchError> {
    let chunks = shared.list.chunks_of(file);
    let len = ChunkHash::LEN as u64;
    let total = (chunks.end - chunks.start) * len;
    let (mut sha, mut at, mut pauses) = (Sha256::new(), 0, Pauses::default());
    while at < total {
        let range = at..total.min(at + LIST_PIECE);
        let end = range.end;
        let mut piece = Vec::new();
        let stall = shared.retries.options.stall;
        let result = receive(&*shared.source, Part::Chunks(file), range, stall, |bytes| {
            piece.extend_from_slice(bytes)
        });
        match result.await {
            // Counts as a wrong list, which is fetched a few times only.
            Err(RangeError::Length) => return Ok(Digest::of(b"")),
            Err(error) if is_no_range(Some(&error)) => return Ok(Digest::of(b"")),
            Err(error) => {
                shared.pause(&mut pauses, error).await?;
                continue;
            }
            Ok(()) => shared.retries.succeeded(),
        }
        sha.update(&piece);
        let folder = Arc::clone(&shared.folder);
        let offset = chunks.start * len + at;
        blocking(move || {
            let mut kept = folder.open_chunks()?;
            let written = kept.seek(SeekFrom::Start(offset)).and_then(|_| kept.write_all(&piece));
            written.map_err(|error| FetchError::io(&folder.chunks_path(), error))
        })
        .await?;
        at = end;
    }
    Ok(Digest(sha.finalize().into()))
}

/// Delivers a window acknowledgement.
pub(super) async fn acknowledge<S: RangeSource>(
    shared: Arc<Shared<S>>,
    progress: WindowProgress,
) -> Result<Job, FetchError> {
    let mut pauses = Pauses::default();
    loop {
        match shared.source.acknowledge(progress).await {
            Ok(()) => {
                shared.retries.succeeded();
                return Ok(Job::Acknowledged(progress));
            }
            Err(error) => shared.pause(&mut pauses, error).await?,
        }
    }
}
