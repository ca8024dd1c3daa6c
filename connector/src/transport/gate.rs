//! The first behaviour of the swarm: who may connect, and how often (spec chapter 10, `[NET-6.1]`–`[NET-6.4]`).
//!
//! It stands first so that a connection that it refuses has touched no other behaviour. Its own state is one entry for
//! each live connection or handshake, removed on every way that one can end.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::links::Links;

/// Which limit a connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Full {
    /// Incoming handshakes.
    #[error("incoming handshakes")]
    Handshakes,
    /// Incoming handshakes of one address.
    #[error("incoming handshakes from one address")]
    HandshakesOfAddress,
    /// Outgoing handshakes.
    #[error("outgoing handshakes")]
    Dials,
    /// Connections that others opened.
    #[error("incoming connections")]
    Incoming,
    /// Connections of strangers.
    #[error("connections of strangers")]
    Strangers,
    /// Connections that we opened.
    #[error("outgoing connections")]
    Outgoing,
    /// Connections with one peer.
    #[error("connections with one peer")]
    Peer,
}

/// The limits on connections.
pub(super) struct Gate {
    links: Arc<Links>,
    handshakes: BTreeMap<ConnectionId, IpAddr>,
    dials: BTreeSet<ConnectionId>,
    /// The live connections: with whom, and whether we opened it.
    open: BTreeMap<ConnectionId, (PeerId, bool)>,
}

impl Gate {
    pub(super) fn new(links: Arc<Links>) -> Self {
        Self { links, handshakes: BTreeMap::new(), dials: BTreeSet::new(), open: BTreeMap::new() }
    }

    /// Handshakes and connections that are remembered.
    pub(super) fn len(&self) -> usize {
        self.handshakes.len() + self.dials.len() + self.open.len()
    }

    fn deny(&self, full: Full) -> ConnectionDenied {
        self.links.counters.refused_connections.add();
        ConnectionDenied::new(full)
    }

    fn count(&self, wanted: impl Fn(&PeerId, bool) -> bool) -> usize {
        self.open.values().filter(|(peer, dialer)| wanted(peer, *dialer)).count()
    }

    fn check_peer(&self, peer: PeerId) -> Result<(), Full> {
        let limit = self.links.limits.connections_per_peer;
        if self.count(|other, _| *other == peer) >= limit { Err(Full::Peer) } else { Ok(()) }
    }

    fn check_incoming(&self, peer: PeerId) -> Result<(), Full> {
        let limits = &self.links.limits;
        if self.count(|_, dialer| !dialer) >= limits.connections_in {
            return Err(Full::Incoming);
        }
        let stranger = |peer: &PeerId| !self.links.is_known(peer);
        let strangers = || self.count(|other, dialer| !dialer && stranger(other));
        if stranger(&peer) && strangers() >= limits.connections_of_strangers {
            return Err(Full::Strangers);
        }
        self.check_peer(peer)
    }

    fn check_outgoing(&self, peer: PeerId) -> Result<(), Full> {
        if self.count(|_, dialer| dialer) >= self.links.limits.connections_out {
            return Err(Full::Outgoing);
        }
        self.check_peer(peer)
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 /64.
fn source(address: &Multiaddr) -> IpAddr {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => share(ip.into()),
        Some(_) | None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whoever has one of these addresses has all that count as it: an IPv4 address, or an IPv6 /64.
pub(super) fn share(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            ip.to_ipv4_mapped().map_or_else(|| Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into(), IpAddr::V4)
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let limits = &self.links.limits;
        let address = source(remote);
        if self.handshakes.len() >= limits.handshakes_in {
            return Err(self.deny(Full::Handshakes));
        }
        if self.handshakes.values().filter(|other| **other == address).count()
            >= limits.handshakes_per_address
        {
            return Err(self.deny(Full::HandshakesOfAddress));
        }
        self.handshakes.insert(id, address);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handshakes.remove(&id);
        self.check_incoming(peer).map_err(|full| self.deny(full))?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.len() >= self.links.limits.handshakes_out {
            return Err(self.deny(Full::Dials));
        }
        self.dials.insert(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.dials.remove(&id);
        self.check_outgoing(peer).map_err(|full| self.deny(full))?;
        Ok(dummy::ConnectionHandler)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "events of libp2p, open to growth")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.open.insert(event.connection_id, (event.peer_id, event.endpoint.is_dialer()));
            }
            FromSwarm::ConnectionClosed(event) => {
                self.open.remove(&event.connection_id);
            }
            FromSwarm::DialFailure(event) => {
                self.dials.remove(&event.connection_id);
            }
            FromSwarm::ListenFailure(event) => {
                self.handshakes.remove(&event.connection_id);
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
