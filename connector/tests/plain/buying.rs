//! The node buys: what a partner may offer, agree to and lie about (PLN-4.6, PLN-4.7, PLN-5.3, PLN-5.4).

use std::time::Duration;

use naru::node::verbs::{ExchangeView, Expect};
use naru_protocol::{dsp::datetime::to_date_time, error::Code};
use serde_json::{Value, json};

use crate::common::{
    foreign::{Content, Foreign, Say, answered_pid, dsp, negotiation, process, uuid},
    now, settled,
    trade::{Market, PARTNER, Pids, Sale, WARE, order, ware_policy},
};

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn an_agreement_is_what_was_asked_for_or_it_is_ended() {
    // PLN-5.3
    let market = Market::new().await;
    let partner = &market.partner;
    type Change = fn(&mut Value);
    let differs: [(&str, Change, &str); 13] = [
        ("another target", |a| a["target"] = json!("asset-2"), "/agreement/target"),
        ("another assigner", |a| a["assigner"] = json!("EVE"), "/agreement/assigner"),
        ("another assignee", |a| a["assignee"] = json!("MALLORY"), "/agreement/assignee"),
        (
            "the parties the other way round",
            |a| {
                let (assigner, assignee) = (a["assigner"].clone(), a["assignee"].clone());
                (a["assigner"], a["assignee"]) = (assignee, assigner);
            },
            "/agreement/assigner",
        ),
        ("another action", |a| a["permission"][0]["action"] = json!("distribute"), "/agreement/permission"),
        (
            "a duty nobody offered",
            |a| a["obligation"] = json!([{"action": "compensate"}]),
            "/agreement/obligation",
        ),
        (
            "a prohibition nobody offered",
            |a| a["prohibition"] = json!([{"action": "use"}]),
            "/agreement/prohibition",
        ),
        (
            "another purpose",
            |a| {
                a["permission"][0]["constraint"][0]["rightOperand"] = json!("resale");
            },
            "/agreement/permission",
        ),
        (
            "a shorter period",
            |a| {
                a["permission"][0]["constraint"][1]["rightOperand"] = json!("P1D");
            },
            "/agreement/permission",
        ),
        (
            "one constraint less",
            |a| {
                drop(a["permission"][0]["constraint"].as_array_mut().unwrap().pop());
            },
            "/agreement/permission",
        ),
        ("of the year 2099", |a| a["timestamp"] = json!("2099-01-01T00:00:00Z"), "/agreement/timestamp"),
        (
            "of ten minutes from now",
            |a| a["timestamp"] = json!(to_date_time(now() + 600)),
            "/agreement/timestamp",
        ),
        (
            "of last week",
            |a| a["timestamp"] = json!(to_date_time(now() - 7 * 86_400)),
            "/agreement/timestamp",
        ),
    ];
    for (why, change, place) in differs {
        let sale = partner.is_asked(&market.firm, None).await;
        let mut agreement = partner.agreement_for(&sale);
        change(&mut agreement);
        partner.agrees(&sale, &agreement).await.taken(200, why);
        let end =
            partner.desk.next(&format!("/negotiations/{}/termination", sale.pids.provider)).await.json();
        assert_eq!(end["code"], json!("agreement_differs"), "{why}: {end}");
        assert!(end["reason"][0].as_str().unwrap().starts_with(place), "{why}: {end}");
        let view = market.firm.until(&sale.id, settled).await;
        assert_eq!((view.state.as_str(), view.in_force), ("TERMINATED", None), "{why}");
    }
    partner.desk.none("/verification");
    // Forgiven: no timestamp, a clock that is half a minute ahead, and the spelling of another connector.
    let good: [(&str, Change); 3] = [
        ("no timestamp", |a| drop(a.as_object_mut().unwrap().remove("timestamp"))),
        ("a clock that is ahead", |a| a["timestamp"] = json!(to_date_time(now() + 30))),
        ("another spelling", |a| {
            let constraint = a["permission"][0]["constraint"].clone();
            a["permission"] = json!([{"action": "odrl:use", "constraint": constraint}]);
            a["edc:name"] = json!("x");
        }),
    ];
    for (why, change) in good {
        let sale = partner.is_asked(&market.firm, None).await;
        let mut agreement = partner.agreement_for(&sale);
        change(&mut agreement);
        partner.agrees(&sale, &agreement).await.taken(200, why);
        partner.finalizes(&sale).await;
        market.firm.until(&sale.id, |v| v.in_force.is_some()).await;
    }
    market.close().await;
}

/// Waits until nothing of ours is unanswered.
async fn answered(market: &Market, id: &str) -> ExchangeView {
    market.firm.until(id, |v| v.waits_for.as_deref().is_none_or(|w| !w.starts_with("peer:"))).await
}

type Lie = Box<dyn Fn(&str) -> Say + Send + Sync>;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_our_request_that_lies_is_not_believed() {
    // PLN-4.7
    let market = Market::new().await;
    let partner = &market.partner;
    partner.offers(&ware_policy());
    let lies: Vec<(&str, Lie)> = vec![
        ("another consumerPid", Box::new(|_| Say::json(201, &negotiation("urn:l:1", "urn:x", "REQUESTED")))),
        ("it is over", Box::new(|c| Say::json(201, &negotiation("urn:l:2", c, "TERMINATED")))),
        ("no content", Box::new(|_| Say::empty(201))),
        ("text", Box::new(|_| Say::text(201, "text/plain", "created"))),
        ("HTML", Box::new(|_| Say::text(200, "text/html", "<html><body>It works!</body></html>"))),
        ("garbage", Box::new(|_| Say::new(200, Content::Whole(vec![0, 159, 146, 150])))),
        ("a transfer", Box::new(|c| Say::json(201, &process("urn:l:3", c, "REQUESTED")))),
        (
            "no @context",
            Box::new(|c| {
                Say::json(
                    201,
                    &json!({"@type": "ContractNegotiation",
            "providerPid": "urn:l:4", "consumerPid": c, "state": "REQUESTED"}),
                )
            }),
        ),
        (
            "no @type",
            Box::new(|c| {
                let mut said = negotiation("urn:l:5", c, "REQUESTED");
                said.as_object_mut().unwrap().remove("@type");
                Say::json(201, &said)
            }),
        ),
    ];
    for (why, lie) in lies {
        partner.desk.times("/negotiations/request", 1, move |heard| {
            lie(heard.json()["consumerPid"].as_str().unwrap())
        });
        let asked = market.firm.node().request(order(PARTNER, WARE, None)).await.unwrap();
        let view = answered(&market, &asked.id).await;
        assert_eq!(view.state, "TERMINATED", "{why}: {view:#?}");
        assert_eq!(view.refusal.unwrap().code, "answer_malformed", "{why}");
    }
    for ended in partner.desk.all("/termination") {
        assert!(ended.path.starts_with("/negotiations/urn:l:"), "{}", ended.path);
        assert_eq!(ended.json()["code"], json!("answer_malformed"));
    }
    // 200 in place of 201, and a state that is already further, are no lies.
    partner.desk.times("/negotiations/request", 1, |heard| {
        let ours = heard.json()["consumerPid"].as_str().unwrap().to_owned();
        Say::json(200, &negotiation(&answered_pid(&ours), &ours, "AGREED"))
    });
    let asked = market.firm.node().request(order(PARTNER, WARE, None)).await.unwrap();
    assert_eq!(answered(&market, &asked.id).await.state, "REQUESTED");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_our_transfer_request_that_lies_is_not_believed() {
    // PLN-4.7
    let market = Market::new().await;
    let partner = &market.partner;
    let lies: Vec<(&str, Lie)> = vec![
        ("another consumerPid", Box::new(|_| Say::json(201, &process("urn:t:1", "urn:x", "REQUESTED")))),
        ("it is over", Box::new(|c| Say::json(201, &process("urn:t:2", c, "TERMINATED")))),
        ("no content", Box::new(|_| Say::empty(200))),
        ("HTML", Box::new(|_| Say::text(200, "text/html", "<html></html>"))),
        ("a negotiation", Box::new(|c| Say::json(201, &negotiation("urn:t:3", c, "REQUESTED")))),
    ];
    for (number, (why, lie)) in lies.into_iter().enumerate() {
        partner
            .desk
            .times("/transfers/request", 1, move |heard| lie(heard.json()["consumerPid"].as_str().unwrap()));
        let out = market.temp.join(&format!("out-{number}"));
        let sale = partner.sells(&market.firm, Some(out)).await;
        let transfer = market.firm.until(&sale.id, |v| v.other.is_some()).await.other.unwrap();
        let view = answered(&market, &transfer).await;
        assert_eq!(view.state, "TERMINATED", "{why}: {view:#?}");
        assert_eq!(view.refusal.unwrap().code, "answer_malformed", "{why}");
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_over_and_says_why() {
    // PLN-4.6
    let market = Market::new().await;
    let partner = &market.partner;
    partner.offers(&ware_policy());
    let body = dsp(
        "ContractNegotiationError",
        json!({"code": "no_way", "reason": ["we do not sell to you"],
        "providerPid": "", "consumerPid": ""}),
    );
    for (status, say) in [
        (400, Say::json(400, &body)),
        (401, Say::text(401, "text/html", "<html>401</html>")),
        (403, Say::empty(403)),
        (410, Say::text(410, "application/json", "{\"reason\":")),
    ] {
        partner.desk.once("/negotiations/request", say);
        let asked = market.firm.node().request(order(PARTNER, WARE, None)).await.unwrap();
        partner.desk.next("/negotiations/request").await;
        let view = market.firm.until(&asked.id, |v| v.refusal.is_some() && v.waits_for.is_none()).await;
        let refusal = view.refusal.unwrap();
        assert_eq!((refusal.side.as_str(), view.state.as_str()), ("peer", "TERMINATED"), "{status}");
        if status == 400 {
            assert_eq!(refusal.reasons, ["we do not sell to you"]);
        }
    }
    partner.desk.none("/termination");
    // A verification that is refused ends the deal, whatever was agreed.
    partner.desk.once("/verification", Say::json(400, &body));
    let sale = partner.is_asked(&market.firm, None).await;
    partner.agrees(&sale, &partner.agreement_for(&sale)).await.taken(200, "an agreement");
    partner.desk.next(&format!("/negotiations/{}/termination", sale.pids.provider)).await;
    assert_eq!(market.firm.until(&sale.id, settled).await.state, "TERMINATED");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_may_pass_are_repeated_and_races_of_the_partner_survived() {
    // PLN-4.3, PLN-4.5, PLN-4.6
    let market = Market::new().await;
    let partner = &market.partner;
    // The same request comes again after an answer that broke off.
    partner.desk.once("/negotiations/request", Say::new(201, Content::Broken(b"{".to_vec(), 500)));
    let sale = partner.is_asked(&market.firm, None).await;
    partner.desk.next("/negotiations/request").await;
    let sent = partner.desk.all("/negotiations/request");
    assert_eq!(sent[0].body, sent[1].body);
    // The same agreement twice is one; another one for the same negotiation is refused and harms nothing.
    let agreement = partner.agreement_for(&sale);
    let (first, second) = tokio::join!(partner.agrees(&sale, &agreement), partner.agrees(&sale, &agreement));
    assert_eq!((first.status, second.status), (200, 200));
    let mut other = agreement.clone();
    other["@id"] = json!(uuid());
    partner.agrees(&sale, &other).await.refused(400, "illegal_state", "a second agreement");
    partner.finalizes(&sale).await;
    let view = market.firm.until(&sale.id, settled).await;
    assert!(view.in_force.is_some());
    assert_eq!(partner.desk.all("/verification").len(), 1);
    // FINALIZED that overtakes the answer to our verification.
    partner.desk.once("/verification", Say::empty(200).after(Duration::from_millis(500)));
    let sale = partner.sells(&market.firm, None).await;
    market.firm.until(&sale.id, |v| v.state == "FINALIZED").await;
    // An agreement that overtakes the answer to our request.
    partner.desk.times("/negotiations/request", 1, |heard| {
        let ours = heard.json()["consumerPid"].as_str().unwrap().to_owned();
        Say::json(201, &negotiation(&answered_pid(&ours), &ours, "REQUESTED"))
            .after(Duration::from_millis(500))
    });
    let sale = partner.is_asked(&market.firm, None).await;
    partner.agrees(&sale, &partner.agreement_for(&sale)).await.taken(200, "before the answer");
    partner.finalizes(&sale).await;
    market.firm.until(&sale.id, |v| v.in_force.is_some()).await;
    market.close().await;
}

fn offer_of(provider: &str, offer: &Value, callback: &str) -> Value {
    let members = json!({"providerPid": provider, "offer": offer, "callbackAddress": callback});
    dsp("ContractOfferMessage", members)
}

/// An offer of the partner's own accord; gives the node's name for it.
async fn is_offered(market: &Market, partner: &Foreign, offer: &Value) -> Sale {
    let provider = uuid();
    let reply = partner.post("/negotiations/offers", &offer_of(&provider, offer, &partner.base)).await;
    let said = reply.taken(201, "an offer").json();
    assert_eq!((&said["state"], &said["providerPid"]), (&json!("OFFERED"), &json!(provider)));
    let consumer = said["consumerPid"].as_str().unwrap().to_owned();
    let id = market.firm.node().exchanges().await.unwrap()[0].id.clone();
    Sale { id, pids: Pids { provider, consumer }, offer: offer.clone() }
}

fn offered() -> Value {
    let mut offer = ware_policy();
    offer["target"] = json!(WARE);
    offer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_the_partner_waits_for_a_person_or_an_order() {
    // PLN-5.4
    // The law of the partner's side is asked too; what its data are is our operator's word.
    let market = Market::with(|ask| "DE".clone_into(&mut ask.country)).await;
    let partner = &market.partner;
    for (why, member, value, place) in [
        ("another assigner", "assigner", json!("EVE"), "/offer/assigner"),
        ("another assignee", "assignee", json!("MALLORY"), "/offer/assignee"),
    ] {
        let mut offer = offered();
        offer[member] = value;
        let reply = partner.post("/negotiations/offers", &offer_of(&uuid(), &offer, &partner.base)).await;
        let said = reply.refused(400, "terms_differ", why);
        assert!(said["reason"][0].as_str().unwrap().starts_with(place), "{said}");
    }
    let first = is_offered(&market, partner, &offered()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    partner.desk.none("/events");
    assert_eq!(market.firm.view(&first.id).await.unwrap().state, "OFFERED");
    let expect = Expect {
        peer: PARTNER.to_owned(),
        out: market.temp.join("out"),
        purpose: "quality_analysis".to_owned(),
        countries: vec!["KR".to_owned()],
        facts: Some(crate::common::trade::declared()),
    };
    market.firm.node().expect(expect).await.unwrap();
    let event = partner.desk.next(&format!("/negotiations/{}/events", first.pids.provider)).await.json();
    assert_eq!(event["eventType"], json!("ACCEPTED"));
    // The order is used up: the next offer waits.
    let second = is_offered(&market, partner, &offered()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    partner.desk.none(&format!("/negotiations/{}/events", second.pids.provider));
    // What was taken up is what is agreed, or nothing.
    let mut agreement = partner.agreement_for(&first);
    agreement["permission"][0]["action"] = json!("distribute");
    partner.agrees(&first, &agreement).await.taken(200, "another agreement than was offered");
    let end = partner.desk.next(&format!("/negotiations/{}/termination", first.pids.provider)).await.json();
    assert_eq!(end["code"], json!("agreement_differs"));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_offer_is_taken_up_only_if_it_promises_what_was_asked_for() {
    // PLN-5.4
    let market = Market::new().await;
    let partner = &market.partner;
    let counter = async |sale: &Sale, offer: &Value| {
        let path = format!("/negotiations/{}/offers", sale.pids.consumer);
        let message = sale.pids.message("ContractOfferMessage", json!({"offer": offer}));
        partner.post(&path, &message).await
    };
    // It overtakes the answer to what it counters.
    partner.desk.times("/negotiations/request", 1, |heard| {
        let ours = heard.json()["consumerPid"].as_str().unwrap().to_owned();
        Say::json(201, &negotiation(&answered_pid(&ours), &ours, "REQUESTED"))
            .after(Duration::from_millis(400))
    });
    let sale = partner.is_asked(&market.firm, None).await;
    let mut same = sale.offer.clone();
    same["@id"] = json!("urn:another:id");
    counter(&sale, &same).await.taken(200, "the same promise");
    let event = partner.desk.next(&format!("/negotiations/{}/events", sale.pids.provider)).await.json();
    assert_eq!(event["eventType"], json!("ACCEPTED"));
    partner.agrees(&sale, &partner.agreement_for(&sale)).await.taken(200, "an agreement");
    partner.finalizes(&sale).await;
    let sale = partner.is_asked(&market.firm, None).await;
    let mut less = sale.offer.clone();
    less["permission"][0]["constraint"][1]["rightOperand"] = json!("P1D");
    counter(&sale, &less).await.taken(200, "another promise");
    tokio::time::sleep(Duration::from_millis(300)).await;
    partner.desk.none(&format!("/negotiations/{}/events", sale.pids.provider));
    assert_eq!(market.firm.view(&sale.id).await.unwrap().state, "OFFERED");
    let mut elsewhere = sale.offer.clone();
    elsewhere["target"] = json!("asset-2");
    counter(&sale, &elsewhere).await.refused(400, "illegal_state", "offered already");
    let third = partner.is_asked(&market.firm, None).await;
    counter(&third, &elsewhere).await.refused(400, "terms_differ", "another target");
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_sale_is_not_asked_for() {
    // PLN-9.4, PLN-6.2
    let market = Market::new().await;
    let partner = &market.partner;
    partner.offers(&ware_policy());
    let node = market.firm.node();
    let error = node.request(order(PARTNER, "asset-2", None)).await.unwrap_err();
    assert_eq!(error.code(), Code::DatasetNotOffered);
    // A catalog of somebody else.
    let mut other = crate::common::foreign::catalog_of("EVE", &[]);
    partner.desk.once("/catalog/request", Say::json(200, &other));
    assert_eq!(node.request(order(PARTNER, WARE, None)).await.unwrap_err().code(), Code::AnswerMalformed);
    other.as_object_mut().unwrap().remove("participantId");
    for say in [
        Say::json(200, &other),
        Say::text(200, "text/html", "<html></html>"),
        Say::empty(200),
        Say::json(200, &json!({"@type": "CatalogError"})),
    ] {
        partner.desk.once("/catalog/request", say);
        assert_eq!(node.request(order(PARTNER, WARE, None)).await.unwrap_err().code(), Code::AnswerMalformed);
    }
    partner.desk.once("/catalog/request", Say::empty(302).with("location", format!("{}/x", partner.origin)));
    assert_eq!(node.request(order(PARTNER, WARE, None)).await.unwrap_err().code(), Code::Redirected);
    partner.desk.once("/catalog/request", Say::new(200, Content::Endless));
    let error = node.request(order(PARTNER, WARE, None)).await.unwrap_err();
    assert!(matches!(error.code(), Code::TooLarge | Code::AnswerMalformed), "{error}");
    partner.desk.once("/catalog/request", Say::empty(500));
    assert!(node.request(order(PARTNER, WARE, None)).await.is_err());
    partner.desk.none("/negotiations/request");
    assert!(node.exchanges().await.unwrap().is_empty());
    market.close().await;
}
