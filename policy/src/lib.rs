//! Law and agreement as policy: load a rule pack compiled to Wasm, evaluate it in a box, explain the result.
//!
//! A *pack* is one OPA bundle: Rego compiled to Wasm, its data, its manifest. [`Bundle::load`] takes the bytes apart and
//! refuses what could reach outside; [`Engine::evaluate`] gives one input document to every pack and merges what they
//! say into one [`ResultDoc`]; [`Engine::for_peer`] says how much of it the other side may learn, and
//! [`Engine::remedies`] what a person could do about a denial.
//!
//! Modules are run by opa-wasm, in a wasmtime store for each evaluation at a time (`program.rs`). opa-wasm has a built-in
//! function that hands out the process's environment and cannot be built without it; so every module first passes a gate
//! that refuses whoever asks for a built-in function, whichever (`gate.rs`, POL-2.4).
//!
//! A module sees the input and the pack's data, nothing else: no clock, no network, no environment, no state from one
//! evaluation to the next. Whatever goes wrong inside is [`Evaluation::Broken`], which never allows.
//!
//! Specification: `spec/05-policy.md` (POL). Not here: where facts come from, signatures, storage, any IO.
#![forbid(unsafe_code)]

mod bundle;
pub mod bundled;
pub mod compiled;
mod digest;
mod engine;
mod gate;
mod input;
mod jcs;
pub mod limits;
pub mod odrl;
mod overlay;
mod pack;
mod program;
mod reads;
mod remedy;
mod result;

pub use bundle::{Bundle, BundleError};
pub use digest::{document_digest, pack_digest, sha256};
pub use engine::{Engine, EngineError};
pub use input::{InputError, Parts, assemble, contradiction, split};
pub use overlay::OverlayError;
pub use pack::{
    Condition, Disclose, Evaluator, Fact, Held, InForce, Lang, Pack, Rule, RuleRemedy, Source, Text,
};
pub use reads::Reads;
pub use remedy::{Check, Remedy, RemedyKind};
pub use result::{
    Basis, BrokenCode, Delegation, Evaluation, Finding, Obligation, PackRef, Party, PeerView, ResultDoc, Side,
};
