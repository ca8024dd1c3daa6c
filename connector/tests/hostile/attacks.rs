//! What a peer that means harm does: before it is known, and once a ticket let it in.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use axum::body::Body;
use futures::{StreamExt as _, future::BoxFuture, stream};
use hyper::{Request, body::Bytes, header};
use naru_protocol::encoding::Digest;
use serde_json::json;

use crate::common::hand::{DSP, DXP, Hand, urn};

/// One attack; gives what became of it.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) run: fn(String) -> BoxFuture<'static, String>,
}

macro_rules! attack {
    ($name:literal, $run:ident) => {
        Attack { name: $name, run: |ticket| Box::pin($run(ticket)) }
    };
}

pub(crate) const ATTACKS: [Attack; 11] = [
    attack!("connections that say nothing", silent),
    attack!("handshakes that are noise", noise),
    attack!("strangers that ask", strangers),
    attack!("requests that never end their head or body", never_ending),
    attack!("bodies without end, heads without measure", oversized),
    attack!("compression bombs", bombs),
    attack!("a flood of reads", flood),
    attack!("acts that are not allowed, without end", refusals),
    attack!("streams that are opened and left", streams),
    attack!("tokens under another's signature", wrong_keys),
    attack!("one act sent again with other contents", altered_retries),
];

async fn known(ticket: &str) -> Hand {
    let hand = Hand::of_ticket(ticket, "SG").await;
    assert_eq!(hand.redeem(&hand.redemption()).await.status, 200);
    hand
}

/// Asks for the catalog as it should be asked for.
pub(crate) async fn catalog(hand: &Hand) -> u16 {
    let body = json!({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"});
    let body = naru_protocol::json::canonical(&body).unwrap();
    hand.read_as("POST", DSP, "/catalog/request", body, |_| {}).await.status
}

/// Counts of what was answered, in the order of the statuses.
fn counted(statuses: impl IntoIterator<Item = u16>) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_insert(0) += 1;
    }
    let said = counts.iter().map(|(status, count)| match status {
        0 => format!("{count} broken off"),
        status => format!("{count} times {status}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

async fn silent(ticket: String) -> String {
    let socket = Hand::of_ticket(&ticket, "SG").await.socket();
    let held = tokio::task::spawn_blocking(move || {
        let open: Vec<TcpStream> = (0..600).filter_map(|_| TcpStream::connect(&socket).ok()).collect();
        std::thread::sleep(Duration::from_secs(3));
        let closed = open.iter().filter(|stream| {
            let _ = stream.set_nonblocking(true);
            let mut one = [0; 64];
            // The first words of the multistream may stand there; a closed one reads to its end.
            let mut stream: &TcpStream = stream;
            matches!(stream.read(&mut one), Ok(0)) || stream.write_all(b"x").is_err()
        });
        (open.len(), closed.count())
    });
    let (open, closed) = held.await.unwrap();
    format!("{open} opened, {closed} closed within 3 s")
}

async fn noise(ticket: String) -> String {
    let socket = Hand::of_ticket(&ticket, "SG").await.socket();
    let sent = tokio::task::spawn_blocking(move || {
        let mut sent = 0_usize;
        for number in 0..200_u8 {
            let Ok(mut stream) = TcpStream::connect(&socket) else { continue };
            let _ = stream.set_write_timeout(Some(Duration::from_millis(200)));
            for _ in 0..16 {
                if stream.write_all(&[number; 4096]).is_err() {
                    break;
                }
                sent += 4096;
            }
        }
        sent
    });
    format!("{} KiB taken in before it hung up", sent.await.unwrap() / 1024)
}

async fn strangers(ticket: String) -> String {
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let hand = Hand::of_ticket(&ticket, "SG").await;
        for _ in 0..30 {
            let request = Request::get(format!("{DXP}/log/checkpoint")).header(header::HOST, "dxp");
            statuses.push(hand.raw(request.body(Body::empty()).unwrap()).await.unwrap_or(0));
        }
    }
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{}", counted(statuses));
    counted(statuses)
}

/// One chunk now and then, for as long as somebody listens.
fn trickle() -> Body {
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    });
    Body::from_stream(drops)
}

async fn never_ending(ticket: String) -> String {
    let hand = known(&ticket).await;
    let asked = (0..50).map(|_| {
        let path = "/negotiations/request";
        let token = hand.token_for("POST", path, b"{}");
        let request = Request::post(format!("{DSP}{path}"))
            .header(header::HOST, "dxp")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        // Given up on after a while: what is asked here is whether the node is.
        let sent = hand.raw(request.body(trickle()).unwrap());
        async move { tokio::time::timeout(Duration::from_secs(8), sent).await.map_or(0, |s| s.unwrap_or(0)) }
    });
    let statuses: Vec<u16> = stream::iter(asked).buffer_unordered(50).collect().await;
    assert!(statuses.iter().all(|status| *status == 0 || *status >= 400));
    counted(statuses)
}

async fn oversized(ticket: String) -> String {
    let hand = known(&ticket).await;
    let mut statuses = Vec::new();
    for number in 0..24 {
        let path = "/negotiations/request";
        let token = hand.token_for("POST", path, b"{}");
        let mut request = Request::post(format!("{DSP}{path}"))
            .header(header::HOST, "dxp")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        let body = match number % 3 {
            0 => {
                request = request.header("x-more", "a".repeat(60_000));
                Body::empty()
            }
            1 => {
                for header in 0..200 {
                    request = request.header(format!("x-{header}"), "1");
                }
                Body::empty()
            }
            _ => Body::from_stream(stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'['; 16_384]))
            })),
        };
        let sent = hand.raw(request.body(body).unwrap());
        statuses
            .push(tokio::time::timeout(Duration::from_secs(20), sent).await.map_or(0, |s| s.unwrap_or(0)));
    }
    assert!(statuses.iter().all(|status| *status == 0 || *status >= 400), "{}", counted(statuses));
    counted(statuses)
}

async fn bombs(ticket: String) -> String {
    let hand = known(&ticket).await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packed.write_all(&[b' '; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let path = "/negotiations/request";
        let token = hand.token_for("POST", path, &packed);
        let request = Request::post(format!("{DSP}{path}"))
            .header(header::HOST, "dxp")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip");
        statuses.push(hand.raw(request.body(Body::from(packed.clone())).unwrap()).await.unwrap_or(0));
    }
    assert!(statuses.iter().all(|status| *status == 415), "{}", counted(statuses));
    counted(statuses)
}

async fn flood(ticket: String) -> String {
    let hand = known(&ticket).await;
    let ask = || async {
        let path = format!("/negotiations/{}", urn());
        let token = hand.token_for("GET", &path, b"");
        let request = Request::get(format!("{DSP}{path}"))
            .header(header::HOST, "dxp")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        hand.raw(request.body(Body::empty()).unwrap()).await.unwrap_or(0)
    };
    // More than the budget of a minute; again where the minute was over in the middle.
    let mut statuses: Vec<u16> = Vec::new();
    while !statuses.contains(&429) && statuses.len() < 36_000 {
        let asked = (0..9000).map(|_| ask());
        statuses.extend(stream::iter(asked).buffer_unordered(48).collect::<Vec<u16>>().await);
    }
    assert!(statuses.iter().all(|status| matches!(status, 0 | 404 | 429 | 503)), "{}", counted(statuses));
    assert!(statuses.contains(&429), "its budget ends: {}", counted(statuses));
    counted(statuses)
}

async fn refusals(ticket: String) -> String {
    let hand = known(&ticket).await;
    let mut statuses = Vec::new();
    for _ in 0..400 {
        let (_, prepared) = hand.request(&json!({"v": 1}));
        statuses.push(hand.carry(&prepared).await.status);
    }
    assert!(statuses.iter().all(|status| *status >= 400), "{}", counted(statuses));
    counted(statuses)
}

async fn streams(ticket: String) -> String {
    let hand = known(&ticket).await;
    let asked = (0..300).map(|_| {
        let request = Request::get(format!("{DXP}/log/checkpoint")).header(header::HOST, "dxp");
        let sent = hand.raw(request.body(trickle()).unwrap());
        async move { tokio::time::timeout(Duration::from_secs(4), sent).await.map_or(0, |s| s.unwrap_or(0)) }
    });
    let statuses: Vec<u16> = stream::iter(asked).buffer_unordered(300).collect().await;
    counted(statuses)
}

async fn wrong_keys(ticket: String) -> String {
    let hand = known(&ticket).await;
    let other = Hand::of_ticket(&ticket, "SG").await;
    let mut statuses = Vec::new();
    for _ in 0..300 {
        let path = format!("/negotiations/{}", urn());
        let (own, foreign) = (hand.token_for("GET", &path, b""), other.token_for("GET", &path, b""));
        let (said, signature) = (own.rsplit_once('.').unwrap().0, foreign.rsplit_once('.').unwrap().1);
        let request = Request::get(format!("{DSP}{path}"))
            .header(header::HOST, "dxp")
            .header(header::AUTHORIZATION, format!("Bearer {said}.{signature}"));
        statuses.push(hand.raw(request.body(Body::empty()).unwrap()).await.unwrap_or(0));
    }
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{}", counted(statuses));
    counted(statuses)
}

async fn altered_retries(ticket: String) -> String {
    let hand = known(&ticket).await;
    let (_, prepared) = hand.request(&json!({"v": 1}));
    let first = hand.carry(&prepared).await.status;
    assert!(first >= 400, "{first}");
    let mut codes = Vec::new();
    for number in 0..300 {
        let mut altered = prepared.clone();
        altered.body = format!("{{\"v\": {number}}}").into_bytes();
        altered.act.body = Digest::of(&altered.body);
        altered.token.body = altered.act.body;
        codes.push(hand.carry(&altered).await.status);
    }
    assert!(codes.iter().all(|status| matches!(status, 409 | 429)), "{}", counted(codes));
    counted(codes)
}
