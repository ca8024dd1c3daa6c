//! The store in one SQLite file: write-ahead log, every commit synced, one writer, a few readers.
//!
//! Opening checks what the last run left: the folder is locked, the log's parts agree, its name is the signer's, and it
//! is not behind the high-water file. Anything else is an error, never repaired silently.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{
    encoding::{Digest, Id},
    log::{
        merkle::{self, Hash},
        tile::Tile,
    },
};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    ActRow, AgreementRow, Batch, CheckpointRow, Counted, DatasetRow, DisclosureRow, EntryRow, EvaluationRow,
    ExchangeKind, ExchangeQuery, ExchangeRow, FolderLock, KeySetRow, LogSigner, OutboxRow, Passed,
    PeerActRow, PeerLogRow, PeerRow, QUEUE, Reply, Sequenced, Store, StoreError, Tally, TicketRow,
    TransferRow,
    highwater::{self, HighWater, Marker},
    ledger::Ledger,
    sequencer::{Job, Message, Sequencer, Work},
};

mod columns;
mod decode;
mod inspect;
mod read;
mod reading;
pub(crate) mod reshard;
mod tally;
mod tree;
mod write;
mod writer;

pub use inspect::{Inspector, Logged};
pub use reshard::Dropped;
pub(crate) use writer::{Database, Writer};

/// Setting that holds the log's name.
const ORIGIN: &str = "origin";
/// Connections that read at the same time.
const READERS: u32 = 4;

/// Where the store lies. [`SqliteOptions::in_folder`] is what a node uses.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The database file.
    pub database: PathBuf,
    /// The high-water file, outside the database; another disk is better.
    pub high_water: PathBuf,
    /// Pages of 4 KiB that the database may have at most; none is no limit but the disk's.
    pub max_pages: Option<u32>,
    /// The clock that dates entries which the store writes by itself, seconds since 1970.
    pub now: fn() -> u64,
    /// What a simulation lets commits come to; none for everybody else.
    pub writes: Option<Arc<dyn Writes>>,
}

/// What becomes of a commit in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFate {
    /// It is done and said to be.
    Done,
    /// It is not done, and said not to be.
    Failed,
    /// It is done, and nobody learns of it.
    Unsaid,
}

/// Decides what becomes of commits.
pub trait Writes: std::fmt::Debug + Send + Sync {
    /// Asked once for each batch.
    fn fate(&self) -> WriteFate;
}

impl SqliteOptions {
    /// `naru.db` and `high-water.json` in a node's folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            database: folder.join("naru.db"),
            high_water: folder.join("high-water.json"),
            max_pages: None,
            now: system_now,
            writes: None,
        }
    }
}

fn system_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The store in one SQLite file. Clones share it; [`Store::close`] ends it for all.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    queue: mpsc::Sender<Message>,
    read: SqlitePool,
    writes: Option<Arc<dyn Writes>>,
    shelved: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Opens or makes the store, checks it, and starts its writer on the current runtime. The lock is held until the
    /// writer ends.
    pub async fn open(
        lock: FolderLock,
        options: SqliteOptions,
        signer: LogSigner,
    ) -> Result<Self, StoreError> {
        let database = Database { path: options.database, max_pages: options.max_pages };
        let mut writer = Writer::open(&database).await?;
        writer.migrate().await?;
        let (ledger, head) = writer.load().await?;
        let readers: SqliteConnectOptions = database.reader();
        let read = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(readers);
        check_origin(&mut writer, &read, &signer).await?;
        check_high_water(&options.high_water, &read, &signer, &ledger).await?;
        let marker = Marker::start(options.high_water);
        if let Some(head) = &head {
            marker.set(HighWater { origin: signer.origin().to_owned(), size: head.size, root: head.root });
        }
        let (queue, messages) = mpsc::channel(QUEUE);
        let now = options.now;
        let writer = Some(writer);
        let shelved = Arc::<AtomicU64>::default();
        let sequencer = Sequencer {
            database,
            writer,
            ledger,
            head,
            signer,
            marker,
            now,
            flush_at: None,
            lock,
            shelved: shelved.clone(),
        };
        tokio::spawn(sequencer.run(messages));
        Ok(Self { queue, read, writes: options.writes, shelved })
    }

    /// Opens the store of a node that does not run, for reading only: no lock is taken, nothing is migrated or repaired, and
    /// every commit gets [`StoreError::Closed`]. A store of another version of this program is refused.
    pub async fn open_reading(database: &Path) -> Result<Self, StoreError> {
        let read = reading::open(database).await?;
        let (queue, _) = mpsc::channel(1);
        Ok(Self { queue, read, writes: None, shelved: Arc::default() })
    }

    async fn submit(&self, work: Work) -> Result<Sequenced, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Job(Job { work, reply })).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        self.queue.send(message).await.map_err(|_| StoreError::Closed)
    }
}

/// A database belongs to one log from its first opening on.
async fn check_origin(writer: &mut Writer, read: &SqlitePool, signer: &LogSigner) -> Result<(), StoreError> {
    match read::meta(read, ORIGIN).await? {
        Some(found) if found == signer.origin() => Ok(()),
        Some(found) => Err(StoreError::WrongLog { expected: signer.origin().to_owned(), found }),
        None => write::meta(writer.connection(), ORIGIN, signer.origin()).await,
    }
}

/// The log must hold what the high-water file says was signed.
async fn check_high_water(
    path: &Path,
    read: &SqlitePool,
    signer: &LogSigner,
    ledger: &Ledger,
) -> Result<(), StoreError> {
    let Some(mark) = highwater::read(path)? else { return Ok(()) };
    if mark.origin != signer.origin() {
        return Err(StoreError::WrongLog { expected: signer.origin().to_owned(), found: mark.origin });
    }
    let size = ledger.frontier.size();
    if size < mark.size {
        return Err(StoreError::Rollback { database: size, high_water: mark.size });
    }
    let root = tree::with_nodes(read, |mut read| merkle::root_at(mark.size, &mut read)).await?;
    if root == mark.root { Ok(()) } else { Err(StoreError::Forked { size: mark.size }) }
}

impl Store for SqliteStore {
    fn commit(&self, batch: Batch) -> Reply<'_, Sequenced> {
        Box::pin(async move {
            let fate = self.writes.as_ref().map_or(WriteFate::Done, |writes| writes.fate());
            if fate == WriteFate::Failed {
                return Err(StoreError::Busy);
            }
            let done = self.submit(Work::Batch(Box::new(batch))).await?;
            if fate == WriteFate::Unsaid { Err(StoreError::Closed) } else { Ok(done) }
        })
    }

    fn record_ack(&self, act: Digest, ack: String, at_once: bool) -> Reply<'_, ()> {
        Box::pin(async move { self.submit(Work::Ack { act, ack, at_once }).await.map(drop) })
    }

    fn replace_signer(&self, signer: LogSigner) -> Reply<'_, ()> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.send(Message::Signer(Box::new(signer), reply)).await?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            // Readers first: the last connection to close works off the write-ahead log.
            self.read.close().await;
            let (reply, answer) = oneshot::channel();
            self.send(Message::Close(reply)).await?;
            answer.await.map_err(|_| StoreError::Closed)
        })
    }

    fn meta<'a>(&'a self, key: &'a str) -> Reply<'a, Option<String>> {
        Box::pin(read::meta(&self.read, key))
    }

    fn peer<'a>(&'a self, did: &'a str) -> Reply<'a, Option<PeerRow>> {
        Box::pin(read::peer(&self.read, did))
    }

    fn peer_by_alias<'a>(&'a self, alias: &'a str) -> Reply<'a, Option<PeerRow>> {
        Box::pin(read::peer_by_alias(&self.read, alias))
    }

    fn peers<'a>(&'a self, after: Option<&'a str>, limit: u32) -> Reply<'a, Vec<PeerRow>> {
        Box::pin(read::peers(&self.read, after, limit))
    }

    fn key_sets<'a>(&'a self, did: &'a str, from: u64, limit: u32) -> Reply<'a, Vec<KeySetRow>> {
        Box::pin(read::key_sets(&self.read, did, from, limit))
    }

    fn key_set<'a>(&'a self, did: &'a str, number: u64) -> Reply<'a, Option<KeySetRow>> {
        Box::pin(read::key_set(&self.read, did, number))
    }

    fn ticket(&self, secret_hash: Digest) -> Reply<'_, Option<TicketRow>> {
        Box::pin(read::ticket(&self.read, secret_hash))
    }

    fn dataset<'a>(&'a self, id: &'a str, version: Option<u64>) -> Reply<'a, Option<DatasetRow>> {
        Box::pin(read::dataset(&self.read, id, version))
    }

    fn dataset_by_listing(&self, listing: Digest) -> Reply<'_, Option<DatasetRow>> {
        Box::pin(read::dataset_by_listing(&self.read, listing))
    }

    fn datasets<'a>(
        &'a self,
        after: Option<&'a str>,
        withdrawn: bool,
        limit: u32,
    ) -> Reply<'a, Vec<DatasetRow>> {
        Box::pin(read::datasets(&self.read, after, withdrawn, limit))
    }

    fn datasets_changed(&self) -> u64 {
        self.shelved.load(Ordering::Acquire)
    }

    fn file_list_len<'a>(&'a self, id: &'a str, version: u64) -> Reply<'a, Option<u64>> {
        Box::pin(read::file_list_len(&self.read, id, version))
    }

    fn file_list<'a>(&'a self, id: &'a str, version: u64, range: Range<u64>) -> Reply<'a, Option<Vec<u8>>> {
        Box::pin(read::file_list(&self.read, id, version, range))
    }

    fn chunk_hashes<'a>(&'a self, id: &'a str, version: u64, file: u64) -> Reply<'a, Option<Vec<u8>>> {
        Box::pin(read::chunk_hashes(&self.read, id, version, file))
    }

    fn exchange(&self, id: Id) -> Reply<'_, Option<ExchangeRow>> {
        Box::pin(read::exchange(&self.read, id))
    }

    fn exchange_by_pid<'a>(&'a self, our_pid: &'a str) -> Reply<'a, Option<ExchangeRow>> {
        Box::pin(read::exchange_by_pid(&self.read, our_pid))
    }

    fn exchange_by_peer_pid<'a>(
        &'a self,
        peer: &'a str,
        kind: ExchangeKind,
        peer_pid: &'a str,
    ) -> Reply<'a, Option<ExchangeRow>> {
        Box::pin(read::exchange_by_peer_pid(&self.read, peer, kind, peer_pid))
    }

    fn exchanges(&self, query: ExchangeQuery) -> Reply<'_, Vec<ExchangeRow>> {
        Box::pin(read::exchanges(&self.read, query))
    }

    fn overdue(&self, now: u64, limit: u32) -> Reply<'_, Vec<ExchangeRow>> {
        Box::pin(read::overdue(&self.read, now, limit))
    }

    fn act(&self, digest: Digest) -> Reply<'_, Option<ActRow>> {
        Box::pin(read::act(&self.read, digest))
    }

    fn act_by_msg<'a>(&'a self, iss: &'a str, msg: Id) -> Reply<'a, Option<ActRow>> {
        Box::pin(read::act_by_msg(&self.read, iss, msg))
    }

    fn acts(&self, exchange: Id, skip: u64, limit: u32) -> Reply<'_, Vec<ActRow>> {
        Box::pin(read::acts(&self.read, exchange, skip, limit))
    }

    fn unanswered(&self, exchange: Id) -> Reply<'_, Option<ActRow>> {
        Box::pin(read::unanswered(&self.read, exchange))
    }

    fn due<'a>(&'a self, now_ms: u64, limit: u32, passed: &'a Passed) -> Reply<'a, Vec<OutboxRow>> {
        Box::pin(read::due(&self.read, now_ms, limit, passed))
    }

    fn next_due<'a>(&'a self, passed: &'a Passed) -> Reply<'a, Option<u64>> {
        Box::pin(read::next_due(&self.read, passed))
    }

    fn outbox<'a>(&'a self, peer: Option<&'a str>, limit: u32) -> Reply<'a, Vec<OutboxRow>> {
        Box::pin(read::outbox(&self.read, peer, limit))
    }

    fn head(&self) -> Reply<'_, Option<CheckpointRow>> {
        Box::pin(read::head(&self.read))
    }

    fn checkpoint(&self, size: u64) -> Reply<'_, Option<CheckpointRow>> {
        Box::pin(read::checkpoint(&self.read, size))
    }

    fn checkpoint_covering(&self, index: u64) -> Reply<'_, Option<CheckpointRow>> {
        Box::pin(read::checkpoint_covering(&self.read, index))
    }

    fn entry(&self, index: u64) -> Reply<'_, Option<EntryRow>> {
        Box::pin(read::entry(&self.read, index))
    }

    fn entries(&self, from: u64, limit: u32) -> Reply<'_, Vec<EntryRow>> {
        Box::pin(read::entries(&self.read, from, limit))
    }

    fn entries_of(&self, exchange: Id, from: u64, limit: u32) -> Reply<'_, Vec<EntryRow>> {
        Box::pin(read::entries_of(&self.read, exchange, from, limit))
    }

    fn disclosures(&self, index: u64) -> Reply<'_, Vec<DisclosureRow>> {
        Box::pin(read::disclosures(&self.read, index))
    }

    fn tile(&self, tile: Tile) -> Reply<'_, Option<Vec<u8>>> {
        Box::pin(read::tile(&self.read, tile))
    }

    fn root(&self, size: u64) -> Reply<'_, Hash> {
        Box::pin(read::root(&self.read, size))
    }

    fn inclusion(&self, index: u64, size: u64) -> Reply<'_, Vec<Hash>> {
        Box::pin(read::inclusion(&self.read, index, size))
    }

    fn consistency(&self, from: u64, to: u64) -> Reply<'_, Vec<Hash>> {
        Box::pin(read::consistency(&self.read, from, to))
    }

    fn lane<'a>(&'a self, lane: &'a str) -> Reply<'a, u64> {
        Box::pin(read::lane(&self.read, lane))
    }

    fn peer_log<'a>(&'a self, did: &'a str, origin: &'a str) -> Reply<'a, Option<PeerLogRow>> {
        Box::pin(read::peer_log(&self.read, did, origin))
    }

    fn peer_logs<'a>(&'a self, did: &'a str, limit: u32) -> Reply<'a, Vec<PeerLogRow>> {
        Box::pin(read::peer_logs(&self.read, did, limit))
    }

    fn peer_claims<'a>(&'a self, did: &'a str, limit: u32) -> Reply<'a, Vec<PeerLogRow>> {
        Box::pin(read::peer_claims(&self.read, did, limit))
    }

    fn unverified_claims(&self, limit: u32) -> Reply<'_, Vec<PeerLogRow>> {
        Box::pin(read::unverified_claims(&self.read, limit))
    }

    fn count<'a>(&'a self, what: Counted<'a>) -> Reply<'a, u64> {
        Box::pin(read::count(&self.read, what))
    }

    fn peer_acts(&self, exchange: Id, limit: u32) -> Reply<'_, Vec<PeerActRow>> {
        Box::pin(read::peer_acts(&self.read, exchange, limit))
    }

    fn peer_acts_from<'a>(
        &'a self,
        peer: &'a str,
        origin: &'a str,
        from: u64,
        limit: u32,
    ) -> Reply<'a, Vec<PeerActRow>> {
        Box::pin(read::peer_acts_from(&self.read, peer, origin, from, limit))
    }

    fn evaluation(&self, digest: Digest) -> Reply<'_, Option<EvaluationRow>> {
        Box::pin(read::evaluation(&self.read, digest))
    }

    fn evaluations(&self, exchange: Id, limit: u32) -> Reply<'_, Vec<EvaluationRow>> {
        Box::pin(read::evaluations(&self.read, exchange, limit))
    }

    fn agreement(&self, digest: Digest) -> Reply<'_, Option<AgreementRow>> {
        Box::pin(read::agreement(&self.read, digest))
    }

    fn agreement_of(&self, exchange: Id) -> Reply<'_, Option<AgreementRow>> {
        Box::pin(read::agreement_of(&self.read, exchange))
    }

    fn tally(&self) -> Reply<'_, Tally> {
        Box::pin(tally::tally(&self.read))
    }

    fn transfer(&self, exchange: Id) -> Reply<'_, Option<TransferRow>> {
        Box::pin(read::transfer(&self.read, exchange))
    }
}
