//! The command line: one verb a file where a verb does more than ask the running node.
//!
//! Prints results for people on standard output, or JSON with `--json`; errors go to standard error with a stable code,
//! whose side they came from and what to do, as one JSON object with `--json`. Every object says the version of its shape (`print`). Exit code 0 means that what was asked was done,
//! 1 that it failed or was refused, 2 that the command line cannot be meant so; `naru policy` has two more of its own.

// Before the others: they print with its macros.
#[macro_use]
mod print;
mod args;
mod asked;
mod backup;
mod bar;
mod check;
mod complain;
mod config;
mod confirm;
mod distrust;
mod events;
mod examples;
mod explain;
mod found;
mod get;
pub mod init;
mod keys;
mod lang;
mod log;
mod logs;
mod manual;
mod obligations;
mod output;
mod policy;
mod publish;
mod questions;
mod queue;
mod run;
mod show;
mod supply;
mod text;
mod token;
mod usage;
mod watch;
mod words;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use naru_protocol::error::Code;
use serde_json::{Value, json};

use self::{
    args::{Accept, Cli, Offer, PeersVerb, Retry, Verb},
    complain::complain,
    show::Goal,
};
pub(crate) use self::{print::versioned, run::signalled};
use crate::{control, control::Failure, demo};

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) if error.use_stderr() => {
            let (lang, json) = usage::told(&std::env::args_os().collect::<Vec<_>>());
            lang::choose(lang);
            complain(&usage::failure(&error, lang::lang()), json)
        }
        Err(error) => error.exit(),
    }
}

fn run(cli: Cli) -> ExitCode {
    lang::choose(cli.lang);
    // Asks no node, and its exit code says more than whether it was done.
    if let Verb::Policy(verb) = &cli.verb {
        return policy::run(verb, cli.json);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(Code::FileUnusable, format!("cannot start: {error}"));
            return complain(&failure, cli.json);
        }
    };
    match runtime.block_on(dispatch(cli.verb, cli.json)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => complain(&failure, cli.json),
    }
}

async fn dispatch(verb: Verb, json: bool) -> Result<bool, Failure> {
    let ask = |verb: &'static str, dir: PathBuf, request: Value| async move {
        tell(&dir, verb, Some(request), json).await
    };
    match verb {
        Verb::Demo(args) => Ok(demo::run(&args, json, lang::lang()).await),
        Verb::Init(args) => made(&args, json),
        Verb::Run(at) => run::run(&at).await,
        Verb::Stop(at) => run::stop(&at.dir, json).await,
        Verb::Status(at) => look(&at.dir, "status", json).await,
        Verb::Peers(args) => match args.verb {
            Some(PeersVerb::Accept(args)) => accept(args, json).await,
            None => look(&args.dir.unwrap_or_default(), "peers", json).await,
        },
        Verb::Datasets(at) => look(&at.dir, "datasets", json).await,
        Verb::Exchanges(at) => look(&at.dir, "exchanges", json).await,
        Verb::Publish(args) => publish::publish(args, json).await,
        Verb::Withdraw(args) => ask("withdraw", args.at.dir, json!({"dataset": args.dataset})).await,
        Verb::Ticket(args) => ticket(args, json).await,
        Verb::Trust(args) => get::trust(args, json).await,
        Verb::Accept(args) => accept(args, json).await,
        Verb::Plain(args) => plain(args, json).await,
        Verb::Distrust(args) => distrust::distrust(args, json).await,
        Verb::Dial(args) => ask("dial", args.at.dir, json!({"peer": args.peer})).await,
        Verb::Catalog(args) => catalog(args, json).await,
        Verb::Get(args) => get::get(args, json).await,
        Verb::Offer(args) => offer(args, json).await,
        Verb::Expect(args) => expect(args, json).await,
        Verb::Cancel(args) => ask("cancel", args.at.dir, json!({"id": args.id, "reason": args.reason})).await,
        Verb::End(args) => ask("end", args.at.dir, json!({"id": args.id, "reason": args.reason})).await,
        Verb::Retry(args) => retry(args, json).await,
        Verb::Queue(at) => queue::queue(at, json).await,
        Verb::Approve(args) => queue::approve(args, json).await,
        Verb::Reject(args) => queue::reject(args, json).await,
        Verb::Explain(args) => explain::explain(args, json).await,
        Verb::Agreements(at) => look(&at.dir, "agreements", json).await,
        Verb::Log(args) => log::log(args, json).await,
        Verb::Audit(verb) => log::run(verb, json).await,
        Verb::Keys(verb) => keys::run(&verb, json).await,
        Verb::Templates(args) => publish::list(&args, json),
        Verb::Events(args) => events::run(args, json).await,
        Verb::Token(args) => token::run(&args, json),
        Verb::Config(verb) => config::run(&verb, json),
        Verb::Check(args) => check::run(&args, json).await,
        Verb::Backup(args) => backup::make(&args, json).await,
        Verb::Restore(args) => backup::restore(&args, json).await,
        Verb::Completions(args) => manual::completions(&args),
        Verb::Man(args) => manual::man(&args, json),
        Verb::Packs(verb) => supply::packs(verb, json).await,
        Verb::Data(verb) => supply::data(verb, json).await,
        Verb::Policy(verb) => Ok(policy::run(&verb, json) == ExitCode::SUCCESS),
        Verb::Obligations(args) => obligations::obligations(args, json).await,
        Verb::Report(args) => obligations::report(args, json).await,
        Verb::Delete(args) => obligations::delete(args, json).await,
    }
}

async fn ticket(args: args::Ticket, json: bool) -> Result<bool, Failure> {
    let request = json!({"auto_accept": args.auto_accept, "ttl": args.ttl});
    let mut made = control::call(&args.at.dir, "ticket", Some(&request)).await?;
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (fingerprint, ticket) = (text("fingerprint"), text("ticket"));
    let words = words::of(&fingerprint);
    if json {
        if let Some(members) = made.as_object_mut() {
            members.insert("words".to_owned(), json!(words));
        }
        print::json(made);
    } else {
        println!("fingerprint {fingerprint}\nin words {words}\n{ticket}");
    }
    Ok(true)
}

async fn catalog(args: args::Peer, json: bool) -> Result<bool, Failure> {
    let request = json!({"peer": args.peer});
    let mut items = control::call(&args.at.dir, "catalog", Some(&request)).await?;
    if !json {
        // `terms` says to people what the offer says to programs.
        for item in items.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            item.remove("offer");
        }
    }
    shown(&items, json);
    Ok(true)
}

async fn expect(args: args::Expect, json: bool) -> Result<bool, Failure> {
    let Some(out) = &args.out else {
        return tell(&args.at.dir, "revoke", Some(json!({"peer": args.peer})), json).await;
    };
    let out = absolute(out)?;
    let facts = publish::declared(args.declare.as_deref())?;
    let request = json!({
        "peer": args.peer, "out": out, "purpose": args.purpose, "countries": args.country, "facts": facts,
    });
    tell(&args.at.dir, "expect", Some(request), json).await
}

/// What a reading verb says, of the running node or of its folder; said so where it is the folder.
async fn seen(dir: &Path, verb: &str, request: Option<&Value>) -> Result<Value, Failure> {
    let (answer, running) = control::look(dir, verb, request).await?;
    if !running {
        let (down, starts) = (
            lang::pick(
                "the node is not running: this is what its folder says",
                "노드가 실행 중이 아닙니다. 폴더에 있는 내용입니다",
            ),
            lang::pick("starts it", "로 시작합니다"),
        );
        eprintln!("{down} (`naru run --dir {}` {starts})", dir.display());
    }
    Ok(answer)
}

async fn look(dir: &Path, verb: &str, json: bool) -> Result<bool, Failure> {
    shown(&seen(dir, verb, None).await?, json);
    Ok(true)
}

async fn tell(dir: &Path, verb: &str, request: Option<Value>, json: bool) -> Result<bool, Failure> {
    let answer = control::call(dir, verb, request.as_ref()).await?;
    shown(&answer, json);
    Ok(true)
}

fn shown(answer: &Value, json: bool) {
    if json { print::json(answer.clone()) } else { print!("{}", show::text(answer)) }
}

fn made(args: &init::Init, json: bool) -> Result<bool, Failure> {
    let made = init::create(args)?;
    if json {
        print::json(json!(made));
    } else {
        let https = made.https.map(|url| format!("\nhttps {url}")).unwrap_or_default();
        println!(
            "{}\nfingerprint {}\nport {}{https}\nnext: naru run --dir {}",
            made.did,
            made.fingerprint,
            made.port,
            args.dir.display()
        );
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
        .map_err(|e| Failure::new(Code::ArgumentInvalid, format!("{}: {e}", path.display())))
}

/// A text of one line from a file: a secret has no place among the arguments.
fn read_line(path: &Path) -> Result<String, Failure> {
    let unusable = |e: String| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() || text.contains(['\n', '\r']) {
        return Err(unusable("holds no single line".to_owned()));
    }
    Ok(text.to_owned())
}

async fn accept(args: Accept, json: bool) -> Result<bool, Failure> {
    let fingerprint = confirm::of_peer(&args.at.dir, &args.peer, args.fingerprint).await?;
    tell(&args.at.dir, "accept", Some(json!({"peer": args.peer, "fingerprint": fingerprint})), json).await
}

async fn plain(args: args::Plain, json: bool) -> Result<bool, Failure> {
    let line = |path: &Option<PathBuf>| path.as_deref().map(read_line).transpose();
    let pem = |path: &Option<PathBuf>| {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display())))
        };
        path.as_ref().map(read).transpose()
    };
    let request = json!({
        "id": args.id, "alias": args.alias, "name": args.name.unwrap_or_else(|| args.id.clone()),
        "country": args.country, "url": args.url, "authorization": line(&args.authorization_file)?,
        "header": line(&args.header_file)?, "certificate": pem(&args.certificate)?, "trust": pem(&args.trust)?,
        "local": args.local, "purpose": args.purpose, "countries": args.keeps_in, "keep_days": args.keep_days,
        "renew": args.renew,
    });
    tell(&args.at.dir, "plain", Some(request), json).await
}

async fn offer(args: Offer, json: bool) -> Result<bool, Failure> {
    let request = json!({
        "peer": args.peer, "dataset": args.dataset, "purpose": args.purpose, "countries": args.country, "out": null,
    });
    let asked = control::call(&args.at.dir, "offer", Some(&request)).await?;
    show::follow(&args.at.dir, asked, Goal::Agreement, json).await
}

async fn retry(args: Retry, json: bool) -> Result<bool, Failure> {
    let out = args.out.as_deref().map(absolute).transpose()?;
    let request = json!({"id": args.id, "out": out});
    let view = control::call(&args.at.dir, "retry", Some(&request)).await?;
    show::follow(&args.at.dir, view, Goal::Data, json).await
}
