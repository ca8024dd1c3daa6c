//! Black-box conformance suite of the DPA exchange profile (DXP).
//!
//! Everything here is written from the specification alone and shares no code with the implementation that it tests:
//! [`vectors`] runs the files of `spec/vectors`, [`wire`] redeems a ticket at a running node and talks to it as a
//! consumer would, and as a consumer should not.

pub mod acts;
pub mod content;
pub mod encoding;
pub mod identity;
pub mod json;
pub mod jws;
pub mod ledger;
pub mod machine;
pub mod merkle;
pub mod messages;
pub mod note;
pub mod proposal;
pub mod refusal;
pub mod report;
pub mod supply;
pub mod transport;
pub mod vectors;
pub mod verdict;
pub mod wire;
