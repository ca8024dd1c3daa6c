//! Log entries: a thin clear header and salted digests of everything else (spec chapter 08, LOG-6).
//!
//! A draft is sealed once its lane numbers are known; it then gives the leaf's bytes and the disclosures that are kept beside the
//! tree, shown one by one, and erased. Stores nothing and numbers nothing.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use super::{
    disclosure::{Disclosure, DisclosureError, ExchangeKey, FieldKey, LaneKey, NodeKey, Salt},
    kind::{EntryType, Side},
};
use super::{
    disclosure::{LANE, valid_country, valid_name},
    kind::Class,
    merkle::{Hash, leaf_hash},
};
use crate::{
    act::is_final,
    encoding::{Digest, Id},
    error::Code,
    json::{self, JsonError, V1},
    limits,
    signature::PublicKey,
};

/// Bytes of an entry, at most.
pub const ENTRY_MAX: usize = limits::LOG_ENTRY;

/// Why an entry or a draft is refused. No variant quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// More than [`ENTRY_MAX`] bytes.
    #[error("an entry of {0} bytes, at most {ENTRY_MAX} are taken")]
    TooLarge(usize),
    /// Not canonical JSON of an entry's members.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A type that this version of the log does not know.
    #[error("an unknown type of log entry")]
    UnknownType,
    /// A member that this type of entry must have is null, or one that it must not have is not.
    #[error("the member `{0}` does not fit the type of the entry")]
    Member(&'static str),
    /// More acknowledgements or fields than the limits allow.
    #[error("too many `{0}` in one entry")]
    TooMany(&'static str),
    /// Digests that are not sorted by their text, or repeated.
    #[error("the digests of `{0}` are not sorted or not distinct")]
    NotSorted(&'static str),
    /// A field's name that is empty, too long, reserved or not of `a-z`, `0-9` and `_`; or a lane that is no country.
    #[error("not the name of a field")]
    BadName,
    /// Two fields of one name.
    #[error("two fields of one name")]
    DuplicateName,
    /// As many lane numbers as lanes must be given.
    #[error("{given} lane numbers for {lanes} lanes")]
    LaneNumbers {
        /// Lanes of the draft.
        lanes: usize,
        /// Numbers given.
        given: usize,
    },
    /// Lane counters begin at one and end at 2^53 - 1.
    #[error("not the number of an entry in a lane")]
    BadLaneNumber,
    /// A disclosure that cannot be made or read.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
}

impl EntryError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge(_) | Self::TooMany(_) => Code::TooLarge,
            Self::Json(error) => error.code(),
            Self::UnknownType | Self::Member(_) | Self::BadName | Self::DuplicateName => Code::Malformed,
            Self::NotSorted(_) => Code::NotCanonical,
            Self::LaneNumbers { .. } | Self::BadLaneNumber => Code::Internal,
            Self::Disclosure(error) => error.code(),
        }
    }
}

/// A fact that an entry commits to without showing it.
#[derive(Clone)]
pub struct Field {
    /// `a-z`, `0-9` and `_`, beginning with a letter, at most 64 characters.
    pub name: String,
    /// Any JSON with integers only.
    pub value: Value,
    /// What salts it.
    pub key: FieldKey,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A lane in which an entry is counted.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Two upper-case letters of ISO 3166-1.
    pub country: String,
    /// What salts the counter.
    pub key: LaneKey,
}

/// The member `"_sd_alg": "sha-256"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SdAlg {
    #[serde(rename = "sha-256")]
    Sha256,
}

/// An entry as it stands in the log (LOG-6.1). Exists only in a valid combination of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    v: V1,
    #[serde(rename = "type")]
    kind: EntryType,
    exchange: Option<Id>,
    at: u64,
    act: Option<Digest>,
    side: Side,
    status: Option<u16>,
    token: Option<Digest>,
    answer: Option<Digest>,
    acks: Vec<Digest>,
    #[serde(rename = "_sd")]
    sd: Vec<Digest>,
    #[serde(rename = "_sd_alg")]
    sd_alg: SdAlg,
}

impl Entry {
    /// Reads the bytes of a leaf: canonical JSON with exactly these members, in a combination that its type allows.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_MAX {
            return Err(EntryError::TooLarge(bytes.len()));
        }
        let entry: Self = json::parse_canonical(bytes)?;
        entry.check()?;
        Ok(entry)
    }

    /// The bytes of the leaf.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        let bytes = json::to_canonical(self)?;
        if bytes.len() > ENTRY_MAX { Err(EntryError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// What is recorded.
    #[must_use]
    pub const fn kind(&self) -> EntryType {
        self.kind
    }

    /// The exchange, the same in both logs.
    #[must_use]
    pub const fn exchange(&self) -> Option<&Id> {
        self.exchange.as_ref()
    }

    /// When, in seconds since 1970 by the clock of this log's participant.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The digest of the act.
    #[must_use]
    pub const fn act(&self) -> Option<&Digest> {
        self.act.as_ref()
    }

    /// Which half of the act.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// What a received act was answered: 2xx accepted, 4xx refused for good.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The digest of the token with which a received act was accepted; null for a peer without tokens.
    #[must_use]
    pub const fn token(&self) -> Option<&Digest> {
        self.token.as_ref()
    }

    /// The digest of the content of the answer to a received act.
    #[must_use]
    pub const fn answer(&self) -> Option<&Digest> {
        self.answer.as_ref()
    }

    /// The digests of the acknowledgements that came since the last entry.
    #[must_use]
    pub fn acks(&self) -> &[Digest] {
        &self.acks
    }

    /// The digests of the disclosures.
    #[must_use]
    pub fn sd(&self) -> &[Digest] {
        &self.sd
    }

    /// Whether this entry records the act as accepted or sent, not as refused.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.kind.is_act() && self.status.is_none_or(|status| status < 300)
    }

    /// The fields that some disclosures show (LOG-7.4). One that this entry does not commit to refuses them all.
    pub fn disclosed<'a>(
        &self,
        disclosures: impl IntoIterator<Item = &'a Disclosure>,
    ) -> Result<BTreeMap<&'a str, &'a Value>, DisclosureError> {
        let mut fields = BTreeMap::new();
        for disclosure in disclosures {
            if !self.sd.contains(&disclosure.digest()) {
                return Err(DisclosureError::NotCommitted);
            }
            if fields.insert(disclosure.name(), disclosure.value()).is_some() {
                return Err(DisclosureError::Repeated);
            }
        }
        Ok(fields)
    }

    fn check(&self) -> Result<(), EntryError> {
        self.check_class()?;
        if self.at > limits::INTEGER {
            return Err(EntryError::Member("at"));
        }
        if self.acks.len() > limits::ENTRY_ACKS {
            return Err(EntryError::TooMany("acks"));
        }
        if self.sd.len() > limits::ENTRY_FIELDS {
            return Err(EntryError::TooMany("_sd"));
        }
        check_sorted(&self.acks, "acks")?;
        check_sorted(&self.sd, "_sd")
    }

    /// Which members are null (LOG-6.4 to LOG-6.7).
    fn check_class(&self) -> Result<(), EntryError> {
        let class = self.kind.class();
        let side_fits = match class {
            Class::Act => self.side != Side::Own,
            Class::Statement => self.side != Side::Sent,
            Class::Own | Class::AboutAct | Class::AboutExchange => self.side == Side::Own,
        };
        demand(side_fits, "side")?;
        let about_act = matches!(class, Class::Act | Class::AboutAct);
        demand(self.act.is_some() == about_act, "act")?;
        let about = about_act || class == Class::AboutExchange;
        demand(self.exchange.is_some() || !about, "exchange")?;
        // Acknowledgements of acts that conclude an exchange are noted as its own.
        demand(self.exchange.is_none() || about || self.kind == EntryType::Acks, "exchange")?;
        let answered = class == Class::Act && self.side == Side::Received;
        demand(self.status.is_some() == answered, "status")?;
        demand(self.status.is_none_or(is_final), "status")?;
        demand(self.answer.is_some() == answered, "answer")?;
        demand(self.token.is_none() || answered, "token")?;
        demand(self.kind != EntryType::Acks || !self.acks.is_empty(), "acks")?;
        demand(self.kind != EntryType::Genesis || self.acks.is_empty(), "acks")
    }
}

const fn demand(holds: bool, member: &'static str) -> Result<(), EntryError> {
    if holds { Ok(()) } else { Err(EntryError::Member(member)) }
}

/// Strictly ascending by text, which is not the order of the bytes.
fn check_sorted(digests: &[Digest], member: &'static str) -> Result<(), EntryError> {
    if digests.is_sorted_by(|a, b| a.to_string() < b.to_string()) {
        Ok(())
    } else {
        Err(EntryError::NotSorted(member))
    }
}

/// An entry that waits for its place: complete but for the numbers in its lanes.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    /// What is recorded.
    pub kind: EntryType,
    /// The exchange.
    pub exchange: Option<Id>,
    /// Salts: the `msg` of the act; without an act, an id that the caller drew at random.
    pub msg: Id,
    /// Seconds since 1970.
    pub at: u64,
    /// The digest of the act.
    pub act: Option<Digest>,
    /// Which half.
    pub side: Side,
    /// Of a received act, what it was answered.
    pub status: Option<u16>,
    /// Of a received act, the digest of its token.
    pub token: Option<Digest>,
    /// Of a received act, the digest of the answer's content.
    pub answer: Option<Digest>,
    /// Digests of acknowledgements that ride along, in any order, at most [`limits::ENTRY_ACKS`].
    pub acks: Vec<Digest>,
    /// What the entry commits to.
    pub fields: Vec<Field>,
    /// In which lanes it is counted.
    pub lanes: Vec<Lane>,
}

/// What a log's first entry says (LOG-6.8).
#[derive(Debug, Clone)]
pub struct Genesis {
    /// The participant's root key.
    pub root: PublicKey,
    /// The key that signs this log's checkpoints.
    pub log_key: PublicKey,
    /// The number of this log among the participant's.
    pub shard: u32,
    /// The last signed note that is known of the shard before, if there was one.
    pub supersedes: Option<String>,
}

/// A sealed entry.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its bytes: the leaf.
    pub bytes: Vec<u8>,
    /// What it commits to, in the order of the draft, lanes last.
    pub disclosures: Vec<Disclosure>,
}

impl Sealed {
    /// The hash of the leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.bytes)
    }
}

impl EntryDraft {
    /// A draft without fields, of something that the node did by itself; the rest is set by the caller.
    #[must_use]
    pub const fn own(kind: EntryType, msg: Id, at: u64) -> Self {
        Self {
            kind,
            exchange: None,
            msg,
            at,
            act: None,
            side: Side::Own,
            status: None,
            token: None,
            answer: None,
            acks: Vec::new(),
            fields: Vec::new(),
            lanes: Vec::new(),
        }
    }

    /// An act that this participant signs.
    #[must_use]
    pub const fn sent(kind: EntryType, exchange: Id, msg: Id, act: Digest, at: u64) -> Self {
        let mut draft = Self::own(kind, msg, at);
        draft.exchange = Some(exchange);
        draft.act = Some(act);
        draft.side = Side::Sent;
        draft
    }

    /// An act of a peer that this participant accepts (`status` 2xx) or refuses for good (4xx).
    #[must_use]
    pub const fn received(
        kind: EntryType,
        exchange: Id,
        msg: Id,
        act: Digest,
        at: u64,
        status: u16,
        answer: Digest,
    ) -> Self {
        let mut draft = Self::sent(kind, exchange, msg, act, at);
        draft.side = Side::Received;
        draft.status = Some(status);
        draft.answer = Some(answer);
        draft
    }

    /// The draft of entry 0.
    #[must_use]
    pub fn genesis(genesis: &Genesis, key: &NodeKey, id: Id, at: u64) -> Self {
        let mut draft = Self::own(EntryType::Genesis, id, at);
        let fields = [
            ("root", json!(format!("did:key:{}", genesis.root))),
            ("log_key", json!(genesis.log_key)),
            ("shard", json!(genesis.shard)),
            ("supersedes", json!(genesis.supersedes)),
        ];
        for (name, value) in fields {
            draft.field(name, value, FieldKey::Node(key.clone()));
        }
        draft
    }

    /// Adds a field.
    pub fn field(&mut self, name: &str, value: Value, key: FieldKey) {
        self.fields.push(Field { name: name.to_string(), value, key });
    }

    /// Seals the draft: `numbers` are its numbers in its lanes, in their order; each is one above the last of that lane.
    ///
    /// Whether a draft can be sealed does not depend on the numbers while they are within 1 to 2^53 - 1.
    pub fn seal(&self, numbers: &[u64]) -> Result<Sealed, EntryError> {
        if numbers.len() != self.lanes.len() {
            return Err(EntryError::LaneNumbers { lanes: self.lanes.len(), given: numbers.len() });
        }
        if self.fields.len() + self.lanes.len() > limits::ENTRY_FIELDS {
            return Err(EntryError::TooMany("_sd"));
        }
        let disclosures = self.disclosures(numbers)?;
        let mut names: Vec<&str> = disclosures.iter().map(Disclosure::name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(EntryError::DuplicateName);
        }
        let mut acks = self.acks.clone();
        acks.sort_by_key(ToString::to_string);
        acks.dedup();
        let mut sd: Vec<Digest> = disclosures.iter().map(Disclosure::digest).collect();
        sd.sort_by_key(ToString::to_string);
        let entry = Entry {
            v: V1,
            kind: self.kind,
            exchange: self.exchange,
            at: self.at,
            act: self.act,
            side: self.side,
            status: self.status,
            token: self.token,
            answer: self.answer,
            acks,
            sd,
            sd_alg: SdAlg::Sha256,
        };
        entry.check()?;
        let bytes = entry.to_bytes()?;
        Ok(Sealed { entry, bytes, disclosures })
    }

    fn disclosures(&self, numbers: &[u64]) -> Result<Vec<Disclosure>, EntryError> {
        let mut disclosures = Vec::with_capacity(self.fields.len() + self.lanes.len());
        for field in &self.fields {
            if !valid_name(&field.name) {
                return Err(EntryError::BadName);
            }
            let salt = match &field.key {
                FieldKey::Exchange(key) => key.salt(&self.msg, &field.name),
                FieldKey::Node(key) => key.salt(&self.msg, &field.name),
            };
            disclosures.push(Disclosure::new(&salt, &field.name, field.value.clone())?);
        }
        for (lane, number) in self.lanes.iter().zip(numbers) {
            if !valid_country(&lane.country) {
                return Err(EntryError::BadName);
            }
            if *number == 0 || *number > limits::INTEGER {
                return Err(EntryError::BadLaneNumber);
            }
            let name = format!("{LANE}{}", lane.country);
            disclosures.push(Disclosure::new(&lane.key.salt(&self.msg, &name), &name, (*number).into())?);
        }
        Ok(disclosures)
    }
}
