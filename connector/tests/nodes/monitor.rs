//! The fourth phase in whole nodes: an agreement that the law no longer allows is suspended on the side that finds it, says why,
//! and goes on when it is allowed again (spec chapter 05, POL-17).

use std::time::Instant;

use naru::node::verbs::{AgreementView, Retry};
use naru_protocol::log::entry::EntryType;
use serde_json::{Value, json};

use crate::common::{Dials, Firm, PATIENCE, Pair, catalog, harmless, private, publish, shows_undetermined};

/// The one agreement of a node, once it is in this state.
pub(super) async fn until(firm: &Firm, state: &str) -> AgreementView {
    let started = Instant::now();
    loop {
        let mut all = firm.node().agreements().await.unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        let view = all.remove(0);
        if view.state == state {
            return view;
        }
        assert!(started.elapsed() < PATIENCE, "not {state}: {view:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A pair with one deal, whose data have arrived.
pub(super) async fn traded() -> (Pair, String) {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let out = pair.temp.join("in");
    let asked = pair.buyer.request("other", &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    (pair, asked.id)
}

fn stopped(pair: &Pair, order: Value) -> Value {
    let mut facts = private(&[&pair.buyer.did], &[]);
    facts["stop_orders"] = json!([order]);
    facts
}

/// Has the data received once more, into this folder.
pub(super) async fn again(pair: &Pair, id: &str, out: &str) -> Result<String, naru::node::NodeError> {
    let ask = Retry { id: id.to_owned(), out: Some(pair.temp.join(out)) };
    pair.buyer.node().retry(ask).await.map(|view| view.id)
}

/// POL-17.1, POL-17.3, POL-17.4, POL-17.6
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_order_suspends_an_agreement_and_its_end_lifts_that() {
    let (pair, id) = traded().await;
    until(&pair.seller, "in force").await;
    pair.seller.facts(&stopped(&pair, json!({"ref": "S-1", "dataset": pair.dataset})));
    let view = until(&pair.seller, "suspended").await;
    let standing = view.standing.unwrap();
    assert_eq!((standing.code.as_str(), &standing.rules[..]), ("denied", &["CORE-006 (S-1)".to_owned()][..]));
    assert_eq!(standing.explained[0]["id"], "CORE-006");
    assert!(standing.explained[0]["ko"]["remedy"].is_string() && standing.pinned == standing.packs);
    let status = pair.seller.node().status().await.unwrap();
    assert_eq!((status.standings.len(), status.standings[0].exchange.as_str()), (1, id.as_str()));
    // The other side's law has nothing against it, and it learns no rule.
    assert_eq!(until(&pair.buyer, "in force").await.standing.map(|s| s.code), None);
    let transfer = again(&pair, &id, "second").await.unwrap();
    let ended = pair.buyer.until(&transfer, |view| view.state == "TERMINATED").await;
    let refusal = ended.refusal.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.reasons.len()), ("denied", 0), "{refusal:?}");

    pair.seller.facts(&private(&[&pair.buyer.did], &[]));
    assert!(until(&pair.seller, "in force").await.standing.is_none());
    assert!(pair.seller.node().status().await.unwrap().standings.is_empty());
    let transfer = again(&pair, &id, "third").await.unwrap();
    pair.buyer.until(&transfer, |view| view.state == "COMPLETED").await;

    // What changed is logged, and nothing else.
    let log = pair.seller.log(&pair.temp).await;
    let noted: Vec<_> = log.of(&id).filter(|line| line.entry.kind() == EntryType::Monitor).collect();
    let said: Vec<_> = noted.iter().map(|line| line.fields["standing"].clone()).collect();
    assert_eq!(said, [json!("suspended"), json!("in_force")]);
    assert_eq!(noted[0].fields["decision"], json!(standing.decision));
    assert_eq!(noted[0].fields["pinned"], standing.pinned);
    pair.close().await;
}

/// POL-17.2, POL-17.3: what cannot be said now and was said when it was concluded suspends; facts that cannot be read change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_any_more_suspends_and_unreadable_facts_do_not() {
    let (pair, id) = traded().await;
    until(&pair.seller, "in force").await;
    // Neither yes nor no, where there was a no.
    let mut facts = private(&[], &[]);
    facts["screening"] = json!({pair.buyer.did.as_str(): {"screened_at": crate::common::now()}});
    pair.seller.facts(&facts);
    let standing = until(&pair.seller, "suspended").await.standing.unwrap();
    assert_eq!(standing.code, "undetermined");
    assert_eq!(standing.rules, ["CORE-001 (/consumer/sanctions/hit)"]);
    let size = pair.seller.node().status().await.unwrap().log_size;
    std::fs::write(pair.seller.dir.join("facts.json"), "[").unwrap();
    let out = pair.temp.join("unread");
    let refused = pair.buyer.node().retry(Retry { id: id.clone(), out: Some(out) }).await.unwrap();
    pair.buyer.until(&refused.id, |view| view.state == "REQUESTED" && view.waits_for.is_some()).await;
    assert_eq!(until(&pair.seller, "suspended").await.standing.unwrap().decision, standing.decision);
    let log = pair.seller.log(&pair.temp).await;
    assert!(log.lines.len() as u64 >= size);
    let said = log.of(&id).filter(|line| line.entry.kind() == EntryType::Monitor).count();
    assert_eq!(said, 1, "an evaluation that was none is no change");
    pair.close().await;
}

/// POL-17.5
#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_ends_only_where_the_operator_says_so() {
    let (mut pair, id) = traded().await;
    pair.seller.stop().await;
    let path = pair.seller.dir.join("naru.toml");
    let text = std::fs::read_to_string(&path).unwrap() + "\n[monitor]\ndenied = \"end\"\n";
    std::fs::write(path, text).unwrap();
    pair.seller.open().await;
    pair.seller.facts(&stopped(&pair, json!({"ref": "S-1", "consumer": pair.buyer.did})));
    until(&pair.seller, "ended").await;
    until(&pair.buyer, "ended").await;
    let view = pair.buyer.view(&id).await.unwrap();
    let refusal = view.refusal.unwrap();
    assert_eq!(refusal.code, "agreement_ended");
    assert!(!refusal.reasons.join(" ").contains("CORE-006"), "its rule is not told: {refusal:?}");
    pair.close().await;
}

/// POL-20.1
#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_shows_what_a_peer_could_get_and_more_only_where_the_provider_wants_that() {
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    // Of these data nothing is declared: nothing denies, and much is not known.
    let bare = publish(&pair.seller, &pair.temp.join("bare"), json!({})).await;
    let shown = async |pair: &Pair| -> Vec<String> {
        let mut items: Vec<_> =
            catalog(&pair.buyer, &pair.seller.did).await.into_iter().map(|item| item.dataset).collect();
        items.sort();
        items
    };
    assert_eq!(shown(&pair).await, [pair.dataset.clone()]);
    pair.seller.stop().await;
    shows_undetermined(&pair.seller);
    pair.seller.open().await;
    let mut both = [pair.dataset.clone(), bare];
    both.sort();
    assert_eq!(shown(&pair).await, both);
    pair.close().await;
}
