//! The file list of a dataset version: which files there are, how they are cut into chunks, and what each must hash to
//! (spec chapter 04, CAT-4 to CAT-6).
//!
//! A list is text: one JCS object a line, sorted by the bytes of `path`. [`FileList::parse`] accepts exactly the text
//! that [`FileList::print`] writes, so that the digest of a list and its meaning cannot come apart. Chunk hashes are not
//! in the list, only their digest: they are read on their own, file by file.
//!
//! Reads no file and hashes none beyond what it is handed.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    encoding::{self, Digest},
    error::Code,
    limits,
};

/// Bytes of a chunk; the last chunk of a file is what remains (CAT-5.1).
pub const CHUNK_BYTES: u64 = limits::CHUNK as u64;
/// Most bytes of the text of a file list (CAT-4.7).
pub const MAX_FILE_LIST_BYTES: usize = 16 << 20;
/// Most bytes of all files of a dataset version together: 64 TiB (CAT-4.7).
pub const MAX_DATASET_BYTES: u64 = 1 << 46;

/// The BLAKE3-256 hash of the bytes of one chunk, hashed as an input of its own (CAT-5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkHash(pub [u8; 32]);

impl ChunkHash {
    /// Bytes of a hash in a binary list of chunk hashes.
    pub const LEN: usize = 32;

    /// The hash of the bytes of a chunk.
    #[must_use]
    pub fn of(chunk: &[u8]) -> Self {
        Self(*blake3::hash(chunk).as_bytes())
    }

    /// Cuts the binary list of a file's chunk hashes; `None` if its length is not a multiple of a hash.
    #[must_use]
    pub fn split(list: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = list.as_chunks::<{ Self::LEN }>();
        rest.is_empty().then(|| hashes.iter().copied().map(Self).collect())
    }
}

impl core::fmt::Debug for ChunkHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&encoding::to_base64url(&self.0))
    }
}

/// SHA-256 over chunk hashes in order: the `chunks` of a file (CAT-5.3) and the `digest` of a window
/// acknowledgement (TRF-8.4).
#[derive(Clone, Default)]
pub struct ChunksDigest {
    sha: Sha256,
    count: u64,
}

impl ChunksDigest {
    /// The digest over no hash yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the hash of the next chunk.
    pub fn push(&mut self, hash: &ChunkHash) {
        self.sha.update(hash.0);
        self.count = self.count.saturating_add(1);
    }

    /// How many hashes were added.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The digest over the hashes added so far; more may follow.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.sha.clone().finalize().into())
    }
}

impl core::fmt::Debug for ChunksDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ChunksDigest({} chunks)", self.count)
    }
}

/// How many chunks a file of `size` bytes has; none if it is empty (CAT-5.1).
#[must_use]
pub const fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES)
}

/// One file of a dataset version. Its members stand in the order of JCS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// SHA-256 of the binary list of the file's chunk hashes.
    pub chunks: Digest,
    /// Media type, such as `text/csv`.
    pub media: String,
    /// Relative path with `/` between segments ([`check_path`]).
    pub path: String,
    /// SHA-256 of the file's bytes.
    pub sha256: Digest,
    /// Bytes of the file.
    pub size: u64,
}

/// What is wrong with a path (CAT-4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// More than [`limits::FILE_PATH`].
    #[error("is longer than 1024 bytes")]
    TooLong,
    /// Begins or ends with `/`, or holds `//`.
    #[error("has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("has a segment `.` or `..`")]
    DotSegment,
    /// Holds a control character.
    #[error("has a control character")]
    Control,
    /// Holds `\`.
    #[error("has a backslash")]
    Backslash,
}

/// What is wrong with a file list. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFileList {
    /// The text is longer than [`MAX_FILE_LIST_BYTES`].
    #[error("the file list is longer than {MAX_FILE_LIST_BYTES} bytes")]
    TooLong,
    /// There are more files than [`limits::FILES`].
    #[error("the file list names more than {} files", limits::FILES)]
    TooManyFiles,
    /// The files are together larger than [`MAX_DATASET_BYTES`].
    #[error("the files are together larger than {MAX_DATASET_BYTES} bytes")]
    TooLarge,
    /// The text is empty, so there is no file: a dataset version has at least one.
    #[error("the file list names no file")]
    NoFile,
    /// A line is not the canonical JSON of an entry, or the last line is not ended.
    #[error("line {line} of the file list is not a canonical entry")]
    Line {
        /// The line.
        line: usize,
    },
    /// A path breaks the rules.
    #[error("line {line} of the file list: the path {problem}")]
    Path {
        /// The line.
        line: usize,
        /// The rule it breaks.
        problem: BadPath,
    },
    /// A media type is not `type/subtype` in lowercase.
    #[error("line {line} of the file list: not a media type")]
    Media {
        /// The line.
        line: usize,
    },
    /// A path does not come after the one before it.
    #[error("line {line} of the file list is out of order or repeats a path")]
    Order {
        /// The line.
        line: usize,
    },
    /// A path goes through another file as if that were a folder.
    #[error("line {line} of the file list lies inside another file of the list")]
    Inside {
        /// The line.
        line: usize,
    },
    /// An empty file whose digests are not those of nothing, or the other way round.
    #[error("line {line} of the file list: the size and the digests contradict each other")]
    Empty {
        /// The line.
        line: usize,
    },
}

impl BadFileList {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLong | Self::TooManyFiles | Self::TooLarge => Code::TooLarge,
            Self::Path { .. } | Self::Inside { .. } => Code::PathRefused,
            Self::Line { .. } => Code::NotCanonical,
            Self::NoFile | Self::Media { .. } | Self::Order { .. } | Self::Empty { .. } => Code::Malformed,
        }
    }
}

/// Checks the rules for a path: relative, no empty, `.` or `..` segment, no control character, no backslash, at most
/// 1024 bytes (CAT-4.4).
pub fn check_path(path: &str) -> Result<(), BadPath> {
    if path.is_empty() {
        return Err(BadPath::Empty);
    }
    if path.len() > limits::FILE_PATH {
        return Err(BadPath::TooLong);
    }
    if path.chars().any(char::is_control) {
        return Err(BadPath::Control);
    }
    if path.contains('\\') {
        return Err(BadPath::Backslash);
    }
    for segment in path.split('/') {
        match segment {
            "" => return Err(BadPath::EmptySegment),
            "." | ".." => return Err(BadPath::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a text is a media type as lists carry it: lowercase `type/subtype` without parameters, at most 128 bytes
/// (CAT-4.5).
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b))
    };
    text.len() <= limits::MEDIA_TYPE && text.split_once('/').is_some_and(|(a, b)| token(a) && token(b))
}

/// Where a chunk of the dataset version lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Number of the file in list order, from 0.
    pub file: usize,
    /// Number of the chunk in its file, from 0.
    pub chunk: u64,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes of the chunk: [`CHUNK_BYTES`], less for the last of a file.
    pub len: u64,
}

/// A file list that keeps every rule. Chunks are also numbered through, over all files in list order, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    entries: Vec<FileEntry>,
    /// First chunk of each file, and behind the last file the number of all chunks.
    first_chunk: Vec<u64>,
    /// First byte of each file in the concatenation of all, and behind the last file the number of all bytes.
    first_byte: Vec<u64>,
    digest: Digest,
    text_len: usize,
}

impl FileList {
    /// Reads the text of a list. Accepts only the canonical text.
    pub fn parse(text: &[u8]) -> Result<Self, BadFileList> {
        if text.len() > MAX_FILE_LIST_BYTES {
            return Err(BadFileList::TooLong);
        }
        let mut entries = Vec::new();
        for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if at >= limits::FILES {
                return Err(BadFileList::TooManyFiles);
            }
            let bad = BadFileList::Line { line: at + 1 };
            if line.len() > limits::FILE_LINE {
                return Err(bad);
            }
            let entry: FileEntry = serde_json::from_slice(line).map_err(|_| bad.clone())?;
            if print_line(&entry).as_bytes() != line {
                return Err(bad);
            }
            entries.push(entry);
        }
        Self::checked(entries, text.len(), Digest::of(text))
    }

    /// Builds a list from entries in any order.
    pub fn from_entries(mut entries: Vec<FileEntry>) -> Result<Self, BadFileList> {
        if entries.len() > limits::FILES {
            return Err(BadFileList::TooManyFiles);
        }
        entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        let mut sha = Sha256::new();
        let mut len = 0_usize;
        for entry in &entries {
            let line = print_line(entry);
            len = len.saturating_add(line.len());
            sha.update(line.as_bytes());
        }
        Self::checked(entries, len, Digest(sha.finalize().into()))
    }

    fn checked(entries: Vec<FileEntry>, text_len: usize, digest: Digest) -> Result<Self, BadFileList> {
        if text_len > MAX_FILE_LIST_BYTES {
            return Err(BadFileList::TooLong);
        }
        if entries.is_empty() {
            return Err(BadFileList::NoFile);
        }
        let mut first_chunk = Vec::with_capacity(entries.len() + 1);
        let mut first_byte = Vec::with_capacity(entries.len() + 1);
        let (mut chunks, mut bytes) = (0_u64, 0_u64);
        let mut last: Option<&str> = None;
        for (at, entry) in entries.iter().enumerate() {
            let line = at + 1;
            check_entry(entry, line)?;
            if last.is_some_and(|last| last.as_bytes() >= entry.path.as_bytes()) {
                return Err(BadFileList::Order { line });
            }
            last = Some(&entry.path);
            first_chunk.push(chunks);
            first_byte.push(bytes);
            bytes = bytes.checked_add(entry.size).ok_or(BadFileList::TooLarge)?;
            if bytes > MAX_DATASET_BYTES {
                return Err(BadFileList::TooLarge);
            }
            chunks += chunk_count(entry.size);
        }
        // Only now: the search needs the order.
        if let Some(at) = entries.iter().position(|entry| lies_inside(&entries, &entry.path)) {
            return Err(BadFileList::Inside { line: at + 1 });
        }
        first_chunk.push(chunks);
        first_byte.push(bytes);
        Ok(Self { entries, first_chunk, first_byte, digest, text_len })
    }

    /// The canonical text.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.text_len);
        for entry in &self.entries {
            text.extend_from_slice(print_line(entry).as_bytes());
        }
        text
    }

    /// SHA-256 of the text.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of the text.
    #[must_use]
    pub const fn text_len(&self) -> usize {
        self.text_len
    }

    /// The files in list order.
    #[must_use]
    pub fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    /// A file by its number in list order.
    #[must_use]
    pub fn entry(&self, file: usize) -> Option<&FileEntry> {
        self.entries.get(file)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.first_byte.last().copied().unwrap_or(0)
    }

    /// Chunks of all files.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.first_chunk.last().copied().unwrap_or(0)
    }

    /// The numbers of a file's chunks, counted through all files; empty for an empty or an unknown file.
    #[must_use]
    pub fn chunks_of(&self, file: usize) -> Range<u64> {
        match (self.first_chunk.get(file), self.first_chunk.get(file.saturating_add(1))) {
            (Some(first), Some(next)) => *first..*next,
            _ => 0..0,
        }
    }

    /// Where the chunk with this number lies; `None` behind the last.
    #[must_use]
    pub fn place(&self, number: u64) -> Option<ChunkPlace> {
        if number >= self.chunks() {
            return None;
        }
        // The last file that begins at or before the chunk; empty files begin where their successor does.
        let file = self.first_chunk.partition_point(|first| *first <= number).checked_sub(1)?;
        let chunk = number - self.first_chunk.get(file)?;
        let offset = chunk * CHUNK_BYTES;
        let len = self.entries.get(file)?.size.checked_sub(offset)?.min(CHUNK_BYTES);
        Some(ChunkPlace { file, chunk, offset, len })
    }

    /// The numbers of the chunks that a range of a file's bytes touches; `None` if the range is empty or leaves the file.
    #[must_use]
    pub fn touched(&self, file: usize, range: &Range<u64>) -> Option<Range<u64>> {
        let size = self.entries.get(file)?.size;
        if range.start >= range.end || range.end > size {
            return None;
        }
        let first = self.chunks_of(file).start;
        Some(first + range.start / CHUNK_BYTES..first + range.end.div_ceil(CHUNK_BYTES))
    }

    /// The number of the chunk behind the last one needed to cover `bytes` more bytes from the start of chunk `from`, in
    /// list order; the number of all chunks if they do not reach (TRF-8.2).
    #[must_use]
    pub fn chunk_after(&self, from: u64, bytes: u64) -> u64 {
        let Some(place) = self.place(from) else { return self.chunks() };
        let start = self.first_byte.get(place.file).copied().unwrap_or(0) + place.offset;
        let target = start.saturating_add(bytes);
        if target >= self.bytes() {
            return self.chunks();
        }
        // The last file that begins before the target byte holds it.
        let file = self.first_byte.partition_point(|first| *first < target).saturating_sub(1);
        let within = target - self.first_byte.get(file).copied().unwrap_or(0);
        self.chunks_of(file).start + chunk_count(within)
    }
}

fn check_entry(entry: &FileEntry, line: usize) -> Result<(), BadFileList> {
    check_path(&entry.path).map_err(|problem| BadFileList::Path { line, problem })?;
    if !is_media_type(&entry.media) {
        return Err(BadFileList::Media { line });
    }
    if entry.size > MAX_DATASET_BYTES {
        return Err(BadFileList::TooLarge);
    }
    let nothing = Digest::of(b"");
    if (entry.size == 0) != (entry.sha256 == nothing) || (entry.size == 0) != (entry.chunks == nothing) {
        return Err(BadFileList::Empty { line });
    }
    Ok(())
}

/// Whether a folder on the way to `path` is itself a file of the list.
fn lies_inside(entries: &[FileEntry], path: &str) -> bool {
    path.match_indices('/').any(|(end, _)| {
        let folder = path.as_bytes().get(..end).unwrap_or_default();
        entries.binary_search_by(|entry| entry.path.as_bytes().cmp(folder)).is_ok()
    })
}

/// One line. Written out because JCS of these members is their order and the string escapes that `serde_json` writes.
fn print_line(entry: &FileEntry) -> String {
    // A string always serialises.
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut line = String::with_capacity(200 + entry.path.len());
    line.push_str("{\"chunks\":\"");
    line.push_str(&entry.chunks.to_string());
    line.push_str("\",\"media\":");
    line.push_str(&quoted(&entry.media));
    line.push_str(",\"path\":");
    line.push_str(&quoted(&entry.path));
    line.push_str(",\"sha256\":\"");
    line.push_str(&entry.sha256.to_string());
    line.push_str("\",\"size\":");
    line.push_str(&entry.size.to_string());
    line.push_str("}\n");
    line
}
