//! A person decides about deals with a partner that signs nothing, and ends all trust in it (PLN-5.5, PLN-6.4, ID-9); why its
//! data may or may not move.

use std::{collections::BTreeSet, fs, time::Duration};

use naru::{
    audit::{Anchors, verify},
    node::verbs::{AddPlain, Approval, Approve, Distrust, ExchangeView, Explain, Publish, QueueItem, Reject},
};
use naru_protocol::{error::Code, log::entry::EntryType};
use serde_json::{Value, json};

use crate::common::{
    foreign::{dsp, uuid},
    harmless, now, policy_with, settled,
    trade::{Market, PARTNER, Pids, WARE, content, ware_policy},
};

const WAITS: &str = "us: approval";

fn approve(id: &str, by: &str) -> Approve {
    Approve { id: id.to_owned(), by: by.to_owned(), note: None, out: None, facts: None }
}

fn reject(id: &str, reason: &str) -> Reject {
    Reject { id: id.to_owned(), by: "Kim Minji".to_owned(), reason: reason.to_owned() }
}

/// A dataset that a person decides about.
async fn asking(market: &Market) -> String {
    let path = market.temp.join("asked.bin");
    fs::write(&path, content()).unwrap();
    let title = [("en".to_owned(), "test records".to_owned())].into();
    let (policy, facts) = (policy_with("framework", None), harmless());
    let ask = Publish { path, title, policy, facts, approval: Some(Approval::Ask), ..Publish::default() };
    market.firm.node().publish(ask).await.unwrap().dataset
}

async fn queue(market: &Market) -> Vec<QueueItem> {
    market.firm.node().queue().await.unwrap()
}

/// Exchanges by the node's names.
async fn known(market: &Market) -> BTreeSet<String> {
    market.firm.node().exchanges().await.unwrap().into_iter().map(|view| view.id).collect()
}

/// The partner's request waits; gives the node's name for it.
async fn waiting(market: &Market, dataset: &str) -> (Pids, String) {
    let before = known(market).await;
    let pids = market.partner.asks(dataset).await;
    let id = known(market).await.difference(&before).next().unwrap().clone();
    market.firm.until(&id, |v| v.waits_for.as_deref() == Some(WAITS)).await;
    (pids, id)
}

fn refusal(view: &ExchangeView) -> (&str, &str) {
    let refusal = view.refusal.as_ref().unwrap();
    (&refusal.code, &refusal.side)
}

async fn told_the_end(market: &Market, pids: &Pids) -> Value {
    market.partner.desk.next(&format!("/negotiations/{}/termination", pids.consumer)).await.json()
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one story")]
async fn a_partners_request_waits_for_a_person() {
    // PLN-5.5
    let mut market = Market::new().await;
    let dataset = asking(&market).await;
    let (pids, id) = waiting(&market, &dataset).await;
    let items = queue(&market).await;
    let [item] = &items[..] else { panic!("{items:#?}") };
    assert_eq!((item.id.as_str(), item.wants.as_str(), item.unsigned), (id.as_str(), "request", true));
    assert_eq!((item.did.as_str(), &item.dataset), (PARTNER, &dataset));
    assert_eq!(item.decision["result"]["allow"], json!(true), "{}", item.decision);
    market.firm.stop().await;
    market.firm.open().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    market.partner.desk.none("/agreement");
    let state = market.partner.state(&format!("/negotiations/{}", pids.provider)).await;
    assert_eq!(state, "REQUESTED");
    assert_eq!(queue(&market).await[0].deadline, item.deadline);
    // The first message again is answered as before, and asks nobody again.
    market.firm.node().approve(approve(&id, "Kim Minji")).await.unwrap();
    let again = market.firm.node().approve(approve(&id, "Lee")).await.unwrap_err();
    assert!(again.code() == Code::IllegalState && again.to_string().contains("Kim Minji"), "{again}");
    market.partner.gets_agreement(&pids).await;
    market.partner.verifies(&pids).await;
    market.firm.until(&id, |v| v.in_force.is_some()).await;
    let log = market.firm.log(&market.temp).await;
    let sent = log.of(&id).find(|l| l.entry.kind() == EntryType::NegotiationAgreement).unwrap();
    assert_eq!(sent.fields["approval"]["by"], json!("Kim Minji"));

    let (second, other) = waiting(&market, &dataset).await;
    market.firm.node().reject(reject(&other, "not this quarter")).await.unwrap();
    let end = told_the_end(&market, &second).await;
    assert_eq!((&end["code"], &end["reason"]), (&json!("rejected"), &json!(["not this quarter"])));
    let view = market.firm.until(&other, settled).await;
    assert_eq!((view.state.as_str(), refusal(&view)), ("TERMINATED", ("rejected", "local")));

    // Law at the approval, and a partner that changes its mind.
    let (third, forbidden) = waiting(&market, &dataset).await;
    market.firm.facts(&json!({"stop_orders": [{"ref": "S-1", "dataset": dataset}]}));
    let view = market.firm.node().approve(approve(&forbidden, "Kim Minji")).await.unwrap();
    assert_eq!(refusal(&view), ("denied", "policy"));
    assert_eq!(told_the_end(&market, &third).await["code"], json!("denied"));
    market.firm.facts(&json!({}));
    let (fourth, gone) = waiting(&market, &dataset).await;
    let end = fourth.message("ContractNegotiationTerminationMessage", json!({"code": "changed_my_mind"}));
    let path = format!("/negotiations/{}/termination", fourth.provider);
    market.partner.post(&path, &end).await.taken(200, "it takes its request back");
    assert!(queue(&market).await.is_empty());
    let late = market.firm.node().approve(approve(&gone, "Kim Minji")).await.unwrap_err();
    assert_eq!(late.code(), Code::IllegalState);

    let log = market.firm.log(&market.temp).await;
    let path = market.temp.join("anchors.toml");
    let (did, name) = (&market.firm.did, "한강모터스");
    let anchor =
        format!("version = 1\n[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"KR\"\n");
    fs::write(&path, anchor).unwrap();
    let report = verify(&[log.dir], &Anchors::read(&path).unwrap()).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_request_that_nobody_decides_is_refused_with_a_code() {
    // PLN-5.5, NEG-15.3
    let mut market = Market::new().await;
    let dataset = asking(&market).await;
    market.firm.stop().await;
    let path = market.firm.dir.join("naru.toml");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{before}\n[approval]\nwithin = 1\n")).unwrap();
    market.firm.open().await;
    let (pids, id) = waiting(&market, &dataset).await;
    let end = told_the_end(&market, &pids).await;
    assert_eq!(end["code"], json!("approval_expired"));
    let view = market.firm.until(&id, settled).await;
    assert_eq!((view.state.as_str(), refusal(&view)), ("TERMINATED", ("approval_expired", "local")));
    market.partner.desk.none("/agreement");
    market.close().await;
}

/// A partner under the law of the European Union.
fn german(ask: &mut AddPlain) {
    "DE".clone_into(&mut ask.country);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_offer_waits_for_a_person_who_takes_it_up_or_rejects_it() {
    // PLN-5.4, PLN-5.5
    let market = Market::with(german).await;
    let partner = &market.partner;
    let offers = async || {
        let (mut offer, provider) = (ware_policy(), uuid());
        offer["target"] = json!(WARE);
        let members = json!({"providerPid": provider, "offer": offer, "callbackAddress": partner.base});
        let before = known(&market).await;
        let reply = partner.post("/negotiations/offers", &dsp("ContractOfferMessage", members)).await;
        reply.taken(201, "an offer");
        (provider, known(&market).await.difference(&before).next().unwrap().clone())
    };
    let (provider, id) = offers().await;
    let items = queue(&market).await;
    assert_eq!((items.len(), items[0].wants.as_str(), items[0].unsigned), (1, "offer", true));
    assert!(items[0].decision.is_object(), "as policy says now: {}", items[0].decision);
    partner.desk.none("/events");
    let out = Some(market.temp.join("out"));
    // The partner signs nothing about its data: what they are is the operator's word.
    let facts = Some(crate::common::trade::declared());
    let approved = Approve { out: out.clone(), facts, ..approve(&id, "Kim Minji") };
    market.firm.node().approve(approved).await.unwrap();
    let event = partner.desk.next(&format!("/negotiations/{provider}/events")).await.json();
    assert_eq!(event["eventType"], json!("ACCEPTED"));
    assert_eq!(market.firm.view(&id).await.unwrap().out, out);
    let (other, second) = offers().await;
    market.firm.node().reject(reject(&second, "enough of it")).await.unwrap();
    let end = partner.desk.next(&format!("/negotiations/{other}/termination")).await.json();
    assert_eq!((&end["code"], &end["reason"]), (&json!("rejected"), &json!(["enough of it"])));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn distrust_ends_what_runs_with_a_partner_and_lets_it_in_no_more() {
    // PLN-2.2, PLN-6.4, ID-9.1, ID-9.2
    let market = Market::new().await;
    let (open, asked) = (market.dataset().await, asking(&market).await);
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&open).await;
    let pull = partner.pulls(&agreement).await;
    let (pids, held) = waiting(&market, &asked).await;
    let ask = |only_say| Distrust { peer: PARTNER.to_owned(), reason: "it leaked".to_owned(), only_say };
    let would = market.firm.node().distrust(ask(true)).await.unwrap();
    assert_eq!(
        (would.agreements.len(), would.negotiations.len(), would.transfers.len()),
        (1, 1, 1),
        "{would:#?}"
    );
    assert_eq!((would.negotiations[0].id.as_str(), would.speaks.as_str()), (held.as_str(), "plain"));
    pull.get(partner, &[("range", "bytes=0-9")]).await.taken(206, "nothing has happened yet");

    let done = market.firm.node().distrust(ask(false)).await.unwrap();
    assert_eq!(done.status, "blocked");
    let end = told_the_end(&market, &pids).await;
    assert_eq!((&end["code"], &end["reason"]), (&json!("cancelled"), &json!(["it leaked"])));
    partner.desk.next(&format!("/transfers/{}/termination", pull.pids.consumer)).await;
    assert_eq!(pull.get(partner, &[]).await.status, 401);
    let reply = partner.post("/catalog/request", &dsp("CatalogRequestMessage", json!({}))).await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    for view in market.firm.node().exchanges().await.unwrap() {
        let view = market.firm.until(&view.id, settled).await;
        assert!(view.in_force.is_none(), "{view:#?}");
    }
    let log = market.firm.log(&market.temp).await;
    let entry = log.lines.iter().rev().find(|line| line.entry.kind() == EntryType::Peer).unwrap();
    assert_eq!((&entry.fields["status"], &entry.fields["reason"]), (&json!("blocked"), &json!("it leaked")));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_partner_would_get_data_or_give_them() {
    // POL-11.1, POL-11.2, PLN-7.1
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let why = |dataset: &str, purpose: Option<&str>, facts: Option<Value>| Explain {
        peer: PARTNER.to_owned(),
        dataset: dataset.to_owned(),
        purpose: purpose.map(str::to_owned),
        countries: Vec::new(),
        facts,
        keep_days: None,
    };
    let node = market.firm.node();
    let before = node.status().await.unwrap().log_size;
    let given = node.explain_deal(why(&dataset, Some("quality_analysis"), None)).await.unwrap();
    assert_eq!((given.direction.as_str(), given.allowed), ("they_get_ours", true), "{given:#?}");
    let resale = node.explain_deal(why(&dataset, Some("resale"), None)).await.unwrap();
    assert!(!resale.allowed, "{resale:#?}");
    market.partner.offers(&ware_policy());
    let facts = crate::common::trade::order(PARTNER, WARE, None).facts.unwrap();
    let got = node.explain_deal(why(WARE, None, Some(facts))).await.unwrap();
    assert_eq!(
        (got.direction.as_str(), got.side.as_str(), got.allowed),
        ("we_get_theirs", "importer", true),
        "{got:#?}"
    );
    let wrong = node.explain_deal(why(WARE, None, Some(json!([])))).await.unwrap_err();
    assert_eq!(wrong.code(), Code::ArgumentInvalid);
    assert_eq!(node.status().await.unwrap().log_size, before);
    assert!(node.exchanges().await.unwrap().is_empty() && now() > 0);
    market.close().await;
}
