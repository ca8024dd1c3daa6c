//! Stable codes of everything that can go wrong (spec chapter 11, LIM-2): what programs match on, and what people are told.
//!
//! Error enums elsewhere name what happened with its details and map each leaf to a [`Code`]. A code says whose side it came
//! from, which HTTP status answers a request with it, and in Korean and English what it means and what to do. Codes are never
//! renamed or used for something else.

mod codes;
mod table;

use core::fmt;

pub use codes::Code;

use crate::json::serde_as_text;

/// Whose side an error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Our configuration, command, files or state.
    Local,
    /// What a peer sent, or what it holds against us.
    Peer,
    /// The law or a contract term, or the packs that state them.
    Policy,
    /// The way to the peer.
    Transport,
    /// The database or its folder.
    Store,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Local, Self::Peer, Self::Policy, Self::Transport, Self::Store];

    /// As printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peer => "peer",
            Self::Policy => "policy",
            Self::Transport => "transport",
            Self::Store => "store",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Language of titles and hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Lang {
    /// From a language tag or a locale name such as `ko`, `ko-KR` or `ko_KR.UTF-8`; `None` for other languages.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let language = text.split(['-', '_', '.']).next().unwrap_or_default();
        [(Self::En, "en"), (Self::Ko, "ko")]
            .into_iter()
            .find(|(_, name)| language.eq_ignore_ascii_case(name))
            .map(|(lang, _)| lang)
    }

    /// Chooses between two texts.
    #[must_use]
    pub const fn pick<'a>(self, en: &'a str, ko: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Ko => ko,
        }
    }
}

/// What one code says, in all languages.
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) status: u16,
    pub(crate) side: Side,
    /// Title and hint in English.
    pub(crate) en: [&'static str; 2],
    /// Title and hint in Korean.
    pub(crate) ko: [&'static str; 2],
}

/// Text that is no code of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known error code")]
pub struct UnknownCode;

impl Code {
    /// The stable text, lower case with underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().text
    }

    /// Reads the stable text.
    pub fn parse(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }

    /// HTTP status of an answer with this code; 500 for what never answers a request. 201 where the request is taken and the
    /// code follows in a signed termination.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.row().status
    }

    /// Whose side it came from, as seen by who reports it.
    #[must_use]
    pub const fn side(self) -> Side {
        self.row().side
    }

    /// What happened, one line without full stop.
    #[must_use]
    pub const fn title(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.row().en[0],
            Lang::Ko => self.row().ko[0],
        }
    }

    /// What to do about it, one or two sentences.
    #[must_use]
    pub const fn hint(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.row().en[1],
            Lang::Ko => self.row().ko[1],
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

serde_as_text!(Code);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_round_trip() {
        // LIM-2.1
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert_eq!(Code::parse(code.as_str()), Ok(*code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
        assert_eq!(Code::parse("Token_Expired"), Err(UnknownCode));
    }

    #[test]
    fn every_code_speaks_both_languages() {
        // LIM-2.4
        let hangul = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
        for code in Code::ALL {
            for text in [code.title(Lang::En), code.hint(Lang::En)] {
                assert!(!text.is_empty() && !hangul(text), "{code}: {text}");
            }
            for text in [code.title(Lang::Ko), code.hint(Lang::Ko)] {
                assert!(hangul(text), "{code}: {text}");
            }
            assert!(!code.title(Lang::En).ends_with('.'), "{code}");
            assert!(code.hint(Lang::En).ends_with('.') && code.hint(Lang::Ko).ends_with('.'), "{code}");
            assert!(matches!(code.http_status(), 201 | 202 | 400..=599), "{code}");
        }
    }

    #[test]
    fn languages() {
        assert_eq!(Lang::parse("ko_KR.UTF-8"), Some(Lang::Ko));
        assert_eq!(Lang::parse("en"), Some(Lang::En));
        assert_eq!(Lang::parse("fr"), None);
    }
}
