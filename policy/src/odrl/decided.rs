//! Whether the module can decide every part of an offer (spec chapter 05, POL-10.1): an operand, operator, action or duty that
//! it has no word for is never decided, whatever the facts, and terms with one would promise what nothing keeps.
//!
//! What it has words for stands in the module's own data, and is read there. Not here: what facts decide it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Normal, Refusal};

/// The words of the module, from the data that it is compiled with.
#[derive(Deserialize)]
struct Words {
    operands: BTreeMap<String, Operand>,
    permits: BTreeMap<String, Vec<String>>,
    forbids: BTreeMap<String, Vec<String>>,
    before: BTreeMap<String, String>,
    after: Vec<String>,
    regions: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Operand {
    operators: Vec<String>,
}

/// None only if the data of the module were not its data: then nothing is decided.
static WORDS: LazyLock<Option<Words>> = LazyLock::new(|| {
    let mut data: Value = serde_json::from_str(include_str!("../../rego/odrl/data.json")).ok()?;
    serde_json::from_value(data.get_mut("odrl")?.take()).ok()
});

impl Normal {
    /// The first place that the module decides under no facts, if there is one.
    ///
    /// # Errors
    /// [`Refusal`]: the place, and what is not decided there.
    pub fn decidable(&self) -> Result<(), Refusal> {
        let words = WORDS.as_ref().ok_or_else(|| Refusal::at("", "the module has no words"))?;
        for rule in rules(&self.document, "permission") {
            words.actions(rule, "permits", &words.permits)?;
            words.constraints(rule)?;
            for duty in rules(rule, "duty") {
                words.known(duty, "duty before the use", words.before.contains_key(text(duty, "action")))?;
                words.constraints(duty)?;
            }
        }
        for rule in rules(&self.document, "prohibition") {
            words.actions(rule, "forbids", &words.forbids)?;
            words.constraints(rule)?;
        }
        for duty in rules(&self.document, "obligation") {
            words.known(duty, "obligation", words.after.iter().any(|word| word == text(duty, "action")))?;
            words.known(duty, "party that owes it", matches!(text(duty, "on"), "provider" | "consumer"))?;
            words.known(duty, "condition but a deadline", rules(duty, "constraint").next().is_none())?;
        }
        Ok(())
    }
}

impl Words {
    fn known(&self, rule: &Value, what: &str, known: bool) -> Result<(), Refusal> {
        match known {
            true => Ok(()),
            false => Err(Refusal::at(
                text(rule, "at"),
                format!("`{}`: no such {what} is decided", text(rule, "action")),
            )),
        }
    }

    fn actions(
        &self,
        rule: &Value,
        verb: &str,
        known: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), Refusal> {
        let actions = rules(rule, "action").filter_map(Value::as_str);
        match actions.into_iter().find(|action| !known.contains_key(*action)) {
            None => Ok(()),
            Some(action) => Err(Refusal::at(text(rule, "at"), format!("nothing here {verb} `{action}`"))),
        }
    }

    fn constraints(&self, rule: &Value) -> Result<(), Refusal> {
        rules(rule, "constraint").try_for_each(|constraint| self.constraint(constraint))
    }

    fn constraint(&self, constraint: &Value) -> Result<(), Refusal> {
        let parts: Vec<&Value> = ["or", "xone"].iter().flat_map(|word| rules(constraint, word)).collect();
        if !parts.is_empty() {
            return parts.into_iter().try_for_each(|part| self.constraint(part));
        }
        let (operand, operator) = (text(constraint, "leftOperand"), text(constraint, "operator"));
        let decided =
            self.operands.get(operand).is_some_and(|known| known.operators.iter().any(|o| o == operator));
        let at = text(constraint, "at");
        if !decided {
            let said = [operand, operator].join(" ");
            return Err(Refusal::at(at, format!("{} is not decided by any fact", said.trim())));
        }
        let mut places = rules(constraint, "rightOperand").filter_map(Value::as_str);
        match places.find(|place| operand == "spatial" && !self.regions.contains_key(*place) && !code(place))
        {
            None => Ok(()),
            Some(place) => Err(Refusal::at(
                at,
                format!("`{place}` is no country code of ISO 3166-1 and no region that is known"),
            )),
        }
    }
}

fn code(place: &str) -> bool {
    place.len() == 2 && place.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn rules<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::normalise;
    use super::*;

    fn judged(offer: &Value) -> Result<(), Refusal> {
        normalise(offer).unwrap().decidable()
    }

    fn constraint(operand: &str, operator: &str, right: &str) -> Value {
        json!({"leftOperand": operand, "operator": operator, "rightOperand": right})
    }

    /// POL-10.1
    #[test]
    fn what_the_module_has_words_for_is_decided() {
        let offer = json!({
            "permission": [{"action": "use", "constraint": [
                constraint("dateTime", "lteq", "2027-12-31T15:00:00Z"),
                {"or": [constraint("recipient", "eq", "did:key:a"), constraint("industry", "eq", "automotive")]},
                {"xone": [constraint("spatial", "isPartOf", "EU"), constraint("spatial", "eq", "SG")]},
            ], "duty": [{"action": "anonymize"}]}, {"action": "distribute"}],
            "prohibition": [{"action": "sell", "constraint": [constraint("spatial", "isAnyOf", "CN")]}],
            "obligation": [{"action": "delete", "constraint": [constraint("elapsedTime", "lteq", "P30D")]}],
        });
        judged(&offer).unwrap();
    }

    /// POL-10.1
    #[test]
    fn what_it_has_none_for_is_named_by_its_place() {
        let permission =
            |constraint: Value| json!({"permission": [{"action": "use", "constraint": [constraint]}]});
        let duty = |duty: Value| json!({"permission": [{"action": "use", "duty": [duty]}]});
        for (offer, place) in [
            (permission(constraint("payAmount", "eq", "5")), "/permission/0/constraint/0"),
            (permission(constraint("purpose", "isA", "research")), "/permission/0/constraint/0"),
            (permission(constraint("count", "isAnyOf", "3")), "/permission/0/constraint/0"),
            (permission(constraint("spatial", "isPartOf", "Atlantis")), "/permission/0/constraint/0"),
            (
                permission(json!({"or": [constraint("count", "lteq", "3"), constraint("event", "eq", "x")]})),
                "/permission/0/constraint/0/or/1",
            ),
            (
                permission(
                    json!({"andSequence": [constraint("count", "lteq", "3"), constraint("count", "lteq", "2")]}),
                ),
                "/permission/0/constraint/0",
            ),
            (json!({"permission": [{"action": "play"}]}), "/permission/0"),
            (json!({"permission": [], "prohibition": [{"action": "paint"}]}), "/prohibition/0"),
            (duty(json!({"action": "compensate"})), "/permission/0/duty/0"),
            (
                duty(json!({"action": "anonymize", "constraint": [constraint("fee", "eq", "1")]})),
                "/permission/0/duty/0/constraint/0",
            ),
            (json!({"permission": [], "obligation": [{"action": "compensate"}]}), "/obligation/0"),
            (
                json!({"permission": [], "obligation": [{"action": "delete", "constraint": [constraint("count", "lteq", "1")]}]}),
                "/obligation/0",
            ),
        ] {
            let refused = judged(&offer).unwrap_err();
            assert_eq!(refused.pointer, place, "{offer}: {refused}");
        }
    }
}
