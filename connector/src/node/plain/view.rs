//! Exchanges with plain peers as people see them.

use std::path::PathBuf;

use naru_protocol::{
    encoding::Id,
    error::{Code, Lang},
};
use serde_json::Value;

use super::turn::{PlainData, data_of, machine_of};
use crate::{
    node::{
        Node, NodeError, agreements,
        transfer::passes,
        underway::Wish,
        verbs::{AgreementView, ExchangeView, Trouble},
        views::unanswered_trouble,
    },
    store::{ExchangeRow, OutboxRow},
};

/// Since when an exchange waits for a person of ours, if it does.
pub(in crate::node) fn held_since(row: &ExchangeRow) -> Result<Option<u64>, NodeError> {
    Ok(match data_of(row)? {
        PlainData::Deal(deal) => deal.held.map(|held| held.since),
        PlainData::Haul(_) => None,
    })
}

/// Where the files of an exchange go.
pub(in crate::node) fn out_of(row: &ExchangeRow) -> Result<Option<PathBuf>, NodeError> {
    Ok(match data_of(row)? {
        PlainData::Deal(deal) => deal.out,
        PlainData::Haul(haul) => haul.out,
    })
}

/// What a negotiation of ours as consumer wants.
pub(in crate::node) fn wish_of(row: &ExchangeRow) -> Result<Option<Wish>, NodeError> {
    let PlainData::Deal(deal) = data_of(row)? else { return Ok(None) };
    Ok(Some(Wish {
        dataset: deal.dataset,
        purpose: deal.purpose,
        countries: deal.countries,
        out: deal.out,
        transfer: deal.transfer,
        cancelled: deal.cancel.is_some(),
    }))
}

/// The negotiation that an exchange is or rests on.
pub(in crate::node) fn negotiation_of(row: &ExchangeRow) -> Result<Id, NodeError> {
    Ok(match data_of(row)? {
        PlainData::Deal(_) => row.id,
        PlainData::Haul(haul) => haul.negotiation,
    })
}

impl Node {
    /// What a negotiation came to; none if it came to nothing.
    pub(in crate::node) async fn plain_agreement(
        &self,
        row: &ExchangeRow,
    ) -> Result<Option<AgreementView>, NodeError> {
        let PlainData::Deal(deal) = data_of(row)? else { return Ok(None) };
        let Some(agreement) = deal.agreement else { return Ok(None) };
        let mut view = agreements::said(deal.shared.as_ref().unwrap_or(&Value::Null));
        let ended = deal.in_force && machine_of(row)?.in_force().is_none();
        view.state = match deal.in_force {
            true => agreements::state(true, ended, view.valid_to),
            // Nobody signed.
            false => "not concluded".to_owned(),
        };
        view.unsigned = true;
        view.agreement = agreement.to_string();
        view.dataset = deal.dataset;
        view.transfers = deal.started;
        Ok(Some(self.about(row, view).await?))
    }

    /// Fills in what only plain exchanges know.
    pub(in crate::node) fn plain_view(
        &self,
        row: &ExchangeRow,
        mut view: ExchangeView,
        sent: Option<&OutboxRow>,
    ) -> Result<ExchangeView, NodeError> {
        let took = |from: u64, to: Option<u64>| to.map(|to| to.saturating_sub(from));
        view.unsigned = true;
        if let Some(peer) = self.plain_peer(&row.peer) {
            view.peer.clone_from(&peer.row.alias);
        }
        if row.waits_for.as_deref().is_some_and(|w| w.starts_with("peer:")) {
            view.trouble = sent.and_then(unanswered_trouble);
        }
        let data = data_of(row)?;
        // Concluded, and the data are still to be asked for.
        let wanted =
            matches!(&data, PlainData::Deal(deal) if row.state == "FINALIZED" && deal.wants_transfer());
        let over = machine_of(row)?.state().is_some_and(|state| state.is_final()) && !wanted;
        match data {
            PlainData::Deal(deal) => {
                let in_force = machine_of(row)?.in_force();
                view.out = deal.out;
                view.dataset = deal.dataset;
                view.in_force = in_force.map(|proof| proof.agreement().to_string());
                view.other = deal.transfer.map(|id| id.to_string());
                view.refusal = deal.refusal;
                view.took_ms = took(deal.began_ms, deal.ended_ms);
            }
            PlainData::Haul(haul) => {
                view.out = haul.out;
                view.dataset = haul.dataset;
                view.other = Some(haul.negotiation.to_string());
                view.refusal = haul.refusal;
                (view.bytes, view.total) = self.progress(row, haul.bytes);
                view.sha256 = haul.sha256;
                view.took_ms = took(haul.began_ms, haul.ended_ms);
            }
        }
        if let Some(refusal) = view.refusal.as_ref().filter(|_| view.trouble.is_none() && !over) {
            let goes_on = Code::parse(&refusal.code).is_ok_and(passes);
            let message = match refusal.reasons.is_empty() {
                true => Code::parse(&refusal.code).map_or("", |c| c.title(Lang::En)).to_owned(),
                false => refusal.reasons.join(", "),
            };
            let (code, side) = (refusal.code.clone(), refusal.side.clone());
            view.trouble = Some(Trouble { code, side, message, goes_on });
        }
        Ok(view)
    }
}
