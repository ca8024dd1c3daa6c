//! Requests to a peer over streams of its connections (spec chapter 10, `[NET-5.4]`–`[NET-5.9]`).
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
use libp2p::PeerId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{Broken, Paced};
use super::error::{TransportError, Waiting, chain};
use super::io::StreamIo;
use super::limits::Limits;
use super::links::{Link, Links};

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

/// What a request holds until its answer is read: its turn, its place on the connection, its stream.
#[derive(Debug)]
struct Lease {
    link: Arc<Link>,
    stream: Option<SendRequest<Body>>,
    _turn: OwnedSemaphorePermit,
}

impl Lease {
    fn new(link: Arc<Link>, turn: OwnedSemaphorePermit) -> Self {
        link.busy.fetch_add(1, Ordering::Relaxed);
        Self { link, stream: None, _turn: turn }
    }

    fn peer(&self) -> String {
        self.link.shared.name.to_string()
    }

    /// The answer is read to its end.
    fn finish(mut self) {
        if let Some(stream) = self.stream.take() {
            self.link.pool.give(stream);
        }
    }
}

impl Drop for Lease {
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
    let limits = &links.limits;
    let deadline = times.total.map(|total| Instant::now() + total);
    let mut request = prepare(request, peer)?;
    let answer_by = |from: Instant| deadline.map_or(from + times.answer, |end| end.min(from + times.answer));
    let mut lease = lease(links, peer, deadline).await?;
    loop {
        let reused = ready(&mut lease).await;
        if reused {
            links.counters.reused.add();
        } else {
            open(limits, &mut lease).await?;
        }
        let again = (reused && repeatable(&request)).then(|| repeat(&request));
        let Some(stream) = lease.stream.as_mut() else { return Err(TransportError::Closed) };
        let sent = timeout_at(answer_by(Instant::now()), stream.try_send_request(request)).await;
        let mut failed = match sent {
            Err(_) => return Err(TransportError::timeout(lease.peer(), Waiting::Answer, times.answer)),
            Ok(Ok(answer)) => return received(limits, lease, answer, times, deadline),
            Ok(Err(failed)) => failed,
        };
        lease.stream = None;
        // Only a stream that the peer closed while it was idle may be replaced. // NET-5.7
        match (failed.take_message(), again) {
            (Some(unsent), _) if reused => request = unsent,
            (_, Some(copy)) if closed_early(failed.error()) => request = copy,
            _ => return Err(early(&lease, failed.error(), times).await),
        }
    }
}

/// Waits for a turn and takes the least busy connection.
async fn lease(links: &Links, peer: PeerId, deadline: Option<Instant>) -> Result<Lease, TransportError> {
    let missing = || TransportError::NotConnected { peer: peer.to_string() };
    let shared = links.choose(peer).ok_or_else(missing)?.shared.clone();
    let open = Instant::now() + links.limits.open;
    let turn =
        timeout_at(deadline.map_or(open, |end| end.min(open)), shared.requests.clone().acquire_owned())
            .await
            .map_err(|_| TransportError::timeout(peer.to_string(), Waiting::Turn, links.limits.open))?
            .map_err(|_| TransportError::Closed)?;
    Ok(Lease::new(links.choose(peer).ok_or_else(missing)?, turn))
}

/// Takes an idle stream. True when there is one.
async fn ready(lease: &mut Lease) -> bool {
    while let Some(mut stream) = lease.link.pool.take() {
        if let Ok(Ok(())) = timeout(READY, stream.ready()).await {
            lease.stream = Some(stream);
            return true;
        }
    }
    false
}

/// Opens a stream on the connection of the lease.
async fn open(limits: &Limits, lease: &mut Lease) -> Result<(), TransportError> {
    let lost = |lease: &Lease| TransportError::ConnectionLost { peer: lease.peer() };
    let slow = |lease: &Lease| TransportError::timeout(lease.peer(), Waiting::Stream, limits.open);
    let (wish, granted) = oneshot::channel();
    let until = Instant::now() + limits.open;
    timeout_at(until, lease.link.open.send(wish)).await.map_err(|_| slow(lease))?.map_err(|_| lost(lease))?;
    let stream = timeout_at(until, granted).await.map_err(|_| slow(lease))?.map_err(|_| lost(lease))??;
    let io = StreamIo::opened(stream, limits.answer, ());
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(naru_protocol::limits::REQUEST_HEADERS)
        .max_header_size(limits.answer_head)
        .max_buf_size(BUFFER.max(limits.answer_head))
        .writev(true)
        .handshake(io)
        .await
        .map_err(|error| TransportError::Protocol { peer: lease.peer(), reason: chain(&error) })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "stream of ours ended early");
        }
    });
    lease.stream = Some(sender);
    Ok(())
}

/// Makes the request one for a stream: target in origin form, HTTP/1.1, a Host. // NET-5.8
fn prepare(mut request: Request<Body>, peer: PeerId) -> Result<Request<Body>, TransportError> {
    let bad = |reason: &str| TransportError::BadRequest { reason: reason.to_owned() };
    if request.method() == Method::CONNECT {
        return Err(bad("CONNECT has no place on a stream"));
    }
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::try_from(peer.to_string()).map_err(|_| bad("peer id as Host"))?;
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
async fn early(lease: &Lease, error: &hyper::Error, times: RequestTimes) -> TransportError {
    let peer = lease.peer();
    if error.is_user() {
        return TransportError::BadRequest { reason: chain(error) };
    }
    if !closed_early(error) {
        return broken(peer, error, times, naru_protocol::limits::REQUEST_HEAD as u64);
    }
    match timeout(GONE, lease.link.open.closed()).await {
        Ok(()) => TransportError::ConnectionLost { peer },
        Err(_) => TransportError::Refused { peer },
    }
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

/// Checks the head and wraps the body. An answer whose end would only be the end of the stream is refused: a reset would
/// look like its end. // NET-5.8
fn received(
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
    if !framed && !bodiless && !answer.body().is_end_stream() {
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
