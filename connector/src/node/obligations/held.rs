//! The files that were delivered, and deleting exactly those: a file goes only if it lies where it was put, below the folder it was
//! put in, and still has the bytes that were delivered. Whatever was changed, moved or put there by others is left alone and
//! counted as unknown; copies nobody knows of.
//!
//! `<delivered>/<transfer>` lists what was delivered. `<transfer>.gone` notes each file before it is removed, so that a deletion
//! that broke off knows afterwards what it had done. Everything here blocks.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use naru_protocol::{
    encoding::{Digest, Id},
    filelist::FileList,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    config,
    data::part::{PART_FOLDER, discard, local_path},
};

/// One file as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Delivered {
    path: String,
    size: u64,
    sha256: Digest,
}

/// What is known of one transfer, as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    /// The folder that the files were put into.
    out: PathBuf,
    content_root: Digest,
    files: Vec<Delivered>,
}

/// What was, or would be, deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Files that are not as delivered, by path.
    pub(super) unknown: Vec<PathBuf>,
    /// Files of which not even the names are known here.
    pub(super) unlisted: u64,
}

impl Outcome {
    pub(super) fn join(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.unknown.extend(other.unknown);
        self.unlisted += other.unlisted;
    }

    pub(super) const fn count_unknown(&self) -> u64 {
        self.unknown.len() as u64 + self.unlisted
    }
}

fn place(folder: &Path, transfer: Id) -> PathBuf {
    folder.join(transfer.to_string())
}

fn journal(folder: &Path, transfer: Id) -> PathBuf {
    folder.join(format!("{transfer}.gone"))
}

/// Keeps what was delivered, before its receipt is signed.
pub(super) fn keep(
    folder: &Path,
    transfer: Id,
    out: &Path,
    content_root: Digest,
    list: &[u8],
) -> io::Result<()> {
    let list = FileList::parse(list).map_err(io::Error::other)?;
    let files = list.entries().iter();
    let files = files.map(|e| Delivered { path: e.path.clone(), size: e.size, sha256: e.sha256 }).collect();
    write(folder, transfer, &Record { out: out.to_owned(), content_root, files })
}

fn write(folder: &Path, transfer: Id, record: &Record) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let text = serde_json::to_vec(record).map_err(io::Error::other)?;
    config::write_file(&place(folder, transfer), &text).map_err(|error| {
        // Its kind is what tells a full disk from others.
        let kind = if let config::ConfigError::Io { source, .. } = &error {
            source.kind()
        } else {
            io::ErrorKind::Other
        };
        io::Error::new(kind, error.to_string())
    })
}

/// Looks which files are as delivered, and removes those if it is `really` meant. None where nothing is known of the transfer.
pub(super) fn delete(folder: &Path, transfer: Id, really: bool) -> io::Result<Option<Outcome>> {
    let Some(record) = read(folder, transfer)? else { return Ok(None) };
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    if let Ok(text) = fs::read_to_string(journal(folder, transfer)) {
        gone.extend(text.lines().filter_map(|line| line.parse::<usize>().ok()));
    }
    let mut noted = None;
    let mut outcome = Outcome::default();
    let root = record.out.canonicalize();
    for (number, file) in record.files.iter().enumerate() {
        let target = local_path(&record.out, &file.path).unwrap_or_else(|| record.out.join(&file.path));
        let as_delivered = root.as_ref().is_ok_and(|root| is_as_delivered(root, &target, file));
        // Noted before it was removed, and not there any more: it was removed.
        let before = gone.contains(&number) && target.symlink_metadata().is_err();
        if !as_delivered && !before {
            outcome.unknown.push(target);
            continue;
        }
        if as_delivered && really {
            let journal = match &mut noted {
                Some(journal) => journal,
                None => noted
                    .insert(OpenOptions::new().create(true).append(true).open(journal(folder, transfer))?),
            };
            writeln!(journal, "{number}")?;
            fs::remove_file(&target)?;
        }
        outcome.files += 1;
        outcome.bytes += file.size;
    }
    if really {
        remove_left(&record);
    }
    Ok(Some(outcome))
}

/// What a fetch may have left beside its files, and folders that hold nothing any more. The folder itself is the person's.
fn remove_left(record: &Record) {
    if let Err(error) = discard(&record.out, &record.content_root) {
        tracing::warn!(out = %record.out.display(), %error, "what a fetch left could not be removed");
    }
    let mut folders = BTreeSet::new();
    for file in &record.files {
        let mut path = Path::new(&file.path);
        while let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            folders.insert(record.out.join(parent));
            path = parent;
        }
    }
    // The deepest first; one that holds something stays.
    for folder in folders.into_iter().rev().filter(|folder| !folder.ends_with(PART_FOLDER)) {
        let _ = fs::remove_dir(folder);
    }
}

/// After what was deleted is said: nothing is known of the transfer any more, or of the files only that stayed unknown.
pub(super) fn forget(folder: &Path, transfer: Id, settled: bool) -> io::Result<()> {
    if settled {
        let _ = fs::remove_file(place(folder, transfer));
    } else if let Some(mut record) = read(folder, transfer)? {
        let root = record.out.canonicalize().unwrap_or_else(|_| record.out.clone());
        let gone = fs::read_to_string(journal(folder, transfer)).unwrap_or_default();
        let gone: BTreeSet<usize> = gone.lines().filter_map(|line| line.parse().ok()).collect();
        let mut number = 0;
        record.files.retain(|file| {
            let target = local_path(&root, &file.path);
            let removed = gone.contains(&number) && target.is_some_and(|t| t.symlink_metadata().is_err());
            number += 1;
            !removed
        });
        write(folder, transfer, &record)?;
    }
    match fs::remove_file(journal(folder, transfer)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read(folder: &Path, transfer: Id) -> io::Result<Option<Record>> {
    match fs::read(place(folder, transfer)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file is the one that was delivered: a plain file, below the folder even where links lead, of the same bytes.
fn is_as_delivered(root: &Path, target: &Path, file: &Delivered) -> bool {
    let plain = target.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == file.size);
    let inside = || {
        let parent = target.parent().and_then(|parent| parent.canonicalize().ok());
        parent.is_some_and(|parent| parent.starts_with(root))
    };
    plain && inside() && digest(target).is_ok_and(|found| found == file.sha256)
}

fn digest(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest(hash.finalize().into()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Place {
        /// Three files as delivered, of which one lies in a folder.
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("naru-held-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("out/sub")).unwrap();
            let place = Self(path);
            let files = ["a.txt", "b.txt", "sub/c.txt"].map(|name| {
                fs::write(place.out().join(name), name).unwrap();
                let sha256 = Digest::of(name.as_bytes());
                Delivered { path: name.to_owned(), size: name.len() as u64, sha256 }
            });
            let record =
                Record { out: place.out(), content_root: Digest::of(b"root"), files: files.to_vec() };
            write(&place.folder(), ID, &record).unwrap();
            place
        }

        fn out(&self) -> PathBuf {
            self.0.join("out")
        }

        fn folder(&self) -> PathBuf {
            self.0.join("delivered")
        }

        fn delete(&self, really: bool) -> (u64, u64, Vec<PathBuf>) {
            let outcome = delete(&self.folder(), ID, really).unwrap().unwrap();
            (outcome.files, outcome.bytes, outcome.unknown)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const ID: Id = Id([7; 16]);

    #[test]
    fn what_was_delivered_goes_and_what_was_changed_moved_or_added_stays() {
        // OBL-4.2
        let place = Place::new("changed");
        fs::write(place.out().join("b.txt"), "B.txt").unwrap();
        fs::write(place.out().join("mine.txt"), "mine").unwrap();
        let said = (2, 14, vec![place.out().join("b.txt")]);
        assert_eq!(place.delete(false), said);
        assert!(place.out().join("a.txt").exists(), "it was only asked");
        assert_eq!(place.delete(true), said);
        assert!(!place.out().join("a.txt").exists() && !place.out().join("sub").exists());
        assert_eq!(fs::read(place.out().join("b.txt")).unwrap(), b"B.txt");
        assert_eq!(fs::read(place.out().join("mine.txt")).unwrap(), b"mine");
        // What stayed unknown is asked about again, the rest is said.
        forget(&place.folder(), ID, false).unwrap();
        assert_eq!(place.delete(true), (0, 0, vec![place.out().join("b.txt")]));
        forget(&place.folder(), ID, true).unwrap();
        assert!(delete(&place.folder(), ID, true).unwrap().is_none());
    }

    #[test]
    fn a_deletion_that_broke_off_knows_what_it_did() {
        // OBL-4.3: a file that somebody took away is unknown, one that was noted and is gone was removed.
        let place = Place::new("broke");
        fs::write(journal(&place.folder(), ID), "0\n1\n").unwrap();
        fs::remove_file(place.out().join("a.txt")).unwrap();
        fs::remove_file(place.out().join("sub/c.txt")).unwrap();
        assert_eq!(place.delete(true), (2, 10, vec![place.out().join("sub/c.txt")]));
        assert!(!place.out().join("b.txt").exists(), "noted, and still there: it goes now");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_behind_a_link_is_deleted() {
        // OBL-4.2
        let place = Place::new("link");
        let away = place.0.join("away");
        fs::rename(place.out().join("sub"), &away).unwrap();
        std::os::unix::fs::symlink(&away, place.out().join("sub")).unwrap();
        fs::remove_file(place.out().join("a.txt")).unwrap();
        fs::write(place.0.join("a.txt"), "a.txt").unwrap();
        std::os::unix::fs::symlink(place.0.join("a.txt"), place.out().join("a.txt")).unwrap();
        let unknown = vec![place.out().join("a.txt"), place.out().join("sub/c.txt")];
        assert_eq!(place.delete(true), (1, 5, unknown));
        assert!(away.join("c.txt").exists() && place.0.join("a.txt").exists());
    }
}
