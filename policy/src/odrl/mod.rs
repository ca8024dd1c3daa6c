//! What an offer says, interpreted (spec chapter 05b, ODR).
//!
//! An offer comes in the forms that connectors write: DSP's compact form, with or without prefixes, single values where
//! lists could stand, logical constraints in one another. [`normalise`] brings it into one form, in which times are
//! integers, names are short, and logic is at most one level deep; what it cannot read it refuses by JSON pointer.
//! [`Interpreter`] gives that form and the facts to the module `odrl`, which runs in the same box as the packs of law
//! and alone says what the offer means.
//!
//! Nothing is fetched: a JSON-LD context is one of those known here or is refused (ODR-1.3).
//! Not here: the law, which other packs judge; where facts come from.

mod constraint;
mod decided;
mod names;
mod normal;
mod object;
mod time;

use serde_json::Value;
use thiserror::Error;

use crate::bundle::{Bundle, BundleError};
use crate::bundled;
use crate::engine::Engine;
use crate::pack::{Pack, Text};
use crate::result::Evaluation;

pub use normal::normalise;
pub use time::instant;

/// An offer in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normal {
    /// What the module is given as `policy`.
    pub document: Value,
    /// It is a proposition and no agreement yet: what is evaluated is the agreement that it would become (ODR-3.1).
    pub hypothetical: bool,
    /// What was read in another way than it was written.
    pub warnings: Vec<Warning>,
}

/// Something in an offer that was read in another way than it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// How it was read.
    pub text: Text,
}

/// An offer that is not understood, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{pointer}: {reason}")]
pub struct Refusal {
    /// JSON pointer into the offer.
    pub pointer: String,
    /// Why.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn at(pointer: &str, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), reason: reason.into() }
    }
}

/// Facts that bring an offer of their own.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the facts are no object, or hold a member `policy`: the offer is given apart from them")]
pub struct Contradiction;

/// The module that says what offers mean. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interpreter {
    engine: Engine,
}

impl Interpreter {
    /// The module that comes with this crate. Compiles it, which takes some hundred milliseconds.
    ///
    /// # Errors
    /// [`BundleError`]: the bundle is damaged, which cannot be after a good build.
    pub fn load() -> Result<Self, BundleError> {
        Ok(Self { engine: Engine::alone(Bundle::load(bundled::ODRL)?) })
    }

    /// Its description: rules, texts, digest.
    #[must_use]
    pub fn pack(&self) -> Option<&Pack> {
        self.engine.packs().next()
    }

    /// The engine with this module alone, for what is told of its results.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the offer says to these facts, which are an input document as the packs of law are given.
    ///
    /// # Errors
    /// [`Contradiction`]: the facts hold an offer themselves.
    pub fn evaluate(&self, offer: &Normal, facts: &Value) -> Result<Evaluation, Contradiction> {
        Ok(self.engine.evaluate(&with_policy(offer, facts)?))
    }
}

/// The input document of the module.
fn with_policy(offer: &Normal, facts: &Value) -> Result<Value, Contradiction> {
    let mut input = facts.as_object().cloned().ok_or(Contradiction)?;
    match input.insert("policy".to_owned(), offer.document.clone()) {
        None => Ok(Value::Object(input)),
        Some(_) => Err(Contradiction),
    }
}
