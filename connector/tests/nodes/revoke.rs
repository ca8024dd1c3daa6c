//! Keys that somebody may have stolen are revoked (spec chapter 02, ID-10): partners hear of it whoever dials, the thief is refused,
//! what was agreed goes on, and the audit knows.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use naru::{
    config::Folder,
    keys::{self, Revoke},
    node::verbs::{LogPage, Retry},
};
use naru_protocol::{error::Code, jws, log::entry::EntryType};
use serde_json::Value;

use crate::common::{
    Dials, Firm, PATIENCE, Pair, Temp, catalog, deals::Provider, hand::Hand, harmless, now, one_entry_each,
    same_files,
};

async fn revoke(firm: &mut Firm) -> keys::Revoked {
    let (folder, ask) = (Folder::new(&firm.dir), Revoke::default());
    assert_eq!(
        keys::revoke(&folder, &ask).await.unwrap_err().code,
        "folder_locked",
        "not while the node runs"
    );
    firm.stop().await;
    keys::revoke(&folder, &ask).await.unwrap()
}

/// Waits until a firm has logged as many key sets of others as this.
async fn has_heard(firm: &Firm, count: usize) {
    let started = Instant::now();
    loop {
        let page = firm.node().log(LogPage { from: None, limit: Some(1000), exchange: None }).await.unwrap();
        let of = page.entries.iter().filter(|e| e.kind == EntryType::Keys.as_str() && e.side == "received");
        if of.count() == count {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{:?}", page.entries);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to)
        } else {
            drop(fs::copy(entry.path(), to))
        }
    }
}

/// A deal without its data, so that they are asked for later.
async fn agree(pair: &Pair) -> String {
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    let (ours, _) = pair.settled(&asked.id).await;
    assert!(ours.in_force.is_some(), "{ours:#?}");
    asked.id
}

/// The data of a deal of before, and a new deal: both under the new keys.
async fn goes_on(pair: &Pair, agreed: &str) -> Vec<String> {
    let out = pair.temp.join("of-before");
    let ask = Retry { id: agreed.to_owned(), out: Some(out.clone()) };
    pair.buyer.node().retry(ask).await.unwrap();
    let hauled = pair.concluded(agreed, &out).await;
    // ID-10.6: the same files under the next version, whose listing counts.
    let shown = catalog(&pair.buyer, &pair.seller.did).await;
    assert_eq!((shown.len(), shown[0].version), (1, 2), "{shown:?}");
    let out = pair.temp.join("of-after");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let moved = pair.concluded(&asked.id, &out).await;
    same_files(&out);
    vec![agreed.to_owned(), hauled, asked.id, moved]
}

async fn audited(pair: &Pair, exchanges: &[String]) {
    let (ours, theirs) = (pair.seller.log(&pair.temp).await, pair.buyer.log(&pair.temp).await);
    for exchange in exchanges {
        one_entry_each(&ours, &theirs, exchange);
    }
    let anchor = |did: &str, name: &str, country: &str| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people = anchor(&pair.seller.did, "한강모터스", "KR") + &anchor(&pair.buyer.did, "Merlion", "SG");
    let path = pair.temp.join("anchors.toml");
    fs::write(&path, format!("version = 1\n{people}")).unwrap();
    let trust = naru::audit::Anchors::read(&path).unwrap();
    let report = naru::audit::verify(&[ours.dir.clone(), theirs.dir.clone()], &trust).unwrap();
    assert!(report.holds(), "{}", report.to_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_dials_finds_who_it_knows_under_another_identity() {
    // ID-10.1, ID-10.2, ID-10.5, ID-10.6
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    let agreed = agree(&pair).await;
    let before = keys::show(&Folder::new(&pair.seller.dir)).unwrap();
    let said = revoke(&mut pair.seller).await;
    assert!(said.done && said.revoked == [1] && said.agreements == 1 && said.acts_since == 0, "{said:?}");
    assert_eq!((said.datasets.len(), said.partners.len()), (1, 1), "{said:?}");
    assert!(said.keys.peer_id != before.peer_id && said.keys.sets[0].revoked_at.is_some());
    pair.seller.open().await;
    has_heard(&pair.buyer, 1).await;
    let exchanges = goes_on(&pair, &agreed).await;
    audited(&pair, &exchanges).await;
    // Twice is as well as once.
    let said = revoke(&mut pair.seller).await;
    assert_eq!(said.revoked, [2]);
    assert!(said.keys.sets[..2].iter().all(|set| set.revoked_at.is_some()));
    pair.seller.open().await;
    has_heard(&pair.buyer, 2).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_away_hears_of_it_and_the_thief_is_refused() {
    // ID-10.2, ID-10.4
    let mut pair = Pair::new(Dials::Seller, harmless()).await;
    let agreed = agree(&pair).await;
    pair.buyer.stop().await;
    pair.seller.stop().await;
    let stolen = pair.temp.join("stolen");
    copy(&pair.seller.dir, &stolen);
    keys::revoke(&Folder::new(&pair.seller.dir), &Revoke::default()).await.unwrap();
    // The partner is away, and the node is started twice before it is back.
    pair.seller.open().await;
    pair.seller.stop().await;
    pair.seller.open().await;
    pair.buyer.open().await;
    has_heard(&pair.buyer, 1).await;
    let mut thief = Firm::existing(stolen, pair.seller.did.clone());
    thief.open().await;
    let ask = naru::node::verbs::PeerName { peer: pair.buyer.did.clone() };
    let refused = thief.node().fetch_catalog(ask).await.unwrap_err();
    assert_eq!(refused.code(), Code::KeyRevoked, "{refused}");
    thief.stop().await;
    let exchanges = goes_on(&pair, &agreed).await;
    audited(&pair, &exchanges).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_promised_is_given_again_under_a_key_that_counts() {
    // ID-10.3
    let mut provider = Provider::new().await;
    let mut hand = Hand::paired(&provider.firm).await;
    let deal = provider.agreed(&hand, now() + 3600).await;
    let (_, act) = hand.request(&deal.terms);
    let first = hand.carry(&act).await;
    first.accepted(201);
    revoke(&mut provider.firm).await;
    provider.firm.open().await;
    hand.follow(&provider.firm.ticket().await);
    let again = hand.carry(&act).await;
    again.accepted(201);
    assert_eq!(first.body, again.body);
    let read = |text: Option<String>| jws::peek::<naru_protocol::act::Ack>(&text.unwrap()).unwrap();
    let (first, again) = (read(first.ack), read(again.ack));
    assert_eq!((first.header().ks, again.header().ks), (1, 2));
    assert_eq!(first.claims(), again.claims());
    provider.firm.stop().await;
}

/// Runs the program; whether it did what was asked, standard output and standard error.
fn naru(verb: &[&str], dir: &Path) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    command
        .args(verb)
        .arg("--dir")
        .arg(dir)
        .stdin(Stdio::null())
        .env_remove("NARU_DIR")
        .env("NARU_LANG", "en");
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[test]
fn nothing_is_revoked_before_somebody_agreed_and_only_by_the_root() {
    // ID-10.1
    let temp = Temp::new();
    let dir = temp.join("node");
    assert!(naru(&["init", "--name", "n", "--country", "KR", "--host", "127.0.0.1"], &dir).0);
    let sets = || naru(&["keys", "show"], &dir).1.matches("key set").count();
    let (done, _, said) = naru(&["keys", "revoke"], &dir);
    assert!(
        !done && said.contains("would revoke: key sets 1") && said.contains("nothing was done"),
        "{said}"
    );
    let (done, said, _) = naru(&["keys", "revoke", "--only-say", "--lang", "ko"], &dir);
    assert!(done && said.contains("폐기할 것: 키 세트 1"), "{said}");
    let other = temp.join("other.key");
    fs::copy(dir.join("keys/log.key"), &other).unwrap();
    let (done, _, said) = naru(&["keys", "revoke", "--yes", "--root", other.to_str().unwrap()], &dir);
    assert!(!done && said.contains("key_file_unusable"), "{said}");
    let (done, _, said) = naru(&["keys", "revoke", "--yes", "--since", "2999-01-01T00:00:00Z"], &dir);
    assert!(!done && said.contains("argument_invalid"), "{said}");
    assert_eq!(sets(), 1, "nothing was done");
    let (done, said, _) =
        naru(&["keys", "revoke", "--yes", "--json", "--since", "2026-01-01T00:00:00Z"], &dir);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(done && said["done"] == true && said["v"] == 1, "{said}");
    assert_eq!(said["keys"]["sets"][0]["revoked_at"], 1_767_225_600);
    assert_eq!(sets(), 2);
}
