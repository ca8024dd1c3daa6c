//! What the cases are made of: operators, documents, lines, and what a reader says of them.

use naru_protocol::{
    encoding::{Digest, to_base64url},
    error::Code,
    json, limits,
    supply::{self, PackSet, Signed, SignedData, Signers},
};
use serde_json::{Value, json};

use crate::vectors::{NOW, key, public};

/// When the documents were made.
pub(crate) const MADE: u64 = NOW - 3_600;
/// When their time is over.
pub(crate) const END: u64 = NOW + 30 * 86_400;
pub(crate) const PACKS: &str = "dxp-packs+jws";
pub(crate) const DATA: &str = "dxp-data+jws";

/// Seeds of signers, and how many are needed.
type Few = (&'static [u8], usize);

/// The operators of the vectors: name, seeds of the signers of packs and of data, with their thresholds.
const OPERATORS: [(&str, Few, Few); 4] = [
    ("one signer", (&[51], 1), (&[61], 1)),
    ("two of three", (&[51, 52, 53], 2), (&[61, 62], 1)),
    ("all of three", (&[51, 52, 53], 3), (&[61, 62], 2)),
    ("nobody", (&[], 0), (&[], 0)),
];

pub(crate) fn operators() -> Value {
    let of = |(seeds, threshold): Few| {
        let keys: Vec<Value> = seeds.iter().map(|n| json!(public(*n))).collect();
        json!({"keys": keys, "threshold": threshold})
    };
    let all = OPERATORS
        .iter()
        .map(|(name, packs, data)| ((*name).to_owned(), json!({"packs": of(*packs), "data": of(*data)})));
    Value::Object(all.collect())
}

/// Who may sign this at an operator's.
pub(crate) fn signers(operator: &str, typ: &str) -> Signers {
    let (_, packs, data) = OPERATORS.iter().find(|(name, ..)| *name == operator).unwrap();
    let (seeds, threshold) = if typ == PACKS { packs } else { data };
    Signers { keys: seeds.iter().map(|n| public(*n)).collect(), threshold: *threshold }
}

/// A document as it is opened.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) operator: &'static str,
    pub(crate) now: u64,
    /// The type that it is read as.
    pub(crate) typ: &'static str,
    pub(crate) jws: String,
    /// `None`: accepted.
    pub(crate) due: Option<Code>,
}

impl Case {
    /// What the crate says, where that is not what is due.
    pub(crate) fn wrong(&self) -> Option<String> {
        let found = open(&self.jws, self.operator, self.typ, self.now).err();
        (found != self.due).then(|| format!("{}: {} and not {}", self.name, word(found), word(self.due)))
    }

    pub(crate) fn written(&self) -> Value {
        json!({
            "name": self.name, "operator": self.operator, "now": self.now, "as": as_of(self.typ),
            "jws": self.jws, "outcome": word(self.due),
        })
    }
}

pub(crate) fn as_of(typ: &str) -> &'static str {
    if typ == PACKS { "packs" } else { "data" }
}

/// What stands in the vectors as `outcome`.
pub(crate) fn word(refused: Option<Code>) -> &'static str {
    refused.map_or("accepted", Code::as_str)
}

/// Opens a text as one type or the other; only whether it opens.
pub(crate) fn open(text: &str, operator: &str, typ: &str, now: u64) -> Result<(), Code> {
    let signers = signers(operator, typ);
    let signed = read(text)?;
    let opened = if typ == PACKS {
        signed.open::<PackSet>(&signers, now).map(|_| ())
    } else {
        signed.open::<SignedData>(&signers, now).map(|_| ())
    };
    opened.map_err(|error| error.code())
}

pub(crate) fn read(text: &str) -> Result<Signed, Code> {
    supply::parse(text.as_bytes(), limits::SUPPLY_FILE).map_err(|error| error.code())
}

pub(crate) fn pack(name: &str, revision: &str, bytes: &str) -> Value {
    json!({"digest": Digest::of(bytes.as_bytes()), "name": name, "revision": revision})
}

/// The set of most cases.
pub(crate) fn set() -> Value {
    json!({
        "expires_at": END, "issued_at": MADE, "number": 3, "v": 1,
        "packs": [pack("core", "2026-01-01.4", "core 4"), pack("kr", "2026-01-01.4", "kr 4")],
    })
}

/// The list of most cases.
pub(crate) fn list() -> Value {
    json!({
        "entries": [{"did": crate::vectors::did(200)}, {"name": "Harbour Shell Ltd", "since": "2025-10-01"}],
        "expires_at": END, "issued_at": MADE, "kind": "sanctions", "number": 7, "v": 1,
    })
}

/// A document with some members replaced; `null` drops one.
pub(crate) fn with(mut document: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members") };
    for (name, value) in members {
        if value.is_null() {
            document.as_object_mut().unwrap().remove(&name);
        } else {
            document[name] = value;
        }
    }
    document
}

pub(crate) fn canonical(document: &Value) -> Vec<u8> {
    json::canonical(document).unwrap()
}

/// The header of a line of key `n`.
pub(crate) fn header(n: u8, typ: &str) -> Value {
    json!({"alg": "Ed25519", "kid": public(n), "ks": 0, "typ": typ})
}

/// A line with any header bytes, signed by key `n` over any payload.
pub(crate) fn raw_line(header: &[u8], payload: &[u8], n: u8) -> Value {
    let protected = to_base64url(header);
    let input = format!("{protected}.{}", to_base64url(payload));
    json!({"protected": protected, "signature": to_base64url(&key(n).sign(input.as_bytes()))})
}

pub(crate) fn line(n: u8, typ: &str, payload: &[u8]) -> Value {
    raw_line(&canonical(&header(n, typ)), payload, n)
}

pub(crate) fn text(payload: &[u8], lines: &[Value]) -> String {
    json!({"payload": to_base64url(payload), "signatures": lines}).to_string()
}

/// Any payload under lines of these keys.
pub(crate) fn signed_bytes(typ: &str, payload: &[u8], seeds: &[u8]) -> String {
    text(payload, &seeds.iter().map(|n| line(*n, typ, payload)).collect::<Vec<_>>())
}

pub(crate) fn signed(typ: &str, document: &Value, seeds: &[u8]) -> String {
    signed_bytes(typ, &canonical(document), seeds)
}
