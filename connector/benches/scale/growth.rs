//! The three curves: datasets, peers, agreements. Each line stands beside the first of its table.

use std::{fs, time::Instant};

use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{
    common::{
        Firm,
        hand::{DSP, Hand},
        proposal,
    },
    measured::{Measured, ms, quantiles},
};

/// Requests that each figure of a catalog or a deal is made of.
const ASKED: usize = 60;
const DEALS: usize = 20;

const CATALOG: &str = "/catalog/request";

fn catalog_request() -> Vec<u8> {
    let body = json!({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"});
    naru_protocol::json::canonical(&body).unwrap()
}

async fn paired(node: &Measured) -> Hand {
    let hand = Hand::of_ticket(&node.ticket().await, "SG").await;
    assert_eq!(hand.redeem(&hand.redemption()).await.status, 200);
    hand
}

/// Milliseconds of the first page, once.
async fn first_page(hand: &Hand) -> f64 {
    let began = Instant::now();
    let answer = hand.read_as("POST", DSP, CATALOG, catalog_request(), |_| {}).await;
    assert_eq!(answer.status, 200);
    ms(began)
}

/// The same, again and again: decided a moment ago.
async fn first_pages(hand: &Hand) -> (f64, f64) {
    let mut took = Vec::new();
    for _ in 0..ASKED {
        took.push(first_page(hand).await);
    }
    quantiles(took)
}

/// The whole catalog by its cursor: pages, datasets, milliseconds until the last byte. What the reader makes of the bytes is its
/// own time; they are read afterwards.
async fn walk(hand: &Hand) -> (usize, usize, f64) {
    let began = Instant::now();
    let (mut pages, mut path) = (Vec::new(), CATALOG.to_owned());
    let took = loop {
        let answer = hand.read_as("POST", DSP, &path, catalog_request(), |_| {}).await;
        assert_eq!(answer.status, 200, "{path}");
        let next = answer.link.as_deref().and_then(|link| link.strip_prefix('<')?.split('>').next());
        // The link is absolute or begins with the base of the protocol.
        let next = next.map(|next| next[next.find(CATALOG).unwrap()..].to_owned());
        pages.push(answer);
        match next {
            Some(next) => path = next,
            None => break ms(began),
        }
    };
    let datasets = pages.iter().map(|page| page.json()["dataset"].as_array().map_or(0, Vec::len)).sum();
    (pages.len(), datasets, took)
}

pub(crate) async fn datasets(node: &Measured, counts: &[usize]) {
    let source = node.temp.join("one");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("a.csv"), "t,v\n1,2\n").unwrap();
    println!(
        "\nA catalog, cold: read by a participant for the first time since something was published; warm: by the same again."
    );
    println!(
        " datasets | publish each | first page cold | warm p50 |    p99 | whole catalog, cold | warm    | memory | database"
    );
    let mut there = 0;
    for count in counts {
        let (began, before) = (Instant::now(), there);
        while there < *count {
            node.publish(&source).await;
            there += 1;
        }
        let each = ms(began) / (there - before) as f64;
        let hand = paired(node).await;
        let first = first_page(&hand).await;
        let (pages, seen, cold) = walk(&hand).await;
        assert_eq!(seen, *count, "the cursor leads past every dataset once");
        let (p50, p99) = first_pages(&hand).await;
        let warm = walk(&hand).await;
        // A page ends where it has taken long enough to decide: fewer are needed once that was done.
        assert_eq!(warm.1, seen);
        println!(
            "{count:9} | {each:9.1} ms | {first:12.2} ms | {p50:5.2} ms | {p99:6.2} | {pages:3} pages {cold:7.0} ms | {:4.0} ms | {:3} MiB | {:4} MiB",
            warm.2,
            node.memory(),
            node.database(),
        );
    }
}

/// The first page for all at once: how long those waited that were served, and how many were not.
async fn at_once(hands: &[Hand]) -> (f64, f64, usize) {
    let asked = hands.iter().map(|hand| async move {
        let began = Instant::now();
        let status = hand.read_as("POST", DSP, CATALOG, catalog_request(), |_| {}).await.status;
        // A node that has too much to do says so, and whoever asked comes again.
        assert!(matches!(status, 200 | 429 | 503), "{status}");
        (status == 200).then(|| ms(began))
    });
    let took: Vec<Option<f64>> = stream::iter(asked).buffer_unordered(hands.len()).collect().await;
    let served: Vec<f64> = took.into_iter().flatten().collect();
    let away = hands.len() - served.len();
    let (p50, p99) = quantiles(served);
    (p50, p99, away)
}

pub(crate) async fn peers(node: &Measured, counts: &[usize]) {
    println!(
        "\n    peers | all at once, cold p50 |    p99 | turned away | warm p50 |    p99 | turned away | memory"
    );
    for count in counts {
        let mut hands = Vec::new();
        while hands.len() < *count {
            hands.push(paired(node).await);
        }
        let (cold50, cold99, cold) = at_once(&hands).await;
        let (warm50, warm99, warm) = at_once(&hands).await;
        println!(
            "{count:9} | {cold50:18.1} ms | {cold99:6.1} | {cold:11} | {warm50:5.1} ms | {warm99:6.1} | {warm:11} | {:3} MiB",
            node.memory(),
        );
    }
}

async fn deal(buyer: &Firm, seller: &str, dataset: &str) -> f64 {
    let began = Instant::now();
    let asked = buyer.node().request(proposal(seller, dataset, None)).await.unwrap();
    buyer.until(&asked.id, |view| view.in_force.is_some()).await;
    ms(began)
}

pub(crate) async fn agreements(node: &Measured, counts: &[usize]) {
    let buyer = Firm::start(node.temp.join("buyer"), "buyer", "SG", Some(0)).await;
    buyer.trust(node.ticket().await).await;
    let seller = node.ask("status", None).await["did"].as_str().unwrap().to_owned();
    let dataset = node.publish(&node.temp.join("one")).await;
    println!("\nagreements | deal p50 |   p99 | `status` | memory | database");
    let (mut there, mut first) = (0, None);
    for count in counts {
        while there + DEALS < *count {
            let batch = (*count - there - DEALS).min(8);
            let made: Vec<f64> = stream::iter((0..batch).map(|_| deal(&buyer, &seller, &dataset)))
                .buffer_unordered(8)
                .collect()
                .await;
            there += made.len();
        }
        let mut took = Vec::new();
        while there < *count {
            took.push(deal(&buyer, &seller, &dataset).await);
            there += 1;
        }
        let (p50, p99) = quantiles(took);
        let began = Instant::now();
        node.ask("status", None).await;
        let status = ms(began);
        let base = *first.get_or_insert(p50);
        println!(
            "{count:10} | {p50:5.0} ms | {p99:5.0} | {status:5.1} ms | {:3} MiB | {:4} MiB   ({:.1} x)",
            node.memory(),
            node.database(),
            p50 / base
        );
    }
}
