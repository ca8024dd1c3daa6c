//! The HTTPS door and requests to it, over real sockets (spec chapter 10, NET-8).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::{get, post};
use futures_rustls::TlsConnector;
use naru::transport::https::{HttpsClient, HttpsConfig, HttpsDoor, Identity, Reach};
use naru::transport::{AnswerBody, Limits, Peer, Proxy, RequestTimes, ServeLimits, TransportError, Waiting};
use naru_protocol::encoding::Digest;
use naru_protocol::error::Code;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

#[path = "networks/middle.rs"]
mod middle;

/// A certificate and its key.
struct Made {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    params: CertificateParams,
}

impl Made {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn identity(&self) -> Identity {
        Identity::new(vec![self.certificate.clone()], self.key()).unwrap()
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn self_signed(params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = params.clone().self_signed(&key).unwrap().der().clone();
    Made { certificate, key, params }
}

fn authority() -> Made {
    let mut params = params(&[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    self_signed(params)
}

fn signed_by(authority: &Made, params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let issuer = authority.params.clone().self_signed(&authority.key).unwrap();
    let certificate = params.clone().signed_by(&key, &issuer, &authority.key).unwrap().der().clone();
    Made { certificate, key, params }
}

fn endless() -> Body {
    Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[7; 4096]))))
}

fn router() -> Router {
    let who = |Extension(peer): Extension<Peer>| async move {
        let shown = peer.certificate.map(|digest| digest.to_string()).unwrap_or_default();
        format!("{:?}|{}|{}|{}", peer.door, peer.peer_id, peer.remote.unwrap(), shown)
    };
    Router::new()
        .route("/who", get(who))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route(
            "/host",
            get(|headers: HeaderMap| async move { headers[header::HOST].to_str().unwrap().to_owned() }),
        )
        .route("/moved", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/who")]) }))
        .route("/endless", get(|| async { endless() }))
        .route("/never", get(std::future::pending::<()>))
}

async fn door_at(listen: &str, made: &Made, limits: ServeLimits) -> HttpsDoor {
    let certificate = vec![made.certificate.clone()];
    let config = HttpsConfig { listen: listen.parse().unwrap(), certificate, key: made.key() };
    HttpsDoor::listen(config, router(), limits).await.unwrap()
}

async fn door() -> (HttpsDoor, Made) {
    let made = self_signed(params(&["127.0.0.1", "localhost"]));
    (door_at("127.0.0.1:0", &made, ServeLimits::default()).await, made)
}

fn url(addr: SocketAddr, path: &str) -> String {
    format!("https://{addr}{path}")
}

fn ask() -> Request<Body> {
    Request::get("/").body(Body::empty()).unwrap()
}

fn local(made: &Made) -> Reach {
    Reach { local: true, roots: vec![made.certificate.clone()], ..Reach::default() }
}

fn client() -> HttpsClient {
    HttpsClient::new(Limits::default())
}

async fn text(answer: axum::http::Response<AnswerBody>) -> String {
    String::from_utf8(answer.into_body().bytes(1 << 20).await.unwrap().to_vec()).unwrap()
}

async fn get_text(client: &HttpsClient, url: &str, reach: &Reach) -> Result<String, TransportError> {
    let answer = client.request(url, ask(), reach).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(text(answer).await)
}

fn refused_by_tls<T: std::fmt::Debug>(answer: Result<T, TransportError>, why: &str) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Code::TlsFailed, "{error}");
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_through_and_what_the_connection_proved_with_it() {
    // NET-8.1, NET-8.3
    let (door, made) = door().await;
    let client = client();
    let who = url(door.addr(), "/who");
    assert_eq!(get_text(&client, &who, &local(&made)).await.unwrap(), "Https||127.0.0.1|");
    // A certificate that nobody vouches for arrives as what it is.
    let mine = self_signed(params(&["whoever"]));
    let reach = Reach { identity: Some(mine.identity()), ..local(&made) };
    let digest = Digest::of(&mine.certificate);
    assert_eq!(get_text(&client, &who, &reach).await.unwrap(), format!("Https||127.0.0.1|{digest}"));
    // Connections are shared under the same trust only.
    assert_eq!(get_text(&client, &who, &local(&made)).await.unwrap(), "Https||127.0.0.1|");
    assert_eq!(door.counters().accepted, 2);
    assert_eq!(client.idle(), 2);
    // Host is the URL's, whatever the request says.
    let host = Request::get("/who").header(header::HOST, "elsewhere").body(Body::empty()).unwrap();
    let answer = client.request(&url(door.addr(), "/host"), host, &local(&made)).await.unwrap();
    assert_eq!(text(answer).await, door.addr().to_string());
    let body = Request::post("/").body(Body::from("abc")).unwrap();
    let answer = client.request(&url(door.addr(), "/echo"), body, &local(&made)).await.unwrap();
    assert_eq!(text(answer).await, "abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_asked_for_the_name_and_nothing_goes_around_it() {
    // NET-10.4, NET-10.5, NET-10.6
    let made = self_signed(params(&["partner.example", "127.0.0.1"]));
    let door = door_at("127.0.0.1:0", &made, ServeLimits::default()).await;
    // `firm:geheim` as a header says it.
    let credentials = "Basic ZmlybTpnZWhlaW0=";
    let proxy = middle::HttpProxy::start("partner.example:443", door.addr(), Some(credentials)).await;
    let through = |said: &str| {
        let client = client();
        client.go_through(Proxy::new(&proxy.url(), Some(said)).unwrap());
        client
    };
    let reach = Reach { local: false, ..local(&made) };
    let client = through("firm:geheim");
    let seen = get_text(&client, "https://partner.example/who", &reach).await.unwrap();
    assert_eq!(seen, "Https||127.0.0.1|");
    let body = Request::post("/").body(Body::from(vec![7; 1 << 20])).unwrap();
    let answer = client.request("https://partner.example/echo", body, &reach).await.unwrap();
    assert_eq!(answer.into_body().bytes(2 << 20).await.unwrap().len(), 1 << 20);
    assert_eq!(proxy.authorities(), ["partner.example:443"], "one connection, kept");
    // What only an inner network knows is not asked for; this machine is asked without a proxy.
    let inner = get_text(&client, "https://db.corp/who", &reach).await.unwrap_err();
    assert_eq!(inner.code(), Code::AddressRefused, "{inner}");
    get_text(&client, &url(door.addr(), "/who"), &local(&made)).await.unwrap();
    assert_eq!(proxy.authorities().len(), 1);
    // A failure is the proxy's, and says nothing of how it was asked.
    for (client, asked) in
        [(through("firm:other"), "https://partner.example"), (client, "https://elsewhere.example")]
    {
        let failed = get_text(&client, asked, &reach).await.unwrap_err();
        assert_eq!(failed.code(), Code::ProxyRefused, "{failed}");
        let text = format!("{failed} {failed:?}");
        assert!(!text.contains("geheim") && !text.contains("Zml"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_trusted_is_asked() {
    // NET-8.7
    let client = client();
    let ask_of = |addr: SocketAddr, reach: Reach| {
        let client = client.clone();
        async move { get_text(&client, &url(addr, "/who"), &reach).await }
    };
    let (plain, made) = door().await;
    // Self-signed: not by the system's roots, not by another pin; by its own certificate or the digest of that.
    let system = ask_of(plain.addr(), Reach { local: true, ..Reach::default() }).await;
    assert_eq!(system.unwrap_err().code(), Code::TlsFailed);
    let other = self_signed(params(&["127.0.0.1"]));
    refused_by_tls(ask_of(plain.addr(), local(&other)).await, "invalid peer certificate");
    let pin = |digest| Reach { local: true, pins: vec![digest], ..Reach::default() };
    refused_by_tls(ask_of(plain.addr(), pin(Digest::of(b"x"))).await, "UnknownIssuer");
    ask_of(plain.addr(), pin(Digest::of(&made.certificate))).await.unwrap();
    // By a root: its name and its dates count.
    let root = authority();
    for (names, until, why) in [
        (vec!["127.0.0.1"], 2090, ""),
        (vec!["naru.example"], 2090, "not valid for name"),
        (vec!["127.0.0.1"], 2001, "expired"),
    ] {
        let mut params = params(&names);
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(until, 1, 1));
        let made = signed_by(&root, params);
        let door = door_at("127.0.0.1:0", &made, ServeLimits::default()).await;
        let answer = ask_of(door.addr(), local(&root)).await;
        if why.is_empty() { drop(answer.unwrap()) } else { refused_by_tls(answer, why) }
    }
    // A certificate is worth nothing without its key.
    let key = PrivateKeyDer::try_from(other.key.serialize_der()).unwrap();
    let stolen =
        HttpsConfig { listen: "127.0.0.1:0".parse().unwrap(), certificate: vec![made.certificate], key };
    let refused = HttpsDoor::listen(stolen, router(), ServeLimits::default()).await.unwrap_err();
    assert!(matches!(refused, TransportError::Certificate { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_public_is_asked_only_where_the_caller_says_so() {
    // NET-8.5, NET-8.6
    let (door, made) = door().await;
    let client = client();
    let port = door.addr().port();
    let public = Reach { local: false, ..local(&made) };
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"]
    {
        let error = client.request(&format!("https://{host}:{port}/who"), ask(), &public).await.unwrap_err();
        assert_eq!(error.code(), Code::AddressRefused, "{host}: {error}");
        assert!(!error.may_retry());
    }
    let plain = client.request(&format!("http://1.1.1.1:{port}/"), ask(), &public).await.unwrap_err();
    assert_eq!(plain.code(), Code::AddressInvalid);
    // Nothing was connected to, and with leave everything is.
    assert_eq!(door.counters().accepted, 0);
    get_text(&client, &format!("https://localhost:{port}/who"), &local(&made)).await.unwrap();
    // What is idle under that leave is not there without it.
    assert_eq!(client.idle(), 1);
    let again = client.request(&format!("https://localhost:{port}/who"), ask(), &public).await.unwrap_err();
    assert_eq!(again.code(), Code::AddressRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_an_answer() {
    // NET-8.8
    let (door, made) = door().await;
    let answer = client().request(&url(door.addr(), "/moved"), ask(), &local(&made)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(answer.headers()[header::LOCATION], "/who");
    assert_eq!(text(answer).await, "");
}

/// A server without TLS that says what it is told to whoever asks, then waits.
async fn says(answer: &'static [u8], endless: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 1024];
                let _ = socket.read(&mut head).await;
                let _ = socket.write_all(answer).await;
                while let Some(more) = endless {
                    if socket.write_all(more).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                std::future::pending::<()>().await;
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_answers_end() {
    // NET-8.8, NET-6.8
    let client = client();
    let reach = Reach { local: true, ..Reach::default() };
    let times = RequestTimes {
        answer: Duration::from_millis(300),
        pause: Duration::from_millis(300),
        total: Some(Duration::from_millis(900)),
    };
    let asked = async |addr: SocketAddr| {
        client.request_within(&format!("http://{addr}/"), ask(), &reach, times).await
    };
    let started = Instant::now();
    // Nothing, half a head, a head that never ends, no HTTP at all.
    let timeout = |what| move |error| matches!(error, TransportError::Timeout { what: w, .. } if w == what);
    assert!(timeout(Waiting::Answer)(asked(says(b"", None).await).await.unwrap_err()));
    assert!(timeout(Waiting::Answer)(asked(says(b"HTTP/1.1 200 OK\r\nx:", None).await).await.unwrap_err()));
    let head = asked(says(b"HTTP/1.1 200 OK\r\n", Some(&[b'x'; 4096])).await).await.unwrap_err();
    assert_eq!(head.code(), Code::TooLarge, "{head}");
    let html = asked(says(b"<html>Bad Gateway</html>\r\n\r\n", None).await).await.unwrap_err();
    assert_eq!(html.code(), Code::AnswerMalformed, "{html}");
    // A body that stops, one that never ends, one that is too long, one whose end would be the end of the stream.
    let body = asked(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", None).await).await.unwrap();
    assert!(timeout(Waiting::Body)(body.into_body().bytes(100).await.unwrap_err()));
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let drip = asked(says(CHUNKED, Some(b"1\r\nx\r\n")).await).await.unwrap();
    assert!(timeout(Waiting::Body)(drip.into_body().bytes(1 << 20).await.unwrap_err()));
    let long = asked(says(CHUNKED, Some(b"5\r\nxxxxx\r\n")).await).await.unwrap();
    assert_eq!(long.into_body().bytes(100).await.unwrap_err().code(), Code::TooLarge);
    let open = asked(says(b"HTTP/1.1 200 OK\r\n\r\nx", None).await).await.unwrap_err();
    assert_eq!(open.code(), Code::AnswerMalformed, "{open}");
    // A handshake that nobody answers.
    let silent = url(says(b"", None).await, "/");
    let made = self_signed(params(&["127.0.0.1"]));
    let handshake = client.request_within(&silent, ask(), &local(&made), times).await.unwrap_err();
    assert!(timeout(Waiting::Connection)(handshake));
    assert!(started.elapsed() < Duration::from_secs(10));
    // Nobody there, and a server that speaks no TLS; a client that speaks none to a server that does.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(asked(nobody).await.unwrap_err().code(), Code::Unreachable);
    let no_tls = says(b"HTTP/1.1 400 Bad Request\r\n\r\n", None).await;
    let error = client.request(&url(no_tls, "/"), ask(), &local(&made)).await.unwrap_err();
    assert_eq!(error.code(), Code::TlsFailed, "{error}");
    let (door, _) = door().await;
    assert_eq!(asked(door.addr()).await.unwrap_err().code(), Code::AnswerMalformed);
}

/// A client as others write it.
fn config(
    made: &Made,
    version: &'static rustls::SupportedProtocolVersion,
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_tls_are_spoken_each_time_from_the_start_and_http_1_1_alone() {
    // NET-8.2
    let (door, made) = door().await;
    let connect = async |config: &Arc<ClientConfig>| {
        let stream = TcpStream::connect(door.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config.clone()).connect(name, stream.compat()).await
    };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // The same configuration keeps what it would need to resume.
        let config_of = config(&made, version, &["h2", "http/1.1"]);
        for _ in 0..2 {
            let mut stream = connect(&config_of).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
            let request = b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            futures::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
            assert!(rest(&mut stream.compat()).await.ends_with("Https||127.0.0.1|"));
        }
        assert!(connect(&config(&made, version, &[])).await.is_ok(), "who asks for nothing gets it too");
        assert!(connect(&config(&made, version, &["h2"])).await.is_err());
    }
}

/// A connection to the door from an address of this machine, its handshake done.
async fn connect_from(
    from: &str,
    addr: SocketAddr,
    made: &Made,
) -> std::io::Result<impl AsyncReadExt + AsyncWriteExt + Unpin + use<>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{from}:0").parse().unwrap())?;
    let stream = socket.connect(addr).await?;
    let config = config(made, &rustls::version::TLS12, &[]);
    let name = ServerName::try_from(addr.ip().to_string()).unwrap();
    Ok(TlsConnector::from(config).connect(name, stream.compat()).await?.compat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_the_place_of_another() {
    // NET-8.4
    let made = self_signed(params(&["127.0.0.1"]));
    let limits = ServeLimits { connections_per_address: 3, connections: 5, ..ServeLimits::default() };
    let door = door_at("127.0.0.1:0", &made, limits).await;
    let from = async |from: &'static str| connect_from(from, door.addr(), &made).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(from("127.0.0.2").await.unwrap());
    }
    assert!(from("127.0.0.2").await.is_err());
    held.push(from("127.0.0.3").await.unwrap());
    held.push(from("127.0.0.4").await.unwrap());
    assert!(from("127.0.0.5").await.is_err(), "all together");
    let counters = door.counters();
    assert_eq!((counters.connections, counters.addresses, counters.refused_connections), (5, 3, 2));
    drop(held);
    let started = Instant::now();
    while door.counters().connections > 0 {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(door.counters().addresses, 0);
    assert!(from("127.0.0.2").await.is_ok());
}

/// Reads what is left of a connection, as text; whatever ends it.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await.unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_large_requests_end() {
    // NET-8.1, NET-6.5, NET-6.6, NET-6.7
    let made = self_signed(params(&["127.0.0.1"]));
    let limits = ServeLimits {
        head: Duration::from_millis(400),
        handshake: Duration::from_millis(400),
        body_pause: Duration::from_millis(300),
        requests_per_peer: 2,
        ..ServeLimits::default()
    };
    let door = door_at("127.0.0.1:0", &made, limits).await;
    let open = async || connect_from("127.0.0.1", door.addr(), &made).await.unwrap();
    // No handshake, no head, half a head.
    let mut silent = TcpStream::connect(door.addr()).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut open().await).await, "");
    let mut slow = open().await;
    slow.write_all(b"GET /who HTTP/1.1\r\nx:").await.unwrap();
    assert_eq!(rest(&mut slow).await, "");
    // A head, a target and a body beyond what is taken.
    let answer = async |request: Vec<u8>| {
        let mut stream = open().await;
        let _ = stream.write_all(&request).await;
        let answer = rest(&mut stream).await;
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let head = format!("GET /who HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    assert_eq!(answer(head.into_bytes()).await, "431");
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(3000));
    assert_eq!(answer(target.into_bytes()).await, "414");
    let body = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc".to_vec();
    assert_eq!(answer(body).await, "408");
    // More at once than one address may ask for; another address is answered meanwhile.
    let client = client();
    let busy = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let (client, reach, busy, url) =
            (client.clone(), local(&made), busy.clone(), url(door.addr(), "/never"));
        tokio::spawn(async move {
            busy.fetch_add(1, Ordering::SeqCst);
            client.request(&url, ask(), &reach).await.map(|_| ())
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(busy.load(Ordering::SeqCst), 2);
    let third = client.request(&url(door.addr(), "/who"), ask(), &local(&made)).await.unwrap();
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.headers()[header::RETRY_AFTER], "1");
    let mut other = connect_from("127.0.0.9", door.addr(), &made).await.unwrap();
    other.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut other).await.ends_with("Https||127.0.0.9|"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_door_is_closed() {
    // NET-8.1
    let (door, made) = door().await;
    let (client, reach) = (client(), local(&made));
    let taken =
        HttpsConfig { listen: door.addr(), certificate: vec![made.certificate.clone()], key: made.key() };
    let error = HttpsDoor::listen(taken, router(), ServeLimits::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::PortInUse);
    let never = {
        let (client, reach, url) = (client.clone(), reach.clone(), url(door.addr(), "/never"));
        tokio::spawn(async move { client.request(&url, ask(), &reach).await.map(|_| ()) })
    };
    let mut big = client.request(&url(door.addr(), "/endless"), ask(), &reach).await.unwrap().into_body();
    assert!(big.chunk().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::timeout(Duration::from_secs(5), door.shutdown()).await.unwrap();
    assert_eq!(never.await.unwrap().unwrap_err().code(), Code::ConnectionLost);
    let broken = async {
        while big.chunk().await?.is_some() {}
        Ok::<_, TransportError>(())
    }
    .await;
    assert_eq!(broken.unwrap_err().code(), Code::ConnectionLost);
    assert_eq!(door.counters().connections, 0);
    assert_eq!(
        get_text(&client, &url(door.addr(), "/who"), &reach).await.unwrap_err().code(),
        Code::Unreachable
    );
    // Its port is free again.
    let again = door_at(&door.addr().to_string(), &made, ServeLimits::default()).await;
    get_text(&client, &url(again.addr(), "/who"), &reach).await.unwrap();
}

/// Names the file of the system's roots to this program, run again.
const ROOTS: &str = "SSL_CERT_FILE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by who_is_not_pinned_is_believed_by_the_systems_roots, which says where the roots are"]
async fn with_roots_of_its_own() {
    let path = std::env::var(ROOTS).unwrap();
    let root = authority();
    let pem = root.params.clone().self_signed(&root.key).unwrap().pem();
    std::fs::write(path, pem).unwrap();
    let client = client();
    let reach = Reach { local: true, ..Reach::default() };
    let signed = signed_by(&root, params(&["localhost"]));
    let door = door_at("127.0.0.1:0", &signed, ServeLimits::default()).await;
    let port = door.addr().port();
    get_text(&client, &format!("https://localhost:{port}/who"), &reach).await.unwrap();
    refused_by_tls(get_text(&client, &url(door.addr(), "/who"), &reach).await, "not valid for name");
    // Where something is pinned, the system's roots are not asked.
    let pinned = Reach { pins: vec![Digest::of(b"another")], ..reach.clone() };
    let answer = get_text(&client, &format!("https://localhost:{port}/who"), &pinned).await;
    refused_by_tls(answer, "UnknownIssuer");
    let (own, _) = self::door().await;
    refused_by_tls(get_text(&client, &url(own.addr(), "/who"), &reach).await, "invalid peer certificate");
}

#[test]
fn who_is_not_pinned_is_believed_by_the_systems_roots() {
    // NET-8.7
    let path = std::env::temp_dir().join(format!("naru-roots-{}.pem", std::process::id()));
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "with_roots_of_its_own", "--ignored", "--nocapture"])
        .env(ROOTS, &path)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let _ = std::fs::remove_file(path);
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
