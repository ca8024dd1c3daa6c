//! `naru trust` and `naru get`: what a person is shown, and agrees to, before something binding is said to a partner. A `get` that
//! was begun before goes on instead: it asks nothing and signs nothing new.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{
    error::{Code, Lang},
    identity::fingerprint,
    ticket,
};
use serde_json::{Value, json};

use super::{
    absolute,
    args::{Get, Trust},
    asked::asked,
    confirm,
    lang::{self, pick},
    output, publish, show,
    show::{Goal, Teller},
    tell,
};
use crate::{
    control::{self, Failure},
    node::{flows::SLOWEST, short_name},
};

pub(super) async fn trust(args: Trust, json: bool) -> Result<bool, Failure> {
    let dir = &args.at.dir;
    let fingerprint = match (args.yes, args.fingerprint) {
        (true, _) => taken(&args.ticket, json)?,
        (false, told) => confirm::of_ticket(&args.ticket, told)?,
    };
    let alias = match args.alias {
        Some(alias) => alias,
        None => alias(dir, &args.ticket).await?,
    };
    let request = json!({"ticket": args.ticket, "alias": alias, "fingerprint": fingerprint});
    tell(dir, "trust", Some(request), json).await
}

fn read(text: &str) -> Result<ticket::Ticket, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    ticket::Ticket::parse(text, now).map_err(|e| Failure::new(e.code(), e.to_string()))
}

/// The fingerprint of the ticket itself: whoever says `--yes` vouches that it was compared.
fn taken(text: &str, json: bool) -> Result<String, Failure> {
    let fingerprint = fingerprint(read(text)?.peer().did());
    if !json {
        let (of, how) = (
            pick("fingerprint", "지문"),
            pick("taken as compared with the partner (--yes)", "상대와 비교한 것으로 봅니다 (--yes)"),
        );
        eprintln!("{of} {fingerprint}: {how}");
    }
    Ok(fingerprint)
}

/// The short name that the ticket's issuer has here already, or one from its name.
async fn alias(dir: &Path, text: &str) -> Result<String, Failure> {
    let ticket = read(text)?;
    let did = ticket.peer().did().to_string();
    let peers = control::call(dir, "peers", None).await?;
    let known = peers.as_array().into_iter().flatten().find(|peer| peer["did"] == did.as_str());
    let known = known.and_then(|peer| peer["alias"].as_str()).map(str::to_owned);
    Ok(known.unwrap_or_else(|| short_name(&ticket.peer().participant().name)))
}

/// Bytes in a second, as `--limit-rate` takes them: a number, with K, M, G or T for powers of 1024.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let rate = crate::config::size(text)?;
    match rate < SLOWEST {
        true => Err(format!("the slowest rate is {}K", SLOWEST >> 10)),
        false => Ok(rate),
    }
}

/// What a `get` is about.
struct Wish {
    dir: PathBuf,
    request: Value,
    yes: bool,
    json: bool,
    /// The data go to standard output: everything else to standard error.
    aside: bool,
}

impl Wish {
    /// Whether somebody agrees, or has said so beforehand.
    fn is_attended(&self) -> bool {
        self.yes || std::io::stdin().is_terminal()
    }
}

pub(super) async fn get(args: Get, json: bool) -> Result<bool, Failure> {
    let usage = || {
        let why = pick(
            "name the dataset as PEER/DATASET, as `naru catalog` prints it (ref)",
            "데이터셋은 PEER/DATASET 으로 적으세요. `naru catalog` 가 ref 로 보여 줍니다",
        );
        Failure::new(Code::ArgumentInvalid, why)
    };
    let (peer, dataset) = args.dataset.split_once('/').ok_or_else(usage)?;
    let declared = publish::declared(args.declare.as_deref())?;
    let aside = args.out.as_os_str() == "-";
    let out = match aside {
        true => output::place(&args.at.dir, &[peer, dataset, &args.purpose], &args.country)?,
        false => absolute(&args.out)?,
    };
    let request = json!({
        "peer": peer, "dataset": dataset, "purpose": args.purpose, "countries": args.country,
        "out": out, "facts": declared, "keep_days": args.keep_days, "push": args.push,
    });
    let wish = Wish { dir: args.at.dir, request, yes: args.yes, json, aside };
    let begun = begun(&wish).await?;
    let pace = json!({"id": begun["id"], "bytes_per_second": args.limit_rate});
    control::call(&wish.dir, "limit-rate", Some(&pace)).await?;
    let mut teller = Teller::new(json, aside);
    let Some(_) = show::follow_with(&wish.dir, begun, Goal::Data, &mut teller).await? else {
        return Ok(false);
    };
    if aside {
        output::pour(&out, &mut std::io::stdout())?;
    }
    Ok(true)
}

/// The exchange that brings the data: one that goes on from before, else a new one once a person agrees.
async fn begun(wish: &Wish) -> Result<Value, Failure> {
    match underway(wish).await {
        Ok(Some(view)) => return Ok(view),
        Err(failure) if wish.is_attended() => return Err(failure),
        // Where nobody could agree, that is said first.
        Ok(None) | Err(_) => {}
    }
    match begin(wish).await {
        // Perhaps since another command has just begun the same: then both follow that.
        Err(failure) if failure.code == Code::FolderOccupied.as_str() => match underway(wish).await {
            Ok(Some(view)) => Ok(view),
            Ok(None) | Err(_) => Err(failure),
        },
        begun => begun,
    }
}

/// What goes on with this wish already; taken up again where it had stopped for something that somebody may have mended.
async fn underway(wish: &Wish) -> Result<Option<Value>, Failure> {
    let view = control::call(&wish.dir, "underway", Some(&wish.request)).await?;
    let Some(id) = view["id"].as_str() else { return Ok(None) };
    if !wish.json {
        let how = match view["state"] == "COMPLETED" {
            true => pick("has arrived already, with exchange", "이미 받았습니다. 거래"),
            false => pick("goes on with exchange", "이어지는 거래"),
        };
        eprintln!(
            "{how} {id}: {}",
            pick("nothing new is asked or signed", "새로 요청하거나 서명하지 않습니다")
        );
    }
    let stopped = view.pointer("/trouble/goes_on") == Some(&Value::Bool(false));
    let receives = view["kind"] == "transfer" || view["state"] == "FINALIZED";
    if stopped && receives {
        return control::call(&wish.dir, "retry", Some(&json!({"id": id}))).await.map(Some);
    }
    Ok(Some(view))
}

/// Shows what is asked, has a person agree, and asks for it.
async fn begin(wish: &Wish) -> Result<Value, Failure> {
    if !wish.is_attended() {
        let why = pick("nobody is here to agree to what is asked", "요청 내용에 동의할 사람이 없습니다");
        let hint = pick(
            "Run it on a terminal, or say --yes: what is asked is then signed and sent without a question.",
            "터미널에서 실행하거나 --yes 를 붙이세요. 그러면 묻지 않고 서명하여 보냅니다.",
        );
        return Err(Failure::new(Code::ArgumentInvalid, why).hint(hint));
    }
    let preview = control::call(&wish.dir, "preview", Some(&wish.request)).await?;
    if let Some(files) = preview["files"].as_u64().filter(|files| wish.aside && *files != 1) {
        let why = match lang::lang() {
            Lang::En => {
                format!("it has {files} files, and standard output takes one; name a folder with --out")
            }
            Lang::Ko => format!(
                "파일이 {files}개인데 표준 출력에는 하나만 쓸 수 있습니다. --out 으로 폴더를 지정하세요"
            ),
        };
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    if !wish.json && !wish.aside {
        print!("{}", asked(&preview, lang::lang()));
    } else if !wish.json || !wish.yes {
        eprint!("{}", asked(&preview, lang::lang()));
    }
    // What our own rules forbid needs no answer: asking ends with the rule, its law and the way out.
    let question = pick("Sign this and ask for it? [y/N]", "이대로 서명하고 요청할까요? [y/N]");
    if !wish.yes && preview["allowed"] != false && !confirm::agrees(question)? {
        let why = pick(
            "not agreed to; nothing was signed or sent",
            "동의하지 않았습니다. 서명하거나 보낸 것이 없습니다",
        );
        return Err(Failure::new(Code::Cancelled, why));
    }
    control::call(&wish.dir, "request", Some(&wish.request)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_of_bytes_with_a_unit() {
        for (text, bytes) in [("65536", 65536), ("64K", 65536), ("2m", 2 << 20), ("1G", 1 << 30)] {
            assert_eq!(rate(text), Ok(bytes));
        }
        for text in
            ["", "K", "63K", "0", "-1", "2.5M", "2MB/s", "99999999999999999999", "18446744073709551615G"]
        {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
