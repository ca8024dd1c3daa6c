//! `naru events`: follows what happens in the running node, one line an event.

use std::io::Write as _;

use naru_protocol::error::Code;
use serde_json::Value;

use super::{args, print, show};
use crate::control::{self, Failure};

/// What is followed.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  naru events --dir A            one line for each thing that happens, until Ctrl-C\n  \
    naru events --dir A --json     the same as one JSON object a line, with its id\n  \
    naru events --dir A --after ID goes on behind the event with this id, as long as it is kept"
)]
pub(super) struct Events {
    #[command(flatten)]
    pub(super) at: args::Dir,
    /// Begin behind the event with this id, as `--json` prints it.
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<String>,
}

/// Follows until the node stops or Ctrl-C; comes back by itself where it was too slow.
pub(super) async fn run(args: Events, json: bool) -> Result<bool, Failure> {
    let mut last = args.after;
    loop {
        let mut stream = control::events(&args.at.dir, last.as_deref()).await?;
        let mut slow = false;
        loop {
            let event = tokio::select! {
                event = stream.next() => event?,
                _ = tokio::signal::ctrl_c() => return Ok(true),
            };
            let Some((id, event)) = event else { break };
            slow = word(&event, "event") == "slow";
            last = id.clone().or(last);
            let text = if json { print::versioned(with_id(id, event)).to_string() } else { line(&event) };
            if !said(&text)? {
                return Ok(true);
            }
        }
        if !slow {
            return Ok(true);
        }
    }
}

/// Prints a line; false where nobody reads any more, which ends the following.
fn said(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Code::FileUnusable, format!("standard output: {error}"))),
    }
}

fn with_id(id: Option<String>, mut event: Value) -> Value {
    if let (Some(id), Some(members)) = (id, event.as_object_mut()) {
        members.insert("id".to_owned(), Value::from(id));
    }
    event
}

fn word<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An event on one line: its kind, and the rest as `name: value`.
fn line(event: &Value) -> String {
    let rest = event
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| !matches!(name.as_str(), "event" | "at") && !value.is_null());
    let rest: Vec<String> = rest.map(|(name, value)| format!("{name}: {}", show::plain(value))).collect();
    format!("{:<10} {}", word(event, "event"), rest.join("  ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_whatever_a_peer_calls_itself() {
        let event =
            json!({"event": "peer", "at": 1, "peer": "a\nb\u{1b}[2J", "change": "connected", "x": null});
        let line = line(&event);
        assert!(line.starts_with("peer       change: connected  peer: a"), "{line}");
        assert!(!line.chars().any(char::is_control));
        assert_eq!(
            with_id(Some("e-1".into()), json!({"event": "gap"})),
            json!({"event": "gap", "id": "e-1"})
        );
    }
}
