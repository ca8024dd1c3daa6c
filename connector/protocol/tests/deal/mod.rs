//! Two parties and one deal between them, with real keys, for the tests of this folder.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a test may panic")]

use naru_protocol::{
    act::{Ack, Act, Method, Path, Token, issue_ack, issue_token},
    agreement::{Acknowledgement, Decisions, InForce, ProviderSigned, Rings, SignedByBoth},
    dsp::{Message, datetime, negotiation as messages, odrl},
    encoding::{Digest, Id},
    exchange::Role,
    identity::{Country, Did, KeyRing, KeySet, verify_key_set},
    json::{self, V1},
    jws::{self, Verified},
    permit::{EvaluationRecord, Expectation, Input, Permit},
    signature::SigningKey,
    terms::{Decision, Obligation, Pack, Party, Phase, Setting, Side, Terms},
};
use serde_json::{Value, json};

/// Time of the draft.
pub(crate) const DRAFT: u64 = 1_795_439_812;
/// Deadline of the terms.
pub(crate) const DEADLINE: u64 = DRAFT + 3600;
/// Dataset of the deal.
pub(crate) const DATASET: &str = "urn:dxp:000102030405060708090a0b0c0d0e0f";

/// A participant with one key set, number 1.
pub(crate) struct Participant {
    pub(crate) did: Did,
    pub(crate) root: SigningKey,
    pub(crate) signing: SigningKey,
    pub(crate) ring: KeyRing,
}

impl Participant {
    /// Keys from five seeds that begin at `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let key = |offset: u8| SigningKey::from_seed(&[seed + offset; 32]);
        let (root, signing) = (key(0), key(1));
        let did = Did::of(root.public());
        let mut ring = KeyRing::new(did);
        let set = KeySet {
            v: V1,
            iss: did,
            number: 1,
            signing: signing.public(),
            log: key(2).public(),
            transport: key(3).public(),
            witness: key(4).public(),
            valid_from: 0,
            revoked: Vec::new(),
        };
        let text = jws::sign_compact(&set, 0, &root).unwrap();
        ring.accept(&verify_key_set(&text).unwrap()).unwrap();
        Self { did, root, signing, ring }
    }
}

/// Both parties and what they deal about.
pub(crate) struct Deal {
    pub(crate) provider: Participant,
    pub(crate) consumer: Participant,
    pub(crate) terms: Terms,
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn packs() -> Vec<Pack> {
    ["core", "kr", "sg"].map(|name| Pack { name: name.into(), digest: digest(name) }).into()
}

pub(crate) fn duty(id: &str, on: Role) -> Obligation {
    let after = "completion".to_string();
    Obligation { id: id.into(), duty: "delete".into(), on, after, within: Some(86_400) }
}

/// The DSP agreement object of the deal.
pub(crate) fn agreement_object(provider: &Did, consumer: &Did) -> Value {
    json!({
        "@id": "urn:dxp:agreement:1",
        "@type": "Agreement",
        "target": DATASET,
        "assigner": provider.to_string(),
        "assignee": consumer.to_string(),
        "timestamp": datetime::to_date_time(DRAFT),
        "permission": [{"action": "use", "constraint": [
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["quality_analysis"]},
        ]}],
    })
}

pub(crate) fn deal() -> Deal {
    let (provider, consumer) = (Participant::new(10), Participant::new(20));
    let party = |who: &Participant, name| Party { did: who.did, statement: digest(name), keys: 1 };
    let terms = Terms {
        v: V1,
        provider: party(&provider, "statement of the provider"),
        consumer: party(&consumer, "statement of the consumer"),
        agreement: odrl::Agreement::from_value(agreement_object(&provider.did, &consumer.did)).unwrap(),
        listing: digest("listing"),
        content_root: digest("content root"),
        packs: packs(),
        shared: json!({
            "dataset": {"id": DATASET, "categories": ["industrial"]},
            "provider": {"id": provider.did.to_string(), "country": "KR"},
            "consumer": {"id": consumer.did.to_string(), "country": "SG"},
            "contract": {"purposes": ["quality_analysis"], "retention_days": 365},
        }),
        lanes: Vec::from(["KR", "SG"].map(|country| Country::parse(country).unwrap())),
        obligations: Vec::from([duty("POST-RET-001", Role::Consumer)]),
        conclude_by: DEADLINE,
    };
    Deal { provider, consumer, terms }
}

/// The result object of an evaluation that allows and finds these duties and delegations.
pub(crate) fn result(obligations: &[Obligation], delegated: &[(&str, Side)], packs: &[Pack]) -> Value {
    let used: Vec<Value> =
        packs.iter().map(|pack| json!({"name": pack.name, "revision": "1", "digest": pack.digest})).collect();
    let delegated: Vec<Value> =
        delegated.iter().map(|(id, evaluator)| json!({"id": id, "evaluator": evaluator})).collect();
    json!({
        "allow": true, "visible": null, "deny": [], "undetermined": [], "delegated": delegated,
        "obligations": obligations, "basis": [], "packs": used,
    })
}

pub(crate) fn private(side: Side) -> Digest {
    match side {
        Side::Exporter => digest("private facts of the exporter"),
        Side::Importer => digest("private facts of the importer"),
    }
}

/// A record over the terms with this result.
pub(crate) fn record(terms: &Terms, side: Side, phase: Phase, result: Value) -> EvaluationRecord {
    let input = Input { shared: json::digest_of(&terms.shared).unwrap(), private: private(side) };
    EvaluationRecord { v: V1, input, packs: terms.packs.clone(), phase, side, result }
}

impl Deal {
    pub(crate) fn rings(&self) -> Rings<'_> {
        Rings { provider: &self.provider.ring, consumer: &self.consumer.ring }
    }

    pub(crate) fn party(&self, role: Role) -> &Participant {
        match role {
            Role::Provider => &self.provider,
            Role::Consumer => &self.consumer,
        }
    }

    pub(crate) fn setting(&self) -> Setting {
        Setting::of(&self.terms).unwrap()
    }

    /// What a record of this side must say.
    pub(crate) fn expectation(&self, role: Role, phase: Phase) -> Expectation {
        let side = Side::of(role);
        match phase {
            Phase::Negotiation => Expectation::negotiation(&self.terms, role, private(side)).unwrap(),
            Phase::Transfer | Phase::Catalog | Phase::Monitor => {
                let shared = json::digest_of(&self.terms.shared).unwrap();
                let input = Input { shared, private: private(side) };
                Expectation::transfer(&self.terms, role, input, packs()).unwrap()
            }
        }
    }

    pub(crate) fn record(&self, role: Role, phase: Phase) -> Vec<u8> {
        let result = result(&self.terms.obligations, &[], &self.terms.packs);
        record(&self.terms, Side::of(role), phase, result).to_bytes().unwrap()
    }

    pub(crate) fn permit(&self, role: Role, phase: Phase) -> Permit {
        Permit::check(&self.record(role, phase), &self.expectation(role, phase)).unwrap()
    }

    pub(crate) fn decision(&self, role: Role) -> Decision {
        let salted = digest("salted private digest");
        self.permit(role, Phase::Negotiation).decision(salted, DRAFT + 1, "auto".into())
    }

    pub(crate) fn decisions(&self) -> Decisions {
        Decisions { provider: self.decision(Role::Provider), consumer: self.decision(Role::Consumer) }
    }

    pub(crate) fn provider_signed(&self) -> ProviderSigned {
        let permit = self.permit(Role::Provider, Phase::Negotiation);
        let key = (1, &self.provider.signing);
        ProviderSigned::sign(self.terms.clone(), self.decisions(), &permit, key, DRAFT + 2).unwrap()
    }

    pub(crate) fn signed_by_both(&self) -> SignedByBoth {
        let permit = self.permit(Role::Consumer, Phase::Negotiation);
        self.provider_signed().countersign(&permit, (1, &self.consumer.signing), DRAFT + 3).unwrap()
    }

    /// A signed act: the text of its token, and the digest of the act.
    pub(crate) fn act_text(
        &self,
        by: Role,
        path: &str,
        body: &[u8],
        prev: Option<Digest>,
    ) -> (String, Digest) {
        let (from, to) = match by {
            Role::Provider => (&self.provider, &self.consumer),
            Role::Consumer => (&self.consumer, &self.provider),
        };
        let act = Act {
            v: V1,
            msg: Id([by as u8; 16]),
            iss: from.did,
            aud: to.did,
            exchange: Id([7; 16]),
            method: Method::Post,
            path: Path::parse(path).unwrap(),
            body: Digest::of(body),
            prev,
        };
        let token = Token::for_act(&act, "checkpoint".into(), 1, DRAFT + 4);
        (issue_token(&token, 1, &from.signing).unwrap(), act.digest().unwrap())
    }

    /// The same with the token verified.
    pub(crate) fn act(
        &self,
        by: Role,
        path: &str,
        body: &[u8],
        prev: Option<Digest>,
    ) -> (Verified<Token>, Digest) {
        let (text, act) = self.act_text(by, path, body, prev);
        (jws::verify_compact(&text, &self.party(by).signing.public()).unwrap(), act)
    }

    /// The text of an acknowledgement.
    pub(crate) fn ack_text(&self, by: Role, act: Digest, status: u16, answer: &[u8]) -> String {
        let (from, to) = match by {
            Role::Provider => (&self.provider, &self.consumer),
            Role::Consumer => (&self.consumer, &self.provider),
        };
        let ack = Ack {
            v: V1,
            iss: from.did,
            aud: to.did,
            act,
            status,
            answer: Digest::of(answer),
            index: 2,
            checkpoint: "checkpoint".into(),
        };
        issue_ack(&ack, 1, &from.signing).unwrap()
    }

    /// The same, verified.
    pub(crate) fn ack(&self, by: Role, act: Digest, status: u16, answer: &[u8]) -> Verified<Ack> {
        let text = self.ack_text(by, act, status, answer);
        jws::verify_compact(&text, &self.party(by).signing.public()).unwrap()
    }

    /// Content of FINALIZED over this agreement.
    pub(crate) fn finalized(&self, agreement: Digest) -> Vec<u8> {
        let message = messages::ContractNegotiationEventMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            event_type: messages::EventType::Finalized,
            dxp: Some(messages::EventMember::finalized(agreement)),
        };
        message.to_bytes().unwrap()
    }

    /// The agreement in force.
    pub(crate) fn in_force(&self) -> InForce {
        let signed = self.signed_by_both();
        let content = self.finalized(signed.digest());
        let (token, act) = self.act(Role::Provider, "/negotiations/c/events", &content, None);
        let ack = self.ack(Role::Consumer, act, 200, b"");
        InForce::check(&signed, &token, &content, Acknowledgement::Ack(&ack), self.rings()).unwrap()
    }
}
