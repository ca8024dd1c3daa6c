//! Acknowledgements that came in: none is lost, each is in exactly one entry, soon.

use std::time::Duration;

use naru::store::{Batch, Passed, Settle, Settled, SqliteStore, Store, StoreError};
use naru_protocol::{
    encoding::Digest,
    log::entry::{EntryType, Side},
};

use crate::support::{Folder, draft, entry, proposal};

fn answered(act: Digest, ack: Option<&str>, at_once: bool) -> Settle {
    let how = Settled::Answered { status: 201, answer: b"{}".to_vec(), ack: ack.map(str::to_owned), at_once };
    Settle { act, how }
}

fn settle(act: Digest, ack: &str, at_once: bool) -> Batch {
    Batch { settle: vec![answered(act, Some(ack), at_once)], ..Batch::default() }
}

/// An act of ours that is on its way.
async fn sent(store: &SqliteStore) -> Digest {
    let (batch, act) = proposal(&[]);
    store.commit(batch).await.unwrap();
    act.digest
}

async fn size(store: &SqliteStore) -> u64 {
    store.head().await.unwrap().unwrap().size
}

#[tokio::test]
async fn they_ride_in_the_next_entry() {
    let folder = Folder::new("ride");
    let store = folder.start().await;
    let (one, two) = (sent(&store).await, sent(&store).await);
    store.commit(settle(one, "ack one", false)).await.unwrap();
    assert_eq!(size(&store).await, 3, "no entry of its own yet");
    assert!(!store.act(one).await.unwrap().unwrap().ack_logged);

    // One that waits and one that the batch brings itself.
    let (mut batch, third) = proposal(&[]);
    batch.entries.push(draft(third.exchange, third.digest, &[]));
    batch.settle = vec![answered(two, Some("ack two"), true)];
    let done = store.commit(batch).await.unwrap();
    assert_eq!(done.indices, [3, 4]);
    let mut both = vec![Digest::of(b"ack one"), Digest::of(b"ack two")];
    both.sort_by_key(ToString::to_string);
    assert_eq!(entry(&store, 3).await.acks(), both);
    assert_eq!(entry(&store, 4).await.acks(), []);
    for act in [one, two] {
        let row = store.act(act).await.unwrap().unwrap();
        assert!(row.ack_logged);
        assert_eq!((row.status, row.answer.as_deref()), (Some(201), Some(b"{}".as_slice())));
    }
    assert_eq!(
        store.due(u64::MAX >> 1, 10, &Passed::default()).await.unwrap().len(),
        1,
        "only the third is still sent"
    );
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(size(&store).await, 5, "nothing is written twice");
}

#[tokio::test]
async fn after_an_idle_second_they_get_an_entry() {
    let folder = Folder::new("idle");
    let store = folder.start().await;
    let act = sent(&store).await;
    store.record_ack(act, "ack".to_owned(), false).await.unwrap();
    // Commits without entries do not put it off.
    for _ in 0..13 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store
            .commit(Batch { meta: vec![("k".to_owned(), "v".to_owned())], ..Batch::default() })
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(size(&store).await, 3);
    let own = entry(&store, 2).await;
    assert_eq!(
        (own.kind(), own.side(), own.acks()),
        (EntryType::Acks, Side::Own, [Digest::of(b"ack")].as_slice())
    );
    let row = store.act(act).await.unwrap().unwrap();
    assert!(row.ack_logged);
    assert_eq!(row.status, None, "an acknowledgement alone does not settle the act");
}

#[tokio::test]
async fn those_that_conclude_get_an_entry_at_once() {
    let folder = Folder::new("once");
    let store = folder.start().await;
    let (one, two) = (sent(&store).await, sent(&store).await);
    let done = store.commit(settle(one, "ack one", true)).await.unwrap();
    assert_eq!(
        (done.indices.len(), done.size),
        (0, 4),
        "the batch has no entry of its own, but the checkpoint covers it"
    );
    assert_eq!(entry(&store, 3).await.acks(), [Digest::of(b"ack one")]);
    store.record_ack(two, "ack two".to_owned(), true).await.unwrap();
    assert_eq!(entry(&store, 4).await.acks(), [Digest::of(b"ack two")]);
}

#[tokio::test]
async fn the_same_again_is_no_change_and_another_is_a_conflict() {
    let folder = Folder::new("again");
    let store = folder.start().await;
    let act = sent(&store).await;
    store.record_ack(act, "ack".to_owned(), true).await.unwrap();
    store.record_ack(act, "ack".to_owned(), true).await.unwrap();
    assert_eq!(size(&store).await, 3);
    let other = store.record_ack(act, "another".to_owned(), false).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })));
    let unknown = store.record_ack(Digest::of(b"unknown"), "ack".to_owned(), false).await;
    assert!(matches!(unknown, Err(StoreError::Missing { .. })));
    // The answer itself may come after its acknowledgement was noted.
    store.commit(settle(act, "ack", true)).await.unwrap();
    assert_eq!(size(&store).await, 3);
    let twice = store.commit(settle(act, "ack", true)).await;
    assert!(matches!(twice, Err(StoreError::Conflict { .. })), "an act is answered once");
}

#[tokio::test]
async fn they_return_when_the_batch_that_brought_them_sinks() {
    let folder = Folder::new("return");
    let store = folder.start().await;
    let (one, two) = (sent(&store).await, sent(&store).await);
    store.record_ack(one, "ack one".to_owned(), false).await.unwrap();
    let mut bad = proposal(&[]).0;
    bad.settle = vec![answered(two, Some("ack two"), false)];
    bad.exchanges[0].revision = 9;
    assert!(matches!(store.commit(bad).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.act(two).await.unwrap().unwrap().ack, None);
    let done = store.commit(proposal(&[]).0).await.unwrap();
    assert_eq!(entry(&store, done.indices[0]).await.acks(), [Digest::of(b"ack one")]);
}

#[tokio::test]
async fn more_than_an_entry_holds_spread_over_several() {
    let folder = Folder::new("many");
    let store = folder.start().await;
    let mut acts = Vec::new();
    for _ in 0..70 {
        acts.push(sent(&store).await);
    }
    let last = acts.pop().unwrap();
    let batch = Batch {
        settle: acts.iter().map(|act| answered(*act, Some(&act.to_string()), false)).collect(),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    store.record_ack(last, "last".to_owned(), true).await.unwrap();
    assert_eq!(size(&store).await, 73);
    let (first, second) = (entry(&store, 71).await, entry(&store, 72).await);
    assert_eq!((first.acks().len(), second.acks().len()), (64, 6));
}

#[tokio::test]
async fn they_survive_a_restart() {
    let folder = Folder::new("restart");
    let copy = Folder::new("restart-copy");
    let store = folder.start().await;
    let act = sent(&store).await;
    store.record_ack(act, "ack".to_owned(), false).await.unwrap();
    // As if the power went now.
    for name in ["naru.db", "naru.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let again = copy.open().await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(entry(&again, 2).await.acks(), [Digest::of(b"ack")]);
    // And a store that is closed writes what waits.
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(entry(&store, 2).await.acks(), [Digest::of(b"ack")]);
    assert!(store.act(act).await.unwrap().unwrap().ack_logged);
}

#[tokio::test]
async fn named_and_dropped_acts_are_no_longer_sent() {
    let folder = Folder::new("named");
    let store = folder.start().await;
    let (one, two) = (sent(&store).await, sent(&store).await);
    let end = |act, how| Batch { settle: vec![Settle { act, how }], ..Batch::default() };
    store.commit(end(one, Settled::Named)).await.unwrap();
    store.commit(end(two, Settled::Dropped)).await.unwrap();
    assert!(store.outbox(None, 10).await.unwrap().is_empty());
    assert!(matches!(store.commit(settle(two, "late", false)).await, Err(StoreError::Conflict { .. })));
    // The answer to a named act may still come, with its acknowledgement.
    store.commit(settle(one, "late", true)).await.unwrap();
    assert_eq!(store.act(one).await.unwrap().unwrap().ack.as_deref(), Some("late"));
    let lost = store.act(two).await.unwrap().unwrap();
    assert!(lost.dropped && lost.ack.is_none());
}
