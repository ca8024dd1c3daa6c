//! Acts, tokens and acknowledgements (spec chapter 03).
//!
//! An [`Act`] is a message that changes state; its digest is what both logs, `prev` and acknowledgements name. A [`Token`]
//! signs a request, and for an act also the checkpoint that holds its entry. An [`Ack`] signs the final answer to an act.
//! Checkpoints are carried as text here; the log module reads them. Which act is current, and in what order checks are made
//! beyond the token, is the exchange's business.

mod ack;
mod token;

use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};

pub use ack::{Ack, AckError, Answer, check_ack, issue_ack, verify_ack};
pub use token::{
    HeadChecked, Request, Token, TokenError, check_token, check_token_head, issue_token, peek_token,
};

use crate::{
    encoding::{Digest, Id},
    identity::Did,
    json::{self, JsonError, V1, serde_as_text},
    limits,
};

/// Methods of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// Read.
    #[serde(rename = "GET")]
    Get,
    /// Act, catalog request or service post.
    #[serde(rename = "POST")]
    Post,
}

impl Method {
    /// As on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    /// From the wire; upper case only.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post].into_iter().find(|method| method.as_str() == text)
    }
}

/// Raw request target after the base of its API: 1 to [`limits::REQUEST_PATH`] visible ASCII characters from `/` on, query
/// included, byte for byte as sent (ACT-1.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

/// Text that is no request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a request target")]
pub struct BadPath;

impl Path {
    /// Reads a target; nothing is normalised.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let visible =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\');
        if text.len() <= limits::REQUEST_PATH && text.starts_with('/') && text.bytes().all(visible) {
            Ok(Self(text.to_string()))
        } else {
            Err(BadPath)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Path);

/// What an act is, frozen in the commit that creates it (ACT-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Version.
    pub v: V1,
    /// Name of the message, unique per issuer, the same in every retry.
    pub msg: Id,
    /// Sender.
    pub iss: Did,
    /// Receiver.
    pub aud: Did,
    /// Name of the exchange, from its initiator.
    pub exchange: Id,
    /// Method.
    pub method: Method,
    /// Request target.
    pub path: Path,
    /// Digest of the content bytes.
    pub body: Digest,
    /// Digest of the peer's last act that was answered 2xx here in this exchange.
    pub prev: Option<Digest>,
}

impl Act {
    /// What entries, `prev` and acknowledgements name: SHA-256 over the canonical form (ACT-1.1).
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }
}

/// Whether an answer with this status settles an act: 2xx, or a 4xx that can be stored and logged (ACT-4.2). What is answered
/// before an act is known (401, 408, 413, 414, 415, 431), 404, 409, 429 and 5xx promises nothing.
#[must_use]
pub const fn is_final(status: u16) -> bool {
    matches!(status, 200..=299 | 400..=499)
        && !matches!(status, 401 | 404 | 408 | 409 | 413 | 414 | 415 | 429 | 431)
}

fn checkpoint_fits(checkpoint: Option<&str>) -> Result<(), &'static str> {
    if checkpoint.is_some_and(|note| note.len() > limits::CHECKPOINT || note.is_empty()) {
        return Err("checkpoint");
    }
    Ok(())
}
