//! What a crash, a killed process or a snapshot put back leaves: the same history, or a refusal to go on.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use naru::store::{Batch, Store, StoreError};
use naru_protocol::log::checkpoint::SignedCheckpoint;

use crate::support::{Folder, assert_extends, checkpoint, genesis, note_key, open_at, proposal};

/// Tells the child of [`a_killed_process_leaves_no_fork`] where to write.
const CHILD: &str = "NARU_STORE_TEST_CHILD";

fn copy(from: &Folder, to: &Folder, names: &[&str]) {
    for name in names {
        let _ = fs::copy(from.path().join(name), to.path().join(name));
    }
}

#[tokio::test]
async fn what_was_committed_is_there_without_a_close() {
    let (folder, after) = (Folder::new("power"), Folder::new("power-after"));
    let store = folder.start().await;
    let mut last = None;
    for _ in 0..10 {
        last = Some(store.commit(proposal(&["KR"]).0).await.unwrap());
    }
    let last = last.unwrap();
    // The files as they are on the disk at this moment.
    copy(&folder, &after, &["naru.db", "naru.db-wal", "high-water.json"]);
    let again = after.open().await;
    let head = again.head().await.unwrap().unwrap();
    assert_eq!((head.size, head.note), (last.size, last.checkpoint.clone()));
    let next = again.commit(proposal(&["KR"]).0).await.unwrap();
    assert_eq!(next.indices, [11]);
    assert_extends(&again, &checkpoint(&last)).await;
    assert_eq!(again.lane("KR").await.unwrap(), 11);
}

#[tokio::test]
async fn a_store_that_is_dropped_still_finishes_what_was_queued() {
    let folder = Folder::new("drop");
    let store = folder.start().await;
    let waiting = store.clone();
    let task = tokio::spawn(async move { waiting.commit(proposal(&[]).0).await });
    tokio::task::yield_now().await;
    drop(store);
    task.await.unwrap().unwrap();
    // The lock goes with the writer.
    let store = loop {
        match folder.try_open().await {
            Ok(store) => break store,
            Err(StoreError::FolderLocked(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(store.head().await.unwrap().unwrap().size, 2);
}

/// Not a test of its own: what the parent runs and kills. Prints every checkpoint that it was handed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = open_at(Path::new(&folder)).await.unwrap();
    if store.head().await.unwrap().is_none() {
        store.commit(genesis()).await.unwrap();
    }
    let writers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let done = store.commit(proposal(&["KR"]).0).await.unwrap();
                println!("handed out {}", done.checkpoint.replace('\n', "|"));
            }
        })
    });
    futures::future::join_all(writers).await;
}

#[tokio::test]
async fn a_killed_process_leaves_no_fork() {
    let folder = Folder::new("kill");
    let mut handed_out = Vec::new();
    for round in 0u64..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after some commits, in the middle of whatever it does then; a line may be cut off.
        let mut wanted = 5 + round * 17 % 31;
        while let Some(Ok(line)) = lines.next() {
            handed_out.extend(read_line(&line));
            wanted = wanted.saturating_sub(1);
            if wanted == 0 {
                std::thread::sleep(Duration::from_micros(round * 733));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let store = folder.open().await;
        let head = store.head().await.unwrap().unwrap();
        let most = handed_out.iter().map(SignedCheckpoint::size).max().unwrap();
        assert!(head.size >= most, "handed out {most}, kept {}", head.size);
        for older in &handed_out {
            assert_extends(&store, older).await;
        }
        assert_eq!(store.lane("KR").await.unwrap(), head.size - 1, "one number per entry after the genesis");
        store.close().await.unwrap();
    }
    assert!(handed_out.len() > 30);
}

fn read_line(line: &str) -> Option<SignedCheckpoint> {
    let note = line.split_once("handed out ")?.1.replace('|', "\n");
    SignedCheckpoint::open_own(note.as_bytes(), &note_key()).ok()
}

#[tokio::test]
async fn an_old_copy_put_back_is_noticed() {
    let (folder, old) = (Folder::new("rollback"), Folder::new("rollback-old"));
    let store = folder.start().await;
    store.commit(proposal(&[]).0).await.unwrap();
    store.close().await.unwrap();
    copy(&folder, &old, &["naru.db"]);
    let store = folder.open().await;
    for _ in 0..3 {
        store.commit(proposal(&[]).0).await.unwrap();
    }
    store.close().await.unwrap();
    copy(&old, &folder, &["naru.db"]);
    let error = folder.try_open().await.unwrap_err();
    assert_eq!(error, StoreError::Rollback { database: 2, high_water: 5 });
    assert_eq!(error.code().as_str(), "store_rolled_back");
}

#[tokio::test]
async fn another_history_of_the_same_length_is_noticed() {
    let (folder, other) = (Folder::new("fork"), Folder::new("fork-other"));
    for folder in [&folder, &other] {
        let store = folder.start().await;
        store.commit(proposal(&[]).0).await.unwrap();
        store.commit(proposal(&[]).0).await.unwrap();
        store.close().await.unwrap();
    }
    copy(&other, &folder, &["naru.db"]);
    assert_eq!(folder.try_open().await.unwrap_err(), StoreError::Forked { size: 3 });
}

#[tokio::test]
async fn a_high_water_file_that_trails_is_no_alarm() {
    let (folder, old) = (Folder::new("trails"), Folder::new("trails-old"));
    let store = folder.start().await;
    store.close().await.unwrap();
    copy(&folder, &old, &["high-water.json"]);
    let store = folder.open().await;
    store.commit(proposal(&[]).0).await.unwrap();
    store.close().await.unwrap();
    copy(&old, &folder, &["high-water.json"]);
    let store = folder.open().await;
    store.commit(Batch::default()).await.unwrap();
    store.close().await.unwrap();
    // Opening brought it up to date.
    let mark = fs::read_to_string(folder.path().join("high-water.json")).unwrap();
    assert!(mark.contains("\"size\":2"), "{mark}");
}
