//! What a person can do about a result that does not allow (POL-9): words from the rule's metadata, and for some rules
//! a template of how the input document changes once it is done. Templates never touch declared facts. A template is checked by
//! asking the rules again over the document that it makes (POL-9.3).
//! Not here: doing it; a template that was applied shows what an approval would change, it is no approval.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::pack::{Lang, Rule};
use crate::result::{Evaluation, Finding, ResultDoc};

/// The kinds of way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemedyKind {
    /// Obtain something: an approval, a consent, a signature, a fact.
    Obtain,
    /// Remove something from the data.
    Remove,
    /// Restrict the deal: its purpose, its channel, its terms.
    Restrict,
}

/// The way out of one finding, in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// The rule.
    pub id: String,
    /// What the finding was about. For this node's operator.
    pub detail: String,
    /// The rule in a few words.
    pub title: String,
    /// Why it does not allow.
    pub reason: String,
    /// The law or agreement.
    pub law: String,
    /// Its article; empty where there is none.
    pub article: String,
    /// The kind of way out.
    pub kind: RemedyKind,
    /// The way out.
    pub text: String,
    /// Whether `Engine::apply_remedy` can show what it would change.
    pub patch: bool,
}

impl Remedy {
    pub(crate) fn new(finding: &Finding, rule: &Rule, lang: Lang) -> Self {
        Self {
            id: finding.id.clone(),
            detail: finding.detail.clone(),
            title: rule.title.get(lang).to_owned(),
            reason: rule.reason.get(lang).to_owned(),
            law: rule.law.get(lang).to_owned(),
            article: rule.article.clone(),
            kind: rule.remedy.kind,
            text: rule.remedy.text.get(lang).to_owned(),
            patch: rule.remedy.patch.is_some(),
        }
    }
}

/// What the rules say of a remedy once its template is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The rule neither denies any more nor is it undecided.
    pub helps: bool,
    /// Nothing at all speaks against the deal any more.
    pub allows: bool,
    /// What speaks against it then and did not before.
    pub then: Vec<Finding>,
}

impl Engine {
    /// Ask again over the document as it would be with the remedy of rule `id`; `None` where the rule has no template or it does
    /// not fit the document. `before` is the result over `input`. An evaluation that breaks helps nobody.
    #[must_use]
    pub fn check_remedy(&self, id: &str, input: &Value, before: &ResultDoc) -> Option<Check> {
        let changed = self.apply_remedy(id, input)?;
        let after = match self.evaluate(&changed) {
            Evaluation::Decided(after) => after,
            Evaluation::Broken { .. } => {
                return Some(Check { helps: false, allows: false, then: Vec::new() });
            }
        };
        let findings = |result: &ResultDoc| -> Vec<Finding> {
            result.deny.iter().chain(&result.undetermined).cloned().collect()
        };
        let (old, mut then) = (findings(before), findings(&after));
        let silent = then.iter().all(|finding| finding.id != id);
        then.retain(|finding| !old.contains(finding));
        // A rule that lost a fact that it needs says nothing either; the frame then says which.
        let gap = |finding: &Finding| finding.id == "CORE-001" && needs(self.rule(id), &finding.detail);
        let helps = silent && !then.iter().any(gap);
        let allows = helps && (after.allows() || after.visible == Some(true));
        Some(Check { helps, allows, then })
    }
}

fn needs(rule: Option<&Rule>, pointer: &str) -> bool {
    rule.is_some_and(|rule| {
        let sometimes = rule.needs_if.iter().flat_map(|condition| &condition.need);
        rule.needs.iter().chain(sometimes).any(|needed| needed == pointer)
    })
}

/// One step of a template.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    op: Op,
    pointer: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    /// Put the value at the pointer, with the objects that lead there.
    Set,
    /// Add the value to the list at the pointer.
    Append,
}

/// The input document with the rule's template applied; `None` where the rule has none or it does not fit.
pub(crate) fn apply(rule: &Rule, input: &Value) -> Option<Value> {
    let mut changed = input.clone();
    for step in rule.remedy.patch.as_ref()? {
        let step: Step = serde_json::from_value(step.clone()).ok()?;
        if declared(&step.pointer) {
            return None;
        }
        let value = fill(&step.value, input)?;
        let place = reach(&mut changed, &step.pointer)?;
        match step.op {
            Op::Set => *place = value,
            Op::Append => {
                if place.is_null() {
                    *place = Value::Array(Vec::new());
                }
                place.as_array_mut()?.push(value);
            }
        }
    }
    Some(changed)
}

/// What a party said about the dataset or about itself is changed by that party alone.
fn declared(pointer: &str) -> bool {
    ["dataset", "provider", "consumer", "now", "phase", "side", "stop_orders"]
        .contains(&pointer.split('/').nth(1).unwrap_or_default())
}

fn reach<'a>(input: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    let mut place = input;
    for name in pointer.strip_prefix('/')?.split('/') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = place.as_object_mut()?.entry(name).or_insert(Value::Null);
    }
    Some(place)
}

/// Fill a template: `{"$fact": pointer}` is a fact of the input, `{"$now": seconds}` a time from now on,
/// `{"$destinations": true}` every country that the dataset reaches.
fn fill(template: &Value, input: &Value) -> Option<Value> {
    match template {
        Value::Array(items) => items.iter().map(|item| fill(item, input)).collect(),
        Value::Object(members) => {
            if let Some(pointer) = members.get("$fact") {
                return input.pointer(pointer.as_str()?).cloned();
            }
            if let Some(offset) = members.get("$now") {
                return Some(input.get("now")?.as_u64()?.checked_add(offset.as_u64()?)?.into());
            }
            if members.contains_key("$destinations") {
                return Some(destinations(input));
            }
            let filled = members.iter().map(|(name, value)| Some((name.clone(), fill(value, input)?)));
            filled.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(template.clone()),
    }
}

/// The same set as `destinations` in `rego/lib/places.rego`, sorted.
fn destinations(input: &Value) -> Value {
    let lists = ["/destination/storage_countries", "/destination/processing_countries"];
    let listed = lists.iter().filter_map(|pointer| input.pointer(pointer)?.as_array()).flatten();
    let subprocessors = input.pointer("/contract/subprocessors").and_then(Value::as_array);
    let theirs = subprocessors.into_iter().flatten().filter_map(|item| item.get("country"));
    let all = input.pointer("/consumer/country").into_iter().chain(listed).chain(theirs);
    let mut countries: Vec<&str> = all.filter_map(Value::as_str).collect();
    countries.sort_unstable();
    countries.dedup();
    Value::from(countries)
}
