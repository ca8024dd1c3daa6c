//! Bytes in WebSocket frames (RFC 6455, section 5; spec chapter 10, NET-10.2).
//!
//! What is read goes straight to the reader, frame by frame, so that a frame of any length costs no memory; where frames begin
//! and end means nothing. One task reads and writes, as the layers above do: a pong is written by whoever is polled next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::super::limits::OUTER_FRAME;

const CONTINUED: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Bytes that a control frame may carry.
const CONTROL: usize = 125;

/// Which side of the connection this is: a client masks what it sends, a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What is being read.
#[derive(Debug)]
enum Reading {
    /// The head of a frame, so far.
    Head(Vec<u8>),
    /// Data of a frame: how much is left, the mask and how far it has turned.
    Data { left: u64, mask: [u8; 4], turn: usize },
    /// A control frame, so far.
    Control { kind: u8, left: usize, mask: [u8; 4], body: Vec<u8> },
    /// The peer has closed.
    Ended,
}

/// A byte stream over a WebSocket.
#[derive(Debug)]
pub(super) struct Frames<S> {
    inner: S,
    side: Side,
    reading: Reading,
    /// A message of several frames is under way.
    within: bool,
    out: Vec<u8>,
    written: usize,
    closing: bool,
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Length of a frame's head, from what is there of it.
fn head_length(head: &[u8]) -> usize {
    let Some(second) = head.get(1) else { return 2 };
    let long = match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + long + if second & MASKED == 0 { 0 } else { 4 }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    pub(super) fn new(inner: S, side: Side) -> Self {
        let reading = Reading::Head(Vec::with_capacity(14));
        Self { inner, side, reading, within: false, out: Vec::new(), written: 0, closing: false }
    }

    /// A whole head says what follows it.
    fn begin(&mut self, head: &[u8]) -> io::Result<Reading> {
        let (first, second) = (head.first().copied().unwrap_or(0), head.get(1).copied().unwrap_or(0));
        let (kind, last, masked) = (first & 0x0f, first & LAST != 0, second & MASKED != 0);
        if first & 0x70 != 0 {
            return Err(broken("a WebSocket frame with an extension that nobody asked for"));
        }
        if masked != (self.side == Side::Server) {
            return Err(broken("a WebSocket frame that is masked as only the other side does"));
        }
        let rest = head.get(2..).unwrap_or_default();
        let (length, mask) = rest.split_at(rest.len() - if masked { 4 } else { 0 });
        let mask = <[u8; 4]>::try_from(mask).unwrap_or_default();
        let said = length.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let left = if length.is_empty() { u64::from(second & !MASKED) } else { said };
        match kind {
            BINARY if !self.within => self.within = !last,
            CONTINUED if self.within => self.within = !last,
            CLOSE | PING | PONG if last && left <= CONTROL as u64 => {
                let left = usize::try_from(left).unwrap_or(0);
                return Ok(Reading::Control { kind, left, mask, body: Vec::new() });
            }
            _ => return Err(broken("a WebSocket frame of a kind that does not belong here")),
        }
        Ok(Reading::Data { left, mask, turn: 0 })
    }

    /// A whole control frame was read.
    fn control(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        self.reading = Reading::Head(Vec::with_capacity(14));
        match kind {
            CLOSE => {
                self.reading = Reading::Ended;
                self.say_close()?;
            }
            // One answer at a time: who pings without reading gets no queue of pongs.
            PING if self.out.is_empty() => self.frame(PONG, body)?,
            _ => {}
        }
        Ok(())
    }

    fn say_close(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.closing, true) {
            self.frame(CLOSE, &1000_u16.to_be_bytes())?;
        }
        Ok(())
    }

    /// Adds one frame to what is to be written.
    fn frame(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let masked = if self.side == Side::Client { MASKED } else { 0 };
        self.out.push(LAST | kind);
        match (u8::try_from(body.len()), u16::try_from(body.len())) {
            (Ok(short), _) if short < 126 => self.out.push(masked | short),
            (_, Ok(middle)) => {
                self.out.push(masked | 126);
                self.out.extend(middle.to_be_bytes());
            }
            (_, Err(_)) => {
                self.out.push(masked | 127);
                self.out.extend((body.len() as u64).to_be_bytes());
            }
        }
        if masked == 0 {
            self.out.extend_from_slice(body);
            return Ok(());
        }
        let mask = getrandom::u32().map_err(io::Error::other)?.to_ne_bytes();
        self.out.extend(mask);
        let at = self.out.len();
        self.out.extend_from_slice(body);
        unmask(self.out.get_mut(at..).unwrap_or_default(), mask, 0);
        Ok(())
    }

    /// Writes what is to be written.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads into `buf`; an end within a frame is an error, for it is not the peer's.
    fn poll_some(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.inner).poll_read(cx, buf))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            n => Poll::Ready(Ok(n)),
        }
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4], turn: usize) {
    for (byte, key) in bytes.iter_mut().zip(mask.iter().cycle().skip(turn % 4)) {
        *byte ^= key;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let state = std::mem::replace(&mut this.reading, Reading::Ended);
            match state {
                Reading::Ended => {
                    // The answer to a close, if it can still be written.
                    let _ = this.poll_out(cx);
                    return Poll::Ready(Ok(0));
                }
                Reading::Head(mut head) if head.len() < head_length(&head) => {
                    let mut more = [0; 14];
                    let wanted = head_length(&head) - head.len();
                    let polled = Pin::new(&mut this.inner)
                        .poll_read(cx, more.get_mut(..wanted).unwrap_or_default())?;
                    if let Poll::Ready(n) = polled {
                        head.extend(more.iter().take(n));
                    }
                    match polled {
                        // An end between frames without a close is how many end. What is above tells a cut from an end.
                        Poll::Ready(0) if head.is_empty() => return Poll::Ready(Ok(0)),
                        Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                        Poll::Ready(_) => this.reading = Reading::Head(head),
                        Poll::Pending => {
                            this.reading = Reading::Head(head);
                            return Poll::Pending;
                        }
                    }
                }
                Reading::Head(head) => this.reading = this.begin(&head)?,
                Reading::Data { left: 0, .. } => this.reading = Reading::Head(Vec::with_capacity(14)),
                Reading::Data { left, mask, turn } => {
                    this.reading = Reading::Data { left, mask, turn };
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let part = buf.get_mut(..most).unwrap_or_default();
                    if part.is_empty() {
                        return Poll::Ready(Ok(0));
                    }
                    let n = ready!(this.poll_some(cx, part))?;
                    unmask(part.get_mut(..n).unwrap_or_default(), mask, turn);
                    this.reading = Reading::Data { left: left - n as u64, mask, turn: (turn + n) % 4 };
                    return Poll::Ready(Ok(n));
                }
                Reading::Control { kind, left: 0, mask, mut body } => {
                    unmask(&mut body, mask, 0);
                    this.control(kind, &body)?;
                    // Without its own wake: a write that waits is polled again by the task that reads.
                    if let Poll::Ready(Err(error)) = this.poll_out(cx) {
                        return Poll::Ready(Err(error));
                    }
                }
                Reading::Control { kind, left, mask, mut body } => {
                    let mut more = [0; CONTROL];
                    let polled = this.poll_some(cx, more.get_mut(..left).unwrap_or_default())?;
                    let n = if let Poll::Ready(n) = polled { n } else { 0 };
                    body.extend(more.iter().take(n));
                    this.reading = Reading::Control { kind, left: left - n, mask, body };
                    if polled.is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(cx))?;
        if self.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = buf.get(..buf.len().min(OUTER_FRAME)).unwrap_or(buf);
        if !part.is_empty() {
            self.frame(BINARY, part)?;
        }
        // As much as goes now; the rest with the next write or flush.
        match self.poll_out(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(part.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_close()?;
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    use super::*;

    /// What a side makes of these bytes.
    async fn read(side: Side, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (mut a, b) = tokio::io::duplex(1 << 16);
        tokio::io::AsyncWriteExt::write_all(&mut a, bytes).await?;
        tokio::io::AsyncWriteExt::shutdown(&mut a).await?;
        let mut all = Vec::new();
        Frames::new(b.compat(), side).read_to_end(&mut all).await?;
        Ok(all)
    }

    #[tokio::test]
    async fn frames_of_the_standard_are_read() {
        // NET-10.2: the examples of RFC 6455, section 5.7, as binary.
        let masked = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(Side::Server, &masked).await.unwrap(), b"Hello");
        let parts = [0x02, 0x03, 0x48, 0x65, 0x6c, 0x89, 0x01, 0x21, 0x80, 0x02, 0x6c, 0x6f];
        assert_eq!(read(Side::Client, &parts).await.unwrap(), b"Hello");
        let mut long = vec![0x82, 126, 1, 0];
        long.extend([7; 256]);
        assert_eq!(read(Side::Client, &long).await.unwrap(), [7; 256]);
        assert_eq!(read(Side::Client, &[0x82, 1, 5, 0x88, 0]).await.unwrap(), [5]);
    }

    #[tokio::test]
    async fn frames_that_do_not_belong_are_refused() {
        // NET-10.2
        for (side, wrong) in [
            (Side::Server, vec![0x82, 0x01, 5]),
            (Side::Client, vec![0x82, 0x81, 0, 0, 0, 0, 5]),
            (Side::Client, vec![0x81, 1, 5]),
            (Side::Client, vec![0x80, 1, 5]),
            (Side::Client, vec![0x02, 1, 5, 0x82, 1, 5]),
            (Side::Client, vec![0xc2, 1, 5]),
            (Side::Client, vec![0x09, 0]),
            (Side::Client, [vec![0x89, 126, 0, 126], vec![0; 126]].concat()),
            (Side::Client, vec![0x82, 5, 1]),
            (Side::Client, vec![0x82]),
            (Side::Client, vec![0x82, 127, 0xff]),
        ] {
            assert!(read(side, &wrong).await.is_err(), "{wrong:x?}");
        }
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_a_close_too() {
        // NET-10.2
        let (mut a, b) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut a, &[0x89, 2, 1, 2, 0x88, 0]).await.unwrap();
        let mut frames = Frames::new(b.compat(), Side::Client);
        assert_eq!(frames.read(&mut [0; 4]).await.unwrap(), 0);
        let mut raw = vec![0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut a, &mut raw).await.unwrap();
        let (pong, close) = raw.split_at(8);
        assert_eq!((pong[0], pong[1], pong[6] ^ pong[2], pong[7] ^ pong[3]), (0x8a, 0x82, 1, 2));
        assert_eq!(close[..2], [0x88, 0x82]);
        assert!(frames.write(&[1]).await.is_err(), "after a close there is nothing to say");
    }
}
