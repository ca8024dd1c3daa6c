//! What decisions rest on, as digests, and when the next date of an agreement passes (POL-17.1).
//!
//! A date is any number of the input or of a rule that lies in the time of people now living. Some that count for no rule are
//! among them, and cost an evaluation that changes nothing; one that a rule works out (a period after another) is found within
//! a day, since who a party is holds for no longer.

use naru_policy::Pack;
use naru_protocol::encoding::Digest;
use serde_json::Value;

use super::super::{Node, now, policy::Judged};

/// Numbers from here on are dates: 2001-09-09.
const DATES: u64 = 1_000_000_000;
/// A day, after which everything is judged again.
const DAY: u64 = 86_400;

/// What decisions rest on, apart from terms and clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    facts: Option<Digest>,
    supplies: Vec<String>,
}

impl Node {
    pub(super) fn seen_now(&self) -> Seen {
        Seen { facts: self.facts_seen(), supplies: self.shelf.in_use(now()) }
    }
}

/// Whether the term of an agreement has ended: nothing goes on under it, whatever the law.
pub(super) fn over(shared: &Value, now: u64) -> bool {
    shared.pointer("/contract/valid_to").and_then(Value::as_u64).is_some_and(|end| end <= now)
}

/// The first date after a judgement at which it may come out otherwise.
pub(super) fn next_date<'a>(judged: &Judged, packs: impl Iterator<Item = &'a Pack>) -> u64 {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (shared, parts) = (read(&judged.row.shared), read(&judged.row.private));
    let mut dates = Vec::new();
    for part in [Some(&shared), parts.get("private"), parts.get("host")].into_iter().flatten() {
        collect(part, &mut dates);
    }
    for rule in packs.flat_map(|pack| pack.rules.values()) {
        dates.push(rule.in_force.from);
        dates.extend(rule.in_force.to);
    }
    dates.extend(deletion(&shared, &parts));
    let next = dates.into_iter().filter(|date| *date > judged.at).min();
    next.unwrap_or(u64::MAX).min(judged.at + DAY)
}

/// When data that have arrived are to be gone: their days are over.
fn deletion(shared: &Value, parts: &Value) -> Option<u64> {
    let days = shared.pointer("/contract/retention_days")?.as_u64()?;
    let arrived = parts.pointer("/host/transfer/completed_at")?.as_u64().filter(|at| *at > 0)?;
    arrived.checked_add(days.checked_mul(DAY)?)?.checked_add(1)
}

fn collect(value: &Value, dates: &mut Vec<u64>) {
    match value {
        Value::Number(number) => dates.extend(number.as_u64().filter(|number| *number >= DATES)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, dates)),
        Value::Object(members) => members.values().for_each(|member| collect(member, dates)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dates_are_found_wherever_they_stand() {
        let mut found = Vec::new();
        let input = json!({"approvals": [{"expires_at": 2_082_758_400, "scope": {"n": 7}}], "now": 1_793_491_200,
            "text": "1793491200", "neither": -1_793_491_200_i64});
        collect(&input, &mut found);
        found.sort_unstable();
        assert_eq!(found, [1_793_491_200, 2_082_758_400]);
    }

    #[test]
    fn data_are_to_be_gone_when_their_days_are_over() {
        let shared = json!({"contract": {"retention_days": 2, "valid_to": 10}});
        let parts = |at: u64| json!({"host": {"transfer": {"completed_at": at}}});
        assert_eq!(deletion(&shared, &parts(100)), Some(100 + 2 * DAY + 1));
        assert_eq!(deletion(&shared, &parts(0)), None, "nothing has arrived");
        assert!(over(&shared, 10) && !over(&shared, 9) && !over(&json!({}), 10));
    }
}
