//! Every limit of the scanners, in one place. What exceeds one is left unread or read in part, and the report says so.
//!
//! Work is counted in bytes and cells, never by a clock: the same file gives the same report on a slow machine.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes read of one file of lines (CSV, JSON lines, text). Of a larger one the beginning and [`WINDOWS`] parts are read.
/// Smaller in tests, which go through it.
pub const FILE_BYTES: u64 = if cfg!(test) { MIB as u64 } else { 64 * MIB as u64 };
/// Bytes read at the beginning of a file that is larger than [`FILE_BYTES`].
pub const HEAD_BYTES: u64 = FILE_BYTES / 2;
/// Parts read of the rest of such a file, evenly spread.
pub const WINDOWS: u64 = 16;
/// Bytes of each such part.
pub const WINDOW_BYTES: u64 = HEAD_BYTES / WINDOWS;
/// Largest file of a kind that is read as a whole (PDF, HWP, images, sound).
pub const WHOLE_BYTES: u64 = 256 * MIB as u64;
/// Bytes kept of a file that is held in memory as a whole (PDF).
pub const HELD_BYTES: u64 = 64 * MIB as u64;

/// Cells, lines and pieces of text looked at in one file.
pub const CELLS: u64 = 20_000_000;
/// Bytes of text looked at in one file.
pub const TEXT_BYTES: u64 = 128 * MIB as u64;
/// Longest line or cell that is looked at as a whole; the rest of it is skipped and the file counts as read in part.
pub const CELL_BYTES: usize = 256 * KIB;
/// Columns of a table.
pub const COLUMNS: usize = 4096;
/// Characters kept of a column's name.
pub const COLUMN_NAME: usize = 64;
/// Nesting of JSON and XML.
pub const NESTING: usize = 64;
/// First places named for each finding.
pub const PLACES: usize = 3;
/// Findings of one file; more are counted nowhere, and the file counts as read in part.
pub const FINDINGS: usize = 4096;
/// Bytes of the first row of a table.
pub const FIRST_ROW: usize = MIB;
/// Characters of a masked value.
pub const MASKED: usize = 32;

/// Entries of a zip file (xlsx, hwpx, docx).
pub const ZIP_ENTRIES: usize = 4096;
/// Bytes of the directory of a zip file.
pub const ZIP_DIRECTORY: u64 = 4 * MIB as u64;
/// Bytes unpacked from one file, whatever it says of itself.
pub const UNPACKED: u64 = 256 * MIB as u64;
/// Shared strings of a spreadsheet kept in memory, in bytes.
pub const SHARED_STRINGS: usize = 32 * MIB;
/// Shared strings of a spreadsheet.
pub const SHARED_COUNT: usize = 1_000_000;
/// Sheets of a spreadsheet.
pub const SHEETS: usize = 256;

/// Bytes of the footer of a Parquet file.
pub const PARQUET_FOOTER: u64 = 16 * MIB as u64;
/// Columns chunks looked at.
pub const PARQUET_CHUNKS: usize = 65_536;
/// Bytes of one page of a Parquet file, unpacked.
pub const PARQUET_PAGE: usize = 16 * MIB;
/// Values of one page.
pub const PARQUET_VALUES: usize = 2_000_000;

/// Bytes of one record or stream of a document, unpacked.
pub const STREAM_BYTES: usize = 16 * MIB;
/// Streams or objects of a document.
pub const STREAMS: usize = 20_000;
/// Fonts of a PDF document, and characters that all of them map.
pub const FONTS: usize = 1000;
/// See [`FONTS`].
pub const MAPPED: usize = 500_000;
/// Bytes looked through for the names of fonts.
pub const FONT_NAMES: usize = 64 * MIB;

/// Files named in a report; the rest is counted.
pub const REPORTED_FILES: usize = 10_000;
