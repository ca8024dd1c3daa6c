//! What the operator does about an exchange that does not go as wanted: ends it before it is concluded, or has it tried again
//! (spec chapters 06 and 07: the terminations).
//!
//! While an act of ours is unanswered no other may follow: the wish to end is kept with the exchange and carried out as soon as
//! its state allows. Ending a concluded agreement is `end` in `proposal`; refusing by law is not done here.

use std::path::{Path, PathBuf};

use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::ActKind,
    limits,
    listing::Listing,
    negotiation as neg, transfer as tra,
};

use super::{
    Node, NodeError, Pages,
    after::After,
    contact::OPEN,
    deal::Deal,
    out::Content,
    transfer::passes,
    turn::{Data, Turn, data_of},
    verbs::{Cancel, ExchangeView, Retry},
    views,
};
use crate::store::{ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole};

pub(super) fn exchange_id(text: &str) -> Result<Id, NodeError> {
    Id::parse(text).map_err(|_| {
        NodeError::refused(Code::ArgumentInvalid, format!("{text:?} is no id as `naru exchanges` prints it"))
    })
}

/// Refuses a reason that no message could carry.
pub(super) fn reason_fits(reason: &str) -> Result<(), NodeError> {
    if reason.len() > limits::REASON {
        let why = format!("the reason has {} bytes, at most {} are sent", reason.len(), limits::REASON);
        return Err(NodeError::refused(Code::ArgumentInvalid, why));
    }
    Ok(())
}

fn illegal(why: impl Into<String>) -> NodeError {
    NodeError::refused(Code::IllegalState, why)
}

/// What a deal is about.
fn content_of(deal: &Deal) -> Result<Content, NodeError> {
    let terms = deal.terms.as_ref().ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
    let listing = naru_protocol::jws::peek::<Listing>(&deal.listing)?;
    Ok(Content { root: terms.content_root, ..Content::of(listing.claims()) })
}

impl Turn {
    /// Ends the exchange if the operator wants that and a message of ours may say so now.
    pub(super) fn carry_out(&mut self) -> Result<bool, NodeError> {
        if !self.may_cancel() {
            return Ok(false);
        }
        let reasons = |reason: Option<String>| reason.into_iter().filter(|r| !r.is_empty()).collect();
        match &self.data {
            Data::Deal(deal) => {
                let reasons = reasons(deal.cancel.clone());
                self.terminate(Code::Cancelled, reasons)?;
            }
            Data::Haul(haul) => {
                let reasons = reasons(haul.cancel.clone());
                self.give_up_transfer(Code::Cancelled, reasons)?;
            }
        }
        Ok(true)
    }

    /// Whether the operator wants it ended and that may be said now.
    pub(super) fn may_cancel(&self) -> bool {
        let (wanted, act) = match &self.data {
            Data::Deal(deal) => (deal.cancel.is_some(), ActKind::Negotiation(neg::ActKind::Terminate)),
            Data::Haul(haul) => (haul.cancel.is_some(), ActKind::Transfer(tra::ActKind::Terminate)),
        };
        wanted
            && self.row.peer_pid.is_some()
            && self.machine.pending().is_none()
            && self.machine.allows(self.machine.role(), act)
    }
}

impl Node {
    /// The exchange that a person names: by its id, or the negotiation by the digest of the agreement that it made.
    pub(super) async fn exchange_named(&self, name: &str) -> Result<Id, NodeError> {
        if let Ok(digest) = Digest::parse(name)
            && let Some(made) = self.store.agreement(digest).await?
        {
            return Ok(made.exchange);
        }
        exchange_id(name)
    }

    /// Ends a negotiation that is not concluded or a transfer that is not complete; at once, or as soon as what is on its way
    /// is answered.
    pub async fn cancel(&self, ask: Cancel) -> Result<ExchangeView, NodeError> {
        let id = exchange_id(&ask.id)?;
        let reason = ask.reason.unwrap_or_default();
        reason_fits(&reason)?;
        if self.is_plain_exchange(id).await? {
            return self.cancel_plain(id, reason).await;
        }
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            match turn.row.state.as_str() {
                "FINALIZED" => return Err(illegal("it is concluded: `naru end` ends the agreement")),
                "TERMINATED" | "COMPLETED" => return Err(illegal("it is over already")),
                "NONE" if turn.machine.pending().is_none() => {
                    return Err(illegal("it was refused before it began: nothing is left to end"));
                }
                _ => {}
            }
            match &mut turn.data {
                Data::Deal(deal) => deal.cancel = Some(reason),
                Data::Haul(haul) => haul.cancel = Some(reason),
            }
            turn.carry_out()?;
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    /// Whether an exchange is with a peer that signs nothing.
    pub(super) async fn is_plain_exchange(&self, id: Id) -> Result<bool, NodeError> {
        Ok(self.store.exchange(id).await?.is_some_and(|row| super::plain::is_plain(&row.peer)))
    }

    /// The same for a wish that had to wait.
    pub(super) async fn cancel_as_wished(&self, id: Id) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.turn(id).await?;
        if turn.carry_out()? {
            turn.commit().await?;
        }
        Ok(())
    }

    /// Takes up wishes to end that were left when the process ended.
    pub(super) async fn resume_cancels(&self) -> Result<(), NodeError> {
        let states = OPEN.map(str::to_owned).to_vec();
        let query = ExchangeQuery { states, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let mut pages = Pages::of(query);
        while let Some(rows) = pages.next(self).await? {
            for row in rows {
                if super::plain::is_plain(&row.peer) {
                    // Carried out when what is on its way is answered, which the outbox resumes.
                    continue;
                }
                let wanted = match data_of(&row) {
                    Ok(Data::Deal(deal)) => deal.cancel.is_some(),
                    Ok(Data::Haul(haul)) => haul.cancel.is_some(),
                    // As everywhere at a start: one that cannot be read must not keep the node from starting.
                    Err(error) => {
                        tracing::error!(exchange = %row.id, %error, "whether it is to be ended cannot be read");
                        false
                    }
                };
                if wanted {
                    After::Cancel(row.id).spawn(self);
                }
            }
        }
        Ok(())
    }

    /// Has the data of an agreement in force received, or asked for again, perhaps into another folder.
    pub async fn retry(&self, ask: Retry) -> Result<ExchangeView, NodeError> {
        let row = self.store.exchange(self.exchange_named(&ask.id).await?).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::NotFound, ask.id))?;
        if super::plain::is_plain(&row.peer) {
            return self.retry_plain(row, ask.out).await;
        }
        if row.role != OurRole::Consumer {
            return Err(illegal("this node gives the data: who receives them tries again"));
        }
        let negotiation = match data_of(&row)? {
            Data::Deal(_) => row.id,
            Data::Haul(haul) => haul.negotiation,
        };
        let _outs = self.outs.lock().await;
        let mut concluded = self.turn(negotiation).await?;
        if concluded.machine.is_ended() {
            return Err(NodeError::refused(Code::AgreementEnded, ""));
        }
        let transfer = concluded.deal()?.transfer;
        let transfer = match transfer {
            Some(id) => self.store.exchange(id).await?,
            None => None,
        };
        match transfer {
            // The whole again, as often as the agreement allows; the files of before stay where they are.
            Some(row) if row.state == "COMPLETED" => match ask.out {
                Some(out) => self.retry_anew(negotiation, Some(out)).await,
                None => Err(illegal("the data have arrived; name another folder to receive them once more")),
            },
            // Ended, or refused before it began.
            Some(row) if row.state == "TERMINATED" || (row.state == "NONE" && row.waits_for.is_none()) => {
                let before = match data_of(&row)? {
                    Data::Haul(haul) => haul.out,
                    Data::Deal(_) => None,
                };
                self.retry_anew(negotiation, ask.out.or(before)).await
            }
            Some(row) => self.retry_running(negotiation, &row, ask.out).await,
            None => self.retry_anew(negotiation, ask.out).await,
        }
    }

    async fn retry_running(
        &self,
        negotiation: Id,
        row: &ExchangeRow,
        out: Option<PathBuf>,
    ) -> Result<ExchangeView, NodeError> {
        let content = content_of(self.turn(negotiation).await?.deal()?)?;
        let mut left = After::Nothing;
        {
            let _lock = self.locks.one(row.id).await;
            let mut turn = self.turn(row.id).await?;
            let haul = turn.haul()?;
            let before = haul.out.clone();
            let moved = out.is_some() && out != before;
            if moved && haul.refusal.is_none() && before.is_some() {
                return Err(illegal("it is being received; cancel it, then retry with another folder"));
            }
            let out = named(out.or_else(|| before.clone()))?;
            self.check_out(&out, Some(content), &[negotiation, row.id], None).await?;
            let haul = turn.haul()?;
            (haul.out, haul.refusal, haul.cancel) = (Some(out), None, None);
            if turn.machine.is_received() {
                return Err(illegal("the data have arrived"));
            }
            if let Some(before) = before.filter(|_| moved) {
                left = After::Tidy(row.id, before, content.root);
            }
            turn.commit().await?;
        }
        left.spawn(self);
        self.nudge.notify_waiters();
        self.go_on(row);
        self.exchange_view(row.id).await
    }

    async fn retry_anew(&self, negotiation: Id, out: Option<PathBuf>) -> Result<ExchangeView, NodeError> {
        {
            let _lock = self.locks.one(negotiation).await;
            let mut turn = self.turn(negotiation).await?;
            if turn.machine.is_ended() {
                return Err(NodeError::refused(Code::AgreementEnded, ""));
            }
            if turn.row.state != "FINALIZED" {
                return Err(illegal("the deal is not concluded"));
            }
            let content = content_of(turn.deal()?)?;
            let deal = turn.deal()?;
            let out = named(out.or_else(|| deal.out.clone()))?;
            self.check_out(&out, Some(content), &[negotiation], None).await?;
            let deal = turn.deal()?;
            (deal.out, deal.transfer, deal.refusal, deal.cancel) = (Some(out), None, None, None);
            turn.commit().await?;
        }
        self.nudge.notify_waiters();
        match self.request_transfer(negotiation).await {
            Ok(transfer) => self.exchange_view(transfer).await,
            Err(error) => {
                self.keep_refusal(negotiation, &error).await?;
                if !passes(error.code()) {
                    return Err(error);
                }
                After::RequestTransfer(negotiation).spawn(self);
                self.exchange_view(negotiation).await
            }
        }
    }

    /// Asks for the data until they are asked for, for as long as what prevents it may pass.
    pub(super) async fn want_transfer(&self, negotiation: Id) {
        let Some(mut run) = self.receiving.begin(negotiation) else { return };
        let mut tries = 0;
        loop {
            let Err(error) = self.request_transfer(negotiation).await else {
                if run.again() {
                    continue;
                }
                return;
            };
            let code = error.code();
            tracing::warn!(exchange = %negotiation, code = code.as_str(), %error, "the transfer was not requested");
            if let Err(error) = self.keep_refusal(negotiation, &error).await {
                tracing::error!(exchange = %negotiation, %error, "the failure could not be kept");
            }
            if passes(code) {
                if !self.pause(tries).await {
                    return;
                }
                tries += 1;
            } else if !run.again() {
                return;
            }
        }
    }

    /// Keeps why an exchange does not go on, for people; written only where it changes.
    pub(super) async fn keep_refusal(&self, id: Id, error: &NodeError) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.turn(id).await?;
        let open = match &turn.data {
            Data::Deal(deal) => deal.wants_transfer(),
            Data::Haul(_) => turn.machine.state().is_none_or(|state| !state.is_final()),
        };
        if !open {
            // It ended meanwhile, and its end says why.
            return Ok(());
        }
        let refusal = Some(views::refusal(error.code(), vec![error.to_string()], turn.machine.role()));
        let held = match &mut turn.data {
            Data::Deal(deal) => &mut deal.refusal,
            Data::Haul(haul) => &mut haul.refusal,
        };
        if *held != refusal {
            *held = refusal;
            turn.commit().await?;
        }
        Ok(())
    }

    /// Removes what an unfinished fetch left, once nothing works in it; unless the folder was taken up again.
    pub(super) async fn tidy(
        &self,
        out: &Path,
        root: naru_protocol::encoding::Digest,
    ) -> Result<(), NodeError> {
        const TRIES: u32 = 12;
        for tries in 0..TRIES {
            let outs = self.outs.lock().await;
            if self.outs().await?.iter().any(|(_, other)| other == out) {
                return Ok(());
            }
            let place = out.to_owned();
            let done = tokio::task::spawn_blocking(move || crate::data::part::discard(&place, &root)).await;
            drop(outs);
            match done.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))? {
                Ok(()) => return Ok(()),
                // The fetch is just ending.
                Err(error) if error.code() == Code::FolderLocked && tries + 1 < TRIES => {
                    if !self.pause(tries).await {
                        return Ok(());
                    }
                }
                Err(error) => return Err(NodeError::refused(error.code(), error.to_string())),
            }
        }
        Ok(())
    }
}

fn named(out: Option<PathBuf>) -> Result<PathBuf, NodeError> {
    out.ok_or_else(|| NodeError::refused(Code::ArgumentInvalid, "name the folder for the files with --out"))
}
