//! Addresses: which multiaddrs are used, names resolved by the operating system, ports picked and checked.
//!
//! TCP over IP, with names, WebSocket over TLS on it, and QUIC (`[NET-2.1]`). A name is resolved once for each dial and the addresses
//! found are the only ones dialled; where a proxy dials, it is the one that resolves (`[NET-2.2]`). No DNS library, no
//! `/dnsaddr`.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::error::{TransportError, Waiting, cut};
use super::wire::websocket_address;

/// Longest address text looked at.
const ADDRESS_CHARS: usize = 512;
/// Addresses of one name that are tried.
const ADDRESSES_PER_NAME: usize = 8;
/// Time for one name.
const RESOLVE: Duration = Duration::from_secs(10);

/// Where to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    host: Host,
    port: u16,
    kind: Kind,
    /// The relay that the address leads to, where it goes on through one.
    pub(super) relay: Option<PeerId>,
    /// The peer id at the end of the address, where there is one.
    pub(super) peer: Option<PeerId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name { name: String, v4: bool, v6: bool },
}

/// What is spoken at the port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    /// WebSocket over TLS, with the name that TLS says where the address has one.
    WebSocket(Option<String>),
    Quic,
}

fn bad(address: &str, reason: &str) -> TransportError {
    TransportError::BadAddress { address: cut(address), reason: reason.to_owned() }
}

/// The peer id of a text.
pub(super) fn peer_id(text: &str) -> Result<PeerId, TransportError> {
    let wrong = || TransportError::BadPeerId { text: cut(text) };
    if text.len() > 128 {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

impl Target {
    /// Reads `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>[/tls/ws][/p2p/<relay>/p2p-circuit][/p2p/<peer>]`. // NET-2.1
    pub(super) fn parse(text: &str) -> Result<Self, TransportError> {
        if text.len() > ADDRESS_CHARS {
            return Err(bad(text, "longer than 512 characters"));
        }
        let address: Multiaddr = text.parse().map_err(|_| bad(text, "not a multiaddr"))?;
        let mut parts = address.iter().peekable();
        let host = parts
            .next()
            .and_then(host)
            .ok_or_else(|| bad(text, "does not begin with an IP address or a name"))?;
        let (port, kind) = spoken(&mut parts).map_err(|reason| bad(text, reason))?;
        let (relay, peer) = ends(&mut parts).map_err(|reason| bad(text, reason))?;
        Ok(Self { host, port, kind, relay, peer })
    }

    /// Whether this is one of QUIC.
    pub(super) fn is_quic(&self) -> bool {
        self.kind == Kind::Quic
    }

    /// The way to the relay, where this leads through one.
    pub(super) fn to_relay(&self) -> Option<(PeerId, Self)> {
        let relay = self.relay?;
        Some((relay, Self { relay: None, peer: Some(relay), ..self.clone() }))
    }

    /// What to dial: the addresses that a name has now, or the name itself where a proxy finds it. // NET-2.2
    pub(super) async fn resolve(&self, proxied: bool) -> Result<Vec<Multiaddr>, TransportError> {
        let (name, v4, v6) = match &self.host {
            Host::Ip(ip) => return Ok(vec![self.at(&Protocol::from(*ip), None)]),
            Host::Name { name, .. } if proxied && name != "localhost" => {
                return Ok(vec![self.at(&Protocol::Dns(name.into()), None)]);
            }
            Host::Name { name, v4, v6 } => (name, *v4, *v6),
        };
        let failed = |reason: &str| TransportError::Resolve { host: cut(name), reason: cut(reason) };
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name.as_str(), self.port)))
            .await
            .map_err(|_| TransportError::timeout(name.clone(), Waiting::Name, RESOLVE))?
            .map_err(|error| failed(&error.to_string()))?;
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in found {
            let wanted = if address.is_ipv4() { v4 } else { v6 };
            let address = self.at(&Protocol::from(address.ip()), Some(name));
            if wanted && !addresses.contains(&address) && addresses.len() < ADDRESSES_PER_NAME {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err(failed("it has none of the wanted kind")) } else { Ok(addresses) }
    }

    /// The address of this target with its host given; `name` is what the host was resolved from.
    fn at(&self, host: &Protocol<'_>, name: Option<&str>) -> Multiaddr {
        let tcp = Multiaddr::empty().with(host.clone()).with(Protocol::Tcp(self.port));
        let first = match &self.kind {
            Kind::Tcp => tcp,
            Kind::Quic => {
                let udp = Multiaddr::empty().with(host.clone()).with(Protocol::Udp(self.port));
                udp.with(Protocol::QuicV1)
            }
            Kind::WebSocket(said) => match said.as_deref().or(name) {
                Some(name) => tcp
                    .with(Protocol::Tls)
                    .with(Protocol::Sni(name.to_owned().into()))
                    .with(Protocol::Ws("/".into())),
                None => websocket_address(tcp),
            },
        };
        match self.relay {
            None => first,
            Some(relay) => first.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit),
        }
    }
}

/// What follows the host: a port and what is spoken there.
fn spoken<'a>(parts: &mut Peekable<impl Iterator<Item = Protocol<'a>>>) -> Result<(u16, Kind), &'static str> {
    let port = match parts.next() {
        Some(Protocol::Tcp(port)) => port,
        Some(Protocol::Udp(port)) if matches!(parts.next(), Some(Protocol::QuicV1)) => {
            return Ok((port, Kind::Quic));
        }
        Some(_) | None => return Err("/tcp/<port> or /udp/<port>/quic-v1 must follow the host"),
    };
    let secure = match parts.peek() {
        Some(Protocol::Tls | Protocol::Wss(_)) => parts.next(),
        Some(_) | None => return Ok((port, Kind::Tcp)),
    };
    if matches!(&secure, Some(Protocol::Wss(path)) if path == "/") {
        return Ok((port, Kind::WebSocket(None)));
    }
    let mut said = None;
    if let Some(Protocol::Sni(name)) = parts.peek() {
        said = Some(name.to_string());
        parts.next();
    }
    match parts.next() {
        Some(Protocol::Ws(path)) if path == "/" && matches!(secure, Some(Protocol::Tls)) => {
            Ok((port, Kind::WebSocket(said)))
        }
        Some(_) | None => Err("after the port only /tls/ws is used, without a path"),
    }
}

/// What follows that: the relay and the peer, where the address names them.
fn ends<'a>(
    parts: &mut impl Iterator<Item = Protocol<'a>>,
) -> Result<(Option<PeerId>, Option<PeerId>), &'static str> {
    let first = match parts.next() {
        None => return Ok((None, None)),
        Some(Protocol::P2p(peer)) => peer,
        Some(_) => return Err("nothing but /tls/ws and /p2p/<peer id> may follow the port"),
    };
    match (parts.next(), parts.next(), parts.next()) {
        (None, _, _) => Ok((None, Some(first))),
        (Some(Protocol::P2pCircuit), None, _) => Ok((Some(first), None)),
        (Some(Protocol::P2pCircuit), Some(Protocol::P2p(peer)), None) => Ok((Some(first), Some(peer))),
        (Some(_), _, _) => {
            Err("nothing but /p2p-circuit[/p2p/<peer id>] may follow a peer id, and only once")
        }
    }
}

fn host(part: Protocol<'_>) -> Option<Host> {
    let named = |name: &str, v4, v6| (!name.is_empty()).then(|| Host::Name { name: name.to_owned(), v4, v6 });
    if let Protocol::Ip4(ip) = part {
        Some(Host::Ip(ip.into()))
    } else if let Protocol::Ip6(ip) = part {
        Some(Host::Ip(ip.into()))
    } else if let Protocol::Dns(name) = &part {
        named(name, true, true)
    } else if let Protocol::Dns4(name) = &part {
        named(name, true, false)
    } else if let Protocol::Dns6(name) = &part {
        named(name, false, true)
    } else {
        None
    }
}

/// An address as shown to people: without the peer id at its end.
pub(super) fn shown(address: &Multiaddr) -> String {
    let shown: Multiaddr = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    // Of who comes through a relay, the relay alone has an address.
    if shown.is_empty() { "/p2p-circuit".to_owned() } else { shown.to_string() }
}

/// True for the address of a peer behind a relay, as dialled and as seen when it comes.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    let first = address.iter().next();
    matches!(first, None | Some(Protocol::P2p(_)))
        || address.iter().any(|part| matches!(part, Protocol::P2pCircuit))
}

/// Reads a listen address, `/ip4|ip6/<ip>/tcp/<port>[/tls/ws]` or `/ip4|ip6/<ip>/udp/<port>/quic-v1`, and checks that nobody holds the port. // NET-2.3
///
/// The TCP listener below shares its port with any other that allows it, so that two nodes of one user would share
/// one port unnoticed; a plain bind before it finds the other one.
pub(super) fn listen_address(text: &str) -> Result<Multiaddr, TransportError> {
    let target = Target::parse(text)?;
    let Host::Ip(ip) = target.host else {
        return Err(bad(text, "a listen address needs an IP address, not a name"));
    };
    if target.peer.is_some() || target.relay.is_some() {
        return Err(bad(text, "a listen address has no peer id"));
    }
    let at = SocketAddr::new(ip, target.port);
    let probed =
        if target.is_quic() { UdpSocket::bind(at).map(drop) } else { TcpListener::bind(at).map(drop) };
    probed.map_err(|error| listen_failed(text, &error))?;
    Ok(target.at(&Protocol::from(ip), None))
}

/// True for the address of a WebSocket listener.
pub(super) fn is_websocket(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Ws(_) | Protocol::Wss(_)))
}

/// An address that this node is told to name, `/ip4|ip6|dns…/<host>/tcp/<port>[/tls/ws]`.
///
/// # Errors
/// [`TransportError::BadAddress`].
pub fn advertised(text: &str) -> Result<String, TransportError> {
    let target = Target::parse(text)?;
    if target.peer.is_some() || target.relay.is_some() || target.port == 0 {
        return Err(bad(text, "an address to advertise has a port and no peer id"));
    }
    Ok(text.to_owned())
}

/// Why listening on an address failed.
pub(super) fn listen_failed(address: &str, error: &std::io::Error) -> TransportError {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        TransportError::PortInUse { address: cut(address) }
    } else {
        TransportError::Listen { address: cut(address), reason: cut(&error.to_string()) }
    }
}

/// A TCP port that is free on all IPv4 addresses now, from 20000–29999 where possible: below the range that
/// operating systems hand out to outgoing connections, so that it is still free after a restart.
///
/// # Errors
/// [`TransportError::Listen`] when no port can be bound at all.
pub fn free_port() -> Result<u16, TransportError> {
    for _ in 0..64 {
        let Ok(random) = getrandom::u32() else { break };
        let port = 20_000 + u16::try_from(random % 10_000).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|probe| probe.local_addr())
        .map(|address| address.port())
        .map_err(|error| listen_failed("/ip4/0.0.0.0/tcp/0", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn reads_the_forms_that_are_used() {
        // NET-2.1
        for good in [
            "/ip4/127.0.0.1/tcp/4101",
            "/ip6/::1/tcp/1",
            "/dns/a.example/tcp/443",
            "/dns4/a/tcp/1",
            "/dns6/a/tcp/1",
            "/dns4/a.example/tcp/443/tls/ws",
            "/dns4/a.example/udp/4801/quic-v1",
            "/dns/a.example/tcp/443/wss",
            "/ip4/192.0.2.1/tcp/443/tls/sni/a.example/ws",
        ] {
            assert_eq!(Target::parse(good).map(|t| t.peer), Ok(None), "{good}");
            let with_peer = Target::parse(&format!("{good}/p2p/{PEER}")).unwrap();
            assert_eq!(with_peer.peer.unwrap().to_string(), PEER);
        }
    }

    #[test]
    fn refuses_all_other_forms() {
        // NET-2.1
        let long = format!("/dns4/{}/tcp/1", "a".repeat(600));
        for wrong in [
            "",
            "x",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/1",
            "/ip4/1.2.3.4/udp/1/quic",
            "/ip4/1.2.3.4/udp/1/quic-v1/webtransport",
            "/ip4/1.2.3.4/tcp/1/ws",
            "/ip4/1.2.3.4/tcp/1/tls",
            "/ip4/1.2.3.4/tcp/1/wss/ws",
            "/ip4/1.2.3.4/tcp/1/tls/http",
            "/tcp/1",
            "/p2p/x",
            "/dnsaddr/a.example",
            "/unix/tmp",
            "/ip4/1.2.3.4/tcp/1/p2p/QmX",
            long.as_str(),
            "/ip4/1.2.3.4/tcp/1/p2p-circuit",
        ] {
            assert!(matches!(Target::parse(wrong), Err(TransportError::BadAddress { .. })), "{wrong}");
        }
    }

    #[tokio::test]
    async fn resolves_names_by_the_operating_system() {
        // NET-2.2
        let resolve = async |text: &str, proxied| Target::parse(text).unwrap().resolve(proxied).await;
        let found = resolve("/dns4/localhost/tcp/7", false).await.unwrap();
        assert_eq!(found, ["/ip4/127.0.0.1/tcp/7".parse().unwrap()]);
        let found = resolve("/dns4/localhost/tcp/7/tls/ws", false).await.unwrap();
        assert_eq!(found, ["/ip4/127.0.0.1/tcp/7/tls/sni/localhost/ws".parse().unwrap()]);
        let none = resolve("/dns4/does-not-exist.invalid/tcp/7", false).await;
        assert!(matches!(none, Err(TransportError::Resolve { .. } | TransportError::Timeout { .. })));
    }

    #[tokio::test]
    async fn a_proxy_resolves_the_names_of_others() {
        // NET-2.2, NET-10.4
        let resolve = async |text: &str| Target::parse(text).unwrap().resolve(true).await.unwrap();
        let name = "/dns/does-not-exist.invalid/tcp/443/tls/ws";
        assert_eq!(resolve(name).await, [name.parse().unwrap()]);
        assert_eq!(resolve("/dns4/localhost/tcp/7").await, ["/ip4/127.0.0.1/tcp/7".parse().unwrap()]);
    }

    #[test]
    fn a_port_in_use_is_named() {
        // NET-2.3
        let port = free_port().unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let address = format!("/ip4/127.0.0.1/tcp/{port}");
        assert_eq!(listen_address(&address), Err(TransportError::PortInUse { address: address.clone() }));
        drop(held);
        assert!(listen_address(&address).is_ok());
        assert!(listen_address("/dns4/localhost/tcp/1").is_err());
    }
}
