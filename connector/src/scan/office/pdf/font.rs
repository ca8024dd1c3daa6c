//! Which characters the codes of a font stand for.

use std::collections::BTreeMap;

use encoding_rs::{EUC_KR, WINDOWS_1252};

use super::objects::{Objects, find, number_after};
use crate::scan::limits;

/// Units of UTF-16 that one code may stand for.
const UNITS: usize = 16;

/// A font, as far as reading needs it.
pub(super) enum Font {
    /// One byte is one Western character.
    Simple,
    /// Codes of so many bytes and their text.
    Mapped(usize, BTreeMap<u32, String>),
    /// UTF-16.
    Wide,
    /// The Korean code page.
    Korean,
    /// Not known: glyphs by number only.
    Unknown,
}

impl Font {
    /// The font of this object.
    /// `left` is how many characters may still be mapped.
    pub(super) fn read(number: u32, objects: &Objects, left: &mut usize) -> Self {
        let Some(body) = objects.plain.get(&number) else { return Self::Unknown };
        let composite = find(body, b"/Type0").is_some();
        if let Some(map) = reference(body, b"/ToUnicode").and_then(|number| objects.stream_of(number)) {
            return mapped(&map.bytes, composite, left);
        }
        if !composite {
            return Self::Simple;
        }
        if find(body, b"/UniKS").is_some() {
            return Self::Wide;
        }
        if find(body, b"/KSCms").is_some() || find(body, b"/KSC-EUC").is_some() {
            return Self::Korean;
        }
        Self::Unknown
    }

    /// The text of codes; `None` if it cannot be known.
    pub(super) fn text(&self, codes: &[u8]) -> Option<String> {
        Some(match self {
            Self::Simple => WINDOWS_1252.decode_without_bom_handling(codes).0.into_owned(),
            Self::Wide => {
                let units: Vec<u16> =
                    codes.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
                String::from_utf16_lossy(&units)
            }
            Self::Korean => EUC_KR.decode_without_bom_handling(codes).0.into_owned(),
            Self::Mapped(width, map) => codes
                .chunks(*width)
                .map(|code| code.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
                .filter_map(|code| map.get(&code).map(String::as_str))
                .collect(),
            Self::Unknown => return None,
        })
    }
}

/// The object that a key refers to.
fn reference(body: &[u8], key: &[u8]) -> Option<u32> {
    number_after(body, key)?.try_into().ok()
}

/// Names and numbers of the fonts in resources: `/Font<</F1 5 0 R>>`, or a reference to such a dictionary.
pub(super) fn named(body: &[u8], objects: &Objects, left: &mut usize) -> Vec<(Vec<u8>, u32)> {
    let mut all = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, b"/Font") {
        rest = rest.get(at + 5..).unwrap_or_default();
        let after = rest.trim_ascii_start();
        if let Some(inner) = after.strip_prefix(b"<<") {
            pairs(inner, &mut all, left);
        } else if after.first().is_some_and(u8::is_ascii_digit)
            && let Some(number) = number_after(rest, b"").and_then(|n| u32::try_from(n).ok())
            && let Some(inner) = objects.plain.get(&number)
        {
            pairs(inner.trim_ascii_start().strip_prefix(b"<<").unwrap_or_default(), &mut all, left);
        }
    }
    all
}

fn pairs(dictionary: &[u8], all: &mut Vec<(Vec<u8>, u32)>, left: &mut usize) {
    let end = find(dictionary, b">>").unwrap_or(dictionary.len());
    let Some(rest) = left.checked_sub(end) else { return };
    *left = rest;
    for part in dictionary[..end].split(|b| *b == b'/').skip(1).take(limits::COLUMNS) {
        let name_end = part.iter().position(u8::is_ascii_whitespace).unwrap_or(part.len());
        let (name, value) = part.split_at(name_end);
        if let Some(number) = number_after(value, b"").and_then(|n| u32::try_from(n).ok()) {
            all.push((name.to_vec(), number));
        }
    }
}

/// A map from codes to text: `bfchar` and `bfrange`.
fn mapped(map: &[u8], composite: bool, left: &mut usize) -> Font {
    let text = String::from_utf8_lossy(map);
    let mut codes = BTreeMap::new();
    let mut width = if composite { 2 } else { 1 };
    for section in text.split("begin").skip(1) {
        let body = section.split("end").next().unwrap_or_default();
        let tokens = tokens(body);
        if section.starts_with("codespacerange") {
            if let Some(Token::Hex(code)) = tokens.first() {
                width = code.len().clamp(1, 4);
            }
        } else if section.starts_with("bfchar") {
            let mut hex = tokens.iter().filter_map(Token::hex);
            while let (Some(code), Some(text)) = (hex.next(), hex.next()) {
                codes.insert(number(code), wide(text));
                if codes.len() >= *left {
                    break;
                }
            }
        } else if section.starts_with("bfrange") {
            ranges(&tokens, &mut codes, *left);
        }
        if codes.len() >= *left {
            break;
        }
    }
    *left = left.saturating_sub(codes.len());
    Font::Mapped(width, codes)
}

fn ranges(tokens: &[Token], codes: &mut BTreeMap<u32, String>, limit: usize) {
    let mut rest = tokens;
    while let [Token::Hex(first), Token::Hex(last), third, after @ ..] = rest {
        let (first, last) = (number(first), number(last));
        rest = after;
        if let Token::Hex(text) = third {
            let text = wide(text);
            let mut characters = text.chars();
            let end = characters.next_back();
            for (step, code) in (first..=last).take(limits::MAPPED).enumerate() {
                let end =
                    end.and_then(|c| char::from_u32(u32::from(c).checked_add(u32::try_from(step).ok()?)?));
                codes.insert(code, characters.as_str().chars().chain(end).collect());
                if codes.len() >= limit {
                    return;
                }
            }
            continue;
        }
        // A list, one text for each code.
        let mut code = first;
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                Token::Hex(text) => {
                    codes.insert(code, wide(text));
                    code = code.saturating_add(1);
                }
                Token::Close => break,
                Token::Open => {}
            }
        }
    }
}

enum Token {
    Hex(Vec<u8>),
    Open,
    Close,
}

impl Token {
    fn hex(&self) -> Option<&[u8]> {
        match self {
            Self::Hex(bytes) => Some(bytes),
            Self::Open | Self::Close => None,
        }
    }
}

fn tokens(body: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find(['<', '[', ']']) {
        let Some((mark, after)) = rest.get(at..).and_then(|r| r.split_at_checked(1)) else { break };
        rest = after;
        match mark {
            "[" => tokens.push(Token::Open),
            "]" => tokens.push(Token::Close),
            _ => {
                let Some((inner, after)) = rest.split_once('>') else { break };
                tokens.push(Token::Hex(bytes_of(inner.bytes())));
                rest = after;
            }
        }
    }
    tokens
}

/// Bytes written as pairs of hexadecimal digits; anything else between is skipped.
pub(super) fn bytes_of(text: impl Iterator<Item = u8>) -> Vec<u8> {
    let digits: Vec<u8> =
        text.filter_map(|b| char::from(b).to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
}

fn number(code: &[u8]) -> u32 {
    code.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn wide(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks(2)
        .take(UNITS)
        .map(|two| two.iter().fold(0, |sum, b| sum << 8 | u16::from(*b)))
        .collect();
    String::from_utf16_lossy(&units)
}
