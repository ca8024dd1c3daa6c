//! Our own log as people read it: one line an entry (spec chapter 08). Shows what this node knows of each entry; what others may
//! see is decided by disclosures and not here.

use std::collections::BTreeMap;

use naru_protocol::{
    encoding::Id,
    error::Code,
    log::{
        disclosure::Disclosure,
        entry::{Entry, Side},
    },
};

use super::{
    Node, NodeError,
    steer::exchange_id,
    verbs::{LogEntry, LogPage, LogView},
};
use crate::store::{Direction, EntryRow, MAX_ROWS};

/// Entries of a page, if nothing else is asked, and at most.
const PAGE: u32 = 100;
const MOST: u32 = 1000;

impl Node {
    /// Some entries: the newest, those from an index on, or those of an exchange.
    pub async fn log(&self, ask: LogPage) -> Result<LogView, NodeError> {
        let limit = ask.limit.unwrap_or(PAGE).clamp(1, MOST);
        let size = self.store.head().await?.map_or(0, |head| head.size);
        let rows = match &ask.exchange {
            Some(id) => self.store.entries_of(exchange_id(id)?, ask.from.unwrap_or(0), limit).await?,
            None => {
                let from = ask.from.unwrap_or_else(|| size.saturating_sub(u64::from(limit)));
                self.store.entries(from, limit).await?
            }
        };
        let held = self.holders(&rows).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.push(self.line(row, &held).await?);
        }
        let last = rows.last().map(|row| row.index + 1);
        let next = last.filter(|next| *next < size && rows.len() == limit as usize);
        Ok(LogView { origin: self.me.origin.clone(), size, entries, next })
    }

    /// Peers by how far they have acknowledged our log: an acknowledged act of ours came with a checkpoint.
    async fn holders(&self, rows: &[EntryRow]) -> Result<BTreeMap<String, u64>, NodeError> {
        let mut held: BTreeMap<String, u64> = BTreeMap::new();
        let mut exchanges: Vec<Id> = Vec::new();
        for row in rows {
            exchanges.extend(read(row)?.exchange().copied());
        }
        exchanges.sort_unstable_by_key(|id| id.0);
        exchanges.dedup();
        for exchange in exchanges {
            for act in self.store.acts(exchange, 0, MAX_ROWS).await? {
                if act.direction == Direction::Out && act.ack.is_some() {
                    let size = held.entry(act.aud).or_default();
                    *size = act.covered.unwrap_or(0).max(*size);
                }
            }
        }
        Ok(held)
    }

    async fn line(&self, row: &EntryRow, held: &BTreeMap<String, u64>) -> Result<LogEntry, NodeError> {
        let entry = read(row)?;
        let checkpoint = self.store.checkpoint_covering(row.index).await?;
        let mut held_by = Vec::new();
        for (did, size) in held {
            if *size > row.index {
                held_by.push(self.alias_of(did).await?);
            }
        }
        Ok(LogEntry {
            index: row.index,
            at: entry.at(),
            kind: entry.kind().as_str().to_owned(),
            side: match entry.side() {
                Side::Own => "own",
                Side::Sent => "sent",
                Side::Received => "received",
            }
            .to_owned(),
            exchange: entry.exchange().map(ToString::to_string),
            peer: match self.named_peer(row.index).await? {
                Some(did) => Some(self.alias_of(&did).await?),
                None => None,
            },
            status: entry.status(),
            checkpoint: checkpoint.map(|checkpoint| checkpoint.size),
            held_by,
        })
    }

    /// The peer that an entry is about, unless that was erased.
    async fn named_peer(&self, index: u64) -> Result<Option<String>, NodeError> {
        let rows = self.store.disclosures(index).await?;
        let row = rows.iter().find(|row| row.name == "peer");
        let shown = row.and_then(|row| Disclosure::parse(&row.text).ok());
        Ok(shown.and_then(|shown| shown.value().as_str().map(str::to_owned)))
    }

    async fn alias_of(&self, did: &str) -> Result<String, NodeError> {
        Ok(self.store.peer(did).await?.map_or_else(|| did.to_owned(), |peer| peer.alias))
    }
}

pub(super) fn read(row: &EntryRow) -> Result<Entry, NodeError> {
    Entry::parse(&row.leaf).map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))
}
