//! When an agreement is in force, and what a verifier concludes from evidence alone (spec chapter 06, NEG-9 and NEG-10).
//!
//! Whether the tokens and acknowledgements shown were logged is the audit's question, not this module's.

use alloc::string::String;

use super::{
    AgreementError, Jws, ProviderSigned, Rings, SignedByBoth, When, role_text, same_terms, signing_key,
};
use crate::{
    act::{Ack, Token},
    dsp::{
        Message, MessageError,
        negotiation::{
            ContractAgreementVerificationMessage, ContractNegotiationError, ContractNegotiationEventMessage,
            EventType,
        },
    },
    encoding::Digest,
    error::Code,
    exchange::{Role, other},
    identity::Did,
    jws::Verified,
    signature::PublicKey,
    terms::Terms,
};

/// Proof that an agreement is in force (NEG-9): both signatures, the provider's FINALIZED, the consumer's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    agreement: Digest,
    terms: Digest,
    finalized: Digest,
}

/// How the consumer acknowledged FINALIZED.
#[derive(Debug, Clone, Copy)]
pub enum Acknowledgement<'a> {
    /// By its acknowledgement of the act.
    Ack(&'a Verified<Ack>),
    /// By an act of its own whose `prev` names it, such as the first transfer request.
    Named(&'a Verified<Token>),
}

/// Why an agreement is not (shown to be) in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInForce {
    /// The token is no act's, or signs other content.
    #[error("the token does not sign this act")]
    NotTheAct,
    /// The act is not a FINALIZED event of this profile.
    #[error("the act is not FINALIZED: {0}")]
    Message(MessageError),
    /// The act is another event, or finalizes another agreement.
    #[error("the act does not finalize this agreement")]
    OtherAgreement,
    /// Signed by somebody else than the party that has to.
    #[error("signed by another than the {}", role_text(*.0))]
    Signer(Role),
    /// The acknowledgement is of another act, or refuses it.
    #[error("the acknowledgement does not accept FINALIZED")]
    NotAcknowledged,
}

impl NotInForce {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotTheAct
            | Self::Message(_)
            | Self::OtherAgreement
            | Self::Signer(_)
            | Self::NotAcknowledged => Code::NotInForce,
        }
    }
}

impl InForce {
    /// Joins the proofs. `finalized` and `content` are the FINALIZED act as sent.
    pub fn check(
        signed: &SignedByBoth,
        finalized: &Verified<Token>,
        content: &[u8],
        acknowledgement: Acknowledgement<'_>,
        rings: Rings<'_>,
    ) -> Result<Self, NotInForce> {
        let terms = &signed.content().terms;
        let by = |role, signer, iss, aud| {
            if is_by(role, signer, iss, aud, terms, rings) { Ok(()) } else { Err(NotInForce::Signer(role)) }
        };
        let token = finalized.payload();
        by(Role::Provider, finalized.signer(), &token.iss, &token.aud)?;
        let act = act_digest(finalized, content)?;
        let event = ContractNegotiationEventMessage::parse(content).map_err(NotInForce::Message)?;
        let named = event.dxp.as_ref().and_then(|dxp| dxp.agreement);
        if event.event_type != EventType::Finalized || named != Some(signed.digest()) {
            return Err(NotInForce::OtherAgreement);
        }
        match acknowledgement {
            Acknowledgement::Ack(ack) => {
                by(Role::Consumer, ack.signer(), &ack.payload().iss, &ack.payload().aud)?;
                if ack.payload().act != act || !(200..300).contains(&ack.payload().status) {
                    return Err(NotInForce::NotAcknowledged);
                }
            }
            Acknowledgement::Named(next) => {
                by(Role::Consumer, next.signer(), &next.payload().iss, &next.payload().aud)?;
                if next.payload().act().is_none() || next.payload().prev != Some(act) {
                    return Err(NotInForce::NotAcknowledged);
                }
            }
        }
        Ok(Self { agreement: signed.digest(), terms: signed.terms_digest(), finalized: act })
    }

    /// Digest of the agreement.
    #[must_use]
    pub const fn agreement(&self) -> Digest {
        self.agreement
    }

    /// Digest of its terms.
    #[must_use]
    pub const fn terms(&self) -> Digest {
        self.terms
    }

    /// Digest of the FINALIZED act, which the first act of every transfer names.
    #[must_use]
    pub const fn finalized(&self) -> Digest {
        self.finalized
    }
}

/// Whether a statement from `iss` to `aud` is one of this party to the other, under a key of its that may sign in the deal.
fn is_by(
    role: Role,
    (key, ks): (PublicKey, u32),
    iss: &Did,
    aud: &Did,
    terms: &Terms,
    rings: Rings<'_>,
) -> bool {
    let (party, ring) = (terms.party(role), rings.of(role));
    ring.did() == &party.did
        && iss == &party.did
        && aud == &terms.party(other(role)).did
        && signing_key(ring, ks, party.keys, When::Evidence) == Ok(key)
}

/// The digest of the act that a token signs over this content.
fn act_digest(token: &Verified<Token>, content: &[u8]) -> Result<Digest, NotInForce> {
    if token.payload().body != Digest::of(content) {
        return Err(NotInForce::NotTheAct);
    }
    let act = token.payload().act().ok_or(NotInForce::NotTheAct)?;
    act.digest().map_err(|_| NotInForce::NotTheAct)
}

/// What a verifier may conclude about an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both signatures, FINALIZED and the consumer's acknowledgement.
    InForce(InForce),
    /// Both signatures, and no more.
    SignedNotConcluded,
    /// Both or one signature, and the receiver of a closing act refused it because the deadline was over.
    Lapsed,
    /// The provider's signature alone.
    OneSignature,
    /// The payload holds other terms than those shown as agreed; the first pointer that differs.
    DiffersFromTerms(String),
    /// No signature that counts.
    Unsigned(AgreementError),
}

/// What a verifier has in hand besides the JWS.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The terms that were proposed last, if they are shown.
    pub terms: Option<&'a Terms>,
    /// The FINALIZED act: token and content.
    pub finalized: Option<(&'a Verified<Token>, &'a [u8])>,
    /// The consumer's acknowledgement of it.
    pub acknowledgement: Option<Acknowledgement<'a>>,
    /// A closing act that was refused.
    pub refusal: Option<Refusal<'a>>,
}

/// A signed refusal and the act that it refuses.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Token of the act.
    pub token: &'a Verified<Token>,
    /// Content of the act.
    pub content: &'a [u8],
    /// Acknowledgement of the refusal.
    pub ack: &'a Verified<Ack>,
    /// Content of the answer.
    pub answer: &'a [u8],
}

/// Judges an agreement from evidence alone (NEG-10). The order: other terms, signatures, in force, lapsed, not concluded.
#[must_use]
pub fn verdict(jws: &Jws, rings: Rings<'_>, evidence: &Evidence<'_>) -> Verdict {
    let first = match ProviderSigned::from_evidence(jws, rings.provider) {
        Ok(first) => first,
        Err(error) => return Verdict::Unsigned(error),
    };
    if let Some(Err(AgreementError::TermsDiffer(pointer))) =
        evidence.terms.map(|terms| same_terms(&first.content().terms, terms))
    {
        return Verdict::DiffersFromTerms(pointer);
    }
    let lapsed = evidence.refusal.is_some_and(|refusal| is_lapse(&refusal, &first, jws, rings));
    let Ok(both) = SignedByBoth::from_evidence(jws, rings) else {
        return if lapsed { Verdict::Lapsed } else { Verdict::OneSignature };
    };
    if let (Some((token, content)), Some(acknowledgement)) = (evidence.finalized, evidence.acknowledgement)
        && let Ok(proof) = InForce::check(&both, token, content, acknowledgement, rings)
    {
        return Verdict::InForce(proof);
    }
    if lapsed { Verdict::Lapsed } else { Verdict::SignedNotConcluded }
}

/// Whether the receiver of a closing act of this very agreement refused it with `lapsed`.
fn is_lapse(refusal: &Refusal<'_>, signed: &ProviderSigned, jws: &Jws, rings: Rings<'_>) -> bool {
    let Refusal { token, content, ack, answer } = *refusal;
    let about = ContractNegotiationEventMessage::parse(content)
        .is_ok_and(|event| event.dxp.and_then(|dxp| dxp.agreement) == Some(signed.digest()))
        || ContractAgreementVerificationMessage::parse(content)
            .is_ok_and(|message| message.dxp.map(|dxp| dxp.signature).as_ref() == jws.signatures.get(1));
    let says_so = ContractNegotiationError::parse(answer)
        .is_ok_and(|error| error.code.as_deref() == Some(Code::Lapsed.as_str()));
    let terms = &signed.content().terms;
    let between = [Role::Provider, Role::Consumer].into_iter().any(|sender| {
        let (act, answer) = (token.payload(), ack.payload());
        is_by(sender, token.signer(), &act.iss, &act.aud, terms, rings)
            && is_by(other(sender), ack.signer(), &answer.iss, &answer.aud, terms, rings)
    });
    about
        && says_so
        && between
        && act_digest(token, content) == Ok(ack.payload().act)
        && ack.payload().status == Code::Lapsed.http_status()
        && ack.payload().answer == Digest::of(answer)
}
