//! Exports taken while deals go on end at their checkpoint (spec chapter 09, AUD-1.8), and when a receipt may be given (chapter
//! 07b, TRF-9.2). What a node wrote is read from its files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::common::{Dials, Firm, Log, Pair, Temp, files, harmless, policy, private, same_files, settled};
use naru::node::verbs::{Export, Publish, Retry};
use naru_protocol::{error::Code, log::entry::EntryType};

/// The names in a folder of an export, without their ending.
fn names(dir: &Path, folder: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(dir.join(folder)) else { return BTreeSet::new() };
    let name =
        |entry: fs::DirEntry| entry.file_name().to_str().unwrap().split('.').next().unwrap().to_owned();
    entries.map(|entry| name(entry.unwrap())).collect()
}

/// The values of a field of all entries.
fn named(log: &Log, field: &str) -> BTreeSet<String> {
    let values = log.lines.iter().filter_map(|line| line.fields.get(field)?.as_str());
    values.map(str::to_owned).collect()
}

/// Acts of each exchange.
fn acts(log: &Log) -> BTreeMap<String, BTreeSet<String>> {
    let mut acts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in log.lines.iter().filter(|line| line.entry.kind().is_act()) {
        let (exchange, act) = (line.entry.exchange().unwrap(), line.entry.act().unwrap());
        acts.entry(exchange.to_string()).or_default().insert(act.to_string());
    }
    acts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_at_its_checkpoint_while_deals_go_on() {
    // AUD-1.8, AUD-5.6, AUD-9.5
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    // Whether an export falls into the middle of a deal is chance: it is tried until one has.
    let (mut cut, mut round) = (0, 0);
    while cut == 0 && round < 20 {
        round += 1;
        let over = AtomicBool::new(false);
        let deals = async {
            for _ in 0..6 {
                let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
                pair.settled(&asked.id).await;
            }
            over.store(true, Ordering::Relaxed);
        };
        let exports = async {
            let mut taken = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let out = pair.temp.join(&format!("cut-{round}-{}", taken.len()));
                let made = pair.seller.node().export(Export { out: out.clone() }).await.unwrap();
                taken.push(Log::read(&out, made.size));
            }
            taken
        };
        let ((), taken) = tokio::join!(deals, exports);
        let whole = acts(&pair.seller.log(&pair.temp).await);
        for log in &taken {
            let held = acts(log);
            let all: BTreeSet<String> = held.values().flatten().cloned().collect();
            assert_eq!(names(&log.dir, "acts"), all, "acts are those of the entries, no more and no fewer");
            assert_eq!(names(&log.dir, "evaluations"), named(log, "decision"));
            assert_eq!(names(&log.dir, "agreements"), named(log, "agreement"));
            cut += held.iter().filter(|(exchange, acts)| whole[*exchange].len() > acts.len()).count();
        }
    }
    assert!(cut > 0, "no export in the middle of a deal");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_folder_is_not_published() {
    // What is published can be had; keys are not.
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    for path in [pair.seller.dir.clone(), pair.seller.dir.join("keys"), pair.temp.join("")] {
        let title = [("en".to_owned(), "mine".to_owned())].into();
        let ask = Publish { path, title, policy: policy(), facts: harmless(), ..Publish::default() };
        let error = pair.seller.node().publish(ask).await.unwrap_err();
        assert_eq!(error.code(), Code::ArgumentInvalid);
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_exported_into_the_nodes_own_folder() {
    // What is exported is handed out; keys lie there.
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", None).await;
    fs::create_dir(firm.dir.join("empty")).unwrap();
    let mut inside = vec![firm.dir.clone()];
    inside.extend(["log", "a/b", "empty"].map(|name| firm.dir.join(name)));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&firm.dir, temp.join("link")).unwrap();
        inside.push(temp.join("link/log"));
    }
    for out in inside {
        let error = firm.node().export(Export { out: out.clone() }).await.unwrap_err();
        assert_eq!(error.code(), Code::FolderOccupied, "{}: {error}", out.display());
        assert!(error.to_string().contains("the node's own folder"), "{error}");
    }
    assert!(!firm.dir.join("log").exists() && !firm.dir.join("a").exists());
    firm.node().export(Export { out: temp.join("firm-log") }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_touches_nothing_beside_its_folder() {
    // AUD-1.1
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let mine = pair.temp.join("audit.part");
    fs::create_dir_all(&mine).unwrap();
    fs::write(mine.join("thesis.txt"), b"mine").unwrap();
    for name in ["audit.log", "audit"] {
        pair.seller.node().export(Export { out: pair.temp.join(name) }).await.unwrap();
        assert_eq!(fs::read(mine.join("thesis.txt")).unwrap(), b"mine");
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_given_when_every_file_lies_under_its_name() {
    // TRF-9.2
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    // Something comes to lie where one of the files must go: it is not written over, and nothing is receipted.
    let blocked = pair.temp.join("blocked");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    pair.settled(&asked.id).await;
    fs::write(pair.seller.dir.join("facts.json"), "not readable for a while").unwrap();
    let ask = Retry { id: asked.id.clone(), out: Some(blocked.clone()) };
    let transfer = pair.buyer.node().retry(ask).await.unwrap().id;
    fs::create_dir_all(blocked.join("inspection")).unwrap();
    fs::write(blocked.join("inspection/weld.png"), b"mine").unwrap();
    pair.seller.facts(&private(&[&pair.buyer.did], &[]));
    let view = pair.buyer.until(&transfer, |v| v.refusal.is_some()).await;
    assert_eq!(view.receipt, None);
    for firm in [&pair.seller, &pair.buyer] {
        let log = firm.log(&pair.temp).await;
        assert!(log.of(&transfer).all(|line| line.entry.kind() != EntryType::TransferReceipt));
    }
    assert_eq!(fs::read(blocked.join("inspection/weld.png")).unwrap(), b"mine");
    assert!(
        files().keys().filter(|name| *name != "inspection/weld.png").all(|name| !blocked.join(name).exists())
    );

    // The first moment at which the consumer's log has a receipt: all files are there, whole.
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.buyer.until(&asked.id, |v| v.other.is_some()).await.other.unwrap();
    loop {
        let log = pair.buyer.log(&pair.temp).await;
        if log.of(&transfer).any(|line| line.entry.kind() == EntryType::TransferReceipt) {
            same_files(&out);
            break;
        }
    }
    let view = pair.buyer.until(&transfer, settled).await;
    assert_eq!(view.state, "COMPLETED");
    pair.close().await;
}
