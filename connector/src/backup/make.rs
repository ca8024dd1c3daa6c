//! The copy of a node's folder into one file. The database is copied by SQLite as of one moment while the node goes on; the rest
//! is either never changed or replaced whole. The file is read back and compared before it gets its name.

use std::{
    fs,
    io::{Read, Write as _},
    path::{Path, PathBuf},
};

use naru_protocol::{encoding::Digest, error::Code};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{MANIFEST, Manifest, Member, Scratch, io, unpack, unusable};
use crate::{
    config::{Config, Folder},
    control::Failure,
    node::{Me, now},
    store::{Inspector, SqliteOptions, StoreError, open_private},
};

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Version of this form.
    pub v: u32,
    /// The file.
    pub out: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// How many files it holds.
    pub files: usize,
    /// Entries of the log.
    pub size: u64,
    /// Whether the root key is in it.
    pub root_key: bool,
    /// Files that `naru.toml` names outside of the folder: they are not in it.
    pub outside: Vec<PathBuf>,
}

fn store(error: &StoreError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// Makes a backup of a folder, whether its node runs or not. Never overwrites.
pub async fn make(folder: &Folder, out: &Path, root: bool) -> Result<Made, Failure> {
    let config = folder.config().map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let me = Me::read(folder, config.shard)?;
    if out.exists() {
        return Err(unusable(out, "is there already; a backup never overwrites"));
    }
    let scratch = Scratch::make(out)?;
    let copy = scratch.join("naru.db");
    let (size, checkpoint) = copied(folder, &copy, &me.origin).await?;
    let (mut sources, outside) = sources(folder, &config, root)?;
    if copy.exists() {
        sources.push(("naru.db".to_owned(), Content::File(copy)));
    }
    sources.sort_by(|a, b| a.0.cmp(&b.0));
    let manifest = Manifest {
        v: 1,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: now(),
        did: me.did.to_string(),
        name: config.name,
        origin: me.origin.clone(),
        size,
        checkpoint,
        files: sources.iter().map(|(path, content)| content.member(path)).collect::<Result<_, _>>()?,
    };
    let (place, out) = (scratch.join("backup.tar"), out.to_owned());
    let work = move || {
        write(&place, &manifest, &sources)?;
        // A backup that was never read is none.
        unpack::verify(&place)?;
        fs::rename(&place, &out).map_err(io(&out))?;
        let bytes = fs::metadata(&out).map_err(io(&out))?.len();
        let root_key = manifest.files.iter().any(|file| file.path == "keys/root.key");
        Ok(Made { v: 1, out, bytes, files: manifest.files.len(), size: manifest.size, root_key, outside })
    };
    let made = tokio::task::spawn_blocking(work).await;
    drop(scratch);
    made.map_err(|e| Failure::new(Code::Internal, e.to_string()))?
}

/// Copies the database as of one moment, and gives the head of the log in the copy.
async fn copied(folder: &Folder, copy: &Path, origin: &str) -> Result<(u64, Option<String>), Failure> {
    let options = SqliteOptions::in_folder(folder.path());
    if !options.database.exists() {
        return Ok((0, None));
    }
    let mut inspector = Inspector::open(&options.database).await.map_err(|e| store(&e))?;
    inspector.schema().await.map_err(|e| store(&e))?;
    inspector.copy_to(copy).await.map_err(|e| store(&e))?;
    inspector.close().await.map_err(|e| store(&e))?;
    let mut inspector = Inspector::open(copy).await.map_err(|e| store(&e))?;
    // Compared before the node wrote more: what the file says was signed must be in the copy.
    let logged = inspector.log(origin, Path::new("")).await.map_err(|e| store(&e))?;
    inspector.close().await.map_err(|e| store(&e))?;
    Ok(logged.head.map_or((0, None), |head| (head.size, Some(head.note))))
}

/// What goes into the file: bytes read once, or a file that nobody changes.
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Content {
    fn open(&self) -> Result<Box<dyn Read + '_>, Failure> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(bytes.as_slice()),
            Self::File(path) => Box::new(fs::File::open(path).map_err(io(path))?),
        })
    }

    fn member(&self, path: &str) -> Result<Member, Failure> {
        let mut from = self.open()?;
        let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = from.read(&mut buffer).map_err(io(Path::new(path)))?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
            hasher.update(part);
            size += u64::try_from(part.len()).unwrap_or_default();
        }
        Ok(Member { path: path.to_owned(), size, sha256: Digest(hasher.finalize().into()) })
    }
}

type Sources = Vec<(String, Content)>;

/// Everything but the database, and what lies elsewhere. Wrapping keys are read after the database was copied: they are made
/// ahead of what they wrap.
fn sources(folder: &Folder, config: &Config, root: bool) -> Result<(Sources, Vec<PathBuf>), Failure> {
    let mut sources = Vec::new();
    for name in ["naru.toml", "facts.json", "erasable.keys"] {
        small(folder, name, &mut sources)?;
    }
    for name in ["keys", "identity"] {
        for file in listed(&folder.join(name))? {
            let name = format!("{name}/{file}");
            if root || name != "keys/root.key" {
                small(folder, &name, &mut sources)?;
            }
        }
    }
    // Without the packs that were accepted, and overlays that ever decided, nothing could be executed again.
    for file in listed(&folder.join("packs"))? {
        small(folder, &format!("packs/{file}"), &mut sources)?;
    }
    let mut outside = Vec::new();
    let overlays = config.policy.iter().flat_map(|policy| policy.overlays().map(PathBuf::from));
    let https = config.https.iter().flat_map(|https| [https.certificate.clone(), https.key.clone()]);
    for path in https.chain(overlays) {
        match path.to_str().filter(|text| unpack::is_plain(text)) {
            Some(name) => small(folder, name, &mut sources)?,
            None => outside.push(path.clone()),
        }
    }
    let published = folder.join("published");
    for version in listed(&published)? {
        for file in listed(&published.join(&version))? {
            let path = published.join(&version).join(&file);
            let name = format!("published/{version}/{file}");
            if !path.is_dir() {
                sources.push((name, Content::File(path)));
                continue;
            }
            // A copy of the published files: without it nobody could be given what was agreed.
            for file in listed(&path)? {
                sources.push((format!("{name}/{file}"), Content::File(path.join(&file))));
            }
        }
    }
    Ok((sources, outside))
}

fn small(folder: &Folder, name: &str, sources: &mut Sources) -> Result<(), Failure> {
    let path = folder.join(name);
    if path.exists() && !sources.iter().any(|(known, _)| known == name) {
        sources.push((name.to_owned(), Content::Bytes(fs::read(&path).map_err(io(&path))?)));
    }
    Ok(())
}

/// Names in a folder, in order; none if there is no such folder.
fn listed(folder: &Path) -> Result<Vec<String>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let name = entry.map_err(io(folder))?.file_name();
        let name = name.into_string().map_err(|_| unusable(folder, "holds a name that is not UTF-8"))?;
        // What is being written now is not yet anything.
        if ![".new", ".part", ".building"].iter().any(|end| name.ends_with(end)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn write(place: &Path, manifest: &Manifest, sources: &Sources) -> Result<(), Failure> {
    let failed = io(place);
    let file = open_private(place).map_err(&failed)?;
    let mut tar = tar::Builder::new(std::io::BufWriter::new(file));
    let text = serde_json::to_vec_pretty(manifest).map_err(|e| unusable(place, e))?;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    append(&mut tar, MANIFEST, length, text.as_slice()).map_err(&failed)?;
    for ((path, content), member) in sources.iter().zip(&manifest.files) {
        append(&mut tar, path, member.size, content.open()?.take(member.size)).map_err(&failed)?;
    }
    let mut file = tar.into_inner().map_err(&failed)?;
    file.flush().map_err(&failed)?;
    file.get_ref().sync_all().map_err(&failed)
}

fn append(
    tar: &mut tar::Builder<impl std::io::Write>,
    path: &str,
    size: u64,
    content: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, path, content)
}
