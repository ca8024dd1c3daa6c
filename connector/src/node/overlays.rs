//! Rules of the operator's own (spec chapter 05, POL-16): read once when the node starts, asked beside the law at each point, and
//! part of the record of what was asked. They are in no terms, and no peer is compared by them or told about them.

use std::{fs::File, io::Read as _};

use naru_policy::{Bundle, Engine, OverlayError, limits};
use naru_protocol::{error::Code, terms::Pack};

use super::{Node, NodeError, policy::packs_of};
use crate::config::Folder;

/// The law with the overlays beside it, and the bytes of these for exports.
#[derive(Debug)]
pub(super) struct Overlays {
    pub(super) engine: Engine,
    /// Name and bytes.
    pub(super) bundles: Vec<(String, Vec<u8>)>,
}

impl Overlays {
    /// Reads those of the folder's settings. One that cannot be used keeps the node from starting: it was meant to deny.
    pub(super) fn read(folder: &Folder, law: &Engine) -> Result<Self, NodeError> {
        let settings = folder.config()?.policy.unwrap_or_default();
        let (mut bundles, mut loaded) = (Vec::new(), Vec::new());
        for name in settings.overlays() {
            let path = folder.path().join(name);
            let refused = |code, why: &dyn std::fmt::Display| {
                NodeError::refused(code, format!("policy.overlays: {}: {why}", path.display()))
            };
            let mut bytes = Vec::new();
            File::open(&path)
                .and_then(|file| file.take(limits::BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes))
                .map_err(|e| refused(Code::FileUnusable, &e))?;
            let bundle = Bundle::load(&bytes)
                .map_err(|e| refused(Code::parse(e.code()).unwrap_or(Code::BundleMalformed), &e))?;
            bundles.push((bundle.pack().name.clone(), bytes));
            loaded.push(bundle);
        }
        let engine = law
            .with_overlays(loaded)
            .map_err(|e: OverlayError| NodeError::refused(Code::BundleMalformed, e.to_string()))?;
        Ok(Self { engine, bundles })
    }

    pub(super) fn is_overlay(&self, name: &str) -> bool {
        self.bundles.iter().any(|(own, _)| own == name)
    }
}

impl Node {
    /// What is asked in a deal between these countries: the packs of the law that it needs, and our overlays.
    pub(super) fn asked_for(&self, countries: &[&str]) -> Engine {
        self.overlays.engine.for_countries(countries)
    }

    /// Of the packs that were asked, those that are ours alone.
    pub(super) fn overlays_of(&self, engine: &Engine) -> Result<Vec<Pack>, NodeError> {
        let mut packs = packs_of(engine)?;
        packs.retain(|pack| self.overlays.is_overlay(&pack.name));
        Ok(packs)
    }
}
