//! Who a partner is, a person has to say: the fingerprint that was told by telephone comes as an argument, or is compared on
//! the terminal. Where neither can be, nothing is done.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{
    error::{Code, Lang},
    identity::fingerprint,
    ticket::Ticket,
};
use serde_json::Value;

use super::{
    lang::{self, pick},
    words,
};
use crate::control::{self, Failure};

/// The fingerprint that was told of a ticket's issuer.
pub(super) fn of_ticket(ticket: &str, told: Option<String>) -> Result<String, Failure> {
    if let Some(told) = told {
        return Ok(words::to_digits(&told));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let ticket = Ticket::parse(ticket, now).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let who = ticket.peer().participant();
    compare(&who.name, &who.country.to_string(), fingerprint(ticket.peer().did()))
}

/// The fingerprint that was told of a peer that redeemed a ticket of ours.
pub(super) async fn of_peer(dir: &Path, peer: &str, told: Option<String>) -> Result<String, Failure> {
    if let Some(told) = told {
        return Ok(words::to_digits(&told));
    }
    let peers = control::call(dir, "peers", None).await?;
    let word = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rows = peers.as_array().into_iter().flatten();
    let found = rows.find(|row| word(row, "alias") == peer || word(row, "did") == peer);
    let found = found
        .ok_or_else(|| Failure::new(Code::NotPaired, format!("{peer} redeemed no ticket here")).own())?;
    compare(&word(found, "name"), &word(found, "country"), word(found, "fingerprint"))
}

/// Shows who it says it is, and asks whether the partner told the same fingerprint.
fn compare(name: &str, country: &str, fingerprint: String) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let why = match lang::lang() {
            Lang::En => format!("nobody is here to confirm who {name:?} ({country}) is"),
            Lang::Ko => format!("{name:?} ({country}) 가 누구인지 확인할 사람이 없습니다"),
        };
        let hint = pick(
            "Ask the partner for its fingerprint by telephone and pass it with --fingerprint.",
            "상대에게 전화로 지문을 물어 --fingerprint 로 넣으세요.",
        );
        return Err(Failure::new(Code::ArgumentInvalid, why).hint(hint));
    }
    // A name is the partner's own word and could paint over what follows.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let declared = pick("both self-declared", "둘 다 스스로 밝힌 것");
    let question = pick(
        "Did the partner tell you this fingerprint, by telephone or in person? [y/N]",
        "상대가 전화나 대면으로 알려 준 지문과 같습니까? [y/N]",
    );
    let (digits, told) = (pick("fingerprint", "지문"), pick("in words", "낱말로"));
    let words = words::of(&fingerprint);
    eprint!("{name} ({country}; {declared})\n{digits} {fingerprint}\n{told} {words}\n");
    if agrees(question)? {
        return Ok(fingerprint);
    }
    let why = pick(
        "not confirmed; nothing was sent or pinned",
        "확인하지 않았습니다. 보내거나 저장한 것이 없습니다",
    );
    Err(Failure::new(Code::Cancelled, why).hint(pick(
        "Ask the partner for its fingerprint by telephone, then run this again.",
        "상대에게 전화로 지문을 물은 뒤 다시 실행하세요.",
    )))
}

/// Asks on the terminal; whatever is no yes is a no.
pub(super) fn agrees(question: &str) -> Result<bool, Failure> {
    eprint!("{question} ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    read.map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", pick("the terminal", "터미널"))))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "예" | "네"))
}

/// Asks before something that cannot be taken back, which was just shown. Where nobody is here to agree, `look` says what to do;
/// after a no, `again` does.
pub(super) fn before_doing(question: &str, look: &str, again: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let why =
            pick("nobody is here to agree; nothing was done", "동의할 사람이 없어 아무것도 하지 않았습니다");
        return Err(Failure::new(Code::ArgumentInvalid, why).hint(look));
    }
    if agrees(question)? {
        return Ok(());
    }
    Err(Failure::new(Code::Cancelled, pick("nothing was done", "아무것도 하지 않았습니다")).hint(again))
}
