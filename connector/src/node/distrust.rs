//! Ending all trust in a peer (spec chapter 02, ID-9): what that ends is said before it is done, then nobody of that name is let
//! in any more, and what runs is ended by acts that say why.
//!
//! The peer is blocked first, so that nothing new begins while the old ends: its requests are answered like a stranger's, but
//! that it may read the log until everything has ended, since no node takes an act of a log that it cannot look into. What
//! cannot be ended yet, because a message of ours is unanswered, is ended as soon as that may be said, over restarts too. What
//! was received under an agreement stays where it is, and so do the duties of both sides: no rule of this program takes data
//! back. Lifting it is an act of its own: `naru accept`, `naru trust` with a new ticket, or `naru plain`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    log::entry::{EntryDraft, EntryType, FieldKey},
};
use serde_json::json as object;

use super::{
    Node, NodeError, Pages,
    contact::OPEN,
    now,
    peers::random_id,
    plain,
    steer::reason_fits,
    turn::{Data, data_of},
    verbs::{Affected, Cancel, Distrust, Distrusted, End, ExchangeView},
};
use crate::store::{Batch, ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, PeerRow, PeerStatus, Speaks};

/// What a signed peer is told.
const TOLD: &str = "The peer is told the reason with each negotiation, transfer and agreement that ends, and not that it is \
                    distrusted; its requests are answered like a stranger's. Data that were received stay where they are, \
                    and so do the duties that come with them.";
/// What a plain one is told.
const TOLD_PLAIN: &str = "The partner is told the reason with each negotiation and transfer that ends. DSP has no message that \
                          ends an agreement: what it asks for under one finds nothing. Data that were received stay where \
                          they are, and so do the duties that come with them.";

/// Peers whose exchanges are still to be ended, with the reason.
#[derive(Debug, Default)]
pub(super) struct Leaving(Mutex<BTreeMap<String, String>>);

impl Leaving {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<(String, String)> {
        self.lock().iter().map(|(did, reason)| (did.clone(), reason.clone())).collect()
    }
}

/// Under which setting it is kept why a peer's exchanges are being ended; empty once they are, or once it is trusted again.
fn setting(did: &str) -> String {
    format!("distrust:{did}")
}

/// Whether an exchange may still have something to end.
fn is_live(row: &ExchangeRow) -> bool {
    row.state != "NONE" || row.waits_for.is_some()
}

/// Nothing is begun with a peer that is trusted no more.
pub(super) fn still_trusted(peer: &PeerRow) -> Result<(), NodeError> {
    match peer.status {
        PeerStatus::Blocked => Err(NodeError::refused(Code::PeerBlocked, peer.alias.clone())),
        PeerStatus::Accepted | PeerStatus::Pending => Ok(()),
    }
}

impl Node {
    /// Says what distrust of a peer ends, and ends it unless it was only to be said.
    pub async fn distrust(&self, ask: Distrust) -> Result<Distrusted, NodeError> {
        reason_fits(&ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(NodeError::refused(Code::ArgumentInvalid, "say why: the other side sees the reason"));
        }
        let row = self.any_peer(&ask.peer).await?;
        let mut said = self.affected(&row).await?;
        if ask.only_say {
            return Ok(said);
        }
        self.block(&row, &ask.reason).await?;
        self.let_go_of(&row.did, &ask.reason).await?;
        said.status = PeerStatus::Blocked.to_string();
        Ok(said)
    }

    /// A peer by alias or id, whatever it speaks and however far it is trusted.
    async fn any_peer(&self, name: &str) -> Result<PeerRow, NodeError> {
        let row = match self.store.peer_by_alias(name).await? {
            Some(row) => Some(row),
            None => self.store.peer(name).await?,
        };
        row.ok_or_else(|| NodeError::refused(Code::PeerNotNamed, format!("{name:?}")))
    }

    async fn affected(&self, peer: &PeerRow) -> Result<Distrusted, NodeError> {
        let order = self.standing(&peer.did).await?;
        let mut said = Distrusted {
            peer: peer.alias.clone(),
            did: peer.did.clone(),
            speaks: peer.speaks.to_string(),
            status: peer.status.to_string(),
            negotiations: Vec::new(),
            transfers: Vec::new(),
            agreements: Vec::new(),
            order: order.map(|order| format!("{} into {}", order.purpose, order.out.display())),
            told: match peer.speaks {
                Speaks::Dxp => TOLD,
                Speaks::Plain => TOLD_PLAIN,
            }
            .to_owned(),
        };
        for row in self.with_peer(&peer.did).await?.into_iter().filter(is_live) {
            let view = self.view_of(&row, None, false).await?;
            match (row.kind, view.state.as_str()) {
                (ExchangeKind::Negotiation, "FINALIZED") if view.in_force.is_some() => {
                    said.agreements.push(of(view));
                }
                (ExchangeKind::Negotiation, "FINALIZED") => {}
                (ExchangeKind::Negotiation, _) => said.negotiations.push(of(view)),
                (ExchangeKind::Transfer, _) => said.transfers.push(of(view)),
            }
        }
        Ok(said)
    }

    /// Exchanges with a peer that may not be over.
    async fn with_peer(&self, did: &str) -> Result<Vec<ExchangeRow>, NodeError> {
        let states = OPEN.iter().chain(&["NONE", "FINALIZED"]).map(|&state| state.to_owned()).collect();
        let query =
            ExchangeQuery { peer: Some(did.to_owned()), states, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let (mut rows, mut pages) = (Vec::new(), Pages::of(query));
        while let Some(page) = pages.next(self).await? {
            rows.extend(page);
        }
        Ok(rows)
    }

    /// Lets the peer in no more, and logs that with the reason, in one commit with the end of its standing order.
    async fn block(&self, row: &PeerRow, reason: &str) -> Result<(), NodeError> {
        let _one = self.pinning.lock().await;
        self.may_sign()?;
        let mut entry = EntryDraft::own(EntryType::Peer, random_id()?, now());
        let key = || FieldKey::Node(self.node_key());
        entry.field("peer", object!(row.did), key());
        match row.speaks {
            Speaks::Dxp => entry.field("participant", object!(Digest::of(row.statement.as_bytes())), key()),
            Speaks::Plain => entry.field("unsigned", object!(true), key()),
        }
        entry.field("status", object!(PeerStatus::Blocked.as_str()), key());
        entry.field("reason", object!(reason), key());
        let blocked = PeerRow { status: PeerStatus::Blocked, ..row.clone() };
        let batch = Batch {
            entries: vec![entry],
            peers: vec![blocked.clone()],
            meta: vec![(setting(&row.did), reason.to_owned()), Self::used_up(&row.did)],
            ..Batch::default()
        };
        self.store.commit(batch).await?;
        self.leaving.lock().insert(row.did.clone(), reason.to_owned());
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.did);
        self.plain_changed(blocked);
        self.introduce().await
    }

    /// Whether a peer that is trusted no more is still to hear how things end.
    pub(super) fn is_leaving(&self, did: &str) -> bool {
        self.leaving.lock().contains_key(did)
    }

    /// What is kept when somebody is trusted again: nothing of theirs is ended any more for what was.
    pub(super) fn trusted_again(&self, did: &str) -> (String, String) {
        self.leaving.lock().remove(did);
        (setting(did), String::new())
    }

    /// Reads, at a start, whose exchanges are still to be ended.
    pub(super) async fn resume_leaving(&self) -> Result<(), NodeError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.peers(after.as_deref(), MAX_ROWS).await?;
            for row in page.iter().filter(|row| row.status == PeerStatus::Blocked) {
                let reason = self.store.meta(&setting(&row.did)).await?.filter(|reason| !reason.is_empty());
                self.leaving.lock().extend(reason.map(|reason| (row.did.clone(), reason)));
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.did.clone());
        }
    }

    /// Ends what could not be ended before.
    pub(super) async fn let_go_of_all(&self) -> Result<(), NodeError> {
        for (did, reason) in self.leaving.all() {
            self.let_go_of(&did, &reason).await?;
        }
        Ok(())
    }

    /// Ends every exchange with a peer as far as that may be said now.
    async fn let_go_of(&self, did: &str, reason: &str) -> Result<(), NodeError> {
        let mut left = false;
        for row in self.with_peer(did).await?.into_iter().filter(is_live) {
            left |= match self.let_go(&row, reason).await {
                Ok(over) => !over,
                Err(error) => {
                    tracing::debug!(exchange = %row.id, %error, "with a distrusted peer; not ended yet");
                    true
                }
            };
        }
        if left || !self.is_leaving(did) {
            return Ok(());
        }
        let batch = Batch { meta: vec![(setting(did), String::new())], ..Batch::default() };
        self.store.commit(batch).await?;
        self.leaving.lock().remove(did);
        if let Some(id) = self.peer(did).await?.and_then(|peer| peer.peer_id()) {
            self.transport.disconnect(&id).await?;
        }
        Ok(())
    }

    /// Ends one exchange; whether nothing is left to do about it.
    async fn let_go(&self, row: &ExchangeRow, reason: &str) -> Result<bool, NodeError> {
        if plain::is_plain(&row.peer) {
            return self.let_go_plain(row, reason).await;
        }
        if row.state == "FINALIZED" {
            return self.let_go_agreement(row, reason).await;
        }
        let wished = match data_of(row)? {
            Data::Deal(deal) => deal.cancel.is_some(),
            Data::Haul(haul) => haul.cancel.is_some(),
        };
        if !wished {
            self.stop_bytes(row)?;
            let ask = Cancel { id: row.id.to_string(), reason: Some(reason.to_owned()) };
            self.cancel(ask).await?;
        }
        // Over once the peer has answered.
        Ok(false)
    }

    async fn let_go_agreement(&self, row: &ExchangeRow, reason: &str) -> Result<bool, NodeError> {
        {
            let mut turn = self.turn(row.id).await?;
            if turn.machine.is_ended() {
                return Ok(true);
            }
            if turn.machine.pending().is_some() {
                return Ok(false);
            }
            if let Some(agreement) = turn.deal()?.in_force {
                // No further byte leaves, whatever the peer holds to ask for one.
                self.forget_agreement(&agreement);
            }
        }
        self.end(End { id: row.id.to_string(), reason: reason.to_owned() }).await?;
        Ok(false)
    }

    /// No further byte of ours leaves, whether or not the peer hears why.
    fn stop_bytes(&self, row: &ExchangeRow) -> Result<(), NodeError> {
        if let Data::Haul(haul) = data_of(row)? {
            self.forget_agreement(&haul.agreement);
        }
        Ok(())
    }
}

fn of(view: ExchangeView) -> Affected {
    Affected { id: view.id, role: view.role, state: view.state, dataset: view.dataset }
}
