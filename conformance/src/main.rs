//! The command `naru-conformance`: runs the vectors of the specification, or tests a running node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use naru_conformance::{
    json::Json,
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
        #[arg(long, value_name = "NAME=DIGEST")]
        pack: Vec<String>,
        /// A file of packs, one a line: its name first, its digest last, as `policy/bundles/DIGESTS`.
        #[arg(long)]
        packs: Option<PathBuf>,
        /// Revision of the packs that the contract names.
        #[arg(long, default_value = "")]
        revision: String,
        /// A duty that the packs put on this deal, as the JSON object that the terms list; once for each.
        #[arg(long, value_name = "JSON")]
        obligation: Vec<String>,
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
        Command::Wire { ticket, country, pack, packs, revision, obligation, dataset, second_ticket } => {
            let options = named_packs(&pack, packs.as_deref()).and_then(|packs| {
                let obligations =
                    obligation.iter().map(|text| Json::parse(text.as_bytes())).collect::<Result<_, _>>();
                let obligations = obligations.map_err(|error| format!("--obligation: {error}"))?;
                Ok(Options { country, packs, revision, obligations, dataset, second: second_ticket })
            });
            options.and_then(|options| over_the_wire(&ticket, &options, json))
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

/// Packs from the options and from a file; a line that begins with `#` is a remark.
fn named_packs(options: &[String], file: Option<&Path>) -> Result<Vec<(String, String)>, String> {
    let mut texts = options.to_vec();
    if let Some(file) = file {
        let lines = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (name, digest) = (words.next(), words.next_back());
            texts.push(format!("{}={}", name.unwrap_or_default(), digest.unwrap_or_default()));
        }
    }
    let read = |text: &String| parse_pack(text).ok_or_else(|| format!("{text} is not NAME=DIGEST"));
    texts.iter().map(read).collect()
}

fn over_the_wire(ticket: &str, options: &Options, json: bool) -> Result<Vec<Line>, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    Ok(runtime.block_on(wire::run(ticket, options, &mut |line| tell(line, json))))
}

fn tell(line: &Line, json: bool) {
    println!("{}", if json { line.json() } else { line.text() });
}
