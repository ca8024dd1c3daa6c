//! From HTTP to a WebSocket, both sides (RFC 6455, section 4; spec chapter 10, NET-10.2).
//!
//! The path is `/` and there is no subprotocol, as other implementations of libp2p have it. Nothing of the request is believed:
//! no origin, no cookie, no forwarded address.

use std::convert::Infallible;
use std::io;
use std::sync::Mutex;

use axum::body::Body;
use base64ct::{Base64, Encoding as _};
use hyper::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

use super::super::limits::OUTER_HEAD;
use super::super::links::lock;
use super::Pipe;
use super::frames::{Frames, Side};

/// What RFC 6455 appends to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn accept_of(key: &str) -> String {
    Base64::encode_string(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn says(headers: &HeaderMap, name: &hyper::header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

fn framed(upgraded: Upgraded, side: Side) -> Pipe {
    Pipe::of(Frames::new(TokioIo::new(upgraded).compat(), side))
}

/// Asks for a WebSocket.
pub(super) async fn open(socket: Pipe, authority: String) -> io::Result<Pipe> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let key = Base64::encode_string(&nonce);
    let request = Request::builder()
        .uri("/")
        .header(HOST, authority)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header(SEC_WEBSOCKET_KEY, &key)
        .header(SEC_WEBSOCKET_VERSION, "13")
        .body(Body::empty())
        .map_err(io::Error::other)?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(OUTER_HEAD);
    let io = TokioIo::new(socket.compat());
    let (mut sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
    let asked = async move {
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().to_vec());
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS
            || !says(answer.headers(), &UPGRADE, "websocket")
            || accept.is_none_or(|accept| accept != accept_of(&key).as_bytes())
        {
            return Err(refused("the server there speaks no WebSocket: its handshake failed"));
        }
        hyper::upgrade::on(answer).await.map_err(io::Error::other)
    };
    // The connection is at its end when what it turned into is there; its own error is that of the request.
    let (upgraded, _) = futures::join!(asked, connection.with_upgrades());
    Ok(framed(upgraded?, Side::Client))
}

/// Answers who asks for one; whoever asks for anything else is told so and let go.
pub(super) async fn accept(socket: Pipe) -> io::Result<Pipe> {
    let asked: Mutex<Option<OnUpgrade>> = Mutex::default();
    let service = service_fn(|mut request: Request<hyper::body::Incoming>| {
        let key = key_of(&request);
        if key.is_some() {
            *lock(&asked) = Some(hyper::upgrade::on(&mut request));
        }
        async move { Ok::<_, Infallible>(answer_to(key.as_deref())) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.max_buf_size(OUTER_HEAD).keep_alive(false);
    let served = builder.serve_connection(TokioIo::new(socket.compat()), service).with_upgrades().await;
    served.map_err(io::Error::other)?;
    let upgrade = lock(&asked).take();
    let upgrade = upgrade.ok_or_else(|| refused("asked for something other than a WebSocket"))?;
    Ok(framed(upgrade.await.map_err(io::Error::other)?, Side::Server))
}

/// The key of a request for a WebSocket.
fn key_of<B>(request: &Request<B>) -> Option<String> {
    let headers = request.headers();
    let key = headers.get(SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    let sixteen = Base64::decode_vec(key).is_ok_and(|nonce| nonce.len() == 16);
    (request.method() == Method::GET
        && request.uri().path() == "/"
        && says(headers, &UPGRADE, "websocket")
        && says(headers, &CONNECTION, "upgrade")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && sixteen)
        .then(|| key.to_owned())
}

fn answer_to(key: Option<&str>) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    let websocket = hyper::header::HeaderValue::from_static("websocket");
    answer.headers_mut().insert(UPGRADE, websocket);
    *answer.status_mut() = StatusCode::UPGRADE_REQUIRED;
    if let Some(accept) = key.and_then(|key| accept_of(key).parse().ok()) {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("Upgrade"));
        answer.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    answer
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (Pipe, Pipe) {
        let (a, b) = tokio::io::duplex(1 << 12);
        (Pipe::of(a.compat()), Pipe::of(b.compat()))
    }

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        // NET-10.2
        assert_eq!(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn both_sides_come_to_one_stream() {
        // NET-10.2
        let (a, b) = pair();
        let (client, server) = futures::join!(open(a, "a.example:443".to_owned()), accept(b));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let sent: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let (mut there, mut back) = (vec![0; sent.len()], vec![0; 5]);
        let writing = async {
            client.write_all(&sent).await.unwrap();
            client.flush().await.unwrap();
            client.read_exact(&mut back).await.unwrap();
        };
        let reading = async {
            server.read_exact(&mut there).await.unwrap();
            server.write_all(b"hello").await.unwrap();
            server.close().await.unwrap();
        };
        futures::join!(writing, reading);
        assert_eq!((there == sent, back.as_slice()), (true, b"hello".as_slice()));
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "closed is an end");
    }

    #[tokio::test]
    async fn who_asks_for_something_else_is_told() {
        // NET-10.2
        let ok = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        for (request, says) in [
            (ok.to_owned(), "HTTP/1.1 101 "),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "HTTP/1.1 426 "),
            (ok.replace("GET / ", "GET /x "), "HTTP/1.1 426 "),
            (ok.replace(": 13", ": 12"), "HTTP/1.1 426 "),
            (ok.replace("dGhl", ""), "HTTP/1.1 426 "),
            ("x\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ] {
            let (mut a, b) = pair();
            let asking = async {
                a.write_all(request.as_bytes()).await.unwrap();
                let mut answer = [0; 13];
                a.read_exact(&mut answer).await.unwrap();
                drop(a);
                String::from_utf8(answer.to_vec()).unwrap()
            };
            let (answer, accepted) = futures::join!(asking, accept(b));
            assert_eq!((answer.as_str(), accepted.is_ok()), (says, says.contains("101")), "{request}");
        }
    }

    #[tokio::test]
    async fn a_web_server_is_not_taken_for_a_peer() {
        // NET-10.2
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        ] {
            let (a, mut b) = pair();
            let serving = async {
                let mut request = [0; 1];
                b.read_exact(&mut request).await.unwrap();
                b.write_all(answer.as_bytes()).await.unwrap();
                b.flush().await.unwrap();
                b
            };
            let (opened, _b) = futures::join!(open(a, "a".to_owned()), serving);
            assert!(opened.is_err(), "{answer}");
        }
    }
}
