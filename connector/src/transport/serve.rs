//! The router on one stream, whatever its door: HTTP/1.1 with limits of time and of heads (spec chapter 10, `[NET-6.5]`–
//! `[NET-6.8]`); and the libp2p door, each stream that a peer opens.
//!
//! What the connection proved goes to the router as the extension [`Peer`]. Limits of content are the router's; who may
//! connect at all is `gate`'s and `https::server`'s.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use hyper::body::{Body as _, Bytes, Frame, Incoming as RequestBody, SizeHint};
use hyper::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use naru_protocol::encoding::Digest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tower::ServiceExt;

use super::body::{Broken, Held, Paced};
use super::gate::share;
use super::io::{Answering, StreamIo};
use super::limits::ServeLimits;
use super::links::Counters;
use super::streams::Accepted;

/// Bytes of a request that are buffered at once.
const BUFFER: usize = 64 << 10;

/// Which door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// A stream of a libp2p connection: `peer_id` is proven.
    Libp2p,
    /// HTTPS: `peer_id` is empty, identity is the token's or the operator's affair.
    Https,
}

/// Who is at the other end of the connection that carries a request. An extension of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The peer id that the connection proved; empty at the HTTPS door.
    pub peer_id: String,
    /// The door.
    pub door: Door,
    /// SHA-256 of the certificate whose key the client proved at the HTTPS door, if it showed one. Who that is, is not
    /// decided here: no chain was verified.
    pub certificate: Option<Digest>,
    /// The address that the HTTPS door sees; none over libp2p.
    pub remote: Option<IpAddr>,
}

impl Peer {
    /// Whom requests are charged to that no peer's token comes with: the peer id, or at the HTTPS door the address, of IPv6 its
    /// /64.
    #[must_use]
    pub fn source(&self) -> String {
        self.remote.map_or_else(|| self.peer_id.clone(), |ip| share(ip).to_string())
    }

    fn over_libp2p(peer_id: String) -> Self {
        Self { peer_id, door: Door::Libp2p, certificate: None, remote: None }
    }
}

/// The streams that peers open. Feed it to [`serve`]; dropping it resets all that come.
pub struct Incoming {
    pub(super) streams: mpsc::Receiver<Accepted>,
    pub(super) counters: Arc<Counters>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("waiting", &self.streams.len()).finish()
    }
}

/// Answers what comes in with `router` until the transport is shut down. Dropping the future ends all streams.
pub async fn serve(mut incoming: Incoming, router: Router, limits: ServeLimits) {
    let limits = Arc::new(limits);
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = incoming.streams.recv() => {
                let Some(accepted) = accepted else { break };
                let server = Server {
                    peer: Peer::over_libp2p(accepted.shared.name.to_string()),
                    working: accepted.shared.working.clone(),
                    router: router.clone(),
                    limits: limits.clone(),
                    counters: incoming.counters.clone(),
                    answering: Arc::default(),
                };
                streams.spawn(server.stream(accepted.stream.compat(), accepted.place));
            }
            Some(_) = streams.join_next() => {}
        }
    }
    while streams.join_next().await.is_some() {}
}

/// The router for one stream.
#[derive(Clone)]
pub(super) struct Server {
    /// Who is at the other end.
    pub(super) peer: Peer,
    /// Requests in work of whoever shares with this stream.
    pub(super) working: Arc<AtomicUsize>,
    pub(super) router: Router,
    pub(super) limits: Arc<ServeLimits>,
    pub(super) counters: Arc<Counters>,
    pub(super) answering: Answering,
}

impl Server {
    /// Answers one request after the other until the stream ends. `held` is dropped with the stream.
    pub(super) async fn stream<S, H>(self, stream: S, held: H)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        H: Send + Unpin + 'static,
    {
        let io = StreamIo::accepted(stream, self.limits.write_pause, self.answering.clone(), held);
        let peer = self.peer.clone();
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(self.limits.headers)
            .max_header_size(self.limits.head_bytes)
            .max_buf_size(BUFFER.max(self.limits.head_bytes))
            .writev(true);
        let service = service_fn(move |request| self.call(request));
        if let Err(error) = http.serve_connection(io, service).await {
            tracing::debug!(?peer, %error, "stream ended early");
        }
    }

    /// Begins an answer. What hyper asks of the stream next must already know that one is begun.
    fn call(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        self.answering.store(request.body().is_end_stream(), Ordering::Relaxed);
        let until_written = Answered(self.answering.clone());
        let server = self.clone();
        async move {
            let (answer, turn) = server.answer(request).await;
            Ok(answer.map(|body| Body::new(Held { body, _held: (turn, until_written) })))
        }
    }

    async fn answer(self, mut request: Request<RequestBody>) -> (Response<Body>, Option<Turn>) {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.limits.target_bytes {
            return (refusal(StatusCode::URI_TOO_LONG), None);
        }
        let Some(turn) = Turn::take(&self.working, self.limits.requests_per_peer) else {
            self.counters.refused_requests.add();
            return (refusal(StatusCode::TOO_MANY_REQUESTS), None);
        };
        request.extensions_mut().insert(self.peer.clone());
        let stalled = Arc::new(AtomicBool::new(false));
        let data = request.uri().path().starts_with(self.limits.data_path);
        let deadline = (!data).then(|| Instant::now() + self.limits.body_total);
        let request = request.map(|body| {
            let paced = Paced::new(body, self.limits.body_pause, deadline);
            Body::new(Watched { paced, stalled: stalled.clone(), answering: self.answering.clone() })
        });
        let Ok(answer) = self.router.oneshot(request).await;
        if stalled.load(Ordering::Relaxed) {
            return (refusal(StatusCode::REQUEST_TIMEOUT), Some(turn));
        }
        (answer, Some(turn))
    }
}

/// Marks the end of an answer when it is written or given up.
struct Answered(Answering);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// An answer that ends the stream, since what follows on it was not read.
fn refusal(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// A place among the requests of a peer that are in work, held until the answer is written.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(working: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        // The guard exists before the check, so that a refusal gives the place back.
        let turn = Self(working.clone());
        (working.fetch_add(1, Ordering::Relaxed) < most).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request body that tells when it stalled, so that the answer can say so, and when it is all there.
struct Watched {
    paced: Paced,
    stalled: Arc<AtomicBool>,
    answering: Answering,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = Pin::new(&mut self.paced).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(Broken::Stalled))) => self.stalled.store(true, Ordering::Relaxed),
            Poll::Ready(None) => self.answering.store(true, Ordering::Relaxed),
            Poll::Ready(Some(Ok(_))) if self.paced.is_end_stream() => {
                self.answering.store(true, Ordering::Relaxed);
            }
            Poll::Ready(Some(Ok(_) | Err(Broken::Http(_)))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.paced.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.paced.size_hint()
    }
}
