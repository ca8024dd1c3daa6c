//! The table `[network]` of `naru.toml`: how a node gets out of its firm's network and how others get in (spec chapter 10,
//! NET-10). Checks values and reads the proxy's credentials. Dials nothing.

use std::{net::SocketAddr, path::PathBuf};

use super::{ConfigError, Folder, documented::documented};
use crate::transport::{self, Proxy};

/// The variable that holds the proxy's credentials where no file is named.
const CREDENTIALS: &str = "NARU_PROXY_CREDENTIALS";

documented! {
    /// How this node gets out of its firm's network, and how others get in. `HTTPS_PROXY` is not looked at: a node that a
    /// person starts and one that the system starts go the same way.
    #[derive(Default)]
    pub struct Network {
        /// `http://host:port` of the proxy that connections go out through, by CONNECT. Without credentials.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proxy: Option<String> = "\"http://proxy.example:3128\"" optional;
        /// A file with one line `user:password` for the proxy; without it, the variable NARU_PROXY_CREDENTIALS if it is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proxy_credentials: Option<PathBuf> = "\"proxy.credentials\"" optional;
        /// The address and port to listen on for WebSocket over TLS, for partners whose firewall lets nothing else out. The
        /// certificate of `https` is shown if there is one; another one is made at each start otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        websocket: Option<SocketAddr> = "\"0.0.0.0:443\"" optional;
        /// Listen and dial by QUIC too, at the UDP port of the same number. Not through a proxy.
        #[serde(default, skip_serializing_if = "is_false")]
        quic: bool = "false" default;
        /// Addresses that tickets name instead of those that this node listens on: where a router or a firewall passes
        /// connections on to it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        advertise: Vec<String> = "[\"/dns4/naru.example/tcp/443/tls/ws\"]" optional;
        /// Relays to be reached through where nothing gets in: addresses with the relay's peer id. A partner that is a relay for
        /// you gives you its own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        relay: Vec<String> = "[\"/dns4/partner.example/tcp/4801/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN\"]" optional;
        /// For whom this node is a relay: `nobody`, or `accepted` peers, to which anybody can then get through it. It moves
        /// ciphertext, within limits.
        #[serde(default, skip_serializing_if = "RelayFor::is_nobody")]
        relay_for: RelayFor = "\"nobody\"" default;
        /// Stay connected with every accepted peer, so that it can reach this node whatever stands between. Always so with a
        /// proxy, with relays, and where nothing is listened on.
        #[serde(default, skip_serializing_if = "is_false")]
        stay_connected: bool = "false" default;
    }
}

/// For whom a node is a relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayFor {
    /// It is none.
    #[default]
    Nobody,
    /// For peers that a person accepted, as long as they are.
    Accepted,
}

impl RelayFor {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_nobody(&self) -> bool {
        *self == Self::Nobody
    }
}

const fn is_false(value: &bool) -> bool {
    !*value
}

impl Network {
    /// Whether others may be unable to reach this node by themselves.
    #[must_use]
    pub fn stays_connected(&self) -> bool {
        self.stay_connected || self.proxy.is_some() || !self.relay.is_empty()
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The multiaddr of the WebSocket listener.
    pub(super) fn websocket(&self) -> Option<String> {
        let at = self.websocket?;
        let kind = if at.is_ipv6() { "ip6" } else { "ip4" };
        Some(format!("/{kind}/{}/tcp/{}/tls/ws", at.ip(), at.port()))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: String| Err(ConfigError::Value { field, reason });
        if let Some(Err(why)) = self.proxy.as_deref().map(|url| Proxy::new(url, None)) {
            return value("network.proxy", format!("must be one that {why}"));
        }
        if self.proxy_credentials.is_some() && self.proxy.is_none() {
            return value("network.proxy_credentials", "there is no network.proxy".to_owned());
        }
        for relay in &self.relay {
            if let Err(error) = transport::relay_address(relay) {
                return value("network.relay", error.to_string());
            }
        }
        for address in &self.advertise {
            if let Err(error) = transport::advertised(address) {
                return value("network.advertise", error.to_string());
            }
        }
        Ok(())
    }

    /// The proxy with its credentials.
    pub fn proxy(&self, folder: &Folder) -> Result<Option<Proxy>, ConfigError> {
        self.proxy_with(folder, std::env::var(CREDENTIALS).ok())
    }

    fn proxy_with(&self, folder: &Folder, said: Option<String>) -> Result<Option<Proxy>, ConfigError> {
        let Some(url) = &self.proxy else { return Ok(None) };
        let (credentials, field) = match &self.proxy_credentials {
            Some(path) => {
                let path = folder.path().join(path);
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|source| ConfigError::Io { path, source })?;
                (Some(text.trim_end_matches(['\r', '\n']).to_owned()), "network.proxy_credentials")
            }
            None => (said.filter(|text| !text.is_empty()), CREDENTIALS),
        };
        let proxy = Proxy::new(url, credentials.as_deref());
        let proxy = proxy.map_err(|why| ConfigError::Value { field, reason: format!("the proxy {why}") })?;
        Ok(Some(proxy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Network, String> {
        let network: Network = toml::from_str(text).map_err(|e| e.to_string())?;
        network.check().map(|()| network).map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_proxy_is_asked_with_stays_out_of_sight() {
        // NET-10.5
        let dir = std::env::temp_dir().join(format!("naru-proxy-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let folder = Folder::new(&dir);
        std::fs::write(dir.join("credentials"), "firm:geheim\n").unwrap();
        let with = read("proxy = \"http://p:1\"\nproxy_credentials = \"credentials\"").unwrap();
        let proxy = with.proxy_with(&folder, None).unwrap().unwrap();
        assert_eq!(proxy, Proxy::new("http://p:1", Some("firm:geheim")).unwrap());
        let by_variable =
            read("proxy = \"http://p:1\"").unwrap().proxy_with(&folder, Some("firm:geheim".into()));
        assert_eq!(by_variable.unwrap().unwrap(), proxy);
        std::fs::write(dir.join("credentials"), "geheim").unwrap();
        let wrong = with.proxy_with(&folder, None).unwrap_err().to_string();
        assert!(wrong.contains("network.proxy_credentials") && !wrong.contains("geheim"), "{wrong}");
        let in_url = read("proxy = \"http://firm:geheim@p:1\"").unwrap_err();
        assert!(in_url.contains("network.proxy") && !in_url.contains("geheim"), "{in_url}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn values_that_nothing_can_be_done_with_are_named() {
        // NET-10.1, NET-10.4, NET-11.3
        for (text, field) in [
            ("proxy = \"socks5://p:1\"", "network.proxy"),
            ("proxy_credentials = \"a\"", "network.proxy_credentials"),
            ("relay = [\"/dns4/a/tcp/1\"]", "network.relay"),
            ("advertise = [\"https://a\"]", "network.advertise"),
            ("advertise = [\"/dns4/a/tcp/0\"]", "network.advertise"),
        ] {
            assert!(read(text).unwrap_err().starts_with(field), "{text}");
        }
        let all = read("websocket = \"[::]:443\"\nadvertise = [\"/dns4/a/tcp/443/tls/ws\"]").unwrap();
        assert_eq!(all.relay_for, RelayFor::Nobody);
        assert_eq!(read("relay_for = \"accepted\"").unwrap().relay_for, RelayFor::Accepted);
        assert!(read("relay_for = \"anybody\"").is_err());
        assert_eq!(all.websocket().as_deref(), Some("/ip6/::/tcp/443/tls/ws"));
    }
}
