//! Newer packs and signed data in whole nodes: taken up whole or not at all, law for what runs, and a deal between two sides with
//! different packs (spec chapter 05, POL-18, POL-19).

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use naru::{
    node::{NodeError, verbs::AddFile},
    supply::Supply,
};
use naru_policy::bundled;
use naru_protocol::{
    error::Code,
    json::V1,
    log::entry::EntryType,
    signature::SigningKey,
    supply::{DataKind, PackSet, Signed, SignedData},
};
use serde_json::{Value, json};

use super::monitor::{again, traded, until};
use crate::common::{Dials, Firm, Pair, Temp, catalog, harmless, now, private};

const LATER: &str = "2026-12-01.1";

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Two of three sign packs, one signs data.
fn signers(firm: &Firm) {
    let text = |n: u8| format!("\"{}\"", key(n).public());
    let table = format!(
        "\n[packs]\nsigners = [{}, {}, {}]\nthreshold = 2\ndata_signers = [{}]\n",
        text(1),
        text(2),
        text(3),
        text(4)
    );
    let path = firm.dir.join("naru.toml");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(path, before + &table).unwrap();
}

/// A pack of the program with another revision and other data.
fn changed(name: &str, revision: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (_, bytes) = bundled::PACKS.iter().find(|(other, _)| *other == name).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(*bytes));
    let mut change = Some(change);
    let mut out = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().trim_start_matches('/').to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if path == "data.json" || path == ".manifest" {
            let mut value: Value = serde_json::from_slice(&content).unwrap();
            let place = if path == "data.json" { "/pack/revision" } else { "/revision" };
            *value.pointer_mut(place).unwrap() = json!(revision);
            if let Some(change) = change.take_if(|_| path == "data.json") {
                change(&mut value);
            }
            content = serde_json::to_vec(&value).unwrap();
        } else if path != "policy.wasm" {
            continue;
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        out.append_data(&mut header, path, &content[..]).unwrap();
    }
    let mut gz = out.into_inner().unwrap();
    gz.flush().unwrap();
    gz.finish().unwrap()
}

/// A set of one pack that these have signed, as one file.
fn set(temp: &Temp, number: u64, (name, archive): (&str, &[u8]), signed_by: &[u8], until: u64) -> PathBuf {
    let folder = temp.join(&format!("packs-{number}-{name}-{}", signed_by.len()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.tar.gz")), archive).unwrap();
    let issued = now().min(until) - 10;
    let mut supply = Supply::of_folder(&folder, number, (issued, until), &key(signed_by[0])).unwrap();
    for n in &signed_by[1..] {
        supply.signed = supply.signed.also::<PackSet>(&key(*n)).unwrap();
    }
    let file = folder.join("set.json");
    supply.write(&file).unwrap();
    file
}

async fn add(firm: &Firm, file: PathBuf) -> Result<naru::node::verbs::PacksView, NodeError> {
    firm.node().add_packs(AddFile { file }).await
}

async fn refused(firm: &Firm, file: PathBuf) -> &'static str {
    add(firm, file).await.unwrap_err().code().as_str()
}

fn data(temp: &Temp, kind: DataKind, (number, until): (u64, u64), entries: Value) -> PathBuf {
    let entries = entries.as_array().unwrap().clone();
    let issued_at = now().min(until) - 10;
    let data = SignedData { v: V1, kind, number, issued_at, expires_at: until, entries };
    let file = temp.join(&format!("{}-{number}.json", kind.as_str()));
    let signed = Signed::new(&data, &key(4)).unwrap();
    Supply { signed, archives: Default::default() }.write(&file).unwrap();
    file
}

/// POL-18.1, POL-18.2, POL-18.3, POL-18.4, POL-18.5, POL-18.6: what is wrong with a set is named, and nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_taken_up_whole_or_not_at_all() {
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("firm"), "한강모터스", "KR", Some(0)).await;
    let sg = changed("sg", LATER, |_| {});
    let later = now() + 1000;
    let good = || set(&temp, 2, ("sg", &sg), &[1, 2], later);
    assert_eq!(refused(&firm, good()).await, "signers_missing", "nobody may sign yet");
    signers(&firm);
    let (before, size) =
        (firm.node().packs().await.unwrap().packs, firm.node().status().await.unwrap().log_size);
    assert_eq!(refused(&firm, set(&temp, 2, ("sg", &sg), &[1], later)).await, "signers_missing");
    assert_eq!(refused(&firm, set(&temp, 2, ("sg", &sg), &[1, 9], later)).await, "signers_missing");
    assert_eq!(refused(&firm, set(&temp, 2, ("sg", &sg), &[1, 2, 3], now() - 5)).await, "supply_expired");
    let old = changed("sg", "2026-01-01.1", |_| {});
    assert_eq!(refused(&firm, set(&temp, 2, ("sg", &old), &[1, 2], later)).await, "supply_older");
    let same = changed("sg", &before[7].revision, |data| data["pack"]["title"]["en"] = json!("Other"));
    assert_eq!(refused(&firm, set(&temp, 2, ("sg", &same), &[1, 2], later)).await, "bundle_digest");
    // Another pack than the one that was signed, none, and files that are no such thing.
    let swapped = good();
    let mut supply = Supply::read(&swapped).unwrap();
    supply.archives.insert("sg".to_owned(), changed("sg", LATER, |data| data["pack"]["grace"] = json!(1)));
    supply.write(&swapped).unwrap();
    assert_eq!(refused(&firm, swapped.clone()).await, "bundle_digest");
    supply.archives.clear();
    supply.write(&swapped).unwrap();
    assert_eq!(refused(&firm, swapped.clone()).await, "bundle_missing");
    let whole = fs::read(good()).unwrap();
    fs::write(&swapped, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(refused(&firm, swapped).await, "malformed");
    assert_eq!(refused(&firm, temp.join("none.json")).await, "file_unusable");
    let after = firm.node().packs().await.unwrap().packs;
    let digests =
        |packs: &[naru::node::verbs::PackView]| packs.iter().map(|p| p.digest.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&before), digests(&after));
    assert_eq!(firm.node().status().await.unwrap().log_size, size, "a refused set leaves no entry");

    let file = good();
    let view = add(&firm, file.clone()).await.unwrap();
    let taken = view.packs.iter().find(|pack| pack.name == "sg").unwrap();
    assert_eq!((taken.revision.as_str(), taken.accepted_at.is_some()), (LATER, true));
    assert_eq!((view.supplies[0].number, view.supplies[0].stale), (2, false));
    // The same again is no change; an earlier number is none either.
    add(&firm, file).await.unwrap();
    assert_eq!(refused(&firm, set(&temp, 1, ("sg", &sg), &[1, 2], later)).await, "supply_older");
    firm.stop().await;
    firm.open().await;
    let view = firm.node().packs().await.unwrap();
    assert!(view.packs.iter().any(|pack| pack.name == "sg" && pack.revision == LATER), "over a restart too");
    let log = firm.log(&temp).await;
    let entries: Vec<_> = log.lines.iter().filter(|line| line.entry.kind() == EntryType::Pack).collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0].fields["number"], &entries[0].fields["packs"][0]["name"]),
        (&json!(2), &json!("sg"))
    );
    firm.stop().await;
}

/// POL-18.7, TRF-2.4, POL-17.1: the newest law judges what was agreed, after the grace that it gives.
#[tokio::test(flavor = "multi_thread")]
async fn newer_law_judges_an_agreement_that_runs() {
    let (pair, id) = traded().await;
    signers(&pair.seller);
    // As if the framework were not in force any more.
    let law = |revision: &str, grace: u64| {
        let own = revision.to_owned();
        changed("core", revision, move |data| {
            data["pack"]["grace"] = json!(grace);
            data["pack"]["accepted_revisions"].as_array_mut().unwrap().push(json!(own));
            data["agreements"]["list"] = json!({});
        })
    };
    let later = now() + 1000;
    let gentle = law(LATER, 100_000);
    add(&pair.seller, set(&pair.temp, 1, ("core", &gentle), &[1, 3], later)).await.unwrap();
    let transfer = again(&pair, &id, "in-grace").await.unwrap();
    pair.buyer.until(&transfer, |view| view.state == "COMPLETED").await;
    assert_eq!(until(&pair.seller, "in force").await.standing.map(|s| s.code), None);

    let hard = law("2026-12-01.2", 0);
    add(&pair.seller, set(&pair.temp, 2, ("core", &hard), &[2, 3], later)).await.unwrap();
    let standing = until(&pair.seller, "suspended").await.standing.unwrap();
    assert_eq!((standing.code.as_str(), standing.explained[0]["id"].as_str()), ("denied", Some("CORE-003")));
    let named = |packs: &Value| {
        let all = packs.as_array().unwrap().clone();
        all.into_iter().find(|pack| pack["name"] == "core").unwrap()["digest"].clone()
    };
    assert_ne!(named(&standing.pinned), named(&standing.packs), "both are told");
    let transfer = again(&pair, &id, "after").await.unwrap();
    let ended = pair.buyer.until(&transfer, |view| view.state == "TERMINATED").await;
    assert_eq!(ended.refusal.unwrap().code, "denied");
    // Whoever executes decisions again has every pack that judged.
    let out = pair.temp.join("export");
    pair.seller.node().export(naru::node::verbs::Export { out: out.clone() }).await.unwrap();
    for packs in [&standing.pinned, &standing.packs] {
        let digest = named(packs);
        assert!(out.join(format!("packs/{}.tar.gz", digest.as_str().unwrap())).exists());
    }
    pair.close().await;
}

/// POL-18.8
#[tokio::test(flavor = "multi_thread")]
async fn two_sides_with_different_packs_are_told_whose_is_behind_and_trade_where_it_is_not_needed() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    signers(&pair.seller);
    let later = now() + 1000;
    let nz = changed("nz", LATER, |_| {});
    add(&pair.seller, set(&pair.temp, 1, ("nz", &nz), &[1, 2], later)).await.unwrap();
    let out = pair.temp.join("in");
    let asked = pair.buyer.request("other", &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;

    let sg = changed("sg", LATER, |_| {});
    let file = set(&pair.temp, 2, ("sg", &sg), &[1, 2], later);
    add(&pair.seller, file.clone()).await.unwrap();
    let asked = pair.buyer.request("other", &pair.dataset, Some(pair.temp.join("two"))).await.unwrap();
    let view = pair.buyer.until(&asked.id, |view| view.refusal.is_some()).await;
    let refusal = view.refusal.unwrap();
    let said = refusal.reasons.join(" ");
    assert_eq!(refusal.code, "packs_differ");
    assert!(
        said.contains("sg: the provider has 2026-12-01.1") && said.contains("behind: consumer"),
        "{said}"
    );
    assert!(!said.contains("nz"), "{said}");

    signers(&pair.buyer);
    add(&pair.buyer, file).await.unwrap();
    let out = pair.temp.join("three");
    let asked = pair.buyer.request("other", &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    pair.close().await;
}

/// POL-19.2, POL-19.3, POL-19.4, POL-17.3
#[tokio::test(flavor = "multi_thread")]
async fn signed_data_count_while_they_are_good_and_leave_the_rule_open_after() {
    let (pair, _) = traded().await;
    signers(&pair.seller);
    // The node's own screening alone.
    let mut facts = private(&[], &[]);
    facts["stop_orders"] = json!([]);
    pair.seller.facts(&facts);
    let add = async |file: PathBuf| pair.seller.node().add_data(AddFile { file }).await;
    let (later, temp) = (now() + 1000, &pair.temp);
    let hit = json!([{"name": "MERLION"}]);
    let strange = Signed::new(
        &SignedData {
            v: V1,
            kind: DataKind::Sanctions,
            number: 9,
            issued_at: 1,
            expires_at: later,
            entries: Vec::new(),
        },
        &key(1),
    );
    let file = temp.join("strange.json");
    Supply { signed: strange.unwrap(), archives: Default::default() }.write(&file).unwrap();
    assert_eq!(
        add(file).await.unwrap_err().code(),
        Code::SignersMissing,
        "one of the packs' signers is none of these"
    );
    let expired = data(temp, DataKind::Sanctions, (8, now() - 1), json!([]));
    assert_eq!(add(expired).await.unwrap_err().code(), Code::SupplyExpired);

    add(data(temp, DataKind::Sanctions, (2, later), hit)).await.unwrap();
    let standing = until(&pair.seller, "suspended").await.standing.unwrap();
    assert!(standing.rules.iter().any(|rule| rule.starts_with("SANC-001")), "{standing:?}");
    assert!(catalog(&pair.buyer, &pair.seller.did).await.is_empty(), "nor is anything shown");
    assert_eq!(
        add(data(temp, DataKind::Sanctions, (1, later), json!([]))).await.unwrap_err().code(),
        Code::SupplyOlder
    );
    add(data(temp, DataKind::Sanctions, (3, later), json!([]))).await.unwrap();
    until(&pair.seller, "in force").await;

    add(data(temp, DataKind::StopOrders, (1, later), json!([{"ref": "S-7", "country": "SG"}])))
        .await
        .unwrap();
    assert_eq!(until(&pair.seller, "suspended").await.standing.unwrap().rules, ["CORE-006 (S-7)"]);
    add(data(temp, DataKind::StopOrders, (2, now() + 4), json!([]))).await.unwrap();
    // Once the list of orders is stale, nobody knows whether there is one.
    let standing = loop {
        let standing = until(&pair.seller, "suspended").await.standing.unwrap();
        if standing.code == "undetermined" {
            break standing;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(standing.rules, ["CORE-001 (/stop_orders)"]);
    let status = pair.seller.node().status().await.unwrap();
    let stale = status.supplies.iter().find(|supply| supply.stale).unwrap();
    assert_eq!(stale.what, "stop_orders");
    assert!(
        stale.steps[0].starts_with("naru data add") && stale.steps[0].contains("FILE"),
        "{:?}",
        stale.steps
    );
    add(data(temp, DataKind::StopOrders, (3, later), json!([]))).await.unwrap();
    until(&pair.seller, "in force").await;
    pair.close().await;
}
