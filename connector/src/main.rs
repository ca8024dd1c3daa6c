//! The `naru` binary: reads the command line and hands over to the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    naru::cli::run(naru::cli::Cli::parse())
}
