//! The node's log as a counterparty sees it (spec chapter 08): checkpoints, its entry of our act with proof, and that
//! later checkpoints extend earlier ones, computed from hash tiles.

use super::{
    deal::Deal,
    desk::DXP,
    session::{Check, Receipt, Session, Stop, refused_unsigned},
};
use crate::{
    acts::own_origin,
    encoding::{b64url, digest_text, from_b64, from_b64url},
    json::Json,
    jws::Parts,
    ledger::open_entry,
    merkle::{Hash, TilePath, leaf_hash, root, verify_consistency, verify_inclusion},
    note::Checkpoint,
};

/// Tiles of leaf hashes that the suite is willing to read: logs of up to about a million entries.
const TILES: u64 = 4_096;

/// The newest checkpoint, opened with the log key of the ticket's key set.
pub(super) async fn checkpoint(session: &Session) -> Check<Checkpoint> {
    let body = session.get(DXP, "/log/checkpoint").await?;
    let note = String::from_utf8(body).map_err(|_| "the checkpoint is not UTF-8")?;
    let opened = Checkpoint::open(&note, &session.ticket.keys.log);
    let checkpoint = opened.ok_or_else(|| Stop::Fail(format!("expected a checkpoint, got {note:?}")))?;
    if own_origin(&checkpoint.origin, &session.ticket.did) {
        Ok(checkpoint)
    } else {
        Err(Stop::Fail(format!("origin {}", checkpoint.origin)))
    }
}

/// The newest checkpoint covers what was acknowledged before.
pub(super) async fn newest(session: &Session, receipt: &Receipt) -> Check {
    let held = opened(session, receipt)?;
    let newest = checkpoint(session).await?;
    if newest.size >= held.size {
        Ok(())
    } else {
        Err(Stop::Fail(format!("expected at least {}, got {}", held.size, newest.size)))
    }
}

fn opened(session: &Session, receipt: &Receipt) -> Check<Checkpoint> {
    let opened = Checkpoint::open(&receipt.ack.note, &session.ticket.keys.log);
    opened.ok_or_else(|| "the acknowledgement's checkpoint does not open".into())
}

/// The node's entry of our act, proven under the checkpoint of its acknowledgement (API-3.2).
pub(super) async fn entry(session: &Session, deal: &Deal) -> Check {
    let (ack, checkpoint) = (&deal.receipt.ack, opened(session, &deal.receipt)?);
    let path = format!("/log/entry/{}?size={}", ack.index, checkpoint.size);
    let body = session.get(DXP, &path).await?;
    let shown = Json::parse(&body).map_err(|error| format!("entry: {error}"))?;
    let bytes = shown.text("entry").and_then(from_b64url).ok_or("entry is not base64url")?;
    let hash = |item: &Json| item.as_text().and_then(from_b64)?.try_into().ok();
    let proof: Option<Vec<Hash>> = shown.list("proof").iter().map(hash).collect();
    let proof = proof.ok_or("proof holds something that is no hash")?;
    if !verify_inclusion(&leaf_hash(&bytes), ack.index, checkpoint.size, &proof, &checkpoint.root) {
        return Err("the inclusion proof does not lead to the acknowledged root".into());
    }
    let entry = open_entry(&bytes)?;
    let due = [
        ("act", Json::from(deal.request.act.digest())),
        ("exchange", b64url(&deal.request.act.exchange).into()),
        ("side", "received".into()),
        ("type", "negotiation.request".into()),
        ("status", i64::from(deal.receipt.answer.status).into()),
        ("answer", digest_text(&deal.receipt.answer.body).into()),
    ];
    for (name, value) in due {
        if entry.get(name) != Some(&value) {
            return Err(Stop::Fail(format!("{name}: expected {value:?}, got {:?}", entry.get(name))));
        }
    }
    let note = shown.text("checkpoint").unwrap_or_default();
    if Checkpoint::open(note, &session.ticket.keys.log) != Some(checkpoint) {
        return Err("the answer's checkpoint is not that of the size asked for".into());
    }
    Ok(())
}

/// Entries of nobody's exchange, beyond the size, and at sizes at which nothing was signed, are not there (API-3.2).
pub(super) async fn no_entry(session: &Session, deal: &Deal) -> Check {
    let (index, size) = (deal.receipt.ack.index, opened(session, &deal.receipt)?.size);
    for (index, size) in [(0, size), (size, size), (index, size + 1_000_000), (index, index)] {
        let call = session.signed("GET", DXP, &format!("/log/entry/{index}?size={size}"), b"");
        refused_unsigned(&session.call(&call).await?, &[404], "")?;
    }
    Ok(())
}

/// The node's own proof that its log only grew, between what it acknowledged and its newest checkpoint (API-3.1, API-3.3).
pub(super) async fn grew(session: &Session, receipt: &Receipt) -> Check {
    let (older, newer) = (opened(session, receipt)?, checkpoint(session).await?);
    for (from, to) in [(&older, &newer), (&newer, &newer)] {
        let body = session.get(DXP, &format!("/log/consistency/{}?size={}", from.size, to.size)).await?;
        let shown = Json::parse(&body).map_err(|error| format!("consistency: {error}"))?;
        let Json::List(hashes) = &shown else { return Err("the proof is no array".into()) };
        let hash = |item: &Json| item.as_text().and_then(from_b64)?.try_into().ok();
        let proof: Option<Vec<Hash>> = hashes.iter().map(hash).collect();
        let proof = proof.ok_or("the proof holds something that is no hash")?;
        if !verify_consistency(from.size, to.size, &from.root, &to.root, &proof) {
            return Err(Stop::Fail(format!("the proof does not lead from {} to {}", from.size, to.size)));
        }
    }
    for (from, to) in [(newer.size + 1, newer.size), (0, newer.size), (1, newer.size + 1_000_000)] {
        let call = session.signed("GET", DXP, &format!("/log/consistency/{from}?size={to}"), b"");
        refused_unsigned(&session.call(&call).await?, &[404], "")?;
    }
    Ok(())
}

/// Two acknowledged checkpoints are of one history: both roots follow from the same leaf hashes (API-3.4).
pub(super) async fn consistent(session: &Session, first: &Receipt, second: &Receipt) -> Check {
    let (older, newer) = (opened(session, first)?, opened(session, second)?);
    let (older, newer) = if older.size <= newer.size { (older, newer) } else { (newer, older) };
    if older.origin != newer.origin {
        return Err(Stop::Fail(format!("two logs, {} and {}", older.origin, newer.origin)));
    }
    let leaves = leaves(session, newer.size).await?;
    let at = |size: u64| leaves.get(..size as usize).map(root);
    for checkpoint in [older, newer] {
        if at(checkpoint.size) != Some(checkpoint.root) {
            return Err(Stop::Fail(format!("the tiles do not lead to the root of size {}", checkpoint.size)));
        }
    }
    Ok(())
}

async fn leaves(session: &Session, size: u64) -> Check<Vec<Hash>> {
    if size / 256 > TILES {
        return Err(Stop::Skip(format!("a log of {size} entries is read by tiles no further")));
    }
    let (tiles, _) = TilePath::all(size);
    let mut leaves = Vec::new();
    for tile in tiles.iter().filter(|tile| tile.level == Some(0)) {
        let body = session.get(DXP, &format!("/log/{}", tile.path())).await?;
        if body.len() != tile.width * 32 {
            return Err(Stop::Fail(format!(
                "{}: expected {} bytes, got {}",
                tile.path(),
                tile.width * 32,
                body.len()
            )));
        }
        leaves.extend(body.chunks_exact(32).filter_map(|hash| Hash::try_from(hash).ok()));
    }
    Ok(leaves)
}

/// What the node holds of the suite's log, as the suite would ask after a start: a checkpoint that covers the request, and
/// from the request's index on the suite's acts in order, with the bytes that were sent (API-3.5).
pub(super) async fn yours(session: &Session, deal: &Deal) -> Check {
    let index = deal.request.token.integer("index").ok_or("a token without index")?;
    let read = |from: i64| async move {
        let body = session.get(DXP, &format!("/log/yours?from={from}")).await?;
        Json::parse(&body).map_err(|error| Stop::Fail(format!("yours: {error}")))
    };
    let held = read(index).await?;
    let note = held.text("checkpoint").ok_or("no checkpoint of a log that acts came from")?;
    let me = &session.desk.me;
    let checkpoint = Checkpoint::open(note, &me.log.verifying_key().to_bytes());
    let checkpoint = checkpoint.ok_or("a checkpoint that the suite did not sign")?;
    if checkpoint.origin != me.origin() || checkpoint.size as i64 <= index {
        return Err(Stop::Fail(format!("a checkpoint of {} that does not cover {index}", checkpoint.size)));
    }
    let acts = held.list("acts");
    let indices: Vec<i64> = acts.iter().filter_map(|act| act.integer("index")).collect();
    if indices.len() != acts.len() || acts.len() > 256 || !indices.is_sorted_by(|a, b| a < b) {
        return Err(Stop::Fail(format!("expected at most 256 acts in order, got {indices:?}")));
    }
    let first = acts.first().ok_or("the request is not among the acts")?;
    let token = first.text("token").unwrap_or_default();
    let signed = Parts::parse("dxp-token+jwt", token).is_ok_and(|parts| {
        parts.verify().is_ok() && parts.payload.get("msg") == deal.request.token.get("msg")
    });
    let due = [
        ("act", Json::from(deal.request.act.digest())),
        ("index", index.into()),
        ("path", deal.request.act.path.as_str().into()),
        ("content", b64url(&deal.request.act.body).into()),
    ];
    let wrong = due.iter().find(|(name, value)| first.get(name) != Some(value));
    if let Some((name, value)) = wrong {
        return Err(Stop::Fail(format!("{name}: expected {value:?}, got {:?}", first.get(name))));
    }
    if !signed {
        return Err("the token is not the suite's over this act".into());
    }
    let after = read(index + 1).await?;
    if after.list("acts").iter().any(|act| act.integer("index") <= Some(index)) {
        return Err("expected only acts from the index on".into());
    }
    Ok(())
}

/// Bundles of entries are for auditors: a counterparty gets none (API-3.4).
pub(super) async fn bundles(session: &Session) -> Check {
    let call = session.signed("GET", DXP, "/log/tile/entries/000.p/1", b"");
    refused_unsigned(&session.call(&call).await?, &[403, 404], "")
}
