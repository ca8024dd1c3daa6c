//! Requests to a URL over HTTPS (spec chapter 10, NET-8.5 to NET-8.8).
//!
//! One connection is to the very address that was checked, or through the operator's proxy to the name; idle ones are kept for a few
//! seconds for the same origin under the same trust. What an exchange on it is, `transport::client` knows for both doors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Body;
use futures::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use naru_protocol::encoding::Digest;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

use super::super::client::{AnswerBody, Lease, RequestTimes, Way, exchange, prepare, start, turn};
use super::super::error::{TransportError, Waiting, chain, cut};
use super::super::io::{Ending, StreamIo};
use super::super::limits::Limits;
use super::super::links::lock;
use super::super::pool::Pool;
use super::super::wire::Proxy;
use super::address::Target;
use super::trust::{Identity, Pinned, of_roots, unusable};
use super::{ALPN, provider};

/// Origins that idle connections are kept for, at most.
const ORIGINS: usize = 256;

/// How far a request may go, and whom it believes there.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Addresses that are not of the public internet may be asked, and `http` URLs too.
    pub local: bool,
    /// Certificates that are believed: as they are, and as roots. With `pins`, if any are named, nothing else is.
    pub roots: Vec<CertificateDer<'static>>,
    /// SHA-256 of certificates of servers that are believed as they are.
    pub pins: Vec<Digest>,
    /// What is shown to a server that asks.
    pub identity: Option<Identity>,
}

impl Reach {
    /// Names this trust: connections are shared only within it.
    fn name(&self) -> Vec<u8> {
        let mut name = vec![u8::from(self.local), u8::from(self.identity.is_some())];
        name.extend(self.identity.as_ref().and_then(Identity::digest).map(|d| d.0).unwrap_or_default());
        let roots = self.roots.iter().map(|root| Digest::of(root));
        for digest in roots.chain(self.pins.iter().copied()) {
            name.extend(digest.0);
        }
        name
    }
}

/// Sends requests. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct HttpsClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    /// Read from the operating system when they are first needed.
    system: OnceCell<Arc<RootCertStore>>,
    proxy: OnceLock<Proxy>,
    lines: Mutex<Lines>,
}

/// By origin and by the name of the trust.
type Lines = BTreeMap<(String, Vec<u8>), Arc<Line>>;

/// One origin under one trust.
#[derive(Debug)]
struct Line {
    turns: Arc<Semaphore>,
    pool: Arc<Pool>,
}

impl HttpsClient {
    /// Limits are those of the other door: turns, time to connect, heads and pauses of answers, idle connections.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (system, proxy, lines) = (OnceCell::new(), OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { limits, system, proxy, lines }))
    }

    /// From here on everything goes through this proxy, but to this machine. Said once, before the first request. // NET-10.4
    pub fn go_through(&self, proxy: Proxy) {
        let _ = self.0.proxy.set(proxy);
    }

    /// The times of [`HttpsClient::request`] but without a limit on the whole, to be changed for
    /// [`HttpsClient::request_within`].
    #[must_use]
    pub fn times(&self) -> RequestTimes {
        RequestTimes::of(&self.0.limits)
    }

    /// Sends a request to a URL and returns the head of the answer, whatever its status; the body comes as it is read, and
    /// all of it within twice the time for an answer. Path and query are the URL's, `Host` is its host.
    ///
    /// # Errors
    /// [`TransportError::BadAddress`], [`TransportError::AddressRefused`], [`TransportError::Resolve`],
    /// [`TransportError::DialFailed`], [`TransportError::Proxy`], [`TransportError::Handshake`], [`TransportError::Timeout`],
    /// [`TransportError::ConnectionLost`], [`TransportError::Protocol`], [`TransportError::TooLarge`],
    /// [`TransportError::BadRequest`].
    pub async fn request(
        &self,
        url: &str,
        request: Request<Body>,
        reach: &Reach,
    ) -> Result<Response<AnswerBody>, TransportError> {
        let times = RequestTimes { total: Some(self.0.limits.answer * 2), ..self.times() };
        self.request_within(url, request, reach, times).await
    }

    /// [`HttpsClient::request`] with times of its own.
    ///
    /// # Errors
    /// As [`HttpsClient::request`].
    pub async fn request_within(
        &self,
        url: &str,
        mut request: Request<Body>,
        reach: &Reach,
        times: RequestTimes,
    ) -> Result<Response<AnswerBody>, TransportError> {
        let deadline = times.total.map(|total| Instant::now() + total);
        let target = Target::parse(url, reach.local)?;
        *request.uri_mut() = Uri::from(target.path.clone());
        let host = HeaderValue::try_from(target.authority.as_str());
        let host =
            host.map_err(|_| TransportError::BadRequest { reason: "the host of the URL".to_owned() })?;
        request.headers_mut().insert(HOST, host);
        let request = prepare(request, &target.authority)?;
        let line = self.line(&target, reach);
        let limits = &self.0.limits;
        let turn = turn(&line.turns, &target.origin, limits, deadline).await?;
        let lease = Lease::new(target.origin.clone(), line.pool.clone(), Box::new((turn, line)));
        let way = Connections { client: &self.0, target: &target, reach };
        exchange(&way, lease, request, limits, times, deadline).await
    }

    /// Idle connections and turns of an origin under a trust; forgets those that nobody uses any more.
    fn line(&self, target: &Target, reach: &Reach) -> Arc<Line> {
        let mut lines = lock(&self.0.lines);
        lines.retain(|_, line| Arc::strong_count(line) > 1 || line.pool.len() > 0);
        let full = lines.len() >= ORIGINS;
        let limits = &self.0.limits;
        let new = || {
            let turns = Arc::new(Semaphore::new(limits.requests_out_per_peer));
            Arc::new(Line { turns, pool: Arc::new(Pool::new(limits)) })
        };
        let line = lines.entry((target.origin.clone(), reach.name())).or_insert_with(new).clone();
        if full {
            // Whoever talks to so many opens a connection for each request.
            line.pool.close();
        }
        line
    }

    /// Idle connections, all origins together.
    #[must_use]
    pub fn idle(&self) -> usize {
        lock(&self.0.lines).values().map(|line| line.pool.len()).sum()
    }
}

impl Inner {
    async fn system(&self) -> Result<Arc<RootCertStore>, TransportError> {
        let read = self.system.get_or_try_init(|| async {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let found = found.map_err(|error| unusable(&error))?;
            for error in &found.errors {
                tracing::warn!(%error, "a root certificate of this machine cannot be read");
            }
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            Ok::<_, TransportError>(Arc::new(roots))
        });
        read.await.cloned()
    }

    async fn tls(&self, reach: &Reach, origin: &str) -> Result<TlsConnector, TransportError> {
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = if reach.roots.is_empty() && reach.pins.is_empty() {
            let roots = self.system().await?;
            if roots.is_empty() {
                let reason = "this machine has no trusted root certificates, and none is pinned".to_owned();
                return Err(TransportError::Handshake { address: origin.to_owned(), reason });
            }
            of_roots(roots, &provider)?
        } else {
            Arc::new(Pinned::new(&reach.roots, &reach.pins, provider.clone())?)
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &reach.identity {
            Some(identity) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// New connections to one origin.
struct Connections<'a> {
    client: &'a Inner,
    target: &'a Target,
    reach: &'a Reach,
}

impl Way for Connections<'_> {
    fn end_is_told(&self) -> bool {
        self.target.tls
    }

    async fn open(&self) -> Result<SendRequest<Body>, TransportError> {
        let (target, limits) = (self.target, &self.client.limits);
        let until = Instant::now() + limits.handshake;
        let Some(proxy) = self.client.proxy.get().filter(|_| !target.is_here()) else {
            let addresses = target.resolve(self.reach.local).await?;
            return self.over(connect(&addresses, target, limits, until).await?.compat(), until).await;
        };
        let authority = target.proxied(self.reach.local).await?;
        let pipe = timeout_at(until, proxy.connect(&authority))
            .await
            .map_err(|_| {
                TransportError::timeout(target.origin.clone(), Waiting::Connection, limits.handshake)
            })?
            .map_err(|error| TransportError::Proxy {
                address: target.origin.clone(),
                reason: cut(&error.to_string()),
            })?;
        self.over(pipe, until).await
    }

    fn reused(&self) {}

    /// A server that does not like our certificate may say so only after the handshake, as the end of the connection.
    async fn ended(&self, error: &hyper::Error) -> TransportError {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
            {
                return failed(&self.target.origin, io);
            }
            cause = error.source();
        }
        TransportError::ConnectionLost { peer: self.target.origin.clone() }
    }
}

impl Connections<'_> {
    /// HTTP over a byte stream to the target, within TLS where its URL says so.
    async fn over<S>(&self, socket: S, until: Instant) -> Result<SendRequest<Body>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (target, limits) = (self.target, &self.client.limits);
        let origin = target.origin.clone();
        if !target.tls {
            let stream = StreamIo::opened(socket.compat(), limits.answer, Ending::Close, ());
            return start(stream, origin, limits).await;
        }
        let connector = self.client.tls(self.reach, &origin).await?;
        let handshake = connector.connect(target.server_name()?, socket);
        let stream = timeout_at(until, handshake)
            .await
            .map_err(|_| TransportError::timeout(origin.clone(), Waiting::Connection, limits.handshake))?
            .map_err(|error| failed(&origin, &error))?;
        start(StreamIo::opened(stream.compat(), limits.answer, Ending::Close, ()), origin, limits).await
    }
}

/// What a broken handshake was: TLS that failed, or a connection that went away.
fn failed(origin: &str, error: &std::io::Error) -> TransportError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = tls.map_or_else(|| chain(error), |tls| chain(tls));
    TransportError::Handshake { address: origin.to_owned(), reason }
}

/// Connects to one of the addresses, one after the other, each with its part of the time that is left.
async fn connect(
    addresses: &[SocketAddr],
    target: &Target,
    limits: &Limits,
    until: Instant,
) -> Result<TcpStream, TransportError> {
    let slow = || TransportError::timeout(target.origin.clone(), Waiting::Connection, limits.handshake);
    let mut failed = slow();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let now = Instant::now();
        let part = until.saturating_duration_since(now) / left.max(1);
        left = left.saturating_sub(1);
        failed = match timeout_at(now + part, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%address, %error, "small packets may wait");
                }
                return Ok(socket);
            }
            Ok(Err(error)) => TransportError::DialFailed {
                address: cut(&format!("{} ({address})", target.origin)),
                reason: cut(&error.to_string()),
            },
            Err(_) => slow(),
        };
    }
    Err(failed)
}
