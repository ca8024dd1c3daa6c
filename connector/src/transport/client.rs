//! Requests to a peer over streams of its connections (spec chapter 10, `[NET-5.4]`–`[NET-5.9]`), and what both doors share:
//! one exchange on one stream, and the body of its answer.
//!
//! A request takes its turn among those to this peer, goes to the connection with the fewest, and there to an idle stream
//! or a new one. What went wrong is told apart as far as the wire allows. Nothing is sent twice, except a GET or HEAD
//! without content whose reused stream turned out to be closed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use libp2p::PeerId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::body::{Broken, Paced};
use super::error::{TransportError, Waiting, chain};
use super::io::{Ending, StreamIo};
use super::limits::Limits;
use super::links::{Link, Links};
use super::pool::Pool;

/// Bytes of an answer that are buffered at once.
const BUFFER: usize = 256 << 10;
/// How long a stream may need to be ready for its next request before a new one is opened instead.
const READY: Duration = Duration::from_millis(100);
/// How long to wait for word that the connection is gone, before an early end is called a refusal.
const GONE: Duration = Duration::from_millis(50);

/// Limits in time of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestTimes {
    /// From sending to the head of the answer.
    pub answer: Duration,
    /// Longest pause within the body of the answer.
    pub pause: Duration,
    /// From the call to the end of the body, waiting for a turn included. `None`: no limit.
    pub total: Option<Duration>,
}

impl RequestTimes {
    /// Those of the node's limits, and no limit on the whole.
    pub(super) fn of(limits: &Limits) -> Self {
        Self { answer: limits.answer, pause: limits.answer_pause, total: None }
    }
}

/// How a request gets its stream, and what the early end of one means there.
pub(super) trait Way: Sync {
    /// Whether the end of a stream is told from its break, so that an answer may end with it.
    fn end_is_told(&self) -> bool;

    /// Opens a stream.
    fn open(&self) -> impl Future<Output = Result<SendRequest<Body>, TransportError>> + Send;

    /// An idle stream is used again.
    fn reused(&self);

    /// What it means that a stream ended before the first byte of an answer. // NET-5.9
    fn ended(&self, error: &hyper::Error) -> impl Future<Output = TransportError> + Send;
}

/// What a request holds until its answer is read: its stream, and whatever its way counts.
pub(super) struct Lease {
    peer: String,
    pool: Arc<Pool>,
    stream: Option<SendRequest<Body>>,
    _held: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(peer: String, pool: Arc<Pool>, held: Box<dyn Send + Sync>) -> Self {
        Self { peer, pool, stream: None, _held: held }
    }

    fn peer(&self) -> String {
        self.peer.clone()
    }

    /// Takes an idle stream. True when there is one.
    async fn ready(&mut self) -> bool {
        while let Some(mut stream) = self.pool.take() {
            if let Ok(Ok(())) = timeout(READY, stream.ready()).await {
                self.stream = Some(stream);
                return true;
            }
        }
        false
    }

    /// The answer is read to its end.
    fn finish(mut self) {
        if let Some(stream) = self.stream.take() {
            self.pool.give(stream);
        }
    }
}

/// A request of ours in work on a connection.
struct Busy {
    link: Arc<Link>,
    _turn: OwnedSemaphorePermit,
}

impl Busy {
    fn new(link: Arc<Link>, turn: OwnedSemaphorePermit) -> Self {
        link.busy.fetch_add(1, Ordering::Relaxed);
        Self { link, _turn: turn }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.link.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends `request` and returns the head of the answer with its body still to come.
pub(super) async fn request(
    links: &Links,
    peer: PeerId,
    request: Request<Body>,
    times: RequestTimes,
) -> Result<Response<AnswerBody>, TransportError> {
    let deadline = times.total.map(|total| Instant::now() + total);
    let request = prepare(request, &peer.to_string())?;
    let busy = busy(links, peer, deadline).await?;
    let way = Streams { links, link: busy.link.clone() };
    let lease = Lease::new(way.link.shared.name.to_string(), way.link.pool.clone(), Box::new(busy));
    exchange(&way, lease, request, &links.limits, times, deadline).await
}

/// Sends a request on an idle stream of the lease or on a new one, and receives the head of the answer.
pub(super) async fn exchange<W: Way>(
    way: &W,
    mut lease: Lease,
    mut request: Request<Body>,
    limits: &Limits,
    times: RequestTimes,
    deadline: Option<Instant>,
) -> Result<Response<AnswerBody>, TransportError> {
    let answer_by = |from: Instant| deadline.map_or(from + times.answer, |end| end.min(from + times.answer));
    loop {
        let reused = lease.ready().await;
        if reused {
            way.reused();
        } else {
            let opened = match deadline {
                Some(end) => timeout_at(end, way.open()).await.map_err(|_| {
                    let total = times.total.unwrap_or_default();
                    TransportError::timeout(lease.peer(), Waiting::Connection, total)
                })?,
                None => way.open().await,
            };
            lease.stream = Some(opened?);
        }
        let again = (reused && repeatable(&request)).then(|| repeat(&request));
        let Some(stream) = lease.stream.as_mut() else { return Err(TransportError::Closed) };
        let sent = timeout_at(answer_by(Instant::now()), stream.try_send_request(request)).await;
        let mut failed = match sent {
            Err(_) => return Err(TransportError::timeout(lease.peer(), Waiting::Answer, times.answer)),
            Ok(Ok(answer)) => return received(way.end_is_told(), limits, lease, answer, times, deadline),
            Ok(Err(failed)) => failed,
        };
        lease.stream = None;
        // Only a stream that the peer closed while it was idle may be replaced. // NET-5.7
        match (failed.take_message(), again) {
            (Some(unsent), _) if reused => request = unsent,
            (_, Some(copy)) if closed_early(failed.error()) => request = copy,
            _ => return Err(early(way, &lease, failed.error(), times).await),
        }
    }
}

/// Waits for a turn and takes the least busy connection.
async fn busy(links: &Links, peer: PeerId, deadline: Option<Instant>) -> Result<Busy, TransportError> {
    let missing = || TransportError::NotConnected { peer: peer.to_string() };
    let shared = links.choose(peer).ok_or_else(missing)?.shared.clone();
    let turn = turn(&shared.requests, &peer.to_string(), &links.limits, deadline).await?;
    Ok(Busy::new(links.choose(peer).ok_or_else(missing)?, turn))
}

/// Waits for a place among the requests of ours to one peer.
pub(super) async fn turn(
    places: &Arc<Semaphore>,
    peer: &str,
    limits: &Limits,
    deadline: Option<Instant>,
) -> Result<OwnedSemaphorePermit, TransportError> {
    let open = Instant::now() + limits.open;
    timeout_at(deadline.map_or(open, |end| end.min(open)), places.clone().acquire_owned())
        .await
        .map_err(|_| TransportError::timeout(peer, Waiting::Turn, limits.open))?
        .map_err(|_| TransportError::Closed)
}

/// Streams of one libp2p connection.
struct Streams<'a> {
    links: &'a Links,
    link: Arc<Link>,
}

impl Way for Streams<'_> {
    fn end_is_told(&self) -> bool {
        false
    }

    async fn open(&self) -> Result<SendRequest<Body>, TransportError> {
        let limits = &self.links.limits;
        let peer = || self.link.shared.name.to_string();
        let lost = || TransportError::ConnectionLost { peer: peer() };
        let slow = || TransportError::timeout(peer(), Waiting::Stream, limits.open);
        let (wish, granted) = oneshot::channel();
        let until = Instant::now() + limits.open;
        timeout_at(until, self.link.open.send(wish)).await.map_err(|_| slow())?.map_err(|_| lost())?;
        let stream = timeout_at(until, granted).await.map_err(|_| slow())?.map_err(|_| lost())??;
        start(StreamIo::opened(stream.compat(), limits.answer, Ending::Drop, ()), peer(), limits).await
    }

    fn reused(&self) {
        self.links.counters.reused.add();
    }

    async fn ended(&self, _: &hyper::Error) -> TransportError {
        let peer = self.link.shared.name.to_string();
        match timeout(GONE, self.link.open.closed()).await {
            Ok(()) => TransportError::ConnectionLost { peer },
            Err(_) => TransportError::Refused { peer },
        }
    }
}

/// Speaks HTTP/1.1 on a stream of ours.
pub(super) async fn start<S>(
    io: TokioIo<StreamIo<S, ()>>,
    peer: String,
    limits: &Limits,
) -> Result<SendRequest<Body>, TransportError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(naru_protocol::limits::REQUEST_HEADERS)
        .max_header_size(limits.answer_head)
        .max_buf_size(BUFFER.max(limits.answer_head))
        .writev(true)
        .handshake(io)
        .await
        .map_err(|error| TransportError::Protocol { peer, reason: chain(&error) })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "stream of ours ended early");
        }
    });
    Ok(sender)
}

/// Makes the request one for a stream: target in origin form, HTTP/1.1, a Host. // NET-5.8
pub(super) fn prepare(mut request: Request<Body>, host: &str) -> Result<Request<Body>, TransportError> {
    let bad = |reason: &str| TransportError::BadRequest { reason: reason.to_owned() };
    if request.method() == Method::CONNECT {
        return Err(bad("CONNECT has no place on a stream"));
    }
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::try_from(host).map_err(|_| bad("the value of Host"))?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

fn repeatable(request: &Request<Body>) -> bool {
    (request.method() == Method::GET || request.method() == Method::HEAD) && request.body().is_end_stream()
}

fn repeat(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    *copy.version_mut() = request.version();
    request.headers().clone_into(copy.headers_mut());
    copy
}

fn io_kind(error: &hyper::Error) -> Option<std::io::ErrorKind> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// The stream ended or was reset before an answer began.
fn closed_early(error: &hyper::Error) -> bool {
    let timed_out = io_kind(error) == Some(std::io::ErrorKind::TimedOut);
    !timed_out
        && !error.is_parse()
        && (error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || io_kind(error).is_some())
}

/// What a failure before the head of the answer means. // NET-5.9
async fn early<W: Way>(way: &W, lease: &Lease, error: &hyper::Error, times: RequestTimes) -> TransportError {
    if error.is_user() {
        return TransportError::BadRequest { reason: chain(error) };
    }
    if !closed_early(error) {
        return broken(lease.peer(), error, times, naru_protocol::limits::REQUEST_HEAD as u64);
    }
    way.ended(error).await
}

fn broken(peer: String, error: &hyper::Error, times: RequestTimes, head: u64) -> TransportError {
    if error.is_parse_too_large() {
        TransportError::TooLarge { peer, what: "the head of the answer".to_owned(), limit: head }
    } else if error.is_timeout() || io_kind(error) == Some(std::io::ErrorKind::TimedOut) {
        TransportError::timeout(peer, Waiting::Answer, times.answer)
    } else if error.is_parse() {
        TransportError::Protocol { peer, reason: chain(error) }
    } else {
        TransportError::StreamReset { peer }
    }
}

/// Checks the head and wraps the body. An answer whose end would only be the end of the stream is refused where a reset
/// would look like its end. // NET-5.8
fn received(
    end_is_told: bool,
    limits: &Limits,
    lease: Lease,
    answer: Response<hyper::body::Incoming>,
    times: RequestTimes,
    deadline: Option<Instant>,
) -> Result<Response<AnswerBody>, TransportError> {
    let headers = answer.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > limits.answer_head {
        let (what, limit) = ("the head of the answer".to_owned(), limits.answer_head as u64);
        return Err(TransportError::TooLarge { peer: lease.peer(), what, limit });
    }
    let bodiless = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if !end_is_told && !framed && !bodiless && !answer.body().is_end_stream() {
        let reason = "an answer without a length".to_owned();
        return Err(TransportError::Protocol { peer: lease.peer(), reason });
    }
    Ok(answer.map(|body| AnswerBody::new(body, lease, times, deadline)))
}

/// The body of an answer. Dropping it before its end resets the stream.
#[derive(Debug)]
pub struct AnswerBody {
    body: Paced,
    peer: String,
    pause: Duration,
    lease: Option<Lease>,
}

impl AnswerBody {
    fn new(
        body: hyper::body::Incoming,
        lease: Lease,
        times: RequestTimes,
        deadline: Option<Instant>,
    ) -> Self {
        let peer = lease.peer();
        let ended = body.is_end_stream();
        let mut this = Self {
            body: Paced::new(body, times.pause, deadline),
            peer,
            pause: times.pause,
            lease: Some(lease),
        };
        if ended {
            this.finish();
        }
        this
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] beyond the limit, and whatever breaks the body off.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let too_large = |peer: &str| TransportError::TooLarge {
            peer: peer.to_owned(),
            what: "the content of the answer".to_owned(),
            limit: limit as u64,
        };
        if self.size_hint().lower() > limit as u64 {
            return Err(too_large(&self.peer));
        }
        let mut all = Vec::new();
        while let Some(data) = self.chunk().await? {
            if all.len() + data.len() > limit {
                return Err(too_large(&self.peer));
            }
            all.extend_from_slice(&data);
        }
        Ok(all.into())
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// Whatever breaks the body off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await;
            match frame.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_trailers)) => {}
            }
        }
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        if self.lease.is_none() {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        let error = match frame {
            Some(Ok(frame)) => {
                if self.body.is_end_stream() {
                    self.finish();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            None => {
                self.finish();
                return Poll::Ready(None);
            }
            Some(Err(error)) => error,
        };
        self.lease = None;
        let peer = self.peer.clone();
        Poll::Ready(Some(Err(match error {
            Broken::Stalled => TransportError::timeout(peer, Waiting::Body, self.pause),
            Broken::Http(error) if error.is_parse() => {
                TransportError::Protocol { peer, reason: chain(&error) }
            }
            Broken::Http(_) => TransportError::StreamReset { peer },
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
