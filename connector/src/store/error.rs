//! What can go wrong with durable state, each with its stable code (spec chapter 11, LIM-2).
//!
//! Does not retry: a batch that failed left nothing behind, so the caller may simply commit again.

use std::path::PathBuf;

use naru_protocol::error::Code;
use sqlx::migrate::MigrateError;

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_MISMATCH: u32 = 20;
const SQLITE_NOTADB: u32 = 26;

/// Why the store did not do what it was asked. After any of these nothing of the batch is durable, but for
/// [`Self::Closed`]: whoever is told that the store ended does not know what it did last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota under the database is full.
    #[error("no space left for the database")]
    DiskFull,
    /// Another process has this folder open.
    #[error("the folder {} is in use by another naru process", .0.display())]
    FolderLocked(PathBuf),
    /// The row changed since it was read, or an id that must be new exists already.
    #[error("{what} {id} was changed or created by something else")]
    Conflict {
        /// Which kind of row.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The batch names a row that does not exist.
    #[error("there is no {what} {id}")]
    Missing {
        /// Which kind of row.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The batch itself is not acceptable, and would not be at any other time.
    #[error("the batch is not acceptable: {0}")]
    BadBatch(String),
    /// What is stored contradicts itself.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database is older than, or differs from, what the high-water file says was signed.
    #[error("the database ends at entry {database}, but entry {high_water} was already signed")]
    Rollback {
        /// Size of the log in the database.
        database: u64,
        /// Size of the log in the high-water file.
        high_water: u64,
    },
    /// The database and the high-water file agree on the size of the log but not on what is in it.
    #[error("the database holds another history than the one that was signed at size {size}")]
    Forked {
        /// The size at which the histories differ.
        size: u64,
    },
    /// The log in this folder has another name than the one that this node signs for.
    #[error("the log here is {found}, not {expected}")]
    WrongLog {
        /// Origin that the signer was made for.
        expected: String,
        /// Origin found in the folder.
        found: String,
    },
    /// The tables could not be brought to the form that this version needs.
    #[error("the database could not be migrated: {0}")]
    Migration(String),
    /// A newer version of this program wrote the database.
    #[error("the database has tables of version {0}, which this program does not know")]
    Newer(i64),
    /// A file beside the database could not be read or written.
    #[error("{action} {} failed: {cause}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The database refused for another reason.
    #[error("the database refused: {0}")]
    Database(String),
    /// Another program holds the database, or all readers were taken for too long.
    #[error("the database is held by something else")]
    Busy,
    /// The store was closed, or its writer stopped.
    #[error("the store is closed")]
    Closed,
    /// The key was erased, or never was in the erasable file.
    #[error("the wrapping key {0} is erased")]
    Erased(u64),
}

impl StoreError {
    /// The stable code, with title and hint in both languages.
    ///
    /// [`Self::Conflict`], [`Self::Missing`] and [`Self::BadBatch`] are `internal`: whoever commits knows better what a
    /// lost race means to a peer, and answers with that.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::DiskFull => Code::DiskFull,
            Self::FolderLocked(_) => Code::FolderLocked,
            Self::Conflict { .. } | Self::Missing { .. } | Self::BadBatch(_) | Self::Erased(_) => {
                Code::Internal
            }
            Self::Corrupt(_) => Code::StoreCorrupt,
            Self::Rollback { .. } | Self::Forked { .. } => Code::StoreRolledBack,
            Self::WrongLog { .. } => Code::KeyFileUnusable,
            Self::Newer(_) => Code::StoreNewer,
            Self::Migration(_) | Self::File { .. } | Self::Database(_) | Self::Busy | Self::Closed => {
                Code::StoreUnavailable
            }
        }
    }

    /// Whether the fault lies with the one batch, so that others of the same transaction may go on.
    pub(crate) const fn is_of_the_batch(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Missing { .. } | Self::BadBatch(_))
    }

    /// What the database said. A full disk, a damaged file and a foreign lock keep their own names.
    #[expect(clippy::wildcard_enum_match_arm, reason = "sqlx adds errors without notice")]
    pub(crate) fn database(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(cause) => {
                // Extended result codes hold the primary one in their low byte.
                let code = cause.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
                match code {
                    Some(SQLITE_FULL) => Self::DiskFull,
                    Some(SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy,
                    Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Self::Corrupt(cause.message().to_owned()),
                    Some(SQLITE_CONSTRAINT | SQLITE_TOOBIG | SQLITE_MISMATCH) => {
                        Self::BadBatch(cause.message().to_owned())
                    }
                    _ => Self::Database(cause.message().to_owned()),
                }
            }
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            other => Self::Database(other.to_string()),
        }
    }

    /// What stood against bringing the tables up to date.
    #[expect(clippy::wildcard_enum_match_arm, reason = "sqlx adds errors without notice")]
    pub(crate) fn migration(error: &MigrateError) -> Self {
        match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
                let cause = Self::database(cause);
                let named = matches!(cause, Self::DiskFull | Self::Busy | Self::Corrupt(_));
                if named { cause } else { Self::Migration(error.to_string()) }
            }
            MigrateError::VersionMissing(version) => Self::Newer(*version),
            other => Self::Migration(other.to_string()),
        }
    }

    /// From an error of the operating system on a file beside the database; a full disk keeps its own name.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, cause: &std::io::Error) -> Self {
        if cause.kind() == std::io::ErrorKind::StorageFull
            || cause.kind() == std::io::ErrorKind::QuotaExceeded
        {
            return Self::DiskFull;
        }
        Self::File { action, path: path.into(), cause: cause.to_string() }
    }
}
