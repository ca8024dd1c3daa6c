//! What becomes of duties (spec chapter 08b): deadlines, deletion, reports, and what an overdue one blocks. Two real nodes; what
//! they signed is read from their exports, and what is deleted from the disk.

use std::{fs, path::PathBuf};

use naru::{
    audit::Verdict,
    node::verbs::{Delete, Happening, ObligationView, Obligations, Passed, Report},
};
use naru_protocol::{encoding::Digest, error::Code, limits, log::entry::EntryType};
use serde_json::{Value, json};

use crate::common::{
    Dials, Firm, PATIENCE, Pair, deals::Provider, files, hand::Hand, harmless, now, policy_with,
    publish_under, same_files,
};

/// A pair whose data are to be deleted so many days after they came.
async fn pair(days: u32) -> Pair {
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let policy = policy_with("elapsedTime", Some(json!(format!("P{days}D"))));
    pair.dataset = publish_under(&pair.seller, &pair.temp.join("kept"), harmless(), policy).await;
    pair
}

/// A deal whose data have come; gives the negotiation, and where they lie.
async fn delivered(pair: &Pair, name: &str) -> (String, PathBuf) {
    let out = pair.temp.join(name);
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    (asked.id, out)
}

async fn duties(firm: &Firm, id: &str) -> Vec<ObligationView> {
    firm.node().obligations(Obligations { agreement: Some(id.to_owned()) }).await.unwrap()
}

async fn duty(firm: &Firm, id: &str, rule: &str, on: &str) -> ObligationView {
    let found = duties(firm, id).await;
    let mut of = found.iter().filter(|view| view.id == rule && view.on == on);
    of.next().cloned().unwrap_or_else(|| panic!("no {rule} on {on}: {found:#?}"))
}

/// Waits until a duty stands so at this firm.
async fn until(firm: &Firm, id: &str, rule: &str, state: &str) -> ObligationView {
    let started = std::time::Instant::now();
    loop {
        let view = duty(firm, id, rule, "consumer").await;
        if view.state == state {
            return view;
        }
        assert!(started.elapsed() < PATIENCE, "does not become {state}: {view:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn delete(id: &str, only_say: bool, text: Option<&str>) -> Delete {
    Delete { agreement: id.to_owned(), only_say, text: text.map(str::to_owned) }
}

/// The claims of both exports with this name.
async fn claims(pair: &Pair, name: &str) -> Vec<(Verdict, String)> {
    let report = pair.audit().await;
    let text: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    let details = text["claims"].as_array().unwrap();
    let of = report.claims().iter().zip(details).filter(|(claim, _)| claim.name() == name);
    of.map(|(claim, shown)| (claim.verdict(), format!("{}: {}", claim.subject(), shown["detail"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_deleted_said_logged_by_both_and_attested() {
    // OBL-1.1, OBL-1.2, OBL-1.3, OBL-2.1, OBL-3.1, OBL-4.2, OBL-4.4, OBL-6.1, AUD-14.1, AUD-14.2
    let mut pair = pair(1).await;
    let (id, out) = delivered(&pair, "out").await;
    for firm in [&pair.seller, &pair.buyer] {
        let view = until(firm, &id, "POST-RET-001", "due").await;
        assert_eq!(view.deadline, Some(view.since.unwrap() + 86_400));
        assert_eq!(view.ours, firm.did == pair.buyer.did);
        assert!(duty(firm, &id, "POST-LOG-001", "provider").await.lasts);
    }
    let (ours, theirs) = (
        duty(&pair.seller, &id, "POST-RET-001", "consumer").await,
        duty(&pair.buyer, &id, "POST-RET-001", "consumer").await,
    );
    assert_eq!((ours.since, ours.deadline), (theirs.since, theirs.deadline), "both reckon from the receipt");
    // Asked for, not done: it is shown, and what does it.
    let status = pair.buyer.node().status().await.unwrap();
    assert_eq!((status.owing.due, status.owing.overdue), (1, 0));
    let step = format!("delete --dir {}", pair.buyer.dir.display());
    assert!(status.obligations[0].steps[0].contains(&step), "{:?}", status.obligations);
    assert_eq!(pair.seller.node().status().await.unwrap().owing.due_of_peers, 1);
    let said = pair.buyer.node().delete(delete(&id, true, None)).await.unwrap();
    assert_eq!((said.deleted, said.files, said.unknown), (false, files().len() as u64, 0));
    same_files(&out);
    let performed = |firm: &Firm| {
        let (node, agreement) = (firm.node().clone(), Digest::parse(&ours.agreement).unwrap());
        async move { node.performed(agreement).await.unwrap() }
    };
    let before = performed(&pair.seller).await;
    assert_eq!(before["completed_at"], json!(ours.since));
    assert_eq!(before["deletion_confirmed_at"], json!(0));

    let done = pair.buyer.node().delete(delete(&id, false, None)).await.unwrap();
    assert_eq!((done.deleted, done.files, done.unknown), (true, files().len() as u64, 0));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "nothing is left, and no folder of ours");
    for firm in [&pair.seller, &pair.buyer] {
        let view = until(firm, &id, "POST-RET-001", "fulfilled").await;
        assert!(view.evidence.is_some() && !view.late);
        let after = performed(firm).await;
        assert!(after["deletion_confirmed_at"].as_u64() >= after["completed_at"].as_u64(), "{after}");
        assert_eq!(firm.node().status().await.unwrap().owing.due, 0);
    }
    let again = pair.buyer.node().delete(delete(&id, false, None)).await.unwrap_err();
    assert_eq!(again.code(), Code::IllegalState);
    let (log, _) = pair.logs_agree(&[&id]).await;
    let reports = log.of(&id).filter(|line| line.entry.kind() == EntryType::NegotiationReport);
    assert_eq!(reports.map(|line| line.fields["report"].clone()).collect::<Vec<_>>(), [json!("deletion")]);
    // Never proved.
    let attested = claims(&pair, "report").await;
    assert_eq!((attested.len(), attested[0].0), (1, Verdict::Attested));
    assert!(attested[0].1.contains("the consumer signed that 4 files"), "{attested:?}");
    let fulfilled = claims(&pair, "obligation").await;
    assert!(fulfilled.iter().all(|(verdict, _)| *verdict == Verdict::Attested), "{fulfilled:?}");
    assert!(fulfilled.iter().any(|(_, said)| said.contains("POST-RET-001 delete after completion")));
    // All of it is reckoned anew after a start.
    pair.seller.stop().await;
    pair.seller.open().await;
    assert_eq!(duty(&pair.seller, &id, "POST-RET-001", "consumer").await.state, "fulfilled");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_files_are_left_and_unknown_until_somebody_says_what_became_of_them() {
    // OBL-3.2, OBL-4.2
    let pair = pair(1).await;
    let (id, out) = delivered(&pair, "out").await;
    fs::write(out.join("table.csv"), "id\r\n2\r\n").unwrap();
    fs::rename(out.join("notes.txt"), out.join("moved.txt")).unwrap();
    let done = pair.buyer.node().delete(delete(&id, false, None)).await.unwrap();
    assert_eq!((done.files, done.unknown, done.left.len()), (2, 2, 2));
    assert!(out.join("table.csv").exists() && out.join("moved.txt").exists());
    pair.buyer.until(&id, |v| v.waits_for.is_none()).await;
    assert_eq!(duty(&pair.seller, &id, "POST-RET-001", "consumer").await.state, "due");
    fs::remove_file(out.join("table.csv")).unwrap();
    let said = delete(&id, false, Some("shredded by hand"));
    let done = pair.buyer.node().delete(said).await.unwrap();
    assert_eq!((done.files, done.unknown), (0, 2), "only what was left is asked about again");
    for firm in [&pair.seller, &pair.buyer] {
        until(firm, &id, "POST-RET-001", "fulfilled").await;
    }
    pair.logs_agree(&[&id]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_duty_blocks_new_deals_on_both_sides_until_it_is_done() {
    // OBL-1.3, OBL-5.1, OBL-5.2
    let mut pair = pair(0).await;
    let (id, out) = delivered(&pair, "out").await;
    for firm in [&pair.seller, &pair.buyer] {
        until(firm, &id, "POST-RET-001", "violated").await;
        let agreements = firm.node().agreements().await.unwrap();
        assert_eq!(agreements.iter().map(|a| a.overdue).sum::<u32>(), 1);
    }
    // After a start too.
    pair.buyer.stop().await;
    pair.buyer.open().await;
    let status = pair.buyer.node().status().await.unwrap();
    assert_eq!((status.owing.overdue, status.owing.overdue_of_peers), (1, 0));
    let refused = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::ObligationOverdue);
    assert!(refused.to_string().contains(&id), "{refused}");
    let offer = crate::common::proposal(&pair.buyer.did, &pair.dataset, None);
    assert_eq!(pair.seller.node().offer(offer.clone()).await.unwrap_err().code(), Code::ObligationOverdue);
    pair.buyer.node().delete(delete(&id, false, None)).await.unwrap();
    assert!(!out.join("table.csv").exists());
    for firm in [&pair.seller, &pair.buyer] {
        assert!(until(firm, &id, "POST-RET-001", "fulfilled").await.late);
    }
    assert!(pair.seller.node().offer(offer).await.is_ok());
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_notices_and_onward_transfers_are_signed_both_ways_and_count() {
    // OBL-2.1, OBL-2.3, OBL-2.4, OBL-6.2
    let pair = pair(30).await;
    let (id, _) = delivered(&pair, "out").await;
    assert_eq!(duty(&pair.buyer, &id, "POST-RET-001", "consumer").await.state, "open", "in a month");
    // A provider's report first: the transfer below still begins under an agreement whose FINALIZED is not its last act.
    let notice = Report {
        agreement: id.clone(),
        happened: Some(Happening { event: "request".to_owned(), at: None }),
        text: "please delete".to_owned(),
        ..Report::default()
    };
    pair.seller.node().report(notice.clone()).await.unwrap();
    pair.seller.until(&id, |v| v.waits_for.is_none()).await;
    let retry = naru::node::verbs::Retry { id: id.clone(), out: Some(pair.temp.join("again")) };
    let transfer = pair.buyer.node().retry(retry).await.unwrap().id;
    let (gave, got) = pair.settled(&transfer).await;
    assert_eq!((gave.state.as_str(), got.state.as_str()), ("COMPLETED", "COMPLETED"), "{gave:#?}");
    let two = duties(&pair.seller, &id).await.into_iter().filter(|v| v.id == "POST-RET-001").count();
    assert_eq!(two, 2, "one for each transfer");

    let onward = Report {
        agreement: id.clone(),
        onward: Some(Passed { to: "Hanoi Parts".to_owned(), country: "VN".to_owned(), flow_down: true }),
        ..Report::default()
    };
    assert_eq!(pair.seller.node().report(onward.clone()).await.unwrap_err().code(), Code::ReportInvalid);
    let view = pair.buyer.node().report(onward).await.unwrap();
    let done = Report {
        agreement: view.agreement.clone(),
        obligation: Some("POST-RET-001".to_owned()),
        text: "destroyed with the disk".to_owned(),
        ..Report::default()
    };
    let other = pair.seller.node().report(done.clone()).await.unwrap_err();
    assert_eq!(other.code(), Code::ArgumentInvalid, "it is not the provider's: {other}");
    pair.buyer.node().report(done).await.unwrap();
    for firm in [&pair.seller, &pair.buyer] {
        until(firm, &id, "POST-RET-001", "fulfilled").await;
        let performed = firm.node().performed(Digest::parse(&view.agreement).unwrap()).await.unwrap();
        assert_eq!(performed["onward_events"], json!([{"country": "VN", "flow_down": true}]));
        assert!(performed["deletion_confirmed_at"].as_u64() > Some(0), "{performed}");
    }
    pair.logs_agree(&[&id, &transfer]).await;
    assert_eq!(claims(&pair, "report").await.len(), 3);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_may_deletes_by_itself_and_another_only_says_so() {
    // OBL-4.1
    let mut pair = pair(0).await;
    let (id, out) = delivered(&pair, "out").await;
    until(&pair.buyer, &id, "POST-RET-001", "violated").await;
    same_files(&out);
    pair.buyer.stop().await;
    let path = pair.buyer.dir.join("naru.toml");
    let toml = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{toml}\n[obligations]\ndelete = \"auto\"\n")).unwrap();
    pair.buyer.open().await;
    until(&pair.seller, &id, "POST-RET-001", "fulfilled").await;
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_reports_on_its_own_duties_only_and_not_without_end() {
    // OBL-2.3, OBL-2.4, OBL-2.5, OBL-2.6: a consumer made by hand.
    let provider = Provider::new().await;
    let hand = Hand::paired(&provider.firm).await;
    let deal = provider.agreed(&hand, now() + 3600).await;
    let path = deal.path("report");
    let report = |change: &dyn Fn(&mut Value)| {
        let mut report = json!({"@type": "Report", "v": 1, "consumerPid": deal.own, "providerPid": deal.pid,
            "agreement": deal.digest(), "kind": "report", "obligation": null, "event": null, "happened": null,
            "at": now(), "text": "done", "evidence": null, "deletion": null, "onward": null});
        change(&mut report);
        report
    };
    let early = hand.act(deal.exchange, &path, &report(&|_| {})).await;
    early.refused_finally("illegal_state");
    deal.conclude(&hand).await;
    let id = deal.exchange.to_string();
    provider.firm.until(&id, |v| v.in_force.is_some()).await;
    let listed = deal.terms["obligations"].as_array().unwrap();
    let on = |role: &str| listed.iter().find(|o| o["on"] == role).unwrap().clone();
    let wrong: [&dyn Fn(&mut Value); 5] = [
        &|r| r["obligation"] = on("provider"),
        &|r| {
            r["obligation"] =
                json!({"id": "X-1", "duty": "delete", "on": "consumer", "after": "completion", "within": 1})
        },
        &|r| r["agreement"] = json!(Digest::of(b"another")),
        &|r| r["at"] = json!(now() + 3600),
        &|r| (r["kind"], r["event"], r["happened"]) = (json!("notice"), json!("breach"), json!(now() + 3600)),
    ];
    for change in wrong {
        hand.act(deal.exchange, &path, &report(change)).await.refused_finally("report_invalid");
    }
    hand.act(deal.exchange, &path, &report(&|r| r["deletion"] = json!({})))
        .await
        .refused_finally("malformed");
    hand.act(deal.exchange, &path, &report(&|r| r["obligation"] = on("consumer"))).await.accepted(200);
    assert!(duties(&provider.firm, &id).await.iter().any(|view| view.evidence.is_some()));
    for _ in 1..limits::REPORTS {
        hand.act(deal.exchange, &path, &report(&|_| {})).await.accepted(200);
    }
    hand.act(deal.exchange, &path, &report(&|_| {})).await.refused_finally("report_invalid");
}
