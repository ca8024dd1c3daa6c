//! `naru obligations`, `report`, `delete`: what is owed under agreements, and a person's word that it was done. Deleting is said
//! first; then a person agrees on the terminal, or `--yes` did beforehand.

use std::path::PathBuf;

use naru_protocol::{
    encoding::Digest,
    error::{Code, Lang},
};
use serde_json::{Value, json};

use super::{
    args::Dir,
    confirm,
    lang::{self, pick},
    print, seen, show, shown, tell,
};
use crate::control::{self, Failure};

const OBLIGATIONS: &str = "Examples:\n  naru obligations --dir A\n  naru obligations --dir A AGREEMENT --json | \
                           jq '.items[] | select(.state == \"due\")'\n\n\
                           A duty is `open`, `due`, `fulfilled` or `violated`. While one is overdue there is no new deal with that \
                           peer.";
const REPORT: &str = "Examples:\n  naru report --dir A AGREEMENT --obligation KR-ITA-004 --text \"reported to MOTIE, no. 118\"\n  \
                      naru report --dir B AGREEMENT --obligation POST-BRE-001 --event breach --text \"mail server, 12 rows\"\n  \
                      naru report --dir B AGREEMENT --onward-to \"Hanoi Parts\" --country VN --flow-down\n  \
                      naru report --dir A AGREEMENT --event request --text \"please delete\"\n\n\
                      Both sides log it; it attests what you say and proves no more. A file stays here: its digest is sent.";
const DELETE: &str = "Examples:\n  naru delete --dir B AGREEMENT\n  naru delete --dir B AGREEMENT --yes --json\n  \
                      naru delete --dir B AGREEMENT --text \"the changed table was shredded by hand\"\n\n\
                      Only files that are still as they were delivered are deleted. What was changed, moved or copied is left alone \
                      and reported as unknown; --text says what became of it.";

/// List the duties of agreements: who owes what until when, and where it stands.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = OBLIGATIONS)]
pub(super) struct Obligations {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The agreement or its negotiation, as `agreements` prints them; all otherwise.
    #[arg(allow_hyphen_values = true)]
    pub(super) agreement: Option<String>,
}

/// Report that a duty was done, that something happened, or that data were passed on; both sides log it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = REPORT)]
pub(super) struct Report {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The agreement or its negotiation, as `agreements` prints them.
    #[arg(allow_hyphen_values = true)]
    pub(super) agreement: String,
    /// The rule of the duty that was done, as `obligations` prints it.
    #[arg(long, value_name = "RULE", required_unless_present_any = ["event", "onward_to"])]
    pub(super) obligation: Option<String>,
    /// The duty's event, where the rule has several.
    #[arg(long, requires = "obligation")]
    pub(super) after: Option<String>,
    /// Which of them, where the rule has several after one event: its word, as `obligations` prints it.
    #[arg(long, requires = "obligation")]
    pub(super) duty: Option<String>,
    /// What is to be told; the other side reads it.
    #[arg(long, required_unless_present_any = ["file", "event", "onward_to"])]
    pub(super) text: Option<String>,
    /// A document that says it; its digest is sent, the file stays here.
    #[arg(long)]
    pub(super) file: Option<PathBuf>,
    /// Something happened from which duties run, in the word of `after`: breach, request, purpose_end.
    #[arg(long, conflicts_with = "onward_to")]
    pub(super) event: Option<String>,
    /// When that was, seconds since 1970; now otherwise.
    #[arg(long, requires = "event", value_name = "SECONDS")]
    pub(super) happened: Option<u64>,
    /// Data were passed on to this firm.
    #[arg(long, value_name = "NAME", requires = "country")]
    pub(super) onward_to: Option<String>,
    /// The country of that firm, two letters (ISO 3166-1).
    #[arg(long, requires = "onward_to")]
    pub(super) country: Option<String>,
    /// The same duties bind that firm.
    #[arg(long, requires = "onward_to")]
    pub(super) flow_down: bool,
}

/// Delete what was received under an agreement, and attest it to the other side.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = DELETE)]
pub(super) struct Delete {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The agreement or its negotiation, as `agreements` prints them.
    #[arg(allow_hyphen_values = true)]
    pub(super) agreement: String,
    /// What became of files that are not as delivered any more; the other side reads it.
    #[arg(long)]
    pub(super) text: Option<String>,
    /// Do it without asking.
    #[arg(long)]
    pub(super) yes: bool,
}

pub(super) async fn obligations(args: Obligations, json: bool) -> Result<bool, Failure> {
    let found = seen(&args.at.dir, "obligations", Some(&json!({"agreement": args.agreement}))).await?;
    if !json && found.as_array().is_some_and(Vec::is_empty) {
        println!("{}", pick("no agreement puts a duty on anybody", "의무가 있는 계약이 없습니다"));
        return Ok(true);
    }
    shown(&found, json);
    Ok(true)
}

pub(super) async fn report(args: Report, json: bool) -> Result<bool, Failure> {
    let evidence = args.file.as_deref().map(|path| {
        let unusable = |e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display()));
        std::fs::read(path).map(|bytes| Digest::of(&bytes).to_string()).map_err(unusable)
    });
    let onward =
        args.onward_to.map(|to| json!({"to": to, "country": args.country, "flow_down": args.flow_down}));
    let happened = args.event.map(|event| json!({"event": event, "at": args.happened}));
    let request = json!({
        "agreement": args.agreement, "obligation": args.obligation, "after": args.after, "duty": args.duty, "happened": happened,
        "text": args.text.unwrap_or_default(), "evidence": evidence.transpose()?, "onward": onward,
    });
    tell(&args.at.dir, "report", Some(request), json).await
}

pub(super) async fn delete(args: Delete, json: bool) -> Result<bool, Failure> {
    let mut request = json!({"agreement": args.agreement, "text": args.text, "only_say": true});
    if !args.yes {
        let would = control::call(&args.at.dir, "delete", Some(&request)).await?;
        if json {
            print::json_aside(would.clone());
        } else {
            eprint!("{}", show::text(&would));
        }
        agreed(&would)?;
    }
    request["only_say"] = json!(false);
    tell(&args.at.dir, "delete", Some(request), json).await
}

/// Whether the person agrees to what was just shown.
fn agreed(would: &Value) -> Result<(), Failure> {
    let number = |name: &str| would.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (files, bytes) = (number("files"), number("bytes"));
    let question = match lang::lang() {
        Lang::En => format!("Delete these {files} files ({bytes} bytes) for good? [y/N]"),
        Lang::Ko => format!("이 파일 {files}개({bytes}바이트)를 완전히 삭제할까요? [y/N]"),
    };
    confirm::before_doing(
        &question,
        pick(
            "Look at what it would delete, above, and pass --yes.",
            "무엇이 삭제되는지 위에서 확인하고 --yes 를 붙이세요.",
        ),
        pick("Run it again to delete.", "삭제하려면 다시 실행하세요."),
    )
}
