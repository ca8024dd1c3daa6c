//! One piece of work at a time per exchange.
//!
//! A lock is never held across a network call: two nodes that each hold one while asking the other would wait for ever.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use naru_protocol::encoding::Id;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The locks that somebody holds or waits for.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<BTreeMap<Id, Arc<AsyncMutex<()>>>>);

impl Locks {
    /// Waits for one exchange.
    pub(super) async fn one(&self, id: Id) -> OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Forget those that nobody holds: the map stays as small as the work in hand.
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(id).or_default())
        };
        lock.lock_owned().await
    }

    /// Waits for a transfer and the negotiation that it rests on, in fixed order.
    pub(super) async fn two(&self, a: Id, b: Id) -> (OwnedMutexGuard<()>, Option<OwnedMutexGuard<()>>) {
        if a == b {
            return (self.one(a).await, None);
        }
        let (first, second) = if a < b { (a, b) } else { (b, a) };
        let first = self.one(first).await;
        (first, Some(self.one(second).await))
    }
}
