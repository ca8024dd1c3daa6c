//! Whole nodes in one process, real folders, SQLite, packs and sockets: what two firms see, and what a peer made by hand may
//! do. One program for all of it, since each links the whole connector.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreed;
mod approval;
mod backup;
mod catalog;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod distrust;
mod export;
mod faults;
mod getting;
mod https;
mod keys;
mod limits;
mod manage;
mod monitor;
mod obligations;
mod omission;
mod operator;
mod order;
mod overlays;
mod programs;
mod restart;
mod revoke;
mod serving;
mod story;
mod supply;
mod telemetry;
mod terms;
mod two_nodes;
mod versions;
