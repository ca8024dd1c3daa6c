//! What those who watch are told of a real deal: events on both sides with one id, and metrics with the numbers of the deal.

use std::{path::Path, time::Duration};

use naru::{
    control::{self, EventStream},
    manage::{Scope, metrics::METRICS},
    node::verbs::{Cancel, DatasetName},
};
use serde_json::Value;

use super::Office;
use crate::common::{Dials, Firm, Pair, Temp, files, harmless};

/// Reads events until one fits; gives all that came, with their ids.
async fn until(stream: &mut EventStream, fits: impl Fn(&Value) -> bool) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
        let next = next.unwrap_or_else(|_| panic!("it did not come: {seen:#?}"));
        let (id, event) = next.unwrap().unwrap_or_else(|| panic!("it ended: {seen:#?}"));
        let done = fits(&event);
        seen.push((id.unwrap_or_default(), event));
        if done {
            return seen;
        }
    }
}

fn is(event: &Value, exchange: &str, state: &str) -> bool {
    event["event"] == "exchange" && event["exchange"] == exchange && event["state"] == state
}

async fn follow(firm: &Firm) -> EventStream {
    control::events(&firm.dir, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_is_told_on_both_sides_under_one_id_and_can_be_taken_up_again() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (Office::of(&pair.seller).await, Office::of(&pair.buyer).await);
    let (mut theirs, mut ours) = (follow(&pair.buyer).await, follow(&pair.seller).await);
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    let completed = |event: &Value| is(event, &transfer, "COMPLETED") && event["waits_for"].is_null();
    let seen = until(&mut ours, completed).await;
    let received = until(&mut theirs, completed).await;
    for (side, role, peer) in [(&seen, "provider", "merlion"), (&received, "consumer", "other")] {
        // An act of the peer may come before the answer to ours and take two steps at once; none is taken back.
        let order = ["NONE", "REQUESTED", "AGREED", "VERIFIED", "FINALIZED"];
        let of = side.iter().filter(|(_, e)| e["event"] == "exchange" && e["exchange"] == asked.id.as_str());
        let places = of.map(|(_, event)| {
            assert_eq!((&event["role"], &event["peer"]), (&role.into(), &peer.into()));
            order.iter().position(|state| event["state"] == *state).unwrap_or_else(|| panic!("{event}"))
        });
        let places: Vec<usize> = places.collect();
        assert!(places.is_sorted() && places.last() == Some(&4), "{side:#?}");
        assert!(places.iter().any(|place| (1..4).contains(place)), "something between is told: {side:#?}");
        assert!(side.iter().any(|(_, event)| is(event, &transfer, "STARTED")), "{side:#?}");
        assert!(!side.iter().any(|(_, event)| event["event"] == "trouble"), "{side:#?}");
    }
    // Taken up behind an event in the middle: exactly what came since, in order.
    let middle = seen.len() / 2;
    let mut again = control::events(&pair.seller.dir, Some(&seen[middle].0)).await.unwrap();
    let since = until(&mut again, completed).await;
    assert_eq!(since, seen[middle + 1..]);

    // What the operator does, and how a peer goes.
    pair.seller.node().withdraw(DatasetName { dataset: pair.dataset.clone() }).await.unwrap();
    let mut before = seen;
    before.extend(
        until(&mut ours, |e| e["event"] == "withdrawn" && e["dataset"] == pair.dataset.as_str()).await,
    );
    let source = pair.temp.join("more");
    let dataset = crate::common::publish(&pair.seller, &source, harmless()).await;
    before.extend(until(&mut ours, |e| e["event"] == "published" && e["dataset"] == dataset.as_str()).await);
    // Who comes and goes is looked at twice a second: a fast machine is done before the first look.
    let peer =
        |e: &Value, change: &str| e["event"] == "peer" && e["change"] == change && e["peer"] == "merlion";
    if !before.iter().any(|(_, event)| peer(event, "connected")) {
        until(&mut ours, |e| peer(e, "connected")).await;
    }
    buyer.stop.send(true).unwrap();
    let Pair { seller: mut selling, buyer: mut buying, temp, .. } = pair;
    buying.stop().await;
    until(&mut ours, |e| peer(e, "disconnected")).await;
    let end = until(&mut theirs, |e| e["event"] == "stopping").await;
    assert!(!end.iter().any(|(_, e)| e["event"] == "slow"));
    assert!(theirs.next().await.is_ok_and(|next| next.is_none()), "it is the last one");

    // What cannot be sent is trouble, told once while it stays the same.
    let asked = selling.node().offer(crate::common::proposal(&buying.did, &dataset, None)).await.unwrap();
    let trouble = until(&mut ours, |e| e["event"] == "trouble").await;
    let (_, event) = trouble.last().unwrap();
    assert_eq!((&event["exchange"], &event["peer"]), (&asked.id.as_str().into(), &"merlion".into()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = selling.node().cancel(Cancel { id: asked.id.clone(), reason: None }).await;
    seller.stop.send(true).unwrap();
    selling.stop().await;
    let rest = until(&mut ours, |e| e["event"] == "stopping").await;
    assert!(rest.iter().filter(|(_, e)| e["event"] == "trouble").count() <= 1, "{rest:#?}");
    drop(temp);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_waits_to_be_accepted_is_told_as_a_decision() {
    let temp = Temp::new();
    let (mut issuer, mut redeemer) = tokio::join!(
        Firm::start(temp.join("issuer"), "Hangang", "KR", None),
        Firm::start(temp.join("redeemer"), "Merlion", "SG", Some(0)),
    );
    let _office = Office::of(&issuer).await;
    let mut events = follow(&issuer).await;
    let ask = naru::node::verbs::IssueTicket { auto_accept: false, ttl: 3600 };
    let ticket = issuer.node().issue_ticket(ask).await.unwrap().ticket;
    let fingerprint = crate::common::told(&ticket);
    let ask = naru::node::verbs::Trust { ticket, alias: "hangang".to_owned(), fingerprint };
    redeemer.node().trust(ask).await.unwrap();
    let seen = until(&mut events, |e| e["event"] == "approval").await;
    assert!(seen.iter().any(|(_, e)| e["event"] == "peer" && e["change"] == "pending"), "{seen:#?}");
    assert_eq!(seen.last().unwrap().1["peer"], "merlion");
    tokio::join!(issuer.stop(), redeemer.stop());
}

/// The value of a sample.
fn value(text: &str, sample: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(name, _)| *name == sample).map(|(_, value)| value.parse().unwrap())
}

fn bytes() -> f64 {
    let bytes: usize = files().values().map(Vec::len).sum();
    f64::from(u32::try_from(bytes).unwrap())
}

async fn scrape(office: &Office) -> String {
    let answer = office.ask("GET", "/metrics", Some(&office.token(Scope::Read)), "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_numbers_of_a_real_deal() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (selling, buying) = (Office::of(&pair.seller).await, Office::of(&pair.buyer).await);
    let before = scrape(&buying).await;
    assert_eq!(value(&before, "naru_data_verified_bytes_total"), Some(0.0));
    assert_eq!(value(&before, "naru_pending_oldest_seconds"), Some(0.0));
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    let (gave, got) = (scrape(&selling).await, scrape(&buying).await);
    for text in [&gave, &got] {
        for (sample, wanted) in [
            ("naru_negotiations{state=\"FINALIZED\"}", 1.0),
            ("naru_transfers{state=\"COMPLETED\"}", 1.0),
            ("naru_outbox_acts{state=\"waiting\"}", 0.0),
            ("naru_peers_connected", 1.0),
            ("naru_signing_stopped", 0.0),
        ] {
            assert_eq!(value(text, sample), Some(wanted), "{sample}\n{text}");
        }
        assert!(
            value(text, "naru_decisions_total{phase=\"negotiation\",result=\"allow\"}") >= Some(1.0),
            "{text}"
        );
        assert!(
            value(text, "naru_decisions_total{phase=\"transfer\",result=\"allow\"}") >= Some(1.0),
            "{text}"
        );
        let age = value(text, "naru_log_checkpoint_age_seconds").unwrap();
        assert!((0.0..60.0).contains(&age), "{age}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(METRICS.iter().any(|metric| metric.name == name), "{line}");
            assert!(!line.contains("did:") && !line.contains("merlion") && !line.contains("urn:"), "{line}");
        }
    }
    // Every byte was verified once, and no fewer were sent.
    assert_eq!(value(&got, "naru_data_verified_bytes_total"), Some(bytes()));
    assert_eq!(value(&gave, "naru_data_verified_bytes_total"), Some(0.0));
    assert!(value(&gave, "naru_data_sent_bytes_total") >= Some(bytes()));
    assert_eq!(value(&got, "naru_data_sent_bytes_total"), Some(0.0));
    let size = pair.seller.node().status().await.unwrap().log_size;
    let shown = value(&scrape(&selling).await, "naru_log_entries").unwrap();
    assert!(shown >= f64::from(u32::try_from(size).unwrap()));
    assert!(Path::new(&out).exists());
    pair.close().await;
}
