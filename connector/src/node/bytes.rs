//! The provider's side of the bytes: capabilities, ranges, window acknowledgements (spec chapter 07b, TRF-6 to TRF-8).
//!
//! Here is the fourth of the four points at which law is asked: whenever a capability is issued, and again when the
//! operator's facts have changed (TRF-7.2, TRF-7.4). What fails then ends the transfer (TRF-7.5); packs change only with
//! the process, which knows no capability of before. The consumer asks its own law at the same points (TRF-7.6); how it
//! fetches is in `fetching`, the acts are in `transfer`.

mod fetching;
mod runs;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use futures::StreamExt as _;
use hyper::{HeaderMap, StatusCode, header};
use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::{ActKind, SendKind, State as Any},
    identity::{Did, Role},
    json, limits,
    listing::Listing,
    permit::PeerAllow,
    transfer::{self as tra, State},
    window::{Transfer, WindowAck, WindowProgress},
};
use tracing::Instrument as _;

pub(super) use self::runs::Runs;
use super::{Node, NodeError, deal::Haul, now, peers::Peer, policy::Judged, turn::Turn};
use crate::{
    data::{
        Part,
        buffers::Buffers,
        capability::{self, LastChecked},
        parse_range,
        serve::{ServeError, Serving},
        source::{Reading, Source, SourceError},
    },
    store::{Batch, ExchangeKind, ExchangeRow, OurRole, TransferRow},
    telemetry,
    transport::{Door, Peer as Connected},
};

/// MiB of chunks that all streams of one served transfer hold together.
const SERVE_BUFFERS: usize = 24;
/// How long a look at the operator's facts is good for while ranges are asked for.
const LOOK: Duration = Duration::from_secs(1);

/// A transfer that may be served now.
pub(super) struct Live {
    serving: Serving,
    shown: LastChecked,
    /// Until when the permit that it was opened under holds, seconds.
    until: AtomicU64,
    ring: naru_protocol::identity::KeyRing,
    /// The peer's identity on the network: over libp2p, a capability works on its own connection only.
    peer_ids: Vec<String>,
    id: Id,
    footing: Mutex<Footing>,
    /// Held while facts are compared and law is asked, so that one range asks and the others wait for the outcome.
    looking: tokio::sync::Mutex<()>,
    /// Held from the check of a window acknowledgement until it is durable.
    acknowledging: tokio::sync::Mutex<()>,
}

/// What the permit of a live transfer rests on.
struct Footing {
    /// Digest of the operator's facts, taken before law was asked: a change in between is noticed at the next look.
    facts: Option<Digest>,
    looked: Instant,
    /// Why nothing is served any more.
    over: Option<Code>,
}

impl Live {
    fn footing(&self) -> MutexGuard<'_, Footing> {
        self.footing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is served, streams under way included. The first reason stays.
    fn end(&self, why: Code) {
        self.footing().over.get_or_insert(why);
    }

    fn is_over(&self) -> bool {
        self.footing().over.is_some()
    }

    /// Whether the last look is still good.
    fn is_fresh(&self) -> Result<bool, NodeError> {
        let footing = self.footing();
        match footing.over {
            Some(code) => Err(NodeError::refused(code, "")),
            None => Ok(footing.looked.elapsed() < LOOK),
        }
    }

    /// Law was asked, or need not be: the permit rests on these facts.
    fn rests_on(&self, facts: Option<Digest>) {
        let mut footing = self.footing();
        footing.facts = facts;
        footing.looked = Instant::now();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("transfer", &self.serving.transfer()).finish_non_exhaustive()
    }
}

fn refused(code: Code, error: &impl std::fmt::Display) -> NodeError {
    NodeError::refused(code, error.to_string())
}

/// What a consumer is told of a source that cannot be served: names of files in the list, never of folders here.
fn unserved(error: &ServeError) -> NodeError {
    match error {
        ServeError::Source(
            own @ (SourceError::Index { .. } | SourceError::List { .. } | SourceError::Summary { .. }),
        ) => {
            tracing::error!(error = %own, "a publication cannot be served");
            NodeError::refused(own.code(), "")
        }
        ServeError::Source(
            SourceError::Changed { .. }
            | SourceError::Missing { .. }
            | SourceError::Io { .. }
            | SourceError::NoSuchRange
            | SourceError::Stopped,
        )
        | ServeError::Window(_) => refused(error.code(), error),
    }
}

impl Node {
    /// No further byte leaves under an agreement that has ended.
    pub(super) fn forget_agreement(&self, agreement: &Digest) {
        let mut all = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, live| {
            let goes = live.serving.transfer().agreement == *agreement;
            if goes {
                live.end(Code::AgreementEnded);
            }
            !goes
        });
    }

    /// What a consumer was given before it revoked its keys opens nothing any more; it asks for a new capability (ID-10.2).
    pub(super) fn forget_keys_of(&self, consumer: &Did) {
        let mut all = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, live| {
            let goes = live.serving.transfer().consumer == *consumer;
            if goes {
                live.end(Code::CapabilityExpired);
            }
            !goes
        });
    }

    /// No further byte of a transfer leaves: it ended, or is suspended.
    pub(super) fn forget_live(&self, pid: &str) {
        self.end_live(pid, Code::IllegalState);
    }

    fn end_live(&self, pid: &str, why: Code) {
        let gone = self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(pid);
        if let Some(live) = gone {
            live.end(why);
        }
    }

    /// Lets go of what is open for transfers that nobody has a capability for any more; the next one opens it again.
    pub(super) fn forget_idle(&self) {
        let at = now();
        let mut all = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, live| {
            let until = live.until.load(Ordering::Relaxed);
            until == 0 || at <= until.saturating_add(limits::SKEW_SECONDS)
        });
    }

    /// The operator's facts as they lie on disk; none if they cannot be read.
    pub(super) fn facts_seen(&self) -> Option<Digest> {
        std::fs::read(self.folder.facts()).ok().map(|bytes| Digest::of(&bytes))
    }

    /// (API-2.1) `GET /transfers/:pid/capability`: law is asked again, and only then is a fresh capability issued.
    pub(super) async fn capability_for(&self, peer: &Peer, pid: &str) -> Result<Vec<u8>, NodeError> {
        let row = self.owned(peer, ExchangeKind::Transfer, pid).await?;
        if row.role != OurRole::Provider {
            return Err(NodeError::refused(Code::NotFound, ""));
        }
        let _lock = self.locks.one(row.id).await;
        let facts = self.facts_seen();
        let (mut turn, listing) = self.permitted(row.id, pid).await?;
        let transfer = self.transfer_of(&row, turn.haul()?, Role::Provider)?;
        let live = self.live_for(pid, &transfer, &listing, peer, row.id).await?;
        let at = now();
        live.rests_on(facts);
        live.until.store(at + limits::CAPABILITY_SECONDS, Ordering::Relaxed);
        let text = capability::issue(&transfer, self.me.ks(), self.me.signing(), at)?;
        Ok(json::to_canonical(&serde_json::json!({"v": 1, "capability": text}))?)
    }

    /// Asks law again about a transfer that runs, under its lock. Gives it with the listing that it serves from; whatever
    /// stands against it, no further range is served.
    pub(super) async fn permitted(&self, id: Id, pid: &str) -> Result<(Turn, String), NodeError> {
        let permitted = self.ask_again(id, Role::Provider).await;
        if let Err(error) = &permitted {
            self.end_live(pid, error.code());
        }
        permitted
    }

    async fn ask_again(&self, id: Id, role: Role) -> Result<(Turn, String), NodeError> {
        let mut turn = self.turn(id).await?;
        let start = ActKind::Transfer(tra::ActKind::Start);
        let pending_start = turn.machine.pending().is_some_and(|pending| pending.kind == start);
        if turn.machine.state() != Some(Any::Transfer(State::Started)) && !pending_start {
            return Err(NodeError::refused(Code::IllegalState, "the transfer is not started"));
        }
        // A transfer keeps the number that it started with.
        let Haul { negotiation, occurrence, .. } = *turn.haul()?;
        let mut deal_turn = self.turn(negotiation).await?;
        if deal_turn.machine.is_ended() {
            return Err(NodeError::refused(Code::AgreementEnded, ""));
        }
        self.in_force(&mut deal_turn).await?;
        let deal = deal_turn.deal()?;
        let listing = deal.listing.clone();
        let terms = deal.terms.clone().ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
        let judged = turn.judge(&terms, role, Some(occurrence)).await?;
        let allow = match role {
            Role::Provider => Some(self.request_allow(&turn.row, &turn.peer).await?),
            Role::Consumer => None,
        };
        match self.permit_transfer(&judged, &terms, role, allow) {
            Ok(_) => Ok((turn, listing)),
            Err(error) => Err(self.forbid(turn, &judged, &error).await),
        }
    }

    /// The consumer's law about data that are to arrive, under the transfer's lock; gives the facts that it rests on.
    pub(super) async fn may_receive(&self, id: Id) -> Result<Option<Digest>, NodeError> {
        let _lock = self.locks.one(id).await;
        let facts = self.facts_seen();
        self.ask_again(id, Role::Consumer).await?;
        Ok(facts)
    }

    /// Looks after the consumer's law while data arrive: as long as a permit holds, and whenever the operator's facts have
    /// changed, it is asked again (TRF-7.6). Ends only with what stands against it.
    pub(super) async fn no_longer_receivable(&self, id: Id, mut facts: Option<Digest>) -> NodeError {
        let mut asked = Instant::now();
        loop {
            tokio::time::sleep(self.not_longer(LOOK)).await;
            let due = asked.elapsed() >= Duration::from_secs(limits::CAPABILITY_SECONDS);
            if due || self.facts_seen() != facts {
                match self.may_receive(id).await {
                    Ok(seen) => (facts, asked) = (seen, Instant::now()),
                    Err(error) => return error,
                }
            }
        }
    }

    /// Law no longer allows what is under way: the transfer ends with the code, as it would not have started with it. The
    /// peer learns no more than where a start is denied. Where an act of ours is unanswered, refusing must do for now.
    async fn forbid(&self, mut turn: Turn, judged: &Judged, error: &NodeError) -> NodeError {
        if !matches!(error.code(), Code::Denied | Code::Undetermined) {
            return NodeError::refused(error.code(), "");
        }
        let (id, code) = (turn.row.id, judged.code());
        tracing::warn!(exchange = %id, code = code.as_str(), "the transfer is no longer allowed");
        // First, so that ranges under way are refused with this code and not as those of a transfer that ended.
        self.end_live(&turn.row.our_pid, code);
        let open = turn.machine.allows(turn.machine.role(), SendKind::TransferTerminate.kind());
        if open && turn.machine.pending().is_none() {
            turn.batch.evaluations.push(judged.row.clone());
            let ended = match turn.forbid_transfer(code, self.peer_reasons(judged), judged.row.digest) {
                Ok(()) => turn.commit().await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::error!(exchange = %id, %error, "the end of the transfer could not be kept");
            }
        }
        NodeError::refused(code, "")
    }

    /// Looks whether the operator's facts are those that the permit rests on, and asks law again if they are not.
    async fn still_permitted(&self, pid: &str, live: &Live) -> Result<(), NodeError> {
        if live.is_fresh()? {
            return Ok(());
        }
        let _one = live.looking.lock().await;
        if live.is_fresh()? {
            return Ok(());
        }
        let facts = self.facts_seen();
        if live.footing().facts != facts {
            let _lock = self.locks.one(live.id).await;
            self.permitted(live.id, pid).await?;
        }
        live.rests_on(facts);
        Ok(())
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
        let theirs = Did::parse(&row.peer).map_err(|e| refused(e.code(), &e))?;
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
                Source::open(&index, Buffers::new(SERVE_BUFFERS)).map_err(|e| unserved(&e.into()))?;
            Serving::new(Arc::new(source), transfer, last.as_ref()).map_err(|e| unserved(&e))
        });
        let serving = opened.await.map_err(|e| refused(Code::Internal, &e))??;
        if serving.source().content_root() != listing.claims().content_root {
            return Err(NodeError::refused(Code::SourceChanged, "the index is not the listing's"));
        }
        let live = Arc::new(Live {
            serving,
            shown: LastChecked::default(),
            until: 0.into(),
            ring: self.me.ring.clone(),
            peer_ids: peer
                .pinned
                .ring()
                .sets()
                .filter(|s| peer.pinned.ring().revocation(s.number).is_none())
                .map(|s| naru_protocol::identity::peer_id(&s.transport))
                .collect(),
            id,
            footing: Mutex::new(Footing { facts: None, looked: Instant::now(), over: None }),
            looking: tokio::sync::Mutex::default(),
            acknowledging: tokio::sync::Mutex::default(),
        });
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(pid.to_owned(), Arc::clone(&live));
        Ok(live)
    }

    /// A transfer that this capability opens, over the consumer's own connection or at the HTTPS door, where only the consumer
    /// was given it (API-2.2, NET-9.2).
    fn opened(&self, pid: &str, shown: &str, connected: &Connected) -> Result<Arc<Live>, NodeError> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).get(pid).cloned();
        let live = live.ok_or_else(|| NodeError::refused(Code::CapabilityExpired, ""))?;
        let at = now();
        if at > live.until.load(Ordering::Relaxed) {
            return Err(NodeError::refused(Code::PermitExpired, ""));
        }
        match connected.door {
            Door::Libp2p if !live.peer_ids.contains(&connected.peer_id) => {
                return Err(NodeError::refused(Code::CapabilityInvalid, ""));
            }
            Door::Libp2p | Door::Https => {}
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
        connected: &Connected,
        headers: &HeaderMap,
    ) -> Result<Response, NodeError> {
        let live = self.opened(pid, shown, connected)?;
        let span = telemetry::range(live.id);
        let given = self.give_part(pid, part, live, headers).instrument(span.clone()).await;
        telemetry::ended(&span, &given);
        given
    }

    async fn give_part(
        &self,
        pid: &str,
        part: Part,
        live: Arc<Live>,
        headers: &HeaderMap,
    ) -> Result<Response, NodeError> {
        self.still_permitted(pid, &live).await?;
        let total =
            live.serving.source().total(part).ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let wanted = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
        let range = match wanted {
            Some(text) => Some(parse_range(text, total).map_err(|e| refused(Code::RangeInvalid, &e))?),
            None => None,
        };
        let partial = range.is_some();
        let Reading { total, range, stream } =
            live.serving.read(part, range).await.map_err(|e| unserved(&e))?;
        let mut response = Response::builder()
            .status(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, range.end - range.start);
        if partial {
            let shown = format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1));
            response = response.header(header::CONTENT_RANGE, shown);
        }
        // The file list is no data.
        let data = (!matches!(part, Part::FileList)).then(|| Arc::clone(&self.counters));
        let stream = stream.map(move |piece| match piece {
            Ok(_) if live.is_over() => Err(io::Error::other("the transfer may no longer be served")),
            Ok(bytes) => {
                if let Some(data) = &data {
                    data.sent(bytes.len());
                }
                Ok(bytes)
            }
            Err(error) => Err(io::Error::other(error)),
        });
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
        // One after the other, from the check to the commit.
        let _one = live.acknowledging.lock().await;
        let (serving, checked) = (Arc::clone(&live), ack.clone());
        let taken = tokio::task::spawn_blocking(move || serving.serving.acknowledge(&checked)).await;
        let taken = taken.map_err(|e| refused(Code::Internal, &e))?.map_err(|e| refused(e.code(), &e))?;
        if let Some(advance) = taken {
            let progress = serde_json::json!({"chunks": ack.payload().chunks, "digest": ack.payload().digest,
                "window": ack.payload().window});
            let transfer = TransferRow {
                exchange: row.id,
                progress: progress.to_string(),
                window_ack: Some(text.to_owned()),
                receipt: None,
            };
            self.store.commit(Batch { transfers: vec![transfer], ..Batch::default() }).await?;
            live.serving.advance(advance);
        }
        Ok(b"{}".to_vec())
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
