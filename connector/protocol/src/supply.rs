//! What a node is supplied with under several signatures: sets of rule packs, and short-lived data that rules read (spec
//! chapter 05, POL-18 and POL-19).
//!
//! A document counts if enough of the configured signers signed the same bytes, its time is not over, and its number is not
//! below that of the one accepted before. Says nothing of what is in a pack, and keeps nothing.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    encoding::{Digest, from_base64url, to_base64url},
    error::Code,
    json::{self, JsonError, V1},
    jws::{self, JwsError, Payload, SignatureEntry, Typ},
    limits,
    signature::{PublicKey, SigningKey},
};

/// One pack of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackLine {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: String,
    /// Digest of the pack (POL-2.6).
    pub digest: Digest,
}

/// Which packs are law from now on (POL-18.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackSet {
    /// Version.
    pub v: V1,
    /// Grows with each set.
    pub number: u64,
    /// Seconds.
    pub issued_at: u64,
    /// Until when it may be taken up.
    pub expires_at: u64,
    /// Sorted by name.
    pub packs: Vec<PackLine>,
}

impl Payload for PackSet {
    const TYP: Typ = Typ::Packs;
    const LIMIT: usize = limits::SUPPLY;

    fn check(&self) -> Result<(), &'static str> {
        if self.packs.is_empty() || self.packs.len() > limits::PACKS {
            return Err("packs");
        }
        if !self.packs.is_sorted_by(|one, other| one.name < other.name) {
            return Err("packs: not sorted by name");
        }
        if self.packs.iter().any(|pack| Revision::parse(&pack.revision).is_none()) {
            return Err("packs/revision");
        }
        in_order(self.number, self.issued_at, self.expires_at)
    }
}

/// What data of their own are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// Parties with whom nobody may deal: `{did}` or `{name}`, or both.
    Sanctions,
    /// Orders that stop trade, as in the operator's own facts.
    StopOrders,
}

impl DataKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sanctions, Self::StopOrders];

    /// The text in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sanctions => "sanctions",
            Self::StopOrders => "stop_orders",
        }
    }
}

/// Data that rules read and that are good for a while (POL-19.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedData {
    /// Version.
    pub v: V1,
    /// What they are about.
    pub kind: DataKind,
    /// Grows with each document of the kind.
    pub number: u64,
    /// Seconds.
    pub issued_at: u64,
    /// From then on they are stale.
    pub expires_at: u64,
    /// One object for each party or order.
    pub entries: Vec<Value>,
}

impl Payload for SignedData {
    const TYP: Typ = Typ::Data;
    const LIMIT: usize = limits::SUPPLY;

    fn check(&self) -> Result<(), &'static str> {
        if !self.entries.iter().all(Value::is_object) {
            return Err("entries");
        }
        // One that names nobody would be passed over in silence.
        let names =
            |entry: &Value| ["did", "name"].iter().any(|at| entry.get(*at).is_some_and(Value::is_string));
        if self.kind == DataKind::Sanctions && !self.entries.iter().all(names) {
            return Err("entries: neither did nor name");
        }
        in_order(self.number, self.issued_at, self.expires_at)
    }
}

fn in_order(number: u64, issued: u64, expires: u64) -> Result<(), &'static str> {
    if number == 0 || number > limits::INTEGER {
        return Err("number");
    }
    if issued >= expires || expires > limits::INTEGER {
        return Err("expires_at");
    }
    Ok(())
}

/// `2026-11-27.4`: a day, and which of that day; later ones are greater (POL-18.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u32, u32, u32, u32);

impl Revision {
    /// Reads the text; another form is no revision.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (day, number) = text.split_once('.')?;
        let mut parts = day.split('-');
        let (Some(year), Some(month), Some(date), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let digits = |text: &str, len: usize| {
            let all = text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| all)
        };
        // One text for one revision: `.04` would be the revision `.4` under another name.
        let plain = number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
        let number = number.parse::<u32>().ok().filter(|_| plain)?;
        Some(Self(digits(year, 4)?, digits(month, 2)?, digits(date, 2)?, number))
    }
}

/// A JWS in general JSON serialization with as many signatures as there are signers (POL-18.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The canonical bytes of the document, base64url.
    pub payload: String,
    /// Signatures over the same payload.
    pub signatures: Vec<SignatureEntry>,
}

impl Signed {
    /// The document under one signature.
    pub fn new<M: Payload>(document: &M, key: &SigningKey) -> Result<Self, JwsError> {
        let (bytes, entry) = jws::sign_entry(document, 0, key)?;
        Ok(Self { payload: to_base64url(&bytes), signatures: alloc::vec![entry] })
    }

    /// The same with one more signature.
    pub fn also<M: Payload>(mut self, key: &SigningKey) -> Result<Self, JwsError> {
        let (_, entry) = jws::sign_entry(&self.read::<M>()?, 0, key)?;
        self.signatures.push(entry);
        Ok(self)
    }

    /// What it says, whoever signed it.
    pub fn read<M: Payload>(&self) -> Result<M, JwsError> {
        let bytes = self.bytes::<M>()?;
        let document: M = json::parse_canonical(&bytes).map_err(JwsError::Payload)?;
        document.check().map_err(JwsError::Content)?;
        Ok(document)
    }

    fn bytes<M: Payload>(&self) -> Result<Vec<u8>, JwsError> {
        // Before it is decoded (ENC-7.6).
        if self.payload.len() > M::LIMIT {
            return Err(JwsError::TooLarge { size: self.payload.len(), limit: M::LIMIT });
        }
        from_base64url(&self.payload).map_err(|_| JwsError::Form)
    }

    /// Digest of the payload.
    pub fn digest<M: Payload>(&self) -> Result<Digest, JwsError> {
        Ok(Digest::of(&self.bytes::<M>()?))
    }

    /// The document, if enough signers signed it and its time is not over (POL-18.3).
    pub fn open<M: Payload + Timed>(&self, signers: &Signers, now: u64) -> Result<M, SupplyError> {
        let bytes = self.bytes::<M>()?;
        if self.signatures.len() > limits::SIGNERS {
            return Err(SupplyError::TooMany);
        }
        let mut signed = BTreeSet::new();
        for entry in &self.signatures {
            let read = jws::peek_entry::<M>(entry, &bytes)?;
            if read.header().ks != 0 {
                return Err(SupplyError::KeySet(read.header().ks));
            }
            // A line of somebody else says nothing; one of a signer that does not verify says that something was changed.
            let kid = read.header().kid;
            let Some(at) = signers.keys.iter().position(|key| *key == kid) else { continue };
            read.verify(&kid)?;
            signed.insert(at);
        }
        // After the lines: a document of another type is one before it is of another shape.
        let document = self.read::<M>()?;
        if signers.threshold == 0 || signed.len() < signers.threshold {
            return Err(SupplyError::Threshold { signed: signed.len(), needed: signers.threshold });
        }
        if now >= document.expires() {
            return Err(SupplyError::Expired(document.expires()));
        }
        // A signer whose clock runs ahead a little is believed; one who signs for later is not yet.
        if document.issued() > now.saturating_add(limits::SKEW_SECONDS) {
            return Err(SupplyError::Early(document.issued()));
        }
        Ok(document)
    }
}

/// A document that is good for a while.
pub trait Timed {
    /// When it was made.
    fn issued(&self) -> u64;
    /// From when on it is not good any more.
    fn expires(&self) -> u64;
}

impl Timed for PackSet {
    fn issued(&self) -> u64 {
        self.issued_at
    }

    fn expires(&self) -> u64 {
        self.expires_at
    }
}

impl Timed for SignedData {
    fn issued(&self) -> u64 {
        self.issued_at
    }

    fn expires(&self) -> u64 {
        self.expires_at
    }
}

/// Who may sign, and how many of them have to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// Each once.
    pub keys: Vec<PublicKey>,
    /// Signatures of different signers that are needed; 0 where nobody may sign.
    pub threshold: usize,
}

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupplyError {
    /// Its form, or a signature of a signer.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// More signatures than are looked at.
    #[error("more than {} signatures", limits::SIGNERS)]
    TooMany,
    /// A line of a key in a key set, which no signer of these has (POL-18.2); its number.
    #[error("signed by a key of key set {0}, and signers have none")]
    KeySet(u32),
    /// Not enough of the signers signed.
    #[error("{signed} of the configured signers signed it, {needed} are needed")]
    Threshold {
        /// Different signers whose signature verifies.
        signed: usize,
        /// How many there have to be.
        needed: usize,
    },
    /// Its time is over; since when.
    #[error("its time was over at {0}")]
    Expired(u64),
    /// It was made in the future; when.
    #[error("it says that it was made at {0}, which is still to come")]
    Early(u64),
}

impl SupplyError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Jws(error) => error.code(),
            Self::TooMany | Self::KeySet(_) => Code::Malformed,
            Self::Threshold { .. } => Code::SignersMissing,
            Self::Expired(_) => Code::SupplyExpired,
            Self::Early(_) => Code::ClockWrong,
        }
    }
}

/// Reads the JSON text of a document of this form, within the limit of supplies.
pub fn parse<M: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<M, JsonError> {
    if bytes.len() > limit {
        return Err(JsonError::TooLarge { size: bytes.len(), limit });
    }
    json::from_value(json::parse(bytes)?)
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec};

    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_424_400;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32])
    }

    fn set() -> PackSet {
        let line = |name: &str| PackLine {
            name: name.to_string(),
            revision: "2026-11-27.4".to_string(),
            digest: Digest::of(name.as_bytes()),
        };
        PackSet {
            v: V1,
            number: 3,
            issued_at: NOW,
            expires_at: NOW + 100,
            packs: vec![line("core"), line("kr")],
        }
    }

    fn two_of(keys: &[u8]) -> Signers {
        Signers { keys: keys.iter().map(|n| key(*n).public()).collect(), threshold: 2 }
    }

    /// POL-18.2, POL-18.3
    #[test]
    fn enough_different_signers_make_a_set() {
        let one = Signed::new(&set(), &key(1)).unwrap();
        let signers = two_of(&[1, 2, 3]);
        let missing = |signed: &Signed| signed.open::<PackSet>(&signers, NOW).unwrap_err();
        assert_eq!(missing(&one).code(), Code::SignersMissing);
        let twice = one.clone().also::<PackSet>(&key(1)).unwrap();
        assert_eq!(missing(&twice), SupplyError::Threshold { signed: 1, needed: 2 }, "one signer is one");
        let stranger = one.clone().also::<PackSet>(&key(9)).unwrap();
        assert_eq!(missing(&stranger), SupplyError::Threshold { signed: 1, needed: 2 });
        let both = one.clone().also::<PackSet>(&key(2)).unwrap();
        assert_eq!(both.open::<PackSet>(&signers, NOW), Ok(set()));
        assert_eq!(both.open::<PackSet>(&Signers::default(), NOW).unwrap_err().code(), Code::SignersMissing);
        let late = both.open::<PackSet>(&signers, NOW + 100).unwrap_err();
        assert_eq!(late.code(), Code::SupplyExpired);
        assert!(both.open::<PackSet>(&signers, NOW - 3600).is_err(), "made in the future");
        let mut broken = both.clone();
        broken.signatures[1].signature = one.signatures[0].signature.clone();
        assert_eq!(missing(&broken).code(), Code::SignatureInvalid);
        assert!(both.open::<SignedData>(&signers, NOW).is_err(), "of another type");
        let bytes = json::to_canonical(&both).unwrap();
        assert_eq!(parse::<Signed>(&bytes, limits::SUPPLY), Ok(both));
        assert!(
            parse::<Signed>(&bytes[1..], limits::SUPPLY).is_err() && parse::<Signed>(&bytes, 10).is_err()
        );
    }

    /// POL-18.1, POL-18.4
    #[test]
    fn sets_are_in_order_and_revisions_are_days() {
        let order: Vec<_> =
            ["2026-11-27.4", "2026-11-27.10", "2026-12-01.1", "2027-01-01.0"].map(Revision::parse).into();
        assert!(order.iter().all(Option::is_some) && order.is_sorted_by(|a, b| a < b));
        for text in [
            "",
            "1",
            "2026-11-27",
            "2026-11-27.",
            "2026-1-27.1",
            "2026-11-27.+1",
            "2026-11-27.01",
            "2026-11-27.1.2",
        ] {
            assert_eq!(Revision::parse(text), None, "{text}");
        }
        let bad = |change: fn(&mut PackSet)| {
            let mut other = set();
            change(&mut other);
            other.check().is_err()
        };
        assert!(set().check().is_ok());
        assert!(bad(|s| s.packs.reverse()) && bad(|s| s.packs.clear()) && bad(|s| s.number = 0));
        assert!(bad(|s| s.expires_at = NOW) && bad(|s| s.packs[0].revision = "new".to_string()));
    }

    /// POL-19.1
    #[test]
    fn data_name_parties_and_orders() {
        let data = |kind, entries: Value| SignedData {
            v: V1,
            kind,
            number: 1,
            issued_at: NOW,
            expires_at: NOW + 1,
            entries: entries.as_array().unwrap().clone(),
        };
        assert!(data(DataKind::Sanctions, json!([{"did": "did:key:x"}, {"name": "n"}])).check().is_ok());
        assert!(data(DataKind::StopOrders, json!([{"ref": "S-1"}])).check().is_ok());
        for entries in [json!([{}]), json!([{"nmae": "n"}]), json!([{"name": 7}]), json!(["n"])] {
            assert!(data(DataKind::Sanctions, entries.clone()).check().is_err(), "{entries}");
        }
    }
}
