//! What the auditor brings: whom to trust to be whom, and optionally which packs and cosigners count (spec chapter 09, AUD-2).
//!
//! Never taken from an export. Says nothing about legal identity beyond what the auditor wrote down.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::Path,
};

use naru_protocol::{
    encoding::Digest,
    error::Code,
    identity::{Country, Did},
    log::note::{KeyKind, NoteKey},
};
use serde::Deserialize;

use crate::control::Failure;

/// Bytes of an anchors file, at most.
const LIMIT: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Left out, it is 1: what `naru keys anchor` prints of several nodes is one file when it is put together.
    #[serde(default = "first")]
    version: u64,
    #[serde(default)]
    participant: Vec<Participant>,
    #[serde(default)]
    pack: Vec<Pack>,
    #[serde(default)]
    witness: Vec<Witness>,
}

const fn first() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Participant {
    did: String,
    name: String,
    country: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    name: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Witness {
    vkey: String,
}

/// Whom the auditor trusts to be whom, and what else the auditor accepts.
#[derive(Debug)]
pub struct Anchors {
    pub(super) participants: BTreeMap<Did, (String, Country)>,
    /// Names and digests of accepted packs; none: any, which the report says.
    pub(super) packs: Option<BTreeSet<(String, Digest)>>,
    pub(super) witnesses: Vec<NoteKey>,
}

impl Anchors {
    /// Reads the TOML file: `version = 1` (may be left out), `[[participant]]` with `did`, `name`, `country`, and optionally `[[pack]]` with
    /// `name`, `digest` and `[[witness]]` with `vkey` (C2SP, type 04). Anything else is an error: the auditor wrote it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let unusable = |why: &dyn std::fmt::Display| {
            Failure::new(Code::FileUnusable, format!("trust anchors {}: {why}", path.display()))
        };
        let mut text = String::new();
        let file = File::open(path).map_err(|e| unusable(&e))?;
        file.take(LIMIT + 1).read_to_string(&mut text).map_err(|e| unusable(&e))?;
        if text.len() as u64 > LIMIT {
            return Err(unusable(&"larger than 1 MiB"));
        }
        Self::parse(&text).map_err(|why| {
            Failure::new(Code::ConfigInvalid, format!("trust anchors {}: {why}", path.display()))
        })
    }

    /// Reads the text; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|e| e.to_string())?;
        if document.version != 1 {
            return Err(format!("version {} is not 1", document.version));
        }
        let mut participants = BTreeMap::new();
        for Participant { did, name, country } in document.participant {
            let known = Did::parse(&did).map_err(|_| format!("`{did}` is not a did:key"))?;
            let country = Country::parse(&country).map_err(|_| format!("`{country}` is not a country"))?;
            if participants.insert(known, (name, country)).is_some() {
                return Err(format!("`{did}` stands there twice"));
            }
        }
        if participants.is_empty() {
            return Err("no [[participant]]: nobody to trust".to_owned());
        }
        let mut packs = BTreeSet::new();
        for Pack { name, digest } in document.pack {
            let known = Digest::parse(&digest).map_err(|_| format!("`{digest}` is not a digest"))?;
            packs.insert((name, known));
        }
        let mut witnesses = Vec::new();
        for Witness { vkey } in document.witness {
            let key = NoteKey::parse(&vkey).map_err(|e| format!("`{vkey}`: {e}"))?;
            if key.kind() != KeyKind::Cosignature {
                return Err(format!("`{vkey}` is no cosigner's key"));
            }
            witnesses.push(key);
        }
        Ok(Self { participants, packs: (!packs.is_empty()).then_some(packs), witnesses })
    }
}

#[cfg(test)]
mod tests {
    use super::Anchors;

    const DID: &str = "did:key:z6MkwRXHKpVeXsarQpTbMYPVRbBdQ66ey5VuNDLVr2dfypSe";

    /// AUD-2.1
    #[test]
    fn anchors_are_strict() {
        let good = format!("version = 1\n[[participant]]\ndid = \"{DID}\"\nname = \"A\"\ncountry = \"KR\"\n");
        let anchors = Anchors::parse(&good).unwrap();
        assert_eq!(anchors.participants.len(), 1);
        assert!(anchors.packs.is_none());
        assert!(Anchors::parse(good.strip_prefix("version = 1\n").unwrap()).is_ok());
        for (from, to) in [
            ("version = 1", "version = 2"),
            ("country = \"KR\"", "country = \"Korea\""),
            ("did:key:", "did:web:"),
            ("name", "nmae"),
        ] {
            assert!(Anchors::parse(&good.replace(from, to)).is_err(), "{to}");
        }
        assert!(Anchors::parse("version = 1\n").is_err());
        let pack = format!(
            "{good}[[pack]]\nname = \"core\"\ndigest = \"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"\n"
        );
        assert_eq!(Anchors::parse(&pack).unwrap().packs.unwrap().len(), 1);
    }
}
