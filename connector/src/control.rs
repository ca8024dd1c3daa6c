//! How commands on this machine talk to the running node: the client side of the management API (`manage`), and the one shape
//! of a failure.
//!
//! `control.json` in the node's folder says at which port the node answers and has the token of our own commands; it is
//! readable by the owner only and removed at a clean stop. Where no node runs, reading verbs read the folder.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Bytes, http::header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Response, body::Incoming};
use hyper_util::rt::TokioIo;
use naru_protocol::error::{Code, Lang, Side};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    config::Folder,
    manage::Door,
    node::{AtRest, Latch, Latches, Node, NodeError},
    store::FolderLock,
};

/// The largest answer that a command takes from the node on its own machine, bytes.
const ANSWER: usize = 64 << 20;

/// Why a command could not be carried out, with a stable code.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A code of the error registry.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Whose side it came from, where that is another than the code's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
    /// What to do, where more is known than the code's own hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Rules that do not allow it, each with its law and the way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<Value>,
}

impl Failure {
    /// From a code and words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (side, hint, explained) = Default::default();
        Self { code: code.as_str().to_owned(), message: message.into(), side, hint, explained }
    }

    /// Of something that no peer was asked for: what the registry counts to a peer is the operator's own here.
    #[must_use]
    pub fn own(self) -> Self {
        let ours = Code::parse(&self.code).is_ok_and(|code| code.side() == Side::Peer);
        Self { side: ours.then(|| Side::Local.as_str().to_owned()), ..self }
    }

    /// With words of its own on what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let failure = Self::new(error.code(), error.to_string());
        match error {
            NodeError::Judged { explained, .. } => Self { explained, ..failure },
            NodeError::Folder(_)
            | NodeError::Config(_)
            | NodeError::Store(_)
            | NodeError::Transport(_)
            | NodeError::Identity(_)
            | NodeError::Jws(_)
            | NodeError::Ticket(_)
            | NodeError::Json(_)
            | NodeError::Bundle(_)
            | NodeError::Engine(_)
            | NodeError::Refused(..) => failure,
        }
    }
}

/// Where a running node is asked, and our own commands' token: `control.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// Opens the management API for a node that is open already, until `stop` turns true.
pub async fn serve(node: Node, folder: &Folder, stop: watch::Sender<bool>) -> Result<u16, Failure> {
    let latches = Arc::new(Latches::default());
    Latch::ALL.into_iter().for_each(|latch| latches.close(latch));
    let door = Door::open(folder, latches, stop).await?;
    door.hand_over(node)?;
    let port = door.port();
    tokio::spawn(door.closed());
    Ok(port)
}

fn not_running(folder: &Path) -> Failure {
    Failure::new(Code::NotRunning, format!("no node runs in {}", folder.display()))
}

fn broken(why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::NotRunning, format!("the node stopped answering: {why}"))
}

/// What keeps a connection open while an answer is read.
type Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// How long a node that is starting is waited for.
const STARTING: Duration = Duration::from_secs(20);
/// How long one that was perhaps started a moment ago, as by the line before in a script, has to take its folder.
const COMING: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Where the node of a folder is asked, and a connection to it.
async fn reach(folder: &Path) -> Result<(Address, tokio::net::TcpStream), Failure> {
    let none = || not_running(folder);
    let text = std::fs::read_to_string(Folder::new(folder).control()).map_err(|_| none())?;
    let address: Address = serde_json::from_str(&text).map_err(|_| none())?;
    let stream = tokio::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], address.port)));
    Ok((address, stream.await.map_err(|_| none())?))
}

/// Whether a process has the folder: a node that does not answer yet is starting.
fn held(folder: &Path) -> bool {
    Folder::new(folder).join("naru.toml").is_file()
        && FolderLock::acquire(folder).is_err_and(|error| error.code() == Code::FolderLocked)
}

/// Sends one request and gives the answer, whose content is still to come. Waits while the node is starting, and `coming` for
/// one that has not taken its folder yet.
async fn send(
    folder: &Path,
    path: &str,
    request: Option<&Value>,
    last: Option<&str>,
    coming: Duration,
) -> Result<(Response<Incoming>, Sender), Failure> {
    let began = Instant::now();
    loop {
        match reach(folder).await {
            Ok(there) => return ask(there, path, request, last).await,
            Err(_) if began.elapsed() < coming && folder.is_dir() => {}
            Err(_) if began.elapsed() < STARTING && held(folder) => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ask(
    (Address { port, token }, stream): (Address, tokio::net::TcpStream),
    path: &str,
    request: Option<&Value>,
    last: Option<&str>,
) -> Result<(Response<Incoming>, Sender), Failure> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    tokio::spawn(connection);
    let mut asked = hyper::Request::builder()
        .method(if request.is_some() { "POST" } else { "GET" })
        .uri(format!("/v1/{path}"))
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(last) = last {
        asked = asked.header("last-event-id", last);
    }
    let content = request.map(Value::to_string).unwrap_or_default();
    let asked = asked.body(Full::new(Bytes::from(content))).map_err(broken)?;
    let answer = sender.send_request(asked).await.map_err(broken)?;
    if answer.status().is_success() {
        return Ok((answer, sender));
    }
    let bytes = whole(answer.into_body()).await?;
    let failure: Failure =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| broken(String::from_utf8_lossy(&bytes)));
    Err(without_common_hint(failure))
}

async fn whole(body: Incoming) -> Result<Bytes, Failure> {
    Ok(Limited::new(body, ANSWER).collect().await.map_err(broken)?.to_bytes())
}

/// What the code itself says to do is said in the language of whoever reads it.
fn without_common_hint(failure: Failure) -> Failure {
    let common = Code::parse(&failure.code).map(|code| code.hint(Lang::En)).ok();
    let hint = failure.hint.filter(|hint| Some(hint.as_str()) != common);
    Failure { hint, ..failure }
}

/// Asks the node that runs in `folder`; `request` is sent as JSON with POST, its absence is a GET.
pub async fn call(folder: &Path, verb: &str, request: Option<&Value>) -> Result<Value, Failure> {
    call_within(folder, verb, request, COMING).await
}

async fn call_within(
    folder: &Path,
    verb: &str,
    request: Option<&Value>,
    coming: Duration,
) -> Result<Value, Failure> {
    let (answer, _open) = send(folder, verb, request, None, coming).await?;
    serde_json::from_slice(&whole(answer.into_body()).await?).map_err(broken)
}

/// The same for a verb that reads: where no node runs, from its folder. Also says whether one runs.
pub async fn look(folder: &Path, verb: &str, request: Option<&Value>) -> Result<(Value, bool), Failure> {
    match call_within(folder, verb, request, Duration::ZERO).await {
        Err(failure) if failure.code == Code::NotRunning.as_str() => {
            let none = AtRest::open(&Folder::new(folder)).await?.ok_or(failure)?;
            let seen = none.look(verb, request).await?;
            Ok((seen.ok_or_else(|| not_running(folder))?, false))
        }
        answer => Ok((answer?, true)),
    }
}

/// The events of the running node, from now on or behind the event with the id `last`.
pub async fn events(folder: &Path, last: Option<&str>) -> Result<EventStream, Failure> {
    let (answer, open) = send(folder, "events", None, last, COMING).await?;
    Ok(EventStream { body: answer.into_body(), held: Vec::new(), _open: open })
}

/// Events as they come.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    held: Vec<u8>,
    _open: Sender,
}

impl EventStream {
    /// The next event with its id; none after the last.
    pub async fn next(&mut self) -> Result<Option<(Option<String>, Value)>, Failure> {
        loop {
            while let Some(end) = self.held.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.held.drain(..end + 2).collect();
                if let Some(event) = parse_event(&String::from_utf8_lossy(&block)) {
                    return event.map(Some);
                }
            }
            match self.body.frame().await {
                Some(frame) => self.held.extend(frame.map_err(broken)?.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
            if self.held.len() > ANSWER {
                return Err(broken("an event does not end"));
            }
        }
    }
}

/// Reads the lines of one event; none for a comment.
fn parse_event(block: &str) -> Option<Result<(Option<String>, Value), Failure>> {
    let field = |name: &str| {
        let mut values = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        values.next().map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
    };
    let data = field("data")?;
    Some(serde_json::from_str(&data).map(|event| (field("id"), event)).map_err(broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_comments_passed_over() {
        let event = parse_event("event: gap\ndata: {\"event\":\"gap\"}\nid: a-1\n\n").unwrap().unwrap();
        assert_eq!(event, (Some("a-1".to_owned()), serde_json::json!({"event": "gap"})));
        assert!(parse_event(": still here\n\n").is_none());
        assert!(parse_event("data: {\n\n").unwrap().is_err());
    }

    #[test]
    fn a_hint_that_every_reader_finds_by_the_code_is_left_to_the_reader() {
        let common = Failure::new(Code::NotFound, "x").hint(Code::NotFound.hint(Lang::En));
        assert!(without_common_hint(common).hint.is_none());
        let own = Failure::new(Code::NotFound, "x").hint("do this");
        assert_eq!(without_common_hint(own).hint.as_deref(), Some("do this"));
    }
}
