//! The swarm: its transport stack, its behaviours and the task that drives it.
//!
//! Stack (spec chapter 10, `[NET-3.*]`, `[NET-4.*]`): a byte stream of [`super::wire`] with a read buffer of 256 KiB below the encryption (three system
//! calls less for each 16 KiB), TLS or Noise, Yamux. The driver turns events into the table of [`super::links`], answers
//! dials, and closes connections whose pings fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::io::BufReader;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, ListenerId, OptionalTransport, TransportError as ListenError};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, Transport as _, identify, ping, relay, swarm};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::address::{listen_failed, shown};
use super::error::{TransportError, Waiting, chain};
use super::gate::{Full, Gate};
use super::links::{Link, Links};
use super::muxer::Yamux;
use super::relay::{Client, Server};
use super::streams::{Accepted, Streams};
use super::tls::Security;
use super::wire::{Pipe, SAYS, Wire};
use super::{ConnInfo, Event};

/// Bytes read from a socket at once.
const READ_BUFFER: usize = 256 << 10;
/// How long the driver waits for connections to say goodbye when it is told to stop.
const GOODBYE: Duration = Duration::from_secs(2);
/// Time for the addresses of a listener to be known.
const LISTENING: Duration = Duration::from_secs(5);
/// Protocol version in identify.
const PROTOCOL: &str = "naru/1";

/// The behaviours, the one that refuses first. // NET-6.1
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    gate: Gate,
    streams: Streams,
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    relays: Client,
    /// Only where this node is a relay.
    relay: Toggle<Server>,
}

/// A transport that yields connections.
type Connected = Boxed<(PeerId, StreamMuxerBox)>;

type Answer = oneshot::Sender<Result<Arc<Link>, TransportError>>;

/// What the handle asks the driver for.
pub(super) enum Command {
    /// Open a connection to one of these addresses.
    Dial { peer: Option<PeerId>, addresses: Vec<Multiaddr>, answer: Answer },
    /// Keep a reservation at a relay, whose address with `/p2p-circuit` this is. The first is told when it is taken, the second
    /// when it is gone.
    Reserve { circuit: Multiaddr, accept: oneshot::Sender<()>, end: oneshot::Sender<()> },
    /// Close all connections with a peer.
    Disconnect(PeerId),
    /// Close one connection.
    Close(ConnectionId),
    /// Sizes of the state of swarm and behaviours.
    Sizes(oneshot::Sender<usize>),
    /// Close everything and end.
    Stop(oneshot::Sender<()>),
}

struct Dialling {
    peer: Option<PeerId>,
    address: String,
    answer: Answer,
}

/// A reservation at a relay. Dropping it tells its end.
struct Reservation {
    listener: ListenerId,
    /// Where others reach us by it.
    circuit: Multiaddr,
    accept: Option<oneshot::Sender<()>>,
    _end: oneshot::Sender<()>,
}

/// The task that owns the swarm.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    links: Arc<Links>,
    commands: mpsc::Receiver<Command>,
    events: broadcast::Sender<Event>,
    dialling: BTreeMap<ConnectionId, Dialling>,
    reservations: Vec<Reservation>,
}

fn stack(
    identity: &Keypair,
    links: &Arc<Links>,
    wire: Wire,
    circuits: relay::client::Transport,
    quic: OptionalTransport<Connected>,
) -> Result<Connected, TransportError> {
    let security = Security::new(identity, links.records.notes.clone())?;
    let links = links.clone();
    let timeout = links.limits.handshake;
    Ok(circuits
        .map(|circuit, _| Pipe::of(circuit))
        .or_transport(wire)
        .map(|socket, _| BufReader::with_capacity(READ_BUFFER, socket.into_inner()))
        .upgrade(Version::V1Lazy)
        .authenticate(security)
        .multiplex_ext(move |peer, endpoint| {
            let address = endpoint.get_remote_address().clone();
            let record = links.records.start(*peer, endpoint.is_dialer(), address);
            Yamux::new(&links.limits, record, links.counters.clone())
        })
        .timeout(timeout)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .or_transport(quic)
        .map(|connected, _| connected.into_inner())
        .boxed())
}

impl Driver {
    pub(super) fn new(
        identity: &Keypair,
        agent: &str,
        (wire, relays_others, speaks_quic): (Wire, bool, bool),
        links: Arc<Links>,
        accept: mpsc::Sender<Accepted>,
        commands: mpsc::Receiver<Command>,
        events: broadcast::Sender<Event>,
    ) -> Result<Self, TransportError> {
        let own = identity.public().to_peer_id();
        let (circuits, relays) = relay::client::new(own);
        let quic = super::quic::transport(speaks_quic, identity, &links);
        let behaviour = Behaviour {
            gate: Gate::new(links.clone()),
            streams: Streams::new(links.clone(), accept),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(links.limits.ping).with_timeout(links.limits.ping_answer),
            ),
            // Addresses travel in tickets, not here: nothing that a peer says of itself is kept or dialled. // NET-2.4
            identify: identify::Behaviour::new(
                identify::Config::new(PROTOCOL.to_owned(), identity.public())
                    .with_agent_version(agent.to_owned())
                    .with_cache_size(0)
                    .with_hide_listen_addrs(true),
            ),
            relays: super::relay::client(relays),
            relay: Toggle::from(relays_others.then(|| super::relay::server(own, &links))),
        };
        let config = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(links.limits.idle_connection)
            .with_per_connection_event_buffer_size(32)
            .with_max_negotiating_inbound_streams(64);
        let swarm = Swarm::new(stack(identity, &links, wire, circuits, quic)?, behaviour, own, config);
        Ok(Self { swarm, links, commands, events, dialling: BTreeMap::new(), reservations: Vec::new() })
    }

    /// Listens and waits until the addresses are known, so that port 0 has a number.
    pub(super) async fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), TransportError> {
        let mut waiting = Vec::new();
        for address in addresses {
            let id = self.swarm.listen_on(address.clone()).map_err(|error| match error {
                ListenError::MultiaddrNotSupported(address) => TransportError::BadAddress {
                    address: shown(&address),
                    reason: "not supported".to_owned(),
                },
                ListenError::Other(error) => listen_failed(&address.to_string(), &unwrapped(error)),
            })?;
            waiting.push(id);
        }
        let until = tokio::time::Instant::now() + LISTENING;
        while !waiting.is_empty() {
            let Ok(event) = tokio::time::timeout_at(until, self.swarm.select_next_some()).await else {
                break;
            };
            if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                waiting.retain(|id| id != listener_id);
            }
            self.event(event);
        }
        Ok(())
    }

    /// Runs until told to stop or until nobody holds a handle.
    pub(super) async fn run(mut self) {
        let done = loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => break None,
                    Some(Command::Stop(done)) => break Some(done),
                    Some(command) => self.command(command),
                },
                event = self.swarm.select_next_some() => self.event(event),
            }
        };
        self.commands.close();
        for link in self.links.all() {
            self.swarm.close_connection(link.id);
        }
        let until = tokio::time::Instant::now() + GOODBYE;
        while !self.links.all().is_empty() {
            let Ok(event) = tokio::time::timeout_at(until, self.swarm.select_next_some()).await else {
                break;
            };
            self.event(event);
        }
        for link in self.links.all() {
            self.links.remove(link.shared.peer, link.id);
        }
        drop(self);
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Dial { peer, addresses, answer } => self.dial(peer, addresses, answer),
            Command::Reserve { circuit, accept, end } => self.reserve(circuit, accept, end),
            Command::Disconnect(peer) => {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            Command::Close(id) => {
                self.swarm.close_connection(id);
            }
            Command::Sizes(answer) => {
                let behaviour = self.swarm.behaviour();
                let size = behaviour.gate.len() + behaviour.streams.len() + self.dialling.len();
                let _ = answer.send(size);
            }
            Command::Stop(done) => {
                let _ = done.send(());
            }
        }
    }

    fn reserve(&mut self, circuit: Multiaddr, accept: oneshot::Sender<()>, end: oneshot::Sender<()>) {
        match self.swarm.listen_on(circuit.clone()) {
            Ok(listener) => {
                self.reservations.push(Reservation { listener, circuit, accept: Some(accept), _end: end });
            }
            Err(error) => tracing::warn!(relay = %shown(&circuit), error = %chain(&error), "no reservation"),
        }
    }

    /// A relay has taken a reservation. The addresses that it says are not looked at. // NET-2.4
    fn reserved(&mut self, listener: ListenerId) -> bool {
        let Some(at) = self.reservations.iter_mut().find(|found| found.listener == listener) else {
            return false;
        };
        if let Some(accept) = at.accept.take() {
            let _ = accept.send(());
            self.links.add_listening(at.circuit.clone());
            let _ = self.events.send(Event::Listening { address: at.circuit.to_string() });
        }
        true
    }

    fn not_reserved(&mut self, listener: ListenerId) {
        for gone in self.reservations.extract_if(.., |found| found.listener == listener) {
            self.links.remove_listening(&gone.circuit);
        }
    }

    fn dial(&mut self, peer: Option<PeerId>, mut wanted: Vec<Multiaddr>, answer: Answer) {
        let address = wanted.iter().map(shown).collect::<Vec<_>>().join(", ");
        // A new port each time: several connections to one address are wanted, and reusing the listening port forbids it.
        let options: DialOpts = match (peer, wanted.pop()) {
            (Some(peer), Some(last)) => {
                wanted.push(last);
                DialOpts::peer_id(peer)
                    .addresses(wanted)
                    .condition(PeerCondition::Always)
                    .allocate_new_port()
                    .build()
            }
            (None, Some(only)) => DialOpts::unknown_peer_id().address(only).allocate_new_port().build(),
            (_, None) => {
                let _ =
                    answer.send(Err(TransportError::DialFailed { address, reason: "no address".to_owned() }));
                return;
            }
        };
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dialling.insert(id, Dialling { peer, address, answer });
            }
            Err(error) => {
                let _ = answer.send(Err(self.dial_failed(peer, address, &error)));
            }
        }
    }

    fn dial_failed(&self, peer: Option<PeerId>, address: String, error: &DialError) -> TransportError {
        match error {
            DialError::LocalPeerId { .. } | DialError::NoAddresses => TransportError::DialSelf { address },
            DialError::WrongPeerId { obtained, .. } => TransportError::PeerMismatch {
                expected: peer.map(|peer| peer.to_string()).unwrap_or_default(),
                obtained: obtained.to_string(),
            },
            DialError::Denied { cause } => TransportError::Limit {
                what: cause.downcast_ref::<Full>().map_or_else(|| cause.to_string(), Full::to_string),
            },
            DialError::Transport(errors) => {
                let reasons: Vec<String> = errors.iter().map(|(_, error)| chain(error)).collect();
                let reason = super::error::cut(&reasons.join("; "));
                match errors.iter().map(|(_, error)| Failed::of(error)).max() {
                    Some(Failed::Time) => {
                        TransportError::timeout(address, Waiting::Connection, self.links.limits.handshake)
                    }
                    Some(Failed::Handshake) => TransportError::Handshake { address, reason },
                    Some(Failed::Proxy) => TransportError::Proxy { address, reason },
                    Some(Failed::Reaching) | None => TransportError::DialFailed { address, reason },
                }
            }
            DialError::Aborted | DialError::DialPeerConditionFalse(_) => {
                TransportError::DialFailed { address, reason: chain(error) }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "events of libp2p, open to growth")]
    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                self.connected(peer_id, connection_id)
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => {
                let reason = cause.map_or_else(|| "closed here".to_owned(), |cause| chain(&cause));
                tracing::debug!(peer = %peer_id, %reason, "disconnected");
                let remaining = num_established as usize;
                let _ =
                    self.events.send(Event::Disconnected { peer: peer_id.to_string(), remaining, reason });
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(dialling) = self.dialling.remove(&connection_id) {
                    let failed = self.dial_failed(dialling.peer, dialling.address, &error);
                    let _ = dialling.answer.send(Err(failed));
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.links.counters.failed_incoming.add();
                tracing::debug!(address = %send_back_addr, error = %chain(&error), "incoming connection failed");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                if self.reserved(listener_id) {
                    return;
                }
                self.links.add_listening(address.clone());
                let _ = self.events.send(Event::Listening { address: address.to_string() });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.links.remove_listening(&address),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                if let Err(error) = reason {
                    tracing::debug!(error = %chain(&error), "a listener ended");
                }
                self.not_reserved(listener_id);
                addresses.iter().for_each(|address| self.links.remove_listening(address));
            }
            // A peer that vanished without a word is found by its silence. // NET-5.10
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(failure),
                ..
            })) if !matches!(failure, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, id: ConnectionId) {
        let link = self.links.of(peer).into_iter().find(|link| link.id == id);
        if let Some(link) = &link {
            tracing::debug!(%peer, address = %link.address, security = %link.security, "connected");
            let _ = self.events.send(Event::Connected(ConnInfo::of(link)));
        }
        if let Some(dialling) = self.dialling.remove(&id) {
            let gone = TransportError::ConnectionLost { peer: peer.to_string() };
            let _ = dialling.answer.send(link.ok_or(gone));
        }
    }
}

/// How far a dial came before it failed; the furthest of several addresses is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Failed {
    Reaching,
    Proxy,
    Time,
    Handshake,
}

impl Failed {
    fn of(error: &ListenError<std::io::Error>) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let (mut upgrade, mut proxy) = (false, false);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                if io.kind() == std::io::ErrorKind::TimedOut {
                    return Self::Time;
                }
                if let Some(inner) = io.get_ref() {
                    upgrade |= names_upgrade(inner);
                }
            }
            if error.to_string().contains("Timeout has been reached") {
                return Self::Time;
            }
            upgrade |= names_upgrade(error);
            proxy |= error.to_string().contains(SAYS);
            cause = error.source();
        }
        match (proxy, upgrade) {
            (true, _) => Self::Proxy,
            (false, true) => Self::Handshake,
            (false, false) => Self::Reaching,
        }
    }
}

/// The layers box their errors without type; their words are all there is to tell them by.
fn names_upgrade(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = error.to_string();
    text.contains("andshake")
        || text.contains("Multistream")
        || text.contains("upgrade")
        || text.contains("negotiat")
}

/// The error of the operating system below those of the layers.
fn unwrapped(error: std::io::Error) -> std::io::Error {
    let kind =
        error.get_ref().and_then(|inner| inner.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kind.unwrap_or_else(|| error.kind()).into()
}
