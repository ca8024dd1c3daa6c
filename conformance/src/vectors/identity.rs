//! Vectors of spec chapter 02.

use serde_json::Value;

use super::{Case, each, encodings::seed, list, members, outcome, text, whole_file};
use crate::{
    encoding::{did, fingerprint, from_did, from_multibase, from_peer_id, multibase, peer_id},
    identity::{Ring, Ticket, open_statement},
    refusal::Refusal,
    report::same,
};

/// DIDs, peer ids and fingerprints.
pub(super) fn dids(file: &Value) -> Vec<Case> {
    let mut cases = each(file, "good", |case| {
        members(case, &["public", "did", "peer_id", "fingerprint"])?;
        let key = from_multibase(text(case, "public")?).ok_or("public is no key")?;
        let written = did(&key);
        same("did", &text(case, "did")?, &written.as_str())?;
        same("peer id", &text(case, "peer_id")?, &peer_id(&key).as_str())?;
        same("fingerprint", &text(case, "fingerprint")?, &fingerprint(&written).as_str())?;
        same(
            "read back",
            &(Some(key), Some(key)),
            &(from_did(&written), from_peer_id(text(case, "peer_id")?)),
        )
    });
    cases.extend(each(file, "bad", |case| {
        members(case, &["did", "peer_id", "outcome"])?;
        let key = match case["did"].as_str() {
            Some(did) => from_did(did),
            None => from_peer_id(text(case, "peer_id")?),
        };
        outcome(case, key.ok_or_else(|| Refusal::new("key_malformed", "")))
    }));
    whole_file(file, &["about", "good", "bad"], cases)
}

fn root(file: &Value) -> Case {
    let read = || {
        let key = seed(file, "root_seed_hex")?.verifying_key().to_bytes();
        match file["did"].as_str() {
            Some(due) => same("did", &due, &did(&key).as_str()),
            None => Ok(()),
        }
    };
    Case::of("root key", read())
}

/// Participant statements.
pub(super) fn participants(file: &Value) -> Vec<Case> {
    let mut cases = vec![root(file)];
    let due =
        seed(file, "root_seed_hex").map(|key| multibase(&key.verifying_key().to_bytes())).unwrap_or_default();
    cases.extend(each(file, "cases", |case| {
        members(case, &["name", "jws", "outcome"])?;
        let opened = open_statement(text(case, "jws")?);
        if let Ok(statement) = &opened {
            same("iss", &Some(format!("did:key:{due}").as_str()), &statement.text("iss"))?;
        }
        outcome(case, opened)
    }));
    whole_file(file, &["about", "cases", "root_seed_hex"], cases)
}

/// A history of key sets and who may sign after it.
pub(super) fn key_sets(file: &Value) -> Vec<Case> {
    let did = file["did"].as_str().unwrap_or_default();
    let mut ring = Ring::default();
    let mut cases = vec![root(file)];
    for step in list(file, "steps") {
        let check = || {
            members(step, &["name", "jws", "outcome"])?;
            let offered = ring.offer(did, text(step, "jws")?);
            let (code, why) =
                offered.map_or_else(|refusal| (refusal.code, refusal.why), |word| (word, String::new()));
            same("outcome", &text(step, "outcome")?, &code).map_err(|error| format!("{error} {why}"))
        };
        let name = step["name"].as_str().unwrap_or("a step without name").to_owned();
        cases.push(Case::of(name, {
            let mut check = check;
            check()
        }));
    }
    cases.extend(each(file, "queries", |case| {
        members(case, &["min", "now", "number", "outcome"])?;
        let member = |name: &str| case[name].as_i64().ok_or(format!("{name} is no number"));
        outcome(case, ring.signer(member("number")?, member("min")?, member("now")?))
    }));
    whole_file(file, &["about", "did", "root_seed_hex", "steps", "queries"], cases)
}

/// Tickets.
pub(super) fn tickets(file: &Value) -> Vec<Case> {
    let cases = each(file, "cases", |case| {
        members(case, &["name", "now", "ticket", "outcome"])?;
        let now = case["now"].as_i64().ok_or("now")?;
        let parsed = Ticket::parse(text(case, "ticket")?, now);
        if let Ok(ticket) = &parsed {
            let content = crate::encoding::b64url(text(file, "content")?.as_bytes());
            same("content", &format!("naru1{content}").as_str(), &text(case, "ticket")?.trim())?;
            same("did", &text(file, "did")?, &ticket.did.as_str())?;
            same("fingerprint", &text(file, "fingerprint")?, &fingerprint(&ticket.did).as_str())?;
        }
        outcome(case, parsed)
    });
    whole_file(file, &["about", "cases", "content", "did", "fingerprint"], cases)
}
