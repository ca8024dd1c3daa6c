//! One exported log: key, checkpoint, tiles, entries, genesis, lanes, disclosures (spec chapter 09, AUD-4).
//!
//! A [`Log`] exists only if every entry hashes to the root of a checkpoint that the log's key signed.

use std::collections::BTreeMap;

use naru_protocol::{
    identity::Did,
    log::{
        checkpoint::{Origin, SignedCheckpoint},
        disclosure::Disclosure,
        entry::{Entry, EntryType},
        note::{Note, NoteKey},
        tile::{Tile, TileKind, VerifiedTiles, bundle_entries, entry_bundles, hash_tiles, leaves_of_bundle},
    },
};
use serde_json::{Value, json};

use super::{
    anchors::Anchors,
    export::{Folder, Place},
    finding::{Check, Fault, Findings, Grade, Subject},
    reason::Reason,
    statements::Statements,
};

/// Entries of one log that are held in memory, at most.
const ENTRIES: u64 = 8_000_000;

/// What an entry's disclosures show.
pub(super) type Shown = BTreeMap<String, Value>;

/// A log that verified.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) did: Did,
    pub(super) origin: Origin,
    pub(super) signed: SignedCheckpoint,
    pub(super) tiles: VerifiedTiles,
    pub(super) entries: Vec<Entry>,
    pub(super) shown: Vec<Shown>,
    pub(super) grade: Grade,
}

impl Log {
    /// An entry and what is shown of it.
    pub(super) fn entry(&self, index: u64) -> Option<(&Entry, &Shown)> {
        let index = usize::try_from(index).ok()?;
        Some((self.entries.get(index)?, self.shown.get(index)?))
    }

    /// All entries in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Entry, &Shown)> {
        (0..).zip(&self.entries).zip(&self.shown).map(|((index, entry), shown)| (index, entry, shown))
    }
}

/// Reads and verifies the log of one folder.
pub(super) fn read(
    folder: &Folder,
    log: usize,
    statements: &Statements,
    anchors: &Anchors,
    findings: &mut Findings,
) -> Option<Log> {
    let about = |claim| Subject::new(claim, Place::Vkey.path()).log(log);
    let (did, origin, key) = findings.take(about("log_key"), Grade::Own, vkey(folder, statements))?;
    let about = |claim| Subject::new(claim, origin).log(log);
    let anchor = match anchors.participants.get(&did) {
        Some((name, country)) => Ok(format!("{name} ({country})")),
        None => Err(Fault::failed(Reason::NotAnchored, did)),
    };
    if let Some(detail) = findings.need(about("participant"), anchor) {
        findings.proved(about("participant"), Grade::Own, detail);
    }
    let signed = findings.need(about("checkpoint"), checkpoint(folder, &key, anchors))?;
    let grade = if signed.signed().len() > 1 { Grade::Witness } else { Grade::Own };
    findings.proved(about("checkpoint"), grade, format!("{} entries, root {}", signed.size(), signed.root()));
    let tiles = findings.take(about("tiles"), grade, tiles(folder, &signed))?;
    let entries = findings.take(about("entries"), grade, entries(folder, &signed, &tiles))?;
    strangers(folder, &signed, &about("files"), findings);
    let shown = disclosures(folder, &entries, grade, &about("disclosures"), findings);
    let read = Log { did, origin, signed, tiles, entries, shown, grade };
    let check = genesis(&read, statements);
    findings.take(about("genesis"), grade, check);
    lanes(&read, &about("lane"), findings);
    Some(read)
}

/// The key must be the log key of a key set that the root of the origin signed (AUD-4.1).
fn vkey(folder: &Folder, statements: &Statements) -> Check<(Did, Origin, NoteKey)> {
    let malformed =
        |why: &dyn std::fmt::Display| Fault::failed(Reason::FileMalformed, format!("vkey: {why}"));
    let text = String::from_utf8(folder.read(Place::Vkey)?).map_err(|e| malformed(&e))?;
    let line = text.strip_suffix('\n').ok_or_else(|| malformed(&"not one line"))?;
    let key = NoteKey::parse(line).map_err(|e| malformed(&e))?;
    let origin = Origin::parse(key.name()).map_err(|e| malformed(&e))?;
    let did = Did::of(origin.root);
    let signed = statements.ring(&did).is_some_and(|ring| {
        ring.sets()
            .any(|set| origin.key(set.log).is_ok_and(|known| known == key && format!("{known}\n") == text))
    });
    if signed { Ok((did, origin, key)) } else { Err(Fault::failed(Reason::VkeyUnknown, origin)) }
}

fn checkpoint(folder: &Folder, key: &NoteKey, anchors: &Anchors) -> Check<SignedCheckpoint> {
    let invalid = |why: &dyn std::fmt::Display| Fault::failed(Reason::CheckpointInvalid, why);
    let bytes = folder.read(Place::Checkpoint)?;
    let note = Note::parse(&bytes).map_err(|e| invalid(&e))?;
    let signed = SignedCheckpoint::open(&bytes, key, &anchors.witnesses).map_err(|e| invalid(&e))?;
    let known = |name: &str, id| signed.signed().iter().any(|s| s.key.name() == name && s.key.id() == id);
    if let Some(line) = note.lines().iter().find(|line| !known(line.name(), line.id())) {
        return Err(Fault::failed(Reason::CosignerUnknown, line.name()));
    }
    if note.lines().len() != signed.signed().len() || note.to_string().as_bytes() != bytes {
        return Err(invalid(&"not written as signed notes are"));
    }
    if signed.size() == 0 || signed.size() > ENTRIES {
        return Err(Fault::failed(Reason::FileTooLarge, format!("{} entries", signed.size())));
    }
    Ok(signed)
}

fn tiles(folder: &Folder, signed: &SignedCheckpoint) -> Check<VerifiedTiles> {
    let mut given = BTreeMap::new();
    for tile in hash_tiles(signed.size()) {
        given.insert(tile, folder.read(Place::Tile(tile))?);
    }
    VerifiedTiles::check(signed.size(), signed.root(), &given)
        .map_err(|e| Fault::failed(Reason::TileInvalid, e))
}

fn entries(folder: &Folder, signed: &SignedCheckpoint, tiles: &VerifiedTiles) -> Check<Vec<Entry>> {
    let mut entries = Vec::new();
    for tile in entry_bundles(signed.size()) {
        let bytes = folder.read(Place::Tile(tile))?;
        let differs =
            |why: &dyn std::fmt::Display| Fault::failed(Reason::BundleDiffers, format!("{tile}: {why}"));
        let leaves = leaves_of_bundle(tile, &bytes).map_err(|e| differs(&e))?;
        for (index, leaf) in (tile.first()..).zip(&leaves) {
            if tiles.leaf(index) != Some(*leaf) {
                return Err(differs(&format!("entry {index} does not hash to its tile")));
            }
        }
        for (index, bytes) in (tile.first()..).zip(bundle_entries(tile, &bytes).map_err(|e| differs(&e))?) {
            let malformed = |e| Fault::failed(Reason::EntryMalformed, format!("entry {index}: {e}"));
            entries.push(Entry::parse(bytes).map_err(malformed)?);
        }
    }
    Ok(entries)
}

/// Tiles of other sizes and disclosures of entries that are not there.
fn strangers(folder: &Folder, signed: &SignedCheckpoint, about: &Subject, findings: &mut Findings) {
    let size = signed.size();
    let stranger = |place: &Place| match place {
        Place::Tile(tile) => !belongs(tile, size),
        Place::Disclosures(index) => *index >= size,
        Place::Vkey
        | Place::Checkpoint
        | Place::Node
        | Place::Act(_)
        | Place::Evaluation(_)
        | Place::Archive(_)
        | Place::Parts(_)
        | Place::Statement(_)
        | Place::Agreement(_)
        | Place::Fork(_)
        | Place::Plain(_)
        | Place::Unsigned(_) => false,
    };
    for place in folder.places().filter(stranger) {
        findings.fault(about.clone(), Fault::failed(Reason::FileUnexpected, place.path()));
    }
}

fn belongs(tile: &Tile, size: u64) -> bool {
    match tile.kind() {
        TileKind::Hashes(_) => tile.exists_in(size, false),
        TileKind::Entries => Tile::new(TileKind::Hashes(0), tile.index(), tile.width())
            .is_ok_and(|twin| twin.exists_in(size, false)),
    }
}

fn disclosures(
    folder: &Folder,
    entries: &[Entry],
    grade: Grade,
    about: &Subject,
    findings: &mut Findings,
) -> Vec<Shown> {
    let (mut count, mut hidden) = (0, 0);
    let mut all = Vec::with_capacity(entries.len());
    for (index, entry) in (0..).zip(entries) {
        let shown = match folder.has(Place::Disclosures(index)) {
            true => findings.need(about.clone(), disclosed(folder, index, entry)).unwrap_or_default(),
            false => Shown::new(),
        };
        count += shown.len();
        hidden += entry.sd().len().saturating_sub(shown.len());
        all.push(shown);
    }
    findings.proved(about.clone(), grade, format!("{count} fields"));
    if hidden > 0 {
        findings.fault(about.clone(), Fault::open(Reason::NotDisclosed, format!("{hidden} fields")));
    }
    all
}

fn disclosed(folder: &Folder, index: u64, entry: &Entry) -> Check<Shown> {
    let place = Place::Disclosures(index);
    let texts: Vec<String> = folder.json(place)?;
    let uncommitted = |e| Fault::failed(Reason::DisclosureUncommitted, format!("{}: {e}", place.path()));
    let parsed: Result<Vec<Disclosure>, _> = texts.iter().map(|text| Disclosure::parse(text)).collect();
    let parsed = parsed.map_err(uncommitted)?;
    let fields = entry.disclosed(&parsed).map_err(uncommitted)?;
    if fields.is_empty() {
        return Err(Fault::failed(Reason::FileMalformed, format!("{}: shows nothing", place.path())));
    }
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

/// Entry 0, and no other, says whose log this is (AUD-4.5).
fn genesis(log: &Log, statements: &Statements) -> Check<()> {
    let differs = |why: &str| Fault::failed(Reason::GenesisDiffers, why);
    let mut found = log.all().filter(|(_, entry, _)| entry.kind() == EntryType::Genesis);
    let (Some((0, _, shown)), None) = (found.next(), found.next()) else {
        return Err(differs("entry 0 is not the only genesis"));
    };
    let field =
        |name| shown.get(name).ok_or_else(|| Fault::open(Reason::NotDisclosed, format!("genesis {name}")));
    if *field("root")? != json!(log.did.to_string()) {
        return Err(differs("root"));
    }
    if *field("shard")? != json!(log.origin.shard) {
        return Err(differs("shard"));
    }
    let key = field("log_key")?;
    let ring = statements.ring(&log.did);
    if !ring.is_some_and(|ring| ring.sets().any(|set| json!(set.log.to_string()) == *key)) {
        return Err(differs("log_key"));
    }
    field("supersedes").map(drop)
}

/// A log that takes over from an earlier one names its last note, and the earlier log must hold what that note says (AUD-4.7).
pub(super) fn superseded(logs: &[(usize, Log)], statements: &Statements, findings: &mut Findings) {
    for (number, log) in logs {
        let genesis = log.all().next().and_then(|(_, _, shown)| shown.get("supersedes"));
        let Some(note) = genesis.and_then(serde_json::Value::as_str) else { continue };
        let about = Subject::new("earlier_shard", log.origin).log(*number);
        findings.take(about, log.grade, earlier(log, note, logs, statements));
    }
}

fn earlier(log: &Log, note: &str, logs: &[(usize, Log)], statements: &Statements) -> Check<()> {
    let differs = |why: &str| Fault::failed(Reason::GenesisDiffers, format!("supersedes: {why}"));
    let origin = Origin::parse(note.lines().next().unwrap_or_default());
    let origin = origin.map_err(|_| differs("names no log"))?;
    if origin.root != log.origin.root || origin.shard >= log.origin.shard {
        return Err(differs("is no earlier log of this participant"));
    }
    let ring = statements.ring(&log.did);
    let signed = ring.into_iter().flat_map(|ring| ring.sets()).find_map(|set| {
        let key = origin.key(set.log).ok()?;
        SignedCheckpoint::open_own(note.as_bytes(), &key).ok()
    });
    let signed = signed.ok_or_else(|| differs("is signed by no log key of this participant"))?;
    match logs.iter().find(|(_, other)| other.origin == origin) {
        Some((_, other)) => super::acts::consistent(other, &signed),
        None => Err(Fault::unsupported(Reason::EarlierShard, format!("{origin} was not given"))),
    }
}

/// In each lane the numbers shown must follow one another (AUD-4.6). Where an entry hides fields, a gap proves nothing.
fn lanes(log: &Log, about: &Subject, findings: &mut Findings) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults: BTreeMap<&str, Fault> = BTreeMap::new();
    let mut hidden = false;
    for (index, entry, shown) in log.all() {
        hidden |= shown.len() < entry.sd().len();
        for (name, value) in shown {
            let Some(lane) = name.strip_prefix("lane:") else { continue };
            let (number, before) =
                (value.as_u64().unwrap_or_default(), last.get(lane).copied().unwrap_or_default());
            if number != before.saturating_add(1) && !faults.contains_key(lane) {
                let detail = format!("{before} is followed by {number} at entry {index}");
                let fault = if hidden && number > before {
                    Fault::open(Reason::NotDisclosed, detail)
                } else {
                    Fault::failed(Reason::LaneGap, detail)
                };
                faults.insert(lane, fault);
            }
            last.insert(lane, number);
        }
    }
    for (lane, number) in last {
        let mut about = about.clone();
        about.subject = format!("{lane} of {}", log.origin);
        match faults.remove(lane) {
            Some(fault) => findings.fault(about, fault),
            None => findings.proved(about, log.grade, format!("1 to {number} without gap")),
        }
    }
}
