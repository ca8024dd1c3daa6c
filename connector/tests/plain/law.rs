//! What law is asked about a deal with somebody who signs nothing, and what follows from its answer (PLN-6, PLN-7).

use std::{fs, path::Path, time::Duration};

use naru::node::verbs::{End, ExchangeName};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use crate::common::{
    core_technology,
    foreign::{Say, uuid},
    harmless, policy, policy_with, private, settled,
    trade::{Market, PARTNER, WARE, order, ware_policy},
};

/// The evaluations in an export that were about a contract.
pub(crate) fn evaluated(dir: &Path) -> Vec<Value> {
    let read = |path: std::path::PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let all = fs::read_dir(dir.join("evaluations")).unwrap().map(|entry| read(entry.unwrap().path()));
    all.filter(|made| made["shared"]["contract"].is_object()).collect()
}

/// Facts under which an authority has stopped trade with this peer.
fn stopped(peer: &str) -> Value {
    let mut facts = private(&[peer], &[]);
    facts["stop_orders"] = json!([{"ref": "STOP-1 (made up)", "consumer": peer}]);
    facts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_nobody_proved() {
    // PLN-7.1, PLN-7.2, PLN-6.2
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let (_, agreement) = market.partner.buys(&dataset).await;
    let pull = market.partner.pulls(&agreement).await;
    let log = market.firm.log(&market.temp).await;
    let all = evaluated(&log.dir);
    let phases: Vec<&str> = all.iter().map(|made| made["host"]["phase"].as_str().unwrap()).collect();
    assert!(phases.contains(&"negotiation") && phases.contains(&"transfer"), "{phases:?}");
    for made in &all {
        let (shared, host) = (&made["shared"], &made["host"]);
        assert_eq!(host["consumer"]["identity"]["provenance"], json!("secret"), "{host}");
        assert_eq!(host["provider"]["identity"]["provenance"], json!("operator"), "{host}");
        if host["phase"] == "transfer" {
            assert_eq!(host["contract"]["signed_by"], json!([]), "{host}");
            assert_eq!(host["transfer"]["occurrence"], json!(1));
        }
        for member in ["dataset", "provider", "consumer", "contract", "destination", "transfer"] {
            assert!(shared[member].is_object(), "{member}: {shared}");
        }
        assert_eq!(shared["contract"]["framework"], json!("none"));
        // The only purpose that is offered is stated by taking the offer.
        assert_eq!(shared["transfer"], json!({"encrypted": false, "purpose": "quality_analysis"}));
        assert_eq!(shared["contract"]["retention_days"], json!(365));
    }
    drop(pull);
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_offer_leaves_open_somebody_states_or_it_is_absent() {
    // PLN-7.2
    let market = Market::new().await;
    let partner = &market.partner;
    let mut open = ware_policy();
    open["permission"] = json!([{"action": "use"}]);
    partner.offers(&open);
    let node = market.firm.node();
    // Nobody says how long: the rule that needs it says so.
    let error = node.request(order(PARTNER, WARE, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::Undetermined, "{error}");
    partner.desk.none("/negotiations/request");
    let mut ask = order(PARTNER, WARE, None);
    (ask.keep_days, ask.purpose) = (Some(14), "quality_analysis".to_owned());
    node.request(ask).await.unwrap();
    partner.desk.next("/negotiations/request").await;
    let dir = market.firm.log(&market.temp).await.dir;
    let made = evaluated(&dir);
    assert_eq!(made.len(), 1, "what came to nothing belongs to no exchange");
    assert_eq!(made[0]["shared"]["contract"]["retention_days"], json!(14));
    assert_eq!(made[0]["shared"]["contract"]["purposes"], json!(["quality_analysis"]));
    // A purpose that is not offered is not made one.
    partner.offers(&ware_policy());
    let mut ask = order(PARTNER, WARE, None);
    "resale".clone_into(&mut ask.purpose);
    let error = node.request(ask).await.unwrap_err();
    assert_eq!(error.code(), Code::Denied, "{error}");
    // Neither is an operand that nobody understands.
    open["permission"][0]["constraint"] =
        json!([{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}]);
    partner.offers(&open);
    let error = node.request(order(PARTNER, WARE, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::TermsDiffer, "{error}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_law_denies_is_terminated_with_what_may_be_told() {
    // PLN-6.2, PLN-7.1
    let market = Market::new().await;
    let partner = &market.partner;
    let dataset = market.dataset_under(policy_with("framework", None), core_technology()).await;
    let pids = partner.asks(&dataset).await;
    let end = partner.desk.next(&format!("/negotiations/{}/termination", pids.consumer)).await;
    assert_eq!(end.json()["code"], json!("denied"), "{:?}", end.json());
    let text = String::from_utf8_lossy(&end.body).into_owned();
    for secret in ["KR-ITA", "approval", "motir", "state_funded"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    partner.desk.none("/agreement");
    let id = market.firm.node().exchanges().await.unwrap()[0].id.clone();
    let view = market.firm.until(&id, settled).await;
    assert_eq!((view.state.as_str(), view.refusal.unwrap().code.as_str()), ("TERMINATED", "denied"));
    assert!(view.decision.is_some());
    let log = market.firm.log(&market.temp).await;
    let line = log.of(&id).find(|l| l.entry.kind().as_str().ends_with("termination")).unwrap();
    assert!(line.fields.contains_key("decision"), "{:?}", line.fields);
    assert_eq!((&line.fields["code"], &line.fields["unsigned"]), (&json!("denied"), &json!(true)));
    assert!(evaluated(&log.dir).iter().any(|made| made["host"]["phase"] == "negotiation"));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_framework_needs_signatures_that_are_not_there() {
    // PLN-7.1, PLN-7.3, PLN-6.1
    let market = Market::new().await;
    let partner = &market.partner;
    let dataset = market.dataset_under(policy(), harmless()).await;
    let pids = partner.asks(&dataset).await;
    let agreed = partner.desk.next_that("", |h| h.path.contains(&pids.consumer)).await;
    let end = if agreed.path.ends_with("/agreement") {
        // It may be agreed; the rule is the transfer's.
        partner.verifies(&pids).await;
        let id = agreed.json()["agreement"]["@id"].as_str().unwrap().to_owned();
        partner.desk.next("/events").await;
        let transfer = partner.asks_for_data(&id).await;
        partner.desk.next(&format!("/transfers/{}/termination", transfer.consumer)).await
    } else {
        agreed
    };
    assert_eq!(end.json()["code"], json!("denied"));
    assert!(String::from_utf8_lossy(&end.body).contains("DPA-AUTH-001"), "{}", end.json());
    partner.desk.none("/start");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_only_the_peer_could_answer_allows_nothing() {
    // PLN-6.1
    let market = Market::of("SG", false, |ask| "KR".clone_into(&mut ask.country)).await;
    market.partner.offers(&ware_policy());
    let mut ask = order(PARTNER, WARE, None);
    ask.countries = vec!["SG".to_owned()];
    ask.facts = Some(harmless());
    let error = market.firm.node().request(ask).await.unwrap_err();
    assert_eq!(error.code(), Code::Undetermined, "{error}");
    assert!(error.to_string().contains("KR-"), "the rule is named: {error}");
    market.partner.desk.none("/negotiations/request");
    assert!(market.firm.node().exchanges().await.unwrap().is_empty());
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_firm_itself_are_asked_about_plain_partners_too() {
    // POL-16.1, POL-16.3
    let mut market = Market::new().await;
    market.firm.with_house_rules().await;
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&market.dataset().await).await;
    drop(partner.pulls(&agreement).await);
    let sale = partner.sells(&market.firm, None).await;
    assert_eq!(partner.state(&format!("/negotiations/{}", sale.pids.consumer)).await, "FINALIZED");
    // What they forbid is shown, since a purpose is nobody's before it is asked for, and refused without a word of why.
    let terms = policy_with("framework", None).to_string().replace("quality_analysis", "marketing");
    let dataset = market.dataset_under(serde_json::from_str(&terms).unwrap(), harmless()).await;
    let pids = partner.asks(&dataset).await;
    let end = partner.desk.next(&format!("/negotiations/{}/termination", pids.consumer)).await;
    assert_eq!(end.json()["code"], json!("denied"));
    for word in ["HOUSE", "house", "House"] {
        assert!(!String::from_utf8_lossy(&end.body).contains(word), "{}", end.json());
    }
    let view = loop {
        // Our own side takes note of it with the partner's answer.
        let all = market.firm.node().exchanges().await.unwrap();
        match all.iter().find(|view| view.state == "TERMINATED") {
            Some(ended) => break market.firm.view(&ended.id).await.unwrap(),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(json!(view).to_string().contains("HOUSE-001"), "its operator is told which rule: {view:?}");
    let report = market.audit().await.to_text();
    assert_eq!(report.matches("agreed, unsigned").count(), 2, "{report}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn law_is_asked_again_before_the_agreement() {
    // PLN-6.2
    let market = Market::new().await;
    let partner = &market.partner;
    // As consumer: allowed when we asked, not when the agreement came.
    let sale = partner.is_asked(&market.firm, None).await;
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = stopped(&market.firm.did)["stop_orders"].clone();
    market.firm.facts(&facts);
    partner.agrees(&sale, &partner.agreement_for(&sale)).await.taken(200, "what was asked for");
    let end = partner.desk.next(&format!("/negotiations/{}/termination", sale.pids.provider)).await.json();
    assert_eq!(end["code"], json!("denied"), "{end}");
    partner.desk.none("/verification");
    // As provider: the dataset is shown, and then not any more.
    market.firm.facts(&private(&[], &[]));
    let dataset = market.dataset().await;
    let offer = partner.offer_for(&dataset).await;
    market.firm.facts(&stopped(PARTNER));
    let reply = partner.post("/negotiations/request", &partner.request_for(&uuid(), &offer)).await;
    assert!(reply.status == 404 || reply.status == 201, "{}", reply.text());
    partner.desk.none("/agreement");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_order_ends_what_runs_and_what_starts() {
    // PLN-7.3, PLN-8.4
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (_, agreement) = partner.buys(&dataset).await;
    // Started, not fetched yet: what was written since is asked about before the first byte.
    let first = partner.pulls(&agreement).await;
    // Fetched in part.
    let second = partner.pulls(&agreement).await;
    second.get(partner, &[("range", "bytes=0-9")]).await.taken(206, "a part");
    // Suspended by the consumer.
    let third = partner.pulls(&agreement).await;
    third.says(partner, "suspension", "TransferSuspensionMessage").await.taken(200, "suspension");
    market.firm.facts(&stopped(PARTNER));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for pull in [&first, &second] {
        let got = pull.get(partner, &[]).await;
        assert_eq!(got.status / 100, 4, "{}", got.text());
        let end = partner.desk.next(&format!("/transfers/{}/termination", pull.pids.consumer)).await.json();
        assert_eq!(end["code"], json!("denied"), "{end}");
    }
    // The consumer's START is a START: law is asked.
    third.says(partner, "start", "TransferStartMessage").await;
    let end = partner.desk.next(&format!("/transfers/{}/termination", third.pids.consumer)).await.json();
    assert_eq!(end["code"], json!("denied"), "{end}");
    assert_eq!(third.get(partner, &[]).await.status, 401);
    // And so it is for what is asked for now.
    let fourth = partner.asks_for_data(&agreement).await;
    let end = partner.desk.next(&format!("/transfers/{}/termination", fourth.consumer)).await.json();
    assert_eq!(end["code"], json!("denied"), "{end}");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_ends_gives_and_takes_nothing_more() {
    // PLN-6.3, PLN-6.4
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let (pids, agreement) = partner.buys(&dataset).await;
    let running = partner.pulls(&agreement).await;
    // One whose START the partner has not answered when the agreement ends.
    partner.desk.once("/start", Say::empty(200).after(Duration::from_millis(700)));
    let starting = partner.asks_for_data(&agreement).await;
    partner.desk.next(&format!("/transfers/{}/start", starting.consumer)).await;
    let all = market.firm.node().exchanges().await.unwrap();
    let deal = all.iter().find(|v| v.kind == "negotiation").unwrap().id.clone();
    let end = End { id: deal.clone(), reason: "the paper contract was ended".to_owned() };
    let view = market.firm.node().end(end).await.unwrap();
    assert_eq!((view.state.as_str(), view.in_force), ("FINALIZED", None));
    for consumer in [&running.pids.consumer, &starting.consumer] {
        let end = partner.desk.next(&format!("/transfers/{consumer}/termination")).await.json();
        assert_eq!(end["code"], json!("agreement_ended"), "{end}");
    }
    assert_eq!(running.get(partner, &[]).await.status, 401);
    let message = partner.transfer_for(&uuid(), &agreement, "HttpData-PULL");
    partner.post("/transfers/request", &message).await.refused(400, "not_in_force", "ended");
    assert_eq!(partner.state(&format!("/negotiations/{}", pids.provider)).await, "FINALIZED");
    // Somebody else's agreement, one that never was, and one that was not finalized.
    let open = partner.asks(&dataset).await;
    let unfinished = partner.gets_agreement(&open).await["@id"].as_str().unwrap().to_owned();
    let other = crate::common::foreign::Foreign::join(&market.firm, "EVE").await;
    let (_, others) = other.buys(&dataset).await;
    for id in [unfinished.as_str(), "urn:uuid:0", others.as_str()] {
        let message = partner.transfer_for(&uuid(), id, "HttpData-PULL");
        partner.post("/transfers/request", &message).await.refused(400, "not_in_force", id);
    }
    let ask = ExchangeName { id: deal };
    assert_eq!(market.firm.node().exchange(ask).await.unwrap().refusal.unwrap().code, "agreement_ended");
    market.close().await;
}
