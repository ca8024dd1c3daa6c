//! Objects of a PDF file: their dictionaries, and their streams unpacked within a budget.

use std::{collections::BTreeMap, io::Read};

use flate2::read::ZlibDecoder;

use super::super::zip::Budget;
use crate::scan::{limits, report::Reason};

/// Longest dictionary that is looked at.
const DICTIONARY: usize = 64 << 10;

/// All objects of a file.
#[derive(Default)]
pub(super) struct Objects {
    /// Dictionaries and other values by number; the last of a number holds.
    pub(super) plain: BTreeMap<u32, Vec<u8>>,
    pub(super) streams: Vec<Stream>,
    pub(super) encrypted: bool,
    /// Why some streams were not unpacked.
    pub(super) lacks: Option<Reason>,
}

/// A stream with its dictionary.
pub(super) struct Stream {
    pub(super) number: u32,
    pub(super) dictionary: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Stream {
    /// What pages draw, as far as it can be told from the stream itself.
    pub(super) fn is_page(&self) -> bool {
        !self.is_picture() && find(&self.bytes, b"BT").is_some() && find(&self.bytes, b"Tf").is_some()
    }

    pub(super) fn is_picture(&self) -> bool {
        is_picture(&self.dictionary)
    }
}

fn is_picture(dictionary: &[u8]) -> bool {
    find(dictionary, b"/Image").is_some() && find(dictionary, b"/Subtype").is_some()
}

impl Objects {
    /// Looks for all objects of a file.
    pub(super) fn find(file: &[u8], budget: &mut Budget) -> Self {
        let mut objects = Self::default();
        let (mut at, mut seen) = (0, 0);
        while let Some(found) = file.get(at..).and_then(|rest| find(rest, b" obj")) {
            let head = at + found;
            at = head + 4;
            let Some(number) = number_before(&file[..head]) else { continue };
            seen += 1;
            if seen > limits::STREAMS {
                objects.lacks.get_or_insert(Reason::TooLarge);
                break;
            }
            let body = &file[at..file.len().min(at + DICTIONARY)];
            let end = find(body, b"endobj").unwrap_or(body.len());
            match find(&body[..end], b"stream") {
                Some(begin) => at = objects.stream(number, file, at, begin, budget),
                None => {
                    objects.plain.insert(number, body[..end].to_vec());
                    at += end;
                }
            }
        }
        objects.encrypted = trailers(file).any(|trailer| find(trailer, b"/Encrypt").is_some())
            || objects.streams.iter().any(|s| {
                find(&s.dictionary, b"/XRef").is_some() && find(&s.dictionary, b"/Encrypt").is_some()
            });
        objects.packed();
        objects
    }

    /// A stream; returns where the search goes on.
    fn stream(&mut self, number: u32, file: &[u8], at: usize, begin: usize, budget: &mut Budget) -> usize {
        let dictionary = file[at..at + begin].to_vec();
        let mut data = at + begin + b"stream".len();
        data += usize::from(file.get(data) == Some(&b'\r'));
        data += usize::from(file.get(data) == Some(&b'\n'));
        let rest = file.get(data..).unwrap_or_default();
        let stated = length(&dictionary).filter(|length| {
            rest.get(*length..).is_some_and(|after| after.trim_ascii_start().starts_with(b"endstream"))
        });
        let length = stated.or_else(|| find(rest, b"endstream")).unwrap_or(rest.len());
        let packed = &rest[..length];
        let next = data + length;
        let bytes = if is_picture(&dictionary) || find(&dictionary, b"/FontFile").is_some() {
            Vec::new()
        } else {
            match unpacked(&dictionary, packed, budget) {
                Ok(bytes) => bytes,
                Err(reason) => {
                    self.lacks.get_or_insert(reason);
                    Vec::new()
                }
            }
        };
        self.streams.push(Stream { number, dictionary, bytes });
        next
    }

    /// Objects that are kept within streams.
    fn packed(&mut self) {
        let (mut found, mut held) = (Vec::new(), 0);
        for stream in self.streams.iter().filter(|stream| find(&stream.dictionary, b"/ObjStm").is_some()) {
            let Some(first) = number_after(&stream.dictionary, b"/First") else { continue };
            let (Some(index), Some(bodies)) = (stream.bytes.get(..first), stream.bytes.get(first..)) else {
                continue;
            };
            let index: Vec<usize> = String::from_utf8_lossy(index)
                .split_ascii_whitespace()
                .map_while(|n| n.parse().ok())
                .collect();
            let pairs: Vec<_> = index.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            for (n, (number, start)) in pairs.iter().enumerate() {
                let end = pairs.get(n + 1).map_or(bodies.len(), |(_, end)| *end);
                let body = bodies.get(*start..end.min(start.saturating_add(DICTIONARY)));
                if let (Ok(number), Some(body)) = (u32::try_from(*number), body) {
                    // Objects may overlap.
                    held += body.len();
                    if held > limits::STREAM_BYTES || found.len() >= limits::STREAMS * 4 {
                        self.lacks.get_or_insert(Reason::TooLarge);
                        break;
                    }
                    found.push((number, body.to_vec()));
                }
            }
        }
        self.plain.extend(found);
    }

    /// Everything in which resources can stand.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.plain
            .values()
            .map(Vec::as_slice)
            .chain(self.streams.iter().map(|stream| stream.dictionary.as_slice()))
    }

    /// The unpacked stream of this number.
    pub(super) fn stream_of(&self, number: u32) -> Option<&Stream> {
        self.streams.iter().rev().find(|stream| stream.number == number)
    }
}

/// Only streams that are plain or packed once with Flate are read.
fn unpacked(dictionary: &[u8], packed: &[u8], budget: &mut Budget) -> Result<Vec<u8>, Reason> {
    let filters: Vec<_> =
        [&b"ASCII85"[..], b"ASCIIHex", b"LZW", b"RunLength", b"DCT", b"JPX", b"JBIG2", b"CCITT", b"Crypt"]
            .into_iter()
            .filter(|name| find(dictionary, name).is_some())
            .collect();
    if find(dictionary, b"/Filter").is_some() && !filters.is_empty() {
        return Err(Reason::Packing);
    }
    budget.step();
    if find(dictionary, b"/FlateDecode").is_none() {
        return if budget.take(packed.len()) { Ok(packed.to_vec()) } else { Err(Reason::Unpacks) };
    }
    let mut bytes = Vec::new();
    let limit = limits::STREAM_BYTES as u64;
    // What was unpacked before damage is kept.
    let read = ZlibDecoder::new(packed).take(limit).read_to_end(&mut bytes);
    if !budget.take(bytes.len()) || bytes.len() as u64 == limit {
        return Err(Reason::Unpacks);
    }
    match read {
        Ok(_) => Ok(bytes),
        Err(_) if bytes.is_empty() => Err(Reason::Damaged),
        Err(_) => Ok(bytes),
    }
}

fn trailers(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    core::iter::from_fn(move || {
        let at = find(rest, b"trailer")?;
        let after = rest.get(at + 7..)?;
        rest = after;
        Some(after.get(..after.len().min(1024)).unwrap_or_default())
    })
}

/// Where a sequence of bytes begins.
pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let Some((first, _)) = what.split_first() else { return Some(0) };
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}

/// The number of an object, before its generation: `12 0`.
fn number_before(before: &[u8]) -> Option<u32> {
    let tail = before.get(before.len().saturating_sub(24)..)?;
    let text = String::from_utf8_lossy(tail);
    let mut words = text.rsplit(|c: char| !c.is_ascii_digit());
    let _generation = words.next().filter(|word| !word.is_empty())?;
    words.next()?.parse().ok()
}

fn length(dictionary: &[u8]) -> Option<usize> {
    let after = dictionary.get(find(dictionary, b"/Length")? + 7..)?;
    let text = String::from_utf8_lossy(after.get(..after.len().min(32))?).into_owned();
    let mut words = text.split_ascii_whitespace();
    let number = words.next()?.trim_matches(|c: char| !c.is_ascii_digit());
    // A reference to a number elsewhere is not followed.
    if words.next().is_some_and(|word| word == "0") {
        return None;
    }
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The number after a key of a dictionary.
pub(super) fn number_after(dictionary: &[u8], key: &[u8]) -> Option<usize> {
    let after = dictionary.get(find(dictionary, key)? + key.len()..)?.trim_ascii_start();
    let digits = after.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    String::from_utf8_lossy(after.get(..digits)?).parse().ok()
}
