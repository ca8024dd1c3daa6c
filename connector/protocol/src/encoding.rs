//! Digests, identifiers and base64url, as they stand in every document of the exchange (spec chapter 01, ENC-1 and ENC-2).
//!
//! Does not hash JSON: that is [`crate::json`].

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// Text that is not what its place demands: wrong alphabet, padding, length or trailing bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not base64url without padding of the expected length")]
pub struct BadEncoding;

/// Bytes to base64url without padding.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Base64url without padding to bytes; refuses padding, other alphabets and non-zero trailing bits (ENC-1.2).
pub fn from_base64url(text: &str) -> Result<Vec<u8>, BadEncoding> {
    let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| BadEncoding)?;
    // The decoder's own strictness is not part of its contract: what does not encode back is refused.
    if to_base64url(&bytes) == text { Ok(bytes) } else { Err(BadEncoding) }
}

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Reads the text form.
            pub fn parse(text: &str) -> Result<Self, BadEncoding> {
                from_base64url(text)?.try_into().map(Self).map_err(|_| BadEncoding)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_base64url(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_string())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

fixed_bytes! {
    /// A SHA-256 digest; its text is 43 characters of base64url (ENC-1.1).
    Digest, 32
}
fixed_bytes! {
    /// Sixteen random bytes that name a message or an exchange; its text is 22 characters of base64url (ENC-1.3).
    Id, 16
}

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text_is_43_characters_and_round_trips() {
        // ENC-1.1
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
    }

    #[test]
    fn loose_base64url_is_refused() {
        // ENC-1.2: padding, the standard alphabet, trailing bits, wrong length.
        for text in [
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
            "47DEQpj8",
        ] {
            assert_eq!(Digest::parse(text), Err(BadEncoding), "{text}");
        }
    }
}
