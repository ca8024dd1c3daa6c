//! The HTTPS doors of a deal: ours, opened beside the libp2p one, and those of peers (spec chapter 10, NET-9).
//!
//! Which door a request takes is decided here; what it says is `link`'s. A peer that is connected, or can be dialled, is
//! asked over libp2p. TLS proves whose door it is, never who asks: for that there are tokens, the same at both doors.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Body;
use hyper::{Request, Response};
use naru_protocol::{error::Code, identity::peer_id, limits, ticket::Address};

use super::{Node, NodeError, inbound, peers::Peer, seams::Fate};
use crate::{
    config::Shown,
    transport::{
        AnswerBody, ServeLimits, TransportError,
        https::{HttpsConfig, HttpsDoor, Identity, Reach},
    },
};

/// How long requests take the HTTPS door of a peer that could not be dialled, before one of them dials again.
const DETOUR: Duration = Duration::from_secs(60);
/// How long a peer that asked at our HTTPS door counts as being in contact: as long as a connection may idle.
const HEARD: Duration = Duration::from_secs(limits::IDLE_SECONDS);

/// Our HTTPS door.
#[derive(Debug)]
pub(super) struct Door {
    door: HttpsDoor,
    /// As tickets name it.
    address: Address,
    /// The door's certificate, which we show to servers that ask for one.
    identity: Identity,
}

/// What this process knows about ways to peers, by peer id.
#[derive(Debug, Default)]
pub(super) struct Ways {
    detours: Mutex<BTreeMap<String, Instant>>,
    heard: Mutex<BTreeMap<String, Instant>>,
}

impl Ways {
    fn detour(&self, id: &str) -> bool {
        let mut detours = self.detours.lock().unwrap_or_else(PoisonError::into_inner);
        detours.retain(|_, until| *until > Instant::now());
        detours.contains_key(id)
    }

    fn take_detour(&self, id: &str) {
        let mut detours = self.detours.lock().unwrap_or_else(PoisonError::into_inner);
        detours.insert(id.to_owned(), Instant::now() + DETOUR);
    }

    /// A peer proved itself by a token at our HTTPS door.
    pub(super) fn hear(&self, id: String) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
    }

    /// A peer did not answer at its door: when it is heard again, it is back.
    fn lose(&self, id: &str) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Peers that did so a short while ago.
    pub(super) fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| at.elapsed() < HEARD);
        heard.keys().cloned().collect()
    }
}

/// How a request reaches a peer.
enum Way {
    /// Over a libp2p connection that stands.
    Libp2p,
    /// To one of these doors.
    Https(Vec<(String, Reach)>),
}

impl Peer {
    /// Its addresses for libp2p. Those that end in the identity of an earlier key set are those of the newest (ID-10.5).
    pub(super) fn multiaddrs(&self) -> Vec<String> {
        let newest = self.peer_id();
        let before = |id: &str| self.pinned.ring().sets().any(|set| peer_id(&set.transport) == id);
        let at = |address: String| match (address.rsplit_once("/p2p/"), &newest) {
            (Some((front, last)), Some(newest)) if last != newest && before(last) => {
                format!("{front}/p2p/{newest}")
            }
            (Some(_) | None, _) => address,
        };
        self.addresses().into_iter().filter(|address| address.starts_with('/')).map(at).collect()
    }

    /// Its HTTPS doors, each with whom to believe there. Only where a person gave the peer's fingerprint may they be in our
    /// own network: what somebody says who merely redeemed a ticket must not lead there (NET-9.4).
    pub(super) fn https(&self) -> Vec<(String, Reach)> {
        let addresses = self.addresses();
        let read = addresses.iter().filter_map(|text| {
            let address = Address::parse(text).ok()?;
            let door = address.https()?;
            let pins = door.certificate.into_iter().collect();
            Some((door.url.to_owned(), Reach { local: self.confirmed, pins, ..Reach::default() }))
        });
        read.collect()
    }
}

impl Node {
    /// Opens the HTTPS door of `naru.toml` to the same router.
    pub(super) async fn open_https(&self, listen: SocketAddr, shown: Shown) -> Result<(), NodeError> {
        let identity = Identity::new(shown.chain.clone(), shown.key.clone_key())?;
        let config = HttpsConfig { listen, certificate: shown.chain, key: shown.key };
        let door = HttpsDoor::listen(config, inbound::router(self.clone()), ServeLimits::default()).await?;
        tracing::info!(address = %door.addr(), url = %shown.address, "the HTTPS door is open");
        let _ = self.https.set(Door { door, address: shown.address, identity });
        Ok(())
    }

    pub(super) async fn close_https(&self) {
        if let Some(door) = self.https.get() {
            door.door.shutdown().await;
        }
    }

    /// `https://host[:port]` where others reach this node; none without an HTTPS door.
    #[must_use]
    pub fn https_url(&self) -> Option<&str> {
        #[cfg(feature = "tck")]
        if let Some(url) = super::plain::script::url() {
            return Some(url);
        }
        self.https.get()?.address.https().map(|door| door.url)
    }

    /// What we show to a server that asks who we are.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.https.get().map(|door| door.identity.clone())
    }

    /// The same as tickets name it, with the digest of a self-signed certificate.
    pub(super) fn https_address(&self) -> Option<&str> {
        self.https.get().map(|door| door.address.as_str())
    }

    /// Whether a peer can be asked something now without dialling first.
    pub(super) fn in_reach(&self, peer: &Peer) -> bool {
        peer.peer_id().is_some_and(|id| self.transport.is_connected(&id)) || !peer.https().is_empty()
    }

    /// The way to a peer: its connection, a new one, or its HTTPS door (NET-9.3).
    async fn way(&self, peer: &Peer, id: &str) -> Result<Way, NodeError> {
        let (multiaddrs, doors) = (peer.multiaddrs(), peer.https());
        if self.transport.is_connected(id) {
            return Ok(Way::Libp2p);
        }
        if doors.is_empty() {
            self.transport.connect(id, &multiaddrs).await?;
            return Ok(Way::Libp2p);
        }
        if multiaddrs.is_empty() || self.ways.detour(id) {
            return Ok(Way::Https(doors));
        }
        match self.transport.connect(id, &multiaddrs).await {
            Ok(_) => Ok(Way::Libp2p),
            Err(error) => {
                tracing::info!(peer = id, %error, "not reached by libp2p; its HTTPS door is tried");
                self.ways.take_detour(id);
                Ok(Way::Https(doors))
            }
        }
    }

    /// Carries a request to a peer by whatever way there is. `data`: its answer may be as long as it takes.
    pub(super) async fn carry(
        &self,
        peer: &Peer,
        target: &str,
        data: bool,
        request: impl Fn() -> Result<Request<Body>, NodeError>,
    ) -> Result<Response<AnswerBody>, NodeError> {
        let id = peer.peer_id().ok_or_else(|| NodeError::refused(Code::NotPaired, peer.did()))?;
        // Whoever asks cannot tell what was lost.
        let lost = || Err(TransportError::ConnectionLost { peer: id.clone() }.into());
        match self.link.as_ref().map_or(Fate::Pass, |link| link.fate(target)) {
            Fate::Pass => {}
            Fate::Late(while_others_go) => tokio::time::sleep(while_others_go).await,
            Fate::Lost => return lost(),
            Fate::Unanswered => {
                drop(self.conveyed(peer, &id, target, data, &request).await?);
                return lost();
            }
            Fate::Twice => drop(self.conveyed(peer, &id, target, data, &request).await?),
        }
        self.conveyed(peer, &id, target, data, &request).await
    }

    async fn conveyed(
        &self,
        peer: &Peer,
        id: &str,
        target: &str,
        data: bool,
        request: impl Fn() -> Result<Request<Body>, NodeError>,
    ) -> Result<Response<AnswerBody>, NodeError> {
        let doors = match self.way(peer, id).await {
            // ID-10.5: it may have another identity on the network now.
            Err(error) if error.code() == Code::PeerMismatch && self.meet(peer).await => {
                let met = self.peer(&peer.did()).await?.and_then(|peer| peer.peer_id());
                let id = met.ok_or(error)?;
                return Ok(self.transport.request(&id, request()?).await?);
            }
            found => found?,
        };
        let doors = match doors {
            Way::Libp2p => return Ok(self.transport.request(id, request()?).await?),
            Way::Https(doors) => doors,
        };
        let mut failed = None;
        for (url, reach) in doors {
            let url = format!("{url}{target}");
            let answer = if data {
                self.client.request_within(&url, request()?, &reach, self.client.times()).await
            } else {
                self.client.request(&url, request()?, &reach).await
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.ways.lose(id);
                    let next = nothing_sent(&error);
                    failed = Some(error);
                    if !next {
                        break;
                    }
                }
            }
        }
        Err(failed.unwrap_or(TransportError::NotConnected { peer: id.to_owned() }).into())
    }
}

/// Whether a request certainly did not go out, so that it may go to the peer's next door. // NET-5.7
fn nothing_sent(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::AddressRefused { .. }
            | TransportError::BadAddress { .. }
            | TransportError::Resolve { .. }
            | TransportError::DialFailed { .. }
    )
}
