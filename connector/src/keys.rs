//! The keys of a node's folder: which there are, and a new set of them, signed by the root (spec chapter 02, ID-5, ID-6).
//!
//! A rotation makes new keys for signing, the log and witnessing; the transport key, by which peers find the node, stays. Files of
//! the new set have its number in their names, and its statement is written last: a rotation that breaks off has changed
//! nothing. Old signing keys stay, for answers that were promised under them. The node must not run meanwhile; it tells its peers
//! by signing under the new number, and they fetch the set (API-1.4). A rotation revokes nothing; what does is in `revoke`.
//!
//! Key files can be put under a passphrase (`config/sealed`) and taken out of it again; what breaks off in the middle leaves files
//! of both kinds under one passphrase, which reads on and is finished by doing it again.

use naru_protocol::{
    error::Code,
    identity::{KeySet, Revocation, fingerprint, verify_key_set},
    json::V1,
    jws::sign_compact,
    signature::SigningKey,
};
use serde::Serialize;

mod revoke;

pub use self::revoke::{Revoke, Revoked, revoke};
use crate::{
    config::{
        ConfigError, Folder, Seed, random,
        sealed::{self, Salt},
    },
    control::Failure,
    node::{Me, now},
    store::{FolderLock, StoreError},
};

/// The keys of a node, public parts only.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Version of this form.
    pub v: u32,
    /// Root identity.
    pub did: String,
    /// What partners compare.
    pub fingerprint: String,
    /// Identity on the network.
    pub peer_id: String,
    /// Where the root key lies; none if it is kept elsewhere.
    pub root: Option<std::path::PathBuf>,
    /// Key files are under a passphrase.
    pub sealed: bool,
    /// All key sets, oldest first; the last one signs.
    pub sets: Vec<Set>,
}

/// One key set.
#[derive(Debug, Clone, Serialize)]
pub struct Set {
    /// Its number.
    pub number: u32,
    /// From when on it counts, seconds.
    pub valid_from: u64,
    /// From when on it counts no longer, seconds; none if it was not revoked.
    pub revoked_at: Option<u64>,
    /// Key that signs tokens, answers, listings and agreements.
    pub signing: String,
    /// Key that signs checkpoints.
    pub log: String,
    /// Key of the network identity.
    pub transport: String,
    /// Key that cosigns checkpoints of others.
    pub witness: String,
}

fn config(error: &ConfigError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn store(error: &StoreError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// What there is.
pub fn show(folder: &Folder) -> Result<Shown, Failure> {
    let me = Me::read(folder, folder.config().map_err(|e| config(&e))?.shard)?;
    let set = |set: &KeySet| Set {
        number: set.number,
        valid_from: set.valid_from,
        revoked_at: me.ring.revocation(set.number).map(|revocation| revocation.at),
        signing: set.signing.to_string(),
        log: set.log.to_string(),
        transport: set.transport.to_string(),
        witness: set.witness.to_string(),
    };
    Ok(Shown {
        v: 1,
        did: me.did.to_string(),
        fingerprint: fingerprint(&me.did),
        peer_id: naru_protocol::identity::peer_id(&me.keys.transport),
        root: Some(folder.key("root")).filter(|path| path.exists()),
        sealed: folder.salt().map_err(|e| config(&e))?.is_some(),
        sets: me.ring.sets().map(set).collect(),
    })
}

/// Puts all key files of a folder under a passphrase.
pub fn lock(folder: &Folder) -> Result<Shown, Failure> {
    let _lock = stopped(folder)?;
    let unsealed = |source| Failure::new(Code::KeysSealed, format!("{source}"));
    let salt = match folder.salt().map_err(|e| config(&e))? {
        Some(salt) => salt,
        None => {
            sealed::choose().map_err(unsealed)?;
            Salt::fresh().map_err(|e| Failure::new(Code::FileUnusable, e.to_string()))?
        }
    };
    rewrite(folder, Some(&salt))
}

/// Takes all key files of a folder out of their passphrase.
pub fn unlock(folder: &Folder) -> Result<Shown, Failure> {
    let _lock = stopped(folder)?;
    rewrite(folder, None)
}

fn rewrite(folder: &Folder, salt: Option<&Salt>) -> Result<Shown, Failure> {
    folder.config().map_err(|e| config(&e))?;
    let names = folder.key_names().map_err(|e| config(&e))?;
    // All are read before one is written: a wrong passphrase changes nothing.
    let read = |name: String| Ok::<_, Failure>((folder.seed(&name).map_err(|e| config(&e))?, name));
    let seeds = names.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for (seed, name) in &seeds {
        folder.keep_key_as(name, seed, salt).map_err(|e| config(&e))?;
    }
    show(folder)
}

fn stopped(folder: &Folder) -> Result<FolderLock, Failure> {
    FolderLock::acquire(folder.path()).map_err(|e| {
        store(&e).hint("Stop the node first (`naru stop`); it reads its keys when it is started again.")
    })
}

/// Makes the next key set. `root` is the file with the root key, where it is not in the folder.
pub fn rotate(folder: &Folder, root: Option<&std::path::Path>) -> Result<Shown, Failure> {
    let _lock = stopped(folder)?;
    let me = Me::read(folder, folder.config().map_err(|e| config(&e))?.shard)?;
    let root = root_key(folder, &me, root)?;
    // ID-6.4: nothing is taken back.
    let revoked = me.keys.revoked.clone();
    next_set(folder, &me, &root, Transport::Stays, revoked)?;
    show(folder)
}

/// The root key, from where it is kept.
fn root_key(folder: &Folder, me: &Me, root: Option<&std::path::Path>) -> Result<SigningKey, Failure> {
    let path = root.map_or_else(|| folder.key("root"), std::path::Path::to_owned);
    let seed = Folder::seed_in(&path).map_err(|e| {
        Failure::new(Code::KeyFileUnusable, e.to_string())
            .hint("Name the file with the root key by --root, from where it is kept.")
    })?;
    let root = SigningKey::from_seed(&seed.0);
    if root.public() != *me.did.root_key() {
        let said = format!("{} is not the root key of {}", path.display(), me.did);
        return Err(Failure::new(Code::KeyFileUnusable, said));
    }
    Ok(root)
}

/// Whether the node keeps the identity by which peers find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Stays,
    Fresh,
}

/// Makes keys and, last, the statement that makes them count.
fn next_set(
    folder: &Folder,
    me: &Me,
    root: &SigningKey,
    transport: Transport,
    revoked: Vec<Revocation>,
) -> Result<(), Failure> {
    let number = me.keys.number.checked_add(1);
    let number = number.ok_or_else(|| Failure::new(Code::KeysRefused, "there is no higher number"))?;
    let fresh = |name: &str| {
        let seed = random::<32>().map(Seed).map_err(|e| Failure::new(Code::FileUnusable, e.to_string()))?;
        folder.keep_key(&format!("{name}-{number}"), &seed).map_err(|e| config(&e))?;
        Ok::<_, Failure>(SigningKey::from_seed(&seed.0).public())
    };
    let set = KeySet {
        v: V1,
        iss: me.did,
        number,
        signing: fresh("signing")?,
        log: fresh("log")?,
        transport: match transport {
            Transport::Stays => me.keys.transport,
            Transport::Fresh => fresh("transport")?,
        },
        witness: fresh("witness")?,
        valid_from: now().max(me.keys.valid_from),
        revoked,
    };
    let text = sign_compact(&set, 0, root).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let refused = |e: naru_protocol::identity::IdentityError| Failure::new(e.code(), e.to_string());
    // As every peer will judge it.
    me.ring.clone().accept(&verify_key_set(&text).map_err(refused)?).map_err(refused)?;
    folder.keep_statement(&format!("keys-{number}.jws"), &text).map_err(|e| config(&e))
}
