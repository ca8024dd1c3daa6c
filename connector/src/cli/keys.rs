//! `naru keys`: what there is, and a new set.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::args::Dir;
use crate::{config::Folder, control::Failure, keys};

/// What `naru keys` does.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  naru keys show --dir seoul
  naru stop --dir seoul && naru keys rotate --dir seoul --root /media/safe/root.key && naru run --dir seoul")]
pub(super) enum Keys {
    /// Show identity, key sets with their validity, and where the root key is.
    Show(Dir),
    /// Make the next key set, signed by the root; the node must not run meanwhile.
    Rotate(Rotate),
}

/// How to make a new set.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    at: Dir,
    /// The file with the root key, where it was moved out of the folder.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

/// Does it.
pub(super) fn run(verb: &Keys, json: bool) -> Result<bool, Failure> {
    let shown = match verb {
        Keys::Show(at) => keys::show(&Folder::new(&at.dir))?,
        Keys::Rotate(args) => keys::rotate(&Folder::new(&args.at.dir), args.root.as_deref())?,
    };
    if json {
        println!("{}", json!(shown))
    } else {
        print!("{}", text(&shown))
    }
    Ok(true)
}

fn text(shown: &keys::Shown) -> String {
    let mut out = format!("{}\nfingerprint {}\npeer id {}\n", shown.did, shown.fingerprint, shown.peer_id);
    out += &match &shown.root {
        Some(path) => format!("root key {}: may be moved off this machine\n", path.display()),
        None => "root key kept elsewhere\n".to_owned(),
    };
    for set in &shown.sets {
        let end = set.revoked_at.map(|at| format!(", revoked at {at}")).unwrap_or_default();
        out += &format!("key set {} valid from {}{end}\n", set.number, set.valid_from);
        for (name, key) in [("signing", &set.signing), ("log", &set.log), ("transport", &set.transport)] {
            out += &format!("  {name:9} {key}\n");
        }
    }
    out
}
