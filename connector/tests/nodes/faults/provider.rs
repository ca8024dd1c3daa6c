//! A provider made by hand against a real consumer.

use naru_protocol::{
    agreement::{Content, Decisions, Jws},
    encoding::{Digest, Id, to_base64url},
    jws::sign_entry,
    signature::SigningKey,
};
use serde_json::{Value, json};

use crate::common::{
    Firm, Temp,
    hand::{Hand, decision, message},
    settled,
};

/// A real consumer and a provider made by hand.
struct Buyer {
    firm: Firm,
    hand: Hand,
    temp: Temp,
    dataset: String,
}

/// What the provider received: a request over these terms.
struct Asked {
    exchange: Id,
    terms: Value,
    theirs: Value,
    own_pid: String,
    their_pid: String,
}

impl Buyer {
    async fn new() -> Self {
        let temp = Temp::new();
        let firm = Firm::start(temp.join("buyer"), "buyer", "SG", None).await;
        let hand = Hand::paired_from(&firm, "KR").await;
        let dataset = hand.offer_dataset();
        Self { firm, hand, temp, dataset }
    }

    async fn asks(&self, out: Option<std::path::PathBuf>) -> Asked {
        let view = self.firm.request(&self.hand.did(), &self.dataset, out).await.unwrap();
        let exchange = Id::parse(&view.id).unwrap();
        let (_, request) = self.hand.inbox(exchange, 1).await;
        self.firm.until(&view.id, |v| v.state == "REQUESTED").await;
        let talk = self.hand.talk(exchange);
        Asked {
            exchange,
            terms: request["dxp"]["terms"].clone(),
            theirs: request["dxp"]["decision"].clone(),
            own_pid: talk.pid,
            their_pid: talk.theirs,
        }
    }
}

impl Asked {
    fn path(&self, rest: &str) -> String {
        format!("/negotiations/{}/{rest}", self.their_pid)
    }

    /// The agreement over `terms`, signed with `key`.
    fn agreement(&self, terms: &Value, key: &SigningKey) -> (Value, Digest) {
        let parsed = serde_json::from_value(terms.clone()).unwrap();
        let provider = serde_json::from_value(decision(terms, "exporter")).unwrap();
        let consumer = serde_json::from_value(self.theirs.clone()).unwrap();
        let content = Content {
            v: naru_protocol::json::V1,
            terms: parsed,
            decisions: Decisions { provider, consumer },
        };
        let (payload, entry) = sign_entry(&content, 1, key).unwrap();
        let jws = Jws { payload: to_base64url(&payload), signatures: vec![entry] };
        let digest = Digest::of(&naru_protocol::json::canonical(&self.terms).unwrap());
        let extra =
            json!({"agreement": terms["agreement"], "dxp": {"v": 1, "terms": digest, "agreement": jws}});
        let body = message("ContractAgreementMessage", &self.own_pid, &self.their_pid, extra);
        (body, Digest::of(&payload))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_over_other_terms_or_under_a_wrong_signature_is_not_countersigned() {
    // NEG-8.4, NEG-8.6, NEG-3.4, NEG-8.3
    let buyer = Buyer::new().await;
    let hand = &buyer.hand;
    let asked = buyer.asks(None).await;
    let mut other = asked.terms.clone();
    other["obligations"] = json!([]);
    let (in_payload, _) = asked.agreement(&other, &hand.desk.signing);
    let (mut in_text, _) = asked.agreement(&asked.terms, &hand.desk.signing);
    in_text["agreement"]["permission"][0]["constraint"] = json!([]);
    let (mut in_void, _) = asked.agreement(&asked.terms, &hand.desk.signing);
    in_void["dxp"]["terms"] = json!(Digest::of(b"older"));
    let (forged, _) = asked.agreement(&asked.terms, &hand.desk.log);
    let (mut unsigned, _) = asked.agreement(&asked.terms, &hand.desk.signing);
    unsigned["dxp"]["agreement"]["signatures"] = json!([]);
    let (mut twice, _) = asked.agreement(&asked.terms, &hand.desk.signing);
    let first = twice["dxp"]["agreement"]["signatures"][0].clone();
    twice["dxp"]["agreement"]["signatures"] = json!([first, first]);
    for (name, wrong) in [
        ("payload", in_payload),
        ("text", in_text),
        ("void", in_void),
        ("forged", forged),
        ("unsigned", unsigned),
        ("twice", twice),
    ] {
        let answer = hand.act(asked.exchange, &asked.path("agreement"), &wrong).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.json());
        assert!(answer.ack.is_some(), "{name}: {}", answer.json());
        assert_eq!(hand.state(&asked.their_pid).await, "REQUESTED", "{name}");
    }
    let (good, digest) = asked.agreement(&asked.terms, &hand.desk.signing);
    hand.act(asked.exchange, &asked.path("agreement"), &good).await.accepted(200);
    let (_, verification) = hand.inbox(asked.exchange, 2).await;
    assert_eq!(verification["@type"], "ContractAgreementVerificationMessage");
    // FINALIZED over another agreement is refused, over this one it puts it in force.
    for (named, status) in [(Digest::of(b"other"), 400), (digest, 200)] {
        let extra = json!({"eventType": "FINALIZED", "dxp": {"v": 1, "agreement": named}});
        let body = message("ContractNegotiationEventMessage", &asked.own_pid, &asked.their_pid, extra);
        assert_eq!(hand.act(asked.exchange, &asked.path("events"), &body).await.status, status);
    }
    let view = buyer.firm.until(&asked.exchange.to_string(), settled).await;
    assert_eq!((view.state.as_str(), view.in_force), ("FINALIZED", Some(digest.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_withholds_its_entries_is_told_so_and_nothing_is_fetched() {
    // LOG-5.6: `omitted`, no receipt.
    let buyer = Buyer::new().await;
    let hand = &buyer.hand;
    let out = buyer.temp.join("out");
    let asked = buyer.asks(Some(out.clone())).await;
    let (agreement, digest) = asked.agreement(&asked.terms, &hand.desk.signing);
    hand.act(asked.exchange, &asked.path("agreement"), &agreement).await.accepted(200);
    hand.inbox(asked.exchange, 2).await;
    let extra = json!({"eventType": "FINALIZED", "dxp": {"v": 1, "agreement": digest}});
    let body = message("ContractNegotiationEventMessage", &asked.own_pid, &asked.their_pid, extra);
    hand.act(asked.exchange, &asked.path("events"), &body).await.accepted(200);
    let transfer = hand.called("TransferRequestMessage").await;
    buyer.firm.until(&transfer.to_string(), |v| v.state == "REQUESTED").await;
    hand.manners(|m| m.hides_entries = true);
    let talk = hand.talk(transfer);
    let mut own = decision(&asked.terms, "exporter");
    own["phase"] = json!("transfer");
    let start =
        message("TransferStartMessage", &talk.pid, &talk.theirs, json!({"dxp": {"v": 1, "decision": own}}));
    hand.act(transfer, &format!("/transfers/{}/start", talk.theirs), &start).await.accepted(200);
    let (_, said) = hand.inbox(transfer, 2).await;
    assert_eq!(
        (said["@type"].as_str(), said["code"].as_str()),
        (Some("TransferTerminationMessage"), Some("omitted"))
    );
    let view = buyer.firm.until(&transfer.to_string(), settled).await;
    assert_eq!((view.state.as_str(), view.receipt), ("TERMINATED", None));
    assert_eq!(view.refusal.unwrap().code, "omitted");
    assert!(!out.join("a.txt").exists());
}
