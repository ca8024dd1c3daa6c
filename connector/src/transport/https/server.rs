//! The HTTPS door: the router on a TLS port (spec chapter 10, NET-8.1 to NET-8.4).
//!
//! Whoever connects is nobody until a token or a certificate says otherwise, so what one address may hold is bounded before
//! its handshake begins. Heads, bodies and times of requests are `serve`'s.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use futures_rustls::TlsAcceptor;
use naru_protocol::encoding::Digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

use super::super::address::listen_failed;
use super::super::error::TransportError;
use super::super::gate::share;
use super::super::limits::ServeLimits;
use super::super::links::{Counters, lock};
use super::super::serve::{Door, Peer, Server};
use super::trust::{AnyClient, unusable};
use super::{ALPN, provider};

/// Pause after the operating system could not give a connection, which is when it has no more files.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the door is and what it shows.
pub struct HttpsConfig {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// The chain, the own certificate first.
    pub certificate: Vec<CertificateDer<'static>>,
    /// The key of the own certificate.
    pub key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for HttpsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Sizes and counts of the door, for metrics and for tests that nothing grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorCounters {
    /// Connections now.
    pub connections: usize,
    /// Addresses that have one.
    pub addresses: usize,
    /// Connections taken since the start.
    pub accepted: u64,
    /// Connections closed by a limit.
    pub refused_connections: u64,
    /// Requests answered 429.
    pub refused_requests: u64,
}

/// A door that listens. Dropping it closes it.
#[derive(Debug)]
pub struct HttpsDoor {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    running: Mutex<Option<JoinHandle<()>>>,
    shares: Arc<Shares>,
    counters: Arc<Counters>,
}

impl HttpsDoor {
    /// Listens, and answers with `router` from now on.
    ///
    /// # Errors
    /// [`TransportError::Certificate`], [`TransportError::PortInUse`], [`TransportError::Listen`].
    pub async fn listen(
        config: HttpsConfig,
        router: Router,
        limits: ServeLimits,
    ) -> Result<Self, TransportError> {
        let HttpsConfig { listen, certificate, key } = config;
        let acceptor = TlsAcceptor::from(Arc::new(tls(certificate, key)?));
        let failed = |error: std::io::Error| listen_failed(&listen.to_string(), &error);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let (shares, counters): (Arc<Shares>, Arc<Counters>) = Default::default();
        let accepting = Accepting {
            acceptor,
            router,
            limits: Arc::new(limits),
            shares: shares.clone(),
            counters: counters.clone(),
        };
        let running = Mutex::new(Some(tokio::spawn(accepting.run(listener, stopped))));
        Ok(Self { addr, stop, running, shares, counters })
    }

    /// The address listened on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sizes and counts now.
    #[must_use]
    pub fn counters(&self) -> DoorCounters {
        let (connections, addresses) = self.shares.sizes();
        DoorCounters {
            connections,
            addresses,
            accepted: self.counters.accepted.get(),
            refused_connections: self.counters.refused_connections.get(),
            refused_requests: self.counters.refused_requests.get(),
        }
    }

    /// Stops listening and closes all connections; done when this returns.
    pub async fn shutdown(&self) {
        let _ = self.stop.send(true);
        let running = lock(&self.running).take();
        if let Some(running) = running {
            let _ = running.await;
        }
    }
}

/// TLS of the door: 1.2 and 1.3, each connection a full handshake. // NET-8.2
fn tls(
    certificate: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ServerConfig, TransportError> {
    if certificate.is_empty() {
        return Err(TransportError::Certificate { reason: "there is no certificate".to_owned() });
    }
    let provider = provider();
    let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(&error))?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(certificate, key)
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// What each address holds.
#[derive(Debug, Default)]
struct Shares(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    connections: usize,
    addresses: BTreeMap<IpAddr, Share>,
}

#[derive(Debug, Default)]
struct Share {
    connections: usize,
    /// Requests in work.
    working: Arc<AtomicUsize>,
}

impl Shares {
    fn sizes(&self) -> (usize, usize) {
        let held = lock(&self.0);
        (held.connections, held.addresses.len())
    }

    /// A place for one more connection of an address, unless it or all together have their share. // NET-8.4
    fn take(self: &Arc<Self>, address: IpAddr, limits: &ServeLimits) -> Option<Place> {
        let mut held = lock(&self.0);
        let of_address = held.addresses.get(&address).map_or(0, |share| share.connections);
        if held.connections >= limits.connections || of_address >= limits.connections_per_address {
            return None;
        }
        held.connections += 1;
        let share = held.addresses.entry(address).or_default();
        share.connections += 1;
        Some(Place { shares: self.clone(), address, working: share.working.clone() })
    }
}

/// The place of one connection.
struct Place {
    shares: Arc<Shares>,
    address: IpAddr,
    working: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.shares.0);
        held.connections = held.connections.saturating_sub(1);
        if let Some(share) = held.addresses.get_mut(&self.address) {
            share.connections = share.connections.saturating_sub(1);
            if share.connections == 0 {
                held.addresses.remove(&self.address);
            }
        }
    }
}

/// What the accepting task works with.
struct Accepting {
    acceptor: TlsAcceptor,
    router: Router,
    limits: Arc<ServeLimits>,
    shares: Arc<Shares>,
    counters: Arc<Counters>,
}

impl Accepting {
    async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // Also when the door is dropped.
                () = async { drop(stopped.wait_for(|stop| *stop).await) } => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, remote)) => self.admit(&mut connections, socket, remote.ip()),
                    Err(error) => {
                        tracing::warn!(%error, "the HTTPS door could not take a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        connections.shutdown().await;
    }

    fn admit(&self, connections: &mut JoinSet<()>, socket: TcpStream, remote: IpAddr) {
        let Some(place) = self.shares.take(share(remote), &self.limits) else {
            self.counters.refused_connections.add();
            tracing::debug!(%remote, "a connection over the limit was closed");
            return;
        };
        self.counters.accepted.add();
        let server = Server {
            peer: Peer { peer_id: String::new(), door: Door::Https, certificate: None, remote: Some(remote) },
            working: place.working.clone(),
            router: self.router.clone(),
            limits: self.limits.clone(),
            counters: self.counters.clone(),
            answering: Arc::default(),
        };
        connections.spawn(converse(self.acceptor.clone(), socket, server, place));
    }
}

/// One connection: handshake, then requests until it ends.
async fn converse(acceptor: TlsAcceptor, socket: TcpStream, mut server: Server, place: Place) {
    let remote = server.peer.remote;
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(?remote, %error, "small packets may wait");
    }
    let stream = match timeout(server.limits.handshake, acceptor.accept(socket.compat())).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(?remote, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(?remote, "TLS handshake took too long"),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    server.peer.certificate = shown.map(|certificate| Digest::of(certificate));
    server.stream(stream.compat(), place).await;
}
