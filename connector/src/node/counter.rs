//! The counter-proposal: terms that lack a duty which our decision puts on the peer come back with it (spec chapter 06,
//! NEG-6.1), and what is taken up of a peer's.
//!
//! A counter-proposal of ours changes nothing but the duties and the agreement's `@id`: text, facts and draft time stay, so
//! that the evaluation that found the duty is the evaluation of the new terms. One in an exchange; a peer that leaves the
//! duty out again is refused with `duty_missing`.

use naru_protocol::{
    dsp::{
        Message as _,
        negotiation::{ContractOfferMessage, ContractRequestMessage, Proposal},
    },
    error::Code,
    exchange::{SendKind, other},
    identity::Role,
    json::{self, V1},
    terms::{Obligation, Terms, first_difference},
};
use serde_json::{Value, json as object};

use super::{
    NodeError,
    peers::random_id,
    policy::Judged,
    proposal::{Listed, decision_fields, message, message_offer, refused},
    turn::Turn,
};

impl Turn {
    /// Answers terms that lack duties which this evaluation puts on the peer.
    pub(super) fn counter(&mut self, terms: &Terms, judged: &Judged) -> Result<(), NodeError> {
        let role = self.machine.role();
        let found: Vec<Obligation> = json::from_value(object!(judged.result.obligations))?;
        let missing = terms.unlisted(&found, other(role));
        if self.deal()?.countered {
            return self.terminate(Code::DutyMissing, missing);
        }
        let terms = with_duties(terms, found)?;
        let permit = self.node.permit(judged, &terms, role, None)?;
        let own = judged.own_by(&permit, &self.decided_by()?);
        let proposal = Proposal { v: V1, key: None, terms: terms.clone(), decision: own.decision.clone() };
        let listing = self.deal()?.listing.clone();
        let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&listing)?;
        let offer = message_offer(listing.claims())?;
        let (provider_pid, consumer_pid) = self.pids()?;
        let theirs = self.their_pid()?;
        let (path, body, kind) = match role {
            Role::Provider => {
                let m = ContractOfferMessage {
                    provider_pid,
                    consumer_pid: Some(consumer_pid),
                    offer,
                    callback_address: None,
                    dxp: Some(proposal),
                };
                (format!("/negotiations/{theirs}/offers"), m.to_bytes(), SendKind::Offer(permit))
            }
            Role::Consumer => {
                let m = ContractRequestMessage {
                    consumer_pid,
                    provider_pid: Some(provider_pid),
                    offer,
                    callback_address: None,
                    dxp: Some(proposal),
                };
                (format!("/negotiations/{theirs}/request"), m.to_bytes(), SendKind::Request(permit))
            }
        };
        let mut fields = decision_fields(&terms, judged)?;
        fields.extend(self.approval_field()?);
        self.send(kind, &path, body.map_err(message)?, fields)?;
        let deal = self.deal()?;
        deal.countered = true;
        deal.terms = Some(terms);
        deal.ours = Some(own);
        deal.theirs = None;
        Ok(())
    }

    /// Whether a proposal in this exchange is what we proposed ourselves, with further duties: nobody need be asked again.
    pub(super) fn only_adds_duties(&mut self, terms: &Terms, listed: &Listed) -> Result<bool, NodeError> {
        let initiator = self.machine.initiator();
        let deal = self.deal()?;
        let Some(ours) = deal.terms.as_ref().filter(|_| deal.ours.is_some()) else { return Ok(false) };
        if deal.listing != listed.jws || ours.obligations.iter().any(|duty| !terms.obligations.contains(duty))
        {
            return Ok(false);
        }
        let same = first_difference(&bare(ours)?, &bare(terms)?).is_none();
        Ok(same && initiator == self.machine.role())
    }
}

/// The same terms with these duties listed too, under an id of their own.
fn with_duties(terms: &Terms, found: Vec<Obligation>) -> Result<Terms, NodeError> {
    let mut value = object!(terms);
    let id = random_id()?.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
    value["agreement"]["@id"] = object!(format!("urn:dxp:{id}"));
    let mut listed = terms.obligations.clone();
    listed.extend(found.into_iter().filter(|duty| !terms.obligations.contains(duty)));
    let mut sorted = Vec::new();
    for duty in listed {
        sorted.push((json::to_canonical(&duty)?, object!(duty)));
    }
    // NEG-4.6: by canonical form.
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    value["obligations"] = sorted.into_iter().map(|(_, duty)| duty).collect();
    let terms: Terms = json::from_value(value)?;
    terms.check().map_err(refused!())?;
    Ok(terms)
}

/// What must be equal in two proposals that differ in their duties only.
fn bare(terms: &Terms) -> Result<Value, NodeError> {
    let mut value = json::parse(&json::to_canonical(terms)?)?;
    value["agreement"]["@id"] = Value::Null;
    value["obligations"] = Value::Null;
    Ok(value)
}
