//! What a payload says, well signed by enough (POL-18.1, POL-19.1; ENC-2.2, ENC-3, ENC-5).

use naru_protocol::{error::Code, limits};
use serde_json::{Value, json};

use crate::{
    making::{Case, DATA, END, MADE, PACKS, canonical, list, pack, set, signed_bytes, with},
    vectors::NOW,
};

const UNSAFE: &str = "9007199254740992";

/// A payload as a set of packs, or as data.
fn case(name: &'static str, typ: &'static str, payload: &[u8], due: Option<Code>) -> Case {
    let seeds: &[u8] = if typ == PACKS { &[51, 52] } else { &[61] };
    Case { name, operator: "two of three", now: NOW, typ, jws: signed_bytes(typ, payload, seeds), due }
}

/// The bytes of a document with one place written otherwise.
fn spelt(document: &Value, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(canonical(document)).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to).into_bytes()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = bytes();
    all.extend(sets());
    all.extend(packs());
    all.extend(data());
    all.extend(entries());
    all
}

/// One document, other bytes.
fn bytes() -> Vec<Case> {
    let other = Some(Code::NotCanonical);
    let of = |name, from: &str, to: &str, due| case(name, PACKS, &spelt(&set(), from, to), due);
    let (end, made) = (format!("\"expires_at\":{END}"), format!("\"issued_at\":{MADE}"));
    vec![
        of("white space in the payload", "{\"expires_at\"", "{ \"expires_at\"", other),
        of("a line end after the payload", "\"v\":1}", "\"v\":1}\n", other),
        of("members in another order", &format!("{end},{made}"), &format!("{made},{end}"), other),
        of("an integer with a point", "\"number\":3", "\"number\":3.0", other),
        of("an integer with an exponent", "\"number\":3", "\"number\":3e0", other),
        of("a letter escaped", "\"name\":\"kr\"", "\"name\":\"\\u006br\"", other),
        of("a member twice", "\"number\":3", "\"number\":3,\"number\":3", Some(Code::DuplicateKey)),
        of(
            "a member twice with other values",
            "\"number\":3",
            "\"number\":2,\"number\":3",
            Some(Code::DuplicateKey),
        ),
        of(
            "a member twice, once escaped",
            "\"number\":3",
            "\"number\":3,\"n\\u0075mber\":3",
            Some(Code::DuplicateKey),
        ),
        of("a fraction", "\"number\":3", "\"number\":3.5", Some(Code::BadNumber)),
        of("a number over 2^53 - 1", "\"number\":3", &format!("\"number\":{UNSAFE}"), Some(Code::BadNumber)),
        case(
            "a byte order mark",
            PACKS,
            &[b"\xef\xbb\xbf", &canonical(&set())[..]].concat(),
            Some(Code::Malformed),
        ),
        case("not UTF-8", PACKS, b"{\"v\":\"\xff\"}", Some(Code::Malformed)),
        case("an array", PACKS, b"[]", Some(Code::Malformed)),
    ]
}

fn sets() -> Vec<Case> {
    let malformed = Some(Code::Malformed);
    let of = |name, members: Value, due| case(name, PACKS, &canonical(&with(set(), members)), due);
    vec![
        of("the first number", json!({"number": 1}), None),
        of("the last number", json!({"number": limits::INTEGER}), None),
        of("number 0", json!({"number": 0}), malformed),
        of("number -1", json!({"number": -1}), malformed),
        of("number as text", json!({"number": "3"}), malformed),
        of("no number", json!({"number": null}), malformed),
        of("version 2", json!({"v": 2}), malformed),
        of("no version", json!({"v": null}), malformed),
        of("a member that nobody knows", json!({"threshold": 1}), malformed),
        of(
            "made at the second of its end",
            json!({"issued_at": NOW + 10, "expires_at": NOW + 10}),
            malformed,
        ),
        of("made after its end", json!({"issued_at": NOW + 20, "expires_at": NOW + 10}), malformed),
        of("made before 1970", json!({"issued_at": -1}), malformed),
        of("made in 1970", json!({"issued_at": 0}), None),
        of("without end", json!({"expires_at": null}), malformed),
        of("with the last end", json!({"expires_at": limits::INTEGER}), None),
    ]
}

fn packs() -> Vec<Case> {
    let malformed = Some(Code::Malformed);
    let of =
        |name, packs: Value, due| case(name, PACKS, &canonical(&with(set(), json!({"packs": packs}))), due);
    let many = |n: usize| (0..n).map(|n| pack(&format!("p{n:02}"), "2026-01-01.1", "x")).collect::<Vec<_>>();
    let one = |members: Value| json!([with(pack("kr", "2026-01-01.4", "kr 4"), members)]);
    let core = pack("core", "2026-01-01.4", "core 4");
    let kr = pack("kr", "2026-01-01.4", "kr 4");
    vec![
        of("one pack", json!([kr]), None),
        of("as many packs as there may be", json!(many(limits::PACKS)), None),
        of("one pack more", json!(many(limits::PACKS + 1)), malformed),
        of("no pack", json!([]), malformed),
        of("packs not sorted", json!([kr, core]), malformed),
        of("a pack twice", json!([core, core]), malformed),
        of("two packs of one name", json!([kr, pack("kr", "2026-01-02.1", "kr 5")]), malformed),
        of("packs that are no list", json!({"kr": kr}), malformed),
        of("a revision that is no day", one(json!({"revision": "4"})), malformed),
        of("a revision without number", one(json!({"revision": "2026-01-01"})), malformed),
        of("a revision with a leading zero", one(json!({"revision": "2026-01-01.04"})), malformed),
        of("no revision", one(json!({"revision": null})), malformed),
        of("a digest that is cut short", one(json!({"digest": "A".repeat(42)})), malformed),
        of("a digest with loose bits", one(json!({"digest": format!("{}B", "A".repeat(42))})), malformed),
        of("no digest", one(json!({"digest": null})), malformed),
        of("a name that is no text", one(json!({"name": 1})), malformed),
        of("a further member of a pack", one(json!({"grace": 0})), malformed),
    ]
}

fn data() -> Vec<Case> {
    let malformed = Some(Code::Malformed);
    let of = |name, members: Value, due| case(name, DATA, &canonical(&with(list(), members)), due);
    vec![
        of("data of another kind", json!({"kind": "tariffs"}), malformed),
        of("data of a kind in other letters", json!({"kind": "Sanctions"}), malformed),
        of("data of two kinds", json!({"kind": ["sanctions", "stop_orders"]}), malformed),
        of("data without kind", json!({"kind": null}), malformed),
        of("data of version 2", json!({"v": 2}), malformed),
        of("data with number 0", json!({"number": 0}), malformed),
        of("data made at the second of their end", json!({"issued_at": NOW, "expires_at": NOW}), malformed),
        of("data with a member that nobody knows", json!({"list": "KR"}), malformed),
        case(
            "data with a member twice",
            DATA,
            &spelt(&list(), "\"number\":7", "\"number\":7,\"number\":8"),
            Some(Code::DuplicateKey),
        ),
        case(
            "white space in data",
            DATA,
            &spelt(&list(), "\"number\":7", "\"number\": 7"),
            Some(Code::NotCanonical),
        ),
        case("a fraction in an entry", DATA, &spelt(&list(), "\"2025-10-01\"", "0.5"), Some(Code::BadNumber)),
        case("entries nested too deeply", DATA, &deep(), Some(Code::TooDeep)),
    ]
}

/// The document, its entries and the entry are three levels.
fn deep() -> Vec<u8> {
    let levels = limits::NESTING - 2;
    let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    spelt(&list(), "\"2025-10-01\"", &nested)
}

fn entries() -> Vec<Case> {
    let malformed = Some(Code::Malformed);
    let of = |name, kind: &str, entries: Value, due| {
        case(name, DATA, &canonical(&with(list(), json!({"kind": kind, "entries": entries}))), due)
    };
    vec![
        of("a list that names nobody", "sanctions", json!([]), None),
        of("orders of none", "stop_orders", json!([]), None),
        of("a party by its DID", "sanctions", json!([{"did": "did:key:z6Mk"}]), None),
        of("a party by its name", "sanctions", json!([{"name": "Harbour Shell Ltd"}]), None),
        of(
            "a party by both, and why",
            "sanctions",
            json!([{"did": "did:key:z6Mk", "name": "H", "ref": 7}]),
            None,
        ),
        of("an entry that names nobody", "sanctions", json!([{"name": "H"}, {"ref": "KR-1"}]), malformed),
        of("a name under another name", "sanctions", json!([{"nmae": "H"}]), malformed),
        of("a name that is a number", "sanctions", json!([{"name": 7}]), malformed),
        of("an entry that is a text", "sanctions", json!(["H"]), malformed),
        of("an order without any name", "stop_orders", json!([{"ref": "S-1", "dataset": "urn:d"}]), None),
        of("an order that is a text", "stop_orders", json!(["S-1"]), malformed),
        of("entries that are no list", "sanctions", json!({"name": "H"}), malformed),
        of("no entries", "sanctions", Value::Null, malformed),
    ]
}
