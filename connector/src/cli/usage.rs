//! A command line that cannot be meant so, told as every other failure is: what, why, what to do, in the reader's language.
//! What the grammar is, `args` says; help and version are no failures and not looked at here.

use std::ffi::OsString;

use clap::{
    ValueEnum as _,
    error::{ContextKind, ContextValue, ErrorKind},
};
use naru_protocol::error::{Code, Lang};

use super::lang::Asked;
use crate::control::Failure;

/// What the arguments say of language and form, for a command line that could not be read whole.
pub(super) fn told(arguments: &[OsString]) -> (Option<Asked>, bool) {
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let apart = words.windows(2).find(|pair| pair[0] == "--lang").map(|pair| pair[1]);
    let joined = words.iter().find_map(|word| word.strip_prefix("--lang="));
    let lang = apart.or(joined).and_then(|lang| Asked::from_str(lang, true).ok());
    (lang, words.contains(&"--json"))
}

/// The failure that the grammar found.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds of clap, open to growth: told in its own words")]
pub(super) fn failure(error: &clap::Error, lang: Lang) -> Failure {
    let of = |kind| error.get(kind).map(text).unwrap_or_default();
    let (argument, value) = (of(ContextKind::InvalidArg), of(ContextKind::InvalidValue));
    let other = || of(ContextKind::PriorArg);
    let known = of(ContextKind::ValidValue);
    let why = match error.kind() {
        ErrorKind::MissingRequiredArgument => said(lang, "missing", "빠진 인자", &argument),
        ErrorKind::UnknownArgument => said(lang, "no such argument", "그런 인자가 없습니다", &argument),
        ErrorKind::InvalidSubcommand => {
            said(lang, "no such command", "그런 명령이 없습니다", &of(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if of(ContextKind::ValidSubcommand).is_empty() =>
        {
            lang.pick("a command is missing", "명령이 빠졌습니다").to_owned()
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => said(
            lang,
            "a command is missing; there are",
            "명령이 빠졌습니다. 있는 명령",
            &of(ContextKind::ValidSubcommand),
        ),
        ErrorKind::InvalidValue if value.is_empty() => {
            said(lang, "its value is missing", "값이 빠졌습니다", &argument)
        }
        ErrorKind::InvalidValue => match lang {
            Lang::En => format!("{value:?} is no value for {argument}; there are {known}"),
            Lang::Ko => format!("{argument} 의 값으로 {value:?} 는 안 됩니다. 쓸 수 있는 값: {known}"),
        },
        ErrorKind::ArgumentConflict if argument == other() => {
            said(lang, "given more than once", "두 번 적었습니다", &argument)
        }
        ErrorKind::ArgumentConflict => match lang {
            Lang::En => format!("{argument} cannot be used with {}", other()),
            Lang::Ko => format!("{argument} 는 {} 와 함께 쓸 수 없습니다", other()),
        },
        ErrorKind::ValueValidation => {
            let because = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            match lang {
                Lang::En => format!("{value:?} is no value for {argument}: {because}"),
                Lang::Ko => format!("{argument} 의 값으로 {value:?} 는 안 됩니다: {because}"),
            }
        }
        _ => first(&error.to_string()),
    };
    Failure::new(Code::ArgumentInvalid, why).hint(hint(error, lang))
}

fn said(lang: Lang, en: &str, ko: &str, what: &str) -> String {
    format!("{}: {what}", lang.pick(en, ko)).trim_end_matches(": ").to_owned()
}

/// What is probably meant, and how the command is used.
fn hint(error: &clap::Error, lang: Lang) -> String {
    let mut parts = Vec::new();
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let meant: Vec<String> = meant.into_iter().filter_map(|kind| error.get(kind).map(text)).collect();
    if !meant.is_empty() {
        let meant = meant.join(", ");
        parts.push(match lang {
            Lang::En => format!("Did you mean {meant}?"),
            Lang::Ko => format!("{meant} 를 뜻했습니까?"),
        });
    }
    let usage = error.get(ContextKind::Usage).map(text).unwrap_or_default();
    let usage = usage.trim().trim_start_matches("Usage: ").lines().next().unwrap_or_default().to_owned();
    if !usage.is_empty() {
        parts.push(format!("{}: {usage}.", lang.pick("Usage", "사용법")));
    }
    parts.push(
        lang.pick(
            "`--help` behind the command has examples; `naru help` lists the commands.",
            "명령 뒤에 `--help` 를 붙이면 예가 나오고, `naru help` 는 명령을 모두 보여 줍니다.",
        )
        .to_owned(),
    );
    parts.join(" ")
}

/// Names and values as the grammar gives them.
#[expect(clippy::wildcard_enum_match_arm, reason = "values of clap, open to growth: the rest name nothing")]
fn text(value: &ContextValue) -> String {
    match value {
        ContextValue::String(one) => one.clone(),
        ContextValue::Strings(many) => many.join(", "),
        ContextValue::StyledStr(one) => one.to_string(),
        ContextValue::StyledStrs(many) => many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// The first line of what the library would print.
fn first(printed: &str) -> String {
    printed.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::args::Cli, *};

    fn failed(line: &str, lang: Lang) -> Failure {
        failure(&Cli::try_parse_from(line.split(' ')).unwrap_err(), lang)
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_what_to_do() {
        for (line, en, ko) in [
            (
                "naru get --dir a x/y",
                "missing: --purpose <PURPOSE>, --out <FOLDER|->",
                "빠진 인자: --purpose",
            ),
            ("naru frobnicate", "no such command: frobnicate", "그런 명령이 없습니다: frobnicate"),
            ("naru status --dir a --frob", "no such argument: --frob", "그런 인자가 없습니다: --frob"),
            (
                "naru status --dir a --lang xx",
                "\"xx\" is no value for --lang <LANG>; there are en, ko",
                "쓸 수 있는 값: en, ko",
            ),
            (
                "naru trust --dir a T --yes --fingerprint x",
                "--yes cannot be used with --fingerprint",
                "함께 쓸 수 없습니다",
            ),
            (
                "naru get --dir a x/y --purpose p --out o --limit-rate 1K",
                "the slowest rate is 64K",
                "the slowest rate is 64K",
            ),
            ("naru ticket --dir a --ttl x", "\"x\" is no value for --ttl <TTL>", "--ttl <TTL> 의 값으로"),
            ("naru audit --dir a", "no such argument", "그런 인자가 없습니다"),
        ] {
            for (lang, part) in [(Lang::En, en), (Lang::Ko, ko)] {
                let failure = failed(line, lang);
                assert_eq!(failure.code, "argument_invalid");
                assert!(failure.message.contains(part), "{line}: {}", failure.message);
                assert!(failure.hint.as_deref().unwrap().contains("`naru help`"), "{line}: {failure:?}");
            }
        }
        let meant = failed("naru statsu --dir a", Lang::En).hint.unwrap();
        assert!(meant.starts_with("Did you mean status?"), "{meant}");
        let usage = failed("naru get --dir a x/y", Lang::En).hint.unwrap();
        assert!(usage.contains("Usage: naru get "), "{usage}");
    }

    #[test]
    fn language_and_form_are_found_in_what_could_not_be_read() {
        let of = |line: &str| {
            let (lang, json) = told(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
            (lang.map(Lang::from), json)
        };
        assert_eq!(of("naru --lang ko get"), (Some(Lang::Ko), false));
        assert_eq!(of("naru get --lang=en --json"), (Some(Lang::En), true));
        assert_eq!(of("naru get --lang"), (None, false));
        assert_eq!(of("naru get --lang xx"), (None, false));
    }
}
