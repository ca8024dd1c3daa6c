//! How an agreement's standing is told to its own operator: rule, law and way out, and both sets of packs. Changes nothing.

use naru_protocol::permit::EvaluationRecord;
use serde_json::json;

use super::{
    super::{
        Node, NodeError,
        deal::Deal,
        turn::{Data, data_of},
        verbs::StandingView,
    },
    held,
};
use crate::store::ExchangeRow;

/// Standings of a status.
const SHOWN: usize = 100;

impl Node {
    /// What is told of the standing of one agreement; none where it stands as agreed.
    pub(in crate::node) async fn standing_of(
        &self,
        row: &ExchangeRow,
        deal: &Deal,
    ) -> Result<Option<StandingView>, NodeError> {
        let Some(standing) = &deal.standing else { return Ok(None) };
        let judged = self.store.evaluation(standing.record).await?;
        let explained = judged.as_ref().and_then(|row| self.explain(row));
        let explained = explained.and_then(|mut all| all.get_mut("explained").map(serde_json::Value::take));
        let explained = explained.and_then(|all| all.as_array().cloned()).unwrap_or_default();
        let packs = judged.as_ref().and_then(|row| EvaluationRecord::parse(&row.record).ok());
        let peer = self.store.peer(&row.peer).await?.map_or_else(|| row.peer.clone(), |peer| peer.alias);
        let rules = standing.findings.iter().map(|found| format!("{} ({})", found.id, found.detail));
        Ok(Some(StandingView {
            standing: standing.word().to_owned(),
            since: standing.since,
            code: standing.code.clone(),
            exchange: row.id.to_string(),
            peer,
            dataset: deal.dataset.clone(),
            rules: rules.collect(),
            explained,
            decision: standing.record.to_string(),
            pinned: json!(deal.terms.as_ref().map(|terms| &terms.packs)),
            packs: json!(packs.map(|record| record.packs)),
        }))
    }

    /// Agreements that do not stand as agreed, as the last look found them.
    pub(in crate::node) async fn standings(&self) -> Result<Vec<StandingView>, NodeError> {
        let marked: Vec<_> = held(&self.watch.marked).iter().copied().take(SHOWN).collect();
        let mut views = Vec::new();
        for id in marked {
            let Some(row) = self.store.exchange(id).await? else { continue };
            if let Data::Deal(deal) = data_of(&row)? {
                views.extend(self.standing_of(&row, &deal).await?);
            }
        }
        Ok(views)
    }
}
