//! Moments and spans as integers (ODR-1.5). A moment without a zone is none, and a month is no number of seconds.

/// Seconds of a day.
const DAY: u64 = 86_400;

/// An RFC 3339 time as seconds since 1970, UTC: `2026-12-31T23:59:59Z` or with an offset. Whole seconds only.
#[must_use]
pub fn instant(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once('T')?;
    let days = day(date)?;
    let (clock, offset) = match rest.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => zone(rest)?,
    };
    let clock = clock.strip_suffix(".0").or_else(|| clock.strip_suffix(".000")).unwrap_or(clock);
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::try_from(days * DAY + hour * 3600 + minute * 60 + second).ok()?;
    u64::try_from(seconds - offset).ok()
}

/// A day as days since 1970, from `2026-12-31`.
fn day(text: &str) -> Option<u64> {
    let [year, month, day] = fields(text, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *lengths.get(index)? {
        return None;
    }
    let before = year - 1;
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    let years = (year - 1970) * 365 + leaps(before) - leaps(1969);
    Some(years + lengths[..index].iter().sum::<u64>() + day - 1)
}

/// The clock without `+hh:mm` or `-hh:mm`, and that in seconds.
fn zone(rest: &str) -> Option<(&str, i64)> {
    let at = rest.rfind(['+', '-'])?;
    let [hours, minutes] = fields(&rest[at + 1..], ':', [2, 2])?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    let size = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((&rest[..at], if rest.as_bytes()[at] == b'-' { -size } else { size }))
}

/// Numbers of a fixed count of digits between separators.
fn fields<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(separator);
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        *slot = whole(part).filter(|_| part.len() == width)?;
    }
    parts.next().is_none().then_some(found)
}

/// Digits and nothing else.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// An ISO 8601 duration in seconds: weeks, or days, hours, minutes and seconds. Years and months have no length.
pub(super) fn span(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    if let Some(weeks) = rest.strip_suffix('W') {
        return whole(weeks)?.checked_mul(7 * DAY);
    }
    let (date, clock) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, clock)) => (date, clock),
        None => (rest, ""),
    };
    if date.is_empty() && clock.is_empty() {
        return None;
    }
    let days = units(date, &[('D', DAY)])?;
    days.checked_add(units(clock, &[('H', 3600), ('M', 60), ('S', 1)])?)
}

/// `1H30M` by its units, each once at most and in this order.
fn units(mut text: &str, known: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    for (unit, seconds) in known {
        if let Some((number, rest)) = text.split_once(*unit) {
            sum = sum.checked_add(whole(number)?.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

/// EDC's `contractAgreement+100d`: seconds after the agreement.
pub(super) fn after_agreement(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("contractAgreement+")?;
    let unit = rest.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY,
        _ => return None,
    };
    whole(&rest[..rest.len() - 1])?.checked_mul(seconds)
}

/// A count of days, as seconds.
pub(super) fn days(text: &str) -> Option<u64> {
    whole(text)?.checked_mul(DAY)
}

/// A whole number.
pub(super) fn count(text: &str) -> Option<u64> {
    whole(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // ODR-1.5, pitfall 11
    #[test]
    fn a_moment_has_a_zone_and_a_day_that_exists() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-23T09:00:00Z", 1_795_424_400),
            ("2026-11-23T18:00:00+09:00", 1_795_424_400),
            ("2026-11-23T18:00:00.000+09:00", 1_795_424_400),
            ("2026-11-23T04:30:00-04:30", 1_795_424_400),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(instant(text), Some(seconds), "{text}");
        }
        for text in [
            "2026-11-23",
            "2026-11-23Z",
            "2026-11-23T09:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T23:59:60Z",
            "2026-11-23T09:00:00.5Z",
            "2026-11-23T09:00Z",
            "2026-11-23T09:00:00+0900",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "+026-11-23T09:00:00Z",
            "",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    // ODR-1.5
    #[test]
    fn a_span_has_a_length() {
        for (text, seconds) in
            [("P30D", 2_592_000), ("P2W", 1_209_600), ("PT1H30M", 5400), ("P1DT1S", 86_401), ("P0D", 0)]
        {
            assert_eq!(span(text), Some(seconds), "{text}");
        }
        for text in
            ["P1M", "P1Y", "P", "PT", "P1DT", "30D", "P-1D", "P1.5D", "P1D1H", "P99999999999999999999D"]
        {
            assert_eq!(span(text), None, "{text}");
        }
        assert_eq!(after_agreement("contractAgreement+100d"), Some(8_640_000));
        for text in [
            "contractAgreement+d",
            "contractAgreement-1d",
            "contractAgreement+1y",
            "x+1d",
            "contractAgreement+",
        ] {
            assert_eq!(after_agreement(text), None, "{text}");
        }
    }
}
