//! The behaviour that opens and accepts streams of `/http/1.1` (spec chapter 10, `[NET-5.*]`).
//!
//! Inbound: a stream is either handed to the server or reset, and each reset is counted; none is lost in silence. A peer
//! has a share of streams over all its connections, so that a flood of one leaves the others alone. Outbound: who wants
//! a stream chooses the connection and asks its handler; several are negotiated at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, StreamUpgradeError, SubstreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::error::{TransportError, Waiting, cut};
use super::links::{Counters, Link, Links, OpenStream, Shared};
use super::pool::Pool;

/// HTTP/1.1 on a stream, as the libp2p HTTP specification names it. // NET-5.1
pub(super) const HTTP: StreamProtocol = StreamProtocol::new("/http/1.1");
/// Streams of one connection that we negotiate at once; more wait.
const NEGOTIATING: usize = 32;
/// Wishes for streams that wait at one connection.
const WISHES: usize = 32;

/// A stream that a peer opened, with its place in the peer's share.
pub(super) struct Accepted {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Stream,
    pub(super) place: OwnedSemaphorePermit,
}

/// Streams of `/http/1.1` in both directions.
pub(super) struct Streams {
    links: Arc<Links>,
    accept: mpsc::Sender<Accepted>,
    /// Connections accepted here that the swarm has not yet announced.
    prepared: BTreeMap<ConnectionId, Arc<Link>>,
}

impl Streams {
    pub(super) fn new(links: Arc<Links>, accept: mpsc::Sender<Accepted>) -> Self {
        Self { links, accept, prepared: BTreeMap::new() }
    }

    /// Connections that are accepted and not yet announced.
    pub(super) fn len(&self) -> usize {
        self.prepared.len()
    }

    fn prepare(&mut self, id: ConnectionId, peer: PeerId, dialer: bool, address: &Multiaddr) -> Handler {
        let shared = self.links.shared(peer);
        let (open, wishes) = mpsc::channel(WISHES);
        let link = Link {
            id,
            shared: shared.clone(),
            dialer,
            address: address.clone(),
            security: self.links.records.claim(peer, dialer, address),
            since: Instant::now(),
            open,
            pool: Arc::new(Pool::new(&self.links.limits)),
            busy: 0.into(),
        };
        self.prepared.insert(id, Arc::new(link));
        Handler {
            shared,
            wishes,
            negotiating: 0,
            accept: self.accept.clone(),
            counters: self.links.counters.clone(),
            open: self.links.limits.open,
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.prepare(id, peer, false, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.prepare(id, peer, true, address))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "events of libp2p, open to growth")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if let Some(link) = self.prepared.remove(&event.connection_id) {
                    self.links.insert(link);
                }
            }
            FromSwarm::ConnectionClosed(event) => self.links.remove(event.peer_id, event.connection_id),
            FromSwarm::DialFailure(event) => {
                self.prepared.remove(&event.connection_id);
            }
            FromSwarm::ListenFailure(event) => {
                self.prepared.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// The streams of one connection. Dropping it answers all who still wait for one.
pub(super) struct Handler {
    shared: Arc<Shared>,
    wishes: mpsc::Receiver<OpenStream>,
    negotiating: usize,
    accept: mpsc::Sender<Accepted>,
    counters: Arc<Counters>,
    open: std::time::Duration,
}

impl Handler {
    /// Hands a stream to the server or resets it by dropping it. // NET-5.2, NET-5.3
    fn accept(&self, stream: Stream) {
        let Ok(place) = self.shared.streams.clone().try_acquire_owned() else {
            self.counters.refused_share.add();
            return;
        };
        match self.accept.try_send(Accepted { shared: self.shared.clone(), stream, place }) {
            Ok(()) => self.counters.accepted.add(),
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.counters.refused_queue.add(),
        }
    }

    fn failed(&self, error: StreamUpgradeError<Infallible>) -> TransportError {
        let peer = self.shared.name.to_string();
        match error {
            StreamUpgradeError::Timeout => TransportError::timeout(peer, Waiting::Stream, self.open),
            StreamUpgradeError::Apply(never) => match never {},
            StreamUpgradeError::NegotiationFailed => {
                TransportError::UnsupportedProtocol { peer, protocol: HTTP.to_string() }
            }
            StreamUpgradeError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                TransportError::Protocol { peer, reason: cut(&error.to_string()) }
            }
            StreamUpgradeError::Io(_) => TransportError::Refused { peer },
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenStream;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(HTTP), ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.shared.known.load(Ordering::Relaxed)
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, OpenStream, Infallible>> {
        while self.negotiating < NEGOTIATING {
            let Poll::Ready(Some(wish)) = self.wishes.poll_recv(cx) else { break };
            if wish.is_closed() {
                continue;
            }
            self.negotiating += 1;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(HTTP), wish).with_timeout(self.open);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "events of libp2p, open to growth")]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), OpenStream>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(event) => self.accept(event.protocol),
            ConnectionEvent::FullyNegotiatedOutbound(event) => {
                self.negotiating = self.negotiating.saturating_sub(1);
                self.counters.opened.add();
                // Who no longer waits lets the stream drop, which resets it.
                drop(event.info.send(Ok(event.protocol)));
            }
            ConnectionEvent::DialUpgradeError(event) => {
                self.negotiating = self.negotiating.saturating_sub(1);
                let failed = self.failed(event.error);
                drop(event.info.send(Err(failed)));
            }
            _ => {}
        }
    }
}
