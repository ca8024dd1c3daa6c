//! Ending what runs with a partner that signs nothing and is trusted no more (spec chapter 13, PLN-6.4).
//!
//! A message of ours that the partner has not answered is not sent again; only its end is said, where it may be.

use naru_protocol::{exchange::ActKind, negotiation as neg, transfer as tra};

use crate::{
    node::{Node, NodeError},
    store::{ExchangeRow, PeerRow},
};

/// Whether a message ends its exchange: all that a blocked partner is still told.
pub(super) fn ends(kind: ActKind) -> bool {
    matches!(kind, ActKind::Negotiation(neg::ActKind::Terminate) | ActKind::Transfer(tra::ActKind::Terminate))
}

impl Node {
    /// A plain peer's row is another one from now on; nothing for a peer that signs.
    pub(in crate::node) fn plain_changed(&self, row: PeerRow) {
        if let Some(peer) = self.plain_peer(&row.did) {
            self.take_in(row, peer.record.clone());
        }
    }

    /// Ends one exchange; whether nothing is left to do about it.
    pub(in crate::node) async fn let_go_plain(
        &self,
        row: &ExchangeRow,
        reason: &str,
    ) -> Result<bool, NodeError> {
        if row.state == "FINALIZED" {
            let in_force = self.plain_turn(row.id).await?.machine.in_force().is_some();
            if in_force {
                self.end_plain(row.id, reason.to_owned()).await?;
            }
            return Ok(true);
        }
        {
            let _lock = self.locks.one(row.id).await;
            let mut turn = self.plain_turn(row.id).await?;
            if turn.machine.state().is_some_and(|state| state.is_final()) {
                return Ok(true);
            }
            match turn.machine.pending().map(|pending| pending.kind) {
                Some(kind) if ends(kind) => return Ok(false),
                Some(_) => {
                    // Not said again, and so over on this side alone.
                    turn.abandon(reason.to_owned())?;
                    turn.commit().await?;
                    return Ok(true);
                }
                None => {}
            }
        }
        self.cancel_plain(row.id, reason.to_owned()).await?;
        Ok(false)
    }
}
