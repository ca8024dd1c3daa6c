//! Spreadsheets (xlsx): cells sheet by sheet, as they come. No sheet is held in memory; shared strings are, up to a limit.

use std::collections::BTreeMap;

use super::Head;
use crate::scan::{
    gather::Gather,
    limits,
    office::{
        words::{self, Sort},
        xml::{Step, Xml},
        zip::{self, Budget, Entry},
    },
    report::Reason,
    source::{Outcome, Source},
};

/// Strings that cells refer to, one after the other.
#[derive(Default)]
struct Shared {
    text: String,
    ends: Vec<usize>,
}

impl Shared {
    fn get(&self, at: usize) -> Option<&str> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(at)?)
    }
}

/// Reads all sheets; returns the names of the columns of the first one with any.
pub(in crate::scan) fn read(
    source: &mut dyn Source,
    size: u64,
    gather: &mut Gather,
) -> Result<(Outcome, Vec<String>), Reason> {
    let entries = zip::directory(source, size)?;
    let mut budget = Budget::new();
    let mut outcome = Outcome::default();
    let names = names(source, &entries, &mut budget);
    let shared = match entries.iter().find(|entry| entry.name == "xl/sharedStrings.xml") {
        Some(entry) => strings(Xml::new(zip::open(source, entry, &mut budget)?), &mut outcome)?,
        None => Shared::default(),
    };
    let sheets: Vec<_> = entries
        .iter()
        .filter(|entry| entry.name.starts_with("xl/worksheets/") && entry.name.ends_with(".xml"))
        .take(limits::SHEETS + 1)
        .collect();
    if sheets.is_empty() {
        return Err(Reason::Damaged);
    }
    if sheets.len() > limits::SHEETS {
        outcome.lacks(Reason::TooLarge);
    }
    let mut columns = Vec::new();
    let mut rows = 0;
    for entry in sheets.iter().take(limits::SHEETS) {
        let file = entry.name.trim_start_matches("xl/");
        let part = names.get(file).cloned().unwrap_or_else(|| file.to_owned());
        gather.begin_table(Some(part));
        let mut cells = Cells { shared: &shared, head: Head::default(), first: Vec::new(), held: 0, rows: 0 };
        let read = zip::open(source, entry, &mut budget).and_then(|open| cells.read(Xml::new(open), gather));
        if let Err(reason) = read {
            outcome.lacks(reason);
        }
        rows += cells.rows;
        if columns.is_empty() {
            columns = cells.head.names;
        }
    }
    let beside = words::read(Sort::Sheet, source, &entries, &mut budget, gather)?;
    if let Some(reason) = beside.partial {
        outcome.lacks(reason);
    }
    if gather.was_cut() {
        outcome.lacks(Reason::TooLarge);
    }
    outcome.rows = Some(rows);
    Ok((outcome, columns))
}

/// Names of sheets by the entry that holds them. Where they cannot be read, entries are named.
fn names(source: &mut dyn Source, entries: &[Entry], budget: &mut Budget) -> BTreeMap<String, String> {
    let mut attributes = |name: &str, tag: &str, key: &str, value: &str| {
        let mut pairs = BTreeMap::new();
        let entry = entries.iter().find(|entry| entry.name == name)?;
        let mut xml = Xml::new(zip::open(source, entry, budget).ok()?);
        while pairs.len() <= limits::SHEETS * 4 {
            match xml.step().ok()? {
                Step::Open(open, attributes) if open == tag => {
                    let get = |name: &str| {
                        attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
                    };
                    if let (Some(key), Some(value)) = (get(key), get(value)) {
                        pairs.insert(key, value);
                    }
                }
                Step::Open(..) | Step::Close(_) | Step::Text(_) => {}
                Step::End => break,
            }
        }
        Some(pairs)
    };
    // `r:id` and `sheetId` differ; prefixes are dropped, so `id` is the relation.
    let sheets = attributes("xl/workbook.xml", "sheet", "id", "name").unwrap_or_default();
    let files = attributes("xl/_rels/workbook.xml.rels", "Relationship", "Id", "Target").unwrap_or_default();
    files
        .into_iter()
        .filter_map(|(id, file)| {
            let file = file.trim_start_matches("/xl/").to_owned();
            Some((file, sheets.get(&id)?.clone()))
        })
        .collect()
}

fn strings(mut xml: Xml<'_>, outcome: &mut Outcome) -> Result<Shared, Reason> {
    let mut shared = Shared::default();
    let (mut inside, mut phonetic) = (false, false);
    loop {
        match xml.step()? {
            Step::Open(name, _) if name == "t" => inside = true,
            Step::Open(name, _) if name == "rPh" => phonetic = true,
            Step::Close(name) if name == "t" => inside = false,
            Step::Close(name) if name == "rPh" => phonetic = false,
            Step::Close(name) if name == "si" => shared.ends.push(shared.text.len()),
            Step::Text(text) if inside && !phonetic => shared.text.push_str(&text),
            Step::Open(..) | Step::Close(_) | Step::Text(_) => {}
            Step::End => return Ok(shared),
        }
        if shared.text.len() > limits::SHARED_STRINGS || shared.ends.len() > limits::SHARED_COUNT {
            outcome.lacks(Reason::Unpacks);
            return Ok(shared);
        }
    }
}

struct Cells<'a> {
    shared: &'a Shared,
    head: Head,
    first: Vec<String>,
    /// Bytes of the first row.
    held: usize,
    rows: u64,
}

impl Cells<'_> {
    fn read(&mut self, mut xml: Xml<'_>, gather: &mut Gather) -> Result<(), Reason> {
        let (mut column, mut row, mut refers) = (0, 0, false);
        let (mut value, mut inside) = (String::new(), false);
        loop {
            match xml.step()? {
                Step::Open(name, attributes) => {
                    let get =
                        |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
                    match name.as_str() {
                        "row" => {
                            row = get("r").and_then(|r| r.parse().ok()).unwrap_or(row + 1);
                            column = 0;
                            self.rows += 1;
                        }
                        "c" => {
                            column = get("r").and_then(of_reference).unwrap_or(column);
                            refers = get("t") == Some("s");
                            value.clear();
                        }
                        "v" | "t" => inside = true,
                        _ => {}
                    }
                }
                Step::Text(text) if inside => value.push_str(&text),
                Step::Text(_) => {}
                Step::Close(name) => match name.as_str() {
                    "v" | "t" => inside = false,
                    "c" => {
                        let text = if refers { self.referred(&value, gather) } else { whole(&value) };
                        self.cell(column, row, text, gather)?;
                        column += 1;
                    }
                    "row" => self.end_row(row, gather)?,
                    _ => {}
                },
                Step::End => return Ok(()),
            }
            if value.len() > limits::CELL_BYTES {
                gather.cut();
                value.clear();
            }
        }
    }

    fn referred(&self, value: &str, gather: &mut Gather) -> String {
        let text = value.trim().parse().ok().and_then(|at| self.shared.get(at));
        text.map_or_else(
            || {
                // Beyond what is kept: not seen.
                gather.cut();
                String::new()
            },
            ToOwned::to_owned,
        )
    }

    fn cell(&mut self, column: usize, row: u64, text: String, gather: &mut Gather) -> Result<(), Reason> {
        if self.head.done {
            return gather.cell(column, Some(row), &text).map_err(|_| Reason::TooLarge);
        }
        self.held = self.held.saturating_add(text.len());
        if column >= limits::COLUMNS || self.held > limits::FIRST_ROW {
            gather.cut();
            return Ok(());
        }
        if self.first.len() <= column {
            self.first.resize(column + 1, String::new());
        }
        if let Some(cell) = self.first.get_mut(column) {
            *cell = text;
        }
        Ok(())
    }

    fn end_row(&mut self, row: u64, gather: &mut Gather) -> Result<(), Reason> {
        if self.head.done {
            return Ok(());
        }
        let first = core::mem::take(&mut self.first);
        self.head.take(&first, row, gather).map_err(|_| Reason::TooLarge)
    }
}

/// The column of a reference such as `AB12`, from 0.
fn of_reference(reference: &str) -> Option<usize> {
    let mut letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let number = letters.try_fold(0_usize, |sum, letter| {
        sum.checked_mul(26)?.checked_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    })?;
    number.checked_sub(1)
}

/// A number as people write it: spreadsheets write large ones with an exponent.
fn whole(value: &str) -> String {
    let value = value.trim();
    match value.parse::<f64>() {
        Ok(number) if value.contains(['e', 'E']) && number.is_finite() && number.abs() < 1e16 => {
            number.to_string()
        }
        Ok(_) | Err(_) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_numbers() {
        assert_eq!(of_reference("A1"), Some(0));
        assert_eq!(of_reference("AB12"), Some(27));
        assert_eq!(of_reference("12"), None);
        assert_eq!(of_reference("ZZZZZZZZZZZZZZZZZZZZZZZ1"), None);
        assert_eq!(whole("9.001011234568E12"), "9001011234568");
        assert_eq!(whole("text"), "text");
    }
}
