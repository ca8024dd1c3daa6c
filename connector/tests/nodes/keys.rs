//! New key sets: made by the root, taken up by the node at its next start, fetched by peers when they first meet them (spec chapter
//! 02, ID-6; API-1.4).

use std::fs;

use naru::{config::Folder, keys};
use naru_protocol::log::entry::{EntryType, Side};

use crate::common::{Dials, Firm, Pair, catalog, harmless};

/// Stops a node, gives it a new key set, and starts it again.
async fn rotate(firm: &mut Firm) -> keys::Shown {
    let folder = Folder::new(&firm.dir);
    assert_eq!(keys::rotate(&folder, None).unwrap_err().code, "folder_locked", "not while the node runs");
    firm.stop().await;
    let shown = keys::rotate(&folder, None).unwrap();
    firm.open().await;
    shown
}

async fn trade(pair: &Pair, out: &str) -> (String, String) {
    let out = pair.temp.join(out);
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    (asked.id, transfer)
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_fetch_a_new_key_set_when_they_first_meet_it_on_either_side_or_both() {
    // API-1.4, ID-6.2, ID-6.8
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let (first, moved) = trade(&pair, "first").await;
    let shown = rotate(&mut pair.seller).await;
    assert_eq!(shown.sets.iter().map(|set| set.number).collect::<Vec<_>>(), [1, 2]);
    let (old, new) = (&shown.sets[0], &shown.sets[1]);
    assert!(old.signing != new.signing && old.log != new.log && old.witness != new.witness);
    assert_eq!(old.transport, new.transport, "peers find the node where it was");
    // The provider's acknowledgement is the first that the buyer sees of it.
    let (second, hauled) = trade(&pair, "second").await;
    rotate(&mut pair.buyer).await;
    rotate(&mut pair.seller).await;
    assert_eq!(catalog(&pair.buyer, &pair.seller.did).await.len(), 1, "listings of before are still shown");
    let (third, carried) = trade(&pair, "third").await;
    let (ours, theirs) = pair.logs_agree(&[&first, &moved, &second, &hauled, &third, &carried]).await;
    let learned = |log: &crate::common::Log, side| {
        log.lines.iter().filter(|l| l.entry.kind() == EntryType::Keys && l.entry.side() == side).count()
    };
    assert_eq!((learned(&ours, Side::Own), learned(&theirs, Side::Received)), (3, 2), "each is logged once");
    assert_eq!((learned(&theirs, Side::Own), learned(&ours, Side::Received)), (2, 1));
    let path = pair.temp.join("anchors.toml");
    let anchor = |did: &str, name: &str, country: &str| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people = anchor(&pair.seller.did, "한강모터스", "KR") + &anchor(&pair.buyer.did, "Merlion", "SG");
    fs::write(&path, format!("version = 1\n{people}")).unwrap();
    let trust = naru::audit::Anchors::read(&path).unwrap();
    let report = naru::audit::verify(&[ours.dir.clone(), theirs.dir.clone()], &trust).unwrap();
    assert!(report.holds(), "{}", report.to_text());

    // Whoever meets the exporter only now sees what it listed before, too.
    let late = Firm::start(pair.temp.join("late"), "late", "SG", Some(0)).await;
    late.trust(pair.seller.ticket().await).await;
    assert_eq!(catalog(&late, &pair.seller.did).await.len(), 1);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_signs_from_wherever_it_is_kept_and_nobody_else_does() {
    // ID-5.2
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let mut firm = pair.seller;
    firm.stop().await;
    let (folder, safe) = (Folder::new(&firm.dir), pair.temp.join("root.key"));
    fs::rename(firm.dir.join("keys/root.key"), &safe).unwrap();
    assert_eq!(keys::show(&folder).unwrap().root, None);
    assert_eq!(keys::rotate(&folder, None).unwrap_err().code, "key_file_unusable");
    let other = pair.buyer.dir.join("keys/root.key");
    assert_eq!(keys::rotate(&folder, Some(&other)).unwrap_err().code, "key_file_unusable");
    assert_eq!(keys::show(&folder).unwrap().sets.len(), 1, "nothing was changed");
    // A rotation that broke off before its statement: the old set goes on.
    fs::copy(firm.dir.join("keys/log.key"), firm.dir.join("keys/signing-2.key")).unwrap();
    firm.open().await;
    firm.stop().await;
    assert_eq!(keys::rotate(&folder, Some(&safe)).unwrap().sets.len(), 2);
    firm.open().await;
    firm.stop().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(firm.dir.join("keys/signing-2.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
