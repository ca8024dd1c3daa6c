//! What a module must pass before opa-wasm touches it (POL-2.2, POL-2.4).
//!
//! opa-wasm carries built-in functions for modules to call back, among them one that hands out the process's environment,
//! and offers no way to leave them out. So a module is first run here, with wasmtime alone, in the same box, where every
//! host function is a trap: it is refused if it imports anything foreign or names a built-in function. The steps that
//! opa-wasm takes before it knows an input are rehearsed one by one, on the pack's own data. A module that asks its host
//! for nothing does the same thing each time, so that what passes here passes there; and what opa-wasm does not check,
//! that the data were read and that the heap lies inside the memory, is checked here.
//! Not here: evaluation.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use wasmtime::{
    ExternType, ImportType, Instance, Linker, Memory, MemoryType, Module, Store, TypedFunc,
    UnknownImportError, WasmParams, WasmResults,
};

use crate::limits;
use crate::program::{Fault, ProgramError, State, fault, store};
use crate::result::BrokenCode;

/// Refuse a module that may not be run, cannot read `data`, or has no such entrypoint.
pub(crate) fn check(module: &Module, data: &RawValue, entrypoint: &str) -> Result<(), ProgramError> {
    let memory = check_imports(module)?;
    let mut sandbox = Sandbox::start(module, memory).map_err(unusable)?;
    sandbox.check_abi().map_err(unusable)?;
    let builtins = sandbox.names("builtins")?;
    if !builtins.is_empty() {
        return Err(ProgramError::HostFunctions(builtins.into_keys().collect()));
    }
    if !sandbox.names("entrypoints")?.contains_key(entrypoint) {
        return Err(ProgramError::Entrypoint(entrypoint.to_owned()));
    }
    sandbox.check_data(data).map_err(unusable)
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

/// One instance and its store, without a host.
struct Sandbox {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
}

impl Sandbox {
    fn start(module: &Module, memory: MemoryType) -> Result<Self, Fault> {
        let mut store = store(module.engine())?;
        let memory = Memory::new(&mut store, memory).map_err(|error| sorted(&store, &error))?;
        let mut linker = Linker::new(module.engine());
        linker.define(&store, "env", "memory", memory).map_err(|error| sorted(&store, &error))?;
        linker.define_unknown_imports_as_traps(module).map_err(|error| sorted(&store, &error))?;
        let instance = linker.instantiate(&mut store, module).map_err(|error| sorted(&store, &error))?;
        Ok(Self { store, instance, memory })
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> Result<R, Fault> {
        let function: TypedFunc<P, R> = self
            .instance
            .get_typed_func(&mut self.store, name)
            .map_err(|error| Fault::new(BrokenCode::Trap, error.to_string()))?;
        function.call(&mut self.store, arguments).map_err(|error| sorted(&self.store, &error))
    }

    fn check_abi(&mut self) -> Result<(), Fault> {
        let mut version = |name| self.instance.get_global(&mut self.store, name)?.get(&mut self.store).i32();
        match (version("opa_wasm_abi_version"), version("opa_wasm_abi_minor_version")) {
            (Some(1), Some(minor)) if minor >= 2 => Ok(()),
            _ => Err(Fault::new(BrokenCode::Trap, "no OPA Wasm ABI 1.2 or later")),
        }
    }

    /// An export that gives a JSON object from names to numbers.
    fn names(&mut self, export: &str) -> Result<BTreeMap<String, i32>, ProgramError> {
        let value = self.call::<(), i32>(export, ()).map_err(unusable)?;
        let text = self.call::<i32, i32>("opa_json_dump", value).map_err(unusable)?;
        let bytes = self.read(text).map_err(unusable)?;
        serde_json::from_slice(bytes)
            .map_err(|_| ProgramError::Module(format!("{export} gives no object of numbers")))
    }

    /// Let the module read the data, as opa-wasm hands them over: ended by a zero byte, which counts.
    fn check_data(&mut self, data: &RawValue) -> Result<(), Fault> {
        let bytes = [data.get().as_bytes(), b"\0"].concat();
        let length = i32::try_from(bytes.len()).map_err(|_| outside())?;
        let address = self.call::<i32, i32>("opa_malloc", length)?;
        let start = usize::try_from(address).map_err(|_| outside())?;
        self.memory.write(&mut self.store, start, &bytes).map_err(|_| outside())?;
        if self.call::<(i32, i32), i32>("opa_json_parse", (address, length))? == 0 {
            return Err(Fault::new(BrokenCode::Trap, "the module cannot read the pack's data"));
        }
        self.call::<i32, ()>("opa_free", address)?;
        // opa-wasm writes the input there and computes with this address before it looks whether it fits.
        let heap = usize::try_from(self.call::<(), i32>("opa_heap_ptr_get", ())?).map_err(|_| outside())?;
        if heap > limits::MEMORY_BYTES - limits::INPUT_BYTES { Err(outside()) } else { Ok(()) }
    }

    /// A text that ends with a zero byte.
    fn read(&self, address: i32) -> Result<&[u8], Fault> {
        let start = usize::try_from(address).map_err(|_| outside())?;
        let rest = self.memory.data(&self.store).get(start..).ok_or_else(outside)?;
        let window = &rest[..rest.len().min(limits::RESULT_BYTES)];
        let end = window.iter().position(|byte| *byte == 0);
        Ok(&window[..end.ok_or_else(|| Fault::new(BrokenCode::Malformed, "a list of names is too long"))?])
    }
}

fn outside() -> Fault {
    Fault::new(BrokenCode::Trap, "the module gave an address outside its memory")
}

fn sorted(store: &Store<State>, error: &wasmtime::Error) -> Fault {
    let called =
        error.downcast_ref::<UnknownImportError>().is_some_and(|import| import.name() != "opa_abort");
    fault(store.data(), error.downcast_ref(), called)
}

fn unusable(fault: Fault) -> ProgramError {
    ProgramError::Module(fault.reason)
}
