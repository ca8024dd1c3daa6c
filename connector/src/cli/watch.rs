//! `naru publish --watch`: looks at a folder again and again, and publishes a version when its files have settled.
//!
//! It looks (names, sizes, times of change) instead of being told by the system, so that it works on every system and on
//! shares of the network. What is published is read anew and whole; a look only says when. The node decides whether anything
//! differs: one that was stopped and begun again makes no version that says nothing new.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use naru_protocol::error::Code;
use serde_json::Value;

use super::{complain::complain, lang::pick};
use crate::control::Failure;

/// Time between two looks, at most.
const LOOK: Duration = Duration::from_secs(2);

/// What a look sees of a file.
type Seen = (u64, Option<SystemTime>);
/// All files below a path.
type Snapshot = BTreeMap<PathBuf, Seen>;

/// Looks at a folder, or at one file.
fn look(path: &Path) -> io::Result<Snapshot> {
    let mut seen = Snapshot::new();
    let mut left = vec![path.to_owned()];
    while let Some(at) = left.pop() {
        let found = fs::symlink_metadata(&at)?;
        // Only what was named is followed: a link below it must not lead round in circles.
        let found = if at == path { fs::metadata(&at)? } else { found };
        if found.is_dir() {
            for entry in fs::read_dir(&at)? {
                left.push(entry?.path());
            }
        } else {
            seen.insert(at, (found.len(), found.modified().ok()));
        }
    }
    Ok(seen)
}

/// When a folder has settled.
#[derive(Debug)]
struct Settling {
    settle: Duration,
    seen: Option<(Snapshot, Instant)>,
    /// What the last version was made of, or could not be made of.
    taken: Option<Snapshot>,
}

impl Settling {
    const fn new(settle: Duration) -> Self {
        Self { settle, seen: None, taken: None }
    }

    /// Takes a look in; true if it is as it was for long enough, and not what was taken last.
    fn is_due(&mut self, now: Instant, found: Snapshot) -> bool {
        match &self.seen {
            Some((seen, since)) if *seen == found => {
                now.duration_since(*since) >= self.settle && self.taken.as_ref() != Some(seen)
            }
            Some(_) | None => {
                self.seen = Some((found, now));
                false
            }
        }
    }

    /// What was seen last is taken.
    fn take(&mut self) {
        self.taken = self.seen.as_ref().map(|(seen, _)| seen.clone());
    }

    /// It moved while it was taken: it has to settle anew.
    fn moved(&mut self) {
        self.seen = None;
    }
}

/// Whether a failure may pass without anybody changing the files.
fn passes(failure: &Failure) -> bool {
    [Code::NotRunning, Code::Busy, Code::DiskFull].iter().any(|code| failure.code == code.as_str())
}

/// Publishes whenever the files have settled, until Ctrl-C. `publish` is told the dataset that there is.
pub(super) async fn run(
    path: &Path,
    settle: Duration,
    json: bool,
    mut dataset: Option<String>,
    mut publish: impl AsyncFnMut(Option<&str>) -> Result<Value, Failure>,
) -> Result<bool, Failure> {
    if !json {
        let (watching, ends) = (pick("watching", "지켜봅니다"), pick("Ctrl-C ends it", "Ctrl-C로 끝냅니다"));
        eprintln!("{watching}: {} ({ends})", path.display());
    }
    let mut settling = Settling::new(settle);
    let mut told = String::new();
    loop {
        let place = path.to_owned();
        let found = tokio::task::spawn_blocking(move || look(&place)).await;
        // What goes while it is looked at has not settled; a folder that is not there may come.
        let due = match found {
            Ok(Ok(found)) => settling.is_due(Instant::now(), found),
            Ok(Err(_)) | Err(_) => {
                settling.moved();
                false
            }
        };
        if due {
            let made = tokio::select! {
                made = publish(dataset.as_deref()) => made,
                _ = tokio::signal::ctrl_c() => return Ok(true),
            };
            match made {
                Ok(made) => {
                    settling.take();
                    told.clear();
                    dataset = made.get("dataset").and_then(Value::as_str).map(str::to_owned).or(dataset);
                }
                Err(failure) => {
                    if failure.code == Code::SourceChanged.as_str() {
                        settling.moved();
                    } else if !passes(&failure) {
                        settling.take();
                    }
                    if told != failure.message {
                        let _ = complain(&failure, json);
                        told.clone_from(&failure.message);
                    }
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK.min(settle.max(Duration::from_millis(100)))) => {}
            _ = tokio::signal::ctrl_c() => return Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(size: u64) -> Snapshot {
        BTreeMap::from([(PathBuf::from("a"), (size, None))])
    }

    #[test]
    fn a_version_is_due_once_when_nothing_moves_any_more() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut settling = Settling::new(5 * second);
        assert!(!settling.is_due(begin, snapshot(1)));
        assert!(!settling.is_due(begin + 4 * second, snapshot(1)));
        assert!(!settling.is_due(begin + 5 * second, snapshot(2)), "it grew");
        assert!(!settling.is_due(begin + 9 * second, snapshot(2)));
        assert!(settling.is_due(begin + 10 * second, snapshot(2)));
        settling.take();
        assert!(!settling.is_due(begin + 100 * second, snapshot(2)), "it is published");
        // Something moves while it is read: it settles anew, and is due though it looks as before.
        assert!(!settling.is_due(begin + 101 * second, snapshot(3)));
        assert!(settling.is_due(begin + 106 * second, snapshot(3)));
        settling.moved();
        assert!(!settling.is_due(begin + 107 * second, snapshot(3)));
        assert!(settling.is_due(begin + 112 * second, snapshot(3)));
        // What does not pass by itself is not tried again until the files are others.
        settling.take();
        assert!(!settling.is_due(begin + 200 * second, snapshot(3)));
        // Back to what it was: another version still.
        assert!(!settling.is_due(begin + 201 * second, snapshot(2)));
        assert!(settling.is_due(begin + 206 * second, snapshot(2)));
    }

    #[test]
    fn a_look_sees_every_file_and_no_further() {
        let temp = std::env::temp_dir().join(format!("naru-watch-{}", std::process::id()));
        fs::create_dir_all(temp.join("below")).unwrap();
        fs::write(temp.join("a"), "1").unwrap();
        fs::write(temp.join("below/b"), "22").unwrap();
        let before = look(&temp).unwrap();
        let sizes: Vec<u64> = before.values().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [1, 2]);
        fs::write(temp.join("below/b"), "333").unwrap();
        assert_ne!(look(&temp).unwrap(), before);
        assert_eq!(look(&temp.join("a")).unwrap().len(), 1, "one file");
        assert!(look(&temp.join("none")).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&temp, temp.join("round")).unwrap();
            assert_eq!(look(&temp).unwrap().len(), 3);
        }
        fs::remove_dir_all(&temp).unwrap();
    }
}
