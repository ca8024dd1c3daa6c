//! New key sets: made by the root, taken up by the node at its next start, fetched by peers when they first meet them (spec chapter
//! 02, ID-6; API-1.4).

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use naru::{config::Folder, keys};
use naru_protocol::log::entry::{EntryType, Side};

use crate::common::{Dials, Firm, Pair, Temp, catalog, harmless};

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

/// Runs the program with a file of the passphrase or without; its exit code, and what it wrote to both outputs.
fn naru(verb: &[&str], dir: &Path, passphrase: Option<&Path>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    command.args(verb).arg("--dir").arg(dir).stdin(Stdio::null());
    command.env_remove("NARU_PASSPHRASE_FILE").env_remove("CREDENTIALS_DIRECTORY").env_remove("NARU_DIR");
    if let Some(file) = passphrase {
        command.env("NARU_PASSPHRASE_FILE", file);
    }
    let done = command.output().unwrap();
    (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[test]
fn keys_under_a_passphrase_open_for_who_has_it_and_for_nobody_else() {
    let temp = Temp::new();
    let (dir, file, wrong) = (temp.join("node"), temp.join("passphrase"), temp.join("wrong"));
    fs::write(&file, "correct horse battery\n").unwrap();
    fs::write(&wrong, "correct horse").unwrap();
    assert!(naru(&["init", "--name", "n", "--country", "KR", "--host", "127.0.0.1"], &dir, None).0);
    let key = |name: &str| fs::read_to_string(dir.join("keys").join(name)).unwrap();
    let plain = key("signing.key");

    fs::write(temp.join("short"), "horse").unwrap();
    for (passphrase, why) in [(None, "no passphrase is there"), (Some(temp.join("short")), "8 characters")] {
        let (done, said) = naru(&["keys", "lock"], &dir, passphrase.as_deref());
        assert!(!done && said.contains(why) && said.contains("keys_sealed"), "{said}");
        assert_eq!(key("signing.key"), plain, "nothing was changed");
    }
    let (done, said) = naru(&["keys", "lock"], &dir, Some(&file));
    assert!(done && said.contains("under a passphrase"), "{said}");
    for name in
        ["root.key", "signing.key", "log.key", "transport.key", "private.key", "lanes.key", "witness.key"]
    {
        assert!(key(name).starts_with("naru-sealed-1 "), "{name}");
    }
    assert!(!key("signing.key").contains(plain.trim()));

    for (passphrase, why) in [(None, "no passphrase is there"), (Some(wrong.as_path()), "not the one")] {
        for verb in [&["run"][..], &["keys", "rotate"], &["keys", "unlock"]] {
            let (done, said) = naru(verb, &dir, passphrase);
            assert!(!done && said.contains(why) && said.contains("keys_sealed"), "{verb:?}: {said}");
            assert!(!said.contains("correct horse"), "{said}");
        }
    }
    // A new set is sealed as the others are.
    let (done, said) = naru(&["keys", "rotate"], &dir, Some(&file));
    assert!(done && said.contains("key set 2"), "{said}");
    assert!(key("signing-2.key").starts_with("naru-sealed-1 "));
    // A file is no other file.
    let (log, signing) = (key("log.key"), key("signing.key"));
    fs::write(dir.join("keys/log.key"), &signing).unwrap();
    assert!(naru(&["keys", "unlock"], &dir, Some(&file)).1.contains("keys_sealed"));
    fs::write(dir.join("keys/log.key"), log).unwrap();

    // What broke off in the middle: one file is as it was, the rest is sealed; doing it again ends it.
    fs::write(dir.join("keys/signing.key"), &plain).unwrap();
    assert!(naru(&["check", "--json"], &dir, Some(&file)).1.contains("those of the statements"));
    assert!(naru(&["keys", "lock"], &dir, Some(&file)).0);
    assert!(key("signing.key").starts_with("naru-sealed-1 "));
    let (done, said) = naru(&["keys", "unlock"], &dir, Some(&file));
    assert!(done && !said.contains("under a passphrase"), "{said}");
    assert_eq!(key("signing.key"), plain);
}
