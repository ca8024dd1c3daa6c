//! A partner's data for us: where they are fetched, under which spelling, whole or resumed, and what is never taken for them
//! (PLN-8.2, PLN-8.5, PLN-8.6, PLN-8.7).

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use naru::node::verbs::{ExchangeView, LimitRate};
use serde_json::{Value, json};

use crate::common::{
    foreign::{Content, Desk, Heard, Say, listen},
    private, settled,
    trade::{Haul, Market, WARE, address, content, order},
};

const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";

/// The range that was asked for: its first byte.
fn first_byte(heard: &Heard) -> Option<usize> {
    heard.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// An honest server of this content: ranges under `If-Range`, a strong tag.
fn served(heard: &Heard, all: &[u8], tag: &str) -> Say {
    match first_byte(heard).filter(|_| heard.header("if-range") == Some(tag)) {
        Some(from) => Say::new(206, Content::Whole(all[from..].to_vec()))
            .with("content-range", format!("bytes {from}-{}/{}", all.len() - 1, all.len())),
        None => Say::new(200, Content::Whole(all.to_vec())),
    }
    .with("etag", tag)
}

/// Breaks off after so many bytes.
fn broken(all: &[u8], at: usize) -> Say {
    Say::new(200, Content::Broken(all[..at].to_vec(), all.len()))
}

async fn arrives(market: &Market, out: &Path, say: &Value) -> ExchangeView {
    let haul = market.partner.delivers(&market.firm, out, Some(say)).await;
    market.firm.until(&haul.id, settled).await
}

fn came(out: &Path) -> bool {
    fs::read(out.join(WARE)).is_ok_and(|bytes| bytes == content())
}

/// Nothing under its final name, only a part at most.
fn nothing(out: &Path) {
    assert!(!out.join(WARE).exists(), "{}", out.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_read_in_either_spelling() {
    // PLN-8.2
    let market = Market::new().await;
    let partner = &market.partner;
    partner.desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    let url = format!("{}/data", partner.origin);
    let property =
        |name: &str, value: &str| json!({"@type": "EndpointProperty", "name": name, "value": value});
    let of = |properties: Vec<Value>| json!({"@type": "DataAddress", "endpointType": "HttpData", "endpointProperties": properties});
    let long = |name: &str| format!("{EDC}{name}");
    let places = [
        address(&url, Some("data-token")),
        of(vec![
            property(&long("endpoint"), &url),
            property(&long("authType"), "bearer"),
            property(&long("endpointType"), "https://w3id.org/idsa/v4.1/HTTP"),
            property(&long("authorization"), "data-token"),
        ]),
        of(vec![property("endpoint", &url), property("authorization", "data-token")]),
        of(vec![property(&long("endpoint"), &url), property("authorization", "data-token")]),
    ];
    for (number, place) in places.iter().enumerate() {
        let out = market.temp.join(&format!("out-{number}"));
        let done = arrives(&market, &out, place).await;
        assert_eq!((done.state.as_str(), came(&out)), ("COMPLETED", true), "{place}: {done:#?}");
        assert_eq!(partner.desk.next("/data").await.header("authorization"), Some("data-token"));
    }
    // Without a token none is sent, and never what the operator set for messages.
    let out = market.temp.join("open");
    arrives(&market, &out, &address(&url, None)).await;
    assert_eq!(partner.desk.next("/data").await.header("authorization"), None);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_an_address_is_ended_at_once() {
    // PLN-8.5
    let market = Market::new().await;
    let partner = &market.partner;
    let nowhere = json!({"@type": "DataAddress", "endpointType": "HttpData"});
    let mut seen = Vec::new();
    for (number, place) in [None, Some(&nowhere)].into_iter().enumerate() {
        let out = market.temp.join(&format!("out-{number}"));
        let haul = partner.delivers(&market.firm, &out, place).await;
        let path = format!("/transfers/{}/termination", haul.pids.provider);
        assert_eq!(partner.desk.next(&path).await.json()["code"], json!("answer_malformed"));
        seen.push(market.firm.until(&haul.id, settled).await);
        nothing(&out);
    }
    assert!(seen.iter().all(|v| v.state == "TERMINATED" && v.refusal.is_some()), "{seen:#?}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one server after the other")]
async fn what_broke_off_is_continued_only_under_a_strong_tag() {
    // PLN-8.7
    let market = Market::new().await;
    let partner = &market.partner;
    let all = Arc::new(content());
    // A strong tag: the rest is asked for.
    let tries = AtomicUsize::new(0);
    let bytes = Arc::clone(&all);
    partner.desk.always("/strong", move |heard| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => broken(&bytes, 700_000).with("etag", "\"one\""),
        _ => served(heard, &bytes, "\"one\""),
    });
    // None, and a weak one: the whole again, although the server knows ranges.
    for (name, tag) in [("/none", None), ("/weak", Some("W/\"one\""))] {
        let (bytes, tries) = (Arc::clone(&all), AtomicUsize::new(0));
        partner.desk.always(name, move |_| {
            let say = match tries.fetch_add(1, Ordering::Relaxed) {
                0 => broken(&bytes, 300_000),
                _ => Say::new(200, Content::Whole(bytes.to_vec())),
            };
            tag.map_or(say.clone(), |tag| say.with("etag", tag))
        });
    }
    // The content changed meanwhile: an honest server sends the whole.
    let (bytes, tries) = (Arc::clone(&all), AtomicUsize::new(0));
    partner.desk.always("/changed", move |heard| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => broken(&vec![9; bytes.len()], 300_000).with("etag", "\"old\""),
        _ => served(heard, &bytes, "\"new\""),
    });
    // One that joins parts of two contents, and says so by its tag.
    let (bytes, tries) = (Arc::clone(&all), AtomicUsize::new(0));
    partner.desk.always("/mixed", move |heard| {
        match (tries.fetch_add(1, Ordering::Relaxed), first_byte(heard)) {
            (0, _) => broken(&vec![9; bytes.len()], 300_000).with("etag", "\"old\""),
            (_, Some(from)) => Say::new(206, Content::Whole(bytes[from..].to_vec()))
                .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()))
                .with("etag", "\"new\""),
            (_, None) => served(heard, &bytes, "\"new\""),
        }
    });
    // One that gives less than was asked for, which it may: then there is more to ask for.
    let bytes = Arc::clone(&all);
    let tries = AtomicUsize::new(0);
    partner.desk.always("/pieces", move |heard| {
        match (tries.fetch_add(1, Ordering::Relaxed), first_byte(heard)) {
            (0, _) | (_, None) => broken(&bytes, 500_000).with("etag", "\"one\""),
            (_, Some(from)) => {
                let to = (from + 500_000).min(bytes.len());
                Say::new(206, Content::Whole(bytes[from..to].to_vec()))
                    .with("content-range", format!("bytes {from}-{}/{}", to - 1, bytes.len()))
                    .with("etag", "\"one\"")
            }
        }
    });
    let mut hauls = Vec::new();
    for name in ["/strong", "/none", "/weak", "/changed", "/mixed", "/pieces"] {
        let out = market.temp.join(&format!("out{}", name.replace('/', "-")));
        hauls.push((name, partner.delivers(&market.firm, &out, Some(&partner.place(name))).await, out));
    }
    for (name, haul, out) in hauls {
        let done = market.firm.until(&haul.id, settled).await;
        assert_eq!(done.state, "COMPLETED", "{name}: {done:#?}");
        let asked: Vec<Option<usize>> = partner.desk.all(name).iter().map(first_byte).collect();
        assert!(came(&out), "{name}: {asked:?}");
        assert_eq!(done.bytes, Some(all.len() as u64), "{name}");
        assert!(asked.len() >= 2 && asked[0].is_none(), "{name}: {asked:?}");
        assert_eq!(
            asked.len(),
            if name == "/mixed" {
                3
            } else if name == "/pieces" {
                4
            } else {
                2
            },
            "{name}: {asked:?}"
        );
        let resumed = asked[1].is_some();
        assert_eq!(resumed, !matches!(name, "/none" | "/weak"), "{name}: {asked:?}");
    }
    let strong = partner.desk.all("/strong");
    assert_eq!((strong.len(), strong[1].header("if-range")), (2, Some("\"one\"")));
    market.close().await;
}

/// A haul from a place that gives no data; its view once the node has looked.
async fn refused(market: &Market, name: &str, say: Say) -> (Haul, ExchangeView) {
    let out = market.temp.join(&format!("out{}", name.replace('/', "-")));
    market.partner.desk.always(name, move |_| say.clone());
    let haul = market.partner.delivers(&market.firm, &out, Some(&market.partner.place(name))).await;
    let view = market.firm.until(&haul.id, |v| v.refusal.is_some()).await;
    nothing(&out);
    (haul, view)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_data_is_never_taken_for_them() {
    // PLN-8.7, PLN-2.5
    let market = Market::new().await;
    let trap = Arc::new(Desk::default());
    let elsewhere = listen(Arc::clone(&trap), "127.0.0.1").await;
    for (name, say, code) in [
        ("/a401", Say::text(401, "text/html", "<html>"), "capability_invalid"),
        ("/a403", Say::empty(403), "capability_invalid"),
        ("/a410", Say::empty(410), "answer_malformed"),
        ("/a204", Say::empty(204), "answer_malformed"),
        ("/moved", Say::empty(307).with("location", format!("{elsewhere}/data")), "redirected"),
        ("/found", Say::empty(302).with("location", "/data"), "redirected"),
        (
            "/gzip",
            Say::new(200, Content::Whole(vec![31, 139, 8])).with("content-encoding", "gzip"),
            "encoding_refused",
        ),
        (
            "/range",
            Say::new(206, Content::Whole(vec![1; 10])).with("content-range", "bytes 50-59/100"),
            "range_invalid",
        ),
    ] {
        let (haul, view) = refused(&market, name, say).await;
        assert_eq!(view.refusal.unwrap().code, code, "{name}");
        let over = market.firm.until(&haul.id, settled).await;
        assert_eq!(over.state, "TERMINATED", "{name}");
        let path = format!("/transfers/{}/termination", haul.pids.provider);
        let end = market.partner.desk.next(&path).await;
        assert!(
            !String::from_utf8_lossy(&end.body).contains(market.firm.dir.to_str().unwrap()),
            "no paths of ours"
        );
    }
    trap.none("");
    market.partner.desk.none("/completion");
    // A first part that nobody asked for is not the whole.
    let (_, view) = refused(
        &market,
        "/part",
        Say::new(206, Content::Whole(vec![1; 10])).with("content-range", "bytes 0-9/100"),
    )
    .await;
    assert_eq!(view.refusal.unwrap().code, "range_invalid");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again() {
    // PLN-8.7
    let market = Market::new().await;
    let partner = &market.partner;
    let all = Arc::new(content());
    let mut hauls = Vec::new();
    for (name, say) in [
        ("/a503", Say::empty(503)),
        ("/a429", Say::empty(429)),
        ("/a500", Say::text(500, "text/html", "<html>oops</html>")),
        ("/short", Say::new(200, Content::Broken(vec![1; 10], 2_000_000))),
    ] {
        let (bytes, tries) = (Arc::clone(&all), AtomicUsize::new(0));
        partner.desk.always(name, move |heard| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => say.clone(),
            _ => served(heard, &bytes, "\"x\""),
        });
        let out = market.temp.join(&format!("out{}", name.replace('/', "-")));
        hauls.push((name, partner.delivers(&market.firm, &out, Some(&partner.place(name))).await, out));
    }
    for (name, haul, out) in hauls {
        let done = market.firm.until(&haul.id, settled).await;
        assert_eq!((done.state.as_str(), came(&out)), ("COMPLETED", true), "{name}");
        assert_eq!(done.refusal.map(|r| r.code), None, "{name}: what passed is no refusal");
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_into_our_network_is_not_asked() {
    // PLN-8.6
    let market = Market::new().await;
    let partner = &market.partner;
    let trap = Arc::new(Desk::default());
    let elsewhere = listen(Arc::clone(&trap), "127.0.0.2").await;
    for (number, endpoint) in [
        format!("{elsewhere}/data"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://localhost/data".to_owned(),
        "https://192.168.0.1/data".to_owned(),
        "file:///etc/passwd".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let out = market.temp.join(&format!("out-{number}"));
        let haul = partner.delivers(&market.firm, &out, Some(&address(endpoint, Some("t")))).await;
        let view = market.firm.until(&haul.id, settled).await;
        assert_eq!(view.state, "TERMINATED", "{endpoint}");
        let code = view.refusal.unwrap().code;
        assert!(matches!(code.as_str(), "address_refused" | "address_invalid"), "{endpoint}: {code}");
        nothing(&out);
    }
    trap.none("");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_under_way_ends_when_law_does_not_allow_it_any_more() {
    // PLN-7.3, PLN-8.7
    let market = Market::new().await;
    let partner = &market.partner;
    partner.desk.always("/stuck", |_| Say::new(200, Content::Stuck(vec![1; 1000], 5000)));
    let (first, second, third) = (market.temp.join("a"), market.temp.join("b"), market.temp.join("c"));
    let one = partner.delivers(&market.firm, &first, Some(&partner.place("/stuck"))).await;
    let two = partner.delivers(&market.firm, &second, Some(&partner.place("/stuck"))).await;
    // Its START comes when law has changed already.
    let sale = partner.sells(&market.firm, Some(third.clone())).await;
    let late = partner.is_asked_for_data().await;
    partner.desk.next("/stuck").await;
    partner.desk.next("/stuck").await;
    // The partner ends one.
    let end = one.pids.message("TransferTerminationMessage", json!({"code": "theirs", "reason": ["x"]}));
    partner
        .post(&format!("/transfers/{}/termination", one.pids.consumer), &end)
        .await
        .taken(200, "termination");
    let view = market.firm.until(&one.id, settled).await;
    assert_eq!((view.state.as_str(), view.refusal.unwrap().code.as_str()), ("TERMINATED", "theirs"));
    // Law ends the other.
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([{"ref": "STOP-3 (made up)", "consumer": market.firm.did}]);
    market.firm.facts(&facts);
    let path = format!("/transfers/{}/termination", two.pids.provider);
    assert_eq!(partner.desk.next(&path).await.json()["code"], json!("denied"));
    partner.starts(&late, Some(&partner.place("/stuck"))).await.taken(200, "START");
    let path = format!("/transfers/{}/termination", late.provider);
    assert_eq!(partner.desk.next(&path).await.json()["code"], json!("denied"));
    let transfer = market.firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
    assert_eq!(market.firm.until(&transfer, settled).await.state, "TERMINATED");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(partner.desk.all("/stuck").len(), 2, "nothing was asked for after the late START");
    for out in [first, second, third] {
        nothing(&out);
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_partner_keeps_what_came() {
    // PLN-8.7, PLN-8.1
    let market = Market::new().await;
    let partner = &market.partner;
    let all = Arc::new(content());
    let (bytes, tries) = (Arc::clone(&all), AtomicUsize::new(0));
    partner.desk.always("/data", move |heard| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Say::new(200, Content::Stuck(bytes[..900_000].to_vec(), bytes.len())).with("etag", "\"one\""),
        _ => served(heard, &bytes, "\"one\""),
    });
    let out = market.temp.join("out");
    let haul = partner.delivers(&market.firm, &out, Some(&partner.place("/data"))).await;
    partner.desk.next("/data").await;
    let part = out.join(format!(".{WARE}.naru-part"));
    while fs::metadata(&part).map_or(0, |m| m.len()) < 900_000 {
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let message =
        haul.pids.message("TransferSuspensionMessage", json!({"code": "pause", "reason": ["lunch"]}));
    let path = format!("/transfers/{}/suspension", haul.pids.consumer);
    partner.post(&path, &message).await.taken(200, "suspension");
    assert_eq!(market.firm.until(&haul.id, |v| v.state == "SUSPENDED").await.refusal.unwrap().code, "pause");
    nothing(&out);
    // With a token of its own, as a START has.
    let place = address(&format!("{}/data", partner.origin), Some("second-token"));
    partner.starts(&haul.pids, Some(&place)).await.taken(200, "START again");
    let done = market.firm.until(&haul.id, settled).await;
    assert_eq!((done.state.as_str(), came(&out)), ("COMPLETED", true));
    let last = partner.desk.next("/data").await;
    assert_eq!((first_byte(&last), last.header("authorization")), (Some(900_000), Some("second-token")));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_goes_on_with_what_it_began_and_keeps_to_its_rate() {
    let market = Market::new().await;
    let (partner, node) = (&market.partner, market.firm.node());
    partner.desk.always("/data", |_| Say::new(200, Content::Whole(content())));
    let out = market.temp.join("in");
    let wish = order(&partner.id, WARE, Some(out.clone()));
    assert!(node.underway(wish.clone()).await.unwrap().is_none());
    let sale = partner.sells(&market.firm, Some(out.clone())).await;
    let rate = |bytes_per_second| LimitRate { id: sale.id.clone(), bytes_per_second };
    node.limit_rate(rate(Some(64 << 10))).await.unwrap();
    let pids = partner.is_asked_for_data().await;
    partner.starts(&pids, Some(&partner.place("/data"))).await.taken(200, "START");
    let there = node.underway(wish.clone()).await.unwrap().unwrap();
    // At this rate all of it takes half a minute; some of it is there before.
    let id = market.firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
    let all = content().len() as u64;
    let some = |v: &ExchangeView| v.state == "STARTED" && v.bytes.is_some_and(|b| b > 0 && b < all);
    market.firm.until(&id, some).await;
    nothing(&out);
    assert!(there.id == id || there.id == sale.id);
    node.limit_rate(rate(None)).await.unwrap();
    assert_eq!(market.firm.until(&id, settled).await.state, "COMPLETED");
    assert!(came(&out));
    assert_eq!(node.underway(wish.clone()).await.unwrap().unwrap().id, id);
    let mut other = wish;
    other.purpose = "research".to_owned();
    assert!(node.underway(other).await.unwrap().is_none());
    assert_eq!(node.exchanges().await.unwrap().len(), 2);
    market.close().await;
}
