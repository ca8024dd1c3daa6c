//! `naru explain`: why a dataset may or may not move, by the rules as they are now.

use std::path::PathBuf;

use serde_json::json;

use super::{args::Dir, read_json, tell};
use crate::control::Failure;

const EXAMPLES: &str = "Examples:\n  naru explain --dir A merlion DATASET                    (would it get ours?)\n  \
                        naru explain --dir B hangang DATASET --purpose research --country SG  (would we get theirs?)\n\n\
                        Nothing is sent as a proposal, signed or logged. Exit code 0 says that it was explained, not that it is allowed.";

/// Say why a dataset may or may not move between this node and a peer, with rule, law and remedy.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias or DID.
    pub(super) peer: String,
    /// A dataset of ours, as `datasets` prints it, or of the peer, as `catalog` does.
    pub(super) dataset: String,
    /// What it is for; the first purpose of its offer otherwise.
    #[arg(long)]
    pub(super) purpose: Option<String>,
    /// Countries where whoever gets it keeps and processes it; its own country otherwise.
    #[arg(long)]
    pub(super) country: Vec<String>,
    /// What data of a plain partner are, on your own word: a file with facts (JSON).
    #[arg(long)]
    pub(super) facts: Option<PathBuf>,
    /// Days after which data of a plain partner are deleted, where its offer does not say.
    #[arg(long)]
    pub(super) keep_days: Option<u32>,
}

pub(super) async fn explain(args: Explain, json: bool) -> Result<bool, Failure> {
    let request = json!({
        "peer": args.peer, "dataset": args.dataset, "purpose": args.purpose, "countries": args.country,
        "facts": args.facts.as_deref().map(read_json).transpose()?, "keep_days": args.keep_days,
    });
    tell(&args.at.dir, "explain", Some(request), json).await
}
