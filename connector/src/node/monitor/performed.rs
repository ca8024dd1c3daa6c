//! What was done under an agreement, for the host part of the input at `monitor` (POL-1, POL-17.2): when its data arrived.
//!
//! Says only what the store knows. That data were deleted, or passed on, is said by acts of their own; without them nothing was
//! deleted and nothing passed on.

use std::collections::BTreeMap;

use naru_protocol::encoding::Digest;
use serde_json::{Value, json};

use super::super::{
    Node, NodeError, Pages,
    turn::{Data, data_of},
};
use crate::store::{ExchangeKind, ExchangeQuery, MAX_ROWS};

/// When the data first arrived under each agreement, seconds.
pub(super) type Completed = BTreeMap<Digest, u64>;

impl Node {
    /// Reads the transfers once for a whole look.
    pub(super) async fn completed(&self) -> Result<Completed, NodeError> {
        let query = ExchangeQuery {
            states: vec!["COMPLETED".into()],
            kind: Some(ExchangeKind::Transfer),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        let (mut pages, mut found) = (Pages::of(query), Completed::new());
        while let Some(rows) = pages.next(self).await? {
            for row in rows.iter().filter(|row| !super::super::plain::is_plain(&row.peer)) {
                let Data::Haul(haul) = data_of(row)? else { continue };
                let at = haul.ended_ms.map_or(row.updated, |ms| ms / 1000);
                let first = found.entry(haul.agreement).or_insert(at);
                *first = at.min(*first);
            }
        }
        Ok(found)
    }

    /// The member `transfer` of the host part: of the oldest data, whose time is over first.
    #[expect(clippy::unused_self, reason = "obligations of the node will be asked here")]
    pub(super) fn performed(&self, agreement: Option<&Digest>, begun: u32, done: &Completed) -> Value {
        let completed = agreement.and_then(|digest| done.get(digest)).copied().unwrap_or(0);
        json!({"occurrence": begun, "completed_at": completed, "deletion_confirmed_at": 0, "onward_events": []})
    }
}
