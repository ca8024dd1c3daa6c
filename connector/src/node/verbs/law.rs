//! How agreements stand with the law, and the packs and data that it is judged by. Pure data, as all of `verbs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the law says of an agreement in force that it would not have been concluded under.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StandingView {
    /// `suspended`: no transfer begins under it; `undetermined`: something is not known, and it goes on.
    pub standing: String,
    /// Since when, seconds.
    pub since: u64,
    /// `denied`, `undetermined` or `policy_broken`.
    pub code: String,
    /// The negotiation that made the agreement.
    pub exchange: String,
    /// The other side's short name.
    pub peer: String,
    /// The dataset.
    pub dataset: String,
    /// Rules with what they found.
    pub rules: Vec<String>,
    /// The same with law, reason and remedy, in both languages.
    pub explained: Vec<Value>,
    /// Digest of the evaluation that found it.
    pub decision: String,
    /// Packs that the agreement names: name and digest.
    pub pinned: Value,
    /// Packs that judged: name and digest.
    pub packs: Value,
}

/// Accept what a file or folder holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddFile {
    /// The file or folder, on the node's machine.
    pub file: PathBuf,
}

/// Signed packs or data that are in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SupplyView {
    /// `packs`, `sanctions` or `stop_orders`.
    pub what: String,
    /// The number of the set or document.
    pub number: u64,
    /// When it was made, seconds.
    pub issued_at: u64,
    /// Until when it is good, seconds.
    pub expires_at: u64,
    /// Its time is over. Data that are stale leave the rules that read them undetermined; packs stay law, and newer are wanted.
    pub stale: bool,
    /// Commands that bring newer, where it is stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// A pack of rules in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PackView {
    /// Its name.
    pub name: String,
    /// In words, by language.
    pub title: Value,
    /// The countries whose law it holds; none where it counts for every deal.
    pub jurisdiction: Vec<String>,
    /// Its revision.
    pub revision: String,
    /// Its digest.
    pub digest: String,
    /// When it was accepted, seconds; null where it came with the program.
    pub accepted_at: Option<u64>,
    /// Seconds after that during which agreements of before are judged by the one that they name.
    pub grace: u64,
    /// Ids of its rules.
    pub rules: Vec<String>,
}

/// The packs in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PacksView {
    /// By name.
    pub packs: Vec<PackView>,
    /// The operator's own, asked beside them; no peer hears of these.
    pub overlays: Vec<PackView>,
    /// What was accepted under signatures.
    pub supplies: Vec<SupplyView>,
    /// Keys of those who may sign another set.
    pub signers: Vec<String>,
    /// How many of them have to.
    pub threshold: usize,
}

/// The data in use that are signed apart from the packs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DataView {
    /// By kind.
    pub supplies: Vec<SupplyView>,
    /// Keys of those who may sign newer.
    pub signers: Vec<String>,
    /// How many of them have to.
    pub threshold: usize,
}
