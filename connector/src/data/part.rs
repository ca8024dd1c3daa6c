//! The folder of an unfinished transfer at the consumer: `<out>/.naru-part/<content root>/`.
//!
//! `filelist`, `chunks` (hashes, at 32 bytes times the number of the chunk over all files), `files/<n>` by number in list
//! order, `progress` and `lock`. Files get their names only when all are there and verified, so nothing of a list decides
//! where bytes lie before that; [`local_path`] refuses what would not be a name below the folder on this system.
//!
//! What is marked as done in `progress` was durable before it was marked. What was written after the last mark is found by
//! hashing it again, so no mark is needed for every chunk.
//!
//! Everything here blocks.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use naru_protocol::{
    encoding::Digest,
    filelist::{ChunkHash, ChunkPlace, ChunksDigest, FileList},
};
use serde::{Deserialize, Serialize};

use super::{fetch::FetchError, names};

/// Name of the folder for unfinished transfers inside the folder that data are fetched to.
pub const PART_FOLDER: &str = ".naru-part";

/// Whether an error means that no more can be written: full disk, quota, or a limit on the size of files.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Where a file of the list lies below `out`; `None` if its path is not a plain relative one on this system (TRF-6.8).
#[must_use]
pub fn local_path(out: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path);
    let mut names = 0;
    for component in relative.components() {
        let Component::Normal(name) = component else { return None };
        if names == 0 && name.eq_ignore_ascii_case(PART_FOLDER) {
            return None;
        }
        if cfg!(windows) && !is_windows_name(name.to_str()?) {
            return None;
        }
        names += 1;
    }
    // A system that cuts the path elsewhere than the list does would put it elsewhere.
    (names == path.split('/').count()).then(|| out.join(relative))
}

/// Whether Windows takes this for the name of a file and nothing else.
fn is_windows_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| rest.chars().count() == 1 && !rest.starts_with('0'))
    };
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT");
    !device && !name.ends_with(['.', ' ']) && !name.contains(['<', '>', ':', '"', '|', '?', '*'])
}

/// How far a transfer has come, as it is marked on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Version of this shape.
    pub v: u32,
    /// Every chunk before this one is verified and durable.
    pub chunks: u64,
    /// All files are verified and get their names: what is no longer in the folder has its name already.
    pub placing: bool,
}

/// The chunks that are done: all before one, and some after it.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    pub(super) prefix: u64,
    beyond: BTreeSet<u64>,
}

impl Done {
    pub(super) const fn up_to(prefix: u64) -> Self {
        Self { prefix, beyond: BTreeSet::new() }
    }

    /// Adds a chunk. [`Self::advance`] then tells of those that are next in order.
    pub(super) fn add(&mut self, chunk: u64) {
        if chunk >= self.prefix {
            self.beyond.insert(chunk);
        }
    }

    /// The next chunk in order, if it is done.
    pub(super) fn advance(&mut self) -> Option<u64> {
        let chunk = self.prefix;
        self.beyond.remove(&chunk).then(|| {
            self.prefix += 1;
            chunk
        })
    }
}

/// The folder, locked for as long as this lives.
#[derive(Debug)]
pub struct PartFolder {
    out: PathBuf,
    folder: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl PartFolder {
    /// Opens or makes the folder for a dataset version and locks it.
    pub fn open(out: &Path, content_root: &Digest) -> Result<Self, FetchError> {
        let folder = out.join(PART_FOLDER).join(content_root.to_string());
        let files = folder.join("files");
        fs::create_dir_all(&files).map_err(|error| FetchError::io(&files, error))?;
        let path = folder.join("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = opened.map_err(|error| FetchError::io(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { out: out.to_owned(), folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FetchError::InUse { path: folder }),
            Err(TryLockError::Error(error)) => Err(FetchError::io(&path, error)),
        }
    }

    /// The folder that data are fetched to.
    #[must_use]
    pub fn out(&self) -> &Path {
        &self.out
    }

    pub(super) fn file(&self, file: usize) -> PathBuf {
        self.folder.join("files").join(file.to_string())
    }

    pub(super) fn chunks_path(&self) -> PathBuf {
        self.folder.join("chunks")
    }

    /// The file with the chunk hashes, made if it is not there.
    pub(super) fn open_chunks(&self) -> Result<File, FetchError> {
        let path = self.chunks_path();
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        opened.map_err(|error| FetchError::io(&path, error))
    }

    /// The text of the file list, if it was kept.
    pub(super) fn read_list(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.join("filelist")).ok()
    }

    pub(super) fn write_list(&self, text: &[u8]) -> Result<(), FetchError> {
        self.replace("filelist", text)
    }

    /// The last mark; of a folder without one, or with one that cannot be read, that of a beginning.
    pub(super) fn read_mark(&self) -> Mark {
        let read = fs::read(self.folder.join("progress")).ok();
        let mark = read.and_then(|text| serde_json::from_slice::<Mark>(&text).ok());
        mark.filter(|mark| mark.v == 1).unwrap_or(Mark { v: 1, chunks: 0, placing: false })
    }

    /// Marks progress. What it stands for must be durable already.
    pub(super) fn write_mark(&self, mark: Mark) -> Result<(), FetchError> {
        let path = self.folder.join("progress");
        let text =
            serde_json::to_vec(&mark).map_err(|error| FetchError::io(&path, io::Error::other(error)))?;
        self.replace("progress", &text)
    }

    /// Replaces a file of the folder whole or not at all.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FetchError> {
        let path = self.folder.join(name);
        let new = self.folder.join(format!("{name}.new"));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&new, &path)).map_err(|error| FetchError::io(&path, error))
    }

    /// Whether so many bytes of a file lie on disk, right or wrong.
    pub(super) fn has_bytes(&self, file: usize, bytes: u64) -> bool {
        fs::metadata(self.file(file)).is_ok_and(|found| found.is_file() && found.len() >= bytes)
    }

    /// Reads the bytes of a chunk that lie on disk, right or wrong, into a buffer; `false` if there are not that many.
    pub(super) fn read_chunk(&self, place: ChunkPlace, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        let read = File::open(self.file(place.file)).and_then(|mut file| {
            file.seek(SeekFrom::Start(place.offset))?;
            file.take(place.len).read_to_end(buffer)
        });
        read.is_ok_and(|read| read as u64 == place.len)
    }

    /// Whether the hashes kept for a file are those of the list; hands them on in order if they are (TRF-6.7).
    pub(super) fn check_hashes(
        &self,
        list: &FileList,
        file: usize,
        mut on_hash: impl FnMut(&ChunkHash),
    ) -> io::Result<bool> {
        let chunks = list.chunks_of(file);
        let mut kept = BufReader::new(File::open(self.chunks_path())?);
        let mut read = |on_hash: &mut dyn FnMut(&ChunkHash)| -> io::Result<()> {
            kept.seek(SeekFrom::Start(chunks.start * ChunkHash::LEN as u64))?;
            for _ in chunks.clone() {
                let mut hash = [0; ChunkHash::LEN];
                kept.read_exact(&mut hash)?;
                on_hash(&ChunkHash(hash));
            }
            Ok(())
        };
        let mut digest = ChunksDigest::new();
        match read(&mut |hash| digest.push(hash)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if list.entry(file).is_none_or(|entry| entry.chunks != digest.digest()) {
            return Ok(false);
        }
        // A second reading, since a list can be too long to be kept until it is known to be right.
        read(&mut on_hash)?;
        Ok(true)
    }

    /// Makes the names of the files in the folder durable, where folders can be synced.
    pub(super) fn sync_names(&self) {
        let _ = File::open(self.folder.join("files")).and_then(|folder| folder.sync_all());
    }

    /// Fails if a file that is to be placed has its name taken. Asked before anything is fetched.
    pub(super) fn check_names(&self, list: &FileList, placing: bool) -> Result<(), FetchError> {
        for entry in list.entries() {
            let target = local_path(&self.out, &entry.path);
            let target = target.ok_or_else(|| FetchError::Name { path: entry.path.clone() })?;
            if !placing && target.symlink_metadata().is_ok() {
                return Err(FetchError::Occupied { path: target });
            }
        }
        // Names that a provider of another make lists and that this system takes for one.
        for (first, second) in names::alike(list.entries().iter().map(|entry| entry.path.as_str())) {
            let one = names::are_one(&self.folder, &first, &second);
            if one.map_err(|error| FetchError::io(&self.folder, error))? {
                return Err(FetchError::Alike { first, second });
            }
        }
        Ok(())
    }

    /// Gives every file its name. All must be verified and durable, and marked as placing. May be repeated.
    pub(super) fn place(&self, list: &FileList) -> Result<(), FetchError> {
        let mut folders = BTreeSet::new();
        for (number, entry) in list.entries().iter().enumerate() {
            let target = local_path(&self.out, &entry.path);
            let target = target.ok_or_else(|| FetchError::Name { path: entry.path.clone() })?;
            let folder = target.parent().unwrap_or(&self.out);
            if folders.insert(folder.to_owned()) {
                fs::create_dir_all(folder).map_err(|error| FetchError::io(folder, error))?;
            }
            self.place_one(number, entry.size, &target)?;
        }
        for folder in &folders {
            // Makes the names durable where folders can be synced; elsewhere they are by themselves.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    fn place_one(&self, number: usize, size: u64, target: &Path) -> Result<(), FetchError> {
        let part = self.file(number);
        let taken = target.symlink_metadata().ok();
        if size == 0 {
            return match taken {
                Some(found) if found.is_file() && found.len() == 0 => Ok(()),
                Some(_) => Err(FetchError::Occupied { path: target.to_owned() }),
                None => File::create_new(target).map(|_| ()).map_err(|error| FetchError::io(target, error)),
            };
        }
        match (part.symlink_metadata().is_ok(), taken) {
            (true, None) => fs::rename(&part, target).map_err(|error| FetchError::io(target, error)),
            // Placed before a restart.
            (false, Some(found)) if found.is_file() && found.len() == size => Ok(()),
            (true | false, Some(_)) => Err(FetchError::Occupied { path: target.to_owned() }),
            (false, None) => Err(FetchError::io(&part, io::ErrorKind::NotFound.into())),
        }
    }
}

/// The first name in a folder that keeps this content from being fetched into it: anything but the unfinished part of the same
/// content. Once its files get their names, they are where they belong.
pub fn in_the_way(out: &Path, content_root: Option<&Digest>) -> io::Result<Option<String>> {
    let own = content_root.map(ToString::to_string);
    if let Some(own) = &own {
        let mark = fs::read(out.join(PART_FOLDER).join(own).join("progress")).ok();
        let mark = mark.and_then(|text| serde_json::from_slice::<Mark>(&text).ok());
        if mark.is_some_and(|mark| mark.v == 1 && mark.placing) {
            return Ok(None);
        }
    }
    for name in names(out)? {
        if name != PART_FOLDER {
            return Ok(Some(name));
        }
        if let Some(other) = names(&out.join(PART_FOLDER))?.into_iter().find(|n| Some(n) != own.as_ref()) {
            return Ok(Some(format!("{PART_FOLDER}/{other}")));
        }
    }
    Ok(None)
}

/// The file list of a transfer whose folder is still there, as its content root covers it.
pub fn kept_list(out: &Path, content_root: &Digest) -> io::Result<Vec<u8>> {
    fs::read(out.join(PART_FOLDER).join(content_root.to_string()).join("filelist"))
}

/// Bytes of this content that lie in a folder from an earlier fetch.
pub fn held(out: &Path, content_root: &Digest) -> u64 {
    let files = fs::read_dir(out.join(PART_FOLDER).join(content_root.to_string()).join("files"));
    let sizes = files.into_iter().flatten().filter_map(|entry| entry.ok()?.metadata().ok());
    sizes.map(|found| found.len()).sum()
}

/// Names in a folder, in order; none if it does not exist.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes what is left of a transfer, finished or given up: once the receipt is durable, or when nobody will resume it.
pub fn discard(out: &Path, content_root: &Digest) -> Result<(), FetchError> {
    if !out.join(PART_FOLDER).join(content_root.to_string()).exists() {
        return Ok(());
    }
    let folder = PartFolder::open(out, content_root)?;
    let path = folder.folder.clone();
    drop(folder);
    fs::remove_dir_all(&path).map_err(|error| FetchError::io(&path, error))?;
    // Stays if another transfer is under way.
    let _ = fs::remove_dir(out.join(PART_FOLDER));
    Ok(())
}

/// Reads the hashes of chunks from the file that keeps them.
pub(super) fn read_hash(file: &mut File, chunk: u64) -> io::Result<ChunkHash> {
    let mut hash = [0; ChunkHash::LEN];
    file.seek(SeekFrom::Start(chunk * ChunkHash::LEN as u64))?;
    file.read_exact(&mut hash)?;
    Ok(ChunkHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        // TRF-6.8
        let out = Path::new("/data/in");
        assert_eq!(local_path(out, "a/b.csv"), Some(PathBuf::from("/data/in/a/b.csv")));
        for path in
            ["/etc/passwd", "../x", "a/../../x", "./x", "a//b", "a/", "", ".naru-part/x", ".NARU-part/x", "."]
        {
            assert_eq!(local_path(out, path), None, "{path}");
        }
    }

    #[test]
    fn windows_has_names_that_are_none() {
        for name in ["CON", "con.txt", "lpt1", "COM9.log", "a:b", "c:", "x.", "x ", "a*b", "NUL .txt"] {
            assert!(!is_windows_name(name), "{name}");
        }
        for name in ["console", "COM0", "COM10", "나루.csv", ".hidden"] {
            assert!(is_windows_name(name), "{name}");
        }
    }

    #[test]
    fn done_advances_in_order_only() {
        let mut done = Done::up_to(2);
        [4, 1, 3].into_iter().for_each(|chunk| done.add(chunk));
        assert_eq!(done.advance(), None);
        done.add(2);
        assert_eq!(
            [done.advance(), done.advance(), done.advance(), done.advance()],
            [Some(2), Some(3), Some(4), None]
        );
        assert_eq!(done.prefix, 5);
    }
}
