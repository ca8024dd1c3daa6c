//! Terms that a peer proposed, against what we know: the listing, the parties, the facts that we are the source for and
//! those that follow from the offer (spec chapters 06, NEG-4, and 05, POL-10).
//!
//! Nothing is judged here and nothing rebuilt: the first pointer that differs is named.

use std::time::Duration;

use naru_protocol::{
    dsp::odrl,
    error::Code,
    identity::Role,
    listing::Listing,
    terms::{Facts, Terms, first_difference},
};
use serde_json::Value;

use super::{
    NodeError,
    facts::{self, Use},
    me,
    turn::Turn,
};

use super::proposal::{Listed, known_of, refused};

/// How long the peer has to show a listing that it proposes; its act waits for our answer meanwhile.
const READ: Duration = Duration::from_secs(5);

impl Turn {
    /// The listing that terms name: our own dataset's, or one that we read in the peer's catalog.
    pub(super) async fn listing_for(&self, terms: &Terms) -> Result<Listed, NodeError> {
        let unknown = || NodeError::refused(Code::ListingUnknown, "");
        match self.machine.role() {
            Role::Provider => {
                let row = self.node.store.dataset_by_listing(terms.listing).await?;
                let row = row.filter(|d| !d.withdrawn).ok_or_else(unknown)?;
                Listed::read(&row.listing, &self.node.me.ring)
            }
            Role::Consumer => {
                if let Some(jws) = self.node.seen_listing(terms.listing).await? {
                    return Listed::read(&jws, self.peer.pinned.ring());
                }
                // One that the peer proposes before we ever read its catalog.
                let dataset = terms.agreement.target();
                let read = tokio::time::timeout(READ, self.node.listing_of(&self.peer, dataset)).await;
                let listed = read.map_err(|_| unknown())?.map_err(|_| unknown())?;
                if listed.digest == terms.listing { Ok(listed) } else { Err(unknown()) }
            }
        }
    }

    /// Terms are about this listing and these parties, and say of us what we say of ourselves.
    pub(super) fn check_terms(
        &self,
        terms: &Terms,
        listed: &Listed,
        offer: &odrl::Offer,
    ) -> Result<(), NodeError> {
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
        let packs = super::policy::packs_of(&self.node.engine_for(&countries, &terms.shared))?;
        if packs != terms.packs {
            let differ = self.node.packs_that_differ(&countries, &terms.shared, &terms.packs, role);
            return Err(NodeError::refused(Code::PacksDiffer, differ.join("; ")));
        }
        Ok(())
    }

    /// This firm as consumer, with what the terms let it say of itself: it may have been asked before it could.
    fn as_said(&self, terms: &Terms) -> facts::Party {
        let mut us = self.node.as_consumer();
        let consumer = terms.shared.get("consumer");
        us.declared.retain(|name, _| consumer.is_some_and(|said| said.get(name).is_some()));
        us
    }

    /// The members of the shared document that we are the source for, and those that follow from the listing, by pointer.
    fn check_sourced(&self, terms: &Terms, listing: &Listing) -> Result<(), NodeError> {
        let role = self.machine.role();
        let (seller, buyer) = match role {
            Role::Provider => (self.node.me.party(), me::party(self.peer.pinned.participant())),
            Role::Consumer => (me::party(self.peer.pinned.participant()), self.as_said(terms)),
        };
        let said = |pointer: &str| {
            terms.shared.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let countries = terms.shared.pointer("/destination/storage_countries");
        let countries = countries.and_then(Value::as_array).into_iter().flatten();
        let countries = countries.filter_map(|c| c.as_str().map(str::to_owned)).collect();
        let purpose = Use { purpose: said("/transfer/purpose"), countries };
        let (revision, at) = (said("/contract/policy_revision"), terms.drafted());
        let misread = |e| NodeError::refused(Code::ListingDiffers, format!("the offer: {e}"));
        let mut expected =
            facts::shared(&listing.facts, &listing.policy, &seller, &buyer, &purpose, &revision, at)
                .map_err(misread)?;
        // The contract follows from the destination that is said, which the consumer is the source for.
        let destination = terms.shared.get("destination").unwrap_or(&Value::Null);
        expected["contract"] =
            facts::contract(&listing.policy, &buyer.country, destination, &revision, at).map_err(misread)?;
        for member in facts::compared_by(role == Role::Provider) {
            let said = terms.shared.get(*member).unwrap_or(&Value::Null);
            let ours = expected.get(*member).unwrap_or(&Value::Null);
            if let Some(at) = first_difference(said, ours) {
                return Err(NodeError::refused(Code::TermsDiffer, format!("/shared/{member}{at}")));
            }
        }
        // Of the other side, what it signed once and for all.
        let other = if role == Role::Provider { "consumer" } else { "provider" };
        for member in ["id", "country", "size"] {
            let at = format!("/{other}/{member}");
            if terms.shared.pointer(&at) != expected.pointer(&at) {
                return Err(NodeError::refused(Code::TermsDiffer, format!("/shared{at}")));
            }
        }
        Ok(())
    }
}
