//! Vector files of the specification: compared byte for byte, written anew with `NARU_WRITE_VECTORS=1`.
//!
//! Everything in them follows from fixed seeds and times, so that any implementation can reproduce them.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::{env, fs, io::Write as _, path::PathBuf};

use naru_protocol::{
    encoding::to_base64url,
    identity::{Country, Did, Participant, Role, Size},
    json::V1,
    signature::{PublicKey, SigningKey},
};
use serde_json::Value;

/// The time at which all vectors happen: 2026-01-01T00:00:00Z.
pub(crate) const NOW: u64 = 1_767_225_600;

/// The folder of the specification.
pub(crate) fn spec() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

/// Compares a file of the specification with what it must be; with `NARU_WRITE_VECTORS=1` writes it.
pub(crate) fn same_bytes(path: &str, expected: &str) {
    let path = spec().join(path);
    if env::var_os("NARU_WRITE_VECTORS").is_some_and(|set| set == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        found.replace("\r\n", "\n") == expected,
        "{} is not what the code gives; NARU_WRITE_VECTORS=1 writes it",
        path.display()
    );
}

/// Compares (or writes) a vector file below `spec/vectors`.
pub(crate) fn same(name: &str, expected: &Value) {
    let mut text = serde_json::to_string_pretty(expected).unwrap();
    text.push('\n');
    same_bytes(&format!("vectors/{name}"), &text);
}

/// The folder with vectors of others, or `None` after saying loudly that a test is skipped: past the capture of tests
/// that pass. `.ci/run` compares what [`judged`] says with what is committed, so that nothing is skipped there.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let folder = env::var_os("NARU_SHARED").map(PathBuf::from);
    if folder.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {what}: NARU_SHARED does not name the folder that holds vectors/ and dsp-2025-1/"
        );
    }
    folder
}

/// Says what came of vectors of others (`.ci/judged`).
pub(crate) fn judged(what: &str) {
    println!("JUDGED {what}");
}

/// The seed of test key `n`: 32 times the byte `n`.
pub(crate) fn seed(n: u8) -> [u8; 32] {
    [n; 32]
}

/// Test key `n`.
pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&seed(n))
}

/// Public half of test key `n`.
pub(crate) fn public(n: u8) -> PublicKey {
    key(n).public()
}

/// The participant whose root is test key `n`.
pub(crate) fn did(n: u8) -> Did {
    Did::of(public(n))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of lower-case or upper-case hex.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Signs any header and payload bytes: what a wrong implementation would send.
pub(crate) fn sign_raw(header: &str, payload: &[u8], signer: &SigningKey) -> String {
    let input = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(payload));
    format!("{input}.{}", to_base64url(&signer.sign(input.as_bytes())))
}

/// The participant statement of root `n`.
pub(crate) fn participant(n: u8) -> Participant {
    Participant {
        v: V1,
        iss: did(n),
        name: "한밭정밀 Hanbat Precision".to_owned(),
        country: Country::parse("KR").unwrap(),
        size: Size::Sme,
        roles: vec![Role::Consumer, Role::Provider],
        at: NOW,
    }
}
