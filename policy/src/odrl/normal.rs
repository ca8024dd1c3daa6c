//! An offer in normal form (ODR-1): three lists of rules, each with all of its members, whatever was left out in writing.

use serde_json::{Value, json};

use super::object::{Object, items, word};
use super::{Normal, Refusal, Warning, constraint, names};
use crate::limits;
use crate::pack::Text;

const POLICY: [&str; 13] = [
    "@context",
    "@id",
    "uid",
    "@type",
    "type",
    "assigner",
    "assignee",
    "target",
    "permission",
    "prohibition",
    "obligation",
    "profile",
    "conflict",
];
const RULE: [&str; 10] =
    ["@id", "uid", "@type", "type", "action", "constraint", "duty", "target", "assigner", "assignee"];

/// Whom and what a rule is about, as far as the offer says.
#[derive(Clone)]
struct About {
    assigner: Option<String>,
    assignee: Option<String>,
    target: Option<String>,
}

/// Read an offer, or say where it is not understood.
///
/// # Errors
/// [`Refusal`]: the place and the reason. Nothing is passed over.
pub fn normalise(offer: &Value) -> Result<Normal, Refusal> {
    let object = Object::read("", offer, &POLICY)?;
    let hypothetical = kind(&object)?;
    check_frame(&object)?;
    let about = about(&object, None)?;
    let mut warnings = Vec::new();
    let (mut permissions, mut prohibitions, mut obligations) = (Vec::new(), Vec::new(), Vec::new());
    for (place, value) in rules(&object, "permission")? {
        let rule = Object::read(&place, value, &RULE)?;
        let mut permission = common(&rule, &about)?;
        let (before, after) = duties(&rule, &about, &mut warnings)?;
        permission["duty"] = json!(before);
        obligations.extend(after);
        permissions.push(permission);
    }
    for (place, value) in rules(&object, "prohibition")? {
        let rule = Object::read(&place, value, &RULE)?;
        if let Some((place, _)) = rule.get("duty") {
            return Err(Refusal::at(place, "a prohibition has no duty"));
        }
        prohibitions.push(common(&rule, &about)?);
    }
    for (place, value) in rules(&object, "obligation")? {
        let rule = Object::read(&place, value, &RULE)?;
        if let Some((place, _)) = rule.get("duty") {
            return Err(Refusal::at(place, "an obligation has no duty of its own"));
        }
        obligations.push(obligation(&rule, &about)?);
    }
    let document = json!({"permission": permissions, "prohibition": prohibitions, "obligation": obligations});
    Ok(Normal { document, hypothetical, warnings })
}

fn rules<'a>(object: &Object<'a>, name: &str) -> Result<Vec<(String, &'a Value)>, Refusal> {
    let found = object.list(name);
    match found.get(limits::ODRL_RULES) {
        Some((place, _)) => Err(Refusal::at(place, "more rules than an offer may have")),
        None => Ok(found),
    }
}

/// Whether it is a proposition: an offer is, an agreement and a set are not (ODR-3.1).
fn kind(object: &Object<'_>) -> Result<bool, Refusal> {
    let written = match object.text("@type")? {
        Some(kind) => Some(kind),
        None => object.text("type")?,
    };
    match written.map(names::local) {
        None | Some("Offer") => Ok(true),
        Some("Agreement" | "Set" | "Policy") => Ok(false),
        Some(other) => Err(Refusal::at("/@type", format!("{other} is no offer, agreement or set"))),
    }
}

/// Contexts, profiles and strategies that mean what is meant here.
fn check_frame(object: &Object<'_>) -> Result<(), Refusal> {
    for (place, value) in object.list("@context") {
        if !value.as_str().is_some_and(names::known_context) {
            return Err(Refusal::at(&place, "this context is not known here, and none is fetched"));
        }
    }
    for (place, value) in object.list("profile") {
        if !word(value).is_some_and(names::known_profile) {
            return Err(Refusal::at(&place, "this profile is not known here"));
        }
    }
    match object.text("conflict")?.map(names::local) {
        None | Some("prohibit") => Ok(()),
        Some(_) => {
            Err(Refusal::at("/conflict", "a prohibition goes before a permission here: only `prohibit`"))
        }
    }
}

fn about(object: &Object<'_>, outer: Option<&About>) -> Result<About, Refusal> {
    let one = |name: &str, outer: Option<&String>| {
        Ok(object.text(name)?.map(str::to_owned).or_else(|| outer.cloned()))
    };
    Ok(About {
        assigner: one("assigner", outer.and_then(|a| a.assigner.as_ref()))?,
        assignee: one("assignee", outer.and_then(|a| a.assignee.as_ref()))?,
        target: one("target", outer.and_then(|a| a.target.as_ref()))?,
    })
}

/// What permissions and prohibitions have alike.
fn common(rule: &Object<'_>, outer: &About) -> Result<Value, Refusal> {
    let about = about(rule, Some(outer))?;
    let (actions, refinements) = actions(rule)?;
    let mut constraints = constraint::clauses(&rule.list("constraint"))?;
    // A refinement narrows the action, not the rule: nothing here tells the one act from the other.
    constraints.extend(refinements.iter().map(|(place, _)| constraint::open(place, "refinement")));
    Ok(json!({
        "at": rule.place, "action": actions, "constraint": constraints,
        "assigner": about.assigner, "assignee": about.assignee, "target": about.target,
    }))
}

type Refinements<'a> = Vec<(String, &'a Value)>;

/// The actions of a rule, and what narrows them.
fn actions<'a>(rule: &Object<'a>) -> Result<(Vec<String>, Refinements<'a>), Refusal> {
    let (mut found, mut refinements) = (Vec::new(), Vec::new());
    for (place, value) in rule.list("action") {
        let name = match word(value) {
            Some(name) => name,
            None => {
                let object = Object::read(&place, value, &["value", "refinement", "@type", "type"])?;
                refinements.extend(object.list("refinement"));
                object.text("value")?.ok_or_else(|| Refusal::at(&place, "is no action"))?
            }
        };
        found.push(names::action(name).to_owned());
    }
    match found.is_empty() {
        true => Err(Refusal::at(&rule.place, "has no action")),
        false => Ok((found, refinements)),
    }
}

/// The duties of a permission: those that go before the use, and those that were written here and come after (ODR-1.8).
fn duties(
    permission: &Object<'_>,
    outer: &About,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Value>, Vec<Value>), Refusal> {
    let about = about(permission, Some(outer))?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (place, value) in permission.list("duty") {
        let duty = Object::read(&place, value, &RULE)?;
        let (actions, refinements) = actions(&duty)?;
        let [action] = actions.as_slice() else {
            return Err(Refusal::at(&place, "a duty has one action"));
        };
        if names::comes_after(action) {
            warnings.push(moved(&place, action));
            after.push(obligation(&duty, &about)?);
            continue;
        }
        let foreign = ["assignee", "assigner", "target", "duty"].into_iter().find_map(|name| duty.get(name));
        if let Some((place, _)) = foreign {
            return Err(Refusal::at(place, "a duty before the use is about what its permission is about"));
        }
        let mut constraints = constraint::clauses(&duty.list("constraint"))?;
        constraints.extend(refinements.iter().map(|(place, _)| constraint::open(place, "refinement")));
        before.push(json!({"at": place, "action": action, "constraint": constraints}));
    }
    Ok((before, after))
}

fn moved(place: &str, action: &str) -> Warning {
    Warning {
        pointer: place.to_owned(),
        text: Text {
            en: format!(
                "`{action}` can only be done after the use: read as an obligation, not as a condition"
            ),
            ko: format!("`{action}`은(는) 이용 뒤에만 할 수 있으므로 조건이 아니라 나중의 의무로 읽었습니다"),
        },
    }
}

/// A duty after the use: who owes it, and until when. A deadline may be written as its constraint or as its refinement.
fn obligation(rule: &Object<'_>, outer: &About) -> Result<Value, Refusal> {
    let about = about(rule, Some(outer))?;
    let (actions, refinements) = actions(rule)?;
    let [action] = actions.as_slice() else {
        return Err(Refusal::at(&rule.place, "an obligation has one action"));
    };
    let mut found: Vec<(String, &Value)> = rule.list("constraint");
    found.extend(refinements.iter().flat_map(|(place, value)| items(place, value)));
    let mut left = constraint::clauses(&found)?;
    let (after, within) = match left.as_slice() {
        [only] => deadline(only),
        _ => None,
    }
    .map_or(("completion", None), |(after, within)| (after, Some(within)));
    if within.is_some() {
        left.clear();
    }
    let on = match &about.assignee {
        Some(party) if about.assigner.as_ref() == Some(party) => "provider",
        Some(party) if Some(party) == outer.assignee.as_ref() => "consumer",
        None => "consumer",
        Some(party) if outer.assigner.as_ref() == Some(party) => "provider",
        Some(_) => "another",
    };
    Ok(json!({
        "at": rule.place, "action": action, "on": on, "after": after, "within": within, "constraint": left,
    }))
}

/// `elapsedTime` runs from the delivery, the other from the agreement.
fn deadline(constraint: &Value) -> Option<(&'static str, u64)> {
    let text = |name: &str| constraint.get(name).and_then(Value::as_str);
    let within = constraint.get("rightOperand").and_then(Value::as_u64)?;
    match (text("leftOperand")?, text("operator")?) {
        ("elapsedTime", "lteq") => Some(("completion", within)),
        ("sinceAgreement", "lteq") => Some(("agreement", within)),
        _ => None,
    }
}
