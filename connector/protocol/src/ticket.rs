//! Tickets: what one firm hands to another so that their nodes can meet (spec chapter 02, ID-8).
//!
//! A ticket says where a node is, who its participant is, and holds a secret that may be redeemed once. Whoever holds the text
//! can redeem it: it is to be sent like a password, and the fingerprint compared by another way. Redemption is not here.

mod address;

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Digest, from_base64url, to_base64url},
    error::Code,
    identity::{IdentityError, PinnedPeer},
    json::{self, V1},
    limits,
};

pub use self::address::{Address, Https};

const PREFIX: &str = "naru1";

/// Why a text is no ticket that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not `naru1…`, cut, altered, or too long. Says no more: the text holds a secret.
    #[error("not a ticket, or not a whole one")]
    Malformed,
    /// Too late.
    #[error("ticket expired")]
    Expired,
    /// Would live longer than [`limits::TICKET_SECONDS`].
    #[error("ticket lives too long")]
    TooLong,
    /// An address that is neither a multiaddr nor that of an HTTPS door, or too many or none.
    #[error("ticket names no usable address")]
    Addresses,
    /// Its statements do not verify.
    #[error("ticket: {0}")]
    Identity(#[from] IdentityError),
}

impl TicketError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed | Self::TooLong | Self::Addresses => Code::TicketMalformed,
            Self::Expired => Code::TicketExpired,
            Self::Identity(error) => error.code(),
        }
    }
}

/// The secret of a ticket: 16 random bytes. Compare with `==`, which takes the same time wherever they differ.
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

impl Secret {
    /// From bytes that the caller drew at random.
    #[must_use]
    pub const fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let bytes = from_base64url(text).map_err(|_| TicketError::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| TicketError::Malformed)
    }

    /// Under what it may be stored and logged: SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The text form. Nothing else prints a secret.
    #[must_use]
    pub fn reveal(&self) -> String {
        to_base64url(&self.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Serialised only inside tickets and their redemption.
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| serde::de::Error::custom("secret"))
    }
}

/// The document in a ticket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    v: V1,
    addresses: Vec<Address>,
    participant: String,
    keys: String,
    secret: Secret,
    expires: u64,
}

/// A ticket whose statements verify under the root that they name. Whether that root is the firm that one means, only a
/// comparison of fingerprints says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    addresses: Vec<Address>,
    participant: String,
    keys: String,
    secret: Secret,
    expires: u64,
    peer: PinnedPeer,
}

impl Ticket {
    /// A ticket of our own: 1 to [`limits::TICKET_ADDRESSES`] addresses, our participant statement and newest key set as
    /// compact JWS, a fresh secret, expiry in seconds.
    pub fn new(
        addresses: Vec<Address>,
        participant: String,
        keys: String,
        secret: Secret,
        expires: u64,
    ) -> Result<Self, TicketError> {
        if addresses.is_empty() || addresses.len() > limits::TICKET_ADDRESSES {
            return Err(TicketError::Addresses);
        }
        let peer = PinnedPeer::pin(&participant, [keys.as_str()])?;
        Ok(Self { addresses, participant, keys, secret, expires, peer })
    }

    /// The text to hand over. It holds the secret.
    pub fn encode(&self) -> Result<String, TicketError> {
        let content = Content {
            v: V1,
            addresses: self.addresses.clone(),
            participant: self.participant.clone(),
            keys: self.keys.clone(),
            secret: self.secret,
            expires: self.expires,
        };
        let bytes = json::to_canonical(&content).map_err(|_| TicketError::Malformed)?;
        let text = format!("{PREFIX}{}", to_base64url(&bytes));
        if text.len() > limits::TICKET { Err(TicketError::Malformed) } else { Ok(text) }
    }

    /// Reads a ticket at `now` (seconds); white space around it is forgiven.
    pub fn parse(text: &str, now: u64) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > limits::TICKET {
            return Err(TicketError::Malformed);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(TicketError::Malformed)?;
        let bytes = from_base64url(encoded).map_err(|_| TicketError::Malformed)?;
        // The cause is dropped: serde may quote the document, and that holds the secret.
        let content: Content = json::parse_canonical(&bytes).map_err(|_| TicketError::Malformed)?;
        if content.expires <= now {
            return Err(TicketError::Expired);
        }
        if content.expires - now > limits::TICKET_SECONDS {
            return Err(TicketError::TooLong);
        }
        Self::new(content.addresses, content.participant, content.keys, content.secret, content.expires)
    }

    /// Where the node may be reached.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Who, checked.
    #[must_use]
    pub const fn peer(&self) -> &PinnedPeer {
        &self.peer
    }

    /// The participant statement, as compact JWS.
    #[must_use]
    pub fn participant(&self) -> &str {
        &self.participant
    }

    /// The key set, as compact JWS.
    #[must_use]
    pub fn keys(&self) -> &str {
        &self.keys
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// From when on it is void, seconds.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }
}
