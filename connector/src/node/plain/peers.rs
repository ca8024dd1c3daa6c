//! Peers that sign nothing: recorded by the operator, recognised by what the operator gave them (spec chapter 13, PLN-1, PLN-2).
//!
//! The secret in a peer's base path follows from a key of this node and a number: renewing it is counting on, revoking it is
//! forgetting the peer's place. What we send to a peer as `Authorization` is kept beside its row and shown to nobody.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use hyper::{HeaderMap, header};
use naru_protocol::{
    encoding::{Digest, to_base64url},
    error::Code,
    json, limits,
    log::entry::{EntryDraft, EntryType, FieldKey},
    plain::is_plain_id,
};
use serde::{Deserialize, Serialize};
use serde_json::json as object;

use crate::{
    node::{
        Node, NodeError, country,
        events::Happened,
        facts::Party,
        now,
        peers::random_id,
        verbs::{AddPlain, PeerView, PlainView},
    },
    store::{Batch, Counted, MAX_ROWS, PeerRow, PeerStatus, Speaks},
    transport::{Peer as Connected, https::Reach},
};

/// Longest text that is sent as `Authorization`, bytes.
const AUTHORIZATION: usize = 8 * 1024;
/// Bytes of the secret segment before its encoding.
const SECRET: usize = 24;

/// What the operator recorded about a plain peer, beside its row.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    v: json::V1,
    /// Base URL of its binding, without a slash at the end.
    pub(super) base: String,
    /// What we send as `Authorization`, byte for byte.
    authorization: Option<String>,
    /// Digest of what it sends as `Authorization`, where that is how it is known.
    header: Option<Digest>,
    /// Digest of the certificate that it shows, where that is how it is known.
    certificate: Option<Digest>,
    /// It is in our own network: loopback, private addresses and plain HTTP are taken for it.
    local: bool,
    /// Certificates that its servers may show beside those that the system trusts, PEM.
    trust: Option<String>,
    /// What the paper contract with it says that data are for.
    pub(super) purpose: Option<String>,
    /// Where it keeps and processes data.
    pub(super) countries: Vec<String>,
    /// Days after which data are deleted, where an offer does not say.
    pub(super) keep_days: Option<u32>,
    /// It is known by the secret in its base path.
    by_secret: bool,
    /// How often it was let in anew: counts on with each renewal, after blocking and where it is to show something else. Gives
    /// the secret, so that none ever comes back, and closes bearer tokens from before.
    pub(super) number: u32,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("local", &self.local)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// A peer that signs nothing.
#[derive(Debug)]
pub(in crate::node) struct PlainPeer {
    pub(in crate::node) row: PeerRow,
    pub(super) record: Record,
}

impl PlainPeer {
    /// Its participant id.
    pub(in crate::node) fn id(&self) -> &str {
        &self.row.did
    }

    /// As people see it.
    pub(in crate::node) fn view(&self) -> PeerView {
        PeerView {
            alias: self.row.alias.clone(),
            did: self.row.did.clone(),
            name: self.row.name.clone(),
            country: self.row.country.clone(),
            speaks: self.row.speaks.to_string(),
            fingerprint: String::new(),
            status: self.row.status.to_string(),
            confirmed: false,
            connected: None,
            expects: None,
        }
    }

    /// As policy sees it: its country is the operator's word, its size nobody's.
    pub(in crate::node) fn party(&self) -> Party {
        Party {
            did: self.row.did.clone(),
            country: self.row.country.clone(),
            size: "unknown".to_owned(),
            declared: serde_json::Map::new(),
        }
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.record.authorization.as_deref()
    }

    /// How its servers may be reached, and what we show them. Trusted certificates were read when it was recorded.
    pub(super) fn reach(&self, node: &Node) -> Result<Reach, NodeError> {
        let wrong = |e: String| NodeError::refused(Code::ConfigInvalid, e);
        let roots = self.record.trust.as_deref().map(crate::transport::https::certificates).transpose();
        let roots = roots.map_err(wrong)?.unwrap_or_default();
        Ok(Reach { local: self.record.local, roots, pins: Vec::new(), identity: node.identity() })
    }

    /// Whether this is an address of the peer: under the origin that the operator recorded (`[PLN-2.5]`).
    pub(super) fn is_its(&self, url: &str) -> bool {
        matches!((origin(url), origin(&self.record.base)), (Some(a), Some(b)) if a == b)
    }

    /// The address of a further page of its catalog; none if that would be somebody else's.
    pub(super) fn follow(&self, link: &str) -> Option<String> {
        let url = match link.starts_with('/') {
            true => format!("{}{link}", origin(&self.record.base)?),
            false => link.to_owned(),
        };
        self.is_its(&url).then_some(url)
    }

    /// Whether data may be fetched from or put to this address: a public one, or for a peer in our own network one on the
    /// host that the operator recorded (`[PLN-8.6]`). Gives how to reach it.
    pub(super) fn reach_of_data(&self, node: &Node, url: &str) -> Result<Reach, NodeError> {
        let same_host = matches!((host(url), host(&self.record.base)), (Some(a), Some(b)) if a == b);
        let reach = self.reach(node)?;
        Ok(Reach { local: reach.local && same_host, ..reach })
    }
}

/// Scheme, host and port of a URL, in lower case; none where it says who asks, or has a query or a fragment.
fn origin(url: &str) -> Option<String> {
    if url.contains(['?', '#', '@']) {
        return None;
    }
    let uri: hyper::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(usual);
    let named = uri
        .authority()?
        .as_str()
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_ok() || port.ends_with(']'));
    named.then(|| format!("{scheme}://{}:{port}", uri.host().unwrap_or_default().to_ascii_lowercase()))
}

fn host(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
    Some(uri.host()?.to_ascii_lowercase())
}

/// Who is known, by id and by what proves it.
#[derive(Debug, Default)]
struct Known {
    by_id: BTreeMap<String, Arc<PlainPeer>>,
    /// Digests of secrets, headers and certificates. A digest is looked up, so that time tells nothing about the secret.
    by_proof: BTreeMap<Digest, String>,
}

/// All plain peers, read from the store once.
#[derive(Debug, Default)]
pub(in crate::node) struct Registry(RwLock<Known>);

impl Registry {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Option<Arc<PlainPeer>> {
        self.read().by_id.get(id).cloned()
    }

    fn proven(&self, proof: &Digest) -> Option<Arc<PlainPeer>> {
        let known = self.read();
        let peer = known.by_id.get(known.by_proof.get(proof)?)?;
        (peer.row.status == PeerStatus::Accepted).then(|| Arc::clone(peer))
    }

    /// Who is known by this, whatever its status.
    fn named_by(&self, proof: &Digest) -> Option<String> {
        self.read().by_proof.get(proof).cloned()
    }

    fn put(&self, peer: PlainPeer, proofs: Vec<Digest>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let id = peer.row.did.clone();
        known.by_proof.retain(|_, of| *of != id);
        known.by_proof.extend(proofs.into_iter().map(|proof| (proof, id.clone())));
        known.by_id.insert(id, Arc::new(peer));
    }
}

/// Under which setting the record of a peer is kept.
fn setting(id: &str) -> String {
    format!("plain:{id}")
}

fn of_header(text: &str) -> Digest {
    Digest::of(&[b"header:", text.as_bytes()].concat())
}

fn of_certificate(digest: &Digest) -> Digest {
    Digest::of(format!("certificate:{digest}").as_bytes())
}

fn of_secret(secret: &str) -> Digest {
    Digest::of(&[b"secret:", secret.as_bytes()].concat())
}

impl Node {
    /// Reads all plain peers at a start.
    pub(in crate::node) async fn know_plain_peers(&self) -> Result<(), NodeError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.peers(after.as_deref(), MAX_ROWS).await?;
            for row in page.iter().filter(|row| row.speaks == Speaks::Plain) {
                let text = self.store.meta(&setting(&row.did)).await?.unwrap_or_default();
                let record: Record = serde_json::from_str(&text)
                    .map_err(|_| NodeError::refused(Code::StoreCorrupt, "the record of a plain peer"))?;
                self.take_in(row.clone(), record);
            }
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.did.clone());
        }
    }

    pub(super) fn take_in(&self, row: PeerRow, record: Record) {
        let mut proofs: Vec<Digest> = record.header.into_iter().collect();
        proofs.extend(record.certificate.as_ref().map(of_certificate));
        proofs.extend(self.secret_of(&row.did, &record).map(|secret| of_secret(&secret)));
        self.plain.put(PlainPeer { row, record }, proofs);
    }

    /// The secret segment of a peer's base path; none where it is known otherwise.
    fn secret_of(&self, id: &str, record: &Record) -> Option<String> {
        let number = record.number;
        let seed = &self.me.secret().private.0;
        let digest = Digest::of(&[seed.as_slice(), format!("plain:{number}:{id}").as_bytes()].concat());
        record.by_secret.then(|| to_base64url(digest.0.get(..SECRET).unwrap_or_default()))
    }

    /// A plain peer by participant id.
    pub(in crate::node) fn plain_peer(&self, id: &str) -> Option<Arc<PlainPeer>> {
        self.plain.get(id)
    }

    /// A plain peer by alias or participant id, if there is one of that name.
    pub(in crate::node) async fn plain_named(&self, name: &str) -> Result<Option<Arc<PlainPeer>>, NodeError> {
        let id = match self.store.peer_by_alias(name).await? {
            Some(row) => row.did,
            None => name.to_owned(),
        };
        match self.plain_peer(&id) {
            Some(peer) if peer.row.status != PeerStatus::Accepted => {
                let why = format!("{name} is distrusted here; `naru plain` records it anew");
                Err(NodeError::refused(Code::PeerBlocked, why))
            }
            other => Ok(other),
        }
    }

    /// The base of our binding that a peer is given: callbacks come there, and its own requests.
    pub(in crate::node) fn base_for(&self, peer: &PlainPeer) -> Result<String, NodeError> {
        let none = || {
            let why =
                "a peer that speaks plain DSP comes through the HTTPS door: naru.toml needs a table [https]";
            NodeError::refused(Code::ConfigInvalid, why)
        };
        let url = self.https_url().ok_or_else(none)?;
        Ok(match self.secret_of(peer.id(), &peer.record) {
            Some(secret) => format!("{url}/dsp/{secret}/2025-1"),
            None => format!("{url}/dsp/2025-1"),
        })
    }

    /// Who sends a request, with its target under the ordinary base; none for everybody who is not a plain peer.
    pub(super) fn plain_caller(
        &self,
        target: &str,
        headers: &HeaderMap,
        connected: &Connected,
    ) -> Option<(Arc<PlainPeer>, String)> {
        let rest = target.strip_prefix("/dsp/")?;
        let (segment, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if segment != "2025-1" {
            return self.plain.proven(&of_secret(segment)).map(|peer| (peer, format!("/dsp{after}")));
        }
        let by_certificate =
            connected.certificate.as_ref().and_then(|c| self.plain.proven(&of_certificate(c)));
        let text = || headers.get(header::AUTHORIZATION)?.to_str().ok();
        let peer = by_certificate.or_else(|| self.plain.proven(&of_header(text()?)))?;
        Some((peer, target.to_owned()))
    }

    /// Records a peer that signs nothing, or changes what is recorded about it.
    pub async fn add_plain(&self, ask: AddPlain) -> Result<PlainView, NodeError> {
        let wrong = |why: String| NodeError::refused(Code::ArgumentInvalid, why);
        if !is_plain_id(&ask.id) {
            let why = "no participant id of a plain peer: 1 to 256 visible characters, and no did:key, whose owner signs";
            return Err(wrong(format!("{:?}: {why}", ask.id)));
        }
        if !country::is_assigned(&ask.country) {
            return Err(wrong(format!("{:?} is no country code of ISO 3166-1", ask.country)));
        }
        country::known(&ask.countries)?;
        self.https_url().ok_or_else(|| self.base_for_nobody())?;
        let _one = self.pinning.lock().await;
        self.alias_for(&ask.alias, &ask.id).await?;
        let known = self.store.peer(&ask.id).await?;
        if known.as_ref().is_some_and(|row| row.speaks == Speaks::Dxp) {
            return Err(NodeError::refused(Code::Downgraded, "this participant's keys are known here"));
        }
        if known.is_none() {
            self.room(Counted::Peers, limits::PEERS, "peers are pinned").await?;
        }
        let before = self.plain_peer(&ask.id);
        // Whoever was blocked comes back with another secret: the one of before opens nothing any more.
        let renew = ask.renew || before.as_ref().is_some_and(|peer| peer.row.status == PeerStatus::Blocked);
        let record = self.recorded(&ask, before.as_ref().map(|peer| &peer.record), renew)?;
        for proof in record.header.iter().copied().chain(record.certificate.as_ref().map(of_certificate)) {
            if let Some(other) = self.plain.named_by(&proof).filter(|other| *other != ask.id) {
                let why = format!("{other} is known by the same header or certificate: each shows its own");
                return Err(NodeError::refused(Code::ArgumentInvalid, why));
            }
        }
        let row = PeerRow {
            did: ask.id,
            alias: ask.alias,
            country: ask.country,
            name: ask.name,
            statement: String::new(),
            status: PeerStatus::Accepted,
            addresses: object!([record.base]).to_string(),
            ks_min: 0,
            speaks: Speaks::Plain,
            pinned_at: now(),
        };
        self.keep_plain(row, record).await
    }

    fn base_for_nobody(&self) -> NodeError {
        let why = "this node has no HTTPS door, and a peer that speaks plain DSP has no other way in: naru.toml needs a \
                   table [https], as `naru init --https PORT` writes one";
        NodeError::refused(Code::ConfigInvalid, why)
    }

    fn recorded(&self, ask: &AddPlain, before: Option<&Record>, renew: bool) -> Result<Record, NodeError> {
        let wrong = |why: String| NodeError::refused(Code::ArgumentInvalid, why);
        let base = ask.url.trim_end_matches('/').to_owned();
        let local_only = base.starts_with("http://") && !ask.local;
        if origin(&base).is_none() || !(base.starts_with("https://") || base.starts_with("http://")) {
            return Err(wrong(format!("{base:?} is no URL such as https://partner.example/protocol/2025-1")));
        }
        if local_only {
            return Err(wrong("http:// is taken only for a peer in our own network (--local)".to_owned()));
        }
        let ip = host(&base).and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if let Some(kind) = ip.and_then(crate::transport::https::not_public).filter(|_| !ask.local) {
            return Err(wrong(format!(
                "{base}: {kind}; it is taken only for a peer in our own network (--local)"
            )));
        }
        let visible =
            |text: &String| text.len() <= AUTHORIZATION && hyper::header::HeaderValue::from_str(text).is_ok();
        if ask.authorization.iter().chain(&ask.header).any(|text| !visible(text)) {
            return Err(wrong(format!("not a header value of at most {AUTHORIZATION} bytes")));
        }
        let read = |pem: &String| crate::transport::https::certificates(pem).map_err(wrong);
        if let Some(pem) = &ask.trust {
            read(pem)?;
        }
        let shown = ask.certificate.as_ref().map(read).transpose()?;
        let certificate = shown.and_then(|all| all.first().map(|der| Digest::of(der)));
        let header = ask.header.as_deref().map(of_header);
        let otherwise = certificate.is_some() || header.is_some();
        let number = before.map_or(1, |before| {
            let anew = renew || before.header != header || before.certificate != certificate;
            before.number.saturating_add(u32::from(anew))
        });
        Ok(Record {
            v: json::V1,
            base,
            authorization: ask.authorization.clone(),
            header,
            certificate,
            local: ask.local,
            trust: ask.trust.clone(),
            purpose: ask.purpose.clone(),
            countries: if ask.countries.is_empty() {
                vec![ask.country.clone()]
            } else {
                ask.countries.clone()
            },
            keep_days: ask.keep_days,
            by_secret: !otherwise,
            number,
        })
    }

    /// Makes a plain peer durable and logs it, in one commit. The caller holds `pinning`.
    async fn keep_plain(&self, row: PeerRow, record: Record) -> Result<PlainView, NodeError> {
        self.may_sign()?;
        let mut entry = EntryDraft::own(EntryType::Peer, random_id()?, now());
        let key = || FieldKey::Node(self.node_key());
        entry.field("peer", object!(row.did), key());
        entry.field("unsigned", object!(true), key());
        entry.field("status", object!(row.status.as_str()), key());
        let text =
            serde_json::to_string(&record).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let mut meta = vec![(setting(&row.did), text)];
        if row.status == PeerStatus::Accepted {
            meta.push(self.trusted_again(&row.did));
        }
        let batch = Batch { entries: vec![entry], peers: vec![row.clone()], meta, ..Batch::default() };
        self.store.commit(batch).await?;
        let id = row.did.clone();
        self.take_in(row, record);
        let peer = self.plain_peer(&id).ok_or_else(|| NodeError::refused(Code::Internal, ""))?;
        let change = peer.row.status.to_string();
        self.events.tell(Happened::Peer { peer: peer.row.alias.clone(), change });
        Ok(PlainView {
            id,
            alias: peer.row.alias.clone(),
            base: self.base_for(&peer)?,
            participant: self.me.did.to_string(),
            status: peer.row.status.to_string(),
        })
    }
}
