//! Yamux with a bounded receive window, larger frames and explicit refusal (spec chapter 10, `[NET-4.*]`).
//!
//! A thin wrapper of `yamux::Connection`. The stock one cannot bound the memory of a connection, sends 16 KiB frames
//! only, cannot tell a stream that the peer reset from one that ended, and leaves the readers of a connection that this
//! side closes waiting for ever; all four matter here.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use futures::future::{Ready, ready};
use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

use super::limits::Limits;
use super::links::{Counters, Record};

/// Name of the multiplexer in multistream-select.
const YAMUX: &str = "/yamux/1.0.0";
/// Bytes that yamux lets the peer send on each stream before we read any of them.
const CREDIT: usize = yamux::DEFAULT_CREDIT as usize;
/// Streams that may wait until the swarm negotiates their protocol. The next one is reset.
const WAITING: usize = 64;
/// Streams taken from the connection before others get their turn.
const BATCH: usize = 32;

/// The multiplexing upgrade of one connection.
#[derive(Clone)]
pub(super) struct Yamux {
    config: yamux::Config,
    record: Arc<Record>,
    counters: Arc<Counters>,
}

impl Yamux {
    /// `record` lives as long as the connection.
    pub(super) fn new(limits: &Limits, record: Arc<Record>, counters: Arc<Counters>) -> Self {
        let streams = limits.streams_per_connection.clamp(8, 4096);
        let mut config = yamux::Config::default();
        // Streams first: the window must cover the least credit of all of them. // NET-4.2
        config.set_max_num_streams(streams);
        config.set_max_connection_receive_window(Some(streams * CREDIT + limits.window_growth));
        config.set_split_send_size(limits.frame.clamp(1 << 10, CREDIT));
        Self { config, record, counters }
    }

    fn start<C: AsyncRead + AsyncWrite + Unpin>(self, io: C, mode: yamux::Mode) -> Muxer<C> {
        Muxer {
            connection: yamux::Connection::new(io, self.config, mode),
            waiting: VecDeque::new(),
            waker: None,
            streams: Vec::new(),
            sweep_at: WAITING,
            counters: self.counters,
            _record: self.record,
        }
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = [&'static str; 1];

    fn protocol_info(&self) -> Self::InfoIter {
        [YAMUX]
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: &'static str) -> Self::Future {
        ready(Ok(self.start(socket, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: &'static str) -> Self::Future {
        ready(Ok(self.start(socket, yamux::Mode::Client)))
    }
}

/// One multiplexed connection.
pub(super) struct Muxer<C> {
    connection: yamux::Connection<C>,
    waiting: VecDeque<Substream>,
    waker: Option<Waker>,
    /// To tell the streams that the connection is gone.
    streams: Vec<Weak<Gone>>,
    /// At this many, those that no longer live are forgotten.
    sweep_at: usize,
    counters: Arc<Counters>,
    _record: Arc<Record>,
}

impl<C> Muxer<C> {
    fn substream(&mut self, stream: yamux::Stream) -> Substream {
        if self.streams.len() >= self.sweep_at {
            self.streams.retain(|gone| gone.strong_count() > 0);
            self.sweep_at = WAITING.max(2 * self.streams.len());
        }
        let gone = Arc::new(Gone::default());
        self.streams.push(Arc::downgrade(&gone));
        Substream { stream, closed: false, gone }
    }

    fn tell_gone(&mut self) {
        for gone in self.streams.drain(..).filter_map(|gone| gone.upgrade()) {
            gone.gone.store(true, Ordering::Release);
            gone.reader.wake();
            gone.writer.wake();
        }
    }
}

impl<C> Drop for Muxer<C> {
    fn drop(&mut self) {
        self.tell_gone();
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        // `poll` reads the connection; here is only what it found.
        if let Some(stream) = self.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let opened = self.connection.poll_new_outbound(cx).map_err(into_io);
        opened.map_ok(|stream| self.substream(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tell_gone();
        self.connection.poll_close(cx).map_err(into_io)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        for _ in 0..BATCH {
            match self.connection.poll_next_inbound(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(into_io(error))),
                // Dropping resets it: the peer learns at once. // NET-4.3
                Poll::Ready(Some(Ok(stream))) if self.waiting.len() >= WAITING => {
                    drop(stream);
                    self.counters.refused_waiting.add();
                }
                Poll::Ready(Some(Ok(stream))) => {
                    let stream = self.substream(stream);
                    self.waiting.push_back(stream);
                    if let Some(waker) = self.waker.take() {
                        waker.wake();
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn into_io(error: yamux::ConnectionError) -> io::Error {
    if let yamux::ConnectionError::Io(error) = error { error } else { io::Error::other(error) }
}

/// Whether the connection of a stream is gone, and whom to wake then.
#[derive(Default)]
struct Gone {
    gone: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Gone {
    /// Ends a wait when the connection is gone.
    fn or<T>(
        &self,
        waker: &AtomicWaker,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        // Register first: who sets the flag after the look wakes us.
        waker.register(cx.waker());
        if self.gone.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Pending
    }
}

/// A stream that tells a reset from an end, and ends with its connection.
pub(super) struct Substream {
    stream: yamux::Stream,
    closed: bool,
    gone: Arc<Gone>,
}

impl AsyncRead for Substream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        // Yamux answers 0 for a peer that finished and for one that reset. The stream is only closed as a whole when
        // both sides finished, and this side did not. // NET-4.4
        if matches!(read, Poll::Ready(Ok(0))) && !buf.is_empty() && !self.closed && self.stream.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.gone.or(&self.gone.reader, cx, read)
    }
}

impl AsyncWrite for Substream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.gone.or(&self.gone.writer, cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.gone.or(&self.gone.writer, cx, flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        self.gone.or(&self.gone.writer, cx, closed)
    }
}
