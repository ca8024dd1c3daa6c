//! The language in which people are told things: `--lang`, else `NARU_LANG`, else the locale. English where neither is Korean.
//!
//! Failures, hints and questions come in both; the details inside a failure (a path, what the system or a peer said) are
//! passed on as they came.

use std::sync::OnceLock;

use naru_protocol::error::{Lang, Side};

/// Set once, before anything is said.
static CHOSEN: OnceLock<Lang> = OnceLock::new();

/// What `--lang` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Asked {
    /// English.
    En,
    /// Korean.
    Ko,
}

impl From<Asked> for Lang {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::En => Self::En,
            Asked::Ko => Self::Ko,
        }
    }
}

/// Settles the language of this run.
pub(super) fn choose(asked: Option<Asked>) {
    CHOSEN.get_or_init(|| from(asked.map(Lang::from), &|name| std::env::var(name).ok()));
}

/// The language of this run; English before it was settled.
pub(super) fn lang() -> Lang {
    CHOSEN.get().copied().unwrap_or_default()
}

/// The text in the language of this run.
pub(super) fn pick(en: &'static str, ko: &'static str) -> &'static str {
    lang().pick(en, ko)
}

/// Whose side, in words.
pub(super) const fn side(lang: Lang, side: Side) -> &'static str {
    match side {
        Side::Local => lang.pick("local", "우리 쪽"),
        Side::Peer => lang.pick("peer", "상대 쪽"),
        Side::Policy => lang.pick("policy", "규칙"),
        Side::Transport => lang.pick("transport", "연결"),
        Side::Store => lang.pick("store", "저장소"),
    }
}

fn from(asked: Option<Lang>, variable: &dyn Fn(&str) -> Option<String>) -> Lang {
    let own = || variable("NARU_LANG").as_deref().and_then(Lang::parse);
    // POSIX: the first that is set and not empty counts, whatever it says.
    let locale = || {
        let set =
            ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|n| variable(n).filter(|v| !v.is_empty()));
        set.as_deref().and_then(Lang::parse)
    };
    asked.or_else(own).or_else(locale).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_variable_and_that_before_the_locale() {
        let with = |asked, set: &[(&str, &str)]| {
            from(asked, &|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(with(None, &[]), Lang::En);
        assert_eq!(with(None, &[("LANG", "ko_KR.UTF-8")]), Lang::Ko);
        assert_eq!(with(None, &[("LC_ALL", "C"), ("LANG", "ko_KR.UTF-8")]), Lang::En);
        assert_eq!(with(None, &[("LC_ALL", ""), ("LANG", "ko_KR.UTF-8")]), Lang::Ko);
        assert_eq!(with(None, &[("NARU_LANG", "ko"), ("LANG", "en_GB.UTF-8")]), Lang::Ko);
        assert_eq!(with(Some(Lang::En), &[("NARU_LANG", "ko")]), Lang::En);
        assert_eq!(with(None, &[("LANG", "fr_FR.UTF-8")]), Lang::En);
    }
}
