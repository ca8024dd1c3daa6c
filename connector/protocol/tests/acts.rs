//! Acts, tokens and acknowledgements: vectors with every reason for a refusal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use base64ct::{Base64, Encoding as _};
use naru_protocol::{
    act::{
        Ack, AckError, Act, Answer, Method, Path, Request, Token, check_ack, check_token, check_token_head,
        is_final, issue_ack, issue_token, peek_token,
    },
    encoding::{Digest, Id, to_base64url},
    identity::{Did, KeyRing, KeySet, Revocation, verify_key_set},
    json::{self, V1},
    jws, limits,
    signature::SigningKey,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{NOW, did, hex, key, public, same, seed, sign_raw};

const BODY: &[u8] = br#"{"@type":"ContractRequestMessage"}"#;
const PATH: &str = "/negotiations/request";

/// Key set `number` of root 1 with the test keys from `10 * number` on. The third and fourth revoke the first; the fourth is
/// not valid yet.
fn key_set(number: u8) -> String {
    let at = 10 * number;
    let revoked = if number < 3 { Vec::new() } else { vec![Revocation { number: 1, at: NOW, log: false }] };
    let set = KeySet {
        v: V1,
        iss: did(1),
        number: u32::from(number),
        signing: public(at),
        log: public(at + 1),
        transport: public(at + 2),
        witness: public(at + 3),
        valid_from: if number == 4 { NOW + 3600 } else { NOW - 3600 },
        revoked,
    };
    jws::sign_compact(&set, 0, &key(1)).unwrap()
}

fn ring(sets: std::ops::RangeInclusive<u8>) -> KeyRing {
    let mut ring = KeyRing::new(did(1));
    for number in sets {
        ring.accept(&verify_key_set(&key_set(number)).unwrap()).unwrap();
    }
    ring
}

/// A checkpoint note with the log's own line, whose root hash is that of an empty tree.
fn checkpoint(owner: u8, log: u8, size: u64) -> String {
    let origin = format!("naru/{}/0", public(owner));
    let text = format!("{origin}\n{size}\n{}\n", Base64::encode_string(&Digest::of(b"").0));
    let named = [origin.as_bytes(), b"\n\x01", public(log).as_bytes()].concat();
    let line = [&Digest::of(&named).0[..4], &key(log).sign(text.as_bytes())[..]].concat();
    format!("{text}\n\u{2014} {origin} {}\n", Base64::encode_string(&line))
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn act() -> Act {
    Act {
        v: V1,
        msg: Id([0x11; 16]),
        iss: did(1),
        aud: did(2),
        exchange: Id([0x22; 16]),
        method: Method::Post,
        path: path(PATH),
        body: Digest::of(BODY),
        prev: None,
    }
}

fn act_token() -> Token {
    Token::for_act(&act(), checkpoint(1, 21, 8), 7, NOW)
}

#[test]
fn act_digest_vectors() {
    // ACT-1.1, ACT-1.2, ACT-1.3, ACT-1.4
    let first = act();
    let later =
        Act { prev: Some(first.digest().unwrap()), msg: Id([0x33; 16]), body: Digest::of(b""), ..act() };
    let odd = Act { path: path("/negotiations/a%2Fb/../c?x=%20&y="), ..act() };
    let cases: Vec<Value> = [("first of an exchange", first), ("with prev, without content", later), ("raw path", odd)]
        .into_iter()
        .map(|(name, act)| {
            let bytes = json::to_canonical(&act).unwrap();
            assert_eq!(act.digest().unwrap(), Digest::of(&bytes));
            json!({"name": name, "act": act, "canonical": String::from_utf8(bytes).unwrap(), "digest": act.digest().unwrap()})
        })
        .collect();
    let about = "Act digests (ACT-1): SHA-256 over the canonical form.";
    let body = std::str::from_utf8(BODY).unwrap();
    same(
        "acts/acts.json",
        &json!({"about": about, "body": body, "body_digest": Digest::of(BODY), "cases": cases}),
    );
}

#[test]
fn request_targets_are_raw() {
    // ACT-1.4
    for good in ["/", "/catalog/request", "/a//b/./..", "/x?from=7&n=%41", "/~user/:id;v=1"] {
        assert_eq!(Path::parse(good).unwrap().as_str(), good);
    }
    let long = format!("/{}", "a".repeat(limits::REQUEST_PATH));
    for bad in ["", "a", "http://x/", "/a b", "/a#b", "/a\u{7f}", "/é", "/a\nb", "/a\\b", &long] {
        assert!(Path::parse(bad).is_err(), "{bad}");
    }
    assert_eq!((Method::parse("POST"), Method::parse("post")), (Some(Method::Post), None));
}

/// One token and the request that it comes with.
struct TokenCase {
    name: &'static str,
    token: String,
    min: u32,
    me: Did,
    method: Method,
    path: &'static str,
    body: &'static [u8],
    now: u64,
    outcome: &'static str,
}

fn token_case(name: &'static str, token: String, outcome: &'static str) -> TokenCase {
    let (method, path) = (Method::Post, PATH);
    TokenCase { name, token, min: 1, me: did(2), method, path, body: BODY, now: NOW, outcome }
}

/// Signs as the ring's current set would, or as the given one.
fn issued(token: &Token) -> String {
    issue_token(token, 2, &key(20)).unwrap()
}

/// Signs payload bytes as a wrong implementation would.
fn raw(payload: &str, typ: &str, ks: u8, signer: &SigningKey) -> String {
    let header = format!(r#"{{"alg":"Ed25519","kid":"{}","ks":{ks},"typ":"{typ}"}}"#, signer.public());
    sign_raw(&header, payload.as_bytes(), signer)
}

fn raw_token(change: impl FnOnce(&mut Token)) -> String {
    let mut token = act_token();
    change(&mut token);
    raw(&String::from_utf8(json::to_canonical(&token).unwrap()).unwrap(), "dxp-token+jwt", 2, &key(20))
}

fn read_token() -> Token {
    Token::for_read(did(1), did(2), Method::Get, path("/keys"), Digest::of(b""), NOW)
}

fn claims_cases() -> Vec<TokenCase> {
    let good = issued(&act_token());
    let case = |name, outcome| token_case(name, good.clone(), outcome);
    let made = |name, change: fn(&mut Token), outcome| token_case(name, raw_token(change), outcome);
    vec![
        case("act", "accepted"),
        token_case(
            "service post",
            issued(&Token { method: Method::Post, path: path(PATH), body: Digest::of(BODY), ..read_token() }),
            "accepted",
        ),
        TokenCase {
            method: Method::Get,
            path: "/keys",
            body: b"",
            ..token_case("read", issued(&read_token()), "accepted")
        },
        TokenCase { now: NOW + 360, ..case("at the end of the skew", "accepted") },
        TokenCase { now: NOW + 361, ..case("expired", "token_expired") },
        TokenCase { now: NOW - 60, ..case("our clock a minute behind", "accepted") },
        TokenCase { now: NOW - 61, ..case("from the future", "token_not_yet") },
        TokenCase { me: did(3), ..case("for somebody else", "wrong_audience") },
        TokenCase { method: Method::Get, ..case("another method", "wrong_method") },
        TokenCase { path: "/negotiations/request?", ..case("another path", "wrong_path") },
        TokenCase { path: "/negotiations//request", ..case("path before normalisation", "wrong_path") },
        TokenCase {
            body: b"{\"@type\": \"ContractRequestMessage\"}",
            ..case("content written anew", "body_mismatch")
        },
        TokenCase { body: b"", ..case("content gone", "body_mismatch") },
        made("lives 301 seconds", |token| token.exp += 1, "token_malformed"),
        made("lives no second", |token| token.exp = token.iat, "token_malformed"),
        made("ends before it begins", |token| token.exp = token.iat - 1, "token_malformed"),
        made("from another participant", |token| (token.iss, token.sub) = (did(3), did(3)), "wrong_issuer"),
        made("sub is not iss", |token| token.sub = did(3), "wrong_issuer"),
        made("act without index", |token| token.index = None, "token_malformed"),
        made("act without checkpoint", |token| token.checkpoint = None, "token_malformed"),
        made("act without exchange", |token| token.exchange = None, "token_malformed"),
        made(
            "read with prev",
            |token| {
                (token.msg, token.exchange, token.checkpoint, token.index) = (None, None, None, None);
                token.prev = Some(Digest::of(b""));
            },
            "token_malformed",
        ),
        made("act that is a GET", |token| token.method = Method::Get, "token_malformed"),
        made(
            "checkpoint too long",
            |token| token.checkpoint = Some("x".repeat(limits::CHECKPOINT + 1)),
            "token_malformed",
        ),
        made("empty checkpoint", |token| token.checkpoint = Some(String::new()), "token_malformed"),
    ]
}

fn form_cases() -> Vec<TokenCase> {
    let token = act_token();
    let payload = String::from_utf8(json::to_canonical(&token).unwrap()).unwrap();
    let written = |name, from: &str, to: &str, outcome| {
        assert!(payload.contains(from), "{from}");
        token_case(name, raw(&payload.replace(from, to), "dxp-token+jwt", 2, &key(20)), outcome)
    };
    let ack =
        raw(&String::from_utf8(json::to_canonical(&ack()).unwrap()).unwrap(), "dxp-ack+jws", 2, &key(20));
    let iat = format!(r#""iat":{NOW}"#);
    let good = issued(&token);
    let altered = {
        let parts: Vec<&str> = good.split('.').collect();
        let payload = payload.replace(&text_of(&token.body), &text_of(&Digest::of(b"other")));
        format!("{}.{}.{}", parts[0], to_base64url(payload.as_bytes()), parts[2])
    };
    vec![
        written("time as float", &iat, &format!("{iat}.0"), "token_malformed"),
        written("time with a fraction", &iat, &format!("{iat}.5"), "token_malformed"),
        written("time as text", &iat, &format!(r#""iat":"{NOW}""#), "token_malformed"),
        written("a member more", r#","iss""#, r#","jti":"x","iss""#, "token_malformed"),
        written("null left out", r#""prev":null,"#, "", "token_malformed"),
        written("method in small letters", "POST", "post", "token_malformed"),
        written("white space", r#","iat""#, r#", "iat""#, "token_malformed"),
        written(
            "digest in base64 with padding",
            &text_of(&token.body),
            &Base64::encode_string(&token.body.0),
            "token_malformed",
        ),
        written(
            "message id of 15 bytes",
            &token.msg.unwrap().to_string(),
            &to_base64url(&[0x11; 15]),
            "token_malformed",
        ),
        token_case("altered", altered, "signature_invalid"),
        token_case("another type", ack, "wrong_type"),
        token_case("no JWS", "abc".to_owned(), "token_malformed"),
        token_case("larger than 4 KiB", format!("{good}{}", "A".repeat(limits::TOKEN)), "token_malformed"),
        token_case(
            "signed by a key that is in no set",
            issue_token(&token, 2, &key(99)).unwrap(),
            "key_mismatch",
        ),
        token_case("key set unknown", issue_token(&token, 9, &key(90)).unwrap(), "key_unknown"),
        token_case("signed by the root", issue_token(&token, 0, &key(1)).unwrap(), "key_unknown"),
        token_case(
            "log key instead of signing key",
            issue_token(&token, 2, &key(21)).unwrap(),
            "key_mismatch",
        ),
        token_case("revoked key set", issue_token(&token, 1, &key(10)).unwrap(), "key_revoked"),
        token_case("key set not valid yet", issue_token(&token, 4, &key(40)).unwrap(), "key_not_yet"),
        token_case("newer key set", issue_token(&token, 3, &key(30)).unwrap(), "accepted"),
        TokenCase { min: 3, ..token_case("older key set than the terms say", good, "key_too_old") },
    ]
}

/// The text of a digest (43 characters, no padding).
fn text_of(digest: &Digest) -> String {
    digest.to_string()
}

#[test]
fn token_vectors() {
    // ENC-1.3, ENC-2.1, ENC-2.3, ID-6.8, ACT-2.2, ACT-2.3, ACT-2.4, ACT-2.5, ACT-3.1 to ACT-3.9
    let ring = ring(1..=4);
    let mut cases = Vec::new();
    for case in claims_cases().into_iter().chain(form_cases()) {
        let TokenCase { name, token, min, me, method, path, body, now, outcome } = case;
        let request = Request { ring: &ring, min, me: &me, method, path, now };
        let found =
            check_token(&token, &request, body).map_or_else(|error| error.code().as_str(), |_| "accepted");
        assert_eq!(found, outcome, "{name}");
        cases
            .push(json!({"name": name, "token": token, "min": min, "me": me, "method": method, "path": path,
            "body": std::str::from_utf8(body).unwrap(), "now": now, "outcome": outcome}));
    }
    let about = "Tokens (ACT-2, ACT-3) from `peer`, whose `key_sets` were all accepted, received by `me`, with what they come \
        with. Key set n holds the keys of the seeds that repeat the bytes 10n to 10n+3: signing, log, transport, witness.";
    let sets: Vec<String> = (1..=4).map(key_set).collect();
    same(
        "acts/tokens.json",
        &json!({"about": about, "peer": did(1), "key_sets": sets,
        "signing_seed_hex": hex(&seed(20)), "cases": cases}),
    );
}

#[test]
fn a_token_gives_back_its_act() {
    // ACT-2.6
    let ring = ring(1..=2);
    let request = Request { ring: &ring, min: 1, me: &did(2), method: Method::Post, path: PATH, now: NOW };
    let token = check_token(&issued(&act_token()), &request, BODY).unwrap();
    assert_eq!(token.payload().act(), Some(act()));
    assert_eq!(token.signer(), (public(20), 2));
    assert_eq!(token.digest(), Digest::of(issued(&act_token()).as_bytes()));
    assert_eq!(read_token().act(), None);
    // Whom a token claims to come from is known before anything is proven, its head before the content is read.
    assert_eq!(peek_token(&issued(&act_token())).unwrap().claims().iss, did(1));
    let head = check_token_head(&issued(&act_token()), &request).unwrap();
    assert_eq!(head.token().msg, Some(Id([0x11; 16])));
    assert!(head.digest(Digest::of(b"other")).is_err());
    assert!(issue_token(&Token { checkpoint: None, ..act_token() }, 2, &key(20)).is_err());
}

#[test]
fn the_largest_token_and_acknowledgement_fit_their_limits() {
    // ACT-2.5, ACT-4.4
    let checkpoint = format!("{}\n", "x".repeat(limits::CHECKPOINT - 1));
    let mut act = act();
    act.prev = Some(Digest::of(b""));
    act.path = path(&format!("/{}", "a".repeat(limits::REQUEST_PATH - 1)));
    let token = Token::for_act(&act, checkpoint.clone(), limits::INTEGER, limits::INTEGER - 300);
    assert!(issue_token(&token, u32::MAX, &key(20)).unwrap().len() <= limits::TOKEN);
    let ack = Ack { index: limits::INTEGER, checkpoint, ..ack() };
    assert!(issue_ack(&ack, u32::MAX, &key(20)).unwrap().len() <= limits::ACK);
}

const ANSWER: &[u8] = br#"{"@type":"ContractNegotiation"}"#;

/// Root 1 acknowledges an act that root 2 sent.
fn sent() -> Digest {
    Act { iss: did(2), aud: did(1), ..act() }.digest().unwrap()
}

fn ack() -> Ack {
    Ack {
        v: V1,
        iss: did(1),
        aud: did(2),
        act: sent(),
        status: 201,
        answer: Digest::of(ANSWER),
        index: 8,
        checkpoint: checkpoint(1, 21, 9),
    }
}

fn raw_ack(change: impl FnOnce(&mut Ack)) -> String {
    let mut ack = ack();
    change(&mut ack);
    raw(&String::from_utf8(json::to_canonical(&ack).unwrap()).unwrap(), "dxp-ack+jws", 2, &key(20))
}

#[test]
fn ack_vectors() {
    // ACT-4.1, ACT-4.2, ACT-4.3, ACT-4.4, ACT-5.1, ACT-5.2, ACT-5.3
    let ring = ring(1..=4);
    let good = issue_ack(&ack(), 2, &key(20)).unwrap();
    let refusal = issue_ack(&Ack { status: 400, ..ack() }, 2, &key(20)).unwrap();
    let token = raw(
        &String::from_utf8(json::to_canonical(&act_token()).unwrap()).unwrap(),
        "dxp-token+jwt",
        2,
        &key(20),
    );
    let cases: Vec<(&str, String, u16, &[u8], &str)> = vec![
        ("as signed", good.clone(), 201, ANSWER, "accepted"),
        ("final refusal", refusal.clone(), 400, ANSWER, "accepted"),
        ("another status", good.clone(), 200, ANSWER, "ack_invalid"),
        ("refusal shown as success", refusal, 201, ANSWER, "ack_invalid"),
        ("another answer", good.clone(), 201, b"{}", "ack_invalid"),
        ("another act", raw_ack(|ack| ack.act = Digest::of(b"")), 201, ANSWER, "ack_invalid"),
        ("for somebody else", raw_ack(|ack| ack.aud = did(3)), 201, ANSWER, "ack_invalid"),
        ("from somebody else", raw_ack(|ack| ack.iss = did(3)), 201, ANSWER, "ack_invalid"),
        ("status that promises nothing: 409", raw_ack(|ack| ack.status = 409), 409, ANSWER, "ack_invalid"),
        ("status that promises nothing: 503", raw_ack(|ack| ack.status = 503), 503, ANSWER, "ack_invalid"),
        ("empty checkpoint", raw_ack(|ack| ack.checkpoint = String::new()), 201, ANSWER, "ack_invalid"),
        ("token in its place", token, 201, ANSWER, "ack_invalid"),
        ("signed by another key", issue_ack(&ack(), 2, &key(99)).unwrap(), 201, ANSWER, "ack_invalid"),
        ("altered", format!("{}A{}", &good[..300], &good[301..]), 201, ANSWER, "ack_invalid"),
        ("key set unknown", issue_ack(&ack(), 9, &key(90)).unwrap(), 201, ANSWER, "key_unknown"),
        ("revoked key set", issue_ack(&ack(), 1, &key(10)).unwrap(), 201, ANSWER, "key_revoked"),
        ("nothing", String::new(), 201, ANSWER, "ack_invalid"),
    ];
    let cases: Vec<Value> = cases
        .into_iter()
        .map(|(name, text, status, content, outcome)| {
            let answer = Answer { ring: &ring, min: 1, me: &did(2), act: sent(), status, content, now: NOW };
            let found = check_ack(&text, &answer).map_or_else(|error| error.code().as_str(), |_| "accepted");
            assert_eq!(found, outcome, "{name}");
            json!({"name": name, "ack": text, "status": status, "answer": std::str::from_utf8(content).unwrap(), "outcome": outcome})
        })
        .collect();
    let about = "Acknowledgements (ACT-4, ACT-5) by `peer` of the act with digest `act`, received by `me` at `now` with an \
        answer. Key sets as in tokens.json.";
    same(
        "acts/acks.json",
        &json!({"about": about, "peer": did(1), "me": did(2), "act": sent(), "now": NOW, "cases": cases}),
    );
}

#[test]
fn final_answers() {
    // ACT-4.2
    let mut promising: Vec<u16> = (100..600).filter(|status| is_final(*status)).collect();
    promising.retain(|status| *status >= 300);
    for status in [300, 401, 404, 408, 409, 413, 414, 415, 429, 431, 500, 503] {
        assert!(!is_final(status), "{status}");
    }
    for status in [200, 201, 202, 204, 400, 403, 422] {
        assert!(is_final(status), "{status}");
    }
    assert!(promising.iter().all(|status| (400..500).contains(status)));
    assert!(issue_ack(&Ack { status: 404, ..ack() }, 2, &key(20)).is_err());
    let ring = ring(1..=2);
    let answer =
        Answer { ring: &ring, min: 1, me: &did(2), act: sent(), status: 201, content: b"", now: NOW };
    let good = issue_ack(&ack(), 2, &key(20)).unwrap();
    assert!(matches!(check_ack(&good, &answer), Err(AckError::Answer)));
}

proptest! {
    #[test]
    fn every_altered_character_is_refused(at in 0_usize..900, to in "[A-Za-z0-9_.-]") {
        // ACT-3.2
        let ring = ring(1..=2);
        let good = issued(&act_token());
        let at = at % good.len();
        let mut altered = good.clone();
        altered.replace_range(at..=at, &to);
        let request = Request { ring: &ring, min: 1, me: &did(2), method: Method::Post, path: PATH, now: NOW };
        prop_assert_eq!(check_token(&altered, &request, BODY).is_ok(), altered == good);
    }

    #[test]
    fn acts_round_trip(msg: [u8; 16], exchange: [u8; 16], body: Vec<u8>, prev: Option<[u8; 32]>, target in "/[!$-;=?-Z_a-z~]{0,64}") {
        // ACT-1.1
        let act = Act { msg: Id(msg), exchange: Id(exchange), body: Digest::of(&body), prev: prev.map(Digest),
            path: path(&target), ..act() };
        let bytes = json::to_canonical(&act).unwrap();
        prop_assert_eq!(json::parse_canonical::<Act>(&bytes).unwrap(), act);
    }
}
