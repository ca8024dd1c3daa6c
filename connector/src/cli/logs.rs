//! Where the program's own log goes: text on a terminal, one JSON object a line otherwise, so that what collects logs need
//! not guess. `NARU_LOG` says what is logged (`info`, `debug`, `naru=debug,libp2p=warn` …).
//!
//! Lines about an exchange carry its id as `exchange`: the same on both sides of a deal.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// What is logged unless `NARU_LOG` says otherwise.
const DEFAULT: &str = "info,libp2p=warn";

/// Starts the log on standard error.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("NARU_LOG").unwrap_or_else(|_| DEFAULT.into());
    if std::io::stderr().is_terminal() {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    } else {
        tracing::subscriber::set_global_default(json(filter, std::io::stderr)).unwrap_or_default();
    }
}

/// One object a line: time, level, target, the message and every field beside it.
fn json<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
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
        tracing::subscriber::with_default(json("info".into(), move || writer.clone()), || {
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
