//! Joining the halves: each act in both logs, each checkpoint that one log shows of another (spec chapter 09, AUD-11).
//!
//! A checkpoint that contradicts the log that signed it is a fork; an act that one log proves the other to hold and that
//! is not there is an omission.

use std::collections::BTreeMap;

use naru_protocol::{
    encoding::Digest,
    identity::Did,
    log::{
        checkpoint::Origin,
        entry::{Entry, Side},
        merkle::Hash,
    },
};

use super::{
    acts::{Acts, Seen, Sighting, consistent},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::Log,
    reason::Reason,
};

/// A log with its acts and its place among the folders.
pub(super) struct Half<'a> {
    pub(super) number: usize,
    pub(super) log: &'a Log,
    pub(super) acts: &'a Acts,
}

/// One side of an act.
struct Seat<'a> {
    half: &'a Half<'a>,
    index: u64,
    entry: &'a Entry,
}

impl Seat<'_> {
    fn seen(&self, act: &Digest) -> Option<&Seen> {
        self.half.acts.seen.get(act)
    }
}

/// Joins all halves.
pub(super) fn join(halves: &[Half<'_>], findings: &mut Findings) {
    same_origin(halves, findings);
    sightings(halves, findings);
    acts(halves, findings);
}

/// Two exports of one log are one log.
fn same_origin(halves: &[Half<'_>], findings: &mut Findings) {
    for (at, one) in halves.iter().enumerate() {
        for other in halves.iter().skip(at + 1).filter(|other| other.log.origin == one.log.origin) {
            let (longer, shorter) =
                if one.log.signed.size() >= other.log.signed.size() { (one, other) } else { (other, one) };
            let about = Subject::new("same_log", one.log.origin).log(shorter.number);
            findings.take(about, Grade::Own, consistent(longer.log, &shorter.log.signed));
        }
    }
}

/// Every place that one log shows in another is checked there, if that log was given (AUD-11.2).
fn sightings(halves: &[Half<'_>], findings: &mut Findings) {
    let mut roots: BTreeMap<(Origin, u64), Hash> = BTreeMap::new();
    let mut shown: BTreeMap<(usize, Origin), (usize, usize)> = BTreeMap::new();
    for half in halves {
        for sighting in &half.acts.sightings {
            let about =
                Subject::new("peer_checkpoint", sighting.origin).log(half.number).exchange(sighting.exchange);
            let root =
                roots.entry((sighting.origin, sighting.signed.size())).or_insert(*sighting.signed.root());
            if root != sighting.signed.root() {
                let detail = format!("two roots at size {}", sighting.signed.size());
                findings.fault(about.clone(), Fault::failed(Reason::Forked, detail));
            }
            let count = shown.entry((half.number, sighting.origin)).or_default();
            match halves.iter().find(|other| other.log.origin == sighting.origin) {
                None => count.1 += 1,
                Some(other) => match place(other.log, sighting) {
                    Ok(()) => count.0 += 1,
                    Err(fault) => findings.fault(about, fault),
                },
            }
        }
    }
    for ((log, origin), (held, alone)) in shown {
        let about = Subject::new("peer_checkpoint", origin).log(log);
        if held > 0 {
            let detail = format!("{held} places hold the act under a checkpoint that the whole log extends");
            findings.proved(about.clone(), Grade::Counterparty, detail);
        }
        if alone > 0 {
            findings.fault(about, Fault::open(Reason::OneHalf, format!("{alone} places not looked up")));
        }
    }
}

/// The checkpoint is one of this log's past, and the act is where it says.
fn place(log: &Log, sighting: &Sighting) -> Check<()> {
    consistent(log, &sighting.signed)?;
    let found = log.entry(sighting.index);
    let holds =
        found.is_some_and(|(entry, _)| entry.act() == Some(&sighting.act) && entry.side() == sighting.side);
    if holds {
        Ok(())
    } else {
        let detail = format!("entry {} of {} is not act {}", sighting.index, log.origin, sighting.act);
        Err(Fault::failed(Reason::PlaceDiffers, detail))
    }
}

/// Each act whose two parties' logs were given (AUD-11.3).
fn acts(halves: &[Half<'_>], findings: &mut Findings) {
    let mut sides: BTreeMap<Digest, Vec<Seat<'_>>> = BTreeMap::new();
    for half in halves {
        for (index, entry, _) in half.log.all() {
            if let (Some(act), true) = (entry.act(), entry.kind().is_act()) {
                sides.entry(*act).or_default().push(Seat { half, index, entry });
            }
        }
    }
    let mut alone: BTreeMap<usize, usize> = BTreeMap::new();
    for (act, sides) in &sides {
        let Some(first) = sides.first() else { continue };
        let mut about = Subject::new("both_halves", act).log(first.half.number);
        about.exchange = first.entry.exchange().copied();
        let Some((iss, aud)) =
            sides.iter().find_map(|side| side.seen(act)).map(|seen| (seen.act.iss, seen.act.aud))
        else {
            // Its file failed or is missing, which was said.
            continue;
        };
        let given = |did: Did| halves.iter().any(|half| half.log.did == did);
        if !given(iss) || !given(aud) {
            *alone.entry(first.half.number).or_default() += 1;
            continue;
        }
        match compare(act, sides, halves, (iss, aud)) {
            Ok(word) => {
                findings.proved(about, Grade::Counterparty, format!("{}: {word}", first.entry.kind()))
            }
            Err(fault) => findings.fault(about, fault),
        }
    }
    for (log, count) in alone {
        let about = Subject::new("both_halves", format!("{count} acts")).log(log);
        findings.fault(about, Fault::open(Reason::OneHalf, ""));
    }
}

/// The verdict of one act: both, refused, or a fault that names what is missing or differs.
fn compare(
    act: &Digest,
    sides: &[Seat<'_>],
    halves: &[Half<'_>],
    (iss, aud): (Did, Did),
) -> Check<&'static str> {
    let find = |side: Side| sides.iter().find(|found| found.entry.side() == side);
    match (find(Side::Sent), find(Side::Received)) {
        (Some(sent), Some(received)) => both(act, sent, received),
        (Some(sent), None) => {
            let seen = sent.seen(act);
            let taken = seen.is_some_and(|seen| seen.named || seen.ack.is_some());
            let later = later(halves, aud, act, Side::Received);
            match (taken, later) {
                (true, true) => Err(Fault::open(Reason::LaterThanHalf, "only the sender")),
                (true, false) => Err(Fault::failed(Reason::Omitted, format!("only in the log of {iss}"))),
                (false, _) => Err(Fault::open(Reason::Unanswered, sent.entry.kind())),
            }
        }
        (None, Some(_)) if later(halves, iss, act, Side::Sent) => {
            Err(Fault::open(Reason::LaterThanHalf, "only the receiver"))
        }
        (None, Some(_)) => Err(Fault::failed(Reason::Omitted, format!("only in the log of {aud}"))),
        (None, None) => Err(Fault::failed(Reason::HalvesDiffer, "on no side")),
    }
}

/// Whether the place that an act names in this participant's log lies beyond what was exported of it.
fn later(halves: &[Half<'_>], did: Did, act: &Digest, side: Side) -> bool {
    let mut shown = halves.iter().flat_map(|half| &half.acts.sightings);
    shown.any(|sighting| {
        sighting.act == *act
            && sighting.side == side
            && !halves.iter().any(|h| {
                h.log.did == did && h.log.origin == sighting.origin && sighting.index < h.log.signed.size()
            })
    })
}

fn both(act: &Digest, sent: &Seat<'_>, received: &Seat<'_>) -> Check<&'static str> {
    let differ = |what: &str| Fault::failed(Reason::HalvesDiffer, what);
    if sent.entry.kind() != received.entry.kind() || sent.entry.exchange() != received.entry.exchange() {
        return Err(differ("type or exchange"));
    }
    let (ours, theirs) = (sent.seen(act), received.seen(act));
    if let Some(ack) = ours.and_then(|seen| seen.ack.as_ref()) {
        let said = ack.payload();
        if Some(said.status) != received.entry.status() || Some(&said.answer) != received.entry.answer() {
            return Err(differ("the answer"));
        }
        if said.index != received.index {
            return Err(differ("the index in the acknowledgement"));
        }
    }
    if let Some(token) = theirs.and_then(|seen| seen.token.as_ref())
        && token.payload().index != Some(sent.index)
    {
        return Err(differ("the index in the token"));
    }
    Ok(if received.entry.is_accepted() { "both" } else { "refused" })
}
