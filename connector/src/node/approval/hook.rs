//! Telling somebody that a deal waits: a command of the operator's own, with what waits as JSON on its standard input: {`v`: 1,
//! `event`: `approval_pending`, `item`: as in `naru queue --json`} (NEG-15.6).
//!
//! No shell, no more than a few at once, each for half a minute at most; its output is not read, and its failure is a line in
//! the log of this process and nothing else. The queue is what counts: a command that was missed, because the node stopped in
//! that moment, is not run later.

use std::{process::Stdio, time::Duration};

use naru_protocol::encoding::Id;
use tokio::{io::AsyncWriteExt as _, process::Command, sync::Semaphore};

use super::super::{Node, NodeError};
use crate::config::Approvals;

/// Time that a command has.
const PATIENCE: Duration = Duration::from_secs(30);
/// Commands that run at once; one more is not run.
const AT_ONCE: usize = 8;

/// What the operator set about decisions of persons.
pub(in crate::node) struct Desk {
    set: Approvals,
    room: Semaphore,
}

impl Desk {
    pub(in crate::node) const fn new(set: Approvals) -> Self {
        Self { set, room: Semaphore::const_new(AT_ONCE) }
    }

    /// Seconds that a person has.
    pub(in crate::node) fn seconds(&self) -> u64 {
        self.set.seconds()
    }

    /// Runs the command with this document; says what went wrong.
    async fn run(&self, document: &str) -> Result<(), String> {
        let Some((program, arguments)) = self.set.hook.split_first() else { return Ok(()) };
        let Ok(_room) = self.room.try_acquire() else {
            return Err(format!("{AT_ONCE} of them run already"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("{program}: {e}"))?;
        let mut input = child.stdin.take();
        let work = async {
            if let Some(input) = &mut input {
                // One that does not read what it is told may still do its work.
                let _ = input.write_all(document.as_bytes()).await;
            }
            drop(input.take());
            child.wait().await
        };
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{program}: {status}")),
            Ok(Err(error)) => Err(format!("{program}: {error}")),
            Err(_) => {
                Err(format!("{program}: not done after {} seconds; it was stopped", PATIENCE.as_secs()))
            }
        }
    }
}

impl Node {
    /// Tells whom the operator named that an exchange waits for a person.
    pub(in crate::node) async fn tell_person(&self, id: Id) {
        if self.approvals.set.hook.is_empty() {
            return;
        }
        if let Err(error) = self.try_to_tell(id).await {
            tracing::warn!(exchange = %id, %error, "nobody could be told that it waits for a person");
        }
    }

    async fn try_to_tell(&self, id: Id) -> Result<(), NodeError> {
        let Some(item) = self.queued(id).await? else { return Ok(()) };
        let document = serde_json::json!({"v": 1, "event": "approval_pending", "item": item}).to_string();
        if let Err(why) = self.approvals.run(&document).await {
            tracing::warn!(exchange = %id, %why, "the command of [approval] hook failed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(hook: &[&str]) -> Desk {
        Desk::new(Approvals { within: None, hook: hook.iter().map(|&word| word.to_owned()).collect() })
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_and_nothing_more() {
        assert_eq!(desk(&[]).run("{}").await, Ok(()));
        let missing = desk(&["/no/such/program"]).run("{}").await.unwrap_err();
        assert!(missing.contains("/no/such/program"), "{missing}");
        let crowded = desk(&["/no/such/program"]);
        let _all = crowded.room.try_acquire_many(u32::try_from(AT_ONCE).unwrap()).unwrap();
        assert!(crowded.run("{}").await.unwrap_err().contains("run already"));
    }
}
