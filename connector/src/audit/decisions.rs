//! Every evaluation of one export, executed again with the packs of the export alone (spec chapter 09, AUD-6).
//!
//! Whether a fact in the input is true is not known here; that these packs over this input give this result is.

use std::collections::BTreeMap;

use naru_policy::{Bundle, Engine, Evaluation, assemble};
use naru_protocol::{
    encoding::{Digest, Id},
    json, limits,
    log::disclosure::Disclosure,
    permit::EvaluationRecord,
    plain::UnsignedTerms,
    terms::{Decision, Pack, Phase, Side, Terms},
};
use serde_json::{Value, json as object};

use super::{
    acts::Acts,
    agreements::{decision_in, terms_in},
    anchors::Anchors,
    export::{Direction, EvaluationFile, Folder, PartsFile, Place, decoded},
    finding::{Check, Fault, Findings, Grade, Subject},
    log::Log,
    occurrence::Transfers,
    plain::Plain,
    reason::Reason,
};
use crate::node::facts;

/// Seconds for which the operator's word about an identity holds, counted from the evaluation (AUD-6.6).
const IDENTITY_HOLDS: u64 = 86_400;
/// Packs of one export that are compiled, at most.
const PACKS: usize = 64;

/// Packs that loaded and are what their digests say, by digest.
#[derive(Debug, Default)]
pub(super) struct Packs {
    loaded: BTreeMap<Digest, Bundle>,
    /// By digest of the archive's bytes: compiling one takes a while, so it is done once.
    compiled: BTreeMap<Digest, Bundle>,
}

impl Packs {
    /// Forgets which packs an export had, and keeps what was compiled.
    pub(super) fn clear(&mut self) {
        self.loaded.clear();
    }

    /// Reads and checks `packs/` of one folder.
    pub(super) fn gather(&mut self, folder: &Folder, log: usize, anchors: &Anchors, findings: &mut Findings) {
        let digests = folder.places().filter_map(|place| match place {
            Place::Archive(digest) => Some(digest),
            Place::Parts(digest) => Some(digest).filter(|digest| !folder.has(Place::Archive(*digest))),
            Place::Vkey
            | Place::Checkpoint
            | Place::Node
            | Place::Tile(_)
            | Place::Disclosures(_)
            | Place::Act(_)
            | Place::Evaluation(_)
            | Place::Statement(_)
            | Place::Agreement(_)
            | Place::Fork(_)
            | Place::Plain(_)
            | Place::Unsigned(_) => None,
        });
        for (count, digest) in digests.enumerate() {
            let about = Subject::new("pack", digest).log(log);
            let check = match count {
                PACKS.. => Err(Fault::failed(Reason::FileUnexpected, format!("more than {PACKS} packs"))),
                _ => self.read(folder, digest, anchors),
            };
            if let Some(name) = findings.need(about.clone(), check) {
                findings.proved(about, Grade::Own, name);
            }
        }
    }

    fn read(&mut self, folder: &Folder, digest: Digest, anchors: &Anchors) -> Check<String> {
        let parts: PartsFile = folder.json(Place::Parts(digest))?;
        let texts = [parts.wasm, parts.data, parts.manifest].map(|part| part.to_string());
        if naru_policy::pack_digest(&texts[0], &texts[1], &texts[2]) != digest.to_string() {
            return Err(Fault::failed(Reason::NameDiffers, Place::Parts(digest).path()));
        }
        let archive = folder.read(Place::Archive(digest))?;
        let bundle = self.compile(&parts, &archive)?;
        let pack = bundle.pack();
        compare_parts(&parts, [&pack.wasm, &pack.data, &pack.manifest])?;
        if Digest::of(&archive) != parts.archive {
            return Err(Fault::failed(Reason::PackArchiveChanged, &parts.name));
        }
        if bundle.pack().name != parts.name {
            return Err(Fault::failed(
                Reason::FileMalformed,
                format!("the pack is named {}", bundle.pack().name),
            ));
        }
        if anchors.packs.as_ref().is_some_and(|known| !known.contains(&(parts.name.clone(), digest))) {
            return Err(Fault::failed(Reason::PackNotAccepted, parts.name));
        }
        let said = format!("{} {}", parts.name, bundle.pack().revision);
        self.loaded.insert(digest, bundle);
        Ok(said)
    }

    fn compile(&mut self, parts: &PartsFile, archive: &[u8]) -> Check<Bundle> {
        let digest = Digest::of(archive);
        if let Some(known) = self.compiled.get(&digest) {
            return Ok(known.clone());
        }
        let unreadable = |e| Fault::failed(Reason::PackUnreadable, format!("{}: {e}", parts.name));
        let bundle = Bundle::load(archive).map_err(unreadable)?;
        self.compiled.insert(digest, bundle.clone());
        Ok(bundle)
    }

    fn engine(&self, packs: &[Pack]) -> Check<Engine> {
        let find = |pack: &Pack| {
            let missing = || Fault::failed(Reason::PackMissing, format!("{} {}", pack.name, pack.digest));
            self.loaded
                .get(&pack.digest)
                .filter(|found| found.pack().name == pack.name)
                .cloned()
                .ok_or_else(missing)
        };
        let bundles = packs.iter().take(limits::PACKS + 1).map(find).collect::<Check<Vec<Bundle>>>()?;
        Engine::new(bundles).map_err(|e| Fault::failed(Reason::PackUnreadable, e))
    }
}

/// The parts are those of the digest; a changed one is named (AUD-6.2).
pub(super) fn compare_parts(parts: &PartsFile, [wasm, data, manifest]: [&str; 3]) -> Check<()> {
    for (expected, found, reason) in [
        (parts.wasm, wasm, Reason::PackWasmChanged),
        (parts.data, data, Reason::PackDataChanged),
        (parts.manifest, manifest, Reason::PackManifestChanged),
    ] {
        if expected.to_string() != found {
            return Err(Fault::failed(reason, &parts.name));
        }
    }
    Ok(())
}

/// What the log says of an evaluation.
struct Bound<'a> {
    /// Time of the first entry that names it.
    at: u64,
    /// The exchange of that entry, and the first entry of each that names it.
    exchange: Id,
    named: BTreeMap<Id, u64>,
    /// The signed decision over it, if one was sent.
    decision: Option<Decision>,
    /// The terms that the log says it is about; unsigned ones each time that it says so.
    terms: Vec<Judged<'a>>,
    /// The peer, if it signs nothing.
    unsigned: Option<&'a str>,
}

impl<'a> Bound<'a> {
    fn new(at: u64, exchange: Id, unsigned: Option<&'a str>) -> Self {
        Self { at, exchange, named: BTreeMap::new(), decision: None, terms: Vec::new(), unsigned }
    }

    /// Another place that names it.
    fn name(&mut self, exchange: Id, index: u64, terms: Option<Judged<'a>>) {
        self.named.entry(exchange).or_insert(index);
        self.terms
            .extend(terms.filter(|terms| self.terms.is_empty() || matches!(terms, Judged::Unsigned(_))));
    }
}

/// The terms that were judged.
#[derive(Clone, Copy)]
enum Judged<'a> {
    Signed(&'a Terms),
    Unsigned(&'a UnsignedTerms),
}

impl Judged<'_> {
    fn packs(&self) -> &[Pack] {
        match self {
            Self::Signed(terms) => &terms.packs,
            Self::Unsigned(terms) => &terms.packs,
        }
    }

    fn shared(&self) -> Option<Digest> {
        match self {
            Self::Signed(terms) => terms.shared_digest().ok(),
            Self::Unsigned(terms) => json::digest_of(&terms.shared).ok(),
        }
    }
}

/// Records that were executed again and say what the packs say, by digest.
pub(super) type Executed = BTreeMap<Digest, EvaluationRecord>;

/// Executes all evaluations of one export again; gives the records that hold.
pub(super) fn read(
    folder: &Folder,
    number: usize,
    log: &Log,
    (acts, plain): (&Acts, &Plain),
    packs: &Packs,
    findings: &mut Findings,
) -> Executed {
    let terms = terms_of(acts);
    let bound = bound(log, (acts, plain), &terms);
    let transfers = Transfers::of(log, acts, plain);
    let mut executed = Executed::new();
    for (digest, known) in &bound {
        if !folder.has(Place::Evaluation(*digest)) {
            let mut about = Subject::new("decision", digest).log(number);
            about.exchange = Some(known.exchange);
            findings.fault(about, Fault::failed(Reason::EvaluationWithheld, digest));
        }
    }
    let hidden = log.all().any(|(_, entry, shown)| shown.len() < entry.sd().len());
    for place in folder.places() {
        let Place::Evaluation(digest) = place else { continue };
        let mut about = Subject::new("decision", digest).log(number);
        let known = bound.get(&digest);
        about.exchange = known.map(|bound| bound.exchange);
        let check = match known {
            Some(known) => {
                folder.json(place).and_then(|file| repeat(digest, &file, known, (packs, &transfers)))
            }
            None if hidden => Err(Fault::open(Reason::NotDisclosed, "no disclosed field names it")),
            None => Err(Fault::failed(Reason::EvaluationUnbound, digest)),
        };
        if let Some(record) = findings.need(about.clone(), check) {
            findings.proved(about, log.grade, said(&record));
            executed.insert(digest, record);
        }
    }
    executed
}

/// Terms that were proposed in any act of this export, by digest.
fn terms_of(acts: &Acts) -> BTreeMap<Digest, Terms> {
    let proposed = acts.seen.values().filter_map(|seen| terms_in(seen.kind, &seen.content));
    proposed.filter_map(|terms| Some((terms.digest().ok()?, terms))).collect()
}

/// Every evaluation that the log or a signed decision of the exporter names.
fn bound<'a>(
    log: &Log,
    (acts, plain): (&Acts, &'a Plain),
    terms: &'a BTreeMap<Digest, Terms>,
) -> BTreeMap<Digest, Bound<'a>> {
    let digest = |value: Option<&Value>| Digest::parse(value?.as_str()?).ok();
    let mut all = BTreeMap::new();
    for (index, entry, shown) in log.all() {
        if let (Some(record), Some(exchange)) = (digest(shown.get("decision")), entry.exchange()) {
            let unsigned = plain.peer(exchange);
            let terms = match unsigned {
                None => digest(shown.get("terms")).and_then(|digest| terms.get(&digest)).map(Judged::Signed),
                Some(_) => digest(shown.get("agreement"))
                    .or_else(|| plain.transfers().get(exchange).copied())
                    .and_then(|digest| plain.document(&digest))
                    .map(Judged::Unsigned),
            };
            let kept = all.entry(record).or_insert_with(|| Bound::new(entry.at(), *exchange, unsigned));
            kept.name(*exchange, index, terms);
        }
    }
    for seen in acts.seen.values().filter(|seen| seen.direction == Direction::Sent) {
        let Some(decision) = decision_in(seen.kind, &seen.content) else { continue };
        let at = log.entry(seen.index).map_or(0, |(entry, _)| entry.at());
        let exchange = seen.act.exchange;
        let kept = all.entry(decision.result).or_insert_with(|| Bound::new(at, exchange, None));
        let negotiated = decision.phase == Phase::Negotiation;
        let terms = terms.get(&decision.terms).filter(|_| negotiated).map(Judged::Signed);
        kept.name(exchange, seen.index, terms);
        kept.decision = Some(decision);
    }
    all
}

/// One evaluation, from the bytes of its file to the same result (AUD-6.3 to AUD-6.9, AUD-6.11).
fn repeat(
    digest: Digest,
    file: &EvaluationFile,
    bound: &Bound<'_>,
    (packs, transfers): (&Packs, &Transfers),
) -> Check<EvaluationRecord> {
    let bytes = decoded(&file.record, "record")?;
    let changed = |why: &dyn std::fmt::Display| Fault::failed(Reason::RecordChanged, why);
    let record = EvaluationRecord::parse(&bytes).map_err(|e| changed(&e))?;
    // What was changed is named before that something was.
    let now = execute(&record, file, packs, bound.unsigned)?;
    if Digest::of(&bytes) != digest {
        return Err(changed(&digest));
    }
    check_time(now, bound)?;
    if record.phase == Phase::Transfer {
        // One evaluation is no answer for two transfers.
        for (exchange, index) in &bound.named {
            transfers.check(*exchange, *index, &file.host)?;
        }
    }
    for terms in &bound.terms {
        check_terms(terms, &record)?;
    }
    if let Some(decision) = &bound.decision {
        check_decision(decision, &record, now)?;
    }
    Ok(record)
}

/// At negotiation the terms' packs and document were judged; of terms that a signed decision does not name, their document
/// at a transfer as well. Beside the terms' packs the record may name overlays of its side (POL-16), which were executed too.
fn check_terms(terms: &Judged<'_>, record: &EvaluationRecord) -> Check<()> {
    let (negotiation, unsigned) = (record.phase == Phase::Negotiation, matches!(terms, Judged::Unsigned(_)));
    let agreed = |pack: &&Pack| terms.packs().iter().any(|agreed| agreed.name == pack.name);
    let asked: Vec<&Pack> = record.packs.iter().filter(agreed).collect();
    if negotiation && asked != terms.packs().iter().collect::<Vec<_>>() {
        return Err(Fault::failed(Reason::PacksDiffer, "the terms name others"));
    }
    if let Judged::Signed(terms) = terms
        && terms.shared.get("policy") != facts::terms_beyond(terms.agreement.value()).as_ref()
    {
        return Err(Fault::failed(Reason::InputSharedChanged, "/policy: not what the agreement says"));
    }
    if (negotiation || unsigned) && terms.shared() != Some(record.input.shared) {
        return Err(Fault::failed(Reason::InputSharedChanged, "the terms hold another"));
    }
    Ok(())
}

fn said(record: &EvaluationRecord) -> String {
    let word = if allows(record) { "allows" } else { "does not allow" };
    format!("{} {}: {word}", side_word(record.side), phase_word(record.phase))
}

fn allows(record: &EvaluationRecord) -> bool {
    record.outcome().is_ok_and(|said| {
        said.allow == Some(true)
            && said.deny.is_empty()
            && said.undetermined.is_empty()
            && said.visible.is_none()
    })
}

/// The input is the one that the record names, and the packs say of it what the record says.
fn execute(
    record: &EvaluationRecord,
    file: &EvaluationFile,
    packs: &Packs,
    unsigned: Option<&str>,
) -> Check<u64> {
    if json::digest_of(&file.shared).ok() != Some(record.input.shared) {
        return Err(Fault::failed(Reason::InputSharedChanged, ""));
    }
    let private = |why: &dyn std::fmt::Display| Fault::failed(Reason::InputPrivateChanged, why);
    let shown = Disclosure::parse(&file.disclosure).map_err(|e| private(&e))?;
    if shown.digest() != record.input.private || shown.name() != "input_private" {
        return Err(private(&"the record commits to another"));
    }
    let now = check_host(record, &file.shared, &file.host, unsigned)?;
    let engine = packs.engine(&record.packs)?;
    let input = assemble(engine.packs(), &file.shared, shown.value(), &file.host)
        .map_err(|e| Fault::failed(Reason::InputHostChanged, e))?;
    let written = json::canonical(&record.result).unwrap_or_default();
    let found = match engine.evaluate(&input) {
        Evaluation::Decided(result) => result.canonical(),
        Evaluation::Broken { .. } => broken(&engine, record.phase),
    };
    if found == written {
        Ok(now)
    } else {
        Err(Fault::failed(Reason::ResultChanged, difference(&found, &record.result)))
    }
}

/// The first place where the new result and the recorded one differ.
fn difference(found: &[u8], written: &Value) -> String {
    let found = json::parse(found).unwrap_or_default();
    naru_protocol::terms::first_difference(&found, written).unwrap_or_default()
}

/// What a node records of an engine that broke: it allows nothing and names its packs.
fn broken(engine: &Engine, phase: Phase) -> Vec<u8> {
    let catalog = phase == Phase::Catalog;
    naru_policy::ResultDoc {
        allow: (!catalog).then_some(false),
        visible: catalog.then_some(false),
        deny: Vec::new(),
        undetermined: Vec::new(),
        delegated: Vec::new(),
        obligations: Vec::new(),
        basis: Vec::new(),
        packs: engine.packs().map(naru_policy::Pack::reference).collect(),
    }
    .canonical()
}

const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Catalog => "catalog",
        Phase::Negotiation => "negotiation",
        Phase::Transfer => "transfer",
        Phase::Monitor => "monitor",
    }
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Exporter => "exporter",
        Side::Importer => "importer",
    }
}

/// The host part is made of phase, side, clock, parties and a number alone, so that nothing can hide in it; gives
/// the clock (AUD-6.6). Whether the number is right is looked at last.
fn check_host(record: &EvaluationRecord, shared: &Value, host: &Value, unsigned: Option<&str>) -> Check<u64> {
    let changed = |why: &str| Fault::failed(Reason::InputHostChanged, why);
    let now = host.get("now").and_then(Value::as_u64).ok_or_else(|| changed("/now"))?;
    let text = |document: &Value, pointer: &str| document.pointer(pointer)?.as_str().map(str::to_owned);
    let identity = |party: &str| {
        // Who vouches: the operator, or a ticket alone. Whoever signs nothing is known by a secret, and is the only one.
        let said = text(host, &format!("/{party}/identity/provenance"));
        let word = match unsigned {
            Some(peer) if text(shared, &format!("/{party}/id")).as_deref() == Some(peer) => "secret",
            None if said.as_deref() == Some("ticket") => "ticket",
            Some(_) | None => "operator",
        };
        object!({"verified": true, "expires_at": now.saturating_add(IDENTITY_HOLDS), "provenance": word})
    };
    let mut expected = object!({
        "phase": phase_word(record.phase), "side": side_word(record.side), "now": now,
        "provider": {"identity": identity("provider")}, "consumer": {"identity": identity("consumer")},
    });
    if record.phase == Phase::Transfer {
        let signers = ["/provider/id", "/consumer/id"].map(|party| shared.pointer(party));
        expected["contract"] = match unsigned {
            None => object!({"signed_by": signers}),
            Some(_) => object!({"signed_by": []}),
        };
        let number = host.pointer("/transfer/occurrence").and_then(Value::as_u64);
        let number = number.ok_or_else(|| changed("/transfer/occurrence"))?;
        expected["transfer"] = object!({"occurrence": number});
    }
    if record.phase == Phase::Monitor {
        // What was done under the agreement is the owner's word here; its acts say it where it signed some.
        let done =
            host.get("transfer").filter(|done| done.is_object()).ok_or_else(|| changed("/transfer"))?;
        expected["transfer"] = done.clone();
    }
    match naru_protocol::terms::first_difference(host, &expected) {
        None => Ok(now),
        Some(pointer) => Err(changed(&pointer)),
    }
}

/// The clock is that of the signed decision, or lies beside the time of the entry that names the evaluation.
fn check_time(now: u64, bound: &Bound<'_>) -> Check<()> {
    let fits = match &bound.decision {
        Some(decision) => decision.at == now,
        None => now.abs_diff(bound.at) <= limits::SKEW_SECONDS,
    };
    if fits { Ok(()) } else { Err(Fault::failed(Reason::InputHostChanged, "/now")) }
}

/// What was signed is what was evaluated.
fn check_decision(decision: &Decision, record: &EvaluationRecord, now: u64) -> Check<()> {
    let fits = [
        (decision.side == record.side, "side"),
        (decision.phase == record.phase, "phase"),
        (decision.allow == allows(record), "allow"),
        (decision.input_shared == record.input.shared, "input_shared"),
        (decision.input_private == record.input.private, "input_private"),
        (decision.at == now, "at"),
    ];
    match fits.iter().find(|(fits, _)| !fits) {
        None => Ok(()),
        Some((_, member)) => Err(Fault::failed(Reason::DecisionDiffers, member)),
    }
}
