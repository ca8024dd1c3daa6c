//! What is not over: whom it waits for, since when, what went wrong last, when it is tried again, until when it may wait, and
//! what the person can do about it, as commands.
//!
//! Read from what is stored; does nothing. A look at the whole node reads the newest live exchanges only, so that a status
//! costs the same however many deals a node has made.

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::encoding::Id;

use super::{
    Node, NodeError,
    approval::{WAITS, steps as decisions},
    contact::OPEN,
    turn::{Data, data_of},
    verbs::{Counts, ExchangeView, Pending},
};
use crate::store::{
    ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole, OutboxRow, OutboxState, PeerStatus,
};

/// Items of a status.
const SHOWN: usize = 100;
/// Concluded deals that are looked at for one whose data were not asked for.
const CONCLUDED: u32 = 200;

/// Who has to do something for an exchange to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Person,
    Stopped,
    Peer,
}

impl Node {
    /// Adds to a view since when and until when it waits, and what can be done.
    pub(super) async fn waiting(
        &self,
        row: &ExchangeRow,
        view: &mut ExchangeView,
        sent: Option<&OutboxRow>,
    ) -> Result<(), NodeError> {
        if view.waits_for.is_none() && view.trouble.is_none() {
            return Ok(());
        }
        let held = if view.waits_for.as_deref() == Some(WAITS) { self.held_since(row)? } else { None };
        view.since = Some(held.or_else(|| sent.map(|sent| sent.first_at_ms / 1000)).unwrap_or(row.updated));
        let again = sent.filter(|sent| sent.state == OutboxState::Waiting);
        view.next_try = again.map(|sent| sent.next_at_ms / 1000);
        view.deadline = row.deadline;
        view.steps = self.at_folder(steps(row, view));
        Ok(())
    }

    /// Commands with the folder of this node, to be pasted as they are.
    pub(in crate::node) fn at_folder(&self, commands: Vec<String>) -> Vec<String> {
        let dir = std::path::absolute(self.folder.path()).unwrap_or_else(|_| self.folder.path().to_owned());
        let shown = dir.display().to_string();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '\\');
        let shown =
            if shown.chars().all(plain) { shown } else { format!("'{}'", shown.replace('\'', "'\\''")) };
        let with = |command: String| match command.splitn(3, ' ').collect::<Vec<_>>()[..] {
            [program, verb, rest] => format!("{program} {verb} --dir {shown} {rest}"),
            _ => command,
        };
        commands.into_iter().map(with).collect()
    }

    fn held_since(&self, row: &ExchangeRow) -> Result<Option<u64>, NodeError> {
        if super::plain::is_plain(&row.peer) {
            return super::plain::held_since(row);
        }
        Ok(match data_of(row)? {
            Data::Deal(deal) => deal.held.map(|held| held.since),
            Data::Haul(_) => None,
        })
    }

    /// All that is not over, and how many wait for whom.
    pub(super) async fn pending(&self) -> Result<(Counts, Vec<Pending>), NodeError> {
        let outbox = self.store.outbox(None, MAX_ROWS).await?;
        let sent: BTreeMap<Id, OutboxRow> = outbox.into_iter().map(|row| (row.exchange, row)).collect();
        let mut found = Vec::new();
        for row in self.live(&sent).await? {
            // One that cannot be read must not hide the others.
            match self.view_of(&row, sent.get(&row.id), false).await {
                Ok(view) => found.extend(whose(&view).map(|whose| (whose, view))),
                Err(error) => tracing::error!(exchange = %row.id, %error, "what it waits for cannot be read"),
            }
        }
        found.sort_by(|(a, x), (b, y)| (a, x.since, &x.id).cmp(&(b, y.since, &y.id)));
        let mut counts = Counts::default();
        for (whose, _) in &found {
            match whose {
                Whose::Person => counts.person += 1,
                Whose::Stopped => counts.stopped += 1,
                Whose::Peer => counts.peer += 1,
            }
        }
        let mut all = self.at_the_door().await?;
        counts.person += all.len() as u64;
        all.extend(found.into_iter().map(|(_, view)| of(view)));
        all.truncate(SHOWN);
        Ok((counts, all))
    }

    /// Peers that redeemed a ticket of ours and wait for a person to accept them.
    async fn at_the_door(&self) -> Result<Vec<Pending>, NodeError> {
        let peers = self.store.peers(None, MAX_ROWS).await?.into_iter();
        let waiting = peers.filter(|peer| peer.status == PeerStatus::Pending);
        let shown = waiting.map(|peer| Pending {
            steps: self.at_folder(vec![format!("naru accept {}", peer.alias)]),
            id: peer.did,
            kind: "peer".to_owned(),
            peer: peer.alias,
            dataset: String::new(),
            state: "pending".to_owned(),
            waits_for: Some("us: accept".to_owned()),
            bytes: None,
            total: None,
            since: Some(peer.pinned_at),
            trouble: None,
            next_try: None,
            deadline: None,
        });
        Ok(shown.collect())
    }

    /// Rows of exchanges that may not be over.
    async fn live(&self, sent: &BTreeMap<Id, OutboxRow>) -> Result<Vec<ExchangeRow>, NodeError> {
        let of = |states: Vec<String>, limit| ExchangeQuery { states, limit, ..ExchangeQuery::default() };
        let waiting = ExchangeQuery { waits_for: Some(WAITS.to_owned()), ..of(Vec::new(), MAX_ROWS) };
        let open = of(OPEN.iter().chain(&["NONE"]).map(|&state| state.to_owned()).collect(), MAX_ROWS);
        let concluded = ExchangeQuery {
            kind: Some(ExchangeKind::Negotiation),
            ..of(vec!["FINALIZED".to_owned()], CONCLUDED)
        };
        let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
        for query in [waiting, open] {
            let page = self.store.exchanges(query).await?;
            rows.extend(page.into_iter().filter(|row| seen.insert(row.id)));
        }
        let concluded = self.store.exchanges(concluded).await?;
        let consumer = concluded.into_iter().filter(|row| row.role == OurRole::Consumer);
        rows.extend(consumer.filter(|row| seen.insert(row.id)));
        for id in sent.keys().filter(|id| !seen.contains(id)) {
            rows.extend(self.store.exchange(*id).await?);
        }
        Ok(rows)
    }
}

/// Who has to do something; nobody where it is over.
fn whose(view: &ExchangeView) -> Option<Whose> {
    if view.waits_for.as_deref() == Some(WAITS) {
        return Some(Whose::Person);
    }
    match &view.trouble {
        Some(trouble) if !trouble.goes_on => Some(Whose::Stopped),
        Some(_) => Some(Whose::Peer),
        None => view.waits_for.as_ref().map(|_| Whose::Peer),
    }
}

fn of(view: ExchangeView) -> Pending {
    Pending {
        id: view.id,
        kind: view.kind,
        peer: view.peer,
        dataset: view.dataset,
        state: view.state,
        waits_for: view.waits_for,
        bytes: view.bytes,
        total: view.total,
        since: view.since,
        trouble: view.trouble,
        next_try: view.next_try,
        deadline: view.deadline,
        steps: view.steps,
    }
}

/// What the person can do about an exchange that is not over.
fn steps(row: &ExchangeRow, view: &ExchangeView) -> Vec<String> {
    let id = &view.id;
    if view.waits_for.as_deref() == Some(WAITS) {
        return decisions(id, row.role);
    }
    let stopped = view.trouble.as_ref().is_some_and(|trouble| !trouble.goes_on);
    let consumer = row.role == OurRole::Consumer;
    let concluded = view.state == "FINALIZED";
    let cancel = || format!("naru cancel {id} --reason TEXT");
    match row.kind {
        // Only the data are still to be asked for.
        ExchangeKind::Negotiation if concluded && consumer && view.trouble.is_some() => {
            vec![format!("naru retry {id}"), format!("naru end {id} --reason TEXT")]
        }
        ExchangeKind::Negotiation if concluded => Vec::new(),
        ExchangeKind::Transfer if consumer && stopped => {
            vec![format!("naru retry {id}"), format!("naru retry {id} --out FOLDER"), cancel()]
        }
        ExchangeKind::Negotiation | ExchangeKind::Transfer
            if matches!(view.state.as_str(), "COMPLETED" | "TERMINATED") =>
        {
            Vec::new()
        }
        ExchangeKind::Negotiation | ExchangeKind::Transfer => vec![cancel()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::verbs::Trouble;

    fn view(waits: Option<&str>, trouble: Option<bool>) -> ExchangeView {
        let trouble = trouble.map(|goes_on| {
            serde_json::json!({"code": "unreachable", "side": "transport", "message": "", "goes_on": goes_on})
        });
        let text = serde_json::json!({"id": "X", "kind": "negotiation", "role": "consumer", "peer": "p",
            "state": "OFFERED", "dataset": "d", "waits_for": waits, "trouble": trouble});
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_is_over_waits_for_nobody() {
        assert_eq!(whose(&view(None, None)), None);
        assert_eq!(whose(&view(Some(WAITS), None)), Some(Whose::Person));
        assert_eq!(
            whose(&view(Some("peer: the answer to negotiation.offer"), Some(true))),
            Some(Whose::Peer)
        );
        assert_eq!(whose(&view(Some("us: our decision"), None)), Some(Whose::Peer));
        assert_eq!(whose(&view(None, Some(false))), Some(Whose::Stopped));
        assert!(Whose::Person < Whose::Stopped && Whose::Stopped < Whose::Peer, "in this order it is shown");
        let stopped: Option<Trouble> = view(None, Some(false)).trouble;
        assert!(stopped.is_some());
    }
}
