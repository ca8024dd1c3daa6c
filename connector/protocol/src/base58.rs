//! Base58btc (the Bitcoin alphabet), in which keys, DIDs and peer ids are written (spec chapter 02, ID-1).
//!
//! Quadratic in the length, so only for short texts: [`decode`] refuses more than [`LONGEST`] characters.

use alloc::{string::String, vec, vec::Vec};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Longest text that is decoded; a key is 47 characters, a peer id 52.
pub const LONGEST: usize = 64;

/// Bytes to base58btc, without a multibase prefix.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Little-endian base 58 digits.
    let mut digits: Vec<u8> = Vec::with_capacity(bytes.len() * 7 / 5 + 1);
    for byte in &bytes[zeros..] {
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
    let ones = core::iter::repeat_n('1', zeros);
    ones.chain(digits.iter().rev().map(|digit| char::from(ALPHABET[usize::from(*digit)]))).collect()
}

/// Base58btc to bytes; `None` for other characters and for texts longer than [`LONGEST`].
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let ones = text.bytes().take_while(|byte| *byte == b'1').count();
    // Little-endian bytes.
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for character in text.bytes().skip(ones) {
        let mut carry = ALPHABET.iter().position(|known| *known == character)? as u32;
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
    let mut out = vec![0; ones];
    out.extend(bytes.iter().rev());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts() {
        // ID-1.1
        for (bytes, text) in [
            (&b""[..], ""),
            (&[0, 0, 1][..], "112"),
            (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
            (&[0xff; 4][..], "7YXq9G"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode("0OIl"), None);
        assert_eq!(decode(&"2".repeat(LONGEST + 1)), None);
    }
}
