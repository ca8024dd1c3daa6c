//! Answers of the node as text for people, and following an exchange to its end.

use std::{fmt::Write as _, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::control::{self, Failure};

/// Indented `name: value` lines; nulls and empty lists are left out.
#[must_use]
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    lines(&mut out, value, 0);
    out
}

fn lines(out: &mut String, value: &Value, depth: usize) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    // What `--json` has for programs; to a reader it hides the rest.
                    _ if depth > 0 && matches!(name.as_str(), "packs" | "basis" | "record") => {}
                    Value::Null => {}
                    Value::Array(items) if items.is_empty() => {}
                    Value::Object(_) | Value::Array(_) => {
                        let _ = writeln!(out, "{pad}{name}:");
                        lines(out, value, depth + 1);
                    }
                    Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        let _ = writeln!(out, "{pad}{name}: {}", plain(value));
                    }
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 && item.is_object() {
                    out.push('\n');
                }
                lines(out, item, depth);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(out, "{pad}{}", plain(value));
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Follows a negotiation and the transfer under it; true if the data arrived and the receipt was acknowledged.
pub(super) async fn follow(dir: &Path, first: Value, json: bool) -> Result<bool, Failure> {
    let mut view = first;
    let mut said = String::new();
    loop {
        let word = |name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let state =
            format!("{} {} {}", word("kind"), word("state").replace("NONE", "asked"), word("waits_for"));
        if !json && state != said {
            println!("{}", state.trim());
            said = state;
        }
        let over = match word("state").as_str() {
            "TERMINATED" => Some(false),
            "COMPLETED" if word("waits_for").is_empty() => Some(true),
            _ => None,
        };
        if let Some(arrived) = over {
            if json {
                println!("{view}")
            } else {
                print!("{}", text(&view))
            }
            return Ok(arrived);
        }
        let transfer = word("other");
        let next = if word("kind") == "negotiation" && !transfer.is_empty() { transfer } else { word("id") };
        tokio::time::sleep(Duration::from_millis(100)).await;
        view = control::call(dir, "exchange", Some(&json!({"id": next}))).await?;
    }
}
