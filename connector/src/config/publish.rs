//! The table `[publish]` of `naru.toml`: the operator's own limit on what is published at once, below those of the protocol
//! (chapter 04, CAT-4.7). Reads and checks values. Publishes nothing.

use super::{ConfigError, documented::documented, size};
use crate::data::publish::Most;

documented! {
    /// How much one version of a dataset may be: a guard against a wrong folder. The protocol's own limits hold anyway.
    #[derive(Default)]
    pub struct Publishing {
        /// Bytes of all files together, with K, M, G or T for powers of 1024.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_size: Option<String> = "\"50G\"" optional;
        /// Files.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_files: Option<u64> = "100000" optional;
        /// Whether peers see datasets of which the rules cannot say yet whether they could get them. Not if left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        show_undetermined: bool = "true" optional;
    }
}

impl Publishing {
    /// What may be published at once.
    #[must_use]
    pub fn most(&self) -> Most {
        let none = Most::default();
        let bytes = self.max_size.as_deref().and_then(|text| size(text).ok());
        Most {
            files: self.max_files.map_or(none.files, |files| files.min(none.files)),
            bytes: bytes.map_or(none.bytes, |bytes| bytes.min(none.bytes)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: String| Err(ConfigError::Value { field, reason });
        match self.max_size.as_deref().map(size) {
            Some(Err(reason)) => return value("publish.max_size", reason),
            Some(Ok(0)) => return value("publish.max_size", "nothing could be published".to_owned()),
            Some(Ok(_)) | None => {}
        }
        if self.max_files == Some(0) {
            return value("publish.max_files", "nothing could be published".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_limit_is_never_above_the_protocols() {
        let read = |text: &str| toml::from_str::<Publishing>(text).unwrap();
        assert_eq!(read("").most(), Most::default());
        assert_eq!(read("max_size = \"2K\"\nmax_files = 3").most(), Most { files: 3, bytes: 2048 });
        let more = read("max_size = \"9000T\"\nmax_files = 9000000");
        assert!(more.check().is_ok());
        assert_eq!(more.most(), Most::default());
        for (text, field) in [
            ("max_size = \"2X\"", "publish.max_size"),
            ("max_size = \"0\"", "publish.max_size"),
            ("max_size = \"\"", "publish.max_size"),
            ("max_files = 0", "publish.max_files"),
        ] {
            assert!(read(text).check().unwrap_err().to_string().starts_with(field), "{text}");
        }
    }
}
