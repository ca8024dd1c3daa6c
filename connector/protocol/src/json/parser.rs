//! A parser for JSON by RFC 8259 that refuses what two readers could take differently (ENC-3).

use alloc::{string::String, vec::Vec};

use serde_json::{Map, Number, Value};

use super::{JsonError, integral};
use crate::limits;

/// Which numbers a place takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Integers within ±(2^53 - 1).
    Integers,
    /// Anything finite.
    Finite,
}

/// A recursive descent parser; depth is bounded by [`limits::NESTING`], work is linear in the input.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    numbers: Numbers,
}

impl<'a> Parser<'a> {
    /// Reads one whole document.
    pub(super) fn run(bytes: &'a [u8], limit: usize, numbers: Numbers) -> Result<Value, JsonError> {
        if bytes.len() > limit {
            return Err(JsonError::TooLarge { size: bytes.len(), limit });
        }
        let text =
            core::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
        let mut parser = Parser { text, at: 0, numbers };
        parser.space();
        let value = parser.value(limits::NESTING)?;
        parser.space();
        if parser.at == text.len() { Ok(value) } else { Err(JsonError::Trailing { at: parser.at }) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    const fn wrong<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax { at: self.at })
    }

    /// Takes this byte or fails.
    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.wrong()
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            self.wrong()
        }
    }

    fn value(&mut self, levels: usize) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.object(levels.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'[') => self.array(levels.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) | None => self.wrong(),
        }
    }

    fn array(&mut self, levels: usize) -> Result<Value, JsonError> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(levels)?);
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b']')?;
                return Ok(Value::Array(items));
            }
        }
    }

    fn object(&mut self, levels: usize) -> Result<Value, JsonError> {
        self.expect(b'{')?;
        let mut members = Map::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            if members.contains_key(&key) {
                return Err(JsonError::DuplicateKey { at: self.at });
            }
            self.space();
            self.expect(b':')?;
            self.space();
            let value = self.value(levels)?;
            members.insert(key, value);
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let plain = self.at;
            while let Some(byte) = self.peek() {
                if byte == b'"' || byte == b'\\' || byte < 0x20 {
                    break;
                }
                self.at += 1;
            }
            // Both ends are at ASCII bytes or the end, hence on character boundaries.
            out.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) | None => return self.wrong(),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.peek() else { return self.wrong() };
        let plain = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.wrong(),
        };
        self.at += 1;
        Ok(plain)
    }

    /// After `\u`: four hex digits, and for a high surrogate the escape of the low one.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        let unit = if (0xd800..0xdc00).contains(&first) {
            if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                return Err(JsonError::LoneSurrogate { at: self.at });
            }
            self.at += 2;
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(JsonError::LoneSurrogate { at: self.at });
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(unit).ok_or(JsonError::LoneSurrogate { at: self.at })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return self.wrong() };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { self.wrong() } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // The nearest double decides, as in every reader that has only doubles.
        let float: f64 = self.text[from..self.at].parse().map_err(|_| JsonError::Number)?;
        if let Some(integer) = integral(float) {
            return Ok(Value::from(integer));
        }
        match self.numbers {
            Numbers::Integers => Err(JsonError::Number),
            Numbers::Finite => Number::from_f64(float).map(Value::Number).ok_or(JsonError::Number),
        }
    }
}
