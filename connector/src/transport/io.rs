//! A libp2p stream as hyper reads and writes it, with a limit on standing still.
//!
//! A peer that stops reading would hold a stream, its buffers and its task for ever; a write that makes no progress for
//! the given time fails instead. // NET-6.7

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use libp2p::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// True while a request is received as a whole and its answer is not: the peer may then close its side. // NET-5.1
pub(super) type Answering = Arc<AtomicBool>;

/// A stream for hyper that holds `T` for as long as it lives.
pub(super) struct StreamIo<T> {
    stream: Compat<Stream>,
    pause: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    answering: Option<Answering>,
    _held: T,
}

impl<T: Unpin> StreamIo<T> {
    /// A stream that a peer opened.
    pub(super) fn accepted(stream: Stream, pause: Duration, answering: Answering, held: T) -> TokioIo<Self> {
        TokioIo::new(Self { answering: Some(answering), ..Self::opened(stream, pause, held).into_inner() })
    }

    /// A stream that we opened.
    pub(super) fn opened(stream: Stream, pause: Duration, held: T) -> TokioIo<Self> {
        let stream = stream.compat();
        TokioIo::new(Self { stream, pause, stall: None, waiting: false, answering: None, _held: held })
    }

    /// Starts the clock on the first pending write and stops it on progress.
    fn watch<R>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        let until = Instant::now() + self.pause;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            stall.as_mut().reset(until);
        }
        if stall.as_mut().poll(cx).is_ready() {
            self.waiting = false;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: Unpin> AsyncRead for StreamIo<T> {
    /// Hides the end that a peer may set before its answer, so that hyper goes on, but not a reset, so that hyper drops
    /// the work for a peer that gave up. Hyper's own switch for half-closed peers hides both.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (had, room) = (buf.filled().len(), buf.remaining());
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let ended = matches!(polled, Poll::Ready(Ok(()))) && room > 0 && buf.filled().len() == had;
        let answering = self.answering.as_ref().is_some_and(|answering| answering.load(Ordering::Relaxed));
        if ended && answering { Poll::Pending } else { polled }
    }
}

impl<T: Unpin> AsyncWrite for StreamIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answering.is_none() {
            // Our request has its length; closing our side would only say that we still wait. Dropping the stream
            // resets it, which tells the peer that we do not.
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}
