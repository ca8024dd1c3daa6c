//! Runs of digits in a text, with what stands around them.

use core::ops::Range;

/// A run of digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) span: Range<usize>,
    /// What stands between it and the next run, if it is only separators.
    pub(super) gap: Gap,
    /// It begins where a number may begin: not after a letter, a digit of another script, or inside a decimal.
    pub(super) opens: bool,
    /// It ends where a number may end.
    pub(super) closes: bool,
}

/// What stands between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// `-`, perhaps with a space on either side.
    Dash,
    /// One space.
    Space,
    /// One dot.
    Dot,
    /// `)`, perhaps with a space after it.
    Bracket,
    /// Anything else, or the end.
    Other,
}

impl Run {
    pub(super) const fn len(&self) -> usize {
        self.span.end - self.span.start
    }
}

/// All runs of ASCII digits.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let bytes = text.as_bytes();
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            let start = at;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            spans.push(start..at);
        } else {
            at += 1;
        }
    }
    (0..spans.len())
        .filter_map(|n| {
            let span = spans.get(n)?.clone();
            let next = spans.get(n + 1).map(|next| &bytes[span.end..next.start]);
            Some(Run {
                gap: next.map_or(Gap::Other, gap),
                opens: opens(&bytes[..span.start]),
                closes: closes(&bytes[span.end..]),
                span,
            })
        })
        .collect()
}

const fn gap(between: &[u8]) -> Gap {
    match between {
        b"-" | b" - " | b"- " | b" -" => Gap::Dash,
        b" " => Gap::Space,
        b"." => Gap::Dot,
        b")" | b") " | b")-" => Gap::Bracket,
        _ => Gap::Other,
    }
}

/// A chain such as `1-2-3` or `1.5` goes on before; a letter or an underscore may stand before only if it is not ASCII or
/// is the underscore of a name.
fn opens(before: &[u8]) -> bool {
    match before {
        [.., last] if last.is_ascii_alphanumeric() => false,
        [.., inner, b'-' | b'.' | b','] if inner.is_ascii_alphanumeric() => false,
        _ => true,
    }
}

fn closes(after: &[u8]) -> bool {
    match after {
        [first, ..] if first.is_ascii_alphanumeric() => false,
        [b'-', inner, ..] if inner.is_ascii_alphanumeric() => false,
        [b'.' | b',', inner, ..] if inner.is_ascii_digit() => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_know_their_surroundings() {
        let all = runs("a1 22-333 4.5 (02) 7");
        let said: Vec<_> = all.iter().map(|r| (r.len(), r.gap, r.opens, r.closes)).collect();
        assert_eq!(
            said,
            [
                (1, Gap::Space, false, true),
                (2, Gap::Dash, true, false),
                (3, Gap::Space, false, true),
                (1, Gap::Dot, true, false),
                (1, Gap::Other, false, true),
                (2, Gap::Bracket, true, true),
                (1, Gap::Other, true, true),
            ]
        );
    }
}
