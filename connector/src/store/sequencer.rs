//! The one writer: takes whatever batches wait, numbers and seals their entries, and makes them durable together
//! (spec chapter 08; invariants 2, 3 and 5 of the design).
//!
//! One transaction and one checkpoint per commit, one savepoint per batch. While a commit waits for the disk the next
//! batches gather, so that many share one sync under load and a lone one waits for nobody. Results, and with them the
//! signature of the checkpoint, are handed out only after the transaction that swapped the head is durable.
//!
//! After an error that is not a batch's own, the connection is opened anew and the ledger read from what is durable:
//! nothing that failed is remembered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use naru_protocol::{
    encoding::{Digest, Id},
    limits,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    FolderLock, LogSigner, StoreError,
    batch::{Batch, Sequenced},
    highwater::{HighWater, Marker},
    ledger::{Growth, Ledger, Piece},
    rows::CheckpointRow,
    sqlite::{Database, Writer},
};

/// Idle time after which received acknowledgements get an entry.
const ACK_IDLE: Duration = Duration::from_millis(limits::ACK_IDLE_MILLIS);

/// Something for the sequencer to do.
#[derive(Debug)]
pub(crate) enum Message {
    /// Part of the next commit.
    Job(Job),
    /// Sign with another key of the same log from the next commit on.
    Signer(Box<LogSigner>, oneshot::Sender<Result<(), StoreError>>),
    /// Finish what waits, and stop.
    Close(oneshot::Sender<()>),
}

/// One savepoint's worth of work, and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) reply: oneshot::Sender<Result<Sequenced, StoreError>>,
}

/// What a savepoint does.
#[derive(Debug)]
pub(crate) enum Work {
    /// A transition.
    Batch(Box<Batch>),
    /// An acknowledgement that came outside a transition.
    Ack { act: Digest, ack: String, at_once: bool },
}

impl Work {
    fn has_datasets(&self) -> bool {
        match self {
            Self::Batch(batch) => !batch.datasets.is_empty(),
            Self::Ack { .. } => false,
        }
    }
}

/// The state of the one writer.
#[derive(Debug)]
pub(crate) struct Sequencer {
    pub(crate) database: Database,
    /// None after an error: the next commit opens it anew.
    pub(crate) writer: Option<Writer>,
    pub(crate) ledger: Ledger,
    pub(crate) head: Option<CheckpointRow>,
    pub(crate) signer: LogSigner,
    pub(crate) marker: Marker,
    pub(crate) now: fn() -> u64,
    /// When acknowledgements that wait get an entry of their own.
    pub(crate) flush_at: Option<Instant>,
    /// Held as long as anything may be written.
    pub(crate) lock: FolderLock,
    /// How often datasets may have become others.
    pub(crate) shelved: Arc<AtomicU64>,
}

/// What a durable commit gave each of its jobs: the indices of its entries, or its own error.
type Outcomes = Vec<Result<Vec<u64>, StoreError>>;

impl Sequencer {
    /// Serves until closed, or until nobody can send any more.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut closing = Vec::new();
        self.plan_flush();
        loop {
            let message = match self.flush_at {
                None => queue.recv().await,
                Some(at) => match timeout_at(at, queue.recv()).await {
                    Ok(message) => message,
                    Err(_) => {
                        self.commit(Vec::new()).await;
                        continue;
                    }
                },
            };
            let Some(message) = message else { break };
            let mut jobs = Vec::new();
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Signer(signer, reply) => {
                        // What was queued before still gets the signature of the key that it was queued under.
                        self.commit(std::mem::take(&mut jobs)).await;
                        let _ = reply.send(self.replace_signer(*signer));
                    }
                    Message::Close(reply) => {
                        queue.close();
                        closing.push(reply);
                    }
                }
                if jobs.len() < limits::COMMIT_BATCH {
                    next = queue.try_recv().ok();
                }
            }
            if !jobs.is_empty() {
                self.commit(jobs).await;
            }
        }
        self.stop().await;
        for reply in closing {
            let _ = reply.send(());
        }
    }

    /// Nothing comes any more: acknowledgements that still wait get their entry now, and all files are closed.
    async fn stop(mut self) {
        if !self.ledger.pending.is_empty() {
            self.flush_at = Some(Instant::now());
            self.commit(Vec::new()).await;
        }
        if let Some(writer) = self.writer.take() {
            writer.close().await;
        }
        self.marker.finish().await;
        drop(self.lock);
    }

    fn replace_signer(&mut self, signer: LogSigner) -> Result<(), StoreError> {
        if signer.origin() != self.signer.origin() {
            return Err(StoreError::WrongLog {
                expected: self.signer.origin().to_owned(),
                found: signer.origin().to_owned(),
            });
        }
        self.signer = signer;
        Ok(())
    }

    /// Commits jobs together, and tells each what became of it.
    async fn commit(&mut self, jobs: Vec<Job>) {
        let mut groups = vec![jobs];
        while let Some(jobs) = groups.pop() {
            let tried = self.try_commit(&jobs).await;
            // After the commit and before anybody hears of it, also where it failed and perhaps stands all the same.
            if jobs.iter().any(|job| job.work.has_datasets()) {
                self.shelved.fetch_add(1, Ordering::AcqRel);
            }
            match tried {
                Ok(outcomes) => {
                    let (size, checkpoint) =
                        self.head.as_ref().map_or((0, String::new()), |head| (head.size, head.note.clone()));
                    for (job, outcome) in jobs.into_iter().zip(outcomes) {
                        let checkpoint = checkpoint.clone();
                        let outcome = outcome.map(|indices| Sequenced { indices, size, checkpoint });
                        // Whoever asked may be gone; the commit stands.
                        let _ = job.reply.send(outcome);
                    }
                }
                // One large batch may be what does not fit: each gets its own try.
                Err(StoreError::DiskFull) if jobs.len() > 1 => {
                    groups.extend(jobs.into_iter().rev().map(|job| vec![job]));
                }
                Err(error) => {
                    tracing::error!(%error, batches = jobs.len(), "a commit failed");
                    for job in jobs {
                        let _ = job.reply.send(Err(error.clone()));
                    }
                }
            }
        }
        self.plan_flush();
    }

    fn plan_flush(&mut self) {
        self.flush_at = if self.ledger.pending.is_empty() {
            None
        } else {
            // A flush that failed is tried again after as long.
            let due = Instant::now() + ACK_IDLE;
            Some(self.flush_at.filter(|at| *at > Instant::now()).unwrap_or(due))
        };
    }

    async fn try_commit(&mut self, jobs: &[Job]) -> Result<Outcomes, StoreError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.reopen().await?,
        };
        match self.transact(&mut writer, jobs).await {
            Ok(outcomes) => {
                self.writer = Some(writer);
                Ok(outcomes)
            }
            Err(error) => {
                // Closing rolls back whatever is open.
                writer.close().await;
                Err(error)
            }
        }
    }

    async fn reopen(&mut self) -> Result<Writer, StoreError> {
        let mut writer = Writer::open(&self.database).await?;
        let (ledger, head) = writer.load().await?;
        // A commit that reported an error may yet have become durable, but nothing that was handed out may be gone.
        let before = self.ledger.frontier.size();
        if ledger.frontier.size() < before {
            return Err(StoreError::Rollback { database: ledger.frontier.size(), high_water: before });
        }
        self.ledger = ledger;
        self.head = head;
        Ok(writer)
    }

    async fn transact(&mut self, writer: &mut Writer, jobs: &[Job]) -> Result<Outcomes, StoreError> {
        writer.begin().await?;
        let mut growth = Growth::of(&self.ledger);
        let mut flush = self.flush_at.is_some_and(|at| at <= Instant::now());
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            writer.savepoint().await?;
            match apply(writer, &growth, &job.work).await {
                Ok((piece, at_once)) => {
                    writer.release().await?;
                    outcomes.push(Ok(piece.indices()));
                    growth.absorb(piece);
                    flush |= at_once;
                }
                Err(error) if error.is_of_the_batch() => {
                    writer.undo().await?;
                    outcomes.push(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        if flush && growth.waiting() > 0 {
            let piece = growth.seal_waiting((self.now)(), &random_ids(growth.waiting())?)?;
            growth.absorb(piece);
        }
        let mut signed = None;
        if growth.size() > self.ledger.frontier.size() {
            let (size, root) = (growth.size(), growth.root());
            let row = CheckpointRow { size, root, note: self.signer.sign(size, root)? };
            writer.append(&self.ledger, &growth, &row).await?;
            signed = Some(row);
        }
        writer.commit().await?;
        let change = growth.finish();
        self.ledger.advance(change);
        if let Some(row) = signed {
            self.marker.set(HighWater {
                origin: self.signer.origin().to_owned(),
                size: row.size,
                root: row.root,
            });
            self.head = Some(row);
        }
        Ok(outcomes)
    }
}

/// One job inside its savepoint: what it adds to the log, and whether an acknowledgement wants its entry at once.
async fn apply(writer: &mut Writer, growth: &Growth<'_>, work: &Work) -> Result<(Piece, bool), StoreError> {
    match work {
        Work::Batch(batch) => {
            let (fresh, at_once) = writer.settle(&batch.settle).await?;
            let piece = growth.seal(&batch.entries, fresh)?;
            writer.batch(batch, &piece.indices()).await?;
            Ok((piece, at_once))
        }
        Work::Ack { act, ack, at_once } => {
            let fresh = writer.record_ack(*act, ack).await?;
            Ok((growth.seal(&[], fresh.into_iter().collect())?, *at_once))
        }
    }
}

/// Names for the entries that so many acknowledgements need.
fn random_ids(acks: usize) -> Result<Vec<Id>, StoreError> {
    (0..acks.div_ceil(limits::ENTRY_ACKS))
        .map(|_| {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| StoreError::Database(format!("no randomness: {e}")))?;
            Ok(Id(id))
        })
        .collect()
}
