//! Agreements and what they rest on: both signatures, FINALIZED and its acknowledgement, terms, listing (spec chapter 09, AUD-9).
//!
//! The verdict is the core's; here its evidence is found among acts that verified.

use std::collections::BTreeMap;

use naru_protocol::{
    agreement::{Acknowledgement, Evidence, InForce, Jws, ProviderSigned, Refusal, Rings, Verdict, verdict},
    dsp::{
        Message as _,
        negotiation::{
            ContractAgreementMessage, ContractNegotiationEventMessage, ContractOfferMessage,
            ContractRequestMessage,
        },
        transfer::{TransferRequestMessage, TransferStartMessage},
    },
    encoding::{Digest, Id},
    log::entry::EntryType,
    terms::{Decision, Terms},
};

use super::{
    exchanges::{Exchanges, Joined},
    export::{Folder, Place},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::Log,
    reason::Reason,
    statements::Statements,
};

/// The terms that a proposal carries.
pub(super) fn terms_in(kind: EntryType, content: &[u8]) -> Option<Terms> {
    if kind == EntryType::NegotiationRequest {
        return Some(ContractRequestMessage::parse(content).ok()?.dxp?.terms);
    }
    if kind == EntryType::NegotiationOffer {
        return Some(ContractOfferMessage::parse(content).ok()?.dxp?.terms);
    }
    None
}

/// The sender's own decision that an act carries; in an agreement the provider's.
pub(super) fn decision_in(kind: EntryType, content: &[u8]) -> Option<Decision> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most entries carry no decision, a new type least of all"
    )]
    match kind {
        EntryType::NegotiationRequest => Some(ContractRequestMessage::parse(content).ok()?.dxp?.decision),
        EntryType::NegotiationOffer => Some(ContractOfferMessage::parse(content).ok()?.dxp?.decision),
        EntryType::NegotiationAccept => ContractNegotiationEventMessage::parse(content).ok()?.dxp?.decision,
        EntryType::NegotiationAgreement => {
            let jws = ContractAgreementMessage::parse(content).ok()?.dxp?.agreement;
            let content: naru_protocol::agreement::Content =
                serde_json::from_slice(&jws.payload_bytes().ok()?).ok()?;
            Some(content.decisions.provider)
        }
        EntryType::TransferRequest => Some(TransferRequestMessage::parse(content).ok()?.dxp?.decision),
        EntryType::TransferStart => Some(TransferStartMessage::parse(content).ok()?.dxp?.decision),
        _ => None,
    }
}

/// How far an agreement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    InForce(InForce),
    SignedNotConcluded,
    Lapsed,
    OneSignature,
}

impl Standing {
    /// How much is shown: of two exports, the one that shows more is believed.
    const fn shows(self) -> u8 {
        match self {
            Self::OneSignature => 0,
            Self::SignedNotConcluded => 1,
            Self::Lapsed => 2,
            Self::InForce(_) => 3,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InForce(_) => "in force",
            Self::SignedNotConcluded => "signed, not concluded",
            Self::Lapsed => "lapsed",
            Self::OneSignature => "one signature",
        }
    }
}

/// An agreement that verified, in the most complete form that was shown.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) exchange: Id,
    pub(super) terms: Terms,
    pub(super) standing: Standing,
    /// Persons in whose name a side decided: the side's DID, and the name.
    approved: Vec<(String, String)>,
}

/// Judges `agreements/` of all folders.
pub(super) fn read(
    folders: &[(usize, Folder)],
    exchanges: &Exchanges<'_>,
    statements: &Statements,
    findings: &mut Findings,
) -> BTreeMap<Digest, Agreed> {
    let mut all: BTreeMap<Digest, Agreed> = BTreeMap::new();
    for (log, folder) in folders {
        for place in folder.places() {
            let Place::Agreement(digest) = place else { continue };
            let mut about = Subject::new("agreement", digest).log(*log);
            about.exchange = exchanges.of_agreement(digest);
            let check = judge(folder, digest, exchanges, statements);
            let Some(agreed) = findings.need(about.clone(), check) else { continue };
            let grade = match agreed.standing {
                Standing::InForce(_) | Standing::SignedNotConcluded | Standing::Lapsed => Grade::Counterparty,
                Standing::OneSignature => Grade::Own,
            };
            findings.proved(about.clone(), grade, agreed.standing.as_str());
            for (side, name) in &agreed.approved {
                let about = Subject { claim: "approval", subject: side.clone(), ..about.clone() };
                findings.proved(about, grade, format!("signed in the name of {name}"));
            }
            let about = Subject { claim: "listing", ..about };
            findings.take(about, Grade::Own, listing(&agreed.terms, statements));
            let better = |known: &Agreed| known.standing.shows() >= agreed.standing.shows();
            if !all.get(&digest).is_some_and(better) {
                all.insert(digest, agreed);
            }
        }
    }
    all
}

/// Every agreement that an entry names has its file (AUD-9.5).
pub(super) fn withheld(folder: &Folder, number: usize, log: &Log, findings: &mut Findings) {
    for (_, entry, shown) in log.all() {
        let named = shown.get("agreement").and_then(|value| Digest::parse(value.as_str()?).ok());
        // What is marked unsigned names no agreement that was signed.
        let signed = !shown.contains_key("unsigned");
        let has =
            |digest| folder.has(Place::Unsigned(digest)) || (signed && folder.has(Place::Agreement(digest)));
        let Some(digest) = named.filter(|digest| !has(*digest)) else { continue };
        let mut about = Subject::new("agreement", digest).log(number);
        about.exchange = entry.exchange().copied();
        findings.fault(about, Fault::failed(Reason::AgreementWithheld, entry.kind()));
    }
}

fn judge(
    folder: &Folder,
    digest: Digest,
    exchanges: &Exchanges<'_>,
    statements: &Statements,
) -> Check<Agreed> {
    let place = Place::Agreement(digest);
    let jws: Jws = folder.json(place)?;
    let invalid = |why: &dyn std::fmt::Display| Fault::failed(Reason::AgreementInvalid, why);
    let payload = jws.payload_bytes().map_err(|e| invalid(&e))?;
    if Digest::of(&payload) != digest {
        return Err(Fault::failed(Reason::NameDiffers, place.path()));
    }
    let content: naru_protocol::agreement::Content =
        naru_protocol::json::parse_canonical(&payload).map_err(|e| invalid(&e))?;
    let terms = content.terms;
    let decided =
        [(terms.provider.did, content.decisions.provider), (terms.consumer.did, content.decisions.consumer)];
    let approved = decided.into_iter().filter(|(_, decision)| decision.by != "auto");
    let approved = approved.map(|(did, decision)| (did.to_string(), decision.by)).collect();
    let unknown = |did| Fault::failed(Reason::KeyUnknown, did);
    let rings = Rings {
        provider: statements.ring(&terms.provider.did).ok_or_else(|| unknown(terms.provider.did))?,
        consumer: statements.ring(&terms.consumer.did).ok_or_else(|| unknown(terms.consumer.did))?,
    };
    let Some(exchange) = exchanges.of_agreement(digest) else {
        return Err(Fault::failed(Reason::ActWithheld, "no act carries this agreement"));
    };
    let acts = exchanges.acts(exchange);
    let proposed =
        acts.iter().rev().filter(|act| act.accepted).find_map(|act| terms_in(act.kind, act.content));
    let evidence = Evidence { terms: proposed.as_ref(), ..Evidence::default() };
    let standing = match best(&jws, rings, evidence, &acts, exchanges) {
        Verdict::InForce(proof) => Standing::InForce(proof),
        Verdict::SignedNotConcluded => Standing::SignedNotConcluded,
        Verdict::Lapsed => Standing::Lapsed,
        Verdict::OneSignature => Standing::OneSignature,
        Verdict::DiffersFromTerms(pointer) => return Err(Fault::failed(Reason::TermsDiffer, pointer)),
        Verdict::Unsigned(error) => return Err(invalid(&error)),
    };
    // A signature that is shown must count.
    let first = ProviderSigned::from_evidence(&jws, rings.provider).map_err(|e| invalid(&e))?;
    let both = naru_protocol::agreement::SignedByBoth::from_evidence(&jws, rings);
    if jws.signatures.len() != 1 {
        both.map_err(|e| invalid(&e))?;
    } else if standing != Standing::OneSignature && standing != Standing::Lapsed {
        return Err(invalid(&first.digest()));
    }
    Ok(Agreed { exchange, terms, standing, approved })
}

/// The verdict with the best evidence there is: an acknowledgement of FINALIZED, else an act that names it, else a refusal of
/// a closing act because the deadline was over.
fn best(
    jws: &Jws,
    rings: Rings<'_>,
    evidence: Evidence<'_>,
    acts: &[Joined<'_>],
    all: &Exchanges<'_>,
) -> Verdict {
    let finalized = acts.iter().filter(|act| act.kind == EntryType::NegotiationFinalized);
    for act in finalized {
        let Some(token) = act.token else { continue };
        let named = all.naming(act.digest).filter_map(|next| next.token).map(Acknowledgement::Named);
        for acknowledgement in act.ack.map(Acknowledgement::Ack).into_iter().chain(named) {
            let evidence = Evidence {
                finalized: Some((token, act.content)),
                acknowledgement: Some(acknowledgement),
                ..evidence
            };
            let found = verdict(jws, rings, &evidence);
            if matches!(found, Verdict::InForce(_)) {
                return found;
            }
        }
    }
    for refusal in acts.iter().filter_map(refusal) {
        let found = verdict(jws, rings, &Evidence { refusal: Some(refusal), ..evidence });
        if found == Verdict::Lapsed {
            return found;
        }
    }
    verdict(jws, rings, &evidence)
}

fn refusal<'a>(act: &Joined<'a>) -> Option<Refusal<'a>> {
    if !act.refused {
        return None;
    }
    Some(Refusal { token: act.token?, content: act.content, ack: act.ack?, answer: act.answer? })
}

/// The listing that the terms name, if it was shown, and what it says of the dataset (AUD-9.4).
fn listing(terms: &Terms, statements: &Statements) -> Check<()> {
    for party in [&terms.provider, &terms.consumer] {
        if !statements.shows(&party.statement) {
            return Err(Fault::open(Reason::NotDisclosed, format!("the statement of {}", party.did)));
        }
    }
    let Some(listing) = statements.listings.get(&terms.listing) else {
        return Err(Fault::open(Reason::NotDisclosed, format!("listing {}", terms.listing)));
    };
    for (fits, what) in [
        (listing.iss == terms.provider.did, "iss"),
        (listing.dataset == terms.agreement.target(), "dataset"),
        (listing.content_root == terms.content_root, "content_root"),
    ] {
        if !fits {
            return Err(Fault::failed(Reason::ListingDiffers, what));
        }
    }
    Ok(())
}
