//! The one router, whatever the door: limits, then the token, then what is asked for (spec chapter 03, ACT-6).
//!
//! Answers of acts carry `DXP-Ack`; it is a pure function of the commit, so that the same act gets the same bytes after
//! a crash. Nothing here decides about a deal: that is `negotiation` and `transfer`.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{HeaderMap, StatusCode, body::Bytes, header};
use naru_protocol::{
    act::{self, Method, Token, check_token, peek_token},
    dsp::{Version, VersionResponse},
    error::{Code, Lang, Side},
    identity::parse_peer_id,
    jws::Verified,
    limits,
};
use serde_json::json;
use tracing::{Instrument as _, Span};

use super::{
    Node, NodeError, now,
    peers::Peer,
    plain,
    route::{ActRoute, DSP, DXP, Route},
};
use crate::{
    store::{ExchangeKind, PeerStatus},
    telemetry,
    transport::{Door, Peer as Connected},
};

/// The router of this node.
pub(super) fn router(node: Node) -> Router {
    Router::new().fallback(dispatch).with_state(node)
}

/// An answer before it is written.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The acknowledgement, for final answers to acts.
    pub(super) ack: Option<String>,
    /// Where the next page is.
    pub(super) next: Option<String>,
}

impl Reply {
    pub(super) const fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body, ack: None, next: None }
    }
}

/// Who asks, proven by token and connection.
pub(super) struct Caller {
    pub(super) peer: Arc<Peer>,
    pub(super) token: Verified<Token>,
    /// The token's text, which the entry commits to.
    pub(super) text: String,
}

async fn dispatch(State(node): State<Node>, request: Request) -> Response {
    let target = request.uri().path_and_query().map(|p| p.as_str().to_owned()).unwrap_or_default();
    let method = request.method().as_str().to_owned();
    if request.extensions().get::<Connected>().is_some_and(|connected| connected.door == Door::Https)
        && let Some(found) = plain::recognise(&node, &target, &request)
    {
        return plain::answer(&node, found, &method, request).await;
    }
    let base = if target.starts_with(DSP) { DSP.len() } else { DXP.len() };
    if target.len() > base + limits::REQUEST_PATH {
        // NET-6.5
        let mut reply = refusal(&target, Code::HeadTooLarge, "");
        reply.status = 414;
        return write(reply);
    }
    let Some(route) = Route::parse(&method, &target) else {
        return write(refusal(&target, Code::NotFound, ""));
    };
    match answer(&node, route, &method, &target, request).await {
        Ok(response) => response,
        Err(error) => {
            let code = error.code();
            if code == Code::NotPaired {
                node.budgets.stranger();
            }
            // A stranger is told neither what exists nor why; our own troubles are ours.
            let detail = if let NodeError::Refused(_, detail) = &error { detail.as_str() } else { "" };
            if ours(code) {
                tracing::error!(%target, code = code.as_str(), %error, "an error of our own");
            } else {
                tracing::debug!(%target, code = code.as_str(), %error, "refused");
            }
            write(refusal(&target, code, detail))
        }
    }
}

/// Whether an error is nobody's but ours, so that its details stay in our own log.
pub(super) fn ours(code: Code) -> bool {
    code == Code::Internal || code.side() == Side::Store
}

/// A DSP error body of the family that the path belongs to, or the profile's own.
pub(super) fn refusal(target: &str, code: Code, detail: &str) -> Reply {
    let status = match code.http_status() {
        200..=299 => 400,
        status => status,
    };
    let reason = if detail.is_empty() || ours(code) { code.title(Lang::En) } else { detail };
    let kind = if target.starts_with("/dsp/2025-1/catalog") {
        "CatalogError"
    } else if target.starts_with("/dsp/2025-1/transfers") {
        "TransferError"
    } else if target.starts_with(DSP) {
        "ContractNegotiationError"
    } else {
        "Error"
    };
    let mut body = json!({"@type": kind, "code": code.as_str(), "reason": [reason]});
    if kind != "Error" {
        body["@context"] = json!(["https://w3id.org/dspace/2025/1/context.jsonld"]);
    }
    if kind != "Error" && kind != "CatalogError" {
        body["providerPid"] = json!("");
        body["consumerPid"] = json!("");
    }
    Reply { status, body: naru_protocol::json::canonical(&body).unwrap_or_default(), ack: None, next: None }
}

/// Writes an answer; content is JSON unless it is empty.
pub(super) fn write(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status);
    if !reply.body.is_empty() {
        response = response.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(ack) = reply.ack {
        response = response.header("DXP-Ack", ack);
    }
    if let Some(next) = reply.next {
        response = response.header(header::LINK, format!("<{next}>; rel=\"next\""));
    }
    response.body(Body::from(reply.body)).unwrap_or_default()
}

async fn answer(
    node: &Node,
    route: Route,
    method: &str,
    target: &str,
    request: Request,
) -> Result<Response, NodeError> {
    let (head, body) = request.into_parts();
    let connected = head.extensions.get::<Connected>().cloned();
    let connected = connected.ok_or_else(|| NodeError::refused(Code::Internal, ""))?;
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(NodeError::refused(Code::EncodingRefused, ""));
    }
    let bearer = bearer(&head.headers);
    match route {
        Route::Version => return Ok(write(Reply::ok(versions(DSP)?))),
        Route::Part(pid, part) => {
            return node.serve_part(&pid, part, bearer?, &connected, &head.headers).await;
        }
        Route::Tickets => {
            // A secret is not to be guessed: whoever tries is a stranger until the secret fits.
            node.budgets.unknown(&connected.source())?;
            let (content, bearer) = (read(body).await?, bearer?.to_owned());
            let node = node.clone();
            let status = whole(async move { node.redeemed(&bearer, &content, &connected).await }).await?;
            return Ok(write(Reply { status, ..Reply::ok(b"{}".to_vec()) }));
        }
        Route::Catalog(_)
        | Route::Dataset(_)
        | Route::State(..)
        | Route::Act(_)
        | Route::Keys
        | Route::Capability(_)
        | Route::Window(_)
        | Route::Checkpoint
        | Route::Tile(_)
        | Route::Entry(..)
        | Route::Consistency(..)
        | Route::Yours(_) => {}
    }
    let bearer = bearer?.to_owned();
    let content = read(body).await?;
    let reads_log = matches!(
        route,
        Route::Checkpoint | Route::Tile(_) | Route::Entry(..) | Route::Consistency(..) | Route::Yours(_)
    );
    let caller = node.authenticate(&bearer, (method, target), &content, &connected, reads_log).await?;
    let did = caller.peer.did();
    if let Route::Act(route) = route {
        node.budgets.act(&did)?;
        let key = head.headers.get("DXP-Key").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (node, target) = (node.clone(), target.to_owned());
        let exchange = caller.token.payload().exchange;
        let span = telemetry::received(exchange, &did, route.name());
        let exchange = exchange.map(|id| id.to_string());
        let act = async move { node.act(caller, route, &target, key.as_deref(), content).await };
        let acted = whole(act.instrument(span.clone())).await;
        note(&span, &acted);
        if let Err(error) = &acted {
            tracing::debug!(exchange, code = error.code().as_str(), "an act was not taken");
        }
        return acted.map(write);
    }
    node.budgets.read(&did)?;
    let span = telemetry::read(&did, route.name());
    let answered = authenticated(node, route, caller, content).instrument(span.clone()).await;
    note(&span, &answered);
    answered.map(write)
}

/// Notes what was answered.
pub(super) fn note(span: &Span, answered: &Result<Reply, NodeError>) {
    if let Ok(reply) = answered {
        span.record("status", reply.status);
    }
    telemetry::ended(span, answered);
}

/// Does what changes state to its end, even if its sender's connection is lost meanwhile: a commit and what follows it are
/// never torn apart.
pub(super) async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, NodeError>> + Send + 'static,
) -> Result<T, NodeError> {
    tokio::spawn(work).await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?
}

/// Reads and service posts under a token.
async fn authenticated(
    node: &Node,
    route: Route,
    caller: Caller,
    content: Bytes,
) -> Result<Reply, NodeError> {
    let body = match route {
        Route::Catalog(after) => return node.catalog_for(&caller.peer, after.as_deref(), &content).await,
        Route::Dataset(id) => node.dataset_for(&caller.peer, &id).await?,
        Route::State(kind, pid) => node.state_for(&caller.peer, kind, &pid).await?,
        Route::Keys => node.key_sets().await?.to_string().into_bytes(),
        Route::Capability(pid) => node.capability_for(&caller.peer, &pid).await?,
        Route::Window(pid) => node.window_from(&caller.peer, &pid, &content).await?,
        // API-3.1
        Route::Checkpoint => node.store.head().await?.map(|h| h.note.into_bytes()).unwrap_or_default(),
        Route::Tile(path) => node.tile_for(&path).await?,
        Route::Entry(index, size) => node.entry_for(&caller.peer, index, size).await?,
        Route::Consistency(from, size) => node.consistency_for(from, size).await?,
        Route::Yours(from) => node.yours_for(&caller.peer, from).await?,
        Route::Version | Route::Tickets | Route::Act(_) | Route::Part(..) => {
            return Err(NodeError::refused(Code::NotFound, ""));
        }
    };
    Ok(Reply::ok(body))
}

pub(super) fn versions(path: &str) -> Result<Vec<u8>, NodeError> {
    let version = Version {
        version: "2025-1".to_owned(),
        path: path.to_owned(),
        binding: naru_protocol::dsp::Https,
        service_id: None,
        identifier_type: Some("did:key".to_owned()),
        auth: None,
    };
    let versions = VersionResponse { protocol_versions: vec![version] };
    versions.to_bytes().map_err(|e| NodeError::refused(Code::Internal, e.to_string()))
}

/// The connection that a request came over, by the peer id that it proved; none at the HTTPS door.
fn over(connected: &Connected) -> Option<&str> {
    match connected.door {
        Door::Libp2p => Some(&connected.peer_id),
        Door::Https => None,
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, NodeError> {
    let missing = || NodeError::refused(Code::TokenMissing, "");
    let text = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
    text.strip_prefix("Bearer ").ok_or_else(missing)
}

/// Reads content within the limit of messages.
pub(super) async fn read(body: Body) -> Result<Bytes, NodeError> {
    match Limited::new(body, limits::MESSAGE).collect().await {
        Ok(content) => Ok(content.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(NodeError::refused(Code::TooLarge, "")),
        Err(error) => Err(NodeError::refused(Code::Malformed, format!("the content broke off: {error}"))),
    }
}

impl Node {
    /// Who sent this: a pinned and accepted peer, over its own connection or at the HTTPS door, with a token for exactly this
    /// request. A peer that is trusted no more is a stranger, but that it may read the log while it is still to hear how things
    /// end: without that it takes no act after a start (ID-9.3).
    async fn authenticate(
        &self,
        bearer: &str,
        (method, target): (&str, &str),
        content: &[u8],
        connected: &Connected,
        reads_log: bool,
    ) -> Result<Caller, NodeError> {
        let malformed =
            |e: naru_protocol::jws::JwsError| NodeError::refused(Code::TokenMalformed, e.to_string());
        let iss = peek_token(bearer).map_err(malformed)?.claims().iss.to_string();
        let stranger = || NodeError::refused(Code::NotPaired, "");
        let Some(mut peer) = self.peer(&iss).await? else {
            self.budgets.unknown(&connected.source())?;
            return Err(stranger());
        };
        let let_in = match peer.row.status {
            PeerStatus::Accepted => true,
            PeerStatus::Blocked => reads_log && self.is_leaving(&iss),
            PeerStatus::Pending => false,
        };
        if !let_in {
            return Err(stranger());
        }
        // API-1.4: it may have new keys.
        let ks = peek_token(bearer).map_err(malformed)?.header().ks;
        if peer.pinned.ring().set(ks).is_none() {
            match self.learn_keys(&peer, over(connected)).await {
                Ok(true) => peer = self.peer(&iss).await?.ok_or_else(stranger)?,
                Ok(false) => {}
                Err(error) => tracing::warn!(peer = %iss, %error, "its new keys could not be fetched"),
            }
        }
        let base = if target.starts_with(DSP) { DSP } else { DXP };
        let request = act::Request {
            ring: peer.pinned.ring(),
            min: u32::try_from(peer.row.ks_min).unwrap_or(u32::MAX),
            me: &self.me.did,
            method: Method::parse(method).ok_or_else(|| NodeError::refused(Code::MethodRefused, ""))?,
            path: target.strip_prefix(base).unwrap_or(target),
            now: now(),
        };
        let token = check_token(bearer, &request, content)
            .map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        match connected.door {
            Door::Libp2p => {
                let key = parse_peer_id(&connected.peer_id).map_err(|e| NodeError::refused(e.code(), ""))?;
                if !peer.pinned.ring().has_transport(&key, now()) {
                    return Err(NodeError::refused(Code::PeerMismatch, ""));
                }
            }
            // NET-9.2: TLS proves nobody here; the token is all, and it is enough.
            Door::Https => peer.peer_id().into_iter().for_each(|id| self.ways.hear(id)),
        }
        Ok(Caller { peer, token, text: bearer.to_owned() })
    }

    /// An act: serialised per exchange, answered with what is stored if it is known, else judged and committed.
    async fn act(
        &self,
        caller: Caller,
        route: ActRoute,
        target: &str,
        key: Option<&str>,
        content: Bytes,
    ) -> Result<Reply, NodeError> {
        let token = caller.token.payload();
        let act =
            token.act().ok_or_else(|| NodeError::refused(Code::TokenMalformed, "the token signs no act"))?;
        let digest = act.digest()?;
        self.recovered_for_act(&caller.peer).await?;
        let _lock = match (route.kind(), &route.pid) {
            (ExchangeKind::Transfer, None) => {
                let rests_on = self.negotiation_named(&content, &caller.peer).await?;
                self.locks.two(act.exchange, rests_on.unwrap_or(act.exchange)).await
            }
            // A start counts under its agreement, and duties run from a receipt.
            (ExchangeKind::Transfer, Some(_)) if route.posted.counts_under_deal() => {
                let rests_on = self.negotiation_of(act.exchange, &caller.peer).await?;
                self.locks.two(act.exchange, rests_on.unwrap_or(act.exchange)).await
            }
            (ExchangeKind::Transfer | ExchangeKind::Negotiation, _) => {
                (self.locks.one(act.exchange).await, None)
            }
        };
        if let Some(known) = self.store.act_by_msg(&act.iss.to_string(), act.msg).await? {
            if known.digest != digest {
                return Err(NodeError::refused(Code::MsgReused, ""));
            }
            return self.stored_answer(&known).await;
        }
        self.first_time(caller, route, target, key, act, digest, content).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let said = |code, detail| String::from_utf8(refusal("/dxp/1/keys", code, detail).body).unwrap();
        for code in [Code::Internal, Code::StoreCorrupt, Code::DiskFull, Code::StoreUnavailable] {
            let body = said(code, "/srv/naru/naru.db: row 7");
            assert!(!body.contains("naru.db") && body.contains(code.as_str()), "{body}");
            assert!(body.contains(code.title(Lang::En)), "{body}");
        }
        assert!(said(Code::TermsDiffer, "/shared/dataset").contains("/shared/dataset"));
    }
}
