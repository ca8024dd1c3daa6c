//! Requests of ours to a peer: token, target, bounded answer.
//!
//! Knows nothing of what is asked, nor by which door the peer is reached. Redirects are never followed, and an encoded answer is refused: digests rest on bytes.

use axum::body::Body;
use http_body_util::Full;
use hyper::{HeaderMap, Request, body::Bytes, header, http::request};
use naru_protocol::{
    act::{Method, Path, Token, issue_token},
    encoding::Digest,
    error::Code,
    limits,
};
use serde_json::Value;

use super::{Node, NodeError, now, peers::Peer};
use crate::transport::AnswerBody;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}

impl Node {
    /// Sends one request to a peer by whatever way it has.
    pub(super) async fn send(
        &self,
        peer: &Peer,
        method: Method,
        target: &str,
        bearer: &str,
        key: Option<&str>,
        content: Vec<u8>,
    ) -> Result<hyper::Response<AnswerBody>, NodeError> {
        let content = Bytes::from(content);
        let request = || {
            let mut request = asked(method.as_str(), target, bearer);
            if method == Method::Post {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            if let Some(key) = key {
                request = request.header("DXP-Key", key);
            }
            let body = Body::new(Full::new(content.clone()));
            request.body(body).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))
        };
        self.carry(peer, target, false, request).await
    }

    /// A range under a capability.
    pub(super) async fn send_range(
        &self,
        peer: &Peer,
        target: &str,
        capability: &str,
        range: Option<String>,
    ) -> Result<hyper::Response<AnswerBody>, NodeError> {
        let request = || {
            let mut request = asked("GET", target, capability);
            if let Some(range) = &range {
                request = request.header(header::RANGE, range);
            }
            request.body(Body::empty()).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))
        };
        self.carry(peer, target, true, request).await
    }

    /// A read or service post under a token, with its whole answer.
    pub(super) async fn read(
        &self,
        peer: &Peer,
        method: Method,
        base: &str,
        path: Path,
        content: Vec<u8>,
    ) -> Result<Answered, NodeError> {
        let target = format!("{base}{path}");
        let token =
            Token::for_read(self.me.did, *peer.pinned.did(), method, path, Digest::of(&content), now());
        let token = issue_token(&token, self.me.ks(), self.me.signing())?;
        let response = self.send(peer, method, &target, &token, None, content).await?;
        whole(response).await
    }

    /// A read by path text, refused unless it is answered 200.
    pub(super) async fn get(&self, peer: &Peer, base: &str, path: &str) -> Result<Bytes, NodeError> {
        let path = Path::parse(path).map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let Answered { status, body, .. } = self.read(peer, Method::Get, base, path, Vec::new()).await?;
        if status == 200 { Ok(body) } else { Err(refusal(status, &body)) }
    }
}

/// A GET without content, to be sent over a connection that the caller names.
pub(super) fn bare(target: &str, bearer: &str) -> Result<Request<Body>, NodeError> {
    let request = asked("GET", target, bearer).body(Body::empty());
    request.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))
}

fn asked(method: &str, target: &str, bearer: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "dxp")
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
}

/// Reads an answer to its end, within the limit of messages.
pub(super) async fn whole(response: hyper::Response<AnswerBody>) -> Result<Answered, NodeError> {
    let (head, body) = response.into_parts();
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(NodeError::refused(Code::EncodingRefused, "the answer is encoded"));
    }
    let body = body.bytes(limits::MESSAGE).await?;
    Ok(Answered { status: head.status.as_u16(), body, headers: head.headers })
}

/// What an error answer says: the peer's code where it is one that we know, and its words, cut.
pub(super) fn refusal(status: u16, body: &[u8]) -> NodeError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value.get("code").and_then(Value::as_str).and_then(|c| Code::parse(c).ok());
    let reason = value.pointer("/reason/0").or_else(|| value.get("reason")).and_then(Value::as_str);
    let detail: String = reason.unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect();
    let otherwise = if (300..400).contains(&status) { Code::Redirected } else { Code::AnswerMalformed };
    NodeError::refused(code.unwrap_or(otherwise), format!("the peer answered {status} {detail}").trim_end())
}
