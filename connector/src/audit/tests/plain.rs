//! Deals with a peer that signs nothing, in one export, and everything that can be wrong with what is recorded of them (spec
//! chapter 09, AUD-13; chapter 08, LOG-6.10).

mod trade;

use std::fs;

use naru_protocol::{
    encoding::{Digest, Id, from_base64url, to_base64url},
    exchange::Role,
    json,
    log::entry::{EntryDraft, EntryType, ExchangeKey, FieldKey, Side as Half},
    plain::{PlainAct, UnsignedTerms},
};
use serde_json::{Value, json as object};

use self::trade::{PEER, Trade, Twist, Until};
use super::{Actor, NOW, Reason, Report, Verdict, anchors, deal, failures, key, scratch, verify};
use crate::audit::Grade;

const ROLES: [Role; 2] = [Role::Provider, Role::Consumer];

/// Claims of one name with this verdict.
fn count(report: &Report, name: &str, verdict: Verdict) -> usize {
    report.claims().iter().filter(|claim| claim.name() == name && claim.verdict() == verdict).count()
}

/// AUD-13.1, AUD-13.2, AUD-13.4 to AUD-13.8, AUD-6.6, AUD-6.11, LOG-6.10
#[test]
fn a_deal_with_a_peer_that_signs_nothing_holds_and_says_what_it_does_not_prove() {
    for role in ROLES {
        let trade = Trade::plain("plain-deal", role, Until::Completed);
        let report = trade.audit();
        assert!(report.holds(), "{role:?}: {}", report.to_text());
        assert_eq!(trade.words(&report), ["agreed, unsigned", "transfer complete, unsigned"]);
        // What we sent is our word, what the peer sent is nobody's.
        let sent = if role == Role::Provider { 3 } else { 4 };
        assert_eq!(count(&report, "act", Verdict::Proved), sent, "{role:?}");
        assert_eq!(count(&report, "act", Verdict::Unsupported), 7 - sent);
        assert_eq!(count(&report, "decision", Verdict::Proved), 2);
        assert_eq!(count(&report, "transfer", Verdict::Proved), 1);
        for verdict in [Verdict::Proved, Verdict::Unsupported] {
            assert_eq!(count(&report, "unsigned_agreement", verdict), 1);
        }
        let of_peer = report.claims().iter().filter(|c| c.verdict() == Verdict::Unsupported);
        assert!(of_peer.into_iter().all(|claim| claim.reason() == Some(Reason::Unsigned)));
        let told = ["act", "unsigned_agreement", "transfer"];
        let mut proved = report.claims().iter().filter(|c| told.contains(&c.name()) && c.grade.is_some());
        assert!(proved.all(|claim| claim.grade == Some(Grade::Own)));
        assert_eq!(count(&report, "both_halves", Verdict::Proved), 0);
        assert_eq!(deal::proved(&report, "listing"), usize::from(role == Role::Provider));
    }
}

/// AUD-13.8, AUD-12.2, AUD-12.3: the mark, and what may not be concluded; a report without such exchanges says no word of it.
#[test]
fn a_report_marks_what_is_unsigned() {
    let line = crate::audit::MAY_NOT_UNSIGNED;
    let trade = Trade::plain("marked", Role::Provider, Until::Completed);
    let report = trade.audit();
    let text = report.to_text();
    let ids = [trade.negotiation, trade.transfer];
    for (kind, id) in ["negotiation", "transfer"].iter().zip(ids) {
        assert!(text.contains(&format!("unsigned {kind} {id}: ")), "{text}");
    }
    assert!(text.contains(line));
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert!(json["may_not_be_concluded"].as_array().unwrap().contains(&object!(line)));
    for exchange in json["exchanges"].as_array().unwrap() {
        assert_eq!(exchange["unsigned"], object!(true));
        let parties = exchange["parties"].as_array().unwrap();
        assert!(parties.contains(&object!(PEER)) && parties.contains(&object!(trade.owner.did)));
        assert_eq!(exchange["agreement"], object!(trade.agreement));
    }
    assert!(include_str!("../../../../spec/09-audit.md").contains(&format!("- {line}\n")));
    let signed = deal::Deal::plain("unmarked", deal::Until::InForce).audit();
    assert!(!signed.to_text().contains("unsigned negotiation") && !signed.to_text().contains(line));
    assert!(!signed.to_json().contains(line));
}

/// AUD-13.7, AUD-13.8
#[test]
fn unsigned_exchanges_have_words_of_their_own() {
    for role in ROLES {
        for (until, negotiation, transfer) in [
            (Until::Requested, "open", ""),
            (Until::Agreed, "open", ""),
            (Until::Finalized, "agreed, unsigned", ""),
            (Until::Started, "agreed, unsigned", "transfer open"),
            (Until::Completed, "agreed, unsigned", "transfer complete, unsigned"),
        ] {
            let trade = Trade::plain("plain-words", role, until);
            let report = trade.audit();
            assert!(report.holds(), "{until:?}: {}", report.to_text());
            assert_eq!(trade.words(&report), [negotiation, transfer], "{until:?}");
        }
        for (code, word) in [("denied", "refused"), ("cancelled", "terminated"), ("42", "terminated")] {
            let mut trade = Trade::plain("plain-end", role, Until::Requested);
            trade.terminate(Role::Consumer, code);
            let report = trade.audit();
            assert!(report.holds(), "{}", report.to_text());
            assert_eq!(trade.words(&report)[0], word, "{code}");
        }
        let mut trade = Trade::plain("plain-stop", role, Until::Started);
        trade.stop();
        let report = trade.audit();
        assert!(report.holds(), "{}", report.to_text());
        assert_eq!(trade.words(&report)[1], "transfer terminated");
    }
    // What was refused need not be a message, and concludes nothing.
    let mut trade = Trade::draft("plain-refused", Role::Provider, &Twist::default());
    let kind = ("/negotiations/request", EntryType::NegotiationRequest);
    let fields = [("code", object!("malformed")), ("decision", object!(trade.evaluations[0]))];
    trade.message(Role::Consumer, trade.negotiation, kind, b"no JSON", &fields, (400, b"{}"));
    let report = trade.audit();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(trade.words(&report)[0], "refused");
    // A message of ours that crossed one of the peer and was dropped is as if it had not been sent.
    let mut trade = Trade::plain("plain-dropped", Role::Provider, Until::Finalized);
    let last = *trade.acts.last().unwrap();
    let mut dropped = EntryDraft::own(EntryType::Dropped, Id([78; 16]), NOW);
    (dropped.exchange, dropped.act) = (Some(trade.negotiation), Some(last));
    dropped.field("unsigned", object!(true), FieldKey::Node(trade.owner.node_key()));
    trade.owner.append(&dropped);
    let report = trade.audit();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(trade.words(&report)[0], "open");
}

/// AUD-1.10, AUD-13.1, AUD-13.2: what was changed is what the reason says.
#[test]
fn changed_messages_are_named() {
    let other = || to_base64url(b"{\"@type\":\"x\"}");
    let changes: [(&str, usize, &str, Value, Reason); 12] = [
        ("content", 0, "/content", object!(other()), Reason::ContentDiffers),
        ("content sent", 1, "/content", object!(other()), Reason::ContentDiffers),
        ("body", 1, "/act/body", object!(Digest::of(b"x")), Reason::NameDiffers),
        ("exchange", 1, "/act/exchange", object!(Id([53; 16])), Reason::NameDiffers),
        ("sender", 0, "/act/from", object!("urn:connector:other"), Reason::NameDiffers),
        ("direction", 0, "/direction", object!("sent"), Reason::ActDiffers),
        ("direction sent", 1, "/direction", object!("received"), Reason::ActDiffers),
        ("kind", 0, "/kind", object!("negotiation.offer"), Reason::ActDiffers),
        ("status", 0, "/status", object!(200), Reason::ActDiffers),
        ("answer", 0, "/answer", object!("e30K"), Reason::ActDiffers),
        ("no answer", 0, "/answer", Value::Null, Reason::ActDiffers),
        ("an answer to ours", 1, "/answer", object!("e30"), Reason::ActDiffers),
    ];
    for (what, act, pointer, value, reason) in changes {
        let mut trade = Trade::plain("plain-changed", Role::Provider, Until::Completed);
        let name = trade.name(act);
        trade.set(&name, pointer, value);
        let report = trade.audit();
        assert_eq!(failures(&report)[0], reason, "{what}: {}", report.to_text());
        assert_eq!(trade.words(&report)[0], "not proved", "{what}");
    }
    // Members and spelling.
    let mut trade = Trade::plain("plain-members", Role::Provider, Until::Requested);
    let name = trade.name(0);
    let good: Value = serde_json::from_slice(&trade.owner.files[&name]).unwrap();
    let members = ["act", "answer", "content", "direction", "kind", "status", "v"];
    assert_eq!(good.as_object().unwrap().keys().collect::<Vec<_>>(), members);
    let mut more = good.clone();
    more["token"] = Value::Null;
    trade.owner.put(&name, &more);
    assert_eq!(failures(&trade.audit())[0], Reason::FileMalformed);
    trade.owner.files.insert(name, serde_json::to_vec_pretty(&good).unwrap());
    assert_eq!(failures(&trade.audit())[0], Reason::FileMalformed);
}

/// AUD-13.1, AUD-13.4: every file, whatever is done to it.
#[test]
fn every_file_of_an_unsigned_deal_matters() {
    for role in ROLES {
        let trade = Trade::plain("plain-flip", role, Until::Completed);
        let dir = trade.dir.join("a");
        trade.owner.export(&dir);
        let audit = || verify(std::slice::from_ref(&dir), &anchors()).unwrap();
        assert!(audit().holds());
        let ours =
            |name: &&String| ["plain/", "unsigned/", "evaluations/"].iter().any(|f| name.starts_with(f));
        for name in trade.owner.files.keys().filter(ours) {
            let path = dir.join(name);
            let good = fs::read(&path).unwrap();
            for at in [0, 4, good.len() / 4, good.len() / 3, good.len() / 2, good.len() - 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, &bad).unwrap();
                assert!(!audit().holds(), "{name} at {at}");
            }
            for bad in [&b""[..], b"{}", b"[[[[", &[0xff; 70_000]] {
                fs::write(&path, bad).unwrap();
                assert!(!audit().holds(), "{name}");
            }
            fs::remove_file(&path).unwrap();
            let reasons = failures(&audit());
            let due = match name.split_once('/').unwrap().0 {
                "plain" => Reason::ActWithheld,
                "unsigned" => Reason::AgreementWithheld,
                _ => Reason::EvaluationWithheld,
            };
            assert!(reasons.contains(&due), "{name} removed: {reasons:?}");
            fs::write(&path, &good).unwrap();
        }
        assert!(audit().holds());
    }
}

/// AUD-13.2, LOG-6.10: every entry of such a message says so.
#[test]
fn what_is_unsigned_is_marked_in_the_log() {
    for mark in [None, Some(object!(false)), Some(object!("true")), Some(Value::Null)] {
        let twist = Twist { mark: mark.clone(), ..Twist::default() };
        let trade = Trade::new("plain-mark", Role::Provider, Until::Finalized, &twist);
        let reasons = failures(&trade.audit());
        assert!(reasons.contains(&Reason::FieldDiffers), "{mark:?}: {reasons:?}");
    }
    let twist = Twist { peer: "urn:connector:other", ..Twist::default() };
    let trade = Trade::new("plain-peer", Role::Provider, Until::Requested, &twist);
    assert_eq!(failures(&trade.audit())[0], Reason::FieldDiffers);
    // Fields that are not shown stay open; the digest of the message says by itself what it is.
    let mut trade = Trade::plain("plain-hidden", Role::Provider, Until::Completed);
    trade.owner.files.retain(|name, _| !name.starts_with("disclosures/") || name == "disclosures/0.json");
    let report = trade.audit();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(trade.words(&report)[0], "open", "no entry shows which terms it named");
    assert_eq!(count(&report, "unsigned_agreement", Verdict::NotDisclosed), 1);
}

/// AUD-13.1, AUD-13.3: messages that the log does not have, has elsewhere, or has as signed ones.
#[test]
fn messages_of_other_exchanges_and_peers_are_refused() {
    // Not in the log.
    let mut trade = Trade::plain("plain-stranger", Role::Provider, Until::Requested);
    let mut file: Value = serde_json::from_slice(&trade.owner.files[&trade.name(0)]).unwrap();
    file["act"]["exchange"] = object!(Id([99; 16]));
    let act: PlainAct = serde_json::from_value(file["act"].clone()).unwrap();
    trade.owner.put(&format!("plain/{}.json", act.digest().unwrap()), &file);
    assert_eq!(failures(&trade.audit()), [Reason::ActUnlogged]);
    // The entry is of another exchange than the message says, or of a peer that has a key.
    let change = |name: &str, change: fn(&mut PlainAct)| {
        let mut trade = Trade::draft(name, Role::Provider, &Twist::default());
        trade.request();
        let mut file: Value = serde_json::from_slice(&trade.owner.files[&trade.name(0)]).unwrap();
        let mut act: PlainAct = serde_json::from_value(file["act"].clone()).unwrap();
        change(&mut act);
        let digest = act.digest().unwrap();
        let mut draft =
            EntryDraft::sent(EntryType::NegotiationRequest, trade.negotiation, act.msg, digest, NOW);
        (draft.side, draft.status) = (Half::Received, Some(201));
        draft.answer = Some(Digest::of(b"{}"));
        let salt = || FieldKey::Exchange(ExchangeKey::from_bytes([9; 32]));
        draft.field("unsigned", object!(true), salt());
        draft.field("peer", object!(act.from), salt());
        trade.owner.append(&draft);
        file["act"] = object!(act);
        trade.owner.put(&format!("plain/{digest}.json"), &file);
        failures(&trade.audit())
    };
    assert_eq!(change("plain-exchange", |act| act.exchange = Id([99; 16])), [Reason::ActDiffers]);
    let keyed =
        |act: &mut PlainAct| act.from = naru_protocol::identity::Did::of(key(2, 0).public()).to_string();
    assert_eq!(change("plain-keyed", keyed), [Reason::ActDiffers]);
    assert_eq!(change("plain-third", |act| act.from = "urn:connector:third".into()), [Reason::ActDiffers]);
    assert_eq!(change("plain-not-ours", |act| act.to = "urn:connector:third".into()), [Reason::ActDiffers]);
    // The profile's own messages are none between such partners.
    let mut trade = Trade::plain("plain-receipt", Role::Provider, Until::Completed);
    let kind = ("/transfers/tp/receipt", EntryType::TransferReceipt);
    trade.message(Role::Consumer, trade.transfer, kind, b"{\"@type\":\"DataReceipt\"}", &[], (200, b""));
    assert_eq!(failures(&trade.audit()), [Reason::ActDiffers]);
    // And a message is of the kind that its entry says.
    let mut trade = Trade::plain("plain-kind", Role::Provider, Until::Started);
    let kind = ("/transfers/tp/completion", EntryType::TransferCompletion);
    trade.message(
        Role::Consumer,
        trade.transfer,
        kind,
        b"{\"@type\":\"TransferStartMessage\"}",
        &[],
        (200, b""),
    );
    assert_eq!(failures(&trade.audit()), [Reason::ActDiffers]);
}

/// AUD-13.3, AUD-5.3: a signed message does not become an unsigned one by leaving its signature out.
#[test]
fn a_signed_act_is_never_shown_as_unsigned() {
    let names = |deal: &deal::Deal| -> Vec<String> {
        deal.provider.files.keys().filter(|name| name.starts_with("acts/")).cloned().collect()
    };
    let read = |deal: &deal::Deal, name: &str| -> Value {
        serde_json::from_slice(&deal.provider.files[name]).unwrap()
    };
    let deal = deal::Deal::plain("downgraded", deal::Until::Completed);
    assert!(deal.audit().holds());
    for name in names(&deal) {
        let mut deal = deal::Deal::plain("downgraded", deal::Until::Completed);
        let signed = read(&deal, &name);
        // Moved as it is, rewritten under its old name, and under the name that the rewritten one has.
        let mut plain = object!({
            "v": 1, "direction": signed["direction"], "kind": signed["kind"], "content": signed["content"],
            "status": null, "answer": null,
            "act": {"v": 1, "msg": signed["act"]["msg"], "from": signed["act"]["iss"], "to": signed["act"]["aud"],
                "exchange": signed["act"]["exchange"], "method": "POST", "path": signed["act"]["path"],
                "body": signed["act"]["body"]},
        });
        if signed["direction"] == object!("received") {
            (plain["status"], plain["answer"]) = (signed["status"].clone(), signed["answer"].clone());
        }
        let act: PlainAct = serde_json::from_value(plain["act"].clone()).unwrap();
        let moved = name.replace("acts/", "plain/");
        let own = format!("plain/{}.json", act.digest().unwrap());
        deal.provider.files.remove(&name);
        for (place, file, reason) in [
            (&moved, &signed, Reason::FileMalformed),
            (&moved, &plain, Reason::NameDiffers),
            (&own, &plain, Reason::ActWithheld),
        ] {
            deal.provider.put(place, file);
            let reasons = failures(&deal.audit());
            assert!(reasons.contains(&reason), "{name}: {reasons:?}");
            deal.provider.files.remove(place);
        }
        // A received one without its token is no act either.
        if signed["direction"] == object!("received") {
            let mut bare = signed.clone();
            (bare["token"], bare["ack"]) = (Value::Null, Value::Null);
            deal.provider.put(&name, &bare);
            assert!(failures(&deal.audit()).contains(&Reason::TokenInvalid), "{name}");
        }
    }
}

/// AUD-13.3, AUD-9.5: an entry of a signed act that is marked unsigned.
#[test]
fn an_entry_of_a_signed_act_is_not_marked_unsigned() {
    let marked = |sent: bool| {
        let (mut provider, mut consumer) = (Actor::new(1, "KR"), Actor::new(2, "SG"));
        let content = object!({"@type": "ContractNegotiationTerminationMessage"}).to_string();
        let fields = [("unsigned", object!(true))];
        let act = |msg, fields| super::Sent {
            msg,
            exchange: Id([61; 16]),
            path: "/negotiations/p/termination",
            kind: EntryType::NegotiationTermination,
            content: content.as_bytes(),
            prev: None,
            fields,
            status: 200,
            answer: b"",
        };
        act(7, if sent { &fields } else { &[] }).carry(&mut provider, &mut consumer);
        act(8, &[]).carry(&mut consumer, &mut provider);
        provider.close(&consumer);
        consumer.close(&provider);
        let dir = scratch("marked-signed");
        let report = verify(&super::exports(&dir, &provider, &consumer), &anchors()).unwrap();
        let _ = fs::remove_dir_all(&dir);
        report
    };
    assert!(marked(false).holds(), "{}", marked(false).to_text());
    assert_eq!(failures(&marked(true))[0], Reason::FieldDiffers);
}

/// AUD-13.4, AUD-13.5: terms that do not fit what they rest on.
#[test]
fn unsigned_terms_fit_message_parties_and_decision() {
    type Change = fn(&mut UnsignedTerms);
    let terms: [(&str, Change); 7] = [
        ("another text", |terms| {
            let mut value = terms.agreement.value().clone();
            value["@id"] = object!("urn:agreement:other");
            terms.agreement = naru_protocol::dsp::odrl::Agreement::from_value(value).unwrap();
        }),
        ("another exchange", |terms| terms.exchange = Id([77; 16])),
        ("another provider", |terms| terms.provider = "urn:connector:third".into()),
        ("another consumer", |terms| terms.consumer = "urn:connector:third".into()),
        ("another document", |terms| terms.shared["contract"]["retention_days"] = object!(1)),
        ("other packs", |terms| drop(terms.packs.pop())),
        ("other duties", |terms| drop(terms.obligations.pop())),
    ];
    for role in ROLES {
        for (what, change) in terms {
            let twist = Twist { terms: change, ..Twist::default() };
            let trade = Trade::new("plain-terms", role, Until::Finalized, &twist);
            let report = trade.audit();
            assert!(!report.holds(), "{what}: {}", report.to_text());
            assert_eq!(trade.words(&report)[0], "not proved", "{what}");
            assert_eq!(count(&report, "unsigned_agreement", Verdict::Proved), 0, "{what}");
        }
    }
    // A decision that does not allow, one over other terms, and none.
    let denied: fn(&mut Value) = |shared| shared["contract"]["retention_days"] = object!("never");
    let twist = Twist {
        judged: denied,
        terms: |terms| terms.shared["contract"]["retention_days"] = object!("never"),
        ..Twist::default()
    };
    let other: fn(&mut Value) = |shared| shared["contract"]["retention_days"] = object!(1);
    for (what, twist, reason) in [
        ("refused", twist, Reason::UnsignedDiffers),
        ("over others", Twist { judged: other, ..Twist::default() }, Reason::InputSharedChanged),
        ("not named", Twist { names: [true, false], ..Twist::default() }, Reason::UnsignedDiffers),
    ] {
        let trade = Trade::new("plain-decided", Role::Provider, Until::Finalized, &twist);
        let reasons = failures(&trade.audit());
        assert!(reasons.contains(&reason), "{what}: {reasons:?}");
    }
    // The decision may stand with an earlier message of the negotiation.
    let twist = Twist { names: [false, true], ..Twist::default() };
    let trade = Trade::new("plain-earlier", Role::Provider, Until::Finalized, &twist);
    assert!(trade.audit().holds(), "{}", trade.audit().to_text());
}

/// AUD-1.11, AUD-13.4: terms changed after they were recorded, under their old and under their own name.
#[test]
fn changed_unsigned_terms_are_named() {
    let mut trade = Trade::plain("plain-document", Role::Provider, Until::Completed);
    let name = trade.document();
    trade.set(&name, "/agreement/@id", object!("urn:agreement:other"));
    let reasons = failures(&trade.audit());
    assert_eq!(reasons[0], Reason::NameDiffers, "{reasons:?}");
    let changed = trade.owner.files.remove(&name).unwrap();
    let digest = Digest::of(&changed);
    trade.owner.files.insert(format!("unsigned/{digest}.json"), changed);
    let reasons = failures(&trade.audit());
    for reason in [Reason::AgreementWithheld, Reason::UnsignedDiffers] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
    // A signed agreement's folder is none for it.
    let mut trade = Trade::plain("plain-folder", Role::Provider, Until::Finalized);
    let name = trade.document();
    let bytes = trade.owner.files.remove(&name).unwrap();
    trade.owner.files.insert(name.replace("unsigned/", "agreements/"), bytes);
    let reasons = failures(&trade.audit());
    assert!(reasons.contains(&Reason::AgreementWithheld), "{reasons:?}");
}

/// AUD-13.6, AUD-6.6, AUD-6.11: the host's part is that of a peer that signs nothing.
#[test]
fn decisions_about_unsigned_deals_say_who_vouches_and_that_nobody_signed() {
    for role in ROLES {
        for vouches in ["operator", "ticket", "nobody"] {
            let twist = Twist { vouches, ..Twist::default() };
            let trade = Trade::new("plain-vouches", role, Until::Finalized, &twist);
            assert!(failures(&trade.audit()).contains(&Reason::InputHostChanged), "{vouches}");
        }
        let twist = Twist { signers: |terms| object!([terms.provider, terms.consumer]), ..Twist::default() };
        let trade = Trade::new("plain-signers", role, Until::Started, &twist);
        assert!(failures(&trade.audit()).contains(&Reason::InputHostChanged));
        let mut trade = Trade::plain("plain-counted", role, Until::Started);
        let name = format!("evaluations/{}.json", trade.evaluations[1]);
        trade.set(&name, "/host/transfer/occurrence", object!(2));
        assert_eq!(failures(&trade.audit())[0], Reason::OccurrenceDiffers);
        // Another evaluation in the place of the one that is named.
        let mut trade = Trade::plain("plain-swapped", role, Until::Completed);
        let names = [0, 1].map(|n| format!("evaluations/{}.json", trade.evaluations[n]));
        let swapped = trade.owner.files[&names[1]].clone();
        trade.owner.files.insert(names[0].clone(), swapped);
        assert!(failures(&trade.audit()).contains(&Reason::RecordChanged));
    }
    // A signed deal's peer is never known by a secret alone.
    let mut deal = deal::Deal::plain("signed-secret", deal::Until::InForce);
    let files = deal.provider.files.iter().filter(|(name, _)| name.starts_with("evaluations/"));
    let (name, mut file) = files
        .map(|(name, bytes)| (name.clone(), serde_json::from_slice::<Value>(bytes).unwrap()))
        .next()
        .unwrap();
    file["host"]["consumer"]["identity"]["provenance"] = object!("secret");
    deal.provider.put(&name, &file);
    assert_eq!(failures(&deal.audit())[0], Reason::InputHostChanged);
}

/// AUD-13.7: a transfer is under terms that hold and were finalized before.
#[test]
fn an_unsigned_transfer_is_under_a_finalized_agreement() {
    for role in ROLES {
        let twist = Twist { under: Some("urn:agreement:2"), ..Twist::default() };
        let trade = Trade::new("plain-under", role, Until::Completed, &twist);
        let report = trade.audit();
        assert_eq!(failures(&report), [Reason::FieldDiffers], "{}", report.to_text());
        assert_eq!(trade.words(&report), ["agreed, unsigned", "not proved"]);
        let mut trade = Trade::plain("plain-early", role, Until::Agreed);
        trade.begin(&Twist::default());
        let report = trade.audit();
        assert_eq!(failures(&report), [Reason::ActDiffers], "{}", report.to_text());
        assert_eq!(trade.words(&report), ["open", "not proved"]);
    }
}

/// AUD-13.7, AUD-6.11: transfers are counted under the terms that they name, or that their request names.
#[test]
fn unsigned_transfers_are_counted_by_their_agreement() {
    for role in ROLES {
        for (named, numbers, holds) in [
            ([true; 3], [1, 2, 3], true),
            ([false; 3], [1, 2, 3], true),
            ([true, false, true], [1, 2, 3], true),
            ([true; 3], [1, 2, 2], false),
            ([false; 3], [1, 1, 2], false),
        ] {
            let mut trade = Trade::plain("plain-numbers", role, Until::Finalized);
            for (at, (named, number)) in named.into_iter().zip(numbers).enumerate() {
                trade.transfer = Id([u8::try_from(at).unwrap() + 60; 16]);
                trade.number = number;
                // A record of its own for each.
                trade.begin(&Twist { named, ..Twist::default() });
                trade.complete();
            }
            let report = trade.audit();
            assert_eq!(report.holds(), holds, "{numbers:?}: {}", report.to_text());
        }
    }
}

/// AUD-13.8: what was said to be final and then ended was not concluded, and FINALIZED is of the terms that it names.
#[test]
fn what_ended_was_not_agreed() {
    for role in ROLES {
        let mut trade = Trade::plain("plain-ended", role, Until::Finalized);
        trade.terminate(role, "cancelled");
        let report = trade.audit();
        assert!(report.holds(), "{}", report.to_text());
        assert_eq!(trade.words(&report)[0], "terminated");
    }
    let mut trade = Trade::draft("plain-final", Role::Provider, &Twist::default());
    let own = trade.agreement;
    trade.request();
    trade.agree(&Twist::default());
    trade.finalize(&Twist { finalized: Some(own), ..Twist::default() });
    assert_eq!(trade.words(&trade.audit())[0], "agreed, unsigned");
    let twist = Twist { finalized: Some(Digest::of(b"x")), ..Twist::default() };
    let trade = Trade::new("plain-other-final", Role::Provider, Until::Finalized, &twist);
    assert_eq!(failures(&trade.audit()), [Reason::AgreementWithheld]);
}

/// AUD-13.8: two exports of one log show one exchange once.
#[test]
fn two_exports_of_one_log_show_an_exchange_once() {
    let trade = Trade::plain("plain-twice", Role::Provider, Until::Completed);
    let shorter = Trade::plain("plain-shorter", Role::Provider, Until::Finalized);
    let dirs = [(&trade, "long"), (&shorter, "short")].map(|(trade, name)| {
        let dir = trade.dir.join(name);
        trade.owner.export(&dir);
        dir
    });
    for dirs in [dirs.to_vec(), dirs.iter().rev().cloned().collect()] {
        let report = verify(&dirs, &anchors()).unwrap();
        assert!(report.holds(), "{}", report.to_text());
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["exchanges"].as_array().unwrap().len(), 2);
    }
    // What is compared is what was exported.
    let file: Value = serde_json::from_slice(&trade.owner.files[&trade.name(0)]).unwrap();
    let content = from_base64url(file["content"].as_str().unwrap()).unwrap();
    assert_eq!(object!(Digest::of(&content)), file["act"]["body"]);
    assert_eq!(trade.owner.files[&trade.document()], json::to_canonical(&trade.terms).unwrap());
}
