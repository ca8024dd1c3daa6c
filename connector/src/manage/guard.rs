//! What every request passes before it is looked at: where it comes from, what its token is good for, how large and how slow
//! its content may be.
//!
//! A page in a browser can be made to send requests to this machine, under any name that resolves to it (DNS rebinding). So
//! only requests for the loopback names at the door's own port are taken, and none with an `Origin`: programs send none.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use naru_protocol::error::Code;

use super::{Desk, Scope};
use crate::control::Failure;

/// The largest content of a request, bytes.
pub(super) const CONTENT: usize = 1 << 20;
/// Time for the content of a request.
const CONTENT_TIME: Duration = Duration::from_secs(10);

/// The outermost check, on every request whatever its path.
pub(super) async fn origin(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    match from_here(request.headers(), desk.port()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn from_here(headers: &HeaderMap, port: u16) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::new(Code::OriginRefused, why));
    for name in ["origin", "sec-fetch-site"] {
        if headers.contains_key(name) {
            return refused(format!("requests with the header `{name}` come from a browser"));
        }
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    let Some(host) = host.filter(|_| more.is_none()) else {
        return refused("one `Host` is needed".to_owned());
    };
    let ours = ["127.0.0.1", "localhost", "[::1]"]
        .into_iter()
        .filter_map(|name| host.strip_prefix(name))
        .any(|rest| rest.strip_prefix(':').is_some_and(|given| given == port.to_string()));
    if ours { Ok(()) } else { refused(format!("the host {host:?} is not 127.0.0.1:{port}")) }
}

/// Checks the token of a route that needs one, and reads the content within its limits.
pub(super) async fn scope(
    State((desk, needs)): State<(Desk, Option<Scope>)>,
    request: Request,
    next: Next,
) -> Response {
    let checked = async {
        if let Some(needs) = needs {
            desk.allow(bearer(request.headers()), needs)?;
        }
        bounded(request).await
    };
    match checked.await {
        Ok(request) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The request with its content read whole.
async fn bounded(request: Request) -> Result<Request, Failure> {
    if request.method() != Method::POST {
        return Ok(request.map(|_| Body::empty()));
    }
    let (head, body) = request.into_parts();
    let collected = tokio::time::timeout(CONTENT_TIME, Limited::new(body, CONTENT).collect()).await;
    let too_slow = |_| Failure::new(Code::TooSlow, "the content did not arrive in time").own();
    let bytes = collected.map_err(too_slow)?.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            return Failure::new(Code::TooLarge, format!("the content has more than {CONTENT} bytes")).own();
        }
        Failure::new(Code::Malformed, error.to_string()).own()
    })?;
    Ok(Request::from_parts(head, Body::from(bytes.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_at_the_own_port_and_no_browser() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            headers
        };
        for host in ["127.0.0.1:4900", "localhost:4900", "[::1]:4900"] {
            assert!(from_here(&headers(&[("host", host)]), 4900).is_ok(), "{host}");
            for (name, value) in
                [("origin", "http://127.0.0.1:4900"), ("origin", "null"), ("sec-fetch-site", "none")]
            {
                let failure = from_here(&headers(&[("host", host), (name, value)]), 4900).unwrap_err();
                assert_eq!(failure.code, "origin_refused");
            }
        }
        for host in [
            "evil.example:4900",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.evil.example:4900",
            "127.0.0.1:4900.evil",
            "",
        ] {
            assert!(from_here(&headers(&[("host", host)]), 4900).is_err(), "{host}");
        }
        let twice = headers(&[("host", "127.0.0.1:4900"), ("host", "evil.example")]);
        assert!(from_here(&twice, 4900).is_err() && from_here(&headers(&[]), 4900).is_err());
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("abc"), None);
    }
}
