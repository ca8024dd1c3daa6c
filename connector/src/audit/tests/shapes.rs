//! The shapes of exported files and of the report, and signatures under keys that were revoked (spec chapter 09, AUD-1, AUD-3.4
//! and AUD-12.2).

use naru_protocol::{
    encoding::{Digest, Id},
    identity::{KeySet, Revocation},
    jws::sign_compact,
    log::{disclosure::Disclosure, entry::NodeKey},
};
use serde_json::{Value, json as object};

use super::{
    Actor, NOW, Reason, Story, anchors, failures,
    joined::{alter, evaluation, member, pack, second_set, state},
    verify,
};

/// The failures of an export whose provider was changed.
fn fails(name: &str, change: impl FnOnce(&mut Story)) -> Vec<Reason> {
    let mut story = Story::new(name);
    change(&mut story);
    failures(&verify(&story.dirs()[..1], &anchors()).unwrap())
}

fn json_of(actor: &Actor, name: &str) -> Value {
    serde_json::from_slice(&actor.files[name]).unwrap()
}

/// AUD-1.3, AUD-1.5 to AUD-1.7
#[test]
fn files_have_exactly_the_members_of_their_kind() {
    let act = |story: &Story| format!("acts/{}.json", story.offer);
    type Name<'a> = &'a dyn Fn(&Story) -> String;
    let parts: Name<'_> = &|story| pack(story, ".json");
    let cases: [(Name<'_>, &[&str]); 3] = [
        (&act, &["ack", "act", "answer", "content", "direction", "kind", "status", "token", "v"]),
        (&evaluation, &["disclosure", "host", "record", "shared", "v"]),
        (parts, &["archive", "data", "manifest", "name", "v", "wasm"]),
    ];
    for (name, members) in cases {
        let story = Story::new("members");
        let file = json_of(&story.provider, &name(&story));
        assert_eq!(file.as_object().unwrap().keys().collect::<Vec<_>>(), members);
        for missing in members {
            let reasons = fails("missing", |story| {
                let (name, mut file) = (name(story), file.clone());
                file.as_object_mut().unwrap().remove(*missing);
                story.provider.put(&name, &file);
            });
            assert_eq!(reasons[0], Reason::FileMalformed, "without {missing}");
        }
        let reasons = fails("more", |story| {
            let (name, mut file) = (name(story), file.clone());
            file["more"] = object!(1);
            story.provider.put(&name, &file);
        });
        assert_eq!(reasons[0], Reason::FileMalformed, "one more");
    }
}

/// AUD-1.5
#[test]
fn an_answer_is_whole_or_absent() {
    for pointer in ["/status", "/answer", "/ack"] {
        let reasons = fails("whole", |story| alter(story, pointer, Value::Null));
        assert_eq!(reasons[0], Reason::ActDiffers, "{pointer}");
    }
    // Of a received act all three are the exporter's own: it can always show them.
    for (pointer, reason) in
        [("/status", Reason::ActDiffers), ("/answer", Reason::ActDiffers), ("/ack", Reason::AckInvalid)]
    {
        let reasons = fails("own", |story| {
            let name = format!("acts/{}.json", story.termination);
            member(&mut story.provider, &name, pointer, Value::Null);
        });
        assert_eq!(reasons[0], reason, "{pointer}");
    }
}

/// AUD-1.6: the private part is shown by a disclosure of its own name.
#[test]
fn private_input_is_disclosed_under_its_name() {
    let salt = NodeKey::from_bytes([5; 32]).salt(&Id([6; 16]), "input_private");
    let private = object!({"approvals": [], "stop_orders": []});
    let other = Disclosure::new(&salt, "private", private).unwrap();
    let reasons = fails("disclosed", |story| {
        let name = evaluation(story);
        member(&mut story.provider, &name, "/disclosure", object!(other.text()));
    });
    assert_eq!(reasons, [Reason::InputPrivateChanged]);
}

/// AUD-1.7
#[test]
fn a_pack_is_what_its_parts_file_says() {
    let other = object!(Digest::of(b"other"));
    for (pointer, value, reason) in [
        ("/archive", other.clone(), Reason::PackArchiveChanged),
        // The three digests make the name.
        ("/wasm", other.clone(), Reason::NameDiffers),
        ("/data", other.clone(), Reason::NameDiffers),
        ("/manifest", other, Reason::NameDiffers),
        ("/name", object!("other"), Reason::FileMalformed),
    ] {
        let reasons = fails("parts", |story| {
            let name = pack(story, ".json");
            member(&mut story.provider, &name, pointer, value);
        });
        assert_eq!(reasons[0], reason, "{pointer}");
    }
}

/// AUD-3.4: what was logged before a revocation stands, what was logged after it fails.
#[test]
fn a_signature_counts_if_it_was_logged_before_its_key_was_revoked() {
    let revoked = |at: u64| {
        let revoked = vec![Revocation { number: 1, at, log: false }];
        let set = KeySet { log: super::key(1, 2).public(), revoked, ..second_set(1, 10) };
        sign_compact(&set, 0, &super::key(1, 0)).unwrap()
    };
    let mut story = Story::new("revoked-later");
    state(&mut story.provider, &revoked(NOW + 1));
    assert!(verify(&story.dirs(), &anchors()).unwrap().holds());
    for at in [NOW, NOW - 5] {
        let reasons = fails("revoked", |story| drop(state(&mut story.provider, &revoked(at))));
        // The token of the offer and the acknowledgement of the termination.
        let of_keys = reasons.iter().filter(|reason| **reason == Reason::KeyRevoked).count();
        assert_eq!(of_keys, 2, "{reasons:?}");
    }
}

/// AUD-12.2
#[test]
fn a_report_is_one_object_of_these_members() {
    let mut story = Story::new("report");
    alter(&mut story, "/content", object!("e30"));
    let report = verify(&story.dirs(), &anchors()).unwrap();
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let whole = "claims exchanges holds logs may_be_concluded may_not_be_concluded packs_accepted tally v";
    assert_eq!((members(&json).as_str(), &json["v"], &json["holds"]), (whole, &object!(1), &object!(false)));
    assert_eq!(members(&json["tally"]), "attested claims failed not_disclosed proved unsupported");
    assert_eq!(members(&json["logs"][0]), "dir origin participant root size");
    assert_eq!(members(&json["exchanges"][0]), "acts agreement code id kind parties unsigned verdict");
    let claims = json["claims"].as_array().unwrap();
    let mut tally = object!({"claims": claims.len()});
    for verdict in ["proved", "attested", "failed", "not_disclosed", "unsupported"] {
        tally[verdict] = object!(claims.iter().filter(|claim| claim["verdict"] == verdict).count());
    }
    assert_eq!(json["tally"], tally);
    for claim in claims {
        assert_eq!(members(claim), "claim detail exchange grade log reason subject verdict");
        assert!(claim["log"].is_null() || claim["log"].as_u64() < Some(2));
    }
    assert_eq!(json["may_be_concluded"], object!(super::super::MAY[..4]));
    assert_eq!(json["may_not_be_concluded"], object!(super::super::MAY_NOT));
    // A log that did not verify has the size 0 and nothing else.
    let mut story = Story::new("unverified");
    story.provider.leaves.pop();
    story.provider.leaves.push(b"no entry".to_vec());
    let report = verify(&story.dirs(), &anchors()).unwrap();
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!((&json["logs"][0]["size"], &json["logs"][0]["root"]), (&object!(0), &object!("")));
    assert_ne!(json["logs"][1]["size"], object!(0));
}
