//! What happens in the node, told to whoever watches: one bus, a bounded memory of it, and readers that can come back.
//!
//! An event is a hint to look, not a record: what holds stands in the database and in the log. Events are numbered in this
//! process; a reader that names the last one that it saw gets what came since, as long as it is kept. A reader that falls
//! behind is told so and ended, and costs no more than the queue that all readers share. Nothing here waits for a reader.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use naru_protocol::error::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{Node, NodeError, now_ms, verbs::Refusal};
use crate::store::{Batch, ExchangeRow};

/// Events that are kept for readers that come back.
pub const KEPT: usize = 1024;
/// Events that a reader may be behind before it is ended.
pub const QUEUE: usize = 256;

/// How `waits_for` begins where a person of ours has to decide.
const OF_OURS: &str = "us:";

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, milliseconds since 1970 by this node's clock.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What happened. Peers are named by their short name here, or by their id where they have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    /// A negotiation or transfer has changed.
    Exchange {
        /// Its id, the same in both logs.
        exchange: String,
        /// `negotiation` or `transfer`.
        kind: String,
        /// `provider` or `consumer`: our part in it.
        role: String,
        /// The other side.
        peer: String,
        /// DSP state; `NONE` before the first act has taken effect.
        state: String,
        /// Whom and what it waits for; null when nothing is outstanding.
        waits_for: Option<String>,
        /// Why it was refused or ended, once it was.
        refusal: Option<Refusal>,
    },
    /// A person has to decide.
    Approval {
        /// The exchange, where it is about one.
        exchange: Option<String>,
        /// The other side.
        peer: String,
        /// What is to be decided.
        about: String,
    },
    /// A peer has come, gone, or stands differently.
    Peer {
        /// The peer.
        peer: String,
        /// `connected`, `disconnected`, or how it stands now: `pending`, `accepted`, `blocked`.
        change: String,
    },
    /// Something does not go on as it should.
    Trouble {
        /// The exchange, where it is about one.
        exchange: Option<String>,
        /// The peer, where it is about one.
        peer: Option<String>,
        /// A code of the error registry.
        code: String,
        /// Whose side it came from.
        side: String,
        /// What happened.
        message: String,
    },
    /// A dataset is offered.
    Published {
        /// Its name.
        dataset: String,
        /// Its version.
        version: u64,
    },
    /// A dataset is offered no more.
    Withdrawn {
        /// Its name.
        dataset: String,
    },
    /// The node stops; this is the last event.
    Stopping,
    /// What the reader has seen last is not kept any more: it reads the state anew. The events that are kept follow.
    Gap,
    /// The reader was too slow and is ended; it comes back with the last id that it has seen.
    Slow,
}

impl Happened {
    /// The name of the kind, as it stands in the member `event`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Exchange { .. } => "exchange",
            Self::Approval { .. } => "approval",
            Self::Peer { .. } => "peer",
            Self::Trouble { .. } => "trouble",
            Self::Published { .. } => "published",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Stopping => "stopping",
            Self::Gap => "gap",
            Self::Slow => "slow",
        }
    }
}

/// An event with its number.
type Numbered = (u64, Arc<Event>);

/// Where events are put and read. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// Tells the numbers of this process from those of another.
    epoch: String,
    kept: Mutex<(u64, VecDeque<Numbered>)>,
    readers: broadcast::Sender<Numbered>,
}

impl Default for Bus {
    fn default() -> Self {
        let epoch = format!("{:x}", now_ms());
        Self(Arc::new(Held { epoch, kept: Mutex::default(), readers: broadcast::Sender::new(QUEUE) }))
    }
}

impl Bus {
    /// Tells it to all readers, and keeps it for those that come back.
    pub fn tell(&self, what: Happened) {
        let event = Arc::new(Event { at: now_ms(), what });
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let numbered = (kept.0, event);
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.1.push_back(numbered.clone());
        // Under the lock, so that no reader misses one between what is kept and what comes. Nobody may be there to hear it.
        let _ = self.0.readers.send(numbered);
    }

    /// Reads from now on, or from behind the event with this id.
    #[must_use]
    pub fn follow(&self, last: Option<&str>) -> Follow {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.0.readers.subscribe();
        let seen = last.map(|last| last.split_once('-').and_then(|(e, n)| Some((e, n.parse::<u64>().ok()?))));
        let (gap, backlog) = match seen {
            None => (false, VecDeque::new()),
            Some(Some((epoch, seen))) if epoch == self.0.epoch && seen <= kept.0 => {
                let backlog: VecDeque<_> = kept.1.iter().filter(|(n, _)| *n > seen).cloned().collect();
                (backlog.len() as u64 != kept.0 - seen, backlog)
            }
            // Of another process, or none of ours.
            Some(_) => (true, kept.1.clone()),
        };
        Follow { epoch: self.0.epoch.clone(), gap, backlog, live, over: false }
    }
}

/// One reader.
#[derive(Debug)]
pub struct Follow {
    epoch: String,
    gap: bool,
    backlog: VecDeque<Numbered>,
    live: broadcast::Receiver<Numbered>,
    over: bool,
}

impl Follow {
    /// The next event and its id, which one about the reading itself has not; none after the last.
    pub async fn next(&mut self) -> Option<(Option<String>, Event)> {
        let own = |what| Some((None, Event { at: now_ms(), what }));
        if std::mem::take(&mut self.gap) {
            return own(Happened::Gap);
        }
        if self.over {
            return None;
        }
        let next = match self.backlog.pop_front() {
            Some(next) => Ok(next),
            None => self.live.recv().await,
        };
        match next {
            Ok((number, event)) => {
                self.over = event.what == Happened::Stopping;
                Some((Some(format!("{}-{number}", self.epoch)), (*event).clone()))
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.over = true;
                own(Happened::Slow)
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The part of an exchange's documents that an event repeats.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Brief {
    refusal: Option<Refusal>,
}

impl Node {
    /// What happens in this node.
    #[must_use]
    pub fn events(&self) -> &Bus {
        &self.events
    }

    /// The short name of a peer, as far as it is at hand.
    pub(super) fn short_name(&self, id: &str) -> String {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let alias = peers.get(id).map(|peer| peer.row.alias.clone());
        drop(peers);
        alias
            .or_else(|| self.plain_peer(id).map(|peer| peer.row.alias.clone()))
            .unwrap_or_else(|| id.to_owned())
    }

    /// What a batch changes, to be told once it is durable.
    pub(super) fn changes(&self, batch: &Batch) -> Vec<Happened> {
        batch.exchanges.iter().flat_map(|row| self.changed(row)).collect()
    }

    fn changed(&self, row: &ExchangeRow) -> Vec<Happened> {
        let (exchange, peer) = (row.id.to_string(), self.short_name(&row.peer));
        let Brief { refusal } = serde_json::from_str(&row.data).unwrap_or_default();
        let waits = row.waits_for.as_deref().filter(|waits| waits.starts_with(OF_OURS));
        let approval = waits.map(|about| Happened::Approval {
            exchange: Some(exchange.clone()),
            peer: peer.clone(),
            about: about.to_owned(),
        });
        let change = Happened::Exchange {
            exchange,
            kind: row.kind.to_string(),
            role: row.role.to_string(),
            peer,
            state: row.state.clone(),
            waits_for: row.waits_for.clone(),
            refusal,
        };
        std::iter::once(change).chain(approval).collect()
    }

    /// Tells what has become durable, and writes the changes of exchanges into the program's log: the same id on both sides.
    pub(super) fn tell_all(&self, changes: Vec<Happened>) {
        for what in changes {
            if let Happened::Exchange { exchange, kind, role, peer, state, waits_for, refusal } = &what {
                let (waits, code) = (waits_for.as_deref(), refusal.as_ref().map(|refusal| &*refusal.code));
                tracing::info!(%exchange, %kind, %role, %peer, %state, waits, code, "exchange");
            }
            self.events.tell(what);
        }
    }

    /// Tells that something does not go on.
    pub(super) fn tell_trouble(&self, exchange: Option<String>, peer: Option<&str>, error: &NodeError) {
        let code: Code = error.code();
        self.events.tell(Happened::Trouble {
            exchange,
            peer: peer.map(|peer| self.short_name(peer)),
            code: code.as_str().to_owned(),
            side: code.side().as_str().to_owned(),
            message: error.to_string(),
        });
    }
}
