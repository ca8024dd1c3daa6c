//! One world: a seller and a buyer, one deal, its faults, and what must hold at the end.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use naru::{
    config::Folder,
    node::{
        Node, NodeError,
        seams::Seams,
        verbs::{Cancel, End, ExchangeView},
    },
};
use naru_protocol::error::Code;

use crate::{
    common::{Dials, Firm, Log, Pair, catalog, files, harmless, proposal, settled},
    faults::{Faults, mix},
};

/// Between two attempts of a node: worlds are to work, not to wait.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one world may take before it counts as hung: what is due comes within half a minute of calm.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks: each reads both stores, and looked at more often the worlds would do little else.
const LOOK: Duration = Duration::from_millis(100);

/// What happened, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    faults: u64,
    crashes: u64,
    concluded: u64,
    ended: u64,
    transferred: u64,
    audited: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.concluded += other.concluded;
        self.ended += other.ended;
        self.transferred += other.transferred;
        self.audited += other.audited;
    }

    pub(crate) const fn faults(&self) -> u64 {
        self.faults
    }
}

/// What the operators do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// The buyer asks, and nobody interferes.
    Asked,
    /// The seller offers to a buyer that expects it.
    Offered,
    /// Either side gives the deal up at some moment.
    Cancelled,
    /// The agreement is ended as soon as it is in force.
    Ended,
}

impl Story {
    const fn of(seed: u64) -> Self {
        match seed % 6 {
            0 => Self::Cancelled,
            1 => Self::Ended,
            2 | 3 => Self::Offered,
            _ => Self::Asked,
        }
    }
}

struct World {
    seed: u64,
    pair: Pair,
    ours: Arc<Faults>,
    theirs: Arc<Faults>,
}

/// Plays one seed; panics with what is wrong.
pub(crate) async fn run(seed: u64) -> Tally {
    let mut world = World::new(seed).await;
    let story = Story::of(seed);
    let (id, out) = world.begin(story).await;
    world.play(story, &id).await;
    let tally = world.judge(&id, &out).await;
    world.pair.close().await;
    tally
}

impl World {
    async fn new(seed: u64) -> Self {
        let (ours, theirs) = (Arc::new(Faults::new(seed, 1)), Arc::new(Faults::new(seed, 2)));
        let mut pair = Pair::new(Dials::Both, harmless()).await;
        // The buyer has to have seen what it is offered.
        catalog(&pair.buyer, &pair.seller.did).await;
        reopen(&mut pair.seller, &ours).await;
        reopen(&mut pair.buyer, &theirs).await;
        Self { seed, pair, ours, theirs }
    }

    fn troubled(&self, troubled: bool) {
        self.ours.calm(!troubled);
        self.theirs.calm(!troubled);
    }

    /// Opens again whatever has crashed.
    async fn mend(&mut self) {
        for (firm, faults) in [(&mut self.pair.seller, &self.ours), (&mut self.pair.buyer, &self.theirs)] {
            if faults.is_dead() {
                reopen(firm, faults).await;
            }
        }
    }

    /// The operator's first word, said again until something came of it.
    async fn begin(&mut self, story: Story) -> (String, std::path::PathBuf) {
        let out = self.pair.temp.join("out");
        self.troubled(true);
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "seed {}: nothing could be asked", self.seed);
            self.mend().await;
            let said = match story {
                Story::Offered => self.offer(&out).await,
                Story::Asked | Story::Cancelled | Story::Ended => self.ask(&out).await,
            };
            match said {
                Ok(view) => return (view.id, out),
                // Whatever was answered: it may have begun all the same.
                Err(_) => {
                    self.mend().await;
                    let firm = if story == Story::Offered { &self.pair.seller } else { &self.pair.buyer };
                    if let Ok(all) = firm.node().exchanges().await
                        && let Some(one) = all.iter().find(|view| view.kind == "negotiation")
                    {
                        return (one.id.clone(), out);
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    async fn ask(&self, out: &Path) -> Result<ExchangeView, NodeError> {
        let ask = proposal(&self.pair.seller.did, &self.pair.dataset, Some(out.to_owned()));
        self.pair.buyer.node().request(ask).await
    }

    async fn offer(&self, out: &Path) -> Result<ExchangeView, NodeError> {
        let order = naru::node::verbs::Expect {
            peer: self.pair.seller.did.clone(),
            out: out.to_owned(),
            purpose: "quality_analysis".to_owned(),
            countries: vec!["SG".to_owned()],
            facts: None,
        };
        self.pair.buyer.node().expect(order).await?;
        self.pair.seller.node().offer(proposal(&self.pair.buyer.did, &self.pair.dataset, None)).await
    }

    /// Goes on until both sides have nothing outstanding.
    async fn play(&mut self, story: Story, id: &str) {
        let began = Instant::now();
        let interferes = Duration::from_millis(mix(&[self.seed, 5]) % 900);
        let mut said = false;
        while !self.over(story, id).await {
            let took = began.elapsed();
            if took > PATIENCE {
                let (ours, theirs) = (told(&self.pair.seller).await, told(&self.pair.buyer).await);
                panic!("seed {}: {story:?} did not end\nseller {ours}\nbuyer  {theirs}", self.seed);
            }
            // Both count to the end of their troubles by themselves, unless too little happens for that.
            if took > PATIENCE / 3 {
                self.troubled(false);
            }
            self.mend().await;
            if !said && took > interferes {
                said = self.interfere(story, id).await;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.troubled(false);
        self.mend().await;
        // Nothing changes any more, but what is said last may still be on its way.
        while !self.over(story, id).await {
            assert!(began.elapsed() < PATIENCE * 2, "seed {}: it began again", self.seed);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives up or ends the deal; true once it was taken, or can no longer be.
    async fn interfere(&self, story: Story, id: &str) -> bool {
        let by_us = mix(&[self.seed, 6]).is_multiple_of(2);
        let firm = if by_us { &self.pair.seller } else { &self.pair.buyer };
        match story {
            Story::Asked | Story::Offered => true,
            Story::Cancelled => {
                let ask = Cancel { id: id.to_owned(), reason: Some("a simulation".to_owned()) };
                match firm.node().cancel(ask).await {
                    Ok(_) => true,
                    // The other side has not heard of it yet, or it is concluded.
                    Err(error) => error.code() == Code::IllegalState,
                }
            }
            Story::Ended => {
                let ask = End { id: id.to_owned(), reason: "a simulation".to_owned() };
                firm.node().end(ask).await.is_ok()
            }
        }
    }

    /// The transfer that belongs to a negotiation, as either side knows it.
    async fn transfer(&self, id: &str) -> Option<String> {
        for firm in [&self.pair.buyer, &self.pair.seller] {
            if let Some(other) = look(firm, id).await.and_then(|view| view.other) {
                return Some(other);
            }
        }
        None
    }

    async fn both(&self, id: &str) -> [Option<ExchangeView>; 2] {
        [look(&self.pair.seller, id).await, look(&self.pair.buyer, id).await]
    }

    /// Whether nothing is outstanding on either side.
    async fn over(&self, story: Story, id: &str) -> bool {
        if self.ours.is_dead() || self.theirs.is_dead() {
            return false;
        }
        let views = self.both(id).await;
        if !done(&views) {
            return false;
        }
        let concluded = views.iter().flatten().any(|view| view.state == "FINALIZED");
        match self.transfer(id).await {
            Some(transfer) => done(&self.both(&transfer).await),
            // A deal that stays in force has a transfer coming; one that was ended need not, and one that was given up too late
            // has none.
            None if story == Story::Cancelled => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                self.transfer(id).await.is_none() && !self.ours.is_dead() && !self.theirs.is_dead()
            }
            None => !concluded || views.iter().flatten().all(|view| view.in_force.is_none()),
        }
    }

    /// Both logs, which hold one entry for each act of what both sides know.
    async fn logs(&self, exchanges: &[String]) -> (Log, Log) {
        let mut known = Vec::new();
        for id in exchanges {
            if self.both(id).await.iter().all(Option::is_some) {
                known.push(id.as_str());
            }
        }
        if known.is_empty() {
            return (self.pair.seller.log(&self.pair.temp).await, self.pair.buyer.log(&self.pair.temp).await);
        }
        self.pair.logs_agree(&known).await
    }

    /// What must hold once it is over.
    async fn judge(&mut self, id: &str, out: &Path) -> Tally {
        let seed = self.seed;
        let mut tally = Tally {
            faults: self.ours.happened() + self.theirs.happened(),
            crashes: self.ours.crashes() + self.theirs.crashes(),
            ..Tally::default()
        };
        let deal = same_state(seed, &self.both(id).await);
        if deal == "FINALIZED" {
            tally.concluded = 1;
        } else {
            tally.ended = 1;
        }
        let mut exchanges = vec![id.to_owned()];
        let mut complete = false;
        if let Some(transfer) = self.transfer(id).await {
            let views = self.both(&transfer).await;
            complete = same_state(seed, &views) == "COMPLETED";
            let receipts: Vec<_> = views.iter().flatten().map(|view| &view.receipt).collect();
            assert!(receipts.windows(2).all(|two| two[0] == two[1]), "seed {seed}: {receipts:?}");
            exchanges.push(transfer);
        }
        tally.transferred = u64::from(complete);
        whole_or_absent(seed, out, complete);
        let (ours, theirs) = self.logs(&exchanges).await;
        // Every decision executed again takes a second of a core: for some of the seeds.
        if seed.is_multiple_of(4) {
            let report = audited(&self.pair, &[ours.dir, theirs.dir]);
            assert!(report.holds(), "seed {seed}: {}", report.to_text());
            tally.audited = 1;
        }
        tally
    }
}

/// What a node says of its exchanges, shortly.
async fn told(firm: &Firm) -> String {
    let all = firm.node().exchanges().await.unwrap_or_default();
    let one = |view: &ExchangeView| {
        let ExchangeView { kind, state, waits_for, in_force, refusal, trouble, .. } = view;
        format!("{kind} {state} waits {waits_for:?} in force {} {refusal:?} {trouble:?}", in_force.is_some())
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n       ")
}

fn audited(pair: &Pair, dirs: &[std::path::PathBuf]) -> naru::audit::Report {
    let path = pair.temp.join("anchors.toml");
    let people = [(pair.seller.did.as_str(), "한강모터스", "KR"), (pair.buyer.did.as_str(), "Merlion", "SG")];
    let anchor = |(did, name, country): (&str, &str, &str)| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    std::fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
    naru::audit::verify(dirs, &naru::audit::Anchors::read(&path).unwrap()).unwrap()
}

/// Never concluded here and ended there. What one side gave up before the other heard of it is there on one side alone.
fn same_state(seed: u64, views: &[Option<ExchangeView>; 2]) -> String {
    match views {
        [Some(one), Some(two)] => {
            let of = |view: &ExchangeView| (view.kind.clone(), view.state.clone(), view.in_force.clone());
            assert_eq!(of(one), of(two), "seed {seed}");
            one.state.clone()
        }
        [Some(one), None] | [None, Some(one)] => {
            assert!(
                matches!(one.state.as_str(), "TERMINATED" | "NONE"),
                "seed {seed}: {} {}",
                one.kind,
                one.state
            );
            one.state.clone()
        }
        [None, None] => panic!("seed {seed}: nobody knows it"),
    }
}

/// Files under their final names are whole; all of them are there once the transfer is complete.
fn whole_or_absent(seed: u64, out: &Path, complete: bool) {
    for (name, bytes) in files() {
        match std::fs::read(out.join(&name)) {
            Ok(found) => assert!(found == bytes, "seed {seed}: {name} is not whole"),
            Err(_) => assert!(!complete, "seed {seed}: {name} is missing"),
        }
    }
}

/// Nothing is outstanding on the sides that know it.
fn done(views: &[Option<ExchangeView>; 2]) -> bool {
    let rests = |view: &ExchangeView| settled(view) || (view.state == "NONE" && view.waits_for.is_none());
    views.iter().flatten().all(rests) && views.iter().flatten().next().is_some()
}

async fn look(firm: &Firm, id: &str) -> Option<ExchangeView> {
    firm.node().exchange(naru::node::verbs::ExchangeName { id: id.to_owned() }).await.ok()
}

/// Ends a node as it is and opens its folder again. What it still had in memory is gone.
async fn reopen(firm: &mut Firm, faults: &Arc<Faults>) {
    firm.stop().await;
    faults.opening();
    let began = Instant::now();
    loop {
        let seams = Seams {
            link: Some(Arc::clone(faults) as _),
            writes: Some(Arc::clone(faults) as _),
            longest_pause: Some(PAUSE),
        };
        match Node::open_with(&Folder::new(&firm.dir), &naru::node::Latches::default(), seams).await {
            Ok(node) => {
                faults.opened();
                return firm.take_over(node);
            }
            Err(error) if began.elapsed() > PATIENCE => panic!("{}: {error}", firm.dir.display()),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
