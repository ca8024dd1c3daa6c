//! The wire: a stock libp2p client (TCP, TLS or Noise, Yamux) that opens and accepts streams of `/http/1.1`, and HTTP/1.1
//! over them. One request per stream, so that a broken one spoils nothing else. Knows nothing of tokens and acts.

use std::{sync::Arc, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, SwarmBuilder, identity,
    swarm::{SwarmEvent, dial_opts::DialOpts},
};
use libp2p_stream as stream;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

/// The stream protocol that carries HTTP.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/http/1.1");
/// How long any single answer may take before the test that waits for it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
const BODY_LIMIT: usize = 4 << 20;

/// A request as it goes out or comes in.
#[derive(Debug, Clone)]
pub struct Call {
    /// Upper-case method.
    pub method: String,
    /// Request target from the root, base included.
    pub target: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Content bytes.
    pub body: Vec<u8>,
}

impl Call {
    /// A request without headers and content.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets JSON content.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        let mut call = self.header("content-type", "application/json");
        call.body = body.into();
        call
    }

    /// The value of a header, whatever its case; none if it is absent or stands twice.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        one(&self.headers, name)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// Content bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with JSON content.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// The value of a header; none if it is absent or stands twice.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        one(&self.headers, name)
    }
}

fn one<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let value = found.next()?;
    if found.next().is_none() { Some(&value.1) } else { None }
}

/// What answers the peer's requests; called on the runtime, so it must not block for long.
pub type Handler = Arc<dyn Fn(Call) -> Answer + Send + Sync>;

/// A connection to the node under test.
pub struct Link {
    control: stream::Control,
    peer: PeerId,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Link {
    /// Dials the peer at any of the addresses with the given transport key and serves what the peer asks.
    pub async fn dial(
        key: &[u8; 32],
        peer: &str,
        addresses: &[String],
        handler: Handler,
    ) -> Result<Self, String> {
        let peer: PeerId = peer.parse().map_err(|error| format!("peer id: {error}"))?;
        let addresses: Vec<Multiaddr> = addresses
            .iter()
            // The suite speaks over libp2p; doors of another kind are not for it.
            .filter(|address| address.starts_with('/'))
            .map(|address| address.parse().map_err(|error| format!("{address}: {error}")))
            .collect::<Result<_, String>>()?;
        let pair = identity::Keypair::ed25519_from_bytes(*key).map_err(|error| error.to_string())?;
        let mut swarm = SwarmBuilder::with_existing_identity(pair)
            .with_tokio()
            .with_tcp(
                libp2p::tcp::Config::default().nodelay(true),
                (libp2p::tls::Config::new, libp2p::noise::Config::new),
                libp2p::yamux::Config::default,
            )
            .map_err(|error| error.to_string())?
            .with_behaviour(|_| stream::Behaviour::new())
            .map_err(|error| error.to_string())?
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let mut control = swarm.behaviour().new_control();
        let incoming = control.accept(PROTOCOL).map_err(|_| "the protocol is registered twice".to_owned())?;
        swarm
            .dial(DialOpts::peer_id(peer).addresses(addresses).build())
            .map_err(|error| error.to_string())?;
        let (ready, connected) = oneshot::channel();
        let driver = tokio::spawn(drive(swarm, peer, ready));
        let server = tokio::spawn(serve(incoming, peer, handler));
        let link = Self { control, peer, tasks: vec![driver, server] };
        match timeout(PATIENCE, connected).await {
            Ok(Ok(Ok(()))) => Ok(link),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err("the swarm ended".to_owned()),
            Err(_) => Err("no connection in time".to_owned()),
        }
    }

    async fn open(&self) -> Result<libp2p::Stream, String> {
        let mut control = self.control.clone();
        let opened = timeout(PATIENCE, control.open_stream(self.peer, PROTOCOL)).await;
        opened.map_err(|_| "no stream in time".to_owned())?.map_err(|error| error.to_string())
    }

    /// Sends a request and reads the whole answer.
    pub async fn call(&self, call: &Call) -> Result<Answer, String> {
        timeout(PATIENCE, self.exchange(call)).await.map_err(|_| "no answer in time".to_owned())?
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, String> {
        let io = TokioIo::new(self.open().await?.compat());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| format!("handshake: {error}"))?;
        let driver = tokio::spawn(connection);
        let mut request =
            Request::builder().method(call.method.as_str()).uri(&call.target).header("host", "dxp");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(call.body.clone())))
            .map_err(|error| format!("request: {error}"))?;
        let response = sender.send_request(request).await.map_err(|error| format!("no answer: {error}"))?;
        let answer = collect(response).await;
        driver.abort();
        answer
    }

    /// Writes raw bytes, shuts the sending half if asked, and returns what came back until the peer closed.
    pub async fn raw(&self, bytes: &[u8], shut: bool) -> Result<Vec<u8>, String> {
        let mut stream = self.open().await?;
        stream.write_all(bytes).await.map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        if shut {
            stream.close().await.map_err(|error| error.to_string())?;
        }
        let mut answer = Vec::new();
        // A peer that keeps a half-sent request open is judged by whether it still answers others.
        let _ = timeout(Duration::from_secs(3), stream.take(65_536).read_to_end(&mut answer)).await;
        Ok(answer)
    }
}

async fn drive(
    mut swarm: libp2p::Swarm<stream::Behaviour>,
    peer: PeerId,
    ready: oneshot::Sender<Result<(), String>>,
) {
    let mut ready = Some(ready);
    loop {
        let event = swarm.select_next_some().await;
        let outcome = if let SwarmEvent::ConnectionEstablished { peer_id, .. } = &event {
            (*peer_id == peer).then_some(Ok(()))
        } else if let SwarmEvent::OutgoingConnectionError { error, .. } = &event {
            Some(Err(format!("cannot connect: {error}")))
        } else {
            None
        };
        if let Some(outcome) = outcome
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(outcome);
        }
    }
}

async fn serve(mut incoming: stream::IncomingStreams, peer: PeerId, handler: Handler) {
    while let Some((from, stream)) = incoming.next().await {
        if from == peer {
            tokio::spawn(serve_one(stream, Arc::clone(&handler)));
        }
    }
}

async fn serve_one(stream: libp2p::Stream, handler: Handler) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (parts, body) = request.into_parts();
            let body = Limited::new(body, BODY_LIMIT).collect().await.map(|body| body.to_bytes().to_vec());
            let answer = match body {
                Ok(body) => handler(Call {
                    method: parts.method.to_string(),
                    target: parts.uri.to_string(),
                    headers: pairs(&parts.headers),
                    body,
                }),
                Err(_) => Answer::json(413, ""),
            };
            let mut response = Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(name, value);
            }
            response.body(Full::new(Bytes::from(answer.body)))
        }
    });
    // An error here is the peer's affair: it closed a stream, or wrote no HTTP.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream.compat()), service)
        .await;
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

async fn collect(response: Response<hyper::body::Incoming>) -> Result<Answer, String> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|error| format!("answer: {error}"))?;
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: pairs(&parts.headers),
        body: body.to_bytes().to_vec(),
    })
}
