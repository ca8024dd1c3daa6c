//! Signed documents: tokens, acknowledgements, statements, decisions, agreements. Nothing that was not signed verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::{
    act::{Ack, Path, peek_token},
    agreement::Content,
    identity::{KeySet, Participant, verify_key_set, verify_participant},
    jws,
    listing::Listing,
    permit::EvaluationRecord,
    receipt::{Capability, DataReceipt},
    terms::{Decision, Terms},
    window::WindowAck,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = peek_token(text);
    let _ = jws::peek::<Ack>(text);
    let _ = jws::peek::<Listing>(text);
    let _ = jws::peek::<Capability>(text);
    let _ = jws::peek::<WindowAck>(text);
    let _ = jws::peek::<KeySet>(text);
    let _ = jws::peek::<Participant>(text);
    let _ = (verify_key_set(text), verify_participant(text));
    if let Ok(path) = Path::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    let _ = naru_protocol::json::parse_canonical::<Content>(data);
    let _ = naru_protocol::json::parse_canonical::<Terms>(data);
    let _ = naru_protocol::json::parse_canonical::<Decision>(data);
    let _ = EvaluationRecord::parse(data);
    let _ = DataReceipt::parse(data);
    let _ = jws::Jws::parse(data);
});
