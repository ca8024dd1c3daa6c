//! The table of required facts in `README.md` is what the packs' data say. `NARU_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use std::collections::{BTreeMap, BTreeSet};

use naru_policy::{Bundle, Held, Pack, Rule, Side, bundled};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- required: written by tests/readme.rs -->\n";
const END: &str = "<!-- end -->\n";
const PHASES: [&str; 4] = ["catalog", "negotiation", "transfer", "monitor"];

/// Pointer, for whom the pack is asked, condition.
type Key = (String, Option<String>, String);

#[derive(Default)]
struct Row {
    kind: String,
    held: &'static str,
    exporter: BTreeSet<usize>,
    importer: BTreeSet<usize>,
    rules: BTreeSet<String>,
}

fn rows(packs: &[Pack]) -> BTreeMap<Key, Row> {
    let mut rows = BTreeMap::<Key, Row>::new();
    for pack in packs {
        for (id, rule) in &pack.rules {
            for pointer in &rule.needs {
                add(&mut rows, pack, (id, rule), pointer, None);
            }
            for condition in &rule.needs_if {
                for pointer in &condition.need {
                    add(&mut rows, pack, (id, rule), pointer, Some((&condition.when, &condition.values)));
                }
            }
        }
    }
    rows
}

/// Which deals a pack is about: the rules of a country apply to its exporters, those of a union to a deal with a party in it.
fn asked_of(pack: &Pack) -> Option<String> {
    match pack.jurisdiction.as_slice() {
        [] => None,
        [country] => Some(format!("provider in {country}")),
        _ => Some(format!("a party in {}", pack.title.en)),
    }
}

fn add(
    rows: &mut BTreeMap<Key, Row>,
    pack: &Pack,
    (id, rule): (&str, &Rule),
    pointer: &str,
    condition: Option<(&String, &Vec<String>)>,
) {
    let by_phase = condition.filter(|(when, _)| *when == "/phase").map(|(_, values)| values);
    let condition = match condition {
        Some((when, values)) if by_phase.is_none() => format!("`{when}` is {}", values.join(" or ")),
        _ => String::new(),
    };
    let fact = &pack.facts[pointer];
    let row = rows.entry((pointer.to_owned(), asked_of(pack), condition)).or_default();
    row.kind.clone_from(&fact.kind);
    row.held = match fact.held {
        Held::Shared => "shared",
        Held::Private => "private",
        Held::Host => "host",
    };
    row.rules.insert(id.to_owned());
    for (number, phase) in PHASES.iter().enumerate() {
        let asked = rule.phases.iter().any(|name| name == phase)
            && by_phase.is_none_or(|values| values.iter().any(|name| name == phase));
        if asked && rule.evaluator.entitles(Side::Exporter) {
            row.exporter.insert(number);
        }
        if asked && rule.evaluator.entitles(Side::Importer) {
            row.importer.insert(number);
        }
    }
}

fn letters(phases: &BTreeSet<usize>) -> String {
    let letters: Vec<&str> = phases.iter().map(|number| ["C", "N", "T", "M"][*number]).collect();
    if letters.is_empty() { "–".to_owned() } else { letters.join(" ") }
}

fn table(packs: &[Pack]) -> String {
    let mut text = String::from(
        "| pointer | kind | held | exporter | importer | only if | rules |\n|---|---|---|---|---|---|---|\n",
    );
    let rows = rows(packs);
    let covered = |pointer: &str, row: &Row| {
        let whole = rows.get(&(pointer.to_owned(), None, String::new()));
        whole.is_some_and(|whole| {
            row.exporter.is_subset(&whole.exporter) && row.importer.is_subset(&whole.importer)
        })
    };
    for ((pointer, country, condition), row) in &rows {
        let always = country.is_none() && condition.is_empty();
        if !always && covered(pointer, row) {
            continue;
        }
        let condition = Some(condition.clone()).filter(|condition| !condition.is_empty());
        let conditions: Vec<String> = country.iter().cloned().chain(condition).collect();
        let rules: Vec<&str> = row.rules.iter().map(String::as_str).collect();
        text += &format!(
            "| `{pointer}` | {} | {} | {} | {} | {} | {} |\n",
            row.kind,
            row.held,
            letters(&row.exporter),
            letters(&row.importer),
            conditions.join(", "),
            rules.join(", ")
        );
    }
    text
}

// POL-3.2
#[test]
fn the_required_table_is_what_the_packs_say() {
    let packs: Vec<Pack> =
        bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap().pack().clone()).collect();
    let readme = std::fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table(&packs);
    if std::env::var_os("NARU_BLESS").is_some() {
        std::fs::write(README, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table);
    }
}

// POL-3.2, POL-3.3: `rules.tsv` says of every rule since when it is law, who evaluates it and at which phases. It is written by
// hand, so that a date that is moved in a pack alone is noticed.
#[test]
fn the_table_of_rules_is_what_the_packs_say() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/rules.tsv")).unwrap();
    let written: BTreeMap<&str, Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| (line.split('\t').next().unwrap(), line.split('\t').collect()))
        .collect();
    let mut found = 0;
    for (_, bytes) in bundled::PACKS {
        let bundle = Bundle::load(bytes).unwrap();
        for (id, rule) in &bundle.pack().rules {
            let row = &written[id.as_str()];
            let until = rule.in_force.to.map_or_else(|| "-".to_owned(), |to| to.to_string());
            let phases: Vec<String> = rule.phases.iter().map(|name| name[..1].to_uppercase()).collect();
            let evaluator = format!("{:?}", rule.evaluator).to_lowercase();
            assert_eq!(row[1], bundle.pack().name, "{id}");
            assert_eq!((row[2], row[3]), (rule.in_force.from.to_string().as_str(), until.as_str()), "{id}");
            assert_eq!((row[5], row[6]), (evaluator.as_str(), phases.join(",").as_str()), "{id}");
            found += 1;
        }
    }
    assert_eq!(found, written.len());
}
