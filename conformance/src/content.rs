//! A dataset version (spec chapters 04 and 07): file list, chunk hashes, content root, and the windows in which it moves.

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
    let mut total = 0i64;
    for line in lines.split('\n') {
        let file = read_line(line)?;
        total += i64::try_from(file.size).unwrap_or(BYTES);
        ensure(total <= BYTES, "too_large", "more than 2^46 bytes together")?;
        if let Some(last) = files.last() {
            ensure(last.path.as_bytes() < file.path.as_bytes(), "malformed", "out of order")?;
        }
        let inside =
            |other: &File| file.path.strip_prefix(&other.path).is_some_and(|rest| rest.starts_with('/'));
        ensure(!files.iter().any(inside), "path_refused", "a file inside a file")?;
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
    let file = File { path: text("path")?, size, sha256: text("sha256")?, chunks: text("chunks")? };
    let digests = fixed::<32>(&file.sha256).is_some() && fixed::<32>(&file.chunks).is_some();
    ensure(digests, "not_canonical", "digests")?;
    ensure(plain_path(&file.path), "path_refused", file.path.clone())?;
    ensure(plain_media(&text("media")?), "malformed", "media")?;
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
