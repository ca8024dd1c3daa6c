//! The data of an agreed deal, as a consumer takes them (spec chapter 07): transfer, capability, file list, ranges,
//! window acknowledgements, receipt, completion; and what must be refused on the way.

use super::{
    CONTEXT,
    deal::Agreed,
    desk::{DSP, DXP},
    offer::{Offered, decision, urn},
    session::{Check, Prepared, Receipt, Session, Stop, refused, refused_unsigned, unexpected},
};
use crate::{
    content::{CHUNK, File, chunk_hashes, content_root, fits, hashes_digest, read_list, window, window_ends},
    encoding::{b64url, digest_text},
    identity::{now, random},
    json::{Json, object},
    jws::{self, Parts},
    transport::{Answer, Call},
};

/// A transfer that has started.
pub(super) struct Transfer {
    exchange: [u8; 16],
    consumer_pid: String,
    pid: String,
}

/// The dataset version as it was received and verified.
pub(super) struct Delivered {
    files: Vec<File>,
    hashes: Vec<[u8; 32]>,
}

/// Asks for the data and waits for the start: the node has then verified the suite's log.
pub(super) async fn start(session: &Session, agreed: &Agreed, offered: &Offered) -> Check<Transfer> {
    let (exchange, key): ([u8; 16], [u8; 32]) = (random()?, random()?);
    let pid = urn("urn:uuid:")?;
    session.desk.begin(exchange, key, &pid);
    session.desk.update(&exchange, |exchange| exchange.prev = Some(agreed.finalized.clone()));
    let mut decision = decision(&agreed.terms, &[])?;
    decision.set("phase", "transfer");
    let dxp = object([
        ("v", 1.into()),
        ("key", digest_text(&key).into()),
        ("agreement", agreed.digest.as_str().into()),
        ("decision", decision),
    ]);
    let message = object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "TransferRequestMessage".into()),
        ("consumerPid", pid.as_str().into()),
        ("agreementId", agreed.id.as_str().into()),
        ("format", offered.format.as_str().into()),
        ("callbackAddress", format!("multiaddr:/p2p/{}", session.desk.me.peer_id()).into()),
        ("dxp", dxp),
    ]);
    let body = message.canonical().into_bytes();
    let prepared = session.prepare("transfer.request", "/transfers/request", exchange, body)?;
    let receipt = session.act(&prepared).await?;
    refused(&receipt.answer, &[201], "")?;
    let process = Json::parse(&receipt.answer.body).map_err(|error| error.to_string())?;
    let provider =
        process.text("providerPid").ok_or_else(|| unexpected("a TransferProcess", &receipt.answer))?;
    // The first act of a transfer has another `prev`: what follows names the node's last act here.
    session.desk.update(&exchange, |exchange| exchange.prev = None);
    let begun = session.wait(&exchange, 0).await?;
    match begun.inbox.last() {
        Some(("transfer.start", _)) => Ok(Transfer { exchange, consumer_pid: pid, pid: provider.to_owned() }),
        Some((kind, message)) => {
            Err(Stop::Fail(format!("expected a start, got {kind} {}", message.canonical())))
        }
        None => Err("nothing came".into()),
    }
}

/// A fresh capability, checked (API-2.1).
pub(super) async fn capability(session: &Session, transfer: &Transfer, agreed: &Agreed) -> Check<String> {
    let body = session.get(DXP, &format!("/transfers/{}/capability", transfer.pid)).await?;
    let answer = Json::parse(&body).map_err(|error| format!("capability: {error}"))?;
    let text = answer.text("capability").ok_or("an answer without capability")?.to_owned();
    let parts = Parts::parse("dxp-capability+jws", &text)?;
    let set = session.desk.ring.signer(parts.header.key_set, 1, now())?;
    parts.verify()?;
    let due = [
        ("v", Json::from(1)),
        ("iss", session.ticket.did.as_str().into()),
        ("aud", session.desk.me.did().into()),
        ("transfer", transfer.pid.as_str().into()),
        ("agreement", agreed.digest.as_str().into()),
    ];
    let fits = due.iter().all(|(name, value)| parts.payload.get(name) == Some(value))
        && parts.payload.keys().len() == 6;
    let left = parts.payload.integer("exp").unwrap_or_default() - now();
    if fits && set.signing == parts.header.key && (1..=960).contains(&left) {
        Ok(text)
    } else {
        Err(Stop::Fail(format!("expected a capability for this transfer, got {}", parts.payload.canonical())))
    }
}

async fn range(
    session: &Session,
    transfer: &Transfer,
    what: &str,
    bearer: &str,
    bytes: Option<&str>,
) -> Check<Answer> {
    let call = Call::new("GET", &format!("{DXP}/transfers/{}/{what}", transfer.pid));
    let call = call.header("authorization", &format!("Bearer {bearer}"));
    let call = if let Some(bytes) = bytes { call.header("range", bytes) } else { call };
    Ok(session.call(&call).await?)
}

/// Reads everything: the list against the content root, each chunk against the list, each file against its digest.
pub(super) async fn everything(
    session: &Session,
    transfer: &Transfer,
    offered: &Offered,
    capability: &str,
) -> Check<Delivered> {
    let answer = range(session, transfer, "filelist", capability, None).await?;
    let list = String::from_utf8(answer.body.clone()).map_err(|_| "the file list is not UTF-8")?;
    let summary = offered.payload.get("summary").cloned().unwrap_or(Json::Null);
    if answer.status != 200
        || Some(content_root(&summary, &list).as_str()) != offered.payload.text("content_root")
    {
        return Err(unexpected("200 and the list of the content root", &answer).into());
    }
    let files = read_list(&list)?;
    fits(&summary, &files)?;
    if files.iter().map(|file| file.size).sum::<u64>() > 64 << 20 {
        return Err(Stop::Skip("the dataset has more than 64 MiB".to_owned()));
    }
    let mut hashes = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let content = whole(session, transfer, capability, number, file).await?;
        if digest_text(&content) != file.sha256 {
            return Err(Stop::Fail(format!("{}: another SHA-256 than in the list", file.path)));
        }
        let own = chunk_hashes(&content);
        let answer = range(session, transfer, &format!("chunks/{number}"), capability, None).await?;
        if answer.status != 200 || answer.body != own.concat() || hashes_digest(&own) != file.chunks {
            return Err(Stop::Fail(format!("{}: other chunk hashes than its bytes have", file.path)));
        }
        hashes.extend(own);
    }
    Ok(Delivered { files, hashes })
}

/// A file, in ranges of a chunk.
async fn whole(
    session: &Session,
    transfer: &Transfer,
    capability: &str,
    number: usize,
    file: &File,
) -> Check<Vec<u8>> {
    let mut content = Vec::new();
    while (content.len() as u64) < file.size {
        let last = (content.len() + CHUNK).min(file.size as usize) - 1;
        let bytes = format!("bytes={}-{last}", content.len());
        let answer = range(session, transfer, &format!("files/{number}"), capability, Some(&bytes)).await?;
        if answer.status != 206 || answer.body.len() != last + 1 - content.len() {
            return Err(Stop::Fail(format!(
                "{bytes}: expected 206 and that many bytes, got {} and {}",
                answer.status,
                answer.body.len()
            )));
        }
        content.extend_from_slice(&answer.body);
    }
    Ok(content)
}

/// What is the consumer's alone: to others there is no such transfer, and the capability opens nothing over a connection that
/// is not the consumer's (API-2.1, API-2.2).
pub(super) async fn others(
    session: &Session,
    transfer: &Transfer,
    capability: &str,
    stranger: Option<&Session>,
) -> Check {
    let stranger = stranger.ok_or_else(|| Stop::Skip("no second connection".to_owned()))?;
    let call = Call::new("GET", &format!("{DXP}/transfers/{}/filelist", transfer.pid))
        .header("authorization", &format!("Bearer {capability}"));
    refused_unsigned(&stranger.call(&call).await?, &[401], "")?;
    let path = format!("/transfers/{}/capability", transfer.pid);
    refused_unsigned(&stranger.call(&stranger.signed("GET", DXP, &path, b"")).await?, &[401], "")?;
    // Where it belongs the same still opens.
    let answer = range(session, transfer, "filelist", capability, None).await?;
    if answer.status == 200 { Ok(()) } else { Err(unexpected("200 to the consumer", &answer).into()) }
}

/// Ranges without a capability, under a token, under one of another typ, and outside of the file (API-2.2).
pub(super) async fn bad_ranges(
    session: &Session,
    transfer: &Transfer,
    delivered: &Delivered,
    capability: &str,
) -> Check {
    let bare = Call::new("GET", &format!("{DXP}/transfers/{}/files/0", transfer.pid));
    refused_unsigned(&session.call(&bare).await?, &[401], "")?;
    let path = format!("/transfers/{}/files/0", transfer.pid);
    refused_unsigned(&session.call(&session.signed("GET", DXP, &path, b"")).await?, &[401], "")?;
    let forged = Parts::parse("dxp-capability+jws", capability)?.payload;
    let forged = jws::sign("dxp-capability+jws", 1, &session.desk.me.signing, &forged);
    refused_unsigned(&range(session, transfer, "files/0", &forged, None).await?, &[401], "")?;
    let end = delivered.files.first().map_or(0, |file| file.size);
    for bytes in [format!("bytes={end}-"), "bytes=5-2".to_owned(), "bytes=0-1,3-4".to_owned()] {
        let answer = range(session, transfer, "files/0", capability, Some(&bytes)).await?;
        refused_unsigned(&answer, &[416], "range_invalid")?;
    }
    let beyond = format!("files/{}", delivered.files.len());
    refused_unsigned(&range(session, transfer, &beyond, capability, None).await?, &[404], "")
}

fn window_ack(
    session: &Session,
    transfer: &Transfer,
    agreed: &Agreed,
    window: usize,
    chunks: usize,
    digest: &str,
) -> String {
    let payload = object([
        ("v", 1.into()),
        ("iss", session.desk.me.did().into()),
        ("aud", session.ticket.did.as_str().into()),
        ("exchange", b64url(&transfer.exchange).into()),
        ("transfer", transfer.pid.as_str().into()),
        ("agreement", agreed.digest.as_str().into()),
        ("window", (window as u64).into()),
        ("chunks", (chunks as u64).into()),
        ("digest", digest.into()),
        ("at", now().into()),
    ]);
    jws::sign("dxp-window+jws", 1, &session.desk.me.signing, &payload)
}

/// Acknowledges every window, a wrong digest and a wrong place before; each again, which changes nothing (API-2.3).
pub(super) async fn windows(
    session: &Session,
    transfer: &Transfer,
    agreed: &Agreed,
    delivered: &Delivered,
) -> Check {
    let sizes: Vec<u64> = delivered.files.iter().map(|file| file.size).collect();
    let ends = window_ends(&sizes, window(sizes.iter().sum()));
    let path = format!("/transfers/{}/window", transfer.pid);
    for (place, chunks) in ends.iter().enumerate() {
        let digest = hashes_digest(&delivered.hashes[..*chunks]);
        let good = window_ack(session, transfer, agreed, place + 1, *chunks, &digest);
        let bad = [
            window_ack(session, transfer, agreed, place + 1, *chunks, &digest_text(b"")),
            window_ack(session, transfer, agreed, place + 1, chunks + 1, &digest),
        ];
        for wrong in bad {
            let answer = session.call(&session.signed("POST", DXP, &path, wrong.as_bytes())).await?;
            refused_unsigned(&answer, &[400], "window_invalid")?;
        }
        for _ in 0..2 {
            let answer = session.call(&session.signed("POST", DXP, &path, good.as_bytes())).await?;
            refused_unsigned(&answer, &[200], "")?;
        }
    }
    Ok(())
}

fn receipt_body(transfer: &Transfer, agreed: &Agreed, offered: &Offered, files: i64) -> Vec<u8> {
    let summary = offered.payload.get("summary");
    object([
        ("@type", "DataReceipt".into()),
        ("v", 1.into()),
        ("consumerPid", transfer.consumer_pid.as_str().into()),
        ("providerPid", transfer.pid.as_str().into()),
        ("agreement", agreed.digest.as_str().into()),
        ("content_root", offered.payload.text("content_root").unwrap_or_default().into()),
        ("files", files.into()),
        ("bytes", summary.and_then(|summary| summary.integer("bytes")).into()),
        ("at", now().into()),
    ])
    .canonical()
    .into_bytes()
}

fn receipt(session: &Session, transfer: &Transfer, body: Vec<u8>) -> Check<Prepared> {
    session.prepare(
        "transfer.receipt",
        &format!("/transfers/{}/receipt", transfer.pid),
        transfer.exchange,
        body,
    )
}

/// A receipt over other numbers is refused finally; the true one is taken, once; then the completion.
pub(super) async fn finish(
    session: &Session,
    transfer: &Transfer,
    agreed: &Agreed,
    offered: &Offered,
    delivered: &Delivered,
) -> Check {
    let files = delivered.files.len() as i64;
    let wrong = receipt(session, transfer, receipt_body(transfer, agreed, offered, files + 1))?;
    refused(&session.act(&wrong).await?.answer, &[400], "receipt_invalid")?;
    let early = completion(session, transfer).await?;
    refused(&early.answer, &[400], "illegal_state")?;
    for status in [200, 400] {
        let prepared = receipt(session, transfer, receipt_body(transfer, agreed, offered, files))?;
        refused(
            &session.act(&prepared).await?.answer,
            &[status],
            if status == 400 { "illegal_state" } else { "" },
        )?;
    }
    refused(&completion(session, transfer).await?.answer, &[200], "")?;
    let body = session.get(DSP, &format!("/transfers/{}", transfer.pid)).await?;
    let state = Json::parse(&body).map_err(|error| error.to_string())?;
    if state.text("state") == Some("COMPLETED") {
        Ok(())
    } else {
        Err(Stop::Fail(format!("expected COMPLETED, got {}", state.canonical())))
    }
}

async fn completion(session: &Session, transfer: &Transfer) -> Check<Receipt> {
    let message = object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "TransferCompletionMessage".into()),
        ("consumerPid", transfer.consumer_pid.as_str().into()),
        ("providerPid", transfer.pid.as_str().into()),
        ("dxp", object([("v", 1.into()), ("code", Json::Null)])),
    ]);
    let path = format!("/transfers/{}/completion", transfer.pid);
    let body = message.canonical().into_bytes();
    let prepared = session.prepare("transfer.completion", &path, transfer.exchange, body)?;
    session.act(&prepared).await
}

/// After the end of the data no range is served.
pub(super) async fn closed(session: &Session, transfer: &Transfer, capability: &str) -> Check {
    let answer = range(session, transfer, "files/0", capability, None).await?;
    if (400..500).contains(&answer.status) {
        Ok(())
    } else {
        Err(unexpected("a refusal after completion", &answer).into())
    }
}

/// Ends the agreement; after that no transfer begins under it.
pub(super) async fn end(
    session: &Session,
    negotiation: &super::deal::Deal,
    agreed: &Agreed,
    offered: &Offered,
) -> Check {
    let pid = negotiation.live()?;
    let exchange = negotiation.request.act.exchange;
    let known = session.desk.exchange(&exchange).ok_or("no exchange")?;
    let message = object([
        ("@type", "End".into()),
        ("v", 1.into()),
        ("consumerPid", known.consumer_pid.into()),
        ("providerPid", pid.into()),
        ("agreement", agreed.digest.as_str().into()),
        ("code", "cancelled".into()),
        ("reason", "the conformance run is over".into()),
    ]);
    let path = format!("/negotiations/{pid}/end");
    let prepared = session.prepare("negotiation.end", &path, exchange, message.canonical().into_bytes())?;
    refused(&session.act(&prepared).await?.answer, &[200], "")?;
    match start(session, agreed, offered).await {
        Ok(_) => Err("expected no transfer under an ended agreement, got a start".into()),
        Err(Stop::Fail(why)) if why.contains("agreement_ended") || why.contains("not_in_force") => Ok(()),
        Err(stop) => Err(stop),
    }
}
