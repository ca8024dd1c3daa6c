//! Exchanges, joined over all logs: which acts they have, in what order, and what is concluded of each (spec chapter 09, AUD-10).

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::{
    act::{Ack, Act, Token},
    dsp::{
        Message as _,
        negotiation::{ContractAgreementMessage, ContractNegotiationTerminationMessage},
        transfer::{TransferRequestMessage, TransferTerminationMessage},
    },
    encoding::{Digest, Id},
    error::{Code, Side},
    jws::Verified,
    log::entry::EntryType,
    receipt::DataReceipt,
};

use super::{
    acts::{Acts, Seen},
    agreements::{Agreed, Standing},
    finding::{Check, Fault, Findings, Grade, Subject},
    reason::Reason,
    statements::Statements,
};

/// One act, from whatever halves of it there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joined<'a> {
    pub(super) digest: Digest,
    pub(super) kind: EntryType,
    pub(super) act: &'a Act,
    pub(super) content: &'a [u8],
    pub(super) token: Option<&'a Verified<Token>>,
    pub(super) ack: Option<&'a Verified<Ack>>,
    pub(super) answer: Option<&'a [u8]>,
    /// The receiver took it: by its answer, its entry, or an act of its own that names it.
    pub(super) accepted: bool,
    /// The receiver refused it for good.
    pub(super) refused: bool,
    place: (usize, u64),
}

impl<'a> Joined<'a> {
    fn new(digest: Digest, log: usize, seen: &'a Seen) -> Self {
        Self {
            digest,
            kind: seen.kind,
            act: &seen.act,
            content: &seen.content,
            token: seen.token.as_ref(),
            ack: seen.ack.as_ref(),
            answer: seen.answer.as_deref(),
            accepted: seen.status.is_some_and(|status| status < 300),
            refused: seen.status.is_some_and(|status| status >= 400),
            place: (log, seen.index),
        }
    }

    fn join(&mut self, seen: &'a Seen) {
        self.token = self.token.or(seen.token.as_ref());
        self.ack = self.ack.or(seen.ack.as_ref());
        self.answer = self.answer.or(seen.answer.as_deref());
        self.accepted |= seen.status.is_some_and(|status| status < 300);
        self.refused |= seen.status.is_some_and(|status| status >= 400);
    }
}

/// All exchanges of all logs.
#[derive(Debug)]
pub(super) struct Exchanges<'a> {
    acts: BTreeMap<Digest, Joined<'a>>,
    order: BTreeMap<Id, Vec<Digest>>,
    agreements: BTreeMap<Digest, Id>,
}

impl<'a> Exchanges<'a> {
    /// Joins the acts of all logs.
    pub(super) fn join(halves: &'a [(usize, Acts)]) -> Self {
        let mut acts: BTreeMap<Digest, Joined<'a>> = BTreeMap::new();
        for (log, half) in halves {
            for (digest, seen) in &half.seen {
                acts.entry(*digest)
                    .and_modify(|known| known.join(seen))
                    .or_insert(Joined::new(*digest, *log, seen));
            }
        }
        let named: BTreeSet<Digest> = acts.values().filter_map(|act| act.act.prev).collect();
        for act in acts.values_mut() {
            act.accepted |= named.contains(&act.digest);
        }
        let mut order: BTreeMap<Id, Vec<Digest>> = BTreeMap::new();
        let mut agreements = BTreeMap::new();
        for act in acts.values() {
            order.entry(act.act.exchange).or_default().push(act.digest);
            if let Some(digest) = agreement_in(act) {
                agreements.insert(digest, act.act.exchange);
            }
        }
        for digests in order.values_mut() {
            digests.sort_by_key(|digest| acts.get(digest).map(|act| act.place));
        }
        Self { acts, order, agreements }
    }

    /// The acts of an exchange, in the order of the first log that has them.
    pub(super) fn acts(&self, exchange: Id) -> Vec<Joined<'a>> {
        let digests = self.order.get(&exchange).into_iter().flatten();
        digests.filter_map(|digest| self.acts.get(digest).copied()).collect()
    }

    /// The negotiation that made an agreement.
    pub(super) fn of_agreement(&self, agreement: Digest) -> Option<Id> {
        self.agreements.get(&agreement).copied()
    }

    /// Every act, in the order of their digests.
    pub(super) fn every(&self) -> impl Iterator<Item = &Joined<'a>> {
        self.acts.values()
    }

    /// Acts whose `prev` names this one.
    pub(super) fn naming(&self, act: Digest) -> impl Iterator<Item = &Joined<'a>> {
        self.acts.values().filter(move |next| next.act.prev == Some(act))
    }
}

fn agreement_in(act: &Joined<'_>) -> Option<Digest> {
    if act.kind != EntryType::NegotiationAgreement {
        return None;
    }
    let jws = ContractAgreementMessage::parse(act.content).ok()?.dxp?.agreement;
    Some(Digest::of(&jws.payload_bytes().ok()?))
}

/// What is concluded of one exchange.
#[derive(Debug, Clone)]
pub struct Concluded {
    pub(super) id: Id,
    pub(super) kind: &'static str,
    pub(super) word: String,
    /// Stable code of a refusal or termination, as it was signed.
    pub(super) code: Option<String>,
    pub(super) agreement: Option<Digest>,
    /// Participant ids; those of peers that sign nothing name no key.
    pub(super) parties: BTreeSet<String>,
    pub(super) acts: usize,
    /// With a peer that signs nothing.
    pub(super) unsigned: bool,
}

/// Concludes every exchange. One with a failed claim gets no other word than that.
pub(super) fn conclude(
    exchanges: &Exchanges<'_>,
    agreed: &BTreeMap<Digest, Agreed>,
    statements: &Statements,
    findings: &mut Findings,
) -> Vec<Concluded> {
    let mut all = Vec::new();
    for id in exchanges.order.keys() {
        let acts = exchanges.acts(*id);
        let Some(first) = acts.first() else { continue };
        let transfer = first.kind.as_str().starts_with("transfer.");
        let (word, code, agreement) = if transfer {
            of_transfer(*id, &acts, agreed, statements, findings)
        } else {
            of_negotiation(*id, &acts, agreed)
        };
        let word = if findings.failed_in(*id) { "not proved".to_owned() } else { word.to_owned() };
        all.push(Concluded {
            id: *id,
            kind: if transfer { "transfer" } else { "negotiation" },
            word,
            code,
            agreement,
            parties: [first.act.iss.to_string(), first.act.aud.to_string()].into(),
            acts: acts.len(),
            unsigned: false,
        });
    }
    all
}

/// Whether this code of a termination is one of policy.
pub(super) fn is_policy(code: Option<&str>) -> bool {
    code.and_then(|code| Code::parse(code).ok()).is_some_and(|code| code.side() == Side::Policy)
}

type Word = (&'static str, Option<String>, Option<Digest>);

fn of_negotiation(id: Id, acts: &[Joined<'_>], agreed: &BTreeMap<Digest, Agreed>) -> Word {
    let mut found: Vec<(&Digest, Standing)> = agreed
        .iter()
        .filter(|(_, agreed)| agreed.exchange == id)
        .map(|(digest, a)| (digest, a.standing))
        .collect();
    found.sort_by_key(|(_, standing)| !matches!(standing, Standing::InForce(_)));
    let agreement = found.first().map(|(digest, _)| **digest);
    let standing = found.first().map(|(_, standing)| *standing);
    let has = |kind| acts.iter().any(|act| act.kind == kind && act.accepted);
    match standing {
        Some(Standing::InForce(_)) if has(EntryType::NegotiationEnd) => return ("ended", None, agreement),
        Some(Standing::InForce(_)) => return ("in force", None, agreement),
        Some(Standing::Lapsed) => return ("lapsed", None, agreement),
        Some(Standing::SignedNotConcluded | Standing::OneSignature) | None => {}
    }
    if let Some(end) = acts.iter().rev().find(|act| act.kind == EntryType::NegotiationTermination) {
        let said = ContractNegotiationTerminationMessage::parse(end.content).ok();
        let code = said.and_then(|message| message.code);
        return (if is_policy(code.as_deref()) { "refused" } else { "terminated" }, code, agreement);
    }
    match (standing, acts) {
        (Some(standing), _) => (standing.as_str(), None, agreement),
        (None, [first, ..]) if first.refused => ("refused", None, None),
        (None, _) => ("open", None, None),
    }
}

fn of_transfer(
    id: Id,
    acts: &[Joined<'_>],
    agreed: &BTreeMap<Digest, Agreed>,
    statements: &Statements,
    findings: &mut Findings,
) -> Word {
    let about = |claim, digest: Digest| Subject::new(claim, digest).exchange(id);
    let mut agreement = None;
    if let Some(request) = acts.iter().find(|act| act.kind == EntryType::TransferRequest && act.accepted) {
        let check = under(request, agreed);
        agreement = findings.take(about("transfer", request.digest), Grade::Counterparty, check);
    }
    let has = |kind| acts.iter().any(|act| act.kind == kind && act.accepted);
    let mut received = false;
    if let Some(receipt) = acts.iter().find(|act| act.kind == EntryType::TransferReceipt && act.accepted) {
        let check =
            check_receipt(receipt, agreement.and_then(|digest| agreed.get(&digest)), agreement, statements);
        received = findings.take(about("receipt", receipt.digest), Grade::Counterparty, check).is_some();
    }
    if let Some(end) = acts.iter().rev().find(|act| act.kind == EntryType::TransferTermination) {
        let code = TransferTerminationMessage::parse(end.content).ok().and_then(|message| message.code);
        return ("transfer terminated", code, agreement);
    }
    let word = match (received, has(EntryType::TransferCompletion)) {
        (true, true) => "transfer complete with receipt",
        (true, false) => "receipt given, not completed",
        (false, true) => "transfer complete without receipt",
        (false, false) => "transfer open",
    };
    (word, None, agreement)
}

/// A transfer names an agreement in force and follows its FINALIZED (AUD-10.3).
fn under(request: &Joined<'_>, agreed: &BTreeMap<Digest, Agreed>) -> Check<Digest> {
    let differs = |what: &str| Fault::failed(Reason::ActDiffers, what);
    let message =
        TransferRequestMessage::parse(request.content).map_err(|_| differs("no transfer request"))?;
    let digest = message.dxp.ok_or_else(|| differs("names no agreement"))?.agreement;
    let known = agreed.get(&digest).ok_or_else(|| Fault::failed(Reason::AgreementWithheld, digest))?;
    match known.standing {
        Standing::InForce(proof) if request.act.prev == Some(proof.finalized()) => Ok(digest),
        Standing::InForce(_) => Err(differs("prev is not FINALIZED")),
        Standing::SignedNotConcluded | Standing::Lapsed | Standing::OneSignature => {
            Err(Fault::failed(Reason::AgreementInvalid, "the agreement was not in force"))
        }
    }
}

/// The receipt is over what the agreement and the listing say (AUD-10.4).
fn check_receipt(
    act: &Joined<'_>,
    agreed: Option<&Agreed>,
    agreement: Option<Digest>,
    statements: &Statements,
) -> Check<()> {
    let differs = |what: &dyn std::fmt::Display| Fault::failed(Reason::ReceiptDiffers, what);
    let receipt = DataReceipt::parse(act.content).map_err(|e| differs(&e))?;
    let agreed = agreed.ok_or_else(|| differs(&"no agreement in force"))?;
    if Some(receipt.agreement) != agreement {
        return Err(differs(&"agreement"));
    }
    if receipt.content_root != agreed.terms.content_root || act.act.iss != agreed.terms.consumer.did {
        return Err(differs(&"content_root or signer"));
    }
    match statements.listings.get(&agreed.terms.listing) {
        Some(listing) if listing.summary.files != receipt.files || listing.summary.bytes != receipt.bytes => {
            Err(differs(&"files or bytes"))
        }
        Some(_) | None => Ok(()),
    }
}
