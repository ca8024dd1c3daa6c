//! Exchange keys at rest: wrapped in the database, under keys of a separate file that can be erased (`erasable.keys`).
//!
//! The salts of an exchange's log fields come from its key K. Backups of the database live for years; to erase an
//! exchange for good it is enough to erase one 32-byte wrapping key here, which costs no commit. Keys are made in
//! pools ahead, so that wrapping K writes nothing here either.
//!
//! A wrapping key W wraps exactly one K: the pad HMAC-SHA-256(W, "naru wrap pad") is used once, and the tag
//! HMAC-SHA-256(W, "naru wrap tag" ‖ wrapped) tells a damaged key from a right one. That a key is taken is remembered
//! in memory only; after a restart every key of the file counts as taken, and a new pool is made when one is needed.
//!
//! Does not erase disclosures already written ([`super::Batch::erase`]), nor copies of this file made by others.

use std::{
    collections::VecDeque,
    fmt, fs, io,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{StoreError, files};

/// Wrapping keys made at once: 8 KiB.
const POOL: usize = 256;
/// Bytes of a key. An erased key is all zeros.
const KEY: usize = 32;

/// K under a wrapping key: number of the key (8 bytes, big-endian), wrapped bytes (32), tag (32).
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    number: u64,
    wrapped: [u8; KEY],
    tag: [u8; 32],
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey").field("number", &self.number).finish_non_exhaustive()
    }
}

impl WrappedKey {
    /// The 72 bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], &self.wrapped, &self.tag].concat()
    }

    /// Reads what [`Self::to_bytes`] wrote; none if the length is another.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (wrapped, rest) = rest.split_first_chunk::<KEY>()?;
        let tag = rest.try_into().ok()?;
        Some(Self { number: u64::from_be_bytes(*number), wrapped: *wrapped, tag })
    }
}

/// The erasable file, open. One per folder: the folder lock keeps other processes away.
///
/// Its calls touch the disk for at most one small write and sync; they are made outside of hot loops.
pub struct Wrapping {
    path: PathBuf,
    pool: Mutex<Pool>,
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapping").field("path", &self.path).finish_non_exhaustive()
    }
}

struct Pool {
    file: fs::File,
    /// Keys that are durable and have wrapped nothing.
    free: VecDeque<(u64, [u8; KEY])>,
}

impl Wrapping {
    /// Opens the file, or makes it, readable by this user only.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = files::open_private(path).map_err(|e| StoreError::file("opening", path, &e))?;
        Ok(Self { path: path.to_owned(), pool: Mutex::new(Pool { file, free: VecDeque::new() }) })
    }

    /// Opens the file as it is, for a node that does not run and wraps nothing.
    pub fn open_reading(path: &Path) -> Result<Self, StoreError> {
        let file = fs::File::open(path).map_err(|e| StoreError::file("opening", path, &e))?;
        Ok(Self { path: path.to_owned(), pool: Mutex::new(Pool { file, free: VecDeque::new() }) })
    }

    /// Wraps an exchange key under a key that has wrapped nothing before. The result goes into
    /// [`super::ExchangeRow::wrapped_key`].
    pub fn wrap(&self, exchange_key: &[u8; KEY]) -> Result<WrappedKey, StoreError> {
        let (number, key) = self.with(Pool::take)?;
        let wrapped = xor(exchange_key, &hmac(&key, &[b"naru wrap pad"]));
        Ok(WrappedKey { number, wrapped, tag: hmac(&key, &[b"naru wrap tag", &wrapped]) })
    }

    /// The exchange key again. `Erased` once its wrapping key is gone, `Corrupt` if the tag does not fit.
    pub fn unwrap(&self, wrapped: &WrappedKey) -> Result<[u8; KEY], StoreError> {
        let number = wrapped.number;
        let Some(key) = self.with(|pool| pool.read(number))? else { return Err(StoreError::Erased(number)) };
        let tag = hmac(&key, &[b"naru wrap tag", &wrapped.wrapped]);
        // Every byte is looked at, wherever the first difference lies.
        if tag.iter().zip(&wrapped.tag).fold(0, |sum, (a, b)| sum | (a ^ b)) != 0 {
            return Err(StoreError::Corrupt(format!("wrapping key {number} does not fit its exchange")));
        }
        Ok(xor(&wrapped.wrapped, &hmac(&key, &[b"naru wrap pad"])))
    }

    /// Erases a wrapping key: overwritten in place and synced before this returns. Again is no change.
    pub fn erase(&self, wrapped: &WrappedKey) -> Result<(), StoreError> {
        self.with(|pool| pool.erase(wrapped.number))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pool) -> io::Result<T>) -> Result<T, StoreError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut pool).map_err(|e| StoreError::file("using", &self.path, &e))
    }
}

impl Pool {
    fn take(&mut self) -> io::Result<(u64, [u8; KEY])> {
        if self.free.is_empty() {
            self.grow()?;
        }
        self.free.pop_front().ok_or_else(|| io::Error::other("no key was made"))
    }

    /// Appends a pool of random keys. They are taken only once they are durable, or an exchange could outlive its key.
    fn grow(&mut self) -> io::Result<()> {
        // What a crash left of a key at the end is overwritten.
        let first = self.file.metadata()?.len() / KEY as u64;
        let mut bytes = vec![0; POOL * KEY];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        self.file.seek(SeekFrom::Start(first * KEY as u64))?;
        self.file.write_all(&bytes)?;
        self.file.sync_all()?;
        let (keys, _) = bytes.as_chunks::<KEY>();
        self.free.extend((first..).zip(keys.iter().copied()));
        Ok(())
    }

    fn read(&mut self, number: u64) -> io::Result<Option<[u8; KEY]>> {
        let Some(at) = self.place(number)? else { return Ok(None) };
        let mut key = [0; KEY];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut key)?;
        Ok((key != [0; KEY]).then_some(key))
    }

    fn erase(&mut self, number: u64) -> io::Result<()> {
        let Some(at) = self.place(number)? else { return Ok(()) };
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(&[0; KEY])?;
        self.file.sync_all()
    }

    /// Where a whole key of this number lies; none beyond the end of the file.
    fn place(&self, number: u64) -> io::Result<Option<u64>> {
        let whole = self.file.metadata()?.len() / KEY as u64;
        Ok(if number < whole { number.checked_mul(KEY as u64) } else { None })
    }
}

/// HMAC-SHA-256 (RFC 2104) under a key shorter than a block.
fn hmac(key: &[u8; KEY], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        Sha256::new().chain_update(block)
    };
    let inner = parts.iter().fold(pad(0x36), |hash, part| hash.chain_update(part)).finalize();
    pad(0x5c).chain_update(inner).finalize().into()
}

fn xor(left: &[u8; KEY], right: &[u8; KEY]) -> [u8; KEY] {
    let mut out = *left;
    out.iter_mut().zip(right).for_each(|(a, b)| *a ^= b);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("naru-wrapping-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    #[test]
    fn a_key_comes_back_until_it_is_erased() {
        let path = folder("erase").join("erasable.keys");
        let keys = Wrapping::open(&path).unwrap();
        let (one, two) = (keys.wrap(&[1; 32]).unwrap(), keys.wrap(&[2; 32]).unwrap());
        assert_eq!(keys.unwrap(&WrappedKey::from_bytes(&one.to_bytes()).unwrap()).unwrap(), [1; 32]);
        keys.erase(&one).unwrap();
        keys.erase(&one).unwrap();
        assert_eq!(keys.unwrap(&one), Err(StoreError::Erased(one.number)));
        drop(keys);
        let keys = Wrapping::open(&path).unwrap();
        assert_eq!(keys.unwrap(&one), Err(StoreError::Erased(one.number)));
        assert_eq!(keys.unwrap(&two).unwrap(), [2; 32]);
    }

    #[test]
    fn no_key_wraps_twice_even_over_a_restart_and_a_torn_end() {
        let path = folder("restart").join("erasable.keys");
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..3 {
            let keys = Wrapping::open(&path).unwrap();
            for _ in 0..=POOL {
                let wrapped = keys.wrap(&[7; 32]).unwrap();
                assert!(seen.insert(wrapped.number), "key {} twice", wrapped.number);
                assert_eq!(keys.unwrap(&wrapped).unwrap(), [7; 32]);
            }
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(&vec![9; round * 5]).unwrap();
        }
    }

    #[test]
    fn what_was_damaged_or_is_unknown_is_refused() {
        let keys = Wrapping::open(&folder("damage").join("erasable.keys")).unwrap();
        let good = keys.wrap(&[1; 32]).unwrap();
        let mut bytes = good.to_bytes();
        bytes[20] ^= 1;
        assert!(matches!(keys.unwrap(&WrappedKey::from_bytes(&bytes).unwrap()), Err(StoreError::Corrupt(_))));
        bytes[0] = 0xff;
        assert!(matches!(keys.unwrap(&WrappedKey::from_bytes(&bytes).unwrap()), Err(StoreError::Erased(_))));
        assert_eq!(WrappedKey::from_bytes(&bytes[1..]), None);
        assert!(!format!("{good:?}").contains("wrapped:"));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder("mode").join("erasable.keys");
        Wrapping::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
