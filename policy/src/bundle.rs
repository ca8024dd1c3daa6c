//! Take a bundle apart (POL-2): a gzipped tar with `policy.wasm`, `data.json` and `.manifest`, as `opa build -t wasm`
//! writes it. Members beyond these (the Rego sources), unknown members of the JSON files and more entrypoints than the
//! one used are left alone. Not here: whether the bundle is trusted; that is said by its digest.

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::digest::{pack_digest, sha256};
use crate::limits;
use crate::pack::{Description, Pack};
use crate::program::{Program, ProgramError};
use crate::reads::Reads;

/// Why bytes are no bundle that may be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleError {
    /// The compressed bundle, one of its members or all together exceed a limit (`limits.rs`).
    #[error("bundle too large: {0}")]
    TooLarge(&'static str),
    /// A gzipped tar that ends before its end.
    #[error("bundle is cut short")]
    Truncated,
    /// No gzipped tar.
    #[error("bundle is damaged or not a gzipped tar: {0}")]
    Damaged(String),
    /// One of the three members is missing.
    #[error("bundle has no {0}")]
    Missing(&'static str),
    /// One of the three is there twice, or is no regular file.
    #[error("bundle member {0} is there twice or is no file")]
    Ambiguous(&'static str),
    /// `data.json` or `.manifest` does not say what it must.
    #[error("{file}: {reason}")]
    Content {
        /// The member.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Manifest and data name different revisions.
    #[error("manifest says revision {manifest}, data say {data}")]
    Revision {
        /// In `.manifest`.
        manifest: String,
        /// In `data.json`.
        data: String,
    },
    /// The manifest does not list the entrypoint `naru/<name>/result`.
    #[error("bundle has no entrypoint {0}")]
    Entrypoint(String),
    /// The module is no module that OPA compiled, or wants more than it may have.
    #[error("policy.wasm: {0}")]
    Module(String),
    /// The module asks for host functions. Names, sorted.
    #[error("policy.wasm asks for host functions: {}", .0.join(", "))]
    HostFunctions(Vec<String>),
}

impl BundleError {
    /// The stable code of `spec/11-limits-and-errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "bundle_too_large",
            Self::Truncated => "bundle_truncated",
            Self::HostFunctions(_) => "bundle_host_functions",
            Self::Entrypoint(_) => "bundle_entrypoint",
            Self::Damaged(_)
            | Self::Missing(_)
            | Self::Ambiguous(_)
            | Self::Content { .. }
            | Self::Revision { .. }
            | Self::Module(_) => "bundle_malformed",
        }
    }
}

impl From<ProgramError> for BundleError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Module(reason) => Self::Module(reason),
            ProgramError::HostFunctions(names) => Self::HostFunctions(names),
            ProgramError::Entrypoint(name) => Self::Entrypoint(name),
        }
    }
}

/// A pack that is ready to be evaluated. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub(crate) pack: Arc<Pack>,
    pub(crate) program: Program,
    /// It may only deny and oblige (`overlay.rs`).
    pub(crate) overlay: bool,
}

impl Bundle {
    /// Load a bundle from its bytes. This compiles the module: some hundred milliseconds of one core, no IO.
    ///
    /// # Errors
    /// [`BundleError`]: anything that is not such a bundle, and any module that could call its host.
    pub fn load(bytes: &[u8]) -> Result<Self, BundleError> {
        let members = unpack(bytes)?;
        let manifest: Manifest = parse(MANIFEST, &members.manifest)?;
        let data: Data = parse(DATA, &members.data)?;
        let Description { name, title, jurisdiction, revision, grace, facts, rules, plan } = data.pack;
        check_name(&name)?;
        if manifest.revision != revision {
            return Err(BundleError::Revision { manifest: manifest.revision, data: revision });
        }
        let entrypoint = format!("naru/{name}/result");
        let listed = manifest
            .wasm
            .iter()
            .any(|item| item.entrypoint == entrypoint && item.module.trim_start_matches('/') == WASM);
        if !listed {
            return Err(BundleError::Entrypoint(entrypoint));
        }
        let program = Program::compile(&members.wasm, &members.data, &entrypoint)?;
        let (wasm, data, manifest) =
            (sha256(&members.wasm), sha256(&members.data), sha256(&members.manifest));
        let digest = pack_digest(&wasm, &data, &manifest);
        let reads = plan.reads.as_deref().map(Reads::new);
        let pack = Pack {
            name,
            title,
            jurisdiction,
            revision,
            grace,
            wasm,
            data,
            manifest,
            digest,
            facts,
            rules,
            reads,
        };
        Ok(Self { pack: Arc::new(pack), program, overlay: false })
    }

    pub(crate) fn into_overlay(self) -> Self {
        Self { overlay: true, ..self }
    }

    /// What the pack says about itself, with its digests.
    #[must_use]
    pub fn pack(&self) -> &Pack {
        &self.pack
    }
}

const WASM: &str = "policy.wasm";
const DATA: &str = "data.json";
const MANIFEST: &str = ".manifest";

struct Members {
    wasm: Vec<u8>,
    data: Vec<u8>,
    manifest: Vec<u8>,
}

#[derive(Deserialize)]
struct Manifest {
    revision: String,
    wasm: Vec<ManifestModule>,
}

#[derive(Deserialize)]
struct ManifestModule {
    entrypoint: String,
    module: String,
}

#[derive(Deserialize)]
struct Data {
    pack: Description,
}

/// Read the archive once, never more of it than the limits allow.
fn unpack(bytes: &[u8]) -> Result<Members, BundleError> {
    if bytes.len() > limits::BUNDLE_BYTES {
        return Err(BundleError::TooLarge("packed"));
    }
    let exceeded = Cell::new(false);
    let plain = Bounded { plain: GzDecoder::new(bytes), left: limits::UNPACKED_BYTES, exceeded: &exceeded };
    read_members(plain)
        .map_err(|error| if exceeded.get() { BundleError::TooLarge("unpacked") } else { error })
}

fn read_members(plain: Bounded<'_>) -> Result<Members, BundleError> {
    let (mut wasm, mut data, mut manifest) = (None, None, None);
    let mut archive = tar::Archive::new(plain);
    for (index, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if index >= limits::MEMBERS {
            return Err(BundleError::TooLarge("members"));
        }
        let mut entry = entry.map_err(damaged)?;
        let (slot, name, limit) = match member_name(&entry.path_bytes()) {
            b"policy.wasm" => (&mut wasm, WASM, limits::WASM_BYTES),
            b"data.json" => (&mut data, DATA, limits::DATA_BYTES),
            b".manifest" => (&mut manifest, MANIFEST, limits::MANIFEST_BYTES),
            _ => continue,
        };
        if slot.is_some() || !entry.header().entry_type().is_file() {
            return Err(BundleError::Ambiguous(name));
        }
        if entry.size() > limit {
            return Err(BundleError::TooLarge(name));
        }
        let mut content = Vec::new();
        entry.by_ref().take(limit).read_to_end(&mut content).map_err(damaged)?;
        if content.len() as u64 != entry.size() {
            return Err(BundleError::Truncated);
        }
        *slot = Some(content);
    }
    // What follows the archive is read too, so that gzip's checksum is verified and a bomb behind it is noticed.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(damaged)?;
    Ok(Members {
        wasm: wasm.ok_or(BundleError::Missing(WASM))?,
        data: data.ok_or(BundleError::Missing(DATA))?,
        manifest: manifest.ok_or(BundleError::Missing(MANIFEST))?,
    })
}

/// The unpacked archive, up to a limit. Says so when there would have been more.
struct Bounded<'a> {
    plain: GzDecoder<&'a [u8]>,
    left: u64,
    exceeded: &'a Cell<bool>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let more = self.plain.read(&mut [0])?;
            self.exceeded.set(more > 0);
            return if more > 0 { Err(std::io::Error::other("limit")) } else { Ok(0) };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.plain.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

fn member_name(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_prefix(b"/").unwrap_or(path)
}

fn parse<T: for<'de> Deserialize<'de>>(file: &'static str, bytes: &[u8]) -> Result<T, BundleError> {
    // Twice: once for what this crate reads, once because everything else must be JSON too.
    let whole: Value = serde_json::from_slice(bytes).map_err(|error| content(file, &error))?;
    T::deserialize(whole).map_err(|error| content(file, &error))
}

fn check_name(name: &str) -> Result<(), BundleError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
        return Err(BundleError::Content {
            file: DATA,
            reason: "pack.name is not [a-z0-9_]{1,32}".to_owned(),
        });
    }
    Ok(())
}

fn content(file: &'static str, error: &serde_json::Error) -> BundleError {
    BundleError::Content { file, reason: error.to_string() }
}

fn damaged(error: std::io::Error) -> BundleError {
    if error.kind() == ErrorKind::UnexpectedEof {
        BundleError::Truncated
    } else {
        BundleError::Damaged(error.to_string())
    }
}
