//! Accepting a set of packs: all of it or nothing (POL-18.3 to POL-18.6).

use naru_policy::{Bundle, Engine};
use naru_protocol::{
    encoding::Digest,
    error::Code,
    supply::{PackLine, PackSet, Revision},
};
use serde_json::json;

use super::{
    super::{
        Node, NodeError, now,
        verbs::{AddFile, PackView, PacksView},
    },
    shelf::{AcceptedSet, Ledger, PACKS, Shelved, keep_archive},
};
use crate::supply::Supply;

impl Node {
    /// At a start: what was accepted before is law again, or the node does not start.
    pub(in crate::node) async fn take_up_packs(&self) -> Result<(), NodeError> {
        if let Some(text) = self.store.meta(PACKS).await? {
            let ledger: Ledger = serde_json::from_str(&text)
                .map_err(|e| NodeError::refused(Code::StoreCorrupt, e.to_string()))?;
            self.shelve(ledger, Vec::new()).await?;
        }
        self.take_up_data().await
    }

    async fn shelve(&self, ledger: Ledger, fresh: Vec<Bundle>) -> Result<(), NodeError> {
        let node = self.clone();
        let put = tokio::task::spawn_blocking(move || node.shelf.put(&node.folder, ledger, &fresh, now()));
        put.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?
    }

    /// The packs in use, the set that they came with, and who may sign another.
    pub async fn packs(&self) -> Result<PacksView, NodeError> {
        let ledger = self.shelf.ledger();
        let since = |digest: &str| {
            let found = ledger.shelved.iter().find(|pack| pack.digest.to_string() == digest);
            found.map(|pack| pack.at)
        };
        let of = |pack: &naru_policy::Pack| PackView {
            name: pack.name.clone(),
            title: json!({"en": pack.title.en, "ko": pack.title.ko}),
            jurisdiction: pack.jurisdiction.clone(),
            revision: pack.revision.clone(),
            digest: pack.digest.clone(),
            accepted_at: since(&pack.digest),
            grace: pack.grace,
            rules: pack.rules.keys().cloned().collect(),
        };
        let signers = self.folder.config()?.packs.unwrap_or_default().of_packs()?;
        Ok(PacksView {
            packs: self.law().packs().map(of).collect(),
            overlays: self.overlays.packs().map(of).collect(),
            signers: signers.keys.iter().map(ToString::to_string).collect(),
            threshold: signers.threshold,
            supplies: self.supplies(),
        })
    }

    /// Accepts a set of packs from a file or folder.
    pub async fn add_packs(&self, ask: AddFile) -> Result<PacksView, NodeError> {
        let _one = self.shelf.adding.lock().await;
        let signers = self.folder.config()?.packs.unwrap_or_default().of_packs()?;
        let (law, ledger, at) = (self.law(), self.shelf.ledger(), now());
        let read = tokio::task::spawn_blocking(move || {
            let supply = Supply::read(&ask.file)?;
            let set: PackSet =
                supply.signed.open(&signers, at).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
            let digest = supply.signed.digest::<PackSet>()?;
            if !is_new(&ledger, set.number, digest)? {
                return Ok(None);
            }
            let fresh = newer(&law, &set, &supply)?;
            // They have to fit together before anything is kept.
            law.with(fresh.iter().map(|(bundle, _)| bundle.clone()).collect())?;
            let accepted = AcceptedSet {
                number: set.number,
                digest,
                issued_at: set.issued_at,
                expires_at: set.expires_at,
                signed: supply.signed,
            };
            Ok::<_, NodeError>(Some((accepted, set.packs, ledger, fresh)))
        });
        let read = read.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))??;
        if let Some((accepted, lines, ledger, fresh)) = read {
            self.accept(accepted, &lines, ledger, fresh, at).await?;
        }
        self.packs().await
    }

    async fn accept(
        &self,
        set: AcceptedSet,
        lines: &[PackLine],
        mut ledger: Ledger,
        fresh: Vec<(Bundle, Vec<u8>)>,
        at: u64,
    ) -> Result<(), NodeError> {
        for (bundle, bytes) in &fresh {
            let pack = bundle.pack();
            let digest = Digest::parse(&pack.digest)
                .map_err(|_| NodeError::refused(Code::BundleDigest, pack.name.clone()))?;
            keep_archive(&self.folder, &digest, bytes)?;
            ledger.shelved.push(Shelved {
                name: pack.name.clone(),
                revision: pack.revision.clone(),
                digest,
                wasm: pack.wasm.clone(),
                data: pack.data.clone(),
                manifest: pack.manifest.clone(),
                at,
            });
        }
        let fields = vec![("set", json!(set.digest)), ("number", json!(set.number)), ("packs", json!(lines))];
        ledger.set = Some(set);
        let text =
            serde_json::to_string(&ledger).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        self.keep_accepted((PACKS.to_owned(), text), fields).await?;
        let names: Vec<_> = fresh.iter().map(|(bundle, _)| bundle.pack().name.clone()).collect();
        tracing::info!(packs = names.join(", "), "newer packs are law from now on");
        self.shelve(ledger, fresh.into_iter().map(|(bundle, _)| bundle).collect()).await
    }
}

/// Whether a set is another than the one accepted; one that is older, or of the same number and says something else, is refused.
fn is_new(ledger: &Ledger, number: u64, digest: Digest) -> Result<bool, NodeError> {
    let Some(set) = &ledger.set else { return Ok(true) };
    if number < set.number || (number == set.number && digest != set.digest) {
        let why = format!("set {number}; accepted is set {}", set.number);
        return Err(NodeError::refused(Code::SupplyOlder, why));
    }
    Ok(number > set.number)
}

/// The packs of a set that are newer than those in use, with their archives. None may be older.
fn newer(law: &Engine, set: &PackSet, supply: &Supply) -> Result<Vec<(Bundle, Vec<u8>)>, NodeError> {
    let mut fresh = Vec::new();
    for line in &set.packs {
        let current = law.bundle(&line.name).map(Bundle::pack);
        let (is, was) =
            (Revision::parse(&line.revision), current.and_then(|pack| Revision::parse(&pack.revision)));
        if let Some(pack) = current.filter(|_| is <= was) {
            if is < was {
                let why = format!("{} {}; in use is {}", line.name, line.revision, pack.revision);
                return Err(NodeError::refused(Code::SupplyOlder, why));
            }
            if pack.digest != line.digest.to_string() {
                let why = format!("{} {}: another pack of this revision is in use", line.name, line.revision);
                return Err(NodeError::refused(Code::BundleDigest, why));
            }
            continue;
        }
        let bytes = supply.archives.get(&line.name);
        let bytes = bytes.ok_or_else(|| {
            NodeError::refused(Code::BundleMissing, format!("{}.tar.gz is not there", line.name))
        })?;
        let bundle = Bundle::load(bytes)?;
        let pack = bundle.pack();
        if pack.name != line.name || pack.revision != line.revision || pack.digest != line.digest.to_string()
        {
            let why = format!(
                "{} {} {} is signed, and {} {} {} is there",
                line.name, line.revision, line.digest, pack.name, pack.revision, pack.digest
            );
            return Err(NodeError::refused(Code::BundleDigest, why));
        }
        fresh.push((bundle, bytes.clone()));
    }
    Ok(fresh)
}
