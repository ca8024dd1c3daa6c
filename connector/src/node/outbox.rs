//! Repeating what is unanswered: one act per exchange, until the peer's signed answer settles it (chapter 03, ACT-7).
//!
//! Retries carry the same act under a fresh token. An answer without a valid acknowledgement promises nothing. After
//! the horizon sending stops and status shows `unresolved`; the act is never forgotten.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use naru_protocol::{
    act::{Ack, Answer as Checked, check_ack, is_final},
    encoding::Digest,
    error::Code,
    exchange::{ActKind, Answer, Effect},
    jws::Verified,
    limits,
    log::entry::ExchangeKey,
    negotiation as neg, transfer as tra,
};
use serde_json::Value;
use tracing::Instrument as _;

use super::{
    Node, NodeError,
    link::{Answered, whole},
    now, now_ms,
    route::{DSP, DXP},
    turn::{Data, Turn},
    views,
};
use crate::{
    store::{ActRow, Batch, OutboxRow, OutboxState, Passed, Reschedule, Settled},
    telemetry,
};

/// Acts that are under way at once, and of these towards one peer: one that hangs must not hold up the others.
const IN_FLIGHT: u32 = 512;
const IN_FLIGHT_PEER: usize = 16;
/// The longest pause without a look, whoever may have forgotten to wake us.
const IDLE: Duration = Duration::from_secs(60);

/// What is under way: acts, and to whom.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<BTreeMap<Digest, String>>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn towards(acts: &BTreeMap<Digest, String>, peer: &str) -> usize {
        acts.values().filter(|other| *other == peer).count()
    }

    /// Takes an act up, unless it is under way already or its peer has as many as it may.
    fn take(&self, row: &OutboxRow) -> bool {
        let mut acts = self.lock();
        let room = acts.len() < IN_FLIGHT as usize && Self::towards(&acts, &row.peer) < IN_FLIGHT_PEER;
        room && acts.insert(row.act, row.peer.clone()).is_none()
    }

    /// What the next look passes over.
    fn passed(&self) -> Passed {
        let acts = self.lock();
        let mut peers: Vec<String> = acts.values().cloned().collect();
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| Self::towards(&acts, peer) >= IN_FLIGHT_PEER);
        Passed { acts: acts.keys().copied().collect(), peers }
    }
}

/// One act under way; whatever becomes of the attempt, a panic too, it is no longer under way afterwards.
struct OneOf(UnderWay, Digest, Node);

impl Drop for OneOf {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
        self.2.wake.notify_one();
    }
}

/// Sends what is due until the node stops.
pub(super) async fn run(node: Node) {
    let mut stop = node.stop.subscribe();
    let under_way = UnderWay::default();
    loop {
        let (due, next) = match node.planned(&under_way.passed()).await {
            Ok(planned) => planned,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                (Vec::new(), Some(now_ms() + 1000))
            }
        };
        for row in due.into_iter().filter(|row| under_way.take(row)) {
            let one = OneOf(under_way.clone(), row.act, node.clone());
            tokio::spawn(async move {
                let node = &one.2;
                let span = telemetry::sent(row.exchange, &row.peer, &row.path, row.attempts);
                let attempted = node.attempt(&row).instrument(span.clone()).await;
                telemetry::ended(&span, &attempted);
                drop(span);
                if let Err(error) = attempted {
                    tracing::debug!(exchange = %row.exchange, act = %row.act, %error, "not answered");
                    if let Err(error) = node.later(&row, &error).await {
                        tracing::error!(exchange = %row.exchange, act = %row.act, %error, "the next attempt could not be kept");
                    }
                }
            });
        }
        let pause =
            next.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now_ms()).max(20)).min(IDLE));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = node.wake.notified() => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

/// Whether an act opens its exchange: its path names no process.
fn opens(path: &str) -> bool {
    matches!(path, "/negotiations/request" | "/negotiations/offers" | "/transfers/request")
}

/// Which base a stored act's path lies under.
fn base(row: &ActRow) -> &'static str {
    let own = matches!(row.kind.as_str(), "negotiation.end" | "negotiation.report" | "transfer.receipt");
    if own { DXP } else { DSP }
}

impl Node {
    /// What is due now, and when the next one is.
    async fn planned(&self, passed: &Passed) -> Result<(Vec<OutboxRow>, Option<u64>), NodeError> {
        let due = self.store.due(now_ms(), IN_FLIGHT, passed).await?;
        let mut passed = passed.clone();
        passed.acts.extend(due.iter().map(|row| row.act));
        // The peers of what is taken up now may have reached their limit: whoever ends wakes the next look.
        Ok((due, self.store.next_due(&passed).await?))
    }

    /// Sends an act once and settles it if it is answered.
    async fn attempt(&self, due: &OutboxRow) -> Result<(), NodeError> {
        if super::plain::is_plain(&due.peer) {
            return self.plain_attempt(due).await;
        }
        let Some(act) = self.store.act(due.act).await? else { return Ok(()) };
        let peer = self.peer(&due.peer).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        self.recovered(&peer).await?;
        let token = self.token_for(&act, now()).await?;
        let key = match self.store.exchange(act.exchange).await? {
            Some(row) if opens(&act.path) => {
                let wrapped =
                    row.wrapped_key.ok_or_else(|| NodeError::refused(Code::StoreCorrupt, "no key"))?;
                Some(ExchangeKey::from_bytes(self.wrapping.unwrap(&wrapped)?).to_text())
            }
            Some(_) | None => None,
        };
        let target = format!("{}{}", base(&act), act.path);
        let method = naru_protocol::act::Method::Post;
        let response = self.send(&peer, method, &target, &token, key.as_deref(), act.body.clone()).await?;
        let answered = whole(response).await?;
        self.settle(&peer, &act, &answered).await
    }

    /// Checks the acknowledgement and feeds the answer to the core.
    async fn settle(
        &self,
        peer: &super::peers::Peer,
        act: &ActRow,
        answered: &Answered,
    ) -> Result<(), NodeError> {
        let Answered { status, body, headers } = answered;
        self.learn_from(peer, headers).await?;
        let peer = self.peer(&peer.did()).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        let peer = &*peer;
        let text = headers.get("DXP-Ack").and_then(|v| v.to_str().ok());
        let ack = text.map(|text| {
            let answer = Checked {
                ring: peer.pinned.ring(),
                min: u32::try_from(peer.row.ks_min).unwrap_or(u32::MAX),
                me: &self.me.did,
                act: act.digest,
                status: *status,
                content: body,
                now: now(),
            };
            check_ack(text, &answer)
        });
        let ack: Option<Verified<Ack>> = match ack {
            Some(Ok(ack)) => Some(ack),
            Some(Err(error)) => {
                tracing::error!(exchange = %act.exchange, act = %act.digest, %error, "an answer with a wrong acknowledgement counts as none");
                return Err(NodeError::refused(error.code(), error.to_string()));
            }
            None if is_final(*status) => {
                return Err(NodeError::refused(Code::AckMissing, format!("status {status}")));
            }
            None => None,
        };
        let code = code_in(body);
        let answer = Answer::of(*status, ack.is_some(), code.as_deref());
        let (Some(ack), Some(text)) = (ack, text) else { return Err(super::link::refusal(*status, body)) };
        let mut shown = Batch::default();
        self.claimed(self.ack_claim(peer, ack.payload())?, &mut shown).await?;
        let _lock = self.locks.one(act.exchange).await;
        let mut turn = self.turn(act.exchange).await?;
        if turn.machine.pending().is_none_or(|p| p.act != act.digest) {
            // A later act of the peer settled it already, and its outbox row with it.
            return Ok(());
        }
        let how = Settled::Answered {
            status: *status,
            answer: body.to_vec(),
            ack: Some(text.to_owned()),
            at_once: matches!(
                act.kind.as_str(),
                "negotiation.finalized" | "negotiation.end" | "negotiation.report" | "transfer.receipt"
            ),
        };
        let effects = turn.answered(act.digest, answer, how)?;
        turn.batch.join(shown);
        turn.follow_up(&effects, act, text, body)?;
        let after = turn.after();
        turn.commit().await?;
        after.spawn(self);
        Ok(())
    }

    /// Asks for the peer's key sets where its acknowledgement is signed under one that nobody here knows (API-1.4).
    async fn learn_from(
        &self,
        peer: &super::peers::Peer,
        headers: &hyper::HeaderMap,
    ) -> Result<(), NodeError> {
        let Some(text) = headers.get("DXP-Ack").and_then(|v| v.to_str().ok()) else { return Ok(()) };
        // What cannot be read is judged where it is checked.
        let Ok(ack) = naru_protocol::jws::peek::<Ack>(text) else { return Ok(()) };
        if peer.pinned.ring().set(ack.header().ks).is_none() {
            self.learn_keys(peer, None).await?;
        }
        Ok(())
    }

    /// Plans the next attempt.
    async fn later(&self, row: &OutboxRow, error: &NodeError) -> Result<(), NodeError> {
        let attempts = row.attempts.saturating_add(1);
        let pause =
            limits::RETRY_FIRST_MILLIS.saturating_mul(1 << attempts.min(20)).min(limits::RETRY_LAST_MILLIS);
        let jitter = crate::config::random::<2>().map_or(0, u16::from_le_bytes);
        let pause = pause / 2 + pause * u64::from(jitter) / u64::from(u16::MAX) / 2;
        let pause = self.not_longer(Duration::from_millis(pause));
        let pause = u64::try_from(pause.as_millis()).unwrap_or(limits::RETRY_LAST_MILLIS);
        let now = now_ms();
        let age = now.saturating_sub(row.first_at_ms) / 1000;
        let state =
            if age > limits::HORIZON_SECONDS { OutboxState::Unresolved } else { OutboxState::Waiting };
        let code = error.code().as_str();
        // Said once, until it is something else.
        let told = row.last_error.as_deref().and_then(|last| last.split_once(": ")).map(|(last, _)| last);
        if told != Some(code) {
            self.tell_trouble(Some(row.exchange.to_string()), Some(&row.peer), error);
        }
        let change = Reschedule {
            act: row.act,
            next_at_ms: now.saturating_add(pause),
            attempts,
            state,
            last_error: Some(format!("{code}: {error}")),
        };
        match self.store.commit(Batch { reschedule: vec![change], ..Batch::default() }).await {
            // It was settled meanwhile.
            Ok(_) | Err(crate::store::StoreError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn code_in(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("code").and_then(Value::as_str).map(str::to_owned)
}

/// What a refusal says beside its code, as far as it is texts of a size that one would read.
fn reasons_in(body: &[u8]) -> Vec<String> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let reasons = value.get("reason").and_then(Value::as_array).into_iter().flatten();
    let texts = reasons.filter_map(Value::as_str).take(limits::PACKS);
    texts.map(|text| text.chars().take(limits::REASON).collect()).collect()
}

impl Turn {
    /// What an answer to our act leads to.
    fn follow_up(
        &mut self,
        effects: &[Effect],
        act: &ActRow,
        ack: &str,
        body: &[u8],
    ) -> Result<(), NodeError> {
        for effect in effects {
            match effect {
                Effect::Settled { kind, .. } => self.took_effect(*kind, act.digest, ack, body)?,
                Effect::Refused { kind: ActKind::Negotiation(neg::ActKind::Report), .. } => {
                    self.report_refused(act.digest, body)?;
                }
                Effect::Refused { .. } => self.was_refused(body)?,
                Effect::Record { .. }
                | Effect::Transmit { .. }
                | Effect::Accept { .. }
                | Effect::Refuse { .. }
                | Effect::Dropped { .. }
                | Effect::Moved { .. }
                | Effect::Lapsed
                | Effect::InForce
                | Effect::Ended => {}
            }
        }
        Ok(())
    }

    fn took_effect(&mut self, kind: ActKind, act: Digest, ack: &str, body: &[u8]) -> Result<(), NodeError> {
        if self.row.peer_pid.is_none() {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            let member = match self.machine.role() {
                naru_protocol::identity::Role::Provider => "consumerPid",
                naru_protocol::identity::Role::Consumer => "providerPid",
            };
            self.row.peer_pid = value.get(member).and_then(Value::as_str).map(str::to_owned);
        }
        match kind {
            ActKind::Negotiation(neg::ActKind::Finalize) => self.in_force_by_ack(ack.to_owned()),
            ActKind::Negotiation(neg::ActKind::End) => self.has_ended(),
            ActKind::Negotiation(neg::ActKind::Report) => self.report_taken(act),
            ActKind::Transfer(tra::ActKind::Receipt) => self.receipt_acknowledged(act),
            ActKind::Negotiation(
                neg::ActKind::Request
                | neg::ActKind::Offer
                | neg::ActKind::Accept
                | neg::ActKind::Agree
                | neg::ActKind::Verify
                | neg::ActKind::Terminate,
            )
            | ActKind::Transfer(
                tra::ActKind::Request
                | tra::ActKind::Start
                | tra::ActKind::Suspend
                | tra::ActKind::Complete
                | tra::ActKind::Terminate,
            ) => Ok(()),
        }
    }

    /// A final refusal of our act: kept for people, and the exchange is ended where it still can be.
    fn was_refused(&mut self, body: &[u8]) -> Result<(), NodeError> {
        let code = code_in(body).unwrap_or_else(|| Code::AnswerMalformed.as_str().to_owned());
        let known = Code::parse(&code).unwrap_or(Code::Cancelled);
        // Whose pack is behind is said there alone (POL-18.8).
        let reasons = if known == Code::PacksDiffer { reasons_in(body) } else { Vec::new() };
        let refusal = views::refusal_by_peer(&code, reasons, self.machine.role());
        let role = self.machine.role();
        let reachable = self.row.peer_pid.is_some() && self.machine.pending().is_none();
        match &mut self.data {
            Data::Deal(deal) => {
                deal.refusal = Some(refusal.clone());
                if reachable && self.machine.allows(role, ActKind::Negotiation(neg::ActKind::Terminate)) {
                    self.terminate(known, Vec::new())?;
                    self.deal()?.refusal = Some(refusal);
                }
            }
            Data::Haul(haul) => {
                haul.refusal = Some(refusal.clone());
                if reachable && self.machine.allows(role, ActKind::Transfer(tra::ActKind::Terminate)) {
                    self.give_up_transfer(known, Vec::new())?;
                    self.haul()?.refusal = Some(refusal);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u64, peer: &str) -> OutboxRow {
        OutboxRow {
            act: Digest::of(&n.to_be_bytes()),
            exchange: naru_protocol::encoding::Id([0; 16]),
            peer: peer.to_owned(),
            method: "POST".to_owned(),
            path: "/transfers/request".to_owned(),
            headers: "{}".to_owned(),
            next_at_ms: 0,
            attempts: 0,
            first_at_ms: 0,
            state: OutboxState::Waiting,
            last_error: None,
        }
    }

    #[test]
    fn a_peer_that_hangs_holds_up_nobody_else() {
        let under_way = UnderWay::default();
        let most = IN_FLIGHT_PEER as u64;
        assert_eq!((0..100).filter(|n| under_way.take(&row(*n, "hangs"))).count() as u64, most);
        let passed = under_way.passed();
        assert_eq!((passed.peers, passed.acts.len() as u64), (vec!["hangs".to_owned()], most));
        assert!(under_way.take(&row(100, "other")), "somebody else's goes out");
        assert!(!under_way.take(&row(100, "other")), "once");
        assert_eq!(under_way.passed().peers, ["hangs"]);
        under_way.lock().remove(&row(0, "hangs").act);
        assert!(under_way.passed().peers.is_empty());
        assert!(under_way.take(&row(101, "hangs")));
        let all = (1000..3000).filter(|n| under_way.take(&row(*n, &n.to_string()))).count() as u64;
        assert_eq!(all + most + 1, u64::from(IN_FLIGHT));
    }
}
