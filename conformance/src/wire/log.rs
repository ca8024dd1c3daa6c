//! The node's log as a counterparty sees it (spec chapter 08): checkpoints, its entry of our act with proof, and that
//! later checkpoints extend earlier ones, computed from hash tiles.

use super::{
    deal::Deal,
    desk::DXP,
    session::{Check, Receipt, Session, Stop},
};
use crate::{
    acts::own_origin,
    encoding::{digest_text, from_b64, from_b64url},
    json::Json,
    ledger::open_entry,
    merkle::{Hash, TilePath, leaf_hash, root, verify_inclusion},
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

/// The node's entry of our act, proven under the checkpoint of its acknowledgement.
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
        ("exchange", crate::encoding::b64url(&deal.request.act.exchange).into()),
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
    Ok(())
}

/// Two acknowledged checkpoints are of one history: both roots follow from the same leaf hashes.
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

/// Bundles of entries are for auditors: a counterparty gets none.
pub(super) async fn bundles(session: &Session) -> Check {
    let call = session.signed("GET", DXP, "/log/tile/entries/000.p/1", b"");
    super::session::refused_unsigned(&session.link.call(&call).await?, &[403, 404], "")
}
