//! A dataset version (spec chapters 04 and 07): file list, chunk hashes, content root, and the windows in which it moves.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    encoding::{digest_text, fixed, sha256},
    json::{Json, object},
    refusal::{Refusal, ensure},
};

/// Bytes of a chunk; the last of a file may be shorter.
pub const CHUNK: usize = 4 << 20;
/// Most bytes of one file and of all together.
const BYTES: i64 = 1 << 46;

/// Plain BLAKE3 of each chunk of a file.
#[must_use]
pub fn chunk_hashes(content: &[u8]) -> Vec<[u8; 32]> {
    content.chunks(CHUNK).map(|chunk| blake3::hash(chunk).into()).collect()
}

/// A line of a file list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Media type.
    pub media: String,
    /// Digest of the content.
    pub sha256: String,
    /// Digest of the chunk hashes, one after the other.
    pub chunks: String,
}

/// Reads a file list.
pub fn read_list(text: &str) -> Result<Vec<File>, Refusal> {
    ensure(!text.is_empty(), "malformed", "no file")?;
    let lines =
        text.strip_suffix('\n').ok_or_else(|| Refusal::new("not_canonical", "the last line is not ended"))?;
    let mut files: Vec<File> = Vec::new();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    let mut total = 0i64;
    for line in lines.split('\n') {
        let file = read_line(line)?;
        total += i64::try_from(file.size).unwrap_or(BYTES);
        ensure(total <= BYTES, "too_large", "more than 2^46 bytes together")?;
        if let Some(last) = files.last() {
            ensure(last.path.as_bytes() < file.path.as_bytes(), "malformed", "out of order")?;
        }
        let folder = |(at, _): (usize, &str)| paths.contains(&file.path[..at]);
        ensure(!file.path.match_indices('/').any(folder), "path_refused", "a file inside a file")?;
        paths.insert(file.path.clone());
        files.push(file);
    }
    Ok(files)
}

fn read_line(line: &str) -> Result<File, Refusal> {
    let form = |why: &str| Refusal::new("not_canonical", why);
    ensure(line.len() < 4 << 10, "too_large", "a line")?;
    let json = Json::parse(line.as_bytes()).map_err(|error| form(&error.to_string()))?;
    ensure(json.canonical() == line, "not_canonical", "a line")?;
    ensure(json.keys() == ["chunks", "media", "path", "sha256", "size"], "not_canonical", "members")?;
    let text = |name: &str| json.text(name).map(str::to_owned).ok_or_else(|| form(name));
    let size = json.integer("size").and_then(|size| u64::try_from(size).ok()).ok_or_else(|| form("size"))?;
    let (sha256, chunks) = (text("sha256")?, text("chunks")?);
    let file = File { path: text("path")?, size, media: text("media")?, sha256, chunks };
    let digests = fixed::<32>(&file.sha256).is_some() && fixed::<32>(&file.chunks).is_some();
    ensure(digests, "not_canonical", "digests")?;
    ensure(plain_path(&file.path), "path_refused", file.path.clone())?;
    ensure(plain_media(&file.media), "malformed", "media")?;
    ensure(size <= BYTES as u64, "too_large", "size")?;
    let nothing = digest_text(b"");
    let empty = file.sha256 == nothing && file.chunks == nothing;
    ensure(size > 0 || empty, "malformed", "an empty file with digests of something")?;
    Ok(file)
}

/// Relative, without dots, empty segments, backslashes and control characters, at most 1024 bytes.
fn plain_path(path: &str) -> bool {
    let segment = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= 1_024
        && path.split('/').all(segment)
        && !path.contains(|c: char| c.is_control() || c == '\\')
}

/// `type/subtype` in lower case, no parameters.
fn plain_media(media: &str) -> bool {
    let word = |part: &str| {
        let rest =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&-^_.+".contains(&byte);
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && part.bytes().all(rest)
    };
    media.len() <= 128 && media.split_once('/').is_some_and(|(kind, sub)| word(kind) && word(sub))
}

/// Checks a summary by itself (CAT-3).
pub fn check_summary(summary: &Json) -> Result<(), Refusal> {
    let keys = summary.keys();
    ensure(
        keys == ["bytes", "columns", "files", "media", "v"],
        "malformed",
        format!("summary has {keys:?}"),
    )?;
    let (mut files, mut bytes) = (0, 0);
    for media in summary.list("media") {
        ensure(media.keys() == ["bytes", "files", "type"], "malformed", "media")?;
        ensure(media.integer("files") >= Some(1), "malformed", "a media type without a file")?;
        files += media.integer("files").unwrap_or_default();
        bytes += media.integer("bytes").unwrap_or_default();
    }
    let sum = summary.integer("files") == Some(files) && summary.integer("bytes") == Some(bytes);
    ensure(sum && files >= 1 && bytes <= BYTES, "malformed", "files and bytes do not add up")?;
    let types: Vec<_> = summary.list("media").iter().map(|media| media.text("type")).collect();
    let named: Vec<_> = summary.list("columns").iter().map(|columns| columns.text("file")).collect();
    let sorted = types.is_sorted_by(|a, b| a < b) && named.is_sorted_by(|a, b| a < b);
    ensure(sorted && named.len() <= 64, "malformed", "not in order")
}

/// Checks that a file list is of a summary (CAT-6.4).
pub fn fits(summary: &Json, files: &[File]) -> Result<(), Refusal> {
    let mut media: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for file in files {
        let sums = media.entry(&file.media).or_default();
        sums.0 += 1;
        sums.1 += i64::try_from(file.size).unwrap_or(BYTES);
    }
    let own =
        |m: &Json| (m.text("type").unwrap_or_default().to_owned(), m.integer("files"), m.integer("bytes"));
    let listed: Vec<_> = summary.list("media").iter().map(own).collect();
    let counted: Vec<_> =
        media.into_iter().map(|(kind, sums)| (kind.to_owned(), Some(sums.0), Some(sums.1))).collect();
    ensure(listed == counted, "file_list_differs", "other media types, files or bytes")?;
    let csv = |name: &str| files.iter().any(|file| file.path == name && file.media == "text/csv");
    let columns = summary.list("columns").iter().all(|columns| columns.text("file").is_some_and(csv));
    ensure(columns, "file_list_differs", "columns of a file that is not there")
}

/// The content root over a summary and the bytes of a file list.
#[must_use]
pub fn content_root(summary: &Json, list: &str) -> String {
    let root = object([
        ("summary", digest_text(summary.canonical().as_bytes()).into()),
        ("files", digest_text(list.as_bytes()).into()),
    ]);
    digest_text(root.canonical().as_bytes())
}

/// Bytes of a window of a dataset version of some size.
#[must_use]
pub fn window(size: u64) -> u64 {
    size.div_ceil(16).clamp(CHUNK as u64, 64 << 20)
}

/// The number of chunks behind each window, in file-list order: a window takes chunks until it has its bytes.
#[must_use]
pub fn window_ends(sizes: &[u64], window: u64) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut chunks, mut filled) = (0, 0);
    for size in sizes {
        let mut rest = *size;
        while rest > 0 {
            let chunk = rest.min(CHUNK as u64);
            rest -= chunk;
            chunks += 1;
            filled += chunk;
            if filled >= window {
                ends.push(chunks);
                filled = 0;
            }
        }
    }
    if filled > 0 {
        ends.push(chunks);
    }
    ends
}

/// The first chunk that is not served while `acknowledged` windows are: two more are on their way.
#[must_use]
pub fn served_up_to(ends: &[usize], acknowledged: usize) -> usize {
    ends.get(acknowledged + 1).or(ends.last()).copied().unwrap_or(0)
}

/// Digest of chunk hashes, one after the other.
#[must_use]
pub fn hashes_digest(hashes: &[[u8; 32]]) -> String {
    crate::encoding::b64url(&sha256(&hashes.concat()))
}
