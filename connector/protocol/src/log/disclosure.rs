//! Disclosures, and the keys from which their salts are computed (spec chapter 08, LOG-7).
//!
//! No salt is drawn: each is computed from a key and the act's `msg`. Keys, salts and values show in no Debug output and no error.

use alloc::string::{String, ToString};
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    encoding::{BadEncoding, Digest, Id, from_base64url, to_base64url},
    error::Code,
    json, limits,
};

/// What begins the name of a lane counter.
pub(super) const LANE: &str = "lane:";
/// Characters of a field's name, at most.
const NAME_MAX: usize = 64;

/// Why a disclosure is refused. No variant quotes salt or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// More than [`limits::DISCLOSURE`] bytes.
    #[error("a disclosure of more than {} bytes", limits::DISCLOSURE)]
    TooLarge,
    /// Not base64url of canonical JSON `[salt, name, value]`.
    #[error("not a disclosure")]
    Malformed,
    /// The entry does not hold its digest.
    #[error("the entry does not commit to the disclosure")]
    NotCommitted,
    /// The same disclosure, or another of the same name, was given before.
    #[error("two disclosures of one name")]
    Repeated,
}

impl DisclosureError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge => Code::TooLarge,
            Self::Malformed | Self::Repeated => Code::Malformed,
            Self::NotCommitted => Code::EvidenceMalformed,
        }
    }
}

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From 32 bytes that the caller drew at random.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The secret itself, for whoever keeps it.
            #[must_use]
            pub const fn secret(&self) -> &[u8; 32] {
                &self.0
            }

            /// The salt of a field: HMAC-SHA-256 over the raw bytes of `msg` and the UTF-8 of the name (LOG-7.2).
            #[must_use]
            pub fn salt(&self, msg: &Id, name: &str) -> Salt {
                salt(&self.0, msg, name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

secret_key! {
    /// The key of one exchange, shared by its two parties; salts what both know.
    ExchangeKey
}
secret_key! {
    /// A key that never leaves the node; salts private facts and entries without an exchange.
    NodeKey
}
secret_key! {
    /// The key of one lane, which auditors of that lane get; salts its counters.
    LaneKey
}

impl ExchangeKey {
    /// What the first act of the exchange says of the key: SHA-256 of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The text of the header `DXP-Key`: base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_base64url(&self.0)
    }

    /// Reads that text.
    pub fn parse(text: &str) -> Result<Self, BadEncoding> {
        from_base64url(text)?.try_into().map(Self).map_err(|_| BadEncoding)
    }
}

fn salt(key: &[u8; 32], msg: &Id, name: &str) -> Salt {
    // HMAC fills a key up to its block with zeros; done here, no length is left that could be refused.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(&msg.0);
    mac.update(name.as_bytes());
    Salt(mac.finalize().into_bytes().into())
}

/// The salt of one disclosure, 32 bytes. Whoever has it can try values: secret until disclosed.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(secret)")
    }
}

/// Which key salts a field.
#[derive(Debug, Clone)]
pub enum FieldKey {
    /// What both parties of the exchange know.
    Exchange(ExchangeKey),
    /// What the node alone knows.
    Node(NodeKey),
}

/// `[salt, name, value]`, which an entry commits to by its digest (RFC 9901). Debug shows the name alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    text: String,
    name: String,
    value: Value,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disclosure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Disclosure {
    /// Makes one (LOG-7.1).
    pub fn new(salt: &Salt, name: &str, value: Value) -> Result<Self, DisclosureError> {
        let array = Value::Array([to_base64url(&salt.0).into(), name.into(), value.clone()].into());
        let text = to_base64url(&json::canonical(&array).map_err(|_| DisclosureError::Malformed)?);
        if text.len() > limits::DISCLOSURE {
            return Err(DisclosureError::TooLarge);
        }
        // Numbers spelled otherwise than JCS would come back changed.
        Self::parse(&text)
    }

    /// Reads the text: base64url of the canonical JSON of an array of a salt of 32 bytes, a name and a value (LOG-7.1).
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        if text.len() > limits::DISCLOSURE {
            return Err(DisclosureError::TooLarge);
        }
        let bytes = from_base64url(text).map_err(|_| DisclosureError::Malformed)?;
        let array = json::parse(&bytes).map_err(|_| DisclosureError::Malformed)?;
        if json::canonical(&array).map_err(|_| DisclosureError::Malformed)? != bytes {
            return Err(DisclosureError::Malformed);
        }
        let Value::Array(array) = array else { return Err(DisclosureError::Malformed) };
        let [salt, name, value]: [Value; 3] = array.try_into().map_err(|_| DisclosureError::Malformed)?;
        let (Value::String(salt), Value::String(name)) = (salt, name) else {
            return Err(DisclosureError::Malformed);
        };
        if from_base64url(&salt).map_or(0, |salt| salt.len()) != 32 || !valid_disclosed(&name, &value) {
            return Err(DisclosureError::Malformed);
        }
        Ok(Self { text: text.to_string(), name, value })
    }

    /// The text, which is what is stored and shown.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The digest in the entry: SHA-256 over the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

/// A field's name, or a lane's with its number.
fn valid_disclosed(name: &str, value: &Value) -> bool {
    match name.strip_prefix(LANE) {
        Some(country) => valid_country(country) && value.as_u64().is_some_and(|number| number > 0),
        None => valid_name(name),
    }
}

pub(super) fn valid_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(super) fn valid_country(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
}
