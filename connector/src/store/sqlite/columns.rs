//! From columns to values and back. What does not fit its type is damage, named by its column.

use naru_protocol::{
    encoding::{Digest, Id},
    log::merkle::Hash,
};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::super::StoreError;

/// A row that is being read.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a>(pub(super) &'a SqliteRow);

fn damaged(column: &str) -> StoreError {
    StoreError::Corrupt(format!("column {column}"))
}

impl Columns<'_> {
    pub(super) fn text(self, column: &str) -> Result<String, StoreError> {
        self.0.try_get(column).map_err(|e| StoreError::database(&e))
    }

    pub(super) fn opt_text(self, column: &str) -> Result<Option<String>, StoreError> {
        self.0.try_get(column).map_err(|e| StoreError::database(&e))
    }

    pub(super) fn bytes(self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.0.try_get(column).map_err(|e| StoreError::database(&e))
    }

    pub(super) fn opt_bytes(self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.try_get(column).map_err(|e| StoreError::database(&e))
    }

    pub(super) fn opt_number(self, column: &str) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.0.try_get(column).map_err(|e| StoreError::database(&e))?;
        number.map(|number| u64::try_from(number).map_err(|_| damaged(column))).transpose()
    }

    pub(super) fn number(self, column: &str) -> Result<u64, StoreError> {
        self.opt_number(column)?.ok_or_else(|| damaged(column))
    }

    pub(super) fn flag(self, column: &str) -> Result<bool, StoreError> {
        match self.number(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(damaged(column)),
        }
    }

    pub(super) fn hash(self, column: &str) -> Result<Hash, StoreError> {
        Hash::from_slice(&self.bytes(column)?).ok_or_else(|| damaged(column))
    }

    pub(super) fn digest(self, column: &str) -> Result<Digest, StoreError> {
        Digest::parse(&self.text(column)?).map_err(|_| damaged(column))
    }

    pub(super) fn opt_digest(self, column: &str) -> Result<Option<Digest>, StoreError> {
        self.opt_text(column)?.map(|text| Digest::parse(&text).map_err(|_| damaged(column))).transpose()
    }

    pub(super) fn id(self, column: &str) -> Result<Id, StoreError> {
        Id::parse(&self.text(column)?).map_err(|_| damaged(column))
    }

    pub(super) fn opt_id(self, column: &str) -> Result<Option<Id>, StoreError> {
        self.opt_text(column)?.map(|text| Id::parse(&text).map_err(|_| damaged(column))).transpose()
    }

    /// A word of one of the closed lists.
    pub(super) fn word<T>(self, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(&self.text(column)?).ok_or_else(|| damaged(column))
    }

    /// A value that must fit a smaller type.
    pub(super) fn small<T: TryFrom<u64>>(self, column: &str) -> Result<T, StoreError> {
        T::try_from(self.number(column)?).map_err(|_| damaged(column))
    }
}

/// SQLite counts to 2^63 - 1.
pub(super) fn int(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::BadBatch("a number above 2^63 - 1".to_owned()))
}

pub(super) fn opt_int(number: Option<u64>) -> Result<Option<i64>, StoreError> {
    number.map(int).transpose()
}
