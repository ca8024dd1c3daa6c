//! Whole rows from their columns.

use sqlx::sqlite::SqliteRow;

use super::{
    super::{
        StoreError,
        rows::{
            ActRow, AgreementRow, AgreementState, Approval, CheckpointRow, DatasetRow, Direction,
            DisclosureRow, EntryRow, EvaluationRow, EvaluationSide, ExchangeKind, ExchangeRow, KeySetRow,
            OurRole, OutboxRow, OutboxState, PeerActRow, PeerLogRow, PeerRow, PeerStatus, Speaks, StartedBy,
            TicketRow, TicketState, TransferRow,
        },
        wrapping::WrappedKey,
    },
    columns::Columns,
};

pub(super) fn peer(row: &SqliteRow) -> Result<PeerRow, StoreError> {
    let c = Columns(row);
    Ok(PeerRow {
        did: c.text("did")?,
        alias: c.text("alias")?,
        country: c.text("country")?,
        name: c.text("name")?,
        statement: c.text("statement")?,
        status: c.word("status", PeerStatus::parse)?,
        addresses: c.text("addresses")?,
        ks_min: c.number("ks_min")?,
        speaks: c.word("speaks", Speaks::parse)?,
        pinned_at: c.number("pinned_at")?,
    })
}

pub(super) fn key_set(row: &SqliteRow) -> Result<KeySetRow, StoreError> {
    let c = Columns(row);
    Ok(KeySetRow {
        did: c.text("did")?,
        number: c.number("number")?,
        jws: c.text("jws")?,
        digest: c.digest("digest")?,
    })
}

pub(super) fn ticket(row: &SqliteRow) -> Result<TicketRow, StoreError> {
    let c = Columns(row);
    Ok(TicketRow {
        secret_hash: c.digest("secret_hash")?,
        expires: c.number("expires")?,
        auto_accept: c.flag("auto_accept")?,
        redeemed_by: c.opt_text("redeemed_by")?,
        state: c.word("state", TicketState::parse)?,
        created: c.number("created")?,
    })
}

pub(super) fn dataset(row: &SqliteRow) -> Result<DatasetRow, StoreError> {
    let c = Columns(row);
    Ok(DatasetRow {
        id: c.text("id")?,
        version: c.number("version")?,
        listing: c.text("listing")?,
        digest: c.digest("digest")?,
        root_path: c.text("root_path")?,
        summary: c.text("summary")?,
        content_root: c.digest("content_root")?,
        policy: c.text("policy")?,
        facts: c.text("facts")?,
        private_facts: c.text("private_facts")?,
        approval: c.word("approval", Approval::parse)?,
        withdrawn: c.flag("withdrawn")?,
        created: c.number("created")?,
    })
}

pub(super) fn exchange(row: &SqliteRow) -> Result<ExchangeRow, StoreError> {
    let c = Columns(row);
    let wrapped = c.opt_bytes("wrapped_key")?;
    let wrapped_key = wrapped
        .map(|bytes| {
            WrappedKey::from_bytes(&bytes).ok_or_else(|| StoreError::Corrupt("column wrapped_key".to_owned()))
        })
        .transpose()?;
    Ok(ExchangeRow {
        id: c.id("id")?,
        kind: c.word("kind", ExchangeKind::parse)?,
        role: c.word("role", OurRole::parse)?,
        peer: c.text("peer")?,
        our_pid: c.text("our_pid")?,
        peer_pid: c.opt_text("peer_pid")?,
        initiator: c.word("initiator", StartedBy::parse)?,
        state: c.text("state")?,
        machine: c.text("machine")?,
        revision: c.number("revision")?,
        wrapped_key,
        data: c.text("data")?,
        deadline: c.opt_number("deadline")?,
        waits_for: c.opt_text("waits_for")?,
        created: c.number("created")?,
        updated: c.number("updated")?,
    })
}

pub(super) fn act(row: &SqliteRow) -> Result<ActRow, StoreError> {
    let c = Columns(row);
    let status = c.opt_number("status")?.map(u16::try_from).transpose();
    Ok(ActRow {
        digest: c.digest("digest")?,
        exchange: c.id("exchange")?,
        direction: c.word("direction", Direction::parse)?,
        msg: c.id("msg")?,
        iss: c.text("iss")?,
        aud: c.text("aud")?,
        kind: c.text("kind")?,
        method: c.text("method")?,
        path: c.text("path")?,
        body: c.bytes("body")?,
        prev: c.opt_digest("prev")?,
        token: c.opt_text("token")?,
        ks: c.number("ks")?,
        entry: c.opt_number("entry")?,
        covered: c.opt_number("covered")?,
        status: status.map_err(|_| StoreError::Corrupt("column status".to_owned()))?,
        answer: c.opt_bytes("answer")?,
        ack: c.opt_text("ack")?,
        ack_logged: c.flag("ack_logged")?,
        named: c.flag("named")?,
        dropped: c.flag("dropped")?,
        created: c.number("created")?,
    })
}

pub(super) fn outbox(row: &SqliteRow) -> Result<OutboxRow, StoreError> {
    let c = Columns(row);
    Ok(OutboxRow {
        act: c.digest("act")?,
        exchange: c.id("exchange")?,
        peer: c.text("peer")?,
        method: c.text("method")?,
        path: c.text("path")?,
        headers: c.text("headers")?,
        next_at_ms: c.number("next_at_ms")?,
        attempts: c.small("attempts")?,
        first_at_ms: c.number("first_at_ms")?,
        state: c.word("state", OutboxState::parse)?,
        last_error: c.opt_text("last_error")?,
    })
}

pub(super) fn entry(row: &SqliteRow) -> Result<EntryRow, StoreError> {
    let c = Columns(row);
    Ok(EntryRow { index: c.number("idx")?, leaf: c.bytes("leaf")?, hash: c.hash("hash")? })
}

pub(super) fn disclosure(row: &SqliteRow) -> Result<DisclosureRow, StoreError> {
    let c = Columns(row);
    Ok(DisclosureRow {
        index: c.number("idx")?,
        name: c.text("name")?,
        text: c.text("text")?,
        erasable: c.flag("erasable")?,
    })
}

pub(super) fn checkpoint(row: &SqliteRow) -> Result<CheckpointRow, StoreError> {
    let c = Columns(row);
    Ok(CheckpointRow { size: c.number("size")?, root: c.hash("root")?, note: c.text("note")? })
}

pub(super) fn peer_log(row: &SqliteRow) -> Result<PeerLogRow, StoreError> {
    let c = Columns(row);
    Ok(PeerLogRow {
        did: c.text("did")?,
        origin: c.text("origin")?,
        size: c.number("size")?,
        root: c.hash("root")?,
        note: c.text("note")?,
        seen: c.number("seen")?,
    })
}

pub(super) fn peer_act(row: &SqliteRow) -> Result<PeerActRow, StoreError> {
    let c = Columns(row);
    Ok(PeerActRow {
        exchange: c.id("exchange")?,
        act: c.digest("act")?,
        peer: c.text("peer")?,
        origin: c.text("origin")?,
        index: c.number("idx")?,
        verified: c.flag("verified")?,
    })
}

pub(super) fn evaluation(row: &SqliteRow) -> Result<EvaluationRow, StoreError> {
    let c = Columns(row);
    // A primary key has no nulls: an evaluation of no exchange is stored under the empty text.
    let exchange = if c.text("exchange")?.is_empty() { None } else { c.opt_id("exchange")? };
    Ok(EvaluationRow {
        digest: c.digest("digest")?,
        exchange,
        record: c.bytes("record")?,
        shared: c.text("shared")?,
        private: c.text("private")?,
        phase: c.text("phase")?,
        side: c.word("side", EvaluationSide::parse)?,
        created: c.number("created")?,
    })
}

pub(super) fn agreement(row: &SqliteRow) -> Result<AgreementRow, StoreError> {
    let c = Columns(row);
    Ok(AgreementRow {
        digest: c.digest("digest")?,
        exchange: c.id("exchange")?,
        jws: c.text("jws")?,
        state: c.word("state", AgreementState::parse)?,
        finalized_at: c.opt_number("finalized_at")?,
    })
}

pub(super) fn transfer(row: &SqliteRow) -> Result<TransferRow, StoreError> {
    let c = Columns(row);
    Ok(TransferRow {
        exchange: c.id("exchange")?,
        progress: c.text("progress")?,
        window_ack: c.opt_text("window_ack")?,
        receipt: c.opt_text("receipt")?,
    })
}
