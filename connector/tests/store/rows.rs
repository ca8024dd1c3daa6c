//! What is written comes back as it was, by every key that it is looked up by, and pages are bounded.

use naru::store::{
    AgreementRow, AgreementState, Approval, Batch, DatasetRow, DatasetWrite, Direction, EvaluationRow,
    EvaluationSide, ExchangeKind, ExchangeQuery, FileList, KeySetRow, MAX_RANGE, NewAct, OutboxState, Passed,
    PeerActRow, PeerLogRow, PeerRow, PeerStatus, Reschedule, Settle, Settled, Speaks, Store, StoreError,
    TransferRow, wrapping::Wrapping,
};
use naru_protocol::{
    encoding::Digest,
    log::{entry::EntryDraft, entry::EntryType, entry::Side, merkle::Hash},
};

use crate::support::{AT, Folder, PEER, act_row, draft, exchange_row, id, outbox_row, proposal, tamper};

fn peer(did: &str, alias: &str) -> PeerRow {
    PeerRow {
        did: did.to_owned(),
        alias: alias.to_owned(),
        country: "VN".to_owned(),
        name: "Mekong".to_owned(),
        statement: "a.b.c".to_owned(),
        status: PeerStatus::Pending,
        addresses: "[]".to_owned(),
        ks_min: 1,
        speaks: Speaks::Dxp,
        pinned_at: AT,
    }
}

#[tokio::test]
async fn a_repeated_act_finds_its_stored_answer() {
    let folder = Folder::new("repeat");
    let store = folder.start().await;
    let exchange = id();
    let mut act = act_row(exchange, Direction::In);
    (act.status, act.answer, act.token) = (Some(201), Some(b"{\"ok\":1}".to_vec()), Some("t.o.k".to_owned()));
    act.prev = Some(Digest::of(b"before"));
    let mut entry: EntryDraft = draft(exchange, act.digest, &["KR"]);
    (entry.side, entry.status, entry.answer) = (Side::Received, Some(201), Some(Digest::of(b"{\"ok\":1}")));
    let batch = Batch {
        exchanges: vec![exchange_row(exchange)],
        entries: vec![draft(exchange, Digest::of(b"other"), &[]), entry],
        acts: vec![NewAct { act: act.clone(), entry: Some(1) }],
        ..Batch::default()
    };
    let done = store.commit(batch).await.unwrap();
    store.commit(proposal(&[]).0).await.unwrap();

    // What the acknowledgement is made of is found again: index, and the checkpoint of that very commit.
    let found = store.act_by_msg(PEER, act.msg).await.unwrap().unwrap();
    assert_eq!((found.entry, found.covered), (Some(done.indices[1]), Some(done.size)));
    let note = store.checkpoint(found.covered.unwrap()).await.unwrap().unwrap().note;
    assert_eq!(note, done.checkpoint);
    let stored = naru::store::ActRow { entry: found.entry, covered: found.covered, ..act.clone() };
    assert_eq!(found, stored);
    assert_eq!(store.act(act.digest).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.acts(exchange, 0, 10).await.unwrap(), [stored]);
    assert_eq!(store.acts(exchange, 1, 10).await.unwrap(), []);

    // Another act under the same message id is refused, whatever its digest.
    let mut reused = act_row(exchange, Direction::In);
    (reused.msg, reused.status) = (act.msg, Some(201));
    let again = Batch { acts: vec![NewAct { act: reused, entry: None }], ..Batch::default() };
    assert!(matches!(store.commit(again).await, Err(StoreError::Conflict { what: "act", .. })));
}

#[tokio::test]
async fn exchanges_are_found_and_listed() {
    let folder = Folder::new("exchanges");
    let store = folder.start().await;
    let mut ids = Vec::new();
    for n in 0..5u64 {
        let mut row = exchange_row(id());
        row.kind = if n % 2 == 0 { ExchangeKind::Negotiation } else { ExchangeKind::Transfer };
        row.peer_pid = Some(format!("urn:uuid:peer-{n}"));
        row.state = if n < 3 { "REQUESTED" } else { "STARTED" }.to_owned();
        (row.updated, row.deadline) = (AT + n, (n > 2).then_some(AT + 100 - n));
        ids.push(row.id);
        store.commit(Batch { exchanges: vec![row], ..Batch::default() }).await.unwrap();
    }
    let by_pid = store.exchange_by_peer_pid(PEER, ExchangeKind::Transfer, "urn:uuid:peer-1").await.unwrap();
    assert_eq!(by_pid.as_ref().map(|row| row.id), Some(ids[1]));
    let by_pid = store.exchange_by_pid(&by_pid.unwrap().our_pid).await.unwrap().unwrap();
    assert_eq!(store.exchange(ids[1]).await.unwrap(), Some(by_pid));
    assert_eq!(
        store.exchange_by_peer_pid(PEER, ExchangeKind::Negotiation, "urn:uuid:peer-1").await.unwrap(),
        None
    );

    // Two first messages with one process id of the peer: the second is a lost race.
    let mut second = exchange_row(id());
    second.peer_pid = Some("urn:uuid:peer-0".to_owned());
    let lost = store.commit(Batch { exchanges: vec![second], ..Batch::default() }).await;
    assert!(matches!(lost, Err(StoreError::Conflict { .. })));

    let ask = |query: ExchangeQuery| async {
        store.exchanges(query).await.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let all = ExchangeQuery { limit: 3, ..ExchangeQuery::default() };
    assert_eq!(ask(all.clone()).await, [ids[4], ids[3], ids[2]]);
    let rest = ExchangeQuery { after: Some((AT + 2, ids[2])), ..all.clone() };
    assert_eq!(ask(rest).await, [ids[1], ids[0]]);
    let started = ExchangeQuery { states: vec!["STARTED".to_owned(), "AGREED".to_owned()], ..all.clone() };
    assert_eq!(ask(started.clone()).await, [ids[4], ids[3]]);
    let transfers =
        ExchangeQuery { kind: Some(ExchangeKind::Transfer), peer: Some(PEER.to_owned()), ..started };
    assert_eq!(ask(transfers).await, [ids[3]]);
    let nobody = ExchangeQuery { waits_for: Some("person".to_owned()), ..all };
    assert_eq!(ask(nobody).await, []);
    let overdue: Vec<_> = store.overdue(AT + 97, 10).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(overdue, [ids[4], ids[3]]);
}

#[tokio::test]
async fn the_outbox_says_what_is_due() {
    let folder = Folder::new("outbox");
    let store = folder.start().await;
    assert_eq!(store.next_due(&Passed::default()).await.unwrap(), None);
    let mut acts = Vec::new();
    for at in [300, 100, 200] {
        let (mut batch, act) = proposal(&[]);
        batch.outbox = vec![outbox_row(&act, at)];
        store.commit(batch).await.unwrap();
        acts.push(act);
    }
    assert_eq!(store.next_due(&Passed::default()).await.unwrap(), Some(100));
    let due: Vec<_> =
        store.due(200, 10, &Passed::default()).await.unwrap().into_iter().map(|row| row.act).collect();
    assert_eq!(due, [acts[1].digest, acts[2].digest]);
    // What is under way, and peers that have enough of it, hold up nobody else.
    let passed = Passed { acts: vec![acts[1].digest], peers: Vec::new() };
    assert_eq!(store.next_due(&passed).await.unwrap(), Some(200));
    let due: Vec<_> = store.due(300, 1, &passed).await.unwrap().into_iter().map(|row| row.act).collect();
    assert_eq!(due, [acts[2].digest]);
    let passed = Passed { acts: Vec::new(), peers: vec![PEER.to_owned()] };
    assert_eq!(store.next_due(&passed).await.unwrap(), None);
    assert_eq!(store.due(300, 10, &passed).await.unwrap(), []);
    assert_eq!(store.unanswered(acts[1].exchange).await.unwrap().map(|act| act.digest), Some(acts[1].digest));

    let later = Reschedule {
        act: acts[1].digest,
        next_at_ms: 900,
        attempts: 1,
        state: OutboxState::Waiting,
        last_error: Some("unreachable".to_owned()),
    };
    let given_up = Reschedule { act: acts[2].digest, state: OutboxState::Unresolved, ..later.clone() };
    store.commit(Batch { reschedule: vec![later, given_up], ..Batch::default() }).await.unwrap();
    assert_eq!(store.next_due(&Passed::default()).await.unwrap(), Some(300));
    let due = store.due(1_000, 10, &Passed::default()).await.unwrap();
    assert_eq!(
        due.iter().map(|row| (row.act, row.attempts)).collect::<Vec<_>>(),
        [(acts[0].digest, 0), (acts[1].digest, 1)]
    );
    assert_eq!(store.outbox(Some(PEER), 10).await.unwrap().len(), 3);
    let answered = Settled::Answered { status: 400, answer: Vec::new(), ack: None, at_once: false };
    let settle = vec![Settle { act: acts[1].digest, how: answered }];
    store.commit(Batch { settle, ..Batch::default() }).await.unwrap();
    assert_eq!(store.unanswered(acts[1].exchange).await.unwrap(), None);
    assert_eq!(store.outbox(Some("did:key:other"), 10).await.unwrap(), []);
    assert_eq!(store.outbox(None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn peers_and_their_keys() {
    let folder = Folder::new("peers");
    let store = folder.start().await;
    let (mut a, b) = (peer("did:key:a", "alpha"), peer("did:key:b", "beta"));
    store.commit(Batch { peers: vec![a.clone(), b.clone()], ..Batch::default() }).await.unwrap();
    a.status = PeerStatus::Accepted;
    store.commit(Batch { peers: vec![a.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(store.peer("did:key:a").await.unwrap(), Some(a.clone()));
    assert_eq!(store.peer_by_alias("beta").await.unwrap(), Some(b.clone()));
    assert_eq!(store.peers(None, 10).await.unwrap(), [a, b.clone()]);
    assert_eq!(store.peers(Some("did:key:a"), 10).await.unwrap(), [b]);
    let taken = store.commit(Batch { peers: vec![peer("did:key:c", "beta")], ..Batch::default() }).await;
    assert!(matches!(taken, Err(StoreError::Conflict { what: "peer alias", .. })));

    let keys = |number, jws: &str| KeySetRow {
        did: "did:key:a".to_owned(),
        number,
        jws: jws.to_owned(),
        digest: Digest::of(jws.as_bytes()),
    };
    let put = |row| Batch { key_sets: vec![row], ..Batch::default() };
    for row in [keys(1, "one"), keys(2, "two"), keys(2, "two")] {
        store.commit(put(row)).await.unwrap();
    }
    let two_faced = store.commit(put(keys(2, "another"))).await;
    assert!(matches!(two_faced, Err(StoreError::Conflict { what: "key set", .. })));
    assert_eq!(store.key_set("did:key:a", 2).await.unwrap(), Some(keys(2, "two")));
    assert_eq!(store.key_sets("did:key:a", 2, 10).await.unwrap(), [keys(2, "two")]);
}

#[tokio::test]
async fn dataset_versions_are_immutable() {
    let folder = Folder::new("datasets");
    let store = folder.start().await;
    let row = |dataset: &str, version| DatasetRow {
        id: dataset.to_owned(),
        version,
        listing: format!("{dataset} {version}"),
        digest: Digest::of(format!("{dataset} {version}").as_bytes()),
        root_path: "/data".to_owned(),
        summary: "{}".to_owned(),
        content_root: Digest::of(b"root"),
        policy: "{}".to_owned(),
        facts: "{}".to_owned(),
        private_facts: "{}".to_owned(),
        approval: Approval::Ask,
        withdrawn: false,
        created: AT,
    };
    let files = FileList { bytes: b"line one\nline two\n".to_vec(), chunks: vec![vec![1; 32], vec![2; 64]] };
    let put = |row, files| Batch { datasets: vec![DatasetWrite { row, files }], ..Batch::default() };
    store.commit(put(row("a", 1), Some(files))).await.unwrap();
    for (dataset, version) in [("a", 2), ("b", 1), ("c", 1)] {
        store.commit(put(row(dataset, version), None)).await.unwrap();
    }
    let mut gone = row("b", 1);
    gone.withdrawn = true;
    store.commit(put(gone.clone(), None)).await.unwrap();
    assert_eq!(store.datasets(None, false, 10).await.unwrap(), [row("a", 2), row("c", 1)]);
    assert_eq!(store.datasets(Some("a"), true, 1).await.unwrap(), [gone]);
    assert_eq!(store.dataset("a", None).await.unwrap(), Some(row("a", 2)));
    assert_eq!(store.dataset("a", Some(1)).await.unwrap(), Some(row("a", 1)));
    assert_eq!(store.dataset_by_listing(row("a", 1).digest).await.unwrap(), Some(row("a", 1)));
    let mut changed = row("a", 1);
    changed.digest = Digest::of(b"another listing");
    assert!(matches!(store.commit(put(changed, None)).await, Err(StoreError::Conflict { .. })));

    assert_eq!(store.file_list_len("a", 1).await.unwrap(), Some(18));
    assert_eq!(store.file_list("a", 1, 5..13).await.unwrap().as_deref(), Some(b"one\nline".as_slice()));
    assert_eq!(
        store.file_list("a", 1, 9..u64::MAX).await.unwrap().as_deref(),
        Some(b"line two\n".as_slice())
    );
    assert_eq!(store.file_list("a", 1, 100..100 + MAX_RANGE).await.unwrap(), Some(Vec::new()));
    assert_eq!(store.file_list("a", 2, 0..10).await.unwrap(), None);
    assert_eq!(store.chunk_hashes("a", 1, 1).await.unwrap(), Some(vec![2; 64]));
    assert_eq!(store.chunk_hashes("a", 1, 2).await.unwrap(), None);
}

#[tokio::test]
async fn what_belongs_to_an_exchange() {
    let folder = Folder::new("belongs");
    let store = folder.start().await;
    let exchange = id();
    let evaluation = EvaluationRow {
        digest: Digest::of(b"record"),
        exchange: Some(exchange),
        record: b"record".to_vec(),
        shared: "{}".to_owned(),
        private: "{}".to_owned(),
        phase: "negotiation".to_owned(),
        side: EvaluationSide::Importer,
        created: AT,
    };
    let at_catalog = EvaluationRow { exchange: None, digest: Digest::of(b"catalog"), ..evaluation.clone() };
    let agreement = AgreementRow {
        digest: Digest::of(b"agreement"),
        exchange,
        jws: "{}".to_owned(),
        state: AgreementState::InForce,
        finalized_at: Some(AT),
    };
    let transfer = TransferRow {
        exchange,
        progress: "{\"files\":1}".to_owned(),
        window_ack: Some("w.a.c".to_owned()),
        receipt: None,
    };
    let place = |index, verified| PeerActRow {
        exchange,
        act: Digest::of(&[u8::try_from(index).unwrap()]),
        peer: PEER.to_owned(),
        origin: "naru/x/0".to_owned(),
        index,
        verified,
    };
    let batch = Batch {
        evaluations: vec![evaluation.clone(), at_catalog.clone(), evaluation.clone()],
        agreements: vec![agreement.clone()],
        transfers: vec![transfer.clone()],
        peer_logs: vec![log(5), log(9), log(7)],
        peer_acts: vec![place(3, false), place(8, true), place(3, true), place(3, false)],
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    assert_eq!(store.evaluation(evaluation.digest).await.unwrap(), Some(evaluation.clone()));
    assert_eq!(store.evaluation(at_catalog.digest).await.unwrap(), Some(at_catalog));
    assert_eq!(store.evaluations(exchange, 10).await.unwrap(), [evaluation]);
    assert_eq!(store.agreement(agreement.digest).await.unwrap(), Some(agreement.clone()));
    assert_eq!(store.agreement_of(exchange).await.unwrap(), Some(agreement));
    assert_eq!(store.transfer(exchange).await.unwrap(), Some(transfer));
    assert_eq!(store.peer_log(PEER, "naru/x/0").await.unwrap(), Some(log(9)), "the largest is kept");
    assert_eq!(store.peer_logs(PEER, 10).await.unwrap(), [log(9)]);
    assert_eq!(store.peer_acts(exchange, 10).await.unwrap(), [place(3, true), place(8, true)]);
    assert_eq!(store.peer_acts_from(PEER, "naru/x/0", 4, 10).await.unwrap(), [place(8, true)]);
    let mut elsewhere = place(3, true);
    elsewhere.index = 4;
    let moved = store.commit(Batch { peer_acts: vec![elsewhere], ..Batch::default() }).await;
    assert!(matches!(moved, Err(StoreError::Conflict { .. })), "an act lies in one place");
}

#[tokio::test]
async fn evaluations_of_one_second_are_told_in_the_order_that_they_were_made_in() {
    let folder = Folder::new("second");
    let exchange = id();
    let made = |name: &str| EvaluationRow {
        digest: Digest::of(name.as_bytes()),
        exchange: Some(exchange),
        record: name.as_bytes().to_vec(),
        shared: "{}".to_owned(),
        private: "{}".to_owned(),
        phase: "transfer".to_owned(),
        side: EvaluationSide::Importer,
        created: AT,
    };
    let store = folder.start().await;
    let mut all: Vec<_> = (0..8).map(|number| made(&format!("record {number}"))).collect();
    for row in &all {
        store.commit(Batch { evaluations: vec![row.clone()], ..Batch::default() }).await.unwrap();
    }
    assert_eq!(store.evaluations(exchange, 10).await.unwrap(), all);
    // One that is kept once more stays where it was.
    store.commit(Batch { evaluations: vec![all[3].clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(store.evaluations(exchange, 10).await.unwrap(), all);
    store.close().await.unwrap();

    // A folder of the first form of the tables is brought to this one.
    for sql in [
        "DROP INDEX evaluations_order",
        "ALTER TABLE evaluations DROP COLUMN seq",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        tamper(&folder, sql).await;
    }
    let store = folder.open().await;
    let mut kept = store.evaluations(exchange, 10).await.unwrap();
    kept.sort_by_key(|row| row.digest);
    all.sort_by_key(|row| row.digest);
    assert_eq!(kept, all);
    let later = made("later");
    store.commit(Batch { evaluations: vec![later.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(store.evaluations(exchange, 10).await.unwrap().last(), Some(&later));
}

#[tokio::test]
async fn erasing_an_exchange_leaves_the_log_provable() {
    let folder = Folder::new("erase");
    let store = folder.start().await;
    let keys = Wrapping::open(&folder.path().join("erasable.keys")).unwrap();
    let (mut batch, act) = proposal(&["KR"]);
    batch.exchanges[0].wrapped_key = Some(keys.wrap(&[3; 32]).unwrap());
    store.commit(batch).await.unwrap();
    let (other, _) = proposal(&["KR"]);
    store.commit(other).await.unwrap();

    let wrapped = store.exchange(act.exchange).await.unwrap().unwrap().wrapped_key.unwrap();
    assert_eq!(keys.unwrap(&wrapped).unwrap(), [3; 32]);
    let names =
        |rows: Vec<naru::store::DisclosureRow>| rows.into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names(store.disclosures(1).await.unwrap()), ["lane:KR", "peer"]);

    keys.erase(&wrapped).unwrap();
    let record = EntryDraft::own(EntryType::Erasure, id(), AT);
    store
        .commit(Batch { erase: vec![act.exchange], entries: vec![record], ..Batch::default() })
        .await
        .unwrap();
    assert!(matches!(keys.unwrap(&wrapped), Err(StoreError::Erased(_))));
    assert_eq!(names(store.disclosures(1).await.unwrap()), ["lane:KR"], "numbers of lanes stay");
    assert_eq!(names(store.disclosures(2).await.unwrap()), ["lane:KR", "peer"]);
    let head = store.head().await.unwrap().unwrap();
    let leaf = store.entry(1).await.unwrap().unwrap();
    let proof = store.inclusion(1, head.size).await.unwrap();
    naru_protocol::log::merkle::verify_inclusion(1, head.size, &leaf.hash, &proof, &head.root).unwrap();
}

fn log(size: u64) -> PeerLogRow {
    PeerLogRow {
        did: PEER.to_owned(),
        origin: "naru/x/0".to_owned(),
        size,
        root: Hash([5; 32]),
        note: format!("note {size}"),
        seen: AT,
    }
}

#[tokio::test]
async fn what_a_peer_only_showed_is_kept_apart_from_what_was_verified() {
    // LOG-5.6
    let folder = Folder::new("claims");
    let store = folder.start().await;
    store.commit(Batch { peer_logs: vec![log(9)], ..Batch::default() }).await.unwrap();
    // What was only shown is kept apart, and stands out as long as it is beyond what was verified.
    let shown = |size| Batch { peer_claims: vec![log(size)], ..Batch::default() };
    store.commit(shown(9)).await.unwrap();
    assert_eq!(store.unverified_claims(10).await.unwrap(), []);
    store.commit(shown(12)).await.unwrap();
    store.commit(shown(11)).await.unwrap();
    assert_eq!(store.peer_claims(PEER, 10).await.unwrap(), [log(12)]);
    assert_eq!(store.unverified_claims(10).await.unwrap(), [log(12)]);
    assert_eq!(store.peer_log(PEER, "naru/x/0").await.unwrap(), Some(log(9)));
    store.commit(Batch { peer_logs: vec![log(12)], ..Batch::default() }).await.unwrap();
    assert_eq!(store.unverified_claims(10).await.unwrap(), []);
}
