//! Following an exchange to its end, and telling it meanwhile. How an answer becomes text: `text`.

use std::{path::Path, time::Duration};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

pub(super) use super::text::{plain, text};
use super::{
    bar::Bar,
    lang::{self, pick},
    print,
};
use crate::{
    control::{self, Failure},
    node::waits::in_words,
};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The files are there and their receipt is acknowledged.
    Data,
    /// The agreement is in force.
    Agreement,
}

/// Where following leads after a look at an exchange.
#[derive(Debug)]
enum Next {
    /// Look again.
    Wait,
    /// It is over, and the goal is reached.
    Over,
    /// It is over, and why the goal is not reached.
    Failed(Failure),
    /// Nothing more comes by itself.
    Stuck(Failure),
}

/// How a following is told.
#[derive(Debug)]
pub(super) struct Teller {
    json: bool,
    /// Standard output is for the data themselves.
    aside: bool,
    bar: Bar,
}

impl Teller {
    pub(super) fn new(json: bool, aside: bool) -> Self {
        Self { json, aside, bar: Bar::new(json) }
    }

    /// Text as it is.
    pub(super) fn tell(&mut self, text: &str) {
        self.bar.end();
        if self.aside { eprint!("{text}") } else { print!("{text}") }
    }

    /// Prints a line once, until it is another.
    fn say(&mut self, said: &mut String, line: String) {
        if *said != line {
            if !line.is_empty() {
                self.tell(&format!("{line}\n"));
            }
            *said = line;
        }
    }

    /// The last look.
    fn end(&mut self, view: &Value) {
        let said = if self.json { format!("{}\n", print::versioned(view.clone())) } else { text(view) };
        self.tell(&said);
    }

    /// How much is verified, of a transfer that is being received.
    fn progress(&mut self, view: &Value) {
        let number = |name: &str| view.get(name).and_then(Value::as_u64);
        let runs = word(view, "role") == "consumer" && word(view, "state") == "STARTED";
        // A plain partner does not say how much there is; nor can what comes from it be verified.
        let plain = view.get("unsigned") == Some(&Value::Bool(true));
        let total = number("total");
        if let Some(bytes) = number("bytes").filter(|bytes| runs && *bytes > 0 && (plain || total.is_some()))
        {
            let what = if plain { pick("received", "받음") } else { pick("verified", "검증됨") };
            self.bar.show(what, bytes, total);
        }
    }

    /// All that was to come is there, before the next line says so.
    fn whole(&mut self, view: &Value) {
        if let Some(bytes) = view.get("bytes").and_then(Value::as_u64) {
            self.bar.whole(pick("verified", "검증됨"), bytes);
        }
    }
}

/// Follows an exchange to the goal; true if it is reached. Ctrl-c ends only the looking.
pub(super) async fn follow(dir: &Path, first: Value, goal: Goal, json: bool) -> Result<bool, Failure> {
    Ok(follow_with(dir, first, goal, &mut Teller::new(json, false)).await?.is_some())
}

/// The same told otherwise; gives the last look where the goal is reached.
pub(super) async fn follow_with(
    dir: &Path,
    first: Value,
    goal: Goal,
    teller: &mut Teller,
) -> Result<Option<Value>, Failure> {
    let (end, stopped) = tokio::select! {
        end = follow_on(dir, first, goal, teller) => (end.map(Some), false),
        _ = tokio::signal::ctrl_c() => (Ok(None), true),
    };
    teller.bar.end();
    if stopped {
        goes_on(dir, goal);
    }
    end
}

/// What a reader who stops looking has to know.
fn goes_on(dir: &Path, goal: Goal) {
    let dir = dir.display();
    let (goes_on, shows, ends) = (
        pick("the deal goes on in the node", "거래는 노드에서 계속됩니다"),
        pick("shows it", "로 볼 수 있고"),
        pick("ends it", "로 끝낼 수 있습니다"),
    );
    eprintln!("{goes_on}: `naru exchanges --dir {dir}` {shows}, `naru cancel --dir {dir} ID` {ends}");
    if goal == Goal::Data {
        let again = pick(
            "the same command again goes on with it; nothing is signed twice",
            "같은 명령을 다시 실행하면 이어집니다. 두 번 서명하지 않습니다",
        );
        eprintln!("{again}");
    }
}

async fn follow_on(dir: &Path, first: Value, goal: Goal, teller: &mut Teller) -> Result<Value, Failure> {
    let mut view = first;
    let (mut state, mut trouble) = (String::new(), String::new());
    loop {
        if !teller.json {
            teller.whole(&view);
            teller.say(&mut state, state_line(&view));
            teller.say(&mut trouble, trouble_line(&view));
            teller.progress(&view);
        }
        match next(dir, &view, goal) {
            Next::Wait => {}
            Next::Over => {
                teller.end(&view);
                return Ok(view);
            }
            Next::Failed(failure) => {
                teller.end(&view);
                return Err(failure);
            }
            Next::Stuck(failure) => return Err(failure),
        }
        let transfer = word(&view, "other");
        let negotiation = word(&view, "kind") == "negotiation";
        let id = if negotiation && goal == Goal::Data && !transfer.is_empty() {
            transfer
        } else {
            word(&view, "id")
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        view = control::call(dir, "exchange", Some(&json!({"id": id}))).await?;
    }
}

fn word(view: &Value, name: &str) -> String {
    view.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn state_line(view: &Value) -> String {
    let state = word(view, "state").replace("NONE", pick("asked", "요청함"));
    let waits = in_words(&word(view, "waits_for"), lang::lang());
    format!("{} {state} {waits}", word(view, "kind")).trim().to_owned()
}

/// What keeps it from going on while that may pass; what does not pass ends the following and is told there.
fn trouble_line(view: &Value) -> String {
    let Some(trouble) = view.get("trouble").filter(|t| t.get("goes_on") == Some(&Value::Bool(true))) else {
        return String::new();
    };
    let (waits, again) = (pick("waits", "기다림"), pick("tried again by itself", "저절로 다시 시도합니다"));
    let code = word(trouble, "code");
    let hint = Code::parse(&code).map_or("", |code| code.hint(lang::lang()));
    format!("  {waits}: {code}: {}; {again}\n  {hint}", word(trouble, "message")).trim_end().to_owned()
}

fn next(dir: &Path, view: &Value, goal: Goal) -> Next {
    let waits = !word(view, "waits_for").is_empty();
    match word(view, "state").as_str() {
        "TERMINATED" => return Next::Failed(ended(view)),
        // Completed by the other side, and not here.
        "COMPLETED" if !waits && view.get("refusal").is_some_and(Value::is_object) => {
            return Next::Failed(ended(view));
        }
        "COMPLETED" if !waits => return Next::Over,
        "FINALIZED" if goal == Goal::Agreement && !waits => return Next::Over,
        _ => {}
    }
    let Some(trouble) = view.get("trouble").filter(|t| t.is_object()) else { return Next::Wait };
    if trouble.get("goes_on") == Some(&Value::Bool(true)) {
        return Next::Wait;
    }
    let (dir, id) = (dir.display(), word(view, "id"));
    if word(view, "state") == "NONE" {
        // Refused before it began: there is nothing that could be ended.
        return Next::Stuck(told(view, trouble));
    }
    let hint = if word(view, "role") == "consumer" && word(view, "kind") == "transfer"
        || word(view, "state") == "FINALIZED"
    {
        match lang::lang() {
            Lang::En => format!(
                "Mend what it says, then `naru retry --dir {dir} {id}`, with --out FOLDER for another folder."
            ),
            Lang::Ko => format!(
                "적힌 문제를 바로잡은 뒤 `naru retry --dir {dir} {id}` 를 실행하세요. 다른 폴더에 받으려면 --out FOLDER 를 더합니다."
            ),
        }
    } else {
        match lang::lang() {
            Lang::En => {
                format!("`naru exchanges --dir {dir}` shows it; `naru cancel --dir {dir} {id}` ends it.")
            }
            Lang::Ko => {
                format!(
                    "`naru exchanges --dir {dir}` 로 볼 수 있고 `naru cancel --dir {dir} {id}` 로 끝낼 수 있습니다."
                )
            }
        }
    };
    Next::Stuck(told(view, trouble).hint(hint))
}

/// Why an exchange ended before its goal, as the view has it.
pub(super) fn ended(view: &Value) -> Failure {
    let none = Value::Null;
    let refusal = view.get("refusal").filter(|refusal| refusal.is_object()).unwrap_or(&none);
    let reasons = refusal.get("reasons").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<&str> = reasons.filter_map(Value::as_str).collect();
    let message = format!("{} {} ended: {}", word(view, "kind"), word(view, "id"), reasons.join(", "));
    let mut said = refusal.clone();
    if let Some(said) = said.as_object_mut() {
        said.insert("message".to_owned(), message.trim_end_matches(": ").into());
    }
    match word(&said, "code").is_empty() {
        true => Failure::new(Code::Cancelled, "it was ended"),
        false => told(view, &said),
    }
}

/// A failure in the words of the view: code, whose side, what happened, and the rules where it was our law.
fn told(view: &Value, of: &Value) -> Failure {
    let mut failure = Failure {
        code: word(of, "code"),
        side: Some(word(of, "side")),
        ..Failure::new(Code::Internal, word(of, "message"))
    };
    let findings = view.pointer("/decision/explained").and_then(Value::as_array);
    if failure.side.as_deref() == Some("policy") {
        failure.explained = findings.cloned().unwrap_or_default();
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: &str, waits: Value, trouble: Value) -> Value {
        json!({"id": "X", "kind": "transfer", "role": "consumer", "state": state, "waits_for": waits, "trouble": trouble})
    }

    fn trouble(code: &str, goes_on: bool) -> Value {
        json!({"code": code, "side": "store", "message": "/data/got: the disk is full", "goes_on": goes_on})
    }

    #[test]
    fn what_passes_is_said_once_and_waited_for() {
        let here = view("STARTED", json!("us: the data are being fetched"), trouble("disk_full", true));
        assert_eq!(
            trouble_line(&here),
            format!(
                "  waits: disk_full: /data/got: the disk is full; tried again by itself\n  {}",
                Code::DiskFull.hint(Lang::En)
            )
        );
        assert!(matches!(next(Path::new("n"), &here, Goal::Data), Next::Wait));
        let clear = view("STARTED", json!("us: the data are being fetched"), Value::Null);
        assert_eq!(trouble_line(&clear), "");
        assert!(matches!(next(Path::new("n"), &clear, Goal::Data), Next::Wait));
    }

    #[test]
    fn what_does_not_pass_ends_with_its_code_and_what_to_do() {
        let here = view("STARTED", json!("us: the data are being fetched"), trouble("file_unusable", false));
        let Next::Stuck(failure) = next(Path::new("n"), &here, Goal::Data) else {
            panic!("it would wait for ever")
        };
        assert_eq!((failure.code.as_str(), failure.side.as_deref()), ("file_unusable", Some("store")));
        assert!(failure.message.contains("/data/got"));
        assert!(failure.hint.unwrap().contains("naru retry --dir n X"));
    }

    #[test]
    fn the_end_is_the_goal_or_is_not() {
        let over = |state: &str, waits: Value, goal| match next(
            Path::new("n"),
            &view(state, waits, Value::Null),
            goal,
        ) {
            Next::Over => Some(true),
            Next::Failed(failure) => {
                assert_eq!(failure.code, "cancelled");
                Some(false)
            }
            Next::Wait => None,
            Next::Stuck(failure) => panic!("{failure}"),
        };
        assert_eq!(over("COMPLETED", Value::Null, Goal::Data), Some(true));
        assert_eq!(over("COMPLETED", json!("peer: the answer"), Goal::Data), None);
        assert_eq!(over("TERMINATED", Value::Null, Goal::Data), Some(false));
        assert_eq!(over("FINALIZED", Value::Null, Goal::Data), None);
        assert_eq!(over("FINALIZED", Value::Null, Goal::Agreement), Some(true));
    }
}
