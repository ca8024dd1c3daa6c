//! `naru log`, `naru audit`: our own log as people read it, exports of it, and verifying them.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use naru_protocol::{
    dsp::datetime::to_date_time,
    error::{Code, Lang},
};
use serde_json::{Value, json};

use super::{absolute, args::Dir, examples, lang::lang, seen, shown};
use crate::{
    audit,
    config::Folder,
    control::{self, Failure},
    node::{
        Node,
        verbs::{Bundle, Export},
    },
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  naru log --dir A                       # the newest 100 entries
  naru log --dir A --from 0 --limit 1000
  naru log --dir A --exchange ID         # those of one negotiation or transfer
  naru log export --dir A --out a-log    # static files, for any C2SP tool and for `naru audit verify`")]
pub(super) struct Log {
    /// The node's folder.
    #[arg(long, env = "NARU_DIR", required = true)]
    dir: Option<PathBuf>,
    /// From this index on; the newest entries otherwise.
    #[arg(long)]
    from: Option<u64>,
    /// How many, at most 1000.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Only those of this exchange.
    #[arg(long, value_name = "ID")]
    exchange: Option<String>,
    #[command(subcommand)]
    verb: Option<LogVerb>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum LogVerb {
    /// Write the log and what an auditor needs as static files.
    #[command(after_help = examples::LOG_EXPORT)]
    Export {
        #[command(flatten)]
        at: Dir,
        /// A folder that is new or empty.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Audit {
    /// Write the log, with this node's disclosures and the answers that it holds, as one file.
    #[command(after_help = "Examples:
  naru audit export --dir A --out a.zip
  unzip -l a.zip                         # any program that reads zip files reads it

The same log gives the same bytes. It holds everything that this node knows of its exchanges: give it to auditors only.")]
    Export {
        #[command(flatten)]
        at: Dir,
        /// A file that does not exist yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Verify one or both halves from files alone.
    #[command(after_help = "Examples:
  naru keys anchor --dir A >anchors.toml; naru keys anchor --dir B >>anchors.toml
  naru audit verify a.zip b.zip --trust anchors.toml
  naru audit verify a-log --trust anchors.toml --json

Exit code 0 means that no claim failed.")]
    Verify {
        /// Exports: files of `naru audit export`, or folders of `naru log export`.
        #[arg(required = true, value_name = "EXPORT")]
        exports: Vec<PathBuf>,
        /// The auditor's own trust anchors (TOML).
        #[arg(long)]
        trust: PathBuf,
    },
}

pub(super) async fn log(args: Log, json: bool) -> Result<bool, Failure> {
    if let Some(LogVerb::Export { at, out }) = args.verb {
        return exported(&at.dir, "export", absolute(&out)?, json).await;
    }
    let dir = args.dir.unwrap_or_default();
    let request = json!({"from": args.from, "limit": args.limit, "exchange": args.exchange});
    let view = seen(&dir, "log", Some(&request)).await?;
    match json {
        true => shown(&view, true),
        false => print!("{}", lines(&view)),
    }
    Ok(true)
}

pub(super) async fn run(verb: Audit, json: bool) -> Result<bool, Failure> {
    match verb {
        Audit::Export { at, out } => exported(&at.dir, "bundle", absolute(&out)?, json).await,
        Audit::Verify { exports, trust } => {
            let anchors = audit::Anchors::read(&trust)?;
            let report = crate::compiled::kept(|| audit::verify(&exports, &anchors))?;
            if json {
                println!("{}", report.to_json());
            } else {
                print!("{}", report.to_text_in(super::lang::lang()));
            }
            Ok(report.holds())
        }
    }
}

/// Has the running node export; without one, does it itself, and holds the folder meanwhile.
async fn exported(dir: &Path, verb: &str, out: PathBuf, json: bool) -> Result<bool, Failure> {
    let answer = match control::call(dir, verb, Some(&json!({"out": out}))).await {
        Err(failure) if failure.code == Code::NotRunning.as_str() && Folder::new(dir).database().exists() => {
            let folder = Folder::new(dir);
            let shard = folder.config().map_err(|e| Failure::new(e.code(), e.to_string()))?.shard;
            let node = Node::still(&folder, shard).await?;
            let made = match verb {
                "bundle" => node.bundle(Bundle { out }).await.map(|made| json!(made)),
                _ => node.export(Export { out }).await.map(|made| json!(made)),
            };
            node.close().await?;
            made?
        }
        answer => answer?,
    };
    shown(&answer, json);
    if verb == "bundle" {
        superseded(dir);
    }
    Ok(true)
}

/// Logs that this one follows: without them an auditor misses what they hold, and would blame this node for it.
fn superseded(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir.join("earlier")) else { return };
    let mut earlier: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    earlier.sort();
    for path in earlier {
        let path = path.display();
        match lang() {
            Lang::En => eprintln!(
                "this log follows an earlier one: give the auditor {path} too, as one more EXPORT of `naru audit verify`"
            ),
            Lang::Ko => eprintln!(
                "이 로그는 앞선 로그를 잇습니다. 감사인에게 {path} 도 주어 `naru audit verify` 에 함께 넣게 하십시오"
            ),
        }
    }
}

/// One line an entry: index, time, type, side, peer, exchange; which checkpoint covers it, and who has acknowledged that.
fn lines(view: &Value) -> String {
    let mut out = String::new();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or("-").to_owned();
    for entry in view["entries"].as_array().into_iter().flatten() {
        let number = |name: &str| entry[name].as_u64();
        let at = number("at").and_then(to_date_time).unwrap_or_default();
        let covered =
            number("checkpoint").map_or_else(|| "not covered".to_owned(), |n| format!("checkpoint {n}"));
        let held: Vec<&str> =
            entry["held_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let held = if held.is_empty() { String::new() } else { format!(", held by {}", held.join(", ")) };
        let status = number("status").map_or_else(String::new, |status| format!(" {status}"));
        let _ = writeln!(
            out,
            "{:>6} {at} {}{status} {} {} {} {covered}{held}",
            number("index").unwrap_or_default(),
            text(entry, "type"),
            text(entry, "side"),
            text(entry, "peer"),
            text(entry, "exchange"),
        );
    }
    let _ = writeln!(out, "{} entries in {}", view["size"], text(view, "origin"));
    if let Some(next) = view["next"].as_u64() {
        let _ = writeln!(out, "more: --from {next}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let view = json!({"origin": "naru/x/1", "size": 9, "next": 1, "entries": [
            {"index": 0, "at": 1_793_491_200_u64, "type": "genesis", "side": "own", "exchange": null, "peer": null,
                "status": null, "checkpoint": 1, "held_by": ["merlion"]}]});
        assert_eq!(
            lines(&view),
            "     0 2026-11-01T00:00:00Z genesis own - - checkpoint 1, held by merlion\n9 entries in naru/x/1\nmore: --from 1\n"
        );
    }
}
