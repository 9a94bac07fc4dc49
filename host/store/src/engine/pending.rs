//! All that a transaction will ask of the commit: its writes, what it read, and their size.
//!
//! Enforces [`limits`]; knows nothing of how anything is stored beyond [`Snapshot`].

use std::collections::HashSet;

use bytes::Bytes;

use super::overlay::{Lookup, Overlay, Snapshot, resolve};
use super::{AtomicOp, EngineError, KeyRange, RangeOptions, Read, Row, Versionstamp, limits};

/// What FoundationDB counts for a mutation besides its key and value, and for a conflict range besides its
/// ends (the sizes of its structures, rounded up).
const MUTATION_BYTES: usize = 56;
const CONFLICT_BYTES: usize = 32;

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
    size: usize,
    refused: Option<EngineError>,
}

impl Pending {
    /// Whether there is nothing that a commit would have to do.
    pub(super) fn is_read_only(&self) -> bool {
        self.overlay.is_empty() && self.stamped.is_empty() && self.write_conflicts.is_empty()
    }

    /// Its size by [`limits::TRANSACTION_BYTES`].
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The first thing that was refused so far.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.refused.clone().map_or(Ok(()), Err)
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
        let grows = mutation(key.len(), value.len()) + conflict(key.len());
        if self.admit(grows, check_key(key).and_then(|()| check_value(value))) {
            self.overlay.set(copy(key), copy(value));
        }
    }

    pub(super) fn clear(&mut self, key: &[u8]) {
        let grows = mutation(key.len(), key.len() + 1) + conflict(key.len());
        if self.admit(grows, check_key(key)) {
            self.overlay.clear(copy(key));
        }
    }

    pub(super) fn clear_range(&mut self, range: &KeyRange) {
        let ends = range.begin.len() + range.end.len();
        let grows = MUTATION_BYTES + CONFLICT_BYTES + 2 * ends;
        if self.admit(grows, check_range(range)) {
            self.overlay.clear_range(range);
        }
    }

    pub(super) fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        let grows = mutation(key.len(), operand.len()) + conflict(key.len());
        if self.admit(grows, check_key(key).and_then(|()| check_value(operand))) {
            self.overlay.atomic(copy(key), op, copy(operand));
        }
    }

    pub(super) fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        let length = prefix.len() + Versionstamp::BYTES + suffix.len();
        let fits = check_key_length(length)
            .and_then(|()| check_start(prefix))
            .and_then(|()| check_value(value));
        if self.admit(mutation(length, value.len()) + conflict(length), fits) {
            self.stamped.push(Stamped {
                prefix: copy(prefix),
                suffix: copy(suffix),
                value: copy(value),
            });
        }
    }

    fn read_key(&mut self, key: &[u8]) {
        if !self.reads.keys.contains(key) && self.admit(conflict(key.len()), Ok(())) {
            self.reads.keys.insert(copy(key));
        }
    }

    pub(super) fn read_range(&mut self, range: &KeyRange) {
        if range.is_empty() || self.reads.ranges.last() == Some(range) {
            return;
        }
        let grows = CONFLICT_BYTES + range.begin.len() + range.end.len();
        if self.admit(grows, check_range(range)) {
            self.reads.ranges.push(range.clone());
        }
    }

    pub(super) fn write_range(&mut self, range: &KeyRange) {
        let grows = CONFLICT_BYTES + range.begin.len() + range.end.len();
        if self.admit(grows, check_range(range)) && !range.is_empty() {
            self.write_conflicts.push(range.clone());
        }
    }

    /// Whether something that `grows` the transaction may still be added. After the first refusal nothing
    /// is, so that a transaction which can no longer commit stops growing.
    fn admit(&mut self, grows: usize, fits: Result<(), EngineError>) -> bool {
        if self.refused.is_some() {
            return false;
        }
        self.size += grows;
        let fits =
            fits.and_then(|()| limit("the transaction", self.size, limits::TRANSACTION_BYTES));
        self.refused = fits.err();
        self.refused.is_none()
    }
}

/// Whether a key may be read or written.
fn check_key(key: &[u8]) -> Result<(), EngineError> {
    check_key_length(key.len())?;
    check_start(key)
}

/// Whether a range may be read or cleared. Its ends need not be possible keys themselves.
fn check_range(range: &KeyRange) -> Result<(), EngineError> {
    // `KeyRange::key` makes an end one byte longer than its key.
    check_key_length(range.begin.len())?;
    check_key_length(range.end.len().saturating_sub(1))?;
    if &range.end[..] > limits::KEY_END || &range.begin[..] > limits::KEY_END {
        return Err(EngineError::ReservedKey);
    }
    Ok(())
}

fn check_start(key: &[u8]) -> Result<(), EngineError> {
    if key.starts_with(limits::KEY_END) {
        return Err(EngineError::ReservedKey);
    }
    Ok(())
}

fn check_key_length(length: usize) -> Result<(), EngineError> {
    limit("a key", length, limits::KEY_BYTES)
}

fn check_value(value: &[u8]) -> Result<(), EngineError> {
    limit("a value", value.len(), limits::VALUE_BYTES)
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), EngineError> {
    if size > limit {
        return Err(EngineError::TooLarge { what, size, limit });
    }
    Ok(())
}

const fn mutation(key: usize, value: usize) -> usize {
    MUTATION_BYTES + key + value
}

const fn conflict(key: usize) -> usize {
    CONFLICT_BYTES + 2 * key + 1
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
