//! Reads, each one statement with a limit.

use std::ops::Range;

use naru_protocol::{
    encoding::{Digest, Id},
    log::{
        merkle::{self, Hash},
        tile::{Tile, TileKind, bundle_bytes},
    },
};
use sqlx::{QueryBuilder, Sqlite, SqlitePool, query, query_scalar, sqlite::SqliteRow};

use super::{
    super::{
        Counted, ExchangeQuery, MAX_RANGE, MAX_ROWS, StoreError,
        rows::{
            ActRow, AgreementRow, CheckpointRow, DatasetRow, DisclosureRow, EntryRow, EvaluationRow,
            ExchangeKind, ExchangeRow, KeySetRow, OutboxRow, Passed, PeerActRow, PeerLogRow, PeerRow,
            TicketRow, TransferRow,
        },
    },
    columns::{Columns, int},
    decode, tree,
};

/// States that one query may name.
const MAX_STATES: usize = 16;

type Found<T> = Result<Option<T>, StoreError>;
type List<T> = Result<Vec<T>, StoreError>;

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

fn limit(rows: u32) -> i64 {
    i64::from(rows.min(MAX_ROWS))
}

/// Runs a query whose binds are given, and decodes at most one row.
macro_rules! one {
    ($pool:expr, $decode:expr, $sql:expr $(, $bind:expr)*) => {{
        let row: Option<SqliteRow> = query($sql)$(.bind($bind))*.fetch_optional($pool).await.map_err(failed)?;
        row.map(|row| $decode(&row)).transpose()
    }};
}

/// Runs a query whose binds are given, and decodes every row.
macro_rules! list {
    ($pool:expr, $decode:expr, $sql:expr $(, $bind:expr)*) => {{
        let rows: Vec<SqliteRow> = query($sql)$(.bind($bind))*.fetch_all($pool).await.map_err(failed)?;
        rows.iter().map($decode).collect()
    }};
}

/// An act with the size of the checkpoint that its entry was committed under: each commit has exactly one.
macro_rules! acts_sql {
    ($rest:literal) => {
        concat!(
            "SELECT acts.*, (SELECT min(size) FROM checkpoints WHERE size > acts.entry) AS covered FROM acts ",
            $rest
        )
    };
}

pub(super) async fn meta(pool: &SqlitePool, key: &str) -> Found<String> {
    query_scalar("SELECT value FROM meta WHERE key = ?").bind(key).fetch_optional(pool).await.map_err(failed)
}

pub(super) async fn peer(pool: &SqlitePool, did: &str) -> Found<PeerRow> {
    one!(pool, decode::peer, "SELECT * FROM peers WHERE did = ?", did)
}

pub(super) async fn peer_by_alias(pool: &SqlitePool, alias: &str) -> Found<PeerRow> {
    one!(pool, decode::peer, "SELECT * FROM peers WHERE alias = ?", alias)
}

pub(super) async fn peers(pool: &SqlitePool, after: Option<&str>, most: u32) -> List<PeerRow> {
    let after = after.unwrap_or_default();
    list!(pool, decode::peer, "SELECT * FROM peers WHERE did > ? ORDER BY did LIMIT ?", after, limit(most))
}

pub(super) async fn key_sets(pool: &SqlitePool, did: &str, from: u64, most: u32) -> List<KeySetRow> {
    let sql = "SELECT * FROM key_sets WHERE did = ? AND number >= ? ORDER BY number LIMIT ?";
    list!(pool, decode::key_set, sql, did, int(from)?, limit(most))
}

pub(super) async fn key_set(pool: &SqlitePool, did: &str, number: u64) -> Found<KeySetRow> {
    one!(pool, decode::key_set, "SELECT * FROM key_sets WHERE did = ? AND number = ?", did, int(number)?)
}

pub(super) async fn ticket(pool: &SqlitePool, secret_hash: Digest) -> Found<TicketRow> {
    one!(pool, decode::ticket, "SELECT * FROM tickets WHERE secret_hash = ?", secret_hash.to_string())
}

pub(super) async fn dataset(pool: &SqlitePool, id: &str, version: Option<u64>) -> Found<DatasetRow> {
    let version = version.map(int).transpose()?;
    let sql =
        "SELECT * FROM datasets WHERE id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1";
    one!(pool, decode::dataset, sql, id, version)
}

pub(super) async fn dataset_by_listing(pool: &SqlitePool, listing: Digest) -> Found<DatasetRow> {
    one!(pool, decode::dataset, "SELECT * FROM datasets WHERE digest = ?", listing.to_string())
}

pub(super) async fn datasets(
    pool: &SqlitePool,
    after: Option<&str>,
    withdrawn: bool,
    most: u32,
) -> List<DatasetRow> {
    let sql = "SELECT * FROM datasets AS d WHERE id > ?1 AND (withdrawn = 0 OR ?2) \
        AND version = (SELECT max(version) FROM datasets WHERE id = d.id) ORDER BY id LIMIT ?3";
    list!(pool, decode::dataset, sql, after.unwrap_or_default(), withdrawn, limit(most))
}

pub(super) async fn file_list_len(pool: &SqlitePool, id: &str, version: u64) -> Found<u64> {
    let sql = "SELECT length(bytes) AS n FROM file_lists WHERE id = ? AND version = ?";
    one!(pool, |row: &SqliteRow| Columns(row).number("n"), sql, id, int(version)?)
}

pub(super) async fn file_list(
    pool: &SqlitePool,
    id: &str,
    version: u64,
    range: Range<u64>,
) -> Found<Vec<u8>> {
    let length = range.end.saturating_sub(range.start).min(MAX_RANGE);
    // Places of `substr` count from one.
    let first = int(range.start)?.saturating_add(1);
    let sql = "SELECT substr(bytes, ?, ?) AS part FROM file_lists WHERE id = ? AND version = ?";
    one!(pool, |row: &SqliteRow| Columns(row).bytes("part"), sql, first, int(length)?, id, int(version)?)
}

pub(super) async fn chunk_hashes(pool: &SqlitePool, id: &str, version: u64, file: u64) -> Found<Vec<u8>> {
    let sql = "SELECT hashes FROM chunk_hashes WHERE id = ? AND version = ? AND file = ?";
    one!(pool, |row: &SqliteRow| Columns(row).bytes("hashes"), sql, id, int(version)?, int(file)?)
}

pub(super) async fn exchange(pool: &SqlitePool, id: Id) -> Found<ExchangeRow> {
    one!(pool, decode::exchange, "SELECT * FROM exchanges WHERE id = ?", id.to_string())
}

pub(super) async fn exchange_by_pid(pool: &SqlitePool, our_pid: &str) -> Found<ExchangeRow> {
    one!(pool, decode::exchange, "SELECT * FROM exchanges WHERE our_pid = ?", our_pid)
}

pub(super) async fn exchange_by_peer_pid(
    pool: &SqlitePool,
    peer: &str,
    kind: ExchangeKind,
    peer_pid: &str,
) -> Found<ExchangeRow> {
    let sql = "SELECT * FROM exchanges WHERE peer = ? AND kind = ? AND peer_pid = ?";
    one!(pool, decode::exchange, sql, peer, kind.as_str(), peer_pid)
}

pub(super) async fn exchanges(pool: &SqlitePool, wanted: ExchangeQuery) -> List<ExchangeRow> {
    let mut select = QueryBuilder::<Sqlite>::new("SELECT * FROM exchanges WHERE 1 = 1");
    if let Some(kind) = wanted.kind {
        select.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some(peer) = wanted.peer {
        select.push(" AND peer = ").push_bind(peer);
    }
    if let Some(word) = wanted.waits_for {
        select.push(" AND waits_for = ").push_bind(word);
    }
    if !wanted.states.is_empty() {
        select.push(" AND state IN (");
        let mut states = select.separated(", ");
        for state in wanted.states.into_iter().take(MAX_STATES) {
            states.push_bind(state);
        }
        select.push(")");
    }
    if let Some((updated, id)) = wanted.after {
        select
            .push(" AND (updated, id) < (")
            .push_bind(int(updated)?)
            .push(", ")
            .push_bind(id.to_string())
            .push(")");
    }
    select.push(" ORDER BY updated DESC, id DESC LIMIT ").push_bind(limit(wanted.limit));
    let rows = select.build().fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(decode::exchange).collect()
}

pub(super) async fn overdue(pool: &SqlitePool, now: u64, most: u32) -> List<ExchangeRow> {
    let sql = "SELECT * FROM exchanges WHERE deadline <= ? ORDER BY deadline LIMIT ?";
    list!(pool, decode::exchange, sql, int(now)?, limit(most))
}

pub(super) async fn act(pool: &SqlitePool, digest: Digest) -> Found<ActRow> {
    one!(pool, decode::act, acts_sql!("WHERE digest = ?"), digest.to_string())
}

pub(super) async fn act_by_msg(pool: &SqlitePool, iss: &str, msg: Id) -> Found<ActRow> {
    one!(pool, decode::act, acts_sql!("WHERE iss = ? AND msg = ?"), iss, msg.to_string())
}

pub(super) async fn acts(pool: &SqlitePool, exchange: Id, skip: u64, most: u32) -> List<ActRow> {
    let sql = acts_sql!("WHERE exchange = ? ORDER BY rowid LIMIT ? OFFSET ?");
    list!(pool, decode::act, sql, exchange.to_string(), limit(most), int(skip)?)
}

pub(super) async fn unanswered(pool: &SqlitePool, exchange: Id) -> Found<ActRow> {
    let sql = acts_sql!(
        "WHERE exchange = ? AND direction = 'out' AND status IS NULL AND named = 0 AND dropped = 0 \
         ORDER BY rowid DESC LIMIT 1"
    );
    one!(pool, decode::act, sql, exchange.to_string())
}

/// Rows of the outbox that are not passed over: the binds are two JSON arrays.
macro_rules! waiting_sql {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM outbox WHERE state = 'waiting' AND act NOT IN (SELECT value FROM json_each(?1)) \
             AND peer NOT IN (SELECT value FROM json_each(?2)) ",
            $rest
        )
    };
}

fn passed_over(passed: &Passed) -> (String, String) {
    let acts: Vec<String> = passed.acts.iter().map(ToString::to_string).collect();
    (serde_json::Value::from(acts).to_string(), serde_json::Value::from(passed.peers.clone()).to_string())
}

pub(super) async fn due(pool: &SqlitePool, now_ms: u64, most: u32, passed: &Passed) -> List<OutboxRow> {
    let (acts, peers) = passed_over(passed);
    let sql = waiting_sql!("*", "AND next_at_ms <= ?3 ORDER BY next_at_ms LIMIT ?4");
    list!(pool, decode::outbox, sql, acts, peers, int(now_ms)?, limit(most))
}

pub(super) async fn next_due(pool: &SqlitePool, passed: &Passed) -> Found<u64> {
    let (acts, peers) = passed_over(passed);
    let sql = waiting_sql!("next_at_ms AS n", "ORDER BY next_at_ms LIMIT 1");
    one!(pool, |row: &SqliteRow| Columns(row).number("n"), sql, acts, peers)
}

pub(super) async fn outbox(pool: &SqlitePool, peer: Option<&str>, most: u32) -> List<OutboxRow> {
    let sql = "SELECT * FROM outbox WHERE ?1 IS NULL OR peer = ?1 ORDER BY first_at_ms LIMIT ?2";
    list!(pool, decode::outbox, sql, peer, limit(most))
}

pub(super) async fn head(pool: &SqlitePool) -> Found<CheckpointRow> {
    one!(pool, decode::checkpoint, "SELECT * FROM checkpoints ORDER BY size DESC LIMIT 1")
}

pub(super) async fn checkpoint(pool: &SqlitePool, size: u64) -> Found<CheckpointRow> {
    one!(pool, decode::checkpoint, "SELECT * FROM checkpoints WHERE size = ?", int(size)?)
}

pub(super) async fn checkpoint_covering(pool: &SqlitePool, index: u64) -> Found<CheckpointRow> {
    let sql = "SELECT * FROM checkpoints WHERE size > ? ORDER BY size LIMIT 1";
    one!(pool, decode::checkpoint, sql, int(index)?)
}

pub(super) async fn entry(pool: &SqlitePool, index: u64) -> Found<EntryRow> {
    one!(pool, decode::entry, "SELECT * FROM entries WHERE idx = ?", int(index)?)
}

pub(super) async fn entries(pool: &SqlitePool, from: u64, most: u32) -> List<EntryRow> {
    let sql = "SELECT * FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?";
    list!(pool, decode::entry, sql, int(from)?, limit(most))
}

pub(super) async fn entries_of(pool: &SqlitePool, exchange: Id, from: u64, most: u32) -> List<EntryRow> {
    let sql = "SELECT * FROM entries WHERE exchange = ? AND idx >= ? ORDER BY idx LIMIT ?";
    list!(pool, decode::entry, sql, exchange.to_string(), int(from)?, limit(most))
}

pub(super) async fn disclosures(pool: &SqlitePool, index: u64) -> List<DisclosureRow> {
    list!(pool, decode::disclosure, "SELECT * FROM disclosures WHERE idx = ? ORDER BY name", int(index)?)
}

pub(super) async fn tile(pool: &SqlitePool, tile: Tile) -> Found<Vec<u8>> {
    let width = i64::from(tile.width());
    let first = int(tile.first())?;
    match tile.kind() {
        TileKind::Entries => {
            let sql = "SELECT leaf FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?";
            let leaves: Vec<Vec<u8>> =
                query_scalar(sql).bind(first).bind(width).fetch_all(pool).await.map_err(failed)?;
            if leaves.len() < usize::from(tile.width()) {
                return Ok(None);
            }
            bundle_bytes(tile, &leaves).map(Some).map_err(|e| StoreError::Corrupt(e.to_string()))
        }
        TileKind::Hashes(level) => {
            let hashes: Result<Vec<Vec<u8>>, _> = if level == 0 {
                let sql = "SELECT hash FROM entries WHERE idx >= ? ORDER BY idx LIMIT ?";
                query_scalar(sql).bind(first).bind(width).fetch_all(pool).await
            } else {
                let sql = "SELECT hash FROM nodes WHERE level = ? AND idx >= ? ORDER BY idx LIMIT ?";
                query_scalar(sql).bind(8 * i64::from(level)).bind(first).bind(width).fetch_all(pool).await
            };
            let hashes = hashes.map_err(failed)?;
            Ok((hashes.len() == usize::from(tile.width())).then(|| hashes.concat()))
        }
    }
}

/// Proofs reach to the last checkpoint and not beyond.
async fn within(pool: &SqlitePool, size: u64) -> Result<(), StoreError> {
    let last = head(pool).await?.map_or(0, |head| head.size);
    if size <= last { Ok(()) } else { Err(StoreError::Missing { what: "log of size", id: size.to_string() }) }
}

pub(super) async fn root(pool: &SqlitePool, size: u64) -> Result<Hash, StoreError> {
    within(pool, size).await?;
    tree::with_nodes(pool, |mut read| merkle::root_at(size, &mut read)).await
}

pub(super) async fn inclusion(pool: &SqlitePool, index: u64, size: u64) -> List<Hash> {
    within(pool, size).await?;
    tree::with_nodes(pool, |mut read| merkle::inclusion_proof(index, size, &mut read)).await
}

pub(super) async fn consistency(pool: &SqlitePool, from: u64, to: u64) -> List<Hash> {
    within(pool, to).await?;
    tree::with_nodes(pool, |mut read| merkle::consistency_proof(from, to, &mut read)).await
}

pub(super) async fn lane(pool: &SqlitePool, lane: &str) -> Result<u64, StoreError> {
    let found =
        one!(pool, |row: &SqliteRow| Columns(row).number("n"), "SELECT n FROM lanes WHERE lane = ?", lane)?;
    Ok(found.unwrap_or(0))
}

pub(super) async fn peer_log(pool: &SqlitePool, did: &str, origin: &str) -> Found<PeerLogRow> {
    one!(pool, decode::peer_log, "SELECT * FROM peer_logs WHERE did = ? AND origin = ?", did, origin)
}

pub(super) async fn peer_logs(pool: &SqlitePool, did: &str, most: u32) -> List<PeerLogRow> {
    let sql = "SELECT * FROM peer_logs WHERE did = ? ORDER BY origin LIMIT ?";
    list!(pool, decode::peer_log, sql, did, limit(most))
}

pub(super) async fn peer_claims(pool: &SqlitePool, did: &str, most: u32) -> List<PeerLogRow> {
    let sql = "SELECT * FROM peer_claims WHERE did = ? ORDER BY origin LIMIT ?";
    list!(pool, decode::peer_log, sql, did, limit(most))
}

pub(super) async fn unverified_claims(pool: &SqlitePool, most: u32) -> List<PeerLogRow> {
    let sql = "SELECT c.* FROM peer_claims c LEFT JOIN peer_logs l ON l.did = c.did AND l.origin = c.origin \
               WHERE l.size IS NULL OR l.size < c.size ORDER BY c.did, c.origin LIMIT ?";
    list!(pool, decode::peer_log, sql, limit(most))
}

pub(super) async fn count(pool: &SqlitePool, what: Counted<'_>) -> Result<u64, StoreError> {
    let query = match what {
        Counted::Peers => query_scalar("SELECT count(*) FROM peers"),
        Counted::OpenTickets(now) => {
            query_scalar("SELECT count(*) FROM tickets WHERE state = 'open' AND expires > ?").bind(int(now)?)
        }
        Counted::LiveExchanges(peer) => {
            query_scalar("SELECT count(*) FROM exchanges WHERE peer = ? AND waits_for IS NOT NULL").bind(peer)
        }
        Counted::Outbox(peer) => query_scalar("SELECT count(*) FROM outbox WHERE peer = ?").bind(peer),
        Counted::WholeOutbox => query_scalar("SELECT count(*) FROM outbox"),
    };
    let found: i64 = query.fetch_one(pool).await.map_err(|e| StoreError::database(&e))?;
    Ok(u64::try_from(found).unwrap_or_default())
}

pub(super) async fn peer_acts(pool: &SqlitePool, exchange: Id, most: u32) -> List<PeerActRow> {
    let sql = "SELECT * FROM peer_acts WHERE exchange = ? ORDER BY idx LIMIT ?";
    list!(pool, decode::peer_act, sql, exchange.to_string(), limit(most))
}

pub(super) async fn peer_acts_from(
    pool: &SqlitePool,
    peer: &str,
    origin: &str,
    from: u64,
    most: u32,
) -> List<PeerActRow> {
    let sql = "SELECT * FROM peer_acts WHERE peer = ? AND origin = ? AND idx >= ? ORDER BY idx LIMIT ?";
    list!(pool, decode::peer_act, sql, peer, origin, int(from)?, limit(most))
}

pub(super) async fn evaluation(pool: &SqlitePool, digest: Digest) -> Found<EvaluationRow> {
    one!(pool, decode::evaluation, "SELECT * FROM evaluations WHERE digest = ? LIMIT 1", digest.to_string())
}

pub(super) async fn evaluations(pool: &SqlitePool, exchange: Id, most: u32) -> List<EvaluationRow> {
    let sql = "SELECT * FROM evaluations WHERE exchange = ? ORDER BY created, seq, digest LIMIT ?";
    list!(pool, decode::evaluation, sql, exchange.to_string(), limit(most))
}

pub(super) async fn agreement(pool: &SqlitePool, digest: Digest) -> Found<AgreementRow> {
    one!(pool, decode::agreement, "SELECT * FROM agreements WHERE digest = ?", digest.to_string())
}

pub(super) async fn agreement_of(pool: &SqlitePool, exchange: Id) -> Found<AgreementRow> {
    // Drafts that came to nothing may stand beside the one in force.
    let sql = "SELECT * FROM agreements WHERE exchange = ? ORDER BY state = 'in_force' DESC LIMIT 1";
    one!(pool, decode::agreement, sql, exchange.to_string())
}

pub(super) async fn transfer(pool: &SqlitePool, exchange: Id) -> Found<TransferRow> {
    one!(pool, decode::transfer, "SELECT * FROM transfers WHERE exchange = ?", exchange.to_string())
}
