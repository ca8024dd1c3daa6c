//! A node out of a backup: in a new folder, and with a new log.
//!
//! A copy does not know what its node signed after it was made; going on with its log could sign a second history. So the log
//! of the copy is exported for auditors as it is, and the node begins the next shard, whose genesis names the last note that
//! the copy knows (spec chapter 08, LOG-9.3). Acts that peers hold from after the backup are not adopted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use naru_protocol::{
    error::Code,
    log::checkpoint::{Origin, SignedCheckpoint},
};
use serde::Serialize;

use super::{Manifest, Scratch, io, unpack, unusable};
use crate::{
    config::{Folder, write_secret},
    control::Failure,
    node::{Me, Node, verbs::Export},
    store::{Dropped, Inspector, SqliteOptions, StoreError, reshard},
};

/// What was restored.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// Version of this form.
    pub v: u32,
    /// The new folder.
    pub dir: PathBuf,
    /// The participant.
    pub did: String,
    /// Its name.
    pub name: String,
    /// The log that begins now.
    pub origin: String,
    /// Entries of the earlier log that the backup knows.
    pub superseded: u64,
    /// Where the earlier log lies, exported for auditors.
    pub earlier: Option<PathBuf>,
    /// What is not gone on with.
    pub dropped: Dropped,
}

fn store(error: &StoreError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn config(error: &crate::config::ConfigError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// Makes a folder from a backup. `shard` is the number of the new log; the one after the backup's otherwise.
pub async fn restore(file: &Path, dir: &Path, shard: Option<u32>) -> Result<Restored, Failure> {
    if dir.join("naru.toml").exists() {
        let said = format!("{} holds a node; a backup is restored into a new folder", dir.display());
        return Err(Failure::new(Code::AlreadyInitialised, said));
    }
    if dir.exists() && fs::read_dir(dir).map_err(io(dir))?.next().is_some() {
        return Err(unusable(dir, "is not empty; a backup is restored into a new folder"));
    }
    let scratch = Scratch::make(dir)?;
    let (from, into) = (file.to_owned(), scratch.path().to_owned());
    let unpacked = tokio::task::spawn_blocking(move || unpack::unpack(&from, &into)).await;
    let manifest = unpacked.map_err(|e| Failure::new(Code::Internal, e.to_string()))??;
    let folder = Folder::new(scratch.path());
    let before = verify(&folder, &manifest).await?;
    let next = following(before.shard, shard)?;
    let (earlier, dropped) = match &manifest.checkpoint {
        None => (None, Dropped { exchanges: 0, tickets: 0 }),
        Some(note) => {
            let database = SqliteOptions::in_folder(folder.path()).database;
            reshard::seal(&database).await.map_err(|e| store(&e))?;
            let name = export(&folder, &before, dir).await?;
            let dropped = reshard::reshard(&database, Some(note)).await.map_err(|e| store(&e))?;
            (Some(dir.join(name)), dropped)
        }
    };
    number(&folder, next)?;
    if dir.exists() {
        fs::remove_dir(dir).map_err(io(dir))?;
    }
    scratch.keep(dir)?;
    Ok(Restored {
        v: 1,
        dir: dir.to_owned(),
        did: manifest.did,
        name: manifest.name,
        origin: Origin { shard: next, ..before }.to_string(),
        superseded: manifest.size,
        earlier,
        dropped,
    })
}

/// The number of the new log: higher than that of any log that may have been signed.
fn following(before: u32, asked: Option<u32>) -> Result<u32, Failure> {
    let wrong = |why: &str| Failure::new(Code::ArgumentInvalid, why);
    match asked.or_else(|| before.checked_add(1)) {
        Some(next) if next > before => Ok(next),
        Some(_) => {
            Err(wrong(&format!("--shard must be above {before}, the number of the log in the backup")))
        }
        None => Err(wrong("there is no number above that of the log in the backup")),
    }
}

/// What was unpacked belongs together: keys, statements, database and manifest.
async fn verify(folder: &Folder, manifest: &Manifest) -> Result<Origin, Failure> {
    let bad = |why: String| Failure::new(Code::BackupInvalid, why);
    let origin = Origin::parse(&manifest.origin).map_err(|e| bad(format!("origin: {e}")))?;
    let shard = folder.config().map_err(|e| config(&e))?.shard;
    let me = Me::read(folder, shard)?;
    if me.origin != manifest.origin || me.did.to_string() != manifest.did {
        return Err(bad("its keys or settings are not those of its manifest".to_owned()));
    }
    let options = SqliteOptions::in_folder(folder.path());
    let Some(note) = &manifest.checkpoint else { return Ok(origin) };
    let mut inspector = Inspector::open(&options.database).await.map_err(|e| store(&e))?;
    inspector.schema().await.map_err(|e| store(&e))?;
    inspector.integrity().await.map_err(|e| store(&e))?;
    let logged = inspector.log(&me.origin, &options.high_water).await.map_err(|e| store(&e))?;
    inspector.close().await.map_err(|e| store(&e))?;
    let signed = me
        .ring
        .log_keys()
        .into_iter()
        .find_map(|key| SignedCheckpoint::open_own(note.as_bytes(), &origin.key(key).ok()?).ok());
    let same = |signed: SignedCheckpoint| {
        logged.head.as_ref().is_some_and(|head| head.size == signed.size() && head.root == *signed.root())
            && signed.size() == manifest.size
    };
    if signed.is_some_and(same) {
        Ok(origin)
    } else {
        Err(bad("its database does not hold the log that its manifest names".to_owned()))
    }
}

/// Exports the log of the copy as it is, and leaves nothing else; gives its name in the folder.
async fn export(folder: &Folder, before: &Origin, dir: &Path) -> Result<String, Failure> {
    // An export goes outside of the folder that it is of.
    let log = Scratch::make(dir)?;
    let node = Node::still(folder, before.shard).await?;
    let exported = node.export(Export { out: log.join("log") }).await;
    node.close().await?;
    exported?;
    let name = format!("earlier/{}", before.shard);
    let earlier = folder.join("earlier");
    fs::create_dir_all(&earlier).map_err(io(&earlier))?;
    fs::rename(log.join("log"), folder.join(&name)).map_err(io(&earlier))?;
    for left in ["high-water.json", "naru.lock"] {
        let path = folder.join(left);
        if path.exists() {
            fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    Ok(name)
}

/// Writes the number of the new log into `naru.toml`; everything else in it, comments too, stays.
fn number(folder: &Folder, shard: u32) -> Result<(), Failure> {
    let path = folder.join("naru.toml");
    let text = fs::read_to_string(&path).map_err(io(&path))?;
    let mut first = true;
    let lines = text.lines().map(|line| {
        first &= !line.trim_start().starts_with('[');
        let key = line.split('=').next().unwrap_or_default().trim();
        if first && key == "shard" { format!("shard = {shard}") } else { line.to_owned() }
    });
    let lines: String = lines.map(|line| line + "\n").collect();
    write_secret(&path, &lines).map_err(|e| config(&e))?;
    match folder.config().map_err(|e| config(&e))?.shard {
        written if written == shard => Ok(()),
        _ => Err(Failure::new(
            Code::ConfigInvalid,
            format!("{}: shard stands at no line of its own", path.display()),
        )),
    }
}
