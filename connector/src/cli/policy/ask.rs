//! Reads a question, asks, and says what came of it. Files are read within limits, and strictly: a member that is given
//! twice, a number that is no integer, or more than a policy input may hold is an error with a code and never an answer.

use std::{fs::File, io::Read as _, path::Path, time::SystemTime};

use naru_policy::{
    Engine, Evaluation, Parts, ResultDoc, Side, assemble, document_digest,
    odrl::{self, Interpreter, Normal},
    split,
};
use naru_protocol::{error::Code, json as strict};
use serde_json::{Value, json};

use super::{Eval, Odrl, Rules, When};
use crate::{control::Failure, node::load_packs, remedies};

/// What the rules say, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    Deny,
    Undetermined,
}

/// An answer with all that is told of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) phase: String,
    pub(super) side: String,
    pub(super) at: u64,
    pub(super) result: ResultDoc,
    pub(super) explained: Vec<Value>,
    /// What is told of this question alone.
    pub(super) more: Value,
}

/// A document of facts and the point at which it is asked about.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) facts: Value,
    pub(super) phase: String,
    pub(super) side: Side,
    pub(super) at: u64,
}

pub(super) fn eval(args: &Eval) -> Result<Answer, Failure> {
    let question = question(&args.when)?;
    let engine = engine_for(&packs()?, &question.facts);
    let (input, Parts { shared, left_out, .. }) = input(&engine, &question)?;
    let more = json!({
        "shared_digest": document_digest(&shared), "left_out": left_out,
        "assume_unverified": args.when.assume_unverified,
    });
    let result = decided(engine.evaluate(&input))?;
    Ok(answer(&engine, result, &question, Some(&input), more))
}

/// What the packs are asked about, as this side would be, and the parts that it was put together from.
pub(super) fn input(engine: &Engine, question: &Question) -> Result<(Value, Parts), Failure> {
    let parts = split(engine.packs(), &question.facts, question.side).map_err(|e| malformed(&e))?;
    let input = assemble(engine.packs(), &parts.shared, &parts.private, &parts.host);
    Ok((input.map_err(|e| malformed(&e))?, parts))
}

pub(super) fn odrl(args: &Odrl) -> Result<Answer, Failure> {
    let offer = read(&args.policy)?;
    let offer: Normal = odrl::normalise(&offer).map_err(|refusal| {
        Failure::new(Code::ArgumentInvalid, format!("{}: {refusal}", args.policy.display()))
    })?;
    let question = question(&args.when)?;
    let interpreter = Interpreter::load().map_err(|e| Failure::new(Code::PolicyBroken, e.to_string()))?;
    let outcome = interpreter.evaluate(&offer, &question.facts).map_err(|e| malformed(&e))?;
    let warnings: Vec<Value> = offer
        .warnings
        .iter()
        .map(|warning| json!({"pointer": warning.pointer, "en": warning.text.en, "ko": warning.text.ko}))
        .collect();
    let more = json!({
        "hypothetical": offer.hypothetical, "assume_unverified": args.when.assume_unverified, "warnings": warnings,
        "policy": offer.document, "policy_digest": document_digest(&offer.document),
    });
    Ok(answer(interpreter.engine(), decided(outcome)?, &question, None, more))
}

pub(super) fn decided(outcome: Evaluation) -> Result<ResultDoc, Failure> {
    match outcome {
        Evaluation::Decided(result) => Ok(result),
        Evaluation::Broken { code, reason } => {
            Err(Failure::new(Code::parse(code.as_str()).unwrap_or(Code::PolicyBroken), reason))
        }
    }
}

pub(super) fn decision(result: &ResultDoc) -> Decision {
    let holds = result.allows() || result.visible == Some(true);
    match (holds, result.deny.is_empty()) {
        (true, _) => Decision::Allow,
        (false, true) => Decision::Undetermined,
        (false, false) => Decision::Deny,
    }
}

pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Exporter => "exporter",
        Side::Importer => "importer",
    }
}

/// Remedies are checked over `input`, where there is one.
fn answer(
    engine: &Engine,
    result: ResultDoc,
    question: &Question,
    input: Option<&Value>,
    more: Value,
) -> Answer {
    let mut explained = remedies::explained(engine, &result);
    if let Some(input) = input {
        remedies::check(engine, input, &result, &mut explained);
    }
    let (phase, at, side) = (question.phase.clone(), question.at, side_word(question.side).to_owned());
    Answer { decision: decision(&result), phase, side, at, result, explained, more }
}

/// Reads the facts and settles phase, side and time: the command line goes before the document, and nothing is guessed.
pub(super) fn question(when: &When) -> Result<Question, Failure> {
    let mut facts = read(&when.facts)?;
    if facts.get("assume_unverified").is_some() {
        let why =
            "assume_unverified: said on the command line, where the answer shows it, and never in the facts";
        return Err(Failure::new(Code::PolicyInput, why));
    }
    let wrong = |name: &str, flag: &str| {
        let why = format!("{name}: neither {flag} nor the facts say it in a form that is understood");
        Failure::new(Code::ArgumentInvalid, why)
    };
    let said = |given: &Option<String>, name: &str| {
        given.clone().or_else(|| facts.get(name).and_then(Value::as_str).map(str::to_owned))
    };
    let phase = said(&when.phase, "phase")
        .filter(|phase| ["catalog", "negotiation", "transfer", "monitor"].contains(&phase.as_str()))
        .ok_or_else(|| wrong("phase", "--phase"))?;
    let side = match said(&when.side, "side").as_deref() {
        Some("exporter") => Side::Exporter,
        Some("importer") => Side::Importer,
        _ => return Err(wrong("side", "--side")),
    };
    let at = when.at.or_else(|| facts.get("now").and_then(Value::as_u64));
    let at = at.filter(|at| *at <= naru_policy::limits::INTEGER).ok_or_else(|| wrong("now", "--at"))?;
    facts["assume_unverified"] = json!(when.assume_unverified);
    facts["phase"] = json!(phase);
    facts["side"] = json!(side_word(side));
    facts["now"] = json!(at);
    Ok(Question { facts, phase, side, at })
}

/// One JSON object from a file, within the limits of a policy input.
pub(super) fn read(path: &Path) -> Result<Value, Failure> {
    let unusable = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display()));
    let malformed = |why: String| Failure::new(Code::PolicyInput, format!("{}: {why}", path.display()));
    let limit = naru_policy::limits::INPUT_BYTES;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unusable)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unusable)?;
    if bytes.len() > limit {
        return Err(malformed(format!("more than {limit} bytes")));
    }
    let value = strict::parse(&bytes).map_err(|e| malformed(e.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(malformed("not a JSON object".to_owned())) }
}

fn malformed(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Code::PolicyInput, error.to_string())
}

/// All packs.
pub(super) fn packs() -> Result<Engine, Failure> {
    load_packs().map_err(|e| Failure::new(Code::PolicyBroken, e.to_string()))
}

/// The packs of the parties' countries; all of them where a country is not known, so that none is left out by not saying it.
pub(super) fn engine_for(packs: &Engine, facts: &Value) -> Engine {
    let country = |party: &str| {
        let said = facts.pointer(&format!("/{party}/country")).and_then(Value::as_str);
        said.filter(|code| crate::node::country::is_assigned(code))
    };
    let packs = packs.for_facts(facts);
    match (country("provider"), country("consumer")) {
        (Some(provider), Some(consumer)) => packs.for_countries(&[provider, consumer]),
        (None, _) | (_, None) => packs,
    }
}

/// Every rule of every pack, with whether it is live on a day.
pub(super) fn rules(args: &Rules) -> Result<Value, Failure> {
    let at = match &args.date {
        Some(text) => day("--date", text)?,
        None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let engine = packs()?;
    let mut listed: Vec<Value> = Vec::new();
    for pack in engine.for_facts(&Value::Null).packs() {
        listed.extend(pack.rules.iter().map(|(id, rule)| {
            let live = rule.in_force.from <= at && rule.in_force.to.is_none_or(|to| at < to);
            let both = |text: &naru_policy::Text| json!({"en": text.en, "ko": text.ko});
            json!({
                "id": id, "pack": pack.name, "jurisdiction": pack.jurisdiction, "live": live,
                "in_force": {"from": rule.in_force.from, "to": rule.in_force.to},
                "title": both(&rule.title), "law": both(&rule.law), "article": rule.article,
                "phases": rule.phases, "evaluator": evaluator(rule.evaluator),
            })
        }));
    }
    let live = listed.iter().filter(|rule| rule["live"] == true).count();
    Ok(json!({"at": at, "rules": listed, "live": live, "all": listed.len()}))
}

fn evaluator(of: naru_policy::Evaluator) -> &'static str {
    match of {
        naru_policy::Evaluator::Exporter => "exporter",
        naru_policy::Evaluator::Importer => "importer",
        naru_policy::Evaluator::Both => "both",
    }
}

/// A day or time of the command line, in seconds.
pub(super) fn day(flag: &str, text: &str) -> Result<u64, Failure> {
    date(text).ok_or_else(|| {
        let why = format!("{flag} {text}: neither a day as 2026-12-01, a time with its zone, nor seconds");
        Failure::new(Code::ArgumentInvalid, why)
    })
}

fn date(text: &str) -> Option<u64> {
    let seconds = || text.parse().ok().filter(|at: &u64| *at <= naru_policy::limits::INTEGER);
    odrl::instant(&format!("{text}T00:00:00Z")).or_else(|| odrl::instant(text)).or_else(seconds)
}
