//! How far what runs in this process has come, and how fast it may: files that are hashed to be published, bytes that are
//! received.
//!
//! In memory only: it is there to be looked at while it runs. What was received for good stands on disk (`data::part`), what
//! was published in the store. A pace is the deal's: it is kept in the store and holds over restarts, for every transfer of the deal, until
//! it is changed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use naru_protocol::{encoding::Id, error::Code};

use super::{
    Node, NodeError,
    steer::exchange_id,
    turn::{Data, data_of},
    verbs::{ExchangeView, LimitRate, Publishing},
};
use crate::{
    data::{publish::PublishEvent, ranges::Turn},
    store::Batch,
};

/// The slowest pace, bytes in a second: a slower one would look like a connection that broke.
pub const SLOWEST: u64 = 64 << 10;
/// Parts of a second that are let through at once.
const PARTS: u64 = 8;

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that runs in a node.
#[derive(Debug, Default)]
pub(super) struct Flows {
    publishing: Arc<Mutex<BTreeMap<String, Arc<Course>>>>,
    receiving: Mutex<BTreeMap<Id, Arc<Arrived>>>,
    /// By negotiation.
    paces: Mutex<BTreeMap<Id, Arc<Pace>>>,
}

/// A publication under way.
#[derive(Debug)]
pub(super) struct Course {
    path: PathBuf,
    files: AtomicU64,
    bytes: AtomicU64,
    hashed: AtomicU64,
    stop: AtomicBool,
}

impl Course {
    /// Takes in how far it has come.
    pub(super) fn note(&self, event: PublishEvent<'_>) {
        match event {
            PublishEvent::Found { files, bytes } => {
                self.files.store(files as u64, Relaxed);
                self.bytes.store(bytes, Relaxed);
            }
            PublishEvent::Hashed { bytes, .. } => self.hashed.store(bytes, Relaxed),
        }
    }

    /// Turns true when nobody waits for it any more.
    pub(super) const fn stop(&self) -> &AtomicBool {
        &self.stop
    }
}

/// Keeps a dataset from being published twice at a time, for as long as anybody has it: the thread that hashes may end a moment
/// after whoever asked for it.
pub(super) struct Taken {
    all: Arc<Mutex<BTreeMap<String, Arc<Course>>>>,
    dataset: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.dataset);
    }
}

/// A publication in the hands of whoever asked for it. Dropping it stops what is under way.
pub(super) struct Publication {
    pub(super) taken: Arc<Taken>,
    pub(super) course: Arc<Course>,
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.course.stop.store(true, Relaxed);
    }
}

/// What of a transfer is verified.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) verified: AtomicU64,
    /// Of so many; 0 while that is not known.
    pub(super) total: AtomicU64,
}

impl Flows {
    /// Begins to publish under this name, unless that is under way.
    pub(super) fn publish(&self, dataset: &str, path: &Path) -> Option<Publication> {
        let mut all = lock(&self.publishing);
        if all.contains_key(dataset) {
            return None;
        }
        let [files, bytes, hashed] = [const { AtomicU64::new(0) }; 3];
        let stop = AtomicBool::new(false);
        let course = Arc::new(Course { path: path.to_owned(), files, bytes, hashed, stop });
        all.insert(dataset.to_owned(), Arc::clone(&course));
        drop(all);
        let taken = Taken { all: Arc::clone(&self.publishing), dataset: dataset.to_owned() };
        Some(Publication { taken: Arc::new(taken), course })
    }

    /// What is received of a transfer; counted from anew.
    pub(super) fn receive(&self, id: Id) -> Arc<Arrived> {
        let arrived = Arc::<Arrived>::default();
        lock(&self.receiving).insert(id, Arc::clone(&arrived));
        arrived
    }

    /// Bytes that are verified and those that there are, of a transfer that is being received.
    pub(super) fn arrived(&self, id: Id) -> Option<(u64, Option<u64>)> {
        let arrived = lock(&self.receiving).get(&id).cloned()?;
        let total = arrived.total.load(Relaxed);
        Some((arrived.verified.load(Relaxed), (total > 0).then_some(total)))
    }

    /// Nothing receives it just now.
    pub(super) fn left(&self, transfer: Id) {
        lock(&self.receiving).remove(&transfer);
    }

    /// All has arrived: neither progress nor pace are of use any more; a later transfer of the deal recalls its pace.
    pub(super) fn done(&self, transfer: Id, negotiation: Id) {
        lock(&self.receiving).remove(&transfer);
        lock(&self.paces).remove(&negotiation);
    }

    /// The pace of a deal's transfers, where one is set.
    pub(super) fn pace(&self, negotiation: Id) -> Option<Arc<Pace>> {
        lock(&self.paces).get(&negotiation).cloned()
    }

    fn set_pace(&self, negotiation: Id, rate: Option<u64>) {
        let mut paces = lock(&self.paces);
        match (rate, paces.get(&negotiation)) {
            (None, _) => drop(paces.remove(&negotiation)),
            (Some(rate), Some(pace)) => pace.rate.store(rate, Relaxed),
            (Some(rate), None) => drop(paces.insert(negotiation, Arc::new(Pace::new(rate)))),
        }
    }
}

/// So many bytes in a second, of all streams of a deal together.
#[derive(Debug)]
pub(super) struct Pace {
    rate: AtomicU64,
    /// When the next bytes may pass.
    free: Mutex<Instant>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate: AtomicU64::new(rate), free: Mutex::new(Instant::now()), turn: Arc::default() }
    }

    /// Most bytes that pass at once: few enough that no wait looks like a stalled connection.
    pub(super) fn piece(&self) -> usize {
        usize::try_from(self.rate.load(Relaxed) / PARTS).unwrap_or(usize::MAX).max(1)
    }

    /// When these bytes may pass; those after them later.
    fn due(&self, bytes: usize, now: Instant) -> Instant {
        let mut free = lock(&self.free);
        let at = (*free).max(now);
        let rate = self.rate.load(Relaxed).max(1);
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(rate);
        *free = at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        at
    }

    /// Waits until these bytes may pass.
    pub(super) async fn pass(&self, bytes: usize) {
        let at = self.due(bytes, Instant::now());
        tokio::time::sleep_until(at.into()).await;
    }

    /// Waits until a range may be asked for: one at a time, or the others would stand still for too long.
    pub(super) async fn turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }
}

/// Under which setting the pace of a deal is kept; empty once it was lifted.
fn pace_of(negotiation: Id) -> String {
    format!("pace:{negotiation}")
}

impl Node {
    /// What is being hashed to be published.
    pub async fn publishing(&self) -> Result<Vec<Publishing>, NodeError> {
        let all = lock(&self.flows.publishing);
        let view = |(dataset, course): (&String, &Arc<Course>)| Publishing {
            dataset: dataset.clone(),
            path: course.path.clone(),
            files: course.files.load(Relaxed),
            bytes: course.bytes.load(Relaxed),
            hashed: course.hashed.load(Relaxed),
        };
        Ok(all.iter().map(view).collect())
    }

    /// Before data are received: the pace that was set for the deal, if need be before the last start.
    pub(super) async fn recall_pace(&self, negotiation: Id) -> Result<(), NodeError> {
        if self.flows.pace(negotiation).is_none() {
            let kept = self.store.meta(&pace_of(negotiation)).await?;
            if let Some(rate) = kept.and_then(|rate| rate.parse().ok()) {
                self.flows.set_pace(negotiation, Some(rate));
            }
        }
        Ok(())
    }

    /// Sets how fast the data of a deal may come, or lifts that.
    pub async fn limit_rate(&self, ask: LimitRate) -> Result<ExchangeView, NodeError> {
        if ask.bytes_per_second.is_some_and(|rate| rate < SLOWEST) {
            let why = format!("the slowest rate is {SLOWEST} bytes in a second");
            return Err(NodeError::refused(Code::ArgumentInvalid, why));
        }
        let id = exchange_id(&ask.id)?;
        let row = self.store.exchange(id).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::NotFound, ask.id))?;
        let negotiation = if super::plain::is_plain(&row.peer) {
            super::plain::negotiation_of(&row)?
        } else {
            match data_of(&row)? {
                Data::Deal(_) => id,
                Data::Haul(haul) => haul.negotiation,
            }
        };
        let (key, rate) = (pace_of(negotiation), ask.bytes_per_second);
        let kept = self.store.meta(&key).await?.unwrap_or_default();
        let rate_text = rate.map(|rate| rate.to_string()).unwrap_or_default();
        if kept != rate_text {
            self.store.commit(Batch { meta: vec![(key, rate_text)], ..Batch::default() }).await?;
        }
        self.flows.set_pace(negotiation, rate);
        self.exchange_view(id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_over_all_streams_and_never_saved_up() {
        let pace = Pace::new(1 << 20);
        let begin = Instant::now() + Duration::from_secs(60);
        assert_eq!(pace.piece(), (1 << 20) / 8);
        assert_eq!(pace.due(1 << 20, begin), begin, "the first bytes pass");
        assert_eq!(pace.due(1 << 19, begin), begin + Duration::from_secs(1));
        assert_eq!(pace.due(1, begin), begin + Duration::from_millis(1500));
        // A pause gives no right to more afterwards.
        let later = begin + Duration::from_secs(100);
        assert_eq!(pace.due(1 << 20, later), later);
        assert_eq!(pace.due(1, later), later + Duration::from_secs(1));
        // A pace that is changed holds for what comes next.
        pace.rate.store(1 << 21, Relaxed);
        let after = later + Duration::from_secs(10);
        assert_eq!(pace.due(1 << 20, after), after);
        assert_eq!(pace.due(1, after), after + Duration::from_millis(500));
    }

    #[test]
    fn a_dataset_is_published_once_at_a_time_and_stopped_with_its_owner() {
        let flows = Flows::default();
        let first = flows.publish("urn:dxp:1", Path::new("/a")).unwrap();
        assert!(flows.publish("urn:dxp:1", Path::new("/a")).is_none());
        assert!(flows.publish("urn:dxp:2", Path::new("/a")).is_some());
        let (course, thread) = (Arc::clone(&first.course), Arc::clone(&first.taken));
        drop(first);
        assert!(course.stop().load(Relaxed));
        assert!(flows.publish("urn:dxp:1", Path::new("/a")).is_none(), "its thread is not done");
        drop(thread);
        assert!(flows.publish("urn:dxp:1", Path::new("/a")).is_some());
    }

    #[test]
    fn progress_and_pace_go_when_all_is_there() {
        let (flows, id, deal) = (Flows::default(), Id([1; 16]), Id([2; 16]));
        assert_eq!(flows.arrived(id), None);
        let arrived = flows.receive(id);
        arrived.verified.store(3, Relaxed);
        assert_eq!(flows.arrived(id), Some((3, None)));
        arrived.total.store(9, Relaxed);
        flows.set_pace(deal, Some(SLOWEST));
        assert_eq!((flows.arrived(id), flows.pace(deal).is_some()), (Some((3, Some(9))), true));
        flows.set_pace(deal, None);
        assert!(flows.pace(deal).is_none());
        flows.set_pace(deal, Some(SLOWEST));
        flows.done(id, deal);
        assert!(flows.arrived(id).is_none() && flows.pace(deal).is_none());
    }
}
