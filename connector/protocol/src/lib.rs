//! The exchange protocol without IO, clock or randomness.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod act;
pub mod agreement;
pub mod base58;
pub mod dsp;
pub mod encoding;
pub mod error;
pub mod exchange;
pub mod filelist;
pub mod identity;
pub mod json;
pub mod jws;
pub mod limits;
pub mod listing;
pub mod log;
pub mod negotiation;
pub mod obligation;
pub mod permit;
pub mod plain;
pub mod receipt;
pub mod report;
pub mod signature;
pub mod supply;
pub mod terms;
pub mod ticket;
pub mod transfer;
pub mod window;
