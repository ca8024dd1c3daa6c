//! What is known about the live connections: the table that the swarm writes and requests read.
//!
//! Everything here is dropped with the connection it belongs to; [`super::Counters`] shows the sizes so that a test
//! and an operator can see that nothing grows. // NET-5.6

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, Stream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::address::is_relayed;
use super::error::TransportError;
use super::limits::Limits;
use super::pool::Pool;

/// Locks, and goes on with the data where another thread panicked: every change here is one assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Streams accepted and handed to the server.
    pub(super) accepted: Count,
    /// Streams opened by us.
    pub(super) opened: Count,
    /// Streams reset because the peer had its share.
    pub(super) refused_share: Count,
    /// Streams reset because the accept queue was full.
    pub(super) refused_queue: Count,
    /// Streams reset before their protocol was negotiated.
    pub(super) refused_waiting: Count,
    /// Connections refused by a limit.
    pub(super) refused_connections: Count,
    /// Connections that came in and never became one of a peer: another protocol, no handshake, an identity that does not hold.
    pub(super) failed_incoming: Count,
    /// Requests answered 429.
    pub(super) refused_requests: Count,
    /// Requests to be a relay for somebody whom this node does not serve.
    pub(super) refused_relays: Count,
    /// Requests sent on a stream that had been used before.
    pub(super) reused: Count,
}

/// What was negotiated on one connection. Lives in its multiplexer.
#[derive(Debug)]
pub(super) struct Record {
    peer: PeerId,
    dialer: bool,
    address: Multiaddr,
    security: String,
    claimed: AtomicBool,
}

/// Passes what the security upgrade negotiated to the multiplexing upgrade of the same connection, which follows
/// at once; the interface between the two carries a peer id only.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<NotesOf>>);

/// By peer, and whether we dialled.
type NotesOf = BTreeMap<(PeerId, bool), Vec<String>>;

/// More notes than this for one peer are not kept.
const NOTES_PER_PEER: usize = 16;

impl Notes {
    pub(super) fn write(&self, peer: PeerId, dialer: bool, security: String) {
        let mut notes = lock(&self.0);
        let of_peer = notes.entry((peer, dialer)).or_default();
        if of_peer.len() < NOTES_PER_PEER {
            of_peer.push(security);
        }
    }

    fn take(&self, peer: PeerId, dialer: bool) -> String {
        let mut notes = lock(&self.0);
        let mut left = notes.remove(&(peer, dialer)).unwrap_or_default();
        let security = left.pop().unwrap_or_default();
        if !left.is_empty() {
            notes.insert((peer, dialer), left);
        }
        security
    }

    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

/// The records of connections that are being set up.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) notes: Notes,
    open: Mutex<Vec<Weak<Record>>>,
}

impl Records {
    /// The record of a connection whose security is settled.
    pub(super) fn start(&self, peer: PeerId, dialer: bool, address: Multiaddr) -> Arc<Record> {
        let security = self.notes.take(peer, dialer);
        let record = Arc::new(Record { peer, dialer, address, security, claimed: AtomicBool::new(false) });
        let mut open = lock(&self.open);
        open.retain(|weak| weak.upgrade().is_some_and(|record| !record.claimed.load(Ordering::Relaxed)));
        open.push(Arc::downgrade(&record));
        record
    }

    /// The security of the connection that the swarm now knows under this peer, direction and address.
    pub(super) fn claim(&self, peer: PeerId, dialer: bool, address: &Multiaddr) -> String {
        let mut open = lock(&self.open);
        open.retain(|weak| weak.upgrade().is_some_and(|record| !record.claimed.load(Ordering::Relaxed)));
        open.iter()
            .filter_map(Weak::upgrade)
            .find(|record| record.peer == peer && record.dialer == dialer && record.address == *address)
            .map(|record| {
                record.claimed.store(true, Ordering::Relaxed);
                record.security.clone()
            })
            .unwrap_or_default()
    }

    fn len(&self) -> usize {
        let live = |weak: &&Weak<Record>| {
            weak.upgrade().is_some_and(|record| !record.claimed.load(Ordering::Relaxed))
        };
        lock(&self.open).iter().filter(live).count()
    }
}

/// A wish for a stream, and where it goes.
pub(super) type OpenStream = oneshot::Sender<Result<Stream, TransportError>>;

/// What the connections with one peer share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The peer.
    pub(super) peer: PeerId,
    /// Its peer id as text.
    pub(super) name: Arc<str>,
    /// Places for streams that it opens.
    pub(super) streams: Arc<Semaphore>,
    /// Places for requests that we send.
    pub(super) requests: Arc<Semaphore>,
    /// Requests of it that we work on.
    pub(super) working: Arc<AtomicUsize>,
    /// Whether idle connections with it stay open.
    pub(super) known: AtomicBool,
}

/// One live connection.
#[derive(Debug)]
pub(super) struct Link {
    /// The swarm's number.
    pub(super) id: ConnectionId,
    /// What it shares with others of the same peer.
    pub(super) shared: Arc<Shared>,
    /// Whether we opened it.
    pub(super) dialer: bool,
    /// The peer's address.
    pub(super) address: Multiaddr,
    /// What was negotiated.
    pub(super) security: String,
    /// Since when.
    pub(super) since: Instant,
    /// To its handler.
    pub(super) open: mpsc::Sender<OpenStream>,
    /// Its idle streams.
    pub(super) pool: Arc<Pool>,
    /// Requests of ours on it.
    pub(super) busy: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    peers: BTreeMap<PeerId, Vec<Arc<Link>>>,
    known: BTreeSet<PeerId>,
    served: BTreeSet<PeerId>,
    listening: Vec<Multiaddr>,
}

/// All live connections.
#[derive(Debug)]
pub(super) struct Links {
    inner: Mutex<Inner>,
    /// Connections being set up.
    pub(super) records: Arc<Records>,
    /// What happened.
    pub(super) counters: Arc<Counters>,
    /// The limits of this node.
    pub(super) limits: Limits,
}

impl Links {
    pub(super) fn new(limits: Limits) -> Self {
        Self { inner: Mutex::default(), records: Arc::default(), counters: Arc::default(), limits }
    }

    /// What the next connection with a peer shares: that of the others, or new.
    pub(super) fn shared(&self, peer: PeerId) -> Arc<Shared> {
        let inner = lock(&self.inner);
        if let Some(link) = inner.peers.get(&peer).and_then(|links| links.first()) {
            return link.shared.clone();
        }
        Arc::new(Shared {
            peer,
            name: peer.to_string().into(),
            streams: Arc::new(Semaphore::new(self.limits.streams_in_per_peer)),
            requests: Arc::new(Semaphore::new(self.limits.requests_out_per_peer)),
            working: Arc::default(),
            known: AtomicBool::new(inner.known.contains(&peer)),
        })
    }

    pub(super) fn insert(&self, link: Arc<Link>) {
        lock(&self.inner).peers.entry(link.shared.peer).or_default().push(link);
    }

    /// Forgets a connection; its idle streams go with it.
    pub(super) fn remove(&self, peer: PeerId, id: ConnectionId) {
        let gone = {
            let mut inner = lock(&self.inner);
            let Some(links) = inner.peers.get_mut(&peer) else { return };
            let at = links.iter().position(|link| link.id == id);
            let gone = at.map(|at| links.remove(at));
            if links.is_empty() {
                inner.peers.remove(&peer);
            }
            gone
        };
        if let Some(link) = gone {
            link.pool.close();
        }
    }

    /// The connections with a peer, oldest first.
    pub(super) fn of(&self, peer: PeerId) -> Vec<Arc<Link>> {
        lock(&self.inner).peers.get(&peer).cloned().unwrap_or_default()
    }

    /// All connections, by peer.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.inner).peers.values().flatten().cloned().collect()
    }

    /// The connection with the fewest requests of ours, the oldest of these; none through a relay where there is another.
    /// // NET-5.4
    pub(super) fn choose(&self, peer: PeerId) -> Option<Arc<Link>> {
        lock(&self.inner)
            .peers
            .get(&peer)?
            .iter()
            .filter(|link| !link.open.is_closed())
            .min_by_key(|link| (is_relayed(&link.address), link.busy.load(Ordering::Relaxed)))
            .cloned()
    }

    pub(super) fn set_known(&self, peers: BTreeSet<PeerId>) {
        let mut inner = lock(&self.inner);
        for links in inner.peers.values() {
            for link in links {
                link.shared.known.store(peers.contains(&link.shared.peer), Ordering::Relaxed);
            }
        }
        inner.known = peers;
    }

    pub(super) fn set_served(&self, peers: BTreeSet<PeerId>) {
        lock(&self.inner).served = peers;
    }

    /// Whether this node is a relay for that peer.
    pub(super) fn serves(&self, peer: &PeerId) -> bool {
        lock(&self.inner).served.contains(peer)
    }

    pub(super) fn is_known(&self, peer: &PeerId) -> bool {
        lock(&self.inner).known.contains(peer)
    }

    pub(super) fn listening(&self) -> Vec<Multiaddr> {
        lock(&self.inner).listening.clone()
    }

    pub(super) fn add_listening(&self, address: Multiaddr) {
        let mut inner = lock(&self.inner);
        if !inner.listening.contains(&address) {
            inner.listening.push(address);
        }
    }

    pub(super) fn remove_listening(&self, address: &Multiaddr) {
        lock(&self.inner).listening.retain(|known| known != address);
    }

    /// Sizes of everything that could grow: peers, connections, idle streams, records and notes.
    pub(super) fn sizes(&self) -> [usize; 5] {
        let inner = lock(&self.inner);
        let links = inner.peers.values().flatten();
        let (connections, idle) = links.fold((0, 0), |(n, idle), link| (n + 1, idle + link.pool.len()));
        [inner.peers.len(), connections, idle, self.records.len(), self.records.notes.len()]
    }
}
