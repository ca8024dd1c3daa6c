//! The folder of a node: `naru.toml`, key files and the names of everything else in it.
//!
//! Keys are 32-byte seeds in hexadecimal, one file each, readable by the owner only. The root key signs statements in
//! `identity/` at `init` and is not needed while the node runs: it may be moved away. Does not open the database.
//!
//! | file | what |
//! |---|---|
//! | `documented` | settings with their docs, for the example |
//! | `layers` | flags over environment over file over defaults, and where each setting comes from |
//! | `example` | `naru config example` |
//! | `folder` | names and key files of a node's folder |
//! | `approval` | the table `[approval]` |
//! | `monitor` | the table `[monitor]` |
//! | `packs` | the table `[packs]` |
//! | `management` | the table `[management]` |
//! | `telemetry` | the table `[telemetry]` |
//! | `sealed` | key files under a passphrase |
//! | `policy` | the table `[policy]` |
//! | `network` | the table `[network]` |
//! | `publish` | the table `[publish]` |
//! | `obligations` | the table `[obligations]` |
//! | `https` | the table `[https]` and its certificate |

mod about;
mod approval;
pub mod documented;
mod example;
mod folder;
mod https;
mod layers;
mod management;
mod monitor;
mod network;
mod obligations;
mod packs;
mod policy;
mod publish;
pub mod sealed;
mod telemetry;

use std::path::PathBuf;

use naru_protocol::error::Code;

use self::documented::{Documented, Table, documented};
pub use self::{
    about::About,
    approval::Approvals,
    example::example,
    folder::{Folder, NodeKeys, Seed, bindable, random, write_file, write_secret},
    https::{Https, Shown},
    layers::{Flags, Resolved, Setting, Source, fields, resolve, variable},
    management::Management,
    monitor::Monitor,
    network::{Network, RelayFor},
    obligations::{Deleting, Obligations},
    packs::Packs,
    policy::Policy,
    publish::Publishing,
    telemetry::Telemetry,
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
    /// A key file is sealed and cannot be opened, or cannot be sealed.
    #[error("{path}: {source}")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: sealed::SealError,
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
    /// Another version of this program made the folder.
    #[error("{path} is of version {found}; this program reads version {reads}")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: i64,
        /// What is read here.
        reads: i64,
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
            Self::Exists { .. } => Code::AlreadyInitialised,
            Self::Missing { .. } => Code::NotInitialised,
            Self::Version { .. } => Code::FolderVersion,
            Self::Sealed { .. } => Code::KeysSealed,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Code::DiskFull,
            Self::Io { .. } | Self::Toml { .. } | Self::Key { .. } | Self::Value { .. } => {
                Code::ConfigInvalid
            }
        }
    }
}

documented! {
    /// `naru.toml`.
    pub struct Config {
        /// Version of this file's form.
        version: u8 = "1";
        /// The firm's name, self-declared; partners see the one that `naru init` signed.
        name: String = "\"한강모터스\"";
        /// ISO 3166-1 alpha-2, self-declared; as signed by `naru init`.
        country: String = "\"KR\"";
        /// `sme`, `mid` or `large`, self-declared; as signed by `naru init`.
        size: String = "\"sme\"";
        /// The log's shard number. `naru restore` opens the next one; never change it by hand.
        shard: u32 = "1";
        tables {
            /// Where peers reach this node.
            listen: Listen;
            /// How this node gets out of its firm's network, and in.
            #[serde(default, skip_serializing_if = "Network::is_default")]
            network: Network;
            /// Where they reach it by HTTPS; without it, that door stays closed.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            https: Option<Https>;
            /// What happens when a deal waits for a person.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            approval: Option<Approvals>;
            /// Where programs on this machine reach the running node; without it, at a port that the system chooses.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            management: Option<Management>;
            /// What this firm says of itself where it asks for data; without it, nothing but name, country and size.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            about: Option<About>;
            /// How much is published at once; without it, what the protocol allows.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            publish: Option<Publishing>;
            /// What is done about duties that are due; without it, a person is asked.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            obligations: Option<Obligations>;
            /// What becomes of agreements in force that the law no longer allows.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            monitor: Option<Monitor>;
            /// Who may sign newer packs of rules, and the data that rules read; without it, nobody.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            packs: Option<Packs>;
            /// Who hears what this node is at; without it, nobody.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            telemetry: Option<Telemetry>;
            /// Rules of your own beside the law's; without it, none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            policy: Option<Policy>;
        }
    }
}

documented! {
    /// Where peers reach this node.
    pub struct Listen {
        /// The address to bind.
        host: String = "\"0.0.0.0\"" default;
        /// The port that `init` found free; 0 means that this node only dials out.
        port: u16 = "4801";
    }
}

/// The tables of `naru.toml`, in the order of the example.
pub const TABLES: &[Table] = &[
    table::<Listen>("listen", false),
    table::<Network>("network", true),
    table::<Https>("https", true),
    table::<Approvals>("approval", true),
    table::<Management>("management", true),
    table::<About>("about", true),
    table::<Publishing>("publish", true),
    table::<Obligations>("obligations", true),
    table::<Monitor>("monitor", true),
    table::<Packs>("packs", true),
    table::<Telemetry>("telemetry", true),
    table::<Policy>("policy", true),
];

const fn table<T: Documented>(name: &'static str, optional: bool) -> Table {
    Table { name, doc: T::ABOUT, fields: T::FIELDS, optional }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: &str| Err(ConfigError::Value { field, reason: reason.to_owned() });
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
        self.publish.as_ref().map_or(Ok(()), Publishing::check)?;
        self.monitor.as_ref().map_or(Ok(()), Monitor::check)?;
        self.packs.as_ref().map_or(Ok(()), Packs::check)?;
        self.telemetry.as_ref().map_or(Ok(()), Telemetry::check)?;
        self.network.check()?;
        self.https.as_ref().map_or(Ok(()), Https::check)
    }

    /// The multiaddrs to bind, none when the node only dials out.
    #[must_use]
    pub fn multiaddrs(&self) -> Vec<String> {
        let kind = if self.listen.host.contains(':') { "ip6" } else { "ip4" };
        let tcp =
            (self.listen.port != 0).then(|| format!("/{kind}/{}/tcp/{}", self.listen.host, self.listen.port));
        let udp = (self.network.quic && self.listen.port != 0)
            .then(|| format!("/{kind}/{}/udp/{}/quic-v1", self.listen.host, self.listen.port));
        tcp.into_iter().chain(udp).chain(self.network.websocket()).collect()
    }
}

/// A number of bytes as people write it: with K, M, G or T for powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return Err(format!("{unit:?} is no unit: a number of bytes, or one with K, M, G or T")),
    };
    let number: u64 = digits.parse().map_err(|_| "not a number of bytes".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large a number".to_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener};

    use super::{folder::hex, *};

    fn config() -> Config {
        Config {
            version: 1,
            name: "한강모터스".into(),
            country: "KR".into(),
            size: "sme".into(),
            shard: 1,
            listen: Listen { host: "127.0.0.1".into(), port: 4100 },
            network: Network::default(),
            https: Some(Https::of_init("127.0.0.1:4443".parse().unwrap(), "localhost")),
            approval: None,
            management: None,
            about: None,
            publish: None,
            obligations: None,
            monitor: None,
            packs: None,
            telemetry: None,
            policy: None,
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
