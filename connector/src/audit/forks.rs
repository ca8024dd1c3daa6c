//! Proofs that another participant's log forked, and the entries that record them (spec chapter 09, AUD-11.4).
//!
//! A proof convicts by its signatures alone; whether the log that it is about was given here too does not matter.

use std::collections::BTreeSet;

use naru_protocol::{
    encoding::Digest,
    log::{
        checkpoint::{ForkProof, Origin},
        entry::EntryType,
        note::NoteKey,
    },
};

use super::{
    export::{Folder, Place},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::Log,
    reason::Reason,
    statements::Statements,
};

/// Checks every proof of an export, and that every entry of that type names one.
pub(super) fn read(
    folder: &Folder,
    number: usize,
    log: &Log,
    statements: &Statements,
    findings: &mut Findings,
) {
    let mut named = BTreeSet::new();
    for (index, entry, shown) in log.all().filter(|(_, entry, _)| entry.kind() == EntryType::Fork) {
        let about = Subject::new("fork", format!("entry {index}")).log(number);
        match shown.get("proof").and_then(|value| Digest::parse(value.as_str()?).ok()) {
            Some(digest) if folder.has(Place::Fork(digest)) => drop(named.insert(digest)),
            Some(digest) => {
                findings.fault(about, Fault::failed(Reason::FileMissing, Place::Fork(digest).path()));
            }
            None => findings.fault(about, Fault::open(Reason::NotDisclosed, entry.kind())),
        }
    }
    for place in folder.places() {
        let Place::Fork(digest) = place else { continue };
        let about = Subject::new("fork", digest).log(number);
        if !named.contains(&digest) {
            findings.fault(about, Fault::failed(Reason::FileUnexpected, place.path()));
            continue;
        }
        match convicts(folder, digest, statements) {
            Ok(whom) => findings.proved(about, Grade::Counterparty, whom),
            Err(fault) => findings.fault(about, fault),
        }
    }
}

/// Whose log forked, and where.
fn convicts(folder: &Folder, digest: Digest, statements: &Statements) -> Check<String> {
    let place = Place::Fork(digest);
    let bytes = folder.read(place)?;
    if Digest::of(&bytes) != digest {
        return Err(Fault::failed(Reason::NameDiffers, place.path()));
    }
    let malformed = |why: &dyn std::fmt::Display| {
        Fault::failed(Reason::FileMalformed, format!("{}: {why}", place.path()))
    };
    let proof = ForkProof::parse(&bytes).map_err(|e| malformed(&e))?;
    let origin = Origin::parse(proof.first.lines().next().unwrap_or_default()).map_err(|e| malformed(&e))?;
    let did = naru_protocol::identity::Did::of(origin.root);
    let unknown = || Fault::failed(Reason::KeyUnknown, did);
    let keys = statements.ring(&did).ok_or_else(unknown)?.log_keys();
    let keys: Vec<NoteKey> = keys.into_iter().filter_map(|key| origin.key(key).ok()).collect();
    let (_, second) =
        proof.check(&keys).map_err(|e| Fault::failed(Reason::CheckpointInvalid, format!("{origin}: {e}")))?;
    Ok(format!("{origin} has two histories at or below size {}", second.size()))
}
