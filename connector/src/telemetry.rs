//! What a node is at, as spans of OpenTelemetry, for an operator who names a collector (`[telemetry]`). Off otherwise: then the spans
//! are never made.
//!
//! Each span of an exchange has its id as attribute `exchange`, as the log lines of both nodes have it, and as its trace id, so that what
//! two firms send to one collector falls together. A request of a stranger makes none. No attribute holds a token, a ticket, a
//! capability or content. Export is JSON by our own HTTPS client, from a thread of its own, through a queue that drops what does not fit: a
//! collector that is slow or away costs nothing but its spans, and one line in the log until it is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes};
use naru_protocol::encoding::Id;
use opentelemetry::{
    Context, KeyValue,
    trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
    },
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::{
    config::Config,
    node::NodeError,
    transport::{
        Limits,
        https::{HttpsClient, Reach},
    },
};

/// The target of our spans: they are for the collector alone, and the log stays as it is.
pub const SPANS: &str = "naru::span";
/// How long the collector has for a batch, and a node that stops for its last one.
const BATCH: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(3);
/// Bytes of an answer of the collector.
const ANSWER: usize = 64 << 10;

/// What goes to a collector while the node runs.
#[derive(Debug)]
pub struct Exporting(SdkTracerProvider);

impl Exporting {
    /// Begins, if the operator names a collector. In a runtime: requests are made there.
    pub fn begin(config: &Config) -> Option<Self> {
        let url = config.telemetry.as_ref()?.traces()?;
        let service = config.telemetry.as_ref().and_then(|t| t.service.clone());
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new())
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(url)
            .with_timeout(BATCH)
            .build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                eprintln!("no spans are sent: {error}");
                return None;
            }
        };
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", service.unwrap_or_else(|| config.name.clone())),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        let provider = SdkTracerProvider::builder().with_resource(resource.build());
        Some(Self(provider.with_batch_exporter(exporter).build()))
    }

    /// What takes our spans, and nothing else, from the program.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("naru"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(|about| about.is_span() && about.target() == SPANS))
    }

    /// Sends what is left, for as long as a node that stops may wait for it.
    pub async fn end(self) {
        let _ = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST)).await;
    }
}

/// An act of a peer of ours.
pub(crate) fn received(exchange: Option<Id>, peer: &str, what: &str) -> Span {
    let span = tracing::info_span!(target: SPANS, "act received", otel.kind = "server", exchange = Empty, peer,
        what, status = Empty, code = Empty, otel.status_code = Empty);
    of_exchange(span, exchange)
}

/// An act of ours on its way, once for each attempt.
pub(crate) fn sent(exchange: Id, peer: &str, path: &str, attempt: u32) -> Span {
    let what = path.rsplit('/').next().unwrap_or_default();
    let span = tracing::info_span!(target: SPANS, "act sent", otel.kind = "client", exchange = Empty, peer,
        what, attempt, code = Empty, otel.status_code = Empty);
    of_exchange(span, Some(exchange))
}

/// A read of a peer: its catalog, our keys, our log.
pub(crate) fn read(peer: &str, what: &str) -> Span {
    tracing::info_span!(target: SPANS, "read", otel.kind = "server", peer, what, status = Empty, code = Empty,
        otel.status_code = Empty)
}

/// A range of data that is given.
pub(crate) fn range(exchange: Id) -> Span {
    let span = tracing::info_span!(target: SPANS, "range given", otel.kind = "server", exchange = Empty, code = Empty,
        otel.status_code = Empty);
    of_exchange(span, Some(exchange))
}

/// Data that are received, from the first range of an attempt to its end.
pub(crate) fn transfer(exchange: Id) -> Span {
    let span = tracing::info_span!(target: SPANS, "transfer received", exchange = Empty, bytes = Empty, code = Empty,
        otel.status_code = Empty);
    of_exchange(span, Some(exchange))
}

/// Notes which exchange the span is about that is gone through just now.
pub(crate) fn about(exchange: Id) {
    drop(of_exchange(Span::current(), Some(exchange)));
}

/// Notes how it ended.
pub(crate) fn ended<T>(span: &Span, outcome: &Result<T, NodeError>) {
    if let Err(error) = outcome {
        // The code alone: words may come from a peer.
        span.record("code", error.code().as_str());
        span.record("otel.status_code", "ERROR");
    }
}

fn of_exchange(span: Span, exchange: Option<Id>) -> Span {
    if let Some(id) = exchange.filter(|_| !span.is_disabled()) {
        span.record("exchange", tracing::field::display(id));
        let _ = span.set_parent(beginning(id));
    }
    span
}

/// Where the trace of an exchange begins, the same for both firms.
fn beginning(id: Id) -> Context {
    let mut half = [0; 8];
    half.copy_from_slice(&id.0[8..]);
    let (trace, span) = (TraceId::from_bytes(id.0), SpanId::from_bytes(half));
    let begun = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
    Context::new().with_remote_span_context(begun)
}

/// Posts batches by our own client. The thread that asks is none of the runtime's.
#[derive(Debug)]
struct Sender {
    client: HttpsClient,
    runtime: tokio::runtime::Handle,
    failing: Arc<AtomicBool>,
}

impl Sender {
    fn new() -> Self {
        let client = HttpsClient::new(Limits::default());
        Self { client, runtime: tokio::runtime::Handle::current(), failing: Arc::default() }
    }

    /// Said once when it begins to fail and once when it no longer does.
    fn note(&self, failed: Option<&str>) {
        let before = self.failing.swap(failed.is_some(), Relaxed);
        match failed {
            Some(why) if !before => {
                tracing::warn!(%why, "the collector of telemetry does not take spans: they are dropped until it does");
            }
            None if before => tracing::info!("the collector of telemetry takes spans again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let (head, content) = request.into_parts();
            let url = head.uri.to_string();
            let request = Request::from_parts(head, Body::new(Full::new(content)));
            // The operator names it: it may be in the firm's own network.
            let reach = Reach { local: true, ..Reach::default() };
            let sent = async {
                let (head, body) = client.request(&url, request, &reach).await?.into_parts();
                Ok::<_, crate::transport::TransportError>(Response::from_parts(
                    head,
                    body.bytes(ANSWER).await?,
                ))
            };
            match tokio::time::timeout(BATCH, sent).await {
                Ok(answered) => answered.map_err(|e| e.to_string()),
                Err(_) => Err(format!("no answer within {} s", BATCH.as_secs())),
            }
        });
        let answered = sending.await.map_err(|e| e.to_string()).and_then(|answered| answered);
        match &answered {
            Ok(answer) if answer.status().is_success() => self.note(None),
            Ok(answer) => self.note(Some(&format!("it answered {}", answer.status()))),
            Err(why) => self.note(Some(why)),
        }
        answered.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_firms_spans_of_an_exchange_are_in_one_trace() {
        let id = Id(*b"0123456789abcdef");
        let begun = beginning(id);
        let begun = begun.span().span_context().clone();
        assert_eq!(begun.trace_id().to_bytes(), id.0);
        assert!(begun.is_valid() && begun.is_remote() && begun.is_sampled());
    }
}
