//! What is too much or no message at all (spec chapters 10 and 11): the node refuses and lives.

use super::{
    desk::{DSP, DXP},
    offer::{Offered, catalog_body, request},
    session::{Check, Prepared, Session, Stop, refused, refused_unsigned},
};
use crate::{
    acts::sign_token,
    identity::random,
    transport::{Answer, Call},
};

const PATH: &str = "/catalog/request";

async fn catalog(session: &Session, body: &[u8]) -> Check<Answer> {
    Ok(session.call(&session.signed("POST", DSP, PATH, body)).await?)
}

/// One byte more than a message may have.
pub(super) async fn oversized(session: &Session) -> Check {
    let mut body = catalog_body();
    body.resize((1 << 20) + 1, b' ');
    // A node may answer and close before it has read everything; then the rest cannot be written.
    if let Ok(answer) = session.call(&session.signed("POST", DSP, PATH, &body)).await {
        refused_unsigned(&answer, &[413], "too_large")?;
    }
    session.alive().await
}

/// A length of 2^63 without content.
pub(super) async fn boasted(session: &Session) -> Check {
    let token = sign_token(&session.read_payload("POST", PATH, b""), &session.desk.me.signing);
    let head = format!(
        "POST {DSP}{PATH} HTTP/1.1\r\nhost: dxp\r\nauthorization: Bearer {token}\r\ncontent-length: 9223372036854775807\r\n\r\n"
    );
    session.link.raw(head.as_bytes(), false).await?;
    session.alive().await
}

/// Content that ends before its length.
pub(super) async fn truncated(session: &Session) -> Check {
    let body = catalog_body();
    let token = sign_token(&session.read_payload("POST", PATH, &body), &session.desk.me.signing);
    let half = String::from_utf8_lossy(&body[..body.len() / 2]).into_owned();
    let request = format!(
        "POST {DSP}{PATH} HTTP/1.1\r\nhost: dxp\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{half}",
        body.len()
    );
    let answer = session.link.raw(request.as_bytes(), true).await?;
    if answer.starts_with(b"HTTP/1.1 2") {
        return Err(Stop::Fail(format!("expected no success, got {}", String::from_utf8_lossy(&answer))));
    }
    session.alive().await
}

/// A peer that closes its side after a request still gets the answer; tried often, since a node that does not mind it
/// may answer by luck.
pub(super) async fn half_closed(session: &Session) -> Check {
    let mut without = 0;
    for _ in 0..20 {
        let token = sign_token(&session.read_payload("GET", "/keys", b""), &session.desk.me.signing);
        let request =
            format!("GET {DXP}/keys HTTP/1.1\r\nhost: dxp\r\nauthorization: Bearer {token}\r\n\r\n");
        let answer = session.link.raw(request.as_bytes(), true).await?;
        without += usize::from(!answer.starts_with(b"HTTP/1.1 200"));
    }
    if without == 0 {
        Ok(())
    } else {
        Err(Stop::Fail(format!("expected 20 answers, got none to {without} of 20")))
    }
}

/// Bytes that are no HTTP.
pub(super) async fn noise(session: &Session) -> Check {
    session.link.raw(&[0xff; 4_096], false).await?;
    session.link.raw(b"\r\n\r\n\r\n", true).await?;
    session.alive().await
}

/// Nested a hundred thousand deep.
pub(super) async fn nested(session: &Session) -> Check {
    let body = format!("{{\"filter\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    refused(&catalog(session, body.as_bytes()).await?, &[400], "too_deep")?;
    session.alive().await
}

pub(super) async fn duplicate(session: &Session) -> Check {
    let body =
        String::from_utf8_lossy(&catalog_body()).replacen('{', "{\"@type\":\"CatalogRequestMessage\",", 1);
    refused(&catalog(session, body.as_bytes()).await?, &[400], "duplicate_key")
}

pub(super) async fn malformed(session: &Session) -> Check {
    for body in ["", "{", "null", "[]", "{\"@type\":1}", "{} {}", "\u{feff}{}", "{'a':1}"] {
        refused(&catalog(session, body.as_bytes()).await?, &[400], "malformed")?;
    }
    Ok(())
}

/// Compressed content.
pub(super) async fn encoded(session: &Session) -> Check {
    let call = session.signed("POST", DSP, PATH, &catalog_body()).header("content-encoding", "gzip");
    refused_unsigned(&session.call(&call).await?, &[415], "")
}

/// Headers beyond 16 KiB, and more than 64 of them.
pub(super) async fn head(session: &Session) -> Check {
    let call = session.signed("GET", DXP, "/keys", b"").header("x-filler", &"x".repeat(17_000));
    refused_unsigned(&session.call(&call).await?, &[431], "")?;
    let mut call = session.signed("GET", DXP, "/keys", b"");
    for number in 0..70 {
        call = call.header(&format!("x-{number}"), "x");
    }
    refused_unsigned(&session.call(&call).await?, &[431], "")?;
    session.alive().await
}

/// A target beyond 1024 bytes.
pub(super) async fn target(session: &Session) -> Check {
    let path = format!("/keys?{}", "x".repeat(1_100));
    refused_unsigned(&session.call(&session.signed("GET", DXP, &path, b"")).await?, &[414], "")
}

/// Paths that nobody serves, and methods.
pub(super) async fn unknown_path(session: &Session) -> Check {
    for path in ["/nothing", "/../dxp/1/keys", "/catalog", "//catalog/request"] {
        refused_unsigned(&session.call(&session.signed("GET", DSP, path, b"")).await?, &[404, 405], "")?;
    }
    let call = Call::new("DELETE", &format!("{DXP}/keys"));
    refused_unsigned(&session.call(&call).await?, &[401, 404, 405], "")
}

/// An act whose content is no message: a final refusal, so acknowledged.
pub(super) async fn malformed_act(session: &Session, offered: Option<&Offered>) -> Check {
    let mut bodies = vec![b"{\"@type\":\"ContractRequestMessage\"".to_vec(), b"{}".to_vec()];
    if let Some(offered) = offered {
        let whole = request(session, offered, &super::Options::default())?.act.body;
        bodies.push(whole[..whole.len() - 1].to_vec());
    }
    for body in bodies {
        let receipt = session.act(&first_act(session, random()?, body)?).await?;
        refused(&receipt.answer, &[400], "malformed")?;
    }
    Ok(())
}

fn first_act(session: &Session, exchange: [u8; 16], body: Vec<u8>) -> Check<Prepared> {
    session.desk.begin(exchange, random()?, "urn:uuid:none");
    session.prepare_after("negotiation.request", "/negotiations/request", exchange, body, None)
}

/// An exchange whose first act was refused is used up: another first act under its name promises nothing.
pub(super) async fn used_exchange(session: &Session) -> Check {
    let exchange = random()?;
    let receipt = session.act(&first_act(session, exchange, b"{}".to_vec())?).await?;
    refused(&receipt.answer, &[400], "malformed")?;
    let again = first_act(session, exchange, b"{\"@type\":\"End\"}".to_vec())?;
    refused_unsigned(&session.call(&session.carry(&again)).await?, &[409], "stale")
}

/// `DXP-Key` that is not the announced one.
pub(super) async fn other_key(
    session: &Session,
    offered: Option<&Offered>,
    options: &super::Options,
) -> Check {
    let offered = offered.ok_or_else(|| Stop::Skip("the catalog is empty".to_owned()))?;
    let mut prepared = request(session, offered, options)?;
    prepared.key = Some(crate::encoding::b64url(&random::<32>()?));
    let receipt = session.act(&prepared).await?;
    refused(&receipt.answer, &[400], "key_header_mismatch")
}

/// Things of nobody: 404, unsigned.
pub(super) async fn unknown_id(session: &Session) -> Check {
    for path in [
        "/negotiations/urn:uuid:11111111-2222-3333-4444-555555555555",
        "/transfers/x",
        "/catalog/datasets/urn:dxp:0",
    ] {
        let answer = session.call(&session.signed("GET", DSP, path, b"")).await?;
        refused_unsigned(&answer, &[404], "")?;
    }
    let exchange = random()?;
    session.desk.begin(exchange, random()?, "urn:uuid:none");
    let path = "/negotiations/x/termination";
    let body = super::deal::termination("urn:uuid:none", "x", "cancelled");
    let prepared = session.prepare("negotiation.termination", path, exchange, body)?;
    let answer = session.call(&session.carry(&prepared)).await?;
    refused_unsigned(&answer, &[404], "")?;
    let entry = session.signed("GET", DXP, "/log/entry/0?size=1", b"");
    refused_unsigned(&session.call(&entry).await?, &[404], "")
}

/// A negotiation of somebody else is answered like none, but for the id that was asked for.
pub(super) async fn not_yours(session: &Session, pid: &str) -> Check {
    let none = "urn:uuid:11111111-2222-3333-4444-555555555555";
    let mut bodies = Vec::new();
    for pid in [pid, none] {
        let answer = session.call(&session.signed("GET", DSP, &format!("/negotiations/{pid}"), b"")).await?;
        refused_unsigned(&answer, &[404], "")?;
        bodies.push(String::from_utf8_lossy(&answer.body).replace(pid, none));
    }
    if bodies[0] == bodies[1] {
        Ok(())
    } else {
        Err(Stop::Fail(format!("expected {}, got {}", bodies[1], bodies[0])))
    }
}
