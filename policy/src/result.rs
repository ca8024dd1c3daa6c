//! The result of an evaluation and how the results of several packs become one (POL-5, POL-7, POL-8).
//!
//! Every list is sorted by the JCS bytes of its elements and holds no element twice, so that two nodes, and an auditor
//! years later, have the same bytes from the same facts. Not here: running a pack.

use serde::{Deserialize, Serialize};

/// Which side of the deal a node decides for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The provider's.
    Exporter,
    /// The consumer's.
    Importer,
}

/// Who owes a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The party that provides the dataset.
    Provider,
    /// The party that gets it.
    Consumer,
}

/// A rule that denied or could not be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The rule.
    pub id: String,
    /// What it was about: a pointer, a value, a reference. For this node's operator, never for the peer.
    pub detail: String,
}

/// A rule that only the other side may evaluate; its signed decision answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The rule.
    pub id: String,
    /// The side that may.
    pub evaluator: Side,
}

/// A duty that remains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// The rule that imposes it.
    pub id: String,
    /// What is to be done: `delete`.
    pub duty: String,
    /// Who owes it.
    pub on: Party,
    /// The event from which time runs: `completion`.
    pub after: String,
    /// Seconds after that event; null where no time runs.
    pub within: Option<u64>,
}

/// An agreement between states that the deal may rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Its short name: `KSDPA`.
    pub framework: String,
    /// The article.
    pub article: String,
    /// `binding`, `self-judging` or `endeavour`.
    pub strength: String,
}

/// A pack by name, revision and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackRef {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// Its digest.
    pub digest: String,
}

/// What all packs together say. Every member is always present in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultDoc {
    /// Whether this side allows the deal; null at phase `catalog`.
    pub allow: Option<bool>,
    /// Whether the dataset may be shown; null at every other phase.
    pub visible: Option<bool>,
    /// Rules that deny.
    pub deny: Vec<Finding>,
    /// Rules that could not be decided. They block, except at `catalog`, where they are things to do.
    pub undetermined: Vec<Finding>,
    /// Rules left to the other side.
    pub delegated: Vec<Delegation>,
    /// Duties that remain.
    pub obligations: Vec<Obligation>,
    /// Grounds in agreements between states.
    pub basis: Vec<Basis>,
    /// The packs that were asked, sorted by name.
    pub packs: Vec<PackRef>,
}

impl ResultDoc {
    /// The document's JCS bytes: what an evaluation record holds.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Whether this side allows: `true` only at a phase that decides, with nothing denied and nothing undetermined.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.allow == Some(true) && self.deny.is_empty() && self.undetermined.is_empty()
    }

    /// Duties on `party`.
    pub fn duties(&self, party: Party) -> impl Iterator<Item = &Obligation> {
        self.obligations.iter().filter(move |duty| duty.on == party)
    }
}

/// Why an evaluation gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenCode {
    /// The input document is too large, too deep, no object, or holds a number that is no integer below 2^53.
    Input,
    /// The module trapped or gave itself up.
    Trap,
    /// It used up its fuel.
    Fuel,
    /// It asked for more memory than it may have.
    Memory,
    /// It took too long.
    Time,
    /// It called a host function.
    HostCall,
    /// Its entrypoint was undefined.
    Undefined,
    /// Its result is not what a pack may say.
    Malformed,
}

impl BrokenCode {
    /// The stable code of `spec/11-limits-and-errors.md`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "policy_input",
            Self::Trap | Self::HostCall => "policy_broken",
            Self::Fuel | Self::Memory | Self::Time => "policy_exhausted",
            Self::Undefined | Self::Malformed => "policy_result",
        }
    }
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Every pack answered.
    Decided(ResultDoc),
    /// At least one did not. This blocks like a denial, and somebody should look at it.
    Broken {
        /// The kind of failure.
        code: BrokenCode,
        /// The pack and what happened, without any fact from the input.
        reason: String,
    },
}

impl Evaluation {
    /// Whether this side allows. A broken evaluation never does.
    #[must_use]
    pub fn allows(&self) -> bool {
        match self {
            Self::Decided(result) => result.allows(),
            Self::Broken { .. } => false,
        }
    }

    /// Whether the dataset may be shown at phase `catalog`. A broken evaluation shows nothing.
    #[must_use]
    pub fn visible(&self) -> bool {
        match self {
            Self::Decided(result) => result.visible == Some(true) && result.deny.is_empty(),
            Self::Broken { .. } => false,
        }
    }
}

/// What the peer may learn of a decision: its value, and the ids of rules that say so themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerView {
    /// The decision.
    pub allow: bool,
    /// Disclosed rules, sorted. Empty when nothing that denied may be named: the generic denial.
    pub rules: Vec<String>,
}

impl PeerView {
    /// The denial that tells nothing: always the same bytes, whatever the cause.
    #[must_use]
    pub fn generic() -> Self {
        Self { allow: false, rules: Vec::new() }
    }

    /// The view's JCS bytes.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }
}

/// What one pack says: a [`ResultDoc`] without `packs`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackResult {
    pub(crate) allow: Option<bool>,
    pub(crate) visible: Option<bool>,
    pub(crate) deny: Vec<Finding>,
    pub(crate) undetermined: Vec<Finding>,
    pub(crate) delegated: Vec<Delegation>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) basis: Vec<Basis>,
}

impl PackResult {
    /// The ids that the result names.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let findings = self.deny.iter().chain(&self.undetermined).map(|finding| finding.id.as_str());
        let delegated = self.delegated.iter().map(|delegation| delegation.id.as_str());
        findings.chain(delegated).chain(self.obligations.iter().map(|duty| duty.id.as_str()))
    }

    /// Whether `allow` and `visible` are what the lists say (POL-5).
    pub(crate) fn consistent(&self, catalog: bool) -> bool {
        let clear = self.deny.is_empty();
        if catalog {
            self.allow.is_none() && self.visible == Some(clear)
        } else {
            self.visible.is_none() && self.allow == Some(clear && self.undetermined.is_empty())
        }
    }
}

/// The merge of the packs' results (POL-7): union of every list, conjunction of every answer.
pub(crate) fn merge(parts: Vec<PackResult>, packs: Vec<PackRef>) -> ResultDoc {
    let mut whole = ResultDoc {
        allow: None,
        visible: None,
        deny: Vec::new(),
        undetermined: Vec::new(),
        delegated: Vec::new(),
        obligations: Vec::new(),
        basis: Vec::new(),
        packs,
    };
    for part in parts {
        whole.allow = both(whole.allow, part.allow);
        whole.visible = both(whole.visible, part.visible);
        whole.deny.extend(part.deny);
        whole.undetermined.extend(part.undetermined);
        whole.delegated.extend(part.delegated);
        whole.obligations.extend(part.obligations);
        whole.basis.extend(part.basis);
    }
    sort(&mut whole.deny);
    sort(&mut whole.undetermined);
    sort(&mut whole.delegated);
    sort(&mut whole.obligations);
    sort(&mut whole.basis);
    whole.packs.sort_by(|one, other| one.name.cmp(&other.name));
    whole
}

/// Null only when neither answered: `PackResult::consistent` has seen to it that all answer alike.
fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one && other),
        (only, None) | (None, only) => only,
    }
}

fn sort<T: Serialize + PartialEq>(list: &mut Vec<T>) {
    list.sort_by_cached_key(canonical);
    list.dedup();
}

/// JCS bytes of one of this file's types. They hold no map with other than text keys and no number that JSON lacks, so
/// that serialisation cannot fail.
fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_value(value).map_or_else(|_| Vec::new(), |value| crate::jcs::to_vec(&value))
}
