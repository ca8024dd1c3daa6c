//! The log (spec chapter 08): known answers, properties of the tree and its files, notes, checkpoints, entries, and an export for
//! a verifier in another language.
//!
//! `NARU_WRITE_VECTORS=1` writes `spec/vectors/log`; otherwise the files are compared with what the code gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "log/common.rs"]
mod common;
#[path = "log/entries.rs"]
mod entries;
#[path = "log/export.rs"]
mod export;
#[path = "log/known.rs"]
mod known;
#[path = "log/notes.rs"]
mod notes;
#[path = "log/tiles.rs"]
mod tiles;
#[path = "log/trees.rs"]
mod trees;
mod vectors;
