//! `--fact key=value`: one declared fact, by its dotted path, against the vocabulary of the policy input.
//!
//! The vocabulary is `vocabulary.json`: every member of `dataset` that a rule reads or that rules to come will read, the ground of a
//! transfer among them (POL-10.10), with its type and, where only some values are understood, those. A path that is not in it would be signed and read by nobody.

use std::collections::BTreeMap;

use naru_protocol::error::Lang;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A fact that can be declared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// `boolean`, `integer`, `string`, `strings` or `some strings` (a list that is not empty).
    #[serde(rename = "type")]
    pub kind: String,
    /// The only values that are understood; empty when any value of the type is.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Why a fact is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// No `=`.
    #[error("{0:?} is no key=value")]
    Form(String),
    /// Not in the vocabulary.
    #[error("{path:?} is no fact that rules know{}", near(.like))]
    Unknown {
        /// What was given.
        path: String,
        /// What it may have been meant for.
        like: Vec<String>,
    },
    /// Of another type, or none of the values.
    #[error("{path} is {wanted}")]
    Value {
        /// The fact.
        path: String,
        /// What is understood.
        wanted: String,
    },
    /// A file's own value stands where the path goes through.
    #[error("{0}: the declaration has a value there that is no object")]
    Blocked(String),
}

fn near(like: &[String]) -> String {
    if like.is_empty() { String::new() } else { format!("; there is {}", like.join(", ")) }
}

/// Every fact of a dataset that can be declared, by dotted path.
#[must_use]
pub fn vocabulary() -> BTreeMap<String, Known> {
    // Read by a test; one that could not be read would know no fact, and every `--fact` would be refused.
    serde_json::from_str(include_str!("vocabulary.json")).unwrap_or_default()
}

impl Known {
    /// What a value has to be, in words.
    #[must_use]
    pub fn wanted(&self, lang: Lang) -> String {
        let values = self.values.join(", ");
        let list = self.kind.ends_with("strings");
        let said = match (self.kind.as_str(), values.is_empty()) {
            ("boolean", _) => lang.pick("true or false", "true 또는 false"),
            ("integer", _) => lang.pick("a whole number, not negative", "0 이상의 정수"),
            (_, true) if list => lang.pick("a list of texts (JSON), such as []", "문자열 목록(JSON), 예: []"),
            (_, false) if list => lang.pick("a list (JSON) of", "다음 값의 목록(JSON):"),
            (_, true) => lang.pick("a text", "문자열"),
            (_, false) => lang.pick("one of", "다음 중 하나:"),
        };
        format!("{said} {values}").trim_end().to_owned()
    }

    /// Reads a value as it was typed: JSON of the type, or a text as it stands.
    fn read(&self, given: &str) -> Option<Value> {
        let parsed: Option<Value> = serde_json::from_str(given).ok();
        let value = match (self.kind.as_str(), parsed) {
            ("boolean", Some(value)) if value.is_boolean() => value,
            ("integer", Some(value)) if value.as_u64().is_some_and(|n| n < 1 << 53) => value,
            ("boolean" | "integer", _) => return None,
            // One text is a list of one.
            ("strings" | "some strings", Some(Value::Array(items))) => Value::Array(items),
            ("strings" | "some strings", _) => Value::Array(vec![text(given)]),
            (_, Some(value)) if value.is_string() => value,
            (_, _) => text(given),
        };
        self.takes(&value).then_some(value)
    }

    fn takes(&self, value: &Value) -> bool {
        let says = |value: &Value| {
            value.as_str().is_some_and(|text| {
                // "unknown" is how rules say that a fact is not known (POL-4.1): leaving it out says the same.
                !text.is_empty()
                    && text != "unknown"
                    && (self.values.is_empty() || self.values.iter().any(|v| v == text))
            })
        };
        match value {
            Value::Array(items) => items.iter().all(says) && (self.kind == "strings" || !items.is_empty()),
            Value::String(_) => says(value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
        }
    }
}

fn text(given: &str) -> Value {
    Value::String(given.to_owned())
}

/// Declares one fact, `path=value`; the path may begin with `dataset.`, and that of the ground of a transfer with `transfer.`.
pub fn set(facts: &mut Value, given: &str) -> Result<(), FactError> {
    let (path, value) = given.split_once('=').ok_or_else(|| FactError::Form(given.to_owned()))?;
    let path = path.trim();
    let ground = path.strip_prefix("transfer.").filter(|path| path.starts_with("legal_basis."));
    let path = ground.or_else(|| path.strip_prefix("dataset.")).unwrap_or(path);
    let known = vocabulary();
    let Some(fact) = known.get(path) else {
        let last = path.rsplit('.').next().unwrap_or(path);
        let like = |name: &&String| {
            name.starts_with(&format!("{path}.")) || name.rsplit('.').next().is_some_and(|end| end == last)
        };
        let like = known.keys().filter(like).cloned().collect();
        return Err(FactError::Unknown { path: path.to_owned(), like });
    };
    let wrong = || FactError::Value { path: path.to_owned(), wanted: fact.wanted(Lang::En) };
    let value = fact.read(value.trim()).ok_or_else(wrong)?;
    let mut at = facts;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let members = at.as_object_mut().ok_or_else(|| FactError::Blocked(path.to_owned()))?;
        at = members.entry(part).or_insert_with(|| Value::Object(Map::new()));
        if parts.peek().is_none() {
            *at = value;
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(given: &str) -> Result<Value, FactError> {
        let mut facts = json!({"rights": {"basis": "generator"}, "sector": "x"});
        set(&mut facts, given).map(|()| facts)
    }

    #[test]
    fn a_fact_goes_where_its_path_says_in_its_type() {
        for (given, pointer, value) in [
            ("rights.basis=recipient", "/rights/basis", json!("recipient")),
            ("dataset.rights.agreement_forbids=false", "/rights/agreement_forbids", json!(false)),
            (
                "technology.nct.determination.at=1793491200",
                "/technology/nct/determination/at",
                json!(1_793_491_200),
            ),
            ("tech_families=[]", "/tech_families", json!([])),
            ("tech_families=[\"xev-motor\", \"xev-bms\"]", "/tech_families", json!(["xev-motor", "xev-bms"])),
            ("categories=industrial", "/categories", json!(["industrial"])),
            ("transfer.legal_basis.kind=consent", "/legal_basis/kind", json!("consent")),
            (
                "legal_basis.notice=[\"items\", \"refusal\"]",
                "/legal_basis/notice",
                json!(["items", "refusal"]),
            ),
            // A text that looks like something else stays a text where a text is meant.
            ("hs=850760", "/hs", json!("850760")),
            ("hs=\"8507.60\"", "/hs", json!("8507.60")),
            ("technology.strategic.control_no=3A=1", "/technology/strategic/control_no", json!("3A=1")),
        ] {
            let facts = with(given).unwrap();
            assert_eq!(facts.pointer(pointer), Some(&value), "{given}");
            assert_eq!(facts["sector"], "x");
        }
    }

    #[test]
    fn what_no_rule_would_read_is_refused_with_what_is_meant() {
        for given in [
            "rights.bases=generator",
            "transfer.purpose=x",
            "id=x",
            "dataset.digest=x",
            "rights={}",
            "=x",
            "personal=none",
        ] {
            assert!(matches!(with(given), Err(FactError::Unknown { .. })), "{given}");
        }
        assert!(matches!(with("rights.basis"), Err(FactError::Form(_))));
        let like = |given: &str| with(given).unwrap_err().to_string();
        assert!(like("nct=not_nct").ends_with("is no fact that rules know"), "{}", like("nct=not_nct"));
        assert!(like("technology.nct=not_nct").contains("technology.nct.status"));
        assert!(like("basis=generator").ends_with("there is rights.basis"));
        for given in [
            "rights.basis=owner",
            "rights.basis=unknown",
            "rights.basis=",
            "rights.agreement_forbids=no",
            "rights.agreement_forbids=\"false\"",
            "personal.count=-1",
            "personal.count=1.5",
            "categories=[]",
            "media=[\"numeric\", 1]",
            "media=video",
            "personal.identifiers=[\"unknown\"]",
        ] {
            let error = with(given).unwrap_err();
            assert!(matches!(error, FactError::Value { .. }), "{given}: {error}");
        }
        assert_eq!(
            with("rights.basis=x").unwrap_err().to_string(),
            "rights.basis is one of generator, co_generator, recipient"
        );
        assert!(matches!(
            set(&mut json!({"rights": 1}), "rights.basis=generator"),
            Err(FactError::Blocked(_))
        ));
        assert!(matches!(set(&mut json!([]), "sector=x"), Err(FactError::Blocked(_))));
    }
}
