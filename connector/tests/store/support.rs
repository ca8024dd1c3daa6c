//! A folder of its own for every test, and the shortest batches that are worth committing.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use naru::store::{
    ActRow, Batch, Direction, ExchangeKind, ExchangeRow, FolderLock, LogSigner, NewAct, OurRole, OutboxRow,
    OutboxState, Sequenced, SqliteOptions, SqliteStore, StartedBy, Store, StoreError,
};
use naru_protocol::{
    encoding::{Digest, Id},
    log::{
        checkpoint::{Origin, SignedCheckpoint},
        entry::{Entry, EntryDraft, EntryType, ExchangeKey, FieldKey, Genesis, Lane, LaneKey, NodeKey},
        note::NoteKey,
    },
    signature::SigningKey,
};
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection, query, sqlite::SqliteConnectOptions};

pub(crate) const US: &str = "did:key:us";
pub(crate) const PEER: &str = "did:key:peer";
/// Any second will do.
pub(crate) const AT: u64 = 1_790_000_000;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("naru-store-{name}-{}-{unique}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::in_folder(&self.0)
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<SqliteStore, StoreError> {
        open_at(&self.0).await
    }

    /// Opened, with its genesis.
    pub(crate) async fn start(&self) -> SqliteStore {
        let store = self.open().await;
        store.commit(genesis()).await.unwrap();
        store
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn open_at(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(FolderLock::acquire(path)?, SqliteOptions::in_folder(path), signer(0)).await
}

fn log_key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(crate) fn origin(shard: u32) -> Origin {
    Origin { root: SigningKey::from_seed(&[1; 32]).public(), shard }
}

pub(crate) fn signer(shard: u32) -> LogSigner {
    LogSigner::new(&origin(shard), log_key()).unwrap()
}

pub(crate) fn note_key() -> NoteKey {
    origin(0).key(log_key().public()).unwrap()
}

/// A number that no other call in this process gets, as an id.
pub(crate) fn id() -> Id {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Id(bytes)
}

pub(crate) fn genesis() -> Batch {
    let genesis = Genesis {
        root: SigningKey::from_seed(&[1; 32]).public(),
        log_key: log_key().public(),
        shard: 0,
        supersedes: None,
    };
    let draft = EntryDraft::genesis(&genesis, &NodeKey::from_bytes([9; 32]), Id([0; 16]), AT);
    Batch { entries: vec![draft], ..Batch::default() }
}

/// A sent act with one exchange field, counted in the given lanes.
pub(crate) fn draft(exchange: Id, act: Digest, lanes: &[&str]) -> EntryDraft {
    let mut draft = EntryDraft::sent(EntryType::NegotiationRequest, exchange, id(), act, AT);
    draft.field("peer", json!(PEER), FieldKey::Exchange(ExchangeKey::from_bytes([3; 32])));
    draft.lanes = lanes
        .iter()
        .map(|lane| Lane { country: (*lane).to_owned(), key: LaneKey::from_bytes([4; 32]) })
        .collect();
    draft
}

pub(crate) fn exchange_row(id: Id) -> ExchangeRow {
    ExchangeRow {
        id,
        kind: ExchangeKind::Negotiation,
        role: OurRole::Consumer,
        peer: PEER.to_owned(),
        our_pid: format!("urn:uuid:{id}"),
        peer_pid: None,
        initiator: StartedBy::Us,
        state: "REQUESTED".to_owned(),
        machine: "{}".to_owned(),
        revision: 0,
        wrapped_key: None,
        data: "{}".to_owned(),
        deadline: None,
        waits_for: Some("peer".to_owned()),
        created: AT,
        updated: AT,
    }
}

pub(crate) fn act_row(exchange: Id, direction: Direction) -> ActRow {
    let msg = id();
    let (iss, aud) = match direction {
        Direction::Out => (US, PEER),
        Direction::In => (PEER, US),
    };
    ActRow {
        digest: Digest::of(&msg.0),
        exchange,
        direction,
        msg,
        iss: iss.to_owned(),
        aud: aud.to_owned(),
        kind: EntryType::NegotiationRequest.as_str().to_owned(),
        method: "POST".to_owned(),
        path: "/negotiations/request".to_owned(),
        body: b"{}".to_vec(),
        prev: None,
        token: None,
        ks: 1,
        entry: None,
        covered: None,
        status: None,
        answer: None,
        ack: None,
        ack_logged: false,
        named: false,
        dropped: false,
        created: AT,
    }
}

pub(crate) fn outbox_row(act: &ActRow, next_at_ms: u64) -> OutboxRow {
    OutboxRow {
        act: act.digest,
        exchange: act.exchange,
        peer: PEER.to_owned(),
        method: act.method.clone(),
        path: act.path.clone(),
        headers: "{}".to_owned(),
        next_at_ms,
        attempts: 0,
        first_at_ms: next_at_ms,
        state: OutboxState::Waiting,
        last_error: None,
    }
}

/// A first act of ours: exchange, entry, act and outbox row.
pub(crate) fn proposal(lanes: &[&str]) -> (Batch, ActRow) {
    let exchange = id();
    let act = act_row(exchange, Direction::Out);
    let batch = Batch {
        exchanges: vec![exchange_row(exchange)],
        entries: vec![draft(exchange, act.digest, lanes)],
        acts: vec![NewAct { act: act.clone(), entry: Some(0) }],
        outbox: vec![outbox_row(&act, 1_000)],
        ..Batch::default()
    };
    (batch, act)
}

/// Opens the checkpoint that a commit handed out.
pub(crate) fn checkpoint(sequenced: &Sequenced) -> SignedCheckpoint {
    let signed = SignedCheckpoint::open_own(sequenced.checkpoint.as_bytes(), &note_key()).unwrap();
    assert_eq!(signed.size(), sequenced.size);
    signed
}

/// Reads an entry back from its leaf.
pub(crate) async fn entry(store: &SqliteStore, index: u64) -> Entry {
    Entry::parse(&store.entry(index).await.unwrap().unwrap().leaf).unwrap()
}

/// Checks that a checkpoint which was handed out is a point of the store's history.
pub(crate) async fn assert_extends(store: &SqliteStore, older: &SignedCheckpoint) {
    let head = store.head().await.unwrap().unwrap();
    let newest = SignedCheckpoint::open_own(head.note.as_bytes(), &note_key()).unwrap();
    let proof = store.consistency(older.size(), head.size).await.unwrap();
    newest.extends(older, &proof).unwrap();
}

/// Changes a database behind the store's back.
pub(crate) async fn tamper(folder: &Folder, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(folder.options().database);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    query(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}
