//! A message to or from a peer that signs nothing, as the log names it (spec chapter 13, PLN-3).
//!
//! Its digest says which bytes went which way in which exchange, by the word of the log's owner alone.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{
    act::{Method, Path},
    encoding::{Digest, Id},
    json::{self, JsonError, V1},
};

/// What was sent or received. Other members than those of [`crate::act::Act`], so that one never has the digest of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainAct {
    /// Version.
    pub v: V1,
    /// Drawn by whoever keeps the log, for either direction: a plain message has no id that its peer must keep unique.
    pub msg: Id,
    /// Participant id of the sender.
    pub from: String,
    /// Participant id of the receiver.
    pub to: String,
    /// The exchange, named by whoever keeps the log.
    pub exchange: Id,
    /// Method.
    pub method: Method,
    /// Request target after the base of the binding, without the secret part of a base.
    pub path: Path,
    /// Digest of the content as evidence holds it, see [`super::shown`].
    pub body: Digest,
}

impl PlainAct {
    /// What entries name: SHA-256 over the canonical form.
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }
}
