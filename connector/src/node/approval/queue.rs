//! What waits for a person, as the person sees it: who wants what, for what, what our own policy says, until when.
//!
//! An offer of a peer is not judged before somebody wants it; what policy says of it now is asked for the view alone, and
//! nothing is kept of that.

use naru_protocol::{encoding::Id, listing::Listing};
use serde_json::{Value, json as object};

use super::{super::facts, Held, WAITS};
use crate::{
    node::{Node, NodeError, Pages, plain, turn::Turn, verbs::QueueItem},
    store::{ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole},
};

/// The commands by which a person decides.
pub(in crate::node) fn steps(id: &str, role: OurRole) -> Vec<String> {
    let out = match role {
        OurRole::Provider => "",
        OurRole::Consumer => " --out FOLDER",
    };
    vec![format!("naru approve {id}{out}"), format!("naru reject {id} --reason TEXT")]
}

/// The texts of a list of countries, each once.
fn places(destination: &Value) -> Vec<String> {
    let lists = ["storage_countries", "processing_countries"].map(|name| destination[name].as_array());
    let mut all: Vec<String> =
        lists.into_iter().flatten().flatten().filter_map(|code| Some(code.as_str()?.to_owned())).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What an item has whatever the peer speaks.
pub(in crate::node) fn item(row: &ExchangeRow, alias: String, held: Held) -> QueueItem {
    let wants = match row.role {
        OurRole::Provider => "request",
        OurRole::Consumer => "offer",
    };
    let id = row.id.to_string();
    QueueItem {
        steps: steps(&id, row.role),
        id,
        peer: alias,
        did: row.peer.clone(),
        unsigned: false,
        wants: wants.to_owned(),
        dataset: String::new(),
        title: Value::Null,
        purpose: None,
        countries: Vec::new(),
        terms: Value::Null,
        decision: Value::Null,
        since: held.since,
        deadline: held.until,
    }
}

impl Node {
    /// All that waits for a person, longest first.
    pub async fn queue(&self) -> Result<Vec<QueueItem>, NodeError> {
        let mut items = Vec::new();
        let mut pages = Pages::of(ExchangeQuery {
            kind: Some(ExchangeKind::Negotiation),
            waits_for: Some(WAITS.to_owned()),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        });
        while let Some(rows) = pages.next(self).await? {
            for row in rows {
                // One that cannot be read must not hide the others.
                match self.queued(row.id).await {
                    Ok(item) => items.extend(item),
                    Err(error) => tracing::error!(exchange = %row.id, %error, "what waits cannot be shown"),
                }
            }
        }
        items.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        Ok(items)
    }

    /// One thing that waits; none if it does not.
    pub(in crate::node) async fn queued(&self, id: Id) -> Result<Option<QueueItem>, NodeError> {
        let Some(row) = self.store.exchange(id).await? else { return Ok(None) };
        if row.waits_for.as_deref() != Some(WAITS) {
            return Ok(None);
        }
        if plain::is_plain(&row.peer) {
            return self.queued_plain(row).await;
        }
        let mut turn = Turn::load(self, row).await?;
        let alias = turn.peer.row.alias.clone();
        let (row, deal) = (turn.row.clone(), turn.deal()?.clone());
        let (Some(held), Some(terms)) = (deal.held, deal.terms) else { return Ok(None) };
        let mut item = item(&row, alias, held);
        item.steps = self.at_folder(item.steps);
        item.dataset = deal.dataset;
        let listing = naru_protocol::jws::peek::<Listing>(&deal.listing)?;
        let listing = listing.claims();
        item.title = object!(listing.title);
        item.terms = facts::offered(&listing.policy).map_or_else(Value::from, |terms| object!(terms));
        let said = |pointer: &str| terms.shared.pointer(pointer).and_then(Value::as_str);
        item.purpose = said("/transfer/purpose").map(str::to_owned);
        item.countries = places(&terms.shared["destination"]);
        item.decision = match self.newest_decision(row.id).await? {
            Some(decision) => decision,
            None => match turn.judge(&terms, turn.machine.role(), None).await {
                Ok(judged) => self.explain(&judged.row).unwrap_or_default(),
                Err(error) => object!({"code": error.code().as_str(), "message": error.to_string()}),
            },
        };
        Ok(Some(item))
    }
}
