//! What is concluded of exchanges with peers that sign nothing, in words of their own (spec chapter 09, AUD-13.7, AUD-13.8).

use std::collections::BTreeMap;

use naru_protocol::{
    dsp::{
        Message as _,
        negotiation::ContractNegotiationTerminationMessage,
        transfer::{TransferRequestMessage, TransferTerminationMessage},
    },
    encoding::{Digest, Id},
    log::{checkpoint::Origin, entry::EntryType},
};

use super::{Plain, acts::PlainSeen};
use crate::audit::{
    exchanges::{Concluded, is_policy},
    finding::{Check, Fault, Findings, Grade, Subject},
    reason::Reason,
};

type Word = (&'static str, Option<String>, Option<Digest>);

/// Concludes every exchange of every log; of two exports of one log, the one that shows more of it counts.
pub(in crate::audit) fn conclude(all: &[Plain], findings: &mut Findings) -> Vec<Concluded> {
    let mut found: BTreeMap<(Id, Origin), Concluded> = BTreeMap::new();
    for plain in all {
        let mut recorded: BTreeMap<Id, Vec<(Digest, bool)>> = BTreeMap::new();
        for (digest, made) in &plain.recorded {
            recorded.entry(made.terms.exchange).or_default().push((*digest, made.finalized.is_some()));
        }
        for (exchange, peer) in &plain.peers {
            let acts = plain.acts(*exchange);
            let transfer = acts.first().is_some_and(|first| first.kind.as_str().starts_with("transfer."));
            let (word, code, agreement) = match transfer {
                true => of_transfer(plain, *exchange, &acts, findings),
                false => of_negotiation(recorded.get(exchange).map_or(&[], Vec::as_slice), &acts),
            };
            let word = if findings.failed_in(*exchange) { "not proved" } else { word };
            let one = Concluded {
                id: *exchange,
                kind: if transfer { "transfer" } else { "negotiation" },
                word: word.to_owned(),
                code,
                agreement,
                parties: [peer.clone(), naru_protocol::identity::Did::of(plain.origin.root).to_string()]
                    .into(),
                acts: acts.len(),
                unsigned: true,
            };
            let known = found.entry((*exchange, plain.origin)).or_insert_with(|| one.clone());
            if known.acts < one.acts {
                *known = one;
            }
        }
    }
    found.into_values().collect()
}

/// From the terms that hold, each with whether it was finalized, and the messages.
fn of_negotiation(recorded: &[(Digest, bool)], acts: &[&PlainSeen]) -> Word {
    if let Some((digest, _)) = recorded.iter().find(|(_, finalized)| *finalized) {
        return ("agreed, unsigned", None, Some(*digest));
    }
    let agreement = recorded.first().map(|(digest, _)| *digest);
    let ends = |seen: &&&PlainSeen| seen.kind == EntryType::NegotiationTermination && seen.accepted;
    if let Some(end) = acts.iter().rev().find(ends) {
        let said = ContractNegotiationTerminationMessage::parse(&end.content).ok();
        let code = said.and_then(|message| message.code);
        return (if is_policy(code.as_deref()) { "refused" } else { "terminated" }, code, agreement);
    }
    match acts {
        [first, ..] if first.refused => ("refused", None, None),
        _ => ("open", None, agreement),
    }
}

fn of_transfer(plain: &Plain, exchange: Id, acts: &[&PlainSeen], findings: &mut Findings) -> Word {
    let last = |kind| acts.iter().rev().find(|seen| seen.kind == kind && seen.accepted);
    let mut agreement = None;
    if let Some(request) = acts.iter().find(|seen| seen.kind == EntryType::TransferRequest && seen.accepted) {
        let digest = request.act.digest().map_or_else(|_| exchange.to_string(), |digest| digest.to_string());
        let about = Subject::new("transfer", digest).log(plain.number).exchange(exchange);
        agreement = findings.take(about, Grade::Own, under(plain, request));
    }
    if let Some(end) = last(EntryType::TransferTermination) {
        let code = TransferTerminationMessage::parse(&end.content).ok().and_then(|message| message.code);
        return ("transfer terminated", code, agreement);
    }
    let complete = last(EntryType::TransferCompletion).is_some();
    (if complete { "transfer complete, unsigned" } else { "transfer open" }, None, agreement)
}

/// A transfer is the consumer's, names the agreement of terms that hold, and follows their FINALIZED (AUD-13.7).
fn under(plain: &Plain, request: &PlainSeen) -> Check<Digest> {
    let differs = |what: &str| Fault::failed(Reason::ActDiffers, what);
    let message =
        TransferRequestMessage::parse(&request.content).map_err(|_| differs("no transfer request"))?;
    let withheld = || Fault::failed(Reason::AgreementWithheld, &message.agreement_id);
    let digest = plain.under.get(&request.act.exchange).ok_or_else(withheld)?;
    let terms = plain.documents.get(digest).ok_or_else(withheld)?;
    // Why they do not hold was said of the terms.
    let open = || Fault::open(Reason::NotDisclosed, format!("terms {digest} do not hold"));
    let made = plain.recorded.get(digest).ok_or_else(open)?;
    if terms.agreement.id() != message.agreement_id {
        return Err(Fault::failed(Reason::FieldDiffers, "agreement"));
    }
    if terms.consumer != request.act.from || terms.provider != request.act.to {
        return Err(differs("the parties of the agreement are others"));
    }
    match made.finalized {
        Some(index) if index < request.index => Ok(*digest),
        Some(_) | None => Err(differs("the agreement was not finalized")),
    }
}
