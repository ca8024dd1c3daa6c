//! Publishing: a folder or file is read once, and what is needed to serve it is written to an index folder (spec chapter
//! 04, CAT-4 to CAT-6).
//!
//! One pass computes SHA-256, the chunk hashes, the media type and the columns, in bounded memory and on several cores
//! (`hashing`). A file that changes or goes while it is read is named and nothing is published. The published files
//! stay where they are; with [`PublishOptions::copy`] the same pass writes a copy of them into the index.
//!
//! Names that a list cannot carry are refused, and so are two names that many systems take for one (`names`): whoever
//! receives them could not keep both.
//!
//! The index holds `filelist` (its text), `chunks` (the chunk hashes of all files in list order), `publication.json` and,
//! if asked for, `copy/<n>`. It appears under its name complete or not at all.
//!
//! Blocks: to be called where blocking is allowed. Signs nothing: the listing is made from [`Published`].

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    filelist::{BadFileList, BadPath, FileList, MAX_DATASET_BYTES, check_path},
    json::JsonError,
    limits,
    listing::{BadSummary, Summary, content_root},
};
use serde::{Deserialize, Serialize};

use super::{hashing, names, part::PART_FOLDER};

/// Name of the folder in an index that holds a copy of the files.
pub const COPY: &str = "copy";

/// How to publish.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublishOptions {
    /// Keep an own copy of every file in the index, and serve that.
    pub copy: bool,
    /// What the operator lets be published at once.
    pub most: Most,
}

/// The operator's own limit on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Files.
    pub files: u64,
    /// Bytes of them together.
    pub bytes: u64,
}

impl Default for Most {
    /// None but the protocol's.
    fn default() -> Self {
        Self { files: limits::FILES as u64, bytes: MAX_DATASET_BYTES }
    }
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
    /// The folder of a node: its keys would be everybody's who gets the data.
    #[error("{path}: the folder of a node, with its keys, is not published")]
    Keys {
        /// The folder.
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
    #[error("{path:?}: the name is not Unicode")]
    NotUnicode {
        /// The file, as well as it can be shown.
        path: PathBuf,
    },
    /// A name that a file list cannot carry.
    #[error("{path:?}: the path {problem}")]
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
    /// The file was there when the folder was listed, and is not any more.
    #[error("{path}: was removed or replaced while the folder was read")]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// Two files that many systems take for one.
    #[error("{first:?} and {second:?} differ only in case or in the form of their letters")]
    Alike {
        /// A path in the list.
        first: String,
        /// Another.
        second: String,
    },
    /// Nobody waits for it any more.
    #[error("stopped")]
    Stopped,
    /// The index exists already.
    #[error("{path}: exists already")]
    Exists {
        /// The index folder.
        path: PathBuf,
    },
    /// More than the operator lets be published.
    #[error("{what}: more than the {most} that {setting} in naru.toml lets be published")]
    Limit {
        /// What was found, at least.
        what: String,
        /// What may be.
        most: String,
        /// The setting.
        setting: &'static str,
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
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
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
            Self::NotUnicode { .. } | Self::Name { .. } | Self::Alike { .. } => Code::PathRefused,
            Self::Changed { .. } | Self::Gone { .. } => Code::SourceChanged,
            Self::Stopped => Code::Cancelled,
            Self::Limit { .. } => Code::PublishLimit,
            Self::Exists { .. } | Self::Keys { .. } => Code::ArgumentInvalid,
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
pub(crate) struct Found {
    /// Path as the list carries it.
    pub(crate) path: String,
    pub(crate) size: u64,
}

/// Publishes a folder or a single file: hashes it and writes the index folder `index`, which must not exist.
pub fn publish(
    source: &Path,
    index: &Path,
    options: &PublishOptions,
    on_event: &mut (dyn FnMut(PublishEvent<'_>) + Send),
) -> Result<Published, PublishError> {
    publish_until(source, index, options, &AtomicBool::new(false), on_event)
}

/// The same, until `stop` turns true: then nothing is left of it.
pub fn publish_until(
    source: &Path,
    index: &Path,
    options: &PublishOptions,
    stop: &AtomicBool,
    on_event: &mut (dyn FnMut(PublishEvent<'_>) + Send),
) -> Result<Published, PublishError> {
    if index.symlink_metadata().is_ok() {
        return Err(PublishError::Exists { path: index.to_owned() });
    }
    let source = source.canonicalize().map_err(|error| PublishError::io(source, error))?;
    let (folder, found) = find(&source, options.most.files)?;
    let bytes = found.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    if bytes > MAX_DATASET_BYTES {
        return Err(BadFileList::TooLarge.into());
    }
    if bytes > options.most.bytes {
        let (what, most) = (format!("{bytes} bytes"), format!("{} bytes", options.most.bytes));
        return Err(PublishError::Limit { what, most, setting: "publish.max_size" });
    }
    let paths = found.iter().map(|file| file.path.as_str());
    if let Some((first, second)) = names::alike(paths).into_iter().next() {
        return Err(PublishError::Alike { first, second });
    }
    on_event(PublishEvent::Found { files: found.len(), bytes });

    let building = sibling(index);
    let remove = |path: &Path| match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PublishError::io(path, error)),
        Ok(()) | Err(_) => Ok(()),
    };
    remove(&building)?;
    let built = build(&folder, &found, &building, options, stop, on_event).and_then(|published| {
        if stop.load(Relaxed) {
            return Err(PublishError::Stopped);
        }
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

/// The folder below which the files lie, and the files in the order of the list; no more are looked for than may be published.
pub(crate) fn find(source: &Path, most: u64) -> Result<(PathBuf, Vec<Found>), PublishError> {
    let metadata = fs::metadata(source).map_err(|error| PublishError::io(source, error))?;
    // Also below one: a copy of a node's folder, or a key out of it, is as good as the folder.
    let named = source.canonicalize().map_err(|error| PublishError::io(source, error))?;
    if let Some(node) = named.ancestors().find(|folder| is_of_a_node(folder)) {
        return Err(PublishError::Keys { path: node.to_owned() });
    }
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
                if is_of_a_node(&path) {
                    return Err(PublishError::Keys { path });
                }
                folders.push(path);
                continue;
            }
            let size = file_size(source, &path, &metadata)?;
            found.push(Found { path: list_path(source, &path)?, size });
            if found.len() > limits::FILES {
                return Err(BadFileList::TooManyFiles.into());
            }
            if found.len() as u64 > most {
                let (what, most) = (format!("{} files", found.len()), format!("{most} files"));
                return Err(PublishError::Limit { what, most, setting: "publish.max_files" });
            }
        }
    }
    if found.is_empty() {
        return Err(PublishError::Nothing { path: source.to_owned() });
    }
    found.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok((source.to_owned(), found))
}

/// Whether a folder looks like a node's, this one's or another's: keys lie beside what its root signed.
fn is_of_a_node(folder: &Path) -> bool {
    folder.join("keys").is_dir() && folder.join("identity").join("participant.jws").is_file()
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
    stop: &AtomicBool,
    on_event: &mut (dyn FnMut(PublishEvent<'_>) + Send),
) -> Result<Published, PublishError> {
    let copy = index.join(COPY);
    let create = |path: &Path| fs::create_dir_all(path).map_err(|error| PublishError::io(path, error));
    create(if options.copy { &copy } else { index })?;
    let copy = options.copy.then_some(copy.as_path());
    let (entries, columns) =
        hashing::hash(folder, found, &index.join("chunks"), copy, stop, &mut |number, bytes| {
            let path = found.get(number).map_or("", |file| file.path.as_str());
            on_event(PublishEvent::Hashed { path, bytes });
        })?;
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
