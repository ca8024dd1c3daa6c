//! The table `[monitor]` of `naru.toml`: how often it is looked whether agreements in force may go on, and what becomes of one
//! that may not (spec chapter 05, POL-17). Reads and checks values. Judges nothing.

use std::time::Duration;

use super::{ConfigError, documented::documented};

/// Seconds between two looks where nothing else is said.
const EVERY: u64 = 1;
/// The longest pause: an expiry is noticed within it.
const SELDOM: u64 = 3600;
const SUSPEND: &str = "suspend";
const END: &str = "end";

documented! {
    /// Agreements in force are judged again when facts, packs or dates change.
    #[derive(Default)]
    pub struct Monitor {
        /// Seconds between two looks at what changed, 1 to 3600; 1 if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<u64> = "1" optional;
        /// What becomes of an agreement that is denied: `suspend`, until it is allowed again, or `end`. `suspend` if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denied: Option<String> = "\"suspend\"" optional;
    }
}

impl Monitor {
    /// The pause between two looks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.every.unwrap_or(EVERY))
    }

    /// Whether an agreement that is denied is ended.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.denied.as_deref() == Some(END)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: String| Err(ConfigError::Value { field, reason });
        if self.every.is_some_and(|seconds| !(1..=SELDOM).contains(&seconds)) {
            return value("monitor.every", format!("1 to {SELDOM} seconds"));
        }
        if self.denied.as_deref().is_some_and(|word| ![SUSPEND, END].contains(&word)) {
            return value("monitor.denied", format!("{SUSPEND} or {END}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_by_itself_unless_the_operator_says_so() {
        // POL-17.5
        let read = |text: &str| toml::from_str::<Monitor>(text).unwrap();
        assert!(!read("").ends() && !read("denied = \"suspend\"").ends());
        assert!(read("denied = \"end\"").ends());
        assert_eq!(read("every = 60").interval(), Duration::from_secs(60));
        for (text, field) in [
            ("denied = \"stop\"", "monitor.denied"),
            ("every = 0", "monitor.every"),
            ("every = 3601", "monitor.every"),
        ] {
            assert!(read(text).check().unwrap_err().to_string().starts_with(field), "{text}");
        }
    }
}
