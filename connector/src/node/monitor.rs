//! The fourth phase: whether what was agreed may go on (spec chapter 05, POL-17).
//!
//! A task looks, no more often than `[monitor] every` says, whether something that decisions rest on is another than at the
//! look before: the operator's facts, packs, signed data. If so, every agreement in force is judged anew; otherwise only those
//! in which a date has passed. What comes of it is kept and logged only where it changes how an agreement stands.
//!
//! | file | what |
//! |---|---|
//! | `seen` | what decisions rest on, and the dates in an input |
//! | `standing` | what a result means for an agreement that was concluded |
//! | `view` | how that is told |
//!
//! Transfers that run are looked after where their bytes are (TRF-7.4 to TRF-7.6); here they end only with their agreement's
//! suspension. Agreements with peers that sign nothing are judged at each transfer, and not here.

mod seen;
mod standing;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use naru_protocol::{
    encoding::{Digest, Id},
    exchange::SendKind,
    log::entry::{EntryDraft, EntryType},
    terms::{Pack, Phase, Terms},
};
use serde_json::json as object;

pub(super) use self::standing::Standing;
use self::{seen::Seen, standing::Verdict};
use super::{
    Node, NodeError, Pages, now, obligations,
    peers::random_id,
    plain,
    policy::{Judged, Question, Running},
    turn::{Data, Turn, data_of},
    verbs::End,
    views::is_ended,
};
use crate::{
    config::Monitor,
    store::{Batch, ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole},
};

/// Seconds after which an agreement that could not be judged is looked at again.
const AGAIN: u64 = 60;

/// What the task keeps between two looks.
#[derive(Default)]
pub(super) struct Watch {
    /// When each agreement is judged again if nothing changes, seconds.
    due: Mutex<BTreeMap<Id, u64>>,
    /// Agreements that are new, or under which a transfer has completed.
    touched: Mutex<BTreeSet<Id>>,
    /// Agreements that do not stand as agreed.
    marked: Mutex<BTreeSet<Id>>,
    settings: OnceLock<Monitor>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn set(&self, settings: Monitor) {
        let _ = self.settings.set(settings);
    }

    fn every(&self) -> Duration {
        self.settings.get().map_or_else(|| Monitor::default().interval(), Monitor::interval)
    }

    fn ends(&self) -> bool {
        self.settings.get().is_some_and(Monitor::ends)
    }

    /// Agreements that are new with a batch, and those whose data have arrived with it.
    pub(super) fn concerned(&self, batch: &Batch) -> Vec<Id> {
        let of = |row: &ExchangeRow| match (row.kind, row.state.as_str()) {
            // Those that are not watched yet, and those under which something was reported.
            (ExchangeKind::Negotiation, "FINALIZED") => {
                let reported = || matches!(data_of(row), Ok(Data::Deal(deal)) if !deal.reported.is_empty());
                (!held(&self.due).contains_key(&row.id) || reported()).then_some(row.id)
            }
            (ExchangeKind::Transfer, "COMPLETED") => match data_of(row) {
                Ok(Data::Haul(haul)) => Some(haul.negotiation),
                Ok(Data::Deal(_)) | Err(_) => None,
            },
            (ExchangeKind::Negotiation | ExchangeKind::Transfer, _) => None,
        };
        batch.exchanges.iter().filter(|row| !plain::is_plain(&row.peer)).filter_map(of).collect()
    }

    /// They are judged at the next look; once the batch is durable.
    pub(super) fn touch(&self, agreements: Vec<Id>) {
        held(&self.touched).extend(agreements);
    }

    fn mark(&self, id: Id, stands: bool) {
        let mut marked = held(&self.marked);
        if stands {
            marked.remove(&id)
        } else {
            marked.insert(id)
        };
    }

    fn set_due(&self, id: Id, at: Option<u64>) {
        match at {
            Some(at) => held(&self.due).insert(id, at),
            None => held(&self.due).remove(&id),
        };
    }

    /// Agreements whose time has come.
    fn take_due(&self, now: u64) -> BTreeSet<Id> {
        let mut due = std::mem::take(&mut *held(&self.touched));
        due.extend(held(&self.due).iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id));
        due
    }
}

/// Looks until the node stops.
pub(super) async fn run(node: Node) {
    let mut stop = node.stop.subscribe();
    let mut before: Option<Seen> = None;
    loop {
        let seen = node.seen_now();
        let changed = before.as_ref() != Some(&seen);
        match node.monitor(changed).await {
            Ok(()) => before = Some(seen),
            Err(error) => tracing::error!(%error, "agreements in force could not be looked at"),
        }
        tokio::select! {
            () = tokio::time::sleep(node.watch.every()) => {}
            _ = stop.wait_for(|s| *s) => return,
        }
    }
}

impl Node {
    /// One look: all agreements in force, or those whose time has come.
    async fn monitor(&self, all: bool) -> Result<(), NodeError> {
        let mut due = self.watch.take_due(now());
        if all {
            due.extend(self.concluded().await?);
        }
        if due.is_empty() {
            return Ok(());
        }
        for id in due {
            if *self.stop.borrow() {
                return Ok(());
            }
            let next = match self.look_at(id).await {
                Ok(next) => next,
                // One that cannot be judged must not keep the others from it.
                Err(error) => {
                    tracing::warn!(exchange = %id, code = error.code().as_str(), %error, "an agreement could not be judged");
                    Some(now() + AGAIN)
                }
            };
            self.watch.set_due(id, next);
        }
        Ok(())
    }

    /// Signed agreements that were concluded and not ended.
    async fn concluded(&self) -> Result<Vec<Id>, NodeError> {
        let query = ExchangeQuery {
            states: vec!["FINALIZED".into()],
            kind: Some(ExchangeKind::Negotiation),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        let (mut pages, mut found) = (Pages::of(query), Vec::new());
        while let Some(rows) = pages.next(self).await? {
            let open = rows.iter().filter(|row| !plain::is_plain(&row.peer) && !is_ended(row));
            found.extend(open.map(|row| row.id));
        }
        Ok(found)
    }

    /// Judges one agreement and keeps what changed. Gives when it is to be judged again; never, where it is over.
    async fn look_at(&self, id: Id) -> Result<Option<u64>, NodeError> {
        let (next, changed) = {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            let over = turn.deal()?.in_force.is_none() || turn.machine.is_ended();
            let terms = turn.deal()?.terms.clone();
            let Some(terms) = terms.filter(|terms| !over && !seen::over(&terms.shared, now())) else {
                self.watch.mark(id, true);
                return Ok(None);
            };
            let judged = turn.judge_running(&terms).await?;
            let next = seen::next_date(&judged, self.law().packs());
            let changed = turn.stand(&terms, &judged).await?;
            self.watch.mark(id, turn.deal()?.standing.is_none());
            if changed.is_some() {
                turn.commit().await?;
            }
            (next, changed)
        };
        if let Some(verdict) = changed {
            self.tell_standing(id, &verdict).await?;
        }
        Ok(Some(next))
    }

    /// What follows, without the agreement's lock: what runs under it ends, and the agreement too where that is wanted.
    async fn tell_standing(&self, id: Id, verdict: &Verdict) -> Result<(), NodeError> {
        let Verdict::Suspended { judged, ends } = verdict else { return Ok(()) };
        let error = self.own_refusal(judged);
        self.tell_trouble(Some(id.to_string()), None, &error);
        self.end_running(id, judged).await?;
        if *ends || self.watch.ends() {
            let rules = self.peer_reasons(judged).join(", ");
            let reason = if rules.is_empty() { "no longer allowed".to_owned() } else { rules };
            self.end(End { id: id.to_string(), reason }).await?;
        }
        Ok(())
    }

    /// Transfers that were started under an agreement end with the reason that it is suspended for (TRF-7.5).
    async fn end_running(&self, negotiation: Id, judged: &Judged) -> Result<(), NodeError> {
        let query = ExchangeQuery {
            states: vec!["STARTED".into()],
            kind: Some(ExchangeKind::Transfer),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        let mut pages = Pages::of(query);
        while let Some(rows) = pages.next(self).await? {
            for row in rows.iter().filter(|row| !plain::is_plain(&row.peer)) {
                if matches!(data_of(row)?, Data::Haul(haul) if haul.negotiation == negotiation) {
                    self.end_one(row, judged).await?;
                }
            }
        }
        Ok(())
    }

    /// Asks the transfer's own law first, as where its bytes are (TRF-7.4): what that forbids, it ends. Where only the agreement is
    /// suspended, it ends here.
    async fn end_one(&self, row: &ExchangeRow, judged: &Judged) -> Result<(), NodeError> {
        let asked = match row.role {
            OurRole::Provider => {
                let _lock = self.locks.one(row.id).await;
                self.permitted(row.id, &row.our_pid).await.map(|_| ())
            }
            OurRole::Consumer => self.may_receive(row.id).await.map(|_| ()),
        };
        if asked.is_ok() {
            let _lock = self.locks.one(row.id).await;
            let mut turn = self.turn(row.id).await?;
            turn.stop_serving();
            let act = SendKind::TransferTerminate.kind();
            let open = turn.machine.allows(turn.machine.role(), act) && turn.machine.pending().is_none();
            // One that is received is complete but for its last words.
            if open && !turn.machine.is_received() {
                turn.forbid_transfer(judged.code(), self.peer_reasons(judged), judged.row.digest)?;
                turn.commit().await?;
            }
        }
        self.receiving.halt(row.id);
        Ok(())
    }

    /// POL-17.4: whether a transfer may begin under the agreement of this turn, whose lock the caller holds. One that stands
    /// suspended is judged again on the spot, so that what was mended a moment ago is not waited for; gives what stands
    /// against it. A change is in the turn, for the caller to commit.
    pub(super) async fn suspended(&self, turn: &mut Turn) -> Result<Option<Judged>, NodeError> {
        if !turn.deal()?.standing.as_ref().is_some_and(|standing| standing.suspended) {
            return Ok(None);
        }
        let Some(terms) = turn.deal()?.terms.clone() else { return Ok(None) };
        let judged = turn.judge_running(&terms).await?;
        turn.stand(&terms, &judged).await?;
        let still = turn.deal()?.standing.as_ref().is_some_and(|standing| standing.suspended);
        Ok(still.then_some(judged))
    }
}

impl Turn {
    /// Asks the packs about an agreement in force: the newest law over the pinned terms.
    async fn judge_running(&mut self, terms: &Terms) -> Result<Judged, NodeError> {
        // What was done under it: when its data came, what was deleted of them and passed on (POL-17.2).
        let mut performed = obligations::performed(self.deal()?);
        performed["occurrence"] = object!(self.deal()?.started.max(1));
        let consumer = terms.consumer.did.to_string();
        let countries: Vec<String> = terms.lanes.iter().map(ToString::to_string).collect();
        let countries: Vec<&str> = countries.iter().map(String::as_str).collect();
        let question = Question {
            phase: Phase::Monitor,
            role: self.machine.role(),
            shared: &terms.shared,
            consumer: &consumer,
            countries: &countries,
            transfer: None,
            exchange: Some(self.row.id),
        };
        let running = Running { pinned: &terms.packs, performed: Some(performed) };
        self.node.judge_running(&question, running).await
    }

    /// Notes how the agreement stands now; nothing, where that is as before.
    async fn stand(&mut self, terms: &Terms, judged: &Judged) -> Result<Option<Verdict>, NodeError> {
        let concluded = match self.deal()?.ours.as_ref().map(|own| own.record) {
            Some(record) => self.node.store.evaluation(record).await?,
            None => None,
        };
        let verdict = standing::verdict(&self.node.law(), terms, concluded.as_ref(), judged);
        let before = self.deal()?.standing.clone();
        let after = verdict.standing(self.at);
        if before.as_ref().map(Standing::said) == after.as_ref().map(Standing::said) {
            return Ok(None);
        }
        // Since when it is suspended does not change with the reasons.
        let since =
            before.as_ref().filter(|was| after.as_ref().is_some_and(|is| is.suspended == was.suspended));
        let since = since.map_or(self.at, |was| was.since);
        let after = after.map(|standing| Standing { since, ..standing });
        let word = after.as_ref().map_or("in_force", Standing::word);
        tracing::warn!(exchange = %self.row.id, state = word, "the law says otherwise of an agreement in force");
        self.note_standing(word, terms.packs.clone(), judged)?;
        self.deal()?.standing = after;
        self.batch.evaluations.push(judged.row.clone());
        Ok(Some(verdict))
    }

    /// The entry of a change (POL-17.6): the record names the packs that judged, `pinned` those of the terms.
    fn note_standing(&mut self, word: &str, pinned: Vec<Pack>, judged: &Judged) -> Result<(), NodeError> {
        let mut entry = EntryDraft::own(EntryType::Monitor, random_id()?, self.at);
        entry.exchange = Some(self.row.id);
        let agreement: Option<Digest> = self.deal()?.in_force;
        let fields = vec![
            ("agreement", object!(agreement)),
            ("decision", object!(judged.row.digest)),
            ("pinned", object!(pinned)),
            ("standing", object!(word)),
        ];
        self.note_own(entry, fields);
        Ok(())
    }
}
