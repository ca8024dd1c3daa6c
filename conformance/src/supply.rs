//! Sets of rule packs and data under several signatures, as a reader of spec chapter 05 takes them (POL-18, POL-19): the document
//! alone, and what follows what was accepted before.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    encoding::{digest_text, fixed, from_b64url},
    json::{Json, MAX_INTEGER},
    jws::{self, Line},
    refusal::{Refusal, ensure},
};

/// Type of a set of packs.
pub const PACKS: &str = "dxp-packs+jws";
/// Type of data.
pub const DATA: &str = "dxp-data+jws";

/// Lines under one document.
const MOST_LINES: usize = 32;
/// Packs in one set.
const MOST_PACKS: usize = 16;
/// Difference of clocks that is forgiven, seconds.
const SKEW: i64 = 60;

/// Who may sign, and how many of them have to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    /// Their keys.
    pub keys: Vec<[u8; 32]>,
    /// How many; without signers no number is enough.
    pub threshold: usize,
}

/// A document that opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub document: Json,
    /// Digest of its payload.
    pub digest: String,
}

/// Opens a text as a document of some type, at a time.
pub fn open(typ: &str, text: &str, signers: &Signers, now: i64) -> Result<Opened, Refusal> {
    let (payload, lines) = apart(typ, text)?;
    let document = jws::canonical_part(&payload)?;
    if typ == PACKS {
        check_set(&document)?
    } else {
        check_data(&document)?
    }
    let mut signed = BTreeSet::new();
    for line in &lines {
        // Strangers are passed over, whatever they signed.
        if signers.keys.contains(&line.header.key) {
            line.verify(&payload)?;
            signed.insert(line.header.key);
        }
    }
    let enough = !signers.keys.is_empty() && signed.len() >= signers.threshold.max(1);
    ensure(enough, "signers_missing", format!("{} of {} needed", signed.len(), signers.threshold))?;
    let (made, end) = (document.integer("issued_at"), document.integer("expires_at"));
    ensure(end.is_some_and(|end| now < end), "supply_expired", "its time is over")?;
    ensure(made.is_some_and(|made| made <= now + SKEW), "clock_wrong", "made in the future")?;
    let bytes = from_b64url(&payload).ok_or_else(|| Refusal::malformed("payload"))?;
    Ok(Opened { document, digest: digest_text(&bytes) })
}

/// POL-18.2: the payload as encoded, and its lines, every one of the form that is due.
fn apart(typ: &str, text: &str) -> Result<(String, Vec<Line>), Refusal> {
    let whole = Json::parse(text.as_bytes())?;
    ensure(whole.keys() == ["payload", "signatures"], "malformed", format!("members {:?}", whole.keys()))?;
    let payload = whole.text("payload").ok_or_else(|| Refusal::malformed("payload is no text"))?;
    let limit = jws::limit(typ);
    ensure(payload.len() <= limit, "too_large", format!("payload is longer than {limit} bytes"))?;
    let Some(Json::List(list)) = whole.get("signatures") else {
        return Err(Refusal::malformed("signatures is no list"));
    };
    ensure(list.len() <= MOST_LINES, "malformed", format!("{} signatures", list.len()))?;
    let mut lines = Vec::new();
    for entry in list {
        let keys = entry.keys();
        ensure(keys == ["protected", "signature"], "malformed", format!("signature members {keys:?}"))?;
        let line = Line::parse(typ, entry)?;
        ensure(line.header.key_set == 0, "malformed", "ks is not 0")?;
        lines.push(line);
    }
    Ok((payload.to_owned(), lines))
}

/// What both documents have: these members and no others, a number, two times in order.
fn check_members(document: &Json, members: &[&str]) -> Result<(), Refusal> {
    let keys = document.keys();
    ensure(keys == members, "malformed", format!("members {keys:?}"))?;
    ensure(document.integer("v") == Some(1), "malformed", "v is not 1")?;
    let counts = document.integer("number").is_some_and(|number| (1..=MAX_INTEGER).contains(&number));
    ensure(counts, "malformed", "number is not from 1 up")?;
    let times = document.integer("issued_at").zip(document.integer("expires_at"));
    ensure(times.is_some_and(|(made, end)| 0 <= made && made < end), "malformed", "times out of order")
}

/// POL-18.1
fn check_set(document: &Json) -> Result<(), Refusal> {
    check_members(document, &["expires_at", "issued_at", "number", "packs", "v"])?;
    let packs = document.list("packs");
    ensure((1..=MOST_PACKS).contains(&packs.len()), "malformed", format!("{} packs", packs.len()))?;
    let mut before: Option<&str> = None;
    for pack in packs {
        ensure(pack.keys() == ["digest", "name", "revision"], "malformed", "members of a pack")?;
        let name = pack.text("name").ok_or_else(|| Refusal::malformed("name is no text"))?;
        ensure(before.is_none_or(|before| before < name), "malformed", "packs not sorted, or one twice")?;
        before = Some(name);
        let digest = pack.text("digest").and_then(fixed::<32>);
        ensure(digest.is_some(), "malformed", format!("digest of {name}"))?;
        let revision = pack.text("revision").and_then(Revision::read);
        ensure(revision.is_some(), "malformed", format!("revision of {name}"))?;
    }
    Ok(())
}

/// POL-19.1
fn check_data(document: &Json) -> Result<(), Refusal> {
    check_members(document, &["entries", "expires_at", "issued_at", "kind", "number", "v"])?;
    let kind = document.text("kind").unwrap_or_default();
    ensure(["sanctions", "stop_orders"].contains(&kind), "malformed", format!("kind {kind:?}"))?;
    let Some(Json::List(entries)) = document.get("entries") else {
        return Err(Refusal::malformed("entries is no list"));
    };
    for entry in entries {
        ensure(matches!(entry, Json::Object(_)), "malformed", "an entry is no object")?;
        let named = entry.text("did").or_else(|| entry.text("name")).is_some();
        ensure(named || kind != "sanctions", "malformed", "an entry names nobody")?;
    }
    Ok(())
}

/// A revision, to be compared (POL-18.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    day: String,
    number: u32,
}

impl Revision {
    /// Reads `YYYY-MM-DD.N`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (day, digits) = (text.get(..10)?, text.get(10..)?.strip_prefix('.')?);
        let at_place = |(place, letter): (usize, u8)| {
            if place == 4 || place == 7 { letter == b'-' } else { letter.is_ascii_digit() }
        };
        let number: u32 = digits.parse().ok()?;
        // Digits of one width are in the order of their numbers. Written again, no sign and no leading zero is the same.
        let plain = day.bytes().enumerate().all(at_place) && number.to_string() == digits;
        plain.then(|| Self { day: day.to_owned(), number })
    }
}

/// Number and digest of what was accepted.
pub type Accepted = Option<(i64, String)>;

/// A pack: revision and digest.
pub type Pack = (String, String);

/// What is accepted after a document, where nothing else speaks against it; whether that is another than before.
pub fn follow(opened: &Opened, before: &Accepted) -> Result<(Accepted, bool), Refusal> {
    let number = opened.document.integer("number").unwrap_or_default();
    let next = Some((number, opened.digest.clone()));
    match before {
        Some((was, _)) if number < *was => {
            Err(Refusal::new("supply_older", format!("{number} is before {was}")))
        }
        Some((was, digest)) if number == *was && *digest != opened.digest => {
            Err(Refusal::new("supply_older", format!("another document is {number}")))
        }
        same => Ok((next.clone(), *same != next)),
    }
}

/// POL-18.4, POL-18.5: the packs in use after a set, by name; `there` has what packs say of themselves: name, revision, digest.
pub fn packs_after(
    set: &Json,
    in_use: &BTreeMap<String, Pack>,
    there: &BTreeMap<String, (String, Pack)>,
) -> Result<BTreeMap<String, Pack>, Refusal> {
    let mut after = in_use.clone();
    for pack in set.list("packs") {
        let member = |key: &str| pack.text(key).unwrap_or_default().to_owned();
        let (name, due) = (member("name"), (member("revision"), member("digest")));
        if let Some(current) = in_use.get(&name) {
            let (was, is) = (Revision::read(&current.0), Revision::read(&due.0));
            ensure(is >= was, "supply_older", format!("{name} goes back to {}", due.0))?;
            if is == was {
                ensure(*current == due, "bundle_digest", format!("{name} in use is another"))?;
                continue;
            }
        }
        let found =
            there.get(&name).ok_or_else(|| Refusal::new("bundle_missing", format!("{name} is not there")))?;
        ensure(*found == (name.clone(), due.clone()), "bundle_digest", format!("{name} there is another"))?;
        after.insert(name, due);
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENC-7.6; no vector, for its size.
    #[test]
    fn what_is_longer_than_its_limit_is_not_decoded() {
        let signers = Signers { keys: Vec::new(), threshold: 0 };
        for (letters, due) in [(512 << 10, "malformed"), ((512 << 10) + 1, "too_large")] {
            let text = format!("{{\"payload\":\"{}\",\"signatures\":[]}}", "?".repeat(letters));
            assert_eq!(open(DATA, &text, &signers, 0).unwrap_err().code, due);
        }
    }
}
