//! An exported folder, or the one file of AUD-1.12, read within limits: which files there are, by strict names, and their shapes (spec chapter 09, AUD-1).
//!
//! No link is followed, no name is guessed, no file is read beyond the limit of its kind. What a file says is believed by nobody here.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use naru_protocol::{
    act::Act,
    encoding::{Digest, from_base64url},
    identity::{Country, Did, Size},
    json::{self, V1},
    limits,
    log::{
        entry::EntryType,
        tile::{Tile, TileKind},
    },
    plain::PlainAct,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    finding::{Check, Fault},
    reason::Reason,
};
use crate::archive::{Archive, ArchiveError};

/// Files of one export, at most.
const FILES: usize = 4_000_000;
/// Folders in one another, at most: `tile/entries/x001/x234/067.p/8` and two groups more.
const DEPTH: usize = 12;

/// Base64url of that many bytes.
const fn encoded(bytes: usize) -> usize {
    bytes / 3 * 4 + 4
}

/// A file of an export by its kind and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Vkey,
    Checkpoint,
    Node,
    Tile(Tile),
    Disclosures(u64),
    Act(Digest),
    Evaluation(Digest),
    Archive(Digest),
    Parts(Digest),
    Statement(Digest),
    Agreement(Digest),
    Fork(Digest),
    Plain(Digest),
    Unsigned(Digest),
}

impl Place {
    /// Reads a path relative to the folder, `/` between; exactly as [`Self::path`] writes it.
    fn parse(path: &str) -> Option<Self> {
        match path {
            "vkey" => return Some(Self::Vkey),
            "checkpoint" => return Some(Self::Checkpoint),
            "node.json" => return Some(Self::Node),
            _ => {}
        }
        let (folder, name) = path.split_once('/')?;
        let digest = |suffix: &str| Digest::parse(name.strip_suffix(suffix)?).ok();
        let place = match folder {
            "tile" => Self::Tile(Tile::parse(path).ok()?),
            "disclosures" => Self::Disclosures(name.strip_suffix(".json")?.parse().ok()?),
            "acts" => Self::Act(digest(".json")?),
            "evaluations" => Self::Evaluation(digest(".json")?),
            "packs" => digest(".tar.gz").map(Self::Archive).or_else(|| digest(".json").map(Self::Parts))?,
            "statements" => Self::Statement(digest(".jws")?),
            "agreements" => Self::Agreement(digest(".json")?),
            "forks" => Self::Fork(digest(".json")?),
            "plain" => Self::Plain(digest(".json")?),
            "unsigned" => Self::Unsigned(digest(".json")?),
            _ => return None,
        };
        (place.path() == path).then_some(place)
    }

    /// The path relative to the folder.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Vkey => "vkey".to_owned(),
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Node => "node.json".to_owned(),
            Self::Tile(tile) => tile.path(),
            Self::Disclosures(index) => format!("disclosures/{index}.json"),
            Self::Act(digest) => format!("acts/{digest}.json"),
            Self::Evaluation(digest) => format!("evaluations/{digest}.json"),
            Self::Archive(digest) => format!("packs/{digest}.tar.gz"),
            Self::Parts(digest) => format!("packs/{digest}.json"),
            Self::Statement(digest) => format!("statements/{digest}.jws"),
            Self::Agreement(digest) => format!("agreements/{digest}.json"),
            Self::Fork(digest) => format!("forks/{digest}.json"),
            Self::Plain(digest) => format!("plain/{digest}.json"),
            Self::Unsigned(digest) => format!("unsigned/{digest}.json"),
        }
    }

    /// Bytes of such a file, at most.
    fn limit(&self) -> usize {
        match self {
            Self::Vkey => 1024,
            Self::Checkpoint => limits::NOTE,
            Self::Node => 64 * 1024,
            Self::Tile(tile) => match tile.kind() {
                TileKind::Hashes(_) => 32 * 256,
                TileKind::Entries => 256 * (2 + limits::LOG_ENTRY),
            },
            Self::Disclosures(_) => limits::ENTRY_FIELDS * (limits::DISCLOSURE + 3) + 2,
            Self::Act(_) => 2 * encoded(limits::MESSAGE) + limits::TOKEN + limits::ACK + 16 * 1024,
            Self::Evaluation(_) => {
                encoded(2 * limits::POLICY_RESULT) + 4 * limits::POLICY_INPUT + limits::DISCLOSURE + 4096
            }
            Self::Archive(_) => limits::BUNDLE,
            Self::Parts(_) => 4096,
            Self::Statement(_) => limits::LISTING,
            Self::Agreement(_) => 2 * limits::AGREEMENT,
            // Two notes as JSON texts, and at most 65 hashes.
            Self::Fork(_) => 4 * limits::NOTE + 4096,
            Self::Plain(_) => 2 * encoded(limits::MESSAGE) + 16 * 1024,
            // The agreement object came in a message, the shared part in an input.
            Self::Unsigned(_) => limits::MESSAGE + limits::POLICY_INPUT + limits::POLICY_RESULT,
        }
    }
}

/// Where the bytes of an export lie. Nothing of an archive is unpacked.
#[derive(Debug)]
enum Root {
    Folder(PathBuf),
    Archive(Archive),
}

impl From<ArchiveError> for Fault {
    fn from(error: ArchiveError) -> Self {
        let reason = match &error {
            ArchiveError::Io(_) => Reason::FileUnreadable,
            ArchiveError::Form(_) => Reason::ArchiveRefused,
            ArchiveError::Limit(_) => Reason::FileTooLarge,
        };
        Self::failed(reason, error)
    }
}

/// The files of one export.
#[derive(Debug)]
pub(super) struct Folder {
    root: Root,
    files: BTreeMap<Place, u64>,
    /// Names that are no part of an export, and links.
    pub(super) odd: Vec<String>,
}

impl Folder {
    /// Lists a folder, or a file that holds one. Contents are read later, one by one.
    pub(super) fn list(root: &Path) -> Check<Self> {
        if root.is_file() {
            return Self::list_archive(Archive::open(root)?);
        }
        let mut folder =
            Self { root: Root::Folder(root.to_owned()), files: BTreeMap::new(), odd: Vec::new() };
        let mut open = vec![(root.to_owned(), String::new(), 0)];
        while let Some((path, prefix, depth)) = open.pop() {
            let unreadable = |e| Fault::failed(Reason::FolderUnreadable, format!("{}: {e}", path.display()));
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                let meta = fs::symlink_metadata(entry.path()).map_err(unreadable)?;
                if meta.is_dir() && depth < DEPTH {
                    open.push((entry.path(), format!("{name}/"), depth + 1));
                    continue;
                }
                match Place::parse(&name).filter(|_| meta.is_file()) {
                    Some(place) => drop(folder.files.insert(place, meta.len())),
                    None => folder.odd.push(name),
                }
                if folder.files.len() + folder.odd.len() > FILES {
                    return Err(Fault::failed(Reason::FileTooLarge, format!("more than {FILES} files")));
                }
            }
        }
        folder.odd.sort_unstable();
        Ok(folder)
    }

    fn list_archive(archive: Archive) -> Check<Self> {
        let (mut files, mut odd) = (BTreeMap::new(), Vec::new());
        for (name, size) in archive.files() {
            match Place::parse(name) {
                Some(place) => drop(files.insert(place, size)),
                None => odd.push(name.to_owned()),
            }
        }
        Ok(Self { root: Root::Archive(archive), files, odd })
    }

    /// The places that are there, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.files.keys().copied()
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.files.contains_key(&place)
    }

    /// The bytes of a file that must be there.
    pub(super) fn read(&self, place: Place) -> Check<Vec<u8>> {
        let path = place.path();
        if !self.has(place) {
            return Err(Fault::failed(Reason::FileMissing, path));
        }
        let limit = place.limit();
        let unreadable = |e: std::io::Error| Fault::failed(Reason::FileUnreadable, format!("{path}: {e}"));
        let root = match &self.root {
            Root::Folder(root) => root,
            Root::Archive(archive) => {
                let bytes = archive.read(&path, limit)?;
                return bytes.ok_or_else(|| Fault::failed(Reason::FileMissing, &path));
            }
        };
        let mut bytes = Vec::new();
        let file = File::open(root.join(&path)).map_err(unreadable)?;
        file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > limit {
            return Err(Fault::failed(Reason::FileTooLarge, format!("{path}: more than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// A JSON file in its type, whose bytes must be the canonical form of just that.
    pub(super) fn json<T: Serialize + DeserializeOwned>(&self, place: Place) -> Check<T> {
        canonical(&self.read(place)?, &place.path())
    }
}

/// JSON bytes into their type; other spellings, orders, repetitions and unknown members are refused.
pub(super) fn canonical<T: Serialize + DeserializeOwned>(bytes: &[u8], name: &str) -> Check<T> {
    let malformed =
        |why: &dyn std::fmt::Display| Fault::failed(Reason::FileMalformed, format!("{name}: {why}"));
    let document: T = serde_json::from_slice(bytes).map_err(|e| malformed(&e))?;
    match json::to_canonical(&document) {
        Ok(written) if written == bytes => Ok(document),
        Ok(_) => Err(malformed(&"not in canonical form")),
        Err(error) => Err(malformed(&error)),
    }
}

/// Base64url of a member.
pub(super) fn decoded(text: &str, what: &str) -> Check<Vec<u8>> {
    from_base64url(text).map_err(|_| Fault::failed(Reason::FileMalformed, format!("{what} is not base64url")))
}

/// Which way an act went, as seen by the exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Sent,
    Received,
}

/// `acts/<act digest>.json` (AUD-1.5). Bytes are base64url.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActFile {
    pub(super) v: V1,
    pub(super) direction: Direction,
    pub(super) kind: EntryType,
    pub(super) act: Act,
    pub(super) content: String,
    /// Received: the token accepted. Sent: one made for the export.
    pub(super) token: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) answer: Option<String>,
    /// Sent: the peer's. Received: the exporter's own.
    pub(super) ack: Option<String>,
}

/// `plain/<act digest>.json` (AUD-1.10). Bytes are base64url.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlainFile {
    pub(super) v: V1,
    pub(super) direction: Direction,
    pub(super) kind: EntryType,
    pub(super) act: PlainAct,
    pub(super) content: String,
    /// Received: what the exporter answered. Sent: null, since no entry says what the peer answered.
    pub(super) status: Option<u16>,
    pub(super) answer: Option<String>,
}

/// `evaluations/<record digest>.json` (AUD-1.6).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluationFile {
    pub(super) v: V1,
    /// Base64url of the record's bytes.
    pub(super) record: String,
    pub(super) shared: Value,
    /// The salted private part, as the record's `input.private` commits to it.
    pub(super) disclosure: String,
    pub(super) host: Value,
}

/// `packs/<pack digest>.json` (AUD-1.7): what the digest is made of, and the digest of the archive's bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartsFile {
    pub(super) v: V1,
    pub(super) name: String,
    pub(super) wasm: Digest,
    pub(super) data: Digest,
    pub(super) manifest: Digest,
    pub(super) archive: Digest,
}

/// `node.json` (AUD-1.9): what the exporter says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeFile {
    pub(super) v: V1,
    pub(super) did: Did,
    pub(super) origin: String,
    pub(super) name: String,
    pub(super) country: Country,
    pub(super) size: Size,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AUD-1.2
    #[test]
    fn names_are_strict() {
        let digest = Digest::of(b"x");
        for good in [
            "vkey".to_owned(),
            "tile/0/000.p/7".to_owned(),
            "tile/entries/x001/000".to_owned(),
            "disclosures/0.json".to_owned(),
            format!("acts/{digest}.json"),
            format!("packs/{digest}.tar.gz"),
            format!("packs/{digest}.json"),
            format!("plain/{digest}.json"),
            format!("unsigned/{digest}.json"),
        ] {
            assert_eq!(Place::parse(&good).map(|p| p.path()), Some(good));
        }
        for bad in [
            "vkey/",
            "disclosures/00.json",
            "disclosures/+1.json",
            "acts/x.json",
            "tile/0/0",
            "tile/0/../0/000",
            "acts/../vkey",
            "acts/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV.json",
            "README",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    /// AUD-1.3
    #[test]
    fn files_are_canonical() {
        let good = br#"{"archive":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU","data":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU","manifest":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU","name":"core","v":1,"wasm":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}"#;
        assert!(canonical::<PartsFile>(good, "p").is_ok());
        // A name may hold anything; every other byte has one spelling.
        let name = good.windows(4).position(|bytes| bytes == b"core").unwrap();
        for at in (0..good.len()).filter(|at| !(name..name + 4).contains(at)) {
            let mut bad = good.to_vec();
            bad[at] = b' ';
            assert!(canonical::<PartsFile>(&bad, "p").is_err(), "{at}");
        }
        let spaced = [b" ".as_slice(), good].concat();
        assert!(canonical::<PartsFile>(&spaced, "p").is_err());
    }
}
