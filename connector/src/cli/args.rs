//! The commands and their arguments, as `naru help` prints them. Does nothing.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{backup, check, config, init, keys, manual};
use crate::demo;

/// Naru: trade datasets across borders, with the law checked and every step provable.
#[derive(Debug, Parser)]
#[command(name = "naru", version, max_term_width = 100, after_help = manual::EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// JSON instead of text, for results and errors.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the whole story on this machine: two nodes, one deal refused, two concluded, both logs verified.
    Demo(demo::Demo),
    /// Make a node's folder: keys, statements, a free port.
    Init(init::Init),
    /// Run the node of a folder until it is told to stop.
    Run(config::At),
    /// Stop the running node.
    Stop(Dir),
    /// Say how the running node is.
    Status(Dir),
    /// Publish a folder or file: terms and facts are JSON files.
    Publish(Publish),
    /// List what is published.
    Datasets(Dir),
    /// Take a dataset out of the catalog; agreements in force go on.
    Withdraw(Dataset),
    /// Print a ticket for a partner; its last line is the ticket.
    Ticket(Ticket),
    /// Redeem a partner's ticket, once its fingerprint is compared.
    Trust(Trust),
    /// List peers.
    Peers(Dir),
    /// Accept a peer that redeemed one of our tickets, once its fingerprint is compared.
    Accept(Accept),
    /// Record a partner that speaks plain DSP and signs nothing; prints the base URL that it is given, which is a secret.
    Plain(Plain),
    /// Let a plain partner in no more.
    Block(Peer),
    /// Connect to a peer now.
    Dial(Peer),
    /// List what a peer offers.
    Catalog(Peer),
    /// Ask for a dataset, wait for the agreement, and receive it.
    Get(Get),
    /// Offer a dataset to a peer, and wait for the agreement.
    Offer(Offer),
    /// Take up the next offer of a peer for this purpose, and receive it.
    Expect(Expect),
    /// List negotiations and transfers.
    Exchanges(Dir),
    /// End a negotiation that is not concluded or a transfer that is not complete.
    Cancel(Cancel),
    /// Receive the data of an agreement again, or go on into another folder.
    Retry(Retry),
    /// End an agreement in force.
    End(End),
    /// The log.
    #[command(subcommand)]
    Log(Log),
    /// Verify exported logs without any node.
    #[command(subcommand)]
    Audit(Audit),
    /// The settings of a node: check them, show who said what, print an example.
    #[command(subcommand)]
    Config(config::Verb),
    /// Look whether a node's folder is in order: keys, store, log, clock, addresses, certificate, packs, disk.
    Check(check::Check),
    /// Print what a shell needs to complete commands.
    Completions(manual::Completions),
    /// Write manual pages.
    Man(manual::Man),
    /// Copy a node into one file, while it runs or not.
    Backup(backup::Backup),
    /// Make a node's folder out of a backup, with a new log that names the old one.
    Restore(backup::Restore),
    /// Keys: what there is, a new set.
    #[command(subcommand)]
    Keys(keys::Keys),
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Dir {
    /// The node's folder.
    #[arg(long, env = "NARU_DIR")]
    pub(super) dir: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Peer {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID.
    pub(super) peer: String,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Dataset {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The dataset, as `datasets` prints it.
    pub(super) dataset: String,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Publish {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The folder or file; it stays where it is.
    pub(super) path: PathBuf,
    /// A title.
    #[arg(long)]
    pub(super) title: String,
    /// What the other may do: a file with an ODRL offer (JSON).
    #[arg(long)]
    pub(super) terms: PathBuf,
    /// What the data are: a file with the declared facts (JSON).
    #[arg(long)]
    pub(super) facts: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Ticket {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Accept whoever redeems it: no person compares a fingerprint then, and the rules are told that a ticket alone vouches.
    #[arg(long)]
    pub(super) auto_accept: bool,
    /// Seconds until it lapses, at most 30 days.
    #[arg(long, default_value_t = 86_400)]
    pub(super) ttl: u64,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Trust {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The ticket.
    pub(super) ticket: String,
    /// A short name for the peer.
    #[arg(long = "as")]
    pub(super) alias: String,
    /// The fingerprint that the partner told you; asked on the terminal otherwise.
    #[arg(long)]
    pub(super) fingerprint: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Accept {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID, as `peers` prints it.
    pub(super) peer: String,
    /// The fingerprint that the partner told you; asked on the terminal otherwise.
    #[arg(long)]
    pub(super) fingerprint: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Get {
    #[command(flatten)]
    pub(super) at: Dir,
    /// PEER/DATASET, as `catalog` prints it.
    pub(super) dataset: String,
    /// What it is for.
    #[arg(long)]
    pub(super) purpose: String,
    /// Where the files go: a folder that is new or empty.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Countries where the data are kept and processed; the own country otherwise.
    #[arg(long)]
    pub(super) country: Vec<String>,
    /// What data of a plain partner are, on your own word: a file with facts (JSON). Others declare and sign theirs.
    #[arg(long)]
    pub(super) facts: Option<PathBuf>,
    /// Days after which data of a plain partner are deleted, where its offer does not say.
    #[arg(long)]
    pub(super) keep_days: Option<u32>,
    /// Have a plain partner deliver the data to the HTTPS door (HttpData-PUSH) instead of fetching them.
    #[arg(long)]
    pub(super) push: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Plain {
    #[command(flatten)]
    pub(super) at: Dir,
    /// A short name for the partner.
    #[arg(long = "as")]
    pub(super) alias: String,
    /// Its participant id, as it stands in its messages.
    #[arg(long)]
    pub(super) id: String,
    /// Its country, two letters (ISO 3166-1); nobody but you vouches for it.
    #[arg(long)]
    pub(super) country: String,
    /// Its name; the id otherwise.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Base URL of its binding, such as https://partner.example/protocol/2025-1.
    #[arg(long)]
    pub(super) url: String,
    /// A file with the text that is sent to it as `Authorization`, byte for byte; a line feed at the end is cut.
    #[arg(long)]
    pub(super) authorization_file: Option<PathBuf>,
    /// A file with the text that it sends as `Authorization`: it is known by that, and its base has no secret.
    #[arg(long, conflicts_with = "certificate")]
    pub(super) header_file: Option<PathBuf>,
    /// A PEM file with the certificate that it shows: it is known by that, and its base has no secret.
    #[arg(long)]
    pub(super) certificate: Option<PathBuf>,
    /// A PEM file with certificates that its servers may show beside those that the system trusts.
    #[arg(long)]
    pub(super) trust: Option<PathBuf>,
    /// It is in your own network: loopback and private addresses and plain HTTP are taken for it, and for nobody else.
    #[arg(long)]
    pub(super) local: bool,
    /// What the contract with it says that data are for, where an offer leaves that open.
    #[arg(long)]
    pub(super) purpose: Option<String>,
    /// Countries where it keeps and processes data; its own otherwise.
    #[arg(long)]
    pub(super) keeps_in: Vec<String>,
    /// Days after which data are deleted, where an offer leaves that open.
    #[arg(long)]
    pub(super) keep_days: Option<u32>,
    /// Give it another secret; the one of before opens nothing any more.
    #[arg(long)]
    pub(super) renew: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Offer {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID.
    pub(super) peer: String,
    /// The dataset, as `datasets` prints it.
    pub(super) dataset: String,
    /// What the peer wants it for.
    #[arg(long)]
    pub(super) purpose: String,
    /// Countries where the peer keeps and processes the data; the peer's own otherwise.
    #[arg(long)]
    pub(super) country: Vec<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Expect {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID.
    pub(super) peer: String,
    /// Where the files go: a folder that is new or empty.
    #[arg(long, required_unless_present = "revoke")]
    pub(super) out: Option<PathBuf>,
    /// The purpose for which an offer is taken up.
    #[arg(long, required_unless_present = "revoke")]
    pub(super) purpose: Option<String>,
    /// Countries where the data will be kept and processed: those of the offer, neither more nor fewer.
    #[arg(long, required_unless_present = "revoke")]
    pub(super) country: Vec<String>,
    /// End the order that stands for this peer instead.
    #[arg(long, conflicts_with_all = ["out", "purpose", "country"])]
    pub(super) revoke: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The id, as `exchanges` prints it.
    pub(super) id: String,
    /// Why; both sides see it.
    #[arg(long)]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct End {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The negotiation's id, as `exchanges` prints it.
    pub(super) id: String,
    /// Why; both sides see it.
    #[arg(long)]
    pub(super) reason: String,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Retry {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The negotiation's or transfer's id, as `exchanges` prints it.
    pub(super) id: String,
    /// Another folder for the files, new or empty.
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Log {
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
pub(super) enum Audit {
    /// Verify one or both halves from files alone.
    Verify {
        /// Exported folders.
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// The auditor's own trust anchors (TOML).
        #[arg(long)]
        trust: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_take_json_anywhere() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        for line in ["naru --json status --dir a", "naru status --dir a --json", "naru demo --json"] {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap().json, "{line}");
        }
    }
}
