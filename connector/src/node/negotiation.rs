//! The deal: proposing, taking up, signing, closing (spec chapter 06; protocol.md "A deal").
//!
//! Each function is one arrow of the diagram on one side. The core decides whether the arrow is legal and demands the
//! proofs; the packs decide whether law and terms allow; here the documents are built, compared and kept.

use naru_protocol::{
    act::verify_ack,
    agreement::{Acknowledgement, Decisions, InForce, ProviderSigned, Rings, SignedByBoth, When},
    dsp::{
        Message as _, MessageError,
        negotiation::{
            AgreementMember, CodeMember, ContractAgreementMessage, ContractAgreementVerificationMessage,
            ContractNegotiation, ContractNegotiationEventMessage, ContractNegotiationTerminationMessage,
            ContractOfferMessage, ContractRequestMessage, EventMember, EventType, Proposal, VerificationMember,
        },
        odrl,
    },
    encoding::{Digest, Id},
    error::Code,
    exchange::{Exchange, SendKind, other},
    identity::{Country, Role},
    json::{self, V1},
    jws::{Verified, verify_compact},
    limits,
    listing::Listing,
    log::entry::ExchangeKey,
    negotiation::State,
    permit::{Expectation, PeerAllow, Permit},
    terms::{Decision, Facts, Known, Party, Phase, Setting, Side, Terms, first_difference},
};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError,
    deal::Deal,
    facts::{self, Use},
    inbound::Caller,
    me, now, now_ms,
    peers::{Peer, random_id},
    policy::{Judged, Question},
    received::{Said, fresh_row},
    turn::{Data, Turn},
    verbs::{End, ExchangeView, Propose},
    views,
};
use crate::{
    config,
    store::{AgreementRow, AgreementState, ExchangeKind, StartedBy},
};

/// Seconds within which a proposal must be concluded; below the profile's limit so that clocks may differ.
const CONCLUDE: u64 = 12 * 3600;

fn message(error: MessageError) -> NodeError {
    NodeError::refused(error.code(), error.to_string())
}

/// A refusal of the registry, from any error of the core that has a code.
macro_rules! refused {
    () => {
        |e| NodeError::refused(e.code(), e.to_string())
    };
}

/// A listing with the text whose digest terms name.
pub(super) struct Listed {
    pub(super) listing: Listing,
    pub(super) jws: String,
    pub(super) digest: Digest,
}

impl Listed {
    pub(super) fn read(jws: &str, ring: &naru_protocol::identity::KeyRing) -> Result<Self, NodeError> {
        let verified = ring.verify::<Listing>(jws, 1, now())?;
        if verified.payload().iss != *ring.did() {
            return Err(NodeError::refused(Code::ListingDiffers, "signed by another participant"));
        }
        let digest = verified.digest();
        Ok(Self { listing: verified.into_payload(), jws: jws.to_owned(), digest })
    }
}

impl Node {
    /// Own keys as a ring, for proofs that both sides' signatures go into.
    pub(super) fn own_ring(&self) -> Result<naru_protocol::identity::KeyRing, NodeError> {
        let mut ring = naru_protocol::identity::KeyRing::new(self.me.did);
        ring.accept(&naru_protocol::identity::verify_key_set(&self.me.key_set)?)?;
        Ok(ring)
    }

    fn known(&self) -> Known {
        Known {
            did: self.me.did,
            statement: self.me.statement_digest(),
            country: self.me.participant.country,
            keys: self.me.ks(),
        }
    }

    /// Terms and our decision over them, built once by the proposer: the packs write lanes and duties in.
    async fn draft(
        &self,
        peer: &Peer,
        role: Role,
        listed: &Listed,
        purpose: &Use,
        exchange: Id,
    ) -> Result<(Terms, Judged, Permit), NodeError> {
        let at = now();
        listed.listing.holds_at(at).map_err(|e| NodeError::refused(Code::ListingExpired, e.to_string()))?;
        let (provider, consumer) = match role {
            Role::Provider => (self.known(), known_of(peer)),
            Role::Consumer => (known_of(peer), self.known()),
        };
        let (seller, buyer) = match role {
            Role::Provider => (self.me.party(), me::party(peer.pinned.participant())),
            Role::Consumer => (me::party(peer.pinned.participant()), self.me.party()),
        };
        let countries = [seller.country.clone(), buyer.country.clone()];
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let revision = self.revision(&countries);
        let listing = &listed.listing;
        let shared = facts::shared(&listing.facts, &listing.policy, &seller, &buyer, purpose, &revision, at);
        let question = Question {
            phase: Phase::Negotiation,
            role,
            shared: &shared,
            consumer: &buyer.did,
            countries: &countries,
            signed_by: &[],
            exchange: Some(exchange),
        };
        let judged = self.judge(&question).await?;
        let terms = Terms {
            v: V1,
            provider: party_of(&provider),
            consumer: party_of(&consumer),
            agreement: agreement_object(listing, &seller.did, &buyer.did, at)?,
            listing: listed.digest,
            content_root: listing.content_root,
            packs: judged.packs.clone(),
            shared,
            lanes: lanes([provider.country, consumer.country]),
            obligations: duties(&judged)?,
            conclude_by: at + CONCLUDE,
        };
        terms.check().map_err(refused!())?;
        if !judged.result.allows() || judged.broken.is_some() {
            self.keep_refused(&judged).await?;
            return Err(self.own_refusal(&judged));
        }
        let permit = self.permit(&judged, &terms, role, None)?;
        Ok((terms, judged, permit))
    }

    /// The revision of the packs that a deal between these countries uses, as the core pack names it.
    fn revision(&self, countries: &[&str]) -> String {
        let engine = self.engine_for(countries);
        engine.packs().find(|p| p.name == "core").map(|p| p.revision.clone()).unwrap_or_default()
    }

    /// An evaluation that stopped us from proposing is kept, so that it can be explained and executed again.
    async fn keep_refused(&self, judged: &Judged) -> Result<(), NodeError> {
        let mut row = judged.row.clone();
        row.exchange = None;
        let batch = crate::store::Batch { evaluations: vec![row], ..crate::store::Batch::default() };
        self.store.commit(batch).await?;
        Ok(())
    }

    fn own_refusal(&self, judged: &Judged) -> NodeError {
        let ids = judged.result.deny.iter().chain(&judged.result.undetermined);
        let ids: Vec<String> = ids.map(|f| format!("{} ({})", f.id, f.detail)).collect();
        NodeError::refused(judged.code(), ids.join(", "))
    }

    /// Asks a peer for a dataset: terms, our decision, one act.
    pub async fn request(&self, ask: Propose) -> Result<ExchangeView, NodeError> {
        let peer = self.named(&ask.peer).await?;
        let listed = self.listing_of(&peer, &ask.dataset).await?;
        self.propose(&peer, Role::Consumer, listed, ask).await
    }

    /// Offers a dataset of ours to a peer.
    pub async fn offer(&self, ask: Propose) -> Result<ExchangeView, NodeError> {
        let peer = self.named(&ask.peer).await?;
        let unknown = || NodeError::refused(Code::DatasetUnknown, ask.dataset.clone());
        let row = self.store.dataset(&ask.dataset, None).await?.filter(|d| !d.withdrawn).ok_or_else(unknown)?;
        let listed = Listed::read(&row.listing, &self.own_ring()?)?;
        self.propose(&peer, Role::Provider, listed, ask).await
    }

    async fn propose(
        &self,
        peer: &std::sync::Arc<Peer>,
        role: Role,
        listed: Listed,
        ask: Propose,
    ) -> Result<ExchangeView, NodeError> {
        let began_ms = now_ms();
        let id = random_id()?;
        let consumer_country = match role {
            Role::Consumer => self.me.participant.country.to_string(),
            Role::Provider => peer.row.country.clone(),
        };
        let countries = if ask.countries.is_empty() { vec![consumer_country] } else { ask.countries };
        let purpose = Use { purpose: ask.purpose, countries };
        let (terms, judged, permit) = self.draft(peer, role, &listed, &purpose, id).await?;
        let secret = config::random::<32>().map_err(|e| NodeError::Folder(e.to_string()))?;
        let key = ExchangeKey::from_bytes(secret);
        let row = fresh_row(self, id, ExchangeKind::Negotiation, role, peer, None, StartedBy::Us, &key)?;
        let own = judged.own(&permit);
        let proposal = Proposal { v: V1, key: Some(key.digest()), terms: terms.clone(), decision: own.decision.clone() };
        let offer = message_offer(&listed.listing)?;
        let (path, body, kind) = match role {
            Role::Consumer => {
                let m = ContractRequestMessage {
                    consumer_pid: row.our_pid.clone(),
                    provider_pid: None,
                    offer,
                    callback_address: Some(self.me.callback()),
                    dxp: Some(proposal),
                };
                ("/negotiations/request", m.to_bytes().map_err(message)?, SendKind::Request(permit))
            }
            Role::Provider => {
                let m = ContractOfferMessage {
                    provider_pid: row.our_pid.clone(),
                    consumer_pid: None,
                    offer,
                    callback_address: Some(self.me.callback()),
                    dxp: Some(proposal),
                };
                ("/negotiations/offers", m.to_bytes().map_err(message)?, SendKind::Offer(permit))
            }
        };
        let deal = Deal {
            dataset: listed.listing.dataset.clone(),
            listing: listed.jws,
            ours: Some(own),
            out: ask.out,
            began_ms,
            terms: Some(terms.clone()),
            ..Deal::default()
        };
        let machine = Exchange::negotiation(role, role);
        let mut turn = Turn::new(self, peer.clone(), row, machine, Data::Deal(Box::new(deal)), key);
        let fields = decision_fields(&terms, &judged)?;
        turn.send(kind, path, body, fields)?;
        turn.batch.evaluations.push(judged.row);
        {
            let _lock = self.locks.one(id).await;
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    /// Ends an agreement in force, with a reason that both sides see.
    pub async fn end(&self, ask: End) -> Result<ExchangeView, NodeError> {
        let id = Id::parse(&ask.id).map_err(|_| NodeError::refused(Code::NotFound, ask.id.clone()))?;
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            let proof = self.in_force(&mut turn).await?;
            let (provider_pid, consumer_pid) = turn.pids()?;
            let end = naru_protocol::dsp::negotiation::End {
                v: V1,
                consumer_pid,
                provider_pid,
                agreement: proof.agreement(),
                code: Code::AgreementEnded.as_str().to_owned(),
                reason: ask.reason,
            };
            let path = format!("/negotiations/{}/end", turn.their_pid()?);
            turn.send(SendKind::End(proof), &path, end.to_bytes().map_err(message)?, Vec::new())?;
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    /// Joins the proofs that an agreement is in force, from what is stored.
    pub(super) async fn in_force(&self, turn: &mut Turn) -> Result<InForce, NodeError> {
        let not = || NodeError::refused(Code::NotInForce, "");
        let deal = turn.deal()?.clone();
        let (jws, finalized) = (deal.agreement.ok_or_else(not)?, deal.finalized.ok_or_else(not)?);
        let own = self.own_ring()?;
        let theirs = turn.peer.pinned.ring().clone();
        let role = turn.machine.role();
        let rings = match role {
            Role::Provider => Rings { provider: &own, consumer: &theirs },
            Role::Consumer => Rings { provider: &theirs, consumer: &own },
        };
        let signed = SignedByBoth::from_evidence(&jws, rings).map_err(refused!())?;
        let act = self.store.act(finalized).await?.ok_or_else(not)?;
        let token = match role {
            Role::Provider => self.token_for(&act, now()).await?,
            Role::Consumer => act.token.clone().ok_or_else(not)?,
        };
        let token = verify_any(&token, rings.provider)?;
        let closed = match role {
            // Our own acknowledgement, the same bytes as when it was given.
            Role::Consumer => self.stored_answer(&act).await?.ack.ok_or_else(not)?,
            Role::Provider => deal.closed_by.ok_or_else(not)?,
        };
        let proof = match verify_ack_by(&closed, rings.consumer) {
            Ok(ack) => InForce::check(&signed, &token, &act.body, Acknowledgement::Ack(&ack), rings),
            Err(_) => {
                let named = verify_any(&closed, rings.consumer)?;
                InForce::check(&signed, &token, &act.body, Acknowledgement::Named(&named), rings)
            }
        };
        proof.map_err(refused!())
    }
}

/// A token kept as evidence, under whichever key set of its signer made it; its life is over and does not matter.
pub(super) fn verify_any(
    text: &str,
    ring: &naru_protocol::identity::KeyRing,
) -> Result<Verified<naru_protocol::act::Token>, NodeError> {
    let ks = naru_protocol::act::peek_token(text)?.header().ks;
    let key = ring.set(ks).ok_or_else(|| NodeError::refused(Code::KeyUnknown, ""))?.signing;
    Ok(verify_compact(text, &key)?)
}

fn verify_ack_by(
    text: &str,
    ring: &naru_protocol::identity::KeyRing,
) -> Result<Verified<naru_protocol::act::Ack>, NodeError> {
    let ks = naru_protocol::jws::peek::<naru_protocol::act::Ack>(text)?.header().ks;
    let key = ring.set(ks).ok_or_else(|| NodeError::refused(Code::KeyUnknown, ""))?.signing;
    Ok(verify_ack(text, &key)?)
}

fn known_of(peer: &Peer) -> Known {
    Known {
        did: *peer.pinned.did(),
        statement: peer.pinned.statement(),
        country: peer.pinned.participant().country,
        keys: peer.pinned.ring().newest().map_or(1, |set| set.number),
    }
}

const fn party_of(known: &Known) -> Party {
    Party { did: known.did, statement: known.statement, keys: known.keys }
}

fn lanes(countries: [Country; 2]) -> Vec<Country> {
    let mut lanes = countries.to_vec();
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

fn duties(judged: &Judged) -> Result<Vec<naru_protocol::terms::Obligation>, NodeError> {
    let value = serde_json::to_value(&judged.result.obligations)
        .map_err(|e| NodeError::refused(Code::PolicyResult, e.to_string()))?;
    Ok(json::from_value(value)?)
}

/// The DSP agreement: the listing's policy, with parties, target and time.
fn agreement_object(listing: &Listing, assigner: &str, assignee: &str, at: u64) -> Result<odrl::Agreement, NodeError> {
    let mut value = listing.policy.clone();
    let id = random_id()?.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
    if let Some(members) = value.as_object_mut() {
        members.insert("@id".into(), object!(format!("urn:dxp:{id}")));
        members.insert("@type".into(), object!("Agreement"));
        members.insert("target".into(), object!(listing.dataset));
        members.insert("assigner".into(), object!(assigner));
        members.insert("assignee".into(), object!(assignee));
        members.insert("timestamp".into(), object!(naru_protocol::dsp::datetime::to_date_time(at)));
    }
    odrl::Agreement::from_value(value).map_err(|e| NodeError::refused(Code::ListingDiffers, e.to_string()))
}

fn message_offer(listing: &Listing) -> Result<odrl::Offer, NodeError> {
    let mut value = listing.policy.clone();
    if let Some(members) = value.as_object_mut() {
        members.insert("target".into(), object!(listing.dataset));
    }
    odrl::Offer::from_value(value).map_err(|e| NodeError::refused(Code::ListingDiffers, e.to_string()))
}

/// What the entry of a proposal or its acceptance commits to.
pub(super) fn decision_fields(terms: &Terms, judged: &Judged) -> Result<Vec<(&'static str, Value)>, NodeError> {
    Ok(vec![("terms", object!(terms.digest()?)), ("decision", object!(judged.row.digest))])
}

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
        self.row.peer_pid.clone().ok_or_else(|| NodeError::refused(Code::IllegalState, "the peer has not answered yet"))
    }

    /// What a negotiation message means here; gives the content of its answer.
    pub(super) async fn negotiate(
        &mut self,
        caller: &Caller,
        said: &Said,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
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
                self.deal()?.refusal = Some(views::refusal_by_peer(&code, reasons));
                Ok(Vec::new())
            }
            Said::End(m) => {
                let deal = self.deal()?;
                if deal.in_force != Some(m.agreement) {
                    return Err(NodeError::refused(Code::NotInForce, "another agreement"));
                }
                deal.refusal = Some(views::refusal_by_peer(&m.code, vec![m.reason.clone()]));
                self.keep_agreement(AgreementState::Ended)?;
                Ok(Vec::new())
            }
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
        let expected = match role {
            Role::Provider => None,
            Role::Consumer => self.node.expected_from(&self.peer.did(), terms).await?,
        };
        let deal = self.deal()?;
        deal.dataset.clone_from(&listed.listing.dataset);
        deal.listing = listed.jws;
        deal.terms = Some(terms.clone());
        deal.theirs = Some(dxp.decision.clone());
        deal.ours = None;
        self.remark("terms", object!(setting.terms));
        if let Some(out) = &expected {
            self.deal()?.out = Some(out.clone());
        }
        let waits_for_person = role == Role::Consumer && expected.is_none();
        if !waits_for_person {
            self.decide_proposal(caller, terms.clone(), content).await?;
        }
        let (provider_pid, consumer_pid) = self.pids()?;
        let state = match role {
            Role::Provider => State::Requested,
            Role::Consumer => State::Offered,
        };
        ContractNegotiation { provider_pid, consumer_pid, state }.to_bytes().map_err(message)
    }

    /// Judges a proposal and signs the answer: agreement, ACCEPTED, or a termination with its code.
    async fn decide_proposal(&mut self, caller: &Caller, terms: Terms, content: &[u8]) -> Result<(), NodeError> {
        let role = self.machine.role();
        let judged = self.judge(&terms, role, Phase::Negotiation, &[]).await?;
        self.batch.evaluations.push(judged.row.clone());
        self.remark("decision", object!(judged.row.digest));
        let peer = PeerAllow::from_act(&caller.token, content)
            .map_err(|e| NodeError::refused(Code::DecisionInvalid, e.to_string()))?;
        let permit = match self.node.permit(&judged, &terms, role, Some(peer)) {
            Ok(permit) => permit,
            Err(NodeError::Refused(Code::Denied | Code::Undetermined, _)) => return self.refuse_by_law(&judged),
            Err(error) => return Err(error),
        };
        let own = judged.own(&permit);
        self.deal()?.ours = Some(own.clone());
        if !terms.unlisted(permit.obligations(), other(role)).is_empty() {
            return self.terminate(Code::DutyMissing, terms.unlisted(permit.obligations(), other(role)));
        }
        let fields = decision_fields(&terms, &judged)?;
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
        let signed =
            ProviderSigned::sign(terms, decisions, permit, (me.ks(), me.signing()), self.at).map_err(refused!())?;
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
        let expect = Expectation::negotiation(terms, role, own.decision.input_private)?.with_peer(peer);
        let permit = Permit::check(&row.record, &expect).map_err(refused!())?;
        Ok((permit, own.decision))
    }

    /// The agreement: one signature, over the terms proposed last and the text of the message; countersigned.
    async fn on_agreement(&mut self, m: &ContractAgreementMessage) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::AgreementDiffers, "");
        let jws = &m.dxp.as_ref().ok_or_else(none)?.agreement;
        let terms = self.deal()?.terms.clone().ok_or_else(none)?;
        let peer = self.peer.clone();
        let signed = ProviderSigned::verify(jws, &terms, &m.agreement, peer.pinned.ring(), self.at).map_err(refused!())?;
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
        self.send(SendKind::Verify(both), &path, m.to_bytes().map_err(message)?, vec![("agreement", agreement)])?;
        Ok(Vec::new())
    }

    /// The verification: the consumer's signature beside ours; FINALIZED.
    fn on_verification(&mut self, m: &ContractAgreementVerificationMessage) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::HalfSigned, "");
        let second = m.dxp.as_ref().ok_or_else(none)?.signature.clone();
        let jws = self.deal()?.agreement.clone().ok_or_else(none)?;
        let (own, peer) = (self.node.own_ring()?, self.peer.clone());
        let both = ProviderSigned::from_evidence(&jws, &own)
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

    /// The agreement as it stands now, for whoever asks by digest.
    pub(super) fn keep_agreement(&mut self, state: AgreementState) -> Result<(), NodeError> {
        let (exchange, at) = (self.row.id, self.at);
        let Some(jws) = self.deal()?.agreement.clone() else { return Ok(()) };
        let digest = Digest::of(&jws.payload_bytes().map_err(refused!())?);
        let text = String::from_utf8(jws.to_bytes()?).unwrap_or_default();
        let finalized_at = (state == AgreementState::InForce).then(|| at);
        self.batch.agreements.retain(|row| row.digest != digest);
        self.batch.agreements.push(AgreementRow { digest, exchange, jws: text, state, finalized_at });
        Ok(())
    }

    /// Judges the terms' own shared document now.
    pub(super) async fn judge(
        &self,
        terms: &Terms,
        role: Role,
        phase: Phase,
        signed_by: &[String],
    ) -> Result<Judged, NodeError> {
        let consumer = terms.consumer.did.to_string();
        let countries: Vec<String> = terms.lanes.iter().map(ToString::to_string).collect();
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let question = Question {
            phase,
            role,
            shared: &terms.shared,
            consumer: &consumer,
            countries: &countries,
            signed_by,
            exchange: Some(self.row.id),
        };
        self.node.judge(&question).await
    }

    /// A denial: the peer learns the code and the rules that may be named, nothing else.
    fn refuse_by_law(&mut self, judged: &Judged) -> Result<(), NodeError> {
        self.deal()?.ours = None;
        self.terminate(judged.code(), self.node.peer_reasons(judged))
    }

    pub(super) fn terminate(&mut self, code: Code, reasons: Vec<String>) -> Result<(), NodeError> {
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
        self.send(SendKind::Terminate, &path, body, vec![("code", object!(text))])?;
        self.deal()?.refusal = Some(views::refusal(code, reasons));
        Ok(())
    }

    /// The listing that terms name: our own dataset's, or one that we read in the peer's catalog.
    async fn listing_for(&self, terms: &Terms) -> Result<Listed, NodeError> {
        let unknown = || NodeError::refused(Code::ListingUnknown, "");
        match self.machine.role() {
            Role::Provider => {
                let row = self.node.store.dataset_by_listing(terms.listing).await?;
                let row = row.filter(|d| !d.withdrawn).ok_or_else(unknown)?;
                Listed::read(&row.listing, &self.node.own_ring()?)
            }
            Role::Consumer => {
                let jws = self.node.seen_listing(terms.listing).await?.ok_or_else(unknown)?;
                Listed::read(&jws, self.peer.pinned.ring())
            }
        }
    }

    /// Terms are about this listing and these parties, and say of us what we say of ourselves.
    fn check_terms(&self, terms: &Terms, listed: &Listed, offer: &odrl::Offer) -> Result<(), NodeError> {
        let role = self.machine.role();
        terms.check().map_err(refused!())?;
        let (ours, theirs) = (self.node.known(), known_of(&self.peer));
        let (provider, consumer) = match role {
            Role::Provider => (ours, theirs),
            Role::Consumer => (theirs, ours),
        };
        let listing = &listed.listing;
        let facts = Facts {
            dataset: &listing.dataset,
            listing: listed.digest,
            content_root: listing.content_root,
            provider,
            consumer,
        };
        terms.check_against(&facts).map_err(refused!())?;
        listing.holds_at(self.at).map_err(|e| NodeError::refused(Code::ListingExpired, e.to_string()))?;
        if offer.target() != Some(listing.dataset.as_str()) {
            return Err(NodeError::refused(Code::TermsDiffer, "/offer/target"));
        }
        for member in ["permission", "prohibition", "obligation", "profile"] {
            let said = terms.agreement.value().get(member).unwrap_or(&Value::Null);
            let listed = listing.policy.get(member).unwrap_or(&Value::Null);
            if let Some(at) = first_difference(said, listed) {
                return Err(NodeError::refused(Code::TermsDiffer, format!("/agreement/{member}{at}")));
            }
        }
        self.check_sourced(terms, listing)?;
        let countries: Vec<String> = terms.lanes.iter().map(ToString::to_string).collect();
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let packs = super::policy::packs_of(&self.node.engine_for(&countries))?;
        if packs != terms.packs {
            return Err(NodeError::refused(Code::PacksDiffer, ""));
        }
        Ok(())
    }

    /// The members of the shared document that we are the source for, by pointer.
    fn check_sourced(&self, terms: &Terms, listing: &Listing) -> Result<(), NodeError> {
        let role = self.machine.role();
        let (seller, buyer) = match role {
            Role::Provider => (self.node.me.party(), me::party(self.peer.pinned.participant())),
            Role::Consumer => (me::party(self.peer.pinned.participant()), self.node.me.party()),
        };
        let said = |pointer: &str| terms.shared.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let countries = terms.shared.pointer("/destination/storage_countries");
        let countries = countries.and_then(Value::as_array).into_iter().flatten();
        let countries = countries.filter_map(|c| c.as_str().map(str::to_owned)).collect();
        let purpose = Use { purpose: said("/transfer/purpose"), countries };
        let revision = said("/contract/policy_revision");
        let expected = facts::shared(
            &listing.facts, &listing.policy, &seller, &buyer, &purpose, &revision, terms.drafted(),
        );
        for member in facts::sourced_by(role == Role::Provider) {
            let said = terms.shared.get(*member).unwrap_or(&Value::Null);
            let ours = expected.get(*member).unwrap_or(&Value::Null);
            if let Some(at) = first_difference(said, ours) {
                return Err(NodeError::refused(Code::TermsDiffer, format!("/shared/{member}{at}")));
            }
        }
        Ok(())
    }
}

/// Seconds that a proposal may have at most, as the limits say; `CONCLUDE` stays below it.
const _: () = assert!(CONCLUDE <= limits::CONCLUDE_SECONDS);
