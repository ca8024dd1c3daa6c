//! The loopback door of the management API: connections, how many and how slow they may be.
//!
//! What is asked is the router's. Everything here stands on this machine, but a program that hangs or a page that a browser
//! was made to load must not use up what operators need.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::TokioTimer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use crate::transport::{Ending, StreamIo};

/// Limits of the door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at the same time; the next one is closed.
    pub(super) connections: usize,
    /// Time for the head of a request.
    pub(super) head: Duration,
    /// Bytes of the head of a request.
    pub(super) head_bytes: usize,
    /// Headers of a request.
    pub(super) headers: usize,
    /// How long a write may make no progress.
    pub(super) write_pause: Duration,
    /// How long answers that are under way may go on when the node stops.
    pub(super) goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(10),
            head_bytes: 16 << 10,
            headers: 64,
            write_pause: Duration::from_secs(30),
            goodbye: Duration::from_secs(2),
        }
    }
}

/// Pause after the system could not give a connection, which is when it has no more files.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until `stop` turns true or nobody could turn it any more.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => match room.clone().try_acquire_owned() {
                    Ok(place) => drop(connections.spawn(converse(socket, router.clone(), limits, stop.clone(), place))),
                    // Dropped, which closes it.
                    Err(_) => tracing::debug!("a management connection over the limit was closed"),
                },
                Err(error) => {
                    tracing::warn!(%error, "the management door could not take a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let until = tokio::time::sleep(limits.goodbye);
    tokio::pin!(until);
    while !connections.is_empty() {
        tokio::select! {
            () = &mut until => break,
            _ = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

/// One connection.
async fn converse(
    socket: TcpStream,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) {
    let _ = socket.set_nodelay(true);
    let io = StreamIo::opened(socket, limits.write_pause, Ending::Close, place);
    let service =
        service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(64 << 10));
    let mut connection = std::pin::pin!(http.serve_connection(io, service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {
            // The answer that is under way is finished, and nothing more is read.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a management connection ended early");
    }
}
