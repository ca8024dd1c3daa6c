//! Readers of events over real connections: one that does not read, one that comes back, and how many there may be. Routes,
//! scopes and everything with a node in it are tested in `connector/tests/nodes/manage.rs`.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, http::HeaderMap, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
};

use super::{follow, server};
use crate::node::events::{Bus, Happened, KEPT, QUEUE};

fn published(number: u64) -> Happened {
    Happened::Published { dataset: "d".repeat(2000), version: number }
}

/// Serves the events of a bus; gives its port and what ends it.
async fn serving(bus: Bus, limits: server::Limits) -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let places = Arc::new(Semaphore::new(8));
    let events = move |State(bus): State<Bus>, headers: HeaderMap| async move {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        follow::sent(&bus, last, places.clone().try_acquire_owned().unwrap())
    };
    let router = Router::new().route("/events", get(events)).with_state(bus);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(server::serve(listener, router, limits, stopped));
    (port, stop)
}

async fn connect(port: u16, last: Option<&str>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little room on the way, so that a reader that does not read is soon noticed.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let request = format!("GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until the text holds `end`, or the connection ends.
async fn read(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut piece) = (String::new(), vec![0; 64 << 10]);
    loop {
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut piece)).await;
        let read = read.expect("nothing came").unwrap();
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        if read == 0 || text.contains(end) {
            return text;
        }
    }
}

fn last_id(text: &str) -> String {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_and_ended_and_comes_back_while_others_miss_nothing() {
    let bus = Bus::default();
    let (port, _stop) = serving(bus.clone(), server::Limits::default()).await;
    let mut slow = connect(port, None).await;
    read(&mut slow, "\r\n\r\n").await;
    let mut quick = bus.follow(None);
    // Nobody reads; the buffers of the system hold some megabytes, the node holds no more than its queue.
    let mut told = 0;
    for _ in 0..40 {
        for _ in 0..QUEUE / 2 {
            told += 1;
            bus.tell(published(told));
            assert_eq!(quick.next().await.unwrap().1.what, published(told));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let text = read(&mut slow, "event: slow").await;
    assert!(text.contains("event: slow"), "{}", text.len());
    assert_eq!(text.matches("event: slow").count(), 1);
    let rest = read(&mut slow, "\0").await;
    assert!(!rest.contains("event: published"), "nothing follows");
    // It comes back: more was told than is kept, so it is told of the gap, and then has everything that is kept.
    let mut again = connect(port, Some(&last_id(&text))).await;
    let text = read(&mut again, &format!("\"version\":{told}}}")).await;
    assert_eq!(text.matches("event: gap").count(), 1);
    assert_eq!(text.matches("event: published").count(), KEPT);
}

#[tokio::test]
async fn whoever_comes_back_gets_what_came_since_and_nothing_twice() {
    let bus = Bus::default();
    let (port, _stop) = serving(bus.clone(), server::Limits::default()).await;
    let mut first = connect(port, None).await;
    read(&mut first, "\r\n\r\n").await;
    (1..=3).for_each(|number| bus.tell(published(number)));
    let seen = read(&mut first, "\"version\":3}").await;
    assert!(!seen.contains("event: gap"));
    drop(first);
    (4..=5).for_each(|number| bus.tell(published(number)));
    let mut second = connect(port, Some(&last_id(&seen))).await;
    let since = read(&mut second, "\"version\":5}").await;
    assert!(!since.contains("event: gap") && !since.contains("\"version\":3}"), "{}", since.len());
    assert_eq!(since.matches("event: published").count(), 2);
    // What is no id of this process is one of another: everything that is kept, behind a gap.
    for foreign in ["x-1", "nonsense", "1"] {
        let mut other = connect(port, Some(foreign)).await;
        let all = read(&mut other, "\"version\":5}").await;
        assert!(all.find("event: gap").unwrap() < all.find("event: published").unwrap(), "{foreign}");
        assert_eq!(all.matches("event: published").count(), 5);
    }
    bus.tell(Happened::Stopping);
    assert!(read(&mut second, "\0").await.contains("event: stopping"), "and the connection ends");
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_places_come_back() {
    let limits =
        server::Limits { connections: 2, head: Duration::from_millis(300), ..server::Limits::default() };
    let (port, stop) = serving(Bus::default(), limits).await;
    let mut held = [connect(port, None).await, connect(port, None).await];
    for stream in &mut held {
        read(stream, "\r\n\r\n").await;
    }
    let mut over = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let _ = over.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!matches!(over.read(&mut [0; 16]).await, Ok(1..)), "it is closed unanswered");
    drop(held);
    // A head that does not come in time ends the connection.
    let mut mute = loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = stream.write_all(b"GET /events HT").await;
        let ended = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 16])).await;
        if ended.is_err() {
            break stream;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), mute.read(&mut [0; 512])).await;
    assert!(ended.is_ok(), "a mute connection goes");
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
