//! CSV and its relatives: which separator, and the cells.

use crate::scan::{
    gather::{Gather, Spent},
    limits,
    source::Lines,
};

use super::Head;

/// The separators that are tried, the more usual first.
const SEPARATORS: [char; 4] = [',', '\t', ';', '|'];

/// The separator with which the first lines have the same number of fields, the more the better.
pub(in crate::scan) fn separator(text: &str) -> char {
    let mut best = (0, ',');
    for separator in SEPARATORS {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).take(20);
        let mut counts: Vec<usize> = lines.map(|line| outside_quotes(line, separator)).collect();
        // The last line of a head may be cut.
        if counts.len() > 2 {
            counts.pop();
        }
        counts.sort_unstable();
        let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let same = counts.iter().filter(|count| **count == usual).count();
        // That lines agree weighs more than how many fields they have.
        let score = if usual == 0 { 0 } else { same * 1000 / counts.len() * 10 + usual.min(100) };
        if score > best.0 {
            best = (score, separator);
        }
    }
    best.1
}

fn outside_quotes(line: &str, separator: char) -> usize {
    let mut quoted = false;
    line.chars()
        .filter(|c| {
            quoted ^= *c == '"';
            *c == separator && !quoted
        })
        .count()
}

/// Cells of a table of lines, as they come.
pub(in crate::scan) struct Delimited {
    separator: char,
    pub(in crate::scan) head: Head,
    field: String,
    state: State,
    column: usize,
    row: u64,
    first: Vec<String>,
    /// Row numbers are known up to the first jump.
    numbered: bool,
    skipping: bool,
    cell_begun: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field.
    Begin,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or one of two.
    Quote,
}

impl Delimited {
    pub(in crate::scan) fn new(separator: char) -> Self {
        Self {
            separator,
            head: Head::default(),
            field: String::new(),
            state: State::Begin,
            column: 0,
            row: 0,
            first: Vec::new(),
            numbered: true,
            skipping: false,
            cell_begun: false,
        }
    }

    fn character(&mut self, c: char, gather: &mut Gather) -> Result<(), Spent> {
        if self.skipping {
            self.skipping = c != '\n';
            return Ok(());
        }
        match (self.state, c) {
            (State::Begin, '"') => self.state = State::Quoted,
            (State::Quoted, '"') => self.state = State::Quote,
            (State::Quote, '"') => {
                self.field.push('"');
                self.state = State::Quoted;
            }
            (State::Quoted, c) => {
                self.field.push(c);
                if self.field.len() > limits::CELL_BYTES {
                    // A quote that is never closed must not swallow the file.
                    gather.cut();
                    self.end_field(gather)?;
                }
            }
            (_, c) if c == self.separator => self.end_field(gather)?,
            (_, '\n') => self.end_row(gather)?,
            (_, '\r') => {}
            (State::Begin | State::Plain | State::Quote, c) => {
                self.state = State::Plain;
                self.field.push(c);
                if self.field.len() > limits::CELL_BYTES {
                    gather.cut();
                    self.end_field(gather)?;
                }
            }
        }
        self.cell_begun = self.state != State::Begin || self.column > 0;
        Ok(())
    }

    fn end_field(&mut self, gather: &mut Gather) -> Result<(), Spent> {
        if self.head.done {
            let row = self.numbered.then_some(self.row + 1);
            gather.cell(self.column, row, &self.field)?;
        } else if self.first.len() < limits::COLUMNS {
            self.first.push(core::mem::take(&mut self.field));
        } else {
            gather.cut();
        }
        self.field.clear();
        self.column += 1;
        self.state = State::Begin;
        Ok(())
    }

    fn end_row(&mut self, gather: &mut Gather) -> Result<(), Spent> {
        self.end_field(gather)?;
        self.row += 1;
        self.column = 0;
        if !self.head.done {
            let first = core::mem::take(&mut self.first);
            self.head.take(&first, self.row, gather)?;
        }
        Ok(())
    }
}

impl Lines for Delimited {
    fn push(&mut self, text: &str, gather: &mut Gather) -> Result<(), Spent> {
        if self.row == 0 && self.column == 0 && self.state == State::Begin && !self.head.done {
            gather.mark_table();
        }
        text.chars().try_for_each(|c| self.character(c, gather))
    }

    fn jump(&mut self) {
        self.field.clear();
        (self.column, self.state) = (0, State::Begin);
        (self.numbered, self.skipping, self.cell_begun) = (false, true, false);
    }

    fn end(&mut self, whole: bool, gather: &mut Gather) -> Result<(), Spent> {
        if whole && self.cell_begun { self.end_row(gather) } else { Ok(()) }
    }

    fn rows(&self) -> u64 {
        self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::find::Kind;

    fn read(text: &str) -> (Gather, Delimited) {
        let mut gather = Gather::new(2026);
        let mut table = Delimited::new(separator(text));
        // In pieces of one character, as a decoder may hand them on.
        for c in text.chars() {
            table.push(c.encode_utf8(&mut [0; 4]), &mut gather).unwrap();
        }
        table.end(true, &mut gather).unwrap();
        (gather, table)
    }

    #[test]
    fn separators_are_told_from_the_lines() {
        assert_eq!(separator("a,b,c\n1,2,3\n"), ',');
        assert_eq!(separator("a;b;c\n1,5;2,5;3,5\n"), ';');
        assert_eq!(separator("a\tb\n1,2\t3\n"), '\t');
        assert_eq!(separator("a|b\n1|2\n"), '|');
        assert_eq!(separator("\"a;b;c\",x\n\"d;e;f\",y\n"), ',');
        assert_eq!(separator("one\ntwo\n"), ',');
    }

    #[test]
    fn cells_are_found_with_row_and_column() {
        let (mut gather, table) =
            read("id,\"메모\"\r\n1,\"전화\n010-1234-5678, \"\"x\"\"\"\r\n2,none\r\n3,010-1111-2222");
        assert_eq!(table.head.names, ["id", "메모"]);
        assert_eq!(table.rows(), 4);
        let (findings, _) = gather.finish();
        let phone = findings.iter().find(|f| f.kind == Kind::Phone).unwrap();
        assert_eq!((phone.column.as_deref(), phone.found, phone.of), (Some("메모"), 2, 3));
        assert_eq!(phone.places.iter().map(|p| p.row).collect::<Vec<_>>(), [Some(2), Some(4)]);
    }

    #[test]
    fn a_first_row_of_values_is_no_head() {
        let (mut gather, table) = read("홍길동,900101-1234568\n김철수,900101-2234561\n");
        assert!(table.head.names.is_empty());
        let (findings, _) = gather.finish();
        let finding = findings.iter().find(|f| f.kind == Kind::ResidentNumber).unwrap();
        assert_eq!((finding.column.as_deref(), finding.of), (Some("2"), 2));
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_hide_the_rest() {
        let filler = "x".repeat(limits::CELL_BYTES);
        let (mut gather, _) = read(&format!("a,b\n\"{filler},\n1,900101-1234568\n"));
        assert!(gather.was_cut());
        assert!(gather.finish().0.iter().any(|f| f.kind == Kind::ResidentNumber));
    }
}
