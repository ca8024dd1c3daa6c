//! The running node: one loop for every step. Decode within limits, load, decide where nobody is asked, `step` the core
//! until quiet, one commit of state, entries, outbox and stored answer, then send (invariant 2).
//!
//! | file | what |
//! |---|---|
//! | `inbound` | the one router, the order of checks, answers and acknowledgements |
//! | `turn`, `durable` | one unit of work on one exchange, and its commit |
//! | `negotiation`, `counter`, `transfer` | what each act means on either side |
//! | `outbox` | repeating unanswered acts |
//! | `policy`, `facts` | documents, evaluations, permits |
//! | `doors` | the HTTPS door, and by which way a peer is asked |
//! | `keys` | key sets that came later, our own and those of peers |
//! | `peers`, `contact`, `catalog`, `publish` | first contact, staying in contact, listings |
//! | `approval` | a person decides: the queue, approving, rejecting, the hook |
//! | `distrust` | ending all trust in a peer |
//! | `supply` | newer packs, and data that rules read, under signatures |
//! | `monitor` | whether what was agreed may go on |
//! | `pending`, `explain` | what is not over and what can be done; why data may or may not move |
//! | `obligations` | what has become of duties: deadlines, reports, deletion |
//! | `out`, `steer` | the folder that data go to; ending and trying again by hand |
//! | `bytes` | serving and fetching the data, one task for each |
//! | `plain` | partners that speak the Dataspace Protocol and sign nothing |
//! | `omission` | the peer's log: claims, consistency, its entries verified before data move |
//! | `recovery` | after a start: what peers hold of our log |
//! | `evidence` | the log as static files |
//! | `views`, `verbs` | what people ask and see |
//! | `events`, `counters`, `measure` | what happens, for those who watch; what is counted |
//! | `latch`, `at_rest` | what a starting node has reached; a node that does not run, read from its folder |

mod after;
mod agreements;
mod approval;
mod at_rest;
mod budget;
mod bundle;
mod bytes;
mod catalog;
pub(crate) mod clock;
mod contact;
mod counter;
pub(crate) mod counters;
pub mod country;
mod deadlines;
mod deal;
mod distrust;
mod doors;
mod durable;
mod entries;
mod error;
pub mod events;
mod evidence;
mod explain;
pub mod facts;
pub mod flows;
mod forks;
mod inbound;
mod keys;
mod latch;
mod link;
mod locks;
mod me;
mod measure;
mod monitor;
mod negotiation;
mod obligations;
mod omission;
mod out;
mod outbox;
mod overlays;
mod peers;
mod pending;
pub mod plain;
mod policy;
mod preview;
mod proposal;
mod publish;
mod received;
mod recovery;
pub mod replay;
mod revoked;
mod route;
mod sanctions;
#[doc(hidden)]
pub mod seams;
mod standing;
mod steer;
mod supply;
mod terms;
mod transfer;
mod turn;
mod underway;
pub mod verbs;
mod views;
pub(crate) mod waits;
mod wanted;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use naru_policy::{Bundle, Engine, bundled};
use naru_protocol::log::checkpoint::Origin;
use tokio::sync::{Notify, watch};

pub(crate) use self::peers::short_name;
pub use self::{
    at_rest::AtRest,
    error::NodeError,
    latch::{Latch, Latches},
    measure::Measured,
};
use self::{
    bytes::{Live, Runs},
    doors::{Door, Ways},
    locks::Locks,
    peers::Peer,
    seams::Seams,
};
pub(crate) use self::{contact::OPEN, me::Me, out::free};
use crate::{
    config::{self, Approvals, Config, Folder, RelayFor},
    store::{
        ExchangeQuery, ExchangeRow, FolderLock, LogSigner, SqliteOptions, SqliteStore, Store,
        wrapping::Wrapping,
    },
    transport::{self, Incoming, Limits, ServeLimits, Transport, https::HttpsClient},
};

/// A running node; clones share it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("did", &self.0.me.did).finish_non_exhaustive()
    }
}

/// What clones of a node share.
#[doc(hidden)]
pub struct Inner {
    folder: Folder,
    me: Me,
    store: Arc<dyn Store>,
    wrapping: Wrapping,
    transport: Transport,
    /// Our HTTPS door, if there is one.
    https: OnceLock<Door>,
    /// How this node gets out of its firm's network, and in.
    network: OnceLock<config::Network>,
    /// How much the operator lets be published at once.
    most: OnceLock<crate::data::publish::Most>,
    /// Requests to the HTTPS doors of others.
    client: HttpsClient,
    ways: Ways,
    /// Packs and data in use.
    shelf: supply::Shelf,
    /// The operator's own rules, asked beside the law.
    overlays: overlays::Overlays,
    /// Work on one exchange is serialised, whatever the door.
    locks: Locks,
    /// Peers as pinned, read from the store once.
    peers: Mutex<BTreeMap<String, Arc<Peer>>>,
    /// Transfers that may be served now, with their live permits.
    live: Mutex<BTreeMap<String, Arc<Live>>>,
    /// Partners that sign nothing.
    plain: plain::Registry,
    /// What is open for transfers to them.
    opened: Mutex<BTreeMap<String, Arc<plain::Opened>>>,
    /// Transfers whose bytes are being received.
    receiving: Runs,
    /// What peers and strangers may cost us.
    budgets: budget::Budgets,
    /// Which peers have said, since the start, what they hold of our log.
    recovery: recovery::Recovery,
    /// When peers were last asked for their key sets.
    asked_keys: Mutex<BTreeMap<String, Instant>>,
    /// Peers are pinned one after the other: names and limits are looked at before they are written.
    pinning: tokio::sync::Mutex<()>,
    /// Folders for fetched files are given out one after the other.
    outs: tokio::sync::Mutex<()>,
    /// Somebody asked that what waits is tried again now.
    nudge: Arc<Notify>,
    /// The outbox has something new.
    wake: Notify,
    /// A commit failed in a way that leaves open what stands there.
    unsure: Notify,
    /// What a simulation lets requests come to; none for everybody else.
    link: Option<Arc<dyn seams::Link>>,
    /// What a simulation lets a pause be; none for everybody else.
    longest_pause: Option<Duration>,
    /// What happens, for those who watch.
    events: events::Bus,
    /// What is counted for metrics.
    counters: Arc<counters::Counters>,
    stop: watch::Sender<bool>,
    /// How long a person has for a decision, and how it is told.
    approvals: approval::Desk,
    /// Peers that are trusted no more and whose exchanges are still to be ended.
    leaving: distrust::Leaving,
    /// How far what runs has come, and how fast it may.
    flows: flows::Flows,
    /// Peers that are still to hear that keys of ours were revoked.
    untold: revoked::Untold,
    /// Duties that somebody still has to do, by peer.
    owing: obligations::Owing,
    /// Whether what is to be deleted is deleted without asking.
    deleting: OnceLock<config::Deleting>,
    /// What this firm says of itself where it asks for data.
    about: OnceLock<serde_json::Map<String, serde_json::Value>>,
    /// When agreements in force are judged again.
    watch: monitor::Watch,
    /// Peers see datasets of which the rules cannot say yet whether they could get them.
    shows_undetermined: OnceLock<bool>,
    /// Our catalog as it was read and decided a short time ago.
    catalogs: catalog::Catalogs,
    /// Evaluations at once: as many as there are cores.
    judging: tokio::sync::Semaphore,
}

impl std::ops::Deref for Node {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Node {
    /// This firm as one that asks for data: with what it says of itself (POL-10.11).
    fn as_consumer(&self) -> facts::Party {
        facts::Party { declared: self.about.get().cloned().unwrap_or_default(), ..self.me.party() }
    }
}

/// Seconds of this node's clock.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Milliseconds of this node's clock.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// The packs that the binary carries, compiled once in a process: each takes some hundred milliseconds of one
/// core, so they are compiled side by side.
pub(crate) fn load_packs() -> Result<Engine, NodeError> {
    static COMPILED: Mutex<Option<Engine>> = Mutex::new(None);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = &*compiled {
        return Ok(engine.clone());
    }
    let all = || -> Vec<_> {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                bundled::all().map(|(_, bytes)| scope.spawn(|| Bundle::load(bytes))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        })
    };
    let loaded = crate::compiled::kept(all);
    let mut bundles = Vec::new();
    for bundle in loaded {
        bundles.push(bundle.map_err(|_| NodeError::Folder("a pack could not be compiled".to_owned()))??);
    }
    let engine = Engine::new(bundles)?;
    *compiled = Some(engine.clone());
    Ok(engine)
}

impl Node {
    /// Opens a folder and starts to listen, to answer and to repeat what is unanswered.
    pub async fn open(folder: &Folder) -> Result<Self, NodeError> {
        Self::open_with(folder, &Latches::default(), Seams::default()).await
    }

    /// The same, closing a latch for each thing that is reached.
    pub async fn open_noting(folder: &Folder, latches: &Latches) -> Result<Self, NodeError> {
        Self::open_with(folder, latches, Seams::default()).await
    }

    /// The same in the hands of a simulation.
    #[doc(hidden)]
    pub async fn open_with(folder: &Folder, latches: &Latches, seams: Seams) -> Result<Self, NodeError> {
        let config: Config = folder.config()?;
        let lock = FolderLock::acquire(folder.path())?;
        let me = Me::read(folder, config.shard)?;
        latches.close(Latch::Keys);
        let https =
            config.https.as_ref().map(|https| Ok::<_, NodeError>((https.listen, https.read(folder)?)));
        let https = https.transpose()?;
        let mut wire = transport::Config::new(me.secret().transport.0, config.multiaddrs());
        let proxy = config.network.proxy(folder)?;
        wire.network = transport::Network {
            proxy: proxy.clone(),
            certificate: https.as_ref().map(|(_, shown)| (shown.chain.clone(), shown.key.clone_key())),
            relays: config.network.relay.clone(),
            quic: config.network.quic,
            relays_others: config.network.relay_for == RelayFor::Accepted,
        };
        let beside = (config.approval.clone().unwrap_or_default(), seams);
        let (node, incoming) = Self::assemble(folder, lock, me, wire, latches, beside).await?;
        if let Some(proxy) = proxy {
            node.client.go_through(proxy);
        }
        let _ = node.network.set(config.network);
        let _ = node.deleting.set(config.obligations.unwrap_or_default().delete.unwrap_or_default());
        let _ = node.about.set(config.about.unwrap_or_default().declared());
        node.watch.set(config.monitor.unwrap_or_default());
        let publish = config.publish.unwrap_or_default();
        let _ = node.shows_undetermined.set(publish.show_undetermined);
        let _ = node.most.set(publish.most());
        node.genesis().await?;
        node.know_plain_peers().await?;
        node.resume_leaving().await?;
        node.after_revocation().await?;
        if let Some((listen, shown)) = https {
            node.open_https(listen, shown).await?;
        }
        tokio::spawn(transport::serve(incoming, inbound::router(node.clone()), ServeLimits::default()));
        node.introduce().await?;
        latches.close(Latch::Listening);
        tokio::spawn(outbox::run(node.clone()));
        tokio::spawn(deadlines::run(node.clone()));
        tokio::spawn(deadlines::make_sure(node.clone()));
        tokio::spawn(contact::run(node.clone()));
        tokio::spawn(contact::reach(node.clone()));
        tokio::spawn(contact::watch(node.clone()));
        tokio::spawn(revoked::tell(node.clone()));
        tokio::spawn(monitor::run(node.clone()));
        transfer::resume_all(&node).await?;
        node.resume_obligations().await?;
        Ok(node)
    }

    /// A node that neither listens nor sends nor looks after anything: to read what a folder holds.
    pub(crate) async fn still(folder: &Folder, shard: u32) -> Result<Self, NodeError> {
        let lock = FolderLock::acquire(folder.path())?;
        let me = Me::read(folder, shard)?;
        let beside = (Approvals::default(), Seams::default());
        let wire = transport::Config::new(me.secret().transport.0, Vec::new());
        Ok(Self::assemble(folder, lock, me, wire, &Latches::default(), beside).await?.0)
    }

    /// Everything that a node is made of; nothing of it works yet but the store and the transport.
    async fn assemble(
        folder: &Folder,
        lock: FolderLock,
        me: Me,
        wire: transport::Config,
        latches: &Latches,
        beside: (Approvals, Seams),
    ) -> Result<(Self, Incoming), NodeError> {
        let engine = tokio::task::spawn_blocking(load_packs).await;
        let engine = engine.map_err(|e| NodeError::Folder(e.to_string()))??;
        let (of, law) = (folder.clone(), engine.clone());
        let read = move || {
            let own = overlays::Overlays::read(&of, &law)?;
            own.keep(&of)?;
            Ok::<_, NodeError>(own)
        };
        let own = tokio::task::spawn_blocking(read).await;
        let own = own.map_err(|e| NodeError::Folder(e.to_string()))??;
        latches.close(Latch::Packs);
        let origin = Origin::parse(&me.origin).map_err(|e| NodeError::Folder(e.to_string()))?;
        let signer = LogSigner::new(&origin, me.secret().log.clone())?;
        let options =
            SqliteOptions { writes: beside.1.writes.clone(), ..SqliteOptions::in_folder(folder.path()) };
        let store = SqliteStore::open(lock, options, signer).await?;
        latches.close(Latch::Store);
        let wrapping = Wrapping::open(&folder.join("erasable.keys"))?;
        let (transport, incoming) = Transport::start(wire).await?;
        let node = Self::of(folder, me, Arc::new(store), wrapping, transport, (engine, own), beside);
        node.take_up_packs().await?;
        Ok((node, incoming))
    }

    /// The parts put together; nothing is started.
    fn of(
        folder: &Folder,
        me: Me,
        store: Arc<dyn Store>,
        wrapping: Wrapping,
        transport: Transport,
        (engine, overlays): (Engine, overlays::Overlays),
        (approvals, seams): (Approvals, Seams),
    ) -> Self {
        let (stop, _) = watch::channel(false);
        Self(Arc::new(Inner {
            folder: folder.clone(),
            me,
            store,
            wrapping,
            transport,
            https: OnceLock::new(),
            network: OnceLock::new(),
            most: OnceLock::new(),
            client: HttpsClient::new(Limits::default()),
            ways: Ways::default(),
            shelf: supply::Shelf::new(engine),
            overlays,
            locks: Locks::default(),
            peers: Mutex::default(),
            live: Mutex::default(),
            plain: plain::Registry::default(),
            opened: Mutex::default(),
            receiving: Runs::default(),
            budgets: budget::Budgets::default(),
            recovery: recovery::Recovery::default(),
            asked_keys: Mutex::default(),
            pinning: tokio::sync::Mutex::default(),
            outs: tokio::sync::Mutex::default(),
            nudge: Arc::default(),
            wake: Notify::new(),
            unsure: Notify::new(),
            link: seams.link,
            longest_pause: seams.longest_pause,
            events: events::Bus::default(),
            counters: Arc::default(),
            stop,
            approvals: approval::Desk::new(approvals),
            leaving: distrust::Leaving::default(),
            flows: flows::Flows::default(),
            untold: revoked::Untold::default(),
            owing: obligations::Owing::default(),
            deleting: OnceLock::new(),
            about: OnceLock::new(),
            watch: monitor::Watch::default(),
            shows_undetermined: OnceLock::new(),
            catalogs: catalog::Catalogs::default(),
            judging: tokio::sync::Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        }))
    }

    /// Stops sending and serving, and closes the store.
    pub async fn close(&self) -> Result<(), NodeError> {
        self.events.tell(events::Happened::Stopping);
        let _ = self.stop.send(true);
        self.close_https().await;
        self.transport.shutdown().await;
        Ok(self.store.close().await?)
    }
}

/// The exchanges of a query, page by page, newest change first.
struct Pages(Option<ExchangeQuery>);

impl Pages {
    fn of(query: ExchangeQuery) -> Self {
        Self(Some(query))
    }

    /// The next page; none after the last.
    async fn next(&mut self, node: &Node) -> Result<Option<Vec<ExchangeRow>>, NodeError> {
        let Some(query) = self.0.take() else { return Ok(None) };
        let page = node.store.exchanges(query.clone()).await?;
        if page.len() == query.limit as usize {
            let after = page.last().map(|last| (last.updated, last.id));
            self.0 = Some(ExchangeQuery { after, ..query });
        }
        Ok(Some(page))
    }
}
