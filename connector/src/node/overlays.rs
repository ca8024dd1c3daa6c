//! Rules of the operator's own (spec chapter 05, POL-16): read once when the node starts, asked beside the law at each point, and
//! part of the record of what was asked. They are in no terms, and no peer is compared by them or told about them.

use std::{collections::BTreeSet, fs::File, io::Read as _};

use naru_policy::{Bundle, Engine, OverlayError, limits};
use naru_protocol::{encoding::Digest, error::Code, terms::Pack};
use serde_json::{Value, json};

use super::{
    Node, NodeError,
    policy::packs_of,
    supply::{archives, keep_archive},
};
use crate::config::Folder;

/// The overlays, and their bytes for exports.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    loaded: Vec<Bundle>,
    /// Name and bytes.
    bundles: Vec<(String, Vec<u8>)>,
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
        let own = Self { loaded, bundles };
        own.beside(law)?;
        Ok(own)
    }

    /// A law with the overlays beside it; what newer packs do not go together with denies nothing by silence, but fails.
    pub(super) fn beside(&self, law: &Engine) -> Result<Engine, NodeError> {
        if self.loaded.is_empty() {
            return Ok(law.clone());
        }
        law.with_overlays(self.loaded.clone())
            .map_err(|e: OverlayError| NodeError::refused(Code::BundleMalformed, e.to_string()))
    }

    /// Keeps them with the packs that were accepted: what they decide is executed again from an export long after the operator
    /// has taken others.
    pub(super) fn keep(&self, folder: &Folder) -> Result<(), NodeError> {
        for (bundle, (name, bytes)) in self.loaded.iter().zip(&self.bundles) {
            let digest = Digest::parse(&bundle.pack().digest)
                .map_err(|_| NodeError::refused(Code::BundleDigest, name.clone()))?;
            keep_archive(folder, &digest, bytes)?;
        }
        Ok(())
    }

    /// What an export says of each that decisions of this node may rest on, and its bytes: those of today, and those that were
    /// kept. `law` are the digests of other packs, which are not among them.
    pub(super) fn archives(
        &self,
        folder: &Folder,
        law: &BTreeSet<String>,
    ) -> Result<Vec<(Value, Vec<u8>)>, NodeError> {
        let mut all = Vec::new();
        let mut put = |bundle: &Bundle, bytes: &[u8]| {
            let pack = bundle.pack();
            let said = json!({"name": pack.name, "digest": pack.digest, "wasm": pack.wasm, "data": pack.data, "manifest": pack.manifest});
            all.push((said, bytes.to_vec()));
        };
        for (bundle, (_, bytes)) in self.loaded.iter().zip(&self.bundles) {
            put(bundle, bytes);
        }
        for (digest, bytes) in archives(folder)? {
            let digest = digest.to_string();
            if law.contains(&digest) || self.loaded.iter().any(|bundle| bundle.pack().digest == digest) {
                continue;
            }
            match Bundle::load(&bytes) {
                Ok(bundle) if bundle.pack().digest == digest => put(&bundle, &bytes),
                // The rest is exported all the same; the auditor is told what is missing.
                Ok(_) | Err(_) => tracing::error!(%digest, "a kept overlay is damaged and not exported"),
            }
        }
        Ok(all)
    }

    /// Those in use.
    pub(super) fn packs(&self) -> impl Iterator<Item = &naru_policy::Pack> {
        self.loaded.iter().map(Bundle::pack)
    }

    pub(super) fn is_overlay(&self, name: &str) -> bool {
        self.bundles.iter().any(|(own, _)| own == name)
    }
}

impl Node {
    /// What is asked in a deal between these countries over this shared part, concluded under these packs if any: the packs of the
    /// law that it needs, and our overlays.
    pub(super) fn asked_for(
        &self,
        countries: &[&str],
        shared: &Value,
        pinned: &[Pack],
    ) -> Result<Engine, NodeError> {
        let law = self.engine_over(countries, shared, pinned)?;
        Ok(self.overlays.beside(&law)?.for_countries(countries).for_facts(shared))
    }

    /// Of the packs that were asked, those that are ours alone.
    pub(super) fn overlays_of(&self, engine: &Engine) -> Result<Vec<Pack>, NodeError> {
        let mut packs = packs_of(engine)?;
        packs.retain(|pack| self.overlays.is_overlay(&pack.name));
        Ok(packs)
    }
}

#[cfg(test)]
mod tests {
    use naru_policy::{Evaluation, Lang, PeerView};

    use super::*;
    use crate::{config, node::load_packs};

    const HOUSE: &[u8] = include_bytes!("../../../examples/overlay/house.tar.gz");

    /// A folder whose settings name these overlays.
    fn folder(name: &str, overlays: &str) -> Folder {
        let dir = std::env::temp_dir().join(format!("naru-overlays-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let example: String = config::example()
            .lines()
            .take_while(|line| !line.starts_with("# Optional"))
            .map(|line| format!("{line}\n"))
            .collect();
        let end = example.rfind("\n\n#").unwrap_or(example.len());
        std::fs::write(dir.join("naru.toml"), format!("{}\n{overlays}", &example[..end])).unwrap();
        Folder::new(&dir)
    }

    fn deal(purpose: &str) -> Value {
        let file: Value =
            serde_json::from_str(include_str!("../../../spec/vectors/policy/ordinary.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        let mut case = cases.iter().find(|case| case["name"] == "transfer, exporter").unwrap().clone();
        case["shared"]["transfer"]["purpose"] = json!(purpose);
        case["shared"]["contract"]["purposes"] = json!([purpose]);
        case
    }

    /// POL-16.1, POL-16.3: an overlay of the settings denies what the law allows; its operator is told which rule, the peer is not.
    #[test]
    fn an_overlay_denies_and_is_told_to_its_operator_alone() {
        let law = load_packs().unwrap();
        let folder = folder("house", "[policy]\noverlays = [\"house.tar.gz\"]\n");
        std::fs::write(folder.path().join("house.tar.gz"), HOUSE).unwrap();
        let own = Overlays::read(&folder, &law).unwrap();
        assert!(own.is_overlay("house") && !own.is_overlay("core") && own.bundles[0].1 == HOUSE);
        let ask = |engine: &Engine, purpose: &str| {
            let case = deal(purpose);
            let engine = engine.for_countries(&["KR", "SG"]).for_facts(&case["shared"]);
            let input =
                naru_policy::assemble(engine.packs(), &case["shared"], &case["private"], &case["host"]);
            match engine.evaluate(&input.unwrap()) {
                Evaluation::Decided(result) => result,
                Evaluation::Broken { code, reason } => panic!("{code:?} {reason}"),
            }
        };
        assert!(
            ask(&law, "marketing").allows() && ask(&own.beside(&law).unwrap(), "quality_analysis").allows()
        );
        let denied = ask(&own.beside(&law).unwrap(), "marketing");
        assert!(
            !denied.allows()
                && denied.deny[0].id == "HOUSE-001"
                && denied.packs.iter().any(|p| p.name == "house")
        );
        assert_eq!(law.for_peer(&denied).canonical(), PeerView::generic().canonical());
        assert_eq!(own.beside(&law).unwrap().remedies(&denied, Lang::En)[0].id, "HOUSE-001");
        std::fs::remove_dir_all(folder.path()).unwrap();
    }

    /// POL-16.2: what was meant to deny is there, or the node does not start.
    #[test]
    fn an_overlay_that_cannot_be_used_is_refused() {
        let law = load_packs().unwrap();
        let none = folder("none", "");
        assert!(Overlays::read(&none, &law).unwrap().bundles.is_empty());
        let absent = folder("absent", "[policy]\noverlays = [\"house.tar.gz\"]\n");
        assert_eq!(Overlays::read(&absent, &law).unwrap_err().code(), Code::FileUnusable);
        // A pack of law is no overlay.
        std::fs::write(absent.path().join("house.tar.gz"), naru_policy::bundled::PACKS[0].1).unwrap();
        assert_eq!(Overlays::read(&absent, &law).unwrap_err().code(), Code::BundleMalformed);
        std::fs::remove_dir_all(none.path()).unwrap();
        std::fs::remove_dir_all(absent.path()).unwrap();
    }
}
