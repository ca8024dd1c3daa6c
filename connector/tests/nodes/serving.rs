//! Serving under a permit that ends: between two real nodes, what the operator's facts no longer allow stops while it runs
//! (spec chapter 07b, TRF-7).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::common::{Dials, Pair, approval, core_technology, harmless, private, publish};
use naru::node::verbs::{ExchangeView, LimitRate};
use naru_protocol::{
    error::Code,
    identity::Role,
    log::entry::{EntryType, Side},
};
use serde_json::{Value, json};

/// Bytes of the file, sparse at its source, and how many of them come in a second: long enough to be stopped in the middle,
/// on any machine, and no more on its disk than this.
const LARGE: u64 = 256 << 20;
const RATE: u64 = 16 << 20;

/// The file below `.naru-part` that is growing.
fn growing(out: &Path) -> Option<PathBuf> {
    let version = fs::read_dir(out.join(".naru-part")).ok()?.next()?.ok()?.path();
    let sizes = fs::read_dir(version.join("files")).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        Some((fs::metadata(&path).ok()?.len(), path))
    });
    sizes.max().map(|(_, path)| path)
}

fn received(out: &Path) -> u64 {
    growing(out).and_then(|path| fs::metadata(path).ok()).map_or(0, |file| file.len())
}

async fn pace(pair: &Pair, id: &str, bytes_per_second: Option<u64>) {
    let ask = LimitRate { id: id.to_owned(), bytes_per_second };
    pair.buyer.node().limit_rate(ask).await.unwrap();
}

/// Publishes a large file beside the usual ones.
async fn large(pair: &Pair, bytes: u64, facts: Value) -> String {
    let source = pair.temp.join("large");
    fs::create_dir_all(&source).unwrap();
    File::create(source.join("large.bin")).unwrap().set_len(bytes).unwrap();
    publish(&pair.seller, &source, facts).await
}

/// Runs a transfer that `before` allows on the seller's side, writes `after` in the middle of it as what that firm knows, and
/// follows it to its end. Gives what that firm sees.
async fn stopped(pair: &Pair, whose: Role, dataset: &str, before: &Value, after: &Value) -> ExchangeView {
    pair.seller.facts(before);
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, dataset, Some(out.clone())).await.unwrap();
    pace(pair, &asked.id, Some(RATE)).await;
    let transfer = pair.buyer.until(&asked.id, |v| v.other.is_some()).await.other.unwrap();
    let started = Instant::now();
    while received(&out) == 0 {
        assert!(started.elapsed() < Duration::from_secs(30), "nothing arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let firm = if whose == Role::Provider { &pair.seller } else { &pair.buyer };
    firm.facts(after);
    let (gave, got) = pair.settled(&transfer).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("TERMINATED", "TERMINATED"), "{gave:#?} {got:#?}");
    assert_eq!((&gave.receipt, &got.receipt), (&None, &None));
    // Whoever was told: no further byte comes, though the capability that was shown lives for minutes. What had come has no
    // name yet, and goes.
    let ended = Instant::now();
    while fs::read_dir(&out).unwrap().next().is_some() {
        let shown: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(shown.iter().all(|name| name == ".naru-part"), "nothing has its name: {shown:?}");
        assert!(ended.elapsed() < Duration::from_secs(30), "{} bytes are left", received(&out));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    let (ours, theirs) = pair.logs_agree(&[&asked.id, &transfer]).await;
    let (stops, stopped, ours) =
        if whose == Role::Provider { (gave, got, ours) } else { (got, gave, theirs) };
    let told = stopped.refusal.as_ref().unwrap();
    assert_eq!((told.code.as_str(), told.side.as_str()), (Code::Denied.as_str(), "peer"), "{stopped:#?}");
    assert_eq!(stops.refusal.as_ref().unwrap().code, Code::Denied.as_str());
    let end = ours.of(&transfer).find(|l| l.entry.kind() == EntryType::TransferTermination).unwrap();
    assert_eq!(end.entry.side(), Side::Sent, "the side whose law it is ends it");
    // AUD-6.10: the evaluation that ended it is one that the log names, so that the audit holds.
    let anchor = |(did, name, country): (&str, &str, &str)| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people = [(pair.seller.did.as_str(), "한강모터스", "KR"), (pair.buyer.did.as_str(), "Merlion", "SG")];
    let path = pair.temp.join("anchors.toml");
    fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
    let anchors = naru::audit::Anchors::read(&path).unwrap();
    let report = naru::audit::verify(std::slice::from_ref(&ours.dir), &anchors).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    stops
}

fn denied_by(view: &ExchangeView, rule: &str) {
    let result = &view.decision.as_ref().unwrap()["result"];
    let ids: Vec<&str> =
        result["deny"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&rule), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_order_stops_a_transfer_that_runs() {
    // TRF-7.4, TRF-7.5
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let dataset = large(&pair, LARGE, harmless()).await;
    let before = private(&[&pair.buyer.did], &[]);
    let mut after = before.clone();
    after["stop_orders"] = json!([{"ref": "S-1", "dataset": dataset}]);
    denied_by(&stopped(&pair, Role::Provider, &dataset, &before, &after).await, "CORE-006");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_importers_own_law_stops_what_arrives() {
    // TRF-7.6
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let dataset = large(&pair, LARGE, harmless()).await;
    let before = private(&[&pair.buyer.did], &[]);
    let after = json!({"stop_orders": [{"ref": "S-3", "dataset": dataset}]});
    denied_by(&stopped(&pair, Role::Consumer, &dataset, &before, &after).await, "CORE-006");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_is_withdrawn_stops_a_transfer_that_runs() {
    // TRF-7.4, TRF-7.5
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let dataset = large(&pair, LARGE, core_technology()).await;
    let before = private(&[&pair.buyer.did], &[approval(&dataset, &pair.buyer.did)]);
    let after = private(&[&pair.buyer.did], &[]);
    denied_by(&stopped(&pair, Role::Provider, &dataset, &before, &after).await, "KR-ITA-001");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_change_without_forbidding_or_cannot_be_read_for_a_while_stop_nothing() {
    // TRF-7.4: refused while they cannot be judged, and taken up by itself when they can.
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let dataset = large(&pair, LARGE, harmless()).await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &dataset, Some(out.clone())).await.unwrap();
    pace(&pair, &asked.id, Some(RATE)).await;
    let transfer = pair.buyer.until(&asked.id, |v| v.other.is_some()).await.other.unwrap();
    while received(&out) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::write(pair.seller.dir.join("facts.json"), b"{\"approvals\": [").unwrap();
    // It comes to a halt.
    let (mut last, mut since, started) = (received(&out), Instant::now(), Instant::now());
    while since.elapsed() < Duration::from_millis(1500) {
        assert!(started.elapsed() < Duration::from_secs(30), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
        if received(&out) != last {
            (last, since) = (received(&out), Instant::now());
        }
    }
    let state = pair.buyer.view(&transfer).await.unwrap().state;
    assert!(state == "STARTED" && last > 0 && last < LARGE, "it did not stop: {state}, {last}");
    let mut facts = private(&[&pair.buyer.did], &[]);
    facts["stop_orders"] = json!([{"ref": "S-2", "dataset": "urn:dxp:another"}]);
    pair.seller.facts(&facts);
    pace(&pair, &asked.id, None).await;
    let (gave, got) = pair.settled(&transfer).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("COMPLETED", "COMPLETED"), "{gave:#?} {got:#?}");
    assert!(got.receipt.is_some() && got.receipt == gave.receipt && got.refusal.is_none());
    assert_eq!(fs::metadata(out.join("large.bin")).unwrap().len(), LARGE);
    pair.close().await;
}
