//! Duties as people see them, and a person's word that one was done (spec chapter 08b).

use std::collections::BTreeSet;

use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    identity::{Country, Role},
    obligation::{Row, Standing, deletes},
    report::{Onward, ReportKind},
    terms::Obligation,
};

use super::{concluded, look, reports::Said, role};
use crate::{
    node::{
        Node, NodeError, Pages,
        after::After,
        now,
        steer::reason_fits,
        turn::{Data, data_of},
        verbs::{Happening, ObligationView, Obligations, Owing as Counts, Passed, Report, ReportedView},
    },
    store::ExchangeRow,
};

/// Events that people tell of; others are those of the duties of the terms.
const EVENTS: [&str; 3] = ["breach", "request", "purpose_end"];
/// Duties of a status.
const SHOWN: usize = 100;

fn argument(why: impl Into<String>) -> NodeError {
    NodeError::refused(Code::ArgumentInvalid, why)
}

impl Node {
    /// The negotiation that a person names: by its id, by a transfer under it, or by the agreement's digest.
    pub(super) async fn deal_named(&self, name: &str) -> Result<Id, NodeError> {
        let unknown = || NodeError::refused(Code::NotFound, format!("no agreement {name:?} here"));
        let row = self.store.exchange(self.exchange_named(name).await?).await?.ok_or_else(unknown)?;
        if crate::node::plain::is_plain(&row.peer) {
            let why = "with a partner that signs nothing, duties are between you and it";
            return Err(NodeError::refused(Code::IllegalState, why));
        }
        Ok(match data_of(&row)? {
            Data::Deal(_) => row.id,
            Data::Haul(haul) => haul.negotiation,
        })
    }

    /// The duties of one agreement, or of all.
    pub async fn obligations(&self, ask: Obligations) -> Result<Vec<ObligationView>, NodeError> {
        if let Some(name) = &ask.agreement {
            let row = self.store.exchange(self.deal_named(name).await?).await?;
            let row = row.filter(|row| !crate::node::plain::is_plain(&row.peer));
            return match row {
                Some(row) => self.views(&row).await,
                None => Ok(Vec::new()),
            };
        }
        let (mut pages, mut views) = (Pages::of(concluded()), Vec::new());
        while let Some(rows) = pages.next(self).await? {
            for row in rows.iter().filter(|row| !crate::node::plain::is_plain(&row.peer)) {
                match self.views(row).await {
                    Ok(found) => views.extend(found),
                    // One that cannot be read must not hide the others.
                    Err(error) => {
                        tracing::error!(exchange = %row.id, %error, "its duties cannot be read");
                    }
                }
            }
        }
        Ok(views)
    }

    async fn views(&self, row: &ExchangeRow) -> Result<Vec<ObligationView>, NodeError> {
        let Data::Deal(deal) = data_of(row)? else { return Ok(Vec::new()) };
        let peer = self.store.peer(&row.peer).await?.map_or_else(|| row.peer.clone(), |peer| peer.alias);
        let agreement = deal.in_force.map(|digest| digest.to_string()).unwrap_or_default();
        let ours = role(row);
        let listed = deal.terms.as_ref().map_or(&[][..], |terms| &terms.obligations);
        let view = |found: &Row<'_>| ObligationView {
            agreement: agreement.clone(),
            exchange: row.id.to_string(),
            peer: peer.clone(),
            dataset: deal.dataset.clone(),
            id: found.obligation.id.clone(),
            duty: found.obligation.duty.clone(),
            on: match found.obligation.on {
                Role::Provider => "provider".to_owned(),
                Role::Consumer => "consumer".to_owned(),
            },
            ours: found.obligation.on == ours,
            after: found.obligation.after.clone(),
            transfer: found.transfer.map(|id| id.to_string()),
            since: found.since,
            deadline: found.deadline,
            state: found.standing.as_str().to_owned(),
            lasts: !found.is_done_once(),
            evidence: found.evidence.map(|(act, _)| act.to_string()),
            fulfilled_at: found.evidence.map(|(_, at)| at),
            late: found.is_late(),
            steps: self.at_folder(steps(&row.id, found, ours, listed)),
        };
        Ok(look(&deal, now(), |rows| rows.iter().map(view).collect()).unwrap_or_default())
    }

    /// What is due or overdue, for a status: how much, and the duties themselves, what is ours first.
    pub(in crate::node) async fn owed_now(&self) -> Result<(Counts, Vec<ObligationView>), NodeError> {
        let at = now();
        let [due, due_of_peers, overdue, overdue_of_peers] = self.owing.count(at);
        let counts = Counts { due, overdue, due_of_peers, overdue_of_peers };
        let mut views = Vec::new();
        for id in self.owing.find(|owed| owed.from <= at).into_iter().take(SHOWN) {
            if let Some(row) = self.store.exchange(id).await? {
                views.extend(self.views(&row).await?.into_iter().filter(is_owed));
            }
        }
        views.sort_by(|a, b| (!a.ours, a.deadline, &a.exchange).cmp(&(!b.ours, b.deadline, &b.exchange)));
        views.truncate(SHOWN);
        Ok((counts, views))
    }

    /// What a person says of a duty, as a signed act that both sides log.
    pub async fn report(&self, ask: Report) -> Result<ReportedView, NodeError> {
        let id = self.deal_named(&ask.agreement).await?;
        reason_fits(&ask.text)?;
        let evidence = ask.evidence.as_deref().map(Digest::parse).transpose();
        let evidence = evidence.map_err(|_| argument("evidence is no digest"))?;
        let onward = ask.onward.map(onward).transpose()?;
        let agreement = {
            let _lock = self.locks.one(id).await;
            let mut turn = self.turn(id).await?;
            let (ours, at) = (turn.machine.role(), turn.at);
            let deal = turn.deal()?;
            let not_in_force = || NodeError::refused(Code::NotInForce, "");
            let agreement = deal.in_force.ok_or_else(not_in_force)?;
            let obligation = match &ask.obligation {
                Some(name) => {
                    let by = (name.as_str(), ask.after.as_deref(), ask.duty.as_deref());
                    Some(look(deal, at, |rows| named(rows, by, ours)).ok_or_else(not_in_force)??)
                }
                None => None,
            };
            let kind = match (&onward, &ask.happened) {
                (Some(_), Some(_)) => return Err(argument("an onward transfer is told apart from an event")),
                (Some(_), None) => ReportKind::OnwardTransfer,
                (None, Some(_)) => ReportKind::Notice,
                (None, None) if obligation.is_some() => ReportKind::Report,
                (None, None) => ReportKind::Notice,
            };
            if let Some(Happening { event, .. }) = &ask.happened
                && !deal.terms.as_ref().is_some_and(|terms| is_event(event, &terms.obligations))
            {
                let known = EVENTS.join(", ");
                return Err(argument(format!("{event:?} is no event from which a duty runs: {known}")));
            }
            let event = ask.happened.map(|Happening { event, at: when }| (event, when.unwrap_or(at)));
            turn.queue(Said { kind, obligation, event, text: ask.text, evidence, deletion: None, onward })?;
            turn.commit().await?;
            agreement
        };
        After::Report(id).spawn(self);
        Ok(ReportedView {
            agreement: agreement.to_string(),
            exchange: id.to_string(),
            obligations: self.obligations(Obligations { agreement: Some(id.to_string()) }).await?,
        })
    }
}

/// Whether something is still to be done.
fn is_owed(view: &ObligationView) -> bool {
    view.state == Standing::Due.as_str() || view.state == Standing::Violated.as_str()
}

fn is_event(word: &str, listed: &[Obligation]) -> bool {
    EVENTS.contains(&word) || listed.iter().any(|duty| duty.after == word)
}

fn onward(passed: Passed) -> Result<Onward, NodeError> {
    let country = Country::parse(&passed.country).map_err(|_| {
        argument(format!("{:?} is no country: two capital letters, such as VN", passed.country))
    })?;
    Ok(Onward { country, flow_down: passed.flow_down, to: passed.to })
}

/// The duty of ours that a person names by its rule, and where that is not enough, by its event and by its word. Of duties that
/// differ in their time alone it is the one that is to be done first.
fn named(
    rows: &[Row<'_>],
    (rule, after, duty): (&str, Option<&str>, Option<&str>),
    ours: Role,
) -> Result<Obligation, NodeError> {
    let fits = |o: &Obligation| {
        o.id == rule
            && o.on == ours
            && after.is_none_or(|after| o.after == after)
            && duty.is_none_or(|duty| o.duty == duty)
    };
    let found: Vec<&Row<'_>> = rows.iter().filter(|row| fits(row.obligation)).collect();
    let several = |of: fn(&Obligation) -> &str| {
        let words: BTreeSet<&str> = found.iter().map(|row| of(row.obligation)).collect();
        (words.len() > 1).then(|| words.into_iter().collect::<Vec<_>>().join(", "))
    };
    if let Some(events) = several(|o| &o.after) {
        let why = format!("{rule} is owed after several events; name one with --after: {events}");
        return Err(argument(why));
    }
    if let Some(duties) = several(|o| &o.duty) {
        return Err(argument(format!("{rule} puts several duties; name one with --duty: {duties}")));
    }
    let first = found.iter().min_by_key(|row| {
        (row.standing == Standing::Fulfilled, row.deadline.unwrap_or(u64::MAX), row.obligation.within)
    });
    first.map(|row| row.obligation.clone()).ok_or_else(|| {
        argument(format!("the terms put no duty {rule:?} on this node: `naru obligations` lists them"))
    })
}

/// What the person can do, where it is theirs and not done.
fn steps(id: &Id, row: &Row<'_>, ours: Role, listed: &[Obligation]) -> Vec<String> {
    let to_do = matches!(row.standing, Standing::Due | Standing::Violated);
    if !to_do || row.obligation.on != ours {
        return Vec::new();
    }
    let Obligation { id: rule, after, duty, .. } = row.obligation;
    let alike = |o: &&Obligation| o.id == *rule && o.on == ours && o.after == *after && o.duty != *duty;
    let which = match listed.iter().find(alike) {
        Some(_) => format!(" --duty '{}'", duty.replace('\'', "'\\''")),
        None => String::new(),
    };
    let report = format!("naru report {id} --obligation {rule} --after {after}{which} --text TEXT");
    if deletes(duty) { vec![format!("naru delete {id}"), report] } else { vec![report] }
}
