//! Our node against stock libp2p stacks, and against peers that misbehave on a stream (spec chapter 10).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use hyper::Request;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, noise, ping, tcp, tls, yamux};
use tokio::sync::{mpsc, oneshot};

use super::client::{self, RequestTimes};
use super::links::Links;
use super::streams::Streams;
use super::{Config, Incoming, Limits, Peer, ServeLimits, Transport, TransportError, serve};

/// A swarm built the way libp2p's documentation says, with our stream behaviour on top.
struct Stock {
    peer: PeerId,
    address: String,
    links: Arc<Links>,
}

#[derive(Clone, Copy)]
enum Only {
    Noise,
    Tls,
}

fn router() -> Router {
    Router::new()
        .route("/who", get(|Extension(peer): Extension<Peer>| async move { peer.peer_id }))
        .route("/big", get(|| async { vec![7_u8; 4 << 20] }))
}

async fn run<B>(mut swarm: Swarm<B>, dial: Option<Multiaddr>) -> String
where
    B: libp2p::swarm::NetworkBehaviour + Send,
    B::ToSwarm: Send,
{
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    if let Some(address) = dial {
        swarm.dial(address).unwrap();
    }
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let mut tell = Some(tell);
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(address.to_string());
            }
        }
    });
    told.await.unwrap()
}

async fn stock(only: Only, dial: Option<&str>) -> Stock {
    let links = Arc::new(Links::new(Limits::default()));
    let (accept, accepted) = mpsc::channel(16);
    let streams = Streams::new(links.clone(), accept);
    let builder = SwarmBuilder::with_new_identity().with_tokio();
    let tcp = tcp::Config::default();
    let (behaviour, idle) = (move |_: &Keypair| streams, Duration::from_secs(60));
    let swarm = match only {
        Only::Noise => builder
            .with_tcp(tcp, noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(behaviour)
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
            .build(),
        Only::Tls => builder
            .with_tcp(tcp, tls::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(behaviour)
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
            .build(),
    };
    let peer = *swarm.local_peer_id();
    let incoming = Incoming { streams: accepted, counters: links.counters.clone() };
    tokio::spawn(serve(incoming, router(), ServeLimits::default()));
    let address = run(swarm, dial.map(|address| address.parse().unwrap())).await;
    Stock { peer, address, links }
}

async fn ours(serving: ServeLimits) -> Transport {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let seed = Keypair::generate_ed25519().try_into_ed25519().unwrap().secret().as_ref().try_into().unwrap();
    let (transport, incoming) = Transport::start(Config::new(seed, listen)).await.unwrap();
    tokio::spawn(serve(incoming, router(), serving));
    transport
}

async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

fn ask() -> Request<Body> {
    Request::get("/who").body(Body::empty()).unwrap()
}

/// Requests in both directions over the one connection there is.
async fn both_ways(stock: &Stock, ours: &Transport) {
    let us: PeerId = ours.peer_id().parse().unwrap();
    until(|| ours.is_connected(&stock.peer.to_string()) && !stock.links.of(us).is_empty()).await;
    let times = RequestTimes::of(&stock.links.limits);
    let answer = client::request(&stock.links, us, ask(), times).await.unwrap();
    assert_eq!(answer.into_body().bytes(1000).await.unwrap(), stock.peer.to_string());
    let answer = ours.request(&stock.peer.to_string(), ask()).await.unwrap();
    assert_eq!(answer.into_body().bytes(1000).await.unwrap(), ours.peer_id());
    assert_eq!(ours.connected().len(), 1);
}

async fn meets_stock(only: Only, security: [&str; 2]) {
    let node = ours(ServeLimits::default()).await;
    let dialled = stock(only, None).await;
    node.dial(&format!("{}/p2p/{}", dialled.address, dialled.peer)).await.unwrap();
    both_ways(&dialled, &node).await;
    assert_eq!(node.connected()[0].security, security[0], "we dialled");
    let node = ours(ServeLimits::default()).await;
    let dialler = stock(only, Some(&node.listen_addrs()[0])).await;
    both_ways(&dialler, &node).await;
    assert_eq!(node.connected()[0].security, security[1], "it dialled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_peer_with_tls_only() {
    // NET-3.1, NET-3.3, NET-4.1: the order of the listener counts, so a stock client gets AES from us; a stock listener follows
    // the order of its client, which is ours.
    let aes = "/tls/1.0.0 TLS13_AES_128_GCM_SHA256 X25519MLKEM768";
    meets_stock(Only::Tls, [aes, aes]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_peer_with_noise_only() {
    // NET-3.1
    let noise = "/noise XX_25519_ChaChaPoly_SHA256";
    meets_stock(Only::Noise, [noise, noise]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_protocol_that_one_side_does_not_know_is_refused() {
    // NET-5.1: the peer speaks ping alone.
    let node = ours(ServeLimits::default()).await;
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| ping::Behaviour::default())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let peer = swarm.local_peer_id().to_string();
    let address = run(swarm, None).await;
    node.dial(&address).await.unwrap();
    let refused = node.request(&peer, ask()).await.map(|_| ());
    let protocol = "/http/1.1".to_owned();
    assert_eq!(refused, Err(TransportError::UnsupportedProtocol { peer, protocol }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identify_tells_no_addresses() {
    // NET-2.4
    let node = ours(ServeLimits::default()).await;
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| identify::Behaviour::new(identify::Config::new("x".to_owned(), key.public())))
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.dial(node.listen_addrs()[0].parse::<Multiaddr>().unwrap()).unwrap();
    let info = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let SwarmEvent::Behaviour(identify::Event::Received { info, .. }) =
                swarm.select_next_some().await
            {
                break info;
            }
        }
    })
    .await
    .unwrap();
    assert!(info.listen_addrs.is_empty(), "{:?}", info.listen_addrs);
    assert!(info.agent_version.starts_with("naru/") && info.protocol_version == "naru/1");
    assert!(info.protocols.contains(&super::streams::HTTP));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_its_answer_loses_the_stream() {
    // NET-6.7
    let node = ours(ServeLimits { write_pause: Duration::from_millis(300), ..ServeLimits::default() }).await;
    let greedy = stock(Only::Tls, Some(&node.listen_addrs()[0])).await;
    let mut stream = raw(&greedy, &node).await;
    stream.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.is_empty() && rest.len() < 4 << 20, "{}", rest.len());
}

/// A stream of the stock peer to ours, to be used by hand.
async fn raw(stock: &Stock, node: &Transport) -> libp2p::Stream {
    let us: PeerId = node.peer_id().parse().unwrap();
    until(|| !stock.links.of(us).is_empty()).await;
    let (wish, granted) = oneshot::channel();
    stock.links.choose(us).unwrap().open.send(wish).await.unwrap();
    granted.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_trickles_in_ends_the_stream() {
    // NET-6.7
    let node = ours(ServeLimits { head: Duration::from_millis(300), ..ServeLimits::default() }).await;
    let slow = stock(Only::Tls, Some(&node.listen_addrs()[0])).await;
    let mut stream = raw(&slow, &node).await;
    stream.write_all(b"GET /who HT").await.unwrap();
    stream.flush().await.unwrap();
    let start = std::time::Instant::now();
    let mut rest = Vec::new();
    // Whatever is said before the end, the end comes.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_and_half_closed_requests() {
    // NET-5.1, NET-6.5
    let node = ours(ServeLimits::default()).await;
    let stock = stock(Only::Tls, Some(&node.listen_addrs()[0])).await;
    let mut stream = raw(&stock, &node).await;
    stream.write_all(b"\x00\x01\x02 nonsense\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    // A peer may close its side after the request and still gets its answer.
    let mut stream = raw(&stock, &node).await;
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    stream.close().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&stock.peer.to_string()), "{answer}");
}

/// A stock peer that answers every request with these bytes and then ends the stream.
async fn answers(bytes: &'static [u8]) -> (Transport, String) {
    let links = Arc::new(Links::new(Limits::default()));
    let (accept, mut accepted) = mpsc::channel::<super::streams::Accepted>(16);
    let streams = Streams::new(links, accept);
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), tls::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| streams)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let peer = swarm.local_peer_id().to_string();
    let address = run(swarm, None).await;
    tokio::spawn(async move {
        while let Some(mut accepted) = accepted.recv().await {
            tokio::spawn(async move {
                let mut request = [0; 1000];
                let _ = accepted.stream.read(&mut request).await;
                let _ = accepted.stream.write_all(bytes).await;
                let _ = accepted.stream.close().await;
                drop(accepted.place);
            });
        }
    });
    let node = ours(ServeLimits::default()).await;
    node.dial(&address).await.unwrap();
    (node, peer)
}

async fn answered(bytes: &'static [u8]) -> Result<Vec<u8>, TransportError> {
    let (node, peer) = answers(bytes).await;
    Ok(node.request(&peer, ask()).await?.into_body().bytes(1000).await?.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_must_say_how_long_it_is() {
    // NET-5.8
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, Ok(b"ok".to_vec()));
    assert_eq!(answered(b"HTTP/1.1 204 No Content\r\n\r\n").await, Ok(Vec::new()));
    let endless = answered(b"HTTP/1.1 200 OK\r\n\r\nas long as it lasts").await;
    assert!(matches!(endless, Err(TransportError::Protocol { .. })), "{endless:?}");
    let short = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort").await;
    assert!(matches!(short, Err(TransportError::StreamReset { .. })), "{short:?}");
    let chunked = answered(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n").await;
    assert!(matches!(chunked, Err(TransportError::StreamReset { .. })), "{chunked:?}");
    let nonsense = answered(b"SSH-2.0-nonsense\r\n\r\n").await;
    assert!(matches!(nonsense, Err(TransportError::Protocol { .. })), "{nonsense:?}");
    let nothing = answered(b"").await;
    assert!(matches!(nothing, Err(TransportError::Refused { .. })), "{nothing:?}");
}
