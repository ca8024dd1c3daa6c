//! The document that the policy engine sees: a shared part that stands in the terms, a part private to this side, and
//! what the host knows (clock, phase, side, identities) (spec chapter 05, POL-2).
//!
//! Builds documents; evaluates nothing. Only the proposer builds the shared part: the other side compares what it is
//! the source for and names the pointer that differs.

use std::{collections::BTreeMap, path::Path};

use naru_protocol::identity::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the operator knows and the peer must not: kept in `facts.json`, read at each evaluation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivateFacts {
    /// Approvals, reports and licences of authorities (rules of the exporter's side).
    pub approvals: Vec<Value>,
    /// Orders that stop trade.
    pub stop_orders: Vec<Value>,
    /// Screening of a peer against sanctions lists, by DID.
    pub screening: BTreeMap<String, Value>,
    /// Warning signs about a peer, by DID.
    pub red_flags: BTreeMap<String, Vec<String>>,
}

impl PrivateFacts {
    /// Reads the file; one that is absent says nothing.
    pub fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read(path) {
            // A list would be read as members in order: nothing in it must not look like nothing against anybody.
            Ok(bytes) if !bytes.trim_ascii_start().starts_with(b"{") => {
                Err(format!("{}: not a JSON object", path.display()))
            }
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// This side's private part of the input about one consumer; only an exporter screens and holds approvals.
    #[must_use]
    pub fn document(&self, consumer: &str, exporter: bool) -> Value {
        if !exporter {
            return json!({"stop_orders": self.stop_orders});
        }
        let mut about = Map::new();
        if let Some(screening) = self.screening.get(consumer) {
            about.insert("sanctions".into(), screening.clone());
        }
        let flags = self.red_flags.get(consumer).cloned().unwrap_or_default();
        about.insert("red_flags".into(), json!(flags));
        json!({"approvals": self.approvals, "stop_orders": self.stop_orders, "consumer": about})
    }
}

/// A participant as the shared document names it.
#[derive(Debug, Clone)]
pub struct Party {
    /// Root identity.
    pub did: String,
    /// Self-declared country.
    pub country: String,
    /// Self-declared size.
    pub size: String,
}

/// What the consumer says about its use.
#[derive(Debug, Clone)]
pub struct Use {
    /// What it is for.
    pub purpose: String,
    /// Where it is kept and processed.
    pub countries: Vec<String>,
}

/// What an offer's constraints say, as facts of `contract`.
fn contract(policy: &Value, at: u64, revision: &str) -> Value {
    let mut purposes = json!([]);
    let mut countries = json!([]);
    let mut retention = Value::Null;
    let mut transfers = Value::Null;
    let mut framework = json!("none");
    for rule in policy.get("permission").and_then(Value::as_array).into_iter().flatten() {
        for constraint in rule.get("constraint").and_then(Value::as_array).into_iter().flatten() {
            let right = constraint.get("rightOperand").cloned().unwrap_or(Value::Null);
            match constraint.get("leftOperand").and_then(Value::as_str) {
                Some("purpose") => purposes = listed(right),
                Some("spatial") => countries = listed(right),
                Some("elapsedTime") => retention = days(&right),
                Some("count") => transfers = number(&right),
                Some("framework") => framework = right,
                Some(_) | None => {}
            }
        }
    }
    let forbids = |action: &str| {
        let rules = policy.get("prohibition").and_then(Value::as_array);
        rules.into_iter().flatten().any(|r| r.get("action").and_then(Value::as_str) == Some(action))
    };
    json!({
        "framework": framework,
        "policy_revision": revision,
        "valid_from": at,
        "valid_to": at + 365 * 86_400,
        "purposes": purposes,
        "retention_days": retention,
        "max_transfers": transfers,
        "allowed_countries": countries,
        "countries_listed": countries,
        "onward_transfer": {"allowed": !forbids("distribute"), "countries": []},
        "subprocessors": [],
        "clauses": {},
        "terms": [],
        "localisation": {"basis": "none"},
        "demands": {"source_code": false, "private_keys": false},
        "sandbox": {"project_id": "none"},
    })
}

/// Operators that are understood of an operand; what is not understood would be a promise that nothing keeps.
fn operators(operand: &str) -> &'static [&'static str] {
    match operand {
        "purpose" | "spatial" => &["isAnyOf", "eq"],
        "elapsedTime" | "count" => &["lteq"],
        "framework" => &["eq"],
        _ => &[],
    }
}

/// Refuses terms with a constraint that no fact is made of, by its JSON pointer: an operand or operator that is not
/// understood, a logical constraint, or a second one on the same operand.
pub(super) fn understood(policy: &Value) -> Result<(), String> {
    for (n, rule) in policy.get("permission").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let mut seen = Vec::new();
        for (m, constraint) in
            rule.get("constraint").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            let said = |name: &str| constraint.get(name).and_then(Value::as_str).unwrap_or_default();
            let (operand, operator) = (said("leftOperand"), said("operator"));
            if !operators(operand).contains(&operator) || seen.contains(&operand.to_owned()) {
                return Err(format!(
                    "/permission/{n}/constraint/{m}: {operand} {operator} is not understood here"
                ));
            }
            seen.push(operand.to_owned());
        }
    }
    Ok(())
}

fn listed(value: Value) -> Value {
    if value.is_array() { value } else { json!([value]) }
}

/// `P365D` as 365; anything else says nothing.
fn days(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    let number = text.strip_prefix('P').and_then(|t| t.strip_suffix('D')).and_then(|t| t.parse::<u32>().ok());
    number.map_or(Value::Null, Value::from)
}

fn number(value: &Value) -> Value {
    value.as_str().and_then(|t| t.parse::<u32>().ok()).map_or(Value::Null, Value::from)
}

/// The shared document that a proposer writes into its terms.
#[must_use]
pub fn shared(
    facts: &Value,
    policy: &Value,
    provider: &Party,
    consumer: &Party,
    purpose: &Use,
    revision: &str,
    at: u64,
) -> Value {
    let party = |p: &Party| json!({"id": p.did, "country": p.country, "size": p.size});
    let mut buyer = party(consumer);
    if let Some(buyer) = buyer.as_object_mut() {
        buyer.insert("role".into(), json!("controller"));
        buyer.insert("certifications".into(), json!([]));
        buyer.insert("dma_gatekeeper".into(), json!(false));
        buyer.insert("is_foreign_government".into(), json!(false));
        buyer.insert("foreign_person".into(), json!(consumer.country != provider.country));
    }
    json!({
        "dataset": facts,
        "provider": party(provider),
        "consumer": buyer,
        "destination": {"storage_countries": purpose.countries, "processing_countries": purpose.countries},
        "contract": contract(policy, at, revision),
        "transfer": {
            "mode": "provide",
            "purpose": purpose.purpose,
            "encrypted": true,
            "occurrence": 1,
            "legal_basis": {"kind": "not_applicable"},
            "onward_events": [],
        },
    })
}

/// The members of the shared document that a side is the source for.
#[must_use]
pub fn sourced_by(provider: bool) -> &'static [&'static str] {
    if provider { &["dataset", "contract", "provider"] } else { &["consumer", "destination", "transfer"] }
}

/// What the host adds: clock, phase, side, identities, and who has signed.
#[derive(Debug, Clone)]
pub struct Host<'a> {
    /// `catalog`, `negotiation`, `transfer` or `monitor`.
    pub phase: &'a str,
    /// `exporter` or `importer`.
    pub side: &'a str,
    /// Seconds.
    pub now: u64,
    /// Until when the operator's word about the peer's identity holds, seconds.
    pub identity_until: u64,
    /// The party, if any, for whose identity only a ticket of the operator vouches: nobody compared its fingerprint.
    pub by_ticket: Option<Role>,
    /// Parties whose signature over the agreement was verified.
    pub signed_by: &'a [String],
}

impl Host<'_> {
    /// The host part of the input.
    #[must_use]
    pub fn document(&self) -> Value {
        let identity = |role| {
            let word = if self.by_ticket == Some(role) { "ticket" } else { "operator" };
            json!({"verified": true, "expires_at": self.identity_until, "provenance": word})
        };
        let mut host = json!({
            "phase": self.phase,
            "side": self.side,
            "now": self.now,
            "provider": {"identity": identity(Role::Provider)},
            "consumer": {"identity": identity(Role::Consumer)},
        });
        if self.phase == "transfer" {
            host["contract"] = json!({"signed_by": self.signed_by});
        }
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offers_constraints_become_facts() {
        let policy = json!({"permission": [{"action": "use", "constraint": [
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["quality_analysis"]},
            {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P365D"},
            {"leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": ["KR", "SG"]}]}],
            "prohibition": [{"action": "distribute"}]});
        let facts = contract(&policy, 1000, "r1");
        assert_eq!(facts["purposes"], json!(["quality_analysis"]));
        assert_eq!(facts["retention_days"], json!(365));
        assert_eq!(facts["onward_transfer"]["allowed"], json!(false));
        assert_eq!(facts["max_transfers"], Value::Null);
    }

    #[test]
    fn terms_that_no_fact_is_made_of_are_refused_by_their_place() {
        let terms =
            |constraints: Value| json!({"permission": [{"action": "use", "constraint": constraints}]});
        let known = json!([
            {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["a"]},
            {"leftOperand": "count", "operator": "lteq", "rightOperand": "1"}]);
        assert_eq!(understood(&terms(known)), Ok(()));
        for wrong in [
            json!([{"leftOperand": "purpose", "operator": "isNoneOf", "rightOperand": ["marketing"]}]),
            json!([{"leftOperand": "payAmount", "operator": "eq", "rightOperand": "5"}]),
            json!([{"or": [{"leftOperand": "purpose", "operator": "eq", "rightOperand": "a"}]}]),
            json!([{"leftOperand": "purpose", "operator": "eq", "rightOperand": "a"},
                {"leftOperand": "purpose", "operator": "eq", "rightOperand": "b"}]),
        ] {
            let said = understood(&terms(wrong)).unwrap_err();
            assert!(said.starts_with("/permission/0/constraint/"), "{said}");
        }
    }

    #[test]
    fn private_facts_that_are_no_object_are_no_facts() {
        let path = std::env::temp_dir().join(format!("naru-facts-{}.json", std::process::id()));
        for (text, read) in [("[]", false), ("null", false), ("", false), (" {}", true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(PrivateFacts::read(&path).is_ok(), read, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn private_facts_never_stand_in_the_shared_part() {
        let private = PrivateFacts { approvals: vec![json!({"number": "A-1"})], ..PrivateFacts::default() };
        let party = |c: &str| Party { did: format!("did:{c}"), country: c.into(), size: "sme".into() };
        let shared = shared(
            &json!({"id": "d"}),
            &json!({}),
            &party("KR"),
            &party("SG"),
            &Use { purpose: "p".into(), countries: vec!["SG".into()] },
            "r",
            5,
        );
        let seen = private.document("did:SG", true);
        assert_eq!(seen["approvals"][0]["number"], json!("A-1"));
        assert_eq!(private.document("did:SG", false).get("approvals"), None);
        assert!(!shared.to_string().contains("A-1"));
    }
}
