//! `/metrics`: what operators watch, in the text format of Prometheus.
//!
//! One table names every metric with its kind and its words; what is rendered, and the table in `docs/management.md`, are
//! compared with it by tests. What is stored is read from the store when somebody asks; counters begin at zero with the
//! process. No metric names a peer, a dataset or an exchange.

use std::fmt::Write as _;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use super::Desk;
use crate::{
    control::Failure,
    node::{Measured, NodeError},
    store::{ExchangeKind, OutboxState},
};

/// The media type.
pub(super) const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up while the process lives.
    Counter,
}

impl Kind {
    /// As the format names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, separated by spaces.
    pub labels: &'static str,
    /// What it says.
    pub help: &'static str,
    samples: fn(&Measured) -> Vec<Sample>,
}

/// Values of labels, and the value.
type Sample = (Vec<String>, f64);

macro_rules! metric {
    ($name:literal $kind:ident [$labels:literal] $help:literal, $samples:expr) => {
        Metric { name: $name, kind: Kind::$kind, labels: $labels, help: $help, samples: $samples }
    };
}

fn one(value: u64) -> Vec<Sample> {
    let value = value as f64;
    vec![(Vec::new(), value)]
}

fn some(value: Option<u64>) -> Vec<Sample> {
    value.map(one).unwrap_or_default()
}

fn each<'a>(values: impl IntoIterator<Item = (Vec<&'a str>, u64)>) -> Vec<Sample> {
    let labelled = |(labels, value): (Vec<&str>, u64)| {
        let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        one(value).into_iter().map(move |(_, value)| (labels.clone(), value))
    };
    values.into_iter().flat_map(labelled).collect()
}

fn in_states(measured: &Measured, wanted: ExchangeKind) -> Vec<Sample> {
    let states = measured.tally.exchanges.iter().filter(|(kind, _, _)| *kind == wanted);
    each(states.map(|(_, state, count)| (vec![state.as_str()], *count)))
}

/// Every metric.
pub const METRICS: [Metric; 15] = [
    metric!("naru_build_info" Gauge ["version"] "Always 1; the label has the version of the program.",
        |_| each([(vec![env!("CARGO_PKG_VERSION")], 1)])),
    metric!("naru_negotiations" Gauge ["state"] "Negotiations by state.",
        |m| in_states(m, ExchangeKind::Negotiation)),
    metric!("naru_transfers" Gauge ["state"] "Transfers by state.",
        |m| in_states(m, ExchangeKind::Transfer)),
    metric!("naru_pending_oldest_seconds" Gauge [""]
        "How long the exchange that waits longest has not changed; 0 when nothing waits.",
        |m| one(m.tally.oldest_pending.map_or(0, |at| m.now.saturating_sub(at)))),
    metric!("naru_decisions_total" Counter ["phase result"] "Decisions of this node's own packs.",
        |m| each(m.decisions.iter().map(|((phase, result), count)| (vec![*phase, *result], *count)))),
    metric!("naru_data_sent_bytes_total" Counter [""] "Bytes of data that were handed to connections.",
        |m| one(m.sent)),
    metric!("naru_data_verified_bytes_total" Counter [""]
        "Bytes of data that arrived, agreed with the signed content root and were written.",
        |m| one(m.verified)),
    metric!("naru_data_unsigned_bytes_total" Counter [""]
        "Bytes of data that arrived from partners that sign nothing.",
        |m| one(m.unsigned)),
    metric!("naru_log_entries" Gauge [""] "Entries in the log.", |m| one(m.tally.log_size)),
    metric!("naru_log_checkpoint_age_seconds" Gauge [""]
        "Seconds since the newest entry was put under a signed checkpoint.",
        |m| some(m.tally.newest_entry.map(|at| m.now.saturating_sub(at)))),
    metric!("naru_outbox_acts" Gauge ["state"] "Acts that wait for a peer's answer.",
    |m| each([OutboxState::Waiting, OutboxState::Unresolved].map(|state| {
        let found = m.tally.outbox.iter().find(|(of, _)| *of == state);
        (vec![state.as_str()], found.map_or(0, |(_, count)| *count))
    }))),
    metric!("naru_peers_connected" Gauge [""] "Peers that are in contact now.", |m| one(m.connected)),
    metric!("naru_strangers_refused_total" Counter [""] "Requests of strangers that were turned away, and connections of theirs that came to nothing.",
        |m| one(m.strangers)),
    metric!("naru_signing_stopped" Gauge [""]
        "1 when a peer has shown that this database is older than what was signed, so that nothing is signed any more.",
        |m| one(u64::from(m.stopped))),
    metric!("process_resident_memory_bytes" Gauge [""] "Resident memory, where the system tells.",
        |m| some(m.resident)),
];

/// The metrics as text.
#[must_use]
pub fn render(measured: &Measured) -> String {
    let mut out = String::new();
    for metric in &METRICS {
        let _ = writeln!(out, "# HELP {} {}", metric.name, metric.help);
        let _ = writeln!(out, "# TYPE {} {}", metric.name, metric.kind.as_str());
        for (values, value) in (metric.samples)(measured) {
            let labels: Vec<String> = metric
                .labels
                .split_whitespace()
                .zip(&values)
                .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(out, "{}{labels} {value}", metric.name);
        }
    }
    out
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The answer to a scrape.
pub(super) async fn answer(desk: &Desk) -> Result<Response, Failure> {
    let measured: Result<Measured, NodeError> = desk.node()?.measure().await;
    Ok(([(header::CONTENT_TYPE, MEDIA)], render(&measured?)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tally;

    fn measured() -> Measured {
        let tally = Tally {
            exchanges: vec![
                (ExchangeKind::Negotiation, "FINALIZED".into(), 2),
                (ExchangeKind::Transfer, "STARTED".into(), 1),
            ],
            oldest_pending: Some(90),
            outbox: vec![(OutboxState::Waiting, 3)],
            log_size: 17,
            newest_entry: Some(95),
        };
        Measured {
            now: 100,
            tally,
            decisions: [(("negotiation", "allow"), 4)].into(),
            sent: 1,
            verified: 2,
            unsigned: 3,
            connected: 5,
            strangers: 6,
            stopped: false,
            resident: None,
        }
    }

    #[test]
    fn the_text_has_every_metric_once_and_its_values() {
        let text = render(&measured());
        for metric in &METRICS {
            for line in [format!("# HELP {} ", metric.name), format!("# TYPE {} ", metric.name)] {
                assert_eq!(text.matches(&line).count(), 1, "{line}");
            }
        }
        for line in [
            "naru_negotiations{state=\"FINALIZED\"} 2",
            "naru_transfers{state=\"STARTED\"} 1",
            "naru_pending_oldest_seconds 10",
            "naru_decisions_total{phase=\"negotiation\",result=\"allow\"} 4",
            "naru_data_verified_bytes_total 2",
            "naru_log_entries 17",
            "naru_log_checkpoint_age_seconds 5",
            "naru_outbox_acts{state=\"waiting\"} 3",
            "naru_outbox_acts{state=\"unresolved\"} 0",
            "naru_peers_connected 5",
            "naru_strangers_refused_total 6",
            "naru_signing_stopped 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.lines().any(|l| l.starts_with("process_resident_memory_bytes ")), "none is invented");
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn the_documented_table_is_the_table() {
        let page = include_str!("../../../docs/management.md");
        let documented: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `naru_") || line.starts_with("| `process_"))
            .collect();
        let registered: Vec<String> = METRICS
            .iter()
            .map(|m| {
                let labels: Vec<String> = m.labels.split_whitespace().map(|l| format!("`{l}`")).collect();
                format!("| `{}` | {} | {} | {} |", m.name, m.kind.as_str(), labels.join(", "), m.help)
            })
            .collect();
        assert_eq!(documented, registered);
    }
}
