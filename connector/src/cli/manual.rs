//! `naru completions` and `naru man`: written from the definitions of the commands, as `naru help` is. Asks no node.

use std::path::PathBuf;

use clap::CommandFactory as _;
use naru_protocol::error::Code;

use super::{args::Cli, print};
use crate::control::Failure;

/// What exit codes mean, behind `naru help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  what was asked is done
  1  it failed, or was refused: by this node, the peer, or the rules; standard error says which and what to do
  2  the command line cannot be meant so (code argument_invalid)
  3, 4  `naru policy` alone: denied, undetermined

`naru help COMMAND` has examples. Errors have stable codes: spec/11-limits-and-errors.md.";

/// Which shell.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  naru completions bash > ~/.local/share/bash-completion/completions/naru
  naru completions zsh > ~/.zfunc/_naru        with ~/.zfunc in fpath
  naru completions fish > ~/.config/fish/completions/naru.fish")]
pub(super) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Where the pages go.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  naru man --out ~/.local/share/man/man1
  naru man --out pages && man pages/naru-get.1")]
pub(super) struct Man {
    /// A folder; made if it is not there.
    #[arg(long)]
    out: PathBuf,
}

/// Prints what a shell reads to complete a command.
pub(super) fn completions(args: &Completions) -> Result<bool, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "naru", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(true)
}

/// Writes one page for each command.
pub(super) fn man(args: &Man, json: bool) -> Result<bool, Failure> {
    let failed = |e: std::io::Error| Failure::new(Code::FileUnusable, format!("{}: {e}", args.out.display()));
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(failed)?;
    match json {
        true => print::json(serde_json::json!({"out": args.out})),
        false => println!("pages are in {}", args.out.display()),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completions() {
        let out = std::env::temp_dir().join(format!("naru-man-{}", std::process::id()));
        assert!(man(&Man { out: out.clone() }, false).unwrap());
        for verb in Cli::command().get_subcommands() {
            let page = std::fs::read_to_string(out.join(format!("naru-{}.1", verb.get_name()))).unwrap();
            assert!(page.contains(".SH NAME") && page.contains(verb.get_name()), "{page}");
        }
        std::fs::remove_dir_all(out).unwrap();
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let mut text = Vec::new();
            let shell: clap_complete::Shell = shell.parse().unwrap();
            clap_complete::generate(shell, &mut Cli::command(), "naru", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("config") && text.contains("publish"), "{shell}");
        }
    }

    /// Commands that do something, and not only have others below them.
    fn leaves(of: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        let mut below = of.get_subcommands().peekable();
        let help = of.get_after_help().map(ToString::to_string).unwrap_or_default();
        if below.peek().is_none() || !of.is_subcommand_required_set() {
            found.push((path.to_owned(), help));
        }
        for verb in below {
            leaves(verb, &format!("{path} {}", verb.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_an_example_of_itself() {
        let mut found = Vec::new();
        Cli::command()
            .get_subcommands()
            .for_each(|verb| leaves(verb, &format!("naru {}", verb.get_name()), &mut found));
        assert!(found.len() > 40, "{found:?}");
        // Where a group has one list of examples, its commands stand there.
        for (path, help) in &found {
            let group = path.rsplit_once(' ').map_or("", |(group, _)| group);
            let whole = |name: &str| found.iter().chain(&[]).any(|(_, help)| help.contains(name));
            let shown = help.contains(path.as_str()) || (group != "naru" && whole(path));
            assert!(help.contains("Example") && shown, "{path}: {help}");
        }
    }

    #[test]
    fn every_command_says_what_it_prints_for_programs() {
        let text = include_str!("../../../spec/commands.md");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let named: Vec<&str> = rows
            .iter()
            .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
            .collect();
        let mut found = Vec::new();
        Cli::command().get_subcommands().for_each(|verb| leaves(verb, verb.get_name(), &mut found));
        let commands: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        for command in &commands {
            assert!(named.contains(command), "{command} is not in spec/commands.md");
        }
        for name in named {
            assert!(commands.contains(&name), "{name} is no command");
        }
    }

    #[test]
    fn exit_codes_stand_in_the_help() {
        let help = Cli::command().render_help().to_string();
        assert!(help.contains(EXIT_CODES), "{help}");
    }
}
