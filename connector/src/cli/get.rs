//! `naru trust` and `naru get`: what a person is shown, and agrees to, before something binding is said to a partner. A `get` that
//! was begun before goes on instead: it asks nothing and signs nothing new.

use std::{
    fmt::Write as _,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{error::Code, identity::fingerprint, ticket};
use serde_json::{Value, json};

use super::{
    absolute,
    args::{Get, Trust},
    confirm,
    lang::pick,
    output, publish, show,
    show::{Goal, Teller},
    tell,
};
use crate::{
    control::{self, Failure},
    node::{flows::SLOWEST, short_name},
    templates::Kind,
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
        eprintln!("fingerprint {fingerprint}: taken as compared with the partner (--yes)");
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
        Failure::new(
            Code::ArgumentInvalid,
            "name the dataset as PEER/DATASET, as `naru catalog` prints it (ref)",
        )
    };
    let (peer, dataset) = args.dataset.split_once('/').ok_or_else(usage)?;
    let declared = args.declare.as_deref().map(|given| publish::named(Kind::Facts, given)).transpose()?;
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
        Err(failure) if failure.code == Code::ArgumentInvalid.as_str() => match underway(wish).await {
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
        let why = "nobody is here to agree to what is asked";
        let hint =
            "Run it on a terminal, or say --yes: what is asked is then signed and sent without a question.";
        return Err(Failure::new(Code::ArgumentInvalid, why).hint(hint));
    }
    let preview = control::call(&wish.dir, "preview", Some(&wish.request)).await?;
    if let Some(files) = preview["files"].as_u64().filter(|files| wish.aside && *files != 1) {
        let why = format!("it has {files} files, and standard output takes one; name a folder with --out");
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    if !wish.json && !wish.aside {
        print!("{}", asked(&preview));
    } else if !wish.json || !wish.yes {
        eprint!("{}", asked(&preview));
    }
    // What our own rules forbid needs no answer: asking ends with the rule, its law and the way out.
    if !wish.yes && preview["allowed"] != false && !agrees()? {
        return Err(Failure::new(Code::Cancelled, "not agreed to; nothing was signed or sent"));
    }
    control::call(&wish.dir, "request", Some(&wish.request)).await
}

fn agrees() -> Result<bool, Failure> {
    eprint!("Sign this and ask for it? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    read.map_err(|e| Failure::new(Code::FileUnusable, format!("the terminal: {e}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What is asked, under which terms, and what is known of both decisions.
fn asked(preview: &Value) -> String {
    // Names and titles are the partner's own words.
    let clean = |text: &str| show::plain(&Value::from(text));
    let word = |name: &str| clean(preview[name].as_str().unwrap_or_default());
    let list = |value: &Value| {
        let items: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        clean(&items.join(", "))
    };
    let mut out = String::new();
    let title = ["ko", "en"].iter().find_map(|lang| preview["title"][lang].as_str()).unwrap_or_default();
    let _ = writeln!(out, "dataset   {} {}", word("dataset"), clean(title));
    if let (Some(files), Some(bytes)) = (preview["files"].as_u64(), preview["bytes"].as_u64()) {
        let _ = writeln!(out, "          {files} files, {bytes} bytes");
    }
    let _ =
        writeln!(out, "from      {}: {} ({}, by its own word)", word("peer"), word("name"), word("country"));
    let terms = &preview["terms"];
    if terms.is_object() {
        let limit =
            |name: &str, none: &str| terms[name].as_u64().map_or_else(|| none.to_owned(), |n| n.to_string());
        let countries = match terms["countries"].is_array() {
            true => list(&terms["countries"]),
            false => "those that you state".to_owned(),
        };
        let _ = writeln!(out, "terms     for {}; in {countries}", list(&terms["purposes"]));
        let _ = writeln!(
            out,
            "          deleted after {} days; transfers: {}; forbidden: {}",
            limit("retention_days", "-"),
            limit("transfers", "no limit"),
            list(&terms["prohibited"])
        );
    } else {
        let _ = writeln!(out, "terms     those of its offer, which it signs nothing of");
    }
    let _ = writeln!(
        out,
        "you ask   for {}; kept and processed in {}",
        word("purpose"),
        list(&preview["countries"])
    );
    let _ = writeln!(out, "          the files go to {}", word("out"));
    let ours = match preview["allowed"].as_bool() {
        Some(true) => "allow it".to_owned(),
        Some(false) => format!("do not allow it: {}", findings(preview)),
        None => "are asked when the partner has made its offer".to_owned(),
    };
    let _ = writeln!(out, "our rules {ours}");
    let _ = writeln!(out, "theirs    {}", word("peer_decision"));
    out
}

fn findings(preview: &Value) -> String {
    let found = preview.pointer("/decision/explained").and_then(Value::as_array);
    let word = |rule: &Value, name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    let found: Vec<String> = found
        .into_iter()
        .flatten()
        .map(|rule| format!("{} ({})", word(rule, "id"), word(rule, "detail")))
        .collect();
    found.join(", ")
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

    #[test]
    fn what_is_asked_is_told_whole_and_nothing_in_it_moves_the_cursor() {
        let terms = json!({"purposes": ["research"], "countries": null, "retention_days": 365, "transfers": 10,
            "prohibited": ["distribute"]});
        let preview = json!({"peer": "hangang", "name": "Han\u{1b}[2K", "country": "KR", "dataset": "urn:dxp:1",
            "title": {"en": "Press"}, "files": 2, "bytes": 10, "terms": terms, "purpose": "research",
            "countries": ["SG"], "out": "/in", "allowed": true, "peer_decision": "later"});
        let text = asked(&preview);
        for part in [
            "urn:dxp:1 Press",
            "2 files, 10 bytes",
            "hangang: Han\u{fffd}[2K (KR",
            "for research; in those that you state",
            "deleted after 365 days; transfers: 10; forbidden: distribute",
            "kept and processed in SG",
            "the files go to /in",
            "our rules allow it",
            "theirs    later",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let mut refused = preview;
        refused["allowed"] = json!(false);
        refused["decision"] = json!({"explained": [{"id": "POST-PUR-001", "detail": "marketing"}]});
        assert!(asked(&refused).contains("do not allow it: POST-PUR-001 (marketing)"));
        refused["allowed"] = Value::Null;
        refused["terms"] = Value::Null;
        assert!(asked(&refused).contains("our rules are asked when"));
    }
}
