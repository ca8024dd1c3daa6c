//! The proof of one entry as a file that stands by itself, C2SP tlog-proof (spec chapter 08, LOG-8).
//!
//! Index, inclusion proof and checkpoint, verbatim; whoever has the entry and the log's key needs nothing else. The optional line
//! `extra`, which nothing signs, is neither written nor taken.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    checkpoint::{CheckpointError, SignedCheckpoint, decimal},
    merkle::{Hash, leaf_hash},
    note::NoteKey,
};
use crate::{error::Code, limits};

/// First line of the file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not header, index, hashes, blank line and note.
    #[error("not a tlog-proof")]
    Malformed,
    /// The note does not open, or the entry is not in that log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl TlogProofError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed => Code::EvidenceMalformed,
            Self::Checkpoint(error) => error.code(),
        }
    }
}

/// Where an entry is, and the hashes that lead from it to the root of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's number.
    pub index: u64,
    /// The inclusion proof.
    pub proof: Vec<Hash>,
    /// The signed note, as it is.
    pub note: String,
}

impl TlogProof {
    /// Reads the file, exactly as [`Self::to_text`] writes it.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::Malformed)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Malformed);
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .ok_or(TlogProofError::Malformed)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == limits::PROOF_HASHES {
                return Err(TlogProofError::Malformed);
            }
            proof.push(Hash::parse(line).ok_or(TlogProofError::Malformed)?);
        }
        if note.len() > limits::NOTE {
            return Err(TlogProofError::Malformed);
        }
        Ok(Self { index, proof, note: note.to_string() })
    }

    /// The file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nindex {}\n", self.index);
        for hash in &self.proof {
            text.push_str(&hash.to_string());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Checks that this very entry is in the log of that key, and gives the checkpoint that says so.
    pub fn check(
        &self,
        entry: &[u8],
        log: &NoteKey,
        cosigners: &[NoteKey],
    ) -> Result<SignedCheckpoint, TlogProofError> {
        let checkpoint = SignedCheckpoint::open(self.note.as_bytes(), log, cosigners)?;
        checkpoint.includes(self.index, &leaf_hash(entry), &self.proof)?;
        Ok(checkpoint)
    }
}
