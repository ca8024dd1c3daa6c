//! Two nodes in one process over real sockets (spec chapter 10). Stock peers and hand-made streams are in the module
//! `transport::interop`, which sees the inside.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use naru::transport::{
    Config, ConnInfo, Direction, Door, Event, Limits, Peer, ServeLimits, Transport, TransportError, Waiting,
    free_port, serve,
};
use tokio::sync::Semaphore;

fn seed() -> [u8; 32] {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    [NEXT.fetch_add(1, Ordering::Relaxed); 32]
}

fn router() -> Router {
    Router::new()
        .route(
            "/who",
            get(
                |Extension(peer): Extension<Peer>| async move { format!("{} {:?}", peer.peer_id, peer.door) },
            ),
        )
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/big", get(|| async { vec![7_u8; 4 << 20] }))
        .route("/never", get(std::future::pending::<()>))
}

async fn node_with(listen: bool, limits: Limits, serving: ServeLimits, router: Router) -> Transport {
    let listen = if listen { vec!["/ip4/127.0.0.1/tcp/0".to_owned()] } else { Vec::new() };
    let (transport, incoming) =
        Transport::start(Config { limits, ..Config::new(seed(), listen) }).await.unwrap();
    tokio::spawn(serve(incoming, router, serving));
    transport
}

async fn node(listen: bool) -> Transport {
    node_with(listen, Limits::default(), ServeLimits::default(), router()).await
}

async fn pair() -> (Transport, Transport) {
    let (a, b) = (node(true).await, node(false).await);
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    until(|| a.is_connected(b.peer_id())).await;
    (a, b)
}

async fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ask(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(from: &Transport, to: &Transport, path: &str) -> Result<String, TransportError> {
    let answer = from.request(to.peer_id(), ask(path)).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(String::from_utf8(answer.into_body().bytes(1 << 20).await?.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_both_ways_over_one_connection() {
    // NET-1.1, NET-1.2, NET-6.5
    let (a, b) = pair().await;
    assert_eq!(text(&b, &a, "/who").await.unwrap(), format!("{} {:?}", b.peer_id(), Door::Libp2p));
    // NET-1.3: nobody is taken for who the headers say.
    let named =
        Request::get("https://other.example/who").header("host", a.peer_id()).body(Body::empty()).unwrap();
    let said = b.request(a.peer_id(), named).await.unwrap().into_body().bytes(1000).await.unwrap();
    assert!(said.starts_with(b.peer_id().as_bytes()));
    assert_eq!(text(&a, &b, "/who").await.unwrap(), format!("{} {:?}", a.peer_id(), Door::Libp2p));
    let (of_a, of_b): (Vec<ConnInfo>, Vec<ConnInfo>) = (a.connected(), b.connected());
    assert_eq!((of_a.len(), of_b.len()), (1, 1));
    assert_eq!((of_a[0].direction, of_b[0].direction), (Direction::Incoming, Direction::Outgoing));
    let post = Request::post("/echo").body(Body::from(vec![1_u8; 900_000])).unwrap();
    let echoed = a.request(b.peer_id(), post).await.unwrap().into_body().bytes(1 << 20).await.unwrap();
    assert_eq!(echoed.len(), 900_000);
    let big = b.request(a.peer_id(), ask("/big")).await.unwrap().into_body().bytes(8 << 20).await.unwrap();
    assert_eq!(big.len(), 4 << 20);
    let over = b.request(a.peer_id(), ask("/big")).await.unwrap().into_body().bytes(1 << 20).await;
    assert!(matches!(over, Err(TransportError::TooLarge { .. })), "{over:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_ours_speak_aes_128_gcm() {
    // NET-3.1, NET-3.3
    let (a, b) = pair().await;
    for info in a.connected().into_iter().chain(b.connected()) {
        assert_eq!(info.security, "/tls/1.0.0 TLS13_AES_128_GCM_SHA256 X25519MLKEM768");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_wait_for_their_turn_and_none_is_lost() {
    // NET-5.2, NET-5.4
    let (a, b) = pair().await;
    let requests = (0..200).map(|_| text(&b, &a, "/who"));
    let answers = futures::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer == &Ok(format!("{} {:?}", b.peer_id(), Door::Libp2p))));
    let counters = a.counters().await;
    assert_eq!((counters.refused_share, counters.refused_queue, counters.refused_waiting), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_open_at_the_same_time_are_all_served() {
    // NET-5.2
    let limits = Limits {
        streams_in_per_peer: 256,
        requests_out_per_peer: 256,
        streams_per_connection: 512,
        ..Limits::default()
    };
    let serving = ServeLimits { requests_per_peer: 256, ..ServeLimits::default() };
    let all = Arc::new((Semaphore::new(0), AtomicUsize::new(0)));
    let meeting = all.clone();
    let router = Router::new().route(
        "/meet",
        get(move || {
            let meeting = meeting.clone();
            async move {
                // Nobody is answered before all two hundred are here.
                if meeting.1.fetch_add(1, Ordering::Relaxed) == 199 {
                    meeting.0.add_permits(200);
                }
                let _ = meeting.0.acquire().await.unwrap();
                "met"
            }
        }),
    );
    let a = node_with(true, limits.clone(), serving, router).await;
    let b = node_with(false, limits, ServeLimits::default(), Router::new()).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let answers = futures::future::join_all((0..200).map(|_| text(&b, &a, "/meet"))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("met")));
    let counters = a.counters().await;
    assert_eq!(
        (counters.accepted, counters.refused_share + counters.refused_queue + counters.refused_waiting),
        (200, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_refused_aloud_and_leaves_others_alone() {
    // NET-4.3, NET-5.2, NET-5.3
    let limits = Limits { streams_in_per_peer: 16, ..Limits::default() };
    let a = node_with(true, limits, ServeLimits::default(), router()).await;
    let flood_limits = Limits { requests_out_per_peer: 200, ..Limits::default() };
    let flooder = node_with(false, flood_limits, ServeLimits::default(), Router::new()).await;
    let other = node(false).await;
    flooder.dial(&a.listen_addrs()[0]).await.unwrap();
    other.dial(&a.listen_addrs()[0]).await.unwrap();
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..120 {
        let (flooder, to) = (flooder.clone(), a.peer_id().to_owned());
        flood.spawn(async move { flooder.request(&to, ask("/never")).await.map(|_| ()) });
    }
    // 16 hang, 104 are refused: each of them learns it.
    for _ in 0..104 {
        let refused =
            tokio::time::timeout(Duration::from_secs(20), flood.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(refused, Err(TransportError::Refused { peer: a.peer_id().to_owned() }));
    }
    let start = Instant::now();
    assert!(text(&other, &a, "/who").await.is_ok());
    assert!(start.elapsed() < Duration::from_secs(2));
    let counters = a.counters().await;
    assert_eq!(counters.refused_share + counters.refused_queue + counters.refused_waiting, 104);
    flood.abort_all();
    while flood.join_next().await.is_some() {}
    // The share is free again once the streams are gone.
    until_ok(|| text(&flooder, &a, "/who")).await;
}

async fn until_ok<F: Future<Output = Result<String, TransportError>>>(mut attempt: impl FnMut() -> F) {
    let start = Instant::now();
    while let Err(error) = attempt().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_the_share_of_work_are_answered_429() {
    // NET-6.6
    let serving = ServeLimits { requests_per_peer: 2, ..ServeLimits::default() };
    let a = node_with(true, Limits::default(), serving, router()).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn({
                let (b, to) = (b.clone(), a.peer_id().to_owned());
                async move {
                    // One of the two may meet a question of the loop below and be the one that is refused.
                    while b
                        .request(&to, ask("/never"))
                        .await
                        .is_ok_and(|a| a.status() == StatusCode::TOO_MANY_REQUESTS)
                    {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            })
        })
        .collect();
    let start = Instant::now();
    loop {
        let answer = b.request(a.peer_id(), ask("/who")).await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers()["retry-after"], "1");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    let start = Instant::now();
    while b.request(a.peer_id(), ask("/who")).await.unwrap().status() != StatusCode::OK {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(a.counters().await.refused_requests > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_identity_than_the_one_named_is_a_mismatch() {
    // NET-3.2
    let (a, b, c) = (node(true).await, node(false).await, node(true).await);
    let address = a.listen_addrs()[0].replace(a.peer_id(), c.peer_id());
    let mismatch =
        TransportError::PeerMismatch { expected: c.peer_id().to_owned(), obtained: a.peer_id().to_owned() };
    assert_eq!(b.dial(&address).await, Err(mismatch));
    let before_dialling = b.connect(c.peer_id(), &[a.listen_addrs()[0].clone()]).await;
    assert!(matches!(before_dialling, Err(TransportError::PeerMismatch { .. })));
    assert!(b.connected().is_empty() && b.counters().await.in_swarm == 0);
    let own = a.listen_addrs()[0].clone();
    assert!(matches!(a.dial(&own).await, Err(TransportError::DialSelf { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_says_what_went_wrong() {
    // NET-7.1
    let b = node(false).await;
    let port = free_port().unwrap();
    let nobody = b.dial(&format!("/ip4/127.0.0.1/tcp/{port}")).await;
    assert!(matches!(&nobody, Err(TransportError::DialFailed { .. })), "{nobody:?}");
    assert!(matches!(b.dial("/ip4/127.0.0.1/udp/1/quic-v1").await, Err(TransportError::BadAddress { .. })));
    let a = node(true).await;
    assert!(matches!(b.connect(a.peer_id(), &[]).await, Err(TransportError::NotConnected { .. })));
    assert!(matches!(b.request(a.peer_id(), ask("/")).await, Err(TransportError::NotConnected { .. })));
    assert!(matches!(b.request("nobody", ask("/")).await, Err(TransportError::BadPeerId { .. })));
    // A listener that never speaks.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quick = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let c = node_with(false, quick, ServeLimits::default(), Router::new()).await;
    let port = silent.local_addr().unwrap().port();
    let slow = c.dial(&format!("/ip4/127.0.0.1/tcp/{port}")).await;
    assert!(matches!(&slow, Err(TransportError::Timeout { what: Waiting::Connection, .. })), "{slow:?}");
    // A listener that speaks something else.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = other.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, b"220 mail.example ESMTP\r\n").await;
        }
    });
    let foreign = c.dial(&format!("/ip4/127.0.0.1/tcp/{port}")).await;
    assert!(matches!(&foreign, Err(TransportError::Handshake { .. })), "{foreign:?}");
    assert_eq!(c.counters().await.in_swarm, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_resolved_and_connect_keeps_one_connection() {
    // NET-2.2, NET-5.4
    let (a, b) = (node(true).await, node(false).await);
    let by_name = a.listen_addrs()[0].replace("/ip4/127.0.0.1", "/dns4/localhost");
    let both =
        futures::future::join_all((0..4).map(|_| b.connect(a.peer_id(), std::slice::from_ref(&by_name))))
            .await;
    assert!(both.iter().all(Result::is_ok));
    assert_eq!(b.connected().len(), 1);
    b.dial(&by_name).await.unwrap();
    assert_eq!(b.connected().len(), 2);
    until(|| a.connected().len() == 2).await;
    // Requests spread over the connections.
    let both = futures::future::join_all((0..16).map(|_| text(&b, &a, "/who"))).await;
    assert!(both.iter().all(Result::is_ok));
    let one = b.connected()[0].connection.clone();
    b.close(&one).await.unwrap();
    until(|| b.connected().len() == 1).await;
    assert!(text(&b, &a, "/who").await.is_ok());
    assert_eq!(b.counters().await.in_setup, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_disappears_in_the_middle_of_an_answer_is_noticed() {
    // NET-5.8, NET-5.9
    let router = Router::new()
        .route(
            "/drip",
            get(|| async {
                Body::from_stream(futures::stream::unfold(0_u8, |n| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::io::Error>(vec![n; 1000]), n.wrapping_add(1)))
                }))
            }),
        )
        .route(
            "/break",
            get(|| async {
                Body::from_stream(futures::stream::unfold(0_u8, |n| async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let piece =
                        if n == 0 { Ok(vec![1_u8; 1000]) } else { Err(std::io::Error::other("broken")) };
                    Some((piece, n + 1))
                }))
            }),
        );
    let a = node_with(true, Limits::default(), ServeLimits::default(), router).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let mut broken = b.request(a.peer_id(), ask("/break")).await.unwrap().into_body();
    let end = loop {
        match broken.chunk().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(end, Err(TransportError::StreamReset { peer: a.peer_id().to_owned() }));
    assert!(b.is_connected(a.peer_id()));
    let mut body = b.request(a.peer_id(), ask("/drip")).await.unwrap().into_body();
    assert!(body.chunk().await.unwrap().is_some());
    a.shutdown().await;
    let end = loop {
        match body.chunk().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(end, Err(TransportError::StreamReset { peer: a.peer_id().to_owned() }));
    until(|| !b.is_connected(a.peer_id())).await;
    assert!(matches!(b.request(a.peer_id(), ask("/drip")).await, Err(TransportError::NotConnected { .. })));
    assert!(matches!(a.dial("/ip4/127.0.0.1/tcp/9").await, Err(TransportError::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_for_a_peer_that_gave_up_is_dropped() {
    // NET-4.4, NET-6.6
    struct Working(Arc<AtomicUsize>);
    impl Drop for Working {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let working = Arc::new(AtomicUsize::new(0));
    let count = working.clone();
    let work = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let guard = Working(count.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    };
    let router = Router::new().route("/work", get(work));
    let a = node_with(true, Limits::default(), ServeLimits::default(), router).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let request = tokio::spawn({
        let (b, to) = (b.clone(), a.peer_id().to_owned());
        async move { b.request(&to, ask("/work")).await.map(|_| ()) }
    });
    until(|| working.load(Ordering::Relaxed) == 1).await;
    request.abort();
    until(|| working.load(Ordering::Relaxed) == 0).await;
    assert!(b.is_connected(a.peer_id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_answer_is_told_from_a_refusal() {
    // NET-5.9
    let (a, b) = pair().await;
    let waiting = tokio::spawn({
        let (b, to) = (b.clone(), a.peer_id().to_owned());
        async move { b.request(&to, ask("/never")).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    a.shutdown().await;
    assert_eq!(waiting.await.unwrap(), Err(TransportError::ConnectionLost { peer: a.peer_id().to_owned() }));
    // The same when the connection is closed on this side.
    let (a, b) = pair().await;
    let waiting = tokio::spawn({
        let (b, to) = (b.clone(), a.peer_id().to_owned());
        async move { b.request(&to, ask("/never")).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    b.disconnect(a.peer_id()).await.unwrap();
    let lost = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(lost, Err(TransportError::ConnectionLost { peer: a.peer_id().to_owned() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_over_their_limits_are_refused_on_both_sides() {
    // NET-6.5, NET-6.8
    let router = router().route("/wide", get(|| async { [("x-wide", "y".repeat(30_000))] })).route(
        "/many",
        get(|| async {
            let mut answer = axum::response::Response::new(Body::empty());
            for n in 0..200 {
                answer
                    .headers_mut()
                    .insert(axum::http::HeaderName::try_from(format!("x-{n}")).unwrap(), n.into());
            }
            answer
        }),
    );
    let a = node_with(true, Limits::default(), ServeLimits::default(), router).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let wide = Request::get("/who").header("x-wide", "y".repeat(30_000)).body(Body::empty()).unwrap();
    assert_eq!(
        b.request(a.peer_id(), wide).await.unwrap().status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    let vast = Request::get("/who").header("x-wide", "y".repeat(300_000)).body(Body::empty()).unwrap();
    match b.request(a.peer_id(), vast).await {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => assert!(matches!(error, TransportError::Refused { .. }), "{error:?}"),
    }
    let long = b.request(a.peer_id(), ask(&format!("/who?{}", "q".repeat(4000)))).await.unwrap();
    assert_eq!(long.status(), StatusCode::URI_TOO_LONG);
    for path in ["/wide", "/many"] {
        let refused = b.request(a.peer_id(), ask(path)).await;
        assert!(matches!(refused, Err(TransportError::TooLarge { .. })), "{path}: {refused:?}");
    }
    assert!(text(&b, &a, "/who").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_and_slow_answers_run_out_of_time() {
    // NET-6.7
    let serving = ServeLimits { body_pause: Duration::from_millis(200), ..ServeLimits::default() };
    let router = router().route(
        "/stall",
        get(|| async {
            Body::from_stream(
                futures::stream::once(async { Ok::<_, std::io::Error>(vec![1_u8]) }).chain_pending(),
            )
        }),
    );
    let a = node_with(true, Limits::default(), serving, router).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let slow = Body::from_stream(
        futures::stream::once(async { Ok::<_, std::io::Error>(vec![1_u8]) }).chain_pending(),
    );
    let answer = b.request(a.peer_id(), Request::post("/echo").body(slow).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    let mut times = b.times();
    times.answer = Duration::from_millis(200);
    times.pause = Duration::from_millis(200);
    let silent = b.request_within(a.peer_id(), ask("/never"), times).await;
    assert!(matches!(silent, Err(TransportError::Timeout { what: Waiting::Answer, .. })), "{silent:?}");
    let mut body = b.request_within(a.peer_id(), ask("/stall"), times).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap().len(), 1);
    assert!(matches!(body.chunk().await, Err(TransportError::Timeout { what: Waiting::Body, .. })));
    assert_eq!(body.chunk().await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_stops_flowing() {
    // NET-4.2
    let router = Router::new().route("/deaf", post(|_body: Body| std::future::pending::<()>()));
    let a = node_with(true, Limits::default(), ServeLimits::default(), router).await;
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let endless = Body::from_stream(futures::stream::repeat_with(move || {
        count.fetch_add(64 << 10, Ordering::Relaxed);
        Ok::<_, std::io::Error>(vec![0_u8; 64 << 10])
    }));
    let request = Request::post("/deaf").body(endless).unwrap();
    let upload = tokio::spawn({
        let (b, to) = (b.clone(), a.peer_id().to_owned());
        async move { b.request(&to, request).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let total = sent.load(Ordering::Relaxed);
    assert!((64 << 10..2 << 20).contains(&total), "{total}");
    upload.abort();
}

/// Passes bytes between a dialler and `to` until told to fall silent, with the connections left open.
async fn wire(to: u16, silent: Arc<std::sync::atomic::AtomicBool>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let ((nr, nw), (fr, fw)) = (near.into_split(), far.into_split());
            tokio::spawn(pass(nr, fw, silent.clone()));
            tokio::spawn(pass(fr, nw, silent.clone()));
        }
    });
    port
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    silent: Arc<std::sync::atomic::AtomicBool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await {
        if n == 0 {
            return;
        }
        if !silent.load(Ordering::Relaxed) {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut to, &buffer[..n]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_falls_silent_is_found_by_its_pings() {
    // NET-5.10
    let (ping, ping_answer) = (Duration::from_millis(100), Duration::from_millis(300));
    let limits = Limits { ping, ping_answer, ..Limits::default() };
    let a = node(true).await;
    let b = node_with(false, limits, ServeLimits::default(), Router::new()).await;
    let port: u16 = a.listen_addrs()[0].split('/').nth(4).unwrap().parse().unwrap();
    let silent = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let through = wire(port, silent.clone()).await;
    b.dial(&format!("/ip4/127.0.0.1/tcp/{through}/p2p/{}", a.peer_id())).await.unwrap();
    assert!(text(&b, &a, "/who").await.is_ok());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(b.is_connected(a.peer_id()));
    silent.store(true, Ordering::Relaxed);
    until(|| !b.is_connected(a.peer_id())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_of_one_address_are_limited_and_time_out() {
    // NET-6.1, NET-6.7
    let limits =
        Limits { handshakes_per_address: 4, handshake: Duration::from_millis(800), ..Limits::default() };
    let a = node_with(true, limits, ServeLimits::default(), router()).await;
    let port: u16 = a.listen_addrs()[0].split('/').nth(4).unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let start = Instant::now();
    while a.counters().await.refused_connections != 6 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(a.counters().await.in_swarm, 4);
    while a.counters().await.in_swarm != 0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let b = node(false).await;
    assert!(b.dial(&a.listen_addrs()[0]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_ends_the_server() {
    // NET-5.6
    let (a, incoming) =
        Transport::start(Config::new(seed(), vec!["/ip4/127.0.0.1/tcp/0".to_owned()])).await.unwrap();
    let server = tokio::spawn(serve(incoming, router(), ServeLimits::default()));
    let b = node(false).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let hanging = tokio::spawn({
        let (b, to) = (b.clone(), a.peer_id().to_owned());
        async move { b.request(&to, ask("/never")).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(a);
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap();
    assert!(hanging.await.unwrap().is_err());
}

/// Adds an end that never comes.
trait ChainPending: futures::Stream + Sized {
    fn chain_pending(self) -> futures::stream::Chain<Self, futures::stream::Pending<Self::Item>> {
        futures::StreamExt::chain(self, futures::stream::pending())
    }
}
impl<S: futures::Stream> ChainPending for S {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    // NET-2.3
    let a = node(true).await;
    let listen = a.listen_addrs()[0].split("/p2p/").next().unwrap().to_owned();
    let second = Transport::start(Config::new(seed(), vec![listen.clone()])).await;
    assert_eq!(second.map(|_| ()), Err(TransportError::PortInUse { address: listen.clone() }));
    a.shutdown().await;
    assert!(Transport::start(Config::new(seed(), vec![listen])).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_of_connections() {
    // NET-5.6
    let (a, b) = (node(true).await, node(false).await);
    let mut events = a.events();
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    let Event::Connected(info) = events.recv().await.unwrap() else { panic!("not connected") };
    assert_eq!((info.peer.as_str(), info.direction), (b.peer_id(), Direction::Incoming));
    b.disconnect(a.peer_id()).await.unwrap();
    let Event::Disconnected { peer, remaining, .. } = events.recv().await.unwrap() else {
        panic!("not gone")
    };
    assert_eq!((peer.as_str(), remaining), (b.peer_id(), 0));
    // Each side takes note of it in its own time.
    until(|| !b.is_connected(a.peer_id())).await;
    assert!(matches!(b.disconnect(a.peer_id()).await, Err(TransportError::NotConnected { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_close_unless_the_peer_is_known() {
    // NET-6.4
    let limits = Limits {
        idle_connection: Duration::from_millis(300),
        ping: Duration::from_millis(100),
        ..Limits::default()
    };
    let a = node_with(true, limits.clone(), ServeLimits::default(), router()).await;
    let known = node_with(false, limits.clone(), ServeLimits::default(), router()).await;
    let stranger = node_with(false, limits, ServeLimits::default(), router()).await;
    a.set_known([known.peer_id(), "not a peer id"]);
    known.set_known([a.peer_id()]);
    known.dial(&a.listen_addrs()[0]).await.unwrap();
    stranger.dial(&a.listen_addrs()[0]).await.unwrap();
    until(|| a.connected().len() == 2).await;
    until(|| !a.is_connected(stranger.peer_id())).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(a.is_connected(known.peer_id()));
    assert!(text(&a, &known, "/who").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_and_known_peers_have_room() {
    // NET-6.1, NET-6.2, NET-6.3
    let limits = Limits { connections_of_strangers: 1, connections_per_peer: 2, ..Limits::default() };
    let a = node_with(true, limits, ServeLimits::default(), router()).await;
    let (known, one, two) = (node(false).await, node(false).await, node(false).await);
    a.set_known([known.peer_id()]);
    let address = a.listen_addrs()[0].clone();
    one.dial(&address).await.unwrap();
    until(|| a.is_connected(one.peer_id())).await;
    // The handshake succeeds, then the connection is closed: the limit is checked where the identity is known.
    let _ = two.dial(&address).await;
    until(|| !two.is_connected(a.peer_id())).await;
    for _ in 0..2 {
        known.dial(&address).await.unwrap();
    }
    until(|| a.connected().len() == 3).await;
    let _ = known.dial(&address).await;
    until(|| known.connected().len() == 2).await;
    let counters = a.counters().await;
    assert_eq!((counters.refused_connections, counters.connections, counters.in_swarm), (2, 3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_leave_nothing_behind() {
    // NET-5.6
    let a = node(true).await;
    let b = node(false).await;
    for round in 0..200 {
        b.dial(&a.listen_addrs()[0]).await.unwrap();
        if round % 4 == 0 {
            text(&b, &a, "/who").await.unwrap();
        }
        b.disconnect(a.peer_id()).await.unwrap();
        until(|| !b.is_connected(a.peer_id()) && !a.is_connected(b.peer_id())).await;
    }
    // The listener may still be at the end of a handshake that the dialler has already left.
    let start = Instant::now();
    for node in [&a, &b] {
        loop {
            let counters = node.counters().await;
            let links = [counters.peers, counters.connections, counters.idle_streams];
            let setup = [counters.in_setup, counters.in_swarm];
            if (links, setup) == ([0; 3], [0; 2]) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{counters:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_streams_are_used_again_and_then_let_go() {
    // NET-5.5, NET-5.7
    let limits = Limits { idle_stream: Duration::from_millis(300), ..Limits::default() };
    let a = node(true).await;
    let b = node_with(false, limits, ServeLimits::default(), Router::new()).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    for _ in 0..10 {
        text(&b, &a, "/who").await.unwrap();
    }
    let counters = b.counters().await;
    assert_eq!((counters.opened, counters.reused, counters.idle_streams), (1, 9, 1));
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(b.counters().await.idle_streams, 0);
    // A server that ends idle streams at once: the request goes on a new one.
    let quick = ServeLimits { head: Duration::from_millis(100), ..ServeLimits::default() };
    let c = node_with(true, Limits::default(), quick, router()).await;
    let d = node(false).await;
    d.dial(&c.listen_addrs()[0]).await.unwrap();
    for _ in 0..5 {
        text(&d, &c, "/who").await.unwrap();
        tokio::time::sleep(Duration::from_millis(110)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_key_is_ever_written() {
    // NET-3.4: the variable is set for a child, since a test cannot set it for itself.
    let file =
        std::env::temp_dir().join(format!("naru-keys-{}-{}", std::process::id(), free_port().unwrap()));
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_of_ours_speak_aes_128_gcm"])
        .env("SSLKEYLOGFILE", &file)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    assert!(!file.exists());
}

/// Not a test: prints what a stream for each request costs against streams used again, and what a big body costs.
/// `cargo test -p naru --test transport -- --ignored --nocapture measure`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure() {
    for idle_streams in [0, 8, 0, 8] {
        let limits = Limits { idle_streams, ..Limits::default() };
        let a = node(true).await;
        let b = node_with(false, limits, ServeLimits::default(), Router::new()).await;
        b.dial(&a.listen_addrs()[0]).await.unwrap();
        text(&b, &a, "/who").await.unwrap();
        let start = Instant::now();
        for _ in 0..2000 {
            text(&b, &a, "/who").await.unwrap();
        }
        let serial = 2000.0 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        futures::future::join_all((0..4000).map(|_| text(&b, &a, "/who"))).await;
        let parallel = 4000.0 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for _ in 0..64 {
            let mut body = b.request(a.peer_id(), ask("/big")).await.unwrap().into_body();
            while body.chunk().await.unwrap().is_some() {}
        }
        let bulk = 256.0 / start.elapsed().as_secs_f64();
        println!(
            "idle streams {idle_streams}: {serial:.0}/s serial, {parallel:.0}/s parallel, {bulk:.0} MiB/s"
        );
    }
}
