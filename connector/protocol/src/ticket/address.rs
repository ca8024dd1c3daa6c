//! Where a node may be reached: a multiaddr, or the URL of its HTTPS door (spec chapter 02, ID-8.3 and ID-8.8).
//!
//! Does not parse the parts of a multiaddr, resolve names or judge whether an address may be asked: that is transport's.

use alloc::{
    format,
    string::{String, ToString},
};
use core::{fmt, net::Ipv6Addr};

use super::TicketError;
use crate::{encoding::Digest, json::serde_as_text, limits};

const SCHEME: &str = "https://";
/// Stands between the URL and the digest of the certificate that answers there.
const PIN: &str = "/#sha256=";

/// An address in text form, at most [`limits::ADDRESS`] visible ASCII characters: a multiaddr, from `/` on, or
/// `https://host[:port]`, with `/#sha256=<digest>` behind it where no authority vouches for the certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

/// The HTTPS door of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Https<'a> {
    /// `https://host[:port]`.
    pub url: &'a str,
    /// SHA-256 of the certificate that answers there; without it, the operating system's roots say whose it is.
    pub certificate: Option<Digest>,
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let fits = text.len() <= limits::ADDRESS && text.len() > 1;
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible && (text.starts_with('/') || read(text).is_some()) {
            Ok(Self(text.to_string()))
        } else {
            Err(TicketError::Addresses)
        }
    }

    /// The address of an HTTPS door.
    pub fn of_https(url: &str, certificate: Option<Digest>) -> Result<Self, TicketError> {
        let pin = certificate.map(|digest| format!("{PIN}{digest}")).unwrap_or_default();
        // What is no origin by itself is none with a pin.
        if read(url).is_none_or(|https| https.certificate.is_some()) {
            return Err(TicketError::Addresses);
        }
        Self::parse(&format!("{url}{pin}"))
    }

    /// The HTTPS door that it names; none for a multiaddr.
    #[must_use]
    pub fn https(&self) -> Option<Https<'_>> {
        read(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `https://host[:port][/#sha256=<digest>]` and nothing else: no user, path or query.
fn read(text: &str) -> Option<Https<'_>> {
    let (url, certificate) = match text.split_once(PIN) {
        Some((url, pin)) => (url, Some(Digest::parse(pin).ok()?)),
        None => (text, None),
    };
    let authority = url.strip_prefix(SCHEME)?;
    let port = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            if after.is_empty() { None } else { Some(after.strip_prefix(':')?) }
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if host.is_empty() || !host.bytes().all(plain) {
                return None;
            }
            port
        }
    };
    match port {
        Some(port) if port.starts_with(['0', '+']) || port.parse::<u16>().is_err() => None,
        Some(_) | None => Some(Https { url, certificate }),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_an_https_door_is_an_origin_and_perhaps_a_pin() {
        // ID-8.8
        let digest = Digest::of(b"certificate");
        for url in [
            "https://a",
            "https://Naru.Example:4443",
            "https://10.0.0.1:1",
            "https://[::1]",
            "https://[::1]:65535",
        ] {
            let plain = Address::of_https(url, None).unwrap();
            assert_eq!(plain.https(), Some(Https { url, certificate: None }), "{url}");
            let pinned = Address::of_https(url, Some(digest)).unwrap();
            assert_eq!(pinned.as_str(), format!("{url}/#sha256={digest}"));
            assert_eq!(pinned.https(), Some(Https { url, certificate: Some(digest) }), "{url}");
            assert!(Address::of_https(pinned.as_str(), Some(digest)).is_err());
        }
        assert_eq!(Address::parse("/ip4/127.0.0.1/tcp/1").unwrap().https(), None);
    }

    #[test]
    fn no_other_url_is_an_address() {
        // ID-8.8
        let pin = format!("https://a/#sha256={}", &Digest::of(b"x").to_string()[1..]);
        for wrong in [
            "https://",
            "http://a",
            "HTTPS://a",
            "https://a/",
            "https://a/x",
            "https://a?x",
            "https://a#x",
            "https://u@a",
            "https://a:0",
            "https://a:",
            "https://a:+1",
            "https://a:01",
            "https://a:65536",
            "https://a:1:2",
            "https://[::1",
            "https://[a]",
            "https://[::1]1",
            "https://a/#sha256=",
            "https://a_b",
            "https://a%20",
            "ftp://a",
            "a",
            pin.as_str(),
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
