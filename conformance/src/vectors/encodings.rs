//! Vectors of spec chapter 01.

use ed25519_dalek::SigningKey;
use serde_json::Value;

use super::{Case, bytes, each, members, outcome, text, whole_file};
use crate::{
    encoding::{digest_text, from_b64url, from_hex, from_multibase, hex, multibase},
    identity::check_participant,
    json::Json,
    jws::{Parts, valid_key, verify_strict},
    refusal::{Refusal, ensure},
    report::same,
};

/// Base64url without padding.
pub(super) fn base64url(file: &Value) -> Vec<Case> {
    let check = |case: &Value| {
        members(case, &["text", "bytes_hex", "outcome"])?;
        let decoded = from_b64url(text(case, "text")?);
        if text(case, "outcome")? == "accepted" {
            same("bytes", &Some(bytes(case, "bytes_hex")?), &decoded)
        } else {
            same("refusal", &None, &decoded.map(|bytes| hex(&bytes)))
        }
    };
    whole_file(file, &["about", "cases"], each(file, "cases", check))
}

/// Canonical JSON.
pub(super) fn jcs(file: &Value) -> Vec<Case> {
    let check = |case: &Value| {
        members(case, &["name", "input", "input_hex", "canonical", "digest", "outcome"])?;
        let input = match case["input_hex"].as_str() {
            Some(digits) => from_hex(digits).ok_or("input_hex")?,
            None => text(case, "input")?.as_bytes().to_vec(),
        };
        match Json::parse(&input) {
            Err(error) => same("outcome", &text(case, "outcome")?, &Refusal::from(error).code),
            Ok(json) => {
                same("outcome", &text(case, "outcome")?, &"accepted")?;
                let canonical = json.canonical();
                same("canonical", &text(case, "canonical")?, &canonical.as_str())?;
                same("digest", &text(case, "digest")?, &digest_text(canonical.as_bytes()).as_str())
            }
        }
    };
    whole_file(file, &["about", "cases"], each(file, "cases", check))
}

/// Compact JWS, read as participant statement of one signer.
pub(super) fn jws(file: &Value) -> Vec<Case> {
    let signer = file["signer"].as_str().and_then(from_multibase);
    let check = |case: &Value| {
        members(case, &["name", "jws", "outcome", "digest"])?;
        let open = |jws: &str| -> Result<(), Refusal> {
            let parts = Parts::parse("dxp-participant+jws", jws)?;
            ensure(Some(parts.header.key) == signer, "key_mismatch", "signed by another key")?;
            parts.verify()?;
            ensure(parts.payload.integer("v") == Some(1), "malformed", "v is not 1")?;
            check_participant(&parts.payload)
        };
        let jws = text(case, "jws")?;
        outcome(case, open(jws))?;
        if case["digest"].is_null() {
            Ok(())
        } else {
            same("digest", &text(case, "digest")?, &digest_text(jws.as_bytes()).as_str())
        }
    };
    let mut cases = each(file, "cases", check);
    cases.push(Case::of(
        "signer",
        seed(file, "signer_seed_hex").and_then(|key| {
            same(
                "signer",
                &file["signer"].as_str(),
                &Some(multibase(&key.verifying_key().to_bytes()).as_str()),
            )
        }),
    ));
    whole_file(file, &["about", "cases", "signer", "signer_seed_hex"], cases)
}

/// A signing key from its seed.
pub(super) fn seed(case: &Value, name: &str) -> Result<SigningKey, String> {
    let seed: [u8; 32] = bytes(case, name)?.try_into().map_err(|_| format!("{name} is not 32 bytes"))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Ed25519, strict.
pub(super) fn signatures(file: &Value) -> Vec<Case> {
    let mut cases = each(file, "keys", |case| {
        members(case, &["public", "public_hex", "seed_hex"])?;
        let public = seed(case, "seed_hex")?.verifying_key().to_bytes();
        same("public_hex", &text(case, "public_hex")?, &hex(&public).as_str())?;
        same("public", &text(case, "public")?, &multibase(&public).as_str())?;
        same("read back", &Some(public), &from_multibase(text(case, "public")?))
    });
    cases.extend(each(file, "bad_keys", |case| {
        members(case, &["name", "outcome", "public", "public_hex"])?;
        let accepted = match case["public_hex"].as_str() {
            Some(_) => <[u8; 32]>::try_from(bytes(case, "public_hex")?).is_ok_and(|key| valid_key(&key)),
            None => from_multibase(text(case, "public")?).is_some(),
        };
        same("outcome", &text(case, "outcome")?, &if accepted { "accepted" } else { "key_malformed" })
    }));
    cases.extend(each(file, "cases", |case| {
        members(case, &["name", "outcome", "public", "message_hex", "signature_hex"])?;
        let key = from_multibase(text(case, "public")?).ok_or("public")?;
        let signature = <[u8; 64]>::try_from(bytes(case, "signature_hex")?);
        let verified =
            signature.is_ok_and(|s| verify_strict(&key, &bytes(case, "message_hex").unwrap_or_default(), &s));
        same("outcome", &text(case, "outcome")?, &if verified { "accepted" } else { "signature_invalid" })
    }));
    whole_file(file, &["about", "keys", "bad_keys", "cases"], cases)
}
