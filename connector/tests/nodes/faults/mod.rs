//! What a peer may do wrong on the wire, and what a node makes of it: a clear code, signed where it is final, and nothing
//! half done (spec chapters 03, 06, 07 and 08). The peer is made by hand; the node is real.

mod consumer;
mod history;
mod provider;

use crate::common::{
    Firm, Temp,
    hand::{Hand, message},
    harmless, now, publish,
};
use naru_protocol::{
    agreement::Content,
    encoding::{Digest, Id, from_base64url},
    jws::{SignatureEntry, sign_entry},
    signature::SigningKey,
};
use serde_json::{Value, json};

/// A real node that offers one dataset.
struct Seller {
    firm: Firm,
    temp: Temp,
}

impl Seller {
    async fn new() -> Self {
        let temp = Temp::new();
        let firm = Firm::start(temp.join("seller"), "seller", "KR", None).await;
        publish(&firm, &temp.join("source"), harmless()).await;
        Self { firm, temp }
    }

    /// The duties that terms must list, as the node's own evaluation of a request without any names them (NEG-6.1).
    async fn duties(&self, hand: &Hand) -> Value {
        let packs = self.firm.node().status().await.unwrap().packs;
        let (exchange, _) = hand.ask(&hand.terms(&packs, &json!([]), now() + 3600).await).await;
        let (_, said) = hand.inbox(exchange, 1).await;
        assert_eq!(said["@type"], "ContractOfferMessage", "{said}");
        said["dxp"]["terms"]["obligations"].clone()
    }

    /// Terms that the node allows.
    async fn terms(&self, hand: &Hand, conclude_by: u64) -> Value {
        let packs = self.firm.node().status().await.unwrap().packs;
        hand.terms(&packs, &self.duties(hand).await, conclude_by).await
    }

    /// A request that the node answered with its agreement, taken by the peer.
    async fn agreed(&self, hand: &Hand, conclude_by: u64) -> Deal {
        let terms = self.terms(hand, conclude_by).await;
        let (exchange, pid) = hand.ask(&terms).await;
        let (_, agreement) = hand.inbox(exchange, 1).await;
        assert_eq!(agreement["@type"], "ContractAgreementMessage", "{agreement}");
        assert_eq!(self.firm.until(&exchange.to_string(), |v| v.state == "AGREED").await.state, "AGREED");
        Deal { exchange, pid, own: hand.talk(exchange).pid, agreement }
    }

    async fn size(&self) -> u64 {
        self.firm.node().status().await.unwrap().log_size
    }
}

/// A deal of a consumer made by hand.
struct Deal {
    exchange: Id,
    pid: String,
    own: String,
    agreement: Value,
}

impl Deal {
    fn content(&self) -> Content {
        let payload =
            from_base64url(self.agreement["dxp"]["agreement"]["payload"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    fn digest(&self) -> Digest {
        let payload =
            from_base64url(self.agreement["dxp"]["agreement"]["payload"].as_str().unwrap()).unwrap();
        Digest::of(&payload)
    }

    fn path(&self, rest: &str) -> String {
        format!("/negotiations/{}/{rest}", self.pid)
    }

    fn verification(&self, signature: &SignatureEntry) -> Value {
        let extra = json!({"dxp": {"v": 1, "signature": signature}});
        message("ContractAgreementVerificationMessage", &self.pid, &self.own, extra)
    }

    fn signature(&self, ks: u32, key: &SigningKey) -> SignatureEntry {
        sign_entry(&self.content(), ks, key).unwrap().1
    }

    /// Countersigns and takes FINALIZED.
    async fn conclude(&self, hand: &Hand) -> Digest {
        let verification = self.verification(&self.signature(1, &hand.desk.signing));
        hand.act(self.exchange, &self.path("agreement/verification"), &verification).await.accepted(200);
        let (finalized, said) = hand.inbox(self.exchange, 2).await;
        assert_eq!(said["eventType"], "FINALIZED");
        assert_eq!(said["dxp"]["agreement"], json!(self.digest()));
        finalized.digest().unwrap()
    }
}
