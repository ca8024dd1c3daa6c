//! A provider that does not show its log, or shows another history than before, to a consumer that is to fetch data (spec
//! chapter 07b, TRF-5.2 and TRF-5.3). The provider is made by hand; the consumer is a real node.

use std::path::PathBuf;

use crate::common::{
    Firm, Temp,
    hand::{Hand, decision, message},
    settled,
};
use naru_protocol::{
    agreement::{Content, Decisions, Jws},
    encoding::{Digest, Id, to_base64url},
    json::{self, V1},
    jws::sign_entry,
};
use serde_json::{Value, json};

/// A consumer whose transfer under a concluded deal waits for the start.
struct Waiting {
    firm: Firm,
    hand: Hand,
    terms: Value,
    transfer: Id,
    out: PathBuf,
    _temp: Temp,
}

impl Waiting {
    async fn new() -> Self {
        let temp = Temp::new();
        let firm = Firm::start(temp.join("consumer"), "consumer", "SG", None).await;
        let hand = Hand::paired_from(&firm, "KR").await;
        let dataset = hand.offer_dataset();
        let out = temp.join("out");
        let asked = firm.request(&hand.did(), &dataset, Some(out.clone())).await.unwrap();
        let exchange = Id::parse(&asked.id).unwrap();
        let (_, request) = hand.inbox(exchange, 1).await;
        firm.until(&asked.id, |v| v.state == "REQUESTED").await;
        let terms = request["dxp"]["terms"].clone();
        let content = Content {
            v: V1,
            terms: serde_json::from_value(terms.clone()).unwrap(),
            decisions: Decisions {
                provider: serde_json::from_value(decision(&terms, "exporter")).unwrap(),
                consumer: serde_json::from_value(request["dxp"]["decision"].clone()).unwrap(),
            },
        };
        let (payload, entry) = sign_entry(&content, 1, &hand.desk.signing).unwrap();
        let jws = Jws { payload: to_base64url(&payload), signatures: vec![entry] };
        let proposed = Digest::of(&json::canonical(&terms).unwrap());
        let talk = hand.talk(exchange);
        let path = |rest: &str| format!("/negotiations/{}/{rest}", talk.theirs);
        let dxp = json!({"v": 1, "terms": proposed, "agreement": jws});
        let extra = json!({"agreement": terms["agreement"], "dxp": dxp});
        let body = message("ContractAgreementMessage", &talk.pid, &talk.theirs, extra);
        hand.act(exchange, &path("agreement"), &body).await.accepted(200);
        hand.inbox(exchange, 2).await;
        let dxp = json!({"v": 1, "agreement": Digest::of(&payload)});
        let extra = json!({"eventType": "FINALIZED", "dxp": dxp});
        let body = message("ContractNegotiationEventMessage", &talk.pid, &talk.theirs, extra);
        hand.act(exchange, &path("events"), &body).await.accepted(200);
        let transfer = hand.called("TransferRequestMessage").await;
        firm.until(&transfer.to_string(), |v| v.state == "REQUESTED").await;
        Self { firm, hand, terms, transfer, out, _temp: temp }
    }

    /// Starts the transfer; gives what the consumer answers with.
    async fn start(&self) -> Value {
        let talk = self.hand.talk(self.transfer);
        let mut own = decision(&self.terms, "exporter");
        own["phase"] = json!("transfer");
        let extra = json!({"dxp": {"v": 1, "decision": own}});
        let start = message("TransferStartMessage", &talk.pid, &talk.theirs, extra);
        let path = format!("/transfers/{}/start", talk.theirs);
        self.hand.act(self.transfer, &path, &start).await.accepted(200);
        self.hand.inbox(self.transfer, 2).await.1
    }

    /// Nothing was fetched, nothing receipted, and both sides know why.
    async fn gave_up(&self, said: &Value) {
        assert_eq!(said["@type"], "TransferTerminationMessage", "{said}");
        assert_eq!((said["code"].as_str(), said["dxp"]["code"].as_str()), (Some("omitted"), Some("omitted")));
        let view = self.firm.until(&self.transfer.to_string(), settled).await;
        assert_eq!((view.state.as_str(), view.receipt), ("TERMINATED", None));
        assert_eq!(view.refusal.unwrap().code, "omitted");
        assert!(!self.out.exists() || self.out.read_dir().unwrap().next().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_a_provider_that_withholds_its_entries() {
    // TRF-5.2, TRF-5.3
    let waiting = Waiting::new().await;
    waiting.hand.manners(|m| m.hides_entries = true);
    let said = waiting.start().await;
    waiting.gave_up(&said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_a_provider_whose_log_has_another_past_than_before() {
    // TRF-5.2, TRF-5.3, LOG-5.6: every act is in the log that it shows now, and this log does not extend the one of before.
    let waiting = Waiting::new().await;
    waiting.hand.forks();
    let said = waiting.start().await;
    waiting.gave_up(&said).await;
}
