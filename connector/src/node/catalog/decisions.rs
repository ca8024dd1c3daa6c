//! What policy says about showing a dataset to a participant, remembered for a short time (spec chapters 04 and 05, CAT-7.9).
//!
//! A decision is a function of the packs and of the whole input. It is remembered under a digest of just these, without the clock:
//! so that whatever the operator, the peer or the packs change has another key and takes effect at once, and only the clock can
//! make a remembered decision an old one. Therefore it lives `CATALOG_DECISION_SECONDS`, and none outlives the second on which a
//! rule begins or ends. Datasets of which the same is declared are one question, unless the operator's own facts or an order name
//! one of them. A catalog is advice: each step after it is decided anew. A broken evaluation is not remembered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use naru_policy::{Engine, assemble};
use naru_protocol::{encoding::Digest, error::Code, identity::Role, json, terms::Phase};
use serde_json::{Value, json as object};

use super::{DECISIONS, shelf::Offered};
use crate::node::{
    Node, NodeError,
    facts::{self, Party},
    now,
    policy::{Question, packs_of},
};

/// Seconds for which a decision about a catalog is remembered.
const LIFE: u64 = naru_protocol::limits::CATALOG_DECISION_SECONDS;

/// Decisions by the digest of what they rest on: when they were made, and whether the dataset is shown.
#[derive(Default)]
pub(super) struct Decisions(Mutex<BTreeMap<Digest, (u64, bool)>>);

impl Decisions {
    fn known(&self, keys: &[Digest], at: u64) -> Vec<Option<bool>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(made, shown): &(u64, bool)| {
            at.checked_sub(*made).is_some_and(|age| age < LIFE).then_some(*shown)
        };
        keys.iter().map(|key| held.get(key).and_then(fresh)).collect()
    }

    fn remember(&self, made: impl IntoIterator<Item = (Digest, bool)>, at: u64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, shown) in made {
            if held.len() >= DECISIONS && !held.contains_key(&key) {
                held.retain(|_, (made, _)| at.checked_sub(*made).is_some_and(|age| age < LIFE));
                // All are of this minute: whoever made them makes room.
                if held.len() >= DECISIONS {
                    held.clear();
                }
            }
            held.insert(key, (at, shown));
        }
    }
}

/// All that a decision about our catalog rests on but the dataset itself.
pub(super) struct Asker {
    /// Every pack that some dataset needs.
    engine: Engine,
    seller: Party,
    buyer: Party,
    private: Value,
    host: Value,
    at: u64,
    /// The own part as text: whichever id stands in it is asked about by itself.
    named: String,
    /// Whether a rule reads what only one dataset has.
    particular: bool,
    /// Of all of this but the clock.
    digest: Digest,
}

impl Asker {
    /// Whether a dataset is asked about under its own id. Nothing in the own part names most datasets: they are asked about under
    /// no id, all of which the same is declared at once.
    fn is_own_question(&self, offered: &Offered) -> bool {
        self.particular || offered.called.is_empty() || self.named.contains(&offered.called)
    }

    fn key(&self, offered: &Offered) -> Digest {
        let asked = if self.is_own_question(offered) { offered.digest } else { offered.alike_digest };
        Digest::of(&[self.digest.0, asked.0].concat())
    }

    /// The facts that are asked about.
    fn input(&self, offered: &Offered) -> Result<(Engine, Value), NodeError> {
        let facts = if self.is_own_question(offered) { offered.facts()? } else { offered.alike()? };
        let shared = facts::known(&facts, offered.terms.clone(), &self.seller, &self.buyer);
        let engine = self.engine.for_facts(&shared);
        let input = assemble(engine.packs(), &shared, &self.private, &self.host)
            .map_err(|e| NodeError::refused(Code::PolicyInput, e.to_string()))?;
        Ok((engine, input))
    }

    /// What policy says; none where it broke.
    fn evaluate(&self, node: &Node, offered: &Offered) -> Option<bool> {
        let (engine, input) = match self.input(offered) {
            Ok(asked) => asked,
            Err(error) => {
                tracing::error!(dataset = %offered.id, %error, "not shown: it cannot be judged");
                return None;
            }
        };
        let span = tracing::error_span!("catalog", dataset = %offered.id);
        let outcome = engine.evaluate(&input);
        let (result, broken) = span.in_scope(|| node.decided(&engine, Phase::Catalog, outcome));
        broken.is_none().then(|| node.shows(&result))
    }
}

/// A part without what says nothing but the second at which it was made.
fn timeless(part: &Value) -> Value {
    let mut part = part.clone();
    let volatile = [
        ("", "now"),
        ("/provider/identity", "expires_at"),
        ("/consumer/identity", "expires_at"),
        ("/consumer/sanctions", "screened_at"),
    ];
    for (place, member) in volatile {
        if let Some(members) = part.pointer_mut(place).and_then(Value::as_object_mut) {
            members.remove(member);
        }
    }
    part
}

/// How many of the engine's rules have begun or ended: another number, another law.
fn begun(engine: &Engine, at: u64) -> usize {
    let rules = engine.packs().flat_map(|pack| pack.rules.values());
    rules
        .flat_map(|rule| [Some(rule.in_force.from), rule.in_force.to])
        .flatten()
        .filter(|date| *date <= at)
        .count()
}

impl Node {
    /// As [`Node::asker`]; where it cannot be made, nothing can be judged, and nothing is shown.
    pub(super) async fn asker_or_none(&self, buyer: &Party) -> Option<Arc<Asker>> {
        let asker = self.asker(buyer.clone()).await;
        asker
            .inspect_err(|error| tracing::error!(%error, "not shown: it cannot be judged"))
            .ok()
            .map(Arc::new)
    }

    /// Everything about a participant that our packs are told when it looks at our catalog, as it is now.
    async fn asker(&self, buyer: Party) -> Result<Asker, NodeError> {
        let (at, seller) = (now(), self.me.party());
        let countries = [seller.country.as_str(), buyer.country.as_str()];
        let engine = self.asked_for(&countries, &object!({"policy": {}}), &[])?;
        let question = Question {
            phase: Phase::Catalog,
            role: Role::Provider,
            shared: &Value::Null,
            consumer: &buyer.did,
            countries: &countries,
            transfer: None,
            exchange: None,
        };
        let (private, host) = self.own_parts(&question, at).await?;
        let packs: Vec<Digest> = packs_of(&engine)?.into_iter().map(|pack| pack.digest).collect();
        let parties = facts::known(&Value::Null, None, &seller, &buyer);
        let rests = object!([packs, parties, timeless(&private), timeless(&host), begun(&engine, at)]);
        let digest = Digest::of(&json::canonical(&rests)?);
        let named = private.to_string();
        let particular = engine.packs().any(|pack| pack.facts.contains_key("/dataset/digest"));
        Ok(Asker { engine, seller, buyer, private, host, at, named, particular, digest })
    }

    /// Which of these datasets a participant sees. What is not known is decided in one go, by one of as many as there are cores.
    pub(super) async fn sees(
        &self,
        asker: &Arc<Asker>,
        offered: Vec<Option<Arc<Offered>>>,
    ) -> Result<Vec<bool>, NodeError> {
        let keys: Vec<Option<Digest>> =
            offered.iter().map(|offered| offered.as_ref().map(|offered| asker.key(offered))).collect();
        let asked: Vec<Digest> = keys.iter().flatten().copied().collect();
        let known = || -> BTreeMap<Digest, Option<bool>> {
            asked.iter().copied().zip(self.catalogs.decisions.known(&asked, asker.at)).collect()
        };
        let mut said = known();
        let _turn = if said.values().all(Option::is_some) {
            None
        } else {
            let turn = self.judging.acquire().await.map_err(|_| NodeError::refused(Code::Internal, ""))?;
            // Somebody may have been told the same meanwhile.
            said = known();
            Some(turn)
        };
        let shown = |key: &Option<Digest>| key.and_then(|key| said.get(&key).copied().flatten());
        let mut seen: Vec<bool> = keys.iter().map(|key| shown(key) == Some(true)).collect();
        let missing: BTreeMap<Digest, Arc<Offered>> = (0..offered.len())
            .filter(|at| shown(&keys[*at]).is_none())
            .filter_map(|at| Some((keys[at]?, offered[at].clone()?)))
            .collect();
        if missing.is_empty() {
            return Ok(seen);
        }
        let (node, asking) = (self.clone(), asker.clone());
        let decide = move || -> BTreeMap<Digest, bool> {
            let said =
                |(key, offered): (Digest, Arc<Offered>)| Some((key, asking.evaluate(&node, &offered)?));
            missing.into_iter().filter_map(said).collect()
        };
        let made = tokio::task::spawn_blocking(decide).await;
        let made = made.map_err(|e| NodeError::refused(Code::PolicyBroken, e.to_string()))?;
        for (seen, key) in seen.iter_mut().zip(&keys) {
            *seen = *seen || key.is_some_and(|key| made.get(&key) == Some(&true));
        }
        self.catalogs.decisions.remember(made, asker.at);
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    /// CAT-7.9
    #[test]
    fn a_decision_is_old_after_its_life_and_never_of_a_time_to_come() {
        let decisions = Decisions::default();
        decisions.remember([(key(1), true), (key(2), false)], 1000);
        let known = |at| decisions.known(&[key(1), key(2), key(3)], at);
        assert_eq!(known(1000), [Some(true), Some(false), None]);
        assert_eq!(known(1000 + LIFE - 1), [Some(true), Some(false), None]);
        assert_eq!(known(1000 + LIFE), [None; 3]);
        assert_eq!(known(999), [None; 3], "a clock that was put back");
        decisions.remember([(key(1), false)], 1000 + LIFE);
        assert_eq!(known(1000 + LIFE)[0], Some(false));
    }

    #[test]
    fn they_have_a_limit() {
        let decisions = Decisions::default();
        decisions.remember((0..DECISIONS).map(|number| (key(number), true)), 1000);
        decisions.remember([(key(DECISIONS), true)], 1000 + LIFE);
        assert_eq!(decisions.0.lock().unwrap().len(), 1, "what was old is gone");
        decisions.remember((0..2 * DECISIONS).map(|number| (key(number), true)), 1000 + LIFE);
        assert!(decisions.0.lock().unwrap().len() <= DECISIONS);
    }
}
