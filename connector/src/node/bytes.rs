//! The bytes of a transfer, on either side: capabilities, ranges, window acknowledgements over the node's connection
//! (spec chapter 07; the fourth of the four points: a permit with an expiry, re-checked with every capability).

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, PoisonError},
};

use axum::{body::Body, response::Response};
use futures::StreamExt as _;
use hyper::{HeaderMap, StatusCode, header};
use naru_protocol::{
    act::{Method, Path as Target},
    encoding::Id,
    error::Code,
    exchange::State as Any,
    identity::Role,
    json, limits,
    listing::Listing,
    permit::PeerAllow,
    terms::Phase,
    transfer::State,
    window::{Acknowledged, Transfer, WindowAck, WindowProgress},
};
use tokio::sync::Mutex;

use super::{
    Node, NodeError,
    deal::Haul,
    link::Answered,
    now,
    peers::Peer,
    route::DXP,
    turn::{Data, data_of},
};
use crate::{
    data::{
        Part,
        buffers::Buffers,
        capability::{self, LastChecked},
        fetch::{FetchEvent, FetchOptions, Fetched, Wanted, fetch},
        parse_range, range_header,
        ranges::{BodyStream, RangeError, RangeSource},
        serve::Serving,
        source::{Reading, Source},
    },
    store::{Batch, ExchangeKind, ExchangeRow, OurRole, TransferRow},
};

/// MiB of chunks that all streams of one served transfer hold together.
const SERVE_BUFFERS: usize = 24;

/// A transfer that may be served now.
pub(super) struct Live {
    serving: Serving,
    shown: LastChecked,
    /// Until when the permit that it was opened under holds, seconds.
    until: std::sync::atomic::AtomicU64,
    ring: naru_protocol::identity::KeyRing,
    /// The peer's identity on the network: a capability works over its own connection only.
    peer_ids: Vec<String>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("transfer", &self.serving.transfer()).finish_non_exhaustive()
    }
}

fn refused(code: Code, error: &impl std::fmt::Display) -> NodeError {
    NodeError::refused(code, error.to_string())
}

impl Node {
    /// No further byte leaves under an agreement that has ended.
    pub(super) fn forget_agreement(&self, agreement: &naru_protocol::encoding::Digest) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, live| live.serving.transfer().agreement != *agreement);
    }

    pub(super) fn forget_live(&self, pid: &str) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(pid);
    }

    /// (API-2.1) `GET /transfers/:pid/capability`: law is asked again, and only then is a fresh capability issued.
    pub(super) async fn capability_for(&self, peer: &Peer, pid: &str) -> Result<Vec<u8>, NodeError> {
        let row = self.owned(peer, ExchangeKind::Transfer, pid).await?;
        if row.role != OurRole::Provider {
            return Err(NodeError::refused(Code::NotFound, ""));
        }
        let _lock = self.locks.one(row.id).await;
        let mut turn = self.turn(row.id).await?;
        let pending_start = turn.machine.pending().is_some();
        if turn.machine.state() != Some(Any::Transfer(State::Started)) && !pending_start {
            return Err(NodeError::refused(Code::IllegalState, "the transfer is not started"));
        }
        let negotiation = turn.haul()?.negotiation;
        let mut deal_turn = self.turn(negotiation).await?;
        if deal_turn.machine.is_ended() {
            return Err(NodeError::refused(Code::AgreementEnded, ""));
        }
        self.in_force(&mut deal_turn).await?;
        let terms =
            deal_turn.deal()?.terms.clone().ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
        let judged =
            turn.judge(&terms, Role::Provider, Phase::Transfer, &super::transfer::both(&terms)).await?;
        let allow = self.request_allow(&turn.row, peer).await?;
        if let Err(error) = self.permit_transfer(&judged, &terms, Role::Provider, Some(allow)) {
            self.forget_live(pid);
            return Err(error);
        }
        let transfer = self.transfer_of(&row, turn.haul()?, Role::Provider)?;
        let listing = deal_turn.deal()?.listing.clone();
        let live = self.live_for(pid, &transfer, &listing, peer, row.id).await?;
        let at = now();
        live.until.store(at + limits::CAPABILITY_SECONDS, std::sync::atomic::Ordering::Relaxed);
        let text = capability::issue(&transfer, self.me.ks(), self.me.signing(), at)?;
        Ok(json::to_canonical(&serde_json::json!({"v": 1, "capability": text}))?)
    }

    /// The consumer's signed allow, from the stored request.
    pub(super) async fn request_allow(&self, row: &ExchangeRow, peer: &Peer) -> Result<PeerAllow, NodeError> {
        let none = || NodeError::refused(Code::DecisionInvalid, "");
        let acts = self.store.acts(row.id, 0, 1).await?;
        let act = acts.first().ok_or_else(none)?;
        let token = super::proposal::verify_any(act.token.as_deref().ok_or_else(none)?, peer.pinned.ring())?;
        PeerAllow::from_act(&token, &act.body).map_err(|_| none())
    }

    fn transfer_of(&self, row: &ExchangeRow, haul: &Haul, role: Role) -> Result<Transfer, NodeError> {
        let theirs = naru_protocol::identity::Did::parse(&row.peer).map_err(|e| refused(e.code(), &e))?;
        let unknown = || NodeError::refused(Code::IllegalState, "the peer's process is not known");
        Ok(match role {
            Role::Provider => Transfer {
                consumer: theirs,
                provider: self.me.did,
                exchange: row.id,
                provider_pid: row.our_pid.clone(),
                agreement: haul.agreement,
            },
            Role::Consumer => Transfer {
                consumer: self.me.did,
                provider: theirs,
                exchange: row.id,
                provider_pid: row.peer_pid.clone().ok_or_else(unknown)?,
                agreement: haul.agreement,
            },
        })
    }

    async fn live_for(
        &self,
        pid: &str,
        transfer: &Transfer,
        listing: &str,
        peer: &Peer,
        id: Id,
    ) -> Result<Arc<Live>, NodeError> {
        if let Some(live) = self.live.lock().unwrap_or_else(PoisonError::into_inner).get(pid) {
            return Ok(Arc::clone(live));
        }
        let listing = naru_protocol::jws::peek::<Listing>(listing)?;
        let index = self.index_folder(&listing.claims().dataset, listing.claims().version);
        let last = self.store.transfer(id).await?.and_then(|t| progress_of(&t));
        let transfer = transfer.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let source =
                Source::open(&index, Buffers::new(SERVE_BUFFERS)).map_err(|e| refused(e.code(), &e))?;
            Serving::new(Arc::new(source), transfer, last.as_ref()).map_err(|e| refused(e.code(), &e))
        });
        let serving = opened.await.map_err(|e| refused(Code::Internal, &e))??;
        if serving.source().content_root() != listing.claims().content_root {
            return Err(NodeError::refused(Code::SourceChanged, "the index is not the listing's"));
        }
        let live = Arc::new(Live {
            serving,
            shown: LastChecked::default(),
            until: 0.into(),
            ring: self.own_ring()?,
            peer_ids: peer
                .pinned
                .ring()
                .sets()
                .map(|s| naru_protocol::identity::peer_id(&s.transport))
                .collect(),
        });
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(pid.to_owned(), Arc::clone(&live));
        Ok(live)
    }

    /// A transfer that this capability opens, over the consumer's own connection (API-2.2).
    fn opened(&self, pid: &str, shown: &str, connected: &str) -> Result<Arc<Live>, NodeError> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).get(pid).cloned();
        let live = live.ok_or_else(|| NodeError::refused(Code::CapabilityExpired, ""))?;
        let at = now();
        if at > live.until.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(NodeError::refused(Code::PermitExpired, ""));
        }
        if !live.peer_ids.iter().any(|id| id == connected) {
            return Err(NodeError::refused(Code::CapabilityInvalid, ""));
        }
        live.shown
            .check(shown, &live.ring, live.serving.transfer(), at)
            .map_err(|e| refused(e.code(), &e))?;
        Ok(live)
    }

    /// `GET /transfers/:pid/filelist`, `…/chunks/:n` and `…/files/:n`, whole or a range.
    pub(super) async fn serve_part(
        &self,
        pid: &str,
        part: Part,
        shown: &str,
        connected: &str,
        headers: &HeaderMap,
    ) -> Result<Response, NodeError> {
        let live = self.opened(pid, shown, connected)?;
        let total =
            live.serving.source().total(part).ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let wanted = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
        let range = match wanted {
            Some(text) => Some(parse_range(text, total).map_err(|e| refused(Code::RangeInvalid, &e))?),
            None => None,
        };
        let partial = range.is_some();
        let Reading { total, range, stream } =
            live.serving.read(part, range).await.map_err(|e| refused(e.code(), &e))?;
        let mut response = Response::builder()
            .status(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, range.end - range.start);
        if partial {
            let shown = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
            response = response.header(header::CONTENT_RANGE, shown);
        }
        response.body(Body::from_stream(stream)).map_err(|e| refused(Code::Internal, &e))
    }

    /// (API-2.3) `POST /transfers/:pid/window`: kept before it is answered; what it frees may be asked for from then on.
    pub(super) async fn window_from(
        &self,
        peer: &Peer,
        pid: &str,
        content: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        let row = self.owned(peer, ExchangeKind::Transfer, pid).await?;
        let text = std::str::from_utf8(content).map_err(|e| refused(Code::WindowInvalid, &e))?;
        let ack = peer.pinned.ring().verify::<WindowAck>(text, 1, now())?;
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).get(pid).cloned();
        let live = live.ok_or_else(|| NodeError::refused(Code::CapabilityExpired, ""))?;
        let (serving, checked) = (Arc::clone(&live), ack.clone());
        let taken = tokio::task::spawn_blocking(move || serving.serving.acknowledge(&checked)).await;
        let taken = taken.map_err(|e| refused(Code::Internal, &e))?.map_err(|e| refused(e.code(), &e))?;
        match taken {
            Acknowledged::Advanced => {
                let progress = serde_json::json!({"chunks": ack.payload().chunks, "digest": ack.payload().digest,
                    "window": ack.payload().window});
                let transfer = TransferRow {
                    exchange: row.id,
                    progress: progress.to_string(),
                    window_ack: Some(text.to_owned()),
                    receipt: None,
                };
                self.store.commit(Batch { transfers: vec![transfer], ..Batch::default() }).await?;
            }
            Acknowledged::Repeated => {}
        }
        Ok(b"{}".to_vec())
    }

    /// Fetches the files of a started transfer; every chunk verified before it is written and acknowledged.
    pub(super) async fn fetch_into(
        &self,
        row: &ExchangeRow,
        haul: &Haul,
        out: &Path,
    ) -> Result<Fetched, NodeError> {
        let peer = self.peer(&row.peer).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        let negotiation = self.store.exchange(haul.negotiation).await?;
        let negotiation = negotiation.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let Data::Deal(deal) = data_of(&negotiation)? else {
            return Err(NodeError::refused(Code::NotInForce, ""));
        };
        let listing = naru_protocol::jws::peek::<Listing>(&deal.listing)?;
        let terms = deal.terms.ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
        let wanted = Wanted { content_root: terms.content_root, summary: listing.claims().summary.clone() };
        let transfer = self.transfer_of(row, haul, Role::Consumer)?;
        let base = format!("/transfers/{}", transfer.provider_pid);
        let link = Link { node: self.clone(), peer, base, transfer, capability: Mutex::default() };
        let exchange = row.id;
        let on_event = move |event: FetchEvent<'_>| match event {
            FetchEvent::Corrupt { path, chunk, tries } => {
                tracing::warn!(%exchange, path, chunk, tries, "a chunk arrived wrong; fetched again alone");
            }
            FetchEvent::Retry { error, .. } => tracing::info!(%exchange, %error, "a request is repeated"),
            FetchEvent::Started { .. }
            | FetchEvent::Chunk { .. }
            | FetchEvent::Acknowledged(_)
            | FetchEvent::Placing => {}
        };
        fetch(Arc::new(link), &wanted, out, FetchOptions::default(), Arc::new(on_event))
            .await
            .map_err(|e| refused(e.code(), &e))
    }
}

fn progress_of(row: &TransferRow) -> Option<WindowProgress> {
    let value: serde_json::Value = serde_json::from_str(&row.progress).ok()?;
    Some(WindowProgress {
        chunks: value.get("chunks")?.as_u64()?,
        digest: naru_protocol::encoding::Digest::parse(value.get("digest")?.as_str()?).ok()?,
        window: value.get("window")?.as_u64()?,
    })
}

/// The provider as the fetcher sees it.
struct Link {
    node: Node,
    peer: Arc<Peer>,
    base: String,
    transfer: Transfer,
    /// The capability in use and when it was asked for, seconds.
    capability: Mutex<Option<(String, u64)>>,
}

impl Link {
    /// The capability in use, or a fresh one when a third of its life is left.
    async fn capability(&self, renew: bool) -> Result<String, RangeError> {
        let mut held = self.capability.lock().await;
        let at = now();
        if !renew
            && let Some((text, asked)) = &*held
            && at < asked + limits::CAPABILITY_SECONDS * 2 / 3
        {
            return Ok(text.clone());
        }
        let path = format!("{}/capability", self.base);
        let body = self.node.get(&self.peer, DXP, &path).await.map_err(|e| range_error(&e))?;
        let value: serde_json::Value = serde_json::from_slice(&body).map_err(|_| RangeError::Length)?;
        let text = value.get("capability").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        *held = Some((text.clone(), at));
        Ok(text)
    }

    async fn ask(
        &self,
        path: &str,
        range: Option<&Range<u64>>,
        renew: bool,
    ) -> Result<BodyStream, RangeError> {
        let capability = self.capability(renew).await?;
        let target = format!("{DXP}{}/{path}", self.base);
        let response = self
            .node
            .send_range(&self.peer, &target, &capability, range.map(range_header))
            .await
            .map_err(|e| range_error(&e))?;
        let status = response.status().as_u16();
        if status != 200 && status != 206 {
            let Answered { body, .. } = super::link::whole(response).await.map_err(|e| range_error(&e))?;
            return Err(status_error(status, &body));
        }
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(RangeError::Length);
        }
        let body = response.into_body();
        let pieces = futures::stream::unfold(body, |mut body| async move {
            match body.chunk().await {
                Ok(Some(bytes)) => Some((Ok(bytes), body)),
                Ok(None) => None,
                Err(error) => Some((Err(RangeError::Interrupted(error.to_string())), body)),
            }
        });
        Ok(pieces.boxed())
    }
}

impl RangeSource for Link {
    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<BodyStream, RangeError> {
        match self.ask(path, range.as_ref(), false).await {
            Err(RangeError::Refused {
                code: Some(Code::CapabilityExpired | Code::PermitExpired), ..
            }) => self.ask(path, range.as_ref(), true).await,
            answer => answer,
        }
    }

    async fn acknowledge(&self, progress: WindowProgress) -> Result<(), RangeError> {
        let ack = WindowAck::of(&self.transfer, &progress, now());
        let text = self.node.me.sign(&ack).map_err(|e| RangeError::Interrupted(e.to_string()))?;
        let path = Target::parse(&format!("{}/window", self.base));
        let path = path.map_err(|e| RangeError::Interrupted(e.to_string()))?;
        let answer = self.node.read(&self.peer, Method::Post, DXP, path, text.into_bytes()).await;
        let Answered { status, body, .. } = answer.map_err(|e| range_error(&e))?;
        if status == 200 { Ok(()) } else { Err(status_error(status, &body)) }
    }
}

/// What a failure means to the fetcher: a link that broke is tried again, a refusal is not.
fn range_error(error: &NodeError) -> RangeError {
    match error {
        NodeError::Refused(code, _) => {
            let body = serde_json::json!({"code": code.as_str()}).to_string();
            status_error(code.http_status(), body.as_bytes())
        }
        NodeError::Transport(error) => RangeError::Interrupted(error.to_string()),
        NodeError::Folder(_)
        | NodeError::Config(_)
        | NodeError::Store(_)
        | NodeError::Identity(_)
        | NodeError::Jws(_)
        | NodeError::Ticket(_)
        | NodeError::Json(_)
        | NodeError::Bundle(_)
        | NodeError::Engine(_) => RangeError::Interrupted(error.to_string()),
    }
}

fn status_error(status: u16, body: &[u8]) -> RangeError {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value.get("code").and_then(serde_json::Value::as_str).and_then(|c| Code::parse(c).ok());
    match (status, code) {
        (_, Some(code @ (Code::SourceChanged | Code::SourceMissing))) => RangeError::SourceFault(code),
        (429 | 503, _) => RangeError::Busy { after: None },
        (500..=599, _) => RangeError::Interrupted(format!("status {status}")),
        (_, code) => RangeError::Refused { status, code },
    }
}
