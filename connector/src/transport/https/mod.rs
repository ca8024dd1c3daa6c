//! HTTPS, both sides (spec chapter 10, `[NET-8.*]`): the second door of the router, and requests to peers that have one.
//!
//! | file | what |
//! |---|---|
//! | `server` | listens, bounds connections, hands each to the router with what it proved |
//! | `client` | one request to a URL: checked address, pinned connection, bounded answer |
//! | `address` | which URLs and which addresses may be asked at all |
//! | `trust` | whose certificates are believed, on either side |
//!
//! TLS 1.2 and 1.3 by rustls on aws-lc; HTTP/1.1 alone. Heads, bodies and times are those of the libp2p door.
//! Not here: who a certificate or a token belongs to; redirects, which nobody follows; proxies, which would hide the addresses that are looked at (NET-8.6).

mod address;
mod client;
mod server;
mod trust;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;

pub use self::address::not_public;
pub use self::client::{HttpsClient, Reach};
pub use self::server::{DoorCounters, HttpsConfig, HttpsDoor};
pub(super) use self::trust::{AnyServer, unusable};
pub use self::trust::{Identity, certificates};

/// What is negotiated inside TLS: HTTP/1.1 and nothing else.
pub(super) const ALPN: &[u8] = b"http/1.1";

/// Cipher suites with those of TLS 1.3 in the order of the other door (NET-3.3), then those of TLS 1.2 with forward secrecy.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let provider = default_provider();
    let mut cipher_suites = super::tls::suites();
    cipher_suites.extend(provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none()));
    Arc::new(CryptoProvider { cipher_suites, ..provider })
}
