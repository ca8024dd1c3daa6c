//! Vectors of spec chapter 05: questions to the rule packs and what they must answer.
//!
//! Evaluating them takes an engine for Rego or its Wasm form, which this suite does not have; whoever implements the
//! profile runs them with the engine that the implementation itself uses. What can be checked without one is checked.

use serde_json::Value;

use super::{Case, each, list, text};
use crate::{json::Json, report::Outcome};

fn without_engine(file: &Value, array: &str) -> Vec<Case> {
    let mut cases = each(file, array, |case| {
        text(case, "name")?;
        // Whatever is hashed must be of the restricted kind.
        Json::from_serde(case).map(|_| ()).map_err(|error| error.to_string())
    });
    let why = format!(
        "{} evaluations need a policy engine, which this suite does not have",
        list(file, array).len()
    );
    cases.push(Case { name: "evaluation".to_owned(), outcome: Outcome::Skip(why) });
    cases
}

/// Whole evaluations with their results.
pub(super) fn ordinary(file: &Value) -> Vec<Case> {
    without_engine(file, "cases")
}

/// Single rules.
pub(super) fn rules(file: &Value) -> Vec<Case> {
    without_engine(file, "vectors")
}

/// Offers, their normal form and what they say.
pub(super) fn odrl(file: &Value) -> Vec<Case> {
    without_engine(file, "cases")
}
