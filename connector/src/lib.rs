//! The library behind the `naru` binary: the shell that reads clocks, sockets, files and databases and feeds the
//! sans-IO core of `naru-protocol`.
#![forbid(unsafe_code)]

pub mod archive;
pub mod audit;
pub mod backup;
pub mod check;
pub mod cli;
mod compiled;
pub mod config;
pub mod control;
pub mod data;
pub mod demo;
pub mod keys;
pub mod manage;
pub mod node;
pub mod remedies;
pub mod scan;
pub mod store;
pub mod supply;
pub mod telemetry;
pub mod templates;
pub mod transport;
