//! The document that the policy engine sees: a shared part that stands in the terms, a part private to this side, and
//! what the host knows (clock, phase, side, identities, the count of transfers) (spec chapter 05, POL-1, POL-10).
//!
//! Builds documents; evaluates nothing. Only the proposer builds the shared part: the other side compares what it is
//! the source for, and what follows from the listing, and names the pointer that differs. What an offer's constraints
//! come to is in `contract`.

mod beyond;
mod contract;

use std::{collections::BTreeMap, path::Path};

use naru_protocol::{
    error::Code,
    identity::{Did, Role},
    plain::is_plain_id,
    supply::{DataKind, SignedData},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    NodeError,
    country::is_assigned,
    sanctions::{misread_entry, with_operators},
};

pub(crate) use self::contract::{CLAUSES, terms_beyond};
pub(super) use self::contract::{
    Stated, contract, contract_of_plain, offered, offered_by_plain, recipients, understood,
};

/// What the operator knows and the peer must not: kept in `facts.json`, read at each evaluation.
///
/// `screening` adds to what the node finds when it screens a consumer itself (`sanctions`): a hit of either is a hit (SANC-001).
/// `red_flags` are warning signs of the catch-all (KR-FTA-004). Both go into the input of an exporter only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivateFacts {
    /// Approvals, reports and licences of authorities (rules of the exporter's side).
    pub approvals: Vec<Value>,
    /// Orders that stop trade.
    pub stop_orders: Vec<Value>,
    /// What the operator found when it screened a peer against lists of its own, by DID.
    pub screening: BTreeMap<String, Value>,
    /// Warning signs about a peer, by DID.
    pub red_flags: BTreeMap<String, Vec<String>>,
}

impl PrivateFacts {
    /// Reads the file; one that is absent says nothing.
    pub fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read(path) {
            // A list would be read as members in order: nothing in it must not look like nothing against anybody.
            Ok(bytes) if !bytes.trim_ascii_start().starts_with(b"{") => {
                Err(format!("{}: not a JSON object", path.display()))
            }
            Ok(bytes) => {
                let facts: Self =
                    serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
                match facts.misread() {
                    None => Ok(facts),
                    Some(why) => Err(format!("{}: {why}", path.display())),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The first that would come to nothing, or to more than it says, though somebody meant it: such facts are not used at all.
    fn misread(&self) -> Option<String> {
        let orders = self.stop_orders.iter().enumerate();
        let orders =
            orders.filter_map(|(n, order)| Some(format!("/stop_orders/{n}{}", misread_order(order)?)));
        let approvals = self.approvals.iter().enumerate();
        let approvals =
            approvals.filter_map(|(n, one)| Some(format!("/approvals/{n}{}", misread_approval(one)?)));
        let keys = |of, names: Vec<&String>| {
            let found = names.into_iter().find_map(|name| misread_party(name));
            found.map(|why| format!("/{of}: {why}"))
        };
        orders
            .chain(approvals)
            .next()
            .or_else(|| keys("screening", self.screening.keys().collect()))
            .or_else(|| keys("red_flags", self.red_flags.keys().collect()))
    }

    /// Those whom the facts name otherwise than by a key.
    pub(super) fn unkeyed(&self) -> impl Iterator<Item = &str> {
        let orders = self.stop_orders.iter().filter_map(|order| order["consumer"].as_str());
        let all = orders.chain(self.screening.keys().chain(self.red_flags.keys()).map(String::as_str));
        all.filter(|name| Did::parse(name).is_err())
    }

    /// This side's private part of the input about one consumer; only an exporter screens and holds approvals. `found` is what
    /// the node found when it screened the consumer.
    #[must_use]
    pub fn document(&self, consumer: &str, exporter: bool, found: Option<Value>) -> Value {
        if !exporter {
            return json!({"stop_orders": self.stop_orders});
        }
        let mut about = Map::new();
        if let Some(screening) = with_operators(found, self.screening.get(consumer)) {
            about.insert("sanctions".into(), screening);
        }
        let flags = self.red_flags.get(consumer).cloned().unwrap_or_default();
        about.insert("red_flags".into(), json!(flags));
        json!({"approvals": self.approvals, "stop_orders": self.stop_orders, "consumer": about})
    }
}

/// Times from here on are no seconds: the year is beyond 5000.
const NO_SECONDS: u64 = 100_000_000_000;

/// Why an order would not stop what it means to. One that names nothing that can be read stops everything (CORE-006).
fn misread_order(order: &Value) -> Option<String> {
    let text = |name: &str| order.get(name).and_then(Value::as_str);
    let country = text("country").filter(|code| !is_assigned(code));
    let spaced = |name: &str| text(name).filter(|id| id.is_empty() || id.contains(char::is_whitespace));
    let late = |name: &str| order.get(name).and_then(Value::as_u64).filter(|at| *at >= NO_SECONDS);
    country
        .map(|code| {
            format!("/country: {code:?} is no country: two capital letters of ISO 3166-1, such as SG")
        })
        .or_else(|| text("consumer").and_then(misread_party).map(|why| format!("/consumer: {why}")))
        .or_else(|| spaced("dataset").map(|id| format!("/dataset: {id:?} is no id")))
        .or_else(|| {
            let name = ["from", "until"].into_iter().find(|name| late(name).is_some())?;
            Some(format!("/{name}: no time in seconds"))
        })
}

/// Refuses orders that would not stop what they mean to, and entries of a sanctions list that would hit nobody.
pub(crate) fn readable(data: &SignedData) -> Result<(), NodeError> {
    let misread = match data.kind {
        DataKind::StopOrders => misread_order,
        DataKind::Sanctions => misread_entry,
    };
    match data.entries.iter().enumerate().filter_map(|(n, entry)| Some((n, misread(entry)?))).next() {
        None => Ok(()),
        Some((n, why)) => Err(NodeError::refused(Code::ArgumentInvalid, format!("/entries/{n}{why}"))),
    }
}

/// Why no participant can have this id.
pub(super) fn misread_party(id: &str) -> Option<String> {
    let is_id = Did::parse(id).is_ok() || is_plain_id(id);
    (!is_id).then(|| format!("{id:?} is no id of a participant: `naru peers` lists them"))
}

/// Why an approval is none: who gave it under which number is what makes it one.
fn misread_approval(approval: &Value) -> Option<String> {
    let named = |name: &str| approval[name].as_str().is_some_and(|text| !text.trim().is_empty());
    let missing = ["number", "issuer"].into_iter().find(|name| !named(name));
    let conditions = approval
        .get("conditions")
        .filter(|conditions| !conditions.as_array().is_some_and(|all| all.iter().all(Value::is_string)));
    missing
        .map(|name| format!("/{name}: an approval says it"))
        .or_else(|| conditions.map(|_| "/conditions: a list of texts".to_owned()))
}

/// The declared fact that a transfer takes over from its dataset.
const GROUND: &str = "legal_basis";

/// A participant as the shared document names it.
#[derive(Debug, Clone)]
pub struct Party {
    /// Root identity.
    pub did: String,
    /// Self-declared country.
    pub country: String,
    /// Self-declared size.
    pub size: String,
    /// What it says of itself beside, as members of the shared document; a party that is asked says nothing more.
    pub declared: Map<String, Value>,
}

impl Party {
    /// As the shared document has it.
    fn document(&self) -> Value {
        let mut said = self.declared.clone();
        said.extend([
            ("id".to_owned(), json!(self.did)),
            ("country".to_owned(), json!(self.country)),
            ("size".to_owned(), json!(self.size)),
        ]);
        Value::from(said)
    }
}

/// What the consumer says about its use.
#[derive(Debug, Clone)]
pub struct Use {
    /// What it is for.
    pub purpose: String,
    /// Where it is kept and processed.
    pub countries: Vec<String>,
}

/// The parts of the shared document that are known before anybody asks for anything: all that a catalog is judged by. `terms` are
/// those of the offer in normal form, where they say more than `contract` will (POL-10.8).
#[must_use]
pub(super) fn known(facts: &Value, terms: Option<Value>, provider: &Party, consumer: &Party) -> Value {
    let mut known =
        json!({"dataset": facts, "provider": provider.document(), "consumer": consumer.document()});
    if let Some(terms) = terms {
        known["policy"] = terms;
    }
    known
}

/// The shared document that a proposer writes into its terms. What nobody declared is absent from it: a rule that needs
/// it says so, and is not answered by an invention (POL-10.5).
///
/// # Errors
/// The place in the offer that is not understood, as a JSON pointer with the reason.
pub fn shared(
    facts: &Value,
    policy: &Value,
    provider: &Party,
    consumer: &Party,
    purpose: &Use,
    revision: &str,
    at: u64,
) -> Result<Value, String> {
    let mut shared = known(facts, terms_beyond(policy), provider, consumer);
    let destination =
        json!({"storage_countries": purpose.countries, "processing_countries": purpose.countries});
    shared["contract"] = contract(policy, &consumer.country, &destination, revision, at)?;
    shared["destination"] = destination;
    // Nothing of this profile travels over a channel that is not encrypted.
    shared["transfer"] = json!({"purpose": purpose.purpose, "encrypted": true});
    with_ground(&mut shared, facts);
    Ok(shared)
}

/// On what ground personal data are transferred, as the provider declared it with the dataset (POL-10.10).
pub(super) fn with_ground(shared: &mut Value, facts: &Value) {
    if let Some(ground) = facts.get(GROUND) {
        shared["transfer"][GROUND] = ground.clone();
    }
}

/// The members of the shared document that a side compares: what it is the source for, and what follows from the
/// listing for either (POL-10.4).
#[must_use]
pub(super) const fn compared_by(provider: bool) -> &'static [&'static str] {
    if provider {
        &["dataset", "contract", "policy", "provider", "transfer"]
    } else {
        &["dataset", "contract", "policy", "consumer", "destination", "transfer"]
    }
}

/// What the host adds: clock, phase, side, identities, and who has signed.
#[derive(Debug, Clone)]
pub struct Host<'a> {
    /// `catalog`, `negotiation`, `transfer` or `monitor`.
    pub phase: &'a str,
    /// `exporter` or `importer`.
    pub side: &'a str,
    /// Seconds.
    pub now: u64,
    /// Until when the operator's word about the peer's identity holds, seconds.
    pub identity_until: u64,
    /// Parties whose signature over the agreement was verified, and which transfer under it this is, 1 for the first.
    pub transfer: Option<(&'a [String], u32)>,
    /// The party, if any, for whose identity less than a compared fingerprint vouches, and what: `ticket`, where nobody compared
    /// it, or `secret`, where the peer signs nothing and is known by what the operator gave it.
    pub vouched: Option<(Role, &'a str)>,
}

impl Host<'_> {
    /// The host part of the input.
    #[must_use]
    pub fn document(&self) -> Value {
        let identity = |role| {
            let word = self.vouched.filter(|(who, _)| *who == role).map_or("operator", |(_, word)| word);
            json!({"verified": true, "expires_at": self.identity_until, "provenance": word})
        };
        let mut host = json!({
            "phase": self.phase,
            "side": self.side,
            "now": self.now,
            "provider": {"identity": identity(Role::Provider)},
            "consumer": {"identity": identity(Role::Consumer)},
        });
        if let Some((signed_by, occurrence)) = self.transfer {
            host["contract"] = json!({"signed_by": signed_by});
            host["transfer"] = json!({"occurrence": occurrence});
        }
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_facts_that_are_no_object_are_no_facts() {
        let path = std::env::temp_dir().join(format!("naru-facts-{}.json", std::process::id()));
        for (text, read) in [("[]", false), ("null", false), ("", false), (" {}", true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(PrivateFacts::read(&path).is_ok(), read, "{text}");
        }
        let approval = json!({"type": "t", "number": "1", "issuer": "MOTIR", "conditions": []});
        let with = |name: &str, value: Value| {
            let mut approval = approval.clone();
            approval[name] = value;
            json!({"approvals": [approval]})
        };
        for (facts, why) in [
            (json!({"approvals": [approval]}), None),
            (with("number", json!("")), Some("/approvals/0/number")),
            (with("issuer", json!(null)), Some("/approvals/0/issuer")),
            (with("conditions", json!("revoked")), Some("/approvals/0/conditions")),
            (
                json!({"stop_orders": [{"ref": "S"}, {"ref": "S", "country": "SG", "from": 1_795_424_400}]}),
                None,
            ),
            (json!({"stop_orders": [{"country": "sg"}]}), Some("/stop_orders/0/country")),
            (json!({"stop_orders": [{"country": "Singapore"}]}), Some("/stop_orders/0/country")),
            (json!({"stop_orders": [{"from": 1_795_424_400_000_u64}]}), Some("/stop_orders/0/from")),
            (json!({"stop_orders": [{"dataset": "urn:dxp:1 "}]}), Some("/stop_orders/0/dataset")),
            (json!({"stop_orders": [{"consumer": "did:key:z6Mk"}]}), Some("/stop_orders/0/consumer")),
            (json!({"red_flags": {"did:key:z6Mk": ["x"]}}), Some("/red_flags")),
            (json!({"screening": {"": {"hit": true}}}), Some("/screening")),
        ] {
            std::fs::write(&path, facts.to_string()).unwrap();
            let read = PrivateFacts::read(&path).map(|_| ());
            assert_eq!(read.is_ok(), why.is_none(), "{facts}: {read:?}");
            assert!(why.is_none_or(|why| read.unwrap_err().contains(why)), "{facts}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_example_is_what_a_node_reads() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/ev-parts/node-facts.json");
        let facts = PrivateFacts::read(Path::new(path)).unwrap();
        assert_eq!((facts.approvals.len(), facts.stop_orders.len()), (1, 1));
    }

    fn party(c: &str) -> Party {
        Party { did: format!("did:{c}"), country: c.into(), size: "sme".into(), declared: Map::new() }
    }

    /// POL-10.10, POL-10.11
    #[test]
    fn what_is_declared_of_the_consumer_and_of_the_ground_is_shared() {
        let mut buyer = party("SG");
        buyer.declared = [("role".to_owned(), json!("processor")), ("id".to_owned(), json!("another"))]
            .into_iter()
            .collect();
        let facts = json!({"id": "d", "legal_basis": {"kind": "consent", "separate": true}});
        let wanted = Use { purpose: "p".into(), countries: vec!["SG".into()] };
        let shared = shared(&facts, &terms(), &party("KR"), &buyer, &wanted, "r", 5).unwrap();
        let consumer = json!({"id": "did:SG", "country": "SG", "size": "sme", "role": "processor"});
        assert_eq!(shared["consumer"], consumer, "and nothing declared takes the place of what is known");
        assert_eq!(shared["transfer"]["legal_basis"], facts["legal_basis"]);
    }

    #[test]
    fn private_facts_never_stand_in_the_shared_part() {
        let private = PrivateFacts { approvals: vec![json!({"number": "A-1"})], ..PrivateFacts::default() };
        let shared = shared(
            &json!({"id": "d"}),
            &terms(),
            &party("KR"),
            &party("SG"),
            &Use { purpose: "p".into(), countries: vec!["SG".into()] },
            "r",
            5,
        )
        .unwrap();
        let seen = private.document("did:SG", true, None);
        assert_eq!(seen["approvals"][0]["number"], json!("A-1"));
        assert_eq!(private.document("did:SG", false, None).get("approvals"), None);
        assert!(!shared.to_string().contains("A-1"));
    }

    fn terms() -> Value {
        let constraints = json!([
            {"leftOperand": "purpose", "operator": "eq", "rightOperand": "p"},
            {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P1D"}]);
        json!({"permission": [{"action": "use", "constraint": constraints}]})
    }

    /// POL-10.5
    #[test]
    fn what_nobody_declared_is_absent() {
        let wanted = Use { purpose: "p".into(), countries: vec!["SG".into()] };
        let shared =
            shared(&json!({"id": "d"}), &terms(), &party("KR"), &party("SG"), &wanted, "r", 5).unwrap();
        let members =
            |of: &str| shared[of].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(members("dataset"), ["id"]);
        assert_eq!(members("provider"), ["country", "id", "size"]);
        assert_eq!(members("consumer"), ["country", "id", "size"]);
        assert_eq!(members("destination"), ["processing_countries", "storage_countries"]);
        assert_eq!(members("transfer"), ["encrypted", "purpose"]);
        assert_eq!(shared["contract"]["allowed_countries"], json!(["SG"]));
    }

    /// POL-1.3
    #[test]
    fn the_host_says_which_transfer_it_is_only_where_there_is_one() {
        let both = ["did:KR".to_owned(), "did:SG".to_owned()];
        let host = |transfer| Host {
            phase: "transfer",
            side: "exporter",
            now: 1,
            identity_until: 2,
            transfer,
            vouched: None,
        };
        let said = host(Some((&both[..], 3))).document();
        assert_eq!(said["transfer"], json!({"occurrence": 3}));
        assert_eq!(said["contract"]["signed_by"], json!(both));
        assert_eq!(host(None).document().get("transfer"), None);
    }
}
