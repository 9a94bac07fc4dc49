//! All that a transaction will ask of the commit: its writes, what it read, and their size.
//!
//! Knows nothing of how anything is stored beyond [`Snapshot`]; what fits is [`Meter`]'s.

use std::collections::HashSet;

use bytes::Bytes;

use super::meter::{Meter, check_key, check_range};
use super::overlay::{Lookup, Overlay, Snapshot, resolve};
use super::{AtomicOp, EngineError, KeyRange, RangeOptions, Read, Row, Versionstamp};

/// What was read with [`Read::Serializable`](super::Read::Serializable).
#[derive(Default)]
pub(super) struct ReadSet {
    pub(super) keys: HashSet<Bytes>,
    pub(super) ranges: Vec<KeyRange>,
}

impl ReadSet {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }
}

/// A row whose key is known only at the commit.
pub(super) struct Stamped {
    prefix: Bytes,
    suffix: Bytes,
    pub(super) value: Bytes,
}

impl Stamped {
    pub(super) fn key(&self, stamp: Versionstamp) -> Bytes {
        [&self.prefix[..], &stamp.0, &self.suffix].concat().into()
    }
}

/// A transaction's wishes.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) overlay: Overlay,
    pub(super) stamped: Vec<Stamped>,
    pub(super) reads: ReadSet,
    /// Write conflicts beyond the keys written and ranges cleared.
    pub(super) write_conflicts: Vec<KeyRange>,
    meter: Meter,
}

impl Pending {
    /// Whether there is nothing that a commit would have to do.
    pub(super) fn is_read_only(&self) -> bool {
        self.overlay.is_empty() && self.stamped.is_empty() && self.write_conflicts.is_empty()
    }

    /// Its size by `limits::TRANSACTION_BYTES`.
    pub(super) fn size(&self) -> usize {
        self.meter.size()
    }

    /// The first thing that was refused so far.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.meter.check()
    }

    /// One value as the transaction sees it; notes what its commit depends on.
    pub(super) fn get(
        &mut self,
        snapshot: &impl Snapshot,
        key: &[u8],
        read: Read,
    ) -> Result<Option<Bytes>, EngineError> {
        check_key(key)?;
        match self.overlay.lookup(key) {
            // What it wrote itself nobody can change.
            Lookup::Known(value) => Ok(value),
            Lookup::Stored(ops) => {
                let value = resolve(snapshot.get(key)?, ops);
                if read == Read::Serializable {
                    self.read_key(key);
                }
                Ok(value)
            }
        }
    }

    /// Rows as the transaction sees them; notes what its commit depends on.
    pub(super) fn get_range(
        &mut self,
        snapshot: &impl Snapshot,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        check_range(range)?;
        let RangeOptions {
            limit,
            reverse,
            read,
        } = options;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let rows = self.overlay.rows(snapshot, range, limit, reverse)?;
        if read == Read::Serializable {
            let looked_at = match rows.last() {
                Some((last, _)) if rows.len() == limit && reverse => {
                    KeyRange::new(last.clone(), range.end.clone())
                }
                Some((last, _)) if rows.len() == limit => {
                    KeyRange::new(range.begin.clone(), KeyRange::key(last).end)
                }
                _ => range.clone(),
            };
            self.read_range(&looked_at);
        }
        Ok(rows)
    }

    /// Adds the keys and ranges it writes under `stamp`, for the window and the watches.
    pub(super) fn written(
        &self,
        stamp: Versionstamp,
        keys: &mut Vec<Bytes>,
        ranges: &mut Vec<KeyRange>,
    ) {
        keys.extend(self.overlay.keys().map(|(key, _)| key.clone()));
        keys.extend(self.stamped.iter().map(|row| row.key(stamp)));
        ranges.extend(self.overlay.cleared());
        ranges.extend(self.write_conflicts.iter().cloned());
    }

    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) {
        if self.meter.set(key, value) {
            self.overlay.set(copy(key), copy(value));
        }
    }

    pub(super) fn clear(&mut self, key: &[u8]) {
        if self.meter.clear(key) {
            self.overlay.clear(copy(key));
        }
    }

    pub(super) fn clear_range(&mut self, range: &KeyRange) {
        if self.meter.clear_range(range) {
            self.overlay.clear_range(range);
        }
    }

    pub(super) fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        if self.meter.set(key, operand) {
            self.overlay.atomic(copy(key), op, copy(operand));
        }
    }

    pub(super) fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        if self.meter.set_versionstamped(prefix, suffix, value) {
            self.stamped.push(Stamped {
                prefix: copy(prefix),
                suffix: copy(suffix),
                value: copy(value),
            });
        }
    }

    fn read_key(&mut self, key: &[u8]) {
        if !self.reads.keys.contains(key) && self.meter.read_key(key) {
            self.reads.keys.insert(copy(key));
        }
    }

    pub(super) fn read_range(&mut self, range: &KeyRange) {
        if range.is_empty() || self.reads.ranges.last() == Some(range) {
            return;
        }
        if self.meter.conflict_range(range) {
            self.reads.ranges.push(range.clone());
        }
    }

    pub(super) fn write_range(&mut self, range: &KeyRange) {
        if self.meter.conflict_range(range) && !range.is_empty() {
            self.write_conflicts.push(range.clone());
        }
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
