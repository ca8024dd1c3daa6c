//! The transfer process: its states, its acts and every transition that the diagram allows (spec chapter 07, TRF-1).
//!
//! A pure table, like [`crate::negotiation`]. Moving bytes, windows and capabilities are another matter.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{exchange::Role, log::entry::EntryType};

/// Where a transfer stands, spelt as on the wire (DSP 2025-1, transfer process states).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The consumer asked for the data.
    Requested,
    /// Bytes may move.
    Started,
    /// Bytes may not move until it is started again.
    Suspended,
    /// All bytes are there; only the data receipt may follow.
    Completed,
    /// Over before completion.
    Terminated,
}

impl State {
    /// All states, for tables and tests.
    pub const ALL: [Self; 5] =
        [Self::Requested, Self::Started, Self::Suspended, Self::Completed, Self::Terminated];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Started => "STARTED",
            Self::Suspended => "SUSPENDED",
            Self::Completed => "COMPLETED",
            Self::Terminated => "TERMINATED",
        }
    }

    /// True where DSP allows no further message of the transfer.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Terminated => true,
            Self::Requested | Self::Started | Self::Suspended => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The acts of a transfer: the DSP messages, and the profile's data receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// `TransferRequestMessage`.
    Request,
    /// `TransferStartMessage`, first or after a suspension.
    Start,
    /// `TransferSuspensionMessage`.
    Suspend,
    /// `TransferCompletionMessage`.
    Complete,
    /// `TransferTerminationMessage`.
    Terminate,
    /// `DataReceipt`: the consumer has verified all bytes; the state stays.
    Receipt,
}

impl ActKind {
    /// All acts, for tables and tests.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Start, Self::Suspend, Self::Complete, Self::Terminate, Self::Receipt];

    /// The type of the log entry for this act.
    #[must_use]
    pub const fn entry_type(self) -> EntryType {
        match self {
            Self::Request => EntryType::TransferRequest,
            Self::Start => EntryType::TransferStart,
            Self::Suspend => EntryType::TransferSuspension,
            Self::Complete => EntryType::TransferCompletion,
            Self::Terminate => EntryType::TransferTermination,
            Self::Receipt => EntryType::TransferReceipt,
        }
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry_type().as_str())
    }
}

/// The state after `act` by `by`, or `None` where the diagram has no such arrow; `state` is `None` before the first act.
#[must_use]
pub const fn next(state: Option<State>, by: Role, act: ActKind) -> Option<State> {
    use ActKind as A;
    use Role::{Consumer, Provider};
    use State as S;
    match (act, by) {
        (A::Request, Consumer) => match state {
            None => Some(S::Requested),
            Some(S::Requested | S::Started | S::Suspended | S::Completed | S::Terminated) => None,
        },
        (A::Start, Provider) => match state {
            Some(S::Requested | S::Suspended) => Some(S::Started),
            None | Some(S::Started | S::Completed | S::Terminated) => None,
        },
        (A::Start, Consumer) => match state {
            Some(S::Suspended) => Some(S::Started),
            None | Some(S::Requested | S::Started | S::Completed | S::Terminated) => None,
        },
        (A::Suspend, Provider | Consumer) => match state {
            Some(S::Started) => Some(S::Suspended),
            None | Some(S::Requested | S::Suspended | S::Completed | S::Terminated) => None,
        },
        (A::Complete, Provider | Consumer) => match state {
            Some(S::Started) => Some(S::Completed),
            None | Some(S::Requested | S::Suspended | S::Completed | S::Terminated) => None,
        },
        (A::Terminate, Provider | Consumer) => match state {
            Some(S::Requested | S::Started | S::Suspended) => Some(S::Terminated),
            None | Some(S::Completed | S::Terminated) => None,
        },
        (A::Receipt, Consumer) => match state {
            Some(S::Started | S::Suspended | S::Completed) => state,
            None | Some(S::Requested | S::Terminated) => None,
        },
        (A::Request | A::Receipt, Provider) => None,
    }
}
