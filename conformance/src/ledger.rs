//! The suite's own log (spec chapter 08): entries in memory, checkpoints, and what a peer may ask of it. It writes honest
//! entries so that the node under test can verify its counterparty as it must.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;

use crate::{
    acts::final_status,
    encoding::{b64url, fixed, from_b64url, hmac_sha256, sha256},
    json::{Json, object},
    merkle::{self, Hash, TilePath},
    note::Checkpoint,
    refusal::{Refusal, ensure},
};

/// A log in memory.
pub struct Ledger {
    origin: String,
    key: SigningKey,
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

/// What an entry says in clear, and the fields that it only commits to.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Act name or log word.
    pub kind: String,
    /// Text of the exchange id.
    pub exchange: Option<String>,
    /// Second of the entry.
    pub at: i64,
    /// Digest of the act.
    pub act: Option<String>,
    /// `sent`, `received` or `own`.
    pub side: String,
    /// Status of the answer.
    pub status: Option<i64>,
    /// Digest of the token accepted.
    pub token: Option<String>,
    /// Digest of the answer given.
    pub answer: Option<String>,
    /// Digests of acknowledgements received since the last entry.
    pub acks: Vec<String>,
    /// Names and values that go in as salted digests.
    pub fields: BTreeMap<String, Json>,
}

impl Entry {
    /// The canonical bytes; `key` and `msg` salt the fields.
    #[must_use]
    pub fn encode(&self, key: &[u8], msg: &[u8]) -> Vec<u8> {
        let mut digests: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| disclosure_digest(&disclosure(key, msg, name, value)))
            .collect();
        digests.sort();
        let texts = |list: &[String]| Json::List(list.iter().map(|text| text.as_str().into()).collect());
        object([
            ("v", 1.into()),
            ("type", self.kind.as_str().into()),
            ("exchange", self.exchange.clone().into()),
            ("at", self.at.into()),
            ("act", self.act.clone().into()),
            ("side", self.side.as_str().into()),
            ("status", self.status.into()),
            ("token", self.token.clone().into()),
            ("answer", self.answer.clone().into()),
            ("acks", texts(&self.acks)),
            ("_sd", texts(&digests)),
            ("_sd_alg", "sha-256".into()),
        ])
        .canonical()
        .into_bytes()
    }
}

/// Log words: entries that are no act.
const WORDS: [&str; 12] = [
    "genesis",
    "participant",
    "keys",
    "listing",
    "peer",
    "pack",
    "acks",
    "dropped",
    "adopted",
    "erasure",
    "fork",
    "monitor",
];

/// Names of acts in entries.
pub const ACTS: [&str; 15] = [
    "negotiation.request",
    "negotiation.offer",
    "negotiation.accept",
    "negotiation.agreement",
    "negotiation.verification",
    "negotiation.finalized",
    "negotiation.termination",
    "negotiation.end",
    "negotiation.report",
    "transfer.request",
    "transfer.start",
    "transfer.suspension",
    "transfer.completion",
    "transfer.termination",
    "transfer.receipt",
];

/// Whether a type of entry is known.
#[must_use]
pub fn known_type(kind: &str) -> bool {
    WORDS.contains(&kind) || ACTS.contains(&kind)
}

/// Reads an entry, its own or a peer's, and checks that it is one.
pub fn open_entry(bytes: &[u8]) -> Result<Json, Refusal> {
    ensure(bytes.len() <= 60 << 10, "too_large", "longer than 60 KiB")?;
    let entry = Json::parse(bytes)?;
    ensure(entry.canonical().as_bytes() == bytes, "not_canonical", "not canonical")?;
    let members =
        ["_sd", "_sd_alg", "acks", "act", "answer", "at", "exchange", "side", "status", "token", "type", "v"];
    ensure(entry.keys() == members, "not_canonical", format!("members {:?}", entry.keys()))?;
    ensure(
        entry.integer("v") == Some(1) && entry.text("_sd_alg") == Some("sha-256"),
        "malformed",
        "v or _sd_alg",
    )?;
    ensure(entry.integer("at").is_some_and(|at| at >= 0), "malformed", "at")?;
    for name in ["_sd", "acks"] {
        let texts: Vec<_> = entry.list(name).iter().filter_map(Json::as_text).collect();
        let whole = matches!(entry.get(name), Some(Json::List(items)) if items.len() == texts.len());
        let digests = whole && texts.len() <= 64 && texts.iter().all(|text| fixed::<32>(text).is_some());
        ensure(digests, "malformed", name)?;
        ensure(texts.is_sorted_by(|a, b| a < b), "not_canonical", format!("{name} is not in order"))?;
    }
    let digest = |name: &str| entry.text(name).is_some_and(|text| fixed::<32>(text).is_some());
    let null = |name: &str| entry.get(name) == Some(&Json::Null);
    let exchange = entry.text("exchange").is_some_and(|text| fixed::<16>(text).is_some());
    let status = entry.integer("status").and_then(|status| u16::try_from(status).ok());
    let kind = entry.text("type").unwrap_or_default();
    let silent = null("status") && null("token") && null("answer");
    let acts = ACTS.contains(&kind);
    let fits = match (entry.text("side"), kind) {
        (Some("sent"), _) if acts => digest("act") && exchange && silent,
        (Some("received"), _) if acts => {
            let token = digest("token") || null("token");
            digest("act") && exchange && digest("answer") && token && status.is_some_and(final_status)
        }
        (Some("own" | "received"), "participant" | "keys" | "listing") => {
            null("act") && null("exchange") && silent
        }
        (Some("own"), "dropped" | "adopted") => digest("act") && exchange && silent,
        (Some("own"), "monitor") => null("act") && exchange && silent,
        (Some("own"), "acks") => null("act") && silent && !entry.list("acks").is_empty(),
        (Some("own"), "genesis") => {
            null("act") && null("exchange") && silent && entry.list("acks").is_empty()
        }
        (Some("own"), _) if known_type(kind) && !acts => null("act") && null("exchange") && silent,
        (Some(_) | None, _) => false,
    };
    ensure(fits, "malformed", format!("members do not fit type {kind}"))?;
    Ok(entry)
}

/// Reads a disclosure: name and value.
#[must_use]
pub fn open_disclosure(text: &str) -> Option<(String, Json)> {
    let bytes = from_b64url(text)?;
    let json = Json::parse(&bytes).ok()?;
    let Json::List(parts) = &json else { return None };
    let [Json::Text(salt), Json::Text(name), value] = parts.as_slice() else { return None };
    fixed::<32>(salt)?;
    if let Some(country) = name.strip_prefix("lane:") {
        let letters = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
        let counter = matches!(value, Json::Integer(counter) if *counter >= 1);
        if !letters || !counter {
            return None;
        }
    } else if name.len() > 64
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        return None;
    }
    (json.canonical().as_bytes() == bytes).then(|| (name.clone(), value.clone()))
}

/// The disclosure of a field (RFC 9901): base64url of `[salt, name, value]`.
#[must_use]
pub fn disclosure(key: &[u8], msg: &[u8], name: &str, value: &Json) -> String {
    let salt = hmac_sha256(key, &[msg, name.as_bytes()].concat());
    let array = Json::List(vec![b64url(&salt).into(), name.into(), value.clone()]);
    b64url(array.canonical().as_bytes())
}

/// The digest of a disclosure as it stands in `_sd`.
#[must_use]
pub fn disclosure_digest(disclosure: &str) -> String {
    b64url(&sha256(disclosure.as_bytes()))
}

impl Ledger {
    /// An empty log.
    #[must_use]
    pub fn new(origin: String, key: SigningKey) -> Self {
        Self { origin, key, entries: Vec::new(), leaves: Vec::new() }
    }

    /// Adds an entry and returns its index.
    pub fn append(&mut self, entry: Vec<u8>) -> u64 {
        self.leaves.push(merkle::leaf_hash(&entry));
        self.entries.push(entry);
        self.leaves.len() as u64 - 1
    }

    /// Number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The signed checkpoint over everything so far.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        Checkpoint { origin: self.origin.clone(), size: self.size(), root: merkle::root(&self.leaves) }
            .sign(&self.key)
    }

    /// The signed checkpoint over the first entries, as it was then.
    #[must_use]
    pub fn checkpoint_at(&self, size: u64) -> Option<String> {
        let root = merkle::root(self.leaves.get(..usize::try_from(size).ok()?)?);
        Some(Checkpoint { origin: self.origin.clone(), size, root }.sign(&self.key))
    }

    /// The consistency proof between two sizes.
    #[must_use]
    pub fn consistency(&self, from: u64, size: u64) -> Option<Vec<Hash>> {
        let leaves = self.leaves.get(..usize::try_from(size).ok()?)?;
        (1..=size).contains(&from).then(|| merkle::consistency(leaves, from as usize))
    }

    /// An entry and its inclusion proof in the tree of `size` entries.
    #[must_use]
    pub fn entry(&self, index: u64, size: u64) -> Option<(&[u8], Vec<Hash>)> {
        let (index, size) = (usize::try_from(index).ok()?, usize::try_from(size).ok()?);
        let leaves = self.leaves.get(..size)?;
        (index < size).then(|| (self.entries[index].as_slice(), merkle::inclusion(leaves, index)))
    }

    /// The bytes of a hash tile, by its path from `tile/` on; bundles of entries are nobody's business.
    #[must_use]
    pub fn tile(&self, path: &str) -> Option<Vec<u8>> {
        let tile = TilePath::parse(path)?;
        let number = usize::try_from(tile.number).ok()?;
        merkle::tile(&self.leaves, tile.level?, number, tile.width).map(|hashes| hashes.concat())
    }
}
