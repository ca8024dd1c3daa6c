//! What an offer's constraints come to: where the data may go, and how often they may be transferred (spec chapter 05,
//! POL-10). Real nodes, and peers made by hand.

use naru::{
    audit::{Anchors, verify},
    node::verbs::{Propose, Publish},
};
use naru_protocol::{
    encoding::{Digest, Id},
    log::entry::{EntryType, ExchangeKey},
};
use serde_json::{Value, json};

use super::catalog::offer;
use crate::common::{
    Dials, Firm, Pair, Temp,
    deals::{Agreed, Provider},
    hand::{DXP, Hand, Prepared, decision, message, random, urn},
    harmless, now, policy, policy_with, private, proposal, settled, write_files,
};

fn to(pair: &Pair, countries: &[&str]) -> Propose {
    let countries = countries.iter().map(|c| (*c).to_owned()).collect();
    Propose { countries, ..proposal(&pair.seller.did, &pair.dataset, Some(pair.temp.join("out"))) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumers_own_rules_keep_it_to_the_agreed_countries() {
    // POL-10.3: the offer names Korea and Singapore.
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let error = pair.buyer.node().request(to(&pair, &["SG", "VN"])).await.unwrap_err();
    assert_eq!(error.code().as_str(), "denied");
    assert!(error.to_string().contains("POST-GEO-001 (VN)"), "{error}");
    assert!(pair.buyer.node().exchanges().await.unwrap().is_empty());
    assert!(pair.seller.node().exchanges().await.unwrap().is_empty());
    let asked = pair.buyer.node().request(to(&pair, &["KR", "SG"])).await.unwrap();
    pair.concluded(&asked.id, &pair.temp.join("out")).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_refuses_a_destination_that_was_not_agreed_before_it_signs() {
    // POL-10.3, POL-10.4: a consumer without scruples, whose decision allows everything.
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let good = provider.terms(&hand, now() + 3600).await;
    for member in ["storage_countries", "processing_countries"] {
        let mut abroad = good.clone();
        abroad["shared"]["destination"][member] = json!(["SG", "VN"]);
        let (exchange, _) = hand.ask(&abroad).await;
        let (_, said) = hand.inbox(exchange, 1).await;
        assert_eq!(said["@type"], "ContractNegotiationTerminationMessage", "{said}");
        assert_eq!((&said["code"], &said["reason"]), (&json!("denied"), &json!(["POST-GEO-001"])));
        let log = provider.firm.log(&provider.temp).await;
        let signed = |kind| log.of(&exchange.to_string()).any(|line| line.entry.kind() == kind);
        assert!(!signed(EntryType::NegotiationAgreement));
    }
    // Nor does it help to write the country into the contract: that follows from the offer.
    let mut widened = good.clone();
    widened["shared"]["destination"]["storage_countries"] = json!(["VN"]);
    widened["shared"]["contract"]["allowed_countries"] = json!(["KR", "SG", "VN"]);
    let (_, act) = hand.request(&widened);
    let answer = hand.carry(&act).await;
    answer.refused_finally("terms_differ");
    let said = answer.json()["reason"][0].as_str().unwrap().to_owned();
    assert!(said.contains("/shared/contract/allowed_countries"), "{said}");
    let (exchange, _) = hand.ask(&good).await;
    assert_eq!(hand.inbox(exchange, 1).await.1["@type"], "ContractAgreementMessage");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_without_countries_binds_to_those_that_the_proposal_states() {
    // POL-10.3: both sides come to the same, or the provider would refuse the terms.
    let provider = Provider::under(policy_with("spatial", None)).await;
    let hand = Hand::paired(&provider.firm).await;
    let mut terms = provider.terms(&hand, now() + 3600).await;
    assert_eq!(terms["shared"]["contract"]["allowed_countries"], json!(["SG"]));
    terms["shared"]["destination"]["processing_countries"] = json!(["VN", "MY"]);
    let (_, act) = hand.request(&terms);
    hand.carry(&act).await.refused_finally("terms_differ");
    for member in ["allowed_countries", "countries_listed"] {
        terms["shared"]["contract"][member] = json!(["MY", "SG", "VN"]);
    }
    let (exchange, _) = hand.ask(&terms).await;
    assert_eq!(hand.inbox(exchange, 1).await.1["@type"], "ContractAgreementMessage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_takes_no_contract_that_does_not_follow_from_the_offer() {
    // POL-10.4
    let temp = Temp::new();
    let consumer = Firm::start(temp.join("consumer"), "consumer", "SG", None).await;
    let hand = Hand::paired_from(&consumer, "KR").await;
    let dataset = hand.offer_dataset();
    let asked = consumer.request(&hand.did(), &dataset, None).await.unwrap();
    let (_, request) = hand.inbox(Id::parse(&asked.id).unwrap(), 1).await;
    let good = request["dxp"]["terms"].clone();
    for (pointer, value) in [
        ("/shared/contract/max_transfers", json!(11)),
        ("/shared/contract/allowed_countries", json!(["KR", "SG", "US"])),
        ("/shared/dataset/sector", json!("agriculture")),
    ] {
        let mut other = good.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let (_, act) = offer(&hand, &other);
        let answer = hand.carry(&act).await;
        answer.refused_finally("terms_differ");
        assert!(answer.json()["reason"][0].as_str().unwrap().contains(pointer), "{}", answer.json());
    }
    let (_, act) = offer(&hand, &good);
    hand.carry(&act).await.accepted(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_no_rule_could_be_asked_about_are_not_published() {
    // POL-10.1, POL-10.2, POL-10.7
    let temp = Temp::new();
    let firm = Firm::start(temp.join("provider"), "provider", "KR", None).await;
    let path = temp.join("source");
    write_files(&path);
    let mut odd = policy();
    odd["permission"][0]["constraint"][0]["operator"] = json!("isNoneOf");
    let with = |member: &str, rules: Value| {
        let mut policy = policy();
        policy[member] = rules;
        policy
    };
    for (policy, place) in [
        (policy_with("purpose", None), "/permission/0/constraint: purpose"),
        (policy_with("elapsedTime", None), "/permission/0/constraint: elapsedTime"),
        (policy_with("spatial", Some(json!(["Singapore"]))), "/permission/0/constraint/1"),
        (policy_with("elapsedTime", Some(json!("P1Y"))), "/permission/0/constraint/2/rightOperand"),
        (policy_with("count", Some(json!("-1"))), "/permission/0/constraint/3/rightOperand"),
        (policy_with("spatial", Some(json!(["ZZ"]))), "/permission/0/constraint/1"),
        (odd, "/permission/0/constraint: purpose"),
        (with("obligation", json!([{"action": "compensate"}])), "/obligation/0"),
        (with("prohibition", json!([{"action": "paint"}])), "/prohibition/0"),
    ] {
        let title = [("en".to_owned(), "test records".to_owned())].into();
        let ask = Publish { path: path.clone(), title, policy, facts: harmless(), ..Publish::default() };
        let error = firm.node().publish(ask).await.unwrap_err();
        assert_eq!(error.code().as_str(), "argument_invalid");
        assert!(error.to_string().contains(place), "{error}");
    }
}

/// The consumer's transfer request under a concluded deal.
fn request(hand: &Hand, deal: &Agreed, finalized: Digest) -> (Id, Prepared) {
    let (exchange, key) = (Id(random()), ExchangeKey::from_bytes(random()));
    let mut own = decision(&deal.terms, "importer");
    own["phase"] = json!("transfer");
    let first: Value = serde_json::from_slice(&hand.request(&deal.terms).1.body).unwrap();
    let dxp = json!({"v": 1, "key": key.digest(), "agreement": deal.digest(), "decision": own});
    let mut body = message("TransferRequestMessage", "", &urn(), json!({"format": "DXP-PULL", "dxp": dxp}));
    body.as_object_mut().unwrap().remove("providerPid");
    body["agreementId"] = deal.terms["agreement"]["@id"].clone();
    body["callbackAddress"] = first["callbackAddress"].clone();
    let prepared = hand.prepare_after(exchange, "/transfers/request", &body, Some(finalized), key);
    hand.expect(exchange, &prepared);
    (exchange, prepared)
}

/// Asks for a transfer; gives it, the node's process id, and what the node said to it.
async fn asks(hand: &Hand, deal: &Agreed, finalized: Digest) -> (Id, String, Value) {
    let (exchange, prepared) = request(hand, deal, finalized);
    let answer = hand.carry(&prepared).await;
    answer.accepted(201);
    let pid = answer.json()["providerPid"].as_str().unwrap().to_owned();
    (exchange, pid, hand.inbox(exchange, 1).await.1)
}

fn refused_for_its_number(said: &Value) {
    assert_eq!(said["@type"], "TransferTerminationMessage", "{said}");
    assert_eq!((&said["code"], &said["reason"]), (&json!("denied"), &json!(["POST-CNT-001"])));
}

/// The numbers that the node gave its evaluations at transfer; its half of the log verifies with them.
async fn numbers(provider: &Provider, hand: &Hand) -> Vec<u64> {
    let log = provider.firm.log(&provider.temp).await;
    let folder = std::fs::read_dir(log.dir.join("evaluations")).unwrap();
    let read = |path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let files = folder.map(|entry| read(entry.unwrap().path()));
    let mut numbers: Vec<u64> = files
        .filter(|file| file["host"]["phase"] == "transfer")
        .map(|file| file["host"]["transfer"]["occurrence"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    let anchor = |did: &str, name: &str, country: &str| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people = [anchor(&provider.firm.did, "provider", "KR"), anchor(&hand.did(), "by hand", "SG")];
    let path = provider.temp.join("anchors.toml");
    std::fs::write(&path, format!("version = 1\n{}", people.concat())).unwrap();
    let report = verify(std::slice::from_ref(&log.dir), &Anchors::read(&path).unwrap()).unwrap();
    // AUD-6.11
    assert!(report.holds(), "{}", report.to_text());
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_for_one_transfer_is_good_for_one() {
    // POL-10.6
    let provider = Provider::under(policy_with("count", Some(json!("1")))).await;
    let hand = Hand::paired(&provider.firm).await;
    let deal = provider.agreed(&hand, now() + 3600).await;
    let finalized = deal.conclude(&hand).await;
    // One that is refused before its start does not count.
    hand.manners(|m| m.hides_entries = true);
    let (_, _, said) = asks(&hand, &deal, finalized).await;
    assert_eq!(said["code"], "omitted", "{said}");
    hand.manners(|m| m.hides_entries = false);

    let (first, pid, said) = asks(&hand, &deal, finalized).await;
    assert_eq!(said["@type"], "TransferStartMessage", "{said}");
    let (second, _, said) = asks(&hand, &deal, finalized).await;
    refused_for_its_number(&said);
    let view = provider.firm.until(&second.to_string(), settled).await;
    assert_eq!((view.state.as_str(), view.receipt), ("TERMINATED", None));
    // The first goes on: law is asked again when a capability is issued, and it keeps its number.
    provider.firm.facts(&private(&[], &[]));
    provider.firm.until(&first.to_string(), |v| v.state == "STARTED").await;
    let answer = hand.get(DXP, &format!("/transfers/{pid}/capability")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(numbers(&provider, &hand).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_start_at_the_same_time_have_different_numbers() {
    // POL-10.6: three at once under an agreement for two.
    let provider = Provider::under(policy_with("count", Some(json!("2")))).await;
    let hand = Hand::paired(&provider.firm).await;
    let deal = provider.agreed(&hand, now() + 3600).await;
    let finalized = deal.conclude(&hand).await;
    let ask = || asks(&hand, &deal, finalized);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    let said = [a.2, b.2, c.2];
    let (started, refused): (Vec<_>, Vec<_>) =
        said.iter().partition(|said| said["@type"] == "TransferStartMessage");
    assert_eq!((started.len(), refused.len()), (2, 1), "{said:#?}");
    refused_for_its_number(refused[0]);
    assert_eq!(numbers(&provider, &hand).await, [1, 2, 3]);
}
