//! One unit of work on one exchange: what came in, what goes out, and the one commit that makes both durable.
//!
//! Entries enter the log in the order in which things happened: acts of ours that were dropped, the act received, the
//! acts that we sign in answer. A turn that is given up changes nothing.

use std::sync::Arc;

use naru_protocol::{
    act::{Ack, Act, Method, Path, Token, issue_ack},
    encoding::{Digest, Id},
    error::Code,
    exchange::{About, ActKind, Answer, Effect, Exchange, Input, SendKind, Unexpected},
    json,
    log::entry::{EntryDraft, EntryType, ExchangeKey, FieldKey, Side},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError, approval,
    deal::{Deal, Haul},
    durable::{Recorded, record},
    inbound::{Caller, Reply},
    now, now_ms,
    peers::{Peer, random_id},
    waits::waits,
};
use crate::store::{
    ActParts, ActRow, Batch, Direction, ExchangeKind, ExchangeRow, OutboxRow, Sequenced, Settle, Settled,
};

/// What the shell keeps of an exchange, by its kind.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Deal(Box<Deal>),
    Haul(Box<Haul>),
}

/// A received act, waiting for its answer.
struct Received {
    act: Act,
    digest: Digest,
    kind: ActKind,
    token: String,
    content: Vec<u8>,
    fields: Vec<(&'static str, Value)>,
}

/// Work on one exchange. The caller holds the exchange's lock.
pub(super) struct Turn {
    pub(super) node: Node,
    pub(super) peer: Arc<Peer>,
    pub(super) row: ExchangeRow,
    pub(super) machine: Exchange,
    pub(super) data: Data,
    pub(super) key: ExchangeKey,
    /// Other things that become durable with the transition.
    pub(super) batch: Batch,
    pub(super) at: u64,
    /// Work on another exchange that becomes durable in the same commit.
    pub(super) beside: Vec<Self>,
    received: Option<Received>,
    sent: Vec<Recorded>,
    /// Entries before those of acts: what was dropped, and what this node notes itself.
    dropped: Vec<EntryDraft>,
    /// Acts of ours that took effect or were refused in this turn.
    pub(super) settled: Vec<(Digest, ActKind)>,
    /// A person is told, once this turn is durable, that it waits.
    pub(super) asks: bool,
}

/// What a received act came to.
pub(super) enum Reception {
    Accepted(u16),
    Refused(Unexpected),
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, NodeError> {
    serde_json::to_string(value).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, NodeError> {
    serde_json::from_str(text).map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))
}

/// The shell's documents of an exchange, as stored.
pub(super) fn data_of(row: &ExchangeRow) -> Result<Data, NodeError> {
    Ok(match row.kind {
        ExchangeKind::Negotiation => Data::Deal(from_json(&row.data)?),
        ExchangeKind::Transfer => Data::Haul(from_json(&row.data)?),
    })
}

impl Turn {
    /// Takes up an exchange that is stored.
    pub(super) async fn load(node: &Node, row: ExchangeRow) -> Result<Self, NodeError> {
        let peer = node
            .peer(&row.peer)
            .await?
            .ok_or_else(|| NodeError::refused(Code::NotPaired, row.peer.clone()))?;
        let wrapped =
            row.wrapped_key.as_ref().ok_or_else(|| NodeError::refused(Code::StoreCorrupt, "no key"))?;
        let key = ExchangeKey::from_bytes(node.wrapping.unwrap(wrapped)?);
        let (machine, data) = (from_json(&row.machine)?, data_of(&row)?);
        Ok(Self::new(node, peer, row, machine, data, key))
    }

    /// Begins with an exchange that is not stored yet.
    pub(super) fn new(
        node: &Node,
        peer: Arc<Peer>,
        row: ExchangeRow,
        machine: Exchange,
        data: Data,
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
            settled: Vec::new(),
            asks: false,
        }
    }

    /// The negotiation's documents.
    pub(super) fn deal(&mut self) -> Result<&mut Deal, NodeError> {
        match &mut self.data {
            Data::Deal(deal) => Ok(deal),
            Data::Haul(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// The transfer's documents.
    pub(super) fn haul(&mut self) -> Result<&mut Haul, NodeError> {
        match &mut self.data {
            Data::Haul(haul) => Ok(haul),
            Data::Deal(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    /// Feeds an act of the peer to the core. An unsigned refusal is an error and leaves everything as it was.
    pub(super) fn receive(
        &mut self,
        caller: &Caller,
        act: Act,
        digest: Digest,
        kind: ActKind,
        about: About,
        content: &[u8],
    ) -> Result<Reception, NodeError> {
        let effects = self.step(Input::Receive { act: digest, kind, prev: act.prev, about })?;
        self.unread(caller, act, digest, kind, content);
        let mut reception = Reception::Accepted(200);
        for effect in &effects {
            match effect {
                Effect::Accept { status, .. } => reception = Reception::Accepted(*status),
                Effect::Refuse { why, .. } => reception = Reception::Refused(*why),
                Effect::Record { .. }
                | Effect::Transmit { .. }
                | Effect::Settled { .. }
                | Effect::Refused { .. }
                | Effect::Dropped { .. }
                | Effect::Moved { .. }
                | Effect::Lapsed
                | Effect::InForce
                | Effect::Ended => {}
            }
        }
        self.note(&effects, None)?;
        Ok(reception)
    }

    /// Notes an act that the core never saw, because it could not be read or begun; only its refusal is recorded.
    pub(super) fn unread(
        &mut self,
        caller: &Caller,
        act: Act,
        digest: Digest,
        kind: ActKind,
        content: &[u8],
    ) {
        self.received = Some(Received {
            act,
            digest,
            kind,
            token: caller.text.clone(),
            content: content.to_vec(),
            fields: Vec::new(),
        });
    }

    /// Feeds the peer's answer to an act of ours.
    pub(super) fn answered(
        &mut self,
        act: Digest,
        answer: Answer,
        how: Settled,
    ) -> Result<Vec<Effect>, NodeError> {
        let effects = self.step(Input::Answered { act, answer })?;
        self.note(&effects, Some(how))?;
        Ok(effects)
    }

    /// An act of another exchange names one of ours here.
    pub(super) fn named(&mut self, act: Digest) -> Result<bool, NodeError> {
        Ok(!self.feed(Input::Named { act })?.is_empty())
    }

    /// Feeds an input that has no answer of its own.
    pub(super) fn feed(&mut self, input: Input) -> Result<Vec<Effect>, NodeError> {
        let effects = self.step(input)?;
        self.note(&effects, None)?;
        Ok(effects)
    }

    /// The core's step at this turn's time; what it does not take is refused with its code.
    fn step(&mut self, input: Input) -> Result<Vec<Effect>, NodeError> {
        self.machine.step(input, self.at).map_err(|why| NodeError::refused(why.code(), why.to_string()))
    }

    /// What effects mean for the outbox and the log.
    fn note(&mut self, effects: &[Effect], mut how: Option<Settled>) -> Result<(), NodeError> {
        for effect in effects {
            match *effect {
                Effect::Settled { act, kind } => {
                    self.batch.settle.push(Settle { act, how: how.take().unwrap_or(Settled::Named) });
                    self.settled.push((act, kind));
                }
                Effect::Refused { act, kind } => {
                    let how = how.take().unwrap_or(Settled::Named);
                    self.batch.settle.push(Settle { act, how });
                    self.settled.push((act, kind));
                }
                Effect::Dropped { act, .. } => {
                    self.batch.settle.push(Settle { act, how: Settled::Dropped });
                    let mut entry = EntryDraft::own(EntryType::Dropped, random_id()?, self.at);
                    entry.exchange = Some(self.row.id);
                    entry.act = Some(act);
                    self.dress(&mut entry, Vec::new());
                    self.dropped.push(entry);
                }
                Effect::Lapsed => self.lapsed()?,
                Effect::Record { .. }
                | Effect::Transmit { .. }
                | Effect::Accept { .. }
                | Effect::Refuse { .. }
                | Effect::Moved { .. }
                | Effect::InForce
                | Effect::Ended => {}
            }
        }
        Ok(())
    }

    fn lapsed(&mut self) -> Result<(), NodeError> {
        let role = self.machine.role();
        let deal = self.deal()?;
        deal.refusal = Some(super::views::refusal(Code::Lapsed, Vec::new(), role));
        deal.held = None;
        Ok(())
    }

    /// Signs an act: the core allows it under its proofs, the commit makes it durable, the outbox sends it.
    pub(super) fn send(
        &mut self,
        kind: SendKind,
        path: &str,
        body: Vec<u8>,
        fields: Vec<(&'static str, Value)>,
    ) -> Result<Digest, NodeError> {
        let act = Act {
            v: json::V1,
            msg: random_id()?,
            iss: self.node.me.did,
            aud: *self.peer.pinned.did(),
            exchange: self.row.id,
            method: Method::Post,
            path: Path::parse(path).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?,
            body: Digest::of(&body),
            prev: self.machine.prev(),
        };
        let digest = act.digest()?;
        let what = kind.kind();
        self.step(Input::Send { act: digest, kind })?;
        let mut entry = EntryDraft::sent(what.entry_type(), self.row.id, act.msg, digest, self.at);
        self.dress(&mut entry, fields);
        let row = self.act_row(&act, digest, what, Direction::Out, body);
        self.batch.outbox.push(OutboxRow::of(&row, self.row.peer.clone(), now_ms()));
        self.sent.push(Recorded { row, entry });
        Ok(digest)
    }

    /// A fact that the entry of the received act commits to.
    pub(super) fn remark(&mut self, name: &'static str, value: Value) {
        if let Some(received) = &mut self.received {
            received.fields.push((name, value));
        }
    }

    /// An entry of ours about this exchange that is no act.
    pub(super) fn note_own(&mut self, mut entry: EntryDraft, fields: Vec<(&'static str, Value)>) {
        self.dress(&mut entry, fields);
        self.dropped.push(entry);
    }

    /// Whom the entry is about, in which lanes it counts, and what else it commits to; all salted.
    fn dress(&self, entry: &mut EntryDraft, fields: Vec<(&'static str, Value)>) {
        entry.field("peer", object!(self.row.peer), FieldKey::Exchange(self.key.clone()));
        for (name, value) in fields {
            entry.field(name, value, FieldKey::Exchange(self.key.clone()));
        }
        let ours = self.node.me.participant.country.to_string();
        let mut countries = vec![ours, self.peer.row.country.clone()];
        if let Data::Deal(deal) = &self.data
            && let Some(terms) = &deal.terms
        {
            countries.extend(terms.lanes.iter().map(ToString::to_string));
        }
        entry.lanes = self.node.lanes(countries);
    }

    fn act_row(
        &self,
        act: &Act,
        digest: Digest,
        kind: ActKind,
        direction: Direction,
        body: Vec<u8>,
    ) -> ActRow {
        let parts = ActParts {
            digest,
            exchange: self.row.id,
            direction,
            msg: act.msg,
            between: (act.iss.to_string(), act.aud.to_string()),
            kind: kind.to_string(),
            target: (act.method.as_str().to_owned(), act.path.to_string()),
            body,
            created: self.at,
        };
        ActRow { prev: act.prev, ks: u64::from(self.node.me.ks()), ..ActRow::new(parts) }
    }

    /// Drops what was prepared to be sent, for a turn that is given up.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
        self.dropped.clear();
        self.settled.clear();
        self.asks = false;
        if let Some(received) = &mut self.received {
            received.fields.clear();
        }
    }

    pub(super) fn received_digest(&self) -> Option<Digest> {
        self.received.as_ref().map(|r| r.digest)
    }

    /// Commits with an answer to the received act, and signs its acknowledgement.
    pub(super) async fn answer(mut self, status: u16, body: Vec<u8>) -> Result<Reply, NodeError> {
        let Some(received) = self.received.take() else {
            return Err(NodeError::refused(Code::Internal, "nothing was received"));
        };
        let answer = Digest::of(&body);
        let mut entry = EntryDraft::sent(
            received.kind.entry_type(),
            self.row.id,
            received.act.msg,
            received.digest,
            self.at,
        );
        entry.side = Side::Received;
        entry.status = Some(status);
        entry.token = Some(Digest::of(received.token.as_bytes()));
        entry.answer = Some(answer);
        self.dress(&mut entry, received.fields);
        let mut row =
            self.act_row(&received.act, received.digest, received.kind, Direction::In, received.content);
        row.token = Some(received.token);
        row.status = Some(status);
        row.answer = Some(body.clone());
        let (node, act, aud) = (self.node.clone(), received.digest, received.act.iss);
        let position = self.dropped.len();
        let sequenced = self.write(Some(Recorded { row, entry })).await?;
        let index = sequenced.indices.get(position).copied();
        let index = index.ok_or_else(|| NodeError::refused(Code::Internal, "the entry has no index"))?;
        let ack = Ack {
            v: json::V1,
            iss: node.me.did,
            aud,
            act,
            status,
            answer,
            index,
            checkpoint: sequenced.checkpoint,
        };
        let ack = issue_ack(&ack, node.me.ks(), node.me.signing())?;
        Ok(Reply { status, ack: Some(ack), ..Reply::ok(body) })
    }

    /// Commits without anything received.
    pub(super) async fn commit(self) -> Result<Sequenced, NodeError> {
        self.write(None).await
    }

    async fn write(self, received: Option<Recorded>) -> Result<Sequenced, NodeError> {
        let node = self.node.clone();
        node.may_sign()?;
        let owed = self.owed();
        let batch = self.into_batch(received)?;
        let sequenced = node.make_durable(batch, None).await?;
        node.owing.learn(owed);
        Ok(sequenced)
    }

    /// Everything that this turn, and what it brings beside, makes durable.
    fn into_batch(mut self, received: Option<Recorded>) -> Result<Batch, NodeError> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.entries.append(&mut self.dropped);
        record(&mut batch, received.into_iter().chain(self.sent.drain(..)));
        let mut row = self.row;
        row.machine = to_json(&self.machine)?;
        row.state = self.machine.state().map_or_else(|| "NONE".to_owned(), |s| s.to_string());
        let pending = self.machine.pending().map(|pending| pending.kind);
        row.waits_for = waits(pending, self.machine.state(), self.machine.role());
        row.deadline = self.machine.proposal().map(|p| p.conclude_by);
        if let Data::Deal(deal) = &self.data
            && let Some(held) = deal.held
            && self.machine.pending().is_none()
        {
            row.waits_for = row.waits_for.map(|_| approval::WAITS.to_owned());
            row.deadline = Some(held.until);
        }
        if row.waits_for.is_none() || self.machine.state().is_some_and(|s| s.is_final()) {
            row.deadline = None;
        }
        row.data = match &self.data {
            Data::Deal(deal) => to_json(deal)?,
            Data::Haul(haul) => to_json(haul)?,
        };
        row.updated = self.at;
        batch.exchanges.push(row);
        for other in self.beside {
            batch.join(other.into_batch(None)?);
        }
        Ok(batch)
    }
}

impl Node {
    /// The stored answer of a known act, with the same acknowledgement bytes as the first time.
    pub(super) async fn stored_answer(&self, known: &ActRow) -> Result<Reply, NodeError> {
        let gone = || NodeError::refused(Code::MsgReused, "");
        let (Some(status), Some(index), Some(covered)) = (known.status, known.entry, known.covered) else {
            return Err(gone());
        };
        if known.direction != Direction::In {
            return Err(gone());
        }
        let body = known.answer.clone().unwrap_or_default();
        let checkpoint = self.store.checkpoint(covered).await?.ok_or_else(gone)?.note;
        let aud = naru_protocol::identity::Did::parse(&known.iss).map_err(|_| gone())?;
        let ack = Ack {
            v: json::V1,
            iss: self.me.did,
            aud,
            act: known.digest,
            status,
            answer: Digest::of(&body),
            index,
            checkpoint,
        };
        let ks = self.me.answers_under(u32::try_from(known.ks).unwrap_or_default());
        let ack = issue_ack(&ack, ks, self.me.signing_of(ks).ok_or_else(gone)?)?;
        Ok(Reply { status, ack: Some(ack), ..Reply::ok(body) })
    }

    /// A fresh token for an act of ours that is durable.
    pub(super) async fn token_for(&self, row: &ActRow, at: u64) -> Result<String, NodeError> {
        let corrupt = || NodeError::refused(Code::StoreCorrupt, "an act without its entry");
        let (Some(index), Some(covered)) = (row.entry, row.covered) else { return Err(corrupt()) };
        let checkpoint = self.store.checkpoint(covered).await?.ok_or_else(corrupt)?.note;
        let did = |text: &str| naru_protocol::identity::Did::parse(text).map_err(|_| corrupt());
        let act = Act {
            v: json::V1,
            msg: row.msg,
            iss: did(&row.iss)?,
            aud: did(&row.aud)?,
            exchange: row.exchange,
            method: Method::parse(&row.method).ok_or_else(corrupt)?,
            path: Path::parse(&row.path).map_err(|_| corrupt())?,
            body: Digest::of(&row.body),
            prev: row.prev,
        };
        Ok(self.me.sign(&Token::for_act(&act, checkpoint, index, at))?)
    }

    /// An exchange that is this peer's, by our pid; what does not exist and what is somebody else's look alike.
    pub(super) async fn owned(
        &self,
        peer: &Peer,
        kind: ExchangeKind,
        pid: &str,
    ) -> Result<ExchangeRow, NodeError> {
        let row = self.store.exchange_by_pid(pid).await?;
        row.filter(|r| r.peer == peer.did() && r.kind == kind)
            .ok_or_else(|| NodeError::refused(Code::NotFound, ""))
    }

    /// Loads an exchange by id.
    pub(super) async fn turn(&self, id: Id) -> Result<Turn, NodeError> {
        let row = self.store.exchange(id).await?.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        Turn::load(self, row).await
    }
}
