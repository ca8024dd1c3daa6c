//! Relays (libp2p circuit v2; spec chapter 10, `[NET-11.*]`): reached through one, and being one.
//!
//! Who can take no connection keeps a reservation at a relay and is reached through it. The connection through a relay is one
//! like all others: security, multiplexer and identity are those of its two ends, and the relay moves ciphertext. Hole punching
//! is not done: from one relay's limits to the next the connection is made anew.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::ExternalAddrConfirmed;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId, relay};
use tokio::sync::oneshot;

use super::address::Target;
use super::error::TransportError;
use super::links::Links;
use super::swarm::Command;
use super::{Node, Transport};

/// Circuits that one peer may ask for at once, and how long until the next one after that.
const CIRCUITS_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).unwrap();
const CIRCUIT_EVERY: Duration = Duration::from_secs(30);
/// The first and the longest pause before a lost reservation is asked for again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// A behaviour of libp2p that tells others nothing of where this node is: what it takes for external addresses stays here, or
/// identify would send it to every peer. // NET-2.4
pub(super) struct Quiet<B>(B);

/// Reservations and circuits of ours at relays.
pub(super) type Client = Quiet<relay::client::Behaviour>;
/// Reservations and circuits of others at this node.
pub(super) type Server = Quiet<relay::Behaviour>;

/// The client's side.
pub(super) fn client(behaviour: relay::client::Behaviour) -> Client {
    Quiet(behaviour)
}

/// The relay's side, for peers that are served alone. // NET-11.3, NET-11.4
pub(super) fn server(own: PeerId, links: &Arc<Links>) -> Server {
    let limits = &links.limits;
    let (served, counters) = (links.clone(), links.clone());
    let known = move |peer: PeerId, _: &Multiaddr, _| {
        let serves = served.serves(&peer);
        if !serves {
            counters.counters.refused_relays.add();
        }
        serves
    };
    let config = relay::Config {
        max_reservations: limits.relay_reservations,
        max_reservations_per_peer: limits.connections_per_peer,
        reservation_duration: limits.relay_reservation,
        reservation_rate_limiters: vec![Box::new(known)],
        max_circuits: limits.relay_circuits,
        max_circuits_per_peer: limits.relay_circuits_per_peer,
        max_circuit_duration: limits.relay_circuit,
        max_circuit_bytes: limits.relay_circuit_bytes,
        circuit_src_rate_limiters: Vec::new(),
    };
    let mut behaviour =
        relay::Behaviour::new(own, config.circuit_src_per_peer(CIRCUITS_AT_ONCE, CIRCUIT_EVERY));
    behaviour.set_status(Some(relay::Status::Enable));
    // A reservation has to say an address of the relay. Whoever asked for it knows one, so this says its name alone.
    let addr = Multiaddr::from(Protocol::P2p(own));
    behaviour.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr: &addr }));
    Quiet(behaviour)
}

impl<B: NetworkBehaviour> NetworkBehaviour for Quiet<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.0.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.0.on_connection_handler_event(peer, id, event);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what a behaviour asks for, open to growth")]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match ready!(self.0.poll(cx)) {
                ToSwarm::ExternalAddrConfirmed(_)
                | ToSwarm::ExternalAddrExpired(_)
                | ToSwarm::NewExternalAddrCandidate(_) => {}
                other => return Poll::Ready(other),
            }
        }
    }
}

/// A relay where this node wants to be reached: `<address>/p2p/<peer id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relay {
    address: String,
    peer: PeerId,
}

impl Relay {
    pub(super) fn parse(text: &str) -> Result<Self, TransportError> {
        let target = Target::parse(text)?;
        match (target.relay, target.peer) {
            (None, Some(peer)) => Ok(Self { address: text.to_owned(), peer }),
            (Some(_), _) | (None, None) => Err(TransportError::BadAddress {
                address: super::cut(text),
                reason: "the address of a relay ends with /p2p/<peer id> of the relay".to_owned(),
            }),
        }
    }

    /// Where this node is reached through it, without this node's peer id.
    fn circuit(&self) -> Result<Multiaddr, TransportError> {
        let address: Multiaddr = self.address.parse().map_err(|_| TransportError::Closed)?;
        Ok(address.with(Protocol::P2pCircuit))
    }
}

/// Keeps a reservation at a relay as long as the node runs. // NET-11.1
pub(super) async fn keep(node: Weak<Node>, relay: Relay) {
    let mut pause = PAUSES.0;
    loop {
        let Some(transport) = node.upgrade().map(|node| Transport { node }) else { return };
        let reserved = transport.reserve(&relay).await;
        drop(transport);
        match reserved {
            Ok((accepted, ended)) => {
                if accepted.await.is_ok() {
                    pause = PAUSES.0;
                    tracing::info!(relay = %relay.address, "reached through this relay");
                    let _ = ended.await;
                    tracing::warn!(relay = %relay.address, "no longer reached through this relay");
                } else {
                    tracing::warn!(
                        relay = %relay.address,
                        "the relay takes no reservation of this node: it is none, is full, or has not accepted this node"
                    );
                }
            }
            Err(TransportError::Closed) => return,
            Err(error) => tracing::warn!(relay = %relay.address, %error, "the relay was not reached"),
        }
        tokio::time::sleep(pause).await;
        pause = PAUSES.1.min(pause * 2);
    }
}

/// Resolved when the relay took the reservation, and when the reservation is gone.
pub(super) type Reserved = (oneshot::Receiver<()>, oneshot::Receiver<()>);

impl Transport {
    /// Asks a relay for a reservation, over the connection that there is or a new one.
    async fn reserve(&self, relay: &Relay) -> Result<Reserved, TransportError> {
        self.connect(&relay.peer.to_string(), std::slice::from_ref(&relay.address)).await?;
        let (accept, accepted) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let circuit = relay.circuit()?;
        self.command(Command::Reserve { circuit, accept, end }).await?;
        Ok((accepted, ended))
    }
}
