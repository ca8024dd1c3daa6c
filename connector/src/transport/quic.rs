//! QUIC as another way to the same connections (spec chapter 10, `[NET-13.*]`), where the operator wants it.
//!
//! QUIC brings its own TLS and its own streams. Of both, the stock ones of libp2p are used, which put ChaCha20 first and would write
//! session keys to the file that `SSLKEYLOGFILE` names: with that variable set, no QUIC. Not through proxies.

use std::ffi::OsString;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::{Boxed, OptionalTransport};
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, quic};

use super::error::TransportError;
use super::links::{Links, Record};

/// The variable that makes the stock TLS write session keys.
const KEY_LOG: &str = "SSLKEYLOGFILE";
/// How a connection's security is shown.
const SECURITY: &str = "/quic-v1 TLS 1.3";

/// Refuses what would break NET-3.4.
pub(super) fn allowed() -> Result<(), TransportError> {
    allowed_with(std::env::var_os(KEY_LOG))
}

fn allowed_with(key_log: Option<OsString>) -> Result<(), TransportError> {
    match key_log {
        Some(file) if !file.is_empty() => Err(TransportError::Listen {
            address: "QUIC".to_owned(),
            reason: format!("{KEY_LOG} is set, and session keys would be written to a file"),
        }),
        Some(_) | None => Ok(()),
    }
}

/// The transport, or one that knows no address.
pub(super) fn transport(
    wanted: bool,
    identity: &Keypair,
    links: &Arc<Links>,
) -> OptionalTransport<Boxed<(PeerId, StreamMuxerBox)>> {
    if !wanted {
        return OptionalTransport::none();
    }
    let links = links.clone();
    let limits = &links.limits;
    let mut config = quic::Config::new(identity);
    config.handshake_timeout = limits.handshake;
    config.max_concurrent_stream_limit = u32::try_from(limits.streams_per_connection).unwrap_or(u32::MAX);
    // All streams together, as with the other multiplexer. // NET-4.2
    let window = u32::try_from(limits.window_growth).unwrap_or(u32::MAX);
    (config.max_stream_data, config.max_connection_data) = (window, window);
    let transport = quic::tokio::Transport::new(config)
        .map(move |(peer, connection), endpoint| {
            links.records.notes.write(peer, endpoint.is_dialer(), SECURITY.to_owned());
            let address = endpoint.get_remote_address().clone();
            let record = links.records.start(peer, endpoint.is_dialer(), address);
            (peer, StreamMuxerBox::new(Recorded { connection, _record: record }))
        })
        .boxed();
    OptionalTransport::some(transport)
}

/// A connection whose record lives as long as it.
struct Recorded {
    connection: quic::Connection,
    _record: Arc<Record>,
}

impl StreamMuxer for Recorded {
    type Substream = quic::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        Pin::new(&mut self.connection).poll_inbound(cx).map_err(io::Error::other)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        Pin::new(&mut self.connection).poll_outbound(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_close(cx).map_err(io::Error::other)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.connection).poll(cx).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_keys_are_written_nowhere() {
        // NET-3.4, NET-13.2
        assert!(allowed_with(None).is_ok() && allowed_with(Some("".into())).is_ok());
        let refused = allowed_with(Some("/tmp/keys".into())).unwrap_err();
        assert_eq!(refused.code(), naru_protocol::error::Code::ConfigInvalid);
        assert!(refused.to_string().contains(KEY_LOG), "{refused}");
    }
}
