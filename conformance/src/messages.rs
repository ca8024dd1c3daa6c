//! Messages of the Dataspace Protocol and of the profile: reads content as one type and gives what an implementation
//! keeps of it (spec chapters 04, 06 and 07). Shapes only; what is legal now is [`crate::machine`].
//!
//! A table of shapes rather than types: the suite must be able to say of any bytes whether they are a message, and
//! nothing here is shared with a serializer that an implementation might use.

use std::collections::BTreeMap;

use crate::{
    encoding::{fixed, from_b64url, from_did},
    json::Json,
    refusal::{Refusal, ensure},
};

mod shapes;

/// The context of every message.
pub const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";
/// Longest text of identifiers, addresses, actions and operands.
const TEXT: usize = 2_048;
/// Most items of a list.
const ITEMS: usize = 1_024;

/// What a value must look like.
enum Shape {
    /// Anything, kept as it is.
    Any,
    /// Anything that may be hashed, kept as it is.
    Hashed,
    /// A text of 1 to 2048 bytes.
    Text,
    /// A text of at most so many bytes, empty or not.
    Short(usize),
    /// One of some texts.
    Word(&'static [&'static str]),
    /// The number 1.
    One,
    /// An integer of at least so much.
    Integer(i64),
    /// `true` or `false`.
    Bool,
    /// A digest.
    Digest,
    /// A `did:key`.
    Did,
    /// Base64url.
    Base64,
    /// A time as `2026-11-23T13:16:52Z`.
    Time,
    /// The shape, or null.
    Nullable(&'static Self),
    /// A list of a shape, with so many items at least and at most; more are `too_large` if the flag says so.
    List(&'static Self, usize, usize, bool),
    /// An object.
    Object(&'static Members),
    /// What peers say for people: at most 16 items, those that cannot be written again left out (ENC-3.7).
    Reasons,
    /// An object that a digest rests on: checked, and kept whole.
    Whole(&'static Members),
    /// Either of two.
    Either(&'static Self, &'static Self),
    /// A rule operand: text, list or object.
    Operand,
    /// A constraint: one comparison or exactly one logical operand.
    Constraint,
}

/// The members of an object.
struct Members {
    required: &'static [(&'static str, Shape)],
    optional: &'static [(&'static str, Shape)],
    /// Members that may not stand here.
    forbidden: &'static [&'static str],
    /// Whether any other member is refused rather than dropped.
    closed: bool,
}

fn bad<T>(what: &str) -> Result<T, Refusal> {
    Err(Refusal::malformed(what))
}

impl Shape {
    /// Checks a value and gives what is kept of it.
    fn read(&self, value: &Json, at: &str) -> Result<Json, Refusal> {
        let keep = |fits: bool| if fits { Ok(value.clone()) } else { bad(at) };
        match self {
            Self::Any => Ok(value.clone()),
            Self::Hashed => ensure(value.hashable(), "bad_number", at).map(|()| value.clone()),
            Self::Text => match value.as_text() {
                Some(text) if !text.is_empty() => {
                    ensure(text.len() <= TEXT, "too_large", at).map(|()| value.clone())
                }
                Some(_) | None => bad(at),
            },
            Self::Short(limit) => match value.as_text() {
                Some(text) => ensure(text.len() <= *limit, "too_large", at).map(|()| value.clone()),
                None => bad(at),
            },
            Self::Word(words) => keep(value.as_text().is_some_and(|text| words.contains(&text))),
            Self::One => keep(*value == Json::Integer(1)),
            Self::Integer(least) => keep(matches!(value, Json::Integer(number) if number >= least)),
            Self::Bool => keep(matches!(value, Json::Bool(_))),
            Self::Digest => keep(value.as_text().is_some_and(|text| fixed::<32>(text).is_some())),
            Self::Did => keep(value.as_text().is_some_and(|text| from_did(text).is_some())),
            Self::Base64 => keep(value.as_text().is_some_and(|text| from_b64url(text).is_some())),
            Self::Time => keep(value.as_text().is_some_and(|text| seconds_of(text).is_some())),
            Self::Nullable(inner) => {
                if *value == Json::Null {
                    Ok(Json::Null)
                } else {
                    inner.read(value, at)
                }
            }
            Self::List(inner, least, most, large) => list(inner, value, at, (*least, *most, *large)),
            Self::Reasons => {
                let Json::List(items) = value else { return bad(at) };
                let kept: Vec<Json> = items.iter().filter(|item| item.hashable()).cloned().collect();
                ensure(kept.len() <= 16, "too_large", at).map(|()| Json::List(kept))
            }
            Self::Object(members) => members.read(value, at),
            Self::Whole(members) => {
                ensure(value.hashable(), "bad_number", at)?;
                members.read(value, at).map(|_| value.clone())
            }
            Self::Either(one, other) => one.read(value, at).or_else(|_| other.read(value, at)),
            Self::Operand => {
                keep(matches!(value, Json::Text(_) | Json::List(_) | Json::Object(_)) && value.hashable())
            }
            Self::Constraint => constraint(value, at),
        }
    }
}

fn list(inner: &Shape, value: &Json, at: &str, limits: (usize, usize, bool)) -> Result<Json, Refusal> {
    let Json::List(items) = value else { return bad(at) };
    let (least, most, large) = limits;
    ensure(items.len() >= least, "malformed", at)?;
    ensure(items.len() <= most, if large { "too_large" } else { "malformed" }, at)?;
    let read = |(index, item)| inner.read(item, &format!("{at}/{index}"));
    items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Json::List)
}

/// NEG-2.5: one comparison or exactly one of the logical operands.
fn constraint(value: &Json, at: &str) -> Result<Json, Refusal> {
    let keys = value.keys();
    let logical: Vec<&str> = keys.iter().copied().filter(|key| shapes::LOGICAL.contains(key)).collect();
    let compares = keys.iter().any(|key| ["leftOperand", "operator", "rightOperand"].contains(key));
    match (logical.as_slice(), compares) {
        ([], true) => Shape::Object(&shapes::COMPARISON).read(value, at),
        ([one], false) => {
            let inner = value.get(one).unwrap_or(&Json::Null);
            let inner =
                Shape::List(&Shape::Constraint, 1, ITEMS, false).read(inner, &format!("{at}/{one}"))?;
            Ok(Json::Object([((*one).to_owned(), inner)].into()))
        }
        (_, _) => bad(at),
    }
}

impl Members {
    fn read(&self, value: &Json, at: &str) -> Result<Json, Refusal> {
        let Json::Object(members) = value else { return bad(at) };
        let mut kept = BTreeMap::new();
        for (name, shape) in self.required {
            let Some(member) = members.get(*name) else { return bad(&format!("{at}/{name} is missing")) };
            kept.insert((*name).to_owned(), shape.read(member, &format!("{at}/{name}"))?);
        }
        for (name, shape) in self.optional {
            if let Some(member) = members.get(*name) {
                kept.insert((*name).to_owned(), shape.read(member, &format!("{at}/{name}"))?);
            }
        }
        for name in members.keys() {
            let known = kept.contains_key(name);
            if self.forbidden.contains(&name.as_str()) || (self.closed && !known) {
                return bad(&format!("{at}/{name} may not stand here"));
            }
        }
        Ok(Json::Object(kept))
    }
}

/// Reads content as one type of message and gives what is kept of it.
pub fn read(kind: &str, content: &[u8]) -> Result<Json, Refusal> {
    ensure(content.len() <= 1 << 20, "too_large", "longer than 1 MiB")?;
    let own = ["End", "Report", "DataReceipt"].contains(&kind);
    let json = if own { Json::parse(content)? } else { Json::parse_lenient(content)? };
    let (_, members) =
        shapes::TYPES.iter().find(|(known, _)| *known == kind).ok_or(Refusal::malformed("unknown type"))?;
    let mut kept = members.read(&json, "")?;
    if kind == "VersionResponse" {
        return Ok(kept);
    }
    ensure(json.text("@type") == Some(kind), "malformed", "/@type")?;
    kept.set("@type", kind);
    if !own {
        let context = json.list("@context");
        let texts = context.iter().all(|item| item.as_text().is_some());
        ensure(texts && context.contains(&CONTEXT.into()), "malformed", "/@context")?;
        kept.set("@context", vec![CONTEXT.into()]);
    }
    together(kind, &kept)?;
    Ok(kept)
}

/// What a report of its kind has (OBL-2.2).
fn report(kept: &Json) -> Result<(), Refusal> {
    let has = |name: &str| kept.get(name).is_some_and(|member| *member != Json::Null);
    let is = |kind: &str| kept.text("kind") == Some(kind);
    for (name, belongs) in
        [("deletion", is("deletion")), ("onward", is("onward-transfer")), ("happened", has("event"))]
    {
        ensure(has(name) == belongs, "malformed", format!("/{name}"))?;
    }
    ensure(!has("event") || is("notice"), "malformed", "/event")?;
    let onward = kept.get("onward").and_then(|onward| onward.text("to"));
    ensure(onward != Some(""), "malformed", "/onward/to")?;
    let said = kept.text("text") != Some("") || has("evidence") || has("event");
    ensure(said || is("deletion") || is("onward-transfer"), "malformed", "/text")
}

/// What members must say of each other.
fn together(kind: &str, kept: &Json) -> Result<(), Refusal> {
    let has = |name: &str| kept.get(name).is_some();
    let one_of = |other: &str| {
        ensure(has("callbackAddress") != has(other), "malformed", format!("/callbackAddress or /{other}"))
    };
    match kind {
        "ContractRequestMessage" => one_of("providerPid")?,
        "ContractOfferMessage" => one_of("consumerPid")?,
        "ContractNegotiationEventMessage" if has("dxp") => {
            let accepted = kept.text("eventType") == Some("ACCEPTED");
            let due: &[&str] = if accepted { &["decision", "terms", "v"] } else { &["agreement", "v"] };
            let keys = kept.get("dxp").map(Json::keys).unwrap_or_default();
            ensure(keys == due, "malformed", format!("/dxp has {keys:?}"))?;
        }
        "Report" => report(kept)?,
        _ => {}
    }
    let policies = [kept.get("offer"), kept.get("agreement")];
    let policies = policies.into_iter().flatten().chain(kept.list("hasPolicy"));
    for policy in policies.filter(|policy| matches!(policy, Json::Object(_))) {
        let rules: usize = shapes::RULES.iter().map(|name| policy.list(name).len()).sum();
        let grants = !policy.list("permission").is_empty() || !policy.list("prohibition").is_empty();
        ensure(
            grants && rules <= ITEMS,
            "malformed",
            "neither permission nor prohibition, or too many rules",
        )?;
    }
    Ok(())
}

/// A name as ID-4.3 wants it.
#[must_use]
pub fn plain_name(name: &str) -> bool {
    crate::identity::plain_name(name)
}

/// Seconds of a time written as `2026-11-23T13:16:52Z`, if that is a real one.
#[must_use]
pub fn seconds_of(text: &str) -> Option<i64> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    if text.len() != 20 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let (year_of, month_of) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year_of.div_euclid(400);
    let in_era = year_of - era * 400;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + (153 * month_of + 2) / 5 + day
        - 1
        - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    // What is no real time, or not written like this, does not write itself back.
    (seconds >= 0 && rfc3339(seconds) == text).then_some(seconds)
}

/// A time as DSP writes it: `2026-11-23T13:16:52Z`.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_calendars_do() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_439_812, "2026-11-23T13:16:52Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(seconds_of(text), Some(seconds));
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-11-23 13:16:52Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T13:16:52+",
            "+026-11-23T13:16:52Z",
        ] {
            assert_eq!(seconds_of(text), None, "{text}");
        }
    }
}
