//! The table `[about]` of `naru.toml`: what this firm says of itself where it asks for data (spec chapter 05, POL-10.11). Reads and checks
//! values. What rules make of them is not known here.

use serde_json::{Map, Value};

use super::{ConfigError, documented::documented};

/// Bytes of one text, and texts of one list.
const MOST: usize = 64;

documented! {
    /// What this firm says of itself where it asks for data: facts that rules of some countries want. They are shown to the provider,
    /// signed with each request, and nobody verifies them. What is left out is not known.
    #[derive(Default)]
    pub struct About {
        /// In the law of personal data: `controller` or `processor`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String> = "\"controller\"" optional;
        /// Certificates that it holds, as rules name them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certifications: Option<Vec<String>> = "[\"APEC_CBPR\"]" optional;
        /// Branches of industry, as terms of offers name them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        industry: Option<Vec<String>> = "[\"automotive\"]" optional;
        /// Whether it is a gatekeeper under the Digital Markets Act of the EU.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dma_gatekeeper: Option<bool> = "false" optional;
        /// Whether it is a foreign person in the sense of Korea's defence industry law.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        foreign_person: Option<bool> = "false" optional;
        /// Whether it is a government outside Korea, or acts for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_foreign_government: Option<bool> = "false" optional;
        /// Why it may see the restricted part of a battery passport, in a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        legitimate_interest: Option<String> = "\"recycler\"" optional;
    }
}

impl About {
    /// As members of `consumer` in the shared part.
    #[must_use]
    pub fn declared(&self) -> Map<String, Value> {
        let said = serde_json::to_value(self).unwrap_or_default();
        said.as_object().cloned().unwrap_or_default()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: &str| Err(ConfigError::Value { field, reason: reason.to_owned() });
        if self.role.as_deref().is_some_and(|role| !["controller", "processor"].contains(&role)) {
            return value("about.role", "controller or processor");
        }
        let says = |text: &String| !text.is_empty() && text.len() <= MOST && text != "unknown";
        let lists = [("about.certifications", &self.certifications), ("about.industry", &self.industry)];
        for (field, list) in lists {
            if list.as_ref().is_some_and(|list| list.len() > MOST || !list.iter().all(says)) {
                return value(field, "at most 64 texts of 1 to 64 bytes");
            }
        }
        match self.legitimate_interest.as_ref().is_some_and(|text| !says(text)) {
            true => value("about.legitimate_interest", "1 to 64 bytes"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_not_said_and_no_is_said() {
        // POL-10.11
        let read = |text: &str| toml::from_str::<About>(text).unwrap();
        assert_eq!(Value::from(read("").declared()), json!({}));
        let about = read("dma_gatekeeper = false\ncertifications = []\nrole = \"processor\"");
        about.check().unwrap();
        let due = json!({"certifications": [], "dma_gatekeeper": false, "role": "processor"});
        assert_eq!(Value::from(about.declared()), due);
        for wrong in ["role = \"owner\"", "industry = [\"\"]", "legitimate_interest = \"unknown\""] {
            assert!(read(wrong).check().is_err(), "{wrong}");
        }
        assert!(toml::from_str::<About>("sanctions = false").is_err());
    }
}
