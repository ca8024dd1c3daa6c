//! The suite's own side of every exchange: its log, its open exchanges, and the answers to what the node under test
//! asks over the same connection. Honest by construction: a node that trips over it trips over its own fault.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    acts::{Act, Arrival, covering, open_token, sign_ack},
    encoding::{b64, b64url, digest_text},
    identity::{Identity, Ring, now, random},
    json::{Json, object},
    ledger::{Entry, Ledger},
    merkle,
    note::Checkpoint,
    transport::{Answer, Call},
};

/// Base of the endpoints of the Dataspace Protocol.
pub const DSP: &str = "/dsp/2025-1";
/// Base of the profile's own endpoints.
pub const DXP: &str = "/dxp/1";

/// An act of the node as it was taken, for `GET /log/yours` (API-3.5).
struct Taken {
    /// Digest of the act.
    act: String,
    /// Index of its entry in the node's log, as its token says.
    index: u64,
    /// Origin of the log that the token's checkpoint is of.
    origin: String,
    token: String,
    path: String,
    content: Vec<u8>,
}

/// A checkpoint of the node's log that the suite holds.
struct Held {
    checkpoint: Checkpoint,
    note: String,
}

impl Held {
    /// Which of two is the later: the newer shard of the log, and in one shard the larger size.
    fn rank(&self) -> (u32, u64) {
        let shard = self.checkpoint.origin.rsplit('/').next().and_then(|text| text.parse().ok());
        (shard.unwrap_or_default(), self.checkpoint.size)
    }
}

/// Acts in one answer to `GET /log/yours`, at most (API-3.5).
const YOURS: usize = 256;
/// Bytes of these acts, at most; with a checkpoint they stay below a message's limit.
const YOURS_BYTES: usize = (1 << 20) - 4096;

/// An exchange that the suite began.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Salts its entries.
    pub key: [u8; 32],
    /// The suite's process id.
    pub consumer_pid: String,
    /// The node's process id, once it was told.
    pub provider_pid: Option<String>,
    /// Digest of the node's last act that was answered 2xx here.
    pub prev: Option<String>,
    /// State as it follows from what was received.
    pub state: &'static str,
    /// Acts of the node: name of the entry type and message.
    pub inbox: Vec<(&'static str, Json)>,
}

struct Inner {
    ledger: Ledger,
    acks: Vec<String>,
    exchanges: BTreeMap<[u8; 16], Exchange>,
    answered: BTreeMap<[u8; 16], (String, Answer)>,
    held: Option<Held>,
    taken: Vec<Taken>,
    problems: Vec<String>,
    /// Acts are answered 503 and noted instead of taken.
    closed: bool,
    turned_away: Vec<Act>,
}

impl Inner {
    fn hold(&mut self, checkpoint: Checkpoint, note: &str) {
        let new = Held { checkpoint, note: note.to_owned() };
        if self.held.as_ref().is_none_or(|held| new.rank() > held.rank()) {
            self.held = Some(new);
        }
    }

    /// What the suite holds of the node's log, for a node that was started again (API-3.5).
    fn yours(&self, from: u64) -> Json {
        let origin = self.held.as_ref().map(|held| held.checkpoint.origin.as_str());
        let wanted = |taken: &&Taken| Some(taken.origin.as_str()) == origin && taken.index >= from;
        let mut acts: Vec<&Taken> = self.taken.iter().filter(wanted).collect();
        acts.sort_by_key(|taken| taken.index);
        let (mut shown, mut bytes) = (Vec::new(), 0);
        for taken in acts.into_iter().take(YOURS) {
            let act = object([
                ("act", taken.act.as_str().into()),
                ("index", taken.index.into()),
                ("token", taken.token.as_str().into()),
                ("path", taken.path.as_str().into()),
                ("content", b64url(&taken.content).into()),
            ]);
            bytes += act.canonical().len() + 1;
            if bytes > YOURS_BYTES {
                break;
            }
            shown.push(act);
        }
        object([
            ("v", 1.into()),
            ("checkpoint", self.held.as_ref().map(|held| held.note.clone()).into()),
            ("acts", Json::List(shown)),
        ])
    }
}

/// The desk where the suite's own acts are written and the node's are received.
pub struct Desk {
    /// Who the suite is.
    pub me: Identity,
    /// DID of the node under test.
    pub peer: String,
    /// Its key sets.
    pub ring: Ring,
    inner: Mutex<Inner>,
}

impl Desk {
    /// Opens a desk with a new log.
    pub fn open(me: Identity, peer: &str, ring: Ring) -> Result<Self, String> {
        let mut ledger = Ledger::new(me.origin(), me.log.clone());
        let key: [u8; 32] = random()?;
        let statement =
            |text: &str| [("statement".to_owned(), Json::from(digest_text(text.as_bytes())))].into();
        let genesis = [
            ("root".to_owned(), me.did().into()),
            ("log_key".to_owned(), crate::encoding::multibase(&me.log.verifying_key().to_bytes()).into()),
            ("shard".to_owned(), 0.into()),
            ("supersedes".to_owned(), Json::Null),
        ];
        let own = [
            ("genesis", genesis.into()),
            ("participant", statement(&me.statement)),
            ("keys", statement(&me.keys)),
            ("peer", [("peer".to_owned(), peer.into())].into()),
        ];
        for (kind, fields) in own {
            let entry = Entry {
                kind: kind.to_owned(),
                at: now(),
                side: "own".to_owned(),
                fields,
                ..Entry::default()
            };
            ledger.append(entry.encode(&key, &random::<16>()?));
        }
        let inner = Inner {
            ledger,
            acks: Vec::new(),
            exchanges: BTreeMap::new(),
            answered: BTreeMap::new(),
            held: None,
            taken: Vec::new(),
            problems: Vec::new(),
            closed: false,
            turned_away: Vec::new(),
        };
        Ok(Self { me, peer: peer.to_owned(), ring, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an exchange.
    pub fn begin(&self, exchange: [u8; 16], key: [u8; 32], consumer_pid: &str) {
        let consumer_pid = consumer_pid.to_owned();
        let state = "REQUESTED";
        let new = Exchange { key, consumer_pid, provider_pid: None, prev: None, state, inbox: Vec::new() };
        self.inner().exchanges.insert(exchange, new);
    }

    /// An exchange as it stands.
    #[must_use]
    pub fn exchange(&self, exchange: &[u8; 16]) -> Option<Exchange> {
        self.inner().exchanges.get(exchange).cloned()
    }

    /// Changes an exchange.
    pub fn update(&self, exchange: &[u8; 16], change: impl FnOnce(&mut Exchange)) {
        if let Some(found) = self.inner().exchanges.get_mut(exchange) {
            change(found);
        }
    }

    /// Logs an own act; gives the index of its entry and the checkpoint that covers it.
    pub fn log_sent(&self, kind: &str, act: &Act) -> (u64, String) {
        let mut inner = self.inner();
        let mut acks = std::mem::take(&mut inner.acks);
        acks.sort();
        acks.dedup();
        let key = inner.exchanges.get(&act.exchange).map_or([0; 32], |exchange| exchange.key);
        let entry = Entry {
            kind: kind.to_owned(),
            exchange: Some(b64url(&act.exchange)),
            at: now(),
            act: Some(act.digest()),
            side: "sent".to_owned(),
            acks,
            fields: [("peer".to_owned(), Json::from(self.peer.as_str()))].into(),
            ..Entry::default()
        };
        let index = inner.ledger.append(entry.encode(&key, &act.msg));
        (index, inner.ledger.checkpoint())
    }

    /// Keeps an acknowledgement for the next entry, and the node's note if it is the largest so far.
    pub fn keep_ack(&self, ack: &str, checkpoint: Checkpoint, note: &str) {
        let mut inner = self.inner();
        inner.acks.push(digest_text(ack.as_bytes()));
        inner.hold(checkpoint, note);
    }

    /// While closed, acts of the node are answered 503, which promises nothing, and noted.
    pub fn close(&self, closed: bool) {
        self.inner().closed = closed;
    }

    /// The acts that were turned away, in the order in which they came.
    #[must_use]
    pub fn turned_away(&self) -> Vec<Act> {
        self.inner().turned_away.clone()
    }

    /// What was wrong with requests of the node, since this was last asked.
    pub fn problems(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().problems)
    }

    /// Answers a request of the node.
    pub fn answer(&self, call: &Call) -> Answer {
        match self.authenticated(call) {
            Ok(answer) => answer,
            Err(why) => {
                self.inner().problems.push(format!("{} {}: {why}", call.method, call.target));
                Answer::json(401, r#"{"@type":"Error","code":"token_malformed","reason":[]}"#)
            }
        }
    }

    fn authenticated(&self, call: &Call) -> Result<Answer, String> {
        let base = [DSP, DXP].into_iter().find(|base| call.target.starts_with(&format!("{base}/")));
        let base = base.ok_or("neither base")?;
        let path = &call.target[base.len()..];
        let bearer = call.value("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.ok_or("no bearer token")?;
        let did = self.me.did();
        let arrival = Arrival { me: &did, now: now(), method: &call.method, path, body: &call.body };
        let token = open_token(bearer, &self.peer, &self.ring, 1, &arrival)?;
        let Some(act) = token.act else { return Ok(self.read(path)) };
        let note = token.checkpoint.unwrap_or_default();
        let checkpoint = covering(&note, token.index.unwrap_or(u64::MAX), &self.peer, &token.signer.log)?;
        let place = (checkpoint.origin.clone(), token.index.unwrap_or(u64::MAX));
        let mut inner = self.inner();
        inner.hold(checkpoint, &note);
        if let Some((digest, answer)) = inner.answered.get(&act.msg) {
            return if *digest == act.digest() { Ok(answer.clone()) } else { Ok(Answer::json(409, "{}")) };
        }
        if inner.closed {
            inner.turned_away.push(act);
            return Ok(Answer::json(503, r#"{"@type":"Error","code":"busy","reason":[]}"#));
        }
        Ok(self.receive(&mut inner, &act, bearer, place))
    }

    /// Takes an act of the node: one entry, one acknowledgement, the same for every repetition.
    fn receive(&self, inner: &mut Inner, act: &Act, token: &str, place: (String, u64)) -> Answer {
        let kind = kind_of(&act.path);
        let message = Json::parse(&act.body).unwrap_or(Json::Null);
        let (Some((kind, state)), Some(exchange)) = (kind, inner.exchanges.get_mut(&act.exchange)) else {
            return Answer::json(404, r#"{"@type":"Error","code":"not_found","reason":[]}"#);
        };
        if act.path.split('/').nth(2) != Some(exchange.consumer_pid.as_str()) {
            return Answer::json(404, r#"{"@type":"Error","code":"not_found","reason":[]}"#);
        }
        if exchange.provider_pid.is_none() {
            exchange.provider_pid = message.text("providerPid").map(str::to_owned);
        }
        exchange.prev = Some(act.digest());
        exchange.state = state;
        exchange.inbox.push((kind, message));
        let (key, body) = (exchange.key, "{}");
        let mut acks = std::mem::take(&mut inner.acks);
        acks.sort();
        acks.dedup();
        let entry = Entry {
            kind: kind.to_owned(),
            exchange: Some(b64url(&act.exchange)),
            at: now(),
            act: Some(act.digest()),
            side: "received".to_owned(),
            status: Some(200),
            token: Some(digest_text(token.as_bytes())),
            answer: Some(digest_text(body.as_bytes())),
            acks,
            fields: [("peer".to_owned(), Json::from(self.peer.as_str()))].into(),
        };
        let index = inner.ledger.append(entry.encode(&key, &act.msg));
        let ack = sign_ack(act, 200, body.as_bytes(), index, &inner.ledger.checkpoint(), &self.me.signing);
        let mut answer = Answer::json(200, body);
        answer.headers.push(("DXP-Ack".to_owned(), ack));
        inner.answered.insert(act.msg, (act.digest(), answer.clone()));
        inner.taken.push(Taken {
            act: act.digest(),
            origin: place.0,
            index: place.1,
            token: token.to_owned(),
            path: act.path.clone(),
            content: act.body.clone(),
        });
        answer
    }

    /// Answers reads: keys, the log, the state of an exchange.
    fn read(&self, target: &str) -> Answer {
        let inner = self.inner();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let number = |name: &str| query.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let found = match parts.as_slice() {
            ["keys"] => Some(object([
                ("v", 1.into()),
                ("participant", self.me.statement.as_str().into()),
                ("keys", vec![self.me.keys.as_str().into()].into()),
            ])),
            ["log", "checkpoint"] => return Answer::json(200, inner.ledger.checkpoint()),
            ["log", "tile", ..] => {
                let tile = path.strip_prefix("/log/").and_then(|tile| inner.ledger.tile(tile));
                return tile.map_or_else(|| Answer::json(404, "{}"), |bytes| Answer::json(200, bytes));
            }
            ["log", "entry", index] => index.parse().ok().zip(number("size")).and_then(|(index, size)| {
                let (entry, proof) = inner.ledger.entry(index, size)?;
                Some(object([
                    ("v", 1.into()),
                    ("entry", b64url(entry).into()),
                    ("proof", hashes(&proof)),
                    ("checkpoint", inner.ledger.checkpoint_at(size)?.into()),
                ]))
            }),
            ["log", "consistency", from] => from
                .parse()
                .ok()
                .zip(number("size"))
                .and_then(|(from, size)| inner.ledger.consistency(from, size).map(|proof| hashes(&proof))),
            ["log", "yours"] => number("from").map(|from| inner.yours(from)),
            ["negotiations", pid] => {
                inner.exchanges.values().find(|e| e.consumer_pid == *pid).map(|exchange| {
                    object([
                        ("@context", vec![super::CONTEXT.into()].into()),
                        ("@type", "ContractNegotiation".into()),
                        ("consumerPid", exchange.consumer_pid.as_str().into()),
                        ("providerPid", exchange.provider_pid.clone().unwrap_or_default().into()),
                        ("state", exchange.state.into()),
                    ])
                })
            }
            _ => None,
        };
        found.map_or_else(|| Answer::json(404, "{}"), |json| Answer::json(200, json.canonical()))
    }

    /// The suite's current checkpoint, opened.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Checkpoint::open(&self.inner().ledger.checkpoint(), &self.me.log.verifying_key().to_bytes())
    }
}

fn hashes(proof: &[merkle::Hash]) -> Json {
    Json::List(proof.iter().map(|hash| b64(hash).into()).collect())
}

/// Entry type and new state of an act of a provider, by its path.
fn kind_of(path: &str) -> Option<(&'static str, &'static str)> {
    let mut parts = path.split('/').skip(1);
    let (family, _, verb) = (parts.next()?, parts.next()?, parts.next()?);
    Some(match (family, verb) {
        ("negotiations", "offers") => ("negotiation.offer", "OFFERED"),
        ("negotiations", "agreement") => ("negotiation.agreement", "AGREED"),
        ("negotiations", "events") => ("negotiation.finalized", "FINALIZED"),
        ("negotiations", "termination") => ("negotiation.termination", "TERMINATED"),
        ("negotiations", "end") => ("negotiation.end", "FINALIZED"),
        ("negotiations", "report") => ("negotiation.report", "FINALIZED"),
        ("transfers", "start") => ("transfer.start", "STARTED"),
        ("transfers", "suspension") => ("transfer.suspension", "SUSPENDED"),
        ("transfers", "completion") => ("transfer.completion", "COMPLETED"),
        ("transfers", "termination") => ("transfer.termination", "TERMINATED"),
        _ => return None,
    })
}
