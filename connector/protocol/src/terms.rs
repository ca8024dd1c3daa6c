//! Terms and decisions: what a deal is about, and what each side's evaluation said of it (spec chapter 06, NEG-4 to NEG-6).
//!
//! Terms are compared by digest; their `agreement` and `shared` members keep the JSON that was read. A [`Decision`] is a claim:
//! what proves that our own was evaluated is [`crate::permit::Permit`], what proves the peer's are its token and the agreement.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    dsp::{datetime, nullable, odrl::Agreement},
    encoding::Digest,
    error::Code,
    exchange::Role,
    identity::{Country, Did, is_name},
    json::{self, JsonError, V1},
    limits,
};

/// One party of a deal and which of its statements the deal rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// The participant.
    pub did: Did,
    /// Digest of its participant statement.
    pub statement: Digest,
    /// Lowest number of a key set that may sign in this deal; at least 1.
    pub keys: u32,
}

/// A policy pack by name and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// SHA-256 over JCS of the digests of its module, data and manifest.
    pub digest: Digest,
}

/// A duty that remains after the deal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// The rule that imposes it.
    pub id: String,
    /// What is to be done.
    pub duty: String,
    /// Who owes it.
    pub on: Role,
    /// The event from which time runs.
    pub after: String,
    /// Seconds after that event; null where no time runs.
    #[serde(deserialize_with = "nullable")]
    pub within: Option<u64>,
}

/// Everything that two parties agree to, in one document (NEG-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Version.
    pub v: V1,
    /// Who gives.
    pub provider: Party,
    /// Who takes.
    pub consumer: Party,
    /// The exact DSP Agreement object; `@id` and `timestamp` are the proposer's.
    pub agreement: Agreement,
    /// Digest of the listing of the dataset version.
    pub listing: Digest,
    /// Content root of the dataset version.
    pub content_root: Digest,
    /// The policy packs by which both judge, sorted by name.
    pub packs: Vec<Pack>,
    /// The whole shared policy document.
    pub shared: Value,
    /// Countries whose lanes count this deal, sorted: those of both parties, and what policy adds.
    pub lanes: Vec<Country>,
    /// Duties that bind, sorted by their canonical bytes.
    pub obligations: Vec<Obligation>,
    /// Until when the agreement must be FINALIZED, seconds.
    pub conclude_by: u64,
}

/// What terms are compared with: the listing that they name and the statements of the parties.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Dataset of the listing.
    pub dataset: &'a str,
    /// Digest of the listing.
    pub listing: Digest,
    /// Content root of the listing.
    pub content_root: Digest,
    /// The provider, as pinned or as oneself.
    pub provider: Known,
    /// The consumer.
    pub consumer: Known,
}

/// What is known of a party.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Who it is.
    pub did: Did,
    /// Digest of its participant statement.
    pub statement: Digest,
    /// Country in that statement.
    pub country: Country,
    /// Highest number of a key set of its that is known.
    pub keys: u32,
}

/// Why terms are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// No canonical form.
    #[error("terms: {0}")]
    Json(#[from] JsonError),
    /// Larger than [`limits::TERMS`], or a list of theirs than its limit.
    #[error("terms: {0} is larger than the limit")]
    TooLarge(&'static str),
    /// Not sorted, or something twice.
    #[error("terms: {0} is not sorted without repetition")]
    Order(&'static str),
    /// A member that does not fit another or what is known; a JSON pointer.
    #[error("terms: {0} differs")]
    Differs(&'static str),
    /// `agreement.timestamp` is missing or not in the one form that is written.
    #[error("terms: /agreement/timestamp is not YYYY-MM-DDThh:mm:ssZ")]
    Timestamp,
    /// `conclude_by` is not after the draft or more than [`limits::CONCLUDE_SECONDS`] after it.
    #[error("terms: /conclude_by is not within a day of the draft")]
    ConcludeBy,
    /// A party's country has no lane.
    #[error("terms: /lanes lacks {0}")]
    Lane(Country),
    /// Another dataset, listing or content root than the one on offer; a JSON pointer.
    #[error("terms: {0} is not what the listing says")]
    Listing(&'static str),
}

impl TermsError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::TooLarge(_) => Code::TooLarge,
            Self::Order(_) | Self::Timestamp | Self::ConcludeBy => Code::Malformed,
            Self::Differs(_) | Self::Lane(_) => Code::TermsDiffer,
            Self::Listing(_) => Code::ListingDiffers,
        }
    }
}

impl Terms {
    /// SHA-256 over the canonical bytes (NEG-4.1).
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }

    /// Digest of the shared policy document.
    pub fn shared_digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(&self.shared)
    }

    /// Time of the draft, seconds; 0 where the agreement has none, which [`Self::check`] refuses.
    #[must_use]
    pub fn drafted(&self) -> u64 {
        self.agreement.timestamp().unwrap_or_default()
    }

    /// The party with this role.
    #[must_use]
    pub const fn party(&self, role: Role) -> &Party {
        match role {
            Role::Provider => &self.provider,
            Role::Consumer => &self.consumer,
        }
    }

    /// Whether the document is consistent in itself (NEG-4.2 to NEG-4.8); returns its digest.
    pub fn check(&self) -> Result<Digest, TermsError> {
        let bytes = json::to_canonical(self)?;
        if bytes.len() > limits::TERMS {
            return Err(TermsError::TooLarge("/"));
        }
        self.check_lists()?;
        self.check_agreement()?;
        let drafted = self.drafted();
        if self.conclude_by <= drafted || self.conclude_by - drafted > limits::CONCLUDE_SECONDS {
            return Err(TermsError::ConcludeBy);
        }
        Ok(Digest::of(&bytes))
    }

    fn check_lists(&self) -> Result<(), TermsError> {
        for (name, count, limit) in [
            ("/packs", self.packs.len(), limits::PACKS),
            ("/lanes", self.lanes.len(), limits::LANES),
            ("/obligations", self.obligations.len(), limits::OBLIGATIONS),
        ] {
            if count > limit {
                return Err(TermsError::TooLarge(name));
            }
        }
        if !self.packs.is_sorted_by(|a, b| a.name < b.name) {
            return Err(TermsError::Order("/packs"));
        }
        if !self.lanes.is_sorted_by(|a, b| a < b) {
            return Err(TermsError::Order("/lanes"));
        }
        // By canonical bytes, as policy sorts its results.
        let duties: Vec<Vec<u8>> =
            self.obligations.iter().map(json::to_canonical).collect::<Result<_, _>>()?;
        if !duties.is_sorted_by(|a, b| a < b) {
            return Err(TermsError::Order("/obligations"));
        }
        Ok(())
    }

    /// The DSP object names the same parties and, where the policy document names them, so does that one.
    fn check_agreement(&self) -> Result<(), TermsError> {
        let (provider, consumer) = (self.provider.did.to_string(), self.consumer.did.to_string());
        if provider == consumer {
            return Err(TermsError::Differs("/consumer/did"));
        }
        if self.provider.keys == 0 {
            return Err(TermsError::Differs("/provider/keys"));
        }
        if self.consumer.keys == 0 {
            return Err(TermsError::Differs("/consumer/keys"));
        }
        if self.agreement.assigner() != provider {
            return Err(TermsError::Differs("/agreement/assigner"));
        }
        if self.agreement.assignee() != consumer {
            return Err(TermsError::Differs("/agreement/assignee"));
        }
        let written = self.agreement.timestamp().and_then(datetime::to_date_time);
        let stands = self.agreement.value().get("timestamp").and_then(Value::as_str);
        if stands.is_none() || stands != written.as_deref() {
            return Err(TermsError::Timestamp);
        }
        if !self.shared.is_object() {
            return Err(TermsError::Differs("/shared"));
        }
        for (pointer, named, expected) in [
            ("/shared/dataset/id", "/dataset/id", self.agreement.target()),
            ("/shared/provider/id", "/provider/id", provider.as_str()),
            ("/shared/consumer/id", "/consumer/id", consumer.as_str()),
        ] {
            if self.shared.pointer(named).is_some_and(|found| found != expected) {
                return Err(TermsError::Differs(pointer));
            }
        }
        Ok(())
    }

    /// Whether the terms are about this listing and these parties (NEG-4.9 to NEG-4.12).
    pub fn check_against(&self, facts: &Facts<'_>) -> Result<(), TermsError> {
        if self.agreement.target() != facts.dataset {
            return Err(TermsError::Listing("/agreement/target"));
        }
        if self.listing != facts.listing {
            return Err(TermsError::Listing("/listing"));
        }
        if self.content_root != facts.content_root {
            return Err(TermsError::Listing("/content_root"));
        }
        let names = ["/provider/did", "/provider/statement", "/provider/keys", "/shared/provider/country"];
        self.check_party(&self.provider, &facts.provider, names, "/provider/country")?;
        let names = ["/consumer/did", "/consumer/statement", "/consumer/keys", "/shared/consumer/country"];
        self.check_party(&self.consumer, &facts.consumer, names, "/consumer/country")
    }

    fn check_party(
        &self,
        party: &Party,
        known: &Known,
        [did, statement, keys, country]: [&'static str; 4],
        shared: &str,
    ) -> Result<(), TermsError> {
        if party.did != known.did {
            return Err(TermsError::Differs(did));
        }
        if party.statement != known.statement {
            return Err(TermsError::Differs(statement));
        }
        if party.keys > known.keys {
            return Err(TermsError::Differs(keys));
        }
        if self.shared.pointer(shared).is_some_and(|found| *found != known.country.to_string()) {
            return Err(TermsError::Differs(country));
        }
        if !self.lanes.contains(&known.country) {
            return Err(TermsError::Lane(known.country));
        }
        Ok(())
    }

    /// Ids of the duties on `on` among `duties` that these terms do not list word for word (NEG-6.1).
    ///
    /// A decision that rests on such a duty is not valid: the answer is a counter-proposal that lists it.
    #[must_use]
    pub fn unlisted(&self, duties: &[Obligation], on: Role) -> Vec<String> {
        let missing = duties.iter().filter(|duty| duty.on == on && !self.obligations.contains(duty));
        missing.map(|duty| duty.id.clone()).collect()
    }
}

/// Which side of the border a decision is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The provider's.
    Exporter,
    /// The consumer's.
    Importer,
}

impl Side {
    /// The side of a role.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        match role {
            Role::Provider => Self::Exporter,
            Role::Consumer => Self::Importer,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Exporter => Self::Importer,
            Self::Importer => Self::Exporter,
        }
    }
}

/// At which point of a deal policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Whether a dataset may be shown.
    Catalog,
    /// Whether the deal may be made.
    Negotiation,
    /// Whether bytes may move now.
    Transfer,
    /// Whether what was promised is kept.
    Monitor,
}

/// What one side's evaluation of the terms said (NEG-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Digest of the terms.
    pub terms: Digest,
    /// Whose decision.
    pub side: Side,
    /// At which point.
    pub phase: Phase,
    /// Whether it allows.
    pub allow: bool,
    /// Digest of the bytes of the evaluation record.
    pub result: Digest,
    /// Digest of the shared part of the input.
    pub input_shared: Digest,
    /// Salted digest of the private part of the input.
    pub input_private: Digest,
    /// When it was evaluated, seconds.
    pub at: u64,
    /// Who approved: `auto`, or a name.
    pub by: String,
}

/// What a decision must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Digest of the terms.
    pub terms: Digest,
    /// Digest of their shared policy document.
    pub shared: Digest,
    /// Time of the draft, seconds.
    pub drafted: u64,
    /// Deadline of the terms, seconds.
    pub conclude_by: u64,
}

impl Setting {
    /// The setting that some terms make.
    pub fn of(terms: &Terms) -> Result<Self, JsonError> {
        Ok(Self {
            terms: terms.digest()?,
            shared: terms.shared_digest()?,
            drafted: terms.drafted(),
            conclude_by: terms.conclude_by,
        })
    }
}

/// Why a decision does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Over other terms.
    #[error("decision is over other terms")]
    OtherTerms,
    /// Of the other side.
    #[error("decision is of the other side")]
    OtherSide,
    /// For another point of the deal.
    #[error("decision is for another phase")]
    OtherPhase,
    /// Over another shared policy document than the terms hold.
    #[error("decision rests on another shared document")]
    OtherShared,
    /// It does not allow.
    #[error("decision does not allow")]
    Denied,
    /// Evaluated more than [`limits::SKEW_SECONDS`] before the draft.
    #[error("decision is older than the draft")]
    TooEarly,
    /// Evaluated more than [`limits::SKEW_SECONDS`] in the future.
    #[error("decision is from the future")]
    Future,
    /// Evaluated after the deadline of the terms.
    #[error("decision was made after the deadline")]
    AfterDeadline,
    /// `by` is neither `auto` nor a name.
    #[error("decision does not say who approved")]
    By,
}

impl DecisionError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::OtherTerms => Code::TermsVoid,
            Self::OtherSide
            | Self::OtherPhase
            | Self::OtherShared
            | Self::Denied
            | Self::TooEarly
            | Self::Future
            | Self::AfterDeadline
            | Self::By => Code::DecisionInvalid,
        }
    }
}

impl Decision {
    /// Whether this decision counts for a deal under negotiation, judged at `now` seconds (NEG-5.2 to NEG-5.6).
    pub fn check(&self, setting: &Setting, side: Side, now: u64) -> Result<(), DecisionError> {
        self.check_common(setting, side, Phase::Negotiation, now)?;
        if self.input_shared != setting.shared {
            return Err(DecisionError::OtherShared);
        }
        if self.at > setting.conclude_by {
            return Err(DecisionError::AfterDeadline);
        }
        Ok(())
    }

    /// Whether this decision counts for a transfer under concluded terms: law is judged anew, so the shared input may be
    /// another and the deadline is over (NEG-5.7).
    pub fn check_transfer(&self, setting: &Setting, side: Side, now: u64) -> Result<(), DecisionError> {
        self.check_common(setting, side, Phase::Transfer, now)
    }

    fn check_common(
        &self,
        setting: &Setting,
        side: Side,
        phase: Phase,
        now: u64,
    ) -> Result<(), DecisionError> {
        if self.terms != setting.terms {
            return Err(DecisionError::OtherTerms);
        }
        if self.side != side {
            return Err(DecisionError::OtherSide);
        }
        if self.phase != phase {
            return Err(DecisionError::OtherPhase);
        }
        if !self.allow {
            return Err(DecisionError::Denied);
        }
        if self.at.saturating_add(limits::SKEW_SECONDS) < setting.drafted {
            return Err(DecisionError::TooEarly);
        }
        if self.at > now.saturating_add(limits::SKEW_SECONDS) {
            return Err(DecisionError::Future);
        }
        if !is_name(&self.by) {
            return Err(DecisionError::By);
        }
        Ok(())
    }
}

/// The JSON pointer (RFC 6901) of the first place where two documents differ, in the order of their canonical forms; `None`
/// if they are equal (NEG-4.13). A member that one side lacks is named itself, a longer list by its first further index.
#[must_use]
pub fn first_difference(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_by(|x, y| x.encode_utf16().cmp(y.encode_utf16()));
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let inner = match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => first_difference(a, b)?,
                    (Some(_), None) | (None, Some(_)) | (None, None) => String::new(),
                };
                Some(format!("/{}{inner}", key.replace('~', "~0").replace('/', "~1")))
            })
        }
        (Value::Array(a), Value::Array(b)) => {
            let longest = a.len().max(b.len());
            (0..longest).find_map(|index| {
                let inner = match (a.get(index), b.get(index)) {
                    (Some(a), Some(b)) => first_difference(a, b)?,
                    (Some(_), None) | (None, Some(_)) | (None, None) => String::new(),
                };
                Some(format!("/{index}{inner}"))
            })
        }
        (Value::Number(_), Value::Number(_)) => {
            // The same integer has one canonical form, however it was spelt.
            let same = a == b || matches!((json::canonical(a), json::canonical(b)), (Ok(a), Ok(b)) if a == b);
            (!same).then(String::new)
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => (a != b).then(String::new),
    }
}
