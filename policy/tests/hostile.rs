//! Modules that no compiler of OPA would make, assembled here byte by byte: each keeps OPA's ABI but for one thing. They
//! are refused when loaded or broken when evaluated, never a panic and never an allow.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

use flate2::{Compression, write::GzEncoder};
use naru_policy::{BrokenCode, Bundle, BundleError, Engine, Evaluation, bundled, limits};
use serde_json::json;

const I32: u8 = 0x7f;
const UNREACHABLE: u8 = 0x00;
const CALL: u8 = 0x10;
const DROP: u8 = 0x1a;
const BUILTIN0: u8 = 0;
const ABORT: u8 = 1;

/// Where the module's texts lie, and one that is not there.
const BUILTINS: i32 = 16;
const ENTRYPOINTS: i32 = 64;
const RESULT: i32 = 128;
const NO_JSON: i32 = 256;
const LONG: i32 = 65536;
const PAGES: u8 = 4;
const UNENDED: i32 = 65536 * PAGES as i32 - 8;

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// `i32.const value`
fn constant(value: i32) -> Vec<u8> {
    let (mut value, mut bytes) = (value, vec![0x41]);
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn name(text: &str) -> Vec<u8> {
    [leb(text.len()), text.as_bytes().to_vec()].concat()
}

fn section(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
    let content = [leb(items.len()), items.concat()].concat();
    [vec![id], leb(content.len()), content].concat()
}

fn code(instructions: &[Vec<u8>]) -> Vec<u8> {
    [instructions.concat(), vec![0x0b]].concat()
}

/// What the functions of a module do.
struct Shape {
    builtins: Vec<u8>,
    heap: i32,
    parsed: i32,
    eval: Vec<u8>,
    /// An export that is left out.
    without: &'static str,
}

impl Default for Shape {
    /// A module that has no result.
    fn default() -> Self {
        let eval = code(&[constant(RESULT)]);
        Self { builtins: code(&[constant(BUILTINS)]), heap: 8192, parsed: 1, eval, without: "" }
    }
}

impl Shape {
    /// The exported functions: name, number of parameters, whether there is a result, code.
    fn functions(&self) -> Vec<(&'static str, usize, bool, Vec<u8>)> {
        let gives = |value| code(&[constant(value)]);
        let mut functions = vec![
            ("builtins", 0, true, self.builtins.clone()),
            ("entrypoints", 0, true, gives(ENTRYPOINTS)),
            ("eval", 1, true, gives(0)),
            ("opa_eval_ctx_new", 0, true, gives(0)),
            ("opa_eval_ctx_set_input", 2, false, code(&[])),
            ("opa_eval_ctx_set_data", 2, false, code(&[])),
            ("opa_eval_ctx_set_entrypoint", 2, false, code(&[])),
            ("opa_eval_ctx_get_result", 1, true, gives(RESULT)),
            ("opa_malloc", 1, true, gives(16384)),
            ("opa_free", 1, false, code(&[])),
            ("opa_json_parse", 2, true, gives(self.parsed)),
            // A value is the address of its text.
            ("opa_json_dump", 1, true, code(&[vec![0x20, 0]])),
            ("opa_heap_ptr_set", 1, false, code(&[])),
            ("opa_heap_ptr_get", 0, true, gives(self.heap)),
            ("opa_eval", 7, true, self.eval.clone()),
        ];
        functions.retain(|(name, ..)| *name != self.without);
        functions
    }

    fn assemble(&self) -> Vec<u8> {
        let functions = self.functions();
        let signature = |parameters: usize, result: bool| {
            [vec![0x60], leb(parameters), vec![I32; parameters], leb(result.into()), vec![I32; result.into()]]
                .concat()
        };
        let mut types = vec![signature(2, true), signature(1, false)];
        types.extend(functions.iter().map(|(_, parameters, result, _)| signature(*parameters, *result)));
        let import = |what: &str, is: &[u8]| [name("env"), name(what), is.to_vec()].concat();
        let imports =
            [import("opa_builtin0", &[0, 0]), import("opa_abort", &[0, 1]), import("memory", &[2, 0, PAGES])];
        let global = |value| [vec![I32, 0], constant(value), vec![0x0b]].concat();
        let export = |what: &str, kind: u8, index: usize| [name(what), vec![kind], leb(index)].concat();
        let mut exports =
            vec![export("opa_wasm_abi_version", 3, 0), export("opa_wasm_abi_minor_version", 3, 1)];
        exports.extend(functions.iter().enumerate().map(|(at, (name, ..))| export(name, 0, at + 2)));
        let bodies = functions.iter().map(|(.., code)| [leb(code.len() + 1), vec![0], code.clone()].concat());
        let data = |at: i32, text: &[u8]| {
            [vec![0], constant(at), vec![0x0b], leb(text.len()), text.to_vec()].concat()
        };
        let long = [b"[".as_slice(), &vec![b' '; limits::RESULT_BYTES], b"]\0"].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &types),
            section(2, &imports),
            section(3, &(2..functions.len() + 2).map(leb).collect::<Vec<_>>()),
            section(6, &[global(1), global(2)]),
            section(7, &exports),
            section(10, &bodies.collect::<Vec<_>>()),
            section(
                11,
                &[
                    data(BUILTINS, b"{}\0"),
                    data(ENTRYPOINTS, b"{\"naru/broken/result\":0}\0"),
                    data(RESULT, b"[]\0"),
                    data(NO_JSON, b"[\0"),
                    data(LONG, &long),
                    data(UNENDED, b"[       "),
                ],
            ),
        ]
        .concat()
    }

    fn load(&self) -> Result<Bundle, BundleError> {
        let pack = json!({"name": "broken", "title": {"ko": "", "en": ""}, "jurisdiction": null,
            "revision": "1", "facts": {}, "rules": {}});
        let module = json!({"entrypoint": "naru/broken/result", "module": "/policy.wasm"});
        let manifest = json!({"revision": "1", "wasm": [module]});
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in [
            ("policy.wasm", self.assemble()),
            ("data.json", serde_json::to_vec(&json!({ "pack": pack })).unwrap()),
            (".manifest", serde_json::to_vec(&manifest).unwrap()),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        Bundle::load(&archive.into_inner().unwrap().finish().unwrap())
    }

    fn refused(&self) -> String {
        match self.load() {
            Err(BundleError::Module(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn engine(shape: &Shape) -> Engine {
    let (_, core) = bundled::PACKS.iter().find(|(name, _)| *name == "core").unwrap();
    Engine::new([shape.load().unwrap(), Bundle::load(core).unwrap()]).unwrap()
}

fn broken(engine: &Engine) -> (BrokenCode, String) {
    match engine.evaluate(&json!({"phase": "transfer"})) {
        Evaluation::Broken { code, reason } => (code, reason),
        Evaluation::Decided(result) => panic!("{result:?}"),
    }
}

fn broken_by(eval: &[Vec<u8>]) -> BrokenCode {
    broken(&engine(&Shape { eval: code(eval), ..Shape::default() })).0
}

// POL-2.4, POL-6.2: whatever was said when asked for a list, a call of the host ends the evaluation.
#[test]
fn a_module_that_calls_its_host_all_the_same_is_broken() {
    let call = [constant(0), constant(0), vec![CALL, BUILTIN0]];
    assert_eq!(broken_by(&call), BrokenCode::HostCall);
    let abort = [constant(RESULT), vec![CALL, ABORT, UNREACHABLE]];
    assert_eq!(broken_by(&abort), BrokenCode::Trap);
    let refused =
        |instructions: &[Vec<u8>]| Shape { builtins: code(instructions), ..Shape::default() }.refused();
    let call = [constant(0), constant(0), vec![CALL, BUILTIN0, DROP], constant(BUILTINS)];
    assert_eq!(refused(&call), "the module called a host function");
    assert_eq!(refused(&[constant(RESULT), vec![CALL, ABORT], constant(BUILTINS)]), "the module gave up");
}

// POL-6.2
#[test]
fn an_answer_that_is_none_is_broken() {
    assert_eq!(broken_by(&[constant(RESULT)]), BrokenCode::Undefined);
    assert_eq!(broken_by(&[constant(NO_JSON)]), BrokenCode::Malformed);
    assert_eq!(broken_by(&[constant(LONG)]), BrokenCode::Malformed);
    assert_eq!(broken_by(&[constant(UNENDED)]), BrokenCode::Malformed);
    assert_eq!(broken_by(&[constant(i32::MAX)]), BrokenCode::Trap);
    assert_eq!(broken_by(&[constant(-1)]), BrokenCode::Trap);
    assert_eq!(broken_by(&[vec![UNREACHABLE]]), BrokenCode::Trap);
}

// POL-2.4: what would have the node compute with an address that is none, or evaluate without the data.
#[test]
fn a_module_that_cannot_take_its_data_is_refused() {
    for heap in [-1, i32::MIN, -65537, i32::MAX, i32::MAX - 65536] {
        let shape = Shape { heap, ..Shape::default() };
        assert_eq!(shape.refused(), "the module gave an address outside its memory", "{heap}");
    }
    let shape = Shape { parsed: 0, ..Shape::default() };
    assert_eq!(shape.refused(), "the module cannot read the pack's data");
    for without in ["builtins", "entrypoints", "opa_eval", "opa_malloc", "opa_json_parse", "opa_heap_ptr_get"]
    {
        let reason = Shape { without, ..Shape::default() }.refused();
        assert!(reason.contains(without), "{reason}");
    }
}
