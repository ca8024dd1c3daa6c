//! The deal: proposing, taking up, signing, closing (spec chapter 06; protocol.md "A deal").
//!
//! Each function is one arrow of the diagram on one side. The core decides whether the arrow is legal and demands the
//! proofs; the packs decide whether law and terms allow; here the documents are built, compared and kept.

use naru_protocol::{
    agreement::{Decisions, ProviderSigned, When},
    dsp::{
        Message as _,
        negotiation::{
            AgreementMember, CodeMember, ContractAgreementMessage, ContractAgreementVerificationMessage,
            ContractNegotiation, ContractNegotiationEventMessage, ContractNegotiationTerminationMessage,
            EventMember, EventType, Proposal, VerificationMember,
        },
        odrl,
    },
    encoding::Digest,
    error::Code,
    exchange::{ActKind, SendKind, other},
    identity::Role,
    json::V1,
    negotiation::{ActKind as Neg, State},
    permit::{PeerAllow, Permit},
    terms::{Decision, Phase, Setting, Side, Terms},
};
use serde_json::{Value, json as object};

use super::{
    NodeError,
    inbound::Caller,
    now_ms,
    policy::{Judged, Question},
    received::Said,
    turn::Turn,
    views,
};
use crate::store::{AgreementRow, AgreementState};

use super::proposal::{decision_fields, message, refused};

impl Turn {
    /// Provider's and consumer's pid.
    pub(super) fn pids(&self) -> Result<(String, String), NodeError> {
        let theirs = self.their_pid()?;
        Ok(match self.machine.role() {
            Role::Provider => (self.row.our_pid.clone(), theirs),
            Role::Consumer => (theirs, self.row.our_pid.clone()),
        })
    }

    pub(super) fn their_pid(&self) -> Result<String, NodeError> {
        self.row
            .peer_pid
            .clone()
            .ok_or_else(|| NodeError::refused(Code::IllegalState, "the peer has not answered yet"))
    }

    /// What a negotiation message means here; gives the content of its answer.
    pub(super) async fn negotiate(
        &mut self,
        caller: &Caller,
        said: &Said,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        let signs = match said {
            Said::Agreement(_) | Said::Verification(_) => true,
            Said::Event(m) => m.event_type == EventType::Accepted,
            Said::Request(_)
            | Said::Offer(_)
            | Said::Termination(_)
            | Said::End(_)
            | Said::Report(_)
            | Said::TransferRequest(_)
            | Said::Start(_)
            | Said::Suspension(_)
            | Said::Completion(_)
            | Said::TransferTermination(_)
            | Said::Receipt(_) => false,
        };
        // What our answer would sign or close, the operator may have wanted ended.
        if signs && self.carry_out()? {
            return Ok(Vec::new());
        }
        self.named_by(caller)?;
        match said {
            Said::Request(m) => {
                let dxp = m.dxp.as_ref().ok_or_else(|| NodeError::refused(Code::Downgraded, ""))?;
                self.on_proposal(caller, dxp, &m.offer, content).await
            }
            Said::Offer(m) => {
                let dxp = m.dxp.as_ref().ok_or_else(|| NodeError::refused(Code::Downgraded, ""))?;
                self.on_proposal(caller, dxp, &m.offer, content).await
            }
            Said::Event(m) => match m.event_type {
                EventType::Accepted => self.on_accepted(caller, m, content).await,
                EventType::Finalized => self.on_finalized(m),
            },
            Said::Agreement(m) => self.on_agreement(m).await,
            Said::Verification(m) => self.on_verification(m),
            Said::Termination(m) => {
                let code = m.code.clone().unwrap_or_else(|| Code::Cancelled.as_str().to_owned());
                let reasons = m.reason.iter().filter_map(|r| r.as_str().map(str::to_owned)).collect();
                self.remark("code", object!(code));
                let role = self.machine.role();
                let deal = self.deal()?;
                deal.refusal = Some(views::refusal_by_peer(&code, reasons, role));
                deal.held = None;
                Ok(Vec::new())
            }
            Said::End(m) => {
                let role = self.machine.role();
                let deal = self.deal()?;
                if deal.in_force != Some(m.agreement) {
                    return Err(NodeError::refused(Code::NotInForce, "another agreement"));
                }
                deal.refusal = Some(views::refusal_by_peer(&m.code, vec![m.reason.clone()], role));
                self.has_ended()?;
                Ok(Vec::new())
            }
            Said::Report(m) => self.on_report(m),
            Said::TransferRequest(_)
            | Said::Start(_)
            | Said::Suspension(_)
            | Said::Completion(_)
            | Said::TransferTermination(_)
            | Said::Receipt(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// A request or an offer: checked against what we are the source for, judged, taken up or refused by law.
    async fn on_proposal(
        &mut self,
        caller: &Caller,
        dxp: &Proposal,
        offer: &odrl::Offer,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        let (terms, role) = (&dxp.terms, self.machine.role());
        let listed = self.listing_for(terms).await?;
        self.check_terms(terms, &listed, offer)?;
        let setting = Setting::of(terms)?;
        dxp.decision.check(&setting, Side::of(other(role)), self.at).map_err(refused!())?;
        let known = self.only_adds_duties(terms, &listed)?;
        // What is owed from earlier deals comes first (OBL-5.2).
        let overdue = self.node.nothing_overdue(&self.peer.did()).is_err();
        let expected = match role {
            Role::Consumer if !known && !overdue => self.node.expected_from(&self.peer.did(), terms).await?,
            Role::Provider | Role::Consumer => None,
        };
        let deal = self.deal()?;
        deal.dataset.clone_from(&listed.listing.dataset);
        deal.listing = listed.jws;
        deal.terms = Some(terms.clone());
        deal.theirs = Some(dxp.decision.clone());
        deal.ours = None;
        if !known {
            (deal.held, deal.approved) = (None, None);
        }
        self.remark("terms", object!(setting.terms));
        if let Some(out) = &expected {
            self.deal()?.out = Some(out.clone());
            let used = super::Node::used_up(&self.row.peer);
            self.batch.meta.push(used);
        }
        let allow = PeerAllow::from_act(&caller.token, content)
            .map_err(|e| NodeError::refused(Code::DecisionInvalid, e.to_string()))?;
        if overdue {
            self.terminate(Code::ObligationOverdue, Vec::new())?;
            return self.taken_up();
        }
        match role {
            // An order is a person's word, given beforehand (NEG-15.1).
            Role::Consumer if expected.is_none() && !known => self.hold()?,
            Role::Provider if !known && self.node.asks_person(&listed.listing.dataset).await? => {
                self.ask_person(terms, allow).await?;
            }
            Role::Consumer | Role::Provider => self.decide_proposal(terms.clone(), allow).await?,
        }
        self.taken_up()
    }

    /// The answer to a proposal, whatever follows it.
    fn taken_up(&self) -> Result<Vec<u8>, NodeError> {
        let (provider_pid, consumer_pid) = self.pids()?;
        let state = match self.machine.role() {
            Role::Provider => State::Requested,
            Role::Consumer => State::Offered,
        };
        ContractNegotiation { provider_pid, consumer_pid, state }.to_bytes().map_err(message)
    }

    /// Judges a proposal and signs the answer: agreement, ACCEPTED, or a termination with its code.
    pub(super) async fn decide_proposal(&mut self, terms: Terms, peer: PeerAllow) -> Result<(), NodeError> {
        let role = self.machine.role();
        let judged = self.judge(&terms, role, None).await?;
        self.batch.evaluations.push(judged.row.clone());
        self.remark("decision", object!(judged.row.digest));
        let permit = match self.node.permit(&judged, &terms, role, Some(peer)) {
            Ok(permit) => permit,
            Err(NodeError::Refused(Code::Denied | Code::Undetermined, _)) => {
                return self.refuse_by_law(&judged);
            }
            Err(error) => return Err(error),
        };
        let own = judged.own_by(&permit, &self.decided_by()?);
        self.deal()?.ours = Some(own.clone());
        if !terms.unlisted(permit.obligations(), other(role)).is_empty() {
            return self.counter(&terms, &judged);
        }
        let mut fields = decision_fields(&terms, &judged)?;
        fields.extend(self.approval_field()?);
        match role {
            Role::Provider => self.sign_agreement(terms, &permit, own.decision, fields),
            Role::Consumer => {
                let (provider_pid, consumer_pid) = self.pids()?;
                let dxp = EventMember {
                    v: V1,
                    terms: Some(terms.digest()?),
                    decision: Some(own.decision),
                    agreement: None,
                };
                let event = ContractNegotiationEventMessage {
                    provider_pid,
                    consumer_pid,
                    event_type: EventType::Accepted,
                    dxp: Some(dxp),
                };
                let path = format!("/negotiations/{}/events", self.their_pid()?);
                self.send(SendKind::Accept(permit), &path, event.to_bytes().map_err(message)?, fields)?;
                Ok(())
            }
        }
    }

    /// The provider's signature over terms and both decisions.
    fn sign_agreement(
        &mut self,
        terms: Terms,
        permit: &Permit,
        ours: Decision,
        mut fields: Vec<(&'static str, Value)>,
    ) -> Result<(), NodeError> {
        let none = || NodeError::refused(Code::DecisionInvalid, "the consumer has not decided");
        let theirs = self.deal()?.theirs.clone().ok_or_else(none)?;
        let text = terms.agreement.clone();
        let digest = terms.digest()?;
        let decisions = Decisions { provider: ours, consumer: theirs };
        let me = &self.node.me;
        let signed = ProviderSigned::sign(terms, decisions, permit, (me.ks(), me.signing()), self.at)
            .map_err(refused!())?;
        let (provider_pid, consumer_pid) = self.pids()?;
        let dxp = AgreementMember { v: V1, terms: digest, agreement: signed.to_jws() };
        let m = ContractAgreementMessage { provider_pid, consumer_pid, agreement: text, dxp: Some(dxp) };
        fields.push(("agreement", object!(signed.digest())));
        self.deal()?.agreement = Some(signed.to_jws());
        self.keep_agreement(AgreementState::Signed)?;
        let path = format!("/negotiations/{}/agreement", self.their_pid()?);
        self.send(SendKind::Agree(permit.clone()), &path, m.to_bytes().map_err(message)?, fields)?;
        Ok(())
    }

    /// ACCEPTED: the consumer's decision over the terms that we offered answers what was delegated to it.
    async fn on_accepted(
        &mut self,
        caller: &Caller,
        event: &ContractNegotiationEventMessage,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::DecisionInvalid, "");
        let theirs = event.dxp.as_ref().and_then(|d| d.decision.clone()).ok_or_else(none)?;
        let terms = self.deal()?.terms.clone().ok_or_else(none)?;
        theirs.check(&Setting::of(&terms)?, Side::Importer, self.at).map_err(refused!())?;
        self.deal()?.theirs = Some(theirs);
        let peer = PeerAllow::from_act(&caller.token, content)
            .map_err(|e| NodeError::refused(Code::DecisionInvalid, e.to_string()))?;
        let (permit, own) = self.own_permit(&terms, Role::Provider, peer).await?;
        let fields = vec![("terms", object!(terms.digest()?)), ("decision", object!(own.result))];
        self.sign_agreement(terms, &permit, own, fields)?;
        Ok(Vec::new())
    }

    /// Our permit once more, from the stored record, now with the peer's signed allow.
    async fn own_permit(
        &mut self,
        terms: &Terms,
        role: Role,
        peer: PeerAllow,
    ) -> Result<(Permit, Decision), NodeError> {
        let none = || NodeError::refused(Code::PermitInvalid, "");
        let own = self.deal()?.ours.clone().ok_or_else(none)?;
        let row = self.node.store.evaluation(own.record).await?.ok_or_else(none)?;
        let permit = self.node.permit_again(&row.record, terms, role, own.decision.input_private, peer)?;
        Ok((permit, own.decision))
    }

    /// The agreement: one signature, over the terms proposed last and the text of the message; countersigned.
    async fn on_agreement(&mut self, m: &ContractAgreementMessage) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::AgreementDiffers, "");
        let jws = &m.dxp.as_ref().ok_or_else(none)?.agreement;
        let terms = self.deal()?.terms.clone().ok_or_else(none)?;
        let peer = self.peer.clone();
        let signed = ProviderSigned::verify(jws, &terms, &m.agreement, peer.pinned.ring(), self.at)
            .map_err(refused!())?;
        let (permit, _) = self.own_permit(&terms, Role::Consumer, PeerAllow::of_provider(&signed)).await?;
        let me = &self.node.me;
        let theirs = signed.content().decisions.provider.clone();
        let both = signed.countersign(&permit, (me.ks(), me.signing()), self.at).map_err(refused!())?;
        let deal = self.deal()?;
        deal.theirs = Some(theirs);
        deal.agreement = Some(both.to_jws());
        self.keep_agreement(AgreementState::Signed)?;
        let agreement = object!(both.digest());
        self.remark("agreement", agreement.clone());
        let (provider_pid, consumer_pid) = self.pids()?;
        let dxp = VerificationMember { v: V1, signature: both.consumer_signature().clone() };
        let m = ContractAgreementVerificationMessage { provider_pid, consumer_pid, dxp: Some(dxp) };
        let path = format!("/negotiations/{}/agreement/verification", self.their_pid()?);
        self.send(
            SendKind::Verify(both),
            &path,
            m.to_bytes().map_err(message)?,
            vec![("agreement", agreement)],
        )?;
        Ok(Vec::new())
    }

    /// The verification: the consumer's signature beside ours; FINALIZED.
    fn on_verification(&mut self, m: &ContractAgreementVerificationMessage) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::HalfSigned, "");
        let second = m.dxp.as_ref().ok_or_else(none)?.signature.clone();
        let jws = self.deal()?.agreement.clone().ok_or_else(none)?;
        let (node, peer) = (self.node.clone(), self.peer.clone());
        let both = ProviderSigned::from_evidence(&jws, &node.me.ring)
            .and_then(|first| first.with_consumer(second, peer.pinned.ring(), When::Now(self.at)))
            .map_err(refused!())?;
        self.deal()?.agreement = Some(both.to_jws());
        self.keep_agreement(AgreementState::Signed)?;
        let agreement = both.digest();
        self.remark("agreement", object!(agreement));
        let (provider_pid, consumer_pid) = self.pids()?;
        let dxp = EventMember { v: V1, terms: None, decision: None, agreement: Some(agreement) };
        let event = ContractNegotiationEventMessage {
            provider_pid,
            consumer_pid,
            event_type: EventType::Finalized,
            dxp: Some(dxp),
        };
        let path = format!("/negotiations/{}/events", self.their_pid()?);
        let fields = vec![("agreement", object!(agreement))];
        let act = self.send(SendKind::Finalize(both), &path, event.to_bytes().map_err(message)?, fields)?;
        self.deal()?.finalized = Some(act);
        Ok(Vec::new())
    }

    /// FINALIZED: our acknowledgement puts the agreement in force.
    fn on_finalized(&mut self, event: &ContractNegotiationEventMessage) -> Result<Vec<u8>, NodeError> {
        let named = event.dxp.as_ref().and_then(|d| d.agreement);
        let act = self.received_act();
        let deal = self.deal()?;
        let signed = deal.agreement.as_ref().map(|a| a.payload_bytes()).transpose().map_err(refused!())?;
        let ours = signed.map(|bytes| Digest::of(&bytes));
        if ours.is_none() || named != ours {
            return Err(NodeError::refused(Code::AgreementDiffers, "FINALIZED names another agreement"));
        }
        deal.finalized = act;
        deal.in_force = ours;
        deal.ended_ms = Some(now_ms());
        self.remark("agreement", object!(ours));
        self.keep_agreement(AgreementState::InForce)?;
        Ok(Vec::new())
    }

    /// The consumer acknowledged FINALIZED by its answer.
    pub(super) fn in_force_by_ack(&mut self, ack: String) -> Result<(), NodeError> {
        self.close(ack)
    }

    /// The consumer named FINALIZED in its next act.
    pub(super) fn in_force_by_name(&mut self, caller: &Caller) -> Result<(), NodeError> {
        self.close(caller.text.clone())
    }

    fn close(&mut self, by: String) -> Result<(), NodeError> {
        let deal = self.deal()?;
        let signed = deal.agreement.as_ref().map(|a| a.payload_bytes()).transpose().map_err(refused!())?;
        deal.in_force = signed.map(|bytes| Digest::of(&bytes));
        deal.closed_by = Some(by);
        deal.ended_ms = Some(now_ms());
        self.keep_agreement(AgreementState::InForce)
    }

    /// What of ours the act that came in has settled by naming it, where its answer was lost.
    fn named_by(&mut self, caller: &Caller) -> Result<(), NodeError> {
        for (act, kind) in self.settled.clone() {
            if kind == ActKind::Negotiation(Neg::Finalize) {
                self.in_force_by_name(caller)?;
            } else if kind == ActKind::Negotiation(Neg::End) {
                self.has_ended()?;
            } else if kind == ActKind::Negotiation(Neg::Report) {
                self.report_taken(act)?;
            }
        }
        Ok(())
    }

    /// The agreement has ended: nothing new begins under it, and what is to be done at its end is due.
    pub(super) fn has_ended(&mut self) -> Result<(), NodeError> {
        let at = self.at;
        self.deal()?.over.get_or_insert(at);
        self.keep_agreement(AgreementState::Ended)
    }

    /// The agreement as it stands now, for whoever asks by digest.
    pub(super) fn keep_agreement(&mut self, state: AgreementState) -> Result<(), NodeError> {
        let (exchange, at) = (self.row.id, self.at);
        let Some(jws) = self.deal()?.agreement.clone() else { return Ok(()) };
        let digest = Digest::of(&jws.payload_bytes().map_err(refused!())?);
        let text = String::from_utf8(jws.to_bytes()?).unwrap_or_default();
        let finalized_at = (state == AgreementState::InForce).then_some(at);
        if state == AgreementState::Ended {
            self.node.forget_agreement(&digest);
        }
        self.batch.agreements.retain(|row| row.digest != digest);
        self.batch.agreements.push(AgreementRow { digest, exchange, jws: text, state, finalized_at });
        Ok(())
    }

    /// Judges the terms' own shared document now: whether they may be agreed, or whether the data may move for the time
    /// that `occurrence` counts.
    pub(super) async fn judge(
        &self,
        terms: &Terms,
        role: Role,
        occurrence: Option<u32>,
    ) -> Result<Judged, NodeError> {
        let both = super::transfer::both(terms);
        let consumer = terms.consumer.did.to_string();
        let countries: Vec<String> = terms.lanes.iter().map(ToString::to_string).collect();
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let question = Question {
            phase: if occurrence.is_some() { Phase::Transfer } else { Phase::Negotiation },
            role,
            shared: &terms.shared,
            consumer: &consumer,
            countries: &countries,
            transfer: occurrence.map(|n| (&both[..], n)),
            exchange: Some(self.row.id),
        };
        let running = super::policy::Running {
            pinned: if occurrence.is_some() { &terms.packs } else { &[] },
            performed: None,
        };
        self.node.judge_running(&question, running).await
    }

    /// A denial: the peer learns the code and the rules that may be named, nothing else.
    pub(super) fn refuse_by_law(&mut self, judged: &Judged) -> Result<(), NodeError> {
        self.deal()?.ours = None;
        self.terminate(judged.code(), self.node.peer_reasons(judged))
    }

    pub(super) fn terminate(&mut self, code: Code, reasons: Vec<String>) -> Result<(), NodeError> {
        self.terminate_with(code, reasons, Vec::new())
    }

    /// The same, with what else the entry commits to.
    pub(super) fn terminate_with(
        &mut self,
        code: Code,
        reasons: Vec<String>,
        mut fields: Vec<(&'static str, Value)>,
    ) -> Result<(), NodeError> {
        let (provider_pid, consumer_pid) = self.pids()?;
        let text = code.as_str().to_owned();
        let m = ContractNegotiationTerminationMessage {
            provider_pid,
            consumer_pid,
            code: Some(text.clone()),
            reason: reasons.iter().map(|r| object!(r)).collect(),
            dxp: Some(CodeMember { v: V1, code: Some(text.clone()) }),
        };
        let path = format!("/negotiations/{}/termination", self.their_pid()?);
        let body = m.to_bytes().map_err(message)?;
        fields.push(("code", object!(text)));
        self.send(SendKind::Terminate, &path, body, fields)?;
        let role = self.machine.role();
        let deal = self.deal()?;
        deal.refusal = Some(views::refusal(code, reasons, role));
        deal.held = None;
        Ok(())
    }
}
