//! `naru keys revoke`: what it does is said first; then a person agrees on the terminal, or `--yes` did beforehand (ID-10.1).

use std::{fmt::Write as _, path::PathBuf};

use naru_protocol::{
    dsp::datetime::{parse_date_time, to_date_time},
    error::Lang,
};
use serde_json::{Value, json};

use super::{
    super::{args::Dir, confirm, lang},
    text as keys_text,
};
use crate::{
    cli::print,
    config::Folder,
    control::Failure,
    keys::{self, Revoked},
};

const EXAMPLES: &str = "Examples:
  naru stop --dir A && naru keys revoke --dir A --root /media/safe/root.key && naru run --dir A
  naru keys revoke --dir A --since 2026-11-20T00:00:00Z        # when the theft was
  naru keys revoke --dir A --only-say --json                   # what it would do

It says what it touches and asks. Every signature made with the keys from then on is refused, here and by each partner that has heard
of it: the node tells each at its next start, and has another identity on the network from then on. Agreements stay in force; what was
signed before stays signed. Tickets that are open no longer work. A root key that was stolen cannot be revoked: then tell your partners,
who distrust you, and begin anew with `naru init`. Other secrets of the folder are not replaced by it: make new management tokens, a
new HTTPS key, and new addresses for partners that sign nothing.";

/// How to revoke.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    at: Dir,
    /// The file with the root key, where it was moved out of the folder.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Since when somebody else may have had the keys; now, if it is not given. What you yourselves signed since then fails too.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// Only say what it would do.
    #[arg(long, conflicts_with = "yes")]
    only_say: bool,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

fn time(text: &str) -> Result<u64, String> {
    parse_date_time(text).ok_or_else(|| "write it as 2026-11-20T09:00:00Z".to_owned())
}

pub(super) async fn run(args: &Revoke, json: bool) -> Result<(), Failure> {
    let folder = Folder::new(&args.at.dir);
    let mut ask = keys::Revoke { root: args.root.clone(), since: args.since, only_say: true };
    if !args.yes {
        let would = keys::revoke(&folder, &ask).await?;
        if args.only_say {
            show(&would, json);
            return Ok(());
        }
        if json {
            print::json_aside(json!(would));
        } else {
            eprint!("{}", text(&would, lang::lang()));
        }
        agreed()?;
        // What was agreed to is what is done.
        ask.since = Some(would.since);
    }
    ask.only_say = false;
    show(&keys::revoke(&folder, &ask).await?, json);
    Ok(())
}

fn show(said: &Revoked, json: bool) {
    if json {
        print::json(json!(said));
    } else {
        print!("{}", text(said, lang::lang()));
    }
}

fn agreed() -> Result<(), Failure> {
    confirm::before_doing(
        lang::pick("Revoke these keys for ever? [y/N]", "이 키들을 영구히 폐기할까요? [y/N]"),
        lang::pick("Look at what it would do, above, and pass --yes.", "위의 내용을 보고 --yes 를 붙이세요."),
        lang::pick("Run it again to revoke the keys.", "폐기하려면 다시 실행하세요."),
    )
}

fn text(said: &Revoked, lang: Lang) -> String {
    let numbers: Vec<String> = said.revoked.iter().map(u32::to_string).collect();
    let (numbers, since) = (numbers.join(", "), to_date_time(said.since).unwrap_or_default());
    let mut out = match (said.done, lang) {
        (true, Lang::En) => format!("revoked: key sets {numbers}, from {since} on\n"),
        (true, Lang::Ko) => format!("폐기함: 키 세트 {numbers}, {since} 부터\n"),
        (false, Lang::En) => format!("would revoke: key sets {numbers}, from {since} on\n"),
        (false, Lang::Ko) => format!("폐기할 것: 키 세트 {numbers}, {since} 부터\n"),
    };
    let mut line = |en: String, ko: String| {
        let _ = writeln!(
            out,
            "  {}",
            match lang {
                Lang::En => en,
                Lang::Ko => ko,
            }
        );
    };
    let n = said.agreements;
    line(format!("agreements in force: {n}; they stay so"), format!("유효한 계약: {n}건, 그대로 유효합니다"));
    let n = said.acts_since;
    if n > 0 {
        line(
            format!("acts that this node signed since then: {n}; they no longer hold before an auditor"),
            format!("그때부터 이 노드가 서명한 행위: {n}건, 감사에서 인정되지 않습니다"),
        );
    }
    line(
        format!(
            "negotiations under way: {}; the other side may refuse them, then ask again",
            said.negotiations.len()
        ),
        format!(
            "진행 중인 협상: {}건, 상대가 거절할 수 있으니 그때는 다시 요청하세요",
            said.negotiations.len()
        ),
    );
    line(
        format!("transfers under way: {}; they go on under the new keys", said.transfers.len()),
        format!("진행 중인 전송: {}건, 새 키로 이어집니다", said.transfers.len()),
    );
    let n = said.datasets.len();
    line(
        format!("datasets offered: {n}; each comes back as its next version, signed anew"),
        format!("제공 중인 데이터셋: {n}개, 다음 판으로 다시 서명됩니다"),
    );
    let who = if said.partners.is_empty() { "-".to_owned() } else { said.partners.join(", ") };
    line(
        format!("partners that are told at the next start: {who}"),
        format!("다음 시작 때 알릴 상대: {who}"),
    );
    line("open tickets no longer work".to_owned(), "열려 있는 티켓은 더는 쓸 수 없습니다".to_owned());
    for row in said.negotiations.iter().chain(&said.transfers) {
        let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(out, "    {} {} {} {}", word("id"), word("state"), word("peer"), word("dataset"));
    }
    if said.done {
        out += &keys_text(&said.keys);
    }
    out
}
