//! The content of a message as evidence holds it: without what opens anything (spec chapter 13, PLN-2.6 and PLN-3.1).
//!
//! The messages of peers that sign nothing carry secrets: the base that a callback address is, and the token of a data address.
//! A log is given to auditors and kept for years, so that its entries name, and its exports hold, the content without them.

use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
    vec::Vec,
};

use serde_json::Value;

use crate::json;

/// What stands in place of a value that opens something.
pub const WITHHELD: &str = "withheld";
/// Names of endpoint properties that open nothing, in the short spelling.
const OPEN: [&str; 4] = ["endpoint", "endpointType", "authType", "baseUrl"];
/// The long spelling of connectors that know only that.
const LONG: &str = "https://w3id.org/edc/v0.0.1/ns/";

/// The content of a message without its secrets; the very bytes where it has none.
#[must_use]
pub fn shown(content: &[u8]) -> Cow<'_, [u8]> {
    let Ok(mut message) = json::parse_lenient(content) else { return Cow::Borrowed(content) };
    let callback = message.get_mut("callbackAddress").is_some_and(|url| cut(url, origin));
    let address = message.get_mut("dataAddress").is_some_and(address);
    if callback || address {
        Cow::Owned(json::canonical(&message).unwrap_or_else(|_| message_bytes(&message)))
    } else {
        Cow::Borrowed(content)
    }
}

/// Numbers that have no canonical form stand in members that no message of DSP has.
fn message_bytes(message: &Value) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Cuts a text to a part of it; whether that changed anything.
fn cut(value: &mut Value, part: impl Fn(&str) -> &str) -> bool {
    let Some(text) = value.as_str() else { return false };
    let kept = part(text);
    if kept.len() == text.len() {
        return false;
    }
    *value = Value::String(kept.to_owned());
    true
}

/// Scheme, host and port of a URL; all of what is none.
fn origin(url: &str) -> &str {
    let Some(start) = url.find("://").map(|at| at + 3) else { return url };
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

/// A URL without its query, which may be a signature over the rest.
fn plain(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn address(address: &mut Value) -> bool {
    let mut changed = address.get_mut("endpoint").is_some_and(|url| cut(url, plain));
    let properties = address.get_mut("endpointProperties").and_then(Value::as_array_mut);
    for property in properties.into_iter().flatten() {
        let name = property.get("name").and_then(Value::as_str).unwrap_or_default();
        let open = OPEN.contains(&name.strip_prefix(LONG).unwrap_or(name));
        let Some(value) = property.get_mut("value") else { continue };
        if open {
            changed |= cut(value, plain);
        } else if value != WITHHELD {
            *value = Value::String(String::from(WITHHELD));
            changed = true;
        }
    }
    changed
}
