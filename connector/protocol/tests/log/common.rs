//! What the tests of the log share: trees kept in memory, vector files, fixed keys.

use std::{collections::BTreeMap, fs, path::PathBuf};

use naru_protocol::{
    log::merkle::{Frontier, Hash, leaf_hash, node_hash},
    signature::SigningKey,
};
use serde_json::Value;

/// A log in memory: its entries and every node.
pub(crate) struct Tree {
    pub(crate) leaves: Vec<Hash>,
    pub(crate) nodes: BTreeMap<(u8, u64), Hash>,
    pub(crate) roots: Vec<Hash>,
}

impl Tree {
    pub(crate) fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut frontier = Frontier::new();
        let mut tree = Self { leaves: Vec::new(), nodes: BTreeMap::new(), roots: vec![frontier.root()] };
        for entry in entries {
            tree.leaves.push(leaf_hash(&entry));
            for (level, index, hash) in frontier.append(leaf_hash(&entry)).unwrap() {
                assert!(tree.nodes.insert((level, index), hash).is_none(), "a node is made once");
            }
            tree.roots.push(frontier.root());
        }
        tree
    }

    pub(crate) fn counting(size: u64) -> Self {
        Self::of((0..size).map(|number| number.to_be_bytes().to_vec()))
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn reader(&self) -> impl FnMut(u8, u64) -> Option<Hash> + '_ {
        |level, index| self.nodes.get(&(level, index)).copied()
    }
}

/// The definition of RFC 6962, written apart from the code under test.
pub(crate) fn recursive_root(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => Hash::EMPTY,
        1 => leaves[0],
        size => {
            let mut split = 1;
            while split * 2 < size {
                split *= 2;
            }
            node_hash(&recursive_root(&leaves[..split]), &recursive_root(&leaves[split..]))
        }
    }
}

pub(crate) fn vector_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors/log").join(name)
}

pub(crate) fn read_vector(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vector_path(name)).unwrap()).unwrap()
}

/// Compares a vector file with what the code gives, or writes it.
pub(crate) fn check_vector(name: &str, value: &Value) {
    if std::env::var_os("NARU_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(value).unwrap() + "\n";
        fs::write(vector_path(name), text).unwrap();
        return;
    }
    assert_eq!(read_vector(name), *value, "{name} differs from what the code gives");
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn hash_of_hex(text: &str) -> Hash {
    Hash::from_slice(&unhex(text)).unwrap()
}

pub(crate) fn signing_key(first: u8) -> SigningKey {
    let mut seed = [0; 32];
    for (place, byte) in seed.iter_mut().enumerate() {
        *byte = first + u8::try_from(place).unwrap();
    }
    SigningKey::from_seed(&seed)
}
