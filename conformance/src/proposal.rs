//! Terms, decisions and evaluation records (spec chapter 06, NEG-4, NEG-5, NEG-7), judged as documents.

use std::collections::BTreeMap;

use crate::{
    encoding::{digest_text, fixed, from_did},
    json::Json,
    messages::{self, seconds_of},
    refusal::{Refusal, ensure},
};

/// The first JSON pointer at which two documents differ (NEG-4.13); none if they are equal.
#[must_use]
pub fn first_difference(one: &Json, other: &Json) -> Option<String> {
    match (one, other) {
        (Json::Object(a), Json::Object(b)) => members_differ(a, b),
        (Json::List(a), Json::List(b)) => {
            let inner = a
                .iter()
                .zip(b)
                .enumerate()
                .find_map(|(index, (a, b))| first_difference(a, b).map(|rest| format!("/{index}{rest}")));
            inner.or_else(|| (a.len() != b.len()).then(|| format!("/{}", a.len().min(b.len()))))
        }
        (a, b) => (a != b).then(String::new),
    }
}

fn members_differ(one: &BTreeMap<String, Json>, other: &BTreeMap<String, Json>) -> Option<String> {
    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
    keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    keys.dedup();
    keys.into_iter().find_map(|key| {
        let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        match (one.get(key), other.get(key)) {
            (Some(a), Some(b)) => first_difference(a, b).map(|rest| format!("{pointer}{rest}")),
            (_, _) => Some(pointer),
        }
    })
}

/// The time of the draft: the agreement's timestamp.
fn drafted(terms: &Json) -> Result<i64, Refusal> {
    let stamp = terms.get("agreement").and_then(|agreement| agreement.text("timestamp"));
    stamp.and_then(seconds_of).ok_or_else(|| Refusal::malformed("timestamp"))
}

/// Judges terms by themselves (NEG-4.1 to NEG-4.8).
pub fn check_terms(terms: &Json) -> Result<(), Refusal> {
    let differ = |holds: bool, what: &str| ensure(holds, "terms_differ", what);
    ensure(terms.canonical().len() <= 128 << 10, "too_large", "longer than 128 KiB")?;
    let agreement = terms.get("agreement").cloned().unwrap_or(Json::Null);
    let party = |name: &str| terms.get(name).and_then(|party| party.text("did")).unwrap_or_default();
    let (provider, consumer) = (party("provider"), party("consumer"));
    differ(agreement.text("assigner") == Some(provider), "/agreement/assigner")?;
    differ(
        agreement.text("assignee") == Some(consumer) && from_did(consumer).is_some(),
        "/agreement/assignee",
    )?;
    differ(provider != consumer, "one party")?;
    let drafted = drafted(terms)?;
    let until = terms.integer("conclude_by").unwrap_or_default() - drafted;
    ensure((1..=86_400).contains(&until), "malformed", "conclude_by")?;
    let rising = |name: &str, key: fn(&Json) -> String, limit: usize| {
        let keys: Vec<String> = terms.list(name).iter().map(key).collect();
        ensure(keys.len() <= limit && keys.is_sorted_by(|a, b| a < b), "malformed", name)
    };
    rising("packs", |pack| pack.text("name").unwrap_or_default().to_owned(), 16)?;
    rising("lanes", |lane| lane.as_text().unwrap_or_default().to_owned(), 16)?;
    rising("obligations", Json::canonical, 64)?;
    let shared = terms.get("shared").cloned().unwrap_or(Json::Null);
    differ(matches!(shared, Json::Object(_)), "/shared")?;
    let target = agreement.text("target").unwrap_or_default();
    for (member, due) in [("dataset", target), ("provider", provider), ("consumer", consumer)] {
        let id = shared.get(member).and_then(|member| member.get("id"));
        differ(id.is_none_or(|id| id.as_text() == Some(due)), &format!("/shared/{member}/id"))?;
    }
    for name in ["provider", "consumer"] {
        let keys = terms.get(name).and_then(|party| party.integer("keys"));
        differ(keys.is_some_and(|keys| keys >= 1), &format!("/{name}/keys"))?;
    }
    Ok(())
}

/// Judges a decision over terms (NEG-5).
pub fn check_decision(
    decision: &Json,
    terms: &Json,
    side: &str,
    phase: &str,
    now: i64,
) -> Result<(), Refusal> {
    let invalid = |holds: bool, what: &str| ensure(holds, "decision_invalid", what);
    let digest = digest_text(terms.canonical().as_bytes());
    ensure(decision.text("terms") == Some(&digest), "terms_void", "over other terms")?;
    invalid(decision.get("allow") == Some(&Json::Bool(true)), "allow")?;
    invalid(decision.text("side") == Some(side), "side")?;
    invalid(decision.text("phase") == Some(phase), "phase")?;
    let shared = terms.get("shared").map(|shared| digest_text(shared.canonical().as_bytes()));
    let transfer = phase == "transfer";
    invalid(transfer || decision.text("input_shared") == shared.as_deref(), "input_shared")?;
    let at = decision.integer("at").unwrap_or(-1);
    let latest = terms.integer("conclude_by").unwrap_or_default();
    invalid(at >= drafted(terms)? - 60 && at <= now + 60 && (transfer || at <= latest), "at")?;
    invalid(decision.text("by").is_some_and(messages::plain_name), "by")
}

/// What a record must say for a permit (NEG-7).
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// Digest of the shared input.
    pub shared: &'a str,
    /// Salted digest of the private input.
    pub private: &'a str,
    /// The packs of the terms and of the node's overlays.
    pub packs: &'a [Json],
    /// Phase.
    pub phase: &'a str,
    /// Side that evaluated.
    pub side: &'a str,
}

/// Judges the bytes of an evaluation record.
pub fn check_record(bytes: &[u8], due: &Due<'_>) -> Result<(), Refusal> {
    let record = Json::parse(bytes)?;
    ensure(record.canonical().as_bytes() == bytes, "not_canonical", "record")?;
    let keys = record.keys();
    ensure(keys == ["input", "packs", "phase", "result", "side", "v"], "malformed", format!("{keys:?}"))?;
    let result = record.get("result").cloned().unwrap_or(Json::Null);
    check_result(&result)?;
    let input = |name: &str| record.get("input").and_then(|input| input.text(name));
    let fits = record.text("phase") == Some(due.phase)
        && record.text("side") == Some(due.side)
        && input("shared") == Some(due.shared)
        && input("private") == Some(due.private);
    ensure(fits, "permit_invalid", "of another evaluation")?;
    ensure(record.list("packs") == due.packs, "packs_differ", "packs")?;
    let evaluated: Vec<_> = result.list("packs").iter().map(|p| (p.text("name"), p.text("digest"))).collect();
    let named: Vec<_> = due.packs.iter().map(|p| (p.text("name"), p.text("digest"))).collect();
    ensure(evaluated == named, "packs_differ", "result/packs")?;
    ensure(result.list("deny").is_empty(), "denied", "deny")?;
    ensure(result.list("undetermined").is_empty(), "undetermined", "undetermined")?;
    let allowed =
        result.get("allow") == Some(&Json::Bool(true)) && result.get("visible") == Some(&Json::Null);
    ensure(allowed, "denied", "allow")?;
    let own = result.list("delegated").iter().any(|rule| rule.text("evaluator") == Some(due.side));
    ensure(!own, "undetermined", "a rule is left to the side that evaluated")
}

/// The shape of a result: `allow` or `visible`, and lists of known documents.
fn check_result(result: &Json) -> Result<(), Refusal> {
    let bad = |holds: bool, what: &str| ensure(holds, "policy_result", what);
    let members = ["allow", "basis", "delegated", "deny", "obligations", "packs", "undetermined", "visible"];
    bad(result.keys() == members, "members")?;
    let flag = |name: &str| matches!(result.get(name), Some(Json::Bool(_) | Json::Null));
    bad(flag("allow") && flag("visible"), "allow or visible")?;
    for (list, members) in [
        ("deny", &["detail", "id"][..]),
        ("undetermined", &["detail", "id"]),
        ("delegated", &["evaluator", "id"]),
        ("obligations", &["after", "duty", "id", "on", "within"]),
        ("packs", &["digest", "name", "revision"]),
    ] {
        let whole = matches!(result.get(list), Some(Json::List(_)));
        bad(whole && result.list(list).iter().all(|item| item.keys() == members), list)?;
    }
    let digests =
        result.list("packs").iter().all(|p| p.text("digest").is_some_and(|d| fixed::<32>(d).is_some()));
    bad(digests && matches!(result.get("basis"), Some(Json::List(_))), "packs or basis")
}
