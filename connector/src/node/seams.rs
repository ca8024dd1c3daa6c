//! Where a simulation takes hold of a node: what becomes of each request of ours and of each commit, and how long it waits before
//! it tries again.
//!
//! A node that runs for somebody has none of them ([`Seams::default`]). They decide about fates and pauses only; what is
//! asked, answered and stored is the real thing, over the real sockets and the real database.

use std::{sync::Arc, time::Duration};

use super::Node;
use crate::store::Writes;

/// What becomes of a request on its way to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried, and so is its answer.
    Pass,
    /// It is carried after a while, others before it.
    Late(Duration),
    /// It never arrives.
    Lost,
    /// It arrives and is answered; the answer is lost.
    Unanswered,
    /// It arrives twice; the second answer is ours.
    Twice,
}

/// The link to peers.
pub trait Link: std::fmt::Debug + Send + Sync {
    /// Asked once for each request.
    fn fate(&self, target: &str) -> Fate;
}

/// The seams of one node.
#[derive(Debug, Clone, Default)]
pub struct Seams {
    /// None carries everything.
    pub link: Option<Arc<dyn Link>>,
    /// None writes everything.
    pub writes: Option<Arc<dyn Writes>>,
    /// No pause before something is tried or looked at again is longer: what comes after it is the same whenever it comes. None
    /// leaves all pauses as they are.
    pub longest_pause: Option<Duration>,
}

impl Node {
    /// A pause before something is tried or looked at again.
    pub(super) fn not_longer(&self, pause: Duration) -> Duration {
        self.longest_pause.map_or(pause, |longest| pause.min(longest))
    }
}
