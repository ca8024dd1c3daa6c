//! `spec/schemas/policy-input.json` says of every fact what the packs' data say: its kind, its values, who holds it. And every
//! ordinary input of the vectors is of that form, as far as this test reads a schema: types, values and where things lie.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use naru_policy::{Bundle, Fact, Held, bundled};
use serde_json::{Value, json};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/");

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{SPEC}{name}")).unwrap()).unwrap()
}

/// What a kind of fact is in the schema.
fn form(fact: &Fact) -> Value {
    if !fact.values.is_empty() {
        return json!({"enum": fact.values});
    }
    let code = json!({"type": "string", "pattern": "^[A-Z]{2}$"});
    let text = json!({"type": "string", "minLength": 1});
    match fact.kind.as_str() {
        "boolean" => json!({"type": "boolean"}),
        "integer" => json!({"type": "integer", "minimum": 0}),
        "string" => text,
        "country" => code,
        "strings" => json!({"type": "array", "items": text}),
        "some strings" => json!({"type": "array", "minItems": 1, "items": text}),
        "some countries" => json!({"type": "array", "minItems": 1, "items": code}),
        "objects" => json!({"type": "array"}),
        "located objects" => {
            json!({"type": "array", "items": {"type": "object", "required": ["country"], "properties": {"country": code}}})
        }
        other => panic!("{other}"),
    }
}

// POL-1.3, POL-3.2
#[test]
fn the_schema_says_what_the_packs_say() {
    let schema = read("schemas/policy-input.json");
    for (_, bytes) in bundled::PACKS {
        let bundle = Bundle::load(bytes).unwrap();
        for (pointer, fact) in &bundle.pack().facts {
            let place = pointer.replace('/', "/properties/");
            let said = schema.pointer(&place).unwrap_or_else(|| panic!("{pointer} is not in the schema"));
            for (name, value) in form(fact).as_object().unwrap() {
                assert_eq!(&said[name], value, "{pointer} {name}");
            }
            let held = match fact.held {
                Held::Shared => "shared",
                Held::Private => "private",
                Held::Host => "host",
            };
            assert_eq!(said["x-held"], held, "{pointer}");
            assert!(!said["x-provenance"].as_array().unwrap().is_empty(), "{pointer}");
        }
    }
}

/// Whether a document is of a form, for what this project's schema uses.
fn fits(schema: &Value, value: &Value, place: &str) {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        assert!(allowed.contains(value), "{place}: {value}");
    }
    let of = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        other => panic!("{other}"),
    };
    assert!(schema.get("type").and_then(Value::as_str).is_none_or(of), "{place}: {value}");
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(member, value, &format!("{place}/{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        fits(schema.get("items").unwrap_or(&Value::Null), item, place);
    }
}

// POL-1.1
#[test]
fn ordinary_inputs_are_of_the_form() {
    let schema = read("schemas/policy-input.json");
    for case in read("vectors/policy/ordinary.json")["cases"].as_array().unwrap() {
        for part in ["shared", "private", "host"] {
            fits(&schema, &case[part], "");
        }
    }
}
