//! Every limit of the transport, in one place (spec chapter 10, `[NET-6.*]`).
//!
//! The defaults suit a node of a small firm; tests and large nodes set their own. Numbers that peers can see are those
//! of `naru_protocol::limits`.

use std::time::Duration;

/// Bytes of the head that a proxy answers with, or either side of a WebSocket handshake sends.
pub(super) const OUTER_HEAD: usize = 16 << 10;
/// Bytes of data in one WebSocket frame that is sent.
pub(super) const OUTER_FRAME: usize = 64 << 10;

/// Limits of connections, streams and requests. All counts are of this node, all times wall clock.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that others opened, together.
    pub connections_in: usize,
    /// Of these, connections of peers that are not known ([`super::Transport::set_known`]).
    pub connections_of_strangers: usize,
    /// Connections that this node opened, together.
    pub connections_out: usize,
    /// Connections with one peer, whoever opened them.
    pub connections_per_peer: usize,
    /// Incoming connections in the middle of their handshake, together.
    pub handshakes_in: usize,
    /// Of these, from one IPv4 address or one IPv6 /64.
    pub handshakes_per_address: usize,
    /// Outgoing connections in the middle of their handshake.
    pub handshakes_out: usize,
    /// Time for TCP, security and multiplexing together.
    pub handshake: Duration,
    /// A connection with no stream is closed after this time unless the peer is known. At least 60 s in use.
    pub idle_connection: Duration,
    /// Interval of pings on each connection.
    pub ping: Duration,
    /// Time for the answer to a ping. The second failure in a row closes the connection.
    pub ping_answer: Duration,

    /// Streams that one peer may hold open towards us. The next one is reset.
    pub streams_in_per_peer: usize,
    /// Accepted streams that wait for the server, together. The next one is reset.
    pub accept_queue: usize,
    /// Requests of ours in flight to one peer; more wait for their turn.
    pub requests_out_per_peer: usize,
    /// Time to get a turn and a stream.
    pub open: Duration,
    /// Idle streams kept for reuse on one connection. 0: one stream for each request.
    pub idle_streams: usize,
    /// How long an idle stream is kept. Shorter than the header time of any server.
    pub idle_stream: Duration,

    /// Streams of a connection, both directions. A peer that goes over it loses the connection.
    pub streams_per_connection: usize,
    /// Receive window that one connection may use beyond 256 KiB for each stream, in bytes.
    pub window_growth: usize,
    /// Largest data frame sent, in bytes.
    pub frame: usize,

    /// Peers that this node may be a relay for at once, where it is one.
    pub relay_reservations: usize,
    /// How long a reservation holds until it is renewed.
    pub relay_reservation: Duration,
    /// Connections through this node, together.
    pub relay_circuits: usize,
    /// Of these, opened by one peer.
    pub relay_circuits_per_peer: usize,
    /// How long one lasts. Its ends make a new one.
    pub relay_circuit: Duration,
    /// Bytes that one carries in each direction. Never 0, which is no limit to some.
    pub relay_circuit_bytes: u64,

    /// Time from sending a request to the head of the answer.
    pub answer: Duration,
    /// Longest pause within the body of an answer.
    pub answer_pause: Duration,
    /// Bytes of the head of an answer.
    pub answer_head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_in: 256,
            connections_of_strangers: naru_protocol::limits::STRANGER_CONNECTIONS,
            connections_out: 256,
            connections_per_peer: naru_protocol::limits::PEER_CONNECTIONS,
            handshakes_in: 64,
            handshakes_per_address: 32,
            handshakes_out: 64,
            handshake: Duration::from_secs(15),
            idle_connection: Duration::from_secs(naru_protocol::limits::IDLE_SECONDS),
            ping: Duration::from_secs(15),
            ping_answer: Duration::from_secs(20),
            streams_in_per_peer: naru_protocol::limits::PEER_STREAMS,
            accept_queue: 256,
            requests_out_per_peer: 32,
            open: Duration::from_secs(15),
            idle_streams: 8,
            idle_stream: Duration::from_secs(5),
            streams_per_connection: 256,
            // What is received and not read yet is memory. A stock kernel has 4 MiB under way on one connection, so a
            // larger window makes no link faster.
            window_growth: 8 << 20,
            frame: 64 << 10,
            relay_reservations: 64,
            relay_reservation: Duration::from_secs(3600),
            relay_circuits: 64,
            relay_circuits_per_peer: 4,
            relay_circuit: Duration::from_secs(6 * 3600),
            relay_circuit_bytes: 16 << 30,
            answer: Duration::from_secs(naru_protocol::limits::ANSWER_SECONDS),
            answer_pause: Duration::from_secs(30),
            answer_head: naru_protocol::limits::REQUEST_HEAD,
        }
    }
}

/// Limits of the HTTP server, at both doors ([`super::serve`], [`super::https::HttpsDoor`]).
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Time for the head of a request, from the opening of the stream or the end of the last answer.
    pub head: Duration,
    /// Bytes of the head of a request.
    pub head_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Longest pause within the body of a request.
    pub body_pause: Duration,
    /// Time for the whole body of a request.
    pub body_total: Duration,
    /// Under this path bodies are data, which take as long as they keep coming.
    pub data_path: &'static str,
    /// Longest time without progress in writing an answer.
    pub write_pause: Duration,
    /// Requests of one peer in work at once; at the HTTPS door, of one address. The next one is answered 429.
    pub requests_per_peer: usize,
    /// Time for the TLS handshake at the HTTPS door.
    pub handshake: Duration,
    /// Connections of the HTTPS door, together. The next one is closed.
    pub connections: usize,
    /// Of these, from one IPv4 address or one IPv6 /64.
    pub connections_per_address: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(naru_protocol::limits::HEAD_SECONDS),
            head_bytes: naru_protocol::limits::REQUEST_HEAD,
            headers: naru_protocol::limits::REQUEST_HEADERS,
            target_bytes: 2 * naru_protocol::limits::REQUEST_PATH,
            body_pause: Duration::from_secs(10),
            body_total: Duration::from_secs(naru_protocol::limits::BODY_SECONDS),
            data_path: "/data/",
            write_pause: Duration::from_secs(60),
            requests_per_peer: 48,
            handshake: Duration::from_secs(10),
            connections: 1024,
            connections_per_address: naru_protocol::limits::STRANGER_CONNECTIONS,
        }
    }
}
