//! A node in one file and out of it again: what a restored node knows, what it signs, and how partners who knew it before go on
//! with it (spec chapter 08, LOG-9.3 and LOG-9.4; chapter 09, AUD-4.7).

use std::{
    fs,
    path::{Path, PathBuf},
};

use naru::{
    audit::{Anchors, Auditor, Reason, Verdict},
    backup::{Manifest, make, restore},
    config::Folder,
    node::verbs::{Export, IssueTicket},
    store::Inspector,
};
use naru_protocol::{
    error::Code,
    log::{entry::EntryType, merkle::Hash},
};

use crate::common::{Dials, Firm, Pair, Temp, catalog, deals::Provider, hand::Hand, harmless, init, now};

fn anchors(pair: &Pair) -> Anchors {
    let path = pair.temp.join("anchors.toml");
    let people = [(pair.seller.did.as_str(), "한강모터스", "KR"), (pair.buyer.did.as_str(), "Merlion", "SG")];
    let anchor = |(did, name, country): (&str, &str, &str)| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
    Anchors::read(&path).unwrap()
}

async fn traded(pair: &Pair, out: &str) -> (String, String) {
    let out = pair.temp.join(out);
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    (asked.id, transfer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_begins_a_new_log_and_trades_again_with_a_peer_that_knew_it() {
    // LOG-9.3, AUD-4.7
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let (deal, moved) = traded(&pair, "before").await;
    let open = pair.seller.ticket().await;
    let (file, new) = (pair.temp.join("seller.tar"), pair.temp.join("restored"));
    let made = make(&Folder::new(&pair.seller.dir), &file, true).await.unwrap();
    assert!(made.root_key && made.size > 5 && made.outside.is_empty(), "{made:?}");
    // What the copy does not know.
    let (lost, _) = traded(&pair, "after").await;
    pair.seller.stop().await;

    let restored = restore(&file, &new, None).await.unwrap();
    assert!(restored.origin.ends_with("/2"), "{restored:?}");
    assert_eq!(
        (restored.superseded, restored.dropped.exchanges, restored.dropped.tickets),
        (made.size, 0, 1)
    );
    let old = std::mem::replace(&mut pair.seller.dir, new.clone());
    pair.seller.open().await;
    let status = pair.seller.node().status().await.unwrap();
    assert_eq!((status.origin, status.stopped), (restored.origin.clone(), None));
    // What was concluded before is known, what came later is not.
    let known = pair.seller.view(&deal).await.unwrap();
    assert!(known.state == "FINALIZED" && known.in_force.is_some(), "{known:?}");
    assert!(pair.seller.view(&lost).await.is_none());
    assert_eq!(pair.seller.node().datasets().await.unwrap().len(), 1);
    assert_eq!(catalog(&pair.buyer, &pair.seller.did).await.len(), 1);
    let newcomer = Firm::start(pair.temp.join("newcomer"), "newcomer", "SG", Some(0)).await;
    let ask = naru::node::verbs::Trust {
        fingerprint: crate::common::told(&open),
        ticket: open,
        alias: "x".to_owned(),
    };
    let error = newcomer.node().trust(ask).await.unwrap_err();
    assert_eq!(error.code(), Code::TicketUnknown, "a ticket of before the backup is void");

    let (again, haul) = traded(&pair, "restored-out").await;
    let (ours, theirs) = pair.logs_agree(&[&again, &haul]).await;
    assert_eq!(ours.lines[0].entry.kind(), EntryType::Genesis);
    assert_eq!(ours.lines[0].fields["shard"], 2);
    let note = ours.lines[0].fields["supersedes"].as_str().unwrap();
    assert_eq!(note.lines().nth(1).unwrap(), made.size.to_string());
    assert!(ours.of(&deal).next().is_none(), "what the earlier log holds is not told twice");

    // Both shards for an auditor: the earlier one as the backup has it.
    let earlier = restored.earlier.unwrap();
    let trust = anchors(&pair);
    let mut auditor = Auditor::default();
    let alone = auditor.verify(std::slice::from_ref(&ours.dir), &trust).unwrap();
    assert!(alone.holds(), "{}", alone.to_text());
    let claim = |report: &naru::audit::Report| {
        let of = report.claims().iter().filter(|claim| claim.name() == "earlier_shard");
        of.map(|claim| (claim.verdict(), claim.reason())).collect::<Vec<_>>()
    };
    assert_eq!(claim(&alone), [(Verdict::Unsupported, Some(Reason::EarlierShard))]);
    let both = auditor.verify(&[earlier.clone(), ours.dir.clone()], &trust).unwrap();
    assert!(both.holds(), "{}", both.to_text());
    assert_eq!(claim(&both), [(Verdict::Proved, None)]);
    let words: Vec<String> = both
        .to_text()
        .lines()
        .filter(|l| l.contains(&deal) || l.contains(&moved))
        .map(str::to_owned)
        .collect();
    assert!(!words.is_empty(), "the deals of before are in the earlier export");
    drop(theirs);

    the_old_folder_stops(&mut pair, old).await;
    pair.close().await;
}

/// The old folder, started again by mistake: its peer knows better, and it stops.
async fn the_old_folder_stops(pair: &mut Pair, old: PathBuf) {
    pair.seller.stop().await;
    let mut twin = Firm::existing(old, pair.seller.did.clone());
    twin.open().await;
    // Whatever comes of it: the peer is asked, and so it speaks with the old node.
    drop(pair.buyer.request(&pair.seller.did, &pair.dataset, None).await);
    let started = std::time::Instant::now();
    while twin.node().status().await.unwrap().stopped.is_none() {
        assert!(started.elapsed() < crate::common::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_is_not_gone_on_with() {
    // LOG-9.3
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    pair.buyer.stop().await;
    // An offer that its peer never answered.
    let asked = pair
        .seller
        .node()
        .offer(crate::common::proposal(&pair.buyer.did, &pair.dataset, None))
        .await
        .unwrap();
    let (file, new) = (pair.temp.join("b.tar"), pair.temp.join("new"));
    make(&Folder::new(&pair.seller.dir), &file, false).await.unwrap();
    let restored = restore(&file, &new, Some(9)).await.unwrap();
    assert!(restored.origin.ends_with("/9") && restored.dropped.exchanges == 1, "{restored:?}");
    assert!(!new.join("keys/root.key").exists());
    pair.seller.stop().await;
    pair.seller.dir = new;
    pair.seller.open().await;
    assert!(pair.seller.view(&asked.id).await.is_none());
    assert_eq!(pair.seller.node().status().await.unwrap().unanswered, 0);
    pair.buyer.open().await;
    traded(&pair, "out").await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_under_a_log_that_its_signer_gave_up_is_refused() {
    // LOG-9.4
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    hand.manners(|m| m.closed = true);
    let (_, first) = hand.request(&terms);
    hand.carry(&first).await.accepted(201);
    let (_, mut second) = hand.request(&terms);
    second.token.index = Some(0);
    second.token.checkpoint = Some(hand.signed_shard(2, 1, Hash([7; 32])));
    hand.carry(&second).await.accepted(201);
    let (_, third) = hand.request(&terms);
    hand.carry(&third).await.refused(400, "checkpoint_invalid");
    // What was answered before is answered again.
    hand.carry(&first).await.accepted(201);
}

/// A backup of a folder whose node never ran, unpacked into names and bytes.
async fn parts(temp: &Temp) -> Vec<(String, Vec<u8>)> {
    let dir = temp.join("firm");
    naru::cli::init::create(&init(&dir, "firm", "KR", None)).unwrap();
    let file = temp.join("good.tar");
    make(&Folder::new(&dir), &file, true).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let error = make(&Folder::new(&dir), &file, true).await.unwrap_err();
    assert_eq!(error.code, "file_unusable", "never overwritten");
    let mut archive = tar::Archive::new(fs::File::open(&file).unwrap());
    let entry = |entry: std::io::Result<tar::Entry<'_, fs::File>>| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(entry).collect()
}

fn pack(path: &Path, parts: &[(String, Vec<u8>)]) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        // Names that the crate would refuse to write.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    tar.finish().unwrap();
}

/// What is done to the files of a backup.
type Change = dyn Fn(&mut Vec<(String, Vec<u8>)>, &mut Manifest);

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_altered_restores_nothing() {
    let temp = Temp::new();
    let parts = parts(&temp).await;
    let new = temp.join("new");
    let refused = async |change: &Change, code: &str| {
        let mut changed = parts.clone();
        let mut manifest: Manifest = serde_json::from_slice(&changed[0].1).unwrap();
        change(&mut changed, &mut manifest);
        if changed[0].0 == "manifest.json" {
            changed[0].1 = serde_json::to_vec(&manifest).unwrap();
        }
        let file = temp.join("bad.tar");
        pack(&file, &changed);
        let error = restore(&file, &new, None).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(!new.exists(), "nothing is left");
    };
    refused(&|parts, _| parts[1].1[0] ^= 1, "backup_invalid").await;
    refused(&|parts, _| drop(parts.remove(1)), "backup_invalid").await;
    refused(&|parts, _| parts.swap(1, 2), "backup_invalid").await;
    refused(&|parts, _| parts.push(("extra".to_owned(), vec![1])), "backup_invalid").await;
    refused(&|parts, _| drop(parts.remove(0)), "backup_invalid").await;
    refused(
        &|parts, manifest| {
            "../escaped".clone_into(&mut parts[1].0);
            "../escaped".clone_into(&mut manifest.files[0].path);
        },
        "backup_invalid",
    )
    .await;
    assert!(!temp.join("escaped").exists());
    refused(&|_, manifest| manifest.origin = manifest.origin.replace("/1", "/2"), "backup_invalid").await;
    refused(&|_, manifest| manifest.v = 2, "backup_invalid").await;

    let good = temp.join("good.tar");
    let error = restore(&good, &temp.join("firm"), None).await.unwrap_err();
    assert_eq!(error.code, "already_initialised");
    let error = restore(&good, &new, Some(1)).await.unwrap_err();
    assert_eq!(error.code, "argument_invalid");
    fs::create_dir_all(new.join("something")).unwrap();
    assert_eq!(restore(&good, &new, None).await.unwrap_err().code, "file_unusable");
    fs::remove_dir_all(&new).unwrap();
    let restored = restore(&good, &new, None).await.unwrap();
    assert_eq!((restored.superseded, restored.earlier), (0, None));
    assert_eq!(Folder::new(&new).config().unwrap().shard, 2);
    let left: Vec<_> = fs::read_dir(temp.join("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_node_that_works_is_of_one_moment() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", None).await;
    let made = async |number: usize| {
        let file = temp.join(&format!("{number}.tar"));
        make(&Folder::new(&firm.dir), &file, true).await.unwrap().size
    };
    let work = async {
        for _ in 0..40 {
            firm.node().issue_ticket(IssueTicket { auto_accept: true, ttl: 60 }).await.unwrap();
        }
        crate::common::publish(&firm, &temp.join("source"), harmless()).await
    };
    let (_, first) = tokio::join!(work, made(1));
    let second = made(2).await;
    assert!(first >= 3 && second == 4, "{first} {second}");
    let out = temp.join("out");
    restore(&temp.join("2.tar"), &out, None).await.unwrap();
    // The copy is sound by itself, and empty of log until its node runs.
    let mut inspector = Inspector::open(&out.join("naru.db")).await.unwrap();
    inspector.integrity().await.unwrap();
    inspector.close().await.unwrap();
    let exported = firm.node().export(Export { out: temp.join("log") }).await.unwrap();
    assert_eq!(exported.size, 4, "a backup writes nothing into the log");
}
