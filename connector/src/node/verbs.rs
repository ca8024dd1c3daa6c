//! What a person can ask of the running node, and what it answers: the shapes of the local door and of `--json`.
//!
//! Pure data; the work is done in the other files of this folder.

mod desk;
mod duties;
mod law;

use std::path::PathBuf;

pub use self::desk::{
    Affected, Approval, Approve, Distrust, Distrusted, Explain, Explained, QueueItem, Reject,
};
pub use self::duties::{
    Delete, Deleted, Happening, ObligationView, Obligations, Owing, Passed, Report, ReportedView,
};
pub use self::law::{AddFile, DataView, PackView, PacksView, StandingView, SupplyView};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Publish a folder or file as a dataset, or as the next version of one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The folder or file; it stays where it is.
    pub path: PathBuf,
    /// Titles by language (`ko`, `en`); empty for a version that keeps those of the one before.
    #[serde(default)]
    pub title: std::collections::BTreeMap<String, String>,
    /// What the other may do: an ODRL offer without target and `@id`; null for a version that keeps that of the one before.
    #[serde(default)]
    pub policy: Value,
    /// What the data are: the `dataset` facts of the policy input, without `id`; null for a version that keeps those of the one
    /// before.
    #[serde(default)]
    pub facts: Value,
    /// Who decides deals over it; null for whom the version before has, or for the rules alone.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Keep a copy of the files in the node's folder and serve that, whatever happens to them.
    #[serde(default)]
    pub copy: bool,
    /// The dataset that this is the next version of; null makes a new dataset.
    #[serde(default)]
    pub version_of: Option<String>,
}

/// What was published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// The dataset's name.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// Digest of the signed listing.
    pub listing: String,
    /// Content root.
    pub content_root: String,
    /// Files and bytes.
    pub files: u64,
    /// Bytes in all files.
    pub bytes: u64,
    /// Nothing differs from the version that there is: it stays, and no other was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

/// What is being hashed to be published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Publishing {
    /// The dataset's name, as it will be.
    pub dataset: String,
    /// The folder or file.
    pub path: PathBuf,
    /// Files in it; 0 while it is being listed.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes that are hashed.
    pub hashed: u64,
}

/// What rules would say of a dataset of our own, before anybody wants it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// Facts that rules would ask for in a deal about it and that are not declared.
    pub wanted: Vec<Wanted>,
    /// Rules that would let no deal through as things are, each with its law and the way out.
    pub refusals: Vec<Value>,
}

/// A fact that a rule would ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {
    /// Its dotted path in the policy input, such as `dataset.rights.basis`.
    pub fact: String,
    /// The rules that need it.
    pub rules: Vec<String>,
    /// What it has to be.
    pub kind: String,
    /// The only values that are understood; empty when any value of that kind is.
    pub values: Vec<String>,
}

/// Issue a ticket.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueTicket {
    /// Whoever redeems it is accepted at once.
    pub auto_accept: bool,
    /// Seconds until it lapses.
    pub ttl: u64,
}

/// A ticket to hand to a partner.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TicketText {
    /// One line of text.
    pub ticket: String,
    /// What both sides compare.
    pub fingerprint: String,
}

/// Redeem a ticket.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The ticket's text.
    pub ticket: String,
    /// A short name for the peer.
    pub alias: String,
    /// The fingerprint that the operator compared with the partner; spaces and case do not matter.
    pub fingerprint: String,
}

/// Accept a peer that redeemed one of our tickets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// Alias or DID.
    pub peer: String,
    /// The fingerprint that the operator compared with the partner; spaces and case do not matter.
    pub fingerprint: String,
}

/// A peer as people see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PeerView {
    /// Its short name here.
    pub alias: String,
    /// Its root identity.
    pub did: String,
    /// Self-declared name.
    pub name: String,
    /// Self-declared country.
    pub country: String,
    /// `dxp`, or `plain` where the peer signs nothing.
    #[serde(default)]
    pub speaks: String,
    /// What both sides compare; empty for a peer that signs nothing.
    pub fingerprint: String,
    /// `pending`, `accepted` or `blocked`.
    pub status: String,
    /// A person compared the fingerprint; otherwise a ticket that accepts by itself vouches alone.
    pub confirmed: bool,
    /// Connected now, and who dialled (`we dialled`, `peer dialled`).
    pub connected: Option<String>,
    /// The order that stands for its next offer: purpose, and where the files go.
    pub expects: Option<String>,
}

/// Names a peer by alias or DID.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerName {
    /// Alias or DID.
    pub peer: String,
}

/// A dataset of a peer's catalog, judged by our own policy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CatalogItem {
    /// What `get` takes: the peer's short name, `/`, the dataset.
    #[serde(rename = "ref", default)]
    pub reference: String,
    /// The dataset.
    pub dataset: String,
    /// Version.
    pub version: u64,
    /// Titles by language.
    pub title: Value,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Media types with counts.
    pub media: Value,
    /// Digest of the signed listing; empty where the peer signs none.
    pub listing: String,
    /// The peer signs nothing: what it says of the data is its word alone.
    #[serde(default)]
    pub unsigned: bool,
    /// What the offer lets us do; none where it is not understood.
    pub terms: Option<OfferTerms>,
    /// Why the offer is not understood, by its JSON pointer: no deal about it would be concluded.
    pub not_understood: Option<String>,
    /// The offer itself.
    pub offer: Value,
    /// What our own policy says at this point (phase catalog): `visible` or not, with reasons.
    pub decision: Value,
}

/// What an offer lets a consumer do (POL-10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferTerms {
    /// The purposes, one of which a proposal names.
    pub purposes: Vec<String>,
    /// Where the data may be kept and processed; none binds a deal to what its proposal states.
    pub countries: Option<Vec<String>>,
    /// Days after which the data are deleted.
    pub retention_days: u32,
    /// Transfers under one agreement; none sets no limit.
    pub transfers: Option<u64>,
    /// The trade agreement that it builds on.
    pub framework: Option<String>,
    /// Clauses that bind whoever signs (spec chapter 05, POL-10.12).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// Actions that are forbidden.
    pub prohibited: Vec<String>,
    /// What is said beyond this, in words of the offer's own: other conditions, prohibitions under conditions, duties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<String>,
}

/// Propose a deal: as consumer (`request`) or as provider (`offer`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// The other side.
    pub peer: String,
    /// The dataset.
    pub dataset: String,
    /// What it is for.
    pub purpose: String,
    /// Where the consumer keeps and processes it, countries.
    pub countries: Vec<String>,
    /// Where the consumer writes the files; null leaves the transfer for later. Ignored in an offer.
    pub out: Option<PathBuf>,
    /// What the data of a plain peer are: the `dataset` facts of the policy input, on our own word. Others declare their own.
    #[serde(default)]
    pub facts: Option<Value>,
    /// Days after which data of a plain peer are deleted, where its offer does not say.
    #[serde(default)]
    pub keep_days: Option<u32>,
    /// Have a plain peer deliver the data instead of fetching them.
    #[serde(default)]
    pub push: bool,
}

/// Record a peer that speaks the Dataspace Protocol and signs nothing.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPlain {
    /// Its participant id, as it stands in messages.
    pub id: String,
    /// A short name for the peer.
    pub alias: String,
    /// Its name.
    pub name: String,
    /// Its country, on our own word.
    pub country: String,
    /// Base URL of its binding, such as `https://partner.example/protocol/2025-1`.
    pub url: String,
    /// What we send to it as `Authorization`, byte for byte. A secret.
    pub authorization: Option<String>,
    /// What it sends to us as `Authorization`, where that is how it is known. A secret.
    pub header: Option<String>,
    /// The certificate that it shows, PEM, where that is how it is known. Without it and `header` it is known by the secret in
    /// the base that it is given.
    pub certificate: Option<String>,
    /// Certificates that its servers may show beside those that the system trusts, PEM.
    pub trust: Option<String>,
    /// It is in our own network: loopback, private addresses and plain HTTP are taken for it.
    pub local: bool,
    /// What the contract with it says that data are for.
    pub purpose: Option<String>,
    /// Where it keeps and processes data; its own country if empty.
    pub countries: Vec<String>,
    /// Days after which data are deleted, where an offer does not say.
    pub keep_days: Option<u32>,
    /// Give it another secret; the one of before opens nothing any more.
    pub renew: bool,
}

impl std::fmt::Debug for AddPlain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddPlain").field("id", &self.id).field("alias", &self.alias).finish_non_exhaustive()
    }
}

/// A plain peer, and where it reaches us.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlainView {
    /// Its participant id.
    pub id: String,
    /// Its short name here.
    pub alias: String,
    /// The base of our binding for this peer. With a secret in it: hand it over as a password.
    pub base: String,
    /// Our own participant id, which it names.
    pub participant: String,
    /// `accepted` or `blocked`.
    pub status: String,
}

impl std::fmt::Debug for PlainView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainView").field("id", &self.id).field("alias", &self.alias).finish_non_exhaustive()
    }
}

/// Names an exchange by its id.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeName {
    /// The id.
    pub id: String,
}

/// End a finalized agreement.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The negotiation's id, or the agreement's digest.
    pub id: String,
    /// Why, for both sides.
    pub reason: String,
}

/// End what is not concluded or not complete yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The negotiation's or transfer's id.
    pub id: String,
    /// Why, for both sides.
    pub reason: Option<String>,
}

/// Have the data of an agreement in force received or asked for again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The negotiation's or transfer's id, or the agreement's digest.
    pub id: String,
    /// Another folder for the files.
    pub out: Option<PathBuf>,
}

/// Names a dataset of our own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetName {
    /// As `publish` printed it.
    pub dataset: String,
}

/// A dataset of our own as people see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DatasetView {
    /// Its name.
    pub dataset: String,
    /// Version.
    pub version: u64,
    /// Titles by language.
    pub title: Value,
    /// Where its files lie.
    pub path: String,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Nobody sees it any more and no new deal about it is taken up.
    pub withdrawn: bool,
    /// Who decides deals over it.
    #[serde(default)]
    pub approval: Approval,
    /// A copy of the files in the node's folder is served, not the files where they lie.
    #[serde(default)]
    pub copied: bool,
    /// Why nobody can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// Set how fast the data of a deal may come, over restarts too.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitRate {
    /// The negotiation's or transfer's id.
    pub id: String,
    /// Bytes in a second, at least 65536; null lifts the limit.
    pub bytes_per_second: Option<u64>,
}

/// Write the log and all that an auditor needs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// A folder that does not exist yet or is empty.
    pub out: PathBuf,
}

/// What was exported.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Exported {
    /// The folder.
    pub dir: PathBuf,
    /// Entries in the log.
    pub size: u64,
    /// The log's origin.
    pub origin: String,
}

/// An exchange as people see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExchangeView {
    /// Its id, the same in both logs.
    pub id: String,
    /// `negotiation` or `transfer`.
    pub kind: String,
    /// `provider` or `consumer`.
    pub role: String,
    /// The other side's short name.
    pub peer: String,
    /// The peer signs nothing: what it sent or agreed to is not proven.
    #[serde(default)]
    pub unsigned: bool,
    /// DSP state.
    pub state: String,
    /// The dataset.
    pub dataset: String,
    /// Whom and what it waits for; null when nothing is outstanding.
    pub waits_for: Option<String>,
    /// For a negotiation: the agreement's digest once both signatures stand and FINALIZED is acknowledged.
    pub in_force: Option<String>,
    /// The transfer that runs under it (negotiations), or the negotiation (transfers).
    pub other: Option<String>,
    /// Why it was refused or ended.
    pub refusal: Option<Refusal>,
    /// What keeps it from going on, while it is not over.
    pub trouble: Option<Trouble>,
    /// Where the consumer's files go.
    pub out: Option<PathBuf>,
    /// The own decision, as evaluated.
    pub decision: Option<Value>,
    /// Bytes verified and written so far (transfers).
    pub bytes: Option<u64>,
    /// Of so many bytes (transfers that are being received).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Digest of the data receipt act, once acknowledged.
    pub receipt: Option<String>,
    /// SHA-256 of what arrived from a peer that signs nothing, and so promised no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Milliseconds from the first act to FINALIZED or to the receipt, by this node's clock.
    pub took_ms: Option<u64>,
    /// Since when it waits for whom it waits for, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When our unanswered message is sent again, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// When it is refused or reads TERMINATED unless it went on, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// What the person can do: commands.
    #[serde(default, rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// An exchange that is not over, or a peer that waits to be accepted: what it waits for, and what can be done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// `negotiation`, `transfer` or `peer`.
    pub kind: String,
    /// The other side's short name.
    pub peer: String,
    /// The dataset; empty of a peer.
    pub dataset: String,
    /// DSP state.
    pub state: String,
    /// Whom and what it waits for.
    pub waits_for: Option<String>,
    /// Bytes verified so far, of a transfer.
    pub bytes: Option<u64>,
    /// Bytes that there are to receive, where that is known.
    pub total: Option<u64>,
    /// Since when, seconds.
    pub since: Option<u64>,
    /// What keeps it from going on.
    pub trouble: Option<Trouble>,
    /// When our unanswered message is sent again, seconds.
    pub next_try: Option<u64>,
    /// When it is refused or reads TERMINATED unless it went on, seconds.
    pub deadline: Option<u64>,
    /// What the person can do: commands.
    #[serde(rename = "do")]
    pub steps: Vec<String>,
}

/// How many exchanges are not over, by whom they wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// For a person of ours: `naru queue`, or `naru accept`.
    pub person: u64,
    /// For the peer.
    pub peer: u64,
    /// Stopped until somebody here does something.
    pub stopped: u64,
}

/// What keeps an exchange from going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// A code of the error registry.
    pub code: String,
    /// Whose side it came from.
    pub side: String,
    /// What happened.
    pub message: String,
    /// It is tried again by itself; otherwise somebody has to do something.
    pub goes_on: bool,
}

/// Why a deal did not come to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// A code of the error registry.
    pub code: String,
    /// Whose side it came from: `local`, `peer`, `policy`, `transport` or `store`.
    pub side: String,
    /// Rule ids that may be named, or the reason given.
    pub reasons: Vec<String>,
}

/// The node at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// It runs; what is read from the folder of a node that does not says false, and lacks what only a running node knows.
    #[serde(default)]
    pub running: bool,
    /// Root identity.
    pub did: String,
    /// Self-declared name.
    pub name: String,
    /// What both sides compare.
    pub fingerprint: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Entries in the log.
    pub log_size: u64,
    /// The log's origin.
    pub origin: String,
    /// Packs in force: name, revision, digest.
    pub packs: Value,
    /// Acts that wait for a peer's answer.
    pub unanswered: u64,
    /// Why nothing is signed any more, where a peer has shown that this database is older than what was signed.
    pub stopped: Option<String>,
    /// Why this machine's clock is wrong, where that can be seen.
    #[serde(default)]
    pub clock: Option<String>,
    /// Why `facts.json` cannot be read; until it can, nothing is shown to peers and no deal is decided.
    pub facts: Option<String>,
    /// Signed packs and data in use, and until when they are good.
    #[serde(default)]
    pub supplies: Vec<SupplyView>,
    /// Agreements in force that the law no longer allows, or of which it cannot be said; at most 100.
    #[serde(default)]
    pub standings: Vec<StandingView>,
    /// Requests of strangers that were turned away since the start, and connections of theirs that came to nothing.
    pub strangers: u64,
    /// Resident memory in bytes, where the system tells.
    pub resident: Option<u64>,
    /// How many exchanges are not over, by whom they wait for.
    #[serde(default)]
    pub waiting: Counts,
    /// Those that are not over, what waits for a person first, then what is stopped; at most 100.
    #[serde(default)]
    pub pending: Vec<Pending>,
    /// How many duties are due or overdue.
    #[serde(default)]
    pub owing: Owing,
    /// Those that are, ours first; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<ObligationView>,
}

/// Take up the next offer of a peer, and write the files there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The peer.
    pub peer: String,
    /// Where the files go.
    pub out: PathBuf,
    /// The purpose for which an offer is taken up.
    pub purpose: String,
    /// Countries where the data will be kept and processed.
    pub countries: Vec<String>,
    /// What the data are, on the operator's own word: for an offer of a partner that signs nothing.
    #[serde(default)]
    pub facts: Option<Value>,
}

/// What a proposal would ask for, before anything is signed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// The peer's short name here.
    pub peer: String,
    /// Its self-declared name.
    pub name: String,
    /// Its self-declared country.
    pub country: String,
    /// The dataset.
    pub dataset: String,
    /// Titles by language; empty where the peer signs no listing.
    pub title: Value,
    /// Files, where a listing says so.
    pub files: Option<u64>,
    /// Bytes, where a listing says so.
    pub bytes: Option<u64>,
    /// What the offer lets us do; none where it is not known before asking.
    pub terms: Option<OfferTerms>,
    /// What it would be for.
    pub purpose: String,
    /// Where the data would be kept and processed.
    pub countries: Vec<String>,
    /// Where the files would go.
    pub out: Option<PathBuf>,
    /// Whether our own rules allow it now; null where they are asked only when the peer has made its offer.
    pub allowed: Option<bool>,
    /// The evaluation, with each finding's law and way out.
    pub decision: Option<Value>,
    /// What is known of the peer's decision.
    pub peer_decision: String,
    /// The peer signs nothing.
    pub unsigned: bool,
}

/// An agreement as people see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AgreementView {
    /// Its digest; for one with a peer that signs nothing, that of the recorded terms.
    pub agreement: String,
    /// The negotiation that made it: what `end` and `retry` take.
    pub exchange: String,
    /// `provider` or `consumer`.
    pub role: String,
    /// The other side's short name.
    pub peer: String,
    /// The peer signs nothing.
    pub unsigned: bool,
    /// `in force`, `suspended`, `ended`, `over`, or `signed, not concluded`.
    pub state: String,
    /// What the law says of it now, where that is not what was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingView>,
    /// The dataset.
    pub dataset: String,
    /// What the data are for.
    pub purpose: Option<String>,
    /// Where they may be kept and processed.
    pub countries: Vec<String>,
    /// Days after which they are deleted.
    pub retention_days: Option<u64>,
    /// Until when transfers may begin, seconds.
    pub valid_to: Option<u64>,
    /// Transfers begun under it.
    pub transfers: u32,
    /// Transfers that it allows; null sets no limit.
    pub max_transfers: Option<u64>,
    /// The newest transfer under it.
    pub transfer: Option<String>,
    /// Duties of either side that are due.
    #[serde(default)]
    pub due: u32,
    /// Duties of either side that are overdue: no new deal with this peer.
    #[serde(default)]
    pub overdue: u32,
}

/// List entries of our log.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogPage {
    /// From this index on; null is the newest page.
    pub from: Option<u64>,
    /// Entries, at most 1000.
    pub limit: Option<u32>,
    /// Only those of this exchange.
    pub exchange: Option<String>,
}

/// Some entries of our log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogView {
    /// The log's origin.
    pub origin: String,
    /// Entries under the newest checkpoint.
    pub size: u64,
    /// The entries, oldest first.
    pub entries: Vec<LogEntry>,
    /// The index to go on from; null at the end.
    pub next: Option<u64>,
}

/// An entry as people see it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogEntry {
    /// Its index.
    pub index: u64,
    /// When, seconds.
    pub at: u64,
    /// What is recorded.
    #[serde(rename = "type")]
    pub kind: String,
    /// `own`, `sent` or `received`.
    pub side: String,
    /// The exchange, the same in both logs.
    pub exchange: Option<String>,
    /// The other side's short name.
    pub peer: Option<String>,
    /// What a received act was answered.
    pub status: Option<u16>,
    /// Size of the first checkpoint of ours that covers it; null while none does.
    pub checkpoint: Option<u64>,
    /// Peers that acknowledged an act of ours under a checkpoint that covers it, as far as the listed exchanges show.
    pub held_by: Vec<String>,
}

/// Write the log and all that an auditor needs as one file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// A file that does not exist yet.
    pub out: PathBuf,
}

/// What was written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Bundled {
    /// The file.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of the file, base64url: the same for the same log.
    pub digest: String,
    /// Entries in the log.
    pub size: u64,
    /// The log's origin.
    pub origin: String,
}
