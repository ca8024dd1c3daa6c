//! Terms that say more than the packs of law are told of them (spec chapter 05, POL-10.8): both sides ask the module `odrl` at every
//! step, name it in the agreement, and an auditor executes it again. Two real nodes.

use naru::node::verbs::{Advice, DatasetName, Happening, Obligations, Report};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use crate::common::{Dials, Pair, catalog, harmless, policy, proposal, publish_under, same_files};

fn constraint(operand: &str, operator: &str, right: impl Into<Value>) -> Value {
    json!({"leftOperand": operand, "operator": operator, "rightOperand": right.into()})
}

/// The ordinary terms, and these constraints beside.
fn with(constraints: &[Value]) -> Value {
    let mut terms = policy();
    terms["permission"][0]["constraint"].as_array_mut().unwrap().extend_from_slice(constraints);
    terms
}

async fn publish(pair: &mut Pair, name: &str, terms: Value) {
    pair.dataset = publish_under(&pair.seller, &pair.temp.join(name), harmless(), terms).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_beyond_the_table_are_agreed_kept_and_audited() {
    // POL-10.1, POL-10.8, AUD-6.12
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let mut terms = with(&[
        constraint("dateTime", "lteq", "2100-01-01T00:00:00Z"),
        json!({"or": [constraint("recipient", "eq", pair.buyer.did.as_str()), constraint("framework", "eq", "DEPA")]}),
        json!({"xone": [constraint("spatial", "isPartOf", "EU"), constraint("spatial", "isAnyOf", json!(["SG", "KR"]))]}),
    ]);
    terms["prohibition"].as_array_mut().unwrap().push(json!({"action": "sell"}));
    terms["obligation"] =
        json!([{"action": "delete", "constraint": [constraint("elapsedTime", "lteq", "P30D")]}]);
    publish(&mut pair, "beyond", terms).await;

    let shown = catalog(&pair.buyer, &pair.seller.did).await;
    let item = shown.iter().find(|item| item.dataset == pair.dataset).expect("it is shown");
    let told = item.terms.as_ref().expect("its terms are understood");
    assert_eq!((told.retention_days, told.transfers), (365, Some(10)));
    for line in [
        "dateTime lteq 2100-01-01T00:00:00Z",
        "prohibition sell",
        "obligation of the consumer: delete within 2592000 s",
    ] {
        assert!(told.further.iter().any(|further| further.contains(line)), "{line}: {:?}", told.further);
    }

    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    same_files(&out);
    for firm in [&pair.seller, &pair.buyer] {
        let duties =
            firm.node().obligations(Obligations { agreement: Some(asked.id.clone()) }).await.unwrap();
        let said = firm.view(&asked.id).await.unwrap().decision.unwrap();
        let packs = said["result"]["packs"].as_array().unwrap();
        assert!(packs.iter().any(|pack| pack["name"] == "odrl"), "{said}");
        let of = |id: &str, duty: &str| duties.iter().any(|view| view.id == id && view.duty == duty);
        assert!(of("ODRL-OBL-001", "delete") && of("ODRL-PROH-001", "refrain sell"), "{duties:#?}");
    }
    // Executed again, over the normal form that the agreement comes to.
    pair.audit().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_duties_of_one_offer_are_told_apart_and_both_can_be_reported() {
    // OBL-2.3, OBL-3.1
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let mut terms = policy();
    let within = |duty: &str, time: &str| json!({"action": duty, "constraint": [constraint("elapsedTime", "lteq", time)]});
    terms["obligation"] = json!([within("delete", "P30D"), within("inform", "PT1H")]);
    publish(&mut pair, "two", terms).await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    let node = pair.buyer.node();
    let states = async || {
        let all = node.obligations(Obligations { agreement: Some(asked.id.clone()) }).await.unwrap();
        let of = all.into_iter().filter(|view| view.id == "ODRL-OBL-001");
        of.map(|view| (view.duty, view.state, view.steps)).collect::<Vec<_>>()
    };
    let to_do = states().await.into_iter().find(|(duty, ..)| duty == "inform").unwrap();
    assert!(to_do.2[0].contains(" --duty 'inform' "), "what is printed can be typed: {to_do:?}");
    let report = |duty: Option<&str>| Report {
        agreement: asked.id.clone(),
        obligation: Some("ODRL-OBL-001".to_owned()),
        after: Some("completion".to_owned()),
        duty: duty.map(str::to_owned),
        text: "we informed".to_owned(),
        ..Report::default()
    };
    let unclear = node.report(report(None)).await.unwrap_err();
    assert!(unclear.to_string().contains("--duty: delete, inform"), "{unclear}");
    node.report(report(Some("inform"))).await.unwrap();
    let done = |states: &[(String, String, Vec<String>)], word: &str| {
        states.iter().any(|(duty, state, _)| duty == word && state == "fulfilled")
    };
    let began = std::time::Instant::now();
    while !done(&states().await, "inform") {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", states().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!done(&states().await, "delete"));
    let odd = Report {
        agreement: asked.id.clone(),
        happened: Some(Happening { event: "banana".to_owned(), at: None }),
        ..Report::default()
    };
    assert_eq!(node.report(odd).await.unwrap_err().code(), Code::ArgumentInvalid);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_under_a_short_name_are_told_and_not_passed_over() {
    // POL-1.2
    let pair = Pair::new(Dials::Both, harmless()).await;
    let alias = pair.seller.node().peers().await.unwrap().remove(0).alias;
    for facts in [
        json!({"red_flags": {alias.as_str(): ["end_use_withheld"]}}),
        json!({"screening": {alias.as_str(): {"hit": true, "screened_at": 1}}}),
        json!({"stop_orders": [{"ref": "S-1", "consumer": alias}]}),
    ] {
        pair.seller.facts(&facts);
        let offered = proposal(&pair.buyer.did, &pair.dataset, None);
        let refused = pair.seller.node().offer(offered).await.unwrap_err();
        assert_eq!(refused.code(), Code::PolicyInput, "{facts}: {refused}");
        assert!(refused.to_string().contains(&pair.buyer.did), "it says what to write: {refused}");
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_the_terms_refuse_is_shown_nothing_and_gets_nothing() {
    // POL-10.8, POL-20.1
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    publish(&mut pair, "another", with(&[constraint("recipient", "eq", "did:key:another")])).await;
    assert!(catalog(&pair.buyer, &pair.seller.did).await.iter().all(|item| item.dataset != pair.dataset));
    // Whoever publishes is told what whoever is named would meet, and that is nothing.
    let advice = |dataset: String| pair.seller.node().advise(DatasetName { dataset });
    assert_eq!(advice(pair.dataset.clone()).await.unwrap().refusals, Vec::<serde_json::Value>::new());
    // Nor by an offer that its provider makes in spite of them.
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap_err();
    assert_eq!(offered.code(), Code::Denied);
    assert!(offered.to_string().contains("ODRL-PERM-001"), "{offered}");
    // A fact that nobody states: it is shown, and no deal about it is decided.
    publish(&mut pair, "industry", with(&[constraint("industry", "eq", "automotive")])).await;
    assert!(catalog(&pair.buyer, &pair.seller.did).await.iter().any(|item| item.dataset == pair.dataset));
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap_err();
    assert_eq!(asked.code(), Code::Undetermined);
    assert!(asked.to_string().contains("ODRL-PERM-002"), "{asked}");
    let Advice { refusals, .. } =
        pair.seller.node().advise(DatasetName { dataset: pair.dataset.clone() }).await.unwrap();
    assert!(refusals.iter().any(|found| found["id"] == "ODRL-PERM-002"), "{refusals:#?}");
    // Time that is over is over for everybody.
    publish(&mut pair, "over", with(&[constraint("dateTime", "lt", "2020-01-01T00:00:00Z")])).await;
    assert!(catalog(&pair.buyer, &pair.seller.did).await.iter().all(|item| item.dataset != pair.dataset));
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_firm_says_of_itself_counts_where_it_asks() {
    // POL-10.11
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    publish(&mut pair, "industry", with(&[constraint("industry", "eq", "automotive")])).await;
    let path = pair.buyer.dir.join("naru.toml");
    let text = std::fs::read_to_string(&path).unwrap() + "\n[about]\nindustry = [\"automotive\"]\n";
    std::fs::write(&path, text).unwrap();
    pair.buyer.stop().await;
    pair.buyer.open().await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    // An offer of the provider's cannot say it for the consumer.
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap_err();
    assert_eq!(offered.code(), Code::Undetermined);
    // Where nothing of it is needed, an offer that leaves it out is taken up all the same.
    publish(&mut pair, "plain", policy()).await;
    let second = pair.temp.join("second");
    pair.buyer.expect(&pair.seller.did, second.clone()).await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    pair.concluded(&offered.id, &second).await;
    pair.audit().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_move_on_a_ground_that_is_declared_and_under_clauses_that_are_signed() {
    // POL-10.10, POL-10.12
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let mut facts = harmless();
    facts["categories"] = json!(["industrial", "personal"]);
    facts["personal"] = json!({"kind": "personal", "count": 120, "special": [], "identifiers": [], "subjects_in": ["KR"],
        "additional_info_included": false});
    let clauses = json!(["complaint_and_dispute", "other_protection", "safety_measures"]);
    let bound = with(&[constraint("clauses", "isAllOf", clauses)]);
    let refused = async |pair: &Pair, facts: &Value, terms: Value, name: &str| {
        let source = pair.temp.join(name);
        let dataset = publish_under(&pair.seller, &source, facts.clone(), terms).await;
        pair.buyer.request(&pair.seller.did, &dataset, None).await.unwrap_err().to_string()
    };
    let why = refused(&pair, &facts, bound.clone(), "groundless").await;
    assert!(why.contains("CORE-001 (/transfer/legal_basis/kind)"), "{why}");
    facts["legal_basis"] = json!({"kind": "consent", "separate": true, "purposes": ["quality_analysis"], "onward_countries": [],
        "notice": ["country_time_method", "items", "purpose_retention", "recipient", "refusal"]});
    let why = refused(&pair, &facts, policy(), "unbound").await;
    assert!(why.contains("KR-PIPA-002 (safety_measures)") && !why.contains("KR-PIPA-001"), "{why}");
    pair.dataset = publish_under(&pair.seller, &pair.temp.join("both"), facts, bound).await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    let duties =
        pair.buyer.node().obligations(Obligations { agreement: Some(asked.id.clone()) }).await.unwrap();
    assert!(duties.iter().any(|view| view.id == "KR-PIPA-009"), "{duties:#?}");
    pair.audit().await;
    pair.close().await;
}
