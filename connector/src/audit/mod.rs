//! Verifying exported logs from files alone, against anchors that the auditor brings (spec chapter 09).

use std::path::{Path, PathBuf};

use crate::control::Failure;

/// Whom the auditor trusts to be whom.
#[derive(Debug)]
pub struct Anchors;

impl Anchors {
    /// Reads the file.
    pub fn read(_path: &Path) -> Result<Self, Failure> {
        Ok(Self)
    }
}

/// What was found.
#[derive(Debug)]
pub struct Report;

impl Report {
    /// Whether all holds.
    pub fn holds(&self) -> bool {
        false
    }
    /// Proved, all.
    pub fn tally(&self) -> (usize, usize) {
        (0, 0)
    }
    /// Of an exchange.
    pub fn verdict_of(&self, _id: &str) -> Option<&str> {
        None
    }
    /// Width of the last partial bundle of a log.
    pub fn partial(&self, _log: usize) -> String {
        String::new()
    }
    /// The first claim that failed.
    pub fn first_failure(&self) -> Option<String> {
        None
    }
    /// JSON.
    pub fn to_json(&self) -> String {
        String::new()
    }
    /// Text.
    pub fn to_text(&self) -> String {
        String::new()
    }
}

/// Verifies.
pub fn verify(_dirs: &[PathBuf], _anchors: &Anchors) -> Result<Report, Failure> {
    Ok(Report)
}
