//! What an offer's constraints say, as facts of `contract` (spec chapter 05, POL-10).
//!
//! Read once, by both sides in the same way: what is not understood, or says nothing, is refused by its JSON pointer and
//! never passed over, since it would be a promise that nothing keeps. What is made of the facts, rules say. What an offer says
//! beyond these facts is in `beyond`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::beyond;
use crate::node::{country::is_assigned, verbs::OfferTerms};

/// `max_transfers` of an offer that sets no limit: the largest integer that a policy input holds (POL-1.1).
pub(super) const UNLIMITED: u64 = (1 << 53) - 1;
/// Clauses that terms can name (POL-10.12).
pub(crate) const CLAUSES: [&str; 9] = [
    "access_control",
    "comparable_protection",
    "complaint_and_dispute",
    "confidential_marking",
    "nda",
    "other_protection",
    "regulator_access",
    "return_or_delete",
    "safety_measures",
];
/// Seconds for which an agreement runs from its draft.
const TERM: u64 = 365 * 86_400;
/// The gate takes this word for a fact that is not known (POL-4.1).
const UNKNOWN: &str = "unknown";
/// The action that an offer permits.
const PERMITTED: &str = "use";
/// The one action whose prohibition becomes a fact: no onward transfer.
const DISTRIBUTE: &str = "distribute";

/// What an offer says: the constraints of its one permission to use, and whether it forbids onward transfer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) purposes: Option<Vec<String>>,
    pub(super) countries: Option<BTreeSet<String>>,
    pub(super) days: Option<u32>,
    pub(super) transfers: Option<u64>,
    pub(super) framework: Option<String>,
    pub(super) clauses: Option<BTreeSet<String>>,
    pub(super) kept_here: bool,
    /// The whole offer in normal form, where it says more than the members above (POL-10.8).
    pub(super) beyond: Option<Value>,
}

/// Refuses terms that no rule could be asked about, by their JSON pointer: what is not understood or never decided (POL-10.1,
/// POL-10.7), and neither purpose nor period (POL-10.2).
pub(in crate::node) fn understood(policy: &Value) -> Result<(), String> {
    read(policy).map(|_| ())
}

/// The terms of an offer in normal form, where they say more than `contract` does; none where they do not, or are not understood.
pub(crate) fn terms_beyond(policy: &Value) -> Option<Value> {
    read_open(policy).ok()?.beyond
}

/// What an offer lets a consumer do, for people who choose from a catalog.
pub(in crate::node) fn offered(policy: &Value) -> Result<OfferTerms, String> {
    read(policy).map(told)
}

/// The same of an offer of a peer that signs nothing, which may leave purpose and retention open.
pub(in crate::node) fn offered_by_plain(policy: &Value) -> Result<OfferTerms, String> {
    read_open(policy).map(told)
}

/// Whom an offer names as those who may use, if it names any.
pub(in crate::node) fn recipients(policy: &Value) -> Vec<String> {
    terms_beyond(policy).map(|rules| beyond::recipients(&rules)).unwrap_or_default()
}

fn told(said: Said) -> OfferTerms {
    OfferTerms {
        purposes: said.purposes.unwrap_or_default(),
        countries: said.countries.map(|codes| codes.into_iter().collect()),
        retention_days: said.days.unwrap_or_default(),
        transfers: said.transfers,
        framework: said.framework,
        clauses: said.clauses.into_iter().flatten().collect(),
        prohibited: said.kept_here.then(|| DISTRIBUTE.to_owned()).into_iter().collect(),
        further: said.beyond.as_ref().map(beyond::told).unwrap_or_default(),
    }
}

/// The facts of a contract under this offer, for a consumer of this country and this destination (POL-10.3).
pub(in crate::node) fn contract(
    policy: &Value,
    consumer: &str,
    destination: &Value,
    revision: &str,
    at: u64,
) -> Result<Value, String> {
    Ok(of(read(policy)?, consumer, destination, revision, at))
}

fn of(said: Said, consumer: &str, destination: &Value, revision: &str, at: u64) -> Value {
    // Whoever limits the countries of an offer of this form chooses to: there is no way to say that a state demands it.
    let location = if said.countries.is_some() { "private_choice" } else { "none" };
    let countries = said.countries.unwrap_or_else(|| stated(consumer, destination));
    let mut contract = json!({
        "framework": said.framework.unwrap_or_else(|| "none".to_owned()),
        "policy_revision": revision,
        "valid_from": at,
        "valid_to": at + TERM,
        "purposes": said.purposes,
        "retention_days": said.days,
        "max_transfers": said.transfers.unwrap_or(UNLIMITED),
        "allowed_countries": countries,
        "countries_listed": countries,
        "onward_transfer": {"allowed": !said.kept_here, "countries": []},
        "subprocessors": [],
        // An offer of this form has no words for more: it demands nothing, claims no sandbox and adds no terms.
        "localisation": {"basis": location},
        "demands": {"source_code": false, "private_keys": false},
        "sandbox": {"project_id": "none"},
        "terms": [],
    });
    if let Some(clauses) = said.clauses {
        contract["clauses"] = clauses.into_iter().map(|name| (name, Value::Bool(true))).collect();
    }
    contract
}

/// What the consumer's side states where the offer of a plain deal leaves it open.
pub(in crate::node) struct Stated<'a> {
    /// What the data are for.
    pub(in crate::node) purpose: Option<&'a str>,
    /// Days after which they are deleted.
    pub(in crate::node) keep_days: Option<u32>,
}

/// The facts of a contract with a peer that signs nothing, and the purpose of the transfer (PLN-7.2): as [`contract`], but
/// that purpose and retention may be left open by the offer. A purpose that is stated must still be one that is offered; the
/// only one that is offered is stated by taking the offer.
pub(in crate::node) fn contract_of_plain(
    policy: &Value,
    consumer: &str,
    destination: &Value,
    stated: &Stated<'_>,
    revision: &str,
    at: u64,
) -> Result<(Value, Option<String>), String> {
    let mut said = read_open(policy)?;
    let only = match said.purposes.as_deref() {
        Some([only]) => Some(only.clone()),
        Some(_) | None => None,
    };
    let purpose = stated.purpose.map(str::to_owned).or(only);
    said.purposes = said.purposes.or_else(|| purpose.clone().map(|purpose| vec![purpose]));
    said.days = said.days.or(stated.keep_days);
    let mut facts = of(said, consumer, destination, revision, at);
    if let Some(members) = facts.as_object_mut() {
        // What nobody said is absent, and the rule that needs it says so.
        members.retain(|_, value| !value.is_null());
    }
    Ok((facts, purpose))
}

/// The countries that a proposal names: an agreement always binds the data to countries that were stated.
fn stated(consumer: &str, destination: &Value) -> BTreeSet<String> {
    let lists = ["storage_countries", "processing_countries"].into_iter();
    let listed = lists.filter_map(|name| destination.get(name)?.as_array()).flatten();
    listed.filter_map(Value::as_str).chain([consumer]).map(str::to_owned).collect()
}

fn read(policy: &Value) -> Result<Said, String> {
    let said = read_open(policy)?;
    for (operand, missing) in [("purpose", said.purposes.is_none()), ("elapsedTime", said.days.is_none())] {
        if missing {
            let place = "/permission/0/constraint";
            return Err(format!("{place}: {operand} is missing, and no deal is decided without it"));
        }
    }
    Ok(said)
}

/// As [`read`], of an offer that may leave purpose and retention open.
fn read_open(policy: &Value) -> Result<Said, String> {
    // What is all said in `contract` needs nobody to interpret it.
    read_plainly(policy).or_else(|_| beyond::read(policy))
}

/// An offer that says nothing but what `contract` has a member for.
fn read_plainly(policy: &Value) -> Result<Said, String> {
    let [rule] = policy.get("permission").and_then(Value::as_array).map_or(&[][..], Vec::as_slice) else {
        return Err("/permission: exactly one permission is understood here".to_owned());
    };
    if text(rule, "action") != Some(PERMITTED) {
        return Err(format!("/permission/0/action: only `{PERMITTED}` is understood here"));
    }
    if list(rule, "duty").next().is_some() {
        return Err("/permission/0/duty/0: no duty is understood here".to_owned());
    }
    let mut said = Said { kept_here: prohibited(policy)?, ..Said::default() };
    let place = "/permission/0/constraint";
    for (n, constraint) in list(rule, "constraint").enumerate() {
        said.take(constraint).map_err(|why| format!("{place}/{n}{why}"))?;
    }
    Ok(said)
}

/// Whether onward transfer is forbidden. Any other prohibition, one under a condition, and any duty says more.
fn prohibited(policy: &Value) -> Result<bool, String> {
    if list(policy, "obligation").next().is_some() {
        return Err(
            "/obligation/0: no duty of an offer is understood here; duties come from the rules".to_owned()
        );
    }
    let mut found = false;
    for (n, rule) in list(policy, "prohibition").enumerate() {
        if text(rule, "action") != Some(DISTRIBUTE) {
            return Err(format!("/prohibition/{n}/action: only `{DISTRIBUTE}` is understood here"));
        }
        if list(rule, "constraint").next().is_some() {
            return Err(format!(
                "/prohibition/{n}/constraint/0: a prohibition holds without conditions here"
            ));
        }
        found = true;
    }
    Ok(found)
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
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
                let codes = texts(operator, right).filter(|all| all.iter().all(|c| is_assigned(c)));
                let codes = codes.ok_or_else(|| value("one country code of ISO 3166-1 or a list of them"))?;
                self.countries.replace(codes.into_iter().collect()).is_some()
            }
            ("elapsedTime", "lteq") => {
                self.days.replace(days(right).ok_or_else(|| value("days, as P365D"))?).is_some()
            }
            ("count", "lteq") => {
                let count = right.as_str().and_then(whole).filter(|n| (1..=UNLIMITED).contains(n));
                self.transfers.replace(count.ok_or_else(|| value("a whole number from 1 up"))?).is_some()
            }
            ("clauses", "eq" | "isAllOf") => {
                let names = texts(operator, right).filter(|all| all.iter().all(|name| is_clause(name)));
                let names = names.ok_or_else(|| value("names of clauses (POL-10.12)"))?;
                self.clauses.replace(names.into_iter().collect()).is_some()
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

pub(super) fn is_clause(name: &str) -> bool {
    CLAUSES.contains(&name)
}

/// One text, or for `isAnyOf` and `isAllOf` some texts.
fn texts(operator: &str, value: &Value) -> Option<Vec<String>> {
    match value.as_array() {
        Some(list) if operator != "eq" && !list.is_empty() => {
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
                "localisation": {"basis": "private_choice"},
                "demands": {"source_code": false, "private_keys": false},
                "sandbox": {"project_id": "none"}, "terms": [],
            })
        );
    }

    /// POL-10.12
    #[test]
    fn clauses_that_are_named_stand_in_the_contract() {
        let policy = with(&[one("clauses", "isAllOf", &json!(["safety_measures", "nda"]))]);
        let facts = contract(&policy, "SG", &going_to(&["SG"], &["SG"]), "r1", 0).unwrap();
        assert_eq!(facts["clauses"], json!({"nda": true, "safety_measures": true}));
        assert_eq!(offered(&policy).unwrap().clauses, ["nda", "safety_measures"]);
        assert_eq!(terms_beyond(&policy), None);
        let one = with(&[one("clauses", "eq", &json!("nda"))]);
        let facts = contract(&one, "SG", &going_to(&["SG"], &["SG"]), "r1", 0).unwrap();
        assert_eq!(facts["clauses"], json!({"nda": true}));
        assert_eq!(
            contract(&with(&[]), "SG", &going_to(&["SG"], &["SG"]), "r1", 0).unwrap().get("clauses"),
            None
        );
    }

    /// POL-10.3
    #[test]
    fn what_an_offer_leaves_open_is_bound_to_what_the_proposal_states() {
        let facts = contract(&with(&[]), "SG", &going_to(&["VN", "SG"], &["MY"]), "r1", 0).unwrap();
        assert_eq!(facts["allowed_countries"], json!(["MY", "SG", "VN"]));
        assert_eq!(facts["max_transfers"], json!(9_007_199_254_740_991_u64));
        assert_eq!(facts["framework"], json!("none"));
        assert_eq!(facts["localisation"]["basis"], json!("none"));
    }

    /// POL-10.1, POL-10.2
    #[test]
    fn terms_that_no_fact_is_made_of_are_refused_by_their_place() {
        let constraint = |operand: &str, operator: &str, right: Value| one(operand, operator, &right);
        for wrong in [
            constraint("payAmount", "eq", json!("5")),
            json!({"or": [one("purpose", "eq", &json!("a")), one("event", "eq", &json!("a"))]}),
            constraint("spatial", "isAnyOf", json!(["Korea"])),
            constraint("spatial", "isAnyOf", json!(["KR", 82])),
            constraint("spatial", "isAnyOf", json!(["KR", "ZZ"])),
            constraint("spatial", "eq", json!("kr")),
            constraint("spatial", "isAnyOf", json!([])),
            constraint("count", "lteq", json!("-1")),
            constraint("count", "lteq", json!("ten")),
            constraint("count", "lteq", json!("1.5")),
            constraint("count", "lteq", json!("+1")),
            constraint("count", "lteq", json!("9007199254740992")),
            constraint("count", "isAnyOf", json!("1")),
            constraint("framework", "isAllOf", json!(["KSDPA"])),
            constraint("clauses", "isAllOf", json!(["nda", "be_nice"])),
            constraint("clauses", "isAnyOf", json!(["nda"])),
            constraint("clauses", "isAllOf", json!([])),
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

    /// POL-10.7
    #[test]
    fn promises_that_nothing_keeps_are_refused_by_their_place() {
        let odd = |pointer: &str, value: Value| {
            let mut offer = with(&[]);
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            offer.pointer_mut(parent).unwrap()[name] = value;
            offer
        };
        let price = one("payAmount", "lt", &json!("5"));
        for (offer, place) in [
            (odd("/obligation", json!([{"action": "compensate"}])), "/obligation/0"),
            (odd("/permission/0/action", json!("distribute")), "/permission"),
            (odd("/permission/0/action", json!("read")), "/permission/0"),
            (odd("/permission/0/duty", json!([{"action": "compensate"}])), "/permission/0/duty/0"),
            (odd("/prohibition", json!([{"action": "distribute"}, {"action": "paint"}])), "/prohibition/1"),
            (
                odd("/prohibition", json!([{"action": "distribute", "constraint": [price]}])),
                "/prohibition/0/constraint/0",
            ),
        ] {
            let refused = understood(&offer).unwrap_err();
            assert_eq!(contract(&offer, "SG", &going_to(&["SG"], &["SG"]), "r1", 0), Err(refused.clone()));
            assert_eq!(offered(&offer).unwrap_err(), refused);
            assert!(refused.starts_with(place), "{offer}: {refused}");
        }
        let mut open = with(&[]);
        open.as_object_mut().unwrap().remove("prohibition");
        let facts = contract(&open, "SG", &going_to(&["SG"], &["SG"]), "r1", 0).unwrap();
        assert_eq!(facts["onward_transfer"]["allowed"], json!(true));
    }

    /// POL-10.1, POL-10.7
    #[test]
    fn the_terms_of_the_example_are_understood_and_told() {
        let terms = include_str!("../../../../examples/ev-parts/terms.json");
        let told = offered(&serde_json::from_str(terms).unwrap()).unwrap();
        let due = OfferTerms {
            purposes: vec!["quality_analysis".into()],
            countries: Some(vec!["KR".into(), "SG".into()]),
            retention_days: 365,
            transfers: Some(10),
            framework: Some("KSDPA".into()),
            prohibited: vec!["distribute".into()],
            clauses: Vec::new(),
            further: Vec::new(),
        };
        assert_eq!(told, due);
        // What an offer leaves open is not made up.
        let told = offered(&with(&[])).unwrap();
        assert_eq!((told.countries, told.transfers, told.framework), (None, None, None));
    }
}
