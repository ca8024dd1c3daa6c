//! The own side of the wire of a peer made by hand: keys, log, what it answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{body::Body, extract::State, response::Response};
use http_body_util::BodyExt as _;
use hyper::{Request, body::Bytes, header};
use naru_protocol::{
    act::{Ack, Act, issue_ack, peek_token},
    encoding::{Digest, Id, to_base64url},
    identity::{Country, Did, KeySet, Participant, Role, Size, peer_id},
    json::V1,
    jws::sign_compact,
    log::{
        checkpoint::{Checkpoint, Origin, SignedCheckpoint},
        entry::{EntryDraft, EntryType, ExchangeKey, Genesis, NodeKey},
        merkle::{Hash, consistency_proof, inclusion_proof, leaf_hash, root_of},
        note::{KeyKind, NoteSigner},
    },
    signature::SigningKey,
};
use serde_json::{Value, json};

use super::{CONTEXT, random, urn};
use crate::common::{now, policy};

/// An answer of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) ack: Option<String>,
    pub(crate) link: Option<String>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A refusal that promises nothing.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.json());
        assert!(self.ack.is_none(), "an unsigned refusal has no acknowledgement");
    }

    /// A refusal for good: signed.
    #[track_caller]
    pub(crate) fn refused_finally(&self, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (400, code), "{}", self.json());
        assert!(self.ack.is_some(), "a final refusal is acknowledged");
    }

    #[track_caller]
    pub(crate) fn accepted(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.json());
        assert!(self.ack.is_some());
    }
}

/// What the peer knows of an exchange.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) key: ExchangeKey,
    pub(crate) pid: String,
    pub(crate) theirs: String,
    pub(crate) prev: Option<Digest>,
    pub(crate) inbox: Vec<(Act, Value)>,
}

/// How the peer behaves.
#[derive(Default)]
pub(crate) struct Manners {
    /// Acts are answered 503 and kept here.
    pub(crate) closed: bool,
    pub(crate) turned_away: Vec<Act>,
    /// `GET /log/entry/…` is answered 404.
    pub(crate) hides_entries: bool,
    /// What `GET /log/yours` shows of the node's log.
    pub(crate) holds: Option<String>,
    /// How often it was asked, and whether it is left without an answer.
    pub(crate) asked: usize,
    pub(crate) keeps_silent: bool,
    /// A `Link` header beside the first page of the catalog, and how many pages were asked for.
    pub(crate) link: Option<String>,
    pub(crate) pages: usize,
}

pub(super) struct Inner {
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) talks: BTreeMap<Id, Talk>,
    pub(super) answered: BTreeMap<Id, (Digest, Answer)>,
    pub(super) manners: Manners,
    pub(super) listing: Option<(String, String)>,
    /// What else stands in the catalog, before the dataset that is offered.
    pub(super) more: Vec<Value>,
}

/// The peer's own side of the wire.
pub(crate) struct Desk {
    pub(crate) did: Did,
    pub(super) root: SigningKey,
    pub(crate) signing: SigningKey,
    pub(crate) log: SigningKey,
    pub(super) transport: [u8; 32],
    pub(crate) statement: String,
    pub(crate) key_set: String,
    pub(super) inner: Mutex<Inner>,
}

impl Desk {
    pub(super) fn new(country: &str) -> Self {
        let key = || SigningKey::from_seed(&random());
        let (root, signing, log, transport) = (key(), key(), key(), random());
        let did = Did::of(root.public());
        let at = now() - 10;
        let participant = Participant {
            v: V1,
            iss: did,
            name: "by hand".to_owned(),
            country: Country::parse(country).unwrap(),
            size: Size::Sme,
            roles: vec![Role::Consumer, Role::Provider],
            at,
        };
        let keys = KeySet {
            v: V1,
            iss: did,
            number: 1,
            signing: signing.public(),
            log: log.public(),
            transport: SigningKey::from_seed(&transport).public(),
            witness: key().public(),
            valid_from: at,
            revoked: Vec::new(),
        };
        let genesis = Genesis { root: *did.root_key(), log_key: log.public(), shard: 1, supersedes: None };
        let first = EntryDraft::genesis(&genesis, &NodeKey::from_bytes(random()), Id(random()), at);
        let inner = Inner {
            leaves: vec![first.seal(&[]).unwrap().bytes],
            talks: BTreeMap::new(),
            answered: BTreeMap::new(),
            manners: Manners::default(),
            listing: None,
            more: Vec::new(),
        };
        let statement = sign_compact(&participant, 0, &root).unwrap();
        let key_set = sign_compact(&keys, 0, &root).unwrap();
        Self { did, root, signing, log, transport, statement, key_set, inner: Mutex::new(inner) }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn peer_id(&self) -> String {
        peer_id(&SigningKey::from_seed(&self.transport).public())
    }

    pub(super) fn checkpoint(&self, leaves: &[Vec<u8>]) -> String {
        let hashes: Vec<Hash> = leaves.iter().map(|l| leaf_hash(l)).collect();
        self.signed(1, leaves.len() as u64, root_of(&hashes))
    }

    pub(super) fn signed(&self, shard: u32, size: u64, root: Hash) -> String {
        let origin = Origin { root: *self.did.root_key(), shard };
        let checkpoint = Checkpoint { origin: origin.to_string(), size, root };
        let signer = NoteSigner::new(&origin.to_string(), KeyKind::Note, self.log.clone()).unwrap();
        SignedCheckpoint::sign(checkpoint, &signer).unwrap().own_note()
    }

    /// Appends; gives the index and a checkpoint that covers it.
    pub(super) fn append(&self, inner: &mut Inner, draft: &EntryDraft) -> (u64, String) {
        inner.leaves.push(draft.seal(&[]).unwrap().bytes);
        (inner.leaves.len() as u64 - 1, self.checkpoint(&inner.leaves))
    }

    fn answer(&self, target: &str, bearer: &str, content: &[u8]) -> Answer {
        let plain =
            |status, body: Value| Answer { status, body: body.to_string().into(), ack: None, link: None };
        let Ok(token) = peek_token(bearer) else { return plain(401, json!({})) };
        let (mut inner, token) = (self.inner(), token.claims().clone());
        if target.starts_with("/dxp/1/log/yours?") {
            inner.manners.asked += 1;
            let held = json!({"v": 1, "checkpoint": inner.manners.holds, "acts": []});
            return if inner.manners.keeps_silent { plain(503, json!({})) } else { plain(200, held) };
        }
        if target.starts_with("/dsp/2025-1/catalog/request") {
            inner.manners.pages += 1;
            let body = self.read(&inner, target).unwrap();
            return Answer { link: inner.manners.link.clone(), ..plain(200, body) };
        }
        let Some(act) = token.act() else {
            return self.read(&inner, target).map_or_else(|| plain(404, json!({})), |body| plain(200, body));
        };
        let digest = act.digest().unwrap();
        if let Some((known, answer)) = inner.answered.get(&act.msg) {
            return if *known == digest { answer.clone() } else { plain(409, json!({})) };
        }
        if inner.manners.closed {
            inner.manners.turned_away.push(act);
            return plain(503, json!({"@type": "Error", "code": "busy", "reason": []}));
        }
        let message: Value = serde_json::from_slice(content).unwrap();
        let first = !inner.talks.contains_key(&act.exchange);
        let talk = inner.talks.entry(act.exchange).or_insert_with(|| Talk {
            key: ExchangeKey::from_bytes([0; 32]),
            pid: urn(),
            theirs: message["consumerPid"].as_str().unwrap().to_owned(),
            prev: None,
            inbox: Vec::new(),
        });
        talk.prev = Some(digest);
        talk.inbox.push((act.clone(), message));
        let (status, body) = if first {
            let kind = if target.contains("/transfers/") { "TransferProcess" } else { "ContractNegotiation" };
            let body = json!({"@context": [CONTEXT], "@type": kind, "providerPid": talk.pid,
                "consumerPid": talk.theirs, "state": "REQUESTED"});
            (201, body.to_string())
        } else {
            (200, String::new())
        };
        let answer = Digest::of(body.as_bytes());
        let mut draft = EntryDraft::received(
            kind_of(act.path.as_str(), content),
            act.exchange,
            act.msg,
            digest,
            now(),
            status,
            answer,
        );
        draft.token = Some(Digest::of(bearer.as_bytes()));
        let (index, checkpoint) = self.append(&mut inner, &draft);
        let (iss, aud) = (self.did, act.iss);
        let ack = Ack { v: V1, iss, aud, act: digest, status, answer, index, checkpoint };
        let ack = issue_ack(&ack, 1, &self.signing).unwrap();
        let answer = Answer { status, body: body.into(), ack: Some(ack), link: None };
        inner.answered.insert(act.msg, (digest, answer.clone()));
        answer
    }

    fn read(&self, inner: &Inner, target: &str) -> Option<Value> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let size = || query.strip_prefix("size=")?.parse::<u64>().ok();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let node = |level: u8, index: u64| {
            let (first, many) = (index << level, 1_u64 << level);
            let leaves = inner.leaves.get(first as usize..(first + many) as usize)?;
            Some(root_of(&leaves.iter().map(|l| leaf_hash(l)).collect::<Vec<_>>()))
        };
        let texts = |proof: Vec<Hash>| proof.iter().map(ToString::to_string).collect::<Vec<_>>();
        match parts.as_slice() {
            ["dxp", "1", "log", "entry", index] if !inner.manners.hides_entries => {
                let (index, size) = (index.parse::<u64>().ok()?, size()?);
                let proof = inclusion_proof(index, size, &mut { node }).ok()?;
                let entry = to_base64url(inner.leaves.get(index as usize)?);
                let checkpoint = self.checkpoint(&inner.leaves[..size as usize]);
                Some(json!({"v": 1, "entry": entry, "proof": texts(proof), "checkpoint": checkpoint}))
            }
            ["dxp", "1", "log", "consistency", from] => {
                let proof = consistency_proof(from.parse().ok()?, size()?, &mut { node }).ok()?;
                Some(json!(texts(proof)))
            }
            ["dsp", "2025-1", "catalog", "datasets", id] => {
                let (dataset, listing) = inner.listing.clone()?;
                let mut datasets = inner.more.clone();
                datasets.push(shown_dataset(&dataset, &[offer_of(&dataset)], &listing));
                let mut found = datasets.into_iter().find(|dataset| dataset["@id"] == *id)?;
                found["@context"] = json!([CONTEXT]);
                Some(found)
            }
            ["dsp", "2025-1", "catalog", "request"] => {
                let (dataset, listing) = inner.listing.clone()?;
                let mut datasets = inner.more.clone();
                datasets.push(shown_dataset(&dataset, &[offer_of(&dataset)], &listing));
                Some(json!({"@context": [CONTEXT], "@type": "Catalog", "@id": "urn:x:catalog",
                    "participantId": self.did, "service": [{"@id": "urn:x:dsp", "@type": "DataService",
                        "endpointURL": format!("multiaddr:/p2p/{}", self.peer_id())}],
                    "dataset": datasets}))
            }
            _ => None,
        }
    }
}

pub(super) async fn dispatch(State(desk): State<Arc<Desk>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().unwrap().as_str().to_owned();
    let bearer = head.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let bearer = bearer.strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let content = body.collect().await.unwrap().to_bytes();
    let answer = desk.answer(&target, &bearer, &content);
    let mut response = Response::builder().status(answer.status);
    if !answer.body.is_empty() {
        response = response.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(ack) = &answer.ack {
        response = response.header("DXP-Ack", ack);
    }
    if let Some(link) = &answer.link {
        response = response.header(header::LINK, link);
    }
    response.body(Body::from(answer.body)).unwrap()
}

/// The offer of a dataset, as its listing has it.
pub(crate) fn offer_of(dataset: &str) -> Value {
    let mut offer = policy();
    offer["@type"] = json!("Offer");
    offer["@id"] = json!(format!("{dataset}#offer"));
    offer
}

/// A dataset as catalogs have it.
pub(crate) fn shown_dataset(id: &str, offers: &[Value], listing: &str) -> Value {
    json!({"@id": id, "@type": "Dataset", "hasPolicy": offers,
        "distribution": [{"@type": "Distribution", "format": "DXP-PULL", "accessService": "urn:x:dsp"}],
        "dxp": {"v": 1, "listing": listing}})
}

/// The entry type of an act by its path and, for events, its content.
pub(crate) fn kind_of(path: &str, content: &[u8]) -> EntryType {
    use EntryType as E;
    let finalized = content.windows(9).any(|w| w == b"FINALIZED");
    let mut parts = path.split('/').skip(1);
    let (family, second, third) = (parts.next(), parts.next(), parts.next());
    match (family, third.or(second), parts.next()) {
        (Some("negotiations"), Some("request"), _) => E::NegotiationRequest,
        (Some("negotiations"), Some("offers"), _) => E::NegotiationOffer,
        (Some("negotiations"), Some("events"), _) if finalized => E::NegotiationFinalized,
        (Some("negotiations"), Some("events"), _) => E::NegotiationAccept,
        (Some("negotiations"), Some("agreement"), None) => E::NegotiationAgreement,
        (Some("negotiations"), Some("agreement"), Some(_)) => E::NegotiationVerification,
        (Some("negotiations"), Some("end"), _) => E::NegotiationEnd,
        (Some("negotiations"), Some("report"), _) => E::NegotiationReport,
        (Some("negotiations"), _, _) => E::NegotiationTermination,
        (_, Some("request"), _) => E::TransferRequest,
        (_, Some("start"), _) => E::TransferStart,
        (_, Some("suspension"), _) => E::TransferSuspension,
        (_, Some("completion"), _) => E::TransferCompletion,
        (_, Some("receipt"), _) => E::TransferReceipt,
        (_, _, _) => E::TransferTermination,
    }
}
