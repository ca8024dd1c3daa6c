//! `GET /v1/events`: the bus of the node as server-sent events.
//!
//! A comment goes out when nothing has happened for a while, so that a connection that is dead is noticed on both sides.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event as Sent, KeepAlive, Sse},
};
use futures::{Stream, stream};
use naru_protocol::error::Code;
use tokio::sync::OwnedSemaphorePermit;

use super::Desk;
use crate::{control::Failure, node::events::Bus};

/// Readers at the same time: fewer than connections, so that verbs still get one.
pub(super) const READERS: usize = 32;
/// Silence after which a comment is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows what happens, until the node stops or the reader is too slow.
pub(super) async fn events(
    State(desk): State<Desk>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Failure> {
    let place = desk.reader().ok_or_else(|| {
        Failure::new(Code::BudgetExceeded, format!("{READERS} readers follow the events already")).own()
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    Ok(sent(desk.node()?.events(), last, place))
}

/// The events of a bus behind `last`, or from now on; `place` is held for as long as somebody reads.
pub(super) fn sent(
    bus: &Bus,
    last: Option<&str>,
    place: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>> + use<>> {
    let follow = bus.follow(last);
    let events = stream::unfold((follow, place), |(mut follow, place)| async move {
        let (id, event) = follow.next().await?;
        let sent = Sent::default().event(event.what.name());
        let sent = id.into_iter().fold(sent, Sent::id);
        // JSON of one line: there is nothing in it that could end the event.
        let sent = sent.data(serde_json::to_string(&event).unwrap_or_default());
        Some((Ok(sent), (follow, place)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here"))
}
