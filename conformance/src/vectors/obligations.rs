//! What has become of duties (spec chapter 08b), reckoned here anew from the vectors' agreements and reports.

use serde_json::Value;

use super::{Case, each, list, members, text, whole_file};
use crate::{messages, report::same};

const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;

/// Duties that are kept for as long as they run (OBL-1.4).
const KEPT: [&str; 9] = [
    "attribute",
    "keep_log",
    "keep_processing_records",
    "log",
    "nextPolicy",
    "no_reidentification",
    "protect_integrity",
    "resist_foreign_access",
    "retain_records",
];

/// Duties that a deletion does (OBL-3.1).
const DELETED: [&str; 3] = ["delete", "destroy_and_confirm", "return_or_delete"];

/// Duties as they stand at several times.
pub(super) fn standing(file: &Value) -> Vec<Case> {
    whole_file(file, &["about", "cases"], each(file, "cases", one))
}

fn one(case: &Value) -> Result<(), String> {
    members(case, &["name", "obligation", "agreed", "term_end", "completed", "reports", "looks"])?;
    for report in list(case, "reports") {
        let content = report["report"].to_string();
        messages::read("Report", content.as_bytes()).map_err(|refusal| refusal.why)?;
    }
    for look in list(case, "looks") {
        let now = look["now"].as_u64().ok_or("now")?;
        let mut rows = Vec::new();
        for since in events(case)? {
            rows.push(row(case, since, now)?);
        }
        same(&format!("rows at {now}"), &look["rows"], &Value::from(rows))?;
    }
    Ok(())
}

/// OBL-1.1; a duty whose event nobody knows of has one row without it.
fn events(case: &Value) -> Result<Vec<Option<u64>>, String> {
    let after = text(&case["obligation"], "after")?;
    let reports = list(case, "reports");
    let seconds = |values: &[Value]| values.iter().filter_map(Value::as_u64).collect::<Vec<_>>();
    let found: Vec<u64> = match after {
        "agreement" | "decision" => seconds(std::slice::from_ref(&case["agreed"])),
        "completion" => seconds(list(case, "completed")),
        "term_end" => seconds(std::slice::from_ref(&case["term_end"])),
        "destruction" => {
            let of = reports.iter().filter(|r| r["report"]["kind"] == "deletion" && settles(&r["report"]));
            of.filter_map(|r| r["report"]["at"].as_u64()).collect()
        }
        event => {
            let of = reports.iter().filter(|r| r["report"]["event"] == event);
            of.filter_map(|r| r["report"]["happened"].as_u64()).collect()
        }
    };
    Ok(if found.is_empty() { vec![None] } else { found.into_iter().map(Some).collect() })
}

/// OBL-3.2
fn settles(report: &Value) -> bool {
    let unknown = report["deletion"]["unknown"].as_u64().unwrap_or(0);
    unknown == 0 || report["text"].as_str().is_some_and(|text| !text.trim().is_empty())
}

fn row(case: &Value, since: Option<u64>, now: u64) -> Result<Value, String> {
    let duty = &case["obligation"];
    let word = text(duty, "duty")?;
    let deadline = since.zip(duty["within"].as_u64()).map(|(since, within)| since + within);
    let over = deadline.is_some_and(|deadline| now > deadline);
    let fulfils = |taken: &&Value| {
        let report = &taken["report"];
        let named = report["obligation"] == *duty;
        let deleted =
            report["kind"] == "deletion" && report["obligation"].is_null() && DELETED.contains(&word);
        taken["by"] == duty["on"]
            && (named || deleted)
            && settles(report)
            && since.is_none_or(|since| report["at"].as_u64() >= Some(since))
    };
    let kept = KEPT.contains(&word) || word.starts_with("refrain ");
    let begun = since.is_some_and(|since| since <= now);
    let soon = match (since, deadline) {
        (Some(since), Some(deadline)) => deadline - since <= WEEK || now + DAY >= deadline,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let state = match (kept, over) {
        (true, true) => "fulfilled",
        (true, false) => "open",
        (false, _) if list(case, "reports").iter().any(|taken| fulfils(&taken)) => "fulfilled",
        (false, true) => "violated",
        (false, false) if begun && soon => "due",
        (false, false) => "open",
    };
    Ok(serde_json::json!({"since": since, "deadline": deadline, "state": state}))
}
