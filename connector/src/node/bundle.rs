//! `naru audit export`: what `log export` writes, as one file (spec chapter 09, AUD-1.12). Written beside its place and renamed:
//! an interrupted export is no export.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use naru_protocol::{encoding::to_base64url, error::Code};
use sha2::{Digest as _, Sha256};

use super::{
    Node, NodeError,
    out::outside,
    peers::random_id,
    verbs::{Bundle, Bundled, Export},
};
use crate::{
    archive::{self, ArchiveError},
    config::ConfigError,
};

impl Node {
    /// Writes the log as of now, with this node's disclosures and the answers that it holds, into one new file.
    pub async fn bundle(&self, ask: Bundle) -> Result<Bundled, NodeError> {
        absent(&ask.out)?;
        outside(&ask.out, self.folder.path())?;
        let beside = beside(&ask.out)?;
        let folder = beside.with_extension("folder");
        let made = self.bundle_into(&folder, &beside).await;
        let _ = fs::remove_dir_all(&folder);
        let done = made.and_then(|(size, bytes, digest)| {
            // Not over what came there meanwhile.
            absent(&ask.out)?;
            let io = |source| ConfigError::Io { path: ask.out.clone(), source };
            fs::rename(&beside, &ask.out).map_err(io)?;
            Ok(Bundled { file: ask.out.clone(), bytes, digest, size, origin: self.me.origin.clone() })
        });
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done
    }

    async fn bundle_into(&self, folder: &Path, file: &Path) -> Result<(u64, u64, String), NodeError> {
        let exported = self.export(Export { out: folder.to_owned() }).await?;
        let (folder, file) = (folder.to_owned(), file.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            archive::write_folder(&folder, &file).map_err(|error| refused(&file, error))?;
            digest(&file)
        });
        let (bytes, digest) =
            written.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))??;
        Ok((exported.size, bytes, digest))
    }
}

/// Refuses to write over anything.
fn absent(out: &Path) -> Result<(), NodeError> {
    match out.symlink_metadata() {
        Ok(_) => Err(NodeError::refused(Code::FileUnusable, format!("{} exists already", out.display()))),
        Err(_) => Ok(()),
    }
}

/// A name of its own beside the file asked for.
fn beside(out: &Path) -> Result<PathBuf, NodeError> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", random_id()?));
    Ok(out.with_file_name(name))
}

fn refused(file: &Path, error: ArchiveError) -> NodeError {
    match error {
        ArchiveError::Io(source) => ConfigError::Io { path: file.to_owned(), source }.into(),
        ArchiveError::Form(why) => NodeError::refused(Code::Internal, why),
        ArchiveError::Limit(why) => NodeError::refused(Code::TooLarge, why),
    }
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> Result<(u64, String), NodeError> {
    let io = |source| ConfigError::Io { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(io)?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(io)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        length += read as u64;
    }
    Ok((length, to_base64url(&hash.finalize())))
}
