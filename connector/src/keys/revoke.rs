//! Revoking every key that somebody may have seen (spec chapter 02, ID-10): what that does is said first, from the folder alone, and
//! done only then, by one statement that the root signs.
//!
//! All sets that still count are revoked together: they lie in one folder, and share the transport key. The log key of a revoked set
//! goes on to count for what it signed (ID-6.5), since the log of before verifies under it; it signs nothing more. What follows at
//! the node's next start is in `node/revoked`. A root key that was stolen cannot be revoked: it is the identity.

use naru_protocol::{error::Code, identity::Revocation};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Shown, Transport, config, next_set, root_key, show, stopped};
use crate::{
    config::Folder,
    control::Failure,
    node::{AtRest, Me, OPEN, now},
};

/// How to revoke.
#[derive(Debug, Clone, Default)]
pub struct Revoke {
    /// The file with the root key, where it is not in the folder.
    pub root: Option<std::path::PathBuf>,
    /// From when on signatures do not count, seconds; now, where nobody knows better.
    pub since: Option<u64>,
    /// Say what it does, and do nothing.
    pub only_say: bool,
}

/// What revoking does to what there is.
#[derive(Debug, Clone, Serialize)]
pub struct Revoked {
    /// Version of this form.
    pub v: u32,
    /// Whether it was done, or only said.
    pub done: bool,
    /// Numbers of the key sets that no longer count.
    pub revoked: Vec<u32>,
    /// From when on their signatures do not, seconds.
    pub since: u64,
    /// Acts that this node logged from then on: what they did no longer holds before an auditor.
    pub acts_since: u64,
    /// Negotiations that are not concluded, by id: the other side may refuse them, since their terms name the old keys.
    pub negotiations: Vec<Value>,
    /// Transfers that run, by id: they stop and go on under the new keys.
    pub transfers: Vec<Value>,
    /// Agreements in force, which stay so.
    pub agreements: usize,
    /// Datasets that are offered: each comes back as its next version, signed anew.
    pub datasets: Vec<String>,
    /// Partners that are told at the next start.
    pub partners: Vec<String>,
    /// The keys as they are now.
    pub keys: Shown,
}

/// Entries that are looked at together.
const PAGE: u64 = 500;

/// Revokes all key sets that count, and makes the next one. The node must not run.
pub async fn revoke(folder: &Folder, ask: &Revoke) -> Result<Revoked, Failure> {
    let lock = stopped(folder)?;
    let me = Me::read(folder, folder.config().map_err(|e| config(&e))?.shard)?;
    // A second more: what was honestly signed in this very second stands before the auditors.
    let at = ask.since.unwrap_or_else(|| now().saturating_add(1));
    if at > now().saturating_add(1) {
        return Err(Failure::new(
            Code::ArgumentInvalid,
            "--since lies ahead: keys are revoked from a time on that has come",
        ));
    }
    let root = root_key(folder, &me, ask.root.as_deref())?;
    let live = me.ring.sets().filter(|set| me.ring.revocation(set.number).is_none());
    let numbers: Vec<u32> = live.map(|set| set.number).collect();
    let mut said = consequences(folder, &numbers, at).await?;
    if ask.only_say {
        return Ok(said);
    }
    // ID-6.4, ID-10.1
    let mut revoked = me.keys.revoked.clone();
    revoked.extend(numbers.into_iter().map(|number| Revocation { number, at, log: false }));
    next_set(folder, &me, &root, Transport::Fresh, revoked)?;
    said.done = true;
    said.keys = show(folder)?;
    drop(lock);
    Ok(said)
}

/// What there is that revoking touches, read from the folder.
async fn consequences(folder: &Folder, numbers: &[u32], since: u64) -> Result<Revoked, Failure> {
    let mut said = Revoked {
        v: 1,
        done: false,
        revoked: numbers.to_vec(),
        since,
        acts_since: 0,
        negotiations: Vec::new(),
        transfers: Vec::new(),
        agreements: 0,
        datasets: Vec::new(),
        partners: Vec::new(),
        keys: show(folder)?,
    };
    let Some(node) = AtRest::open(folder).await? else { return Ok(said) };
    let all = async |verb: &str| Ok::<_, Failure>(node.look(verb, None).await?.unwrap_or_default());
    let word = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for row in rows(&all("exchanges").await?) {
        let (kind, state) = (word(&row, "kind"), word(&row, "state"));
        let open = OPEN.contains(&state.as_str()) && !row.get("unsigned").is_some_and(|v| v == true);
        let shown = json!({"id": row["id"], "peer": row["peer"], "role": row["role"],
            "state": state, "dataset": row["dataset"]});
        match kind.as_str() {
            "negotiation" if open => said.negotiations.push(shown),
            "transfer" if open => said.transfers.push(shown),
            "negotiation" if row.get("in_force").is_some_and(|v| !v.is_null()) => said.agreements += 1,
            _ => {}
        }
    }
    let offered = |row: &Value| row.get("withdrawn").is_some_and(|v| v == false);
    said.datasets =
        rows(&all("datasets").await?).iter().filter(|r| offered(r)).map(|r| word(r, "dataset")).collect();
    let signs = |row: &Value| word(row, "status") == "accepted" && word(row, "speaks") == "dxp";
    said.partners =
        rows(&all("peers").await?).iter().filter(|r| signs(r)).map(|r| word(r, "alias")).collect();
    said.acts_since = acts_since(&node, since).await?;
    Ok(said)
}

/// Acts that this node sent and logged from a time on, counted back from the newest.
async fn acts_since(node: &AtRest, since: u64) -> Result<u64, Failure> {
    let (mut count, mut ask) = (0, json!({"from": null, "limit": PAGE, "exchange": null}));
    loop {
        let page = node.look("log", Some(&ask)).await?.unwrap_or_default();
        let entries = page.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
        let at = |entry: &Value| entry.get("at").and_then(Value::as_u64).unwrap_or_default();
        let counts =
            |entry: &&Value| at(entry) >= since && entry.get("side").is_some_and(|side| side == "sent");
        count += entries.iter().filter(counts).count() as u64;
        let Some(first) = entries.first() else { return Ok(count) };
        let index = first.get("index").and_then(Value::as_u64).unwrap_or_default();
        if index == 0 || at(first) < since {
            return Ok(count);
        }
        let from = index.saturating_sub(PAGE);
        ask = json!({"from": from, "limit": index - from, "exchange": null});
    }
}
