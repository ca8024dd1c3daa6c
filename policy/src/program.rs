//! Run a module that OPA compiled, in a box (POL-2, POL-6): one wasmtime engine that counts fuel and time, and stores that are
//! kept from one evaluation to the next.
//!
//! Making a store and reading the data into it takes longer than an evaluation. So a store is kept, and after each evaluation put
//! back, byte for byte, to what it was when the data had been read: that is all that a module can remember. Its state is its
//! memory and its globals that change, which are named for this (`globals`); what else a module of newer Wasm could keep, tables
//! that change and segments that are dropped, the engine does not take. Both are restored without trust in what the module says of
//! its own heap. What cannot be restored is thrown away with its store: whatever ended in a fault, and memory that has grown.
//! Not here: OPA's ABI (`instance`), what is refused (`gate`), what a result means (`engine`).

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wasmtime::{Config, Engine, Global, MemoryType, MemoryTypeBuilder, Module, Val};

use crate::compiled::Compiled;
use crate::gate::{self, Passed};
use crate::globals;
use crate::instance::{Eval, Fault, Instance, Loaded, PAGE};
use crate::limits;
use crate::result::BrokenCode;

/// Why bytes are no module that may be run.
#[derive(Debug)]
pub(crate) enum ProgramError {
    Module(String),
    HostFunctions(Vec<String>),
    Entrypoint(String),
}

/// A compiled module that has passed the gate, its data, the entrypoint that is asked, and stores that wait to be asked again.
#[derive(Clone)]
pub(crate) struct Program(Arc<Inner>);

struct Inner {
    module: Module,
    data: Box<str>,
    /// With room for the work of most evaluations.
    memory: MemoryType,
    entrypoint: i32,
    loaded: Loaded,
    /// Exports that are the module's changing globals.
    globals: Vec<String>,
    /// Memory below the heap once the data are read: the same in every store.
    image: Box<[u8]>,
    kept: Mutex<Vec<Kept>>,
}

/// A store in which the data are read and nothing has been asked, or nothing is left of what was.
struct Kept {
    instance: Instance,
    eval: Eval,
    globals: Vec<(Global, Val)>,
    asked: u32,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Program").field("entrypoint", &self.0.entrypoint).finish_non_exhaustive()
    }
}

impl Program {
    /// Compile, pass the gate, and see that the module reads the data, which are JSON.
    pub(crate) fn compile(wasm: &[u8], data: &[u8], entrypoint: &str) -> Result<Self, ProgramError> {
        let engine = runtime().map_err(ProgramError::Module)?;
        let refused = |error: wasmtime::Error| ProgramError::Module(error.to_string());
        Module::validate(engine, wasm).map_err(refused)?;
        let (wasm, globals) = globals::named(wasm)
            .ok_or_else(|| ProgramError::Module("a module of another kind".to_owned()))?;
        let module = Module::from_binary(engine, &wasm).map_err(refused)?;
        let data = std::str::from_utf8(data).map_err(|error| ProgramError::Module(error.to_string()))?;
        let Passed { memory, entrypoint, loaded } = gate::check(&module, data, entrypoint)?;
        let memory = roomy(&memory, loaded.heap);
        let mut inner = Inner {
            module,
            data: data.into(),
            memory,
            entrypoint,
            loaded,
            globals,
            image: Box::default(),
            kept: Mutex::default(),
        };
        let first = inner.start().map_err(|fault| ProgramError::Module(fault.reason))?;
        inner.image = first.instance.bytes()[..loaded.heap].into();
        inner.keep(first);
        Ok(Self(Arc::new(inner)))
    }

    /// Evaluate the entrypoint over the data and `input`, which is JSON. The answer is JSON: a list of at most one
    /// result.
    pub(crate) fn run(&self, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let inner = &*self.0;
        let kept = inner.kept().pop();
        let mut kept = kept.map_or_else(|| inner.fresh(), Ok)?;
        // Dropped where it ends in a fault.
        let answer = inner.ask(&mut kept, input)?;
        inner.keep(kept);
        Ok(answer)
    }

    /// The same in a store that nothing was asked in before, and that is not kept.
    #[cfg(test)]
    pub(crate) fn run_fresh(&self, input: &[u8]) -> Result<Vec<u8>, Fault> {
        self.0.ask(&mut self.0.fresh()?, input)
    }

    /// Stores that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.kept().len()
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store with the data in it.
    fn start(&self) -> Result<Kept, Fault> {
        let mut instance = Instance::start(&self.module, self.memory.clone())?;
        let found = self.globals.iter().filter_map(|name| instance.global(name)).collect::<Vec<_>>();
        if found.len() != self.globals.len() || instance.load(&self.data)? != self.loaded {
            return Err(unlike());
        }
        let globals = found.into_iter().map(|global| (global, global.get(instance.store()))).collect();
        let eval = instance.function("opa_eval")?;
        // A module may have written there, and what is put back later is nothing.
        instance.bytes_mut().get_mut(self.loaded.heap..).ok_or_else(Fault::outside)?.fill(0);
        Ok(Kept { instance, eval, globals, asked: 0 })
    }

    /// The same, seen to be what every store is.
    fn fresh(&self) -> Result<Kept, Fault> {
        let kept = self.start()?;
        if kept.instance.bytes()[..self.loaded.heap] == *self.image { Ok(kept) } else { Err(unlike()) }
    }

    fn ask(&self, kept: &mut Kept, input: &[u8]) -> Result<Vec<u8>, Fault> {
        kept.instance.fill_up()?;
        kept.asked += 1;
        let answer = kept.instance.evaluate(&kept.eval, self.entrypoint, self.loaded, input)?;
        Ok(kept.instance.text(answer, limits::RESULT_BYTES)?.to_vec())
    }

    /// Keeps a store for the next evaluation, as it was before the last one; or drops it.
    fn keep(&self, mut kept: Kept) {
        if kept.asked >= limits::EVALUATIONS || self.restore(&mut kept).is_none() {
            return;
        }
        let mut waiting = self.kept();
        if waiting.len() < limits::KEPT {
            waiting.push(kept);
        }
    }

    /// Puts back all that a module can change. `None` where its memory is not what it was in size.
    fn restore(&self, kept: &mut Kept) -> Option<()> {
        let memory = kept.instance.bytes_mut();
        if memory.len() as u64 != self.memory.minimum() * PAGE as u64 {
            return None;
        }
        let (below, heap) = memory.split_at_mut_checked(self.loaded.heap)?;
        below.copy_from_slice(&self.image);
        heap.fill(0);
        let globals = &kept.globals;
        globals.iter().try_for_each(|(global, value)| global.set(kept.instance.store(), *value)).ok()
    }
}

/// A module that asks its host for nothing does the same thing each time.
fn unlike() -> Fault {
    Fault::new(BrokenCode::Trap, "the module does not start the same way twice")
}

/// The memory that a module wants, with room above its heap: what does not outgrow it can be kept.
fn roomy(wanted: &MemoryType, heap: usize) -> MemoryType {
    let pages = (heap + limits::ROOM_BYTES).min(limits::MEMORY_BYTES).div_ceil(PAGE) as u64;
    let most = wanted.maximum().unwrap_or(u64::MAX);
    let pages = pages.min(most).max(wanted.minimum());
    let memory = MemoryTypeBuilder::new().min(pages).max(wanted.maximum()).build();
    memory.unwrap_or_else(|_| wanted.clone())
}

/// The process's one Wasm engine. A thread of its own counts time for it; it never ends.
fn runtime() -> Result<&'static Engine, String> {
    static RUNTIME: OnceLock<Result<Engine, String>> = OnceLock::new();
    RUNTIME.get_or_init(|| build().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn build() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    // OPA's modules are of the first Wasm. What came later is more than they need, and some of it is state that no export names.
    config.wasm_bulk_memory(false).wasm_multi_memory(false);
    config.wasm_simd(false).wasm_relaxed_simd(false).wasm_tail_call(false).wasm_extended_const(false);
    // One machine may differ from another in this, and one run from the next.
    config.cranelift_nan_canonicalization(true);
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
mod tests;
