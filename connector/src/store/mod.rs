//! Everything durable, behind one trait of domain verbs.
//!
//! The centre is [`Store::commit`]: a [`Batch`] is one transition with its log entries, acts and outbox; when the call
//! returns, all of it is durable, its entries have indices, and a checkpoint that covers them is signed (invariants 2,
//! 3 and 5 of the design; spec chapter 08). Nobody assumes an index beforehand.
//!
//! [`SqliteStore`] is the only implementation so far: one file, one process, one writer that is also the sequencer of
//! the log. Nothing in the trait says so, for a server-based one to fit behind it.
//!
//! Every read is bounded: a `limit` above [`MAX_ROWS`] is lowered to it, pages continue after the last row seen.
//!
//! Does not decide anything: what a transition is, whom an act goes to and what an answer means is the node's.

use std::ops::Range;

use futures::future::BoxFuture;
use naru_protocol::{
    encoding::{Digest, Id},
    log::{merkle::Hash, tile::Tile},
};

mod batch;
mod error;
mod files;
mod highwater;
mod ledger;
mod rows;
mod sequencer;
mod signer;
mod sqlite;
pub mod wrapping;

pub use batch::{
    Batch, DatasetWrite, FileList, NewAct, Reschedule, Sequenced, Settle, Settled, TicketChange,
};
pub use error::StoreError;
pub use files::FolderLock;
pub(crate) use files::{open_private, own_alone, private_folder, readable_by_others, replace, write_back};
pub use rows::{
    ActParts, ActRow, AgreementRow, AgreementState, Approval, CheckpointRow, DatasetRow, Direction,
    DisclosureRow, EntryRow, EvaluationRow, EvaluationSide, ExchangeKind, ExchangeRow, KeySetRow, OurRole,
    OutboxRow, OutboxState, Passed, PeerActRow, PeerLogRow, PeerRow, PeerStatus, Speaks, StartedBy,
    TicketRow, TicketState, TransferRow,
};
pub use signer::LogSigner;
pub(crate) use sqlite::reshard;
pub use sqlite::{Dropped, Inspector, Logged, SqliteOptions, SqliteStore, WriteFate, Writes};

/// Most rows that one read gives.
pub const MAX_ROWS: u32 = 1000;
/// Most bytes that one range of a file list gives.
pub const MAX_RANGE: u64 = 8 * 1024 * 1024;
/// Batches that may wait for the writer; beyond that, `commit` waits for room.
pub const QUEUE: usize = 1024;

/// What every verb gives back.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Which exchanges [`Store::exchanges`] lists, newest change first.
#[derive(Debug, Clone, Default)]
pub struct ExchangeQuery {
    /// Only this kind.
    pub kind: Option<ExchangeKind>,
    /// Only with this peer.
    pub peer: Option<String>,
    /// Only in one of these states; empty is all.
    pub states: Vec<String>,
    /// Only those whose `waits_for` is this word.
    pub waits_for: Option<String>,
    /// Continue after this row (`updated`, `id`) of the page before.
    pub after: Option<(u64, Id)>,
    /// Page length.
    pub limit: u32,
}

/// What [`Store::count`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted<'a> {
    /// Pinned peers, whatever their status.
    Peers,
    /// Tickets that can still be redeemed at this second.
    OpenTickets(u64),
    /// Exchanges with this peer in which somebody still waits for somebody.
    LiveExchanges(&'a str),
    /// Unanswered acts towards this peer.
    Outbox(&'a str),
    /// Unanswered acts towards all peers.
    WholeOutbox,
}

/// What the store holds, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges by kind and state.
    pub exchanges: Vec<(ExchangeKind, String, u64)>,
    /// When the exchange last changed that somebody waits in for longest, seconds.
    pub oldest_pending: Option<u64>,
    /// Unanswered acts.
    pub outbox: Vec<(OutboxState, u64)>,
    /// Entries in the log.
    pub log_size: u64,
    /// When its newest entry was made, seconds: each is put under a checkpoint by the commit that makes it.
    pub newest_entry: Option<u64>,
}

/// The durable state of one node.
pub trait Store: Send + Sync + 'static {
    /// Makes a batch durable, whole or not at all.
    fn commit(&self, batch: Batch) -> Reply<'_, Sequenced>;
    /// Notes an acknowledgement that came for an act of ours outside a batch. It rides in the next entry, at the latest
    /// after an idle second; `at_once` writes the entry now. The same acknowledgement again is no change.
    fn record_ack(&self, act: Digest, ack: String, at_once: bool) -> Reply<'_, ()>;
    /// Signs with another key of the same log from now on: after a rotation of the key set.
    fn replace_signer(&self, signer: LogSigner) -> Reply<'_, ()>;
    /// Waits for what is queued, and stops the writer. Later calls get [`StoreError::Closed`].
    fn close(&self) -> Reply<'_, ()>;

    /// A setting.
    fn meta<'a>(&'a self, key: &'a str) -> Reply<'a, Option<String>>;

    /// A peer by its DID.
    fn peer<'a>(&'a self, did: &'a str) -> Reply<'a, Option<PeerRow>>;
    /// A peer by the alias that it has here.
    fn peer_by_alias<'a>(&'a self, alias: &'a str) -> Reply<'a, Option<PeerRow>>;
    /// Peers by DID, continuing after `after`.
    fn peers<'a>(&'a self, after: Option<&'a str>, limit: u32) -> Reply<'a, Vec<PeerRow>>;
    /// Key sets of a participant, lowest number first, from `from` on.
    fn key_sets<'a>(&'a self, did: &'a str, from: u64, limit: u32) -> Reply<'a, Vec<KeySetRow>>;
    /// One key set.
    fn key_set<'a>(&'a self, did: &'a str, number: u64) -> Reply<'a, Option<KeySetRow>>;
    /// A ticket by the hash of its secret.
    fn ticket(&self, secret_hash: Digest) -> Reply<'_, Option<TicketRow>>;

    /// A dataset version; without a version the newest.
    fn dataset<'a>(&'a self, id: &'a str, version: Option<u64>) -> Reply<'a, Option<DatasetRow>>;
    /// The dataset version with this listing.
    fn dataset_by_listing(&self, listing: Digest) -> Reply<'_, Option<DatasetRow>>;
    /// The newest version of each dataset by id, continuing after `after`; `withdrawn` includes those.
    fn datasets<'a>(
        &'a self,
        after: Option<&'a str>,
        withdrawn: bool,
        limit: u32,
    ) -> Reply<'a, Vec<DatasetRow>>;
    /// How often datasets have been written since the store was opened: what was read under the same number is still so.
    fn datasets_changed(&self) -> u64;
    /// Length of the file list of a dataset version.
    fn file_list_len<'a>(&'a self, id: &'a str, version: u64) -> Reply<'a, Option<u64>>;
    /// Bytes of the file list, at most [`MAX_RANGE`]; shorter where the list ends.
    fn file_list<'a>(&'a self, id: &'a str, version: u64, range: Range<u64>) -> Reply<'a, Option<Vec<u8>>>;
    /// Binary chunk hashes of one file, by its place in the list.
    fn chunk_hashes<'a>(&'a self, id: &'a str, version: u64, file: u64) -> Reply<'a, Option<Vec<u8>>>;

    /// An exchange by its id.
    fn exchange(&self, id: Id) -> Reply<'_, Option<ExchangeRow>>;
    /// An exchange by our process id.
    fn exchange_by_pid<'a>(&'a self, our_pid: &'a str) -> Reply<'a, Option<ExchangeRow>>;
    /// An exchange by the peer's process id.
    fn exchange_by_peer_pid<'a>(
        &'a self,
        peer: &'a str,
        kind: ExchangeKind,
        peer_pid: &'a str,
    ) -> Reply<'a, Option<ExchangeRow>>;
    /// Exchanges that fit the query.
    fn exchanges(&self, query: ExchangeQuery) -> Reply<'_, Vec<ExchangeRow>>;
    /// Exchanges whose deadline is at or before `now`, earliest first.
    fn overdue(&self, now: u64, limit: u32) -> Reply<'_, Vec<ExchangeRow>>;

    /// An act by its digest.
    fn act(&self, digest: Digest) -> Reply<'_, Option<ActRow>>;
    /// An act by issuer and message id: how a repetition is recognised.
    fn act_by_msg<'a>(&'a self, iss: &'a str, msg: Id) -> Reply<'a, Option<ActRow>>;
    /// Acts of an exchange in the order in which they came to be, from the `skip`-th on.
    fn acts(&self, exchange: Id, skip: u64, limit: u32) -> Reply<'_, Vec<ActRow>>;
    /// Our act of an exchange that is still unanswered, if there is one.
    fn unanswered(&self, exchange: Id) -> Reply<'_, Option<ActRow>>;

    /// Acts to be sent at or before `now_ms`, longest due first, but for those passed over.
    fn due<'a>(&'a self, now_ms: u64, limit: u32, passed: &'a Passed) -> Reply<'a, Vec<OutboxRow>>;
    /// When the next act is to be sent that is not passed over, milliseconds.
    fn next_due<'a>(&'a self, passed: &'a Passed) -> Reply<'a, Option<u64>>;
    /// What waits in the outbox for a peer, or for anybody.
    fn outbox<'a>(&'a self, peer: Option<&'a str>, limit: u32) -> Reply<'a, Vec<OutboxRow>>;

    /// The newest checkpoint; none before the genesis entry.
    fn head(&self) -> Reply<'_, Option<CheckpointRow>>;
    /// The checkpoint of exactly this size.
    fn checkpoint(&self, size: u64) -> Reply<'_, Option<CheckpointRow>>;
    /// The first checkpoint that covers this entry.
    fn checkpoint_covering(&self, index: u64) -> Reply<'_, Option<CheckpointRow>>;
    /// One entry.
    fn entry(&self, index: u64) -> Reply<'_, Option<EntryRow>>;
    /// Entries from an index on.
    fn entries(&self, from: u64, limit: u32) -> Reply<'_, Vec<EntryRow>>;
    /// Entries of an exchange, from an index on.
    fn entries_of(&self, exchange: Id, from: u64, limit: u32) -> Reply<'_, Vec<EntryRow>>;
    /// Disclosures of an entry that are not erased.
    fn disclosures(&self, index: u64) -> Reply<'_, Vec<DisclosureRow>>;
    /// The bytes of a hash tile or of an entry bundle; none if the log does not fill it that far.
    fn tile(&self, tile: Tile) -> Reply<'_, Option<Vec<u8>>>;
    /// Root of the tree of the first `size` entries.
    fn root(&self, size: u64) -> Reply<'_, Hash>;
    /// RFC 6962 inclusion proof of an entry in the tree of the first `size` entries.
    fn inclusion(&self, index: u64, size: u64) -> Reply<'_, Vec<Hash>>;
    /// RFC 6962 consistency proof between two sizes.
    fn consistency(&self, from: u64, to: u64) -> Reply<'_, Vec<Hash>>;
    /// The last number given out in a lane; 0 if none was.
    fn lane<'a>(&'a self, lane: &'a str) -> Reply<'a, u64>;

    /// The largest checkpoint of a peer's log that we verified.
    fn peer_log<'a>(&'a self, did: &'a str, origin: &'a str) -> Reply<'a, Option<PeerLogRow>>;
    /// Verified checkpoints of all logs of a peer.
    fn peer_logs<'a>(&'a self, did: &'a str, limit: u32) -> Reply<'a, Vec<PeerLogRow>>;
    /// The largest checkpoints that a peer has shown of each of its logs, verified or not.
    fn peer_claims<'a>(&'a self, did: &'a str, limit: u32) -> Reply<'a, Vec<PeerLogRow>>;
    /// Shown checkpoints, of whichever peer, beyond the verified one of the same log.
    fn unverified_claims(&self, limit: u32) -> Reply<'_, Vec<PeerLogRow>>;
    /// Where the peer's acts of an exchange lie in the peer's log.
    fn peer_acts(&self, exchange: Id, limit: u32) -> Reply<'_, Vec<PeerActRow>>;
    /// Acts of a peer from an index of its log on: what it is given back after it lost its database.
    fn peer_acts_from<'a>(
        &'a self,
        peer: &'a str,
        origin: &'a str,
        from: u64,
        limit: u32,
    ) -> Reply<'a, Vec<PeerActRow>>;

    /// An evaluation by the digest of its record.
    fn evaluation(&self, digest: Digest) -> Reply<'_, Option<EvaluationRow>>;
    /// Evaluations made for an exchange, oldest first.
    fn evaluations(&self, exchange: Id, limit: u32) -> Reply<'_, Vec<EvaluationRow>>;
    /// An agreement by its digest.
    fn agreement(&self, digest: Digest) -> Reply<'_, Option<AgreementRow>>;
    /// The agreement that a negotiation made.
    fn agreement_of(&self, exchange: Id) -> Reply<'_, Option<AgreementRow>>;
    /// How many there are.
    fn count<'a>(&'a self, what: Counted<'a>) -> Reply<'a, u64>;
    /// What there is, counted in one look.
    fn tally(&self) -> Reply<'_, Tally>;
    /// How far a transfer has come.
    fn transfer(&self, exchange: Id) -> Reply<'_, Option<TransferRow>>;
}
