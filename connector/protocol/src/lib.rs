//! The exchange protocol without IO, clock or randomness.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod encoding;
pub mod log;
pub mod act;
pub mod base58;
pub mod error;
pub mod identity;
pub mod json;
pub mod jws;
pub mod limits;
pub mod signature;
pub mod ticket;
pub mod filelist;
pub mod listing;
pub mod receipt;
pub mod window;
pub mod agreement;
pub mod dsp;
pub mod exchange;
pub mod negotiation;
pub mod permit;
pub mod terms;
pub mod transfer;
