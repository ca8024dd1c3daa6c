//! The rows of one batch into their tables, inside its savepoint. Expectations that fail are the batch's own errors.

use naru_protocol::encoding::Digest;
use sqlx::{SqliteConnection, query, query_scalar, sqlite::SqliteQueryResult};

use super::{
    super::{
        StoreError,
        batch::{Batch, DatasetWrite, NewAct, Reschedule, Settle, Settled, TicketChange},
        ledger::PendingAck,
        rows::{
            AgreementRow, EvaluationRow, ExchangeRow, KeySetRow, OutboxRow, PeerActRow, PeerLogRow, PeerRow,
            TransferRow,
        },
        wrapping::WrappedKey,
    },
    columns::{int, opt_int},
};

type Done = Result<(), StoreError>;

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::database(&error)
}

fn conflict(what: &'static str, id: &impl ToString) -> StoreError {
    StoreError::Conflict { what, id: id.to_string() }
}

fn missing(what: &'static str, id: &impl ToString) -> StoreError {
    StoreError::Missing { what, id: id.to_string() }
}

/// A row that must be new and is not is a lost race, whatever else the database calls it.
fn taken(what: &'static str, id: &impl ToString) -> impl FnOnce(sqlx::Error) -> StoreError {
    let id = id.to_string();
    move |error| match error.as_database_error() {
        Some(cause) if cause.is_unique_violation() => StoreError::Conflict { what, id },
        Some(_) | None => failed(error),
    }
}

/// Everything but entries and settlements. `indices` are those of the batch's entries.
pub(super) async fn batch(conn: &mut SqliteConnection, batch: &Batch, indices: &[u64]) -> Done {
    for row in &batch.exchanges {
        exchange(conn, row).await?;
    }
    for new in &batch.acts {
        act(conn, new, indices).await?;
    }
    for row in &batch.outbox {
        outbox(conn, row).await?;
    }
    for change in &batch.reschedule {
        reschedule(conn, change).await?;
    }
    for row in &batch.peers {
        peer(conn, row).await?;
    }
    for row in &batch.key_sets {
        key_set(conn, row).await?;
    }
    for change in &batch.tickets {
        ticket(conn, change).await?;
    }
    for write in &batch.datasets {
        dataset(conn, write).await?;
    }
    for row in &batch.evaluations {
        evaluation(conn, row).await?;
    }
    for row in &batch.agreements {
        agreement(conn, row).await?;
    }
    for row in &batch.transfers {
        transfer(conn, row).await?;
    }
    for row in &batch.peer_logs {
        peer_log(conn, PEER_LOG, row).await?;
    }
    for row in &batch.peer_claims {
        peer_log(conn, PEER_CLAIM, row).await?;
    }
    for row in &batch.peer_acts {
        peer_act(conn, row).await?;
    }
    for (key, value) in &batch.meta {
        meta(conn, key, value).await?;
    }
    for exchange in &batch.erase {
        query(
            "DELETE FROM disclosures WHERE erasable = 1 \
             AND idx IN (SELECT idx FROM entries WHERE exchange = ?)",
        )
        .bind(exchange.to_string())
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

/// A setting, inserted or replaced.
pub(super) async fn meta(conn: &mut SqliteConnection, key: &str, value: &str) -> Done {
    query(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Ends of waits. Gives the acknowledgements that now wait for an entry, and whether one wants it at once.
pub(super) async fn settle(
    conn: &mut SqliteConnection,
    settles: &[Settle],
) -> Result<(Vec<PendingAck>, bool), StoreError> {
    let mut fresh = Vec::new();
    let mut urgent = false;
    for settle in settles {
        let digest = settle.act.to_string();
        let done = match &settle.how {
            Settled::Answered { status, answer, ack, at_once } => {
                let done = answered(conn, &digest, *status, answer).await?;
                if let (1, Some(ack)) = (done.rows_affected(), ack) {
                    fresh.extend(record_ack(conn, settle.act, ack).await?);
                    urgent |= *at_once;
                }
                done
            }
            Settled::Named => {
                query("UPDATE acts SET named = 1 WHERE digest = ? AND direction = 'out' AND dropped = 0")
                    .bind(&digest)
                    .execute(&mut *conn)
                    .await
                    .map_err(failed)?
            }
            Settled::Dropped => query(
                "UPDATE acts SET dropped = 1 \
                 WHERE digest = ? AND direction = 'out' AND status IS NULL AND named = 0",
            )
            .bind(&digest)
            .execute(&mut *conn)
            .await
            .map_err(failed)?,
        };
        if done.rows_affected() != 1 {
            return Err(absent_act(conn, &settle.act).await);
        }
        query("DELETE FROM outbox WHERE act = ?").bind(&digest).execute(&mut *conn).await.map_err(failed)?;
    }
    Ok((fresh, urgent))
}

async fn answered(
    conn: &mut SqliteConnection,
    digest: &str,
    status: u16,
    answer: &[u8],
) -> Result<SqliteQueryResult, StoreError> {
    query(
        "UPDATE acts SET status = ?, answer = ? \
         WHERE digest = ? AND direction = 'out' AND status IS NULL AND dropped = 0",
    )
    .bind(i64::from(status))
    .bind(answer)
    .bind(digest)
    .execute(conn)
    .await
    .map_err(failed)
}

/// An acknowledgement of an act of ours. None if it was there already.
pub(super) async fn record_ack(
    conn: &mut SqliteConnection,
    act: Digest,
    ack: &str,
) -> Result<Option<PendingAck>, StoreError> {
    let digest = Digest::of(ack.as_bytes());
    let done = query(
        "UPDATE acts SET ack = ?, ack_digest = ? WHERE digest = ? AND direction = 'out' AND ack IS NULL",
    )
    .bind(ack)
    .bind(digest.to_string())
    .bind(act.to_string())
    .execute(&mut *conn)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 1 {
        return Ok(Some(PendingAck { act, ack: digest }));
    }
    let held: Option<Option<String>> = query_scalar("SELECT ack FROM acts WHERE digest = ?")
        .bind(act.to_string())
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    match held {
        // The peer's acknowledgement is a pure function of its commit: another one is another story.
        Some(Some(held)) if held == ack => Ok(None),
        Some(_) => Err(conflict("acknowledgement of act", &act)),
        None => Err(missing("act", &act)),
    }
}

async fn absent_act(conn: &mut SqliteConnection, act: &Digest) -> StoreError {
    let found: Result<Option<i64>, _> =
        query_scalar("SELECT 1 FROM acts WHERE digest = ?").bind(act.to_string()).fetch_optional(conn).await;
    match found {
        Ok(Some(_)) => conflict("act", act),
        Ok(None) => missing("act", act),
        Err(error) => failed(error),
    }
}

async fn exchange(conn: &mut SqliteConnection, row: &ExchangeRow) -> Done {
    let done = if row.revision == 0 {
        query(
            "INSERT INTO exchanges (id, kind, role, peer, our_pid, peer_pid, initiator, state, machine, revision, \
             wrapped_key, data, deadline, waits_for, created, updated) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.id.to_string())
        .bind(row.kind.as_str())
        .bind(row.role.as_str())
        .bind(&row.peer)
        .bind(&row.our_pid)
        .bind(row.peer_pid.as_deref())
        .bind(row.initiator.as_str())
        .bind(&row.state)
        .bind(&row.machine)
        .bind(row.wrapped_key.as_ref().map(WrappedKey::to_bytes))
        .bind(&row.data)
        .bind(opt_int(row.deadline)?)
        .bind(row.waits_for.as_deref())
        .bind(int(row.created)?)
        .bind(int(row.updated)?)
    } else {
        // Kind, role, peer, our pid, initiator and the time of birth of an exchange never change.
        query(
            "UPDATE exchanges SET peer_pid = ?, state = ?, machine = ?, revision = revision + 1, wrapped_key = ?, \
             data = ?, deadline = ?, waits_for = ?, updated = ? WHERE id = ? AND revision = ?",
        )
        .bind(row.peer_pid.as_deref())
        .bind(&row.state)
        .bind(&row.machine)
        .bind(row.wrapped_key.as_ref().map(WrappedKey::to_bytes))
        .bind(&row.data)
        .bind(opt_int(row.deadline)?)
        .bind(row.waits_for.as_deref())
        .bind(int(row.updated)?)
        .bind(row.id.to_string())
        .bind(int(row.revision)?)
    };
    let done = done.execute(conn).await.map_err(taken("exchange", &row.id))?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(conflict("exchange", &row.id)) }
}

async fn act(conn: &mut SqliteConnection, new: &NewAct, indices: &[u64]) -> Done {
    let row = &new.act;
    let entry = match new.entry {
        None => None,
        Some(at) => {
            Some(*indices.get(at).ok_or_else(|| StoreError::BadBatch(format!("there is no entry {at}")))?)
        }
    };
    query(
        "INSERT INTO acts (digest, exchange, direction, msg, iss, aud, kind, method, path, body, prev, token, ks, \
         entry, status, answer, ack, ack_digest, ack_logged, named, dropped, created) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0, ?, ?, ?)",
    )
    .bind(row.digest.to_string())
    .bind(row.exchange.to_string())
    .bind(row.direction.as_str())
    .bind(row.msg.to_string())
    .bind(&row.iss)
    .bind(&row.aud)
    .bind(&row.kind)
    .bind(&row.method)
    .bind(&row.path)
    .bind(row.body.as_slice())
    .bind(row.prev.map(|digest| digest.to_string()))
    .bind(row.token.as_deref())
    .bind(int(row.ks)?)
    .bind(opt_int(entry)?)
    .bind(row.status.map(i64::from))
    .bind(row.answer.as_deref())
    .bind(row.named)
    .bind(row.dropped)
    .bind(int(row.created)?)
    .execute(conn)
    .await
    .map_err(taken("act", &row.digest))?;
    Ok(())
}

async fn outbox(conn: &mut SqliteConnection, row: &OutboxRow) -> Done {
    query(
        "INSERT INTO outbox (act, exchange, peer, method, path, headers, next_at_ms, attempts, first_at_ms, state, \
         last_error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.act.to_string())
    .bind(row.exchange.to_string())
    .bind(&row.peer)
    .bind(&row.method)
    .bind(&row.path)
    .bind(&row.headers)
    .bind(int(row.next_at_ms)?)
    .bind(i64::from(row.attempts))
    .bind(int(row.first_at_ms)?)
    .bind(row.state.as_str())
    .bind(row.last_error.as_deref())
    .execute(conn)
    .await
    .map_err(taken("outbox row of act", &row.act))?;
    Ok(())
}

async fn reschedule(conn: &mut SqliteConnection, change: &Reschedule) -> Done {
    // An act that was answered while its next attempt was being planned has no row any more: nothing is to be done.
    query("UPDATE outbox SET next_at_ms = ?, attempts = ?, state = ?, last_error = ? WHERE act = ?")
        .bind(int(change.next_at_ms)?)
        .bind(i64::from(change.attempts))
        .bind(change.state.as_str())
        .bind(change.last_error.as_deref())
        .bind(change.act.to_string())
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn peer(conn: &mut SqliteConnection, row: &PeerRow) -> Done {
    query(
        "INSERT INTO peers (did, alias, country, name, statement, status, addresses, ks_min, speaks, pinned_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (did) DO UPDATE SET alias = excluded.alias, \
         country = excluded.country, name = excluded.name, statement = excluded.statement, \
         status = excluded.status, addresses = excluded.addresses, ks_min = excluded.ks_min, \
         speaks = excluded.speaks, pinned_at = excluded.pinned_at",
    )
    .bind(&row.did)
    .bind(&row.alias)
    .bind(&row.country)
    .bind(&row.name)
    .bind(&row.statement)
    .bind(row.status.as_str())
    .bind(&row.addresses)
    .bind(int(row.ks_min)?)
    .bind(row.speaks.as_str())
    .bind(int(row.pinned_at)?)
    .execute(conn)
    .await
    .map_err(taken("peer alias", &row.alias))?;
    Ok(())
}

async fn key_set(conn: &mut SqliteConnection, row: &KeySetRow) -> Done {
    let done = query(
        "INSERT INTO key_sets (did, number, jws, digest) VALUES (?, ?, ?, ?) \
         ON CONFLICT (did, number) DO UPDATE SET jws = jws WHERE digest = excluded.digest",
    )
    .bind(&row.did)
    .bind(int(row.number)?)
    .bind(&row.jws)
    .bind(row.digest.to_string())
    .execute(conn)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(conflict("key set", &format!("{} {}", row.did, row.number)))
    }
}

async fn ticket(conn: &mut SqliteConnection, change: &TicketChange) -> Done {
    let (done, hash) = match change {
        TicketChange::Issue(row) => {
            let done = query(
                "INSERT INTO tickets (secret_hash, expires, auto_accept, redeemed_by, state, created) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(row.secret_hash.to_string())
            .bind(int(row.expires)?)
            .bind(row.auto_accept)
            .bind(row.redeemed_by.as_deref())
            .bind(row.state.as_str())
            .bind(int(row.created)?)
            .execute(conn)
            .await;
            (done, &row.secret_hash)
        }
        TicketChange::Redeem { secret_hash, by } => {
            let done = query(
                "UPDATE tickets SET state = 'redeemed', redeemed_by = ?1 WHERE secret_hash = ?2 \
                 AND (state = 'open' OR (state = 'redeemed' AND redeemed_by = ?1))",
            )
            .bind(by)
            .bind(secret_hash.to_string())
            .execute(conn)
            .await;
            (done, secret_hash)
        }
        TicketChange::Revoke { secret_hash } => {
            let done =
                query("UPDATE tickets SET state = 'revoked' WHERE secret_hash = ? AND state <> 'redeemed'")
                    .bind(secret_hash.to_string())
                    .execute(conn)
                    .await;
            (done, secret_hash)
        }
    };
    let done = done.map_err(taken("ticket", hash))?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(conflict("ticket", hash)) }
}

async fn dataset(conn: &mut SqliteConnection, write: &DatasetWrite) -> Done {
    let row = &write.row;
    // A version is immutable: only whether and how it is offered may change.
    let done = query(
        "INSERT INTO datasets (id, version, listing, digest, root_path, summary, content_root, policy, facts, \
         private_facts, approval, withdrawn, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id, version) DO UPDATE SET root_path = excluded.root_path, \
         private_facts = excluded.private_facts, approval = excluded.approval, withdrawn = excluded.withdrawn \
         WHERE digest = excluded.digest",
    )
    .bind(&row.id)
    .bind(int(row.version)?)
    .bind(&row.listing)
    .bind(row.digest.to_string())
    .bind(&row.root_path)
    .bind(&row.summary)
    .bind(row.content_root.to_string())
    .bind(&row.policy)
    .bind(&row.facts)
    .bind(&row.private_facts)
    .bind(row.approval.as_str())
    .bind(row.withdrawn)
    .bind(int(row.created)?)
    .execute(&mut *conn)
    .await
    .map_err(taken("dataset", &row.id))?;
    if done.rows_affected() != 1 {
        return Err(conflict("dataset", &format!("{} {}", row.id, row.version)));
    }
    let Some(files) = &write.files else { return Ok(()) };
    query("INSERT OR REPLACE INTO file_lists (id, version, bytes) VALUES (?, ?, ?)")
        .bind(&row.id)
        .bind(int(row.version)?)
        .bind(files.bytes.as_slice())
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    for (file, hashes) in (0i64..).zip(&files.chunks) {
        query("INSERT OR REPLACE INTO chunk_hashes (id, version, file, hashes) VALUES (?, ?, ?, ?)")
            .bind(&row.id)
            .bind(int(row.version)?)
            .bind(file)
            .bind(hashes.as_slice())
            .execute(&mut *conn)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn evaluation(conn: &mut SqliteConnection, row: &EvaluationRow) -> Done {
    // What is kept once more, with a batch that repeats it, stays where it was.
    query(
        "INSERT INTO evaluations (digest, exchange, record, shared, private, phase, side, created, seq) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
           (SELECT COALESCE(MAX(seq), 0) + 1 FROM evaluations WHERE exchange = ?2)) \
         ON CONFLICT DO NOTHING",
    )
    .bind(row.digest.to_string())
    .bind(row.exchange.map(|id| id.to_string()).unwrap_or_default())
    .bind(row.record.as_slice())
    .bind(&row.shared)
    .bind(&row.private)
    .bind(&row.phase)
    .bind(row.side.as_str())
    .bind(int(row.created)?)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn agreement(conn: &mut SqliteConnection, row: &AgreementRow) -> Done {
    query(
        "INSERT INTO agreements (digest, exchange, jws, state, finalized_at) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (digest) DO UPDATE SET jws = excluded.jws, state = excluded.state, \
         finalized_at = excluded.finalized_at",
    )
    .bind(row.digest.to_string())
    .bind(row.exchange.to_string())
    .bind(&row.jws)
    .bind(row.state.as_str())
    .bind(opt_int(row.finalized_at)?)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn transfer(conn: &mut SqliteConnection, row: &TransferRow) -> Done {
    query(
        "INSERT INTO transfers (exchange, progress, window_ack, receipt) VALUES (?, ?, ?, ?) \
         ON CONFLICT (exchange) DO UPDATE SET progress = excluded.progress, \
         window_ack = excluded.window_ack, receipt = excluded.receipt",
    )
    .bind(row.exchange.to_string())
    .bind(&row.progress)
    .bind(row.window_ack.as_deref())
    .bind(row.receipt.as_deref())
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

/// The larger of two checkpoints of one log stays.
macro_rules! larger_stays {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (did, origin, size, root, note, seen) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (did, origin) DO UPDATE SET size = excluded.size, root = excluded.root, \
             note = excluded.note, seen = excluded.seen WHERE excluded.size > size"
        )
    };
}
const PEER_LOG: &str = larger_stays!("peer_logs");
const PEER_CLAIM: &str = larger_stays!("peer_claims");

async fn peer_log(conn: &mut SqliteConnection, sql: &'static str, row: &PeerLogRow) -> Done {
    query(sql)
        .bind(&row.did)
        .bind(&row.origin)
        .bind(int(row.size)?)
        .bind(row.root.0.as_slice())
        .bind(&row.note)
        .bind(int(row.seen)?)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn peer_act(conn: &mut SqliteConnection, row: &PeerActRow) -> Done {
    let done = query(
        "INSERT INTO peer_acts (exchange, act, peer, origin, idx, verified) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (exchange, act) DO UPDATE SET verified = max(verified, excluded.verified) \
         WHERE idx = excluded.idx AND origin = excluded.origin AND peer = excluded.peer",
    )
    .bind(row.exchange.to_string())
    .bind(row.act.to_string())
    .bind(&row.peer)
    .bind(&row.origin)
    .bind(int(row.index)?)
    .bind(row.verified)
    .execute(conn)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(conflict("place of act", &row.act)) }
}
