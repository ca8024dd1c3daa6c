//! How a failure is told: what, whose side, why, the rules behind it, what to do; in the reader's language on standard error,
//! or one JSON object there (LIM-2.4).

use std::{fmt::Write as _, process::ExitCode};

use naru_protocol::error::{Code, Lang, Side};
use serde_json::{Value, json};

use super::{lang, print, show};
use crate::control::Failure;

/// Tells it and gives the exit code.
pub(super) fn complain(failure: &Failure, json: bool) -> ExitCode {
    let lang = lang::lang();
    if json {
        print::json_aside(object(failure, lang));
    } else {
        eprint!("{}", text(failure, lang));
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
fn hint(failure: &Failure, lang: Lang) -> Option<&str> {
    match (&failure.hint, Code::parse(&failure.code)) {
        (Some(hint), _) => Some(hint),
        (None, Ok(code)) if failure.explained.is_empty() => Some(code.hint(lang)),
        (None, Ok(_) | Err(_)) => None,
    }
}

/// A peer's words may be in it: nothing in them moves the cursor or begins a line of its own.
fn clean(text: &str) -> String {
    show::plain(&Value::from(text.replace('\n', " ")))
}

/// What happened, without the title in front of it, which is told in the reader's language.
fn detail(failure: &Failure, code: Option<Code>) -> &str {
    let title = code.map_or("", |code| code.title(Lang::En));
    let rest = failure.message.strip_prefix(title).unwrap_or(&failure.message);
    rest.trim_start_matches([':', ' '])
}

/// The member of a rule's explanation in a language.
fn explained<'a>(rule: &'a Value, lang: Lang, name: &str) -> &'a str {
    word(rule, &format!("/{}/{name}", lang.pick("en", "ko")))
}

fn object(failure: &Failure, lang: Lang) -> Value {
    let remedies =
        || failure.explained.iter().map(|rule| explained(rule, lang, "remedy")).collect::<Vec<_>>().join(" ");
    let hint = hint(failure, lang).map_or_else(remedies, str::to_owned);
    let title = Code::parse(&failure.code).map_or("", |code| code.title(lang));
    let mut said = json!({
        "code": failure.code, "side": side(failure), "title": title, "message": failure.message, "hint": hint,
    });
    if !failure.explained.is_empty() {
        said["explained"] = json!(failure.explained);
    }
    said
}

fn text(failure: &Failure, lang: Lang) -> String {
    let code = Code::parse(&failure.code).ok();
    let side = Side::ALL.into_iter().find(|known| known.as_str() == side(failure));
    let whose = side.map_or_else(|| self::side(failure), |side| lang::side(lang, side));
    let head = format!("{}[{}] ({whose})", lang.pick("error", "오류"), failure.code);
    let mut out = match (lang, code) {
        (Lang::Ko, Some(code)) => {
            let why = clean(detail(failure, Some(code)));
            let more = if why.is_empty() { String::new() } else { format!("\n  내용: {why}") };
            format!("{head}: {}{more}\n", code.title(lang))
        }
        (Lang::Ko, None) | (Lang::En, _) => format!("{head}: {}\n", clean(&failure.message)),
    };
    for rule in &failure.explained {
        let of = |name| clean(explained(rule, lang, name));
        let _ = writeln!(out, "  {}  {}: {}", clean(word(rule, "/id")), of("law"), of("reason"));
        let _ = writeln!(out, "    {}: {}", lang.pick("remedy", "조치"), of("remedy"));
    }
    if let Some(hint) = hint(failure, lang) {
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
            object(&failure, Lang::En),
            json!({"code": "not_running", "side": "local", "title": Code::NotRunning.title(Lang::En),
                "message": "no node runs in x", "hint": Code::NotRunning.hint(Lang::En)})
        );
        assert!(
            text(&failure, Lang::En).starts_with("error[not_running] (local): no node runs in x\n  Start it")
        );
        let own = failure.hint("do this");
        assert_eq!(object(&own, Lang::En)["hint"], "do this");
    }

    #[test]
    fn a_peers_words_move_no_cursor_and_begin_no_line() {
        let failure = Failure::new(Code::AgreementEnded, "ended: no\u{1b}[2J\u{7}\ntransfer COMPLETED");
        for lang in [Lang::En, Lang::Ko] {
            let told = text(&failure, lang);
            assert!(told.contains("no\u{fffd}[2J\u{fffd} transfer COMPLETED"), "{told}");
            assert!(
                !told.contains('\u{1b}') && !told.lines().any(|line| line.starts_with("transfer")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_refusal_by_law_shows_rule_law_and_remedy_and_points_nowhere_else() {
        let en = json!({"law": "Act 1(2)", "reason": "It may not.", "remedy": "Ask first."});
        let rule = json!({"id": "X-001", "detail": "marketing", "en": en});
        let failure =
            Failure { explained: vec![rule.clone()], ..Failure::new(Code::Denied, "no: X-001 (marketing)") };
        assert_eq!(
            text(&failure, Lang::En),
            "error[denied] (policy): no: X-001 (marketing)\n  X-001  Act 1(2): It may not.\n    remedy: Ask first.\n"
        );
        assert_eq!(object(&failure, Lang::En)["explained"], json!([rule]));
        assert_eq!(object(&failure, Lang::En)["hint"], "Ask first.");
    }

    #[test]
    fn every_code_is_told_in_korean_and_in_english() {
        // LIM-2.4
        for code in Code::ALL {
            let failure = Failure::new(*code, format!("{}: /data/got", code.title(Lang::En)));
            let (en, ko) = (text(&failure, Lang::En), text(&failure, Lang::Ko));
            assert!(en.contains(code.title(Lang::En)) && en.contains(code.hint(Lang::En)), "{en}");
            assert!(ko.contains(code.title(Lang::Ko)) && ko.contains(code.hint(Lang::Ko)), "{ko}");
            assert!(ko.contains("\n  내용: /data/got\n") && !ko.contains(code.title(Lang::En)), "{ko}");
            assert!(ko.starts_with(&format!("오류[{code}] (")), "{ko}");
        }
        let ko = json!({"law": "법 1(2)", "reason": "안 됩니다.", "remedy": "먼저 물으십시오."});
        let rule = json!({"id": "X-001", "ko": ko});
        let failure =
            Failure { explained: vec![rule], ..Failure::new(Code::Denied, "no: X-001 (marketing)") };
        let said = text(&failure, Lang::Ko);
        assert!(said.contains("  X-001  법 1(2): 안 됩니다.\n    조치: 먼저 물으십시오.\n"), "{said}");
        assert_eq!(object(&failure, Lang::Ko)["hint"], "먼저 물으십시오.");
    }
}
