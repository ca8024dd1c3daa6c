//! Publishing a folder: hashed once, listed, signed, logged (spec chapter 04).
//!
//! The files stay where they are; what is kept here is their index. Whether anybody may see the dataset is decided when
//! somebody asks.

use std::path::PathBuf;

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
    facts, now,
    peers::random_id,
    verbs::{DatasetName, DatasetView, Publish, Published},
};
use crate::{
    data::publish::{self, PublishOptions},
    store::{Approval, Batch, DatasetRow, DatasetWrite, MAX_ROWS},
};

/// Seconds for which a listing holds.
const VALID: u64 = 365 * 86_400;

impl Node {
    /// Publishes a folder or file under a new dataset name.
    pub async fn publish(&self, ask: Publish) -> Result<Published, NodeError> {
        self.may_sign()?;
        self.is_not_ours(&ask.path)?;
        let id = random_id()?;
        let dataset = format!("urn:dxp:{}", id.0.iter().map(|b| format!("{b:02x}")).collect::<String>());
        let index = self.index_folder(&dataset, 1);
        let policy = offer(&ask.policy, &dataset)?;
        let (path, place) = (ask.path.clone(), index.clone());
        if let Some(parent) = index.parent() {
            let io = |source| crate::config::ConfigError::Io { path: parent.to_owned(), source };
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        let hashed = tokio::task::spawn_blocking(move || {
            publish::publish(&path, &place, &PublishOptions::default(), &mut |_| {})
        })
        .await
        .map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?
        .map_err(|e| NodeError::refused(publish_code(&e), e.to_string()));
        let listed = match hashed {
            Ok(hashed) => self.list(ask, dataset, policy, hashed).await,
            Err(error) => Err(error),
        };
        if listed.is_err() {
            // The index of what nobody can see is of no use.
            let _ = std::fs::remove_dir_all(&index);
        }
        listed
    }

    /// Signs the listing of what was hashed, and makes it durable.
    async fn list(
        &self,
        ask: Publish,
        dataset: String,
        policy: Value,
        hashed: publish::Published,
    ) -> Result<Published, NodeError> {
        let mut facts = ask.facts;
        if let Some(members) = facts.as_object_mut() {
            members.insert("id".into(), object!(dataset));
            members.insert("digest".into(), object!(hashed.content_root));
        }
        let at = now();
        let listing = Listing {
            v: json::V1,
            iss: self.me.did,
            dataset: dataset.clone(),
            version: 1,
            title: Title { en: ask.title.get("en").cloned(), ko: ask.title.get("ko").cloned() },
            policy: policy.clone(),
            facts: facts.clone(),
            summary: hashed.summary.clone(),
            content_root: hashed.content_root,
            valid_from: at,
            valid_to: at + VALID,
        };
        listing.validate().map_err(|e| NodeError::refused(Code::ArgumentInvalid, e.to_string()))?;
        let jws = self.me.sign(&listing)?;
        let digest = Digest::of(jws.as_bytes());
        self.store.commit(self.publication(&listing, &jws, &ask.path, ask.approval.into())?).await?;
        self.events.tell(Happened::Published { dataset: dataset.clone(), version: listing.version });
        Ok(Published {
            dataset,
            version: 1,
            listing: digest.to_string(),
            content_root: hashed.content_root.to_string(),
            files: hashed.summary.files,
            bytes: hashed.summary.bytes,
        })
    }

    /// Takes a dataset out of the catalog: nobody sees it and no new deal about it is taken up. Agreements in force go on. The
    /// log has no word for it: what was published stays published.
    pub async fn withdraw(&self, ask: DatasetName) -> Result<DatasetView, NodeError> {
        let unknown = || NodeError::refused(Code::DatasetUnknown, ask.dataset.clone());
        let row = self.store.dataset(&ask.dataset, None).await?.ok_or_else(unknown)?;
        let row = DatasetRow { withdrawn: true, ..row };
        let view = view(&row)?;
        let write = DatasetWrite { row, files: None };
        self.store.commit(Batch { datasets: vec![write], ..Batch::default() }).await?;
        self.events.tell(Happened::Withdrawn { dataset: ask.dataset });
        Ok(view)
    }

    /// All datasets of our own, those that were withdrawn too.
    pub async fn datasets(&self) -> Result<Vec<DatasetView>, NodeError> {
        let (mut views, mut after) = (Vec::new(), None::<String>);
        loop {
            let rows = self.store.datasets(after.as_deref(), true, MAX_ROWS).await?;
            for row in &rows {
                views.push(view(row)?);
            }
            match rows.last() {
                Some(last) if rows.len() == MAX_ROWS as usize => after = Some(last.id.clone()),
                Some(_) | None => return Ok(views),
            }
        }
    }

    /// Refuses what lies in this node's own folder or holds it: keys are nobody's dataset.
    fn is_not_ours(&self, path: &std::path::Path) -> Result<(), NodeError> {
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
        let name = dataset.rsplit(':').next().unwrap_or(dataset);
        self.folder.join("published").join(format!("{name}-{version}"))
    }

    fn publication(
        &self,
        listing: &Listing,
        jws: &str,
        path: &std::path::Path,
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

fn view(row: &DatasetRow) -> Result<DatasetView, NodeError> {
    let listing = naru_protocol::jws::peek::<Listing>(&row.listing)?;
    let listing = listing.claims();
    Ok(DatasetView {
        dataset: row.id.clone(),
        version: row.version,
        title: object!(listing.title),
        path: row.root_path.clone(),
        files: listing.summary.files,
        bytes: listing.summary.bytes,
        withdrawn: row.withdrawn,
        approval: row.approval.into(),
    })
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

fn publish_code(error: &publish::PublishError) -> Code {
    use publish::PublishError as E;
    match error {
        E::DiskFull { .. } => Code::DiskFull,
        E::Nothing { .. } => Code::DatasetEmpty,
        E::Changed { .. } => Code::SourceChanged,
        E::Io { .. } => Code::FileUnusable,
        E::Symlink { .. }
        | E::NotAFile { .. }
        | E::NotUnicode { .. }
        | E::Name { .. }
        | E::Unfinished { .. }
        | E::Exists { .. }
        | E::List(_)
        | E::Summary(_)
        | E::Json(_) => Code::ArgumentInvalid,
    }
}
