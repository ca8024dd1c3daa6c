//! What an offer says beyond the members of `contract`: logic, other operands and actions, prohibitions under a condition, duties
//! (spec chapter 05, POL-10.8).
//!
//! Such an offer is brought into normal form (chapter 05b), which stands in the shared part as `policy` and is interpreted by the module
//! `odrl` at every step. What `contract` has a member for is told to the packs of law all the same. Not here: what it means.

use naru_policy::odrl::normalise;
use naru_protocol::dsp::datetime::to_date_time;
use serde_json::{Map, Value};

use super::contract::{Said, UNLIMITED, is_clause};
use crate::node::country::is_assigned;

const USE: &str = "use";
const DISTRIBUTE: &str = "distribute";
const DAY: u64 = 86_400;
/// Members of an offer that say what it allows and asks; its id, type and target are the deal's.
const RULES: [&str; 4] = ["permission", "prohibition", "obligation", "profile"];

/// Reads an offer of any form that the module decides.
///
/// # Errors
/// The first place that is not understood or that no facts decide, as a JSON pointer with the reason (POL-10.1).
pub(super) fn read(policy: &Value) -> Result<Said, String> {
    let said: Map<String, Value> =
        RULES.iter().filter_map(|name| Some(((*name).to_owned(), policy.get(name)?.clone()))).collect();
    let normal = normalise(&Value::from(said)).map_err(|e| e.to_string())?;
    normal.decidable().map_err(|e| e.to_string())?;
    let rules = &normal.document;
    let permits = |action: &'static str| list(rules, "permission").filter(move |rule| acts(rule, action));
    let [rule] = permits(USE).collect::<Vec<_>>()[..] else {
        return Err(format!("/permission: exactly one permission to `{USE}` is understood here"));
    };
    // POL-10.9: a message could not say it, and so nobody would have agreed to it.
    if let Some(duty) = list(rules, "permission").find_map(|rule| list(rule, "duty").next()) {
        return Err(format!("{}: DSP knows no duty of a permission", text(duty, "at")));
    }
    if let Some(place) = nowhere(rules) {
        return Err(format!("{place}: no country code of ISO 3166-1, or no clause of POL-10.12"));
    }
    // Who may use may not pass on: that needs a permission of its own, and no word against it.
    let forbidden = list(rules, "prohibition")
        .any(|rule| (acts(rule, DISTRIBUTE) || acts(rule, USE)) && list(rule, "constraint").next().is_none());
    let mut said = Said { kept_here: forbidden || permits(DISTRIBUTE).next().is_none(), ..Said::default() };
    for constraint in list(rule, "constraint") {
        take(&mut said, constraint);
    }
    said.beyond = Some(normal.document);
    Ok(said)
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn acts(rule: &Value, action: &str) -> bool {
    list(rule, "action").any(|word| word == action)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The comparisons of a constraint, logic or none.
fn comparisons(constraint: &Value) -> Vec<&Value> {
    let parts: Vec<&Value> = ["or", "xone"].iter().flat_map(|word| list(constraint, word)).collect();
    if parts.is_empty() { vec![constraint] } else { parts }
}

/// Two letters that are no country's, and clauses that are none: of these no fact says anything.
fn nowhere(rules: &Value) -> Option<String> {
    let kinds = ["permission", "prohibition"].iter().flat_map(|kind| list(rules, kind));
    let mut found = kinds.flat_map(|rule| list(rule, "constraint")).flat_map(comparisons);
    found.find_map(|one| {
        let operand = text(one, "leftOperand");
        let mut names = list(one, "rightOperand").filter_map(Value::as_str);
        let odd = names.any(|name| match operand {
            "spatial" => name.len() == 2 && name != "EU" && !is_assigned(name),
            "clauses" => !is_clause(name),
            _ => false,
        });
        odd.then(|| text(one, "at").to_owned())
    })
}

/// What `contract` has a member for: the first on an operand counts there, and the module sees all.
fn take(said: &mut Said, constraint: &Value) {
    let right = constraint.get("rightOperand").unwrap_or(&Value::Null);
    let texts = || list(constraint, "rightOperand").filter_map(Value::as_str).map(str::to_owned);
    let number = right.as_u64();
    match (text(constraint, "leftOperand"), text(constraint, "operator")) {
        ("purpose", "eq" | "isAnyOf") if said.purposes.is_none() => said.purposes = Some(texts().collect()),
        ("spatial", "eq" | "isAnyOf")
            if said.countries.is_none() && texts().all(|code| is_assigned(&code)) =>
        {
            said.countries = Some(texts().collect());
        }
        ("elapsedTime", "lteq") if said.days.is_none() => {
            // Less than a day more is not promised.
            said.days = number.and_then(|seconds| u32::try_from(seconds / DAY).ok());
        }
        ("count", "lteq") if said.transfers.is_none() => {
            said.transfers = number.filter(|count| (1..=UNLIMITED).contains(count));
        }
        ("framework", "eq") if said.framework.is_none() => said.framework = texts().next(),
        ("clauses", "isAllOf") if said.clauses.is_none() => said.clauses = Some(texts().collect()),
        _ => {}
    }
}

/// Whom the permission to use names, of an offer in normal form.
pub(super) fn recipients(rules: &Value) -> Vec<String> {
    let named = |one: &Value| {
        text(one, "leftOperand") == "recipient" && ["eq", "isAnyOf"].contains(&text(one, "operator"))
    };
    let permits = list(rules, "permission").filter(|rule| acts(rule, USE));
    let all =
        permits.flat_map(|rule| list(rule, "constraint")).flat_map(comparisons).filter(|one| named(one));
    all.flat_map(|one| list(one, "rightOperand")).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The rules of an offer in words of its own, for people who choose from a catalog: one line for what is asked or allowed, without
/// what `contract` says of it already.
pub(super) fn told(rules: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in list(rules, "permission") {
        for constraint in list(rule, "constraint").filter(|one| !in_contract(one) || !acts(rule, USE)) {
            lines.push(format!("permission {}: {}", actions(rule), said(constraint)));
        }
        if list(rule, "constraint").next().is_none() && !acts(rule, USE) {
            lines.push(format!("permission {}", actions(rule)));
        }
    }
    for rule in list(rules, "prohibition") {
        lines.push(format!("prohibition {}{}", actions(rule), under(rule)));
    }
    for duty in list(rules, "obligation") {
        let within = duty.get("within").and_then(Value::as_u64);
        let within = within.map(|s| format!(" within {s} s of {}", text(duty, "after"))).unwrap_or_default();
        lines.push(format!("obligation of the {}: {}{within}", text(duty, "on"), text(duty, "action")));
    }
    lines
}

fn in_contract(constraint: &Value) -> bool {
    let mut empty = Said::default();
    take(&mut empty, constraint);
    empty != Said::default()
}

fn actions(rule: &Value) -> String {
    list(rule, "action").filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn under(rule: &Value) -> String {
    let all: Vec<String> = list(rule, "constraint").map(said).collect();
    if all.is_empty() { String::new() } else { format!(" where {}", all.join(" and ")) }
}

fn said(constraint: &Value) -> String {
    for word in ["or", "xone"] {
        let parts: Vec<String> = list(constraint, word).map(said).collect();
        if !parts.is_empty() {
            return format!("({})", parts.join(&format!(" {word} ")));
        }
    }
    let right = constraint.get("rightOperand").unwrap_or(&Value::Null);
    let texts: Vec<&str> = list(constraint, "rightOperand").filter_map(Value::as_str).collect();
    let operand = text(constraint, "leftOperand");
    let right = match right.as_u64() {
        Some(at) if operand == "dateTime" => to_date_time(at).unwrap_or_else(|| at.to_string()),
        Some(_) | None if texts.is_empty() => right.to_string(),
        Some(_) | None => texts.join(", "),
    };
    format!("{operand} {} {right}", text(constraint, "operator"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::contract::{contract, offered, terms_beyond, understood};
    use super::*;

    fn one(operand: &str, operator: &str, right: &Value) -> Value {
        json!({"leftOperand": operand, "operator": operator, "rightOperand": right})
    }

    /// What every offer needs, and this.
    fn with(more: &[Value]) -> Value {
        let needed = [one("purpose", "eq", &json!("a")), one("elapsedTime", "lteq", &json!("P30D"))];
        let constraints = [&needed[..], more].concat();
        json!({"permission": [{"action": "use", "constraint": constraints}],
            "prohibition": [{"action": "distribute"}]})
    }

    fn facts(offer: &Value) -> Value {
        contract(offer, "SG", &json!({"storage_countries": ["SG"], "processing_countries": ["SG"]}), "r", 0)
            .unwrap()
    }

    /// POL-10.7, POL-10.8
    #[test]
    fn what_says_no_more_has_no_terms_beside_and_what_says_more_has() {
        assert_eq!(terms_beyond(&with(&[one("spatial", "isAnyOf", &json!(["KR"]))])), None);
        let mut duty = with(&[]);
        duty["obligation"] = json!([{"action": "delete"}]);
        let mut conditional = with(&[]);
        conditional["prohibition"][0]["constraint"] = json!([one("spatial", "isPartOf", &json!("EU"))]);
        let mut sell = with(&[]);
        sell["prohibition"][0]["action"] = json!("sell");
        for offer in [
            with(&[one("purpose", "isNoneOf", &json!(["marketing"]))]),
            with(&[one("purpose", "eq", &json!("another"))]),
            with(&[json!({"or": [one("purpose", "eq", &json!("a"))]})]),
            with(&[one("spatial", "isPartOf", &json!("EU"))]),
            with(&[one("count", "eq", &json!("1"))]),
            with(&[one("odrl:dateTime", "odrl:lteq", &json!("2030-01-01T00:00:00Z"))]),
            duty,
            conditional,
            sell,
        ] {
            assert_eq!(understood(&offer), Ok(()), "{offer}");
            let terms = terms_beyond(&offer).unwrap_or_else(|| panic!("{offer}"));
            assert!(terms["permission"].is_array() && terms["obligation"].is_array());
            // What `contract` has a member for is there all the same.
            let facts = facts(&offer);
            assert_eq!((&facts["purposes"], &facts["retention_days"]), (&json!(["a"]), &json!(30)));
            assert_eq!(facts["onward_transfer"]["allowed"], json!(false), "{offer}");
        }
    }

    /// POL-10.9
    #[test]
    fn a_duty_that_no_message_can_say_is_refused() {
        let mut offer = with(&[]);
        offer["permission"][0]["duty"] = json!([{"action": "anonymize"}]);
        assert!(understood(&offer).unwrap_err().starts_with("/permission/0/duty/0: "));
    }

    /// POL-10.8
    #[test]
    fn passing_on_needs_a_permission_of_its_own_where_terms_say_more() {
        let mut offer = with(&[one("dateTime", "lteq", &json!("2030-01-01T00:00:00Z"))]);
        offer["permission"].as_array_mut().unwrap().push(json!({"action": "distribute"}));
        let allowed = |offer: &Value| facts(offer)["onward_transfer"]["allowed"].clone();
        assert_eq!(allowed(&offer), json!(false), "it is forbidden too");
        offer["prohibition"][0]["constraint"] = json!([one("spatial", "eq", &json!("CN"))]);
        assert_eq!(allowed(&offer), json!(true));
        offer["prohibition"] = json!([{"action": "use"}]);
        assert_eq!(allowed(&offer), json!(false));
        // Less than a whole day more is not promised, and no day less.
        let hours = json!({"permission": [{"action": "use", "constraint": [one("purpose", "eq", &json!("a")),
            one("elapsedTime", "lteq", &json!("PT36H")), one("spatial", "eq", &json!("KR")), one("count", "lteq", &json!("3"))]}]});
        let facts = facts(&hours);
        assert_eq!((&facts["retention_days"], &facts["allowed_countries"]), (&json!(1), &json!(["KR"])));
        assert_eq!(facts["max_transfers"], json!(3));
    }

    #[test]
    fn all_that_is_said_beyond_is_told_in_a_line_each() {
        let mut offer = with(&[
            one("dateTime", "lteq", &json!("2030-01-01T00:00:00Z")),
            json!({"or": [one("recipient", "eq", &json!("did:a")), one("industry", "isAnyOf", &json!(["x", "y"]))]}),
        ]);
        offer["permission"].as_array_mut().unwrap().push(json!({"action": "distribute"}));
        offer["prohibition"] =
            json!([{"action": "sell", "constraint": [one("spatial", "eq", &json!("CN"))]}]);
        offer["obligation"] =
            json!([{"action": "delete", "constraint": [one("elapsedTime", "lteq", &json!("PT1H"))]}]);
        assert_eq!(
            offered(&offer).unwrap().further,
            [
                "permission use: dateTime lteq 2030-01-01T00:00:00Z",
                "permission use: (recipient eq did:a or industry isAnyOf x, y)",
                "permission distribute",
                "prohibition sell where spatial eq CN",
                "obligation of the consumer: delete within 3600 s of completion",
            ]
        );
    }
}
