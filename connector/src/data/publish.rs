//! Publishing: a folder or file is read once, and what is needed to serve it is written to an index folder (spec chapter
//! 04, CAT-4 to CAT-6).
//!
//! One pass computes SHA-256, the chunk hashes, the media type and the columns, in bounded memory. A file that changes while
//! it is read is named and nothing is published. The published files stay where they are; with [`PublishOptions::copy`] the
//! same pass writes a copy of them into the index.
//!
//! The index holds `filelist` (its text), `chunks` (the chunk hashes of all files in list order), `publication.json` and,
//! if asked for, `copy/<n>`. It appears under its name complete or not at all.
//!
//! Blocks: to be called where blocking is allowed. Signs nothing: the listing is made from [`Published`].

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{BadFileList, BadPath, CHUNK_BYTES, ChunkHash, ChunksDigest, FileEntry, FileList, check_path},
    json::JsonError,
    limits,
    listing::{BadSummary, Columns, Summary, content_root},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    media::{self, HEAD_BYTES},
    part::PART_FOLDER,
};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// How to publish.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublishOptions {
    /// Keep an own copy of every file in the index, and serve that.
    pub copy: bool,
}

/// What was published; what a listing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Content root of the version.
    pub content_root: Digest,
    /// Summary for the listing.
    pub summary: Summary,
}

/// How far publishing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishEvent<'a> {
    /// The folder is listed.
    Found {
        /// Number of files.
        files: usize,
        /// Bytes of them, as the folder has it.
        bytes: u64,
    },
    /// More bytes are hashed.
    Hashed {
        /// The file.
        path: &'a str,
        /// Bytes so far, of all files.
        bytes: u64,
    },
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Reading or writing failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The disk that the index lies on is full.
    #[error("{path}: the disk is full")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The folder has no file.
    #[error("{path}: no file to publish")]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
    /// A symbolic link that leads out of the folder, to a folder, or nowhere.
    #[error("{path}: a symbolic link to something other than a file in the published folder")]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A socket, pipe or device.
    #[error("{path}: neither a file nor a folder")]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// A name that is not Unicode.
    #[error("{path}: the name is not Unicode")]
    NotUnicode {
        /// The file, as well as it can be shown.
        path: PathBuf,
    },
    /// A name that a file list cannot carry.
    #[error("{path}: the path {problem}")]
    Name {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        problem: BadPath,
    },
    /// A folder with the name that unfinished transfers use.
    #[error("{path}: an unfinished transfer, which is not published")]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The file changed while it was read.
    #[error("{path}: changed while it was read")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The index exists already.
    #[error("{path}: exists already")]
    Exists {
        /// The index folder.
        path: PathBuf,
    },
    /// Too many files, too long a list, too many bytes.
    #[error(transparent)]
    List(#[from] BadFileList),
    /// The summary exceeds its limits.
    #[error(transparent)]
    Summary(#[from] BadSummary),
    /// A document has no canonical form.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl PublishError {
    fn io(path: &Path, error: io::Error) -> Self {
        if super::part::is_disk_full(&error) {
            return Self::DiskFull { path: path.to_owned() };
        }
        Self::Io { path: path.to_owned(), error }
    }
}

impl PublishError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Io { .. } | Self::Symlink { .. } | Self::NotAFile { .. } | Self::Unfinished { .. } => {
                Code::FileUnusable
            }
            Self::DiskFull { .. } => Code::DiskFull,
            Self::Nothing { .. } => Code::DatasetEmpty,
            Self::NotUnicode { .. } | Self::Name { .. } => Code::PathRefused,
            Self::Changed { .. } => Code::SourceChanged,
            Self::Exists { .. } => Code::ArgumentInvalid,
            Self::List(error) => error.code(),
            Self::Summary(error) => error.code(),
            Self::Json(error) => error.code(),
        }
    }
}

/// The content of `publication.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publication {
    pub(super) v: u32,
    /// Folder below which the paths of the file list lie; `None` if the index has a copy.
    pub(super) folder: Option<PathBuf>,
    pub(super) summary: Summary,
    pub(super) content_root: Digest,
}

/// A file found in the folder.
struct Found {
    /// Path as the list carries it.
    path: String,
    size: u64,
}

/// Publishes a folder or a single file: hashes it and writes the index folder `index`, which must not exist.
pub fn publish(
    source: &Path,
    index: &Path,
    options: &PublishOptions,
    on_event: &mut dyn FnMut(PublishEvent<'_>),
) -> Result<Published, PublishError> {
    if index.symlink_metadata().is_ok() {
        return Err(PublishError::Exists { path: index.to_owned() });
    }
    let source = source.canonicalize().map_err(|error| PublishError::io(source, error))?;
    let (folder, found) = find(&source)?;
    on_event(PublishEvent::Found { files: found.len(), bytes: found.iter().map(|file| file.size).sum() });

    let building = sibling(index);
    let remove = |path: &Path| match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PublishError::io(path, error)),
        Ok(()) | Err(_) => Ok(()),
    };
    remove(&building)?;
    let built = build(&folder, &found, &building, options, on_event).and_then(|published| {
        fs::rename(&building, index).map_err(|error| PublishError::io(index, error))?;
        Ok(published)
    });
    if built.is_err() {
        // What failed matters more than what is left behind.
        let _ = remove(&building);
    }
    built
}

fn sibling(index: &Path) -> PathBuf {
    let mut name = index.file_name().unwrap_or_default().to_owned();
    name.push(".building");
    index.with_file_name(name)
}

/// The folder below which the files lie, and the files in the order of the list.
fn find(source: &Path) -> Result<(PathBuf, Vec<Found>), PublishError> {
    let metadata = fs::metadata(source).map_err(|error| PublishError::io(source, error))?;
    if metadata.is_file() {
        let folder = source.parent().unwrap_or(source).to_owned();
        let file = Found { path: list_path(&folder, source)?, size: metadata.len() };
        return Ok((folder, vec![file]));
    }
    if !metadata.is_dir() {
        return Err(PublishError::NotAFile { path: source.to_owned() });
    }
    let mut found = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| PublishError::io(&folder, error))? {
            let path = entry.map_err(|error| PublishError::io(&folder, error))?.path();
            let metadata = fs::symlink_metadata(&path).map_err(|error| PublishError::io(&path, error))?;
            if metadata.is_dir() {
                if folder == source && path.file_name().is_some_and(|name| name == PART_FOLDER) {
                    return Err(PublishError::Unfinished { path });
                }
                list_path(source, &path)?;
                folders.push(path);
                continue;
            }
            let size = file_size(source, &path, &metadata)?;
            found.push(Found { path: list_path(source, &path)?, size });
            if found.len() > limits::FILES {
                return Err(BadFileList::TooManyFiles.into());
            }
        }
    }
    if found.is_empty() {
        return Err(PublishError::Nothing { path: source.to_owned() });
    }
    found.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok((source.to_owned(), found))
}

/// Size of a file, or of the file in the same folder that a link leads to.
fn file_size(source: &Path, path: &Path, metadata: &Metadata) -> Result<u64, PublishError> {
    if metadata.is_symlink() {
        let outside = || PublishError::Symlink { path: path.to_owned() };
        let target = path.canonicalize().map_err(|_| outside())?;
        let metadata = fs::metadata(&target).map_err(|_| outside())?;
        return if target.starts_with(source) && metadata.is_file() {
            Ok(metadata.len())
        } else {
            Err(outside())
        };
    }
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(PublishError::NotAFile { path: path.to_owned() })
    }
}

/// The path of a file as the list carries it: `/` between the names below the folder.
fn list_path(folder: &Path, file: &Path) -> Result<String, PublishError> {
    let below = file.strip_prefix(folder).unwrap_or(file);
    let mut path = String::new();
    for name in below.components() {
        let name = name.as_os_str().to_str();
        let name = name.ok_or_else(|| PublishError::NotUnicode { path: file.to_owned() })?;
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(name);
    }
    check_path(&path).map_err(|problem| PublishError::Name { path: file.to_owned(), problem })?;
    Ok(path)
}

fn build(
    folder: &Path,
    found: &[Found],
    index: &Path,
    options: &PublishOptions,
    on_event: &mut dyn FnMut(PublishEvent<'_>),
) -> Result<Published, PublishError> {
    let copy = index.join("copy");
    let create = |path: &Path| fs::create_dir_all(path).map_err(|error| PublishError::io(path, error));
    create(if options.copy { &copy } else { index })?;
    let chunks_path = index.join("chunks");
    let chunks = File::create(&chunks_path).map_err(|error| PublishError::io(&chunks_path, error))?;
    let mut pass =
        Pass { chunks: BufWriter::new(chunks), chunks_path, buffer: vec![0; READ_BYTES], bytes: 0 };
    let mut entries = Vec::with_capacity(found.len());
    let mut columns = Vec::new();
    for (number, file) in found.iter().enumerate() {
        let copy = options.copy.then(|| copy.join(number.to_string()));
        let (entry, names) = pass.file(&folder.join(&file.path), &file.path, copy.as_deref(), on_event)?;
        if let (Some(names), true) = (names, columns.len() < limits::SUMMARY_FILES) {
            columns.push(Columns { file: file.path.clone(), names });
        }
        entries.push(entry);
    }
    pass.finish()?;
    let list = FileList::from_entries(entries)?;
    let summary = Summary::of(&list, columns)?;
    let content_root = content_root(&summary.digest()?, &list.digest())?;
    durable(&index.join("filelist"), &list.print())?;
    let folder = (!options.copy).then(|| folder.to_owned());
    let publication = Publication { v: 1, folder, summary, content_root };
    let text =
        serde_json::to_vec(&publication).map_err(|error| PublishError::io(index, io::Error::other(error)))?;
    durable(&index.join("publication.json"), &text)?;
    Ok(Published { content_root, summary: publication.summary })
}

fn durable(path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| PublishError::io(path, error))
}

/// The one pass over all files.
struct Pass {
    /// The chunk hashes of all files so far.
    chunks: BufWriter<File>,
    chunks_path: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
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

impl Pass {
    /// Hashes a file; answers its entry, and its columns if it is CSV.
    fn file(
        &mut self,
        path: &Path,
        name: &str,
        copy: Option<&Path>,
        on_event: &mut dyn FnMut(PublishEvent<'_>),
    ) -> Result<(FileEntry, Option<Vec<String>>), PublishError> {
        let io = |error| PublishError::io(path, error);
        let mut input = File::open(path).map_err(io)?;
        let before = Stamp::of(&input.metadata().map_err(io)?);
        let mut output = match copy {
            Some(copy) => Some((File::create(copy).map_err(|error| PublishError::io(copy, error))?, copy)),
            None => None,
        };
        let mut hashes = FileHashes::default();
        let mut head = Vec::new();
        loop {
            let read = match input.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => self.buffer.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io(error)),
            };
            if head.len() < HEAD_BYTES {
                head.extend_from_slice(read.get(..(HEAD_BYTES - head.len()).min(read.len())).unwrap_or(read));
            }
            let failed = |error| PublishError::io(&self.chunks_path, error);
            hashes.update(read, |hash| self.chunks.write_all(&hash.0)).map_err(failed)?;
            if let Some((output, copy)) = &mut output {
                output.write_all(read).map_err(|error| PublishError::io(copy, error))?;
            }
            self.bytes = self.bytes.saturating_add(read.len() as u64);
            on_event(PublishEvent::Hashed { path: name, bytes: self.bytes });
            if hashes.size > before.size {
                break;
            }
        }
        // The handle tells of writes to this file, the path of another file in its place.
        let after = [input.metadata().map_err(io)?, fs::metadata(path).map_err(io)?];
        if hashes.size != before.size || after.iter().any(|after| Stamp::of(after) != before) {
            return Err(PublishError::Changed { path: path.to_owned() });
        }
        if let Some((output, copy)) = output {
            output.sync_all().map_err(|error| PublishError::io(copy, error))?;
        }
        let failed = |error| PublishError::io(&self.chunks_path, error);
        let size = hashes.size;
        let (sha256, chunks) = hashes.finish(|hash| self.chunks.write_all(&hash.0)).map_err(failed)?;
        let whole = head.len() as u64 == size;
        let media = media::media_type(name, &head, whole);
        let columns = if media == media::CSV { media::csv_columns(&head, whole) } else { None };
        Ok((FileEntry { chunks, media: media.to_owned(), path: name.to_owned(), sha256, size }, columns))
    }

    fn finish(self) -> Result<(), PublishError> {
        let failed = |error| PublishError::io(&self.chunks_path, error);
        let file = self.chunks.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
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
