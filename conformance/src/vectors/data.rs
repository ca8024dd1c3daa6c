//! Vectors of spec chapters 04 and 07: dataset versions, file lists, listings, capabilities, windows, receipts.

use ed25519_dalek::SigningKey;
use serde_json::Value;

use super::{Case, each, list, members, number, outcome, text, whole_file};
use crate::{
    content::{
        CHUNK, check_summary, chunk_hashes, content_root, fits, hashes_digest, read_list, served_up_to,
        window, window_ends,
    },
    encoding::{b64url, digest_text},
    json::Json,
    jws::{self, Parts},
    messages,
    report::same,
};

fn json(value: &Value) -> Result<Json, String> {
    Json::from_serde(value).map_err(|error| error.to_string())
}

/// Byte i of every file is i mod 251.
fn bytes_of(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

/// A dataset version with all its digests.
pub(super) fn content(file: &Value) -> Vec<Case> {
    let whole = || {
        let (summary, text_list) = (json(&file["summary"])?, text(file, "file_list")?);
        same(
            "summary digest",
            &text(file, "summary_digest")?,
            &digest_text(summary.canonical().as_bytes()).as_str(),
        )?;
        same(
            "file list digest",
            &text(file, "file_list_digest")?,
            &digest_text(text_list.as_bytes()).as_str(),
        )?;
        same("content root", &text(file, "content_root")?, &content_root(&summary, text_list).as_str())?;
        check_summary(&summary)?;
        fits(&summary, &read_list(text_list)?).map_err(String::from)
    };
    let mut cases = vec![Case::of("digests", whole())];
    for case in list(file, "files") {
        let check = || {
            members(case, &["path", "size", "sha256", "chunks", "chunk_hashes"])?;
            let content = bytes_of(number(case, "size")?);
            let hashes = chunk_hashes(&content);
            let texts: Vec<Value> = hashes.iter().map(|hash| b64url(hash).into()).collect();
            same("chunk hashes", &list(case, "chunk_hashes"), &texts.as_slice())?;
            same("chunks", &text(case, "chunks")?, &hashes_digest(&hashes).as_str())?;
            same("sha256", &text(case, "sha256")?, &digest_text(&content).as_str())?;
            let files = read_list(text(file, "file_list")?)?;
            let path = text(case, "path")?;
            let listed = files.iter().find(|file| file.path == path).ok_or("not in the list")?;
            same(
                "in the list",
                &(listed.sha256.as_str(), listed.chunks.as_str()),
                &(text(case, "sha256")?, text(case, "chunks")?),
            )
        };
        cases.push(Case::of(case["path"].as_str().unwrap_or("?"), check()));
    }
    whole_file(
        file,
        &["about", "content_root", "file_list", "file_list_digest", "files", "summary", "summary_digest"],
        cases,
    )
}

/// File lists.
pub(super) fn file_lists(file: &Value) -> Vec<Case> {
    let cases = each(file, "cases", |case| {
        members(case, &["name", "text", "outcome"])?;
        outcome(case, read_list(text(case, "text")?))
    });
    whole_file(file, &["about", "cases"], cases)
}

/// A signed document: the key of the seed, the payload, the same bytes when it is signed again.
fn signed(jws: &str, typ: &str, seed: u8, payload: &Value) -> Result<(), String> {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let parts = Parts::parse(typ, jws)?;
    parts.verify()?;
    same("key", &key.verifying_key().to_bytes(), &parts.header.key)?;
    same("payload", &json(payload)?, &parts.payload)?;
    same("signed again", &jws, &jws::sign(typ, parts.header.key_set, &key, &parts.payload).as_str())
}

/// Listing, capability and data receipt.
pub(super) fn statements(file: &Value) -> Vec<Case> {
    let statement = |name: &str, typ: &str| {
        let case = &file[name];
        members(case, &["payload", "signed"])?;
        members(&case["signed"], &["jws", "digest"])?;
        let jws = text(&case["signed"], "jws")?;
        same("digest", &text(&case["signed"], "digest")?, &digest_text(jws.as_bytes()).as_str())?;
        signed(jws, typ, 21, &case["payload"])
    };
    let receipt = || {
        let case = &file["receipt"];
        members(case, &["body", "canonical"])?;
        let canonical = text(case, "canonical")?;
        same("canonical", &canonical, &json(&case["body"])?.canonical().as_str())?;
        let kept = messages::read("DataReceipt", canonical.as_bytes())?;
        same("read", &canonical, &kept.canonical().as_str())
    };
    let cases = vec![
        Case::of("listing", statement("listing", "dxp-listing+jws")),
        Case::of("capability", statement("capability", "dxp-capability+jws")),
        Case::of("receipt", receipt()),
    ];
    whole_file(file, &["about", "listing", "capability", "receipt"], cases)
}

/// Windows and their acknowledgements, over the dataset version of its own file.
pub(super) fn windows(file: &Value, content: &Value) -> Vec<Case> {
    let mut cases = each(file, "sizes", |case| {
        members(case, &["size", "window"])?;
        same("window", &number(case, "window")?, &window(number(case, "size")?))
    });
    cases.extend(each(file, "cuts", |case| {
        members(case, &["name", "chunks", "served_up_to", "sizes", "window", "window_ends"])?;
        let sizes: Vec<u64> = list(case, "sizes").iter().filter_map(Value::as_u64).collect();
        let size = window(sizes.iter().sum());
        same("window", &number(case, "window")?, &size)?;
        let ends = window_ends(&sizes, size);
        let values =
            |numbers: &[usize]| numbers.iter().map(|number| Value::from(*number)).collect::<Vec<_>>();
        same("window ends", &list(case, "window_ends"), &values(&ends).as_slice())?;
        let chunks: u64 = sizes.iter().map(|size| size.div_ceil(CHUNK as u64)).sum();
        same("chunks", &number(case, "chunks")?, &chunks)?;
        let served: Vec<usize> =
            (0..=ends.len()).map(|acknowledged| served_up_to(&ends, acknowledged)).collect();
        same("served up to", &list(case, "served_up_to"), &values(&served).as_slice())
    }));
    let sizes: Vec<u64> = list(content, "files").iter().filter_map(|file| file["size"].as_u64()).collect();
    let hashes: Vec<[u8; 32]> = sizes.iter().flat_map(|size| chunk_hashes(&bytes_of(*size))).collect();
    let ends = window_ends(&sizes, window(sizes.iter().sum()));
    cases.extend(each(file, "acknowledgements", |case| {
        members(case, &["jws", "payload"])?;
        let payload = &case["payload"];
        let chunks = number(payload, "chunks")? as usize;
        let place = (number(payload, "window")? as usize).checked_sub(1).and_then(|place| ends.get(place));
        same("window", &place, &Some(&chunks))?;
        let verified = hashes.get(..chunks).ok_or("more chunks than there are")?;
        same("digest", &text(payload, "digest")?, &hashes_digest(verified).as_str())?;
        signed(text(case, "jws")?, "dxp-window+jws", 11, payload)
    }));
    whole_file(file, &["about", "sizes", "cuts", "acknowledgements"], cases)
}
