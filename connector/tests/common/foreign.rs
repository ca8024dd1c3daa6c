//! A partner that speaks the Dataspace Protocol and signs nothing: an HTTP server that records what it is sent and answers as
//! the test says, and a client at the HTTPS door of a real node. Honest where the test does not say otherwise.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::State, response::Response};
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, body::Bytes, header};
use naru::{
    node::verbs::AddPlain,
    transport::{
        Limits, ServeLimits,
        https::{HttpsClient, HttpsConfig, HttpsDoor, Reach, certificates},
    },
};
use serde_json::{Value, json};

use super::{Firm, LOOK, PATIENCE, hand::random};

pub(crate) const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";
/// Under which path the partner's binding lies.
pub(crate) const BASE: &str = "/protocol/2025-1";

/// A message of DSP.
pub(crate) fn dsp(kind: &str, mut members: Value) -> Value {
    members["@context"] = json!([CONTEXT]);
    members["@type"] = json!(kind);
    members
}

pub(crate) fn uuid() -> String {
    format!("urn:uuid:{}", random::<16>().map(|b| format!("{b:02x}")).concat())
}

/// The process id that the partner gives to an exchange that a node began.
pub(crate) fn answered_pid(ours: &str) -> String {
    format!("urn:partner:{}", ours.rsplit(':').next().unwrap())
}

/// What the partner was sent.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: String,
    /// After the base, or the whole where it does not lie under it.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// How the content of an answer comes.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Whole(Vec<u8>),
    /// The head promises more than these bytes, and the connection ends after them.
    Broken(Vec<u8>, usize),
    /// Without an end.
    Endless,
    /// These bytes, and then nothing for ever.
    Stuck(Vec<u8>, usize),
}

/// What the partner says.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
    after: Duration,
}

impl Say {
    pub(crate) fn new(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content, after: Duration::ZERO }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, Content::Whole(body.to_string().into_bytes()))
            .with("content-type", "application/json")
    }

    pub(crate) fn text(status: u16, kind: &str, body: &str) -> Self {
        Self::new(status, Content::Whole(body.as_bytes().to_vec())).with("content-type", kind)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, Content::Whole(Vec::new()))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.after = pause;
        self
    }

    fn response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let first = |bytes: Vec<u8>| futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
        let (body, length) = match self.content {
            Content::Whole(bytes) => (Body::from(bytes), None),
            Content::Endless => {
                let piece = Bytes::from_static(&[b' '; 4096]);
                (Body::from_stream(futures::stream::repeat(Ok::<_, std::convert::Infallible>(piece))), None)
            }
            Content::Broken(bytes, all) => {
                // A moment, so that what came before is seen.
                let end = futures::stream::once(async {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Err(std::io::Error::other("broken"))
                });
                (Body::from_stream(first(bytes).chain(end)), Some(all))
            }
            Content::Stuck(bytes, all) => {
                (Body::from_stream(first(bytes).chain(futures::stream::pending())), Some(all))
            }
        };
        if let Some(length) = length {
            response = response.header(header::CONTENT_LENGTH, length);
        }
        response.body(body).unwrap()
    }
}

type Answer = Arc<dyn Fn(&Heard) -> Say + Send + Sync>;

/// One line of a script: what is answered to paths that end so, and how often.
struct Line {
    end: String,
    times: usize,
    answer: Answer,
}

/// The partner's server.
#[derive(Default)]
pub(crate) struct Desk {
    heard: Mutex<Vec<(Heard, bool)>>,
    script: Mutex<Vec<Line>>,
    /// Datasets of its catalog.
    pub(crate) datasets: Mutex<Vec<Value>>,
    id: Mutex<String>,
}

impl Desk {
    /// Whose catalog this is.
    pub(crate) fn is(&self, id: &str) {
        id.clone_into(&mut self.id.lock().unwrap());
    }

    /// Answers so, the next time that a path ends so.
    pub(crate) fn once(&self, end: &str, say: Say) {
        self.times(end, 1, move |_| say.clone());
    }

    pub(crate) fn always(&self, end: &str, answer: impl Fn(&Heard) -> Say + Send + Sync + 'static) {
        self.times(end, usize::MAX, answer);
    }

    pub(crate) fn times(
        &self,
        end: &str,
        times: usize,
        answer: impl Fn(&Heard) -> Say + Send + Sync + 'static,
    ) {
        self.script.lock().unwrap().push(Line { end: end.to_owned(), times, answer: Arc::new(answer) });
    }

    pub(crate) fn forget_script(&self) {
        self.script.lock().unwrap().clear();
    }

    /// Everything that came to paths with this end, in order.
    pub(crate) fn all(&self, end: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(h, _)| h.path.ends_with(end)).map(|(h, _)| h.clone()).collect()
    }

    /// Waits for a message to a path with this end that was not given out yet.
    pub(crate) async fn next(&self, end: &str) -> Heard {
        self.next_that(end, |_| true).await
    }

    pub(crate) async fn next_that(&self, end: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let started = Instant::now();
        loop {
            {
                let mut heard = self.heard.lock().unwrap();
                let found = heard.iter_mut().find(|(h, given)| !given && h.path.ends_with(end) && wanted(h));
                if let Some((found, given)) = found {
                    *given = true;
                    return found.clone();
                }
                let paths: Vec<&str> = heard.iter().map(|(h, _)| h.path.as_str()).collect();
                assert!(started.elapsed() < PATIENCE / 4, "nothing came to …{end}; only {paths:#?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// That nothing came to paths with this end.
    pub(crate) fn none(&self, end: &str) {
        assert!(self.all(end).is_empty(), "{:#?}", self.all(end));
    }

    fn scripted(&self, heard: &Heard) -> Option<Answer> {
        let mut script = self.script.lock().unwrap();
        // Last said first.
        let line = script.iter_mut().rev().find(|line| line.times > 0 && heard.path.ends_with(&line.end))?;
        line.times = line.times.saturating_sub(usize::from(line.times != usize::MAX));
        Some(Arc::clone(&line.answer))
    }

    fn honest(&self, heard: &Heard) -> Say {
        let said = heard.json();
        let pid = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match heard.path.as_str() {
            "/catalog/request" => {
                let id = self.id.lock().unwrap().clone();
                Say::json(200, &catalog_of(&id, &self.datasets.lock().unwrap()))
            }
            "/negotiations/request" => {
                let ours = pid("consumerPid");
                Say::json(201, &negotiation(&answered_pid(&ours), &ours, "REQUESTED"))
            }
            "/negotiations/offers" => {
                let ours = pid("providerPid");
                Say::json(201, &negotiation(&ours, &answered_pid(&ours), "OFFERED"))
            }
            "/transfers/request" => {
                let ours = pid("consumerPid");
                Say::json(201, &process(&answered_pid(&ours), &ours, "REQUESTED"))
            }
            _ => Say::empty(200),
        }
    }
}

pub(crate) fn negotiation(provider: &str, consumer: &str, state: &str) -> Value {
    dsp("ContractNegotiation", json!({"providerPid": provider, "consumerPid": consumer, "state": state}))
}

pub(crate) fn process(provider: &str, consumer: &str, state: &str) -> Value {
    dsp("TransferProcess", json!({"providerPid": provider, "consumerPid": consumer, "state": state}))
}

pub(crate) fn catalog_of(participant: &str, datasets: &[Value]) -> Value {
    let mut catalog = dsp("Catalog", json!({"@id": "urn:catalog:1", "participantId": participant}));
    if !datasets.is_empty() {
        catalog["dataset"] = json!(datasets);
    }
    catalog
}

async fn serve(State(desk): State<Arc<Desk>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default();
    let path = head.uri.path_and_query().map(|p| p.as_str().to_owned()).unwrap_or_default();
    let path = path.strip_prefix(BASE).map(str::to_owned).unwrap_or(path);
    let heard = Heard { method: head.method.to_string(), path, headers: head.headers, body };
    desk.heard.lock().unwrap().push((heard.clone(), false));
    let say = desk.scripted(&heard).map_or_else(|| desk.honest(&heard), |answer| answer(&heard));
    tokio::time::sleep(say.after).await;
    say.response()
}

/// Opens a server; gives its origin.
pub(crate) async fn listen(desk: Arc<Desk>, host: &str) -> String {
    let listener = tokio::net::TcpListener::bind((host, 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(serve).with_state(desk);
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

/// The same behind TLS; it serves for as long as what is given lives.
pub(crate) async fn listen_tls(
    desk: Arc<Desk>,
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> (String, HttpsDoor) {
    let config = HttpsConfig { listen: "127.0.0.1:0".parse().unwrap(), certificate: vec![certificate], key };
    let router = Router::new().fallback(serve).with_state(desk);
    let door = HttpsDoor::listen(config, router, ServeLimits::default()).await.unwrap();
    (format!("https://{}", door.addr()), door)
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(500).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn taken(self, status: u16, why: &str) -> Self {
        assert_eq!(self.status, status, "{why}: {}", self.text());
        self
    }

    /// PLN-4.2: exactly this status, and the error body of the binding with code, reason and both pids.
    pub(crate) fn refused(self, status: u16, code: &str, why: &str) -> Value {
        assert_eq!(self.status, status, "{why}: {}", self.text());
        let body = self.json();
        assert_eq!(body["code"], json!(code), "{why}: {body}");
        assert_eq!(body["@context"], json!([CONTEXT]), "{why}: {body}");
        assert!(body["reason"].as_array().is_some_and(|all| !all.is_empty()), "{why}: {body}");
        let kind = body["@type"].as_str().unwrap_or_default();
        if kind != "CatalogError" {
            assert!(matches!(kind, "ContractNegotiationError" | "TransferError"), "{why}: {body}");
            assert!(body["providerPid"].is_string() && body["consumerPid"].is_string(), "{why}: {body}");
        }
        body
    }
}

/// The partner.
pub(crate) struct Foreign {
    pub(crate) desk: Arc<Desk>,
    /// Its participant id.
    pub(crate) id: String,
    /// Where its server is reached, without a path.
    pub(crate) origin: String,
    /// Its base, which the node was told.
    pub(crate) base: String,
    /// The node's base for it, and the node's participant id.
    pub(crate) node: String,
    pub(crate) did: String,
    client: HttpsClient,
    reach: Reach,
    /// What it sends as `Authorization`.
    pub(crate) authorization: Option<String>,
}

/// How a client reaches the HTTPS door of a firm.
pub(crate) fn reach(firm: &Firm) -> Reach {
    let pem = std::fs::read_to_string(firm.dir.join("https/cert.pem")).unwrap();
    Reach { local: true, roots: certificates(&pem).unwrap(), ..Reach::default() }
}

pub(crate) fn plain(id: &str, url: &str) -> AddPlain {
    AddPlain {
        id: id.to_owned(),
        alias: id.to_lowercase().replace([':', '.'], "-"),
        name: format!("{id} Ltd"),
        country: "SG".to_owned(),
        url: url.to_owned(),
        authorization: None,
        header: None,
        certificate: None,
        trust: None,
        local: true,
        purpose: None,
        countries: Vec::new(),
        keep_days: None,
        renew: false,
    }
}

impl Foreign {
    /// Opens its server and has the operator record it.
    pub(crate) async fn join(firm: &Firm, id: &str) -> Self {
        Self::join_as(firm, id, |_| {}).await
    }

    pub(crate) async fn join_as(firm: &Firm, id: &str, change: impl FnOnce(&mut AddPlain)) -> Self {
        let desk = Arc::new(Desk::default());
        desk.is(id);
        let origin = listen(Arc::clone(&desk), "127.0.0.1").await;
        let base = format!("{origin}{BASE}");
        let mut ask = plain(id, &base);
        change(&mut ask);
        let view = firm.node().add_plain(ask).await.unwrap();
        Self {
            desk,
            id: id.to_owned(),
            origin,
            base,
            node: view.base,
            did: view.participant,
            client: HttpsClient::new(Limits::default()),
            reach: reach(firm),
            authorization: None,
        }
    }

    pub(crate) fn identity(&mut self, identity: naru::transport::https::Identity) {
        self.reach.identity = Some(identity);
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        self.try_call(method, url, headers, body).await.unwrap()
    }

    /// An error where the content breaks off.
    pub(crate) async fn try_call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, naru::transport::TransportError> {
        let mut request = Request::builder().method(method);
        if method == "POST" {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(url, request.body(Body::from(body)).unwrap(), &self.reach).await?;
        let (head, body) = answer.into_parts();
        let body = body.bytes(64 << 20).await?.to_vec();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn said(&self) -> Vec<(&str, &str)> {
        self.authorization.iter().map(|text| ("authorization", text.as_str())).collect()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Reply {
        self.call("POST", &format!("{}{path}", self.node), &self.said(), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call("GET", &format!("{}{path}", self.node), &self.said(), Vec::new()).await
    }

    /// The state that the node says an exchange is in.
    pub(crate) async fn state(&self, path: &str) -> String {
        let reply = self.get(path).await.taken(200, path);
        reply.json()["state"].as_str().unwrap().to_owned()
    }
}
