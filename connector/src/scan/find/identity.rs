//! Numbers with a check digit: resident and foreigner registration, cards, businesses.

use super::{
    Check, Hit, Kind,
    runs::{Gap, Run},
};

/// Candidates among runs of digits.
pub(super) fn find(text: &str, runs: &[Run], year: u16, each: &mut dyn FnMut(Hit)) {
    for (n, run) in runs.iter().enumerate() {
        if !run.opens {
            continue;
        }
        let digits = |parts: &[Run]| -> Vec<u8> {
            parts.iter().flat_map(|r| text.as_bytes()[r.span.clone()].iter().map(|b| b - b'0')).collect()
        };
        let group = |lengths: &[usize], gaps: &[Gap]| grouped(&runs[n..], lengths, gaps);
        if let Some(parts) = group(&[6, 7], &[Gap::Dash, Gap::Space]) {
            each(resident(&digits(parts), year, true, span(parts)));
        } else if let Some(parts) = group(&[4, 4, 4, 4], &[Gap::Dash, Gap::Space]) {
            card(&digits(parts), true, span(parts), each);
        } else if let Some(parts) = group(&[4, 6, 5], &[Gap::Dash, Gap::Space]) {
            card(&digits(parts), true, span(parts), each);
        } else if let Some(parts) = group(&[3, 2, 5], &[Gap::Dash]) {
            business(&digits(parts), true, span(parts), each);
        } else if run.closes {
            let one = core::slice::from_ref(run);
            match run.len() {
                10 => business(&digits(one), false, span(one), each),
                13 => each(resident(&digits(one), year, false, span(one))),
                15 | 16 => card(&digits(one), false, span(one), each),
                _ => {}
            }
        }
    }
}

/// The first runs, if they have these lengths and stand together as people write them.
pub(super) fn grouped<'a>(runs: &'a [Run], lengths: &[usize], gaps: &[Gap]) -> Option<&'a [Run]> {
    let parts = runs.get(..lengths.len())?;
    let (last, before) = parts.split_last()?;
    let fits = parts.iter().zip(lengths).all(|(run, length)| run.len() == *length)
        && before.iter().all(|run| gaps.contains(&run.gap))
        && before.windows(2).all(|two| two.first().map(|r| r.gap) == two.last().map(|r| r.gap));
    (fits && last.closes).then_some(parts)
}

pub(super) fn span(parts: &[Run]) -> core::ops::Range<usize> {
    parts.first().map_or(0, |r| r.span.start)..parts.last().map_or(0, |r| r.span.end)
}

/// Thirteen digits. The seventh tells the century and whether the number is a foreigner's.
fn resident(digits: &[u8], year: u16, grouped: bool, span: core::ops::Range<usize>) -> Hit {
    let [y1, y2, m1, m2, d1, d2, sort, ..] = *digits else {
        return Hit::new(Kind::ResidentNumber, Check::Length, grouped, span);
    };
    let (foreign, century) = match sort {
        1 | 2 => (false, 1900),
        3 | 4 => (false, 2000),
        5 | 6 => (true, 1900),
        7 | 8 => (true, 2000),
        // 9 and 0 stand for births before 1900.
        _ => return Hit::new(Kind::ResidentNumber, Check::Length, grouped, span),
    };
    let kind = if foreign { Kind::ForeignerNumber } else { Kind::ResidentNumber };
    let born = century + u16::from(y1) * 10 + u16::from(y2);
    let (month, day) = (m1 * 10 + m2, d1 * 10 + d2);
    if born > year || day == 0 || day > days(born, month) {
        return Hit::new(kind, Check::Length, grouped, span);
    }
    let weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let rest = weighted(digits, &weights) % 11;
    let check = (if foreign { 13 } else { 11 } - rest) % 10;
    let holds = digits.get(12).is_some_and(|last| u32::from(*last) == check);
    let mut hit = Hit::new(kind, if holds { Check::Holds } else { Check::Form }, grouped, span);
    // Since October 2020 the last digits are drawn at random.
    hit.recent = born > 2020 || (born == 2020 && month >= 10);
    hit.article = weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10);
    hit
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

const fn days(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// A card number of a known issuer; others with as many digits only count as looked at.
fn card(digits: &[u8], grouped: bool, span: core::ops::Range<usize>, each: &mut dyn FnMut(Hit)) {
    let number = |n: usize| digits.iter().take(n).fold(0_u32, |sum, d| sum * 10 + u32::from(*d));
    let known = match digits.len() {
        15 => matches!(number(2), 34 | 37),
        16 => {
            matches!(number(1), 4)
                || matches!(number(2), 51..=55 | 62 | 65 | 94)
                || matches!(number(4), 2221..=2720 | 3528..=3589 | 6011)
        }
        _ => false,
    };
    let doubled =
        |n: usize, d: u8| if n % 2 == 1 { u32::from(d) * 2 / 10 + u32::from(d) * 2 % 10 } else { d.into() };
    let luhn = digits.iter().rev().enumerate().map(|(n, d)| doubled(n, *d)).sum::<u32>() % 10 == 0;
    let same = digits.windows(2).all(|two| two.first() == two.last());
    let check = match (known && !same, luhn) {
        (true, true) => Check::Holds,
        (true, false) => Check::Form,
        (false, _) => Check::Length,
    };
    each(Hit::new(Kind::CardNumber, check, grouped, span));
}

fn business(digits: &[u8], grouped: bool, span: core::ops::Range<usize>, each: &mut dyn FnMut(Hit)) {
    let carried = digits.get(8).map_or(0, |d| u32::from(*d) * 5 / 10);
    let sum = weighted(digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5, 1]) + carried;
    let begins = digits.first().is_some_and(|d| *d != 0);
    let check = if begins && sum.is_multiple_of(10) { Check::Holds } else { Check::Length };
    each(Hit::new(Kind::BusinessNumber, check, grouped, span));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::find::runs::runs;

    fn hits(text: &str) -> Vec<Hit> {
        let mut all = Vec::new();
        find(text, &runs(text), 2026, &mut |hit| all.push(hit));
        all
    }

    fn one(text: &str) -> Option<(Kind, Check, bool)> {
        hits(text).first().map(|hit| (hit.kind, hit.check, hit.grouped))
    }

    #[test]
    fn resident_numbers_are_dated_and_checked() {
        // 2+... : weights 2,3,4,5,6,7,8,9,2,3,4,5 over 900101123456 give 102+..., worked out by hand in the next test.
        assert_eq!(one("900101-1234568"), Some((Kind::ResidentNumber, Check::Holds, true)));
        assert_eq!(one("9001011234568"), Some((Kind::ResidentNumber, Check::Holds, false)));
        assert_eq!(one("900101-1234567"), Some((Kind::ResidentNumber, Check::Form, true)));
        for not in ["901301-1234568", "900230-1234568", "010229-3234567", "300101-3234567"] {
            assert_eq!(one(not).unwrap().1, Check::Length, "{not}");
        }
        assert!(one("000229-3234567").unwrap().1 >= Check::Form, "2000 was a leap year");
    }

    #[test]
    fn the_check_digit_by_hand() {
        // 9*2+0*3+0*4+1*5+0*6+1*7+1*8+2*9+3*2+4*3+5*4+6*5 = 124; 124 % 11 = 3; 11 - 3 = 8; a foreigner's: 13 - ...
        assert_eq!(124 % 11, 3);
        assert_eq!(one("900101-1234568").unwrap().1, Check::Holds);
        // With 5 as seventh digit the sum is 156, the rest 2, the digit (13 - 2) % 10 = 1.
        assert_eq!(one("900101-5234561"), Some((Kind::ForeignerNumber, Check::Holds, true)));
        assert_eq!(one("900101-5234569"), Some((Kind::ForeignerNumber, Check::Form, true)));
    }

    #[test]
    fn numbers_since_october_2020_are_told_apart() {
        assert!(hits("201015-3123456").first().unwrap().recent);
        assert!(!hits("200915-3123456").first().unwrap().recent);
    }

    #[test]
    fn parts_of_longer_things_are_no_candidates() {
        for not in [
            "SN9001011234568",
            "9001011234568mm",
            "1.9001011234568",
            "9001011234568.5",
            "12-900101-1234568",
            "900101-1234568-9",
            "19001011234568",
        ] {
            assert_eq!(hits(not).iter().filter(|h| h.check > Check::Length).count(), 0, "{not}");
        }
        assert!(one("주민9001011234568임").is_some());
        assert!(one("hong_900101-1234568.pdf").is_some());
    }

    #[test]
    fn cards_and_businesses() {
        assert_eq!(one("4111-1111-1111-1111"), Some((Kind::CardNumber, Check::Holds, true)));
        assert_eq!(one("4111111111111112").unwrap().1, Check::Form);
        assert_eq!(one("378282246310005").unwrap().1, Check::Holds);
        // An IMEI has the same check digit, but no issuer.
        assert_eq!(one("356938035643809").unwrap().1, Check::Length);
        // Samsung Electronics' published number.
        assert_eq!(one("124-81-00998"), Some((Kind::BusinessNumber, Check::Holds, true)));
        assert_eq!(one("124-81-00997").unwrap().1, Check::Length);
    }
}
