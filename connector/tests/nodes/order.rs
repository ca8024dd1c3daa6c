//! In which order a node checks an act: each check is shown to come before the next by an act that fails both (spec
//! chapter 03, ACT-6.1). The peer is made by hand; the node is real.

use crate::common::{
    deals::Provider,
    hand::{Hand, Prepared, message, termination, urn},
    now,
};
use naru_protocol::encoding::Digest;
use serde_json::{Value, json};

/// The same act with another body, logged and signed anew but for its `msg`.
fn with_body(prepared: &Prepared, body: Vec<u8>) -> Prepared {
    let mut other = prepared.clone();
    other.act.body = Digest::of(&body);
    other.token.body = other.act.body;
    other.body = body;
    other
}

/// The same under a token of an hour ago.
fn expired(prepared: &Prepared) -> Prepared {
    let mut other = prepared.clone();
    (other.token.iat, other.token.exp) = (other.token.iat - 3600, other.token.exp - 3600);
    other
}

async fn told(hand: &Hand, prepared: &Prepared) -> (u16, String, bool) {
    let answer = hand.carry(prepared).await;
    (answer.status, answer.code(), answer.ack.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_first_decides_the_answer() {
    // ACT-6.1
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let deal = provider.agreed(&hand, now() + 3600).await;
    let unsigned = |status, code: &str| (status, code.to_owned(), false);
    let signed = |status, code: &str| (status, code.to_owned(), true);
    let (_, known) = hand.request(&deal.terms);
    hand.carry(&known).await.accepted(201);

    // Limits before the token: too large, under a token of an hour ago.
    let large = expired(&with_body(&known, vec![b' '; (1 << 20) + 1]));
    assert_eq!(told(&hand, &large).await, unsigned(413, "too_large"));
    // The token before what is known: the very act, under a token of an hour ago.
    assert_eq!(told(&hand, &expired(&known)).await, unsigned(401, "token_expired"));
    // What is known before the shape: its `msg` over content that is no message.
    assert_eq!(told(&hand, &with_body(&known, b"{".to_vec())).await, unsigned(409, "msg_reused"));

    // The shape before the process that the message names, and before crossing: malformed, of another process, stale.
    let path = deal.path("termination");
    let broken = |pid: &str| {
        let mut body = termination(pid, &deal.own);
        body["reason"] = json!("not a list");
        body
    };
    let (stale, key) = (Some(Digest::of(b"never")), hand.talk(deal.exchange).key);
    let act = hand.prepare_after(deal.exchange, &path, &broken(&urn()), stale, key.clone());
    assert_eq!(told(&hand, &act).await, signed(400, "malformed"));
    // Whose process the path names comes before everything that needs an exchange, the shape too where there is none.
    for body in [termination(&deal.pid, &deal.own), broken(&deal.pid)] {
        let elsewhere = format!("/negotiations/{}/termination", urn());
        let act = hand.prepare_after(deal.exchange, &elsewhere, &body, stale, key.clone());
        assert_eq!(told(&hand, &act).await, unsigned(404, "not_found"));
    }
    // The process that the message names before crossing: another's, stale.
    let act = hand.prepare_after(deal.exchange, &path, &termination(&urn(), &deal.own), stale, key.clone());
    assert_eq!(told(&hand, &act).await, signed(400, "malformed"));
    // Crossing before state: of no arrow, stale.
    let accepted = message("ContractNegotiationEventMessage", &deal.pid, &deal.own, accepting(&deal.terms));
    let act = hand.prepare_after(deal.exchange, &deal.path("events"), &accepted, stale, key);
    assert_eq!(told(&hand, &act).await, unsigned(409, "stale"));
    let act = hand.prepare(deal.exchange, &deal.path("events"), &accepted);
    assert_eq!(told(&hand, &act).await, signed(400, "illegal_state"));
    // State before policy: a request in AGREED, over terms that nobody allows.
    let mut denied = deal.terms.clone();
    denied["shared"]["transfer"]["purpose"] = json!("marketing");
    let first: Value = serde_json::from_slice(&hand.request(&denied).1.body).unwrap();
    let mut again = message("ContractRequestMessage", &deal.pid, &deal.own, json!({"offer": first["offer"]}));
    again["dxp"] = first["dxp"].clone();
    again["dxp"]["key"] = Value::Null;
    let act = hand.prepare(deal.exchange, &deal.path("request"), &again);
    assert_eq!(told(&hand, &act).await, signed(400, "illegal_state"));
    assert_eq!(hand.state(&deal.pid).await, "AGREED");
    deal.conclude(&hand).await;
}

/// Members of ACCEPTED over terms.
fn accepting(terms: &Value) -> Value {
    let digest = Digest::of(&naru_protocol::json::canonical(terms).unwrap());
    let decision = crate::common::hand::decision(terms, "importer");
    json!({"eventType": "ACCEPTED", "dxp": {"v": 1, "terms": digest, "decision": decision}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_not_current_says_nothing_about_the_deadline() {
    // ACT-6.1, NEG-14.1: crossing, then the deadline, then the state.
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let deadline = now() + 4;
    let deal = provider.agreed(&hand, deadline).await;
    while now() <= deadline {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let path = deal.path("agreement/verification");
    let (never, key) = (Some(Digest::of(b"never")), hand.talk(deal.exchange).key);
    let stale = hand.prepare_after(deal.exchange, &path, &deal.verification(&hand), never, key);
    assert_eq!(told(&hand, &stale).await, (409, "stale".to_owned(), false));
    // Current, late, and of no arrow in AGREED.
    let accepted = message("ContractNegotiationEventMessage", &deal.pid, &deal.own, accepting(&deal.terms));
    let act = hand.prepare(deal.exchange, &deal.path("events"), &accepted);
    assert_eq!(told(&hand, &act).await, (400, "lapsed".to_owned(), true));
    assert_eq!(hand.state(&deal.pid).await, "TERMINATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_an_exchange_are_used_once() {
    // NEG-11.5
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let terms = provider.terms(&hand, now() + 3600).await;
    let pid = urn();
    let (exchange, first) = hand.request_as(&terms, |m| m["consumerPid"] = json!(pid));
    hand.carry(&first).await.accepted(201);
    let stale = (409, "stale".to_owned(), false);
    // The process id in another exchange, the exchange under another process id.
    let (_, again) = hand.request_as(&terms, |m| m["consumerPid"] = json!(pid));
    assert_eq!(told(&hand, &again).await, stale);
    let again = |exchange, body: &Value| {
        let key = hand.talk(exchange).key;
        hand.prepare_after(exchange, "/negotiations/request", body, None, key)
    };
    let mut body: Value = serde_json::from_slice(&first.body).unwrap();
    body["consumerPid"] = json!(urn());
    assert_eq!(told(&hand, &again(exchange, &body)).await, stale);
    // The same after a refusal, whether the first act could be read or not.
    let mut unlisted = terms.clone();
    unlisted["listing"] = json!(Digest::of(b"never published"));
    for spoil in [true, false] {
        let (exchange, refused) = hand.request(&unlisted);
        let refused = if spoil { with_body(&refused, b"{}".to_vec()) } else { refused };
        hand.carry(&refused).await.refused_finally(if spoil { "malformed" } else { "listing_unknown" });
        body["dxp"]["key"] = json!(hand.talk(exchange).key.digest());
        body["consumerPid"] = json!(urn());
        assert_eq!(told(&hand, &again(exchange, &body)).await, stale);
    }
}
