//! Scans files for what a publisher ought to know before it declares facts: what kind of data they are, which columns they
//! have, and whether there are numbers of persons, addresses, vehicles or positions in them.
//!
//! It takes a path and what can be read, and gives a [`Report`]. It knows nothing of nodes, listings or facts. What it could
//! not read is unknown, never clean: [`Reading`] says how far it came and why not further. It does not look at what pictures
//! show or what sound says, and does not look for names of persons in running text.
//!
//! Files are hostile until shown otherwise: all work is bounded by [`limits`], a damaged file gives a reason, and a reader
//! that panics leaves its file unread. Blocks: to be called where blocking is allowed.

mod dataset;
mod find;
mod gather;
mod image;
pub mod limits;
mod office;
mod parquet;
mod report;
mod sound;
mod source;
mod table;
pub mod words;

#[cfg(test)]
mod tests;

use std::{
    io::{BufReader, Read, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
};

use lofty::file::FileType;

pub use dataset::dataset;
pub use find::Kind;
pub use report::{FileReport, Finding, Media, Place, Properties, Reading, Reason, Report, Sure, Total};
pub use source::Source;

use crate::data::media;
use gather::Gather;
use office::{
    hwp::{self, Compound},
    pdf,
    words::Sort,
    zip::{self, Budget},
};
use source::Outcome;
use table::{delimited, json, plain, sheet};

const OCTETS: &str = "application/octet-stream";

/// Scans one file of a dataset. `year` is the present one: nobody in the data is born later.
pub fn file(path: &str, size: u64, source: &mut dyn Source, year: u16) -> FileReport {
    // Readers of others' making may panic on what they did not foresee.
    catch_unwind(AssertUnwindSafe(|| scan(path, size, source, year))).unwrap_or_else(|_| {
        let reading = Reading::Unread { reason: Reason::Damaged };
        report(path, OCTETS, size, year, reading, Properties::default(), Gather::new(year), None)
    })
}

fn scan(path: &str, size: u64, source: &mut dyn Source, year: u16) -> FileReport {
    let mut head = Vec::new();
    let read = source
        .seek(SeekFrom::Start(0))
        .and_then(|_| Read::take(&mut *source, media::HEAD_BYTES as u64).read_to_end(&mut head));
    let whole = head.len() as u64 == size;
    let media_type = type_of(path, &head, whole);
    let mut properties = Properties::default();
    let mut gather = Gather::new(year);
    let outcome = match read {
        Err(_) => Err(Reason::Io),
        Ok(_) if size == 0 => Ok(Outcome::default()),
        Ok(_) => contents(media_type, size, source, &head, year, &mut properties, &mut gather),
    };
    let reading = match outcome {
        Ok(Outcome { partial: None, .. }) => Reading::Read,
        Ok(Outcome { partial: Some(reason), .. }) => Reading::Sampled { reason },
        Err(reason) => Reading::Unread { reason },
    };
    if let Ok(Outcome { rows, .. }) = outcome {
        properties.rows = rows;
    }
    let held = match media_type.split_once('/') {
        Some(("image", _)) => Some(Media::Image),
        Some(("audio", _)) => Some(Media::Sound),
        Some(_) | None => None,
    };
    report(path, media_type, size, year, reading, properties, gather, held)
}

/// The media type, also of those that only the scanners tell apart.
fn type_of(path: &str, head: &[u8], whole: bool) -> &'static str {
    let known = media::media_type(path, head, whole);
    let extension = path.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    if head.starts_with(hwp::MAGIC) {
        return if extension == "hwp" { "application/x-hwp" } else { "application/x-cfb" };
    }
    if known == "application/zip" && matches!(extension.as_str(), "hwpx") {
        return "application/hwp+zip";
    }
    if known == "application/zip" && matches!(extension.as_str(), "odt" | "odp") {
        return "application/vnd.oasis.opendocument.text";
    }
    if head.starts_with(b"ID3")
        || (extension == "mp3" && matches!(head, [0xff, second, ..] if second & 0xe0 == 0xe0))
    {
        return "audio/mpeg";
    }
    if known != OCTETS || head.is_empty() {
        return known;
    }
    // Text in encodings that the first look does not know.
    let text = source::preview(head);
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if text.contains(control) || text.matches('\u{fffd}').count() > 2 {
        return OCTETS;
    }
    match extension.as_str() {
        "csv" => media::CSV,
        "tsv" => "text/tab-separated-values",
        "json" | "geojson" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        _ => "text/plain",
    }
}

fn contents(
    media_type: &'static str,
    size: u64,
    source: &mut dyn Source,
    head: &[u8],
    year: u16,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    match media_type {
        media::CSV | "text/tab-separated-values" => delimited(size, source, head, year, properties, gather),
        "application/x-ndjson" => {
            let (collected, mut outcome, encoding, lines) =
                source::read(source, size, head, year, &mut json::JsonLines::default)?;
            if let Some(reason) = lines.bad {
                outcome.lacks(reason);
            }
            *gather = collected;
            properties.encoding = Some(source::name(encoding));
            properties.columns = lines.columns.names;
            Ok(outcome)
        }
        "application/json" => {
            let (_, mark) = source::encoding(head);
            source.seek(SeekFrom::Start(mark as u64)).map_err(|_| Reason::Io)?;
            let mut from = BufReader::new(Read::take(source, limits::FILE_BYTES));
            let (mut outcome, columns) = json::document(&mut from, gather)?;
            if size > limits::FILE_BYTES {
                outcome.partial = Some(Reason::TooLarge);
            }
            properties.columns = columns;
            Ok(outcome)
        }
        "text/plain" | "application/xml" => {
            let (collected, outcome, encoding, _) =
                source::read(source, size, head, year, &mut plain::Plain::default)?;
            *gather = collected;
            properties.encoding = Some(source::name(encoding));
            Ok(outcome)
        }
        "application/vnd.apache.parquet" => parquet::read(source, size, properties, gather),
        "application/pdf" => pdf::read(source, size, gather),
        "application/x-hwp" | "application/x-cfb" => {
            if size > limits::WHOLE_BYTES {
                return Err(Reason::TooLarge);
            }
            let (kind, mut file) = hwp::open(source)?;
            match kind {
                Compound::Hwp => hwp::read(&mut file, gather),
                Compound::Locked => Err(Reason::Encrypted),
                Compound::Other => Err(Reason::Unsupported),
            }
        }
        "image/png" | "image/jpeg" | "image/gif" | "image/tiff" => {
            image::read(source, size, properties, gather)
        }
        "audio/wav" => sound::read(source, size, FileType::Wav, properties, gather),
        "audio/flac" => sound::read(source, size, FileType::Flac, properties, gather),
        "audio/mpeg" => sound::read(source, size, FileType::Mpeg, properties, gather),
        other => archived(other, size, source, properties, gather),
    }
}

fn delimited(
    size: u64,
    source: &mut dyn Source,
    head: &[u8],
    year: u16,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let separator = delimited::separator(&source::preview(head));
    let (collected, outcome, encoding, table) =
        source::read(source, size, head, year, &mut || delimited::Delimited::new(separator))?;
    *gather = collected;
    properties.encoding = Some(source::name(encoding));
    properties.separator = Some(separator);
    properties.columns = table.head.names;
    Ok(outcome)
}

/// Documents that are zip files; other archives are not opened.
fn archived(
    media_type: &str,
    size: u64,
    source: &mut dyn Source,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let office = "application/vnd.openxmlformats-officedocument.";
    let sort = match media_type.strip_prefix(office) {
        Some("spreadsheetml.sheet") => {
            let (outcome, columns) = sheet::read(source, size, gather)?;
            properties.columns = columns;
            return Ok(outcome);
        }
        Some("wordprocessingml.document") => Sort::Word,
        Some("presentationml.presentation") => Sort::Slides,
        Some(_) => return Err(Reason::Unsupported),
        None if media_type.starts_with("application/vnd.oasis.opendocument") => Sort::OpenDocument,
        None if media_type == "application/hwp+zip" => Sort::Hwpx,
        None => return Err(Reason::Unsupported),
    };
    let entries = zip::directory(source, size)?;
    office::words::read(sort, source, &entries, &mut Budget::new(), gather)
}

#[expect(clippy::too_many_arguments, reason = "the members of a report, gathered in two places")]
fn report(
    path: &str,
    media_type: &'static str,
    bytes: u64,
    year: u16,
    reading: Reading,
    properties: Properties,
    mut gather: Gather,
    held: Option<Media>,
) -> FileReport {
    let (mut findings, told) = gather.finish();
    // A path can carry values too; it says nothing of what the file holds.
    let mut names = Gather::new(year);
    names.begin_text(Some("path".to_owned()));
    let _ = names.cell(0, None, path);
    findings.extend(names.finish().0);
    let media = held.or(told);
    FileReport {
        path: find::without_values(path, year),
        media_type,
        media,
        bytes,
        reading,
        properties,
        findings,
    }
}
