//! The table `[approval]` of `naru.toml`: how long a person has for a decision, and the command that tells somebody that one
//! waits (spec chapter 06, NEG-15). Reads and checks values. Runs nothing.

use naru_protocol::limits;

use super::{ConfigError, documented::documented};

documented! {
    /// What happens when a deal waits for a person.
    #[derive(Default)]
    pub struct Approvals {
        /// Seconds that a person has; eight hours if left out. The terms' own deadline may be nearer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<u64> = "28800" optional;
        /// Program and arguments, run without a shell with a JSON document on its standard input. None if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hook: Vec<String> = "[\"notify-send\", \"a deal waits\"]" optional;
    }
}

impl Approvals {
    /// Seconds that a person has.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.within.unwrap_or(limits::APPROVAL_SECONDS)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: String| Err(ConfigError::Value { field, reason });
        let most = limits::CONCLUDE_SECONDS - limits::APPROVAL_MARGIN_SECONDS;
        if self.within.is_some_and(|seconds| seconds == 0 || seconds > most) {
            return value("approval.within", format!("1 to {most} seconds"));
        }
        if self.hook.first().is_some_and(|program| program.trim().is_empty()) {
            return value(
                "approval.hook",
                "the program and its arguments, each a text of its own".to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_less_time_than_the_terms() {
        // NEG-15.3
        let of = |within| Approvals { within, hook: Vec::new() };
        const {
            assert!(limits::APPROVAL_SECONDS + limits::APPROVAL_MARGIN_SECONDS < limits::CONCLUDE_SECONDS);
        }
        assert_eq!(of(None).seconds(), limits::APPROVAL_SECONDS);
        for (within, holds) in [(None, true), (Some(1), true), (Some(85_800), true), (Some(0), false)] {
            assert_eq!(of(within).check().is_ok(), holds, "{within:?}");
        }
        assert!(of(Some(85_801)).check().is_err());
    }

    #[test]
    fn a_hook_is_a_program_and_its_arguments() {
        let read = |text: &str| toml::from_str::<Approvals>(text);
        let hook = read("hook = [\"notify-send\", \"a deal waits\"]").unwrap();
        assert_eq!(hook.hook, ["notify-send", "a deal waits"]);
        assert!(hook.check().is_ok());
        assert!(read("hook = \"notify-send a\"").is_err(), "no shell takes it apart");
        assert!(read("hooks = []").is_err());
        assert!(read("hook = [\" \"]").unwrap().check().is_err());
    }
}
