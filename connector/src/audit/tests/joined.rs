//! What several exports say together, whom an auditor believes, and that each damage has the reason that is its own (spec chapter
//! 09, AUD-2, AUD-3, AUD-8 and AUD-11).

use std::{fs, path::PathBuf};

use naru_protocol::{
    encoding::{Digest, Id},
    identity::{Did, KeySet},
    json::V1,
    jws::{peek, sign_compact},
    listing::Listing,
    log::entry::{EntryDraft, EntryType, FieldKey},
};
use serde_json::{Value, json as object};

use super::{
    Actor, Anchors, NOW, Reason, Report, Story, Verdict, anchors,
    deal::{Deal, Until},
    engine, failures, key, verify,
};

/// Puts a statement into an export, under the name that its digest gives; gives what was there.
pub(super) fn state(actor: &mut Actor, jws: &str) -> Option<Vec<u8>> {
    let name = format!("statements/{}.jws", Digest::of(jws.as_bytes()));
    actor.files.insert(name, jws.as_bytes().to_vec())
}

/// A second key set of the actor with this seed; `variant` makes other keys.
pub(super) fn second_set(seed: u8, variant: u8) -> KeySet {
    let [signing, log, transport, witness] = [1, 2, 3, 4].map(|which| key(seed, variant + which).public());
    let iss = Did::of(key(seed, 0).public());
    KeySet { v: V1, iss, number: 2, signing, log, transport, witness, valid_from: 2, revoked: vec![] }
}

/// The one failure of an export whose statements were changed.
fn statement_fails(name: &str, change: impl FnOnce(&mut Actor)) -> Reason {
    let mut story = Story::new(name);
    change(&mut story.provider);
    let reasons = failures(&verify(&story.dirs()[..1], &anchors()).unwrap());
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0]
}

/// AUD-3.1
#[test]
fn a_statement_is_named_by_its_bytes_and_signed_by_whom_it_is_about() {
    assert_eq!(
        statement_fails("named", |actor| {
            let jws = sign_compact(&second_set(1, 10), 0, &key(1, 0)).unwrap();
            let name = format!("statements/{}.jws", Digest::of(b"another"));
            actor.files.insert(name, jws.into_bytes());
        }),
        Reason::NameDiffers
    );
    // A key set by its own signing key, and by another root.
    for (number, signer) in [(1, key(1, 1)), (0, key(2, 0))] {
        let jws = sign_compact(&second_set(1, 10), number, &signer).unwrap();
        let reason = statement_fails("rooted", |actor| drop(state(actor, &jws)));
        assert_eq!(reason, Reason::StatementInvalid);
    }
    // A listing under the log key, and under a key set that nobody shows.
    for (number, which, reason) in [(1, 2, Reason::StatementInvalid), (3, 1, Reason::KeyUnknown)] {
        let mut deal = Deal::plain("listed", Until::InForce);
        let name = deal.listing_name();
        let good = String::from_utf8(deal.provider.files[&name].clone()).unwrap();
        let listing = peek::<Listing>(&good).unwrap();
        let jws = sign_compact(listing.claims(), number, &key(1, which)).unwrap();
        state(&mut deal.provider, &jws);
        assert_eq!(failures(&verify(&deal.dirs()[..1], &anchors()).unwrap()), [reason]);
    }
}

/// AUD-3.2
#[test]
fn statements_of_all_exports_are_taken_together() {
    let mut story = Story::new("together");
    let [one, other] = [10, 20].map(|variant| sign_compact(&second_set(1, variant), 0, &key(1, 0)).unwrap());
    state(&mut story.provider, &one);
    state(&mut story.consumer, &other);
    // Each export for itself is in order; the provider told the two of them different things.
    let dirs = story.dirs();
    for dir in &dirs {
        assert!(verify(std::slice::from_ref(dir), &anchors()).unwrap().holds());
    }
    assert_eq!(failures(&verify(&dirs, &anchors()).unwrap()), [Reason::KeysConflict]);
    // What one export leaves out, the other may show.
    let mut story = Story::new("shown-once");
    let keys = story.consumer.keys();
    let name = format!("statements/{}.jws", Digest::of(keys.as_bytes()));
    assert!(story.provider.files.remove(&name).is_some());
    let dirs = story.dirs();
    assert!(verify(&dirs, &anchors()).unwrap().holds());
    assert!(failures(&verify(&dirs[..1], &anchors()).unwrap()).contains(&Reason::KeyUnknown));
}

/// AUD-2.2
#[test]
fn an_export_brings_no_anchors() {
    let story = Story::new("own-anchors");
    let dirs = story.dirs();
    let told = |report: &Report| {
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        (json["packs_accepted"].clone(), report.to_text().contains("The anchors name no packs"))
    };
    let report = verify(&dirs, &anchors()).unwrap();
    assert_eq!(told(&report), (object!("any"), true));
    // Anchors that an exporter wrote are a file that does not belong, and make nobody known.
    let person = |actor: &Actor, name: &str| {
        let Actor { did, country, .. } = actor;
        format!("[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"{country}\"\n")
    };
    let people = [person(&story.provider, "Firm 1"), person(&story.consumer, "Firm 2")];
    fs::create_dir_all(dirs[1].join("trust")).unwrap();
    fs::write(dirs[1].join("trust/anchors.toml"), format!("version = 1\n{}", people[1])).unwrap();
    let provider = Anchors::parse(&format!("version = 1\n{}", people[0])).unwrap();
    let report = verify(&dirs, &provider).unwrap();
    assert_eq!(failures(&report), [Reason::FileUnexpected, Reason::NotAnchored]);
    fs::remove_dir_all(dirs[1].join("trust")).unwrap();
    // Packs that the auditor names are the only ones that count, and the report says which it was.
    let text = |packs: &[(&str, String)]| {
        let pack =
            |(name, digest): &(&str, String)| format!("[[pack]]\nname = \"{name}\"\ndigest = \"{digest}\"\n");
        format!("version = 1\n{}{}", people.concat(), packs.iter().map(pack).collect::<String>())
    };
    let used: Vec<(&str, String)> =
        engine().packs().map(|pack| (pack.name.as_str(), pack.digest.clone())).collect();
    let report = verify(&dirs, &Anchors::parse(&text(&used)).unwrap()).unwrap();
    assert!(report.holds());
    assert_eq!(told(&report), (object!("anchors"), false));
    let report = verify(&dirs, &Anchors::parse(&text(&used[..1])).unwrap()).unwrap();
    assert!(failures(&report).contains(&Reason::PackNotAccepted));
    assert_eq!(report.verdict_of(&story.exchange.to_string()), Some("not proved"));
}

/// AUD-11.1: an export from before and one from after are of one log, or it forked.
#[test]
fn two_exports_of_one_log_are_one_history() {
    let mut story = Story::new("twice");
    let before = story.dirs()[0].clone();
    let kept = story.dir.join("before");
    fs::rename(&before, &kept).unwrap();
    let mut later = EntryDraft::own(EntryType::Pack, Id([78; 16]), NOW + 5);
    later.field("name", object!("post"), FieldKey::Node(story.provider.node_key()));
    story.provider.append(&later);
    let after = story.dirs()[0].clone();
    let same = |dirs: [&PathBuf; 2]| {
        let report = verify(&dirs.map(Clone::clone), &anchors()).unwrap();
        let claim = report.claims().iter().find(|claim| claim.name() == "same_log").cloned();
        (report, claim.unwrap())
    };
    for dirs in [[&kept, &after], [&after, &kept], [&kept, &kept]] {
        let (report, claim) = same(dirs);
        assert!(report.holds(), "{}", report.to_text());
        assert_eq!(claim.verdict(), Verdict::Proved);
    }
    // The same number of entries and one more, but the last of before is another now.
    let place = story.provider.leaves.len() - 2;
    let mut other = EntryDraft::own(EntryType::Pack, Id([79; 16]), NOW + 5);
    other.field("name", object!("core"), FieldKey::Node(story.provider.node_key()));
    let (last, _) = (story.provider.leaves.pop().unwrap(), story.provider.leaves.pop().unwrap());
    for index in [place, place + 1] {
        story.provider.files.remove(&format!("disclosures/{index}.json"));
    }
    story.provider.append(&other);
    story.provider.leaves.push(last);
    let forked = story.dirs()[0].clone();
    for dirs in [[&kept, &forked], [&forked, &kept]] {
        let (report, claim) = same(dirs);
        assert!(!report.holds());
        assert_eq!((claim.verdict(), claim.reason()), (Verdict::Failed, Some(Reason::Forked)));
    }
}

/// Changes one member of a JSON file of an export.
pub(super) fn member(actor: &mut Actor, name: &str, pointer: &str, value: Value) {
    let mut file: Value = serde_json::from_slice(&actor.files[name]).unwrap();
    *file.pointer_mut(pointer).unwrap() = value;
    actor.put(name, &file);
}

/// A damage to the provider's export, and the first reason that must be given for it.
type Damage = (Reason, fn(&mut Story));

fn act(story: &Story) -> String {
    format!("acts/{}.json", story.offer)
}

/// Changes one member of the file of the offer.
pub(super) fn alter(story: &mut Story, pointer: &str, value: Value) {
    let name = act(story);
    member(&mut story.provider, &name, pointer, value);
}

pub(super) fn pack(story: &Story, suffix: &str) -> String {
    let named = |name: &&String| name.starts_with("packs/") && name.ends_with(suffix);
    story.provider.files.keys().find(named).unwrap().clone()
}

pub(super) fn evaluation(story: &Story) -> String {
    format!("evaluations/{}.json", story.evaluation)
}

const DAMAGES: &[Damage] = &[
    (Reason::FileUnexpected, |story| drop(story.provider.files.insert("acts/x.json".into(), vec![]))),
    (Reason::FileUnexpected, |story| story.provider.put("disclosures/99.json", &object!([]))),
    (Reason::FileTooLarge, |story| {
        let name = pack(story, ".json");
        story.provider.files.insert(name, vec![b' '; 5000]);
    }),
    (Reason::FileMalformed, |story| {
        let name = act(story);
        story.provider.files.get_mut(&name).unwrap().push(b'\n');
    }),
    (Reason::NameDiffers, |story| {
        let bytes = story.provider.files[&act(story)].clone();
        story.provider.files.insert(format!("acts/{}.json", Digest::of(b"x")), bytes);
    }),
    (Reason::DisclosureUncommitted, |story| {
        let other = story.provider.files["disclosures/0.json"].clone();
        story.provider.files.insert("disclosures/1.json".into(), other);
    }),
    (Reason::ActWithheld, |story| {
        let name = act(story);
        story.provider.files.remove(&name);
    }),
    (Reason::ContentDiffers, |story| alter(story, "/content", object!("e30"))),
    (Reason::ActDiffers, |story| alter(story, "/direction", object!("received"))),
    (Reason::ActDiffers, |story| alter(story, "/kind", object!("negotiation.request"))),
    (Reason::TokenInvalid, |story| alter(story, "/token", object!("a.b.c"))),
    (Reason::TokenDiffers, |story| {
        let offer: Value = serde_json::from_slice(&story.provider.files[&act(story)]).unwrap();
        let name = format!("acts/{}.json", story.termination);
        member(&mut story.provider, &name, "/token", offer["token"].clone());
    }),
    (Reason::AckInvalid, |story| alter(story, "/ack", object!("a.b.c"))),
    (Reason::AckDiffers, |story| alter(story, "/status", object!(201))),
    (Reason::AckDiffers, |story| alter(story, "/answer", object!("e30"))),
    (Reason::AckWithheld, |story| {
        for pointer in ["/ack", "/answer", "/status"] {
            alter(story, pointer, Value::Null);
        }
    }),
    (Reason::PackMissing, |story| {
        for suffix in [".json", ".tar.gz"] {
            let name = pack(story, suffix);
            story.provider.files.remove(&name);
        }
    }),
    (Reason::PackUnreadable, |story| {
        let name = pack(story, ".tar.gz");
        story.provider.files.get_mut(&name).unwrap().truncate(1000);
    }),
    (Reason::EvaluationWithheld, |story| {
        let name = evaluation(story);
        story.provider.files.remove(&name);
    }),
    (Reason::EvaluationUnbound, |story| {
        let bytes = story.provider.files[&evaluation(story)].clone();
        story.provider.files.insert(format!("evaluations/{}.json", Digest::of(b"x")), bytes);
    }),
];

/// AUD-8.1, AUD-8.2: what was done to an export is what the reason says, every time.
#[test]
fn each_damage_has_its_own_reason() {
    for (number, (reason, damage)) in DAMAGES.iter().enumerate() {
        let mut story = Story::new(&format!("damage-{number}"));
        damage(&mut story);
        let report = verify(&story.dirs()[..1], &anchors()).unwrap();
        let found = failures(&report);
        assert_eq!(found[0], *reason, "damage {number}: {found:?}\n{}", report.to_text());
    }
    // Every claim that is not proved has a reason, every proved one a grade.
    let report = verify(&Story::new("open").dirs()[..1], &anchors()).unwrap();
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    for claim in json["claims"].as_array().unwrap() {
        let proved = claim["verdict"] == "proved";
        assert_eq!((claim["grade"].is_null(), claim["reason"].is_null()), (!proved, proved), "{claim}");
    }
}
