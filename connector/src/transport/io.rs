//! A stream of any door as hyper reads and writes it, with a limit on standing still.
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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// True while a request is received as a whole and its answer is not: the peer may then close its side. // NET-5.1
pub(super) type Answering = Arc<AtomicBool>;

/// How our side of a stream ends when hyper is done with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is closed: what we sent was all.
    Close,
    /// It is dropped, which resets a stream of libp2p.
    Drop,
}

/// A stream for hyper that holds `T` for as long as it lives.
pub(crate) struct StreamIo<S, T> {
    stream: S,
    pause: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    answering: Option<Answering>,
    ending: Ending,
    _held: T,
}

impl<S: Unpin, T: Unpin> StreamIo<S, T> {
    /// A stream that a peer opened.
    pub(super) fn accepted(stream: S, pause: Duration, answering: Answering, held: T) -> TokioIo<Self> {
        let opened = Self::opened(stream, pause, Ending::Close, held).into_inner();
        TokioIo::new(Self { answering: Some(answering), ..opened })
    }

    /// A stream that we opened.
    pub(crate) fn opened(stream: S, pause: Duration, ending: Ending, held: T) -> TokioIo<Self> {
        TokioIo::new(Self {
            stream,
            pause,
            stall: None,
            waiting: false,
            answering: None,
            ending,
            _held: held,
        })
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

impl<S: AsyncRead + Unpin, T: Unpin> AsyncRead for StreamIo<S, T> {
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

impl<S: AsyncWrite + Unpin, T: Unpin> AsyncWrite for StreamIo<S, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending == Ending::Drop {
            // Our request has its length; closing our side would only say that we still wait. Dropping the stream
            // resets it, which tells the peer that we do not.
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }
}
