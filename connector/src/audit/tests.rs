//! Two halves of one refused negotiation, made with the core's types alone, and everything that can be wrong with them.
//! A deal with its data is in `deal`, one with a peer that signs nothing in `plain`, what several exports say together in
//! `joined`, how files look in `shapes`.

mod deal;
mod joined;
mod plain;
mod shapes;
mod shards;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use naru_policy::{Bundle, Engine, Evaluation, assemble};
use naru_protocol::{
    act::{Ack, Act, Method, Path as Target, Token, issue_ack, issue_token},
    dsp::{
        Message as _,
        negotiation::{CodeMember, ContractNegotiationTerminationMessage, ContractOfferMessage, Proposal},
        odrl,
    },
    encoding::{Digest, Id, to_base64url},
    identity::{Country, Did, KeySet, Participant, Role, Size},
    json::{self, V1},
    jws::sign_compact,
    log::{
        checkpoint::{Checkpoint, Origin, SignedCheckpoint},
        disclosure::Disclosure,
        entry::{
            EntryDraft, EntryType, ExchangeKey, FieldKey, Genesis, Lane, LaneKey, NodeKey, Side as Half,
        },
        merkle::{Frontier, Hash, leaf_hash},
        note::{KeyKind, NoteSigner},
    },
    permit::{EvaluationRecord, Input},
    signature::SigningKey,
    terms::{Decision, Pack, Party, Phase, Side, Terms},
};
use serde_json::{Value, json as object};

use super::{Anchors, Reason, Report, Verdict, decisions::Packs, verify_with};
use crate::control::Failure;

const NOW: u64 = 1_800_000_000;

/// A participant and its log so far.
struct Actor {
    seed: u8,
    shard: u32,
    did: Did,
    country: &'static str,
    leaves: Vec<Vec<u8>>,
    lanes: u64,
    files: BTreeMap<String, Vec<u8>>,
}

fn key(seed: u8, which: u8) -> SigningKey {
    SigningKey::from_seed(&[seed, which].repeat(16).try_into().unwrap())
}

impl Actor {
    fn new(seed: u8, country: &'static str) -> Self {
        Self::with_log(seed, country, 1, None)
    }

    /// One whose log is this shard, after another.
    fn with_log(seed: u8, country: &'static str, shard: u32, supersedes: Option<String>) -> Self {
        let did = Did::of(key(seed, 0).public());
        let mut actor =
            Self { seed, shard, did, country, leaves: Vec::new(), lanes: 0, files: BTreeMap::new() };
        let log_key = key(seed, 2).public();
        let genesis = Genesis { root: key(seed, 0).public(), log_key, shard, supersedes };
        actor.append(&EntryDraft::genesis(&genesis, &actor.node_key(), Id([seed; 16]), NOW - 9));
        for statement in [actor.statement(), actor.keys()] {
            let name = format!("statements/{}.jws", Digest::of(statement.as_bytes()));
            actor.files.insert(name, statement.into_bytes());
        }
        let said = object!({"v": 1, "did": did, "origin": actor.origin().to_string(),
            "name": format!("Firm {seed}"), "country": country, "size": "sme"});
        actor.put("node.json", &said);
        actor
    }

    fn node_key(&self) -> NodeKey {
        NodeKey::from_bytes([self.seed; 32])
    }

    fn statement(&self) -> String {
        let said = Participant {
            v: V1,
            iss: self.did,
            name: format!("Firm {}", self.seed),
            country: Country::parse(self.country).unwrap(),
            size: Size::Sme,
            roles: vec![Role::Consumer, Role::Provider],
            at: NOW - 10,
        };
        sign_compact(&said, 0, &key(self.seed, 0)).unwrap()
    }

    fn keys(&self) -> String {
        let [signing, log, transport, witness] = [1, 2, 3, 4].map(|which| key(self.seed, which).public());
        let set = KeySet {
            v: V1,
            iss: self.did,
            number: 1,
            signing,
            log,
            transport,
            witness,
            valid_from: 1,
            revoked: vec![],
        };
        sign_compact(&set, 0, &key(self.seed, 0)).unwrap()
    }

    /// Seals an entry and appends it; gives its index.
    fn append(&mut self, draft: &EntryDraft) -> u64 {
        let numbers: Vec<u64> = draft.lanes.iter().map(|_| self.lanes + 1).collect();
        self.lanes += u64::from(!draft.lanes.is_empty());
        let sealed = draft.seal(&numbers).unwrap();
        let index = self.leaves.len() as u64;
        let shown: Vec<&str> = sealed.disclosures.iter().map(Disclosure::text).collect();
        self.put(&format!("disclosures/{index}.json"), &object!(shown));
        self.leaves.push(sealed.bytes);
        index
    }

    fn put(&mut self, name: &str, value: &Value) {
        self.files.insert(name.to_owned(), json::canonical(value).unwrap());
    }

    fn origin(&self) -> Origin {
        Origin { root: key(self.seed, 0).public(), shard: self.shard }
    }

    /// The signed note of the log as it is now.
    fn note(&self) -> String {
        let mut frontier = Frontier::new();
        for leaf in &self.leaves {
            frontier.append(leaf_hash(leaf)).unwrap();
        }
        self.sign(frontier.root())
    }

    fn sign(&self, root: Hash) -> String {
        let origin = self.origin().to_string();
        let signer = NoteSigner::new(&origin, KeyKind::Note, key(self.seed, 2)).unwrap();
        let checkpoint = Checkpoint { origin, size: self.leaves.len() as u64, root };
        SignedCheckpoint::sign(checkpoint, &signer).unwrap().own_note()
    }

    /// The entry of one half of an act, in two lanes, with the fields that a node writes.
    fn half(
        &mut self,
        act: &Act,
        kind: EntryType,
        peer: Did,
        fields: &[(&str, Value)],
        got: Option<(&str, u16, &[u8])>,
    ) -> u64 {
        let digest = act.digest().unwrap();
        let mut draft = EntryDraft::sent(kind, act.exchange, act.msg, digest, NOW);
        if let Some((token, status, answer)) = got {
            draft.side = Half::Received;
            draft.status = Some(status);
            draft.token = Some(Digest::of(token.as_bytes()));
            draft.answer = Some(Digest::of(answer));
        }
        let exchange = || FieldKey::Exchange(ExchangeKey::from_bytes([9; 32]));
        draft.field("peer", object!(peer), exchange());
        for (name, value) in fields {
            draft.field(name, value.clone(), exchange());
        }
        for country in ["KR", "SG"] {
            draft.lanes.push(Lane { country: country.into(), key: LaneKey::from_bytes([7; 32]) });
        }
        self.append(&draft)
    }

    fn token(&self, act: &Act, index: u64) -> String {
        issue_token(&Token::for_act(act, self.note(), index, NOW), 1, &key(self.seed, 1)).unwrap()
    }

    fn ack(&self, act: &Act, index: u64, status: u16, answer: &[u8]) -> String {
        let ack = Ack {
            v: V1,
            iss: self.did,
            aud: act.iss,
            act: act.digest().unwrap(),
            status,
            answer: Digest::of(answer),
            index,
            checkpoint: self.note(),
        };
        issue_ack(&ack, 1, &key(self.seed, 1)).unwrap()
    }

    fn act_file(&mut self, direction: &str, act: &Act, sent: &Sent<'_>, token: &str, ack: &str) {
        let name = format!("acts/{}.json", act.digest().unwrap());
        let value = object!({
            "v": 1, "direction": direction, "kind": sent.kind.as_str(), "act": act,
            "content": to_base64url(sent.content), "token": token, "status": sent.status,
            "answer": to_base64url(sent.answer), "ack": ack,
        });
        self.put(&name, &value);
    }

    /// Takes the peer's statements in, and logs the acknowledgements of its own acts in an entry.
    fn close(&mut self, peer: &Self) {
        let statements = peer.files.iter().filter(|(name, _)| name.starts_with("statements/"));
        self.files.extend(statements.map(|(name, bytes)| (name.clone(), bytes.clone())));
        let acts = self.files.iter().filter(|(name, _)| name.starts_with("acts/"));
        let acts = acts.map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).unwrap());
        let sent = acts.filter(|act| act["direction"] == "sent");
        let mut acks = EntryDraft::own(EntryType::Acks, Id([77; 16]), NOW);
        acks.acks = sent.map(|act| Digest::of(act["ack"].as_str().unwrap().as_bytes())).collect();
        acks.field("note", object!("idle"), FieldKey::Node(self.node_key()));
        self.append(&acks);
    }

    /// The export, written to a folder.
    fn export(&self, dir: &Path) {
        let mut files = self.files.clone();
        let size = self.leaves.len();
        let hashes: Vec<u8> = self.leaves.iter().flat_map(|leaf| leaf_hash(leaf).0).collect();
        let bundle = self.leaves.iter().flat_map(|leaf| {
            let length = u16::try_from(leaf.len()).unwrap().to_be_bytes();
            length.into_iter().chain(leaf.iter().copied())
        });
        files.insert(format!("tile/0/000.p/{size}"), hashes);
        files.insert(format!("tile/entries/000.p/{size}"), bundle.collect());
        files.insert("checkpoint".into(), self.note().into_bytes());
        let vkey = self.origin().key(key(self.seed, 2).public()).unwrap();
        files.insert("vkey".into(), format!("{vkey}\n").into_bytes());
        for (name, bytes) in &files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// One evaluation by the packs of the binary.
struct Evaluated {
    digest: Digest,
    record: EvaluationRecord,
    allows: bool,
    /// The file of the export.
    file: Value,
}

impl Evaluated {
    fn new(shared: &Value, phase: Phase, side: Side) -> Self {
        let signers = object!([shared["provider"]["id"], shared["consumer"]["id"]]);
        Self::hosted(shared, (phase, side), ["operator"; 2], (&signers, 1))
    }

    /// With these words for what vouches for provider and consumer; at a transfer with these signers and this number.
    fn hosted(
        shared: &Value,
        (phase, side): (Phase, Side),
        [provider, consumer]: [&str; 2],
        (signers, number): (&Value, u8),
    ) -> Self {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let identity = |by: &str| object!({"verified": true, "expires_at": NOW + 86_400, "provenance": by});
        let mut host = object!({
            "phase": word(&object!(phase)), "side": word(&object!(side)), "now": NOW,
            "provider": {"identity": identity(provider)}, "consumer": {"identity": identity(consumer)},
        });
        if phase == Phase::Transfer {
            host["contract"] = object!({"signed_by": signers});
            host["transfer"] = object!({"occurrence": number});
        }
        let screened = object!({"sanctions": {"hit": false, "screened_at": NOW}});
        let private = object!({"approvals": [], "stop_orders": [], "consumer": screened});
        let salt = NodeKey::from_bytes([5; 32]).salt(&Id([5 + number; 16]), "input_private");
        let shown = Disclosure::new(&salt, "input_private", private.clone()).unwrap();
        let packs = engine();
        let input = assemble(packs.packs(), shared, &private, &host).unwrap();
        let Evaluation::Decided(result) = packs.evaluate(&input) else { panic!("broken") };
        let record = EvaluationRecord {
            v: V1,
            input: Input { shared: json::digest_of(shared).unwrap(), private: shown.digest() },
            packs: packs_of(packs),
            phase,
            side,
            result: json::parse(&result.canonical()).unwrap(),
        };
        let bytes = record.to_bytes().unwrap();
        let file = object!({
            "v": 1, "record": to_base64url(&bytes), "shared": shared, "host": host,
            "disclosure": shown.text(),
        });
        Self { digest: Digest::of(&bytes), record, allows: result.allows(), file }
    }

    fn decision(&self, terms: &Terms) -> Decision {
        Decision {
            terms: terms.digest().unwrap(),
            side: self.record.side,
            phase: self.record.phase,
            allow: self.allows,
            result: self.digest,
            input_shared: self.record.input.shared,
            input_private: self.record.input.private,
            at: NOW,
            by: "auto".into(),
        }
    }

    /// Puts the file into an export.
    fn shown_by(&self, actor: &mut Actor) {
        actor.put(&format!("evaluations/{}.json", self.digest), &self.file);
    }
}

fn packs_of(engine: &Engine) -> Vec<Pack> {
    engine.packs().map(|p| Pack { name: p.name.clone(), digest: Digest::parse(&p.digest).unwrap() }).collect()
}

/// The packs of the binary that have no jurisdiction, which is enough to execute something.
fn engine() -> &'static Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| {
        let bundles = naru_policy::bundled::PACKS.iter().filter(|(name, _)| matches!(*name, "core" | "post"));
        Engine::new(bundles.map(|(_, bytes)| Bundle::load(bytes).unwrap())).unwrap()
    })
}

fn pack_files(actor: &mut Actor) {
    for pack in engine().packs() {
        let (_, bytes) = naru_policy::bundled::PACKS.iter().find(|(name, _)| *name == pack.name).unwrap();
        let parts = object!({
            "v": 1, "name": pack.name, "wasm": pack.wasm, "data": pack.data, "manifest": pack.manifest,
            "archive": Digest::of(bytes),
        });
        actor.put(&format!("packs/{}.json", pack.digest), &parts);
        actor.files.insert(format!("packs/{}.tar.gz", pack.digest), bytes.to_vec());
    }
}

/// Both parties' exports: the provider (log 0) offers, the consumer (log 1) terminates.
struct Story {
    provider: Actor,
    consumer: Actor,
    offer: Digest,
    termination: Digest,
    evaluation: Digest,
    exchange: Id,
    dir: PathBuf,
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn terms(provider: &Actor, consumer: &Actor, shared: &Value) -> Terms {
    let party = |actor: &Actor| Party {
        did: actor.did,
        statement: Digest::of(actor.statement().as_bytes()),
        keys: 1,
    };
    let agreement = object!({
        "@type": "Agreement", "@id": "urn:dxp:a", "target": "urn:dxp:0123456789abcdef0123456789abcdef",
        "assigner": provider.did, "assignee": consumer.did, "timestamp": "2027-01-15T08:00:00Z",
        "permission": [{"action": "use"}],
    });
    Terms {
        v: V1,
        provider: party(provider),
        consumer: party(consumer),
        agreement: odrl::Agreement::from_value(agreement).unwrap(),
        listing: Digest::of(b"listing"),
        content_root: Digest::of(b"root"),
        packs: packs_of(engine()),
        shared: shared.clone(),
        lanes: ["KR", "SG"].map(|c| Country::parse(c).unwrap()).to_vec(),
        obligations: vec![],
        conclude_by: NOW + 3600,
    }
}

/// An act and how it was answered.
struct Sent<'a> {
    msg: u8,
    exchange: Id,
    path: &'a str,
    kind: EntryType,
    content: &'a [u8],
    prev: Option<Digest>,
    fields: &'a [(&'a str, Value)],
    status: u16,
    answer: &'a [u8],
}

impl Sent<'_> {
    /// From one actor to the other: entries, token, acknowledgement, both files.
    fn carry(&self, from: &mut Actor, to: &mut Actor) -> Digest {
        let act = Act {
            v: V1,
            msg: Id([self.msg; 16]),
            iss: from.did,
            aud: to.did,
            exchange: self.exchange,
            method: Method::Post,
            path: Target::parse(self.path).unwrap(),
            body: Digest::of(self.content),
            prev: self.prev,
        };
        let index = from.half(&act, self.kind, to.did, self.fields, None);
        let token = from.token(&act, index);
        let there = to.half(&act, self.kind, from.did, &[], Some((&token, self.status, self.answer)));
        let ack = to.ack(&act, there, self.status, self.answer);
        from.act_file("sent", &act, self, &token, &ack);
        to.act_file("received", &act, self, &token, &ack);
        act.digest().unwrap()
    }
}

impl Story {
    fn new(name: &str) -> Self {
        let (mut provider, mut consumer) = (Actor::new(1, "KR"), Actor::new(2, "SG"));
        let shared = object!({
            "dataset": {"id": "urn:dxp:0123456789abcdef0123456789abcdef"},
            "provider": {"id": provider.did, "country": "KR", "size": "sme"},
            "consumer": {"id": consumer.did, "country": "SG", "size": "sme"},
        });
        let terms = terms(&provider, &consumer, &shared);
        let evaluated = Evaluated::new(&shared, Phase::Negotiation, Side::Exporter);
        let (evaluation, decision) = (evaluated.digest, evaluated.decision(&terms));
        evaluated.shown_by(&mut provider);
        pack_files(&mut provider);
        let offer = odrl::Offer::from_value(object!({
            "@type": "Offer", "@id": "urn:dxp:o", "target": "urn:dxp:0123456789abcdef0123456789abcdef",
            "permission": [{"action": "use"}],
        }));
        let fields = [("terms", object!(terms.digest().unwrap())), ("decision", object!(evaluation))];
        let message = ContractOfferMessage {
            provider_pid: "p".into(),
            consumer_pid: None,
            offer: offer.unwrap(),
            callback_address: Some("multiaddr:/p2p/x".into()),
            dxp: Some(Proposal { v: V1, key: None, terms, decision }),
        };
        let exchange = Id([42; 16]);
        let offer = Sent {
            msg: 11,
            exchange,
            path: "/negotiations/offers",
            kind: EntryType::NegotiationOffer,
            content: &message.to_bytes().unwrap(),
            prev: None,
            fields: &fields,
            status: 200,
            answer: b"",
        };
        let offer = offer.carry(&mut provider, &mut consumer);
        let message = ContractNegotiationTerminationMessage {
            provider_pid: "p".into(),
            consumer_pid: "c".into(),
            code: Some("denied".into()),
            reason: vec![],
            dxp: Some(CodeMember { v: V1, code: Some("denied".into()) }),
        };
        let termination = Sent {
            msg: 12,
            exchange,
            path: "/negotiations/p/termination",
            kind: EntryType::NegotiationTermination,
            content: &message.to_bytes().unwrap(),
            prev: Some(offer),
            fields: &[],
            status: 200,
            answer: b"",
        };
        let termination = termination.carry(&mut consumer, &mut provider);
        provider.close(&consumer);
        consumer.close(&provider);
        Self { provider, consumer, offer, termination, evaluation, exchange, dir: scratch(name) }
    }

    fn dirs(&self) -> Vec<PathBuf> {
        exports(&self.dir, &self.provider, &self.consumer)
    }

    fn audit(&self) -> Report {
        verify(&self.dirs(), &anchors()).unwrap()
    }
}

/// [`super::verify`], with packs that are compiled once for all tests: that takes seconds.
fn verify(dirs: &[PathBuf], anchors: &Anchors) -> Result<Report, Failure> {
    static PACKS: Mutex<Option<Packs>> = Mutex::new(None);
    let mut packs = PACKS.lock().unwrap_or_else(PoisonError::into_inner);
    verify_with(dirs, anchors, packs.get_or_insert_default())
}

/// An empty folder of this test.
fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("naru-audit-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

/// Both exports as they are now, written below `dir`.
fn exports(dir: &Path, provider: &Actor, consumer: &Actor) -> Vec<PathBuf> {
    let write = |(name, actor): (&str, &Actor)| {
        let dir = dir.join(name);
        let _ = fs::remove_dir_all(&dir);
        actor.export(&dir);
        dir
    };
    [("a", provider), ("b", consumer)].map(write).to_vec()
}

fn anchors() -> Anchors {
    let dids = [1, 2].map(|seed| Did::of(key(seed, 0).public()));
    let person = |n: usize, country: &str| {
        format!(
            "[[participant]]\ndid = \"{}\"\nname = \"Firm {}\"\ncountry = \"{country}\"\n",
            dids[n],
            n + 1
        )
    };
    Anchors::parse(&format!("version = 1\n{}{}", person(0, "KR"), person(1, "SG"))).unwrap()
}

/// AUD-1.9: each member of `node.json` is the log's or the signed statement's.
#[test]
fn what_an_exporter_says_of_itself_is_what_it_signed() {
    let story = Story::new("node");
    let dirs = story.dirs();
    let path = dirs[0].join("node.json");
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut packs = Packs::default();
    let mut audit = || verify_with(&dirs, &anchors(), &mut packs).unwrap();
    assert!(audit().holds());
    let other = story.consumer.did.to_string();
    for (member, value) in [
        ("did", other.as_str()),
        ("origin", "naru/x/1"),
        ("name", "Another Firm"),
        ("country", "SG"),
        ("size", "large"),
    ] {
        let mut bad = good.clone();
        bad[member] = object!(value);
        fs::write(&path, json::canonical(&bad).unwrap()).unwrap();
        let report = audit();
        assert_eq!(failures(&report), [Reason::NodeDiffers], "{member}");
    }
}

/// Reasons of the failed claims.
fn failures(report: &Report) -> Vec<Reason> {
    assert!(!report.holds());
    report.claims().iter().filter(|c| c.verdict() == Verdict::Failed).filter_map(|c| c.reason()).collect()
}

/// AUD-5.1 to AUD-5.8, AUD-6.1 to AUD-6.10, AUD-7.1 to AUD-7.4, AUD-10.1, AUD-11.3
#[test]
fn a_true_story_holds() {
    let story = Story::new("true");
    let report = super::verify(&story.dirs(), &anchors()).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.verdict_of(&story.exchange.to_string()), Some("refused"));
    let joined =
        report.claims().iter().filter(|c| c.name() == "both_halves" && c.verdict() == Verdict::Proved);
    assert_eq!(joined.count(), 2);
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["holds"], object!(true));
    assert_eq!(json["logs"].as_array().unwrap().len(), 2);
    // AUD-12.1, AUD-12.3
    let text = report.to_text();
    assert!(super::MAY[..4].iter().chain(&super::MAY_NOT).all(|line| text.contains(line)));
    assert!(!text.contains(super::MAY[4]), "nothing moved, and so nothing was acknowledged");
    let spec = include_str!("../../../spec/09-audit.md");
    assert!(super::MAY.iter().chain(&super::MAY_NOT).all(|line| spec.contains(&format!("- {line}\n"))));
}

/// AUD-11.2
#[test]
fn one_half_holds_and_says_what_is_missing() {
    let story = Story::new("half");
    let dirs = story.dirs();
    let report = verify(&dirs[..1], &anchors()).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    assert!(report.claims().iter().any(|c| c.reason() == Some(Reason::OneHalf)));
    // Who reads the last line only is told that something is open.
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let open = json["tally"]["not_disclosed"].as_u64().unwrap();
    let text = report.to_text();
    assert!(open > 0 && text.lines().last().unwrap().contains(&format!(", {open} not disclosed")), "{text}");
}

/// AUD-1.3, AUD-4.1 to AUD-4.4: one bit of any byte that a file begins or ends with or holds in its middle.
#[test]
fn every_file_matters() {
    let story = Story::new("flip");
    let dirs = story.dirs();
    let mut packs = Packs::default();
    let mut audit = || verify_with(&dirs, &anchors(), &mut packs).unwrap();
    let size = story.provider.leaves.len();
    let mut names: Vec<String> = story.provider.files.keys().cloned().collect();
    names.extend(["vkey", "checkpoint"].map(str::to_owned));
    names.extend([format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")]);
    for name in names {
        let path = dirs[0].join(&name);
        let good = fs::read(&path).unwrap();
        let length = good.len();
        for at in [0, 4, length / 3, length / 2, length - 2, length - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let report = audit();
            assert!(!report.holds(), "{name} at {at} of {length}");
        }
        // AUD-1.4: and whatever else it holds
        for bad in [&b""[..], b"{}", b"[[[[[[", &[0xff; 70_000]] {
            fs::write(&path, bad).unwrap();
            assert!(!audit().holds(), "{name}");
        }
        fs::remove_file(&path).unwrap();
        let report = audit();
        // What is not shown is no failure, and the other half shows the same statements.
        let open = name.starts_with("disclosures/") || name.starts_with("statements/");
        assert!(open || !report.holds(), "{name} removed");
        fs::write(&path, &good).unwrap();
    }
    assert!(audit().holds());
}

/// AUD-6.2, AUD-6.4 to AUD-6.7: what was changed is what the reason says.
#[test]
fn changed_data_input_and_result_have_their_own_reasons() {
    let name = |story: &Story| format!("evaluations/{}.json", story.evaluation);
    let change = |pointer: &str, value: Value| {
        let mut story = Story::new(&pointer.replace('/', "-"));
        let mut file: Value = serde_json::from_slice(&story.provider.files[&name(&story)]).unwrap();
        *file.pointer_mut(pointer).unwrap() = value;
        let name = name(&story);
        story.provider.put(&name, &file);
        failures(&story.audit())
    };
    assert_eq!(change("/shared/consumer/size", object!("large"))[0], Reason::InputSharedChanged);
    assert_eq!(change("/host/now", object!(NOW + 1))[0], Reason::InputHostChanged);
    let other = Disclosure::new(
        &NodeKey::from_bytes([5; 32]).salt(&Id([6; 16]), "input_private"),
        "input_private",
        object!({"approvals": [1], "stop_orders": []}),
    );
    assert_eq!(change("/disclosure", object!(other.unwrap().text()))[0], Reason::InputPrivateChanged);
    // Another result in a record that is otherwise the same.
    let mut story = Story::new("result");
    let mut file: Value = serde_json::from_slice(&story.provider.files[&name(&story)]).unwrap();
    let record = naru_protocol::encoding::from_base64url(file["record"].as_str().unwrap()).unwrap();
    let mut record = EvaluationRecord::parse(&record).unwrap();
    record.result["basis"] = object!([{"article": "1", "framework": "none", "strength": "binding"}]);
    file["record"] = object!(to_base64url(&record.to_bytes().unwrap()));
    let name = name(&story);
    story.provider.put(&name, &file);
    assert_eq!(failures(&story.audit())[0], Reason::ResultChanged);
}

/// AUD-6.6, AUD-6.11
#[test]
fn a_transfer_that_is_counted_otherwise_than_the_log_shows_is_named() {
    let count = |name: &str, occurrence: Value| {
        let mut deal = deal::Deal::plain(name, deal::Until::Started);
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<Value>(bytes).unwrap();
        let files = deal.provider.files.iter().filter(|(name, _)| name.starts_with("evaluations/"));
        let found = files.map(|(name, bytes)| (name.clone(), read(bytes)));
        let (name, mut file) = found.into_iter().find(|(_, f)| f["host"]["phase"] == "transfer").unwrap();
        file["host"]["transfer"]["occurrence"] = occurrence;
        deal.provider.put(&name, &file);
        deal.audit()
    };
    assert!(count("counted-1", object!(1)).holds());
    let count = |name, occurrence| failures(&count(name, occurrence));
    assert_eq!(count("counted-2", object!(2)), [Reason::OccurrenceDiffers]);
    assert_eq!(count("counted-0", object!(0)), [Reason::OccurrenceDiffers]);
    assert_eq!(count("counted-none", Value::Null), [Reason::InputHostChanged]);
}

/// AUD-6.2
#[test]
fn a_changed_part_of_a_pack_is_named() {
    let pack = engine().packs().next().unwrap();
    let digest = |text: &str| Digest::parse(text).unwrap();
    let parts = super::export::PartsFile {
        v: V1,
        name: pack.name.clone(),
        wasm: digest(&pack.wasm),
        data: digest(&pack.data),
        manifest: digest(&pack.manifest),
        archive: Digest::of(b""),
    };
    let other = Digest::of(b"other").to_string();
    let check =
        |found: [&str; 3]| super::decisions::compare_parts(&parts, found).map_err(|fault| fault.reason).err();
    assert_eq!(check([&pack.wasm, &pack.data, &pack.manifest]), None);
    assert_eq!(check([&other, &pack.data, &pack.manifest]), Some(Reason::PackWasmChanged));
    assert_eq!(check([&pack.wasm, &other, &pack.manifest]), Some(Reason::PackDataChanged));
    assert_eq!(check([&pack.wasm, &pack.data, &other]), Some(Reason::PackManifestChanged));
}

/// AUD-5.6, AUD-6.10, AUD-11.3
#[test]
fn what_is_withheld_is_missed() {
    let mut story = Story::new("withheld");
    let (act, record) =
        (format!("acts/{}.json", story.termination), format!("evaluations/{}.json", story.evaluation));
    let kept = story.provider.files.remove(&act).unwrap();
    assert_eq!(failures(&story.audit())[0], Reason::ActWithheld);
    story.provider.files.insert(act, kept);
    story.provider.files.remove(&record);
    assert_eq!(failures(&story.audit())[0], Reason::EvaluationWithheld);
    assert_eq!(story.audit().verdict_of(&story.exchange.to_string()), Some("not proved"));
}

/// AUD-4.5, AUD-4.6, AUD-11.2, AUD-11.3: a log rewritten after its checkpoints had left, signed by its own key.
#[test]
fn a_rewritten_log_is_a_fork() {
    let mut story = Story::new("fork");
    // The consumer drops the offer that it had acknowledged and counts on as if it had never come.
    let index = story.consumer.leaves.len() - 3;
    let entry = naru_protocol::log::entry::Entry::parse(&story.consumer.leaves[index]).unwrap();
    assert_eq!(entry.act(), Some(&story.offer));
    let genesis = story.consumer.leaves[0].clone();
    story.consumer.leaves[index] = genesis.clone();
    story.consumer.files.remove(&format!("disclosures/{index}.json"));
    story.consumer.files.remove(&format!("acts/{}.json", story.offer));
    let reasons = failures(&story.audit());
    for reason in [Reason::GenesisDiffers, Reason::Forked, Reason::Omitted] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
}

/// AUD-4.1, AUD-3.3
#[test]
fn anchors_decide_who_is_who() {
    let story = Story::new("anchors");
    let dirs = story.dirs();
    let did = Did::of(key(1, 0).public());
    let only = |name: &str| {
        format!("version = 1\n[[participant]]\ndid = \"{did}\"\nname = \"{name}\"\ncountry = \"KR\"\n")
    };
    let report = verify(&dirs, &Anchors::parse(&only("Firm 1")).unwrap()).unwrap();
    assert_eq!(failures(&report), [Reason::NotAnchored]);
    let report = verify(&dirs[..1], &Anchors::parse(&only("Firm X")).unwrap()).unwrap();
    assert_eq!(failures(&report), [Reason::AnchorDiffers]);
    let packs = format!("{}[[pack]]\nname = \"core\"\ndigest = \"{}\"\n", only("Firm 1"), Digest::of(b"x"));
    let report = verify(&dirs[..1], &Anchors::parse(&packs).unwrap()).unwrap();
    assert!(failures(&report).contains(&Reason::PackNotAccepted));
}

/// AUD-1.1, AUD-1.2, AUD-1.4
#[test]
fn an_empty_or_strange_folder_is_a_failed_claim() {
    let story = Story::new("strange");
    let dirs = story.dirs();
    fs::write(dirs[0].join("acts/../notes.txt"), b"x").unwrap();
    assert_eq!(failures(&verify(&dirs, &anchors()).unwrap()), [Reason::FileUnexpected]);
    let empty = story.dir.join("empty");
    fs::create_dir_all(&empty).unwrap();
    assert_eq!(failures(&verify(&[empty], &anchors()).unwrap())[0], Reason::FileMissing);
    let report = verify(&[story.dir.join("absent")], &anchors()).unwrap();
    assert_eq!(failures(&report), [Reason::FolderUnreadable]);
    assert!(verify(&[], &anchors()).is_err());
}
