//! The log's tables: what a commit appends to them, and the nodes that proofs are made of.

use std::collections::BTreeMap;

use naru_protocol::log::{
    entry::EntryType,
    merkle::{Frontier, Hash, TreeError},
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqliteExecutor, query};

use super::{
    super::{
        StoreError,
        ledger::{Growth, Ledger, LogRows, NewEntry, PendingAck},
        rows::{CheckpointRow, DisclosureRow},
    },
    columns::{Columns, int},
    decode,
};

/// Rows of one statement; SQLite takes 32,766 values.
const ROWS: usize = 512;

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

/// Appends what a commit adds, and swaps the head: nobody else may have moved it since `base`.
pub(super) async fn append(
    conn: &mut SqliteConnection,
    base: &Ledger,
    growth: &Growth<'_>,
    checkpoint: &CheckpointRow,
) -> Result<(), StoreError> {
    rows(conn, &growth.added.rows).await?;
    let mut lanes = QueryBuilder::<Sqlite>::new("INSERT INTO lanes (lane, n) ");
    if !growth.lanes().is_empty() {
        let moved =
            growth.lanes().iter().map(|(lane, n)| Ok((lane, int(*n)?))).collect::<Result<Vec<_>, _>>()?;
        lanes.push_values(moved, |mut row, (lane, n)| {
            row.push_bind(lane.clone()).push_bind(n);
        });
        lanes.push(" ON CONFLICT (lane) DO UPDATE SET n = excluded.n");
        lanes.build().execute(&mut *conn).await.map_err(failed)?;
    }
    let swapped = query("UPDATE head SET size = ?, root = ? WHERE id = 1 AND size = ? AND root = ?")
        .bind(int(checkpoint.size)?)
        .bind(checkpoint.root.0.as_slice())
        .bind(int(base.frontier.size())?)
        .bind(base.frontier.root().0.as_slice())
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    if swapped.rows_affected() != 1 {
        return Err(StoreError::Corrupt("something else moved the head of the log".to_owned()));
    }
    query("INSERT INTO checkpoints (size, root, note) VALUES (?, ?, ?)")
        .bind(int(checkpoint.size)?)
        .bind(checkpoint.root.0.as_slice())
        .bind(&checkpoint.note)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn rows(conn: &mut SqliteConnection, rows: &LogRows) -> Result<(), StoreError> {
    for some in rows.entries.chunks(ROWS) {
        entries(conn, some).await?;
    }
    for some in rows.nodes.chunks(ROWS) {
        let some = some.iter().map(|(l, i, hash)| Ok((*l, int(*i)?, hash))).collect::<Result<Vec<_>, _>>()?;
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO nodes (level, idx, hash) ");
        insert.push_values(some, |mut row, (level, index, hash)| {
            row.push_bind(i64::from(level)).push_bind(index).push_bind(hash.0.to_vec());
        });
        insert.build().execute(&mut *conn).await.map_err(failed)?;
    }
    for some in rows.disclosures.chunks(ROWS) {
        disclosures(conn, some).await?;
    }
    for some in rows.logged.chunks(ROWS) {
        let mut update = QueryBuilder::<Sqlite>::new("UPDATE acts SET ack_logged = 1 WHERE digest IN (");
        let mut list = update.separated(", ");
        for act in some {
            list.push_bind(act.to_string());
        }
        update.push(")");
        update.build().execute(&mut *conn).await.map_err(failed)?;
    }
    Ok(())
}

async fn entries(conn: &mut SqliteConnection, entries: &[NewEntry]) -> Result<(), StoreError> {
    let rows =
        entries.iter().map(|e| Ok((int(e.index)?, int(e.at)?, e))).collect::<Result<Vec<_>, StoreError>>()?;
    let mut insert =
        QueryBuilder::<Sqlite>::new("INSERT INTO entries (idx, leaf, hash, kind, exchange, act, at) ");
    insert.push_values(rows, |mut row, (index, at, entry)| {
        row.push_bind(index)
            .push_bind(entry.leaf.clone())
            .push_bind(entry.hash.0.to_vec())
            .push_bind(EntryType::as_str(entry.kind))
            .push_bind(entry.exchange.map(|id| id.to_string()))
            .push_bind(entry.act.map(|act| act.to_string()))
            .push_bind(at);
    });
    insert.build().execute(conn).await.map_err(failed)?;
    Ok(())
}

async fn disclosures(conn: &mut SqliteConnection, rows: &[DisclosureRow]) -> Result<(), StoreError> {
    let rows = rows.iter().map(|row| Ok((int(row.index)?, row))).collect::<Result<Vec<_>, StoreError>>()?;
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO disclosures (idx, name, text, erasable) ");
    insert.push_values(rows, |mut row, (index, disclosure)| {
        row.push_bind(index)
            .push_bind(disclosure.name.clone())
            .push_bind(disclosure.text.clone())
            .push_bind(disclosure.erasable);
    });
    insert.build().execute(conn).await.map_err(failed)?;
    Ok(())
}

/// Reads the durable state of the log, and checks that its parts agree with each other.
pub(super) async fn load(conn: &mut SqliteConnection) -> Result<(Ledger, Option<CheckpointRow>), StoreError> {
    let row =
        query("SELECT size, root FROM head WHERE id = 1").fetch_optional(&mut *conn).await.map_err(failed)?;
    let Some(row) = row else { return Err(StoreError::Corrupt("the head of the log is missing".to_owned())) };
    let (size, root) = (Columns(&row).number("size")?, Columns(&row).hash("root")?);
    let row = query("SELECT coalesce(max(idx) + 1, 0) AS n FROM entries")
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    if Columns(&row).number("n")? != size {
        return Err(StoreError::Corrupt("the number of entries is not the size of the log".to_owned()));
    }
    let frontier = with_nodes(&mut *conn, |mut read| Frontier::from_nodes(size, &mut read)).await?;
    if frontier.root() != root {
        return Err(StoreError::Corrupt("the entries do not lead to the root of the log".to_owned()));
    }
    let checkpoint = query("SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed)?
        .map(|row| decode::checkpoint(&row))
        .transpose()?;
    if checkpoint.as_ref().map_or(size != 0, |last| last.size != size || last.root != root) {
        return Err(StoreError::Corrupt("the last checkpoint is not that of the log".to_owned()));
    }
    let mut ledger = Ledger { frontier, ..Ledger::default() };
    for row in query("SELECT lane, n FROM lanes").fetch_all(&mut *conn).await.map_err(failed)? {
        ledger.lanes.insert(Columns(&row).text("lane")?, Columns(&row).number("n")?);
    }
    let unlogged =
        query("SELECT digest, ack_digest FROM acts WHERE ack_logged = 0 AND ack IS NOT NULL ORDER BY rowid");
    for row in unlogged.fetch_all(conn).await.map_err(failed)? {
        ledger.pending.push_back(PendingAck {
            act: Columns(&row).digest("digest")?,
            ack: Columns(&row).digest("ack_digest")?,
        });
    }
    Ok((ledger, checkpoint))
}

/// Runs a computation over the tree twice: once to learn which nodes it wants, once with all of them read in one go.
pub(super) async fn with_nodes<'e, T>(
    executor: impl SqliteExecutor<'e>,
    compute: impl Fn(&mut dyn FnMut(u8, u64) -> Option<Hash>) -> Result<T, TreeError>,
) -> Result<T, StoreError> {
    let mut wanted = Vec::new();
    let mut learn = |level: u8, index: u64| {
        wanted.push((level, index));
        Some(Hash::EMPTY)
    };
    compute(&mut learn).map_err(|e| tree(&e))?;
    let found = nodes(executor, &wanted).await?;
    compute(&mut |level, index| found.get(&(level, index)).copied()).map_err(|e| tree(&e))
}

/// What a proof was asked for is the caller's; what is missing in between is damage.
fn tree(error: &TreeError) -> StoreError {
    match error {
        TreeError::MissingNode { .. } | TreeError::Full | TreeError::BadFrontier => {
            StoreError::Corrupt(error.to_string())
        }
        TreeError::IndexOutOfRange { index, .. } => {
            StoreError::Missing { what: "entry", id: index.to_string() }
        }
        TreeError::SizeOutOfRange { old, new } => {
            StoreError::Missing { what: "proof", id: format!("from {old} to {new}") }
        }
    }
}

async fn nodes<'e>(
    executor: impl SqliteExecutor<'e>,
    wanted: &[(u8, u64)],
) -> Result<BTreeMap<(u8, u64), Hash>, StoreError> {
    let mut found = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    // A tree counted in 64 bits asks for at most 64 × 64 nodes, far below what one statement takes.
    let wanted =
        wanted.iter().map(|(l, i)| Ok((i64::from(*l), int(*i)?))).collect::<Result<Vec<_>, StoreError>>()?;
    let mut select = QueryBuilder::<Sqlite>::new("WITH want (level, idx) AS (");
    select.push_values(wanted, |mut row, (level, index)| {
        row.push_bind(level).push_bind(index);
    });
    select.push(
        ") SELECT want.level, want.idx, coalesce(nodes.hash, entries.hash) AS hash FROM want \
         LEFT JOIN nodes ON nodes.level = want.level AND nodes.idx = want.idx \
         LEFT JOIN entries ON want.level = 0 AND entries.idx = want.idx \
         WHERE coalesce(nodes.hash, entries.hash) IS NOT NULL",
    );
    for row in select.build().fetch_all(executor).await.map_err(failed)? {
        let c = Columns(&row);
        found.insert((c.small("level")?, c.number("idx")?), c.hash("hash")?);
    }
    Ok(found)
}
