//! LOG-1 and LOG-2: the tree against its definition, every proof of every small size, huge sizes, foreign vectors.

use std::{fs, path::Path};

use naru_protocol::log::merkle::{
    Frontier, Hash, ProofError, TreeError, consistency_proof, inclusion_proof, leaf_hash, node_hash,
    prefix_proof, prefix_roots, root_at, root_of, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    common::{Tree, check_vector, recursive_root},
    vectors::{judged, shared},
};

const ALL: u64 = 300;

/// A tree of any size whose leaves are all alike, so that every level has one hash.
fn uniform(level: u8, _index: u64) -> Option<Hash> {
    (level < 64).then(|| (0..level).fold(leaf_hash(b"same"), |hash, _| node_hash(&hash, &hash)))
}

#[test]
fn frontier_is_the_recursive_definition() {
    // LOG-1.1, LOG-1.2
    let tree = Tree::counting(ALL);
    let mut frontier = Frontier::new();
    for size in 0..=tree.leaves.len() {
        let root = recursive_root(&tree.leaves[..size]);
        assert_eq!(tree.roots[size], root, "size {size}");
        assert_eq!(root_of(&tree.leaves[..size]), root);
        assert_eq!(root_at(size as u64, &mut tree.reader()).unwrap(), root);
        assert_eq!(Frontier::from_nodes(size as u64, &mut tree.reader()).unwrap(), frontier);
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).unwrap(), frontier);
        if size < tree.leaves.len() {
            let made = frontier.append(tree.leaves[size]).unwrap();
            assert_eq!(made.len(), 1 + (size as u64).trailing_ones() as usize);
        }
    }
}

#[test]
fn frontier_of_broken_bytes_is_refused() {
    let mut frontier = Frontier::new();
    for leaf in Tree::counting(7).leaves {
        frontier.append(leaf).unwrap();
    }
    let bytes = frontier.to_bytes();
    for cut in 0..bytes.len() {
        assert_eq!(Frontier::from_bytes(&bytes[..cut]), Err(TreeError::BadFrontier));
    }
    let mut longer = bytes;
    longer.extend_from_slice(&[0; 32]);
    assert_eq!(Frontier::from_bytes(&longer), Err(TreeError::BadFrontier));
}

#[test]
fn full_log_takes_no_entry() {
    // LOG-1.3
    let mut full = Frontier::from_nodes(u64::MAX, &mut uniform).unwrap();
    assert_eq!(full.append(leaf_hash(b"same")), Err(TreeError::Full));
    assert_eq!(full, Frontier::from_nodes(u64::MAX, &mut uniform).unwrap());
    let mut almost = Frontier::from_nodes(u64::MAX - 1, &mut uniform).unwrap();
    assert_eq!(almost.append(leaf_hash(b"same")).unwrap().len(), 1);
    assert_eq!(almost, full);
}

#[test]
fn every_inclusion_proof_of_every_small_size_verifies() {
    // LOG-2.1, LOG-2.3
    let tree = Tree::counting(ALL);
    for size in 1..=ALL {
        let root = tree.roots[size as usize];
        for index in 0..size {
            let leaf = tree.leaves[index as usize];
            let proof = inclusion_proof(index, size, &mut tree.reader()).unwrap();
            assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()), "{index} of {size}");
            assert!(verify_inclusion(index ^ 1, size, &leaf, &proof, &root).is_err() || size == 1);
        }
        assert_eq!(
            inclusion_proof(size, size, &mut tree.reader()),
            Err(TreeError::IndexOutOfRange { index: size, size })
        );
    }
}

#[test]
fn every_consistency_proof_of_every_small_size_verifies() {
    // LOG-2.2, LOG-2.4
    let tree = Tree::counting(ALL);
    for new in 1..=ALL {
        for old in 1..=new {
            let (old_root, new_root) = (tree.roots[old as usize], tree.roots[new as usize]);
            let proof = consistency_proof(old, new, &mut tree.reader()).unwrap();
            assert_eq!(verify_consistency(old, new, &proof, &old_root, &new_root), Ok(()), "{old} to {new}");
            let path = prefix_proof(old, new, &mut tree.reader()).unwrap();
            assert_eq!(prefix_roots(old, new, &path), Ok((old_root, new_root)));
            if old < new {
                let other = tree.roots[old as usize - 1];
                assert!(verify_consistency(old, new, &proof, &other, &new_root).is_err());
                assert!(verify_consistency(old, new, &proof, &old_root, &old_root).is_err());
            }
        }
    }
}

#[test]
fn any_changed_byte_of_a_proof_is_noticed() {
    // LOG-2.3, LOG-2.4
    let tree = Tree::counting(40);
    let changes = |proof: &[Hash]| {
        let mut changed = Vec::new();
        for hash in 0..proof.len() {
            for byte in 0..32 {
                let mut other = proof.to_vec();
                other[hash].0[byte] ^= 1 << (byte % 8);
                changed.push(other);
            }
        }
        changed.extend((0..proof.len()).map(|cut| proof[..cut].to_vec()));
        changed.push(proof.iter().copied().chain([Hash::EMPTY]).collect());
        changed
    };
    for size in 1..=tree.size() {
        let root = tree.roots[size as usize];
        for index in 0..size {
            let leaf = tree.leaves[index as usize];
            for proof in changes(&inclusion_proof(index, size, &mut tree.reader()).unwrap()) {
                assert!(verify_inclusion(index, size, &leaf, &proof, &root).is_err(), "{index} of {size}");
            }
            let old = index + 1;
            let old_root = tree.roots[old as usize];
            for proof in changes(&consistency_proof(old, size, &mut tree.reader()).unwrap()) {
                assert!(verify_consistency(old, size, &proof, &old_root, &root).is_err(), "{old} to {size}");
            }
        }
    }
}

#[test]
fn nothing_is_proven_from_or_to_sizes_that_have_no_proof() {
    // LOG-2.5
    let hash = leaf_hash(b"");
    assert_eq!(verify_inclusion(0, 0, &hash, &[], &Hash::EMPTY), Err(ProofError::IndexOutOfRange));
    assert_eq!(verify_inclusion(5, 5, &hash, &[hash], &hash), Err(ProofError::IndexOutOfRange));
    assert_eq!(verify_consistency(0, 5, &[], &Hash::EMPTY, &hash), Err(ProofError::SizeOutOfRange));
    assert_eq!(verify_consistency(6, 5, &[], &hash, &hash), Err(ProofError::SizeOutOfRange));
    assert_eq!(verify_consistency(5, 5, &[hash], &hash, &hash), Err(ProofError::WrongLength));
    assert_eq!(prefix_roots(3, 5, &[]), Err(ProofError::WrongLength));
    let mut none = |_, _| None;
    assert_eq!(inclusion_proof(0, 2, &mut none), Err(TreeError::MissingNode { level: 0, index: 1 }));
    assert_eq!(consistency_proof(0, 2, &mut none), Err(TreeError::SizeOutOfRange { old: 0, new: 2 }));
    assert_eq!(consistency_proof(3, 2, &mut none), Err(TreeError::SizeOutOfRange { old: 3, new: 2 }));
}

#[test]
fn sizes_at_the_ends_of_64_bits_are_proven_without_overflow() {
    // LOG-1.3
    let sizes = [1, 2, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX];
    for new in sizes {
        let root = root_at(new, &mut uniform).unwrap();
        for index in [0, 1, new / 2, new - 1] {
            if index < new {
                let proof = inclusion_proof(index, new, &mut uniform).unwrap();
                assert!(proof.len() <= 64);
                assert_eq!(verify_inclusion(index, new, &leaf_hash(b"same"), &proof, &root), Ok(()));
            }
        }
        for old in sizes.into_iter().filter(|old| *old <= new) {
            let proof = consistency_proof(old, new, &mut uniform).unwrap();
            assert!(proof.len() <= 65, "{old} to {new}: {}", proof.len());
            let old_root = root_at(old, &mut uniform).unwrap();
            assert_eq!(verify_consistency(old, new, &proof, &old_root, &root), Ok(()), "{old} to {new}");
        }
    }
}

proptest! {
    #[test]
    fn any_sizes_are_proven(a: u64, b: u64) {
        let (old, new) = (a.min(b).max(1), a.max(b).max(1));
        let (old_root, root) = (root_at(old, &mut uniform).unwrap(), root_at(new, &mut uniform).unwrap());
        let proof = consistency_proof(old, new, &mut uniform).unwrap();
        prop_assert_eq!(verify_consistency(old, new, &proof, &old_root, &root), Ok(()));
        let proof = inclusion_proof(old - 1, new, &mut uniform).unwrap();
        prop_assert_eq!(verify_inclusion(old - 1, new, &leaf_hash(b"same"), &proof, &root), Ok(()));
    }

    #[test]
    fn any_input_is_judged_without_panic(a: u64, b: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..80)) {
        let proof: Vec<Hash> = proof.into_iter().map(Hash).collect();
        let hash = leaf_hash(b"");
        prop_assert!(verify_inclusion(a, b, &hash, &proof, &hash).is_err() || b == 1);
        prop_assert!(verify_consistency(a, b, &proof, &hash, &hash).is_err() || a == b);
        let _ = prefix_roots(a, b, &proof);
    }
}

/// The outcome of a vector file: whether it was refused. A text that is no hash of 32 bytes is refused, but for the roots of
/// consistency, which are placeholders in some files: they stay distinct and are compared.
fn refused(vector: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let size = |name: &str| vector[name].as_u64().unwrap();
    let root = |name: &str| {
        let text = text(&vector[name]);
        Hash::parse(&text).unwrap_or_else(|| leaf_hash(text.as_bytes()))
    };
    let items = vector["proof"].as_array().cloned().unwrap_or_default();
    let Some(proof) = items.iter().map(|item| Hash::parse(&text(item))).collect::<Option<Vec<_>>>() else {
        return true;
    };
    if vector.get("leafIdx").is_none() {
        let (old, new) = (root("root1"), root("root2"));
        return verify_consistency(size("size1"), size("size2"), &proof, &old, &new).is_err();
    }
    let hash = |name: &str| Hash::parse(&text(&vector[name]));
    match (hash("leafHash"), hash("root")) {
        (Some(leaf), Some(root)) => {
            verify_inclusion(size("leafIdx"), size("treeSize"), &leaf, &proof, &root).is_err()
        }
        (None, _) | (_, None) => true,
    }
}

fn judge_folder(folder: &Path, count: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            judge_folder(&path, count);
        } else {
            let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(refused(&vector), vector["wantErr"].as_bool().unwrap(), "{}", path.display());
            *count += 1;
        }
    }
}

#[test]
fn foreign_vectors_are_judged_as_they_say() {
    let Some(shared) = shared("196 proofs of transparency-dev/merkle") else { return };
    let mut count = 0;
    judge_folder(&shared.join("vectors/merkle"), &mut count);
    assert_eq!(count, 196);
    judged(&format!("{count} proofs of transparency-dev/merkle, as they say"));
}

#[test]
fn tree_vectors() {
    let tree = Tree::counting(70);
    let texts = |proof: Vec<Hash>| json!(proof.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut inclusion = Vec::new();
    let mut consistency = Vec::new();
    for size in [1, 2, 3, 7, 8, 9, 64, 65, 70] {
        for index in [0, size / 2, size - 1] {
            let proof = texts(inclusion_proof(index, size, &mut tree.reader()).unwrap());
            inclusion.push(json!({"index": index, "size": size, "proof": proof}));
        }
        for old in [1, size / 2, size - 1, size].into_iter().filter(|old| *old > 0) {
            let proof = texts(consistency_proof(old, size, &mut tree.reader()).unwrap());
            let path = texts(prefix_proof(old, size, &mut tree.reader()).unwrap());
            consistency.push(json!({"old": old, "new": size, "proof": proof, "path": path}));
        }
    }
    check_vector(
        "tree.json",
        &json!({
            "about": "Entry n of this log is n in eight bytes, big endian. roots[n] is the root of the first n. `path` is the proof with its first hash always written (LOG-5.7).",
            "roots": tree.roots.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "inclusion": inclusion,
            "consistency": consistency,
        }),
    );
}
