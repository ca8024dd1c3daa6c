//! Offers and agreements as other connectors write them: read in one spelling, compared rule by rule (spec chapter 13, PLN-5).
//!
//! A connector that processes JSON-LD may write one rule without its list, a list of one as its element, a term with its
//! prefix and a value with its type; what a rule says stays the same. Whatever else differs is a difference. What we write
//! ourselves has the terms of ODRL with their prefix, since the context of DSP defines no left operand and no action but
//! `use`, and a connector that compares after expansion takes a bare word for another term.

use naru_protocol::{dsp::odrl, error::Code, terms::first_difference};
use serde_json::{Map, Value, json};

use crate::node::NodeError;

/// Members in which an offer makes promises.
const RULES: [&str; 3] = ["permission", "prohibition", "obligation"];
/// Lists inside a rule and inside logical constraints.
const LISTS: [&str; 5] = ["constraint", "and", "or", "xone", "andSequence"];

/// The rules of a policy in one spelling: lists where lists may stand, plain values, nothing that is empty.
pub(super) fn rules(policy: &Value) -> Value {
    let mut read = Map::new();
    for member in RULES {
        let list: Vec<Value> = listed(policy.get(member)).map(rule).collect();
        if !list.is_empty() {
            read.insert(member.to_owned(), Value::from(list));
        }
    }
    Value::from(read)
}

fn listed(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(list)) => list.iter(),
        Some(one) => std::slice::from_ref(one).iter(),
        None => [].iter(),
    }
}

fn rule(value: &Value) -> Value {
    let Some(members) = value.as_object() else { return value.clone() };
    let mut read = Map::new();
    for (name, value) in members {
        let value = match name.as_str() {
            list if LISTS.contains(&list) => {
                let list: Vec<Value> = listed(Some(value)).map(rule).collect();
                if list.is_empty() {
                    continue;
                }
                Value::from(list)
            }
            "action" | "leftOperand" | "operator" => json!(word(value)),
            "rightOperand" => operand(value),
            _ => value.clone(),
        };
        read.insert(name.clone(), value);
    }
    Value::from(read)
}

/// Prefixes under which terms of ODRL and of no vocabulary at all come back.
const PREFIXES: [&str; 4] =
    ["odrl:", "http://www.w3.org/ns/odrl/2/", "edc:", "https://w3id.org/edc/v0.0.1/ns/"];
/// Left operands and actions that an offer of ours may have and ODRL defines; `use` stands in the context of DSP.
#[rustfmt::skip]
const ODRL: [&str; 42] = [
    "count", "dateTime", "elapsedTime", "industry", "purpose", "recipient", "spatial",
    "acceptTracking", "aggregate", "annotate", "anonymize", "archive", "attribute", "concurrentUse", "delete", "derive", "digitize",
    "display", "distribute", "execute", "extract", "give", "index", "inform", "install", "lease", "lend", "modify", "move", "nextPolicy",
    "obtainConsent", "play", "present", "print", "read", "reproduce", "reviewPolicy", "sell", "stream", "textToSpeech", "transfer",
    "translate",
];

/// A term, without the prefix or the namespace that its writer kept.
fn word(value: &Value) -> Value {
    let text = value.get("@id").or_else(|| value.get("@value")).unwrap_or(value);
    let Some(text) = text.as_str() else { return value.clone() };
    json!(PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text))
}

/// A right operand: a text, or a list of at least two texts. Eclipse connectors write a list as the text of its expanded form.
fn operand(value: &Value) -> Value {
    let one = |value: &Value| value.get("@value").or_else(|| value.get("@id")).unwrap_or(value).clone();
    let list = |list: &[Value]| match list {
        [single] => one(single),
        several => several.iter().map(one).collect(),
    };
    match value {
        Value::Array(values) => list(values),
        Value::Object(members) => match members.get("@list") {
            Some(Value::Array(values)) => list(values),
            Some(_) | None => one(value),
        },
        Value::String(text) if text.starts_with("[{\"@value\":") => {
            match naru_protocol::json::parse_lenient(text.as_bytes()) {
                Ok(Value::Array(values)) => list(&values),
                Ok(_) | Err(_) => value.clone(),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A policy of ours as plain peers are sent it.
pub(in crate::node) fn spelt(policy: &Value) -> Value {
    match policy {
        Value::Array(list) => list.iter().map(spelt).collect(),
        Value::Object(members) => {
            let spell = |(name, value): (&String, &Value)| {
                let term = matches!(name.as_str(), "leftOperand" | "action");
                let prefixed = value.as_str().filter(|text| term && ODRL.contains(text));
                (name.clone(), prefixed.map_or_else(|| spelt(value), |text| json!(format!("odrl:{text}"))))
            };
            Value::Object(members.iter().map(spell).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => policy.clone(),
    }
}

/// The first place where two policies promise something else; none where they promise the same.
pub(super) fn difference(said: &Value, meant: &Value) -> Option<String> {
    first_difference(&promises(said), &promises(meant))
}

/// Members beside the rules by which ODRL lets a policy mean something else.
const BESIDE: [&str; 3] = ["inheritFrom", "profile", "conflict"];

/// The rules, and whatever else ODRL lets a policy be changed by, under a prefix too. Members of other vocabularies (a name,
/// a creator) describe and promise nothing.
fn promises(policy: &Value) -> Value {
    let mut read = rules(policy);
    for (name, value) in policy.as_object().into_iter().flatten() {
        let hidden = PREFIXES[..2]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .is_some_and(|term| RULES.contains(&term) || BESIDE.contains(&term));
        if (hidden || BESIDE.contains(&name.as_str())) && !value.is_null() {
            read[name] = value.clone();
        }
    }
    read
}

/// A message's offer about this dataset: the policy of a listing or of a peer's catalog, with its target.
pub(super) fn about(policy: &Value, dataset: &str) -> Result<odrl::Offer, NodeError> {
    let mut value = policy.clone();
    if let Some(members) = value.as_object_mut() {
        members.insert("@type".into(), json!("Offer"));
        members.insert("target".into(), json!(dataset));
    }
    odrl::Offer::from_value(value).map_err(|e| NodeError::refused(Code::TermsDiffer, e.to_string()))
}

/// The agreement object for an offer of ours that was taken up: its rules in their order, with parties and time.
pub(super) fn agreed(
    offer: &Value,
    id: &str,
    (assigner, assignee): (&str, &str),
    at: u64,
) -> Result<odrl::Agreement, NodeError> {
    let mut value = offer.clone();
    if let Some(members) = value.as_object_mut() {
        members.insert("@id".into(), json!(id));
        members.insert("@type".into(), json!("Agreement"));
        members.insert("assigner".into(), json!(assigner));
        members.insert("assignee".into(), json!(assignee));
        members.insert("timestamp".into(), json!(naru_protocol::dsp::datetime::to_date_time(at)));
    }
    odrl::Agreement::from_value(value).map_err(|e| NodeError::refused(Code::TermsDiffer, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PLN-5.2
    #[test]
    fn one_offer_has_one_reading_however_it_is_spelt() {
        let ours = json!({"@id": "o", "permission": [{"action": "use", "constraint": [
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["a", "b"]}]}], "prohibition": []});
        let theirs = json!({"@id": "other", "assigner": "x", "permission": {"action": {"@id": "odrl:use"}, "constraint":
            {"leftOperand": {"@id": "purpose"}, "operator": "odrl:isAnyOf",
             "rightOperand": [{"@value": "a"}, {"@value": "b"}]}}});
        assert_eq!(difference(&theirs, &ours), None);
        for (place, value) in [
            ("/permission/action", json!("distribute")),
            ("/permission/constraint/rightOperand", json!(["a"])),
            ("/permission/constraint/operator", json!("eq")),
        ] {
            let mut other = theirs.clone();
            *other.pointer_mut(place).unwrap() = value;
            assert!(difference(&other, &ours).is_some(), "{other}");
        }
        let mut more = theirs.clone();
        more["obligation"] = json!([{"action": "compensate"}]);
        assert!(difference(&more, &ours).is_some());
        let eclipse = json!({"permission": [{"action": "use", "constraint": [{"leftOperand": "odrl:purpose",
            "operator": "isAnyOf", "rightOperand": "[{\"@value\":\"a\"},{\"@value\":\"b\"}]"}]}]});
        assert_eq!(difference(&eclipse, &ours), None);
        assert_eq!(difference(&spelt(&ours), &ours), None);
        assert_eq!(spelt(&ours)["permission"][0]["constraint"][0]["leftOperand"], json!("odrl:purpose"));
        assert_eq!(spelt(&ours)["permission"][0]["action"], json!("use"));
        for name in
            ["inheritFrom", "profile", "conflict", "odrl:permission", "http://www.w3.org/ns/odrl/2/conflict"]
        {
            let mut more = theirs.clone();
            more[name] = json!("https://elsewhere.example/policy");
            assert!(difference(&more, &ours).is_some(), "{name}");
        }
        let mut named = theirs.clone();
        (named["edc:name"], named["dct:creator"]) = (json!("x"), json!("y"));
        assert_eq!(difference(&named, &ours), None);
        let mut more = theirs;
        more["permission"] = json!([more["permission"], {"action": "distribute"}]);
        assert!(difference(&more, &ours).is_some());
    }
}
