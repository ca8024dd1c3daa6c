//! Partners that speak the Dataspace Protocol and sign nothing, scripted, against real nodes over their HTTPS door (spec
//! chapter 13): whole trades in both roles, and every fault that such a partner may have.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod approval;
mod buying;
mod catalog;
#[path = "../common/mod.rs"]
mod common;
mod data;
mod fetch;
mod identity;
mod input;
mod law;
mod log;
mod restart;
mod selling;
mod take;
mod tls;
mod trades;
