//! The node sells: what a partner may ask for, and how it may lie or fail in answering (PLN-4, PLN-5.1).

use std::time::Duration;

use naru::node::verbs::{Cancel, ExchangeView};
use serde_json::{Value, json};

use crate::common::{
    foreign::{Say, answered_pid, negotiation, uuid},
    proposal, settled,
    trade::Market,
};

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn only_what_is_offered_to_this_peer_can_be_asked_for() {
    // PLN-5.1
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let offer = partner.offer_for(&dataset).await;
    type Change = fn(&mut Value);
    let differs: [(&str, Change, &str); 11] = [
        ("another action", |o| o["permission"][0]["action"] = json!("distribute"), "/permission"),
        ("a duty nobody offered", |o| o["obligation"] = json!([{"action": "compensate"}]), "/obligation"),
        (
            "one permission more",
            |o| {
                let more = json!({"action": "use"});
                o["permission"].as_array_mut().unwrap().push(more);
            },
            "/permission",
        ),
        (
            "no constraints",
            |o| drop(o["permission"][0].as_object_mut().unwrap().remove("constraint")),
            "/permission",
        ),
        (
            "another purpose",
            |o| {
                o["permission"][0]["constraint"][0]["rightOperand"] = json!(["resale"]);
            },
            "/permission",
        ),
        (
            "one purpose more",
            |o| {
                o["permission"][0]["constraint"][0]["rightOperand"] = json!(["quality_analysis", "resale"]);
            },
            "/permission",
        ),
        (
            "another operator",
            |o| o["permission"][0]["constraint"][0]["operator"] = json!("isNoneOf"),
            "/permission",
        ),
        (
            "one constraint less",
            |o| {
                drop(o["permission"][0]["constraint"].as_array_mut().unwrap().pop());
            },
            "/permission",
        ),
        ("nothing prohibited", |o| drop(o.as_object_mut().unwrap().remove("prohibition")), "/prohibition"),
        ("from another assigner", |o| o["assigner"] = json!("EVE"), "/assigner"),
        ("for another assignee", |o| o["assignee"] = json!("MALLORY"), "/assignee"),
    ];
    for (why, change, place) in differs {
        let mut other = offer.clone();
        change(&mut other);
        let reply = partner.post("/negotiations/request", &partner.request_for(&uuid(), &other)).await;
        let said = reply.refused(400, "terms_differ", why);
        assert!(said["reason"][0].as_str().unwrap().contains(place), "{why}: {said}");
    }
    for (why, target) in [("another target", "urn:dxp:0"), ("a path", "../../etc/passwd"), ("nothing", " ")] {
        let mut other = offer.clone();
        other["target"] = json!(target);
        let reply = partner.post("/negotiations/request", &partner.request_for(&uuid(), &other)).await;
        reply.refused(404, "dataset_not_offered", why);
    }
    let mut without = offer.clone();
    without.as_object_mut().unwrap().remove("target");
    let reply = partner.post("/negotiations/request", &partner.request_for(&uuid(), &without)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    partner.desk.none("/agreement");
    assert!(market.firm.node().exchanges().await.unwrap().is_empty());
    // Named parties that are right, and another id of the same offer, are what was offered.
    let mut named = offer;
    (named["assigner"], named["assignee"]) = (json!(partner.did), json!(partner.id));
    named["@id"] = json!("urn:of:the:partner");
    let reply = partner.post("/negotiations/request", &partner.request_for(&uuid(), &named)).await;
    reply.taken(201, "the two of us, and the rules that are offered");
    partner.desk.next("/agreement").await;
    market.close().await;
}

/// What is answered to a process of ours.
type Lie = Box<dyn Fn(&str) -> Say + Send + Sync>;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_our_offer_that_lies_is_not_believed() {
    // PLN-4.7
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    let lies: Vec<(&str, Lie)> = vec![
        (
            "another process of ours",
            Box::new(|_| Say::json(201, &negotiation("urn:x", "urn:theirs", "OFFERED"))),
        ),
        ("it is over", Box::new(|p| Say::json(201, &negotiation(p, "urn:theirs:2", "TERMINATED")))),
        (
            "a process that is another deal's",
            Box::new(|p| Say::json(201, &negotiation(p, "urn:theirs", "OFFERED"))),
        ),
        ("a path", Box::new(|p| Say::json(201, &negotiation(p, "../../x?y", "OFFERED")))),
        ("no content", Box::new(|_| Say::empty(201))),
        ("text", Box::new(|_| Say::text(200, "text/plain", "OK"))),
        ("HTML", Box::new(|_| Say::text(200, "text/html", "<html><body>Welcome</body></html>"))),
        ("a list", Box::new(|_| Say::json(200, &json!([])))),
        (
            "no @type",
            Box::new(|p| {
                Say::json(
                    201,
                    &json!({"@context": [crate::common::foreign::CONTEXT],
            "providerPid": p, "consumerPid": "urn:theirs:4", "state": "OFFERED"}),
                )
            }),
        ),
        ("an unknown state", Box::new(|p| Say::json(201, &negotiation(p, "urn:theirs:3", "AWAITED")))),
    ];
    for (why, lie) in lies {
        partner.desk.times("/negotiations/offers", 1, move |heard| {
            lie(heard.json()["providerPid"].as_str().unwrap())
        });
        let view = market.firm.node().offer(proposal(&partner.id, &dataset, None)).await.unwrap();
        let answered = |v: &ExchangeView| v.waits_for.as_deref().is_none_or(|w| !w.starts_with("peer:"));
        let ended = market.firm.until(&view.id, answered).await;
        assert_eq!(ended.state, "TERMINATED", "{why}: {ended:#?}");
        assert_eq!(ended.refusal.unwrap().code, "answer_malformed", "{why}");
    }
    partner.desk.none("/agreement");
    // Where the lie named a process, that process was told.
    assert!(partner.desk.all("/termination").iter().all(|h| h.path.contains("urn:theirs")));
    assert!(!partner.desk.all("/termination").is_empty());
    // 200 in place of 201 is no lie.
    partner.desk.times("/negotiations/offers", 1, |heard| {
        let ours = heard.json()["providerPid"].as_str().unwrap().to_owned();
        Say::json(200, &negotiation(&ours, &answered_pid(&ours), "OFFERED"))
    });
    let view = market.firm.node().offer(proposal(&partner.id, &dataset, None)).await.unwrap();
    market.firm.until(&view.id, |v| v.state == "OFFERED").await;
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_and_a_message_that_overtakes_it_are_one_deal() {
    // PLN-4.3, PLN-4.8
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    // The verification comes before the agreement is answered: it can only mean that the agreement arrived.
    partner.desk.once("/agreement", Say::empty(200).after(Duration::from_millis(600)));
    let pids = partner.asks(&dataset).await;
    partner.gets_agreement(&pids).await;
    partner.verifies(&pids).await;
    partner.desk.next("/events").await;
    // A termination crosses FINALIZED that is on its way: the termination wins.
    partner.desk.once("/events", Say::empty(200).after(Duration::from_millis(600)));
    let second = partner.asks(&dataset).await;
    partner.gets_agreement(&second).await;
    partner.verifies(&second).await;
    partner.desk.next(&format!("/negotiations/{}/events", second.consumer)).await;
    let end = second.message("ContractNegotiationTerminationMessage", json!({"code": "changed_my_mind"}));
    let path = format!("/negotiations/{}/termination", second.provider);
    partner.post(&path, &end).await.taken(200, "a termination wins");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(partner.state(&format!("/negotiations/{}", second.provider)).await, "TERMINATED");
    assert_eq!(partner.state(&format!("/negotiations/{}", pids.provider)).await, "FINALIZED");
    assert_eq!(partner.desk.all("/agreement").len(), 2);
    let all = market.firm.node().exchanges().await.unwrap();
    let ended = all.iter().find(|v| v.state == "TERMINATED").unwrap();
    assert_eq!((ended.refusal.as_ref().unwrap().code.as_str(), &ended.in_force), ("changed_my_mind", &None));
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_is_taken_wherever_the_deal_is_not_over() {
    // PLN-4.4
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    // AGREED, where the diagram lets the consumer go; ACCEPTED and VERIFIED, where only the text of DSP does.
    let agreed = partner.asks(&dataset).await;
    partner.gets_agreement(&agreed).await;
    let verified = partner.asks_under(&dataset, |pid| {
        partner.desk.times(&format!("/negotiations/{pid}/events"), 1, |_| Say::empty(503));
    });
    let verified = verified.await;
    partner.gets_agreement(&verified).await;
    partner.verifies(&verified).await;
    for pids in [agreed, verified] {
        let end = pids.message("ContractNegotiationTerminationMessage", json!({}));
        let path = format!("/negotiations/{}/termination", pids.provider);
        partner.post(&path, &end).await.taken(200, "a termination without code and reason");
        assert_eq!(partner.state(&format!("/negotiations/{}", pids.provider)).await, "TERMINATED");
    }
    market.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answered_is_over_once_the_operator_cancels_it() {
    // PLN-4.3
    let market = Market::new().await;
    let dataset = market.dataset().await;
    let partner = &market.partner;
    partner.desk.always("/negotiations/offers", |_| Say::empty(503));
    let view = market.firm.node().offer(proposal(&partner.id, &dataset, None)).await.unwrap();
    partner.desk.next("/negotiations/offers").await;
    let ask = Cancel { id: view.id.clone(), reason: Some("a mistake".to_owned()) };
    market.firm.node().cancel(ask).await.unwrap();
    let over = market.firm.until(&view.id, settled).await;
    let refusal = over.refusal.unwrap();
    assert_eq!((over.state.as_str(), refusal.code.as_str()), ("TERMINATED", "cancelled"));
    assert_eq!(refusal.reasons, ["a mistake"]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let tries = partner.desk.all("/negotiations/offers").len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(partner.desk.all("/negotiations/offers").len(), tries, "nothing goes on");
    partner.desk.none("/termination");
    market.close().await;
}
