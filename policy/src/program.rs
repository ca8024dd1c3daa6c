//! Run a module that OPA compiled, in a box (POL-2, POL-6).
//!
//! OPA's Wasm ABI 1.2 or later: the host gives a memory and functions by which the module aborts or calls back. Here a
//! call back ends the evaluation, and every evaluation has a store, a memory and an instance of its own, so that nothing
//! is left behind for the next. Fuel, memory and time are bounded. Not here: what a result means.

use std::sync::{Arc, OnceLock};

use wasmtime::{
    Config, Engine, ExternType, ImportType, Instance, Linker, Memory, MemoryType, Module, ResourceLimiter,
    Store, Trap, TypedFunc, WasmParams, WasmResults,
};

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
    fn new(code: BrokenCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// A compiled module and the entrypoint that is asked.
#[derive(Clone)]
pub(crate) struct Program {
    module: Module,
    memory: MemoryType,
    linker: Arc<Linker<State>>,
    entrypoint: i32,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Program").field("entrypoint", &self.entrypoint).finish_non_exhaustive()
    }
}

impl Program {
    /// Compile, check what the module imports, and ask it (in the box) which host functions it declares.
    pub(crate) fn compile(wasm: &[u8], entrypoint: &str) -> Result<Self, ProgramError> {
        let engine = runtime().map_err(ProgramError::Module)?;
        let module =
            Module::from_binary(engine, wasm).map_err(|error| ProgramError::Module(error.to_string()))?;
        let memory = check_imports(&module)?;
        let linker = host(engine).map_err(|error| ProgramError::Module(error.to_string()))?;
        let mut program = Self { module, memory, linker: Arc::new(linker), entrypoint: 0 };
        let mut box_ = program.start().map_err(unusable)?;
        box_.check_abi().map_err(unusable)?;
        let builtins = names(&mut box_, "builtins")?;
        if !builtins.is_empty() {
            return Err(ProgramError::HostFunctions(builtins.into_iter().map(|(name, _)| name).collect()));
        }
        let entrypoints = names(&mut box_, "entrypoints")?;
        let found = entrypoints.into_iter().find(|(name, _)| name == entrypoint);
        let (_, number) = found.ok_or_else(|| ProgramError::Entrypoint(entrypoint.to_owned()))?;
        program.entrypoint =
            i32::try_from(number).map_err(|_| ProgramError::Entrypoint(entrypoint.to_owned()))?;
        Ok(program)
    }

    /// Evaluate the entrypoint over `data` and `input`, both JSON. The answer is JSON: a list of at most one result.
    pub(crate) fn run(&self, data: &[u8], input: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut box_ = self.start()?;
        let (data_at, data_len) = box_.write(data)?;
        let data = box_.call::<(i32, i32), i32>("opa_json_parse", (data_at, data_len))?;
        if data == 0 {
            return Err(Fault::new(BrokenCode::Trap, "the module cannot read the pack's data"));
        }
        let (input_at, input_len) = box_.write(input)?;
        let heap = box_.call::<(), i32>("opa_heap_ptr_get", ())?;
        let arguments = (0, self.entrypoint, data, input_at, input_len, heap, 0);
        let answer = box_.call::<(i32, i32, i32, i32, i32, i32, i32), i32>("opa_eval", arguments)?;
        box_.read(answer)
    }

    fn start(&self) -> Result<Sandbox, Fault> {
        let mut store = Store::new(self.module.engine(), State::default());
        store.limiter(|state| state);
        let ticks = limits::TIME.as_millis().div_ceil(limits::TICK.as_millis());
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(1));
        store.set_fuel(limits::FUEL).map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))?;
        let memory = Memory::new(&mut store, self.memory.clone()).map_err(|error| fault(&store, &error))?;
        let mut linker = Linker::clone(&self.linker);
        linker.define(&store, "env", "memory", memory).map_err(|error| fault(&store, &error))?;
        let instance = linker.instantiate(&mut store, &self.module).map_err(|error| fault(&store, &error))?;
        Ok(Sandbox { store, instance, memory })
    }
}

/// One instance and its store.
struct Sandbox {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
}

impl Sandbox {
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> Result<R, Fault> {
        let function: TypedFunc<P, R> = self
            .instance
            .get_typed_func(&mut self.store, name)
            .map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))?;
        function.call(&mut self.store, arguments).map_err(|error| fault(&self.store, &error))
    }

    fn check_abi(&mut self) -> Result<(), Fault> {
        let mut version = |name| self.instance.get_global(&mut self.store, name)?.get(&mut self.store).i32();
        match (version("opa_wasm_abi_version"), version("opa_wasm_abi_minor_version")) {
            (Some(1), Some(minor)) if minor >= 2 => Ok(()),
            _ => Err(Fault::new(BrokenCode::Trap, "no OPA Wasm ABI 1.2 or later")),
        }
    }

    /// Copy bytes in; their address and length.
    fn write(&mut self, bytes: &[u8]) -> Result<(i32, i32), Fault> {
        let length = i32::try_from(bytes.len()).map_err(|_| Fault::new(BrokenCode::Input, "too large"))?;
        let address = self.call::<i32, i32>("opa_malloc", length)?;
        let start = usize::try_from(address).map_err(|_| outside())?;
        self.memory.write(&mut self.store, start, bytes).map_err(|_| outside())?;
        Ok((address, length))
    }

    /// Copy a text that ends with a zero byte out.
    fn read(&self, address: i32) -> Result<Vec<u8>, Fault> {
        let start = usize::try_from(address).map_err(|_| outside())?;
        let rest = self.memory.data(&self.store).get(start..).ok_or_else(outside)?;
        let window = &rest[..rest.len().min(limits::RESULT_BYTES)];
        let end = window.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| Fault::new(BrokenCode::Malformed, "the result is too large"))?;
        Ok(window[..end].to_vec())
    }
}

fn outside() -> Fault {
    Fault::new(BrokenCode::Trap, "the module gave an address outside its memory")
}

/// What the host knows of a run.
#[derive(Default)]
struct State {
    memory_refused: bool,
    host_called: bool,
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

/// Sort an error of the runtime by what is known of the run; the runtime's texts are not relied on.
fn fault(store: &Store<State>, error: &wasmtime::Error) -> Fault {
    let state = store.data();
    let trap = error.downcast_ref::<Trap>();
    if state.memory_refused {
        Fault::new(BrokenCode::Memory, "the module asked for more memory than it may have")
    } else if state.host_called {
        Fault::new(BrokenCode::HostCall, "the module called a host function")
    } else if trap == Some(&Trap::OutOfFuel) {
        Fault::new(BrokenCode::Fuel, "the module used up its fuel")
    } else if trap == Some(&Trap::Interrupt) {
        Fault::new(BrokenCode::Time, "the module took too long")
    } else {
        Fault::new(BrokenCode::Trap, trap.map_or_else(|| "the module gave up".to_owned(), Trap::to_string))
    }
}

fn unusable(fault: Fault) -> ProgramError {
    ProgramError::Module(fault.reason)
}

/// Only what OPA's compiler always imports. It declares the call-back functions whether they are used or not, so that
/// the list that `builtins` exports says which ones are.
fn check_imports(module: &Module) -> Result<MemoryType, ProgramError> {
    let mut memory = None;
    let mut foreign = Vec::new();
    for import in module.imports() {
        match (known(&import), import.ty()) {
            (true, ExternType::Memory(ty)) => memory = Some(ty),
            (true, ExternType::Func(_)) => {}
            _ => foreign.push(format!("{}.{}", import.module(), import.name())),
        }
    }
    if !foreign.is_empty() {
        foreign.sort();
        return Err(ProgramError::HostFunctions(foreign));
    }
    match memory {
        Some(ty) if !ty.is_64() && !ty.is_shared() => Ok(ty),
        Some(_) | None => Err(ProgramError::Module("imports no ordinary memory".to_owned())),
    }
}

fn known(import: &ImportType<'_>) -> bool {
    const FUNCTIONS: [&str; 6] =
        ["opa_abort", "opa_builtin0", "opa_builtin1", "opa_builtin2", "opa_builtin3", "opa_builtin4"];
    import.module() == "env" && (import.name() == "memory" || FUNCTIONS.contains(&import.name()))
}

/// The functions that the module links to. `opa_abort` gives up; the others note the call and give up.
fn host(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    type Caller<'a> = wasmtime::Caller<'a, State>;
    fn refuse(mut caller: Caller<'_>) -> wasmtime::Result<i32> {
        caller.data_mut().host_called = true;
        Err(wasmtime::Error::msg("host function"))
    }
    let mut linker = Linker::new(engine);
    // The message of an abort may quote the input, and is left unread.
    linker.func_wrap("env", "opa_abort", |_: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("the module gave up"))
    })?;
    linker.func_wrap("env", "opa_builtin0", |caller: Caller<'_>, _: i32, _: i32| refuse(caller))?;
    linker.func_wrap("env", "opa_builtin1", |caller: Caller<'_>, _: i32, _: i32, _: i32| refuse(caller))?;
    linker.func_wrap("env", "opa_builtin2", |caller: Caller<'_>, _: i32, _: i32, _: i32, _: i32| {
        refuse(caller)
    })?;
    linker.func_wrap(
        "env",
        "opa_builtin3",
        |caller: Caller<'_>, _: i32, _: i32, _: i32, _: i32, _: i32| refuse(caller),
    )?;
    linker.func_wrap(
        "env",
        "opa_builtin4",
        |caller: Caller<'_>, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| refuse(caller),
    )?;
    Ok(linker)
}

/// An export that gives a JSON object from names to numbers, sorted by name.
fn names(box_: &mut Sandbox, export: &str) -> Result<Vec<(String, i64)>, ProgramError> {
    let value = box_.call::<(), i32>(export, ()).map_err(unusable)?;
    let text = box_.call::<i32, i32>("opa_json_dump", value).map_err(unusable)?;
    let bytes = box_.read(text).map_err(unusable)?;
    let map: std::collections::BTreeMap<String, i64> = serde_json::from_slice(&bytes)
        .map_err(|_| ProgramError::Module(format!("{export} gives no object of numbers")))?;
    Ok(map.into_iter().collect())
}

/// The process's one Wasm runtime. A thread of its own counts time for it; it never ends.
fn runtime() -> Result<&'static Engine, String> {
    static RUNTIME: OnceLock<Result<Engine, String>> = OnceLock::new();
    RUNTIME.get_or_init(|| build().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn build() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
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
