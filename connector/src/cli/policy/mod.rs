//! `naru policy`: questions to the rules that an author or an auditor may ask without a node, a folder or a network
//! (spec chapter 05b, ODR-5). Nothing is signed, sent, logged or kept.
//!
//! `eval` gives one whole document of facts to the packs of law, `odrl` an offer and the facts to the module that says what
//! offers mean, `rules` lists the rules and which of them are live on a day, `what-if` asks about one document with country, day
//! and purpose changed, `replay` asks a node's old decisions again; `test`, `build` and `coverage` are for authors of overlays; `authorities`
//! says whom to ask for what rules want. How questions are read is in `ask`, how answers
//! are told in `tell`.

mod ask;
mod author;
pub(super) mod authorities;
mod replay;
mod tell;
#[cfg(test)]
mod tests;
mod what_if;

use std::{path::PathBuf, process::ExitCode};

use naru_protocol::error::Code;
use serde_json::Value;

use self::ask::{Answer, Decision};
use super::{complain::complain, lang::lang, print};
use crate::control::Failure;

/// Exit code of a denial.
const DENIED: u8 = 3;
/// Exit code where the facts at hand decide nothing.
const UNDETERMINED: u8 = 4;
/// Exit code of a question that cannot be asked, as for a wrong command line.
const BAD_INPUT: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  naru policy eval --facts facts.json --phase transfer --side exporter
  naru policy odrl --policy offer.json --facts facts.json --json
  naru policy rules --date 2026-12-01
  naru policy what-if --facts facts.json --countries KR,SG,DE --dates 2026-12-01,2027-12-01
  naru policy replay --dir A --packs ./bundles";

const EVAL: &str = "\
Examples:
  naru policy eval --facts facts.json --phase negotiation --side importer
  naru policy eval --facts facts.json --phase transfer --side exporter --at 1795424400 --json

FACTS is one JSON object with the members of spec/05-policy.md: shared facts, private ones and those that a node adds lie in
one document, and are told apart here. Members that no rule reads are tolerated. `--phase`, `--side` and `--at` go before what
the document says; no clock is read.

Exit codes:
  0  allowed; at catalog: visible
  1  the rules could not be run (policy_broken, policy_exhausted, policy_result)
  2  the question cannot be asked: unreadable, too large or malformed facts, no phase, side or time
  3  denied; at catalog: hidden
  4  undetermined: nothing denies, and facts are missing
This is no legal advice.";

const ODRL: &str = "\
Examples:
  naru policy odrl --policy offer.json --facts facts.json --phase negotiation --side importer
  naru policy odrl --policy offer.json --facts facts.json --at 1795424400 --json

An offer is judged as the agreement that it would become, and the answer says that it is hypothetical. What of the offer is
not understood is refused by its place. Only the offer is judged here, not the law: `naru policy eval` does that.

Exit codes: 0 permitted, 1 the module could not be run, 2 the offer or the facts cannot be read, 3 denied, 4 undetermined.";

const RULES: &str = "\
Examples:
  naru policy rules                      # today
  naru policy rules --date 2026-12-01 --json

A day begins at 00:00 UTC.";

const WHAT_IF: &str = "\
Examples:
  naru policy what-if --facts facts.json --phase transfer --side exporter --countries SG,DE,US
  naru policy what-if --facts facts.json --countries SG,DE --dates 2026-12-01,2027-12-01 --purposes research,marketing --json

Each cell is the answer of `naru policy eval` with the consumer in that country, on that day, for that purpose. Data that the facts
keep in the consumer's country go along with it; identities and screening are as fresh as they are now, since a node makes them
anew. The terms (`contract`) stay: a country or purpose that they do not name is refused by POST-GEO-001 or POST-PUR-001.
Without a list, what the facts say holds. Exit code 0 says that all was answered, not that anything is allowed.";

const REPLAY: &str = "\
Examples:
  naru policy replay --dir A                          what the packs of this binary say of old decisions
  naru policy replay --dir A --packs ./bundles --json

Each evaluation that was made for a deal is asked again, about the same facts and the same time. Bundles (*.tar.gz) of FOLDER stand for
packs of the same name of this binary. Only the folder is read: the node may run or not. Exit code 0 says that all was looked at.";

const AUTHOR: &str = "\
Examples:
  naru policy test ./house
  naru policy coverage ./house
  naru policy build ./house --out A/overlays/house.tar.gz

FOLDER is one pack: Rego files with tests (*_test.rego), data.json with `pack` (name, title, jurisdiction, revision, applies),
pack/facts.json and pack/rules/*.json (examples/overlay/house is one). The frame `data.naru.lib` comes with this program. The program
`opa` is needed, of the version that our packs are built with, on PATH or named by OPA. A node asks the bundle beside the law once
`[policy] overlays = [...]` of its naru.toml names it; it can only deny and oblige, and no partner is asked to have it.
Exit code 1: a test fails, or a rule was not seen both ways.";

const AUTHORITIES: &str = "\
Examples:
  naru policy authorities
  naru policy authorities --facts facts.json --phase transfer --side exporter --json

With facts, those of the rules that speak against that deal. Not legal advice: forms and periods are the authority's to say.";

/// What `naru policy` does.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Verb {
    /// Ask the packs of law about one document of facts.
    #[command(after_help = EVAL)]
    Eval(Eval),
    /// Ask what an offer says to one document of facts.
    #[command(after_help = ODRL)]
    Odrl(Odrl),
    /// List the rules, and which of them are live on a day.
    #[command(after_help = RULES)]
    Rules(Rules),
    /// Ask about one document of facts with the consumer's country, the day and the purpose changed.
    #[command(name = "what-if", after_help = WHAT_IF)]
    WhatIf(WhatIf),
    /// Ask what a node decided again under other packs: what would change.
    #[command(after_help = REPLAY)]
    Replay(Replay),
    /// Run the tests of an overlay of your own.
    #[command(after_help = AUTHOR)]
    Test(Folder),
    /// Compile an overlay of your own into a bundle, and say its digest.
    #[command(after_help = AUTHOR)]
    Build(Build),
    /// Say which rules of an overlay its tests never saw deny, or never saw allow.
    #[command(after_help = AUTHOR)]
    Coverage(Folder),
    /// Say which authority to ask for what rules want, with what, and within how many days it answers.
    #[command(after_help = AUTHORITIES)]
    Authorities(Authorities),
}

/// Which point of which deal is meant; what is not given stands in the facts.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct When {
    /// A file with the facts: one JSON object.
    #[arg(long)]
    facts: PathBuf,
    /// The point at which it is asked; `phase` of the facts otherwise.
    #[arg(long, value_parser = ["catalog", "negotiation", "transfer", "monitor"])]
    phase: Option<String>,
    /// Whose rules are asked; `side` of the facts otherwise.
    #[arg(long, value_parser = ["exporter", "importer"])]
    side: Option<String>,
    /// The time of the question, seconds since 1970; `now` of the facts otherwise.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// Rely on reference data that nobody has verified; the answer says so.
    #[arg(long)]
    assume_unverified: bool,
}

/// A question to the packs of law.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Eval {
    #[command(flatten)]
    when: When,
}

/// A question about an offer.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Odrl {
    /// A file with the offer, agreement or set: one JSON object in ODRL.
    #[arg(long)]
    policy: PathBuf,
    #[command(flatten)]
    when: When,
}

/// A day.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Rules {
    /// A day (2026-12-01), a time with its zone, or seconds since 1970; now otherwise.
    #[arg(long)]
    date: Option<String>,
}

/// Many questions at once.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WhatIf {
    #[command(flatten)]
    when: When,
    /// Countries of the consumer, two letters each: SG,DE.
    #[arg(long, value_delimiter = ',', value_name = "COUNTRY,…")]
    countries: Vec<String>,
    /// Days (2026-12-01), times with their zone, or seconds since 1970.
    #[arg(long, value_delimiter = ',', value_name = "DAY,…")]
    dates: Vec<String>,
    /// Purposes of the transfer: research,marketing.
    #[arg(long, value_delimiter = ',', value_name = "PURPOSE,…")]
    purposes: Vec<String>,
}

/// Old decisions.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Replay {
    /// The node's folder.
    #[arg(long, env = "NARU_DIR")]
    dir: PathBuf,
    /// A folder with bundles; the packs of this binary otherwise.
    #[arg(long, value_name = "FOLDER")]
    packs: Option<PathBuf>,
}

/// The sources of an overlay.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Folder {
    /// The folder of the pack.
    #[arg(value_name = "FOLDER")]
    dir: PathBuf,
}

/// The sources of an overlay, and where its bundle goes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Build {
    /// The folder of the pack.
    #[arg(value_name = "FOLDER")]
    dir: PathBuf,
    /// The bundle; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// All authorities, or those that one deal wants.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Authorities {
    /// A file with the facts of a deal: one JSON object.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// The point at which it is asked; `phase` of the facts otherwise.
    #[arg(long, requires = "facts", value_parser = ["catalog", "negotiation", "transfer", "monitor"])]
    phase: Option<String>,
    /// Whose rules are asked; `side` of the facts otherwise.
    #[arg(long, requires = "facts", value_parser = ["exporter", "importer"])]
    side: Option<String>,
    /// The time of the question, seconds since 1970; `now` of the facts otherwise.
    #[arg(long, requires = "facts", value_name = "SECONDS")]
    at: Option<u64>,
}

/// Does it, and says by its exit code what came of it.
pub(super) fn run(verb: &Verb, json: bool) -> ExitCode {
    let mut holds = true;
    let mut authored = |said: Value| {
        holds = author::holds(&said);
        if json {
            print::json(said);
        } else {
            print!("{}", author::text(&said, lang()));
        }
        None
    };
    let answered = match verb {
        Verb::Eval(args) => ask::eval(args).map(Some),
        Verb::Odrl(args) => ask::odrl(args).map(Some),
        Verb::Rules(args) => ask::rules(args).map(|listed| {
            tell::rules(&listed, json);
            None
        }),
        Verb::WhatIf(args) => what_if::ask(args).map(|matrix| {
            if json {
                print::json(what_if::object(&matrix));
            } else {
                print!("{}", what_if::text(&matrix, lang()));
            }
            None
        }),
        Verb::Replay(args) => replay::ask(args).map(|said| {
            if json {
                print::json(said);
            } else {
                print!("{}", replay::text(&said, lang()));
            }
            None
        }),
        Verb::Authorities(args) => authorities::ask(args).map(|said| {
            if json {
                print::json(said);
            } else {
                print!("{}", authorities::text(&said, lang()));
            }
            None
        }),
        Verb::Test(args) => author::test(args).map(&mut authored),
        Verb::Build(args) => author::build(args).map(&mut authored),
        Verb::Coverage(args) => author::coverage(args).map(&mut authored),
    };
    match answered {
        Ok(Some(answer)) => {
            tell::answer(&answer, json);
            ExitCode::from(exit(&answer))
        }
        Ok(None) if !holds => ExitCode::FAILURE,
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = complain(&failure, json);
            if is_bad_input(&failure) { ExitCode::from(BAD_INPUT) } else { told }
        }
    }
}

fn exit(answer: &Answer) -> u8 {
    match answer.decision {
        Decision::Allow => 0,
        Decision::Deny => DENIED,
        Decision::Undetermined => UNDETERMINED,
    }
}

/// Whether it is the question that is wrong, and not the rules.
fn is_bad_input(failure: &Failure) -> bool {
    [Code::ArgumentInvalid, Code::FileUnusable, Code::PolicyInput]
        .iter()
        .any(|code| failure.code == code.as_str())
}
