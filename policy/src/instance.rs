//! One instance of a module that OPA compiled, in a store of its own with all its limits, and OPA's Wasm ABI (1.2) as far as it is
//! needed: give it data, write an input, ask, read a text.
//!
//! Every host function is a trap: a module that calls one has ended. Not here: what is asked, and what an answer means.

use wasmtime::{
    Engine, Global, Instance as Raw, Linker, Memory, MemoryType, Module, ResourceLimiter, Store, Trap,
    TypedFunc, UnknownImportError, WasmParams, WasmResults,
};

use crate::limits;
use crate::result::BrokenCode;

/// Bytes of a page of Wasm memory.
pub(crate) const PAGE: usize = 64 << 10;

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

    pub(crate) fn outside() -> Self {
        Self::new(BrokenCode::Trap, "the module gave an address outside its memory")
    }
}

/// What is known of a run.
#[derive(Default)]
struct State {
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

/// OPA's one call for a whole evaluation: reserved, entrypoint, data, input, its length, heap, format.
pub(crate) type Eval = TypedFunc<(i32, i32, i32, i32, i32, i32, i32), i32>;

/// Where the data are, once they are read, and where free memory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) data: i32,
    pub(crate) heap: usize,
}

pub(crate) struct Instance {
    store: Store<State>,
    raw: Raw,
    memory: Memory,
}

impl Instance {
    pub(crate) fn start(module: &Module, memory: MemoryType) -> Result<Self, Fault> {
        let mut store = store(module.engine())?;
        let memory = Memory::new(&mut store, memory).map_err(|error| sorted(&store, &error))?;
        let mut linker = Linker::new(module.engine());
        linker.define(&store, "env", "memory", memory).map_err(|error| sorted(&store, &error))?;
        linker.define_unknown_imports_as_traps(module).map_err(|error| sorted(&store, &error))?;
        let raw = linker.instantiate(&mut store, module).map_err(|error| sorted(&store, &error))?;
        Ok(Self { store, raw, memory })
    }

    pub(crate) fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<TypedFunc<P, R>, Fault> {
        self.raw
            .get_typed_func(&mut self.store, name)
            .map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))
    }

    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        arguments: P,
    ) -> Result<R, Fault> {
        let function: TypedFunc<P, R> = self.function(name)?;
        function.call(&mut self.store, arguments).map_err(|error| sorted(&self.store, &error))
    }

    pub(crate) fn global(&mut self, name: &str) -> Option<Global> {
        self.raw.get_global(&mut self.store, name)
    }

    pub(crate) fn store(&mut self) -> impl wasmtime::AsContextMut {
        &mut self.store
    }

    /// The fuel and the time of one evaluation, from now.
    pub(crate) fn fill_up(&mut self) -> Result<(), Fault> {
        fill_up(&mut self.store)
    }

    /// Lets the module read the data, ended by a zero byte, which counts.
    pub(crate) fn load(&mut self, data: &str) -> Result<Loaded, Fault> {
        let bytes = [data.as_bytes(), b"\0"].concat();
        let length = i32::try_from(bytes.len()).map_err(|_| Fault::outside())?;
        let address = self.call::<i32, i32>("opa_malloc", length)?;
        self.write(usize::try_from(address).map_err(|_| Fault::outside())?, &bytes)?;
        let data = self.call::<(i32, i32), i32>("opa_json_parse", (address, length))?;
        if data == 0 {
            return Err(Fault::new(BrokenCode::Trap, "the module cannot read the pack's data"));
        }
        self.call::<i32, ()>("opa_free", address)?;
        // The input is written there; no more is asked of the address than that it can be, with an input of any size.
        let heap =
            usize::try_from(self.call::<(), i32>("opa_heap_ptr_get", ())?).map_err(|_| Fault::outside())?;
        if heap > limits::MEMORY_BYTES - limits::INPUT_BYTES {
            return Err(Fault::outside());
        }
        Ok(Loaded { data, heap })
    }

    /// Asks for one entrypoint: the address of the answer, JSON that ends with a zero byte.
    pub(crate) fn evaluate(
        &mut self,
        eval: &Eval,
        entrypoint: i32,
        at: Loaded,
        input: &[u8],
    ) -> Result<i32, Fault> {
        let end = at.heap + input.len();
        let missing = end.saturating_sub(self.bytes().len()).div_ceil(PAGE);
        if missing > 0 {
            let more = u64::try_from(missing).map_err(|_| Fault::outside())?;
            self.memory.grow(&mut self.store, more).map_err(|error| sorted(&self.store, &error))?;
        }
        self.write(at.heap, input)?;
        let number = |size: usize| i32::try_from(size).map_err(|_| Fault::outside());
        let arguments = (0, entrypoint, at.data, number(at.heap)?, number(input.len())?, number(end)?, 0);
        eval.call(&mut self.store, arguments).map_err(|error| sorted(&self.store, &error))
    }

    /// A text that ends with a zero byte, of at most so many bytes.
    pub(crate) fn text(&self, address: i32, most: usize) -> Result<&[u8], Fault> {
        let start = usize::try_from(address).map_err(|_| Fault::outside())?;
        let rest = self.bytes().get(start..).ok_or_else(Fault::outside)?;
        let window = &rest[..rest.len().min(most + 1)];
        match window.iter().position(|byte| *byte == 0) {
            Some(end) => Ok(&window[..end]),
            None if window.len() > most => Err(Fault::new(BrokenCode::Malformed, "a text is too long")),
            None => Err(Fault::outside()),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        self.memory.write(&mut self.store, at, bytes).map_err(|_| Fault::outside())
    }
}

fn store(engine: &Engine) -> Result<Store<State>, Fault> {
    let mut store = Store::new(engine, State::default());
    store.limiter(|state| state);
    fill_up(&mut store)?;
    Ok(store)
}

fn fill_up(store: &mut Store<State>) -> Result<(), Fault> {
    store.set_epoch_deadline(ticks());
    store.set_fuel(limits::FUEL).map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))
}

/// The time that an evaluation may take, in ticks of the engine's clock.
fn ticks() -> u64 {
    u64::try_from(limits::TIME.as_millis().div_ceil(limits::TICK.as_millis())).unwrap_or(1)
}

/// Sorts an error by what is known of the run, by its trap, and by whether the module called a host function other than
/// `opa_abort`, by which it gives up.
fn sorted(store: &Store<State>, error: &wasmtime::Error) -> Fault {
    if store.data().memory_refused {
        return Fault::new(BrokenCode::Memory, "the module asked for more memory than it may have");
    }
    let called =
        error.downcast_ref::<UnknownImportError>().is_some_and(|import| import.name() != "opa_abort");
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::new(BrokenCode::Fuel, "the module used up its fuel"),
        Some(Trap::Interrupt) => Fault::new(BrokenCode::Time, "the module took too long"),
        Some(trap) => Fault::new(BrokenCode::Trap, trap.to_string()),
        None if called => Fault::new(BrokenCode::HostCall, "the module called a host function"),
        None => Fault::new(BrokenCode::Trap, "the module gave up"),
    }
}
