//! What `naru get` asks for, as a person reads it before agreeing: the dataset, the terms, where the files go, what our own rules
//! say of it, and what is known of the partner's decision. Asks nothing itself.

use std::fmt::Write as _;

use naru_protocol::error::Lang;
use serde_json::Value;

use super::show;

/// Names of the lines, all as wide as the widest: Korean letters take two columns each.
const EN: [&str; 6] = ["dataset   ", "from      ", "terms     ", "you ask   ", "our rules ", "theirs    "];
const KO: [&str; 6] = ["데이터셋  ", "제공자    ", "조건      ", "요청      ", "우리 규칙 ", "상대      "];
const NONE: &str = "          ";

/// What is asked, under which terms, and what is known of both decisions.
pub(super) fn asked(preview: &Value, lang: Lang) -> String {
    let word = |name: &str| clean(preview[name].as_str().unwrap_or_default());
    let [dataset, from, of_terms, you_ask, our_rules, theirs] = match lang {
        Lang::En => EN,
        Lang::Ko => KO,
    };
    let mut out = String::new();
    let order = match lang {
        Lang::En => ["en", "ko"],
        Lang::Ko => ["ko", "en"],
    };
    let title = order.iter().find_map(|lang| preview["title"][lang].as_str()).unwrap_or_default();
    let _ = writeln!(out, "{dataset}{} {}", word("dataset"), clean(title));
    if let (Some(files), Some(bytes)) = (preview["files"].as_u64(), preview["bytes"].as_u64()) {
        let _ = match lang {
            Lang::En => writeln!(out, "{NONE}{files} files, {bytes} bytes"),
            Lang::Ko => writeln!(out, "{NONE}파일 {files}개, {bytes}바이트"),
        };
    }
    let said = lang.pick("by its own word", "스스로 밝힘");
    let _ = writeln!(out, "{from}{}: {} ({}, {said})", word("peer"), word("name"), word("country"));
    out.push_str(&terms(&preview["terms"], of_terms, lang));
    let (purpose, countries) = (word("purpose"), list(&preview["countries"]));
    let _ = match lang {
        Lang::En => writeln!(out, "{you_ask}for {purpose}; kept and processed in {countries}"),
        Lang::Ko => writeln!(out, "{you_ask}목적 {purpose}, 보관·처리 국가 {countries}"),
    };
    let _ = match lang {
        Lang::En => writeln!(out, "{NONE}the files go to {}", word("out")),
        Lang::Ko => writeln!(out, "{NONE}받을 곳 {}", word("out")),
    };
    let ours = match preview["allowed"].as_bool() {
        Some(true) => lang.pick("allow it", "허용합니다").to_owned(),
        Some(false) => {
            format!("{}: {}", lang.pick("do not allow it", "허용하지 않습니다"), findings(preview))
        }
        None => lang
            .pick("are asked when the partner has made its offer", "상대가 청약을 낸 뒤에 판단합니다")
            .to_owned(),
    };
    let _ = writeln!(out, "{our_rules}{ours}");
    let _ = writeln!(out, "{theirs}{}", decides(preview, lang));
    out
}

/// Names and titles are the partner's own words.
fn clean(text: &str) -> String {
    show::plain(&Value::from(text))
}

fn list(value: &Value) -> String {
    let items: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    clean(&items.join(", "))
}

fn terms(terms: &Value, name: &str, lang: Lang) -> String {
    if !terms.is_object() {
        let none = lang.pick(
            "those of its offer, which it signs nothing of",
            "상대의 청약에 따르며, 상대는 아무것도 서명하지 않습니다",
        );
        return format!("{name}{none}\n");
    }
    let limit =
        |name: &str, none: &str| terms[name].as_u64().map_or_else(|| none.to_owned(), |n| n.to_string());
    let countries = match terms["countries"].is_array() {
        true => list(&terms["countries"]),
        false => lang.pick("those that you state", "요청에 적은 국가").to_owned(),
    };
    let (purposes, days) = (list(&terms["purposes"]), limit("retention_days", "-"));
    let transfers = limit("transfers", lang.pick("no limit", "제한 없음"));
    let forbidden = list(&terms["prohibited"]);
    let mut told = match lang {
        Lang::En => format!(
            "{name}for {purposes}; in {countries}\n\
             {NONE}deleted after {days} days; transfers: {transfers}; forbidden: {forbidden}\n"
        ),
        Lang::Ko => format!(
            "{name}목적 {purposes}, 국가 {countries}\n\
             {NONE}{days}일 뒤 삭제, 전송 횟수 {transfers}, 금지 {forbidden}\n"
        ),
    };
    let clauses = list(&terms["clauses"]);
    if !clauses.is_empty() {
        let _ = writeln!(told, "{NONE}{} {clauses}", lang.pick("clauses that bind you:", "구속하는 조항:"));
    }
    // In the words of the offer: whoever agrees reads all of it.
    for line in terms["further"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(told, "{NONE}{}", clean(line));
    }
    told
}

/// What is known of the partner's decision before it is asked: that it shows the dataset, and which rules are its own to answer.
/// What these will say is not guessed.
fn decides(preview: &Value, lang: Lang) -> String {
    if preview["unsigned"] == true {
        let unknown = lang.pick(
            "not known before it is asked, and never signed",
            "요청하기 전에는 알 수 없고, 서명하지도 않습니다",
        );
        return unknown.to_owned();
    }
    let shows = lang.pick(
        "its catalog shows us this dataset; it decides over the deal when it is asked",
        "목록에서 이 데이터셋을 우리에게 보여 줍니다. 거래는 요청을 받으면 결정합니다",
    );
    let own = preview.pointer("/decision/result/delegated").and_then(Value::as_array);
    let own: Vec<&str> = own.into_iter().flatten().filter_map(|rule| rule["id"].as_str()).collect();
    if own.is_empty() {
        return shows.to_owned();
    }
    let answers = lang.pick("rules that it alone answers", "상대만 답할 수 있는 규칙");
    format!("{shows}\n{NONE}{answers}: {}", own.join(", "))
}

fn findings(preview: &Value) -> String {
    let found = preview.pointer("/decision/explained").and_then(Value::as_array);
    let word = |rule: &Value, name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    let found: Vec<String> = found
        .into_iter()
        .flatten()
        .map(|rule| format!("{} ({})", word(rule, "id"), word(rule, "detail")))
        .collect();
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn preview() -> Value {
        let terms = json!({"purposes": ["research"], "countries": null, "retention_days": 365, "transfers": 10,
            "prohibited": ["distribute"]});
        json!({"peer": "hangang", "name": "Han\u{1b}[2K", "country": "KR", "dataset": "urn:dxp:1",
            "title": {"en": "Press", "ko": "프레스"}, "files": 2, "bytes": 10, "terms": terms, "purpose": "research",
            "countries": ["SG"], "out": "/in", "allowed": true, "unsigned": false,
            "decision": {"result": {"delegated": [{"id": "KR-ITA-001", "evaluator": "exporter"}]}}})
    }

    #[test]
    fn what_is_asked_is_told_whole_and_nothing_in_it_moves_the_cursor() {
        let text = asked(&preview(), Lang::En);
        for part in [
            "urn:dxp:1 Press\n",
            "2 files, 10 bytes",
            "hangang: Han\u{fffd}[2K (KR",
            "for research; in those that you state",
            "deleted after 365 days; transfers: 10; forbidden: distribute",
            "kept and processed in SG",
            "the files go to /in",
            "our rules allow it",
            "theirs    its catalog shows us this dataset",
            "rules that it alone answers: KR-ITA-001\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let mut more = preview();
        more["terms"]["further"] = json!(["prohibition sell", "a\u{1b}[2K"]);
        let text = asked(&more, Lang::Ko);
        assert!(text.contains("          prohibition sell\n          a\u{fffd}[2K\n"), "{text}");
        let mut refused = preview();
        refused["allowed"] = json!(false);
        refused["decision"] = json!({"explained": [{"id": "POST-PUR-001", "detail": "marketing"}]});
        assert!(asked(&refused, Lang::En).contains("do not allow it: POST-PUR-001 (marketing)"));
        refused["allowed"] = Value::Null;
        refused["terms"] = Value::Null;
        refused["unsigned"] = json!(true);
        let text = asked(&refused, Lang::En);
        assert!(text.contains("our rules are asked when") && text.contains("never signed"), "{text}");
    }

    #[test]
    fn in_korean_no_english_word_is_left_but_names() {
        for allowed in [json!(true), json!(false), Value::Null] {
            let mut preview = preview();
            preview["name"] = json!("한강모터스");
            preview["allowed"] = allowed;
            let text = asked(&preview, Lang::Ko);
            let mut rest = text.clone();
            for name in ["urn:dxp:1", "hangang", "KR-ITA-001", "KR", "SG", "research", "distribute", "/in"] {
                rest = rest.replace(name, "");
            }
            assert!(!rest.contains(|c: char| c.is_ascii_alphabetic()), "{text}");
            assert!(text.contains("프레스") && text.contains("상대만 답할 수 있는 규칙"), "{text}");
        }
    }
}
