//! What a person decides and asks about a peer: what waits for a decision, approving and rejecting, ending all trust in a peer,
//! why a dataset may or may not move. Shapes of the local door and of `--json`; pure data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store;

/// Who decides deals over a dataset.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Policy alone.
    #[default]
    Auto,
    /// Policy first, then a person.
    Ask,
}

impl From<Approval> for store::Approval {
    fn from(word: Approval) -> Self {
        match word {
            Approval::Auto => Self::Auto,
            Approval::Ask => Self::Ask,
        }
    }
}

impl From<store::Approval> for Approval {
    fn from(word: store::Approval) -> Self {
        match word {
            store::Approval::Auto => Self::Auto,
            store::Approval::Ask => Self::Ask,
        }
    }
}

/// A deal that waits for a person of ours.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueueItem {
    /// The negotiation's id, which `approve` and `reject` take.
    pub id: String,
    /// The other side's short name.
    pub peer: String,
    /// Its root identity, or participant id where it signs nothing.
    pub did: String,
    /// The peer signs nothing.
    pub unsigned: bool,
    /// `request`: the peer wants our data. `offer`: the peer gives its own.
    pub wants: String,
    /// The dataset.
    pub dataset: String,
    /// Titles by language.
    pub title: Value,
    /// What it is for.
    pub purpose: Option<String>,
    /// Countries where the data are kept or processed.
    pub countries: Vec<String>,
    /// What the offer lets the consumer do.
    pub terms: Value,
    /// What our own policy says: as evaluated when it came, or now where it was not asked yet.
    pub decision: Value,
    /// Since when it waits, seconds.
    pub since: u64,
    /// When it is refused unless a person decided, seconds.
    pub deadline: u64,
    /// What the person can do: commands.
    #[serde(rename = "do")]
    pub steps: Vec<String>,
}

/// Let a deal go on that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The negotiation's id.
    pub id: String,
    /// Who approves; stands in the signed decision.
    pub by: String,
    /// For the own log only.
    #[serde(default)]
    pub note: Option<String>,
    /// Where the files of an offer go; null leaves the transfer for later.
    #[serde(default)]
    pub out: Option<PathBuf>,
    /// What the data are, on the operator's own word: for an offer of a partner that signs nothing.
    #[serde(default)]
    pub facts: Option<Value>,
}

/// Refuse a deal that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The negotiation's id.
    pub id: String,
    /// Who rejects; stands in the own log.
    pub by: String,
    /// Why, for both sides.
    pub reason: String,
}

/// End all trust in a peer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distrust {
    /// Alias, DID or participant id.
    pub peer: String,
    /// Why, for both sides.
    pub reason: String,
    /// Say what would happen and do nothing.
    #[serde(default)]
    pub only_say: bool,
}

/// What distrust of a peer ends, or would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distrusted {
    /// The peer's short name.
    pub peer: String,
    /// Its root identity or participant id.
    pub did: String,
    /// `dxp` or `plain`.
    pub speaks: String,
    /// `blocked` once it is done.
    pub status: String,
    /// Negotiations that are ended before they are concluded.
    pub negotiations: Vec<Affected>,
    /// Transfers that are ended before they are complete.
    pub transfers: Vec<Affected>,
    /// Agreements in force that are ended. What was received under them, and its duties, stay.
    pub agreements: Vec<Affected>,
    /// The standing order that is revoked.
    pub order: Option<String>,
    /// What the peer is told and what it is not.
    pub told: String,
}

/// An exchange that distrust ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Affected {
    /// Its id.
    pub id: String,
    /// `provider` or `consumer`.
    pub role: String,
    /// DSP state.
    pub state: String,
    /// The dataset.
    pub dataset: String,
}

/// Why a peer would get a dataset of ours, or we one of its.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Alias, DID or participant id.
    pub peer: String,
    /// The dataset, ours or the peer's.
    pub dataset: String,
    /// What it is for; the first purpose of the offer otherwise.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Where the consumer keeps and processes it; the consumer's own country otherwise.
    #[serde(default)]
    pub countries: Vec<String>,
    /// What data of a plain peer are, on our own word.
    #[serde(default)]
    pub facts: Option<Value>,
    /// Days after which data of a plain peer are deleted, where its offer does not say.
    #[serde(default)]
    pub keep_days: Option<u32>,
}

/// What our own rules say of it now. Nothing is logged, sent or kept for it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The peer's short name.
    pub peer: String,
    /// The dataset.
    pub dataset: String,
    /// `they_get_ours` or `we_get_theirs`.
    pub direction: String,
    /// Our side allows at every point below.
    pub allowed: bool,
    /// The purpose that was assumed.
    pub purpose: Option<String>,
    /// The countries that were assumed.
    pub countries: Vec<String>,
    /// Our part in law: `exporter` or `importer`.
    pub side: String,
    /// Who decides deals over it on our side: `auto`, or `ask` for a person.
    pub approval: Approval,
    /// What stands against it before any rule: the dataset is withdrawn, the offer is not understood.
    pub obstacles: Vec<String>,
    /// The points at which law is asked, each with its result and, for each finding, rule, law, reason and remedy.
    pub points: Vec<Value>,
    /// Rules that only the other side evaluates, and what nobody here can know, in English and Korean.
    pub other_side: Vec<Value>,
}
