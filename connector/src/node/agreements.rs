//! Agreements as people see them: what was concluded, under which terms, and how much of it was used (spec chapter 06).
//!
//! Read from negotiations; a negotiation that came to no agreement is not among them.

use std::collections::HashMap;

use naru_protocol::encoding::Id;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Node, NodeError, Pages, now, plain,
    turn::{Data, data_of},
    verbs::AgreementView,
    views::is_ended,
};
use crate::store::{ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS};

/// Largest number of transfers that terms state; it is how they say that there is no limit (POL-10.3).
const UNLIMITED: u64 = (1 << 53) - 1;

/// The state of one under which transfers may begin.
const IN_FORCE: &str = "in force";
/// That of one under which none may, for as long as the law says so.
const SUSPENDED: &str = "suspended";

impl Node {
    /// All agreements, newest change first.
    pub async fn agreements(&self) -> Result<Vec<AgreementView>, NodeError> {
        let kind = Some(ExchangeKind::Negotiation);
        let query = ExchangeQuery { kind, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let transfers = self.newest_transfers().await?;
        let (mut pages, mut views) = (Pages::of(query), Vec::new());
        while let Some(rows) = pages.next(self).await? {
            for row in &rows {
                let view = match plain::is_plain(&row.peer) {
                    true => self.plain_agreement(row).await?,
                    false => self.agreement(row).await?,
                };
                let transfer = transfers.get(&row.id).map(ToString::to_string);
                views.extend(view.map(|view| AgreementView { transfer, ..view }));
            }
        }
        Ok(views)
    }

    /// The transfer that changed last under each negotiation; a provider's row does not name it.
    async fn newest_transfers(&self) -> Result<HashMap<Id, Id>, NodeError> {
        #[derive(Deserialize)]
        struct Under {
            negotiation: Id,
        }
        let kind = Some(ExchangeKind::Transfer);
        let query = ExchangeQuery { kind, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let (mut pages, mut found) = (Pages::of(query), HashMap::new());
        while let Some(rows) = pages.next(self).await? {
            for row in &rows {
                if let Ok(Under { negotiation }) = serde_json::from_str(&row.data) {
                    found.entry(negotiation).or_insert(row.id);
                }
            }
        }
        Ok(found)
    }

    async fn agreement(&self, row: &ExchangeRow) -> Result<Option<AgreementView>, NodeError> {
        let (Data::Deal(deal), Some(made)) = (data_of(row)?, self.store.agreement_of(row.id).await?) else {
            return Ok(None);
        };
        let shared = deal.terms.as_ref().map(|terms| terms.shared.clone()).unwrap_or_default();
        let mut view = said(&shared);
        view.state = state(deal.in_force.is_some(), is_ended(row), view.valid_to);
        if view.state == IN_FORCE {
            view.standing = self.standing_of(row, &deal).await?;
        }
        if view.standing.as_ref().is_some_and(|standing| standing.standing == SUSPENDED) {
            SUSPENDED.clone_into(&mut view.state);
        }
        view.agreement = made.digest.to_string();
        view.transfers = deal.started;
        (view.due, view.overdue) = super::obligations::counted(&deal);
        view.dataset = deal.dataset;
        Ok(Some(self.about(row, view).await?))
    }

    /// What is told of any agreement: whose, and in which negotiation.
    pub(super) async fn about(
        &self,
        row: &ExchangeRow,
        mut view: AgreementView,
    ) -> Result<AgreementView, NodeError> {
        view.exchange = row.id.to_string();
        view.role = row.role.to_string();
        view.peer = self.store.peer(&row.peer).await?.map_or_else(|| row.peer.clone(), |peer| peer.alias);
        Ok(view)
    }
}

/// Where it stands, in words.
pub(super) fn state(in_force: bool, ended: bool, valid_to: Option<u64>) -> String {
    let over = valid_to.is_some_and(|end| end <= now());
    match (in_force, ended, over) {
        (_, true, _) => "ended",
        (false, false, _) => "signed, not concluded",
        (true, false, true) => "over",
        (true, false, false) => IN_FORCE,
    }
    .to_owned()
}

/// What the shared document of the terms says.
pub(super) fn said(shared: &Value) -> AgreementView {
    let number = |pointer: &str| shared.pointer(pointer).and_then(Value::as_u64);
    let countries = shared.pointer("/contract/allowed_countries").and_then(Value::as_array);
    let countries = countries.into_iter().flatten().filter_map(Value::as_str);
    AgreementView {
        agreement: String::new(),
        exchange: String::new(),
        role: String::new(),
        peer: String::new(),
        unsigned: false,
        state: String::new(),
        standing: None,
        dataset: String::new(),
        purpose: shared.pointer("/transfer/purpose").and_then(Value::as_str).map(str::to_owned),
        countries: countries.map(str::to_owned).collect(),
        retention_days: number("/contract/retention_days"),
        valid_to: number("/contract/valid_to"),
        transfers: 0,
        max_transfers: number("/contract/max_transfers").filter(|max| *max != UNLIMITED),
        transfer: None,
        due: 0,
        overdue: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_are_told_as_they_bind() {
        let contract = serde_json::json!({"allowed_countries": ["SG"], "retention_days": 365, "valid_to": 2,
            "max_transfers": UNLIMITED});
        let view = said(&serde_json::json!({"contract": contract, "transfer": {"purpose": "research"}}));
        assert_eq!((view.purpose.as_deref(), view.max_transfers), (Some("research"), None));
        assert_eq!((view.countries, view.retention_days), (vec!["SG".to_owned()], Some(365)));
        let later = Some(now() + 100);
        for (in_force, ended, until, word) in [
            (true, false, later, "in force"),
            (true, false, Some(2), "over"),
            (true, true, later, "ended"),
            (false, false, later, "signed, not concluded"),
        ] {
            assert_eq!(state(in_force, ended, until), word);
        }
    }
}
