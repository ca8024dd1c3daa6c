//! A message to or from a peer that signs nothing, as the log names it (spec chapter 13, PLN-3).
//!
//! Its digest says which bytes went which way in which exchange, by the word of the log's owner alone.

use alloc::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    act::{Method, Path},
    encoding::{Digest, Id},
    json::{self, JsonError, V1},
};

/// What was sent or received. Other members than those of [`crate::act::Act`], so that one never has the digest of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainAct {
    /// Version.
    pub v: V1,
    /// Drawn by whoever keeps the log, for either direction: a plain message has no id that its peer must keep unique.
    pub msg: Id,
    /// Participant id of the sender.
    pub from: String,
    /// Participant id of the receiver.
    pub to: String,
    /// The exchange, named by whoever keeps the log.
    pub exchange: Id,
    /// Method.
    pub method: Method,
    /// Request target after the base of the binding, without the secret part of a base.
    pub path: Path,
    /// Digest of the content as it is [`recorded`].
    pub body: Digest,
}

impl PlainAct {
    /// What entries name: SHA-256 over the canonical form.
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }
}

/// Names of endpoint properties whose values are no secrets, after the last `/`.
const OPEN: [&str; 7] = ["endpoint", "endpointType", "authType", "baseUrl", "type", "method", "authKey"];
/// What stands in the place of a secret.
const CUT: &str = "…";

/// The content of a message as the log commits to it and evidence shows it (`[PLN-3.4]`): of a callback address the scheme and
/// the authority, of a data address no query and no value that could open anything. Content without them is recorded as it is.
#[must_use]
pub fn recorded(content: &[u8]) -> Vec<u8> {
    let Ok(mut value) = json::parse_lenient(content) else { return content.to_vec() };
    let before = value.clone();
    if let Some(Value::String(address)) = value.get_mut("callbackAddress") {
        *address = origin(address);
    }
    if let Some(address) = value.get_mut("dataAddress") {
        without_secrets(address);
    }
    if value == before {
        return content.to_vec();
    }
    json::canonical(&value).unwrap_or_else(|_| CUT.as_bytes().to_vec())
}

fn origin(url: &str) -> String {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(authority..).unwrap_or_default();
    match rest.find(['/', '?', '#']) {
        Some(path) => format!("{}/{CUT}", url.get(..authority + path).unwrap_or_default()),
        None => String::from(url),
    }
}

fn without_query(url: &str) -> String {
    match url.find(['?', '#']) {
        Some(at) => format!("{}?{CUT}", url.get(..at).unwrap_or_default()),
        None => String::from(url),
    }
}

fn without_secrets(address: &mut Value) {
    if let Some(Value::String(endpoint)) = address.get_mut("endpoint") {
        *endpoint = without_query(endpoint);
    }
    let Some(Value::Array(properties)) = address.get_mut("endpointProperties") else { return };
    for property in properties {
        let name = property.get("name").and_then(Value::as_str).unwrap_or_default();
        let open = name.rsplit('/').next().is_some_and(|name| OPEN.contains(&name));
        match property.get_mut("value") {
            Some(Value::String(value)) if open => *value = without_query(value),
            Some(value) => *value = Value::from(CUT),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use serde_json::json;

    use super::*;

    /// PLN-3.4
    #[test]
    fn secrets_are_not_recorded_and_all_else_is() {
        let of = |value: &Value| -> Value {
            serde_json::from_slice(&recorded(value.to_string().as_bytes())).unwrap()
        };
        let request = json!({"callbackAddress": "https://h:1/dsp/secret/2025-1", "offer": {"@id": "o"}});
        assert_eq!(of(&request), json!({"callbackAddress": "https://h:1/…", "offer": {"@id": "o"}}));
        let property = |name: &str, value: &str| json!({"name": name, "value": value});
        let start = json!({"dataAddress": {"endpoint": "https://h/data/1?sig=x", "endpointProperties": [
            property("authorization", "t"), property("https://w3id.org/edc/v0.0.1/ns/authCode", "t"),
            property("https://w3id.org/edc/v0.0.1/ns/endpoint", "https://h/data/1?sig=x"), property("authType", "bearer"),
            property("custom", "s")]}});
        let shown = of(&start);
        assert_eq!(shown["dataAddress"]["endpoint"], json!("https://h/data/1?…"));
        let values: Vec<_> = shown["dataAddress"]["endpointProperties"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["value"])
            .collect();
        assert_eq!(values, ["…", "…", "https://h/data/1?…", "bearer", "…"]);
        // What holds none is recorded byte for byte, also what is no JSON.
        for plain in [&b"{ \"a\": 1 }"[..], b"<html>", b""] {
            assert_eq!(recorded(plain), plain);
        }
        assert_eq!(
            recorded(b"{\"callbackAddress\": \"https://h\"}"),
            b"{\"callbackAddress\": \"https://h\"}"
        );
    }
}
