//! Data that a plain peer delivers to us: POST or PUT under the token that our transfer request carried (spec chapter 13,
//! PLN-8.9).
//!
//! Written beside its final name, named when the content is complete. The provider says when it has delivered all.

use std::path::{Path, PathBuf};

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, header};
use naru_protocol::{encoding::Digest, error::Code, exchange::State as Any, transfer as tra};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::{
    deal::Format,
    fetch::{MOST, file_name, unusable},
    serve::{denied, token_of},
    turn::{PlainData, data_of, machine_of},
};
use crate::{
    node::{Node, NodeError},
    store::{ExchangeKind, ExchangeRow, OurRole},
};

/// Files of one push, at most.
const FILES: u64 = 10_000;

/// The name that the sender gives its file, without what could lead elsewhere.
fn named(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let name = text.split(';').find_map(|part| part.trim().strip_prefix("filename="))?.trim_matches('"');
    (!name.is_empty()).then(|| file_name(name))
}

/// A name in the folder that is not taken yet.
fn free(out: &Path, name: &str) -> Option<PathBuf> {
    let numbered = |n: u64| if n == 1 { out.join(name) } else { out.join(format!("{name}.{n}")) };
    (1..=FILES).map(numbered).find(|path| std::fs::symlink_metadata(path).is_err())
}

impl Node {
    /// `POST /data/<pid>` and `PUT /data/<pid>`: one file of a push that we asked for.
    pub(super) async fn plain_take(
        &self,
        pid: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), NodeError> {
        let (row, out) = self.awaited(pid, token_of(headers).ok_or_else(denied)?).await?;
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(NodeError::refused(Code::EncodingRefused, ""));
        }
        // One file after the other: names are given out, and counted, in order.
        let _one = self
            .locks
            .one(naru_protocol::encoding::Id(super::begin::first_half(&Digest::of(pid.as_bytes()))))
            .await;
        let PlainData::Haul(haul) = data_of(&row)? else { return Err(denied()) };
        let name = named(headers).unwrap_or_else(|| file_name(&haul.dataset));
        let part = out.join(format!(".{name}.naru-part"));
        let written = self.write_delivered(&out, &part, body).await;
        if written.is_err() {
            let _ = tokio::fs::remove_file(&part).await;
        }
        let (bytes, sha256) = written?;
        // What was asked for may have ended while it arrived.
        self.awaited(pid, token_of(headers).ok_or_else(denied)?).await?;
        let place = free(&out, &name)
            .ok_or_else(|| NodeError::refused(Code::TooLarge, "more files than a push may have"))?;
        tokio::fs::rename(&part, &place).await.map_err(|e| unusable(&place, &e))?;
        let _lock = self.locks.one(row.id).await;
        let mut turn = self.plain_turn(row.id).await?;
        let haul = turn.haul()?;
        haul.bytes = haul.bytes.saturating_add(bytes);
        // Of several files the digest of the last says nothing about the whole.
        haul.sha256 = (!haul.done).then_some(sha256);
        (haul.done, haul.refusal) = (true, None);
        turn.commit().await?;
        Ok(())
    }

    /// The transfer that waits for a delivery under this token, and where its files go. A provider may deliver before its START
    /// has come: law was asked over the request.
    async fn awaited(&self, pid: &str, shown: &str) -> Result<(ExchangeRow, PathBuf), NodeError> {
        let row = self.store.exchange_by_pid(pid).await?.filter(|row| super::is_plain(&row.peer));
        let row = row.filter(|r| r.kind == ExchangeKind::Transfer && r.role == OurRole::Consumer);
        let row = row.ok_or_else(denied)?;
        let PlainData::Haul(haul) = data_of(&row)? else { return Err(denied()) };
        let token = haul.token.filter(|_| haul.format == Format::Push).ok_or_else(denied)?;
        let open = matches!(
            machine_of(&row)?.state(),
            Some(Any::Transfer(tra::State::Requested | tra::State::Started))
        );
        if !open || !self.is_let_in(&row.peer) {
            return Err(denied());
        }
        self.token_opens(&row, token, Some(shown))?;
        let out = haul.out.ok_or_else(denied)?;
        Ok((row, out))
    }

    async fn write_delivered(
        &self,
        out: &Path,
        part: &Path,
        mut body: Body,
    ) -> Result<(u64, String), NodeError> {
        tokio::fs::create_dir_all(out).await.map_err(|e| unusable(out, &e))?;
        let mut file = tokio::fs::File::create(part).await.map_err(|e| unusable(part, &e))?;
        let (mut bytes, mut sha256) = (0_u64, Sha256::new());
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|e| NodeError::refused(Code::Malformed, format!("the content broke off: {e}")))?;
            let Ok(piece) = frame.into_data() else { continue };
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > MOST {
                return Err(NodeError::refused(Code::TooLarge, "the data do not end"));
            }
            sha256.update(&piece);
            file.write_all(&piece).await.map_err(|e| unusable(part, &e))?;
        }
        file.sync_all().await.map_err(|e| unusable(part, &e))?;
        self.counters.unsigned(bytes);
        Ok((bytes, sha256.finalize().iter().map(|b| format!("{b:02x}")).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_name_never_leaves_the_folder() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_DISPOSITION, text.parse().unwrap());
            named(&headers)
        };
        assert_eq!(of("attachment; filename=\"a.csv\"").as_deref(), Some("a.csv"));
        assert_eq!(of("attachment; filename=\"../../a\"").as_deref(), Some("_.._a"));
        assert_eq!(of("attachment; filename=\".\"").as_deref(), Some("data"));
        assert_eq!(of("attachment"), None);
        assert_eq!(of("attachment; filename=\"\""), None);
    }
}
