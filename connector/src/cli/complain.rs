//! How a failure is told: what, whose side, what to do, and the rules behind it; in English on standard error, or one JSON
//! object there.

use std::{fmt::Write as _, process::ExitCode};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use crate::control::Failure;

/// Tells it and gives the exit code.
pub(super) fn complain(failure: &Failure, json: bool) -> ExitCode {
    if json {
        eprintln!("{}", object(failure));
    } else {
        eprint!("{}", text(failure));
    }
    exit_code(failure)
}

/// 2 where the command line itself is wrong, as for what its grammar refuses; else 1.
fn exit_code(failure: &Failure) -> ExitCode {
    if failure.code == Code::ArgumentInvalid.as_str() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn side(failure: &Failure) -> &str {
    let known = Code::parse(&failure.code).map(|code| code.side().as_str());
    failure.side.as_deref().unwrap_or_else(|| known.unwrap_or("local"))
}

fn word<'a>(rule: &'a Value, pointer: &str) -> &'a str {
    rule.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What to do, rules apart: they bring their own remedies.
fn hint(failure: &Failure) -> Option<&str> {
    match (&failure.hint, Code::parse(&failure.code)) {
        (Some(hint), _) => Some(hint),
        (None, Ok(code)) if failure.explained.is_empty() => Some(code.hint(Lang::En)),
        (None, Ok(_) | Err(_)) => None,
    }
}

fn object(failure: &Failure) -> Value {
    let remedies =
        || failure.explained.iter().map(|rule| word(rule, "/en/remedy")).collect::<Vec<_>>().join(" ");
    let hint = hint(failure).map_or_else(remedies, str::to_owned);
    let mut said =
        json!({"code": failure.code, "side": side(failure), "message": failure.message, "hint": hint});
    if !failure.explained.is_empty() {
        said["explained"] = json!(failure.explained);
    }
    said
}

fn text(failure: &Failure) -> String {
    let mut out = format!("error[{}] ({}): {}\n", failure.code, side(failure), failure.message);
    for rule in &failure.explained {
        let _ =
            writeln!(out, "  {}  {}: {}", word(rule, "/id"), word(rule, "/en/law"), word(rule, "/en/reason"));
        let _ = writeln!(out, "    remedy: {}", word(rule, "/en/remedy"));
    }
    if let Some(hint) = hint(failure) {
        let _ = writeln!(out, "  {hint}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_apart_from_a_failure() {
        let code = |code| format!("{:?}", exit_code(&Failure::new(code, "")));
        assert_eq!(code(Code::ArgumentInvalid), format!("{:?}", ExitCode::from(2)));
        for other in [Code::Denied, Code::NotRunning, Code::ConfigInvalid, Code::Unreachable] {
            assert_eq!(code(other), format!("{:?}", ExitCode::from(1)), "{other}");
        }
    }

    #[test]
    fn a_failure_is_told_whole_in_both_forms() {
        let failure = Failure::new(Code::NotRunning, "no node runs in x");
        assert_eq!(
            object(&failure),
            json!({"code": "not_running", "side": "local", "message": "no node runs in x",
                "hint": Code::NotRunning.hint(Lang::En)})
        );
        assert!(text(&failure).starts_with("error[not_running] (local): no node runs in x\n  Start it"));
        let own = failure.hint("do this");
        assert_eq!(object(&own)["hint"], "do this");
    }

    #[test]
    fn a_refusal_by_law_shows_rule_law_and_remedy_and_points_nowhere_else() {
        let en = json!({"law": "Act 1(2)", "reason": "It may not.", "remedy": "Ask first."});
        let rule = json!({"id": "X-001", "detail": "marketing", "en": en});
        let failure =
            Failure { explained: vec![rule.clone()], ..Failure::new(Code::Denied, "no: X-001 (marketing)") };
        assert_eq!(
            text(&failure),
            "error[denied] (policy): no: X-001 (marketing)\n  X-001  Act 1(2): It may not.\n    remedy: Ask first.\n"
        );
        assert_eq!(object(&failure)["explained"], json!([rule]));
        assert_eq!(object(&failure)["hint"], "Ask first.");
    }
}
