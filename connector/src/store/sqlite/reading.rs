//! Opening the database of a node that does not run, to read from it only.
//!
//! The tables must be those of this program: what an older one left is brought up to date by `naru run`, and by nobody who
//! only looks.

use std::path::Path;

use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

use super::{
    super::StoreError,
    READERS,
    writer::{Database, NEWEST, version_of},
};

pub(super) async fn open(path: &Path) -> Result<SqlitePool, StoreError> {
    let database = Database { path: path.to_owned(), max_pages: None };
    let pool = SqlitePoolOptions::new().max_connections(READERS).connect_with(database.reader()).await;
    let pool = pool.map_err(|e| StoreError::database(&e))?;
    match version_of(&pool).await? {
        NEWEST => Ok(pool),
        older => Err(StoreError::Migration(format!(
            "its tables are of version {older}, this program reads version {NEWEST}; `naru run` brings them up to date"
        ))),
    }
}
