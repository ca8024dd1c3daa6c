//! What a pack says about itself and its rules: the `pack` member of its `data.json` (POL-3). The rules themselves are
//! Wasm; this is what people read and what the engine checks the rules' output against.
//! Unknown members are left alone: a pack keeps its own reference data beside these.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::reads::Reads;
use crate::remedy::RemedyKind;
use crate::result::{PackRef, Side};

/// The language of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Korean.
    Ko,
    /// English.
    En,
}

/// A text in both languages of this project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Text {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Text {
    /// The text in `lang`.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ko => &self.ko,
            Lang::En => &self.en,
        }
    }
}

/// Who may evaluate a rule. The other side's result lists it as delegated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evaluator {
    /// The provider's node alone: it holds the facts.
    Exporter,
    /// The consumer's node alone.
    Importer,
    /// Both, each for itself.
    Both,
}

impl Evaluator {
    /// Whether a node on `side` may evaluate the rule.
    #[must_use]
    pub fn entitles(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Exporter => side == Side::Exporter,
            Self::Importer => side == Side::Importer,
        }
    }
}

/// What the peer may learn when the rule denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclose {
    /// The rule's id.
    Id,
    /// That something denied, no more.
    Generic,
}

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// In the terms; both sides see it.
    Shared,
    /// Told to the node by its operator; never leaves it.
    Private,
    /// Added by the node itself: clock, phase, side, what it verified.
    Host,
}

/// A fact that some rule needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fact {
    /// `boolean`, `integer`, `string`, `country`, `strings`, `some strings`, `some countries`, `objects` or
    /// `located objects`; checked by the pack itself.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it comes from.
    pub held: Held,
    /// The only values that are understood; empty when any value of the type is.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Facts that a rule needs only if another fact has one of some values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Condition {
    /// JSON pointer of the deciding fact.
    pub when: String,
    /// Its values.
    #[serde(rename = "in")]
    pub values: Vec<String>,
    /// JSON pointers of the facts then needed.
    pub need: Vec<String>,
}

/// From when, and until when, a rule is law. Seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct InForce {
    /// First second.
    pub from: u64,
    /// First second no longer, if an end is known.
    pub to: Option<u64>,
}

/// The text of law that a rule was written from, so that a change of it is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// The act and its number.
    pub act: String,
    /// The article that was hashed.
    pub article: String,
    /// First twelve hex digits of SHA-256 over the article without white space.
    pub sha256_12: String,
}

/// What can be done when the rule does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RuleRemedy {
    /// Its kind.
    pub kind: RemedyKind,
    /// In words.
    pub text: Text,
    /// How the input document would change, as a template (`remedy.rs`); null where only people can do it.
    pub patch: Option<Vec<Value>>,
}

/// A rule's description.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// A few words.
    pub title: Text,
    /// Why it denies, in a sentence.
    pub reason: Text,
    /// The way out.
    pub remedy: RuleRemedy,
    /// The law or agreement.
    pub law: Text,
    /// Its article; empty where there is none.
    pub article: String,
    /// Where the text was read.
    pub source: Option<Source>,
    /// Who may evaluate it.
    pub evaluator: Evaluator,
    /// `catalog`, `negotiation`, `transfer`, `monitor`.
    pub phases: Vec<String>,
    /// What the peer may learn.
    pub disclose: Disclose,
    /// When it is law.
    pub in_force: InForce,
    /// JSON pointers of the facts that it always needs.
    pub needs: Vec<String>,
    /// Facts that it needs in some cases.
    pub needs_if: Vec<Condition>,
    /// Whether an agreement in force that it denies is ended by that, and not only suspended (POL-17.5).
    #[serde(default)]
    pub ends: bool,
}

/// A pack without its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Short name, unique in an engine: `core`, `kr`.
    pub name: String,
    /// In words.
    pub title: Text,
    /// The countries whose law it holds: one, or those of a union; none: for every deal.
    pub jurisdiction: Vec<String>,
    /// The revision in manifest and data.
    pub revision: String,
    /// Seconds after a node took it up during which agreements of before are judged by the revision that they name (POL-18.7).
    pub grace: u64,
    /// Digest of `policy.wasm`.
    pub wasm: String,
    /// Digest of `data.json`.
    pub data: String,
    /// Digest of `.manifest`.
    pub manifest: String,
    /// Digest of the three.
    pub digest: String,
    /// Every fact that some rule needs, by JSON pointer.
    pub facts: BTreeMap<String, Fact>,
    /// Every rule, by id.
    pub rules: BTreeMap<String, Rule>,
    /// Members of an input that the pack reads, with all that is below them; none where it does not say.
    pub reads: Option<Reads>,
}

/// The terms of an offer in normal form, as an input holds them.
const TERMS: &str = "/policy";

impl Pack {
    /// Whether it says what the terms of an offer mean: it is asked where an input holds them, and not otherwise (POL-10.8).
    #[must_use]
    pub fn interprets(&self) -> bool {
        self.facts.contains_key(TERMS)
    }

    /// How results and agreements name the pack.
    #[must_use]
    pub fn reference(&self) -> PackRef {
        PackRef { name: self.name.clone(), revision: self.revision.clone(), digest: self.digest.clone() }
    }
}

/// The `pack` member of `data.json`.
#[derive(Deserialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) title: Text,
    pub(crate) jurisdiction: Vec<String>,
    pub(crate) revision: String,
    #[serde(default)]
    pub(crate) grace: u64,
    pub(crate) facts: BTreeMap<String, Fact>,
    pub(crate) rules: BTreeMap<String, Rule>,
    #[serde(default)]
    pub(crate) plan: Plan,
}

/// What was drawn up of the rest when the pack was built, as far as the host looks at it.
#[derive(Default, Deserialize)]
pub(crate) struct Plan {
    #[serde(default)]
    pub(crate) reads: Option<Vec<Vec<String>>>,
}
