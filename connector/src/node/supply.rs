//! What this node is supplied with: newer packs, and the signed data that rules read (spec chapter 05, POL-18 and POL-19).
//!
//! The packs that came with the program are the root; of each pack the newest revision that was accepted is law. What was
//! accepted stands in the database, in one commit with its log entry, and the packs' bytes in the folder `packs`, by digest:
//! older ones stay there, for whoever executes decisions again.
//!
//! | file | what |
//! |---|---|
//! | `shelf` | packs and data as they are in use, and when which is |
//! | `packs` | accepting a set of packs |
//! | `data` | accepting data, and what becomes of the input by them |
//! | `differ` | whose pack is behind, where two sides differ |

mod data;
mod differ;
mod packs;
mod shelf;

use naru_protocol::log::entry::{EntryDraft, EntryType, FieldKey};
use serde_json::Value;

pub(super) use self::shelf::{Shelf, archives, keep_archive};
use super::{Node, NodeError, now, peers::random_id, verbs::SupplyView};
use crate::store::Batch;

impl Node {
    /// One commit of something that was accepted: its setting and its entry.
    async fn keep_accepted(
        &self,
        meta: (String, String),
        fields: Vec<(&'static str, Value)>,
    ) -> Result<(), NodeError> {
        self.may_sign()?;
        let mut entry = EntryDraft::own(EntryType::Pack, random_id()?, now());
        for (name, value) in fields {
            entry.field(name, value, FieldKey::Node(self.node_key()));
        }
        self.store.commit(Batch { entries: vec![entry], meta: vec![meta], ..Batch::default() }).await?;
        Ok(())
    }

    /// What is in use, until when it is good, and the command that brings newer.
    pub(super) fn supplies(&self) -> Vec<SupplyView> {
        let at = now();
        let mut views = self.shelf.supplies(at);
        for view in &mut views {
            // The folder is named behind both words of the command.
            let steps = self.at_folder(std::mem::take(&mut view.steps));
            view.steps = steps.into_iter().map(|step| step.replacen("-add ", " add ", 1)).collect();
        }
        views
    }
}

impl Node {
    /// What differs between our packs for a deal and those that its terms name; empty where nothing does.
    pub(super) fn packs_that_differ(
        &self,
        countries: &[&str],
        shared: &serde_json::Value,
        named: &[naru_protocol::terms::Pack],
        ours: naru_protocol::identity::Role,
    ) -> Vec<String> {
        differ::lines(&self.shelf, &self.engine_for(countries, shared), named, ours)
    }
}
