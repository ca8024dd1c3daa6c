//! Telephone numbers: Korean mobile and land lines as people write them, `+82`, and other international numbers.

use super::{
    Check, Hit, Kind,
    identity::{grouped, span},
    runs::{Gap, Run},
};

const GAPS: &[Gap] = &[Gap::Dash, Gap::Space, Gap::Dot];

/// Candidates among runs of digits.
pub(super) fn find(text: &str, runs: &[Run], each: &mut dyn FnMut(Hit)) {
    let mut past = 0;
    for (n, run) in runs.iter().enumerate() {
        if run.span.start < past {
            continue;
        }
        let rest = &runs[n..];
        let plus = text.as_bytes()[..run.span.start].ends_with(b"+");
        let hit = if plus { international(text, rest) } else { national(text, rest) };
        if let Some(hit) = hit {
            past = hit.span.end;
            each(hit);
        }
    }
}

fn national(text: &str, runs: &[Run]) -> Option<Hit> {
    let run = runs.first().filter(|run| run.opens)?;
    let first = text.get(run.span.clone())?;
    if !first.starts_with('0') {
        return None;
    }
    if mobile(first) || area(first) {
        for lengths in [[first.len(), 4, 4], [first.len(), 3, 4]] {
            if let Some(parts) = parted(runs, &lengths) {
                return Some(Hit::new(Kind::Phone, Check::Holds, true, span(parts)));
            }
        }
    }
    if !run.closes || !(9..=11).contains(&first.len()) {
        return None;
    }
    let check = match (first.len(), first.get(..3)?) {
        (11, "010") => Check::Holds,
        (10 | 11, prefix) if prefix != "010" && mobile(prefix) => Check::Form,
        _ => Check::Length,
    };
    Some(Hit::new(Kind::Phone, check, false, run.span.clone()))
}

/// Groups of a telephone number; the first may stand in brackets and differ in what follows it.
fn parted<'a>(runs: &'a [Run], lengths: &[usize; 3]) -> Option<&'a [Run]> {
    if runs.first().is_some_and(|run| run.gap == Gap::Bracket) {
        grouped(runs.get(1..)?, lengths.get(1..)?, GAPS)?;
        return runs.get(..lengths.len());
    }
    grouped(runs, lengths, GAPS)
}

fn mobile(prefix: &str) -> bool {
    matches!(prefix, "010" | "011" | "016" | "017" | "018" | "019")
}

/// Areas, and numbers of the Internet and of persons.
fn area(prefix: &str) -> bool {
    matches!(
        prefix.as_bytes(),
        b"02"
            | b"070"
            | [b'0', b'3', b'1'..=b'3']
            | [b'0', b'4', b'1'..=b'4']
            | [b'0', b'5', b'1'..=b'5']
            | [b'0', b'6', b'1'..=b'4']
            | [b'0', b'5', b'0', b'2'..=b'8']
    )
}

/// After `+`: up to fifteen digits in groups.
fn international(text: &str, runs: &[Run]) -> Option<Hit> {
    let mut digits = String::new();
    let mut parts = 0;
    for run in runs {
        digits.push_str(text.get(run.span.clone())?);
        parts += 1;
        if run.gap == Gap::Other || digits.len() >= 15 {
            break;
        }
    }
    let parts = runs.get(..parts)?;
    let (first, last) = (parts.first()?, parts.last()?);
    let after = text.as_bytes().get(last.span.end..)?;
    let decimal = matches!(after, [b'.' | b',', digit, ..] if digit.is_ascii_digit());
    let before = text.as_bytes().get(..first.span.start.checked_sub(1)?)?;
    if decimal || !(8..=15).contains(&digits.len()) || before.last().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    // A sum or a measured value: one run that goes on as a decimal, or with groups split by dots only.
    if parts.len() == 2 && first.gap == Gap::Dot {
        return None;
    }
    let whole = first.span.start - 1..last.span.end;
    let Some(korean) = digits.strip_prefix("82") else {
        let check = if digits.starts_with('0') { Check::Length } else { Check::Form };
        return Some(Hit::new(Kind::Phone, check, parts.len() > 1, whole));
    };
    let local = format!("0{}", korean.trim_start_matches('0'));
    let is_mobile = local.get(..3).is_some_and(mobile) && matches!(local.len(), 10 | 11);
    let is_line = matches!(local.len(), 9..=11)
        && (local.get(..3).is_some_and(area) || local.get(..2).is_some_and(area));
    let check = if is_mobile || is_line { Check::Holds } else { Check::Length };
    Some(Hit::new(Kind::Phone, check, true, whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::find::runs::runs;

    fn one(text: &str) -> Option<(Check, String)> {
        let mut all = Vec::new();
        find(text, &runs(text), &mut |hit| all.push((hit.check, text[hit.span].to_owned())));
        all.into_iter().find(|(check, _)| *check > Check::Length)
    }

    #[test]
    fn numbers_as_people_write_them() {
        for number in [
            "010-1234-5678",
            "010.1234.5678",
            "010 1234 5678",
            "01012345678",
            "011-123-4567",
            "02-123-4567",
            "031-1234-5678",
            "070-1234-5678",
            "+82-10-1234-5678",
            "+82 10 1234 5678",
            "+821012345678",
            "+82 2 123 4567",
            "02)123-4567",
            "02) 123-4567",
        ] {
            let text = format!("전화 {number}, 담당");
            assert_eq!(one(&text), Some((Check::Holds, number.to_owned())), "{number}");
        }
        assert_eq!(one("(02) 123-4567").unwrap().0, Check::Holds);
        assert_eq!(one("+82 (0)10-1234-5678"), None, "brackets inside are not read");
        assert_eq!(one("+4915112345678").unwrap().0, Check::Form);
        assert_eq!(one("0111234567").unwrap().0, Check::Form);
    }

    #[test]
    fn numbers_that_are_no_telephones() {
        for not in [
            "2024-01-01 10:00:00",
            "0.12345678901",
            "00012345678",
            "010-12-345",
            "A01012345678",
            "1010-1234-5678",
            "+123456.78901",
            "+1.2345678901",
            "3.010.1234.5678",
            "10123456789",
            "022-123-4567",
        ] {
            assert_eq!(one(not), None, "{not}");
        }
    }
}
