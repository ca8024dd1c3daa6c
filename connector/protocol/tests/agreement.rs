//! Terms, permits, the agreement and its verdicts, and every way in which they must not come about.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod vectors;

use deal::{DEADLINE, DRAFT, Deal, Participant, deal, digest, duty, record, result};
use naru_protocol::{
    agreement::{AgreementError, Decisions, Jws, ProviderSigned, SignedByBoth, When},
    dsp::{Message, negotiation as messages, odrl},
    encoding::Digest,
    error::Code,
    exchange::Role,
    identity::Country,
    json, jws,
    permit::{EvaluationRecord, PeerAllow, PeerAllowError, Permit, PermitError},
    terms::{Decision, DecisionError, Facts, Known, Phase, Side, Terms, TermsError, first_difference},
};
use serde_json::{Value, json};

const P: Role = Role::Provider;
const C: Role = Role::Consumer;

/// Terms with one place changed, read back as a peer would send them.
fn changed(terms: &Terms, pointer: &str, value: Value) -> Result<Terms, serde_json::Error> {
    let mut document = serde_json::to_value(terms).unwrap();
    *document.pointer_mut(pointer).unwrap() = value;
    serde_json::from_value(document)
}

#[test]
fn terms_in_order_pass() {
    // NEG-4.1: the digest does not depend on the order or spelling of the document.
    let deal = deal();
    let checked = deal.terms.check().unwrap();
    let text = serde_json::to_string_pretty(&deal.terms).unwrap().replace("365", "3.65e2");
    let read: Terms = json::from_value(json::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!((read.digest().unwrap(), checked), (checked, deal.terms.digest().unwrap()));
}

#[test]
fn terms_that_contradict_themselves_are_refused() {
    let deal = deal();
    let consumer = json!(deal.consumer.did.to_string());
    let mut cases = Vec::new();
    for (clause, pointer, value, expected) in [
        ("NEG-4.3", "/agreement/assigner", consumer.clone(), TermsError::Differs("/agreement/assigner")),
        ("NEG-4.3", "/agreement/assignee", json!("did:key:z6Mk"), TermsError::Differs("/agreement/assignee")),
        ("NEG-4.3", "/provider/did", consumer, TermsError::Differs("/consumer/did")),
        ("NEG-4.4", "/agreement/timestamp", json!("2026-11-23T13:16:52+00:00"), TermsError::Timestamp),
        ("NEG-4.4", "/agreement/timestamp", json!("2026-11-23T13:16:52.000Z"), TermsError::Timestamp),
        ("NEG-4.5", "/conclude_by", json!(DRAFT), TermsError::ConcludeBy),
        ("NEG-4.5", "/conclude_by", json!(DRAFT + 86_401), TermsError::ConcludeBy),
        ("NEG-4.6", "/lanes", json!(["SG", "KR"]), TermsError::Order("/lanes")),
        ("NEG-4.6", "/lanes", json!(["KR", "KR"]), TermsError::Order("/lanes")),
        ("NEG-4.7", "/shared/dataset/id", json!("urn:other"), TermsError::Differs("/shared/dataset/id")),
        ("NEG-4.7", "/shared/consumer/id", json!("urn:other"), TermsError::Differs("/shared/consumer/id")),
        ("NEG-4.7", "/shared", json!([]), TermsError::Differs("/shared")),
        ("NEG-4.8", "/consumer/keys", json!(0), TermsError::Differs("/consumer/keys")),
    ] {
        let code = expected.code();
        let found = changed(&deal.terms, pointer, value.clone()).unwrap().check();
        assert_eq!(found, Err(expected), "{clause} {pointer}");
        cases.push(json!({"clause": clause, "at": pointer, "value": value, "outcome": code}));
    }
    let about = "Terms and their digest (NEG-4.1); each case puts `value` at the JSON pointer `at`, and the terms alone are judged.";
    let digest = deal.terms.check().unwrap();
    let file = json!({"about": about, "terms": deal.terms, "digest": digest, "cases": cases});
    vectors::same("agreement/terms.json", &file);
    let mut terms = deal.terms.clone();
    terms.obligations = Vec::from([duty("B", C), duty("A", C)]);
    assert_eq!(terms.check(), Err(TermsError::Order("/obligations")));
    terms.obligations = (0..65).map(|n| duty(&format!("{n:03}"), C)).collect();
    assert_eq!(terms.check(), Err(TermsError::TooLarge("/obligations")));
    let mut terms = deal.terms.clone();
    terms.shared["text"] = json!("x".repeat(128 * 1024));
    assert_eq!(terms.check(), Err(TermsError::TooLarge("/")));
    // A member that the specification does not name, and one that is missing.
    let mut document = serde_json::to_value(&deal.terms).unwrap();
    document["extra"] = json!(1);
    assert!(serde_json::from_value::<Terms>(document.clone()).is_err());
    document.as_object_mut().unwrap().retain(|name, _| name != "extra" && name != "lanes");
    assert!(serde_json::from_value::<Terms>(document).is_err());
}

fn known(deal: &Deal, role: Role, country: &str) -> Known {
    let party = deal.terms.party(role);
    Known { did: party.did, statement: party.statement, country: Country::parse(country).unwrap(), keys: 1 }
}

#[test]
fn terms_are_about_the_listing_and_the_pinned_parties() {
    // NEG-4.9 to NEG-4.12
    let deal = deal();
    let facts = Facts {
        dataset: deal::DATASET,
        listing: digest("listing"),
        content_root: digest("content root"),
        provider: known(&deal, P, "KR"),
        consumer: known(&deal, C, "SG"),
    };
    assert_eq!(deal.terms.check_against(&facts), Ok(()));
    let against = |facts: Facts<'_>| deal.terms.check_against(&facts);
    assert_eq!(
        against(Facts { dataset: "urn:other", ..facts }),
        Err(TermsError::Listing("/agreement/target"))
    );
    assert_eq!(against(Facts { listing: digest("x"), ..facts }), Err(TermsError::Listing("/listing")));
    assert_eq!(
        against(Facts { content_root: digest("x"), ..facts }),
        Err(TermsError::Listing("/content_root"))
    );
    let other = Known { statement: digest("x"), ..facts.provider };
    assert_eq!(against(Facts { provider: other, ..facts }), Err(TermsError::Differs("/provider/statement")));
    let other = Known { keys: 0, ..facts.consumer };
    assert_eq!(against(Facts { consumer: other, ..facts }), Err(TermsError::Differs("/consumer/keys")));
    let other = Known { did: facts.provider.did, ..facts.consumer };
    assert_eq!(against(Facts { consumer: other, ..facts }), Err(TermsError::Differs("/consumer/did")));
    let other = known(&deal, C, "JP");
    assert_eq!(
        against(Facts { consumer: other, ..facts }),
        Err(TermsError::Differs("/shared/consumer/country"))
    );
    // Where the policy document names no country, the lanes still must hold it.
    let bare = changed(&deal.terms, "/shared", json!({})).unwrap();
    let facts = Facts { consumer: other, ..facts };
    assert_eq!(bare.check_against(&facts), Err(TermsError::Lane(Country::parse("JP").unwrap())));
}

#[test]
fn decisions_fit_terms_side_phase_and_time() {
    let deal = deal();
    let (good, setting) = (deal.decision(C), deal.setting());
    let mut cases = Vec::new();
    for (clause, member, value, now, expected) in [
        ("NEG-5.1", "by", json!("auto"), DRAFT + 2, Ok(())),
        ("NEG-5.2", "terms", json!(digest("x")), DRAFT, Err(DecisionError::OtherTerms)),
        ("NEG-5.3", "side", json!("exporter"), DRAFT, Err(DecisionError::OtherSide)),
        ("NEG-5.3", "phase", json!("transfer"), DRAFT, Err(DecisionError::OtherPhase)),
        ("NEG-5.4", "input_shared", json!(digest("x")), DRAFT, Err(DecisionError::OtherShared)),
        ("NEG-5.2", "allow", json!(false), DRAFT, Err(DecisionError::Denied)),
        ("NEG-5.5", "at", json!(DRAFT - 60), DRAFT, Ok(())),
        ("NEG-5.5", "at", json!(DRAFT - 61), DRAFT, Err(DecisionError::TooEarly)),
        ("NEG-5.5", "at", json!(DRAFT + 160), DRAFT + 100, Ok(())),
        ("NEG-5.5", "at", json!(DRAFT + 161), DRAFT + 100, Err(DecisionError::Future)),
        ("NEG-5.5", "at", json!(DEADLINE), DEADLINE, Ok(())),
        ("NEG-5.5", "at", json!(DEADLINE + 1), DEADLINE, Err(DecisionError::AfterDeadline)),
        ("NEG-5.6", "by", json!(""), DRAFT + 2, Err(DecisionError::By)),
        ("NEG-5.6", "by", json!(" Kim"), DRAFT + 2, Err(DecisionError::By)),
        ("NEG-5.6", "by", json!("a\u{202e}b"), DRAFT + 2, Err(DecisionError::By)),
    ] {
        let mut document = serde_json::to_value(&good).unwrap();
        document[member] = value.clone();
        let decision: Decision = serde_json::from_value(document).unwrap();
        let found = decision.check(&setting, Side::Importer, now);
        assert_eq!(found, expected, "{clause} {member}");
        let outcome = expected.map_or_else(|error| error.code().to_string(), |()| "accepted".into());
        cases.push(
            json!({"clause": clause, "member": member, "value": value, "now": now, "outcome": outcome}),
        );
    }
    let about = "The importer's decision for a negotiation over these terms; each case puts `value` into one member, judged at `now`.";
    let file = json!({"about": about, "terms": deal.terms, "decision": good, "cases": cases});
    vectors::same("agreement/decisions.json", &file);
    // NEG-5.7: at a transfer another input may be judged, and the deadline is over.
    let other =
        Decision { phase: Phase::Transfer, input_shared: digest("x"), at: DEADLINE + 99, ..good.clone() };
    assert_eq!(other.check_transfer(&setting, Side::Importer, DEADLINE + 100), Ok(()));
    assert_eq!(good.check_transfer(&setting, Side::Importer, DRAFT), Err(DecisionError::OtherPhase));
    let never = Decision { at: u64::MAX, ..good };
    assert_eq!(never.check(&setting, Side::Importer, u64::MAX), Err(DecisionError::AfterDeadline));
}

#[test]
fn the_first_difference_has_a_pointer() {
    // NEG-4.13
    let mut cases = Vec::new();
    let a = json!({"b": {"c~/d": [1, 2, {"e": null}]}, "a": 56});
    for (b, expected) in [
        (json!({"b": {"c~/d": [1, 2, {"e": null}]}, "a": 56.0}), None),
        (json!({"b": {"c~/d": [1, 2, {"e": false}]}, "a": 56}), Some("/b/c~0~1d/2/e")),
        (json!({"b": {"c~/d": [1, 2]}, "a": 56}), Some("/b/c~0~1d/2")),
        (json!({"b": {"c~/d": [1, 3, {"e": 5}]}, "a": 56}), Some("/b/c~0~1d/1")),
        (json!({"b": {}, "a": 57}), Some("/a")),
        (json!({"a": 56}), Some("/b")),
        (json!({"A": 1, "b": {"c~/d": [1, 2, {"e": null}]}, "a": 56}), Some("/A")),
        (json!([]), Some("")),
    ] {
        assert_eq!(first_difference(&a, &b).as_deref(), expected, "{b}");
        assert_eq!(first_difference(&b, &a).as_deref(), expected, "{b} reversed");
        cases.push(json!({"other": b, "pointer": expected}));
    }
    let about = "The first JSON pointer at which `one` and `other` differ (NEG-4.13); null: they are equal.";
    vectors::same("agreement/differences.json", &json!({"about": about, "one": a, "cases": cases}));
}

/// The record of the exporter with one place of it changed.
fn tampered(deal: &Deal, pointer: &str, value: Value) -> Vec<u8> {
    let mut document = json::parse(&deal.record(P, Phase::Negotiation)).unwrap();
    *document.pointer_mut(pointer).unwrap() = value;
    json::canonical(&document).unwrap()
}

#[test]
fn a_permit_comes_from_a_record_that_says_what_it_must() {
    // NEG-7.2
    let deal = deal();
    let expect = deal.expectation(P, Phase::Negotiation);
    let permit = Permit::check(&deal.record(P, Phase::Negotiation), &expect).unwrap();
    assert_eq!(permit.record(), Digest::of(&deal.record(P, Phase::Negotiation)));
    assert_eq!((permit.terms(), permit.conclude_by()), (deal.terms.digest().unwrap(), DEADLINE));
    assert!(
        !permit.is_conditional() && permit.covers(&deal.decision(P)) && !permit.covers(&deal.decision(C))
    );
    let finding = json!([{"id": "KR-1", "detail": ""}]);
    let own = json!([{"id": "KR-1", "evaluator": "exporter"}]);
    let mut cases = Vec::new();
    for (pointer, value, expected) in [
        ("/phase", json!("transfer"), PermitError::OtherPhase),
        ("/side", json!("importer"), PermitError::OtherSide),
        ("/input/shared", json!(digest("x")), PermitError::OtherShared),
        ("/input/private", json!(digest("x")), PermitError::OtherPrivate),
        ("/packs", json!([]), PermitError::OtherPacks),
        ("/packs/0/digest", json!(digest("x")), PermitError::OtherPacks),
        ("/result/packs/1/digest", json!(digest("x")), PermitError::OtherPacks),
        ("/result/packs", json!([]), PermitError::OtherPacks),
        ("/result/allow", json!(false), PermitError::Denied),
        ("/result/allow", Value::Null, PermitError::Denied),
        ("/result/visible", json!(true), PermitError::Denied),
        ("/result/deny", finding.clone(), PermitError::Denied),
        ("/result/undetermined", finding, PermitError::Undetermined),
        ("/result/delegated", own, PermitError::Orphaned("KR-1".into())),
    ] {
        let code = expected.code();
        let found = Permit::check(&tampered(&deal, pointer, value.clone()), &expect);
        assert_eq!(found, Err(expected), "{pointer}");
        cases.push(json!({"at": pointer, "value": value, "outcome": code}));
    }
    for (pointer, value) in [("/result/allow", json!("yes")), ("/result/obligations", json!([{"id": "x"}]))] {
        let error = Permit::check(&tampered(&deal, pointer, value.clone()), &expect).unwrap_err();
        assert!(matches!(error, PermitError::Result(_)), "{pointer}");
        cases.push(json!({"at": pointer, "value": value, "outcome": error.code()}));
    }
    let about = "The exporter's evaluation record over the terms of terms.json (NEG-7); each case puts `value` at the pointer `at`, in \
        canonical form again.";
    let bytes = deal.record(P, Phase::Negotiation);
    let text = String::from_utf8(bytes.clone()).unwrap();
    let private = deal::private(Side::Exporter);
    let file = json!({"about": about, "record": text, "digest": Digest::of(&bytes), "private": private, "cases": cases});
    vectors::same("agreement/records.json", &file);
}

#[test]
fn a_record_is_its_canonical_bytes() {
    // NEG-7.1
    let deal = deal();
    let expect = deal.expectation(P, Phase::Negotiation);
    let bytes = deal.record(P, Phase::Negotiation);
    assert_eq!(EvaluationRecord::parse(&bytes).unwrap().to_bytes().unwrap(), bytes);
    let spaced = [b" ".as_slice(), &bytes].concat();
    let mut extra = json::parse(&bytes).unwrap();
    extra["x"] = json!(1);
    let extra = json::canonical(&extra).unwrap();
    for bytes in [spaced.as_slice(), &extra, b"", b"{}", b"null", &[b' '; 200_000]] {
        assert!(matches!(Permit::check(bytes, &expect), Err(PermitError::Record(_))));
    }
}

#[test]
fn an_overlay_must_have_been_asked_too() {
    // NEG-7.3
    let deal = deal();
    let overlay = naru_protocol::terms::Pack { name: "own".into(), digest: digest("own") };
    let expect = deal.expectation(P, Phase::Negotiation).with_overlay(overlay.clone());
    assert_eq!(Permit::check(&deal.record(P, Phase::Negotiation), &expect), Err(PermitError::OtherPacks));
    let mut asked = deal.terms.clone();
    asked.packs.push(overlay);
    let result = result(&[], &[], &asked.packs);
    let bytes = record(&asked, Side::Exporter, Phase::Negotiation, result).to_bytes().unwrap();
    assert!(Permit::check(&bytes, &expect).is_ok());
}

/// The importer's record that leaves one rule to the exporter.
fn delegating(deal: &Deal) -> Vec<u8> {
    let result = result(&deal.terms.obligations, &[("KR-FTA-001", Side::Exporter)], &deal.terms.packs);
    record(&deal.terms, Side::Importer, Phase::Negotiation, result).to_bytes().unwrap()
}

/// ACCEPTED, request or offer content of one side over the terms.
fn proposal(terms: &Terms, decision: Decision) -> Vec<u8> {
    let offer =
        json!({"@id": "o", "@type": "Offer", "target": deal::DATASET, "permission": [{"action": "use"}]});
    let message = messages::ContractOfferMessage {
        provider_pid: "p".into(),
        consumer_pid: None,
        offer: odrl::Offer::from_value(offer).unwrap(),
        callback_address: Some("multiaddr:/p2p/x".into()),
        dxp: Some(messages::Proposal {
            v: json::V1,
            key: Some(digest("key")),
            terms: terms.clone(),
            decision,
        }),
    };
    message.to_bytes().unwrap()
}

#[test]
fn what_is_delegated_needs_the_peers_signed_allow_over_the_same_terms() {
    // NEG-7.4
    let deal = deal();
    let (bytes, expect) = (delegating(&deal), deal.expectation(C, Phase::Negotiation));
    let permit = Permit::check(&bytes, &expect).unwrap();
    assert!(permit.is_conditional());
    assert_eq!(permit.delegated(), ["KR-FTA-001"]);

    let content = proposal(&deal.terms, deal.decision(P));
    let (token, _) = deal.act(P, "/negotiations/offers", &content, None);
    let allow = PeerAllow::from_act(&token, &content).unwrap();
    assert!(!Permit::check(&bytes, &expect.clone().with_peer(allow)).unwrap().is_conditional());

    // Over other terms, by somebody else, of the wrong side, not allowing, other bytes.
    let other = changed(&deal.terms, "/conclude_by", json!(DEADLINE - 1)).unwrap();
    let decision = Decision { terms: other.digest().unwrap(), ..deal.decision(P) };
    let content = proposal(&other, decision);
    let (token, _) = deal.act(P, "/negotiations/offers", &content, None);
    let allow = PeerAllow::from_act(&token, &content).unwrap();
    assert_eq!(Permit::check(&bytes, &expect.clone().with_peer(allow)), Err(PermitError::OtherPeerDecision));
    let content = proposal(&deal.terms, deal.decision(P));
    let (token, _) = deal.act(C, "/negotiations/offers", &content, None);
    let allow = PeerAllow::from_act(&token, &content).unwrap();
    assert_eq!(Permit::check(&bytes, &expect.with_peer(allow)), Err(PermitError::OtherPeerDecision));
    assert_eq!(PeerAllow::from_act(&token, b"{}"), Err(PeerAllowError::OtherBody));
    for decision in [deal.decision(C), Decision { allow: false, ..deal.decision(P) }] {
        let content = proposal(&deal.terms, decision);
        let (token, _) = deal.act(P, "/negotiations/offers", &content, None);
        assert_eq!(PeerAllow::from_act(&token, &content), Err(PeerAllowError::NotAllowed));
    }
    let content = deal.finalized(digest("x"));
    let (token, _) = deal.act(P, "/negotiations/c/events", &content, None);
    assert_eq!(PeerAllow::from_act(&token, &content), Err(PeerAllowError::NoDecision));
}

#[test]
fn both_sign_the_same_payload() {
    // NEG-8.1 to NEG-8.3
    let deal = deal();
    let signed = deal.provider_signed();
    let text = deal.terms.agreement.clone();
    let received =
        ProviderSigned::verify(&signed.to_jws(), &deal.terms, &text, &deal.provider.ring, DRAFT + 3).unwrap();
    assert_eq!(received, signed);
    let permit = deal.permit(C, Phase::Negotiation);
    let both = received.countersign(&permit, (1, &deal.consumer.signing), DRAFT + 3).unwrap();
    let at_provider = signed
        .with_consumer(both.consumer_signature().clone(), &deal.consumer.ring, When::Now(DRAFT + 4))
        .unwrap();
    assert_eq!(at_provider, both);
    let jws = Jws::parse(&both.to_jws().to_bytes().unwrap()).unwrap();
    assert_eq!(jws.signatures.len(), 2);
    assert_eq!(SignedByBoth::from_evidence(&jws, deal.rings()).unwrap(), both);
    assert_eq!(both.digest(), Digest::of(&jws.payload_bytes().unwrap()));
}

#[test]
fn the_text_shown_is_the_text_signed() {
    // NEG-8.4: agreement negatives, text and terms.
    let deal = deal();
    let jws = deal.provider_signed().to_jws();
    let mut other = deal.terms.agreement.value().clone();
    other["permission"][0]["action"] = json!("distribute");
    let other = odrl::Agreement::from_value(other).unwrap();
    let verify = |terms: &Terms, text: &odrl::Agreement| {
        ProviderSigned::verify(&jws, terms, text, &deal.provider.ring, DRAFT + 3)
    };
    let error = verify(&deal.terms, &other).unwrap_err();
    assert_eq!(error, AgreementError::TextDiffers("/permission/0/action".into()));
    assert_eq!(error.code(), Code::AgreementDiffers);
    let proposed = changed(&deal.terms, "/shared/contract/retention_days", json!(30)).unwrap();
    let error = verify(&proposed, &deal.terms.agreement).unwrap_err();
    assert_eq!(error, AgreementError::TermsDiffer("/shared/contract/retention_days".into()));
    assert_eq!(error.code(), Code::TermsDiffer);
}

#[test]
fn signatures_are_counted_and_belong_to_the_parties() {
    // NEG-8.5, NEG-8.6
    let deal = deal();
    let both = deal.signed_by_both().to_jws();
    let (text, now) = (&deal.terms.agreement, DRAFT + 3);
    let verify = |jws: &Jws| ProviderSigned::verify(jws, &deal.terms, text, &deal.provider.ring, now);
    assert_eq!(verify(&both), Err(AgreementError::Count { found: 2, expected: 1 }));
    let none = Jws { payload: both.payload.clone(), signatures: Vec::new() };
    assert_eq!(verify(&none), Err(AgreementError::Count { found: 0, expected: 1 }));
    let one = deal.provider_signed().to_jws();
    assert_eq!(
        SignedByBoth::from_evidence(&one, deal.rings()),
        Err(AgreementError::Count { found: 1, expected: 2 })
    );
    // The same signature twice is one signature.
    let twice =
        Jws { payload: one.payload.clone(), signatures: [one.signatures.clone(), one.signatures].concat() };
    assert!(matches!(
        SignedByBoth::from_evidence(&twice, deal.rings()),
        Err(AgreementError::Signature(jws::JwsError::Kid))
    ));
    // The consumer's first.
    let mut swapped = both.clone();
    swapped.signatures.reverse();
    assert!(SignedByBoth::from_evidence(&swapped, deal.rings()).is_err());
    // Somebody else's, by a valid key of that somebody, and checked with that somebody's ring.
    let stranger = Participant::new(30);
    let (_, entry) = jws::sign_entry(deal.provider_signed().content(), 1, &stranger.signing).unwrap();
    let signed = deal.provider_signed();
    assert_eq!(
        signed.clone().with_consumer(entry.clone(), &deal.consumer.ring, When::Now(now)),
        Err(AgreementError::Signature(jws::JwsError::Kid))
    );
    assert_eq!(
        signed.clone().with_consumer(entry, &stranger.ring, When::Now(now)),
        Err(AgreementError::WrongSigner(C))
    );
    // A key set below the minimum of the terms, and one that nobody knows.
    for ks in [0, 2] {
        let (_, entry) = jws::sign_entry(signed.content(), ks, &deal.consumer.signing).unwrap();
        for when in [When::Now(now), When::Evidence] {
            let error = signed.clone().with_consumer(entry.clone(), &deal.consumer.ring, when).unwrap_err();
            assert!(matches!(error, AgreementError::Key(_)), "{error}");
        }
    }
    // The root key is no signing key.
    let (_, entry) = jws::sign_entry(signed.content(), 1, &deal.consumer.root).unwrap();
    assert!(signed.with_consumer(entry, &deal.consumer.ring, When::Now(now)).is_err());
}

#[test]
fn one_changed_byte_of_the_payload_voids_both_signatures() {
    let deal = deal();
    let both = deal.signed_by_both().to_jws();
    let bytes = both.payload_bytes().unwrap();
    for at in (0..bytes.len()).step_by(97) {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let jws = Jws { payload: naru_protocol::encoding::to_base64url(&other), ..both.clone() };
        assert!(SignedByBoth::from_evidence(&jws, deal.rings()).is_err(), "byte {at}");
    }
}

#[test]
fn nobody_signs_without_a_permit_that_covers_the_decision() {
    // NEG-8.7
    let deal = deal();
    let key = (1, &deal.provider.signing);
    let sign = |permit: &Permit, decisions: Decisions| {
        ProviderSigned::sign(deal.terms.clone(), decisions, permit, key, DRAFT + 2)
    };
    let permit = deal.permit(P, Phase::Negotiation);
    assert_eq!(sign(&deal.permit(C, Phase::Negotiation), deal.decisions()), Err(AgreementError::Permit));
    assert_eq!(sign(&deal.permit(P, Phase::Transfer), deal.decisions()), Err(AgreementError::Permit));
    let mut decisions = deal.decisions();
    decisions.provider.result = digest("another record");
    assert_eq!(sign(&permit, decisions), Err(AgreementError::Permit));
    // Over other terms.
    let other =
        Deal { terms: changed(&deal.terms, "/conclude_by", json!(DEADLINE - 1)).unwrap(), ..self::deal() };
    assert_eq!(sign(&other.permit(P, Phase::Negotiation), deal.decisions()), Err(AgreementError::Permit));
    // The consumer's decision over other terms, and one that denies.
    let decisions = Decisions { provider: deal.decision(P), consumer: other.decision(C) };
    let error = sign(&permit, decisions).unwrap_err();
    assert_eq!(error, AgreementError::Decision { role: C, error: DecisionError::OtherTerms });
    assert_eq!(error.code(), Code::TermsVoid);
    let consumer = Decision { allow: false, ..deal.decision(C) };
    assert_eq!(
        sign(&permit, Decisions { provider: deal.decision(P), consumer }),
        Err(AgreementError::Decision { role: C, error: DecisionError::Denied })
    );
    // The consumer likewise, when it countersigns.
    let signed = deal.provider_signed();
    let permit = deal.permit(P, Phase::Negotiation);
    assert_eq!(
        signed.clone().countersign(&permit, (1, &deal.consumer.signing), DRAFT + 3),
        Err(AgreementError::Permit)
    );
    let permit = other.permit(C, Phase::Negotiation);
    assert_eq!(
        signed.countersign(&permit, (1, &deal.consumer.signing), DRAFT + 3),
        Err(AgreementError::Permit)
    );
}

#[test]
fn a_conditional_permit_proposes_and_does_not_agree() {
    // NEG-7.5, NEG-8.8
    let deal = deal();
    let exporter = result(&[], &[("SG-PDPA-001", Side::Importer)], &deal.terms.packs);
    let bytes = record(&deal.terms, Side::Exporter, Phase::Negotiation, exporter).to_bytes().unwrap();
    let permit = Permit::check(&bytes, &deal.expectation(P, Phase::Negotiation)).unwrap();
    let key = (1, &deal.provider.signing);
    assert_eq!(
        ProviderSigned::sign(deal.terms.clone(), deal.decisions(), &permit, key, DRAFT + 2),
        Err(AgreementError::Conditional)
    );
    // The consumer proposed under a condition; the provider's signed allow in the payload fulfils it.
    let permit = Permit::check(&delegating(&deal), &deal.expectation(C, Phase::Negotiation)).unwrap();
    let mut decisions = deal.decisions();
    decisions.consumer = permit.decision(digest("salted"), DRAFT + 1, "auto".into());
    let own = deal.permit(P, Phase::Negotiation);
    let signed = ProviderSigned::sign(deal.terms.clone(), decisions, &own, key, DRAFT + 2).unwrap();
    assert!(signed.countersign(&permit, (1, &deal.consumer.signing), DRAFT + 3).is_ok());
}

#[test]
fn duties_on_the_peer_are_in_the_terms() {
    // NEG-6.1
    let deal = deal();
    let found = [duty("POST-RET-001", C), duty("KR-LOG-001", P), duty("SG-RET-002", C)];
    let bytes =
        record(&deal.terms, Side::Exporter, Phase::Negotiation, result(&found, &[], &deal.terms.packs))
            .to_bytes()
            .unwrap();
    let permit = Permit::check(&bytes, &deal.expectation(P, Phase::Negotiation)).unwrap();
    assert_eq!(permit.obligations(), found);
    let mut decisions = deal.decisions();
    decisions.provider = permit.decision(digest("salted"), DRAFT + 1, "auto".into());
    let key = (1, &deal.provider.signing);
    let error = ProviderSigned::sign(deal.terms.clone(), decisions, &permit, key, DRAFT + 2).unwrap_err();
    assert_eq!(error, AgreementError::DutiesMissing(vec!["SG-RET-002".into()]));
    assert_eq!(error.code(), Code::DutyMissing);
    // A duty with the same id and another content is another duty.
    let longer = naru_protocol::terms::Obligation { within: None, ..duty("POST-RET-001", C) };
    assert_eq!(deal.terms.unlisted(&[longer], C), ["POST-RET-001"]);
}

#[test]
fn countersigning_after_the_deadline_is_refused() {
    // NEG-8.9
    let deal = deal();
    let permit = deal.permit(C, Phase::Negotiation);
    let key = (1, &deal.consumer.signing);
    assert!(deal.provider_signed().countersign(&permit, key, DEADLINE).is_ok());
    let error = deal.provider_signed().countersign(&permit, key, DEADLINE + 1).unwrap_err();
    assert_eq!((error.code(), error), (Code::Lapsed, AgreementError::AfterDeadline));
}

#[test]
fn what_was_signed_long_ago_still_verifies() {
    // NEG-8.10: evidence is judged as of the deal, not as of today.
    let deal = deal();
    let jws = deal.signed_by_both().to_jws();
    assert!(SignedByBoth::from_evidence(&jws, deal.rings()).is_ok());
    // A payload whose own terms or decisions are refused is refused as evidence too.
    let mut content = deal.signed_by_both().content().clone();
    content.decisions.consumer.allow = false;
    let (payload, first) = jws::sign_entry(&content, 1, &deal.provider.signing).unwrap();
    let (_, second) = jws::sign_entry(&content, 1, &deal.consumer.signing).unwrap();
    let payload = naru_protocol::encoding::to_base64url(&payload);
    let jws = Jws { payload, signatures: Vec::from([first, second]) };
    assert_eq!(
        SignedByBoth::from_evidence(&jws, deal.rings()),
        Err(AgreementError::Decision { role: C, error: DecisionError::Denied })
    );
}
