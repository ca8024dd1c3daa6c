//! The networks that firms have, in one process over real sockets (spec chapter 10, NET-10 to NET-12): proxies, port 443, relays,
//! links that fail. What needs other network namespaces is in `.ci/networks`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod forwarder;
mod link;
mod middle;
mod proxy;
mod quic;
mod relay;

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use axum::{Extension, Router, body::Body, http::Request, routing::get};
use naru::transport::{Config, Limits, Network, Peer, ServeLimits, Transport, TransportError, serve};

/// How long anything may take; far above what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(listen: &[&str]) -> Config {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let seed = [NEXT.fetch_add(1, Ordering::Relaxed); 32];
    Config::new(seed, listen.iter().map(|&address| address.to_owned()).collect())
}

async fn start(config: Config) -> Transport {
    // `NARU_LOG=debug cargo test … -- --nocapture` shows what both nodes say.
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("NARU_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    }
    let (transport, incoming) = Transport::start(config).await.unwrap();
    let router = Router::new()
        .route("/who", get(|Extension(peer): Extension<Peer>| async move { peer.peer_id }))
        .route("/big", get(|| async { vec![7_u8; 4 << 20] }));
    tokio::spawn(serve(incoming, router, ServeLimits::default()));
    transport
}

/// With this network.
fn by(network: Network, listen: &[&str]) -> Config {
    Config { network, ..config(listen) }
}

/// With these limits.
fn within(limits: Limits, config: Config) -> Config {
    Config { limits, ..config }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What `to` says who asks.
async fn who(from: &Transport, to: &Transport) -> Result<String, TransportError> {
    let answer = from.request(to.peer_id(), Request::get("/who").body(Body::empty()).unwrap()).await?;
    Ok(String::from_utf8(answer.into_body().bytes(1 << 10).await?.to_vec()).unwrap())
}

/// How many bytes of a large answer come.
async fn big(from: &Transport, to: &Transport) -> Result<usize, TransportError> {
    let answer = from.request(to.peer_id(), Request::get("/big").body(Body::empty()).unwrap()).await?;
    Ok(answer.into_body().bytes(8 << 20).await?.len())
}
