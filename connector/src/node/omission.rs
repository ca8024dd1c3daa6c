//! The peer's log, as far as it concerns us: what it told us is there, and its history only grew (spec chapter 08).
//!
//! Before STARTED is sent and before the first range is asked for, every act of the peer in negotiation and transfer is
//! verified to stand in its log under its newest checkpoint, which extends the one that we held (protocol.md "Data").

use naru_protocol::{
    act::Ack,
    encoding::{Digest, Id, to_base64url},
    error::Code,
    log::{
        checkpoint::{Origin, SignedCheckpoint},
        disclosure::Disclosure,
        entry::{Entry, EntryType, Side},
        merkle::{Hash, leaf_hash},
        tile::Tile,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json as object;

use super::{Node, NodeError, now, peers::Peer, route::DXP};
use crate::store::{Batch, Direction, MAX_ROWS, PeerActRow, PeerLogRow};

/// An entry of a peer's log with its proof, as answered by `GET /log/entry/:index?size=N` (API-3.2).
#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    v: u8,
    /// Leaf bytes, base64url.
    entry: String,
    /// Inclusion proof, base64.
    proof: Vec<String>,
    /// Consistency proof from the size asked for with `from`, when it was.
    checkpoint: String,
}

fn bad(error: impl std::fmt::Display) -> NodeError {
    NodeError::refused(Code::ProofInvalid, error.to_string())
}

impl Node {
    fn opened_checkpoint(&self, peer: &Peer, note: &str) -> Result<SignedCheckpoint, NodeError> {
        let invalid = |e: &dyn std::fmt::Display| NodeError::refused(Code::CheckpointInvalid, e.to_string());
        let origin = note.lines().next().unwrap_or_default();
        let origin = Origin::parse(origin).map_err(|e| invalid(&e))?;
        if origin.root != *peer.pinned.did().root_key() {
            return Err(NodeError::refused(
                Code::CheckpointInvalid,
                "the checkpoint is of another participant",
            ));
        }
        for key in peer.pinned.ring().log_keys() {
            let key = origin.key(key).map_err(|e| invalid(&e))?;
            if let Ok(opened) = SignedCheckpoint::open_own(note.as_bytes(), &key) {
                return Ok(opened);
            }
        }
        Err(NodeError::refused(Code::CheckpointInvalid, "no log key of the peer signed it"))
    }

    /// What a token says of the peer's log: its checkpoint, opened, and where the act lies.
    pub(super) fn peer_place(
        &self,
        peer: &Peer,
        note: &str,
        index: u64,
        exchange: Id,
        act: Digest,
    ) -> Result<(PeerLogRow, PeerActRow), NodeError> {
        let opened = self.opened_checkpoint(peer, note)?;
        if index >= opened.size() {
            return Err(NodeError::refused(
                Code::CheckpointInvalid,
                "the checkpoint does not cover the entry",
            ));
        }
        let origin = opened.checkpoint().origin.clone();
        let log = PeerLogRow {
            did: peer.did(),
            origin: origin.clone(),
            size: opened.size(),
            root: *opened.root(),
            note: note.to_owned(),
            seen: now(),
        };
        let place = PeerActRow { exchange, act, peer: peer.did(), origin, index, verified: false };
        Ok((log, place))
    }

    /// Notes the checkpoint in an acknowledgement.
    pub(super) fn ack_place(&self, peer: &Peer, ack: &Ack) -> Result<PeerLogRow, NodeError> {
        Ok(self.peer_place(peer, &ack.checkpoint, ack.index, Id([0; 16]), ack.act)?.0)
    }

    /// Verifies that every act of the peer in these exchanges stands in its log, under one checkpoint of it that is
    /// consistent with the largest that we held.
    pub(super) async fn verify_acts(&self, did: &str, exchanges: &[Id]) -> Result<(), NodeError> {
        let peer = self.peer(did).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, did))?;
        let withheld = [Code::ProofInvalid, Code::CheckpointInvalid, Code::LogForked, Code::NotFound];
        let omitted = |e: &NodeError| {
            let code = if withheld.contains(&e.code()) { Code::Omitted } else { e.code() };
            NodeError::refused(code, e.to_string())
        };
        for id in exchanges {
            for place in self.store.peer_acts(*id, MAX_ROWS).await? {
                if place.verified {
                    continue;
                }
                self.verify_act(&peer, &place).await.map_err(|e| omitted(&e))?;
                let verified = PeerActRow { verified: true, ..place };
                self.store.commit(Batch { peer_acts: vec![verified], ..Batch::default() }).await?;
            }
        }
        Ok(())
    }

    async fn verify_act(&self, peer: &Peer, place: &PeerActRow) -> Result<(), NodeError> {
        let held = self.store.peer_log(&place.peer, &place.origin).await?;
        let held =
            held.ok_or_else(|| NodeError::refused(Code::Omitted, "no checkpoint of the peer is held"))?;
        let path = format!("/log/entry/{}?size={}", place.index, held.size);
        let body = self.get(peer, DXP, &path).await?;
        let shown: Shown = serde_json::from_slice(&body).map_err(bad)?;
        let bytes = naru_protocol::encoding::from_base64url(&shown.entry).map_err(bad)?;
        let proof: Option<Vec<Hash>> = shown.proof.iter().map(|h| Hash::parse(h)).collect();
        let proof = proof.ok_or_else(|| bad("not a hash"))?;
        let opened = self.opened_checkpoint(peer, &held.note)?;
        opened.includes(place.index, &leaf_hash(&bytes), &proof).map_err(bad)?;
        let entry = Entry::parse(&bytes).map_err(bad)?;
        if entry.act() != Some(&place.act) || entry.exchange() != Some(&place.exchange) {
            return Err(bad("the entry at that index is of another act"));
        }
        Ok(())
    }

    /// A later checkpoint of the peer must extend the one that we hold; else it has signed two histories.
    pub(super) async fn extend(&self, peer: &Peer, newer: &PeerLogRow) -> Result<(), NodeError> {
        let Some(held) = self.store.peer_log(&newer.did, &newer.origin).await? else { return Ok(()) };
        if held.size == newer.size {
            let same = held.root == newer.root;
            return if same {
                Ok(())
            } else {
                Err(NodeError::refused(Code::LogForked, newer.origin.clone()))
            };
        }
        let (old, new) = if held.size < newer.size { (&held, newer) } else { (newer, &held) };
        if old.size == 0 {
            return Ok(());
        }
        let path = format!("/log/consistency/{}?size={}", old.size, new.size);
        let body = self.get(peer, DXP, &path).await?;
        let shown: Vec<String> = serde_json::from_slice(&body).map_err(bad)?;
        let proof: Option<Vec<Hash>> = shown.iter().map(|h| Hash::parse(h)).collect();
        let proof = proof.ok_or_else(|| bad("not a hash"))?;
        let (older, later) =
            (self.opened_checkpoint(peer, &old.note)?, self.opened_checkpoint(peer, &new.note)?);
        later.extends(&older, &proof).map_err(|e| NodeError::refused(Code::LogForked, e.to_string()))
    }

    /// Whether a peer may read an entry: of an exchange with it, or of a listing that it may see (CAT-2.3).
    async fn may_read(&self, peer: &Peer, index: u64, entry: &Entry) -> Result<bool, NodeError> {
        if let Some(exchange) = entry.exchange() {
            let row = self.store.exchange(*exchange).await?;
            return Ok(row.is_some_and(|row| row.peer == peer.did()));
        }
        if entry.kind() != EntryType::Listing || entry.side() != Side::Own {
            return Ok(false);
        }
        let fields = self.store.disclosures(index).await?;
        let mut fields = fields.iter().filter_map(|field| Disclosure::parse(&field.text).ok());
        let Some(statement) = fields.find(|field| field.name() == "statement") else { return Ok(false) };
        let Some(listing) = statement.value().as_str().and_then(|text| Digest::parse(text).ok()) else {
            return Ok(false);
        };
        let row = self.store.dataset_by_listing(listing).await?.filter(|row| !row.withdrawn);
        Ok(match row {
            Some(row) => self.shown(peer, &row).await?.is_some(),
            None => false,
        })
    }

    /// `GET /log/entry/:index?size=N`: an entry that the caller may read, and its inclusion proof.
    pub(super) async fn entry_for(&self, peer: &Peer, index: u64, size: u64) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::NotFound, "");
        let row = self.store.entry(index).await?.ok_or_else(none)?;
        let entry =
            Entry::parse(&row.leaf).map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))?;
        let checkpoint = self.store.checkpoint(size).await?.ok_or_else(none)?;
        if index >= size || !self.may_read(peer, index, &entry).await? {
            return Err(none());
        }
        let proof = self.store.inclusion(index, size).await?;
        let shown = Shown {
            v: 1,
            entry: to_base64url(&row.leaf),
            proof: proof.into_iter().map(|h| h.to_string()).collect(),
            checkpoint: checkpoint.note,
        };
        Ok(naru_protocol::json::to_canonical(&shown)?)
    }

    /// `GET /log/consistency/:from?size=N`: between two of our checkpoints (API-3.3).
    pub(super) async fn consistency_for(&self, from: u64, size: u64) -> Result<Vec<u8>, NodeError> {
        let head = self.store.head().await?.map_or(0, |h| h.size);
        if from == 0 || from > size || size > head {
            return Err(NodeError::refused(Code::NotFound, ""));
        }
        let proof = self.store.consistency(from, size).await?;
        let shown: Vec<String> = proof.into_iter().map(|h| h.to_string()).collect();
        Ok(naru_protocol::json::to_canonical(&shown)?)
    }

    /// `GET /log/tile/…`: hash tiles only; entry bundles are for auditors (API-3.4).
    pub(super) async fn tile_for(&self, path: &str) -> Result<Vec<u8>, NodeError> {
        use naru_protocol::log::tile::TileKind;
        let none = || NodeError::refused(Code::NotFound, "");
        let tile = Tile::parse(path).map_err(|_| none())?;
        let head = self.store.head().await?.map_or(0, |h| h.size);
        match tile.kind() {
            TileKind::Hashes(_) if tile.exists_in(head, true) => {
                self.store.tile(tile).await?.ok_or_else(none)
            }
            TileKind::Hashes(_) | TileKind::Entries => Err(none()),
        }
    }

    /// (API-3.5) `GET /log/yours?from=N`: the largest checkpoint of the caller that we hold, and its acts from there on.
    pub(super) async fn yours_for(&self, peer: &Peer, from: u64) -> Result<Vec<u8>, NodeError> {
        let logs = self.store.peer_logs(&peer.did(), MAX_ROWS).await?;
        let Some(log) = logs.into_iter().max_by_key(|l| l.size) else {
            return Ok(naru_protocol::json::to_canonical(
                &object!({"v": 1, "checkpoint": null, "acts": []}),
            )?);
        };
        let mut acts = Vec::new();
        for place in self.store.peer_acts_from(&peer.did(), &log.origin, from, MAX_ROWS).await? {
            let Some(act) = self.store.act(place.act).await? else { continue };
            if act.direction == Direction::In {
                acts.push(
                    object!({"act": act.digest, "index": place.index, "token": act.token, "path": act.path,
                    "content": to_base64url(&act.body)}),
                );
            }
            if acts.len() >= 100 {
                break;
            }
        }
        Ok(naru_protocol::json::to_canonical(&object!({"v": 1, "checkpoint": log.note, "acts": acts}))?)
    }
}
