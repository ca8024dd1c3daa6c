//! Nodes of our own that reach each other by HTTPS (spec chapter 10, NET-9): a whole deal through that door alone, which way
//! a peer is asked, and what a stranger gets there.

use std::{
    fs,
    time::{Duration, Instant, UNIX_EPOCH},
};

use axum::body::Body;
use hyper::{Request, header};
use naru::{
    cli::init::Init,
    node::verbs::{Accept, IssueTicket, PeerName, Trust},
    transport::{
        Limits,
        https::{HttpsClient, Reach},
    },
};
use naru_protocol::{
    encoding::Digest,
    error::Code,
    ticket::{Address, Ticket},
};
use serde_json::{Value, json};

use crate::common::{
    Firm, Pair, Temp, catalog,
    hand::{DSP, DXP, Hand},
    harmless, init, now, private, proposal, publish, told,
};

/// A firm with an HTTPS door on loopback, and the other door or not.
async fn firm(temp: &Temp, name: &str, country: &str, libp2p: bool) -> Firm {
    let port = if libp2p { None } else { Some(0) };
    Firm::of(Init { https: Some(0), ..init(&temp.join(name), name, country, port) }).await
}

/// Both pin each other, each by the other's fingerprint; the buyer redeems this ticket.
async fn meet(seller: &Firm, buyer: &Firm, ticket: String) {
    let fingerprint_of_seller = told(&ticket);
    let ask = Trust { ticket, fingerprint: fingerprint_of_seller, alias: "seller".to_owned() };
    let view = buyer.node().trust(ask).await.unwrap();
    assert_eq!(view.status, "waits to be accepted by the other side");
    let status = buyer.node().status().await.unwrap();
    let ask = Accept { peer: status.did, fingerprint: status.fingerprint };
    assert_eq!(seller.node().accept_peer(ask).await.unwrap().status, "accepted");
}

async fn ticket(firm: &Firm) -> String {
    firm.node().issue_ticket(IssueTicket { auto_accept: false, ttl: 3600 }).await.unwrap().ticket
}

/// The same ticket with other addresses: nobody signed those.
fn readdressed(ticket: &str, addresses: Vec<Address>) -> String {
    let read = Ticket::parse(ticket, now()).unwrap();
    let (participant, keys) = (read.participant().to_owned(), read.keys().to_owned());
    Ticket::new(addresses, participant, keys, *read.secret(), read.expires()).unwrap().encode().unwrap()
}

/// The HTTPS door in a ticket: URL and pin.
fn door(ticket: &str) -> (String, Digest) {
    let read = Ticket::parse(ticket, now()).unwrap();
    let https = read.addresses().last().unwrap().https().unwrap();
    (https.url.to_owned(), https.certificate.unwrap())
}

/// Two firms with nothing but HTTPS doors, and one dataset.
async fn pair() -> Pair {
    let temp = Temp::new();
    let (seller, buyer) =
        tokio::join!(firm(&temp, "한강모터스", "KR", false), firm(&temp, "Merlion", "SG", false));
    let text = ticket(&seller).await;
    assert_eq!(Ticket::parse(&text, now()).unwrap().addresses().len(), 1);
    meet(&seller, &buyer, text).await;
    seller.facts(&private(&[&buyer.did], &[]));
    let dataset = publish(&seller, &temp.join("source"), harmless()).await;
    Pair { seller, buyer, dataset, temp }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_through_the_https_door_alone_is_concluded_and_its_logs_verify() {
    // NET-9.1, NET-9.2, NET-9.3, API-1.1, API-2.2, ID-8.8
    let pair = pair().await;
    let out = pair.temp.join("out");
    assert_eq!(catalog(&pair.buyer, &pair.seller.did).await.len(), 1);
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    let other = pair.temp.join("other");
    pair.buyer.expect(&pair.seller.did, other.clone()).await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    let second = pair.concluded(&offered.id, &other).await;
    for (firm, peer) in [(&pair.seller, &pair.buyer), (&pair.buyer, &pair.seller)] {
        assert_eq!(firm.connected(&peer.did).await.as_deref(), Some("peer asks by HTTPS"));
        let status = firm.node().status().await.unwrap();
        assert_eq!(status.addresses.len(), 1);
        assert!(status.addresses[0].starts_with(firm.node().https_url().unwrap()));
        firm.node().dial(PeerName { peer: peer.did.clone() }).await.unwrap();
    }
    let (ours, theirs) = pair.logs_agree(&[&asked.id, &transfer, &offered.id, &second]).await;
    let path = pair.temp.join("anchors.toml");
    let people = [(pair.seller.did.as_str(), "한강모터스", "KR"), (pair.buyer.did.as_str(), "Merlion", "SG")];
    let anchor = |(did, name, country): (&str, &str, &str)| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
    let anchors = naru::audit::Anchors::read(&path).unwrap();
    let report = naru::audit::verify(&[ours.dir.clone(), theirs.dir.clone()], &anchors).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unanswered_goes_out_when_the_peer_asks_at_the_https_door() {
    // ACT-6.8, NET-9.3
    let mut pair = pair().await;
    let out = pair.temp.join("out");
    pair.buyer.expect(&pair.seller.did, out.clone()).await;
    pair.buyer.stop().await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    // Until the next repetition by itself is far enough away, on a slow machine too.
    let now = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    let tries = loop {
        let view = pair.seller.view(&offered.id).await.unwrap();
        if view.next_try.is_some_and(|at| at >= now() + 10) {
            break view;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((tries.state.as_str(), tries.waits_for.is_some()), ("NONE", true), "{tries:?}");
    pair.buyer.open().await;
    assert_eq!(catalog(&pair.buyer, &pair.seller.did).await.len(), 1);
    let id = offered.id.clone();
    pair.seller.until(&id, |v| v.state != tries.state).await;
    assert!(tries.next_try.is_some_and(|at| now() < at), "only when its own turn came: {tries:?}");
    pair.concluded(&offered.id, &out).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libp2p_comes_first_and_https_where_it_does_not_lead() {
    // NET-9.3
    let temp = Temp::new();
    let (seller, buyer) = tokio::join!(firm(&temp, "seller", "KR", true), firm(&temp, "buyer", "SG", true));
    meet(&seller, &buyer, ticket(&seller).await).await;
    publish(&seller, &temp.join("source"), harmless()).await;
    seller.facts(&private(&[&buyer.did], &[]));
    assert_eq!(catalog(&buyer, &seller.did).await.len(), 1);
    assert_eq!(buyer.connected(&seller.did).await.as_deref(), Some("we dialled"));
    assert!(seller.connected(&buyer.did).await.is_some_and(|how| how != "peer asks by HTTPS"));
    // Another buyer gets a ticket whose multiaddr leads nowhere, as behind a firewall that lets HTTPS through.
    let far = firm(&temp, "far", "SG", false).await;
    let text = ticket(&seller).await;
    let (url, pin) = door(&text);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = Address::parse(&format!("/ip4/127.0.0.1/tcp/{nobody}")).unwrap();
    let https = Address::of_https(&url, Some(pin)).unwrap();
    meet(&seller, &far, readdressed(&text, vec![dead, https])).await;
    seller.facts(&private(&[&buyer.did, &far.did], &[]));
    assert_eq!(catalog(&far, &seller.did).await.len(), 1);
    assert_eq!(seller.connected(&far.did).await.as_deref(), Some("peer asks by HTTPS"));
    for mut firm in [seller, buyer, far] {
        firm.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_than_the_tickets_is_told_nothing() {
    // NET-9.4, ID-8.7
    let temp = Temp::new();
    let (seller, buyer) = tokio::join!(firm(&temp, "seller", "KR", false), firm(&temp, "buyer", "SG", false));
    let text = ticket(&seller).await;
    let url = door(&text).0;
    for (pin, wanted) in [(Some(Digest::of(b"another")), Code::TlsFailed), (None, Code::TlsFailed)] {
        let wrong = readdressed(&text, vec![Address::of_https(&url, pin).unwrap()]);
        let ask = Trust { fingerprint: told(&wrong), ticket: wrong, alias: "seller".to_owned() };
        let error = buyer.node().trust(ask).await.unwrap_err();
        assert_eq!(error.code(), wanted, "{error}");
    }
    assert!(
        seller.node().peers().await.unwrap().is_empty() && buyer.node().peers().await.unwrap().is_empty()
    );
    // The secret is still good.
    meet(&seller, &buyer, text).await;
    for mut firm in [seller, buyer] {
        firm.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_merely_redeemed_a_ticket_does_not_lead_us_into_our_own_network() {
    // NET-9.4
    let temp = Temp::new();
    let (seller, buyer) = tokio::join!(firm(&temp, "seller", "KR", false), firm(&temp, "buyer", "SG", false));
    let text = seller.ticket().await;
    let ask = Trust { fingerprint: told(&text), ticket: text, alias: "seller".to_owned() };
    assert_eq!(buyer.node().trust(ask).await.unwrap().status, "accepted");
    let dial = async || seller.node().dial(PeerName { peer: buyer.did.clone() }).await;
    assert_eq!(dial().await.unwrap_err().code(), Code::AddressRefused);
    // A person who gives the fingerprint says that it may.
    let fingerprint = buyer.node().status().await.unwrap().fingerprint;
    seller.node().accept_peer(Accept { peer: buyer.did.clone(), fingerprint }).await.unwrap();
    dial().await.unwrap();
    for mut firm in [seller, buyer] {
        firm.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_the_https_door_gets_401_and_no_line_in_the_log() {
    // NET-9.2, NET-9.5
    let temp = Temp::new();
    let seller = firm(&temp, "seller", "KR", true).await;
    publish(&seller, &temp.join("source"), harmless()).await;
    // A peer made by hand, whom nobody pinned: it signs tokens, but as whom?
    let stranger = Hand::stranger(&seller).await;
    let (url, pin) = door(&seller.ticket().await);
    let client = HttpsClient::new(Limits::default());
    let reach = Reach { local: true, pins: vec![pin], ..Reach::default() };
    let size = seller.node().status().await.unwrap().log_size;
    let ask = async |method: &str, target: &str, bearer: Option<String>| {
        let mut request = Request::builder().method(method).header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.body(Body::from(if method == "POST" { "{}" } else { "" })).unwrap();
        let answer = client.request(&format!("{url}{target}"), request, &reach).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().bytes(1 << 20).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    for (method, base, path) in [
        ("POST", DSP, "/catalog/request"),
        ("POST", DSP, "/negotiations/request"),
        ("GET", DSP, "/transfers/urn:uuid:0"),
        ("GET", DXP, "/keys"),
        ("GET", DXP, "/log/checkpoint"),
        ("GET", DXP, "/transfers/urn:uuid:0/filelist"),
        ("POST", DXP, "/tickets"),
    ] {
        let target = format!("{base}{path}");
        assert_eq!(ask(method, &target, None).await.0, 401, "{target}");
        assert_eq!(ask(method, &target, Some("x.y.z".to_owned())).await.0 / 100, 4, "{target}");
        if path == "/tickets" || path.ends_with("filelist") {
            continue;
        }
        let signed = stranger.token_for(method, path, if method == "POST" { b"{}" } else { b"" });
        let (status, said) = ask(method, &target, Some(signed)).await;
        assert_eq!((status, &said["code"]), (401, &json!("not_paired")), "{target}");
    }
    let status = seller.node().status().await.unwrap();
    assert_eq!(status.log_size, size);
    assert!(status.strangers > 0);
    // Beyond its budget an address that is no peer's is not even looked at.
    let mut last = 0;
    for _ in 0..70 {
        let signed = stranger.token_for("GET", "/keys", b"");
        last = ask("GET", "/dxp/1/keys", Some(signed)).await.0;
    }
    assert_eq!(last, 429);
    drop(seller);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_cannot_be_opened_is_an_error_of_the_start() {
    // NET-8.1
    let temp = Temp::new();
    let mut one = firm(&temp, "one", "KR", false).await;
    let taken = one.node().https_url().unwrap().to_owned();
    let fresh = init(&temp.join("two"), "two", "SG", Some(0));
    let port: u16 = taken.rsplit(':').next().unwrap().parse().unwrap();
    let error = naru::cli::init::create(&Init { https: Some(port), ..fresh.clone() }).unwrap_err();
    assert_eq!(error.code, Code::PortInUse.as_str());
    // Free at `init`, taken at the start.
    one.stop().await;
    naru::cli::init::create(&Init { https: Some(port), ..fresh }).unwrap();
    one.open().await;
    let folder = naru::config::Folder::new(temp.join("two"));
    assert_eq!(naru::node::Node::open(&folder).await.unwrap_err().code(), Code::PortInUse);
    one.stop().await;
    // What failed to open holds nothing: as soon as the lock of its folder is let go, it opens.
    let started = Instant::now();
    let node = loop {
        match naru::node::Node::open(&folder).await {
            Ok(node) => break node,
            Err(error) if error.code() == Code::FolderLocked && started.elapsed().as_secs() < 20 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    node.close().await.unwrap();
    fs::write(folder.join("https/key.pem"), "nothing").unwrap();
    let error = naru::node::Node::open(&folder).await.unwrap_err();
    assert_eq!(error.code(), Code::ConfigInvalid);
    assert!(error.to_string().contains("key.pem"), "{error}");
}
