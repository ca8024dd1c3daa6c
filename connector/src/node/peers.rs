//! First contact and pinned peers: tickets, statements, key sets (spec chapter 02).
//!
//! What a peer says of itself is pinned with the operator's confirmation of its fingerprint and logged; legal identity is
//! not proven by it.

use std::sync::{Arc, PoisonError};

use naru_protocol::{
    act::{Method, Path, Request, check_token, peek_token},
    encoding::{Digest, Id},
    error::Code,
    identity::{Did, PinnedPeer, fingerprint, peer_id},
    json, limits,
    log::{
        checkpoint::Origin,
        entry::{EntryDraft, EntryType, FieldKey, Genesis, NodeKey, Side},
    },
    ticket::{Address, Secret, Ticket},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

use super::{
    Node, NodeError,
    events::Happened,
    link::Answered,
    now,
    verbs::{Accept, IssueTicket, PeerName, PeerView, TicketText, Trust},
};
use crate::{
    config,
    store::{
        Batch, Counted, KeySetRow, MAX_ROWS, PeerRow, PeerStatus, Speaks, TicketChange, TicketRow,
        TicketState, reshard::SUPERSEDES,
    },
    transport::{Direction, Door, Peer as Connected},
};

/// A peer as it was pinned.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) row: PeerRow,
    pub(super) pinned: PinnedPeer,
    /// A person compared its fingerprint; otherwise a ticket of ours alone vouches for it.
    pub(super) confirmed: bool,
}

impl Peer {
    pub(super) fn did(&self) -> String {
        self.pinned.did().to_string()
    }

    /// The identity on the network of its newest key set.
    pub(super) fn peer_id(&self) -> Option<String> {
        self.pinned.ring().newest().map(|set| peer_id(&set.transport))
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        serde_json::from_str(&self.row.addresses).unwrap_or_default()
    }

    fn view(&self, connected: Option<String>) -> PeerView {
        PeerView {
            alias: self.row.alias.clone(),
            did: self.did(),
            name: self.row.name.clone(),
            country: self.row.country.clone(),
            speaks: Speaks::Dxp.to_string(),
            fingerprint: fingerprint(self.pinned.did()),
            status: self.row.status.to_string(),
            confirmed: self.confirmed,
            connected,
            expects: None,
        }
    }
}

/// What a redeemer sends (API-1.1).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Redemption {
    v: json::V1,
    secret: String,
    keys: String,
    participant: String,
    /// Where the redeemer may be reached; empty when it only dials out.
    addresses: Vec<String>,
}

pub(super) fn random_id() -> Result<Id, NodeError> {
    loop {
        let id = config::random().map(Id).map_err(|e| NodeError::Folder(format!("no random bytes: {e}")))?;
        // People type ids: one that begins with `-` reads as a flag.
        if !id.to_string().starts_with('-') {
            return Ok(id);
        }
    }
}

impl Node {
    pub(super) fn node_key(&self) -> NodeKey {
        NodeKey::from_bytes(self.me.secret().private.0)
    }

    /// Entry 0 and the node's own statements, once.
    pub(super) async fn genesis(&self) -> Result<(), NodeError> {
        if self.store.head().await?.is_some() {
            return self.own_keys().await;
        }
        let me = &self.me;
        let (key, at) = (self.node_key(), now());
        let shard = Origin::parse(&me.origin).map_err(|e| NodeError::Folder(e.to_string()))?.shard;
        // LOG-9.3: what a restored node knows of its log of before.
        let supersedes = self.store.meta(SUPERSEDES).await?;
        let genesis = Genesis { root: *me.did.root_key(), log_key: me.keys.log, shard, supersedes };
        let mut entries = vec![EntryDraft::genesis(&genesis, &key, random_id()?, at)];
        let keys = me.sets.iter().map(|(_, jws)| (EntryType::Keys, jws));
        for (kind, jws) in std::iter::once((EntryType::Participant, &me.statement)).chain(keys) {
            entries.push(self.statement_entry(kind, jws, Side::Own, at)?);
        }
        let mut after = None;
        // What is still offered is in the log that peers see now (CAT-2.3); a new node offers nothing yet.
        loop {
            let page = self.store.datasets(after.as_deref(), false, MAX_ROWS).await?;
            for row in &page {
                entries.push(self.statement_entry(EntryType::Listing, &row.listing, Side::Own, at)?);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
        }
        self.store.commit(Batch { entries, key_sets: self.own_rows(), ..Batch::default() }).await?;
        Ok(())
    }

    pub(super) fn statement_entry(
        &self,
        kind: EntryType,
        jws: &str,
        side: Side,
        at: u64,
    ) -> Result<EntryDraft, NodeError> {
        let mut entry = EntryDraft::own(kind, random_id()?, at);
        entry.side = side;
        let digest = Digest::of(jws.as_bytes());
        entry.field("statement", object!(digest), FieldKey::Node(self.node_key()));
        Ok(entry)
    }

    /// A peer by DID, as pinned.
    pub(super) async fn peer(&self, did: &str) -> Result<Option<Arc<Peer>>, NodeError> {
        let cached = self.peers.lock().unwrap_or_else(PoisonError::into_inner).get(did).cloned();
        if cached.is_some() {
            return Ok(cached);
        }
        let row = self.store.peer(did).await?.filter(|row| row.speaks == Speaks::Dxp);
        let Some(row) = row else { return Ok(None) };
        let sets = self.store.key_sets(did, 1, MAX_ROWS).await?;
        let pinned = PinnedPeer::pin(&row.statement, sets.iter().map(|s| s.jws.as_str()))?;
        let confirmed = self.store.meta(&confirmed(did)).await?.is_some();
        let peer = Arc::new(Peer { row, pinned, confirmed });
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(did.to_owned(), Arc::clone(&peer));
        Ok(Some(peer))
    }

    /// A peer by alias or DID; only an accepted one.
    pub(super) async fn named(&self, name: &str) -> Result<Arc<Peer>, NodeError> {
        let did = match self.store.peer_by_alias(name).await? {
            Some(row) => row.did,
            None => name.to_owned(),
        };
        match self.peer(&did).await? {
            Some(peer) if peer.row.status == PeerStatus::Accepted => Ok(peer),
            Some(peer) if peer.row.status == PeerStatus::Blocked => Err(NodeError::refused(
                Code::PeerBlocked,
                format!("{name} is distrusted here; `naru accept` trusts it again"),
            )),
            Some(_) => Err(NodeError::refused(
                Code::NotPaired,
                format!("{name} is not accepted yet; `naru accept` does that"),
            )),
            None => Err(NodeError::refused(Code::PeerNotNamed, format!("{name:?}"))),
        }
    }

    /// Tells the transport which peers are known, so that their connections are kept, and which are accepted, so that this node
    /// is a relay for them if it is one.
    pub(super) async fn introduce(&self) -> Result<(), NodeError> {
        let (mut known, mut accepted) = (Vec::new(), Vec::new());
        let rows = self.store.peers(None, MAX_ROWS).await?;
        for row in rows.into_iter().filter(|row| row.status != PeerStatus::Blocked) {
            let Some(id) = self.peer(&row.did).await?.and_then(|p| p.peer_id()) else { continue };
            if row.status == PeerStatus::Accepted {
                accepted.push(id.clone());
            }
            known.push(id);
        }
        self.transport.set_known(known.iter().map(String::as_str));
        self.transport.set_served(accepted.iter().map(String::as_str));
        Ok(())
    }

    /// Makes a ticket with a single-use secret.
    pub async fn issue_ticket(&self, ask: IssueTicket) -> Result<TicketText, NodeError> {
        if ask.ttl == 0 || ask.ttl > limits::TICKET_SECONDS {
            let why = format!("a ticket lives 1 to {} seconds", limits::TICKET_SECONDS);
            return Err(NodeError::refused(Code::ArgumentInvalid, why));
        }
        let at = now();
        let secret = config::random::<16>().map_err(|e| NodeError::Folder(e.to_string()))?;
        let secret = Secret::of(secret);
        let addresses: Result<Vec<_>, _> = self.addresses().iter().map(|a| Address::parse(a)).collect();
        if addresses.as_ref().is_ok_and(Vec::is_empty) {
            return Err(NodeError::refused(
                Code::ConfigInvalid,
                "this node only dials out (naru.toml, listen, port = 0), so that nobody could redeem a ticket of it: let \
                 the partner issue one",
            ));
        }
        let ticket = Ticket::new(
            addresses?,
            self.me.statement.clone(),
            self.me.key_set.clone(),
            secret,
            at + ask.ttl,
        )?;
        let open = Counted::OpenTickets(at);
        self.room(open, limits::TICKETS_OPEN, "tickets can still be redeemed").await?;
        let row = TicketRow {
            secret_hash: ticket.secret().digest(),
            expires: at + ask.ttl,
            auto_accept: ask.auto_accept,
            redeemed_by: None,
            state: TicketState::Open,
            created: at,
        };
        self.store.commit(Batch { tickets: vec![TicketChange::Issue(row)], ..Batch::default() }).await?;
        Ok(TicketText { ticket: ticket.encode()?, fingerprint: fingerprint(&self.me.did) })
    }

    /// Where others reach this node, with its peer id, and last by HTTPS.
    pub(super) fn addresses(&self) -> Vec<String> {
        let suffix = format!("/p2p/{}", self.me.peer_id());
        let advertised = self.network.get().map(|network| network.advertise.clone()).unwrap_or_default();
        // What a router passes on to an address of this machine is of no use to anybody but the router.
        let named = |address: &String| advertised.is_empty() || address.contains("/p2p-circuit");
        let listen =
            advertised.clone().into_iter().chain(self.transport.listen_addrs().into_iter().filter(named));
        let https = self.https_address().map(str::to_owned);
        // However many addresses this machine has, a ticket has room for the door.
        let room = limits::TICKET_ADDRESSES - usize::from(https.is_some());
        let listen = listen.map(|a| if a.ends_with(&suffix) { a } else { format!("{a}{suffix}") });
        listen.take(room).chain(https).collect()
    }

    /// Redeems a ticket: dials its issuer, proves who we are, and pins it.
    pub async fn trust(&self, ask: Trust) -> Result<PeerView, NodeError> {
        let ticket = Ticket::parse(&ask.ticket, now())?;
        let did = *ticket.peer().did();
        if did == self.me.did {
            return Err(NodeError::refused(Code::ArgumentInvalid, "this ticket is this node's own"));
        }
        same_fingerprint(&did, &ask.fingerprint)?;
        self.alias_for(&ask.alias, &did.to_string()).await?;
        let redemption = Redemption {
            v: json::V1,
            secret: ticket.secret().reveal(),
            keys: self.me.key_set.clone(),
            participant: self.me.statement.clone(),
            addresses: self.addresses(),
        };
        let addresses: Vec<String> = ticket.addresses().iter().map(|a| a.as_str().to_owned()).collect();
        let peer = Peer {
            row: row_of(ticket.peer(), ticket.participant(), &ask.alias, &addresses, PeerStatus::Accepted),
            pinned: ticket.peer().clone(),
            confirmed: true,
        };
        let body = json::to_canonical(&redemption)?;
        let path = Path::parse("/tickets").map_err(|e| NodeError::Folder(e.to_string()))?;
        let Answered { status, body, .. } = self.read(&peer, Method::Post, "/dxp/1", path, body).await?;
        if status != 200 && status != 202 {
            return Err(super::link::refusal(status, &body));
        }
        // Its listings may still be signed under sets of before the one in the ticket, which cannot be pinned later (ID-6.2).
        let first = peer.pinned.ring().newest().map_or(1, |set| set.number);
        let sets = if status == 200 && first > 1 && self.store.peer(&peer.row.did).await?.is_none() {
            self.all_keys(&peer).await?
        } else {
            vec![ticket.keys().to_owned()]
        };
        PinnedPeer::pin(&peer.row.statement, sets.iter().map(String::as_str))?;
        {
            let _one = self.pinning.lock().await;
            self.alias_for(&ask.alias, &peer.row.did).await?;
            self.pin(&peer.row, &sets, Vec::new(), true).await?;
        }
        let peer =
            self.peer(&peer.row.did).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, ask.alias))?;
        let mut view = peer.view(self.connected_to(&peer));
        if status == 202 {
            "waits to be accepted by the other side".clone_into(&mut view.status);
        }
        Ok(view)
    }

    /// Refuses a short name that could be taken for something else, or that another peer has.
    pub(super) async fn alias_for(&self, alias: &str, did: &str) -> Result<(), NodeError> {
        let wrong = |why: String| Err(NodeError::refused(Code::ArgumentInvalid, why));
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '/';
        if alias.is_empty() || alias.len() > 64 || !alias.chars().all(plain) || alias.starts_with("did:") {
            return wrong(format!("{alias:?} is no short name: 1 to 64 bytes, no space, no `/`, not a DID"));
        }
        match self.store.peer_by_alias(alias).await? {
            Some(row) if row.did != did => {
                wrong(format!("{alias} is the short name of {} ({})", row.name, row.did))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes a peer durable with its key set and the ticket that it redeemed, and logs it, in one commit; notes whether a person
    /// compared its fingerprint. The caller holds `pinning`.
    async fn pin(
        &self,
        row: &PeerRow,
        keys: &[String],
        tickets: Vec<TicketChange>,
        by_person: bool,
    ) -> Result<(), NodeError> {
        self.may_sign()?;
        if self.store.peer(&row.did).await?.is_none() {
            self.room(Counted::Peers, limits::PEERS, "peers are pinned").await?;
        }
        let at = now();
        let mut sets = Vec::new();
        for jws in keys {
            let number = naru_protocol::identity::verify_key_set(jws)?.payload().number;
            let digest = Digest::of(jws.as_bytes());
            sets.push(KeySetRow {
                did: row.did.clone(),
                number: u64::from(number),
                jws: jws.clone(),
                digest,
            });
        }
        let newest = sets.last().map(|set| set.digest);
        let mut entry = EntryDraft::own(EntryType::Peer, random_id()?, at);
        let key = || FieldKey::Node(self.node_key());
        entry.field("peer", object!(row.did), key());
        entry.field("participant", object!(Digest::of(row.statement.as_bytes())), key());
        entry.field("keys", object!(newest), key());
        entry.field("status", object!(row.status.as_str()), key());
        let mut batch = Batch {
            entries: vec![entry],
            peers: vec![row.clone()],
            key_sets: sets,
            tickets,
            meta: by_person.then(|| (confirmed(&row.did), at.to_string())).into_iter().collect(),
            ..Batch::default()
        };
        if row.status == PeerStatus::Accepted {
            batch.meta.push(self.trusted_again(&row.did));
        }
        self.store.commit(batch).await?;
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.did);
        self.introduce().await?;
        let peer = row.alias.clone();
        self.events.tell(Happened::Peer { peer: peer.clone(), change: row.status.to_string() });
        if row.status == PeerStatus::Pending {
            let about = "whether this peer is accepted: compare its fingerprint".to_owned();
            self.events.tell(Happened::Approval { exchange: None, peer, about });
        }
        Ok(())
    }

    /// (API-1.2) `POST /dxp/1/tickets`: the token is verified by the key set in the body, up to the `did:key` (ID-8).
    pub(super) async fn redeemed(
        &self,
        token: &str,
        content: &[u8],
        connected: &Connected,
    ) -> Result<u16, NodeError> {
        let redemption: Redemption = json::from_value(json::parse_lenient(content)?)?;
        let pinned = PinnedPeer::pin(&redemption.participant, [redemption.keys.as_str()])?;
        let unproven = |_| NodeError::refused(Code::TokenMalformed, "");
        peek_token(token).map_err(unproven)?;
        let request = Request {
            ring: pinned.ring(),
            min: 1,
            me: &self.me.did,
            method: Method::Post,
            path: "/tickets",
            now: now(),
        };
        check_token(token, &request, content).map_err(|e| NodeError::refused(e.code(), e.to_string()))?;
        match connected.door {
            Door::Libp2p => {
                let transport = pinned.ring().newest().map(|set| peer_id(&set.transport));
                if transport.as_ref() != Some(&connected.peer_id) {
                    return Err(NodeError::refused(
                        Code::KeyMismatch,
                        "the key set names another transport key",
                    ));
                }
            }
            // NET-9.2: the token, which the signing key of the set made for this content, says it all.
            Door::Https => {}
        }
        let secret = Secret::parse(&redemption.secret)?;
        let _one = self.pinning.lock().await;
        let void = || NodeError::refused(Code::TicketUnknown, "");
        let row = self.store.ticket(secret.digest()).await?.ok_or_else(void)?;
        let did = pinned.did().to_string();
        let again = row.state == TicketState::Redeemed && row.redeemed_by.as_deref() == Some(did.as_str());
        if !again && row.state == TicketState::Redeemed {
            return Err(NodeError::refused(Code::TicketUsed, ""));
        }
        if !again && (row.state != TicketState::Open || row.expires <= now()) {
            return Err(void());
        }
        if again && let Some(known) = self.peer(&did).await? {
            return Ok(if known.row.status == PeerStatus::Accepted { 200 } else { 202 });
        }
        let status = if row.auto_accept { PeerStatus::Accepted } else { PeerStatus::Pending };
        let addresses: Vec<String> =
            redemption.addresses.into_iter().filter(|a| Address::parse(a).is_ok()).take(16).collect();
        // Whoever is known keeps the name that it has here, and is no less accepted for a second ticket.
        let known = self.store.peer(&did).await?;
        let status = match &known {
            Some(row) if row.status != PeerStatus::Pending => row.status,
            Some(_) | None => status,
        };
        let alias = match known {
            Some(row) => row.alias,
            None => self.free_alias(&pinned.participant().name, &did).await?,
        };
        let peer = row_of(&pinned, &redemption.participant, &alias, &addresses, status);
        let change = TicketChange::Redeem { secret_hash: secret.digest(), by: did };
        self.pin(&peer, &[redemption.keys], vec![change], false).await?;
        Ok(if status == PeerStatus::Accepted { 200 } else { 202 })
    }

    /// A short name that no other peer has here: from the firm's name, or from its fingerprint.
    async fn free_alias(&self, name: &str, did: &str) -> Result<String, NodeError> {
        let plain = short_name(name);
        for alias in [plain.clone(), format!("{plain}-{}", &did[did.len().saturating_sub(6)..])] {
            match self.store.peer_by_alias(&alias).await? {
                Some(row) if row.did != did => {}
                Some(_) | None => return Ok(alias),
            }
        }
        Ok(did.to_owned())
    }

    /// Accepts a peer that redeemed one of our tickets, once the operator compared its fingerprint.
    pub async fn accept_peer(&self, ask: Accept) -> Result<PeerView, NodeError> {
        let did = match self.store.peer_by_alias(&ask.peer).await? {
            Some(row) => row.did,
            None => ask.peer.clone(),
        };
        let unknown = || NodeError::refused(Code::NotPaired, ask.peer.clone());
        let _one = self.pinning.lock().await;
        let peer = self.peer(&did).await?.ok_or_else(unknown)?;
        same_fingerprint(peer.pinned.did(), &ask.fingerprint)?;
        let row = PeerRow { status: PeerStatus::Accepted, ..peer.row.clone() };
        let keys = self.store.key_sets(&did, 1, MAX_ROWS).await?.pop().ok_or_else(unknown)?;
        self.pin(&row, &[keys.jws], Vec::new(), true).await?;
        let peer = self.peer(&did).await?.ok_or_else(unknown)?;
        Ok(peer.view(self.connected_to(&peer)))
    }

    /// All peers.
    pub async fn peers(&self) -> Result<Vec<PeerView>, NodeError> {
        let mut views = Vec::new();
        for row in self.store.peers(None, MAX_ROWS).await? {
            let view = match self.peer(&row.did).await? {
                Some(peer) => Some(peer.view(self.connected_to(&peer))),
                None => self.plain_peer(&row.did).map(|peer| peer.view()),
            };
            let Some(mut view) = view else { continue };
            let order = self.standing(&row.did).await?;
            view.expects = order.map(|order| format!("{} into {}", order.purpose, order.out.display()));
            views.push(view);
        }
        Ok(views)
    }

    fn connected_to(&self, peer: &Peer) -> Option<String> {
        let id = peer.peer_id()?;
        let Some(connection) = self.transport.connected().into_iter().find(|c| c.peer == id) else {
            return self.ways.heard().contains(&id).then(|| "peer asks by HTTPS".to_owned());
        };
        Some(match connection.direction {
            Direction::Outgoing => "we dialled".to_owned(),
            Direction::Incoming => "peer dialled".to_owned(),
        })
    }

    /// Opens a connection to a peer now.
    pub async fn dial(&self, ask: PeerName) -> Result<PeerView, NodeError> {
        let peer = self.named(&ask.peer).await?;
        let id = peer.peer_id().ok_or_else(|| NodeError::refused(Code::NotPaired, ask.peer))?;
        if peer.multiaddrs().is_empty() && !peer.https().is_empty() {
            // There is no connection to keep, but one to try.
            self.get(&peer, "/dxp/1", "/keys").await?;
        } else {
            self.transport.connect(&id, &peer.multiaddrs()).await?;
        }
        Ok(peer.view(self.connected_to(&peer)))
    }

    /// Closes all connections to a peer.
    pub async fn disconnect(&self, ask: PeerName) -> Result<PeerView, NodeError> {
        let peer = self.named(&ask.peer).await?;
        if let Some(id) = peer.peer_id() {
            self.transport.disconnect(&id).await?;
        }
        Ok(peer.view(self.connected_to(&peer)))
    }

    /// `GET /dxp/1/keys`: our key sets, newest last (API-1.3).
    pub(super) async fn key_sets(&self) -> Result<Value, NodeError> {
        let sets = self.store.key_sets(&self.me.did.to_string(), 1, MAX_ROWS).await?;
        let jws: Vec<String> = sets.into_iter().map(|s| s.jws).collect();
        Ok(object!({"v": 1, "participant": self.me.statement, "keys": jws}))
    }
}

/// Under which setting it is kept that a person compared a peer's fingerprint.
fn confirmed(did: &str) -> String {
    format!("confirmed:{did}")
}

/// The fingerprint that the operator was told is this participant's.
fn same_fingerprint(did: &Did, told: &str) -> Result<(), NodeError> {
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let own = fingerprint(did);
    if plain(told) == plain(&own) {
        return Ok(());
    }
    Err(NodeError::refused(Code::FingerprintDiffers, format!("it is {own}; nothing was sent or pinned")))
}

fn row_of(
    pinned: &PinnedPeer,
    statement: &str,
    alias: &str,
    addresses: &[String],
    status: PeerStatus,
) -> PeerRow {
    PeerRow {
        did: pinned.did().to_string(),
        alias: alias.to_owned(),
        country: pinned.participant().country.to_string(),
        name: pinned.participant().name.clone(),
        statement: statement.to_owned(),
        status,
        addresses: serde_json::to_string(addresses).unwrap_or_else(|_| "[]".to_owned()),
        ks_min: 1,
        speaks: Speaks::Dxp,
        pinned_at: now(),
    }
}

/// A firm's name as a short name: lower case, `-` for what is neither letter nor digit.
#[must_use]
pub(crate) fn short_name(name: &str) -> String {
    name.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}
