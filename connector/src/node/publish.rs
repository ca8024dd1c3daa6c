//! Publishing a folder: hashed once, listed, signed, logged (spec chapter 04).
//!
//! The files stay where they are, or a copy of them is kept; beside that their index. A dataset has versions: each is a listing
//! of its own and stays what it was, for the agreements that rest on it (CAT-6.3); the newest is the one that is offered. Whether
//! anybody may see it is decided when somebody asks.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering::Relaxed,
};

use naru_protocol::{
    dsp::odrl::Offer,
    encoding::Digest,
    error::Code,
    json,
    listing::{Listing, Title},
    log::entry::{EntryDraft, EntryType, FieldKey, Side},
};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError,
    events::Happened,
    facts,
    flows::Publication,
    now,
    peers::random_id,
    verbs::{DatasetName, DatasetView, Publish, Published},
};
use crate::{
    data::publish::{self, PublishOptions},
    store::{Approval, Batch, DatasetRow, DatasetWrite, MAX_ROWS},
};

/// Seconds for which a listing holds.
pub(super) const VALID: u64 = 365 * 86_400;

/// What is published under which name: what was left out is that of the version before.
struct Draft {
    dataset: String,
    version: u64,
    path: PathBuf,
    title: Title,
    policy: Value,
    facts: Value,
    approval: Approval,
    copy: bool,
}

impl Draft {
    fn of(ask: Publish, dataset: String, before: Option<&DatasetRow>) -> Result<Self, NodeError> {
        let corrupt = |e: serde_json::Error| NodeError::refused(Code::StoreCorrupt, e.to_string());
        let kept = |given: Value, of: fn(&DatasetRow) -> &String| match before {
            Some(row) if given.is_null() => serde_json::from_str(of(row)).map_err(corrupt),
            Some(_) | None => Ok(given),
        };
        let title = match before {
            Some(row) if ask.title.is_empty() => {
                naru_protocol::jws::peek::<Listing>(&row.listing)?.claims().title.clone()
            }
            Some(_) | None => Title { en: ask.title.get("en").cloned(), ko: ask.title.get("ko").cloned() },
        };
        let mut facts = kept(ask.facts, |row| &row.facts)?;
        if let Some(wrong) = naru_policy::contradiction(&object!({"dataset": facts})) {
            return Err(NodeError::refused(Code::ArgumentInvalid, format!("facts: {wrong}")));
        }
        if facts.is_null() {
            facts = object!({});
        }
        Ok(Self {
            version: before.map_or(1, |row| row.version.saturating_add(1)),
            path: ask.path,
            title,
            policy: offer(&kept(ask.policy, |row| &row.policy)?, &dataset)?,
            facts,
            approval: ask
                .approval
                .map(Into::into)
                .or(before.map(|row| row.approval))
                .unwrap_or(Approval::Auto),
            copy: ask.copy,
            dataset,
        })
    }
}

impl Node {
    /// Publishes a folder or file as a new dataset, or as the next version of one.
    pub async fn publish(&self, ask: Publish) -> Result<Published, NodeError> {
        self.may_sign()?;
        self.is_not_ours(&ask.path)?;
        let dataset = match &ask.version_of {
            Some(dataset) => dataset.clone(),
            None => new_name()?,
        };
        let busy = || NodeError::refused(Code::Busy, format!("{dataset} is being published already"));
        let under_way = self.flows.publish(&dataset, &ask.path).ok_or_else(busy)?;
        let before = match &ask.version_of {
            Some(_) => {
                let unknown = || NodeError::refused(Code::DatasetUnknown, dataset.clone());
                Some(self.store.dataset(&dataset, None).await?.ok_or_else(unknown)?)
            }
            None => None,
        };
        let draft = Draft::of(ask, dataset, before.as_ref())?;
        let index = self.index_folder(&draft.dataset, draft.version);
        let hashed = self.hash(&draft, &index, &under_way).await?;
        let listed = match before.filter(|row| self.is_same(row, &draft, &hashed)) {
            Some(row) => Ok(unchanged(&row, &hashed)),
            None => self.list(draft, hashed).await,
        };
        if listed.as_ref().map_or(true, |made| made.unchanged) {
            // The index of what nobody can see is of no use.
            let _ = std::fs::remove_dir_all(&index);
        }
        listed
    }

    /// Reads the files and writes their index. What nobody waits for any more is left off, and leaves nothing.
    async fn hash(
        &self,
        draft: &Draft,
        index: &Path,
        under_way: &Publication,
    ) -> Result<publish::Published, NodeError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| crate::config::ConfigError::Io { path, source }
        };
        if let Some(parent) = index.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent))?;
        }
        // No version has it: it was left by a process that ended before the version was kept.
        if index.symlink_metadata().is_ok() {
            std::fs::remove_dir_all(index).map_err(io(index))?;
        }
        let (path, place, course) = (draft.path.clone(), index.to_owned(), under_way.course.clone());
        let options = PublishOptions { copy: draft.copy, most: self.most.get().copied().unwrap_or_default() };
        let taken = under_way.taken.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            let note = &mut |event: publish::PublishEvent<'_>| course.note(event);
            let hashed = publish::publish_until(&path, &place, &options, course.stop(), note);
            if course.stop().load(Relaxed) {
                // Nobody lists it any more.
                let _ = std::fs::remove_dir_all(&place);
            }
            drop(taken);
            hashed
        });
        let hashed = hashing.await.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        hashed.map_err(|e| NodeError::refused(e.code(), e.to_string()))
    }

    /// Whether a version would be what the newest one is: then it is none.
    fn is_same(&self, row: &DatasetRow, draft: &Draft, hashed: &publish::Published) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let title = naru_protocol::jws::peek::<Listing>(&row.listing).map(|l| l.claims().title.clone());
        let facts = declared(draft.facts.clone(), &draft.dataset, hashed.content_root);
        !row.withdrawn
            && row.content_root == hashed.content_root
            && row.root_path == draft.path.display().to_string()
            && row.approval == draft.approval
            && read(&row.policy) == draft.policy
            && read(&row.facts) == facts
            && title.is_ok_and(|title| title == draft.title)
            && self.is_copied(row) == draft.copy
    }

    /// Whether a version is served from a copy of its files.
    fn is_copied(&self, row: &DatasetRow) -> bool {
        self.index_folder(&row.id, row.version).join(publish::COPY).is_dir()
    }

    /// Signs the listing of what was hashed, and makes it durable.
    async fn list(&self, draft: Draft, hashed: publish::Published) -> Result<Published, NodeError> {
        let at = now();
        let listing = Listing {
            v: json::V1,
            iss: self.me.did,
            facts: declared(draft.facts, &draft.dataset, hashed.content_root),
            dataset: draft.dataset.clone(),
            version: draft.version,
            title: draft.title,
            policy: draft.policy,
            summary: hashed.summary.clone(),
            content_root: hashed.content_root,
            valid_from: at,
            valid_to: at + VALID,
        };
        listing.validate().map_err(|e| NodeError::refused(Code::ArgumentInvalid, e.to_string()))?;
        let jws = self.me.sign(&listing)?;
        let digest = Digest::of(jws.as_bytes());
        self.store.commit(self.publication(&listing, &jws, &draft.path, draft.approval)?).await?;
        self.events.tell(Happened::Published { dataset: draft.dataset.clone(), version: listing.version });
        Ok(Published {
            dataset: draft.dataset,
            version: listing.version,
            listing: digest.to_string(),
            content_root: hashed.content_root.to_string(),
            files: hashed.summary.files,
            bytes: hashed.summary.bytes,
            unchanged: false,
        })
    }

    /// Takes a dataset out of the catalog, in all its versions: nobody sees it and no new deal about it is taken up. Agreements in
    /// force go on. The log has no word for it: what was published stays published.
    pub async fn withdraw(&self, ask: DatasetName) -> Result<DatasetView, NodeError> {
        let unknown = || NodeError::refused(Code::DatasetUnknown, ask.dataset.clone());
        let newest = self.store.dataset(&ask.dataset, None).await?.ok_or_else(unknown)?;
        let newest = DatasetRow { withdrawn: true, ..newest };
        let view = self.view_dataset(&newest);
        let mut datasets = Vec::new();
        for version in 1..newest.version {
            if let Some(row) = self.store.dataset(&ask.dataset, Some(version)).await?.filter(|r| !r.withdrawn)
            {
                datasets.push(DatasetWrite { row: DatasetRow { withdrawn: true, ..row }, files: None });
            }
        }
        datasets.push(DatasetWrite { row: newest, files: None });
        self.store.commit(Batch { datasets, ..Batch::default() }).await?;
        self.events.tell(Happened::Withdrawn { dataset: ask.dataset });
        Ok(view)
    }

    /// All datasets of our own, those that were withdrawn too.
    pub async fn datasets(&self) -> Result<Vec<DatasetView>, NodeError> {
        let (mut views, mut after) = (Vec::new(), None::<String>);
        loop {
            let rows = self.store.datasets(after.as_deref(), true, MAX_ROWS).await?;
            views.extend(rows.iter().map(|row| self.view_dataset(row)));
            match rows.last() {
                Some(last) if rows.len() == MAX_ROWS as usize => after = Some(last.id.clone()),
                Some(_) | None => return Ok(views),
            }
        }
    }

    /// A dataset as people see it; one whose listing cannot be read too.
    fn view_dataset(&self, row: &DatasetRow) -> DatasetView {
        let listing = naru_protocol::jws::peek::<Listing>(&row.listing);
        let read = listing.as_ref().ok().map(|listing| listing.claims());
        DatasetView {
            dataset: row.id.clone(),
            version: row.version,
            title: read.map_or_else(|| object!({}), |listing| object!(listing.title)),
            path: row.root_path.clone(),
            files: read.map_or(0, |listing| listing.summary.files),
            bytes: read.map_or(0, |listing| listing.summary.bytes),
            withdrawn: row.withdrawn,
            approval: row.approval.into(),
            copied: self.is_copied(row),
            broken: listing.as_ref().err().map(|error| format!("its listing cannot be read: {error}")),
        }
    }

    /// Refuses what lies in this node's own folder or holds it: keys are nobody's dataset.
    fn is_not_ours(&self, path: &Path) -> Result<(), NodeError> {
        let (Ok(asked), Ok(own)) = (path.canonicalize(), self.folder.path().canonicalize()) else {
            return Ok(());
        };
        if asked.starts_with(&own) || own.starts_with(&asked) {
            return Err(NodeError::refused(
                Code::ArgumentInvalid,
                "the node's own folder, with its keys, is not published",
            ));
        }
        Ok(())
    }

    /// Where the index of a dataset version lies.
    pub(super) fn index_folder(&self, dataset: &str, version: u64) -> PathBuf {
        self.folder.published(dataset, version)
    }

    pub(super) fn publication(
        &self,
        listing: &Listing,
        jws: &str,
        path: &Path,
        approval: Approval,
    ) -> Result<Batch, NodeError> {
        let digest = Digest::of(jws.as_bytes());
        let mut entry: EntryDraft =
            self.statement_entry(EntryType::Listing, jws, Side::Own, listing.valid_from)?;
        entry.field("content_root", object!(listing.content_root), FieldKey::Node(self.node_key()));
        let text = |value: &Value| json::canonical(value).map(|b| String::from_utf8(b).unwrap_or_default());
        let row = DatasetRow {
            id: listing.dataset.clone(),
            version: listing.version,
            listing: jws.to_owned(),
            digest,
            root_path: path.display().to_string(),
            summary: String::from_utf8(json::to_canonical(&listing.summary)?).unwrap_or_default(),
            content_root: listing.content_root,
            policy: text(&listing.policy)?,
            facts: text(&listing.facts)?,
            private_facts: "{}".to_owned(),
            approval,
            withdrawn: false,
            created: listing.valid_from,
        };
        let write = DatasetWrite { row, files: None };
        Ok(Batch { entries: vec![entry], datasets: vec![write], ..Batch::default() })
    }
}

/// A name for a new dataset.
fn new_name() -> Result<String, NodeError> {
    let id = random_id()?;
    Ok(format!("urn:dxp:{}", id.0.iter().map(|b| format!("{b:02x}")).collect::<String>()))
}

/// Facts as the listing has them: of this dataset with this content.
fn declared(mut facts: Value, dataset: &str, content_root: Digest) -> Value {
    if let Some(members) = facts.as_object_mut() {
        members.insert("id".into(), object!(dataset));
        members.insert("digest".into(), object!(content_root));
    }
    facts
}

/// The newest version, which another would only repeat.
fn unchanged(row: &DatasetRow, hashed: &publish::Published) -> Published {
    Published {
        dataset: row.id.clone(),
        version: row.version,
        listing: row.digest.to_string(),
        content_root: row.content_root.to_string(),
        files: hashed.summary.files,
        bytes: hashed.summary.bytes,
        unchanged: true,
    }
}

/// The operator's terms as an offer of this dataset, without target, as catalogs carry it.
fn offer(given: &Value, dataset: &str) -> Result<Value, NodeError> {
    let mut policy = given.clone();
    let members = policy
        .as_object_mut()
        .ok_or_else(|| NodeError::refused(Code::ArgumentInvalid, "the terms are no JSON object"))?;
    members.insert("@type".into(), object!("Offer"));
    members.entry("@id").or_insert_with(|| object!(format!("{dataset}#offer")));
    members.remove("target");
    Offer::from_value(policy.clone())
        .map_err(|e| NodeError::refused(Code::ArgumentInvalid, e.to_string()))?;
    facts::understood(&policy).map_err(|e| NodeError::refused(Code::ArgumentInvalid, e))?;
    Ok(policy)
}
