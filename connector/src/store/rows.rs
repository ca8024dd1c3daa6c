//! The rows of the store as typed values: what is read and what is written, one struct for both wherever that is possible.
//!
//! A revision, an entry index or an attempt count is the store's own; the documents (`machine`, `data`, `facts` …) are
//! JSON text that the store keeps and never looks into. Secrets and bodies are left out of `Debug`.

use std::fmt;

use naru_protocol::{
    encoding::{Digest, Id},
    log::merkle::Hash,
};

use super::wrapping::WrappedKey;

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the word that is stored.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

text_enum! {
    /// What an exchange is about.
    ExchangeKind {
        /// A DSP contract negotiation.
        Negotiation = "negotiation",
        /// A DSP transfer process.
        Transfer = "transfer",
    }
}
text_enum! {
    /// Which part we play in an exchange.
    OurRole {
        /// We own the dataset.
        Provider = "provider",
        /// We want the dataset.
        Consumer = "consumer",
    }
}
text_enum! {
    /// Who sent the first act of an exchange.
    StartedBy {
        /// This node.
        Us = "us",
        /// The other one.
        Peer = "peer",
    }
}
text_enum! {
    /// Which way an act went.
    Direction {
        /// The peer signed it.
        In = "in",
        /// We signed it.
        Out = "out",
    }
}
text_enum! {
    /// How far a peer is trusted.
    PeerStatus {
        /// Redeemed a ticket, or was redeemed at, and waits for a person.
        Pending = "pending",
        /// Its fingerprint was confirmed.
        Accepted = "accepted",
        /// Everything from it is refused.
        Blocked = "blocked",
    }
}
text_enum! {
    /// What a peer was pinned to speak; never downgraded silently.
    Speaks {
        /// Signed acts.
        Dxp = "dxp",
        /// DSP without signatures.
        Plain = "plain",
    }
}
text_enum! {
    /// Where a ticket stands.
    TicketState {
        /// May be redeemed.
        Open = "open",
        /// Was redeemed, by `redeemed_by`.
        Redeemed = "redeemed",
        /// Was withdrawn by the operator.
        Revoked = "revoked",
    }
}
text_enum! {
    /// Whether deals over a dataset wait for a person.
    Approval {
        /// Decided by policy alone.
        Auto = "auto",
        /// Policy first, then a person.
        Ask = "ask",
    }
}
text_enum! {
    /// Where an unanswered act stands.
    OutboxState {
        /// Is sent again at `next_at_ms`.
        Waiting = "waiting",
        /// The horizon has passed: only a sign of life from the peer resumes it.
        Unresolved = "unresolved",
    }
}
text_enum! {
    /// Whose law an evaluation judged.
    EvaluationSide {
        /// The provider's country.
        Exporter = "exporter",
        /// The consumer's country.
        Importer = "importer",
    }
}
text_enum! {
    /// Where an agreement stands.
    AgreementState {
        /// Has at least our signature, is not concluded.
        Signed = "signed",
        /// Both signatures, FINALIZED and its acknowledgement.
        InForce = "in_force",
        /// The deadline passed before it was concluded.
        Lapsed = "lapsed",
        /// Was ended by the act `end`.
        Ended = "ended",
    }
}

/// A participant that we know (pinned statement and addresses).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its `did:key` (or, for a plain peer, the name that the operator gave it).
    pub did: String,
    /// Short name for commands, unique here.
    pub alias: String,
    /// Two-letter country, as stated.
    pub country: String,
    /// Name, as stated.
    pub name: String,
    /// The pinned participant statement, compact JWS; empty for a plain peer.
    pub statement: String,
    /// How far it is trusted.
    pub status: PeerStatus,
    /// Multiaddrs and base URLs, JSON array of strings.
    pub addresses: String,
    /// Lowest key-set number that it may still sign with.
    pub ks_min: u64,
    /// What it was pinned to speak.
    pub speaks: Speaks,
    /// When its statement was pinned, seconds.
    pub pinned_at: u64,
}

/// A key set of ours or of a peer. Two different sets under one number are a conflict: the root signed twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetRow {
    /// Whose.
    pub did: String,
    /// Its number, from 1.
    pub number: u64,
    /// The compact JWS.
    pub jws: String,
    /// Digest of the JWS bytes.
    pub digest: Digest,
}

/// A ticket that we issued. The secret itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// SHA-256 of the secret.
    pub secret_hash: Digest,
    /// When it ends, seconds.
    pub expires: u64,
    /// Whether whoever redeems it is accepted without being confirmed.
    pub auto_accept: bool,
    /// DID of who redeemed it.
    pub redeemed_by: Option<String>,
    /// Where it stands.
    pub state: TicketState,
    /// When it was issued, seconds.
    pub created: u64,
}

/// A version of a dataset that we publish; its file list is read apart ([`super::Store::file_list`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRow {
    /// `urn:dxp:…`.
    pub id: String,
    /// From 1.
    pub version: u64,
    /// The listing, compact JWS.
    pub listing: String,
    /// Digest of the listing.
    pub digest: Digest,
    /// Folder of the files on this machine.
    pub root_path: String,
    /// Summary, JCS.
    pub summary: String,
    /// Content root.
    pub content_root: Digest,
    /// ODRL offer, JSON.
    pub policy: String,
    /// Declared facts, JSON.
    pub facts: String,
    /// Facts that only our own policy sees, JSON.
    pub private_facts: String,
    /// Whether deals over it wait for a person.
    pub approval: Approval,
    /// No longer offered; agreements over it stay.
    pub withdrawn: bool,
    /// When it was published, seconds.
    pub created: u64,
}

/// One negotiation or transfer, our side of it.
///
/// `revision` is the one that was read: the store writes `revision + 1`, and refuses with `Conflict` if the stored
/// one is not `revision` any more. 0 is a row that was never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRow {
    /// Same in both logs, from the initiator.
    pub id: Id,
    /// Negotiation or transfer.
    pub kind: ExchangeKind,
    /// Our part.
    pub role: OurRole,
    /// DID of the peer.
    pub peer: String,
    /// Our process id in DSP messages, unique here.
    pub our_pid: String,
    /// The peer's process id, once known; unique per peer and kind.
    pub peer_pid: Option<String>,
    /// Who sent the first act.
    pub initiator: StartedBy,
    /// The DSP state as shown to people and to GET.
    pub state: String,
    /// The core's `Exchange`, serialised.
    pub machine: String,
    /// As read; see above.
    pub revision: u64,
    /// The exchange key K under a wrapping key of the erasable file.
    pub wrapped_key: Option<WrappedKey>,
    /// Terms, decisions, agreement and what else the shell keeps, JSON.
    pub data: String,
    /// When something must have happened, seconds.
    pub deadline: Option<u64>,
    /// Whom it waits for, for status; a word of the shell's (`peer`, `person`, …).
    pub waits_for: Option<String>,
    /// When it began, seconds.
    pub created: u64,
    /// When it last changed, seconds.
    pub updated: u64,
}

/// A signed act, ours or the peer's, with the answer to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ActRow {
    /// Act digest.
    pub digest: Digest,
    /// The exchange that it belongs to.
    pub exchange: Id,
    /// Which way it went.
    pub direction: Direction,
    /// Unique per issuer.
    pub msg: Id,
    /// DID of who signed it.
    pub iss: String,
    /// DID of whom it is for.
    pub aud: String,
    /// Name of the act.
    pub kind: String,
    /// Method, uppercase.
    pub method: String,
    /// Request target after the base of its API.
    pub path: String,
    /// Content bytes.
    pub body: Vec<u8>,
    /// Digest of the act that it names.
    pub prev: Option<Digest>,
    /// In: the token that was accepted. Out: none, each sending makes a new one.
    pub token: Option<String>,
    /// Number of our key set that signs our token (out) or acknowledgement (in) for this act: retries use the same.
    pub ks: u64,
    /// Index of its entry in our log; set by the store.
    pub entry: Option<u64>,
    /// Size of the checkpoint of the commit that holds that entry; set by the store. [`super::Store::checkpoint`] has its text.
    pub covered: Option<u64>,
    /// Status of the answer: ours (in) or the peer's (out); none while unanswered.
    pub status: Option<u16>,
    /// Content bytes of the answer.
    pub answer: Option<Vec<u8>>,
    /// Out: the acknowledgement that the peer gave, compact JWS.
    pub ack: Option<String>,
    /// Whether that acknowledgement is in our log.
    pub ack_logged: bool,
    /// Out: a later act of the peer named it, which acknowledges it too.
    pub named: bool,
    /// Out: lost to a crossing act; never becomes current again.
    pub dropped: bool,
    /// When it was made or accepted, seconds.
    pub created: u64,
}

/// What is fixed of an act from its beginning.
#[derive(Debug)]
pub struct ActParts {
    /// Act digest.
    pub digest: Digest,
    /// The exchange that it belongs to.
    pub exchange: Id,
    /// Which way it goes.
    pub direction: Direction,
    /// Unique per issuer.
    pub msg: Id,
    /// Participant ids of sender and receiver.
    pub between: (String, String),
    /// Name of the act.
    pub kind: String,
    /// Method, uppercase, and request target after the base of its API.
    pub target: (String, String),
    /// Content bytes.
    pub body: Vec<u8>,
    /// When it was made or accepted, seconds.
    pub created: u64,
}

impl ActRow {
    /// An act that nobody has answered yet and no entry records.
    #[must_use]
    pub fn new(parts: ActParts) -> Self {
        let ActParts { digest, exchange, direction, msg, between, kind, target, body, created } = parts;
        Self {
            digest,
            exchange,
            direction,
            msg,
            iss: between.0,
            aud: between.1,
            kind,
            method: target.0,
            path: target.1,
            body,
            prev: None,
            token: None,
            ks: 0,
            entry: None,
            covered: None,
            status: None,
            answer: None,
            ack: None,
            ack_logged: false,
            named: false,
            dropped: false,
            created,
        }
    }
}

impl fmt::Debug for ActRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActRow")
            .field("digest", &self.digest)
            .field("exchange", &self.exchange)
            .field("direction", &self.direction)
            .field("kind", &self.kind)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body_len", &self.body.len())
            .field("entry", &self.entry)
            .field("status", &self.status)
            .field("named", &self.named)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// What a look at the outbox passes over: acts that are under way, and peers that have as many of them as they may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Acts that are being sent now.
    pub acts: Vec<Digest>,
    /// Peers, by DID, to whom no further act is sent now.
    pub peers: Vec<String>,
}

/// An act that waits to be answered. Its bytes are those of the [`ActRow`].
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Which act.
    pub act: Digest,
    /// Its exchange.
    pub exchange: Id,
    /// DID of the peer.
    pub peer: String,
    /// Method, uppercase.
    pub method: String,
    /// Request target after the base.
    pub path: String,
    /// Headers beyond token and content type, JSON object of strings. May not hold `DXP-Key`: K is stored wrapped only.
    pub headers: String,
    /// When it is sent next, milliseconds.
    pub next_at_ms: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was first due, milliseconds.
    pub first_at_ms: u64,
    /// Whether it is still being repeated.
    pub state: OutboxState,
    /// What the last attempt met, for status.
    pub last_error: Option<String>,
}

impl OutboxRow {
    /// An act of ours that is to be sent to a peer from `due_ms` on.
    #[must_use]
    pub fn of(act: &ActRow, peer: String, due_ms: u64) -> Self {
        Self {
            act: act.digest,
            exchange: act.exchange,
            peer,
            method: act.method.clone(),
            path: act.path.clone(),
            headers: "{}".to_owned(),
            next_at_ms: due_ms,
            attempts: 0,
            first_at_ms: due_ms,
            state: OutboxState::Waiting,
            last_error: None,
        }
    }
}

impl fmt::Debug for OutboxRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxRow")
            .field("act", &self.act)
            .field("exchange", &self.exchange)
            .field("next_at_ms", &self.next_at_ms)
            .field("attempts", &self.attempts)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A leaf of our log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Index from 0.
    pub index: u64,
    /// Leaf bytes (JCS).
    pub leaf: Vec<u8>,
    /// RFC 6962 leaf hash.
    pub hash: Hash,
}

/// A salted field of an entry, as it would be disclosed.
#[derive(Clone, PartialEq, Eq)]
pub struct DisclosureRow {
    /// Index of the entry.
    pub index: u64,
    /// Name of the field.
    pub name: String,
    /// The RFC 9901 disclosure (base64url text).
    pub text: String,
    /// Whether erasing the exchange removes it.
    pub erasable: bool,
}

impl fmt::Debug for DisclosureRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisclosureRow")
            .field("index", &self.index)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A signed point of our log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Number of entries under it.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
    /// The signed note, with our own line only.
    pub note: String,
}

/// The largest checkpoint that we hold of a peer's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerLogRow {
    /// DID of the peer.
    pub did: String,
    /// Origin of its log.
    pub origin: String,
    /// Size.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
    /// The note as received.
    pub note: String,
    /// When it was seen, seconds.
    pub seen: u64,
}

/// Where a peer's act lies in the peer's log, and whether we verified that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerActRow {
    /// Exchange of the act.
    pub exchange: Id,
    /// Act digest.
    pub act: Digest,
    /// DID of the peer.
    pub peer: String,
    /// Origin of the peer's log.
    pub origin: String,
    /// Index in that log, as its token or acknowledgement said.
    pub index: u64,
    /// Inclusion was verified.
    pub verified: bool,
}

/// An evaluation of policy, kept so that it can be executed again.
#[derive(Clone, PartialEq, Eq)]
pub struct EvaluationRow {
    /// Digest of the record.
    pub digest: Digest,
    /// The exchange that it was made for; none at catalog.
    pub exchange: Option<Id>,
    /// Record bytes, JCS.
    pub record: Vec<u8>,
    /// Shared input, JSON.
    pub shared: String,
    /// Private input, JSON.
    pub private: String,
    /// Phase word of the policy input.
    pub phase: String,
    /// Whose law.
    pub side: EvaluationSide,
    /// When, seconds.
    pub created: u64,
}

impl fmt::Debug for EvaluationRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationRow")
            .field("digest", &self.digest)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// An agreement and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementRow {
    /// Digest of the payload bytes.
    pub digest: Digest,
    /// The negotiation that made it.
    pub exchange: Id,
    /// General JSON serialisation, with the signatures that we hold.
    pub jws: String,
    /// Where it stands.
    pub state: AgreementState,
    /// When it came into force, seconds.
    pub finalized_at: Option<u64>,
}

/// How far the bytes of a transfer have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The transfer.
    pub exchange: Id,
    /// The shell's own record of what was verified, JSON.
    pub progress: String,
    /// The last window ack made or received, compact JWS.
    pub window_ack: Option<String>,
    /// Digest text of the data receipt's act, once made or received.
    pub receipt: Option<String>,
}
