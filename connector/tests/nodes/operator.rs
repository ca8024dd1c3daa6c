//! What the operator of a node does and is told: folders that cannot take the files, deals that stop, are ended or tried again,
//! partners who are confirmed or not (spec chapters 02, 06, 07).

use std::{fs, path::Path, process::Command};

use naru::config::Folder;
use naru::node::verbs::{
    Accept, Cancel, DatasetName, ExchangeName, Expect, IssueTicket, PeerName, Publish, Retry, Trust,
};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use crate::common::{
    self, Dials, Firm, Log, Pair, Temp, catalog, harmless, private, proposal, publish_under, same_files,
    settled, told,
};

async fn size(firm: &Firm) -> u64 {
    firm.node().status().await.unwrap().log_size
}

/// A deal in force whose data nobody asked for yet; gives the negotiation.
async fn agreed(pair: &Pair) -> String {
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    let (ours, theirs) = pair.settled(&asked.id).await;
    assert!(ours.in_force.is_some() && theirs.in_force.is_some(), "{ours:#?} {theirs:#?}");
    asked.id
}

fn retry(id: &str, out: Option<&Path>) -> Retry {
    Retry { id: id.to_owned(), out: out.map(Path::to_owned) }
}

fn cancel(id: &str, reason: &str) -> Cancel {
    Cancel { id: id.to_owned(), reason: Some(reason.to_owned()) }
}

fn break_facts(firm: &Firm) {
    fs::write(firm.dir.join("facts.json"), "[").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_take_the_files_is_refused_before_anything_is_signed() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    catalog(buyer, &seller.did).await;
    let (file, full) = (pair.temp.join("file"), pair.temp.join("full"));
    fs::write(&file, "x").unwrap();
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine.txt"), "x").unwrap();
    let before = size(buyer).await;
    for (out, code) in [
        (&file, Code::FileUnusable),
        (&full, Code::FolderOccupied),
        (&buyer.dir, Code::FolderOccupied),
        (&buyer.dir.join("got"), Code::FolderOccupied),
    ] {
        let error = buyer.request(&seller.did, &pair.dataset, Some(out.clone())).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(&out.display().to_string()), "{error}");
        let ask = Expect {
            peer: seller.did.clone(),
            out: out.clone(),
            purpose: "quality_analysis".to_owned(),
            countries: vec!["SG".to_owned()],
            facts: None,
        };
        assert_eq!(buyer.node().expect(ask).await.unwrap_err().code(), code);
    }
    assert!(buyer.node().exchanges().await.unwrap().is_empty());
    assert_eq!(size(buyer).await, before, "nothing was signed");
    assert_eq!(fs::read(full.join("mine.txt")).unwrap(), b"x");

    // A folder that a deal under way or a standing order will use is no other's.
    let (kept, out) = (pair.temp.join("kept"), pair.temp.join("out"));
    buyer.expect(&seller.did, kept.clone()).await;
    let error = buyer.request(&seller.did, &pair.dataset, Some(kept.join("below"))).await.unwrap_err();
    assert_eq!(error.code(), Code::FolderOccupied, "{error}");
    buyer.expect(&seller.did, kept).await;
    break_facts(seller);
    // The rules' facts are the provider's trouble: the deal waits.
    let first = buyer.node().exchanges().await.unwrap().len();
    seller.facts(&private(&[&buyer.did], &[]));
    let id = agreed(&pair).await;
    break_facts(seller);
    let transfer = buyer.node().retry(retry(&id, Some(&out))).await.unwrap();
    let error = buyer.request(&seller.did, &pair.dataset, Some(out.clone())).await.unwrap_err();
    assert!(matches!(error.code(), Code::FolderOccupied | Code::DatasetNotOffered), "{error}");
    seller.facts(&private(&[&buyer.did], &[]));
    let error = buyer.request(&seller.did, &pair.dataset, Some(out.clone())).await.unwrap_err();
    assert_eq!(error.code(), Code::FolderOccupied, "{error}");
    pair.settled(&transfer.id).await;
    same_files(&out);
    assert_eq!(buyer.node().exchanges().await.unwrap().len(), first + 2);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_cannot_be_requested_says_why_and_is_requested_when_it_can() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let (id, out) = (agreed(&pair).await, pair.temp.join("out"));
    break_facts(buyer);
    let view = buyer.node().retry(retry(&id, Some(&out))).await.unwrap();
    let trouble = view.trouble.unwrap();
    assert_eq!((trouble.code.as_str(), trouble.goes_on), ("policy_input", true), "{trouble:?}");
    buyer.facts(&json!({}));
    pair.concluded(&id, &out).await;
    let view = buyer.view(&id).await.unwrap();
    assert_eq!((view.trouble, view.refusal), (None, None), "what has passed is not told any more");

    // The own law does not pass by itself: it is told with rule, law and remedy, and nothing is asked for.
    let (id, out) = (agreed(&pair).await, pair.temp.join("second"));
    buyer.facts(&json!({"stop_orders": [{"ref": "S-1", "dataset": pair.dataset}]}));
    let error = buyer.node().retry(retry(&id, Some(&out))).await.unwrap_err();
    assert_eq!(error.code(), Code::Denied, "{error}");
    let failure = naru::control::Failure::from(error);
    let rule = &failure.explained[0];
    assert_eq!(rule["id"], "CORE-006", "{rule}");
    assert!(
        ["law", "reason", "remedy"].iter().all(|w| rule["en"][w].as_str().is_some_and(|t| !t.is_empty()))
    );
    let view = buyer.view(&id).await.unwrap();
    let trouble = view.trouble.unwrap();
    assert_eq!((trouble.code.as_str(), trouble.goes_on), ("denied", false));
    assert_eq!(
        view.decision.unwrap()["phase"],
        "transfer",
        "the evaluation that forbids it can be looked at"
    );
    buyer.facts(&json!({}));
    let again = buyer.node().retry(retry(&id, None)).await.unwrap();
    assert_eq!(again.kind, "transfer");
    pair.settled(&again.id).await;
    same_files(&out);
    assert_eq!(seller.view(&again.id).await.unwrap().state, "COMPLETED");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_cannot_be_written_wait_for_another_folder() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let (id, out, other) = (agreed(&pair).await, pair.temp.join("out"), pair.temp.join("other"));
    break_facts(seller);
    let transfer = buyer.node().retry(retry(&id, Some(&out))).await.unwrap().id;
    let gave = seller.until(&transfer, |v| v.trouble.is_some()).await.trouble.unwrap();
    assert_eq!((gave.code.as_str(), gave.goes_on), ("policy_input", true), "{gave:?}");
    // Between the question and the bytes somebody takes a name.
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("table.csv"), "mine").unwrap();
    let error = buyer.node().retry(retry(&transfer, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::FolderOccupied, "{error}");
    seller.facts(&private(&[&buyer.did], &[]));
    let view = buyer.until(&transfer, |v| v.trouble.is_some()).await;
    let trouble = view.trouble.unwrap();
    assert_eq!((trouble.code.as_str(), trouble.goes_on), ("file_unusable", false), "{trouble:?}");
    assert!(trouble.message.contains("table.csv"), "{trouble:?}");
    assert_eq!((view.state.as_str(), view.out.as_deref()), ("STARTED", Some(out.as_path())));
    buyer.node().retry(retry(&transfer, Some(&other))).await.unwrap();
    let (_, got) = pair.settled(&transfer).await;
    assert_eq!(got.state, "COMPLETED");
    same_files(&other);
    assert_eq!(fs::read(out.join("table.csv")).unwrap(), b"mine");
    let left = buyer.node().retry(retry(&transfer, None)).await.unwrap_err();
    assert_eq!(left.code(), Code::IllegalState, "{left}");
    let wrong_side = seller.node().retry(retry(&transfer, None)).await.unwrap_err();
    assert_eq!(wrong_side.code(), Code::IllegalState);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_was_cancelled_is_told_to_both_and_can_be_asked_for_again() {
    // NEG-3.9, TRF-3.1
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let (id, out) = (agreed(&pair).await, pair.temp.join("out"));
    break_facts(seller);
    let first = buyer.node().retry(retry(&id, Some(&out))).await.unwrap().id;
    buyer.until(&first, |v| v.state == "REQUESTED").await;
    buyer.node().cancel(cancel(&first, "wrong folder")).await.unwrap();
    let (gave, got) = pair.settled(&first).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("TERMINATED", "TERMINATED"));
    let (told, own) = (gave.refusal.unwrap(), got.refusal.unwrap());
    assert_eq!((told.code.as_str(), told.side.as_str()), ("cancelled", "peer"));
    assert_eq!((own.code.as_str(), own.side.as_str()), ("cancelled", "local"));
    assert_eq!(told.reasons, ["wrong folder"]);
    assert_eq!(buyer.node().cancel(cancel(&first, "")).await.unwrap_err().code(), Code::IllegalState);
    assert_eq!(buyer.node().cancel(cancel(&id, "")).await.unwrap_err().code(), Code::IllegalState);
    let long = "x".repeat(1025);
    assert_eq!(buyer.node().cancel(cancel(&id, &long)).await.unwrap_err().code(), Code::ArgumentInvalid);

    seller.facts(&private(&[&buyer.did], &[]));
    let second = buyer.node().retry(retry(&first, None)).await.unwrap().id;
    assert_ne!(first, second);
    pair.settled(&second).await;
    same_files(&out);
    pair.logs_agree(&[&id, &first, &second]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_have_arrived_are_received_again_as_often_as_the_agreement_allows() {
    // TRF-3.1, POL-10.6
    let mut pair = Pair::new(Dials::Buyer, harmless()).await;
    let twice = common::policy_with("count", Some(json!("2")));
    pair.dataset = publish_under(&pair.seller, &pair.temp.join("twice"), harmless(), twice).await;
    let id = agreed(&pair).await;
    let out = |n: u8| pair.temp.join(&format!("out-{n}"));
    let mut seen = vec![id.clone()];
    for n in [1, 2] {
        let transfer = pair.buyer.node().retry(retry(&id, Some(&out(n)))).await.unwrap().id;
        let got = pair.settled(&transfer).await.1;
        assert_eq!(got.state, "COMPLETED", "{got:#?}");
        same_files(&out(n));
        assert!(!seen.contains(&transfer));
        seen.push(transfer);
    }
    let arrived = pair.buyer.node().retry(retry(&id, None)).await.unwrap_err();
    assert_eq!(arrived.code(), Code::IllegalState, "it would be the same folder");
    let third = pair.buyer.node().retry(retry(&seen[2], Some(&out(3)))).await.unwrap_err();
    assert!(third.code() == Code::Denied && third.to_string().contains("POST-CNT-001"), "{third}");
    pair.logs_agree(&seen.iter().map(String::as_str).collect::<Vec<_>>()).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_a_dataset_that_was_never_read_is_read_and_taken_up() {
    // CAT-7.6
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let out = pair.temp.join("out");
    pair.buyer.expect(&pair.seller.did, out.clone()).await;
    let made = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    pair.concluded(&made.id, &out).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_seen_revoked_and_takes_up_an_offer_that_came_before() {
    // NEG-3.5
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let made = seller.node().offer(proposal(&buyer.did, &pair.dataset, None)).await.unwrap();
    buyer.until(&made.id, |v| v.state == "OFFERED").await;
    let (first, out) = (pair.temp.join("first"), pair.temp.join("out"));
    let order = |purpose: &str, out: &Path| Expect {
        peer: seller.did.clone(),
        out: out.to_owned(),
        purpose: purpose.to_owned(),
        countries: vec!["SG".to_owned()],
        facts: None,
    };
    // Another purpose: the offer goes on waiting, and so does the order, in sight.
    let answer = buyer.node().expect(order("maintenance", &first)).await.unwrap();
    assert_eq!(answer["taken_up"], Value::Null);
    let seen = buyer.node().peers().await.unwrap().remove(0).expects.unwrap();
    assert!(seen.contains("maintenance") && seen.contains(&first.display().to_string()), "{seen}");
    let second = buyer.node().expect(order("quality_analysis", &out)).await.unwrap_err();
    assert_eq!(second.code(), Code::IllegalState, "one order for a peer, none is replaced in silence");
    let peer = || PeerName { peer: seller.did.clone() };
    buyer.node().revoke(peer()).await.unwrap();
    assert_eq!(buyer.node().revoke(peer()).await.unwrap_err().code(), Code::IllegalState);
    assert_eq!(buyer.view(&made.id).await.unwrap().state, "OFFERED");

    let answer = buyer.node().expect(order("quality_analysis", &out)).await.unwrap();
    assert_eq!(answer["taken_up"], json!(made.id));
    pair.concluded(&made.id, &out).await;
    assert_eq!(buyer.node().peers().await.unwrap().remove(0).expects, None);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_cancelled_as_soon_as_it_was_heard_even_over_a_restart() {
    let mut pair = Pair::new(Dials::Seller, harmless()).await;
    catalog(&pair.buyer, &pair.seller.did).await;
    // The other side would take it up at once.
    pair.buyer.expect(&pair.seller.did, pair.temp.join("out")).await;
    pair.buyer.stop().await;
    let offered = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
    let waits = pair.seller.until(&offered.id, |v| v.trouble.is_some()).await.trouble.unwrap();
    assert!(waits.goes_on && waits.side == "transport", "an act that waits for its peer says so: {waits:?}");
    let view = pair.seller.node().cancel(cancel(&offered.id, "sold elsewhere")).await.unwrap();
    assert_eq!((view.state.as_str(), view.refusal), ("NONE", None), "nothing may follow what is unanswered");
    pair.seller.stop().await;
    pair.seller.open().await;
    pair.buyer.open().await;
    let (ours, theirs) = pair.settled(&offered.id).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert_eq!(theirs.refusal.unwrap().reasons, ["sold elsewhere"]);
    // The buyer may have taken the offer up before it heard of the end: then its act crossed, and was dropped.
    let logs = [pair.seller.log(&pair.temp).await, pair.buyer.log(&pair.temp).await];
    let dropped = logs.iter().flat_map(|log| log.dropped(&offered.id)).collect::<Vec<_>>();
    let live = |log: &Log| {
        let acts = log.acts(&offered.id).into_iter().filter(|(act, _)| !dropped.contains(act));
        acts.map(|(act, (kind, count))| (act, kind, count)).collect::<Vec<_>>()
    };
    assert_eq!(live(&logs[0]), live(&logs[1]));
    assert!(live(&logs[0]).len() + dropped.len() == 3, "the offer, its being taken up, and the end");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_to_be_accepted_waits_in_status() {
    let temp = Temp::new();
    let (seller, buyer) = tokio::join!(
        Firm::start(temp.join("seller"), "Hangang", "KR", None),
        Firm::start(temp.join("buyer"), "Merlion", "SG", Some(0)),
    );
    let ticket = seller.node().issue_ticket(IssueTicket { auto_accept: false, ttl: 3600 }).await.unwrap();
    let trust = Trust { ticket: ticket.ticket, alias: "seller".to_owned(), fingerprint: ticket.fingerprint };
    assert_eq!(buyer.node().trust(trust).await.unwrap().status, "waits to be accepted by the other side");
    let status = seller.node().status().await.unwrap();
    let [waits] = &status.pending[..] else { panic!("{:?}", status.pending) };
    assert_eq!(
        (status.waiting.person, waits.kind.as_str(), waits.id.as_str()),
        (1, "peer", buyer.did.as_str())
    );
    assert!(
        waits.steps[0].starts_with("naru accept --dir ") && waits.steps[0].ends_with(&waits.peer),
        "{waits:?}"
    );
    // Not at whoever waits for somebody else.
    assert_eq!(buyer.node().status().await.unwrap().waiting.person, 0);
    let fingerprint =
        naru_protocol::identity::fingerprint(&naru_protocol::identity::Did::parse(&buyer.did).unwrap());
    seller.node().accept_peer(Accept { peer: buyer.did.clone(), fingerprint }).await.unwrap();
    let status = seller.node().status().await.unwrap();
    assert!(status.pending.is_empty() && status.waiting.person == 0, "{:?}", status.pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_pinned_whose_fingerprint_was_not_told() {
    // ID-2.4, ID-8.7
    let temp = Temp::new();
    let (seller, buyer) = tokio::join!(
        Firm::start(temp.join("seller"), "Hangang", "KR", None),
        Firm::start(temp.join("buyer"), "Merlion", "SG", Some(0)),
    );
    let by_hand = IssueTicket { auto_accept: false, ttl: 3600 };
    let ticket = seller.node().issue_ticket(by_hand.clone()).await.unwrap();
    let trust = |fingerprint: &str, alias: &str| Trust {
        ticket: ticket.ticket.clone(),
        alias: alias.to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    let refused = |error: naru::node::NodeError, code: Code| assert_eq!(error.code(), code, "{error}");
    let wrong = "0000 0000 0000 0000";
    for told in [wrong, ""] {
        refused(buyer.node().trust(trust(told, "seller")).await.unwrap_err(), Code::FingerprintDiffers);
    }
    let right = ticket.fingerprint.replace(' ', "").to_uppercase();
    for alias in ["", "a/b", "did:key:z6Mk", "a b"] {
        refused(buyer.node().trust(trust(&right, alias)).await.unwrap_err(), Code::ArgumentInvalid);
    }
    refused(seller.node().trust(trust(&right, "me")).await.unwrap_err(), Code::ArgumentInvalid);
    assert!(
        buyer.node().peers().await.unwrap().is_empty() && seller.node().peers().await.unwrap().is_empty()
    );
    for ttl in [0, 30 * 86_400 + 1, u64::MAX] {
        let ask = IssueTicket { auto_accept: false, ttl };
        refused(seller.node().issue_ticket(ask).await.unwrap_err(), Code::ArgumentInvalid);
    }
    refused(buyer.node().issue_ticket(by_hand).await.unwrap_err(), Code::ConfigInvalid);

    let view = buyer.node().trust(trust(&right, "seller")).await.unwrap();
    assert!(view.confirmed && view.status.starts_with("waits"), "{view:?}");
    let peer = seller.node().peers().await.unwrap().remove(0);
    assert_eq!((peer.status.as_str(), peer.confirmed), ("pending", false));
    let accept = |fingerprint: &str| Accept { peer: peer.alias.clone(), fingerprint: fingerprint.to_owned() };
    refused(seller.node().accept_peer(accept(wrong)).await.unwrap_err(), Code::FingerprintDiffers);
    assert_eq!(seller.node().peers().await.unwrap()[0].status, "pending");
    let accepted = seller.node().accept_peer(accept(&peer.fingerprint)).await.unwrap();
    assert!(accepted.confirmed && accepted.status == "accepted");

    // A ticket is used by one; a short name is one peer's.
    let third = Firm::start(temp.join("third"), "Third", "SG", Some(0)).await;
    refused(third.node().trust(trust(&right, "seller")).await.unwrap_err(), Code::TicketUsed);
    let other = Firm::start(temp.join("other"), "Other", "KR", None).await;
    let ticket = other.ticket().await;
    let ask = Trust { fingerprint: told(&ticket), ticket, alias: "seller".to_owned() };
    refused(buyer.node().trust(ask).await.unwrap_err(), Code::ArgumentInvalid);
    assert!(other.node().peers().await.unwrap().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_told_who_vouches_for_a_partner_and_the_audit_holds() {
    // AUD-6.6, ID-8.7: the buyer compared the seller's fingerprint; the seller's ticket accepted by itself.
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let id = agreed(&pair).await;
    let (ours, theirs) = pair.logs_agree(&[&id]).await;
    let hosts = |dir: &Path| -> Vec<Value> {
        let files = fs::read_dir(dir.join("evaluations")).unwrap();
        let read = |path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap()["host"].clone();
        files.map(|entry| read(entry.unwrap().path())).collect()
    };
    let word = |host: &Value, party: &str| host[party]["identity"]["provenance"].clone();
    let (seller, buyer) = (hosts(&ours.dir), hosts(&theirs.dir));
    assert!(!seller.is_empty() && !buyer.is_empty());
    for host in &seller {
        assert_eq!((word(host, "provider"), word(host, "consumer")), (json!("operator"), json!("ticket")));
    }
    for host in &buyer {
        assert_eq!((word(host, "provider"), word(host, "consumer")), (json!("operator"), json!("operator")));
    }
    let path = pair.temp.join("anchors.toml");
    let people = [(pair.seller.did.as_str(), "한강모터스", "KR"), (pair.buyer.did.as_str(), "Merlion", "SG")];
    let anchor = |(did, name, country): (&str, &str, &str)| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    fs::write(&path, format!("version = 1\n{}", people.map(anchor).concat())).unwrap();
    let anchors = naru::audit::Anchors::read(&path).unwrap();
    let report = naru::audit::verify(&[ours.dir.clone(), theirs.dir.clone()], &anchors).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_dataset_is_not_there_for_new_deals_and_old_ones_go_on() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (seller, buyer) = (&pair.seller, &pair.buyer);
    let (id, out) = (agreed(&pair).await, pair.temp.join("out"));
    let name = |dataset: &str| DatasetName { dataset: dataset.to_owned() };
    let error = seller.node().withdraw(name("urn:dxp:none")).await.unwrap_err();
    assert_eq!(error.code(), Code::DatasetUnknown);
    assert!(!seller.node().datasets().await.unwrap()[0].withdrawn);
    assert!(seller.node().withdraw(name(&pair.dataset)).await.unwrap().withdrawn);
    assert!(seller.node().datasets().await.unwrap()[0].withdrawn);
    assert!(catalog(buyer, &seller.did).await.is_empty());
    let error = buyer.request(&seller.did, &pair.dataset, None).await.unwrap_err();
    assert_eq!(error.code(), Code::DatasetNotOffered);
    let error = seller.node().offer(proposal(&buyer.did, &pair.dataset, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::DatasetUnknown);
    buyer.node().retry(retry(&id, Some(&out))).await.unwrap();
    pair.concluded(&id, &out).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_publication_leaves_nothing() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", Some(0)).await;
    let source = temp.join("source");
    common::write_files(&source);
    let title = [("en".to_owned(), "x".repeat(10_000))].into();
    let ask =
        Publish { path: source, title, policy: common::policy(), facts: harmless(), ..Publish::default() };
    let error = firm.node().publish(ask).await.unwrap_err();
    assert_eq!(error.code(), Code::ArgumentInvalid, "{error}");
    assert_eq!(fs::read_dir(firm.dir.join("published")).unwrap().count(), 0);
    assert!(firm.node().datasets().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn countries_that_are_none_are_the_operators_mistake() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let mut ask = proposal(&pair.seller.did, &pair.dataset, None);
    ask.countries = vec!["ZZ".to_owned()];
    let error = pair.buyer.node().request(ask).await.unwrap_err();
    assert_eq!(error.code(), Code::ArgumentInvalid, "{error}");
    let unknown = pair.buyer.node().exchange(ExchangeName { id: "x".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::ArgumentInvalid);
    let nobody = pair.buyer.node().dial(PeerName { peer: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(nobody.code(), Code::PeerNotNamed);
    pair.close().await;
}

/// Runs the program without a terminal; gives its exit code and what it wrote to standard error.
fn naru(arguments: &[&str]) -> (bool, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_naru"))
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .env_remove("NARU_DIR")
        .output()
        .unwrap();
    (run.status.success(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn a_reader_that_closed_the_pipe_is_no_fault_of_a_command() {
    use std::process::Stdio;
    let temp = Temp::new();
    let run = |arguments: &[&str], dir: &str| {
        let dir = temp.join(dir);
        let mut child = Command::new(env!("CARGO_BIN_EXE_naru"))
            .args(arguments)
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    for (dir, form) in [("text", &[][..]), ("json", &["--json"][..])] {
        let made = run(&[&["init", "--name", "n", "--country", "KR"], form].concat(), dir);
        assert_eq!(made, (Some(0), String::new()), "{dir}");
        assert!(temp.join(dir).join("keys").exists());
        // What was asked for and not done is a failure still.
        let (code, said) = run(&[&["status"], form].concat(), dir);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("not_running"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_commands_are_json_where_that_is_asked_for_and_name_their_side() {
    let temp = Temp::new();
    let firm = Firm::start(temp.join("firm"), "firm", "KR", None).await;
    let ticket = firm.ticket().await;
    let (dir, bad, none) = (temp.join("none"), temp.join("bad.json"), temp.join("none/got"));
    fs::write(&bad, "{").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (dir, bad, none) = (path(&dir), path(&bad), path(&none));
    let at = ["--json", "--dir", &dir];
    let cases: [(&[&str], &str); 10] = [
        (&["status"], "not_running"),
        // Nobody is there to agree.
        (&["get", "x/y", "--purpose", "p", "--out", &none], "argument_invalid"),
        (&["trust", &ticket, "--yes"], "not_running"),
        (&["agreements"], "not_running"),
        (&["trust", &ticket, "--as", "x"], "argument_invalid"),
        (&["get", "no-slash", "--purpose", "p", "--out", &none], "argument_invalid"),
        (&["publish", ".", "--title", "t", "--terms", &bad, "--declare", &bad], "argument_invalid"),
        (&["init", "--name", "n", "--country", "ZZ"], "argument_invalid"),
        (&["init", "--name", "n", "--country", "KR", "--host", "192.0.2.1"], "config_invalid"),
        (&["get"], "argument_invalid"),
    ];
    for (command, code) in cases {
        let (ok, said) = naru(&[command, &at[..]].concat());
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{command:?}: {e}: {said}"));
        assert_eq!((ok, said["code"].as_str()), (false, Some(code)), "{command:?}: {said}");
        assert_eq!(said["side"], "local", "{command:?}");
        assert!(
            ["message", "hint"].iter().all(|w| said[w].as_str().is_some_and(|t| !t.is_empty())),
            "{said}"
        );
    }
    assert!(!Path::new(&dir).exists(), "a refused init makes nothing");

    // Through the local door: what no peer was asked for is no peer's fault.
    let (stop, _) = tokio::sync::watch::channel(false);
    naru::control::serve(firm.node().clone(), &Folder::new(&firm.dir), stop.clone()).await.unwrap();
    let (own, id) = (path(&firm.dir), naru_protocol::encoding::Id([7; 16]).to_string());
    let cases: [(&[&str], &str); 6] = [
        (&["cancel", &id], "not_found"),
        (&["retry", &id], "not_found"),
        (&["end", &id, "--reason", "r"], "not_found"),
        (&["dial", "nobody"], "peer_not_named"),
        (&["withdraw", "urn:dxp:none"], "dataset_unknown"),
        (&["accept", "nobody"], "not_paired"),
    ];
    for (command, code) in cases {
        let (ok, said) = naru(&[command, &["--json", "--dir", &own]].concat());
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{command:?}: {e}: {said}"));
        assert_eq!((ok, said["code"].as_str()), (false, Some(code)), "{command:?}: {said}");
        assert_eq!(said["side"], "local", "{command:?}");
    }
    stop.send(true).unwrap();
    let (ok, said) = naru(&["status", "--dir", &dir]);
    assert!(!ok && said.starts_with("error[not_running] (local): "), "{said}");
    let view = firm.node().exchanges().await.unwrap();
    assert!(view.iter().all(settled));
}
