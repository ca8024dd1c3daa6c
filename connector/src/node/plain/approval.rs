//! A person decides about a deal with a partner that signs nothing (spec chapter 13, PLN-5.5): the same wait as in
//! `node/approval`. No decision of ours is signed in such a deal; who approved stands in our log alone.

use std::path::PathBuf;

use naru_protocol::{encoding::Id, error::Code, exchange::ActKind, negotiation as neg};
use serde_json::{Value, json as object};

use super::{
    negotiation::Step,
    offer,
    turn::{PlainData, PlainTurn},
};
use crate::{
    node::{
        Node, NodeError,
        approval::{Approved, Held, by_us, facts_fit, item, not_waiting, rejected, takes_files, too_late},
        facts,
        verbs::QueueItem,
    },
    store::ExchangeRow,
};

impl PlainTurn {
    /// Waits for a person from now on.
    pub(super) fn hold(&mut self) -> Result<(), NodeError> {
        let held = Held::new(self.at, self.node.approvals.seconds(), None);
        self.deal()?.held = Some(held);
        self.asks = true;
        Ok(())
    }

    /// Whether it waits for a person, and one may still decide.
    fn held(&mut self) -> Result<Held, NodeError> {
        let open = self.machine.state().is_some_and(|state| !state.is_final());
        let free = self.machine.pending().is_none();
        let state = self.row.state.clone();
        let deal = self.deal()?;
        let none = not_waiting(&state, deal.approved.as_ref());
        deal.held.filter(|_| open && free).ok_or(none)
    }

    /// What the entry of our next message says of the person.
    pub(super) fn approval_field(&mut self) -> Result<Option<(&'static str, Value)>, NodeError> {
        Ok(self.deal()?.approved.as_ref().map(Approved::field))
    }

    /// Refuses what waited longer than it may; whether it did.
    fn expire(&mut self) -> Result<bool, NodeError> {
        let PlainData::Deal(_) = &self.data else { return Ok(false) };
        let at = self.at;
        if !self.held().is_ok_and(|held| held.is_over(at)) {
            return Ok(false);
        }
        self.refuse(Code::ApprovalExpired, Vec::new(), Vec::new())?;
        Ok(true)
    }

    fn refuse(
        &mut self,
        code: Code,
        reasons: Vec<String>,
        fields: Vec<(&'static str, Value)>,
    ) -> Result<(), NodeError> {
        self.end(code, reasons.clone(), fields, 0)?;
        let deal = self.deal()?;
        (deal.held, deal.refusal) = (None, Some(by_us(code, reasons)));
        Ok(())
    }
}

impl Node {
    /// Under the exchange's lock: refuses what waited longer than it may.
    pub(in crate::node) async fn expire_plain(&self, id: Id) -> Result<(), NodeError> {
        let mut turn = self.plain_turn(id).await?;
        if turn.expire()? {
            turn.commit().await?;
        }
        Ok(())
    }

    pub(in crate::node) async fn approve_plain(
        &self,
        id: Id,
        approved: Approved,
        out: Option<PathBuf>,
        facts: Option<Value>,
    ) -> Result<(), NodeError> {
        facts_fit(facts.as_ref())?;
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        turn.held()?;
        if turn.expire()? {
            turn.commit().await?;
            return Err(too_late());
        }
        if let Some(out) = out {
            takes_files(turn.machine.role())?;
            self.check_out(&out, None, &[id], None).await?;
            turn.deal()?.out = Some(out);
        }
        if facts.is_some() {
            // Of our own data the listing says what they are.
            takes_files(turn.machine.role())?;
            turn.deal()?.facts = facts;
        }
        let deal = turn.deal()?;
        (deal.held, deal.approved) = (None, Some(approved));
        let offered = turn.machine.may_send(ActKind::Negotiation(neg::ActKind::Accept));
        turn.take(if offered { Step::Accept } else { Step::Agree }, 0).await?;
        turn.commit().await?;
        Ok(())
    }

    pub(in crate::node) async fn reject_plain(
        &self,
        id: Id,
        by: &str,
        reason: String,
    ) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        turn.held()?;
        let fields = vec![rejected(by, turn.at)];
        turn.refuse(Code::Rejected, vec![reason], fields)?;
        turn.commit().await?;
        Ok(())
    }

    /// What waits, as the person sees it.
    pub(in crate::node) async fn queued_plain(
        &self,
        row: ExchangeRow,
    ) -> Result<Option<QueueItem>, NodeError> {
        let mut turn = PlainTurn::load(self, row)?;
        let alias = turn.peer.row.alias.clone();
        let (row, deal) = (turn.row.clone(), turn.deal()?.clone());
        let Some(held) = deal.held else { return Ok(None) };
        let mut item = item(&row, alias, held);
        item.unsigned = true;
        item.dataset = deal.dataset;
        if !deal.listing.is_empty() {
            let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&deal.listing)?;
            item.title = object!(listing.claims().title);
        }
        let offered = facts::offered_by_plain(&offer::rules(&deal.offer));
        item.terms = offered.map_or_else(Value::from, |terms| object!(terms));
        (item.purpose, item.countries) = (deal.purpose, deal.countries);
        item.decision = match self.newest_decision(row.id).await? {
            Some(decision) => decision,
            None => match turn.judged_now().await {
                Ok(judged) => self.explain(&judged).unwrap_or_default(),
                Err(error) => object!({"code": error.code().as_str(), "message": error.to_string()}),
            },
        };
        Ok(Some(item))
    }
}

impl PlainTurn {
    /// What policy says now, for a view alone.
    async fn judged_now(&mut self) -> Result<crate::store::EvaluationRow, NodeError> {
        let shared = self.shared().await?;
        Ok(self.judge(&shared, None).await?.row)
    }
}
