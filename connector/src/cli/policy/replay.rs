//! `naru policy replay`: what a node decided, asked again under the packs of this binary or of a folder, so that a person sees what
//! a new pack would change before it is used (spec chapter 05b, ODR-5.10).
//!
//! The database is opened for reading, whether the node runs or not; nothing is written, sent or signed. Each evaluation is asked
//! about the very document that it was made over, at its own time. Those made for no exchange (the catalog's) are not kept by
//! exchange and are not asked again.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use naru_policy::{Bundle, Engine, Evaluation, Finding, ResultDoc, limits};
use naru_protocol::{
    error::{Code, Lang},
    permit::EvaluationRecord,
};
use serde_json::{Value, json};

use super::{
    Replay,
    ask::{self, decision},
    tell::word,
};
use crate::{
    config::Folder,
    control::Failure,
    node::replay,
    store::{EvaluationRow, ExchangeQuery, MAX_ROWS, SqliteStore, Store as _, StoreError},
};

fn stored(error: &StoreError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// Version 1 of the answer: each exchange with its evaluations, then and now.
pub(super) fn ask(args: &Replay) -> Result<Value, Failure> {
    let engine = match &args.packs {
        Some(folder) => with_folder(&ask::packs()?, folder)?,
        None => ask::packs()?,
    };
    let folder = Folder::new(&args.dir);
    if !folder.database().exists() {
        let why = format!("{}: no node has ever run here", args.dir.display());
        return Err(Failure::new(Code::NotInitialised, why));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(Code::Internal, e.to_string()))?;
    runtime.block_on(async {
        let store = SqliteStore::open_reading(&folder.database()).await.map_err(|e| stored(&e))?;
        all(&store, &engine).await
    })
}

async fn all(store: &SqliteStore, engine: &Engine) -> Result<Value, Failure> {
    let (mut exchanges, mut after) = (Vec::new(), None);
    let (mut asked, mut changed, mut other, mut failed) = (0_u64, 0_u64, 0_u64, 0_u64);
    loop {
        let query = ExchangeQuery { after, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let page = store.exchanges(query).await.map_err(|e| stored(&e))?;
        let Some(last) = page.last() else { break };
        after = Some((last.updated, last.id));
        for row in &page {
            let rows = store.evaluations(row.id, MAX_ROWS).await.map_err(|e| stored(&e))?;
            let evaluations: Vec<Value> = rows.iter().map(|row| again(engine, row)).collect();
            let count = |member: &str| evaluations.iter().filter(|e| e[member] == true).count() as u64;
            asked += evaluations.len() as u64;
            (changed, other) = (changed + count("changed"), other + count("decision_changed"));
            failed += evaluations.iter().filter(|e| e["after"].is_null()).count() as u64;
            if !evaluations.is_empty() {
                // A long deal may have more than a page of them; then the oldest are asked and that is said.
                let whole = rows.len() < MAX_ROWS as usize;
                exchanges.push(json!({
                    "exchange": row.id.to_string(), "peer": row.peer, "whole": whole, "evaluations": evaluations,
                }));
            }
        }
    }
    let packs: Vec<_> = engine.packs().map(naru_policy::Pack::reference).collect();
    let rules: serde_json::Map<String, Value> = engine
        .packs()
        .flat_map(|pack| &pack.rules)
        .map(|(id, rule)| (id.clone(), json!({"en": rule.title.en, "ko": rule.title.ko})))
        .collect();
    Ok(json!({
        "v": 1, "packs": packs, "exchanges": exchanges, "evaluations": asked, "changed": changed,
        "decisions_changed": other, "failed": failed, "rules": rules,
    }))
}

/// One evaluation, then and now. What cannot be asked again says why and has no `after`.
fn again(engine: &Engine, row: &EvaluationRow) -> Value {
    let mut said = json!({
        "record": row.digest.to_string(), "phase": row.phase, "side": row.side.as_str(), "at": row.created,
        "before": null, "after": null, "changed": false, "decision_changed": false, "error": null,
    });
    match compared(engine, row) {
        Ok((before, after)) => {
            let findings = |result: &ResultDoc| (result.deny.clone(), result.undetermined.clone());
            said["changed"] = json!(
                findings(&before) != findings(&after)
                    || before.obligations != after.obligations
                    || before.delegated != after.delegated
                    || decision(&before) != decision(&after)
            );
            said["decision_changed"] = json!(decision(&before) != decision(&after));
            (said["before"], said["after"]) = (told(&before), told(&after));
            said["no_more"] = json!(missing_in(&before, &after));
            said["new"] = json!(missing_in(&after, &before));
        }
        Err(why) => said["error"] = json!(why),
    }
    said
}

fn compared(engine: &Engine, row: &EvaluationRow) -> Result<(ResultDoc, ResultDoc), String> {
    let record = EvaluationRecord::parse(&row.record).map_err(|e| e.to_string())?;
    let before: ResultDoc = serde_json::from_value(record.result).map_err(|e| e.to_string())?;
    let shared: Value = serde_json::from_str(&row.shared).map_err(|e| e.to_string())?;
    let engine = ask::engine_for(engine, &shared);
    match engine.evaluate(&replay::input(&engine, row)?) {
        Evaluation::Decided(after) => Ok((before, after)),
        Evaluation::Broken { code, reason } => Err(format!("{}: {reason}", code.as_str())),
    }
}

fn told(result: &ResultDoc) -> Value {
    json!({
        "decision": word(decision(result), result.allow.is_none()), "deny": result.deny,
        "undetermined": result.undetermined, "delegated": result.delegated, "obligations": result.obligations,
        "packs": result.packs,
    })
}

/// Rules that speak against the deal in one result and not in the other, each once.
fn missing_in(one: &ResultDoc, other: &ResultDoc) -> Vec<String> {
    let ids = |result: &ResultDoc| -> std::collections::BTreeSet<String> {
        let findings: Vec<&Finding> = result.deny.iter().chain(&result.undetermined).collect();
        findings.into_iter().map(|finding| finding.id.clone()).collect()
    };
    ids(one).difference(&ids(other)).cloned().collect()
}

/// The packs of the binary, each replaced by the folder's of the same name, with the folder's others beside them.
fn with_folder(own: &Engine, folder: &Path) -> Result<Engine, Failure> {
    let unusable = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("{}: {e}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".tar.gz")) {
            files.push(path);
        }
        if files.len() > limits::PACKS {
            let why = format!("{}: more than {} bundles", folder.display(), limits::PACKS);
            return Err(Failure::new(Code::ArgumentInvalid, why));
        }
    }
    files.sort();
    if files.is_empty() {
        let why = format!("{}: no bundle (*.tar.gz) is there", folder.display());
        return Err(Failure::new(Code::FileUnusable, why));
    }
    // `odrl` is no pack of law and lies beside them in `policy/bundles`.
    files.retain(|path| path.file_name().is_none_or(|name| name != "odrl.tar.gz"));
    let bundles = files.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    own.with(bundles).map_err(|e| Failure::new(Code::ArgumentInvalid, format!("{}: {e}", folder.display())))
}

/// A bundle from a file, past the gate.
pub(super) fn load(path: &Path) -> Result<Bundle, Failure> {
    let unusable = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unusable)?;
    file.take(limits::BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unusable)?;
    Bundle::load(&bytes).map_err(|e| {
        let code = Code::parse(e.code()).unwrap_or(Code::BundleMalformed);
        Failure::new(code, format!("{}: {e}", path.display()))
    })
}

/// What changes, for people: the exchanges in which something does, and how many do.
pub(super) fn text(said: &Value, lang: Lang) -> String {
    let mut out = String::new();
    let own = lang.pick("en", "ko");
    let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for exchange in said["exchanges"].as_array().into_iter().flatten() {
        let evaluations = exchange["evaluations"].as_array().into_iter().flatten();
        let shown: Vec<&Value> =
            evaluations.filter(|e| e["changed"] == true || !e["error"].is_null()).collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{} ({})", of(&exchange["exchange"]), of(&exchange["peer"]));
        for one in shown {
            let head = format!("  {} {} {}", of(&one["phase"]), of(&one["side"]), one["at"]);
            if let Some(why) = one["error"].as_str() {
                let _ = writeln!(
                    out,
                    "{head}: {}: {why}",
                    lang.pick("cannot be asked again", "다시 판단할 수 없음")
                );
                continue;
            }
            let decided = |part: &str| told_word(one[part]["decision"].as_str().unwrap_or_default(), lang);
            let _ = writeln!(out, "{head}: {} → {}", decided("before"), decided("after"));
            for (what, list) in
                [(lang.pick("no more", "더는 아님"), "no_more"), (lang.pick("new", "새로"), "new")]
            {
                for id in one[list].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let title = said["rules"][id][own].as_str().unwrap_or_default();
                    let _ = writeln!(out, "    {what}: {id} {title}");
                }
            }
            if one["before"]["obligations"] != one["after"]["obligations"] {
                let _ = writeln!(
                    out,
                    "    {}",
                    lang.pick("duties change (--json has them)", "의무가 달라짐 (--json 참조)")
                );
            }
        }
    }
    let (all, changed, decisions, failed) =
        (&said["evaluations"], &said["changed"], &said["decisions_changed"], &said["failed"]);
    let _ = match lang {
        Lang::En => writeln!(
            out,
            "{all} evaluations asked again: {changed} change, of these {decisions} in the decision; {failed} could not be asked"
        ),
        Lang::Ko => writeln!(
            out,
            "다시 판단한 기록 {all}건: 달라짐 {changed}건, 그중 결정이 달라짐 {decisions}건, 판단하지 못함 {failed}건"
        ),
    };
    out
}

fn told_word(word: &str, lang: Lang) -> String {
    match (lang, word) {
        (Lang::Ko, "allow") => "허용".to_owned(),
        (Lang::Ko, "deny") => "거부".to_owned(),
        (Lang::Ko, "visible") => "표시".to_owned(),
        (Lang::Ko, "hidden") => "숨김".to_owned(),
        (Lang::Ko, "undetermined") => "판단 불가".to_owned(),
        (Lang::Ko | Lang::En, word) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::policy::tests::ordinary_case, store::EvaluationSide};
    use naru_protocol::encoding::Digest;

    /// An evaluation as a node keeps it.
    fn row(case: &Value, result: &Value) -> EvaluationRow {
        let digest = Digest::of(b"x");
        let record = json!({
            "v": 1, "input": {"shared": digest, "private": digest}, "packs": [], "phase": "negotiation",
            "side": "exporter", "result": result,
        });
        EvaluationRow {
            digest,
            exchange: None,
            record: naru_protocol::json::canonical(&record).unwrap(),
            shared: case["shared"].to_string(),
            private: json!({"private": case["private"], "host": case["host"], "at": 1}).to_string(),
            phase: "negotiation".to_owned(),
            side: EvaluationSide::Exporter,
            created: 1,
        }
    }

    /// ODR-5.10: the same packs over the same facts change nothing; other facts or rules show which rule is new, which no more.
    #[test]
    fn a_decision_is_asked_again() {
        let case = ordinary_case("negotiation", "exporter");
        let engine = ask::packs().unwrap();
        let same = again(&engine, &row(&case, &case["result"]));
        assert_eq!((&same["changed"], &same["error"]), (&json!(false), &Value::Null), "{same}");
        let mut then = case["result"].clone();
        then["allow"] = json!(false);
        then["deny"] = json!([{"id": "OLD-001", "detail": "x"}]);
        let other = again(&engine, &row(&case, &then));
        assert_eq!(
            (&other["decision_changed"], &other["no_more"]),
            (&json!(true), &json!(["OLD-001"])),
            "{other}"
        );
        assert_eq!(
            (&other["before"]["decision"], &other["after"]["decision"]),
            (&json!("deny"), &json!("allow"))
        );
        let mut foreign = case.clone();
        foreign["shared"]["transfer"]["purpose"] = json!("marketing");
        let new = again(&engine, &row(&foreign, &case["result"]));
        assert_eq!(
            (&new["new"], &new["after"]["decision"]),
            (&json!(["POST-PUR-001"]), &json!("deny")),
            "{new}"
        );
        // What cannot be read is never an answer.
        let mut cut = row(&case, &case["result"]);
        cut.shared.truncate(10);
        let cut = again(&engine, &cut);
        assert!(cut["after"].is_null() && cut["error"].is_string() && cut["changed"] == false);
        let said = json!({
            "exchanges": [{"exchange": "e", "peer": "p", "evaluations": [same, other, new, cut]}], "evaluations": 4,
            "changed": 2, "decisions_changed": 2, "failed": 1,
            "rules": {"POST-PUR-001": {"en": "Purpose", "ko": "목적"}},
        });
        let (en, ko) = (text(&said, Lang::En), text(&said, Lang::Ko));
        assert!(
            en.contains("deny → allow")
                && en.contains("no more: OLD-001")
                && en.contains("new: POST-PUR-001 Purpose"),
            "{en}"
        );
        assert!(
            ko.contains("거부 → 허용") && ko.contains("새로: POST-PUR-001 목적") && ko.contains("4건"),
            "{ko}"
        );
    }

    /// ODR-5.10: packs of a folder stand for those of their name; a folder without a bundle, or with bytes that are none, is refused.
    #[test]
    fn packs_of_a_folder_take_the_place_of_ours() {
        let own = ask::packs().unwrap();
        let folder = std::env::temp_dir().join(format!("naru-replay-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(with_folder(&own, &folder).unwrap_err().code, "file_unusable");
        let (name, bytes) = naru_policy::bundled::PACKS[0];
        fs::write(folder.join(format!("{name}.tar.gz")), bytes).unwrap();
        let names = |engine: &Engine| engine.packs().map(|pack| pack.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&with_folder(&own, &folder).unwrap()), names(&own));
        fs::write(folder.join("z.tar.gz"), b"none").unwrap();
        let refused = with_folder(&own, &folder).unwrap_err();
        fs::remove_dir_all(&folder).unwrap();
        assert!(refused.code.starts_with("bundle_"), "{refused:?}");
    }
}
