//! Data of a plain peer: fetched under the token that its START carried, into a part file, and named when complete (spec
//! chapter 13, PLN-8).
//!
//! Nothing was promised that the bytes could be compared with: what is kept is the digest of what arrived. A server that knows
//! ranges and names its content is asked for the rest; any other is asked for the whole again.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use axum::body::Body;
use hyper::{HeaderMap, Request, StatusCode, header};
use naru_protocol::{
    encoding::Id,
    error::Code,
    exchange::{ActKind, Role},
    transfer as tra,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::{
    deal::{Format, Place},
    negotiation::Step,
    peers::PlainPeer,
    turn::{PlainData, data_of, machine_of},
};
use crate::{
    node::{Node, NodeError, flows::Arrived, now_ms, transfer::passes, views},
    store::{ExchangeRow, OurRole},
};

/// Bytes of one dataset of a plain peer, at most: an endless answer ends there, or where the disk does.
pub(super) const MOST: u64 = 1 << 44;
/// Longest name of a file made from a dataset's id, bytes.
const NAME: usize = 128;

/// What arrived.
struct Fetched {
    bytes: u64,
    sha256: String,
}

/// A file name for a dataset that a peer named.
pub(super) fn file_name(dataset: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = dataset.chars().map(plain).take(NAME).collect();
    let name = name.trim_start_matches('.').to_owned();
    if name.is_empty() { "data".to_owned() } else { name }
}

/// Where the part of a fetch lies, and the tag of the content that it is a part of.
struct Part {
    part: PathBuf,
    tag: PathBuf,
    whole: PathBuf,
}

impl Part {
    fn of(out: &Path, dataset: &str) -> Self {
        let name = file_name(dataset);
        Self {
            part: out.join(format!(".{name}.naru-part")),
            tag: out.join(format!(".{name}.naru-tag")),
            whole: out.join(name),
        }
    }
}

pub(super) fn unusable(path: &Path, error: &std::io::Error) -> NodeError {
    let code = if crate::data::part::is_disk_full(error) { Code::DiskFull } else { Code::FileUnusable };
    NodeError::refused(code, format!("{}: {error}", path.display()))
}

impl Node {
    /// Fetches what a started transfer offers, in one task however often it is started.
    pub(super) async fn fetch_plain(self, id: Id) {
        let Some(mut run) = self.receiving.begin(id) else { return };
        let mut stop = self.stop.subscribe();
        let mut tries = 0;
        loop {
            let fetched = tokio::select! {
                fetched = self.try_fetch_plain(id) => fetched,
                () = run.halted() => Ok(()),
                _ = stop.wait_for(|s| *s) => return,
            };
            if let Err(error) = fetched {
                tracing::warn!(exchange = %id, code = error.code().as_str(), %error, "the data did not arrive");
                let goes_on = passes(error.code());
                if let Err(error) = self.plain_failed(id, &error, goes_on).await {
                    tracing::error!(exchange = %id, %error, "the failure could not be kept");
                    return;
                }
                if goes_on && self.pause(tries).await {
                    tries += 1;
                    continue;
                }
            }
            if !run.again() {
                return;
            }
        }
    }

    async fn try_fetch_plain(&self, id: Id) -> Result<(), NodeError> {
        let row = self.store.exchange(id).await?.ok_or_else(|| NodeError::refused(Code::NotFound, ""))?;
        let PlainData::Haul(haul) = data_of(&row)? else { return Ok(()) };
        // A message of ours that is unanswered here ends the transfer.
        if !fetches(&row, Role::Consumer)
            || row.role != OurRole::Consumer
            || haul.format != Format::Pull
            || machine_of(&row)?.pending().is_some()
        {
            return Ok(());
        }
        if haul.done {
            return self.fetched(id, None).await;
        }
        let (Some(place), Some(out)) = (&haul.place, &haul.out) else { return Ok(()) };
        let peer = self.plain_peer(&row.peer).ok_or_else(|| NodeError::refused(Code::NotPaired, ""))?;
        if !self.is_let_in(&row.peer) {
            return Err(NodeError::refused(Code::PeerBlocked, peer.row.alias.clone()));
        }
        let paths = Part::of(out, &haul.dataset);
        self.recall_pace(haul.negotiation).await?;
        let gauge = Gauge { node: self, negotiation: haul.negotiation, arrived: self.flows.receive(id) };
        let fetched = tokio::select! {
            fetched = self.fetch_all(&peer, place, out, &paths, &gauge) => fetched?,
            error = self.no_longer_fetched(&row) => return Err(error),
        };
        self.fetched(id, Some(fetched)).await
    }

    /// Keeps that all bytes arrived and tells the provider, unless the transfer does not run just now: then at its next START.
    async fn fetched(&self, id: Id, fetched: Option<Fetched>) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        let haul = turn.haul()?;
        if let Some(Fetched { bytes, sha256 }) = fetched {
            (haul.bytes, haul.sha256, haul.done) = (bytes, Some(sha256), true);
            (haul.refusal, haul.ended_ms) = (None, Some(now_ms()));
            // The token is of no more use.
            haul.place = None;
        }
        if turn.machine.may_send(ActKind::Transfer(tra::ActKind::Complete)) {
            turn.take(Step::Complete, 0).await?;
        }
        turn.commit().await?;
        Ok(())
    }

    /// Asks our own law again whenever the operator's facts have changed; ends with what stands against the data.
    async fn no_longer_fetched(&self, row: &ExchangeRow) -> NodeError {
        let mut facts = self.facts_seen();
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let seen = self.facts_seen();
            if seen != facts {
                if let Err(error) = self.plain_still_allowed(row).await {
                    return error;
                }
                facts = seen;
            }
        }
    }

    async fn fetch_all(
        &self,
        peer: &PlainPeer,
        place: &Place,
        out: &Path,
        paths: &Part,
        gauge: &Gauge<'_>,
    ) -> Result<Fetched, NodeError> {
        loop {
            if let Some(fetched) = self.fetch_part(peer, place, out, paths, gauge).await? {
                return Ok(fetched);
            }
        }
    }

    /// One request for what is missing; none if its answer was a part and there is more.
    async fn fetch_part(
        &self,
        peer: &PlainPeer,
        place: &Place,
        out: &Path,
        paths: &Part,
        gauge: &Gauge<'_>,
    ) -> Result<Option<Fetched>, NodeError> {
        tokio::fs::create_dir_all(out).await.map_err(|e| unusable(out, &e))?;
        let options = |path: &Path| {
            let mut options = tokio::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let path = path.to_owned();
            async move { options.open(&path).await.map_err(|e| unusable(&path, &e)) }
        };
        let mut file = options(&paths.part).await?;
        let held = file.metadata().await.map_err(|e| unusable(&paths.part, &e))?.len();
        let tag = tokio::fs::read_to_string(&paths.tag).await.ok().filter(|tag| held > 0 && !tag.is_empty());
        let mut request = Request::builder().method("GET").header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = &place.authorization {
            request = request.header(header::AUTHORIZATION, token.as_str());
        }
        if let Some(tag) = &tag {
            request = request
                .header(header::RANGE, format!("bytes={held}-"))
                .header(header::IF_RANGE, tag.as_str());
        }
        let request = request.body(Body::empty());
        let request = request.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))?;
        let reach = peer.reach_of_data(self, &place.endpoint)?;
        // However long the whole takes: only pauses are limited.
        let answer =
            self.client.request_within(&place.endpoint, request, &reach, self.client.times()).await?;
        let (head, body) = answer.into_parts();
        let span = span_of(head.status, &head.headers, tag.as_ref().map(|_| held))?;
        let named = head.headers.get(header::ETAG).and_then(|v| v.to_str().ok());
        if span.from > 0 && named.is_some() && named != tag.as_deref() {
            // A part of something else than what is held: the whole, next time.
            file.set_len(0).await.map_err(|e| unusable(&paths.part, &e))?;
            return Err(NodeError::refused(Code::Busy, "the content has changed meanwhile"));
        }
        let from = span.from;
        let mut sha256 = Sha256::new();
        if from > 0 {
            hash_held(&mut file, from, &mut sha256).await.map_err(|e| unusable(&paths.part, &e))?;
        }
        file.set_len(from).await.map_err(|e| unusable(&paths.part, &e))?;
        file.seek(std::io::SeekFrom::Start(from)).await.map_err(|e| unusable(&paths.part, &e))?;
        let strong = named.or(tag.as_deref().filter(|_| from > 0)).filter(|t| t.starts_with('"'));
        tokio::fs::write(&paths.tag, strong.unwrap_or_default())
            .await
            .map_err(|e| unusable(&paths.tag, &e))?;
        let bytes = write_all(body, &mut file, from, &mut sha256, (&paths.part, gauge)).await?;
        self.counters.unsigned(bytes.saturating_sub(from));
        if span.until.is_some_and(|until| until != bytes) {
            return Err(NodeError::refused(Code::RangeInvalid, "another part than its head says"));
        }
        file.sync_all().await.map_err(|e| unusable(&paths.part, &e))?;
        if span.total.is_some_and(|total| total != bytes) {
            return Ok(None);
        }
        tokio::fs::rename(&paths.part, &paths.whole).await.map_err(|e| unusable(&paths.whole, &e))?;
        let _ = tokio::fs::remove_file(&paths.tag).await;
        let sha256 = sha256.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Some(Fetched { bytes, sha256 }))
    }

    /// Keeps why data do not move, and ends the transfer where trying again is of no use.
    pub(super) async fn plain_failed(
        &self,
        id: Id,
        error: &NodeError,
        goes_on: bool,
    ) -> Result<(), NodeError> {
        let _lock = self.locks.one(id).await;
        let mut turn = self.plain_turn(id).await?;
        if turn.row.state != "STARTED" {
            return Ok(());
        }
        let role = turn.machine.role();
        turn.haul()?.refusal = Some(views::refusal(error.code(), vec![error.to_string()], role));
        if !goes_on {
            // The peer learns the code; the words may hold paths of ours.
            turn.end_transfer(error.code(), Vec::new(), Vec::new(), 0)?;
            turn.haul()?.refusal = Some(views::refusal(error.code(), vec![error.to_string()], role));
        }
        turn.commit().await?;
        Ok(())
    }
}

/// Which bytes of the whole an answer holds.
struct Span {
    from: u64,
    /// The first byte after them, and the size of the whole, where the answer is a part.
    until: Option<u64>,
    total: Option<u64>,
}

impl Span {
    /// The value of `Content-Range`: `bytes 5-9/100`.
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (from, last, total): (u64, u64, u64) =
            (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
        (from <= last && last < total).then_some(Self { from, until: Some(last + 1), total: Some(total) })
    }
}

/// What an answer holds; refuses what is no data, and a part where the whole was asked for or another one was. `asked` is the
/// first byte of the range that was asked for, if one was.
fn span_of(status: StatusCode, headers: &HeaderMap, asked: Option<u64>) -> Result<Span, NodeError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(NodeError::refused(Code::EncodingRefused, "the data are encoded"));
    }
    match status.as_u16() {
        200 => Ok(Span { from: 0, until: None, total: None }),
        206 => {
            let range = headers.get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let span = Span::parse(range).filter(|span| Some(span.from) == asked);
            span.ok_or_else(|| NodeError::refused(Code::RangeInvalid, "another range than was asked for"))
        }
        401 | 403 => {
            Err(NodeError::refused(Code::CapabilityInvalid, "the provider's data address opens nothing"))
        }
        300..=399 => Err(NodeError::refused(Code::Redirected, format!("answered {status}"))),
        408 | 429 | 500..=599 => {
            Err(NodeError::refused(Code::Busy, format!("the data address answered {status}")))
        }
        _ => Err(NodeError::refused(Code::AnswerMalformed, format!("the data address answered {status}"))),
    }
}

async fn hash_held(file: &mut tokio::fs::File, until: u64, sha256: &mut Sha256) -> std::io::Result<()> {
    file.seek(std::io::SeekFrom::Start(0)).await?;
    let mut left = until;
    let mut piece = vec![0; 1 << 16];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let read = file.read(piece.get_mut(..most).unwrap_or_default()).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        sha256.update(piece.get(..read).unwrap_or_default());
        left -= read as u64;
    }
    Ok(())
}

/// Tells how many bytes there are, and holds them to the pace of the deal.
struct Gauge<'a> {
    node: &'a Node,
    negotiation: Id,
    arrived: Arc<Arrived>,
}

impl Gauge<'_> {
    async fn pass(&self, so_far: u64, mut more: usize) {
        while let Some(pace) = self.node.flows.pace(self.negotiation).filter(|_| more > 0) {
            let piece = pace.piece().min(more);
            pace.pass(piece).await;
            more -= piece;
        }
        self.arrived.verified.store(so_far, Relaxed);
    }
}

async fn write_all(
    mut body: crate::transport::AnswerBody,
    file: &mut tokio::fs::File,
    from: u64,
    sha256: &mut Sha256,
    (path, gauge): (&Path, &Gauge<'_>),
) -> Result<u64, NodeError> {
    let mut bytes = from;
    while let Some(piece) = body.chunk().await? {
        bytes = bytes.saturating_add(piece.len() as u64);
        if bytes > MOST {
            return Err(NodeError::refused(Code::TooLarge, "the data do not end"));
        }
        gauge.pass(bytes, piece.len()).await;
        sha256.update(&piece);
        file.write_all(&piece).await.map_err(|e| unusable(path, &e))?;
    }
    file.flush().await.map_err(|e| unusable(path, &e))?;
    Ok(bytes)
}

/// Whether this side fetches the data of a transfer that has started.
pub(super) fn fetches(row: &ExchangeRow, role: Role) -> bool {
    role == Role::Consumer && row.state == "STARTED"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_dataset_and_never_leaves_its_folder() {
        assert_eq!(file_name("asset-1.csv"), "asset-1.csv");
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name("…"), "_");
        assert_eq!(file_name("..."), "data");
        assert!(file_name(&"x".repeat(1000)).len() <= NAME);
    }
}
