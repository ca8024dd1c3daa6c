//! What people are told about a result of the rules: for each finding the rule, the law and the way out, in both languages.
//! Decides nothing and asks no node.

use naru_policy::{Engine, Lang, ResultDoc};
use serde_json::{Value, json};

/// One entry for each finding, in the result's order.
#[must_use]
pub fn explained(engine: &Engine, result: &ResultDoc) -> Vec<Value> {
    let (english, korean) = (engine.remedies(result, Lang::En), engine.remedies(result, Lang::Ko));
    let both = english.iter().zip(&korean);
    both.map(|(en, ko)| {
        json!({
            "id": en.id, "detail": en.detail, "law": article(&en.law, &en.article), "kind": en.kind,
            "en": {"title": en.title, "reason": en.reason, "remedy": en.text, "law": article(&en.law, &en.article)},
            "ko": {"title": ko.title, "reason": ko.reason, "remedy": ko.text, "law": article(&ko.law, &ko.article)},
        })
    })
    .collect()
}

/// A law with its article, where it has one.
#[must_use]
pub fn article(law: &str, article: &str) -> String {
    format!("{law} {article}").trim_end().to_owned()
}
