//! The rows at one durable version.

use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::file::ROWS;
use super::health::Health;
use crate::engine::overlay::{Rows, Snapshot};
use crate::engine::{EngineError, KeyRange};

/// Keeps the pages of its version from being used anew; so it lives no longer than who reads it.
pub(super) struct TableSnapshot {
    pub(super) version: u64,
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    health: Arc<Health>,
}

impl TableSnapshot {
    /// The newest commit of `database`, which is `version`.
    pub(super) fn open(
        database: &Database,
        version: u64,
        health: &Arc<Health>,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            version,
            rows: database.begin_read()?.open_table(ROWS)?,
            health: Arc::clone(health),
        })
    }
}

impl Snapshot for TableSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let row = ReadableTable::get(&self.rows, key).map_err(|e| self.health.failed(e))?;
        Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
    }

    fn rows(&self, range: &KeyRange, reverse: bool) -> Result<Rows<'_>, EngineError> {
        let bounds = &range.begin[..]..&range.end[..];
        let mut found =
            ReadableTable::range(&self.rows, bounds).map_err(|e| self.health.failed(e))?;
        Ok(Box::new(std::iter::from_fn(move || {
            let row = if reverse {
                found.next_back()
            } else {
                found.next()
            };
            Some(match row? {
                Ok((key, value)) => Ok((
                    Bytes::copy_from_slice(key.value()),
                    Bytes::copy_from_slice(value.value()),
                )),
                Err(error) => Err(self.health.failed(error)),
            })
        })))
    }
}
