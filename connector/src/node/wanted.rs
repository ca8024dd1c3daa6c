//! What rules would ask of a dataset before there is anybody who wants it: asked of the packs themselves, with a consumer that
//! is only thought of (spec chapter 05, POL-4). Told to the publisher, kept nowhere; whoever really asks is judged anew.

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::{error::Code, exchange::Role, terms::Phase};
use serde_json::Value;

use super::{
    Node, NodeError,
    facts::{self, Party, Use},
    now,
    policy::{Judged, Question},
    proposal::Listed,
    verbs::{Advice, DatasetName, Wanted},
};
use crate::store::MAX_ROWS;

/// Consumers that are thought of, at most.
const CONSUMERS: usize = 8;
/// A firm that nobody knows.
const NOBODY: &str = "did:key:nobody";
/// A fact that is missing, as the frame of every pack names it (POL-4.1).
const MISSING: &str = "CORE-001";

impl Node {
    /// The facts that rules would miss in a deal about a dataset of ours, and the rules that would let none through as things are.
    pub async fn advise(&self, ask: DatasetName) -> Result<Advice, NodeError> {
        let unknown = || NodeError::refused(Code::DatasetUnknown, ask.dataset.clone());
        let row = self.store.dataset(&ask.dataset, None).await?.ok_or_else(unknown)?;
        let listing = Listed::read(&row.listing, &self.me.ring)?.listing;
        let (facts, policy) = (&listing.facts, &listing.policy);
        let own = self.me.party().country;
        let (mut missing, mut refusals) = (BTreeMap::new(), BTreeMap::new());
        for (consumer, country) in self.likely_consumers(policy).await? {
            for phase in [Phase::Negotiation, Phase::Transfer] {
                let judged = self.supposed(facts, policy, (&consumer, &country), phase).await?;
                self.note(&judged, &[own.as_str(), country.as_str()], &mut missing);
                let view = self.explain(&judged.row).unwrap_or_default();
                for found in view["explained"].as_array().into_iter().flatten() {
                    let of = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
                    if of("id") != MISSING {
                        refusals.insert((of("id"), of("detail")), found.clone());
                    }
                }
            }
        }
        let missing: Vec<Wanted> = missing.into_values().collect();
        // A rule that misses a fact denies, since nothing known speaks against it: what it wants is the fact.
        let open = |id: &String| missing.iter().any(|fact: &Wanted| fact.rules.contains(id));
        refusals.retain(|(id, _), _| !open(id));
        Ok(Advice { wanted: missing, refusals: refusals.into_values().collect() })
    }

    /// Consumers and the countries that they may be in: peers whom the terms name as recipients; else whoever the terms name, or
    /// nobody, in the countries that the terms name, else those of peers, else those whose law some pack has.
    async fn likely_consumers(&self, policy: &Value) -> Result<Vec<(String, String)>, NodeError> {
        let own = self.me.party().country;
        let named = facts::offered(policy).ok().and_then(|terms| terms.countries).unwrap_or_default();
        let peers = self.store.peers(None, MAX_ROWS).await?;
        let recipients = facts::recipients(policy);
        let known = peers.iter().filter(|peer| recipients.contains(&peer.did));
        let known: Vec<_> =
            known.map(|peer| (peer.did.clone(), peer.country.clone())).take(CONSUMERS).collect();
        if !known.is_empty() {
            return Ok(known);
        }
        let who = recipients.into_iter().next().unwrap_or_else(|| NOBODY.to_owned());
        let peers = peers.into_iter().map(|peer| peer.country).collect();
        // One country stands for a union: its members have the same law.
        let laws = self.law().packs().filter_map(|pack| pack.jurisdiction.first().cloned()).collect();
        let sources: [Vec<String>; 3] = [named, peers, laws];
        for source in sources {
            let others: BTreeSet<String> = source.into_iter().filter(|country| *country != own).collect();
            if !others.is_empty() {
                return Ok(others
                    .into_iter()
                    .take(CONSUMERS)
                    .map(|country| (who.clone(), country))
                    .collect());
            }
        }
        Ok(vec![(who, own)])
    }

    /// Our own side's judgement of a deal with this consumer in this country, for the first purpose of the terms.
    async fn supposed(
        &self,
        facts: &Value,
        policy: &Value,
        (consumer, country): (&str, &str),
        phase: Phase,
    ) -> Result<Judged, NodeError> {
        let seller = self.me.party();
        let buyer = Party {
            did: consumer.to_owned(),
            country: country.to_owned(),
            size: "sme".to_owned(),
            declared: Default::default(),
        };
        let countries = [seller.country.as_str(), country];
        let odd = |why: String| NodeError::refused(Code::ArgumentInvalid, why);
        let terms = facts::offered(policy).map_err(odd)?;
        let wanted = Use {
            purpose: terms.purposes.first().cloned().unwrap_or_default(),
            countries: vec![country.to_owned()],
        };
        let revision = self.revision(&countries);
        let shared = facts::shared(facts, policy, &seller, &buyer, &wanted, &revision, now()).map_err(odd)?;
        let signed = [seller.did.clone(), buyer.did.clone()];
        self.judge(&Question {
            phase,
            role: Role::Provider,
            shared: &shared,
            consumer: &buyer.did,
            countries: &countries,
            transfer: (phase == Phase::Transfer).then_some((signed.as_slice(), 1)),
            exchange: None,
        })
        .await
    }

    /// Notes what was missing, with the rules that need it.
    fn note(&self, judged: &Judged, countries: &[&str], missing: &mut BTreeMap<String, Wanted>) {
        let Ok(engine) = self.asked_for(countries, &Value::Null, &[]) else { return };
        for found in judged.result.undetermined.iter().filter(|found| found.id == MISSING) {
            let pointer = found.detail.as_str();
            let fact = pointer.trim_start_matches('/').replace('/', ".");
            let wanted = missing.entry(fact.clone()).or_insert_with(|| Wanted {
                fact,
                rules: Vec::new(),
                kind: String::new(),
                values: Vec::new(),
            });
            for pack in engine.packs() {
                if let Some(fact) = pack.facts.get(pointer) {
                    wanted.kind.clone_from(&fact.kind);
                    wanted.values.clone_from(&fact.values);
                }
                for (id, rule) in &pack.rules {
                    let mut sometimes = rule.needs_if.iter().flat_map(|condition| &condition.need);
                    let needs = rule.needs.iter().any(|p| p == pointer) || sometimes.any(|p| p == pointer);
                    if needs && !wanted.rules.contains(id) {
                        wanted.rules.push(id.clone());
                    }
                }
            }
        }
    }
}
