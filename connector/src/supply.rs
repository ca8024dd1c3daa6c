//! Files with which a node is supplied: a signed set of packs with the packs themselves, and signed data (spec chapter 05, POL-18,
//! POL-19). Read and written here; whether they are taken is the node's to say (`node/supply`).
//!
//! One file is JSON: {`v`: 1, `signed`: the JWS, `archives`: the packs by name, base64url}; data have no archives. A folder is
//! the same: `packs.json` holds the JWS, and `<name>.tar.gz` beside it each pack.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use naru_policy::Bundle;
use naru_protocol::{
    encoding::{Digest, from_base64url, to_base64url},
    error::Code,
    json::V1,
    limits,
    signature::SigningKey,
    supply::{PackLine, PackSet, Signed},
};
use serde::{Deserialize, Serialize};

use crate::node::NodeError;

/// The JWS in a folder.
const SET: &str = "packs.json";
const ARCHIVE: &str = ".tar.gz";

/// What a file or folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// The document under its signatures.
    pub signed: Signed,
    /// Packs by name, as archives.
    pub archives: BTreeMap<String, Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: V1,
    signed: Signed,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    archives: BTreeMap<String, String>,
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> NodeError {
    NodeError::refused(Code::FileUnusable, format!("{}: {why}", path.display()))
}

fn malformed(path: &Path, why: impl std::fmt::Display) -> NodeError {
    NodeError::refused(Code::Malformed, format!("{}: {why}", path.display()))
}

/// A file within the limit.
fn bytes_of(path: &Path, limit: usize) -> Result<Vec<u8>, NodeError> {
    let file = fs::File::open(path).map_err(|e| unusable(path, e))?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| unusable(path, e))?;
    if bytes.len() > limit {
        return Err(NodeError::refused(Code::TooLarge, format!("{}: over {limit} bytes", path.display())));
    }
    Ok(bytes)
}

impl Supply {
    /// Reads a file or a folder; checks no signature.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        if path.is_dir() {
            let set = path.join(SET);
            let signed = serde_json::from_slice(&bytes_of(&set, limits::SUPPLY_FILE)?)
                .map_err(|e| malformed(&set, e))?;
            return Ok(Self { signed, archives: archives_in(path)? });
        }
        let read: Written =
            serde_json::from_slice(&bytes_of(path, limits::SUPPLY_FILE)?).map_err(|e| malformed(path, e))?;
        let mut archives = BTreeMap::new();
        for (name, text) in read.archives {
            let bytes = from_base64url(&text).map_err(|_| malformed(path, format!("archives/{name}")))?;
            archives.insert(name, bytes);
        }
        Ok(Self { signed: read.signed, archives })
    }

    /// Writes it as one file.
    pub fn write(&self, path: &Path) -> Result<(), NodeError> {
        let archives =
            self.archives.iter().map(|(name, bytes)| (name.clone(), to_base64url(bytes))).collect();
        let written = Written { v: V1, signed: self.signed.clone(), archives };
        let text = serde_json::to_string_pretty(&written).map_err(|e| malformed(path, e))?;
        fs::write(path, text + "\n").map_err(|e| unusable(path, e))
    }

    /// The packs of a folder as a set under a first signature, for `naru packs sign`.
    pub fn of_folder(
        folder: &Path,
        number: u64,
        (issued_at, expires_at): (u64, u64),
        key: &SigningKey,
    ) -> Result<Self, NodeError> {
        let archives = archives_in(folder)?;
        let mut packs = Vec::new();
        for (name, bytes) in &archives {
            let bundle = Bundle::load(bytes)?;
            let pack = bundle.pack();
            if pack.name != *name {
                return Err(malformed(folder, format!("{name}{ARCHIVE} holds the pack {}", pack.name)));
            }
            let digest = Digest::parse(&pack.digest).map_err(|_| malformed(folder, name))?;
            packs.push(PackLine { name: name.clone(), revision: pack.revision.clone(), digest });
        }
        let set = PackSet { v: V1, number, issued_at, expires_at, packs };
        Ok(Self { signed: Signed::new(&set, key)?, archives })
    }
}

/// Every `<name>.tar.gz` of a folder.
fn archives_in(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, NodeError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|e| unusable(folder, e))? {
        let path = entry.map_err(|e| unusable(folder, e))?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(ARCHIVE));
        if let Some(name) = name {
            if found.len() == limits::PACKS {
                return Err(malformed(folder, format!("more than {} packs", limits::PACKS)));
            }
            found.insert(name.to_owned(), bytes_of(&path, naru_policy::limits::BUNDLE_BYTES)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use naru_policy::bundled;

    use super::*;

    #[test]
    fn a_set_is_read_from_a_file_as_from_its_folder() {
        let temp = std::env::temp_dir().join(format!("naru-supply-{}", std::process::id()));
        fs::create_dir_all(&temp).unwrap();
        let (name, bytes) = bundled::PACKS[0];
        fs::write(temp.join(format!("{name}.tar.gz")), bytes).unwrap();
        let key = SigningKey::from_seed(&[7; 32]);
        let made = Supply::of_folder(&temp, 1, (10, 20), &key).unwrap();
        assert_eq!(made.signed.read::<PackSet>().unwrap().packs[0].name, name);
        let file = temp.join("set.json");
        made.write(&file).unwrap();
        assert_eq!(Supply::read(&file).unwrap(), made);
        assert_eq!(Supply::read(&temp).unwrap_err().code(), Code::FileUnusable, "no packs.json yet");
        fs::write(temp.join(SET), serde_json::to_string(&made.signed).unwrap()).unwrap();
        assert_eq!(Supply::read(&temp).unwrap(), made);
        for broken in
            ["", "{}", "[]", r#"{"v":1,"signed":{"payload":"","signatures":[]},"archives":{"kr":"?"}}"#]
        {
            fs::write(&file, broken).unwrap();
            assert_eq!(Supply::read(&file).unwrap_err().code(), Code::Malformed, "{broken}");
        }
        fs::remove_dir_all(&temp).unwrap();
    }
}
