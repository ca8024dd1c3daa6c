//! The commands and their arguments, as `naru help` prints them. Does nothing.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    backup, check, config, distrust, events, examples, explain, init, keys, lang::Asked, log, manual,
    obligations, policy, publish, queue, supply, token,
};
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
    /// The language of what is told; NARU_LANG or the locale say it otherwise.
    #[arg(long, global = true, value_enum)]
    pub(super) lang: Option<Asked>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the whole story on this machine: two nodes, one deal refused, two concluded, both logs verified.
    #[command(after_help = examples::DEMO)]
    Demo(demo::Demo),
    /// Make a node's folder: keys, statements, a free port.
    #[command(after_help = examples::INIT)]
    Init(init::Init),
    /// Run the node of a folder until it is told to stop.
    #[command(after_help = examples::RUN)]
    Run(config::At),
    /// Stop the running node.
    #[command(after_help = examples::STOP)]
    Stop(Dir),
    /// Say how the node is, and what of its deals is not over.
    #[command(after_help = examples::STATUS)]
    Status(Dir),
    /// Publish a folder or file, under terms and with declared facts: templates or JSON files.
    Publish(publish::Publish),
    /// List the templates of terms and facts, or print one.
    Templates(publish::Templates),
    /// List what is published.
    #[command(after_help = examples::DATASETS)]
    Datasets(Dir),
    /// Take a dataset out of the catalog, in all its versions; agreements in force go on.
    #[command(name = "unpublish", visible_alias = "withdraw", after_help = examples::UNPUBLISH)]
    Withdraw(Dataset),
    /// Print a ticket for a partner; its last line is the ticket.
    #[command(after_help = examples::TICKET)]
    Ticket(Ticket),
    /// Redeem a partner's ticket, once its fingerprint is compared.
    #[command(after_help = examples::TRUST)]
    Trust(Trust),
    /// List peers.
    #[command(after_help = examples::PEERS)]
    Peers(Peers),
    /// Accept a peer that redeemed one of our tickets, once its fingerprint is compared.
    Accept(Accept),
    /// Record a partner that speaks plain DSP and signs nothing; prints the base URL that it is given, which is a secret.
    Plain(Plain),
    /// End all trust in a peer: end what runs with it, and let it in no more.
    #[command(visible_alias = "block")]
    Distrust(distrust::Distrust),
    /// Connect to a peer now.
    #[command(after_help = examples::DIAL)]
    Dial(Peer),
    /// List what a peer offers.
    #[command(after_help = examples::CATALOG)]
    Catalog(Peer),
    /// Ask for a dataset, wait for the agreement, and receive it.
    #[command(after_help = examples::GET)]
    Get(Get),
    /// Offer a dataset to a peer, and wait for the agreement.
    Offer(Offer),
    /// Take up the next offer of a peer for this purpose, and receive it.
    Expect(Expect),
    /// List negotiations and transfers.
    #[command(after_help = examples::EXCHANGES)]
    Exchanges(Dir),
    /// End a negotiation that is not concluded or a transfer that is not complete.
    Cancel(Cancel),
    /// Receive the data of an agreement again, or go on into another folder.
    Retry(Retry),
    /// End an agreement in force.
    End(End),
    /// List deals that wait for a person.
    #[command(after_help = queue::QUEUE)]
    Queue(Dir),
    /// Let a deal go on that waits for a person.
    Approve(queue::Approve),
    /// Refuse a deal that waits for a person.
    Reject(queue::Reject),
    /// Say why a dataset may or may not move between this node and a peer, with rule, law and remedy.
    Explain(explain::Explain),
    /// List agreements: under which terms, in force or not, and how much of them was used.
    #[command(after_help = examples::AGREEMENTS)]
    Agreements(Dir),
    /// List the entries of our log, or export it.
    Log(log::Log),
    /// Export for an auditor, and verify exports without any node.
    #[command(subcommand, after_help = examples::AUDIT)]
    Audit(log::Audit),
    /// The node's keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Follow what happens in the running node.
    Events(events::Events),
    /// Make a token for the management API, list them, end one.
    Token(token::Token),
    /// The settings of a node: check them, show who said what, print an example.
    #[command(subcommand)]
    Config(config::Verb),
    /// Look whether a node's folder is in order: keys, store, log, clock, addresses, certificate, packs, disk.
    Check(check::Check),
    /// Copy a node into one file, while it runs or not.
    Backup(backup::Backup),
    /// Make a node's folder out of a backup, with a new log that names the old one.
    Restore(backup::Restore),
    /// Print what a shell needs to complete commands.
    Completions(manual::Completions),
    /// Write manual pages.
    Man(manual::Man),
    /// Ask the rules and the terms of an offer a question of your own, without a node.
    #[command(subcommand)]
    Policy(policy::Verb),
    /// List the duties of agreements: who owes what until when, and where it stands.
    Obligations(obligations::Obligations),
    /// Report that a duty was done, that something happened, or that data were passed on; both sides log it.
    Report(obligations::Report),
    /// Delete what was received under an agreement, and attest it to the other side.
    Delete(obligations::Delete),
    /// The packs of rules that a node uses, and newer ones under signatures.
    #[command(subcommand)]
    Packs(supply::Packs),
    /// Sanctions lists and stop orders under signatures, which rules read.
    #[command(subcommand)]
    Data(supply::Data),
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
    /// A short name for the peer; one from its name otherwise.
    #[arg(long = "as")]
    pub(super) alias: Option<String>,
    /// The fingerprint that the partner told you, as digits or as six words; asked on the terminal otherwise.
    #[arg(long)]
    pub(super) fingerprint: Option<String>,
    /// Take the ticket's own fingerprint as compared, for scripts: you vouch that it was.
    #[arg(long, conflicts_with = "fingerprint")]
    pub(super) yes: bool,
}

/// The peers, or `accept`, which stands among the verbs too.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Peers {
    /// The node's folder.
    #[arg(long, env = "NARU_DIR", required = true)]
    pub(super) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: Option<PeersVerb>,
}

#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum PeersVerb {
    /// Accept a peer that redeemed one of our tickets, once its fingerprint is compared.
    Accept(Accept),
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = examples::ACCEPT)]
pub(super) struct Accept {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID, as `peers` prints it.
    pub(super) peer: String,
    /// The fingerprint that the partner told you, as digits or as six words; asked on the terminal otherwise.
    #[arg(long)]
    pub(super) fingerprint: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Get {
    #[command(flatten)]
    pub(super) at: Dir,
    /// PEER/DATASET, as `catalog` prints it (`ref`).
    pub(super) dataset: String,
    /// What it is for.
    #[arg(long)]
    pub(super) purpose: String,
    /// Where the files go: a folder that is new, empty, or has a part of them from before. `-` writes the one file of a dataset
    /// to standard output, verified, and everything else to standard error.
    #[arg(long, visible_alias = "output", value_name = "FOLDER|-")]
    pub(super) out: PathBuf,
    /// Countries where the data are kept and processed; the own country otherwise.
    #[arg(long)]
    pub(super) country: Vec<String>,
    /// What data of a plain partner are, on your own word: a template or a file with facts (JSON). Others declare and sign
    /// theirs.
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) declare: Option<String>,
    /// Days after which data of a plain partner are deleted, where its offer does not say.
    #[arg(long)]
    pub(super) keep_days: Option<u32>,
    /// Have a plain partner deliver the data to the HTTPS door (HttpData-PUSH) instead of fetching them.
    #[arg(long)]
    pub(super) push: bool,
    /// Sign and send what is shown without a question, for scripts.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Bytes in a second, at most: 500K, 2M, 1G. Holds for the deal, over restarts too, until a `get` of the same without it.
    #[arg(long, value_name = "RATE", value_parser = super::get::rate)]
    pub(super) limit_rate: Option<u64>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = examples::PLAIN)]
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
#[command(after_help = examples::OFFER)]
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
#[command(after_help = examples::EXPECT)]
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
    /// What data of a plain partner are, on your own word: a template or a file with facts (JSON).
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) declare: Option<String>,
    /// End the order that stands for this peer instead.
    #[arg(long, conflicts_with_all = ["out", "purpose", "country", "declare"])]
    pub(super) revoke: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = examples::CANCEL)]
pub(super) struct Cancel {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The id, as `exchanges` prints it.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: String,
    /// Why; both sides see it.
    #[arg(long)]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = examples::END)]
pub(super) struct End {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The agreement, as `agreements` prints it, or the id of its negotiation.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: String,
    /// Why; both sides see it.
    #[arg(long)]
    pub(super) reason: String,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = examples::RETRY)]
pub(super) struct Retry {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The negotiation's or transfer's id, as `exchanges` prints it, or the agreement.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: String,
    /// Another folder for the files, new or empty.
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_take_json_anywhere() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        for (line, holds) in [
            ("naru log --dir a", true),
            ("naru log --dir a --from 3 --exchange x", true),
            ("naru log export --dir a --out b", true),
            ("naru log export --out b", false),
            ("naru log --dir a export --dir a --out b", false),
            ("naru trust --dir a T", true),
            ("naru trust --dir a T --yes --fingerprint x", false),
            ("naru keys anchor --dir a", true),
            ("naru audit verify a.zip b.zip --trust t", true),
            // Ids may begin with what a flag begins with.
            ("naru approve --dir a -C9xIfHKpLMJgVMmwq94Mg", true),
            ("naru reject --dir a -C9xIfHKpLMJgVMmwq94Mg --reason no", true),
            ("naru cancel --dir a -C9xIfHKpLMJgVMmwq94Mg", true),
            ("naru end --dir a -C9xIfHKpLMJgVMmwq94Mg --reason no", true),
            ("naru retry --dir a -C9xIfHKpLMJgVMmwq94Mg", true),
            ("naru delete --dir a -C9xIfHKpLMJgVMmwq94Mg --yes", true),
            ("naru obligations --dir a -C9xIfHKpLMJgVMmwq94Mg", true),
            ("naru approve --dir a", false),
        ] {
            let read = Cli::try_parse_from(line.split(' '));
            assert_eq!(read.is_ok(), holds, "{line}: {read:?}");
        }
        for line in ["naru --json status --dir a", "naru status --dir a --json", "naru demo --json"] {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap().json, "{line}");
        }
    }
}
