//! Looking at a database without changing it, while the node runs or not: for `naru check` and `naru backup`.
//!
//! Reads over one connection that cannot write. Repairs nothing.

use std::path::Path;

use naru_protocol::log::merkle::{self, Frontier, leaf_hash};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, query, query_scalar};

use super::{
    super::{StoreError, highwater, rows::CheckpointRow},
    columns::Columns,
    tree,
    writer::{Database, NEWEST, version_of},
};

/// Entries that are hashed between two looks at the database.
const PAGE: i64 = 1000;

/// A database that is only looked at.
#[derive(Debug)]
pub struct Inspector {
    conn: SqliteConnection,
}

/// The log as its database has it.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The newest checkpoint; none before the genesis entry.
    pub head: Option<CheckpointRow>,
    /// The log's name; none before the node first ran.
    pub origin: Option<String>,
    /// When the newest entry was made, seconds.
    pub last_at: Option<u64>,
    /// Size that the high-water file says was signed; none without the file.
    pub high_water: Option<u64>,
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

impl Inspector {
    /// Opens a database that is there.
    pub async fn open(database: &Path) -> Result<Self, StoreError> {
        let options = Database { path: database.to_owned(), max_pages: None }.reader();
        Ok(Self { conn: options.connect().await.map_err(failed)? })
    }

    /// Closes it.
    pub async fn close(self) -> Result<(), StoreError> {
        self.conn.close().await.map_err(failed)
    }

    /// SQLite's own check of pages, tables and indices.
    pub async fn integrity(&mut self) -> Result<(), StoreError> {
        let said: Vec<String> =
            query_scalar("PRAGMA integrity_check(10)").fetch_all(&mut self.conn).await.map_err(failed)?;
        match said.as_slice() {
            [ok] if ok == "ok" => Ok(()),
            _ => Err(StoreError::Corrupt(said.join("; "))),
        }
    }

    /// The version of the tables, and the one that this program makes; refuses tables of a newer program.
    pub async fn schema(&mut self) -> Result<(i64, i64), StoreError> {
        Ok((version_of(&mut self.conn).await?, NEWEST))
    }

    /// Hashes every entry again up to the root under the newest checkpoint, and compares the high-water file. The signature of
    /// the checkpoint is left to whoever has the keys.
    pub async fn log(&mut self, origin: &str, high_water: &Path) -> Result<Logged, StoreError> {
        // Before the database is looked at: a running node may write both meanwhile, and the file trails.
        let mark = highwater::read(high_water)?;
        query("BEGIN").execute(&mut self.conn).await.map_err(failed)?;
        let looked = self.look(origin, mark.as_ref()).await;
        query("ROLLBACK").execute(&mut self.conn).await.map_err(failed)?;
        looked
    }

    async fn look(
        &mut self,
        origin: &str,
        mark: Option<&highwater::HighWater>,
    ) -> Result<Logged, StoreError> {
        let found: Option<String> = query_scalar("SELECT value FROM meta WHERE key = 'origin'")
            .fetch_optional(&mut self.conn)
            .await
            .map_err(failed)?;
        for name in found.iter().chain(mark.map(|mark| &mark.origin)) {
            if name != origin {
                return Err(StoreError::WrongLog { expected: origin.to_owned(), found: name.clone() });
            }
        }
        let (ledger, head) = tree::load(&mut self.conn).await?;
        let (root, last_at) = self.hash_all().await?;
        if root != ledger.frontier.root() {
            return Err(StoreError::Corrupt("the entries do not lead to the root of the log".to_owned()));
        }
        if let Some(mark) = mark {
            let size = ledger.frontier.size();
            if size < mark.size {
                return Err(StoreError::Rollback { database: size, high_water: mark.size });
            }
            let root =
                tree::with_nodes(&mut self.conn, |mut read| merkle::root_at(mark.size, &mut read)).await?;
            if root != mark.root {
                return Err(StoreError::Forked { size: mark.size });
            }
        }
        Ok(Logged { head, origin: found, last_at, high_water: mark.map(|mark| mark.size) })
    }

    async fn hash_all(&mut self) -> Result<(merkle::Hash, Option<u64>), StoreError> {
        let (mut frontier, mut last_at, mut next) = (Frontier::new(), None, 0_i64);
        loop {
            let rows = query("SELECT idx, leaf, hash, at FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?")
                .bind(next)
                .bind(PAGE)
                .fetch_all(&mut self.conn)
                .await
                .map_err(failed)?;
            if rows.is_empty() {
                return Ok((frontier.root(), last_at));
            }
            for row in &rows {
                let row = Columns(row);
                let hash = leaf_hash(&row.bytes("leaf")?);
                if hash != row.hash("hash")? {
                    let index = row.number("idx")?;
                    return Err(StoreError::Corrupt(format!("entry {index} is not the one that was hashed")));
                }
                frontier.append(hash).map_err(|e| StoreError::Corrupt(e.to_string()))?;
                last_at = Some(row.number("at")?);
                next += 1;
            }
        }
    }

    /// Writes a whole copy as of one moment into a file that is not there yet.
    pub async fn copy_to(&mut self, out: &Path) -> Result<(), StoreError> {
        let out = out.to_str().ok_or_else(|| StoreError::Database("the path is not UTF-8".to_owned()))?;
        query("VACUUM INTO ?").bind(out).execute(&mut self.conn).await.map_err(failed)?;
        Ok(())
    }
}
