//! The members of a JSON object by their short names, and single values where lists could stand (ODR-1.4).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Refusal, names};

/// An object of an offer: each member by its short name, with the place where it stands.
pub(super) struct Object<'a> {
    pub(super) place: String,
    members: BTreeMap<&'a str, (String, &'a Value)>,
}

impl<'a> Object<'a> {
    /// Reads an object whose members are all among `known`: what is passed over would be a promise that nothing keeps.
    pub(super) fn read(place: &str, value: &'a Value, known: &[&str]) -> Result<Self, Refusal> {
        let map: &Map<String, Value> = value.as_object().ok_or_else(|| Refusal::at(place, "is no object"))?;
        let mut members = BTreeMap::new();
        for (written, value) in map {
            let name = names::local(written);
            let here = pointer(place, written);
            if !known.contains(&name) {
                return Err(Refusal::at(&here, "this member is not understood here"));
            }
            if value.is_null() {
                return Err(Refusal::at(&here, "is null: leave it out, or say what it is"));
            }
            if members.insert(name, (here.clone(), value)).is_some() {
                return Err(Refusal::at(&here, "is given for the second time"));
            }
        }
        Ok(Self { place: place.to_owned(), members })
    }

    pub(super) fn get(&self, name: &str) -> Option<(&str, &'a Value)> {
        self.members.get(name).map(|(place, value)| (place.as_str(), *value))
    }

    /// The items of a list, of one value, or of nothing; each with its place.
    pub(super) fn list(&self, name: &str) -> Vec<(String, &'a Value)> {
        self.get(name).map(|(place, value)| items(place, value)).unwrap_or_default()
    }

    /// One text, which may be written as an id.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let Some((place, value)) = self.get(name) else { return Ok(None) };
        word(value).map(Some).ok_or_else(|| Refusal::at(place, "is no text"))
    }
}

/// The items of what may be a list, `@list` or `@set` among them.
pub(super) fn items<'a>(place: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    let inner = ["@list", "@set"].into_iter().find_map(|name| {
        let map = value.as_object().filter(|map| map.len() == 1)?;
        Some((pointer(place, name), map.get(name)?))
    });
    let (place, value) = inner.unwrap_or_else(|| (place.to_owned(), value));
    match value {
        Value::Array(list) => {
            list.iter().enumerate().map(|(n, item)| (format!("{place}/{n}"), item)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![(place, value)]
        }
    }
}

/// A text, `{"@id": text}` or `{"@value": text}`, which may lie in a list of one.
pub(super) fn word(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(list) => match list.as_slice() {
            [one] if !one.is_array() => word(one),
            _ => None,
        },
        Value::Object(map) if map.len() == 1 => map.get("@id").or_else(|| map.get("@value"))?.as_str(),
        Value::Object(map) if map.len() == 2 && map.contains_key("@type") => map.get("@value")?.as_str(),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn pointer(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}
