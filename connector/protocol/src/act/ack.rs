//! Acknowledgements: what the receiver of an act answered for good, and where it logged that (ACT-4, ACT-5).
//!
//! Does not read the checkpoint.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{checkpoint_fits, is_final};
use crate::{
    encoding::Digest,
    error::Code,
    identity::{Did, IdentityError, KeyRing},
    json::V1,
    jws::{self, JwsError, Payload, Typ, Verified},
    limits,
    signature::{PublicKey, SigningKey},
};

/// Payload of an acknowledgement (ACT-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Version.
    pub v: V1,
    /// The receiver of the act.
    pub iss: Did,
    /// The sender of the act.
    pub aud: Did,
    /// Digest of the act.
    pub act: Digest,
    /// Status of the answer; always a [final](is_final) one.
    pub status: u16,
    /// Digest of the answer's content bytes.
    pub answer: Digest,
    /// Index of the act's entry in the log of `iss`.
    pub index: u64,
    /// Checkpoint of that log that covers `index`, as note text.
    pub checkpoint: String,
}

impl Payload for Ack {
    const TYP: Typ = Typ::Ack;
    const LIMIT: usize = limits::ACK;

    fn check(&self) -> Result<(), &'static str> {
        if !is_final(self.status) {
            return Err("status");
        }
        checkpoint_fits(Some(&self.checkpoint))
    }
}

/// Signs an acknowledgement under key set `ks`.
pub fn issue_ack(ack: &Ack, ks: u32, key: &SigningKey) -> Result<String, JwsError> {
    jws::sign_compact(ack, ks, key)
}

/// What an acknowledgement is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Keys of the peer that received the act.
    pub ring: &'a KeyRing,
    /// Lowest key set that counts.
    pub min: u32,
    /// The participant that sent the act.
    pub me: &'a Did,
    /// Digest of the act.
    pub act: Digest,
    /// Status of the answer.
    pub status: u16,
    /// Content of the answer.
    pub content: &'a [u8],
    /// Our clock, seconds.
    pub now: u64,
}

/// Why an answer counts as unanswered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The JWS itself is refused, or its key may not sign.
    #[error("acknowledgement: {0}")]
    Identity(#[from] IdentityError),
    /// Not from the peer, or not for us.
    #[error("acknowledgement between other participants")]
    Parties,
    /// For another act.
    #[error("acknowledgement of another act")]
    Act,
    /// Another status than the answer's.
    #[error("acknowledgement of another status")]
    Status,
    /// The answer is not the signed one.
    #[error("answer has another digest than the acknowledgement says")]
    Answer,
}

impl AckError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Identity(IdentityError::Jws(_))
            | Self::Parties
            | Self::Act
            | Self::Status
            | Self::Answer => Code::AckInvalid,
            Self::Identity(error) => error.code(),
        }
    }
}

/// Checks an acknowledgement against the answer that it came with (ACT-5).
pub fn check_ack(text: &str, answer: &Answer<'_>) -> Result<Verified<Ack>, AckError> {
    let ack = answer.ring.verify::<Ack>(text, answer.min, answer.now)?;
    let claims = ack.payload();
    if claims.iss != *answer.ring.did() || claims.aud != *answer.me {
        return Err(AckError::Parties);
    }
    if claims.act != answer.act {
        return Err(AckError::Act);
    }
    if claims.status != answer.status {
        return Err(AckError::Status);
    }
    if claims.answer != Digest::of(answer.content) {
        return Err(AckError::Answer);
    }
    Ok(ack)
}

/// Checks an acknowledgement kept as evidence, whose answer bytes are known by digest, under one known key.
pub fn verify_ack(text: &str, key: &PublicKey) -> Result<Verified<Ack>, JwsError> {
    jws::verify_compact(text, key)
}
