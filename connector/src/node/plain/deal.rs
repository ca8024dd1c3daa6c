//! What is kept of an exchange with a plain peer beside the machine's state. Stored as JSON with it, in the same commit.

use std::path::PathBuf;

use naru_protocol::encoding::{Digest, Id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::{
    approval::{Approved, Held},
    now_ms,
    verbs::Refusal,
};

/// A negotiation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PlainDeal {
    /// The dataset.
    pub(super) dataset: String,
    /// The signed listing that the deal is about, where we are the provider.
    pub(super) listing: String,
    /// The offer that was proposed last, as it stands in messages.
    pub(super) offer: Value,
    /// The offer that we asked for: what the provider offers instead is taken up only if it promises the same.
    pub(super) asked: Option<Value>,
    /// Where messages go: the peer's base, or the callback address that it named.
    pub(super) callback: String,
    /// The document that policy is asked about, written once.
    pub(super) shared: Option<Value>,
    /// What the operator declared about data of the peer: the `dataset` facts of the policy input.
    pub(super) facts: Option<Value>,
    /// What the data are for, by the consumer's word.
    pub(super) purpose: Option<String>,
    /// Where the consumer keeps and processes them.
    pub(super) countries: Vec<String>,
    /// Days after which the consumer deletes them, where the offer does not say.
    pub(super) keep_days: Option<u32>,
    /// Digest of the agreement's terms, once sent or verified.
    pub(super) agreement: Option<Digest>,
    /// `@id` of the agreement object.
    pub(super) agreement_id: Option<String>,
    /// FINALIZED was answered or taken.
    pub(super) in_force: bool,
    /// Why it was refused or ended.
    pub(super) refusal: Option<Refusal>,
    /// Where the consumer writes the files; none leaves the transfer for later.
    pub(super) out: Option<PathBuf>,
    /// The data are to be delivered to us instead of fetched.
    pub(super) push: bool,
    /// The transfer that runs under it.
    pub(super) transfer: Option<Id>,
    /// Transfers under it whose START we sent or took (POL-10.6).
    pub(super) started: u32,
    /// The operator's reason to end it, until a message may say so.
    pub(super) cancel: Option<String>,
    /// It waits for a person of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Held>,
    /// Who let it go on, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approved: Option<Approved>,
    /// Milliseconds of this node's clock: the first message, and FINALIZED.
    pub(super) began_ms: u64,
    /// See `began_ms`.
    pub(super) ended_ms: Option<u64>,
}

impl PlainDeal {
    /// Whether the consumer wants the data and has not asked for them yet.
    pub(super) const fn wants_transfer(&self) -> bool {
        self.out.is_some() && self.transfer.is_none() && self.cancel.is_none()
    }
}

/// Which way the data go: who opens the connection that carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Format {
    /// The consumer fetches from the provider.
    #[serde(rename = "HttpData-PULL")]
    Pull,
    /// The provider delivers to the consumer.
    #[serde(rename = "HttpData-PUSH")]
    Push,
}

impl Format {
    pub(super) const ALL: [Self; 2] = [Self::Pull, Self::Push];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "HttpData-PULL",
            Self::Push => "HttpData-PUSH",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// Where data are fetched or put, with the token for it. Kept for as long as the transfer runs; shown to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) endpoint: String,
    pub(super) authorization: Option<String>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A bearer token of ours.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Token {
    /// Digest of its text, which is not kept.
    pub(super) digest: Digest,
    /// Until when it is good, seconds.
    pub(super) until: u64,
    /// How often the peer had been let in anew when it was given (`Record::number`): it closes with the next time.
    pub(super) number: u32,
}

/// A transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlainHaul {
    /// The negotiation whose agreement it rests on.
    pub(super) negotiation: Id,
    /// The dataset.
    pub(super) dataset: String,
    /// Digest of the agreement's terms.
    pub(super) agreement: Digest,
    /// `@id` of the agreement object.
    #[cfg(feature = "tck")]
    pub(super) script: String,
    /// Which way the data go.
    pub(super) format: Format,
    /// Which transfer under the agreement this is: given by its first START, 0 before.
    pub(super) occurrence: u32,
    /// Where messages go.
    pub(super) callback: String,
    /// The bearer token that opens our data, or lets the peer deliver; none while it must not.
    pub(super) token: Option<Token>,
    /// Where the peer's data are fetched, or where ours are to be put.
    pub(super) place: Option<Place>,
    /// Where the consumer writes the files.
    pub(super) out: Option<PathBuf>,
    /// Bytes written, or served so far.
    pub(super) bytes: u64,
    /// SHA-256 of what arrived, hexadecimal: nothing that the provider said is there to compare it with.
    pub(super) sha256: Option<String>,
    /// All bytes arrived or were delivered.
    pub(super) done: bool,
    /// Why it was refused or ended.
    pub(super) refusal: Option<Refusal>,
    /// The operator's reason to end it, until a message may say so.
    pub(super) cancel: Option<String>,
    /// Milliseconds of this node's clock: the first message, and the last byte.
    pub(super) began_ms: u64,
    /// See `began_ms`.
    pub(super) ended_ms: Option<u64>,
}

impl PlainHaul {
    /// A transfer before its first message, under an agreement.
    pub(super) fn new(negotiation: Id, deal: &PlainDeal, agreement: Digest, format: Format) -> Self {
        Self {
            negotiation,
            dataset: deal.dataset.clone(),
            agreement,
            #[cfg(feature = "tck")]
            script: deal.agreement_id.clone().unwrap_or_default(),
            format,
            occurrence: 0,
            callback: deal.callback.clone(),
            token: None,
            place: None,
            out: deal.out.clone(),
            bytes: 0,
            sha256: None,
            done: false,
            refusal: None,
            cancel: None,
            began_ms: now_ms(),
            ended_ms: None,
        }
    }
}
