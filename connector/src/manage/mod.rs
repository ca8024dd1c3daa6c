//! The management API: how programs on this machine ask the running node, the commands of `naru` first among them.
//!
//! HTTP/1.1 on 127.0.0.1, at the port of `[management]` in `naru.toml` or one that the system chose. `docs/management.md`
//! describes it, `spec/schemas/management-openapi.json` is generated from the table in `routes`.
//!
//! | file | what |
//! |---|---|
//! | `routes` | the table: path, scope, types, what is called |
//! | `guard` | where a request comes from, its token, its size |
//! | `tokens` | scopes; tokens of which only the digest is kept |
//! | `problem` | failures as answers |
//! | `follow`, `metrics` | events, metrics |
//! | `openapi` | the document |
//! | `server` | connections |
//!
//! Decides nothing: what a verb does is the node's. Nothing here is reachable from another machine.

mod follow;
mod guard;
pub mod metrics;
mod openapi;
mod problem;
mod routes;
mod server;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use naru_protocol::error::Code;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use self::routes::{Ready, Stopping, json, table};
pub use self::{openapi::document, tokens::Scope};
use crate::{
    config::{self, Folder},
    control::{Address, Failure},
    node::{Latches, Node},
};

/// What handlers share.
#[derive(Clone)]
struct Desk(Arc<Shared>);

struct Shared {
    node: OnceLock<Node>,
    latches: Arc<Latches>,
    tokens: tokens::Tokens,
    port: u16,
    readers: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Desk {
    /// The node, once it is open.
    fn node(&self) -> Result<&Node, Failure> {
        let starting = || Failure::new(Code::NotReady, "the node is starting");
        if *self.0.stop.borrow() {
            return Err(Failure::new(Code::NotReady, "the node is stopping"));
        }
        self.0.node.get().ok_or_else(starting)
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    fn allow(&self, token: Option<&str>, needs: Scope) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        self.0.tokens.allow(token, needs, now)
    }

    /// A place for one more reader of events.
    fn reader(&self) -> Option<OwnedSemaphorePermit> {
        self.0.readers.clone().try_acquire_owned().ok()
    }

    fn stop(&self) -> Result<Response, Failure> {
        let _ = self.0.stop.send(true);
        json(&Stopping { stopping: true })
    }

    fn ready(&self) -> Result<Response, Failure> {
        let mut waits: Vec<String> = self.0.latches.open().into_iter().map(str::to_owned).collect();
        if *self.0.stop.borrow() {
            waits.push("stopping".to_owned());
        }
        let ready = waits.is_empty() && self.0.node.get().is_some();
        let answer = json(&Ready { ready, waits })?;
        Ok(if ready { answer } else { (StatusCode::SERVICE_UNAVAILABLE, answer).into_response() })
    }

    fn router(&self, open_metrics: bool) -> Router {
        let mut router = Router::new();
        for route in table() {
            let needs = route.scope.filter(|_| !(open_metrics && route.path == "/metrics"));
            let guarded = (route.handler)().layer(from_fn_with_state((self.clone(), needs), guard::scope));
            router = router.route(route.path, guarded);
        }
        let none = || async {
            Failure::new(Code::NotFound, "there is no such path; /v1/openapi.json has them all").own()
        };
        let other =
            || async { Failure::new(Code::MethodRefused, "/v1/openapi.json says which method").own() };
        router
            .fallback(none)
            .method_not_allowed_fallback(other)
            .layer(from_fn_with_state(self.clone(), guard::origin))
            .layer(from_fn(unstored))
            .with_state(self.clone())
    }
}

/// Nothing of this is kept by anybody in between.
async fn unstored(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut answer = next.run(request).await;
    let no_store = axum::http::HeaderValue::from_static("no-store");
    answer.headers_mut().insert(axum::http::header::CACHE_CONTROL, no_store);
    answer
}

/// The door, open: it answers `/live` and `/ready` at once, and everything else once a node is handed over.
#[derive(Debug)]
pub struct Door {
    desk: DeskHandle,
    token: String,
    control: PathBuf,
    running: JoinHandle<()>,
}

/// A desk that prints as its port.
struct DeskHandle(Desk);

impl std::fmt::Debug for DeskHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("port", &self.0.port()).finish_non_exhaustive()
    }
}

impl Door {
    /// Opens the door of a folder and serves it until `stop` turns true.
    pub async fn open(
        folder: &Folder,
        latches: Arc<Latches>,
        stop: watch::Sender<bool>,
    ) -> Result<Self, Failure> {
        let config = folder.config().map_err(|e| Failure::new(e.code(), e.to_string()))?;
        let config = config.management.unwrap_or_default();
        let wanted = config.port.unwrap_or(0);
        let listener = TcpListener::bind(("127.0.0.1", wanted)).await.map_err(|e| unbound(wanted, &e))?;
        let port = listener.local_addr().map_err(|e| unbound(wanted, &e))?.port();
        let token = tokens::fresh("own")?;
        let desk = Desk(Arc::new(Shared {
            node: OnceLock::new(),
            latches,
            tokens: tokens::Tokens::new(folder, &token),
            port,
            readers: Arc::new(Semaphore::new(follow::READERS)),
            stop: stop.clone(),
        }));
        let router = desk.router(config.open_metrics);
        let running =
            tokio::spawn(server::serve(listener, router, server::Limits::default(), stop.subscribe()));
        Ok(Self { desk: DeskHandle(desk), token, control: folder.control(), running })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.desk.0.port()
    }

    /// Has the verbs answered by this node, and tells the commands of this machine where.
    pub fn hand_over(&self, node: Node) -> Result<(), Failure> {
        let _ = self.desk.0.0.node.set(node);
        // Written only when the port answers: a command that finds the file finds the node.
        let address = Address { port: self.port(), token: self.token.clone() };
        let text = serde_json::to_string(&address).unwrap_or_default();
        config::write_secret(&self.control, &text).map_err(|e| Failure::new(e.code(), e.to_string()))
    }

    /// Waits until the last answer is written, after `stop` turned true; then no command finds the node any more.
    pub async fn closed(self) {
        let _ = self.running.await;
        let _ = std::fs::remove_file(&self.control);
    }
}

fn unbound(port: u16, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        let why = format!("management port {port}: another program listens there, perhaps this node already");
        return Failure::new(Code::PortInUse, why);
    }
    Failure::new(Code::FileUnusable, format!("management port {port}: {error}"))
}
