//! Ed25519 keys and signatures, strict (spec chapter 01, ENC-6).
//!
//! A [`PublicKey`] exists only for a canonical encoding of a point that is not of low order; [`PublicKey::verify`] refuses a
//! non-canonical R or S and an R of low order. Hence two verifiers never disagree about a signature. No randomness: keys are
//! made from 32 bytes that the caller draws.

use alloc::{string::String, vec::Vec};
use core::{cmp::Ordering, fmt, hash};

use ed25519_dalek::{Signer as _, VerifyingKey};

use crate::{base58, error::Code, json::serde_as_text};

/// Multicodec of an Ed25519 public key, as varint.
const MULTICODEC: [u8; 2] = [0xed, 0x01];

/// Text or bytes that are no acceptable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `z6Mk…`: multibase base58btc of multicodec 0xed01 and 32 bytes.
    #[error("not the multibase text of an Ed25519 public key")]
    Text,
    /// No point, or a point in another encoding than the canonical one.
    #[error("not the canonical encoding of a point")]
    Encoding,
    /// A point of low order, under which signatures verify that nobody made.
    #[error("public key of low order")]
    LowOrder,
}

/// A signature that does not verify; there is no reason to tell why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

impl KeyError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Text | Self::Encoding | Self::LowOrder => Code::KeyMalformed,
        }
    }
}

impl BadSignature {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::SignatureInvalid
    }
}

/// An Ed25519 public key that is safe to verify with; its text is multibase, `z6Mk…` (ID-1.2).
#[derive(Clone, Copy)]
pub struct PublicKey(VerifyingKey);

/// Whether 32 bytes that name a point name it as it is always written: y below p = 2^255 - 19, and no sign where x is 0 (there
/// y is 1 or p - 1). Compressing the point again would say the same and cost as much as reading it.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    let all = |byte: u8| middle.iter().all(|other| *other == byte);
    let beyond = *low >= 0xed && all(0xff) && high & 0x7f == 0x7f;
    let signed_zero =
        (*low == 0x01 && all(0) && *high == 0x80) || (*low == 0xec && all(0xff) && *high == 0xff);
    !beyond && !signed_zero
}

impl PublicKey {
    /// From 32 bytes; refuses other encodings than the canonical one and points of low order (ENC-6.2).
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical(&bytes) {
            return Err(KeyError::Encoding);
        }
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Encoding)?;
        if key.is_weak() {
            return Err(KeyError::LowOrder);
        }
        Ok(Self(key))
    }

    /// From the multibase text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = text.strip_prefix('z').and_then(base58::decode).ok_or(KeyError::Text)?;
        let key = bytes.strip_prefix(&MULTICODEC).ok_or(KeyError::Text)?;
        Self::from_bytes(key.try_into().map_err(|_| KeyError::Text)?)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature of 64 bytes over a message (ENC-6.3).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }

    /// The multibase text.
    fn text(&self) -> String {
        let mut bytes = Vec::from(MULTICODEC);
        bytes.extend_from_slice(self.as_bytes());
        let mut text = String::from("z");
        text.push_str(&base58::encode(&bytes));
        text
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl hash::Hash for PublicKey {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

serde_as_text!(PublicKey);

/// A private key. Never printed, never serialised.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// From the 32 secret bytes of RFC 8032, which the caller drew at random.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        // Canonical by construction, and of low order with no seed: the scalar is clamped.
        PublicKey(self.0.verifying_key())
    }

    /// Signs a message (deterministic, RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(secret of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_is_what_compressing_gives() {
        // ENC-6.2: every encoding near 0 and near p, with and without sign, and some between.
        let mut seen = [0, 0];
        for low in 0..=255 {
            for (middle, high) in [(0, 0), (0, 0x80), (0xff, 0x7f), (0xff, 0xff), (0xff, 0x7e), (0x5a, 0x33)]
            {
                let mut bytes = [middle; 32];
                (bytes[0], bytes[31]) = (low, high);
                let Ok(key) = VerifyingKey::from_bytes(&bytes) else { continue };
                let same = key.to_edwards().compress().to_bytes() == bytes;
                assert_eq!(is_canonical(&bytes), same, "{bytes:?}");
                seen[usize::from(same)] += 1;
            }
        }
        assert!(seen[0] > 10 && seen[1] > 100, "{seen:?}");
    }
}
