//! What an offer's constraints say, as facts of `contract` (spec chapter 05, POL-10).
//!
//! Read once, by both sides in the same way: a constraint that is not understood, or says nothing, is refused by its JSON
//! pointer and never passed over, since it would be a promise that nothing keeps. What is made of the facts, rules say.

use std::collections::BTreeSet;

use naru_protocol::identity::Country;
use serde_json::{Value, json};

/// `max_transfers` of an offer that sets no limit: the largest integer that a policy input holds (POL-1.1).
const UNLIMITED: u64 = (1 << 53) - 1;
/// Seconds for which an agreement runs from its draft.
const TERM: u64 = 365 * 86_400;
/// The gate takes this word for a fact that is not known (POL-4.1).
const UNKNOWN: &str = "unknown";

/// The constraints of an offer's one permission.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    purposes: Option<Vec<String>>,
    countries: Option<BTreeSet<String>>,
    days: Option<u32>,
    transfers: Option<u64>,
    framework: Option<String>,
}

/// Refuses terms that a rule could not be asked about, by their JSON pointer: an operand, operator or value that is not
/// understood, a logical constraint, a second one on the same operand, or neither purpose nor period (POL-10.1, POL-10.2).
pub(in crate::node) fn understood(policy: &Value) -> Result<(), String> {
    read(policy).map(|_| ())
}

/// The facts of a contract under this offer, for a consumer of this country and this destination (POL-10.3).
pub(in crate::node) fn contract(
    policy: &Value,
    consumer: &str,
    destination: &Value,
    revision: &str,
    at: u64,
) -> Result<Value, String> {
    let said = read(policy)?;
    let countries = said.countries.unwrap_or_else(|| stated(consumer, destination));
    let prohibited = policy.get("prohibition").and_then(Value::as_array).into_iter().flatten();
    let onward = !prohibited.into_iter().any(|rule| text(rule, "action") == Some("distribute"));
    Ok(json!({
        "framework": said.framework.unwrap_or_else(|| "none".to_owned()),
        "policy_revision": revision,
        "valid_from": at,
        "valid_to": at + TERM,
        "purposes": said.purposes,
        "retention_days": said.days,
        "max_transfers": said.transfers.unwrap_or(UNLIMITED),
        "allowed_countries": countries,
        "countries_listed": countries,
        "onward_transfer": {"allowed": onward, "countries": []},
        "subprocessors": [],
    }))
}

/// The countries that a proposal names: an agreement always binds the data to countries that were stated.
fn stated(consumer: &str, destination: &Value) -> BTreeSet<String> {
    let lists = ["storage_countries", "processing_countries"].into_iter();
    let listed = lists.filter_map(|name| destination.get(name)?.as_array()).flatten();
    listed.filter_map(Value::as_str).chain([consumer]).map(str::to_owned).collect()
}

fn read(policy: &Value) -> Result<Said, String> {
    let [rule] = policy.get("permission").and_then(Value::as_array).map_or(&[][..], Vec::as_slice) else {
        return Err("/permission: exactly one permission is understood here".to_owned());
    };
    let place = "/permission/0/constraint";
    let mut said = Said::default();
    for (n, constraint) in rule.get("constraint").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        said.take(constraint).map_err(|why| format!("{place}/{n}{why}"))?;
    }
    for (operand, missing) in [("purpose", said.purposes.is_none()), ("elapsedTime", said.days.is_none())] {
        if missing {
            return Err(format!("{place}: {operand} is missing, and no deal is decided without it"));
        }
    }
    Ok(said)
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}

impl Said {
    fn take(&mut self, constraint: &Value) -> Result<(), String> {
        let said = |name: &str| text(constraint, name).unwrap_or_default();
        let (operand, operator) = (said("leftOperand"), said("operator"));
        let right = constraint.get("rightOperand").unwrap_or(&Value::Null);
        let value = |wanted: &str| format!("/rightOperand: {operand} is {wanted}");
        let twice = match (operand, operator) {
            ("purpose", "eq" | "isAnyOf") => {
                let purposes = texts(operator, right).filter(|all| all.iter().all(|p| says(p)));
                self.purposes.replace(purposes.ok_or_else(|| value("one text or a list of texts"))?).is_some()
            }
            ("spatial", "eq" | "isAnyOf") => {
                let codes =
                    texts(operator, right).filter(|all| all.iter().all(|c| Country::parse(c).is_ok()));
                let codes = codes.ok_or_else(|| value("one country code or a list of them"))?;
                self.countries.replace(codes.into_iter().collect()).is_some()
            }
            ("elapsedTime", "lteq") => {
                self.days.replace(days(right).ok_or_else(|| value("days, as P365D"))?).is_some()
            }
            ("count", "lteq") => {
                let count = right.as_str().and_then(whole).filter(|n| (1..=UNLIMITED).contains(n));
                self.transfers.replace(count.ok_or_else(|| value("a whole number from 1 up"))?).is_some()
            }
            ("framework", "eq") => {
                let name = right.as_str().filter(|name| says(name)).ok_or_else(|| value("one text"))?;
                self.framework.replace(name.to_owned()).is_some()
            }
            _ => return Err(format!(": {operand} {operator} is not understood here")),
        };
        if twice { Err(format!(": {operand} for the second time")) } else { Ok(()) }
    }
}

fn says(text: &str) -> bool {
    !text.is_empty() && text != UNKNOWN
}

/// One text, or for `isAnyOf` some texts.
fn texts(operator: &str, value: &Value) -> Option<Vec<String>> {
    match value.as_array() {
        Some(list) if operator == "isAnyOf" && !list.is_empty() => {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
        None => Some(vec![value.as_str()?.to_owned()]),
    }
}

/// Digits and nothing else, without leading zeros, so that one number has one spelling.
fn whole(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// `P365D` as 365.
fn days(value: &Value) -> Option<u32> {
    let digits = value.as_str()?.strip_prefix('P')?.strip_suffix('D')?;
    u32::try_from(whole(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(constraints: &Value) -> Value {
        json!({"permission": [{"action": "use", "constraint": constraints}],
            "prohibition": [{"action": "distribute"}]})
    }

    fn one(operand: &str, operator: &str, right: &Value) -> Value {
        json!({"leftOperand": operand, "operator": operator, "rightOperand": right})
    }

    /// An offer with what every offer needs, and this.
    fn with(more: &[Value]) -> Value {
        let needed = [
            one("purpose", "isAnyOf", &json!(["quality_analysis", "maintenance"])),
            one("elapsedTime", "lteq", &json!("P365D")),
        ];
        offer(&json!([&needed[..], more].concat()))
    }

    fn going_to(storage: &[&str], processing: &[&str]) -> Value {
        json!({"storage_countries": storage, "processing_countries": processing})
    }

    /// POL-10.3
    #[test]
    fn an_offers_constraints_become_facts() {
        let policy = with(&[
            one("spatial", "isAnyOf", &json!(["SG", "KR", "SG"])),
            one("count", "lteq", &json!("10")),
            one("framework", "eq", &json!("KSDPA")),
        ]);
        let facts = contract(&policy, "SG", &going_to(&["VN"], &["US"]), "r1", 1000).unwrap();
        assert_eq!(
            facts,
            json!({
                "framework": "KSDPA", "policy_revision": "r1", "valid_from": 1000, "valid_to": 1000 + TERM,
                "purposes": ["quality_analysis", "maintenance"], "retention_days": 365, "max_transfers": 10,
                // What the offer says, wherever the consumer wants to take the data.
                "allowed_countries": ["KR", "SG"], "countries_listed": ["KR", "SG"],
                "onward_transfer": {"allowed": false, "countries": []}, "subprocessors": [],
            })
        );
    }

    /// POL-10.3
    #[test]
    fn what_an_offer_leaves_open_is_bound_to_what_the_proposal_states() {
        let facts = contract(&with(&[]), "SG", &going_to(&["VN", "SG"], &["MY"]), "r1", 0).unwrap();
        assert_eq!(facts["allowed_countries"], json!(["MY", "SG", "VN"]));
        assert_eq!(facts["max_transfers"], json!(9_007_199_254_740_991_u64));
        assert_eq!(facts["framework"], json!("none"));
    }

    /// POL-10.1, POL-10.2
    #[test]
    fn terms_that_no_fact_is_made_of_are_refused_by_their_place() {
        let constraint = |operand: &str, operator: &str, right: Value| one(operand, operator, &right);
        for wrong in [
            constraint("purpose", "isNoneOf", json!(["marketing"])),
            constraint("purpose", "eq", json!("another")),
            constraint("payAmount", "eq", json!("5")),
            json!({"or": [one("purpose", "eq", &json!("a"))]}),
            constraint("spatial", "isAnyOf", json!(["Korea"])),
            constraint("spatial", "isAnyOf", json!(["KR", 82])),
            constraint("spatial", "isAnyOf", json!([])),
            constraint("spatial", "eq", json!(["KR"])),
            constraint("count", "lteq", json!("0")),
            constraint("count", "lteq", json!("-1")),
            constraint("count", "lteq", json!("ten")),
            constraint("count", "lteq", json!("1.5")),
            constraint("count", "lteq", json!("+1")),
            constraint("count", "lteq", json!("9007199254740992")),
            constraint("count", "eq", json!("1")),
            constraint("framework", "eq", json!(["KSDPA"])),
        ] {
            let offer = with(std::slice::from_ref(&wrong));
            let refused = understood(&offer).unwrap_err();
            // Nor are terms made of it, whoever published it.
            assert_eq!(contract(&offer, "SG", &going_to(&["SG"], &["SG"]), "r1", 0), Err(refused.clone()));
            assert!(refused.starts_with("/permission/0/constraint/2"), "{wrong}: {refused}");
        }
        assert_eq!(understood(&with(&[one("count", "lteq", &json!("1"))])), Ok(()));
        assert_eq!(understood(&with(&[one("spatial", "eq", &json!("KR"))])), Ok(()));
    }

    /// POL-10.1, POL-10.2
    #[test]
    fn an_offer_says_what_for_and_for_how_long() {
        let purpose = |right: Value| one("purpose", "isAnyOf", &right);
        let time = |right: &str| one("elapsedTime", "lteq", &json!(right));
        for (constraints, place) in [
            (json!([time("P1D")]), "/permission/0/constraint: purpose is missing"),
            (json!([purpose(json!(["a"]))]), "/permission/0/constraint: elapsedTime is missing"),
            (json!([purpose(json!([])), time("P1D")]), "/permission/0/constraint/0/rightOperand"),
            (json!([purpose(json!(["a", 1])), time("P1D")]), "/permission/0/constraint/0/rightOperand"),
            (json!([purpose(json!(["unknown"])), time("P1D")]), "/permission/0/constraint/0/rightOperand"),
            (json!([purpose(json!("")), time("P1D")]), "/permission/0/constraint/0/rightOperand"),
            (json!([purpose(json!("a")), time("P1Y")]), "/permission/0/constraint/1/rightOperand"),
            (json!([purpose(json!("a")), time("P+1D")]), "/permission/0/constraint/1/rightOperand"),
            (json!([purpose(json!("a")), time("PD")]), "/permission/0/constraint/1/rightOperand"),
        ] {
            let refused = understood(&offer(&constraints)).unwrap_err();
            assert!(refused.starts_with(place), "{constraints}: {refused}");
        }
        for rules in [json!([]), json!([{"action": "use"}, {"action": "use"}]), Value::Null] {
            let refused = understood(&json!({"permission": rules})).unwrap_err();
            assert!(refused.starts_with("/permission"), "{refused}");
        }
    }

    /// POL-10.1
    #[test]
    fn the_terms_of_the_example_are_understood() {
        let terms = include_str!("../../../../examples/ev-parts/terms.json");
        assert_eq!(understood(&serde_json::from_str(terms).unwrap()), Ok(()));
    }
}
