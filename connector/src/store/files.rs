//! The files beside the database: private ones, whole replacements, the lock of the folder.
//!
//! What differs between systems is here and nowhere else in the store. Blocking; callers keep it off the hot path.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::StoreError;

/// Name of the lock file in a node's folder.
const LOCK: &str = "naru.lock";

/// Opens a file for reading and writing, made if missing, and then readable by this user only.
pub(crate) fn open_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder that is not there, for this user only.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Replaces a file so that after a crash either the old or the new content is there, whole.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = open_private(&fresh)?;
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&fresh, path)?;
    sync_folder(path)
}

/// The permissions of a file, where others than its owner have any; elsewhere than on Unix files have none of this kind.
pub(crate) fn readable_by_others(path: &Path) -> io::Result<Option<u32>> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Ok(None)
    }
}

/// Whether a file is this user's own and nobody else may write it; elsewhere than on Unix the folder it lies in says so.
pub(crate) fn own_alone(file: &fs::File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Ok(metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0)
    }
    #[cfg(not(unix))]
    Ok(metadata.is_file())
}

/// Makes a rename durable. Elsewhere than on Unix a folder cannot be opened, and the system journals renames itself.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Has the system write all that waits for the disk under this open file's file system, where it can be told to: many files that
/// are synced one by one afterwards have little left to wait for. Durable is only what was synced itself.
pub(crate) fn write_back(file: &fs::File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::syncfs(file);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// How often a lock is tried, and the pause between.
const TRIES: u32 = 4;
const AGAIN: std::time::Duration = std::time::Duration::from_millis(15);

/// That this process alone uses a node's folder. Released when dropped, or by the system when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: fs::File,
    folder: PathBuf,
}

impl FolderLock {
    /// Takes the lock of a folder that exists; [`StoreError::FolderLocked`] if another process has it.
    pub fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(LOCK);
        let file = open_private(&path).map_err(|e| StoreError::file("opening", &path, &e))?;
        // Whoever only looks whether it is held holds it for that moment.
        for tries in (0..TRIES).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file, folder: folder.to_owned() }),
                Err(fs::TryLockError::WouldBlock) if tries > 0 => std::thread::sleep(AGAIN),
                Err(fs::TryLockError::WouldBlock) => break,
                Err(fs::TryLockError::Error(e)) => return Err(StoreError::file("locking", &path, &e)),
            }
        }
        Err(StoreError::FolderLocked(folder.to_owned()))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
