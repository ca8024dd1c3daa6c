//! Parquet: the footer tells columns, their pages are read one by one.
//!
//! Written here rather than taken from the `parquet` crate, which reserves what a file says it needs before looking. Read
//! are plain and dictionary values, unpacked or in Snappy or gzip; columns written otherwise are named unread.

mod page;
mod thrift;

use page::{Cell, Type};
use thrift::Value;

use super::{
    gather::Gather,
    limits,
    office::zip::bytes,
    report::{Properties, Reason},
    source::{Outcome, Source},
};

/// A column as the schema has it.
#[derive(Debug)]
struct Column {
    kind: Type,
    /// How deep a value can be absent, and repeated.
    optional: u32,
    repeated: u32,
    /// A time or date: nothing to be found in it.
    time: bool,
}

/// Reads columns and values.
pub(super) fn read(
    source: &mut dyn Source,
    size: u64,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let tail = bytes(source, size.checked_sub(8).ok_or(Reason::Damaged)?, 8)?;
    let length = match tail.split_first_chunk::<4>() {
        Some((length, b"PAR1")) => u64::from(u32::from_le_bytes(*length)),
        Some((_, b"PARE")) => return Err(Reason::Encrypted),
        Some(_) | None => return Err(Reason::Damaged),
    };
    let start = (size - 8).checked_sub(length).ok_or(Reason::Damaged)?;
    if length > limits::PARQUET_FOOTER {
        return Err(Reason::TooLarge);
    }
    let footer = bytes(source, start, length)?;
    let (footer, _) = thrift::read(&footer)?;
    gather.begin_table(None);
    let columns = schema(footer.list(2), gather, properties)?;
    properties.rows = footer.int(3).and_then(|rows| u64::try_from(rows).ok());
    let mut outcome = Outcome { partial: None, rows: properties.rows };
    let mut chunks = 0;
    let mut first_row = 0;
    for group in footer.list(4) {
        for (at, (chunk, column)) in group.list(1).iter().zip(&columns).enumerate() {
            chunks += 1;
            if chunks > limits::PARQUET_CHUNKS {
                outcome.lacks(Reason::TooLarge);
                return Ok(outcome);
            }
            if let Err(reason) = column_chunk(source, chunk, column, at, first_row, gather) {
                outcome.lacks(reason);
                if reason == Reason::TooLarge {
                    return Ok(outcome);
                }
            }
        }
        if group.list(1).len() != columns.len() {
            outcome.lacks(Reason::Damaged);
        }
        first_row += group.int(3).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
    }
    if gather.was_cut() {
        outcome.lacks(Reason::Parts);
    }
    Ok(outcome)
}

/// Leaves of the schema in order, named by their path.
fn schema(
    elements: &[Value],
    gather: &mut Gather,
    properties: &mut Properties,
) -> Result<Vec<Column>, Reason> {
    let mut columns = Vec::new();
    // Groups that are open: how many members are left, length of the path before, depths.
    let mut open: Vec<(usize, usize, u32, u32)> = Vec::new();
    let mut path = String::new();
    for (n, element) in elements.iter().enumerate() {
        let (before, mut optional, mut repeated) = (path.len(), 0, 0);
        if let Some((_, _, o, r)) = open.last() {
            (optional, repeated) = (*o, *r);
        }
        if n > 0 {
            let kept = element.text(4).unwrap_or_default();
            let kept = kept.get(..kept.floor_char_boundary(limits::COLUMN_NAME)).unwrap_or_default();
            // Lists are written as groups of their own.
            if !matches!(kept, "list" | "element" | "item" | "array" | "bag") {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(kept);
            }
            let repetition = element.int(3).unwrap_or(0);
            optional += u32::from(repetition != 0);
            repeated += u32::from(repetition == 2);
        }
        let children = element.size(5).unwrap_or(0);
        if children > 0 || n == 0 {
            if open.len() >= limits::NESTING {
                return Err(Reason::TooDeep);
            }
            open.push((children, before, optional, repeated));
        } else {
            if columns.len() < limits::COLUMNS {
                properties.columns.push(gather.name(columns.len(), &path));
            }
            columns.push(Column { kind: kind(element)?, optional, repeated, time: time(element) });
            path.truncate(before);
            while let Some((left, before, ..)) = open.last_mut() {
                *left = left.saturating_sub(1);
                if *left > 0 {
                    break;
                }
                path.truncate(*before);
                open.pop();
            }
        }
    }
    if columns.is_empty() { Err(Reason::Damaged) } else { Ok(columns) }
}

fn kind(element: &Value) -> Result<Type, Reason> {
    Ok(match element.int(1) {
        Some(0) => Type::Bool,
        Some(1) => Type::Int32,
        Some(2) => Type::Int64,
        Some(3) => Type::Int96,
        Some(4) => Type::Float,
        Some(5) => Type::Double,
        Some(6) => Type::Bytes,
        Some(7) => Type::Fixed(element.size(2).ok_or(Reason::Damaged)?),
        Some(_) | None => return Err(Reason::Damaged),
    })
}

fn time(element: &Value) -> bool {
    // Old and new ways to say date, time, timestamp.
    let new = element.get(10).is_some_and(|logical| [6, 7, 8].iter().any(|id| logical.get(*id).is_some()));
    new || matches!(element.int(6), Some(6..=10))
}

/// All pages of one column in one group of rows.
fn column_chunk(
    source: &mut dyn Source,
    chunk: &Value,
    column: &Column,
    at: usize,
    first_row: u64,
    gather: &mut Gather,
) -> Result<(), Reason> {
    if chunk.get(8).is_some() {
        return Err(Reason::Encrypted);
    }
    if chunk.text(1).is_some() {
        // In another file.
        return Err(Reason::Parts);
    }
    let meta = chunk.get(3).ok_or(Reason::Damaged)?;
    let values = meta.int(5).and_then(|n| u64::try_from(n).ok()).ok_or(Reason::Damaged)?;
    if column.time || column.kind == Type::Bool || column.kind == Type::Int96 {
        gather.numbers(values);
        return Ok(());
    }
    let codec = meta.int(4).ok_or(Reason::Damaged)?;
    let data = meta.int(9).ok_or(Reason::Damaged)?;
    let start = meta.int(11).filter(|at| *at > 0 && *at < data).unwrap_or(data);
    let mut start = u64::try_from(start).map_err(|_| Reason::Damaged)?;
    let mut left = meta.int(7).and_then(|n| u64::try_from(n).ok()).ok_or(Reason::Damaged)?;
    let mut pages = Pages { codec, dictionary: Vec::new(), column, at, row: first_row, gather };
    let mut seen = 0;
    while seen < values {
        // Headers are short, but may carry statistics of long values.
        let head = bytes(source, start, left.min(64 << 10))?;
        let (header, used) = thrift::read(&head)?;
        // Values that are absent cost work too.
        let absent = [5, 7, 8].iter().find_map(|id| header.get(*id)?.size(1)).unwrap_or(0) / 16;
        let length = header.size(3).ok_or(Reason::Damaged)?;
        if length > limits::PARQUET_PAGE {
            return Err(Reason::Unpacks);
        }
        let page = bytes(source, start + used as u64, length as u64)?;
        pages.gather.spend(length.saturating_add(absent)).map_err(|_| Reason::TooLarge)?;
        let step = used as u64 + length as u64;
        start += step;
        left = left.checked_sub(step).ok_or(Reason::Damaged)?;
        seen += pages.page(&header, &page)? as u64;
    }
    Ok(())
}

struct Pages<'a> {
    codec: i64,
    dictionary: Vec<Cell>,
    column: &'a Column,
    at: usize,
    row: u64,
    gather: &'a mut Gather,
}

impl Pages<'_> {
    /// One page; returns how many values it has.
    fn page(&mut self, header: &Value, page: &[u8]) -> Result<usize, Reason> {
        let size = header.size(2).ok_or(Reason::Damaged)?;
        match header.int(1) {
            Some(0) => {
                let head = header.get(5).ok_or(Reason::Damaged)?;
                let count = count(head)?;
                let page = page::unpack(self.codec, page, size)?;
                let mut rest = page.as_slice();
                let mut levels = |width: u32| match width {
                    0 => Ok(&[][..]),
                    _ => lengthed(&mut rest),
                };
                levels(self.column.repeated)?;
                let defined = levels(self.column.optional)?;
                self.values(head.int(2), defined, rest, count)?;
                Ok(count)
            }
            Some(2) => {
                let head = header.get(7).ok_or(Reason::Damaged)?;
                let page = page::unpack(self.codec, page, size)?;
                self.dictionary = page::plain(self.column.kind, &page, count(head)?)?;
                Ok(0)
            }
            Some(3) => {
                let head = header.get(8).ok_or(Reason::Damaged)?;
                let count = count(head)?;
                let repeats = head.size(6).ok_or(Reason::Damaged)?;
                let defines = head.size(5).ok_or(Reason::Damaged)?;
                let (_, page) = page.split_at_checked(repeats).ok_or(Reason::Damaged)?;
                let (defined, page) = page.split_at_checked(defines).ok_or(Reason::Damaged)?;
                let codec = if head.int(7) == Some(0) { 0 } else { self.codec };
                let page = page::unpack(codec, page, size.saturating_sub(repeats + defines))?;
                self.values(head.int(4), defined, &page, count)?;
                Ok(count)
            }
            // Pages of an index hold no values.
            Some(_) => Ok(0),
            None => Err(Reason::Damaged),
        }
    }

    fn values(
        &mut self,
        encoding: Option<i64>,
        defined: &[u8],
        data: &[u8],
        count: usize,
    ) -> Result<(), Reason> {
        let most = self.column.optional;
        let levels = match most {
            0 => vec![0; count],
            most => page::hybrid(defined, u32::BITS - most.leading_zeros(), count)?,
        };
        let filled = levels.iter().filter(|level| **level == most).count();
        let plain = match encoding {
            Some(0) => Some(page::plain(self.column.kind, data, filled)?),
            Some(2 | 8) => None,
            Some(_) => return Err(Reason::Parts),
            None => return Err(Reason::Damaged),
        };
        let indexes = match (&plain, data.split_first()) {
            (None, Some((width, data))) => page::hybrid(data, u32::from(*width), filled)?,
            (None, None) if filled > 0 => return Err(Reason::Damaged),
            (Some(_), _) | (None, None) => Vec::new(),
        };
        let mut next = 0;
        for level in levels {
            if self.column.repeated == 0 {
                self.row += 1;
            }
            if level != most {
                continue;
            }
            let cell = match &plain {
                Some(cells) => cells.get(next),
                None => indexes.get(next).and_then(|index| self.dictionary.get(*index as usize)),
            };
            next += 1;
            let cell = cell.ok_or(Reason::Damaged)?;
            let text = match cell {
                Cell::Int(value) => value.to_string(),
                Cell::Float(value) => value.to_string(),
                Cell::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Cell::Other => continue,
            };
            let row = (self.column.repeated == 0).then_some(self.row);
            self.gather.cell(self.at, row, &text).map_err(|_| Reason::TooLarge)?;
        }
        Ok(())
    }
}

fn count(head: &Value) -> Result<usize, Reason> {
    let count = head.size(1).ok_or(Reason::Damaged)?;
    if count > limits::PARQUET_VALUES { Err(Reason::Unpacks) } else { Ok(count) }
}

/// Bytes after their length.
fn lengthed<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Reason> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(Reason::Damaged)?;
    let (bytes, after) =
        after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(Reason::Damaged)?;
    *rest = after;
    Ok(bytes)
}
