//! Limits that an operator sets: how much is published at once, and how fast the data of a deal come, over restarts and new attempts.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use naru::node::verbs::{ExchangeView, LimitRate, Publish, Retry};
use naru_protocol::error::Code;

use crate::common::{Dials, Firm, Pair, Temp, harmless, policy, publish_files};

/// Bytes in a second.
const RATE: u64 = 256 << 10;
const FILES: u64 = 24;
const SIZE: u64 = 64 << 10;

fn write(source: &Path) {
    fs::create_dir_all(source).unwrap();
    for n in 0..FILES {
        fs::write(source.join(format!("{n:02}.bin")), vec![n as u8; SIZE as usize]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_says_how_much_is_published_at_once() {
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("firm"), "firm", "KR", Some(0)).await;
    let (source, toml) = (temp.join("source"), firm.dir.join("naru.toml"));
    write(&source);
    let text = fs::read_to_string(&toml).unwrap();
    let try_with = async |firm: &mut Firm, table: &str| {
        firm.stop().await;
        fs::write(&toml, format!("{text}\n[publish]\n{table}\n")).unwrap();
        firm.open().await;
        let title = [("en".to_owned(), "t".to_owned())].into();
        let ask = Publish {
            path: source.clone(),
            title,
            policy: policy(),
            facts: harmless(),
            ..Publish::default()
        };
        firm.node().publish(ask).await
    };
    let refused = try_with(&mut firm, "max_files = 23").await.unwrap_err();
    assert_eq!(refused.code(), Code::PublishLimit);
    assert!(
        refused.to_string().contains("24 files: more than the 23 files that publish.max_files"),
        "{refused}"
    );
    let refused = try_with(&mut firm, "max_size = \"1M\"").await.unwrap_err();
    assert_eq!(refused.code(), Code::PublishLimit);
    assert!(refused.to_string().contains("publish.max_size"), "{refused}");
    // Nothing is left of what was refused, and what is just within is published.
    assert_eq!(fs::read_dir(firm.dir.join("published")).map_or(0, Iterator::count), 0);
    assert!(firm.node().datasets().await.unwrap().is_empty());
    let made = try_with(&mut firm, "max_files = 24\nmax_size = \"1536K\"").await.unwrap();
    assert_eq!((made.files, made.bytes), (FILES, FILES * SIZE));
    firm.stop().await;
}

/// Waits for the end of a transfer and sees that what was left of it took as long as the rate makes it.
async fn paced(firm: &Firm, id: &str) {
    let seen = |view: &ExchangeView| view.total.is_some() || view.state == "COMPLETED";
    let begun = firm.until(id, seen).await;
    let (from, before) = (Instant::now(), begun.bytes.unwrap_or_default());
    firm.until(id, |view| view.state == "COMPLETED").await;
    let (left, took) = ((FILES * SIZE).saturating_sub(before), from.elapsed());
    // What passes at once, at the beginning.
    let least = Duration::from_millis(left.saturating_sub(RATE) * 1000 / RATE);
    assert!(took >= least, "{left} bytes in {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_over_a_restart_and_for_the_next_attempt() {
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    let source = pair.temp.join("many");
    write(&source);
    let dataset = publish_files(&pair.seller, &source, harmless(), policy()).await;
    let asked = pair.buyer.request("other", &dataset, None).await.unwrap();
    pair.settled(&asked.id).await;
    let ask = LimitRate { id: asked.id.clone(), bytes_per_second: Some(RATE) };
    pair.buyer.node().limit_rate(ask).await.unwrap();
    pair.buyer.stop().await;
    pair.buyer.open().await;
    // What is asked for only now, and what goes on after a stop in the middle.
    let ask = Retry { id: asked.id.clone(), out: Some(pair.temp.join("in")) };
    pair.buyer.node().retry(ask).await.unwrap();
    let id = pair.buyer.until(&asked.id, |view| view.other.is_some()).await.other.unwrap();
    pair.buyer.until(&id, |view| view.bytes.is_some_and(|bytes| bytes > 0)).await;
    pair.buyer.stop().await;
    pair.buyer.open().await;
    paced(&pair.buyer, &id).await;
    // Another attempt under the same deal.
    pair.buyer.until(&id, |view| view.waits_for.is_none()).await;
    let ask = Retry { id: asked.id.clone(), out: Some(pair.temp.join("again")) };
    let again = pair.buyer.node().retry(ask).await.unwrap();
    let again = match again.kind.as_str() {
        "transfer" => again.id,
        _ => {
            let other =
                pair.buyer.until(&asked.id, |view| view.other.as_ref().is_some_and(|o| *o != id)).await;
            other.other.unwrap()
        }
    };
    paced(&pair.buyer, &again).await;
    pair.close().await;
}
