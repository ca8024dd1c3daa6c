//! The folder of a node: `naru.toml`, key files and the names of everything else in it.
//!
//! Keys are 32-byte seeds in hexadecimal, one file each, readable by the owner only. The root key signs statements in
//! `identity/` at `init` and is not needed while the node runs: it may be moved away. Does not open the database.

mod approval;
mod https;
mod management;

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
};

use naru_protocol::{error::Code, signature::SigningKey};
use serde::{Deserialize, Serialize};

pub use self::{
    approval::Approvals,
    https::{Https, Shown},
    management::Management,
};

/// What is wrong with the folder, in words for the person who runs the node.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `naru.toml`, or a file that it names, is not what it should be.
    #[error("{path}: {reason}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// A key file does not hold 64 hexadecimal digits.
    #[error("{path}: not a key file (64 hexadecimal digits)")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// `init` never overwrites.
    #[error("{path} already holds a node; choose another folder")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no node.
    #[error("{path} holds no node; run `naru init --dir {path}` first")]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another program listens there.
    #[error("{host} port {port}: another program listens there")]
    InUse {
        /// The address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A value is outside what the protocol allows.
    #[error("{field}: {reason}")]
    Value {
        /// The member of `naru.toml` or the flag.
        field: &'static str,
        /// Why not.
        reason: String,
    },
}

impl ConfigError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::InUse { .. } => Code::PortInUse,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Code::DiskFull,
            Self::Io { .. }
            | Self::Toml { .. }
            | Self::Key { .. }
            | Self::Exists { .. }
            | Self::Missing { .. }
            | Self::Value { .. } => Code::ConfigInvalid,
        }
    }
}

/// `naru.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this file's form.
    pub version: u8,
    /// The firm's name, self-declared.
    pub name: String,
    /// ISO 3166-1 alpha-2, self-declared.
    pub country: String,
    /// `sme`, `mid` or `large`, self-declared.
    pub size: String,
    /// The log's shard number; a restored node opens the next one.
    pub shard: u32,
    /// Where peers reach this node.
    pub listen: Listen,
    /// Where they reach it by HTTPS; without it, that door stays closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<Https>,
    /// What happens when a deal waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approvals>,
    /// Where programs on this machine reach the running node; without it, at a port that the system chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
}

/// Where peers reach this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address to bind.
    pub host: String,
    /// The port that `init` found free; 0 means that this node only dials out.
    pub port: u16,
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: &str| Err(ConfigError::Value { field, reason: reason.to_owned() });
        if self.version != 1 {
            return value("version", "this binary reads version 1");
        }
        if self.name.is_empty() || self.name.len() > 200 || self.name.chars().any(char::is_control) {
            return value("name", "1 to 200 bytes, no control characters");
        }
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_uppercase()) {
            return value("country", "two capital letters (ISO 3166-1), such as KR");
        }
        if !["sme", "mid", "large"].contains(&self.size.as_str()) {
            return value("size", "one of sme, mid, large");
        }
        self.approval.as_ref().map_or(Ok(()), Approvals::check)?;
        self.https.as_ref().map_or(Ok(()), Https::check)
    }

    /// The multiaddr to bind, none when the node only dials out.
    #[must_use]
    pub fn multiaddr(&self) -> Option<String> {
        let kind = if self.listen.host.contains(':') { "ip6" } else { "ip4" };
        (self.listen.port != 0).then(|| format!("/{kind}/{}/tcp/{}", self.listen.host, self.listen.port))
    }
}

/// The names inside a node's folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

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
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file or folder inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.join("naru.db")
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

    fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(format!("{name}.key"))
    }

    /// Makes the folder with fresh keys; refuses one that holds a node already.
    pub fn create(&self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        let toml = self.join("naru.toml");
        if toml.exists() {
            return Err(ConfigError::Exists { path: self.0.clone() });
        }
        for folder in ["keys", "identity"] {
            let path = self.join(folder);
            fs::create_dir_all(&path).map_err(|source| ConfigError::Io { path, source })?;
        }
        for name in NODE_KEYS.into_iter().chain(["root"]) {
            let seed = random::<32>().map_err(|source| ConfigError::Io { path: self.key(name), source })?;
            write_secret(&self.key(name), &format!("{}\n", hex(&seed)))?;
        }
        let text = toml::to_string_pretty(config)
            .map_err(|e| ConfigError::Toml { path: toml.clone(), reason: e.to_string() })?;
        write_file(&toml, text.as_bytes())
    }

    /// Reads `naru.toml`.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let path = self.join("naru.toml");
        if !path.exists() {
            return Err(ConfigError::Missing { path: self.0.clone() });
        }
        let text =
            fs::read_to_string(&path).map_err(|source| ConfigError::Io { path: path.clone(), source })?;
        let config: Config =
            toml::from_str(&text).map_err(|e| ConfigError::Toml { path, reason: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Reads the keys of a running node.
    pub fn keys(&self) -> Result<NodeKeys, ConfigError> {
        Ok(NodeKeys {
            signing: SigningKey::from_seed(&self.seed("signing")?.0),
            log: SigningKey::from_seed(&self.seed("log")?.0),
            transport: self.seed("transport")?,
            private: self.seed("private")?,
            lanes: self.seed("lanes")?,
        })
    }

    /// Reads one key file.
    pub fn seed(&self, name: &str) -> Result<Seed, ConfigError> {
        let path = self.key(name);
        let text =
            fs::read_to_string(&path).map_err(|source| ConfigError::Io { path: path.clone(), source })?;
        unhex(text.trim()).map(Seed).ok_or(ConfigError::Key { path })
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

fn hex(bytes: &[u8]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            version: 1,
            name: "한강모터스".into(),
            country: "KR".into(),
            size: "sme".into(),
            shard: 1,
            listen: Listen { host: "127.0.0.1".into(), port: 4100 },
            https: Some(Https::of_init("127.0.0.1:4443".parse().unwrap(), "localhost")),
            approval: None,
            management: None,
        }
    }

    #[test]
    fn a_folder_is_made_once_and_its_keys_are_private() {
        let dir = std::env::temp_dir().join(format!("naru-config-{}", std::process::id()));
        let folder = Folder::new(&dir);
        folder.create(&config()).unwrap();
        assert_eq!(folder.config().unwrap(), config());
        assert!(matches!(folder.create(&config()), Err(ConfigError::Exists { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(folder.key("root")).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!format!("{:?}", folder.keys().unwrap()).contains(&hex(&folder.seed("private").unwrap().0)));
        fs::write(folder.key("log"), "zz").unwrap();
        assert!(matches!(folder.keys(), Err(ConfigError::Key { .. })));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_address_that_cannot_be_listened_on_is_refused_before_anything_is_made() {
        let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(matches!(bindable("127.0.0.1", port), Err(ConfigError::InUse { .. })));
        assert_ne!(bindable("127.0.0.1", 0).unwrap(), 0);
        // TEST-NET-1 is nobody's; names are not looked up.
        for host in ["192.0.2.1", "localhost", "", "/ip4/0.0.0.0"] {
            let error = bindable(host, 0).unwrap_err();
            assert_eq!(error.code(), Code::ConfigInvalid, "{host}");
            assert!(error.to_string().starts_with("host: "), "{error}");
        }
    }

    #[test]
    fn a_folder_of_before_has_no_https_door() {
        let without = toml::to_string(&Config { https: None, ..config() }).unwrap();
        assert!(!without.contains("https"));
        assert_eq!(toml::from_str::<Config>(&without).unwrap().https, None);
        let text = toml::to_string(&config()).unwrap();
        for (from, to) in
            [("127.0.0.1:4443", "localhost:4443"), ("certificate", "cert"), ("/cert.pem", "/cert.pem\nx")]
        {
            assert!(toml::from_str::<Config>(&text.replace(from, to)).is_err(), "{to}");
        }
        let slash = Https { url: "https://a/".into(), ..config().https.unwrap() };
        let error = Config { https: Some(slash), ..config() }.check().unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
    }

    #[test]
    fn values_outside_the_protocol_are_named() {
        for (country, size) in [("kr", "sme"), ("KOR", "sme"), ("KR", "tiny")] {
            let bad = Config { country: country.into(), size: size.into(), ..config() };
            assert!(matches!(bad.check(), Err(ConfigError::Value { .. })), "{country} {size}");
        }
    }
}
