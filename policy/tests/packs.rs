//! The committed packs against the vectors of `spec/vectors/policy/`: ordinary deals are allowed on both sides at every
//! phase, every rule denies and allows what its vectors say, and no missing fact ever turns a denial into an allow.
//! No OPA is needed. `NARU_BLESS=1` writes the results of `ordinary.json` anew.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use std::sync::LazyLock;

use naru_policy::{
    Bundle, Disclose, Engine, Evaluation, Evaluator, Held, InputError, Lang, PeerView, ResultDoc, assemble,
    bundled, document_digest,
};
use serde_json::{Value, json};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/");

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let bundles = bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap());
    Engine::new(bundles).unwrap()
});

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{VECTORS}{name}")).unwrap()).unwrap()
}

fn decided(input: &Value) -> ResultDoc {
    match ENGINE.evaluate(input) {
        Evaluation::Decided(result) => result,
        Evaluation::Broken { code, reason } => panic!("{code:?} {reason}: {input}"),
    }
}

/// The ordinary input of a phase and side.
fn ordinary(phase: &str, side: &str) -> Value {
    let cases = read("ordinary.json");
    let name = format!("{phase}, {side}");
    let case = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == name.as_str()).unwrap();
    input_of(case)
}

fn input_of(case: &Value) -> Value {
    assemble(ENGINE.packs(), &case["shared"], &case["private"], &case["host"]).unwrap()
}

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

struct Vector {
    name: String,
    rule: String,
    expect: String,
    detail: Option<String>,
    input: Value,
}

static VECTOR: LazyLock<Vec<Vector>> = LazyLock::new(|| {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let load = |vector: &Value| {
        let mut input = ordinary(vector["phase"].as_str().unwrap(), vector["side"].as_str().unwrap());
        merge(&mut input, &vector["patch"]);
        Vector {
            name: format!(
                "{} ({}, {})",
                text(&vector["name"]),
                text(&vector["phase"]),
                text(&vector["side"])
            ),
            rule: text(&vector["rule"]),
            expect: text(&vector["expect"]),
            detail: vector["detail"].as_str().map(str::to_owned),
            input,
        }
    };
    read("rules.json")["vectors"].as_array().unwrap().iter().map(load).collect()
});

// POL-1.2, POL-1.3, POL-5.1, POL-5.2, POL-5.4, POL-6.1: the packs' own fixtures.
#[test]
fn an_ordinary_deal_is_allowed_on_both_sides_at_every_phase() {
    let mut file = read("ordinary.json");
    for case in file["cases"].as_array_mut().unwrap() {
        let result = decided(&input_of(case));
        let written = serde_json::to_value(&result).unwrap();
        let digest = document_digest(&case["shared"]);
        if std::env::var_os("NARU_BLESS").is_some() {
            case["result"] = written;
            case["shared_digest"] = json!(digest);
            continue;
        }
        assert_eq!(written, case["result"], "{}", case["name"]);
        assert_eq!(digest, case["shared_digest"], "{}", case["name"]); // POL-1.5
        let catalog = case["host"]["phase"] == "catalog";
        assert_eq!(
            (result.allow, result.visible),
            if catalog { (None, Some(true)) } else { (Some(true), None) }
        );
        assert!(result.undetermined.is_empty(), "{}: {:?}", case["name"], result.undetermined);
    }
    if std::env::var_os("NARU_BLESS").is_some() {
        std::fs::write(format!("{VECTORS}ordinary.json"), serde_json::to_vec(&file).unwrap()).unwrap();
    }
}

// POL-3.3, POL-4.1, POL-4.2, POL-4.4, POL-5.4, POL-7.2, POL-7.3
#[test]
fn every_vector_gives_what_it_says() {
    for vector in VECTOR.iter() {
        let result = decided(&vector.input);
        let matches = |id: &str, detail: &str| {
            id == vector.rule && vector.detail.as_deref().is_none_or(|wanted| wanted == detail)
        };
        let denied = result.deny.iter().any(|finding| matches(&finding.id, &finding.detail));
        let open = result.undetermined.iter().any(|finding| matches(&finding.id, &finding.detail));
        let held = match vector.expect.as_str() {
            "deny" => denied && !result.allows() && result.visible != Some(true),
            "undetermined" => open && !result.allows(),
            "allow" => result.allows(),
            "oblige" => result.allows() && result.obligations.iter().any(|duty| duty.id == vector.rule),
            "delegated" => result.allows() && result.delegated.iter().any(|item| item.id == vector.rule),
            "basis" => result.allows() && result.basis.len() == 3,
            other => panic!("{other}"),
        };
        assert!(held, "{}: {result:#?}", vector.name);
    }
}

// POL-3.4, POL-7.4: whoever may evaluate a rule has a vector that denies and one that allows.
#[test]
fn every_rule_has_vectors_both_ways() {
    for (id, rule) in ENGINE.packs().flat_map(|pack| &pack.rules) {
        for (side, entitled) in [("exporter", Evaluator::Exporter), ("importer", Evaluator::Importer)] {
            if rule.evaluator != Evaluator::Both && rule.evaluator != entitled {
                continue;
            }
            let has = |kinds: &[&str]| {
                VECTOR.iter().any(|vector| {
                    vector.rule == *id
                        && kinds.contains(&vector.expect.as_str())
                        && (vector.input["side"] == side || id == "CORE-000")
                })
            };
            assert!(
                has(&["deny", "undetermined", "oblige", "basis"]),
                "{id} {side} has nothing that it says"
            );
            // What no vector says "allow" for is allowed by the ordinary deal.
            assert!(has(&["allow"]) || decided(&ordinary("transfer", side)).allows(), "{id} {side}");
        }
    }
}

/// Lists whose elements speak against the deal: without the element another thing was declared, nothing is missing.
const ADVERSE: [&str; 9] = [
    "/stop_orders/",
    "/consumer/red_flags/",
    "/contract/onward_transfer/countries/",
    "/contract/terms/",
    "/dataset/personal/special/",
    "/transfer/onward_events/",
    "/dataset/personal/identifiers/",
    "/dataset/tech_families/",
    "/contract/subprocessors/",
];

fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    for (name, member) in members {
        let pointer = format!("{path}/{name}");
        pointers(member, &pointer, found);
        found.push(pointer);
    }
}

fn without(input: &Value, pointer: &str) -> Value {
    let mut changed = input.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => panic!("{other}"),
    }
    changed
}

/// Whether the pointer is an element of a list of `ADVERSE`.
fn is_adverse(pointer: &str) -> bool {
    ADVERSE.iter().any(|list| pointer.strip_prefix(list).is_some_and(|rest| rest.parse::<usize>().is_ok()))
}

/// Every single deletion; of other values in a member's place, and of pairs of deletions, every so many, others for each `turn`.
fn mutants(input: &Value, turn: usize) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    pointers(input, "", &mut found);
    let kept: Vec<&String> = found.iter().filter(|pointer| !is_adverse(pointer)).collect();
    let mut mutants: Vec<(String, Value)> =
        kept.iter().map(|pointer| (format!("without {pointer}"), without(input, pointer))).collect();
    let strange = [Value::Null, json!("unknown"), json!([]), json!({}), json!(7), json!(true)];
    for (at, pointer) in found.iter().enumerate().skip(turn % 3).step_by(3) {
        let value = &strange[(at + turn) % strange.len()];
        let was = input.pointer(pointer).unwrap();
        // Another value of the same kind is another declaration, not a missing one.
        let same = (was.is_array() && value.is_array())
            || (was.is_boolean() && value.is_boolean())
            || (was.is_number() && value.is_number())
            || (is_adverse(pointer) && !value.is_object());
        if !same {
            let mut changed = input.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            mutants.push((format!("{pointer} = {value}"), changed));
        }
    }
    for (one, other) in kept.iter().zip(kept.iter().skip(7 + turn % 11)).skip(turn % 5).step_by(5) {
        // Deepest first, so that what lies inside goes before what it lies in.
        let less = without(input, one);
        if less.pointer(other).is_some()
            && one.rsplit_once('/').unwrap().0 != other.rsplit_once('/').unwrap().0
        {
            mutants.push((format!("without {one} and {other}"), without(&less, other)));
        }
    }
    mutants
}

/// How many mutants of the vectors of a share were tried, and which were allowed.
fn tried(share: &[(usize, &Vector)]) -> (usize, Vec<String>) {
    let (mut tried, mut open) = (0, Vec::new());
    for (turn, vector) in share {
        // All packs must allow, so that two of them that do not spare asking the rest.
        let pack = ENGINE.packs().find(|pack| pack.rules.contains_key(&vector.rule)).unwrap();
        let names = ["core", pack.name.as_str()];
        let some = ENGINE.only(if pack.name == "core" { &names[..1] } else { &names }).unwrap();
        for (what, mutant) in mutants(&vector.input, *turn) {
            tried += 1;
            if some.evaluate(&mutant).allows() && ENGINE.evaluate(&mutant).allows() {
                open.push(format!("{} allows {what}", vector.name));
            }
        }
    }
    (tried, open)
}

// POL-4.1, POL-4.3: the completeness gate, on both sides.
#[test]
fn no_missing_fact_turns_a_denial_into_an_allow() {
    let closed = |vector: &&Vector| ["deny", "undetermined"].contains(&vector.expect.as_str());
    let vectors: Vec<(usize, &Vector)> = VECTOR.iter().filter(closed).enumerate().collect();
    let half = vectors.len() / 2;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| tried(&vectors[..half]));
        let second = tried(&vectors[half..]);
        (first.join().unwrap(), second)
    });
    let (count, open) = (first.0 + second.0, [first.1, second.1].concat());
    println!("mutants of inputs that are not allowed: {count}, allowed: {}", open.len());
    assert!(open.is_empty(), "{open:#?}");
    assert!(count > 10_000, "{count}");
}

// POL-5.3, POL-6.3
#[test]
fn the_order_of_lists_and_members_does_not_matter() {
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().rev().map(reversed).collect(),
            Value::Object(members) => {
                members.iter().rev().map(|(name, member)| (name.clone(), reversed(member))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    for vector in VECTOR.iter() {
        let once = decided(&vector.input).canonical();
        assert_eq!(once, decided(&reversed(&vector.input)).canonical(), "{}", vector.name);
        assert_eq!(once, decided(&vector.input).canonical(), "{}", vector.name);
    }
}

// POL-3.3: the second before, at and after the first of each rule, agreement and recognition. What is decided changes on that
// second only for a rule that begins then; everywhere the packs answer and never break.
#[test]
fn rules_begin_on_their_second() {
    let first = 1_796_083_200_u64; // CL-21719-001
    let vector = VECTOR.iter().find(|v| v.name.starts_with("CL-21719-001: the second before")).unwrap();
    for (now, held) in [(first - 1, false), (first, true), (first + 1, true)] {
        let mut input = vector.input.clone();
        input["now"] = json!(now);
        assert_eq!(decided(&input).deny.iter().any(|found| found.id == "CL-21719-001"), held, "{now}");
    }
    let mut dates: Vec<u64> =
        ENGINE.packs().flat_map(|pack| pack.rules.values()).map(|rule| rule.in_force.from).collect();
    dates.sort_unstable();
    dates.dedup();
    for date in dates.into_iter().filter(|date| *date > 0) {
        for now in [date - 1, date, date + 1] {
            for side in ["exporter", "importer"] {
                let mut input = ordinary("negotiation", side);
                input["now"] = json!(now);
                assert!(decided(&input).packs.len() == bundled::PACKS.len());
            }
        }
    }
}

// POL-7.2: an approval that is added answers the rule that asks for it, and no other denial goes away with it.
#[test]
fn an_added_approval_removes_no_unrelated_denial() {
    let answers = [
        ("nct_export_approval", &["KR-ITA-001", "KR-ITA-002", "KR-FTA-001"][..]),
        ("nct_export_report", &["KR-ITA-002"]),
        ("nast_export_approval", &["KR-NAST-001", "KR-FTA-001"]),
        ("strategic_export_licence", &["KR-FTA-001"]),
        ("situational_export_licence", &["KR-FTA-004"]),
        ("defence_export_licence", &["KR-DEF-001"]),
        ("map_export_permit", &["KR-GEO-001"]),
    ];
    for vector in VECTOR.iter().filter(|vector| vector.expect == "deny" && vector.input["side"] == "exporter")
    {
        let before = decided(&vector.input);
        for (kind, answered) in answers {
            let mut input = vector.input.clone();
            let Some(approvals) = input["approvals"].as_array_mut() else { continue };
            approvals.push(json!({"type": kind, "issued_at": 0, "expires_at": 4_000_000_000_u64, "conditions": [], "scope": {
                "datasets": [vector.input["dataset"]["id"]], "consumers": [vector.input["consumer"]["id"]],
                "countries": ["SG", "DE", "US", "VN", "JP", "KR"]}}));
            let after = decided(&input);
            for denial in before.deny.iter().filter(|denial| !answered.contains(&denial.id.as_str())) {
                assert!(after.deny.contains(denial), "{} {kind}: {denial:?}", vector.name);
            }
        }
    }
}

// POL-3.5
#[test]
fn what_rests_on_unread_data_is_undetermined_until_it_is_taken_on_trust_and_marked() {
    let mut seen = std::collections::BTreeSet::new();
    for vector in
        VECTOR.iter().filter(|vector| vector.detail.as_deref().is_some_and(|d| d.starts_with("unverified: ")))
    {
        assert!(!decided(&vector.input).allows(), "{}", vector.name);
        let mut trusting = vector.input.clone();
        trusting["assume_unverified"] = json!(true);
        let result = decided(&trusting);
        assert!(result.allows(), "{}: {result:?}", vector.name);
        assert!(
            result.obligations.iter().any(|duty| duty.duty == "confirm_reference_data"),
            "{}",
            vector.name
        );
        assert!(ENGINE.rule(&vector.rule).is_some());
        seen.insert(vector.rule.clone());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["CORE-003", "EU-GDPR-001", "KR-PIPA-001"]);
}

// POL-8.1, POL-8.2, POL-8.3: a denial that may not be named is the same bytes whatever the cause.
#[test]
fn the_peer_learns_only_what_may_be_named() {
    for vector in VECTOR.iter() {
        let result = decided(&vector.input);
        let view = ENGINE.for_peer(&result);
        assert_eq!(view.allow, result.allows());
        let named = |id: &String| ENGINE.rule(id).is_some_and(|rule| rule.disclose == Disclose::Id);
        assert!(view.rules.iter().all(named), "{}", vector.name);
        let findings = result.deny.iter().chain(&result.undetermined);
        if !view.allow && findings.clone().all(|finding| !named(&finding.id)) && findings.count() > 0 {
            assert_eq!(view.canonical(), PeerView::generic().canonical(), "{}", vector.name);
            assert_eq!(view.canonical(), br#"{"allow":false,"rules":[]}"#);
        }
    }
}

// POL-9.2: a template that is applied makes the same engine allow, and touches nothing that was declared.
#[test]
fn a_remedy_that_is_applied_allows() {
    let mut applied = std::collections::BTreeSet::new();
    for vector in VECTOR.iter().filter(|vector| vector.expect == "deny") {
        let result = decided(&vector.input);
        if result.deny.iter().any(|found| found.id != vector.rule) || !result.undetermined.is_empty() {
            continue;
        }
        let Some(after) = ENGINE.apply_remedy(&vector.rule, &vector.input) else { continue };
        for declared in ["dataset", "provider", "consumer", "now", "phase", "side", "stop_orders"] {
            assert_eq!(after[declared], vector.input[declared], "{}", vector.name);
        }
        // The second deal over an agreement that pins another revision, or over terms that ended, is a new one.
        assert!(decided(&after).allows(), "{}: {:?}", vector.name, decided(&after));
        applied.insert(vector.rule.clone());
    }
    let templates =
        ENGINE.packs().flat_map(|pack| &pack.rules).filter(|(_, rule)| rule.remedy.patch.is_some());
    let templates: std::collections::BTreeSet<String> = templates.map(|(id, _)| id.clone()).collect();
    assert_eq!(applied, templates);
}

// POL-9.3: what a check says is what the rules say over the changed document, for every template and every denial.
#[test]
fn a_remedy_is_checked_by_the_rules() {
    let mut helped = std::collections::BTreeSet::new();
    for vector in VECTOR.iter().filter(|vector| vector.expect == "deny") {
        let before = decided(&vector.input);
        for finding in before.deny.iter().chain(&before.undetermined) {
            let Some(check) = ENGINE.check_remedy(&finding.id, &vector.input, &before) else { continue };
            let after = decided(&ENGINE.apply_remedy(&finding.id, &vector.input).unwrap());
            let still = after.deny.iter().chain(&after.undetermined).any(|other| other.id == finding.id);
            assert_eq!(check.helps, !still, "{}", vector.name);
            assert_eq!(check.allows, after.allows() || after.visible == Some(true), "{}", vector.name);
            assert!(
                check.then.iter().all(|new| !before.deny.contains(new) && !before.undetermined.contains(new))
            );
            if check.helps {
                helped.insert(finding.id.clone());
            }
        }
    }
    let rules = ENGINE.packs().flat_map(|pack| &pack.rules);
    let templates: std::collections::BTreeSet<String> =
        rules.filter(|(_, rule)| rule.remedy.patch.is_some()).map(|(id, _)| id.clone()).collect();
    assert_eq!(helped, templates);
    // A template whose value the rule does not understand.
    let mut input = ordinary("transfer", "exporter");
    merge(&mut input, &json!({"transfer": {"purpose": "marketing"}, "contract": {"purposes": [7]}}));
    let check = ENGINE.check_remedy("POST-PUR-001", &input, &decided(&input)).unwrap();
    assert!(!check.helps && !check.allows, "{check:?}");
    // Documents that break the engine help nobody.
    let before = decided(&input);
    input["note"] = json!(1.5);
    assert!(!ENGINE.check_remedy("POST-PUR-001", &input, &before).unwrap().helps);
}

// POL-9.1
#[test]
fn a_denial_is_explained_in_both_languages() {
    for vector in VECTOR.iter() {
        let result = decided(&vector.input);
        let (korean, english) = (ENGINE.remedies(&result, Lang::Ko), ENGINE.remedies(&result, Lang::En));
        assert_eq!(korean.len(), result.deny.len() + result.undetermined.len());
        for (ko, en) in korean.iter().zip(&english) {
            assert_ne!(ko.reason, en.reason);
            assert!(
                !ko.text.is_empty() && !en.text.is_empty() && !ko.title.is_empty() && !en.title.is_empty()
            );
        }
    }
}

// POL-3.1, POL-3.2, POL-3.4
#[test]
fn metadata_is_complete() {
    for pack in ENGINE.packs() {
        for (id, rule) in &pack.rules {
            assert!(!rule.phases.is_empty(), "{id}");
            let needs = rule.needs.iter().chain(rule.needs_if.iter().flat_map(|condition| &condition.need));
            for pointer in needs {
                let fact = pack.facts.get(pointer).unwrap_or_else(|| panic!("{id}: {pointer}"));
                // A rule that both evaluate cannot need what one alone holds, except what each holds for itself.
                let own = rule.evaluator != Evaluator::Both || pointer == "/stop_orders";
                assert!(fact.held != Held::Private || own, "{id}: {pointer}");
            }
        }
    }
}

// POL-1.4: a peer cannot slip in what is not its to say.
#[test]
fn parts_stay_apart() {
    let case = &read("ordinary.json")["cases"][4];
    let packs = || ENGINE.packs();
    for (pointer, value) in [
        ("/approvals", json!([])),
        ("/stop_orders", json!([])),
        ("/phase", json!("monitor")),
        ("/now", json!(1)),
        ("/consumer/identity", json!({"verified": true})),
        ("/contract/signed_by", json!([])),
        ("/transfer/occurrence", json!(1)),
    ] {
        let mut shared = case["shared"].clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        shared.pointer_mut(parent).unwrap()[name] = value;
        let result = assemble(packs(), &shared, &case["private"], &case["host"]);
        assert!(result.is_err(), "{pointer}");
    }
    let private = json!({"stop_orders": [], "dataset": {"id": "another"}});
    assert!(assemble(packs(), &case["shared"], &private, &case["host"]).is_err());
}

// POL-1.6
#[test]
fn facts_that_contradict_each_other_are_no_input() {
    let case = &read("ordinary.json")["cases"][4];
    let with = |changes: &[(&str, Value)]| {
        let mut shared = case["shared"].clone();
        for (pointer, value) in changes {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            shared.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        assemble(ENGINE.packs(), &shared, &case["private"], &case["host"])
    };
    let kind = |kind: &str| ("/dataset/personal/kind", json!(kind));
    for (kinds, pointer, value) in [
        (&["none", "anonymised"][..], "/dataset/personal/identifiers", json!(["name"])),
        (&["none"], "/dataset/personal/special", json!(["health"])),
        (&["none"], "/dataset/personal/subjects_in", json!(["KR"])),
        (&["none"], "/dataset/personal/count", json!(500)),
        (&["none"], "/dataset/categories", json!(["industrial", "personal"])),
        (&["anonymised"], "/dataset/personal/additional_info_included", json!(true)),
        (&["none", "personal"], "/contract/retention_days", json!(-5)),
        (&["none", "personal"], "/consumer/id", case["shared"]["provider"]["id"].clone()),
    ] {
        for of in kinds {
            let refused = with(&[kind(of), (pointer, value.clone())]);
            assert!(
                matches!(&refused, Err(InputError::Contradiction { pointer: at, .. }) if *at == pointer),
                "{of} {pointer}: {refused:?}"
            );
        }
        // What they say fits the one kind or the other.
        let fits = !pointer.starts_with("/dataset") || with(&[kind("personal"), (pointer, value)]).is_ok();
        assert!(fits, "{pointer}");
    }
    assert!(with(&[kind("none"), ("/dataset/personal/identifiers", json!([]))]).is_ok());
}

// POL-2.6
#[test]
fn digests_are_what_the_table_says() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/bundles/DIGESTS")).unwrap();
    let lines: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), bundled::PACKS.len());
    for (pack, line) in ENGINE.packs().zip(lines) {
        let built = [&pack.name, &pack.revision, &pack.wasm, &pack.data, &pack.manifest, &pack.digest]
            .map(String::as_str);
        assert_eq!(built.join(" "), line);
    }
}

// POL-7.1
#[test]
fn packs_are_chosen_by_country() {
    let names = |engine: &Engine| engine.packs().map(|pack| pack.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ENGINE.for_countries(&["KR", "DE"])), ["core", "dpa", "eu", "kr", "post"]);
    assert_eq!(names(&ENGINE.for_countries(&["KR", "SG"])), ["core", "dpa", "kr", "post", "sg"]);
    assert_eq!(names(&ENGINE.only(&["kr", "core"]).unwrap()), ["core", "kr"]);
    assert!(ENGINE.only(&["kr"]).is_err());
    assert!(ENGINE.only(&["core", "core"]).is_err());
}
