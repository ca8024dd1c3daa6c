//! What the store holds, counted: a few small statements, for metrics.

use sqlx::{Row as _, SqlitePool, query, query_scalar};

use super::super::{StoreError, Tally, rows::ExchangeKind, rows::OutboxState};

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(super) async fn tally(pool: &SqlitePool) -> Result<Tally, StoreError> {
    let damaged = |what: &str| StoreError::Corrupt(format!("an unknown word in {what}"));
    let mut tally = Tally::default();
    let sql = "SELECT kind, state, count(*) AS n FROM exchanges GROUP BY kind, state ORDER BY kind, state";
    for row in query(sql).fetch_all(pool).await.map_err(failed)? {
        let kind: String = row.try_get("kind").map_err(failed)?;
        let kind = ExchangeKind::parse(&kind).ok_or_else(|| damaged("exchanges.kind"))?;
        let state = row.try_get("state").map_err(failed)?;
        tally.exchanges.push((kind, state, number(row.try_get("n").map_err(failed)?)));
    }
    for row in query("SELECT state, count(*) AS n FROM outbox GROUP BY state ORDER BY state")
        .fetch_all(pool)
        .await
        .map_err(failed)?
    {
        let state: String = row.try_get("state").map_err(failed)?;
        let state = OutboxState::parse(&state).ok_or_else(|| damaged("outbox.state"))?;
        tally.outbox.push((state, number(row.try_get("n").map_err(failed)?)));
    }
    let sql = "SELECT min(updated) FROM exchanges WHERE waits_for IS NOT NULL";
    let oldest: Option<i64> = query_scalar(sql).fetch_one(pool).await.map_err(failed)?;
    let size: i64 = query_scalar("SELECT size FROM head").fetch_one(pool).await.map_err(failed)?;
    let sql = "SELECT at FROM entries ORDER BY idx DESC LIMIT 1";
    let newest: Option<i64> = query_scalar(sql).fetch_optional(pool).await.map_err(failed)?;
    tally.oldest_pending = oldest.map(number);
    tally.log_size = number(size);
    tally.newest_entry = newest.map(number);
    Ok(tally)
}
