//! Where readers of formats put what they read: cells of tables and lines of text. Counts work, looks for candidates, and
//! says at the end what was found.

use super::{
    find::{
        self, Kind, Stat,
        names::{self, Said},
    },
    limits,
    report::{Finding, Media, Place, Sure},
};

/// The work that a file may cost is done: what is left of it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

/// Collects one file.
pub(super) struct Gather {
    /// Last year in which a person in the data can be born.
    year: u16,
    cells: u64,
    bytes: u64,
    part: Option<String>,
    table: bool,
    columns: Vec<Column>,
    findings: Vec<Finding>,
    numbers: u64,
    words: u64,
    cut: bool,
}

/// One column.
#[derive(Default)]
struct Column {
    name: Option<String>,
    said: Option<Said>,
    filled: u64,
    /// Cells that are decimals of degrees.
    degrees: u64,
    stats: Vec<(Kind, Stat)>,
}

impl Gather {
    pub(super) const fn new(year: u16) -> Self {
        Self {
            year,
            cells: 0,
            bytes: 0,
            part: None,
            table: false,
            columns: Vec::new(),
            findings: Vec::new(),
            numbers: 0,
            words: 0,
            cut: false,
        }
    }

    /// A table begins. `part` is the sheet it is in, if the file has several.
    pub(super) fn begin_table(&mut self, part: Option<String>) {
        self.end();
        self.part = part.map(|name| find::without_values(&shown(&name), self.year));
        self.table = true;
    }

    /// What is read next is a table, in a file that is one.
    pub(super) const fn mark_table(&mut self) {
        self.table = true;
    }

    /// A text begins.
    pub(super) fn begin_text(&mut self, part: Option<String>) {
        self.begin_table(part);
        self.table = false;
    }

    /// Names a column; returns how it is shown.
    pub(super) fn name(&mut self, column: usize, name: &str) -> String {
        let shown = find::without_values(&shown(name), self.year);
        if let Some(column) = self.column(column) {
            column.said = names::said(name);
            column.name = Some(shown.clone());
        }
        shown
    }

    /// A cell or a line.
    pub(super) fn cell(&mut self, column: usize, row: Option<u64>, text: &str) -> Result<(), Spent> {
        self.spend(text.len())?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let text = self.whole(text);
        let year = self.year;
        let table = self.table;
        let number = table && text.len() <= 32 && text.parse::<f64>().is_ok_and(f64::is_finite);
        if number {
            self.numbers += 1;
        } else {
            self.words += 1;
        }
        let Some(column) = self.column(column) else {
            self.cut = true;
            return Ok(());
        };
        column.filled += 1;
        if number {
            column.degrees += u64::from(degrees(text));
        }
        let padded = column.padded(text);
        find::candidates(padded.as_deref().unwrap_or(text), year, &mut |text, hit| {
            column.stat(hit.kind).count(&hit, text, row);
        });
        Ok(())
    }

    /// Numbers that need no look, such as those of a column of measurements.
    pub(super) const fn numbers(&mut self, count: u64) {
        self.numbers += count;
    }

    /// Something that a property of the file says, such as the place where a picture was taken.
    pub(super) fn property(&mut self, kind: Kind, sure: Sure, name: &str) {
        self.findings.push(Finding {
            kind,
            sure,
            column: Some(name.to_owned()),
            part: None,
            found: 1,
            looked_at: 1,
            of: 1,
            places: Vec::new(),
        });
    }

    /// Something was too long or too wide to be looked at whole.
    pub(super) const fn was_cut(&self) -> bool {
        self.cut
    }

    /// A reader skipped something.
    pub(super) const fn cut(&mut self) {
        self.cut = true;
    }

    /// Pays for work.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Spent> {
        self.cells += 1;
        self.bytes += bytes as u64;
        if self.cells > limits::CELLS || self.bytes > limits::TEXT_BYTES { Err(Spent) } else { Ok(()) }
    }

    fn whole<'a>(&mut self, text: &'a str) -> &'a str {
        if text.len() <= limits::CELL_BYTES {
            return text;
        }
        self.cut = true;
        text.get(..text.floor_char_boundary(limits::CELL_BYTES)).unwrap_or_default()
    }

    fn column(&mut self, at: usize) -> Option<&mut Column> {
        if at >= limits::COLUMNS {
            return None;
        }
        if at >= self.columns.len() {
            self.columns.resize_with(at + 1, Column::default);
        }
        self.columns.get_mut(at)
    }

    /// Judges the table or text that was open.
    fn end(&mut self) {
        let columns = core::mem::take(&mut self.columns);
        let part = self.part.take();
        let both = |said| columns.iter().any(|c| c.said == Some(said) && c.positions() > 0);
        let pair = both(Said::Latitude) && both(Said::Longitude);
        for (at, column) in columns.iter().enumerate() {
            let label = self.table.then(|| column.name.clone().unwrap_or_else(|| (at + 1).to_string()));
            let mut add = |kind, sure, found, looked_at, places: Vec<Place>| {
                if self.findings.len() >= limits::FINDINGS {
                    self.cut = true;
                    return;
                }
                let (column_name, part) = (label.clone(), part.clone());
                let of = column.filled;
                self.findings.push(Finding {
                    kind,
                    sure,
                    column: column_name,
                    part,
                    found,
                    looked_at,
                    of,
                    places,
                });
            };
            for kind in Kind::ALL {
                let named = column.said == Some(Said::Kind(kind));
                let stat = column.stats.iter().find(|(k, _)| *k == kind).map(|(_, stat)| stat);
                let verdicts = stat.map(|stat| find::judge(kind, stat, named)).unwrap_or_default();
                if named && kind.personal() && verdicts.is_empty() && column.filled > 0 {
                    // The name says it, the cells do not: coded, or written in a way that is not known here.
                    add(Kind::PersonColumn, Sure::Possible, column.filled, column.filled, Vec::new());
                }
                for v in verdicts {
                    add(kind, v.sure, v.found, v.looked_at, v.places);
                }
            }
            match column.said {
                Some(Said::Person(sure)) if column.filled > 0 => {
                    add(Kind::PersonColumn, sure, column.filled, column.filled, Vec::new());
                }
                Some(Said::Latitude | Said::Longitude) if column.positions() > 0 => {
                    let sure = if pair { Sure::Certain } else { Sure::Possible };
                    add(Kind::Position, sure, column.positions(), column.filled, Vec::new());
                }
                Some(_) | None => {}
            }
        }
    }

    /// What was found, and what the file holds as far as its cells tell.
    pub(super) fn finish(&mut self) -> (Vec<Finding>, Option<Media>) {
        self.end();
        let mut findings = core::mem::take(&mut self.findings);
        findings.sort_by(|a, b| b.sure.cmp(&a.sure).then(a.kind.cmp(&b.kind)));
        let media = match (self.numbers, self.words) {
            (0, 0) => None,
            (numbers, words) if numbers >= words => Some(Media::Numeric),
            _ => Some(Media::Text),
        };
        (findings, media)
    }
}

impl Column {
    fn stat(&mut self, kind: Kind) -> &mut Stat {
        let at = self.stats.iter().position(|(k, _)| *k == kind).unwrap_or_else(|| {
            self.stats.push((kind, Stat::default()));
            self.stats.len() - 1
        });
        // The position is that of an element.
        &mut self.stats[at].1
    }

    /// Cells with plausible degrees, if most are.
    const fn positions(&self) -> u64 {
        if self.degrees * 10 >= self.filled * 9 { self.degrees } else { 0 }
    }

    /// A resident number that a spreadsheet kept as a number has lost its zeros.
    fn padded(&self, text: &str) -> Option<String> {
        let named = matches!(self.said, Some(Said::Kind(Kind::ResidentNumber | Kind::ForeignerNumber)));
        let short = named && (10..13).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let phone = self.said == Some(Said::Kind(Kind::Phone))
            && text.starts_with('1')
            && text.len() == 10
            && text.bytes().all(|b| b.is_ascii_digit());
        match (short, phone) {
            (true, _) => Some(format!("{text:0>13}")),
            (false, true) => Some(format!("0{text}")),
            (false, false) => None,
        }
    }
}

/// A decimal that can be a latitude or longitude: three decimals or more, within bounds.
fn degrees(text: &str) -> bool {
    text.split_once('.').is_some_and(|(_, part)| part.len() >= 3)
        && text.parse::<f64>().is_ok_and(|value| value.abs() <= 180.0 && value != 0.0)
}

/// A name cut to what is shown, on one line.
fn shown(name: &str) -> String {
    name.trim().chars().take(limits::COLUMN_NAME).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
