//! Why something was refused: the stable code of the specification (chapter 11) and a sentence for people.

use std::fmt;

use crate::json::BadJson;

/// A refusal with its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Code of the specification.
    pub code: &'static str,
    /// What exactly was wrong.
    pub why: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }

    /// The code `malformed`.
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::new("malformed", why)
    }

    /// Gives all codes that speak of bytes and shape another name, as documents do that have one code for all of them.
    #[must_use]
    pub fn shaped(self, code: &'static str) -> Self {
        let shape = ["malformed", "not_canonical", "bad_number", "duplicate_key", "too_deep", "too_large"];
        if shape.contains(&self.code) { Self { code, ..self } } else { self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.why)
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.to_string()
    }
}

impl From<BadJson> for Refusal {
    fn from(error: BadJson) -> Self {
        let code = match error {
            BadJson::Syntax | BadJson::Surrogate | BadJson::Utf8 => "malformed",
            BadJson::Depth => "too_deep",
            BadJson::DuplicateKey => "duplicate_key",
            BadJson::Number => "bad_number",
        };
        Self::new(code, error.to_string())
    }
}

/// Refuses unless the condition holds.
pub fn ensure(holds: bool, code: &'static str, why: impl Into<String>) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::new(code, why)) }
}
