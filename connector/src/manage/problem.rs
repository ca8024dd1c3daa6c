//! A failure as an answer: `application/problem+json` (RFC 9457) with the members that our commands print.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use naru_protocol::error::{Code, Lang, Side};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::control::Failure;

/// The media type of a problem.
pub(super) const MEDIA: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// `urn:naru:error:` and the code.
    r#type: String,
    /// What the code means, in English.
    title: String,
    /// The status of the answer.
    status: u16,
    /// As `message`.
    detail: String,
    /// A code of the error registry (spec chapter 11): what programs match on.
    code: String,
    /// Whose side it came from: `local`, `peer`, `policy`, `transport` or `store`.
    side: String,
    /// What happened.
    message: String,
    /// What to do.
    hint: String,
    /// Rules that do not allow it, each with its law and the way out; empty where no rule is the reason.
    explained: Vec<Value>,
}

impl Problem {
    fn of(failure: Failure) -> Self {
        let code = Code::parse(&failure.code).unwrap_or(Code::Internal);
        Self {
            r#type: format!("urn:naru:error:{}", failure.code),
            title: code.title(Lang::En).to_owned(),
            status: status(code).as_u16(),
            detail: failure.message.clone(),
            side: failure.side.unwrap_or_else(|| code.side().as_str().to_owned()),
            hint: failure.hint.unwrap_or_else(|| code.hint(Lang::En).to_owned()),
            code: failure.code,
            message: failure.message,
            explained: failure.explained,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = Problem::of(self);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut answer = (status, [(header::CONTENT_TYPE, MEDIA)], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"naru\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        answer
    }
}

/// The status by kind. 401 and 403 are about who asks, and never what a peer or the law says of what was asked: that is 422,
/// like everything that was understood and cannot be done. 502 is the way to a peer.
pub(super) fn status(code: Code) -> StatusCode {
    let own = matches!(code, Code::ManagementToken | Code::ScopeMissing | Code::OriginRefused);
    let number = match (code.http_status(), code.side()) {
        (status, _) if own => status,
        (0..=399 | 401 | 403, _) => 422,
        (500, Side::Local) if code != Code::Internal => 422,
        (500, Side::Transport) => 502,
        (status, _) => status,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whose_turn_it_is() {
        for (code, wanted) in [
            (Code::ManagementToken, 401),
            (Code::ScopeMissing, 403),
            (Code::OriginRefused, 403),
            (Code::NotReady, 503),
            (Code::Denied, 422),
            (Code::NotPaired, 422),
            (Code::FileUnusable, 422),
            (Code::ArgumentInvalid, 400),
            (Code::DatasetUnknown, 404),
            (Code::PeerNotNamed, 404),
            (Code::TooLarge, 413),
            (Code::Unreachable, 502),
            (Code::TimedOut, 504),
            (Code::Internal, 500),
            (Code::StoreCorrupt, 500),
            (Code::DiskFull, 503),
        ] {
            assert_eq!(status(code).as_u16(), wanted, "{code}");
        }
        // Whoever has a token that holds never reads that it does not.
        let about_who_asks = [Code::ManagementToken, Code::ScopeMissing, Code::OriginRefused];
        for code in Code::ALL.iter().filter(|code| !about_who_asks.contains(code)) {
            assert!(!matches!(status(*code).as_u16(), 401 | 403), "{code}");
            assert!(status(*code).is_client_error() || status(*code).is_server_error(), "{code}");
        }
    }

    #[test]
    fn a_problem_has_every_member_and_reads_back_as_the_failure() {
        let rule = serde_json::json!({"id": "X-001"});
        let failure = Failure { explained: vec![rule], ..Failure::new(Code::Denied, "no") };
        let value = serde_json::to_value(Problem::of(failure)).unwrap();
        let names: Vec<&String> = value.as_object().unwrap().keys().collect();
        let wanted = ["code", "detail", "explained", "hint", "message", "side", "status", "title", "type"];
        assert_eq!(names, wanted);
        assert_eq!(value["type"], "urn:naru:error:denied");
        let back: Failure = serde_json::from_value(value).unwrap();
        assert_eq!((back.code.as_str(), back.explained.len()), ("denied", 1));
    }
}
