//! Reads zip files: their directory, and entries unpacked within a budget. What an entry says of its size is not believed.

use std::io::{self, Read, SeekFrom};

use flate2::read::DeflateDecoder;

use crate::scan::{limits, report::Reason, source::Source};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: u64 = 22;

/// An entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scan) struct Entry {
    pub(in crate::scan) name: String,
    flags: u16,
    method: u16,
    packed: u64,
    offset: u64,
}

/// What may still be unpacked of a file.
#[derive(Debug)]
pub(in crate::scan) struct Budget {
    left: u64,
    /// Bytes since the last step of who reads, so that nothing grows in between.
    step: usize,
}

impl Budget {
    pub(in crate::scan) const fn new() -> Self {
        Self { left: limits::UNPACKED, step: 0 }
    }

    /// Takes this many bytes.
    pub(in crate::scan) fn take(&mut self, bytes: usize) -> bool {
        self.step = self.step.saturating_add(bytes);
        match self.left.checked_sub(bytes as u64) {
            Some(left) if self.step <= limits::STREAM_BYTES => {
                self.left = left;
                true
            }
            Some(_) | None => {
                self.left = 0;
                false
            }
        }
    }

    /// What was read so far is done with.
    pub(in crate::scan) const fn step(&mut self) {
        self.step = 0;
    }

    /// Whether the budget ended the reading.
    pub(in crate::scan) const fn spent(&self) -> bool {
        self.left == 0
    }
}

/// Reads an unpacked entry.
pub(in crate::scan) struct Unpacked<'a> {
    inner: Box<dyn Read + 'a>,
    pub(in crate::scan) budget: &'a mut Budget,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.budget.take(count) { Ok(count) } else { Err(io::Error::other("unpacks to too much")) }
    }
}

/// The directory at the end of the file.
pub(in crate::scan) fn directory(source: &mut dyn Source, size: u64) -> Result<Vec<Entry>, Reason> {
    let tail = size.min(END_BYTES + u64::from(u16::MAX));
    let end = bytes(source, size - tail, tail)?;
    let at = end.windows(END.len()).rposition(|w| w == END).ok_or(Reason::Damaged)?;
    let end = end.get(at..).unwrap_or_default();
    let (count, length, start) = (u16_at(end, 10)?, u32_at(end, 12)?, u32_at(end, 16)?);
    if count == u16::MAX || start == u32::MAX || usize::from(count) > limits::ZIP_ENTRIES {
        return Err(Reason::TooLarge);
    }
    if u64::from(length) > limits::ZIP_DIRECTORY {
        return Err(Reason::TooLarge);
    }
    let directory = bytes(source, u64::from(start), u64::from(length))?;
    let mut entries = Vec::new();
    let mut rest = directory.as_slice();
    for _ in 0..count {
        if !rest.starts_with(b"PK\x01\x02") {
            return Err(Reason::Damaged);
        }
        let (name, extra, comment) = (u16_at(rest, 28)?, u16_at(rest, 30)?, u16_at(rest, 32)?);
        let name_end = 46 + usize::from(name);
        let name = rest.get(46..name_end).ok_or(Reason::Damaged)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            flags: u16_at(rest, 8)?,
            method: u16_at(rest, 10)?,
            packed: u64::from(u32_at(rest, 20)?),
            offset: u64::from(u32_at(rest, 42)?),
        });
        rest = rest.get(name_end + usize::from(extra) + usize::from(comment)..).ok_or(Reason::Damaged)?;
    }
    Ok(entries)
}

/// An entry, unpacked as it is read.
pub(in crate::scan) fn open<'a>(
    source: &'a mut dyn Source,
    entry: &Entry,
    budget: &'a mut Budget,
) -> Result<Unpacked<'a>, Reason> {
    if entry.flags & 1 != 0 {
        return Err(Reason::Encrypted);
    }
    let head = bytes(source, entry.offset, 30)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(Reason::Damaged);
    }
    let start = entry.offset + 30 + u64::from(u16_at(&head, 26)?) + u64::from(u16_at(&head, 28)?);
    source.seek(SeekFrom::Start(start)).map_err(|_| Reason::Io)?;
    let packed = Read::take(source, entry.packed);
    budget.step();
    let inner: Box<dyn Read + 'a> = match entry.method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        _ => return Err(Reason::Packing),
    };
    Ok(Unpacked { inner, budget })
}

/// Exactly these bytes of the file; the length is bounded by who calls.
pub(in crate::scan) fn bytes(source: &mut dyn Source, start: u64, length: u64) -> Result<Vec<u8>, Reason> {
    source.seek(SeekFrom::Start(start)).map_err(|_| Reason::Io)?;
    let mut bytes = Vec::new();
    Read::take(source, length).read_to_end(&mut bytes).map_err(|_| Reason::Io)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(Reason::Damaged) }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Reason> {
    let two = bytes.get(at..).and_then(|b| b.first_chunk()).ok_or(Reason::Damaged)?;
    Ok(u16::from_le_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Reason> {
    let four = bytes.get(at..).and_then(|b| b.first_chunk()).ok_or(Reason::Damaged)?;
    Ok(u32::from_le_bytes(*four))
}
