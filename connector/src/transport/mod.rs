//! Two nodes and a wire between them: everything of libp2p that the connector uses (spec chapter 10).
//!
//! ```text
//!   Transport::request ─ client ─ pool ─┐                        ┌─ serve ─ axum::Router (extension Peer)
//!                                       ├─ streams (/http/1.1) ──┤
//!   dial, connect, events ─ swarm ──────┘   gate: who may        └─ Incoming
//!                             │             connect at all
//!       wire → tls (or Noise) → muxer (Yamux)        wire: TCP, or WebSocket over TLS, through a proxy or not
//! ```
//!
//! One connection carries requests in both directions, whoever dialled. Peers are named by the text of their peer id,
//! addresses by the text of a multiaddr; no type of libp2p leaves this module. Identity in the sense of the exchange is
//! not decided here: a peer id says which transport key is at the other end, and the caller knows whose that is.
//!
//! The second door, HTTPS, is in [`https`]: the same router, the same rules of heads, bodies and time.
//!
//! Not here: hole punching, discovery.

mod address;
mod body;
mod client;
mod error;
mod gate;
pub mod https;
#[cfg(test)]
mod interop;
mod io;
mod limits;
mod links;
mod muxer;
mod pool;
mod quic;
mod relay;
mod serve;
mod streams;
mod swarm;
mod tls;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::Body;
use hyper::{Request, Response};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{broadcast, mpsc, oneshot};

use self::address::{Target, is_websocket, listen_address, peer_id};
use self::error::cut;
use self::links::{Link, Links, lock};
use self::relay::Relay;
use self::swarm::{Command, Driver};
use self::wire::{Outer, Wire};

pub use self::address::{advertised, free_port};
pub use self::client::{AnswerBody, RequestTimes};
pub use self::error::{TransportError, Waiting};
pub(crate) use self::io::{Ending, StreamIo};
pub use self::limits::{Limits, ServeLimits};
pub use self::serve::{Door, Incoming, Peer, serve};
pub use self::wire::{OuterCertificate, Proxy};

/// Events kept for a subscriber that does not read; older ones are lost to it.
const EVENTS: usize = 256;
/// Commands that wait for the swarm.
const COMMANDS: usize = 64;
/// Addresses of one peer that are tried.
const ADDRESSES: usize = 32;

/// How to start.
#[derive(Clone)]
pub struct Config {
    /// The Ed25519 transport key, as its 32-byte seed. The peer id follows from it.
    pub seed: [u8; 32],
    /// Where to listen: `/ip4|ip6/<ip>/tcp/<port>[/tls/ws]` or `/ip4|ip6/<ip>/udp/<port>/quic-v1`, port 0 for any. Empty: dial only.
    pub listen: Vec<String>,
    /// The ways beyond plain TCP.
    pub network: Network,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// With the default limits.
    #[must_use]
    pub fn new(seed: [u8; 32], listen: Vec<String>) -> Self {
        Self { seed, listen, network: Network::default(), limits: Limits::default() }
    }
}

/// What a firm's network asks for (spec chapter 10, `[NET-10.*]`).
#[derive(Default)]
pub struct Network {
    /// The proxy that every dial goes through, but those to this machine.
    pub proxy: Option<Proxy>,
    /// What WebSocket listeners show; made at the start where it is left out.
    pub certificate: Option<OuterCertificate>,
    /// Relays to be reached through, each `<address>/p2p/<peer id>`.
    pub relays: Vec<String>,
    /// Dial and listen by QUIC too.
    pub quic: bool,
    /// Be a relay for the peers of [`Transport::set_served`].
    pub relays_others: bool,
}

impl Clone for Network {
    fn clone(&self) -> Self {
        let certificate = self.certificate.as_ref().map(|(chain, key)| (chain.clone(), key.clone_key()));
        let (proxy, relays) = (self.proxy.clone(), self.relays.clone());
        Self { proxy, certificate, relays, quic: self.quic, relays_others: self.relays_others }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("proxy", &self.proxy)
            .field("relays", &self.relays)
            .field("quic", &self.quic)
            .field("relays_others", &self.relays_others)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("network", &self.network)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Incoming,
    /// This node.
    Outgoing,
}

/// A live connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// The peer id that the connection proved.
    pub peer: String,
    /// Names the connection for [`Transport::close`]; unique in this process.
    pub connection: String,
    /// Who opened it.
    pub direction: Direction,
    /// The peer's address, without peer id.
    pub address: String,
    /// What was negotiated: `/tls/1.0.0 <cipher suite> <key exchange>` or `/noise <name>`.
    pub security: String,
    /// Since when.
    pub since: Instant,
    /// Requests of ours in flight on it.
    pub busy: usize,
}

impl ConnInfo {
    fn of(link: &Link) -> Self {
        Self {
            peer: link.shared.name.to_string(),
            connection: link.id.to_string(),
            direction: if link.dialer { Direction::Outgoing } else { Direction::Incoming },
            address: address::shown(&link.address),
            security: link.security.clone(),
            since: link.since,
            busy: link.busy.load(Ordering::Relaxed),
        }
    }
}

/// What happens to connections. A slow subscriber misses events ([`broadcast::error::RecvError::Lagged`]); what is
/// true now is [`Transport::connected`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection is open.
    Connected(ConnInfo),
    /// A connection is gone.
    Disconnected {
        /// With whom.
        peer: String,
        /// Connections with this peer that are left.
        remaining: usize,
        /// Why, for people.
        reason: String,
    },
    /// An address is listened on.
    Listening {
        /// The address, without peer id.
        address: String,
    },
}

/// Sizes and counts of the transport, for metrics and for tests that nothing grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Peers with a connection.
    pub peers: usize,
    /// Connections.
    pub connections: usize,
    /// Idle streams kept for reuse.
    pub idle_streams: usize,
    /// Entries about connections being set up: handshakes, dials, records.
    pub in_setup: usize,
    /// Entries of the connection limits and of dials that the swarm's behaviours hold.
    pub in_swarm: usize,
    /// Streams accepted since the start.
    pub accepted: u64,
    /// Streams opened since the start.
    pub opened: u64,
    /// Requests that used a stream again.
    pub reused: u64,
    /// Streams reset because a peer had its share.
    pub refused_share: u64,
    /// Streams reset because the accept queue was full.
    pub refused_queue: u64,
    /// Streams reset before their protocol was negotiated, because too many came at once.
    pub refused_waiting: u64,
    /// Connections refused by a limit.
    pub refused_connections: u64,
    /// Requests answered 429.
    pub refused_requests: u64,
    /// Reservations refused to peers that this node does not serve.
    pub refused_relays: u64,
}

/// A node on the wire. Cheap to clone; the last clone that is dropped closes everything.
#[derive(Clone, Debug)]
pub struct Transport {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    peer: String,
    links: Arc<Links>,
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<Event>,
    /// Names are resolved by a proxy.
    proxied: bool,
    /// Addresses of QUIC are dialled.
    by_quic: bool,
    /// One lock for each peer that is being connected to, so that two callers share one connection.
    connecting: Mutex<BTreeMap<PeerId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Transport {
    /// Starts a node: the swarm runs as a task of the current runtime, listening when this returns.
    ///
    /// # Errors
    /// [`TransportError::PortInUse`], [`TransportError::Listen`], [`TransportError::BadAddress`] for a listen address,
    /// [`TransportError::Key`] when no certificate can be made.
    pub async fn start(config: Config) -> Result<(Self, Incoming), TransportError> {
        let Config { seed, listen, network, limits } = config;
        let identity = Keypair::ed25519_from_bytes(seed)
            .map_err(|error| TransportError::Key { reason: cut(&error.to_string()) })?;
        let listen = listen.iter().map(|text| listen_address(text)).collect::<Result<Vec<_>, _>>()?;
        let (accept, accepted) = mpsc::channel(limits.accept_queue.max(1));
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS);
        let links = Arc::new(Links::new(limits));
        let agent = concat!("naru/", env!("CARGO_PKG_VERSION"));
        let mut outer = Outer::new()?;
        if listen.iter().any(is_websocket) {
            outer = outer.listening(network.certificate)?;
        }
        let proxied = network.proxy.is_some();
        let relays = network.relays.iter().map(|text| Relay::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if network.quic {
            quic::allowed()?;
        }
        // A proxy takes no datagrams, and nothing goes around it. // NET-10.4
        let by_quic = network.quic && !proxied;
        let wire = (Wire::new(outer, network.proxy.map(Arc::new)), network.relays_others, network.quic);
        let mut driver =
            Driver::new(&identity, agent, wire, links.clone(), accept, receiver, events.clone())?;
        driver.listen(&listen).await?;
        tokio::spawn(driver.run());
        let incoming = Incoming { streams: accepted, counters: links.counters.clone() };
        let peer = identity.public().to_peer_id().to_string();
        let node = Node { peer, links, commands, events, proxied, by_quic, connecting: Mutex::default() };
        let node = Arc::new(node);
        for relay in relays {
            tokio::spawn(relay::keep(Arc::downgrade(&node), relay));
        }
        Ok((Self { node }, incoming))
    }

    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> &str {
        &self.node.peer
    }

    /// The addresses listened on, each with this node's peer id.
    #[must_use]
    pub fn listen_addrs(&self) -> Vec<String> {
        let addresses = self.node.links.listening();
        addresses.iter().map(|address| format!("{address}/p2p/{}", self.node.peer)).collect()
    }

    /// Opens a new connection, even where there is one: several connections make a long link fast.
    ///
    /// The peer that answers must be the one that the address names, where it names one.
    ///
    /// # Errors
    /// [`TransportError::BadAddress`], [`TransportError::Resolve`], [`TransportError::PeerMismatch`],
    /// [`TransportError::DialFailed`], [`TransportError::Proxy`], [`TransportError::Timeout`], [`TransportError::Limit`],
    /// [`TransportError::DialSelf`].
    pub async fn dial(&self, address: &str) -> Result<ConnInfo, TransportError> {
        let target = Target::parse(address)?;
        self.usable(&target, address)?;
        self.reach_relay(&target).await?;
        let found = target.resolve(self.node.proxied).await?;
        if target.peer.is_some() {
            return self.open(target.peer, found).await;
        }
        let mut failed = None;
        for address in found {
            match self.open(None, vec![address]).await {
                Ok(info) => return Ok(info),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(TransportError::Closed))
    }

    /// A connection with `peer`: one that there is, or a new one to any of `addresses`.
    ///
    /// # Errors
    /// As [`Transport::dial`], and [`TransportError::BadPeerId`]. An address that names another peer is a
    /// [`TransportError::PeerMismatch`] before anything is dialled.
    pub async fn connect(&self, peer: &str, addresses: &[String]) -> Result<ConnInfo, TransportError> {
        let peer = peer_id(peer)?;
        if let Some(link) = self.node.links.choose(peer) {
            return Ok(ConnInfo::of(&link));
        }
        let turn = lock(&self.node.connecting).entry(peer).or_default().clone();
        let connected = {
            let _turn = turn.lock().await;
            match self.node.links.choose(peer) {
                Some(link) => Ok(ConnInfo::of(&link)),
                None => self.open_any(peer, addresses).await,
            }
        };
        let mut connecting = lock(&self.node.connecting);
        // Two holders are the map and this call: nobody else waits.
        if connecting.get(&peer).is_some_and(|turn| Arc::strong_count(turn) <= 2) {
            connecting.remove(&peer);
        }
        connected
    }

    async fn open_any(&self, peer: PeerId, addresses: &[String]) -> Result<ConnInfo, TransportError> {
        let mut found: Vec<Multiaddr> = Vec::new();
        let mut failed = None;
        for text in addresses.iter().take(ADDRESSES) {
            let target = Target::parse(text)?;
            if let Some(other) = target.peer.filter(|other| *other != peer) {
                let (expected, obtained) = (peer.to_string(), other.to_string());
                return Err(TransportError::PeerMismatch { expected, obtained });
            }
            // Of a peer's addresses some may be of no use here.
            if let Err(error) = self.usable(&target, text) {
                failed = Some(error);
                continue;
            }
            if let Err(error) = self.reach_relay(&target).await {
                failed = Some(error);
                continue;
            }
            match target.resolve(self.node.proxied).await {
                Ok(more) => found.extend(more),
                Err(error) => failed = Some(error),
            }
        }
        found.truncate(ADDRESSES);
        match (found.is_empty(), failed) {
            (true, Some(error)) => Err(error),
            (true, None) => Err(TransportError::NotConnected { peer: peer.to_string() }),
            (false, _) => self.open(Some(peer), found).await,
        }
    }

    fn usable(&self, target: &Target, address: &str) -> Result<(), TransportError> {
        if target.is_quic() && !self.node.by_quic {
            let reason =
                if self.node.proxied { "a proxy carries no QUIC" } else { "QUIC is not switched on here" };
            return Err(TransportError::BadAddress { address: cut(address), reason: reason.to_owned() });
        }
        Ok(())
    }

    /// A connection with the relay that an address leads through, where it does; the circuit is made over it.
    async fn reach_relay(&self, target: &Target) -> Result<(), TransportError> {
        let Some((relay, way)) = target.to_relay() else { return Ok(()) };
        if target.peer.is_some_and(|peer| peer == relay) || self.node.links.choose(relay).is_some() {
            return Ok(());
        }
        let found = way.resolve(self.node.proxied).await?;
        match self.open(Some(relay), found).await {
            Ok(_) => Ok(()),
            // Of two at a time one is enough.
            Err(_) if self.node.links.choose(relay).is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn open(
        &self,
        peer: Option<PeerId>,
        addresses: Vec<Multiaddr>,
    ) -> Result<ConnInfo, TransportError> {
        let (answer, opened) = oneshot::channel();
        self.command(Command::Dial { peer, addresses, answer }).await?;
        let link = opened.await.map_err(|_| TransportError::Closed)??;
        Ok(ConnInfo::of(&link))
    }

    async fn command(&self, command: Command) -> Result<(), TransportError> {
        self.node.commands.send(command).await.map_err(|_| TransportError::Closed)
    }

    /// The live connections, by peer, the oldest of each first.
    #[must_use]
    pub fn connected(&self) -> Vec<ConnInfo> {
        self.node.links.all().iter().map(|link| ConnInfo::of(link)).collect()
    }

    /// True when there is a connection with `peer`.
    #[must_use]
    pub fn is_connected(&self, peer: &str) -> bool {
        peer_id(peer).is_ok_and(|peer| self.node.links.choose(peer).is_some())
    }

    /// Closes all connections with `peer`.
    ///
    /// # Errors
    /// [`TransportError::BadPeerId`], [`TransportError::NotConnected`].
    pub async fn disconnect(&self, peer: &str) -> Result<(), TransportError> {
        let id = peer_id(peer)?;
        // By the same measure as `is_connected`: one that is closing already is none.
        if self.node.links.choose(id).is_none() {
            return Err(TransportError::NotConnected { peer: cut(peer) });
        }
        self.command(Command::Disconnect(id)).await
    }

    /// Closes one connection, named by [`ConnInfo::connection`]. Nothing happens when it is gone already.
    ///
    /// # Errors
    /// [`TransportError::Closed`].
    pub async fn close(&self, connection: &str) -> Result<(), TransportError> {
        let links = self.node.links.all();
        match links.iter().find(|link| link.id.to_string() == connection) {
            Some(link) => self.command(Command::Close(link.id)).await,
            None => Ok(()),
        }
    }

    /// Says who is known: connections with these peers stay open while idle and do not count as strangers'.
    /// Texts that are no peer ids are passed over.
    pub fn set_known<'a>(&self, peers: impl IntoIterator<Item = &'a str>) {
        let known: BTreeSet<PeerId> = peers.into_iter().filter_map(|peer| peer_id(peer).ok()).collect();
        self.node.links.set_known(known);
    }

    /// Says whom this node is a relay for, where it is one. Texts that are no peer ids are passed over.
    pub fn set_served<'a>(&self, peers: impl IntoIterator<Item = &'a str>) {
        let served: BTreeSet<PeerId> = peers.into_iter().filter_map(|peer| peer_id(peer).ok()).collect();
        self.node.links.set_served(served);
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.node.events.subscribe()
    }

    /// Sends a request to a connected peer and returns the head of the answer; the body comes as it is read.
    ///
    /// Only path and query of the URI count; `Host` is the peer id unless set. Requests to one peer beyond
    /// [`Limits::requests_out_per_peer`] wait. Nothing is dialled.
    ///
    /// # Errors
    /// [`TransportError::NotConnected`], [`TransportError::ConnectionLost`], [`TransportError::Refused`],
    /// [`TransportError::Timeout`], [`TransportError::Protocol`], [`TransportError::TooLarge`],
    /// [`TransportError::UnsupportedProtocol`], [`TransportError::BadRequest`].
    pub async fn request(
        &self,
        peer: &str,
        request: Request<Body>,
    ) -> Result<Response<AnswerBody>, TransportError> {
        self.request_within(peer, request, self.times()).await
    }

    /// [`Transport::request`] with times of its own.
    ///
    /// # Errors
    /// As [`Transport::request`].
    pub async fn request_within(
        &self,
        peer: &str,
        request: Request<Body>,
        times: RequestTimes,
    ) -> Result<Response<AnswerBody>, TransportError> {
        client::request(&self.node.links, peer_id(peer)?, request, times).await
    }

    /// The times of [`Transport::request`], to be changed for [`Transport::request_within`].
    #[must_use]
    pub fn times(&self) -> RequestTimes {
        RequestTimes::of(&self.node.links.limits)
    }

    /// Sizes and counts now.
    pub async fn counters(&self) -> Counters {
        let (answer, size) = oneshot::channel();
        let asked = self.command(Command::Sizes(answer)).await;
        let in_swarm = if asked.is_ok() { size.await.unwrap_or(0) } else { 0 };
        let [peers, connections, idle_streams, records, notes] = self.node.links.sizes();
        let in_setup = records + notes + lock(&self.node.connecting).len();
        let counters = &self.node.links.counters;
        Counters {
            peers,
            connections,
            idle_streams,
            in_setup,
            in_swarm,
            accepted: counters.accepted.get(),
            opened: counters.opened.get(),
            reused: counters.reused.get(),
            refused_share: counters.refused_share.get(),
            refused_queue: counters.refused_queue.get(),
            refused_waiting: counters.refused_waiting.get(),
            refused_connections: counters.refused_connections.get(),
            refused_requests: counters.refused_requests.get(),
            refused_relays: counters.refused_relays.get(),
        }
    }

    /// Connections that came in since the start and never became one of a peer.
    #[must_use]
    pub fn failed_incoming(&self) -> u64 {
        self.node.links.counters.failed_incoming.get()
    }

    /// Closes all connections and stops; every clone of this handle then answers [`TransportError::Closed`].
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        if self.command(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// Checks the address of a relay, `<address>/p2p/<peer id>`.
///
/// # Errors
/// [`TransportError::BadAddress`].
pub fn relay_address(text: &str) -> Result<(), TransportError> {
    Relay::parse(text).map(drop)
}

/// The peer id of a transport key, from its 32-byte Ed25519 public key.
///
/// # Errors
/// [`TransportError::Key`] when the bytes are no key.
pub fn peer_id_of(public: &[u8; 32]) -> Result<String, TransportError> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(public)
        .map_err(|error| TransportError::Key { reason: cut(&error.to_string()) })?;
    Ok(libp2p::identity::PublicKey::from(key).to_peer_id().to_string())
}
