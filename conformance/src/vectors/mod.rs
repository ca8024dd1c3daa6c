//! Runs every file of `spec/vectors` with this crate's own code.
//!
//! A file that no runner here knows is a failure, and so is a member of a case that its runner does not read: nothing
//! is passed over in silence.

mod acts;
mod data;
mod deals;
mod encodings;
mod identity;
mod log;
mod obligations;
mod policy;
mod supply;

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    refusal::Refusal,
    report::{Line, Outcome, same},
};

/// Runs one file: the lines of its cases.
enum Runner {
    /// Needs nothing but the file.
    Alone(fn(&Value) -> Vec<Case>),
    /// Reads another file too, which its `about` names.
    With(&'static str, fn(&Value, &Value) -> Vec<Case>),
}
use Runner::{Alone, With};

/// One case of a file: its name and what came of it.
struct Case {
    name: String,
    outcome: Outcome,
}

impl Case {
    fn of(name: impl Into<String>, outcome: Result<(), String>) -> Self {
        Self { name: name.into(), outcome: outcome.map_or_else(Outcome::Fail, |()| Outcome::Pass) }
    }
}

/// Every vector file that this suite knows, below `spec/vectors`, without `.json`.
const RUNNERS: &[(&str, Runner)] = &[
    ("acts/acks", With("acts/tokens", acts::acks)),
    ("acts/acts", Alone(acts::acts)),
    ("acts/tokens", Alone(acts::tokens)),
    ("agreement/decisions", Alone(deals::decisions)),
    ("agreement/differences", Alone(deals::differences)),
    ("agreement/records", With("agreement/terms", deals::records)),
    ("agreement/terms", Alone(deals::terms)),
    ("agreement/verdicts", Alone(deals::verdicts)),
    ("data/content", Alone(data::content)),
    ("data/file-lists", Alone(data::file_lists)),
    ("data/statements", Alone(data::statements)),
    ("data/windows", With("data/content", data::windows)),
    ("encodings/base64url", Alone(encodings::base64url)),
    ("encodings/jcs", Alone(encodings::jcs)),
    ("encodings/jws", Alone(encodings::jws)),
    ("encodings/signatures", Alone(encodings::signatures)),
    ("identity/dids", Alone(identity::dids)),
    ("identity/key-sets", Alone(identity::key_sets)),
    ("identity/participants", Alone(identity::participants)),
    ("identity/tickets", Alone(identity::tickets)),
    ("log/checkpoint", Alone(log::checkpoint)),
    ("log/entry", Alone(log::entry)),
    ("log/known-answers", Alone(log::known_answers)),
    ("log/tile", Alone(log::tile)),
    ("log/tree", Alone(log::tree)),
    ("negotiation/arrows", Alone(deals::arrows)),
    ("negotiation/exchanges", Alone(deals::exchanges)),
    ("negotiation/messages", Alone(deals::messages)),
    ("obligations/standing", Alone(obligations::standing)),
    ("policy/odrl", Alone(policy::odrl)),
    ("policy/ordinary", Alone(policy::ordinary)),
    ("policy/rules", Alone(policy::rules)),
    ("policy/supply", Alone(supply::supply)),
];

/// Runs all files below a directory, which is `spec/vectors` of a checkout.
pub fn run(directory: &Path) -> Result<Vec<Line>, String> {
    let mut names = Vec::new();
    collect(directory, directory, &mut names)?;
    names.sort();
    let mut lines = Vec::new();
    for name in names {
        lines.extend(run_file(directory, &name));
    }
    Ok(lines)
}

fn collect(root: &Path, directory: &Path, names: &mut Vec<String>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(root, &path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "json")
            && let Ok(relative) = path.strip_prefix(root)
        {
            let segments: Vec<_> =
                relative.with_extension("").iter().map(|s| s.to_string_lossy().into_owned()).collect();
            names.push(segments.join("/"));
        }
    }
    Ok(())
}

fn run_file(directory: &Path, name: &str) -> Vec<Line> {
    let failed = |why: String| vec![Line::of(name, "the file", Err(why))];
    let Some((_, runner)) = RUNNERS.iter().find(|(known, _)| *known == name) else {
        return failed("no runner for this file".to_owned());
    };
    let cases = match runner {
        Alone(run) => load(directory, name).map(|file| run(&file)),
        With(other, run) => load(directory, name).and_then(|file| Ok(run(&file, &load(directory, other)?))),
    };
    match cases {
        Err(error) => failed(error),
        Ok(cases) if cases.is_empty() => failed("the file holds no case".to_owned()),
        Ok(cases) => cases
            .into_iter()
            .map(|case| Line { id: name.to_owned(), name: case.name, outcome: case.outcome })
            .collect(),
    }
}

fn load(directory: &Path, name: &str) -> Result<Value, String> {
    let bytes = fs::read(directory.join(format!("{name}.json"))).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Refuses a case with members that its runner does not read.
fn members(case: &Value, known: &[&str]) -> Result<(), String> {
    let object = case.as_object().ok_or("a case is no object")?;
    let strange: Vec<_> = object.keys().filter(|key| !known.contains(&key.as_str())).collect();
    if strange.is_empty() { Ok(()) } else { Err(format!("unknown members {strange:?}")) }
}

/// A member that is a string.
fn text<'a>(case: &'a Value, name: &str) -> Result<&'a str, String> {
    case[name].as_str().ok_or_else(|| format!("{name} is no string"))
}

/// A member that is a non-negative integer.
fn number(case: &Value, name: &str) -> Result<u64, String> {
    case[name].as_u64().ok_or_else(|| format!("{name} is no number"))
}

/// A member that is an array; empty if absent.
fn list<'a>(case: &'a Value, name: &str) -> &'a [Value] {
    case[name].as_array().map_or(&[], Vec::as_slice)
}

/// A member that is bytes in hexadecimal.
fn bytes(case: &Value, name: &str) -> Result<Vec<u8>, String> {
    crate::encoding::from_hex(text(case, name)?).ok_or_else(|| format!("{name} is not hexadecimal"))
}

/// Compares what came of a check with the `outcome` of its case.
fn outcome<T>(case: &Value, got: Result<T, Refusal>) -> Result<(), String> {
    let (code, why) = got.map_or_else(|refusal| (refusal.code, refusal.why), |_| ("accepted", String::new()));
    same("outcome", &text(case, "outcome")?, &code).map_err(|error| format!("{error} {why}"))
}

/// Runs the elements of an array as cases, named by `name` or by their place.
fn each(file: &Value, array: &str, check: impl Fn(&Value) -> Result<(), String>) -> Vec<Case> {
    let named = |(index, case): (usize, &Value)| {
        let name = case["name"].as_str().map_or_else(|| format!("{array} {index}"), str::to_owned);
        Case::of(name, check(case))
    };
    list(file, array).iter().enumerate().map(named).collect()
}

/// Adds a failing case if the file has members that its runner does not read.
fn whole_file(file: &Value, known: &[&str], mut cases: Vec<Case>) -> Vec<Case> {
    if let Err(why) = members(file, known) {
        cases.push(Case::of("the file", Err(why)));
    }
    cases
}
