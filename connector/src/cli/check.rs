//! `naru check`: prints what was looked at, failures with what to do. Exit code 1 if anything failed.

use naru_protocol::error::Lang;

use super::print;
use crate::{
    check::{Outcome, Report, check},
    config::Folder,
    control::Failure,
};

const EXAMPLES: &str = "\
Examples:
  naru check --dir seoul                 before the first `naru run`, while it runs, or after
  naru check --dir seoul --json | jq -r '.checks[] | select(.outcome != \"ok\") | .code'

Exit code 0 if nothing failed, warnings or not; 1 otherwise.";

/// What `naru check` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    at: super::args::Dir,
}

/// Does it.
pub(super) async fn run(args: &Check, json: bool) -> Result<bool, Failure> {
    let report = check(&Folder::new(&args.at.dir)).await;
    if json {
        print::json(report.to_json());
    } else {
        print!("{}", text(&report));
    }
    Ok(report.holds())
}

fn text(report: &Report) -> String {
    let lang = super::lang::lang();
    let mut out = String::new();
    for item in &report.checks {
        let mark = match item.outcome {
            Outcome::Ok => '✓',
            Outcome::Warning => '!',
            Outcome::Failed => '✗',
        };
        out.push_str(&format!("{mark} {:<13} {}\n", item.name, item.message.text(lang)));
        if let Some(code) = item.code {
            out.push_str(&format!("    code {code}: {}\n", item.hint_in(lang).unwrap_or_default()));
        }
    }
    let (warnings, failed) = (report.count(Outcome::Warning), report.count(Outcome::Failed));
    let all = report.checks.len();
    out.push_str(&match lang {
        Lang::En => format!("{all} looked at, {warnings} warnings, {failed} failed\n"),
        Lang::Ko => format!("확인 {all}건, 경고 {warnings}건, 실패 {failed}건\n"),
    });
    out
}
