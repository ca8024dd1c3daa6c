//! Tables as lines of text, spreadsheets, JSON.

pub(super) mod delimited;
pub(super) mod json;
pub(super) mod plain;
pub(super) mod sheet;

use super::{
    find,
    gather::{Gather, Spent},
};

/// The first row of a table, held until it is known whether it is names.
#[derive(Default)]
pub(super) struct Head {
    /// Names as shown, once they are known.
    pub(super) names: Vec<String>,
    pub(super) done: bool,
}

impl Head {
    /// Takes the first row that is not empty: names, unless a cell is a number or has something to be found.
    pub(super) fn take(&mut self, cells: &[String], row: u64, gather: &mut Gather) -> Result<(), Spent> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        self.done = true;
        let value = |cell: &String| {
            let cell = cell.trim();
            let mut found = cell.parse::<f64>().is_ok_and(f64::is_finite);
            find::candidates(cell, u16::MAX, &mut |_, hit| found |= hit.check > find::Check::Length);
            found
        };
        if cells.iter().any(value) {
            for (column, cell) in cells.iter().enumerate() {
                gather.cell(column, Some(row), cell)?;
            }
            return Ok(());
        }
        self.names = cells.iter().enumerate().map(|(column, cell)| gather.name(column, cell)).collect();
        Ok(())
    }
}
