//! JSON Web Signatures as the exchange uses them: compact and general form, `alg` `Ed25519`, a typed header with the
//! key-set number, and strict verification.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::{
    encoding::{b64url, from_b64url, from_multibase, multibase},
    json::{Json, object},
    refusal::{Refusal, ensure},
};

/// A public key without latitude: on the curve, written the one canonical way, not of low order.
#[must_use]
pub fn valid_key(key: &[u8; 32]) -> bool {
    // y of 2^255 - 19 and above: the library reduces it, two texts would name one key.
    let unreduced = key[0] >= 0xed && key[1..31].iter().all(|byte| *byte == 0xff) && key[31] & 0x7f == 0x7f;
    !unreduced && VerifyingKey::from_bytes(key).is_ok_and(|key| !key.is_weak())
}

/// Ed25519 without latitude: canonical point and scalar encodings, no low-order points.
#[must_use]
pub fn verify_strict(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let strict = |key: VerifyingKey| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
    valid_key(key) && VerifyingKey::from_bytes(key).is_ok_and(strict)
}

/// The types of signed documents, each with the largest size in bytes of its text.
const TYPES: [(&str, usize); 10] = [
    ("dxp-token+jwt", 4 << 10),
    ("dxp-ack+jws", 2 << 10),
    ("dxp-listing+jws", 256 << 10),
    ("dxp-agreement+jws", 256 << 10),
    ("dxp-keys+jws", 8 << 10),
    ("dxp-participant+jws", 4 << 10),
    ("dxp-window+jws", 2 << 10),
    ("dxp-capability+jws", 2 << 10),
    ("dxp-packs+jws", 512 << 10),
    ("dxp-data+jws", 512 << 10),
];

/// The header of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Public key that signed.
    pub key: [u8; 32],
    /// Number of its key set; 0 for the root key.
    pub key_set: i64,
    /// What kind of document this is.
    pub typ: String,
}

impl Header {
    fn json(&self) -> Json {
        object([
            ("alg", "Ed25519".into()),
            ("kid", multibase(&self.key).into()),
            ("ks", self.key_set.into()),
            ("typ", self.typ.as_str().into()),
        ])
    }

    fn parse(encoded: &str) -> Result<Self, Refusal> {
        let json = canonical_part(encoded)?;
        let keys = json.keys();
        ensure(keys == ["alg", "kid", "ks", "typ"], "malformed", format!("header members {keys:?}"))?;
        ensure(json.text("alg") == Some("Ed25519"), "malformed", "alg is not Ed25519")?;
        let key =
            json.text("kid").and_then(from_multibase).ok_or_else(|| Refusal::malformed("kid is no key"))?;
        let number = json.integer("ks").filter(|number| *number >= 0);
        let key_set = number.ok_or_else(|| Refusal::malformed("ks is no number"))?;
        let typ = json.text("typ").unwrap_or_default().to_owned();
        ensure(TYPES.iter().any(|(known, _)| *known == typ), "malformed", format!("unknown typ {typ:?}"))?;
        Ok(Self { key, key_set, typ })
    }
}

/// The largest size of the text of a type.
pub(crate) fn limit(typ: &str) -> usize {
    TYPES.iter().find(|(known, _)| *known == typ).map_or(0, |(_, limit)| *limit)
}

/// One part of a JWS: base64url of canonical JSON.
pub(crate) fn canonical_part(encoded: &str) -> Result<Json, Refusal> {
    let bytes = from_b64url(encoded).ok_or_else(|| Refusal::malformed("a part is not base64url"))?;
    let json = Json::parse(&bytes)?;
    ensure(json.canonical().as_bytes() == bytes, "not_canonical", "a part is not canonical JSON")?;
    Ok(json)
}

/// A compact JWS taken apart, its signature not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The header.
    pub header: Header,
    /// The payload as it was signed.
    pub payload: Json,
    signed: &'a str,
    signature: [u8; 64],
}

impl<'a> Parts<'a> {
    /// Takes a compact JWS of some type apart.
    pub fn parse(typ: &str, text: &'a str) -> Result<Self, Refusal> {
        let limit = limit(typ);
        ensure(text.len() <= limit, "too_large", format!("longer than {limit} bytes"))?;
        let (signed, signature) =
            text.rsplit_once('.').ok_or_else(|| Refusal::malformed("not three parts"))?;
        let (header, payload) =
            signed.split_once('.').ok_or_else(|| Refusal::malformed("not three parts"))?;
        let header = Header::parse(header)?;
        ensure(header.typ == typ, "wrong_type", format!("typ is {} where {typ} is due", header.typ))?;
        let signature = from_b64url(signature).and_then(|bytes| bytes.try_into().ok());
        let signature = signature.ok_or_else(|| Refusal::malformed("the signature is not 64 bytes"))?;
        Ok(Self { header, payload: canonical_part(payload)?, signed, signature })
    }

    /// Checks the signature by the key that the header names; whether that key may sign is the caller's question.
    pub fn verify(&self) -> Result<(), Refusal> {
        let verified = verify_strict(&self.header.key, self.signed.as_bytes(), &self.signature);
        ensure(verified, "signature_invalid", "the signature does not verify")
    }
}

/// Signs any bytes as a compact JWS; for honest documents use [`sign`].
#[must_use]
pub fn sign_bytes(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", b64url(header.as_bytes()), b64url(payload));
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", b64url(&signature.to_bytes()))
}

/// Signs a payload.
#[must_use]
pub fn sign(typ: &str, key_set: i64, key: &SigningKey, payload: &Json) -> String {
    let header = Header { key: key.verifying_key().to_bytes(), key_set, typ: typ.to_owned() };
    sign_bytes(&header.json().canonical(), payload.canonical().as_bytes(), key)
}

/// The headers of a general JWS (`payload`, `signatures`), each verified, and its payload.
pub fn open_general(typ: &str, jws: &Json) -> Result<(Vec<Header>, Json), Refusal> {
    ensure(jws.keys() == ["payload", "signatures"], "malformed", format!("members {:?}", jws.keys()))?;
    let payload = jws.text("payload").unwrap_or_default();
    let mut headers = Vec::new();
    for signature in jws.list("signatures") {
        let keys = signature.keys();
        ensure(keys == ["protected", "signature"], "malformed", format!("signature members {keys:?}"))?;
        headers.push(open_signature(typ, payload, signature)?);
    }
    ensure(!headers.is_empty(), "malformed", "nobody signed")?;
    Ok((headers, canonical_part(payload)?))
}

/// Checks one signature of a general JWS over its encoded payload.
pub fn open_signature(typ: &str, payload: &str, signature: &Json) -> Result<Header, Refusal> {
    let line = Line::parse(typ, signature)?;
    line.verify(payload)?;
    Ok(line.header)
}

/// One signature of a general JWS taken apart, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The header.
    pub header: Header,
    protected: String,
    signature: [u8; 64],
}

impl Line {
    /// Takes a signature of some type apart.
    pub fn parse(typ: &str, signature: &Json) -> Result<Self, Refusal> {
        let protected = signature.text("protected").unwrap_or_default();
        let header = Header::parse(protected)?;
        ensure(header.typ == typ, "wrong_type", format!("typ is {} where {typ} is due", header.typ))?;
        let bytes = signature.text("signature").and_then(from_b64url).and_then(|bytes| bytes.try_into().ok());
        let signature = bytes.ok_or_else(|| Refusal::malformed("the signature is not 64 bytes"))?;
        Ok(Self { header, protected: protected.to_owned(), signature })
    }

    /// Checks it over an encoded payload, by the key that its header names.
    pub fn verify(&self, payload: &str) -> Result<(), Refusal> {
        let signed = format!("{}.{payload}", self.protected);
        let verified = verify_strict(&self.header.key, signed.as_bytes(), &self.signature);
        ensure(verified, "signature_invalid", "the signature does not verify")
    }
}

/// One signature over an encoded payload, as it stands in a general JWS.
#[must_use]
pub fn signature_object(typ: &str, key_set: i64, key: &SigningKey, payload: &str) -> Json {
    let header = Header { key: key.verifying_key().to_bytes(), key_set, typ: typ.to_owned() };
    let protected = b64url(header.json().canonical().as_bytes());
    let signature = key.sign(format!("{protected}.{payload}").as_bytes());
    object([("protected", protected.into()), ("signature", b64url(&signature.to_bytes()).into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYP: &str = "dxp-window+jws";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    fn code(text: &str) -> &'static str {
        Parts::parse(TYP, text)
            .and_then(|parts| parts.verify())
            .map_or_else(|refusal| refusal.code, |()| "accepted")
    }

    #[test]
    fn what_is_signed_opens() {
        let payload = object([("v", 1.into())]);
        let text = sign(TYP, 2, &key(), &payload);
        let parts = Parts::parse(TYP, &text).unwrap();
        assert_eq!((parts.verify(), &parts.payload, parts.header.key_set), (Ok(()), &payload, 2));
        assert_eq!(Parts::parse("dxp-ack+jws", &text).unwrap_err().code, "wrong_type");
        let encoded = b64url(payload.canonical().as_bytes());
        let jws = object([
            ("payload", encoded.as_str().into()),
            ("signatures", vec![signature_object(TYP, 2, &key(), &encoded)].into()),
        ]);
        assert_eq!(open_general(TYP, &jws).unwrap().1, payload);
    }

    #[test]
    fn other_headers_and_spellings_are_refused() {
        let kid = multibase(&key().verifying_key().to_bytes());
        let good = format!("{{\"alg\":\"Ed25519\",\"kid\":\"{kid}\",\"ks\":0,\"typ\":\"{TYP}\"}}");
        assert_eq!(code(&sign_bytes(&good, b"{}", &key())), "accepted");
        for (from, to) in [
            ("Ed25519", "EdDSA"),
            ("\"ks\":0,", ""),
            ("\"ks\":0", "\"ks\":-1"),
            ("\"ks\"", "\"km\":[],\"ks\""),
        ] {
            assert_eq!(code(&sign_bytes(&good.replace(from, to), b"{}", &key())), "malformed", "{to}");
        }
        assert_eq!(code(&sign_bytes(&good.replace(',', ", "), b"{}", &key())), "not_canonical");
        assert_eq!(code(&sign_bytes(&good, b"{ }", &key())), "not_canonical");
        let text = sign_bytes(&good, b"{}", &key());
        assert_eq!(code(&format!("{text}=")), "malformed");
        assert_eq!(code(&text.replace('.', "..")), "malformed");
        assert_eq!(code(&sign_bytes(&good, b"{}", &SigningKey::from_bytes(&[8; 32]))), "signature_invalid");
    }

    #[test]
    fn low_order_and_unreduced_keys_are_refused() {
        // The identity point signs anything for a lenient verifier: R = identity, s = 0.
        let mut identity = [0u8; 32];
        identity[0] = 1;
        let mut signature = [0u8; 64];
        signature[0] = 1;
        assert!(!verify_strict(&identity, b"anything", &signature));
        let mut unreduced = [0xff; 32];
        unreduced[0] = 0xee;
        unreduced[31] = 0x7f;
        assert!(!valid_key(&unreduced));
    }
}
