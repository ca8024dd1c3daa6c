//! `naru log export`: the log and what an auditor needs as static files (spec chapter 09, AUD-1).
//!
//! The tiles are C2SP's, so that any tool of that kind reads them. Writes beside its place and renames: an interrupted
//! export is no export. Exports everything that this node holds; choosing what an auditor may see is not done here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use naru_protocol::{
    encoding::{Digest, to_base64url},
    log::{
        checkpoint::Origin,
        tile::{Tile, bundle_bytes, entry_bundles, hash_tiles},
    },
};
use serde_json::{Value, json};

use super::{
    Node, NodeError,
    verbs::{Export, Exported},
};
use crate::{
    config::ConfigError,
    store::{ActRow, Direction, ExchangeQuery, ExchangeRow, MAX_ROWS},
};

/// Writes files under one folder.
struct Out(PathBuf);

impl Out {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), NodeError> {
        let path = self.0.join(name);
        let io = |source| ConfigError::Io { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        Ok(fs::write(&path, bytes).map_err(io)?)
    }

    fn json(&self, name: &str, value: &Value) -> Result<(), NodeError> {
        self.write(name, value.to_string().as_bytes())
    }
}

impl Node {
    /// Writes the log as of now into a folder that is new or empty.
    pub async fn export(&self, ask: Export) -> Result<Exported, NodeError> {
        let beside = ask.out.with_extension("part");
        let io = |path: &Path, source| ConfigError::Io { path: path.to_owned(), source };
        if ask.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let source = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
            return Err(io(&ask.out, source).into());
        }
        let _ = fs::remove_dir_all(&beside);
        let out = Out(beside.clone());
        let size = self.write_log(&out).await?;
        self.write_statements(&out).await?;
        self.write_exchanges(&out).await?;
        for (name, bytes) in naru_policy::bundled::PACKS {
            let pack = self.engine.packs().find(|pack| pack.name == name);
            let Some(pack) = pack else { continue };
            out.write(&format!("packs/{}.tar.gz", pack.digest), bytes)?;
        }
        let _ = fs::remove_dir(&ask.out);
        fs::rename(&beside, &ask.out).map_err(|source| io(&ask.out, source))?;
        Ok(Exported { dir: ask.out, size, origin: self.me.origin.clone() })
    }

    async fn write_log(&self, out: &Out) -> Result<u64, NodeError> {
        let Some(head) = self.store.head().await? else { return Ok(0) };
        let wrong = |e: &dyn std::fmt::Display| NodeError::Folder(e.to_string());
        let origin = Origin::parse(&self.me.origin).map_err(|e| wrong(&e))?;
        let key = origin.key(self.me.keys.log).map_err(|e| wrong(&e))?;
        out.write("vkey", format!("{key}\n").as_bytes())?;
        out.write("checkpoint", head.note.as_bytes())?;
        for tile in hash_tiles(head.size) {
            let bytes = self.store.tile(tile).await?.ok_or_else(|| wrong(&"a tile is missing"))?;
            out.write(&tile.path(), &bytes)?;
        }
        for tile in entry_bundles(head.size) {
            self.write_bundle(out, tile).await?;
        }
        out.json(
            "node.json",
            &json!({"v": 1, "did": self.me.did, "origin": self.me.origin, "name": self.me.participant.name,
                "country": self.me.participant.country.to_string(), "size": self.me.party().size}),
        )?;
        Ok(head.size)
    }

    async fn write_bundle(&self, out: &Out, tile: Tile) -> Result<(), NodeError> {
        let first = tile.index() * 256;
        let rows = self.store.entries(first, u32::from(tile.width())).await?;
        let leaves: Vec<&[u8]> = rows.iter().map(|row| row.leaf.as_slice()).collect();
        let bytes = bundle_bytes(tile, &leaves).map_err(|e| NodeError::Folder(e.to_string()))?;
        out.write(&tile.path(), &bytes)?;
        for row in &rows {
            let shown = self.store.disclosures(row.index).await?;
            let texts: Vec<&str> = shown.iter().map(|d| d.text.as_str()).collect();
            if !texts.is_empty() {
                out.json(&format!("disclosures/{}.json", row.index), &json!(texts))?;
            }
        }
        Ok(())
    }

    async fn write_statements(&self, out: &Out) -> Result<(), NodeError> {
        let statement =
            |jws: &str| out.write(&format!("statements/{}.jws", Digest::of(jws.as_bytes())), jws.as_bytes());
        statement(&self.me.statement)?;
        for set in self.store.key_sets(&self.me.did.to_string(), 1, MAX_ROWS).await? {
            statement(&set.jws)?;
        }
        let mut after = None;
        loop {
            let page = self.store.peers(after.as_deref(), MAX_ROWS).await?;
            for row in &page {
                statement(&row.statement)?;
                for set in self.store.key_sets(&row.did, 1, MAX_ROWS).await? {
                    statement(&set.jws)?;
                }
            }
            let Some(last) = page.last() else { break };
            after = Some(last.did.clone());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.store.datasets(after.as_deref(), true, MAX_ROWS).await?;
            for row in &page {
                statement(&row.listing)?;
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
        }
    }

    async fn write_exchanges(&self, out: &Out) -> Result<(), NodeError> {
        let mut after = None;
        loop {
            let query = ExchangeQuery { after, limit: MAX_ROWS, ..ExchangeQuery::default() };
            let page = self.store.exchanges(query).await?;
            for row in &page {
                self.write_exchange(out, row).await?;
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.updated, last.id));
        }
    }

    async fn write_exchange(&self, out: &Out, row: &ExchangeRow) -> Result<(), NodeError> {
        for act in self.store.acts(row.id, 0, MAX_ROWS).await? {
            out.json(&format!("acts/{}.json", act.digest), &self.act_json(row, &act))?;
        }
        for made in self.store.evaluations(row.id, MAX_ROWS).await? {
            let parts: Value = serde_json::from_str(&made.private).unwrap_or_default();
            let shared: Value = serde_json::from_str(&made.shared).unwrap_or_default();
            let value = json!({
                "v": 1, "record": to_base64url(&made.record), "shared": shared, "private": parts["private"],
                "host": parts["host"], "salt": parts["salt"], "msg": parts["msg"],
            });
            out.json(&format!("evaluations/{}.json", made.digest), &value)?;
        }
        if let Some(agreement) = self.store.agreement_of(row.id).await? {
            out.write(&format!("agreements/{}.json", agreement.digest), agreement.jws.as_bytes())?;
        }
        let data: Value = serde_json::from_str(&row.data).unwrap_or_default();
        if let Some(listing) = data.get("listing").and_then(Value::as_str).filter(|l| !l.is_empty()) {
            out.write(&format!("statements/{}.jws", Digest::of(listing.as_bytes())), listing.as_bytes())?;
        }
        Ok(())
    }

    fn act_json(&self, row: &ExchangeRow, act: &ActRow) -> Value {
        let direction = match act.direction {
            Direction::In => "received",
            Direction::Out => "sent",
        };
        json!({
            "v": 1,
            "direction": direction,
            "kind": act.kind,
            "act": {"v": 1, "msg": act.msg, "iss": act.iss, "aud": act.aud, "exchange": row.id, "method": act.method,
                "path": act.path, "body": Digest::of(&act.body), "prev": act.prev},
            "content": to_base64url(&act.body),
            "token": act.token,
            "status": act.status,
            "answer": act.answer.as_deref().map(to_base64url),
            "ack": act.ack,
            "named": act.named,
            "dropped": act.dropped,
        })
    }
}
