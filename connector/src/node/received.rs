//! An act of a peer, met for the first time: parsed, its exchange found or begun, stepped, judged, committed.
//!
//! What a message means is in `negotiation` and `transfer`. A refusal for good is an act's answer like any other: one
//! entry, stored, acknowledged, and the state as it was. A refusal that promises nothing leaves no trace.

use hyper::body::Bytes;
use naru_protocol::{
    act::{Act, is_final},
    dsp::{
        Message as _,
        negotiation::{
            ContractAgreementMessage, ContractAgreementVerificationMessage, ContractNegotiationEventMessage,
            ContractNegotiationTerminationMessage, ContractOfferMessage, ContractRequestMessage, End,
            EventType,
        },
        transfer::{
            TransferCompletionMessage, TransferRequestMessage, TransferStartMessage,
            TransferSuspensionMessage, TransferTerminationMessage,
        },
    },
    encoding::{Digest, Id},
    error::Code,
    exchange::{About, ActKind, Exchange, Flow, Proposal},
    identity::Role,
    log::entry::ExchangeKey,
    negotiation::ActKind as Neg,
    receipt::DataReceipt,
    report::Report,
    transfer::ActKind as Tra,
};
use serde_json::json as object;

use super::{
    Node, NodeError,
    deal::{Deal, Haul},
    inbound::{Caller, Reply, refusal},
    now, now_ms,
    peers::{Peer, random_id},
    proposal::message,
    route::{ActRoute, Posted},
    turn::{Data, Reception, Turn, data_of},
};
use crate::store::{ExchangeKind, ExchangeRow, OurRole, StartedBy};

/// A message as parsed.
pub(super) enum Said {
    Request(Box<ContractRequestMessage>),
    Offer(Box<ContractOfferMessage>),
    Event(Box<ContractNegotiationEventMessage>),
    Agreement(Box<ContractAgreementMessage>),
    Verification(Box<ContractAgreementVerificationMessage>),
    Termination(ContractNegotiationTerminationMessage),
    End(End),
    Report(Box<Report>),
    TransferRequest(Box<TransferRequestMessage>),
    Start(Box<TransferStartMessage>),
    Suspension(TransferSuspensionMessage),
    Completion(TransferCompletionMessage),
    TransferTermination(TransferTerminationMessage),
    Receipt(DataReceipt),
}

impl Said {
    pub(super) fn parse(posted: Posted, content: &[u8]) -> Result<Self, NodeError> {
        let said = match posted {
            Posted::Negotiation(Neg::Request) => {
                ContractRequestMessage::parse(content).map(|m| Self::Request(Box::new(m)))
            }
            Posted::Negotiation(Neg::Offer) => {
                ContractOfferMessage::parse(content).map(|m| Self::Offer(Box::new(m)))
            }
            Posted::Negotiation(Neg::Accept | Neg::Finalize) | Posted::Event => {
                ContractNegotiationEventMessage::parse(content).map(|m| Self::Event(Box::new(m)))
            }
            Posted::Negotiation(Neg::Agree) => {
                ContractAgreementMessage::parse(content).map(|m| Self::Agreement(Box::new(m)))
            }
            Posted::Negotiation(Neg::Verify) => {
                ContractAgreementVerificationMessage::parse(content).map(|m| Self::Verification(Box::new(m)))
            }
            Posted::Negotiation(Neg::Terminate) => {
                ContractNegotiationTerminationMessage::parse(content).map(Self::Termination)
            }
            Posted::Negotiation(Neg::End) => End::parse(content).map(Self::End),
            Posted::Negotiation(Neg::Report) => {
                Report::parse(content).map(|report| Self::Report(Box::new(report)))
            }
            Posted::Transfer(Tra::Request) => {
                TransferRequestMessage::parse(content).map(|m| Self::TransferRequest(Box::new(m)))
            }
            Posted::Transfer(Tra::Start) => {
                TransferStartMessage::parse(content).map(|m| Self::Start(Box::new(m)))
            }
            Posted::Transfer(Tra::Suspend) => TransferSuspensionMessage::parse(content).map(Self::Suspension),
            Posted::Transfer(Tra::Complete) => {
                TransferCompletionMessage::parse(content).map(Self::Completion)
            }
            Posted::Transfer(Tra::Terminate) => {
                TransferTerminationMessage::parse(content).map(Self::TransferTermination)
            }
            Posted::Transfer(Tra::Receipt) => {
                let receipt = DataReceipt::parse(content);
                return receipt
                    .map(Self::Receipt)
                    .map_err(|e| NodeError::refused(Code::ReceiptInvalid, e.to_string()));
            }
        };
        said.map_err(message)
    }

    pub(super) const fn kind(&self) -> ActKind {
        match self {
            Self::Request(_) => ActKind::Negotiation(Neg::Request),
            Self::Offer(_) => ActKind::Negotiation(Neg::Offer),
            Self::Event(m) => match m.event_type {
                EventType::Accepted => ActKind::Negotiation(Neg::Accept),
                EventType::Finalized => ActKind::Negotiation(Neg::Finalize),
            },
            Self::Agreement(_) => ActKind::Negotiation(Neg::Agree),
            Self::Verification(_) => ActKind::Negotiation(Neg::Verify),
            Self::Termination(_) => ActKind::Negotiation(Neg::Terminate),
            Self::End(_) => ActKind::Negotiation(Neg::End),
            Self::Report(_) => ActKind::Negotiation(Neg::Report),
            Self::TransferRequest(_) => ActKind::Transfer(Tra::Request),
            Self::Start(_) => ActKind::Transfer(Tra::Start),
            Self::Suspension(_) => ActKind::Transfer(Tra::Suspend),
            Self::Completion(_) => ActKind::Transfer(Tra::Complete),
            Self::TransferTermination(_) => ActKind::Transfer(Tra::Terminate),
            Self::Receipt(_) => ActKind::Transfer(Tra::Receipt),
        }
    }

    /// What the core must know of it. A peer that speaks DXP may not leave the profile's member out.
    fn about(&self) -> Result<About, NodeError> {
        let downgraded = || NodeError::refused(Code::Downgraded, "the message lacks its dxp member");
        let proposal = |dxp: Option<&naru_protocol::dsp::negotiation::Proposal>| {
            let dxp = dxp.ok_or_else(downgraded)?;
            let terms = dxp.terms.digest()?;
            Ok(About::Proposal(Proposal { terms, conclude_by: dxp.terms.conclude_by }))
        };
        let signed = |there: bool| there.then_some(About::Nothing).ok_or_else(downgraded);
        match self {
            Self::Request(m) => proposal(m.dxp.as_ref()),
            Self::Offer(m) => proposal(m.dxp.as_ref()),
            Self::Event(m) => match m.event_type {
                EventType::Accepted => {
                    let terms = m.dxp.as_ref().and_then(|d| d.terms).ok_or_else(downgraded)?;
                    Ok(About::Terms(terms))
                }
                EventType::Finalized => signed(m.dxp.is_some()),
            },
            Self::Agreement(m) => Ok(About::Terms(m.dxp.as_ref().ok_or_else(downgraded)?.terms)),
            Self::TransferRequest(m) => {
                Ok(About::Agreement(m.dxp.as_ref().ok_or_else(downgraded)?.agreement))
            }
            Self::Verification(m) => signed(m.dxp.is_some()),
            Self::Termination(m) => signed(m.dxp.is_some()),
            Self::Start(m) => signed(m.dxp.is_some()),
            Self::Suspension(m) => signed(m.dxp.is_some()),
            Self::Completion(m) => signed(m.dxp.is_some()),
            Self::TransferTermination(m) => signed(m.dxp.is_some()),
            // Messages of the profile's own have no member to leave out.
            Self::End(_) | Self::Report(_) | Self::Receipt(_) => Ok(About::Nothing),
        }
    }

    /// Both pids as the message names them: provider's, consumer's.
    pub(super) fn pids(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Request(m) => (m.provider_pid.as_deref(), Some(&m.consumer_pid)),
            Self::Offer(m) => (Some(&m.provider_pid), m.consumer_pid.as_deref()),
            Self::Event(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Agreement(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Verification(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Termination(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::End(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Report(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::TransferRequest(m) => (None, Some(&m.consumer_pid)),
            Self::Start(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Suspension(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Completion(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::TransferTermination(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
            Self::Receipt(m) => (Some(&m.provider_pid), Some(&m.consumer_pid)),
        }
    }

    /// Where answers go, in a first message.
    pub(super) fn callback(&self) -> Option<&str> {
        match self {
            Self::Request(m) => m.callback_address.as_deref(),
            Self::Offer(m) => m.callback_address.as_deref(),
            Self::TransferRequest(m) => Some(&m.callback_address),
            Self::Event(_)
            | Self::Agreement(_)
            | Self::Verification(_)
            | Self::Termination(_)
            | Self::End(_)
            | Self::Report(_)
            | Self::Start(_)
            | Self::Suspension(_)
            | Self::Completion(_)
            | Self::TransferTermination(_)
            | Self::Receipt(_) => None,
        }
    }

    /// Digest of the exchange key, in a first message.
    fn key(&self) -> Option<Digest> {
        match self {
            Self::Request(m) => m.dxp.as_ref().and_then(|d| d.key),
            Self::Offer(m) => m.dxp.as_ref().and_then(|d| d.key),
            Self::TransferRequest(m) => m.dxp.as_ref().and_then(|d| d.key),
            Self::Event(_)
            | Self::Agreement(_)
            | Self::Verification(_)
            | Self::Termination(_)
            | Self::End(_)
            | Self::Report(_)
            | Self::Start(_)
            | Self::Suspension(_)
            | Self::Completion(_)
            | Self::TransferTermination(_)
            | Self::Receipt(_) => None,
        }
    }
}

/// A fresh process id of ours.
pub(super) fn fresh_pid() -> Result<String, NodeError> {
    Ok(format!("urn:dxp:{}", random_id()?.0.iter().map(|b| format!("{b:02x}")).collect::<String>()))
}

/// A row that is not stored yet.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub(super) fn fresh_row(
    node: &Node,
    id: Id,
    kind: ExchangeKind,
    role: Role,
    peer: &str,
    peer_pid: Option<String>,
    initiator: StartedBy,
    key: &ExchangeKey,
) -> Result<ExchangeRow, NodeError> {
    let at = now();
    Ok(ExchangeRow {
        id,
        kind,
        role: match role {
            Role::Provider => OurRole::Provider,
            Role::Consumer => OurRole::Consumer,
        },
        peer: peer.to_owned(),
        our_pid: fresh_pid()?,
        peer_pid,
        initiator,
        state: String::new(),
        machine: String::new(),
        revision: 0,
        wrapped_key: Some(node.wrapping.wrap(key.secret())?),
        data: String::new(),
        deadline: None,
        waits_for: None,
        created: at,
        updated: at,
    })
}

/// The signed answer that refuses an act for its content; an error where the answer promises nothing. The caller is who it
/// says, so that what does not verify lies in the content too.
fn of_content(target: &str, code: Code, detail: &str) -> Result<Reply, NodeError> {
    let mut reply = refusal(target, code, detail);
    if reply.status == 401 {
        reply.status = 400;
    }
    if is_final(reply.status) { Ok(reply) } else { Err(NodeError::refused(code, detail)) }
}

impl Node {
    /// The negotiation whose agreement a transfer request names, so that both are locked in fixed order.
    pub(super) async fn negotiation_named(
        &self,
        content: &[u8],
        peer: &Peer,
    ) -> Result<Option<Id>, NodeError> {
        let Ok(message) = TransferRequestMessage::parse(content) else { return Ok(None) };
        let Some(dxp) = message.dxp else { return Ok(None) };
        let Some(agreement) = self.store.agreement(dxp.agreement).await? else { return Ok(None) };
        let row = self.store.exchange(agreement.exchange).await?;
        Ok(row.filter(|r| r.peer == peer.did()).map(|r| r.id))
    }

    /// The negotiation that a transfer of this peer rests on; it never changes.
    pub(super) async fn negotiation_of(&self, transfer: Id, peer: &Peer) -> Result<Option<Id>, NodeError> {
        let row = self.store.exchange(transfer).await?.filter(|row| row.peer == peer.did());
        Ok(match row.as_ref().map(data_of).transpose()? {
            Some(Data::Haul(haul)) => Some(haul.negotiation),
            Some(Data::Deal(_)) | None => None,
        })
    }

    /// Meets an act for the first time, under its exchange's lock.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    pub(super) async fn first_time(
        &self,
        caller: Caller,
        route: ActRoute,
        target: &str,
        key: Option<&str>,
        act: Act,
        digest: Digest,
        content: Bytes,
    ) -> Result<Reply, NodeError> {
        let (said, about, mut turn) = match self.take_up(&caller, &route, key, &act, &content).await {
            Ok(taken) => taken,
            Err(NodeError::Refused(code, detail)) => {
                let reply = of_content(target, code, &detail)?;
                return self.refuse_unread(&caller, &route, act, digest, &content, reply).await;
            }
            Err(error) => return Err(error),
        };
        self.seen(&mut turn, &caller, &act, digest).await?;
        let before = (turn.machine.clone(), turn.data.clone());
        match turn.receive(&caller, act, digest, said.kind(), about, &content)? {
            Reception::Refused(why) => {
                self.budgets.refusal(&turn.row.peer)?;
                let body = refusal(target, why.code(), &why.to_string()).body;
                turn.answer(why.status(), self.with_pids(body, &said)).await
            }
            Reception::Accepted(status) => match turn.act_on(&caller, &said, &content).await {
                Ok(body) => {
                    let after = turn.after();
                    let reply = turn.answer(status, body).await?;
                    after.spawn(self);
                    Ok(reply)
                }
                Err(NodeError::Refused(code, detail))
                    if !matches!(code, Code::Internal | Code::StoreCorrupt) =>
                {
                    // Refused for good: the state stays, the refusal is an answer and an entry.
                    turn.give_up(before);
                    let mut reply = of_content(target, code, &detail)?;
                    self.budgets.refusal(&turn.row.peer)?;
                    reply.body = self.with_pids(reply.body, &said);
                    tracing::info!(exchange = %turn.row.id, code = code.as_str(), %detail, "refused an act");
                    turn.answer(reply.status, reply.body).await
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Reads an act and finds or begins its exchange.
    async fn take_up(
        &self,
        caller: &Caller,
        route: &ActRoute,
        key: Option<&str>,
        act: &Act,
        content: &[u8],
    ) -> Result<(Said, About, Turn), NodeError> {
        let said = Said::parse(route.posted, content)?;
        let about = said.about()?;
        let turn = match &route.pid {
            Some(pid) => self.continued(caller, route, pid, act, &said).await?,
            None => self.begun(caller, route, key, act, &said).await?,
        };
        Ok((said, about, turn))
    }

    /// Refuses for good what could not be taken up: the exchange stands as it was, or never comes to be.
    async fn refuse_unread(
        &self,
        caller: &Caller,
        route: &ActRoute,
        act: Act,
        digest: Digest,
        content: &[u8],
        reply: Reply,
    ) -> Result<Reply, NodeError> {
        let mut turn = match &route.pid {
            Some(pid) => {
                let row = self.owned(&caller.peer, route.kind(), pid).await?;
                if row.id != act.exchange {
                    return Err(NodeError::refused(Code::NotFound, ""));
                }
                Turn::load(self, row).await?
            }
            None => {
                if self.store.exchange(act.exchange).await?.is_some() {
                    return Err(NodeError::refused(Code::Stale, "the exchange exists already"));
                }
                self.never_begun(caller, route, act.exchange)?
            }
        };
        self.budgets.refusal(&turn.row.peer)?;
        let kind = match (route.posted, turn.machine.role()) {
            (Posted::Negotiation(kind), _) => ActKind::Negotiation(kind),
            (Posted::Transfer(kind), _) => ActKind::Transfer(kind),
            (Posted::Event, Role::Provider) => ActKind::Negotiation(Neg::Accept),
            (Posted::Event, Role::Consumer) => ActKind::Negotiation(Neg::Finalize),
        };
        turn.unread(caller, act, digest, kind, content);
        turn.answer(reply.status, reply.body).await
    }

    /// An exchange whose first act was refused before anything could be known of it.
    fn never_begun(&self, caller: &Caller, route: &ActRoute, id: Id) -> Result<Turn, NodeError> {
        let role = route.first_receiver();
        let key = ExchangeKey::from_bytes(
            crate::config::random().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?,
        );
        let machine = match route.kind() {
            ExchangeKind::Negotiation => Exchange::negotiation(role, naru_protocol::exchange::other(role)),
            ExchangeKind::Transfer => Exchange::transfer(role, Digest::of(b""), Digest::of(b""), Flow::Pull),
        };
        let row = fresh_row(self, id, route.kind(), role, &caller.peer.did(), None, StartedBy::Peer, &key)?;
        let data = match route.kind() {
            ExchangeKind::Negotiation => Data::Deal(Box::default()),
            ExchangeKind::Transfer => {
                Data::Haul(Box::new(Haul::new(id, String::new(), Digest::of(b""), Digest::of(b""))))
            }
        };
        Ok(Turn::new(self, caller.peer.clone(), row, machine, data, key))
    }

    /// An error body with the pids that the message named.
    fn with_pids(&self, body: Vec<u8>, said: &Said) -> Vec<u8> {
        let Ok(mut value) = naru_protocol::json::parse(&body) else { return body };
        let (provider, consumer) = said.pids();
        if value.get("providerPid").is_some() {
            value["providerPid"] = object!(provider.unwrap_or_default());
            value["consumerPid"] = object!(consumer.unwrap_or_default());
        }
        naru_protocol::json::canonical(&value).unwrap_or(body)
    }

    /// An exchange that goes on: ours, this peer's, and the one that the token names.
    async fn continued(
        &self,
        caller: &Caller,
        route: &ActRoute,
        pid: &str,
        act: &Act,
        said: &Said,
    ) -> Result<Turn, NodeError> {
        let mut row = self.owned(&caller.peer, route.kind(), pid).await?;
        let not_found = || NodeError::refused(Code::NotFound, "");
        if row.id != act.exchange {
            return Err(not_found());
        }
        let (provider, consumer) = said.pids();
        let (ours, theirs) = match row.role {
            OurRole::Provider => (provider, consumer),
            OurRole::Consumer => (consumer, provider),
        };
        if ours != Some(pid) {
            return Err(NodeError::refused(
                Code::Malformed,
                "the message names another process than its path",
            ));
        }
        match (&row.peer_pid, theirs) {
            (Some(known), Some(named)) if known != named => {
                return Err(NodeError::refused(
                    Code::Malformed,
                    "the message names another process of the sender",
                ));
            }
            // The answer that would have told it was lost; this act tells it too.
            (None, Some(named)) => row.peer_pid = Some(named.to_owned()),
            (Some(_), _) | (None, None) => {}
        }
        Turn::load(self, row).await
    }

    /// The first act of an exchange: its key, its callback, and pids that nobody used before.
    async fn begun(
        &self,
        caller: &Caller,
        route: &ActRoute,
        key: Option<&str>,
        act: &Act,
        said: &Said,
    ) -> Result<Turn, NodeError> {
        let mismatch = || NodeError::refused(Code::KeyHeaderMismatch, "");
        let key = ExchangeKey::parse(key.ok_or_else(mismatch)?).map_err(|_| mismatch())?;
        if said.key() != Some(key.digest()) {
            return Err(mismatch());
        }
        if self.store.exchange(act.exchange).await?.is_some() {
            return Err(NodeError::refused(Code::Stale, "the exchange exists already"));
        }
        let callback = caller.peer.peer_id().map(|id| format!("multiaddr:/p2p/{id}"));
        if said.callback() != callback.as_deref() {
            return Err(NodeError::refused(Code::CallbackRefused, ""));
        }
        let role = route.first_receiver();
        let (provider, consumer) = said.pids();
        let theirs = match role {
            Role::Provider => consumer,
            Role::Consumer => provider,
        };
        let theirs =
            theirs.ok_or_else(|| NodeError::refused(Code::Malformed, "the message names no process"))?;
        if self.store.exchange_by_peer_pid(&caller.peer.did(), route.kind(), theirs).await?.is_some() {
            return Err(NodeError::refused(Code::Stale, "the process id was used before"));
        }
        self.room_for(&caller.peer.did()).await?;
        let (machine, data, beside) = match said {
            Said::TransferRequest(message) => self.transfer_begun(caller, message).await?,
            Said::Request(_) | Said::Offer(_) => {
                let initiator = naru_protocol::exchange::other(role);
                let deal = Deal { began_ms: now_ms(), ..Deal::default() };
                (Exchange::negotiation(role, initiator), Data::Deal(Box::new(deal)), None)
            }
            Said::Event(_)
            | Said::Agreement(_)
            | Said::Verification(_)
            | Said::Termination(_)
            | Said::End(_)
            | Said::Report(_)
            | Said::Start(_)
            | Said::Suspension(_)
            | Said::Completion(_)
            | Said::TransferTermination(_)
            | Said::Receipt(_) => return Err(NodeError::refused(Code::NotFound, "")),
        };
        let theirs = Some(theirs.to_owned());
        let row = fresh_row(
            self,
            act.exchange,
            route.kind(),
            role,
            &caller.peer.did(),
            theirs,
            StartedBy::Peer,
            &key,
        )?;
        let mut turn = Turn::new(self, caller.peer.clone(), row, machine, data, key);
        turn.beside.extend(beside);
        Ok(turn)
    }

    /// A transfer rests on an agreement of this peer whose FINALIZED the request names; what names another's agreement is
    /// answered like what names none (TRF-2.3, LIM-2.5). Gives the negotiation too where naming it puts it in force.
    async fn transfer_begun(
        &self,
        caller: &Caller,
        message: &TransferRequestMessage,
    ) -> Result<(Exchange, Data, Option<Turn>), NodeError> {
        let none = || NodeError::refused(Code::NotInForce, "");
        let named = message.dxp.as_ref().ok_or_else(none)?.agreement;
        let agreement = self.store.agreement(named).await?.ok_or_else(none)?;
        let mut negotiation = self.turn(agreement.exchange).await?;
        if negotiation.row.peer != caller.peer.did() || negotiation.row.role != OurRole::Provider {
            return Err(none());
        }
        let finalized = negotiation.deal()?.finalized.ok_or_else(none)?;
        let dataset = negotiation.deal()?.dataset.clone();
        let content_root = negotiation.deal()?.terms.as_ref().ok_or_else(none)?.content_root;
        let id = negotiation.row.id;
        // Naming FINALIZED acknowledges it, should its answer have been lost. After an END or a report of ours that is long
        // done: the request is taken, and refused where what it rests on has ended.
        let open = negotiation.machine.pending().is_some_and(|pending| pending.act == finalized);
        let names = open && caller.token.payload().prev == Some(finalized) && negotiation.named(finalized)?;
        if names {
            negotiation.in_force_by_name(caller)?;
        }
        let haul = Haul::new(id, dataset, named, content_root);
        let machine = Exchange::transfer(Role::Provider, named, finalized, Flow::Pull);
        Ok((machine, Data::Haul(Box::new(haul)), names.then_some(negotiation)))
    }

    /// Notes where the peer's act lies in its log, and its newest checkpoint.
    async fn seen(
        &self,
        turn: &mut Turn,
        caller: &Caller,
        act: &Act,
        digest: Digest,
    ) -> Result<(), NodeError> {
        let token = caller.token.payload();
        let (Some(note), Some(index)) = (token.checkpoint.as_deref(), token.index) else { return Ok(()) };
        let (claim, place) = self.peer_place(&caller.peer, note, index, act.exchange, digest)?;
        self.not_superseded(&claim).await?;
        self.claimed(claim, &mut turn.batch).await?;
        turn.batch.peer_acts.push(place);
        Ok(())
    }
}
