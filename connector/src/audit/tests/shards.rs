//! A log that takes over from an earlier one of the same participant: what its genesis says of that must be so (AUD-4.7, LOG-9.3).

use super::*;

/// What is claimed of the earlier shard, with the earlier export beside it or without.
fn claimed(supersedes: &str, earlier: Option<&Actor>) -> (Verdict, Option<Reason>, bool) {
    let dir = scratch("shards");
    let later = Actor::with_log(1, "KR", 2, Some(supersedes.to_owned()));
    later.export(&dir.join("later"));
    let mut dirs = vec![dir.join("later")];
    if let Some(earlier) = earlier {
        earlier.export(&dir.join("earlier"));
        dirs.push(dir.join("earlier"));
    }
    let report = verify(&dirs, &anchors()).unwrap();
    let mut of = report.claims().iter().filter(|claim| claim.name() == "earlier_shard");
    let claim = of.next().unwrap();
    assert!(of.next().is_none());
    let found = (claim.verdict(), claim.reason(), report.holds());
    fs::remove_dir_all(dir).unwrap();
    found
}

/// AUD-4.7
#[test]
fn the_note_that_a_genesis_names_is_one_of_the_earlier_shards_past() {
    let mut earlier = Actor::new(1, "KR");
    let first = earlier.note();
    let mut more = EntryDraft::own(EntryType::Peer, Id([5; 16]), NOW);
    more.field("note", object!("later"), FieldKey::Node(earlier.node_key()));
    earlier.append(&more);
    let last = earlier.note();
    for note in [&first, &last] {
        assert_eq!(claimed(note, Some(&earlier)), (Verdict::Proved, None, true));
    }
    assert_eq!(claimed(&last, None), (Verdict::Unsupported, Some(Reason::EarlierShard), true));

    let failed = |note: &str, reason| {
        assert_eq!(claimed(note, Some(&earlier)), (Verdict::Failed, Some(reason), false))
    };
    failed(&earlier.sign(Hash([3; 32])), Reason::Forked);
    failed(&Actor::new(2, "SG").note(), Reason::GenesisDiffers);
    failed(&Actor::with_log(1, "KR", 2, None).note(), Reason::GenesisDiffers);
    failed(&first.replace(" 1\n", " 2\n").replacen("\n1\n", "\n2\n", 1), Reason::GenesisDiffers);
    failed("not a note", Reason::GenesisDiffers);
}
