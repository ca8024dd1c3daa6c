//! What is shown of a message of a plain peer: without secrets, and the same when shown again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::plain::shown;
use naru_protocol_fuzz as _;

fuzz_target!(|data: &[u8]| {
    let once = shown(data);
    assert_eq!(shown(&once), once);
});
