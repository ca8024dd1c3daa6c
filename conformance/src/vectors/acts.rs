//! Vectors of spec chapter 03.

use serde_json::Value;

use super::{Case, each, encodings::seed, list, members, number, outcome, text, whole_file};
use crate::{
    acts::{Act, Answered, Arrival, open_ack, open_token},
    encoding::{digest_text, fixed},
    identity::Ring,
    json::Json,
    report::same,
};

/// Act digests.
pub(super) fn acts(file: &Value) -> Vec<Case> {
    let body = file["body"].as_str().unwrap_or_default();
    let mut cases = vec![Case::of(
        "body",
        same("digest", &file["body_digest"].as_str(), &Some(&digest_text(body.as_bytes()))),
    )];
    cases.extend(each(file, "cases", |case| {
        members(case, &["name", "act", "canonical", "digest"])?;
        let json = Json::from_serde(&case["act"]).map_err(|error| error.to_string())?;
        same("canonical", &text(case, "canonical")?, &json.canonical().as_str())?;
        same("digest", &text(case, "digest")?, &digest_text(json.canonical().as_bytes()).as_str())?;
        let member = |name: &str| json.text(name).unwrap_or_default().to_owned();
        let id = |name: &str| fixed::<16>(&member(name)).ok_or(format!("{name} is no id"));
        let mut act = Act {
            msg: id("msg")?,
            iss: member("iss"),
            aud: member("aud"),
            exchange: id("exchange")?,
            method: member("method"),
            path: member("path"),
            body: body.as_bytes().to_vec(),
            prev: json.text("prev").map(str::to_owned),
        };
        // The only other content in these cases is none.
        if json.text("body") == Some(&digest_text(b"")) {
            act.body.clear();
        }
        same("digest of the act", &text(case, "digest")?, &act.digest().as_str())
    }));
    whole_file(file, &["about", "body", "body_digest", "cases"], cases)
}

fn ring(file: &Value) -> Result<Ring, String> {
    let mut ring = Ring::default();
    for set in list(file, "key_sets") {
        ring.offer(text(file, "peer")?, set.as_str().unwrap_or_default())?;
    }
    Ok(ring)
}

/// Tokens.
pub(super) fn tokens(file: &Value) -> Vec<Case> {
    let ring = match ring(file) {
        Ok(ring) => ring,
        Err(why) => return vec![Case::of("key sets", Err(why))],
    };
    let mut cases = vec![Case::of("seed", seed(file, "signing_seed_hex").map(|_| ()))];
    cases.extend(each(file, "cases", |case| {
        members(case, &["name", "token", "me", "now", "min", "method", "path", "body", "outcome"])?;
        let arrival = Arrival {
            me: text(case, "me")?,
            now: case["now"].as_i64().ok_or("now")?,
            method: text(case, "method")?,
            path: text(case, "path")?,
            body: text(case, "body")?.as_bytes(),
        };
        let min = case["min"].as_i64().ok_or("min")?;
        outcome(case, open_token(text(case, "token")?, text(file, "peer")?, &ring, min, &arrival))
    }));
    whole_file(file, &["about", "peer", "key_sets", "signing_seed_hex", "cases"], cases)
}

/// Acknowledgements, under the key sets of the tokens' file.
pub(super) fn acks(file: &Value, tokens: &Value) -> Vec<Case> {
    let ring = match ring(tokens) {
        Ok(ring) => ring,
        Err(why) => return vec![Case::of("key sets", Err(why))],
    };
    let cases = each(file, "cases", |case| {
        members(case, &["name", "ack", "status", "answer", "outcome"])?;
        let due = Answered {
            me: text(file, "me")?,
            peer: text(file, "peer")?,
            act: text(file, "act")?,
            status: u16::try_from(number(case, "status")?).map_err(|_| "status")?,
            answer: text(case, "answer")?.as_bytes(),
            now: file["now"].as_i64().ok_or("now")?,
        };
        outcome(case, open_ack(text(case, "ack")?, &ring, 1, &due))
    });
    whole_file(file, &["about", "act", "me", "now", "peer", "cases"], cases)
}
