//! Signed notes: a text, a blank line, and signature lines, as C2SP signed-note and Go's `sumdb/note` have them (spec chapter 08,
//! LOG-4).
//!
//! Keys of type 0x01 (Ed25519 over the text) and 0x04 (cosignature with a time) are known; lines of other keys are carried along
//! and prove nothing. Stricter than Go in one point: base64 must be canonical. Knows nothing of checkpoints.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use base64ct::{Base64, Encoding};
use sha2::{Digest as _, Sha256};

use crate::{
    error::Code,
    limits,
    signature::{PublicKey, SigningKey},
};

/// What begins a signature line: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// What a key of a note signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Type 0x01: the text.
    Note,
    /// Type 0x04: the text and the time at which the signer had seen nothing that contradicts it.
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

/// Why a note, a key or a line is refused. No variant quotes what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More bytes or lines than [`limits::NOTE`] and [`limits::NOTE_LINES`] allow.
    #[error("a signed note of more than {} bytes or {} signatures", limits::NOTE, limits::NOTE_LINES)]
    TooLarge,
    /// Not UTF-8, control characters, no blank line, no final newline, or a line that is no signature.
    #[error("not a signed note")]
    Malformed,
    /// The text to be signed does not end in a newline or holds control characters.
    #[error("not a text that a note can hold")]
    BadText,
    /// A name that is empty or holds white space, a control character or a plus sign.
    #[error("not the name of a key")]
    BadName,
    /// A verifier key that is not name, key id and key of a known type, or whose id is another key's.
    #[error("not the text of a verifier key")]
    BadKey,
    /// Two keys given have the same name and id, so that a line could be either's.
    #[error("two keys of one name and id")]
    AmbiguousKey,
    /// A line of a known key does not verify: the whole note is refused.
    #[error("the signature of a known key does not verify")]
    BadSignature,
    /// No line is of a known key.
    #[error("no signature of a known key")]
    Unsigned,
}

impl NoteError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge => Code::TooLarge,
            Self::Malformed => Code::Malformed,
            Self::BadText => Code::Internal,
            Self::BadName | Self::BadKey | Self::AmbiguousKey => Code::KeyMalformed,
            Self::BadSignature | Self::Unsigned => Code::CheckpointInvalid,
        }
    }
}

/// A key that verifies notes: name, type and public key. Its text is the C2SP `vkey`: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey {
    name: String,
    kind: KeyKind,
    key: PublicKey,
    id: [u8; 4],
}

impl NoteKey {
    /// Names a key.
    pub fn new(name: &str, kind: KeyKind, key: PublicKey) -> Result<Self, NoteError> {
        if !valid_name(name) {
            return Err(NoteError::BadName);
        }
        Ok(Self { name: name.to_owned(), kind, key, id: key_id(name, kind, &key) })
    }

    /// Reads the text; anything but what [`fmt::Display`] writes for a known type is refused (LOG-4.5).
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::BadKey);
        };
        let bytes = decode(key).ok_or(NoteError::BadKey)?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (KeyKind::Note, key),
            Some((4, key)) => (KeyKind::Cosignature, key),
            Some(_) | None => return Err(NoteError::BadKey),
        };
        let key = key.try_into().map_err(|_| NoteError::BadKey)?;
        let key = Self::new(name, kind, PublicKey::from_bytes(key).map_err(|_| NoteError::BadKey)?)?;
        // Also compares the id that stands in the text.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::BadKey) }
    }

    /// The name; of a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The first four bytes of SHA-256 over name, newline, type and key.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Checks a line that names this key; gives the time of a cosignature.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        match self.kind {
            KeyKind::Note => {
                self.key.verify(text.as_bytes(), signature).map_err(|_| NoteError::BadSignature)?;
                Ok(None)
            }
            KeyKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or(NoteError::BadSignature)?;
                let time = u64::from_be_bytes(*time);
                self.key
                    .verify(cosigned(time, text).as_bytes(), signature)
                    .map_err(|_| NoteError::BadSignature)?;
                Ok(Some(time))
            }
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::from([self.kind.byte()]);
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), Base64::encode_string(&bytes))
    }
}

fn key_id(name: &str, kind: KeyKind, key: &PublicKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(key.as_bytes())
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|char| char.is_whitespace() || char < ' ' || char == '+')
}

/// What a cosigner signs.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Standard base64 with padding, canonical.
fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64::decode_vec(text).ok()?;
    (Base64::encode_string(&bytes) == text).then_some(bytes)
}

/// A key that signs notes.
#[derive(Debug, Clone)]
pub struct NoteSigner {
    key: NoteKey,
    secret: SigningKey,
}

impl NoteSigner {
    /// Names a private key.
    pub fn new(name: &str, kind: KeyKind, secret: SigningKey) -> Result<Self, NoteError> {
        Ok(Self { key: NoteKey::new(name, kind, secret.public())?, secret })
    }

    /// The key that verifies.
    #[must_use]
    pub const fn key(&self) -> &NoteKey {
        &self.key
    }

    /// Signs a text; `time`, in seconds, is used by a cosigner alone.
    fn line(&self, text: &str, time: u64) -> SignatureLine {
        let signature = match self.key.kind {
            KeyKind::Note => self.secret.sign(text.as_bytes()).to_vec(),
            KeyKind::Cosignature => {
                let mut bytes = time.to_be_bytes().to_vec();
                bytes.extend_from_slice(&self.secret.sign(cosigned(time, text).as_bytes()));
                bytes
            }
        };
        SignatureLine { name: self.key.name.clone(), id: self.key.id, signature }
    }
}

/// One signature line, verified or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line without its newline.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, signature) = line
            .strip_prefix(LINE_START)
            .and_then(|line| line.split_once(' '))
            .ok_or(NoteError::Malformed)?;
        let bytes = decode(signature).ok_or(NoteError::Malformed)?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
        if !valid_name(name) || signature.is_empty() {
            return Err(NoteError::Malformed);
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }

    /// The name of the key that is said to have signed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.signature);
        write!(f, "{LINE_START}{} {}", self.name, Base64::encode_string(&bytes))
    }
}

/// A line that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key.
    pub key: NoteKey,
    /// Of a cosignature, when: seconds since 1970 by the cosigner's clock.
    pub time: Option<u64>,
}

/// A note that was read; nothing about it is verified before [`Note::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<SignatureLine>,
}

impl Note {
    /// Signs a text, which must end in a newline and hold no other control character (LOG-4.1).
    pub fn sign(text: &str, signer: &NoteSigner, time: u64) -> Result<Self, NoteError> {
        if !text.ends_with('\n') || has_control(text) {
            return Err(NoteError::BadText);
        }
        let note = Self { text: text.to_owned(), lines: Vec::from([signer.line(text, time)]) };
        if note.to_string().len() > limits::NOTE { Err(NoteError::TooLarge) } else { Ok(note) }
    }

    /// Reads a note (LOG-4.2): the signatures follow the last blank line.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > limits::NOTE {
            return Err(NoteError::TooLarge);
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::Malformed)?;
        if has_control(note) {
            return Err(NoteError::Malformed);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        if lines.split('\n').count() > limits::NOTE_LINES {
            return Err(NoteError::TooLarge);
        }
        let lines = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), lines })
    }

    /// The text, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in their order.
    #[must_use]
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }

    /// Adds a line, in place of an earlier one of the same key. What it is worth shows on opening.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        let mut lines = self.lines.clone();
        lines.retain(|other| other.name != line.name || other.id != line.id);
        lines.push(line);
        let note = Self { text: self.text.clone(), lines };
        if note.lines.len() > limits::NOTE_LINES || note.to_string().len() > limits::NOTE {
            return Err(NoteError::TooLarge);
        }
        *self = note;
        Ok(())
    }

    /// Cosigns: the line that says that at `time`, in seconds, the signer had seen nothing that contradicts the text.
    #[must_use]
    pub fn signature_by(&self, signer: &NoteSigner, time: u64) -> SignatureLine {
        signer.line(&self.text, time)
    }

    /// Verifies the lines of known keys and gives them (LOG-4.3, LOG-4.4): lines of unknown keys are passed over, a known one
    /// that fails refuses the note, later lines of the same key are not looked at, and at least one must be there.
    pub fn open(&self, keys: &[NoteKey]) -> Result<Vec<Signed>, NoteError> {
        let mut signed: Vec<Signed> = Vec::new();
        for line in &self.lines {
            let mut known = keys.iter().filter(|key| key.id == line.id && key.name == line.name);
            let Some(key) = known.next() else { continue };
            if known.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey);
            }
            if signed.iter().any(|seen| seen.key == *key) {
                continue;
            }
            let time = key.verify(&self.text, &line.signature)?;
            signed.push(Signed { key: key.clone(), time });
        }
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(|char| char < ' ' && char != '\n')
}
