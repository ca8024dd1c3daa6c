//! The idle streams of one connection, kept for the next request (spec chapter 10, `[NET-5.5]`).
//!
//! Opening a stream costs a round trip for its protocol; an idle one costs none. They are few and short-lived, since
//! each takes a place in our share at the peer and keeps the connection from being idle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::client::conn::http1::SendRequest;

use super::limits::Limits;
use super::links::lock;

/// Idle streams of one connection.
#[derive(Debug)]
pub(super) struct Pool {
    most: usize,
    keep: Duration,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    streams: VecDeque<(Instant, SendRequest<Body>)>,
    sweeping: bool,
    closed: bool,
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { most: limits.idle_streams, keep: limits.idle_stream, idle: Mutex::default() }
    }

    /// The stream used last, if it still lives.
    pub(super) fn take(&self) -> Option<SendRequest<Body>> {
        let mut idle = lock(&self.idle);
        while let Some((since, stream)) = idle.streams.pop_back() {
            if !stream.is_closed() && since.elapsed() < self.keep {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a stream whose answer was read to its end; drops it, which closes it, where there are enough.
    pub(super) fn give(self: &Arc<Self>, stream: SendRequest<Body>) {
        let mut idle = lock(&self.idle);
        if idle.closed || stream.is_closed() || idle.streams.len() >= self.most {
            return;
        }
        idle.streams.push_back((Instant::now(), stream));
        if !idle.sweeping {
            idle.sweeping = true;
            let (pool, keep) = (Arc::downgrade(self), self.keep);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(keep).await;
                    if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
                        return;
                    }
                }
            });
        }
    }

    /// Drops what is too old. False when nothing is left.
    fn sweep(&self) -> bool {
        let mut idle = lock(&self.idle);
        idle.streams.retain(|(since, stream)| !stream.is_closed() && since.elapsed() < self.keep);
        idle.sweeping = !idle.streams.is_empty();
        idle.sweeping
    }

    /// Drops all and takes no more: the connection is gone.
    pub(super) fn close(&self) {
        let mut idle = lock(&self.idle);
        idle.closed = true;
        idle.streams.clear();
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.idle).streams.len()
    }
}
