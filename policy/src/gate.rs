//! What a module must pass before it is asked anything (POL-2.2, POL-2.4).
//!
//! It is refused if it imports anything foreign, names a built-in function of its host, or has no such entrypoint. It is run
//! here for the first time, in the same box as later (`instance`), up to the point where it has read the pack's own data.
//! Not here: evaluation.

use std::collections::BTreeMap;

use wasmtime::{ExternType, ImportType, MemoryType, Module};

use crate::instance::{Fault, Instance, Loaded};
use crate::limits;
use crate::program::ProgramError;
use crate::result::BrokenCode;

/// What the gate found out about a module that passed.
pub(crate) struct Passed {
    pub(crate) memory: MemoryType,
    pub(crate) entrypoint: i32,
    pub(crate) loaded: Loaded,
}

/// Refuse a module that may not be run, cannot read `data`, or has no such entrypoint.
pub(crate) fn check(module: &Module, data: &str, entrypoint: &str) -> Result<Passed, ProgramError> {
    let memory = check_imports(module)?;
    let mut instance = Instance::start(module, memory.clone()).map_err(unusable)?;
    check_abi(&mut instance).map_err(unusable)?;
    let builtins = names(&mut instance, "builtins")?;
    if !builtins.is_empty() {
        return Err(ProgramError::HostFunctions(builtins.into_keys().collect()));
    }
    let entrypoints = names(&mut instance, "entrypoints")?;
    let number = entrypoints.get(entrypoint).copied();
    let entrypoint = number.ok_or_else(|| ProgramError::Entrypoint(entrypoint.to_owned()))?;
    // Asking for the lists has left traces: the data are read by another instance, as they will be.
    let mut instance = Instance::start(module, memory.clone()).map_err(unusable)?;
    let loaded = instance.load(data).map_err(unusable)?;
    Ok(Passed { memory, entrypoint, loaded })
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

fn check_abi(instance: &mut Instance) -> Result<(), Fault> {
    let mut version = |name| {
        let global = instance.global(name)?;
        global.get(instance.store()).i32()
    };
    match (version("opa_wasm_abi_version"), version("opa_wasm_abi_minor_version")) {
        (Some(1), Some(minor)) if minor >= 2 => Ok(()),
        _ => Err(Fault::new(BrokenCode::Trap, "no OPA Wasm ABI 1.2 or later")),
    }
}

/// An export that gives a JSON object from names to numbers.
fn names(instance: &mut Instance, export: &str) -> Result<BTreeMap<String, i32>, ProgramError> {
    let value = instance.call::<(), i32>(export, ()).map_err(unusable)?;
    let text = instance.call::<i32, i32>("opa_json_dump", value).map_err(unusable)?;
    let bytes = instance.text(text, limits::RESULT_BYTES).map_err(unusable)?;
    serde_json::from_slice(bytes)
        .map_err(|_| ProgramError::Module(format!("{export} gives no object of numbers")))
}

fn unusable(fault: Fault) -> ProgramError {
    ProgramError::Module(fault.reason)
}
