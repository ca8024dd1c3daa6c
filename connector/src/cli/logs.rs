//! Where the program's own log goes: text on a terminal, one JSON object a line otherwise, so that what collects logs need
//! not guess. `NARU_LOG` says what is logged (`info`, `debug`, `naru=debug,libp2p=warn` …).
//!
//! Lines about an exchange carry its id as `exchange`: the same on both sides of a deal.

use std::io::IsTerminal as _;

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, filter_fn},
    fmt::{self, MakeWriter},
    layer::{Filter, SubscriberExt as _},
    registry::LookupSpan,
};

use crate::telemetry::Exporting;

/// What is logged unless `NARU_LOG` says otherwise.
const DEFAULT: &str = "info,libp2p=warn";

/// Starts the log on standard error, and beside it what goes to a collector of telemetry.
pub(super) fn start(telemetry: Option<&Exporting>) {
    let filter = EnvFilter::try_from_env("NARU_LOG").unwrap_or_else(|_| DEFAULT.into());
    let spans = telemetry.map(Exporting::layer);
    let (text, lines) = match std::io::stderr().is_terminal() {
        true => (Some(fmt::layer().with_writer(std::io::stderr).with_filter(events(filter))), None),
        false => (None, Some(json(filter, std::io::stderr))),
    };
    let log = tracing_subscriber::registry().with(spans).with(text).with(lines);
    tracing::subscriber::set_global_default(log).unwrap_or_default();
}

/// What a filter passes, but for spans: those are for a collector.
fn events<S>(filter: EnvFilter) -> impl Filter<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    filter.and(filter_fn(|about| about.is_event()))
}

/// One object a line: time, level, target, the message and every field beside it.
fn json<S, W>(filter: EnvFilter, writer: W) -> impl Layer<S> + Send + Sync
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(events(filter))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_exchange_beside_the_message() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::registry().with(json("info".into(), move || writer.clone()));
        tracing::subscriber::with_default(log, || {
            let _in = tracing::info_span!(target: crate::telemetry::SPANS, "a span").entered();
            tracing::info!(exchange = "X1", state = "AGREED\n", "exchange");
            tracing::debug!("not this");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["exchange"], &line["level"], &line["message"]),
            (&"X1".into(), &"INFO".into(), &"exchange".into())
        );
    }
}
