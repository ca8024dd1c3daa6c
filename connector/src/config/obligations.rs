//! The table `[obligations]` of `naru.toml`: whether a person is asked before files of theirs are deleted because a duty is due
//! (spec chapter 08b, OBL-4). Reads values. Deletes nothing.

use serde::{Deserialize, Serialize};

use super::documented::documented;

/// What happens when data are to be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deleting {
    /// It is shown until a person runs `naru delete`.
    #[default]
    Ask,
    /// The node deletes what it delivered, in the last hour.
    Auto,
}

documented! {
    /// What is done about duties that are due. They are shown anyway.
    #[derive(Default)]
    pub struct Obligations {
        /// `ask` shows what is to be deleted and waits for `naru delete`; `auto` deletes it in the last hour, without a question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delete: Option<Deleting> = "\"ask\"" optional;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_without_asking_unless_somebody_said_so() {
        // OBL-4.1
        let read = |text: &str| toml::from_str::<Obligations>(text);
        assert_eq!(read("").unwrap().delete.unwrap_or_default(), Deleting::Ask);
        assert_eq!(read("delete = \"auto\"").unwrap().delete, Some(Deleting::Auto));
        assert!(read("delete = \"always\"").is_err());
    }
}
