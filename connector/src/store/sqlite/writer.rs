//! The one connection that writes, and how it is opened.

use std::{path::PathBuf, time::Duration};

use naru_protocol::encoding::Digest;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlSafeStr as _, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
    query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    super::{
        StoreError,
        batch::{Batch, Settle},
        files,
        ledger::{Growth, Ledger, PendingAck},
        rows::CheckpointRow,
    },
    tree, write,
};

/// How long a statement waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// What the write-ahead log is cut back to after it was worked off.
const WAL_BYTES: u32 = 64 * 1024 * 1024;

/// Where the database is and how large it may get.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) max_pages: Option<u32>,
}

impl Database {
    pub(super) fn reader(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(&self.path).read_only(true).busy_timeout(BUSY)
    }

    fn writer(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(BUSY)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Where a plain sync stops at the drive's cache; no change elsewhere.
            .pragma("fullfsync", "1")
            // Statement journals of savepoints: a file made and removed for each would cost more than the commit.
            .pragma("temp_store", "MEMORY")
            .pragma("journal_size_limit", WAL_BYTES.to_string())
            // Deleted disclosures do not stay behind in free pages that are rewritten anyway.
            .pragma("secure_delete", "FAST");
        match self.max_pages {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        }
    }
}

/// The writing connection.
#[derive(Debug)]
pub(crate) struct Writer {
    conn: SqliteConnection,
}

/// Every form that the tables have had, oldest first; never changed once released.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "init", include_str!("../../../migrations/sqlite/0001_init.sql")),
    (2, "evaluation order", include_str!("../../../migrations/sqlite/0002_evaluation_order.sql")),
];

/// The form that this program reads and writes.
pub(super) const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The form of the tables of a database that was opened; 0 before the first. One of a newer program is refused.
pub(super) async fn version_of(
    database: impl sqlx::Executor<'_, Database = sqlx::Sqlite>,
) -> Result<i64, StoreError> {
    let sql = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let found: Option<i64> =
        sqlx::query_scalar(sql).fetch_one(database).await.map_err(|e| StoreError::database(&e))?;
    match found.unwrap_or_default() {
        found if found > NEWEST => Err(StoreError::Newer(found)),
        found => Ok(found),
    }
}

impl Writer {
    /// Opens the database, made if missing and then readable by this user only.
    pub(crate) async fn open(database: &Database) -> Result<Self, StoreError> {
        let path = &database.path;
        files::open_private(path).map_err(|e| StoreError::file("opening", path, &e))?;
        let conn = database.writer().connect().await.map_err(|e| StoreError::database(&e))?;
        Ok(Self { conn })
    }

    /// Brings the tables to the form that this version needs.
    pub(super) async fn migrate(&mut self) -> Result<(), StoreError> {
        // Listed by hand: the macro would compile the database driver a second time, for the build machine.
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        let migrator = Migrator::with_migrations(migrations.into());
        migrator.run(&mut self.conn).await.map_err(|e| StoreError::migration(&e))
    }

    pub(crate) async fn load(&mut self) -> Result<(Ledger, Option<CheckpointRow>), StoreError> {
        tree::load(&mut self.conn).await
    }

    pub(super) const fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        query(sql).execute(&mut self.conn).await.map_err(|e| StoreError::database(&e))?;
        Ok(())
    }

    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE").await
    }

    /// Durable once this returns.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT").await
    }

    pub(crate) async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.run("SAVEPOINT batch").await
    }

    pub(crate) async fn release(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE batch").await
    }

    /// Undoes everything since the savepoint.
    pub(crate) async fn undo(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO batch").await?;
        self.run("RELEASE batch").await
    }

    pub(crate) async fn settle(&mut self, settles: &[Settle]) -> Result<(Vec<PendingAck>, bool), StoreError> {
        write::settle(&mut self.conn, settles).await
    }

    pub(crate) async fn record_ack(
        &mut self,
        act: Digest,
        ack: &str,
    ) -> Result<Option<PendingAck>, StoreError> {
        write::record_ack(&mut self.conn, act, ack).await
    }

    pub(crate) async fn batch(&mut self, batch: &Batch, indices: &[u64]) -> Result<(), StoreError> {
        write::batch(&mut self.conn, batch, indices).await
    }

    pub(crate) async fn append(
        &mut self,
        base: &Ledger,
        growth: &Growth<'_>,
        checkpoint: &CheckpointRow,
    ) -> Result<(), StoreError> {
        tree::append(&mut self.conn, base, growth, checkpoint).await
    }

    /// Closes; an open transaction is rolled back.
    pub(crate) async fn close(self) {
        if let Err(error) = self.conn.close().await {
            tracing::warn!(%error, "closing the database");
        }
    }
}
