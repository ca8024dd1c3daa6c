//! Deleting what was delivered under an agreement, and saying so in a signed act (spec chapter 08b, OBL-4).
//!
//! A person asks for it, or the operator allowed it beforehand; then it happens in the last hour before the deadline. What files
//! go is decided by `held`.

use naru_protocol::{
    encoding::Id,
    error::Code,
    identity::Role,
    limits,
    report::{Deletion, ReportKind},
};

use super::{
    Arrived,
    held::{self, Outcome},
    reports::Said,
};
use crate::{
    config::Deleting,
    node::{
        Node, NodeError,
        after::After,
        now,
        steer::reason_fits,
        turn::{Data, Turn},
        verbs::{Delete, Deleted},
    },
    store::ExchangeKind,
};

/// Unknown files that are named to a person.
const NAMED: usize = 20;

const TOLD: &str = "The provider is told how many files and bytes were deleted and how many are unknown, and no names. Copies, and \
                    files that were changed or moved, are not touched: nobody but you knows of them.";

/// A full disk is tried again; what else is in the way is for a person.
fn blocked(error: std::io::Error) -> NodeError {
    let full = crate::data::part::is_disk_full(&error);
    NodeError::refused(if full { Code::DiskFull } else { Code::FileUnusable }, error.to_string())
}

impl Node {
    /// Keeps what a transfer has delivered, so that exactly that can be deleted.
    pub(in crate::node) async fn keep_list(
        &self,
        transfer: Id,
        out: &std::path::Path,
        root: naru_protocol::encoding::Digest,
    ) -> Result<(), NodeError> {
        let (folder, out) = (self.folder.delivered(), out.to_owned());
        let kept = tokio::task::spawn_blocking(move || {
            let list = crate::data::part::kept_list(&out, &root)?;
            held::keep(&folder, transfer, &out, root, &list)
        });
        kept.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?.map_err(blocked)
    }

    /// Deletes what was delivered under an agreement and says so to the provider, or says what that would be.
    pub async fn delete(&self, ask: Delete) -> Result<Deleted, NodeError> {
        let text = ask.text.unwrap_or_default();
        reason_fits(&text)?;
        let id = self.deal_named(&ask.agreement).await?;
        // No fetch begins in a folder that is being emptied, and one deletion goes after the other.
        let _outs = self.outs.lock().await;
        let (arrived, agreement) = self.deletable(id).await?;
        let outcome = self.remove(&arrived, !ask.only_say).await?;
        let unknown = outcome.count_unknown();
        if !ask.only_say {
            self.say_deleted(id, &arrived, &outcome, text).await?;
        }
        Ok(Deleted {
            agreement,
            exchange: id.to_string(),
            deleted: !ask.only_say,
            files: outcome.files,
            bytes: outcome.bytes,
            unknown,
            left: outcome.unknown.into_iter().take(NAMED).collect(),
            told: TOLD.to_owned(),
        })
    }

    /// What lies here under an agreement, and the agreement's digest.
    async fn deletable(&self, id: Id) -> Result<(Vec<Arrived>, String), NodeError> {
        let illegal = |why: &str| NodeError::refused(Code::IllegalState, why);
        let mut turn = self.turn(id).await?;
        if turn.machine.role() == Role::Provider {
            return Err(illegal("this node gave the data: who received them deletes them"));
        }
        let deal = turn.deal()?.clone();
        let agreement = deal.in_force.ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
        let running = match deal.transfer {
            Some(transfer) => self.store.exchange(transfer).await?,
            None => None,
        };
        let open = |state: &str| !matches!(state, "COMPLETED" | "TERMINATED");
        let fetches = |row: &crate::store::ExchangeRow| {
            row.kind == ExchangeKind::Transfer
                && open(&row.state)
                && row.waits_for.is_some()
                && deal.arrived.iter().all(|arrived| arrived.transfer != row.id)
        };
        if let Some(row) = running.filter(fetches) {
            return Err(illegal(&format!("data are being received: `naru cancel {}` first", row.id)));
        }
        let left: Vec<Arrived> = deal.arrived.into_iter().filter(|arrived| !arrived.deleted).collect();
        if left.is_empty() {
            return Err(illegal("nothing that was received under it is left to delete"));
        }
        Ok((left, agreement.to_string()))
    }

    async fn remove(&self, arrived: &[Arrived], really: bool) -> Result<Outcome, NodeError> {
        if really {
            // Nothing is deleted that could not be said.
            self.may_sign()?;
        }
        let mut whole = Outcome::default();
        for Arrived { transfer, .. } in arrived {
            let (folder, transfer) = (self.folder.delivered(), *transfer);
            let done = tokio::task::spawn_blocking(move || held::delete(&folder, transfer, really)).await;
            let done = done.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
            match done.map_err(blocked)? {
                Some(outcome) => whole.join(outcome),
                None => whole.join(self.unlisted(transfer).await?),
            }
        }
        Ok(whole)
    }

    /// A transfer whose list is not here, on a restored copy say: its files stay and are unknown.
    async fn unlisted(&self, transfer: Id) -> Result<Outcome, NodeError> {
        let mut turn = self.turn(transfer).await?;
        let files = turn.expected_receipt().await?.files;
        Ok(Outcome { unlisted: files, ..Outcome::default() })
    }

    /// Queues the act in the commit that notes it, and forgets what was delivered.
    async fn say_deleted(
        &self,
        id: Id,
        arrived: &[Arrived],
        outcome: &Outcome,
        text: String,
    ) -> Result<(), NodeError> {
        let unknown = outcome.count_unknown();
        let settled = unknown == 0 || !text.trim().is_empty();
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            let deletion = Deletion { bytes: outcome.bytes, files: outcome.files, unknown };
            turn.queue(Said {
                kind: ReportKind::Deletion,
                obligation: None,
                event: None,
                text,
                evidence: None,
                deletion: Some(deletion),
                onward: None,
            })?;
            for known in &mut turn.deal()?.arrived {
                known.deleted |= settled && arrived.contains(known);
            }
            turn.commit().await?;
        }
        let (folder, transfers) = (self.folder.delivered(), arrived.to_vec());
        let forgotten = tokio::task::spawn_blocking(move || {
            transfers.iter().try_for_each(|a| held::forget(&folder, a.transfer, settled))
        });
        forgotten.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?.map_err(blocked)?;
        After::Report(id).spawn(self);
        Ok(())
    }

    /// Deletes what falls due within the hour, where the operator lets it. What stayed unknown is a person's.
    pub(super) async fn delete_by_itself(&self) -> Result<(), NodeError> {
        if self.deleting.get() != Some(&Deleting::Auto) {
            return Ok(());
        }
        let at = now();
        for id in self.owing.find(|owed| owed.by_itself().is_some_and(|from| from <= at)) {
            if self.was_deleted(id).await? {
                continue;
            }
            let ask = Delete { agreement: id.to_string(), only_say: false, text: None };
            match self.delete(ask).await {
                Ok(done) => tracing::info!(exchange = %id, files = done.files, unknown = done.unknown,
                    "deleted what was received, as the agreement asks"),
                Err(error) => tracing::warn!(exchange = %id, %error, "what is to be deleted is not deleted"),
            }
        }
        Ok(())
    }

    /// Whether a deletion of ours was said since the newest data came.
    async fn was_deleted(&self, id: Id) -> Result<bool, NodeError> {
        let turn: Turn = self.turn(id).await?;
        let Data::Deal(deal) = &turn.data else { return Ok(true) };
        let newest = deal.arrived.iter().map(|arrived| arrived.at).max().unwrap_or(0);
        let ours = deal.reported.iter().filter(|r| r.by == Role::Consumer).map(|r| &r.report);
        let mut said = ours.chain(&deal.to_report);
        let full = deal.to_report.len() >= limits::REPORTS;
        Ok(full || said.any(|r| r.kind == ReportKind::Deletion && r.at >= newest))
    }
}
