//! The module `odrl` and the normal form of offers against `spec/vectors/policy/odrl.json`: each pitfall and each IDS class
//! has its cases, and no missing fact turns what is not permitted into a permission. No OPA is needed.
//! `NARU_BLESS=1` writes the normal forms anew; what is expected of each case is written by hand.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use std::collections::BTreeSet;
use std::sync::LazyLock;

use naru_policy::odrl::{Interpreter, Normal, normalise};
use naru_policy::{Evaluation, ResultDoc, limits};
use serde_json::{Value, json};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/");

static MODULE: LazyLock<Interpreter> = LazyLock::new(|| Interpreter::load().unwrap());
static ORDINARY: LazyLock<Value> = LazyLock::new(|| read("ordinary.json"));
static CASES: LazyLock<Vec<Value>> = LazyLock::new(|| read("odrl.json")["cases"].as_array().unwrap().clone());

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{VECTORS}{name}")).unwrap()).unwrap()
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

/// The facts of a case: those of the ordinary deal, changed.
fn facts(case: &Value) -> Value {
    let name = format!("{}, {}", case["phase"].as_str().unwrap(), case["side"].as_str().unwrap());
    let cases = ORDINARY["cases"].as_array().unwrap();
    let found = cases.iter().find(|ordinary| ordinary["name"] == name.as_str()).unwrap();
    let mut whole = json!({});
    ["shared", "private", "host"].iter().for_each(|part| merge(&mut whole, &found[part]));
    merge(&mut whole, &case["patch"]);
    whole
}

fn asked(offer: &Normal, facts: &Value) -> ResultDoc {
    match MODULE.evaluate(offer, facts).unwrap() {
        Evaluation::Decided(result) => result,
        Evaluation::Broken { code, reason } => panic!("{code:?} {reason}: {facts}"),
    }
}

fn word(result: &ResultDoc) -> &'static str {
    match (result.allow, result.visible, result.deny.is_empty()) {
        (Some(true), None, true) => "allow",
        (Some(false), None, true) => "undetermined",
        (Some(false), None, false) => "deny",
        (None, Some(true), true) => "visible",
        (None, Some(false), false) => "hidden",
        other => panic!("{other:?}"),
    }
}

fn holds(result: &ResultDoc) -> bool {
    ["allow", "visible"].contains(&word(result))
}

/// The cases that are decided, with their offers.
fn decided() -> impl Iterator<Item = (&'static Value, Normal)> {
    CASES.iter().filter(|case| case.get("refused").is_none()).map(|case| {
        let offer = normalise(&case["offer"]).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        (case, offer)
    })
}

// ODR-1.1 to ODR-1.8, ODR-2.1 to ODR-2.6, ODR-3.1, ODR-4.1
#[test]
fn every_case_gives_what_it_says() {
    let mut wrong = Vec::new();
    for (case, offer) in decided() {
        let result = asked(&offer, &facts(case));
        let found: Vec<Value> = result
            .deny
            .iter()
            .chain(&result.undetermined)
            .map(|finding| json!({"id": finding.id, "detail": finding.detail}))
            .collect();
        let wanted: BTreeSet<String> =
            case["findings"].as_array().unwrap().iter().map(Value::to_string).collect();
        let same = found.iter().map(Value::to_string).collect::<BTreeSet<_>>() == wanted;
        let duties = case.get("obligations").is_none_or(|duties| *duties == json!(result.obligations));
        let warned: Vec<&str> = offer.warnings.iter().map(|warning| warning.pointer.as_str()).collect();
        let warnings = json!(warned) == *case.get("warnings").unwrap_or(&json!([]));
        let offered = case.get("hypothetical").is_none_or(|said| *said == json!(offer.hypothetical));
        if word(&result) != case["expect"] || !same || !duties || !warnings || !offered {
            wrong.push(format!("{}: {result:?} {warned:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ODR-1.2: with the place, and never passed over.
#[test]
fn what_is_not_understood_is_refused_by_its_place() {
    for case in CASES.iter().filter(|case| case.get("refused").is_some()) {
        let refusal = normalise(&case["offer"]).unwrap_err();
        assert_eq!(refusal.pointer, case["refused"].as_str().unwrap(), "{}: {refusal}", case["name"]);
    }
    for offer in [json!(null), json!([]), json!("offer"), json!(1)] {
        assert!(normalise(&offer).is_err(), "{offer}");
    }
}

// ODR-1.9
#[test]
fn the_normal_form_is_the_one_given() {
    let mut file = read("odrl.json");
    let bless = std::env::var_os("NARU_BLESS").is_some();
    for case in file["cases"].as_array_mut().unwrap() {
        let Ok(offer) = normalise(&case["offer"]) else { continue };
        if bless {
            case["normal"] = offer.document;
        } else {
            assert_eq!(offer.document, case["normal"], "{}", case["name"]);
        }
    }
    if bless {
        let lines: Vec<String> =
            file["cases"].as_array().unwrap().iter().map(|case| format!("  {case}")).collect();
        let text = format!("{{\n \"cases\": [\n{}\n ]\n}}\n", lines.join(",\n"));
        std::fs::write(format!("{VECTORS}odrl.json"), text).unwrap();
    }
}

// ODR-6.1: the fourteen pitfalls and the classes, those that are supported both ways.
#[test]
fn every_pitfall_and_every_class_has_its_cases() {
    let of = |member: &str, number: u64| -> Vec<&str> {
        let cases = CASES.iter().filter(|case| case[member] == json!(number));
        cases.map(|case| case["expect"].as_str().unwrap_or("refused")).collect()
    };
    for pitfall in 1..=14 {
        assert!(!of("pitfall", pitfall).is_empty(), "pitfall {pitfall}");
    }
    for class in [2, 4, 5, 6, 9, 10, 12, 13, 14, 15, 20] {
        let found = of("ids", class);
        assert!(found.contains(&"allow") && found.contains(&"deny"), "class {class}: {found:?}");
    }
    // A permission of everything has nothing that denies; duties after the use are named and owed.
    for class in [1, 17, 18, 19] {
        assert_eq!(of("ids", class), ["allow"], "class {class}");
    }
    for class in [3, 7, 8, 11, 16, 21] {
        assert_eq!(of("ids", class), ["undetermined"], "class {class}");
    }
}

/// Pointers of all members, list items apart: a list says what it says.
fn members(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let here = format!("{place}/{name}");
                members(value, &here, found);
                found.push(here);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| members(item, &format!("{place}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
}

// ODR-4.2, ODR-4.3: facts and members of the normal form, taken away, made null, unknown, or another kind.
#[test]
fn nothing_that_is_missing_permits() {
    let mut tried = 0_u32;
    // At catalog what is missing is a thing to do and hides nothing (POL-5.2).
    let closed = |case: &Value| ["deny", "undetermined"].contains(&case["expect"].as_str().unwrap());
    let read = &MODULE.pack().unwrap().facts;
    for (case, offer) in decided().filter(|(case, _)| closed(case)) {
        let whole = facts(case);
        let mut changes = Vec::new();
        members(&whole, "", &mut changes);
        // What the module reads, and whatever that lies in.
        changes
            .retain(|pointer| read.keys().any(|fact| format!("{fact}/").starts_with(&format!("{pointer}/"))));
        for pointer in changes.iter().map(String::as_str).chain(["/now", "/phase", "/side"]) {
            for put in [None, Some(json!(null)), Some(json!("unknown")), Some(json!([])), Some(json!({}))] {
                // An empty list says "none", which is a statement of its own.
                if put == Some(json!([])) && whole.pointer(pointer).is_some_and(Value::is_array) {
                    continue;
                }
                let mut changed = whole.clone();
                match put {
                    None => remove(&mut changed, pointer),
                    Some(value) => *changed.pointer_mut(pointer).unwrap() = value,
                }
                tried += 1;
                assert!(!holds(&asked(&offer, &changed)), "{}: {pointer} of {changed}", case["name"]);
            }
        }
        let mut changes = Vec::new();
        members(&offer.document, "", &mut changes);
        for pointer in &changes {
            let mut changed = offer.clone();
            remove(&mut changed.document, pointer);
            tried += 1;
            assert!(!holds(&asked(&changed, &whole)), "{}: {pointer} of the offer", case["name"]);
        }
    }
    assert!(tried > 5000, "{tried}");
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().rev().map(reversed).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), reversed(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

// ODR-4.4
#[test]
fn the_order_of_lists_in_the_facts_never_shows() {
    for (case, offer) in decided() {
        let whole = facts(case);
        assert_eq!(
            asked(&offer, &whole).canonical(),
            asked(&offer, &reversed(&whole)).canonical(),
            "{}",
            case["name"]
        );
    }
}

// ODR-4.5: limits refuse or break, and never permit.
#[test]
fn what_is_enormous_or_contradictory_is_refused() {
    let purpose = |values: Value| {
        json!({"permission": [{"action": "use", "constraint":
            [{"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": values}]}]})
    };
    let many: Vec<String> = (0..=limits::ODRL_VALUES).map(|n| format!("p{n}")).collect();
    assert!(normalise(&purpose(json!(many))).is_err());
    let one = normalise(&purpose(json!(["quality_analysis"]))).unwrap();
    let base = facts(&json!({"phase": "transfer", "side": "exporter", "patch": {}}));
    assert!(holds(&asked(&one, &base)));
    let broken = |facts: &Value| match MODULE.evaluate(&one, facts).unwrap() {
        Evaluation::Broken { code, .. } => assert_eq!(code.as_str(), "policy_input"),
        Evaluation::Decided(result) => panic!("{result:?}"),
    };
    let mut large = base.clone();
    large["dataset"]["note"] = json!("x".repeat(limits::INPUT_BYTES));
    broken(&large);
    let mut float = base.clone();
    float["now"] = json!(1.5);
    broken(&float);
    let mut deep = base.clone();
    deep["dataset"]["note"] = (0..40).fold(json!(1), |inner, _| json!([inner]));
    broken(&deep);
    let mut own = base;
    own["policy"] = json!({"permission": []});
    assert!(MODULE.evaluate(&one, &own).is_err());
    assert!(MODULE.evaluate(&one, &json!([])).is_err());
}

// ODR-2.7: the texts that people read, and the module's digest.
#[test]
fn the_module_describes_itself() {
    let pack = MODULE.pack().unwrap();
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/bundles/MODULES")).unwrap();
    let line = table.lines().find(|line| line.starts_with("odrl ")).unwrap();
    let built = [&pack.name, &pack.revision, &pack.wasm, &pack.data, &pack.manifest, &pack.digest];
    assert_eq!(built.map(String::as_str).join(" "), line);
    assert!(pack.rules.values().all(|rule| !rule.reason.ko.is_empty() && !rule.remedy.text.ko.is_empty()));
}
