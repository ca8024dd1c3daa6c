//! Run a module that OPA compiled, through opa-wasm, in a box (POL-2, POL-6).
//!
//! opa-wasm speaks OPA's Wasm ABI. The box around it is this crate's: the wasmtime engine that counts fuel and time, and a
//! store with a limit on memory, in which opa-wasm instantiates the module and loads the data. That takes several times as
//! long as an evaluation, and so a store is kept for the next one. OPA's ABI makes that sound: an evaluation gets the place
//! where the heap begins, right behind the data, and writes nothing below it; what the last one wrote is overwritten. The tests
//! hold every pack to it: the same answer for the same fuel, whatever was asked before. A store that an evaluation broke, or
//! made large, is not kept. What opa-wasm would let a module reach beyond its input and data is closed before opa-wasm
//! sees the module, by `gate`. Not here: what a result means.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use opa_wasm::{DefaultContext, Policy, Runtime};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tracing::{Dispatch, dispatcher};
use wasmtime::{Config, Engine, Module, ResourceLimiter, Store, Trap};

use crate::compiled::Compiled;
use crate::gate;
use crate::limits;
use crate::result::BrokenCode;

/// Why bytes are no module that may be run.
#[derive(Debug)]
pub(crate) enum ProgramError {
    Module(String),
    HostFunctions(Vec<String>),
    Entrypoint(String),
}

/// What went wrong in a run. The reason comes from the module and the runtime, never from the input.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: BrokenCode,
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(code: BrokenCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// A compiled module that has passed the gate, its data, and the entrypoint that is asked.
#[derive(Clone)]
pub(crate) struct Program {
    module: Arc<Module>,
    data: Arc<RawValue>,
    entrypoint: Arc<str>,
    kept: Arc<Mutex<Vec<Ready>>>,
}

/// Everything of a run that comes before the input.
struct Ready {
    store: Store<State>,
    policy: Policy<DefaultContext>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Program").field("entrypoint", &self.entrypoint).finish_non_exhaustive()
    }
}

impl Program {
    /// Compile, pass the gate, and see that opa-wasm accepts the module and the data, which are JSON.
    pub(crate) fn compile(wasm: &[u8], data: &[u8], entrypoint: &str) -> Result<Self, ProgramError> {
        let module = module(wasm)?;
        let data: Box<RawValue> =
            serde_json::from_slice(data).map_err(|error| ProgramError::Module(error.to_string()))?;
        gate::check(&module, &data, entrypoint)?;
        let (data, entrypoint) = (data.into(), entrypoint.into());
        let program = Self { module, data, entrypoint, kept: Arc::default() };
        // A module that lacks a part is refused when it is loaded.
        let ready = program.prepare().map_err(|fault| ProgramError::Module(fault.reason))?;
        program.keep(ready);
        Ok(program)
    }

    /// Evaluate the entrypoint over the data and `input`, which is JSON. The answer is JSON: a list of at most one
    /// result.
    pub(crate) fn run(&self, input: &[u8]) -> Result<Box<RawValue>, Fault> {
        let input: &RawValue = serde_json::from_slice(input)
            .map_err(|_| Fault::new(BrokenCode::Input, "the input is no JSON"))?;
        let kept = self.kept().pop();
        let mut ready = kept.map_or_else(|| self.prepare(), Ok)?;
        let answer = self.ask(&mut ready, input)?;
        self.keep(ready);
        Ok(answer)
    }

    /// One evaluation, with all the fuel and time that one may take. After a fault the store is not to be used again.
    fn ask(&self, Ready { store, policy }: &mut Ready, input: &RawValue) -> Result<Box<RawValue>, Fault> {
        fill(store)?;
        let answer = at_once(policy.evaluate::<_, Box<RawValue>, _>(&mut *store, &self.entrypoint, &input));
        let answer = answer.ok_or_else(waits)?.map_err(|error| {
            if error.is::<serde_json::Error>() {
                return Fault::new(BrokenCode::Malformed, "the result is no JSON");
            }
            fault(store.data(), error.downcast_ref(), is_call(&error.root_cause().to_string()))
        })?;
        if answer.get().len() > limits::RESULT_BYTES {
            return Err(Fault::new(BrokenCode::Malformed, "the result is too large"));
        }
        Ok(answer)
    }

    /// Keeps a store for the next evaluation, unless there are enough or it has become large.
    fn keep(&self, ready: Ready) {
        let mut kept = self.kept();
        if kept.len() < limits::KEPT_STORES && ready.store.data().memory <= limits::KEPT_MEMORY_BYTES {
            kept.push(ready);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Ready>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Instantiate the module and load the data, in a store of their own.
    fn prepare(&self) -> Result<Ready, Fault> {
        let data: &RawValue = &self.data;
        let mut store = store(self.module.engine())?;
        let loaded = at_once(async {
            Runtime::new(&mut store, &self.module).await?.with_data(&mut store, &data).await
        });
        match loaded.ok_or_else(waits)? {
            Ok(policy) => Ok(Ready { store, policy }),
            Err(error) => {
                let called = is_call(&error.root_cause().to_string());
                match fault(store.data(), error.downcast_ref(), called) {
                    Fault { code: BrokenCode::Trap, .. } if !error.is::<Trap>() => {
                        Err(Fault::new(BrokenCode::Trap, error.to_string()))
                    }
                    fault => Err(fault),
                }
            }
        }
    }
}

/// The module of these bytes, compiled unless it is in use already: one pack loaded twice, by two nodes in one process or by an
/// auditor from two exports, is one module. It is whole code without state; what a pack adds to it, its data, is in each store.
fn module(wasm: &[u8]) -> Result<Arc<Module>, ProgramError> {
    static IN_USE: Mutex<BTreeMap<[u8; 32], Weak<Module>>> = Mutex::new(BTreeMap::new());
    let in_use = || IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = runtime().map_err(ProgramError::Module)?;
    let digest = Sha256::digest(wasm).into();
    if let Some(module) = in_use().get(&digest).and_then(Weak::upgrade) {
        return Ok(module);
    }
    let module =
        Module::from_binary(engine, wasm).map_err(|error| ProgramError::Module(error.to_string()))?;
    let module = Arc::new(module);
    let mut in_use = in_use();
    in_use.retain(|_, module| module.strong_count() > 0);
    in_use.insert(digest, Arc::downgrade(&module));
    Ok(module)
}

/// Drive a future of opa-wasm. Its functions are asynchronous for the sake of built-in functions that wait; without one,
/// and without wasmtime being told to yield, nothing waits, and one poll is the whole of it.
///
/// It takes locks of tokio's, which make a task that has done much wait for its turn even though the lock is free: on a
/// thread that runs tasks that would be a wait without end here, and so is switched off. And it logs the texts of
/// aborts, which may quote the input: its log goes nowhere.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    let mut context = Context::from_waker(Waker::noop());
    match dispatcher::with_default(&Dispatch::none(), || future.as_mut().poll(&mut context)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn waits() -> Fault {
    Fault::new(BrokenCode::Trap, "the runtime waits for something")
}

/// What is known of a run.
#[derive(Default)]
pub(crate) struct State {
    /// Bytes.
    memory: usize,
    memory_refused: bool,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > limits::MEMORY_BYTES {
            self.memory_refused = true;
            return Err(wasmtime::Error::msg("memory limit"));
        }
        self.memory = desired;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > limits::TABLE_ELEMENTS {
            self.memory_refused = true;
            return Err(wasmtime::Error::msg("table limit"));
        }
        Ok(true)
    }
}

/// A store with all its limits.
pub(crate) fn store(engine: &Engine) -> Result<Store<State>, Fault> {
    let mut store = Store::new(engine, State::default());
    store.limiter(|state| state);
    fill(&mut store)?;
    Ok(store)
}

/// Fuel and time for one evaluation, or for what comes before the first.
fn fill(store: &mut Store<State>) -> Result<(), Fault> {
    store.set_epoch_deadline(ticks());
    store.set_fuel(limits::FUEL).map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))
}

/// The time that an evaluation may take, in ticks of the engine's clock.
fn ticks() -> u64 {
    u64::try_from(limits::TIME.as_millis().div_ceil(limits::TICK.as_millis())).unwrap_or(1)
}

/// Sort an error by what is known of the run, by its trap, and by whether the module `called` a host function other than
/// `opa_abort`, by which it gives up.
pub(crate) fn fault(state: &State, trap: Option<&Trap>, called: bool) -> Fault {
    if state.memory_refused {
        return Fault::new(BrokenCode::Memory, "the module asked for more memory than it may have");
    }
    match trap {
        Some(Trap::OutOfFuel) => Fault::new(BrokenCode::Fuel, "the module used up its fuel"),
        Some(Trap::Interrupt) => Fault::new(BrokenCode::Time, "the module took too long"),
        Some(trap) => Fault::new(BrokenCode::Trap, trap.to_string()),
        None if called => Fault::new(BrokenCode::HostCall, "the module called a host function"),
        None => Fault::new(BrokenCode::Trap, "the module gave up"),
    }
}

/// Whether opa-wasm raised this when the module called a built-in function. It has no type for that, so the text decides
/// between two codes that block alike.
fn is_call(cause: &str) -> bool {
    cause.starts_with("unknown builtin id")
}

/// The process's one Wasm engine. A thread of its own counts time for it; it never ends.
fn runtime() -> Result<&'static Engine, String> {
    static RUNTIME: OnceLock<Result<Engine, String>> = OnceLock::new();
    RUNTIME.get_or_init(|| build().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn build() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    // The two things in which one machine may differ from another, and one run from the next.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    config.enable_incremental_compilation(Compiled::shared())?;
    let engine = Engine::new(&config)?;
    let clock = engine.clone();
    std::thread::Builder::new().name("naru-policy-clock".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(limits::TICK);
            clock.increment_epoch();
        }
    })?;
    Ok(engine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use serde_json::{Value, json, value::RawValue};

    use super::Ready;
    use crate::{Bundle, assemble, bundled, input::encode, limits};

    /// Ordinary deals in every phase of either side; each without one of its members in turn, and with one that is of
    /// another kind; and what is no deal at all.
    fn inputs(packs: &[Bundle]) -> Vec<Box<RawValue>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/ordinary.json");
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut inputs = vec![json!({}), json!({"now": 1}), json!({"large": "x".repeat(100_000)})];
        for case in file["cases"].as_array().unwrap() {
            let packs = packs.iter().map(Bundle::pack);
            let whole = assemble(packs, &case["shared"], &case["private"], &case["host"]).unwrap();
            inputs.push(whole.clone());
            for name in whole.as_object().unwrap().keys() {
                let (mut without, mut other) = (whole.clone(), whole.clone());
                without.as_object_mut().unwrap().remove(name);
                other[name] = json!([name, {"country": "KR"}]);
                inputs.extend([without, other]);
            }
        }
        let text = |input: &Value| String::from_utf8(encode(input).unwrap()).unwrap();
        inputs.iter().map(|input| RawValue::from_string(text(input)).unwrap()).collect()
    }

    // POL-6.1, POL-6.3: in a store that is kept, each answer is that of a store of its own, for the same work whatever was asked
    // before, and the memory does not grow with the number of evaluations.
    #[test]
    fn a_store_that_is_kept_is_like_a_new_one() {
        let packs: Vec<Bundle> =
            bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap()).collect();
        let inputs = inputs(&packs);
        for bundle in &packs {
            let program = &bundle.program;
            let ask = |ready: &mut Ready, input: &RawValue| {
                let answer = program.ask(ready, input).unwrap().get().to_owned();
                (answer, limits::FUEL - ready.store.get_fuel().unwrap())
            };
            let mut kept = program.prepare().unwrap();
            let first: Vec<_> = inputs.iter().map(|input| ask(&mut kept, input)).collect();
            let memory = kept.store.data().memory;
            for step in [1, 7, 31] {
                for at in (0..inputs.len()).map(|at| at * step % inputs.len()) {
                    let again = ask(&mut kept, &inputs[at]);
                    assert_eq!(again.0, first[at].0, "{}: {}", bundle.pack().name, inputs[at]);
                    // What differs is whether memory had to be asked for.
                    assert!(again.1.abs_diff(first[at].1) < 100, "{again:?} {:?}", first[at]);
                }
            }
            assert_eq!(kept.store.data().memory, memory, "{}", bundle.pack().name);
            for (input, (answer, _)) in inputs.iter().zip(&first).step_by(5) {
                let alone = ask(&mut program.prepare().unwrap(), input).0;
                assert_eq!(alone, *answer, "{}: {input}", bundle.pack().name);
            }
        }
    }

    #[test]
    fn a_module_in_use_is_compiled_once() {
        let load = |name: &str| {
            let (_, bytes) = bundled::PACKS.iter().find(|(pack, _)| *pack == name).unwrap();
            Bundle::load(bytes).unwrap().program
        };
        let (one, two) = (load("nz"), load("nz"));
        assert!(Arc::ptr_eq(&one.module, &two.module) && !Arc::ptr_eq(&one.module, &load("cl").module));
        // Each has its stores.
        assert!(!Arc::ptr_eq(&one.kept, &two.kept));
        let gone = Arc::downgrade(&one.module);
        drop((one, two));
        assert!(gone.upgrade().is_none(), "and not kept once nobody uses it");
        assert!(load("nz").run(b"{}").is_ok());
    }

    // POL-6.4
    #[test]
    fn a_store_that_broke_or_grew_is_not_kept() {
        let core = bundled::PACKS.iter().find(|(name, _)| *name == "core").unwrap().1;
        let program = Bundle::load(core).unwrap().program;
        assert_eq!(program.kept().len(), 1);
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(program.run(deep.as_bytes()).is_err());
        assert_eq!(program.kept().len(), 0);
        let answer = program.run(b"{}").unwrap().get().to_owned();
        assert_eq!(program.kept().len(), 1);
        let large = format!("{{\"large\":[{}1]}}", "{\"a\":1},".repeat(100_000));
        let of_large = program.run(large.as_bytes()).unwrap().get().to_owned();
        assert_eq!((of_large, program.kept().len()), (answer.clone(), 0));
        assert_eq!(program.run(b"{}").unwrap().get(), answer);
        let many: Vec<Ready> = (0..10).map(|_| program.prepare().unwrap()).collect();
        many.into_iter().for_each(|ready| program.keep(ready));
        assert_eq!(program.kept().len(), limits::KEPT_STORES);
    }
}
