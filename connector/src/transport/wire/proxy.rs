//! The HTTP proxy that a firm makes its machines go through: `CONNECT` (RFC 9110, section 9.3.6; spec chapter 10, NET-10.4 and
//! NET-10.5).
//!
//! The proxy learns a host name and a port, and sees ciphertext. Basic credentials alone; a proxy is spoken to in the clear, as
//! such proxies are. Credentials show in no log, no error and no `Debug`.

use std::fmt;
use std::io;

use axum::body::Body;
use base64ct::{Base64, Encoding as _};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::super::limits::OUTER_HEAD;
use super::Pipe;

/// How each error of a proxy begins: the layers above carry errors without their type.
pub(in super::super) const SAYS: &str = "the proxy ";

/// Which proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxy {
    /// Reads `http://host:port`; `credentials` are `user:password`.
    ///
    /// # Errors
    /// What does not fit, in words that hold nothing of either text.
    pub fn new(url: &str, credentials: Option<&str>) -> Result<Self, &'static str> {
        let rest = url.strip_prefix("http://").ok_or("begins with http://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("holds no user and no password: they have a file or a variable of their own");
        }
        let (host, port) = rest.rsplit_once(':').ok_or("ends with a port, such as http://proxy:3128")?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let letters = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if bare.is_empty() || !bare.chars().all(letters) || (bare.contains(':') && bare == host) {
            return Err("is http://host:port with a name or an address");
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or("ends with a port from 1 to 65535")?;
        let authorization = credentials.map(basic).transpose()?;
        Ok(Self { host: bare.to_owned(), port, authorization })
    }

    fn failed(&self, said: &(impl fmt::Display + ?Sized)) -> io::Error {
        io::Error::other(format!("{SAYS}{self} {said}"))
    }

    /// What the proxy answers to `CONNECT authority`, and that only: whatever it opens is closed again.
    ///
    /// # Errors
    /// It cannot be reached, or does not speak HTTP.
    pub async fn answer(&self, authority: &str) -> io::Result<u16> {
        let broken = |error: hyper::Error| self.failed(&format!("broke off: {error}"));
        let request = self.request(authority)?;
        let (mut sender, connection) = self.opened().await?;
        let asked = async move { Ok(sender.send_request(request).await.map_err(broken)?.status().as_u16()) };
        futures::join!(asked, connection.with_upgrades()).0
    }

    /// A byte stream to `authority`, `host:port`, through the proxy.
    pub(in super::super) async fn connect(&self, authority: &str) -> io::Result<Pipe> {
        let broken = |error: hyper::Error| self.failed(&format!("broke off: {error}"));
        let request = self.request(authority)?;
        let (mut sender, connection) = self.opened().await?;
        let asked = async move {
            let answer = sender.send_request(request).await.map_err(broken)?;
            match answer.status() {
                status if status.is_success() => hyper::upgrade::on(answer).await.map_err(broken),
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(self.failed("wants other credentials (407)"))
                }
                status => Err(self.failed(&format!("does not connect to {authority} ({status})"))),
            }
        };
        // The connection is at its end when what it turned into is there; its own error is that of the request.
        let (upgraded, _) = futures::join!(asked, connection.with_upgrades());
        Ok(Pipe::of(TokioIo::new(upgraded?).compat()))
    }

    fn request(&self, authority: &str) -> io::Result<Request<Body>> {
        let mut request = Request::builder().method(Method::CONNECT).uri(authority).header(HOST, authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        request.body(Body::empty()).map_err(io::Error::other)
    }

    async fn opened(&self) -> io::Result<(SendRequest<Body>, Connection<TokioIo<TcpStream>, Body>)> {
        let reached = TcpStream::connect((self.host.as_str(), self.port)).await;
        let socket = reached.map_err(|error| self.failed(&format!("cannot be reached: {error}")))?;
        socket.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.max_buf_size(OUTER_HEAD);
        let broken = |error: hyper::Error| self.failed(&format!("broke off: {error}"));
        builder.handshake(TokioIo::new(socket)).await.map_err(broken)
    }
}

fn basic(credentials: &str) -> Result<HeaderValue, &'static str> {
    if !credentials.contains(':') || credentials.chars().any(char::is_control) {
        return Err("needs credentials of the form user:password, on one line");
    }
    let text = format!("Basic {}", Base64::encode_string(credentials.as_bytes()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| "needs shorter credentials")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        // NET-10.4
        for (url, shown) in [
            ("http://proxy.example:3128", "proxy.example:3128"),
            ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
            ("http://[2001:db8::1]:3128", "2001:db8::1:3128"),
        ] {
            assert_eq!(Proxy::new(url, None).unwrap().to_string(), shown);
        }
        for wrong in [
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://proxy",
            "http://proxy:0",
            "http://:3128",
            "http://2001:db8::1:3128",
            "http://proxy:3128/path",
            "http://pro xy:3128",
        ] {
            assert!(Proxy::new(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn credentials_show_nowhere() {
        // NET-10.5
        let said = Proxy::new("http://user:geheim@proxy:3128", None).unwrap_err();
        assert!(!said.contains("geheim"));
        let proxy = Proxy::new("http://proxy:3128", Some("user:geheim")).unwrap();
        let encoded = Base64::encode_string(b"user:geheim");
        assert!(proxy.authorization.as_ref().unwrap().to_str().unwrap().contains(&encoded));
        for shown in [format!("{proxy:?}"), format!("{proxy}"), format!("{:?}", proxy.authorization)] {
            assert!(!shown.contains("geheim") && !shown.contains(&encoded), "{shown}");
        }
        assert!(Proxy::new("http://proxy:3128", Some("geheim")).unwrap_err().find("geheim").is_none());
        assert!(Proxy::new("http://proxy:3128", Some("a:b\r\nX: y")).is_err());
    }
}
