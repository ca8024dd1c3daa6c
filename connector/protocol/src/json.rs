//! Strict JSON and its canonical form (spec chapter 01, ENC-3 to ENC-5): what is hashed or signed is RFC 8785 (JCS) with
//! integers only.
//!
//! [`parse`] refuses what two readers could take differently: duplicate keys, lone surrogates, numbers that are no integer
//! within ±(2^53 - 1), bytes after the document, a byte order mark, deep nesting. It does not check the shape of a document:
//! the types that are read from it do. Nothing here reads more than [`crate::limits::MESSAGE`] bytes or recurses deeper than
//! [`crate::limits::NESTING`].

mod parser;

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned};
use serde_json::{Number, Value};

use parser::{Numbers, Parser};

use crate::{encoding::Digest, error::Code, limits};

/// Why bytes are not an acceptable JSON document, or a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than the limit of the place.
    #[error("document of {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Arrays and objects nested deeper than [`limits::NESTING`].
    #[error("nested deeper than {} levels", limits::NESTING)]
    TooDeep,
    /// Not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// Not JSON by RFC 8259.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Offset of the first byte that does not fit.
        at: usize,
    },
    /// Something other than white space after the document.
    #[error("bytes after the document, at byte {at}")]
    Trailing {
        /// Offset of the first such byte.
        at: usize,
    },
    /// The same key twice in one object, after unescaping.
    #[error("key repeated in an object, at byte {at}")]
    DuplicateKey {
        /// Offset after the second key.
        at: usize,
    },
    /// Half of a surrogate pair, which no UTF-8 can hold.
    #[error("lone surrogate at byte {at}")]
    LoneSurrogate {
        /// Offset after the escape.
        at: usize,
    },
    /// A number that is no integer within ±(2^53 - 1), or (lenient) is not finite.
    #[error("number is not an integer between -(2^53-1) and 2^53-1")]
    Number,
    /// Valid JSON, but not the canonical bytes of what it says.
    #[error("not in canonical form, or with members that do not belong here")]
    NotCanonical,
    /// JSON of another shape than its place demands; the text names the member.
    #[error("unexpected shape: {0}")]
    Shape(String),
}

impl JsonError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::TooLarge,
            Self::TooDeep => Code::TooDeep,
            Self::DuplicateKey { .. } => Code::DuplicateKey,
            Self::Number => Code::BadNumber,
            Self::NotCanonical => Code::NotCanonical,
            Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::Trailing { .. }
            | Self::LoneSurrogate { .. }
            | Self::Shape(_) => Code::Malformed,
        }
    }

    /// What serde said, cut short: it may quote the document.
    fn shape(error: &serde_json::Error) -> Self {
        Self::Shape(error.to_string().chars().take(200).collect())
    }
}

/// Reads a document that may be hashed: every number an integer within ±(2^53 - 1) (ENC-3).
///
/// `56.0` and `5.6e1` are the integer 56, `-0` is 0.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    Parser::run(bytes, limits::MESSAGE, Numbers::Integers)
}

/// Reads a DSP message, whose unknown members may hold any finite number (ENC-3.7); strict in everything else.
pub fn parse_lenient(bytes: &[u8]) -> Result<Value, JsonError> {
    Parser::run(bytes, limits::MESSAGE, Numbers::Finite)
}

/// The canonical bytes of a value: RFC 8785, keys in UTF-16 order (ENC-4).
pub fn canonical(value: &Value) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    write_value(&mut out, value, limits::NESTING)?;
    Ok(out)
}

/// Refuses a value that was read leniently and holds a number that has no canonical form (ENC-3.5).
pub fn integers(value: &Value) -> Result<(), JsonError> {
    match value {
        Value::Number(number) => integer_of(number).map(drop),
        Value::Array(items) => items.iter().try_for_each(integers),
        Value::Object(members) => members.values().try_for_each(integers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// The canonical bytes of anything that serialises to JSON.
pub fn to_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    canonical(&serde_json::to_value(value).map_err(|error| JsonError::shape(&error))?)
}

/// SHA-256 over the canonical bytes (ENC-4.6).
pub fn digest_of<T: Serialize + ?Sized>(value: &T) -> Result<Digest, JsonError> {
    Ok(Digest::of(&to_canonical(value)?))
}

/// Reads a document into its type and demands that the bytes are the canonical form of just that (ENC-5): unknown members,
/// other spellings of a number and other orders of keys are refused.
pub fn parse_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let document: T = from_value(parse(bytes)?)?;
    if to_canonical(&document)? == bytes { Ok(document) } else { Err(JsonError::NotCanonical) }
}

/// A value into its type, with the error of this module.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, JsonError> {
    serde_json::from_value(value).map_err(|error| JsonError::shape(&error))
}

/// The member `"v": 1` of every document of this profile; any other number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(de::Error::custom("version is not 1")),
        }
    }
}

/// Serde of a type as its text: `Display` out, `parse(&str)` in.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

fn write_value(out: &mut Vec<u8>, value: &Value, levels: usize) -> Result<(), JsonError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(integer_of(number)?.to_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            let levels = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(out, item, levels)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let levels = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            // UTF-16 units, not UTF-8 bytes: U+FB33 sorts after U+1F602 (D83D DE02) here.
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (at, (key, member)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_value(out, member, levels)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The integer that a number is, whatever its spelling; refuses fractions and what a double cannot hold exactly.
fn integer_of(number: &Number) -> Result<i64, JsonError> {
    if let Some(integer) = number.as_i64() {
        return if integer.unsigned_abs() <= limits::INTEGER { Ok(integer) } else { Err(JsonError::Number) };
    }
    match number.as_f64() {
        Some(float) if number.is_f64() => integral(float).ok_or(JsonError::Number),
        Some(_) | None => Err(JsonError::Number),
    }
}

/// A double as integer, if it is one within ±(2^53 - 1).
fn integral(float: f64) -> Option<i64> {
    let bound = limits::INTEGER as f64;
    if !(-bound..=bound).contains(&float) {
        return None;
    }
    let integer = float as i64;
    (integer as f64 == float).then_some(integer)
}
