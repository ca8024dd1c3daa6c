//! `naru backup` and `naru restore`: a node in one file, and a node out of one.
//!
//! The file is a tar of the POSIX form: `manifest.json` first, then what it lists, in its order, each with length and SHA-256.
//! It holds keys in the clear and is readable by its owner only; encrypting it is left to a tool for that.
//!
//! | file | what |
//! |---|---|
//! | `make` | the copy of a folder, while its node runs or not |
//! | `unpack` | the file read back and compared with its manifest, whole |
//! | `restore` | a new folder, whose log is the next shard (LOG-9.3) |
//!
//! Published files themselves are not in it: they stay where they are, and the index of each version is in the backup.

mod make;
mod restore;
mod unpack;

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use naru_protocol::{encoding::Digest, error::Code};
use serde::{Deserialize, Serialize};

pub use self::{
    make::{Made, make},
    restore::{Restored, restore},
};
use crate::control::Failure;

/// Name of the first member.
const MANIFEST: &str = "manifest.json";
/// Longest manifest that is read.
const MANIFEST_BYTES: u64 = 256 << 20;

/// What a backup holds and of whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub v: u32,
    /// Version of the program that made it.
    pub program: String,
    /// When, seconds.
    pub made_at: u64,
    /// The participant.
    pub did: String,
    /// Its name.
    pub name: String,
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// The newest signed note; none before the genesis entry.
    pub checkpoint: Option<String>,
    /// The files, in the order in which they follow.
    pub files: Vec<Member>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path below the node's folder, with `/`.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::FileUnusable, format!("{}: {error}", path.display()))
}

/// From an error of the system; a full disk keeps its own code.
fn io(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| {
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Failure::new(Code::DiskFull, path.display().to_string());
        }
        unusable(path, error)
    }
}

/// A name beside a path that nobody has yet.
fn beside(path: &Path, what: &str) -> Result<PathBuf, Failure> {
    let random = crate::config::random::<8>().map_err(io(path))?;
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or_else(|| unusable(path, "names no file or folder"))?);
    name.push(format!(".{}.{what}", random.map(|b| format!("{b:02x}")).concat()));
    Ok(path.with_file_name(name))
}

/// A folder that is removed again unless it is kept.
struct Scratch(Option<PathBuf>);

impl Scratch {
    fn make(beside_of: &Path) -> Result<Self, Failure> {
        let path = beside(beside_of, "part")?;
        crate::store::private_folder(&path).map_err(io(&path))?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or_else(|| Path::new(""))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Gives it its name.
    fn keep(mut self, name: &Path) -> Result<(), Failure> {
        fs::rename(self.path(), name).map_err(io(name))?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_dir_all(path);
        }
    }
}
