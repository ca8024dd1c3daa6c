//! `naru backup` and `naru restore`.

use std::path::PathBuf;

use serde_json::json;

use super::{args::Dir, print};
use crate::{backup, config::Folder, control::Failure};

/// What to copy, and where to.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  naru backup --dir seoul --out seoul-2026-11-27.tar          while the node runs, or not
  naru backup --dir seoul --out copy.tar --without-root-key
  naru backup --dir seoul --out /dev/shm/b.tar && age -p -o b.tar.age /dev/shm/b.tar

The file holds the node's keys in the clear: keep it as you keep them. Published files are in it only
where they were published with --copy.")]
pub(super) struct Backup {
    #[command(flatten)]
    at: Dir,
    /// The file to make; never overwritten.
    #[arg(long)]
    out: PathBuf,
    /// Leave the root key out, where it is kept elsewhere too.
    #[arg(long)]
    without_root_key: bool,
}

/// What to restore, and where to.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  naru restore seoul-2026-11-27.tar --dir seoul2
  naru check --dir seoul2 && naru run --dir seoul2

The restored node opens a new log that names the old one, and never goes on with the old one: stop a node that still runs
from the old folder. Deals that were under way at the time of the backup are not gone on with, later ones are not known: make
them again. The old log is exported into DIR/earlier/, for `naru audit verify`.")]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    /// A folder that is new or empty.
    #[arg(long, env = "NARU_DIR")]
    dir: PathBuf,
    /// Number of the new log, where the next one was used already by another restore of the same backup.
    #[arg(long)]
    shard: Option<u32>,
}

/// Makes a backup.
pub(super) async fn make(args: &Backup, json: bool) -> Result<bool, Failure> {
    let made = backup::make(&Folder::new(&args.at.dir), &args.out, !args.without_root_key).await?;
    if json {
        print::json(json!(made));
        return Ok(true);
    }
    println!(
        "{}: {} files, {} bytes, log of {} entries",
        made.out.display(),
        made.files,
        made.bytes,
        made.size
    );
    let root = if made.root_key { "all keys, the root key too" } else { "all keys but the root key" };
    println!("it holds {root}: keep it as you keep them");
    for path in &made.outside {
        println!("not in it, since it lies outside of the folder: {}", path.display());
    }
    Ok(true)
}

/// Restores one.
pub(super) async fn restore(args: &Restore, json: bool) -> Result<bool, Failure> {
    let restored = backup::restore(&args.file, &super::absolute(&args.dir)?, args.shard).await?;
    if json {
        print::json(json!(restored));
        return Ok(true);
    }
    let dir = restored.dir.display();
    println!("{dir}: {} {}", restored.name, restored.did);
    println!("new log {}, after one of {} entries", restored.origin, restored.superseded);
    if let Some(earlier) = &restored.earlier {
        println!("the earlier log is exported to {}", earlier.display());
    }
    let dropped = restored.dropped;
    println!("not gone on with: {} deals under way, {} open tickets", dropped.exchanges, dropped.tickets);
    println!("next: naru check --dir {dir}, then naru run --dir {dir}; never run the old folder again");
    Ok(true)
}
