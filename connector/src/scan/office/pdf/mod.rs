//! PDF: the text of its pages, as far as fonts say which characters they draw.
//!
//! Objects are found by looking for them rather than through the table at the end, which damaged files lack. Fonts are told
//! apart by the names that pages give them; where one name stands for several fonts, each is tried. Pictures, scanned pages
//! among them, are not looked at, and forms, attachments and scripts are not read.

mod font;
mod objects;
mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::zip::Budget;
use crate::scan::{
    gather::Gather,
    limits,
    office::zip::bytes,
    report::Reason,
    source::{Outcome, Source},
};
use font::Font;
use objects::Objects;

/// Fonts that one name may stand for.
const SAME_NAME: usize = 4;

/// Reads the text of all pages.
pub(in crate::scan) fn read(
    source: &mut dyn Source,
    size: u64,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    if size > limits::HELD_BYTES {
        return Err(Reason::TooLarge);
    }
    let file = bytes(source, 0, size)?;
    let mut budget = Budget::new();
    let objects = Objects::find(&file, &mut budget);
    if objects.encrypted {
        return Err(Reason::Encrypted);
    }
    if objects.streams.is_empty() && objects.plain.is_empty() {
        return Err(Reason::Damaged);
    }
    let mut outcome = Outcome::default();
    if let Some(reason) = objects.lacks {
        outcome.lacks(reason);
    }
    let fonts = fonts(&objects);
    gather.begin_text(None);
    let mut any = false;
    for stream in &objects.streams {
        if !stream.is_page() {
            if stream.is_picture() {
                outcome.lacks(Reason::ContentNotLookedAt);
            }
            continue;
        }
        let text = page::text(&stream.bytes, &fonts);
        any |= !text.lines.is_empty();
        if text.unknown_font {
            outcome.lacks(Reason::Parts);
        }
        if text.cut {
            outcome.lacks(Reason::Unpacks);
        }
        for line in &text.lines {
            gather.cell(0, None, line).map_err(|_| Reason::TooLarge)?;
        }
    }
    if any { Ok(outcome) } else { Err(outcome.partial.unwrap_or(Reason::ContentNotLookedAt)) }
}

/// Fonts by the names that resources give them.
fn fonts(objects: &Objects) -> BTreeMap<Vec<u8>, Vec<Rc<Font>>> {
    let (mut names, mut left) = (limits::FONT_NAMES, limits::MAPPED);
    let mut read: BTreeMap<u32, Rc<Font>> = BTreeMap::new();
    let mut fonts: BTreeMap<Vec<u8>, Vec<Rc<Font>>> = BTreeMap::new();
    let mut pairs = BTreeSet::new();
    for body in objects.bodies() {
        let Some(rest) = names.checked_sub(body.len()) else { break };
        names = rest;
        for (name, number) in font::named(body, objects, &mut names) {
            if pairs.len() >= limits::STREAMS || !pairs.insert((name.clone(), number)) {
                continue;
            }
            if !read.contains_key(&number) && read.len() >= limits::FONTS {
                continue;
            }
            let font = read.entry(number).or_insert_with(|| Rc::new(Font::read(number, objects, &mut left)));
            let known = fonts.entry(name).or_default();
            if known.len() < SAME_NAME {
                known.push(Rc::clone(font));
            }
        }
    }
    fonts
}

#[cfg(test)]
pub(in crate::scan) mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::scan::find::Kind;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    /// A document with a page in a plain font and one in a font of two-byte codes.
    pub(in crate::scan) fn document() -> Vec<u8> {
        let mut file =
            b"%PDF-1.5\n1 0 obj\n<</Type/Page/Resources<</Font<</F1 2 0 R/F2 3 0 R>>>>>>\nendobj\n\
            2 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n\
            3 0 obj\n<</Type/Font/Subtype/Type0/Encoding/Identity-H/ToUnicode 5 0 R>>\nendobj\n"
                .to_vec();
        let content = packed(
            b"BT /F1 12 Tf 10 700 Td (mail kim@example) Tj [(.c) -20 (om)] TJ ET \
              BT /F2 12 Tf 0 -20 Td <000100020003> Tj [<0011> 5 <0012>] TJ ET",
        );
        let map = packed(
            b"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange \
              2 beginbfchar <0001> <C804> <0002> <D654> endbfchar \
              1 beginbfrange <0003> <0003> <003000310030002D0031003200330034002D> endbfrange \
              1 beginbfrange <0011> <0012> [<00350036> <00370038>] endbfrange endcmap",
        );
        for (number, stream) in [(4, content), (5, map)] {
            file.extend(
                format!("{number} 0 obj\n<</Length {}/Filter/FlateDecode>>\nstream\n", stream.len()).bytes(),
            );
            file.extend(stream);
            file.extend(b"\nendstream\nendobj\n");
        }
        file.extend(b"trailer<</Root 1 0 R>>\n%%EOF\n");
        file
    }

    fn scan(bytes: &[u8]) -> Result<(Outcome, Vec<Kind>), Reason> {
        let mut gather = Gather::new(2026);
        let outcome = read(&mut Cursor::new(bytes), bytes.len() as u64, &mut gather)?;
        Ok((outcome, gather.finish().0.into_iter().map(|f| f.kind).collect()))
    }

    #[test]
    fn text_in_plain_and_mapped_fonts_is_read() {
        let (outcome, kinds) = scan(&document()).unwrap();
        assert_eq!((outcome.partial, kinds.as_slice()), (None, &[Kind::Phone, Kind::Email][..]));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let text = String::from_utf8_lossy(&document()).replace("/ToUnicode 5 0 R", "");
        assert!(matches!(scan(text.as_bytes()), Ok((Outcome { partial: Some(_), .. }, _)) | Err(_)));
        let mut locked = document();
        locked.extend(b"trailer<</Encrypt 9 0 R>>");
        assert_eq!(scan(&locked), Err(Reason::Encrypted));
        assert_eq!(scan(b"%PDF-1.5\nnothing"), Err(Reason::Damaged));
    }
}
