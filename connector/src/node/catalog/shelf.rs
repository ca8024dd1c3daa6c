//! Our datasets as catalogs show them, in the order of their ids: each listing is read and verified once, and written once for all
//! peers that read listings.
//!
//! What is here begins with the first dataset and has no gap; it grows page by page, as far as somebody has read and as memory
//! allows, and is thrown away as a whole when any dataset is written. Not here: who may see what (`decisions`).

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use naru_protocol::{
    dsp::{
        Message as _,
        catalog::{AccessService, DataService, Dataset, DatasetMember, Distribution},
        odrl::Offer,
    },
    encoding::Digest,
    error::Code,
    json, limits,
};
use serde_json::Value;

use super::{FORMAT, SHELF_BYTES};
use crate::{
    node::{Node, NodeError, facts, plain, proposal::Listed},
    store::DatasetRow,
};

/// In the place of an id that nobody has named.
const ANY: &str = "urn:dxp:any";

/// A dataset whose listing verifies. It is kept as text, a fifth of what it takes as values: a node has thousands of them.
pub(super) struct Offered {
    pub(super) id: String,
    /// What it offers, JCS.
    policy: Vec<u8>,
    /// What is declared of it, JCS.
    facts: Vec<u8>,
    /// The id that stands in the facts.
    pub(super) called: String,
    /// The terms in normal form, where they say more than `contract` does.
    pub(super) terms: Option<Value>,
    /// Of the facts, and of the terms if there are any.
    pub(super) digest: Digest,
    /// The same without what tells datasets apart.
    pub(super) alike_digest: Digest,
    /// As it stands in a catalog for whoever reads listings, JCS.
    pub(super) signed: Vec<u8>,
}

/// What datasets have in common of which the same is declared: the facts under no id of its own, without its digest.
fn alike(mut facts: Value) -> Value {
    if let Some(members) = facts.as_object_mut() {
        members.remove("digest");
        members.insert("id".to_owned(), ANY.into());
    }
    facts
}

/// As DSP has it: with its listing for those who read one, or for connectors that read none.
fn dataset(
    id: &str,
    policy: Value,
    service: &DataService,
    listing: Option<&str>,
) -> Result<Dataset, NodeError> {
    let policy = if listing.is_some() { policy } else { plain::spelt(&policy) };
    let offer =
        Offer::from_value(policy).map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))?;
    let formats: &[&str] = if listing.is_some() { &[FORMAT] } else { &plain::FORMATS };
    let distribution = |format: &&str| Distribution {
        kind: Default::default(),
        format: (*format).to_owned(),
        access_service: match listing {
            Some(_) => AccessService::Id(service.id.clone()),
            // Connectors of other makes read the service where the distribution is.
            None => AccessService::Inline(service.clone()),
        },
        has_policy: Vec::new(),
    };
    let dataset = Dataset {
        id: id.to_owned(),
        kind: Default::default(),
        has_policy: vec![offer],
        distribution: formats.iter().map(distribution).collect(),
        dxp: listing.map(|listing| DatasetMember { v: json::V1, listing: listing.to_owned() }),
    };
    dataset.check().map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))?;
    Ok(dataset)
}

impl Offered {
    /// What memory it takes, about: its texts, and what is around them.
    fn bytes(&self) -> usize {
        self.signed.len() + self.policy.len() + self.facts.len() + 1024
    }

    /// As it stands in a catalog, JCS.
    pub(super) fn written(&self, service: &DataService, signs: bool) -> Result<Cow<'_, [u8]>, NodeError> {
        if signs {
            return Ok(Cow::Borrowed(&self.signed));
        }
        Ok(Cow::Owned(json::to_canonical(&self.dataset(service, signs)?)?))
    }

    /// As DSP has it.
    pub(super) fn dataset(&self, service: &DataService, signs: bool) -> Result<Dataset, NodeError> {
        if signs {
            Ok(json::from_value(json::parse(&self.signed)?)?)
        } else {
            dataset(&self.id, json::parse(&self.policy)?, service, None)
        }
    }

    /// What is declared of it.
    pub(super) fn facts(&self) -> Result<Value, NodeError> {
        Ok(json::parse(&self.facts)?)
    }

    /// What is declared of it and of others like it.
    pub(super) fn alike(&self) -> Result<Value, NodeError> {
        Ok(alike(self.facts()?))
    }
}

/// A dataset's place in the catalog; empty where it cannot be shown to anybody.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) offered: Option<Arc<Offered>>,
}

/// Places that follow one another, and whether none comes after them.
pub(super) struct Places {
    pub(super) places: Vec<Place>,
    pub(super) last: bool,
}

#[derive(Default)]
pub(super) struct Shelf {
    held: Mutex<Held>,
    /// One reads on at a time; who waits finds it done.
    filling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    /// Of the store, when this was read.
    turn: u64,
    places: Vec<Place>,
    bytes: usize,
    /// No dataset comes after the last.
    whole: bool,
}

/// What the shelf has of a page.
enum Taken {
    Here(Places),
    /// Reading on from the last place that is here, if there is one, would give more.
    Next(Option<String>),
    /// It is not here, and not what would be read next.
    Elsewhere,
}

impl Shelf {
    fn held(&self, turn: u64) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.turn != turn {
            *held = Held { turn, ..Held::default() };
        }
        held
    }

    fn take(&self, turn: u64, after: Option<&str>, most: usize) -> Taken {
        let held = self.held(turn);
        let places = &held.places;
        let end = places.last().map(|place| place.id.as_str());
        if !held.whole && after > end {
            return Taken::Elsewhere;
        }
        let from = after.map_or(0, |after| places.partition_point(|place| place.id.as_str() <= after));
        let to = places.len().min(from + most);
        let (enough, full) = (to == from + most, held.bytes > SHELF_BYTES);
        if enough || held.whole || (full && to > from) {
            let last = held.whole && to == places.len();
            return Taken::Here(Places { places: places[from..to].to_vec(), last });
        }
        if full { Taken::Elsewhere } else { Taken::Next(end.map(str::to_owned)) }
    }

    /// Adds what was read after the last place, unless something was written meanwhile.
    fn put(&self, turn: u64, after: Option<&str>, read: &Places) {
        let mut held = self.held(turn);
        if held.places.last().map(|place| place.id.as_str()) == after {
            let offered = read.places.iter().filter_map(|place| place.offered.as_ref());
            held.bytes += offered.map(|offered| offered.bytes()).sum::<usize>();
            held.places.extend_from_slice(&read.places);
            held.whole = read.last;
        }
    }
}

impl Node {
    /// The places that follow a dataset, at most so many.
    pub(super) async fn places(&self, after: Option<&str>, most: usize) -> Result<Places, NodeError> {
        let shelf = &self.catalogs.shelf;
        // Whoever is overtaken by writers again and again reads for itself in the end.
        for _ in 0..3 {
            let turn = self.store.datasets_changed();
            let next = match shelf.take(turn, after, most) {
                Taken::Here(places) => return Ok(places),
                Taken::Elsewhere => break,
                Taken::Next(next) => next,
            };
            let _filling = shelf.filling.lock().await;
            match shelf.take(turn, after, most) {
                Taken::Here(places) => return Ok(places),
                Taken::Elsewhere => break,
                Taken::Next(now) if now != next => continue,
                Taken::Next(_) => {}
            }
            let read = self.read_places(next.as_deref(), limits::CATALOG_PAGE).await?;
            if self.store.datasets_changed() == turn {
                shelf.put(turn, next.as_deref(), &read);
            }
        }
        self.read_places(after, most).await
    }

    async fn read_places(&self, after: Option<&str>, most: usize) -> Result<Places, NodeError> {
        let rows = self.store.datasets(after, false, u32::try_from(most).unwrap_or(u32::MAX)).await?;
        let last = rows.len() < most;
        let node = self.clone();
        // Signatures are verified: that is computing.
        let read = move || rows.iter().map(|row| node.place(row)).collect();
        let places = tokio::task::spawn_blocking(read).await;
        Ok(Places { places: places.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?, last })
    }

    fn place(&self, row: &DatasetRow) -> Place {
        let offered = self.offered(row);
        // CAT-7.5: one that cannot be shown never breaks the others.
        let offered = offered.inspect_err(|error| {
            tracing::error!(dataset = %row.id, %error, "left out of the catalog");
        });
        Place { id: row.id.clone(), offered: offered.ok().map(Arc::new) }
    }

    /// A dataset of ours, from its row: its listing must be ours and verify.
    pub(super) fn offered(&self, row: &DatasetRow) -> Result<Offered, NodeError> {
        let Listed { listing, jws, .. } = Listed::read(&row.listing, &self.me.ring)?;
        let terms = facts::terms_beyond(&listing.policy);
        let digest = |facts: &Value| match &terms {
            None => json::digest_of(facts),
            Some(terms) => json::digest_of(&serde_json::json!([facts, terms])),
        };
        let (own, common) = (digest(&listing.facts)?, digest(&alike(listing.facts.clone()))?);
        let (policy, facts) = (json::canonical(&listing.policy)?, json::canonical(&listing.facts)?);
        let signed = dataset(&row.id, listing.policy, &self.service(String::new()), Some(&jws))?;
        Ok(Offered {
            id: row.id.clone(),
            policy,
            facts,
            called: listing.facts["id"].as_str().unwrap_or_default().to_owned(),
            terms,
            digest: own,
            alike_digest: common,
            signed: json::to_canonical(&signed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str) -> Place {
        Place { id: id.to_owned(), offered: None }
    }

    fn read(ids: &[&str], last: bool) -> Places {
        Places { places: ids.iter().map(|id| place(id)).collect(), last }
    }

    fn here(taken: Taken) -> Option<(Vec<String>, bool)> {
        match taken {
            Taken::Here(places) => Some((places.places.into_iter().map(|p| p.id).collect(), places.last)),
            Taken::Next(_) | Taken::Elsewhere => None,
        }
    }

    fn some(ids: &[&str], last: bool) -> Option<(Vec<String>, bool)> {
        Some((ids.iter().map(|id| (*id).to_owned()).collect(), last))
    }

    /// CAT-7.7
    #[test]
    fn it_grows_from_the_front_and_has_no_gap() {
        let shelf = Shelf::default();
        assert!(matches!(shelf.take(1, None, 2), Taken::Next(None)));
        assert!(matches!(shelf.take(1, Some("b"), 2), Taken::Elsewhere));
        shelf.put(1, None, &read(&["a", "b"], false));
        assert_eq!(here(shelf.take(1, None, 2)), some(&["a", "b"], false));
        assert_eq!(here(shelf.take(1, Some("a"), 1)), some(&["b"], false));
        assert!(matches!(shelf.take(1, Some("a"), 2), Taken::Next(Some(next)) if next == "b"));
        assert!(matches!(shelf.take(1, Some("c"), 1), Taken::Elsewhere));
        // What somebody else has put there already is not put twice.
        shelf.put(1, None, &read(&["a", "b"], false));
        shelf.put(1, Some("b"), &read(&["d"], true));
        assert_eq!(here(shelf.take(1, None, 9)), some(&["a", "b", "d"], true));
        assert_eq!(here(shelf.take(1, Some("c"), 9)), some(&["d"], true));
        assert_eq!(here(shelf.take(1, Some("z"), 9)), some(&[], true));
    }

    #[test]
    fn nothing_stays_when_something_was_written() {
        let shelf = Shelf::default();
        shelf.put(1, None, &read(&["a"], true));
        assert_eq!(here(shelf.take(1, None, 9)), some(&["a"], true));
        assert!(matches!(shelf.take(2, None, 9), Taken::Next(None)));
        assert!(matches!(shelf.take(1, None, 9), Taken::Next(None)), "not that of before either");
    }

    #[test]
    fn what_has_no_room_is_read_by_whoever_asks() {
        let shelf = Shelf::default();
        let large = Offered {
            id: "a".to_owned(),
            policy: Vec::new(),
            facts: Vec::new(),
            called: String::new(),
            terms: None,
            digest: Digest::of(b""),
            alike_digest: Digest::of(b""),
            signed: vec![0; SHELF_BYTES + 1],
        };
        let offered = Place { id: "a".to_owned(), offered: Some(Arc::new(large)) };
        shelf.put(1, None, &Places { places: vec![offered], last: false });
        assert_eq!(here(shelf.take(1, None, 9)), some(&["a"], false));
        assert!(matches!(shelf.take(1, Some("a"), 9), Taken::Elsewhere));
    }
}
