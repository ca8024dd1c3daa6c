//! Each message to or from a peer that signs nothing, against its one entry (spec chapter 09, AUD-13.1 to AUD-13.3).

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::{
    encoding::{Digest, Id},
    log::entry::{Entry, EntryType, Side},
    plain::{PlainAct, is_plain_id},
};
use serde_json::json;

use crate::audit::{
    acts::{Acts, Entries, check_kind, entries_of_acts, one_entry},
    export::{Direction, Folder, Place, PlainFile, decoded},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::{Log, Shown},
    reason::Reason,
};

/// A message whose file is what its entry says.
#[derive(Debug)]
pub(super) struct PlainSeen {
    pub(super) kind: EntryType,
    pub(super) act: PlainAct,
    pub(super) content: Vec<u8>,
    /// Index of its entry.
    pub(super) index: u64,
    pub(super) sent: bool,
    /// Received and answered 2xx, or sent and not dropped; whether a sent one arrived is not known.
    pub(super) accepted: bool,
    /// Received and refused for good.
    pub(super) refused: bool,
    /// The terms that its entry names.
    pub(super) names: Option<Digest>,
}

impl PlainSeen {
    pub(super) fn peer(&self) -> &str {
        if self.sent { &self.act.to } else { &self.act.from }
    }
}

/// Reads and checks `plain/` against the log.
pub(super) fn read(
    folder: &Folder,
    number: usize,
    log: &Log,
    findings: &mut Findings,
) -> BTreeMap<Digest, PlainSeen> {
    let entries = entries_of_acts(log);
    let dropped: BTreeSet<Digest> = log
        .all()
        .filter(|(_, entry, _)| entry.kind() == EntryType::Dropped)
        .filter_map(|(_, entry, _)| entry.act().copied())
        .collect();
    let mut all = BTreeMap::new();
    for place in folder.places() {
        let Place::Plain(digest) = place else { continue };
        let mut about = Subject::new("act", digest).log(number);
        if let Some((_, entry, _)) = entries.get(&digest).and_then(|found| found.first()) {
            about.exchange = entry.exchange().copied();
        }
        let Some(mut seen) = findings.need(about.clone(), check(folder, digest, log, &entries)) else {
            continue;
        };
        seen.accepted &= !dropped.contains(&digest);
        match seen.sent {
            // That the bytes arrived is shown by nothing, and no cosigner makes the owner's word another's.
            true => findings.proved(about, Grade::Own, seen.kind),
            false => findings.fault(about, Fault::unsupported(Reason::Unsigned, seen.kind)),
        }
        all.insert(digest, seen);
    }
    all
}

/// Everything that one file says (AUD-13.1, AUD-13.2).
fn check(folder: &Folder, digest: Digest, log: &Log, entries: &Entries<'_>) -> Check<PlainSeen> {
    let place = Place::Plain(digest);
    let file: PlainFile = folder.json(place)?;
    if file.act.digest().ok() != Some(digest) {
        return Err(Fault::failed(Reason::NameDiffers, place.path()));
    }
    let content = decoded(&file.content, "content")?;
    if Digest::of(&content) != file.act.body {
        return Err(Fault::failed(Reason::ContentDiffers, file.kind));
    }
    let (index, entry, shown) = one_entry(entries, digest, file.kind)?;
    let peer = parties(&file, entry, log)?;
    fields(&file, entry, shown, peer)?;
    answer(&file, entry)?;
    // The profile's own messages mean nothing between partners that sign nothing.
    let foreign = matches!(file.kind, EntryType::NegotiationEnd | EntryType::TransferReceipt);
    if foreign && entry.is_accepted() {
        return Err(Fault::failed(Reason::ActDiffers, file.kind));
    }
    check_kind(file.kind, &content, entry)?;
    Ok(PlainSeen {
        kind: file.kind,
        sent: file.direction == Direction::Sent,
        accepted: entry.is_accepted(),
        refused: entry.status().is_some_and(|status| status >= 400),
        names: shown.get("agreement").and_then(|value| Digest::parse(value.as_str()?).ok()),
        act: file.act,
        content,
        index,
    })
}

/// One party is the log's owner, on the side of the entry; the other's id names no key. Gives the other.
fn parties<'a>(file: &'a PlainFile, entry: &Entry, log: &Log) -> Check<&'a str> {
    let differs = |what: &str| Fault::failed(Reason::ActDiffers, format!("{}: {what}", file.kind));
    let (side, ours, theirs) = match file.direction {
        Direction::Sent => (Side::Sent, &file.act.from, &file.act.to),
        Direction::Received => (Side::Received, &file.act.to, &file.act.from),
    };
    if entry.side() != side || *ours != log.did.to_string() {
        return Err(differs("the side"));
    }
    if !is_plain_id(theirs) {
        return Err(differs("a participant whose id names a key signs what it sends"));
    }
    Ok(theirs)
}

/// What the entry shows is of this message, and marks it as unsigned.
fn fields(file: &PlainFile, entry: &Entry, shown: &Shown, peer: &str) -> Check<()> {
    let differs = |what: &str| Fault::failed(Reason::ActDiffers, format!("{}: {what}", file.kind));
    if entry.kind() != file.kind {
        return Err(differs("the type of the entry"));
    }
    if entry.exchange() != Some(&file.act.exchange) {
        return Err(differs("the exchange"));
    }
    if entry.token().is_some() {
        return Err(differs("the entry names a token"));
    }
    if shown.get("peer").is_some_and(|said| *said != json!(peer)) {
        return Err(Fault::failed(Reason::FieldDiffers, "peer"));
    }
    let hidden = shown.len() < entry.sd().len();
    match shown.get("unsigned") {
        Some(said) if *said == json!(true) => Ok(()),
        None if hidden => Ok(()),
        Some(_) | None => Err(Fault::failed(Reason::FieldDiffers, "unsigned")),
    }
}

/// Of a received message what the entry says was answered; of a sent one nothing, since no entry says it.
fn answer(file: &PlainFile, entry: &Entry) -> Check<()> {
    let answer = file.answer.as_deref().map(|text| decoded(text, "answer")).transpose()?;
    let digest = answer.as_deref().map(Digest::of);
    if file.status == entry.status() && digest.as_ref() == entry.answer() {
        Ok(())
    } else {
        Err(Fault::failed(Reason::ActDiffers, format!("{}: status or answer", file.kind)))
    }
}

/// The peer of each exchange: one and the same for all of its messages, and none of them signed (AUD-13.3).
pub(super) fn peers(
    seen: &BTreeMap<Digest, PlainSeen>,
    signed: &Acts,
    number: usize,
    findings: &mut Findings,
) -> BTreeMap<Id, String> {
    let signed: BTreeSet<Id> = signed.seen.values().map(|seen| seen.act.exchange).collect();
    let mut peers: BTreeMap<Id, String> = BTreeMap::new();
    for (digest, seen) in seen {
        let exchange = seen.act.exchange;
        let about = Subject::new("act", digest).log(number).exchange(exchange);
        if signed.contains(&exchange) {
            let fault = Fault::failed(Reason::ActDiffers, "the exchange is a signed one");
            findings.fault(about.clone(), fault);
        }
        let peer = peers.entry(exchange).or_insert_with(|| seen.peer().to_owned());
        if peer != seen.peer() {
            findings.fault(about, Fault::failed(Reason::ActDiffers, "the exchange has another peer"));
        }
    }
    peers
}
