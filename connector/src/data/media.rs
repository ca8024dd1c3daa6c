//! What kind of file it is, from its first bytes and its name, and the column names of a CSV file.
//!
//! Content wins over the name: a file called `.png` that does not begin like one is `application/octet-stream`. Nothing
//! here reads beyond the first bytes that it is handed.

use naru_protocol::limits;

/// How many first bytes of a file are looked at.
pub const HEAD_BYTES: usize = 64 << 10;

/// Media type of CSV files, whose columns a summary names.
pub const CSV: &str = "text/csv";
const OCTETS: &str = "application/octet-stream";

/// The media type of a file with this path and these first bytes; `whole` says that there are no more.
#[must_use]
pub fn media_type(path: &str, head: &[u8], whole: bool) -> &'static str {
    if let Some(by_content) = magic(head) {
        return by_content;
    }
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    if head.starts_with(b"PK\x03\x04") {
        return zip(extension.as_deref());
    }
    match extension.as_deref() {
        Some("csv") if is_text(head, whole) || head.is_empty() => CSV,
        // Tables in the code pages of spreadsheets are still CSV, only without column names here.
        Some("csv") if !head.contains(&0) => CSV,
        Some("json" | "geojson") if is_text(head, whole) && begins_like_json(head) => "application/json",
        Some("jsonl" | "ndjson") if is_text(head, whole) && begins_like_json(head) => "application/x-ndjson",
        Some("tsv") if !head.is_empty() && !head.contains(&0) => "text/tab-separated-values",
        Some("xml") if is_text(head, whole) && begins_like_xml(head) => "application/xml",
        Some("txt" | "text" | "md" | "log") if !head.contains(&0) => "text/plain",
        Some(_) | None if !head.is_empty() && is_text(head, whole) && extension.is_none() => "text/plain",
        Some(_) | None => OCTETS,
    }
}

fn magic(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        return Some("image/jpeg");
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE") {
        return Some("audio/wav");
    }
    MAGIC.iter().find(|(begins, _)| head.starts_with(begins)).map(|(_, media)| *media)
}

/// Media types by the first bytes alone.
const MAGIC: &[(&[u8], &str)] = &[
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"%PDF-", "application/pdf"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
];

/// What the name says of a zip file: documents of offices are such.
fn zip(extension: Option<&str>) -> &'static str {
    match extension {
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Some("ods") => "application/vnd.oasis.opendocument.spreadsheet",
        Some(_) | None => "application/zip",
    }
}

/// UTF-8 without control characters other than white space; a character may be cut at the end unless the head is whole.
fn is_text(head: &[u8], whole: bool) -> bool {
    let text = match core::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && !whole => {
            core::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

fn begins_like_json(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    matches!(
        text.trim_ascii_start().first(),
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    )
}

fn begins_like_xml(head: &[u8]) -> bool {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().starts_with(b"<")
}

/// The column names in the first line of a CSV file, cut to the limits of a summary; `None` if there is no first line in
/// UTF-8 within the head. Fields are separated by the first of comma, semicolon and tab that the line has.
#[must_use]
pub fn csv_columns(head: &[u8], whole: bool) -> Option<Vec<String>> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let line = first_record(head, whole)?;
    let line = core::str::from_utf8(line).ok()?;
    if line.trim().is_empty() {
        return None;
    }
    let separator = [',', ';', '\t'].into_iter().find(|c| line.contains(*c)).unwrap_or(',');
    let names = fields(line, separator);
    Some(
        names
            .into_iter()
            .take(limits::SUMMARY_COLUMNS)
            .map(|name| cut(name.trim(), limits::COLUMN_NAME))
            .collect(),
    )
}

/// The first record without its line end. A quoted field may hold line ends.
fn first_record(head: &[u8], whole: bool) -> Option<&[u8]> {
    let mut quoted = false;
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => return head.get(..at),
            _ => {}
        }
    }
    (whole && !quoted).then_some(head)
}

fn fields(line: &str, separator: char) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '"' && quoted && chars.peek() == Some(&'"') {
            field.push('"');
            chars.next();
        } else if c == '"' {
            quoted = !quoted;
        } else if c == separator && !quoted {
            fields.push(core::mem::take(&mut field));
        } else if c.is_control() {
            field.push(' ');
        } else {
            field.push(c);
        }
    }
    fields.push(field);
    fields
}

/// The longest beginning of at most `limit` bytes that ends between characters.
fn cut(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_wins_over_the_name() {
        for (path, head, media) in [
            ("a.png", b"\x89PNG\r\n\x1a\n....".as_slice(), "image/png"),
            ("a.txt", b"\x89PNG\r\n\x1a\n....", "image/png"),
            ("a.png", b"no picture\x00", OCTETS),
            ("a.jpg", &[0xff, 0xd8, 0xff, 0xe0], "image/jpeg"),
            ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
            ("a.parquet", b"PAR1\x15\x04", "application/vnd.apache.parquet"),
            ("a.CSV", b"id,name\n1,x\n", CSV),
            ("euc.csv", b"\xb9\xf8\xc8\xa3,x\n", CSV),
            ("a.csv", b"\x00\x01", OCTETS),
            ("a.json", b" {\"a\":1}", "application/json"),
            ("a.json", b"hello", OCTETS),
            ("a.txt", "나루".as_bytes(), "text/plain"),
            ("README", b"plain", "text/plain"),
            ("x.bin", b"plain", OCTETS),
            ("empty", b"", OCTETS),
            ("folder.d/README", b"plain", "text/plain"),
            ("a.pdf", b"%PDF-1.7\n", "application/pdf"),
            ("a.csv", b"\x1f\x8b\x08\0", "application/gzip"),
            ("a.zip", b"PK\x03\x04", "application/zip"),
            ("a.XLSX", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("a.xlsx", b"no zip", OCTETS),
            ("a.h5", b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
            ("a.tif", b"II*\0", "image/tiff"),
            ("a.jsonl", b"{\"a\":1}\n{}\n", "application/x-ndjson"),
            ("a.tsv", b"a\tb\n", "text/tab-separated-values"),
            ("a.xml", b"<?xml version=\"1.0\"?>", "application/xml"),
            ("a.xml", b"no markup", OCTETS),
        ] {
            assert_eq!(media_type(path, head, true), media, "{path}");
        }
    }

    #[test]
    fn a_character_cut_at_the_end_of_the_head_is_text_still() {
        let head = "가나다".as_bytes();
        assert!(is_text(&head[..8], false));
        assert!(!is_text(&head[..8], true));
    }

    #[test]
    fn columns_are_read_as_spreadsheets_write_them() {
        let columns = |text: &str| csv_columns(text.as_bytes(), true);
        assert_eq!(columns("a,b\r\n1,2\r\n").unwrap(), ["a", "b"]);
        assert_eq!(columns("\u{feff}이름;국가\n").unwrap(), ["이름", "국가"]);
        assert_eq!(columns("\"a,\"\"x\"\"\",\"b\nc\"\n").unwrap(), ["a,\"x\"", "b c"]);
        assert_eq!(columns("one").unwrap(), ["one"]);
        assert_eq!(columns(""), None);
        assert_eq!(columns("\n1,2"), None);
        assert_eq!(columns("\"never closed"), None);
        assert_eq!(csv_columns(b"a,b", false), None, "the line may go on");
        let wide = vec!["x".repeat(1000); 300].join(",");
        let names = columns(&wide).unwrap();
        assert_eq!((names.len(), names[0].len()), (limits::SUMMARY_COLUMNS, limits::COLUMN_NAME));
    }
}
