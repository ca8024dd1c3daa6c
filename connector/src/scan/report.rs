//! What a scan says: per file what it is, how far it was read and what was found, and the same for the dataset.
//!
//! No member holds a value that was found: places carry the shape of the value with every letter and digit replaced. A file
//! that could not be read is unknown; nothing here says that a file is clean.

use serde::Serialize;

use super::find::Kind;

/// What data are, as facts name it (`dataset.media`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Pictures.
    Image,
    /// Numbers.
    Numeric,
    /// Words.
    Text,
    /// Sound.
    Sound,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Reading {
    /// To the end.
    Read,
    /// In part: what was not read is unknown.
    Sampled {
        /// Why.
        reason: Reason,
    },
    /// Not at all, or not in a way that tells anything: unknown.
    Unread {
        /// Why.
        reason: Reason,
    },
}

/// Why something was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No reader for this kind of file.
    Unsupported,
    /// Only properties are read of this kind of file, not what it shows or says (pictures, sound).
    ContentNotLookedAt,
    /// The file does not hold what its kind promises.
    Damaged,
    /// Protected by a password or by rights management.
    Encrypted,
    /// Larger than what is read.
    TooLarge,
    /// Unpacks to more than what is read.
    Unpacks,
    /// Nested deeper than what is read.
    TooDeep,
    /// Packed in a way that is not read.
    Packing,
    /// Some parts are written in a way that is not read.
    Parts,
    /// In no known encoding of text.
    Encoding,
    /// The system could not read it.
    Io,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    /// Has the form by chance, as numbers of a series do; told for completeness.
    Unlikely,
    /// Has the form, but no check can tell.
    Possible,
    /// Its checks hold.
    Certain,
}

/// One place of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Row of a table, line of a text, page or part of a document, from 1; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The value's shape: every letter and digit is `*`.
    pub masked: String,
}

/// Something found in a file, in one column of it where it has columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How sure.
    pub sure: Sure,
    /// The column, as the file names it or by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The sheet or part of the file, if it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// How many values are of this kind.
    pub found: u64,
    /// How many values had its form, before checks.
    pub looked_at: u64,
    /// Cells of the column, or lines of the text, that were read and not empty.
    pub of: u64,
    /// The first places.
    pub places: Vec<Place>,
}

impl Finding {
    /// Share of the cells or lines that were read, in hundredths of a percent.
    #[must_use]
    pub fn share(&self) -> u64 {
        self.found.saturating_mul(10_000).checked_div(self.of).unwrap_or(10_000).min(10_000)
    }
}

/// What is known of a file besides findings. All but the kind is absent where it does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Properties {
    /// Encoding of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// What separates fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Names of columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Rows or lines read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Width and height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<(u64, u64)>,
    /// Duration of a sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
}

/// What a scan says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its path in the dataset, with what was found in it masked.
    pub path: String,
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: &'static str,
    /// What it holds; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Size.
    pub bytes: u64,
    /// How far it was read.
    pub reading: Reading,
    /// What else is known.
    pub properties: Properties,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One kind over the whole dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    /// What.
    pub kind: Kind,
    /// How sure.
    pub sure: Sure,
    /// How many values.
    pub found: u64,
    /// In how many files.
    pub files: u64,
}

/// What a scan says of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The files, up to a limit; after [`Report::sort`] those with findings or not read whole come first.
    pub files: Vec<FileReport>,
    /// Files that were looked at and are not named for want of room.
    pub unnamed: u64,
    /// What the dataset holds, as facts name it.
    pub media: Vec<Media>,
    /// Findings over all files.
    pub totals: Vec<Total>,
    /// Files read to the end.
    pub read: u64,
    /// Files read in part.
    pub sampled: u64,
    /// Files not read.
    pub unread: u64,
}

/// The report of a file that could not be opened.
pub(super) fn unopened(path: &str, bytes: u64, year: u16) -> FileReport {
    FileReport {
        path: super::find::without_values(path, year),
        media_type: "application/octet-stream",
        media: None,
        bytes,
        reading: Reading::Unread { reason: Reason::Io },
        properties: Properties::default(),
        findings: Vec::new(),
    }
}

impl Report {
    /// Adds a file.
    pub fn add(&mut self, file: FileReport) {
        match file.reading {
            Reading::Read => self.read += 1,
            Reading::Sampled { .. } => self.sampled += 1,
            Reading::Unread { .. } => self.unread += 1,
        }
        if let Some(media) = file.media
            && let Err(at) = self.media.binary_search(&media)
        {
            self.media.insert(at, media);
        }
        let mut counted = Vec::new();
        for finding in &file.findings {
            let first = !counted.contains(&(finding.kind, finding.sure));
            counted.push((finding.kind, finding.sure));
            self.count(finding, first);
        }
        if self.files.len() < super::limits::REPORTED_FILES {
            self.files.push(file);
            return;
        }
        self.unnamed += 1;
        // One with findings takes the place of one without.
        if !file.findings.is_empty()
            && let Some(calm) = self.files.iter_mut().rev().find(|kept| kept.findings.is_empty())
        {
            *calm = file;
        }
    }

    fn count(&mut self, finding: &Finding, new_file: bool) {
        let key = (finding.kind, core::cmp::Reverse(finding.sure));
        let at = match self.totals.binary_search_by_key(&key, |t| (t.kind, core::cmp::Reverse(t.sure))) {
            Ok(at) => at,
            Err(at) => {
                self.totals.insert(at, Total { kind: finding.kind, sure: finding.sure, found: 0, files: 0 });
                at
            }
        };
        if let Some(total) = self.totals.get_mut(at) {
            total.found += finding.found;
            total.files += u64::from(new_file);
        }
    }

    /// Brings the files that need a look to the front.
    pub fn sort(&mut self) {
        self.files.sort_by(|a, b| {
            let calm = |f: &FileReport| (f.findings.is_empty(), f.reading == Reading::Read);
            calm(a).cmp(&calm(b)).then_with(|| a.path.cmp(&b.path))
        });
    }

    /// Whether something of this kind was found, at least this sure.
    #[must_use]
    pub fn has(&self, kind: Kind, sure: Sure) -> bool {
        self.totals.iter().any(|total| total.kind == kind && total.sure >= sure)
    }

    /// Whether everything was read to the end. Where not, what was not found is unknown rather than absent.
    #[must_use]
    pub const fn whole(&self) -> bool {
        self.sampled == 0 && self.unread == 0
    }
}
