//! What people are told about a result of the rules: for each finding the rule, the law and the way out, in both languages.
//! A remedy with a template is tried before it is shown (POL-9.3). Decides nothing and asks no node.

use std::collections::BTreeMap;

use naru_policy::{Engine, Lang, ResultDoc};
use naru_protocol::error;
use serde_json::{Value, json};

/// One entry for each finding, in the result's order.
#[must_use]
pub fn explained(engine: &Engine, result: &ResultDoc) -> Vec<Value> {
    let (english, korean) = (engine.remedies(result, Lang::En), engine.remedies(result, Lang::Ko));
    let both = english.iter().zip(&korean);
    // A fact that is missing is supplied in one place, which is said with it.
    let with = |remedy: &naru_policy::Remedy, lang| match remedy.id == MISSING {
        true => format!("{} {}", remedy.text, sentence(supplied(&remedy.detail, lang))),
        false => remedy.text.clone(),
    };
    both.map(|(en, ko)| {
        let (english, korean) = (with(en, error::Lang::En), with(ko, error::Lang::Ko));
        json!({
            "id": en.id, "detail": en.detail, "law": article(&en.law, &en.article), "kind": en.kind,
            "en": {"title": en.title, "reason": en.reason, "remedy": english, "law": article(&en.law, &en.article)},
            "ko": {"title": ko.title, "reason": ko.reason, "remedy": korean, "law": article(&ko.law, &ko.article)},
        })
    })
    .collect()
}

/// The rule that names a missing fact, by its pointer.
const MISSING: &str = "CORE-001";

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect::<String>() + ".")
}

/// Who states a fact, and where, by its JSON pointer.
#[must_use]
pub fn supplied(pointer: &str, lang: error::Lang) -> &'static str {
    let under = |place: &str| {
        pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let any = |places: &[&str]| places.iter().any(|place| under(place));
    if any(&["/consumer/sanctions", "/consumer/red_flags", "/approvals", "/stop_orders"]) {
        lang.pick(
            "the exporter's operator states it in facts.json, or a signed list does (`naru data`)",
            "수출자의 운영자가 facts.json 에 적거나 서명된 목록(`naru data`)이 밝힙니다",
        )
    } else if any(&["/dataset", "/transfer/legal_basis"]) {
        lang.pick(
            "the provider declares it: `naru publish --fact`",
            "제공자가 `naru publish --fact` 로 선언합니다",
        )
    } else if any(&["/consumer/id", "/consumer/country", "/consumer/size", "/provider"]) {
        lang.pick(
            "the party says it in what `naru init` signed",
            "당사자가 `naru init` 에서 서명한 내용에 있습니다",
        )
    } else if under("/consumer") {
        lang.pick(
            "the consumer states it: `[about]` in its naru.toml, where it asks itself",
            "받는 쪽이 요청할 때 자기 naru.toml 의 `[about]` 으로 밝힙니다",
        )
    } else if under("/contract/clauses") {
        lang.pick("the terms name it: `naru publish --clause`", "조건에 있습니다: `naru publish --clause`")
    } else if any(&["/transfer/purpose", "/destination"]) {
        lang.pick("the request states it: --purpose, --country", "요청이 밝힙니다: --purpose, --country")
    } else {
        lang.pick("no declaration states it", "선언으로 밝힐 수 없습니다")
    }
}

/// A law with its article, where it has one.
#[must_use]
pub fn article(law: &str, article: &str) -> String {
    format!("{law} {article}").trim_end().to_owned()
}

/// Says of each entry of [`explained`] whether its remedy helps, as the rules say over the document that it makes: `checked` is
/// `true` or `false`, and `null` where the rule has no template; `allows` and `then` say what stands against the deal with it.
/// `input` is the document that gave `result`.
pub fn check(engine: &Engine, input: &Value, result: &ResultDoc, explained: &mut [Value]) {
    let mut tried: BTreeMap<String, (Value, Value, Value)> = BTreeMap::new();
    for entry in explained {
        let Some(id) = entry["id"].as_str().map(str::to_owned) else { continue };
        let said = tried.entry(id.clone()).or_insert_with(|| match engine.check_remedy(&id, input, result) {
            Some(check) => (json!(check.helps), json!(check.allows), json!(check.then)),
            None => (Value::Null, Value::Null, json!([])),
        });
        for (name, value) in
            ["checked", "allows", "then"].into_iter().zip([said.0.clone(), said.1.clone(), said.2.clone()])
        {
            entry[name] = value;
        }
        for (own, lang) in [("en", error::Lang::En), ("ko", error::Lang::Ko)] {
            if let Some(text) = checked(entry, lang) {
                entry[own]["checked"] = json!(text);
            }
        }
    }
}

/// What a check came to, for people; nothing where there was none.
fn checked(entry: &Value, lang: error::Lang) -> Option<String> {
    if !entry["checked"].as_bool()? {
        let said = lang.pick(
            "checked: with this alone the rule would still not allow it",
            "확인함: 이 조치만으로는 이 규칙이 여전히 허용하지 않습니다",
        );
        return Some(said.to_owned());
    }
    let mut then: Vec<&str> =
        entry["then"].as_array()?.iter().filter_map(|finding| finding["id"].as_str()).collect();
    then.dedup();
    Some(match (entry["allows"] == true, then.as_slice()) {
        (true, _) => {
            lang.pick("checked: with it, this is allowed", "확인함: 이 조치를 하면 허용됩니다").to_owned()
        }
        (false, []) => lang
            .pick(
                "checked: with it, this rule no longer stands against it; the others listed here do",
                "확인함: 이 조치를 하면 이 규칙은 더 막지 않습니다. 여기 적힌 다른 규칙은 그대로입니다",
            )
            .to_owned(),
        (false, then) => format!(
            "{} {}",
            lang.pick(
                "checked: with it, this rule no longer stands against it, but then does",
                "확인함: 이 조치를 하면 이 규칙 대신 막는 규칙:"
            ),
            then.join(", ")
        ),
    })
}
