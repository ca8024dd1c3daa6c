//! E-mail addresses, and pairs of coordinates in text.

use super::{Check, Hit, Kind};

/// Endings that name files, not domains: `icon@2x.png`.
const FILES: &[&str] =
    &["png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "tif", "tiff", "csv", "txt", "xlsx", "pdf"];

/// Addresses around each `@`.
pub(super) fn mail(text: &str, each: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'@') {
        let local = |b: &u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(b);
        let before = bytes[..at].iter().rev().take(64).take_while(|b| local(b)).count();
        let host = |b: &u8| b.is_ascii_alphanumeric() || b".-".contains(b);
        let mut after = bytes[at + 1..].iter().take(253).take_while(|b| host(b)).count();
        while after > 0 && matches!(bytes[at + after], b'.' | b'-') {
            after -= 1;
        }
        // Quotes and brackets around an address are not of it.
        let start = at - before;
        let trimmed =
            bytes[start..at].iter().take_while(|b| !b.is_ascii_alphanumeric() && **b != b'_').count();
        let span = start + trimmed..at + 1 + after;
        if before > trimmed && domain(&text[at + 1..span.end]) && bytes[at - 1] != b'.' {
            each(Hit::new(Kind::Email, Check::Holds, true, span));
        }
    }
}

fn domain(host: &str) -> bool {
    let Some((rest, top)) = host.rsplit_once('.') else { return false };
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_alphabetic())
        && !FILES.contains(&top.to_ascii_lowercase().as_str())
        && rest.split('.').all(label)
}

/// Two decimals side by side that are a place in or near Korea, written with four decimals or more.
pub(super) fn positions(text: &str, each: &mut dyn FnMut(Hit)) {
    let bytes = text.as_bytes();
    let mut last: Option<(f64, core::ops::Range<usize>)> = None;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
            at += 1;
        }
        let number = &text[start..at];
        let fine = number.split_once('.').is_some_and(|(whole, part)| {
            matches!(whole.len(), 2 | 3) && (4..=17).contains(&part.len()) && !part.contains('.')
        });
        let bounded =
            start == 0 || !(bytes[start - 1].is_ascii_alphanumeric() || b"-+_".contains(&bytes[start - 1]));
        let Some(value) = number.parse::<f64>().ok().filter(|_| fine && bounded) else {
            last = None;
            continue;
        };
        let between = last.as_ref().map_or("", |(_, span)| &text[span.end..start]);
        let near = (1..=3).contains(&between.len()) && between.bytes().all(|b| b", \t;/".contains(&b));
        match last.take() {
            Some((first, span)) if near && (korea(first, value) || korea(value, first)) => {
                each(Hit::new(Kind::Position, Check::Form, true, span.start..at));
            }
            Some(_) | None => last = Some((value, start..at)),
        }
    }
}

fn korea(latitude: f64, longitude: f64) -> bool {
    (33.0..39.0).contains(&latitude) && (124.0..132.0).contains(&longitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mails(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        mail(text, &mut |hit| all.push(&text[hit.span]));
        all
    }

    #[test]
    fn addresses_without_what_stands_around_them() {
        assert_eq!(
            mails("<kim.lee+x@mail.example.co.kr>, 'a_b@example.com'."),
            ["kim.lee+x@mail.example.co.kr", "a_b@example.com"]
        );
        assert_eq!(mails("담당kim@example.com으로"), ["kim@example.com"]);
        for not in [
            "a@b",
            "@example.com",
            "icon@2x.png",
            "x@-a.com",
            "a.@example.com",
            "a@example.c",
            "@",
            "a@",
            "5 @ 3.5",
        ] {
            assert!(mails(not).is_empty(), "{not}");
        }
    }

    #[test]
    fn pairs_of_coordinates() {
        let pairs = |text: &str| {
            let mut n = 0;
            positions(text, &mut |_| n += 1);
            n
        };
        assert_eq!(pairs("37.5665, 126.9780"), 1);
        assert_eq!(pairs("POINT(126.97801 37.56652)"), 1);
        assert_eq!(pairs("37.5665,126.9780;35.1796,129.0756"), 2);
        for not in
            ["37.56, 126.97", "37.5665 volts 126.9780", "37.5665, 226.9780", "-37.5665, 126.9780", "1.2.3.4"]
        {
            assert_eq!(pairs(not), 0, "{not}");
        }
    }
}
