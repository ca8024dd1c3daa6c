//! One file that holds the files of an export: the zip of AUD-1.12, written and read.
//!
//! Every program that reads zip files reads it. It has one spelling only: nothing is compressed, names ascend, times are
//! fixed, each file begins where the last one ended, and nothing stands before, between or behind. So the same files give the
//! same bytes, two programs cannot read two different things in it, and it holds no more than it is long. That is also why no
//! crate reads it: those are made to make sense of as many files as they can. Directories, links, comments, encryption and
//! compression are not known here.

mod read;
mod write;

pub use self::{read::Archive, write::write_folder};

/// Files of one archive, at most.
pub const FILES: u64 = 4_000_000;
/// Bytes of one archive, at most.
pub const TOTAL: u64 = 256 << 30;
/// Bytes of a name, at most.
const NAME: usize = 256;

/// A local header without its name, a directory record without name and place, and the two records of the end.
const LOCAL: usize = 30;
const RECORD: usize = 46;
const END: usize = 22;
const END64: usize = 56;
const LOCATOR: usize = 20;
/// What a 32-bit member says when the 64-bit one counts.
const WIDE: u32 = u32::MAX;
/// The same of a 16-bit member.
const MANY: u16 = u16::MAX;
/// "Version 2.0", and 4.5 where something needs 64 bits.
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;
/// 1980-01-01, the first day that the format has; the time of day is 0.
const DAY: u16 = 0x0021;

/// Why an archive is not read, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Not the form of AUD-1.12.
    #[error("{0}; unpack it and name the folder, if you trust where it comes from")]
    Form(String),
    /// More than is taken.
    #[error("{0}")]
    Limit(String),
}

/// One file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    crc: u32,
    size: u32,
    /// Where its local header begins.
    at: u64,
}

impl Member {
    /// Where the next one begins.
    fn end(&self) -> u64 {
        self.at + LOCAL as u64 + self.name.len() as u64 + u64::from(self.size)
    }

    /// The local header with the name.
    fn local(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LOCAL + self.name.len());
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&PLAIN.to_le_bytes());
        self.common(&mut out);
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    /// The directory record with the name, and with its place in 64 bits where 32 do not hold it.
    fn record(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD + self.name.len() + 12);
        let far = self.at >= u64::from(WIDE);
        out.extend_from_slice(b"PK\x01\x02");
        let needs = if far { ZIP64 } else { PLAIN };
        out.extend_from_slice(&needs.to_le_bytes());
        out.extend_from_slice(&needs.to_le_bytes());
        self.common(&mut out);
        out.extend_from_slice(&(if far { 12_u16 } else { 0 }).to_le_bytes());
        // No comment, one disk, no attributes.
        out.extend_from_slice(&[0; 10]);
        let at = if far { WIDE } else { u32::try_from(self.at).unwrap_or(WIDE) };
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        if far {
            out.extend_from_slice(&[1, 0, 8, 0]);
            out.extend_from_slice(&self.at.to_le_bytes());
        }
        out
    }

    /// What both say: no flags, stored, the fixed time, checksum, size twice, length of the name.
    fn common(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&DAY.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        let name = u16::try_from(self.name.len()).unwrap_or(MANY);
        out.extend_from_slice(&name.to_le_bytes());
    }
}

/// The records behind the directory, which begins at `at`, is `size` long and has `count` records.
fn end(count: u64, size: u64, at: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(END64 + LOCATOR + END);
    let wide = count >= u64::from(MANY) || size >= u64::from(WIDE) || at >= u64::from(WIDE);
    if wide {
        out.extend_from_slice(b"PK\x06\x06");
        out.extend_from_slice(&(END64 as u64 - 12).to_le_bytes());
        out.extend_from_slice(&ZIP64.to_le_bytes());
        out.extend_from_slice(&ZIP64.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        for number in [count, count, size, at] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07");
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(at + size).to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0; 4]);
    let short = |n: u64| u16::try_from(n).unwrap_or(MANY).to_le_bytes();
    let word = |n: u64| u32::try_from(n).unwrap_or(WIDE).to_le_bytes();
    out.extend_from_slice(&short(count));
    out.extend_from_slice(&short(count));
    out.extend_from_slice(&word(size));
    out.extend_from_slice(&word(at));
    out.extend_from_slice(&[0; 2]);
    out
}

/// Whether a name is a plain path downwards: printable ASCII, `/` between, no part that is empty, `.` or `..`.
fn is_plain(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    name.len() <= NAME
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"\\:*?\"<>|".contains(&b))
        && name.split('/').all(part)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests;
