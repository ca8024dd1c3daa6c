//! The data plane of a node: what is published and served, fetched and verified (spec chapter 07, TRF-5 to TRF-9; the
//! content of a dataset version is chapter 04).
//!
//! - [`publish`] reads a folder once and writes its index: file list and chunk hashes. The files stay where they are.
//! - [`source`] reads ranges of published files and hashes each chunk again before a byte of it leaves.
//! - [`serve`] is one transfer at the provider: which ranges are admitted, which window is signed for.
//! - [`fetch`] is one transfer at the consumer: ranges in, each chunk verified before [`sink`] writes it.
//! - [`capability`] issues and checks what a consumer shows with every range.
//!
//! Memory is bounded by [`buffers`] on both sides, whatever the size of the data: chunk contents are nowhere kept longer
//! than it takes to send or write them, and lists of chunk hashes stay on disk.
//!
//! No HTTP and no libp2p here: a transport calls [`serve`] and implements [`ranges::RangeSource`].

use core::{fmt, ops::Range};

pub mod buffers;
pub mod capability;
pub mod fetch;
mod fetch_parts;
mod hashing;
pub mod media;
mod names;
pub mod part;
pub mod publish;
pub mod ranges;
pub mod serve;
pub mod sink;
pub mod source;

/// What a range request asks for; its text is the path after `/transfers/<provider pid>/` (TRF-6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The file list: `filelist`.
    FileList,
    /// The binary chunk hashes of a file, by its number in list order: `chunks/<n>`.
    Chunks(usize),
    /// The bytes of a file, by its number in list order: `files/<n>`.
    File(usize),
}

impl Part {
    /// Reads the path; `None` for anything but the text that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        if path == "filelist" {
            return Some(Self::FileList);
        }
        let (kind, number) = path.split_once('/')?;
        let canonical =
            number == "0" || (!number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit()));
        let number: usize = if canonical { number.parse().ok()? } else { return None };
        match kind {
            "chunks" => Some(Self::Chunks(number)),
            "files" => Some(Self::File(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileList => f.write_str("filelist"),
            Self::Chunks(file) => write!(f, "chunks/{file}"),
            Self::File(file) => write!(f, "files/{file}"),
        }
    }
}

/// A `Range` header that is not one satisfiable range `bytes=<first>-<last>` (TRF-6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one satisfiable range of bytes")]
pub struct BadRange;

/// The value of a `Range` header for bytes from `range.start` to before `range.end`; the range must not be empty.
#[must_use]
pub fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

/// Reads the value of a `Range` header on content of `size` bytes: one range with both ends, or an open one
/// (`bytes=<first>-`). Several ranges and suffixes are refused; a last byte behind the end is cut as HTTP has it.
pub fn parse_range(header: &str, size: u64) -> Result<Range<u64>, BadRange> {
    let (first, last) =
        header.strip_prefix("bytes=").and_then(|text| text.split_once('-')).ok_or(BadRange)?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u64>().map_err(|_| BadRange) } else { Err(BadRange) }
    };
    let first = number(first)?;
    let end = if last.is_empty() { size } else { number(last)?.saturating_add(1).min(size) };
    if first < end { Ok(first..end) } else { Err(BadRange) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_their_paths() {
        // TRF-6.1
        for part in [Part::FileList, Part::Chunks(0), Part::File(17)] {
            assert_eq!(Part::parse(&part.to_string()), Some(part));
        }
        for path in [
            "",
            "files",
            "files/",
            "files/01",
            "files/+1",
            "files/-1",
            "files/1/2",
            "filelist/",
            "files/99999999999999999999999",
        ] {
            assert_eq!(Part::parse(path), None, "{path}");
        }
    }

    #[test]
    fn only_one_plain_range_is_read() {
        // TRF-6.3
        assert_eq!(parse_range(&range_header(&(3..9)), 100), Ok(3..9));
        assert_eq!(parse_range("bytes=90-", 100), Ok(90..100));
        assert_eq!(parse_range("bytes=90-200", 100), Ok(90..100));
        for header in [
            "bytes=100-",
            "bytes=5-4",
            "bytes=-5",
            "bytes=0-1,3-4",
            "octets=0-1",
            "bytes=0",
            "bytes= 0-1",
            "bytes=0-0x1",
            "bytes=99999999999999999999-",
            "",
        ] {
            assert_eq!(parse_range(header, 100), Err(BadRange), "{header}");
        }
    }
}
