//! Ask every pack and merge what they say (POL-6, POL-7).
//! Not here: which packs a deal pins; the caller compares digests and chooses with [`Engine::for_countries`].

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::bundle::Bundle;
use crate::input;
use crate::jcs;
use crate::limits;
use crate::pack::{Disclose, Lang, Pack, Rule};
use crate::program::Fault;
use crate::remedy::{self, Remedy};
use crate::result::{BrokenCode, Evaluation, PackResult, PeerView, ResultDoc, merge};

/// The pack without which nothing is evaluated.
const CORE: &str = "core";
/// The member of an input that holds the terms of an offer in normal form.
const TERMS: &str = "policy";

/// Why packs make no engine.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The pack `core` is not among them.
    #[error("the pack `core` is missing")]
    NoCore,
    /// Two packs have this name.
    #[error("two packs are named {0}")]
    TwicePack(String),
    /// Two packs describe this rule.
    #[error("two packs have a rule {0}")]
    TwiceRule(String),
    /// More packs than `limits::PACKS`.
    #[error("too many packs")]
    TooMany,
    /// No pack of this name is loaded.
    #[error("no pack is named {0}")]
    Unknown(String),
}

/// A set of packs that are evaluated together. Cheap to clone; shared freely between threads.
#[derive(Clone, Debug)]
pub struct Engine {
    bundles: Vec<Bundle>,
}

impl Engine {
    /// An engine over these packs. Compiling was done by [`Bundle::load`]; this only checks that they fit together.
    ///
    /// # Errors
    /// [`EngineError`]: without `core`, with too many packs, or with a name or a rule id given twice.
    pub fn new(bundles: impl IntoIterator<Item = Bundle>) -> Result<Self, EngineError> {
        let mut bundles: Vec<Bundle> = bundles.into_iter().take(limits::PACKS + 1).collect();
        if bundles.len() > limits::PACKS {
            return Err(EngineError::TooMany);
        }
        bundles.sort_by(|one, other| one.pack.name.cmp(&other.pack.name));
        if let Some(pair) = bundles.windows(2).find(|pair| pair[0].pack.name == pair[1].pack.name) {
            return Err(EngineError::TwicePack(pair[0].pack.name.clone()));
        }
        let mut ids: Vec<&String> = bundles.iter().flat_map(|bundle| bundle.pack.rules.keys()).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EngineError::TwiceRule(pair[0].clone()));
        }
        if bundles.iter().any(|bundle| bundle.pack.name == CORE) {
            Ok(Self { bundles })
        } else {
            Err(EngineError::NoCore)
        }
    }

    /// One bundle that is asked by itself and is no pack of law.
    pub(crate) fn alone(bundle: Bundle) -> Self {
        Self { bundles: vec![bundle] }
    }

    /// The packs of this engine that a deal between parties of these countries needs: those without a jurisdiction
    /// and those of one of the countries.
    #[must_use]
    pub fn for_countries(&self, countries: &[&str]) -> Self {
        let needed = |pack: &Pack| {
            pack.name == CORE
                || pack.jurisdiction.is_empty()
                || pack.jurisdiction.iter().any(|country| countries.contains(&country.as_str()))
        };
        self.of(needed)
    }

    /// The packs of this engine that are asked about facts: without those that say what terms mean where the facts hold none
    /// (POL-10.8).
    #[must_use]
    pub fn for_facts(&self, facts: &Value) -> Self {
        let terms = facts.get(TERMS).is_some();
        self.of(|pack| terms || !pack.interprets())
    }

    fn of(&self, needed: impl Fn(&Pack) -> bool) -> Self {
        Self { bundles: self.bundles.iter().filter(|bundle| needed(&bundle.pack)).cloned().collect() }
    }

    /// An engine over the packs of these names.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] for a name that is not loaded, [`EngineError::NoCore`] without `core`.
    pub fn only(&self, names: &[&str]) -> Result<Self, EngineError> {
        let find = |name: &&str| {
            let found = self.bundles.iter().find(|bundle| bundle.pack.name == *name);
            found.cloned().ok_or_else(|| EngineError::Unknown((*name).to_owned()))
        };
        Self::new(names.iter().map(find).collect::<Result<Vec<_>, _>>()?)
    }

    /// This engine with other packs beside its own; one of a name that is there takes its place.
    ///
    /// # Errors
    /// [`EngineError`], as of [`Engine::new`].
    pub fn with(&self, others: Vec<Bundle>) -> Result<Self, EngineError> {
        let stays = |bundle: &&Bundle| !others.iter().any(|other| other.pack.name == bundle.pack.name);
        let kept: Vec<Bundle> = self.bundles.iter().filter(stays).cloned().collect();
        Self::new(kept.into_iter().chain(others))
    }

    /// The pack of this name, ready to be asked.
    #[must_use]
    pub fn bundle(&self, name: &str) -> Option<&Bundle> {
        self.bundles.iter().find(|bundle| bundle.pack.name == name)
    }

    /// The packs, sorted by name.
    pub fn packs(&self) -> impl Iterator<Item = &Pack> {
        self.bundles.iter().map(Bundle::pack)
    }

    /// A rule's description, whichever pack it is in.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.bundles.iter().find_map(|bundle| bundle.pack.rules.get(id))
    }

    /// Decide over one input document. Synchronous and without IO: about a millisecond of computing, at most
    /// `limits::TIME` for each pack. From asynchronous code call it where blocking is allowed.
    #[must_use]
    pub fn evaluate(&self, input: &Value) -> Evaluation {
        let bytes = match input::encode(input) {
            Ok(bytes) => bytes,
            Err(reason) => return broken(BrokenCode::Input, reason.to_owned()),
        };
        let catalog = input.get("phase").and_then(Value::as_str) == Some("catalog");
        let mut parts = Vec::with_capacity(self.bundles.len());
        for bundle in &self.bundles {
            let read = bundle.pack.reads.as_ref().map(|reads| jcs::to_vec(&reads.of(input)));
            match self.ask(bundle, read.as_deref().unwrap_or(&bytes), catalog) {
                Ok(part) => parts.push(part),
                Err(fault) => return broken(fault.code, format!("{}: {}", bundle.pack.name, fault.reason)),
            }
        }
        Evaluation::Decided(merge(parts, self.bundles.iter().map(|bundle| bundle.pack.reference()).collect()))
    }

    /// What the peer may learn of a result: ids of denying or undecided rules that may be named, else the generic
    /// denial. For a broken evaluation use [`PeerView::generic`].
    #[must_use]
    pub fn for_peer(&self, result: &ResultDoc) -> PeerView {
        if result.allows() {
            return PeerView { allow: true, rules: Vec::new() };
        }
        let named = |id: &str| self.rule(id).is_some_and(|rule| rule.disclose == Disclose::Id);
        let findings = result.deny.iter().chain(&result.undetermined);
        let mut rules: Vec<String> =
            findings.filter(|finding| named(&finding.id)).map(|finding| finding.id.clone()).collect();
        rules.sort_unstable();
        rules.dedup();
        PeerView { allow: false, rules }
    }

    /// What a person could do about everything that denies or is undecided, in the result's order. For the operator.
    #[must_use]
    pub fn remedies(&self, result: &ResultDoc, lang: Lang) -> Vec<Remedy> {
        let findings = result.deny.iter().chain(&result.undetermined);
        findings.filter_map(|finding| Some(Remedy::new(finding, self.rule(&finding.id)?, lang))).collect()
    }

    /// The input document as it would be once the remedy of rule `id` was obtained; `None` where the rule has no
    /// template or it does not fit the document. For demonstrations and tests: it obtains nothing.
    #[must_use]
    pub fn apply_remedy(&self, id: &str, input: &Value) -> Option<Value> {
        remedy::apply(self.rule(id)?, input)
    }

    fn ask(&self, bundle: &Bundle, input: &[u8], catalog: bool) -> Result<PackResult, Fault> {
        let answer = bundle.program.run(input)?;
        let malformed = |reason: &str| Fault { code: BrokenCode::Malformed, reason: reason.to_owned() };
        let answers: Vec<Answer> = serde_json::from_str(answer.get())
            .map_err(|_| malformed("the result is not of the form of results"))?;
        let mut answers = answers.into_iter();
        let (first, more) = (answers.next(), answers.next());
        if more.is_some() {
            return Err(malformed("more than one result"));
        }
        let Some(Answer { result }) = first else {
            return Err(Fault {
                code: BrokenCode::Undefined,
                reason: "the entrypoint is undefined".to_owned(),
            });
        };
        if result.ids().any(|id| !bundle.pack.rules.contains_key(id) && self.rule(id).is_none()) {
            return Err(malformed("the result names a rule that no pack describes"));
        }
        if bundle.overlay && !(result.basis.is_empty() && result.delegated.is_empty()) {
            return Err(malformed("an overlay does more than deny and oblige"));
        }
        if !result.consistent(catalog) {
            return Err(malformed("the result's answer is not what its lists say"));
        }
        Ok(result)
    }
}

fn broken(code: BrokenCode, reason: String) -> Evaluation {
    Evaluation::Broken { code, reason }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    result: PackResult,
}
