//! JSON lines and JSON: each path of members is a column. Nothing is built in memory but the value at hand.

use std::{collections::BTreeMap, fmt, io::Read};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::scan::{
    gather::{Gather, Spent},
    limits,
    report::Reason,
    source::{Lines, Outcome},
};

/// Columns by the path of members that leads to them.
#[derive(Default)]
pub(in crate::scan) struct Columns {
    by_path: BTreeMap<String, usize>,
    pub(in crate::scan) names: Vec<String>,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Spent,
    Deep,
}

impl Columns {
    fn at(&mut self, path: &str, gather: &mut Gather) -> usize {
        if let Some(at) = self.by_path.get(path) {
            return *at;
        }
        let at = self.by_path.len();
        if at < limits::COLUMNS {
            self.by_path.insert(path.to_owned(), at);
            self.names.push(gather.name(at, path));
        }
        at
    }
}

/// Walks over one value.
struct Walk<'a> {
    columns: &'a mut Columns,
    gather: &'a mut Gather,
    path: &'a mut String,
    depth: usize,
    row: u64,
    /// The elements of the outermost array are rows.
    rows: bool,
}

impl Walk<'_> {
    fn cell<E: Error>(self, text: &str) -> Result<u64, E> {
        let at = self.columns.at(self.path, self.gather);
        self.gather.cell(at, Some(self.row), text).map_err(|Spent| {
            self.columns.stop = Some(Stop::Spent);
            E::custom("spent")
        })?;
        Ok(0)
    }

    fn deeper<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth >= limits::NESTING {
            self.columns.stop = Some(Stop::Deep);
            return Err(E::custom("deep"));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    /// How many rows there were.
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        self.cell(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        self.cell(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<u64, E> {
        self.cell(&value.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        self.cell(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<u64, A::Error> {
        let depth = self.deeper()?;
        let mut count = 0;
        loop {
            let row = if self.rows { count + 1 } else { self.row };
            let walk = Walk {
                columns: &mut *self.columns,
                gather: &mut *self.gather,
                path: &mut *self.path,
                depth,
                row,
                rows: false,
            };
            if seq.next_element_seed(walk)?.is_none() {
                return Ok(count);
            }
            count += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<u64, A::Error> {
        let depth = self.deeper()?;
        while let Some(key) = map.next_key::<String>()? {
            let before = self.path.len();
            if !self.path.is_empty() {
                self.path.push('.');
            }
            let kept = key.get(..key.floor_char_boundary(limits::COLUMN_NAME)).unwrap_or_default();
            self.path.push_str(kept);
            map.next_value_seed(Walk {
                columns: &mut *self.columns,
                gather: &mut *self.gather,
                path: &mut *self.path,
                depth,
                row: self.row,
                rows: false,
            })?;
            self.path.truncate(before);
        }
        Ok(0)
    }
}

/// One value from a reader; `rows` says that the elements of an array are rows.
fn walk(
    from: &mut dyn Read,
    row: u64,
    rows: bool,
    columns: &mut Columns,
    gather: &mut Gather,
) -> Result<u64, Option<Stop>> {
    let mut reader = serde_json::Deserializer::from_reader(from);
    let mut path = String::new();
    let seed = Walk { columns, gather, path: &mut path, depth: 0, row, rows };
    let read = seed.deserialize(&mut reader).and_then(|count| reader.end().map(|()| count));
    read.map_err(|_| columns.stop.take())
}

/// A document as a whole.
pub(in crate::scan) fn document(
    from: &mut dyn Read,
    gather: &mut Gather,
) -> Result<(Outcome, Vec<String>), Reason> {
    let mut columns = Columns::default();
    gather.mark_table();
    let mut outcome = Outcome::default();
    match walk(from, 1, true, &mut columns, gather) {
        Ok(rows) => outcome.rows = (rows > 0).then_some(rows),
        Err(Some(Stop::Spent)) => outcome.lacks(Reason::TooLarge),
        Err(Some(Stop::Deep)) => outcome.lacks(Reason::TooDeep),
        Err(None) => outcome.lacks(Reason::Damaged),
    }
    Ok((outcome, columns.names))
}

/// A document on each line.
#[derive(Default)]
pub(in crate::scan) struct JsonLines {
    line: String,
    pub(in crate::scan) columns: Columns,
    row: u64,
    skipping: bool,
    /// Lines that are no JSON, or too long.
    pub(in crate::scan) bad: Option<Reason>,
    begun: bool,
}

impl JsonLines {
    fn flush(&mut self, gather: &mut Gather) -> Result<(), Spent> {
        self.row += 1;
        if !self.line.trim().is_empty() {
            let read = walk(&mut self.line.as_bytes(), self.row, false, &mut self.columns, gather);
            match read {
                Ok(_) => {}
                Err(Some(Stop::Spent)) => return Err(Spent),
                Err(Some(Stop::Deep)) => self.bad = Some(Reason::TooDeep),
                Err(None) => self.bad = Some(Reason::Damaged),
            }
        }
        self.line.clear();
        Ok(())
    }
}

impl Lines for JsonLines {
    fn push(&mut self, text: &str, gather: &mut Gather) -> Result<(), Spent> {
        if !self.begun {
            self.begun = true;
            gather.mark_table();
        }
        for piece in text.split_inclusive('\n') {
            let ends = piece.ends_with('\n');
            if self.skipping {
                self.skipping = !ends;
                continue;
            }
            if self.line.len() + piece.len() > limits::STREAM_BYTES {
                self.line.clear();
                self.bad = Some(Reason::TooLarge);
                self.skipping = !ends;
                continue;
            }
            self.line.push_str(piece);
            if ends {
                self.flush(gather)?;
            }
        }
        Ok(())
    }

    fn jump(&mut self) {
        self.line.clear();
        self.skipping = true;
    }

    fn end(&mut self, whole: bool, gather: &mut Gather) -> Result<(), Spent> {
        if whole && !self.line.is_empty() { self.flush(gather) } else { Ok(()) }
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
    fn members_are_columns() {
        let mut gather = Gather::new(2026);
        let mut lines = JsonLines::default();
        let text = "{\"id\":1,\"by\":{\"phone\":\"010-1234-5678\"}}\n{\"id\":2,\"tags\":[\"kim@example.com\"]}\n{broken\n";
        lines.push(text, &mut gather).unwrap();
        lines.end(true, &mut gather).unwrap();
        assert_eq!((lines.rows(), lines.bad), (3, Some(Reason::Damaged)));
        assert_eq!(lines.columns.names, ["id", "by.phone", "tags"]);
        let found: Vec<_> =
            gather.finish().0.into_iter().map(|f| (f.kind, f.column, f.places[0].row)).collect();
        assert_eq!(
            found,
            [
                (Kind::Phone, Some("by.phone".to_owned()), Some(1)),
                (Kind::Email, Some("tags".to_owned()), Some(2))
            ]
        );
    }

    #[test]
    fn nesting_and_damage_leave_what_was_read() {
        let deep = "[".repeat(100_000);
        let mut gather = Gather::new(2026);
        assert_eq!(document(&mut deep.as_bytes(), &mut gather).unwrap().0.partial, Some(Reason::TooDeep));
        let cut = b"[{\"email\":\"kim@example.com\"},{\"email\":";
        let mut gather = Gather::new(2026);
        assert_eq!(document(&mut cut.as_slice(), &mut gather).unwrap().0.partial, Some(Reason::Damaged));
        assert_eq!(gather.finish().0.first().map(|f| f.kind), Some(Kind::Email));
    }
}
