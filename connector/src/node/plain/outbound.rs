//! Messages to plain peers: sent, repeated while repeating may help, settled by their answers (spec chapter 13, PLN-4).
//!
//! An Eclipse connector answers 409 to what overtakes its own state, and 404 before it has stored what it just answered; both
//! are repeated a few times. What it refuses otherwise is refused.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::Full;
use hyper::{Request, body::Bytes, header};
use naru_protocol::{
    dsp::{Message as _, negotiation::ContractNegotiation, transfer::TransferProcess},
    error::Code,
    exchange::{ActKind, Role},
    negotiation as neg,
    plain::PlainAnswer,
    transfer as tra,
};
use serde_json::Value;

use super::{
    negotiation::{Heard, reasons_of},
    peers::PlainPeer,
    turn::{PlainData, PlainTurn, data_of},
};
use crate::{
    node::{
        Node, NodeError,
        link::{Answered, refusal, whole},
        views,
    },
    store::{ActRow, OutboxRow, PeerStatus, Settled},
};

/// How often a message is repeated after 404 and 409, with the pauses of the outbox about twenty seconds.
const CONFLICTS: u32 = 6;

/// Whether an answer may be another one next time.
const fn may_pass(status: u16, attempts: u32) -> bool {
    match status {
        404 | 409 => attempts < CONFLICTS,
        408 | 425 | 429 | 500..=599 => true,
        _ => false,
    }
}

impl Node {
    /// Asks a plain peer for something at its binding.
    pub(super) async fn plain_send(
        &self,
        peer: &PlainPeer,
        method: &str,
        url: &str,
        content: Vec<u8>,
    ) -> Result<Answered, NodeError> {
        let mut request = Request::builder().method(method).header(header::ACCEPT, "application/json");
        if method == "POST" {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(text) = peer.authorization() {
            request = request.header(header::AUTHORIZATION, text);
        }
        let request = request
            .body(Body::new(Full::new(Bytes::from(content))))
            .map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let answer = self.client.request(url, request, &peer.reach(self)?).await?;
        let answered = whole(answer).await?;
        Ok(answered)
    }

    /// Sends a message once, and settles it if it is answered.
    pub(in crate::node) async fn plain_attempt(&self, due: &OutboxRow) -> Result<(), NodeError> {
        let Some(act) = self.store.act(due.act).await? else { return Ok(()) };
        let peer = self.plain_peer(&due.peer).ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        let row = self.store.exchange(act.exchange).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::StoreCorrupt, "an act without its exchange"))?;
        let callback = match data_of(&row)? {
            PlainData::Deal(deal) => deal.callback,
            PlainData::Haul(haul) => haul.callback,
        };
        let ends = act.kind.ends_with(".termination");
        if peer.row.status != PeerStatus::Accepted && !ends {
            return Err(NodeError::refused(Code::PeerBlocked, peer.row.alias.clone()));
        }
        if !peer.is_its(&callback) {
            // It was recorded anew at another address: what we send to it as `Authorization` is for there.
            return Err(NodeError::refused(
                Code::AddressRefused,
                "the exchange began at another address of the peer",
            ));
        }
        let url = format!("{callback}{}", act.path);
        let answered = self.plain_send(&peer, &act.method, &url, act.body.clone()).await?;
        if may_pass(answered.status, due.attempts) {
            return Err(NodeError::refused(Code::Busy, format!("the peer answered {}", answered.status)));
        }
        self.plain_settle(&peer, &act, &answered).await
    }

    /// What is wrong with an answer that gives our exchange the name of another one.
    async fn named_twice(&self, turn: &PlainTurn, body: &[u8]) -> Result<Option<String>, NodeError> {
        let Some(pid) = turn.pid_in(body).filter(|_| turn.row.peer_pid.is_none()) else { return Ok(None) };
        let known = self.store.exchange_by_peer_pid(&turn.row.peer, turn.row.kind, &pid).await?;
        let other = known.is_some_and(|row| row.id != turn.row.id);
        Ok(other.then(|| "the answer names the process of another exchange".to_owned()))
    }

    async fn plain_settle(
        &self,
        peer: &Arc<PlainPeer>,
        act: &ActRow,
        answered: &Answered,
    ) -> Result<(), NodeError> {
        let _ = peer;
        let row = self.store.exchange(act.exchange).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::StoreCorrupt, "an act without its exchange"))?;
        let with = match data_of(&row)? {
            PlainData::Haul(haul) => haul.negotiation,
            PlainData::Deal(_) => row.id,
        };
        let _locks = self.locks.two(row.id, with).await;
        let mut turn = self.plain_turn(row.id).await?;
        let Some(kind) = turn.machine.pending().filter(|p| p.act == act.digest).map(|p| p.kind) else {
            // A later message of the peer settled it already, and its outbox row with it.
            return Ok(());
        };
        let how = Settled::Answered {
            status: answered.status,
            answer: answered.body.to_vec(),
            ack: None,
            at_once: false,
        };
        let accepted = (200..300).contains(&answered.status);
        let lie = match accepted {
            true => turn.lie(kind, &answered.body).or(self.named_twice(&turn, &answered.body).await?),
            false => None,
        };
        if accepted && lie.is_none() {
            turn.answered(act.digest, PlainAnswer::Accepted, how)?;
            turn.settled.clear();
            turn.learn_pid(&answered.body);
            turn.took_effect(kind).await?;
            turn.go_on(Heard::Ours(kind)).await?;
        } else if let Some(lie) = lie {
            // It may have begun something under another name: told, where there is a name to tell it to.
            turn.answered(act.digest, PlainAnswer::Accepted, how)?;
            turn.settled.clear();
            if self.named_twice(&turn, &answered.body).await?.is_none() {
                turn.learn_pid(&answered.body);
            }
            turn.end(Code::AnswerMalformed, vec![lie], Vec::new(), 0)?;
            if turn.row.peer_pid.is_none() {
                // Nobody is there who could be told.
                turn.machine.give_up();
            }
        } else {
            turn.answered(act.digest, PlainAnswer::Refused, how)?;
            turn.was_refused(kind, answered)?;
        }
        let after = turn.after();
        turn.commit().await?;
        after.spawn(self);
        Ok(())
    }
}

impl PlainTurn {
    /// What is wrong with the answer to a message of ours, where it has to be a document about this exchange: other pids, or
    /// a state that our message cannot have led to.
    fn lie(&self, kind: ActKind, body: &[u8]) -> Option<String> {
        let first = matches!(
            kind,
            ActKind::Negotiation(neg::ActKind::Request | neg::ActKind::Offer)
                | ActKind::Transfer(tra::ActKind::Request)
        );
        if !first || (body.is_empty() && self.row.peer_pid.is_some()) {
            return None;
        }
        let read = match kind {
            ActKind::Negotiation(_) => ContractNegotiation::parse(body)
                .map(|m| (m.provider_pid, m.consumer_pid, m.state == neg::State::Terminated)),
            ActKind::Transfer(_) => TransferProcess::parse(body)
                .map(|m| (m.provider_pid, m.consumer_pid, m.state == tra::State::Terminated)),
        };
        let (provider, consumer, over) = match read {
            Ok(read) => read,
            Err(error) => return Some(format!("the answer is no document of the exchange: {error}")),
        };
        let (ours, theirs) = match self.machine.role() {
            Role::Provider => (provider, consumer),
            Role::Consumer => (consumer, provider),
        };
        if ours != self.row.our_pid {
            return Some("the answer names another process of ours".to_owned());
        }
        if self.row.peer_pid.as_ref().is_some_and(|known| *known != theirs) {
            return Some("the answer names another process of the peer".to_owned());
        }
        if self.pid_in(body).is_none() {
            return Some("the answer names a process that could not stand in a path".to_owned());
        }
        over.then(|| "the answer says that it is over".to_owned())
    }

    /// The peer's pid in its answer to our first message, if it could stand in a path.
    fn pid_in(&self, body: &[u8]) -> Option<String> {
        let value: Value = naru_protocol::json::parse_lenient(body).unwrap_or_default();
        let member = match self.machine.role() {
            Role::Provider => "consumerPid",
            Role::Consumer => "providerPid",
        };
        let pid = value.get(member).and_then(Value::as_str);
        pid.filter(|pid| super::begin::pid_fits(pid).is_ok()).map(str::to_owned)
    }

    /// Keeps it, unless it is known already.
    fn learn_pid(&mut self, body: &[u8]) {
        if self.row.peer_pid.is_none() {
            self.row.peer_pid = self.pid_in(body);
        }
    }

    /// A refusal for good: kept for people, and the exchange is ended where it still can be.
    fn was_refused(&mut self, kind: ActKind, answered: &Answered) -> Result<(), NodeError> {
        let body: Value = naru_protocol::json::parse_lenient(&answered.body).unwrap_or_default();
        let mut reasons = match body.get("reason") {
            Some(Value::Array(list)) => reasons_of(list),
            Some(_) | None => Vec::new(),
        };
        reasons.truncate(4);
        for reason in &mut reasons {
            *reason = reason.chars().filter(|c| !c.is_control()).take(300).collect();
        }
        let error = refusal(answered.status, &answered.body);
        if reasons.is_empty() {
            reasons.push(error.to_string());
        }
        let said = views::refusal_by_peer(error.code().as_str(), reasons, self.machine.role());
        let ends = matches!(
            kind,
            ActKind::Negotiation(neg::ActKind::Terminate) | ActKind::Transfer(tra::ActKind::Terminate)
        );
        if ends || self.machine.state().is_none() {
            // Nothing of ours can end it there, or nothing of it began; nothing of it goes on here.
            self.machine.give_up();
        } else {
            self.end(error.code(), Vec::new(), Vec::new(), 0)?;
        }
        match &mut self.data {
            PlainData::Deal(deal) => deal.refusal = Some(said),
            PlainData::Haul(haul) => haul.refusal = Some(said),
        }
        Ok(())
    }
}
