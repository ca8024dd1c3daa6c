//! Our data for a plain peer: one GET under a bearer token bound to the transfer, or one POST of ours (spec chapter 13, PLN-8).
//!
//! Every chunk is verified as it is read. What is asked of law and of the transfer's state before a byte leaves is asked again
//! while bytes leave; a stream that may no longer run ends as broken, never as complete.

use std::{
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, response::Response};
use futures::{Stream, StreamExt as _};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Bytes, header};
use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::{ActKind, Role, State as Any},
    transfer as tra,
};
use serde_json::json as object;

use super::{
    deal::{Format, Place, Token},
    negotiation::Step,
    turn::{PlainData, PlainTurn, data_of, machine_of},
};
use crate::{
    data::{
        Part,
        buffers::Buffers,
        parse_range,
        source::{Reading, Source},
    },
    node::{Node, NodeError, counters::Counters, now},
    store::{ExchangeKind, ExchangeRow, OurRole, PeerStatus},
};

/// Under which path data are fetched.
pub(super) const DATA: &str = "/data/";
/// MiB of chunks that all streams of one transfer hold together.
const BUFFERS: usize = 24;
/// How long a look at the operator's facts is good for while data leave.
const LOOK: Duration = Duration::from_secs(1);

/// A published version, open for one transfer.
pub(in crate::node) struct Opened {
    source: Arc<Source>,
    /// Nothing is served any more, streams under way included.
    over: AtomicBool,
    served: AtomicU64,
    counters: Arc<Counters>,
    /// Digest of the operator's facts that law was asked over last, and when they were looked at; none before the first time.
    footing: tokio::sync::Mutex<Option<(Option<Digest>, std::time::Instant)>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("over", &self.over).finish_non_exhaustive()
    }
}

fn refused(code: Code, error: &impl std::fmt::Display) -> NodeError {
    NodeError::refused(code, error.to_string())
}

pub(super) fn denied() -> NodeError {
    NodeError::refused(Code::CapabilityInvalid, "")
}

/// The token of a request; some fetch with the scheme `Bearer` and some without.
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(bearer.map_or(text, |(_, token)| token))
}

impl Node {
    /// No further byte of this transfer leaves.
    pub(super) fn close_opened(&self, pid: &str) {
        let gone = self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(pid);
        if let Some(opened) = gone {
            opened.over.store(true, Ordering::Relaxed);
        }
    }

    /// `GET /data/<pid>` and `GET /data/<pid>/files/<n>`: the one file, or the list of several; whole or one range.
    pub(in crate::node) async fn plain_data(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
    ) -> Result<Response, NodeError> {
        if *method != Method::GET && *method != Method::HEAD {
            return Err(NodeError::refused(Code::MethodRefused, ""));
        }
        let path = target.strip_prefix(DATA).unwrap_or_default();
        let path = path.split_once('?').map_or(path, |(path, _)| path).trim_end_matches('/');
        let (pid, part) = path.split_once('/').map_or((path, None), |(pid, part)| (pid, Some(part)));
        let (row, opened) = self.opened_by(pid, token_of(headers).ok_or_else(denied)?).await?;
        self.still_served(&row, &opened).await?;
        let files = opened.source.list().entries().len();
        let number = match part.map(Part::parse) {
            None if files == 1 => 0,
            None => return index(&opened.source, target, headers),
            Some(Some(Part::File(number))) if number < files => number,
            Some(_) => return Err(NodeError::refused(Code::NotFound, "")),
        };
        let under_way = self.watched(row, &opened);
        file(opened, number, *method == Method::HEAD, headers, under_way).await
    }

    /// The transfer that a token opens now. Whatever does not fit looks the same from outside.
    async fn opened_by(&self, pid: &str, token: &str) -> Result<(ExchangeRow, Arc<Opened>), NodeError> {
        let row = self.store.exchange_by_pid(pid).await?.filter(|row| super::is_plain(&row.peer));
        let row = row.filter(|r| r.kind == ExchangeKind::Transfer && r.role == OurRole::Provider);
        let row = row.ok_or_else(denied)?;
        let deal = self.still_open(&row, Some(token)).await?;
        let known = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(pid).cloned();
        if let Some(opened) = known {
            return Ok((row, opened));
        }
        let opened = self.open_source(&deal).await?;
        let opened = {
            let mut all = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            // Two at once share one, so that ending it ends both.
            Arc::clone(all.entry(pid.to_owned()).or_insert(opened))
        };
        // What was closed while it was being opened stays closed.
        let row = self.store.exchange(row.id).await?.ok_or_else(denied)?;
        if let Err(error) = self.still_open(&row, Some(token)).await {
            self.close_opened(pid);
            return Err(error);
        }
        Ok((row, opened))
    }

    /// Whether data of a transfer may leave now by its state, its token, its agreement and the operator's word about the peer;
    /// gives the negotiation.
    async fn still_open(&self, row: &ExchangeRow, shown: Option<&str>) -> Result<ExchangeRow, NodeError> {
        let PlainData::Haul(haul) = data_of(row)? else { return Err(denied()) };
        let pull = haul.format == Format::Pull;
        match haul.token {
            Some(token) if pull => self.token_opens(row, token, shown)?,
            None if pull => return Err(denied()),
            Some(_) | None => {}
        }
        let machine = machine_of(row)?;
        let start = ActKind::Transfer(tra::ActKind::Start);
        let starting = machine.pending().is_some_and(|pending| pending.kind == start);
        let started = machine.state() == Some(Any::Transfer(tra::State::Started));
        if !(started || starting) || !self.is_let_in(&row.peer) {
            return Err(denied());
        }
        let deal = self.store.exchange(haul.negotiation).await?.ok_or_else(denied)?;
        if machine_of(&deal)?.in_force().is_none() {
            return Err(NodeError::refused(Code::AgreementEnded, ""));
        }
        Ok(deal)
    }

    /// Whether a token is good now, and the one that is shown.
    pub(super) fn token_opens(
        &self,
        row: &ExchangeRow,
        token: Token,
        shown: Option<&str>,
    ) -> Result<(), NodeError> {
        let another = shown.is_some_and(|shown| Digest::of(shown.as_bytes()) != token.digest);
        if another || self.let_in_number(&row.peer)? != token.number {
            return Err(denied());
        }
        if now() > token.until {
            return Err(NodeError::refused(Code::CapabilityExpired, ""));
        }
        Ok(())
    }

    /// How often the operator has let this peer in anew.
    pub(super) fn let_in_number(&self, id: &str) -> Result<u32, NodeError> {
        self.plain_peer(id).map(|peer| peer.record.number).ok_or_else(denied)
    }

    async fn open_source(&self, deal: &ExchangeRow) -> Result<Arc<Opened>, NodeError> {
        let PlainData::Deal(data) = data_of(deal)? else { return Err(denied()) };
        let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&data.listing)?;
        let index = self.index_folder(&listing.claims().dataset, listing.claims().version);
        let opened = tokio::task::spawn_blocking(move || Source::open(&index, Buffers::new(BUFFERS))).await;
        let source = opened.map_err(|e| refused(Code::Internal, &e))?.map_err(|error| {
            tracing::error!(%error, "a publication cannot be served");
            NodeError::refused(error.code(), "")
        })?;
        if source.content_root() != listing.claims().content_root {
            return Err(NodeError::refused(Code::SourceChanged, ""));
        }
        Ok(Arc::new(Opened {
            source: Arc::new(source),
            over: AtomicBool::new(false),
            served: AtomicU64::new(0),
            counters: Arc::clone(&self.counters),
            footing: tokio::sync::Mutex::default(),
        }))
    }

    /// Whether the operator lets this peer in.
    pub(super) fn is_let_in(&self, id: &str) -> bool {
        self.plain_peer(id).is_some_and(|peer| peer.row.status == PeerStatus::Accepted)
    }

    /// Asks law again if the operator's facts are not those of the last time. What was written between a START and its first
    /// byte counts too, so that the first look asks in any case.
    async fn still_served(&self, row: &ExchangeRow, opened: &Opened) -> Result<(), NodeError> {
        if opened.over.load(Ordering::Relaxed) || !self.is_let_in(&row.peer) {
            return Err(denied());
        }
        let mut footing = opened.footing.lock().await;
        if footing.as_ref().is_some_and(|(_, at)| at.elapsed() < LOOK) {
            return Ok(());
        }
        let now = self.store.exchange(row.id).await?.ok_or_else(denied)?;
        self.still_open(&now, None).await?;
        let facts = self.facts_seen();
        if footing.as_ref().is_none_or(|(asked, _)| *asked != facts) {
            self.plain_still_allowed(row).await?;
        }
        *footing = Some((facts, std::time::Instant::now()));
        Ok(())
    }

    /// Looks again while a stream is under way, which is for as long as somebody holds what is given. Runs to its own end: what
    /// it finds against the transfer breaks the stream, and is still to be committed then.
    fn watched(&self, row: ExchangeRow, opened: &Arc<Opened>) -> Arc<()> {
        let under_way = Arc::new(());
        let (node, opened, held) = (self.clone(), Arc::clone(opened), Arc::downgrade(&under_way));
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stop.wait_for(|s| *s) => return,
                }
                if held.strong_count() == 0 {
                    return;
                }
                if let Err(error) = node.still_served(&row, &opened).await {
                    tracing::warn!(exchange = %row.id, %error, "the data end");
                    opened.over.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        under_way
    }

    /// Asks law again about a transfer that runs; what stands against it ends it.
    pub(super) async fn plain_still_allowed(&self, row: &ExchangeRow) -> Result<(), NodeError> {
        let PlainData::Haul(haul) = data_of(row)? else { return Err(denied()) };
        let _locks = self.locks.two(haul.negotiation, row.id).await;
        let mut turn = self.plain_turn(row.id).await?;
        let mut deal_turn = self.plain_turn(haul.negotiation).await?;
        if deal_turn.machine.in_force().is_none() {
            return Err(NodeError::refused(Code::AgreementEnded, ""));
        }
        let shared = deal_turn.shared().await?;
        let occurrence = turn.haul()?.occurrence.max(1);
        let judged = turn.judge(&shared, Some(occurrence)).await?;
        match turn.permit(&judged, Some(occurrence)) {
            // What allows changes nothing, and is not kept.
            Ok(_) => Ok(()),
            Err(NodeError::Refused(code @ (Code::Denied | Code::Undetermined), why)) => {
                tracing::warn!(exchange = %row.id, %why, "the transfer is no longer allowed");
                let reasons = self.peer_reasons(&judged);
                turn.end_transfer(code, reasons, vec![("decision", object!(judged.row.digest))], 0)?;
                turn.commit().await?;
                Err(NodeError::refused(code, ""))
            }
            Err(error) => Err(error),
        }
    }

    /// Delivers the files of a started push, one POST each, and completes the transfer.
    pub(super) async fn push_data(self, id: Id) {
        let Some(run) = self.receiving.begin(id) else { return };
        let mut stop = self.stop.subscribe();
        let mut tries = 0;
        loop {
            let pushed = tokio::select! {
                pushed = self.try_push(id) => pushed,
                () = run.halted() => return,
                _ = stop.wait_for(|s| *s) => return,
            };
            let Err(error) = pushed else { return };
            tracing::warn!(exchange = %id, code = error.code().as_str(), %error, "the data were not delivered");
            let goes_on = crate::node::transfer::passes(error.code());
            if let Err(error) = self.plain_failed(id, &error, goes_on).await {
                tracing::error!(exchange = %id, %error, "the failure could not be kept");
            }
            if !goes_on || !self.pause(tries).await {
                return;
            }
            tries += 1;
        }
    }

    async fn try_push(&self, id: Id) -> Result<(), NodeError> {
        let row = self.store.exchange(id).await?.ok_or_else(denied)?;
        let PlainData::Haul(haul) = data_of(&row)? else { return Ok(()) };
        let (Some(place), "STARTED", false) = (&haul.place, row.state.as_str(), haul.done) else {
            return Ok(());
        };
        let deal = self.store.exchange(haul.negotiation).await?.ok_or_else(denied)?;
        let opened = self.open_source(&deal).await?;
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(row.our_pid.clone(), Arc::clone(&opened));
        for number in 0..opened.source.list().entries().len() {
            self.still_served(&row, &opened).await?;
            self.deliver(&row, place, &opened, number).await?;
        }
        let bytes = opened.served.load(Ordering::Relaxed);
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        let haul = turn.haul()?;
        (haul.bytes, haul.done, haul.refusal) = (bytes, true, None);
        haul.ended_ms = Some(crate::node::now_ms());
        if turn.machine.may_send(ActKind::Transfer(tra::ActKind::Complete)) {
            turn.take(Step::Complete, 0).await?;
        }
        turn.commit().await?;
        Ok(())
    }

    async fn deliver(
        &self,
        row: &ExchangeRow,
        place: &Place,
        opened: &Arc<Opened>,
        number: usize,
    ) -> Result<(), NodeError> {
        let none = || NodeError::refused(Code::NotPaired, "");
        let peer = self.plain_peer(&row.peer).ok_or_else(none)?;
        let entry = opened.source.list().entry(number).ok_or_else(denied)?.clone();
        let reading = opened.source.read(Part::File(number), None).await;
        let Reading { stream, total, .. } = reading.map_err(|e| refused(e.code(), &e))?;
        let name = entry.path.rsplit('/').next().unwrap_or_default().replace(['"', '\\'], "_");
        let mut request = Request::builder()
            .method("POST")
            .header(header::CONTENT_TYPE, entry.media.as_str())
            .header(header::CONTENT_LENGTH, total)
            .header("Repr-Digest", repr_digest(&entry.sha256));
        if name.is_ascii() {
            request = request.header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
        }
        if let Some(token) = &place.authorization {
            request = request.header(header::AUTHORIZATION, token.as_str());
        }
        let under_way = self.watched(row.clone(), opened);
        let body = Body::from_stream(guarded(stream, Arc::clone(opened), under_way));
        let request = request.body(body).map_err(|e| refused(Code::Internal, &e))?;
        let reach = peer.reach_of_data(self, &place.endpoint)?;
        let answer =
            self.client.request_within(&place.endpoint, request, &reach, self.client.times()).await?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            status @ (408 | 429 | 500..=599) => {
                Err(NodeError::refused(Code::Busy, format!("answered {status}")))
            }
            status => {
                Err(NodeError::refused(Code::AnswerMalformed, format!("the endpoint answered {status}")))
            }
        }
    }
}

/// Counts what leaves, and breaks off once nothing may leave any more.
fn guarded<E: std::error::Error + Send + Sync + 'static>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    opened: Arc<Opened>,
    under_way: Arc<()>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    stream.map(move |piece| match piece {
        Ok(_) if opened.over.load(Ordering::Relaxed) => {
            Err(io::Error::other("the transfer may no longer be served"))
        }
        Ok(bytes) => {
            let _ = &under_way;
            opened.served.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            opened.counters.sent(bytes.len());
            Ok(bytes)
        }
        Err(error) => Err(io::Error::other(error)),
    })
}

/// `Repr-Digest` of RFC 9530.
fn repr_digest(sha256: &Digest) -> String {
    use base64ct::{Base64, Encoding as _};
    format!("sha-256=:{}:", Base64::encode_string(&sha256.0))
}

/// The files of a version with several, as JSON.
fn index(source: &Source, target: &str, headers: &HeaderMap) -> Result<Response, NodeError> {
    let _ = headers;
    let base = target.split_once('?').map_or(target, |(path, _)| path).trim_end_matches('/');
    let entries = source.list().entries().iter().enumerate();
    let files: Vec<_> = entries
        .map(|(n, e)| {
            object!({"path": e.path, "bytes": e.size, "media_type": e.media, "sha256": e.sha256,
                "href": format!("{base}/files/{n}")})
        })
        .collect();
    let body = object!({"v": 1, "files": files}).to_string();
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Body::from(body))
        .map_err(|e| refused(Code::Internal, &e))
}

/// One file, whole or the range that is asked for. A range under another `If-Range` is the whole.
async fn file(
    opened: Arc<Opened>,
    number: usize,
    head: bool,
    headers: &HeaderMap,
    under_way: Arc<()>,
) -> Result<Response, NodeError> {
    let entry = opened.source.list().entry(number).ok_or_else(denied)?.clone();
    let tag = format!("\"{}\"", entry.sha256);
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let same = text(header::IF_RANGE).is_none_or(|given| given == tag);
    // Other units and several ranges are answered with the whole, as HTTP has it.
    let one = |text: &&str| text.starts_with("bytes=") && !text.contains(',');
    let range = match text(header::RANGE).filter(one).filter(|_| same && entry.size > 0) {
        Some(text) => match suffix(text, entry.size).map_or_else(|| parse_range(text, entry.size), Ok) {
            Ok(range) => Some(range),
            Err(_) => return unsatisfiable(entry.size),
        },
        None => None,
    };
    let partial = range.is_some();
    let reading = opened.source.read(Part::File(number), range).await;
    let Reading { total, range, stream } = reading.map_err(|e| refused(e.code(), &e))?;
    let mut response = Response::builder()
        .status(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
        .header(header::CONTENT_TYPE, entry.media.as_str())
        .header(header::CONTENT_LENGTH, range.end - range.start)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag)
        .header("Repr-Digest", repr_digest(&entry.sha256));
    if partial {
        let shown = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
        response = response.header(header::CONTENT_RANGE, shown);
    }
    let body = if head { Body::empty() } else { Body::from_stream(guarded(stream, opened, under_way)) };
    response.body(body).map_err(|e| refused(Code::Internal, &e))
}

/// The last bytes of a file, `bytes=-<n>`, which HTTP clients ask for and our own peers never.
fn suffix(text: &str, size: u64) -> Option<std::ops::Range<u64>> {
    let last: u64 = text.strip_prefix("bytes=-")?.parse().ok().filter(|n| *n > 0)?;
    Some(size.saturating_sub(last)..size)
}

fn unsatisfiable(size: u64) -> Result<Response, NodeError> {
    Response::builder()
        .status(StatusCode::RANGE_NOT_SATISFIABLE)
        .header(header::CONTENT_RANGE, format!("bytes */{size}"))
        .body(Body::empty())
        .map_err(|e| refused(Code::Internal, &e))
}

impl PlainTurn {
    /// Whether this side delivers the data of a push that has started.
    pub(super) fn delivers(&mut self) -> bool {
        let started = self.machine.state() == Some(Any::Transfer(tra::State::Started));
        let provider = self.machine.role() == Role::Provider;
        started && provider && self.haul().is_ok_and(|h| h.format == Format::Push && !h.done)
    }
}
