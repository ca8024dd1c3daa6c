//! The log of a participant: a C2SP tiled hash tree of entries, its checkpoints and its proofs (spec chapter 08).
//!
//! [`merkle`] hashes and proves, [`tile`] names and verifies the files, [`note`] signs and opens, [`checkpoint`] ties an origin to
//! a root, [`entry`], [`kind`] and [`disclosure`] say what a leaf holds, [`proof`] puts one entry's proof in a file. Nothing here
//! stores, sends or numbers anything.

pub mod checkpoint;
pub mod disclosure;
pub mod entry;
pub mod kind;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod tile;
