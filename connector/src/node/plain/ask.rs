//! What the operator begins with a plain peer: a request, an offer, a transfer, an end (spec chapter 13).

use std::{path::PathBuf, sync::Arc};

use naru_protocol::{
    dsp::{
        Message as _,
        negotiation::{ContractOfferMessage, ContractRequestMessage},
        odrl::Offer,
        transfer::{DataAddress, TransferRequestMessage},
    },
    encoding::Id,
    error::Code,
    exchange::{ActKind, Role, State as Any},
    negotiation as neg,
    plain::{PlainExchange, PlainSend},
    transfer as tra,
};
use serde_json::{Value, json as object};

use super::{
    deal::{Format, PlainDeal, PlainHaul, Token},
    fetch::fetches,
    negotiation::Heard,
    offer,
    peers::PlainPeer,
    serve::DATA,
    transfer::{TOKEN_SECONDS, fresh_token, sink},
    turn::{PlainData, PlainTurn, data_of},
};
use crate::{
    node::{
        Node, NodeError, Pages, country,
        distrust::still_trusted,
        now_ms,
        proposal::message,
        transfer::passes,
        verbs::{ExchangeView, Propose},
        views,
    },
    store::{AgreementState, Batch, ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole, StartedBy},
};

/// Work that a commit leads to.
pub(super) enum After {
    Nothing,
    /// The agreement is in force and we want the data.
    RequestTransfer(Id),
    /// A transfer has started and we fetch.
    Fetch(Id),
    /// A transfer has started and we deliver.
    Push(Id),
    /// It waits for a person, who is told.
    Ask(Id),
}

impl After {
    pub(super) fn spawn(self, node: &Node) {
        let node = node.clone();
        match self {
            Self::Nothing => {}
            Self::RequestTransfer(id) => drop(tokio::spawn(async move { node.want_plain(id).await })),
            Self::Fetch(id) => drop(tokio::spawn(async move { node.fetch_plain(id).await })),
            Self::Push(id) => drop(tokio::spawn(async move { node.push_data(id).await })),
            Self::Ask(id) => drop(tokio::spawn(async move { node.tell_person(id).await })),
        }
    }
}

impl PlainTurn {
    /// What is to be done once this turn is durable; decided from the state, so that a restart takes up the same.
    pub(super) fn after(&mut self) -> After {
        let (id, role, state) = (self.row.id, self.machine.role(), self.machine.state());
        if self.asks {
            return After::Ask(id);
        }
        if self.delivers() && self.machine.pending().is_none() {
            return After::Push(id);
        }
        match &self.data {
            PlainData::Deal(deal)
                if role == Role::Consumer
                    && state == Some(Any::Negotiation(neg::State::Finalized))
                    && deal.wants_transfer() =>
            {
                After::RequestTransfer(id)
            }
            PlainData::Haul(haul)
                if role == Role::Consumer
                    && state == Some(Any::Transfer(tra::State::Started))
                    && haul.format == Format::Pull
                    && haul.out.is_some()
                    && (haul.place.is_some() || haul.done)
                    && self.machine.pending().is_none() =>
            {
                After::Fetch(id)
            }
            PlainData::Deal(_) | PlainData::Haul(_) => After::Nothing,
        }
    }
}

impl Node {
    /// Asks a plain peer for a dataset of its catalog.
    pub(in crate::node) async fn request_plain(
        &self,
        peer: Arc<PlainPeer>,
        ask: Propose,
    ) -> Result<ExchangeView, NodeError> {
        country::known(&ask.countries)?;
        let none = || NodeError::refused(Code::DatasetNotOffered, ask.dataset.clone());
        let found = self.read_plain_catalog(&peer).await?;
        let (_, offers) = found.into_iter().find(|(id, _)| *id == ask.dataset).ok_or_else(none)?;
        // The first that is understood; what is not would be refused by its place.
        let understood = |o: &&Offer| crate::node::facts::offered_by_plain(&offer::rules(o.value())).is_ok();
        let chosen = offers.iter().find(understood).or(offers.first()).ok_or_else(none)?;
        let _outs = self.outs.lock().await;
        if let Some(out) = &ask.out {
            self.check_out(out, None, &[], None).await?;
        }
        let id = self.plain_request(&peer, chosen.value(), ask).await?;
        self.exchange_view(id).await
    }

    /// The first request for an offer.
    pub(super) async fn plain_request(
        &self,
        peer: &Arc<PlainPeer>,
        chosen: &Value,
        ask: Propose,
    ) -> Result<Id, NodeError> {
        let asked = offer::about(chosen, &ask.dataset)?;
        let ours = self.me.participant.country.to_string();
        let deal = PlainDeal {
            dataset: ask.dataset.clone(),
            offer: asked.value().clone(),
            asked: Some(asked.value().clone()),
            callback: peer.record.base.clone(),
            facts: ask.facts,
            purpose: Some(ask.purpose).filter(|p| !p.is_empty()),
            countries: if ask.countries.is_empty() { vec![ours] } else { ask.countries },
            keep_days: ask.keep_days.or(peer.record.keep_days),
            out: ask.out,
            push: ask.push,
            began_ms: now_ms(),
            ..PlainDeal::default()
        };
        let callback = self.base_for(peer)?;
        self.plain_propose(peer, Role::Consumer, deal, |turn, permit| {
            let m = ContractRequestMessage {
                consumer_pid: turn.row.our_pid.clone(),
                provider_pid: None,
                offer: asked,
                callback_address: Some(callback),
                dxp: None,
            };
            Ok((PlainSend::Request(permit), "/negotiations/request", m.to_bytes().map_err(message)?))
        })
        .await
    }

    /// Offers a dataset of ours to a plain peer.
    pub(in crate::node) async fn offer_plain(
        &self,
        peer: Arc<PlainPeer>,
        ask: Propose,
    ) -> Result<ExchangeView, NodeError> {
        country::known(&ask.countries)?;
        self.shown_to_plain(&peer, &ask.dataset).await?;
        let row = self.store.dataset(&ask.dataset, None).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::DatasetUnknown, ask.dataset.clone()))?;
        let listing = naru_protocol::jws::peek::<naru_protocol::listing::Listing>(&row.listing)?;
        let offered = offer::about(&listing.claims().policy, &ask.dataset)?;
        let spelt = offer::about(&offer::spelt(offered.value()), &ask.dataset)?;
        let deal = PlainDeal {
            dataset: ask.dataset.clone(),
            listing: row.listing.clone(),
            offer: offered.value().clone(),
            callback: peer.record.base.clone(),
            purpose: Some(ask.purpose).filter(|p| !p.is_empty()).or_else(|| peer.record.purpose.clone()),
            countries: if ask.countries.is_empty() { peer.record.countries.clone() } else { ask.countries },
            keep_days: peer.record.keep_days,
            began_ms: now_ms(),
            ..PlainDeal::default()
        };
        let callback = self.base_for(&peer)?;
        let id = self
            .plain_propose(&peer, Role::Provider, deal, |turn, permit| {
                let m = ContractOfferMessage {
                    provider_pid: turn.row.our_pid.clone(),
                    consumer_pid: None,
                    offer: spelt,
                    callback_address: Some(callback),
                    dxp: None,
                };
                Ok((PlainSend::Offer(permit), "/negotiations/offers", m.to_bytes().map_err(message)?))
            })
            .await?;
        self.exchange_view(id).await
    }

    /// Begins a negotiation: our own law first, then the message that `say` makes under its permit.
    async fn plain_propose(
        &self,
        peer: &Arc<PlainPeer>,
        role: Role,
        deal: PlainDeal,
        say: impl FnOnce(
            &PlainTurn,
            naru_protocol::plain::UnsignedPermit,
        ) -> Result<(PlainSend, &'static str, Vec<u8>), NodeError>,
    ) -> Result<Id, NodeError> {
        self.may_sign()?;
        self.room_for(peer.id()).await?;
        let (row, key) = self.plain_row(peer, ExchangeKind::Negotiation, role, None, StartedBy::Us)?;
        let id = row.id;
        let data = PlainData::Deal(Box::new(deal));
        let mut turn = PlainTurn::new(self, peer.clone(), row, PlainExchange::negotiation(role), data, key);
        let shared = turn.shared().await?;
        let judged = turn.judge(&shared, None).await?;
        let permit = match turn.permit(&judged, None) {
            Ok(permit) => permit,
            Err(error) => {
                // Kept, so that it can be explained; no exchange came of it.
                let mut row = judged.row.clone();
                row.exchange = None;
                self.store.commit(Batch { evaluations: vec![row], ..Batch::default() }).await?;
                let by_law = matches!(error.code(), Code::Denied | Code::Undetermined)
                    && !(judged.result.allows() && judged.broken.is_none());
                return Err(if by_law { self.own_refusal(&judged) } else { error });
            }
        };
        let fields = vec![("decision", object!(judged.row.digest))];
        let (kind, path, body) = say(&turn, permit)?;
        turn.send(kind, path, body, fields, 0)?;
        let _lock = self.locks.one(id).await;
        turn.commit().await?;
        Ok(id)
    }

    /// Asks for the data of an agreement until they are asked for, for as long as what prevents it may pass.
    pub(super) async fn want_plain(&self, negotiation: Id) {
        let Some(mut run) = self.receiving.begin(negotiation) else { return };
        let mut tries = 0;
        loop {
            let Err(error) = self.request_plain_transfer(negotiation, None).await else {
                if run.again() {
                    continue;
                }
                return;
            };
            tracing::warn!(exchange = %negotiation, code = error.code().as_str(), %error, "the transfer was not requested");
            if let Err(error) = self.keep_plain_refusal(negotiation, &error).await {
                tracing::error!(exchange = %negotiation, %error, "the failure could not be kept");
            }
            if passes(error.code()) {
                if !self.pause(tries).await {
                    return;
                }
                tries += 1;
            } else if !run.again() {
                return;
            }
        }
    }

    /// Where a provider is to deliver, with a token for this transfer alone.
    fn delivery(&self, peer: &str, pid: &str, haul: &mut PlainHaul) -> Result<DataAddress, NodeError> {
        let (token, digest) = fresh_token()?;
        let (until, number) = (crate::node::now() + TOKEN_SECONDS, self.let_in_number(peer)?);
        haul.token = Some(Token { digest, until, number });
        let url = self.https_url().unwrap_or_default();
        Ok(sink(&format!("{url}{DATA}{pid}"), &token))
    }

    async fn keep_plain_refusal(&self, id: Id, error: &NodeError) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        let role = turn.machine.role();
        turn.deal()?.refusal = Some(views::refusal(error.code(), vec![error.to_string()], role));
        turn.commit().await?;
        Ok(())
    }

    /// The consumer asks for the data of an agreement in force. `out` replaces the folder of before.
    pub(super) async fn request_plain_transfer(
        &self,
        negotiation: Id,
        out: Option<PathBuf>,
    ) -> Result<Id, NodeError> {
        let row = self.store.exchange(negotiation).await?;
        let row = row.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let peer = self.plain_peer(&row.peer).ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        still_trusted(&peer.row)?;
        let (mut row, key) =
            self.plain_row(&peer, ExchangeKind::Transfer, Role::Consumer, None, StartedBy::Us)?;
        let id = row.id;
        let _locks = self.locks.two(negotiation, id).await;
        let mut deal_turn = self.plain_turn(negotiation).await?;
        if let (Some(known), None) = (deal_turn.deal()?.transfer, &out) {
            return Ok(known);
        }
        let not = || NodeError::refused(Code::NotInForce, "");
        let in_force = deal_turn.machine.in_force().ok_or_else(not)?;
        let shared = deal_turn.shared().await?;
        let deal = deal_turn.deal()?;
        if out.is_some() {
            deal.out = out;
        }
        let agreement_id = deal.agreement_id.clone().ok_or_else(not)?;
        let occurrence = deal.started.saturating_add(1);
        let format = if deal.push { Format::Push } else { Format::Pull };
        let mut haul = PlainHaul::new(negotiation, deal, in_force.agreement(), format);
        haul.callback.clone_from(&peer.record.base);
        row.id = id;
        let data_address = match format {
            Format::Pull => None,
            Format::Push => Some(self.delivery(&row.peer, &row.our_pid, &mut haul)?),
        };
        let m = TransferRequestMessage {
            consumer_pid: row.our_pid.clone(),
            agreement_id,
            format: format.as_str().to_owned(),
            data_address,
            callback_address: self.base_for(&peer)?,
            dxp: None,
        };
        let machine = PlainExchange::transfer(Role::Consumer, in_force);
        let data = PlainData::Haul(Box::new(haul));
        let mut turn = PlainTurn::new(self, peer.clone(), row, machine, data, key);
        let judged = turn.judge(&shared, Some(occurrence)).await?;
        let permit = match turn.permit(&judged, Some(occurrence)) {
            Ok(permit) => permit,
            Err(error) => {
                let mut row = judged.row.clone();
                row.exchange = Some(negotiation);
                self.store.commit(Batch { evaluations: vec![row], ..Batch::default() }).await?;
                return Err(if judged.result.allows() { error } else { self.own_refusal(&judged) });
            }
        };
        let fields =
            vec![("agreement", object!(in_force.agreement())), ("decision", object!(judged.row.digest))];
        let body = m.to_bytes().map_err(message)?;
        turn.send(PlainSend::TransferRequest(permit, in_force), "/transfers/request", body, fields, 0)?;
        let deal = deal_turn.deal()?;
        (deal.transfer, deal.refusal) = (Some(id), None);
        turn.beside.push(deal_turn);
        turn.commit().await?;
        Ok(id)
    }

    /// Ends what is not concluded or complete; at once, or as soon as what is on its way is answered.
    pub(in crate::node) async fn cancel_plain(
        &self,
        id: Id,
        reason: String,
    ) -> Result<ExchangeView, NodeError> {
        let illegal = |why: &str| Err(NodeError::refused(Code::IllegalState, why));
        {
            let _lock = self.locks.one(id).await;
            let mut turn = self.plain_turn(id).await?;
            match turn.row.state.as_str() {
                "FINALIZED" => return illegal("it is concluded: `naru end` ends the agreement"),
                "TERMINATED" | "COMPLETED" => return illegal("it is over already"),
                _ => {}
            }
            match &mut turn.data {
                PlainData::Deal(deal) => deal.cancel = Some(reason.clone()),
                PlainData::Haul(haul) => haul.cancel = Some(reason.clone()),
            }
            if turn.machine.state().is_none() && turn.row.peer_pid.is_none() {
                // Nobody has answered: what may still be on its way leads to nothing here.
                turn.abandon(reason)?;
            } else if turn.machine.pending().is_none() {
                let reasons = Some(reason).into_iter().filter(|r| !r.is_empty()).collect();
                turn.end(Code::Cancelled, reasons, Vec::new(), 0)?;
            }
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    /// Ends an agreement on our side: no transfer runs or begins under it any more. DSP has no message that says so
    /// (`[PLN-6.4]`): transfers under way are terminated, and later requests refused.
    pub(in crate::node) async fn end_plain(&self, id: Id, reason: String) -> Result<ExchangeView, NodeError> {
        let transfers = {
            let _lock = self.locks.one(id).await;
            let mut turn = self.plain_turn(id).await?;
            if turn.machine.in_force().is_none() {
                return Err(NodeError::refused(Code::NotInForce, "no agreement in force came of it"));
            }
            turn.machine.end();
            let role = turn.machine.role();
            turn.deal()?.refusal = Some(views::refusal(Code::AgreementEnded, vec![reason], role));
            turn.keep_agreement(AgreementState::Ended).await?;
            let peer = turn.row.peer.clone();
            turn.commit().await?;
            self.running_under(&peer, id).await?
        };
        for transfer in transfers {
            let _lock = self.locks.one(transfer).await;
            let mut turn = self.plain_turn(transfer).await?;
            turn.end_transfer(Code::AgreementEnded, Vec::new(), Vec::new(), 0)?;
            turn.commit().await?;
        }
        self.exchange_view(id).await
    }

    async fn running_under(&self, peer: &str, negotiation: Id) -> Result<Vec<Id>, NodeError> {
        let query = ExchangeQuery {
            kind: Some(ExchangeKind::Transfer),
            peer: Some(peer.to_owned()),
            states: ["REQUESTED", "STARTED", "SUSPENDED"].map(str::to_owned).to_vec(),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        let mut found = Vec::new();
        let mut pages = Pages::of(query);
        while let Some(rows) = pages.next(self).await? {
            for row in rows {
                if matches!(data_of(&row)?, PlainData::Haul(haul) if haul.negotiation == negotiation) {
                    found.push(row.id);
                }
            }
        }
        Ok(found)
    }

    /// Has the data of an agreement received again, perhaps into another folder.
    pub(in crate::node) async fn retry_plain(
        &self,
        row: ExchangeRow,
        out: Option<PathBuf>,
    ) -> Result<ExchangeView, NodeError> {
        if row.role != OurRole::Consumer {
            let why = "this node gives the data: who receives them tries again";
            return Err(NodeError::refused(Code::IllegalState, why));
        }
        let (negotiation, before) = match data_of(&row)? {
            PlainData::Deal(deal) => (row.id, deal.out),
            PlainData::Haul(haul) => (haul.negotiation, haul.out),
        };
        if fetches(&row, Role::Consumer) && out.is_none() {
            self.nudge.notify_waiters();
            After::Fetch(row.id).spawn(self);
            return self.exchange_view(row.id).await;
        }
        let none = || NodeError::refused(Code::ArgumentInvalid, "name the folder for the files with --out");
        let out = out.or(before).ok_or_else(none)?;
        {
            let _outs = self.outs.lock().await;
            self.check_out(&out, None, &[negotiation, row.id], None).await?;
        }
        let id = self.request_plain_transfer(negotiation, Some(out)).await?;
        self.exchange_view(id).await
    }

    /// Takes up the offer of a plain peer that came before a standing order, the one that has waited longest.
    pub(in crate::node) async fn take_up_plain(&self, peer: &str) -> Result<Option<Id>, NodeError> {
        let query = ExchangeQuery {
            states: vec!["OFFERED".into()],
            kind: Some(ExchangeKind::Negotiation),
            peer: Some(peer.to_owned()),
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        for row in self.store.exchanges(query).await?.into_iter().rev() {
            let _lock = self.locks.one(row.id).await;
            let mut turn = self.plain_turn(row.id).await?;
            let waits = turn.machine.role() == Role::Consumer && turn.machine.pending().is_none();
            if !waits || turn.row.state != "OFFERED" {
                continue;
            }
            turn.go_on(Heard::Theirs(ActKind::Negotiation(neg::ActKind::Offer))).await?;
            if turn.machine.pending().is_some() {
                turn.commit().await?;
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    /// Takes up what was under way with plain peers when the process ended.
    pub(in crate::node) async fn resume_plain(&self, row: ExchangeRow) -> Result<(), NodeError> {
        PlainTurn::load(self, row)?.after().spawn(self);
        Ok(())
    }
}
