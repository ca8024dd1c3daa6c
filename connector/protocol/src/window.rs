//! Windows: how far a consumer may read ahead of what it has signed for (spec chapter 07, TRF-8).
//!
//! The chunks of a dataset version, in file-list order, are cut into windows by bytes. The consumer signs a
//! [`WindowAck`] over the verified chunk hashes of all windows so far; the provider keeps only the last one, in a
//! [`WindowLedger`], and serves no chunk beyond the second window after it.
//!
//! That rule needs no account of what was served: a chunk fetched twice counts once, and after a restart the last
//! acknowledgement is all there is to know.
//!
//! Does not sign, verify signatures or hash files.

use alloc::string::String;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    encoding::{Digest, Id},
    error::Code,
    filelist::{CHUNK_BYTES, ChunksDigest, FileList},
    identity::Did,
    json::V1,
    jws::{Payload, Typ},
    limits,
};

/// How the chunks of a dataset version are cut into windows (TRF-8.1, TRF-8.2).
///
/// A window is the shortest run of chunks that has at least [`Windows::bytes`] bytes: small files share one.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'a> {
    list: &'a FileList,
}

impl<'a> Windows<'a> {
    /// The windows of a list.
    #[must_use]
    pub const fn new(list: &'a FileList) -> Self {
        Self { list }
    }

    /// Bytes of a window before it is rounded up to whole chunks: a sixteenth of all, at most 64 MiB, at least a chunk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        window_bytes(self.list.bytes())
    }

    /// Number of the chunk behind the window that begins at this chunk.
    #[must_use]
    pub fn end(&self, from: u64) -> u64 {
        self.list.chunk_after(from, self.bytes())
    }

    /// Number of the chunk behind the last one that may be served when the chunks before `acknowledged` are signed for.
    #[must_use]
    pub fn limit(&self, acknowledged: u64) -> u64 {
        (0..limits::WINDOWS_OPEN).fold(acknowledged, |end, _| self.end(end))
    }
}

/// Bytes of a window for a dataset version of `size` bytes, before rounding up to chunks (TRF-8.1).
#[must_use]
pub fn window_bytes(size: u64) -> u64 {
    size.div_ceil(limits::WINDOW_PARTS).min(limits::WINDOW as u64).max(CHUNK_BYTES)
}

/// Payload of a window acknowledgement, `dxp-window+jws` (TRF-8.4). Its members stand in the order of JCS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowAck {
    /// Digest of the agreement.
    pub agreement: Digest,
    /// When it was signed, seconds since 1970.
    pub at: u64,
    /// The provider.
    pub aud: Did,
    /// How many chunks are verified, counted from the first of the list.
    pub chunks: u64,
    /// SHA-256 over the hashes of these chunks in order.
    pub digest: Digest,
    /// The exchange of the transfer.
    pub exchange: Id,
    /// The consumer.
    pub iss: Did,
    /// The provider's id of the transfer process.
    pub transfer: String,
    /// Version of this shape.
    pub v: V1,
    /// Number of the last window that is covered, from 1.
    pub window: u64,
}

/// What a window acknowledgement must say about the transfer it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The consumer, who signs.
    pub consumer: Did,
    /// The provider, to whom it is addressed.
    pub provider: Did,
    /// The exchange of the transfer.
    pub exchange: Id,
    /// The provider's id of the transfer process.
    pub provider_pid: String,
    /// Digest of the agreement.
    pub agreement: Digest,
}

impl Payload for WindowAck {
    const TYP: Typ = Typ::Window;
    const LIMIT: usize = limits::WINDOW_ACK;

    fn check(&self) -> Result<(), &'static str> {
        if self.window == 0 {
            return Err("window");
        }
        // Every window has a chunk.
        if self.chunks < self.window { Err("chunks") } else { Ok(()) }
    }
}

impl WindowAck {
    /// An acknowledgement of progress in a transfer.
    #[must_use]
    pub fn of(transfer: &Transfer, progress: &WindowProgress, at: u64) -> Self {
        Self {
            agreement: transfer.agreement,
            at,
            aud: transfer.provider,
            chunks: progress.chunks,
            digest: progress.digest,
            exchange: transfer.exchange,
            iss: transfer.consumer,
            transfer: transfer.provider_pid.clone(),
            v: V1,
            window: progress.window,
        }
    }

    /// Whether it belongs to this transfer (TRF-8.5).
    pub fn belongs_to(&self, transfer: &Transfer) -> Result<(), BadWindow> {
        let same = self.iss == transfer.consumer
            && self.aud == transfer.provider
            && self.exchange == transfer.exchange
            && self.transfer == transfer.provider_pid
            && self.agreement == transfer.agreement;
        if same { Ok(()) } else { Err(BadWindow::OtherTransfer) }
    }
}

/// How far a consumer has verified: what it signs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowProgress {
    /// Number of verified chunks, from the first of the list.
    pub chunks: u64,
    /// SHA-256 over their hashes in order.
    pub digest: Digest,
    /// Number of the last complete window, from 1.
    pub window: u64,
}

/// Why a range is not served or an acknowledgement not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// The range reaches beyond the second unacknowledged window.
    #[error(
        "chunk {chunk} lies beyond the two windows that may be unacknowledged, which end at chunk {limit}"
    )]
    Exceeded {
        /// Last chunk that the range touches.
        chunk: u64,
        /// First chunk that is not served yet.
        limit: u64,
    },
    /// The file or the range does not exist.
    #[error("no such range")]
    NoSuchRange,
    /// The acknowledgement is of another transfer, party or agreement.
    #[error("the window acknowledgement belongs to another transfer")]
    OtherTransfer,
    /// Its chunks do not end where the window that it names ends.
    #[error("the window acknowledgement does not end where the window that it names ends")]
    NotAWindow,
    /// Its digest is not that of the published chunk hashes.
    #[error("the window acknowledgement has another digest than the chunks that were published")]
    OtherDigest,
    /// The hashes handed in were not those asked for.
    #[error("the chunk hashes handed in are not those from the last acknowledgement to this one")]
    WrongHashes,
}

impl BadWindow {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Exceeded { .. } => Code::WindowExceeded,
            Self::NoSuchRange => Code::RangeInvalid,
            Self::OtherTransfer | Self::NotAWindow | Self::OtherDigest | Self::WrongHashes => {
                Code::WindowInvalid
            }
        }
    }
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is the last one now.
    Advanced,
    /// It repeats the last one, or comes after a later one: nothing changes.
    Repeated,
}

/// The provider's side of the windows of one transfer.
#[derive(Debug, Clone)]
pub struct WindowLedger {
    window: u64,
    digest: ChunksDigest,
}

impl Default for WindowLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl WindowLedger {
    /// Nothing is acknowledged yet.
    #[must_use]
    pub fn new() -> Self {
        Self { window: 0, digest: ChunksDigest::new() }
    }

    /// Takes up again where the last acknowledgement kept had come to; `reached` is the digest over the hashes of its
    /// chunks, from the first.
    pub fn resume(last: &WindowProgress, reached: ChunksDigest) -> Result<Self, BadWindow> {
        if reached.count() != last.chunks {
            return Err(BadWindow::WrongHashes);
        }
        if reached.digest() != last.digest {
            return Err(BadWindow::OtherDigest);
        }
        Ok(Self { window: last.window, digest: reached })
    }

    /// How far the consumer has signed.
    #[must_use]
    pub fn last(&self) -> WindowProgress {
        WindowProgress { chunks: self.digest.count(), digest: self.digest.digest(), window: self.window }
    }

    /// Whether a range of a file's bytes may be served now; answers the numbers of the chunks that it touches (TRF-8.3).
    pub fn admit(&self, list: &FileList, file: usize, range: &Range<u64>) -> Result<Range<u64>, BadWindow> {
        let touched = list.touched(file, range).ok_or(BadWindow::NoSuchRange)?;
        let limit = Windows::new(list).limit(self.digest.count());
        if touched.end > limit {
            return Err(BadWindow::Exceeded { chunk: touched.end - 1, limit });
        }
        Ok(touched)
    }

    /// The numbers of the chunks whose hashes are to be added to [`Self::digest`] before [`Self::acknowledge`]; `None` if
    /// the acknowledgement is an old one.
    ///
    /// It may be ahead of what was served in this transfer: a consumer that resumes signs for what it has.
    pub fn needs(&self, list: &FileList, ack: &WindowAck) -> Result<Option<Range<u64>>, BadWindow> {
        let from = self.digest.count();
        if ack.window <= self.window {
            // An old one may name any smaller count, the last one only its own.
            let possible = if ack.window == self.window { ack.chunks == from } else { ack.chunks < from };
            return if possible { Ok(None) } else { Err(BadWindow::NotAWindow) };
        }
        let windows = Windows::new(list);
        let mut end = from;
        // Ends with the list at the latest: each step takes a chunk at least.
        for _ in self.window..ack.window {
            let next = windows.end(end);
            if next == end || next > ack.chunks {
                return Err(BadWindow::NotAWindow);
            }
            end = next;
        }
        if ack.chunks == end { Ok(Some(from..end)) } else { Err(BadWindow::NotAWindow) }
    }

    /// Digest over the hashes of the chunks that are signed for.
    #[must_use]
    pub const fn digest(&self) -> &ChunksDigest {
        &self.digest
    }

    /// Takes an acknowledgement whose signature is verified and that belongs to the transfer (TRF-8.6). `reached` is
    /// [`Self::digest`] with the hashes that [`Self::needs`] named added.
    pub fn acknowledge(
        &mut self,
        list: &FileList,
        ack: &WindowAck,
        reached: ChunksDigest,
    ) -> Result<Acknowledged, BadWindow> {
        if self.needs(list, ack)?.is_none() {
            let contradicts = ack.window == self.window && ack.digest != self.digest.digest();
            return if contradicts { Err(BadWindow::OtherDigest) } else { Ok(Acknowledged::Repeated) };
        }
        if reached.count() != ack.chunks {
            return Err(BadWindow::WrongHashes);
        }
        if reached.digest() != ack.digest {
            return Err(BadWindow::OtherDigest);
        }
        *self = Self { window: ack.window, digest: reached };
        Ok(Acknowledged::Advanced)
    }

    /// Whether every chunk of the list is signed for.
    #[must_use]
    pub fn is_complete(&self, list: &FileList) -> bool {
        self.digest.count() == list.chunks()
    }
}
