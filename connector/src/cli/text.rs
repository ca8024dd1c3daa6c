//! Answers of the node as text for people: indented lines, in one language, with dates where the answer has seconds.

use std::fmt::Write as _;

use naru_protocol::error::Lang;
use serde_json::Value;

use super::lang;
use crate::node::waits::in_words;

/// Indented `name: value` lines; nulls and empty lists are left out, and of what is said in two languages the other one.
#[must_use]
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    lines(&mut out, value, 0, lang::lang());
    out
}

/// What of `value` is said in this language, where it says everything in languages.
fn translated(value: &Value, lang: Lang) -> Option<&Value> {
    let members = value.as_object().filter(|members| !members.is_empty())?;
    let all = members.iter().all(|(name, said)| matches!(name.as_str(), "en" | "ko") && said.is_string());
    let said = |name: &str| members.get(name);
    said(lang.pick("en", "ko")).or_else(|| said(lang.pick("ko", "en"))).filter(|_| all)
}

fn lines(out: &mut String, value: &Value, depth: usize, lang: Lang) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            let both = members.contains_key("en") && members.contains_key("ko");
            for (name, value) in members {
                match value {
                    // What `--json` has for programs; to a reader it hides the rest.
                    _ if depth > 0 && matches!(name.as_str(), "packs" | "basis" | "record") => {}
                    _ if both && name == lang.pick("ko", "en") => {}
                    Value::Object(_) if both && name == lang.pick("en", "ko") => {
                        lines(out, value, depth, lang);
                    }
                    Value::Null => {}
                    Value::Array(items) if items.is_empty() => {}
                    Value::Object(_) if translated(value, lang).is_some() => {
                        let _ =
                            writeln!(out, "{pad}{name}: {}", plain(translated(value, lang).unwrap_or(value)));
                    }
                    Value::Object(_) | Value::Array(_) => {
                        let _ = writeln!(out, "{pad}{name}:");
                        lines(out, value, depth + 1, lang);
                    }
                    Value::Number(_) if is_time(name, value) => {
                        let _ = writeln!(out, "{pad}{name}: {}", time(value));
                    }
                    // Said again in the reader's language.
                    Value::String(_) if both && name == "law" => {}
                    Value::String(text) if name == "waits_for" => {
                        let _ = writeln!(out, "{pad}{name}: {}", plain(&in_words(text, lang).into()));
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
                lines(out, item, depth, lang);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(out, "{pad}{}", plain(value));
        }
    }
}

/// Whether a number is seconds since 1970: by its name, and by being of this age.
fn is_time(name: &str, value: &Value) -> bool {
    const NAMES: [&str; 9] =
        ["since", "deadline", "next_try", "valid_from", "valid_to", "from", "until", "expires", "updated"];
    const AGE: std::ops::Range<u64> = 1_000_000_000..4_102_444_800;
    (NAMES.contains(&name) || name.ends_with("_at")) && value.as_u64().is_some_and(|at| AGE.contains(&at))
}

/// Seconds as a date and time.
fn time(value: &Value) -> String {
    let said = value.as_u64().and_then(naru_protocol::dsp::datetime::to_date_time);
    said.unwrap_or_else(|| plain(value))
}

/// A value on one line. What a peer said must not move the cursor, end the line or turn the text round.
pub(super) fn plain(value: &Value) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    value.as_str().map_or_else(|| value.to_string(), |text| text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_gets_one_language_and_dates() {
        let value = json!({"title": {"en": "Press", "ko": "프레스"}, "only": {"en": "Weld"}, "from": 3,
            "terms": {"valid_to": 1_827_316_983_u64}, "explained": [{"id": "X-1", "law": "Act 1", "kind": "obtain",
                "en": {"law": "Act 1", "reason": "No."}, "ko": {"law": "법 1", "reason": "안 됩니다."}}]});
        let of = |lang| {
            let mut out = String::new();
            lines(&mut out, &value, 0, lang);
            out
        };
        let (en, ko) = (of(Lang::En), of(Lang::Ko));
        assert!(
            en.contains("title: Press\n") && ko.contains("title: 프레스\n") && ko.contains("only: Weld\n"),
            "{ko}"
        );
        assert!(en.contains("reason: No.") && !en.contains("안 됩니다") && !ko.contains("No."), "{en}{ko}");
        assert_eq!(
            (en.matches("law: Act 1\n").count(), ko.matches("law: 법 1\n").count()),
            (1, 1),
            "{en}{ko}"
        );
        assert!(en.contains("valid_to: 2027-11-27T") && en.contains("from: 3\n"), "{en}");
    }
}
