//! Contract negotiation messages (DSP 2025-1; spec chapter 06, NEG-3), the profile's `dxp` members in them, and `End`.
//!
//! Shapes only: which message is legal now is [`crate::exchange`], what terms and signatures must say is [`crate::terms`] and
//! [`crate::agreement`].

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Message, MessageError, code_and_reason, error_body, nullable,
    odrl::{Agreement, Offer},
    optional, pids, text,
};
use crate::{
    agreement::Jws,
    encoding::Digest,
    json::V1,
    jws::SignatureEntry,
    limits,
    negotiation::State,
    terms::{Decision, Terms},
};

/// The profile's member of a request or an offer: complete terms and the sender's decision over their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Version.
    pub v: V1,
    /// Digest of the exchange key: in the first act of the exchange, else null.
    #[serde(deserialize_with = "nullable")]
    pub key: Option<Digest>,
    /// What is proposed.
    pub terms: Terms,
    /// The proposer's decision.
    pub decision: Decision,
}

/// `ContractRequestMessage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractRequestMessage {
    /// The consumer's pid.
    pub consumer_pid: String,
    /// The provider's pid, in a counter-request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_pid: Option<String>,
    /// What is asked for; has a `target`.
    pub offer: Offer,
    /// Where the consumer is reached, in a first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_address: Option<String>,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<Proposal>,
}

impl Message for ContractRequestMessage {
    const TYPE: &'static str = "ContractRequestMessage";

    fn check(&self) -> Result<(), MessageError> {
        text("consumerPid", &self.consumer_pid)?;
        optional("providerPid", self.provider_pid.as_ref())?;
        optional("callbackAddress", self.callback_address.as_ref())?;
        if self.callback_address.is_some() == self.provider_pid.is_some() {
            return Err(MessageError::OneOf { first: "callbackAddress", second: "providerPid" });
        }
        has_target(&self.offer)
    }
}

/// `ContractOfferMessage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractOfferMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid, in a counter-offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_pid: Option<String>,
    /// What is offered; has a `target`.
    pub offer: Offer,
    /// Where the provider is reached, in a first offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_address: Option<String>,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<Proposal>,
}

impl Message for ContractOfferMessage {
    const TYPE: &'static str = "ContractOfferMessage";

    fn check(&self) -> Result<(), MessageError> {
        text("providerPid", &self.provider_pid)?;
        optional("consumerPid", self.consumer_pid.as_ref())?;
        optional("callbackAddress", self.callback_address.as_ref())?;
        if self.callback_address.is_some() == self.consumer_pid.is_some() {
            return Err(MessageError::OneOf { first: "callbackAddress", second: "consumerPid" });
        }
        has_target(&self.offer)
    }
}

/// The prose of DSP demands what its schema leaves open: an offer in a message names its dataset.
fn has_target(offer: &Offer) -> Result<(), MessageError> {
    if offer.target().is_none() { Err(MessageError::Missing("offer.target")) } else { Ok(()) }
}

/// The profile's member of an agreement message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementMember {
    /// Version.
    pub v: V1,
    /// The terms agreed to.
    pub terms: Digest,
    /// The payload with the provider's signature alone.
    pub agreement: Jws,
}

/// `ContractAgreementMessage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractAgreementMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// The DSP agreement, equal to the one in the terms.
    pub agreement: Agreement,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<AgreementMember>,
}

impl Message for ContractAgreementMessage {
    const TYPE: &'static str = "ContractAgreementMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)
    }
}

/// The profile's member of a verification: the consumer's signature over the same payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationMember {
    /// Version.
    pub v: V1,
    /// The second signature entry of the agreement.
    pub signature: SignatureEntry,
}

/// `ContractAgreementVerificationMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractAgreementVerificationMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<VerificationMember>,
}

impl Message for ContractAgreementVerificationMessage {
    const TYPE: &'static str = "ContractAgreementVerificationMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)
    }
}

/// What a [`ContractNegotiationEventMessage`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// By the consumer: the offer is taken up.
    Accepted,
    /// By the provider: the negotiation is closed.
    Finalized,
}

/// The profile's member of an event; its shape follows the event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMember {
    /// Version.
    pub v: V1,
    /// ACCEPTED only: the terms taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Digest>,
    /// ACCEPTED only: the consumer's decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// FINALIZED only: digest of the agreement's payload bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Digest>,
}

impl EventMember {
    /// The member of ACCEPTED.
    #[must_use]
    pub const fn accepted(terms: Digest, decision: Decision) -> Self {
        Self { v: V1, terms: Some(terms), decision: Some(decision), agreement: None }
    }

    /// The member of FINALIZED.
    #[must_use]
    pub const fn finalized(agreement: Digest) -> Self {
        Self { v: V1, terms: None, decision: None, agreement: Some(agreement) }
    }
}

/// `ContractNegotiationEventMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractNegotiationEventMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// What happened.
    pub event_type: EventType,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<EventMember>,
}

impl Message for ContractNegotiationEventMessage {
    const TYPE: &'static str = "ContractNegotiationEventMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        let Some(dxp) = &self.dxp else { return Ok(()) };
        let given = (dxp.terms.is_some(), dxp.decision.is_some(), dxp.agreement.is_some());
        match self.event_type {
            EventType::Accepted if given == (true, true, false) => Ok(()),
            EventType::Accepted => Err(MessageError::Missing("dxp.terms and dxp.decision alone")),
            EventType::Finalized if given == (false, false, true) => Ok(()),
            EventType::Finalized => Err(MessageError::Missing("dxp.agreement alone")),
        }
    }
}

/// The profile's member of terminations, suspensions and completions: a stable code, or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeMember {
    /// Version.
    pub v: V1,
    /// Why, as one of the profile's codes.
    #[serde(deserialize_with = "nullable")]
    pub code: Option<String>,
}

impl CodeMember {
    /// A member with this code.
    #[must_use]
    pub const fn new(code: Option<String>) -> Self {
        Self { v: V1, code }
    }

    pub(crate) fn check(member: Option<&Self>) -> Result<(), MessageError> {
        member.map_or(Ok(()), |member| optional("dxp.code", member.code.as_ref()))
    }
}

/// `ContractNegotiationTerminationMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractNegotiationTerminationMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// Why, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why, for people.
    #[serde(default, deserialize_with = "super::reasons", skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<Value>,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<CodeMember>,
}

impl Message for ContractNegotiationTerminationMessage {
    const TYPE: &'static str = "ContractNegotiationTerminationMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        code_and_reason(self.code.as_ref(), &self.reason)?;
        CodeMember::check(self.dxp.as_ref())
    }
}

/// `ContractNegotiation`: the answer to a first act and to a GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractNegotiation {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// Where it stands.
    pub state: State,
}

impl Message for ContractNegotiation {
    const TYPE: &'static str = "ContractNegotiation";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)
    }
}

error_body! {
    /// `ContractNegotiationError`.
    ContractNegotiationError
}

/// `End`: one side ends an agreement that is in force. A message of this profile, without `@context` of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Version.
    pub v: V1,
    /// The consumer's pid of the negotiation.
    pub consumer_pid: String,
    /// The provider's pid of the negotiation.
    pub provider_pid: String,
    /// Digest of the agreement's payload bytes.
    pub agreement: Digest,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

impl End {
    /// The value of `@type`.
    pub const TYPE: &'static str = "End";

    /// Refuses texts beyond their limits.
    pub fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        text("code", &self.code)?;
        if self.reason.len() > limits::REASON {
            return Err(MessageError::Text { member: "reason", limit: limits::REASON });
        }
        Ok(())
    }

    /// Reads the content bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let end: Self = super::parse_own(bytes, Self::TYPE)?;
        end.check()?;
        Ok(end)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        self.check()?;
        super::own_to_bytes(self, Self::TYPE)
    }
}
