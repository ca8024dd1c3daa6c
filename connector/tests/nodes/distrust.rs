//! Ending all trust in a peer (spec chapter 02, ID-9), and the question why data may or may not move (chapter 05, POL-11).

use std::fs;

use naru::node::verbs::{Accept, Distrust, Distrusted, Explain, Explained, PeerName, Retry};
use naru_protocol::{
    error::Code,
    identity::{Did, fingerprint},
    log::entry::EntryType,
};
use serde_json::json;

use crate::common::{Dials, Firm, Pair, core_technology, harmless, private, proposal, publish, settled};

const REASON: &str = "its keys were stolen";

fn ask(peer: &str, only_say: bool) -> Distrust {
    Distrust { peer: peer.to_owned(), reason: REASON.to_owned(), only_say }
}

async fn size(firm: &Firm) -> u64 {
    firm.node().status().await.unwrap().log_size
}

async fn agreed(pair: &Pair) -> String {
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    pair.settled(&asked.id).await;
    asked.id
}

fn ids(said: &Distrusted) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    (
        said.agreements.iter().map(|a| a.id.as_str()).collect(),
        said.negotiations.iter().map(|a| a.id.as_str()).collect(),
        said.transfers.iter().map(|a| a.id.as_str()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one story")]
async fn all_that_runs_is_said_ended_and_the_peer_is_a_stranger_until_a_person_says_otherwise() {
    // ID-9.1, ID-9.2, ID-9.3, ID-9.4
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let in_force = agreed(&pair).await;
    let second = agreed(&pair).await;
    // An offer that nobody has taken up, and a transfer that cannot start.
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap().id;
    pair.seller.until(&offered, |v| v.state == "OFFERED").await;
    fs::write(pair.seller.dir.join("facts.json"), "[").unwrap();
    let retry = Retry { id: in_force.clone(), out: Some(pair.temp.join("out")) };
    let transfer = pair.buyer.node().retry(retry).await.unwrap().id;
    pair.seller.until(&transfer, |v| v.trouble.is_some()).await;

    let before = size(&pair.seller).await;
    let would = pair.seller.node().distrust(ask(&pair.buyer.did, true)).await.unwrap();
    let (agreements, negotiations, transfers) = ids(&would);
    assert!(agreements.contains(&in_force.as_str()) && agreements.contains(&second.as_str()), "{would:#?}");
    assert_eq!(
        (agreements.len(), negotiations, transfers),
        (2, vec![offered.as_str()], vec![transfer.as_str()])
    );
    assert_eq!((would.status.as_str(), would.speaks.as_str()), ("accepted", "dxp"));
    assert!(size(&pair.seller).await <= before + 4, "what it would do it did not do");
    assert_eq!(pair.seller.view(&offered).await.unwrap().state, "OFFERED");
    let mut empty = ask(&pair.buyer.did, false);
    empty.reason = " ".to_owned();
    assert_eq!(pair.seller.node().distrust(empty).await.unwrap_err().code(), Code::ArgumentInvalid);
    let nobody = pair.seller.node().distrust(ask("nobody", false)).await.unwrap_err();
    assert_eq!(nobody.code(), Code::PeerNotNamed);

    let done = pair.seller.node().distrust(ask(&pair.buyer.did, false)).await.unwrap();
    assert_eq!(done.status, "blocked");
    for id in [&in_force, &second] {
        for firm in [&pair.seller, &pair.buyer] {
            let view = firm.until(id, |v| v.in_force.is_none() && settled(v)).await;
            let refusal = view.refusal.unwrap();
            assert_eq!(
                (refusal.code.as_str(), &refusal.reasons[..]),
                ("agreement_ended", &[REASON.to_owned()][..])
            );
        }
    }
    let (ours, theirs) = pair.settled(&offered).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert_eq!(theirs.refusal.unwrap().reasons, [REASON]);
    let (gave, got) = pair.settled(&transfer).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("TERMINATED", "TERMINATED"));
    pair.seller.facts(&private(&[&pair.buyer.did], &[]));

    // A stranger, for everything that it asks: one answer, one counter, no entry.
    let (strangers, entries) =
        (pair.seller.node().status().await.unwrap().strangers, size(&pair.seller).await);
    let did = pair.seller.did.clone();
    let peer = || PeerName { peer: did.clone() };
    assert_eq!(pair.buyer.node().fetch_catalog(peer()).await.unwrap_err().code(), Code::NotPaired);
    assert!(pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.is_err());
    let status = pair.seller.node().status().await.unwrap();
    assert!(status.strangers >= strangers + 2, "{} {strangers}", status.strangers);
    assert_eq!(status.log_size, entries);
    for error in [
        pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap_err(),
        pair.seller.node().fetch_catalog(PeerName { peer: pair.buyer.did.clone() }).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::PeerBlocked, "{error}");
    }
    let log = pair.seller.log(&pair.temp).await;
    let entry = log.lines.iter().rev().find(|line| line.entry.kind() == EntryType::Peer).unwrap();
    assert_eq!((&entry.fields["status"], &entry.fields["reason"]), (&json!("blocked"), &json!(REASON)));
    assert_eq!(entry.fields["peer"], json!(pair.buyer.did));

    // Neither a start nor a ticket lifts it.
    pair.seller.stop().await;
    pair.seller.open().await;
    assert_eq!(pair.seller.node().peers().await.unwrap()[0].status, "blocked");
    let ticket = pair.seller.ticket().await;
    let again = naru::node::verbs::Trust {
        fingerprint: crate::common::told(&ticket),
        ticket,
        alias: "other".to_owned(),
    };
    let view = pair.buyer.node().trust(again).await.unwrap();
    assert!(view.status.contains("waits"), "{view:?}");
    assert_eq!(pair.buyer.node().fetch_catalog(peer()).await.unwrap_err().code(), Code::NotPaired);
    let told = fingerprint(&Did::parse(&pair.buyer.did).unwrap());
    let accept = Accept { peer: pair.buyer.did.clone(), fingerprint: told };
    assert_eq!(pair.seller.node().accept_peer(accept).await.unwrap().status, "accepted");
    assert_eq!(pair.buyer.node().fetch_catalog(peer()).await.unwrap().len(), 1);
    // What was ended stays ended.
    assert!(pair.seller.view(&second).await.unwrap().in_force.is_none());
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_away_hears_of_it_when_it_is_back_however_often_we_start() {
    // ID-9.3
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let in_force = agreed(&pair).await;
    let asked = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap().id;
    pair.seller.until(&asked, |v| v.state == "OFFERED").await;
    pair.buyer.stop().await;
    pair.seller.node().distrust(ask(&pair.buyer.did, false)).await.unwrap();
    pair.seller.stop().await;
    pair.seller.open().await;
    assert!(pair.seller.node().status().await.unwrap().pending.iter().any(|p| p.id == asked));
    pair.buyer.open().await;
    let (ours, theirs) = pair.settled(&asked).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    for firm in [&pair.seller, &pair.buyer] {
        firm.until(&in_force, |v| v.in_force.is_none() && settled(v)).await;
    }
    pair.logs_agree(&[&in_force, &asked]).await;
    pair.close().await;
}

fn why(peer: &str, dataset: &str) -> Explain {
    Explain {
        peer: peer.to_owned(),
        dataset: dataset.to_owned(),
        purpose: None,
        countries: Vec::new(),
        facts: None,
        keep_days: None,
    }
}

/// Rules of a point that do not allow, each told in both languages.
fn rules(said: &Explained, phase: &str) -> Vec<String> {
    let point = said.points.iter().find(|point| point["phase"] == phase).unwrap();
    let found = point["explained"].as_array().unwrap();
    for rule in found {
        for (lang, word) in
            [("en", "reason"), ("en", "remedy"), ("ko", "reason"), ("ko", "remedy"), ("en", "law")]
        {
            assert!(rule[lang][word].as_str().is_some_and(|text| !text.is_empty()), "{lang} {word}: {rule}");
        }
    }
    found.iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_told_why_it_may_or_may_not_move_and_nothing_is_kept() {
    // POL-11.1, POL-11.2
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let secret = publish(seller, &pair.temp.join("secret"), core_technology()).await;
    let sizes = (size(seller).await, size(buyer).await);
    let given = seller.node().explain_deal(why(&buyer.did, &pair.dataset)).await.unwrap();
    assert_eq!(
        (given.direction.as_str(), given.side.as_str(), given.allowed),
        ("they_get_ours", "exporter", true),
        "{given:#?}"
    );
    let phases: Vec<&str> = given.points.iter().map(|p| p["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["catalog", "negotiation", "transfer"]);
    assert_eq!(given.countries, ["SG"]);
    let got = buyer.node().explain_deal(why(&seller.did, &pair.dataset)).await.unwrap();
    assert_eq!(
        (got.direction.as_str(), got.side.as_str(), got.allowed),
        ("we_get_theirs", "importer", true),
        "{got:#?}"
    );
    // What only the other side can judge is said to be so, in both languages.
    for said in [&given, &got] {
        let last = said.other_side.last().unwrap();
        assert!(last["en"]["reason"].is_string() && last["ko"]["reason"].is_string(), "{last}");
    }
    assert!(got.other_side.iter().any(|rule| rule["evaluator"] == "exporter"), "{:#?}", got.other_side);

    let denied = seller.node().explain_deal(why(&buyer.did, &secret)).await.unwrap();
    assert!(!denied.allowed);
    assert!(!rules(&denied, "negotiation").is_empty());
    // Another purpose, and another country than the offer names.
    let mut resale = why(&seller.did, &pair.dataset);
    resale.purpose = Some("resale".to_owned());
    let said = buyer.node().explain_deal(resale).await.unwrap();
    assert!(!said.allowed && said.purpose.as_deref() == Some("resale"));
    assert!(!rules(&said, "negotiation").is_empty());
    let mut abroad = why(&buyer.did, &pair.dataset);
    abroad.countries = vec!["VN".to_owned()];
    let said = seller.node().explain_deal(abroad).await.unwrap();
    assert!(!said.allowed && rules(&said, "negotiation").contains(&"POST-GEO-001".to_owned()), "{said:#?}");
    // The facts of this minute count.
    let mut facts = private(&[&buyer.did], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "dataset": pair.dataset}]);
    seller.facts(&facts);
    let said = seller.node().explain_deal(why(&buyer.did, &pair.dataset)).await.unwrap();
    assert!(rules(&said, "negotiation").contains(&"CORE-006".to_owned()));

    assert_eq!((size(seller).await, size(buyer).await), sizes, "nothing was logged");
    for firm in [seller, buyer] {
        assert!(firm.node().exchanges().await.unwrap().is_empty());
    }
    let none = buyer.node().explain_deal(why(&seller.did, "urn:dxp:0")).await.unwrap_err();
    assert_eq!(none.code(), Code::DatasetNotOffered);
    pair.close().await;
}
