//! Decisions that a node made, asked again: the input that an evaluation was made over, put together from what is kept of it.
//! Not here: which packs it is asked of, and what is told of it.

use naru_policy::{Engine, assemble};
use serde_json::Value;

use crate::store::EvaluationRow;

/// The document that the packs were asked about.
pub(crate) fn input(engine: &Engine, row: &EvaluationRow) -> Result<Value, String> {
    let shared: Value = serde_json::from_str(&row.shared).map_err(|e| format!("the shared part: {e}"))?;
    let kept: Value = serde_json::from_str(&row.private).map_err(|e| format!("the private part: {e}"))?;
    assemble(engine.packs(), &shared, &kept["private"], &kept["host"]).map_err(|e| e.to_string())
}
