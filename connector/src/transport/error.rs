//! What can go wrong between two nodes, named by what happened (spec chapter 10, `[NET-7.*]`).
//!
//! Nothing here carries a key, a header or a body. Text that came from the network is cut to a fixed length.

use naru_protocol::error::Code;
use thiserror::Error;

/// Longest reason text kept from a lower layer, in characters.
const REASON_CHARS: usize = 300;

/// A failure of the transport. `peer` is a peer id text or the origin of a URL, `address` the text of a multiaddr or of a
/// URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The text is no address that this transport can use: `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>[/tls/ws][/p2p/<peer>]`,
    /// one of QUIC or through a relay, or a URL at the HTTPS door.
    #[error("address {address} cannot be used: {reason}")]
    BadAddress {
        /// The address as given, cut.
        address: String,
        /// Which part is wrong.
        reason: String,
    },
    /// The host of a URL is no address on the public internet, and the caller does not allow others.
    #[error("{address} is not asked: {reason}")]
    AddressRefused {
        /// Host and port, and the address that it has.
        address: String,
        /// What kind of address it is.
        reason: String,
    },
    /// The text is not a peer id.
    #[error("{text} is not a peer id")]
    BadPeerId {
        /// The text as given, cut.
        text: String,
    },
    /// The transport key could not be used to make a certificate or a handshake.
    #[error("the transport key cannot be used: {reason}")]
    Key {
        /// What refused it. Never the key.
        reason: String,
    },
    /// Certificate and key of the HTTPS door, or of a client, cannot be used.
    #[error("the certificate cannot be used: {reason}")]
    Certificate {
        /// What refused it. Never the key.
        reason: String,
    },
    /// The port of a listen address is taken by another program.
    #[error("{address} is already in use by another program")]
    PortInUse {
        /// The listen address.
        address: String,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The listen address.
        address: String,
        /// What the operating system said.
        reason: String,
    },
    /// A host name has no address.
    #[error("no address found for {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address of the peer could be reached.
    #[error("cannot reach {address}: {reason}")]
    DialFailed {
        /// The addresses tried, comma separated.
        address: String,
        /// What the last layers said.
        reason: String,
    },
    /// The proxy that this node goes through did not connect.
    #[error("cannot reach {address}: {reason}")]
    Proxy {
        /// The addresses tried, comma separated.
        address: String,
        /// What the proxy said. Never its credentials.
        reason: String,
    },
    /// Somebody listens there, but the handshake failed: it speaks something else, or no common security.
    #[error("handshake with {address} failed: {reason}")]
    Handshake {
        /// The addresses tried, comma separated.
        address: String,
        /// What the handshake said.
        reason: String,
    },
    /// Somebody answered, but with another identity than the one asked for.
    #[error("expected peer {expected}, but {obtained} answered")]
    PeerMismatch {
        /// The peer id asked for.
        expected: String,
        /// The peer id that proved its key.
        obtained: String,
    },
    /// The address is our own.
    #[error("{address} is this node itself")]
    DialSelf {
        /// The address.
        address: String,
    },
    /// There is no connection to the peer.
    #[error("not connected to {peer}")]
    NotConnected {
        /// The peer.
        peer: String,
    },
    /// The connection went away before an answer began. The request may have been acted on.
    #[error("the connection to {peer} was lost")]
    ConnectionLost {
        /// The peer.
        peer: String,
    },
    /// The peer ended the stream before the first byte of an answer, the connection stands: it is full or refuses us.
    #[error("{peer} refused the request")]
    Refused {
        /// The peer.
        peer: String,
    },
    /// The stream ended in the middle of an answer.
    #[error("{peer} broke off in the middle of an answer")]
    StreamReset {
        /// The peer.
        peer: String,
    },
    /// The peer does not speak `/http/1.1`.
    #[error("{peer} does not speak {protocol}")]
    UnsupportedProtocol {
        /// The peer.
        peer: String,
        /// The stream protocol asked for.
        protocol: String,
    },
    /// Time ran out.
    #[error("{target}: no {what} within {seconds} s")]
    Timeout {
        /// Peer id or address.
        target: String,
        /// What was waited for.
        what: Waiting,
        /// The limit, in whole seconds (rounded up).
        seconds: u64,
    },
    /// The peer broke HTTP or the rules of the chapter.
    #[error("{peer} sent something that is not allowed: {reason}")]
    Protocol {
        /// The peer.
        peer: String,
        /// What was wrong.
        reason: String,
    },
    /// Something the peer sent is over a limit.
    #[error("{what} from {peer} is over the limit of {limit}")]
    TooLarge {
        /// The peer.
        peer: String,
        /// What is too large.
        what: String,
        /// The limit, in bytes or pieces.
        limit: u64,
    },
    /// Our own request cannot be sent as it is.
    #[error("the request cannot be sent: {reason}")]
    BadRequest {
        /// What is wrong with it.
        reason: String,
    },
    /// A limit of our own was reached.
    #[error("limit reached: {what}")]
    Limit {
        /// Which limit.
        what: String,
    },
    /// The transport was shut down.
    #[error("the transport is shut down")]
    Closed,
}

/// What a [`TransportError::Timeout`] waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A TCP connection with its security and multiplexing handshakes.
    Connection,
    /// A free place among the requests to this peer.
    Turn,
    /// A stream.
    Stream,
    /// The head of the answer.
    Answer,
    /// The next piece of a body, or the end of it.
    Body,
    /// An address of a host name.
    Name,
}

impl core::fmt::Display for Waiting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Turn => "free place for a request",
            Self::Stream => "stream",
            Self::Answer => "answer",
            Self::Body => "progress of the body",
            Self::Name => "address of the name",
        })
    }
}

impl TransportError {
    /// The code of chapter 11 for this failure. // NET-7.1
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::BadAddress { .. } | Self::BadPeerId { .. } | Self::DialSelf { .. } => Code::AddressInvalid,
            Self::AddressRefused { .. } => Code::AddressRefused,
            Self::Key { .. } => Code::KeyFileUnusable,
            Self::PortInUse { .. } => Code::PortInUse,
            Self::Listen { .. } | Self::Certificate { .. } => Code::ConfigInvalid,
            Self::Resolve { .. }
            | Self::DialFailed { .. }
            | Self::NotConnected { .. }
            | Self::UnsupportedProtocol { .. } => Code::Unreachable,
            Self::Proxy { .. } => Code::ProxyRefused,
            Self::Handshake { .. } => Code::TlsFailed,
            Self::PeerMismatch { .. } => Code::PeerMismatch,
            Self::ConnectionLost { .. } | Self::StreamReset { .. } => Code::ConnectionLost,
            Self::Refused { .. } | Self::Limit { .. } => Code::Busy,
            Self::Timeout { .. } => Code::TimedOut,
            Self::Protocol { .. } => Code::AnswerMalformed,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::BadRequest { .. } => Code::Internal,
            Self::Closed => Code::NotRunning,
        }
    }

    /// True where the same request may be sent again later: nothing was answered and the fault may pass.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::DialFailed { .. }
            | Self::Proxy { .. }
            | Self::Handshake { .. }
            | Self::NotConnected { .. }
            | Self::ConnectionLost { .. }
            | Self::Refused { .. }
            | Self::StreamReset { .. }
            | Self::Timeout { .. }
            | Self::Limit { .. } => true,
            Self::BadAddress { .. }
            | Self::AddressRefused { .. }
            | Self::BadPeerId { .. }
            | Self::Key { .. }
            | Self::Certificate { .. }
            | Self::PortInUse { .. }
            | Self::Listen { .. }
            | Self::PeerMismatch { .. }
            | Self::DialSelf { .. }
            | Self::UnsupportedProtocol { .. }
            | Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::BadRequest { .. }
            | Self::Closed => false,
        }
    }

    pub(super) fn timeout(target: impl Into<String>, what: Waiting, limit: core::time::Duration) -> Self {
        let seconds = limit.as_secs() + u64::from(limit.subsec_nanos() > 0);
        Self::Timeout { target: cut(&target.into()), what, seconds }
    }
}

/// Text of a lower layer or of the network, cut to [`REASON_CHARS`] and without control characters.
pub(super) fn cut(text: &str) -> String {
    // Some layers say nothing of their own before the colon that leads to their cause.
    let text = text.trim_start_matches([':', ' ']);
    text.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect()
}

/// An error and its causes in one line, cut.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    cut(&text)
}
