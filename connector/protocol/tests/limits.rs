//! The tables of spec chapter 11 are the constants and codes of this crate, row by row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use std::{fmt::Write as _, fs};

use naru_protocol::{
    error::{Code, Lang},
    limits,
};

use crate::vectors::{same_bytes, spec};

const CHAPTER: &str = "11-limits-and-errors.md";

/// The chapter with the text between two markers replaced.
fn with_table(chapter: &str, name: &str, table: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = chapter.split_once(&open).unwrap_or_else(|| panic!("no {open} in {CHAPTER}"));
    let (_, after) = rest.split_once(&close).unwrap_or_else(|| panic!("no {close} in {CHAPTER}"));
    format!("{before}{open}{table}{close}{after}")
}

#[test]
fn the_tables_of_the_specification_are_these() {
    // LIM-1.1, LIM-2.2
    let mut numbers = String::from("| name | value | unit | what |\n|---|---:|---|---|\n");
    for limit in limits::TABLE {
        writeln!(
            numbers,
            "| {} | {} | {} | {} |",
            limit.name.to_lowercase(),
            limit.value,
            limit.unit,
            limit.text
        )
        .unwrap();
    }
    let mut codes = String::from("| code | status | side | English | 한국어 |\n|---|---:|---|---|---|\n");
    for code in Code::ALL {
        let (status, side) = (code.http_status(), code.side());
        writeln!(
            codes,
            "| {code} | {status} | {side} | {} | {} |",
            code.title(Lang::En),
            code.title(Lang::Ko)
        )
        .unwrap();
    }
    let chapter = fs::read_to_string(spec().join(CHAPTER)).unwrap().replace("\r\n", "\n");
    same_bytes(CHAPTER, &with_table(&with_table(&chapter, "limits", &numbers), "codes", &codes));
}

/// The handbook of codes for people.
const HANDBOOK: &str = "errors.md";

#[test]
fn the_handbook_of_errors_says_what_the_code_says() {
    // LIM-2.4
    let mut text = String::from(
        "# Errors\n\nWhat each code of [chapter 11](11-limits-and-errors.md) means and what to do about it, in English and Korean, in \
         the words\nthat `naru` prints. Written by the test that compares it with the code; programs match on the code alone.\n\n\
         `naru` prints a failure as code, side, what happened, and what to do:\n\n```\n\
         error[not_running] (local): no node runs in seoul\n```\n\n\
         and with `--json` as one object on standard error: `v`, `code`, `side`, `title`, `message`, `hint`, and `explained` where rules\n\
         stand against a deal. `--lang ko`, `NARU_LANG` or the locale choose Korean; paths and a peer's own words stay as they came.\n",
    );
    for code in Code::ALL {
        let (status, side) = (code.http_status(), code.side());
        let [en, ko] = [Lang::En, Lang::Ko].map(|lang| (code.title(lang), code.hint(lang)));
        writeln!(
            text,
            "\n## {code}\n{side}, HTTP {status}. **{}.** {}\n\n**{}.** {}",
            en.0, en.1, ko.0, ko.1
        )
        .unwrap();
    }
    same_bytes(HANDBOOK, &text);
}

/// Clauses that only a running node can fulfil; the tests of the node name them.
const NODE: [&str; 9] =
    ["ID-8.7", "ID-9.", "ID-10.", "ACT-2.1", "ACT-5.3", "ACT-6.", "LIM-1.1", "LIM-2.3", "LIM-2.5"];

#[test]
fn every_clause_of_these_chapters_is_named_by_a_test() {
    let mut tests = String::new();
    for folder in ["src", "src/act", "src/error", "src/identity", "src/json", "tests"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                tests.push_str(&fs::read_to_string(file).unwrap());
            }
        }
    }
    let named: Vec<String> =
        tests.lines().filter_map(|line| line.trim().strip_prefix("// ")).flat_map(clauses).collect();
    let mut missing = Vec::new();
    for chapter in ["01-encodings.md", "02-identity.md", "03-acts.md", CHAPTER] {
        let text = fs::read_to_string(spec().join(chapter)).unwrap();
        for line in text.lines() {
            let Some((clause, _)) = line.strip_prefix("`[").and_then(|rest| rest.split_once("]`")) else {
                continue;
            };
            let node = NODE.iter().any(|prefix| clause.starts_with(prefix));
            if !node && !named.iter().any(|name| name == clause) {
                missing.push(clause.to_owned());
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The clauses that a comment names: `ID-1.2, ID-1.3`, or `ID-1.2 to ID-1.5`.
fn clauses(comment: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut range = false;
    for word in comment.split_whitespace() {
        let word = word.trim_end_matches([',', ':', '.']);
        let Some((section, clause)) = word.rsplit_once('.').filter(|(section, _)| section.contains('-'))
        else {
            range = word == "to";
            continue;
        };
        let Ok(last) = clause.parse::<u32>() else { continue };
        let first =
            found.last().filter(|_| range).and_then(|name| name.rsplit_once('.')?.1.parse::<u32>().ok());
        found.extend(
            (first.map_or(last, |first| first + 1)..=last).map(|clause| format!("{section}.{clause}")),
        );
        range = false;
    }
    found
}
