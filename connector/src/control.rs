//! The local door: how commands on this machine talk to the running node.
//!
//! HTTP on a loopback port that the system chose, under a random bearer token; both stand in `control.json`, readable
//! by the owner only and removed at a clean stop. Nothing here is reachable from another machine.

use std::{net::SocketAddr, path::Path};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use naru_protocol::error::{Code, Side};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    config::{self, Folder},
    node::{Node, NodeError, verbs},
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

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::UNPROCESSABLE_ENTITY, serde_json::to_string(&self).unwrap_or_default()).into_response()
    }
}

#[derive(Serialize, Deserialize)]
struct Door {
    port: u16,
    token: String,
}

/// Opens the local door and serves it until `stop` turns true.
pub async fn serve(node: Node, folder: &Folder, stop: watch::Sender<bool>) -> Result<(), Failure> {
    let io = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("local door: {e}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
    let port = listener.local_addr().map_err(io)?.port();
    let token = naru_protocol::encoding::to_base64url(&config::random::<32>().map_err(io)?);
    let door = serde_json::to_string(&Door { port, token: token.clone() }).unwrap_or_default();
    let mut stopped = stop.subscribe();
    let app = routes(node, stop).layer(middleware::from_fn(move |request: Request, next: Next| {
        let expected = format!("Bearer {token}");
        async move {
            let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
            if given == Some(expected.as_str()) {
                next.run(request).await
            } else {
                StatusCode::UNAUTHORIZED.into_response()
            }
        }
    }));
    // Written only when the port answers: a command that finds the file finds the node.
    config::write_secret(&folder.control(), &door).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let path = folder.control();
    tokio::spawn(async move {
        let done = async move {
            let _ = stopped.wait_for(|s| *s).await;
        };
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(done).await {
            tracing::error!(%error, "local door closed");
        }
        let _ = std::fs::remove_file(path);
    });
    Ok(())
}

type Answer = Result<String, Failure>;

fn answer<T: Serialize>(result: Result<T, NodeError>) -> Answer {
    serde_json::to_string(&result?).map_err(|e| Failure::new(Code::Internal, e.to_string()))
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::new(Code::ArgumentInvalid, e.to_string()))
}

fn routes(node: Node, stop: watch::Sender<bool>) -> Router {
    macro_rules! verb {
        ($method:ident, $request:ty) => {
            post(|State(node): State<Node>, bytes: Bytes| async move {
                let request: $request = body(&bytes)?;
                answer(node.$method(request).await)
            })
        };
    }
    // Nothing of these is an answer of a peer.
    macro_rules! own {
        ($method:ident, $request:ty) => {
            post(|State(node): State<Node>, bytes: Bytes| async move {
                let request: $request = body(&bytes)?;
                answer(node.$method(request).await).map_err(Failure::own)
            })
        };
    }
    Router::new()
        .route("/status", get(|State(node): State<Node>| async move { answer(node.status().await) }))
        .route("/publish", own!(publish, verbs::Publish))
        .route("/ticket", own!(issue_ticket, verbs::IssueTicket))
        .route("/trust", verb!(trust, verbs::Trust))
        .route("/accept", own!(accept_peer, verbs::Accept))
        .route("/peers", get(|State(node): State<Node>| async move { answer(node.peers().await) }))
        .route("/plain", own!(add_plain, verbs::AddPlain))
        .route("/block", own!(block_plain, verbs::PeerName))
        .route("/dial", own!(dial, verbs::PeerName))
        .route("/disconnect", own!(disconnect, verbs::PeerName))
        .route("/catalog", verb!(fetch_catalog, verbs::PeerName))
        .route("/request", verb!(request, verbs::Propose))
        .route("/offer", own!(offer, verbs::Propose))
        .route("/expect", own!(expect, verbs::Expect))
        .route("/revoke", own!(revoke, verbs::PeerName))
        .route("/end", own!(end, verbs::End))
        .route("/cancel", own!(cancel, verbs::Cancel))
        .route("/retry", own!(retry, verbs::Retry))
        .route("/withdraw", own!(withdraw, verbs::DatasetName))
        .route("/datasets", get(|State(node): State<Node>| async move { answer(node.datasets().await) }))
        .route("/exchange", own!(exchange, verbs::ExchangeName))
        .route("/exchanges", get(|State(node): State<Node>| async move { answer(node.exchanges().await) }))
        .route("/export", own!(export, verbs::Export))
        .route("/bundle", own!(bundle, verbs::Bundle))
        .route("/preview", verb!(preview, verbs::Propose))
        .route("/advice", own!(advise, verbs::DatasetName))
        .route("/agreements", get(|State(node): State<Node>| async move { answer(node.agreements().await) }))
        .route("/log", own!(log, verbs::LogPage))
        .route(
            "/stop",
            post(move || async move {
                let _ = stop.send(true);
                json!({"stopping": true}).to_string()
            }),
        )
        .with_state(node)
}

/// Asks the node that runs in `folder`; `request` is sent as JSON with POST, its absence is a GET.
pub async fn call(folder: &Path, verb: &str, request: Option<&Value>) -> Result<Value, Failure> {
    let not_running = || {
        Failure::new(
            Code::NotRunning,
            format!("no node runs in {0}; start it with `naru run --dir {0}`", folder.display()),
        )
    };
    let text = std::fs::read_to_string(Folder::new(folder).control()).map_err(|_| not_running())?;
    let door: Door = serde_json::from_str(&text).map_err(|_| not_running())?;
    let stream = tokio::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], door.port)));
    let stream = stream.await.map_err(|_| not_running())?;
    let broken = |e: String| Failure::new(Code::NotRunning, format!("the node stopped answering: {e}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broken(e.to_string()))?;
    tokio::spawn(connection);
    let content = request.map(Value::to_string).unwrap_or_default();
    let request = hyper::Request::builder()
        .method(if request.is_some() { "POST" } else { "GET" })
        .uri(format!("/{verb}"))
        .header(header::HOST, "naru")
        .header(header::AUTHORIZATION, format!("Bearer {}", door.token))
        .body(Full::new(Bytes::from(content)))
        .map_err(|e| broken(e.to_string()))?;
    let response = sender.send_request(request).await.map_err(|e| broken(e.to_string()))?;
    let ok = response.status().is_success();
    let bytes = Limited::new(response.into_body(), ANSWER)
        .collect()
        .await
        .map_err(|e| broken(e.to_string()))?
        .to_bytes();
    if ok {
        serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))
    } else {
        Err(serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| broken(String::from_utf8_lossy(&bytes).into_owned())))
    }
}
