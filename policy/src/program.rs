//! Run a module that OPA compiled, through opa-wasm, in a box (POL-2, POL-6).
//!
//! opa-wasm speaks OPA's Wasm ABI. The box around it is this crate's: the wasmtime engine that counts fuel and time, and
//! for every evaluation a store of its own, with a limit on memory, in which opa-wasm instantiates the module and loads
//! the data anew, so that nothing is left behind for the next. That takes longer than the evaluation, and so a thread
//! keeps one or two stores ready that have been used for nothing yet. What opa-wasm would let a module reach beyond its input
//! and data is closed before opa-wasm sees the module, by `gate`. Not here: what a result means.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};

use opa_wasm::{DefaultContext, Policy, Runtime};
use serde_json::value::RawValue;
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
    module: Module,
    data: Arc<RawValue>,
    entrypoint: Arc<str>,
    spares: Arc<Mutex<Vec<Fresh>>>,
}

/// Everything of a run that comes before the input. Used once.
struct Fresh {
    store: Store<State>,
    policy: Policy<DefaultContext>,
}

/// Stores kept ready for each module: one for the next evaluation, one while the first is replaced.
const SPARES: usize = 2;

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Program").field("entrypoint", &self.entrypoint).finish_non_exhaustive()
    }
}

impl Program {
    /// Compile, pass the gate, and see that opa-wasm accepts the module and the data, which are JSON.
    pub(crate) fn compile(wasm: &[u8], data: &[u8], entrypoint: &str) -> Result<Self, ProgramError> {
        let engine = runtime().map_err(ProgramError::Module)?;
        let module =
            Module::from_binary(engine, wasm).map_err(|error| ProgramError::Module(error.to_string()))?;
        let data: Box<RawValue> =
            serde_json::from_slice(data).map_err(|error| ProgramError::Module(error.to_string()))?;
        gate::check(&module, &data, entrypoint)?;
        let (data, entrypoint) = (data.into(), entrypoint.into());
        let program = Self { module, data, entrypoint, spares: Arc::default() };
        // A module that lacks a part is refused when it is loaded.
        let fresh = program.prepare().map_err(|fault| ProgramError::Module(fault.reason))?;
        program.spares().push(fresh);
        Ok(program)
    }

    /// Evaluate the entrypoint over the data and `input`, which is JSON. The answer is JSON: a list of at most one
    /// result.
    pub(crate) fn run(&self, input: &[u8]) -> Result<Box<RawValue>, Fault> {
        let input: &RawValue = serde_json::from_slice(input)
            .map_err(|_| Fault::new(BrokenCode::Input, "the input is no JSON"))?;
        let spare = self.spares().pop();
        let Fresh { mut store, policy } = spare.map_or_else(|| self.prepare(), Ok)?;
        restock(self);
        store.set_epoch_deadline(ticks());
        let answer = at_once(policy.evaluate::<_, Box<RawValue>, _>(&mut store, &self.entrypoint, &input));
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

    fn spares(&self) -> std::sync::MutexGuard<'_, Vec<Fresh>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Instantiate the module and load the data, in a store of their own. The fuel that this takes is the evaluation's.
    fn prepare(&self) -> Result<Fresh, Fault> {
        let data: &RawValue = &self.data;
        let mut store = store(self.module.engine())?;
        let loaded = at_once(async {
            Runtime::new(&mut store, &self.module).await?.with_data(&mut store, &data).await
        });
        match loaded.ok_or_else(waits)? {
            Ok(policy) => Ok(Fresh { store, policy }),
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

/// Have spares made of a program that was just asked. Where the thread cannot be had, evaluations make their own.
fn restock(program: &Program) {
    static WISHES: OnceLock<Option<mpsc::SyncSender<Program>>> = OnceLock::new();
    let wishes = WISHES.get_or_init(|| {
        let (wish, wishes) = mpsc::sync_channel::<Program>(limits::PACKS);
        let work = move || {
            for program in wishes {
                while program.spares().len() < SPARES {
                    match program.prepare() {
                        Ok(fresh) => program.spares().push(fresh),
                        Err(_) => break,
                    }
                }
            }
        };
        std::thread::Builder::new().name("naru-policy-spares".to_owned()).spawn(work).ok().map(|_| wish)
    });
    if let Some(wishes) = wishes {
        // A full queue means that the thread has enough to do: the next evaluation asks again.
        let _ = wishes.try_send(program.clone());
    }
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
    memory_refused: bool,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > limits::MEMORY_BYTES {
            self.memory_refused = true;
            return Err(wasmtime::Error::msg("memory limit"));
        }
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

/// A store for one evaluation, with all its limits.
pub(crate) fn store(engine: &Engine) -> Result<Store<State>, Fault> {
    let mut store = Store::new(engine, State::default());
    store.limiter(|state| state);
    store.set_epoch_deadline(ticks());
    store.set_fuel(limits::FUEL).map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))?;
    Ok(store)
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
