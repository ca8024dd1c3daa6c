//! Deadlines that pass while nobody speaks: a negotiation that was not concluded in time reads TERMINATED (NEG-14).
//!
//! What waits for a person longer than it may is refused with `approval_expired` (NEG-15.3), by an act like any other.
//!
//! Only where nothing of ours is unanswered: what is on its way is judged by its receiver. Writes no entry, since no act
//! was signed, accepted or refused. What is open for transfers whose capability has run out is let go of at the same time.

use std::time::Duration;

use naru_protocol::{
    encoding::Id,
    exchange::{Effect, Input},
};

use super::{Node, NodeError, now, transfer};
use crate::store::MAX_ROWS;

/// How often deadlines are looked at.
const INTERVAL: Duration = Duration::from_secs(15);
/// How long after a failed commit what stands in the store is looked at.
const SURE: Duration = Duration::from_secs(2);

/// Looks at deadlines until the node stops.
pub(super) async fn run(node: Node) {
    let mut stop = node.stop.subscribe();
    loop {
        if let Err(error) = node.lapse_overdue().await {
            tracing::error!(%error, "deadlines could not be looked at");
        }
        if let Err(error) = node.let_go_of_all().await {
            tracing::error!(%error, "exchanges with distrusted peers could not be ended");
        }
        if let Err(error) = node.do_what_is_due().await {
            tracing::error!(%error, "duties that are due could not be looked at");
        }
        node.forget_idle();
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

/// After a commit that failed: takes up what follows from what stands there, as after a start. Whether it was done or not, the
/// task that would have gone on with it is gone.
pub(super) async fn make_sure(node: Node) {
    let mut stop = node.stop.subscribe();
    loop {
        tokio::select! {
            () = node.unsure.notified() => {}
            _ = stop.wait_for(|s| *s) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(SURE) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
        if let Err(error) = transfer::resume_all(&node).await {
            tracing::warn!(%error, "what was left open could not be looked at");
            node.unsure.notify_one();
        }
    }
}

impl Node {
    async fn lapse_overdue(&self) -> Result<(), NodeError> {
        for row in self.store.overdue(now(), MAX_ROWS).await? {
            // One that cannot be read must not keep the others open.
            if let Err(error) = self.lapse(row.id).await {
                tracing::error!(exchange = %row.id, %error, "its deadline could not be looked at");
            }
        }
        Ok(())
    }

    async fn lapse(&self, id: Id) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        if self.is_plain_exchange(id).await? {
            return self.expire_plain(id).await;
        }
        let mut turn = self.turn(id).await?;
        if turn.tick()?.contains(&Effect::Lapsed) || turn.expire()? {
            turn.commit().await?;
        }
        Ok(())
    }
}

impl super::turn::Turn {
    fn tick(&mut self) -> Result<Vec<Effect>, NodeError> {
        self.feed(Input::Tick)
    }
}
