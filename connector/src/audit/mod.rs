//! Verifying exported logs from files alone, against anchors that the auditor brings (spec chapter 09).
//!
//! | Module | What it looks at |
//! |---|---|
//! | `anchors` | what the auditor trusts |
//! | `export` | a folder, or the one file that holds it, within limits |
//! | `statements` | key sets, participant statements, listings of all folders |
//! | `log` | key, checkpoint, tiles, entries, lanes, disclosures |
//! | `acts` | each act against its entry and its signatures |
//! | `decisions` | each evaluation, executed again |
//! | `forks` | proofs that a participant signed two histories |
//! | `halves` | the same act in both logs, checkpoints that one shows of the other |
//! | `agreements`, `exchanges` | what came of each deal and transfer |
//! | `reports` | what parties attested about their duties |
//! | `plain/` | exchanges with peers that sign nothing |
//! | `finding`, `reason`, `report` | claims, why they fail, how they are told |
//!
//! Nothing of a node is used: no database, no clock, no network. A claim is proved by a check that was made, and by nothing
//! else; whatever a file holds, the outcome is a claim, never an error.

mod acts;
mod agreements;
mod anchors;
mod decisions;
mod exchanges;
mod export;
mod finding;
mod forks;
mod halves;
mod log;
mod occurrence;
mod plain;
mod reason;
mod report;
mod reports;
mod statements;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use naru_protocol::{error::Code, log::tile::entry_bundles};

use self::{
    acts::Acts,
    decisions::Packs,
    exchanges::Exchanges,
    export::Folder,
    finding::{Fault, Findings, Subject},
    halves::Half,
    log::Log,
    plain::Plain,
    report::LogLine,
    statements::Statements,
};
pub use self::{
    anchors::Anchors,
    exchanges::Concluded,
    finding::{Claim, Grade, Verdict},
    reason::Reason,
    report::{MAY, MAY_NOT, MAY_NOT_UNSIGNED, Report},
};
use crate::control::Failure;

/// Folders of one audit, at most.
const FOLDERS: usize = 64;

/// Verifies several times in a row, and compiles each pack once. Nothing else is remembered from one time to the next.
#[derive(Default)]
pub struct Auditor(Packs);

impl std::fmt::Debug for Auditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auditor").finish_non_exhaustive()
    }
}

impl Auditor {
    /// As [`verify`].
    pub fn verify(&mut self, dirs: &[PathBuf], anchors: &Anchors) -> Result<Report, Failure> {
        verify_with(dirs, anchors, &mut self.0)
    }
}

/// Verifies one or more exports together. Fails only if there is nothing to look at; what is wrong with a folder is a claim.
pub fn verify(dirs: &[PathBuf], anchors: &Anchors) -> Result<Report, Failure> {
    verify_with(dirs, anchors, &mut Packs::default())
}

fn verify_with(dirs: &[PathBuf], anchors: &Anchors, packs: &mut Packs) -> Result<Report, Failure> {
    if dirs.is_empty() || dirs.len() > FOLDERS {
        return Err(Failure::new(Code::ArgumentInvalid, format!("give 1 to {FOLDERS} exported folders")));
    }
    let mut findings = Findings::default();
    let folders = list(dirs, &mut findings);
    let statements = Statements::gather(&folders, anchors, &mut findings);
    packs.clear();
    let mut logs: Vec<(usize, Log)> = Vec::new();
    for (number, folder) in &folders {
        match log::read(folder, *number, &statements, anchors, &mut findings) {
            Some(log) => {
                let about = Subject::new("node", dirs[*number].display()).log(*number);
                findings.take(about, Grade::Own, statements.of_exporter(folder, &log));
                logs.push((*number, log));
            }
            None => {
                let fault = Fault::unsupported(Reason::LogUnusable, "acts and decisions were not looked at");
                findings.fault(Subject::new("acts", dirs[*number].display()).log(*number), fault);
            }
        }
        packs.gather(folder, *number, anchors, &mut findings);
    }
    log::superseded(&logs, &statements, &mut findings);
    let (mut seen, mut plains): (Vec<(usize, Acts)>, Vec<Plain>) = Default::default();
    for (number, log) in &logs {
        let Some((_, folder)) = folders.iter().find(|(at, _)| at == number) else { continue };
        let acts = acts::read(folder, *number, log, &statements, &mut findings);
        let mut plain = plain::read(folder, *number, log, &acts, &mut findings);
        let executed = decisions::read(folder, *number, log, (&acts, &plain), packs, &mut findings);
        plain::judge(&mut plain, log, &executed, &statements, &mut findings);
        agreements::withheld(folder, *number, log, &mut findings);
        forks::read(folder, *number, log, &statements, &mut findings);
        seen.push((*number, acts));
        plains.push(plain);
    }
    let halves: Vec<Half<'_>> = logs
        .iter()
        .zip(&seen)
        .map(|((number, log), (_, acts))| Half { number: *number, log, acts })
        .collect();
    halves::join(&halves, &mut findings);
    let exchanges = Exchanges::join(&seen);
    let agreed = agreements::read(&folders, &exchanges, &statements, &mut findings);
    reports::read(&exchanges, &agreed, &mut findings);
    let mut concluded = exchanges::conclude(&exchanges, &agreed, &statements, &mut findings);
    concluded.extend(plain::conclude(&plains, &mut findings));
    let lines = dirs.iter().enumerate().map(|(number, dir)| line(number, dir, &logs, anchors)).collect();
    let any_pack = anchors.packs.is_none();
    Ok(Report { logs: lines, exchanges: concluded, claims: findings.claims, any_pack })
}

/// Lists all folders; names that do not belong are failed claims.
fn list(dirs: &[PathBuf], findings: &mut Findings) -> Vec<(usize, Folder)> {
    let mut folders = Vec::new();
    for (number, dir) in dirs.iter().enumerate() {
        let about = Subject::new("files", dir.display()).log(number);
        let Some(folder) = findings.need(about.clone(), Folder::list(dir)) else { continue };
        for name in folder.odd.iter().take(20) {
            findings.fault(about.clone(), Fault::failed(Reason::FileUnexpected, name));
        }
        folders.push((number, folder));
    }
    folders
}

fn line(number: usize, dir: &std::path::Path, logs: &[(usize, Log)], anchors: &Anchors) -> LogLine {
    let dir = dir.display().to_string();
    let Some((_, log)) = logs.iter().find(|(at, _)| *at == number) else {
        let (participant, origin, root, last_bundle) = Default::default();
        return LogLine { dir, participant, origin, size: 0, root, last_bundle };
    };
    let participant = match anchors.participants.get(&log.did) {
        Some((name, country)) => format!("{name} ({country}), {}", log.did),
        None => log.did.to_string(),
    };
    let size = log.signed.size();
    let last_bundle = entry_bundles(size).last().map(|tile| tile.path()).unwrap_or_default();
    LogLine {
        dir,
        participant,
        origin: log.origin.to_string(),
        size,
        root: log.signed.root().to_string(),
        last_bundle,
    }
}
