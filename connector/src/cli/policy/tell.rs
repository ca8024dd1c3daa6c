//! Answers of `naru policy` as text in the reader's language, or as JSON.

use std::fmt::Write as _;

use naru_policy::{Delegation, Obligation, Party, Side};
use naru_protocol::error::Lang;
use serde_json::{Value, json};

use super::ask::{Answer, Decision};
use crate::{
    cli::{lang, print},
    remedies,
};

pub(super) fn answer(answer: &Answer, json: bool) {
    if json {
        print::json(object(answer));
    } else {
        print!("{}", text(answer, lang::lang()));
    }
}

/// The result of spec chapter 05 with what was asked and what it means beside it.
pub(super) fn object(answer: &Answer) -> Value {
    let mut said = json!(answer.result);
    let catalog = answer.result.allow.is_none();
    if let Some(members) = said.as_object_mut() {
        members.insert("decision".to_owned(), json!(word(answer.decision, catalog)));
        members.insert("phase".to_owned(), json!(answer.phase));
        members.insert("side".to_owned(), json!(answer.side));
        members.insert("at".to_owned(), json!(answer.at));
        members.insert("explained".to_owned(), json!(answer.explained));
        members.extend(answer.more.as_object().cloned().unwrap_or_default());
    }
    said
}

/// One word that does not change with the language.
pub(super) const fn word(decision: Decision, catalog: bool) -> &'static str {
    match (decision, catalog) {
        (Decision::Allow, false) => "allow",
        (Decision::Allow, true) => "visible",
        (Decision::Deny, false) => "deny",
        (Decision::Deny, true) => "hidden",
        (Decision::Undetermined, _) => "undetermined",
    }
}

fn headline(answer: &Answer, lang: Lang) -> &'static str {
    match (answer.decision, answer.result.allow.is_none()) {
        (Decision::Allow, false) => lang.pick("allowed", "허용"),
        (Decision::Allow, true) => lang.pick("visible in the catalog", "카탈로그에 표시됨"),
        (Decision::Deny, false) => lang.pick("denied", "거부"),
        (Decision::Deny, true) => lang.pick("hidden from the catalog", "카탈로그에 표시되지 않음"),
        (Decision::Undetermined, _) => lang.pick(
            "undetermined: not allowed with the facts at hand",
            "판단 불가: 주어진 사실로는 허용되지 않음",
        ),
    }
}

/// Everything that a person needs to act.
pub(super) fn text(answer: &Answer, lang: Lang) -> String {
    let mut out = String::new();
    let Answer { phase, side, at, result, more, .. } = answer;
    let _ = writeln!(out, "{} ({phase}, {side}, {at})", headline(answer, lang));
    if more["hypothetical"] == true {
        let said = lang.pick(
            "hypothetical: an offer, judged as the agreement that it would become",
            "가정: 제안을, 그것이 이룰 계약으로 보고 판단했습니다",
        );
        let _ = writeln!(out, "  {said}");
    }
    if more["assume_unverified"] == true {
        let said = lang.pick(
            "assumed: reference data that nobody has verified count as true here",
            "전제: 검증되지 않은 참조 자료를 참으로 보았습니다",
        );
        let _ = writeln!(out, "  {said}");
    }
    for warning in more["warnings"].as_array().into_iter().flatten() {
        let said = warning[lang.pick("en", "ko")].as_str().unwrap_or_default();
        let _ = writeln!(
            out,
            "  {} {}: {said}",
            lang.pick("note", "참고"),
            warning["pointer"].as_str().unwrap_or_default()
        );
    }
    let denied = result.deny.len();
    section(
        &mut out,
        lang.pick("denied by", "거부한 규칙"),
        &answer.explained[..denied.min(answer.explained.len())],
        lang,
    );
    section(
        &mut out,
        lang.pick("not decided", "판단하지 못한 규칙"),
        answer.explained.get(denied..).unwrap_or_default(),
        lang,
    );
    rest(&mut out, answer, lang);
    out
}

fn section(out: &mut String, title: &str, rules: &[Value], lang: Lang) {
    if rules.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}:");
    for rule in rules {
        let of = |name: &str| rule[lang.pick("en", "ko")][name].as_str().unwrap_or_default().to_owned();
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(out, "  {} ({})", text("id"), text("detail"));
        let _ = writeln!(out, "    {}: {}", of("law"), of("reason"));
        let remedy = match rule["checked"].as_bool() {
            // Said of the rule in general; here the rules themselves say that it is not enough.
            Some(false) => lang.pick("not enough here", "여기서는 부족한 조치"),
            Some(true) | None => lang.pick("remedy", "조치"),
        };
        let _ = writeln!(out, "    {remedy}: {}", of("remedy"));
        if rule["checked"].is_boolean() {
            let _ = writeln!(out, "    {}", of("checked"));
        }
    }
}

fn rest(out: &mut String, answer: &Answer, lang: Lang) {
    let result = &answer.result;
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "{title}:");
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "  {line}");
            });
        }
    };
    list(
        lang.pick("only the other side decides", "상대 쪽만 판단하는 규칙"),
        result.delegated.iter().map(|rule| delegated(rule, lang)).collect(),
    );
    list(lang.pick("duties", "의무"), result.obligations.iter().map(|duty| owed(duty, lang)).collect());
    list(
        lang.pick("grounds", "근거"),
        result.basis.iter().map(|ground| remedies::article(&ground.framework, &ground.article)).collect(),
    );
    let left_out = answer.more["left_out"].as_array().into_iter().flatten();
    list(
        lang.pick("not shown to this side", "이 쪽이 볼 수 없는 사실"),
        left_out.filter_map(Value::as_str).map(str::to_owned).collect(),
    );
    list(
        lang.pick("asked", "적용한 규칙 팩"),
        result.packs.iter().map(|pack| format!("{} {} {}", pack.name, pack.revision, pack.digest)).collect(),
    );
}

fn delegated(rule: &Delegation, lang: Lang) -> String {
    let side = match rule.evaluator {
        Side::Exporter => lang.pick("exporter", "수출 쪽"),
        Side::Importer => lang.pick("importer", "수입 쪽"),
    };
    format!("{} ({side})", rule.id)
}

fn owed(duty: &Obligation, lang: Lang) -> String {
    let party = match duty.on {
        Party::Provider => lang.pick("provider", "제공자"),
        Party::Consumer => lang.pick("consumer", "이용자"),
    };
    let within = duty.within.map_or_else(String::new, |seconds| match lang {
        Lang::En => format!(", within {seconds} s after {}", duty.after),
        Lang::Ko => format!(", {} 뒤 {seconds}초 안에", duty.after),
    });
    format!("{} {} ({party}{within})", duty.id, duty.duty)
}

/// Text with blanks up to a width on the terminal, where Korean letters are two wide.
pub(super) fn pad(text: &str, width: usize) -> String {
    let wide: usize = text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(wide).max(1)))
}

/// The rules and which are live.
pub(super) fn rules(listed: &Value, json: bool) {
    if json {
        print::json(listed.clone());
        return;
    }
    print!("{}", rules_text(listed, lang::lang()));
}

pub(super) fn rules_text(listed: &Value, lang: Lang) -> String {
    let mut out = String::new();
    for rule in listed["rules"].as_array().into_iter().flatten() {
        let live = if rule["live"] == true {
            lang.pick("live", "시행 중")
        } else {
            lang.pick("not live", "시행 아님")
        };
        let of = |name: &str| rule[name][lang.pick("en", "ko")].as_str().unwrap_or_default().to_owned();
        let law = remedies::article(&of("law"), rule["article"].as_str().unwrap_or_default());
        let _ = writeln!(
            out,
            "{live:<8} {:<14} {} ({law})",
            rule["id"].as_str().unwrap_or_default(),
            of("title")
        );
    }
    let _ = match lang {
        Lang::En => {
            writeln!(out, "{} of {} rules are live at {}", listed["live"], listed["all"], listed["at"])
        }
        Lang::Ko => {
            writeln!(out, "{} 시각에 규칙 {}개 중 {}개 시행 중", listed["at"], listed["all"], listed["live"])
        }
    };
    out
}
