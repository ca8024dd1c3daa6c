//! Screening of a consumer against the sanctions list that comes with the packs (`policy/lists/sanctions.json`): the facts
//! `consumer.sanctions` of an exporter, which rules SANC-001 and SANC-002 read (spec chapter 05, POL-15).
//!
//! Made anew whenever a rule is asked, so that it is never older than the decision. What a hit means, the rules say. The list
//! is this project's own and names nobody real; whoever relies on a screening brings a list, and this file does not fetch one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::misread_party;

/// The list, as it is compiled in.
const LIST: &str = include_str!("../../../policy/lists/sanctions.json");

#[derive(Debug, Deserialize)]
struct List {
    version: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    did: Option<String>,
    name: Option<String>,
}

/// What the list says about this party at this time. `None` where the list cannot be read: then nobody was screened, and the
/// rules say what is missing.
///
/// `more` are entries that were signed and accepted later, and the number of their document (POL-19.3): they add to the list.
pub(super) fn screened(
    did: &str,
    name: Option<&str>,
    at: u64,
    (more, number): (&[Value], Option<u64>),
) -> Option<Value> {
    let mut list: List = serde_json::from_str(LIST).ok()?;
    for entry in more {
        list.entries.push(serde_json::from_value(entry.clone()).ok()?);
    }
    if let Some(number) = number {
        list.version = format!("{} and {number}", list.version);
    }
    Some(screen(&list, did, name, at))
}

fn screen(list: &List, did: &str, name: Option<&str>, at: u64) -> Value {
    let name = name.map(plain).filter(|name| !name.is_empty());
    let hit = list.entries.iter().any(|entry| {
        entry.did.as_deref() == Some(did) || (name.is_some() && entry.name.as_deref().map(plain) == name)
    });
    json!({"hit": hit, "list_version": list.version, "screened_at": at})
}

/// Why an entry that is to add to the list would hit nobody: it names its party by an id, a name or both.
pub(super) fn misread_entry(entry: &Value) -> Option<String> {
    let stated = |name: &str| entry.get(name).filter(|value| !value.is_null());
    let (did, name) = (stated("did"), stated("name"));
    if did.or(name).is_none() {
        return Some(": names nobody: `did`, `name` or both".to_owned());
    }
    let did = did.and_then(|did| did.as_str().map_or(Some("no text".to_owned()), misread_party));
    let nameless = name.is_some_and(|name| name.as_str().is_none_or(|name| plain(name).is_empty()));
    did.map(|why| format!("/did: {why}")).or_else(|| nameless.then(|| "/name: no name".to_owned()))
}

/// A name without what spellings of it differ in: case, spaces, punctuation.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What the node found together with what the operator recorded about the same party. A hit of either is a hit; a record that
/// says neither yes nor no stands as it is, for the rules to refuse.
pub(super) fn with_operators(found: Option<Value>, recorded: Option<&Value>) -> Option<Value> {
    let Some(recorded) = recorded else { return found };
    match recorded.get("hit").and_then(Value::as_bool) {
        Some(false) => found.or_else(|| Some(recorded.clone())),
        Some(true) => {
            let mut hit = found.unwrap_or_else(|| recorded.clone());
            hit["hit"] = json!(true);
            Some(hit)
        }
        None => Some(recorded.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POL-15.1: the list that comes with the program is read, says who made it, and hits by name and by id.
    #[test]
    fn a_party_is_found_by_id_and_by_name_however_it_is_spelt() {
        let found = |did: &str, name: Option<&str>| screened(did, name, 7, (&[], None)).unwrap();
        for (did, name) in [
            ("did:key:made-up-for-naru", None),
            ("did:key:another", Some("made-up  SANCTIONED trading")),
            ("did:key:another", Some("Made up sanctioned-trading.")),
        ] {
            assert_eq!(found(did, name)["hit"], json!(true), "{did} {name:?}");
        }
        for name in [None, Some(""), Some("..."), Some("Merlion Analytics")] {
            let clean = found("did:key:another", name);
            assert_eq!((&clean["hit"], &clean["screened_at"]), (&json!(false), &json!(7)), "{name:?}");
            assert!(clean["list_version"].is_string());
        }
        let list: Value = serde_json::from_str(LIST).unwrap();
        assert!(list["says"]["en"].as_str().unwrap().contains("no authority's list"));
    }

    /// POL-19.3
    #[test]
    fn entries_that_were_signed_later_add_to_the_list() {
        let more = [json!({"did": "did:key:later"}), json!({"name": "Later Ltd", "why": "made up"})];
        let found = |did: &str, name| screened(did, name, 7, (&more, Some(3))).unwrap();
        assert_eq!(found("did:key:later", None)["hit"], json!(true));
        assert_eq!(found("did:key:x", Some("later-LTD"))["hit"], json!(true));
        assert_eq!(found("did:key:made-up-for-naru", None)["hit"], json!(true), "the list of before stays");
        let clean = found("did:key:x", None);
        assert_eq!(clean["hit"], json!(false));
        assert!(clean["list_version"].as_str().unwrap().ends_with(" and 3"));
    }

    /// POL-15.1
    #[test]
    fn what_the_operator_recorded_can_only_add_a_hit() {
        let clean = json!({"hit": false, "list_version": "v", "screened_at": 7});
        let with = |recorded: Value| with_operators(Some(clean.clone()), Some(&recorded)).unwrap();
        assert_eq!(with_operators(Some(clean.clone()), None), Some(clean.clone()));
        assert_eq!(with(json!({"hit": false, "screened_at": 1})), clean);
        assert_eq!(with(json!({"hit": true, "screened_at": 1}))["hit"], json!(true));
        for odd in [json!({}), json!(null), json!({"hit": "no"})] {
            assert_eq!(with(odd.clone()), odd);
        }
        assert_eq!(with_operators(None, Some(&json!({"hit": true}))).unwrap()["hit"], json!(true));
    }
}
