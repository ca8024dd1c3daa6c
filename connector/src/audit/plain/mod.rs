//! Exchanges with peers that sign nothing: what the log's owner recorded of them, and no more (spec chapter 09, AUD-13).
//!
//! | file | what |
//! |---|---|
//! | `acts` | each message against its one entry |
//! | `agreements` | terms that only the log's owner decided, and which of them a transfer is under |
//! | `exchanges` | what is concluded of each |
//!
//! Everything here rests on one signature, that of the log's owner under its checkpoint. Nothing of it is joined with another
//! log: a message that nobody signed has no second half.

mod acts;
mod agreements;
mod exchanges;

use std::collections::BTreeMap;

use naru_protocol::{
    encoding::{Digest, Id},
    log::checkpoint::Origin,
    plain::UnsignedTerms,
};

use self::{
    acts::PlainSeen,
    agreements::{Naming, Recorded},
};
pub(super) use self::{agreements::judge, exchanges::conclude};
use super::{acts::Acts, export::Folder, finding::Findings, log::Log};

/// What one export shows of exchanges with peers that sign nothing.
#[derive(Debug)]
pub(super) struct Plain {
    number: usize,
    origin: Origin,
    /// Messages whose file is what their entry says, and those of each exchange in the order of their entries.
    seen: BTreeMap<Digest, PlainSeen>,
    order: BTreeMap<Id, Vec<Digest>>,
    /// Who the peer of an exchange is.
    peers: BTreeMap<Id, String>,
    /// Documents whose digest is their name, not yet judged.
    documents: BTreeMap<Digest, UnsignedTerms>,
    /// The terms that a transfer is under, where that can be told.
    under: BTreeMap<Id, Digest>,
    /// Terms that hold, see [`judge`].
    recorded: BTreeMap<Digest, Recorded>,
    naming: Naming,
}

impl Plain {
    /// The id of the peer, if the exchange is with one that signs nothing.
    pub(super) fn peer(&self, exchange: &Id) -> Option<&str> {
        self.peers.get(exchange).map(String::as_str)
    }

    /// The document of this digest.
    pub(super) fn document(&self, digest: &Digest) -> Option<&UnsignedTerms> {
        self.documents.get(digest)
    }

    /// Each transfer with the terms that it is under.
    pub(super) const fn transfers(&self) -> &BTreeMap<Id, Digest> {
        &self.under
    }

    /// The messages of an exchange in the order of their entries.
    fn acts(&self, exchange: Id) -> Vec<&PlainSeen> {
        let digests = self.order.get(&exchange).into_iter().flatten();
        digests.filter_map(|digest| self.seen.get(digest)).collect()
    }
}

/// Reads `plain/` and `unsigned/` of one export against its log.
pub(super) fn read(
    folder: &Folder,
    number: usize,
    log: &Log,
    signed: &Acts,
    findings: &mut Findings,
) -> Plain {
    let naming = Naming::of(log);
    let seen = acts::read(folder, number, log, findings);
    let mut order: BTreeMap<Id, Vec<Digest>> = BTreeMap::new();
    for (digest, seen) in &seen {
        order.entry(seen.act.exchange).or_default().push(*digest);
    }
    for digests in order.values_mut() {
        digests.sort_by_key(|digest| seen.get(digest).map(|seen| seen.index));
    }
    let peers = acts::peers(&seen, signed, number, findings);
    let documents = agreements::documents(folder, number, (log, &naming), findings);
    let under = BTreeMap::new();
    let recorded = BTreeMap::new();
    let mut plain =
        Plain { number, origin: log.origin, seen, order, peers, documents, under, recorded, naming };
    plain.under = agreements::under(&plain, log);
    plain
}
