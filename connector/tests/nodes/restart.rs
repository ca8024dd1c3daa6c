//! Nodes that stop, lose connections or lose their files in the middle of a deal: every deal ends, equal on both sides,
//! with one entry for each act (spec chapters 03, 06 and 07); and folders that only one process may use.

use std::{fs, path::Path, time::Duration};

use crate::common::{Dials, Firm, Pair, Temp, harmless, init, proposal, settled};
use naru::{
    cli::init::create,
    config::Folder,
    node::{Node, verbs::ExchangeView},
};
use naru_protocol::error::Code;
use sqlx::{Connection as _, SqliteConnection, query, sqlite::SqliteConnectOptions};

/// Numbers that are the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn done(view: Option<&ExchangeView>) -> bool {
    view.is_some_and(settled)
}

/// Whether the negotiation and, where it was concluded, its transfer are over on both sides.
async fn over(pair: &Pair, id: &str) -> bool {
    let (ours, theirs) = (pair.seller.view(id).await, pair.buyer.view(id).await);
    if !done(ours.as_ref()) || !done(theirs.as_ref()) {
        return false;
    }
    let Some(view) = theirs.filter(|v| v.state == "FINALIZED") else { return true };
    let Some(transfer) = view.other else { return false };
    done(pair.seller.view(&transfer).await.as_ref()) && done(pair.buyer.view(&transfer).await.as_ref())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Restart,
    Disconnect,
}

/// Starts a deal and makes trouble at moments that follow from the seed until it is over.
async fn troubled(pair: &mut Pair, offers: bool, trouble: Trouble, seed: u64) {
    let out = pair.temp.join(&format!("out-{seed}"));
    let mut random = Seeded(seed);
    let asked = if offers {
        crate::common::catalog(&pair.buyer, &pair.seller.did).await;
        pair.buyer.expect(&pair.seller.did, out.clone()).await;
        pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap()
    } else {
        pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap()
    };
    let started = std::time::Instant::now();
    let mut troubles = 0;
    while !over(pair, &asked.id).await {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{:#?}\n{:#?}",
            pair.seller.node().exchanges().await,
            pair.buyer.node().exchanges().await
        );
        tokio::time::sleep(Duration::from_millis(5 + random.below(60))).await;
        if troubles == 12 {
            continue;
        }
        troubles += 1;
        let ours = random.below(2) == 0;
        match trouble {
            Trouble::Restart if ours => {
                pair.seller.stop().await;
                pair.seller.open().await;
            }
            Trouble::Restart => {
                pair.buyer.stop().await;
                pair.buyer.open().await;
            }
            Trouble::Disconnect if ours => pair.seller.disconnect(&pair.buyer.did).await,
            Trouble::Disconnect => pair.buyer.disconnect(&pair.seller.did).await,
        }
    }
    let transfer = pair.concluded(&asked.id, &out).await;
    pair.logs_agree(&[&asked.id, &transfer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_survives_that_either_node_is_stopped_at_any_step() {
    // NEG-12.5, ACT-6.5, ACT-6.6, NEG-14.5
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    for (offers, seed) in [(false, 11), (true, 12), (false, 13)] {
        troubled(&mut pair, offers, Trouble::Restart, seed).await;
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_survives_that_the_connection_breaks_at_any_step() {
    // NEG-12.5, ACT-6.8
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    for (offers, seed) in [(false, 21), (true, 22), (false, 23), (true, 24)] {
        troubled(&mut pair, offers, Trouble::Disconnect, seed).await;
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_goes_on_after_a_break_when_only_one_side_can_dial() {
    // NEG-12.5: the side that nobody can dial comes back by itself, whoever has something to say.
    for (dials, offers, seed) in [(Dials::Buyer, false, 31), (Dials::Seller, true, 32)] {
        let mut pair = Pair::new(dials, harmless()).await;
        troubled(&mut pair, offers, Trouble::Disconnect, seed).await;
        troubled(&mut pair, offers, Trouble::Restart, seed + 10).await;
        pair.close().await;
    }
}

/// Concludes a deal whose source was changed after it was published; the transfer must end with this code and the name of
/// the file on both sides (TRF-6.4, TRF-6.5, TRF-6.11).
async fn without_source(change: impl FnOnce(&Path), code: Code) {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    change(&pair.temp.join("source"));
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let (ours, theirs) = pair.settled(&asked.id).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("FINALIZED", "FINALIZED"));
    let transfer = pair.buyer.until(&asked.id, |v| v.other.is_some()).await.other.unwrap();
    let (gave, got) = pair.settled(&transfer).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert_eq!((&gave.receipt, &got.receipt), (&None, &None));
    let codes = [&gave, &got].map(|v| v.refusal.as_ref().unwrap().code.clone());
    assert_eq!(codes, [code.as_str(), code.as_str()], "{gave:#?} {got:#?}");
    for view in [&gave, &got] {
        let reasons = &view.refusal.as_ref().unwrap().reasons;
        assert!(reasons.iter().any(|r| r.contains("table.csv")), "{reasons:?}");
    }
    assert!(!out.join("table.csv").exists(), "nothing of it is shown as received");
    pair.logs_agree(&[&asked.id, &transfer]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_after_publishing_ends_the_transfer_with_its_name() {
    without_source(
        |source| fs::write(source.join("table.csv"), "id,이름\r\n1,다리\r\n").unwrap(),
        Code::SourceChanged,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_vanished_after_publishing_ends_the_transfer_with_its_name() {
    without_source(|source| fs::remove_file(source.join("table.csv")).unwrap(), Code::SourceMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_process_and_a_port_to_one_node() {
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("one"), "one", "KR", None).await;
    let error = Node::open(&Folder::new(temp.join("one"))).await.unwrap_err();
    assert_eq!(error.code(), Code::FolderLocked);
    let port = Folder::new(temp.join("one")).config().unwrap().listen.port;
    let taken = create(&init(&temp.join("two"), "two", "SG", Some(port))).unwrap_err();
    assert_eq!(taken.code, Code::PortInUse.as_str(), "{taken}");
    let made = create(&init(&temp.join("two"), "two", "SG", None)).unwrap();
    let toml = temp.join("two").join("naru.toml");
    let moved = fs::read_to_string(&toml).unwrap().replace(&made.port.to_string(), &port.to_string());
    fs::write(&toml, moved).unwrap();
    let error = Node::open(&Folder::new(temp.join("two"))).await.unwrap_err();
    assert_eq!(error.code(), Code::PortInUse);
    // The one that is in order goes on, and the other starts once the port is free.
    assert!(firm.node().status().await.is_ok());
    firm.stop().await;
    let started = std::time::Instant::now();
    loop {
        match Node::open(&Folder::new(temp.join("two"))).await {
            Ok(node) => break node.close().await.unwrap(),
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_never_overwrites() {
    let temp = Temp::new();
    let made = create(&init(&temp.join("one"), "one", "KR", None)).unwrap();
    let files = |dir: &Path| {
        let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all.into_iter().filter(|p| p.is_file()).map(|p| (p.clone(), fs::read(p).unwrap())).collect::<Vec<_>>()
    };
    let before = files(&temp.join("one"));
    let again = create(&init(&temp.join("one"), "other", "SG", None)).unwrap_err();
    assert_eq!(again.code, Code::AlreadyInitialised.as_str());
    assert_eq!(files(&temp.join("one")), before);
    assert!(made.port > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_the_newest_checkpoint_is_not_opened() {
    // ACT-6.5: what was signed once is never signed differently.
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("one"), "one", "KR", None).await;
    firm.stop().await;
    fs::copy(temp.join("one").join("naru.db"), temp.join("old.db")).unwrap();
    firm.open().await;
    crate::common::publish(&firm, &temp.join("source"), harmless()).await;
    firm.stop().await;
    fs::copy(temp.join("old.db"), temp.join("one").join("naru.db")).unwrap();
    let error = Node::open(&Folder::new(temp.join("one"))).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreRolledBack, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_act_does_not_wait_out_its_pause_once_its_peer_is_there() {
    // ACT-6.8, found by .ci/kill.py: an exchange that has no state yet was no reason to dial, and its act went out minutes late.
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    pair.buyer.stop().await;
    let asked = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    pair.seller.until(&asked.id, |view| view.trouble.is_some()).await;
    pair.seller.stop().await;
    let options = SqliteConnectOptions::new().filename(pair.seller.dir.join("naru.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let later = "UPDATE outbox SET next_at_ms = next_at_ms + 3600000, attempts = 12";
    assert_eq!(query(later).execute(&mut database).await.unwrap().rows_affected(), 1);
    database.close().await.unwrap();
    pair.seller.open().await;
    pair.buyer.open().await;
    pair.seller.until(&asked.id, |view| view.state == "OFFERED").await;
    pair.close().await;
}
