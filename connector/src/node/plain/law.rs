//! What policy is asked about a deal with a plain peer, and the permit that comes of it (spec chapter 13, PLN-7).
//!
//! The document has the members of POL-10. What such an offer leaves open, the consumer's side states for itself: as consumer
//! our operator with its order, as provider what our operator recorded about the peer. Nobody signs anything, so that
//! `contract.signed_by` is empty, and a rule that only the peer could answer keeps the deal from being allowed.

use naru_protocol::{
    error::Code,
    exchange::Role,
    permit::PermitError,
    plain::{UnsignedExpectation, UnsignedPermit},
    terms::Phase,
};
use serde_json::{Value, json};

use super::{deal::PlainDeal, offer, peers::PlainPeer, turn::PlainTurn};
use crate::node::{
    Node, NodeError,
    facts::{self, Party, Stated},
    policy::{Judged, Question},
};

impl Node {
    /// Seller and buyer as policy sees them.
    pub(super) fn plain_parties(&self, peer: &PlainPeer, role: Role) -> (Party, Party) {
        match role {
            Role::Provider => (self.me.party(), peer.party()),
            Role::Consumer => (peer.party(), self.as_consumer()),
        }
    }

    /// The document that is judged, from what is offered and what is stated.
    pub(super) fn plain_shared(
        &self,
        peer: &PlainPeer,
        role: Role,
        deal: &PlainDeal,
        dataset: &Value,
        at: u64,
    ) -> Result<Value, NodeError> {
        let (seller, buyer) = self.plain_parties(peer, role);
        let countries = [seller.country.as_str(), buyer.country.as_str()];
        let revision = self.revision(&countries);
        let destination =
            json!({"storage_countries": deal.countries, "processing_countries": deal.countries});
        let stated = Stated { purpose: deal.purpose.as_deref(), keep_days: deal.keep_days };
        let (contract, purpose) = facts::contract_of_plain(
            &offer::rules(&deal.offer),
            &buyer.country,
            &destination,
            &stated,
            &revision,
            at,
        )
        .map_err(|place| NodeError::refused(Code::TermsDiffer, format!("the offer: {place}")))?;
        let terms = facts::terms_beyond(&offer::rules(&deal.offer));
        let mut shared = facts::known(dataset, terms, &seller, &buyer);
        shared["contract"] = contract;
        shared["destination"] = destination;
        shared["transfer"] = json!({"encrypted": peer.record.base.starts_with("https://")});
        if let Some(purpose) = purpose {
            shared["transfer"]["purpose"] = json!(purpose);
        }
        facts::with_ground(&mut shared, dataset);
        Ok(shared)
    }
}

impl PlainTurn {
    /// Asks policy about the deal: whether it may be agreed, or whether the data may move for the time that `occurrence`
    /// counts. Keeps the evaluation with the turn.
    pub(super) async fn judge(
        &mut self,
        shared: &Value,
        occurrence: Option<u32>,
    ) -> Result<Judged, NodeError> {
        let role = self.machine.role();
        let (seller, buyer) = self.node.plain_parties(&self.peer, role);
        let said =
            |of: &str| shared.pointer(&format!("/{of}/country")).and_then(Value::as_str).unwrap_or_default();
        if said("provider") != seller.country || said("consumer") != buyer.country {
            let why =
                "the peer was recorded anew with another country than the agreement rests on: make a new one";
            return Err(NodeError::refused(Code::TermsDiffer, why));
        }
        let countries = [seller.country.as_str(), buyer.country.as_str()];
        let question = Question {
            phase: if occurrence.is_some() { Phase::Transfer } else { Phase::Negotiation },
            role,
            shared,
            consumer: &buyer.did,
            countries: &countries,
            transfer: occurrence.map(|n| (&[][..], n)),
            exchange: Some(self.row.id),
        };
        let judged = self.node.judge(&question).await?;
        self.batch.evaluations.push(judged.row.clone());
        Ok(judged)
    }

    /// The permit of an evaluation; what denies, and what only the peer could answer, is said by code.
    pub(super) fn permit(
        &self,
        judged: &Judged,
        occurrence: Option<u32>,
    ) -> Result<UnsignedPermit, NodeError> {
        let expect = UnsignedExpectation {
            phase: if occurrence.is_some() { Phase::Transfer } else { Phase::Negotiation },
            role: self.machine.role(),
            input: judged.input,
            packs: judged.packs.clone(),
            overlays: judged.overlays.clone(),
        };
        UnsignedPermit::check(&judged.record, &expect).map_err(|error| match &error {
            PermitError::Denied | PermitError::Undetermined => {
                NodeError::refused(judged.code(), error.to_string())
            }
            PermitError::Orphaned(rule) => NodeError::refused(
                Code::Undetermined,
                format!("{rule} can only be answered by the peer's signed decision, and it signs nothing"),
            ),
            PermitError::Record(_)
            | PermitError::Result(_)
            | PermitError::OtherShared
            | PermitError::OtherPrivate
            | PermitError::OtherPacks
            | PermitError::OtherPhase
            | PermitError::OtherSide
            | PermitError::OtherPeerDecision => NodeError::refused(error.code(), error.to_string()),
        })
    }
}
