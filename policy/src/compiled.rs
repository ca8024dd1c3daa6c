//! What the compiler made of a module's functions, so that the same function is compiled once: packs share most of theirs,
//! the frame and OPA's own, and what was compiled can be taken out as bytes and given to the next process.
//!
//! Whoever gives bytes to [`import`] says what machine code this process runs. The bytes carry their own SHA-256, which
//! finds a damaged file, not a forged one: keep them where the program itself and its keys are safe. What was compiled by
//! another version of the compiler, or for another processor, is never asked for and so does no harm.
//! Not here: files, and where they lie.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sha2::{Digest, Sha256};
use wasmtime::CacheStore;

use crate::limits;

/// The first bytes of what [`export`] gives.
const MAGIC: &[u8; 16] = b"naru compiled 2\n";
/// Bytes of the SHA-256 that follows, over all that comes after it.
const DIGEST: usize = 32;
/// A function that nobody asked for so often in a row is left out. Some functions have another key each time; and a process
/// that loads one pack must not throw away what others load.
const IDLE: u8 = 8;

/// One function's machine code.
#[derive(Debug)]
struct Code {
    bytes: Arc<[u8]>,
    /// How often in a row it was written without having been asked for.
    idle: u8,
}

#[derive(Debug, Default)]
struct Functions {
    code: BTreeMap<Box<[u8]>, Code>,
    bytes: usize,
    /// Something is here that was not imported.
    fresh: bool,
}

impl Functions {
    /// Takes a function in, up to the limit of all together.
    fn put(&mut self, key: &[u8], bytes: Arc<[u8]>, idle: u8) -> bool {
        let size = key.len() + bytes.len();
        if self.bytes + size > limits::COMPILED_BYTES {
            return false;
        }
        if self.code.insert(key.into(), Code { bytes, idle }).is_none() {
            self.bytes += size;
        }
        true
    }
}

/// The process's one store, given to its one Wasm engine.
#[derive(Debug, Default)]
pub(crate) struct Compiled(Mutex<Functions>);

impl Compiled {
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Compiled>> = OnceLock::new();
        SHARED.get_or_init(Arc::default).clone()
    }

    fn functions(&self) -> MutexGuard<'_, Functions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn import(&self, bytes: &[u8]) -> Option<usize> {
        let entries = entries(bytes)?;
        let mut functions = self.functions();
        for (idle, key, code) in &entries {
            // One that is here already was compiled by this process.
            if !functions.code.contains_key(*key) {
                functions.put(key, Arc::from(*code), idle.saturating_add(1));
            }
        }
        Some(entries.len())
    }

    /// Everything, if something is new, but for what nobody has asked for in a long time.
    fn export(&self) -> Option<Vec<u8>> {
        let functions = std::mem::take(&mut *self.functions());
        if !functions.fresh {
            return None;
        }
        let mut out = MAGIC.to_vec();
        out.extend([0; DIGEST]);
        for (key, code) in functions.code.iter().filter(|(_, code)| code.idle < IDLE) {
            out.push(code.idle);
            for part in [key, &*code.bytes] {
                out.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
                out.extend_from_slice(part);
            }
        }
        let digest = Sha256::digest(&out[MAGIC.len() + DIGEST..]);
        out[MAGIC.len()..MAGIC.len() + DIGEST].copy_from_slice(&digest);
        Some(out)
    }
}

impl CacheStore for Compiled {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut functions = self.functions();
        let code = functions.code.get_mut(key)?;
        code.idle = 0;
        Some(Cow::Owned(code.bytes.to_vec()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let mut functions = self.functions();
        // Some functions are compiled although they are here: that is nothing new.
        if functions.code.get(key).is_some_and(|code| *code.bytes == *value) {
            return true;
        }
        let put = functions.put(key, value.into(), 0);
        functions.fresh |= put;
        put
    }
}

/// How often it was idle, key and code of a function.
type Entry<'a> = (u8, &'a [u8], &'a [u8]);

/// What [`Compiled::export`] wrote, taken apart. None of it unless all of it is as it was written.
fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    let (digest, mut rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
    if bytes.len() > limits::COMPILED_FILE_BYTES || *digest != *Sha256::digest(rest) {
        return None;
    }
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (idle, after) = rest.split_first()?;
        rest = after;
        found.push((*idle, part(&mut rest)?, part(&mut rest)?));
    }
    Some(found)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *rest = after;
    Some(part)
}

/// Takes in what an earlier process wrote with [`export`], before packs are loaded. How many functions it was, or nothing:
/// damaged, of another form, or longer than `limits::COMPILED_FILE_BYTES`; then all is compiled anew.
#[must_use]
pub fn import(bytes: &[u8]) -> Option<usize> {
    Compiled::shared().import(bytes)
}

/// Gives up what is kept, and returns it for the next process if something is in it that was not imported.
#[must_use]
pub fn export() -> Option<Vec<u8>> {
    Compiled::shared().export()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Compiled {
        let one = Compiled::default();
        assert!(one.insert(b"a", b"code of a".to_vec()) && one.insert(b"b", Vec::new()));
        one
    }

    #[test]
    fn what_one_process_made_the_next_one_has() {
        let bytes = filled().export().unwrap();
        let next = Compiled::default();
        assert_eq!(next.import(&bytes), Some(2));
        assert_eq!(next.get(b"a").as_deref(), Some(&b"code of a"[..]));
        assert_eq!(next.get(b"b").as_deref(), Some(&b""[..]));
        assert_eq!(next.get(b"c"), None);
        assert_eq!(next.export(), None, "nothing is new");
        assert_eq!(next.get(b"a"), None, "and nothing is kept");
        assert_eq!(next.import(&bytes), Some(2));
        assert!(next.insert(b"c", vec![7]));
        let last = Compiled::default();
        assert_eq!(last.import(&next.export().unwrap()), Some(3), "what was not asked for stays too");
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_left_out_in_the_end() {
        let mut bytes = filled().export().unwrap();
        for round in 1..=IDLE {
            let next = Compiled::default();
            assert_eq!(
                next.import(&bytes),
                Some(usize::from(round) + 1),
                "both, and one for each round so far"
            );
            assert!(next.get(b"a").is_some() && next.insert(&[round], vec![round]));
            bytes = next.export().unwrap();
        }
        let last = Compiled::default();
        assert_eq!(last.import(&bytes), Some(usize::from(IDLE) + 1));
        assert!(last.get(b"a").is_some() && last.get(b"b").is_none());
    }

    #[test]
    fn no_byte_of_it_may_differ() {
        let bytes = filled().export().unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Compiled::default().import(&other), None, "byte {at}");
            assert_eq!(Compiled::default().import(&bytes[..at]), None, "cut at {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Compiled::default().import(&longer), None);
    }

    #[test]
    fn it_has_a_limit() {
        let one = Compiled::default();
        assert!(!one.insert(b"a", vec![0; limits::COMPILED_BYTES]));
        assert!(one.insert(b"a", vec![0; limits::COMPILED_BYTES - 1]) && !one.insert(b"b", vec![0]));
        assert_eq!(one.export().unwrap().len(), limits::COMPILED_BYTES + 16 + 32 + 9);
    }
}
