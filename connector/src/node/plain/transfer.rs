//! A transfer with a plain peer: the messages around the bytes (spec chapter 13, PLN-8). Bytes are `serve` and `fetch`.

use naru_protocol::{
    dsp::{
        Message as _,
        transfer::{
            DataAddress, EndpointProperty, TransferCompletionMessage, TransferStartMessage,
            TransferTerminationMessage,
        },
    },
    encoding::{Digest, to_base64url},
    error::Code,
    exchange::{ActKind, Role, State as Any},
    plain::PlainSend,
    transfer as tra,
};
use serde_json::{Value, json as object};

use super::{
    deal::{Format, Place, Token},
    negotiation::reasons_of,
    turn::{PlainData, PlainTurn, machine_of},
};
use crate::{
    config,
    node::{NodeError, now_ms, proposal::message, received::Said, views},
};

/// Kind of endpoint that our data addresses name, as connectors of this protocol do.
const HTTP: &str = "https://w3id.org/idsa/v4.1/HTTP";
/// Names of endpoint properties in the long spelling. Eclipse connectors write and read only these.
const LONG: &str = "https://w3id.org/edc/v0.0.1/ns/";
/// Seconds for which a bearer token opens the data from a START on.
pub(super) const TOKEN_SECONDS: u64 = 3600;

/// A data address, in both spellings.
pub(super) fn address(endpoint: &str, token: &str) -> DataAddress {
    let property = |name: &str, value: &str| EndpointProperty {
        kind: Default::default(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let mut properties = vec![property("authorization", token), property("authType", "bearer")];
    for (name, value) in
        [("endpoint", endpoint), ("endpointType", HTTP), ("authType", "bearer"), ("authorization", token)]
    {
        properties.push(property(&format!("{LONG}{name}"), value));
    }
    DataAddress {
        kind: Default::default(),
        endpoint_type: HTTP.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        endpoint_properties: properties,
    }
}

/// Where data are to be delivered, in both spellings: what an HTTP sink of an Eclipse connector reads, and what others do.
pub(super) fn sink(endpoint: &str, token: &str) -> DataAddress {
    let mut address = address(endpoint, token);
    let property = |name: &str, value: &str| EndpointProperty {
        kind: Default::default(),
        name: format!("{LONG}{name}"),
        value: value.to_owned(),
    };
    "HttpData".clone_into(&mut address.endpoint_type);
    for (name, value) in [
        ("type", "HttpData"),
        ("baseUrl", endpoint),
        ("method", "POST"),
        ("authKey", "Authorization"),
        ("authCode", token),
    ] {
        address.endpoint_properties.push(property(name, value));
    }
    address
}

/// A token that opens one transfer, and its digest, which is all that is kept of it.
pub(super) fn fresh_token() -> Result<(String, Digest), NodeError> {
    let secret = config::random::<32>().map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
    let token = to_base64url(&secret);
    let digest = Digest::of(token.as_bytes());
    Ok((token, digest))
}

/// Where a data address points, in whichever spelling; none if it names no endpoint.
pub(super) fn place_in(address: &DataAddress) -> Option<Place> {
    let named = |name: &str| {
        let of = |wanted: &str| address.endpoint_properties.iter().find(|p| p.name == wanted);
        of(name).or_else(|| of(&format!("{LONG}{name}"))).map(|p| p.value.clone())
    };
    let endpoint = address.endpoint.clone().or_else(|| named("endpoint")).or_else(|| named("baseUrl"))?;
    Some(Place { endpoint, authorization: named("authorization").or_else(|| named("authCode")) })
}

impl PlainTurn {
    /// Takes in a message of a transfer that is known.
    pub(super) async fn hear_haul(&mut self, said: &Said) -> Result<(), NodeError> {
        match said {
            Said::Start(m) => self.on_start(m).await,
            Said::Suspension(m) => {
                self.close_data();
                self.ended_by_peer(m.code.as_deref(), &m.reason)
            }
            Said::Completion(_) => {
                self.close_data();
                let role = self.machine.role();
                let haul = self.haul()?;
                haul.ended_ms = Some(now_ms());
                haul.token = None;
                haul.done |= role == Role::Provider;
                if !haul.done && haul.out.is_some() {
                    let why = vec!["the provider says that all is there, and nothing has arrived".to_owned()];
                    haul.refusal = Some(views::refusal(Code::AnswerMalformed, why, role));
                }
                Ok(())
            }
            Said::TransferTermination(m) => {
                self.close_data();
                self.haul()?.token = None;
                self.ended_by_peer(m.code.as_deref().or(Some(Code::Cancelled.as_str())), &m.reason)
            }
            // Taken in where the exchange begins.
            Said::TransferRequest(_) => Ok(()),
            Said::Request(_)
            | Said::Offer(_)
            | Said::Event(_)
            | Said::Agreement(_)
            | Said::Verification(_)
            | Said::Termination(_)
            | Said::End(_)
            | Said::Report(_)
            | Said::Receipt(_) => Err(NodeError::refused(Code::NotFound, "")),
        }
    }

    fn ended_by_peer(&mut self, code: Option<&str>, reason: &[Value]) -> Result<(), NodeError> {
        let Some(code) = code else { return Ok(()) };
        self.remark("code", object!(code));
        let role = self.machine.role();
        self.haul()?.refusal = Some(views::refusal_by_peer(code, reasons_of(reason), role));
        Ok(())
    }

    /// START of a provider: where the data are. START of a consumer: our data open again.
    async fn on_start(&mut self, m: &TransferStartMessage) -> Result<(), NodeError> {
        let (role, at) = (self.machine.role(), self.at);
        let haul = self.haul()?;
        haul.refusal = None;
        if let Some(token) = &mut haul.token {
            token.until = at + TOKEN_SECONDS;
        }
        if role == Role::Provider {
            return Ok(());
        }
        if let Some(place) = m.data_address.as_ref().and_then(place_in) {
            haul.place = Some(place);
        }
        let first = haul.occurrence == 0;
        if !first {
            return Ok(());
        }
        let negotiation = haul.negotiation;
        // The caller holds the agreement's lock too.
        let mut deal_turn = self.node.plain_turn(negotiation).await?;
        let deal = deal_turn.deal()?;
        deal.started = deal.started.saturating_add(1);
        self.haul()?.occurrence = deal_turn.deal()?.started;
        self.beside.push(deal_turn);
        Ok(())
    }

    /// A pull that was started without an address cannot be fetched: told to the provider at once.
    pub(super) fn has_no_address(&mut self) -> Result<bool, NodeError> {
        let consumer = self.machine.role() == Role::Consumer;
        let haul = self.haul()?;
        Ok(consumer && haul.format == Format::Pull && haul.place.is_none() && haul.out.is_some())
    }

    /// The provider's START, first or after a suspension: under today's law, with a token of its own.
    pub(super) async fn start(&mut self, pause: u64) -> Result<(), NodeError> {
        let negotiation = self.haul()?.negotiation;
        let mut deal_turn = self.node.plain_turn(negotiation).await?;
        let Some(in_force) = deal_turn.machine.in_force() else {
            return self.end_transfer(Code::AgreementEnded, Vec::new(), Vec::new(), pause);
        };
        let first = self.machine.state() == Some(Any::Transfer(tra::State::Requested));
        let counted = deal_turn.deal()?.started;
        let occurrence = if first { counted.saturating_add(1) } else { self.haul()?.occurrence };
        let shared = deal_turn.shared().await?;
        let judged = self.judge(&shared, Some(occurrence)).await?;
        let fields = vec![("decision", object!(judged.row.digest))];
        let permit = match self.permit(&judged, Some(occurrence)) {
            Ok(permit) => permit,
            Err(NodeError::Refused(code @ (Code::Denied | Code::Undetermined), why)) => {
                tracing::info!(exchange = %self.row.id, %why, "refused by law");
                let reasons = self.node.peer_reasons(&judged);
                return self.end_transfer(code, reasons, fields, pause);
            }
            Err(error) => return Err(error),
        };
        let data_address = match (self.machine.role(), self.haul()?.format) {
            (Role::Provider, Format::Pull) => Some(self.open_data()?),
            (Role::Provider, Format::Push) | (Role::Consumer, _) => None,
        };
        let haul = self.haul()?;
        (haul.occurrence, haul.refusal) = (occurrence, None);
        let (provider_pid, consumer_pid) = self.pids();
        let m = TransferStartMessage { provider_pid, consumer_pid, data_address, dxp: None };
        let path = format!("/transfers/{}/start", self.their_pid()?);
        let body = m.to_bytes().map_err(message)?;
        self.send(PlainSend::Start(permit, in_force), &path, body, fields, pause)?;
        if first {
            deal_turn.deal()?.started = occurrence;
            self.beside.push(deal_turn);
        }
        Ok(())
    }

    /// A START of the peer rests on today's law as one of ours does (`[PLN-7.3]`): what stands against it ends the transfer.
    pub(super) async fn permitted_again(&mut self, pause: u64) -> Result<bool, NodeError> {
        let (negotiation, occurrence) = (self.haul()?.negotiation, self.haul()?.occurrence.max(1));
        let shared = self.node.plain_turn(negotiation).await?.shared().await?;
        let judged = self.judge(&shared, Some(occurrence)).await?;
        match self.permit(&judged, Some(occurrence)) {
            Ok(_) => {
                // What allows changes nothing, and is not kept.
                self.batch.evaluations.pop();
                Ok(true)
            }
            Err(NodeError::Refused(code @ (Code::Denied | Code::Undetermined), why)) => {
                tracing::info!(exchange = %self.row.id, %why, "refused by law");
                let reasons = self.node.peer_reasons(&judged);
                self.end_transfer(code, reasons, vec![("decision", object!(judged.row.digest))], pause)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this is a transfer that runs although the operator has ended its agreement: what was on its way then could not
    /// be ended at once (`[PLN-6.4]`).
    pub(super) async fn rests_on_what_ended(&self) -> Result<bool, NodeError> {
        let PlainData::Haul(haul) = &self.data else { return Ok(false) };
        if self.machine.state().is_none_or(Any::is_final) {
            return Ok(false);
        }
        let deal = self.node.store.exchange(haul.negotiation).await?;
        Ok(deal.as_ref().map(machine_of).transpose()?.is_some_and(|machine| machine.is_ended()))
    }

    /// A fresh token for our data, and the address that carries it.
    fn open_data(&mut self) -> Result<DataAddress, NodeError> {
        let (token, digest) = fresh_token()?;
        let url = self.node.https_url().unwrap_or_default();
        let endpoint = format!("{url}/data/{}", self.row.our_pid);
        let (until, number) = (self.at + TOKEN_SECONDS, self.node.let_in_number(&self.row.peer)?);
        self.haul()?.token = Some(Token { digest, until, number });
        Ok(address(&endpoint, &token))
    }

    #[cfg(feature = "tck")]
    pub(super) fn suspend(&mut self, pause: u64) -> Result<(), NodeError> {
        let (provider_pid, consumer_pid) = self.pids();
        let m = naru_protocol::dsp::transfer::TransferSuspensionMessage {
            provider_pid,
            consumer_pid,
            code: None,
            reason: Vec::new(),
            dxp: None,
        };
        let path = format!("/transfers/{}/suspension", self.their_pid()?);
        self.close_data();
        self.send(PlainSend::Suspend, &path, m.to_bytes().map_err(message)?, Vec::new(), pause)
    }

    pub(super) fn complete(&mut self, pause: u64) -> Result<(), NodeError> {
        let (provider_pid, consumer_pid) = self.pids();
        let m = TransferCompletionMessage { provider_pid, consumer_pid, dxp: None };
        let path = format!("/transfers/{}/completion", self.their_pid()?);
        // Whoever completes has done its work: the task that says so must not be told to leave off.
        self.node.close_opened(&self.row.our_pid);
        self.send(PlainSend::Complete, &path, m.to_bytes().map_err(message)?, Vec::new(), pause)
    }

    pub(super) fn end_transfer(
        &mut self,
        code: Code,
        reasons: Vec<String>,
        mut fields: Vec<(&'static str, Value)>,
        pause: u64,
    ) -> Result<(), NodeError> {
        let role = self.machine.role();
        self.haul()?.refusal = Some(views::refusal(code, reasons.clone(), role));
        self.close_data();
        if !self.machine.may_send(ActKind::Transfer(tra::ActKind::Terminate)) || self.row.peer_pid.is_none() {
            return Ok(());
        }
        self.haul()?.token = None;
        fields.push(("code", object!(code.as_str())));
        let (provider_pid, consumer_pid) = self.pids();
        let m = TransferTerminationMessage {
            provider_pid,
            consumer_pid,
            code: Some(code.as_str().to_owned()),
            reason: reasons.iter().map(|r| object!(r)).collect(),
            dxp: None,
        };
        let path = format!("/transfers/{}/termination", self.their_pid()?);
        self.send(PlainSend::TransferTerminate, &path, m.to_bytes().map_err(message)?, fields, pause)
    }

    /// No further byte of this transfer moves: of ours from now on, and of the peer's once that is durable.
    fn close_data(&mut self) {
        self.node.close_opened(&self.row.our_pid);
        self.halts = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PLN-8.2
    #[test]
    fn a_data_address_is_read_in_either_spelling() {
        let both = address("https://h/data/1", "t");
        assert_eq!(place_in(&both).unwrap().endpoint, "https://h/data/1");
        let mut long = both.clone();
        long.endpoint = None;
        long.endpoint_properties.retain(|p| p.name.starts_with(LONG));
        let place = place_in(&long).unwrap();
        assert_eq!(
            (place.endpoint.as_str(), place.authorization.as_deref()),
            ("https://h/data/1", Some("t"))
        );
        long.endpoint_properties.retain(|p| !p.name.ends_with("/endpoint"));
        assert_eq!(place_in(&long), None);
        assert!(!format!("{place:?}").contains("\"t\""));
    }
}
