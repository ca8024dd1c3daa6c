//! What in a text has the form of something that speaks of persons: numbers, addresses, coordinates.
//!
//! A form alone proves little: thirteen digits may be the number of a sensor. Each candidate therefore carries how far its
//! checks hold, and what it amounts to is judged over a whole column (`judge`), where chance shows. Names of persons in
//! running text are not looked for.

mod address;
mod identity;
mod judge;
pub(super) mod names;
mod phone;
mod plate;
mod runs;

pub(super) use judge::{Stat, judge};

use serde::Serialize;

use super::report::Sure;

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Korean resident registration number.
    ResidentNumber,
    /// Korean foreigner registration number.
    ForeignerNumber,
    /// Payment card number.
    CardNumber,
    /// Telephone number.
    Phone,
    /// E-mail address.
    Email,
    /// Vehicle identification number.
    Vin,
    /// Positions on Earth.
    Position,
    /// Korean business registration number.
    BusinessNumber,
    /// A column whose name speaks of persons.
    PersonColumn,
}

impl Kind {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::ResidentNumber,
        Self::ForeignerNumber,
        Self::CardNumber,
        Self::Phone,
        Self::Email,
        Self::Vin,
        Self::Position,
        Self::BusinessNumber,
        Self::PersonColumn,
    ];

    /// Whether values of this kind belong to a person, rather than to a firm or perhaps to a person.
    #[must_use]
    pub const fn personal(self) -> bool {
        match self {
            Self::ResidentNumber | Self::ForeignerNumber | Self::CardNumber | Self::Phone | Self::Email => {
                true
            }
            Self::Vin | Self::Position | Self::BusinessNumber | Self::PersonColumn => false,
        }
    }
}

/// How far the checks of a candidate hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// Its length only.
    Length,
    /// Its parts are possible, but no check digit confirms them.
    Form,
    /// All of them.
    Holds,
}

/// A candidate in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) kind: Kind,
    pub(super) check: Check,
    /// Written with the separators that people use.
    pub(super) grouped: bool,
    /// Of those without a check digit since October 2020.
    pub(super) recent: bool,
    /// Also has the check digit of an article number (EAN-13).
    pub(super) article: bool,
    /// Bytes in the text.
    pub(super) span: core::ops::Range<usize>,
}

impl Hit {
    const fn new(kind: Kind, check: Check, grouped: bool, span: core::ops::Range<usize>) -> Self {
        Self { kind, check, grouped, recent: false, article: false, span }
    }
}

/// Hands on every candidate in a text. `year` is the last in which a person in it can be born.
pub(super) fn candidates(text: &str, year: u16, each: &mut dyn FnMut(&str, Hit)) {
    let plain = plain(text);
    let text = plain.as_deref().unwrap_or(text);
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits >= 8 {
        let runs = runs::runs(text);
        identity::find(text, &runs, year, &mut |hit| each(text, hit));
        phone::find(text, &runs, &mut |hit| each(text, hit));
        address::positions(text, &mut |hit| each(text, hit));
    }
    if digits >= 4 && bytes.len() >= 17 {
        plate::find(text, &mut |hit| each(text, hit));
    }
    if bytes.contains(&b'@') {
        address::mail(text, &mut |hit| each(text, hit));
    }
}

/// The text with digits and signs of full width, and the many dashes, as in ASCII; `None` if it has none of them.
fn plain(text: &str) -> Option<String> {
    let wide =
        |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{a0}');
    text.contains(wide).then(|| {
        text.chars()
            .map(|c| match c {
                '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
                '\u{a0}' => ' ',
                c if wide(c) => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
                c => c,
            })
            .collect()
    })
}

/// A value's shape: letters and digits replaced, so that it can be shown.
pub(super) fn masked(value: &str) -> String {
    let shape = value.chars().map(|c| {
        if c.is_alphanumeric() {
            '*'
        } else if c.is_control() {
            ' '
        } else {
            c
        }
    });
    shape.take(super::limits::MASKED).collect()
}

/// A text with every candidate in it masked that its own checks confirm or that has the form of an identity: for paths
/// and names of columns, which are shown.
pub(super) fn without_values(text: &str, year: u16) -> String {
    let mut shown = plain(text).unwrap_or_else(|| text.to_owned());
    let mut spans = Vec::new();
    candidates(text, year, &mut |_, hit| {
        if hit.check > Check::Length {
            spans.push(hit.span);
        }
    });
    spans.sort_by_key(|span| core::cmp::Reverse(span.start));
    for span in spans {
        if let Some(value) = shown.get(span.clone()) {
            let masked: String = value.chars().map(|c| if c.is_alphanumeric() { '*' } else { c }).collect();
            // Spans may overlap: masking keeps the number of bytes, since what is found is ASCII, or fails to and is left.
            if masked.len() == value.len() {
                shown.replace_range(span, &masked);
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(Kind, Check)> {
        let mut all = Vec::new();
        candidates(text, 2026, &mut |_, hit| all.push((hit.kind, hit.check)));
        all.retain(|(_, check)| *check > Check::Length);
        all
    }

    #[test]
    fn wide_digits_and_dashes_are_read() {
        assert_eq!(found("９００１０１－１２３４５６８"), [(Kind::ResidentNumber, Check::Holds)]);
        assert_eq!(found("010–1234–5678"), [(Kind::Phone, Check::Holds)]);
    }

    #[test]
    fn what_is_shown_has_no_value() {
        assert_eq!(without_values("홍_900101-1234568.csv", 2026), "홍_******-*******.csv");
        assert_eq!(without_values("kim@example.com", 2026), "***@*******.***");
        assert_eq!(without_values("plain name.csv", 2026), "plain name.csv");
        assert_eq!(masked("900101-1234568"), "******-*******");
        assert!(masked(&"9".repeat(1000)).len() <= 32);
    }
}
