//! The `xsd:dateTime` of an agreement's `timestamp`, to and from integer seconds (DSP 2025-1, `contract-schema.json`).
//!
//! Proleptic Gregorian calendar, no leap seconds; years 1970 to 9999. No clock is read here.

use alloc::{format, string::String};

const DAY: u64 = 86_400;

/// Seconds since 1970 as `YYYY-MM-DDThh:mm:ssZ`, the one form that this profile writes; `None` after the year 9999.
#[must_use]
pub fn to_date_time(seconds: u64) -> Option<String> {
    let days = i64::try_from(seconds / DAY).ok()?;
    // Days since 0000-03-01, so that the leap day ends a year.
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era.checked_mul(400)? + i64::from(month <= 2);
    if year > 9999 {
        return None;
    }
    let second = seconds % DAY;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60))
}

/// Reads an `xsd:dateTime`; fractions are cut off, a time without zone is taken as UTC. `None` for anything else, for days
/// that no month has and for times before 1970.
#[must_use]
pub fn parse_date_time(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() > 64 || !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let days = days_before(i64::from(digits(year)?), digits(month)?, digits(day)?)?;
    let (clock, zone) = split_zone(rest)?;
    let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(whole, part)| (whole, Some(part)));
    if fraction.is_some_and(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let mut parts = whole.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || [hour, minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    let midnight = hour == 24
        && minute == 0
        && second == 0
        && fraction.is_none_or(|part| part.bytes().all(|byte| byte == b'0'));
    if !(midnight || hour < 24) || minute > 59 || second > 59 {
        return None;
    }
    let at = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - zone;
    u64::try_from(at).ok()
}

/// The offset from UTC in seconds and what stands before it.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (clock, zone) = text.split_at(at);
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    if minutes > 59 || hours > 14 || (hours == 14 && minutes > 0) {
        return None;
    }
    let offset = i64::from(hours * 3600 + minutes * 60);
    Some((clock, if zone.starts_with('-') { -offset } else { offset }))
}

/// Days from 1970-01-01 to a date.
fn days_before(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_index = i64::from((month + 9) % 12);
    let of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A decimal number of at most four digits.
fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_read_and_write() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-23T13:16:52Z", 1_795_439_812),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse_date_time(text), Some(seconds), "{text}");
            assert_eq!(to_date_time(seconds).as_deref(), Some(text));
        }
        assert_eq!(to_date_time(253_402_300_800), None);
        assert_eq!(to_date_time(u64::MAX), None);
    }

    #[test]
    fn every_day_for_four_centuries_round_trips() {
        for day in 0..146_097 {
            let seconds = day * DAY + 12_345;
            assert_eq!(to_date_time(seconds).and_then(|text| parse_date_time(&text)), Some(seconds));
        }
    }

    #[test]
    fn zones_fractions_and_midnight() {
        assert_eq!(parse_date_time("1970-01-02T09:00:00+09:00"), Some(DAY));
        assert_eq!(parse_date_time("1970-01-01T00:00:00.999-14:00"), Some(14 * 3600));
        assert_eq!(parse_date_time("1970-01-01T24:00:00.0"), Some(DAY));
    }

    #[test]
    fn what_is_no_date_time_is_refused() {
        for text in [
            "",
            "T",
            "1970-01-01",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1970-01-01T25:00:00Z",
            "1970-01-01T24:00:01Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-1-01T00:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+15:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00Z",
            "-1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00ZZ",
            "１970-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
    }
}
