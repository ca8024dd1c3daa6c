//! A line that tells how far something has come: part, rate and time left, written over itself on standard error. Only where
//! that is a terminal, and never with `--json`: a file or a pipe gets nothing of it.

use std::{
    collections::VecDeque,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use super::lang::pick;

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(5);
/// Time between two writings of the line.
const EVERY: Duration = Duration::from_millis(200);

/// Bytes that were there at a time, as far as the rate needs them.
#[derive(Debug, Default)]
struct Meter(VecDeque<(Instant, u64)>);

impl Meter {
    fn note(&mut self, now: Instant, bytes: u64) {
        // Begun anew: what was before says nothing.
        if self.0.back().is_some_and(|(_, last)| *last > bytes) {
            self.0.clear();
        }
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, bytes));
    }

    /// Bytes in a second; none while there is nothing to compare.
    fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.0.front()?, self.0.back()?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.2).then(|| (last - first) as f64 / seconds)
    }
}

/// Bytes for people, in powers of 1024.
pub(super) fn size(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Seconds as `5 s`, `3:20` or `2:03:20`.
fn clock(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

fn line(what: &str, bytes: u64, total: Option<u64>, rate: Option<f64>) -> String {
    let mut out = match total.filter(|total| *total > 0) {
        Some(total) => {
            let part = u128::from(bytes.min(total)) * 100 / u128::from(total);
            format!("{part:>3}% {} / {} {what}", size(bytes as f64), size(total as f64))
        }
        None => format!("{} {what}", size(bytes as f64)),
    };
    if let Some(rate) = rate {
        out.push_str(&format!(", {}/s", size(rate)));
        if let Some(left) = total.map(|total| total.saturating_sub(bytes)).filter(|_| rate >= 1.0) {
            let left = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
            out.push_str(&format!(", {} {}", clock(left.as_secs()), pick("left", "남음")));
        }
    }
    out
}

/// The line on the terminal.
#[derive(Debug)]
pub(super) struct Bar {
    shown: bool,
    /// Written last and not yet ended.
    open: Option<String>,
    wrote: Option<Instant>,
    /// How many bytes there are, as told last.
    total: Option<u64>,
    meter: Meter,
}

impl Bar {
    /// One that is seen where standard error is a terminal, unless `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        Self { shown, open: None, wrote: None, total: None, meter: Meter::default() }
    }

    /// Whether anybody sees it.
    pub(super) const fn is_shown(&self) -> bool {
        self.shown
    }

    /// So many bytes are `what` by now.
    pub(super) fn show(&mut self, what: &str, bytes: u64, total: Option<u64>) {
        if !self.shown {
            return;
        }
        let now = Instant::now();
        self.meter.note(now, bytes);
        self.total = total;
        let text = line(what, bytes, total, self.meter.rate());
        let whole = total.is_some_and(|total| total == bytes);
        let soon = self.wrote.is_some_and(|at| now.duration_since(at) < EVERY);
        if (soon && !whole) || self.open.as_ref() == Some(&text) {
            return;
        }
        // Longer ones of before are painted over.
        let pad =
            self.open.as_ref().map_or(0, |last| last.chars().count().saturating_sub(text.chars().count()));
        eprint!("\r{text}{}", " ".repeat(pad));
        (self.open, self.wrote) = (Some(text), Some(now));
    }

    /// So many bytes are there for good: if that is all of them, the line says so before it is ended.
    pub(super) fn whole(&mut self, what: &str, bytes: u64) {
        if self.open.is_some() && self.total == Some(bytes) {
            self.show(what, bytes, Some(bytes));
        }
    }

    /// Ends the line, so that something else can be written.
    pub(super) fn end(&mut self) {
        if self.open.take().is_some() {
            eprint!("\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_at_a_glance() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1536.0, "1.5 KiB"),
            (3_221_225_472.0, "3.0 GiB"),
            (2e15, "1819.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!([clock(5), clock(200), clock(7400)], ["5 s", "3:20", "2:03:20"]);
    }

    #[test]
    fn rate_and_time_left_follow_the_last_seconds() {
        let begin = Instant::now();
        let mut meter = Meter::default();
        assert_eq!(meter.rate(), None);
        for second in 0..=20 {
            // Slow at first, then a MiB in a second.
            let bytes = if second < 10 { second } else { (second - 9) << 20 };
            meter.note(begin + Duration::from_secs(second), bytes);
        }
        assert!((meter.rate().unwrap() - f64::from(1 << 20)).abs() < 1.0, "{:?}", meter.rate());
        let text = line("verified", 5 << 20, Some(20 << 20), meter.rate());
        assert_eq!(text, " 25% 5.0 MiB / 20.0 MiB verified, 1.0 MiB/s, 15 s left");
        assert_eq!(line("verified", 10, None, None), "10 B verified");
        assert_eq!(line("hashed", 0, Some(0), Some(0.0)), "0 B hashed, 0 B/s");
        // Begun anew.
        meter.note(begin + Duration::from_secs(21), 3);
        assert_eq!(meter.rate(), None);
    }

    #[test]
    fn nothing_is_shown_without_a_terminal() {
        let mut bar = Bar::new(true);
        bar.show("verified", 1, Some(2));
        assert!(!bar.is_shown() && bar.open.is_none());
        bar.end();
    }
}
