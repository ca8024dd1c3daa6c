//! When an agreement is in force, and what a verifier concludes from the evidence that it has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deal;
mod vectors;

use deal::{Deal, deal, digest};
use naru_protocol::{
    act::{Ack, Token},
    agreement::{Acknowledgement, Evidence, InForce, Jws, NotInForce, Refusal, Rings, Verdict, verdict},
    dsp::{Message, negotiation as messages},
    error::Code,
    exchange::Role,
    json, jws,
    terms::Terms,
};
use serde_json::{Value, json};

const P: Role = Role::Provider;
const C: Role = Role::Consumer;

/// Terms with one place changed.
fn changed(terms: &Terms, pointer: &str, value: Value) -> Result<Terms, serde_json::Error> {
    let mut document = serde_json::to_value(terms).unwrap();
    *document.pointer_mut(pointer).unwrap() = value;
    serde_json::from_value(document)
}

#[test]
fn in_force_needs_finalized_and_its_acknowledgement() {
    // NEG-9.1 to NEG-9.4
    let deal = deal();
    let signed = deal.signed_by_both();
    let content = deal.finalized(signed.digest());
    let (token, act) = deal.act(P, "/negotiations/c/events", &content, None);
    let check = |acknowledgement: Acknowledgement<'_>| {
        InForce::check(&signed, &token, &content, acknowledgement, deal.rings())
    };
    let ack = deal.ack(C, act, 200, b"");
    let proof = check(Acknowledgement::Ack(&ack)).unwrap();
    assert_eq!((proof.agreement(), proof.finalized()), (signed.digest(), act));
    let (next, _) = deal.act(C, "/transfers/request", b"{}", Some(act));
    assert_eq!(check(Acknowledgement::Named(&next)), Ok(proof));

    let refused = deal.ack(C, act, 400, b"");
    assert_eq!(check(Acknowledgement::Ack(&refused)), Err(NotInForce::NotAcknowledged));
    let other = deal.ack(C, digest("another act"), 200, b"");
    assert_eq!(check(Acknowledgement::Ack(&other)), Err(NotInForce::NotAcknowledged));
    let own = deal.ack(P, act, 200, b"");
    assert_eq!(check(Acknowledgement::Ack(&own)), Err(NotInForce::Signer(C)));
    for prev in [None, Some(digest("another act"))] {
        let (next, _) = deal.act(C, "/transfers/request", b"{}", prev);
        assert_eq!(check(Acknowledgement::Named(&next)), Err(NotInForce::NotAcknowledged));
    }
    let (own, _) = deal.act(P, "/transfers/request", b"{}", Some(act));
    assert_eq!(check(Acknowledgement::Named(&own)), Err(NotInForce::Signer(C)));

    let ok = Acknowledgement::Ack(&ack);
    assert_eq!(InForce::check(&signed, &token, b"{}", ok, deal.rings()), Err(NotInForce::NotTheAct));
    let (by_consumer, _) = deal.act(C, "/negotiations/c/events", &content, None);
    assert_eq!(InForce::check(&signed, &by_consumer, &content, ok, deal.rings()), Err(NotInForce::Signer(P)));
    let other = deal.finalized(digest("another agreement"));
    let (token, act) = deal.act(P, "/negotiations/c/events", &other, None);
    let ack = deal.ack(C, act, 200, b"");
    assert_eq!(
        InForce::check(&signed, &token, &other, Acknowledgement::Ack(&ack), deal.rings()),
        Err(NotInForce::OtherAgreement)
    );
    let swapped = Rings { provider: &deal.consumer.ring, consumer: &deal.provider.ring };
    assert!(InForce::check(&signed, &token, &content, ok, swapped).is_err());
}

/// The refusal of a closing act, as evidence.
fn refusal(deal: &Deal, by: Role, content: &[u8], code: Code) -> Verdict {
    let answer = messages::ContractNegotiationError {
        provider_pid: "p".into(),
        consumer_pid: "c".into(),
        code: Some(code.as_str().into()),
        reason: Vec::new(),
    };
    let answer = answer.to_bytes().unwrap();
    let sender = if by == P { C } else { P };
    let (token, act) = deal.act(sender, "/negotiations/x/events", content, None);
    let ack = deal.ack(by, act, 400, &answer);
    let refusal = Refusal { token: &token, content, ack: &ack, answer: &answer };
    let evidence = Evidence { refusal: Some(refusal), ..Evidence::default() };
    verdict(&deal.signed_by_both().to_jws(), deal.rings(), &evidence)
}

#[test]
fn verdicts() {
    // NEG-10.1 to NEG-10.6
    let deal = deal();
    let both = deal.signed_by_both();
    let jws = both.to_jws();
    let nothing = Evidence::default();
    assert_eq!(verdict(&jws, deal.rings(), &nothing), Verdict::SignedNotConcluded);
    let one = deal.provider_signed().to_jws();
    assert_eq!(verdict(&one, deal.rings(), &nothing), Verdict::OneSignature);
    let forged = Jws { signatures: Vec::from([jws.signatures[1].clone()]), ..jws.clone() };
    assert!(matches!(verdict(&forged, deal.rings(), &nothing), Verdict::Unsigned(_)));
    let other = changed(&deal.terms, "/shared/contract/retention_days", json!(30)).unwrap();
    let shown = Evidence { terms: Some(&other), ..nothing };
    assert_eq!(
        verdict(&jws, deal.rings(), &shown),
        Verdict::DiffersFromTerms("/shared/contract/retention_days".into())
    );
    let content = deal.finalized(both.digest());
    let (token, act) = deal.act(P, "/negotiations/c/events", &content, None);
    let finalized = Evidence { terms: Some(&deal.terms), finalized: Some((&token, &content)), ..nothing };
    assert_eq!(verdict(&jws, deal.rings(), &finalized), Verdict::SignedNotConcluded);
    let ack = deal.ack(C, act, 200, b"");
    let complete = Evidence { acknowledgement: Some(Acknowledgement::Ack(&ack)), ..finalized };
    assert!(matches!(verdict(&jws, deal.rings(), &complete), Verdict::InForce(_)));
    assert_eq!(verdict(&one, deal.rings(), &complete), Verdict::OneSignature);

    // FINALIZED or the verification refused by its receiver because the deadline was over.
    assert_eq!(refusal(&deal, C, &content, Code::Lapsed), Verdict::Lapsed);
    let verification = messages::ContractAgreementVerificationMessage {
        provider_pid: "p".into(),
        consumer_pid: "c".into(),
        dxp: Some(messages::VerificationMember { v: json::V1, signature: both.consumer_signature().clone() }),
    };
    assert_eq!(refusal(&deal, P, &verification.to_bytes().unwrap(), Code::Lapsed), Verdict::Lapsed);
    assert_eq!(refusal(&deal, C, &content, Code::IllegalState), Verdict::SignedNotConcluded);
    let other = deal.finalized(digest("another agreement"));
    assert_eq!(refusal(&deal, C, &other, Code::Lapsed), Verdict::SignedNotConcluded);
}

/// What a case of the vectors holds, as text.
#[derive(Default)]
struct Shown {
    finalized: Option<(String, Vec<u8>)>,
    ack: Option<String>,
    next: Option<String>,
    refusal: Option<(String, Vec<u8>, String, Vec<u8>)>,
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::InForce(_) => "in_force",
        Verdict::SignedNotConcluded => "signed_not_concluded",
        Verdict::Lapsed => "lapsed",
        Verdict::OneSignature => "one_signature",
        Verdict::DiffersFromTerms(_) => "differs_from_terms",
        Verdict::Unsigned(_) => "unsigned",
    }
}

/// Judges a case and writes it down.
fn case(deal: &Deal, name: &str, jws: &Jws, shown: &Shown, expected: &str) -> Value {
    let token =
        |text: &str, by: Role| jws::verify_compact::<Token>(text, &deal.party(by).signing.public()).unwrap();
    let ack =
        |text: &str, by: Role| jws::verify_compact::<Ack>(text, &deal.party(by).signing.public()).unwrap();
    let finalized = shown.finalized.as_ref().map(|(text, content)| (token(text, P), content));
    let (given, next) =
        (shown.ack.as_ref().map(|text| ack(text, C)), shown.next.as_ref().map(|text| token(text, C)));
    let refusal = shown
        .refusal
        .as_ref()
        .map(|(text, content, given, answer)| (token(text, P), content, ack(given, C), answer));
    let evidence = Evidence {
        terms: None,
        finalized: finalized.as_ref().map(|(token, content)| (token, content.as_slice())),
        acknowledgement: given
            .as_ref()
            .map(Acknowledgement::Ack)
            .or_else(|| next.as_ref().map(Acknowledgement::Named)),
        refusal: refusal.as_ref().map(|(token, content, ack, answer)| Refusal {
            token,
            content,
            ack,
            answer,
        }),
    };
    assert_eq!(word(&verdict(jws, deal.rings(), &evidence)), expected, "{name}");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut told = json!({"name": name, "agreement": jws, "verdict": expected, "finalized": null, "ack": shown.ack,
        "next": shown.next, "refusal": null});
    if let Some((token, content)) = &shown.finalized {
        told["finalized"] = json!({"token": token, "content": text(content)});
    }
    if let Some((token, content, ack, answer)) = &shown.refusal {
        told["refusal"] =
            json!({"token": token, "content": text(content), "ack": ack, "answer": text(answer)});
    }
    told
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn verdicts_are_those_of_the_vectors() {
    // NEG-8.1 to NEG-10.6
    let deal = deal();
    let both = deal.signed_by_both();
    let (two, one) = (both.to_jws(), deal.provider_signed().to_jws());
    let with = |signatures: &[usize]| Jws {
        payload: two.payload.clone(),
        signatures: signatures.iter().map(|at| two.signatures[*at].clone()).collect(),
    };
    let content = deal.finalized(both.digest());
    let (token, act) = deal.act_text(P, "/negotiations/c/events", &content, None);
    let finalized = Some((token.clone(), content.clone()));
    let ack = Some(deal.ack_text(C, act, 200, b""));
    let next = Some(deal.act_text(C, "/transfers/request", b"{}", Some(act)).0);
    let other = deal.finalized(digest("another agreement"));
    let (other_token, other_act) = deal.act_text(P, "/negotiations/c/events", &other, None);
    let answer = messages::ContractNegotiationError {
        provider_pid: "p".into(),
        consumer_pid: "c".into(),
        code: Some(Code::Lapsed.as_str().into()),
        reason: Vec::new(),
    };
    let answer = answer.to_bytes().unwrap();
    let refused = Some(deal.ack_text(C, act, 400, &answer));
    let lapse =
        |answer: &[u8]| Some((token.clone(), content.clone(), refused.clone().unwrap(), answer.to_vec()));
    let none = Shown::default;
    let cases = vec![
        case(&deal, "both signatures alone", &two, &none(), "signed_not_concluded"),
        case(&deal, "one signature", &one, &none(), "one_signature"),
        case(&deal, "the consumer's signature alone", &with(&[1]), &none(), "unsigned"),
        case(&deal, "the consumer's signature first", &with(&[1, 0]), &none(), "unsigned"),
        case(&deal, "one signature twice", &with(&[0, 0]), &none(), "one_signature"),
        case(&deal, "no signature", &with(&[]), &none(), "unsigned"),
        case(
            &deal,
            "FINALIZED, not acknowledged",
            &two,
            &Shown { finalized: finalized.clone(), ..none() },
            "signed_not_concluded",
        ),
        case(
            &deal,
            "acknowledged",
            &two,
            &Shown { finalized: finalized.clone(), ack: ack.clone(), ..none() },
            "in_force",
        ),
        case(
            &deal,
            "named by the next act",
            &two,
            &Shown { finalized: finalized.clone(), next, ..none() },
            "in_force",
        ),
        case(
            &deal,
            "one signature, acknowledged",
            &one,
            &Shown { finalized: finalized.clone(), ack: ack.clone(), ..none() },
            "one_signature",
        ),
        case(
            &deal,
            "FINALIZED refused",
            &two,
            &Shown { finalized: finalized.clone(), ack: refused.clone(), ..none() },
            "signed_not_concluded",
        ),
        case(
            &deal,
            "acknowledgement of another act",
            &two,
            &Shown { finalized, ack: Some(deal.ack_text(C, other_act, 200, b"")), ..none() },
            "signed_not_concluded",
        ),
        case(
            &deal,
            "FINALIZED of another agreement",
            &two,
            &Shown {
                finalized: Some((other_token, other)),
                ack: Some(deal.ack_text(C, other_act, 200, b"")),
                ..none()
            },
            "signed_not_concluded",
        ),
        case(&deal, "refused with lapsed", &two, &Shown { refusal: lapse(&answer), ..none() }, "lapsed"),
        case(
            &deal,
            "refused, but the answer shown is another",
            &two,
            &Shown { refusal: lapse(b"{}"), ..none() },
            "signed_not_concluded",
        ),
    ];
    let keys = |role| {
        let party = deal.party(role);
        json!({"did": party.did, "signing": party.signing.public()})
    };
    let about = "What may be concluded about an agreement (NEG-10) from its JWS and what else is shown: the FINALIZED act, the \
        consumer's acknowledgement of it or its next act, or a refusal of FINALIZED. Key set 1 of each party holds `signing`. \
        Every token and acknowledgement is well signed; what counts is what they say.";
    let file = json!({"about": about, "provider": keys(P), "consumer": keys(C), "digest": both.digest(),
        "finalized": act, "payload": String::from_utf8(two.payload_bytes().unwrap()).unwrap(), "cases": cases});
    vectors::same("agreement/verdicts.json", &file);
}
