//! A whole deal and its data in two exports, and what an auditor makes of agreements, transfers and receipts that are not as
//! they must be (spec chapter 09, AUD-9 and AUD-10).

use std::{fs, path::PathBuf};

use naru_protocol::{
    agreement::{Content, Decisions, Jws},
    dsp::{
        Message as _,
        negotiation::{
            AgreementMember, CodeMember, ContractAgreementMessage, ContractAgreementVerificationMessage,
            ContractNegotiationError, ContractNegotiationEventMessage, ContractNegotiationTerminationMessage,
            ContractRequestMessage, End, EventMember, EventType, Proposal, VerificationMember,
        },
        odrl,
        transfer::{
            StartMember, TransferCompletionMessage, TransferRequestMember, TransferRequestMessage,
            TransferStartMessage,
        },
    },
    encoding::{Digest, Id, to_base64url},
    error::Code,
    identity::Country,
    json::{self, V1},
    jws::{SignatureEntry, sign_compact, sign_entry},
    listing::{Listing, MediaTotal, Summary, Title},
    log::entry::EntryType,
    receipt::{DataReceipt, ReceiptType},
    terms::{Decision, Obligation, Party, Phase, Side, Terms},
};
use serde_json::{Value, json as object};

use super::{
    Actor, Evaluated, NOW, Reason, Report, Sent, Verdict, anchors, engine, exports, failures, key,
    pack_files, packs_of, scratch, verify,
};
use crate::node::facts;

pub(super) const DATASET: &str = "urn:dxp:0123456789abcdef0123456789abcdef";
const CALLBACK: &str = "multiaddr:/p2p/x";

/// How far a deal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    /// The provider signed; the consumer said no more.
    OneSignature,
    /// The provider signed; the consumer terminated.
    Terminated,
    /// A countersignature was refused because it was another's, the next because the deadline was over.
    Lapsed,
    /// Both signed.
    BothSigned,
    /// FINALIZED is acknowledged.
    InForce,
    /// A transfer has started.
    Started,
    /// The data are receipted, the transfer is not completed.
    Received,
    Completed,
    /// And the agreement ended.
    Ended,
}

/// What is done otherwise than it must be; each does nothing by itself.
pub(super) struct Twist {
    /// The listing before it is signed.
    pub(super) listing: fn(&mut Listing),
    /// The terms of the request; others are signed.
    pub(super) proposed: fn(&mut Terms),
    /// `prev` of the transfer request.
    pub(super) prev: fn(&mut Option<Digest>),
    pub(super) receipt: fn(&mut DataReceipt),
}

impl Default for Twist {
    fn default() -> Self {
        Self { listing: |_| {}, proposed: |_| {}, prev: |_| {}, receipt: |_| {} }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Provider,
    Consumer,
}

/// Both exports of a deal that the consumer (log 1) asked the provider (log 0) for.
pub(super) struct Deal {
    pub(super) provider: Actor,
    pub(super) consumer: Actor,
    pub(super) negotiation: Id,
    pub(super) transfer: Id,
    pub(super) agreement: Digest,
    content: Content,
    signatures: [SignatureEntry; 2],
    /// The exchange that goes on, and each side's last act in it that was taken.
    exchange: Id,
    last: [Option<Digest>; 2],
    finalized: Option<Digest>,
    acts: u8,
    dir: PathBuf,
}

impl Drop for Deal {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(super) fn policy(kind: &str) -> Value {
    let text = include_str!("../../../../examples/ev-parts/terms.json");
    let mut policy: Value = serde_json::from_str(text).unwrap();
    policy["@type"] = object!(kind);
    policy["@id"] = object!("urn:dxp:o");
    policy
}

pub(super) fn listing(provider: &Actor) -> Listing {
    let text = include_str!("../../../../examples/ev-parts/facts.json");
    let mut facts: Value = serde_json::from_str(text).unwrap();
    facts["id"] = object!(DATASET);
    Listing {
        v: V1,
        iss: provider.did,
        dataset: DATASET.to_owned(),
        version: 1,
        title: Title { en: Some("parts".to_owned()), ko: None },
        policy: policy("Offer"),
        facts,
        summary: Summary {
            v: V1,
            files: 2,
            bytes: 7,
            media: vec![MediaTotal { bytes: 7, files: 2, media: "text/plain".to_owned() }],
            columns: vec![],
        },
        content_root: Digest::of(b"root"),
        valid_from: NOW - 100,
        valid_to: NOW + 100_000,
    }
}

/// The shared document, as a node builds it.
fn shared(listing: &Listing, provider: &Actor, consumer: &Actor) -> Value {
    let party = |actor: &Actor| facts::Party {
        did: actor.did.to_string(),
        country: actor.country.to_owned(),
        size: "sme".to_owned(),
        declared: Default::default(),
    };
    let countries = vec![consumer.country.to_owned()];
    let wanted = facts::Use { purpose: "quality_analysis".to_owned(), countries };
    let core = engine().packs().find(|pack| pack.name == "core").unwrap();
    let (provider, consumer) = (party(provider), party(consumer));
    facts::shared(&listing.facts, &listing.policy, &provider, &consumer, &wanted, &core.revision, NOW)
        .unwrap()
}

fn terms(provider: &Actor, consumer: &Actor, listing: Digest, shared: Value) -> Terms {
    let party = |actor: &Actor| Party {
        did: actor.did,
        statement: Digest::of(actor.statement().as_bytes()),
        keys: 1,
    };
    let mut agreement = policy("Agreement");
    agreement["target"] = object!(DATASET);
    agreement["assigner"] = object!(provider.did);
    agreement["assignee"] = object!(consumer.did);
    agreement["timestamp"] = object!(naru_protocol::dsp::datetime::to_date_time(NOW));
    let said = Evaluated::new(&shared, Phase::Negotiation, Side::Exporter).record.result;
    let mut obligations: Vec<Obligation> = serde_json::from_value(said["obligations"].clone()).unwrap();
    obligations.sort_by_key(|duty| json::to_canonical(duty).unwrap());
    Terms {
        v: V1,
        provider: party(provider),
        consumer: party(consumer),
        agreement: odrl::Agreement::from_value(agreement).unwrap(),
        listing,
        content_root: Digest::of(b"root"),
        packs: packs_of(engine()),
        shared,
        lanes: ["KR", "SG"].map(|c| Country::parse(c).unwrap()).to_vec(),
        obligations,
        conclude_by: NOW + 3600,
    }
}

impl Deal {
    pub(super) fn new(name: &str, until: Until, twist: &Twist) -> Self {
        let mut deal = Self::draft(name, twist);
        deal.request(twist.proposed);
        deal.agree();
        match until {
            Until::OneSignature => {}
            Until::Terminated => deal.terminate(),
            Until::Lapsed => deal.lapse(),
            Until::BothSigned
            | Until::InForce
            | Until::Started
            | Until::Received
            | Until::Completed
            | Until::Ended => deal.conclude(until, twist),
        }
        deal.provider.close(&deal.consumer);
        deal.consumer.close(&deal.provider);
        deal
    }

    pub(super) fn plain(name: &str, until: Until) -> Self {
        Self::new(name, until, &Twist::default())
    }

    /// Parties, listing, terms and evaluations; nothing was sent yet.
    fn draft(name: &str, twist: &Twist) -> Self {
        let (mut provider, mut consumer) = (Actor::new(1, "KR"), Actor::new(2, "SG"));
        let mut offered = listing(&provider);
        let shared = shared(&offered, &provider, &consumer);
        (twist.listing)(&mut offered);
        let jws = sign_compact(&offered, 1, &key(1, 1)).unwrap();
        let digest = Digest::of(jws.as_bytes());
        provider.files.insert(format!("statements/{digest}.jws"), jws.into_bytes());
        let terms = terms(&provider, &consumer, digest, shared);
        let evaluated = [Side::Exporter, Side::Importer]
            .map(|side| Evaluated::new(&terms.shared, Phase::Negotiation, side));
        assert!(evaluated.iter().all(|made| made.allows), "{}", evaluated[0].record.result);
        let [ours, theirs] = &evaluated;
        ours.shown_by(&mut provider);
        theirs.shown_by(&mut consumer);
        pack_files(&mut provider);
        pack_files(&mut consumer);
        let decisions = Decisions { provider: ours.decision(&terms), consumer: theirs.decision(&terms) };
        let content = Content { v: V1, terms, decisions };
        let (payload, first) = sign_entry(&content, 1, &key(1, 1)).unwrap();
        let (_, second) = sign_entry(&content, 1, &key(2, 1)).unwrap();
        let negotiation = Id([42; 16]);
        Self {
            provider,
            consumer,
            negotiation,
            transfer: Id([43; 16]),
            agreement: Digest::of(&payload),
            content,
            signatures: [first, second],
            exchange: negotiation,
            last: [None; 2],
            finalized: None,
            acts: 0,
            dir: scratch(name),
        }
    }

    /// The next act of the exchange that goes on; gives its digest.
    fn act(
        &mut self,
        by: By,
        (path, kind): (&str, EntryType),
        content: &[u8],
        fields: &[(&str, Value)],
        (status, answer): (u16, &[u8]),
    ) -> Digest {
        self.acts += 1;
        let (own, other) = if by == By::Provider { (0, 1) } else { (1, 0) };
        let (msg, exchange, prev) = (self.acts, self.exchange, self.last[other]);
        let sent = Sent { msg, exchange, path, kind, content, prev, fields, status, answer };
        let digest = match by {
            By::Provider => sent.carry(&mut self.provider, &mut self.consumer),
            By::Consumer => sent.carry(&mut self.consumer, &mut self.provider),
        };
        if status < 300 {
            self.last[own] = Some(digest);
        }
        digest
    }

    fn request(&mut self, twist: fn(&mut Terms)) {
        let mut terms = self.content.terms.clone();
        twist(&mut terms);
        let mut decision = self.content.decisions.consumer.clone();
        decision.terms = terms.digest().unwrap();
        let mut offer = policy("Offer");
        offer["target"] = object!(DATASET);
        let fields = [("terms", object!(decision.terms)), ("decision", object!(decision.result))];
        let message = ContractRequestMessage {
            consumer_pid: "c".into(),
            provider_pid: None,
            offer: odrl::Offer::from_value(offer).unwrap(),
            callback_address: Some(CALLBACK.into()),
            dxp: Some(Proposal { v: V1, key: Some(Digest::of(b"key")), terms, decision }),
        };
        let content = message.to_bytes().unwrap();
        let kind = ("/negotiations/request", EntryType::NegotiationRequest);
        self.act(By::Consumer, kind, &content, &fields, (201, b"{}"));
    }

    /// The agreement with the first signatures, as it stands in the exports and in messages.
    pub(super) fn jws(&self, signatures: &[SignatureEntry]) -> Jws {
        let payload = json::to_canonical(&self.content).unwrap();
        Jws { payload: to_base64url(&payload), signatures: signatures.to_vec() }
    }

    fn show_agreement(&mut self, signatures: usize) {
        let jws = object!(self.jws(&self.signatures[..signatures]));
        for actor in [&mut self.provider, &mut self.consumer] {
            actor.put(&format!("agreements/{}.json", self.agreement), &jws);
        }
    }

    fn agree(&mut self) {
        let terms = &self.content.terms;
        let message = ContractAgreementMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            agreement: terms.agreement.clone(),
            dxp: Some(AgreementMember {
                v: V1,
                terms: terms.digest().unwrap(),
                agreement: self.jws(&self.signatures[..1]),
            }),
        };
        let fields = [("agreement", object!(self.agreement))];
        let kind = ("/negotiations/c/agreement", EntryType::NegotiationAgreement);
        self.act(By::Provider, kind, &message.to_bytes().unwrap(), &fields, (200, b""));
        self.show_agreement(1);
    }

    fn terminate(&mut self) {
        let message = ContractNegotiationTerminationMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            code: Some("cancelled".into()),
            reason: vec![],
            dxp: Some(CodeMember { v: V1, code: Some("cancelled".into()) }),
        };
        let kind = ("/negotiations/p/termination", EntryType::NegotiationTermination);
        self.act(By::Consumer, kind, &message.to_bytes().unwrap(), &[], (200, b""));
    }

    /// The consumer's verification, answered as given.
    fn verification(&mut self, signature: SignatureEntry, answered: (u16, &[u8])) {
        let message = ContractAgreementVerificationMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            dxp: Some(VerificationMember { v: V1, signature }),
        };
        let kind = ("/negotiations/p/agreement/verification", EntryType::NegotiationVerification);
        self.act(By::Consumer, kind, &message.to_bytes().unwrap(), &[], answered);
    }

    fn lapse(&mut self) {
        let refusal = |code: Code| {
            let error = ContractNegotiationError {
                provider_pid: "p".into(),
                consumer_pid: "c".into(),
                code: Some(code.as_str().into()),
                reason: vec![],
            };
            error.to_bytes().unwrap()
        };
        let [first, second] = self.signatures.clone();
        self.verification(first, (400, &refusal(Code::SignatureInvalid)));
        self.verification(second, (400, &refusal(Code::Lapsed)));
        // Only the consumer holds what was refused.
        let jws = object!(self.jws(&self.signatures));
        self.consumer.put(&format!("agreements/{}.json", self.agreement), &jws);
    }

    fn conclude(&mut self, until: Until, twist: &Twist) {
        self.verification(self.signatures[1].clone(), (200, b""));
        self.show_agreement(2);
        if until >= Until::InForce {
            self.finalize();
        }
        let negotiation = self.last;
        if until >= Until::Started {
            self.begin(twist.prev);
        }
        if until >= Until::Received {
            self.receive(twist.receipt);
        }
        if until >= Until::Completed {
            self.complete();
        }
        if until >= Until::Ended {
            (self.exchange, self.last) = (self.negotiation, negotiation);
            self.end();
        }
    }

    fn finalize(&mut self) {
        let message = ContractNegotiationEventMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            event_type: EventType::Finalized,
            dxp: Some(EventMember::finalized(self.agreement)),
        };
        let kind = ("/negotiations/c/events", EntryType::NegotiationFinalized);
        let content = message.to_bytes().unwrap();
        self.finalized = Some(self.act(By::Provider, kind, &content, &[], (200, b"")));
    }

    /// A decision on the transfer, shown by its side.
    fn judged(&mut self, side: Side) -> Decision {
        let made = Evaluated::new(&self.content.terms.shared, Phase::Transfer, side);
        match side {
            Side::Exporter => made.shown_by(&mut self.provider),
            Side::Importer => made.shown_by(&mut self.consumer),
        }
        made.decision(&self.content.terms)
    }

    fn begin(&mut self, twist: fn(&mut Option<Digest>)) {
        let mut prev = self.finalized;
        twist(&mut prev);
        (self.exchange, self.last) = (self.transfer, [prev, None]);
        let decision = self.judged(Side::Importer);
        let request = TransferRequestMessage {
            consumer_pid: "tc".into(),
            agreement_id: self.content.terms.agreement.id().to_owned(),
            format: "DXP-PULL".into(),
            data_address: None,
            callback_address: CALLBACK.into(),
            dxp: Some(TransferRequestMember {
                v: V1,
                key: Some(Digest::of(b"key")),
                agreement: self.agreement,
                decision,
            }),
        };
        let kind = ("/transfers/request", EntryType::TransferRequest);
        let content = request.to_bytes().unwrap();
        self.act(By::Consumer, kind, &content, &[], (201, b"{}"));
        let start = TransferStartMessage {
            provider_pid: "tp".into(),
            consumer_pid: "tc".into(),
            data_address: None,
            dxp: Some(StartMember { v: V1, decision: self.judged(Side::Exporter) }),
        };
        let kind = ("/transfers/tc/start", EntryType::TransferStart);
        self.act(By::Provider, kind, &start.to_bytes().unwrap(), &[], (200, b""));
    }

    fn receive(&mut self, twist: fn(&mut DataReceipt)) {
        let mut receipt = DataReceipt {
            kind: ReceiptType::DataReceipt,
            agreement: self.agreement,
            at: NOW,
            bytes: 7,
            consumer_pid: "tc".into(),
            content_root: Digest::of(b"root"),
            files: 2,
            provider_pid: "tp".into(),
            v: V1,
        };
        twist(&mut receipt);
        let kind = ("/transfers/tp/receipt", EntryType::TransferReceipt);
        self.act(By::Consumer, kind, &json::to_canonical(&receipt).unwrap(), &[], (200, b""));
    }

    fn complete(&mut self) {
        let message = TransferCompletionMessage {
            provider_pid: "tp".into(),
            consumer_pid: "tc".into(),
            dxp: Some(CodeMember { v: V1, code: None }),
        };
        let kind = ("/transfers/tp/completion", EntryType::TransferCompletion);
        self.act(By::Consumer, kind, &message.to_bytes().unwrap(), &[], (200, b""));
    }

    fn end(&mut self) {
        let end = End {
            v: V1,
            consumer_pid: "c".into(),
            provider_pid: "p".into(),
            agreement: self.agreement,
            code: "cancelled".into(),
            reason: "the project is over".into(),
        };
        let kind = ("/negotiations/c/end", EntryType::NegotiationEnd);
        self.act(By::Provider, kind, &end.to_bytes().unwrap(), &[], (200, b""));
    }

    pub(super) fn dirs(&self) -> Vec<PathBuf> {
        exports(&self.dir, &self.provider, &self.consumer)
    }

    pub(super) fn audit(&self) -> Report {
        verify(&self.dirs(), &anchors()).unwrap()
    }

    /// The words for negotiation and transfer.
    pub(super) fn words(&self, report: &Report) -> [String; 2] {
        [self.negotiation, self.transfer]
            .map(|id| report.verdict_of(&id.to_string()).unwrap_or_default().to_owned())
    }

    /// The file of the listing.
    pub(super) fn listing_name(&self) -> String {
        format!("statements/{}.jws", self.content.terms.listing)
    }

    /// Puts another agreement file into both exports.
    fn replace_agreement(&mut self, jws: &Jws) {
        for actor in [&mut self.provider, &mut self.consumer] {
            actor.put(&format!("agreements/{}.json", self.agreement), &object!(jws));
        }
    }
}

/// Claims of one name that are proved.
pub(super) fn proved(report: &Report, name: &str) -> usize {
    let claims = report.claims().iter();
    claims.filter(|claim| claim.name() == name && claim.verdict() == Verdict::Proved).count()
}

/// AUD-9.1 to AUD-9.5, AUD-10.1, AUD-10.3, AUD-10.4
#[test]
fn a_deal_with_its_data_holds() {
    let deal = Deal::plain("deal", Until::Completed);
    let report = deal.audit();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(deal.words(&report), ["in force", "transfer complete with receipt"]);
    // Each half holds the agreement, its listing and its own two evaluations.
    for (name, count) in [("agreement", 2), ("listing", 2), ("decision", 4), ("transfer", 1), ("receipt", 1)]
    {
        assert_eq!(proved(&report, name), count, "{name}: {}", report.to_text());
    }
}

/// AUD-9.2, AUD-10.1: the words of NEG-10, in whatever order the halves are given.
#[test]
fn how_far_a_deal_came_is_what_its_acts_prove() {
    for (until, negotiation, transfer) in [
        (Until::OneSignature, "one signature", ""),
        (Until::Terminated, "terminated", ""),
        (Until::Lapsed, "lapsed", ""),
        (Until::BothSigned, "signed, not concluded", ""),
        (Until::InForce, "in force", ""),
        (Until::Started, "in force", "transfer open"),
        (Until::Received, "in force", "receipt given, not completed"),
        (Until::Completed, "in force", "transfer complete with receipt"),
        (Until::Ended, "ended", "transfer complete with receipt"),
    ] {
        let deal = Deal::plain(&format!("until-{until:?}"), until);
        let mut dirs = deal.dirs();
        for _ in 0..2 {
            let report = verify(&dirs, &anchors()).unwrap();
            assert!(report.holds(), "{until:?}: {}", report.to_text());
            assert_eq!(deal.words(&report), [negotiation, transfer], "{until:?}");
            dirs.reverse();
        }
    }
}

/// AUD-9.2: what is in force is in force by proofs alone.
#[test]
fn nothing_less_than_its_acknowledgement_puts_an_agreement_in_force() {
    // Nobody holds the acknowledgement of FINALIZED, and no act names it.
    let mut deal = Deal::plain("unacknowledged", Until::InForce);
    let name = format!("acts/{}.json", deal.finalized.unwrap());
    for actor in [&mut deal.provider, &mut deal.consumer] {
        actor.files.remove(&name);
    }
    let report = deal.audit();
    assert!(failures(&report).contains(&Reason::ActWithheld));
    let said = report.claims().iter().filter(|claim| claim.name() == "agreement");
    assert_eq!(said.map(|claim| claim.detail.as_str()).collect::<Vec<_>>(), ["signed, not concluded"; 2]);
    // The transfer request names it: that is enough.
    let mut deal = Deal::plain("named", Until::Completed);
    let name = format!("acts/{}.json", deal.finalized.unwrap());
    let mut file: Value = serde_json::from_slice(&deal.provider.files[&name]).unwrap();
    for member in ["status", "answer", "ack"] {
        file[member] = Value::Null;
    }
    deal.provider.put(&name, &file);
    let report = verify(&deal.dirs()[..1], &anchors()).unwrap();
    // The log says that it held the acknowledgement, so its absence fails; the verdict stands on the name alone.
    assert_eq!(failures(&report), [Reason::AckWithheld]);
    assert_eq!(deal.words(&report)[0], "in force");
}

/// AUD-9.2
#[test]
fn an_agreement_over_other_terms_than_were_proposed_fails() {
    let twist = Twist { proposed: |terms| terms.conclude_by -= 1, ..Twist::default() };
    let deal = Deal::new("terms", Until::Completed, &twist);
    let report = deal.audit();
    assert_eq!(failures(&report)[0], Reason::TermsDiffer);
    assert_eq!(deal.words(&report)[0], "not proved");
}

/// AUD-9.3
#[test]
fn every_signature_in_an_agreement_must_count() {
    let content = Deal::plain("signatures", Until::InForce).content.clone();
    let by = |seed: u8, which: u8, ks: u32| sign_entry(&content, ks, &key(seed, which)).unwrap().1;
    let (first, second) = (by(1, 1, 1), by(2, 1, 1));
    let mut bits = second.clone();
    bits.signature.replace_range(..1, if bits.signature.starts_with('A') { "B" } else { "A" });
    for (what, signatures) in [
        ("none", vec![]),
        ("the provider twice", vec![first.clone(), first.clone()]),
        ("the consumer first", vec![second.clone(), first.clone()]),
        ("a third", vec![first.clone(), second.clone(), second.clone()]),
        ("a bit", vec![first.clone(), bits]),
        ("the consumer's log key", vec![first.clone(), by(2, 2, 1)]),
        ("the consumer's root", vec![first.clone(), by(2, 0, 0)]),
        ("an unknown key set", vec![first.clone(), by(2, 1, 2)]),
        ("a stranger", vec![first, by(3, 1, 1)]),
    ] {
        let mut deal = Deal::plain("signatures", Until::InForce);
        let jws = deal.jws(&signatures);
        deal.replace_agreement(&jws);
        let report = deal.audit();
        assert_eq!(failures(&report), [Reason::AgreementInvalid; 2], "{what}: {}", report.to_text());
        assert_eq!(deal.words(&report)[0], "not proved", "{what}");
    }
}

/// AUD-9.1
#[test]
fn an_agreement_is_named_by_its_payload_and_carried_by_an_act() {
    let mut deal = Deal::plain("carried", Until::InForce);
    let name = format!("agreements/{}.json", deal.agreement);
    // Other content that both signed, under the name of this one.
    let mut content = deal.content.clone();
    content.terms.conclude_by -= 1;
    let terms = content.terms.digest().unwrap();
    (content.decisions.provider.terms, content.decisions.consumer.terms) = (terms, terms);
    let (payload, first) = sign_entry(&content, 1, &key(1, 1)).unwrap();
    let (_, second) = sign_entry(&content, 1, &key(2, 1)).unwrap();
    let other = Jws { payload: to_base64url(&payload), signatures: vec![first, second] };
    deal.replace_agreement(&other);
    assert_eq!(failures(&deal.audit()), [Reason::NameDiffers; 2]);
    // Under its own name it is one that nobody sent.
    let good = object!(deal.jws(&deal.signatures));
    for actor in [&mut deal.provider, &mut deal.consumer] {
        actor.put(&name, &good);
        actor.put(&format!("agreements/{}.json", Digest::of(&payload)), &object!(other));
    }
    let report = deal.audit();
    assert_eq!(failures(&report), [Reason::ActWithheld; 2]);
    assert_eq!(deal.words(&report)[0], "in force", "the one that was sent stands");
}

/// AUD-9.4
#[test]
fn a_listing_must_be_the_one_that_the_terms_name() {
    let twists: [fn(&mut Listing); 2] = [
        |listing| listing.content_root = Digest::of(b"other"),
        |listing| listing.dataset = "urn:dxp:ffffffffffffffffffffffffffffffff".to_owned(),
    ];
    for twist in twists {
        let deal = Deal::new("listing", Until::InForce, &Twist { listing: twist, ..Twist::default() });
        assert_eq!(failures(&deal.audit()), [Reason::ListingDiffers; 2]);
    }
    // A listing that is not shown is no failure, and no proof.
    let mut deal = Deal::plain("unlisted", Until::InForce);
    let name = deal.listing_name();
    for actor in [&mut deal.provider, &mut deal.consumer] {
        assert!(actor.files.remove(&name).is_some());
    }
    let report = deal.audit();
    assert!(report.holds());
    assert_eq!(proved(&report, "listing"), 0);
}

/// AUD-9.5, AUD-10.3
#[test]
fn an_agreement_that_an_entry_names_must_be_there() {
    let mut deal = Deal::plain("withheld-agreement", Until::Completed);
    let name = format!("agreements/{}.json", deal.agreement);
    for actor in [&mut deal.provider, &mut deal.consumer] {
        actor.files.remove(&name);
    }
    let report = deal.audit();
    // The provider's entry names it; the transfer rests on it, and the receipt is over it.
    let due = [Reason::AgreementWithheld, Reason::AgreementWithheld, Reason::ReceiptDiffers];
    assert_eq!(failures(&report), due);
    assert_eq!(deal.words(&report), ["not proved", "not proved"]);
}

/// AUD-10.3
#[test]
fn a_transfer_follows_the_end_of_its_negotiation() {
    let twists: [fn(&mut Option<Digest>); 2] = [|prev| *prev = None, |prev| *prev = Some(Digest::of(b"x"))];
    for twist in twists {
        let deal = Deal::new("follows", Until::Completed, &Twist { prev: twist, ..Twist::default() });
        let report = deal.audit();
        assert_eq!(failures(&report)[0], Reason::ActDiffers);
        assert_eq!(deal.words(&report), ["in force", "not proved"]);
    }
}

/// AUD-10.2, AUD-10.4: only the exchange that a failed claim is about loses its word.
#[test]
fn a_receipt_counts_what_the_listing_counts() {
    let twists: [fn(&mut DataReceipt); 4] = [
        |receipt| receipt.files += 1,
        |receipt| receipt.bytes -= 1,
        |receipt| receipt.content_root = Digest::of(b"other"),
        |receipt| receipt.agreement = Digest::of(b"other"),
    ];
    for twist in twists {
        let deal = Deal::new("receipt", Until::Completed, &Twist { receipt: twist, ..Twist::default() });
        let report = deal.audit();
        assert_eq!(failures(&report), [Reason::ReceiptDiffers]);
        assert_eq!(deal.words(&report), ["in force", "not proved"]);
    }
}
