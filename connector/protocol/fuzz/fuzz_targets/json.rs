//! The parser of JSON and the canonical form: what is read is written, and read again, as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::json::{canonical, parse, parse_lenient};
use naru_protocol_fuzz as _;

fuzz_target!(|data: &[u8]| {
    let strict = parse(data);
    if let Ok(value) = &strict {
        let bytes = canonical(value).expect("what was read can be written");
        assert_eq!(parse(&bytes).as_ref(), Ok(value));
        assert_eq!(canonical(value).as_deref(), Ok(bytes.as_slice()));
        assert!(parse_lenient(data).is_ok(), "the lenient reader takes whatever the strict one takes");
    }
    let _ = parse_lenient(data);
});
