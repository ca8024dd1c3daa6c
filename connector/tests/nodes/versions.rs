//! Publishing as its owner lives with it: versions, copies, files that change or have names that cannot travel, a folder that is
//! watched, one that is broken among others (spec chapter 04).

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
};

use naru::{
    data::publish::{PublishError, PublishEvent, PublishOptions, publish},
    node::verbs::{Approval, CatalogItem, DatasetName, DatasetView, PeerName, Publish, Published, Retry},
};
use naru_protocol::error::Code;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection, query, sqlite::SqliteConnectOptions};

use super::getting::{naru, run, serve};
use crate::common::{Dials, Firm, Pair, Temp, deals::Provider, hand::Hand, harmless, now, policy, proposal};

fn fresh(path: &Path) -> Publish {
    let title = [("en".to_owned(), "line 3".to_owned())].into();
    let path = path.to_owned();
    Publish { path, title, policy: policy(), facts: harmless(), ..Publish::default() }
}

/// The next version, with everything else as before.
fn next(dataset: &str, path: &Path, copy: bool) -> Publish {
    Publish { path: path.to_owned(), version_of: Some(dataset.to_owned()), copy, ..Publish::default() }
}

async fn publish_at(firm: &Firm, ask: Publish) -> Result<Published, Code> {
    firm.node().publish(ask).await.map_err(|error| error.code())
}

async fn own(firm: &Firm, dataset: &str) -> DatasetView {
    firm.node().datasets().await.unwrap().into_iter().find(|view| view.dataset == dataset).unwrap()
}

async fn offered(pair: &Pair, dataset: &str) -> Vec<CatalogItem> {
    let all = pair.buyer.node().fetch_catalog(PeerName { peer: "other".to_owned() }).await.unwrap();
    all.into_iter().filter(|item| item.dataset == dataset).collect()
}

/// Receives it and gives what arrived as `table.csv`.
async fn received(pair: &Pair, dataset: &str, out: &str) -> (String, Vec<u8>) {
    let out = pair.temp.join(out);
    let asked = pair.buyer.node().request(proposal("other", dataset, Some(out.clone()))).await.unwrap();
    pair.settled(&asked.id).await;
    let transfer = pair.buyer.until(&asked.id, |view| view.other.is_some()).await.other.unwrap();
    let (_, view) = pair.settled(&transfer).await;
    assert_eq!(view.state, "COMPLETED", "{view:#?}");
    (asked.id, fs::read(out.join("table.csv")).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_stays_what_it_was_for_the_agreements_that_rest_on_it() {
    // CAT-1.3, CAT-6.3
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let source = pair.temp.join("line");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("table.csv"), "first\r\n").unwrap();
    let ask = Publish { copy: true, approval: Some(Approval::Auto), ..fresh(&source) };
    let first = publish_at(&pair.seller, ask).await.unwrap();
    let (deal, bytes) = received(&pair, &first.dataset, "in1").await;
    assert_eq!((first.version, bytes.as_slice()), (1, b"first\r\n".as_slice()));

    // Nothing has changed: no version says so.
    let again = publish_at(&pair.seller, next(&first.dataset, &source, true)).await.unwrap();
    assert_eq!((again.version, again.unchanged, &again.listing), (1, true, &first.listing));
    fs::write(source.join("table.csv"), "second\r\n").unwrap();
    let second = publish_at(&pair.seller, next(&first.dataset, &source, true)).await.unwrap();
    assert_eq!((&second.dataset, second.version, second.unchanged), (&first.dataset, 2, false));
    assert_ne!(second.content_root, first.content_root);
    let items = offered(&pair, &first.dataset).await;
    assert_eq!(items.len(), 1, "the newest alone");
    assert_eq!((items[0].version, &items[0].title["en"]), (2, &json!("line 3")));
    assert_eq!(received(&pair, &first.dataset, "in2").await.1, b"second\r\n");

    // The agreement over the first brings the first, even when nobody can see the dataset any more.
    let view = pair.seller.node().withdraw(DatasetName { dataset: first.dataset.clone() }).await.unwrap();
    assert!(view.withdrawn && view.version == 2);
    assert!(offered(&pair, &first.dataset).await.is_empty());
    let out = pair.temp.join("in3");
    let transfer = pair.buyer.node().retry(Retry { id: deal, out: Some(out.clone()) }).await.unwrap();
    assert_eq!(pair.settled(&transfer.id).await.1.state, "COMPLETED");
    assert_eq!(fs::read(out.join("table.csv")).unwrap(), b"first\r\n");

    // Offered again, it is another version, with terms of its own.
    let third = Publish { approval: Some(Approval::Ask), ..next(&first.dataset, &source, true) };
    assert_eq!(publish_at(&pair.seller, third).await.unwrap().version, 3);
    fs::write(source.join("table.csv"), "fourth\r\n").unwrap();
    publish_at(&pair.seller, next(&first.dataset, &source, false)).await.unwrap();
    let view = own(&pair.seller, &first.dataset).await;
    assert_eq!(
        (view.version, view.approval, view.copied),
        (4, Approval::Ask, false),
        "a person is asked still"
    );
    let none = publish_at(&pair.seller, next("urn:dxp:none", &source, false)).await;
    assert_eq!(none.unwrap_err(), Code::DatasetUnknown);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_immune_to_what_happens_to_the_files() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let source = pair.temp.join("line");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("table.csv"), "kept\r\n").unwrap();
    let copied = publish_at(&pair.seller, Publish { copy: true, ..fresh(&source) }).await.unwrap();
    let linked = publish_at(&pair.seller, fresh(&source)).await.unwrap();
    assert!(own(&pair.seller, &copied.dataset).await.copied);
    assert!(!own(&pair.seller, &linked.dataset).await.copied);
    fs::remove_dir_all(&source).unwrap();
    assert_eq!(received(&pair, &copied.dataset, "in").await.1, b"kept\r\n");
    // By reference, what is gone cannot be had, and says so.
    let out = pair.temp.join("gone");
    let ask = proposal("other", &linked.dataset, Some(out));
    let asked = pair.buyer.node().request(ask).await.unwrap();
    let transfer = pair.buyer.until(&asked.id, |view| view.other.is_some()).await.other.unwrap();
    let view = pair.buyer.until(&transfer, |view| view.refusal.is_some()).await;
    assert_eq!(view.refusal.unwrap().code, "source_missing");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_dataset_is_shown_as_such_and_breaks_no_other() {
    // CAT-7.5
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    let source = pair.temp.join("line");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("table.csv"), "x\r\n").unwrap();
    let bad = publish_at(&pair.seller, fresh(&source)).await.unwrap();
    pair.seller.stop().await;
    let options = SqliteConnectOptions::new().filename(pair.seller.dir.join("naru.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let spoil = query("UPDATE datasets SET listing = 'damaged' WHERE id = ?").bind(&bad.dataset);
    assert_eq!(spoil.execute(&mut connection).await.unwrap().rows_affected(), 1);
    connection.close().await.unwrap();
    pair.seller.open().await;
    let all = pair.seller.node().datasets().await.unwrap();
    assert_eq!(all.len(), 2);
    for view in all {
        assert_eq!(view.broken.is_some(), view.dataset == bad.dataset, "{view:?}");
    }
    pair.buyer.node().dial(PeerName { peer: "other".to_owned() }).await.unwrap();
    assert!(offered(&pair, &bad.dataset).await.is_empty());
    assert_eq!(offered(&pair, &pair.dataset).await.len(), 1);
    // It can be mended by a version that says everything anew, or taken away.
    let ask = Publish { version_of: Some(bad.dataset.clone()), ..fresh(&source) };
    assert_eq!(publish_at(&pair.seller, ask).await.unwrap().version, 2);
    assert_eq!(offered(&pair, &bad.dataset).await.len(), 1);
    let view = pair.seller.node().withdraw(DatasetName { dataset: bad.dataset }).await.unwrap();
    assert!(view.withdrawn);
    pair.close().await;
}

/// Publishes a folder into an index, with something done at the first event.
fn with(folder: &Path, index: &Path, change: impl FnOnce() + Send) -> Result<BTreeSet<String>, PublishError> {
    let mut change = Some(change);
    let mut first = |event: PublishEvent<'_>| {
        if let (PublishEvent::Found { .. }, Some(change)) = (event, change.take()) {
            change();
        }
    };
    publish(folder, index, &PublishOptions::default(), &mut first)?;
    let list = fs::read(index.join("filelist")).unwrap();
    let list = naru_protocol::filelist::FileList::parse(&list).unwrap();
    Ok(list.entries().iter().map(|entry| entry.path.clone()).collect())
}

#[test]
fn files_that_change_go_or_lead_elsewhere_after_they_were_listed_are_named() {
    // CAT-4.8
    let temp = Temp::new();
    let fill = |name: &str| {
        let folder = temp.join(name);
        fs::create_dir_all(folder.join("below")).unwrap();
        for n in 0..5 {
            fs::write(folder.join(format!("below/{n}.bin")), vec![n; 1000]).unwrap();
        }
        folder
    };
    let index = temp.join("index");
    let gone = fill("gone");
    let result = with(&gone, &index, || fs::remove_file(gone.join("below/3.bin")).unwrap());
    assert!(
        matches!(&result, Err(error @ PublishError::Gone { path }) if path.ends_with("below/3.bin")
        && error.code() == Code::SourceChanged),
        "{result:?}"
    );
    let gone = fill("gone-folder");
    let result = with(&gone, &index, || fs::remove_dir_all(gone.join("below")).unwrap());
    assert!(matches!(&result, Err(PublishError::Gone { .. })), "{result:?}");
    let grown = fill("grown");
    let result = with(&grown, &index, || fs::write(grown.join("below/2.bin"), "more").unwrap());
    assert!(
        matches!(&result, Err(PublishError::Changed { path }) if path.ends_with("below/2.bin")),
        "{result:?}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        fs::write(temp.join("secret"), vec![1; 1000]).unwrap();
        let link = fill("link");
        let result = with(&link, &index, || {
            fs::remove_file(link.join("below/1.bin")).unwrap();
            symlink(temp.join("secret"), link.join("below/1.bin")).unwrap();
        });
        assert!(
            matches!(&result, Err(PublishError::Symlink { path }) if path.ends_with("below/1.bin")),
            "{result:?}"
        );
        // A whole folder exchanged for a link to another of the same make.
        let (link, other) = (fill("link-folder"), fill("other"));
        let result = with(&link, &index, || {
            fs::remove_dir_all(link.join("below")).unwrap();
            symlink(other.join("below"), link.join("below")).unwrap();
        });
        assert!(matches!(&result, Err(PublishError::Symlink { .. })), "{result:?}");
    }
    assert!(!index.exists() && !temp.join("index.building").exists(), "nothing is left");
    assert_eq!(with(&fill("whole"), &index, || {}).unwrap().len(), 5);
}

#[test]
fn names_that_cannot_travel_are_named_and_told_on_one_line() {
    let temp = Temp::new();
    let nfd = "\u{1112}\u{1161}\u{11ab}.csv";
    for (first, second) in [("A.csv", "a.csv"), ("한.csv", nfd), ("Data/x", "data/x")] {
        let folder = temp.join("alike");
        for name in [first, second] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        // A system that takes them for one has one file, and nothing to refuse.
        if fs::read(folder.join(first)).unwrap() == first.as_bytes() {
            let result = with(&folder, &temp.join("index"), || {});
            let error = result.unwrap_err();
            assert_eq!(error.code(), Code::PathRefused);
            assert!(error.to_string().contains("differ only in case"), "{error}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    // One of them alone travels as it is.
    let folder = temp.join("alone");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(nfd), "x").unwrap();
    assert!(with(&folder, &temp.join("index"), || {}).unwrap().contains(nfd));
    #[cfg(unix)]
    {
        fs::write(folder.join("two\nlines"), "x").unwrap();
        let error = with(&folder, &temp.join("other"), || {}).unwrap_err();
        assert!(matches!(error, PublishError::Name { .. }) && !error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_in_a_backup_and_what_lies_elsewhere_is_not() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", Some(0)).await;
    let _stop = serve(&firm).await;
    let source = temp.join("line");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("table.csv"), "kept\r\n").unwrap();
    let copied = publish_at(&firm, Publish { copy: true, ..fresh(&source) }).await.unwrap();
    publish_at(&firm, fresh(&source)).await.unwrap();
    let (file, restored) = (temp.join("b.tar"), temp.join("restored"));
    let made = run(naru(&firm.dir, &["backup", "--out", file.to_str().unwrap()])).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = run(naru(&restored, &["restore", file.to_str().unwrap()])).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let name = copied.dataset.rsplit(':').next().unwrap();
    let mut found = Vec::new();
    for version in fs::read_dir(restored.join("published")).unwrap() {
        let version = version.unwrap();
        let copy = fs::read(version.path().join("copy/0")).ok();
        found.push((version.file_name().to_str().unwrap() == format!("{name}-1"), copy));
    }
    found.sort();
    assert_eq!(found, [(false, None), (true, Some(b"kept\r\n".to_vec()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_nobody_waits_for_leaves_nothing() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", Some(0)).await;
    let _stop = serve(&firm).await;
    let large = temp.join("large.bin");
    // A hole: it takes long to be read, and no room.
    fs::File::create(&large).unwrap().set_len(64 << 30).unwrap();
    let path = large.to_str().unwrap();
    let terms = ["--title", "Large", "--terms", "research-only"];
    let mut child = naru(&firm.dir, &[&["publish", path], &terms[..]].concat()).spawn().unwrap();
    let busy = loop {
        let all = firm.node().publishing().await.unwrap();
        if let Some(one) = all.into_iter().find(|one| one.hashed > 0) {
            break one;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!((busy.files, busy.bytes, busy.path.as_path()), (1, 64 << 30, large.as_path()));
    child.kill().unwrap();
    child.wait().unwrap();
    let published = firm.dir.join("published");
    while !firm.node().publishing().await.unwrap().is_empty() || fs::read_dir(&published).unwrap().count() > 0
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(firm.node().datasets().await.unwrap().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn more_than_a_dataset_may_hold_is_refused_before_a_byte_is_read() {
    // CAT-4.7
    let temp = Temp::new();
    let folder = temp.join("large");
    fs::create_dir(&folder).unwrap();
    for n in 0..9 {
        // Holes of 8 TiB.
        fs::File::create(folder.join(format!("{n}"))).unwrap().set_len(8 << 40).unwrap();
    }
    let error = with(&folder, &temp.join("index"), || panic!("it is read")).unwrap_err();
    assert_eq!(error.code(), Code::TooLarge, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_version_of_what_was_unpublished_is_dealt_about() {
    // CAT-7.6
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let terms = provider.terms(&hand, now() + 3600).await;
    let source = provider.temp.join("next");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("table.csv"), "next\r\n").unwrap();
    publish_at(&provider.firm, next(&provider.dataset, &source, false)).await.unwrap();
    // The first version is signed and was offered: whoever read it may still name it.
    let (_, act) = hand.request(&terms);
    hand.carry(&act).await.accepted(201);
    provider.firm.node().withdraw(DatasetName { dataset: provider.dataset.clone() }).await.unwrap();
    let (_, act) = hand.request(&terms);
    hand.carry(&act).await.refused_finally("listing_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_becomes_a_version_whenever_its_files_settle() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", Some(0)).await;
    let _stop = serve(&firm).await;
    let source = temp.join("line");
    fs::create_dir(&source).unwrap();
    let path = source.to_str().unwrap().to_owned();
    let base = ["publish", path.as_str(), "--json", "--watch", "--settle", "1", "--copy"];
    let title = ["--title", "Line 3", "--terms", "research-only", "--declare", "sensor-series"];
    // The child says one line a version; an empty folder is none.
    let mut child = naru(&firm.dir, &[&base[..], &title[..]].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let empty: Value = serde_json::from_str(&errors.next().unwrap().unwrap()).unwrap();
    assert_eq!(empty["code"], "dataset_empty");
    let mut dataset = String::new();
    for version in 1..=2 {
        fs::write(source.join(format!("{version}.csv")), "a,b\r\n1,2\r\n").unwrap();
        let made: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&made["version"], &made["files"]), (&json!(version), &json!(version)), "{made}");
        dataset = made["dataset"].as_str().unwrap().to_owned();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Begun again with the dataset that there is: nothing has changed, and no version says so.
    let mut child = naru(&firm.dir, &[&base[..], &["--version-of", &dataset]].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let made: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&made["version"], &made["unchanged"]), (&json!(2), &json!(true)), "{made}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(firm.node().datasets().await.unwrap().len(), 1);

    // `withdraw` is what `unpublish` was called.
    let asked = run(naru(&firm.dir, &["unpublish", &dataset, "--json"])).await;
    assert!(asked.status.success());
    assert!(run(naru(&firm.dir, &["withdraw", &dataset])).await.status.success());
    assert!(own(&firm, &dataset).await.withdrawn);
}
