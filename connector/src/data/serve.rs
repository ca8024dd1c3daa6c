//! One transfer at the provider: which ranges are served, and how far the consumer has signed (spec chapter 07, TRF-6 and
//! TRF-8).
//!
//! Joins a [`Source`] with a [`WindowLedger`]. The caller has checked who asks, the agreement, the permit, the state of the
//! transfer and the capability; it makes an accepted window acknowledgement durable.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use naru_protocol::{
    error::Code,
    filelist::ChunksDigest,
    jws::Verified,
    window::{Acknowledged, BadWindow, Transfer, WindowAck, WindowLedger, WindowProgress},
};

use super::{
    Part,
    source::{Reading, Source, SourceError},
};

/// Why a range is not served or a window acknowledgement not taken.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The published content cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Beyond what may be unacknowledged, or a wrong acknowledgement.
    #[error(transparent)]
    Window(#[from] BadWindow),
}

impl ServeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Source(error) => error.code(),
            Self::Window(error) => error.code(),
        }
    }
}

/// A transfer that is being served.
#[derive(Debug)]
pub struct Serving {
    source: Arc<Source>,
    transfer: Transfer,
    ledger: Mutex<WindowLedger>,
}

/// An acknowledgement that was checked and is to be kept before anything is served on from it (TRF-8.7).
#[derive(Debug)]
pub struct Advance(WindowLedger);

impl Serving {
    /// Starts to serve, or goes on after `last`, the last window acknowledgement that was kept. Blocks.
    pub fn new(
        source: Arc<Source>,
        transfer: Transfer,
        last: Option<&WindowProgress>,
    ) -> Result<Self, ServeError> {
        let ledger = match last {
            Some(last) => {
                let mut reached = ChunksDigest::new();
                source.add_hashes(&mut reached, &(0..last.chunks.min(source.list().chunks())))?;
                WindowLedger::resume(last, reached)?
            }
            None => WindowLedger::new(),
        };
        Ok(Self { source, transfer, ledger: Mutex::new(ledger) })
    }

    /// What is served.
    #[must_use]
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// To whom, under which agreement.
    #[must_use]
    pub const fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// How far the consumer has signed.
    #[must_use]
    pub fn last(&self) -> WindowProgress {
        self.lock().last()
    }

    /// Starts to read a range, if it is due. Returns when its first chunk is verified.
    pub async fn read(&self, part: Part, range: Option<Range<u64>>) -> Result<Reading, ServeError> {
        if let Part::File(file) = part {
            let total = self.source.total(part).ok_or(SourceError::NoSuchRange)?;
            let asked = range.clone().unwrap_or(0..total);
            // An empty file has no chunk that could be beyond a window.
            if !(asked.is_empty() && total == 0) {
                self.lock().admit(self.source.list(), file, &asked)?;
            }
        }
        Ok(self.source.read(part, range).await?)
    }

    /// Checks a window acknowledgement whose signature by the consumer was checked. Blocks: reads the hashes of
    /// the chunks that it newly covers.
    ///
    /// Gives what the caller keeps durably, in place of the one before, and then [`Self::advance`]s by; `None` if it says
    /// nothing new. The caller lets no other acknowledgement of this transfer come between.
    pub fn acknowledge(&self, ack: &Verified<WindowAck>) -> Result<Option<Advance>, ServeError> {
        let ack = ack.payload();
        ack.belongs_to(&self.transfer)?;
        let mut ledger = self.lock().clone();
        let mut reached = ledger.digest().clone();
        if let Some(chunks) = ledger.needs(self.source.list(), ack)? {
            self.source.add_hashes(&mut reached, &chunks)?;
        }
        Ok(match ledger.acknowledge(self.source.list(), ack, reached)? {
            Acknowledged::Advanced => Some(Advance(ledger)),
            Acknowledged::Repeated => None,
        })
    }

    /// Serves on from an acknowledgement that is durable now.
    pub fn advance(&self, advance: Advance) {
        *self.lock() = advance.0;
    }

    /// Whether the consumer has signed for every chunk.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lock().is_complete(self.source.list())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WindowLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
