//! Overlays: packs of an operator's own beside the law's (POL-16). Results are merged like any pack's, so an overlay cannot allow
//! what another pack denies; here is refused what could weaken the others another way. Not here: which files they are, and that
//! no peer is asked to have them.

use thiserror::Error;

use crate::bundle::Bundle;
use crate::engine::{Engine, EngineError};
use crate::input;
use crate::pack::{Evaluator, Held};

/// Why a bundle is no overlay.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayError {
    /// It does not fit beside the packs.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It says of a fact that another part holds it than the packs say: a peer could then slip it in.
    #[error("overlay {pack}: {pointer} is not held where the packs of law say")]
    Held {
        /// The overlay.
        pack: String,
        /// The fact.
        pointer: String,
    },
    /// A rule that only one side evaluates would be left to a peer that does not have it.
    #[error("overlay {pack}: rule {rule} has an evaluator other than both")]
    Evaluator {
        /// The overlay.
        pack: String,
        /// The rule.
        rule: String,
    },
}

impl Engine {
    /// This engine with overlays beside its packs.
    ///
    /// # Errors
    /// [`OverlayError`]: an overlay with the name or a rule of another pack, or one that could do more than deny and oblige.
    pub fn with_overlays(&self, overlays: Vec<Bundle>) -> Result<Self, OverlayError> {
        for bundle in &overlays {
            let pack = bundle.pack();
            if self.packs().any(|own| own.name == pack.name) {
                return Err(EngineError::TwicePack(pack.name.clone()).into());
            }
            let held = |pointer: &str| -> Vec<Held> {
                let listed = self.packs().filter_map(|own| own.facts.get(pointer).map(|fact| fact.held));
                listed.chain(input::known(pointer)).collect()
            };
            let other =
                pack.facts.iter().find(|(pointer, fact)| held(pointer).iter().any(|h| *h != fact.held));
            if let Some((pointer, _)) = other {
                return Err(OverlayError::Held { pack: pack.name.clone(), pointer: pointer.clone() });
            }
            if let Some((rule, _)) = pack.rules.iter().find(|(_, rule)| rule.evaluator != Evaluator::Both) {
                return Err(OverlayError::Evaluator { pack: pack.name.clone(), rule: rule.clone() });
            }
        }
        Ok(self.with(overlays.into_iter().map(Bundle::into_overlay).collect())?)
    }
}
