//! JCS (RFC 8785) of documents whose numbers are integers: results and peer views (POL-5).
//! Written out here because the order of `serde_json`'s maps is a feature that any crate of a build may switch.
//! Not here: parsing, and numbers that are no integers (`input.rs` refuses them before anything is evaluated).

use serde_json::{Map, Value};

/// The canonical bytes of `value`.
pub(crate) fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        // For these three serde_json writes what JCS asks for: integers in decimal, and the same escapes in strings.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.extend_from_slice(value.to_string().as_bytes());
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(members, out),
    }
}

fn write_object(members: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut names: Vec<&String> = members.keys().collect();
    names.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
    out.push(b'{');
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&Value::String(name.clone()), out);
        out.push(b':');
        if let Some(member) = members.get(name) {
            write(member, out);
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::to_vec;

    // POL-5.3
    #[test]
    fn members_are_sorted_by_utf16_units() {
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "b": [true, null], "a": "x\n\u{1}\"/"});
        let text = String::from_utf8(to_vec(&value)).unwrap();
        assert_eq!(text, "{\"a\":\"x\\n\\u0001\\\"/\",\"b\":[true,null],\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
