//! Requests of plain peers, in the order limits, identity, shape, state; and the error bodies of the binding (spec chapter 13,
//! PLN-3, PLN-4).
//!
//! Who is not recognised was turned away before. What is unknown and what is somebody else's look alike.

use std::{io::Write as _, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
};
use naru_protocol::{
    act::Path,
    dsp::{Message as _, negotiation::ContractNegotiation, transfer::TransferProcess},
    encoding::{Digest, Id},
    error::{Code, Lang},
    exchange::{ActKind, Role, State as Any},
    limits,
    log::entry::ExchangeKey,
    negotiation::{self as neg, ActKind as Neg},
    plain::PlainExchange,
    transfer as tra,
};
use serde_json::json as object;

use super::{
    deal::{Format, PlainDeal, PlainHaul},
    negotiation::{Heard, agreement_setting},
    peers::PlainPeer,
    serve::DATA,
    transfer::place_in,
    turn::{AFTER_ANSWER_MILLIS, PlainData, PlainTurn, machine_of},
};
use crate::{
    config,
    node::{
        Node, NodeError,
        inbound::{Reply, ours, read, refusal, versions, whole, write},
        now_ms,
        peers::random_id,
        received::{Said, fresh_pid},
        route::{ActRoute, DSP, Route},
    },
    store::{ExchangeKind, ExchangeRow, OurRole, StartedBy},
    transport::Peer as Connected,
};

/// A random UUID (version 4).
pub(super) fn uuid() -> Result<String, NodeError> {
    let mut bytes = config::random::<16>().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

/// Refuses a process id that could not stand in a path.
pub(super) fn pid_fits(pid: &str) -> Result<(), NodeError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&b);
    if !pid.is_empty()
        && pid.len() <= 512
        && pid.bytes().all(plain)
        && Path::parse(&format!("/{pid}")).is_ok()
    {
        return Ok(());
    }
    Err(NodeError::refused(Code::Malformed, "a process id is 1 to 512 characters that may stand in a path"))
}

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

/// An error body of the family that the path belongs to.
fn error_body(route: &Route, code: Code, detail: &str, pids: &Pids) -> Reply {
    let status = match code {
        // What is no state of this exchange is 400 here, never a conflict that a peer would repeat.
        Code::Stale | Code::Crossed | Code::MsgReused => 400,
        // A plain peer was recognised: nothing it says is a matter of tokens.
        Code::Downgraded => 400,
        _ => match code.http_status() {
            200..=299 => 400,
            status => status,
        },
    };
    let reason = if detail.is_empty() || ours(code) { code.title(Lang::En) } else { detail };
    let kind = match route {
        Route::Catalog(_) | Route::Dataset(_) | Route::Version => "CatalogError",
        Route::State(ExchangeKind::Transfer, _) => "TransferError",
        Route::Act(act) if act.kind() == ExchangeKind::Transfer => "TransferError",
        _ => "ContractNegotiationError",
    };
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
        Found::Data(target) => match node.plain_data(&head.method, &target, &head.headers).await {
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
        match self.plain_try(&peer, &route, path, content, &mut pids).await {
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
                let row = self.plain_owned(peer, *kind, pid).await?;
                return state_body(&row).map(Reply::ok);
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
        if let Some(answer) = self.plain_again(row.id, path, content).await? {
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
        let body = match said {
            Said::Request(_) | Said::Offer(_) => turn.state_now()?,
            _ => Vec::new(),
        };
        self.plain_done(turn, 200, body).await
    }

    /// The first message of an exchange. The same consumer's or provider's pid again is the same exchange (`[PLN-4.5]`).
    async fn plain_begin(
        &self,
        peer: &Arc<PlainPeer>,
        said: &Said,
        path: &str,
        content: &[u8],
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let (role, kind) = match said {
            Said::Request(_) => (Role::Provider, ExchangeKind::Negotiation),
            Said::Offer(_) => (Role::Consumer, ExchangeKind::Negotiation),
            Said::TransferRequest(_) => (Role::Provider, ExchangeKind::Transfer),
            _ => return Err(NodeError::refused(Code::NotFound, "")),
        };
        let (provider, consumer) = said.pids();
        let theirs = match role {
            Role::Provider => consumer,
            Role::Consumer => provider,
        };
        let theirs = theirs.unwrap_or_default().to_owned();
        pid_fits(&theirs)?;
        let callback = said.callback().unwrap_or_default().trim_end_matches('/').to_owned();
        if !peer.is_its(&callback) {
            let why = "callbackAddress is not under the address that is recorded for this participant";
            return Err(NodeError::refused(Code::CallbackRefused, why));
        }
        let name = Digest::of(format!("{kind} {theirs} {}", peer.id()).as_bytes());
        let beginning = self.locks.one(Id(first_half(&name))).await;
        if let Some(known) = self.store.exchange_by_peer_pid(peer.id(), kind, &theirs).await? {
            let again = self.plain_again(known.id, path, content).await?;
            let reused = || NodeError::refused(Code::IllegalState, "this process id names another exchange");
            return again.ok_or_else(reused);
        }
        self.room_for(peer.id()).await?;
        let answered = match said {
            Said::TransferRequest(m) => {
                self.plain_transfer(peer, m, said, &theirs, callback, (path, content)).await
            }
            _ => self.plain_negotiation(peer, role, said, &theirs, callback, (path, content)).await,
        };
        drop(beginning);
        answered
    }

    async fn plain_negotiation(
        &self,
        peer: &Arc<PlainPeer>,
        role: Role,
        said: &Said,
        theirs: &str,
        callback: String,
        (path, content): (&str, &[u8]),
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let dataset = match said {
            Said::Request(m) => m.offer.target(),
            Said::Offer(m) => m.offer.target(),
            _ => None,
        };
        let deal = PlainDeal {
            dataset: dataset.unwrap_or_default().to_owned(),
            callback,
            purpose: peer.record.purpose.clone().filter(|_| role == Role::Provider),
            countries: match role {
                Role::Provider => peer.record.countries.clone(),
                Role::Consumer => vec![self.me.participant.country.to_string()],
            },
            keep_days: peer.record.keep_days,
            began_ms: now_ms(),
            ..PlainDeal::default()
        };
        if role == Role::Provider {
            // What is not shown to the peer cannot be asked for either.
            self.shown_to_plain(peer, &deal.dataset).await?;
        }
        let data = PlainData::Deal(Box::new(deal));
        let (row, key) =
            self.plain_row(peer, ExchangeKind::Negotiation, role, Some(theirs), StartedBy::Peer)?;
        let mut turn = PlainTurn::new(self, peer.clone(), row, PlainExchange::negotiation(role), data, key);
        turn.receive(said.kind(), path, content)?;
        turn.hear_deal(said).await?;
        let body = turn.state_now()?;
        turn.go_on_after(Heard::Theirs(said.kind())).await?;
        self.plain_done(turn, 201, body).await
    }

    async fn plain_transfer(
        &self,
        peer: &Arc<PlainPeer>,
        m: &naru_protocol::dsp::transfer::TransferRequestMessage,
        said: &Said,
        theirs: &str,
        callback: String,
        (path, content): (&str, &[u8]),
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let none = || NodeError::refused(Code::NotInForce, "/agreementId");
        let setting = agreement_setting(peer.id(), &m.agreement_id);
        let negotiation =
            self.store.meta(&setting).await?.and_then(|text| Id::parse(&text).ok()).ok_or_else(none)?;
        let id = random_id()?;
        let _locks = self.locks.two(negotiation, id).await;
        let mut deal_turn = self.plain_turn(negotiation).await?;
        let provider = deal_turn.machine.role() == Role::Provider;
        let in_force = deal_turn.machine.in_force().filter(|_| provider).ok_or_else(none)?;
        let format = Format::parse(&m.format)
            .ok_or_else(|| NodeError::refused(Code::Malformed, "/format: HttpData-PULL or HttpData-PUSH"))?;
        let mut haul = PlainHaul::new(negotiation, deal_turn.deal()?, in_force.agreement(), format);
        haul.callback = callback;
        haul.out = None;
        if format == Format::Push {
            let place = m.data_address.as_ref().and_then(place_in);
            let place =
                place.ok_or_else(|| NodeError::refused(Code::Malformed, "/dataAddress: no endpoint"))?;
            haul.place = Some(place);
        }
        let data = PlainData::Haul(Box::new(haul));
        let (mut row, key) =
            self.plain_row(peer, ExchangeKind::Transfer, Role::Provider, Some(theirs), StartedBy::Peer)?;
        row.id = id;
        let machine = PlainExchange::transfer(Role::Provider, in_force);
        let mut turn = PlainTurn::new(self, peer.clone(), row, machine, data, key);
        turn.receive(said.kind(), path, content)?;
        turn.remark("agreement", object!(in_force.agreement()));
        let body = turn.state_now()?;
        turn.go_on_after(Heard::Theirs(said.kind())).await?;
        self.plain_done(turn, 201, body).await
    }

    /// Commits the turn with its answer, and starts what follows.
    async fn plain_done(
        &self,
        mut turn: PlainTurn,
        status: u16,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let after = turn.after();
        let answered = turn.answer(status, body).await?;
        after.spawn(self);
        Ok(answered)
    }

    /// The row of a new exchange with its key.
    pub(super) fn plain_row(
        &self,
        peer: &PlainPeer,
        kind: ExchangeKind,
        role: Role,
        theirs: Option<&str>,
        initiator: StartedBy,
    ) -> Result<(ExchangeRow, ExchangeKey), NodeError> {
        let secret =
            config::random::<32>().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
        let key = ExchangeKey::from_bytes(secret);
        let at = crate::node::now();
        let row = ExchangeRow {
            id: random_id()?,
            kind,
            role: match role {
                Role::Provider => OurRole::Provider,
                Role::Consumer => OurRole::Consumer,
            },
            peer: peer.id().to_owned(),
            our_pid: fresh_pid()?,
            peer_pid: theirs.map(str::to_owned),
            initiator,
            state: String::new(),
            machine: String::new(),
            revision: 0,
            wrapped_key: Some(self.wrapping.wrap(key.secret())?),
            data: String::new(),
            deadline: None,
            waits_for: None,
            created: at,
            updated: at,
        };
        Ok((row, key))
    }
}

fn said_pid(pid: Option<&str>) -> String {
    pid.unwrap_or_default().chars().take(512).collect()
}

fn first_half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    half
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
    fn state_now(&self) -> Result<Vec<u8>, NodeError> {
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
    async fn go_on_after(&mut self, heard: Heard) -> Result<(), NodeError> {
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
