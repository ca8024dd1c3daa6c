//! Vectors of spec chapters 06 and 07: messages, machines, terms, decisions, records and verdicts.

use serde_json::Value;

use super::{Case, each, list, members, outcome, text, whole_file};
use crate::{
    encoding::{digest_text, from_multibase},
    json::Json,
    machine::{Answer, Flow, Incoming, Side},
    messages,
    proposal::{Due, check_decision, check_record, check_terms, first_difference},
    refusal::Refusal,
    report::same,
    verdict::{Parties, Party, Proofs, Refused, Shown, judge},
};

fn json(value: &Value) -> Result<Json, String> {
    Json::from_serde(value).map_err(|error| error.to_string())
}

/// Messages.
pub(super) fn messages(file: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, case) in list(file, "cases").iter().enumerate() {
        let check = || {
            members(case, &["type", "text", "outcome", "changed", "written"])?;
            let kept = messages::read(text(case, "type")?, text(case, "text")?.as_bytes());
            if let Ok(kept) = &kept
                && let Some(written) = case["written"].as_str()
            {
                same("written", &written, &kept.canonical().as_str())?;
            }
            outcome(case, kept)
        };
        let name = format!(
            "{} {index} {}",
            case["type"].as_str().unwrap_or("?"),
            case["changed"].as_str().unwrap_or("")
        );
        cases.push(Case::of(name.trim_end(), check()));
    }
    whole_file(file, &["about", "cases"], cases)
}

/// The arrows of both machines.
pub(super) fn arrows(file: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for flow in [Flow::Negotiation, Flow::Pull] {
        let mut listed = Vec::new();
        for arrow in list(file, flow.family()) {
            let text = |name: &str| arrow[name].as_str().unwrap_or("-").to_owned();
            let act = text("act").replacen(&format!("{}.", flow.family()), "", 1);
            listed.push((text("from"), act, text("by"), text("to")));
        }
        listed.sort();
        let own =
            |a: &(&str, &str, &str, &str)| (a.0.to_owned(), a.1.to_owned(), a.2.to_owned(), a.3.to_owned());
        let mut own: Vec<_> = flow.arrows().iter().map(own).collect();
        own.sort();
        cases.push(Case::of(flow.family(), same("arrows", &listed, &own)));
    }
    whole_file(file, &["about", "negotiation", "transfer"], cases)
}

/// Exchanges, step by step.
pub(super) fn exchanges(file: &Value) -> Vec<Case> {
    whole_file(file, &["about", "cases"], each(file, "cases", exchange))
}

fn exchange(case: &Value) -> Result<(), String> {
    members(case, &["name", "role", "initiator", "flow", "steps"])?;
    let flow = match case["flow"].as_str() {
        None => Flow::Negotiation,
        Some("pull") => Flow::Pull,
        Some("push") => Flow::Push,
        Some(other) => return Err(format!("unknown flow {other}")),
    };
    let mut side = Side::new(flow, text(case, "role")? == "provider", text(case, "initiator")? == "provider");
    for (index, step) in list(case, "steps").iter().enumerate() {
        take(&mut side, step).map_err(|why| format!("step {index}: {why}"))?;
    }
    Ok(())
}

fn take(side: &mut Side, step: &Value) -> Result<(), String> {
    members(
        step,
        &["act", "answer", "do", "late", "other_terms", "outcome", "pending", "prev", "state", "type"],
    )?;
    let late = step["late"].as_bool().ok_or("late")?;
    let label = step["act"].as_str().unwrap_or_default();
    let done = match text(step, "do")? {
        "receive" => side.receive(&Incoming {
            kind: text(step, "type")?,
            label,
            prev: step["prev"].as_str(),
            late,
            other_terms: step["other_terms"].as_bool().ok_or("other_terms")?,
        }),
        "send" => side.send(text(step, "type")?, label, late),
        "answered" => {
            let answer = match text(step, "answer")? {
                "accepted" => Answer::Accepted,
                "refused" => Answer::Refused,
                "lapsed" => Answer::Lapsed,
                "unsettled" => Answer::Unsettled,
                other => return Err(format!("unknown answer {other}")),
            };
            side.answered(label, answer)
        }
        "named" => side.named(label),
        "tick" => {
            side.tick(late);
            Ok(())
        }
        other => return Err(format!("unknown step {other}")),
    };
    same("outcome", &text(step, "outcome")?, &done.map_or_else(|code| code, |()| "accepted"))?;
    same("state", &text(step, "state")?, &side.state().unwrap_or("none"))?;
    same("pending", &step["pending"].as_str(), &side.pending())
}

/// Puts a value at a JSON pointer whose parent is there.
fn put(document: &Value, pointer: &str, value: &Value) -> Result<Value, String> {
    let mut changed = document.clone();
    let (parent, last) = pointer.rsplit_once('/').ok_or("a pointer without /")?;
    match changed.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(last.to_owned(), value.clone());
        }
        Some(Value::Array(items)) => {
            let index: usize = last.parse().map_err(|_| "no index")?;
            *items.get_mut(index).ok_or("no such item")? = value.clone();
        }
        Some(_) | None => return Err(format!("nothing at {parent}")),
    }
    Ok(changed)
}

/// Terms, judged by themselves.
pub(super) fn terms(file: &Value) -> Vec<Case> {
    let whole = || {
        let terms = json(&file["terms"])?;
        same("digest", &text(file, "digest")?, &digest_text(terms.canonical().as_bytes()).as_str())?;
        check_terms(&terms).map_err(String::from)
    };
    let mut cases = vec![Case::of("as they are", whole())];
    for case in list(file, "cases") {
        let check = || {
            members(case, &["at", "clause", "value", "outcome"])?;
            let changed = put(&file["terms"], text(case, "at")?, &case["value"])?;
            outcome(case, check_terms(&json(&changed)?))
        };
        cases
            .push(Case::of(format!("{} {}", case["clause"].as_str().unwrap_or("?"), case["value"]), check()));
    }
    whole_file(file, &["about", "terms", "digest", "cases"], cases)
}

/// The importer's decision.
pub(super) fn decisions(file: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for case in list(file, "cases") {
        let check = || {
            members(case, &["clause", "member", "value", "now", "outcome"])?;
            let pointer = format!("/{}", text(case, "member")?);
            let decision = json(&put(&file["decision"], &pointer, &case["value"])?)?;
            let now = case["now"].as_i64().ok_or("now")?;
            outcome(case, check_decision(&decision, &json(&file["terms"])?, "importer", "negotiation", now))
        };
        cases
            .push(Case::of(format!("{} {}", case["clause"].as_str().unwrap_or("?"), case["value"]), check()));
    }
    whole_file(file, &["about", "terms", "decision", "cases"], cases)
}

/// First differences.
pub(super) fn differences(file: &Value) -> Vec<Case> {
    let cases = each(file, "cases", |case| {
        members(case, &["other", "pointer"])?;
        let found = first_difference(&json(&file["one"])?, &json(&case["other"])?);
        same("pointer", &case["pointer"].as_str(), &found.as_deref())
    });
    whole_file(file, &["about", "one", "cases"], cases)
}

/// The exporter's evaluation record, over the terms of their own file.
pub(super) fn records(file: &Value, terms: &Value) -> Vec<Case> {
    let judge = |bytes: &str| -> Result<Result<(), Refusal>, String> {
        let terms = json(&terms["terms"])?;
        let shared =
            terms.get("shared").map(|shared| digest_text(shared.canonical().as_bytes())).unwrap_or_default();
        let due = Due {
            shared: &shared,
            private: text(file, "private")?,
            packs: terms.list("packs"),
            phase: "negotiation",
            side: "exporter",
        };
        Ok(check_record(bytes.as_bytes(), &due))
    };
    let whole = || {
        let record = text(file, "record")?;
        same("digest", &text(file, "digest")?, &digest_text(record.as_bytes()).as_str())?;
        judge(record)?.map_err(String::from)
    };
    let mut cases = vec![Case::of("as it is", whole())];
    for case in list(file, "cases") {
        let check = || {
            members(case, &["at", "value", "outcome"])?;
            let record: Value =
                serde_json::from_str(text(file, "record")?).map_err(|error| error.to_string())?;
            let changed = json(&put(&record, text(case, "at")?, &case["value"])?)?;
            outcome(case, judge(&changed.canonical())?)
        };
        cases.push(Case::of(format!("{} {}", case["at"].as_str().unwrap_or("?"), case["value"]), check()));
    }
    whole_file(file, &["about", "record", "digest", "private", "cases"], cases)
}

/// What may be concluded about an agreement.
pub(super) fn verdicts(file: &Value) -> Vec<Case> {
    let party = |name: &str| -> Result<Party, String> {
        members(&file[name], &["did", "signing"])?;
        let signing = from_multibase(text(&file[name], "signing")?).ok_or("signing")?;
        Ok(Party { did: text(&file[name], "did")?.to_owned(), signing })
    };
    let parties =
        party("provider").and_then(|provider| Ok(Parties { provider, consumer: party("consumer")? }));
    let parties = match parties {
        Ok(parties) => parties,
        Err(why) => return vec![Case::of("parties", Err(why))],
    };
    let digest = text(file, "payload").map(|payload| digest_text(payload.as_bytes()));
    let digest = digest.and_then(|digest| same("digest", &text(file, "digest")?, &digest.as_str()));
    let mut cases = vec![Case::of("payload", digest)];
    cases.extend(each(file, "cases", |case| {
        members(case, &["name", "agreement", "finalized", "ack", "next", "refusal", "verdict"])?;
        let finalized = shown(&case["finalized"])?;
        let refusal = &case["refusal"];
        let refusal = if refusal.is_null() {
            None
        } else {
            let (act, answer) = (shown_in(refusal)?, text(refusal, "answer")?.as_bytes());
            Some(Refused { act, ack: text(refusal, "ack")?, answer })
        };
        let proofs = Proofs { finalized, ack: case["ack"].as_str(), next: case["next"].as_str(), refusal };
        same("verdict", &text(case, "verdict")?, &judge(&json(&case["agreement"])?, &parties, &proofs))
    }));
    let known = ["about", "cases", "consumer", "provider", "digest", "finalized", "payload"];
    whole_file(file, &known, cases)
}

fn shown(value: &Value) -> Result<Option<Shown<'_>>, String> {
    if value.is_null() { Ok(None) } else { shown_in(value).map(Some) }
}

fn shown_in(value: &Value) -> Result<Shown<'_>, String> {
    Ok(Shown { token: text(value, "token")?, content: text(value, "content")?.as_bytes() })
}
