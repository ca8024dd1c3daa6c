//! Listings: the signed publication of one version of a dataset (spec chapter 04, CAT-1 to CAT-3), its summary and the
//! content root that ties both to the bytes (CAT-6).
//!
//! A listing is a statement: whoever sees it may read it. What it must not show, names and hashes of files, is in the
//! file list ([`crate::filelist`]), which only a party to an agreement reads.
//!
//! Does not verify signatures, and does not judge the policy: [`Listing::check`] looks at the shape alone.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    encoding::Digest,
    error::Code,
    filelist::{BadPath, FileList, MAX_DATASET_BYTES, check_path, is_media_type},
    identity::{Did, is_name},
    json::{self, JsonError, V1},
    jws::{Payload, Typ},
    limits,
};

/// How many files of a media type there are, and their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaTotal {
    /// Bytes of these files.
    pub bytes: u64,
    /// Number of these files.
    pub files: u64,
    /// The media type.
    #[serde(rename = "type")]
    pub media: String,
}

/// The column names of one CSV file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Path of the file.
    pub file: String,
    /// The names in the order of the file's first line.
    pub names: Vec<String>,
}

/// What a dataset version consists of, as far as anybody may know before an agreement (CAT-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Bytes of all files.
    pub bytes: u64,
    /// Columns of CSV files, by path.
    pub columns: Vec<Columns>,
    /// Number of files.
    pub files: u64,
    /// Totals by media type, sorted by it.
    pub media: Vec<MediaTotal>,
    /// Version of this shape.
    pub v: V1,
}

/// What is wrong with a summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSummary {
    /// The media types do not add up to the totals.
    #[error("the totals by media type do not add up to the totals of the summary")]
    Totals,
    /// There is no file, or there are more files or bytes than a dataset version may have.
    #[error("the summary counts no file, or more files or bytes than a dataset version may have")]
    Size,
    /// More media types than a summary may have.
    #[error("the summary has more than {} media types", limits::SUMMARY_MEDIA)]
    TooManyMedia,
    /// Not a media type, out of order, named twice or without a file.
    #[error("the media types of the summary are not a sorted list of types that occur")]
    Media,
    /// More files or more names than a summary may have, or a name too long.
    #[error("the summary names more columns than it may, or longer ones")]
    TooManyColumns,
    /// Column lists out of order or repeated.
    #[error("the column lists of the summary are not sorted by path")]
    ColumnOrder,
    /// The path of a column list breaks the rules.
    #[error("a path in the summary {0}")]
    Path(BadPath),
    /// The file list counts other files, bytes or media types (CAT-6.4).
    #[error("the file list does not have the files, bytes and media types that the summary promised")]
    OtherList,
    /// A column list belongs to a file that is not in the list, or is no CSV file.
    #[error("the summary has columns of a file that the file list does not have as CSV")]
    OtherColumns,
}

impl BadSummary {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::OtherList | Self::OtherColumns => Code::FileListDiffers,
            Self::Path(_) => Code::PathRefused,
            Self::Totals
            | Self::Size
            | Self::TooManyMedia
            | Self::Media
            | Self::TooManyColumns
            | Self::ColumnOrder => Code::Malformed,
        }
    }
}

impl Summary {
    /// The summary of a file list, with the column lists given (sorted here). Checked.
    pub fn of(list: &FileList, mut columns: Vec<Columns>) -> Result<Self, BadSummary> {
        columns.sort_by(|a, b| a.file.as_bytes().cmp(b.file.as_bytes()));
        let files = list.entries().len() as u64;
        let summary = Self { bytes: list.bytes(), columns, files, media: totals(list), v: V1 };
        summary.check()?;
        summary.matches(list)?;
        Ok(summary)
    }

    /// Whether it keeps its own rules (CAT-3.1 to CAT-3.4).
    pub fn check(&self) -> Result<(), BadSummary> {
        if self.files == 0 || self.files > limits::FILES as u64 || self.bytes > MAX_DATASET_BYTES {
            return Err(BadSummary::Size);
        }
        if self.media.len() > limits::SUMMARY_MEDIA {
            return Err(BadSummary::TooManyMedia);
        }
        let rising = self.media.windows(2).all(|pair| matches!(pair, [a, b] if a.media < b.media));
        if !rising || !self.media.iter().all(|total| is_media_type(&total.media) && total.files > 0) {
            return Err(BadSummary::Media);
        }
        let files = self.media.iter().try_fold(0_u64, |sum, total| sum.checked_add(total.files));
        let bytes = self.media.iter().try_fold(0_u64, |sum, total| sum.checked_add(total.bytes));
        if files != Some(self.files) || bytes != Some(self.bytes) {
            return Err(BadSummary::Totals);
        }
        self.check_columns()
    }

    fn check_columns(&self) -> Result<(), BadSummary> {
        let too_many = |columns: &Columns| {
            columns.names.len() > limits::SUMMARY_COLUMNS
                || columns.names.iter().any(|name| name.len() > limits::COLUMN_NAME)
        };
        if self.columns.len() > limits::SUMMARY_FILES || self.columns.iter().any(too_many) {
            return Err(BadSummary::TooManyColumns);
        }
        for columns in &self.columns {
            check_path(&columns.file).map_err(BadSummary::Path)?;
        }
        let rising = |pair: &[Columns]| matches!(pair, [a, b] if a.file.as_bytes() < b.file.as_bytes());
        if self.columns.windows(2).all(rising) { Ok(()) } else { Err(BadSummary::ColumnOrder) }
    }

    /// Whether a file list holds what this summary promised (CAT-6.4).
    pub fn matches(&self, list: &FileList) -> Result<(), BadSummary> {
        let files = list.entries().len() as u64;
        if self.files != files || self.bytes != list.bytes() || self.media != totals(list) {
            return Err(BadSummary::OtherList);
        }
        for columns in &self.columns {
            let entries = list.entries();
            let found = entries.binary_search_by(|entry| entry.path.as_bytes().cmp(columns.file.as_bytes()));
            let entry = found.ok().and_then(|at| entries.get(at));
            if entry.is_none_or(|entry| entry.media != "text/csv") {
                return Err(BadSummary::OtherColumns);
            }
        }
        Ok(())
    }

    /// SHA-256 over the JCS of the summary.
    pub fn digest(&self) -> Result<Digest, JsonError> {
        json::digest_of(self)
    }
}

fn totals(list: &FileList) -> Vec<MediaTotal> {
    let mut totals: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for entry in list.entries() {
        let (files, bytes) = totals.entry(&entry.media).or_default();
        *files += 1;
        // The list has checked that the sum of all sizes fits.
        *bytes = bytes.saturating_add(entry.size);
    }
    totals
        .into_iter()
        .map(|(media, (files, bytes))| MediaTotal { bytes, files, media: media.into() })
        .collect()
}

/// SHA-256 over JCS of `{summary, files}`: the digest of the summary and of the text of the file list (CAT-6.1).
pub fn content_root(summary: &Digest, file_list: &Digest) -> Result<Digest, JsonError> {
    #[derive(Serialize)]
    struct Root<'a> {
        files: &'a Digest,
        summary: &'a Digest,
    }
    json::digest_of(&Root { files: file_list, summary })
}

/// A title in Korean, English or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// Korean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ko: Option<String>,
}

/// The payload of a listing (CAT-1). Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Content root of the version.
    pub content_root: Digest,
    /// `urn:dxp:` and 32 lowercase hex digits; the same for all versions of the dataset.
    pub dataset: String,
    /// The facts that the provider declares, as the member `dataset` of the policy input.
    pub facts: Value,
    /// The participant who publishes.
    pub iss: Did,
    /// An ODRL Offer without target.
    pub policy: Value,
    /// What the version consists of.
    pub summary: Summary,
    /// What people call it.
    pub title: Title,
    /// Version of this shape.
    pub v: V1,
    /// First second at which it holds.
    pub valid_from: u64,
    /// First second at which it holds no more.
    pub valid_to: u64,
    /// Number of the dataset version, from 1.
    pub version: u64,
}

impl Payload for Listing {
    const TYP: Typ = Typ::Listing;
    const LIMIT: usize = limits::LISTING;

    fn check(&self) -> Result<(), &'static str> {
        self.validate().map_err(|error| error.member())
    }
}

/// What is wrong with a listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadListing {
    /// Not `urn:dxp:` with 32 lowercase hex digits.
    #[error("the dataset is not named `urn:dxp:` and 32 hex digits")]
    Dataset,
    /// Zero, or above 2^53 - 1.
    #[error("the version is not between 1 and 2^53 - 1")]
    Version,
    /// No title in any language, or one that cannot be shown in one line.
    #[error("the listing has no title, or one that is empty, too long or cannot be shown")]
    Title,
    /// Not an ODRL Offer, or one with a target.
    #[error("the policy is not an ODRL Offer without target")]
    Policy,
    /// Not an object.
    #[error("the declared facts are not an object")]
    Facts,
    /// It ends before it begins.
    #[error("the listing ends before it begins")]
    Validity,
    /// The summary breaks its rules.
    #[error(transparent)]
    Summary(#[from] BadSummary),
    /// It does not hold yet.
    #[error("the listing holds from {from} only")]
    NotYet {
        /// When it begins.
        from: u64,
    },
    /// It holds no more.
    #[error("the listing ended at {to}")]
    Ended {
        /// When it ended.
        to: u64,
    },
}

impl BadListing {
    /// The member of the listing that is wrong.
    #[must_use]
    pub const fn member(&self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Version => "version",
            Self::Title => "title",
            Self::Policy => "policy",
            Self::Facts => "facts",
            Self::Validity | Self::Ended { .. } => "valid_to",
            Self::NotYet { .. } => "valid_from",
            Self::Summary(_) => "summary",
        }
    }
}

impl BadListing {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotYet { .. } | Self::Ended { .. } => Code::ListingExpired,
            Self::Summary(error) => error.code(),
            Self::Dataset | Self::Version | Self::Title | Self::Policy | Self::Facts | Self::Validity => {
                Code::Malformed
            }
        }
    }
}

impl Listing {
    /// Whether it keeps the rules of chapter 04, whatever the time ([`Self::holds_at`]).
    pub fn validate(&self) -> Result<(), BadListing> {
        if !is_dataset_id(&self.dataset) {
            return Err(BadListing::Dataset);
        }
        if self.version == 0 || self.version > limits::INTEGER {
            return Err(BadListing::Version);
        }
        let mut titles = [&self.title.en, &self.title.ko].into_iter().flatten().peekable();
        if titles.peek().is_none() || !titles.all(|text| is_name(text)) {
            return Err(BadListing::Title);
        }
        let offer = self.policy.as_object().ok_or(BadListing::Policy)?;
        if offer.get("@type").and_then(Value::as_str) != Some("Offer") || offer.contains_key("target") {
            return Err(BadListing::Policy);
        }
        if !self.facts.is_object() {
            return Err(BadListing::Facts);
        }
        if self.valid_from >= self.valid_to {
            return Err(BadListing::Validity);
        }
        Ok(self.summary.check()?)
    }

    /// Whether it holds at this second: `valid_from` included, `valid_to` not (CAT-2.2).
    pub const fn holds_at(&self, now: u64) -> Result<(), BadListing> {
        if now < self.valid_from {
            return Err(BadListing::NotYet { from: self.valid_from });
        }
        if now >= self.valid_to {
            return Err(BadListing::Ended { to: self.valid_to });
        }
        Ok(())
    }
}

/// Whether a text is `urn:dxp:` and 32 lowercase hex digits (CAT-1.2).
#[must_use]
pub fn is_dataset_id(text: &str) -> bool {
    text.strip_prefix("urn:dxp:").is_some_and(|hex| {
        hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}
