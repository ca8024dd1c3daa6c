//! The growing log in memory: numbers in lanes, sealed entries, tree nodes, and the acknowledgements that ride along
//! (spec chapter 08).
//!
//! A [`Ledger`] is what is durable. A [`Growth`] is what the commit under way adds to it, batch by batch; it becomes the
//! ledger only when the commit is durable, and is thrown away otherwise, so that no number, index or hash of a failed
//! commit lives on. Knows no SQL and no clock.

use std::collections::{BTreeMap, VecDeque};

use naru_protocol::{
    encoding::{Digest, Id},
    limits,
    log::{
        entry::{EntryDraft, EntryError, EntryType, Sealed},
        merkle::{Frontier, Hash, Node},
    },
};

use super::{StoreError, rows::DisclosureRow};

/// An acknowledgement that is stored but not yet in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PendingAck {
    /// The act of ours that it acknowledges.
    pub(crate) act: Digest,
    /// Digest of the acknowledgement's bytes.
    pub(crate) ack: Digest,
}

/// The durable state of the log that the next commit builds on.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) frontier: Frontier,
    /// Last number given out per lane: at most one per country code.
    pub(crate) lanes: BTreeMap<String, u64>,
    pub(crate) pending: VecDeque<PendingAck>,
}

/// A sealed entry on its way to the database.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: Hash,
    pub(crate) kind: EntryType,
    pub(crate) exchange: Option<Id>,
    pub(crate) act: Option<Digest>,
    pub(crate) at: u64,
}

/// What a commit adds to the log's tables.
#[derive(Debug, Default)]
pub(crate) struct LogRows {
    pub(crate) entries: Vec<NewEntry>,
    /// Complete subtrees above the leaves.
    pub(crate) nodes: Vec<Node>,
    pub(crate) disclosures: Vec<DisclosureRow>,
    /// Acts whose acknowledgement is in one of the entries.
    pub(crate) logged: Vec<Digest>,
}

/// What the commit under way adds to a ledger.
#[derive(Debug)]
pub(crate) struct Growth<'a> {
    base: &'a Ledger,
    /// Everything added so far.
    pub(crate) added: Piece,
}

/// What one batch adds on top of a [`Growth`]; kept apart until the batch's savepoint is released.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    frontier: Frontier,
    lanes: BTreeMap<String, u64>,
    /// Acknowledgements that came with the batches of this commit.
    fresh: Vec<PendingAck>,
    /// How many acknowledgements the entries took, oldest first.
    taken: usize,
    pub(crate) rows: LogRows,
}

impl Piece {
    /// Indices of the entries.
    pub(crate) fn indices(&self) -> Vec<u64> {
        self.rows.entries.iter().map(|entry| entry.index).collect()
    }
}

impl<'a> Growth<'a> {
    pub(crate) fn of(base: &'a Ledger) -> Self {
        Self { base, added: Piece { frontier: base.frontier.clone(), ..Piece::default() } }
    }

    /// Size that the log will have.
    pub(crate) const fn size(&self) -> u64 {
        self.added.frontier.size()
    }

    /// Root that the log will have.
    pub(crate) fn root(&self) -> Hash {
        self.added.frontier.root()
    }

    /// Last numbers of the lanes that moved.
    pub(crate) const fn lanes(&self) -> &BTreeMap<String, u64> {
        &self.added.lanes
    }

    /// How many acknowledgements still wait for an entry.
    pub(crate) fn waiting(&self) -> usize {
        (self.base.pending.len() + self.added.fresh.len()).saturating_sub(self.added.taken)
    }

    /// Numbers, seals and hashes the entries of one batch. `fresh` are the acknowledgements that the batch brings itself.
    pub(crate) fn seal(&self, drafts: &[EntryDraft], fresh: Vec<PendingAck>) -> Result<Piece, StoreError> {
        let mut piece = Piece { frontier: self.added.frontier.clone(), fresh, ..Piece::default() };
        for draft in drafts {
            if (piece.frontier.size() == 0) != (draft.kind == EntryType::Genesis) {
                return Err(StoreError::BadBatch("entry 0 is the genesis, and no other".to_owned()));
            }
            let mut numbers = Vec::with_capacity(draft.lanes.len());
            for lane in &draft.lanes {
                let last = self.last_number(&piece, &lane.country);
                let next =
                    last.checked_add(1).ok_or_else(|| StoreError::Corrupt("a lane is full".to_owned()))?;
                piece.lanes.insert(lane.country.clone(), next);
                numbers.push(next);
            }
            let sealed = self.seal_with_acks(draft, &numbers, &mut piece)?;
            piece.append(draft, sealed)?;
        }
        Ok(piece)
    }

    /// Entries for all acknowledgements that still wait; `ids` names each entry.
    pub(crate) fn seal_waiting(&self, at: u64, ids: &[Id]) -> Result<Piece, StoreError> {
        let drafts: Vec<EntryDraft> =
            ids.iter().map(|id| EntryDraft::own(EntryType::Acks, *id, at)).collect();
        self.seal(&drafts, Vec::new())
    }

    /// Makes a batch part of the commit.
    pub(crate) fn absorb(&mut self, piece: Piece) {
        let added = &mut self.added;
        added.frontier = piece.frontier;
        added.lanes.extend(piece.lanes);
        added.fresh.extend(piece.fresh);
        added.taken += piece.taken;
        added.rows.entries.extend(piece.rows.entries);
        added.rows.nodes.extend(piece.rows.nodes);
        added.rows.disclosures.extend(piece.rows.disclosures);
        added.rows.logged.extend(piece.rows.logged);
    }

    fn last_number(&self, piece: &Piece, lane: &str) -> u64 {
        [&piece.lanes, &self.added.lanes, &self.base.lanes]
            .iter()
            .find_map(|lanes| lanes.get(lane).copied())
            .unwrap_or(0)
    }

    /// Lets as many acknowledgements ride as the entry may have. One that would make it too long waits for the next.
    fn seal_with_acks(
        &self,
        draft: &EntryDraft,
        numbers: &[u64],
        piece: &mut Piece,
    ) -> Result<Sealed, StoreError> {
        let room = limits::ENTRY_ACKS.saturating_sub(draft.acks.len());
        let room = if draft.kind == EntryType::Genesis { 0 } else { room };
        let riding: Vec<PendingAck> = self
            .base
            .pending
            .iter()
            .chain(&self.added.fresh)
            .chain(&piece.fresh)
            .skip(self.added.taken + piece.taken)
            .take(room)
            .copied()
            .collect();
        if riding.is_empty() {
            return draft.seal(numbers).map_err(|e| refused(&e));
        }
        let mut with_acks = draft.clone();
        with_acks.acks.extend(riding.iter().map(|pending| pending.ack));
        match with_acks.seal(numbers) {
            Ok(sealed) => {
                piece.taken += riding.len();
                piece.rows.logged.extend(riding.iter().map(|pending| pending.act));
                Ok(sealed)
            }
            Err(EntryError::TooLarge(_)) => draft.seal(numbers).map_err(|e| refused(&e)),
            Err(error) => Err(refused(&error)),
        }
    }

    /// The change that becomes the ledger once the commit is durable, and the rows that it writes.
    pub(crate) fn finish(self) -> Change {
        let Piece { frontier, lanes, fresh, taken, rows: _ } = self.added;
        Change { frontier, lanes, fresh, taken }
    }
}

impl Piece {
    fn append(&mut self, draft: &EntryDraft, sealed: Sealed) -> Result<(), StoreError> {
        let index = self.frontier.size();
        let hash = sealed.leaf();
        let made = self.frontier.append(hash).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        self.rows.nodes.extend(made.into_iter().filter(|(level, _, _)| *level > 0));
        // Lane counters stay when an exchange is erased: they show that no entry of the lane is withheld.
        let fields = draft.fields.len();
        self.rows.disclosures.extend(sealed.disclosures.iter().enumerate().map(|(at, disclosure)| {
            DisclosureRow {
                index,
                name: disclosure.name().to_owned(),
                text: disclosure.text().to_owned(),
                erasable: at < fields && draft.exchange.is_some(),
            }
        }));
        self.rows.entries.push(NewEntry {
            index,
            leaf: sealed.bytes,
            hash,
            kind: draft.kind,
            exchange: draft.exchange,
            act: draft.act,
            at: draft.at,
        });
        Ok(())
    }
}

/// What a durable commit did to the ledger.
#[derive(Debug)]
pub(crate) struct Change {
    frontier: Frontier,
    lanes: BTreeMap<String, u64>,
    fresh: Vec<PendingAck>,
    taken: usize,
}

impl Ledger {
    /// Takes over a commit that is durable.
    pub(crate) fn advance(&mut self, change: Change) {
        self.frontier = change.frontier;
        self.lanes.extend(change.lanes);
        self.pending.extend(change.fresh);
        self.pending.drain(..change.taken.min(self.pending.len()));
    }
}

fn refused(error: &EntryError) -> StoreError {
    StoreError::BadBatch(format!("entry: {error}"))
}
