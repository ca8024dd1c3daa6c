//! Rules of a firm's own beside the law (spec chapter 05, POL-16), between two real nodes: they deny on the side that has them,
//! the partner neither has them nor learns which one it was, and an auditor executes them again from the export.

use std::fs;

use naru::{
    backup::{make, restore},
    config::Folder,
    node::verbs::{ExchangeView, Propose},
};
use naru_protocol::error::Code;
use serde_json::json;

use crate::common::{Dials, Pair, harmless, policy_with, proposal, publish_under, same_files};

/// Of `examples/overlay/house`: no deal for marketing.
const RULE: &str = "HOUSE-001";

/// Terms that let the data go for marketing as well.
async fn publish(pair: &mut Pair) {
    let terms = policy_with("purpose", Some(json!(["quality_analysis", "marketing"])));
    pair.dataset = publish_under(&pair.seller, &pair.temp.join("both"), harmless(), terms).await;
}

fn for_marketing(pair: &Pair) -> Propose {
    Propose { purpose: "marketing".to_owned(), ..proposal(&pair.seller.did, &pair.dataset, None) }
}

/// All that a firm can see of an exchange.
fn seen(view: &ExchangeView) -> String {
    serde_json::to_string(view).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_refuses_by_its_own_rules_and_the_partner_learns_none_of_them() {
    // POL-16.1, POL-16.3
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    publish(&mut pair).await;
    pair.seller.with_house_rules().await;
    let overlays = |packs: naru::node::verbs::PacksView| {
        packs.overlays.into_iter().map(|pack| (pack.name, pack.rules)).collect::<Vec<_>>()
    };
    let (ours, theirs) =
        (pair.seller.node().packs().await.unwrap(), pair.buyer.node().packs().await.unwrap());
    assert!(overlays(ours).iter().any(|(name, rules)| name == "house" && rules.contains(&RULE.to_owned())));
    assert!(overlays(theirs).is_empty());
    let asked = pair.buyer.node().request(for_marketing(&pair)).await.unwrap();
    let (ours, theirs) = pair.settled(&asked.id).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert!(seen(&ours).contains(RULE), "its operator is told which rule: {ours:?}");
    assert_eq!(theirs.refusal.as_ref().unwrap().code, Code::Denied.as_str());
    for word in [RULE, "house", "House"] {
        assert!(!seen(&theirs).contains(word), "the partner learns {word}: {theirs:?}");
    }

    // For another purpose they are asked too, and say nothing.
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    same_files(&out);
    let packs = |view: ExchangeView| view.decision.unwrap()["result"]["packs"].to_string();
    assert!(packs(pair.seller.view(&asked.id).await.unwrap()).contains("\"house\""));
    assert!(!packs(pair.buyer.view(&asked.id).await.unwrap()).contains("\"house\""));
    // And where the provider makes the offer.
    let offered = proposal(&pair.buyer.did, &pair.dataset, None);
    let refused = pair
        .seller
        .node()
        .offer(Propose { purpose: "marketing".to_owned(), ..offered.clone() })
        .await
        .unwrap_err();
    assert!(refused.code() == Code::Denied && refused.to_string().contains(RULE), "{refused}");
    let second = pair.temp.join("second");
    pair.buyer.expect(&pair.seller.did, second.clone()).await;
    let offered = pair.seller.node().offer(offered).await.unwrap();
    pair.concluded(&offered.id, &second).await;
    // Executed again, the refusal and the deals; the bundle is in the export of the one who asked it.
    pair.audit().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_they_decided_is_proved_when_they_are_gone_and_in_a_restored_node() {
    // POL-16.3, AUD-6.1
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    publish(&mut pair).await;
    let path = pair.seller.dir.join("naru.toml");
    let before = fs::read_to_string(&path).unwrap();
    pair.seller.with_house_rules().await;
    let asked = pair.buyer.node().request(for_marketing(&pair)).await.unwrap();
    assert!(seen(&pair.settled(&asked.id).await.0).contains(RULE));
    let with = fs::read_to_string(&path).unwrap();
    fs::write(&path, before).unwrap();
    pair.seller.stop().await;
    pair.seller.open().await;
    let asked = pair.buyer.node().request(for_marketing(&pair)).await.unwrap();
    assert_eq!(pair.settled(&asked.id).await.0.state, "FINALIZED", "nothing forbids it any more");
    pair.audit().await;

    // A restored node has its rules, and those that it had.
    fs::write(&path, with).unwrap();
    let (file, new) = (pair.temp.join("seller.tar"), pair.temp.join("restored"));
    let made = make(&Folder::new(&pair.seller.dir), &file, true).await.unwrap();
    assert!(made.outside.is_empty(), "{made:?}");
    pair.seller.stop().await;
    let restored = restore(&file, &new, None).await.unwrap();
    pair.seller.dir.clone_from(&new);
    pair.seller.open().await;
    let packs = new.join(restored.earlier.unwrap()).join("packs");
    let kept = fs::read_dir(packs).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()));
    assert!(kept.flatten().any(|text| text.contains("\"house\"")), "the earlier log is exported with them");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_with_rules_of_its_own_asks_for_nothing_that_they_deny() {
    // POL-16.1, POL-16.3
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    publish(&mut pair).await;
    pair.buyer.with_house_rules().await;
    let before = pair.seller.node().exchanges().await.unwrap().len();
    let refused = pair.buyer.node().request(for_marketing(&pair)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Denied);
    assert!(refused.to_string().contains(RULE), "{refused}");
    assert_eq!(pair.seller.node().exchanges().await.unwrap().len(), before, "the provider was not asked");
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    pair.audit().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlay_that_gives_no_result_stops_everything_and_is_named() {
    // POL-6.2, POL-16.1
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    pair.seller.with_overlay(include_bytes!("../../../policy/tests/broken/undefined.tar.gz")).await;
    assert!(crate::common::catalog(&pair.buyer, &pair.seller.did).await.is_empty(), "nothing is shown");
    let offered = proposal(&pair.buyer.did, &pair.dataset, None);
    let refused = pair.seller.node().offer(offered).await.unwrap_err();
    assert_eq!(refused.code(), Code::PolicyBroken);
    assert!(refused.to_string().contains("broken: "), "its operator is told which: {refused}");
    let refused = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::DatasetNotOffered, "as if there were none: {refused}");
    pair.close().await;
}
