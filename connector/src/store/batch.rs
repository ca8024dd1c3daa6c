//! What one commit makes durable together: the transition of an exchange, its log entries, its acts and its outbox.
//!
//! A batch is all or nothing. It says what it expects (revisions, ids that must be new), and a batch whose
//! expectation fails changes nothing, however many others share its transaction.

use naru_protocol::{
    encoding::{Digest, Id},
    log::entry::EntryDraft,
};

use super::rows::{
    ActRow, AgreementRow, DatasetRow, EvaluationRow, ExchangeRow, KeySetRow, OutboxRow, OutboxState,
    PeerActRow, PeerLogRow, PeerRow, TicketRow, TransferRow,
};

/// Everything that one transition changes. `Batch::default()` changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The exchanges that move, as read and then changed: a revision is what the store expects to find. More than one
    /// where a transfer and the negotiation that it rests on move together.
    pub exchanges: Vec<ExchangeRow>,
    /// Entries in the order in which they enter the log.
    pub entries: Vec<EntryDraft>,
    /// New acts, each pointing to its entry.
    pub acts: Vec<NewAct>,
    /// What happened to acts of ours that were unanswered.
    pub settle: Vec<Settle>,
    /// Acts to send; the act itself is in `acts` of this or of an earlier batch.
    pub outbox: Vec<OutboxRow>,
    /// Attempts that brought no answer.
    pub reschedule: Vec<Reschedule>,
    /// Inserted or replaced.
    pub peers: Vec<PeerRow>,
    /// Inserted; the same again is no change, another under the same number is a conflict.
    pub key_sets: Vec<KeySetRow>,
    /// Changes to tickets.
    pub tickets: Vec<TicketChange>,
    /// Datasets inserted or replaced.
    pub datasets: Vec<DatasetWrite>,
    /// Inserted; the same record again is no change.
    pub evaluations: Vec<EvaluationRow>,
    /// Inserted or replaced.
    pub agreements: Vec<AgreementRow>,
    /// Inserted or replaced.
    pub transfers: Vec<TransferRow>,
    /// Verified checkpoints of peers; kept if larger than what is held, no change if smaller.
    pub peer_logs: Vec<PeerLogRow>,
    /// Checkpoints of peers that a token or acknowledgement showed and nobody has compared with the one held; the same.
    pub peer_claims: Vec<PeerLogRow>,
    /// Inserted; `verified` is only ever raised.
    pub peer_acts: Vec<PeerActRow>,
    /// Settings, inserted or replaced.
    pub meta: Vec<(String, String)>,
    /// Exchanges whose erasable disclosures go (their wrapping keys are erased apart, [`super::wrapping`]).
    pub erase: Vec<Id>,
}

impl Batch {
    /// Adds another transition, to be durable in the same commit; its entries follow those of this one.
    pub fn join(&mut self, other: Self) {
        let shift = self.entries.len();
        let moved = |new: NewAct| NewAct { entry: new.entry.map(|at| at + shift), ..new };
        self.acts.extend(other.acts.into_iter().map(moved));
        self.entries.extend(other.entries);
        self.exchanges.extend(other.exchanges);
        self.settle.extend(other.settle);
        self.outbox.extend(other.outbox);
        self.reschedule.extend(other.reschedule);
        self.peers.extend(other.peers);
        self.key_sets.extend(other.key_sets);
        self.tickets.extend(other.tickets);
        self.datasets.extend(other.datasets);
        self.evaluations.extend(other.evaluations);
        self.agreements.extend(other.agreements);
        self.transfers.extend(other.transfers);
        self.peer_logs.extend(other.peer_logs);
        self.peer_claims.extend(other.peer_claims);
        self.peer_acts.extend(other.peer_acts);
        self.meta.extend(other.meta);
        self.erase.extend(other.erase);
    }
}

/// An act that enters the store, and the entry of the same batch that records it.
#[derive(Debug, Clone)]
pub struct NewAct {
    /// The act; `entry` and `covered` are ignored and filled in by the store.
    pub act: ActRow,
    /// Position in [`Batch::entries`]; none for acts to and from plain peers that have no entry of their own.
    pub entry: Option<usize>,
}

/// The end of the wait for an answer. The outbox row of the act goes in the same commit.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Which act of ours.
    pub act: Digest,
    /// How it ended.
    pub how: Settled,
}

/// How the wait for an answer ended.
#[derive(Debug, Clone)]
pub enum Settled {
    /// A final answer came.
    Answered {
        /// Its status.
        status: u16,
        /// Its content bytes.
        answer: Vec<u8>,
        /// The acknowledgement, compact JWS; none from plain peers.
        ack: Option<String>,
        /// Log the acknowledgement in this very commit (FINALIZED, data receipt, `end`) instead of with the next entry.
        at_once: bool,
    },
    /// A later act of the peer named it.
    Named,
    /// It lost to a crossing act.
    Dropped,
}

/// When an act is tried again.
#[derive(Debug, Clone)]
pub struct Reschedule {
    /// Which act.
    pub act: Digest,
    /// When it is sent next, milliseconds.
    pub next_at_ms: u64,
    /// How often it was sent by now.
    pub attempts: u32,
    /// Whether it is still being repeated.
    pub state: OutboxState,
    /// What the last attempt met.
    pub last_error: Option<String>,
}

/// A change to a ticket.
#[derive(Debug, Clone)]
pub enum TicketChange {
    /// A new one.
    Issue(TicketRow),
    /// Redeemed by this DID. The same DID again is no change; another is a conflict, as is a ticket revoked.
    Redeem {
        /// SHA-256 of the secret.
        secret_hash: Digest,
        /// Who.
        by: String,
    },
    /// Withdrawn by the operator.
    Revoke {
        /// SHA-256 of the secret.
        secret_hash: Digest,
    },
}

/// A dataset version with the parts that are stored apart.
#[derive(Debug, Clone)]
pub struct DatasetWrite {
    /// The row.
    pub row: DatasetRow,
    /// File list bytes and, per file in list order, its binary chunk hashes; none leaves what is stored.
    pub files: Option<FileList>,
}

/// The file list of a dataset version, as both sides hash it.
#[derive(Debug, Clone)]
pub struct FileList {
    /// JCS lines.
    pub bytes: Vec<u8>,
    /// Per file, the concatenated 32-byte BLAKE3 hashes of its chunks.
    pub chunks: Vec<Vec<u8>>,
}

/// What a commit came to. Handed out only once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequenced {
    /// Index of each entry of the batch, in the order of [`Batch::entries`].
    pub indices: Vec<u64>,
    /// Number of entries under `checkpoint`.
    pub size: u64,
    /// The signed note that covers the entries, with our own line only; for a batch without entries the newest one,
    /// and empty if the log has no entry yet.
    pub checkpoint: String,
}
