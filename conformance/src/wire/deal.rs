//! A deal as far as the node goes along with it, and what it must do with acts that it knows, that contradict what it
//! knows, or that come at the wrong time (spec chapters 03 and 06).

use std::time::Duration;

use tokio::time::sleep;

use super::{
    CONTEXT, Options,
    desk::{DSP, Exchange},
    offer::{Offered, agreement, decision, request, some_digest},
    session::{Check, Prepared, Receipt, Session, Stop, refused, refused_unsigned, unexpected},
};
use crate::{
    acts::sign_token,
    encoding::{digest_text, fixed, from_b64url},
    identity::now,
    json::{Json, object},
    jws,
    transport::Call,
};

/// A first request and how it was answered.
#[derive(Debug, Clone)]
pub(super) struct Deal {
    pub(super) request: Prepared,
    pub(super) receipt: Receipt,
    /// The node's process id, if the request was taken.
    pub(super) pid: Option<String>,
}

impl Deal {
    /// The node's process id, or the reason why a test that needs one cannot be tried.
    pub(super) fn live(&self) -> Check<&str> {
        self.pid.as_deref().ok_or_else(|| {
            let body = String::from_utf8_lossy(&self.receipt.answer.body).into_owned();
            Stop::Skip(format!("the node refused the request: {} {body}", self.receipt.answer.status))
        })
    }
}

/// Content of a termination.
pub(super) fn termination(consumer_pid: &str, provider_pid: &str, code: &str) -> Vec<u8> {
    object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "ContractNegotiationTerminationMessage".into()),
        ("consumerPid", consumer_pid.into()),
        ("providerPid", provider_pid.into()),
        ("code", code.into()),
        ("dxp", object([("v", 1.into()), ("code", code.into())])),
    ])
    .canonical()
    .into_bytes()
}

fn event(kind: &str, consumer_pid: &str, provider_pid: &str, dxp: Json) -> Vec<u8> {
    object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "ContractNegotiationEventMessage".into()),
        ("consumerPid", consumer_pid.into()),
        ("providerPid", provider_pid.into()),
        ("eventType", kind.into()),
        ("dxp", dxp),
    ])
    .canonical()
    .into_bytes()
}

fn verification(consumer_pid: &str, provider_pid: &str, signature: Json) -> Vec<u8> {
    object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "ContractAgreementVerificationMessage".into()),
        ("consumerPid", consumer_pid.into()),
        ("providerPid", provider_pid.into()),
        ("dxp", object([("v", 1.into()), ("signature", signature)])),
    ])
    .canonical()
    .into_bytes()
}

/// Sends a request; whatever the answer, it must be final and acknowledged.
pub(super) async fn propose(session: &Session, offered: &Offered, options: &Options) -> Check<Deal> {
    let request = request(session, offered, options)?;
    let receipt = session.act(&request).await?;
    let body = Json::parse(&receipt.answer.body).unwrap_or(Json::Null);
    if receipt.answer.status != 201 {
        refused(&receipt.answer, &[400, 403], "")?;
        return Ok(Deal { request, receipt, pid: None });
    }
    let pid = body.text("providerPid").map(str::to_owned);
    let consumer = session.desk.exchange(&request.act.exchange).map(|exchange| exchange.consumer_pid);
    let fits =
        body.text("@type") == Some("ContractNegotiation") && body.text("consumerPid") == consumer.as_deref();
    if !fits || pid.is_none() {
        return Err(unexpected("a ContractNegotiation with both pids", &receipt.answer).into());
    }
    session.desk.update(&request.act.exchange, |exchange| exchange.provider_pid.clone_from(&pid));
    Ok(Deal { request, receipt, pid })
}

/// The same act under the same token, and under a new one: the same answer and acknowledgement, verbatim.
pub(super) async fn again(session: &Session, deal: &Deal) -> Check {
    let mut fresh = deal.request.clone();
    fresh.token.set("iat", now() - 1);
    for prepared in [&deal.request, &fresh] {
        let answer = session.call(&session.carry(prepared)).await?;
        let first = &deal.receipt.answer;
        if answer.status != first.status || answer.body != first.body {
            return Err(unexpected(&format!("the stored answer {}", first.status), &answer).into());
        }
        if answer.value("dxp-ack") != Some(&deal.receipt.text) {
            return Err("expected the stored DXP-Ack verbatim, got another".into());
        }
    }
    Ok(())
}

/// A known message id over another content.
pub(super) async fn reused(session: &Session, deal: &Deal) -> Check {
    let mut other = deal.request.clone();
    other.act.body.push(b' ');
    other.token.set("body", digest_text(&other.act.body));
    let answer = session.call(&session.carry(&other)).await?;
    refused_unsigned(&answer, &[409], "msg_reused")?;
    // Its first answer still stands.
    again(session, deal).await
}

/// An act under a token that signs a read.
pub(super) async fn unsigned_act(session: &Session, deal: &Deal) -> Check {
    let act = &deal.request.act;
    let payload = session.read_payload("POST", &act.path, &act.body);
    let call = session.with_token("POST", &format!("{DSP}{}", act.path), &payload, &act.body);
    refused_unsigned(&session.call(&call).await?, &[400, 401], "")
}

/// What the node says of the negotiation, by GET.
pub(super) async fn state(session: &Session, pid: &str) -> Check<String> {
    let body = session.get(DSP, &format!("/negotiations/{pid}")).await?;
    let json = Json::parse(&body).map_err(|error| format!("state: {error}"))?;
    Ok(json.text("state").unwrap_or_default().to_owned())
}

/// Waits for what the node decides: an agreement, an offer of its own, or a termination with its code.
pub(super) async fn decided(session: &Session, deal: &Deal) -> Check<Exchange> {
    deal.live()?;
    let exchange = session.wait(&deal.request.act.exchange, 0).await?;
    let problems = session.desk.problems();
    if !problems.is_empty() {
        return Err(Stop::Fail(format!("refused here: {problems:?}")));
    }
    let (kind, message) = exchange.inbox.first().ok_or("nothing came")?;
    let code = message.get("dxp").and_then(|dxp| dxp.text("code"));
    if *kind == "negotiation.termination" && code.is_none() {
        return Err("a termination without dxp.code".into());
    }
    if message.text("consumerPid") != Some(&exchange.consumer_pid)
        || message.text("providerPid") != deal.pid.as_deref()
    {
        return Err(Stop::Fail(format!("{kind} with other pids: {}", message.canonical())));
    }
    Ok(exchange)
}

/// An act that does not know the node's last one.
pub(super) async fn stale(session: &Session, deal: &Deal, decided: Option<&Exchange>) -> Check {
    let (pid, exchange) =
        (deal.live()?, decided.ok_or_else(|| Stop::Skip("the node sent no act".to_owned()))?);
    let body = termination(&exchange.consumer_pid, pid, "cancelled");
    let path = format!("/negotiations/{pid}/termination");
    for prev in [None, Some(some_digest())] {
        let id = deal.request.act.exchange;
        let prepared = session.prepare_after("negotiation.termination", &path, id, body.clone(), prev)?;
        let answer = session.call(&session.carry(&prepared)).await?;
        refused_unsigned(&answer, &[409], "stale")?;
    }
    Ok(())
}

/// An unanswered act of the node is repeated, always the same; our termination that crosses it wins, and then it is
/// repeated no more (NEG-12.2, NEG-13.2, NEG-13.3).
pub(super) async fn crossed(session: &Session, offered: &Offered, options: &Options) -> Check {
    session.desk.close(true);
    let tried = crossing(session, offered, options).await;
    session.desk.close(false);
    tried
}

async fn crossing(session: &Session, offered: &Offered, options: &Options) -> Check {
    let deal = propose(session, offered, options).await?;
    let (pid, id) = (deal.live()?, deal.request.act.exchange);
    let came = || session.desk.turned_away().into_iter().filter(|act| act.exchange == id).collect::<Vec<_>>();
    for _ in 0..200 {
        if came().len() >= 3 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let acts = came();
    let [first, second, ..] = acts.as_slice() else {
        return Err(Stop::Fail(format!(
            "expected the node's act again within 10 s, got {} in all",
            acts.len()
        )));
    };
    if first != second {
        return Err(Stop::Fail(format!(
            "expected the same act again, got {} {}",
            second.path,
            second.digest()
        )));
    }
    if first.prev.as_deref() != Some(&deal.request.act.digest()) {
        return Err(Stop::Fail(format!("prev: expected the digest of the request, got {:?}", first.prev)));
    }
    let exchange = session.desk.exchange(&id).ok_or("no exchange")?;
    let body = termination(&exchange.consumer_pid, pid, "cancelled");
    let prepared =
        session.prepare("negotiation.termination", &format!("/negotiations/{pid}/termination"), id, body)?;
    let receipt = session.act(&prepared).await?;
    refused(&receipt.answer, &[200], "")?;
    let after = state(session, pid).await?;
    if after != "TERMINATED" {
        return Err(Stop::Fail(format!("expected TERMINATED, got {after}")));
    }
    // One repetition may have been on its way.
    sleep(Duration::from_millis(500)).await;
    let settled = came().len();
    sleep(Duration::from_secs(3)).await;
    let more = came().len() - settled;
    if more == 0 { Ok(()) } else { Err(Stop::Fail(format!("expected no more of a dropped act, got {more}"))) }
}

/// A message that no state but one allows, in another: a final refusal, acknowledged, and nothing moves.
pub(super) async fn illegal(session: &Session, deal: &Deal, decided: Option<&Exchange>) -> Check {
    let pid = deal.live()?;
    let exchange = decided.ok_or_else(|| Stop::Skip("the node sent no act".to_owned()))?;
    let before = state(session, pid).await?;
    let signature =
        object([("protected", "e30".into()), ("signature", crate::encoding::b64url(&[0; 64]).into())]);
    let (path, kind, body) = if before == "AGREED" {
        let dxp = object([
            ("v", 1.into()),
            ("terms", some_digest().into()),
            ("decision", decision(&object([("shared", Json::Null)]), &[])?),
        ]);
        ("events", "negotiation.accept", event("ACCEPTED", &exchange.consumer_pid, pid, dxp))
    } else {
        let good = jws::signature_object("dxp-agreement+jws", 1, &session.desk.me.signing, "e30");
        let signature = if signature.keys() == good.keys() { good } else { signature };
        (
            "agreement/verification",
            "negotiation.verification",
            verification(&exchange.consumer_pid, pid, signature),
        )
    };
    let path = format!("/negotiations/{pid}/{path}");
    let prepared = session.prepare(kind, &path, deal.request.act.exchange, body)?;
    let receipt = session.act(&prepared).await?;
    refused(&receipt.answer, &[400], "illegal_state")?;
    let after = state(session, pid).await?;
    if before == after { Ok(()) } else { Err(Stop::Fail(format!("expected {before} still, got {after}"))) }
}

/// A token for one exchange with the process id of another.
pub(super) async fn other_exchange(session: &Session, deal: &Deal) -> Check {
    let pid = deal.live()?;
    let exchange = crate::identity::random()?;
    session.desk.begin(exchange, crate::identity::random()?, "urn:uuid:other");
    let body = termination("urn:uuid:other", pid, "cancelled");
    let path = format!("/negotiations/{pid}/termination");
    let prepared = session.prepare("negotiation.termination", &path, exchange, body)?;
    let answer = session.call(&session.carry(&prepared)).await?;
    refused(&answer, &[400, 404, 409], "")
}

/// A node that was repeated a request must not have begun twice: the counter of its log moved by one entry only.
pub(super) fn acknowledged_once(first: &Receipt, second: &Receipt) -> Check {
    if first.ack.index < second.ack.index { Ok(()) } else { Err("a later act has no later entry".into()) }
}

/// An agreement in force.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    /// `@id` of the DSP agreement.
    pub(super) id: String,
    /// Digest of the agreement.
    pub(super) digest: String,
    /// The terms, as they stand in it.
    pub(super) terms: Json,
    /// Digest of the FINALIZED act.
    pub(super) finalized: String,
}

/// Goes through with the deal if the node agreed: countersigns, and waits for FINALIZED.
pub(super) async fn conclude(session: &Session, deal: &Deal, decided: Option<&Exchange>) -> Check<Agreed> {
    let pid = deal.live()?;
    let mut exchange = decided.cloned().ok_or_else(|| Stop::Skip("the node sent no act".to_owned()))?;
    let mut terms = terms_of(&deal.request.act.body)?;
    if let Some(("negotiation.offer", offer)) = exchange.inbox.last() {
        // A counter-proposal: take it up as it is.
        let proposed = offer.get("dxp").and_then(|dxp| dxp.get("terms")).ok_or("an offer without terms")?;
        let digest = digest_text(proposed.canonical().as_bytes());
        let decision = decision(proposed, &[])?;
        let dxp = object([("v", 1.into()), ("terms", digest.as_str().into()), ("decision", decision)]);
        let body = event("ACCEPTED", &exchange.consumer_pid, pid, dxp);
        let path = format!("/negotiations/{pid}/events");
        let prepared = session.prepare("negotiation.accept", &path, deal.request.act.exchange, body)?;
        let receipt = session.act(&prepared).await?;
        refused(&receipt.answer, &[200], "")?;
        terms = digest;
        exchange = session.wait(&deal.request.act.exchange, exchange.inbox.len()).await?;
    }
    let message = match exchange.inbox.last() {
        Some(("negotiation.agreement", message)) => message,
        Some((kind, message)) => {
            return Err(Stop::Skip(format!("the node sent {kind}: {}", message.canonical())));
        }
        None => return Err("nothing came".into()),
    };
    let payload = agreement(session, message, &terms)?;
    let signature = jws::signature_object("dxp-agreement+jws", 1, &session.desk.me.signing, &payload);
    let body = verification(&exchange.consumer_pid, pid, signature);
    let path = format!("/negotiations/{pid}/agreement/verification");
    let prepared = session.prepare("negotiation.verification", &path, deal.request.act.exchange, body)?;
    let receipt = session.act(&prepared).await?;
    refused(&receipt.answer, &[200], "")?;
    let exchange = session.wait(&deal.request.act.exchange, exchange.inbox.len()).await?;
    let (kind, message) = exchange.inbox.last().ok_or("nothing came")?;
    let named = message.get("dxp").and_then(|dxp| dxp.text("agreement"));
    let bytes = from_b64url(&payload).ok_or("the payload is not base64url")?;
    let due = digest_text(&bytes);
    if *kind != "negotiation.finalized" || named != Some(&due) {
        return Err(Stop::Fail(format!("expected FINALIZED over {due}, got {kind} {}", message.canonical())));
    }
    let payload = Json::parse(&bytes).map_err(|error| error.to_string())?;
    let terms = payload.get("terms").cloned().ok_or("a payload without terms")?;
    let id = terms
        .get("agreement")
        .and_then(|agreement| agreement.text("@id"))
        .ok_or("an agreement without @id")?;
    let finalized = exchange.prev.ok_or("FINALIZED was not taken")?;
    Ok(Agreed { id: id.to_owned(), digest: due, terms, finalized })
}

/// Terms without the duties that the packs put on the consumer come back with them, and nothing else changed; taken up,
/// they become an agreement (NEG-6.1).
pub(super) async fn duties(session: &Session, offered: &Offered, options: &Options) -> Check {
    if options.obligations.is_empty() {
        return Err(Stop::Skip("no --obligation says which duties there are".to_owned()));
    }
    let bare = Options { obligations: Vec::new(), ..options.clone() };
    let deal = propose(session, offered, &bare).await?;
    let exchange = decided(session, &deal).await?;
    let Some(("negotiation.offer", offer)) = exchange.inbox.first() else {
        return Err(Stop::Fail(format!("expected an offer, got {:?}", exchange.inbox.first().map(|i| i.0))));
    };
    let request = Json::parse(&deal.request.act.body).map_err(|error| error.to_string())?;
    let terms = |message: &Json| message.get("dxp").and_then(|dxp| dxp.get("terms")).cloned();
    let (Some(ours), Some(theirs)) = (terms(&request), terms(offer)) else {
        return Err("an offer without terms".into());
    };
    if !options.obligations.iter().all(|duty| theirs.list("obligations").contains(duty)) {
        return Err(Stop::Fail(format!("expected the duties, got {:?}", theirs.list("obligations"))));
    }
    // A new draft has its own name, time and deadline.
    let drafted = ["agreement", "conclude_by", "obligations"];
    let differs =
        ours.keys().into_iter().find(|name| !drafted.contains(name) && theirs.get(name) != ours.get(name));
    if let Some(name) = differs {
        return Err(Stop::Fail(format!("{name}: the counter-proposal changes it")));
    }
    conclude(session, &deal, Some(&exchange)).await.map(|_| ())
}

fn terms_of(request: &[u8]) -> Check<String> {
    let json = Json::parse(request).map_err(|error| error.to_string())?;
    let digest =
        json.get("dxp").and_then(|dxp| dxp.get("decision")).and_then(|decision| decision.text("terms"));
    let digest = digest.filter(|text| fixed::<32>(text).is_some()).ok_or("a request without decision")?;
    Ok(digest.to_owned())
}

/// A transfer over an agreement that is not in force.
pub(super) async fn early_transfer(session: &Session) -> Check {
    let exchange = crate::identity::random()?;
    let pid = super::offer::urn("urn:uuid:")?;
    let key: [u8; 32] = crate::identity::random()?;
    session.desk.begin(exchange, key, &pid);
    let terms = object([("shared", Json::Null)]);
    let mut decision = decision(&terms, &[])?;
    decision.set("phase", "transfer");
    let body = object([
        ("@context", vec![CONTEXT.into()].into()),
        ("@type", "TransferRequestMessage".into()),
        ("consumerPid", pid.into()),
        ("agreementId", super::offer::urn("urn:uuid:")?.into()),
        ("format", "DXP-PULL".into()),
        ("callbackAddress", format!("multiaddr:/p2p/{}", session.desk.me.peer_id()).into()),
        (
            "dxp",
            object([
                ("v", 1.into()),
                ("key", digest_text(&key).into()),
                ("agreement", some_digest().into()),
                ("decision", decision),
            ]),
        ),
    ]);
    let body = body.canonical().into_bytes();
    let prepared = session.prepare_after(
        "transfer.request",
        "/transfers/request",
        exchange,
        body,
        Some(some_digest()),
    )?;
    let answer = session.call(&session.carry(&prepared)).await?;
    refused(&answer, &[400, 404, 409], "")
}

/// A forged token on an act: refused, and the node has learnt nothing: the honest act is taken afterwards.
pub(super) async fn forged(session: &Session, offered: &Offered, options: &Options) -> Check {
    let prepared = request(session, offered, options)?;
    let target = format!("{DSP}{}", prepared.act.path);
    let token = sign_token(&prepared.token, &session.desk.me.log);
    let call = Call::new("POST", &target)
        .header("authorization", &format!("Bearer {token}"))
        .json(&*prepared.act.body);
    refused_unsigned(&session.call(&call).await?, &[401], "")?;
    session.act(&prepared).await.map(|_| ())
}
