//! The agreement: one payload, two signatures, and when it is in force (spec chapter 06, NEG-8 to NEG-10).
//!
//! Proof types follow the life of an agreement. [`ProviderSigned`] comes from signing under a permit or from checking the
//! provider's signature over the payload received; [`SignedByBoth`] from countersigning it under a permit or from checking both
//! signatures; [`InForce`] from that, the FINALIZED act and the consumer's acknowledgement of it. Nothing else makes one.
//!
//! ```compile_fail
//! let forged = naru_protocol::agreement::ProviderSigned { payload: Vec::new() };
//! ```
//! ```compile_fail
//! let forged = naru_protocol::agreement::SignedByBoth { signed: todo!(), second: todo!() };
//! ```
//! ```compile_fail
//! let forged = naru_protocol::agreement::InForce { agreement: todo!(), terms: todo!() };
//! ```
//! ```compile_fail
//! // What one side signed is not in force.
//! fn serve(agreement: naru_protocol::agreement::InForce) {}
//! fn hurry(signed: naru_protocol::agreement::SignedByBoth) { serve(signed) }
//! ```
//!
//! Whether a signature still counts after its key was revoked is graded by the logs, not here.

mod verdict;

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

pub use verdict::{Acknowledgement, Evidence, InForce, NotInForce, Refusal, Verdict, verdict};

use crate::{
    dsp::odrl,
    encoding::{Digest, from_base64url, to_base64url},
    error::Code,
    exchange::{Role, other},
    identity::{Did, IdentityError, KeyRing},
    json::{self, JsonError, V1},
    jws::{self, JwsError, Payload, SignatureEntry, Typ},
    limits,
    permit::Permit,
    signature::{PublicKey, SigningKey},
    terms::{Decision, DecisionError, Setting, Side, Terms, TermsError, first_difference},
};

/// Both decisions over the same terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// The provider's.
    pub provider: Decision,
    /// The consumer's.
    pub consumer: Decision,
}

/// What both parties sign (NEG-8.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Version.
    pub v: V1,
    /// What is agreed.
    pub terms: Terms,
    /// What both evaluations said of it.
    pub decisions: Decisions,
}

impl Payload for Content {
    const TYP: Typ = Typ::Agreement;
    const LIMIT: usize = limits::AGREEMENT;
}

/// A JWS in general JSON serialization (RFC 7515, 7.2.1): the payload and one or two signatures, the provider's first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jws {
    /// The canonical bytes of [`Content`], base64url.
    pub payload: String,
    /// Signatures over the same payload.
    pub signatures: Vec<SignatureEntry>,
}

impl Jws {
    /// The canonical bytes of the whole.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JsonError> {
        json::to_canonical(self)
    }

    /// Reads the JSON text.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        if bytes.len() > limits::AGREEMENT * 2 {
            return Err(JsonError::TooLarge { size: bytes.len(), limit: limits::AGREEMENT * 2 });
        }
        json::from_value(json::parse(bytes)?)
    }

    /// The bytes that are signed, still unproven.
    pub fn payload_bytes(&self) -> Result<Vec<u8>, AgreementError> {
        if self.payload.len() > limits::AGREEMENT * 2 {
            let (size, limit) = (self.payload.len(), limits::AGREEMENT * 2);
            return Err(AgreementError::Json(JsonError::TooLarge { size, limit }));
        }
        from_base64url(&self.payload).map_err(|_| AgreementError::Signature(JwsError::Form))
    }
}

/// Why an agreement is refused or not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// No canonical form.
    #[error("agreement: {0}")]
    Json(#[from] JsonError),
    /// The terms contradict themselves.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The payload's terms are others than those agreed on; the first pointer that differs.
    #[error("agreement: terms differ at {0}")]
    TermsDiffer(String),
    /// The DSP agreement of the message is not the one in the terms; the first pointer that differs.
    #[error("agreement: the message's agreement differs from the signed one at {0}")]
    TextDiffers(String),
    /// One of the decisions does not count.
    #[error("{role} {error}", role = role_text(*.role), error = .error)]
    Decision {
        /// Whose decision.
        role: Role,
        /// Why.
        error: DecisionError,
    },
    /// The permit is for the other side, other terms, another phase or another decision than the one to be signed.
    #[error("agreement: the permit does not cover the decision")]
    Permit,
    /// A rule is delegated and the peer's signed allow is missing.
    #[error("agreement: the permit waits for the peer's decision")]
    Conditional,
    /// Our evaluation found duties on the peer that the terms do not list; their ids.
    #[error("agreement: duties are not in the terms: {}", .0.join(", "))]
    DutiesMissing(Vec<String>),
    /// Another number of signatures than the place demands.
    #[error("agreement: {found} signatures, {expected} expected")]
    Count {
        /// Signatures found.
        found: usize,
        /// Signatures expected.
        expected: usize,
    },
    /// A signature is malformed, names another key or does not verify.
    #[error("agreement: {0}")]
    Signature(JwsError),
    /// The signer's key set may not sign here.
    #[error("agreement: {0}")]
    Key(IdentityError),
    /// The keys given are of another participant than the terms name.
    #[error("agreement: keys of another participant than the {}", role_text(*.0))]
    WrongSigner(Role),
    /// Countersigning after the deadline.
    #[error("agreement: the deadline of the terms is over")]
    AfterDeadline,
}

const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::Consumer => "consumer",
    }
}

impl AgreementError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::Terms(error) => error.code(),
            Self::TermsDiffer(_) => Code::TermsDiffer,
            Self::TextDiffers(_) => Code::AgreementDiffers,
            Self::Decision { error, .. } => error.code(),
            Self::Permit | Self::Conditional => Code::PermitInvalid,
            Self::DutiesMissing(_) => Code::DutyMissing,
            Self::Count { .. } => Code::HalfSigned,
            Self::Signature(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::WrongSigner(_) => Code::SignatureInvalid,
            Self::AfterDeadline => Code::Lapsed,
        }
    }
}

/// As of when the signers' keys are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// For something new at this time in seconds: revoked key sets and those not yet valid do not count.
    Now(u64),
    /// For evidence: any known key set from the minimum in the terms on; revocations are graded by the logs.
    Evidence,
}

/// Both parties' key sets.
#[derive(Debug, Clone, Copy)]
pub struct Rings<'a> {
    /// The provider's.
    pub provider: &'a KeyRing,
    /// The consumer's.
    pub consumer: &'a KeyRing,
}

impl<'a> Rings<'a> {
    const fn of(&self, role: Role) -> &'a KeyRing {
        match role {
            Role::Provider => self.provider,
            Role::Consumer => self.consumer,
        }
    }
}

/// An agreement with the provider's signature: checked, or our own under a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSigned {
    content: Content,
    setting: Setting,
    payload: Vec<u8>,
    first: SignatureEntry,
}

impl ProviderSigned {
    /// The provider signs: its permit is unconditional and covers its decision, its duties are listed, the consumer's decision
    /// counts at `now` seconds.
    pub fn sign(
        terms: Terms,
        decisions: Decisions,
        permit: &Permit,
        (ks, key): (u32, &SigningKey),
        now: u64,
    ) -> Result<Self, AgreementError> {
        if permit.is_conditional() {
            return Err(AgreementError::Conditional);
        }
        let content = Content { v: V1, terms, decisions };
        let setting = check_content(&content, now)?;
        check_permit(permit, &content, Role::Provider)?;
        let (payload, first) = jws::sign_entry(&content, ks, key).map_err(AgreementError::Signature)?;
        Ok(Self { content, setting, payload, first })
    }

    /// Checks what came with the agreement message: one signature, by the provider, over the terms that were proposed last
    /// (`terms`) and over the DSP agreement that stands in the message (`text`).
    pub fn verify(
        jws: &Jws,
        terms: &Terms,
        text: &odrl::Agreement,
        provider: &KeyRing,
        now: u64,
    ) -> Result<Self, AgreementError> {
        let found = jws.signatures.len();
        let [first] = jws.signatures.as_slice() else {
            return Err(AgreementError::Count { found, expected: 1 });
        };
        let signed = read_first(&jws.payload_bytes()?, first, provider, When::Now(now))?;
        same_terms(&signed.content.terms, terms)?;
        if let Some(pointer) = first_difference(text.value(), signed.content.terms.agreement.value()) {
            return Err(AgreementError::TextDiffers(pointer));
        }
        check_content(&signed.content, now)?;
        Ok(signed)
    }

    /// The same over the JWS alone, for what was already accepted once and is read back, or for an auditor.
    pub fn from_evidence(jws: &Jws, provider: &KeyRing) -> Result<Self, AgreementError> {
        let first = jws.signatures.first().ok_or(AgreementError::Count { found: 0, expected: 1 })?;
        let signed = read_first(&jws.payload_bytes()?, first, provider, When::Evidence)?;
        check_evidence(&signed.content)?;
        Ok(signed)
    }

    /// The consumer countersigns: its permit covers its decision in the payload, its duties are listed, the deadline is not over.
    /// A conditional permit is enough, since the payload holds the provider's signed allow over the same terms.
    pub fn countersign(
        self,
        permit: &Permit,
        (ks, key): (u32, &SigningKey),
        now: u64,
    ) -> Result<SignedByBoth, AgreementError> {
        if now > self.setting.conclude_by {
            return Err(AgreementError::AfterDeadline);
        }
        check_permit(permit, &self.content, Role::Consumer)?;
        let (_, second) = jws::sign_entry(&self.content, ks, key).map_err(AgreementError::Signature)?;
        Ok(SignedByBoth { signed: self, second })
    }

    /// Checks the consumer's signature that came with the verification message.
    pub fn with_consumer(
        self,
        second: SignatureEntry,
        consumer: &KeyRing,
        when: When,
    ) -> Result<SignedByBoth, AgreementError> {
        let party = &self.content.terms.consumer;
        check_signature(&second, &self.payload, consumer, Role::Consumer, &party.did, party.keys, when)?;
        Ok(SignedByBoth { signed: self, second })
    }

    /// What was signed.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Digest of the agreement: of its payload bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// Digest of the terms.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.setting.terms
    }

    /// With one signature, as it stands in the agreement message.
    #[must_use]
    pub fn to_jws(&self) -> Jws {
        Jws { payload: to_base64url(&self.payload), signatures: Vec::from([self.first.clone()]) }
    }
}

/// An agreement with both signatures, checked or our own. Not yet in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedByBoth {
    signed: ProviderSigned,
    second: SignatureEntry,
}

impl SignedByBoth {
    /// Checks a complete JWS, for what was already accepted once and is read back, or for an auditor.
    pub fn from_evidence(jws: &Jws, rings: Rings<'_>) -> Result<Self, AgreementError> {
        let found = jws.signatures.len();
        let [_, second] = jws.signatures.as_slice() else {
            return Err(AgreementError::Count { found, expected: 2 });
        };
        let signed = ProviderSigned::from_evidence(jws, rings.provider)?;
        signed.with_consumer(second.clone(), rings.consumer, When::Evidence)
    }

    /// What was signed.
    #[must_use]
    pub const fn content(&self) -> &Content {
        self.signed.content()
    }

    /// Digest of the agreement: of its payload bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// Digest of the terms.
    #[must_use]
    pub const fn terms_digest(&self) -> Digest {
        self.signed.terms_digest()
    }

    /// The consumer's signature, as it stands in the verification message.
    #[must_use]
    pub const fn consumer_signature(&self) -> &SignatureEntry {
        &self.second
    }

    /// With both signatures.
    #[must_use]
    pub fn to_jws(&self) -> Jws {
        let mut jws = self.signed.to_jws();
        jws.signatures.push(self.second.clone());
        jws
    }
}

fn read_first(
    payload: &[u8],
    first: &SignatureEntry,
    ring: &KeyRing,
    when: When,
) -> Result<ProviderSigned, AgreementError> {
    let read = jws::peek_entry::<Content>(first, payload).map_err(AgreementError::Signature)?;
    let content = read.claims().clone();
    let party = &content.terms.provider;
    check_signature(first, payload, ring, Role::Provider, &party.did, party.keys, when)?;
    let setting = Setting::of(&content.terms)?;
    Ok(ProviderSigned { content, setting, payload: payload.to_vec(), first: first.clone() })
}

fn check_signature(
    entry: &SignatureEntry,
    payload: &[u8],
    ring: &KeyRing,
    role: Role,
    did: &Did,
    min: u32,
    when: When,
) -> Result<(), AgreementError> {
    if ring.did() != did {
        return Err(AgreementError::WrongSigner(role));
    }
    let read = jws::peek_entry::<Content>(entry, payload).map_err(AgreementError::Signature)?;
    let key = signing_key(ring, read.header().ks, min, when).map_err(AgreementError::Key)?;
    read.verify(&key).map_err(AgreementError::Signature)?;
    Ok(())
}

fn signing_key(ring: &KeyRing, ks: u32, min: u32, when: When) -> Result<PublicKey, IdentityError> {
    match when {
        When::Now(now) => ring.signing_key(ks, min, now).copied(),
        When::Evidence if ks < min => Err(IdentityError::BelowMinimum { given: ks, min }),
        When::Evidence => ring.set(ks).map(|set| set.signing).ok_or(IdentityError::Unknown(ks)),
    }
}

/// Terms and decisions at the time of signing; returns what decisions are compared with.
fn check_content(content: &Content, now: u64) -> Result<Setting, AgreementError> {
    content.terms.check()?;
    let setting = Setting::of(&content.terms)?;
    for (role, decision) in
        [(Role::Provider, &content.decisions.provider), (Role::Consumer, &content.decisions.consumer)]
    {
        decision
            .check(&setting, Side::of(role), now)
            .map_err(|error| AgreementError::Decision { role, error })?;
    }
    Ok(setting)
}

/// The same long after: what lay in the future then does not any more.
fn check_evidence(content: &Content) -> Result<Setting, AgreementError> {
    check_content(content, content.terms.conclude_by)
}

fn check_permit(permit: &Permit, content: &Content, role: Role) -> Result<(), AgreementError> {
    let decision = match role {
        Role::Provider => &content.decisions.provider,
        Role::Consumer => &content.decisions.consumer,
    };
    if !permit.covers(decision) {
        return Err(AgreementError::Permit);
    }
    let missing = content.terms.unlisted(permit.obligations(), other(role));
    if missing.is_empty() { Ok(()) } else { Err(AgreementError::DutiesMissing(missing)) }
}

fn same_terms(found: &Terms, expected: &Terms) -> Result<(), AgreementError> {
    let as_value = |terms: &Terms| {
        serde_json::to_value(terms).map_err(|error| AgreementError::Json(JsonError::Shape(error.to_string())))
    };
    match first_difference(&as_value(found)?, &as_value(expected)?) {
        None => Ok(()),
        Some(pointer) => Err(AgreementError::TermsDiffer(pointer)),
    }
}
