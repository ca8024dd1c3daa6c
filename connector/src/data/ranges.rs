//! What a consumer needs of a transport: ranges of a transfer's parts in, window acknowledgements out; and how failures of
//! either are retried (spec chapter 07, TRF-6 and TRF-8; numbers in chapter 11).
//!
//! A transport knows addresses, tokens and capabilities and renews them by itself; here it is asked for bytes. What comes is
//! trusted for nothing: not its length, not its content.

use std::{
    future::Future,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use hyper::body::Bytes;
use naru_protocol::{error::Code, limits, window::WindowProgress};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::Part;

/// Why a request brought nothing, or not all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The peer could not be reached or the answer broke off. Asked again after a pause.
    #[error("the connection failed: {0}")]
    Interrupted(String),
    /// The peer asks for patience (429, 503, a suspended transfer). Asked again after its pause or ours.
    #[error("the provider is busy")]
    Busy {
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// The provider says that its source no longer has these bytes. Asked again as often as a corrupt chunk
    /// ([`RetryOptions::corrupt_tries`]).
    #[error("the provider cannot read its source: {0}")]
    SourceFault(Code),
    /// A final refusal: asking again is no use.
    #[error("the provider refuses with status {status}{}", code.map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// Code in the answer, if it had one.
        code: Option<Code>,
    },
    /// The answer is none to what was asked: another length, another range.
    #[error("the answer has another length than was asked for")]
    Length,
}

impl RangeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Interrupted(_) => Code::ConnectionLost,
            Self::Busy { .. } => Code::Busy,
            Self::SourceFault(code) => *code,
            Self::Refused { code: Some(code), .. } => *code,
            Self::Refused { code: None, .. } => Code::AnswerMalformed,
            Self::Length => Code::SizeDiffers,
        }
    }
}

/// Bytes of an answer as they come.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, RangeError>> + Send>>;

/// What one who may ask for a range of a file holds until it has come.
pub type Turn = tokio::sync::OwnedMutexGuard<()>;

/// Where a consumer gets the parts of one transfer.
pub trait RangeSource: Send + Sync + 'static {
    /// Asks for a range of a part (`path` is the text of a [`Part`]), or for all of it. The range is half open.
    fn get(
        &self,
        path: &str,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = Result<BodyStream, RangeError>> + Send;

    /// Waits until a range of a file may be asked for; what it gives is held until the range is there. Where nothing is held
    /// back, at once.
    fn turn(&self) -> impl Future<Output = Option<Turn>> + Send {
        async { None }
    }

    /// Signs and delivers a window acknowledgement; returns when the provider has taken it.
    fn acknowledge(&self, progress: WindowProgress) -> impl Future<Output = Result<(), RangeError>> + Send;

    /// What says that the provider is there again, so that no request waits out a pause that grew while it was not.
    fn back(&self) -> Option<Arc<Notify>> {
        None
    }
}

/// How requests are repeated.
#[derive(Debug, Clone, Copy)]
pub struct RetryOptions {
    /// First pause; doubled each time.
    pub first_pause: Duration,
    /// Longest pause.
    pub last_pause: Duration,
    /// Time without a byte after which an answer counts as broken off.
    pub stall: Duration,
    /// Time without any success after which the transfer is given up for now; it can be resumed.
    pub patience: Duration,
    /// How often a chunk that is wrong is fetched.
    pub corrupt_tries: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(limits::RETRY_FIRST_MILLIS),
            last_pause: Duration::from_secs(30),
            stall: Duration::from_secs(limits::BODY_SECONDS),
            patience: Duration::from_secs(600),
            corrupt_tries: limits::CHUNK_TRIES,
        }
    }
}

/// The retries of one transfer: what one request achieves, all others have patience for.
#[derive(Debug)]
pub(super) struct Retries {
    pub(super) options: RetryOptions,
    success: Mutex<Instant>,
    back: Option<Arc<Notify>>,
}

/// The pauses of one request, and how many of them followed a fault of the provider's source.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    count: u32,
    faults: u32,
}

impl Retries {
    pub(super) fn new(options: RetryOptions, back: Option<Arc<Notify>>) -> Self {
        Self { options, success: Mutex::new(Instant::now()), back }
    }

    /// Something was achieved.
    pub(super) fn succeeded(&self) {
        *self.success.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits before the next try; answers the pause, or gives the error back if it is final or patience is over.
    pub(super) async fn pause(
        &self,
        pauses: &mut Pauses,
        error: RangeError,
        on_pause: impl FnOnce(&RangeError, Duration),
    ) -> Result<(), RangeError> {
        let asked = match &error {
            RangeError::Refused { .. } => return Err(error),
            RangeError::Busy { after } => *after,
            RangeError::SourceFault(_) => {
                pauses.faults += 1;
                if pauses.faults >= self.options.corrupt_tries {
                    return Err(error);
                }
                None
            }
            RangeError::Interrupted(_) | RangeError::Length => None,
        };
        let last = *self.success.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= self.options.patience {
            return Err(error);
        }
        let own =
            self.options.first_pause.saturating_mul(1 << pauses.count.min(20)).min(self.options.last_pause);
        pauses.count += 1;
        let own = jittered(own);
        let pause = asked.map_or(own, |asked| asked.min(self.options.patience).max(own));
        on_pause(&error, pause);
        // Patience that was asked for is kept.
        let back = self.back.as_ref().filter(|_| matches!(error, RangeError::Interrupted(_)));
        match back {
            Some(back) => tokio::select! {
                () = sleep(pause) => {}
                () = back.notified() => pauses.count = 0,
            },
            None => sleep(pause).await,
        }
        Ok(())
    }
}

/// Between half of a pause and all of it, so that requests that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // Without randomness the pause is what it is.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// Asks for exactly this range of a part and hands its bytes on as they come. More or fewer bytes are an error.
pub(super) async fn receive<S: RangeSource>(
    source: &S,
    part: Part,
    range: Range<u64>,
    stall: Duration,
    on_bytes: impl FnMut(&[u8]),
) -> Result<(), RangeError> {
    let len = range.end.saturating_sub(range.start);
    let received = receive_some(source, part, Some(range), len, stall, on_bytes).await?;
    if received == len { Ok(()) } else { Err(RangeError::Interrupted("the answer ended early".to_owned())) }
}

/// Asks for a range of a part, or all of it, and hands on at most `limit` bytes; answers how many there were.
pub(super) async fn receive_some<S: RangeSource>(
    source: &S,
    part: Part,
    range: Option<Range<u64>>,
    limit: u64,
    stall: Duration,
    mut on_bytes: impl FnMut(&[u8]),
) -> Result<u64, RangeError> {
    let silent = || RangeError::Interrupted("no byte for too long".to_owned());
    let path = part.to_string();
    let asked = source.get(&path, range);
    let mut body = timeout(stall, asked).await.map_err(|_| silent())??;
    let mut received = 0_u64;
    while let Some(bytes) = timeout(stall, body.next()).await.map_err(|_| silent())? {
        let bytes = bytes?;
        received = received.saturating_add(bytes.len() as u64);
        if received > limit {
            return Err(RangeError::Length);
        }
        on_bytes(&bytes);
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_ends_when_the_provider_is_there_again_and_not_where_it_asked_for_patience() {
        let hour = Duration::from_secs(3600);
        let options =
            RetryOptions { first_pause: hour, last_pause: hour, patience: hour, ..RetryOptions::default() };
        let back = Arc::new(Notify::new());
        let retries = Retries::new(options, Some(Arc::clone(&back)));
        let told = async {
            // Whoever waits at that moment is told.
            loop {
                back.notify_waiters();
                tokio::task::yield_now().await;
            }
        };
        let mut pauses = Pauses { count: 7, faults: 0 };
        let broken = || RangeError::Interrupted(String::new());
        tokio::select! {
            ended = retries.pause(&mut pauses, broken(), |_, _| {}) => ended.unwrap(),
            () = told => {}
        }
        assert_eq!(pauses.count, 0, "short pauses again");
        let busy = RangeError::Busy { after: Some(Duration::from_millis(30)) };
        let (began, told) = (Instant::now(), async {
            loop {
                back.notify_waiters();
                tokio::task::yield_now().await;
            }
        });
        let short = RetryOptions { first_pause: Duration::from_millis(30), ..options };
        let retries = Retries::new(short, Some(Arc::clone(&back)));
        tokio::select! {
            ended = retries.pause(&mut pauses, busy, |_, _| {}) => ended.unwrap(),
            () = told => {}
        }
        assert!(began.elapsed() >= Duration::from_millis(30));
    }
}
