//! What peers know of a log: after a start, and when somebody shows two histories (spec chapter 08, LOG-5 and LOG-9).

use std::{path::PathBuf, time::Duration};

use naru::{
    audit::{Reason, Verdict},
    node::verbs::{Export, Publish},
};
use naru_protocol::{error::Code, log::merkle::Hash};
use serde_json::json;

use crate::common::{
    Dials, Pair,
    deals::Provider,
    hand::{DSP, DXP, Hand, decision},
    harmless, now, policy, proposal,
};

#[tokio::test(flavor = "multi_thread")]
async fn acts_wait_until_their_peer_has_said_what_it_holds_of_our_log() {
    // LOG-9.1, API-3.5
    let mut seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    seller.firm.stop().await;
    hand.manners(|m| (m.keeps_silent, m.asked) = (true, 0));
    seller.firm.open().await;
    let (exchange, prepared) = hand.request(&terms);
    hand.carry(&prepared).await.refused(503, "recovering");
    assert!(hand.asked() > 0);
    // Reads are served meanwhile.
    assert_eq!(hand.get(DXP, "/keys").await.status, 200);
    assert_eq!(hand.get(DSP, "/negotiations/urn:x:none").await.status, 404);
    hand.manners(|m| m.keeps_silent = false);
    hand.carry(&prepared).await.accepted(201);
    hand.inbox(exchange, 1).await;
    // Asked once in a process, not before every act.
    let asked = hand.asked();
    hand.ask(&seller.terms(&hand, now() + 3600).await).await;
    assert_eq!(hand.asked(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peers_word_about_our_log_without_our_signature_stops_nobody_but_that_peer() {
    // LOG-9.2
    let mut seller = Provider::new().await;
    let (liar, honest) = (Hand::paired(&seller.firm).await, Hand::paired(&seller.firm).await);
    let terms = seller.terms(&honest, now() + 3600).await;
    let said = liar.head();
    liar.manners(|m| m.holds = Some(said));
    seller.firm.stop().await;
    seller.firm.open().await;
    let (_, prepared) = liar.request(&seller.terms(&honest, now() + 3600).await);
    liar.carry(&prepared).await.refused(503, "recovering");
    honest.ask(&terms).await;
    assert_eq!(seller.firm.node().status().await.unwrap().stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_peer_holds_more_of_its_log_signs_nothing_any_more() {
    // LOG-9.2: the copy brings neither the newest entries nor, once it is removed, the high-water file.
    let mut pair = Pair::new(Dials::Both, harmless()).await;
    let file = |name: &str| pair.seller.dir.join(name);
    let (database, mark, kept) = (file("naru.db"), file("high-water.json"), pair.temp.join("old.db"));
    pair.seller.stop().await;
    std::fs::copy(&database, &kept).unwrap();
    pair.seller.open().await;
    let out = pair.temp.join("out");
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, Some(out.clone())).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    pair.seller.stop().await;
    std::fs::copy(&kept, &database).unwrap();
    std::fs::remove_file(&mark).unwrap();
    pair.seller.open().await;
    let before = pair.seller.node().status().await.unwrap();
    assert_eq!(before.stopped, None, "nobody has said so yet");
    let again = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    let started = std::time::Instant::now();
    while pair.seller.node().status().await.unwrap().stopped.is_none() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let view = pair.buyer.view(&again.id).await.unwrap();
    assert_eq!((view.state.as_str(), view.waits_for.is_some()), ("NONE", true), "{view:#?}");
    let error = pair.seller.node().offer(proposal(&pair.buyer.did, &pair.dataset, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreRolledBack);
    let ask = Publish {
        path: pair.temp.join("source"),
        title: [("en".to_owned(), "again".to_owned())].into(),
        policy: policy(),
        facts: harmless(),
        ..Publish::default()
    };
    assert_eq!(pair.seller.node().publish(ask).await.unwrap_err().code(), Code::StoreRolledBack);
    assert_eq!(pair.seller.node().status().await.unwrap().log_size, before.log_size);
    pair.close().await;
}

/// AUD-11.4: the proof stands in the export, convicts for an auditor, and is missed where it is taken away.
async fn shown_to_an_auditor(seller: &Provider, hand: &Hand) {
    let dir = seller.temp.join("log");
    seller.firm.node().export(Export { out: dir.clone() }).await.unwrap();
    let anchors = seller.temp.join("anchors.toml");
    let anchor = |did: &str| format!("[[participant]]\ndid = \"{did}\"\nname = \"a\"\ncountry = \"KR\"\n");
    std::fs::write(&anchors, format!("version = 1\n{}{}", anchor(&seller.firm.did), anchor(&hand.did())))
        .unwrap();
    let anchors = naru::audit::Anchors::read(&anchors).unwrap();
    let forks = |dirs: &[PathBuf]| {
        let report = naru::audit::verify(dirs, &anchors).unwrap();
        let of = report.claims().iter().filter(|claim| claim.name() == "fork");
        of.map(|claim| (claim.verdict(), claim.reason())).collect::<Vec<_>>()
    };
    let dirs = [dir.clone()];
    assert_eq!(forks(&dirs), [(Verdict::Proved, None)]);
    let proof = std::fs::read_dir(dir.join("forks")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&proof).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&proof, &bytes).unwrap();
    assert_eq!(forks(&dirs), [(Verdict::Failed, Some(Reason::NameDiffers))]);
    std::fs::remove_file(&proof).unwrap();
    assert_eq!(forks(&dirs), [(Verdict::Failed, Some(Reason::FileMissing))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_under_a_second_root_of_a_size_that_was_shown_is_refused() {
    // LOG-5.6, LOG-5.2
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let terms = seller.terms(&hand, now() + 3600).await;
    // The node's answers are not taken, so that no acknowledgement shows a larger checkpoint meanwhile.
    hand.manners(|m| m.closed = true);
    let (_, honest) = hand.request(&terms);
    hand.carry(&honest).await.accepted(201);
    let before = seller.size().await;
    let (_, mut forked) = hand.request(&terms);
    forked.token.index = honest.token.index;
    forked.token.checkpoint = Some(hand.signed_head(honest.token.index.unwrap() + 1, Hash([9; 32])));
    hand.carry(&forked).await.refused(409, "log_forked");
    let after = seller.size().await;
    assert!(after <= before + 2, "at most the answer to the honest act, and the record of the fork");
    // LOG-5.8: kept, recorded once, and nothing more is taken from that log.
    hand.carry(&forked).await.refused(409, "log_forked");
    let (_, honest) = hand.request(&terms);
    hand.carry(&honest).await.refused(409, "log_forked");
    assert_eq!(seller.size().await, after);
    shown_to_an_auditor(&seller, &hand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_without_a_duty_come_back_with_it_once() {
    // NEG-6.1, NEG-4.2, NEG-3.3
    let seller = Provider::new().await;
    let hand = Hand::paired(&seller.firm).await;
    let packs = seller.firm.node().status().await.unwrap().packs;
    for takes_it_up in [true, false] {
        let bare = hand.terms(&packs, &json!([]), now() + 3600).await;
        let (exchange, pid) = hand.ask(&bare).await;
        let (_, offer) = hand.inbox(exchange, 1).await;
        assert_eq!(offer["@type"], "ContractOfferMessage", "{offer}");
        assert_eq!(offer["dxp"]["key"], json!(null));
        let countered = &offer["dxp"]["terms"];
        assert_ne!(countered["obligations"], json!([]));
        assert_ne!(countered["agreement"]["@id"], bare["agreement"]["@id"]);
        let mut same = countered.clone();
        same["obligations"] = bare["obligations"].clone();
        same["agreement"]["@id"] = bare["agreement"]["@id"].clone();
        assert_eq!(same, bare, "nothing else is changed");
        seller.firm.until(&exchange.to_string(), |v| v.state == "OFFERED").await;
        let own = hand.talk(exchange).pid;
        if takes_it_up {
            let accepted = json!({"eventType": "ACCEPTED", "dxp": {"v": 1,
                "terms": naru_protocol::encoding::Digest::of(&naru_protocol::json::canonical(countered).unwrap()),
                "decision": decision(countered, "importer")}});
            let body = crate::common::hand::message("ContractNegotiationEventMessage", &pid, &own, accepted);
            hand.act(exchange, &format!("/negotiations/{pid}/events"), &body).await.accepted(200);
            let (_, agreement) = hand.inbox(exchange, 2).await;
            assert_eq!(agreement["@type"], "ContractAgreementMessage", "{agreement}");
        } else {
            let body = hand.counter_request(&pid, &own, &bare);
            hand.act(exchange, &format!("/negotiations/{pid}/request"), &body).await.accepted(200);
            let (_, said) = hand.inbox(exchange, 2).await;
            assert_eq!(said["code"], "duty_missing", "{said}");
        }
    }
}
