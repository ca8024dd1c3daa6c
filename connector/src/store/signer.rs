//! The key that signs the checkpoints of our log (spec chapter 08, LOG-5), tied to the log's origin.
//!
//! Does not decide when to sign: the sequencer does, behind its compare-and-swap.

use naru_protocol::{
    log::{
        checkpoint::{Checkpoint, Origin, SignedCheckpoint},
        merkle::Hash,
        note::{KeyKind, NoteKey, NoteSigner},
    },
    signature::SigningKey,
};

use super::StoreError;

/// Signs checkpoints of one log. Held by the store alone, so that nothing else can sign another history.
#[derive(Debug)]
pub struct LogSigner {
    origin: String,
    signer: NoteSigner,
}

impl LogSigner {
    /// Ties the log key of the current key set to the log's name.
    pub fn new(origin: &Origin, key: SigningKey) -> Result<Self, StoreError> {
        let origin = origin.to_string();
        let signer = NoteSigner::new(&origin, KeyKind::Note, key)
            .map_err(|e| StoreError::BadBatch(format!("the log key cannot be used: {e}")))?;
        Ok(Self { origin, signer })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key that verifies.
    #[must_use]
    pub const fn key(&self) -> &NoteKey {
        self.signer.key()
    }

    /// The signed note of a size and root.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> Result<String, StoreError> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let signed = SignedCheckpoint::sign(checkpoint, &self.signer)
            .map_err(|e| StoreError::BadBatch(format!("the checkpoint cannot be signed: {e}")))?;
        Ok(signed.own_note())
    }
}
