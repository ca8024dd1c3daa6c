//! Capabilities: what a provider gives a consumer to show with every range of one transfer (spec chapter 07, TRF-7).
//!
//! A capability is a JWS of the provider, so that a process that did not issue it can check it. It is bound to transfer,
//! agreement and consumer and lives minutes; whether the transfer may still be served is asked whenever one is issued.
//!
//! Says nothing about which ranges are due: that is [`super::serve`].

use std::sync::{Mutex, PoisonError};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    identity::{IdentityError, KeyRing},
    json::V1,
    jws::{JwsError, sign_compact},
    limits,
    receipt::{BadCapability, Capability},
    signature::SigningKey,
    window::Transfer,
};

/// Why a capability does not open a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// Not a capability, or not signed by a key of ours that counts.
    #[error("the capability is not one of ours: {0}")]
    Signature(#[from] IdentityError),
    /// Another transfer or participant, or too late.
    #[error(transparent)]
    Content(#[from] BadCapability),
}

impl CapabilityError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Signature(_) => Code::CapabilityInvalid,
            Self::Content(bad) => bad.code(),
        }
    }
}

/// Issues a fresh capability at `now` (seconds), for [`limits::CAPABILITY_SECONDS`]; signed under key set `ks`.
pub fn issue(transfer: &Transfer, ks: u32, key: &SigningKey, now: u64) -> Result<String, JwsError> {
    let capability = Capability {
        agreement: transfer.agreement,
        aud: transfer.consumer,
        exp: now.saturating_add(limits::CAPABILITY_SECONDS),
        iss: transfer.provider,
        transfer: transfer.provider_pid.clone(),
        v: V1,
    };
    sign_compact(&capability, ks, key)
}

/// Checks a capability shown for this transfer at `now` (seconds). `ours` are the provider's own keys.
pub fn check(
    text: &str,
    ours: &KeyRing,
    transfer: &Transfer,
    now: u64,
) -> Result<Capability, CapabilityError> {
    let capability = ours.verify::<Capability>(text, 1, now)?.into_payload();
    capability.check(transfer, now)?;
    Ok(capability)
}

/// Remembers the last capability that was checked, since a consumer shows the same one with hundreds of ranges.
#[derive(Debug, Default)]
pub struct LastChecked(Mutex<Option<(Digest, Capability)>>);

impl LastChecked {
    /// As [`check`], without a signature check for the very text that passed last.
    pub fn check(
        &self,
        text: &str,
        ours: &KeyRing,
        transfer: &Transfer,
        now: u64,
    ) -> Result<(), CapabilityError> {
        let digest = Digest::of(text.as_bytes());
        let known = self.lock().as_ref().filter(|(last, _)| *last == digest).map(|(_, known)| known.clone());
        if let Some(known) = known {
            return Ok(known.check(transfer, now)?);
        }
        let capability = check(text, ours, transfer, now)?;
        *self.lock() = Some((digest, capability));
        Ok(())
    }

    /// Forgets it: the next one is checked in full. For when a key of ours is revoked or the permit ends.
    pub fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Digest, Capability)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
