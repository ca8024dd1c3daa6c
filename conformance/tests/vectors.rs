//! The suite agrees with every vector of the specification, and passes over none.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use naru_conformance::{report::Outcome, vectors};

#[test]
fn every_vector_passes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors");
    let lines = vectors::run(&directory).unwrap();
    let failed: Vec<_> = lines.iter().filter(|line| matches!(line.outcome, Outcome::Fail(_))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(lines.len() > 900, "only {} cases", lines.len());
}

#[test]
fn strange_files_and_members_are_failures() {
    let directory = std::env::temp_dir().join(format!("naru-conformance-{}", std::process::id()));
    fs::create_dir_all(directory.join("encodings")).unwrap();
    fs::write(directory.join("encodings/strange.json"), "{}").unwrap();
    fs::write(
        directory.join("encodings/base64url.json"),
        r#"{"about":"","cases":[{"text":"","bytes_hex":"","outcome":"accepted","note":1}],"more":[]}"#,
    )
    .unwrap();
    let lines = vectors::run(&directory).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    let text: Vec<String> = lines.iter().map(|line| line.text()).collect();
    assert!(lines.iter().all(|line| matches!(line.outcome, Outcome::Fail(_))), "{text:?}");
    assert_eq!(lines.len(), 3, "{text:?}");
}
