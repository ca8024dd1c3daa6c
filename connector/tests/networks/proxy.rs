//! Out through a firm's HTTP proxy, in at port 443 by WebSocket over TLS (NET-10).

use std::{net::SocketAddr, time::Duration};

use naru::transport::{Limits, Network, Proxy, Transport, TransportError, free_port};
use naru_protocol::error::Code;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{big, by, config, middle::HttpProxy, start, until, who, within};

const ANYWHERE: &str = "/ip4/127.0.0.1/tcp/0/tls/ws";
/// `firm:geheim` as a header says it.
const BASIC: &str = "Basic ZmlybTpnZWhlaW0=";

/// The socket address of a multiaddr.
fn socket(address: &str) -> SocketAddr {
    let mut parts = address.split('/').skip(2).step_by(2);
    let (ip, port) = (parts.next().unwrap(), parts.next().unwrap());
    format!("{ip}:{port}").parse().unwrap()
}

fn through(proxy: &HttpProxy, credentials: Option<&str>) -> Network {
    let proxy = Proxy::new(&proxy.url(), credentials).unwrap();
    Network { proxy: Some(proxy), ..Network::default() }
}

/// The address of the only listener by this name.
fn named(transport: &Transport, name: &str, port: u16) -> String {
    format!("/dns4/{name}/tcp/{port}/tls/ws/p2p/{}", transport.peer_id())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_carries_what_tcp_does() {
    // NET-1.1, NET-10.1 to NET-10.3
    let (a, b) = (start(config(&[ANYWHERE, "/ip4/127.0.0.1/tcp/0"])).await, start(config(&[])).await);
    let addresses = a.listen_addrs();
    let websocket = addresses.iter().find(|address| address.contains("/tls/ws/p2p/")).unwrap();
    let info = b.dial(websocket).await.unwrap();
    assert!(info.address.ends_with("/tls/ws"), "{}", info.address);
    assert!(info.security.starts_with("/tls/1.0.0 "), "{}", info.security);
    until("the connection", || a.is_connected(b.peer_id())).await;
    assert!(a.connected()[0].address.ends_with("/tls/ws"));
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
    assert_eq!(who(&a, &b).await.unwrap(), a.peer_id());
    let (there, back) = futures::join!(big(&b, &a), big(&a, &b));
    assert_eq!((there.unwrap(), back.unwrap()), (4 << 20, 4 << 20));
    assert_eq!((a.connected().len(), b.connected().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_has_to_be_the_peer_that_the_address_names() {
    // NET-10.3: no certificate is judged outside; inside, the peer id is proved.
    let (a, other, b) =
        (start(config(&[ANYWHERE])).await, start(config(&[])).await, start(config(&[])).await);
    let wrong = a.listen_addrs()[0].replace(a.peer_id(), other.peer_id());
    let failed = b.dial(&wrong).await;
    assert!(matches!(failed, Err(TransportError::PeerMismatch { .. })), "{failed:?}");
    assert!(b.connected().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_is_asked_for_the_name_and_carries_the_connection() {
    // NET-2.2, NET-10.4, NET-10.5
    let a = start(config(&[ANYWHERE])).await;
    let proxy = HttpProxy::start("partner.example:443", socket(&a.listen_addrs()[0]), Some(BASIC)).await;
    let b = start(by(through(&proxy, Some("firm:geheim")), &[])).await;
    let info = b.connect(a.peer_id(), &[named(&a, "partner.example", 443)]).await.unwrap();
    assert_eq!(info.address, "/dns/partner.example/tcp/443/tls/ws");
    until("the connection", || a.is_connected(b.peer_id())).await;
    assert_eq!(who(&a, &b).await.unwrap(), a.peer_id());
    assert_eq!(big(&b, &a).await.unwrap(), 4 << 20);
    let asked = proxy.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "one connection carries everything: {asked:?}");
    assert_eq!(
        (asked[0].authority.as_str(), asked[0].authorization.as_deref()),
        ("partner.example:443", Some(BASIC))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_tcp_goes_through_the_proxy_too_and_this_machine_never() {
    // NET-10.4: 127.0.0.1 here is not 127.0.0.1 there.
    let a = start(config(&["/ip4/127.0.0.1/tcp/0"])).await;
    let proxy = HttpProxy::start("partner.example:4801", socket(&a.listen_addrs()[0]), None).await;
    let b = start(by(through(&proxy, None), &[])).await;
    b.dial(&a.listen_addrs()[0]).await.unwrap();
    assert_eq!(proxy.authorities(), Vec::<String>::new());
    b.disconnect(a.peer_id()).await.unwrap();
    until("the end", || b.connected().is_empty()).await;
    let address = format!("/dns4/partner.example/tcp/4801/p2p/{}", a.peer_id());
    b.dial(&address).await.unwrap();
    assert_eq!(proxy.authorities(), ["partner.example:4801"]);
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_refuses_is_said_to_be_its_doing() {
    // NET-7.1, NET-10.4, NET-10.5
    let a = start(config(&[ANYWHERE])).await;
    let proxy = HttpProxy::start("partner.example:443", socket(&a.listen_addrs()[0]), Some(BASIC)).await;
    let gone = HttpProxy { at: ([127, 0, 0, 1], free_port().unwrap()).into(), asked: proxy.asked.clone() };
    for (proxy, credentials, name, says) in [
        (&proxy, Some("firm:falsch"), "partner.example", "407"),
        (&proxy, None, "partner.example", "407"),
        (&proxy, Some("firm:geheim"), "unknown.example", "502"),
        (&gone, Some("firm:geheim"), "partner.example", "cannot be reached"),
    ] {
        let b = start(by(through(proxy, credentials), &[])).await;
        let error = b.dial(&named(&a, name, 443)).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, TransportError::Proxy { .. }), "{error:?}");
        assert_eq!(error.code(), Code::ProxyRefused);
        assert!(text.contains(says) && text.contains(&proxy.at.to_string()), "{text}");
        assert!(!text.contains("geheim") && !text.contains("falsch") && !text.contains("Basic"), "{text}");
        assert!(error.may_retry());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_to_the_websocket_and_says_nothing_is_let_go() {
    // NET-6.1, NET-6.7, NET-10.2
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let a = start(within(limits, config(&[ANYWHERE]))).await;
    let mut silent = TcpStream::connect(socket(&a.listen_addrs()[0])).await.unwrap();
    let mut rude = TcpStream::connect(socket(&a.listen_addrs()[0])).await.unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // An alert of TLS, or nothing; then the end.
    let _ = rude.read_to_end(&mut rest).await;
    let ended = silent.read_to_end(&mut rest).await;
    assert!(ended.is_ok_and(|n| n == 0));
    let counters = a.counters().await;
    assert_eq!((counters.connections, counters.in_setup), (0, 0));
}
