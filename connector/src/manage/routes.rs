//! The one table of routes: path, scope, types and what is called. The router and the OpenAPI document are both made of it.
//!
//! A verb is one line. `own` is for what no peer is asked for: what the error registry counts to a peer is the operator's own
//! there. Reading verbs are GET; everything else is POST with a JSON object.

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http_body_util::BodyExt as _;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

use super::{Desk, Scope, follow, metrics, openapi};
use crate::{
    control::Failure,
    node::{NodeError, verbs},
};
use naru_protocol::error::Code;

/// The schema of a type, noted in the document.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What an answer is.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// One JSON document.
    Json(SchemaOf),
    /// Text of this media type.
    Text(&'static str),
    /// Server-sent events, whose data are this.
    Events(SchemaOf),
}

/// One way to ask.
pub(super) struct Route {
    pub(super) path: &'static str,
    /// What a token must be good for; none needs none.
    pub(super) scope: Option<Scope>,
    pub(super) summary: &'static str,
    /// The object that is sent; none is a GET.
    pub(super) request: Option<SchemaOf>,
    pub(super) answer: Shape,
    pub(super) handler: fn() -> MethodRouter<Desk>,
}

impl Route {
    /// The method, as HTTP writes it.
    pub(super) const fn method(&self) -> &'static str {
        if self.request.is_some() { "POST" } else { "GET" }
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn answer<T: Serialize>(result: Result<T, NodeError>) -> Result<Response, Failure> {
    json(&result?)
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Response, Failure> {
    let text = serde_json::to_string(value).map_err(|e| Failure::new(Code::Internal, e.to_string()))?;
    let media = [(axum::http::header::CONTENT_TYPE, "application/json")];
    Ok((media, text).into_response())
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::new(Code::ArgumentInvalid, e.to_string()))
}

/// The content of a request, which the guard has bounded.
async fn content(request: axum::extract::Request) -> Result<Bytes, Failure> {
    let collected = request.into_body().collect().await;
    collected.map(|all| all.to_bytes()).map_err(|e| Failure::new(Code::Malformed, e.to_string()))
}

macro_rules! post_verb {
    ($path:literal, $scope:ident, $method:ident($request:ty) -> $answer:ty, $summary:literal, $side:expr) => {
        Route {
            path: $path,
            scope: Some(Scope::$scope),
            summary: $summary,
            request: Some(schema::<$request>),
            answer: Shape::Json(schema::<$answer>),
            handler: || {
                post(|State(desk): State<Desk>, request: axum::extract::Request| async move {
                    let side: fn(Failure) -> Failure = $side;
                    let request: $request = body(&content(request).await?)?;
                    let result: Result<$answer, NodeError> = desk.node()?.$method(request).await;
                    answer(result).map_err(side)
                })
            },
        }
    };
}
macro_rules! verb {
    ($($part:tt)*) => { post_verb!($($part)*, |failure| failure) };
}
macro_rules! own {
    ($($part:tt)*) => { post_verb!($($part)*, Failure::own) };
}
macro_rules! look {
    ($path:literal, $method:ident -> $answer:ty, $summary:literal) => {
        Route {
            path: $path,
            scope: Some(Scope::Read),
            summary: $summary,
            request: None,
            answer: Shape::Json(schema::<$answer>),
            handler: || {
                get(|State(desk): State<Desk>| async move {
                    let result: Result<$answer, NodeError> = desk.node()?.$method().await;
                    answer(result)
                })
            },
        }
    };
}

/// Every route, in the order of the document.
pub(super) fn table() -> Vec<Route> {
    let mut table = vec![
        look!("/v1/status", status -> verbs::Status, "The node at a glance."),
        look!("/v1/peers", peers -> Vec<verbs::PeerView>, "All peers."),
        look!("/v1/datasets", datasets -> Vec<verbs::DatasetView>, "Everything that was published here."),
        look!("/v1/exchanges", exchanges -> Vec<verbs::ExchangeView>, "Negotiations and transfers, newest change first, at most 1000."),
        own!("/v1/exchange", Read, exchange(verbs::ExchangeName) -> verbs::ExchangeView, "One negotiation or transfer."),
        own!("/v1/publish", Operate, publish(verbs::Publish) -> verbs::Published, "Publishes a folder or file."),
        own!("/v1/advice", Read, advise(verbs::DatasetName) -> verbs::Advice, "What rules would say of a dataset of our own, before anybody wants it."),
        own!("/v1/withdraw", Operate, withdraw(verbs::DatasetName) -> verbs::DatasetView, "Takes a dataset out of the catalog."),
        own!("/v1/ticket", Operate, issue_ticket(verbs::IssueTicket) -> verbs::TicketText, "Makes a ticket for a partner; it holds a secret that works once."),
        verb!("/v1/trust", Operate, trust(verbs::Trust) -> verbs::PeerView, "Redeems a partner's ticket."),
        own!("/v1/accept", Operate, accept_peer(verbs::Accept) -> verbs::PeerView, "Accepts a peer that redeemed a ticket of ours."),
        own!("/v1/plain", Operate, add_plain(verbs::AddPlain) -> verbs::PlainView, "Records a partner that speaks plain DSP and signs nothing; the answer holds a secret."),
        own!("/v1/distrust", Operate, distrust(verbs::Distrust) -> verbs::Distrusted, "Ends all trust in a peer, or says what that would end."),
        own!("/v1/dial", Operate, dial(verbs::PeerName) -> verbs::PeerView, "Connects to a peer now."),
        own!("/v1/disconnect", Operate, disconnect(verbs::PeerName) -> verbs::PeerView, "Closes all connections to a peer."),
        verb!("/v1/catalog", Operate, fetch_catalog(verbs::PeerName) -> Vec<verbs::CatalogItem>, "Asks a peer what it offers."),
        verb!("/v1/request", Operate, request(verbs::Propose) -> verbs::ExchangeView, "Asks a peer for a dataset."),
        own!("/v1/offer", Operate, offer(verbs::Propose) -> verbs::ExchangeView, "Offers a dataset to a peer."),
        own!("/v1/expect", Operate, expect(verbs::Expect) -> serde_json::Value, "Takes up the next offer of a peer for a purpose."),
        own!("/v1/revoke", Operate, revoke(verbs::PeerName) -> serde_json::Value, "Ends the order that stands for a peer."),
        own!("/v1/end", Operate, end(verbs::End) -> verbs::ExchangeView, "Ends an agreement in force."),
        own!("/v1/cancel", Operate, cancel(verbs::Cancel) -> verbs::ExchangeView, "Ends what is not concluded or not complete."),
        own!("/v1/retry", Operate, retry(verbs::Retry) -> verbs::ExchangeView, "Has the data of an agreement received again."),
        verb!("/v1/preview", Operate, preview(verbs::Propose) -> verbs::Preview, "What asking a peer for a dataset would mean, without asking."),
        verb!("/v1/explain", Operate, explain_deal(verbs::Explain) -> verbs::Explained, "Why a dataset may or may not move between this node and a peer."),
        look!("/v1/queue", queue -> Vec<verbs::QueueItem>, "Deals that wait for a person."),
        own!("/v1/approve", Approve, approve(verbs::Approve) -> verbs::ExchangeView, "Lets a deal go on that waits for a person."),
        own!("/v1/reject", Approve, reject(verbs::Reject) -> verbs::ExchangeView, "Refuses a deal that waits for a person."),
        look!("/v1/agreements", agreements -> Vec<verbs::AgreementView>, "Agreements, newest first."),
        own!("/v1/log", Read, log(verbs::LogPage) -> verbs::LogView, "Entries of our log."),
        own!("/v1/bundle", Audit, bundle(verbs::Bundle) -> verbs::Bundled, "Writes the log and what an auditor needs into one file."),
        look!("/v1/publishing", publishing -> Vec<verbs::Publishing>, "What is being hashed to be published."),
        verb!("/v1/underway", Read, underway(verbs::Propose) -> Option<verbs::ExchangeView>, "The exchange that goes on with a request already; null if there is none."),
        own!("/v1/limit-rate", Operate, limit_rate(verbs::LimitRate) -> verbs::ExchangeView, "Sets how fast the data of a deal may come, over restarts too."),
        own!("/v1/obligations", Read, obligations(verbs::Obligations) -> Vec<verbs::ObligationView>, "Duties of agreements: who owes what until when, and where it stands."),
        own!("/v1/report", Operate, report(verbs::Report) -> verbs::ReportedView, "Reports on a duty, an event or an onward transfer, as a signed act that both sides log."),
        own!("/v1/delete", Operate, delete(verbs::Delete) -> verbs::Deleted, "Deletes what was received under an agreement and attests it, or says what that would be."),
        look!("/v1/packs", packs -> verbs::PacksView, "Packs of rules in use, and who may sign newer."),
        own!("/v1/packs-add", Operate, add_packs(verbs::AddFile) -> verbs::PacksView, "Accepts a signed set of packs from a file or folder."),
        look!("/v1/data", data -> verbs::DataView, "Signed data that rules read, and who may sign newer."),
        own!("/v1/data-add", Operate, add_data(verbs::AddFile) -> verbs::DataView, "Accepts signed sanctions lists or stop orders from a file."),
        own!("/v1/export", Audit, export(verbs::Export) -> verbs::Exported, "Writes the log and what an auditor needs."),
    ];
    table.extend(apart());
    table
}

/// The routes that are no verbs of the node.
fn apart() -> [Route; 6] {
    [
        Route {
            path: "/v1/stop",
            scope: Some(Scope::Operate),
            summary: "Stops the node, cleanly.",
            request: Some(schema::<Nothing>),
            answer: Shape::Json(schema::<Stopping>),
            handler: || post(|State(desk): State<Desk>| async move { desk.stop() }),
        },
        Route {
            path: "/v1/events",
            scope: Some(Scope::Read),
            summary: "What happens, as server-sent events; `Last-Event-ID` goes on behind an event that is still kept.",
            request: None,
            answer: Shape::Events(schema::<crate::node::events::Event>),
            handler: || get(follow::events),
        },
        Route {
            path: "/v1/openapi.json",
            scope: None,
            summary: "This document.",
            request: None,
            answer: Shape::Json(schema::<serde_json::Value>),
            handler: || get(|| async { json(&openapi::document()) }),
        },
        Route {
            path: "/metrics",
            scope: Some(Scope::Read),
            summary: "Metrics in the text format of Prometheus; without a token where `[management] open_metrics = true`.",
            request: None,
            answer: Shape::Text(metrics::MEDIA),
            handler: || get(|State(desk): State<Desk>| async move { metrics::answer(&desk).await }),
        },
        Route {
            path: "/live",
            scope: None,
            summary: "The process answers.",
            request: None,
            answer: Shape::Json(schema::<Live>),
            handler: || get(|| async { json(&Live { live: true }) }),
        },
        Route {
            path: "/ready",
            scope: None,
            summary: "Keys are read, packs compiled, the store open, and it listens: 200; until then and while it stops: 503.",
            request: None,
            answer: Shape::Json(schema::<Ready>),
            handler: || get(|State(desk): State<Desk>| async move { desk.ready() }),
        },
    ]
}

/// An object without members.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The node is told to stop.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stopping {
    /// True.
    pub(super) stopping: bool,
}

/// The process answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Live {
    /// True.
    pub(super) live: bool,
}

/// Whether the node is ready.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ready {
    /// It is.
    pub(super) ready: bool,
    /// What it waits for: `keys`, `packs`, `store`, `listening`, or `stopping` where it will not be ready any more.
    pub(super) waits: Vec<String>,
}
