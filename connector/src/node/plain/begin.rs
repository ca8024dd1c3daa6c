//! First messages of plain peers: a request or an offer, and a transfer request (spec chapter 13, PLN-2.5, PLN-4.5, PLN-6.3).

use std::sync::Arc;

use naru_protocol::{
    act::Path,
    dsp::{odrl, transfer::TransferRequestMessage},
    encoding::{Digest, Id},
    error::Code,
    exchange::{ActKind, Role},
    log::entry::ExchangeKey,
    plain::PlainExchange,
    transfer as tra,
};
use serde_json::json as object;

use super::{
    deal::{Format, PlainDeal, PlainHaul},
    negotiation::{Heard, agreement_setting},
    peers::PlainPeer,
    transfer::place_in,
    turn::{PlainData, PlainTurn},
};
use crate::{
    config,
    node::{
        Node, NodeError, now_ms,
        peers::random_id,
        received::{Said, fresh_row},
    },
    store::{ExchangeKind, ExchangeRow, StartedBy},
};

/// A random UUID (version 4).
pub(super) fn uuid() -> Result<String, NodeError> {
    let mut bytes = config::random::<16>().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

/// Refuses a process id that could not stand in a path.
pub(super) fn pid_fits(pid: &str) -> Result<(), NodeError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&b);
    if !pid.is_empty()
        && pid.len() <= 512
        && pid.bytes().all(plain)
        && Path::parse(&format!("/{pid}")).is_ok()
    {
        return Ok(());
    }
    Err(NodeError::refused(Code::Malformed, "a process id is 1 to 512 characters that may stand in a path"))
}

pub(super) fn first_half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    half
}

/// A message that begins an exchange: our role in it, and what it is about.
enum First<'a> {
    Negotiation(Role, &'a odrl::Offer),
    Transfer(&'a TransferRequestMessage),
}

impl<'a> First<'a> {
    fn of(said: &'a Said) -> Option<Self> {
        match said {
            Said::Request(m) => Some(Self::Negotiation(Role::Provider, &m.offer)),
            Said::Offer(m) => Some(Self::Negotiation(Role::Consumer, &m.offer)),
            Said::TransferRequest(m) => Some(Self::Transfer(m)),
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
            | Said::Receipt(_) => None,
        }
    }

    const fn is(&self) -> (Role, ExchangeKind) {
        match self {
            Self::Negotiation(role, _) => (*role, ExchangeKind::Negotiation),
            Self::Transfer(_) => (Role::Provider, ExchangeKind::Transfer),
        }
    }
}

impl Node {
    /// The first message of an exchange. The same consumer's or provider's pid again is the same exchange (`[PLN-4.5]`).
    pub(super) async fn plain_begin(
        &self,
        peer: &Arc<PlainPeer>,
        said: &Said,
        path: &str,
        content: &[u8],
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let opening = First::of(said).ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let (role, kind) = opening.is();
        let (provider, consumer) = said.pids();
        let theirs = match role {
            Role::Provider => consumer,
            Role::Consumer => provider,
        };
        let theirs = theirs.unwrap_or_default().to_owned();
        pid_fits(&theirs)?;
        let callback = said.callback().unwrap_or_default().trim_end_matches('/').to_owned();
        if !peer.is_its(&callback) {
            let why = "callbackAddress is not under the address that is recorded for this participant";
            return Err(NodeError::refused(Code::CallbackRefused, why));
        }
        let name = Digest::of(format!("{kind} {theirs} {}", peer.id()).as_bytes());
        let beginning = self.locks.one(Id(first_half(&name))).await;
        if let Some(known) = self.store.exchange_by_peer_pid(peer.id(), kind, &theirs).await? {
            let again = self.plain_again(known.id, (path, content), true).await?;
            let reused = || NodeError::refused(Code::IllegalState, "this process id names another exchange");
            return again.ok_or_else(reused);
        }
        self.room_for(peer.id()).await?;
        let answered = match opening {
            First::Transfer(m) => self.plain_transfer(peer, m, &theirs, callback, (path, content)).await,
            First::Negotiation(_, offer) => {
                let dataset = offer.target().unwrap_or_default();
                self.plain_negotiation(peer, (role, dataset, said), &theirs, callback, (path, content)).await
            }
        };
        drop(beginning);
        answered
    }

    async fn plain_negotiation(
        &self,
        peer: &Arc<PlainPeer>,
        (role, dataset, said): (Role, &str, &Said),
        theirs: &str,
        callback: String,
        (path, content): (&str, &[u8]),
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let deal = PlainDeal {
            dataset: dataset.to_owned(),
            callback,
            purpose: peer.record.purpose.clone().filter(|_| role == Role::Provider),
            countries: match role {
                Role::Provider => peer.record.countries.clone(),
                Role::Consumer => vec![self.me.participant.country.to_string()],
            },
            keep_days: peer.record.keep_days,
            began_ms: now_ms(),
            ..PlainDeal::default()
        };
        if role == Role::Provider {
            // What is not shown to the peer cannot be asked for either.
            self.shown_to_plain(peer, &deal.dataset).await?;
        }
        let data = PlainData::Deal(Box::new(deal));
        let (row, key) =
            self.plain_row(peer, ExchangeKind::Negotiation, role, Some(theirs), StartedBy::Peer)?;
        let mut turn = PlainTurn::new(self, peer.clone(), row, PlainExchange::negotiation(role), data, key);
        turn.receive(said.kind(), path, content)?;
        turn.hear_deal(said).await?;
        let body = turn.state_now()?;
        turn.go_on_after(Heard::Theirs(said.kind())).await?;
        self.plain_done(turn, 201, body).await
    }

    async fn plain_transfer(
        &self,
        peer: &Arc<PlainPeer>,
        m: &TransferRequestMessage,
        theirs: &str,
        callback: String,
        (path, content): (&str, &[u8]),
    ) -> Result<(u16, Vec<u8>), NodeError> {
        let none = || NodeError::refused(Code::NotInForce, "/agreementId");
        let setting = agreement_setting(peer.id(), &m.agreement_id);
        let negotiation =
            self.store.meta(&setting).await?.and_then(|text| Id::parse(&text).ok()).ok_or_else(none)?;
        let id = random_id()?;
        let _locks = self.locks.two(negotiation, id).await;
        let mut deal_turn = self.plain_turn(negotiation).await?;
        let provider = deal_turn.machine.role() == Role::Provider && deal_turn.row.peer == peer.id();
        let in_force = deal_turn.machine.in_force().filter(|_| provider).ok_or_else(none)?;
        let format = Format::parse(&m.format)
            .ok_or_else(|| NodeError::refused(Code::Malformed, "/format: HttpData-PULL or HttpData-PUSH"))?;
        let mut haul = PlainHaul::new(negotiation, deal_turn.deal()?, in_force.agreement(), format);
        haul.callback = callback;
        haul.out = None;
        if format == Format::Push {
            let place = m.data_address.as_ref().and_then(place_in);
            let place =
                place.ok_or_else(|| NodeError::refused(Code::Malformed, "/dataAddress: no endpoint"))?;
            haul.place = Some(place);
        }
        let data = PlainData::Haul(Box::new(haul));
        let (mut row, key) =
            self.plain_row(peer, ExchangeKind::Transfer, Role::Provider, Some(theirs), StartedBy::Peer)?;
        row.id = id;
        let machine = PlainExchange::transfer(Role::Provider, in_force);
        let mut turn = PlainTurn::new(self, peer.clone(), row, machine, data, key);
        let request = ActKind::Transfer(tra::ActKind::Request);
        turn.receive(request, path, content)?;
        turn.remark("agreement", object!(in_force.agreement()));
        let body = turn.state_now()?;
        turn.go_on_after(Heard::Theirs(request)).await?;
        self.plain_done(turn, 201, body).await
    }

    /// The row of a new exchange with its key.
    pub(super) fn plain_row(
        &self,
        peer: &PlainPeer,
        kind: ExchangeKind,
        role: Role,
        theirs: Option<&str>,
        initiator: StartedBy,
    ) -> Result<(ExchangeRow, ExchangeKey), NodeError> {
        let secret =
            config::random::<32>().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
        let key = ExchangeKey::from_bytes(secret);
        let theirs = theirs.map(str::to_owned);
        let row = fresh_row(self, random_id()?, kind, role, peer.id(), theirs, initiator, &key)?;
        Ok((row, key))
    }
}
