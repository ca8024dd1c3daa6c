//! `naru config`: whether `naru.toml` can be used, what holds and who said so, and a file with everything in it. Starts nothing.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{args::Dir, examples, print};
use crate::{
    config::{self, Flags, Folder},
    control::Failure,
};

const EXAMPLES: &str = "\
Examples:
  naru config check --dir seoul
  naru config show --dir seoul                      each setting with its value and who said so
  NARU_LISTEN_PORT=4900 naru config show --dir seoul --json
  naru config example > naru.toml.example";

/// What `naru config` does.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Verb {
    /// Say whether the settings of a folder can be used.
    #[command(after_help = examples::CONFIG_CHECK)]
    Check(At),
    /// Show each setting with its source: flag, environment, line of naru.toml, default.
    #[command(after_help = examples::CONFIG_SHOW)]
    Show(At),
    /// Print a naru.toml with every setting and what it is for.
    #[command(after_help = examples::CONFIG_EXAMPLE)]
    Example,
}

/// A folder, and what a command line says over its file.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct At {
    #[command(flatten)]
    pub(super) at: Dir,
    #[command(flatten)]
    pub(super) over: Over,
}

/// Settings that a command line says over `naru.toml`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Over {
    /// The address to listen on, instead of `listen.host`.
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on, instead of `listen.port`; 0 only dials out.
    #[arg(long)]
    port: Option<u16>,
}

impl At {
    /// The folder with these settings over its file.
    pub(super) fn folder(&self) -> Folder {
        let host = self.over.host.clone().map(|host| ("listen.host", "--host", host));
        let port = self.over.port.map(|port| ("listen.port", "--port", port.to_string()));
        Folder::new(&self.at.dir).with(Flags(host.into_iter().chain(port).collect()))
    }
}

/// Does it.
pub(super) fn run(verb: &Verb, json: bool) -> Result<bool, Failure> {
    match verb {
        Verb::Check(at) => check(at, json),
        Verb::Show(at) => show(at, json),
        Verb::Example => {
            print!("{}", config::example());
            Ok(true)
        }
    }
}

fn failed(error: &config::ConfigError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn check(at: &At, json: bool) -> Result<bool, Failure> {
    let folder = at.folder();
    let resolved = folder.resolved().map_err(|e| failed(&e))?;
    if let Some(https) = &resolved.config.https {
        https.read(&folder).map_err(|e| failed(&e))?;
    }
    let count = resolved.settings.len();
    match json {
        true => print::json(json!({"usable": true, "settings": count})),
        false => println!("{}: usable, {count} settings", folder.join("naru.toml").display()),
    }
    Ok(true)
}

fn show(at: &At, json: bool) -> Result<bool, Failure> {
    let settings = at.folder().resolved().map_err(|e| failed(&e))?.settings;
    if json {
        let settings: Vec<Value> = settings.iter().map(|setting| json!(setting)).collect();
        print::json(json!({"settings": settings}));
        return Ok(true);
    }
    let width = |of: &dyn Fn(&config::Setting) -> usize| settings.iter().map(of).max().unwrap_or_default();
    let (keys, values) = (width(&|s| s.key.chars().count()), width(&|s| s.value.to_string().chars().count()));
    for setting in &settings {
        println!("{:keys$}  {:values$}  {}", setting.key, setting.value.to_string(), setting.source);
    }
    Ok(true)
}
