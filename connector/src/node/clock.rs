//! What this machine's clock cannot be right about: it stands before something that was signed by it.
//!
//! Nothing waits for the clock: one that was ahead for a while and was set right would stop a node for as long as it had been
//! ahead. What is signed too early is refused by the peer (ACT-3.6) and asked again once the clock is right; the log records
//! times as the clock said them. So a person has to be told, in `status`, at the start and by `naru check`.

use naru_protocol::limits;

use super::{Node, NodeError, entries::read, now};

/// Before this the program did not exist: 2025-01-01.
const EARLIEST: u64 = 1_735_689_600;
/// 2100-01-01.
const LATEST: u64 = 4_102_444_800;

/// Why a clock that says `now` is wrong, where the newest log entry is of `newest` and the key set holds from `keys`.
pub(crate) fn wrong(now: u64, newest: Option<u64>, keys: u64) -> Option<String> {
    if !(EARLIEST..LATEST).contains(&now) {
        return Some(format!("says {now} seconds since 1970"));
    }
    let behind = |from: u64| Some(from.saturating_sub(now)).filter(|by| *by > limits::SKEW_SECONDS);
    if let Some(by) = behind(keys) {
        return Some(format!("{by} seconds before the key set is valid: partners refuse what is signed now"));
    }
    behind(newest?).map(|by| format!("{by} seconds behind the newest entry of the log"))
}

impl Node {
    /// Why this machine's clock is wrong, if that can be seen.
    pub(super) async fn clock(&self) -> Result<Option<String>, NodeError> {
        let size = self.store.head().await?.map_or(0, |head| head.size);
        let newest = self.store.entries(size.saturating_sub(1), 1).await?;
        let at = newest.last().map(|row| read(row).map(|entry| entry.at())).transpose()?;
        Ok(wrong(now(), at, self.me.keys.valid_from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_where_it_stands_before_what_it_signed() {
        let (day, signed) = (86_400, 1_793_491_200);
        assert_eq!(wrong(signed, Some(signed), signed), None);
        assert_eq!(wrong(signed - limits::SKEW_SECONDS, Some(signed), signed), None, "a minute is forgiven");
        assert!(
            wrong(signed - day, Some(signed), signed - 2 * day).unwrap().starts_with("86400 seconds behind")
        );
        assert!(wrong(signed - day, Some(signed), signed).unwrap().contains("before the key set is valid"));
        assert_eq!(wrong(signed, None, 0), None);
        for implausible in [0, EARLIEST - 1, LATEST] {
            assert!(wrong(implausible, None, 0).is_some(), "{implausible}");
        }
    }
}
