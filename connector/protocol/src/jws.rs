//! JSON Web Signatures of the profile (RFC 7515; spec chapter 01, ENC-7): ten types, one algorithm, canonical bytes.
//!
//! What a signature proves lives in a type: [`Verified`] comes only from a check over the bytes received.
//!
//! ```compile_fail
//! // No public constructor, no public field.
//! let forged = naru_protocol::jws::Verified { payload: 1u8, signer: todo!(), ks: 0, digest: todo!() };
//! ```
//! ```compile_fail
//! // Not from JSON either.
//! let forged: naru_protocol::jws::Verified<naru_protocol::identity::KeySet> = serde_json::from_str("{}").unwrap();
//! ```
//! ```compile_fail
//! // What is only read cannot stand where a verified payload is asked for.
//! use naru_protocol::{identity::{KeyRing, KeySet}, jws};
//! fn pin(ring: &mut KeyRing, text: &str) {
//!     let read = jws::peek::<KeySet>(text).unwrap();
//!     let _ = ring.accept(&read);
//! }
//! ```
//!
//! Which key may sign what is not decided here: that is [`crate::identity::KeyRing`].

use alloc::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    encoding::{Digest, from_base64url, to_base64url},
    error::Code,
    json::{self, JsonError},
    signature::{PublicKey, SigningKey},
};

/// Longest protected header, as base64url; ours are about 200 characters.
const HEADER: usize = 512;
/// A signature of 64 bytes, as base64url.
const SIGNATURE: usize = 86;

/// What a JWS is, so that none passes for another (ENC-7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Typ {
    /// Token of a request.
    #[serde(rename = "dxp-token+jwt")]
    Token,
    /// Acknowledgement of an act.
    #[serde(rename = "dxp-ack+jws")]
    Ack,
    /// Listing of a dataset version.
    #[serde(rename = "dxp-listing+jws")]
    Listing,
    /// Agreement; with two signatures.
    #[serde(rename = "dxp-agreement+jws")]
    Agreement,
    /// Key set.
    #[serde(rename = "dxp-keys+jws")]
    Keys,
    /// Participant statement.
    #[serde(rename = "dxp-participant+jws")]
    Participant,
    /// Window acknowledgement.
    #[serde(rename = "dxp-window+jws")]
    Window,
    /// Capability of a transfer.
    #[serde(rename = "dxp-capability+jws")]
    Capability,
    /// Set of rule packs; with as many signatures as there are signers.
    #[serde(rename = "dxp-packs+jws")]
    Packs,
    /// Data that rules read; signed likewise.
    #[serde(rename = "dxp-data+jws")]
    Data,
}

/// The one algorithm (RFC 9864).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alg {
    /// Ed25519, verified strictly.
    Ed25519,
}

/// Protected header, always these four members and in canonical form (ENC-7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Algorithm.
    pub alg: Alg,
    /// The key that signed.
    pub kid: PublicKey,
    /// Number of the key set that holds it; 0 for the root key.
    pub ks: u32,
    /// Type.
    pub typ: Typ,
}

/// A document that is signed: its type, its limit and what its members must be beyond their own types.
pub trait Payload: Serialize + DeserializeOwned {
    /// The `typ` under which it is signed.
    const TYP: Typ;
    /// Most bytes of the whole JWS.
    const LIMIT: usize;

    /// What serde cannot say about one document alone: ranges, orders, members that go together. The text names the member.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Why a JWS is refused or not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// More bytes than its type allows.
    #[error("JWS of {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not three parts of strict base64url, or a signature of another length.
    #[error("not a compact JWS in strict base64url")]
    Form,
    /// The header is not ours.
    #[error("JWS header: {0}")]
    Header(JsonError),
    /// A JWS of another type than its place demands.
    #[error("JWS of another type")]
    Typ,
    /// The header names another key than the one that must have signed.
    #[error("JWS names another key than the expected one")]
    Kid,
    /// The payload is not canonical or not of its type.
    #[error("JWS payload: {0}")]
    Payload(JsonError),
    /// The payload contradicts itself or exceeds a range.
    #[error("JWS payload: {0}")]
    Content(&'static str),
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
}

impl JwsError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Form | Self::Content(_) => Code::Malformed,
            Self::Header(error) | Self::Payload(error) => error.code(),
            Self::Typ => Code::WrongType,
            Self::Kid => Code::KeyMismatch,
            Self::Signature => Code::SignatureInvalid,
        }
    }
}

/// A payload whose signature was checked over the bytes received, under a key that the checker named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<M> {
    payload: M,
    signer: PublicKey,
    ks: u32,
    digest: Digest,
}

impl<M> Verified<M> {
    /// What was signed.
    pub const fn payload(&self) -> &M {
        &self.payload
    }

    /// Gives the payload away, and with it the proof.
    pub fn into_payload(self) -> M {
        self.payload
    }

    /// The key that signed, and the number of its key set (0: the root key).
    pub const fn signer(&self) -> (PublicKey, u32) {
        (self.signer, self.ks)
    }

    /// Of a compact JWS, the digest of its bytes (ENC-7.7); of a signature entry, the digest of the payload bytes.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// A well-formed JWS whose signature nobody has checked: good for finding the key to check it with, and for nothing else.
#[derive(Debug, Clone)]
pub struct Unverified<M> {
    header: Header,
    payload: M,
    /// `header "." payload`, as signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
    digest: Digest,
}

impl<M: Payload> Unverified<M> {
    /// What the header says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What the payload says, unproven.
    pub const fn claims(&self) -> &M {
        &self.payload
    }

    /// Checks that this key is the named one and signed these bytes (ENC-7.5).
    pub fn verify(self, key: &PublicKey) -> Result<Verified<M>, JwsError> {
        if self.header.kid != *key {
            return Err(JwsError::Kid);
        }
        key.verify(&self.signed, &self.signature).map_err(|_| JwsError::Signature)?;
        Ok(Verified { payload: self.payload, signer: *key, ks: self.header.ks, digest: self.digest })
    }
}

/// One signature over a payload that stands elsewhere (JWS general JSON serialization).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureEntry {
    /// Protected header, base64url of its canonical bytes.
    pub protected: String,
    /// Signature, base64url.
    pub signature: String,
}

/// Signs a payload as compact JWS under key set `ks` (0: the root key).
pub fn sign_compact<M: Payload>(payload: &M, ks: u32, key: &SigningKey) -> Result<String, JwsError> {
    let (bytes, entry) = sign_entry(payload, ks, key)?;
    let text = format!("{}.{}.{}", entry.protected, to_base64url(&bytes), entry.signature);
    within(text.len(), M::LIMIT)?;
    Ok(text)
}

/// Signs a payload for the JSON serialization: its canonical bytes and one entry.
pub fn sign_entry<M: Payload>(
    payload: &M,
    ks: u32,
    key: &SigningKey,
) -> Result<(Vec<u8>, SignatureEntry), JwsError> {
    payload.check().map_err(JwsError::Content)?;
    let bytes = json::to_canonical(payload).map_err(JwsError::Payload)?;
    let header = Header { alg: Alg::Ed25519, kid: key.public(), ks, typ: M::TYP };
    let protected = to_base64url(&json::to_canonical(&header).map_err(JwsError::Header)?);
    let signature = to_base64url(&key.sign(&signing_input(&protected, &to_base64url(&bytes))));
    Ok((bytes, SignatureEntry { protected, signature }))
}

/// Reads a compact JWS of this type without checking its signature.
pub fn peek<M: Payload>(text: &str) -> Result<Unverified<M>, JwsError> {
    within(text.len(), M::LIMIT)?;
    let mut parts = text.split('.');
    let (Some(protected), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::Form);
    };
    let bytes = from_base64url(payload).map_err(|_| JwsError::Form)?;
    read(protected, payload, &bytes, signature, Digest::of(text.as_bytes()))
}

/// Reads and checks a compact JWS of this type under the key that must have signed it.
pub fn verify_compact<M: Payload>(text: &str, key: &PublicKey) -> Result<Verified<M>, JwsError> {
    peek::<M>(text)?.verify(key)
}

/// Reads one signature entry over these payload bytes without checking it: tells key and key set.
pub fn peek_entry<M: Payload>(entry: &SignatureEntry, payload: &[u8]) -> Result<Unverified<M>, JwsError> {
    within(payload.len(), M::LIMIT)?;
    read(&entry.protected, &to_base64url(payload), payload, &entry.signature, Digest::of(payload))
}

/// Checks one signature entry over these payload bytes under the key that must have signed it.
pub fn verify_entry<M: Payload>(
    entry: &SignatureEntry,
    payload: &[u8],
    key: &PublicKey,
) -> Result<Verified<M>, JwsError> {
    peek_entry::<M>(entry, payload)?.verify(key)
}

fn read<M: Payload>(
    protected: &str,
    encoded: &str,
    payload: &[u8],
    signature: &str,
    digest: Digest,
) -> Result<Unverified<M>, JwsError> {
    within(protected.len(), HEADER)?;
    if signature.len() != SIGNATURE {
        return Err(JwsError::Form);
    }
    let signature = from_base64url(signature).map_err(|_| JwsError::Form)?;
    let header = from_base64url(protected).map_err(|_| JwsError::Form)?;
    let header: Header = json::parse_canonical(&header).map_err(JwsError::Header)?;
    if header.typ != M::TYP {
        return Err(JwsError::Typ);
    }
    let signed = signing_input(protected, encoded);
    let payload: M = json::parse_canonical(payload).map_err(JwsError::Payload)?;
    payload.check().map_err(JwsError::Content)?;
    Ok(Unverified { header, payload, signed, signature, digest })
}

fn signing_input(protected: &str, payload: &str) -> Vec<u8> {
    format!("{protected}.{payload}").into_bytes()
}

const fn within(size: usize, limit: usize) -> Result<(), JwsError> {
    if size > limit { Err(JwsError::TooLarge { size, limit }) } else { Ok(()) }
}
