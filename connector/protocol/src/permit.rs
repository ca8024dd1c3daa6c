//! The permit: proof that our own policy was evaluated over these inputs and allows (spec chapter 05, POL; chapter 06, NEG-7).
//!
//! [`Permit::check`] is the only way to one. It takes the bytes of the evaluation record and what they must say, and believes
//! nothing else. [`PeerAllow`] is the peer's signed decision, from the bytes of a message under a verified token.
//!
//! ```compile_fail
//! // No public constructor, no public field.
//! let forged = naru_protocol::permit::Permit { conditional: false };
//! ```
//! ```compile_fail
//! // Not from JSON.
//! let forged: naru_protocol::permit::Permit = serde_json::from_str("{}").unwrap();
//! ```
//! ```compile_fail
//! // Not by default.
//! let forged = naru_protocol::permit::Permit::default();
//! ```
//! ```compile_fail
//! // Neither is the peer's decision.
//! let forged = naru_protocol::permit::PeerAllow { side: todo!() };
//! ```
//! ```compile_fail
//! // A decision as it stands in a message is a claim, not a proof.
//! use naru_protocol::{permit::Expectation, terms::Decision};
//! fn trust(expectation: Expectation, decision: Decision) -> Expectation {
//!     expectation.with_peer(decision)
//! }
//! ```
//!
//! Policies are not run here: the record comes from whoever runs them, and an auditor repeats it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    act::Token,
    agreement::{ProviderSigned, SignedByBoth},
    dsp::{
        self, Message, MessageError,
        negotiation::{ContractNegotiationEventMessage, ContractOfferMessage, ContractRequestMessage},
        nullable,
        transfer::{TransferRequestMessage, TransferStartMessage},
    },
    encoding::Digest,
    error::Code,
    exchange::{Role, other},
    identity::Did,
    json::{self, JsonError, V1},
    jws::Verified,
    limits,
    terms::{Decision, Obligation, Pack, Phase, Setting, Side, Terms},
};

/// The digests of the two parts of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// SHA-256 over JCS of the shared part, without clock, phase and side.
    pub shared: Digest,
    /// SHA-256 over JCS of the private part.
    pub private: Digest,
}

/// A rule that only the other side may evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The rule.
    pub id: String,
    /// The side that may.
    pub evaluator: Side,
}

/// A pack as a result names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackUsed {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// Its digest.
    pub digest: Digest,
}

/// The result object of a record: what all packs together said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Whether this side allows; null at phase catalog.
    #[serde(deserialize_with = "nullable")]
    pub allow: Option<bool>,
    /// Whether the dataset may be shown; null at every other phase.
    #[serde(deserialize_with = "nullable")]
    pub visible: Option<bool>,
    /// Rules that deny.
    pub deny: Vec<Value>,
    /// Rules that could not be decided.
    pub undetermined: Vec<Value>,
    /// Rules left to the other side.
    pub delegated: Vec<Delegation>,
    /// Duties that remain.
    pub obligations: Vec<Obligation>,
    /// Grounds in agreements between states.
    pub basis: Vec<Value>,
    /// The packs that were asked.
    pub packs: Vec<PackUsed>,
}

/// The record of one evaluation (NEG-7.1); its digest over the canonical bytes is a decision's `result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRecord {
    /// Version.
    pub v: V1,
    /// What was judged.
    pub input: Input,
    /// By which packs, sorted by name.
    pub packs: Vec<Pack>,
    /// At which point.
    pub phase: Phase,
    /// For which side.
    pub side: Side,
    /// What came out, as the packs said it.
    pub result: Value,
}

impl EvaluationRecord {
    /// The canonical bytes, which are stored, hashed and given to [`Permit::check`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, JsonError> {
        json::to_canonical(self)
    }

    /// Reads canonical bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse_canonical(bytes)
    }

    /// The result in its type; refuses what no result may say.
    pub fn outcome(&self) -> Result<Outcome, JsonError> {
        json::from_value(self.result.clone())
    }
}

/// What a record must say to become a [`Permit`].
#[derive(Debug, Clone)]
pub struct Expectation {
    setting: Setting,
    side: Side,
    phase: Phase,
    input: Input,
    packs: Vec<Pack>,
    counterparty: Did,
    peer: Option<PeerAllow>,
}

impl Expectation {
    /// For a deal under negotiation: the packs and the shared document of the terms; `private` is the digest of our private part.
    pub fn negotiation(terms: &Terms, role: Role, private: Digest) -> Result<Self, JsonError> {
        let setting = Setting::of(terms)?;
        Ok(Self {
            setting,
            side: Side::of(role),
            phase: Phase::Negotiation,
            input: Input { shared: setting.shared, private },
            packs: terms.packs.clone(),
            counterparty: terms.party(other(role)).did,
            peer: None,
        })
    }

    /// For a transfer under concluded terms: law is judged by the newest accepted packs over the input of today.
    pub fn transfer(terms: &Terms, role: Role, input: Input, packs: Vec<Pack>) -> Result<Self, JsonError> {
        let setting = Setting::of(terms)?;
        let counterparty = terms.party(other(role)).did;
        Ok(Self {
            setting,
            side: Side::of(role),
            phase: Phase::Transfer,
            input,
            packs,
            counterparty,
            peer: None,
        })
    }

    /// Adds a local overlay: it must have been asked too, beside the packs of the terms.
    #[must_use]
    pub fn with_overlay(mut self, pack: Pack) -> Self {
        self.packs.push(pack);
        self
    }

    /// Adds the peer's signed allow, which answers what is delegated to it.
    #[must_use]
    pub fn with_peer(mut self, peer: PeerAllow) -> Self {
        self.peer = Some(peer);
        self
    }
}

/// Why a record is no permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// Not the canonical bytes of a record.
    #[error("evaluation record: {0}")]
    Record(JsonError),
    /// The result is not of its shape.
    #[error("evaluation result: {0}")]
    Result(JsonError),
    /// Over another shared document.
    #[error("evaluation is over another shared document")]
    OtherShared,
    /// Over other private facts.
    #[error("evaluation is over other private facts")]
    OtherPrivate,
    /// By other packs than expected, or the record and its result name different ones.
    #[error("evaluation is by other packs")]
    OtherPacks,
    /// At another point of the deal.
    #[error("evaluation is for another phase")]
    OtherPhase,
    /// For the other side.
    #[error("evaluation is for the other side")]
    OtherSide,
    /// At least one rule denies, or the result does not say that it allows.
    #[error("policy denies")]
    Denied,
    /// At least one rule could not be decided.
    #[error("policy could not decide")]
    Undetermined,
    /// A rule is delegated to the side that evaluated it: nobody is left to answer it.
    #[error("rule {0} is left to nobody")]
    Orphaned(String),
    /// The peer's decision is over other terms, of the wrong side or for another phase.
    #[error("the peer's decision is about something else")]
    OtherPeerDecision,
}

impl PermitError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Record(_)
            | Self::OtherShared
            | Self::OtherPrivate
            | Self::OtherPhase
            | Self::OtherSide
            | Self::OtherPeerDecision => Code::PermitInvalid,
            Self::Result(_) => Code::PolicyResult,
            Self::OtherPacks => Code::PacksDiffer,
            Self::Denied => Code::Denied,
            Self::Undetermined | Self::Orphaned(_) => Code::Undetermined,
        }
    }
}

/// Proof that our policy allows under one set of terms.
///
/// *Conditional* while a rule is delegated to the peer and its signed allow is not there: enough to propose, not to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    setting: Setting,
    side: Side,
    phase: Phase,
    input: Input,
    record: Digest,
    obligations: Vec<Obligation>,
    delegated: Vec<String>,
    conditional: bool,
}

impl Permit {
    /// Reads the bytes of an evaluation record and checks every claim against the expectation.
    pub fn check(record: &[u8], expect: &Expectation) -> Result<Self, PermitError> {
        let asked =
            Asked { phase: expect.phase, side: expect.side, input: expect.input, packs: &expect.packs };
        let (read, outcome) = allowed(record, &asked)?;
        let conditional = check_delegated(&outcome.delegated, expect)?;
        Ok(Self {
            setting: expect.setting,
            side: expect.side,
            phase: expect.phase,
            input: read.input,
            record: Digest::of(record),
            obligations: outcome.obligations,
            delegated: outcome.delegated.into_iter().map(|rule| rule.id).collect(),
            conditional,
        })
    }

    /// Digest of the terms that it is for.
    #[must_use]
    pub const fn terms(&self) -> Digest {
        self.setting.terms
    }

    /// Deadline of those terms, seconds.
    #[must_use]
    pub const fn conclude_by(&self) -> u64 {
        self.setting.conclude_by
    }

    /// For which side it was evaluated.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// At which point.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Digest of the evaluation record: the `result` of the decision.
    #[must_use]
    pub const fn record(&self) -> Digest {
        self.record
    }

    /// Duties that the evaluation found.
    #[must_use]
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Ids of the rules that the peer has to answer.
    #[must_use]
    pub fn delegated(&self) -> &[String] {
        &self.delegated
    }

    /// True while the peer's signed allow is missing for a delegated rule.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        self.conditional
    }

    /// The decision that this permit carries. `input_private` is the salted digest of the private part, `at` the time of
    /// evaluation in seconds, `by` who approved or `auto`.
    #[must_use]
    pub const fn decision(&self, input_private: Digest, at: u64, by: String) -> Decision {
        Decision {
            terms: self.setting.terms,
            side: self.side,
            phase: self.phase,
            allow: true,
            result: self.record,
            input_shared: self.input.shared,
            input_private,
            at,
            by,
        }
    }

    /// Whether a decision is the one of this permit, whoever wrote time and name.
    #[must_use]
    pub fn covers(&self, decision: &Decision) -> bool {
        *decision == self.decision(decision.input_private, decision.at, decision.by.clone())
    }
}

/// What a record must be about.
pub(crate) struct Asked<'a> {
    pub(crate) phase: Phase,
    pub(crate) side: Side,
    pub(crate) input: Input,
    pub(crate) packs: &'a [Pack],
}

/// Reads the bytes of a record that is about what was asked and allows; what is delegated is left to the caller.
pub(crate) fn allowed(record: &[u8], asked: &Asked<'_>) -> Result<(EvaluationRecord, Outcome), PermitError> {
    if record.len() > limits::POLICY_RESULT * 2 {
        let size = record.len();
        return Err(PermitError::Record(JsonError::TooLarge { size, limit: limits::POLICY_RESULT * 2 }));
    }
    let read = EvaluationRecord::parse(record).map_err(PermitError::Record)?;
    let outcome = read.outcome().map_err(PermitError::Result)?;
    if read.phase != asked.phase {
        return Err(PermitError::OtherPhase);
    }
    if read.side != asked.side {
        return Err(PermitError::OtherSide);
    }
    if read.input.shared != asked.input.shared {
        return Err(PermitError::OtherShared);
    }
    if read.input.private != asked.input.private {
        return Err(PermitError::OtherPrivate);
    }
    check_packs(&read, &outcome, asked.packs)?;
    if !outcome.deny.is_empty() || outcome.visible.is_some() {
        return Err(PermitError::Denied);
    }
    if !outcome.undetermined.is_empty() {
        return Err(PermitError::Undetermined);
    }
    if outcome.allow != Some(true) {
        return Err(PermitError::Denied);
    }
    Ok((read, outcome))
}

/// The record names exactly the expected packs, and its result was given by exactly those.
fn check_packs(read: &EvaluationRecord, outcome: &Outcome, packs: &[Pack]) -> Result<(), PermitError> {
    let sorted = |packs: &[Pack]| {
        let mut packs = packs.to_vec();
        packs.sort();
        packs
    };
    let used: Vec<Pack> =
        outcome.packs.iter().map(|pack| Pack { name: pack.name.clone(), digest: pack.digest }).collect();
    let expected = sorted(packs);
    if expected.is_empty() || sorted(&read.packs) != expected || sorted(&used) != expected {
        return Err(PermitError::OtherPacks);
    }
    Ok(())
}

/// What is delegated needs the peer's signed allow over the same terms; returns whether that is still to come.
fn check_delegated(delegated: &[Delegation], expect: &Expectation) -> Result<bool, PermitError> {
    if let Some(rule) = delegated.iter().find(|rule| rule.evaluator == expect.side) {
        return Err(PermitError::Orphaned(rule.id.clone()));
    }
    let Some(peer) = &expect.peer else { return Ok(!delegated.is_empty()) };
    let fits = peer.by == expect.counterparty
        && peer.terms == expect.setting.terms
        && peer.side == expect.side.other()
        && peer.phase == expect.phase;
    if fits { Ok(false) } else { Err(PermitError::OtherPeerDecision) }
}

/// The peer's decision that allows, under its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAllow {
    by: Did,
    terms: Digest,
    side: Side,
    phase: Phase,
}

/// Why a message gives no [`PeerAllow`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerAllowError {
    /// The token signs other bytes.
    #[error("the token signs other content")]
    OtherBody,
    /// Not a message that carries a decision.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The message has none.
    #[error("the message carries no decision")]
    NoDecision,
    /// The decision does not allow, or is of the side that did not send it.
    #[error("the decision does not allow or is not the sender's")]
    NotAllowed,
}

impl PeerAllow {
    /// From an act that carries a decision: request, offer, ACCEPTED, transfer request or start. The token was verified, the
    /// content is what it signs.
    pub fn from_act(token: &Verified<Token>, content: &[u8]) -> Result<Self, PeerAllowError> {
        if token.payload().body != Digest::of(content) {
            return Err(PeerAllowError::OtherBody);
        }
        let kind = dsp::type_of(content).unwrap_or_default();
        let (decision, side) = match kind.as_str() {
            ContractRequestMessage::TYPE => {
                let dxp = ContractRequestMessage::parse(content)?.dxp;
                (dxp.map(|dxp| dxp.decision), Side::Importer)
            }
            ContractOfferMessage::TYPE => {
                let dxp = ContractOfferMessage::parse(content)?.dxp;
                (dxp.map(|dxp| dxp.decision), Side::Exporter)
            }
            ContractNegotiationEventMessage::TYPE => {
                let dxp = ContractNegotiationEventMessage::parse(content)?.dxp;
                (dxp.and_then(|dxp| dxp.decision), Side::Importer)
            }
            TransferRequestMessage::TYPE => {
                let dxp = TransferRequestMessage::parse(content)?.dxp;
                (dxp.map(|dxp| dxp.decision), Side::Importer)
            }
            TransferStartMessage::TYPE => {
                let dxp = TransferStartMessage::parse(content)?.dxp;
                let decision = dxp.map(|dxp| dxp.decision);
                let side = decision.as_ref().map_or(Side::Exporter, |decision| decision.side);
                (decision, side)
            }
            _ => return Err(PeerAllowError::NoDecision),
        };
        let decision = decision.ok_or(PeerAllowError::NoDecision)?;
        if !decision.allow || decision.side != side {
            return Err(PeerAllowError::NotAllowed);
        }
        Ok(Self { by: token.payload().iss, terms: decision.terms, side, phase: decision.phase })
    }

    /// The provider's decision, from the agreement that it signed.
    #[must_use]
    pub const fn of_provider(signed: &ProviderSigned) -> Self {
        let by = signed.content().terms.provider.did;
        Self { by, terms: signed.terms_digest(), side: Side::Exporter, phase: Phase::Negotiation }
    }

    /// Either side's decision, from the agreement that both signed.
    #[must_use]
    pub const fn of_both(signed: &SignedByBoth, side: Side) -> Self {
        let by = match side {
            Side::Exporter => signed.content().terms.provider.did,
            Side::Importer => signed.content().terms.consumer.did,
        };
        Self { by, terms: signed.terms_digest(), side, phase: Phase::Negotiation }
    }
}
