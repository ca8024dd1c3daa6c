//! Acts, tokens and acknowledgements (spec chapter 03): making honest and dishonest ones, and checking the peer's.

use ed25519_dalek::SigningKey;

use crate::{
    encoding::{b64url, digest_text, fixed},
    identity::{KeySet, Ring},
    json::{Json, object},
    jws::{self, Parts},
    note::Checkpoint,
    refusal::{Refusal, ensure},
};

/// What an act is, apart from who carries it where: the members that its digest covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Sixteen random bytes that name it.
    pub msg: [u8; 16],
    /// DID of the sender.
    pub iss: String,
    /// DID of the receiver.
    pub aud: String,
    /// Exchange id.
    pub exchange: [u8; 16],
    /// Upper-case method.
    pub method: String,
    /// Request target after the base of its API.
    pub path: String,
    /// Content bytes.
    pub body: Vec<u8>,
    /// Digest of the receiver's act that this one follows.
    pub prev: Option<String>,
}

impl Act {
    /// The act digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let json = object([
            ("v", 1.into()),
            ("msg", b64url(&self.msg).into()),
            ("iss", self.iss.as_str().into()),
            ("aud", self.aud.as_str().into()),
            ("exchange", b64url(&self.exchange).into()),
            ("method", self.method.as_str().into()),
            ("path", self.path.as_str().into()),
            ("body", digest_text(&self.body).into()),
            ("prev", self.prev.clone().into()),
        ]);
        digest_text(json.canonical().as_bytes())
    }

    /// The token payload of the act, valid from `iat`, naming the entry that holds it.
    #[must_use]
    pub fn token(&self, iat: i64, index: u64, checkpoint: &str) -> Json {
        object([
            ("iss", self.iss.as_str().into()),
            ("sub", self.iss.as_str().into()),
            ("aud", self.aud.as_str().into()),
            ("iat", iat.into()),
            ("exp", (iat + 240).into()),
            ("method", self.method.as_str().into()),
            ("path", self.path.as_str().into()),
            ("body", digest_text(&self.body).into()),
            ("msg", b64url(&self.msg).into()),
            ("exchange", b64url(&self.exchange).into()),
            ("prev", self.prev.clone().into()),
            ("checkpoint", checkpoint.into()),
            ("index", index.into()),
        ])
    }
}

/// The token payload of a read or a service post.
#[must_use]
pub fn read_token(iss: &str, aud: &str, iat: i64, method: &str, path: &str, body: &[u8]) -> Json {
    object([
        ("iss", iss.into()),
        ("sub", iss.into()),
        ("aud", aud.into()),
        ("iat", iat.into()),
        ("exp", (iat + 240).into()),
        ("method", method.into()),
        ("path", path.into()),
        ("body", digest_text(body).into()),
        ("msg", Json::Null),
        ("exchange", Json::Null),
        ("prev", Json::Null),
        ("checkpoint", Json::Null),
        ("index", Json::Null),
    ])
}

/// Signs a token payload under key set 1 of the suite.
#[must_use]
pub fn sign_token(payload: &Json, key: &SigningKey) -> String {
    jws::sign("dxp-token+jwt", 1, key, payload)
}

const TOKEN_MEMBERS: [&str; 13] = [
    "aud",
    "body",
    "checkpoint",
    "exchange",
    "exp",
    "iat",
    "index",
    "iss",
    "method",
    "msg",
    "path",
    "prev",
    "sub",
];

/// What a token comes with.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// DID of the receiver.
    pub me: &'a str,
    /// Time of arrival.
    pub now: i64,
    /// Method of the request.
    pub method: &'a str,
    /// Request target after the base of its API.
    pub path: &'a str,
    /// Content bytes.
    pub body: &'a [u8],
}

/// A token whose signature and members hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The act, if it carries one.
    pub act: Option<Act>,
    /// The sender's note that covers the act's entry, not yet verified.
    pub checkpoint: Option<String>,
    /// Index of that entry.
    pub index: Option<u64>,
    /// Who signed.
    pub signer: KeySet,
}

/// Checks a token of `peer`, whose newest usable key set is at least `min`.
pub fn open_token(
    text: &str,
    peer: &str,
    ring: &Ring,
    min: i64,
    arrival: &Arrival<'_>,
) -> Result<Token, Refusal> {
    let shaped = |refusal: Refusal| refusal.shaped("token_malformed");
    let parts = Parts::parse("dxp-token+jwt", text).map_err(shaped)?;
    let signer = ring.signer(parts.header.key_set, min, arrival.now)?;
    ensure(parts.header.key == signer.signing, "key_mismatch", "kid is not the signing key of that set")?;
    parts.verify()?;
    let token = &parts.payload;
    let read = read_members(token).map_err(|why| Refusal::new("token_malformed", why))?;
    let text = |name: &str| token.text(name).unwrap_or_default();
    ensure(text("iss") == peer && text("sub") == peer, "wrong_issuer", format!("iss {}", text("iss")))?;
    ensure(text("aud") == arrival.me, "wrong_audience", format!("aud {}", text("aud")))?;
    ensure(text("method") == arrival.method, "wrong_method", format!("method {}", text("method")))?;
    ensure(text("path") == arrival.path, "wrong_path", format!("path {}", text("path")))?;
    ensure(text("body") == digest_text(arrival.body), "body_mismatch", "the content has another digest")?;
    let (iat, exp) = (token.integer("iat").unwrap_or_default(), token.integer("exp").unwrap_or_default());
    ensure(iat <= arrival.now + 60, "token_not_yet", format!("iat {iat}, now {}", arrival.now))?;
    ensure(arrival.now <= exp + 60, "token_expired", format!("exp {exp}, now {}", arrival.now))?;
    let act = read.map(|(msg, exchange)| Act {
        msg,
        iss: peer.to_owned(),
        aud: arrival.me.to_owned(),
        exchange,
        method: arrival.method.to_owned(),
        path: arrival.path.to_owned(),
        body: arrival.body.to_vec(),
        prev: token.text("prev").map(str::to_owned),
    });
    let index = token.integer("index").and_then(|index| u64::try_from(index).ok());
    Ok(Token { act, checkpoint: token.text("checkpoint").map(str::to_owned), index, signer: signer.clone() })
}

/// The two ids of an act.
type Ids = ([u8; 16], [u8; 16]);

/// Checks the shape of a token payload: message and exchange if it is an act's.
fn read_members(token: &Json) -> Result<Option<Ids>, String> {
    if token.keys() != TOKEN_MEMBERS {
        return Err(format!("members {:?}", token.keys()));
    }
    for name in ["iss", "sub", "aud", "path"] {
        token.text(name).ok_or(format!("{name} is no text"))?;
    }
    token.text("body").and_then(fixed::<32>).ok_or("body is no digest")?;
    let method = token.text("method").unwrap_or_default();
    if !["GET", "POST"].contains(&method) || !plain_path(token.text("path").unwrap_or_default()) {
        return Err("method or path".to_owned());
    }
    let (iat, exp) = (token.integer("iat").ok_or("iat")?, token.integer("exp").ok_or("exp")?);
    if iat < 0 || exp <= iat || exp - iat > 300 {
        return Err(format!("iat {iat}, exp {exp}"));
    }
    let null = |name: &str| token.get(name) == Some(&Json::Null);
    let members = ["msg", "exchange", "checkpoint", "index"];
    if members.into_iter().all(null) && null("prev") {
        return Ok(None);
    }
    let id = |name: &str| token.text(name).and_then(fixed::<16>).ok_or(format!("{name} is no id"));
    let ids = (id("msg")?, id("exchange")?);
    if !null("prev") {
        token.text("prev").and_then(fixed::<32>).ok_or("prev is no digest")?;
    }
    token.integer("index").filter(|index| *index >= 0).ok_or("index is no number")?;
    let checkpoint = token.text("checkpoint").unwrap_or_default();
    if method != "POST" || checkpoint.is_empty() || checkpoint.len() > 768 {
        return Err("not a POST, or a checkpoint of wrong length".to_owned());
    }
    Ok(Some(ids))
}

/// The checkpoint of a note that must cover an entry of the log of `did`.
pub fn covering(note: &str, index: u64, did: &str, log: &[u8; 32]) -> Result<Checkpoint, String> {
    let checkpoint = Checkpoint::open(note, log).ok_or("the checkpoint does not verify")?;
    if !own_origin(&checkpoint.origin, did) {
        return Err(format!("origin {} is not the peer's", checkpoint.origin));
    }
    if index >= checkpoint.size {
        return Err(format!("entry {index} is not covered by a log of {}", checkpoint.size));
    }
    Ok(checkpoint)
}

/// Whether an origin is a shard of the log of this participant: `naru/<root key>/<shard>`.
#[must_use]
pub fn own_origin(origin: &str, did: &str) -> bool {
    let shard = did.strip_prefix("did:key:").and_then(|key| origin.strip_prefix(&format!("naru/{key}/")));
    shard.is_some_and(|shard| shard.parse::<u32>().is_ok_and(|number| number.to_string() == shard))
}

/// What an acknowledgement answers.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// DID of the act's sender.
    pub me: &'a str,
    /// DID of its receiver.
    pub peer: &'a str,
    /// Digest of the act.
    pub act: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// Content bytes of the answer.
    pub answer: &'a [u8],
    /// Time of arrival.
    pub now: i64,
}

/// An acknowledgement whose signature and members hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Index of the receiver's entry.
    pub index: u64,
    /// The note as text, not yet verified.
    pub note: String,
    /// Who signed.
    pub signer: KeySet,
}

/// Checks the `DXP-Ack` of an answer to an act.
pub fn open_ack(text: &str, ring: &Ring, min: i64, due: &Answered<'_>) -> Result<Ack, Refusal> {
    let bad = |why: String| Refusal::new("ack_invalid", why);
    let parts = Parts::parse("dxp-ack+jws", text).map_err(|refusal| bad(refusal.to_string()))?;
    let signer = ring.signer(parts.header.key_set, min, due.now)?;
    ensure(parts.header.key == signer.signing, "ack_invalid", "kid is not the signing key of that set")?;
    parts.verify().map_err(|refusal| bad(refusal.to_string()))?;
    let ack = &parts.payload;
    let keys = ack.keys();
    let members = ["act", "answer", "aud", "checkpoint", "index", "iss", "status", "v"];
    ensure(keys == members, "ack_invalid", format!("members {keys:?}"))?;
    let expected = [
        ("v", Json::from(1)),
        ("iss", due.peer.into()),
        ("aud", due.me.into()),
        ("act", due.act.into()),
        ("status", i64::from(due.status).into()),
        ("answer", digest_text(due.answer).into()),
    ];
    for (name, value) in expected {
        let got = ack.get(name);
        ensure(got == Some(&value), "ack_invalid", format!("{name}: expected {value:?}, got {got:?}"))?;
    }
    ensure(final_status(due.status), "ack_invalid", format!("status {} promises nothing", due.status))?;
    let note = ack.text("checkpoint").unwrap_or_default().to_owned();
    ensure((1..=768).contains(&note.len()), "ack_invalid", "a checkpoint of wrong length")?;
    let index = ack.integer("index").and_then(|index| u64::try_from(index).ok());
    let index = index.ok_or_else(|| bad("index is no number".to_owned()))?;
    Ok(Ack { index, note, signer: signer.clone() })
}

/// Whether an answer with this status is final (ACT-4.2): 2xx, and 4xx but for those that promise nothing.
#[must_use]
pub fn final_status(status: u16) -> bool {
    let promises = ![401, 404, 408, 409, 413, 414, 415, 429, 431].contains(&status);
    (200..300).contains(&status) || (400..500).contains(&status) && promises
}

/// Whether a request target may stand in a token (ACT-1.4).
fn plain_path(path: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\".contains(&byte);
    path.starts_with('/') && path.len() <= 1024 && path.bytes().all(fits)
}

/// Signs an acknowledgement of the peer's act.
#[must_use]
pub fn sign_ack(
    act: &Act,
    status: u16,
    answer: &[u8],
    index: u64,
    checkpoint: &str,
    key: &SigningKey,
) -> String {
    let payload = object([
        ("v", 1.into()),
        ("iss", act.aud.as_str().into()),
        ("aud", act.iss.as_str().into()),
        ("act", act.digest().into()),
        ("status", i64::from(status).into()),
        ("answer", digest_text(answer).into()),
        ("index", index.into()),
        ("checkpoint", checkpoint.into()),
    ]);
    jws::sign("dxp-ack+jws", 1, key, &payload)
}
