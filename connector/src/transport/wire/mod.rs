//! Byte streams between two nodes, below security (spec chapter 10, `[NET-10.*]`): TCP, or WebSocket over TLS, either of them
//! through an HTTP proxy where one is set.
//!
//! | file | what |
//! |---|---|
//! | `mod` | one libp2p transport that listens and dials for all of them |
//! | `proxy` | which proxy, with what credentials; `CONNECT` |
//! | `outer` | the TLS around a WebSocket, which hides nothing from the proxy's owner and proves nobody |
//! | `websocket` | the upgrade from HTTP, both sides |
//! | `frames` | bytes in WebSocket frames |
//!
//! Whatever the way, the same security upgrade follows on top: who is at the other end is proved there alone.

mod frames;
mod outer;
mod proxy;
mod websocket;

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport, tcp};
use rustls::pki_types::ServerName;

pub(super) use self::outer::Outer;
pub use self::outer::OuterCertificate;
pub use self::proxy::Proxy;
pub(super) use self::proxy::SAYS;

/// A stream of bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Any of them.
pub(super) struct Pipe(Box<dyn Duplex>);

impl Pipe {
    pub(super) fn of(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Where a byte stream goes: `<host>/tcp/<port>`, then `/tls/ws` or `/wss` or neither.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    host: Host,
    port: u16,
    websocket: bool,
    /// The name that TLS says, where the host is an address that the name was resolved to.
    name: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Route {
    fn of(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).peekable();
        let first = parts.next()?;
        let host = if let Protocol::Ip4(ip) = first {
            Host::Ip(ip.into())
        } else if let Protocol::Ip6(ip) = first {
            Host::Ip(ip.into())
        } else if let Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) = first {
            Host::Name(name.into_owned())
        } else {
            return None;
        };
        let Protocol::Tcp(port) = parts.next()? else { return None };
        let (mut name, mut websocket) = (None, false);
        if let Some(Protocol::Wss(path)) = parts.peek() {
            websocket = path == "/";
            parts.next().filter(|_| websocket)?;
        } else if matches!(parts.peek(), Some(Protocol::Tls)) {
            parts.next();
            if let Some(Protocol::Sni(said)) = parts.peek() {
                name = Some(said.to_string());
                parts.next();
            }
            websocket = matches!(parts.next(), Some(Protocol::Ws(path)) if path == "/");
            if !websocket {
                return None;
            }
        }
        parts.next().is_none().then_some(Self { host, port, websocket, name })
    }

    /// Never sent to a proxy: an address of this machine means another one there.
    fn is_here(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost",
        }
    }

    /// The host as it stands in a URL.
    fn host(&self) -> String {
        match (&self.name, &self.host) {
            (Some(name), _) | (None, Host::Name(name)) => name.clone(),
            (None, Host::Ip(IpAddr::V6(ip))) => format!("[{ip}]"),
            (None, Host::Ip(ip)) => ip.to_string(),
        }
    }

    /// What a proxy is asked to connect to.
    fn authority(&self) -> String {
        format!("{}:{}", self.host(), self.port)
    }

    fn server_name(&self) -> io::Result<ServerName<'static>> {
        match (&self.name, &self.host) {
            (Some(name), _) | (None, Host::Name(name)) => {
                ServerName::try_from(name.clone()).map_err(io::Error::other)
            }
            (None, Host::Ip(ip)) => Ok(ServerName::IpAddress((*ip).into())),
        }
    }

    fn tcp(&self) -> Option<Multiaddr> {
        match self.host {
            Host::Ip(ip) => Some(Multiaddr::from(ip).with(Protocol::Tcp(self.port))),
            Host::Name(_) => None,
        }
    }
}

/// The address of a WebSocket listener at a TCP address.
pub(super) fn websocket_address(tcp: Multiaddr) -> Multiaddr {
    tcp.with(Protocol::Tls).with(Protocol::Ws("/".into()))
}

/// Dials and listens.
pub(super) struct Wire {
    tcp: tcp::tokio::Transport,
    outer: Outer,
    proxy: Option<Arc<Proxy>>,
    /// Those of our listeners that speak WebSocket.
    websockets: Vec<ListenerId>,
}

impl Wire {
    pub(super) fn new(outer: Outer, proxy: Option<Arc<Proxy>>) -> Self {
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        Self { tcp, outer, proxy, websockets: Vec::new() }
    }

    fn event(
        &self,
        event: TransportEvent<<tcp::tokio::Transport as Transport>::ListenerUpgrade, io::Error>,
    ) -> TransportEvent<BoxFuture<'static, io::Result<Pipe>>, io::Error> {
        let of = |id: &ListenerId| self.websockets.contains(id);
        let as_of = |id: ListenerId, address| if of(&id) { websocket_address(address) } else { address };
        match event {
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                let outer = of(&listener_id).then(|| self.outer.clone());
                let upgrade = async move {
                    let socket = Pipe::of(upgrade.await?);
                    match outer {
                        Some(outer) => websocket::accept(outer.accept(socket).await?).await,
                        None => Ok(socket),
                    }
                };
                TransportEvent::Incoming {
                    listener_id,
                    upgrade: upgrade.boxed(),
                    local_addr: as_of(listener_id, local_addr),
                    send_back_addr: as_of(listener_id, send_back_addr),
                }
            }
            TransportEvent::NewAddress { listener_id, listen_addr } => {
                let listen_addr = as_of(listener_id, listen_addr);
                TransportEvent::NewAddress { listener_id, listen_addr }
            }
            TransportEvent::AddressExpired { listener_id, listen_addr } => {
                let listen_addr = as_of(listener_id, listen_addr);
                TransportEvent::AddressExpired { listener_id, listen_addr }
            }
            TransportEvent::ListenerClosed { listener_id, reason } => {
                TransportEvent::ListenerClosed { listener_id, reason }
            }
            TransportEvent::ListenerError { listener_id, error } => {
                TransportEvent::ListenerError { listener_id, error }
            }
        }
    }
}

impl Transport for Wire {
    type Output = Pipe;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Pipe>>;
    type Dial = BoxFuture<'static, io::Result<Pipe>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let route = Route::of(&address);
        let Some((route, tcp)) = route.and_then(|route| route.tcp().map(|tcp| (route, tcp))) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        self.tcp.listen_on(id, tcp)?;
        if route.websocket {
            self.websockets.push(id);
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        mut options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(route) = Route::of(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        // A relay behaviour dials as it likes; the port listened on is for others to come to.
        options.port_use = PortUse::New;
        let reached: BoxFuture<'static, io::Result<Pipe>> =
            match self.proxy.clone().filter(|_| !route.is_here()) {
                Some(proxy) => {
                    let authority = route.authority();
                    async move { proxy.connect(&authority).await }.boxed()
                }
                None => {
                    let Some(tcp) = route.tcp() else {
                        return Err(TransportError::MultiaddrNotSupported(address));
                    };
                    let dialled = self.tcp.dial(tcp, options)?;
                    async move { dialled.await.map(Pipe::of) }.boxed()
                }
            };
        if !route.websocket {
            return Ok(reached);
        }
        let (outer, authority) = (self.outer.clone(), route.authority());
        let secured = async move { outer.connect(route.server_name()?, reached.await?).await };
        Ok(async move { websocket::open(secured.await?, authority).await }.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let polled = Pin::new(&mut self.tcp).poll(cx);
        polled.map(|event| {
            let event_of = self.event(event);
            if let TransportEvent::ListenerClosed { listener_id, .. } = &event_of {
                self.websockets.retain(|id| id != listener_id);
            }
            event_of
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Option<Route> {
        Route::of(&text.parse().unwrap())
    }

    #[test]
    fn an_address_says_the_way() {
        // NET-10.1
        let tcp = route("/ip4/192.0.2.1/tcp/4801").unwrap();
        assert_eq!((tcp.websocket, tcp.authority().as_str()), (false, "192.0.2.1:4801"));
        for text in ["/dns4/a.example/tcp/443/tls/ws", "/dns/a.example/tcp/443/wss"] {
            let found = route(text).unwrap();
            assert_eq!((found.websocket, found.authority().as_str()), (true, "a.example:443"), "{text}");
            assert_eq!(found.tcp(), None);
        }
        let resolved = route("/ip6/2001:db8::1/tcp/443/tls/sni/a.example/ws").unwrap();
        assert_eq!(resolved.authority(), "a.example:443");
        assert_eq!(resolved.tcp(), Some("/ip6/2001:db8::1/tcp/443".parse().unwrap()));
        assert_eq!(route("/ip6/2001:db8::1/tcp/443").unwrap().authority(), "[2001:db8::1]:443");
        for wrong in [
            "/ip4/192.0.2.1/tcp/1/ws",
            "/ip4/192.0.2.1/tcp/1/tls",
            "/ip4/192.0.2.1/udp/1/quic-v1",
            "/ip4/192.0.2.1/tcp/1/tls/ws/ws",
            "/unix/a",
        ] {
            assert_eq!(route(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_on_this_machine_is_not_asked_of_a_proxy() {
        // NET-10.4
        for (text, here) in [
            ("/ip4/127.0.0.1/tcp/1", true),
            ("/ip6/::1/tcp/1/tls/ws", true),
            ("/dns4/localhost/tcp/1", true),
            ("/ip4/10.0.0.1/tcp/1", false),
            ("/dns4/localhost.example/tcp/1", false),
        ] {
            assert_eq!(route(text).unwrap().is_here(), here, "{text}");
        }
    }
}
