//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), own line only: no witness lines are made here, and
//! lines of unknown keys are passed over when one is read.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::{
    encoding::{b64, from_b64, hex, sha256},
    jws::verify_strict,
    merkle::Hash,
};

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Algorithm byte of a log's own Ed25519 signature.
pub const LOG_KEY: u8 = 1;
/// Algorithm byte of a timestamped Ed25519 cosignature.
pub const WITNESS_KEY: u8 = 4;

/// The four bytes that name an Ed25519 key in a note's signature line.
fn key_id(name: &str, kind: u8, key: &[u8; 32]) -> [u8; 4] {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(&[b'\n', kind]);
    bytes.extend_from_slice(key);
    let [a, b, c, d, ..] = sha256(&bytes);
    [a, b, c, d]
}

/// A verifier key as text: `<name>+<id>+<base64 of kind and key>`.
#[must_use]
pub fn vkey(name: &str, kind: u8, key: &[u8; 32]) -> String {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(key);
    format!("{name}+{}+{}", hex(&key_id(name, kind, key)), b64(&bytes))
}

/// Reverse of [`vkey`]: name, kind and key.
#[must_use]
pub fn parse_vkey(text: &str) -> Option<(String, u8, [u8; 32])> {
    let (rest, encoded) = text
        .split_once('+')
        .and_then(|(name, rest)| Some((name, rest.split_once('+')?)))
        .map(|(name, (id, key))| ((name, id), key))?;
    let bytes = from_b64(encoded)?;
    let (kind, key) = bytes.split_first()?;
    let key: [u8; 32] = key.try_into().ok()?;
    (vkey(rest.0, *kind, &key) == text).then(|| (rest.0.to_owned(), *kind, key))
}

/// The time of the cosignature that a witness put under a note, if it did and it verifies.
#[must_use]
pub fn cosigned_at(note: &str, name: &str, key: &[u8; 32]) -> Option<u64> {
    let (body, signatures) = note.split_once("\n\n")?;
    let id = key_id(name, WITNESS_KEY, key);
    signatures.lines().find_map(|line| {
        let (signer, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes: [u8; 76] = from_b64(signature)?.try_into().ok()?;
        let time = u64::from_be_bytes(bytes[4..12].try_into().ok()?);
        let message = format!("cosignature/v1\ntime {time}\n{body}\n");
        let verified = verify_strict(key, message.as_bytes(), bytes[12..].try_into().ok()?);
        (signer == name && bytes.starts_with(&id) && verified).then_some(time)
    })
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, b64(&self.root))
    }

    /// The whole note with the log's own line.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let body = self.body();
        let mut line = key_id(&self.origin, LOG_KEY, &key.verifying_key().to_bytes()).to_vec();
        line.extend_from_slice(&key.sign(body.as_bytes()).to_bytes());
        format!("{body}\n\u{2014} {} {}\n", self.origin, b64(&line))
    }

    /// Reads a note that `key` must have signed under the name of the origin; extension lines are refused.
    #[must_use]
    pub fn open(note: &str, key: &[u8; 32]) -> Option<Self> {
        let (body, signatures) = lines(note)?;
        let checkpoint = Self::parse(&body)?;
        let id = key_id(&checkpoint.origin, LOG_KEY, key);
        // Of several lines of one key the first counts (LOG-4.4).
        let own =
            signatures.iter().find(|line| line.name == checkpoint.origin && line.bytes.starts_with(&id))?;
        let signature: [u8; 64] = own.bytes[4..].try_into().ok()?;
        verify_strict(key, body.as_bytes(), &signature).then_some(checkpoint)
    }

    /// Reads the text of a checkpoint: origin, size and root, each in its one spelling, and nothing else.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        let parts: Vec<&str> = body.strip_suffix('\n')?.split('\n').collect();
        let [origin, size, root] = parts.as_slice() else { return None };
        let size = size.parse::<u64>().ok().filter(|number| number.to_string() == *size)?;
        let root: Hash = from_b64(root)?.try_into().ok()?;
        let empty = size > 0 || root == crate::merkle::root(&[]);
        (!origin.is_empty() && body.len() <= 256 && empty).then(|| Self {
            origin: (*origin).to_owned(),
            size,
            root,
        })
    }
}

/// A signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Key id and signature.
    pub bytes: Vec<u8>,
}

/// Takes a note apart: its text with the final line feed, and its signature lines, of which there are 1 to 32.
#[must_use]
pub fn lines(note: &str) -> Option<(String, Vec<SignatureLine>)> {
    if note.len() > 16_384 || note.contains(|c: char| c < ' ' && c != '\n') {
        return None;
    }
    let (text, signatures) = note.rsplit_once("\n\n")?;
    let mut found = Vec::new();
    for line in signatures.strip_suffix('\n')?.split('\n') {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = from_b64(signature).filter(|bytes| bytes.len() > 4)?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return None;
        }
        found.push(SignatureLine { name: name.to_owned(), bytes });
    }
    (found.len() <= 32).then(|| (format!("{text}\n"), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (Checkpoint, SigningKey, String) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let checkpoint = Checkpoint { origin: "naru/z6MkTest/0".to_owned(), size: 12, root: [3; 32] };
        let note = checkpoint.sign(&key);
        (checkpoint, key, note)
    }

    #[test]
    fn round_trip() {
        let (checkpoint, key, note) = signed();
        assert_eq!(Checkpoint::open(&note, &key.verifying_key().to_bytes()), Some(checkpoint));
        assert_eq!(
            Checkpoint::open(&note, &SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes()),
            None
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        let (_, key, note) = signed();
        let public = key.verifying_key().to_bytes();
        for (from, to) in [
            ("12\n", "012\n"),
            ("12\n", "+12\n"),
            ("12\n", "13\n"),
            ("\n\n", "\next\n\n"),
            ("\u{2014}", "-"),
            ("=\n", "\n"),
        ] {
            assert_eq!(Checkpoint::open(&note.replacen(from, to, 1), &public), None, "{from:?}");
        }
        assert_eq!(Checkpoint::open(note.trim_end(), &public), None);
        let foreign = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert!(Checkpoint::open(&foreign, &public).is_some(), "lines of other keys are passed over");
    }
}
