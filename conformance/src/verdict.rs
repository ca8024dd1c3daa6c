//! What may be concluded about an agreement from its signatures and what else is shown (spec chapter 06, NEG-8 to
//! NEG-10). Judged as of the deal: the keys are those that the terms allow.

use crate::{
    acts::Act,
    encoding::{digest_text, fixed, from_b64url},
    json::Json,
    jws::{Header, Parts, open_signature},
};

/// A party with the key that signs for it.
#[derive(Debug, Clone)]
pub struct Party {
    /// DID.
    pub did: String,
    /// Signing key of its key set 1.
    pub signing: [u8; 32],
}

/// An act as it is shown: token and content.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The token.
    pub token: &'a str,
    /// The content bytes.
    pub content: &'a [u8],
}

/// A refusal as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The act that was refused.
    pub act: Shown<'a>,
    /// The acknowledgement of the refusal.
    pub ack: &'a str,
    /// The content bytes of the answer.
    pub answer: &'a [u8],
}

/// Everything that is shown besides the agreement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proofs<'a> {
    /// The FINALIZED act.
    pub finalized: Option<Shown<'a>>,
    /// The consumer's acknowledgement of it.
    pub ack: Option<&'a str>,
    /// Token of an act of the consumer that names FINALIZED.
    pub next: Option<&'a str>,
    /// A refusal.
    pub refusal: Option<Refused<'a>>,
}

/// The two parties, provider first.
pub struct Parties {
    /// The provider.
    pub provider: Party,
    /// The consumer.
    pub consumer: Party,
}

fn signed_by(header: &Header, party: &Party) -> bool {
    header.key == party.signing && header.key_set == 1
}

/// Opens a JWS that the party signed and takes its payload.
fn of(typ: &str, text: &str, party: &Party) -> Option<Json> {
    let parts = Parts::parse(typ, text).ok()?;
    (signed_by(&parts.header, party) && parts.verify().is_ok()).then_some(parts.payload)
}

/// The act that a token signs, whatever was its content.
fn act_of(token: &Json, content: &[u8]) -> Option<Act> {
    let text = |name: &str| token.text(name).map(str::to_owned);
    Some(Act {
        msg: fixed(&text("msg")?)?,
        iss: text("iss")?,
        aud: text("aud")?,
        exchange: fixed(&text("exchange")?)?,
        method: text("method")?,
        path: text("path")?,
        body: content.to_vec(),
        prev: text("prev"),
    })
}

/// A shown act between two parties: its digest and message, if its token signs this content.
fn opened(shown: &Shown<'_>, from: &Party, to: &Party) -> Option<(String, Json)> {
    let token = of("dxp-token+jwt", shown.token, from)?;
    let act = act_of(&token, shown.content)?;
    let fits =
        act.iss == from.did && act.aud == to.did && token.text("body") == Some(&digest_text(shown.content));
    fits.then(|| (act.digest(), Json::parse(shown.content).unwrap_or(Json::Null)))
}

/// Whether an acknowledgement is of an act, by a party to the other.
fn acknowledges(ack: &Json, digest: &str, by: &Party, to: &Party) -> bool {
    ack.text("act") == Some(digest) && ack.text("iss") == Some(&by.did) && ack.text("aud") == Some(&to.did)
}

/// The verdict in the word of the specification.
#[must_use]
pub fn judge(agreement: &Json, parties: &Parties, proofs: &Proofs<'_>) -> &'static str {
    let (provider, consumer) = (&parties.provider, &parties.consumer);
    let payload = agreement.text("payload").unwrap_or_default();
    let counts = |place: usize, party: &Party| {
        let signature = agreement.list("signatures").get(place);
        let header =
            signature.and_then(|signature| open_signature("dxp-agreement+jws", payload, signature).ok());
        header.is_some_and(|header| signed_by(&header, party))
    };
    if !counts(0, provider) {
        return "unsigned";
    }
    if !counts(1, consumer) || agreement.list("signatures").len() != 2 {
        return "one_signature";
    }
    let Some(digest) = from_b64url(payload).map(|bytes| digest_text(&bytes)) else { return "unsigned" };
    if in_force(&digest, parties, proofs) {
        return "in_force";
    }
    let lapsed = proofs.refusal.as_ref().is_some_and(|refusal| lapsed(&digest, agreement, parties, refusal));
    if lapsed { "lapsed" } else { "signed_not_concluded" }
}

fn names(message: &Json, digest: &str) -> bool {
    message.text("eventType") == Some("FINALIZED")
        && message.get("dxp").and_then(|dxp| dxp.text("agreement")) == Some(digest)
}

fn in_force(digest: &str, parties: &Parties, proofs: &Proofs<'_>) -> bool {
    let (provider, consumer) = (&parties.provider, &parties.consumer);
    let finalized = proofs.finalized.as_ref().and_then(|shown| opened(shown, provider, consumer));
    let Some((act, message)) = finalized.filter(|(_, message)| names(message, digest)) else { return false };
    let _ = message;
    let acknowledged = proofs.ack.and_then(|ack| of("dxp-ack+jws", ack, consumer)).is_some_and(|ack| {
        let status = ack.integer("status").unwrap_or_default();
        acknowledges(&ack, &act, consumer, provider) && (200..300).contains(&status)
    });
    let followed = proofs.next.and_then(|next| of("dxp-token+jwt", next, consumer)).is_some_and(|token| {
        token.text("prev") == Some(&act)
            && token.text("iss") == Some(&consumer.did)
            && token.text("aud") == Some(&provider.did)
    });
    acknowledged || followed
}

/// NEG-10.4 and NEG-10.6: the receiver of FINALIZED, or of the verification, refused it for the deadline.
fn lapsed(digest: &str, agreement: &Json, parties: &Parties, refusal: &Refused<'_>) -> bool {
    let (provider, consumer) = (&parties.provider, &parties.consumer);
    let finalized = opened(&refusal.act, provider, consumer).filter(|(_, message)| names(message, digest));
    let verification = || {
        let (act, message) = opened(&refusal.act, consumer, provider)?;
        let signature = message.get("dxp").and_then(|dxp| dxp.get("signature"));
        (signature.is_some() && signature == agreement.list("signatures").get(1)).then_some((act, message))
    };
    let (act, by, to) = match finalized {
        Some((act, _)) => (act, consumer, provider),
        None => match verification() {
            Some((act, _)) => (act, provider, consumer),
            None => return false,
        },
    };
    let code = Json::parse(refusal.answer).ok().and_then(|answer| answer.text("code").map(str::to_owned));
    of("dxp-ack+jws", refusal.ack, by).is_some_and(|ack| {
        acknowledges(&ack, &act, by, to)
            && ack.integer("status") == Some(400)
            && ack.text("answer") == Some(&digest_text(refusal.answer))
            && code.as_deref() == Some("lapsed")
    })
}
