//! Real nodes in one process, as firms that trade: folders made by `init`, SQLite, packs and transport on loopback as
//! in a running connector. What they logged is read back from their exports only.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod deals;
pub(crate) mod foreign;
pub(crate) mod hand;
pub(crate) mod trade;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use naru::{
    audit::{Anchors, Report, verify},
    cli::init::{self, Init},
    config::Folder,
    node::{
        Node, NodeError,
        verbs::{
            Approval, ExchangeName, ExchangeView, Expect, Export, IssueTicket, PeerName, Propose, Publish,
            Trust,
        },
    },
};
use naru_protocol::{
    encoding::Digest,
    error::Code,
    log::{
        entry::{Entry, EntryType, Side},
        tile::{Tile, bundle_entries},
    },
};
use serde_json::{Value, json};

/// How long anything may take; far above what it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(15);

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A folder that is removed at the end of its test.
pub(crate) struct Temp(PathBuf);

impl Temp {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("naru-node-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn init(dir: &Path, name: &str, country: &str, port: Option<u16>) -> Init {
    Init {
        dir: dir.to_owned(),
        name: name.to_owned(),
        country: country.to_owned(),
        size: "sme".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        https: None,
        https_host: None,
        about: Vec::new(),
    }
}

/// One firm with its connector.
pub(crate) struct Firm {
    pub(crate) dir: PathBuf,
    pub(crate) did: String,
    node: Option<Node>,
}

impl Firm {
    /// Makes the folder and opens the node; port 0 only dials out.
    pub(crate) async fn start(dir: PathBuf, name: &str, country: &str, port: Option<u16>) -> Self {
        Self::of(init(&dir, name, country, port)).await
    }

    /// The same with whatever `init` can make.
    pub(crate) async fn of(init: Init) -> Self {
        // `NARU_LOG=debug cargo test … -- --nocapture` shows what both nodes say.
        if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("NARU_LOG") {
            let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
        }
        // The port that `init` found free may be a connection's of somebody else by the time that the node listens.
        for _ in 0..8 {
            let made = init::create(&init).unwrap();
            match Node::open(&Folder::new(&init.dir)).await {
                Ok(node) => return Self { dir: init.dir, did: made.did, node: Some(node) },
                Err(error) if error.code() == Code::PortInUse && init.port.is_none() => {
                    fs::remove_dir_all(&init.dir).unwrap();
                }
                Err(error) => panic!("{}: {error}", init.dir.display()),
            }
        }
        panic!("{}: no port stays free", init.dir.display());
    }

    /// A folder that is there; opened by [`Self::open`].
    pub(crate) fn existing(dir: PathBuf, did: String) -> Self {
        Self { dir, did, node: None }
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    /// Ends the node as a clean stop does; what was under way is left where it is.
    pub(crate) async fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            let _ = node.close().await;
        }
    }

    /// Opens the node again; the lock of the folder may still be held for a moment.
    pub(crate) async fn open(&mut self) {
        let started = std::time::Instant::now();
        loop {
            match Node::open(&Folder::new(&self.dir)).await {
                Ok(node) => {
                    self.node = Some(node);
                    return;
                }
                Err(error) if started.elapsed() > PATIENCE => panic!("{}: {error}", self.dir.display()),
                Err(error) if matches!(error.code(), Code::FolderLocked | Code::PortInUse) => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => panic!("{}: {error}", self.dir.display()),
            }
        }
    }

    /// Writes the operator's private facts.
    pub(crate) fn facts(&self, facts: &Value) {
        fs::write(self.dir.join("facts.json"), facts.to_string()).unwrap();
    }

    /// Starts it again with the overlay of `examples/overlay/house`: no deal for marketing.
    pub(crate) async fn with_house_rules(&mut self) {
        self.with_overlay(include_bytes!("../../../examples/overlay/house.tar.gz")).await;
    }

    /// Starts it again with these rules of its own.
    pub(crate) async fn with_overlay(&mut self, bundle: &[u8]) {
        fs::write(self.dir.join("own.tar.gz"), bundle).unwrap();
        let path = self.dir.join("naru.toml");
        let text = fs::read_to_string(&path).unwrap() + "\n[policy]\noverlays = [\"own.tar.gz\"]\n";
        fs::write(path, text).unwrap();
        self.stop().await;
        self.open().await;
    }

    /// A node that was opened on this folder otherwise.
    pub(crate) fn take_over(&mut self, node: Node) {
        self.node = Some(node);
    }

    pub(crate) async fn view(&self, id: &str) -> Option<ExchangeView> {
        match self.node().exchange(ExchangeName { id: id.to_owned() }).await {
            Ok(view) => Some(view),
            // The other side may not have heard of it yet.
            Err(error) if error.code() == Code::NotFound => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until an exchange of this node satisfies a condition.
    pub(crate) async fn until(&self, id: &str, done: impl Fn(&ExchangeView) -> bool) -> ExchangeView {
        let started = std::time::Instant::now();
        loop {
            let view = self.view(id).await;
            match view {
                Some(view) if done(&view) => return view,
                view if started.elapsed() > PATIENCE => panic!("did not get there: {view:#?}"),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    pub(crate) async fn ticket(&self) -> String {
        let ask = IssueTicket { auto_accept: true, ttl: 3600 };
        self.node().issue_ticket(ask).await.unwrap().ticket
    }

    /// Pins whoever issued a ticket.
    pub(crate) async fn trust(&self, ticket: String) {
        let ask = Trust { fingerprint: told(&ticket), ticket, alias: "other".to_owned() };
        let view = self.node().trust(ask).await.unwrap();
        assert_eq!(view.status, "accepted");
    }

    pub(crate) async fn request(
        &self,
        provider: &str,
        dataset: &str,
        out: Option<PathBuf>,
    ) -> Result<ExchangeView, NodeError> {
        self.node().request(proposal(provider, dataset, out)).await
    }

    /// Takes up the next offer of a provider, for the purpose that [`proposal`] names.
    pub(crate) async fn expect(&self, provider: &str, out: PathBuf) {
        let ask = Expect {
            peer: provider.to_owned(),
            out,
            purpose: "quality_analysis".to_owned(),
            countries: vec!["SG".to_owned()],
            facts: None,
        };
        self.node().expect(ask).await.unwrap();
    }

    /// The connection with a peer and who dialled it.
    pub(crate) async fn connected(&self, did: &str) -> Option<String> {
        let peers = self.node().peers().await.unwrap();
        peers.into_iter().find(|p| p.did == did).and_then(|p| p.connected)
    }

    pub(crate) async fn disconnect(&self, did: &str) {
        let _ = self.node().disconnect(PeerName { peer: did.to_owned() }).await;
    }

    /// What stands in this firm's log, from an export.
    pub(crate) async fn log(&self, temp: &Temp) -> Log {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let out = temp.join(&format!("export-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let made = self.node().export(Export { out: out.clone() }).await.unwrap();
        Log::read(&out, made.size)
    }
}

/// The fingerprint that the issuer of a ticket would read out.
pub(crate) fn told(ticket: &str) -> String {
    let ticket = naru_protocol::ticket::Ticket::parse(ticket, now()).unwrap();
    naru_protocol::identity::fingerprint(ticket.peer().did())
}

pub(crate) fn proposal(peer: &str, dataset: &str, out: Option<PathBuf>) -> Propose {
    Propose {
        peer: peer.to_owned(),
        dataset: dataset.to_owned(),
        purpose: "quality_analysis".to_owned(),
        countries: vec!["SG".to_owned()],
        out,
        facts: None,
        keep_days: None,
        push: false,
    }
}

/// Nothing is outstanding and nothing more will come by itself.
pub(crate) fn settled(view: &ExchangeView) -> bool {
    matches!(view.state.as_str(), "FINALIZED" | "TERMINATED" | "COMPLETED") && view.waits_for.is_none()
}

/// An entry as exported, with the numbers that it has in lanes.
pub(crate) struct Line {
    pub(crate) entry: Entry,
    pub(crate) lanes: BTreeMap<String, u64>,
    pub(crate) fields: BTreeMap<String, Value>,
}

/// A whole log.
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    pub(crate) dir: PathBuf,
}

impl Log {
    pub(crate) fn read(dir: &Path, size: u64) -> Self {
        let mut lines = Vec::new();
        for tile in naru_protocol::log::tile::entry_bundles(size) {
            let bytes = fs::read(dir.join(tile.path())).unwrap();
            lines.extend(bundle(dir, tile, &bytes));
        }
        assert_eq!(lines.len() as u64, size);
        Self { lines, dir: dir.to_owned() }
    }

    /// Entries of one exchange.
    pub(crate) fn of<'a>(&'a self, exchange: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |l| l.entry.exchange().is_some_and(|id| id.to_string() == exchange))
    }

    /// Each act of an exchange with the number of entries that it has, `dropped` apart.
    pub(crate) fn acts(&self, exchange: &str) -> BTreeMap<Digest, (EntryType, usize)> {
        let mut acts = BTreeMap::new();
        for line in self.of(exchange).filter(|l| l.entry.kind() != EntryType::Dropped) {
            let Some(act) = line.entry.act() else { continue };
            acts.entry(*act).or_insert((line.entry.kind(), 0)).1 += 1;
        }
        acts
    }

    /// Acts that were signed here and lost against a crossing one.
    pub(crate) fn dropped(&self, exchange: &str) -> Vec<Digest> {
        let dropped = self.of(exchange).filter(|l| l.entry.kind() == EntryType::Dropped);
        dropped.filter_map(|l| l.entry.act().copied()).collect()
    }

    /// LOG-7.5: each lane counts 1, 2, 3, … in the order of the log.
    pub(crate) fn lanes_have_no_gap(&self) {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for line in &self.lines {
            for (lane, number) in &line.lanes {
                let before = last.entry(lane).or_default();
                assert_eq!(*number, *before + 1, "lane {lane}");
                *before = *number;
            }
        }
        assert!(last.contains_key("KR") && last.contains_key("SG"), "{last:?}");
    }
}

fn bundle(dir: &Path, tile: Tile, bytes: &[u8]) -> Vec<Line> {
    let entries = bundle_entries(tile, bytes).unwrap();
    let first = tile.index() * 256;
    let line = |(n, bytes): (usize, &&[u8])| {
        let entry = Entry::parse(bytes).unwrap();
        let shown = dir.join(format!("disclosures/{}.json", first + n as u64));
        let texts: Vec<String> =
            fs::read(shown).map_or_else(|_| Vec::new(), |b| serde_json::from_slice(&b).unwrap());
        let mut line = Line { entry, lanes: BTreeMap::new(), fields: BTreeMap::new() };
        for text in texts {
            let shown = naru_protocol::log::entry::Disclosure::parse(&text).unwrap();
            assert!(line.entry.sd().contains(&shown.digest()));
            match shown.name().strip_prefix("lane:") {
                Some(lane) => drop(line.lanes.insert(lane.to_owned(), shown.value().as_u64().unwrap())),
                None => drop(line.fields.insert(shown.name().to_owned(), shown.value().clone())),
            }
        }
        line
    };
    entries.iter().enumerate().map(line).collect()
}

/// Both logs hold exactly one entry for each act of an exchange: sent in one, received in the other.
pub(crate) fn one_entry_each(ours: &Log, theirs: &Log, exchange: &str) {
    let (mut a, mut b) = (ours.acts(exchange), theirs.acts(exchange));
    // What lost against a crossing act may never have been taken by the other side.
    let gone = |log: &Log, other: &BTreeMap<Digest, (EntryType, usize)>| {
        let lost = log.dropped(exchange).into_iter();
        lost.filter(|act| !other.contains_key(act)).collect::<Vec<_>>()
    };
    let (gone_here, gone_there) = (gone(ours, &b), gone(theirs, &a));
    a.retain(|act, _| !gone_here.contains(act));
    b.retain(|act, _| !gone_there.contains(act));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{a:#?}\n{b:#?}");
    for (act, (kind, count)) in a.iter().chain(&b) {
        assert_eq!(*count, 1, "{kind} {act}");
    }
    let sides = |log: &Log, acts: &BTreeMap<Digest, (EntryType, usize)>, side: Side| {
        let of = log.of(exchange).filter(|l| l.entry.side() == side && l.entry.kind() != EntryType::Dropped);
        of.filter_map(|l| l.entry.act().copied()).filter(|act| acts.contains_key(act)).collect::<Vec<_>>()
    };
    assert_eq!(sides(ours, &a, Side::Sent), sides(theirs, &b, Side::Received));
    assert_eq!(sides(ours, &a, Side::Received), sides(theirs, &b, Side::Sent));
}

/// The files that are traded: small, of several kinds.
pub(crate) fn files() -> BTreeMap<String, Vec<u8>> {
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 5000]].concat();
    [
        ("inspection/weld.png", png),
        ("table.csv", "id,이름\r\n1,나루\r\n".as_bytes().to_vec()),
        ("empty.txt", Vec::new()),
        ("notes.txt", "정비 기록".as_bytes().to_vec()),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into()
}

pub(crate) fn write_files(folder: &Path) {
    for (name, bytes) in files() {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub(crate) fn same_files(out: &Path) {
    for (name, bytes) in files() {
        assert!(fs::read(out.join(&name)).is_ok_and(|b| b == bytes), "{name}");
    }
}

/// What the other may do: `examples/ev-parts/terms.json`.
pub(crate) fn policy() -> Value {
    serde_json::from_str(include_str!("../../../examples/ev-parts/terms.json")).unwrap()
}

/// The same with this operand's value, or without its constraint.
pub(crate) fn policy_with(operand: &str, right: Option<Value>) -> Value {
    let mut policy = policy();
    let constraints = policy["permission"][0]["constraint"].as_array_mut().unwrap();
    let at = constraints.iter().position(|c| c["leftOperand"] == operand).unwrap();
    match right {
        Some(right) => constraints[at]["rightOperand"] = right,
        None => drop(constraints.remove(at)),
    }
    policy
}

/// What the provider declares, free of controlled technology.
pub(crate) fn harmless() -> Value {
    let mut facts: Value =
        serde_json::from_str(include_str!("../../../examples/ev-parts/facts.json")).unwrap();
    facts["technology"]["nct"]["determination"]["at"] = json!(now() - 86_400);
    facts["technology"]["strategic"]["determination"]["at"] = json!(now() - 86_400);
    facts
}

/// National core technology, developed with state funds.
pub(crate) fn core_technology() -> Value {
    let mut facts = harmless();
    facts["technology"]["nct"] = json!({"status": "nct", "state_funded": true,
        "determination": {"by": "motir", "at": now() - 86_400}});
    facts["tech_families"] = json!(["xev-inverter"]);
    facts
}

/// The provider's own facts: these consumers were screened, and `approvals` are held.
pub(crate) fn private(consumers: &[&str], approvals: &[Value]) -> Value {
    let clean = json!({"hit": false, "screened_at": now() - 3600});
    let screening: BTreeMap<&str, &Value> = consumers.iter().map(|did| (*did, &clean)).collect();
    json!({"approvals": approvals, "stop_orders": [], "screening": screening, "red_flags": {}})
}

pub(crate) fn approval(dataset: &str, consumer: &str) -> Value {
    json!({
        "type": "nct_export_approval", "number": "TEST-0001", "issuer": "made up", "issued_at": now() - 86_400,
        "expires_at": now() + 86_400 * 365, "conditions": [],
        "scope": {"datasets": [dataset], "consumers": [consumer], "countries": ["SG"]},
    })
}

/// Publishes the files under `facts`; gives the dataset's name.
pub(crate) async fn publish(seller: &Firm, source: &Path, facts: Value) -> String {
    publish_under(seller, source, facts, policy()).await
}

/// The same under other terms.
pub(crate) async fn publish_under(seller: &Firm, source: &Path, facts: Value, policy: Value) -> String {
    publish_as(seller, source, facts, policy, Approval::Auto).await
}

/// Publishes what lies there already.
pub(crate) async fn publish_files(seller: &Firm, source: &Path, facts: Value, policy: Value) -> String {
    let title = [("en".to_owned(), "test records".to_owned())].into();
    let ask = Publish { path: source.to_owned(), title, policy, facts, ..Publish::default() };
    seller.node().publish(ask).await.unwrap().dataset
}

/// The same, decided by whom `approval` says.
pub(crate) async fn publish_as(
    seller: &Firm,
    source: &Path,
    facts: Value,
    policy: Value,
    approval: Approval,
) -> String {
    write_files(source);
    let title = [("en".to_owned(), "test records".to_owned())].into();
    let ask = Publish {
        path: source.to_owned(),
        title,
        policy,
        facts,
        approval: Some(approval),
        ..Publish::default()
    };
    seller.node().publish(ask).await.unwrap().dataset
}

/// A Korean provider and a Singapore consumer that know each other, and one dataset.
pub(crate) struct Pair {
    pub(crate) seller: Firm,
    pub(crate) buyer: Firm,
    pub(crate) dataset: String,
    pub(crate) temp: Temp,
}

/// Whose ticket was redeemed: the other one dialled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dials {
    Buyer,
    Seller,
    /// The buyer at first, and both can be reached.
    Both,
}

impl Pair {
    pub(crate) async fn new(dials: Dials, facts: Value) -> Self {
        let temp = Temp::new();
        // Who dials needs no address of its own.
        let port = |listens: bool| if listens { None } else { Some(0) };
        let (seller, buyer) = tokio::join!(
            Firm::start(temp.join("seller"), "한강모터스", "KR", port(dials != Dials::Seller)),
            Firm::start(temp.join("buyer"), "Merlion", "SG", port(dials != Dials::Buyer)),
        );
        match dials {
            Dials::Buyer | Dials::Both => buyer.trust(seller.ticket().await).await,
            Dials::Seller => seller.trust(buyer.ticket().await).await,
        }
        seller.facts(&private(&[&buyer.did], &[]));
        let dataset = publish(&seller, &temp.join("source"), facts).await;
        Self { seller, buyer, dataset, temp }
    }

    /// Waits until both sides have nothing outstanding; gives both views.
    pub(crate) async fn settled(&self, id: &str) -> (ExchangeView, ExchangeView) {
        (self.seller.until(id, settled).await, self.buyer.until(id, settled).await)
    }

    /// Follows a deal with its transfer to the end: equal states, data and receipt on both sides, one entry per act.
    pub(crate) async fn concluded(&self, id: &str, out: &Path) -> String {
        let (ours, theirs) = self.settled(id).await;
        assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("FINALIZED", "FINALIZED"), "{ours:#?}");
        assert!(ours.in_force.is_some() && ours.in_force == theirs.in_force);
        let transfer = self.buyer.until(id, |v| v.other.is_some()).await.other.unwrap();
        let (gave, got) = self.settled(&transfer).await;
        assert_eq!(
            (gave.state.as_str(), got.state.as_str()),
            ("COMPLETED", "COMPLETED"),
            "{gave:#?} {got:#?}"
        );
        assert!(gave.receipt.is_some() && gave.receipt == got.receipt);
        same_files(out);
        transfer
    }

    /// Exports both logs and compares what they say of these exchanges.
    pub(crate) async fn logs_agree(&self, exchanges: &[&str]) -> (Log, Log) {
        let (ours, theirs) = (self.seller.log(&self.temp).await, self.buyer.log(&self.temp).await);
        for exchange in exchanges {
            one_entry_each(&ours, &theirs, exchange);
        }
        ours.lanes_have_no_gap();
        theirs.lanes_have_no_gap();
        (ours, theirs)
    }

    /// What an auditor says of both exports.
    pub(crate) async fn audit(&self) -> Report {
        let logs = [self.seller.log(&self.temp).await.dir, self.buyer.log(&self.temp).await.dir];
        let path = self.temp.join("anchors.toml");
        let people = [(&self.seller, "한강모터스", "KR"), (&self.buyer, "Merlion", "SG")];
        let anchor = |(firm, name, country): (&Firm, &str, &str)| {
            format!("[[participant]]\ndid = \"{}\"\nname = \"{name}\"\ncountry = \"{country}\"\n", firm.did)
        };
        fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
        let report = verify(&logs, &Anchors::read(&path).unwrap()).unwrap();
        assert!(report.holds(), "{}", report.to_text());
        report
    }

    pub(crate) async fn close(mut self) {
        tokio::join!(self.seller.stop(), self.buyer.stop());
    }
}

/// From its next start a node shows what rules cannot say yet, too (POL-20.1).
pub(crate) fn shows_undetermined(firm: &Firm) {
    let path = firm.dir.join("naru.toml");
    let text = fs::read_to_string(&path).unwrap() + "\n[publish]\nshow_undetermined = true\n";
    fs::write(path, text).unwrap();
}

/// A peer's catalog as its reader sees it.
pub(crate) async fn catalog(reader: &Firm, provider: &str) -> Vec<naru::node::verbs::CatalogItem> {
    reader.node().fetch_catalog(PeerName { peer: provider.to_owned() }).await.unwrap()
}
