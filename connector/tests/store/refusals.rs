//! What the store refuses, and that nothing of it is left behind.

use std::time::Duration;

use futures::future::join_all;
use naru::store::{
    Batch, FolderLock, SqliteOptions, SqliteStore, Store, StoreError, TicketChange, TicketRow, TicketState,
};
use naru_protocol::encoding::Digest;

use crate::support::{AT, Folder, assert_extends, checkpoint, genesis, proposal, signer, tamper};

#[tokio::test]
async fn a_second_process_is_told_the_folder() {
    let folder = Folder::new("locked");
    let store = folder.start().await;
    let error = folder.try_open().await.unwrap_err();
    assert_eq!(error, StoreError::FolderLocked(folder.path().to_owned()));
    assert!(error.to_string().contains(folder.path().to_str().unwrap()));
    assert_eq!(error.code().as_str(), "folder_locked");
    store.close().await.unwrap();
    folder.open().await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = Folder::new("closed");
    let store = folder.start().await;
    store.close().await.unwrap();
    assert_eq!(store.commit(proposal(&[]).0).await, Err(StoreError::Closed));
    assert_eq!(store.head().await, Err(StoreError::Closed));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}

#[tokio::test]
async fn of_two_that_read_the_same_revision_one_wins() {
    let folder = Folder::new("revision");
    let store = folder.start().await;
    let (batch, act) = proposal(&[]);
    store.commit(batch).await.unwrap();
    let row = store.exchange(act.exchange).await.unwrap().unwrap();
    assert_eq!(row.revision, 1);
    let moved = |state: &str| {
        let mut row = row.clone();
        row.state = state.to_owned();
        Batch { exchanges: vec![row], ..Batch::default() }
    };
    let done = join_all([store.commit(moved("OFFERED")), store.commit(moved("TERMINATED"))]).await;
    assert!(done[0].is_ok());
    assert!(matches!(&done[1], Err(StoreError::Conflict { what: "exchange", .. })));
    let now = store.exchange(act.exchange).await.unwrap().unwrap();
    assert_eq!((now.state.as_str(), now.revision), ("OFFERED", 2));
    // New twice is a lost race too, and so is a process id that is taken.
    let mut twice = proposal(&[]).0;
    twice.exchanges[0].our_pid.clone_from(&row.our_pid);
    assert!(matches!(store.commit(twice).await, Err(StoreError::Conflict { .. })));
    let mut gone = row.clone();
    gone.id = crate::support::id();
    assert!(matches!(
        store.commit(Batch { exchanges: vec![gone], ..Batch::default() }).await,
        Err(StoreError::Conflict { .. })
    ));
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_whole_and_forks_nothing() {
    let folder = Folder::new("full");
    let mut options = folder.options();
    options.max_pages = Some(300);
    let store =
        SqliteStore::open(FolderLock::acquire(folder.path()).unwrap(), options, signer(0)).await.unwrap();
    store.commit(genesis()).await.unwrap();
    let fill = |n: usize, bytes: usize| Batch {
        meta: vec![(format!("fill {n}"), "x".repeat(bytes))],
        ..Batch::default()
    };
    let mut stored = 0;
    while store.commit(fill(stored, 64 * 1024)).await.is_ok() {
        stored += 1;
        assert!(stored < 100, "never full");
    }
    let before = store.commit(proposal(&["KR"]).0).await.unwrap();

    // A transition that needs more than there is.
    let (mut batch, act) = proposal(&["KR"]);
    batch.acts[0].act.body = vec![b'x'; 512 * 1024];
    let error = store.commit(batch.clone()).await.unwrap_err();
    assert_eq!((error.clone(), error.code().as_str()), (StoreError::DiskFull, "disk_full"));
    assert_eq!(store.exchange(act.exchange).await.unwrap(), None);
    assert_eq!(store.act(act.digest).await.unwrap(), None);
    assert_eq!(store.head().await.unwrap().unwrap().note, before.checkpoint);
    assert_eq!(store.lane("KR").await.unwrap(), 1);

    // It does not take those down that wait beside it.
    let small = proposal(&["KR"]).0;
    let mut done = join_all([store.commit(batch.clone()), store.commit(small)]).await;
    let small = done.pop().unwrap().unwrap();
    assert_eq!(done.pop().unwrap(), Err(StoreError::DiskFull));
    assert_eq!(small.indices, [before.size]);

    // Space returns, and the same batch goes through.
    for n in 0..stored {
        store.commit(fill(n, 0)).await.unwrap();
    }
    let after = store.commit(batch).await.unwrap();
    assert_eq!(after.indices, [small.size]);
    assert_eq!(store.lane("KR").await.unwrap(), 3);
    assert_extends(&store, &checkpoint(&before)).await;
    assert_extends(&store, &checkpoint(&small)).await;
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_extends(&store, &checkpoint(&after)).await;
}

#[tokio::test]
async fn a_log_of_another_name_is_refused() {
    let folder = Folder::new("name");
    folder.start().await.close().await.unwrap();
    let lock = FolderLock::acquire(folder.path()).unwrap();
    let error = SqliteStore::open(lock, folder.options(), signer(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongLog { .. }), "{error}");
}

#[tokio::test]
async fn damage_is_named_when_it_is_opened() {
    for sql in [
        "UPDATE entries SET hash = zeroblob(32) WHERE idx = 2",
        "DELETE FROM entries WHERE idx = 2",
        "UPDATE head SET size = 2",
        "DELETE FROM checkpoints WHERE size = 3",
        "DELETE FROM head",
        "DELETE FROM nodes",
    ] {
        let folder = Folder::new("damage");
        let store = folder.start().await;
        store.commit(proposal(&[]).0).await.unwrap();
        store.commit(proposal(&[]).0).await.unwrap();
        store.close().await.unwrap();
        tamper(&folder, sql).await;
        let error = folder.try_open().await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = Folder::new("newer");
    folder.start().await.close().await.unwrap();
    tamper(
        &folder,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .await;
    let error = folder.try_open().await.unwrap_err();
    assert_eq!((error.clone(), error.code().as_str()), (StoreError::Newer(9999), "store_newer"));
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let folder = Folder::new("garbage");
    std::fs::write(folder.options().database, vec![b'#'; 8192]).unwrap();
    assert!(matches!(folder.try_open().await.unwrap_err(), StoreError::Corrupt(_)));
    assert_eq!(std::fs::read(folder.options().database).unwrap(), vec![b'#'; 8192]);

    let folder = Folder::new("no-folder");
    let mut options = SqliteOptions::in_folder(folder.path());
    options.database = folder.path().join("missing").join("naru.db");
    let opened = SqliteStore::open(FolderLock::acquire(folder.path()).unwrap(), options, signer(0)).await;
    assert!(matches!(opened.unwrap_err(), StoreError::File { .. }));
}

#[tokio::test]
async fn a_head_moved_by_something_else_stops_the_log() {
    let folder = Folder::new("moved");
    let store = folder.start().await;
    tamper(&folder, "UPDATE head SET root = zeroblob(32)").await;
    assert!(matches!(store.commit(proposal(&[]).0).await, Err(StoreError::Corrupt(_))));
    assert!(
        matches!(store.commit(proposal(&[]).0).await, Err(StoreError::Corrupt(_))),
        "and it stays stopped"
    );
    assert_eq!(store.head().await.unwrap().unwrap().size, 1);
}

#[tokio::test]
async fn a_ticket_is_redeemed_by_one() {
    let folder = Folder::new("ticket");
    let store = folder.start().await;
    let secret_hash = Digest::of(b"secret");
    let ticket = TicketRow {
        secret_hash,
        expires: AT,
        auto_accept: false,
        redeemed_by: None,
        state: TicketState::Open,
        created: AT,
    };
    let change = |change| Batch { tickets: vec![change], ..Batch::default() };
    let redeem = |by: &str| change(TicketChange::Redeem { secret_hash, by: by.to_owned() });
    assert!(matches!(store.commit(redeem("a")).await, Err(StoreError::Conflict { .. })), "unknown");
    store.commit(change(TicketChange::Issue(ticket.clone()))).await.unwrap();
    assert!(matches!(
        store.commit(change(TicketChange::Issue(ticket))).await,
        Err(StoreError::Conflict { .. })
    ));
    let done =
        join_all([store.commit(redeem("a")), store.commit(redeem("b")), store.commit(redeem("a"))]).await;
    assert!(done[0].is_ok() && done[1].is_err() && done[2].is_ok());
    let row = store.ticket(secret_hash).await.unwrap().unwrap();
    assert_eq!((row.state, row.redeemed_by.as_deref()), (TicketState::Redeemed, Some("a")));
    let revoked = store.commit(change(TicketChange::Revoke { secret_hash })).await;
    assert!(matches!(revoked, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn the_queue_is_bounded_and_waits() {
    let folder = Folder::new("queue");
    let store = folder.start().await;
    let quick = || Batch { meta: vec![("k".to_owned(), "v".to_owned())], ..Batch::default() };
    let all = join_all((0..naru::store::QUEUE * 2).map(|_| store.commit(quick())));
    let done = tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert!(done.iter().all(Result::is_ok));
}
