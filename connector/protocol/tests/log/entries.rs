//! LOG-6 and LOG-7: what entries hold, what they commit to, and what disclosing shows.

use naru_protocol::{
    encoding::{Digest, Id, from_base64url, to_base64url},
    json,
    log::entry::{
        Disclosure, DisclosureError, ENTRY_MAX, Entry, EntryDraft, EntryError, EntryType, ExchangeKey, Field,
        FieldKey, Genesis, Lane, LaneKey, NodeKey, Side,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{check_vector, signing_key};

const AT: u64 = 1_763_900_000;

fn exchange_key() -> ExchangeKey {
    ExchangeKey::from_bytes([0x11; 32])
}

fn node_key() -> NodeKey {
    NodeKey::from_bytes([0x22; 32])
}

fn lane(country: &str, byte: u8) -> Lane {
    Lane { country: country.to_owned(), key: LaneKey::from_bytes([byte; 32]) }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A request that was sent, counted in two lanes.
fn sent() -> EntryDraft {
    let mut draft =
        EntryDraft::sent(EntryType::NegotiationRequest, Id([1; 16]), Id([2; 16]), digest("act"), AT);
    draft.acks = vec![digest("ack one"), digest("ack two")];
    draft.field("peer", json!("did:key:z6MkPeer"), FieldKey::Exchange(exchange_key()));
    draft.field("terms", json!(digest("terms")), FieldKey::Exchange(exchange_key()));
    draft.field("input_private", json!({"price": 100}), FieldKey::Node(node_key()));
    draft.lanes = vec![lane("DE", 0x33), lane("KR", 0x44)];
    draft
}

/// The same request in the log of the receiver, who refused it.
fn refused() -> EntryDraft {
    let mut draft = sent();
    draft.side = Side::Received;
    draft.status = Some(400);
    draft.token = Some(digest("token"));
    draft.answer = Some(digest("answer"));
    draft.acks = Vec::new();
    draft.fields.truncate(1);
    draft.lanes = Vec::new();
    draft.field("code", json!("lapsed"), FieldKey::Exchange(exchange_key()));
    draft
}

fn genesis() -> EntryDraft {
    let genesis = Genesis {
        root: signing_key(1).public(),
        log_key: signing_key(2).public(),
        shard: 1,
        supersedes: None,
    };
    EntryDraft::genesis(&genesis, &node_key(), Id([9; 16]), AT)
}

/// An entry as JSON, changed and read again.
fn changed(draft: &EntryDraft, change: impl FnOnce(&mut Value)) -> Result<Entry, EntryError> {
    let sealed = draft.seal(&vec![1; draft.lanes.len()]).unwrap();
    let mut value = serde_json::from_slice(&sealed.bytes).unwrap();
    change(&mut value);
    Entry::parse(&json::canonical(&value).unwrap())
}

#[test]
fn entries_have_the_members_of_the_specification() {
    // LOG-6.1, LOG-6.2
    let sealed = sent().seal(&[7, 8]).unwrap();
    assert_eq!(Entry::parse(&sealed.bytes), Ok(sealed.entry.clone()));
    assert_eq!(sealed.entry.to_bytes().unwrap(), sealed.bytes);
    let value: Value = serde_json::from_slice(&sealed.bytes).unwrap();
    let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["_sd", "_sd_alg", "acks", "act", "answer", "at", "exchange", "side", "status", "token", "type", "v"];
    assert_eq!(names, expected);
    assert_eq!(value["_sd"].as_array().unwrap().len(), 5);
    assert_eq!(value["status"], Value::Null);
    assert!(sealed.entry.is_accepted());
    assert_eq!(sealed.entry.exchange(), Some(&Id([1; 16])));
}

#[test]
fn a_refused_act_has_an_entry_that_says_so() {
    // LOG-6.5
    let entry = refused().seal(&[]).unwrap().entry;
    assert_eq!((entry.kind(), entry.side()), (EntryType::NegotiationRequest, Side::Received));
    assert_eq!(entry.status(), Some(400));
    assert!(!entry.is_accepted());
    assert!(entry.act().is_some() && entry.token().is_some() && entry.answer().is_some());
    for status in [0, 100, 199, 300, 404, 409, 429, 500, 503, 600] {
        let mut draft = refused();
        draft.status = Some(status);
        assert_eq!(draft.seal(&[]).unwrap_err(), EntryError::Member("status"), "{status}");
    }
}

#[test]
fn types_are_closed() {
    // LOG-6.3
    for kind in EntryType::ALL {
        assert_eq!(EntryType::parse(kind.as_str()), Ok(*kind));
        assert_eq!(kind.is_act(), kind.as_str().contains('.'));
    }
    assert_eq!(EntryType::parse("negotiation"), Err(EntryError::UnknownType));
    assert!(changed(&sent(), |entry| entry["type"] = json!("negotiation.other")).is_err());
}

#[test]
fn members_that_do_not_fit_the_type_are_refused() {
    // LOG-6.4, LOG-6.5, LOG-6.6, LOG-6.7
    let digest_text = || json!(digest("x"));
    let cases: Vec<(&str, EntryDraft, &str, Value)> = vec![
        ("sent acts have no status", sent(), "status", json!(200)),
        ("sent acts have no token", sent(), "token", digest_text()),
        ("sent acts have no answer", sent(), "answer", digest_text()),
        ("acts have a digest", sent(), "act", Value::Null),
        ("acts are of an exchange", sent(), "exchange", Value::Null),
        ("acts are sent or received", sent(), "side", json!("own")),
        ("received acts have a status", refused(), "status", Value::Null),
        ("received acts have an answer", refused(), "answer", Value::Null),
        ("a genesis has no exchange", genesis(), "exchange", json!(Id([1; 16]))),
        ("a genesis is own", genesis(), "side", json!("received")),
        ("a genesis has no act", genesis(), "act", digest_text()),
        ("a genesis has no acknowledgements", genesis(), "acks", json!([digest_text()])),
        ("an entry of acknowledgements has some", genesis(), "type", json!("acks")),
        ("a dropped act is named", genesis(), "type", json!("dropped")),
    ];
    for (why, draft, member, value) in cases {
        let result = changed(&draft, |entry| entry[member] = value);
        assert!(matches!(result, Err(EntryError::Member(_))), "{why}: {result:?}");
    }
    let mut without_token = refused();
    without_token.token = None;
    assert!(without_token.seal(&[]).is_ok(), "a peer without tokens");
    assert!(changed(&genesis(), |entry| entry["type"] = json!("keys")).is_ok());
    let pinned = changed(&genesis(), |entry| {
        entry["type"] = json!("keys");
        entry["side"] = json!("received");
    });
    assert!(pinned.is_ok());
}

#[test]
fn other_shapes_are_refused() {
    // LOG-6.1, LOG-6.2
    let bytes = sent().seal(&[7, 8]).unwrap().bytes;
    let text = String::from_utf8(bytes.clone()).unwrap();
    for (why, other) in [
        ("white space", text.replacen("{", "{ ", 1)),
        ("an unknown member", text.replacen("\"v\":1", "\"v\":1,\"w\":1", 1)),
        ("a missing member", text.replacen("\"status\":null,", "", 1)),
        ("another order", text.replacen(",\"v\":1", "", 1).replacen("{", "{\"v\":1,", 1)),
        ("a repeated member", text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1)),
        ("another version", text.replacen("\"v\":1", "\"v\":2", 1)),
        ("another algorithm", text.replacen("sha-256", "sha-512", 1)),
        ("a fraction", text.replacen(&AT.to_string(), "1.5", 1)),
        ("an exponent", text.replacen(&AT.to_string(), "1e9", 1)),
        ("a negative time", text.replacen(&AT.to_string(), "-1", 1)),
        ("text for a time", text.replacen(&AT.to_string(), "\"1\"", 1)),
        ("a side in capitals", text.replacen("sent", "Sent", 1)),
        ("a padded digest", text.replacen("\",\"answer", "=\",\"answer", 1)),
        ("bytes after it", text.clone() + "\n"),
        ("nothing", String::new()),
    ] {
        assert!(Entry::parse(other.as_bytes()).is_err(), "{why}");
    }
    let long = vec![b' '; ENTRY_MAX + 1];
    assert_eq!(Entry::parse(&long), Err(EntryError::TooLarge(ENTRY_MAX + 1)));
}

#[test]
fn digests_are_sorted_by_text_and_distinct() {
    // LOG-6.2
    let sealed = sent().seal(&[7, 8]).unwrap();
    assert!(sealed.entry.sd().is_sorted_by_key(ToString::to_string));
    assert!(sealed.entry.acks().is_sorted_by_key(ToString::to_string));
    for member in ["_sd", "acks"] {
        let turned = changed(&sent(), |entry| entry[member].as_array_mut().unwrap().reverse());
        assert_eq!(turned, Err(EntryError::NotSorted(if member == "_sd" { "_sd" } else { "acks" })));
        let repeated = changed(&sent(), |entry| {
            let digests = entry[member].as_array_mut().unwrap();
            digests.insert(0, digests[0].clone());
        });
        assert!(matches!(repeated, Err(EntryError::NotSorted(_))));
    }
    let mut draft = sent();
    draft.acks.push(draft.acks[0]);
    assert_eq!(draft.seal(&[7, 8]).unwrap().bytes, sealed.bytes, "the same acknowledgement is noted once");
}

#[test]
fn an_entry_of_the_most_that_is_allowed_fits() {
    // LOG-6.9
    let mut draft = sent();
    draft.fields.clear();
    draft.acks = (0..64_u8).map(|n| Digest::of(&[n])).collect();
    for number in 0..62 {
        draft.field(&format!("f{number}"), json!(number), FieldKey::Node(node_key()));
    }
    let bytes = draft.seal(&[1, 1]).unwrap().bytes;
    assert!(bytes.len() < ENTRY_MAX);
    draft.field("f62", json!(62), FieldKey::Node(node_key()));
    assert_eq!(draft.seal(&[1, 1]).unwrap_err(), EntryError::TooMany("_sd"));
    draft.fields.pop();
    draft.acks.push(digest("one more"));
    assert_eq!(draft.seal(&[1, 1]).unwrap_err(), EntryError::TooMany("acks"));
}

#[test]
fn entry_0_says_whose_log_it_is() {
    // LOG-6.8
    let sealed = genesis().seal(&[]).unwrap();
    let fields = sealed.entry.disclosed(&sealed.disclosures).unwrap();
    assert_eq!(fields["root"], &json!(format!("did:key:{}", signing_key(1).public())));
    assert_eq!(fields["log_key"], &json!(signing_key(2).public()));
    assert_eq!(fields["shard"], &json!(1));
    assert_eq!(fields["supersedes"], &Value::Null);
}

#[test]
fn salts_are_computed_from_key_msg_and_name() {
    // LOG-7.2: HMAC-SHA-256 written out, apart from the code under test.
    let hmac = |key: &[u8; 32], text: &[u8]| {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            for (place, key) in block.iter_mut().zip(key) {
                *place ^= key;
            }
            block
        };
        let inner = Digest::of(&[&pad(0x36)[..], text].concat());
        Digest::of(&[&pad(0x5c)[..], &inner.0].concat())
    };
    let sealed = sent().seal(&[7, 8]).unwrap();
    for (disclosure, key, name) in [
        (&sealed.disclosures[0], [0x11; 32], "peer"),
        (&sealed.disclosures[2], [0x22; 32], "input_private"),
        (&sealed.disclosures[4], [0x44; 32], "lane:KR"),
    ] {
        let salt = hmac(&key, &[&[2; 16], name.as_bytes()].concat());
        let array: Value = serde_json::from_slice(&from_base64url(disclosure.text()).unwrap()).unwrap();
        assert_eq!(array[0], json!(salt));
        assert_eq!(array[1], json!(name));
    }
}

#[test]
fn both_halves_commit_to_what_they_agree_on_alike() {
    // LOG-7.3
    let (ours, theirs) = (sent().seal(&[7, 8]).unwrap(), refused().seal(&[]).unwrap());
    assert_eq!(ours.disclosures[0], theirs.disclosures[0]);
    assert!(theirs.entry.sd().contains(&ours.disclosures[0].digest()));
}

#[test]
fn disclosing_shows_what_was_committed_and_nothing_else() {
    // LOG-7.4
    let sealed = sent().seal(&[7, 8]).unwrap();
    let fields = sealed.entry.disclosed(&sealed.disclosures[..2]).unwrap();
    assert_eq!(fields.len(), 2);
    assert_eq!(fields["peer"], &json!("did:key:z6MkPeer"));
    assert!(sealed.entry.disclosed(&[]).unwrap().is_empty());
    let all = sealed.entry.disclosed(&sealed.disclosures).unwrap();
    assert_eq!((all["lane:DE"], all["lane:KR"]), (&json!(7), &json!(8)));

    let other = sent().seal(&[7, 9]).unwrap();
    let foreign = &other.disclosures[4];
    assert_eq!(sealed.entry.disclosed([foreign]), Err(DisclosureError::NotCommitted));
    let mixed = [&sealed.disclosures[0], foreign];
    assert_eq!(sealed.entry.disclosed(mixed), Err(DisclosureError::NotCommitted));
    let twice = [&sealed.disclosures[0], &sealed.disclosures[0]];
    assert_eq!(sealed.entry.disclosed(twice), Err(DisclosureError::Repeated));
}

/// Texts that are no disclosure, each with what is wrong.
fn bad_disclosures() -> Vec<(&'static str, String)> {
    let salt = to_base64url(&[5; 32]);
    let encode = |text: String| to_base64url(text.as_bytes());
    vec![
        ("white space in the JSON", encode(format!("[\"{salt}\", \"peer\",1]"))),
        ("two members", encode(format!("[\"{salt}\",\"peer\"]"))),
        ("four members", encode(format!("[\"{salt}\",\"peer\",1,2]"))),
        ("an object", encode(format!("{{\"a\":\"{salt}\"}}"))),
        ("a short salt", encode(format!("[\"{}\",\"peer\",1]", to_base64url(&[5; 16])))),
        ("a padded salt", encode(format!("[\"{salt}=\",\"peer\",1]"))),
        ("no name", encode(format!("[\"{salt}\",\"\",1]"))),
        ("a name in capitals", encode(format!("[\"{salt}\",\"Peer\",1]"))),
        ("a reserved name", encode(format!("[\"{salt}\",\"_sd\",1]"))),
        ("a lane that is no country", encode(format!("[\"{salt}\",\"lane:kr\",1]"))),
        ("lane number zero", encode(format!("[\"{salt}\",\"lane:KR\",0]"))),
        ("lane number as text", encode(format!("[\"{salt}\",\"lane:KR\",\"1\"]"))),
        ("a fraction", encode(format!("[\"{salt}\",\"peer\",1.5]"))),
        ("an integer above 2^53", encode(format!("[\"{salt}\",\"peer\",9007199254740993]"))),
        ("a repeated key", encode(format!("[\"{salt}\",\"peer\",{{\"a\":1,\"a\":1}}]"))),
        ("padding", encode(format!("[\"{salt}\",\"peer\",1]")) + "="),
        ("another alphabet", encode(format!("[\"{salt}\",\"peer\",1]")) + "+"),
        ("nothing", String::new()),
    ]
}

#[test]
fn other_disclosures_are_refused() {
    // LOG-7.1
    for (why, text) in bad_disclosures() {
        assert_eq!(Disclosure::parse(&text), Err(DisclosureError::Malformed), "{why}");
    }
    let long = "A".repeat(256 * 1024 + 1);
    assert_eq!(Disclosure::parse(&long), Err(DisclosureError::TooLarge));
    let good = to_base64url(format!("[\"{}\",\"peer\",null]", to_base64url(&[5; 32])).as_bytes());
    let disclosure = Disclosure::parse(&good).unwrap();
    assert_eq!((disclosure.name(), disclosure.value()), ("peer", &Value::Null));
    assert_eq!(disclosure.digest(), Digest::of(good.as_bytes()));
}

#[test]
fn drafts_that_cannot_be_sealed_say_why() {
    // LOG-7.1, LOG-7.5
    let with_field = |name: &str, value: Value| {
        let mut draft = sent();
        draft.fields.push(Field { name: name.to_owned(), value, key: FieldKey::Node(node_key()) });
        draft.seal(&[1, 1]).unwrap_err()
    };
    let long = "a".repeat(65);
    for name in ["", "Peer", "lane:KR", "_sd", "...", "a b", "1a", "ä", long.as_str()] {
        assert_eq!(with_field(name, json!(1)), EntryError::BadName, "{name}");
    }
    assert_eq!(with_field("peer", json!(1)), EntryError::DuplicateName);
    assert_eq!(with_field("price", json!(1.5)), DisclosureError::Malformed.into());
    assert_eq!(with_field("note", json!("x".repeat(300_000))), DisclosureError::TooLarge.into());
    assert_eq!(sent().seal(&[1]).unwrap_err(), EntryError::LaneNumbers { lanes: 2, given: 1 });
    for number in [0, 1 << 53, u64::MAX] {
        assert_eq!(sent().seal(&[1, number]).unwrap_err(), EntryError::BadLaneNumber);
    }
    for country in ["kr", "KOR", "K", "", "K1"] {
        let mut draft = sent();
        draft.lanes[1].country = country.to_owned();
        assert_eq!(draft.seal(&[1, 1]).unwrap_err(), EntryError::BadName);
    }
    let mut twice = sent();
    twice.lanes[1].country = "DE".to_owned();
    assert_eq!(twice.seal(&[1, 1]).unwrap_err(), EntryError::DuplicateName);
}

#[test]
fn keys_salts_and_values_are_not_printed() {
    // LOG-7.6
    let draft = sent();
    let sealed = draft.seal(&[7, 8]).unwrap();
    let salt = exchange_key().salt(&Id([2; 16]), "peer");
    let shown = format!("{draft:?} {:?} {salt:?} {:?}", sealed.disclosures, exchange_key());
    for secret in ["17, 17", "1111", "z6MkPeer", "price", &sealed.disclosures[0].text()[..20]] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn exchange_keys_travel_as_text_and_are_announced_by_digest() {
    let key = exchange_key();
    assert_eq!(ExchangeKey::parse(&key.to_text()).unwrap().secret(), key.secret());
    assert_eq!(key.digest(), Digest::of(&[0x11; 32]));
    assert!(ExchangeKey::parse("AAAA").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Entry::parse(&bytes).is_err());
        let _ = Disclosure::parse(&to_base64url(&bytes));
    }

    #[test]
    fn any_changed_byte_of_an_entry_gives_another_leaf_or_none(at in 0_usize..2000, bit in 0_u8..8) {
        let sealed = sent().seal(&[7, 8]).unwrap();
        let mut bytes = sealed.bytes.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(entry) = Entry::parse(&bytes) {
            prop_assert_ne!(&entry, &sealed.entry);
            prop_assert_eq!(entry.to_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn any_field_comes_back(number in -9_007_199_254_740_991_i64..=9_007_199_254_740_991, text in ".{0,40}") {
        let mut draft = genesis();
        draft.field("extra", json!({"n": number, "t": text}), FieldKey::Node(node_key()));
        let sealed = draft.seal(&[]).unwrap();
        let last = sealed.disclosures.last().unwrap();
        let read = Disclosure::parse(last.text()).unwrap();
        prop_assert_eq!(read.value(), &json!({"n": number, "t": text}));
        prop_assert_eq!(&read, last);
        prop_assert_eq!(sealed.entry.disclosed([&read]).unwrap().len(), 1);
    }
}

#[test]
fn received_and_refused_acts_are_drafted_alike() {
    // LOG-6.5
    let answer = digest("answer");
    let mut draft = EntryDraft::received(
        EntryType::NegotiationRequest,
        Id([1; 16]),
        Id([2; 16]),
        digest("act"),
        AT,
        400,
        answer,
    );
    draft.token = Some(digest("token"));
    draft.fields = refused().fields;
    assert_eq!(draft.seal(&[]).unwrap().bytes, refused().seal(&[]).unwrap().bytes);
}

fn shown(why: &str, draft: &EntryDraft, numbers: &[u64]) -> Value {
    let sealed = draft.seal(numbers).unwrap();
    let keys = draft.fields.iter().map(|field| match field.key {
        FieldKey::Exchange(_) => "exchange",
        FieldKey::Node(_) => "node",
    });
    let disclosures: Vec<_> = keys
        .chain(draft.lanes.iter().map(|lane| lane.country.as_str()))
        .zip(&sealed.disclosures)
        .map(|(key, shown)| {
            json!({
                "key": key, "name": shown.name(), "value": shown.value(),
                "text": shown.text(), "digest": shown.digest(),
            })
        })
        .collect();
    json!({
        "why": why,
        "msg": draft.msg,
        "entry": String::from_utf8(sealed.bytes.clone()).unwrap(),
        "leaf": sealed.leaf().to_string(),
        "disclosures": disclosures,
    })
}

#[test]
fn entry_vectors() {
    let refusals: Vec<_> = bad_disclosures()
        .into_iter()
        .map(|(why, text)| json!({"why": why, "text": text, "outcome": Disclosure::parse(&text).unwrap_err().code()}))
        .collect();
    let text = String::from_utf8(sent().seal(&[7, 8]).unwrap().bytes).unwrap();
    let bad = |why: &str, from: &str, to: &str| {
        assert!(text.contains(from));
        let entry = text.replacen(from, to, 1);
        let outcome = Entry::parse(entry.as_bytes()).unwrap_err().code();
        json!({"why": why, "entry": entry, "outcome": outcome})
    };
    let hex = |byte: u8| crate::common::hex(&[byte; 32]);
    check_vector(
        "entry.json",
        &json!({
            "about": "Entries with all their disclosures, and the key (hex) that salts each: the exchange key, a node key, or that of a lane. Entries and disclosures to be refused, with a code of chapter 11.",
            "keys": {"exchange": hex(0x11), "node": hex(0x22), "DE": hex(0x33), "KR": hex(0x44)},
            "types": EntryType::ALL,
            "entries": [
                shown("entry 0", &genesis(), &[]),
                shown("a request that was sent", &sent(), &[7, 8]),
                shown("the same request in the log of the receiver, who refused it", &refused(), &[]),
            ],
            "refused_entries": [
                bad("white space", "{", "{ "),
                bad("an unknown member", "\"v\":1", "\"v\":1,\"w\":1"),
                bad("a missing member", "\"status\":null,", ""),
                bad("a repeated member", "\"v\":1", "\"v\":1,\"v\":1"),
                bad("a time with an exponent", "1763900000", "17639e5"),
                bad("a time as text", "1763900000", "\"1763900000\""),
                bad("an unknown type", "negotiation.request", "negotiation.contract"),
                bad("a sent act with a status", "\"status\":null", "\"status\":200"),
                bad("a received act without status", "\"sent\"", "\"received\""),
                bad("an act without digest", &format!("\"{}\"", digest("act")), "null"),
                bad("an act of the node itself", "\"sent\"", "\"own\""),
                bad("another version", "\"v\":1", "\"v\":2"),
                bad("another digest for disclosures", "sha-256", "sha-512"),
                bad("digests in another order", "\"_sd\":[", &format!("\"_sd\":[\"{}\",", "z".repeat(42) + "8")),
            ],
            "refused_disclosures": refusals,
        }),
    );
}
