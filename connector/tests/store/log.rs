//! Commits share transactions, the log grows without gaps, and everything that it signed can be proven.

use std::collections::BTreeSet;

use futures::future::join_all;
use naru::store::{Batch, Store, StoreError};
use naru_protocol::log::{
    entry::Disclosure,
    merkle::leaf_hash,
    tile::{Tile, TileKind, bundle_entries, entry_bundles, hash_tiles, tile_hashes},
};

use crate::support::{Folder, assert_extends, checkpoint, draft, id, proposal, signer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_batches_share_a_few_commits() {
    let folder = Folder::new("group");
    let store = folder.start().await;
    let done =
        join_all((0..200).map(|_| {
            let store = store.clone();
            async move {
                tokio::spawn(async move { store.commit(proposal(&["KR"]).0).await.unwrap() }).await.unwrap()
            }
        }))
        .await;

    let indices: BTreeSet<u64> = done.iter().flat_map(|sequenced| sequenced.indices.clone()).collect();
    assert_eq!(indices, (1..=200).collect());
    let sizes: BTreeSet<u64> = done.iter().map(|sequenced| sequenced.size).collect();
    assert!(sizes.len() < 100, "{} commits for 200 batches", sizes.len());

    // Every checkpoint that was handed out opens, covers its entry, and is a point of one history.
    let mut seen: Vec<_> = done.iter().map(|sequenced| (sequenced, checkpoint(sequenced))).collect();
    seen.sort_by_key(|(_, signed)| signed.size());
    for pair in seen.windows(2) {
        let proof = store.consistency(pair[0].1.size(), pair[1].1.size()).await.unwrap();
        pair[1].1.extends(&pair[0].1, &proof).unwrap();
    }
    for (sequenced, signed) in &seen {
        let index = sequenced.indices[0];
        let entry = store.entry(index).await.unwrap().unwrap();
        assert_eq!(entry.hash, leaf_hash(&entry.leaf));
        let proof = store.inclusion(index, signed.size()).await.unwrap();
        signed.includes(index, &entry.hash, &proof).unwrap();
        assert_eq!(store.checkpoint_covering(index).await.unwrap().unwrap().size, signed.size());
    }
}

#[tokio::test]
async fn a_bad_batch_sinks_alone() {
    let folder = Folder::new("sink");
    let store = folder.start().await;
    let mut stale = proposal(&["KR"]).0;
    stale.exchanges[0].revision = 4;
    let (mut unsealable, lost) = proposal(&["KR"]);
    unsealable.entries[0].lanes[0].country = "kr".to_owned();
    let mut dangling = proposal(&["KR"]).0;
    dangling.acts[0].entry = Some(1);
    let second_genesis = crate::support::genesis();

    let mut batches: Vec<Batch> = (0..20).map(|_| proposal(&["KR"]).0).collect();
    for (at, bad) in [(3, stale), (7, unsealable), (11, dangling), (15, second_genesis)] {
        batches.insert(at, bad);
    }
    let done = join_all(batches.into_iter().map(|batch| store.commit(batch))).await;
    for (at, outcome) in done.iter().enumerate() {
        match at {
            3 => assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}"),
            7 | 11 | 15 => assert!(matches!(outcome, Err(StoreError::BadBatch(_))), "{outcome:?}"),
            _ => assert!(outcome.is_ok(), "{outcome:?}"),
        }
    }
    // Neither an index nor a number of the lane was spent on them, and nothing of them is there.
    let indices: BTreeSet<u64> =
        done.iter().flatten().flat_map(|sequenced| sequenced.indices.clone()).collect();
    assert_eq!(indices, (1..=20).collect());
    assert_eq!(store.lane("KR").await.unwrap(), 20);
    assert_eq!(store.act(lost.digest).await.unwrap(), None);
    assert_eq!(store.exchange(lost.exchange).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_have_no_gaps_whoever_commits_when() {
    let folder = Folder::new("lanes");
    let store = folder.start().await;
    join_all(
        (0u32..120).map(|n| {
            let store = store.clone();
            let lanes: &[&str] = match n % 3 {
                0 => &["KR", "VN"],
                1 => &["KR"],
                _ => &["VN", "DE"],
            };
            async move {
                tokio::spawn(async move { store.commit(proposal(lanes).0).await.unwrap() }).await.unwrap()
            }
        }),
    )
    .await;
    for (lane, count) in [("KR", 80), ("VN", 80), ("DE", 40)] {
        let mut numbers = Vec::new();
        for index in 1..=120 {
            for row in store.disclosures(index).await.unwrap() {
                let shown = Disclosure::parse(&row.text).unwrap();
                if row.name == format!("lane:{lane}") {
                    numbers.push(shown.value().as_u64().unwrap());
                }
            }
        }
        // In the order of the log, not only as a set.
        assert_eq!(numbers, (1..=count).collect::<Vec<u64>>(), "{lane}");
        assert_eq!(store.lane(lane).await.unwrap(), count);
    }
    assert_eq!(store.lane("FR").await.unwrap(), 0);
}

#[tokio::test]
async fn one_entry_may_be_counted_twice_in_a_batch_of_two() {
    let folder = Folder::new("two");
    let store = folder.start().await;
    let (mut batch, act) = proposal(&["KR"]);
    batch.entries.push(draft(act.exchange, act.digest, &["KR"]));
    let done = store.commit(batch).await.unwrap();
    assert_eq!(done.indices, [1, 2]);
    assert_eq!(store.lane("KR").await.unwrap(), 2);
    let own = store.entries_of(act.exchange, 0, 10).await.unwrap();
    assert_eq!(own.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn tiles_and_bundles_are_those_of_the_tree() {
    let folder = Folder::new("tiles");
    let store = folder.start().await;
    let exchange = id();
    let entries = |n: usize| {
        (0..n).map(|_| draft(exchange, naru_protocol::encoding::Digest::of(b"act"), &[])).collect()
    };
    for count in [255, 256, 90] {
        store.commit(Batch { entries: entries(count), ..Batch::default() }).await.unwrap();
    }
    let head = store.head().await.unwrap().unwrap();
    assert_eq!(head.size, 602);
    for tile in hash_tiles(head.size) {
        let bytes = store.tile(tile).await.unwrap().unwrap();
        assert_eq!(tile_hashes(tile, &bytes).unwrap().len(), usize::from(tile.width()));
    }
    let mut index = 0;
    for tile in entry_bundles(head.size) {
        let bytes = store.tile(tile).await.unwrap().unwrap();
        for leaf in bundle_entries(tile, &bytes).unwrap() {
            assert_eq!(store.entry(index).await.unwrap().unwrap().leaf, leaf);
            index += 1;
        }
    }
    assert_eq!(index, head.size);
    let beyond = Tile::new(TileKind::Hashes(0), 2, 91).unwrap();
    assert_eq!(store.tile(beyond).await.unwrap(), None);
    // The level above the full tiles is rebuilt from them.
    let top = store.tile(Tile::new(TileKind::Hashes(1), 0, 2).unwrap()).await.unwrap().unwrap();
    assert_eq!(top[..32], store.root(256).await.unwrap().0);
    assert_eq!(store.root(head.size).await.unwrap(), head.root);
}

#[tokio::test]
async fn proofs_beyond_the_log_are_refused() {
    let folder = Folder::new("beyond");
    let store = folder.start().await;
    assert!(matches!(store.root(2).await, Err(StoreError::Missing { .. })));
    assert!(matches!(store.inclusion(0, 2).await, Err(StoreError::Missing { .. })));
    assert!(matches!(store.inclusion(1, 1).await, Err(StoreError::Missing { .. })));
    assert!(matches!(store.consistency(0, 1).await, Err(StoreError::Missing { .. })));
    assert!(matches!(
        store.consistency(u64::MAX, u64::MAX).await,
        Err(StoreError::Missing { .. } | StoreError::BadBatch(_))
    ));
    assert_eq!(store.entry(5).await.unwrap(), None);
    assert_eq!(store.checkpoint(5).await.unwrap(), None);
}

#[tokio::test]
async fn a_batch_without_entries_signs_nothing() {
    let folder = Folder::new("quiet");
    let store = folder.open().await;
    let setting = |value: &str| Batch { meta: vec![("k".to_owned(), value.to_owned())], ..Batch::default() };
    let before = store.commit(setting("1")).await.unwrap();
    assert_eq!((before.size, before.checkpoint.as_str()), (0, ""));
    assert_eq!(store.head().await.unwrap(), None);
    assert!(
        matches!(store.commit(proposal(&[]).0).await, Err(StoreError::BadBatch(_))),
        "no entry before the genesis"
    );

    let first = store.commit(crate::support::genesis()).await.unwrap();
    assert_eq!((first.indices.as_slice(), first.size), ([0].as_slice(), 1));
    let after = store.commit(setting("2")).await.unwrap();
    assert_eq!((after.size, &after.checkpoint), (1, &first.checkpoint));
    assert_eq!(store.meta("k").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_new_log_key_signs_from_the_next_commit_on() {
    let folder = Folder::new("rotate");
    let store = folder.start().await;
    let old = checkpoint(&store.commit(proposal(&[]).0).await.unwrap());
    assert!(matches!(store.replace_signer(signer(1)).await, Err(StoreError::WrongLog { .. })));
    let key = naru_protocol::signature::SigningKey::from_seed(&[8; 32]);
    let origin = crate::support::origin(0);
    let new = origin.key(key.public()).unwrap();
    store.replace_signer(naru::store::LogSigner::new(&origin, key).unwrap()).await.unwrap();
    let done = store.commit(proposal(&[]).0).await.unwrap();
    let signed =
        naru_protocol::log::checkpoint::SignedCheckpoint::open_own(done.checkpoint.as_bytes(), &new).unwrap();
    let proof = store.consistency(old.size(), signed.size()).await.unwrap();
    signed.extends(&old, &proof).unwrap();
    store.close().await.unwrap();
    let store = folder.open().await;
    let again = store.commit(proposal(&[]).0).await.unwrap();
    assert_extends(&store, &checkpoint(&again)).await;
}
