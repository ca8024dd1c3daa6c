//! Bundles that are damaged, too large, incomplete or hostile: refused when loaded, or broken when evaluated; never an
//! allow. The modules in `tests/broken/` were compiled by OPA from the Rego beside them (`policy/build.sh`).
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::{Compression, write::GzEncoder};
use naru_policy::{BrokenCode, Bundle, BundleError, Engine, EngineError, Evaluation, bundled, limits};
use serde_json::{Value, json};

const ENDLESS: &[u8] = include_bytes!("broken/endless.tar.gz");
const GREEDY: &[u8] = include_bytes!("broken/greedy.tar.gz");
const RUNTIME: &[u8] = include_bytes!("broken/runtime.tar.gz");
const SPRINTF: &[u8] = include_bytes!("broken/sprintf.tar.gz");
const STRANGE: &[u8] = include_bytes!("broken/strange.tar.gz");
const UNDEFINED: &[u8] = include_bytes!("broken/undefined.tar.gz");

fn core() -> &'static [u8] {
    bundled::PACKS.iter().find(|(name, _)| *name == "core").unwrap().1
}

/// The members of a bundle, by name without the leading slash.
fn members(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        found.push((name.trim_start_matches('/').to_owned(), content));
    }
    found
}

fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn with(name: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut members = members(core());
    members.iter_mut().filter(|(member, _)| member == name).for_each(|(_, content)| change(content));
    pack(&members)
}

fn with_json(name: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    with(name, |content| {
        let mut value: Value = serde_json::from_slice(content).unwrap();
        change(&mut value);
        *content = serde_json::to_vec(&value).unwrap();
    })
}

fn refused(bytes: &[u8]) -> BundleError {
    Bundle::load(bytes).unwrap_err()
}

// POL-2.1
#[test]
fn a_bundle_that_is_cut_off_is_refused() {
    let whole = core();
    for end in [0, 1, 10, 17, 100, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        assert_eq!(refused(&whole[..end]), BundleError::Truncated, "{end}");
    }
    let mut flipped = whole.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    assert!(Bundle::load(&flipped).is_err());
    assert!(matches!(refused(b"no archive at all"), BundleError::Damaged(_)));
}

// POL-2.1
#[test]
fn all_three_members_are_needed_once() {
    for name in ["policy.wasm", "data.json", ".manifest"] {
        let mut left = members(core());
        left.retain(|(member, _)| member != name);
        assert_eq!(refused(&pack(&left)), BundleError::Missing(name));
        let mut twice = members(core());
        let again = twice.iter().find(|(member, _)| member == name).unwrap().clone();
        twice.push(again);
        assert_eq!(refused(&pack(&twice)), BundleError::Ambiguous(name));
    }
}

// POL-2.2
#[test]
fn what_is_not_known_is_left_alone() {
    let extra = with_json(".manifest", |manifest| {
        manifest["metadata"] = json!({"note": "unknown"});
        let other = json!({"entrypoint": "naru/core/other", "module": "/other.wasm"});
        manifest["wasm"].as_array_mut().unwrap().insert(0, other);
    });
    assert_eq!(Bundle::load(&extra).unwrap().pack().name, "core");
    let mut more = members(core());
    more.insert(0, ("README".to_owned(), b"hello".to_vec()));
    let more = Bundle::load(&pack(&more)).unwrap();
    // The digest covers the three members, not the archive around them.
    assert_eq!(more.pack().digest, Bundle::load(core()).unwrap().pack().digest);
}

// POL-2.3
#[test]
fn bombs_are_refused() {
    let huge = vec![0; limits::BUNDLE_BYTES + 1];
    assert_eq!(refused(&huge), BundleError::TooLarge("packed"));
    let zeros = |length: u64| vec![0; usize::try_from(length).unwrap()];
    let large = with("data.json", |content| *content = zeros(limits::DATA_BYTES + 1));
    assert_eq!(refused(&large), BundleError::TooLarge("data.json"));
    let mut padded = members(core());
    padded.push(("padding".to_owned(), zeros(limits::UNPACKED_BYTES)));
    let padded = pack(&padded);
    assert!(padded.len() < limits::BUNDLE_BYTES);
    assert_eq!(refused(&padded), BundleError::TooLarge("unpacked"));
    let mut many = members(core());
    many.extend((0..=limits::MEMBERS).map(|number| (format!("member{number}"), Vec::new())));
    assert_eq!(refused(&pack(&many)), BundleError::TooLarge("members"));
    // Behind the end of the archive, where no member is.
    let mut behind = GzEncoder::new(Vec::new(), Compression::fast());
    let plain = members(core());
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in &plain {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    behind.write_all(&archive.into_inner().unwrap()).unwrap();
    behind.write_all(&zeros(limits::UNPACKED_BYTES)).unwrap();
    assert_eq!(refused(&behind.finish().unwrap()), BundleError::TooLarge("unpacked"));
}

// POL-2.1, POL-2.2, POL-2.5, POL-3.1
#[test]
fn content_that_does_not_fit_is_refused() {
    let not_json = with("data.json", |content| *content = b"{".to_vec());
    assert!(matches!(refused(&not_json), BundleError::Content { file: "data.json", .. }));
    let no_pack = with_json("data.json", |data| *data = json!({}));
    assert!(matches!(refused(&no_pack), BundleError::Content { file: "data.json", .. }));
    let name = with_json("data.json", |data| data["pack"]["name"] = json!("../core"));
    assert!(matches!(refused(&name), BundleError::Content { file: "data.json", .. }));
    let revision = with_json(".manifest", |manifest| manifest["revision"] = json!("2027-01-01.1"));
    assert!(matches!(refused(&revision), BundleError::Revision { .. }));
    let entrypoint =
        with_json(".manifest", |manifest| manifest["wasm"][0]["entrypoint"] = json!("naru/kr/result"));
    assert!(matches!(refused(&entrypoint), BundleError::Entrypoint(_)));
    let wasm = with("policy.wasm", |content| content.truncate(1000));
    assert!(matches!(refused(&wasm), BundleError::Module(_)));
    // A whole module that OPA did not make.
    let foreign = with("policy.wasm", |content| *content = b"\0asm\x01\0\0\0".to_vec());
    assert!(matches!(refused(&foreign), BundleError::Module(_)));
}

// POL-2.4
#[test]
fn modules_that_ask_for_their_host_are_refused() {
    assert_eq!(refused(RUNTIME), BundleError::HostFunctions(vec!["opa.runtime".to_owned()]));
    assert_eq!(refused(SPRINTF), BundleError::HostFunctions(vec!["sprintf".to_owned()]));
    // An import that OPA never makes: (module (import "wasi_snapshot_preview1" "fd_write" (func)))
    let wasi = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x23\x01\x16wasi_snapshot_preview1\x08fd_write\0\0";
    let wasi = with("policy.wasm", |content| *content = wasi.to_vec());
    assert_eq!(
        refused(&wasi),
        BundleError::HostFunctions(vec!["wasi_snapshot_preview1.fd_write".to_owned()])
    );
}

fn engine(bundle: &[u8]) -> Engine {
    Engine::new([core(), bundle].map(|bytes| Bundle::load(bytes).unwrap())).unwrap()
}

static STRANGE_ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(STRANGE));

fn evaluate(engine: &Engine, input: &Value) -> (BrokenCode, String) {
    let evaluation = engine.evaluate(input);
    assert!(!evaluation.allows() && !evaluation.visible());
    match evaluation {
        Evaluation::Broken { code, reason } => (code, reason),
        Evaluation::Decided(result) => panic!("{result:?}"),
    }
}

// POL-6.2
#[test]
fn fuel_memory_and_nothing_are_broken() {
    let list: Vec<u32> = (0..200).collect();
    assert_eq!(evaluate(&engine(ENDLESS), &json!({"list": list})).0, BrokenCode::Fuel);
    let list: Vec<u32> = (0..1000).collect();
    assert_eq!(evaluate(&engine(GREEDY), &json!({"list": list})).0, BrokenCode::Memory);
    assert_eq!(evaluate(&engine(UNDEFINED), &json!({})).0, BrokenCode::Undefined);
    assert_eq!(evaluate(&STRANGE_ENGINE, &json!({})).0, BrokenCode::Undefined);
}

/// What a pack would say that allows, were it said by a pack.
fn allowing() -> Value {
    json!({
        "allow": true, "visible": null, "deny": [], "undetermined": [], "delegated": [], "obligations": [], "basis": []
    })
}

// POL-5.2, POL-6.2
#[test]
fn a_result_that_no_pack_may_give_is_broken() {
    let finding = json!([{"id": "CORE-000", "detail": ""}]);
    let stranger = json!([{"id": "NO-SUCH-RULE", "detail": ""}]);
    let duty =
        json!([{"id": "CORE-000", "duty": "delete", "on": "everybody", "after": "completion", "within": 1}]);
    let changes: [(&str, Value); 9] = [
        ("/allow", json!(null)),
        ("/allow", json!("true")),
        ("/visible", json!(true)),
        ("/deny", finding.clone()),
        ("/undetermined", finding),
        ("/obligations", duty),
        ("/delegated", json!([{"id": "CORE-000", "evaluator": "both"}])),
        ("/basis", json!(["KSDPA"])),
        ("/deny", stranger),
    ];
    let input = |says: &Value| json!({"phase": "transfer", "says": says});
    for (pointer, value) in changes {
        let mut says = allowing();
        *says.pointer_mut(pointer).unwrap() = value.clone();
        if value[0]["id"] == "NO-SUCH-RULE" {
            says["allow"] = json!(false);
        }
        assert_eq!(evaluate(&STRANGE_ENGINE, &input(&says)).0, BrokenCode::Malformed, "{pointer} = {value}");
    }
    for says in [json!(true), json!([]), json!({}), json!({"allow": true}), json!("allow")] {
        assert_eq!(evaluate(&STRANGE_ENGINE, &input(&says)).0, BrokenCode::Malformed, "{says}");
    }
    let mut more = allowing();
    more["also"] = json!(1);
    assert_eq!(evaluate(&STRANGE_ENGINE, &input(&more)).0, BrokenCode::Malformed);
    // At the catalog nothing is allowed, only shown.
    let input = json!({"phase": "catalog", "says": allowing()});
    assert_eq!(evaluate(&STRANGE_ENGINE, &input).0, BrokenCode::Malformed);
}

// POL-1.1, POL-6.2
#[test]
fn an_input_out_of_bounds_is_broken() {
    let mut deep = json!(1);
    for _ in 0..limits::INPUT_DEPTH {
        deep = json!([deep]);
    }
    let large = "x".repeat(limits::INPUT_BYTES);
    for input in [
        json!([]),
        json!(null),
        json!({"deep": deep}),
        json!({"now": 1.5}),
        json!({"now": 1e300}),
        json!({"now": limits::INTEGER + 1}),
        json!({"now": -9_007_199_254_740_992_i64}),
        json!({ "large": large }),
    ] {
        assert_eq!(evaluate(&STRANGE_ENGINE, &input).0, BrokenCode::Input);
    }
}

// POL-6.1, POL-6.3: what one evaluation leaves behind, the next does not see.
#[test]
fn a_broken_evaluation_leaves_nothing_behind() {
    let engine = Engine::new([Bundle::load(core()).unwrap(), Bundle::load(ENDLESS).unwrap()]).unwrap();
    let alone = engine.only(&["core"]).unwrap();
    let input = json!({"phase": "transfer", "side": "exporter", "list": (0..200).collect::<Vec<u32>>()});
    let before = alone.evaluate(&input);
    assert!(matches!(engine.evaluate(&input), Evaluation::Broken { code: BrokenCode::Fuel, .. }));
    assert_eq!(alone.evaluate(&input), before);
    assert!(matches!(before, Evaluation::Decided(_)));
}

// POL-7.1
#[test]
fn packs_that_do_not_fit_together_make_no_engine() {
    let load = |bytes| Bundle::load(bytes).unwrap();
    assert_eq!(Engine::new([load(STRANGE)]).unwrap_err(), EngineError::NoCore);
    assert_eq!(
        Engine::new([load(core()), load(core())]).unwrap_err(),
        EngineError::TwicePack("core".to_owned())
    );
    let renamed = |name: &str| {
        let mut members = members(STRANGE);
        for (member, content) in &mut members {
            if member == "data.json" {
                let mut data: Value = serde_json::from_slice(content).unwrap();
                data["pack"]["rules"] = core_rules();
                data["pack"]["name"] = json!(name);
                *content = serde_json::to_vec(&data).unwrap();
            }
        }
        pack(&members)
    };
    let clash = Engine::new([load(core()), load(&renamed("broken"))]).unwrap_err();
    assert_eq!(clash, EngineError::TwiceRule("CORE-000".to_owned()));
    assert!(matches!(refused(&renamed("other")), BundleError::Entrypoint(_)));
}

fn core_rules() -> Value {
    let members = members(core());
    let data = members.iter().find(|(name, _)| name == "data.json").unwrap();
    serde_json::from_slice::<Value>(&data.1).unwrap()["pack"]["rules"].clone()
}
