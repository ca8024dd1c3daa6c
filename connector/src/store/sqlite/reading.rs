//! Opening the database of a node that does not run, to read from it only.
//!
//! The tables must be those of this program: what an older one left is brought up to date by `naru run`, and by nobody who
//! only looks.

use std::path::Path;

use sqlx::{SqlitePool, query_scalar, sqlite::SqlitePoolOptions};

use super::{super::StoreError, READERS, writer::Database, writer::NEWEST};

pub(super) async fn open(path: &Path) -> Result<SqlitePool, StoreError> {
    let database = Database { path: path.to_owned(), max_pages: None };
    let pool = SqlitePoolOptions::new().max_connections(READERS).connect_with(database.reader()).await;
    let pool = pool.map_err(|e| StoreError::database(&e))?;
    let sql = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let found: Result<Option<i64>, _> = query_scalar(sql).fetch_one(&pool).await;
    match found.map_err(|e| StoreError::database(&e))? {
        Some(NEWEST) => Ok(pool),
        Some(newer) if newer > NEWEST => Err(StoreError::Newer(newer)),
        older => {
            let older = older.unwrap_or(0);
            Err(StoreError::Migration(format!(
                "its tables are of version {older}, this program reads version {NEWEST}; `naru run` brings them up to date"
            )))
        }
    }
}
