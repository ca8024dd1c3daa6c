//! Constraints: one comparison each, values as integers and lists of texts, logic at most one level deep (ODR-1.5 to 1.7).
//!
//! `and` and `or` may lie in one another: they are turned into a list of clauses, all of which must hold, each of which
//! is one comparison or an `or` of comparisons. That changes no outcome, with two values or with three.

use serde_json::{Value, json};

use super::object::{Object, items, word};
use super::{Refusal, names, time};
use crate::limits;

/// One constraint as it is written, logic unfolded into a tree.
enum Tree {
    One(Value),
    And(Vec<Self>),
    Or(Vec<Self>),
    /// Exactly one of these comparisons.
    Xone(Value),
}

/// The clauses of a rule's constraints, in their order.
pub(super) fn clauses(found: &[(String, &Value)]) -> Result<Vec<Value>, Refusal> {
    let mut all = Vec::new();
    for (place, value) in found {
        for clause in flatten(read(place, value, limits::ODRL_LOGIC)?, place)? {
            all.push(match <[Value; 1]>::try_from(clause) {
                Ok([one]) => one,
                Err(many) => json!({"at": place, "or": many}),
            });
        }
        if all.len() > limits::ODRL_CLAUSES {
            return Err(Refusal::at(place, "too many constraints, or logic that unfolds into too many"));
        }
    }
    Ok(all)
}

/// A tree as clauses: each list is an `or`, and all of them must hold.
fn flatten(tree: Tree, place: &str) -> Result<Vec<Vec<Value>>, Refusal> {
    match tree {
        Tree::One(atom) => Ok(vec![vec![atom]]),
        Tree::Xone(group) => Ok(vec![vec![group]]),
        Tree::And(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(flatten(part, place)?);
            }
            bounded(all, place)
        }
        Tree::Or(parts) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                let clauses = flatten(part, place)?;
                if clauses.iter().flatten().any(|atom| atom.get("xone").is_some()) {
                    return Err(Refusal::at(place, "an `xone` inside an `or` is not understood here"));
                }
                let joined = all.iter().flat_map(|one: &Vec<Value>| {
                    clauses.iter().map(move |other| [one.as_slice(), other.as_slice()].concat())
                });
                all = bounded(joined.take(limits::ODRL_CLAUSES + 1).collect(), place)?;
            }
            Ok(all)
        }
    }
}

fn bounded(clauses: Vec<Vec<Value>>, place: &str) -> Result<Vec<Vec<Value>>, Refusal> {
    let size: usize = clauses.iter().map(Vec::len).sum();
    if clauses.len() > limits::ODRL_CLAUSES || size > limits::ODRL_COMPARISONS {
        return Err(Refusal::at(place, "logic that unfolds into too many constraints"));
    }
    Ok(clauses)
}

const LOGIC: [&str; 4] = ["and", "or", "xone", "andSequence"];
const COMPARISON: [&str; 8] =
    ["leftOperand", "operator", "rightOperand", "dataType", "uid", "@id", "@type", "type"];

fn read(place: &str, value: &Value, depth: usize) -> Result<Tree, Refusal> {
    let depth = depth.checked_sub(1).ok_or_else(|| Refusal::at(place, "is nested too deep"))?;
    let known = [LOGIC.as_slice(), COMPARISON.as_slice()].concat();
    let object = Object::read(place, value, &known)?;
    let words: Vec<&str> = LOGIC.into_iter().filter(|word| object.get(word).is_some()).collect();
    let [word] = words.as_slice() else {
        return match words.is_empty() {
            true => Ok(Tree::One(comparison(&object)?)),
            false => Err(Refusal::at(place, "two logical operators in one constraint")),
        };
    };
    if object.get("leftOperand").is_some() {
        return Err(Refusal::at(place, "a comparison and a logical operator in one constraint"));
    }
    let parts = object.list(word);
    if parts.is_empty() {
        return Err(Refusal::at(place, format!("`{word}` of nothing")));
    }
    let trees = parts.iter().map(|(at, part)| read(at, part, depth)).collect::<Result<Vec<_>, _>>()?;
    logical(word, trees, place)
}

fn logical(word: &str, mut trees: Vec<Tree>, place: &str) -> Result<Tree, Refusal> {
    if trees.len() == 1 && word != "andSequence" {
        return trees.pop().ok_or_else(|| Refusal::at(place, "nothing"));
    }
    match word {
        "and" => Ok(Tree::And(trees)),
        "or" => Ok(Tree::Or(trees)),
        "xone" => {
            let atoms: Option<Vec<Value>> = trees
                .into_iter()
                .map(|tree| match tree {
                    Tree::One(atom) => Some(atom),
                    Tree::And(_) | Tree::Or(_) | Tree::Xone(_) => None,
                })
                .collect();
            let atoms =
                atoms.ok_or_else(|| Refusal::at(place, "logic inside an `xone` is not understood here"))?;
            Ok(Tree::Xone(json!({"at": place, "xone": atoms})))
        }
        // An order in time is nothing that facts of one moment can show.
        _ => Ok(Tree::One(open(place, word))),
    }
}

/// A comparison that nothing decides.
pub(super) fn open(place: &str, word: &str) -> Value {
    json!({"at": place, "leftOperand": word, "operator": "", "rightOperand": []})
}

fn comparison(object: &Object<'_>) -> Result<Value, Refusal> {
    let needed = |name: &str| {
        let text = object.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Refusal::at(&object.place, format!("has no `{name}`")))
    };
    let (written, operator) = (needed("leftOperand")?, names::operator(needed("operator")?));
    let (place, right) =
        object.get("rightOperand").ok_or_else(|| Refusal::at(&object.place, "has no `rightOperand`"))?;
    let (operand, value) = value(names::operand(written), operator, place, right)?;
    Ok(json!({"at": object.place, "leftOperand": operand, "operator": operator, "rightOperand": value}))
}

/// The right side of a comparison, by what stands on its left.
fn value<'a>(
    operand: &'a str,
    operator: &str,
    place: &str,
    right: &Value,
) -> Result<(&'a str, Value), Refusal> {
    let refuse = |wanted: &str| Refusal::at(place, format!("{operand} is compared with {wanted}"));
    let text = number_or_word(right);
    let text = text.as_deref();
    Ok(match operand {
        "dateTime" => {
            let at = text.and_then(|text| time::instant(text).or_else(|| plain(right)));
            (operand, json!(at.ok_or_else(|| refuse("a time with its zone, as 2026-12-31T15:00:00Z"))?))
        }
        "inForceDate" => match text.and_then(time::after_agreement) {
            Some(seconds) => {
                ("sinceAgreement", json!(small(seconds).ok_or_else(|| refuse("a smaller number"))?))
            }
            None => {
                let at = text.and_then(|text| time::instant(text).or_else(|| plain(right)));
                (
                    "dateTime",
                    json!(at.ok_or_else(|| refuse("a time with its zone, or contractAgreement+100d"))?),
                )
            }
        },
        "elapsedTime" | "sinceAgreement" => {
            let span = text.and_then(|text| time::span(text).or_else(|| plain(right)));
            (operand, json!(span.and_then(small).ok_or_else(|| refuse("a duration, as P30D"))?))
        }
        "sinceAgreementDays" => {
            let span = text.and_then(time::days);
            ("sinceAgreement", json!(span.and_then(small).ok_or_else(|| refuse("a number of days"))?))
        }
        "count" => {
            let count = text.and_then(time::count).and_then(small);
            (operand, json!(count.ok_or_else(|| refuse("a whole number"))?))
        }
        "purpose" | "spatial" | "recipient" | "membership" | "industry" | "role" | "framework"
        | "clauses" | "artifactState" => (operand, json!(texts(operator, place, right)?)),
        // Not decided here; kept for people to read.
        _ => (
            operand,
            json!(items(place, right).iter().filter_map(|(_, item)| word(item)).collect::<Vec<_>>()),
        ),
    })
}

/// Texts that say something, each once, in the offer's order; one only where the operator is said of one value.
fn texts(operator: &str, place: &str, right: &Value) -> Result<Vec<String>, Refusal> {
    let mut found: Vec<String> = Vec::new();
    let unmangled = mangled(right);
    for (at, item) in items(place, unmangled.as_ref().unwrap_or(right)) {
        let text = word(item).filter(|text| !text.is_empty() && *text != "unknown");
        let text = text.ok_or_else(|| Refusal::at(&at, "is no text that says something"))?;
        if !found.iter().any(|known| known == text) {
            found.push(text.to_owned());
        }
    }
    if found.is_empty() || found.len() > limits::ODRL_VALUES {
        return Err(Refusal::at(place, "an empty list, or one that is too long"));
    }
    if matches!(operator, "eq" | "neq") && found.len() > 1 {
        return Err(Refusal::at(
            place,
            format!("`{operator}` is said of one value: for several use isAnyOf or isNoneOf"),
        ));
    }
    Ok(found)
}

/// Eclipse connectors send a list of several values as the text of its expanded form: `[{"@value":"DE"},{"@value":"KR"}]`.
fn mangled(right: &Value) -> Option<Value> {
    let text = word(right).filter(|text| text.starts_with("[{"))?;
    serde_json::from_str(text).ok().filter(Value::is_array)
}

/// A text, or a whole number as text.
fn number_or_word(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::Object(map) if map.get("@value").is_some_and(Value::is_u64) => {
            map["@value"].as_u64().map(|n| n.to_string())
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            word(value).map(str::to_owned)
        }
    }
}

/// Seconds that are given as a JSON number already: the form that this module itself writes.
fn plain(right: &Value) -> Option<u64> {
    right.as_u64().and_then(small)
}

fn small(number: u64) -> Option<u64> {
    (number <= limits::INTEGER).then_some(number)
}
