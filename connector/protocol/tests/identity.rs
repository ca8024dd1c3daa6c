//! DIDs, peer ids, participant statements, key sets and tickets: vectors with every reason for a refusal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use naru_protocol::{
    base58,
    encoding::{Digest, from_base64url, to_base64url},
    identity::{
        Accepted, Did, IdentityError, KeyRing, KeySet, Participant, PinnedPeer, Revocation, fingerprint,
        is_name, parse_peer_id, peer_id, verify_key_set, verify_participant,
    },
    json::{self, V1},
    jws, limits,
    signature::PublicKey,
    ticket::{Address, Secret, Ticket, TicketError},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{NOW, did, hex, key, participant, public, same, seed, sign_raw};

#[test]
fn did_vectors() {
    // ID-2.1, ID-2.2, ID-2.3, ID-2.4, ID-3.1, ID-3.2
    let good: Vec<Value> = (1..=6)
        .map(|n| {
            assert_eq!(Did::parse(&did(n).to_string()), Ok(did(n)));
            assert_eq!(parse_peer_id(&peer_id(&public(n))), Ok(public(n)));
            json!({"public": public(n), "did": did(n), "peer_id": peer_id(&public(n)), "fingerprint": fingerprint(&did(n))})
        })
        .collect();
    assert!(good[0]["peer_id"].as_str().unwrap().starts_with("12D3KooW"));
    let text = did(1).to_string();
    let low_order = {
        // The identity point: y is 1.
        let bytes = [&[0xed, 0x01, 0x01][..], &[0; 31]].concat();
        format!("did:key:z{}", base58::encode(&bytes))
    };
    let mut bad = Vec::new();
    for other in [
        format!("{text}#{}", public(1)),
        format!("{text} "),
        text.replace("did:key:", "did:web:"),
        text.replace("did:", "DID:"),
        public(1).to_string(),
        low_order,
        "did:key:".to_owned(),
    ] {
        assert!(Did::parse(&other).is_err(), "{other}");
        bad.push(json!({"did": other, "outcome": "key_malformed"}));
    }
    let id = peer_id(&public(1));
    // The last two: a hashed (SHA-256) id, and the same key as CIDv1, which this profile does not write.
    for other in [
        &id[1..],
        &id[..51],
        &format!("1{id}"),
        "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
        "bafzaajaiaejcbrvdfwfhuwbuwszrjycquvnqajqznmiqwdmwfzcjp52euxbmxbhm",
    ] {
        assert!(parse_peer_id(other).is_err(), "{other}");
        bad.push(json!({"peer_id": other, "outcome": "key_malformed"}));
    }
    let about =
        "DIDs, peer ids and fingerprints (ID-2, ID-3). Keys are those of seeds that repeat the bytes 1 to 6.";
    same("identity/dids.json", &json!({"about": about, "good": good, "bad": bad}));
}

#[test]
fn participant_vectors() {
    // ID-4.1, ID-4.2, ID-4.3, ID-4.4, ID-4.5
    let good = jws::sign_compact(&participant(1), 0, &key(1)).unwrap();
    let payload = String::from_utf8(json::to_canonical(&participant(1)).unwrap()).unwrap();
    let header = |ks: u8, n: u8| {
        format!(r#"{{"alg":"Ed25519","kid":"{}","ks":{ks},"typ":"dxp-participant+jws"}}"#, public(n))
    };
    let with = |from: &str, to: &str| {
        assert!(payload.contains(from), "{from}");
        sign_raw(&header(0, 1), payload.replace(from, to).as_bytes(), &key(1))
    };
    let name = "한밭정밀 Hanbat Precision";
    let long = "x".repeat(limits::NAME + 1);
    let cases = [
        ("as signed", good, "accepted"),
        ("longest name", with(name, &long[1..]), "accepted"),
        ("one role", with(r#"["consumer","provider"]"#, r#"["provider"]"#), "accepted"),
        ("not the root key", sign_raw(&header(1, 2), payload.as_bytes(), &key(2)), "not_by_root"),
        ("root key under a number", sign_raw(&header(1, 1), payload.as_bytes(), &key(1)), "not_by_root"),
        ("empty name", with(name, ""), "malformed"),
        ("name too long", with(name, &long), "malformed"),
        ("name with line feed", with(name, "a\\nb"), "malformed"),
        ("name that turns direction", with(name, "a\u{202e}b"), "malformed"),
        ("name with a space at its end", with(name, "a "), "malformed"),
        ("country in small letters", with("KR", "kr"), "malformed"),
        ("country of three letters", with("KR", "KOR"), "malformed"),
        ("unknown size", with("sme", "tiny"), "malformed"),
        ("no role", with(r#""consumer","provider""#, ""), "malformed"),
        ("roles out of order", with(r#""consumer","provider""#, r#""provider","consumer""#), "malformed"),
        ("role twice", with(r#""consumer","provider""#, r#""consumer","consumer""#), "malformed"),
    ];
    let cases: Vec<Value> = cases
        .into_iter()
        .map(|(name, text, outcome)| {
            let found = verify_participant(&text).map_or_else(|error| error.code().as_str(), |_| "accepted");
            assert_eq!(found, outcome, "{name}");
            json!({"name": name, "jws": text, "outcome": outcome})
        })
        .collect();
    let about = "Participant statements (ID-4), checked under the root that they name.";
    same(
        "identity/participants.json",
        &json!({"about": about, "root_seed_hex": hex(&seed(1)), "cases": cases}),
    );
}

/// Key set `number` of root 1, whose four keys are the test keys from `first` on.
fn key_set(number: u32, first: u8, valid_from: u64, revoked: &[(u32, u64, bool)]) -> KeySet {
    KeySet {
        v: V1,
        iss: did(1),
        number,
        signing: public(first),
        log: public(first + 1),
        transport: public(first + 2),
        witness: public(first + 3),
        valid_from,
        revoked: revoked.iter().map(|&(number, at, log)| Revocation { number, at, log }).collect(),
    }
}

fn signed(set: &KeySet) -> String {
    jws::sign_compact(set, 0, &key(1)).unwrap()
}

/// A history of key sets: each step is given to one ring, in order.
fn key_set_steps() -> Vec<(&'static str, String, &'static str)> {
    let first = key_set(1, 10, NOW, &[]);
    let second = key_set(3, 20, NOW + 100, &[]);
    let third = key_set(5, 30, NOW + 200, &[(1, NOW + 150, false)]);
    let raw = |set: &KeySet| {
        let header = format!(r#"{{"alg":"Ed25519","kid":"{}","ks":0,"typ":"dxp-keys+jws"}}"#, public(1));
        sign_raw(&header, &json::to_canonical(set).unwrap(), &key(1))
    };
    let mut stranger = key_set(9, 40, NOW + 300, &[]);
    stranger.iss = did(2);
    let mut reused = key_set(6, 40, NOW + 300, &[(1, NOW + 150, false)]);
    reused.witness = first.signing;
    let mut twice = key_set(6, 40, NOW + 300, &[(1, NOW + 150, false)]);
    twice.log = twice.signing;
    let mut root = key_set(6, 40, NOW + 300, &[(1, NOW + 150, false)]);
    root.transport = public(1);
    let keeps_log = |revoked| {
        let mut set = key_set(7, 50, NOW + 400, &[(1, NOW + 150, true), (3, NOW + 300, revoked)]);
        set.log = second.log;
        set
    };
    let many: Vec<_> = (1..=65).map(|number| (number, NOW, false)).collect();
    vec![
        ("number 0", raw(&key_set(0, 10, NOW, &[])), "malformed"),
        ("first", signed(&first), "new"),
        ("the same again", signed(&first), "known"),
        ("another one with the same number", signed(&key_set(1, 20, NOW, &[])), "keys_refused"),
        (
            "signed by a key of the set",
            jws::sign_compact(&key_set(2, 20, NOW, &[]), 1, &key(10)).unwrap(),
            "not_by_root",
        ),
        ("numbers may leave gaps", signed(&second), "new"),
        ("lower number than the newest", signed(&key_set(2, 20, NOW + 100, &[])), "keys_refused"),
        ("valid before its predecessor", signed(&key_set(4, 30, NOW + 99, &[])), "keys_refused"),
        ("revokes itself", raw(&key_set(4, 30, NOW + 200, &[(4, NOW, false)])), "malformed"),
        ("revokes a later one", raw(&key_set(4, 30, NOW + 200, &[(5, NOW, false)])), "malformed"),
        (
            "revocations out of order",
            raw(&key_set(4, 30, NOW + 200, &[(3, NOW, false), (1, NOW, false)])),
            "malformed",
        ),
        (
            "revocation twice",
            raw(&key_set(4, 30, NOW + 200, &[(1, NOW, false), (1, NOW, true)])),
            "malformed",
        ),
        ("too many revocations", raw(&key_set(90, 30, NOW + 200, &many)), "malformed"),
        ("revokes the first", signed(&third), "new"),
        ("forgets a revocation", signed(&key_set(6, 40, NOW + 300, &[])), "keys_refused"),
        (
            "changes the time of one",
            signed(&key_set(6, 40, NOW + 300, &[(1, NOW + 151, false)])),
            "keys_refused",
        ),
        ("brings a revoked key back", signed(&reused), "keys_refused"),
        ("one key for two purposes", raw(&twice), "malformed"),
        ("root key for another purpose", raw(&root), "malformed"),
        (
            "extends a revocation to the log key",
            signed(&key_set(6, 40, NOW + 300, &[(1, NOW + 150, true)])),
            "new",
        ),
        ("takes that back", signed(&key_set(7, 50, NOW + 400, &[(1, NOW + 150, false)])), "keys_refused"),
        ("keeps a log key that is revoked", signed(&keeps_log(true)), "keys_refused"),
        ("keeps a log key that is not revoked", signed(&keeps_log(false)), "new"),
        ("another participant", jws::sign_compact(&stranger, 0, &key(2)).unwrap(), "not_by_root"),
    ]
}

#[test]
fn key_set_vectors() {
    // ID-5.1 to ID-5.8, ID-6.1 to ID-6.7
    let mut ring = KeyRing::new(did(1));
    let mut steps = Vec::new();
    for (name, text, outcome) in key_set_steps() {
        let before = ring.clone();
        let found = match verify_key_set(&text).and_then(|set| ring.accept(&set)) {
            Ok(Accepted::New) => "new",
            Ok(Accepted::Known) => "known",
            Err(error) => error.code().as_str(),
        };
        assert_eq!(found, outcome, "{name}");
        assert_eq!(ring == before, outcome != "new", "a refused set changes nothing: {name}");
        steps.push(json!({"name": name, "jws": text, "outcome": outcome}));
    }
    let queries = [
        (1, 1, NOW + 1000, "key_revoked"),
        (2, 1, NOW + 1000, "key_unknown"),
        (3, 1, NOW + 1000, "key_revoked"),
        (5, 1, NOW + 1000, "accepted"),
        (5, 5, NOW + 1000, "accepted"),
        (5, 6, NOW + 1000, "key_too_old"),
        (0, 0, NOW + 1000, "key_unknown"),
        (5, 1, NOW + 200 - 60, "accepted"),
        (5, 1, NOW + 200 - 61, "key_not_yet"),
    ];
    let queries: Vec<Value> = queries
        .into_iter()
        .map(|(number, min, now, outcome)| {
            let found =
                ring.signing_key(number, min, now).map_or_else(|error| error.code().as_str(), |_| "accepted");
            assert_eq!(found, outcome, "{number} {min} {now}");
            json!({"number": number, "min": min, "now": now, "outcome": outcome})
        })
        .collect();
    assert_eq!(ring.current(NOW + 1000).map(|set| set.number), Some(7));
    assert_eq!(ring.current(NOW + 399).map(|set| set.number), Some(6));
    assert_eq!(ring.log_keys(), [public(21), public(41), public(31)]);
    let about = "A history of key sets (ID-5, ID-6): each step is given to one ring of `did`, in order; then the queries: may \
        set `number` sign at `now`, if `min` is the lowest that counts?";
    same(
        "identity/key-sets.json",
        &json!({"about": about, "did": did(1), "root_seed_hex": hex(&seed(1)),
        "steps": steps, "queries": queries}),
    );
}

#[test]
fn a_pinned_peer_is_known_by_its_own_words_only() {
    // ID-7.1, ID-7.2
    let statement = jws::sign_compact(&participant(1), 0, &key(1)).unwrap();
    let keys = signed(&key_set(1, 10, NOW, &[]));
    let mut peer = PinnedPeer::pin(&statement, [keys.as_str()]).unwrap();
    assert_eq!((peer.did(), peer.participant().country.to_string().as_str()), (&did(1), "KR"));
    assert!(peer.ring().has_transport(&public(12), NOW) && !peer.ring().has_transport(&public(12), NOW - 61));
    assert!(PinnedPeer::pin(&statement, []).is_err());
    let other = jws::sign_compact(&participant(2), 0, &key(2)).unwrap();
    assert_eq!(PinnedPeer::pin(&other, [keys.as_str()]), Err(IdentityError::NotByRoot));
    assert_eq!(peer.restate(&other), Err(IdentityError::NotByRoot));
    let older = Participant { at: NOW - 1, ..participant(1) };
    let older = jws::sign_compact(&older, 0, &key(1)).unwrap();
    assert_eq!(peer.restate(&older), Err(IdentityError::OlderStatement));
    assert!(is_name("현대 Parts (주)") && !is_name("a\u{feff}"));
}

fn ticket() -> Ticket {
    let pin = Digest::of(b"certificate");
    Ticket::new(
        vec![
            Address::parse("/dns4/parts.example/tcp/4801").unwrap(),
            Address::of_https("https://parts.example", None).unwrap(),
            Address::of_https("https://192.0.2.1:4443", Some(pin)).unwrap(),
        ],
        jws::sign_compact(&participant(1), 0, &key(1)).unwrap(),
        signed(&key_set(1, 10, NOW, &[])),
        Secret::of([7; 16]),
        NOW + 86_400,
    )
    .unwrap()
}

#[test]
fn ticket_vectors() {
    // ID-8.1, ID-8.2, ID-8.3, ID-8.4, ID-8.5, ID-8.6, ID-8.8
    let good = ticket().encode().unwrap();
    let content = from_base64url(&good[5..]).unwrap();
    let content = String::from_utf8(content).unwrap();
    let with = |from: &str, to: &str| {
        assert!(content.contains(from), "{from}");
        format!("naru1{}", to_base64url(content.replace(from, to).as_bytes()))
    };
    let address = r#""/dns4/parts.example/tcp/4801""#;
    let web = r#""https://parts.example""#;
    let pin = Digest::of(b"certificate").to_string();
    let addresses = format!(r#"{address},{web},"https://192.0.2.1:4443/#sha256={pin}""#);
    let keys_of_2 = {
        let mut set = key_set(1, 10, NOW, &[]);
        set.iss = did(2);
        jws::sign_compact(&set, 0, &key(2)).unwrap()
    };
    let end = format!("{}", NOW + 86_400);
    let cases = [
        ("as made", good.clone(), NOW, "accepted"),
        ("with white space around it", format!("\n {good}\r\n"), NOW, "accepted"),
        ("a second before its end", good.clone(), NOW + 86_399, "accepted"),
        ("at its end", good.clone(), NOW + 86_400, "ticket_expired"),
        ("lives too long", good.clone(), NOW + 86_400 - limits::TICKET_SECONDS - 1, "ticket_malformed"),
        ("cut short", good[..good.len() - 3].to_owned(), NOW, "ticket_malformed"),
        ("without prefix", good[5..].to_owned(), NOW, "ticket_malformed"),
        ("another version", good.replacen("naru1", "naru2", 1), NOW, "ticket_malformed"),
        ("expiry altered to a float", with(&end, &format!("{end}.0")), NOW, "ticket_malformed"),
        ("no address", with(&addresses, ""), NOW, "ticket_malformed"),
        ("nine addresses", with(&addresses, &[address; 9].join(",")), NOW, "ticket_malformed"),
        ("address with a space", with(address, r#""/dns4/a b""#), NOW, "ticket_malformed"),
        ("URL without TLS", with(web, r#""http://parts.example""#), NOW, "ticket_malformed"),
        ("URL with a path", with(web, r#""https://parts.example/dsp""#), NOW, "ticket_malformed"),
        ("URL that ends with a slash", with(web, r#""https://parts.example/""#), NOW, "ticket_malformed"),
        ("URL with a user", with(web, r#""https://me@parts.example""#), NOW, "ticket_malformed"),
        ("URL with port 0", with(web, r#""https://parts.example:0""#), NOW, "ticket_malformed"),
        ("certificate's digest cut short", with(&pin, &pin[1..]), NOW, "ticket_malformed"),
        ("secret too short", with(&Secret::of([7; 16]).reveal(), "BwcH"), NOW, "ticket_malformed"),
        ("keys of another participant", with(ticket().keys(), &keys_of_2), NOW, "not_by_root"),
        (
            "statement altered",
            with(ticket().participant(), &ticket().participant().replace(".ey", ".eY")),
            NOW,
            "malformed",
        ),
        ("larger than allowed", format!("naru1{}", "A".repeat(limits::TICKET)), NOW, "ticket_malformed"),
    ];
    let cases: Vec<Value> = cases
        .into_iter()
        .map(|(name, text, now, outcome)| {
            let found = Ticket::parse(&text, now).map_or_else(|error| error.code().as_str(), |_| "accepted");
            assert_eq!(found, outcome, "{name}");
            json!({"name": name, "ticket": text, "now": now, "outcome": outcome})
        })
        .collect();
    let read = Ticket::parse(&good, NOW).unwrap();
    assert_eq!(read, ticket());
    let about = "Tickets (ID-8), read at `now`. The secret of the good one is 16 times the byte 7.";
    same(
        "identity/tickets.json",
        &json!({"about": about, "did": did(1), "fingerprint": fingerprint(&did(1)),
        "content": content, "cases": cases}),
    );
}

#[test]
fn a_ticket_never_shows_its_secret() {
    // ID-8.6
    let secret = Secret::of([7; 16]).reveal();
    let good = ticket().encode().unwrap();
    assert!(!format!("{:?}", ticket()).contains(&secret));
    let content = from_base64url(&good[5..]).unwrap();
    let odd = String::from_utf8(content).unwrap().replace(r#""expires":1"#, r#""expires":"1"#);
    let error = Ticket::parse(&format!("naru1{}", to_base64url(odd.as_bytes())), NOW).unwrap_err();
    assert_eq!(error, TicketError::Malformed);
    assert!(!format!("{error} {error:?}").contains(&secret));
    assert_ne!(Secret::of([7; 16]), Secret::of([8; 16]));
    assert_eq!(Secret::of([7; 16]), Secret::parse(&secret).unwrap());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = PublicKey::parse(&text);
        let _ = Did::parse(&text);
        let _ = parse_peer_id(&text);
        let _ = verify_key_set(&text);
        let _ = Ticket::parse(&format!("naru1{}", to_base64url(text.as_bytes())), NOW);
        let _ = jws::peek::<Participant>(&format!("{}.{}.{}", to_base64url(&bytes), to_base64url(&bytes), "A".repeat(86)));
        let _ = public(1).verify(&bytes, &bytes);
    }

    #[test]
    fn base58_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        // ID-1.1
        prop_assert_eq!(base58::decode(&base58::encode(&bytes)), Some(bytes));
    }
}
