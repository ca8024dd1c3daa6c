//! What an entry can record, and which half of an act it is (spec chapter 08, LOG-6.3). Knows nothing of the other members.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::entry::EntryError;
use crate::json::serde_as_text;

macro_rules! entry_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $class:ident;)+) => {
        /// What an entry records: an act by its name, or a word of the log itself (LOG-6.3). Closed: others are refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EntryType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl EntryType {
            /// Every type, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The text in the entry.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Reads the text.
            pub fn parse(text: &str) -> Result<Self, EntryError> {
                match text { $($text => Ok(Self::$name),)+ _ => Err(EntryError::UnknownType) }
            }

            pub(super) const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }
        }
    };
}

/// What an entry of a type must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A message that was signed, accepted or finally refused.
    Act,
    /// A statement, published (own) or pinned (received).
    Statement,
    /// Something that the node did by itself.
    Own,
    /// Something that the node notes about one act.
    AboutAct,
    /// Something that the node notes about one exchange.
    AboutExchange,
}

entry_types! {
    /// Entry 0: whose log this is, its key, its shard, and what it supersedes.
    Genesis = "genesis", Own;
    /// A participant statement, published or pinned.
    Participant = "participant", Statement;
    /// A key set, published or pinned.
    Keys = "keys", Statement;
    /// A listing, published or pinned.
    Listing = "listing", Statement;
    /// A peer was pinned, changed or dropped.
    Peer = "peer", Own;
    /// A policy pack was accepted or withdrawn.
    Pack = "pack", Own;
    /// Acknowledgements that no other entry carried.
    Acks = "acks", Own;
    /// An act of our own that crossed a stronger one and will never become current.
    Dropped = "dropped", AboutAct;
    /// An act that an earlier shard had logged and a peer gave back.
    Adopted = "adopted", AboutAct;
    /// Disclosures and keys were destroyed.
    Erasure = "erasure", Own;
    /// Another participant's log was shown to have forked.
    Fork = "fork", Own;
    /// How an agreement in force stands with the law has changed.
    Monitor = "monitor", AboutExchange;
    /// Contract request message.
    NegotiationRequest = "negotiation.request", Act;
    /// Contract offer message.
    NegotiationOffer = "negotiation.offer", Act;
    /// Contract negotiation event ACCEPTED.
    NegotiationAccept = "negotiation.accept", Act;
    /// Contract agreement message.
    NegotiationAgreement = "negotiation.agreement", Act;
    /// Contract agreement verification message.
    NegotiationVerification = "negotiation.verification", Act;
    /// Contract negotiation event FINALIZED.
    NegotiationFinalized = "negotiation.finalized", Act;
    /// Contract negotiation termination message.
    NegotiationTermination = "negotiation.termination", Act;
    /// The end of a finalized agreement.
    NegotiationEnd = "negotiation.end", Act;
    /// What one side says that it did about a duty.
    NegotiationReport = "negotiation.report", Act;
    /// Transfer request message.
    TransferRequest = "transfer.request", Act;
    /// Transfer start message.
    TransferStart = "transfer.start", Act;
    /// Transfer suspension message.
    TransferSuspension = "transfer.suspension", Act;
    /// Transfer completion message.
    TransferCompletion = "transfer.completion", Act;
    /// Transfer termination message.
    TransferTermination = "transfer.termination", Act;
    /// The data receipt.
    TransferReceipt = "transfer.receipt", Act;
}

impl EntryType {
    /// Whether this is an act, that is a message of an exchange.
    #[must_use]
    pub const fn is_act(self) -> bool {
        matches!(self.class(), Class::Act)
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

serde_as_text!(EntryType);

/// Which half of the act the entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// An act that this participant signed.
    Sent,
    /// An act of a peer that this participant accepted or finally refused, or a statement that it pinned.
    Received,
    /// Neither: the participant's own doing.
    Own,
}
