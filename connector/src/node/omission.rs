//! The peer's log, as far as it concerns us: what it told us is there, and its history only grew (spec chapter 08).
//!
//! What a peer shows in tokens and acknowledgements is a *claim* until its consistency with the checkpoint held is proven:
//! in the background where only words were exchanged, and before STARTED is sent or the first range is asked for, together
//! with the inclusion of every act of the peer in negotiation and transfer (TRF-5.1, TRF-5.2).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
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

use super::{Node, NodeError, me, now, peers::Peer, route::DXP, transfer::passes};
use crate::store::{Batch, MAX_ROWS, PeerActRow, PeerLogRow};

/// Entries of a peer that are asked for at once.
const AT_ONCE: usize = 8;
/// After a peer did not prove that its log only grew, how long until it is asked again unless data are to move.
const AGAIN: Duration = Duration::from_secs(60);
/// The same after it was not heard at all.
const SOON: Duration = Duration::from_secs(5);

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

/// What it means that no proof came (TRF-5.3): whatever the peer answered instead, it is not proven. A link that broke and
/// a peer that is busy are no answer yet, and what fails on our side says nothing about the peer.
fn unproven(error: NodeError) -> NodeError {
    match doubt(&error) {
        Doubt::Unproven | Doubt::Refused => NodeError::refused(Code::Omitted, error.to_string()),
        Doubt::Unanswered | Doubt::Ours => error,
    }
}

/// What it says of a peer that its log could not be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It answered, and that proves nothing.
    Unproven,
    /// It answered that it does not show it.
    Refused,
    /// Nothing yet: a link that broke, a peer that is busy, clocks that differ.
    Unanswered,
    /// Nothing: it failed on our side.
    Ours,
}

fn doubt(error: &NodeError) -> Doubt {
    match error {
        NodeError::Transport(link) if !matches!(link.code(), Code::AnswerMalformed | Code::TooLarge) => {
            Doubt::Unanswered
        }
        NodeError::Refused(code, _) if passes(*code) => Doubt::Unanswered,
        NodeError::Refused(code, _)
            if !matches!(
                code,
                Code::ProofInvalid
                    | Code::CheckpointInvalid
                    | Code::LogForked
                    | Code::Omitted
                    | Code::NotFound
                    | Code::AnswerMalformed
            ) =>
        {
            Doubt::Refused
        }
        NodeError::Transport(_)
        | NodeError::Refused(..)
        | NodeError::Json(_)
        | NodeError::Jws(_)
        | NodeError::Identity(_) => Doubt::Unproven,
        NodeError::Folder(_)
        | NodeError::Config(_)
        | NodeError::Store(_)
        | NodeError::Ticket(_)
        | NodeError::Bundle(_)
        | NodeError::Engine(_)
        | NodeError::Judged { .. } => Doubt::Ours,
    }
}

/// The number of a log among those of its participant.
fn shard(origin: &str) -> u32 {
    Origin::parse(origin).map_or(0, |origin| origin.shard)
}

fn newest_shard(known: &[PeerLogRow]) -> u32 {
    known.iter().map(|log| shard(&log.origin)).max().unwrap_or_default()
}

/// Whether a peer that is there did not answer, or not while clocks differ: heard often enough, that is an answer too.
pub(super) fn is_silence(error: &NodeError) -> bool {
    matches!(
        error.code(),
        Code::TimedOut | Code::Busy | Code::TokenExpired | Code::TokenNotYet | Code::KeyNotYet
    )
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

    /// The checkpoint in an acknowledgement.
    pub(super) fn ack_claim(&self, peer: &Peer, ack: &Ack) -> Result<PeerLogRow, NodeError> {
        Ok(self.peer_place(peer, &ack.checkpoint, ack.index, Id([0; 16]), ack.act)?.0)
    }

    /// Takes up what a token or an acknowledgement showed. The first checkpoint that is seen of a log is held at once, since it
    /// extends the empty log; every later one must extend that.
    pub(super) async fn claimed(&self, claim: PeerLogRow, batch: &mut Batch) -> Result<(), NodeError> {
        if self.not_forked(&claim).await?.is_none() {
            batch.peer_logs.push(claim.clone());
        }
        batch.peer_claims.push(claim);
        Ok(())
    }

    /// What a peer shows in a token or an acknowledgement must not contradict what it showed before: two roots of one size
    /// are two histories. Whether a larger one extends it is asked apart ([`Self::verify_claims`]). Gives the
    /// checkpoint that is held.
    async fn not_forked(&self, claim: &PeerLogRow) -> Result<Option<PeerLogRow>, NodeError> {
        let held = self.store.peer_log(&claim.did, &claim.origin).await?;
        let mut known = self.store.peer_claims(&claim.did, MAX_ROWS).await?;
        known.extend(held.clone());
        let differs = |known: &PeerLogRow| {
            known.origin == claim.origin && known.size == claim.size && known.root != claim.root
        };
        if let Some(other) = known.iter().find(|known| differs(known)) {
            let peer = self.peer(&claim.did).await?;
            let peer = peer.ok_or_else(|| NodeError::refused(Code::NotPaired, claim.did.clone()))?;
            let (one, other) =
                (self.opened_checkpoint(&peer, &other.note)?, self.opened_checkpoint(&peer, &claim.note)?);
            self.convict(&claim.did, &one, &other).await?;
        }
        // LOG-5.8: also what comes later, whatever it shows.
        self.not_convicted(&claim.origin).await?;
        Ok(held)
    }

    /// Refuses an act under an earlier shard than one that the peer has shown (LOG-9.4): somebody who has the peer's keys goes on
    /// with a log that the peer has given up.
    pub(super) async fn not_superseded(&self, claim: &PeerLogRow) -> Result<(), NodeError> {
        let known = self.store.peer_claims(&claim.did, MAX_ROWS).await?;
        if shard(&claim.origin) < newest_shard(&known) {
            let why = "a later shard of this log was shown before";
            return Err(NodeError::refused(Code::CheckpointInvalid, why));
        }
        Ok(())
    }

    /// Verifies that every act of the peer in these exchanges stands in its log, under the largest checkpoint of it that
    /// was shown, and that this one extends the last that we verified. Both are asked at once: one round trip.
    pub(super) async fn verify_acts(&self, did: &str, exchanges: &[Id]) -> Result<(), NodeError> {
        let peer = self.peer(did).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, did))?;
        let mut places = Vec::new();
        for id in exchanges {
            places.extend(self.store.peer_acts(*id, MAX_ROWS).await?.into_iter().filter(|p| !p.verified));
        }
        let claims = self.store.peer_claims(did, MAX_ROWS).await?;
        let asked: Vec<_> =
            places.iter().map(|place| self.verify_act(&peer, place, &claims).boxed()).collect();
        let shown = futures::stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
        // LOG-9.4: of a log that was given up nothing more can be asked.
        let newest = newest_shard(&claims);
        let grown = async {
            for claim in claims.iter().filter(|claim| shard(&claim.origin) == newest) {
                self.verify_claim(&peer, claim).await?;
            }
            Ok(())
        };
        futures::future::try_join(shown, grown).await.map_err(unproven)?;
        let verified = places.into_iter().map(|place| PeerActRow { verified: true, ..place }).collect();
        self.store.commit(Batch { peer_acts: verified, ..Batch::default() }).await?;
        Ok(())
    }

    async fn verify_act(
        &self,
        peer: &Peer,
        place: &PeerActRow,
        claims: &[PeerLogRow],
    ) -> Result<(), NodeError> {
        let claim = claims.iter().find(|claim| claim.origin == place.origin);
        let claim =
            claim.ok_or_else(|| NodeError::refused(Code::Omitted, "no checkpoint of the peer is held"))?;
        let path = format!("/log/entry/{}?size={}", place.index, claim.size);
        let body = self.get(peer, DXP, &path).await?;
        let shown: Shown = serde_json::from_slice(&body).map_err(bad)?;
        let bytes = naru_protocol::encoding::from_base64url(&shown.entry).map_err(bad)?;
        let proof: Option<Vec<Hash>> = shown.proof.iter().map(|h| Hash::parse(h)).collect();
        let proof = proof.ok_or_else(|| bad("not a hash"))?;
        let opened = self.opened_checkpoint(peer, &claim.note)?;
        opened.includes(place.index, &leaf_hash(&bytes), &proof).map_err(bad)?;
        let entry = Entry::parse(&bytes).map_err(bad)?;
        if entry.act() != Some(&place.act) || entry.exchange() != Some(&place.exchange) {
            return Err(bad("the entry at that index is of another act"));
        }
        Ok(())
    }

    /// Asks whether a checkpoint that the peer showed extends the one that we verified (LOG-5.6), and if so holds it.
    pub(super) async fn verify_claim(&self, peer: &Peer, claim: &PeerLogRow) -> Result<(), NodeError> {
        let held = self.not_forked(claim).await?;
        if held.as_ref().is_some_and(|held| held.size >= claim.size) {
            return Ok(());
        }
        if let Some(held) = held.filter(|held| held.size > 0) {
            let path = format!("/log/consistency/{}?size={}", held.size, claim.size);
            let body = self.get(peer, DXP, &path).await?;
            let shown: Vec<String> = serde_json::from_slice(&body).map_err(bad)?;
            let proof: Option<Vec<Hash>> = shown.iter().map(|h| Hash::parse(h)).collect();
            let proof = proof.ok_or_else(|| bad("not a hash"))?;
            let older = self.opened_checkpoint(peer, &held.note)?;
            let later = self.opened_checkpoint(peer, &claim.note)?;
            later.extends(&older, &proof).map_err(|e| NodeError::refused(Code::LogForked, e.to_string()))?;
        }
        self.store.commit(Batch { peer_logs: vec![claim.clone()], ..Batch::default() }).await?;
        Ok(())
    }

    /// Verifies what peers have shown since: in the background, so that no deal waits for it.
    pub(super) async fn verify_claims(
        &self,
        doubted: &mut BTreeMap<String, Instant>,
    ) -> Result<(), NodeError> {
        doubted.retain(|_, until| *until > Instant::now());
        for claim in self.store.unverified_claims(MAX_ROWS).await? {
            let Some(peer) = self.peer(&claim.did).await? else { continue };
            if !self.in_reach(&peer) || doubted.contains_key(&claim.did) {
                continue;
            }
            let known = self.store.peer_claims(&claim.did, MAX_ROWS).await?;
            if shard(&claim.origin) < newest_shard(&known) {
                continue;
            }
            let Err(error) = self.verify_claim(&peer, &claim).await else { continue };
            let doubt = doubt(&error);
            let pause = match doubt {
                Doubt::Unproven | Doubt::Refused | Doubt::Ours => AGAIN,
                Doubt::Unanswered => SOON,
            };
            doubted.insert(claim.did.clone(), Instant::now() + pause);
            let (peer, size) = (&claim.did, claim.size);
            match doubt {
                Doubt::Unproven => {
                    tracing::error!(%peer, size, %error, "the peer's log does not prove that it only grew");
                }
                Doubt::Refused => tracing::warn!(%peer, size, %error, "the peer does not show its log"),
                Doubt::Ours => {
                    tracing::error!(%peer, size, %error, "what the peer shows of its log could not be kept")
                }
                Doubt::Unanswered => {
                    tracing::debug!(%peer, size, %error, "the peer was not heard about its log; it is asked again");
                }
            }
        }
        Ok(())
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
            Some(row) => {
                let (buyer, service) =
                    (me::party(peer.pinned.participant()), self.service(self.me.callback()));
                self.shown(&buyer, &row, &service, true).await?.is_some()
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportError;

    #[test]
    fn only_what_a_peer_answered_says_something_of_its_log() {
        // TRF-5.3
        let lost = TransportError::ConnectionLost { peer: "p".to_owned() };
        assert_eq!(doubt(&lost.into()), Doubt::Unanswered);
        for (code, found) in [
            (Code::ProofInvalid, Doubt::Unproven),
            (Code::LogForked, Doubt::Unproven),
            (Code::CheckpointInvalid, Doubt::Unproven),
            (Code::NotFound, Doubt::Unproven),
            (Code::BudgetExceeded, Doubt::Refused),
            (Code::NotPaired, Doubt::Refused),
            (Code::Busy, Doubt::Unanswered),
            (Code::TokenExpired, Doubt::Unanswered),
            (Code::Unreachable, Doubt::Unanswered),
        ] {
            assert_eq!(doubt(&NodeError::refused(code, "")), found, "{code}");
        }
        assert_eq!(doubt(&NodeError::Folder(String::new())), Doubt::Ours);
        assert_eq!(unproven(NodeError::refused(Code::NotFound, "")).code(), Code::Omitted);
        assert_eq!(unproven(NodeError::refused(Code::NotPaired, "")).code(), Code::Omitted);
        assert_eq!(unproven(NodeError::refused(Code::Busy, "")).code(), Code::Busy);
    }
}
