//! Vectors of spec chapter 05 about what a node is supplied with: sets of packs and data under several signatures.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, each, list, members, outcome, text, whole_file};
use crate::{
    encoding::from_multibase,
    json::Json,
    refusal::Refusal,
    report::same,
    supply::{Accepted, DATA, Opened, PACKS, Pack, Revision, Signers, follow, open, packs_after},
};

const KINDS: [&str; 2] = ["sanctions", "stop_orders"];

/// All sections of the file.
pub(super) fn supply(file: &Value) -> Vec<Case> {
    let mut cases =
        vec![Case::of("operators", check_operators(file)), Case::of("revisions", revisions(file))];
    cases.extend(each(file, "opens", |case| {
        members(case, &["name", "operator", "now", "as", "jws", "outcome"])?;
        outcome(case, opened(file, case)?)
    }));
    cases.extend(each(file, "sets", |case| set(file, case)));
    cases.extend(each(file, "data", |case| data(file, case)));
    cases.extend(each(file, "stale", stale));
    whole_file(file, &["about", "operators", "opens", "sets", "data", "stale", "revisions"], cases)
}

fn check_operators(file: &Value) -> Result<(), String> {
    let operators = file["operators"].as_object().ok_or("operators is no object")?;
    for (name, operator) in operators {
        members(operator, &["packs", "data"])?;
        for document in ["packs", "data"] {
            members(&operator[document], &["keys", "threshold"])?;
            signers(file, name, document)?;
        }
    }
    Ok(())
}

fn signers(file: &Value, operator: &str, document: &str) -> Result<Signers, String> {
    let known = &file["operators"][operator][document];
    let key = |text: &Value| text.as_str().and_then(from_multibase).ok_or("a signer is no key");
    let keys = list(known, "keys").iter().map(key).collect::<Result<_, _>>()?;
    let threshold = known["threshold"].as_u64().ok_or("an operator that nobody knows")?;
    Ok(Signers { keys, threshold: usize::try_from(threshold).map_err(|error| error.to_string())? })
}

/// What comes of a document alone; the outer error is one of the file.
fn opened(file: &Value, case: &Value) -> Result<Result<Opened, Refusal>, String> {
    let document = text(case, "as")?;
    let typ = match document {
        "packs" => PACKS,
        "data" => DATA,
        other => return Err(format!("as {other:?}")),
    };
    let now = case["now"].as_i64().ok_or("now is no number")?;
    let signers = signers(file, text(case, "operator")?, document)?;
    Ok(open(typ, text(case, "jws")?, &signers, now))
}

/// `{number, digest}`, or null.
fn accepted(value: &Value) -> Result<Accepted, String> {
    if value.is_null() {
        return Ok(None);
    }
    members(value, &["number", "digest"])?;
    let number = value["number"].as_i64().ok_or("number of what was accepted")?;
    Ok(Some((number, text(value, "digest")?.to_owned())))
}

fn pack(value: &Value) -> Result<(String, Pack), String> {
    members(value, &["name", "revision", "digest"])?;
    let member = |name: &str| text(value, name).map(str::to_owned);
    Ok((member("name")?, (member("revision")?, member("digest")?)))
}

fn packs(value: &Value, name: &str) -> Result<BTreeMap<String, Pack>, String> {
    list(value, name).iter().map(pack).collect()
}

fn set(file: &Value, case: &Value) -> Result<(), String> {
    members(
        case,
        &["name", "operator", "now", "as", "jws", "accepted", "in_use", "there", "outcome", "after"],
    )?;
    let (before, in_use) = (accepted(&case["accepted"])?, packs(case, "in_use")?);
    let mut there = BTreeMap::new();
    for (name, value) in case["there"].as_object().ok_or("there is no object")? {
        there.insert(name.clone(), pack(value)?);
    }
    let taken = opened(file, case)?.and_then(|opened| {
        let (next, new) = follow(&opened, &before)?;
        let after = if new { packs_after(&opened.document, &in_use, &there)? } else { in_use };
        Ok((next, after))
    });
    if let Ok(after) = &taken {
        members(&case["after"], &["set", "packs"])?;
        same("set after", &accepted(&case["after"]["set"])?, &after.0)?;
        same("packs after", &packs(&case["after"], "packs")?, &after.1)?;
    } else {
        same("after", &Value::Null, &case["after"])?;
    }
    outcome(case, taken)
}

/// What was accepted of each kind.
fn of_kinds(value: &Value) -> Result<BTreeMap<&'static str, Accepted>, String> {
    members(value, &KINDS)?;
    KINDS.iter().map(|kind| Ok((*kind, accepted(&value[*kind])?))).collect()
}

fn data(file: &Value, case: &Value) -> Result<(), String> {
    members(case, &["name", "operator", "now", "as", "jws", "accepted", "outcome", "after"])?;
    let mut kinds = of_kinds(&case["accepted"])?;
    let taken = opened(file, case)?.and_then(|opened| {
        let kind = opened.document.text("kind").unwrap_or_default();
        let before = kinds.get_mut(kind).ok_or_else(|| Refusal::malformed("kind"))?;
        *before = follow(&opened, before)?.0;
        Ok(())
    });
    if taken.is_ok() {
        same("after", &of_kinds(&case["after"])?, &kinds)?;
    } else {
        same("after", &Value::Null, &case["after"])?;
    }
    outcome(case, taken)
}

/// POL-19.3, POL-19.4: entries are added for as long as the document is good; then the fact is not there at all.
fn stale(case: &Value) -> Result<(), String> {
    members(case, &["name", "now", "jws", "own", "given"])?;
    let now = case["now"].as_i64().ok_or("now is no number")?;
    let whole: Value = serde_json::from_str(text(case, "jws")?).map_err(|error| error.to_string())?;
    let document = crate::jws::canonical_part(text(&whole, "payload")?).map_err(String::from)?;
    let own = Json::from_serde(&case["own"]).map_err(|error| error.to_string())?;
    let given = if document.integer("expires_at").is_some_and(|end| now < end) {
        let Json::List(mut all) = own else { return Err("own is no list".to_owned()) };
        all.extend(document.list("entries").iter().cloned());
        Json::List(all)
    } else {
        Json::Null
    };
    same("given", &Json::from_serde(&case["given"]).map_err(|error| error.to_string())?, &given)
}

fn revisions(file: &Value) -> Result<(), String> {
    let section = &file["revisions"];
    members(section, &["ranked", "none"])?;
    let mut before = None;
    for value in list(section, "ranked") {
        let read = value.as_str().and_then(Revision::read);
        if read <= before {
            return Err(format!("{value} is not after the one before it"));
        }
        before = read;
    }
    let taken = list(section, "none").iter().find(|text| text.as_str().and_then(Revision::read).is_some());
    same("a text that is no revision", &None, &taken)
}
