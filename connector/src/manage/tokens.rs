//! Who may ask what of the management API: scopes, and tokens of which only the digest is kept.
//!
//! A token that was issued is a file `tokens/<digest>.json` in the node's folder, readable by the owner only: its name is the
//! SHA-256 of the token's text, its content the scope and how long it holds. Removing the file ends the token at once. The
//! token of our own commands lives as long as one run of the node and has every scope; it stands in `control.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use naru_protocol::{
    encoding::{Digest, to_base64url},
    error::Code,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Folder},
    control::Failure,
};

/// The folder of tokens that were issued.
const TOKENS: &str = "tokens";
/// The longest token and the longest file of one, bytes.
const LONGEST: usize = 4096;

/// What a token is good for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See: status, peers, datasets, exchanges, events, metrics.
    Read,
    /// Act: publish, trust, trade, stop the node; and read.
    Operate,
    /// Decide what waits for a person; and read.
    Approve,
    /// Export the log with what an auditor needs; and read.
    Audit,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Read, Self::Operate, Self::Approve, Self::Audit];

    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Approve => "approve",
            Self::Audit => "audit",
        }
    }

    /// Whether a token of this scope may do what needs `wanted`: the same, or reading.
    #[must_use]
    pub fn opens(self, wanted: Self) -> bool {
        self == wanted || wanted == Self::Read
    }
}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Version of this file's form.
    pub v: u8,
    /// What it is good for.
    pub scope: Scope,
    /// What it is for, in the operator's words.
    pub label: Option<String>,
    /// When it was issued, seconds.
    pub created: u64,
    /// When it ends, seconds; none until it is revoked.
    pub expires: Option<u64>,
}

impl Issued {
    /// Whether it holds at this second.
    #[must_use]
    pub fn holds(&self, now: u64) -> bool {
        self.v == 1 && self.expires.is_none_or(|expires| now < expires)
    }
}

/// A fresh token of 32 random bytes; what it is good for can be read in it, and a leaked one be found.
pub(super) fn fresh(word: &str) -> Result<String, Failure> {
    let random = config::random::<32>();
    let random = random.map_err(|e| Failure::new(Code::FileUnusable, format!("no random bytes: {e}")))?;
    Ok(format!("naru_{word}_{}", to_base64url(&random)))
}

fn file(folder: &Folder, id: &str) -> PathBuf {
    folder.join(TOKENS).join(format!("{id}.json"))
}

fn unusable(path: &Path, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Code::FileUnusable, format!("{}: {error}", path.display()))
}

/// Issues a token and keeps its digest. The token itself is in nobody's hands but the caller's.
pub fn issue(
    folder: &Folder,
    scope: Scope,
    ttl: Option<u64>,
    label: Option<String>,
    now: u64,
) -> Result<(String, Issued), Failure> {
    folder.config().map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let path = folder.join(TOKENS);
    fs::create_dir_all(&path).map_err(|e| unusable(&path, &e))?;
    let text = fresh(scope.as_str())?;
    let expires = ttl.map(|ttl| now.saturating_add(ttl));
    let issued = Issued { v: 1, scope, label, created: now, expires };
    let content = serde_json::to_string(&issued).unwrap_or_default();
    let path = file(folder, &Digest::of(text.as_bytes()).to_string());
    config::write_secret(&path, &content).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    Ok((text, issued))
}

/// Every token that was issued and not revoked, by id.
pub fn list(folder: &Folder) -> Result<Vec<(String, Issued)>, Failure> {
    let path = folder.join(TOKENS);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(&path, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unusable(&path, &e))?.path();
        let Some(id) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json")) else {
            continue;
        };
        let issued = read(&path).ok_or_else(|| unusable(&path, &"not a token of this version"))?;
        found.push((id.to_owned(), issued));
    }
    found.sort_by(|one, other| (one.1.created, &one.0).cmp(&(other.1.created, &other.0)));
    Ok(found)
}

/// Ends a token by its id, or by the beginning of it that no other has.
pub fn revoke(folder: &Folder, id: &str) -> Result<String, Failure> {
    let mut named = list(folder)?.into_iter().map(|(full, _)| full).filter(|full| full.starts_with(id));
    let (Some(full), None) = (named.next().filter(|_| !id.is_empty()), named.next()) else {
        let why = format!("{id:?} names no token, or several; `naru token --list` shows them");
        return Err(Failure::new(Code::ArgumentInvalid, why));
    };
    let path = file(folder, &full);
    fs::remove_file(&path).map_err(|e| unusable(&path, &e))?;
    Ok(full)
}

fn read(path: &Path) -> Option<Issued> {
    let text = fs::read_to_string(path).ok().filter(|text| text.len() <= LONGEST)?;
    serde_json::from_str(&text).ok()
}

/// Who is let in.
#[derive(Debug)]
pub(super) struct Tokens {
    folder: Folder,
    /// Digest of the token of our own commands.
    own: Digest,
}

impl Tokens {
    pub(super) fn new(folder: &Folder, own: &str) -> Self {
        Self { folder: folder.clone(), own: Digest::of(own.as_bytes()) }
    }

    /// Whether the token that came with a request may do what needs `wanted`.
    pub(super) fn allow(&self, given: Option<&str>, wanted: Scope, now: u64) -> Result<(), Failure> {
        let unknown = || {
            let why = "the request comes with no token that this node knows (`Authorization: Bearer …`)";
            Failure::new(Code::ManagementToken, why)
        };
        let given = given.filter(|given| given.len() <= LONGEST).ok_or_else(unknown)?;
        // Only digests are compared, so that nothing is learnt from how long it takes; of our own, every byte.
        let digest = Digest::of(given.as_bytes());
        if digest.0.iter().zip(&self.own.0).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0 {
            return Ok(());
        }
        let issued = read(&file(&self.folder, &digest.to_string())).filter(|issued| issued.holds(now));
        let issued = issued.ok_or_else(unknown)?;
        if issued.scope.opens(wanted) {
            return Ok(());
        }
        let (has, needs) = (issued.scope.as_str(), wanted.as_str());
        Err(Failure::new(Code::ScopeMissing, format!("the token has the scope {has}; this needs {needs}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Listen};

    fn folder(name: &str) -> Folder {
        let dir = std::env::temp_dir().join(format!("naru-tokens-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let folder = Folder::new(dir);
        let config = Config {
            version: 1,
            name: "firm".into(),
            country: "KR".into(),
            size: "sme".into(),
            shard: 1,
            listen: Listen { host: "127.0.0.1".into(), port: 0 },
            network: crate::config::Network::default(),
            https: None,
            management: None,
            about: None,
            publish: None,
            obligations: None,
            monitor: None,
            packs: None,
            telemetry: None,
            approval: None,
            policy: None,
        };
        folder.create(&config).unwrap();
        folder
    }

    #[test]
    fn a_token_is_kept_as_its_digest_and_ends_by_time_or_by_hand() {
        let folder = folder("life");
        let (text, issued) = issue(&folder, Scope::Read, Some(60), Some("prometheus".into()), 100).unwrap();
        assert!(text.starts_with("naru_read_") && text.len() > 50);
        let id = Digest::of(text.as_bytes()).to_string();
        assert_eq!(list(&folder).unwrap(), vec![(id.clone(), issued)]);
        for entry in fs::read_dir(folder.join(TOKENS)).unwrap() {
            let path = entry.unwrap().path();
            assert!(!fs::read_to_string(&path).unwrap().contains(&text[10..]), "the text is kept nowhere");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        let tokens = Tokens::new(&folder, "own");
        let code = |given: Option<&str>, wanted, now| tokens.allow(given, wanted, now).map_err(|f| f.code);
        let refused = |code: Code| Err(code.as_str().to_owned());
        assert_eq!(code(Some(&text), Scope::Read, 159), Ok(()));
        assert_eq!(code(Some(&text), Scope::Operate, 159), refused(Code::ScopeMissing));
        assert_eq!(code(Some(&text), Scope::Read, 160), refused(Code::ManagementToken), "it has ended");
        for wanted in Scope::ALL {
            assert_eq!(code(Some("own"), wanted, 0), Ok(()));
            for none in [None, Some(""), Some("owm"), Some("../../control"), Some(&id)] {
                assert_eq!(code(none, wanted, 0), refused(Code::ManagementToken), "{none:?}");
            }
        }
        assert!(revoke(&folder, "").is_err() && revoke(&folder, "zz").is_err());
        assert_eq!(revoke(&folder, &id[..8]).unwrap(), id);
        assert_eq!(code(Some(&text), Scope::Read, 120), refused(Code::ManagementToken), "it was revoked");
        fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn a_scope_opens_itself_and_reading_and_nothing_else() {
        for has in Scope::ALL {
            for wanted in Scope::ALL {
                assert_eq!(has.opens(wanted), has == wanted || wanted == Scope::Read, "{has:?} {wanted:?}");
            }
        }
    }
}
