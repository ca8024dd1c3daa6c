//! What the story of the README asks of a node: what rules would ask is told when something is published, a request is shown
//! before it is made, agreements and the log are listed, and an audit reads one file as it reads a folder (spec chapters 05, 09).

use std::fs;

use naru::{
    archive::Archive,
    audit::{self, Anchors},
    node::verbs::{Advice, Bundle, DatasetName, End, LogPage, PeerName, Preview, Publish},
    templates::{self, Kind},
};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use crate::common::{Dials, Firm, Pair, harmless, policy, proposal, shows_undetermined, write_files};

fn template(kind: Kind, name: &str) -> Value {
    templates::find(kind, name).unwrap().value()
}

async fn publish(pair: &Pair, policy: Value, facts: Value) -> String {
    let source = pair.temp.join("own");
    write_files(&source);
    let title = [("en".to_owned(), "own".to_owned())].into();
    pair.seller
        .node()
        .publish(Publish { path: source, title, policy, facts, ..Publish::default() })
        .await
        .unwrap()
        .dataset
}

async fn advice(pair: &Pair, dataset: &str) -> Result<Advice, Code> {
    let ask = DatasetName { dataset: dataset.to_owned() };
    pair.seller.node().advise(ask).await.map_err(|error| error.code())
}

async fn preview(pair: &Pair, dataset: &str, purpose: &str) -> Preview {
    let mut ask = proposal(&pair.seller.did, dataset, Some(pair.temp.join("in")));
    purpose.clone_into(&mut ask.purpose);
    pair.buyer.node().preview(ask).await.unwrap()
}

/// POL-4.1
#[tokio::test(flavor = "multi_thread")]
async fn what_rules_would_ask_is_told_when_it_is_published_and_a_template_answers_it() {
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    pair.seller.stop().await;
    shows_undetermined(&pair.seller);
    pair.seller.open().await;
    let terms = template(Kind::Terms, "research-only");
    let bare = publish(&pair, terms.clone(), json!({})).await;
    let Advice { wanted, refusals } = advice(&pair, &bare).await.unwrap();
    let basis = wanted.iter().find(|fact| fact.fact == "dataset.rights.basis").unwrap();
    assert_eq!((&basis.rules[..], basis.values.len()), (&["KR-IDX-001".to_owned()][..], 3));
    assert!(wanted.iter().any(|fact| fact.fact == "dataset.personal.kind" && fact.rules.len() > 1));
    let view = preview(&pair, &bare, "research").await;
    assert_eq!(view.allowed, Some(false), "{view:?}");
    let mut ask = proposal(&pair.seller.did, &bare, None);
    ask.purpose = "research".to_owned();
    let error = pair.buyer.node().request(ask.clone()).await.unwrap_err();
    assert!(matches!(error.code(), Code::Undetermined | Code::Denied), "{error}");
    assert!(refusals.is_empty(), "{refusals:?}");

    let full = publish(&pair, terms.clone(), template(Kind::Facts, "sensor-series")).await;
    let said = advice(&pair, &full).await.unwrap();
    assert!(said.wanted.is_empty() && said.refusals.is_empty(), "{said:?}");
    let before = pair.buyer.node().status().await.unwrap().log_size;
    let view = preview(&pair, &full, "research").await;
    assert_eq!((view.allowed, view.files), (Some(true), Some(4)), "{view:?}");
    assert_eq!(view.terms.unwrap().purposes, ["research"]);
    let view = preview(&pair, &full, "marketing").await;
    assert_eq!(view.allowed, Some(false));
    assert_eq!(view.decision.unwrap()["explained"][0]["id"], "POST-PUR-001");
    assert_eq!(pair.buyer.node().status().await.unwrap().log_size, before, "looking signs nothing");
    assert!(pair.buyer.node().exchanges().await.unwrap().is_empty());

    // What would be refused as things are is told with its law; facts of the operator count.
    let core = publish(&pair, policy(), crate::common::core_technology()).await;
    let core = advice(&pair, &core).await.unwrap();
    assert!(core.refusals.iter().any(|rule| rule["id"] == "KR-ITA-001" && rule["en"]["remedy"].is_string()));
    fs::write(pair.seller.dir.join("facts.json"), "[").unwrap();
    let blind = publish(&pair, terms, json!({})).await;
    assert_eq!(advice(&pair, &blind).await.unwrap_err(), Code::PolicyInput);
    assert_eq!(advice(&pair, "urn:dxp:none").await.unwrap_err(), Code::DatasetUnknown);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agreements_and_entries_are_listed_on_both_sides() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let ask = PeerName { peer: pair.seller.did.clone() };
    let item = pair.buyer.node().fetch_catalog(ask).await.unwrap().remove(0);
    assert_eq!(item.reference, format!("other/{}", pair.dataset));
    assert_eq!(serde_json::to_value(&item).unwrap()["ref"], item.reference.as_str());
    assert!(pair.buyer.node().agreements().await.unwrap().is_empty());
    let out = pair.temp.join("in");
    let asked = pair.buyer.request("other", &pair.dataset, Some(out.clone())).await.unwrap();
    let transfer = pair.concluded(&asked.id, &out).await;
    let one = |firm: &Firm| {
        let node = firm.node().clone();
        async move {
            let mut all = node.agreements().await.unwrap();
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0)
        }
    };
    let (ours, theirs) = (one(&pair.seller).await, one(&pair.buyer).await);
    assert_eq!(ours.agreement, theirs.agreement);
    assert_eq!((ours.role.as_str(), theirs.role.as_str()), ("provider", "consumer"));
    for view in [&ours, &theirs] {
        assert_eq!((view.state.as_str(), view.exchange.as_str()), ("in force", asked.id.as_str()));
        assert_eq!((view.transfers, view.max_transfers, view.retention_days), (1, Some(10), Some(365)));
        assert_eq!(view.transfer.as_deref(), Some(transfer.as_str()));
        assert_eq!(view.countries, ["KR", "SG"]);
        assert_eq!(view.purpose.as_deref(), Some("quality_analysis"));
    }

    let page = |from, limit, exchange: Option<&String>| LogPage { from, limit, exchange: exchange.cloned() };
    let whole = pair.seller.node().log(page(Some(0), Some(1000), None)).await.unwrap();
    assert_eq!((whole.entries.len() as u64, whole.next), (whole.size, None));
    assert_eq!(whole.entries[0].kind, "genesis");
    for (n, entry) in whole.entries.iter().enumerate() {
        assert_eq!(entry.index, n as u64);
        assert!(entry.checkpoint.is_some_and(|size| size > entry.index), "{entry:?}");
    }
    let signed = whole.entries.iter().find(|entry| entry.kind == "negotiation.agreement").unwrap();
    assert_eq!((signed.side.as_str(), signed.peer.as_deref()), ("sent", Some("merlion")));
    assert_eq!(signed.held_by, ["merlion"], "the peer acknowledged it");
    let (first, second) = (
        pair.seller.node().log(page(Some(0), Some(2), None)).await.unwrap(),
        pair.seller.node().log(page(Some(2), Some(2), None)).await.unwrap(),
    );
    assert_eq!((first.next, second.entries[0].index), (Some(2), 2));
    let own = pair.seller.node().log(page(None, None, Some(&asked.id))).await.unwrap();
    assert!(
        own.entries.iter().all(|entry| entry.exchange.as_ref() == Some(&asked.id)) && own.entries.len() > 3
    );

    let end = End { id: asked.id.clone(), reason: "over".to_owned() };
    pair.buyer.node().end(end).await.unwrap();
    for firm in [&pair.seller, &pair.buyer] {
        firm.until(&asked.id, |view| view.in_force.is_none()).await;
    }
    assert_eq!(one(&pair.seller).await.state, "ended");
    assert_eq!(one(&pair.buyer).await.state, "ended");
    pair.close().await;
}

/// AUD-1.12, AUD-1.13, AUD-1.14
#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_the_same_for_the_same_log_and_verified_as_a_folder_is() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let asked = pair.buyer.request("other", &pair.dataset, Some(pair.temp.join("in"))).await.unwrap();
    pair.concluded(&asked.id, &pair.temp.join("in")).await;
    let bundle = |firm: &Firm, name: &str| {
        let (node, out) = (firm.node().clone(), pair.temp.join(name));
        async move { node.bundle(Bundle { out }).await }
    };
    // The last acknowledgement gets its entry after an idle second; tokens made at another time would differ.
    let mut first = bundle(&pair.seller, "a0.zip").await.unwrap();
    for n in 1.. {
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let next = bundle(&pair.seller, &format!("a{n}.zip")).await.unwrap();
        if next.size == first.size {
            assert_eq!((&next.digest, next.bytes), (&first.digest, first.bytes));
            assert_eq!(fs::read(&next.file).unwrap(), fs::read(&first.file).unwrap());
            break;
        }
        assert!(n < 10, "the log does not come to rest");
        first = next;
    }
    // Nothing is written over, and nothing is left beside.
    assert_eq!(bundle(&pair.seller, "a0.zip").await.unwrap_err().code(), Code::FileUnusable);
    assert_eq!(
        pair.seller.node().bundle(Bundle { out: pair.seller.dir.join("x.zip") }).await.unwrap_err().code(),
        Code::FolderOccupied
    );
    let left = fs::read_dir(pair.temp.join("")).unwrap();
    assert!(left.into_iter().all(|entry| !entry.unwrap().file_name().to_str().unwrap().contains(".part")));

    let log = pair.buyer.log(&pair.temp).await;
    let trust = pair.temp.join("anchors.toml");
    let line = |did: &str, name: &str, country: &str| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let text = line(&pair.seller.did, "한강모터스", "KR") + &line(&pair.buyer.did, "Merlion", "SG");
    fs::write(&trust, text).unwrap();
    let anchors = Anchors::read(&trust).unwrap();
    let report = audit::verify(&[first.file.clone(), log.dir.clone()], &anchors).unwrap();
    assert!(report.holds(), "{}", report.to_text());

    // Every file of the folder is in the file; one that was made otherwise is a failed claim and nothing is unpacked.
    let archive = Archive::open(&first.file).unwrap();
    assert!(archive.files().any(|(name, _)| name.starts_with("acts/")));
    let bad = pair.temp.join("bad.zip");
    let mut bytes = fs::read(&first.file).unwrap();
    bytes.insert(0, b' ');
    fs::write(&bad, bytes).unwrap();
    let before = fs::read_dir(pair.temp.join("")).unwrap().count();
    let report = audit::verify(&[bad, log.dir], &anchors).unwrap();
    assert!(!report.holds() && report.to_text().contains("archive_refused"), "{}", report.to_text());
    assert_eq!(fs::read_dir(pair.temp.join("")).unwrap().count(), before);
    pair.close().await;
}
