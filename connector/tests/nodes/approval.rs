//! A person decides (spec chapter 06, NEG-15): requests for a dataset that was published to `ask`, and offers that no order
//! covers, over real nodes: what waits, who approved, restarts, deadlines, rejections, the hook.

use std::{fs, time::Duration};

use naru::{
    audit::{Anchors, verify},
    node::{
        NodeError,
        verbs::{Approval, Approve, Cancel, ExchangeView, QueueItem, Reject},
    },
};
use naru_protocol::{agreement::Jws, error::Code, limits, log::entry::EntryType};
use serde_json::{Value, json};

use crate::common::{
    Dials, Firm, Pair, core_technology, harmless, now, policy, private, proposal, publish_as,
};

const WAITS: &str = "us: approval";

fn approve(id: &str, by: &str) -> Approve {
    Approve { id: id.to_owned(), by: by.to_owned(), note: None, out: None, facts: None }
}

fn reject(id: &str, reason: &str) -> Reject {
    Reject { id: id.to_owned(), by: "Kim Minji".to_owned(), reason: reason.to_owned() }
}

/// A pair whose dataset a person decides about.
async fn asking(facts: Value) -> Pair {
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let source = pair.temp.join("asked");
    pair.dataset = publish_as(&pair.seller, &source, facts, policy(), Approval::Ask).await;
    pair
}

/// Another table of `naru.toml`, and the node opened again with it.
async fn set(firm: &mut Firm, table: &str) {
    firm.stop().await;
    let path = firm.dir.join("naru.toml");
    let before = fs::read_to_string(&path).unwrap();
    let before = before.split("\n[approval]").next().unwrap();
    fs::write(&path, format!("{before}\n[approval]\n{table}\n")).unwrap();
    firm.open().await;
}

async fn queue(firm: &Firm) -> Vec<QueueItem> {
    firm.node().queue().await.unwrap()
}

/// A request that waits for a person at the provider.
async fn waiting(pair: &Pair, out: bool) -> String {
    let out = out.then(|| pair.temp.join("out"));
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, out).await.unwrap();
    pair.seller.until(&asked.id, |v| v.waits_for.as_deref() == Some(WAITS)).await;
    pair.buyer.until(&asked.id, |v| v.state == "REQUESTED").await;
    asked.id
}

fn refused(view: &ExchangeView) -> (&str, &str, &[String]) {
    let refusal = view.refusal.as_ref().unwrap();
    (&refusal.code, &refusal.side, &refusal.reasons)
}

fn code(result: Result<ExchangeView, NodeError>) -> Code {
    result.unwrap_err().code()
}

async fn agreements_signed(pair: &Pair, id: &str) -> usize {
    let log = pair.seller.log(&pair.temp).await;
    log.of(id).filter(|line| line.entry.kind() == EntryType::NegotiationAgreement).count()
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one deal from request to audit")]
async fn a_request_waits_for_a_person_and_is_signed_in_that_name() {
    // NEG-5.6, NEG-15.1, NEG-15.2, NEG-15.4, AUD-9.6
    let mut pair = asking(harmless()).await;
    let before = now();
    let id = waiting(&pair, true).await;
    let items = queue(&pair.seller).await;
    let [item] = &items[..] else { panic!("{items:#?}") };
    assert_eq!((item.id.as_str(), item.wants.as_str(), item.unsigned), (id.as_str(), "request", false));
    assert_eq!((&item.did, &item.dataset), (&pair.buyer.did, &pair.dataset));
    assert_eq!(
        (item.purpose.as_deref(), &item.countries[..]),
        (Some("quality_analysis"), &["SG".to_owned()][..])
    );
    assert_eq!(item.decision["result"]["allow"], json!(true), "{}", item.decision);
    assert!(item.terms["purposes"].as_array().is_some_and(|all| !all.is_empty()), "{}", item.terms);
    assert!(item.since >= before && item.deadline <= item.since + limits::APPROVAL_SECONDS);
    assert!(item.steps[0].starts_with("naru approve") && item.steps[1].starts_with("naru reject"));
    // The status says so too, and what can be done.
    let status = pair.seller.node().status().await.unwrap();
    assert_eq!((status.waiting.person, status.waiting.stopped), (1, 0), "{:#?}", status.pending);
    let pending = &status.pending[0];
    assert_eq!((pending.id.as_str(), pending.waits_for.as_deref()), (id.as_str(), Some(WAITS)));
    assert_eq!((pending.since, pending.deadline), (Some(item.since), Some(item.deadline)));
    assert_eq!(pending.steps, item.steps);
    // Nothing was signed but the answer to the request, and nothing is however often the node starts.
    assert_eq!(agreements_signed(&pair, &id).await, 0);
    pair.seller.stop().await;
    pair.seller.open().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = queue(&pair.seller).await;
    assert_eq!((again.len(), again[0].since, again[0].deadline), (1, item.since, item.deadline));
    assert_eq!(pair.buyer.view(&id).await.unwrap().state, "REQUESTED");
    // Nobody approves as nobody, nor says where another's files go.
    assert_eq!(code(pair.seller.node().approve(approve(&id, "auto")).await), Code::ArgumentInvalid);
    let out = Approve { out: Some(pair.temp.join("x")), ..approve(&id, "Kim Minji") };
    assert_eq!(code(pair.seller.node().approve(out).await), Code::ArgumentInvalid);
    let note = Some("asked legal".to_owned());
    pair.seller.node().approve(Approve { note, ..approve(&id, "김민지") }).await.unwrap();
    let transfer = pair.concluded(&id, &pair.temp.join("out")).await;
    assert!(queue(&pair.seller).await.is_empty());
    let error = pair.seller.node().approve(approve(&id, "Kim Minji")).await.unwrap_err();
    assert!(error.code() == Code::IllegalState && error.to_string().contains("김민지"), "{error}");

    let (ours, theirs) = pair.logs_agree(&[&id, &transfer]).await;
    let signed = ours.of(&id).find(|l| l.entry.kind() == EntryType::NegotiationAgreement).unwrap();
    let approval = &signed.fields["approval"];
    assert_eq!((&approval["by"], &approval["note"]), (&json!("김민지"), &json!("asked legal")), "{approval}");
    // The other side holds the name under our signature, and not the note.
    let file = fs::read_dir(theirs.dir.join("agreements")).unwrap().next().unwrap().unwrap().path();
    let jws: Jws = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&jws.payload_bytes().unwrap()).unwrap();
    assert_eq!(payload["decisions"]["provider"]["by"], json!("김민지"));
    assert_eq!(payload["decisions"]["consumer"]["by"], json!("auto"));
    assert!(!payload.to_string().contains("asked legal"));
    let path = pair.temp.join("anchors.toml");
    let anchor = |did: &str, name: &str, country: &str| {
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people =
        [anchor(&pair.seller.did, "한강모터스", "KR"), anchor(&pair.buyer.did, "Merlion", "SG")].concat();
    fs::write(&path, format!("version = 1\n{people}")).unwrap();
    let report = verify(&[ours.dir, theirs.dir], &Anchors::read(&path).unwrap()).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let claims = json["claims"].as_array().unwrap();
    let approvals: Vec<&Value> = claims.iter().filter(|claim| claim["claim"] == "approval").collect();
    assert!(!approvals.is_empty());
    for claim in approvals {
        assert_eq!((&claim["subject"], &claim["verdict"]), (&json!(pair.seller.did), &json!("proved")));
        assert_eq!(claim["detail"], json!("signed in the name of 김민지"));
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_rejects_or_the_peer_takes_back_is_over() {
    // NEG-3.9, NEG-15.5
    let pair = asking(harmless()).await;
    let id = waiting(&pair, false).await;
    assert_eq!(code(pair.seller.node().reject(reject(&id, " ")).await), Code::ArgumentInvalid);
    pair.seller.node().reject(reject(&id, "not before the audit")).await.unwrap();
    let (ours, theirs) = pair.settled(&id).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    let reasons = ["not before the audit".to_owned()];
    assert_eq!(refused(&ours), ("rejected", "local", &reasons[..]));
    assert_eq!(refused(&theirs), ("rejected", "peer", &reasons[..]));
    assert_eq!(code(pair.seller.node().approve(approve(&id, "Kim")).await), Code::IllegalState);
    let log = pair.seller.log(&pair.temp).await;
    let end = log.of(&id).find(|l| l.entry.kind() == EntryType::NegotiationTermination).unwrap();
    assert_eq!(end.fields["approval"]["rejected_by"], json!("Kim Minji"));

    let second = waiting(&pair, false).await;
    let take_back = Cancel { id: second.clone(), reason: Some("bought elsewhere".to_owned()) };
    pair.buyer.node().cancel(take_back).await.unwrap();
    let (ours, theirs) = pair.settled(&second).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert!(queue(&pair.seller).await.is_empty());
    for late in [
        pair.seller.node().approve(approve(&second, "Kim")).await,
        pair.seller.node().reject(reject(&second, "late")).await,
    ] {
        assert_eq!(code(late), Code::IllegalState);
    }
    assert_eq!(agreements_signed(&pair, &id).await + agreements_signed(&pair, &second).await, 0);
    pair.logs_agree(&[&id, &second]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn law_is_asked_before_a_person_is_and_again_at_the_approval() {
    // NEG-15.1, NEG-15.4
    let pair = asking(core_technology()).await;
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await;
    // The listing may not even be shown; what is asked for is refused without a person.
    if let Ok(asked) = asked {
        let (ours, theirs) = pair.settled(&asked.id).await;
        assert_eq!((refused(&ours).0, refused(&theirs).0), ("denied", "denied"));
    }
    assert!(queue(&pair.seller).await.is_empty());
    pair.close().await;

    let pair = asking(harmless()).await;
    let id = waiting(&pair, false).await;
    let mut facts = private(&[&pair.buyer.did], &[]);
    facts["stop_orders"] = json!([{"ref": "S-1", "dataset": pair.dataset}]);
    pair.seller.facts(&facts);
    let view = pair.seller.node().approve(approve(&id, "Kim Minji")).await.unwrap();
    assert_eq!((refused(&view).0, refused(&view).1), ("denied", "policy"), "{view:#?}");
    let (ours, theirs) = pair.settled(&id).await;
    assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
    assert_eq!(refused(&theirs).0, "denied");
    assert_eq!(agreements_signed(&pair, &id).await, 0);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvals_at_once_are_one() {
    // NEG-15.4
    let pair = asking(harmless()).await;
    let id = waiting(&pair, true).await;
    let node = pair.seller.node();
    let (a, b) = tokio::join!(node.approve(approve(&id, "Kim")), node.approve(approve(&id, "Lee")));
    let (first, second) = if a.is_ok() { (a, b) } else { (b, a) };
    first.unwrap();
    assert_eq!(code(second), Code::IllegalState);
    pair.concluded(&id, &pair.temp.join("out")).await;
    assert_eq!(agreements_signed(&pair, &id).await, 1);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_decides_in_time_is_refused_with_a_code() {
    // NEG-15.3
    let mut pair = asking(harmless()).await;
    set(&mut pair.seller, "within = 2").await;
    let first = waiting(&pair, false).await;
    let second = waiting(&pair, false).await;
    let held = queue(&pair.seller).await;
    assert!(held.iter().all(|item| item.deadline == item.since + 2), "{held:#?}");
    tokio::time::sleep(Duration::from_millis(3100)).await;
    // A person who comes too late hears so, whether or not the node has looked yet.
    let late = code(pair.seller.node().approve(approve(&first, "Kim")).await);
    assert!(matches!(late, Code::ApprovalExpired | Code::IllegalState), "{late}");
    // The other one is refused by the node itself.
    for id in [&first, &second] {
        let (ours, theirs) = pair.settled(id).await;
        assert_eq!((ours.state.as_str(), theirs.state.as_str()), ("TERMINATED", "TERMINATED"));
        assert_eq!((refused(&ours).0, refused(&ours).1), ("approval_expired", "local"));
        assert_eq!((refused(&theirs).0, refused(&theirs).1), ("approval_expired", "peer"));
    }
    assert_eq!(agreements_signed(&pair, &first).await, 0);
    pair.logs_agree(&[&first, &second]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_without_an_order_waits_for_a_person_who_says_where_the_files_go() {
    // NEG-15.1, NEG-15.5
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let offer = async |pair: &Pair| {
        let made = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap();
        pair.buyer.until(&made.id, |v| v.waits_for.as_deref() == Some(WAITS)).await;
        made.id
    };
    let id = offer(&pair).await;
    let items = queue(&pair.buyer).await;
    assert_eq!((items.len(), items[0].wants.as_str()), (1, "offer"));
    assert_eq!(
        items[0].decision["result"]["allow"],
        json!(true),
        "as policy says now: {}",
        items[0].decision
    );
    assert!(items[0].steps[0].contains("--out"));
    assert!(queue(&pair.seller).await.is_empty(), "who offers has decided");
    pair.buyer.stop().await;
    pair.buyer.open().await;
    let out = pair.temp.join("out");
    let inside = Approve { out: Some(pair.buyer.dir.join("got")), ..approve(&id, "Tan Wei") };
    assert_eq!(code(pair.buyer.node().approve(inside).await), Code::FolderOccupied);
    assert_eq!(queue(&pair.buyer).await.len(), 1, "what was refused changed nothing");
    pair.buyer.node().approve(Approve { out: Some(out.clone()), ..approve(&id, "Tan Wei") }).await.unwrap();
    pair.concluded(&id, &out).await;
    let log = pair.buyer.log(&pair.temp).await;
    let accepted = log.of(&id).find(|l| l.entry.kind() == EntryType::NegotiationAccept).unwrap();
    assert_eq!(accepted.fields["approval"]["by"], json!("Tan Wei"));

    let second = offer(&pair).await;
    pair.buyer.node().reject(reject(&second, "enough of it")).await.unwrap();
    let (ours, theirs) = pair.settled(&second).await;
    assert_eq!((refused(&ours).0, refused(&theirs).0), ("rejected", "rejected"));
    pair.logs_agree(&[&id, &second]).await;
    pair.close().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_told_what_waits_and_its_failure_stops_nothing() {
    // NEG-15.6
    let mut pair = asking(harmless()).await;
    let told = pair.temp.join("told.json");
    set(&mut pair.seller, &format!("hook = [\"tee\", {:?}]", told.display().to_string())).await;
    let id = waiting(&pair, false).await;
    let started = std::time::Instant::now();
    let said = loop {
        match fs::read(&told).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
            Some(said) => break said,
            None => assert!(started.elapsed() < crate::common::PATIENCE, "the command was never run"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((&said["v"], &said["event"]), (&json!(1), &json!("approval_pending")));
    assert_eq!((&said["item"]["id"], &said["item"]["dataset"]), (&json!(id), &json!(pair.dataset)));
    assert!(said["item"]["do"][0].as_str().unwrap().contains(&id));

    set(&mut pair.seller, "hook = [\"/no/such/command\"]").await;
    let second = waiting(&pair, true).await;
    pair.seller.node().approve(approve(&second, "Kim Minji")).await.unwrap();
    pair.concluded(&second, &pair.temp.join("out")).await;
    pair.close().await;
}

/// Runs a command against the node in a folder; what it printed, what it complained, whether it did what was asked.
async fn command(firm: &Firm, words: &[&str]) -> (bool, String, String) {
    let done = tokio::process::Command::new(env!("CARGO_BIN_EXE_naru"))
        .args(words)
        .arg("--dir")
        .arg(&firm.dir)
        .env_remove("NARU_BY")
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_sees_decides_and_ends_it() {
    // NEG-15.2, ID-9.1, POL-11.1
    let pair = asking(harmless()).await;
    let (stop, _) = tokio::sync::watch::channel(false);
    let folder = naru::config::Folder::new(&pair.seller.dir);
    naru::control::serve(pair.seller.node().clone(), &folder, stop.clone()).await.unwrap();
    let seller = &pair.seller;
    assert_eq!(command(seller, &["queue"]).await.1, "nothing waits for a person\n");
    let id = waiting(&pair, false).await;
    let (ok, said, _) = command(seller, &["queue"]).await;
    assert!(ok && said.contains("naru approve --dir ") && said.contains(&id), "{said}");
    let since = said.lines().find_map(|line| line.strip_prefix("since: ")).unwrap();
    assert!(since.starts_with("20") && since.ends_with('Z'), "a time that people read: {since}");
    let (_, said, _) = command(seller, &["queue", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    let items: Vec<QueueItem> = serde_json::from_value(said["items"].clone()).unwrap();
    assert_eq!((&said["v"], items[0].id.as_str(), &said["duties"]), (&json!(1), id.as_str(), &json!([])));
    let (_, said, _) = command(seller, &["status", "--json"]).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["waiting"]["person"], &status["pending"][0]["id"]), (&json!(1), &json!(id)));
    assert!(status["pending"][0]["do"][0].as_str().unwrap().starts_with("naru approve"));
    let (ok, said, _) = command(seller, &["explain", &pair.buyer.did, &pair.dataset, "--json"]).await;
    let why: Value = serde_json::from_str(&said).unwrap();
    assert!(ok && why["allowed"] == json!(true) && why["approval"] == json!("ask"), "{why}");

    let (ok, _, complaint) = command(seller, &["approve", &id, "--by", "auto"]).await;
    assert!(!ok && complaint.contains("argument_invalid"), "{complaint}");
    let (ok, _, complaint) = command(seller, &["approve", &id, "--by", "Kim Minji"]).await;
    assert!(ok, "{complaint}");
    pair.settled(&id).await;
    let (ok, _, complaint) = command(seller, &["reject", &id, "--reason", "late"]).await;
    assert!(!ok && complaint.contains("Kim Minji"), "{complaint}");

    // Nobody is at the terminal: what it would end is shown, and nothing is done.
    let words = ["distrust", pair.buyer.did.as_str(), "--reason", "a drill"];
    let (ok, _, complaint) = command(seller, &words).await;
    assert!(!ok && complaint.contains(&id) && complaint.contains("--yes"), "{complaint}");
    assert_eq!(seller.node().peers().await.unwrap()[0].status, "accepted");
    let (ok, said, _) = command(seller, &[&words[..], &["--yes", "--json"]].concat()).await;
    let done: Value = serde_json::from_str(&said).unwrap();
    assert!(ok && done["status"] == json!("blocked"), "{done}");
    assert_eq!(done["agreements"][0]["id"], json!(id));
    let _ = stop.send(true);
    pair.close().await;
}
