//! `naru packs` and `naru data`: what rules and data a node uses, and newer ones under signatures (spec chapter 05, POL-18 and
//! POL-19). The running node accepts; `sign` and `key` are for those who publish, and ask no node.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{
    error::Code,
    json::V1,
    signature::SigningKey,
    supply::{DataKind, PackSet, Signed, SignedData},
};
use serde_json::{Value, json};

use super::args::Dir;
use crate::{
    config::{self, Folder, Seed},
    control::Failure,
    node::{NodeError, facts::readable},
    supply::Supply,
};

const DAY: u64 = 86_400;

const PACKS: &str = "\
Examples:
  naru packs list --dir A
  naru packs show kr --dir A --json
  naru packs add set.json --dir A            # or a folder with packs.json and NAME.tar.gz
  naru packs key publisher.key               # prints the line for [packs] signers
  naru packs sign folder --key publisher.key --number 7 --days 90 --out set.json
  naru packs sign set.json --key another.key --out set.json

A set counts if enough of the signers in [packs] of naru.toml signed it, its time is not over, its number is above that of the set
accepted before, and none of its packs is older than the one in use. Otherwise nothing changes.";

const DATA: &str = "\
Examples:
  naru data list --dir A
  naru data add sanctions.json --dir A
  naru data sign list.json --kind sanctions --key publisher.key --number 12 --days 2 --out sanctions.json
  naru data sign orders.json --kind stop-orders --key publisher.key --number 3 --days 7 --out stops.json

list.json is a JSON array: of {\"did\"} or {\"name\"}, or of stop orders as in facts.json. What is stale leaves the rule that needs
it undetermined: no deal is made until newer data are added.";

/// What `naru packs` does.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = PACKS)]
pub(super) enum Packs {
    /// List the packs in use, and who may sign newer.
    #[command(after_help = "Examples:\n  naru packs list --dir A\n  naru packs list --dir A --json")]
    List(Dir),
    /// Show one pack with its rules.
    #[command(after_help = "Examples:\n  naru packs show kr --dir A")]
    Show(Show),
    /// Accept a signed set of packs.
    #[command(after_help = "Examples:\n  naru packs add set.json --dir A\n  naru packs add folder --dir A")]
    Add(Add),
    /// Sign the packs of a folder as a set, or add a signature to a set.
    #[command(
        after_help = "Examples:\n  naru packs sign folder --key one.key --number 7 --days 90 --out set.json\n  \
        naru packs sign set.json --key two.key --out set.json"
    )]
    Sign(Sign),
    /// Make a key for signing sets and data, and print its public half.
    #[command(after_help = "Examples:\n  naru packs key publisher.key")]
    Key(Key),
}

/// What `naru data` does.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(after_help = DATA)]
pub(super) enum Data {
    /// List the signed data in use, and who may sign newer.
    #[command(after_help = "Examples:\n  naru data list --dir A --json")]
    List(Dir),
    /// Accept a signed sanctions list or signed stop orders.
    #[command(after_help = "Examples:\n  naru data add sanctions.json --dir A")]
    Add(Add),
    /// Sign a list, or add a signature to one that is signed.
    #[command(
        after_help = "Examples:\n  naru data sign list.json --kind sanctions --key one.key --number 12 --days 2 --out sanctions.json\n  \
        naru data sign sanctions.json --kind sanctions --key two.key --out sanctions.json"
    )]
    Sign(SignData),
}

/// One pack.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Show {
    /// Its name.
    name: String,
    #[command(flatten)]
    at: Dir,
}

/// What is accepted.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Add {
    /// The file or folder.
    file: PathBuf,
    #[command(flatten)]
    at: Dir,
}

/// How something is signed.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct How {
    /// The file with the key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The number, above that of before; a signature that is added keeps it.
    #[arg(long)]
    number: Option<u64>,
    /// For how many days it is good; a signature that is added keeps it.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// Where the signed file goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A set to be signed.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Sign {
    /// A folder with NAME.tar.gz, or a set that has signatures.
    packs: PathBuf,
    #[command(flatten)]
    how: How,
}

/// Data to be signed.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SignData {
    /// A JSON array, or data that have signatures.
    data: PathBuf,
    /// What they are.
    #[arg(long, value_parser = ["sanctions", "stop-orders"])]
    kind: String,
    #[command(flatten)]
    how: How,
}

/// A key to be made.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Key {
    /// Where it goes; there must be no such file.
    file: PathBuf,
}

/// Does what is asked about packs.
pub(super) async fn packs(verb: Packs, json: bool) -> Result<bool, Failure> {
    match verb {
        Packs::List(at) => super::look(&at.dir, "packs", json).await,
        Packs::Show(args) => show(&args, json).await,
        Packs::Add(args) => add("packs-add", &args, json).await,
        Packs::Sign(args) => told(&sign(&args)?, json),
        Packs::Key(args) => told(&key(&args.file)?, json),
    }
}

/// Does what is asked about data.
pub(super) async fn data(verb: Data, json: bool) -> Result<bool, Failure> {
    match verb {
        Data::List(at) => super::look(&at.dir, "data", json).await,
        Data::Add(args) => add("data-add", &args, json).await,
        Data::Sign(args) => told(&sign_data(&args)?, json),
    }
}

fn told(answer: &Value, json: bool) -> Result<bool, Failure> {
    super::shown(answer, json);
    Ok(true)
}

async fn add(verb: &str, args: &Add, json: bool) -> Result<bool, Failure> {
    let file = super::absolute(&args.file)?;
    super::tell(&args.at.dir, verb, Some(json!({"file": file})), json).await
}

async fn show(args: &Show, json: bool) -> Result<bool, Failure> {
    let seen = super::seen(&args.at.dir, "packs", None).await?;
    let mut all = ["packs", "overlays"].iter().filter_map(|kind| seen[*kind].as_array()).flatten();
    let found = all.find(|pack| pack["name"] == args.name.as_str());
    let none = || {
        Failure::new(Code::ArgumentInvalid, format!("no pack is named {:?}: `naru packs list`", args.name))
    };
    told(found.ok_or_else(none)?, json)
}

fn key_of(path: &Path) -> Result<SigningKey, Failure> {
    Ok(SigningKey::from_seed(&Folder::seed_in(path).map_err(NodeError::from)?.0))
}

fn key(path: &Path) -> Result<Value, Failure> {
    let unusable = |why: String| Failure::new(Code::FileUnusable, format!("{}: {why}", path.display()));
    if path.exists() {
        return Err(unusable("is there already".to_owned()));
    }
    let seed = Seed(config::random::<32>().map_err(|e| unusable(e.to_string()))?);
    let hex: String = seed.0.iter().map(|byte| format!("{byte:02x}")).collect();
    config::write_secret(path, &format!("{hex}\n")).map_err(NodeError::from)?;
    Ok(json!({"signer": SigningKey::from_seed(&seed.0).public().to_string()}))
}

/// Now, and when what is signed now is over.
fn times(how: &How) -> (u64, u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    (now, now + how.days * DAY)
}

fn numbered(how: &How) -> Result<u64, Failure> {
    let none =
        || Failure::new(Code::ArgumentInvalid, "say with --number which one it is, above the one before");
    how.number.ok_or_else(none)
}

fn also<M: naru_protocol::jws::Payload>(signed: Signed, key: &SigningKey) -> Result<Signed, Failure> {
    signed.also::<M>(key).map_err(|e| NodeError::from(e).into())
}

fn sign(args: &Sign) -> Result<Value, Failure> {
    let key = key_of(&args.how.key)?;
    let set = args.packs.join("packs.json");
    let supply = if args.packs.is_dir() && !set.exists() {
        Supply::of_folder(&args.packs, numbered(&args.how)?, times(&args.how), &key)?
    } else {
        let before = Supply::read(&args.packs)?;
        Supply { signed: also::<PackSet>(before.signed, &key)?, archives: before.archives }
    };
    supply.write(&args.how.out)?;
    let set: PackSet = supply.signed.read().map_err(NodeError::from)?;
    Ok(json!({"file": args.how.out, "signer": key.public().to_string(),
        "signatures": supply.signed.signatures.len(), "set": set}))
}

fn sign_data(args: &SignData) -> Result<Value, Failure> {
    let key = key_of(&args.how.key)?;
    let kind = if args.kind == "sanctions" { DataKind::Sanctions } else { DataKind::StopOrders };
    let unusable = |why: String| Failure::new(Code::FileUnusable, format!("{}: {why}", args.data.display()));
    let text = std::fs::read(&args.data).map_err(|e| unusable(e.to_string()))?;
    let signed = match serde_json::from_slice::<Vec<Value>>(&text) {
        Ok(entries) => {
            let (issued_at, expires_at) = times(&args.how);
            let number = numbered(&args.how)?;
            let data = SignedData { v: V1, kind, number, issued_at, expires_at, entries };
            readable(&data)?;
            Signed::new(&data, &key).map_err(NodeError::from)?
        }
        Err(_) => also::<SignedData>(Supply::read(&args.data)?.signed, &key)?,
    };
    let data: SignedData = signed.read().map_err(NodeError::from)?;
    if data.kind != kind {
        return Err(Failure::new(Code::ArgumentInvalid, format!("these are {}", data.kind.as_str())));
    }
    Supply { signed: signed.clone(), archives: Default::default() }.write(&args.how.out)?;
    Ok(
        json!({"file": args.how.out, "signer": key.public().to_string(), "signatures": signed.signatures.len(),
        "kind": kind, "number": data.number, "entries": data.entries.len(), "expires_at": data.expires_at}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(key: &Path, number: Option<u64>, out: &Path) -> How {
        How { key: key.to_owned(), number, days: 2, out: out.to_owned() }
    }

    #[test]
    fn data_are_signed_by_one_and_then_by_another() {
        let temp = std::env::temp_dir().join(format!("naru-sign-{}", std::process::id()));
        std::fs::create_dir_all(&temp).unwrap();
        let (one, two, list, out) =
            (temp.join("one.key"), temp.join("two.key"), temp.join("list.json"), temp.join("out.json"));
        let signer = key(&one).unwrap();
        key(&two).unwrap();
        assert!(key(&one).is_err(), "a key is never written over");
        assert!(signer["signer"].as_str().unwrap().starts_with("z6Mk"));
        std::fs::write(&list, r#"[{"name": "made up"}]"#).unwrap();
        let of = |data: &Path, kind: &str, how: How| {
            sign_data(&SignData { data: data.to_owned(), kind: kind.to_owned(), how })
        };
        assert_eq!(of(&list, "sanctions", how(&one, None, &out)).unwrap_err().code, "argument_invalid");
        // An entry that would hit nobody is no entry.
        for (entries, place) in [
            (r#"[{"name": "made up"}, {"did": "did:key:merlion"}]"#, "/entries/1/did"),
            (r#"[{"did": 7}]"#, "/entries/0/did"),
            (r#"[{"name": " ."}]"#, "/entries/0/name"),
            (r#"[{"why": "made up"}]"#, "/entries/0: names nobody"),
            (r#"["made up"]"#, "/entries/0: names nobody"),
        ] {
            std::fs::write(temp.join("odd.json"), entries).unwrap();
            let refused = of(&temp.join("odd.json"), "sanctions", how(&one, Some(3), &out)).unwrap_err();
            assert_eq!(refused.code, "argument_invalid");
            assert!(refused.message.contains(place), "{}", refused.message);
        }
        let made = of(&list, "sanctions", how(&one, Some(3), &out)).unwrap();
        assert_eq!((&made["number"], &made["signatures"]), (&json!(3), &json!(1)));
        assert!(of(&out, "stop-orders", how(&two, None, &out)).is_err(), "another kind");
        assert_eq!(of(&out, "sanctions", how(&two, None, &out)).unwrap()["signatures"], json!(2));
        std::fs::remove_dir_all(&temp).unwrap();
    }
}
