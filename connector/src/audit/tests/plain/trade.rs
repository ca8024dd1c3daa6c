//! One export of a deal with a peer that signs nothing, made with the core's types alone, and what may be recorded otherwise.

use std::{fs, path::PathBuf};

use naru_protocol::{
    act::{Method, Path as Target},
    dsp::{
        Message as _,
        negotiation::{
            ContractAgreementMessage, ContractAgreementVerificationMessage, ContractNegotiationEventMessage,
            ContractNegotiationTerminationMessage, ContractRequestMessage, EventType,
        },
        odrl,
        transfer::{
            TransferCompletionMessage, TransferRequestMessage, TransferStartMessage,
            TransferTerminationMessage,
        },
    },
    encoding::{Digest, Id, to_base64url},
    exchange::Role,
    json::V1,
    jws::sign_compact,
    log::entry::{EntryDraft, EntryType, ExchangeKey, FieldKey, Lane, LaneKey, Side as Half},
    plain::{PlainAct, UnsignedTerms},
    terms::{Phase, Side},
};
use serde_json::{Value, json as object};

use super::super::{
    Actor, Evaluated, NOW, Report, anchors, deal, engine, key, pack_files, packs_of, scratch, verify,
};
use crate::node::facts;

pub(super) const PEER: &str = "urn:connector:partner";
pub(super) const ADDRESS: &str = "https://partner.example/dsp";

/// How far a deal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    Requested,
    Agreed,
    Finalized,
    Started,
    Completed,
}

/// What is recorded otherwise than it must be; each does nothing by itself.
pub(super) struct Twist {
    /// The field `unsigned` of every entry.
    pub(super) mark: Option<Value>,
    /// The field `peer` of every entry.
    pub(super) peer: &'static str,
    /// The document of the agreement, after its decision was made.
    pub(super) terms: fn(&mut UnsignedTerms),
    /// The document that is judged at negotiation.
    pub(super) judged: fn(&mut Value),
    /// `agreementId` of the transfer request.
    pub(super) under: Option<&'static str>,
    /// Who vouches for the peer in evaluations.
    pub(super) vouches: &'static str,
    /// Who signed, by the evaluation at the transfer.
    pub(super) signers: fn(&UnsignedTerms) -> Value,
    /// Names decision and agreement in the entries of the negotiation.
    pub(super) names: [bool; 2],
    /// Names the agreement in the entries of transfers.
    pub(super) named: bool,
    /// What FINALIZED names.
    pub(super) finalized: Option<Digest>,
}

impl Default for Twist {
    fn default() -> Self {
        Self {
            mark: Some(object!(true)),
            peer: PEER,
            terms: |_| {},
            judged: |_| {},
            under: None,
            vouches: "secret",
            signers: |_| object!([]),
            names: [true; 2],
            named: true,
            finalized: None,
        }
    }
}

/// One export of a deal with the peer.
pub(super) struct Trade {
    pub(super) owner: Actor,
    pub(super) role: Role,
    pub(super) negotiation: Id,
    pub(super) transfer: Id,
    /// Which transfer the next one is.
    pub(super) number: u8,
    pub(super) terms: UnsignedTerms,
    pub(super) agreement: Digest,
    pub(super) evaluations: Vec<Digest>,
    /// Digests of the messages so far.
    pub(super) acts: Vec<Digest>,
    pub(super) mark: Option<Value>,
    pub(super) peer: &'static str,
    pub(super) dir: PathBuf,
}

impl Drop for Trade {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The document that policy is asked about.
pub(super) fn shared(offered: &Value, provider: &facts::Party, consumer: &facts::Party) -> Value {
    let wanted = facts::Use { purpose: "quality_analysis".to_owned(), countries: vec!["SG".to_owned()] };
    let core = engine().packs().find(|pack| pack.name == "core").unwrap();
    facts::shared(offered, &deal::policy("Offer"), provider, consumer, &wanted, &core.revision, NOW).unwrap()
}

impl Trade {
    pub(super) fn new(name: &str, role: Role, until: Until, twist: &Twist) -> Self {
        let mut trade = Self::draft(name, role, twist);
        trade.request();
        if until >= Until::Agreed {
            trade.agree(twist);
        }
        if until >= Until::Finalized {
            trade.finalize(twist);
        }
        if until >= Until::Started {
            trade.begin(twist);
        }
        if until >= Until::Completed {
            trade.complete();
        }
        trade
    }

    pub(super) fn plain(name: &str, role: Role, until: Until) -> Self {
        Self::new(name, role, until, &Twist::default())
    }

    /// Parties, listing, evaluation and terms; no message yet.
    pub(super) fn draft(name: &str, role: Role, twist: &Twist) -> Self {
        let (seed, country, other) = if role == Role::Provider { (1, "KR", "SG") } else { (2, "SG", "KR") };
        let mut owner = Actor::new(seed, country);
        let party = |did: String, country: &str| facts::Party {
            did,
            country: country.to_owned(),
            size: "sme".to_owned(),
            declared: Default::default(),
        };
        let (own, peer) = (party(owner.did.to_string(), country), party(PEER.to_owned(), other));
        let (provider, consumer) = if role == Role::Provider { (own, peer) } else { (peer, own) };
        let offered = deal::listing(&owner);
        let shared = shared(&offered.facts, &provider, &consumer);
        let mut agreement = deal::policy("Agreement");
        agreement["@id"] = object!("urn:agreement:1");
        agreement["target"] = object!(deal::DATASET);
        agreement["assigner"] = object!(provider.did);
        agreement["assignee"] = object!(consumer.did);
        let mut terms = UnsignedTerms {
            v: V1,
            exchange: Id([52; 16]),
            provider: provider.did,
            consumer: consumer.did,
            agreement: odrl::Agreement::from_value(agreement).unwrap(),
            listing: None,
            shared,
            packs: packs_of(engine()),
            obligations: vec![],
        };
        if role == Role::Provider {
            let jws = sign_compact(&offered, 1, &key(seed, 1)).unwrap();
            let digest = Digest::of(jws.as_bytes());
            owner.files.insert(format!("statements/{digest}.jws"), jws.into_bytes());
            terms.listing = Some(digest);
        }
        pack_files(&mut owner);
        let mut trade = Self {
            owner,
            role,
            negotiation: terms.exchange,
            transfer: Id([53; 16]),
            number: 1,
            agreement: Digest::of(b""),
            terms,
            evaluations: vec![],
            acts: vec![],
            mark: twist.mark.clone(),
            peer: twist.peer,
            dir: scratch(name),
        };
        let mut judged = trade.terms.shared.clone();
        (twist.judged)(&mut judged);
        let made = trade.judge(&judged, Phase::Negotiation, twist);
        trade.terms.obligations = serde_json::from_value(made.record.result["obligations"].clone()).unwrap();
        (twist.terms)(&mut trade.terms);
        trade.agreement = trade.terms.digest().unwrap();
        trade
    }

    pub(super) fn judge(&mut self, shared: &Value, phase: Phase, twist: &Twist) -> Evaluated {
        let (side, by) = match self.role {
            Role::Provider => (Side::Exporter, ["operator", twist.vouches]),
            Role::Consumer => (Side::Importer, [twist.vouches, "operator"]),
        };
        let host = (&(twist.signers)(&self.terms), self.number);
        let made = Evaluated::hosted(shared, (phase, side), by, host);
        made.shown_by(&mut self.owner);
        self.evaluations.push(made.digest);
        made
    }

    /// One message, by us or by the peer, with its entry and its file.
    pub(super) fn message(
        &mut self,
        by: Role,
        exchange: Id,
        (path, kind): (&str, EntryType),
        content: &[u8],
        fields: &[(&str, Value)],
        (status, answer): (u16, &[u8]),
    ) -> Digest {
        let sent = by == self.role;
        let (own, peer) = (self.owner.did.to_string(), PEER.to_owned());
        let (from, to) = if sent { (own, peer) } else { (peer, own) };
        let act = PlainAct {
            v: V1,
            msg: Id([u8::try_from(self.acts.len()).unwrap() + 1; 16]),
            from,
            to,
            exchange,
            method: Method::Post,
            path: Target::parse(path).unwrap(),
            body: Digest::of(content),
        };
        let digest = act.digest().unwrap();
        let mut draft = EntryDraft::sent(kind, exchange, act.msg, digest, NOW);
        if !sent {
            draft.side = Half::Received;
            draft.status = Some(status);
            draft.answer = Some(Digest::of(answer));
        }
        let salt = || FieldKey::Exchange(ExchangeKey::from_bytes([9; 32]));
        draft.field("peer", object!(self.peer), salt());
        if let Some(mark) = &self.mark {
            draft.field("unsigned", mark.clone(), salt());
        }
        for (name, value) in fields {
            draft.field(name, value.clone(), salt());
        }
        for country in ["KR", "SG"] {
            draft.lanes.push(Lane { country: country.into(), key: LaneKey::from_bytes([7; 32]) });
        }
        self.owner.append(&draft);
        let answered = (!sent).then_some((status, to_base64url(answer)));
        let file = object!({
            "v": 1, "direction": if sent { "sent" } else { "received" }, "kind": kind.as_str(), "act": act,
            "content": to_base64url(content), "status": answered.as_ref().map(|(status, _)| status),
            "answer": answered.as_ref().map(|(_, answer)| answer),
        });
        self.owner.put(&format!("plain/{digest}.json"), &file);
        self.acts.push(digest);
        digest
    }

    pub(super) fn request(&mut self) {
        let mut offer = deal::policy("Offer");
        offer["target"] = object!(deal::DATASET);
        let message = ContractRequestMessage {
            consumer_pid: "c".into(),
            provider_pid: None,
            offer: odrl::Offer::from_value(offer).unwrap(),
            callback_address: Some(ADDRESS.into()),
            dxp: None,
        };
        // What the message type does not know is the peer's business.
        let mut content = message.to_value().unwrap();
        content["edc:extra"] = object!({"a": 1});
        let fields = [("decision", object!(self.evaluations[0]))];
        let kind = ("/negotiations/request", EntryType::NegotiationRequest);
        let content = serde_json::to_vec_pretty(&content).unwrap();
        self.message(Role::Consumer, self.negotiation, kind, &content, &fields, (201, b"{}"));
    }

    pub(super) fn agree(&mut self, twist: &Twist) {
        let mut carried = self.terms.agreement.value().clone();
        if carried["@id"] == object!("urn:agreement:other") {
            carried["@id"] = object!("urn:agreement:1");
        }
        let message = ContractAgreementMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            agreement: odrl::Agreement::from_value(carried).unwrap(),
            dxp: None,
        };
        let [decision, agreement] = twist.names;
        let mut fields = Vec::new();
        fields.extend(decision.then(|| ("decision", object!(self.evaluations[0]))));
        fields.extend(agreement.then(|| ("agreement", object!(self.agreement))));
        let (ours, theirs) = match self.role {
            Role::Provider => (fields, vec![]),
            Role::Consumer => (vec![], fields),
        };
        let kind = ("/negotiations/c/agreement", EntryType::NegotiationAgreement);
        let content = message.to_bytes().unwrap();
        self.message(Role::Provider, self.negotiation, kind, &content, &ours, (200, b""));
        let message = ContractAgreementVerificationMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            dxp: None,
        };
        let kind = ("/negotiations/p/agreement/verification", EntryType::NegotiationVerification);
        let content = message.to_bytes().unwrap();
        self.message(Role::Consumer, self.negotiation, kind, &content, &theirs, (200, b""));
        let terms = object!(self.terms);
        self.owner.put(&format!("unsigned/{}.json", self.agreement), &terms);
    }

    pub(super) fn finalize(&mut self, twist: &Twist) {
        let message = ContractNegotiationEventMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            event_type: EventType::Finalized,
            dxp: None,
        };
        let fields: Vec<_> = twist.finalized.iter().map(|named| ("agreement", object!(named))).collect();
        let kind = ("/negotiations/c/events", EntryType::NegotiationFinalized);
        let content = message.to_bytes().unwrap();
        self.message(Role::Provider, self.negotiation, kind, &content, &fields, (200, b""));
    }

    pub(super) fn terminate(&mut self, by: Role, code: &str) {
        let message = ContractNegotiationTerminationMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            code: Some(code.into()),
            reason: vec![],
            dxp: None,
        };
        let kind = ("/negotiations/x/termination", EntryType::NegotiationTermination);
        self.message(by, self.negotiation, kind, &message.to_bytes().unwrap(), &[], (200, b""));
    }

    pub(super) fn begin(&mut self, twist: &Twist) {
        let made = self.judge(&self.terms.shared.clone(), Phase::Transfer, twist);
        let mut ours = vec![("decision", object!(made.digest))];
        ours.extend(twist.named.then(|| ("agreement", object!(self.agreement))));
        let (request, start) = match self.role {
            Role::Provider => (vec![], ours),
            Role::Consumer => (ours, vec![]),
        };
        let message = TransferRequestMessage {
            consumer_pid: "tc".into(),
            agreement_id: twist.under.unwrap_or_else(|| self.terms.agreement.id()).to_owned(),
            format: "HttpData-PULL".into(),
            data_address: None,
            callback_address: ADDRESS.into(),
            dxp: None,
        };
        let kind = ("/transfers/request", EntryType::TransferRequest);
        let content = message.to_bytes().unwrap();
        self.message(Role::Consumer, self.transfer, kind, &content, &request, (201, b"{}"));
        let message = TransferStartMessage {
            provider_pid: "tp".into(),
            consumer_pid: "tc".into(),
            data_address: None,
            dxp: None,
        };
        let kind = ("/transfers/tc/start", EntryType::TransferStart);
        let content = message.to_bytes().unwrap();
        self.message(Role::Provider, self.transfer, kind, &content, &start, (200, b""));
    }

    pub(super) fn complete(&mut self) {
        let message =
            TransferCompletionMessage { provider_pid: "tp".into(), consumer_pid: "tc".into(), dxp: None };
        let kind = ("/transfers/tp/completion", EntryType::TransferCompletion);
        self.message(Role::Consumer, self.transfer, kind, &message.to_bytes().unwrap(), &[], (200, b""));
    }

    pub(super) fn stop(&mut self) {
        let message = TransferTerminationMessage {
            provider_pid: "tp".into(),
            consumer_pid: "tc".into(),
            code: Some("cancelled".into()),
            reason: vec![],
            dxp: None,
        };
        let kind = ("/transfers/tp/termination", EntryType::TransferTermination);
        self.message(Role::Provider, self.transfer, kind, &message.to_bytes().unwrap(), &[], (200, b""));
    }

    pub(super) fn audit(&self) -> Report {
        let dir = self.dir.join("a");
        let _ = fs::remove_dir_all(&dir);
        self.owner.export(&dir);
        verify(&[dir], &anchors()).unwrap()
    }

    pub(super) fn words(&self, report: &Report) -> [String; 2] {
        [self.negotiation, self.transfer]
            .map(|id| report.verdict_of(&id.to_string()).unwrap_or_default().to_owned())
    }

    pub(super) fn name(&self, act: usize) -> String {
        format!("plain/{}.json", self.acts[act])
    }

    pub(super) fn document(&self) -> String {
        format!("unsigned/{}.json", self.agreement)
    }

    /// Changes one member of a file.
    pub(super) fn set(&mut self, name: &str, pointer: &str, value: Value) {
        let mut file: Value = serde_json::from_slice(&self.owner.files[name]).unwrap();
        *file.pointer_mut(pointer).unwrap() = value;
        self.owner.put(name, &file);
    }
}
