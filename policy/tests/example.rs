//! `examples/ev-parts/node-facts.json`, which `README.md` shows and explains, is what the rules ask for: its approval
//! satisfies KR-ITA-001 for the data of `facts-core.json`, and its stop order stops.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use naru_policy::{Bundle, Engine, Evaluation, assemble, bundled};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
}

fn read(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

/// The rules that deny the ordinary negotiation about core technology to this country, with these private facts.
fn denied(engine: &Engine, private: &Value, country: &str) -> Vec<String> {
    let cases = read("spec/vectors/policy/ordinary.json");
    let mut cases = cases["cases"].as_array().unwrap().iter();
    let mut case = cases.find(|case| case["name"] == "negotiation, exporter").unwrap().clone();
    let id = case["shared"]["dataset"]["id"].clone();
    case["shared"]["dataset"] = read("examples/ev-parts/facts-core.json");
    case["shared"]["dataset"]["id"] = id;
    for member in ["storage_countries", "processing_countries"] {
        case["shared"]["destination"][member] = json!([country]);
    }
    case["shared"]["contract"]["allowed_countries"] = json!(["KR", "SG", country]);
    let input = assemble(engine.packs(), &case["shared"], private, &case["host"]).unwrap();
    match engine.evaluate(&input) {
        Evaluation::Decided(result) => result.deny.iter().map(|finding| finding.id.clone()).collect(),
        Evaluation::Broken { code, reason } => panic!("{code:?} {reason}"),
    }
}

#[test]
fn the_example_satisfies_the_rule_that_asks_for_it() {
    let bundles = bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap());
    let engine = Engine::new(bundles).unwrap().for_countries(&["KR", "SG"]);
    let cases = read("spec/vectors/policy/ordinary.json");
    let shared = &cases["cases"][0]["shared"];
    let dataset = shared["dataset"]["id"].as_str().unwrap();
    let consumer = shared["consumer"]["id"].as_str().unwrap();
    // As somebody types it who follows the README, without what no rule reads.
    let filled =
        text("examples/ev-parts/node-facts.json").replace("DATASET", dataset).replace("CONSUMER", consumer);
    let mut private: Value = serde_json::from_str(&filled).unwrap();
    for unread in ["screening", "red_flags"] {
        private.as_object_mut().unwrap().remove(unread);
    }
    assert_eq!(denied(&engine, &private, "SG"), Vec::<String>::new());
    assert_eq!(denied(&engine, &private, "KP"), ["CORE-006", "KR-ITA-001"]);
    // Unfilled, or without the approval, it is what the rule refuses.
    assert_eq!(denied(&engine, &read("examples/ev-parts/node-facts.json"), "SG"), ["KR-ITA-001"]);
    private["approvals"] = json!([]);
    assert_eq!(denied(&engine, &private, "SG"), ["KR-ITA-001"]);
}

#[test]
fn the_readme_shows_the_example() {
    let readme = text("policy/README.md");
    let shown = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown, text("examples/ev-parts/node-facts.json"));
}
