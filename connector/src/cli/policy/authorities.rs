//! `naru policy authorities`: whom to ask for what rules want, with what and within how many days they answer by law (spec chapter 05b,
//! ODR-5.11). Dated, cited data (`policy/lists/authorities.json`), apart from the rules; what nobody knows is said to be unknown.
//! With facts, only of rules that speak against that deal. Asks nobody and fills in no form.

use std::{collections::BTreeSet, fmt::Write as _};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use super::{Authorities, Eval, When, ask};
use crate::control::Failure;

const DATA: &str = include_str!("../../../../policy/lists/authorities.json");

/// Version 1 of the list: all, or those that rules want over a document of facts.
pub(super) fn ask(args: &Authorities) -> Result<Value, Failure> {
    let mut data: Value =
        serde_json::from_str(DATA).map_err(|e| Failure::new(Code::Internal, e.to_string()))?;
    let list = data["authorities"].take();
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted: Option<BTreeSet<String>> = match &args.facts {
        None => None,
        Some(facts) => {
            let when = When {
                facts: facts.clone(),
                phase: args.phase.clone(),
                side: args.side.clone(),
                at: args.at,
                assume_unverified: false,
            };
            let result = ask::eval(&Eval { when })?.result;
            Some(result.deny.iter().chain(&result.undetermined).map(|finding| finding.id.clone()).collect())
        }
    };
    let chosen: Vec<&Value> =
        list.iter().filter(|entry| wanted.as_ref().is_none_or(|ids| is_of(entry, ids))).collect();
    // What else speaks against it is no authority's to give: `eval` names the remedies.
    let others: Vec<&String> =
        wanted.iter().flatten().filter(|id| !list.iter().any(|entry| entry["rule"] == id.as_str())).collect();
    Ok(json!({
        "v": 1, "version": data["version"], "says": data["says"], "authorities": chosen, "others": others,
    }))
}

/// Whom to ask for what these rules want, for people; nothing where no authority gives it.
pub(in super::super) fn of_rules(rules: &BTreeSet<String>, lang: Lang) -> String {
    let data: Value = serde_json::from_str(DATA).unwrap_or_default();
    let all = data["authorities"].as_array().into_iter().flatten();
    all.filter(|entry| is_of(entry, rules)).map(|entry| line(entry, lang)).collect()
}

fn is_of(entry: &Value, rules: &BTreeSet<String>) -> bool {
    entry["rule"].as_str().is_some_and(|id| rules.contains(id))
}

/// One entry of the list.
fn line(entry: &Value, lang: Lang) -> String {
    let own = lang.pick("en", "ko");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (authority, form) = (word(&entry["authority"][own]), word(&entry["form"][own]));
    let days = match (entry["days"].as_u64(), lang) {
        (Some(days), Lang::En) => format!("answers within {days} days"),
        (Some(days), Lang::Ko) => format!("처리 기간 {days}일"),
        (None, _) => lang.pick("period not known: ask", "처리 기간 알 수 없음: 문의").to_owned(),
    };
    let beyond = entry["beyond"][own].as_str().map_or_else(String::new, |more| format!(", {more}"));
    format!("{}  {authority}: {form}\n    {days}{beyond} ({})\n", word(&entry["rule"]), word(&entry["cites"]))
}

/// For people.
pub(super) fn text(said: &Value, lang: Lang) -> String {
    let own = lang.pick("en", "ko");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    said["authorities"].as_array().into_iter().flatten().for_each(|entry| out.push_str(&line(entry, lang)));
    let others: Vec<String> = said["others"].as_array().into_iter().flatten().map(word).collect();
    if !others.is_empty() {
        let title = lang.pick(
            "no authority gives what these want (`naru policy eval` says what does)",
            "기관에 구할 일이 아닌 규칙 (조치는 `naru policy eval` 참조)",
        );
        let _ = writeln!(out, "{title}: {}", others.join(", "));
    }
    let _ = writeln!(out, "{} ({})", word(&said["says"][own]), word(&said["version"]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ODR-5.11: every entry is of a rule that can be satisfied by obtaining something, cited, in both languages; unknown is said.
    #[test]
    fn authorities_are_of_rules_that_want_something_obtained() {
        let all = ask(&Authorities { facts: None, phase: None, side: None, at: None }).unwrap();
        let engine = ask::packs().unwrap();
        let entries = all["authorities"].as_array().unwrap();
        assert!(entries.len() >= 10);
        for entry in entries {
            let rule = engine.rule(entry["rule"].as_str().unwrap()).unwrap();
            assert_eq!(rule.remedy.kind, naru_policy::RemedyKind::Obtain, "{entry}");
            assert!(!entry["cites"].as_str().unwrap().is_empty() && entry["verified"] == false, "{entry}");
            for own in ["en", "ko"] {
                assert!(entry["authority"][own].is_string() && entry["form"][own].is_string(), "{entry}");
            }
            // The remedy's words and the list say the same period.
            if let Some(days) = entry["days"].as_u64() {
                assert!(rule.remedy.text.en.contains(&format!("({days} days")), "{entry}");
            }
        }
        let (en, ko) = (text(&all, Lang::En), text(&all, Lang::Ko));
        assert!(
            en.contains("KR-ITA-001") && en.contains("within 45 days") && en.contains("period not known"),
            "{en}"
        );
        assert!(ko.contains("산업통상부: 국가핵심기술 수출 승인 신청") && ko.contains("알 수 없음"), "{ko}");
    }

    /// ODR-5.11: with facts, those that this deal wants, and what no authority gives beside them.
    #[test]
    fn authorities_of_one_deal() {
        let mut case = crate::cli::policy::tests::ordinary("transfer", "exporter");
        case["dataset"]["technology"]["strategic"]["status"] = json!("listed");
        case["transfer"]["purpose"] = json!("marketing");
        let facts = std::env::temp_dir().join(format!("naru-authorities-{}.json", std::process::id()));
        std::fs::write(&facts, case.to_string()).unwrap();
        let said = ask(&Authorities { facts: Some(facts.clone()), phase: None, side: None, at: None });
        std::fs::remove_file(&facts).unwrap();
        let said = said.unwrap();
        let rules: Vec<&Value> =
            said["authorities"].as_array().unwrap().iter().map(|entry| &entry["rule"]).collect();
        assert_eq!(rules, [&json!("KR-FTA-001")]);
        assert_eq!(said["others"], json!(["POST-PUR-001"]));
        assert!(text(&said, Lang::En).contains("no authority gives what these want"));
    }
}
