//! The database of a restored copy: its log begins anew, as the next shard (spec chapter 08, LOG-9.3).
//!
//! The copy does not know what its node signed since it was made. Nothing of what was under way then is signed on: exchanges
//! that were not over, unanswered acts and open tickets are taken out. Agreements, datasets, peers and what peers showed of
//! their logs stay. Acts that stay have no place in the new log; their place is in the export of the earlier shard, which is made
//! before. Runs on a copy that no node has open, in one transaction.

use std::path::Path;

use naru_protocol::log::merkle::Hash;
use sqlx::{SqliteConnection, query, query_scalar};

use super::{
    super::StoreError,
    writer::{Database, Writer},
};

/// Setting that holds the last note of the shard before.
pub(crate) const SUPERSEDES: &str = "supersedes";

/// What the new shard does not go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Negotiations and transfers that were not over.
    pub exchanges: u64,
    /// Tickets that could still be redeemed.
    pub tickets: u64,
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

/// No acknowledgement waits for an entry any more: the log of this copy is never written again.
pub(crate) async fn seal(database: &Path) -> Result<(), StoreError> {
    let mut writer = Writer::open(&Database { path: database.to_owned(), max_pages: None }).await?;
    writer.migrate().await?;
    let done = query("UPDATE acts SET ack_logged = 1").execute(writer.connection()).await.map_err(failed);
    writer.close().await;
    done.map(drop)
}

/// Begins the log anew. `supersedes` is the last note that is known of the shard before.
pub(crate) async fn reshard(database: &Path, supersedes: Option<&str>) -> Result<Dropped, StoreError> {
    let mut writer = Writer::open(&Database { path: database.to_owned(), max_pages: None }).await?;
    writer.begin().await?;
    let dropped = begin_anew(writer.connection(), supersedes).await?;
    writer.commit().await?;
    writer.close().await;
    Ok(dropped)
}

async fn begin_anew(conn: &mut SqliteConnection, supersedes: Option<&str>) -> Result<Dropped, StoreError> {
    const OPEN: &str = "CREATE TEMP TABLE open AS SELECT id FROM exchanges \
        WHERE waits_for IS NOT NULL OR state NOT IN ('FINALIZED', 'TERMINATED', 'COMPLETED')";
    query(OPEN).execute(&mut *conn).await.map_err(failed)?;
    let exchanges: i64 =
        query_scalar("SELECT count(*) FROM open").fetch_one(&mut *conn).await.map_err(failed)?;
    for sql in [
        "DELETE FROM outbox",
        "DELETE FROM acts WHERE exchange IN (SELECT id FROM open)",
        "DELETE FROM evaluations WHERE exchange IN (SELECT id FROM open)",
        "DELETE FROM agreements WHERE exchange IN (SELECT id FROM open)",
        "DELETE FROM transfers WHERE exchange IN (SELECT id FROM open)",
        "DELETE FROM peer_acts WHERE exchange IN (SELECT id FROM open)",
        "DELETE FROM exchanges WHERE id IN (SELECT id FROM open)",
        "DROP TABLE open",
        // What stays is in the log of the earlier shard.
        "UPDATE acts SET entry = NULL, covered = NULL, ack_logged = 1",
        "DELETE FROM entries",
        "DELETE FROM disclosures",
        "DELETE FROM nodes",
        "DELETE FROM checkpoints",
        "DELETE FROM lanes",
        "DELETE FROM meta WHERE key IN ('origin', 'supersedes')",
    ] {
        query(sql).execute(&mut *conn).await.map_err(failed)?;
    }
    query("UPDATE head SET size = 0, root = ? WHERE id = 1")
        .bind(Hash::EMPTY.0.as_slice())
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    // Somebody may have redeemed them since.
    let tickets = query("UPDATE tickets SET state = 'revoked' WHERE state = 'open'")
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    if let Some(note) = supersedes {
        super::write::meta(conn, SUPERSEDES, note).await?;
    }
    Ok(Dropped { exchanges: u64::try_from(exchanges).unwrap_or_default(), tickets: tickets.rows_affected() })
}
