//! `naru queue`, `approve`, `reject`: what waits for a person, and what the person says.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{absolute, args::Dir, lang::pick, print, seen, show, shown, tell};
use crate::control::{self, Failure};

/// Examples that `--help` ends with.
pub(super) const QUEUE: &str =
    "Examples:\n  naru queue --dir A\n  naru queue --dir A --json | jq -r '.items[].id'";
const APPROVE: &str = "Examples:\n  naru approve --dir A ID --by \"Kim Minji\" --note \"asked legal, ticket 1182\"\n  \
                       naru approve --dir B ID --out ./in     (an offer: the files go there)\n  \
                       naru approve --dir B ID --out ./in --declare sensor-series     (an offer of a plain partner)";
const REJECT: &str = "Example:\n  naru reject --dir A ID --reason \"not before the audit in May\"";

/// Let a deal go on that waits for a person.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = APPROVE)]
pub(super) struct Approve {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The id, as `queue` prints it.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: String,
    /// Who approves: stands in the signed decision, which the other side keeps. The name of this account otherwise.
    #[arg(long, env = "NARU_BY")]
    pub(super) by: Option<String>,
    /// For your own log; the other side does not see it.
    #[arg(long)]
    pub(super) note: Option<String>,
    /// Where the files of an offer go: a folder that is new or empty. Without it they are fetched later (`naru retry`).
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
    /// What data that a plain partner offers are, on your own word: a template or a file with facts (JSON).
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) declare: Option<String>,
}

/// Refuse a deal that waits for a person.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = REJECT)]
pub(super) struct Reject {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The id, as `queue` prints it.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: String,
    /// Why; both sides see it.
    #[arg(long)]
    pub(super) reason: String,
    /// Who rejects: stands in your own log. The name of this account otherwise.
    #[arg(long, env = "NARU_BY")]
    pub(super) by: Option<String>,
}

/// The name that stands for the person at the keyboard.
fn name(by: Option<String>) -> String {
    let account = || ["USER", "USERNAME", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    by.or_else(account).filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "operator".to_owned())
}

pub(super) async fn queue(at: Dir, json: bool) -> Result<bool, Failure> {
    let items = seen(&at.dir, "queue", None).await?;
    let duties = owed(control::look(&at.dir, "obligations", Some(&json!({}))).await?.0);
    if json {
        print::json(json!({"items": items, "duties": duties}));
        return Ok(true);
    }
    if items.as_array().is_some_and(Vec::is_empty) && duties.is_empty() {
        println!("{}", pick("nothing waits for a person", "담당자를 기다리는 거래가 없습니다"));
        return Ok(true);
    }
    shown(&items, json);
    if !duties.is_empty() {
        println!("{}", pick("duties that are due:", "이행할 의무:"));
        shown(&Value::from(duties), json);
    }
    Ok(true)
}

/// Duties of ours that are to be done now.
fn owed(duties: Value) -> Vec<Value> {
    let due = |duty: &Value| {
        let state = duty.get("state").and_then(Value::as_str);
        duty.get("ours") == Some(&Value::Bool(true)) && matches!(state, Some("due" | "violated"))
    };
    match duties {
        Value::Array(duties) => duties.into_iter().filter(due).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    }
}

/// What law forbids at the approval is not approved: told with its rules, and the exit code says so.
pub(super) async fn approve(args: Approve, json: bool) -> Result<bool, Failure> {
    let out = args.out.as_deref().map(absolute).transpose()?;
    let facts = super::publish::declared(args.declare.as_deref())?;
    let request = json!({"id": args.id, "by": name(args.by), "note": args.note, "out": out, "facts": facts});
    let view = control::call(&args.at.dir, "approve", Some(&request)).await?;
    shown(&view, json);
    match view.get("refusal") {
        Some(Value::Object(_)) => Err(show::ended(&view)),
        Some(_) | None => Ok(true),
    }
}

pub(super) async fn reject(args: Reject, json: bool) -> Result<bool, Failure> {
    let request = json!({"id": args.id, "by": name(args.by), "reason": args.reason});
    tell(&args.at.dir, "reject", Some(request), json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_owe_and_what_is_done_waits_for_nobody_here() {
        let of = |ours: bool, state: &str| json!({"ours": ours, "state": state});
        let all = json!([of(true, "due"), of(true, "violated"), of(false, "due"), of(true, "open")]);
        assert_eq!(owed(all), [of(true, "due"), of(true, "violated")]);
    }

    #[test]
    fn whoever_is_named_approves() {
        assert_eq!(name(Some("Kim Minji".to_owned())), "Kim Minji");
        assert!(!name(None).trim().is_empty());
        assert_eq!(name(Some(" ".to_owned())), "operator");
    }
}
