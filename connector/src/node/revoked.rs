//! After keys of ours were revoked (spec chapter 02, ID-10): what is offered is signed anew, and every partner hears of it.
//!
//! `naru keys revoke` writes the set that revokes; the node logs it at its next start (`keys`), and does here what follows from it.
//! A listing is signed under a key that no longer counts: it comes back as the next version, of the same files, with the index of the
//! one before. A partner hears of the set by our asking it something under it (API-1.4), whoever of us dials; until each has answered,
//! over restarts too, a connection with it is wanted (`contact`). And the other side of that: a partner answers as somebody whom we do
//! not know, and shows by its root that it is the same ([`Node::meet`]). Decides about nothing, and ends no exchange.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use naru_protocol::{jws, listing::Listing};

use super::{Node, NodeError, now, peers::Peer, publish::VALID, route::DXP};
use crate::{
    config::ConfigError,
    store::{Batch, DatasetRow, MAX_ROWS, PeerStatus, Speaks},
};

/// How often it is looked who is to hear of it and is in contact.
const INTERVAL: Duration = Duration::from_millis(500);
/// The pause after the first attempt that failed, and the longest.
const AGAIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(300);
/// Partners that are told at once.
const AT_ONCE: usize = 16;

/// Partners that have not yet answered us under the set that revokes, by DID.
#[derive(Debug, Default)]
pub(super) struct Untold(Mutex<BTreeSet<String>>);

impl Untold {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }
}

/// Under which setting it is kept up to which key set of ours a partner has heard of revocations.
fn heard(did: &str) -> String {
    format!("heard-keys:{did}")
}

/// The address without the identity at its end; none where a relay needs it.
fn anybody_at(address: &str) -> Option<&str> {
    let (front, last) = address.rsplit_once("/p2p/")?;
    (!last.contains('/') && !address.contains("/p2p-circuit")).then_some(front)
}

/// Tells those who are in contact until everybody has heard, or the node stops.
pub(super) async fn tell(node: Node) {
    let mut stop = node.stop.subscribe();
    let mut failed: BTreeMap<String, (u32, Instant)> = BTreeMap::new();
    while !node.untold.lock().is_empty() {
        if let Err(error) = node.tell_those_in_reach(&mut failed).await {
            tracing::error!(%error, "what was told of revoked keys could not be kept");
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

impl Node {
    /// At a start: signs what is offered under a revoked key anew, and notes who is still to hear of the revocation.
    pub(super) async fn after_revocation(&self) -> Result<(), NodeError> {
        let Some(last) = self.me.keys.revoked.last() else { return Ok(()) };
        // A set that only repeats revocations is told like any new one: when it is first met.
        let newest = self.me.ring.sets().find(|set| set.revoked.contains(last)).map_or(0, |set| set.number);
        self.sign_listings_anew().await?;
        let mut after: Option<String> = None;
        loop {
            let page = self.store.peers(after.as_deref(), MAX_ROWS).await?;
            for row in &page {
                let counts = row.status == PeerStatus::Accepted && row.speaks == Speaks::Dxp;
                let known = self.store.meta(&heard(&row.did)).await?.and_then(|n| n.parse::<u32>().ok());
                if counts && known.is_none_or(|known| known < newest) {
                    self.untold.lock().insert(row.did.clone());
                }
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.did.clone());
        }
    }

    /// ID-10.6: what is offered is offered under a key that counts. One dataset that cannot be never stops the others.
    async fn sign_listings_anew(&self) -> Result<(), NodeError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.datasets(after.as_deref(), false, MAX_ROWS).await?;
            for row in &page {
                if let Err(error) = self.sign_listing_anew(row).await {
                    tracing::error!(dataset = %row.id, %error, "its listing is signed under a revoked key and could not be signed anew: publish a new version");
                }
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
        }
    }

    async fn sign_listing_anew(&self, row: &DatasetRow) -> Result<(), NodeError> {
        let read = jws::peek::<Listing>(&row.listing)?;
        if self.me.ring.revocation(read.header().ks).is_none() {
            return Ok(());
        }
        let at = now();
        let before = read.claims().clone();
        let listing = Listing { version: row.version + 1, valid_from: at, valid_to: at + VALID, ..before };
        let (old, new) =
            (self.index_folder(&row.id, row.version), self.index_folder(&row.id, listing.version));
        // Left by a start that broke off.
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|source| ConfigError::Io { path: new.clone(), source })?;
        }
        let (from, to) = (old, new.clone());
        let linked = tokio::task::spawn_blocking(move || link_all(&from, &to)).await;
        let linked = linked.map_err(|e| NodeError::Folder(e.to_string()))?;
        linked.map_err(|source| ConfigError::Io { path: new, source })?;
        let signed = self.me.sign(&listing)?;
        let batch = self.publication(&listing, &signed, Path::new(&row.root_path), row.approval)?;
        self.store.commit(batch).await?;
        tracing::info!(dataset = %row.id, version = listing.version, "its key was revoked: the listing is signed anew");
        Ok(())
    }

    /// Asks those who are to hear of it and are in contact for something that they answer under a token only (API-1.4).
    async fn tell_those_in_reach(
        &self,
        failed: &mut BTreeMap<String, (u32, Instant)>,
    ) -> Result<(), NodeError> {
        let mut due = Vec::new();
        for did in self.untold.all() {
            let peer = self.peer(&did).await?.filter(|peer| peer.row.status == PeerStatus::Accepted);
            let Some(peer) = peer else {
                self.untold.lock().remove(&did);
                continue;
            };
            let waits = failed.get(&did).is_some_and(|(_, next)| *next > Instant::now());
            if self.in_reach(&peer) && !waits {
                due.push(peer);
            }
        }
        let asked = due.into_iter().map(|peer| async move {
            let answered = self.get(&peer, DXP, "/keys").await;
            (peer, answered)
        });
        let mut asked = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some((peer, answered)) = asked.next().await {
            let did = peer.did();
            if let Err(error) = answered {
                let times = failed.get(&did).map_or(0, |(times, _)| *times).saturating_add(1);
                let pause = AGAIN.saturating_mul(1 << times.min(8)).min(PAUSE);
                failed.insert(did.clone(), (times, Instant::now() + pause));
                tracing::debug!(peer = %did, %error, "has not heard of the revoked keys yet");
                continue;
            }
            let meta = vec![(heard(&did), self.me.ks().to_string())];
            self.store.commit(Batch { meta, ..Batch::default() }).await?;
            self.untold.lock().remove(&did);
            tracing::info!(peer = %did, "has heard of the revoked keys");
        }
        Ok(())
    }

    /// Another identity than the known one answers at a peer's addresses: whether that is the peer with a newer key set, which it
    /// then shows under the root that is pinned (ID-10.5). What answers there is trusted in nothing else. Boxed, since a request leads
    /// here and this to a request.
    pub(super) fn meet<'a>(&'a self, peer: &'a Peer) -> BoxFuture<'a, bool> {
        async move {
            for address in peer.multiaddrs() {
                let Some(anybody) = anybody_at(&address) else { continue };
                let Ok(found) = self.transport.dial(anybody).await else { continue };
                match self.learn_keys(peer, Some(&found.peer)).await {
                    Ok(true) => return true,
                    Ok(false) => {}
                    Err(error) => tracing::debug!(peer = %peer.did(), %error, "it is not who answers there"),
                }
                let _ = self.transport.close(&found.connection).await;
            }
            false
        }
        .boxed()
    }
}

/// The same files under another name, without their bytes being written again where the file system can.
fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_all(&old, &new)?;
        } else if fs::hard_link(&old, &new).is_err() {
            fs::copy(&old, &new)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_its_identity_is_anybodys_unless_a_relay_needs_it() {
        // ID-10.5
        let id = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5";
        assert_eq!(anybody_at(&format!("/ip4/127.0.0.1/tcp/4711/p2p/{id}")), Some("/ip4/127.0.0.1/tcp/4711"));
        assert_eq!(anybody_at("/ip4/127.0.0.1/tcp/4711"), None);
        assert_eq!(anybody_at(&format!("/ip4/127.0.0.1/tcp/1/p2p/{id}/p2p-circuit/p2p/{id}")), None);
    }

    #[test]
    fn the_index_of_a_version_is_there_under_the_next_too() {
        let dir = std::env::temp_dir().join(format!("naru-relist-{}", std::process::id()));
        fs::create_dir_all(dir.join("a-1/copy/in")).unwrap();
        fs::write(dir.join("a-1/list"), "list").unwrap();
        fs::write(dir.join("a-1/copy/in/file"), "bytes").unwrap();
        link_all(&dir.join("a-1"), &dir.join("a-2")).unwrap();
        fs::remove_dir_all(dir.join("a-1")).unwrap();
        assert_eq!(fs::read(dir.join("a-2/list")).unwrap(), b"list");
        assert_eq!(fs::read(dir.join("a-2/copy/in/file")).unwrap(), b"bytes");
        fs::remove_dir_all(&dir).unwrap();
    }
}
