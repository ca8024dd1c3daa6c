//! A deal with a plain peer: what each message means, and what this side says to it (spec chapter 13, PLN-5).
//!
//! [`PlainTurn::hear`] takes in what was said; [`PlainTurn::go_on`] does what follows. Law is asked before anything of ours goes
//! out that could become an agreement, and again before the agreement itself.

use naru_protocol::{
    dsp::{
        Message as _,
        negotiation::{
            ContractAgreementMessage, ContractAgreementVerificationMessage, ContractNegotiationEventMessage,
            ContractNegotiationTerminationMessage, EventType,
        },
        odrl,
    },
    encoding::{Digest, Id},
    error::Code,
    exchange::{ActKind, Role},
    json::{self, V1},
    limits, negotiation as neg,
    plain::{PlainSend, UnsignedAgreement, UnsignedPermit, UnsignedTerms},
};
use serde_json::{Value, json as object};

use super::{
    offer,
    turn::{AFTER_ANSWER_MILLIS, PlainData, PlainTurn},
};
use crate::{
    node::{
        NodeError, now_ms,
        proposal::{Listed, message},
        received::Said,
        views,
    },
    store::{AgreementRow, AgreementState},
};

/// What happened to an exchange: a message of the peer was taken, or one of ours was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The peer's.
    Theirs(ActKind),
    /// Ours.
    Ours(ActKind),
}

/// What is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing of ours: a person or the peer is next.
    Nothing,
    /// Counter-request.
    #[cfg(feature = "tck")]
    Request,
    /// Counter-offer.
    #[cfg(feature = "tck")]
    Offer,
    /// A person decides; law was not asked yet.
    Hold,
    /// A person decides, if law allows.
    Ask,
    /// ACCEPTED.
    Accept,
    /// The agreement, if law allows.
    Agree,
    /// The verification, if the agreement is what was asked for and law allows.
    Verify,
    /// FINALIZED.
    Finalize,
    /// The transfer begins or goes on, if law allows.
    Start,
    /// The transfer pauses.
    #[cfg(feature = "tck")]
    Suspend,
    /// The transfer is complete.
    Complete,
    /// The negotiation or the transfer ends.
    End(Code, Vec<String>),
}

/// Under which setting the negotiation of an agreement with a peer is found.
pub(super) fn agreement_setting(peer: &str, id: &str) -> String {
    // Ids may hold any separator: a digest has one length.
    format!("plain-agreement:{}:{id}", Digest::of(peer.as_bytes()))
}

/// What a connector does by itself.
fn usual(heard: Heard) -> Step {
    use neg::ActKind as N;
    match heard {
        Heard::Theirs(ActKind::Negotiation(N::Request | N::Accept)) => Step::Agree,
        Heard::Theirs(ActKind::Negotiation(N::Agree)) => Step::Verify,
        Heard::Theirs(ActKind::Negotiation(N::Verify)) => Step::Finalize,
        Heard::Theirs(ActKind::Negotiation(N::Offer | N::Finalize | N::Terminate | N::End | N::Report)) => {
            Step::Nothing
        }
        Heard::Theirs(ActKind::Transfer(naru_protocol::transfer::ActKind::Request)) => Step::Start,
        Heard::Theirs(ActKind::Transfer(_)) | Heard::Ours(_) => Step::Nothing,
    }
}

impl PlainTurn {
    /// Does what follows from what happened.
    pub(super) async fn go_on(&mut self, heard: Heard) -> Result<(), NodeError> {
        #[cfg(feature = "tck")]
        if let Some((step, pause)) = self.scripted(heard) {
            return self.take(step, pause).await;
        }
        let mut step = usual(heard);
        if heard == Heard::Theirs(ActKind::Negotiation(neg::ActKind::Offer)) {
            // An order is a person's word, given beforehand (NEG-15.1).
            step = if self.is_wanted().await? { Step::Accept } else { Step::Hold };
        }
        if heard == Heard::Theirs(ActKind::Negotiation(neg::ActKind::Request)) {
            let dataset = self.deal()?.dataset.clone();
            if self.node.asks_person(&dataset).await? {
                step = Step::Ask;
            }
        }
        let cancelled = match &self.data {
            PlainData::Deal(deal) => deal.cancel.clone(),
            PlainData::Haul(haul) => haul.cancel.clone(),
        };
        if self.rests_on_what_ended().await? {
            step = Step::End(Code::AgreementEnded, Vec::new());
        }
        if let Some(reason) = cancelled {
            step = Step::End(Code::Cancelled, Some(reason).into_iter().filter(|r| !r.is_empty()).collect());
        }
        let ordered = step == Step::Accept && self.deal()?.asked.is_none();
        self.take(step, AFTER_ANSWER_MILLIS).await?;
        let accept = ActKind::Negotiation(neg::ActKind::Accept);
        if ordered && self.machine.pending().is_some_and(|pending| pending.kind == accept) {
            self.deal()?.held = None;
            // With what takes the offer up, and only then: what law refuses leaves the order standing.
            self.batch.meta.push(crate::node::Node::used_up(&self.row.peer));
        }
        Ok(())
    }

    /// Carries out a step. What law refuses becomes the end of the exchange, with the code that the peer may learn.
    pub(super) async fn take(&mut self, step: Step, pause: u64) -> Result<(), NodeError> {
        match step {
            Step::Nothing => Ok(()),
            Step::Hold => self.hold(),
            Step::Ask => match self.permitted(pause).await? {
                Some((_, fields)) => {
                    fields.into_iter().for_each(|(name, value)| self.remark(name, value));
                    self.hold()
                }
                None => Ok(()),
            },
            #[cfg(feature = "tck")]
            Step::Request => self.counter_request(pause).await,
            #[cfg(feature = "tck")]
            Step::Offer => self.counter_offer(pause).await,
            Step::Accept => self.accept(pause).await,
            Step::Agree => self.agree(pause).await,
            Step::Verify => self.verify(pause).await,
            Step::Finalize => self.finalize(pause),
            Step::Start => self.start(pause).await,
            #[cfg(feature = "tck")]
            Step::Suspend => self.suspend(pause),
            Step::Complete => self.complete(pause),
            Step::End(code, reasons) => self.end(code, reasons, Vec::new(), pause),
        }
    }

    /// Takes in a message of a negotiation.
    pub(super) async fn hear_deal(&mut self, said: &Said) -> Result<(), NodeError> {
        match said {
            Said::Request(m) => self.on_offer(&m.offer).await,
            Said::Offer(m) => self.on_offer(&m.offer).await,
            Said::Event(m) if m.event_type == EventType::Finalized => {
                let deal = self.deal()?;
                (deal.in_force, deal.ended_ms) = (true, Some(now_ms()));
                let agreement = deal.agreement;
                self.remark("agreement", object!(agreement));
                self.keep_agreement(AgreementState::InForce).await
            }
            Said::Event(_) | Said::Verification(_) => Ok(()),
            Said::Agreement(m) => {
                let deal = self.deal()?;
                deal.agreement_id = Some(m.agreement.id().to_owned());
                Ok(())
            }
            Said::Termination(m) => {
                let code = m.code.clone().unwrap_or_else(|| Code::Cancelled.as_str().to_owned());
                let reasons = reasons_of(&m.reason);
                self.remark("code", object!(code));
                let role = self.machine.role();
                let deal = self.deal()?;
                (deal.refusal, deal.held) = (Some(views::refusal_by_peer(&code, reasons, role)), None);
                Ok(())
            }
            Said::End(_)
            | Said::Report(_)
            | Said::TransferRequest(_)
            | Said::Start(_)
            | Said::Suspension(_)
            | Said::Completion(_)
            | Said::TransferTermination(_)
            | Said::Receipt(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// A request or an offer: about the dataset that the negotiation is about, between the two of us, and as provider on the
    /// terms that we published, whatever the peer made of them.
    async fn on_offer(&mut self, said: &odrl::Offer) -> Result<(), NodeError> {
        let (role, ours) = (self.machine.role(), self.node.me.did.to_string());
        let (assigner, assignee) = match role {
            Role::Provider => (ours, self.row.peer.clone()),
            Role::Consumer => (self.row.peer.clone(), ours),
        };
        for (member, party) in [("assigner", assigner), ("assignee", assignee)] {
            if said.value().get(member).and_then(Value::as_str).is_some_and(|named| named != party) {
                return Err(NodeError::refused(Code::TermsDiffer, format!("/offer/{member}")));
            }
        }
        let dataset = self.deal()?.dataset.clone();
        if said.target() != Some(dataset.as_str()) {
            return Err(NodeError::refused(Code::TermsDiffer, "/offer/target"));
        }
        match role {
            Role::Provider => {
                let listed = self.listed().await?;
                if let Some(place) = offer::difference(said.value(), &listed.listing.policy) {
                    return Err(NodeError::refused(Code::TermsDiffer, format!("/offer{place}")));
                }
                self.deal()?.listing = listed.jws;
                self.deal()?.offer = offer::about(&listed.listing.policy, &dataset)?.value().clone();
            }
            Role::Consumer => self.deal()?.offer = said.value().clone(),
        }
        let deal = self.deal()?;
        (deal.shared, deal.held, deal.approved) = (None, None, None);
        Ok(())
    }

    /// Our listing that the deal is about.
    pub(super) async fn listed(&mut self) -> Result<Listed, NodeError> {
        let dataset = self.deal()?.dataset.clone();
        let none = || NodeError::refused(Code::TermsDiffer, "/offer/target: no such dataset is offered");
        let row = self.node.store.dataset(&dataset, None).await?.filter(|d| !d.withdrawn).ok_or_else(none)?;
        let listed = Listed::read(&row.listing, &self.node.me.ring)?;
        listed
            .listing
            .holds_at(self.at)
            .map_err(|e| NodeError::refused(Code::ListingExpired, e.to_string()))?;
        Ok(listed)
    }

    /// The document that policy is asked about: written once for what is proposed now.
    pub(super) async fn shared(&mut self) -> Result<Value, NodeError> {
        if let Some(shared) = self.deal()?.shared.clone() {
            return Ok(shared);
        }
        let role = self.machine.role();
        let facts = match role {
            Role::Provider => self.listed().await?.listing.facts,
            Role::Consumer => {
                let mut facts = self.deal()?.facts.clone().unwrap_or_else(|| object!({}));
                facts["id"] = object!(self.deal()?.dataset);
                facts
            }
        };
        let (node, peer, at) = (self.node.clone(), self.peer.clone(), self.at);
        let shared = node.plain_shared(&peer, role, self.deal()?, &facts, at)?;
        self.deal()?.shared = Some(shared.clone());
        Ok(shared)
    }

    /// Asks law about what is proposed; what refuses ends the negotiation, and gives none.
    async fn permitted(
        &mut self,
        pause: u64,
    ) -> Result<Option<(UnsignedPermit, Vec<(&'static str, Value)>)>, NodeError> {
        let shared = match self.shared().await {
            Ok(shared) => shared,
            Err(NodeError::Refused(Code::TermsDiffer, place)) => {
                self.end(Code::TermsDiffer, vec![place], Vec::new(), pause)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let judged = self.judge(&shared, None).await?;
        let fields = vec![("decision", object!(judged.row.digest))];
        match self.permit(&judged, None) {
            Ok(permit) => Ok(Some((permit, fields))),
            Err(NodeError::Refused(code @ (Code::Denied | Code::Undetermined), why)) => {
                let reasons = self.node.peer_reasons(&judged);
                tracing::info!(exchange = %self.row.id, %why, "refused by law");
                self.end(code, reasons, fields, pause)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn agree(&mut self, pause: u64) -> Result<(), NodeError> {
        let Some((permit, mut fields)) = self.permitted(pause).await? else { return Ok(()) };
        fields.extend(self.approval_field()?);
        let (us, peer) = (self.node.me.did.to_string(), self.row.peer.clone());
        let id = format!("urn:uuid:{}", super::begin::uuid()?);
        let deal = self.deal()?;
        let text =
            offer::agreed(&offer::spelt(&deal.offer), &id, (&us, &peer), permit_time(deal.shared.as_ref()))?;
        deal.agreement_id = Some(id);
        let made = self.made(text.clone(), &permit).await?;
        fields.push(("agreement", object!(made.digest())));
        let (provider_pid, consumer_pid) = self.pids();
        let m = ContractAgreementMessage { provider_pid, consumer_pid, agreement: text, dxp: None };
        let path = format!("/negotiations/{}/agreement", self.their_pid()?);
        self.send(PlainSend::Agree(made), &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    /// The agreement that rests on a permit, kept.
    pub(super) async fn made(
        &mut self,
        text: odrl::Agreement,
        permit: &UnsignedPermit,
    ) -> Result<UnsignedAgreement, NodeError> {
        let (us, peer, exchange) = (self.node.me.did.to_string(), self.row.peer.clone(), self.row.id);
        let (provider, consumer) = match self.machine.role() {
            Role::Provider => (us, peer),
            Role::Consumer => (peer, us),
        };
        let shared = self.shared().await?;
        let packs = permit.packs().to_vec();
        let deal = self.deal()?;
        let listing = (!deal.listing.is_empty()).then(|| Digest::of(deal.listing.as_bytes()));
        let obligations = permit.obligations().to_vec();
        let terms = UnsignedTerms {
            v: V1,
            exchange,
            provider,
            consumer,
            agreement: text,
            listing,
            shared,
            packs,
            obligations,
        };
        let bytes = json::to_canonical(&terms)?;
        let made = UnsignedAgreement::check(terms, permit)
            .map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        self.deal()?.agreement = Some(made.digest());
        let row = AgreementRow {
            digest: made.digest(),
            exchange,
            jws: String::from_utf8(bytes).unwrap_or_default(),
            state: AgreementState::Signed,
            finalized_at: None,
        };
        self.batch.agreements.push(row);
        let id = made.terms().agreement.id();
        let setting = agreement_setting(&self.row.peer, id);
        self.batch.meta.push((setting, exchange.to_string()));
        Ok(made)
    }

    /// Moves the kept agreement to another state.
    pub(super) async fn keep_agreement(&mut self, state: AgreementState) -> Result<(), NodeError> {
        let Some(digest) = self.deal()?.agreement else { return Ok(()) };
        let Some(row) = self.node.store.agreement(digest).await? else { return Ok(()) };
        let finalized_at = (state == AgreementState::InForce).then_some(self.at).or(row.finalized_at);
        self.batch.agreements.push(AgreementRow { state, finalized_at, ..row });
        Ok(())
    }

    /// The agreement that the peer sent must be what we asked for, between the two of us, of now; then law is asked again.
    async fn verify(&mut self, pause: u64) -> Result<(), NodeError> {
        let text = match self.agreement_text().await? {
            Ok(text) => text,
            Err(place) => return self.end(Code::AgreementDiffers, vec![place], Vec::new(), pause),
        };
        let Some((permit, mut fields)) = self.permitted(pause).await? else { return Ok(()) };
        let made = self.made(text, &permit).await?;
        fields.push(("agreement", object!(made.digest())));
        let (provider_pid, consumer_pid) = self.pids();
        let m = ContractAgreementVerificationMessage { provider_pid, consumer_pid, dxp: None };
        let path = format!("/negotiations/{}/agreement/verification", self.their_pid()?);
        self.send(PlainSend::Verify(made), &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    /// The agreement object in the message that was just taken, or the first place where it is not what it must be.
    async fn agreement_text(&mut self) -> Result<Result<odrl::Agreement, String>, NodeError> {
        let none = || NodeError::refused(Code::AgreementDiffers, "no agreement was received");
        let content = self.received_content().ok_or_else(none)?.to_vec();
        let text = ContractAgreementMessage::parse(&content).map_err(message)?.agreement;
        let (us, peer, at) = (self.node.me.did.to_string(), self.row.peer.clone(), self.at);
        let deal = self.deal()?;
        let place = if text.target() != deal.dataset {
            Some("/agreement/target".to_owned())
        } else if text.assigner() != peer {
            Some("/agreement/assigner".to_owned())
        } else if text.assignee() != us {
            Some("/agreement/assignee".to_owned())
        } else if text.timestamp().is_some_and(|t| t > at + limits::SKEW_SECONDS || t + DAY < at) {
            Some("/agreement/timestamp".to_owned())
        } else {
            offer::difference(text.value(), &deal.offer).map(|place| format!("/agreement{place}"))
        };
        Ok(place.map_or(Ok(text), Err))
    }

    fn finalize(&mut self, pause: u64) -> Result<(), NodeError> {
        let (provider_pid, consumer_pid) = self.pids();
        let event = ContractNegotiationEventMessage {
            provider_pid,
            consumer_pid,
            event_type: EventType::Finalized,
            dxp: None,
        };
        let path = format!("/negotiations/{}/events", self.their_pid()?);
        let agreement = self.deal()?.agreement;
        let fields = vec![("agreement", object!(agreement))];
        self.send(PlainSend::Finalize, &path, event.to_bytes().map_err(message)?, fields, pause)
    }

    /// Takes up the provider's offer.
    pub(super) async fn accept(&mut self, pause: u64) -> Result<(), NodeError> {
        let Some((permit, mut fields)) = self.permitted(pause).await? else { return Ok(()) };
        fields.extend(self.approval_field()?);
        let (provider_pid, consumer_pid) = self.pids();
        let event = ContractNegotiationEventMessage {
            provider_pid,
            consumer_pid,
            event_type: EventType::Accepted,
            dxp: None,
        };
        let path = format!("/negotiations/{}/events", self.their_pid()?);
        self.send(PlainSend::Accept(permit), &path, event.to_bytes().map_err(message)?, fields, pause)
    }

    #[cfg(feature = "tck")]
    async fn counter_request(&mut self, pause: u64) -> Result<(), NodeError> {
        let Some((permit, fields)) = self.permitted(pause).await? else { return Ok(()) };
        let (provider_pid, consumer_pid) = self.pids();
        let deal = self.deal()?;
        let offer = offer::about(&deal.offer, &deal.dataset)?;
        let path = format!("/negotiations/{provider_pid}/request");
        let m = naru_protocol::dsp::negotiation::ContractRequestMessage {
            consumer_pid,
            provider_pid: Some(provider_pid),
            offer,
            callback_address: None,
            dxp: None,
        };
        self.send(PlainSend::Request(permit), &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    #[cfg(feature = "tck")]
    async fn counter_offer(&mut self, pause: u64) -> Result<(), NodeError> {
        let Some((permit, fields)) = self.permitted(pause).await? else { return Ok(()) };
        let (provider_pid, consumer_pid) = self.pids();
        let deal = self.deal()?;
        let offer = offer::about(&offer::spelt(&deal.offer), &deal.dataset)?;
        let path = format!("/negotiations/{consumer_pid}/offers");
        let m = naru_protocol::dsp::negotiation::ContractOfferMessage {
            provider_pid,
            consumer_pid: Some(consumer_pid),
            offer,
            callback_address: None,
            dxp: None,
        };
        self.send(PlainSend::Offer(permit), &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    /// Ends the negotiation or the transfer with a code, if a message of ours may say so now.
    pub(super) fn end(
        &mut self,
        code: Code,
        reasons: Vec<String>,
        mut fields: Vec<(&'static str, Value)>,
        pause: u64,
    ) -> Result<(), NodeError> {
        if let PlainData::Haul(_) = self.data {
            return self.end_transfer(code, reasons, fields, pause);
        }
        let role = self.machine.role();
        let deal = self.deal()?;
        (deal.refusal, deal.held) = (Some(views::refusal(code, reasons.clone(), role)), None);
        if !self.machine.may_send(ActKind::Negotiation(neg::ActKind::Terminate))
            || self.row.peer_pid.is_none()
        {
            return Ok(());
        }
        fields.push(("code", object!(code.as_str())));
        let (provider_pid, consumer_pid) = self.pids();
        let m = ContractNegotiationTerminationMessage {
            provider_pid,
            consumer_pid,
            code: Some(code.as_str().to_owned()),
            reason: reasons.iter().map(|r| object!(r)).collect(),
            dxp: None,
        };
        let path = format!("/negotiations/{}/termination", self.their_pid()?);
        self.send(PlainSend::Terminate, &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    /// Whether an offer of the peer answers a standing order of the operator.
    async fn is_wanted(&mut self) -> Result<bool, NodeError> {
        let deal = self.deal()?;
        if let Some(asked) = &deal.asked {
            return Ok(offer::difference(&deal.offer, asked).is_none());
        }
        // Until this turn is durable: one order is for one offer, however many come at once.
        let name = Digest::of(format!("order {}", self.row.peer).as_bytes());
        self.held.push(self.node.locks.one(Id(super::begin::first_half(&name))).await);
        let Some(order) = self.node.standing(&self.row.peer).await? else { return Ok(false) };
        let deal = self.deal()?;
        (deal.out, deal.purpose, deal.countries) = (Some(order.out), Some(order.purpose), order.countries);
        deal.facts = order.facts;
        Ok(true)
    }
}

/// An agreement's timestamp may be older than this node's clock by so much, seconds.
const DAY: u64 = 86_400;

/// The agreement bears the time of the document that law was asked about.
fn permit_time(shared: Option<&Value>) -> u64 {
    shared.and_then(|s| s.pointer("/contract/valid_from")).and_then(Value::as_u64).unwrap_or_default()
}

/// Texts among the reasons of a message.
pub(super) fn reasons_of(reason: &[Value]) -> Vec<String> {
    reason.iter().filter_map(|r| r.as_str().map(str::to_owned)).collect()
}
