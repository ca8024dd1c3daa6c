//! Staying in contact: where only this side can dial, or where an exchange is open, a lost connection is opened again
//! (spec chapter 06, NEG-12.5: no loss of a connection changes how a deal ends; chapter 10, NET-12), and in quiet moments what
//! peers have shown of their logs is compared (LOG-5.6).
//!
//! Sends nothing: what is unanswered is the outbox's, which is told when a peer is here again. A peer without addresses is
//! waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::{Duration, Instant, SystemTime},
};

use futures::StreamExt as _;

use super::{Node, NodeError, events::Happened, now_ms, peers::Peer};
use crate::store::{Batch, ExchangeQuery, MAX_ROWS, OutboxState, PeerStatus, Reschedule};
use crate::{config, transport::TransportError};

/// How often connections are looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// The longest pause between two attempts with one peer: a link that is back is used soon after.
const PAUSE: Duration = Duration::from_secs(15);
/// Peers that are dialled at once.
const AT_ONCE: usize = 16;
/// This much more on the wall clock than on the other, and the machine has slept.
const SLEPT: Duration = Duration::from_secs(10);
/// States in which an act of the peer may come at any time.
pub(crate) const OPEN: [&str; 7] =
    ["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "STARTED", "SUSPENDED"];

/// Opens connections that are wanted until the node stops; apart, for a peer that does not answer not to hold up others.
pub(super) async fn reach(node: Node) {
    let mut stop = node.stop.subscribe();
    let mut failed: BTreeMap<String, (u32, Instant)> = BTreeMap::new();
    let mut clocks = Clocks::now();
    loop {
        if clocks.slept() {
            tracing::info!("this machine has slept: connections are made anew");
            failed.clear();
            for connection in node.transport.connected() {
                let _ = node.transport.close(&connection.connection).await;
            }
        }
        if let Err(error) = node.reconnect(&mut failed).await {
            tracing::error!(%error, "connections could not be looked after");
        }
        tokio::select! {
            () = tokio::time::sleep(node.not_longer(INTERVAL)) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

/// Two clocks, one of which stands still while the machine sleeps. What was connected before is not any more, and would be found
/// so by its silence only. // NET-12.2
struct Clocks {
    wall: SystemTime,
    awake: Instant,
}

impl Clocks {
    fn now() -> Self {
        Self { wall: SystemTime::now(), awake: Instant::now() }
    }

    /// Whether the machine slept since this was last asked.
    fn slept(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        before.slept_until(self)
    }

    fn slept_until(&self, later: &Self) -> bool {
        let wall = later.wall.duration_since(self.wall).unwrap_or_default();
        wall.saturating_sub(later.awake.saturating_duration_since(self.awake)) > SLEPT
    }
}

/// Tells who came and went, and sends what waited, until the node stops.
pub(super) async fn run(node: Node) {
    let mut stop = node.stop.subscribe();
    let mut here = BTreeSet::new();
    loop {
        if let Err(error) = node.resume_with(&mut here).await {
            tracing::error!(%error, "what waits for peers that are here again could not be resumed");
        }
        tokio::select! {
            () = tokio::time::sleep(node.not_longer(INTERVAL)) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

/// Compares what peers have shown of their logs until the node stops; apart, for a slow peer not to hold up connections.
pub(super) async fn watch(node: Node) {
    let mut stop = node.stop.subscribe();
    let mut doubted: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        if let Err(error) = node.verify_claims(&mut doubted).await {
            tracing::error!(%error, "what peers show of their logs could not be looked at");
        }
        tokio::select! {
            () = tokio::time::sleep(node.not_longer(INTERVAL)) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

impl Node {
    /// Peers that we should be connected with, by DID.
    async fn wanted(&self) -> Result<BTreeSet<String>, NodeError> {
        let states = OPEN.map(str::to_owned).to_vec();
        let query = ExchangeQuery { states, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let mut wanted: BTreeSet<String> =
            self.store.exchanges(query).await?.into_iter().map(|row| row.peer).collect();
        // The first act of an exchange is open before there is a state, the last after: the outbox alone would wait for minutes.
        // ID-10.4: whoever is still to hear that keys of ours were revoked.
        wanted.extend(self.untold.all());
        let unanswered = self.store.outbox(None, MAX_ROWS).await?;
        wanted.extend(unanswered.into_iter().filter(|r| r.state == OutboxState::Waiting).map(|r| r.peer));
        let stays = self.network.get().is_some_and(config::Network::stays_connected);
        if stays || self.transport.listen_addrs().is_empty() {
            let peers = self.store.peers(None, MAX_ROWS).await?;
            let accepted = peers.into_iter().filter(|row| row.status == PeerStatus::Accepted);
            wanted.extend(accepted.map(|row| row.did));
        }
        Ok(wanted)
    }

    /// What is unanswered goes out at once to a peer that is in contact again, whoever dialled and however long it was away
    /// (ACT-6.8), at our HTTPS door too. `here` are the peers that were in contact at the last look.
    async fn resume_with(&self, here: &mut BTreeSet<String>) -> Result<(), NodeError> {
        let mut connected: BTreeSet<String> =
            self.transport.connected().into_iter().map(|c| c.peer).collect();
        connected.extend(self.ways.heard());
        let known: Vec<_> = {
            let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            let back =
                |peer: &Peer| peer.peer_id().is_some_and(|id| connected.contains(&id) && !here.contains(&id));
            peers.iter().filter(|(_, peer)| back(peer)).map(|(did, _)| did.clone()).collect()
        };
        for (gone, change) in [(false, "connected"), (true, "disconnected")] {
            let (these, those) = if gone { (&*here, &connected) } else { (&connected, &*here) };
            self.tell_contacts(these.difference(those), change);
        }
        *here = connected;
        if !known.is_empty() {
            // What fetches or asks for data does not wait out a pause that grew while the peer was away.
            self.nudge.notify_waiters();
        }
        let now = now_ms();
        let mut reschedule = Vec::new();
        for did in known {
            let waiting = self.store.outbox(Some(&did), MAX_ROWS).await?;
            let later = waiting.into_iter().filter(|row| row.next_at_ms > now || row.attempts > 0);
            reschedule.extend(later.map(|row| Reschedule {
                act: row.act,
                next_at_ms: now,
                attempts: 0,
                state: OutboxState::Waiting,
                last_error: row.last_error,
            }));
        }
        if !reschedule.is_empty() {
            self.store.commit(Batch { reschedule, ..Batch::default() }).await?;
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Tells which of the peers that we know have come or gone; strangers are nobody's news.
    fn tell_contacts<'a>(&self, ids: impl Iterator<Item = &'a String>, change: &str) {
        let ids: Vec<&String> = ids.collect();
        if ids.is_empty() {
            return;
        }
        let names: Vec<String> = {
            let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            let among = |peer: &&std::sync::Arc<Peer>| peer.peer_id().is_some_and(|id| ids.contains(&&id));
            peers.values().filter(among).map(|peer| peer.row.alias.clone()).collect()
        };
        for peer in names {
            self.events.tell(Happened::Peer { peer, change: change.to_owned() });
        }
    }

    async fn reconnect(&self, failed: &mut BTreeMap<String, (u32, Instant)>) -> Result<(), NodeError> {
        let mut due = Vec::new();
        for did in self.wanted().await? {
            let Some(peer) = self.peer(&did).await? else { continue };
            let (Some(id), addresses) = (peer.peer_id(), peer.multiaddrs()) else { continue };
            if self.transport.is_connected(&id) {
                failed.remove(&did);
                continue;
            }
            if !addresses.is_empty() && failed.get(&did).is_none_or(|(_, next)| *next <= Instant::now()) {
                due.push((did, id, addresses));
            }
        }
        let dials = due.into_iter().map(|(did, id, addresses)| async move {
            let dialled = self.transport.connect(&id, &addresses).await;
            if let Err(TransportError::PeerMismatch { .. }) = &dialled
                && let Ok(Some(peer)) = self.peer(&did).await
            {
                // ID-10.5: what it says of its keys is taken, and it is dialled by them next.
                self.meet(&peer).await;
            }
            (did, id, dialled)
        });
        let mut dials = futures::stream::iter(dials).buffer_unordered(AT_ONCE);
        while let Some((did, id, dialled)) = dials.next().await {
            match dialled {
                Ok(_) => {
                    failed.remove(&did);
                    self.wake.notify_one();
                }
                Err(error) => {
                    let times = failed.get(&did).map_or(0, |(times, _)| *times).saturating_add(1);
                    let pause = INTERVAL.saturating_mul(1 << times.min(8)).min(PAUSE);
                    failed.insert(did, (times, Instant::now() + self.not_longer(pause)));
                    tracing::debug!(peer = %id, %error, "not reached");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_slept_is_told_from_one_that_was_busy() {
        // NET-12.2
        let before = Clocks::now();
        let later = |wall: u64, awake: u64| Clocks {
            wall: before.wall + Duration::from_secs(wall),
            awake: before.awake + Duration::from_secs(awake),
        };
        assert!(before.slept_until(&later(3600, 1)));
        assert!(!before.slept_until(&later(300, 300)), "a loop that was held up");
        assert!(!before.slept_until(&later(1, 1)));
        let set_back = Clocks { wall: before.wall - Duration::from_secs(900), awake: before.awake };
        assert!(!before.slept_until(&set_back), "a clock that was set back");
    }
}
