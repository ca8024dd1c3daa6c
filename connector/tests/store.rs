//! The store as the node sees it: commits, the log that they grow, what survives a crash, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "store/acks.rs"]
mod acks;
#[path = "store/crash.rs"]
mod crash;
#[path = "store/log.rs"]
mod log;
#[path = "store/refusals.rs"]
mod refusals;
#[path = "store/rows.rs"]
mod rows;
#[path = "store/support.rs"]
mod support;
