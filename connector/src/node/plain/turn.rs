//! One unit of work on one exchange with a plain peer: what came in, what goes out, and the one commit of both.
//!
//! As in `node/turn`, without tokens, acknowledgements and claims. A turn that is given up changes nothing.

use std::sync::Arc;

use naru_protocol::{
    act::{Method, Path},
    encoding::{Digest, Id},
    error::Code,
    exchange::ActKind,
    json,
    log::entry::{EntryDraft, EntryType, ExchangeKey, FieldKey, Side},
    plain::{PlainAct, PlainAnswer, PlainEffect, PlainExchange, PlainInput, PlainSend, shown},
};
use serde_json::{Value, json as object};

use super::{
    deal::{PlainDeal, PlainHaul},
    peers::PlainPeer,
};
use crate::{
    node::{
        Node, NodeError,
        approval::WAITS,
        durable::{Recorded, record},
        now, now_ms,
        peers::random_id,
        turn::to_json,
        views,
        waits::waits,
    },
    store::{
        ActParts, ActRow, Batch, Direction, ExchangeKind, ExchangeRow, MAX_ROWS, OutboxRow, Sequenced,
        Settle, Settled,
    },
};

/// How long a message of ours lets our own answer go first: a peer that polls its store meets a message that overtakes
/// the answer it builds on with an error.
pub(super) const AFTER_ANSWER_MILLIS: u64 = 30;

/// What the shell keeps of an exchange, by its kind.
#[derive(Debug, Clone)]
pub(super) enum PlainData {
    Deal(Box<PlainDeal>),
    Haul(Box<PlainHaul>),
}

/// The shell's documents of an exchange, as stored.
pub(super) fn data_of(row: &ExchangeRow) -> Result<PlainData, NodeError> {
    let corrupt = |e: serde_json::Error| NodeError::refused(Code::StoreCorrupt, e.to_string());
    Ok(match row.kind {
        ExchangeKind::Negotiation => PlainData::Deal(serde_json::from_str(&row.data).map_err(corrupt)?),
        ExchangeKind::Transfer => PlainData::Haul(serde_json::from_str(&row.data).map_err(corrupt)?),
    })
}

/// The machine as stored.
pub(super) fn machine_of(row: &ExchangeRow) -> Result<PlainExchange, NodeError> {
    serde_json::from_str(&row.machine).map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))
}

/// A message that came in, waiting for its answer.
struct Received {
    kind: ActKind,
    path: String,
    content: Vec<u8>,
    fields: Vec<(&'static str, Value)>,
}

/// Work on one exchange. The caller holds the exchange's lock.
pub(super) struct PlainTurn {
    pub(super) node: Node,
    pub(super) peer: Arc<PlainPeer>,
    pub(super) row: ExchangeRow,
    pub(super) machine: PlainExchange,
    pub(super) data: PlainData,
    key: ExchangeKey,
    /// Other things that become durable with the transition.
    pub(super) batch: Batch,
    pub(super) at: u64,
    /// Work on another exchange that becomes durable in the same commit.
    pub(super) beside: Vec<Self>,
    received: Option<Received>,
    sent: Vec<Recorded>,
    dropped: Vec<EntryDraft>,
    /// Locks that are let go once this turn is durable or given up.
    pub(super) held: Vec<tokio::sync::OwnedMutexGuard<()>>,
    /// Messages of ours that the peer took or refused in this turn.
    pub(super) settled: Vec<ActKind>,
    /// Whoever fetches or delivers the data is to look again after the commit. Not before: it would find what was.
    pub(super) halts: bool,
    /// A person is told, once this turn is durable, that it waits.
    pub(super) asks: bool,
}

impl PlainTurn {
    /// Takes up an exchange that is stored.
    pub(super) fn load(node: &Node, row: ExchangeRow) -> Result<Self, NodeError> {
        let unknown = || NodeError::refused(Code::NotPaired, row.peer.clone());
        let peer = node.plain_peer(&row.peer).ok_or_else(unknown)?;
        let wrapped =
            row.wrapped_key.as_ref().ok_or_else(|| NodeError::refused(Code::StoreCorrupt, "no key"))?;
        let key = ExchangeKey::from_bytes(node.wrapping.unwrap(wrapped)?);
        let (machine, data) = (machine_of(&row)?, data_of(&row)?);
        Ok(Self::new(node, peer, row, machine, data, key))
    }

    /// Begins with an exchange that is not stored yet.
    pub(super) fn new(
        node: &Node,
        peer: Arc<PlainPeer>,
        row: ExchangeRow,
        machine: PlainExchange,
        data: PlainData,
        key: ExchangeKey,
    ) -> Self {
        Self {
            node: node.clone(),
            peer,
            row,
            machine,
            data,
            key,
            batch: Batch::default(),
            at: now(),
            beside: Vec::new(),
            received: None,
            sent: Vec::new(),
            dropped: Vec::new(),
            held: Vec::new(),
            settled: Vec::new(),
            halts: false,
            asks: false,
        }
    }

    /// The negotiation's documents.
    pub(super) fn deal(&mut self) -> Result<&mut PlainDeal, NodeError> {
        match &mut self.data {
            PlainData::Deal(deal) => Ok(deal),
            PlainData::Haul(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// The transfer's documents.
    pub(super) fn haul(&mut self) -> Result<&mut PlainHaul, NodeError> {
        match &mut self.data {
            PlainData::Haul(haul) => Ok(haul),
            PlainData::Deal(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// Feeds a message of the peer to the machine.
    pub(super) fn receive(&mut self, kind: ActKind, path: &str, content: &[u8]) -> Result<(), NodeError> {
        let effects = self.step(PlainInput::Receive { kind })?;
        self.note(&effects, None)?;
        self.received =
            Some(Received { kind, path: path.to_owned(), content: content.to_vec(), fields: Vec::new() });
        Ok(())
    }

    /// Feeds the peer's answer to a message of ours.
    pub(super) fn answered(
        &mut self,
        act: Digest,
        answer: PlainAnswer,
        how: Settled,
    ) -> Result<(), NodeError> {
        let effects = self.step(PlainInput::Answered { act, answer })?;
        self.note(&effects, Some(how))
    }

    fn step(&mut self, input: PlainInput) -> Result<Vec<PlainEffect>, NodeError> {
        self.machine.step(input).map_err(|why| NodeError::refused(why.code(), why.to_string()))
    }

    /// What effects mean for the outbox and the log.
    fn note(&mut self, effects: &[PlainEffect], mut how: Option<Settled>) -> Result<(), NodeError> {
        for effect in effects {
            match *effect {
                PlainEffect::Settled { act, kind } => {
                    self.batch.settle.push(Settle { act, how: how.take().unwrap_or(Settled::Named) });
                    self.settled.push(kind);
                }
                PlainEffect::Refused { act, .. } => {
                    self.batch.settle.push(Settle { act, how: how.take().unwrap_or(Settled::Dropped) });
                }
                PlainEffect::Dropped { act, .. } => {
                    self.batch.settle.push(Settle { act, how: Settled::Dropped });
                    let mut entry = EntryDraft::own(EntryType::Dropped, random_id()?, self.at);
                    entry.exchange = Some(self.row.id);
                    entry.act = Some(act);
                    self.dress(&mut entry, Vec::new());
                    self.dropped.push(entry);
                }
            }
        }
        Ok(())
    }

    /// Prepares a message: the machine allows it under its proofs, the commit makes it durable, the outbox sends it after
    /// `pause` milliseconds.
    pub(super) fn send(
        &mut self,
        kind: PlainSend,
        path: &str,
        body: Vec<u8>,
        fields: Vec<(&'static str, Value)>,
        pause: u64,
    ) -> Result<(), NodeError> {
        let what = kind.kind();
        let act = self.act(path, &body, Direction::Out)?;
        let digest = act.digest()?;
        self.step(PlainInput::Send { act: digest, kind })?;
        let mut entry = EntryDraft::sent(what.entry_type(), self.row.id, act.msg, digest, self.at);
        self.dress(&mut entry, fields);
        let row = self.act_row(act, digest, what, Direction::Out, body);
        let due = now_ms().saturating_add(pause);
        self.batch.outbox.push(OutboxRow::of(&row, self.row.peer.clone(), due));
        self.sent.push(Recorded { row, entry });
        Ok(())
    }

    /// Gives up an exchange whose first message nobody has answered.
    pub(super) fn abandon(&mut self, reason: String) -> Result<(), NodeError> {
        if let Some(pending) = self.machine.pending().copied() {
            self.note(&[PlainEffect::Dropped { act: pending.act, kind: pending.kind }], None)?;
        }
        self.machine.give_up();
        let role = self.machine.role();
        let reasons = Some(reason).into_iter().filter(|r| !r.is_empty()).collect();
        let refusal = Some(views::refusal(Code::Cancelled, reasons, role));
        match &mut self.data {
            PlainData::Deal(deal) => deal.refusal = refusal,
            PlainData::Haul(haul) => haul.refusal = refusal,
        }
        Ok(())
    }

    /// A fact that the entry of the received message commits to.
    pub(super) fn remark(&mut self, name: &'static str, value: Value) {
        if let Some(received) = &mut self.received {
            received.fields.push((name, value));
        }
    }

    /// Content of the message that was taken in this turn.
    pub(super) fn received_content(&self) -> Option<&[u8]> {
        self.received.as_ref().map(|received| received.content.as_slice())
    }

    fn act(&self, path: &str, body: &[u8], direction: Direction) -> Result<PlainAct, NodeError> {
        let (ours, theirs) = (self.node.me.did.to_string(), self.row.peer.clone());
        let (from, to) = match direction {
            Direction::Out => (ours, theirs),
            Direction::In => (theirs, ours),
        };
        Ok(PlainAct {
            v: json::V1,
            msg: random_id()?,
            from,
            to,
            exchange: self.row.id,
            method: Method::Post,
            path: Path::parse(path).map_err(|e| NodeError::refused(Code::Malformed, e.to_string()))?,
            body: Digest::of(&shown(body)),
        })
    }

    /// Whom the entry is about, that nobody signed, in which lanes it counts, and what else it commits to; all salted.
    fn dress(&self, entry: &mut EntryDraft, fields: Vec<(&'static str, Value)>) {
        let key = || FieldKey::Exchange(self.key.clone());
        entry.field("peer", object!(self.row.peer), key());
        entry.field("unsigned", object!(true), key());
        for (name, value) in fields {
            entry.field(name, value, key());
        }
        let countries = vec![self.node.me.participant.country.to_string(), self.peer.row.country.clone()];
        entry.lanes = self.node.lanes(countries);
    }

    fn act_row(
        &self,
        act: PlainAct,
        digest: Digest,
        kind: ActKind,
        direction: Direction,
        body: Vec<u8>,
    ) -> ActRow {
        ActRow::new(ActParts {
            digest,
            exchange: self.row.id,
            direction,
            msg: act.msg,
            between: (act.from, act.to),
            kind: kind.to_string(),
            target: (act.method.as_str().to_owned(), act.path.to_string()),
            body,
            created: self.at,
        })
    }

    /// Commits with the answer to the received message, which leaves afterwards.
    pub(super) async fn answer(mut self, status: u16, body: Vec<u8>) -> Result<(u16, Vec<u8>), NodeError> {
        let Some(received) = self.received.take() else {
            return Err(NodeError::refused(Code::Internal, "nothing was received"));
        };
        let act = self.act(&received.path, &received.content, Direction::In)?;
        let digest = act.digest()?;
        let kind = received.kind;
        let mut entry = EntryDraft::sent(kind.entry_type(), self.row.id, act.msg, digest, self.at);
        entry.side = Side::Received;
        entry.status = Some(status);
        entry.answer = Some(Digest::of(&body));
        self.dress(&mut entry, received.fields);
        let mut row = self.act_row(act, digest, kind, Direction::In, received.content);
        row.status = Some(status);
        row.answer = Some(body.clone());
        self.write(Some(Recorded { row, entry })).await?;
        Ok((status, body))
    }

    /// Commits without anything received.
    pub(super) async fn commit(self) -> Result<Sequenced, NodeError> {
        self.write(None).await
    }

    async fn write(mut self, received: Option<Recorded>) -> Result<Sequenced, NodeError> {
        let _held = std::mem::take(&mut self.held);
        let node = self.node.clone();
        node.may_sign()?;
        let halts = self.halts.then_some(self.row.id);
        let batch = self.into_batch(received)?;
        node.make_durable(batch, halts).await
    }

    fn into_batch(mut self, received: Option<Recorded>) -> Result<Batch, NodeError> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.entries.append(&mut self.dropped);
        record(&mut batch, received.into_iter().chain(self.sent.drain(..)));
        let mut row = self.row;
        row.machine = to_json(&self.machine)?;
        row.state = self.machine.state().map_or_else(|| "NONE".to_owned(), |s| s.to_string());
        let pending = self.machine.pending().map(|pending| pending.kind);
        row.waits_for = waits(pending, self.machine.state(), self.machine.role());
        let held = match &self.data {
            PlainData::Deal(deal) => deal.held.filter(|_| self.machine.pending().is_none()),
            PlainData::Haul(_) => None,
        };
        row.deadline = held.filter(|_| row.waits_for.is_some()).map(|held| held.until);
        if row.deadline.is_some() {
            row.waits_for = Some(WAITS.to_owned());
        }
        row.data = match &self.data {
            PlainData::Deal(deal) => to_json(deal)?,
            PlainData::Haul(haul) => to_json(haul)?,
        };
        row.updated = self.at;
        batch.exchanges.push(row);
        for other in self.beside {
            batch.join(other.into_batch(None)?);
        }
        Ok(batch)
    }

    /// Provider's and consumer's pid; the peer's is empty until it is known.
    pub(super) fn pids(&self) -> (String, String) {
        use naru_protocol::exchange::Role;
        let theirs = self.row.peer_pid.clone().unwrap_or_default();
        match self.machine.role() {
            Role::Provider => (self.row.our_pid.clone(), theirs),
            Role::Consumer => (theirs, self.row.our_pid.clone()),
        }
    }

    pub(super) fn their_pid(&self) -> Result<&str, NodeError> {
        let none = || NodeError::refused(Code::IllegalState, "the peer has not answered yet");
        self.row.peer_pid.as_deref().ok_or_else(none)
    }
}

impl Node {
    /// Loads an exchange with a plain peer by id.
    pub(super) async fn plain_turn(&self, id: Id) -> Result<PlainTurn, NodeError> {
        let row = self.store.exchange(id).await?.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        PlainTurn::load(self, row)
    }

    /// An exchange that is this peer's, by our pid; what does not exist and what is somebody else's look alike.
    pub(super) async fn plain_owned(
        &self,
        peer: &PlainPeer,
        kind: ExchangeKind,
        pid: &str,
    ) -> Result<ExchangeRow, NodeError> {
        let row = self.store.exchange_by_pid(pid).await?;
        row.filter(|r| r.peer == peer.id() && r.kind == kind)
            .ok_or_else(|| NodeError::refused(Code::NotFound, ""))
    }

    /// The answer to the message that came last, or for `first` to the one that began the exchange, if this is it again: a peer
    /// repeats what it had no answer to. Any other with the same bytes is a new message, as a START is after a suspension.
    pub(super) async fn plain_again(
        &self,
        exchange: Id,
        (path, content): (&str, &[u8]),
        first: bool,
    ) -> Result<Option<(u16, Vec<u8>)>, NodeError> {
        let acts = self.store.acts(exchange, 0, MAX_ROWS).await?;
        let mut came = acts.into_iter().filter(|act| act.direction == Direction::In);
        let known = if first { came.next() } else { came.next_back() };
        let again = known.filter(|act| act.path == path && act.body == content);
        Ok(again.and_then(|act| Some((act.status?, act.answer.unwrap_or_default()))))
    }
}
