//! A peer made by hand over the crate's transport and core: own keys and log, acts as the test wants them. Honest where
//! the test does not say otherwise; what it signs it also logs, and what it is sent it acknowledges.

mod desk;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http_body_util::Full;
use hyper::{Request, body::Bytes, header};
use naru::transport::{self, ServeLimits, Transport};
use naru_protocol::{
    act::{Act, Method, Path, Token, issue_token},
    encoding::{Digest, Id},
    identity::{Did, peer_id},
    json::{self, V1},
    jws::sign_compact,
    listing::{Listing, Summary, Title},
    log::{
        entry::{EntryDraft, ExchangeKey, Genesis, NodeKey, Side},
        merkle::Hash,
    },
    signature::SigningKey,
    ticket::Ticket,
};
use serde_json::{Value, json};

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use self::desk::{Answer, Desk, Manners, Talk, kind_of, offer_of, shown_dataset};
use super::{Firm, LOOK, PATIENCE, harmless, now, policy};

pub(crate) const DSP: &str = "/dsp/2025-1";
pub(crate) const DXP: &str = "/dxp/1";
const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";

pub(crate) fn random<const N: usize>() -> [u8; N] {
    naru::config::random().unwrap()
}

pub(crate) fn urn() -> String {
    format!("urn:uuid:{}", random::<16>().map(|b| format!("{b:02x}")).concat())
}

/// An act, logged and ready to be sent any number of times.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) act: Act,
    pub(crate) token: Token,
    pub(crate) body: Vec<u8>,
    pub(crate) key: Option<String>,
}

/// A peer made by hand, connected to a node that it is paired with.
pub(crate) struct Hand {
    pub(crate) desk: Arc<Desk>,
    pub(crate) node: Did,
    pub(crate) ticket: Ticket,
    peer: String,
    addresses: Vec<String>,
    transport: Transport,
}

impl Hand {
    /// Connects with a node that knows nothing of this peer yet.
    pub(crate) async fn stranger(firm: &Firm) -> Self {
        Self::stranger_from(firm, "SG").await
    }

    async fn stranger_from(firm: &Firm, country: &str) -> Self {
        Self::of_ticket(&firm.ticket().await, country).await
    }

    /// Connects with whoever issued a ticket.
    pub(crate) async fn of_ticket(ticket: &str, country: &str) -> Self {
        let desk = Arc::new(Desk::new(country));
        let ticket = Ticket::parse(ticket, now()).unwrap();
        let config = transport::Config::new(desk.transport, Vec::new());
        let (transport, incoming) = Transport::start(config).await.unwrap();
        let router = Router::new().fallback(desk::dispatch).with_state(Arc::clone(&desk));
        tokio::spawn(transport::serve(incoming, router, ServeLimits::default()));
        let peer = peer_id(&ticket.peer().ring().newest().unwrap().transport);
        let addresses = ticket.addresses().iter().map(|a| a.as_str().to_owned());
        let addresses: Vec<String> = addresses.filter(|a| a.starts_with('/')).collect();
        transport.connect(&peer, &addresses).await.unwrap();
        Self { node: *ticket.peer().did(), desk, ticket, peer, addresses, transport }
    }

    /// Connects and redeems a ticket.
    pub(crate) async fn paired(firm: &Firm) -> Self {
        Self::paired_from(firm, "SG").await
    }

    /// The same with a peer of another country.
    pub(crate) async fn paired_from(firm: &Firm, country: &str) -> Self {
        let hand = Self::stranger_from(firm, country).await;
        let answer = hand.redeem(&hand.redemption()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        hand
    }

    /// Goes on with the node under the identity on the network that another ticket of it names.
    pub(crate) fn follow(&mut self, ticket: &str) {
        let ticket = Ticket::parse(ticket, now()).unwrap();
        assert_eq!(*ticket.peer().did(), self.node);
        self.peer = peer_id(&ticket.peer().ring().newest().unwrap().transport);
        let addresses = ticket.addresses().iter().map(|a| a.as_str().to_owned());
        self.addresses = addresses.filter(|a| a.starts_with('/')).collect();
    }

    pub(crate) fn did(&self) -> String {
        self.desk.did.to_string()
    }

    pub(crate) fn redemption(&self) -> Value {
        json!({"v": 1, "secret": self.ticket.secret().reveal(), "keys": self.desk.key_set,
            "participant": self.desk.statement, "addresses": []})
    }

    pub(crate) async fn redeem(&self, redemption: &Value) -> Answer {
        let body = json::canonical(redemption).unwrap();
        self.read_as("POST", DXP, "/tickets", body, |_| {}).await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(target).header(header::HOST, "dxp");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("DXP-Key", key);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::new(Full::new(Bytes::from(body)))).unwrap();
        self.transport.connect(&self.peer, &self.addresses).await.unwrap();
        let response = self.transport.request(&self.peer, request).await.unwrap();
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let (ack, link) = (header("DXP-Ack"), header("Link"));
        let body = response.into_body().bytes(4 << 20).await.unwrap();
        Answer { status, body, ack, link }
    }

    /// Sends whatever it is, and looks no further than the head of the answer.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Result<u16, transport::TransportError> {
        self.transport.connect(&self.peer, &self.addresses).await?;
        Ok(self.transport.request(&self.peer, request).await?.status().as_u16())
    }

    /// Where the node listens for TCP.
    pub(crate) fn socket(&self) -> String {
        let parts: Vec<&str> = self.addresses[0].split('/').collect();
        format!("{}:{}", parts[2], parts[4])
    }

    fn read_token(&self, method: &str, path: &str, body: &[u8]) -> Token {
        let method = Method::parse(method).unwrap();
        let path = Path::parse(path).unwrap();
        Token::for_read(self.desk.did, self.node, method, path, Digest::of(body), now())
    }

    /// A token for a read or a service post.
    pub(crate) fn token_for(&self, method: &str, path: &str, body: &[u8]) -> String {
        self.sign(&self.read_token(method, path, body))
    }

    pub(crate) fn sign(&self, token: &Token) -> String {
        issue_token(token, 1, &self.desk.signing).unwrap()
    }

    /// A read under a token that was changed before it was signed.
    pub(crate) async fn read_as(
        &self,
        method: &str,
        base: &str,
        path: &str,
        body: Vec<u8>,
        change: impl FnOnce(&mut Token),
    ) -> Answer {
        let mut token = self.read_token(method, path, &body);
        change(&mut token);
        self.call(method, &format!("{base}{path}"), Some(&self.sign(&token)), None, body).await
    }

    pub(crate) async fn get(&self, base: &str, path: &str) -> Answer {
        self.read_as("GET", base, path, Vec::new(), |_| {}).await
    }

    /// Writes an act into the own log and gives it ready to be sent.
    pub(crate) fn prepare_after(
        &self,
        exchange: Id,
        path: &str,
        body: &Value,
        prev: Option<Digest>,
        key: ExchangeKey,
    ) -> Prepared {
        self.prepare_bytes(exchange, path, serde_json::to_vec(body).unwrap(), prev, key)
    }

    pub(crate) fn prepare_bytes(
        &self,
        exchange: Id,
        path: &str,
        body: Vec<u8>,
        prev: Option<Digest>,
        key: ExchangeKey,
    ) -> Prepared {
        let act = Act {
            v: V1,
            msg: Id(random()),
            iss: self.desk.did,
            aud: self.node,
            exchange,
            method: Method::Post,
            path: Path::parse(path).unwrap(),
            body: Digest::of(&body),
            prev,
        };
        let kind = kind_of(path, &body);
        let draft = EntryDraft::sent(kind, exchange, act.msg, act.digest().unwrap(), now());
        let (index, checkpoint) = self.desk.append(&mut self.desk.inner(), &draft);
        let token = Token::for_act(&act, checkpoint, index, now());
        let first = path.split('/').count() == 3;
        Prepared { act, token, body, key: first.then(|| key.to_text()) }
    }

    /// The next act of a known exchange.
    pub(crate) fn prepare(&self, exchange: Id, path: &str, body: &Value) -> Prepared {
        let talk = self.talk(exchange);
        self.prepare_after(exchange, path, body, talk.prev, talk.key)
    }

    pub(crate) async fn carry(&self, prepared: &Prepared) -> Answer {
        let token = self.sign(&prepared.token);
        let own = prepared.act.path.as_str();
        let of_profile = ["/end", "/report", "/receipt"].iter().any(|end| own.ends_with(end));
        let base = if of_profile { DXP } else { DSP };
        let target = format!("{base}{own}");
        self.call("POST", &target, Some(&token), prepared.key.as_deref(), prepared.body.clone()).await
    }

    /// Signs, logs and sends the next act of a known exchange.
    pub(crate) async fn act(&self, exchange: Id, path: &str, body: &Value) -> Answer {
        self.carry(&self.prepare(exchange, path, body)).await
    }

    pub(crate) fn talk(&self, exchange: Id) -> Talk {
        self.desk.inner().talks[&exchange].clone()
    }

    pub(crate) fn manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.desk.inner().manners);
    }

    /// How many pages of the own catalog were asked for.
    pub(crate) fn pages(&self) -> usize {
        self.desk.inner().manners.pages
    }

    /// The acts that were turned away, oldest first.
    pub(crate) fn turned_away(&self, exchange: Id) -> Vec<Act> {
        let inner = self.desk.inner();
        inner.manners.turned_away.iter().filter(|a| a.exchange == exchange).cloned().collect()
    }

    /// Waits until the node has sent this many acts in an exchange; gives the last one's message.
    pub(crate) async fn inbox(&self, exchange: Id, count: usize) -> (Act, Value) {
        let started = Instant::now();
        loop {
            let inbox = self.desk.inner().talks.get(&exchange).map(|t| t.inbox.clone()).unwrap_or_default();
            if inbox.len() >= count {
                return inbox[count - 1].clone();
            }
            assert!(started.elapsed() < PATIENCE, "the node sent {inbox:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for a first act of the node; gives its exchange.
    pub(crate) async fn called(&self, kind: &str) -> Id {
        let started = Instant::now();
        loop {
            let found = {
                let inner = self.desk.inner();
                inner.talks.iter().find(|(_, t)| t.inbox[0].1["@type"] == kind).map(|(id, _)| *id)
            };
            if let Some(id) = found {
                return id;
            }
            assert!(started.elapsed() < PATIENCE, "no {kind} came");
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// State as the node answers it.
    pub(crate) async fn state(&self, pid: &str) -> String {
        let answer = self.get(DSP, &format!("/negotiations/{pid}")).await;
        answer.json()["state"].as_str().unwrap_or_default().to_owned()
    }

    /// The first listing in the node's catalog.
    pub(crate) async fn listing(&self) -> (String, Listing) {
        let body = json!({"@context": [CONTEXT], "@type": "CatalogRequestMessage", "filter": []});
        let body = body.to_string().into_bytes();
        let answer = self.read_as("POST", DSP, "/catalog/request", body, |_| {}).await;
        let jws = answer.json()["dataset"][0]["dxp"]["listing"].as_str().unwrap().to_owned();
        let listing = naru_protocol::jws::peek::<Listing>(&jws).unwrap().claims().clone();
        (jws, listing)
    }

    /// Terms as an honest consumer drafts them, with these duties.
    pub(crate) async fn terms(&self, packs: &Value, obligations: &Value, conclude_by: u64) -> Value {
        let (jws, listing) = self.listing().await;
        let mut agreement = listing.policy.clone();
        let at = now();
        agreement["@id"] = json!(urn());
        agreement["@type"] = json!("Agreement");
        agreement["target"] = json!(listing.dataset);
        agreement["assigner"] = json!(self.node);
        agreement["assignee"] = json!(self.did());
        agreement["timestamp"] = json!(naru_protocol::dsp::datetime::to_date_time(at));
        let party = |did: String, country: &str| naru::node::facts::Party {
            did,
            country: country.to_owned(),
            size: "sme".to_owned(),
            declared: Default::default(),
        };
        let purpose = naru::node::facts::Use {
            purpose: "quality_analysis".to_owned(),
            countries: vec!["SG".to_owned()],
        };
        let core = packs.as_array().unwrap().iter().find(|p| p["name"] == "core").unwrap();
        let shared = naru::node::facts::shared(
            &listing.facts,
            &listing.policy,
            &party(self.node.to_string(), "KR"),
            &party(self.did(), "SG"),
            &purpose,
            core["revision"].as_str().unwrap(),
            at,
        )
        .unwrap();
        // Those of the two countries and those of every deal; a node has more, and the interpreter of terms that say more.
        let packs: Vec<Value> = packs
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| !["cl", "eu", "nz", "odrl"].map(Value::from).contains(&p["name"]))
            .map(|p| json!({"name": p["name"], "digest": p["digest"]}))
            .collect();
        let statement = Digest::of(self.ticket.participant().as_bytes());
        json!({
            "v": 1,
            "provider": {"did": self.node, "statement": statement, "keys": 1},
            "consumer": {"did": self.did(), "statement": Digest::of(self.desk.statement.as_bytes()), "keys": 1},
            "agreement": agreement,
            "listing": Digest::of(jws.as_bytes()),
            "content_root": listing.content_root,
            "packs": packs,
            "shared": shared,
            "lanes": ["KR", "SG"],
            "obligations": obligations,
            "conclude_by": conclude_by,
        })
    }

    /// A first request over terms; its exchange is known to [`Hand::talk`] from then on.
    pub(crate) fn request(&self, terms: &Value) -> (Id, Prepared) {
        self.request_as(terms, |_| {})
    }

    /// The same with a message that was changed before it was signed.
    pub(crate) fn request_as(&self, terms: &Value, change: impl FnOnce(&mut Value)) -> (Id, Prepared) {
        let (exchange, key, pid) = (Id(random()), ExchangeKey::from_bytes(random()), urn());
        let mut offer = policy();
        offer["@type"] = json!("Offer");
        offer["@id"] = json!("urn:x:offer");
        offer["target"] = terms["agreement"]["target"].clone();
        let mut body = json!({"@context": [CONTEXT], "@type": "ContractRequestMessage", "consumerPid": pid,
            "callbackAddress": format!("multiaddr:/p2p/{}", self.desk.peer_id()), "offer": offer,
            "dxp": {"v": 1, "key": key.digest(), "terms": terms, "decision": decision(terms, "importer")}});
        change(&mut body);
        let talk = Talk { key: key.clone(), pid, theirs: String::new(), prev: None, inbox: Vec::new() };
        self.desk.inner().talks.insert(exchange, talk);
        (exchange, self.prepare_after(exchange, "/negotiations/request", &body, None, key))
    }

    /// A later request of a known exchange.
    pub(crate) fn counter_request(&self, provider: &str, consumer: &str, terms: &Value) -> Value {
        let mut offer = policy();
        offer["@type"] = json!("Offer");
        offer["@id"] = json!("urn:x:offer");
        offer["target"] = terms["agreement"]["target"].clone();
        let dxp = json!({"v": 1, "key": null, "terms": terms, "decision": decision(terms, "importer")});
        message("ContractRequestMessage", provider, consumer, json!({"offer": offer, "dxp": dxp}))
    }

    /// Sends a request that is accepted; gives exchange and the node's process id.
    pub(crate) async fn ask(&self, terms: &Value) -> (Id, String) {
        let (exchange, prepared) = self.request(terms);
        let answer = self.carry(&prepared).await;
        answer.accepted(201);
        let pid = answer.json()["providerPid"].as_str().unwrap().to_owned();
        if let Some(talk) = self.desk.inner().talks.get_mut(&exchange) {
            talk.theirs.clone_from(&pid);
        }
        (exchange, pid)
    }

    /// Makes an exchange known whose first act was prepared apart.
    pub(crate) fn expect(&self, exchange: Id, prepared: &Prepared) {
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        let pid = body["consumerPid"].as_str().unwrap().to_owned();
        let key = ExchangeKey::parse(prepared.key.as_deref().unwrap()).unwrap();
        let talk = Talk { key, pid, theirs: String::new(), prev: None, inbox: Vec::new() };
        self.desk.inner().talks.insert(exchange, talk);
    }

    /// Offers a dataset in the own catalog.
    pub(crate) fn offer_dataset(&self) -> String {
        let listing = self.new_listing();
        let jws = sign_compact(&listing, 1, &self.desk.signing).unwrap();
        self.desk.inner().listing = Some((listing.dataset.clone(), jws));
        listing.dataset
    }

    /// Puts a dataset into the own catalog, before the one that is offered.
    pub(crate) fn show(&self, dataset: Value) {
        self.desk.inner().more.push(dataset);
    }

    /// A listing of a dataset that nobody has seen yet.
    pub(crate) fn new_listing(&self) -> Listing {
        let dataset = format!("urn:dxp:{}", random::<16>().map(|b| format!("{b:02x}")).concat());
        let root = Digest::of(&random::<32>());
        let mut facts = harmless();
        facts["id"] = json!(dataset);
        facts["digest"] = json!(root);
        let media = [json!({"type": "text/plain", "files": 1, "bytes": 4})];
        let summary: Summary =
            serde_json::from_value(json!({"v": 1, "files": 1, "bytes": 4, "media": media, "columns": []}))
                .unwrap();
        Listing {
            v: V1,
            iss: self.desk.did,
            policy: offer_of(&dataset),
            dataset,
            version: 1,
            title: Title { en: Some("by hand".to_owned()), ko: None },
            facts,
            summary,
            content_root: root,
            valid_from: now() - 10,
            valid_to: now() + 3600,
        }
    }

    /// The log begins otherwise from now on: what was signed before is of another history.
    pub(crate) fn forks(&self) {
        let (root, log_key) = (*self.desk.did.root_key(), self.desk.log.public());
        let genesis = Genesis { root, log_key, shard: 1, supersedes: None };
        let other = EntryDraft::genesis(&genesis, &NodeKey::from_bytes(random()), Id(random()), now());
        self.desk.inner().leaves[0] = other.seal(&[]).unwrap().bytes;
    }

    /// The newest checkpoint of the own log.
    pub(crate) fn head(&self) -> String {
        let inner = self.desk.inner();
        self.desk.checkpoint(&inner.leaves)
    }

    /// A checkpoint of the own log with any root.
    pub(crate) fn signed_head(&self, size: u64, root: Hash) -> String {
        self.desk.signed(1, size, root)
    }

    /// The same for another shard of its log.
    pub(crate) fn signed_shard(&self, shard: u32, size: u64, root: Hash) -> String {
        self.desk.signed(shard, size, root)
    }

    /// How often the node has asked what this peer holds of its log.
    pub(crate) fn asked(&self) -> usize {
        self.desk.inner().manners.asked
    }

    pub(crate) fn root(&self) -> &SigningKey {
        &self.desk.root
    }
}

/// A decision that allows; nobody can run its record again.
pub(crate) fn decision(terms: &Value, side: &str) -> Value {
    let digest = |v: &Value| Digest::of(&json::canonical(v).unwrap());
    json!({"terms": digest(terms), "side": side, "phase": "negotiation", "allow": true,
        "result": Digest::of(&random::<16>()), "input_shared": digest(&terms["shared"]),
        "input_private": Digest::of(&random::<16>()), "at": now(), "by": "auto"})
}

/// A message of the negotiation with both process ids, `extra` laid over it.
pub(crate) fn message(kind: &str, provider: &str, consumer: &str, extra: Value) -> Value {
    let mut body =
        json!({"@context": [CONTEXT], "@type": kind, "providerPid": provider, "consumerPid": consumer});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) fn termination(provider: &str, consumer: &str) -> Value {
    let extra = json!({"code": "cancelled", "dxp": {"v": 1, "code": "cancelled"}});
    message("ContractNegotiationTerminationMessage", provider, consumer, extra)
}

/// Entries of an exchange in a firm's log, by side.
pub(crate) fn halves(log: &super::Log, exchange: Id) -> (usize, usize) {
    let id = exchange.to_string();
    let count = |side| log.of(&id).filter(|l| l.entry.act().is_some() && l.entry.side() == side).count();
    (count(Side::Received), count(Side::Sent))
}
