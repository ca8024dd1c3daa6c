//! The suite's libp2p client against a tiny HTTP server on a stock swarm: both directions over one connection, raw
//! bytes, and the wrong peer.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use libp2p::{PeerId, SwarmBuilder, swarm::SwarmEvent};
use naru_conformance::{
    encoding::peer_id,
    identity::{Identity, Ticket},
    report::Outcome,
    transport::{Answer, Call, Handler, Link, PROTOCOL},
    wire::{self, Options, session::Session},
};
use tokio::sync::mpsc;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

/// What the little server was asked: method, target, a header, content length.
type Asked = Arc<Mutex<Vec<String>>>;

struct Server {
    address: String,
    peer: String,
    asked: Asked,
    /// Sends a request of the server's own to whoever is connected.
    call_back: mpsc::Sender<(PeerId, String)>,
    answers: mpsc::Receiver<(u16, Vec<u8>)>,
}

async fn echo(
    asked: Asked,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let marker = head.headers.get("x-marker").and_then(|value| value.to_str().ok()).unwrap_or("-");
    let asked = {
        let mut asked = asked.lock().unwrap();
        asked.push(format!("{} {} {marker} {}", head.method, head.uri, body.len()));
        asked.len()
    };
    // The first two are refused for now, with the last segment of the path as code.
    if let Some(code) = head.uri.path().strip_prefix("/later/").filter(|_| asked <= 2) {
        let body = format!(r#"{{"@type":"Error","code":"{code}","reason":[]}}"#);
        return Ok(Response::builder().status(503).body(Full::new(body.into())).unwrap());
    }
    Ok(Response::builder().status(201).header("x-echo", marker).body(Full::new(body)).unwrap())
}

async fn start(seed: u8) -> Server {
    let key = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let peer = key.public().to_peer_id().to_string();
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            libp2p::tcp::Config::default(),
            (libp2p::tls::Config::new, libp2p::noise::Config::new),
            libp2p::yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.to_string();
        }
    };
    let mut control = swarm.behaviour().new_control();
    let mut incoming = control.accept(PROTOCOL).unwrap();
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let asked: Asked = Arc::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some((_, stream)) = incoming.next().await {
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                let service = service_fn(move |request| echo(Arc::clone(&heard), request));
                let io = TokioIo::new(stream.compat());
                let _ = hyper::server::conn::http1::Builder::new()
                    .half_close(true)
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
    let (call_back, mut calls) = mpsc::channel::<(PeerId, String)>(4);
    let (told, answers) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Some((peer, target)) = calls.recv().await {
            let stream = control.open_stream(peer, PROTOCOL).await.unwrap();
            let io = TokioIo::new(stream.compat());
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request =
                Request::post(target).header("host", "dxp").body(Full::new(Bytes::from("back"))).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
            told.send((status, body)).await.unwrap();
        }
    });
    Server { address, peer, asked, call_back, answers }
}

fn deaf() -> Handler {
    Arc::new(|_| Answer::json(404, "{}"))
}

#[tokio::test]
async fn requests_go_both_ways_over_one_connection() {
    let mut server = start(1).await;
    let handler: Handler =
        Arc::new(|call: Call| Answer::json(202, format!("{} {}", call.target, call.body.len())));
    let link =
        Link::dial(&[2; 32], &server.peer, std::slice::from_ref(&server.address), handler).await.unwrap();
    let call = Call::new("POST", "/dxp/1/tickets?a=//b")
        .header("x-marker", "나루".escape_unicode().to_string().as_str());
    let answer = link.call(&call.json("{\"v\":1}")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"{\"v\":1}"[..]));
    assert_eq!(answer.value("X-Echo"), Some("\\u{b098}\\u{b8e8}"));
    assert_eq!(server.asked.lock().unwrap()[0], "POST /dxp/1/tickets?a=//b \\u{b098}\\u{b8e8} 7");

    let key = ed25519_dalek::SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes();
    let me: PeerId = peer_id(&key).parse().unwrap();
    server.call_back.send((me, "/dsp/2025-1/negotiations/x/events".to_owned())).await.unwrap();
    let (status, body) = server.answers.recv().await.unwrap();
    assert_eq!((status, body.as_slice()), (202, &b"/dsp/2025-1/negotiations/x/events 4"[..]));
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let server = start(3).await;
    let link =
        Link::dial(&[4; 32], &server.peer, std::slice::from_ref(&server.address), deaf()).await.unwrap();
    for round in 0..20 {
        let answer = link.call(&Call::new("GET", &format!("/dxp/1/keys?{round}"))).await.unwrap();
        assert_eq!(answer.status, 201);
    }
    assert_eq!(server.asked.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn raw_bytes_and_broken_requests_spoil_nothing() {
    let server = start(5).await;
    let link =
        Link::dial(&[6; 32], &server.peer, std::slice::from_ref(&server.address), deaf()).await.unwrap();
    let answer = link.raw(b"GET /raw HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", true).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    link.raw(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\nshort", true).await.unwrap();
    link.raw(&[0xff; 1_000], false).await.unwrap();
    assert_eq!(link.call(&Call::new("GET", "/after")).await.unwrap().status, 201);
}

#[tokio::test]
async fn another_peer_than_the_named_one_is_not_spoken_to() {
    let server = start(7).await;
    let other =
        libp2p::identity::Keypair::ed25519_from_bytes([8; 32]).unwrap().public().to_peer_id().to_string();
    let dialled = Link::dial(&[9; 32], &other, std::slice::from_ref(&server.address), deaf()).await;
    assert!(dialled.is_err());
    assert!(server.asked.lock().unwrap().is_empty());
}

/// The ticket of the little server.
fn ticket(server: &Server, seed: u8) -> String {
    let identity = Identity::fresh("Echo", "KR").unwrap();
    let transport = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let keys = [
        identity.root.clone(),
        identity.signing.clone(),
        identity.log.clone(),
        transport,
        identity.witness.clone(),
    ];
    let identity = Identity::from_keys(keys, "Echo", "KR", naru_conformance::identity::now());
    let expires = naru_conformance::identity::now() + 600;
    Ticket::write(&identity, std::slice::from_ref(&server.address), &[1; 16], expires)
}

/// A node that was just started and asks first what is held of its log is waited for; other refusals stand (API-3.5).
#[tokio::test]
async fn a_node_that_recovers_is_waited_for() {
    for (seed, code, status, asked) in [(12, "recovering", 201, 3), (13, "busy", 503, 1)] {
        let server = start(seed).await;
        let ticket = Ticket::parse(&ticket(&server, seed), naru_conformance::identity::now()).unwrap();
        let session = Session::connect(&ticket, "SG").await.unwrap();
        let answer = session.call(&Call::new("POST", &format!("/later/{code}"))).await.unwrap();
        assert_eq!((answer.status, server.asked.lock().unwrap().len()), (status, asked), "{code}");
    }
}

/// A node that answers 201 and an echo to everything fails: a suite that passes everybody tests nothing.
#[tokio::test]
async fn a_node_that_agrees_to_everything_fails() {
    let server = start(10).await;
    let ticket = ticket(&server, 10);
    let mut heard = 0;
    let lines = wire::run(&ticket, &Options::default(), &mut |_| heard += 1).await;
    assert_eq!(heard, lines.len());
    let failed =
        |id: &str| lines.iter().any(|line| line.id == id && matches!(line.outcome, Outcome::Fail(_)));
    assert!(failed("ACT-3.1") && failed("ID-8.2"), "{lines:?}");
}
