//! The table `[packs]` of `naru.toml`: who may sign newer packs of rules and the data that rules read, and how many of them have
//! to (spec chapter 05, POL-18 and POL-19). Reads and checks values. Takes nothing up.

use naru_protocol::{limits, signature::PublicKey, supply::Signers};

use super::{ConfigError, documented::documented};

documented! {
    /// Who may sign packs of rules and data. Without signers a node keeps the packs that came with the program.
    #[derive(Default)]
    pub struct Packs {
        /// Keys of those who sign packs: z6Mk…, with or without did:key: before it. The private halves of these two exist no more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signers: Vec<String> = "[\"z6MkvSxkYopQc3DqSHnLpcFkLGq2bYTxLJBMPLT7yj35oEd2\", \"z6Mkncm7A2uteLt3FAuVxAkwUcctZjWQkwvxddFL6ZZZ7RjU\"]" optional;
        /// How many of them have to sign a set; more than half if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<u64> = "2" optional;
        /// Keys of those who sign sanctions lists and stop orders; those of the packs if left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        data_signers: Vec<String> = "[\"z6MkgRf2Gc1zGcpbNquVZoydvqQ2EV7ENKjDH4rio6FRctTE\"]" optional;
        /// How many of them have to sign; more than half if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_threshold: Option<u64> = "1" optional;
    }
}

impl Packs {
    /// Who signs packs.
    pub fn of_packs(&self) -> Result<Signers, ConfigError> {
        signers("packs.signers", &self.signers, "packs.threshold", self.threshold)
    }

    /// Who signs data.
    pub fn of_data(&self) -> Result<Signers, ConfigError> {
        if self.data_signers.is_empty() {
            let threshold = self.data_threshold.or(self.threshold);
            return signers("packs.signers", &self.signers, "packs.data_threshold", threshold);
        }
        signers("packs.data_signers", &self.data_signers, "packs.data_threshold", self.data_threshold)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.of_packs()?;
        self.of_data().map(|_| ())
    }
}

fn signers(
    field: &'static str,
    texts: &[String],
    of_threshold: &'static str,
    threshold: Option<u64>,
) -> Result<Signers, ConfigError> {
    let value = |field, reason: String| ConfigError::Value { field, reason };
    if texts.len() > limits::SIGNERS {
        return Err(value(field, format!("at most {}", limits::SIGNERS)));
    }
    let mut keys: Vec<PublicKey> = Vec::new();
    for text in texts {
        let key = PublicKey::parse(text.strip_prefix("did:key:").unwrap_or(text))
            .map_err(|error| value(field, format!("{text:?}: {error}")))?;
        if keys.contains(&key) {
            return Err(value(field, format!("{text} stands there twice")));
        }
        keys.push(key);
    }
    let most = keys.len();
    if most == 0 {
        return match threshold {
            Some(_) => Err(value(of_threshold, "there are no signers".to_owned())),
            None => Ok(Signers::default()),
        };
    }
    let needed = threshold.map_or(Some(most / 2 + 1), |needed| usize::try_from(needed).ok());
    let needed = needed.filter(|needed| (1..=most).contains(needed));
    let threshold = needed.ok_or_else(|| value(of_threshold, format!("1 to {most}")))?;
    Ok(Signers { keys, threshold })
}

#[cfg(test)]
mod tests {
    use naru_protocol::signature::SigningKey;

    use super::*;

    fn key(n: u8) -> String {
        SigningKey::from_seed(&[n; 32]).public().to_string()
    }

    #[test]
    fn signers_are_different_keys_and_enough_of_them_sign() {
        // POL-18.2
        let of = |signers: &[String], threshold| Packs {
            signers: signers.to_vec(),
            threshold,
            ..Packs::default()
        };
        let three = [key(1), format!("did:key:{}", key(2)), key(3)];
        assert_eq!(of(&three, None).of_packs().unwrap().threshold, 2, "more than half");
        assert_eq!(of(&three, Some(3)).of_data().unwrap().threshold, 3);
        assert_eq!(Packs::default().of_packs().unwrap(), Signers::default());
        for (bad, field) in [
            (of(&three, Some(4)), "packs.threshold"),
            (of(&three, Some(0)), "packs.threshold"),
            (of(&[], Some(1)), "packs.threshold"),
            (of(&[key(1), key(1)], None), "packs.signers"),
            (of(&["z6Mk".to_owned()], None), "packs.signers"),
        ] {
            assert!(bad.check().unwrap_err().to_string().starts_with(field), "{bad:?}");
        }
    }
}
