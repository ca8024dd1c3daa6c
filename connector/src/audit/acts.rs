//! The acts of one export: each file against its entry, its signatures and its place in both logs (spec chapter 09, AUD-5).
//!
//! An act that is not exactly what its entry commits to is kept out of everything that follows.

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::{
    act::{Ack, Act, Token},
    dsp::{self, Message as _, negotiation::ContractNegotiationEventMessage, negotiation::EventType},
    encoding::{Digest, Id},
    identity::Did,
    jws::Verified,
    log::{
        checkpoint::{Origin, SignedCheckpoint},
        entry::{Entry, EntryType, Side},
    },
};
use serde_json::json;

use super::{
    export::{ActFile, Direction, Folder, Place, decoded},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::{Log, Shown},
    reason::Reason,
    statements::Statements,
};

/// An act whose file is what its entry says.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) kind: EntryType,
    pub(super) direction: Direction,
    pub(super) act: Act,
    pub(super) content: Vec<u8>,
    pub(super) token: Option<Verified<Token>>,
    pub(super) status: Option<u16>,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) ack: Option<Verified<Ack>>,
    /// Sent, and a later act of the peer names it.
    pub(super) named: bool,
    /// Index of its entry in this log.
    pub(super) index: u64,
    /// Digest of the acknowledgement's text.
    ack_digest: Option<Digest>,
}

/// What one log shows of a place in another: a checkpoint and an act at an index under it.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    /// Who signed the checkpoint.
    pub(super) of: Did,
    pub(super) origin: Origin,
    pub(super) signed: SignedCheckpoint,
    pub(super) act: Digest,
    pub(super) index: u64,
    /// Which half of the act lies at the index.
    pub(super) side: Side,
    pub(super) exchange: Id,
}

/// All acts of one export.
#[derive(Debug, Default)]
pub(super) struct Acts {
    pub(super) seen: BTreeMap<Digest, Seen>,
    pub(super) sightings: Vec<Sighting>,
}

/// Entries with their indices and what is shown of them, by act.
pub(super) type Entries<'a> = BTreeMap<Digest, Vec<(u64, &'a Entry, &'a Shown)>>;

/// The entries that are halves of acts, by act.
pub(super) fn entries_of_acts(log: &Log) -> Entries<'_> {
    let mut entries: BTreeMap<Digest, Vec<_>> = BTreeMap::new();
    for (index, entry, shown) in log.all() {
        if let (Some(act), true) = (entry.act(), entry.kind().is_act() || entry.kind() == EntryType::Adopted)
        {
            entries.entry(*act).or_default().push((index, entry, shown));
        }
    }
    entries
}

/// Reads and checks `acts/` against the log.
pub(super) fn read(
    folder: &Folder,
    number: usize,
    log: &Log,
    statements: &Statements,
    findings: &mut Findings,
) -> Acts {
    let mut acts = Acts::default();
    let entries = entries_of_acts(log);
    for (digest, found) in &entries {
        let mut about = Subject::new("act", digest).log(number);
        about.exchange = found.first().and_then(|(_, entry, _)| entry.exchange().copied());
        if !folder.has(Place::Act(*digest)) && !folder.has(Place::Plain(*digest)) {
            let kind = found.first().map_or("", |(_, entry, _)| entry.kind().as_str());
            findings.fault(about, Fault::failed(Reason::ActWithheld, kind));
        }
    }
    let reader = Reader { folder, number, log, statements, entries: &entries };
    for place in folder.places() {
        let Place::Act(digest) = place else { continue };
        reader.act(digest, &mut acts, findings);
    }
    let received = acts.seen.values().filter(|seen| seen.direction == Direction::Received);
    let named: BTreeSet<Digest> = received.filter_map(|seen| seen.act.prev).collect();
    for (digest, seen) in &mut acts.seen {
        seen.named = named.contains(digest);
    }
    reader.acks(&acts, findings);
    acts
}

struct Reader<'a> {
    folder: &'a Folder,
    number: usize,
    log: &'a Log,
    statements: &'a Statements,
    entries: &'a Entries<'a>,
}

impl Reader<'_> {
    fn act(&self, digest: Digest, acts: &mut Acts, findings: &mut Findings) {
        let mut about = Subject::new("act", digest).log(self.number);
        if let Some((_, entry, _)) = self.entries.get(&digest).and_then(|found| found.first()) {
            about.exchange = entry.exchange().copied();
        }
        let mut sightings = Vec::new();
        let Some(seen) = findings.need(about.clone(), self.check(digest, &mut sightings)) else { return };
        about.exchange = Some(seen.act.exchange);
        let both = seen.direction == Direction::Received || seen.ack.is_some();
        findings.proved(about, if both { Grade::Counterparty } else { self.log.grade }, seen.kind);
        acts.sightings.append(&mut sightings);
        acts.seen.insert(digest, seen);
    }

    /// Everything that one file says (AUD-5.1 to AUD-5.5, AUD-5.8).
    fn check(&self, digest: Digest, sightings: &mut Vec<Sighting>) -> Check<Seen> {
        let place = Place::Act(digest);
        let file: ActFile = self.folder.json(place)?;
        if file.act.digest().ok() != Some(digest) {
            return Err(Fault::failed(Reason::NameDiffers, place.path()));
        }
        let content = decoded(&file.content, "content")?;
        if Digest::of(&content) != file.act.body {
            return Err(Fault::failed(Reason::ContentDiffers, file.kind));
        }
        let (index, entry) = self.entry(digest, &file)?;
        let answer = file.answer.as_deref().map(|text| decoded(text, "answer")).transpose()?;
        check_kind(file.kind, &content, entry)?;
        let token = self.token(digest, &file, index, entry, sightings)?;
        self.answer(&file, entry, answer.as_deref())?;
        let ack = self.ack(digest, &file, index, entry, answer.as_deref(), sightings)?;
        let ack_digest = file.ack.as_ref().map(|text| Digest::of(text.as_bytes()));
        let ActFile { kind, direction, act, status, .. } = file;
        Ok(Seen {
            kind,
            direction,
            act,
            content,
            token,
            status,
            answer,
            ack,
            named: false,
            index,
            ack_digest,
        })
    }

    /// The one entry of the act, on the side that the file says.
    fn entry(&self, digest: Digest, file: &ActFile) -> Check<(u64, &Entry)> {
        let (index, entry, shown) = one_entry(self.entries, digest, file.kind)?;
        let (side, ours, theirs) = match file.direction {
            Direction::Sent => (Side::Sent, file.act.iss, file.act.aud),
            Direction::Received => (Side::Received, file.act.aud, file.act.iss),
        };
        let differs = |what: &str| Fault::failed(Reason::ActDiffers, format!("{}: {what}", file.kind));
        if entry.side() != side || ours != self.log.did || theirs == self.log.did {
            return Err(differs("the side"));
        }
        if entry.kind() != file.kind {
            return Err(differs("the type of the entry"));
        }
        if entry.exchange() != Some(&file.act.exchange) {
            return Err(differs("the exchange"));
        }
        if shown.get("peer").is_some_and(|peer| *peer != json!(theirs.to_string())) {
            return Err(Fault::failed(Reason::FieldDiffers, "peer"));
        }
        if shown.contains_key("unsigned") {
            return Err(Fault::failed(Reason::FieldDiffers, "unsigned"));
        }
        Ok((index, entry))
    }

    /// The token signs exactly this act; of a received act it is the one that the entry names (AUD-5.3).
    fn token(
        &self,
        digest: Digest,
        file: &ActFile,
        index: u64,
        entry: &Entry,
        sightings: &mut Vec<Sighting>,
    ) -> Check<Option<Verified<Token>>> {
        let committed = match file.direction {
            Direction::Received => entry.token().copied(),
            Direction::Sent => None,
        };
        let Some(text) = &file.token else {
            return match file.direction {
                Direction::Received => Err(Fault::failed(Reason::TokenInvalid, "missing")),
                Direction::Sent => Ok(None),
            };
        };
        if file.direction == Direction::Received && committed != Some(Digest::of(text.as_bytes())) {
            return Err(Fault::failed(Reason::TokenDiffers, "the entry names another token"));
        }
        let token: Verified<Token> =
            self.statements.signed(text, &file.act.iss, entry.at(), Reason::TokenInvalid)?;
        let said = token.payload();
        if said.act().as_ref() != Some(&file.act) || said.sub != said.iss {
            return Err(Fault::failed(Reason::TokenDiffers, "the token signs another act"));
        }
        let (Some(place), Some(note)) = (said.index, said.checkpoint.as_deref()) else {
            return Err(Fault::failed(Reason::TokenInvalid, "no place"));
        };
        let sighting = self.sighting(digest, file, (place, note), file.act.iss, Side::Sent)?;
        self.at_home(sighting, index, sightings)?;
        Ok(Some(token))
    }

    /// Status and answer are those that the entry of a received act commits to.
    fn answer(&self, file: &ActFile, entry: &Entry, answer: Option<&[u8]>) -> Check<()> {
        let digest = answer.map(Digest::of);
        let fits = match file.direction {
            Direction::Received => file.status == entry.status() && digest.as_ref() == entry.answer(),
            Direction::Sent => {
                [file.status.is_some(), answer.is_some(), file.ack.is_some()] == [file.ack.is_some(); 3]
            }
        };
        if fits { Ok(()) } else { Err(Fault::failed(Reason::ActDiffers, "status or answer")) }
    }

    /// The acknowledgement is of this act, status and answer, by its receiver (AUD-5.5).
    fn ack(
        &self,
        digest: Digest,
        file: &ActFile,
        index: u64,
        entry: &Entry,
        answer: Option<&[u8]>,
        sightings: &mut Vec<Sighting>,
    ) -> Check<Option<Verified<Ack>>> {
        let (Some(text), Some(answer)) = (&file.ack, answer) else {
            // What the exporter itself acknowledged it can always show (AUD-1.5).
            return match file.direction {
                Direction::Received => Err(Fault::failed(Reason::AckInvalid, "missing")),
                Direction::Sent => Ok(None),
            };
        };
        let by = file.act.aud;
        let ack: Verified<Ack> = self.statements.signed(text, &by, entry.at(), Reason::AckInvalid)?;
        let said = ack.payload();
        let differs = |what: &str| Fault::failed(Reason::AckDiffers, what);
        if said.iss != by || said.aud != file.act.iss || said.act != digest {
            return Err(differs("another act"));
        }
        if Some(said.status) != file.status {
            return Err(differs("another status"));
        }
        if said.answer != Digest::of(answer) {
            return Err(differs("another answer"));
        }
        let sighting = self.sighting(digest, file, (said.index, &said.checkpoint), by, Side::Received)?;
        self.at_home(sighting, index, sightings)?;
        Ok(Some(ack))
    }

    fn sighting(
        &self,
        act: Digest,
        file: &ActFile,
        (index, note): (u64, &str),
        of: Did,
        side: Side,
    ) -> Check<Sighting> {
        let (origin, signed) = self.statements.checkpoint(note, &of)?;
        if index >= signed.size() {
            return Err(Fault::failed(Reason::PlaceDiffers, format!("index {index} of {}", signed.size())));
        }
        Ok(Sighting { of, origin, signed, act, index, side, exchange: file.act.exchange })
    }

    /// A place in the exporter's own log is checked at once, one in the peer's is kept for joining the halves.
    fn at_home(&self, sighting: Sighting, index: u64, sightings: &mut Vec<Sighting>) -> Check<()> {
        if sighting.of != self.log.did {
            sightings.push(sighting);
            return Ok(());
        }
        if sighting.origin != self.log.origin || sighting.index != index {
            return Err(Fault::failed(
                Reason::PlaceDiffers,
                format!("entry {index}, not {}", sighting.index),
            ));
        }
        consistent(self.log, &sighting.signed)
    }

    /// Every acknowledgement that the log names is in a file (AUD-5.7).
    fn acks(&self, acts: &Acts, findings: &mut Findings) {
        let held: BTreeSet<Digest> = acts
            .seen
            .values()
            .filter(|seen| seen.direction == Direction::Sent)
            .filter_map(|seen| seen.ack_digest)
            .collect();
        let about = Subject::new("acknowledgements", self.log.origin).log(self.number);
        let mut count = 0_usize;
        for (index, entry, _) in self.log.all() {
            for ack in entry.acks() {
                if held.contains(ack) {
                    count += 1;
                } else {
                    let fault = Fault::failed(Reason::AckWithheld, format!("{ack} of entry {index}"));
                    findings.fault(about.clone(), fault);
                }
            }
        }
        findings.proved(about, self.log.grade, format!("{count} of {} held are logged", held.len()));
    }
}

/// The one entry of an act.
pub(super) fn one_entry<'a>(
    entries: &Entries<'a>,
    digest: Digest,
    kind: EntryType,
) -> Check<(u64, &'a Entry, &'a Shown)> {
    let found = match entries.get(&digest).map(Vec::as_slice) {
        None | Some([]) => return Err(Fault::failed(Reason::ActUnlogged, kind)),
        Some([one]) => *one,
        Some([first, second, ..]) => {
            let detail = format!("entries {} and {}", first.0, second.0);
            return Err(Fault::failed(Reason::ActTwice, detail));
        }
    };
    if found.1.kind() == EntryType::Adopted {
        return Err(Fault::unsupported(Reason::EarlierShard, kind));
    }
    Ok(found)
}

/// The log begins with the one of an older checkpoint of its own, or it forked.
pub(super) fn consistent(log: &Log, older: &SignedCheckpoint) -> Check<()> {
    if older.size() > log.tiles.size() {
        return Err(Fault::open(Reason::LaterThanHalf, format!("{} of {}", older.size(), log.origin)));
    }
    match log.tiles.root_at(older.size()) {
        Ok(root) if root == *older.root() => Ok(()),
        Ok(_) => Err(Fault::failed(Reason::Forked, format!("{} at size {}", log.origin, older.size()))),
        Err(error) => Err(Fault::failed(Reason::TileInvalid, error)),
    }
}

/// The message is of the kind that the entry says. One that was refused need not even be a message.
pub(super) fn check_kind(kind: EntryType, content: &[u8], entry: &Entry) -> Check<()> {
    if !entry.is_accepted() {
        return Ok(());
    }
    let event = || ContractNegotiationEventMessage::parse(content).ok().map(|event| event.event_type);
    let found = dsp::type_of(content);
    let fits = match (found.as_deref(), kind) {
        (Some("ContractRequestMessage"), EntryType::NegotiationRequest)
        | (Some("ContractOfferMessage"), EntryType::NegotiationOffer)
        | (Some("ContractAgreementMessage"), EntryType::NegotiationAgreement)
        | (Some("ContractAgreementVerificationMessage"), EntryType::NegotiationVerification)
        | (Some("ContractNegotiationTerminationMessage"), EntryType::NegotiationTermination)
        | (Some("End"), EntryType::NegotiationEnd)
        | (Some("Report"), EntryType::NegotiationReport)
        | (Some("TransferRequestMessage"), EntryType::TransferRequest)
        | (Some("TransferStartMessage"), EntryType::TransferStart)
        | (Some("TransferSuspensionMessage"), EntryType::TransferSuspension)
        | (Some("TransferCompletionMessage"), EntryType::TransferCompletion)
        | (Some("TransferTerminationMessage"), EntryType::TransferTermination)
        | (Some("DataReceipt"), EntryType::TransferReceipt) => true,
        (Some("ContractNegotiationEventMessage"), EntryType::NegotiationAccept) => {
            event() == Some(EventType::Accepted)
        }
        (Some("ContractNegotiationEventMessage"), EntryType::NegotiationFinalized) => {
            event() == Some(EventType::Finalized)
        }
        (Some(_) | None, _) => false,
    };
    if fits { Ok(()) } else { Err(Fault::failed(Reason::ActDiffers, format!("the content is no {kind}"))) }
}
