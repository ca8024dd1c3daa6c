//! Proposing a deal: terms built once, judged by our own policy, signed as one act (spec chapter 06, NEG-4 to NEG-7).
//!
//! Also the proof, from stored documents, that an agreement is in force. What comes
//! back from the peer is `negotiation`.

use naru_protocol::{
    act::verify_ack,
    agreement::{Acknowledgement, InForce, Rings, SignedByBoth},
    dsp::{
        Message as _, MessageError,
        negotiation::{ContractOfferMessage, ContractRequestMessage, Proposal},
        odrl,
    },
    encoding::{Digest, Id},
    error::Code,
    exchange::{Exchange, SendKind},
    identity::{Country, Role},
    json::{self, V1},
    jws::{Verified, verify_compact},
    limits,
    listing::Listing,
    log::entry::ExchangeKey,
    permit::Permit,
    terms::{Known, Party, Phase, Terms},
};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError, country,
    deal::Deal,
    facts::{self, Use},
    me, now, now_ms,
    out::Content,
    peers::{Peer, random_id},
    policy::{Judged, Question},
    received::fresh_row,
    steer::reason_fits,
    turn::{Data, Turn},
    verbs::{End, ExchangeView, Propose},
};
use crate::{
    config,
    store::{ExchangeKind, StartedBy},
};

/// Seconds within which a proposal must be concluded; below the profile's limit so that clocks may differ.
const CONCLUDE: u64 = 12 * 3600;

pub(super) fn message(error: MessageError) -> NodeError {
    NodeError::refused(error.code(), error.to_string())
}

/// A refusal of the registry, from any error of the core that has a code.
macro_rules! refused {
    () => {
        |e| NodeError::refused(e.code(), e.to_string())
    };
}
pub(super) use refused;

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
    pub(super) fn known(&self) -> Known {
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
            Role::Consumer => (me::party(peer.pinned.participant()), self.as_consumer()),
        };
        let countries = [seller.country.clone(), buyer.country.clone()];
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let revision = self.revision(&countries);
        let listing = &listed.listing;
        let shared = facts::shared(&listing.facts, &listing.policy, &seller, &buyer, purpose, &revision, at)
            .map_err(|e| NodeError::refused(Code::ListingDiffers, format!("the offer: {e}")))?;
        let question = Question {
            phase: Phase::Negotiation,
            role,
            shared: &shared,
            consumer: &buyer.did,
            countries: &countries,
            transfer: None,
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
    pub(super) fn revision(&self, countries: &[&str]) -> String {
        let engine = self.law().for_countries(countries);
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

    pub(super) fn own_refusal(&self, judged: &Judged) -> NodeError {
        let ids = judged.result.deny.iter().chain(&judged.result.undetermined);
        let rules = ids.map(|f| format!("{} ({})", f.id, f.detail));
        let rules: Vec<String> = rules.chain(judged.broken.iter().map(|(_, why)| why.clone())).collect();
        let explained = self.explain(&judged.row).unwrap_or_default();
        let explained = explained.get("explained").and_then(Value::as_array).cloned().unwrap_or_default();
        NodeError::Judged { code: judged.code(), rules: rules.join(", "), explained }
    }

    /// Asks a peer for a dataset: terms, our decision, one act.
    pub async fn request(&self, ask: Propose) -> Result<ExchangeView, NodeError> {
        if let Some(peer) = self.plain_named(&ask.peer).await? {
            return self.request_plain(peer, ask).await;
        }
        if ask.facts.is_some() || ask.keep_days.is_some() || ask.push {
            let why = "this peer declares and signs itself what its data are and how long they may be kept, and its data are fetched";
            return Err(NodeError::refused(Code::ArgumentInvalid, why));
        }
        let peer = self.named(&ask.peer).await?;
        country::known(&ask.countries)?;
        let listed = self.listing_of(&peer, &ask.dataset).await?;
        let Some(out) = ask.out.clone() else {
            return self.propose(&peer, Role::Consumer, listed, ask).await;
        };
        let _outs = self.outs.lock().await;
        let content = Content::of(&listed.listing);
        self.check_out(&out, Some(content), &[], None).await?;
        self.propose(&peer, Role::Consumer, listed, ask).await
    }

    /// Offers a dataset of ours to a peer.
    pub async fn offer(&self, ask: Propose) -> Result<ExchangeView, NodeError> {
        if let Some(peer) = self.plain_named(&ask.peer).await? {
            return self.offer_plain(peer, ask).await;
        }
        let peer = self.named(&ask.peer).await?;
        country::known(&ask.countries)?;
        let unknown = || NodeError::refused(Code::DatasetUnknown, ask.dataset.clone());
        let row =
            self.store.dataset(&ask.dataset, None).await?.filter(|d| !d.withdrawn).ok_or_else(unknown)?;
        let listed = Listed::read(&row.listing, &self.me.ring)?;
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
        self.may_sign()?;
        self.nothing_overdue(&peer.did())?;
        self.room_for(&peer.did()).await?;
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
        let row =
            fresh_row(self, id, ExchangeKind::Negotiation, role, &peer.did(), None, StartedBy::Us, &key)?;
        let own = judged.own(&permit);
        let proposal =
            Proposal { v: V1, key: Some(key.digest()), terms: terms.clone(), decision: own.decision.clone() };
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
        let id = self.exchange_named(&ask.id).await?;
        reason_fits(&ask.reason)?;
        if self.is_plain_exchange(id).await? {
            return self.end_plain(id, ask.reason).await;
        }
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            if turn.machine.is_ended() {
                return Err(NodeError::refused(Code::AgreementEnded, "it was ended before"));
            }
            let proof = self.in_force(&mut turn).await?;
            let role = turn.machine.role();
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
            turn.deal()?.refusal =
                Some(super::views::refusal(Code::AgreementEnded, vec![end.reason.clone()], role));
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
        let theirs = turn.peer.pinned.ring().clone();
        let role = turn.machine.role();
        let rings = match role {
            Role::Provider => Rings { provider: &self.me.ring, consumer: &theirs },
            Role::Consumer => Rings { provider: &theirs, consumer: &self.me.ring },
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

pub(super) fn known_of(peer: &Peer) -> Known {
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
fn agreement_object(
    listing: &Listing,
    assigner: &str,
    assignee: &str,
    at: u64,
) -> Result<odrl::Agreement, NodeError> {
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

pub(super) fn message_offer(listing: &Listing) -> Result<odrl::Offer, NodeError> {
    let mut value = listing.policy.clone();
    if let Some(members) = value.as_object_mut() {
        members.insert("target".into(), object!(listing.dataset));
    }
    odrl::Offer::from_value(value).map_err(|e| NodeError::refused(Code::ListingDiffers, e.to_string()))
}

/// What the entry of a proposal or its acceptance commits to.
pub(super) fn decision_fields(
    terms: &Terms,
    judged: &Judged,
) -> Result<Vec<(&'static str, Value)>, NodeError> {
    Ok(vec![("terms", object!(terms.digest()?)), ("decision", object!(judged.row.digest))])
}

/// Seconds that a proposal may have at most, as the limits say; `CONCLUDE` stays below it.
const _: () = assert!(CONCLUDE <= limits::CONCLUDE_SECONDS);
