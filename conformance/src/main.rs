//! The command `naru-conformance`: runs the vectors of the specification, or tests a running node.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use naru_conformance::{
    report::{Counts, Line},
    vectors,
    wire::{self, Options, offer::parse_pack},
};

/// Tests any implementation of the DPA exchange profile against its specification.
#[derive(Parser)]
#[command(name = "naru-conformance", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// One JSON object per line instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run every file of spec/vectors with the suite's own code.
    Vectors {
        /// The directory `spec` of a checkout.
        #[arg(long, default_value = "spec")]
        spec: PathBuf,
    },
    /// Redeem a ticket at a running node and test it over the wire.
    Wire {
        /// The ticket, `naru1…`; it is used up.
        #[arg(long)]
        ticket: String,
        /// Country that the suite's participant declares.
        #[arg(long, default_value = "SG")]
        country: String,
        /// A policy pack that the node works with, `NAME=DIGEST`; once for each.
        #[arg(long = "pack", value_name = "NAME=DIGEST")]
        packs: Vec<String>,
        /// Dataset to ask for; without it the first of the catalog.
        #[arg(long)]
        dataset: Option<String>,
        /// A second ticket of the same node, for what takes two participants.
        #[arg(long)]
        second_ticket: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let lines = match arguments.command {
        Command::Vectors { spec } => vectors::run(&spec.join("vectors")).inspect(|lines| {
            for line in lines {
                tell(line, json);
            }
        }),
        Command::Wire { ticket, country, packs, dataset, second_ticket } => {
            let packs: Option<Vec<_>> = packs.iter().map(|pack| parse_pack(pack)).collect();
            match packs {
                Some(packs) => {
                    over_the_wire(&ticket, &Options { country, packs, dataset, second: second_ticket }, json)
                }
                None => Err("--pack takes NAME=DIGEST".to_owned()),
            }
        }
    };
    match lines {
        Ok(lines) => {
            let counts = Counts::of(&lines);
            println!("{}", if json { counts.json() } else { counts.text() });
            ExitCode::from(u8::from(!counts.good()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn over_the_wire(ticket: &str, options: &Options, json: bool) -> Result<Vec<Line>, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    Ok(runtime.block_on(wire::run(ticket, options, &mut |line| tell(line, json))))
}

fn tell(line: &Line, json: bool) {
    println!("{}", if json { line.json() } else { line.text() });
}
