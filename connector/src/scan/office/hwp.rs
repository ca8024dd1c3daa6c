//! HWP 5: a compound file whose sections hold records; those of paragraphs hold text.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::zip::Budget;
use crate::scan::{
    gather::Gather,
    limits,
    report::Reason,
    source::{Outcome, Source},
};

/// The record of a paragraph's text.
const PARAGRAPH: u32 = 67;

/// What a compound file is, for the readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Compound {
    /// HWP 5.
    Hwp,
    /// An office document under a password.
    Locked,
    /// Another.
    Other,
}

/// What the first bytes of a compound file are.
pub(in crate::scan) const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Opens a compound file and says what it is.
pub(in crate::scan) fn open(
    source: &mut dyn Source,
) -> Result<(Compound, cfb::CompoundFile<&mut dyn Source>), Reason> {
    let file = cfb::CompoundFile::open(source).map_err(|_| Reason::Damaged)?;
    let kind = if file.is_stream("/EncryptedPackage") {
        Compound::Locked
    } else if file.is_stream("/FileHeader") && file.is_storage("/BodyText") {
        Compound::Hwp
    } else {
        Compound::Other
    };
    Ok((kind, file))
}

/// Reads the text of all sections.
pub(in crate::scan) fn read(
    file: &mut cfb::CompoundFile<&mut dyn Source>,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let mut header = Vec::new();
    let stream = file.open_stream("/FileHeader").map_err(|_| Reason::Damaged)?;
    stream.take(256).read_to_end(&mut header).map_err(|_| Reason::Damaged)?;
    if !header.starts_with(b"HWP Document File") {
        return Err(Reason::Damaged);
    }
    let flags = header.get(36).copied().ok_or(Reason::Damaged)?;
    // Password, protected for distribution, rights management.
    if flags & 0b1_0110 != 0 {
        return Err(Reason::Encrypted);
    }
    let packed = flags & 1 != 0;
    let mut outcome = Outcome::default();
    let mut names: Vec<_> = file
        .read_storage("/BodyText")
        .map_err(|_| Reason::Damaged)?
        .filter(|entry| entry.is_stream())
        .map(|entry| entry.name().to_owned())
        .take(limits::STREAMS)
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    if file.is_storage("/BinData") {
        // Pictures and embedded files.
        outcome.lacks(Reason::ContentNotLookedAt);
    }
    let mut budget = Budget::new();
    for name in &names {
        let stream = file.open_stream(format!("/BodyText/{name}")).map_err(|_| Reason::Damaged)?;
        gather.begin_text(Some(name.clone()));
        let result = if packed {
            section(&mut DeflateDecoder::new(stream), &mut budget, gather)
        } else {
            section(&mut { stream }, &mut budget, gather)
        };
        if let Err(reason) = result {
            outcome.lacks(reason);
        }
    }
    if names.is_empty() { Err(Reason::Damaged) } else { Ok(outcome) }
}

/// Records one after the other; only text is kept.
fn section(from: &mut dyn Read, budget: &mut Budget, gather: &mut Gather) -> Result<(), Reason> {
    let mut row = 0;
    loop {
        let mut head = [0; 4];
        match from.read(&mut head[..1]) {
            Ok(0) => return Ok(()),
            Ok(_) => from.read_exact(&mut head[1..]).map_err(|_| Reason::Damaged)?,
            Err(_) => return Err(Reason::Damaged),
        }
        let head = u32::from_le_bytes(head);
        let mut size = head >> 20;
        if size == 0xfff {
            let mut long = [0; 4];
            from.read_exact(&mut long).map_err(|_| Reason::Damaged)?;
            size = u32::from_le_bytes(long);
        }
        let size = usize::try_from(size).map_err(|_| Reason::TooLarge)?;
        budget.step();
        if !budget.take(size) {
            return Err(Reason::Unpacks);
        }
        let mut record = Vec::new();
        Read::take(&mut *from, size as u64).read_to_end(&mut record).map_err(|_| Reason::Damaged)?;
        if record.len() != size {
            return Err(Reason::Damaged);
        }
        if head & 0x3ff == PARAGRAPH {
            row += 1;
            gather.cell(0, Some(row), &text(&record)).map_err(|_| Reason::TooLarge)?;
        }
    }
}

/// UTF-16 with controls in between: some are one unit, others eight.
fn text(record: &[u8]) -> String {
    let units: Vec<u16> = record.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    let mut plain = Vec::with_capacity(units.len());
    let mut at = 0;
    while let Some(unit) = units.get(at) {
        at += match unit {
            0 | 10 | 13 | 24..=31 => {
                plain.push(u16::from(b' '));
                1
            }
            1..=9 | 11..=23 => {
                plain.push(u16::from(b' '));
                8
            }
            _ => {
                plain.push(*unit);
                1
            }
        };
    }
    String::from_utf16_lossy(&plain)
}

#[cfg(test)]
pub(in crate::scan) mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::scan::find::Kind;

    /// A document with these paragraphs.
    pub(in crate::scan) fn document(paragraphs: &[&str], flags: u8) -> Vec<u8> {
        let mut section = Vec::new();
        for paragraph in paragraphs {
            let units: Vec<u8> = paragraph.encode_utf16().flat_map(u16::to_le_bytes).collect();
            section.extend((PARAGRAPH | (units.len() as u32) << 20).to_le_bytes());
            section.extend(units);
            section.extend((66_u32 | 2 << 20).to_le_bytes());
            section.extend([1, 2]);
        }
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&section).unwrap();
        let mut header = vec![0; 256];
        header[..17].copy_from_slice(b"HWP Document File");
        header[36] = flags;
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_stream("/FileHeader").unwrap().write_all(&header).unwrap();
        file.create_storage("/BodyText").unwrap();
        let section = if flags & 1 != 0 { packed.finish().unwrap() } else { section };
        file.create_stream("/BodyText/Section0").unwrap().write_all(&section).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    fn scan(bytes: Vec<u8>) -> Result<Vec<(Kind, Option<u64>)>, Reason> {
        let mut source = Cursor::new(bytes);
        let (kind, mut file) = open(&mut source)?;
        assert_eq!(kind, Compound::Hwp);
        let mut gather = Gather::new(2026);
        read(&mut file, &mut gather)?;
        Ok(gather.finish().0.into_iter().map(|f| (f.kind, f.places[0].row)).collect())
    }

    #[test]
    fn paragraphs_are_read_packed_or_not() {
        let control = "\u{2}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{2}";
        for flags in [0, 1] {
            let line = format!("{control}담당 010-1234-5678");
            let found = scan(document(&["작업 보고", &line], flags)).unwrap();
            assert_eq!(found, [(Kind::Phone, Some(2))]);
        }
        assert_eq!(scan(document(&["x"], 0b11)), Err(Reason::Encrypted));
    }
}
