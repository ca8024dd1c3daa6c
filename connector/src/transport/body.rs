//! Bodies with limits in time, for both sides of an exchange.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

/// Why a paced body ended early.
#[derive(Debug, Error)]
pub(super) enum Broken {
    /// Nothing came for too long, or the whole took too long.
    #[error("the body stood still")]
    Stalled,
    /// What hyper says.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// A received body that fails when it pauses or lasts too long.
#[derive(Debug)]
pub(super) struct Paced {
    body: Incoming,
    pause: Duration,
    deadline: Option<Instant>,
    clock: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Paced {
    pub(super) fn new(body: Incoming, pause: Duration, deadline: Option<Instant>) -> Self {
        Self { body, pause, deadline, clock: None, waiting: false }
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let pause = Instant::now() + self.pause;
        let until = self.deadline.map_or(pause, |deadline| deadline.min(pause));
        let clock = self.clock.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            clock.as_mut().reset(until);
        }
        clock.as_mut().poll(cx).is_ready()
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(_))) if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                Poll::Ready(Some(Err(Broken::Stalled)))
            }
            Poll::Ready(frame) => {
                self.waiting = false;
                Poll::Ready(frame.map(|frame| frame.map_err(Broken::Http)))
            }
            Poll::Pending if self.stalled(cx) => Poll::Ready(Some(Err(Broken::Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that holds `G` until it is sent or dropped.
pub(super) struct Held<G> {
    pub(super) body: axum::body::Body,
    pub(super) _held: G,
}

impl<G: Unpin> Body for Held<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
