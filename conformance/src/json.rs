//! JSON as hashed documents of the exchange must be: a strict parser and the canonical writer (RFC 8785), with the
//! profile's restrictions: integers of at most 2^53 - 1 in size, no duplicate keys, no lone surrogates, bounded depth.

use std::{collections::BTreeMap, fmt};

/// Deepest nesting of arrays and objects that a document may have.
pub const MAX_DEPTH: usize = 32;
/// The largest integer that every JSON reader keeps exactly.
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// A JSON value of the restricted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer within [`MAX_INTEGER`].
    Integer(i64),
    /// Any other finite number, as it was written; only [`Json::parse_lenient`] gives it.
    Fraction(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object; the canonical order is made when it is written.
    Object(BTreeMap<String, Self>),
}

/// Why a text is not a document that may be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadJson {
    /// Not JSON at all, or something follows it.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// A key stands twice in one object.
    DuplicateKey,
    /// A number that is no integer or too large.
    Number,
    /// Half of a surrogate pair.
    Surrogate,
    /// Not UTF-8.
    Utf8,
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not JSON",
            Self::Depth => "nested too deeply",
            Self::DuplicateKey => "a key stands twice",
            Self::Number => "a number that is not a safe integer",
            Self::Surrogate => "half of a surrogate pair",
            Self::Utf8 => "not UTF-8",
        })
    }
}

impl Json {
    /// Reads one document; anything but white space after it is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadJson> {
        Self::read(bytes, false)
    }

    /// Reads a message of the Dataspace Protocol: members that the profile does not name may hold any finite double
    /// (ENC-3.7).
    pub fn parse_lenient(bytes: &[u8]) -> Result<Self, BadJson> {
        Self::read(bytes, true)
    }

    fn read(bytes: &[u8], lenient: bool) -> Result<Self, BadJson> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadJson::Utf8)?;
        let mut parser = Parser { bytes: text.as_bytes(), at: 0, depth: 0, lenient };
        let value = parser.value()?;
        parser.space();
        if parser.at == parser.bytes.len() { Ok(value) } else { Err(BadJson::Syntax) }
    }

    /// The canonical bytes (JCS).
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::Fraction(token) => out.push_str(token),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                // By UTF-16 units: U+FFxx sorts after the surrogates of U+1xxxx, unlike in UTF-8.
                sorted.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
                out.push('{');
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The member of an object, if this is one and has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        if let Self::Object(members) = self { members.get(key) } else { None }
    }

    /// The member of an object that is a string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        if let Some(Self::Text(text)) = self.get(key) { Some(text) } else { None }
    }

    /// The member of an object that is an integer.
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        if let Some(Self::Integer(value)) = self.get(key) { Some(*value) } else { None }
    }

    /// The member of an object that is an array; empty if there is none.
    #[must_use]
    pub fn list(&self, key: &str) -> &[Self] {
        if let Some(Self::List(items)) = self.get(key) { items } else { &[] }
    }

    /// A string that this value is.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The keys of an object in code-point order; empty if this is none.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        if let Self::Object(members) = self {
            members.keys().map(String::as_str).collect()
        } else {
            Vec::new()
        }
    }

    /// Adds or replaces a member; does nothing to a value that is no object.
    pub fn set(&mut self, key: &str, value: impl Into<Self>) {
        if let Self::Object(members) = self {
            members.insert(key.to_owned(), value.into());
        }
    }

    /// Whether the document may be hashed: it holds no fraction.
    #[must_use]
    pub fn hashable(&self) -> bool {
        match self {
            Self::Fraction(_) => false,
            Self::List(items) => items.iter().all(Self::hashable),
            Self::Object(members) => members.values().all(Self::hashable),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Text(_) => true,
        }
    }

    /// Takes a value from the general JSON crate, if it is of the restricted kind.
    pub fn from_serde(value: &serde_json::Value) -> Result<Self, BadJson> {
        Self::parse(value.to_string().as_bytes())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(MAX_INTEGER))
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Self>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// An object from pairs: `object([("v", 1.into())])`.
#[must_use]
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    lenient: bool,
}

impl Parser<'_> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, BadJson> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(BadJson::Syntax)
        }
    }

    fn value(&mut self) -> Result<Json, BadJson> {
        self.space();
        match self.bytes.get(self.at) {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'[') => self.nested(Self::list),
            Some(b'{') => self.nested(Self::object),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => Err(BadJson::Syntax),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Json, BadJson>) -> Result<Json, BadJson> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(BadJson::Depth);
        }
        self.at += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Json, BadJson> {
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Json::List(items));
            }
            if !self.take(b',') {
                return Err(BadJson::Syntax);
            }
        }
    }

    fn object(&mut self) -> Result<Json, BadJson> {
        let mut members = BTreeMap::new();
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(BadJson::Syntax);
            }
            let value = self.value()?;
            if members.insert(key, value).is_some() {
                return Err(BadJson::DuplicateKey);
            }
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(BadJson::Syntax);
            }
        }
    }

    fn string(&mut self) -> Result<String, BadJson> {
        if !self.take(b'"') {
            return Err(BadJson::Syntax);
        }
        let mut out = Vec::new();
        loop {
            let byte = *self.bytes.get(self.at).ok_or(BadJson::Syntax)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(out).map_err(|_| BadJson::Utf8),
                b'\\' => {
                    let letter = self.escape()?;
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1f => return Err(BadJson::Syntax),
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, BadJson> {
        let byte = *self.bytes.get(self.at).ok_or(BadJson::Syntax)?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) {
                    if !(self.take(b'\\') && self.take(b'u')) {
                        return Err(BadJson::Surrogate);
                    }
                    units.push(self.unit()?);
                }
                let mut letters = char::decode_utf16(units);
                let letter = letters.next().and_then(Result::ok).ok_or(BadJson::Surrogate)?;
                if letters.next().is_some() {
                    return Err(BadJson::Surrogate);
                }
                letter
            }
            _ => return Err(BadJson::Syntax),
        })
    }

    fn unit(&mut self) -> Result<u16, BadJson> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(BadJson::Syntax)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadJson::Syntax);
        }
        self.at += 4;
        let text = std::str::from_utf8(digits).map_err(|_| BadJson::Syntax)?;
        u16::from_str_radix(text, 16).map_err(|_| BadJson::Syntax)
    }

    /// Passes over digits and returns how many there were.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Any token whose nearest double is a safe integer: `10`, `1e1`, `10.0` (ENC-3.5, ENC-3.6).
    fn number(&mut self) -> Result<Json, BadJson> {
        let start = self.at;
        self.take(b'-');
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes[self.at - whole] == b'0') {
            return Err(BadJson::Syntax);
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(BadJson::Syntax);
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'-') {
                self.take(b'+');
            }
            if self.digits() == 0 {
                return Err(BadJson::Syntax);
            }
        }
        let token = std::str::from_utf8(&self.bytes[start..self.at]).map_err(|_| BadJson::Utf8)?;
        let value: f64 = token.parse().map_err(|_| BadJson::Syntax)?;
        // The limit is itself a double, and every double below it is exact as i64.
        if value.fract() == 0.0 && value.abs() <= MAX_INTEGER as f64 {
            Ok(Json::Integer(value as i64))
        } else if self.lenient && value.is_finite() {
            Ok(Json::Fraction(token.to_owned()))
        } else {
            Err(BadJson::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, BadJson> {
        Json::parse(text.as_bytes()).map(|value| value.canonical())
    }

    #[test]
    fn writes_canonical_text() {
        assert_eq!(
            canonical(" { \"b\" : [ 1 , true,null ], \"a\":\"\\u00e9\\/\" } ").unwrap(),
            "{\"a\":\"é/\",\"b\":[1,true,null]}"
        );
        assert_eq!(canonical("\"\\u0000\\b\\u001f\\ud83d\\ude00\"").unwrap(), "\"\\u0000\\b\\u001f😀\"");
    }

    #[test]
    fn keys_are_sorted_by_utf16_units() {
        assert_eq!(
            canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3}").unwrap(),
            "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn integers_in_any_spelling() {
        for (text, value) in [
            ("1e3", "1000"),
            ("10.0", "10"),
            ("-0", "0"),
            ("0.0e99", "0"),
            ("120e-1", "12"),
            ("9007199254740991.1", "9007199254740991"),
            ("-9007199254740991", "-9007199254740991"),
        ] {
            assert_eq!(canonical(text).unwrap(), value, "{text}");
        }
        for text in ["1.5", "9007199254740992", "1e16", "1e999999999999999999999", "1e-1", "9007199254740993"]
        {
            assert_eq!(canonical(text), Err(BadJson::Number), "{text}");
        }
        for text in ["01", "+1", "1.", ".5", "1e", "-", "NaN"] {
            assert_eq!(canonical(text), Err(BadJson::Syntax), "{text}");
        }
    }

    #[test]
    fn traps_are_refused() {
        assert_eq!(canonical("{\"a\":1,\"\\u0061\":2}"), Err(BadJson::DuplicateKey));
        assert_eq!(canonical("\"\\ud800\""), Err(BadJson::Surrogate));
        assert_eq!(canonical("\"\\ud800\\u0041\""), Err(BadJson::Surrogate));
        assert_eq!(canonical("\"\\udc00\""), Err(BadJson::Surrogate));
        assert_eq!(Json::parse(b"\"\xff\""), Err(BadJson::Utf8));
        for text in [
            "",
            "[1,]",
            "{\"a\":1,}",
            "[1] 2",
            "\"\t\"",
            "'a'",
            "{a:1}",
            "\"\\x\"",
            "\u{feff}1",
            "nul",
            "\"\\u+123\"",
        ] {
            assert_eq!(canonical(text), Err(BadJson::Syntax), "{text}");
        }
        assert!(canonical(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_ok());
        assert_eq!(canonical(&"[".repeat(100_000)), Err(BadJson::Depth));
    }
}
