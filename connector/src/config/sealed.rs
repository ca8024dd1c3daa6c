//! Key files under a passphrase: how a sealed file is written and read, and where the passphrase comes from.
//!
//! A sealed file is one line of text: `naru-sealed-1`, what Argon2id was run with and its salt, nonce and ciphertext
//! (ChaCha20-Poly1305, the file's name as associated data), so that no file can stand for another. All files of a folder have
//! one salt, since Argon2id takes its time once for each. The passphrase comes from the file that `NARU_PASSPHRASE_FILE` names,
//! from systemd's credential `naru-passphrase`, or is asked on the terminal: never from an argument or a variable, where other
//! processes could read it. It is asked once in a process.
//!
//! Does not protect a node that runs: its keys are in its memory.

use std::{
    io::IsTerminal as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use naru_protocol::encoding::{from_base64url, to_base64url};
use zeroize::Zeroizing;

use super::{Seed, random};

/// First word of a sealed file.
const HEAD: &str = "naru-sealed-1";
/// What new files are sealed with: KiB of memory, passes, lanes. RFC 9106 §4 names these for machines with little memory.
const COST: [u32; 3] = [65_536, 3, 4];
/// The most that a file may ask for: a file must not make the node take the machine's memory.
const MOST: [u32; 3] = [1 << 20, 16, 16];
/// Bytes of a salt.
const SALT: usize = 16;
/// Characters of a passphrase at least.
const SHORTEST: usize = 8;
/// Names the file that holds the passphrase.
const FILE: &str = "NARU_PASSPHRASE_FILE";
/// The same by systemd: `LoadCredential=naru-passphrase:…`.
const CREDENTIAL: &str = "naru-passphrase";

/// Why a key file cannot be opened or sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is no sealed file of this version, or asks for more memory than is given.
    #[error("not a sealed key file of this version")]
    Form,
    /// Another passphrase, or the file was altered or renamed.
    #[error("the passphrase is not the one that it was sealed with, or the file was altered")]
    Passphrase,
    /// There is no passphrase.
    #[error("it is sealed and no passphrase is there: {FILE} names no file, and nobody is at a terminal")]
    NoPassphrase,
    /// The passphrase cannot be read.
    #[error("the passphrase cannot be read: {0}")]
    Unreadable(String),
    /// A new passphrase that is too short, or differs when it is typed again.
    #[error("{0}")]
    Unfit(String),
}

/// How a key is made of the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt {
    cost: [u32; 3],
    salt: [u8; SALT],
}

/// A passphrase with the last key that was made of it.
struct Known {
    text: Zeroizing<String>,
    made: Option<(Salt, Zeroizing<[u8; 32]>)>,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// Whether a key file's text is sealed.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(HEAD)
}

impl Salt {
    /// A fresh one.
    pub fn fresh() -> std::io::Result<Self> {
        Ok(Self { cost: COST, salt: random()? })
    }

    /// The one of a sealed file.
    pub fn of(text: &str) -> Result<Self, SealError> {
        Ok(parts(text)?.0)
    }

    fn key(&self, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let [memory, passes, lanes] = self.cost;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| SealError::Form)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key)
            .map_err(|_| SealError::Form)?;
        Ok(key)
    }

    /// The key under the passphrase of this process, which is asked for when it is not there yet.
    fn known(&self) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(Known { text: given()?, made: None });
        }
        let Some(known) = known.as_mut() else { return Err(SealError::NoPassphrase) };
        if let Some((salt, key)) = &known.made
            && salt == self
        {
            return Ok(key.clone());
        }
        let key = self.key(&known.text)?;
        known.made = Some((self.clone(), key.clone()));
        Ok(key)
    }
}

/// Nonce and ciphertext.
type Sealed = ([u8; 12], Vec<u8>);

fn parts(text: &str) -> Result<(Salt, Sealed), SealError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [HEAD, memory, passes, lanes, salt, nonce, sealed] = words[..] else { return Err(SealError::Form) };
    let number = |text: &str, most: u32| text.parse().ok().filter(|n| *n <= most).ok_or(SealError::Form);
    let bytes = |text: &str| from_base64url(text).map_err(|_| SealError::Form);
    let cost = [number(memory, MOST[0])?, number(passes, MOST[1])?, number(lanes, MOST[2])?];
    let salt = bytes(salt)?.try_into().map_err(|_| SealError::Form)?;
    let nonce = bytes(nonce)?.try_into().map_err(|_| SealError::Form)?;
    Ok((Salt { cost, salt }, (nonce, bytes(sealed)?)))
}

/// The seed of a sealed file of this name.
pub fn open(name: &str, text: &str) -> Result<Seed, SealError> {
    let (salt, (nonce, sealed)) = parts(text)?;
    opened(&*salt.known()?, name, &nonce, &sealed)
}

fn opened(key: &[u8; 32], name: &str, nonce: &[u8; 12], sealed: &[u8]) -> Result<Seed, SealError> {
    let payload = Payload { msg: sealed, aad: name.as_bytes() };
    let plain = ChaCha20Poly1305::new(key.into()).decrypt(Nonce::from_slice(nonce), payload);
    let plain = Zeroizing::new(plain.map_err(|_| SealError::Passphrase)?);
    plain.as_slice().try_into().map(Seed).map_err(|_| SealError::Form)
}

/// The text of a sealed file of this name.
pub fn seal(name: &str, seed: &Seed, salt: &Salt) -> Result<String, SealError> {
    sealed(&*salt.known()?, name, seed, salt)
}

fn sealed(key: &[u8; 32], name: &str, seed: &Seed, salt: &Salt) -> Result<String, SealError> {
    let nonce: [u8; 12] = random().map_err(|e| SealError::Unreadable(e.to_string()))?;
    let payload = Payload { msg: &seed.0, aad: name.as_bytes() };
    let text = ChaCha20Poly1305::new(key.into())
        .encrypt(Nonce::from_slice(&nonce), payload)
        .map_err(|_| SealError::Form)?;
    let [memory, passes, lanes] = salt.cost;
    let (salt, nonce, text) = (to_base64url(&salt.salt), to_base64url(&nonce), to_base64url(&text));
    Ok(format!("{HEAD} {memory} {passes} {lanes} {salt} {nonce} {text}"))
}

/// The file that has the passphrase, if one is named.
fn file() -> Option<PathBuf> {
    let named = std::env::var_os(FILE).map(PathBuf::from);
    let credential = || {
        let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
        path.exists().then_some(path)
    };
    named.or_else(credential)
}

/// The passphrase: of a file, or asked for.
fn given() -> Result<Zeroizing<String>, SealError> {
    if let Some(path) = file() {
        return read(&path);
    }
    if !std::io::stdin().is_terminal() {
        return Err(SealError::NoPassphrase);
    }
    ask("Passphrase of the keys: ")
}

fn read(path: &std::path::Path) -> Result<Zeroizing<String>, SealError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|e| SealError::Unreadable(format!("{}: {e}", path.display())))?;
    // The end of a line is an editor's.
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn ask(question: &str) -> Result<Zeroizing<String>, SealError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|e| SealError::Unreadable(e.to_string()))
}

/// Takes up a new passphrase, for files that are sealed from now on: of the file, or typed twice.
pub fn choose() -> Result<(), SealError> {
    let text = match file() {
        Some(path) => read(&path)?,
        None if std::io::stdin().is_terminal() => {
            let first = ask("New passphrase of the keys: ")?;
            if *ask("Again: ")? != *first {
                return Err(SealError::Unfit("the two differ; nothing was changed".to_owned()));
            }
            first
        }
        None => return Err(SealError::NoPassphrase),
    };
    if text.chars().count() < SHORTEST {
        return Err(SealError::Unfit(format!("a passphrase has {SHORTEST} characters or more")));
    }
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { text, made: None });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt() -> Salt {
        Salt { cost: [64, 1, 1], salt: [7; SALT] }
    }

    #[test]
    fn a_sealed_file_opens_under_its_passphrase_and_name_only() {
        let salt = salt();
        let (key, other) = (salt.key("correct horse").unwrap(), salt.key("correct horsf").unwrap());
        let text = sealed(&key, "signing", &Seed([9; 32]), &salt).unwrap();
        assert!(is_sealed(&text) && !is_sealed(&"0".repeat(64)));
        assert_eq!(Salt::of(&text).unwrap(), salt);
        let (_, (nonce, bytes)) = parts(&text).unwrap();
        assert_eq!(opened(&key, "signing", &nonce, &bytes).unwrap().0, [9; 32]);
        assert_eq!(opened(&other, "signing", &nonce, &bytes).unwrap_err(), SealError::Passphrase);
        assert_eq!(opened(&key, "log", &nonce, &bytes).unwrap_err(), SealError::Passphrase);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(opened(&key, "signing", &nonce, &altered).unwrap_err(), SealError::Passphrase);
        }
        assert_ne!(sealed(&key, "signing", &Seed([9; 32]), &salt).unwrap(), text, "no nonce twice");
    }

    #[test]
    fn a_file_that_asks_for_too_much_or_is_none_is_refused_before_anything_is_computed() {
        let salt = salt();
        let text = sealed(&salt.key("x").unwrap(), "log", &Seed([1; 32]), &salt).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        for (at, instead) in
            [(0, "naru-sealed-2"), (1, "2000000"), (2, "17"), (3, "-1"), (4, "AA"), (5, "AA"), (6, "=")]
        {
            let mut altered = words.clone();
            altered[at] = instead;
            assert_eq!(parts(&altered.join(" ")).unwrap_err(), SealError::Form, "{instead}");
        }
        assert_eq!(parts(&words[..6].join(" ")).unwrap_err(), SealError::Form);
        assert_eq!(parts("").unwrap_err(), SealError::Form);
    }
}
