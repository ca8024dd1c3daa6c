//! Digests of packs, which an agreement pins (POL-2), and of documents (POL-1). SHA-256, written as unpadded base64url (43 characters).
//! Not here: which pack is trusted.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// SHA-256 of `bytes` as unpadded base64url.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(bytes))
}

/// The digest that names a pack: SHA-256 over JCS of the digests of its three parts, each as text.
/// The order of members is JCS's, and no character of a digest needs an escape.
#[must_use]
pub fn pack_digest(wasm: &str, data: &str, manifest: &str) -> String {
    sha256(format!(r#"{{"data":"{data}","manifest":"{manifest}","wasm":"{wasm}"}}"#).as_bytes())
}

/// The digest of a JSON document whose numbers are integers, such as the shared part (POL-1.5): SHA-256 of its JCS.
#[must_use]
pub fn document_digest(document: &Value) -> String {
    sha256(&crate::jcs::to_vec(document))
}
