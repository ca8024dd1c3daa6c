//! `naru keys`: what there is, a new set, the end of all old ones (`revoke`), and the lines of it that an auditor trusts. No node has to run.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use naru_protocol::{
    identity::{Participant, fingerprint},
    jws,
};
use serde_json::json;

mod revoke;

use super::{args::Dir, examples, print};
use crate::{config::Folder, control::Failure, keys};

/// What `naru keys` does.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  naru keys show --dir seoul
  naru keys anchor --dir seoul
  naru stop --dir seoul && naru keys rotate --dir seoul --root /media/safe/root.key && naru run --dir seoul
  naru stop --dir seoul && naru keys revoke --dir seoul --root /media/safe/root.key && naru run --dir seoul")]
pub(super) enum Keys {
    /// Show identity, key sets with their validity, and where the root key is.
    #[command(after_help = examples::KEYS_SHOW)]
    Show(Dir),
    /// Make the next key set, signed by the root; the node must not run meanwhile.
    #[command(after_help = examples::KEYS_ROTATE)]
    Rotate(Rotate),
    /// Revoke every key but the root, for a firm whose keys somebody may have; the node must not run meanwhile.
    Revoke(revoke::Revoke),
    /// Put the key files under a passphrase, which `naru run` then needs; the node must not run meanwhile.
    #[command(after_help = "Examples:
  naru keys lock --dir A                                       # asks for a new passphrase on the terminal
  NARU_PASSPHRASE_FILE=/run/secrets/naru naru keys lock --dir A
  NARU_PASSPHRASE_FILE=/run/secrets/naru naru run --dir A

A service gets it by systemd: LoadCredential=naru-passphrase:/etc/naru/passphrase. Nobody can restore a passphrase that is lost: keep it
with the root key. What the disk or a backup still has of the files as they were is not erased. To change it: unlock, then lock.")]
    Lock(Dir),
    /// Take the key files out of their passphrase.
    #[command(after_help = examples::KEYS_UNLOCK)]
    Unlock(Dir),
    /// Print the lines that an auditor puts into the file of trust anchors, once it is sure whose key this is.
    #[command(after_help = "Examples:
  naru keys anchor --dir A >anchors.toml
  naru keys anchor --dir B >>anchors.toml
  naru audit verify a.zip b.zip --trust anchors.toml

Each firm prints its own; the auditor compares the fingerprint with the firm before it writes the lines down.")]
    Anchor(Dir),
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
pub(super) async fn run(verb: &Keys, json: bool) -> Result<bool, Failure> {
    match verb {
        Keys::Show(at) => tell(&keys::show(&Folder::new(&at.dir))?, json),
        Keys::Rotate(args) => tell(&keys::rotate(&Folder::new(&args.at.dir), args.root.as_deref())?, json),
        Keys::Revoke(args) => revoke::run(args, json).await?,
        Keys::Lock(at) => tell(&keys::lock(&Folder::new(&at.dir))?, json),
        Keys::Unlock(at) => tell(&keys::unlock(&Folder::new(&at.dir))?, json),
        Keys::Anchor(at) => anchor(&at.dir, json)?,
    }
    Ok(true)
}

fn tell(shown: &keys::Shown, json: bool) {
    if json { print::json(json!(shown)) } else { print!("{}", text(shown)) }
}

fn text(shown: &keys::Shown) -> String {
    let mut out = format!("{}\nfingerprint {}\npeer id {}\n", shown.did, shown.fingerprint, shown.peer_id);
    out += &match &shown.root {
        Some(path) => format!("root key {}: may be moved off this machine\n", path.display()),
        None => "root key kept elsewhere\n".to_owned(),
    };
    if shown.sealed {
        out += "key files are under a passphrase\n";
    }
    for set in &shown.sets {
        let end = set.revoked_at.map(|at| format!(", revoked at {at}")).unwrap_or_default();
        out += &format!("key set {} valid from {}{end}\n", set.number, set.valid_from);
        for (name, key) in [("signing", &set.signing), ("log", &set.log), ("transport", &set.transport)] {
            out += &format!("  {name:9} {key}\n");
        }
    }
    out
}

/// The participant as this node's root signed it.
fn participant(dir: &Path) -> Result<Participant, Failure> {
    let config = |e: crate::config::ConfigError| Failure::new(e.code(), e.to_string());
    let folder = Folder::new(dir);
    folder.config().map_err(config)?;
    let text = folder.statement("participant.jws").map_err(config)?;
    let signed = jws::peek::<Participant>(&text)
        .map_err(|e| Failure::new(e.code(), format!("participant.jws: {e}")))?;
    Ok(signed.claims().clone())
}

fn anchor(dir: &Path, json: bool) -> Result<(), Failure> {
    let who = participant(dir)?;
    if json {
        println!(
            "{}",
            json!({"did": who.iss, "name": who.name, "country": who.country.to_string(),
                "fingerprint": fingerprint(&who.iss)})
        );
    } else {
        print!("{}", lines(&who));
    }
    Ok(())
}

/// One `[[participant]]` of AUD-2; several behind one another are one file.
fn lines(who: &Participant) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "# fingerprint {}\n[[participant]]\ndid = {}\nname = {}\ncountry = {}\n",
        fingerprint(&who.iss),
        text(&who.iss.to_string()),
        text(&who.name),
        text(&who.country.to_string())
    )
}

#[cfg(test)]
mod tests {
    use naru_protocol::{
        identity::{Country, Did, Role, Size},
        json::V1,
        signature::SigningKey,
    };

    use super::*;
    use crate::audit::Anchors;

    /// AUD-2.1
    #[test]
    fn what_several_nodes_print_is_one_file_of_anchors() {
        let who = |seed: u8, name: &str, country: &str| Participant {
            v: V1,
            iss: Did::of(SigningKey::from_seed(&[seed; 32]).public()),
            name: name.to_owned(),
            country: Country::parse(country).unwrap(),
            size: Size::Sme,
            roles: vec![Role::Consumer],
            at: 1,
        };
        let path = std::env::temp_dir().join(format!("naru-anchors-{}.toml", std::process::id()));
        let text = lines(&who(1, "한강모터스", "KR")) + &lines(&who(2, "Quote \" and \\", "SG"));
        std::fs::write(&path, &text).unwrap();
        let anchors = Anchors::read(&path).unwrap();
        let shown = format!("{anchors:?}");
        assert!(shown.contains("한강모터스") && shown.contains("Quote \\\" and \\\\"), "{shown}");
        // The same node twice is a mistake.
        std::fs::write(&path, text.clone() + &text).unwrap();
        assert!(Anchors::read(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
