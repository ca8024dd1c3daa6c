//! Packs and data as they are in use: the newest law, packs of before whose successors still give grace, data by kind.
//!
//! Made anew from the settings at a start, and replaced as a whole when something is accepted. Verifies no signature: that was
//! done before anything came here.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use naru_policy::{Bundle, Engine, bundled};
use naru_protocol::{
    encoding::Digest,
    error::Code,
    supply::{DataKind, Revision, Signed, SignedData},
    terms::Pack,
};
use serde::{Deserialize, Serialize};

use super::super::{NodeError, verbs::SupplyView};
use crate::config::Folder;

/// The setting that the accepted packs are kept under.
pub(super) const PACKS: &str = "packs";

/// The setting of a kind of data.
pub(super) fn data_place(kind: DataKind) -> String {
    format!("data:{}", kind.as_str())
}

/// The set that was accepted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AcceptedSet {
    pub(super) number: u64,
    pub(super) digest: Digest,
    pub(super) issued_at: u64,
    pub(super) expires_at: u64,
    pub(super) signed: Signed,
}

/// A pack that was accepted once, with what an export says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shelved {
    pub(super) name: String,
    pub(super) revision: String,
    pub(super) digest: Digest,
    pub(super) wasm: String,
    pub(super) data: String,
    pub(super) manifest: String,
    /// When it was accepted, seconds.
    pub(super) at: u64,
}

/// All that was accepted, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) set: Option<AcceptedSet>,
    pub(super) shelved: Vec<Shelved>,
}

/// A pack whose successor gives grace to agreements of before.
#[derive(Clone)]
struct Former {
    bundle: Bundle,
    until: u64,
}

/// Packs in use.
struct Kept {
    root: Engine,
    law: Engine,
    former: BTreeMap<String, Former>,
    ledger: Ledger,
}

/// What the node takes its packs and data from.
pub(in crate::node) struct Shelf {
    kept: RwLock<Arc<Kept>>,
    data: RwLock<BTreeMap<DataKind, (SignedData, Digest)>>,
    /// Things are accepted one after the other.
    pub(super) adding: tokio::sync::Mutex<()>,
}

/// The archive of a pack in the node's folder.
pub(super) fn archive(folder: &Folder, digest: &Digest) -> std::path::PathBuf {
    folder.join("packs").join(format!("{digest}.tar.gz"))
}

/// Whether a revision is later; one of another form is the program's own, and earlier than any that was signed.
fn later(one: &str, other: &str) -> bool {
    Revision::parse(one) > Revision::parse(other)
}

impl Shelf {
    /// With the packs of the program alone.
    pub(in crate::node) fn new(root: Engine) -> Self {
        let kept = Kept { law: root.clone(), root, former: BTreeMap::new(), ledger: Ledger::default() };
        Self {
            kept: RwLock::new(Arc::new(kept)),
            data: RwLock::default(),
            adding: tokio::sync::Mutex::default(),
        }
    }

    fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest packs.
    pub(in crate::node) fn law(&self) -> Engine {
        self.kept().law.clone()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.kept().ledger.clone()
    }

    /// Puts what was accepted into use. `fresh` has packs that need not be read from the folder. Blocking: compiles.
    pub(super) fn put(
        &self,
        folder: &Folder,
        ledger: Ledger,
        fresh: &[Bundle],
        now: u64,
    ) -> Result<(), NodeError> {
        let before = self.kept();
        let root = before.root.clone();
        let read = Reader { folder, fresh, before: &before };
        let mut chains = BTreeMap::<&str, Vec<&Shelved>>::new();
        for shelved in &ledger.shelved {
            let chain = chains.entry(&shelved.name).or_default();
            let own = root.bundle(&shelved.name).map(|bundle| bundle.pack().revision.as_str());
            // The program may have brought a later one since.
            if chain
                .last()
                .map(|last| last.revision.as_str())
                .or(own)
                .is_none_or(|was| later(&shelved.revision, was))
            {
                chain.push(shelved);
            }
        }
        let (mut newest, mut former) = (Vec::new(), BTreeMap::new());
        for (name, chain) in chains {
            let Some((last, earlier)) = chain.split_last() else { continue };
            let bundle = read.bundle(last)?;
            // Its own grace counts, whatever the one before gave: law that cannot wait gives none.
            let until = last.at.saturating_add(bundle.pack().grace);
            if until > now {
                let read =
                    earlier.iter().map(|shelved| read.bundle(shelved)).collect::<Result<Vec<_>, _>>()?;
                for before in root.bundle(name).cloned().into_iter().chain(read) {
                    former.insert(before.pack().digest.clone(), Former { bundle: before, until });
                }
            }
            newest.push(bundle);
        }
        let law = root.with(newest)?;
        let kept = Kept { root, law, former, ledger };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kept);
        Ok(())
    }

    /// POL-18.7: packs that terms name and that still judge what was concluded under them.
    pub(in crate::node) fn graced(&self, law: &Engine, pinned: &[Pack], now: u64) -> Vec<Bundle> {
        let kept = self.kept();
        let of = |pack: &naru_policy::Pack| {
            let pin = pinned.iter().find(|pin| pin.name == pack.name)?.digest.to_string();
            let former = kept.former.get(&pin).filter(|former| pin != pack.digest && former.until > now)?;
            Some(former.bundle.clone())
        };
        law.packs().filter_map(of).collect()
    }

    /// Digests of all that is in use now: of packs, of those of before that still judge, and of data that are not stale.
    pub(in crate::node) fn in_use(&self, now: u64) -> Vec<String> {
        let kept = self.kept();
        let packs = kept.law.packs().map(|pack| pack.digest.clone());
        let former =
            kept.former.iter().filter(|(_, former)| former.until > now).map(|(digest, _)| digest.clone());
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        let data = data.values().map(|(data, digest)| format!("{digest} {}", now >= data.expires_at));
        packs.chain(former).chain(data).collect()
    }

    /// The revision under which this node knows a pack of this digest, now or before.
    pub(super) fn known(&self, name: &str, digest: &Digest) -> Option<String> {
        let kept = self.kept();
        let text = digest.to_string();
        let engines = [&kept.law, &kept.root].into_iter();
        let own =
            engines.filter_map(|engine| engine.bundle(name)).find(|bundle| bundle.pack().digest == text);
        let shelved = || kept.ledger.shelved.iter().find(|pack| pack.name == name && pack.digest == *digest);
        own.map(|bundle| bundle.pack().revision.clone())
            .or_else(|| shelved().map(|pack| pack.revision.clone()))
    }

    /// Every pack that decisions of this node may rest on: what an export says of it, and its archive.
    pub(in crate::node) fn archives(
        &self,
        folder: &Folder,
    ) -> Result<Vec<(serde_json::Value, Vec<u8>)>, NodeError> {
        let kept = self.kept();
        let mut all = Vec::new();
        let said = |name: &str, digest: &str, [wasm, data, manifest]: [&String; 3]| serde_json::json!({"name": name, "digest": digest, "wasm": wasm, "data": data, "manifest": manifest});
        for (name, bytes) in bundled::all() {
            let Some(pack) = kept.root.bundle(name).map(Bundle::pack) else { continue };
            all.push((said(name, &pack.digest, [&pack.wasm, &pack.data, &pack.manifest]), bytes.to_vec()));
        }
        for pack in &kept.ledger.shelved {
            let parts = [&pack.wasm, &pack.data, &pack.manifest];
            all.push((
                said(&pack.name, &pack.digest.to_string(), parts),
                read_archive(folder, &pack.digest)?,
            ));
        }
        Ok(all)
    }

    pub(super) fn put_data(&self, data: SignedData, digest: Digest) {
        self.data.write().unwrap_or_else(PoisonError::into_inner).insert(data.kind, (data, digest));
    }

    /// What was accepted of a kind.
    pub(super) fn data(&self, kind: DataKind) -> Option<(SignedData, Digest)> {
        self.data.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned()
    }

    pub(super) fn supplies(&self, now: u64) -> Vec<SupplyView> {
        let mut views = Vec::new();
        if let Some(set) = &self.kept().ledger.set {
            views.push(view("packs", set.number, (set.issued_at, set.expires_at), now));
        }
        for kind in DataKind::ALL {
            if let Some((data, _)) = self.data(kind) {
                views.push(view(kind.as_str(), data.number, (data.issued_at, data.expires_at), now));
            }
        }
        views
    }
}

fn view(what: &str, number: u64, (issued_at, expires_at): (u64, u64), now: u64) -> SupplyView {
    let stale = now >= expires_at;
    let verb = if what == "packs" { "packs" } else { "data" };
    let steps = if stale { vec![format!("naru {verb}-add FILE")] } else { Vec::new() };
    SupplyView { what: what.to_owned(), number, issued_at, expires_at, stale, steps }
}

/// Keeps the archive of a pack that decisions rest on.
pub(in crate::node) fn keep_archive(folder: &Folder, digest: &Digest, bytes: &[u8]) -> Result<(), NodeError> {
    let path = archive(folder, digest);
    let kept = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let kept = kept.and_then(|()| crate::store::replace(&path, bytes));
    kept.map_err(|e| NodeError::refused(Code::FileUnusable, format!("{}: {e}", path.display())))
}

/// The bytes of all archives that are kept, by digest; what is no archive is passed over.
pub(in crate::node) fn archives(folder: &Folder) -> Result<BTreeMap<Digest, Vec<u8>>, NodeError> {
    let mut all = BTreeMap::new();
    let entries = match std::fs::read_dir(folder.join("packs")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(all),
        entries => entries.map_err(|e| NodeError::refused(Code::FileUnusable, format!("packs: {e}")))?,
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let digest = name.to_str().and_then(|name| name.strip_suffix(".tar.gz"));
        if let Some(digest) = digest.and_then(|digest| Digest::parse(digest).ok()) {
            all.insert(digest, read_archive(folder, &digest)?);
        }
    }
    Ok(all)
}

fn read_archive(folder: &Folder, digest: &Digest) -> Result<Vec<u8>, NodeError> {
    let path = archive(folder, digest);
    std::fs::read(&path)
        .map_err(|e| NodeError::refused(Code::BundleMissing, format!("{}: {e}", path.display())))
}

/// Where bundles come from, least work first.
struct Reader<'a> {
    folder: &'a Folder,
    fresh: &'a [Bundle],
    before: &'a Kept,
}

impl Reader<'_> {
    fn bundle(&self, shelved: &Shelved) -> Result<Bundle, NodeError> {
        let digest = shelved.digest.to_string();
        let law = self.before.law.bundle(&shelved.name);
        let at_hand = self.fresh.iter().chain(law).find(|bundle| bundle.pack().digest == digest);
        if let Some(bundle) = at_hand.or_else(|| self.before.former.get(&digest).map(|former| &former.bundle))
        {
            return Ok(bundle.clone());
        }
        let bundle = Bundle::load(&read_archive(self.folder, &shelved.digest)?)?;
        if bundle.pack().digest != digest {
            return Err(NodeError::refused(Code::BundleDigest, format!("{} {digest}", shelved.name)));
        }
        Ok(bundle)
    }
}
