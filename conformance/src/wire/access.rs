//! Who is let in: tickets and tokens (spec chapters 02 and 03).

use super::{
    desk::{DSP, DXP},
    offer::catalog_body,
    session::{Check, Session, refused_unsigned, unexpected},
};
use crate::{
    acts::sign_token,
    encoding::{did, digest_text},
    identity::now,
    json::Json,
    jws,
    transport::{Answer, Call},
};

const PATH: &str = "/catalog/request";

/// Redeems the ticket, twice: the second time must be answered like the first (API-1.1, API-1.2).
pub(super) async fn redeem(session: &Session) -> Check {
    for _ in 0..2 {
        let mut answer = session.call(&session.redemption()).await?;
        // 202 says that a person has to accept first; the suite waits for that person.
        for _ in 0..30 {
            if answer.status != 202 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            answer = session.call(&session.redemption()).await?;
        }
        if answer.status != 200 {
            return Err(unexpected("200 to a redemption", &answer).into());
        }
    }
    Ok(())
}

/// The same secret in the hands of another participant (API-1.2).
pub(super) async fn used_ticket(stranger: &Session) -> Check {
    let answer = stranger.call(&stranger.redemption()).await?;
    refused_unsigned(&answer, &[409], "ticket_used")
}

/// A redemption whose key set names another transport key than that of the connection (API-1.1).
pub(super) async fn foreign_transport(session: &Session, stranger: &Session) -> Check {
    let answer = stranger.call(&session.redemption()).await?;
    refused_unsigned(&answer, &[400, 401, 404, 409], "")
}

/// A read by somebody who was never paired.
pub(super) async fn stranger(stranger: &Session) -> Check {
    let answer = stranger.call(&stranger.signed("POST", DSP, PATH, &catalog_body())).await?;
    refused_unsigned(&answer, &[401], "")
}

/// A token of the paired participant on a stranger's connection.
pub(super) async fn borrowed(session: &Session, stranger: &Session) -> Check {
    let answer = stranger.call(&session.signed("POST", DSP, PATH, &catalog_body())).await?;
    refused_unsigned(&answer, &[401], "")
}

async fn catalog_with(session: &Session, bearer: Option<&str>) -> Check<Answer> {
    let call = Call::new("POST", &format!("{DSP}{PATH}")).json(catalog_body());
    let call = match bearer {
        Some(token) => call.header("authorization", &format!("Bearer {token}")),
        None => call,
    };
    Ok(session.call(&call).await?)
}

pub(super) async fn no_token(session: &Session) -> Check {
    refused_unsigned(&catalog_with(session, None).await?, &[401], "token_missing")
}

pub(super) async fn malformed(session: &Session) -> Check {
    let good = sign_token(&session.read_payload("POST", PATH, &catalog_body()), &session.desk.me.signing);
    let (head, _) = good.rsplit_once('.').unwrap_or_default();
    let long = "x".repeat(5_000);
    for token in ["abc", "a.b.c", "..", head, &format!("{good}="), &format!("{good}.{good}"), &long] {
        let answer = catalog_with(session, Some(token)).await?;
        refused_unsigned(&answer, &[401], "")?;
    }
    Ok(())
}

/// Sends a catalog request under a token whose payload was changed before it was signed.
async fn changed(session: &Session, code: &str, change: impl FnOnce(&mut Json)) -> Check {
    let mut payload = session.read_payload("POST", PATH, &catalog_body());
    change(&mut payload);
    let token = sign_token(&payload, &session.desk.me.signing);
    refused_unsigned(&catalog_with(session, Some(&token)).await?, &[401], code)
}

pub(super) async fn shape(session: &Session) -> Check {
    changed(session, "token_malformed", |token| token.set("jti", "x")).await?;
    changed(session, "token_malformed", |token| token.set("prev", digest_text(b""))).await
}

pub(super) async fn subject(session: &Session) -> Check {
    let other = did(&session.desk.me.signing.verifying_key().to_bytes());
    changed(session, "", |token| token.set("sub", other)).await
}

pub(super) async fn audience(session: &Session) -> Check {
    let me = session.desk.me.did();
    changed(session, "wrong_audience", |token| token.set("aud", me)).await
}

pub(super) async fn too_long(session: &Session) -> Check {
    changed(session, "token_malformed", |token| token.set("exp", now() + 302)).await
}

pub(super) async fn expired(session: &Session) -> Check {
    changed(session, "token_expired", |token| {
        token.set("iat", now() - 500);
        token.set("exp", now() - 260);
    })
    .await
}

pub(super) async fn from_the_future(session: &Session) -> Check {
    changed(session, "token_not_yet", |token| {
        token.set("iat", now() + 120);
        token.set("exp", now() + 300);
    })
    .await
}

pub(super) async fn method(session: &Session) -> Check {
    changed(session, "wrong_method", |token| token.set("method", "GET")).await
}

pub(super) async fn path(session: &Session) -> Check {
    changed(session, "wrong_path", |token| token.set("path", "/catalog/request?")).await?;
    changed(session, "wrong_path", |token| token.set("path", "/catalog//request")).await
}

pub(super) async fn body(session: &Session) -> Check {
    // The same document, written with one space: equal as JSON, other bytes.
    let payload = session.read_payload("POST", PATH, &catalog_body());
    let other = String::from_utf8_lossy(&catalog_body()).replacen(':', ": ", 1);
    let call = session.with_token("POST", &format!("{DSP}{PATH}"), &payload, other.as_bytes());
    refused_unsigned(&session.call(&call).await?, &[401], "body_mismatch")
}

pub(super) async fn signature(session: &Session) -> Check {
    let payload = session.read_payload("POST", PATH, &catalog_body());
    let good = sign_token(&payload, &session.desk.me.signing);
    // The signature of another document under the honest header.
    let other = sign_token(&session.read_payload("GET", PATH, b""), &session.desk.me.signing);
    let (head, tail) =
        (good.rsplit_once('.').unwrap_or_default().0, other.rsplit_once('.').unwrap_or_default().1);
    let answer = catalog_with(session, Some(&format!("{head}.{tail}"))).await?;
    refused_unsigned(&answer, &[401], "signature_invalid")
}

/// Signed with keys that may not sign tokens: the log key, the root key, an unknown key set.
pub(super) async fn wrong_keys(session: &Session) -> Check {
    let (me, payload) = (&session.desk.me, session.read_payload("POST", PATH, &catalog_body()));
    for (number, key) in [(1, &me.log), (0, &me.root), (9, &me.signing)] {
        let token = jws::sign("dxp-token+jwt", number, key, &payload);
        refused_unsigned(&catalog_with(session, Some(&token)).await?, &[401], "")?;
    }
    Ok(())
}

/// A document of another type in the place of a token.
pub(super) async fn other_type(session: &Session) -> Check {
    let payload = session.read_payload("POST", PATH, &catalog_body());
    let token = jws::sign("dxp-ack+jws", 1, &session.desk.me.signing, &payload);
    refused_unsigned(&catalog_with(session, Some(&token)).await?, &[401], "")
}

/// The node's statement and keys: the ticket's among them, each signed by the root, oldest first (API-1.3).
pub(super) async fn keys(session: &Session) -> Check {
    let body = session.get(DXP, "/keys").await?;
    let json = Json::parse(&body).map_err(|error| format!("keys: {error}"))?;
    let sets: Vec<&str> = json.list("keys").iter().filter_map(Json::as_text).collect();
    let mut ring = crate::identity::Ring::default();
    // A ring takes no set whose number is not above those before.
    for set in &sets {
        ring.offer(&session.ticket.did, set)?;
    }
    if json.integer("v") != Some(1) || json.text("participant") != Some(&session.ticket.statement) {
        return Err("v or the participant statement is not the ticket's".into());
    }
    if sets.contains(&session.ticket.keys_text.as_str()) {
        Ok(())
    } else {
        Err("the ticket's key set is not there".into())
    }
}
