//! `naru distrust`: what it ends is said first; then a person agrees on the terminal, or `--yes` did beforehand.

use naru_protocol::error::Lang;
use serde_json::json;

use super::{
    args::Dir,
    confirm,
    lang::{self, pick},
    print, show, tell,
};
use crate::control::{self, Failure};

const EXAMPLES: &str = "Examples:\n  naru distrust --dir A merlion --reason \"its keys were stolen\"\n  \
                        naru distrust --dir A merlion --reason \"contract ended\" --yes --json\n\n\
                        It can be lifted: `naru accept` or `naru trust` with a new ticket for a peer that signs, `naru plain` \
                        for one that does not. What was ended stays ended.";

/// End all trust in a peer: end what runs with it, and let it in no more.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Distrust {
    #[command(flatten)]
    pub(super) at: Dir,
    /// Alias, DID or participant id, as `peers` prints it.
    pub(super) peer: String,
    /// Why; the other side sees it with everything that ends.
    #[arg(long)]
    pub(super) reason: String,
    /// Do it without asking.
    #[arg(long)]
    pub(super) yes: bool,
}

pub(super) async fn distrust(args: Distrust, json: bool) -> Result<bool, Failure> {
    let mut request = json!({"peer": args.peer, "reason": args.reason, "only_say": true});
    if !args.yes {
        let would = control::call(&args.at.dir, "distrust", Some(&request)).await?;
        if json {
            print::json_aside(would);
        } else {
            eprint!("{}", show::text(&would));
        }
        agreed(&args.peer)?;
    }
    request["only_say"] = json!(false);
    tell(&args.at.dir, "distrust", Some(request), json).await
}

/// Whether the person agrees to what was just shown.
fn agreed(peer: &str) -> Result<(), Failure> {
    let question = match lang::lang() {
        Lang::En => format!("End all of this and let {peer} in no more? [y/N]"),
        Lang::Ko => format!("이 모두를 끝내고 {peer} 를 더는 들이지 않을까요? [y/N]"),
    };
    confirm::before_doing(
        &question,
        pick(
            "Look at what it would end, above, and pass --yes.",
            "무엇이 끝나는지 위에서 확인하고 --yes 를 붙이세요.",
        ),
        pick("Run it again to distrust the peer.", "상대를 더 믿지 않으려면 다시 실행하세요."),
    )
}
