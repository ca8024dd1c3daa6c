//! The command line: one verb a file where a verb does more than ask the running node.
//!
//! Prints results for people on standard output, or JSON with `--json`; errors go to standard error with a stable code,
//! whose side they came from and what to do. Exit code 0 means that what was asked was done.

pub mod init;
mod run;
mod show;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use crate::{audit, control, control::Failure, demo};

/// Naru: trade datasets across borders, with the law checked and every step provable.
#[derive(Debug, Parser)]
#[command(name = "naru", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the whole story on this machine: two nodes, one deal refused, two concluded, both logs verified.
    Demo(demo::Demo),
    /// Make a node's folder: keys, statements, a free port.
    Init(init::Init),
    /// Run the node of a folder until it is told to stop.
    Run(Dir),
    /// Stop the running node.
    Stop(Dir),
    /// Say how the running node is.
    Status(Json),
    /// Publish a folder or file: terms and facts are JSON files.
    Publish(Publish),
    /// Print a ticket for a partner; its last line is the ticket.
    Ticket(Ticket),
    /// Redeem a partner's ticket.
    Trust(Trust),
    /// List peers.
    Peers(Json),
    /// Accept a peer that redeemed one of our tickets.
    Accept(Peer),
    /// List what a peer offers.
    Catalog(Peer),
    /// Ask for a dataset, wait for the agreement, and receive it.
    Get(Get),
    /// List negotiations and transfers.
    Exchanges(Json),
    /// The log.
    #[command(subcommand)]
    Log(Log),
    /// Verify exported logs without any node.
    #[command(subcommand)]
    Audit(Audit),
}

#[derive(Debug, Clone, clap::Args)]
struct Dir {
    /// The node's folder.
    #[arg(long, env = "NARU_DIR")]
    dir: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
struct Json {
    #[command(flatten)]
    at: Dir,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Peer {
    #[command(flatten)]
    at: Dir,
    /// Alias or DID.
    peer: String,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Publish {
    #[command(flatten)]
    at: Dir,
    /// The folder or file; it stays where it is.
    path: PathBuf,
    /// A title.
    #[arg(long)]
    title: String,
    /// What the other may do: a file with an ODRL offer (JSON).
    #[arg(long)]
    terms: PathBuf,
    /// What the data are: a file with the declared facts (JSON).
    #[arg(long)]
    facts: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Ticket {
    #[command(flatten)]
    at: Dir,
    /// Accept whoever redeems it.
    #[arg(long)]
    auto_accept: bool,
    /// Seconds until it lapses.
    #[arg(long, default_value_t = 86_400)]
    ttl: u64,
}

#[derive(Debug, Clone, clap::Args)]
struct Trust {
    #[command(flatten)]
    at: Dir,
    /// The ticket.
    ticket: String,
    /// A short name for the peer.
    #[arg(long = "as")]
    alias: String,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Get {
    #[command(flatten)]
    at: Dir,
    /// PEER/DATASET, as `catalog` prints it.
    dataset: String,
    /// What it is for.
    #[arg(long)]
    purpose: String,
    /// Where the files go.
    #[arg(long)]
    out: PathBuf,
    /// Countries where the data are kept and processed; the own country otherwise.
    #[arg(long)]
    country: Vec<String>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Log {
    /// Write the log and what an auditor needs as static files.
    Export {
        #[command(flatten)]
        at: Dir,
        /// A folder that is new or empty.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Verify one or both halves from files alone.
    Verify {
        /// Exported folders.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// The auditor's own trust anchors (TOML).
        #[arg(long)]
        trust: PathBuf,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Runs one command.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::new(Code::FileUnusable, format!("cannot start: {error}"))),
    };
    match runtime.block_on(dispatch(cli.verb)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => complain(&failure),
    }
}

/// What, whose side, what to do: in English on standard error.
fn complain(failure: &Failure) -> ExitCode {
    match Code::parse(&failure.code) {
        Ok(code) => {
            eprintln!(
                "error[{}] ({}): {}\n  {}",
                failure.code,
                code.side().as_str(),
                failure.message,
                code.hint(Lang::En)
            );
        }
        Err(_) => eprintln!("error[{}]: {}", failure.code, failure.message),
    }
    ExitCode::FAILURE
}

async fn dispatch(verb: Verb) -> Result<bool, Failure> {
    match verb {
        Verb::Demo(args) => Ok(demo::run(&args).await),
        Verb::Init(args) => {
            let made = init::create(&args)?;
            println!(
                "{}\nfingerprint {}\nport {}\nnext: naru run --dir {}",
                made.did,
                made.fingerprint,
                made.port,
                args.dir.display()
            );
            Ok(true)
        }
        Verb::Run(at) => run::run(&at.dir).await,
        Verb::Stop(at) => tell(&at.dir, "stop", Some(json!({})), true).await,
        Verb::Status(args) => tell(&args.at.dir, "status", None, args.json).await,
        Verb::Peers(args) => tell(&args.at.dir, "peers", None, args.json).await,
        Verb::Exchanges(args) => tell(&args.at.dir, "exchanges", None, args.json).await,
        Verb::Publish(args) => publish(args).await,
        Verb::Ticket(args) => {
            let request = json!({"auto_accept": args.auto_accept, "ttl": args.ttl});
            let made = control::call(&args.at.dir, "ticket", Some(&request)).await?;
            let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            println!("fingerprint {}\n{}", text("fingerprint"), text("ticket"));
            Ok(true)
        }
        Verb::Trust(args) => {
            let request = json!({"ticket": args.ticket, "alias": args.alias});
            tell(&args.at.dir, "trust", Some(request), args.json).await
        }
        Verb::Accept(args) => tell(&args.at.dir, "accept", Some(json!({"peer": args.peer})), args.json).await,
        Verb::Catalog(args) => {
            tell(&args.at.dir, "catalog", Some(json!({"peer": args.peer})), args.json).await
        }
        Verb::Get(args) => get(args).await,
        Verb::Log(Log::Export { at, out }) => {
            let out = absolute(&out)?;
            tell(&at.dir, "export", Some(json!({"out": out})), false).await
        }
        Verb::Audit(Audit::Verify { dirs, trust, json }) => {
            let report = audit::verify(&dirs, &audit::Anchors::read(&trust)?)?;
            if json {
                println!("{}", report.to_json())
            } else {
                print!("{}", report.to_text())
            }
            Ok(report.holds())
        }
    }
}

async fn tell(dir: &Path, verb: &str, request: Option<Value>, json: bool) -> Result<bool, Failure> {
    let answer = control::call(dir, verb, request.as_ref()).await?;
    if json {
        println!("{answer}")
    } else {
        print!("{}", show::text(&answer))
    }
    Ok(true)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display())))
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display())))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Failure::new(Code::Malformed, format!("{}: {e}", path.display())))
}

async fn publish(args: Publish) -> Result<bool, Failure> {
    let request = json!({
        "path": absolute(&args.path)?,
        "title": {"en": args.title},
        "policy": read_json(&args.terms)?,
        "facts": read_json(&args.facts)?,
    });
    tell(&args.at.dir, "publish", Some(request), args.json).await
}

async fn get(args: Get) -> Result<bool, Failure> {
    let usage =
        || Failure::new(Code::Malformed, "name the dataset as PEER/DATASET, as `naru catalog` prints it");
    let (peer, dataset) = args.dataset.split_once('/').ok_or_else(usage)?;
    let request = json!({
        "peer": peer, "dataset": dataset, "purpose": args.purpose, "countries": args.country, "out": absolute(&args.out)?,
    });
    let asked = control::call(&args.at.dir, "request", Some(&request)).await?;
    show::follow(&args.at.dir, asked, args.json).await
}
