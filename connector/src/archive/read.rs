//! Reading: the directory once, within limits and to the last byte; contents later, one by one, each against its checksum.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    ArchiveError, END, END64, FILES, LOCATOR, MANY, Member, NAME, RECORD, TOTAL, WIDE, checksum, end,
    is_plain,
};

/// An archive whose form was checked. Nothing of it is unpacked.
#[derive(Debug)]
pub struct Archive {
    file: Mutex<File>,
    members: BTreeMap<String, Member>,
}

/// Where the directory is, as the end of the file says.
struct Directory {
    count: u64,
    size: u64,
    at: u64,
}

fn form<T>(why: impl Into<String>) -> Result<T, ArchiveError> {
    Err(ArchiveError::Form(why.into()))
}

fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl Archive {
    /// Opens a file and reads its directory; every byte that is no content is checked.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > TOTAL {
            return Err(ArchiveError::Limit(format!("{length} bytes, at most {TOTAL} are read")));
        }
        let directory = directory(&mut file, length)?;
        let members = members(&mut file, &directory)?;
        for member in members.values() {
            let expected = member.local();
            let mut header = vec![0; expected.len()];
            file.seek(SeekFrom::Start(member.at))?;
            file.read_exact(&mut header)?;
            if header != expected {
                return form(format!(
                    "the header of {:?} says something else than the directory",
                    member.name
                ));
            }
        }
        Ok(Self { file: Mutex::new(file), members })
    }

    /// Names and sizes, ascending.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.members.values().map(|member| (member.name.as_str(), u64::from(member.size)))
    }

    /// The bytes of a file of at most `limit` bytes; none if there is no such file.
    pub fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(member) = self.members.get(name) else { return Ok(None) };
        if u64::from(member.size) > limit as u64 {
            return Err(ArchiveError::Limit(format!("{name}: more than {limit} bytes")));
        }
        let mut bytes = vec![0; member.size as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(member.end() - u64::from(member.size)))?;
        file.read_exact(&mut bytes)?;
        if checksum(&bytes) != member.crc {
            return form(format!("{name:?} has another checksum than the directory says"));
        }
        Ok(Some(bytes))
    }
}

/// Reads the records at the very end. What they say must be what writing the same directory gives, byte for byte.
fn directory(file: &mut File, length: u64) -> Result<Directory, ArchiveError> {
    let tail = length.min((END64 + LOCATOR + END) as u64);
    let mut bytes = vec![0; usize::try_from(tail).unwrap_or_default()];
    file.seek(SeekFrom::Start(length - tail))?;
    file.read_exact(&mut bytes)?;
    let Some(at) = bytes.len().checked_sub(END).filter(|at| bytes[*at..].starts_with(b"PK\x05\x06")) else {
        return form("no zip file as `naru audit export` writes it");
    };
    let last = &bytes[at..];
    let mut found = Directory {
        count: u64::from(short(last, 10)),
        size: u64::from(word(last, 12)),
        at: u64::from(word(last, 16)),
    };
    let wide = found.count == u64::from(MANY) || found.size == u64::from(WIDE) || found.at == u64::from(WIDE);
    if wide && bytes.len() == END64 + LOCATOR + END {
        found = Directory { count: long(&bytes, 32), size: long(&bytes, 40), at: long(&bytes, 48) };
    }
    if found.count > FILES {
        return Err(ArchiveError::Limit(format!("{} files, at most {FILES} are read", found.count)));
    }
    let fits = found.at.checked_add(found.size).and_then(|end| length.checked_sub(end));
    let written = fits.filter(|left| *left <= tail).map(|_| end(found.count, found.size, found.at));
    match written {
        Some(written) if fits == Some(written.len() as u64) && bytes.ends_with(&written) => Ok(found),
        Some(_) | None => form("the end of the file does not say where its directory is"),
    }
}

/// Reads the directory: names that ascend, places that follow one another from the first byte to the directory.
fn members(file: &mut File, directory: &Directory) -> Result<BTreeMap<String, Member>, ArchiveError> {
    file.seek(SeekFrom::Start(directory.at))?;
    let mut from = BufReader::new(file).take(directory.size);
    let (mut members, mut next, mut before) = (BTreeMap::new(), 0, String::new());
    for _ in 0..directory.count {
        let member = record(&mut from)?;
        if member.at != next {
            return form(format!("{:?} does not begin where the file before it ends", member.name));
        }
        if member.name <= before {
            return form(format!("{:?} stands twice or out of order", member.name));
        }
        next = member.end();
        before.clone_from(&member.name);
        members.insert(member.name.clone(), member);
    }
    if next != directory.at || from.limit() != 0 {
        return form("there are bytes that belong to no file");
    }
    Ok(members)
}

fn record(from: &mut impl std::io::Read) -> Result<Member, ArchiveError> {
    let mut head = [0; RECORD];
    from.read_exact(&mut head).or_else(|_| form("the directory ends in the middle of a record"))?;
    let length = usize::from(short(&head, 28));
    if length > NAME {
        return form(format!("a name of {length} bytes, at most {NAME} are read"));
    }
    let (far, mut rest) = (word(&head, 42) == WIDE, vec![0; length]);
    let mut wide = [0; 12];
    let read = from.read_exact(&mut rest).and_then(|()| match far {
        true => from.read_exact(&mut wide),
        false => Ok(()),
    });
    read.or_else(|_| form("the directory ends in the middle of a record"))?;
    let Some(name) = String::from_utf8(rest).ok().filter(|name| is_plain(name)) else {
        return form("a name that leads out of the archive, or is no plain path");
    };
    if short(&head, 10) != 0 {
        return form(format!("{name:?} is compressed"));
    }
    let at = if far { long(&wide, 4) } else { u64::from(word(&head, 42)) };
    let member = Member { name, crc: word(&head, 16), size: word(&head, 24), at };
    let written = member.record();
    if written[..RECORD] != head || (far && written[written.len() - 12..] != wide) {
        return form(format!("the record of {:?} is not spelt as it must be", member.name));
    }
    // Within what the file can hold, so that sums stay far from their bounds.
    if at > TOTAL {
        return form(format!("{:?} lies beyond the end", member.name));
    }
    Ok(member)
}
