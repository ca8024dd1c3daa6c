//! Vehicle identification numbers: seventeen letters and digits, with the check digit where makers use it.

use super::{Check, Hit, Kind};

const LENGTH: usize = 17;

/// Candidates among words of letters and digits.
pub(super) fn find(text: &str, each: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            at += 1;
        }
        if at - start != LENGTH {
            continue;
        }
        if let Some(check) = check(&bytes[start..at].to_ascii_uppercase()) {
            each(Hit::new(Kind::Vin, check, true, start..at));
        }
    }
}

/// How far the checks hold; `None` for what cannot be one: all digits, no digits at its end, or a letter that is not used.
fn check(vin: &[u8]) -> Option<Check> {
    let letters = vin.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let serial = vin.get(LENGTH - 4..)?;
    if letters == 0 || !serial.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in vin.iter().zip([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2_u32]) {
        sum += value(*byte)? * weight;
    }
    let expected = match sum % 11 {
        10 => b'X',
        rest => b'0' + u8::try_from(rest).ok()?,
    };
    // A word whose first letters are digits only, or whose maker part has no letter, is no maker's that is met.
    let maker = vin.get(..3)?.iter().any(u8::is_ascii_alphabetic);
    Some(match (vin.get(8) == Some(&expected), maker) {
        (true, true) => Check::Holds,
        // Makers outside North America and China leave the place of the check digit free.
        (false, true) if korean(vin) => Check::Form,
        (true | false, _) => Check::Length,
    })
}

/// Made in Korea: `K` and `L` to `R`.
fn korean(vin: &[u8]) -> bool {
    matches!(vin, [b'K', b'L'..=b'R', ..])
}

const fn value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'0'..=b'9' => (byte - b'0') as u32,
        b'A'..=b'H' => (byte - b'A') as u32 + 1,
        b'J'..=b'N' => (byte - b'J') as u32 + 1,
        b'P' => 7,
        b'R' => 9,
        b'S'..=b'Z' => (byte - b'S') as u32 + 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<Check> {
        let mut all = Vec::new();
        find(text, &mut |hit| all.push(hit.check));
        all.first().copied()
    }

    #[test]
    fn the_check_digit_and_korean_makers() {
        // The well-known example of the standard, and one of ones.
        assert_eq!(one("vin 1M8GDM9AXKP042788."), Some(Check::Holds));
        assert_eq!(one("1M8GDM9A1KP042788"), Some(Check::Length));
        assert_eq!(one("KMHEC41BBCA123456").map(|c| c >= Check::Form), Some(true));
        assert_eq!(one("kmhec41bbca123456").map(|c| c >= Check::Form), Some(true));
    }

    #[test]
    fn words_that_are_none() {
        for not in [
            "12345678901234567",
            "KMHEC41BBCA12345I",
            "1M8GDM9AXKP0427888",
            "ABCDEFGHJKLMNPRST",
            "1M8GDM9AXQP042788",
        ] {
            assert_eq!(one(not), None, "{not}");
        }
    }
}
