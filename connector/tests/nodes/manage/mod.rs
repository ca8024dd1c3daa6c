//! The management API as programs on the machine use it: by hand over a socket, with tokens of every scope, while the node
//! runs and when it does not; and the page that describes it, whose examples are carried out.

mod door;
mod rest;
mod watch;

use std::{collections::BTreeMap, time::Duration};

use naru::{
    config::Folder,
    manage::{Scope, tokens},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch::Sender,
};

use crate::common::{Firm, now};

/// A firm whose management API is open.
pub(super) struct Office {
    pub(super) port: u16,
    pub(super) folder: Folder,
    pub(super) stop: Sender<bool>,
}

impl Office {
    pub(super) async fn of(firm: &Firm) -> Self {
        let folder = Folder::new(&firm.dir);
        let (stop, _) = tokio::sync::watch::channel(false);
        let port = naru::control::serve(firm.node().clone(), &folder, stop.clone()).await.unwrap();
        Self { port, folder, stop }
    }

    pub(super) fn token(&self, scope: Scope) -> String {
        tokens::issue(&self.folder, scope, None, None, now()).unwrap().0
    }

    /// The token of our own commands.
    pub(super) fn own(&self) -> String {
        let text = std::fs::read_to_string(self.folder.control()).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// Asks as a program does, and reads the whole answer.
    pub(super) async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let host = format!("127.0.0.1:{}", self.port);
        let token = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Host", host.as_str())];
        headers.extend(token.as_deref().map(|token| ("Authorization", token)));
        self.send(method, path, &headers, body).await
    }

    /// Asks with exactly these headers.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // A GET has no content.
        let body = if method == "POST" { body } else { "" };
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes()).await;
        Answer::read(stream).await
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Answer {
    /// Reads to the end, or of a stream of events what comes within a moment.
    async fn read(mut stream: TcpStream) -> Self {
        let (mut text, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        let mut pause = Duration::from_secs(60);
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(pause, stream.read(&mut piece)).await {
            text.extend_from_slice(&piece[..read]);
            if String::from_utf8_lossy(&text).contains("text/event-stream") {
                pause = Duration::from_millis(500);
            }
        }
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The code of a problem, once it has its whole shape.
    pub(super) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for name in ["type", "title", "detail", "code", "side", "message", "hint"] {
            assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {problem}");
        }
        assert!(problem["explained"].is_array());
        problem["code"].as_str().unwrap().to_owned()
    }
}
