//! What `naru publish` finds in files before it publishes them: shown per file and over all, and held against what is declared.
//!
//! Only a contradiction that checks confirm refuses: numbers of persons in data declared to have none. Everything else is
//! shown. What was not read is said to be unknown. No value is printed, only its shape.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use naru_protocol::error::Code;
use serde_json::{Value, json};

use super::{lang::pick, show};
use crate::{
    control::Failure,
    data::publish,
    node,
    scan::{self, FileReport, Finding, Kind, Reading, Report, Sure, words},
};

/// Files that are shown with their findings; the others are counted. `--json` has them all.
const SHOWN: usize = 10;
/// Seconds of a year, on average.
const YEAR: u64 = 31_556_952;

/// Looks through a folder or file. Whoever waits for it no longer ends it.
pub(super) async fn look(path: &Path) -> Result<Report, Failure> {
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let stop = Stop(Arc::default());
    let (path, stopped) = (path.to_owned(), Arc::clone(&stop.0));
    let year = u16::try_from(1970 + node::now() / YEAR).unwrap_or(u16::MAX);
    let looking = tokio::task::spawn_blocking(move || {
        let failed = |e: publish::PublishError| Failure::new(e.code(), e.to_string()).own();
        let source = path
            .canonicalize()
            .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display())))?;
        let (folder, found) = publish::find(&source, publish::Most::default().files).map_err(failed)?;
        let files: Vec<_> = found.into_iter().map(|file| (file.path, file.size)).collect();
        let report = scan::dataset(&folder, &files, year, &stopped, &mut |_, _| {});
        report.ok_or_else(|| Failure::new(Code::Cancelled, ""))
    });
    looking.await.map_err(|e| Failure::new(Code::Internal, e.to_string()))?
}

/// What checks confirm in the files and the declaration denies. What nobody declared is unknown and denies nothing; facts that
/// a version before declared are not at hand here (`null`), so they do not excuse either.
pub(super) fn contradicted(facts: &Value, report: &Report) -> Vec<Kind> {
    let kind = facts.pointer("/personal/kind").and_then(Value::as_str);
    let undeclared = !facts.is_null() && matches!(kind, None | Some("unknown"));
    let identifiers = facts.pointer("/personal/identifiers").and_then(Value::as_array);
    let named = |what: &str| identifiers.is_some_and(|all| all.iter().any(|one| one == what));
    let denies = |found: &Kind| match found {
        Kind::ResidentNumber => !named("rrn"),
        Kind::ForeignerNumber | Kind::CardNumber => matches!(kind, None | Some("none")),
        // One in a text may be a firm's; a column of them is people.
        Kind::Phone | Kind::Email => matches!(kind, None | Some("none")) && fills_a_column(report, *found),
        Kind::Vin | Kind::Position | Kind::BusinessNumber | Kind::PersonColumn => false,
    };
    Kind::ALL
        .into_iter()
        .filter(|kind| !undeclared && report.has(*kind, Sure::Certain) && denies(kind))
        .collect()
}

/// Cells from which on a share says something.
const CELLS: u64 = 10;

/// Whether at least half of a column is of this kind.
fn fills_a_column(report: &Report, kind: Kind) -> bool {
    let of_kind =
        |found: &&Finding| found.kind == kind && found.sure == Sure::Certain && found.column.is_some();
    let mut found = report.files.iter().flat_map(|file| &file.findings).filter(of_kind);
    found.any(|found| found.of >= CELLS && found.found * 2 >= found.of)
}

/// Refuses a contradiction, or lets the person's word stand and keeps in the facts that it was given against what was found.
pub(super) fn hold(facts: &mut Value, report: &Report, despite: bool) -> Result<(), Failure> {
    let against = contradicted(facts, report);
    if against.is_empty() {
        return Ok(());
    }
    if !despite {
        let kinds: Vec<&str> = against.iter().map(|kind| said(words::kind(*kind))).collect();
        let mut why = format!("{}: {}", pick("found in the files", "파일에 있는 것"), kinds.join(", "));
        for file in report.files.iter().take(SHOWN) {
            for finding in
                file.findings.iter().filter(|f| f.sure == Sure::Certain && against.contains(&f.kind))
            {
                let _ = write!(why, "; {}", place(file, finding));
            }
        }
        return Err(Failure::new(Code::DeclarationContradicted, why));
    }
    let Some(members) = facts.as_object_mut() else {
        let why = pick(
            "--despite-findings is kept with what is declared: give --declare or --fact too",
            "--despite-findings 는 선언과 함께 남깁니다. --declare 나 --fact 도 주세요",
        );
        return Err(Failure::new(Code::ArgumentInvalid, why));
    };
    members.insert("scan".to_owned(), json!({"despite": against, "provenance": "computed"}));
    Ok(())
}

fn said(words: words::Words) -> &'static str {
    pick(words.en, words.ko)
}

/// File, column and share of a finding, with where it is first.
fn place(file: &FileReport, finding: &Finding) -> String {
    let plain = |text: &str| show::plain(&json!(text));
    let mut text = plain(&file.path);
    for part in [&finding.part, &finding.column].into_iter().flatten() {
        let _ = write!(text, " [{}]", plain(part));
    }
    let share = finding.share();
    let (of, first) = (pick("of", "/"), pick("first in row", "첫 행"));
    let _ = write!(text, ": {} {of} {} ({}.{:02} %)", finding.found, finding.of, share / 100, share % 100);
    if let Some(place) = finding.places.first() {
        match place.row {
            Some(row) => _ = write!(text, ", {first} {row}: {}", plain(&place.masked)),
            None => _ = write!(text, ", {}", plain(&place.masked)),
        }
    }
    text
}

/// What was found, for people.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let (read, part, not) =
        (pick("read", "읽음"), pick("read in part", "일부만 읽음"), pick("not read", "읽지 못함"));
    let _ = writeln!(
        out,
        "{}: {} {read}, {} {part}, {} {not}",
        pick("files looked through", "살펴본 파일"),
        report.read,
        report.sampled,
        report.unread
    );
    for total in report.totals.iter().filter(|total| total.sure > Sure::Unlikely) {
        let (kind, sure) = (said(words::kind(total.kind)), said(words::sure(total.sure)));
        let _ =
            writeln!(out, "  {kind}: {} ({} {}), {sure}", total.found, total.files, pick("files", "개 파일"));
        let _ = writeln!(out, "    {}", said(words::advice(total.kind)));
        let of_kind = |f: &&Finding| f.kind == total.kind && f.sure == total.sure;
        let places = report
            .files
            .iter()
            .flat_map(|file| file.findings.iter().filter(of_kind).map(move |finding| place(file, finding)));
        places.take(SHOWN).for_each(|place| _ = writeln!(out, "    {place}"));
    }
    let mut lacking = report.files.iter().filter_map(|file| match file.reading {
        Reading::Read => None,
        Reading::Sampled { reason } => Some((file, part, reason)),
        Reading::Unread { reason } => Some((file, not, reason)),
    });
    for (file, how, reason) in lacking.by_ref().take(SHOWN) {
        let path = show::plain(&json!(file.path));
        let _ = writeln!(out, "  {path}: {how}: {}", said(words::reason(reason)));
    }
    if lacking.next().is_some() {
        let _ = writeln!(out, "  … ({})", pick("--json has all", "전부는 --json 에 있습니다"));
    }
    if !report.whole() {
        let unknown = pick(
            "what was not read is unknown, not clean",
            "읽지 못한 것은 깨끗한 것이 아니라 알 수 없는 것입니다",
        );
        let _ = writeln!(out, "  {unknown}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, content: &str) -> Report {
        let mut report = Report::default();
        let mut source = std::io::Cursor::new(content.as_bytes());
        report.add(scan::file(name, content.len() as u64, &mut source, 2026));
        report
    }

    #[test]
    fn only_what_checks_confirm_contradicts_a_declaration() {
        let residents = report("a.csv", "no,rrn\n1,900101-1234568\n");
        let phones = report("a.csv", "no,tel\n1,010-1234-5678\n");
        let lines: String = (0..40).map(|n| format!("{n},010-1234-56{n:02}\n")).collect();
        let people = report("a.csv", &format!("no,tel\n{lines}"));
        let none = json!({"personal": {"kind": "none", "identifiers": []}});
        assert_eq!(contradicted(&none, &people), [Kind::Phone], "a column of them is no accident");
        assert_eq!(contradicted(&none, &residents), [Kind::ResidentNumber]);
        assert_eq!(contradicted(&Value::Null, &residents), [Kind::ResidentNumber]);
        assert!(contradicted(&none, &phones).is_empty());
        let declared = json!({"personal": {"kind": "personal", "identifiers": ["name", "rrn"]}});
        assert!(contradicted(&declared, &residents).is_empty());
        let names_only = json!({"personal": {"kind": "pseudonymised", "identifiers": ["name"]}});
        assert_eq!(contradicted(&names_only, &residents), [Kind::ResidentNumber]);
        assert!(contradicted(&json!({"personal": {"kind": "unknown"}}), &residents).is_empty());
        assert!(contradicted(&json!({}), &residents).is_empty(), "what nobody declared denies nothing");
    }

    #[test]
    fn a_contradiction_is_refused_or_kept() {
        let residents = report("a.csv", "no,rrn\n1,900101-1234568\n");
        let mut facts = json!({"personal": {"kind": "none", "identifiers": []}});
        let before = facts.clone();
        let refused = hold(&mut facts, &residents, false).unwrap_err();
        assert_eq!((refused.code.as_str(), &facts), ("declaration_contradicted", &before));
        assert!(
            refused.message.contains("a.csv [rrn]: 1 of 1 (100.00 %), first in row 2: ******-*******"),
            "{}",
            refused.message
        );
        hold(&mut facts, &residents, true).unwrap();
        assert_eq!(facts["scan"], json!({"despite": ["resident_number"], "provenance": "computed"}));
        assert_eq!(hold(&mut Value::Null, &residents, true).unwrap_err().code, "argument_invalid");
        let mut facts = before.clone();
        hold(&mut facts, &report("a.csv", "a,b\n1,2\n"), true).unwrap();
        assert_eq!(facts, before, "nothing was contradicted, so nothing is kept");
    }

    #[test]
    fn what_was_found_is_told_without_values_and_what_was_not_read_is_unknown() {
        let mut all = report("a.csv", "no,tel\n1,010-1234-5678\n2,\n");
        all.add(scan::file("x.bin", 3, &mut std::io::Cursor::new([0, 1, 2]), 2026));
        let text = text(&all);
        assert!(text.contains("1 read, 0 read in part, 1 not read"), "{text}");
        assert!(text.contains("a.csv [tel]: 1 of 1 (100.00 %), first in row 2: ***-****-****"), "{text}");
        assert!(text.contains("x.bin: not read: this kind of file is not read"), "{text}");
        assert!(text.contains("unknown, not clean") && !text.contains("1234"), "{text}");
    }

    #[tokio::test]
    async fn a_folder_is_looked_through() {
        let folder = std::env::temp_dir().join(format!("naru-found-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.csv"), "id,mail\n1,kim@example.com\n").unwrap();
        let report = look(&folder).await.unwrap();
        let missing = look(&folder.join("missing")).await.unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(report.has(Kind::Email, Sure::Certain) && report.whole());
        assert_eq!(missing.code, "file_unusable");
    }
}
