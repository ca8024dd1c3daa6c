//! A conversation with the node under test: redeems the ticket, makes tokens, sends acts, checks what comes back.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::desk::{DSP, DXP, Desk, Exchange};
use crate::{
    acts::{Ack, Act, Answered, covering, final_status, open_ack, read_token, sign_token},
    encoding::b64url,
    identity::{Identity, Ring, Ticket, now, random},
    json::{Json, object},
    transport::{Answer, Call, Link},
};

/// How long a node may recover before that counts as its answer.
const RECOVERY: Duration = Duration::from_secs(10);
/// Between two attempts at a node that recovers.
const PAUSE: Duration = Duration::from_millis(250);

/// Why a test did not pass.
#[derive(Debug)]
pub enum Stop {
    /// The node did something else than the specification demands.
    Fail(String),
    /// What the test needs is not there.
    Skip(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Fail(why)
    }
}

impl From<&str> for Stop {
    fn from(why: &str) -> Self {
        Self::Fail(why.to_owned())
    }
}

impl From<crate::refusal::Refusal> for Stop {
    fn from(refusal: crate::refusal::Refusal) -> Self {
        Self::Fail(refusal.to_string())
    }
}

/// What a test returns.
pub type Check<T = ()> = Result<T, Stop>;

/// A connection with everything that is needed to speak over it.
pub struct Session {
    /// Who the node is and how it is reached.
    pub ticket: Ticket,
    /// The suite's own side.
    pub desk: Arc<Desk>,
    /// The connection.
    pub link: Link,
}

/// An act ready to be sent, with the token that signs it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The act.
    pub act: Act,
    /// Its token's payload, so that tests can spoil it.
    pub token: Json,
    /// Base of its endpoint.
    pub base: &'static str,
    /// `DXP-Key`, for first acts.
    pub key: Option<String>,
}

/// A final answer to an act.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The answer.
    pub answer: Answer,
    /// Its acknowledgement as text.
    pub text: String,
    /// The same, checked.
    pub ack: Ack,
}

impl Session {
    /// Connects as a new participant.
    pub async fn connect(ticket: &Ticket, country: &str) -> Result<Self, String> {
        let me = Identity::fresh("Conformance Suite", country)?;
        let mut ring = Ring::default();
        ring.offer(&ticket.did, &ticket.keys_text)?;
        let seed = me.transport.to_bytes();
        let desk = Arc::new(Desk::open(me, &ticket.did, ring)?);
        let clerk = Arc::clone(&desk);
        let handler = Arc::new(move |call: Call| clerk.answer(&call));
        let link = Link::dial(&seed, &ticket.peer_id(), &ticket.addresses, handler).await?;
        Ok(Self { ticket: ticket.clone(), desk, link })
    }

    /// The request that redeems the ticket.
    #[must_use]
    pub fn redemption(&self) -> Call {
        let me = &self.desk.me;
        let body = object([
            ("v", 1.into()),
            ("secret", self.ticket.secret.as_str().into()),
            ("keys", me.keys.as_str().into()),
            ("participant", me.statement.as_str().into()),
            ("addresses", Vec::new().into()),
        ]);
        self.signed("POST", DXP, "/tickets", body.canonical().as_bytes())
    }

    /// Payload of a token for a read or service post.
    #[must_use]
    pub fn read_payload(&self, method: &str, path: &str, body: &[u8]) -> Json {
        read_token(&self.desk.me.did(), &self.ticket.did, now(), method, path, body)
    }

    /// A request with a token of any payload.
    #[must_use]
    pub fn with_token(&self, method: &str, target: &str, payload: &Json, body: &[u8]) -> Call {
        let token = sign_token(payload, &self.desk.me.signing);
        let call = Call::new(method, target).header("authorization", &format!("Bearer {token}"));
        if method == "GET" { call } else { call.json(body) }
    }

    /// An honest read or service post.
    #[must_use]
    pub fn signed(&self, method: &str, base: &str, path: &str, body: &[u8]) -> Call {
        self.with_token(method, &format!("{base}{path}"), &self.read_payload(method, path, body), body)
    }

    /// Reads something, which must be answered 200.
    pub async fn get(&self, base: &str, path: &str) -> Check<Vec<u8>> {
        let answer = self.link.call(&self.signed("GET", base, path, b"")).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(unexpected("200", &answer).into()) }
    }

    /// Logs an act and makes its token; `exchange` must have begun at the desk.
    pub fn prepare(&self, kind: &str, path: &str, exchange: [u8; 16], body: Vec<u8>) -> Check<Prepared> {
        let known = self.desk.exchange(&exchange);
        let prev = known.as_ref().and_then(|exchange| exchange.prev.clone());
        self.prepare_after(kind, path, exchange, body, prev)
    }

    /// The same with a `prev` of choice.
    pub fn prepare_after(
        &self,
        kind: &str,
        path: &str,
        exchange: [u8; 16],
        body: Vec<u8>,
        prev: Option<String>,
    ) -> Check<Prepared> {
        let own = ["negotiation.end", "negotiation.report", "transfer.receipt"].contains(&kind);
        let base = if own { DXP } else { DSP };
        let act = Act {
            msg: random()?,
            iss: self.desk.me.did(),
            aud: self.ticket.did.clone(),
            exchange,
            method: "POST".to_owned(),
            path: path.to_owned(),
            body,
            prev,
        };
        let (index, checkpoint) = self.desk.log_sent(kind, &act);
        let token = act.token(now(), index, &checkpoint);
        let first = path == "/negotiations/request" || path == "/transfers/request";
        let known = self.desk.exchange(&exchange);
        let key = known.filter(|_| first).map(|exchange| b64url(&exchange.key));
        Ok(Prepared { act, token, base, key })
    }

    /// The request that carries an act.
    #[must_use]
    pub fn carry(&self, prepared: &Prepared) -> Call {
        let target = format!("{}{}", prepared.base, prepared.act.path);
        let call = self.with_token("POST", &target, &prepared.token, &prepared.act.body);
        match &prepared.key {
            Some(key) => call.header("dxp-key", key),
            None => call,
        }
    }

    /// Sends a request. A node that was just started may first ask what the suite holds of its log (API-3.5), and answer acts
    /// with `recovering` until it knows; then the request is repeated for a while.
    pub async fn call(&self, call: &Call) -> Result<Answer, String> {
        for _ in 0..RECOVERY.as_millis() / PAUSE.as_millis() {
            let answer = self.link.call(call).await?;
            if !recovering(&answer) {
                return Ok(answer);
            }
            sleep(PAUSE).await;
        }
        self.link.call(call).await
    }

    /// Sends an act and checks the acknowledgement of its final answer (ACT-4, ACT-5).
    pub async fn act(&self, prepared: &Prepared) -> Check<Receipt> {
        let answer = self.call(&self.carry(prepared)).await?;
        self.receipt(&prepared.act, answer)
    }

    /// Checks the acknowledgement of a final answer and the checkpoint in it.
    pub fn receipt(&self, act: &Act, answer: Answer) -> Check<Receipt> {
        if !final_status(answer.status) {
            return Err(unexpected("a final answer", &answer).into());
        }
        let text = answer.value("dxp-ack").ok_or_else(|| unexpected("one DXP-Ack", &answer))?.to_owned();
        let (me, digest) = (self.desk.me.did(), act.digest());
        let due = Answered {
            me: &me,
            peer: &self.ticket.did,
            act: &digest,
            status: answer.status,
            answer: &answer.body,
            now: now(),
        };
        let ack = open_ack(&text, &self.desk.ring, 1, &due)?;
        let checkpoint = covering(&ack.note, ack.index, &self.ticket.did, &ack.signer.log)?;
        self.desk.keep_ack(&text, checkpoint, &ack.note);
        Ok(Receipt { answer, text, ack })
    }

    /// Waits until the node sent something in an exchange beyond the first `seen` acts.
    pub async fn wait(&self, exchange: &[u8; 16], seen: usize) -> Check<Exchange> {
        for _ in 0..300 {
            if let Some(found) = self.desk.exchange(exchange).filter(|found| found.inbox.len() > seen) {
                return Ok(found);
            }
            sleep(Duration::from_millis(50)).await;
        }
        let problems = self.desk.problems();
        Err(Stop::Fail(format!(
            "expected an act of the node within 15 s, got none; refused here: {problems:?}"
        )))
    }

    /// Whether the node still answers: the end of every test that throws something at it.
    pub async fn alive(&self) -> Check {
        let answer = self.link.call(&self.signed("GET", DXP, "/keys", b"")).await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(unexpected("200 from a node that lives", &answer).into())
        }
    }
}

/// Whether a node takes no acts yet, since it asks its peers for what they hold of its log.
fn recovering(answer: &Answer) -> bool {
    let code = || Json::parse(&answer.body).ok()?.text("code").map(str::to_owned);
    answer.status == 503 && answer.value("dxp-ack").is_none() && code().as_deref() == Some("recovering")
}

/// `expected … got …` for an answer.
#[must_use]
pub fn unexpected(due: &str, answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    let ack = if answer.value("dxp-ack").is_some() { " with DXP-Ack" } else { "" };
    format!("expected {due}, got {}{ack} {body}", answer.status)
}

/// That an answer has one of some statuses, and the code if one is named.
pub fn refused(answer: &Answer, statuses: &[u16], code: &str) -> Check {
    let due = format!("{statuses:?} {code}");
    let body = Json::parse(&answer.body).unwrap_or(Json::Null);
    let named = code.is_empty() || body.text("code") == Some(code);
    if statuses.contains(&answer.status) && named { Ok(()) } else { Err(unexpected(&due, answer).into()) }
}

/// The same for an answer that promises nothing, and so must not carry an acknowledgement (ACT-4.2).
pub fn refused_unsigned(answer: &Answer, statuses: &[u16], code: &str) -> Check {
    refused(answer, statuses, code)?;
    if answer.value("dxp-ack").is_none() { Ok(()) } else { Err(unexpected("no DXP-Ack", answer).into()) }
}
