//! Duties of agreements: what a person asks, deletes and reports. Shapes of the local door and of `--json`; pure data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List duties.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Obligations {
    /// The agreement's digest, the negotiation's or a transfer's id; null lists those of all agreements.
    pub agreement: Option<String>,
}

/// A duty of an agreement, after one event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObligationView {
    /// The agreement's digest.
    pub agreement: String,
    /// The negotiation that made it.
    pub exchange: String,
    /// The other side's short name.
    pub peer: String,
    /// The dataset.
    pub dataset: String,
    /// The rule that imposes it.
    pub id: String,
    /// What is to be done.
    pub duty: String,
    /// Who owes it: `provider` or `consumer`.
    pub on: String,
    /// This node owes it.
    pub ours: bool,
    /// The event from which it runs.
    pub after: String,
    /// The transfer whose completion that is.
    pub transfer: Option<String>,
    /// When the event happened or will, seconds; null where nobody told of one.
    pub since: Option<u64>,
    /// Until when it is to be done, or kept, seconds; null where no time runs.
    pub deadline: Option<u64>,
    /// `open`, `due`, `fulfilled` or `violated`.
    pub state: String,
    /// It is kept for as long as it runs, and not done once.
    pub lasts: bool,
    /// The act that attests that it was done.
    pub evidence: Option<String>,
    /// When that was signed, seconds.
    pub fulfilled_at: Option<u64>,
    /// It was done after its deadline.
    pub late: bool,
    /// What the person can do: commands.
    #[serde(rename = "do")]
    pub steps: Vec<String>,
}

/// How many duties are due or overdue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Owing {
    /// Of ours, due.
    pub due: u32,
    /// Of ours, overdue: no new deal with that peer.
    pub overdue: u32,
    /// Of peers, due.
    pub due_of_peers: u32,
    /// Of peers, overdue: no new deal with them.
    pub overdue_of_peers: u32,
}

/// Delete what was received under an agreement.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The agreement's digest, the negotiation's or a transfer's id.
    pub agreement: String,
    /// Say what would be deleted and do nothing.
    #[serde(default)]
    pub only_say: bool,
    /// What became of files that are not as delivered; both sides see it.
    #[serde(default)]
    pub text: Option<String>,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {
    /// The agreement's digest.
    pub agreement: String,
    /// The negotiation that made it.
    pub exchange: String,
    /// It was done; false where it was only said.
    pub deleted: bool,
    /// Files that are as delivered.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were changed, moved or taken away: left alone.
    pub unknown: u64,
    /// Where the first of those are or were.
    pub left: Vec<PathBuf>,
    /// What the other side is told.
    pub told: String,
}

/// Report on a duty, tell of an event, or of passing data on: a signed act that both sides log.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The agreement's digest, the negotiation's or a transfer's id.
    pub agreement: String,
    /// The rule of the duty of ours that was done.
    pub obligation: Option<String>,
    /// Its event, where the rule names several.
    pub after: Option<String>,
    /// Its word, where the rule names several after one event.
    #[serde(default)]
    pub duty: Option<String>,
    /// What happened, from which duties run.
    pub happened: Option<Happening>,
    /// For people of both sides.
    pub text: String,
    /// Digest of a document that stays here.
    pub evidence: Option<String>,
    /// To whom data were passed on.
    pub onward: Option<Passed>,
}

/// Something from which a duty runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// In the word of the duty's `after`: `breach`, `request`, `purpose_end`.
    pub event: String,
    /// When, seconds; now where it is null.
    #[serde(default)]
    pub at: Option<u64>,
}

/// To whom data were passed on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    /// Its name.
    pub to: String,
    /// Its country, two letters (ISO 3166-1).
    pub country: String,
    /// The same duties bind it.
    #[serde(default)]
    pub flow_down: bool,
}

/// What was queued to be signed, and the duties as they stand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReportedView {
    /// The agreement's digest.
    pub agreement: String,
    /// The negotiation that made it.
    pub exchange: String,
    /// Its duties; the report counts once the other side has answered it.
    pub obligations: Vec<ObligationView>,
}
