//! A consumer made by hand against a real provider.

use naru_protocol::{
    act::{Path, Token},
    encoding::{Digest, Id, from_base64url, to_base64url},
    jws::SignatureEntry,
    log::entry::ExchangeKey,
};
use serde_json::{Value, json};

use crate::common::{
    self,
    deals::{Agreed, Provider},
    hand::{DSP, DXP, Hand, Prepared, decision, halves, message, termination, urn},
    now, settled,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_known_act_gets_the_same_answer_and_acknowledgement_verbatim_even_after_a_restart() {
    // ACT-6.2, ACT-4.3, ACT-6.4, ACT-2.6
    let mut seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    let (exchange, prepared) = hand.request(&terms);
    let first = hand.carry(&prepared).await;
    first.accepted(201);
    assert_eq!(hand.carry(&prepared).await, first);
    let mut again = prepared.clone();
    again.token.iat -= 5;
    again.token.exp -= 5;
    assert_eq!(hand.carry(&again).await, first);
    hand.inbox(exchange, 1).await;
    seller.firm.stop().await;
    seller.firm.open().await;
    assert_eq!(hand.carry(&again).await, first);
    seller.firm.until(&exchange.to_string(), |v| v.state == "AGREED").await;
    let log = seller.firm.log(&seller.temp).await;
    assert_eq!(halves(&log, exchange), (1, 1), "one entry for the request, one for the agreement");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_message_id_over_another_body_is_refused_and_changes_nothing() {
    // ACT-6.3, ACT-1.3
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let before = seller.size().await;
    let good = hand.prepare(deal.exchange, &deal.path("termination"), &termination(&deal.pid, &deal.own));
    let (_, request) = hand.request(&seller.terms(&hand, now() + 3600).await);
    let between = seller.size().await;
    hand.carry(&request).await.accepted(201);
    let mut other = request.clone();
    other.body.push(b' ');
    other.act.body = Digest::of(&other.body);
    other.token.body = other.act.body;
    hand.carry(&other).await.refused(409, "msg_reused");
    assert_eq!(hand.state(&deal.pid).await, "AGREED");
    assert!(between > before, "the deal that was refused for its duties is logged");
    drop(good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_a_wrong_token_is_answered_401_and_not_logged() {
    // ACT-2.1, ACT-3.1 to ACT-3.9, ACT-2.2
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let (_, prepared) = hand.request(&seller.terms(&hand, now() + 3600).await);
    let before = seller.size().await;
    let other = Hand::stranger(&seller.firm).await;
    let changed = |change: &dyn Fn(&mut Token)| {
        let mut wrong = prepared.clone();
        change(&mut wrong.token);
        wrong
    };
    let elsewhere = Path::parse("/negotiations/offers").unwrap();
    let cases: Vec<(Prepared, &str)> = vec![
        (changed(&|t| (t.iat, t.exp) = (t.iat - 1000, t.iat - 800)), "token_expired"),
        (changed(&|t| (t.iat, t.exp) = (t.iat + 200, t.exp + 200)), "token_not_yet"),
        (changed(&|t| t.exp = t.iat + 301), "token_malformed"),
        (changed(&|t| t.aud = other.desk.did), "wrong_audience"),
        (changed(&|t| t.path = elsewhere.clone()), "wrong_path"),
        (changed(&|t| t.body = Digest::of(b"other")), "body_mismatch"),
        (changed(&|t| t.iss = other.desk.did), ""),
    ];
    for (wrong, code) in cases {
        let answer = hand.carry(&wrong).await;
        assert_eq!(answer.status, 401, "{code}");
        assert!(code.is_empty() || answer.code() == code, "{code}: {}", answer.json());
        assert!(answer.ack.is_none());
    }
    let target = format!("{DSP}/negotiations/request");
    let good = hand.sign(&prepared.token);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = from_base64url(signature).unwrap();
    bytes[0] ^= 1;
    let altered = format!("{head}.{}", to_base64url(&bytes));
    for (token, code) in [(None, "token_missing"), (Some(altered.as_str()), "signature_invalid")] {
        let answer = hand.call("POST", &target, token, prepared.key.as_deref(), prepared.body.clone()).await;
        answer.refused(401, code);
    }
    // The token of somebody else, honest but for the connection that it comes over.
    let answer =
        other.call("POST", &target, Some(&good), prepared.key.as_deref(), prepared.body.clone()).await;
    assert_eq!((answer.status, answer.ack), (401, None));
    assert_eq!(seller.size().await, before);
    hand.carry(&prepared).await.accepted(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_used_tickets_get_nothing() {
    // ACT-3.1
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let before = seller.size().await;
    let stranger = Hand::stranger(&seller.firm).await;
    stranger.get(DXP, "/log/checkpoint").await.refused(401, "not_paired");
    let mut stolen = stranger.redemption();
    stolen["secret"] = hand.redemption()["secret"].clone();
    let used = stranger.redeem(&stolen).await;
    assert!((400..500).contains(&used.status), "{}", used.json());
    // Somebody else's statements with one's own connection.
    let mut borrowed = stranger.redemption();
    borrowed["keys"] = hand.redemption()["keys"].clone();
    borrowed["participant"] = hand.redemption()["participant"].clone();
    let answer = stranger.redeem(&borrowed).await;
    assert!((400..500).contains(&answer.status), "{}", answer.json());
    assert_eq!(seller.size().await, before);
    // Redeemed twice by the same one: the same answer, one entry.
    assert_eq!(hand.redeem(&hand.redemption()).await.status, 200);
    assert_eq!(seller.size().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_the_state_does_not_allow_is_refused_for_good_with_one_entry() {
    // NEG-1.2, NEG-3.9, ACT-4.1, LOG-6.5
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let terms = deal.agreement["dxp"]["terms"].clone();
    let content = serde_json::to_value(deal.content().terms).unwrap();
    let extra = json!({"eventType": "ACCEPTED",
        "dxp": {"v": 1, "terms": terms, "decision": decision(&content, "importer")}});
    let accepted = message("ContractNegotiationEventMessage", &deal.pid, &deal.own, extra);
    let prepared = hand.prepare(deal.exchange, &deal.path("events"), &accepted);
    let refused = hand.carry(&prepared).await;
    refused.refused_finally("illegal_state");
    assert_eq!(hand.carry(&prepared).await, refused);
    assert_eq!(hand.state(&deal.pid).await, "AGREED");
    let log = seller.firm.log(&seller.temp).await;
    assert_eq!(halves(&log, deal.exchange), (2, 1));
    let id = deal.exchange.to_string();
    let line = log.of(&id).find(|l| l.entry.status() == Some(400)).unwrap();
    assert_eq!(line.entry.act(), Some(&prepared.act.digest().unwrap()));
    // The deal goes on.
    deal.conclude(&hand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_yours_is_answered_like_what_does_not_exist() {
    // LIM-2.5, LOG-7.3
    let seller = Provider::new().await;
    let (one, two) = tokio::join!(Hand::paired(&seller.firm), Hand::paired(&seller.firm));
    let deal = seller.agreed(&one, now() + 3600).await;
    let before = seller.size().await;
    let path = |pid: &str| format!("/negotiations/{pid}");
    let (theirs, nobodys) = (two.get(DSP, &path(&deal.pid)).await, two.get(DSP, &path(&urn())).await);
    theirs.refused(404, "not_found");
    assert_eq!(theirs, nobodys);
    let mut answers = Vec::new();
    for pid in [deal.pid.clone(), urn()] {
        let body = termination(&pid, &deal.own);
        let path = format!("/negotiations/{pid}/termination");
        let key = ExchangeKey::from_bytes([1; 32]);
        let act = two.prepare_after(deal.exchange, &path, &body, None, key);
        answers.push(two.carry(&act).await);
    }
    answers[0].refused(404, "not_found");
    assert_eq!(answers[0], answers[1]);
    let size = seller.size().await;
    let entries = [0, size - 1, size + 5].map(|n| format!("/log/entry/{n}?size={size}"));
    for path in entries {
        two.get(DXP, &path).await.refused(404, "not_found");
    }
    assert_eq!(seller.size().await, before);
    assert_eq!(one.state(&deal.pid).await, "AGREED");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_no_message_is_refused_and_the_node_lives() {
    // LIM-1.1, ENC-3.1, ENC-3.3, NEG-3.1, NEG-3.2, NEG-3.5
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let talk = hand.talk(deal.exchange);
    let deep = format!("{{\"@type\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    let twice = String::from_utf8(serde_json::to_vec(&termination(&deal.pid, &deal.own)).unwrap()).unwrap();
    let twice = twice.replacen('{', "{\"code\":\"x\",", 1);
    for (code, body) in [
        ("too_deep", deep.into_bytes()),
        ("duplicate_key", twice.into_bytes()),
        ("malformed", b"{}".to_vec()),
    ] {
        let path = deal.path("termination");
        let act = hand.prepare_bytes(deal.exchange, &path, body, talk.prev, talk.key.clone());
        let answer = hand.carry(&act).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{}", answer.json());
    }
    let large = vec![b' '; (1 << 20) + 1];
    let act =
        hand.prepare_bytes(deal.exchange, &deal.path("termination"), large, talk.prev, talk.key.clone());
    let answer = hand.carry(&act).await;
    assert_eq!((answer.status, answer.ack), (413, None));
    let mut bare = termination(&deal.pid, &deal.own);
    bare.as_object_mut().unwrap().remove("dxp");
    let answer = hand.act(deal.exchange, &deal.path("termination"), &bare).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "downgraded"), "{}", answer.json());
    assert_eq!(hand.state(&deal.pid).await, "AGREED");
    deal.conclude(&hand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_act_without_its_key_or_with_another_callback_begins_nothing() {
    // NEG-3.3
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    let (_, mut bare) = hand.request(&terms);
    bare.key = None;
    let (_, mut other) = hand.request(&terms);
    other.key = Some(ExchangeKey::from_bytes([9; 32]).to_text());
    let (_, unnamed) = hand.request_as(&terms, |m| m["dxp"]["key"] = Value::Null);
    for wrong in [&bare, &other, &unnamed] {
        let answer = hand.carry(wrong).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "key_header_mismatch"),
            "{}",
            answer.json()
        );
    }
    for callback in [
        "https://example.org/callback",
        "multiaddr:/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
    ] {
        let (_, wrong) = hand.request_as(&terms, |m| m["callbackAddress"] = json!(callback));
        let answer = hand.carry(&wrong).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "callback_refused"), "{}", answer.json());
    }
    let views = seller.firm.node().exchanges().await.unwrap();
    assert!(views.iter().all(|v| v.state != "REQUESTED" && v.state != "AGREED"), "{views:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_differ_from_what_the_node_knows_are_refused_with_the_pointer() {
    // NEG-4.13, NEG-4.9, NEG-4.10
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    for (pointer, value) in [
        ("/shared/dataset/sector", json!("agriculture")),
        ("/shared/contract/retention_days", json!(9999)),
        ("/agreement/prohibition/0/action", json!("use")),
        ("/content_root", json!(Digest::of(b"x"))),
    ] {
        let mut other = terms.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let (exchange, prepared) = hand.request(&other);
        let answer = hand.carry(&prepared).await;
        assert_eq!(answer.status, 400, "{pointer}: {}", answer.json());
        assert!(answer.ack.is_some());
        assert!(answer.json()["reason"][0].as_str().unwrap().contains(pointer), "{}", answer.json());
        assert!(seller.firm.view(&exchange.to_string()).await.is_none_or(|v| v.state == "NONE"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_finalized_only_under_the_consumers_own_signature() {
    // NEG-8.5, NEG-8.6, NEG-9.1, NEG-3.6
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let mut bits = deal.signature(1, &hand.desk.signing);
    let mut bytes = from_base64url(&bits.signature).unwrap();
    bytes[63] ^= 0x01;
    bits.signature = to_base64url(&bytes);
    let provider: SignatureEntry =
        serde_json::from_value(deal.agreement["dxp"]["agreement"]["signatures"][0].clone()).unwrap();
    let log_key = deal.signature(1, &hand.desk.log);
    let root = deal.signature(0, hand.root());
    let unknown = deal.signature(7, &hand.desk.signing);
    for wrong in [bits, provider, log_key, root, unknown] {
        let body = deal.verification_with(&wrong);
        let answer = hand.act(deal.exchange, &deal.path("agreement/verification"), &body).await;
        assert_eq!(answer.status, 400, "{}", answer.json());
        assert!(answer.ack.is_some(), "{}", answer.json());
        assert_eq!(hand.state(&deal.pid).await, "AGREED");
    }
    deal.conclude(&hand).await;
    let view = seller.firm.until(&deal.exchange.to_string(), settled).await;
    assert_eq!(view.in_force, Some(deal.digest().to_string()));
    let log = seller.firm.log(&seller.temp).await;
    assert_eq!(halves(&log, deal.exchange), (7, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countersignature_after_the_deadline_lapses_the_deal_on_both_sides() {
    // NEG-14.1, NEG-14.3, NEG-8.9
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deadline = now() + 3;
    let deal = seller.agreed(&hand, deadline).await;
    while now() <= deadline {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let body = deal.verification(&hand);
    let act = hand.prepare(deal.exchange, &deal.path("agreement/verification"), &body);
    let answer = hand.carry(&act).await;
    answer.refused_finally("lapsed");
    assert_eq!(hand.carry(&act).await, answer);
    assert_eq!(hand.state(&deal.pid).await, "TERMINATED");
    let view = seller.firm.until(&deal.exchange.to_string(), settled).await;
    assert_eq!((view.state.as_str(), view.refusal.unwrap().code.as_str()), ("TERMINATED", "lapsed"));
    assert_eq!(view.in_force, None);
    assert_eq!(halves(&seller.firm.log(&seller.temp).await, deal.exchange), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_act_is_repeated_and_dropped_when_a_termination_crosses_it() {
    // NEG-12.2, NEG-13.1 to NEG-13.4, ACT-6.8
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    hand.manners(|m| m.closed = true);
    let (exchange, pid) = hand.ask(&terms).await;
    let started = std::time::Instant::now();
    while hand.turned_away(exchange).len() < 2 {
        assert!(started.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let acts = hand.turned_away(exchange);
    assert_eq!(acts[0], acts[1]);
    // Weaker than the agreement that is on its way, or of no arrow: unsigned.
    let own = hand.talk(exchange).pid;
    let path = format!("/negotiations/{pid}/termination");
    let stale = hand.prepare_after(
        exchange,
        &path,
        &termination(&pid, &own),
        Some(Digest::of(b"never")),
        hand.talk(exchange).key,
    );
    hand.carry(&stale).await.refused(409, "stale");
    let verification = message(
        "ContractAgreementVerificationMessage",
        &pid,
        &own,
        json!({"dxp": {"v": 1, "signature": {"protected": "e30", "signature": to_base64url(&[0; 64])}}}),
    );
    let path_of_verification = format!("/negotiations/{pid}/agreement/verification");
    hand.act(exchange, &path_of_verification, &verification).await.refused(409, "crossed");
    hand.act(exchange, &path, &termination(&pid, &own)).await.accepted(200);
    assert_eq!(hand.state(&pid).await, "TERMINATED");
    hand.manners(|m| m.closed = false);
    let view = seller.firm.until(&exchange.to_string(), settled).await;
    assert_eq!(view.state, "TERMINATED");
    let log = seller.firm.log(&seller.temp).await;
    assert_eq!(log.dropped(&exchange.to_string()), [acts[0].digest().unwrap()]);
    assert!(hand.talk(exchange).inbox.is_empty(), "a dropped act is not repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_names_an_unanswered_one_answers_it() {
    // NEG-11.1, NEG-12.3, ACT-1.2: the answer to the agreement is lost for ever, the verification names it.
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    let (exchange, _) = hand.request(&terms);
    let _ = exchange;
    hand.manners(|m| m.closed = true);
    let (exchange, pid) = hand.ask(&terms).await;
    let started = std::time::Instant::now();
    while hand.turned_away(exchange).is_empty() {
        assert!(started.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let agreement = hand.turned_away(exchange).remove(0);
    assert_eq!(hand.state(&pid).await, "REQUESTED");
    let talk = hand.talk(exchange);
    let body = termination(&pid, &talk.pid);
    let path = format!("/negotiations/{pid}/termination");
    let act = hand.prepare_after(exchange, &path, &body, Some(agreement.digest().unwrap()), talk.key);
    hand.carry(&act).await.accepted(200);
    assert_eq!(hand.state(&pid).await, "TERMINATED");
    let log = seller.firm.log(&seller.temp).await;
    assert_eq!(log.dropped(&exchange.to_string()), Vec::<Digest>::new());
    assert_eq!(halves(&log, exchange), (2, 1));
}

/// The consumer's transfer request under a concluded deal.
fn transfer_request(hand: &Hand, deal: &Agreed, finalized: Digest) -> (Id, Prepared) {
    let (exchange, key) = (Id(common::hand::random()), ExchangeKey::from_bytes(common::hand::random()));
    let terms = serde_json::to_value(deal.content().terms).unwrap();
    let mut own = decision(&terms, "importer");
    own["phase"] = json!("transfer");
    let first: Value = serde_json::from_slice(&hand.request(&terms).1.body).unwrap();
    let body = json!({"@context": first["@context"], "@type": "TransferRequestMessage", "consumerPid": urn(),
        "agreementId": terms["agreement"]["@id"], "format": "DXP-PULL", "callbackAddress": first["callbackAddress"],
        "dxp": {"v": 1, "key": key.digest(), "agreement": deal.digest(), "decision": own}});
    (exchange, hand.prepare_after(exchange, "/transfers/request", &body, Some(finalized), key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_withholds_its_entries_gets_no_data() {
    // LOG-2.3, LOG-5.6, TRF-3.6: `omitted`.
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let finalized = deal.conclude(&hand).await;
    hand.manners(|m| m.hides_entries = true);
    let (exchange, prepared) = transfer_request(&hand, &deal, finalized);
    hand.expect(exchange, &prepared);
    hand.carry(&prepared).await.accepted(201);
    let (_, said) = hand.inbox(exchange, 1).await;
    assert_eq!(
        (said["@type"].as_str(), said["code"].as_str()),
        (Some("TransferTerminationMessage"), Some("omitted"))
    );
    let view = seller.firm.until(&exchange.to_string(), settled).await;
    assert_eq!((view.state.as_str(), view.receipt), ("TERMINATED", None));
    // Shown, the same consumer is served.
    hand.manners(|m| m.hides_entries = false);
    let (exchange, prepared) = transfer_request(&hand, &deal, finalized);
    hand.expect(exchange, &prepared);
    hand.carry(&prepared).await.accepted(201);
    let (_, said) = hand.inbox(exchange, 1).await;
    assert_eq!(said["@type"], "TransferStartMessage", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_does_not_name_the_conclusion_of_its_deal_is_refused() {
    // TRF-2.3, TRF-3.1, TRF-3.2
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let deal = seller.agreed(&hand, now() + 3600).await;
    let (_, early) = transfer_request(&hand, &deal, Digest::of(b"never"));
    let answer = hand.carry(&early).await;
    assert!((400..500).contains(&answer.status), "{}", answer.json());
    deal.conclude(&hand).await;
    let (exchange, wrong) = transfer_request(&hand, &deal, Digest::of(b"never"));
    let answer = hand.carry(&wrong).await;
    assert!((400..500).contains(&answer.status), "{}", answer.json());
    assert!(seller.firm.view(&exchange.to_string()).await.is_none_or(|v| v.state == "NONE"));
}
