//! The connection is kept and comes back, and what was pending arrives then (NET-12): links that are slow, lose, break, and forget.

use std::{path::Path, time::Duration};

use naru::{
    config::Folder,
    node::verbs::Publish,
    transport::{Limits, free_port},
};

use crate::{
    common::{Firm, Temp, harmless, init, policy, private, proposal, publish, same_files, settled},
    config,
    forwarder::{Link, State},
    start, until, who, within,
};

/// Writes what `naru init` leaves out.
fn network(dir: &Path, table: &str) {
    let file = dir.join("naru.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[network]\n{table}\n")).unwrap();
    Folder::new(dir).config().unwrap();
}

/// A seller that is reached over a link alone, and a buyer that nobody reaches.
struct Trade {
    seller: Firm,
    buyer: Firm,
    dataset: String,
    link: Link,
    temp: Temp,
}

impl Trade {
    async fn new() -> Self {
        let temp = Temp::new();
        let port = free_port().unwrap();
        let link = Link::start(([127, 0, 0, 1], port).into()).await;
        let made =
            naru::cli::init::create(&init(&temp.join("seller"), "한강모터스", "KR", Some(port))).unwrap();
        let address = format!("advertise = [\"/ip4/127.0.0.1/tcp/{}\"]", link.at.port());
        network(&temp.join("seller"), &address);
        let mut seller = Firm::existing(temp.join("seller"), made.did);
        seller.open().await;
        let buyer = Firm::start(temp.join("buyer"), "Merlion", "SG", Some(0)).await;
        buyer.trust(seller.ticket().await).await;
        seller.facts(&private(&[&buyer.did], &[]));
        let dataset = publish(&seller, &temp.join("source"), harmless()).await;
        Self { seller, buyer, dataset, link, temp }
    }

    /// The deal and its transfer are over on both sides, equal.
    async fn concluded(&self, id: &str, out: &Path) {
        let (ours, theirs) = (self.seller.until(id, settled).await, self.buyer.until(id, settled).await);
        assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("FINALIZED", "FINALIZED"), "{ours:#?}");
        let transfer = self.buyer.until(id, |view| view.other.is_some()).await.other.unwrap();
        let (gave, got) =
            (self.seller.until(&transfer, settled).await, self.buyer.until(&transfer, settled).await);
        assert_eq!(
            (gave.state.as_str(), got.state.as_str()),
            ("COMPLETED", "COMPLETED"),
            "{gave:#?} {got:#?}"
        );
        same_files(out);
    }

    async fn close(mut self) {
        tokio::join!(self.seller.stop(), self.buyer.stop());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_names_what_the_router_passes_on() {
    // NET-12.3
    let trade = Trade::new().await;
    let ticket =
        naru_protocol::ticket::Ticket::parse(&trade.seller.ticket().await, crate::common::now()).unwrap();
    let addresses: Vec<&str> = ticket.addresses().iter().map(|address| address.as_str()).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert!(addresses[0].starts_with(&format!("/ip4/127.0.0.1/tcp/{}/p2p/", trade.link.at.port())));
    trade.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_goes_on_over_a_link_that_delays_loses_and_breaks() {
    // NET-12.1, NEG-12.5, ACT-6.8
    let trade = Trade::new().await;
    let slow = State::Up { delay: Duration::from_millis(15), lost: 9 };
    trade.link.set(slow);
    for round in 0..2 {
        let out = trade.temp.join(&format!("out-{round}"));
        let asked = trade.buyer.request(&trade.seller.did, &trade.dataset, Some(out.clone())).await.unwrap();
        for _ in 0..3 {
            let taken = trade.link.taken();
            trade.link.cut();
            until("a new connection", || trade.link.taken() > taken).await;
        }
        trade.concluded(&asked.id, &out).await;
    }
    trade.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_while_the_link_is_down_arrives_when_it_is_back() {
    // NET-12.1, ACT-6.8
    let trade = Trade::new().await;
    trade.link.set(State::Down);
    let (out, buyer) = (trade.temp.join("out"), &trade.buyer);
    buyer.expect(&trade.seller.did, out.clone()).await;
    // Either side has something to say, and only one of them can dial.
    let offered = trade.seller.node().offer(proposal(&buyer.did, &trade.dataset, None)).await.unwrap();
    let waiting = trade.seller.view(&offered.id).await.unwrap();
    assert!(waiting.waits_for.is_some(), "{waiting:#?}");
    trade.link.set(Link::GOOD);
    trade.concluded(&offered.id, &out).await;
    trade.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_a_router_forgot_is_noticed_and_made_anew() {
    // NET-5.10, NET-12.1: nothing passes, nothing closes; the pings of a node as configured find out.
    let trade = Trade::new().await;
    until("the connection", || trade.link.taken() == 1).await;
    trade.link.forget();
    let out = trade.temp.join("out");
    trade.buyer.expect(&trade.seller.did, out.clone()).await;
    let offered = trade.seller.node().offer(proposal(&trade.buyer.did, &trade.dataset, None)).await.unwrap();
    trade.concluded(&offered.id, &out).await;
    assert!(trade.link.taken() > 1);
    trade.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_of_a_half_open_connection_let_it_go() {
    // NET-5.10, NET-5.6
    let limits = Limits {
        ping: Duration::from_millis(100),
        ping_answer: Duration::from_millis(400),
        ..Limits::default()
    };
    let a = start(within(limits.clone(), config(&["/ip4/127.0.0.1/tcp/0"]))).await;
    let b = start(within(limits, config(&[]))).await;
    let port: u16 = a.listen_addrs()[0].split('/').nth(4).unwrap().parse().unwrap();
    let link = Link::start(([127, 0, 0, 1], port).into()).await;
    let address = format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", link.at.port(), a.peer_id());
    b.dial(&address).await.unwrap();
    until("the connection", || a.is_connected(b.peer_id())).await;
    link.forget();
    until("the end here", || !b.is_connected(a.peer_id())).await;
    until("the end there", || !a.is_connected(b.peer_id())).await;
    b.dial(&address).await.unwrap();
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_connected_is_back_without_a_reason_of_its_own() {
    // NET-12.1: nothing is open, and the other side cannot dial.
    let temp = Temp::new();
    let port = free_port().unwrap();
    let link = Link::start(([127, 0, 0, 1], port).into()).await;
    let seller =
        naru::cli::init::create(&init(&temp.join("seller"), "한강모터스", "KR", Some(port))).unwrap();
    network(&temp.join("seller"), &format!("advertise = [\"/ip4/127.0.0.1/tcp/{}\"]", link.at.port()));
    let buyer = naru::cli::init::create(&init(&temp.join("buyer"), "Merlion", "SG", None)).unwrap();
    network(&temp.join("buyer"), "stay_connected = true\nadvertise = [\"/ip4/192.0.2.1/tcp/1\"]");
    let mut seller = Firm::existing(temp.join("seller"), seller.did);
    let mut buyer = Firm::existing(temp.join("buyer"), buyer.did);
    tokio::join!(seller.open(), buyer.open());
    buyer.trust(seller.ticket().await).await;
    for _ in 0..2 {
        let taken = link.taken();
        link.cut();
        until("a new connection", || link.taken() > taken).await;
    }
    // Also after a restart of either side.
    let taken = link.taken();
    buyer.stop().await;
    buyer.open().await;
    until("a new connection", || link.taken() > taken).await;
    let taken = link.taken();
    seller.stop().await;
    seller.open().await;
    until("a new connection", || link.taken() > taken).await;
    // And what the other side has to say arrives.
    std::fs::write(temp.join("file.txt"), "x").unwrap();
    let title = [("en".to_owned(), "test".to_owned())].into();
    let ask = Publish {
        path: temp.join("file.txt"),
        title,
        policy: policy(),
        facts: harmless(),
        approval: None,
        copy: false,
        version_of: None,
    };
    let dataset = seller.node().publish(ask).await.unwrap().dataset;
    seller.facts(&private(&[&buyer.did], &[]));
    buyer.expect(&seller.did, temp.join("out")).await;
    let offered = seller.node().offer(proposal(&buyer.did, &dataset, None)).await.unwrap();
    assert_eq!(seller.until(&offered.id, settled).await.state, "FINALIZED");
    tokio::join!(seller.stop(), buyer.stop());
}
