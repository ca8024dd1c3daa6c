//! What has become of the duties of agreements (spec chapter 08b): who owes what until when, what was attested, and what that
//! means for new deals.
//!
//! Nothing is kept that could be reckoned: terms, receipts and reports stand with the deal, in the commit of the act that brought
//! them, and rows are made of them by [`naru_protocol::obligation`] whenever they are looked at. What is kept in memory is an
//! index of what is still to be done, made anew at each start.
//!
//! | file | what |
//! |---|---|
//! | `reports` | the act: signing one, taking one |
//! | `deletion`, `held` | deleting what was delivered; the files themselves |
//! | `view` | what people ask and see |
//!
//! Agreements with peers that sign nothing have no duties of this kind: their terms list them for the own node alone.

mod deletion;
mod held;
mod reports;
mod view;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    exchange::other,
    identity::Role,
    limits,
    obligation::{Course, Row, Standing, Taken, deletes},
    report::{Report, ReportKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Node, NodeError, Pages, now, plain,
    turn::{Data, Turn, data_of},
};
use crate::store::{ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole};

/// How long before its deadline a node deletes by itself, seconds.
const BY_ITSELF: u64 = 3600;

/// A transfer whose data receipt was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arrived {
    pub(super) transfer: Id,
    /// The receipt's time, which both sides have.
    pub(super) at: u64,
    /// Ours is the copy, and it was deleted, as far as anybody knows.
    #[serde(default)]
    pub(super) deleted: bool,
}

/// A report that was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reported {
    pub(super) act: Digest,
    pub(super) by: Role,
    pub(super) report: Report,
    /// The code of a refusal: it was signed, and counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// One duty that somebody still has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// From when on it is due.
    from: u64,
    deadline: Option<u64>,
    /// We owe it.
    ours: bool,
    /// It is done by deleting.
    deletes: bool,
}

impl Owed {
    fn is_overdue(&self, now: u64) -> bool {
        self.deadline.is_some_and(|deadline| now > deadline)
    }

    /// From when on a node that may delete by itself does.
    fn by_itself(&self) -> Option<u64> {
        let deadline = self.deadline.filter(|_| self.ours && self.deletes)?;
        Some(deadline.saturating_sub(BY_ITSELF).max(self.from))
    }
}

/// What an exchange has come to, for the index.
pub(super) type Learnt = Vec<(String, Id, Vec<Owed>)>;

/// What is still to be done, by peer and negotiation.
#[derive(Debug, Default)]
pub(super) struct Owing(Mutex<BTreeMap<String, BTreeMap<Id, Vec<Owed>>>>);

impl Owing {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<Id, Vec<Owed>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is known of these negotiations.
    pub(super) fn learn(&self, learnt: Learnt) {
        let mut all = self.lock();
        for (peer, id, owed) in learnt {
            let of_peer = all.entry(peer).or_default();
            if owed.is_empty() {
                of_peer.remove(&id);
            } else {
                of_peer.insert(id, owed);
            }
        }
    }

    /// A negotiation with a peer one of whose duties is overdue, and whether we owe it.
    fn overdue(&self, peer: &str, now: u64) -> Option<(Id, bool)> {
        let all = self.lock();
        let of_peer = all.get(peer)?.iter();
        of_peer.filter_map(|(id, owed)| Some((*id, owed.iter().find(|o| o.is_overdue(now))?.ours))).next()
    }

    /// Negotiations with something that a condition holds for.
    fn find(&self, holds: impl Fn(&Owed) -> bool) -> Vec<Id> {
        let all = self.lock();
        let ids = all.values().flatten().filter(|(_, owed)| owed.iter().any(&holds));
        ids.map(|(id, _)| *id).collect()
    }

    /// How many are due and not overdue, of ours and of others, and how many overdue of each.
    fn count(&self, now: u64) -> [u32; 4] {
        let mut counts = [0; 4];
        for owed in self.lock().values().flat_map(BTreeMap::values).flatten().filter(|o| o.from <= now) {
            counts[usize::from(!owed.ours) + 2 * usize::from(owed.is_overdue(now))] += 1;
        }
        counts
    }
}

/// Looks at the duties of a concluded deal; none before it is in force.
pub(super) fn look<T>(deal: &super::deal::Deal, at: u64, seen: impl FnOnce(&[Row<'_>]) -> T) -> Option<T> {
    let terms = deal.terms.as_ref().filter(|_| deal.in_force.is_some())?;
    let counted = deal.reported.iter().filter(|reported| reported.refused.is_none());
    let reports: Vec<_> = counted.map(|r| Taken { act: r.act, by: r.by, report: &r.report }).collect();
    let completed: Vec<_> = deal.arrived.iter().map(|arrived| (arrived.transfer, arrived.at)).collect();
    let until = terms.shared.pointer("/contract/valid_to").and_then(Value::as_u64);
    let term_end = until.into_iter().chain(deal.over).min();
    let course = Course { agreed: terms.drafted(), term_end, completed: &completed, reports: &reports };
    Some(seen(&course.rows(&terms.obligations, at)))
}

/// From when on a duty is due: the same as OBL-1.3, asked the other way round.
fn due_from(row: &Row<'_>) -> Option<u64> {
    let since = row.since?;
    Some(match row.deadline {
        Some(deadline) if deadline - since > limits::OBLIGATION_SHORT_SECONDS => {
            deadline.saturating_sub(limits::OBLIGATION_DUE_SECONDS)
        }
        Some(_) | None => since,
    })
}

fn owed(deal: &super::deal::Deal, role: Role) -> Vec<Owed> {
    let still = |row: &Row<'_>| {
        let to_do = row.is_done_once() && row.standing != Standing::Fulfilled;
        let from = due_from(row).filter(|_| to_do)?;
        let (ours, deletes) = (row.obligation.on == role, deletes(&row.obligation.duty));
        Some(Owed { from, deadline: row.deadline, ours, deletes })
    };
    look(deal, now(), |rows| rows.iter().filter_map(still).collect()).unwrap_or_default()
}

impl Turn {
    /// What is still to be done in what this turn makes durable.
    pub(super) fn owed(&self) -> Learnt {
        let mut learnt: Learnt = self.beside.iter().flat_map(Self::owed).collect();
        if let Data::Deal(deal) = &self.data
            && deal.in_force.is_some()
        {
            learnt.push((self.row.peer.clone(), self.row.id, owed(deal, self.machine.role())));
        }
        learnt
    }

    /// The data of this transfer are there: the deal notes it, in the same commit. The caller holds the deal's lock too.
    pub(super) async fn has_arrived(&mut self, at: u64) -> Result<(), NodeError> {
        let (negotiation, transfer) = (self.haul()?.negotiation, self.row.id);
        let mut deal_turn = self.node.turn(negotiation).await?;
        let arrived = &mut deal_turn.deal()?.arrived;
        if arrived.iter().all(|known| known.transfer != transfer) {
            arrived.push(Arrived { transfer, at, deleted: false });
            self.beside.push(deal_turn);
        }
        Ok(())
    }
}

impl Node {
    /// Refuses a new deal with a peer while a duty between the two is overdue (OBL-5.1).
    pub(super) fn nothing_overdue(&self, peer: &str) -> Result<(), NodeError> {
        let Some((id, ours)) = self.owing.overdue(peer, now()) else { return Ok(()) };
        let whose = if ours { "this node owes it" } else { "the peer owes it" };
        let why = format!("a duty of deal {id} is overdue, and {whose}: `naru obligations {id}`");
        Err(NodeError::refused(Code::ObligationOverdue, why))
    }

    /// At a start: what is still to be done, and reports that were not signed when the process ended.
    pub(super) async fn resume_obligations(&self) -> Result<(), NodeError> {
        for id in self.reckon_all().await? {
            super::after::After::Report(id).spawn(self);
        }
        Ok(())
    }

    /// Makes the index anew; gives the deals with a report that is not signed or not answered yet.
    pub(super) async fn reckon_all(&self) -> Result<Vec<Id>, NodeError> {
        let (mut pages, mut unsigned) = (Pages::of(concluded()), Vec::new());
        while let Some(rows) = pages.next(self).await? {
            for row in rows.iter().filter(|row| !plain::is_plain(&row.peer)) {
                match data_of(row) {
                    Ok(Data::Deal(deal)) => {
                        let owed = owed(&deal, role(row));
                        self.owing.learn(vec![(row.peer.clone(), row.id, owed)]);
                        unsigned.extend((!deal.to_report.is_empty()).then_some(row.id));
                    }
                    Ok(Data::Haul(_)) => {}
                    // As everywhere at a start: one that cannot be read must not keep the node from starting.
                    Err(error) => {
                        tracing::error!(exchange = %row.id, %error, "its duties cannot be read");
                    }
                }
            }
        }
        Ok(unsigned)
    }

    /// What was done under an agreement, as the monitor is told it; `{}` where there is no such agreement.
    pub async fn performed(&self, agreement: Digest) -> Result<Value, NodeError> {
        let Some(made) = self.store.agreement(agreement).await? else { return Ok(json!({})) };
        let Some(row) = self.store.exchange(made.exchange).await? else { return Ok(json!({})) };
        if plain::is_plain(&row.peer) {
            return Ok(json!({}));
        }
        let Data::Deal(deal) = data_of(&row)? else { return Ok(json!({})) };
        Ok(performed(&deal))
    }

    /// Looks after what is due: signs what waits, and deletes where the operator lets it.
    pub(super) async fn do_what_is_due(&self) -> Result<(), NodeError> {
        self.delete_by_itself().await
    }
}

/// How many duties of a deal are due, and overdue.
pub(super) fn counted(deal: &super::deal::Deal) -> (u32, u32) {
    let count = |rows: &[Row<'_>]| {
        let of = |standing| rows.iter().filter(|row| row.standing == standing).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (number(of(Standing::Due)), number(of(Standing::Violated)))
    };
    look(deal, now(), count).unwrap_or_default()
}

/// What was done under an agreement, as the host part of the input has it at `monitor` (POL-1): when the data came, when
/// their deletion was attested, and to whom they were passed on. Of several transfers the first counts whose data were not
/// deleted since.
pub(super) fn performed(deal: &super::deal::Deal) -> Value {
    let counted = || deal.reported.iter().filter(|reported| reported.refused.is_none());
    let of_consumer = || counted().filter(|reported| reported.by == Role::Consumer);
    let deletion = |report: &Report| {
        let whole = report.deletion.is_none_or(|d| d.unknown == 0 || !report.text.trim().is_empty());
        let named = report.obligation.as_ref().is_some_and(|obligation| deletes(&obligation.duty));
        whole && (report.kind == ReportKind::Deletion || named)
    };
    let deleted = of_consumer().filter(|r| deletion(&r.report)).map(|r| r.report.at).max().unwrap_or(0);
    let mut arrived: Vec<u64> = deal.arrived.iter().map(|arrived| arrived.at).collect();
    arrived.sort_unstable();
    let left = arrived.iter().find(|at| **at > deleted).or(arrived.last());
    let onward: Vec<Value> = of_consumer()
        .filter_map(|r| r.report.onward.as_ref())
        .map(|onward| json!({"country": onward.country.to_string(), "flow_down": onward.flow_down}))
        .collect();
    json!({"completed_at": left.copied().unwrap_or(0), "deletion_confirmed_at": deleted, "onward_events": onward})
}

/// Deals that were concluded, and may have duties.
fn concluded() -> ExchangeQuery {
    ExchangeQuery {
        states: vec!["FINALIZED".to_owned()],
        kind: Some(ExchangeKind::Negotiation),
        limit: MAX_ROWS,
        ..ExchangeQuery::default()
    }
}

pub(super) const fn role(row: &ExchangeRow) -> Role {
    match row.role {
        OurRole::Provider => Role::Provider,
        OurRole::Consumer => Role::Consumer,
    }
}

/// Whose a report is that came in.
const fn theirs(role: Role) -> Role {
    other(role)
}
