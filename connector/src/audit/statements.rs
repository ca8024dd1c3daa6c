//! Statements of all given folders together: key rings, participant statements, listings (spec chapter 09, AUD-3).
//!
//! A ring holds only key sets that its own root signed; whose root it is, the anchors say.

use std::collections::{BTreeMap, BTreeSet};

use naru_protocol::{
    encoding::Digest,
    identity::{Did, KeyRing, KeySet, Participant, verify_key_set, verify_participant},
    jws::{self, JwsError, Payload, Verified},
    listing::Listing,
    log::{
        checkpoint::{Checkpoint, Origin, SignedCheckpoint},
        note::Note,
    },
};

use super::{
    anchors::Anchors,
    export::{Folder, NodeFile, Place},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::Log,
    reason::Reason,
};

/// What is known of participants by their own signed words.
#[derive(Debug, Default)]
pub(super) struct Statements {
    rings: BTreeMap<Did, KeyRing>,
    participants: Vec<Participant>,
    pub(super) listings: BTreeMap<Digest, Listing>,
    /// Digests of all statements that verified.
    known: BTreeSet<Digest>,
}

/// A statement of one of the three kinds.
enum Statement {
    Keys(Box<Verified<KeySet>>),
    Participant(Box<Verified<Participant>>),
    /// Its keys are known later.
    Listing(String),
}

fn read(folder: &Folder, digest: Digest) -> Check<Statement> {
    let place = Place::Statement(digest);
    let bytes = folder.read(place)?;
    if Digest::of(&bytes) != digest {
        return Err(Fault::failed(Reason::NameDiffers, place.path()));
    }
    let invalid = |why: &dyn std::fmt::Display| {
        Fault::failed(Reason::StatementInvalid, format!("{}: {why}", place.path()))
    };
    let text = String::from_utf8(bytes).map_err(|e| invalid(&e))?;
    // The largest kind first: its limit must not be another's.
    match jws::peek::<Listing>(&text) {
        Err(JwsError::Typ) => {}
        Err(error) => return Err(invalid(&error)),
        Ok(_) => return Ok(Statement::Listing(text)),
    }
    match jws::peek::<KeySet>(&text) {
        Err(JwsError::Typ) => {}
        Ok(_) | Err(_) => {
            let set = verify_key_set(&text).map_err(|e| invalid(&e))?;
            return Ok(Statement::Keys(Box::new(set)));
        }
    }
    let said = verify_participant(&text).map_err(|e| invalid(&e))?;
    Ok(Statement::Participant(Box::new(said)))
}

impl Statements {
    /// Reads and checks `statements/` of all folders.
    pub(super) fn gather(folders: &[(usize, Folder)], anchors: &Anchors, findings: &mut Findings) -> Self {
        let mut all = Self::default();
        let mut sets: BTreeMap<(Did, u32, Digest), Verified<KeySet>> = BTreeMap::new();
        let mut listings = Vec::new();
        for (log, folder) in folders {
            for place in folder.places() {
                let Place::Statement(digest) = place else { continue };
                let about = Subject::new("statement", digest).log(*log);
                let Some(statement) = findings.need(about.clone(), read(folder, digest)) else { continue };
                match statement {
                    Statement::Keys(set) => {
                        findings.proved(about, Grade::Own, format!("key set of {}", set.payload().iss));
                        let payload = set.payload();
                        sets.insert((payload.iss, payload.number, digest), *set);
                        all.known.insert(digest);
                    }
                    Statement::Participant(said) => {
                        all.known.insert(digest);
                        all.participants.push(said.payload().clone());
                        let check = anchored(said.payload(), anchors);
                        if let Some(detail) = findings.need(about.clone(), check) {
                            findings.proved(about, Grade::Own, detail);
                        }
                    }
                    Statement::Listing(text) => listings.push((about, digest, text)),
                }
            }
        }
        for ((did, number, _), set) in sets {
            let ring = all.rings.entry(did).or_insert_with(|| KeyRing::new(did));
            if let Err(error) = ring.accept(&set) {
                let fault = Fault::failed(Reason::KeysConflict, error);
                findings.fault(Subject::new("statement", format!("key set {number} of {did}")), fault);
            }
        }
        for (about, digest, text) in listings {
            let listing = all.listing(&text);
            if let Some(listing) = findings.take(about, Grade::Own, listing) {
                all.listings.insert(digest, listing);
                all.known.insert(digest);
            }
        }
        all
    }

    /// What the exporter says of itself beside its log is what that log and its root say (AUD-1.9).
    pub(super) fn of_exporter(&self, folder: &Folder, log: &Log) -> Check<()> {
        let file: NodeFile = folder.json(Place::Node)?;
        let differs = |what: &str| Err(Fault::failed(Reason::NodeDiffers, what));
        if file.did != log.did || file.origin != log.origin.to_string() {
            return differs("did or origin");
        }
        let mut own = self.participants.iter().filter(|said| said.iss == log.did).peekable();
        if own.peek().is_none() {
            return Err(Fault::open(Reason::NotDisclosed, "the exporter's participant statement"));
        }
        if own.any(|said| said.name == file.name && said.country == file.country && said.size == file.size) {
            return Ok(());
        }
        differs("name, country or size")
    }

    fn listing(&self, text: &str) -> Check<Listing> {
        let invalid = |why: &dyn std::fmt::Display| Fault::failed(Reason::StatementInvalid, why);
        let read = jws::peek::<Listing>(text).map_err(|e| invalid(&e))?;
        let (iss, at) = (read.claims().iss, read.claims().valid_from);
        Ok(self.signed(text, &iss, at, Reason::StatementInvalid)?.into_payload())
    }

    pub(super) fn ring(&self, did: &Did) -> Option<&KeyRing> {
        self.rings.get(did)
    }

    /// Whether a statement with this digest was shown and verified.
    pub(super) fn shows(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    /// Checks a compact JWS of this participant that was logged at `at` seconds (AUD-3.4).
    pub(super) fn signed<M: Payload>(
        &self,
        text: &str,
        by: &Did,
        at: u64,
        invalid: Reason,
    ) -> Check<Verified<M>> {
        let read = jws::peek::<M>(text).map_err(|e| Fault::failed(invalid, e))?;
        let ks = read.header().ks;
        let unknown = || Fault::failed(Reason::KeyUnknown, format!("key set {ks} of {by}"));
        let ring = self.ring(by).ok_or_else(unknown)?;
        let set = ring.set(ks).ok_or_else(unknown)?;
        if ring.revocation(ks).is_some_and(|revocation| at >= revocation.at) {
            return Err(Fault::failed(Reason::KeyRevoked, format!("key set {ks} of {by}")));
        }
        read.verify(&set.signing).map_err(|e| Fault::failed(invalid, e))
    }

    /// Opens a checkpoint that this participant's log signed and that travelled in a token or an acknowledgement.
    pub(super) fn checkpoint(&self, note: &str, by: &Did) -> Check<(Origin, SignedCheckpoint)> {
        let invalid = |why: &dyn std::fmt::Display| Fault::failed(Reason::CheckpointInvalid, why);
        let text = Note::parse(note.as_bytes()).map_err(|e| invalid(&e))?;
        let said = Checkpoint::parse(text.text()).map_err(|e| invalid(&e))?;
        let origin = Origin::parse(&said.origin).map_err(|e| invalid(&e))?;
        if origin.root != *by.root_key() {
            return Err(invalid(&"a checkpoint of another participant's log"));
        }
        let ring = self.ring(by).ok_or_else(|| Fault::failed(Reason::KeyUnknown, by))?;
        let mut last = invalid(&"no key set");
        for set in ring.sets() {
            let key = origin.key(set.log).map_err(|e| invalid(&e))?;
            match SignedCheckpoint::open_own(note.as_bytes(), &key) {
                Ok(signed) => return Ok((origin, signed)),
                Err(error) => last = invalid(&error),
            }
        }
        Err(last)
    }
}

/// What a participant says of itself must not contradict what the auditor knows.
fn anchored(said: &Participant, anchors: &Anchors) -> Check<String> {
    let Some((name, country)) = anchors.participants.get(&said.iss) else {
        let detail = format!("{} says {} ({})", said.iss, said.name, said.country);
        return Err(Fault::open(Reason::IdentityOpen, detail));
    };
    if said.name != *name || said.country != *country {
        let detail =
            format!("{} says {} ({}), the anchor {name} ({country})", said.iss, said.name, said.country);
        return Err(Fault::failed(Reason::AnchorDiffers, detail));
    }
    Ok(format!("{name} ({country})"))
}
