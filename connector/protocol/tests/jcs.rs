//! Strict JSON and JCS: own vectors, the vectors of RFC 8785's reference implementation, and properties.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use std::fs;

use naru_protocol::{
    encoding::{Digest, from_base64url, to_base64url},
    json::{self, JsonError},
    limits,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{judged, same, shared, unhex};

/// A document that is accepted, with its canonical form.
fn accepted(name: &str, input: &str, canonical: &str) -> Value {
    let value = json::parse(input.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let bytes = json::canonical(&value).unwrap();
    assert_eq!(std::str::from_utf8(&bytes).unwrap(), canonical, "{name}");
    json!({"name": name, "input": input, "outcome": "accepted", "canonical": canonical,
        "digest": Digest::of(&bytes)})
}

/// A document that is refused, with the code.
fn refused(name: &str, input: &str, code: &str) -> Value {
    let error = json::parse(input.as_bytes()).expect_err(name);
    assert_eq!(error.code().as_str(), code, "{name}: {error}");
    json!({"name": name, "input": input, "outcome": code})
}

/// As [`refused`], for bytes that are no text.
fn refused_bytes(name: &str, hex: &str, code: &str) -> Value {
    let error = json::parse(&unhex(hex)).expect_err(name);
    assert_eq!(error.code().as_str(), code, "{name}: {error}");
    json!({"name": name, "input_hex": hex, "outcome": code})
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
#[allow(clippy::too_many_lines)] // A list.
fn jcs_vectors() {
    // ENC-3.1, ENC-3.2, ENC-3.3, ENC-3.4, ENC-3.5, ENC-3.6, ENC-4.1, ENC-4.2, ENC-4.3, ENC-4.4, ENC-4.6
    let mut cases = vec![
        accepted(
            "keys sort by UTF-16 units, not by UTF-8 bytes",
            "{\"\u{fb33}\":1,\"\u{1f602}\":2}",
            "{\"\u{1f602}\":2,\"\u{fb33}\":1}",
        ),
        accepted(
            "keys sort after unescaping",
            r#"{"\u0062":1,"a":2,"":3,"A":4,"10":5,"9":6}"#,
            r#"{"":3,"10":5,"9":6,"A":4,"a":2,"b":1}"#,
        ),
        accepted("white space goes", " \t\r\n{ \"a\" : [ 1 , 2 ] }\n", r#"{"a":[1,2]}"#),
        accepted(
            "escapes become their shortest form",
            r#""\u0041\/\u00e9\u007f\u20AC\uD83D\uDE02""#,
            "\"A/é\u{7f}€😂\"",
        ),
        accepted(
            "control characters",
            r#""\u0000\u0008\u0009\u000a\u000b\u000c\u000d\u001f\"\\""#,
            r#""\u0000\b\t\n\u000b\f\r\u001f\"\\""#,
        ),
        accepted("text is not normalised", "\"A\u{30a}\"", "\"A\u{30a}\""),
        accepted("line separators stay", "\"\u{2028}\u{2029}\"", "\"\u{2028}\u{2029}\""),
        accepted(
            "largest integers",
            "[9007199254740991,-9007199254740991]",
            "[9007199254740991,-9007199254740991]",
        ),
        accepted(
            "other spellings of integers",
            "[56.0,5.6e1,560E-1,1e3,-0,-0.0,0e5]",
            "[56,56,56,1000,0,0,0]",
        ),
        accepted("scalars", "null", "null"),
        accepted("32 levels", &nested(32), &nested(32)),
        refused("33 levels", &nested(33), "too_deep"),
        refused("duplicate key", r#"{"a":1,"a":1}"#, "duplicate_key"),
        refused("duplicate key after unescaping", r#"{"a":1,"\u0061":2}"#, "duplicate_key"),
        refused("duplicate key inside", r#"{"a":[{"b":1,"c":2,"b":3}]}"#, "duplicate_key"),
        refused("2^53", "9007199254740992", "bad_number"),
        refused("2^53 + 1, which a double rounds", "9007199254740993", "bad_number"),
        refused("-2^53", "-9007199254740992", "bad_number"),
        refused("fraction", "1.5", "bad_number"),
        refused("large exponent", "1e400", "bad_number"),
        refused("large integral double", "1e30", "bad_number"),
        refused("lone high surrogate", r#""\ud83d""#, "malformed"),
        refused("lone low surrogate", r#""\ude02""#, "malformed"),
        refused("surrogates in the wrong order", r#""\ude02\ud83d""#, "malformed"),
        refused("high surrogate before another escape", r#""\ud83d\u0041""#, "malformed"),
        refused("two documents", "{} {}", "malformed"),
        refused("nothing", "", "malformed"),
        refused("white space only", " ", "malformed"),
        refused("byte order mark", "\u{feff}{}", "malformed"),
        refused("comment", "{}//", "malformed"),
        refused("trailing comma", "[1,]", "malformed"),
        refused("single quotes", "{'a':1}", "malformed"),
        refused("leading zero", "01", "malformed"),
        refused("plus sign", "+1", "malformed"),
        refused("bare point", "1.", "malformed"),
        refused("bare exponent", "1e", "malformed"),
        refused("NaN", "NaN", "malformed"),
        refused("raw control character", "\"\u{1}\"", "malformed"),
        refused("raw line feed in a string", "\"a\nb\"", "malformed"),
        refused("unknown escape", r#""\x41""#, "malformed"),
        refused("cut short", r#"{"a":"#, "malformed"),
        refused("no-break space between tokens", "[1,\u{a0}2]", "malformed"),
    ];
    cases.extend([
        refused_bytes("not UTF-8", "22ff22", "malformed"),
        refused_bytes("overlong UTF-8", "22c08022", "malformed"),
        refused_bytes("surrogate in UTF-8", "22eda08022", "malformed"),
        refused_bytes("UTF-16", "feff007b007d", "malformed"),
    ]);
    let about = "Documents that are hashed or signed (ENC-3, ENC-4). `outcome` is `accepted` or the code of the refusal; \
        `digest` is SHA-256 over the canonical bytes, base64url.";
    same("encodings/jcs.json", &json!({"about": about, "cases": cases}));
}

#[test]
fn base64url_vectors() {
    // ENC-1.1, ENC-1.2
    let mut cases = Vec::new();
    for bytes in ["", "00", "fbff", "fbefbe", "00ff10", &"ab".repeat(32)] {
        let text = to_base64url(&unhex(bytes));
        assert_eq!(from_base64url(&text).unwrap(), unhex(bytes));
        cases.push(json!({"text": text, "bytes_hex": bytes, "outcome": "accepted"}));
    }
    for text in ["AA==", "A", "+/8", "-_9", "AA AA", "AAA\n", "AB", "AAB", "*AAA"] {
        assert!(from_base64url(text).is_err(), "{text}");
        cases.push(json!({"text": text, "outcome": "malformed"}));
    }
    let about = "Base64url without padding (ENC-1.2): padding, other alphabets, white space, impossible lengths and non-zero \
        trailing bits are refused.";
    same("encodings/base64url.json", &json!({"about": about, "cases": cases}));
}

#[test]
fn lenient_reading_takes_fractions_and_nothing_else() {
    // ENC-3.7
    let value = json::parse_lenient(b"{\"a\":1.5,\"b\":1e30,\"c\":56.0}").unwrap();
    assert_eq!(value, json!({"a": 1.5, "b": 1e30, "c": 56}));
    assert_eq!(json::canonical(&value), Err(JsonError::Number));
    assert!(json::parse_lenient(b"1e400").is_err());
    assert!(json::parse_lenient(br#"{"a":1,"a":2}"#).is_err());
    assert!(json::parse_lenient(nested(33).as_bytes()).is_err());
}

#[test]
fn size_is_limited_before_anything_is_read() {
    // ENC-3.1
    let bytes = vec![0xff; limits::MESSAGE + 1];
    assert!(matches!(json::parse(&bytes), Err(JsonError::TooLarge { .. })));
    let deep = "[".repeat(limits::MESSAGE);
    assert_eq!(json::parse(deep.as_bytes()), Err(JsonError::TooDeep));
}

#[test]
fn typed_reading_demands_the_canonical_bytes_of_the_type() {
    // ENC-5.1, ENC-5.2
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Doc {
        v: json::V1,
        a: Option<u64>,
    }
    assert_eq!(json::parse_canonical::<Doc>(br#"{"a":null,"v":1}"#), Ok(Doc { v: json::V1, a: None }));
    for other in [
        &br#"{"v":1,"a":null}"#[..],
        br#"{"a":null,"v":1} "#,
        br#"{"a":null,"v":1.0}"#,
        br#"{"a":null,"b":1,"v":1}"#,
        br#"{"v":1}"#,
    ] {
        assert_eq!(json::parse_canonical::<Doc>(other), Err(JsonError::NotCanonical));
    }
    assert!(matches!(json::parse_canonical::<Doc>(br#"{"a":null,"v":2}"#), Err(JsonError::Shape(_))));
}

/// Which files of the reference implementation are refused, because they hold numbers that are no integers.
const REFUSED: [&str; 1] = ["values"];
const ACCEPTED: [&str; 5] = ["arrays", "french", "structures", "unicode", "weird"];

#[test]
fn reference_vectors() {
    // ENC-4.5
    let Some(folder) = shared("the vectors of the JCS reference implementation") else { return };
    let folder = folder.join("vectors/jcs");
    let names = fs::read_dir(folder.join("input")).unwrap().count();
    assert_eq!(names, ACCEPTED.len() + REFUSED.len());
    for name in ACCEPTED {
        let input = fs::read(folder.join(format!("input/{name}.json"))).unwrap();
        let output = fs::read(folder.join(format!("output/{name}.json"))).unwrap();
        assert_eq!(json::canonical(&json::parse(&input).unwrap()).unwrap(), output, "{name}");
        let spaced = fs::read_to_string(folder.join(format!("outhex/{name}.txt"))).unwrap();
        let octets: String = spaced.split_ascii_whitespace().collect();
        assert_eq!(unhex(&octets), output, "{name}");
    }
    for name in REFUSED {
        let input = fs::read(folder.join(format!("input/{name}.json"))).unwrap();
        assert_eq!(json::parse(&input), Err(JsonError::Number), "{name}");
    }
    judged(&format!("{names} documents of the JCS reference implementation, {} accepted", ACCEPTED.len()));
}

fn documents() -> impl Strategy<Value = Value> {
    let bound = limits::INTEGER as i64;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-bound..=bound).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_form_round_trips(document in documents()) {
        // ENC-4.4
        let bytes = json::canonical(&document).unwrap();
        let read = json::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(json::canonical(&read).unwrap(), bytes.clone());
        // Another writer's spelling has the same canonical form.
        let pretty = serde_json::to_string_pretty(&document).unwrap();
        prop_assert_eq!(json::canonical(&json::parse(pretty.as_bytes()).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = json::parse(&bytes);
        let _ = json::parse_lenient(&bytes);
    }

    #[test]
    fn agrees_with_another_parser(text in r#"([\[\]{},:"\\ 0-9a-u.eE+-]|"a"|"b":|\\u|null|true|[0-9]{1,20}){0,24}"#) {
        // What both take they take alike; what only the other takes is refused for a reason of ours.
        let ours = json::parse_lenient(text.as_bytes());
        match (ours, serde_json::from_str::<Value>(&text)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(json::canonical(&ours), json::canonical(&theirs), "{}", text);
            }
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{}: {}", text, error),
            (Err(error), Ok(_)) => prop_assert!(
                matches!(error, JsonError::DuplicateKey { .. } | JsonError::TooDeep | JsonError::Number),
                "{}: {}", text, error
            ),
            (Err(_), Err(_)) => {}
        }
    }
}
