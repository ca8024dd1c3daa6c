//! Every template is what its name says: read by the node, and allowed by the rules that come with this program.

use naru_policy::{Bundle, Engine, Evaluation, assemble, bundled::PACKS};
use serde_json::{Value, json};

use super::*;
use crate::node::facts::{self, Party, Use};

fn engine() -> Engine {
    Engine::new(PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap()))
        .unwrap()
        .for_countries(&["KR", "SG"])
}

/// What a firm in Singapore proposes about data of one in Korea.
fn shared(
    engine: &Engine,
    facts: &Value,
    policy: &Value,
    purpose: &str,
    countries: &[&str],
) -> Result<Value, String> {
    let mut facts = facts.clone();
    facts["id"] = json!("urn:dxp:0");
    let party = |id: &str, country: &str| Party {
        did: id.into(),
        country: country.into(),
        size: "sme".into(),
        declared: Default::default(),
    };
    let wanted =
        Use { purpose: purpose.to_owned(), countries: countries.iter().map(|c| (*c).to_owned()).collect() };
    let revision = engine.packs().find(|pack| pack.name == "core").unwrap().revision.clone();
    let (seller, buyer) = (party("did:key:p", "KR"), party("did:key:c", "SG"));
    facts::shared(&facts, policy, &seller, &buyer, &wanted, &revision, 1_795_424_400)
}

fn of(kind: Kind) -> impl Iterator<Item = &'static Template> {
    ALL.iter().filter(move |template| template.kind == kind)
}

/// What one side says of a Korean firm's data for a firm in Singapore.
fn evaluate(engine: &Engine, shared: &Value, phase: &str, side: &str) -> naru_policy::ResultDoc {
    let identity = json!({"identity": {"verified": true, "expires_at": 1_795_424_400_u64 + 86_400}});
    let mut host = json!({"phase": phase, "side": side, "now": 1_795_424_400_u64, "provider": identity, "consumer": identity});
    if phase == "transfer" {
        host["contract"] = json!({"signed_by": ["did:key:p", "did:key:c"]});
        host["transfer"] = json!({"occurrence": 1});
    }
    let private = match side {
        "exporter" => json!({"approvals": [], "stop_orders": [], "consumer": {"red_flags": [],
            "sanctions": {"hit": false, "screened_at": 1_795_424_400_u64}}}),
        _ => json!({"stop_orders": []}),
    };
    let input = assemble(engine.packs(), shared, &private, &host).unwrap();
    match engine.evaluate(&input) {
        Evaluation::Decided(result) => result,
        Evaluation::Broken { reason, .. } => panic!("{reason}"),
    }
}

fn purpose(terms: &Value) -> String {
    terms["permission"][0]["constraint"][0]["rightOperand"][0].as_str().unwrap().to_owned()
}

#[test]
fn every_template_of_facts_is_allowed_from_korea_to_singapore_under_research_only_and_others() {
    let engine = engine();
    for facts in of(Kind::Facts) {
        for terms in of(Kind::Terms) {
            let policy = terms.value();
            let shared = shared(&engine, &facts.value(), &policy, &purpose(&policy), &["SG"]).unwrap();
            for (phase, side) in [
                ("negotiation", "exporter"),
                ("negotiation", "importer"),
                ("transfer", "exporter"),
                ("transfer", "importer"),
            ] {
                let result = evaluate(&engine, &shared, phase, side);
                assert!(result.allows(), "{} {} {phase} {side}: {result:?}", facts.name, terms.name);
            }
        }
    }
}

#[test]
fn the_terms_of_a_template_bind() {
    let engine = engine();
    let facts = find(Kind::Facts, "sensor-series").unwrap().value();
    let mut policy = find(Kind::Terms, "research-only").unwrap().value();
    let denies = |policy: &Value, purpose: &str, countries: &[&str], rule: &str| {
        let shared = shared(&engine, &facts, policy, purpose, countries).unwrap();
        let result = evaluate(&engine, &shared, "negotiation", "exporter");
        !result.allows() && result.deny.iter().any(|found| found.id == rule)
    };
    assert!(denies(&policy, "marketing", &["SG"], "POST-PUR-001"));
    // Countries that nobody limited are those that the consumer states, and bind it.
    let stated = shared(&engine, &facts, &policy, "research", &["VN"]).unwrap();
    assert_eq!(stated["contract"]["allowed_countries"], json!(["SG", "VN"]));
    assert_eq!(stated["contract"]["retention_days"], json!(365));
    assert_eq!(stated["contract"]["onward_transfer"]["allowed"], json!(false));
    limit_countries(&mut policy, &["SG".to_owned()]);
    limit_days(&mut policy, 90);
    assert!(denies(&policy, "research", &["VN"], "POST-GEO-001"));
    let limited = shared(&engine, &facts, &policy, "research", &["SG"]).unwrap();
    assert_eq!(limited["contract"]["retention_days"], json!(90));
    assert!(evaluate(&engine, &limited, "negotiation", "exporter").allows());
    assert_eq!(policy["permission"][0]["constraint"].as_array().unwrap().len(), 4);
    // Terms of another form stay as they are.
    let mut odd = json!({"permission": []});
    limit_days(&mut odd, 1);
    assert_eq!(odd, json!({"permission": []}));
}

#[test]
fn lines_say_what_the_documents_say() {
    for terms in of(Kind::Terms) {
        let policy = terms.value();
        let constraints = policy["permission"][0]["constraint"].as_array().unwrap().clone();
        let value = |operand: &str| {
            let found = constraints.iter().find(|c| c["leftOperand"] == operand).unwrap();
            found["rightOperand"].as_str().unwrap_or_default().trim_matches(['P', 'D']).to_owned()
        };
        for line in [terms.en, terms.ko] {
            assert!(line.contains(&format!("`{}`", purpose(&policy))), "{line}");
            assert!(line.contains(&value("elapsedTime")) && line.contains(&value("count")), "{line}");
        }
        assert_eq!(policy["prohibition"], json!([{"action": "distribute"}]));
        assert!(find(Kind::Facts, terms.name).is_none(), "one name, one template");
    }
    for facts in of(Kind::Facts) {
        let value = facts.value();
        assert_eq!(value["personal"], json!({"kind": "none", "identifiers": [], "special": []}));
        assert_eq!(value["geo"]["survey_product"], json!(false));
        // Nobody but the publisher determined anything, and a template does not say that an authority did.
        assert_eq!(value["technology"]["nct"]["determination"], json!({"by": "self"}));
    }
}

/// Members of a document by dotted path.
fn leaves(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value.as_object() {
        Some(members) => {
            for (name, value) in members {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(&path, value, out);
            }
        }
        None => out.push((prefix.to_owned(), value.clone())),
    }
}

#[test]
fn the_vocabulary_is_that_of_the_packs_and_of_the_templates() {
    let known = vocabulary();
    assert!(!known.is_empty());
    let engine = Engine::new(PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap())).unwrap();
    let mut read = 0;
    for (pointer, fact) in engine.packs().flat_map(|pack| &pack.facts) {
        let ground = pointer.strip_prefix("/transfer/").filter(|path| path.starts_with("legal_basis/"));
        let path = ground.or_else(|| pointer.strip_prefix("/dataset/")).filter(|path| *path != "id");
        let Some(path) = path else { continue };
        let member = &known[&path.replace('/', ".")];
        assert_eq!(member.kind, fact.kind, "{pointer}");
        assert!(fact.values.is_empty() || member.values == fact.values, "{pointer}");
        read += 1;
    }
    assert!(read > 5, "{read}");
    // What a template declares could be declared by hand, value by value.
    for facts in of(Kind::Facts) {
        let (mut found, mut again) = (Vec::new(), json!({}));
        leaves("", &facts.value(), &mut found);
        for (path, value) in found {
            set(&mut again, &format!("{path}={value}")).unwrap();
        }
        assert_eq!(again, facts.value(), "{}", facts.name);
    }
}
