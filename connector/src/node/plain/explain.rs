//! The deal with a partner that signs nothing, as `node/explain` asks about it: the offer as its messages would carry it, and
//! what the operator recorded of the partner (spec chapter 13, PLN-7).

use naru_protocol::{error::Code, exchange::Role};
use serde_json::json as object;

use super::{deal::PlainDeal, offer, peers::PlainPeer};
use crate::node::{
    Node, NodeError,
    approval::facts_fit,
    explain::Case,
    facts, now,
    verbs::{Approval, Explain},
};

impl Node {
    pub(in crate::node) async fn plain_case(
        &self,
        peer: &PlainPeer,
        ask: &Explain,
    ) -> Result<Case, NodeError> {
        facts_fit(ask.facts.as_ref())?;
        let own = self.store.dataset(&ask.dataset, None).await?;
        let mut obstacles = Vec::new();
        let mut deal = PlainDeal {
            dataset: ask.dataset.clone(),
            keep_days: ask.keep_days.or(peer.record.keep_days),
            countries: ask.countries.clone(),
            ..PlainDeal::default()
        };
        let (role, said, approval) = match own {
            Some(row) => {
                if row.withdrawn {
                    obstacles.push("it was withdrawn: no new deal about it is taken up".to_owned());
                }
                let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&row.listing)?;
                let listing = listing.claims();
                deal.offer = offer::about(&listing.policy, &ask.dataset)?.value().clone();
                deal.purpose = ask.purpose.clone().or_else(|| peer.record.purpose.clone());
                (Role::Provider, listing.facts.clone(), row.approval.into())
            }
            None => {
                let none = || NodeError::refused(Code::DatasetNotOffered, ask.dataset.clone());
                let found = self.read_plain_catalog(peer).await?;
                let (_, offers) = found.into_iter().find(|(id, _)| *id == ask.dataset).ok_or_else(none)?;
                let chosen = offers.first().ok_or_else(none)?;
                deal.offer = offer::about(chosen.value(), &ask.dataset)?.value().clone();
                deal.purpose.clone_from(&ask.purpose);
                let mut said = ask.facts.clone().unwrap_or_else(|| object!({}));
                said["id"] = object!(ask.dataset);
                (Role::Consumer, said, Approval::Auto)
            }
        };
        let (seller, buyer) = self.plain_parties(peer, role);
        if deal.countries.is_empty() {
            deal.countries = match role {
                Role::Provider => peer.record.countries.clone(),
                Role::Consumer => vec![buyer.country.clone()],
            };
        }
        let shared = self.plain_shared(peer, role, &deal, &said, now()).map_err(|e| e.to_string());
        let offered = facts::offered_by_plain(&offer::rules(&deal.offer)).ok();
        let only =
            offered.filter(|terms| terms.purposes.len() == 1).and_then(|mut terms| terms.purposes.pop());
        Ok(Case {
            role,
            seller,
            buyer,
            facts: said,
            terms: facts::terms_beyond(&offer::rules(&deal.offer)),
            shared,
            purpose: deal.purpose.or(only),
            countries: deal.countries,
            approval,
            obstacles,
            signs: false,
        })
    }
}
