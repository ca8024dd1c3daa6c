//! Which URLs are asked, and which addresses a name may lead to (spec chapter 10, NET-8.5 and NET-8.6).
//!
//! A URL may come from somebody who wants this machine to ask a service that only this machine reaches: a router, a cloud's
//! metadata, the operator's own database. So nothing but addresses of the public internet is asked, unless the caller says
//! that this peer may be local. A name is resolved once, and what was checked is what is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use super::super::error::{TransportError, Waiting, cut};

/// Longest URL.
const URL_CHARS: usize = 2048;
/// Time that resolving a name may take.
const RESOLVE: Duration = Duration::from_secs(10);
/// The same where a proxy resolves it, and this machine only looks whether it knows better.
const GLANCE: Duration = Duration::from_secs(2);
/// Addresses of one name that are tried.
const ADDRESSES_PER_NAME: usize = 8;

/// Why an address is not one of the public internet; none if it is.
#[must_use]
pub fn not_public(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => not_public_v4(ip),
        IpAddr::V6(ip) => not_public_v6(ip),
    }
}

fn not_public_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("an address of no host"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [100, 64..=127, ..] => Some("an address inside a provider's network"),
        [169, 254, ..] => Some("a link-local address"),
        // What the machines of one cloud ask about themselves.
        [168, 63, 129, 16] => Some("a metadata address"),
        [192, 0, 0, _] | [192, 88, 99, _] => Some("an address of a protocol"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("an address for documentation"),
        [198, 18..=19, ..] => Some("an address for measurements"),
        [224..=239, ..] => Some("a multicast address"),
        [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

fn not_public_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let segments = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        not_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an address of no host"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // Forms that hold an IPv4 address are that address: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfec0..=0xfeff, ..] => Some("a site-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("an address for documentation"),
        // Teredo, benchmarks and the like.
        [0x2001, 0..=0x01ff, ..] => Some("an address of a protocol"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("not an address of the internet"),
    }
}

/// Whether a name is one that only an inner network knows: without a dot, or below a domain that the internet has not.
fn inside(name: &str) -> bool {
    const OWN: [&str; 8] =
        ["local", "internal", "localdomain", "lan", "home", "corp", "private", "home.arpa"];
    let name = name.trim_end_matches('.');
    let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    // A number is an address to some resolvers.
    !name.contains('.') || OWN.iter().any(|own| below(own)) || name.ends_with(|c: char| c.is_ascii_digit())
}

/// Where a request goes: a URL that was read, its name not resolved yet.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// TLS or, where local addresses are allowed, not.
    pub(super) tls: bool,
    /// The host as the URL has it, an IPv6 address without brackets.
    host: String,
    port: u16,
    /// `https://host:port`, which names the peer in errors and the connections that may be shared.
    pub(super) origin: String,
    /// The value of `Host`.
    pub(super) authority: String,
    pub(super) path: PathAndQuery,
}

fn bad(url: &str, reason: &str) -> TransportError {
    TransportError::BadAddress { address: cut(url), reason: reason.to_owned() }
}

impl Target {
    /// Reads `https://host[:port][/path][?query]`, or the same with `http` where `plain` allows it. // NET-8.5
    pub(super) fn parse(url: &str, plain: bool) -> Result<Self, TransportError> {
        if url.len() > URL_CHARS {
            return Err(bad(url, "longer than 2048 characters"));
        }
        if url.contains('#') {
            return Err(bad(url, "a URL that is asked has no fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| bad(url, "not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if plain => false,
            Some("http") => return Err(bad(url, "only https is asked")),
            Some(_) | None => return Err(bad(url, "not an https URL")),
        };
        let authority = uri.authority().ok_or_else(|| bad(url, "has no host"))?.as_str();
        if authority.contains('@') {
            return Err(bad(url, "names a user"));
        }
        let written = uri.host().unwrap_or_default();
        let host = written.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.len() > 253 || !host.is_ascii() {
            return Err(bad(url, "has no host"));
        }
        if written.starts_with('[') && host.parse::<Ipv6Addr>().is_err() {
            return Err(bad(url, "its host is no IPv6 address"));
        }
        // What stands behind the colon, if anything does, is a port.
        let after = authority.strip_prefix(written).unwrap_or_default();
        let port = match (after, after.strip_prefix(':').and_then(|text| text.parse().ok())) {
            ("", _) if tls => 443,
            ("", _) => 80,
            (_, Some(port)) if port != 0 => port,
            _ => return Err(bad(url, "its port is no port")),
        };
        let scheme = if tls { "https" } else { "http" };
        let host = host.to_ascii_lowercase();
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Ok(Self {
            tls,
            origin: format!("{scheme}://{shown}:{port}"),
            authority: authority.to_owned(),
            path: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            host,
            port,
        })
    }

    /// The name that the certificate must be for.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, TransportError> {
        let name = self.host.trim_end_matches('.').to_owned();
        ServerName::try_from(name).map_err(|_| bad(&self.origin, "no certificate can be for its host"))
    }

    /// The socket addresses to connect to, resolved now and all checked. // NET-8.6
    pub(super) async fn resolve(&self, local: bool) -> Result<Vec<SocketAddr>, TransportError> {
        let found = match self.host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, self.port)],
            Err(_) => self.lookup().await?,
        };
        if local {
            return Ok(found);
        }
        // One that is refused refuses all: a name that leads inside and outside is not to be tried until it leads inside.
        match found.iter().find_map(|address| Some((address.ip(), not_public(address.ip())?))) {
            Some((ip, reason)) => Err(TransportError::AddressRefused {
                address: cut(&format!("{} ({ip})", self.origin)),
                reason: reason.to_owned(),
            }),
            None => Ok(found),
        }
    }

    /// An address of this machine means another one at a proxy, and is never sent there.
    pub(super) fn is_here(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => self.host.trim_end_matches('.') == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// What a proxy is asked to connect to: the name as it is. Where it leads, the proxy finds out; what is known here to lead
    /// inside, by its address or by its name, is not asked for. // NET-10.6
    pub(super) async fn proxied(&self, local: bool) -> Result<String, TransportError> {
        // The origin without its scheme: the host, in brackets where it is an IPv6 address, and the port.
        let authority = self.origin.split_once("://").map_or(&*self.origin, |(_, rest)| rest).to_owned();
        if local {
            return Ok(authority);
        }
        let refused = |reason: &str| TransportError::AddressRefused {
            address: cut(&self.origin),
            reason: reason.to_owned(),
        };
        if self.host.parse::<IpAddr>().is_err() && inside(&self.host) {
            return Err(refused("a name of a network of its own"));
        }
        match tokio::time::timeout(GLANCE, self.resolve(false)).await {
            Ok(Err(error @ TransportError::AddressRefused { .. })) => Err(error),
            // Behind a proxy names are often resolved by it alone.
            Ok(Ok(_) | Err(_)) | Err(_) => Ok(authority),
        }
    }

    async fn lookup(&self) -> Result<Vec<SocketAddr>, TransportError> {
        let failed = |reason: &str| TransportError::Resolve { host: cut(&self.host), reason: cut(reason) };
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((self.host.as_str(), self.port)))
            .await
            .map_err(|_| TransportError::timeout(self.host.clone(), Waiting::Name, RESOLVE))?
            .map_err(|error| failed(&error.to_string()))?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(failed("it has none"));
        }
        if addresses.len() > ADDRESSES_PER_NAME {
            // Cut only what was checked as a whole would be; so many are not expected of a peer.
            return Err(failed("it has too many"));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each class by its edges and by what somebody would try.
    const INSIDE: &str = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 \
        127.255.0.1 168.63.129.16 169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.192 \
        192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 \
        239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 \
        ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 \
        64:ff9b:1::8.8.8.8 100::1 2001::1 2001:2::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe::1 \
        2002:c0a8:101::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 febf::1 fec0::1 ff02::1 4000::1";

    /// Neighbours of the classes.
    const OUTSIDE: &str = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.1.1.1 128.0.0.1 \
        169.253.255.255 172.15.0.1 172.32.0.1 192.1.0.1 192.167.0.1 198.17.0.1 198.20.0.1 \
        223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:200::1 2400:cb00::1 \
        2606:4700::1111 3ffe::1";

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        // NET-8.6
        for text in INSIDE.split_whitespace() {
            assert!(not_public(text.parse().unwrap()).is_some(), "{text}");
        }
        for text in OUTSIDE.split_whitespace() {
            assert_eq!(not_public(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn reads_urls_that_are_asked() {
        // NET-8.5
        let read = |url| Target::parse(url, false).unwrap();
        let target = read("https://Naru.Example/dsp/x?y=1");
        assert_eq!(target.origin, "https://naru.example:443");
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("Naru.Example", "/dsp/x?y=1"));
        assert_eq!(read("https://[2400::1]:9/").origin, "https://[2400::1]:9");
        assert_eq!(read("https://1.2.3.4:4443").path.as_str(), "/");
        let plain = Target::parse("http://a.example", true).unwrap();
        assert_eq!((plain.tls, plain.origin.as_str()), (false, "http://a.example:80"));
    }

    #[test]
    fn refuses_other_urls() {
        // NET-8.5
        let long = format!("https://a.example/{}", "a".repeat(URL_CHARS));
        for wrong in [
            "",
            "x",
            "/path",
            "a.example:443",
            "http://a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://:443/",
            "https://user@a.example",
            "https://user:pw@a.example/",
            "https://a.example/#x",
            "https://a.example:0",
            "https://a.example:99999",
            "https://a.example:x",
            "https://a.example:",
            "https://[::1",
            "https://[fe80::1%25eth0]/",
            "https://[a.example]/",
            "https://a b/",
            "https://a.example/\r\nx",
            "multiaddr:/p2p/x",
            long.as_str(),
        ] {
            assert!(matches!(Target::parse(wrong, false), Err(TransportError::BadAddress { .. })), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_leads_inside_is_not_asked_of_a_proxy() {
        // NET-10.6
        let ask = async |url: &str, local| Target::parse(url, local).unwrap().proxied(local).await;
        for url in [
            "https://10.0.0.1",
            "https://[fd00::1]:8443/",
            "https://intranet/",
            "https://db.corp",
            "https://printer.local.",
            "https://2130706433/",
            "https://127.1/",
            "https://metadata.google.internal/",
        ] {
            let refused = ask(url, false).await;
            assert!(matches!(refused, Err(TransportError::AddressRefused { .. })), "{url}: {refused:?}");
        }
        assert_eq!(ask("https://naru.invalid/x", false).await.unwrap(), "naru.invalid:443");
        assert_eq!(ask("https://[2400::1]:9/", false).await.unwrap(), "[2400::1]:9");
        assert_eq!(ask("http://10.0.0.1", true).await.unwrap(), "10.0.0.1:80");
        for (url, here) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]", true),
            ("https://localhost.", true),
            ("https://a.localhost", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example", false),
        ] {
            assert_eq!(Target::parse(url, true).unwrap().is_here(), here, "{url}");
        }
    }

    #[tokio::test]
    async fn what_leads_inside_is_not_connected_to() {
        // NET-8.6: literal, by name, and in the forms that resolvers of operating systems take.
        for url in [
            "https://127.0.0.1",
            "https://localhost:8443/x",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://localhost./",
        ] {
            let target = Target::parse(url, false).unwrap();
            let refused = target.resolve(false).await;
            assert!(
                matches!(
                    refused,
                    Err(TransportError::AddressRefused { .. } | TransportError::Resolve { .. })
                ),
                "{url}: {refused:?}"
            );
        }
        let named = Target::parse("https://localhost", false).unwrap();
        assert!(matches!(named.resolve(false).await, Err(TransportError::AddressRefused { .. })));
        assert!(named.resolve(true).await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }
}
