//! Which exchange a request has begun already: the same dataset of the same peer, for the same purpose and places, into the
//! same folder. Asking again then goes on with it; nothing is signed twice for one wish.
//!
//! Reads only. A deal that was refused or ended is not under way, nor is a transfer that ended without its data: asking again
//! makes a new deal. Data that have arrived are still there for as long as their folder holds anything.

use std::{collections::BTreeSet, path::Path};

use naru_protocol::encoding::Id;
use serde_json::Value;

use super::{
    Node, NodeError, Pages,
    contact::OPEN,
    plain,
    turn::{Data, data_of},
    verbs::{ExchangeView, Propose},
    views,
};
use crate::store::{ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole};

/// What a deal of ours wants, as far as asking again compares it.
pub(super) struct Wish {
    pub(super) dataset: String,
    pub(super) purpose: Option<String>,
    pub(super) countries: Vec<String>,
    pub(super) out: Option<std::path::PathBuf>,
    /// The transfer under it, if there is one.
    pub(super) transfer: Option<Id>,
    /// The operator wants it ended.
    pub(super) cancelled: bool,
}

impl Wish {
    fn is(&self, ask: &Propose, countries: &BTreeSet<&str>) -> bool {
        !self.cancelled
            && self.dataset == ask.dataset
            && self.purpose.as_deref() == Some(ask.purpose.as_str())
            && self.out == ask.out
            && self.countries.iter().map(String::as_str).collect::<BTreeSet<_>>() == *countries
    }
}

/// What a negotiation of ours as consumer wants.
fn wish_of(row: &ExchangeRow) -> Result<Option<Wish>, NodeError> {
    if row.role != OurRole::Consumer {
        return Ok(None);
    }
    if plain::is_plain(&row.peer) {
        return plain::wish_of(row);
    }
    let Data::Deal(deal) = data_of(row)? else { return Ok(None) };
    let Some(terms) = &deal.terms else { return Ok(None) };
    let said = |pointer: &str| terms.shared.pointer(pointer);
    let countries = said("/destination/storage_countries").and_then(Value::as_array).into_iter().flatten();
    Ok(Some(Wish {
        purpose: said("/transfer/purpose").and_then(Value::as_str).map(str::to_owned),
        countries: countries.filter_map(Value::as_str).map(str::to_owned).collect(),
        dataset: deal.dataset,
        out: deal.out,
        transfer: deal.transfer,
        cancelled: deal.cancel.is_some(),
    }))
}

/// Refused before it began: it is in no state, and nothing is on its way.
fn is_void(row: &ExchangeRow) -> bool {
    row.state == "NONE" && row.waits_for.is_none()
}

/// Whether a folder holds anything.
fn holds(out: Option<&Path>) -> bool {
    out.and_then(|out| std::fs::read_dir(out).ok()).is_some_and(|mut names| names.next().is_some())
}

impl Node {
    /// The exchange that goes on with a request: its negotiation, or its transfer once there is one; null if there is none.
    pub async fn underway(&self, ask: Propose) -> Result<Option<ExchangeView>, NodeError> {
        let peer = self.id_of(&ask.peer).await?;
        let own = self.me.participant.country.to_string();
        let countries = match ask.countries.is_empty() {
            true => BTreeSet::from([own.as_str()]),
            false => ask.countries.iter().map(String::as_str).collect(),
        };
        let states = ["NONE", "FINALIZED"].into_iter().chain(OPEN).map(str::to_owned).collect();
        let query = ExchangeQuery {
            kind: Some(ExchangeKind::Negotiation),
            peer: Some(peer),
            states,
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        let mut pages = Pages::of(query);
        while let Some(rows) = pages.next(self).await? {
            for row in rows {
                let Some(wish) = wish_of(&row)?.filter(|wish| wish.is(&ask, &countries)) else { continue };
                if let Some(id) = self.goes_on_with(&row, &wish).await? {
                    return self.exchange_view(id).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// What of a deal is still to come or has come.
    async fn goes_on_with(&self, row: &ExchangeRow, wish: &Wish) -> Result<Option<Id>, NodeError> {
        if row.state != "FINALIZED" {
            return Ok((!is_void(row)).then_some(row.id));
        }
        let Some(transfer) = wish.transfer else {
            return Ok((!views::is_ended(row)).then_some(row.id));
        };
        let Some(transfer) = self.store.exchange(transfer).await? else { return Ok(None) };
        Ok(match transfer.state.as_str() {
            "TERMINATED" => None,
            "COMPLETED" => holds(wish.out.as_deref()).then_some(transfer.id),
            _ if is_void(&transfer) || views::is_ended(row) => None,
            _ => Some(transfer.id),
        })
    }
}
