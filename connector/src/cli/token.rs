//! `naru token`: issues a token for the management API, lists those that were issued, ends one. Works on the folder, whether
//! the node runs or not.

use std::time::{SystemTime, UNIX_EPOCH};

use naru_protocol::encoding::Digest;
use serde_json::json;

use super::{args, print};
use crate::{
    config::Folder,
    control::Failure,
    manage::{Scope, tokens},
};

/// What is done with tokens.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  naru token --dir A --scope read --label prometheus > prometheus.token\n  \
    naru token --dir A --scope audit --ttl 86400   ends by itself after a day\n  \
    naru token --dir A --list\n  naru token --dir A --revoke ID\n\n\
    The last line is the token. It is shown once: the folder keeps only its digest (tokens/)."
)]
pub(super) struct Token {
    #[command(flatten)]
    pub(super) at: args::Dir,
    /// What it is good for; every scope may read too.
    #[arg(long, required_unless_present_any = ["list", "revoke"])]
    pub(super) scope: Option<Scope>,
    /// Seconds until it ends; without it, it holds until it is revoked.
    #[arg(long, value_name = "SECONDS", requires = "scope")]
    pub(super) ttl: Option<u64>,
    /// What it is for, as `--list` shows it.
    #[arg(long, requires = "scope")]
    pub(super) label: Option<String>,
    /// List the tokens that were issued, by id.
    #[arg(long, conflicts_with_all = ["scope", "revoke"])]
    pub(super) list: bool,
    /// End a token, by its id or the beginning of it.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, conflicts_with = "scope")]
    pub(super) revoke: Option<String>,
}

pub(super) fn run(args: &Token, json: bool) -> Result<bool, Failure> {
    let folder = Folder::new(&args.at.dir);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if let Some(scope) = args.scope {
        let (text, issued) = tokens::issue(&folder, scope, args.ttl, args.label.clone(), now)?;
        let id = Digest::of(text.as_bytes()).to_string();
        if json {
            print::json(json!({"id": id, "scope": scope, "expires": issued.expires, "token": text}));
        } else {
            eprintln!("id {id}");
            println!("{text}");
        }
        return Ok(true);
    }
    if let Some(id) = &args.revoke {
        let id = tokens::revoke(&folder, id)?;
        super::shown(&json!({"revoked": id}), json);
        return Ok(true);
    }
    let listed: Vec<_> = tokens::list(&folder)?
        .into_iter()
        .map(|(id, issued)| {
            json!({"id": id, "scope": issued.scope, "label": issued.label, "created": issued.created,
                "expires": issued.expires, "holds": issued.holds(now)})
        })
        .collect();
    super::shown(&json!(listed), json);
    Ok(true)
}
