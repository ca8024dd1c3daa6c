//! Tokens: who sends this request, to whom, with what content, and for an act where the sender logged it (ACT-2, ACT-3).
//!
//! Does not know which messages were seen before, nor reads the checkpoint.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{Act, Method, Path, checkpoint_fits};
use crate::{
    encoding::{Digest, Id},
    error::Code,
    identity::{Did, IdentityError, KeyRing},
    json::V1,
    jws::{self, JwsError, Payload, Typ, Unverified, Verified},
    limits,
    signature::SigningKey,
};

/// Payload of a token (ACT-2). The last five members are null for reads and service posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Receiver.
    pub aud: Did,
    /// Digest of the content bytes; of nothing, if there are none.
    pub body: Digest,
    /// Checkpoint of the sender's log that covers `index`, as note text.
    pub checkpoint: Option<String>,
    /// Name of the exchange.
    pub exchange: Option<Id>,
    /// End of the token's life, seconds.
    pub exp: u64,
    /// Start of the token's life, seconds.
    pub iat: u64,
    /// Index of the act's entry in the sender's log.
    pub index: Option<u64>,
    /// Sender.
    pub iss: Did,
    /// Method.
    pub method: Method,
    /// Name of the message.
    pub msg: Option<Id>,
    /// Request target.
    pub path: Path,
    /// As in the act.
    pub prev: Option<Digest>,
    /// The same as `iss`.
    pub sub: Did,
}

impl Token {
    /// Token of an act whose entry stands at `index` under `checkpoint`, living from `iat` for [`limits::TOKEN_SECONDS`].
    #[must_use]
    pub fn for_act(act: &Act, checkpoint: String, index: u64, iat: u64) -> Self {
        Self {
            aud: act.aud,
            body: act.body,
            checkpoint: Some(checkpoint),
            exchange: Some(act.exchange),
            exp: iat.saturating_add(limits::TOKEN_SECONDS),
            iat,
            index: Some(index),
            iss: act.iss,
            method: act.method,
            msg: Some(act.msg),
            path: act.path.clone(),
            prev: act.prev,
            sub: act.iss,
        }
    }

    /// Token of a read or a service post, living from `iat` for [`limits::TOKEN_SECONDS`].
    #[must_use]
    pub const fn for_read(iss: Did, aud: Did, method: Method, path: Path, body: Digest, iat: u64) -> Self {
        Self {
            aud,
            body,
            checkpoint: None,
            exchange: None,
            exp: iat.saturating_add(limits::TOKEN_SECONDS),
            iat,
            index: None,
            iss,
            method,
            msg: None,
            path,
            prev: None,
            sub: iss,
        }
    }

    /// The act that this token signs; `None` for a read or service post.
    #[must_use]
    pub fn act(&self) -> Option<Act> {
        Some(Act {
            v: V1,
            msg: self.msg?,
            iss: self.iss,
            aud: self.aud,
            exchange: self.exchange?,
            method: self.method,
            path: self.path.clone(),
            body: self.body,
            prev: self.prev,
        })
    }
}

impl Payload for Token {
    const TYP: Typ = Typ::Token;
    const LIMIT: usize = limits::TOKEN;

    fn check(&self) -> Result<(), &'static str> {
        let act = self.msg.is_some();
        if [self.exchange.is_some(), self.checkpoint.is_some(), self.index.is_some()] != [act; 3]
            || (self.prev.is_some() && !act)
        {
            return Err("msg, exchange, checkpoint and index are given together or not at all");
        }
        if act && self.method != Method::Post {
            return Err("an act is a POST");
        }
        checkpoint_fits(self.checkpoint.as_deref())
    }
}

/// Signs a token under key set `ks`.
pub fn issue_token(token: &Token, ks: u32, key: &SigningKey) -> Result<String, JwsError> {
    jws::sign_compact(token, ks, key)
}

/// What a token is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Keys of the pinned peer that the token claims to come from.
    pub ring: &'a KeyRing,
    /// Lowest key set that counts: 1, or what the terms of the exchange say.
    pub min: u32,
    /// The participant that receives the request.
    pub me: &'a Did,
    /// Method of the request.
    pub method: Method,
    /// Raw request target after the base.
    pub path: &'a str,
    /// Our clock, seconds.
    pub now: u64,
}

/// Why a token does not stand for its request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The JWS itself is refused, or its key may not sign.
    #[error("token: {0}")]
    Identity(#[from] IdentityError),
    /// `iss` is not the expected peer, or `sub` is not `iss`.
    #[error("token is from another participant")]
    Issuer,
    /// `aud` is somebody else.
    #[error("token is for another participant")]
    Audience,
    /// `exp` is past.
    #[error("token expired {ago} s ago")]
    Expired {
        /// Seconds since `exp`.
        ago: u64,
    },
    /// `iat` lies more than the skew ahead.
    #[error("token is from {ahead} s in the future")]
    NotYet {
        /// Seconds until `iat`.
        ahead: u64,
    },
    /// `exp` is not after `iat`, or too long after it.
    #[error("token does not live between 1 and {} s", limits::TOKEN_SECONDS)]
    Life,
    /// Another method.
    #[error("token is for another method")]
    Method,
    /// Another path.
    #[error("token is for another path")]
    Path,
    /// The content is not the signed one.
    #[error("content has another digest than the token says")]
    Body,
}

impl TokenError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            // What makes a statement malformed makes a token worthless: 401, not 400.
            Self::Identity(IdentityError::Jws(
                JwsError::TooLarge { .. }
                | JwsError::Form
                | JwsError::Header(_)
                | JwsError::Payload(_)
                | JwsError::Content(_),
            ))
            | Self::Life => Code::TokenMalformed,
            Self::Identity(error) => error.code(),
            Self::Issuer => Code::WrongIssuer,
            Self::Audience => Code::WrongAudience,
            Self::Expired { .. } => Code::TokenExpired,
            Self::NotYet { .. } => Code::TokenNotYet,
            Self::Method => Code::WrongMethod,
            Self::Path => Code::WrongPath,
            Self::Body => Code::BodyMismatch,
        }
    }
}

/// A token that fits its request line; the content has still to be compared.
#[derive(Debug, Clone)]
pub struct HeadChecked(Verified<Token>);

impl HeadChecked {
    /// What the token says, so that budgets can be charged before the content is read.
    #[must_use]
    pub const fn token(&self) -> &Token {
        self.0.payload()
    }

    /// Compares the content that arrived.
    pub fn body(self, content: &[u8]) -> Result<Verified<Token>, TokenError> {
        self.digest(Digest::of(content))
    }

    /// Compares the digest of the content that arrived.
    pub fn digest(self, body: Digest) -> Result<Verified<Token>, TokenError> {
        if self.0.payload().body == body { Ok(self.0) } else { Err(TokenError::Body) }
    }
}

/// Reads a token without checking anything but its form: tells whose ring to use.
pub fn peek_token(text: &str) -> Result<Unverified<Token>, JwsError> {
    jws::peek(text)
}

/// Checks a token against the head of its request, before any content is read (ACT-3).
pub fn check_token_head(text: &str, request: &Request<'_>) -> Result<HeadChecked, TokenError> {
    let read = peek_token(text).map_err(IdentityError::from)?;
    let claims = read.claims();
    if claims.iss != *request.ring.did() || claims.sub != claims.iss {
        return Err(TokenError::Issuer);
    }
    let ks = read.header().ks;
    let key = *request.ring.signing_key(ks, request.min, request.now)?;
    let token = read.verify(&key).map_err(IdentityError::from)?;
    check_claims(token.payload(), request)?;
    Ok(HeadChecked(token))
}

fn check_claims(token: &Token, request: &Request<'_>) -> Result<(), TokenError> {
    if token.aud != *request.me {
        return Err(TokenError::Audience);
    }
    if token.exp <= token.iat || token.exp - token.iat > limits::TOKEN_SECONDS {
        return Err(TokenError::Life);
    }
    if request.now > token.exp.saturating_add(limits::SKEW_SECONDS) {
        return Err(TokenError::Expired { ago: request.now - token.exp });
    }
    if token.iat > request.now.saturating_add(limits::SKEW_SECONDS) {
        return Err(TokenError::NotYet { ahead: token.iat - request.now });
    }
    if token.method != request.method {
        return Err(TokenError::Method);
    }
    if token.path.as_str() != request.path {
        return Err(TokenError::Path);
    }
    Ok(())
}

/// Checks a token against its whole request (ACT-3).
pub fn check_token(text: &str, request: &Request<'_>, content: &[u8]) -> Result<Verified<Token>, TokenError> {
    check_token_head(text, request)?.body(content)
}
