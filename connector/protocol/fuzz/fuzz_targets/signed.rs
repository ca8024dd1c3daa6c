//! Signed documents: tokens, acknowledgements, statements, decisions, agreements, tickets. Nothing that was not signed verifies.
//!
//! The first byte says what follows: a text as it came, or a payload that is put into a JWS of its type and signed with the keys
//! of the vectors, since no mutation finds a signature and few keep base64url whole.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use naru_protocol::{
    act::{Ack, Answer, Method, Path, Request, Token, check_ack, check_token, peek_token},
    agreement::{Content, Decisions, Jws, ProviderSigned, SignedByBoth},
    encoding::{Digest, to_base64url},
    identity::{Did, KeyRing, KeySet, Participant, PinnedPeer, verify_key_set, verify_participant},
    json::{parse_canonical, to_canonical},
    jws::{self, Alg, Header, Payload, Verified},
    listing::Listing,
    permit::EvaluationRecord,
    plain::{PlainAct, UnsignedTerms},
    receipt::{Capability, DataReceipt},
    signature::SigningKey,
    terms::{Decision, Terms},
    ticket::Ticket,
    window::WindowAck,
};
use naru_protocol_fuzz as _;

/// The time of most vectors.
const NOW: u64 = 1_767_225_600;

/// The peer of the vectors of chapter 03: its root, the key of its first key set, and the ring that holds it.
struct Peer {
    root: SigningKey,
    signing: SigningKey,
    ring: KeyRing,
    me: Did,
}

fn peer() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| {
        let key = |seed: u8| SigningKey::from_seed(&[seed; 32]);
        let (root, signing) = (key(1), key(0x14));
        let did = Did::of(root.public());
        let set = KeySet {
            v: naru_protocol::json::V1,
            iss: did,
            number: 1,
            signing: signing.public(),
            log: key(3).public(),
            transport: key(4).public(),
            witness: key(5).public(),
            valid_from: 0,
            revoked: Vec::new(),
        };
        let text = jws::sign_compact(&set, 0, &root).expect("a key set can be signed");
        let mut ring = KeyRing::new(did);
        ring.accept(&verify_key_set(&text).expect("what was signed verifies")).expect("the first is taken");
        Peer { root, signing, ring, me: Did::of(key(2).public()) }
    })
}

/// These bytes as the payload of a JWS of the type, signed; unsigned where the type would not have been read anyway.
fn wrapped<M: Payload>(payload: &[u8], ks: u32, key: &SigningKey) -> String {
    let header = Header { alg: Alg::Ed25519, kid: key.public(), ks, typ: M::TYP };
    let protected = to_base64url(&to_canonical(&header).expect("a header can be written"));
    let input = format!("{protected}.{}", to_base64url(payload));
    let unsigned = format!("{input}.{}", to_base64url(&[0; 64]));
    match jws::peek::<M>(&unsigned) {
        Ok(_) => {
            assert!(jws::verify_compact::<M>(&unsigned, &key.public()).is_err(), "nothing was signed");
            format!("{input}.{}", to_base64url(&key.sign(input.as_bytes())))
        }
        Err(_) => unsigned,
    }
}

/// A statement under the key of the first key set; what verifies, signed again, is the same text.
fn statement<M: Payload>(payload: &[u8]) -> Option<Verified<M>> {
    let key = &peer().signing;
    let text = wrapped::<M>(payload, 1, key);
    let verified = jws::verify_compact::<M>(&text, &key.public()).ok()?;
    assert_eq!(jws::sign_compact(verified.payload(), 1, key).as_ref(), Ok(&text));
    Some(verified)
}

/// A canonical document without a signature of its own: what is read is written as it stood.
fn document<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: T = parse_canonical(bytes).ok()?;
    assert_eq!(to_canonical(&read).as_deref(), Ok(bytes));
    Some(read)
}

fn text(text: &str) {
    let _ = (peek_token(text), verify_key_set(text), verify_participant(text));
    let _ = (jws::peek::<Ack>(text), jws::peek::<Listing>(text));
    let _ = (jws::peek::<Capability>(text), jws::peek::<WindowAck>(text));
    let _ = Ticket::parse(text, NOW);
    if let Ok(path) = Path::parse(text) {
        assert_eq!(path.to_string(), text);
    }
}

fn key_set(payload: &[u8]) {
    let text = wrapped::<KeySet>(payload, 0, &peer().root);
    let Ok(set) = verify_key_set(&text) else { return };
    let mut ring = peer().ring.clone();
    if ring.accept(&set).is_ok() {
        let (number, from) = (set.payload().number, set.payload().valid_from);
        let _ = (ring.signing_key(1, 1, NOW), ring.signing_key(number, number, from), ring.newest());
        assert!(ring.accept(&set).is_ok(), "known now");
    }
    let statement = wrapped::<Participant>(payload, 0, &peer().root);
    let _ = PinnedPeer::pin(&statement, [text.as_str()]);
}

fn participant(payload: &[u8]) {
    let text = wrapped::<Participant>(payload, 0, &peer().root);
    if let Ok(read) = verify_participant(&text) {
        assert_eq!(jws::sign_compact(read.payload(), 0, &peer().root).as_ref(), Ok(&text));
    }
}

fn token(payload: &[u8]) {
    let text = wrapped::<Token>(payload, 1, &peer().signing);
    let Ok(read) = peek_token(&text) else { return };
    let path = read.claims().path.to_string();
    let (ring, me, now) = (&peer().ring, &peer().me, read.claims().iat);
    let request = Request { ring, min: 1, me, method: Method::Post, path: &path, now };
    let _ = check_token(&text, &request, b"{}");
}

fn ack(payload: &[u8]) {
    let text = wrapped::<Ack>(payload, 1, &peer().signing);
    let Ok(read) = jws::peek::<Ack>(&text) else { return };
    let (act, status) = (read.claims().act, read.claims().status);
    let answer = Answer { ring: &peer().ring, min: 1, me: &peer().me, act, status, content: b"{}", now: NOW };
    let _ = check_ack(&text, &answer);
}

fn agreement(bytes: &[u8]) {
    if let Some(content) = document::<Content>(bytes) {
        let Decisions { provider, consumer } = &content.decisions;
        let _ = (content.terms.check(), provider.allow, consumer.allow);
    }
    if let Ok(jws) = Jws::parse(bytes) {
        let ring = &peer().ring;
        let rings = naru_protocol::agreement::Rings { provider: ring, consumer: ring };
        let _ = (jws.payload_bytes(), ProviderSigned::from_evidence(&jws, ring));
        let _ = SignedByBoth::from_evidence(&jws, rings);
    }
}

fn others(bytes: &[u8]) {
    if let Some(terms) = document::<Terms>(bytes) {
        let _ = terms.check();
    }
    let _ = (document::<Decision>(bytes), document::<UnsignedTerms>(bytes), document::<PlainAct>(bytes));
    let _ = (EvaluationRecord::parse(bytes), DataReceipt::parse(bytes));
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 11 {
        0 => text(&String::from_utf8_lossy(bytes)),
        1 => key_set(bytes),
        2 => participant(bytes),
        3 => token(bytes),
        4 => ack(bytes),
        5 => {
            if let Some(listing) = statement::<Listing>(bytes) {
                let _ = (listing.payload().validate(), listing.payload().holds_at(NOW), Digest::of(bytes));
            }
        }
        6 => drop(statement::<Capability>(bytes)),
        7 => drop(statement::<WindowAck>(bytes)),
        8 => drop(Ticket::parse(&format!("naru1{}", to_base64url(bytes)), NOW)),
        9 => agreement(bytes),
        _ => others(bytes),
    }
});
