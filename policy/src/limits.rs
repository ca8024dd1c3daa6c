//! Every bound of this crate: the rows `bundle…`, `packs` and `policy_…` of `spec/11-limits-and-errors.md`; the rest are
//! this crate's own. Reaching one refuses a bundle or breaks an evaluation; none of them ever allows.

use std::time::Duration;

/// A bundle as it comes, compressed, bytes.
pub const BUNDLE_BYTES: usize = 16 << 20;
/// A bundle unpacked, all members together, bytes.
pub const UNPACKED_BYTES: u64 = 64 << 20;
/// Members of a bundle.
pub const MEMBERS: usize = 256;
/// `policy.wasm`, bytes.
pub const WASM_BYTES: u64 = 8 << 20;
/// `data.json`, bytes.
pub const DATA_BYTES: u64 = 4 << 20;
/// `.manifest`, bytes.
pub const MANIFEST_BYTES: u64 = 64 << 10;

/// Packs in one engine.
pub const PACKS: usize = 16;
/// An input document as JSON, bytes.
pub const INPUT_BYTES: usize = 256 << 10;
/// How deep objects and arrays of an input document may lie in one another; `{}` is one level.
pub const INPUT_DEPTH: usize = 32;
/// The largest integer that JSON carries unharmed, either sign.
pub const INTEGER: u64 = (1 << 53) - 1;
/// A pack's result as JSON, bytes.
pub const RESULT_BYTES: usize = 64 << 10;

/// Linear memory of one evaluation, bytes.
pub const MEMORY_BYTES: usize = 64 << 20;
/// Stores of one pack that are kept for the next evaluations: as many as are asked at once on most machines.
pub const KEPT_STORES: usize = 4;
/// Linear memory up to which a store is kept, bytes.
pub const KEPT_MEMORY_BYTES: usize = 8 << 20;
/// Table elements of one evaluation.
pub const TABLE_ELEMENTS: usize = 64 << 10;
/// Fuel of one evaluation of one pack (about one unit for each Wasm instruction). An ordinary deal needs about a
/// hundredth of it. Unlike time, fuel runs out at the same place on every machine.
pub const FUEL: u64 = 500_000_000;
/// The time that one evaluation of one pack may take, should fuel not stop it first.
pub const TIME: Duration = Duration::from_secs(15);
/// How finely `TIME` is measured.
pub const TICK: Duration = Duration::from_millis(100);

/// Machine code of all functions together that is kept for the next process, with their names, bytes.
pub const COMPILED_BYTES: usize = 64 << 20;
/// The same as it is written to a file: with a length before each part.
pub const COMPILED_FILE_BYTES: usize = COMPILED_BYTES + (8 << 20);

/// Rules of one kind in an offer.
pub const ODRL_RULES: usize = 32;
/// Constraints of one rule, once its logic is unfolded.
pub const ODRL_CLAUSES: usize = 64;
/// Comparisons of one constraint, once its logic is unfolded.
pub const ODRL_COMPARISONS: usize = 256;
/// How deep logical constraints may lie in one another.
pub const ODRL_LOGIC: usize = 8;
/// Values on the right of one comparison.
pub const ODRL_VALUES: usize = 512;

/// Cells of one `naru policy what-if`: a country, a day and a purpose each.
pub const WHAT_IF_CELLS: usize = 1000;
