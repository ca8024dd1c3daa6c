//! The consumer's side of the bytes: ranges and window acknowledgements over the node's connection, under a capability that
//! is renewed by itself (spec chapter 07b, TRF-6 to TRF-8).
//!
//! What arrives is verified and written in [`crate::data::fetch`]; the acts around it are in `transfer`.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use futures::StreamExt as _;
use hyper::{body::Bytes, header};
use naru_protocol::{
    act::{Method, Path as Target},
    encoding::Id,
    error::Code,
    identity::Role,
    limits,
    listing::Listing,
    window::{Transfer, WindowAck, WindowProgress},
};
use tokio::sync::{Mutex, Notify};

use super::refused;
use crate::{
    data::{
        fetch::{FetchEvent, FetchOptions, Fetched, Wanted, fetch},
        range_header,
        ranges::{BodyStream, RangeError, RangeSource, Turn},
    },
    node::{
        Node, NodeError,
        deal::Haul,
        link::{Answered, whole},
        now,
        peers::Peer,
        route::DXP,
        turn::{Data, data_of},
    },
    store::ExchangeRow,
};

impl Node {
    /// Fetches the files of a started transfer; every chunk verified before it is written and acknowledged.
    pub(in crate::node) async fn fetch_into(
        &self,
        row: &ExchangeRow,
        haul: &Haul,
        out: &Path,
    ) -> Result<Fetched, NodeError> {
        let peer = self.peer(&row.peer).await?.ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        let negotiation = self.store.exchange(haul.negotiation).await?;
        let negotiation = negotiation.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let Data::Deal(deal) = data_of(&negotiation)? else {
            return Err(NodeError::refused(Code::NotInForce, ""));
        };
        let listing = naru_protocol::jws::peek::<Listing>(&deal.listing)?;
        let terms = deal.terms.ok_or_else(|| NodeError::refused(Code::NotInForce, ""))?;
        let wanted = Wanted { content_root: terms.content_root, summary: listing.claims().summary.clone() };
        let transfer = self.transfer_of(row, haul, Role::Consumer)?;
        let base = format!("/transfers/{}", transfer.provider_pid);
        let (capability, negotiation) = (Mutex::default(), haul.negotiation);
        let link = Link { node: self.clone(), peer, base, transfer, negotiation, capability };
        let (exchange, counters) = (row.id, Arc::clone(&self.counters));
        self.recall_pace(negotiation).await?;
        let arrived = self.flows.receive(row.id);
        let on_event = move |event: FetchEvent<'_>| match event {
            FetchEvent::Corrupt { path, chunk, tries } => {
                tracing::warn!(%exchange, path, chunk, tries, "a chunk is wrong or cannot be read; fetched again alone");
            }
            FetchEvent::Retry { error, .. } => tracing::info!(%exchange, %error, "a request is repeated"),
            FetchEvent::Started { bytes, held, .. } => {
                arrived.total.store(bytes, Relaxed);
                arrived.verified.store(held, Relaxed);
            }
            FetchEvent::Chunk { bytes, found, .. } => {
                arrived.verified.fetch_add(bytes, Relaxed);
                if !found {
                    counters.verified(bytes);
                }
            }
            FetchEvent::Acknowledged(_) | FetchEvent::Placing => {}
        };
        fetch(Arc::new(link), &wanted, out, FetchOptions::default(), Arc::new(on_event))
            .await
            .map_err(|e| refused(e.code(), &e))
    }
}

/// The provider as the fetcher sees it.
struct Link {
    node: Node,
    peer: Arc<Peer>,
    base: String,
    transfer: Transfer,
    negotiation: Id,
    /// The capability in use and when it was asked for, seconds.
    capability: Mutex<Option<(String, u64)>>,
}

impl Link {
    /// The capability in use, or a fresh one when a third of its life is left.
    async fn capability(&self, renew: bool) -> Result<String, RangeError> {
        let mut held = self.capability.lock().await;
        let at = now();
        if !renew
            && let Some((text, asked)) = &*held
            && at < asked + limits::CAPABILITY_SECONDS * 2 / 3
        {
            return Ok(text.clone());
        }
        let path = format!("{}/capability", self.base);
        let body = self.node.get(&self.peer, DXP, &path).await.map_err(|e| range_error(&e))?;
        let value: serde_json::Value = serde_json::from_slice(&body).map_err(|_| RangeError::Length)?;
        let text = value.get("capability").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        *held = Some((text.clone(), at));
        Ok(text)
    }

    async fn ask(
        &self,
        path: &str,
        range: Option<&Range<u64>>,
        renew: bool,
    ) -> Result<BodyStream, RangeError> {
        let capability = self.capability(renew).await?;
        let target = format!("{DXP}{}/{path}", self.base);
        let response = self
            .node
            .send_range(&self.peer, &target, &capability, range.map(range_header))
            .await
            .map_err(|e| range_error(&e))?;
        let status = response.status().as_u16();
        if status != 200 && status != 206 {
            let Answered { body, .. } = whole(response).await.map_err(|e| range_error(&e))?;
            return Err(status_error(status, &body));
        }
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(RangeError::Length);
        }
        let (node, negotiation) = (self.node.clone(), self.negotiation);
        let pieces =
            futures::stream::unfold((response.into_body(), Bytes::new()), move |(mut body, held)| {
                let pace = node.flows.pace(negotiation);
                async move {
                    let mut held = held;
                    if held.is_empty() {
                        held = match body.chunk().await {
                            Ok(Some(bytes)) => bytes,
                            Ok(None) => return None,
                            Err(error) => {
                                return Some((Err(RangeError::Interrupted(error.to_string())), (body, held)));
                            }
                        };
                    }
                    let piece = match pace {
                        None => std::mem::take(&mut held),
                        Some(pace) => {
                            let piece = held.split_to(pace.piece().min(held.len()));
                            pace.pass(piece.len()).await;
                            piece
                        }
                    };
                    Some((Ok(piece), (body, held)))
                }
            });
        Ok(pieces.boxed())
    }
}

impl RangeSource for Link {
    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<BodyStream, RangeError> {
        match self.ask(path, range.as_ref(), false).await {
            Err(RangeError::Refused {
                code: Some(Code::CapabilityExpired | Code::PermitExpired), ..
            }) => self.ask(path, range.as_ref(), true).await,
            answer => answer,
        }
    }

    async fn turn(&self) -> Option<Turn> {
        match self.node.flows.pace(self.negotiation) {
            Some(pace) => Some(pace.turn().await),
            None => None,
        }
    }

    async fn acknowledge(&self, progress: WindowProgress) -> Result<(), RangeError> {
        // A provider takes it for a transfer that it serves: one that resumes may have nothing to ask for before it.
        self.capability(false).await?;
        match self.acknowledge_once(&progress).await {
            Err(RangeError::Refused { code: Some(Code::CapabilityExpired), .. }) => {
                self.capability(true).await?;
                self.acknowledge_once(&progress).await
            }
            answer => answer,
        }
    }

    fn back(&self) -> Option<Arc<Notify>> {
        Some(Arc::clone(&self.node.nudge))
    }
}

impl Link {
    async fn acknowledge_once(&self, progress: &WindowProgress) -> Result<(), RangeError> {
        let ack = WindowAck::of(&self.transfer, progress, now());
        let text = self.node.me.sign(&ack).map_err(|e| RangeError::Interrupted(e.to_string()))?;
        let path = Target::parse(&format!("{}/window", self.base));
        let path = path.map_err(|e| RangeError::Interrupted(e.to_string()))?;
        let answer = self.node.read(&self.peer, Method::Post, DXP, path, text.into_bytes()).await;
        let Answered { status, body, .. } = answer.map_err(|e| range_error(&e))?;
        if status == 200 { Ok(()) } else { Err(status_error(status, &body)) }
    }
}

/// What a failure means to the fetcher: a link that broke is tried again, a refusal is not.
fn range_error(error: &NodeError) -> RangeError {
    match error {
        NodeError::Refused(code, _) | NodeError::Judged { code, .. } => {
            // As the answer had it: a code that goes with success is refused with 400.
            let status = if code.http_status() < 300 { 400 } else { code.http_status() };
            meaning(status, Some(*code))
        }
        NodeError::Transport(error) => RangeError::Interrupted(error.to_string()),
        NodeError::Folder(_)
        | NodeError::Config(_)
        | NodeError::Store(_)
        | NodeError::Identity(_)
        | NodeError::Jws(_)
        | NodeError::Ticket(_)
        | NodeError::Json(_)
        | NodeError::Bundle(_)
        | NodeError::Engine(_) => RangeError::Interrupted(error.to_string()),
    }
}

fn status_error(status: u16, body: &[u8]) -> RangeError {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value.get("code").and_then(serde_json::Value::as_str).and_then(|c| Code::parse(c).ok());
    meaning(status, code)
}

fn meaning(status: u16, code: Option<Code>) -> RangeError {
    match (status, code) {
        (_, Some(code @ (Code::SourceChanged | Code::SourceMissing))) => RangeError::SourceFault(code),
        // The provider's facts cannot be read just now: its operator may be writing them.
        (429 | 503, _) | (_, Some(Code::PolicyInput)) => RangeError::Busy { after: None },
        (500..=599, _) => RangeError::Interrupted(format!("status {status}")),
        (_, code) => RangeError::Refused { status, code },
    }
}
