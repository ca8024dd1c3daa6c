//! The input document: what it may hold (POL-4), and how it is put together from its three parts.
//!
//! *Shared* facts are in the terms, *private* ones stay with the node's operator, *host* ones come from the node itself.
//! A peer proposes the shared part, so that it must not be able to slip in a fact of the other two kinds.
//! Not here: whether a fact is true.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::limits;
use crate::pack::{Held, Pack};
use crate::result::Side;

/// Why three parts make no input document.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// A part is no JSON object.
    #[error("the {0} part is no object")]
    NoObject(&'static str),
    /// Two parts give the same member, at this pointer.
    #[error("{0} is given by two parts")]
    Conflict(String),
    /// A part gives a fact that only another part may give, at this pointer.
    #[error("{pointer} may not come from the {part} part")]
    NotItsOwn {
        /// The fact.
        pointer: String,
        /// The part that it was in.
        part: &'static str,
    },
    /// Facts that cannot be true together, or that nothing can be; at this pointer.
    #[error("{pointer}: {says}")]
    Contradiction {
        /// The fact.
        pointer: &'static str,
        /// What it contradicts.
        says: &'static str,
    },
}

/// Put an input document together: objects are merged member by member, everything else comes from one part alone.
///
/// # Errors
/// [`InputError`]: parts that overlap, facts in a part that may not give them, as `packs` say where facts are held, and facts that
/// contradict each other (POL-1.6).
pub fn assemble<'a>(
    packs: impl IntoIterator<Item = &'a Pack>,
    shared: &Value,
    private: &Value,
    host: &Value,
) -> Result<Value, InputError> {
    let mut held: BTreeMap<&str, Held> = HOST_FACTS.iter().map(|name| (*name, Held::Host)).collect();
    for pack in packs {
        held.extend(pack.facts.iter().map(|(pointer, fact)| (pointer.as_str(), fact.held)));
    }
    let mut whole = Map::new();
    for (part, name, kind) in
        [(shared, "shared", Held::Shared), (private, "private", Held::Private), (host, "host", Held::Host)]
    {
        let Value::Object(members) = part else { return Err(InputError::NoObject(name)) };
        let foreign = held.iter().find(|(pointer, held)| **held != kind && part.pointer(pointer).is_some());
        if let Some((pointer, _)) = foreign {
            return Err(InputError::NotItsOwn { pointer: (*pointer).to_owned(), part: name });
        }
        union(&mut whole, members, "")?;
    }
    let whole = Value::Object(whole);
    contradiction(&whole).map_or(Ok(whole), Err)
}

/// What is said of the same data twice, and differently. Rules read the one or the other: whichever is wrong, nobody may take it
/// for an answer.
#[must_use]
pub fn contradiction(whole: &Value) -> Option<InputError> {
    let at = |pointer: &str| whole.pointer(pointer).unwrap_or(&Value::Null);
    let some = |pointer: &str| at(pointer).as_array().is_some_and(|all| !all.is_empty());
    let kind = at("/dataset/personal/kind").as_str();
    let none = kind == Some("none");
    let without_persons = none || kind == Some("anonymised");
    let listed = |category: &str| {
        at("/dataset/categories").as_array().is_some_and(|all| all.contains(&category.into()))
    };
    let says = "`personal.kind` says that there are none";
    [
        ("/dataset/personal/identifiers", says, without_persons && some("/dataset/personal/identifiers")),
        ("/dataset/personal/special", says, none && some("/dataset/personal/special")),
        ("/dataset/personal/subjects_in", says, none && some("/dataset/personal/subjects_in")),
        ("/dataset/personal/count", says, none && at("/dataset/personal/count").as_u64() > Some(0)),
        (
            "/dataset/personal/additional_info_included",
            "with it data are not anonymised",
            kind == Some("anonymised")
                && at("/dataset/personal/additional_info_included") == &Value::Bool(true),
        ),
        ("/dataset/categories", says, none && listed("personal")),
        (
            "/contract/retention_days",
            "a period is not less than nothing",
            at("/contract/retention_days").as_i64().is_some_and(|days| days < 0),
        ),
        (
            "/consumer/id",
            "provider and consumer are one",
            at("/consumer/id").is_string() && at("/consumer/id") == at("/provider/id"),
        ),
    ]
    .into_iter()
    .find_map(|(pointer, says, wrong)| wrong.then_some(InputError::Contradiction { pointer, says }))
}

/// Facts that every pack reads and none lists.
const HOST_FACTS: [&str; 3] = ["/now", "/phase", "/side"];

/// Members that belong to one part whether a rule of the packs at hand reads them or not (POL-1.3, ODR-5.2).
const KNOWN: [(&str, Held); 16] = [
    ("/approvals", Held::Private),
    ("/assume_unverified", Held::Host),
    ("/consumer/identity", Held::Host),
    ("/consumer/red_flags", Held::Private),
    ("/consumer/sanctions", Held::Private),
    ("/contract/signed_by", Held::Host),
    ("/now", Held::Host),
    ("/phase", Held::Host),
    ("/provider/identity", Held::Host),
    ("/side", Held::Host),
    ("/stop_orders", Held::Private),
    ("/transfer/completed_at", Held::Host),
    ("/transfer/deletion_confirmed_at", Held::Host),
    ("/transfer/occurrence", Held::Host),
    ("/transfer/onward_events", Held::Host),
    ("/transfer/performed", Held::Host),
];

/// Where a fact is held whichever packs there are.
pub(crate) fn known(pointer: &str) -> Option<Held> {
    KNOWN.iter().find(|(known, _)| *known == pointer).map(|(_, held)| *held)
}

/// Of these, what an exporter alone holds: an importer is not asked about it and does not see it.
const EXPORTERS: [&str; 3] = ["/approvals", "/consumer/red_flags", "/consumer/sanctions"];

/// One document taken apart into the three that [`assemble`] puts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// In the terms.
    pub shared: Value,
    /// This side's own.
    pub private: Value,
    /// Added by the node.
    pub host: Value,
    /// Pointers that were in the document and that this side would never see.
    pub left_out: Vec<String>,
}

/// Take one whole document apart, for whoever asks without a node: every fact goes to the part that `packs` say it is
/// held in, and what no rule reads is shared.
///
/// # Errors
/// [`InputError::NoObject`].
pub fn split<'a>(
    packs: impl IntoIterator<Item = &'a Pack>,
    document: &Value,
    side: Side,
) -> Result<Parts, InputError> {
    if !document.is_object() {
        return Err(InputError::NoObject("whole"));
    }
    let mut held: BTreeMap<String, Held> = KNOWN.iter().map(|(at, held)| ((*at).to_owned(), *held)).collect();
    for pack in packs {
        held.extend(pack.facts.iter().map(|(pointer, fact)| (pointer.clone(), fact.held)));
    }
    let mut parts = Parts {
        shared: document.clone(),
        private: Value::Object(Map::new()),
        host: Value::Object(Map::new()),
        left_out: Vec::new(),
    };
    for (pointer, held) in held {
        let into = match held {
            Held::Shared => continue,
            Held::Private => &mut parts.private,
            Held::Host => &mut parts.host,
        };
        let Some(value) = take(&mut parts.shared, &pointer) else { continue };
        if side == Side::Importer && EXPORTERS.contains(&pointer.as_str()) {
            parts.left_out.push(pointer);
        } else {
            put(into, &pointer, value);
        }
    }
    Ok(parts)
}

/// Removes the value at a pointer that leads through objects alone.
fn take(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    document.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

/// Puts a value where one was taken, with the objects that lead there; nothing stands in its way.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    for name in pointer.split('/').skip(1) {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = value;
}

fn union(whole: &mut Map<String, Value>, part: &Map<String, Value>, path: &str) -> Result<(), InputError> {
    for (name, value) in part {
        let here = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (whole.get_mut(name), value) {
            (None, value) => {
                whole.insert(name.clone(), value.clone());
            }
            // Depth is bounded by the parsers that the parts came through.
            (Some(Value::Object(known)), Value::Object(more)) => union(known, more, &here)?,
            (Some(_), _) => return Err(InputError::Conflict(here)),
        }
    }
    Ok(())
}

/// The document as the modules get it, if it is within limits. The reason never quotes the document.
pub(crate) fn encode(input: &Value) -> Result<Vec<u8>, &'static str> {
    if !input.is_object() {
        return Err("the input is no object");
    }
    check(input, limits::INPUT_DEPTH)?;
    let bytes = crate::jcs::to_vec(input);
    if bytes.len() > limits::INPUT_BYTES { Err("the input is too large") } else { Ok(bytes) }
}

fn check(value: &Value, depth: usize) -> Result<(), &'static str> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match size {
                Some(size) if size <= limits::INTEGER => Ok(()),
                Some(_) | None => Err("the input holds a number that is no integer below 2^53"),
            }
        }
        Value::Array(items) => {
            let depth = depth.checked_sub(1).ok_or("the input is too deep")?;
            items.iter().try_for_each(|item| check(item, depth))
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1).ok_or("the input is too deep")?;
            members.values().try_for_each(|member| check(member, depth))
        }
    }
}
