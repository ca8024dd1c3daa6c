//! Digests, identifiers, base64url and base58 as the exchange writes them (spec chapter 01), written for this suite
//! alone: an encoder shared with the implementation under test would hide a shared mistake.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use crate::jws::valid_key;

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 of some bytes in the text form of the exchange: 43 characters.
#[must_use]
pub fn digest_text(bytes: &[u8]) -> String {
    b64url(&sha256(bytes))
}

/// Base64url without padding.
#[must_use]
pub fn b64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Strict reverse of [`b64url`]: no padding, no other alphabet, no stray trailing bits.
#[must_use]
pub fn from_b64url(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
    (b64url(&bytes) == text).then_some(bytes)
}

/// Base64 with padding, as signed notes write it.
#[must_use]
pub fn b64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Strict reverse of [`b64`].
#[must_use]
pub fn from_b64(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(text).ok()?;
    (b64(&bytes) == text).then_some(bytes)
}

/// Reads a text that must hold exactly `N` bytes of base64url: digests have 32, identifiers 16.
#[must_use]
pub fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_b64url(text)?.try_into().ok()
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Base58 with Bitcoin's alphabet.
#[must_use]
pub fn base58(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let leading = std::iter::repeat_n('1', zeros);
    leading.chain(digits.iter().rev().map(|digit| char::from(BASE58[usize::from(*digit)]))).collect()
}

/// Reverse of [`base58`]; at most 64 characters, which is more than any key or peer id needs.
#[must_use]
pub fn from_base58(text: &str) -> Option<Vec<u8>> {
    if text.len() > 64 {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for letter in text.bytes() {
        let mut carry = BASE58.iter().position(|known| *known == letter)? as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    bytes.extend(text.bytes().take_while(|letter| *letter == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

/// An Ed25519 public key as a multibase string, `z6Mk…`.
#[must_use]
pub fn multibase(key: &[u8; 32]) -> String {
    let mut bytes = vec![0xed, 0x01];
    bytes.extend_from_slice(key);
    format!("z{}", base58(&bytes))
}

/// Reverse of [`multibase`]; takes no key that is not canonical or of low order.
#[must_use]
pub fn from_multibase(text: &str) -> Option<[u8; 32]> {
    let bytes = from_base58(text.strip_prefix('z')?)?;
    bytes.strip_prefix(&[0xed, 0x01])?.try_into().ok().filter(valid_key)
}

/// The `did:key` of a root key.
#[must_use]
pub fn did(key: &[u8; 32]) -> String {
    format!("did:key:{}", multibase(key))
}

/// The root key in a `did:key`.
#[must_use]
pub fn from_did(text: &str) -> Option<[u8; 32]> {
    from_multibase(text.strip_prefix("did:key:")?)
}

/// The libp2p peer id of an Ed25519 transport key, `12D3Koo…`: an identity multihash over the key's protobuf.
#[must_use]
pub fn peer_id(key: &[u8; 32]) -> String {
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend_from_slice(key);
    base58(&bytes)
}

/// Reverse of [`peer_id`].
#[must_use]
pub fn from_peer_id(text: &str) -> Option<[u8; 32]> {
    let bytes = from_base58(text)?;
    bytes.strip_prefix(&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20])?.try_into().ok().filter(valid_key)
}

/// What a person compares: the first sixteen hexadecimal digits of the digest of the DID, in groups of four.
#[must_use]
pub fn fingerprint(did: &str) -> String {
    let digits = hex(&sha256(did.as_bytes())[..8]);
    [&digits[..4], &digits[4..8], &digits[8..12], &digits[12..]].join(" ")
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reverse of [`hex`]; takes either case.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// HMAC-SHA-256 (RFC 2104).
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&sha256(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base58_known_answers() {
        for (bytes, text) in [
            (&b"Hello World!"[..], "2NEpo7TZRRrLZSi2U"),
            (b"", ""),
            (b"\x00\x00\x28\x7f\xb4\xcd", "11233QC4"),
            (b"\x00\x00", "11"),
        ] {
            assert_eq!(base58(bytes), text);
            assert_eq!(from_base58(text).as_deref(), Some(bytes));
        }
        assert_eq!(from_base58("0OIl"), None);
    }

    #[test]
    fn keys_round_trip_in_every_text() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert!(multibase(&key).starts_with("z6Mk"));
        assert_eq!(from_multibase(&multibase(&key)), Some(key));
        assert_eq!(from_did(&did(&key)), Some(key));
        assert!(peer_id(&key).starts_with("12D3Koo"));
        assert_eq!(from_peer_id(&peer_id(&key)), Some(key));
        let public = libp2p::identity::ed25519::PublicKey::try_from_bytes(&key).unwrap();
        assert_eq!(peer_id(&key), libp2p::identity::PublicKey::from(public).to_peer_id().to_string());
    }

    #[test]
    fn loose_base64_is_refused() {
        for text in ["AA==", "AB", "A+", "A", "AA\n"] {
            assert_eq!(from_b64url(text), None, "{text}");
        }
        assert_eq!(from_b64url("AA"), Some(vec![0]));
        assert_eq!(from_b64("AA"), None);
        assert_eq!(from_b64("AA=="), Some(vec![0]));
    }

    #[test]
    fn hmac_known_answers() {
        // RFC 4231, cases 2 and 6.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
