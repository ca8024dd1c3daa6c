//! The names inside a node's folder, its key files, and how files are written into it.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
};

use naru_protocol::signature::SigningKey;

use super::{Config, ConfigError, Flags, Resolved, resolve, sealed};

/// The names inside a node's folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// What a command line says over `naru.toml`.
    flags: Flags,
}

/// The keys that a running node needs, and two secrets that never sign.
#[derive(Debug)]
pub struct NodeKeys {
    /// Signs tokens, acknowledgements, listings and agreements.
    pub signing: SigningKey,
    /// Signs checkpoints.
    pub log: SigningKey,
    /// The transport identity's seed.
    pub transport: Seed,
    /// Salts fields that are private to this node.
    pub private: Seed,
    /// Salts lane counters; each lane's key is derived from it.
    pub lanes: Seed,
}

/// Thirty-two secret bytes that never print.
#[derive(Clone)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The key files that a running node reads.
const NODE_KEYS: [&str; 6] = ["signing", "log", "transport", "witness", "private", "lanes"];

impl Folder {
    /// Names a folder; nothing is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), flags: Flags::default() }
    }

    /// The same with what a command line says over its file.
    #[must_use]
    pub fn with(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.join("naru.db")
    }

    /// What is on its way to standard output of a `get`.
    #[must_use]
    pub fn received(&self) -> PathBuf {
        self.join("received")
    }

    /// What was delivered, by transfer: needed to delete exactly that.
    #[must_use]
    pub fn delivered(&self) -> PathBuf {
        self.join("delivered")
    }

    /// Where a running node says how to reach it from this machine.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.join("control.json")
    }

    /// The operator's private facts: approvals, stop orders, and screening, which no rule reads yet.
    #[must_use]
    pub fn facts(&self) -> PathBuf {
        self.join("facts.json")
    }

    /// A key file.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.path.join("keys").join(format!("{name}.key"))
    }

    /// Makes the folder with fresh keys; refuses one that holds a node already.
    pub fn create(&self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        let toml = self.join("naru.toml");
        if toml.exists() {
            return Err(ConfigError::Exists { path: self.path.clone() });
        }
        let identity = self.join("identity");
        fs::create_dir_all(&identity).map_err(|source| ConfigError::Io { path: identity, source })?;
        let keys = self.join("keys");
        if !keys.is_dir() {
            crate::store::private_folder(&keys).map_err(|source| ConfigError::Io { path: keys, source })?;
        }
        for name in NODE_KEYS.into_iter().chain(["root"]) {
            let seed = random::<32>().map_err(|source| ConfigError::Io { path: self.key(name), source })?;
            self.keep_key(name, &Seed(seed))?;
        }
        let text = toml::to_string_pretty(config)
            .map_err(|e| ConfigError::Toml { path: toml.clone(), reason: e.to_string() })?;
        write_file(&toml, text.as_bytes())
    }

    /// The settings of this node: `naru.toml` with what goes over it.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Ok(self.resolved()?.config)
    }

    /// The same with the source of each.
    pub fn resolved(&self) -> Result<Resolved, ConfigError> {
        let path = self.join("naru.toml");
        if !path.exists() {
            return Err(ConfigError::Missing { path: self.path.clone() });
        }
        let text =
            fs::read_to_string(&path).map_err(|source| ConfigError::Io { path: path.clone(), source })?;
        resolve(&path, &text, &self.flags, |name| std::env::var(name).ok())
    }

    /// Reads the keys of a running node: those of its newest key set.
    pub fn keys(&self) -> Result<NodeKeys, ConfigError> {
        let newest = self.key_sets()?.last().copied().unwrap_or(1);
        Ok(NodeKeys {
            signing: SigningKey::from_seed(&self.seed_of("signing", newest)?.0),
            log: SigningKey::from_seed(&self.seed_of("log", newest)?.0),
            transport: self.seed_of("transport", newest)?,
            private: self.seed("private")?,
            lanes: self.seed("lanes")?,
        })
    }

    /// Where the index of a dataset version lies.
    #[must_use]
    pub fn published(&self, dataset: &str, version: u64) -> PathBuf {
        let name = dataset.rsplit(':').next().unwrap_or(dataset);
        self.join("published").join(format!("{name}-{version}"))
    }

    /// Numbers of the key sets that lie in `identity/`, lowest first.
    pub fn key_sets(&self) -> Result<Vec<u32>, ConfigError> {
        let path = self.join("identity");
        let io = |source| ConfigError::Io { path: path.clone(), source };
        let mut numbers = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(io)? {
                let name = entry.map_err(io)?.file_name();
                let number = name
                    .to_str()
                    .and_then(|name| name.strip_prefix("keys-")?.strip_suffix(".jws")?.parse::<u32>().ok());
                numbers.extend(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A key of a key set: the file with its number, else that of the set before which had it first.
    pub fn seed_of(&self, name: &str, number: u32) -> Result<Seed, ConfigError> {
        let sets = self.key_sets()?;
        let numbered = sets.iter().rev().filter(|set| **set <= number && **set > 1);
        let found = numbered.map(|set| format!("{name}-{set}")).find(|name| self.key(name).exists());
        self.seed(found.as_deref().unwrap_or(name))
    }

    /// Reads one key file.
    pub fn seed(&self, name: &str) -> Result<Seed, ConfigError> {
        Self::seed_in(&self.key(name))
    }

    /// Reads a key file wherever it lies.
    pub fn seed_in(path: &Path) -> Result<Seed, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        if sealed::is_sealed(&text) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            return sealed::open(name, text.trim())
                .map_err(|source| ConfigError::Sealed { path: path.to_owned(), source });
        }
        unhex(text.trim()).map(Seed).ok_or_else(|| ConfigError::Key { path: path.to_owned() })
    }

    /// Keeps a key, for its owner only; under the passphrase where the others are.
    pub fn keep_key(&self, name: &str, seed: &Seed) -> Result<(), ConfigError> {
        self.keep_key_as(name, seed, self.salt()?.as_ref())
    }

    /// Keeps a key sealed with this salt, or as it is.
    pub fn keep_key_as(
        &self,
        name: &str,
        seed: &Seed,
        salt: Option<&sealed::Salt>,
    ) -> Result<(), ConfigError> {
        let path = self.key(name);
        let text = match salt {
            Some(salt) => sealed::seal(name, seed, salt)
                .map_err(|source| ConfigError::Sealed { path: path.clone(), source })?,
            None => hex(&seed.0),
        };
        write_secret(&path, &format!("{text}\n"))
    }

    /// Names of the key files, in order.
    pub fn key_names(&self) -> Result<Vec<String>, ConfigError> {
        let path = self.join("keys");
        let io = |source| ConfigError::Io { path: path.clone(), source };
        let mut names = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(io)? {
                let name = entry.map_err(io)?.file_name();
                names.extend(name.to_str().and_then(|name| name.strip_suffix(".key")).map(str::to_owned));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What sealed key files of this folder are sealed with; none if none is.
    pub fn salt(&self) -> Result<Option<sealed::Salt>, ConfigError> {
        for name in self.key_names()? {
            let path = self.key(&name);
            let text =
                fs::read_to_string(&path).map_err(|source| ConfigError::Io { path: path.clone(), source })?;
            if sealed::is_sealed(&text) {
                let salt = sealed::Salt::of(text.trim());
                return salt.map(Some).map_err(|source| ConfigError::Sealed { path, source });
            }
        }
        Ok(None)
    }

    /// A statement that `init` signed.
    pub fn statement(&self, name: &str) -> Result<String, ConfigError> {
        let path = self.join("identity").join(name);
        let text = fs::read_to_string(&path).map_err(|source| ConfigError::Io { path, source })?;
        Ok(text.trim().to_owned())
    }

    /// Keeps a statement.
    pub fn keep_statement(&self, name: &str, jws: &str) -> Result<(), ConfigError> {
        write_file(&self.join("identity").join(name), format!("{jws}\n").as_bytes())
    }
}

/// A TCP port of this address that can be listened on now: the one that is named, or any free one for 0.
pub fn bindable(host: &str, port: u16) -> Result<u16, ConfigError> {
    let wrong = |reason: String| ConfigError::Value { field: "host", reason };
    let address: std::net::IpAddr = host
        .parse()
        .map_err(|_| wrong(format!("{host:?} is no IP address, such as 0.0.0.0 or 127.0.0.1")))?;
    let listener = TcpListener::bind((address, port)).and_then(|l| l.local_addr());
    listener.map(|a| a.port()).map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            return ConfigError::InUse { host: host.to_owned(), port };
        }
        wrong(format!("this machine cannot listen on {host} port {port}: {source}"))
    })
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// Writes a file that only its owner can read, whole: nobody ever sees half of it.
pub fn write_secret(path: &Path, text: &str) -> Result<(), ConfigError> {
    crate::store::replace(path, text.as_bytes())
        .map_err(|source| ConfigError::Io { path: path.to_owned(), source })
}

/// Writes a file whole: beside its place first, then renamed over it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
    let io = |source| ConfigError::Io { path: path.to_owned(), source };
    let beside = path.with_extension("part");
    let mut file = fs::File::create(&beside).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&beside, path).map_err(io)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}
