//! Texts that name somebody or something: identities, addresses, tickets, digests. What is read is printed as it stood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::{
    encoding::{Digest, Id, from_base64url, to_base64url},
    error::Code,
    identity::{Country, Did, parse_peer_id},
    signature::PublicKey,
    ticket::{Address, Ticket},
};
use naru_protocol_fuzz as _;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bytes) = from_base64url(text) {
        assert_eq!(to_base64url(&bytes), text);
    }
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(id) = Id::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(did) = Did::parse(text) {
        assert_eq!(did.to_string(), text);
    }
    if let Ok(country) = Country::parse(text) {
        assert_eq!(country.to_string(), text);
    }
    if let Ok(code) = Code::parse(text) {
        assert_eq!(code.as_str(), text);
    }
    let _ = (parse_peer_id(text), PublicKey::parse(text), Ticket::parse(text, 1_795_439_812));
    if let Ok(address) = Address::parse(text) {
        assert_eq!(address.as_str(), text);
    }
});
