//! What the shell keeps of an exchange beside the core's state: documents held, decisions, where the files go.
//!
//! Stored as JSON with the exchange, in the same commit as its state. Proofs are not stored: they are made again from
//! these bytes where a proof type is demanded.

use std::path::PathBuf;

use naru_protocol::{
    agreement::Jws,
    encoding::{Digest, Id},
    report::Report,
    terms::{Decision, Terms},
};
use serde::{Deserialize, Serialize};

use super::{
    approval::{Approved, Held},
    monitor::Standing,
    now_ms,
    obligations::{Arrived, Reported},
    verbs::Refusal,
};

/// Our own decision with the record that it rests on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Own {
    /// As sent to the peer.
    pub(super) decision: Decision,
    /// Digest of the evaluation record, which is in the store.
    pub(super) record: Digest,
}

/// A negotiation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Deal {
    /// The dataset.
    pub(super) dataset: String,
    /// The signed listing that the terms rest on.
    pub(super) listing: String,
    /// The newest terms; earlier ones are void.
    pub(super) terms: Option<Terms>,
    /// Our decision over them.
    pub(super) ours: Option<Own>,
    /// The peer's decision over them.
    pub(super) theirs: Option<Decision>,
    /// Whether we have answered terms that lacked a duty with a counter-proposal.
    pub(super) countered: bool,
    /// The agreement with the signatures that we hold.
    pub(super) agreement: Option<Jws>,
    /// Digest of the act FINALIZED, once sent or accepted.
    pub(super) finalized: Option<Digest>,
    /// Digest of the agreement, once it is in force.
    pub(super) in_force: Option<Digest>,
    /// How the consumer's acknowledgement of FINALIZED is known: the acknowledgement itself, or the act that named it.
    pub(super) closed_by: Option<String>,
    /// Why it was refused or ended.
    pub(super) refusal: Option<Refusal>,
    /// Where the consumer writes the files; none leaves the transfer for later.
    pub(super) out: Option<PathBuf>,
    /// The transfer that runs under it.
    pub(super) transfer: Option<Id>,
    /// Transfers under it whose START we sent or took: they count (POL-10.6). One that was refused before does not.
    pub(super) started: u32,
    /// The operator's reason to end it, for as long as no message of ours may say so yet.
    pub(super) cancel: Option<String>,
    /// It waits for a person of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Held>,
    /// Who let it go on, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approved: Option<Approved>,
    /// How it stands with the law, where that is not as agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standing: Option<Standing>,
    /// Milliseconds of this node's clock: the first act, and FINALIZED.
    pub(super) began_ms: u64,
    /// See `began_ms`.
    pub(super) ended_ms: Option<u64>,
    /// When the agreement was ended, seconds of this node's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<u64>,
    /// Transfers whose data receipt was signed: duties run from them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) arrived: Vec<Arrived>,
    /// Reports of ours that are not signed, or not answered, yet; one goes after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) to_report: Vec<Report>,
    /// Reports of both sides that were answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported: Vec<Reported>,
}

/// A transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Haul {
    /// The negotiation whose agreement it rests on.
    pub(super) negotiation: Id,
    /// The dataset.
    pub(super) dataset: String,
    /// Digest of the agreement.
    pub(super) agreement: Digest,
    /// Content root in the agreement.
    pub(super) content_root: Digest,
    /// Which transfer under the agreement this is: fixed by the consumer's request, and by the provider's START. Until
    /// then a provider's means nothing.
    #[serde(default = "first")]
    pub(super) occurrence: u32,
    /// Our decision at transfer start.
    pub(super) ours: Option<Own>,
    /// The peer's decision at transfer start.
    pub(super) theirs: Option<Decision>,
    /// Where the consumer writes the files.
    pub(super) out: Option<PathBuf>,
    /// Bytes verified and written.
    pub(super) bytes: u64,
    /// Digest of the act that carries the data receipt, once acknowledged.
    pub(super) receipt: Option<Digest>,
    /// Why it was refused or ended.
    pub(super) refusal: Option<Refusal>,
    /// The operator's reason to end it, for as long as no message of ours may say so yet.
    #[serde(default)]
    pub(super) cancel: Option<String>,
    /// Milliseconds of this node's clock: the first act, and the receipt's acknowledgement.
    pub(super) began_ms: u64,
    /// See `began_ms`.
    pub(super) ended_ms: Option<u64>,
}

const fn first() -> u32 {
    1
}

impl Haul {
    /// A transfer before its first act, under an agreement.
    pub(super) fn new(negotiation: Id, dataset: String, agreement: Digest, content_root: Digest) -> Self {
        Self {
            negotiation,
            dataset,
            agreement,
            content_root,
            occurrence: first(),
            ours: None,
            theirs: None,
            out: None,
            bytes: 0,
            receipt: None,
            refusal: None,
            cancel: None,
            began_ms: now_ms(),
            ended_ms: None,
        }
    }
}

impl Deal {
    /// Whether the consumer wants the data and has not asked for them yet.
    pub(super) const fn wants_transfer(&self) -> bool {
        self.out.is_some() && self.transfer.is_none() && self.cancel.is_none()
    }

    /// Which transfer under the agreement the next one is.
    pub(super) const fn next_occurrence(&self) -> u32 {
        self.started.saturating_add(1)
    }
}
