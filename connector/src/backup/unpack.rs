//! A backup read back: every file in the order of the manifest, with the length and the digest that it says, and nothing else.
//!
//! Whoever made the file is not believed: no name leads out of the folder, no link is followed, nothing is written that the
//! manifest does not list.

use std::{
    fs,
    io::{Read, Write},
    path::{Component, Path},
};

use naru_protocol::{encoding::Digest, error::Code};
use sha2::{Digest as _, Sha256};

use super::{MANIFEST, MANIFEST_BYTES, Manifest, Member, io};
use crate::{control::Failure, store::open_private};

fn bad(why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::BackupInvalid, why.to_string())
}

/// Whether a path is relative, below its folder, and written with `/`.
pub(super) fn is_plain(path: &str) -> bool {
    let parts = Path::new(path).components();
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && parts.clone().all(|part| matches!(part, Component::Normal(_)))
        && parts.count() == path.split('/').count()
}

/// Reads a whole backup; gives its manifest if all of it holds.
pub(super) fn verify(file: &Path) -> Result<Manifest, Failure> {
    read(file, |_| Ok(Box::new(std::io::sink())))
}

/// Writes a whole backup into a folder that is new; what is there after an error is of no use.
pub(super) fn unpack(file: &Path, into: &Path) -> Result<Manifest, Failure> {
    read(file, |member| {
        let path = into.join(&member.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io(parent))?;
        }
        Ok(Box::new(open_private(&path).map_err(io(&path))?))
    })
}

type Target = Box<dyn Write>;

fn read(file: &Path, target: impl Fn(&Member) -> Result<Target, Failure>) -> Result<Manifest, Failure> {
    let opened = fs::File::open(file).map_err(io(file))?;
    let mut archive = tar::Archive::new(std::io::BufReader::new(opened));
    let broken = |e: std::io::Error| bad(format!("{}: {e}", file.display()));
    let mut entries = archive.entries().map_err(broken)?;
    let mut first = entries.next().ok_or_else(|| bad("it is empty"))?.map_err(broken)?;
    if *first.path_bytes() != *MANIFEST.as_bytes() || first.size() > MANIFEST_BYTES {
        return Err(bad(format!("{} does not begin with {MANIFEST}", file.display())));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(broken)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| bad(format!("{MANIFEST}: {e}")))?;
    if manifest.v != 1 {
        return Err(bad(format!("it is of version {}; this program reads version 1", manifest.v)));
    }
    for member in &manifest.files {
        if !is_plain(&member.path) {
            return Err(bad(format!("{:?} is no name of a file in a node's folder", member.path)));
        }
        let mut entry =
            entries.next().ok_or_else(|| bad(format!("{} is missing", member.path)))?.map_err(broken)?;
        let same = *entry.path_bytes() == *member.path.as_bytes()
            && entry.size() == member.size
            && entry.header().entry_type().is_file();
        if !same {
            return Err(bad(format!("{} is not where the manifest has it", member.path)));
        }
        let mut to = target(member)?;
        if copy(&mut entry, &mut to, file)? != member.sha256 {
            return Err(bad(format!("{} is not what the manifest says", member.path)));
        }
    }
    match entries.next() {
        None => Ok(manifest),
        Some(_) => Err(bad("it holds more than its manifest says")),
    }
}

fn copy(from: &mut impl Read, to: &mut Target, file: &Path) -> Result<Digest, Failure> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = from.read(&mut buffer).map_err(|e| bad(format!("{}: {e}", file.display())))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        to.write_all(part).map_err(io(file))?;
    }
    to.flush().map_err(io(file))?;
    Ok(Digest(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for plain in ["naru.toml", "keys/root.key", "published/가-1/index"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "/etc/passwd", "../x", "keys/../../x", "./x", "a//b", "a/", "a\\b", "a/./b"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
