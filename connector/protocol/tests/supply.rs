//! Sets of packs and data under several signatures (spec chapter 05, POL-18 and POL-19): vectors of what opens, of what follows
//! what was accepted before, and of revisions.
//!
//! `NARU_WRITE_VECTORS=1` writes `spec/vectors/policy/supply.json`; otherwise the file is compared with what the code gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "supply/documents.rs"]
mod documents;
#[path = "supply/following.rs"]
mod following;
#[path = "supply/making.rs"]
mod making;
#[path = "supply/signing.rs"]
mod signing;
mod vectors;

use naru_protocol::{error::Code, limits, supply::Revision};
use serde_json::{Value, json};

const ABOUT: &str = "Sets of packs (POL-18) and data (POL-19), as the text of a JWS in general JSON serialization. Each is read as what `as` says \
(`packs` or `data`), at the time `now`, by an `operator` of the list: whose keys count, and how many of them are needed. The key of \
seed n is that of 32 bytes n: 51, 52, 53 sign packs, 61 and 62 data, from 100 on there are strangers. `opens`: the document alone \
(POL-18.1 to POL-18.3, POL-19.1, POL-19.2). `sets`: against the set `accepted` before, the packs `in_use`, and what the packs that \
are `there`, by the name under which they are, say of themselves (POL-18.4 to POL-18.6); `after` is what is accepted and in use then. \
`data`: against what was `accepted` of each kind (POL-19.2). What is refused changes nothing. `stale`: what rules are given at `now`, where \
a document was accepted before and the node has entries of its `own`: null where the fact is not there (POL-19.3, POL-19.4). \
`revisions`: texts that are revisions, by rank, and some that are none (POL-18.4).";

#[test]
fn supplies_are_taken_as_the_vectors_say() {
    // POL-18.1 to POL-18.6, POL-19.1 to POL-19.4
    let mut opens = signing::cases();
    opens.extend(documents::cases());
    let mut names: Vec<_> = opens.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), opens.len(), "a name stands twice");
    let wrong: Vec<_> = opens.iter().filter_map(making::Case::wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let opens: Vec<Value> = opens.iter().map(making::Case::written).collect();
    let file = json!({
        "about": ABOUT,
        "operators": making::operators(),
        "opens": opens,
        "sets": following::sets(),
        "data": following::data(),
        "stale": following::stale(),
        "revisions": revisions(),
    });
    vectors::same("policy/supply.json", &file);
}

#[test]
fn what_is_longer_than_its_limit_is_not_decoded() {
    // ENC-7.6; no vector, for its size
    for (letters, due) in [(limits::SUPPLY, Code::Malformed), (limits::SUPPLY + 1, Code::TooLarge)] {
        let jws = json!({"payload": "?".repeat(letters), "signatures": []}).to_string();
        for typ in [making::PACKS, making::DATA] {
            assert_eq!(making::open(&jws, "two of three", typ, vectors::NOW), Err(due));
        }
    }
}

/// POL-18.4
fn revisions() -> Value {
    let ranked = [
        "0000-00-00.0",
        "2025-12-31.99",
        "2026-01-01.0",
        "2026-01-01.1",
        "2026-01-01.2",
        "2026-01-01.9",
        "2026-01-01.10",
        "2026-01-01.4294967295",
        "2026-01-02.0",
        "2026-02-01.0",
        "2026-02-31.1",
        "2026-99-99.1",
        "2027-01-01.0",
    ];
    let read: Vec<_> = ranked.iter().map(|text| Revision::parse(text)).collect();
    assert!(read.iter().all(Option::is_some) && read.is_sorted_by(|a, b| a < b));
    let none = [
        "",
        "2026-01-01",
        "2026-01-01.",
        "2026-01-01.01",
        "2026-01-01.00",
        "2026-01-01.+1",
        "2026-01-01.-1",
        "2026-01-01.1.2",
        "2026-01-01.1a",
        "2026-01-01.4294967296",
        "2026-1-1.1",
        "26-01-01.1",
        "02026-01-01.1",
        "2026-01-01-01.1",
        "2026/01/01.1",
        " 2026-01-01.1",
        "2026-01-01.1 ",
        "２０２６-01-01.1",
        "1",
        "new",
    ];
    for text in none {
        assert_eq!(Revision::parse(text), None, "{text:?}");
    }
    json!({"ranked": ranked, "none": none})
}
