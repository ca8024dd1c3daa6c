//! A deal between a real provider and a consumer made by hand, as far as a test needs it.

use naru_protocol::{
    agreement::Content,
    encoding::{Digest, Id, from_base64url},
    jws::{SignatureEntry, sign_entry},
    signature::SigningKey,
};
use serde_json::{Value, json};

use super::{
    Firm, Temp,
    hand::{Hand, message},
    harmless, now, policy, publish_under,
};

/// A real node that offers one dataset.
pub(crate) struct Provider {
    pub(crate) firm: Firm,
    pub(crate) dataset: String,
    pub(crate) temp: Temp,
}

impl Provider {
    pub(crate) async fn new() -> Self {
        Self::under(policy()).await
    }

    /// One that offers it under these terms.
    pub(crate) async fn under(policy: Value) -> Self {
        let temp = Temp::new();
        let firm = Firm::start(temp.join("provider"), "provider", "KR", None).await;
        let dataset = publish_under(&firm, &temp.join("source"), harmless(), policy).await;
        Self { firm, dataset, temp }
    }

    /// Terms that list these duties.
    pub(crate) async fn terms_with(&self, hand: &Hand, duties: &Value, conclude_by: u64) -> Value {
        let packs = self.firm.node().status().await.unwrap().packs;
        hand.terms(&packs, duties, conclude_by).await
    }

    /// Terms that the node allows: with the duties that its own evaluation of terms without any names (NEG-6.1).
    pub(crate) async fn terms(&self, hand: &Hand, conclude_by: u64) -> Value {
        let bare = self.terms_with(hand, &json!([]), now() + 3600).await;
        let (exchange, _) = hand.ask(&bare).await;
        hand.inbox(exchange, 1).await;
        let view = self.firm.until(&exchange.to_string(), |v| v.decision.is_some()).await;
        let duties = view.decision.unwrap()["result"]["obligations"].clone();
        assert_ne!(duties, json!([]));
        self.terms_with(hand, &duties, conclude_by).await
    }

    /// A request that the node answered with its agreement, taken by the peer.
    pub(crate) async fn agreed(&self, hand: &Hand, conclude_by: u64) -> Agreed {
        let terms = self.terms(hand, conclude_by).await;
        let (exchange, pid) = hand.ask(&terms).await;
        let (_, agreement) = hand.inbox(exchange, 1).await;
        assert_eq!(agreement["@type"], "ContractAgreementMessage", "{agreement}");
        self.firm.until(&exchange.to_string(), |v| v.state == "AGREED").await;
        Agreed { exchange, pid, own: hand.talk(exchange).pid, terms, agreement }
    }

    pub(crate) async fn size(&self) -> u64 {
        self.firm.node().status().await.unwrap().log_size
    }
}

/// A negotiation in AGREED.
pub(crate) struct Agreed {
    pub(crate) exchange: Id,
    /// The node's process id and the peer's own.
    pub(crate) pid: String,
    pub(crate) own: String,
    pub(crate) terms: Value,
    pub(crate) agreement: Value,
}

impl Agreed {
    fn payload(&self) -> Vec<u8> {
        from_base64url(self.agreement["dxp"]["agreement"]["payload"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.payload())
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/negotiations/{}/{rest}", self.pid)
    }

    pub(crate) fn content(&self) -> Content {
        serde_json::from_slice(&self.payload()).unwrap()
    }

    /// The second signature by whichever key, as if it were of that key set.
    pub(crate) fn signature(&self, ks: u32, key: &SigningKey) -> SignatureEntry {
        sign_entry(&self.content(), ks, key).unwrap().1
    }

    pub(crate) fn verification_with(&self, signature: &SignatureEntry) -> Value {
        let extra = json!({"dxp": {"v": 1, "signature": signature}});
        message("ContractAgreementVerificationMessage", &self.pid, &self.own, extra)
    }

    /// The verification under the peer's own signature.
    pub(crate) fn verification(&self, hand: &Hand) -> Value {
        self.verification_with(&self.signature(1, &hand.desk.signing))
    }

    /// Countersigns and takes FINALIZED; gives its act's digest.
    pub(crate) async fn conclude(&self, hand: &Hand) -> Digest {
        let body = self.verification(hand);
        hand.act(self.exchange, &self.path("agreement/verification"), &body).await.accepted(200);
        let (finalized, said) = hand.inbox(self.exchange, 2).await;
        assert_eq!(said["eventType"], "FINALIZED");
        assert_eq!(said["dxp"]["agreement"], json!(self.digest()));
        finalized.digest().unwrap()
    }
}
