//! Plain text, line by line.

use crate::scan::{
    gather::{Gather, Spent},
    limits,
    source::Lines,
};

/// Lines of a text.
#[derive(Default)]
pub(in crate::scan) struct Plain {
    line: String,
    row: u64,
    jumped: bool,
    skipping: bool,
}

impl Plain {
    fn flush(&mut self, gather: &mut Gather) -> Result<(), Spent> {
        let row = (!self.jumped).then_some(self.row + 1);
        let done = gather.cell(0, row, &self.line);
        self.line.clear();
        done
    }
}

impl Lines for Plain {
    fn push(&mut self, text: &str, gather: &mut Gather) -> Result<(), Spent> {
        for piece in text.split_inclusive('\n') {
            let ends = piece.ends_with('\n');
            if self.skipping {
                self.skipping = !ends;
                continue;
            }
            let mut piece = piece;
            // A line without end is looked at in pieces; a number on a border is not seen, and that is said.
            while self.line.len() + piece.len() > limits::CELL_BYTES {
                let at = piece.floor_char_boundary(limits::CELL_BYTES - self.line.len());
                let (now, later) = piece.split_at(at);
                self.line.push_str(now);
                gather.cut();
                self.flush(gather)?;
                piece = later;
            }
            self.line.push_str(piece);
            if ends {
                self.flush(gather)?;
                self.row += 1;
            }
        }
        Ok(())
    }

    fn jump(&mut self) {
        self.line.clear();
        (self.jumped, self.skipping) = (true, true);
    }

    fn end(&mut self, whole: bool, gather: &mut Gather) -> Result<(), Spent> {
        if !whole || self.line.is_empty() {
            return Ok(());
        }
        self.flush(gather)?;
        self.row += 1;
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::find::Kind;

    #[test]
    fn lines_are_numbered_and_long_ones_cut() {
        let mut gather = Gather::new(2026);
        let mut plain = Plain::default();
        plain.push("one\ntwo 010-1234", &mut gather).unwrap();
        plain.push("-5678\n", &mut gather).unwrap();
        plain.push(&"가".repeat(limits::CELL_BYTES), &mut gather).unwrap();
        assert!(gather.was_cut());
        plain.push("\nkim@example.com", &mut gather).unwrap();
        plain.end(true, &mut gather).unwrap();
        assert_eq!(plain.rows(), 4);
        let (findings, _) = gather.finish();
        let rows: Vec<_> = findings.iter().map(|f| (f.kind, f.places[0].row)).collect();
        assert_eq!(rows, [(Kind::Phone, Some(2)), (Kind::Email, Some(4))]);
    }
}
