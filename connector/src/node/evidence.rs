//! `naru log export`: the log and what an auditor needs as static files (spec chapter 09, AUD-1).
//!
//! The tiles are C2SP's, so that any tool of that kind reads them. Writes beside its place and renames: an interrupted
//! export is no export. Exports everything that this node holds; choosing what an auditor may see is not done here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use naru_protocol::{
    act::{Method, Path as Target},
    encoding::{Digest, to_base64url},
    error::Code,
    json as jcs,
    log::{
        checkpoint::Origin,
        disclosure::Disclosure,
        tile::{Tile, bundle_bytes, entry_bundles, hash_tiles},
    },
    plain::{PlainAct, shown},
};
use serde_json::{Value, json};

use super::{
    Node, NodeError, Pages, now,
    out::outside,
    peers::random_id,
    verbs::{Export, Exported},
};
use crate::{
    config::ConfigError,
    store::{ActRow, Direction, ExchangeQuery, ExchangeRow, MAX_ROWS, Speaks},
};

/// Writes files under one folder.
struct Out(PathBuf);

/// Where the export ends: what came after its checkpoint is left out, as if it had not happened yet.
struct Until {
    size: u64,
    /// Evaluations, agreements and proofs that entries up to there name.
    named: BTreeSet<String>,
}

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
        self.write(name, &jcs::canonical(value)?)
    }
}

/// Whether the peer of an exchange signs nothing: its participant id names no key (`[PLN-1.2]`).
fn is_unsigned(row: &ExchangeRow) -> bool {
    !row.peer.starts_with("did:key:")
}

/// One message to or from a peer that signs nothing, as it is named by its digest. What the peer answered to one of ours is
/// left out: no entry commits to it.
fn plain_json(row: &ExchangeRow, act: &ActRow) -> Result<Value, NodeError> {
    let corrupt = |why: &str| NodeError::refused(Code::StoreCorrupt, format!("{}: {why}", act.digest));
    // Without the secrets in it, as its entry names it.
    let content = shown(&act.body);
    let named = PlainAct {
        v: jcs::V1,
        msg: act.msg,
        from: act.iss.clone(),
        to: act.aud.clone(),
        exchange: row.id,
        method: Method::parse(&act.method).ok_or_else(|| corrupt("method"))?,
        path: Target::parse(&act.path).map_err(|_| corrupt("path"))?,
        body: Digest::of(&content),
    };
    if named.digest()? != act.digest {
        return Err(corrupt("the digest is another"));
    }
    let (direction, status, answer) = match act.direction {
        Direction::In => ("received", act.status, Some(act.answer.as_deref().unwrap_or_default())),
        Direction::Out => ("sent", None, None),
    };
    Ok(json!({
        "v": 1, "direction": direction, "kind": act.kind, "act": named,
        "content": to_base64url(&content), "status": status, "answer": answer.map(to_base64url),
    }))
}

impl Node {
    /// Writes the log as of now into a folder that is new or empty. As one file: `bundle`.
    pub async fn export(&self, ask: Export) -> Result<Exported, NodeError> {
        outside(&ask.out, self.folder.path())?;
        // A name of its own: what lies beside the folder asked for is not ours to clear away.
        let mut name = ask.out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", random_id()?));
        let beside = ask.out.with_file_name(name);
        let io = |path: &Path, source| ConfigError::Io { path: path.to_owned(), source };
        if ask.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let source = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
            return Err(io(&ask.out, source).into());
        }
        let out = Out(beside.clone());
        let written = self.write_all(&out).await;
        if written.is_err() {
            let _ = fs::remove_dir_all(&beside);
        }
        let size = written?;
        let _ = fs::remove_dir(&ask.out);
        fs::rename(&beside, &ask.out).map_err(|source| io(&ask.out, source))?;
        Ok(Exported { dir: ask.out, size, origin: self.me.origin.clone() })
    }

    /// Everything that an export holds; gives the size of its log.
    async fn write_all(&self, out: &Out) -> Result<u64, NodeError> {
        let until = self.write_log(out).await?;
        self.write_statements(out, &until).await?;
        self.write_exchanges(out, &until).await?;
        let law = self.shelf.archives(&self.folder)?;
        let digests = law.iter().filter_map(|(pack, _)| pack["digest"].as_str().map(str::to_owned)).collect();
        let own = self.overlays.archives(&self.folder, &digests)?;
        for (pack, bytes) in law.into_iter().chain(own) {
            let digest = pack["digest"].as_str().unwrap_or_default();
            out.write(&format!("packs/{digest}.tar.gz"), &bytes)?;
            let parts = json!({"v": 1, "name": pack["name"], "wasm": pack["wasm"], "data": pack["data"],
                "manifest": pack["manifest"], "archive": Digest::of(&bytes)});
            out.json(&format!("packs/{digest}.json"), &parts)?;
        }
        Ok(until.size)
    }

    async fn write_log(&self, out: &Out) -> Result<Until, NodeError> {
        let mut until = Until { size: 0, named: BTreeSet::new() };
        let Some(head) = self.store.head().await? else { return Ok(until) };
        until.size = head.size;
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
            self.write_bundle(out, tile, &mut until).await?;
        }
        out.json(
            "node.json",
            &json!({"v": 1, "did": self.me.did, "origin": self.me.origin, "name": self.me.participant.name,
                "country": self.me.participant.country.to_string(), "size": self.me.party().size}),
        )?;
        Ok(until)
    }

    async fn write_bundle(&self, out: &Out, tile: Tile, until: &mut Until) -> Result<(), NodeError> {
        let first = tile.index() * 256;
        let rows = self.store.entries(first, u32::from(tile.width())).await?;
        let leaves: Vec<&[u8]> = rows.iter().map(|row| row.leaf.as_slice()).collect();
        let bytes = bundle_bytes(tile, &leaves).map_err(|e| NodeError::Folder(e.to_string()))?;
        out.write(&tile.path(), &bytes)?;
        for row in &rows {
            let shown = self.store.disclosures(row.index).await?;
            let texts: Vec<&str> = shown.iter().map(|d| d.text.as_str()).collect();
            let read = texts.iter().filter_map(|text| Disclosure::parse(text).ok());
            let names = read.filter(|field| matches!(field.name(), "decision" | "agreement" | "proof"));
            until.named.extend(names.filter_map(|field| field.value().as_str().map(str::to_owned)));
            if !texts.is_empty() {
                out.json(&format!("disclosures/{}.json", row.index), &json!(texts))?;
            }
        }
        Ok(())
    }

    async fn write_statements(&self, out: &Out, until: &Until) -> Result<(), NodeError> {
        let statement =
            |jws: &str| out.write(&format!("statements/{}.jws", Digest::of(jws.as_bytes())), jws.as_bytes());
        statement(&self.me.statement)?;
        for set in self.store.key_sets(&self.me.did.to_string(), 1, MAX_ROWS).await? {
            statement(&set.jws)?;
        }
        let mut after = None;
        loop {
            let page = self.store.peers(after.as_deref(), MAX_ROWS).await?;
            // Whoever signs nothing said nothing of itself.
            for row in page.iter().filter(|row| row.speaks == Speaks::Dxp) {
                statement(&row.statement)?;
                for set in self.store.key_sets(&row.did, 1, MAX_ROWS).await? {
                    statement(&set.jws)?;
                }
                self.write_forks(out, &row.did, until).await?;
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

    /// What proves that a log of this peer forked, where an entry up to the checkpoint records it.
    async fn write_forks(&self, out: &Out, did: &str, until: &Until) -> Result<(), NodeError> {
        for log in self.store.peer_claims(did, MAX_ROWS).await? {
            let Some(proof) = self.fork_of(&log.origin).await? else { continue };
            let digest = Digest::of(proof.as_bytes()).to_string();
            if until.named.contains(&digest) {
                out.write(&format!("forks/{digest}.json"), proof.as_bytes())?;
            }
        }
        Ok(())
    }

    /// All exchanges, newest change first. What changes meanwhile moves to the front and is written again, so that none is
    /// passed over.
    async fn write_exchanges(&self, out: &Out, until: &Until) -> Result<(), NodeError> {
        let (mut seen, mut since) = (BTreeSet::new(), 0);
        loop {
            let (began, known) = (now(), seen.len());
            let mut pages = Pages::of(ExchangeQuery { limit: MAX_ROWS, ..ExchangeQuery::default() });
            while let Some(page) = pages.next(self).await? {
                for row in page.iter().filter(|row| row.updated >= since) {
                    self.write_exchange(out, row, until).await?;
                    seen.insert(row.id);
                }
                if page.last().is_some_and(|last| last.updated < since) {
                    break;
                }
            }
            if since > 0 && seen.len() == known {
                return Ok(());
            }
            since = began;
        }
    }

    async fn write_exchange(&self, out: &Out, row: &ExchangeRow, until: &Until) -> Result<(), NodeError> {
        let acts = self.store.acts(row.id, 0, MAX_ROWS).await?;
        let (acts, later): (Vec<ActRow>, Vec<ActRow>) =
            acts.into_iter().partition(|act| act.entry.is_some_and(|index| index < until.size));
        if acts.is_empty() {
            return Ok(());
        }
        for act in &acts {
            match is_unsigned(row) {
                true => out.json(&format!("plain/{}.json", act.digest), &plain_json(row, act)?)?,
                false => out.json(&format!("acts/{}.json", act.digest), &self.act_json(row, act).await?)?,
            }
        }
        // While things go on, an evaluation or agreement may belong to an entry that came after the checkpoint; an evaluation
        // also to one that no act brought, as where the monitor finds that an agreement stands otherwise.
        let named = |digest: &Digest| until.named.contains(&digest.to_string());
        for made in self.store.evaluations(row.id, MAX_ROWS).await?.iter().filter(|made| named(&made.digest))
        {
            let parts: Value = serde_json::from_str(&made.private).unwrap_or_default();
            let shared: Value = serde_json::from_str(&made.shared).unwrap_or_default();
            let value = json!({
                "v": 1, "record": to_base64url(&made.record), "shared": shared, "host": parts["host"],
                "disclosure": parts["disclosure"],
            });
            out.json(&format!("evaluations/{}.json", made.digest), &value)?;
        }
        if let Some(agreement) =
            self.store.agreement_of(row.id).await?.filter(|made| later.is_empty() || named(&made.digest))
        {
            let folder = if is_unsigned(row) { "unsigned" } else { "agreements" };
            out.write(&format!("{folder}/{}.json", agreement.digest), agreement.jws.as_bytes())?;
        }
        let data: Value = serde_json::from_str(&row.data).unwrap_or_default();
        if let Some(listing) = data.get("listing").and_then(Value::as_str).filter(|l| !l.is_empty()) {
            out.write(&format!("statements/{}.jws", Digest::of(listing.as_bytes())), listing.as_bytes())?;
        }
        Ok(())
    }

    /// One act. Beside what is stored, what this node says of it by itself: a token over an act that it sent, the
    /// acknowledgement that it gave for one that it received.
    async fn act_json(&self, row: &ExchangeRow, act: &ActRow) -> Result<Value, NodeError> {
        let (direction, token, ack) = match act.direction {
            Direction::In => ("received", act.token.clone(), self.stored_answer(act).await?.ack),
            // At the act's own time, so that the same log is the same bytes whenever it is exported (AUD-1.14).
            Direction::Out => ("sent", Some(self.token_for(act, act.created).await?), act.ack.clone()),
        };
        Ok(json!({
            "v": 1,
            "direction": direction,
            "kind": act.kind,
            "act": {"v": 1, "msg": act.msg, "iss": act.iss, "aud": act.aud, "exchange": row.id, "method": act.method,
                "path": act.path, "body": Digest::of(&act.body), "prev": act.prev},
            "content": to_base64url(&act.body),
            "token": token,
            "status": act.status,
            "answer": act.answer.as_deref().map(to_base64url),
            "ack": ack,
        }))
    }
}
