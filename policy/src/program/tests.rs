//! A kept store is as good as a fresh one: the same bytes, whatever was asked before, and the same memory afterwards.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::{Bundle, bundled, input};

static BUNDLES: LazyLock<Vec<Bundle>> =
    LazyLock::new(|| bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap()).collect());

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/");

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{VECTORS}{name}")).unwrap()).unwrap()
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// Every vector of the packs, and what is no ordinary input: huge, deep, empty, of the wrong shape, no JSON at all.
fn inputs() -> Vec<Vec<u8>> {
    let mut ordinary = std::collections::BTreeMap::new();
    for case in read("ordinary.json")["cases"].as_array().unwrap() {
        let mut whole = case["shared"].clone();
        merge(&mut whole, &case["private"]);
        merge(&mut whole, &case["host"]);
        ordinary.insert(case["name"].as_str().unwrap().to_owned(), whole);
    }
    let mut found: Vec<Value> = ordinary.values().cloned().collect();
    for vector in read("rules.json")["vectors"].as_array().unwrap() {
        let place = format!("{}, {}", vector["phase"].as_str().unwrap(), vector["side"].as_str().unwrap());
        let mut input = ordinary[&place].clone();
        merge(&mut input, &vector["patch"]);
        found.push(input);
    }
    let transfer = &ordinary["transfer, exporter"];
    for (at, value) in [
        ("/destination/storage_countries", json!(vec!["SG"; 20_000])),
        ("/dataset/tech_families", json!((0..9000).map(|n| format!("family {n}")).collect::<Vec<_>>())),
        ("/approvals", json!((0..2000).map(|n| json!({"number": n, "scope": {}})).collect::<Vec<_>>())),
        ("/dataset/id", json!("한".repeat(60_000))),
        ("/dataset", Value::Null),
        ("/now", json!("yesterday")),
        ("/phase", json!(["transfer"])),
    ] {
        let mut input = transfer.clone();
        *input.pointer_mut(at).unwrap() = value;
        found.push(input);
    }
    found.extend([json!({}), json!({"dataset": {"dataset": {"dataset": {"dataset": {}}}}})]);
    let mut found: Vec<Vec<u8>> = found.iter().map(|input| input::encode(input).unwrap()).collect();
    // Never given to a module by an engine, and nothing that it may remember either.
    found.extend([
        b"".to_vec(),
        b"{".to_vec(),
        b"[1,2".to_vec(),
        b"{\"now\":1e400}".to_vec(),
        b"\xff\xfe".to_vec(),
    ]);
    found
}

fn said(answer: Result<Vec<u8>, Fault>) -> Result<Vec<u8>, (BrokenCode, String)> {
    answer.map_err(|fault| (fault.code, fault.reason))
}

/// Numbers in an order of their own for each seed.
fn shuffled(count: usize, mut seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        // A generator of numbers as good as this needs: Knuth's constants.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, usize::try_from(seed >> 33).unwrap() % (at + 1));
    }
    order
}

/// POL-6.1, POL-6.3: whatever was asked before, in whatever order and by how many threads, the bytes are those of a fresh store.
#[test]
fn a_kept_store_says_what_a_fresh_one_says() {
    let inputs = inputs();
    std::thread::scope(|scope| {
        for half in BUNDLES.chunks(BUNDLES.len().div_ceil(2)) {
            let inputs = &inputs;
            scope.spawn(move || {
                for bundle in half {
                    let program = &bundle.program;
                    let fresh: Vec<_> = inputs.iter().map(|input| said(program.run_fresh(input))).collect();
                    let told: std::collections::BTreeSet<_> = fresh.iter().flatten().collect();
                    assert!(told.len() > 1, "{}: other inputs, other answers", bundle.pack.name);
                    for seed in 1..=3 {
                        for at in shuffled(inputs.len(), seed) {
                            let again = said(program.run(&inputs[at]));
                            assert_eq!(again, fresh[at], "{} input {at} seed {seed}", bundle.pack.name);
                        }
                    }
                }
            });
        }
    });
}

/// POL-6.1: all that a module can change is what it was: not a byte of memory and no global is different after an evaluation,
/// and above the data there is nothing.
#[test]
fn nothing_is_left_in_a_kept_store() {
    let inputs = inputs();
    for bundle in BUNDLES.iter() {
        let inner = &bundle.program.0;
        let fresh = inner.fresh().unwrap();
        let mut kept = inner.fresh().unwrap();
        let mut restored = 0;
        for input in &inputs {
            if inner.ask(&mut kept, input).is_err() || inner.restore(&mut kept).is_none() {
                kept = inner.fresh().unwrap();
                continue;
            }
            restored += 1;
            assert!(kept.instance.bytes() == fresh.instance.bytes(), "{}", bundle.pack.name);
            for ((global, _), (_, value)) in kept.globals.iter().zip(&fresh.globals) {
                assert_eq!(global.get(kept.instance.store()).i32(), value.i32());
            }
        }
        assert!(
            restored * 10 > inputs.len() * 9,
            "{restored} of {}: most evaluations keep their store",
            inputs.len()
        );
        assert_eq!(kept.globals.len(), 1, "OPA's modules have one global that changes: the stack pointer");
        assert!(fresh.instance.bytes()[inner.loaded.heap..].iter().all(|byte| *byte == 0));
    }
}

/// What cannot be put back is not kept: a store that ended in a fault, that has grown, or that was asked often enough.
#[test]
fn stores_end() {
    let program = Program::compile_of("core");
    let mut ordinary = read("ordinary.json")["cases"][4]["shared"].clone();
    let small = input::encode(&ordinary).unwrap();
    assert_eq!(program.waiting(), 1);
    program.run(&small).unwrap();
    assert_eq!(program.waiting(), 1, "kept");
    ordinary["dataset"]["media"] = json!(vec!["numeric"; 20_000]);
    program.run(&input::encode(&ordinary).unwrap()).unwrap();
    assert_eq!(program.waiting(), 0, "dropped after it grew");
    let long = input::encode(&json!({"list": (0..2000).collect::<Vec<_>>()})).unwrap();
    for (name, code) in [("endless", BrokenCode::Fuel), ("greedy", BrokenCode::Memory)] {
        let path = format!("{}/tests/broken/{name}.tar.gz", env!("CARGO_MANIFEST_DIR"));
        let broken = Bundle::load(&std::fs::read(path).unwrap()).unwrap().program;
        for kept in [1, 0] {
            assert_eq!(broken.waiting(), kept, "{name}: dropped after a fault");
            assert_eq!(broken.run(&long).unwrap_err().code, code);
        }
    }
    program.run(&small).unwrap();
    program.0.kept()[0].asked = limits::EVALUATIONS - 1;
    program.run(&small).unwrap();
    assert_eq!(program.waiting(), 0, "dropped after its last evaluation");
    std::thread::scope(|scope| {
        for _ in 0..limits::KEPT + 4 {
            scope.spawn(|| program.run(&small).unwrap());
        }
    });
    assert!((1..=limits::KEPT).contains(&program.waiting()), "{}", program.waiting());
}

impl Program {
    /// A program of its own, of a pack that comes with the crate.
    fn compile_of(name: &str) -> Self {
        let (_, bytes) = bundled::PACKS.iter().find(|(pack, _)| *pack == name).unwrap();
        Bundle::load(bytes).unwrap().program
    }
}
