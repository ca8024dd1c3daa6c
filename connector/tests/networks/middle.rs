//! What stands between two firms: an HTTP proxy that logs what it is asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// What one `CONNECT` asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) authority: String,
    pub(crate) authorization: Option<String>,
}

/// A proxy that knows one name.
pub(crate) struct HttpProxy {
    pub(crate) at: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl HttpProxy {
    /// `name` leads to `to`; addresses lead to themselves, everything else nowhere. With `credentials`, as they stand in the
    /// header, whoever shows others gets 407.
    pub(crate) async fn start(name: &str, to: SocketAddr, credentials: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, name, credentials) = (asked.clone(), name.to_owned(), credentials.map(str::to_owned));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, name, credentials) = (log.clone(), name.clone(), credentials.clone());
                tokio::spawn(async move { serve(socket, &log, &name, to, credentials).await });
            }
        });
        Self { at, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(crate) fn authorities(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.authority.clone()).collect()
    }
}

async fn serve(
    mut socket: TcpStream,
    log: &Mutex<Vec<Asked>>,
    name: &str,
    to: SocketAddr,
    credentials: Option<String>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let authority = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    let field = |line: &str| line.to_lowercase().strip_prefix("proxy-authorization: ").map(str::len);
    let line = head.lines().find(|line| field(line).is_some());
    let authorization = line.map(|line| line.split_once(": ").unwrap().1.to_owned());
    log.lock().unwrap().push(Asked { authority: authority.clone(), authorization: authorization.clone() });
    if credentials.is_some() && credentials != authorization {
        let _ = socket.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        return;
    }
    let target = if authority == name { Some(to) } else { authority.parse().ok() };
    let Some(mut onward) = (match target {
        Some(target) => TcpStream::connect(target).await.ok(),
        None => None,
    }) else {
        let _ = socket.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    if socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut socket, &mut onward).await;
    }
}
