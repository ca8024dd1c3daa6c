//! Reads files of lines: which parts of a large file, in which encoding, as text.
//!
//! A file that fits is read from its beginning to its end. Of a larger one the beginning and evenly spread parts are read,
//! each from the first whole line on; then places have no row numbers, except in the beginning.

use std::io::{Read, Seek, SeekFrom};

use encoding_rs::{CoderResult, EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{
    gather::{Gather, Spent},
    limits,
    report::Reason,
};

/// What a file is read from.
pub trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// How far a reader came; errors mean that nothing can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Why something of it was not read.
    pub(super) partial: Option<Reason>,
    pub(super) rows: Option<u64>,
}

impl Outcome {
    /// Notes that something was not read; the first reason stays.
    pub(super) fn lacks(&mut self, reason: Reason) {
        self.partial.get_or_insert(reason);
    }
}

/// Takes text in order.
pub(super) trait Lines {
    fn push(&mut self, text: &str, gather: &mut Gather) -> Result<(), Spent>;
    /// What follows is from another part of the file: what is open is dropped, and so is everything to the next line.
    fn jump(&mut self);
    /// The end of a part; what is open is complete only at the end of the file.
    fn end(&mut self, whole: bool, gather: &mut Gather) -> Result<(), Spent>;
    /// Rows or lines so far.
    fn rows(&self) -> u64;
}

/// The encoding that the first bytes tell, and how many bytes of it are a mark.
pub(super) fn encoding(head: &[u8]) -> (&'static Encoding, usize) {
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return (encoding, mark);
    }
    // UTF-16 without a mark: every other byte of plain characters is zero.
    let sample = head.get(..head.len().min(4096) & !1).unwrap_or_default();
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let pairs = sample.len() / 2;
    if pairs >= 6 && odd * 10 >= pairs * 3 && even * 20 < pairs {
        return (UTF_16LE, 0);
    }
    if pairs >= 6 && even * 10 >= pairs * 3 && odd * 20 < pairs {
        return (UTF_16BE, 0);
    }
    match core::str::from_utf8(head) {
        Ok(_) => (UTF_8, 0),
        // A character may be cut at the end of the head.
        Err(error) if error.error_len().is_none() => (UTF_8, 0),
        Err(_) => (EUC_KR, 0),
    }
}

/// How an encoding is called in a report. What the code page of Korean Windows can do, EUC-KR is a part of.
pub(super) fn name(encoding: &'static Encoding) -> &'static str {
    if encoding == EUC_KR {
        "cp949"
    } else if encoding == UTF_8 {
        "utf-8"
    } else {
        encoding.name()
    }
}

/// The head as text, for looking at it before reading.
pub(super) fn preview(head: &[u8]) -> String {
    let (encoding, mark) = encoding(head);
    let (text, _) = encoding.decode_without_bom_handling(head.get(mark..).unwrap_or_default());
    text.into_owned()
}

/// Reads the file into `lines`, in the encoding that holds for all of it.
pub(super) fn read<L: Lines>(
    source: &mut dyn Source,
    size: u64,
    head: &[u8],
    year: u16,
    new: &mut dyn FnMut() -> L,
) -> Result<(Gather, Outcome, &'static Encoding, L), Reason> {
    let (encoding, mark) = encoding(head);
    let tries: &[&'static Encoding] =
        if encoding == UTF_8 && mark == 0 { &[UTF_8, EUC_KR] } else { &[encoding] };
    for encoding in tries {
        let (mut gather, mut lines) = (Gather::new(year), new());
        match through(source, size, encoding, mark as u64, &mut lines, &mut gather) {
            Ok(outcome) => return Ok((gather, outcome, encoding, lines)),
            // Not this encoding after all: the next, from the beginning.
            Err(Reason::Encoding) => {}
            Err(reason) => return Err(reason),
        }
    }
    Err(Reason::Encoding)
}

/// Parts of the file that are read: where each begins and ends.
fn parts(size: u64) -> Vec<(u64, u64)> {
    if size <= limits::FILE_BYTES {
        return vec![(0, size)];
    }
    let mut parts = vec![(0, limits::HEAD_BYTES)];
    let step = (size - limits::HEAD_BYTES) / limits::WINDOWS;
    for n in 1..=limits::WINDOWS {
        let end = limits::HEAD_BYTES + n * step;
        // Even, for encodings of two bytes.
        parts.push(((end - limits::WINDOW_BYTES.min(step)) & !1, end & !1));
    }
    parts
}

fn through(
    source: &mut dyn Source,
    size: u64,
    encoding: &'static Encoding,
    mark: u64,
    lines: &mut dyn Lines,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let parts = parts(size);
    let mut outcome = Outcome::default();
    if parts.len() > 1 {
        outcome.lacks(Reason::TooLarge);
    }
    for (n, (start, end)) in parts.iter().enumerate() {
        if n > 0 {
            lines.jump();
        }
        let start = if n == 0 { mark } else { *start };
        source.seek(SeekFrom::Start(start)).map_err(|_| Reason::Io)?;
        let whole = parts.len() == 1;
        let mut part = Read::take(&mut *source, end.saturating_sub(start));
        match one(&mut part, encoding, n == 0, whole, lines, gather)? {
            Ok(()) => {}
            Err(Spent) => {
                outcome.lacks(Reason::TooLarge);
                break;
            }
        }
    }
    if gather.was_cut() {
        outcome.lacks(Reason::TooLarge);
    }
    outcome.rows = Some(lines.rows());
    Ok(outcome)
}

/// One part. The first bytes of a later part, and the last of any but a whole file, may be half a character.
fn one(
    part: &mut dyn Read,
    encoding: &'static Encoding,
    first: bool,
    whole: bool,
    lines: &mut dyn Lines,
    gather: &mut Gather,
) -> Result<Result<(), Spent>, Reason> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut bytes = vec![0; 64 << 10];
    let mut text = String::with_capacity(256 << 10);
    let (mut characters, mut bad) = (0_usize, 0_usize);
    loop {
        let count = part.read(&mut bytes).map_err(|_| Reason::Io)?;
        let mut rest = bytes.get(..count).unwrap_or_default();
        let last = count == 0 && whole;
        loop {
            text.clear();
            let (result, used, wrong) = decoder.decode_to_string(rest, &mut text, last);
            rest = rest.get(used..).unwrap_or_default();
            characters += text.len();
            if wrong {
                bad += text.matches('\u{fffd}').count();
            }
            if let Err(spent) = lines.push(&text, gather) {
                return Ok(Err(spent));
            }
            if result == CoderResult::InputEmpty {
                break;
            }
        }
        // Half a character where a part was cut is no fault; more than a stray byte is another encoding.
        let forgiven = if first { 0 } else { 4 } + if encoding == UTF_8 { 0 } else { characters / 500 };
        if bad > forgiven {
            return Err(Reason::Encoding);
        }
        if count == 0 {
            return Ok(lines.end(whole, gather));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_from_the_head() {
        assert_eq!(encoding("가나다".as_bytes()), (UTF_8, 0));
        assert_eq!(encoding("\u{feff}가".as_bytes()), (UTF_8, 3));
        assert_eq!(encoding(&[0xb0, 0xa1, b',', b'1']), (EUC_KR, 0));
        assert_eq!(encoding(&[0xff, 0xfe, b'a', 0]), (UTF_16LE, 2));
        let wide: Vec<u8> = "a,b\n1,2\n3,4\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(encoding(&wide), (UTF_16LE, 0));
        let wide: Vec<u8> = "a,b\n1,2\n3,4\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(encoding(&wide), (UTF_16BE, 0));
        assert_eq!(encoding(&"가".as_bytes()[..2]), (UTF_8, 0));
    }

    #[test]
    fn a_large_file_is_read_in_parts_that_do_not_overlap() {
        assert_eq!(parts(1000), [(0, 1000)]);
        for size in [limits::FILE_BYTES + 1, limits::FILE_BYTES * 3 + 7, 1 << 40] {
            let parts = parts(size);
            assert_eq!(parts.len() as u64, limits::WINDOWS + 1);
            assert!(parts.windows(2).all(|two| two[0].1 <= two[1].0), "{parts:?}");
            assert!(parts.iter().all(|(start, end)| start < end && *end <= size));
            let read: u64 = parts.iter().map(|(start, end)| end - start).sum();
            assert!(read <= limits::FILE_BYTES);
        }
    }
}
