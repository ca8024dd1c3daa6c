//! Exchanges and the node as people see them.

use naru_protocol::{
    encoding::Id,
    error::{Code, Lang},
    exchange::Exchange,
    identity::Role,
};
use serde_json::Value;

use super::{
    Node, NodeError,
    facts::PrivateFacts,
    steer::exchange_id,
    transfer::passes,
    turn::{Data, data_of},
    verbs::{ExchangeName, ExchangeView, Refusal, Status, Trouble},
    waits::away,
};
use crate::store::{Counted, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole, OutboxRow, OutboxState};

/// A refusal of ours, or by law, as this side sees it.
pub(super) fn refusal(code: Code, reasons: Vec<String>, role: Role) -> Refusal {
    of_whom(code.as_str(), code.side().as_str(), reasons, role)
}

/// What the peer said when it ended the exchange.
pub(super) fn refusal_by_peer(code: &str, reasons: Vec<String>, role: Role) -> Refusal {
    of_whom(code, "peer", reasons, role)
}

/// The provider's files, and what it publishes of them, are the provider's affair whoever speaks of them.
fn of_whom(code: &str, side: &str, reasons: Vec<String>, role: Role) -> Refusal {
    let data = matches!(
        Code::parse(code),
        Ok(Code::SourceChanged | Code::SourceMissing | Code::ChunkCorrupt | Code::FileListDiffers)
    );
    let side = match role {
        Role::Provider if data => "local",
        Role::Consumer if data => "peer",
        Role::Provider | Role::Consumer => side,
    };
    Refusal { code: code.chars().take(64).collect(), side: side.to_owned(), reasons }
}

impl Node {
    /// One exchange.
    pub async fn exchange(&self, ask: ExchangeName) -> Result<ExchangeView, NodeError> {
        self.exchange_view(exchange_id(&ask.id)?).await
    }

    pub(super) async fn exchange_view(&self, id: Id) -> Result<ExchangeView, NodeError> {
        let row = self.store.exchange(id).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::NotFound, id.to_string()))?;
        self.view(&row).await
    }

    /// All exchanges, newest change first, one page.
    pub async fn exchanges(&self) -> Result<Vec<ExchangeView>, NodeError> {
        let rows =
            self.store.exchanges(ExchangeQuery { limit: MAX_ROWS, ..ExchangeQuery::default() }).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in &rows {
            views.push(self.view(row).await?);
        }
        Ok(views)
    }

    async fn view(&self, row: &ExchangeRow) -> Result<ExchangeView, NodeError> {
        let sent = self.sent(row).await?;
        self.view_of(row, sent.as_ref(), true).await
    }

    /// One exchange with what of ours is unanswered in it, and with the newest decision where that is wanted.
    pub(super) async fn view_of(
        &self,
        row: &ExchangeRow,
        sent: Option<&OutboxRow>,
        decision: bool,
    ) -> Result<ExchangeView, NodeError> {
        let mut view = self.base_view(row, sent, decision).await?;
        self.waiting(row, &mut view, sent).await?;
        Ok(view)
    }

    async fn base_view(
        &self,
        row: &ExchangeRow,
        sent: Option<&OutboxRow>,
        decision: bool,
    ) -> Result<ExchangeView, NodeError> {
        let peer = self.peer(&row.peer).await?;
        let here = super::plain::is_plain(&row.peer) || peer.as_ref().is_none_or(|peer| self.in_reach(peer));
        let peer = peer.map_or_else(|| row.peer.clone(), |p| p.row.alias.clone());
        let took = |from: u64, to: Option<u64>| to.map(|to| to.saturating_sub(from));
        let mut view = ExchangeView {
            id: row.id.to_string(),
            kind: row.kind.to_string(),
            role: row.role.to_string(),
            peer,
            unsigned: false,
            state: row.state.clone(),
            dataset: String::new(),
            waits_for: row.waits_for.as_deref().map(|w| if here { w } else { away(w) }.to_owned()),
            in_force: None,
            other: None,
            refusal: None,
            trouble: None,
            out: None,
            decision: if decision { self.newest_decision(row.id).await? } else { None },
            bytes: None,
            total: None,
            receipt: None,
            sha256: None,
            took_ms: None,
            since: None,
            next_try: None,
            deadline: None,
            steps: Vec::new(),
        };
        if super::plain::is_plain(&row.peer) {
            return self.plain_view(row, view, sent);
        }
        let data = data_of(row)?;
        view.trouble = trouble(row, &data, sent);
        match data {
            Data::Deal(deal) => {
                view.out = deal.out;
                view.dataset = deal.dataset;
                view.in_force = deal.in_force.filter(|_| !is_ended(row)).map(|d| d.to_string());
                view.other = deal.transfer.map(|id| id.to_string());
                view.refusal = deal.refusal;
                view.took_ms = took(deal.began_ms, deal.ended_ms);
            }
            Data::Haul(haul) => {
                view.out = haul.out;
                view.dataset = haul.dataset;
                view.other = Some(haul.negotiation.to_string());
                view.refusal = haul.refusal;
                (view.bytes, view.total) = self.progress(row, haul.bytes);
                view.receipt = haul.receipt.map(|d| d.to_string());
                view.took_ms = took(haul.began_ms, haul.ended_ms);
            }
        }
        Ok(view)
    }

    /// Bytes verified so far and those that there are: of a transfer that is being received as it stands now, else as kept.
    pub(super) fn progress(&self, row: &ExchangeRow, kept: u64) -> (Option<u64>, Option<u64>) {
        match self.flows.arrived(row.id).filter(|_| row.state == "STARTED") {
            Some((verified, total)) => (Some(verified), total),
            None => (Some(kept), None),
        }
    }

    /// Our message of this exchange that is not answered yet.
    async fn sent(&self, row: &ExchangeRow) -> Result<Option<OutboxRow>, NodeError> {
        if !row.waits_for.as_deref().is_some_and(|w| w.starts_with("peer:")) {
            return Ok(None);
        }
        let Some(act) = self.store.unanswered(row.id).await? else { return Ok(None) };
        let waiting = self.store.outbox(Some(&row.peer), MAX_ROWS).await?;
        Ok(waiting.into_iter().find(|sent| sent.act == act.digest))
    }

    pub(super) async fn newest_decision(&self, id: Id) -> Result<Option<Value>, NodeError> {
        let rows = self.store.evaluations(id, MAX_ROWS).await?;
        // What the monitor finds of an agreement is told as its standing.
        let newest = rows.iter().rfind(|row| row.phase != "monitor");
        Ok(newest.and_then(|row| self.explain(row)))
    }

    /// The node at a glance.
    pub async fn status(&self) -> Result<Status, NodeError> {
        let packs: Vec<Value> = self
            .law()
            .packs()
            .map(|p| serde_json::json!({"name": p.name, "revision": p.revision, "digest": p.digest}))
            .collect();
        let unanswered = self.store.count(Counted::WholeOutbox).await?;
        let (waiting, pending) = self.pending().await?;
        let (owing, obligations) = self.owed_now().await?;
        Ok(Status {
            running: true,
            did: self.me.did.to_string(),
            name: self.me.participant.name.clone(),
            fingerprint: naru_protocol::identity::fingerprint(&self.me.did),
            addresses: self.addresses(),
            log_size: self.store.head().await?.map_or(0, |h| h.size),
            origin: self.me.origin.clone(),
            packs: Value::from(packs),
            unanswered,
            stopped: self.behind(),
            clock: self.clock().await?,
            facts: PrivateFacts::read(&self.folder.facts()).err(),
            supplies: self.supplies(),
            standings: self.standings().await?,
            strangers: self.strangers(),
            resident: resident(),
            waiting,
            pending,
            owing,
            obligations,
        })
    }

    /// `GET /negotiations/:pid` and `GET /transfers/:pid`: the old state until an act has taken effect.
    pub(super) async fn state_for(
        &self,
        peer: &super::peers::Peer,
        kind: crate::store::ExchangeKind,
        pid: &str,
    ) -> Result<Vec<u8>, NodeError> {
        use crate::store::{ExchangeKind, OurRole};
        use naru_protocol::{
            dsp::{Message as _, negotiation::ContractNegotiation, transfer::TransferProcess},
            exchange::State,
        };
        let row = self.owned(peer, kind, pid).await?;
        let machine: Exchange = serde_json::from_str(&row.machine)
            .map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))?;
        let theirs = row.peer_pid.clone().unwrap_or_default();
        let (provider_pid, consumer_pid) = match row.role {
            OurRole::Provider => (row.our_pid, theirs),
            OurRole::Consumer => (theirs, row.our_pid),
        };
        let none = || NodeError::refused(Code::NotFound, "");
        let body = match (kind, machine.state().ok_or_else(none)?) {
            (ExchangeKind::Negotiation, State::Negotiation(state)) => {
                ContractNegotiation { provider_pid, consumer_pid, state }.to_bytes()
            }
            (ExchangeKind::Transfer, State::Transfer(state)) => {
                TransferProcess { provider_pid, consumer_pid, state }.to_bytes()
            }
            (ExchangeKind::Negotiation, State::Transfer(_))
            | (ExchangeKind::Transfer, State::Negotiation(_)) => {
                return Err(none());
            }
        };
        body.map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }
}

/// What keeps an exchange from going on, and whether it will by itself.
fn trouble(row: &ExchangeRow, data: &Data, sent: Option<&OutboxRow>) -> Option<Trouble> {
    if row.waits_for.as_deref().is_some_and(|w| w.starts_with("peer:")) {
        return sent.and_then(unanswered_trouble);
    }
    let (refusal, open) = match data {
        // Concluded: what may be missing is only that the data are asked for.
        Data::Deal(deal) if row.state == "FINALIZED" => (&deal.refusal, deal.wants_transfer()),
        Data::Deal(deal) => (&deal.refusal, row.state != "TERMINATED"),
        Data::Haul(haul) => (&haul.refusal, !matches!(row.state.as_str(), "TERMINATED" | "COMPLETED")),
    };
    let refusal = refusal.as_ref().filter(|_| open)?;
    // An attempt is repeated where this side's next step is its own.
    let own_step = match (data, row.role, row.state.as_str()) {
        (Data::Deal(_), OurRole::Consumer, "FINALIZED")
        | (Data::Haul(_), OurRole::Consumer, "STARTED")
        | (Data::Haul(_), OurRole::Provider, "REQUESTED") => true,
        (Data::Deal(_) | Data::Haul(_), OurRole::Consumer | OurRole::Provider, _) => false,
    };
    let goes_on = own_step && Code::parse(&refusal.code).is_ok_and(passes);
    let message = match refusal.reasons.is_empty() {
        true => Code::parse(&refusal.code).map_or("", |c| c.title(Lang::En)).to_owned(),
        false => refusal.reasons.join(", "),
    };
    Some(Trouble { code: refusal.code.clone(), side: refusal.side.clone(), message, goes_on })
}

/// What the last attempt with an act of ours met, if it failed.
pub(super) fn unanswered_trouble(sent: &OutboxRow) -> Option<Trouble> {
    let error = sent.last_error.as_deref()?;
    let (code, message) = error.split_once(": ").unwrap_or(("", error));
    let code = match sent.state {
        OutboxState::Unresolved => Code::Unresolved,
        OutboxState::Waiting => Code::parse(code).unwrap_or(Code::Unreachable),
    };
    let side = code.side().as_str().to_owned();
    // Given up, or held back for as long as this database is older than what was signed.
    let goes_on = !matches!(code, Code::Unresolved | Code::StoreRolledBack);
    Some(Trouble { code: code.as_str().to_owned(), side, message: message.to_owned(), goes_on })
}

/// Whether the agreement that this negotiation came to was ended since.
pub(super) fn is_ended(row: &ExchangeRow) -> bool {
    serde_json::from_str::<Exchange>(&row.machine).is_ok_and(|machine| machine.is_ended())
}

/// Resident memory of this process in bytes, where the system tells.
pub(super) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
