//! The high-water file: what the log last signed, outside the database (spec chapter 08).
//!
//! A database that was put back from an old copy would sign a second history. The copy does not bring this file back,
//! so that the difference shows when the store is opened. The file trails the newest commit by the one write that may
//! be under way when the process dies: it may be behind the database, never ahead of it.
//!
//! Does not help against whoever puts back both; peers that hold a larger checkpoint do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use naru_protocol::log::merkle::Hash;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use super::{StoreError, files};

/// Longest file that is read.
const MAX_BYTES: u64 = 4096;

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HighWater {
    /// Name of the log.
    pub(crate) origin: String,
    /// Number of entries under the last checkpoint.
    pub(crate) size: u64,
    /// Its root.
    pub(crate) root: Hash,
}

/// Reads the file; none if there is none yet.
pub(crate) fn read(path: &Path) -> Result<Option<HighWater>, StoreError> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::file("reading", path, &e)),
    };
    if length > MAX_BYTES {
        return Err(StoreError::Corrupt(format!("{} is not a high-water file", path.display())));
    }
    let bytes = fs::read(path).map_err(|e| StoreError::file("reading", path, &e))?;
    let mark = serde_json::from_slice(&bytes)
        .map_err(|_| StoreError::Corrupt(format!("{} is not a high-water file", path.display())))?;
    Ok(Some(mark))
}

/// Replaces the file, durably.
pub(crate) fn write(path: &Path, mark: &HighWater) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec(mark).map_err(|e| StoreError::BadBatch(e.to_string()))?;
    bytes.push(b'\n');
    files::replace(path, &bytes).map_err(|e| StoreError::file("writing", path, &e))
}

/// Writes marks behind the sequencer's back, always the newest, so that no commit waits for a second sync.
#[derive(Debug)]
pub(crate) struct Marker {
    newest: watch::Sender<Option<HighWater>>,
    task: JoinHandle<()>,
}

impl Marker {
    pub(crate) fn start(path: PathBuf) -> Self {
        let (newest, mut marks) = watch::channel(None);
        let task = tokio::spawn(async move {
            while marks.changed().await.is_ok() {
                let Some(mark) = marks.borrow_and_update().clone() else { continue };
                let path = path.clone();
                let written = tokio::task::spawn_blocking(move || write(&path, &mark)).await;
                // The commit stands: a mark that is missing weakens the alarm, it does not break the log.
                match written {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "the high-water file is behind"),
                    Err(error) => tracing::error!(%error, "the high-water file is behind"),
                }
            }
        });
        Self { newest, task }
    }

    pub(crate) fn set(&self, mark: HighWater) {
        self.newest.send_replace(Some(mark));
    }

    /// Waits until the newest mark is written.
    pub(crate) async fn finish(self) {
        drop(self.newest);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the high-water file may be behind");
        }
    }
}
