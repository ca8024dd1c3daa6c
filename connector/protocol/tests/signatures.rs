//! Ed25519 and JWS: own vectors, and the vectors of CCTV and Wycheproof.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use std::fs;

use naru_protocol::{
    encoding::{Digest, to_base64url},
    identity::{KeySet, Participant},
    json,
    jws::{self, JwsError, Payload, SignatureEntry, Typ},
    limits,
    signature::PublicKey,
    ticket::Secret,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::{NOW, did, hex, judged, key, participant, public, same, seed, shared, sign_raw, unhex};

/// Points of low order and encodings that are not canonical.
const BAD_KEYS: [(&str, &str); 20] = [
    ("identity", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000080"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    ("order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ("order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    ("identity with sign bit", "0100000000000000000000000000000000000000000000000000000000000080"),
    ("order 2 with sign bit", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("y = p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p, sign bit", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("y = p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p + 1, sign bit", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("y = p + 3, high order", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p + 4, high order", "f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p + 18, high order", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y = p + 18, sign bit", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("not on the curve: y = 2", "0200000000000000000000000000000000000000000000000000000000000000"),
    ("not on the curve: y = 7", "0700000000000000000000000000000000000000000000000000000000000000"),
];

#[test]
fn signature_vectors() {
    // ENC-6.1, ENC-6.2, ENC-6.3, ID-1.1, ID-1.2
    let keys: Vec<Value> = (1..=6)
        .map(|n| {
            let text = public(n).to_string();
            assert_eq!(PublicKey::parse(&text), Ok(public(n)));
            json!({"seed_hex": hex(&seed(n)), "public_hex": hex(public(n).as_bytes()), "public": text})
        })
        .collect();
    let mut bad: Vec<Value> = BAD_KEYS
        .iter()
        .map(|(name, text)| {
            assert!(PublicKey::from_bytes(unhex(text).try_into().unwrap()).is_err(), "{name}");
            json!({"name": name, "public_hex": text, "outcome": "key_malformed"})
        })
        .collect();
    for (name, text) in bad_key_texts() {
        assert!(PublicKey::parse(&text).is_err(), "{name}");
        bad.push(json!({"name": name, "public": text, "outcome": "key_malformed"}));
    }
    let message = b"naru";
    let good = key(1).sign(message);
    let mut cases = Vec::new();
    for (name, signature, message, outcome) in altered_signatures(&good, message) {
        let result = public(1).verify(&message, &signature);
        assert_eq!(result.is_ok(), outcome == "accepted", "{name}");
        cases.push(json!({"name": name, "public": public(1), "message_hex": hex(&message),
            "signature_hex": hex(&signature), "outcome": outcome}));
    }
    let about = "Ed25519, strict (ENC-6). A seed is 32 times one byte.";
    same(
        "encodings/signatures.json",
        &json!({"about": about, "keys": keys, "bad_keys": bad, "cases": cases}),
    );
}

fn bad_key_texts() -> Vec<(&'static str, String)> {
    let good = public(1).to_string();
    vec![
        ("without multibase prefix", good[1..].to_owned()),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("a character too much", format!("{good}1")),
        ("letter that base58 lacks", good.replacen("6", "0", 1)),
        ("another multibase", format!("f{}", hex(public(1).as_bytes()))),
        ("another multicodec (X25519)", "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc".to_owned()),
        ("nothing", String::new()),
    ]
}

type Altered = (&'static str, Vec<u8>, Vec<u8>, &'static str);

fn altered_signatures(good: &[u8; 64], message: &[u8]) -> Vec<Altered> {
    let with = |at: usize, xor: u8| {
        let mut signature = good.to_vec();
        signature[at] ^= xor;
        signature
    };
    let mut longer = good.to_vec();
    longer.push(0);
    let mut low_order = good.to_vec();
    low_order[..32].copy_from_slice(&unhex(BAD_KEYS[0].1));
    vec![
        ("as signed", good.to_vec(), message.to_vec(), "accepted"),
        ("another message", good.to_vec(), b"nari".to_vec(), "signature_invalid"),
        ("R altered", with(0, 1), message.to_vec(), "signature_invalid"),
        ("S altered", with(32, 1), message.to_vec(), "signature_invalid"),
        ("S plus the order of the group", plus_order(good), message.to_vec(), "signature_invalid"),
        ("high bit of S", with(63, 0x80), message.to_vec(), "signature_invalid"),
        ("R of low order", low_order, message.to_vec(), "signature_invalid"),
        ("63 bytes", good[..63].to_vec(), message.to_vec(), "signature_invalid"),
        ("65 bytes", longer, message.to_vec(), "signature_invalid"),
        ("empty", Vec::new(), message.to_vec(), "signature_invalid"),
    ]
}

/// The same signature with S + L: what verifies where S is not checked.
fn plus_order(good: &[u8; 64]) -> Vec<u8> {
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut signature = good.to_vec();
    let mut carry = 0_u16;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    signature
}

/// The 43 of the 914 CCTV vectors that are accepted.
const CCTV: [u64; 43] = [
    7, 29, 50, 117, 139, 161, 182, 249, 305, 411, 425, 438, 465, 473, 481, 489, 497, 511, 525, 538, 565, 573,
    581, 589, 597, 611, 625, 638, 665, 673, 681, 689, 697, 711, 725, 738, 765, 773, 781, 789, 797, 832, 899,
];

#[test]
fn cctv_vectors() {
    // ENC-6.4
    let Some(folder) = shared("914 signatures of CCTV") else { return };
    let file = fs::read(folder.join("vectors/ed25519/cctv_ed25519vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_slice(&file).unwrap();
    assert_eq!(vectors.len(), 914);
    let accepted: Vec<u64> = vectors
        .iter()
        .filter(|vector| {
            let bytes = unhex(vector["key"].as_str().unwrap());
            let signature = unhex(vector["sig"].as_str().unwrap());
            PublicKey::from_bytes(bytes.try_into().unwrap())
                .is_ok_and(|key| key.verify(vector["msg"].as_str().unwrap().as_bytes(), &signature).is_ok())
        })
        .map(|vector| vector["number"].as_u64().unwrap())
        .collect();
    assert_eq!(accepted, CCTV);
    judged(&format!("{} signatures of CCTV, {} accepted", vectors.len(), accepted.len()));
}

#[test]
fn wycheproof_vectors() {
    // ENC-6.4: valid and invalid as they say, without exception.
    let Some(folder) = shared("151 signatures of Wycheproof") else { return };
    let file = fs::read(folder.join("vectors/ed25519/wycheproof_ed25519_test.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let (mut seen, mut valid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let bytes = unhex(group["publicKey"]["pk"].as_str().unwrap());
        let key = PublicKey::from_bytes(bytes.try_into().unwrap());
        for test in group["tests"].as_array().unwrap() {
            let message = unhex(test["msg"].as_str().unwrap());
            let signature = unhex(test["sig"].as_str().unwrap());
            let accepted = key.is_ok_and(|key| key.verify(&message, &signature).is_ok());
            assert_eq!(accepted, test["result"] == "valid", "tcId {}", test["tcId"]);
            seen += 1;
            valid += usize::from(accepted);
        }
    }
    assert_eq!(seen, 151);
    judged(&format!("{seen} signatures of Wycheproof, {valid} accepted"));
}

#[test]
fn secrets_are_not_printed() {
    // ENC-6.5
    let printed = format!("{:?} {:?}", key(0xab), Secret::of([0xab; 16]));
    assert!(
        !printed.contains("abab") && !printed.contains("171, 171") && !printed.contains("q6ur"),
        "{printed}"
    );
}

#[allow(clippy::too_many_lines)] // A list.
fn jws_cases() -> Vec<(&'static str, String, &'static str)> {
    let statement = participant(1);
    let payload = json::to_canonical(&statement).unwrap();
    let good = jws::sign_compact(&statement, 0, &key(1)).unwrap();
    let kid = public(1);
    let header = format!(r#"{{"alg":"Ed25519","kid":"{kid}","ks":0,"typ":"dxp-participant+jws"}}"#);
    let raw = |header: String, payload: &[u8]| sign_raw(&header, payload, &key(1));
    let parts: Vec<&str> = good.split('.').collect();
    let payload_text = String::from_utf8(payload.clone()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(payload_text.contains(from));
        raw(header.clone(), payload_text.replace(from, to).as_bytes())
    };
    vec![
        ("as signed", good.clone(), "accepted"),
        ("signed by hand over the same bytes", raw(header.clone(), &payload), "accepted"),
        ("alg EdDSA", raw(header.replace("Ed25519", "EdDSA"), &payload), "malformed"),
        ("alg none", raw(header.replace("Ed25519", "none"), &payload), "malformed"),
        (
            "header in another order",
            raw(format!(r#"{{"typ":"dxp-participant+jws","alg":"Ed25519","kid":"{kid}","ks":0}}"#), &payload),
            "not_canonical",
        ),
        ("header with white space", raw(header.replace(',', ", "), &payload), "not_canonical"),
        (
            "header with another member",
            raw(header.replace(r#","kid""#, r#","crit":[],"kid""#), &payload),
            "malformed",
        ),
        ("header without key set", raw(header.replace(r#""ks":0,"#, ""), &payload), "malformed"),
        (
            "header with a member twice",
            raw(header.replace(r#""ks":0,"#, r#""ks":0,"ks":0,"#), &payload),
            "duplicate_key",
        ),
        ("another type", raw(header.replace("participant", "listing"), &payload), "wrong_type"),
        ("an unknown type", raw(header.replace("dxp-participant+jws", "JWT"), &payload), "malformed"),
        (
            "another kid",
            raw(header.replace(&kid.to_string(), &public(2).to_string()), &payload),
            "key_mismatch",
        ),
        ("kid as DID URL", raw(header.replace(&kid.to_string(), &did(1).to_string()), &payload), "malformed"),
        ("signed by another key", sign_raw(&header, &payload, &key(2)), "signature_invalid"),
        ("payload with a member more", with(r#","country""#, r#","city":"x","country""#), "malformed"),
        ("payload with a member less", with(r#""size":"sme","#, ""), "malformed"),
        ("payload with white space", with(r#","country""#, r#", "country""#), "not_canonical"),
        ("payload with an escape too much", with("KR", "\\u004bR"), "not_canonical"),
        ("payload with a member twice", with(r#""v":1"#, r#""v":1,"v":1"#), "duplicate_key"),
        ("time as float", with(&NOW.to_string(), &format!("{NOW}.0")), "not_canonical"),
        ("time with a fraction", with(&NOW.to_string(), &format!("{NOW}.5")), "bad_number"),
        ("version 2", with(r#""v":1"#, r#""v":2"#), "malformed"),
        (
            "payload altered",
            format!(
                "{}.{}.{}",
                parts[0],
                to_base64url(payload_text.replace("KR", "DE").as_bytes()),
                parts[2]
            ),
            "signature_invalid",
        ),
        ("two parts", format!("{}.{}", parts[0], parts[1]), "malformed"),
        ("four parts", format!("{good}."), "malformed"),
        ("detached payload", format!("{}..{}", parts[0], parts[2]), "malformed"),
        ("padding", format!("{good}=="), "malformed"),
        (
            "trailing bits of the signature",
            format!("{}{}", &good[..good.len() - 1], next(&good)),
            "malformed",
        ),
        ("line feed at the end", format!("{good}\n"), "malformed"),
        ("nothing", String::new(), "malformed"),
        ("larger than its type allows", format!("{good}{}", "A".repeat(limits::PARTICIPANT)), "too_large"),
    ]
}

/// The next letter of base64url after the last one: the same bytes for a loose decoder, as 86 characters have 4 spare bits.
fn next(text: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.find(text.chars().last().unwrap()).unwrap();
    ALPHABET.chars().nth(at + 1).unwrap()
}

#[test]
fn jws_vectors() {
    // ENC-2.2, ENC-7.1, ENC-7.2, ENC-7.3, ENC-7.4, ENC-7.5, ENC-7.6, ENC-7.7
    let mut cases = Vec::new();
    for (name, text, outcome) in jws_cases() {
        match jws::verify_compact::<Participant>(&text, &public(1)) {
            Ok(verified) => {
                assert_eq!(outcome, "accepted", "{name}");
                cases.push(
                    json!({"name": name, "jws": text, "outcome": outcome, "digest": verified.digest()}),
                );
            }
            Err(error) => {
                assert_eq!(error.code().as_str(), outcome, "{name}: {error}");
                cases.push(json!({"name": name, "jws": text, "outcome": outcome}));
            }
        }
    }
    let about = "Compact JWS (ENC-7), read as participant statement of `signer`. All but those with code `signature_invalid` \
        are signed correctly over their bytes where they have three parts.";
    same(
        "encodings/jws.json",
        &json!({"about": about, "signer": public(1), "signer_seed_hex": hex(&seed(1)), "cases": cases}),
    );
}

#[test]
fn signature_entries_stand_for_payload_bytes() {
    // ENC-7.8
    let statement = participant(1);
    let (bytes, entry) = jws::sign_entry(&statement, 3, &key(1)).unwrap();
    let verified = jws::verify_entry::<Participant>(&entry, &bytes, &public(1)).unwrap();
    assert_eq!(verified.signer(), (public(1), 3));
    assert_eq!(verified.digest(), Digest::of(&bytes));
    let other = json::to_canonical(&participant(2)).unwrap();
    assert_eq!(jws::verify_entry::<Participant>(&entry, &other, &public(1)), Err(JwsError::Signature));
    assert_eq!(jws::verify_entry::<Participant>(&entry, &bytes, &public(2)), Err(JwsError::Kid));
    let spaced = [&bytes[..], b" "].concat();
    assert!(matches!(
        jws::verify_entry::<Participant>(&entry, &spaced, &public(1)),
        Err(JwsError::Payload(_))
    ));
    let cut =
        SignatureEntry { protected: entry.protected.clone(), signature: entry.signature[1..].to_owned() };
    assert_eq!(jws::verify_entry::<Participant>(&cut, &bytes, &public(1)), Err(JwsError::Form));
    // A statement of one type is never one of another.
    assert!(matches!(jws::peek_entry::<KeySet>(&entry, &bytes), Err(JwsError::Typ)));
    assert_eq!((Participant::TYP, KeySet::TYP), (Typ::Participant, Typ::Keys));
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_nothing_else(n in 1_u8..200, at in 0_usize..64, bit in 0_u8..8, message in any::<Vec<u8>>()) {
        // ENC-6.3
        let mut signature = key(n).sign(&message);
        prop_assert!(public(n).verify(&message, &signature).is_ok());
        signature[at] ^= 1 << bit;
        prop_assert!(public(n).verify(&message, &signature).is_err());
    }
}
