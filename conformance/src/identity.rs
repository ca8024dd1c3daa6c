//! Who takes part (spec chapter 02): the suite's own identity, from root key to key set and participant statement, and
//! what a ticket says of the node under test, checked from the bytes up.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;

use crate::{
    encoding::{b64url, did, fixed, from_b64url, from_did, from_multibase, multibase, peer_id},
    json::{Json, object},
    jws::{self, Parts},
    refusal::{Refusal, ensure},
};

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// Random bytes from the system; the suite cannot run without.
pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(bytes)
}

/// An identity of the suite with its secret keys.
pub struct Identity {
    /// Root key.
    pub root: SigningKey,
    /// Signs acts.
    pub signing: SigningKey,
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Is the libp2p host key.
    pub transport: SigningKey,
    /// Cosigns others' checkpoints.
    pub witness: SigningKey,
    /// Compact JWS of key set 1.
    pub keys: String,
    /// Compact JWS of the participant statement.
    pub statement: String,
}

impl Identity {
    /// Makes a fresh participant that takes the consumer's role.
    pub fn fresh(name: &str, country: &str) -> Result<Self, String> {
        let key = || random().map(|seed| SigningKey::from_bytes(&seed));
        Ok(Self::from_keys([key()?, key()?, key()?, key()?, key()?], name, country, now()))
    }

    /// Makes a participant of given keys: root, signing, log, transport, witness.
    #[must_use]
    pub fn from_keys(keys: [SigningKey; 5], name: &str, country: &str, at: i64) -> Self {
        let [root, signing, log, transport, witness] = keys;
        let public = |key: &SigningKey| Json::from(multibase(&key.verifying_key().to_bytes()));
        let iss = did(&root.verifying_key().to_bytes());
        let set = object([
            ("v", 1.into()),
            ("iss", iss.as_str().into()),
            ("number", 1.into()),
            ("signing", public(&signing)),
            ("log", public(&log)),
            ("transport", public(&transport)),
            ("witness", public(&witness)),
            ("valid_from", (at - 60).into()),
            ("revoked", Vec::new().into()),
        ]);
        let statement = object([
            ("v", 1.into()),
            ("iss", iss.into()),
            ("name", name.into()),
            ("country", country.into()),
            ("size", "sme".into()),
            ("roles", vec!["consumer".into()].into()),
            ("at", (at - 60).into()),
        ]);
        let keys = jws::sign("dxp-keys+jws", 0, &root, &set);
        let statement = jws::sign("dxp-participant+jws", 0, &root, &statement);
        Self { root, signing, log, transport, witness, keys, statement }
    }

    /// The participant's name in every document.
    #[must_use]
    pub fn did(&self) -> String {
        did(&self.root.verifying_key().to_bytes())
    }

    /// The name of the log's first shard.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("naru/{}/0", multibase(&self.root.verifying_key().to_bytes()))
    }

    /// The libp2p peer id.
    #[must_use]
    pub fn peer_id(&self) -> String {
        peer_id(&self.transport.verifying_key().to_bytes())
    }
}

/// Opens a statement that the root named in its `iss` must have signed.
pub fn open_rooted(typ: &str, text: &str) -> Result<Json, Refusal> {
    let parts = Parts::parse(typ, text)?;
    let root = parts
        .payload
        .text("iss")
        .and_then(from_did)
        .ok_or_else(|| Refusal::malformed("iss is no did:key"))?;
    ensure(
        parts.header.key == root && parts.header.key_set == 0,
        "not_by_root",
        "not signed by the root key",
    )?;
    parts.verify()?;
    ensure(parts.payload.integer("v") == Some(1), "malformed", "v is not 1")?;
    Ok(parts.payload)
}

fn exactly(json: &Json, members: &[&str]) -> Result<(), Refusal> {
    let keys = json.keys();
    ensure(keys == members, "malformed", format!("members {keys:?} instead of {members:?}"))
}

/// Checks the payload of a participant statement.
pub fn check_participant(statement: &Json) -> Result<(), Refusal> {
    exactly(statement, &["at", "country", "iss", "name", "roles", "size", "v"])?;
    let text = |name: &str| statement.text(name).unwrap_or_default();
    let country = text("country");
    let letters = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    ensure(letters, "malformed", "country is not two capital letters")?;
    ensure(["sme", "mid", "large"].contains(&text("size")), "malformed", "size")?;
    let roles: Vec<&str> = statement.list("roles").iter().filter_map(Json::as_text).collect();
    let known = [&["consumer"][..], &["provider"], &["consumer", "provider"]].contains(&roles.as_slice());
    ensure(known && roles.len() == statement.list("roles").len(), "malformed", "roles")?;
    ensure(statement.integer("at").is_some_and(|at| at >= 0), "malformed", "at")?;
    ensure(plain_name(text("name")), "malformed", "name")
}

/// A name that may be shown (ID-4.3): not empty, no controls, nothing invisible or that turns the direction of writing.
#[must_use]
pub fn plain_name(name: &str) -> bool {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    (1..=256).contains(&name.len())
        && name.trim() == name
        && !name.contains(|c: char| c.is_control() || hidden(c))
}

/// Opens a participant statement and returns its payload.
pub fn open_statement(text: &str) -> Result<Json, Refusal> {
    let statement = open_rooted("dxp-participant+jws", text)?;
    check_participant(&statement)?;
    Ok(statement)
}

/// That an earlier key set is not to be trusted from a second on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Number of the key set.
    pub number: i64,
    /// The second.
    pub at: i64,
    /// Whether its log key falls too.
    pub log: bool,
}

/// A key set of a participant, verified up to its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// DID of the root that signed it.
    pub iss: String,
    /// Its number.
    pub number: i64,
    /// Verifies acts.
    pub signing: [u8; 32],
    /// Verifies checkpoints.
    pub log: [u8; 32],
    /// Is the libp2p host key.
    pub transport: [u8; 32],
    /// Verifies cosignatures.
    pub witness: [u8; 32],
    /// Second from which it is valid.
    pub valid_from: i64,
    /// What it revokes.
    pub revoked: Vec<Revocation>,
}

impl KeySet {
    /// Opens a key set.
    pub fn open(text: &str) -> Result<Self, Refusal> {
        let set = open_rooted("dxp-keys+jws", text)?;
        exactly(
            &set,
            &["iss", "log", "number", "revoked", "signing", "transport", "v", "valid_from", "witness"],
        )?;
        let key =
            |name: &str| set.text(name).and_then(from_multibase).ok_or_else(|| Refusal::malformed(name));
        let seconds = |json: &Json, name: &str| {
            json.integer(name).filter(|value| *value >= 0).ok_or_else(|| Refusal::malformed(name))
        };
        let mut revoked = Vec::new();
        for item in set.list("revoked") {
            exactly(item, &["at", "log", "number"])?;
            let log = item.get("log") == Some(&Json::Bool(true));
            ensure(log || item.get("log") == Some(&Json::Bool(false)), "malformed", "log is no bool")?;
            revoked.push(Revocation { number: seconds(item, "number")?, at: seconds(item, "at")?, log });
        }
        let set = Self {
            iss: set.text("iss").unwrap_or_default().to_owned(),
            number: seconds(&set, "number")?,
            signing: key("signing")?,
            log: key("log")?,
            transport: key("transport")?,
            witness: key("witness")?,
            valid_from: seconds(&set, "valid_from")?,
            revoked,
        };
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), Refusal> {
        ensure(self.number >= 1, "malformed", "number")?;
        let earlier = self.revoked.iter().all(|r| (1..self.number).contains(&r.number));
        let ordered = self.revoked.is_sorted_by(|a, b| a.number < b.number) && self.revoked.len() <= 64;
        ensure(earlier && ordered, "malformed", "revoked")?;
        let mut keys = vec![self.signing, self.log, self.transport, self.witness];
        keys.extend(from_did(&self.iss));
        keys.sort_unstable();
        keys.dedup();
        ensure(keys.len() == 5, "malformed", "one key for two purposes")
    }
}

/// The key sets of one participant that were accepted, in order.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    sets: Vec<(KeySet, String)>,
}

impl Ring {
    /// Offers a key set of `did`: `new` if it is taken, `known` if it already was.
    pub fn offer(&mut self, did: &str, text: &str) -> Result<&'static str, Refusal> {
        let set = KeySet::open(text)?;
        ensure(set.iss == did, "not_by_root", "of another participant")?;
        if self.sets.iter().any(|(_, known)| known == text) {
            return Ok("known");
        }
        if let Some((newest, _)) = self.sets.last() {
            ensure(set.number > newest.number, "keys_refused", "its number is not above the newest")?;
            ensure(set.valid_from >= newest.valid_from, "keys_refused", "valid before its predecessor")?;
            let kept = |old: &Revocation| {
                set.revoked.iter().any(|r| r.number == old.number && r.at == old.at && (r.log || !old.log))
            };
            ensure(newest.revoked.iter().all(kept), "keys_refused", "takes a revocation back")?;
        }
        for (old, _) in &self.sets {
            let Some(revocation) = set.revoked.iter().find(|r| r.number == old.number) else { continue };
            let mut fallen = vec![old.signing, old.transport, old.witness];
            fallen.extend(revocation.log.then_some(old.log));
            let kept =
                [set.signing, set.log, set.transport, set.witness].iter().any(|key| fallen.contains(key));
            ensure(!kept, "keys_refused", "keeps a key that it revokes")?;
        }
        self.sets.push((set, text.to_owned()));
        Ok("new")
    }

    /// The key set of a number, if it may sign at `now` and `min` is the lowest that counts.
    pub fn signer(&self, number: i64, min: i64, now: i64) -> Result<&KeySet, Refusal> {
        ensure(number > 0, "key_unknown", "the root key signs statements only")?;
        ensure(number >= min, "key_too_old", format!("key set {number}, at least {min} is due"))?;
        let found = self.sets.iter().find(|(set, _)| set.number == number);
        let (set, _) = found.ok_or_else(|| Refusal::new("key_unknown", format!("no key set {number}")))?;
        let newest = self.sets.last().map_or(&[][..], |(newest, _)| &newest.revoked);
        ensure(newest.iter().all(|r| r.number != number), "key_revoked", format!("key set {number}"))?;
        ensure(now + 60 >= set.valid_from, "key_not_yet", format!("key set {number}"))?;
        Ok(set)
    }
}

/// A ticket: how to reach the node under test and what lets a stranger in once.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Multiaddresses and HTTPS doors, best first.
    pub addresses: Vec<String>,
    /// DID of the node.
    pub did: String,
    /// Its key set.
    pub keys: KeySet,
    /// Its key set as text.
    pub keys_text: String,
    /// Its participant statement as text.
    pub statement: String,
    /// Payload of the statement.
    pub participant: Json,
    /// The secret as it stands in the ticket.
    pub secret: String,
    /// Second from which it is void.
    pub expires: i64,
}

impl Ticket {
    /// Reads `naru1…` at a time; both statements must be signed by one root.
    pub fn parse(text: &str, now: i64) -> Result<Self, Refusal> {
        let bad = |why: &str| Refusal::new("ticket_malformed", why);
        ensure(text.len() <= 24 << 10, "ticket_malformed", "larger than 24 KiB")?;
        let bytes = text.trim().strip_prefix("naru1").and_then(from_b64url);
        let bytes = bytes.ok_or_else(|| bad("not naru1 and base64url"))?;
        let json = Json::parse(&bytes).map_err(|error| bad(&error.to_string()))?;
        ensure(json.canonical().as_bytes() == bytes, "ticket_malformed", "not canonical")?;
        exactly(&json, &["addresses", "expires", "keys", "participant", "secret", "v"])
            .map_err(|refusal| refusal.shaped("ticket_malformed"))?;
        ensure(json.integer("v") == Some(1), "ticket_malformed", "v is not 1")?;
        let secret = json.text("secret").unwrap_or_default().to_owned();
        ensure(fixed::<16>(&secret).is_some(), "ticket_malformed", "the secret is not sixteen bytes")?;
        let addresses: Vec<String> =
            json.list("addresses").iter().filter_map(Json::as_text).map(str::to_owned).collect();
        let complete = addresses.len() == json.list("addresses").len() && (1..=8).contains(&addresses.len());
        ensure(complete && addresses.iter().all(|a| plain_address(a)), "ticket_malformed", "addresses")?;
        let expires = json.integer("expires").ok_or_else(|| bad("no expiry"))?;
        ensure(expires <= now + 30 * 86_400, "ticket_malformed", "lives longer than 30 days")?;
        ensure(now < expires, "ticket_expired", "its time is over")?;
        let statement = json.text("participant").unwrap_or_default().to_owned();
        let participant = open_statement(&statement)?;
        let keys_text = json.text("keys").unwrap_or_default().to_owned();
        let keys = KeySet::open(&keys_text)?;
        ensure(
            participant.text("iss") == Some(&keys.iss),
            "not_by_root",
            "statement and keys have different roots",
        )?;
        Ok(Self {
            addresses,
            did: keys.iss.clone(),
            keys,
            keys_text,
            statement,
            participant,
            secret,
            expires,
        })
    }

    /// The libp2p peer id that must answer.
    #[must_use]
    pub fn peer_id(&self) -> String {
        peer_id(&self.keys.transport)
    }

    /// Writes a ticket for an identity: what the suite's own tests hand to its client.
    #[must_use]
    pub fn write(identity: &Identity, addresses: &[String], secret: &[u8; 16], expires: i64) -> String {
        let addresses: Vec<Json> = addresses.iter().map(|address| address.as_str().into()).collect();
        let json = object([
            ("v", 1.into()),
            ("addresses", addresses.into()),
            ("participant", identity.statement.as_str().into()),
            ("keys", identity.keys.as_str().into()),
            ("secret", b64url(secret).into()),
            ("expires", expires.into()),
        ]);
        format!("naru1{}", b64url(json.canonical().as_bytes()))
    }
}

/// A multiaddress by its looks, or the origin of an HTTPS door: printable ASCII without spaces, at most 256 bytes.
fn plain_address(text: &str) -> bool {
    let looks = (2..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    looks && (text.starts_with('/') || text.strip_prefix("https://").is_some_and(origin))
}

/// `host[:port]`, perhaps with `/#sha256=` and the digest of a certificate behind it.
fn origin(text: &str) -> bool {
    let (authority, pin) = text.split_once("/#sha256=").map_or((text, None), |(a, pin)| (a, Some(pin)));
    if pin.is_some_and(|pin| fixed::<32>(pin).is_none()) {
        return false;
    }
    // Brackets keep the colons of an IPv6 address apart from that of a port.
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after..].find(':') {
        Some(colon) => (&authority[..after + colon], Some(&authority[after + colon + 1..])),
        None => (authority, None),
    };
    let named = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    let numbered = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let digits = |port: &str| !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    (named(host) || numbered(host)) && port.is_none_or(|port| digits(port) && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back_and_no_altered_one() {
        let identity = Identity::fresh("시험 상대", "KR").unwrap();
        let at = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
        let text = Ticket::write(&identity, &at, &[5; 16], 1_000);
        let ticket = Ticket::parse(&text, 999).unwrap();
        assert_eq!((ticket.did.as_str(), ticket.peer_id()), (identity.did().as_str(), identity.peer_id()));
        assert_eq!(Ticket::parse(&text, 1_000).unwrap_err().code, "ticket_expired");
        let other = Identity::fresh("another", "DE").unwrap();
        let mixed = Identity { statement: other.statement, ..identity };
        let mixed = Ticket::write(&mixed, &at, &[5; 16], 1_000);
        assert_eq!(Ticket::parse(&mixed, 999).unwrap_err().code, "not_by_root");
        for bad in [text.replacen("naru1", "naru2", 1), text[..text.len() - 2].to_owned()] {
            assert_eq!(Ticket::parse(&bad, 999).unwrap_err().code, "ticket_malformed");
        }
    }
}
