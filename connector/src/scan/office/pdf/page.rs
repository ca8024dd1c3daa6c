//! What a page draws: its operators, of which those that show text and move lines are read.

use std::{collections::BTreeMap, rc::Rc};

use super::font::{Font, bytes_of};
use crate::scan::limits;

/// Lines of a page.
#[derive(Default)]
pub(super) struct Text {
    pub(super) lines: Vec<String>,
    /// Something is drawn in a font whose characters are not known.
    pub(super) unknown_font: bool,
    /// There is more text than what is kept.
    pub(super) cut: bool,
    bytes: usize,
}

/// Reads a page. Where a name stands for several fonts there is one line for each.
pub(super) fn text(content: &[u8], fonts: &BTreeMap<Vec<u8>, Vec<Rc<Font>>>) -> Text {
    let mut page =
        Page { fonts, font: None, operands: Vec::new(), open: vec![String::new()], text: Text::default() };
    let mut rest = content;
    while let Some(token) = token(&mut rest).filter(|_| !page.text.cut) {
        match token {
            Token::Word(word) => page.operator(word),
            operand @ (Token::Name(_) | Token::Text(_) | Token::Number(_)) => page.operands.push(operand),
        }
        // Operators have few operands; arrays of text may have many.
        if page.operands.len() > limits::COLUMNS {
            page.operands.clear();
        }
    }
    page.end_line();
    page.text
}

struct Page<'a> {
    fonts: &'a BTreeMap<Vec<u8>, Vec<Rc<Font>>>,
    font: Option<&'a [Rc<Font>]>,
    operands: Vec<Token<'a>>,
    /// The line, in each font that it may be in.
    open: Vec<String>,
    text: Text,
}

impl<'a> Page<'a> {
    fn operator(&mut self, word: &[u8]) {
        let operands = core::mem::take(&mut self.operands);
        match word {
            b"Tf" => {
                let name = operands.iter().find_map(|token| match token {
                    Token::Name(name) => Some(*name),
                    Token::Text(_) | Token::Number(_) | Token::Word(_) => None,
                });
                self.font = name.and_then(|name| self.fonts.get(name)).map(Vec::as_slice);
            }
            b"Tj" | b"TJ" | b"'" | b"\"" => {
                if matches!(word, b"'" | b"\"") {
                    self.end_line();
                }
                for operand in &operands {
                    match operand {
                        Token::Text(codes) => self.show(codes),
                        // A wide gap within a line is a space.
                        Token::Number(gap) if word == b"TJ" && *gap < -180.0 => self.push(" "),
                        Token::Number(_) | Token::Name(_) | Token::Word(_) => {}
                    }
                }
            }
            b"Td" | b"TD" => match operands.last() {
                Some(Token::Number(down)) if *down == 0.0 => self.push(" "),
                Some(_) | None => self.end_line(),
            },
            b"T*" | b"ET" | b"Tm" => self.end_line(),
            _ => {}
        }
    }

    fn show(&mut self, codes: &[u8]) {
        let fonts = self.font.unwrap_or_default();
        self.text.unknown_font |=
            fonts.is_empty() || fonts.iter().any(|font| matches!(**font, Font::Unknown));
        let fallback = [Rc::new(Font::Simple)];
        let fonts = if fonts.is_empty() { &fallback } else { fonts };
        let first = self.open.first().cloned().unwrap_or_default();
        self.open.resize(self.open.len().max(fonts.len()), first);
        for (n, line) in self.open.iter_mut().enumerate() {
            let font = fonts.get(n).or_else(|| fonts.first());
            if let Some(text) = font.and_then(|font| font.text(codes)) {
                line.push_str(&text);
                self.text.bytes += text.len();
            }
        }
        self.text.cut |= self.text.bytes > limits::STREAM_BYTES;
        if self.open.iter().any(|line| line.len() > limits::CELL_BYTES) {
            self.end_line();
        }
    }

    fn push(&mut self, text: &str) {
        self.open.iter_mut().for_each(|line| line.push_str(text));
    }

    fn end_line(&mut self) {
        let open = core::mem::replace(&mut self.open, vec![String::new()]);
        self.text.lines.extend(open.into_iter().filter(|line| !line.trim().is_empty()));
    }
}

enum Token<'a> {
    Name(&'a [u8]),
    Text(Vec<u8>),
    Number(f64),
    Word(&'a [u8]),
}

/// The next token; marks of arrays and dictionaries are passed over.
fn token<'a>(rest: &mut &'a [u8]) -> Option<Token<'a>> {
    loop {
        let (first, after) = rest.split_first()?;
        match first {
            b'(' => {
                *rest = after;
                return Some(Token::Text(literal(rest)));
            }
            b'<' if after.first() == Some(&b'<') => *rest = after.get(1..)?,
            b'<' => {
                let end = after.iter().position(|b| *b == b'>')?;
                *rest = after.get(end + 1..)?;
                return Some(Token::Text(bytes_of(after[..end].iter().copied())));
            }
            b'%' => {
                let end = after.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(after.len());
                *rest = after.get(end..)?;
            }
            b'/' => {
                let end = after.iter().position(|b| ends(*b)).unwrap_or(after.len());
                *rest = after.get(end..)?;
                return Some(Token::Name(&after[..end]));
            }
            byte if ends(*byte) => *rest = after,
            _ => {
                let end = rest.iter().position(|b| ends(*b)).unwrap_or(rest.len());
                let word = &rest[..end];
                *rest = rest.get(end..)?;
                let number = core::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                return Some(number.map_or(Token::Word(word), Token::Number));
            }
        }
    }
}

const fn ends(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n'
            | b'\r'
            | b'\t'
            | 0
            | 12
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'['
            | b']'
            | b'/'
            | b'%'
            | b'{'
            | b'}'
    )
}

/// A text in brackets, which nest, with its escapes resolved.
fn literal(rest: &mut &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut depth = 1;
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            b'\\' => {
                let Some((escaped, after)) = rest.split_first() else { break };
                *rest = after;
                match escaped {
                    b'n' | b'r' | b't' | b'\n' | b'\r' => text.push(b' '),
                    b'0'..=b'7' => {
                        let mut code = u32::from(escaped - b'0');
                        for _ in 0..2 {
                            let Some((digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                            code = code * 8 + u32::from(digit - b'0');
                            *rest = after;
                        }
                        text.push(u8::try_from(code & 0xff).unwrap_or_default());
                    }
                    other => text.push(*other),
                }
            }
            b'(' => {
                depth += 1;
                text.push(b'(');
            }
            b')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
                text.push(b')');
            }
            other => text.push(*other),
        }
    }
    text
}
