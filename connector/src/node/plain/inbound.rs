//! Requests of plain peers, in the order limits, identity, shape, state; and the error bodies of the binding (spec chapter 13,
//! PLN-3, PLN-4).
//!
//! Who is not recognised was turned away before. What is unknown and what is somebody else's look alike.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method,
    header::{self, HeaderValue},
    http::request::Parts,
};
use naru_protocol::{
    dsp::{Message as _, negotiation::ContractNegotiation, transfer::TransferProcess},
    error::{Code, Lang},
    exchange::{ActKind, Role, State as Any},
    limits,
    negotiation::{self as neg, ActKind as Neg},
    transfer as tra,
};
use serde_json::json as object;
use tracing::Instrument as _;

use super::{
    begin::pid_fits,
    negotiation::Heard,
    peers::PlainPeer,
    serve::DATA,
    turn::{AFTER_ANSWER_MILLIS, PlainData, PlainTurn, machine_of},
};
use crate::{
    node::{
        Node, NodeError,
        inbound::{Reply, note, ours, read, refusal, versions, whole, write},
        now_ms,
        received::Said,
        route::{ActRoute, DSP, Route},
    },
    store::{ExchangeKind, ExchangeRow, OurRole},
    telemetry,
    transport::Peer as Connected,
};

/// How long our reading of an answer is waited for by the peer that gave it, and how often it is looked.
const STATE_WAIT: Duration = Duration::from_secs(1);
const STATE_LOOK: Duration = Duration::from_millis(10);

/// Both pids as far as they are known, for error bodies.
#[derive(Default)]
struct Pids {
    provider: String,
    consumer: String,
}

impl Pids {
    fn of(row: &ExchangeRow) -> Self {
        let theirs = row.peer_pid.clone().unwrap_or_default();
        match row.role {
            OurRole::Provider => Self { provider: row.our_pid.clone(), consumer: theirs },
            OurRole::Consumer => Self { provider: theirs, consumer: row.our_pid.clone() },
        }
    }
}

/// Which error body the path of a request calls for.
const fn family(route: &Route) -> &'static str {
    match route {
        Route::Catalog(_) | Route::Dataset(_) | Route::Version => "CatalogError",
        Route::State(ExchangeKind::Transfer, _) => "TransferError",
        Route::Act(act) => match act.kind() {
            ExchangeKind::Transfer => "TransferError",
            ExchangeKind::Negotiation => "ContractNegotiationError",
        },
        Route::State(ExchangeKind::Negotiation, _)
        | Route::Tickets
        | Route::Keys
        | Route::Capability(_)
        | Route::Part(..)
        | Route::Window(_)
        | Route::Checkpoint
        | Route::Tile(_)
        | Route::Entry(..)
        | Route::Consistency(..)
        | Route::Yours(_) => "ContractNegotiationError",
    }
}

/// An error body of the family that the path belongs to.
fn error_body(route: &Route, code: Code, detail: &str, pids: &Pids) -> Reply {
    // What fits no state of this exchange is 400 here, never a conflict that a peer would repeat; and a plain peer was
    // recognised, so that nothing it says is a matter of tokens.
    let ours_alone = matches!(code, Code::Stale | Code::Crossed | Code::MsgReused | Code::Downgraded);
    let status = match code.http_status() {
        200..=299 => 400,
        _ if ours_alone => 400,
        status => status,
    };
    let reason = if detail.is_empty() || ours(code) { code.title(Lang::En) } else { detail };
    let kind = family(route);
    let mut body = object!({"@context": [naru_protocol::dsp::CONTEXT], "@type": kind, "code": code.as_str(),
        "reason": [reason]});
    if kind != "CatalogError" {
        body["providerPid"] = object!(pids.provider);
        body["consumerPid"] = object!(pids.consumer);
    }
    Reply { status, ..Reply::ok(naru_protocol::json::canonical(&body).unwrap_or_default()) }
}

/// A request that is not for the signed API: of a plain peer, for its data, or under a base that is nobody's.
pub(in crate::node) enum Found {
    /// Its sender, and the target under the ordinary base.
    Peer(Arc<PlainPeer>, String),
    /// Data under a bearer token.
    Data(String),
    /// A secret that opens nothing.
    Nobody,
}

/// Tells by secret, header, certificate or path whether a request is a plain one; none for everything else.
pub(in crate::node) fn recognise(node: &Node, target: &str, request: &Request) -> Option<Found> {
    if target.starts_with(DATA) {
        return Some(Found::Data(target.to_owned()));
    }
    let connected = request.extensions().get::<Connected>()?;
    if let Some((peer, target)) = node.plain_caller(target, request.headers(), connected) {
        return Some(Found::Peer(peer, target));
    }
    let segment = target.strip_prefix("/dsp/")?.split('/').next()?;
    (segment != "2025-1").then_some(Found::Nobody)
}

/// Answers what [`recognise`] found.
pub(in crate::node) async fn answer(node: &Node, found: Found, method: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match found {
        Found::Nobody => {
            node.budgets.stranger();
            write(error_body(&Route::Keys, Code::NotFound, "", &Pids::default()))
        }
        Found::Data(target) => match given_or_taken(node, &head, &target, body).await {
            Ok(response) => response,
            Err(error) => {
                let detail = if let NodeError::Refused(_, detail) = &error { detail.as_str() } else { "" };
                write(refusal(&target, error.code(), detail))
            }
        },
        Found::Peer(peer, target) => {
            let zipped = accepts_gzip(&head.headers);
            let reply = peer_answer(node, peer, &target, method, &head.headers, body).await;
            compressed(write(reply), zipped).await
        }
    }
}

/// Data of ours, or data that are delivered to us.
async fn given_or_taken(node: &Node, head: &Parts, target: &str, body: Body) -> Result<Response, NodeError> {
    if head.method != Method::POST && head.method != Method::PUT {
        return node.plain_data(&head.method, target, &head.headers).await;
    }
    let pid = target.strip_prefix(DATA).unwrap_or_default();
    node.plain_take(pid, &head.headers, body).await?;
    Ok(write(Reply::ok(Vec::new())))
}

async fn peer_answer(
    node: &Node,
    peer: Arc<PlainPeer>,
    target: &str,
    method: &str,
    headers: &HeaderMap,
    body: Body,
) -> Reply {
    if method == "GET" && target == "/dsp/.well-known/dspace-version" {
        return versions("/2025-1")
            .map_or_else(|e| error_body(&Route::Version, e.code(), "", &Pids::default()), Reply::ok);
    }
    let Some(route) = Route::parse(method, target) else {
        return error_body(&Route::Keys, Code::NotFound, "", &Pids::default());
    };
    let refuse = |code, detail: &str| error_body(&route, code, detail, &Pids::default());
    if target.len() > DSP.len() + limits::REQUEST_PATH {
        return Reply { status: 414, ..refuse(Code::HeadTooLarge, "") };
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse(Code::EncodingRefused, "");
    }
    let content = match read(body).await {
        Ok(content) => content,
        Err(error) => return refuse(error.code(), &error.to_string()),
    };
    let path = target.strip_prefix(DSP).unwrap_or_default().to_owned();
    let (node, whose) = (node.clone(), route.clone());
    // To its end, even if its sender's connection is lost meanwhile.
    let done = whole(async move { Ok(node.plain_answer(peer, whose, &path, &content).await) }).await;
    done.unwrap_or_else(|error| refuse(error.code(), ""))
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// Answers below this many bytes are sent as they are.
const ZIPPED_FROM: usize = 1024;

/// The same answer in gzip, where the peer takes it and it is worth it.
async fn compressed(response: Response, accepted: bool) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(|body| body.to_bytes()) else {
        return Response::from_parts(head, Body::empty());
    };
    if bytes.len() < ZIPPED_FROM {
        return Response::from_parts(head, Body::from(bytes));
    }
    head.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !accepted {
        return Response::from_parts(head, Body::from(bytes));
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(zipped) => {
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(head, Body::from(zipped))
        }
        Err(_) => Response::from_parts(head, Body::from(bytes)),
    }
}

impl Node {
    /// Answers a request of a plain peer.
    pub(in crate::node) async fn plain_answer(
        &self,
        peer: Arc<PlainPeer>,
        route: Route,
        path: &str,
        content: &[u8],
    ) -> Reply {
        let mut pids = Pids::default();
        let span = if let Route::Act(act) = &route {
            telemetry::received(None, peer.id(), act.name())
        } else {
            telemetry::read(peer.id(), route.name())
        };
        let tried = self.plain_try(&peer, &route, path, content, &mut pids).instrument(span.clone()).await;
        note(&span, &tried);
        match tried {
            Ok(reply) => reply,
            Err(error) => {
                let code = error.code();
                if ours(code) {
                    tracing::error!(peer = %peer.row.alias, code = code.as_str(), %error, "an error of our own");
                } else {
                    tracing::debug!(peer = %peer.row.alias, code = code.as_str(), %error, "refused");
                }
                let detail = if let NodeError::Refused(_, detail) = &error { detail.as_str() } else { "" };
                error_body(&route, code, detail, &pids)
            }
        }
    }

    async fn plain_try(
        &self,
        peer: &Arc<PlainPeer>,
        route: &Route,
        path: &str,
        content: &[u8],
        pids: &mut Pids,
    ) -> Result<Reply, NodeError> {
        match route {
            Route::Act(act) => {
                self.budgets.act(peer.id())?;
                let (status, body) = self.plain_act(peer, act, path, content, pids).await?;
                return Ok(Reply { status, ..Reply::ok(body) });
            }
            Route::Catalog(after) => {
                self.budgets.read(peer.id())?;
                return self.catalog_for_plain(peer, after.as_deref(), content).await;
            }
            Route::Dataset(id) => {
                self.budgets.read(peer.id())?;
                return self.dataset_for_plain(peer, id).await.map(Reply::ok);
            }
            Route::State(kind, pid) => {
                self.budgets.read(peer.id())?;
                return self.state_for_plain(peer, *kind, pid).await.map(Reply::ok);
            }
            Route::Version
            | Route::Tickets
            | Route::Keys
            | Route::Capability(_)
            | Route::Part(..)
            | Route::Window(_)
            | Route::Checkpoint
            | Route::Tile(_)
            | Route::Entry(..)
            | Route::Consistency(..)
            | Route::Yours(_) => {}
        }
        Err(NodeError::refused(Code::NotFound, ""))
    }

    async fn plain_act(
        &self,
        peer: &Arc<PlainPeer>,
        route: &ActRoute,
        path: &str,
        content: &[u8],
        pids: &mut Pids,
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let Some(pid) = &route.pid else {
            let said = Said::parse(route.posted, content)?;
            *pids = Pids { provider: said_pid(said.pids().0), consumer: said_pid(said.pids().1) };
            return self.plain_begin(peer, &said, path, content).await;
        };
        let row = self.plain_owned(peer, route.kind(), pid).await?;
        *pids = Pids::of(&row);
        let said = Said::parse(route.posted, content)?;
        // A start counts under its agreement.
        let with = match super::turn::data_of(&row)? {
            PlainData::Haul(haul) if route.posted.is_start() => haul.negotiation,
            PlainData::Haul(_) | PlainData::Deal(_) => row.id,
        };
        let _locks = self.locks.two(row.id, with).await;
        if let Some(answer) = self.plain_again(row.id, (path, content), false).await? {
            return Ok(answer);
        }
        let mut turn = self.plain_turn(row.id).await?;
        turn.same_pids(&said)?;
        turn.receive(said.kind(), path, content)?;
        if turn.row.peer_pid.is_none() {
            // Its first answer was lost or told nothing; its own message tells.
            let (provider, consumer) = said.pids();
            let theirs = match turn.machine.role() {
                Role::Provider => consumer,
                Role::Consumer => provider,
            };
            turn.row.peer_pid = theirs.map(str::to_owned);
        }
        match &turn.data {
            PlainData::Deal(_) => turn.hear_deal(&said).await?,
            PlainData::Haul(_) => turn.hear_haul(&said).await?,
        }
        for kind in std::mem::take(&mut turn.settled) {
            turn.took_effect(kind).await?;
        }
        turn.go_on_after(Heard::Theirs(said.kind())).await?;
        let proposal = matches!(said, Said::Request(_) | Said::Offer(_));
        let body = if proposal { turn.state_now()? } else { Vec::new() };
        self.plain_done(turn, 200, body).await
    }

    /// Commits the turn with its answer, and starts what follows.
    pub(super) async fn plain_done(
        &self,
        mut turn: PlainTurn,
        status: u16,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), NodeError> {
        telemetry::about(turn.row.id);
        let after = turn.after();
        let answered = turn.answer(status, body).await?;
        after.spawn(self);
        Ok(answered)
    }
}

impl Node {
    /// Where an exchange stands. Its peer may ask as soon as it has answered our first message, before we have read that answer
    /// (`[PLN-4.9]`).
    async fn state_for_plain(
        &self,
        peer: &Arc<PlainPeer>,
        kind: ExchangeKind,
        pid: &str,
    ) -> Result<Vec<u8>, NodeError> {
        let began = Instant::now();
        loop {
            let row = self.plain_owned(peer, kind, pid).await?;
            if machine_of(&row)?.state().is_some() || began.elapsed() > STATE_WAIT {
                return state_body(&row);
            }
            tokio::time::sleep(STATE_LOOK).await;
        }
    }
}

fn said_pid(pid: Option<&str>) -> String {
    pid.unwrap_or_default().chars().take(512).collect()
}

/// `ContractNegotiation` or `TransferProcess` of an exchange.
pub(super) fn state_body(row: &ExchangeRow) -> Result<Vec<u8>, NodeError> {
    let none = || NodeError::refused(Code::NotFound, "");
    of_state(row, machine_of(row)?.state().ok_or_else(none)?)
}

fn of_state(row: &ExchangeRow, state: Any) -> Result<Vec<u8>, NodeError> {
    let Pids { provider, consumer } = Pids::of(row);
    let (provider_pid, consumer_pid) = (provider, consumer);
    let body = match state {
        Any::Negotiation(state) => ContractNegotiation { provider_pid, consumer_pid, state }.to_bytes(),
        Any::Transfer(state) => TransferProcess { provider_pid, consumer_pid, state }.to_bytes(),
    };
    body.map_err(|e| NodeError::refused(e.code(), e.to_string()))
}

impl PlainTurn {
    /// The state's own document, for the answer to a request or an offer.
    pub(super) fn state_now(&self) -> Result<Vec<u8>, NodeError> {
        let none = || NodeError::refused(Code::NotFound, "");
        of_state(&self.row, self.machine.state().ok_or_else(none)?)
    }

    /// A message names the two processes that it is posted to.
    fn same_pids(&self, said: &Said) -> Result<(), NodeError> {
        let Pids { provider, consumer } = Pids::of(&self.row);
        let (said_provider, said_consumer) = said.pids();
        let fits =
            |said: Option<&str>, known: &str| said.is_none_or(|said| known.is_empty() || said == known);
        if let (Some(theirs), None) = (
            match self.machine.role() {
                Role::Provider => said_consumer,
                Role::Consumer => said_provider,
            },
            &self.row.peer_pid,
        ) {
            pid_fits(theirs)?;
        }
        if !fits(said_provider, &provider) {
            return Err(NodeError::refused(Code::Malformed, "/providerPid"));
        }
        if !fits(said_consumer, &consumer) {
            return Err(NodeError::refused(Code::Malformed, "/consumerPid"));
        }
        Ok(())
    }

    /// What follows from a message, unless it left nothing to be said.
    pub(super) async fn go_on_after(&mut self, heard: Heard) -> Result<(), NodeError> {
        if self.has_no_address_now(heard)? {
            return self.end(
                Code::AnswerMalformed,
                vec!["the start carries no data address".to_owned()],
                Vec::new(),
                0,
            );
        }
        if heard == Heard::Theirs(ActKind::Transfer(tra::ActKind::Start))
            && !self.permitted_again(AFTER_ANSWER_MILLIS).await?
        {
            return Ok(());
        }
        self.go_on(heard).await
    }

    fn has_no_address_now(&mut self, heard: Heard) -> Result<bool, NodeError> {
        let start = Heard::Theirs(ActKind::Transfer(tra::ActKind::Start));
        Ok(heard == start && self.has_no_address()?)
    }

    /// A message of ours took effect: by the peer's answer, or by a message that is legal only after it.
    pub(super) async fn took_effect(&mut self, kind: ActKind) -> Result<(), NodeError> {
        if kind == ActKind::Negotiation(Neg::Finalize) {
            let deal = self.deal()?;
            (deal.in_force, deal.ended_ms) = (true, Some(now_ms()));
            self.keep_agreement(crate::store::AgreementState::InForce).await?;
        }
        if kind == ActKind::Negotiation(neg::ActKind::Terminate) {
            self.deal()?.ended_ms = Some(now_ms());
        }
        Ok(())
    }
}
