//! Outcomes and how they are printed: one line per test, a last line with the counts, and JSON lines for machines.

use serde_json::json;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As the specification demands.
    Pass,
    /// Not so: what was expected and what was seen.
    Fail(String),
    /// Could not be tried, and why.
    Skip(String),
}

/// One test with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Clause of the specification, or the vector file.
    pub id: String,
    /// What was tried, in a few words.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Line {
    /// A test that passes unless the check failed.
    #[must_use]
    pub fn of(id: &str, name: &str, check: Result<(), String>) -> Self {
        let outcome = check.map_or_else(Outcome::Fail, |()| Outcome::Pass);
        Self { id: id.to_owned(), name: name.to_owned(), outcome }
    }

    fn word(&self) -> (&'static str, &str) {
        match &self.outcome {
            Outcome::Pass => ("pass", ""),
            Outcome::Fail(why) => ("fail", why),
            Outcome::Skip(why) => ("skip", why),
        }
    }

    /// The line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let (word, why) = self.word();
        let (word, separator) = (word.to_uppercase(), if why.is_empty() { "" } else { ": " });
        format!("{word} {} {}{separator}{why}", self.id, self.name)
    }

    /// The line for machines.
    #[must_use]
    pub fn json(&self) -> String {
        let (word, why) = self.word();
        json!({"outcome": word, "id": self.id, "name": self.name, "why": why}).to_string()
    }
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that could not be tried.
    pub skipped: usize,
}

impl Counts {
    /// Counts lines.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut counts = Self::default();
        for line in lines {
            match line.outcome {
                Outcome::Pass => counts.passed += 1,
                Outcome::Fail(_) => counts.failed += 1,
                Outcome::Skip(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// The last line for people.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// The last line for machines.
    #[must_use]
    pub fn json(&self) -> String {
        json!({"passed": self.passed, "failed": self.failed, "skipped": self.skipped}).to_string()
    }

    /// Whether a run counts as a success: something passed and nothing failed.
    #[must_use]
    pub const fn good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// `expected … got …`, unless both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {got:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_counts() {
        let lines = [
            Line::of("ACT-1", "a", Ok(())),
            Line::of("ACT-2", "b", same("status", &400, &200)),
            Line { id: "ACT-3".into(), name: "c".into(), outcome: Outcome::Skip("no dataset".into()) },
        ];
        assert_eq!(lines[0].text(), "PASS ACT-1 a");
        assert_eq!(lines[1].text(), "FAIL ACT-2 b: status: expected 400, got 200");
        assert_eq!(lines[2].text(), "SKIP ACT-3 c: no dataset");
        let counts = Counts::of(&lines);
        assert_eq!(counts.text(), "1 passed, 1 failed, 1 skipped");
        assert!(!counts.good());
        assert!(!Counts::default().good(), "an empty run proves nothing");
    }
}
