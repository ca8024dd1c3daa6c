//! `naru policy what-if`: one document of facts asked about over and over, with the consumer's country, the day and the purpose
//! changed, so that a person sees where and when a deal could be done (spec chapter 05b, ODR-5.8).
//!
//! Only what is said here changes; the terms stay as the document has them, so a country or a purpose that they do not name is
//! refused by them and not by law. Not here: deals and datasets of a node; `naru explain` speaks of those.

use std::{collections::BTreeMap, fmt::Write as _};

use naru_policy::{Engine, Finding, ResultDoc, limits};
use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use super::{
    WhatIf,
    ask::{self, Decision, Question},
    tell::{pad, word},
};
use crate::{control::Failure, node::country, remedies};

/// Places that are named for one rule in text; `--json` has all.
const SHOWN: usize = 6;
/// Facts that a node makes anew at each decision: their times move with the day.
const MADE_ANEW: [&str; 3] =
    ["/consumer/identity/expires_at", "/provider/identity/expires_at", "/consumer/sanctions/screened_at"];

/// One cell: what was changed, and what came of it. `None`: as the document says.
#[derive(Debug)]
struct Cell {
    country: Option<String>,
    at: u64,
    date: String,
    purpose: Option<String>,
    decision: Decision,
    result: ResultDoc,
}

/// All cells, countries within days within purposes.
#[derive(Debug)]
pub(super) struct Matrix {
    phase: String,
    side: &'static str,
    assume_unverified: bool,
    cells: Vec<Cell>,
    /// What people are told of each rule that speaks against some cell.
    rules: BTreeMap<String, Value>,
}

pub(super) fn ask(args: &WhatIf) -> Result<Matrix, Failure> {
    let question = ask::question(&args.when)?;
    let days: Vec<(String, u64)> = match args.dates.as_slice() {
        [] => vec![(question.at.to_string(), question.at)],
        days => {
            let dated = days.iter().map(|day| Ok((day.clone(), ask::day("--dates", day)?)));
            dated.collect::<Result<_, Failure>>()?
        }
    };
    if let Some(odd) = args.countries.iter().find(|code| !country::is_assigned(code)) {
        let why = format!("--countries {odd}: no country: two capital letters of ISO 3166-1, such as KR");
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    let (countries, purposes) = (or_as_is(&args.countries), or_as_is(&args.purposes));
    let cells = countries.len().saturating_mul(days.len()).saturating_mul(purposes.len());
    if cells > limits::WHAT_IF_CELLS {
        let why = format!("{cells} cells; at most {} are asked at once", limits::WHAT_IF_CELLS);
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    let packs = ask::packs()?;
    let mut matrix = Matrix {
        phase: question.phase.clone(),
        side: ask::side_word(question.side),
        assume_unverified: args.when.assume_unverified,
        cells: Vec::with_capacity(cells),
        rules: BTreeMap::new(),
    };
    for purpose in &purposes {
        for (date, at) in &days {
            for country in &countries {
                let (country, purpose, date) = (country.clone(), purpose.clone(), date.clone());
                let changed = changed(&question, country.as_deref(), *at, purpose.as_deref());
                let result = cell(&packs, &changed, &mut matrix.rules)?;
                let decision = ask::decision(&result);
                matrix.cells.push(Cell { country, at: *at, date, purpose, decision, result });
            }
        }
    }
    Ok(matrix)
}

fn or_as_is(given: &[String]) -> Vec<Option<String>> {
    if given.is_empty() { vec![None] } else { given.iter().cloned().map(Some).collect() }
}

fn cell(
    packs: &Engine,
    question: &Question,
    rules: &mut BTreeMap<String, Value>,
) -> Result<ResultDoc, Failure> {
    let engine = ask::engine_for(packs, &question.facts);
    let (input, _) = ask::input(&engine, question)?;
    let result = ask::decided(engine.evaluate(&input))?;
    for told in remedies::explained(&engine, &result) {
        if let Some(id) = told["id"].as_str() {
            rules.entry(id.to_owned()).or_insert_with(|| {
                let of = |lang: &str| json!({"title": told[lang]["title"], "law": told[lang]["law"]});
                json!({"en": of("en"), "ko": of("ko")})
            });
        }
    }
    Ok(result)
}

/// The document with one cell's country, day and purpose.
fn changed(question: &Question, country: Option<&str>, at: u64, purpose: Option<&str>) -> Question {
    let mut facts = question.facts.clone();
    if let Some(country) = country {
        // The data go where the consumer is; other places that the document names stay.
        let old = facts.pointer("/consumer/country").cloned();
        for list in ["/destination/storage_countries", "/destination/processing_countries"] {
            let Some(places) = facts.pointer_mut(list).and_then(Value::as_array_mut) else { continue };
            places
                .iter_mut()
                .filter(|place| Some(&**place) == old.as_ref())
                .for_each(|place| *place = json!(country));
            let mut seen: Vec<Value> = Vec::new();
            places.retain(|place| {
                !seen.contains(place) && {
                    seen.push(place.clone());
                    true
                }
            });
        }
        set(&mut facts, "consumer", "country", country);
    }
    if let Some(purpose) = purpose {
        set(&mut facts, "transfer", "purpose", purpose);
    }
    for pointer in MADE_ANEW {
        if let Some(time) = facts.pointer_mut(pointer)
            && let Some(then) = time.as_u64()
        {
            let moved = i128::from(then) + i128::from(at) - i128::from(question.at);
            *time = json!(u64::try_from(moved.clamp(0, i128::from(limits::INTEGER))).unwrap_or_default());
        }
    }
    facts["now"] = json!(at);
    Question { facts, phase: question.phase.clone(), side: question.side, at }
}

/// Sets a member of a member that is an object, or is not there.
fn set(facts: &mut Value, outer: &str, name: &str, value: &str) {
    let outer = &mut facts[outer];
    if outer.is_null() {
        *outer = json!({});
    }
    // What is no object stays what it is: wrong facts never allow.
    if let Some(members) = outer.as_object_mut() {
        members.insert(name.to_owned(), json!(value));
    }
}

/// Version 1 of the matrix.
pub(super) fn object(matrix: &Matrix) -> Value {
    let catalog = matrix.phase == "catalog";
    let cells: Vec<Value> = matrix
        .cells
        .iter()
        .map(|cell| {
            json!({
                "country": cell.country, "date": cell.date, "at": cell.at, "purpose": cell.purpose,
                "decision": word(cell.decision, catalog), "deny": cell.result.deny,
                "undetermined": cell.result.undetermined, "delegated": cell.result.delegated,
                "obligations": cell.result.obligations,
            })
        })
        .collect();
    json!({
        "v": 1, "phase": matrix.phase, "side": matrix.side, "assume_unverified": matrix.assume_unverified,
        "cells": cells, "rules": matrix.rules,
    })
}

/// A table for each purpose, countries down and days across, and which rule speaks against what.
pub(super) fn text(matrix: &Matrix, lang: Lang) -> String {
    let mut out = String::new();
    let as_is = lang.pick("as in the facts", "사실대로");
    let _ = writeln!(out, "{}, {}", matrix.phase, matrix.side);
    if matrix.assume_unverified {
        let said = lang.pick(
            "assumed: reference data that nobody has verified count as true here",
            "전제: 검증되지 않은 참조 자료를 참으로 보았습니다",
        );
        let _ = writeln!(out, "  {said}");
    }
    let name = |value: &Option<String>| value.clone().unwrap_or_else(|| as_is.to_owned());
    let (mut days, mut countries, mut purposes) = (Vec::new(), Vec::new(), Vec::new());
    for cell in &matrix.cells {
        once(&mut days, cell.date.clone());
        once(&mut countries, name(&cell.country));
        once(&mut purposes, name(&cell.purpose));
    }
    for purpose in &purposes {
        let _ = writeln!(out, "{}: {purpose}", lang.pick("purpose", "목적"));
        let _ = writeln!(
            out,
            "  {}{}",
            pad("", 16),
            days.iter().map(|day| pad(day, 14)).collect::<String>().trim_end()
        );
        for country in &countries {
            let row = matrix
                .cells
                .iter()
                .filter(|cell| name(&cell.country) == *country && name(&cell.purpose) == *purpose);
            let row: String = row.map(|cell| pad(said(cell.decision, &matrix.phase, lang), 14)).collect();
            let _ = writeln!(out, "  {}{}", pad(country, 16), row.trim_end());
        }
    }
    against(&mut out, matrix, lang);
    out
}

fn once(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

const fn said(decision: Decision, phase: &str, lang: Lang) -> &'static str {
    let catalog = matches!(phase.as_bytes(), b"catalog");
    match (decision, catalog, lang) {
        (Decision::Allow, false, Lang::Ko) => "허용",
        (Decision::Allow, true, Lang::Ko) => "표시",
        (Decision::Deny, false, Lang::Ko) => "거부",
        (Decision::Deny, true, Lang::Ko) => "숨김",
        (Decision::Undetermined, _, Lang::Ko) => "판단 불가",
        (decision, catalog, Lang::En) => word(decision, catalog),
    }
}

/// Each rule that denies or is not decided somewhere, with its law and where.
fn against(out: &mut String, matrix: &Matrix, lang: Lang) {
    let own = lang.pick("en", "ko");
    for (id, told) in &matrix.rules {
        let names = |found: &Vec<Finding>| found.iter().any(|finding| finding.id == *id);
        let places = |of: &dyn Fn(&ResultDoc) -> bool| -> Vec<String> {
            matrix.cells.iter().filter(|cell| of(&cell.result)).map(place).collect()
        };
        let (law, title) = (told[own]["law"].as_str(), told[own]["title"].as_str());
        let _ = writeln!(out, "{id} {} ({})", title.unwrap_or_default(), law.unwrap_or_default());
        for (what, places) in [
            (lang.pick("denies", "거부"), places(&|result| names(&result.deny))),
            (lang.pick("not decided", "판단 불가"), places(&|result| names(&result.undetermined))),
        ] {
            if places.is_empty() {
                continue;
            }
            let more = places.len().saturating_sub(SHOWN);
            let all = if places.len() == matrix.cells.len() {
                lang.pick("everywhere", "모든 칸").to_owned()
            } else {
                places.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ")
            };
            let more = if more > 0 && all.contains(',') { format!(", … +{more}") } else { String::new() };
            let _ = writeln!(out, "  {what}: {all}{more}");
        }
    }
}

fn place(cell: &Cell) -> String {
    let parts = [cell.country.as_deref(), Some(cell.date.as_str()), cell.purpose.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
