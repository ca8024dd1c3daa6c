//! ODRL policies in the shape that DSP 2025-1 allows (`contract-schema.json`; spec chapter 06, NEG-2).
//!
//! [`Offer`] and [`Agreement`] keep the JSON value that was read, because digests rest on it, beside the typed form that was
//! validated against it. Members that ODRL knows but DSP forbids in a rule are refused: ignoring them would change what the
//! rule means. What a constraint says is judged by policy, not here.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::{LIST, TEXT, datetime};
use crate::json;

/// What a policy does not fulfil; each names the JSON pointer inside the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A member is missing or of another type.
    #[error("policy: {pointer} is not {expected}")]
    Shape {
        /// Where.
        pointer: String,
        /// What stands there in a valid policy.
        expected: &'static str,
    },
    /// Neither a permission nor a prohibition.
    #[error("policy: neither permission nor prohibition")]
    Empty,
    /// A member that DSP does not allow there and that would change the meaning.
    #[error("policy: {pointer} is not allowed")]
    Forbidden {
        /// Where.
        pointer: String,
    },
    /// A number, in whatever member, that no signed or hashed form can hold (ENC-3.5): a policy is hashed.
    #[error("policy: a number is no integer between -(2^53-1) and 2^53-1")]
    Number,
    /// More rules or constraints than [`LIST`], or a text longer than [`TEXT`].
    #[error("policy: {pointer} is larger than the limit")]
    TooLarge {
        /// Where.
        pointer: String,
    },
}

/// How a left operand is compared with a right one (`Operator` of the schema).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are ODRL's own")]
pub enum Operator {
    Eq,
    Neq,
    Gt,
    Gteq,
    Lt,
    /// Also spelt `term-lteq` in the schema of DSP.
    Lteq,
    HasPart,
    IsA,
    IsAllOf,
    IsAnyOf,
    IsNoneOf,
    IsPartOf,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "eq" => Self::Eq,
            "neq" => Self::Neq,
            "gt" => Self::Gt,
            "gteq" => Self::Gteq,
            "lt" => Self::Lt,
            "lteq" | "term-lteq" => Self::Lteq,
            "hasPart" => Self::HasPart,
            "isA" => Self::IsA,
            "isAllOf" => Self::IsAllOf,
            "isAnyOf" => Self::IsAnyOf,
            "isNoneOf" => Self::IsNoneOf,
            "isPartOf" => Self::IsPartOf,
            _ => return None,
        })
    }
}

/// How the parts of a logical constraint combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Logic {
    /// All hold.
    And,
    /// All hold, in this order.
    AndSequence,
    /// At least one holds.
    Or,
    /// Exactly one holds.
    Xone,
}

impl Logic {
    const ALL: [(&'static str, Self); 4] =
        [("and", Self::And), ("andSequence", Self::AndSequence), ("or", Self::Or), ("xone", Self::Xone)];
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// One comparison.
    Atomic {
        /// What is compared.
        left: String,
        /// How.
        operator: Operator,
        /// With what: a string, an object or an array; never a number or a boolean.
        right: Value,
    },
    /// Several conditions.
    Logical {
        /// How they combine.
        logic: Logic,
        /// The conditions.
        of: Vec<Self>,
    },
}

/// A permission, a prohibition or a duty: an action under conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The action, such as `use`.
    pub action: String,
    /// Conditions, all of which must hold.
    pub constraint: Vec<Constraint>,
}

/// The members that offers and agreements share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `@id`.
    pub id: String,
    /// `profile`, as a list.
    pub profile: Vec<String>,
    /// What may be done.
    pub permission: Vec<Rule>,
    /// What may not be done.
    pub prohibition: Vec<Rule>,
    /// What must be done.
    pub obligation: Vec<Rule>,
    /// The dataset.
    pub target: Option<String>,
    /// Who grants.
    pub assigner: Option<String>,
    /// Who is granted.
    pub assignee: Option<String>,
}

/// An ODRL Offer: without `target` in catalogs, with it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    value: Value,
    policy: Policy,
}

/// The DSP Agreement object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    value: Value,
    policy: Policy,
    timestamp: Option<u64>,
}

impl Offer {
    /// Validates an offer and keeps the value.
    pub fn from_value(value: Value) -> Result<Self, PolicyError> {
        let policy = read_policy(&value, "Offer")?;
        Ok(Self { value, policy })
    }

    /// The value as it was read.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The validated form.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// `@id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.policy.id
    }

    /// `target`, which every offer in a message has.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.policy.target.as_deref()
    }
}

impl Agreement {
    /// Validates an agreement and keeps the value.
    pub fn from_value(value: Value) -> Result<Self, PolicyError> {
        let policy = read_policy(&value, "Agreement")?;
        for (member, found) in
            [("target", &policy.target), ("assigner", &policy.assigner), ("assignee", &policy.assignee)]
        {
            if found.is_none() {
                return Err(shape("", member, "a string"));
            }
        }
        let timestamp = match value.get("timestamp") {
            None => None,
            Some(text) => {
                let read = text.as_str().and_then(datetime::parse_date_time);
                Some(read.ok_or_else(|| shape("", "timestamp", "an xsd:dateTime"))?)
            }
        };
        Ok(Self { value, policy, timestamp })
    }

    /// The value as it was read.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The validated form.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// `@id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.policy.id
    }

    /// `target`: the dataset.
    #[must_use]
    pub fn target(&self) -> &str {
        self.policy.target.as_deref().unwrap_or_default()
    }

    /// `assigner`: the provider.
    #[must_use]
    pub fn assigner(&self) -> &str {
        self.policy.assigner.as_deref().unwrap_or_default()
    }

    /// `assignee`: the consumer.
    #[must_use]
    pub fn assignee(&self) -> &str {
        self.policy.assignee.as_deref().unwrap_or_default()
    }

    /// `timestamp` in seconds since 1970, fractions cut off; a time without zone is read as UTC.
    #[must_use]
    pub const fn timestamp(&self) -> Option<u64> {
        self.timestamp
    }
}

macro_rules! serde_as_value {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.value.serialize(serializer)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::from_value(Value::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}
serde_as_value!(Offer);
serde_as_value!(Agreement);

/// Members of ODRL that would change what a rule means and that DSP does not allow in one.
const NOT_IN_A_RULE: [&str; 8] =
    ["target", "assigner", "assignee", "duty", "remedy", "consequence", "obligation", "refinement"];

fn shape(at: &str, member: &str, expected: &'static str) -> PolicyError {
    PolicyError::Shape { pointer: format!("{at}/{member}"), expected }
}

fn read_policy(value: &Value, kind: &str) -> Result<Policy, PolicyError> {
    let object =
        value.as_object().ok_or(PolicyError::Shape { pointer: String::new(), expected: "an object" })?;
    if object.get("@type").and_then(Value::as_str) != Some(kind) {
        return Err(shape("", "@type", if kind == "Offer" { "Offer" } else { "Agreement" }));
    }
    json::integers(value).map_err(|_| PolicyError::Number)?;
    let mut budget = LIST;
    let policy = Policy {
        id: required_text(object, "", "@id")?,
        profile: read_profile(object)?,
        permission: read_rules(object, "permission", &mut budget)?,
        prohibition: read_rules(object, "prohibition", &mut budget)?,
        obligation: read_rules(object, "obligation", &mut budget)?,
        target: optional_text(object, "", "target")?,
        assigner: optional_text(object, "", "assigner")?,
        assignee: optional_text(object, "", "assignee")?,
    };
    if policy.permission.is_empty() && policy.prohibition.is_empty() {
        return Err(PolicyError::Empty);
    }
    Ok(policy)
}

fn read_profile(object: &Map<String, Value>) -> Result<Vec<String>, PolicyError> {
    let texts = match object.get("profile") {
        None => return Ok(Vec::new()),
        Some(Value::String(one)) => Vec::from([one.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(ToString::to_string))
            .collect::<Option<_>>()
            .ok_or_else(|| shape("", "profile", "a string or a list of strings"))?,
        Some(_) => return Err(shape("", "profile", "a string or a list of strings")),
    };
    if texts.len() > LIST || texts.iter().any(|text| text.len() > TEXT) {
        return Err(PolicyError::TooLarge { pointer: "/profile".to_string() });
    }
    Ok(texts)
}

fn read_rules(
    object: &Map<String, Value>,
    member: &str,
    budget: &mut usize,
) -> Result<Vec<Rule>, PolicyError> {
    let Some(value) = object.get(member) else { return Ok(Vec::new()) };
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| shape("", member, "a list of at least one rule"))?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let at = format!("/{member}/{index}");
            spend(budget, &at)?;
            read_rule(item, &at, budget)
        })
        .collect()
}

fn read_rule(value: &Value, at: &str, budget: &mut usize) -> Result<Rule, PolicyError> {
    let object = value
        .as_object()
        .ok_or_else(|| PolicyError::Shape { pointer: at.to_string(), expected: "an object" })?;
    if let Some(member) = NOT_IN_A_RULE.iter().find(|member| object.contains_key(**member)) {
        return Err(PolicyError::Forbidden { pointer: format!("{at}/{member}") });
    }
    let constraint = match object.get("constraint") {
        None => Vec::new(),
        Some(value) => read_constraints(value, &format!("{at}/constraint"), budget)?,
    };
    Ok(Rule { action: required_text(object, at, "action")?, constraint })
}

fn read_constraints(value: &Value, at: &str, budget: &mut usize) -> Result<Vec<Constraint>, PolicyError> {
    let items = value
        .as_array()
        .ok_or_else(|| PolicyError::Shape { pointer: at.to_string(), expected: "a list of constraints" })?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let at = format!("{at}/{index}");
            spend(budget, &at)?;
            read_constraint(item, &at, budget)
        })
        .collect()
}

/// Recursion is bounded by the nesting that the JSON parser takes.
fn read_constraint(value: &Value, at: &str, budget: &mut usize) -> Result<Constraint, PolicyError> {
    let wrong = || PolicyError::Shape {
        pointer: at.to_string(),
        expected: "either one comparison or one of and, andSequence, or, xone",
    };
    let object = value.as_object().ok_or_else(wrong)?;
    if object.contains_key("refinement") {
        return Err(PolicyError::Forbidden { pointer: format!("{at}/refinement") });
    }
    let atomic =
        ["leftOperand", "operator", "rightOperand"].iter().any(|member| object.contains_key(*member));
    let mut logical = Logic::ALL.iter().filter(|(member, _)| object.contains_key(*member));
    match (logical.next(), logical.next(), atomic) {
        (Some((member, logic)), None, false) => {
            let pointer = format!("{at}/{member}");
            let of = read_constraints(object.get(*member).unwrap_or(&Value::Null), &pointer, budget)?;
            Ok(Constraint::Logical { logic: *logic, of })
        }
        (None, None, true) => read_comparison(object, at),
        (Some(_), _, _) | (None, _, _) => Err(wrong()),
    }
}

fn read_comparison(object: &Map<String, Value>, at: &str) -> Result<Constraint, PolicyError> {
    let operator = object.get("operator").and_then(Value::as_str).and_then(Operator::parse);
    let right = match object.get("rightOperand") {
        Some(right @ (Value::String(_) | Value::Object(_) | Value::Array(_))) => right.clone(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {
            return Err(shape(at, "rightOperand", "a string, an object or a list"));
        }
    };
    Ok(Constraint::Atomic {
        left: required_text(object, at, "leftOperand")?,
        operator: operator.ok_or_else(|| shape(at, "operator", "an operator of DSP 2025-1"))?,
        right,
    })
}

fn spend(budget: &mut usize, at: &str) -> Result<(), PolicyError> {
    *budget = budget.checked_sub(1).ok_or_else(|| PolicyError::TooLarge { pointer: at.to_string() })?;
    Ok(())
}

fn required_text(object: &Map<String, Value>, at: &str, member: &str) -> Result<String, PolicyError> {
    optional_text(object, at, member)?.ok_or_else(|| shape(at, member, "a string"))
}

fn optional_text(object: &Map<String, Value>, at: &str, member: &str) -> Result<Option<String>, PolicyError> {
    match object.get(member) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(shape(at, member, "a string that is not empty")),
        Some(Value::String(text)) if text.len() > TEXT => {
            Err(PolicyError::TooLarge { pointer: format!("{at}/{member}") })
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(shape(at, member, "a string")),
    }
}
