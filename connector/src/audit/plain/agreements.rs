//! Agreements that nobody signed: the terms that the log's owner recorded, the message that carried them and the decision that
//! they rest on (spec chapter 09, AUD-13.4 to AUD-13.6).
//!
//! The core's own types judge: what is no [`UnsignedAgreement`] under an [`UnsignedPermit`] of a record that was executed again
//! is none. That the peer agreed is never said.

use std::collections::BTreeMap;

use naru_policy::bundled;
use naru_protocol::{
    dsp::{Message as _, negotiation::ContractAgreementMessage, transfer::TransferRequestMessage},
    encoding::{Digest, Id},
    exchange::Role,
    json,
    log::entry::{Entry, EntryType},
    permit::{EvaluationRecord, Input},
    plain::{UnsignedAgreement, UnsignedExpectation, UnsignedPermit, UnsignedTerms},
    terms::{Pack, Phase},
};
use serde_json::Value;

use super::{Plain, acts::PlainSeen};
use crate::audit::{
    decisions::Executed,
    export::{Folder, Place},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::{Log, Shown},
    reason::Reason,
    statements::Statements,
};

/// Terms that the log's owner decided and recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) terms: UnsignedTerms,
    /// Index of the FINALIZED that concluded them.
    pub(super) finalized: Option<u64>,
}

/// Indices of entries, by what they show and belong to: each is looked up for many documents.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// Those whose field `agreement` is these terms.
    terms: BTreeMap<Digest, Vec<u64>>,
    /// Those of an exchange.
    exchanges: BTreeMap<Id, Vec<u64>>,
}

impl Naming {
    pub(super) fn of(log: &Log) -> Self {
        let mut all = Self::default();
        for (index, entry, shown) in log.all() {
            if let Some(digest) = named(shown.get("agreement")) {
                all.terms.entry(digest).or_default().push(index);
            }
            if let Some(exchange) = entry.exchange() {
                all.exchanges.entry(*exchange).or_default().push(index);
            }
        }
        all
    }

    /// Entries that name these terms.
    fn terms<'a>(&'a self, digest: Digest, log: &'a Log) -> impl Iterator<Item = (&'a Entry, &'a Shown)> {
        self.terms.get(&digest).into_iter().flatten().filter_map(|index| log.entry(*index))
    }

    /// Entries of an exchange.
    fn exchange<'a>(&'a self, id: Id, log: &'a Log) -> impl Iterator<Item = (&'a Entry, &'a Shown)> {
        self.exchanges.get(&id).into_iter().flatten().filter_map(|index| log.entry(*index))
    }
}

fn named(value: Option<&Value>) -> Option<Digest> {
    Digest::parse(value?.as_str()?).ok()
}

/// The documents of `unsigned/` that are canonical and have the digest that their name says.
pub(super) fn documents(
    folder: &Folder,
    number: usize,
    (log, naming): (&Log, &Naming),
    findings: &mut Findings,
) -> BTreeMap<Digest, UnsignedTerms> {
    let mut all = BTreeMap::new();
    for place in folder.places() {
        let Place::Unsigned(digest) = place else { continue };
        let mut about = Subject::new("unsigned_agreement", digest).log(number);
        about.exchange = naming.terms(digest, log).next().and_then(|(entry, _)| entry.exchange().copied());
        let read = folder.json::<UnsignedTerms>(place).and_then(|terms| match terms.digest() {
            Ok(found) if found == digest => Ok(terms),
            Ok(_) | Err(_) => Err(Fault::failed(Reason::NameDiffers, place.path())),
        });
        if let Some(terms) = findings.need(about, read) {
            all.insert(digest, terms);
        }
    }
    all
}

/// The terms that each transfer is under: those that an entry of it names, else the only ones of this peer whose agreement
/// object has the id that the request says.
pub(super) fn under(plain: &Plain, log: &Log) -> BTreeMap<Id, Digest> {
    let mut by_id: BTreeMap<(&str, &str, &str), Vec<Digest>> = BTreeMap::new();
    for (digest, terms) in &plain.documents {
        let id = (terms.agreement.id(), terms.provider.as_str(), terms.consumer.as_str());
        by_id.entry(id).or_default().push(*digest);
    }
    let mut all = BTreeMap::new();
    for seen in plain.seen.values().filter(|seen| seen.kind == EntryType::TransferRequest) {
        let Ok(request) = TransferRequestMessage::parse(&seen.content) else { continue };
        let id = (request.agreement_id.as_str(), seen.act.to.as_str(), seen.act.from.as_str());
        if let Some([one]) = by_id.get(&id).map(Vec::as_slice) {
            all.insert(seen.act.exchange, *one);
        }
    }
    for exchange in plain.peers.keys() {
        let transfer = |entry: &Entry| entry.kind().as_str().starts_with("transfer.");
        let entries = plain.naming.exchange(*exchange, log).filter(|(entry, _)| transfer(entry));
        if let Some(digest) = entries.filter_map(|(_, shown)| named(shown.get("agreement"))).next() {
            all.insert(*exchange, digest);
        }
    }
    all
}

/// Judges every document; gives two claims of each that holds: what the owner recorded, and what nothing shows of the peer.
pub(in crate::audit) fn judge(
    plain: &mut Plain,
    log: &Log,
    executed: &Executed,
    statements: &Statements,
    findings: &mut Findings,
) {
    let mut recorded = BTreeMap::new();
    for (digest, terms) in &plain.documents {
        let about = Subject::new("unsigned_agreement", digest).log(plain.number).exchange(terms.exchange);
        strangers(plain, *digest, terms, log, findings);
        let check = check(plain, *digest, terms, log, executed);
        let Some((peer, role)) = findings.need(about.clone(), check) else { continue };
        let said = "decided and recorded by this log's owner";
        findings.proved(about.clone(), Grade::Own, said);
        let open = Fault::unsupported(Reason::Unsigned, format!("that {peer} agreed"));
        findings.fault(about.clone(), open);
        if role == Role::Provider {
            let about = Subject { claim: "listing", ..about };
            findings.take(about, Grade::Own, listing(terms, log, statements));
        }
        let finalized = finalized(plain, *digest, terms);
        recorded.insert(*digest, Recorded { terms: terms.clone(), finalized });
    }
    plain.recorded = recorded;
}

/// One document against messages, entries and decision. Gives the peer and our role.
fn check<'a>(
    plain: &Plain,
    digest: Digest,
    terms: &'a UnsignedTerms,
    log: &Log,
    executed: &Executed,
) -> Check<(&'a str, Role)> {
    let differs = |why: &dyn std::fmt::Display| Fault::failed(Reason::UnsignedDiffers, why);
    let own = log.did.to_string();
    let (role, peer) = match (terms.provider == own, terms.consumer == own) {
        (true, false) => (Role::Provider, terms.consumer.as_str()),
        (false, true) => (Role::Consumer, terms.provider.as_str()),
        (true, true) | (false, false) => return Err(differs(&"the parties")),
    };
    if plain.peer(&terms.exchange) != Some(peer) {
        return Err(differs(&"the exchange is with another peer"));
    }
    carried(plain, terms)?;
    let decision = decision(plain, digest, terms.exchange, log)?;
    let record = executed.get(&decision).ok_or_else(|| differs(&format!("decision {decision}")))?;
    let permit = permit(record, terms, role)?;
    UnsignedAgreement::check(terms.clone(), &permit).map_err(|e| differs(&e))?;
    let sorted = |duties: &[naru_protocol::terms::Obligation]| {
        let mut texts: Vec<_> = duties.iter().filter_map(|duty| json::to_canonical(duty).ok()).collect();
        texts.sort_unstable();
        texts
    };
    if sorted(&terms.obligations) == sorted(permit.obligations()) {
        Ok((peer, role))
    } else {
        Err(differs(&"the duties are others than the decision found"))
    }
}

/// The provider's message of this exchange carries this agreement object.
fn carried(plain: &Plain, terms: &UnsignedTerms) -> Check<()> {
    let acts = plain.acts(terms.exchange);
    let mut messages =
        acts.iter().filter(|seen| seen.kind == EntryType::NegotiationAgreement && !seen.refused).peekable();
    if messages.peek().is_none() {
        return Err(Fault::failed(Reason::ActWithheld, "no message carries this agreement"));
    }
    if messages.any(|seen| carries(seen, terms)) {
        Ok(())
    } else {
        Err(Fault::failed(Reason::UnsignedDiffers, "the message holds another agreement"))
    }
}

fn carries(seen: &PlainSeen, terms: &UnsignedTerms) -> bool {
    let read = ContractAgreementMessage::parse(&seen.content);
    seen.act.from == terms.provider && read.is_ok_and(|message| message.agreement == terms.agreement)
}

/// The evaluation that these terms rest on: the one that an entry with them names, else the last that the negotiation named
/// before.
fn decision(plain: &Plain, digest: Digest, exchange: Id, log: &Log) -> Check<Digest> {
    let (mut last, mut beside, mut bound, mut hidden) = (None, None, false, false);
    for (entry, shown) in plain.naming.exchange(exchange, log) {
        hidden |= shown.len() < entry.sd().len();
        let names = named(shown.get("agreement")) == Some(digest);
        let decision = named(shown.get("decision"));
        if !bound {
            last = decision.or(last);
        }
        bound |= names;
        if names {
            beside = beside.or(decision);
        }
    }
    let missing = |what: &str| match hidden {
        true => Fault::open(Reason::NotDisclosed, format!("{what} that names it")),
        false => Fault::failed(Reason::UnsignedDiffers, format!("no {what} names it")),
    };
    if !bound {
        return Err(missing("entry"));
    }
    beside.or(last).ok_or_else(|| missing("decision"))
}

/// Entries of other negotiations, and of transfers that are not under these terms, do not name them (AUD-13.4).
fn strangers(plain: &Plain, digest: Digest, terms: &UnsignedTerms, log: &Log, findings: &mut Findings) {
    for (entry, _) in plain.naming.terms(digest, log) {
        let Some(exchange) = entry.exchange().filter(|exchange| **exchange != terms.exchange) else {
            continue;
        };
        if plain.under.get(exchange) != Some(&digest) {
            let about = Subject::new("unsigned_agreement", digest).log(plain.number).exchange(*exchange);
            findings.fault(about, Fault::failed(Reason::FieldDiffers, "agreement of another exchange"));
        }
    }
}

/// The permit that the record gives over these very terms (AUD-13.5).
fn permit(record: &EvaluationRecord, terms: &UnsignedTerms, role: Role) -> Check<UnsignedPermit> {
    let differs = |why: &dyn std::fmt::Display| Fault::failed(Reason::UnsignedDiffers, why);
    let shared = json::digest_of(&terms.shared).map_err(|e| differs(&e))?;
    // A pack of law is in the terms or was not asked; what else was asked is this side's own (POL-16).
    let agreed = |pack: &Pack| terms.packs.iter().any(|agreed| agreed.name == pack.name);
    let law = |pack: &Pack| bundled::all().any(|(name, _)| name == pack.name);
    let overlays = record.packs.iter().filter(|pack| !agreed(pack) && !law(pack)).cloned().collect();
    let expect = UnsignedExpectation {
        phase: Phase::Negotiation,
        role,
        input: Input { shared, private: record.input.private },
        packs: terms.packs.clone(),
        overlays,
    };
    let bytes = record.to_bytes().map_err(|e| differs(&e))?;
    UnsignedPermit::check(&bytes, &expect).map_err(|e| differs(&e))
}

/// The listing that the terms name, if it was shown, is the owner's and of the dataset that was agreed.
fn listing(terms: &UnsignedTerms, log: &Log, statements: &Statements) -> Check<()> {
    let named = terms.listing.ok_or_else(|| Fault::failed(Reason::ListingDiffers, "no listing is named"))?;
    let open = || Fault::open(Reason::NotDisclosed, format!("listing {named}"));
    let listing = statements.listings.get(&named).ok_or_else(open)?;
    for (fits, what) in
        [(listing.iss == log.did, "iss"), (listing.dataset == terms.agreement.target(), "dataset")]
    {
        if !fits {
            return Err(Fault::failed(Reason::ListingDiffers, what));
        }
    }
    Ok(())
}

/// Where the negotiation was finalized: the provider's message with this agreement, the consumer's verification and the
/// provider's FINALIZED, in this order, and no termination: FINALIZED that came to nothing is followed by one.
fn finalized(plain: &Plain, digest: Digest, terms: &UnsignedTerms) -> Option<u64> {
    let acts = plain.acts(terms.exchange);
    let accepted = |kind: EntryType| acts.iter().filter(move |seen| seen.kind == kind && seen.accepted);
    if accepted(EntryType::NegotiationTermination).next().is_some() {
        return None;
    }
    let agreed = accepted(EntryType::NegotiationAgreement).find(|seen| carries(seen, terms))?;
    let verified = accepted(EntryType::NegotiationVerification)
        .find(|seen| seen.act.from == terms.consumer && seen.index > agreed.index)?;
    let finalized = accepted(EntryType::NegotiationFinalized).find(|seen| {
        seen.act.from == terms.provider
            && seen.index > verified.index
            && seen.names.is_none_or(|named| named == digest)
    })?;
    Some(finalized.index)
}
