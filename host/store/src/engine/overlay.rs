//! A transaction's own writes, merged into what it reads.
//!
//! Knows keys, values and their order; nothing of versions, conflicts or limits.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::atomic;
use super::{AtomicOp, EngineError, KeyRange, Row};

/// Rows of a snapshot, in the order asked for.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, EngineError>> + 'a>;

/// The stored rows at one version.
pub(super) trait Snapshot {
    /// One value.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The rows of a range, from its end if `reverse`.
    fn rows(&self, range: &KeyRange, reverse: bool) -> Result<Rows<'_>, EngineError>;
}

/// What a transaction does to one key.
#[derive(Clone)]
pub(super) enum Write {
    /// Its value will be this.
    Set(Bytes),
    /// It will have none.
    Clear,
    /// These, in order, on top of whatever it has by then.
    Atomics(Vec<(AtomicOp, Bytes)>),
}

/// What the overlay knows of a key.
pub(super) enum Lookup<'a> {
    /// Its value, whatever is stored.
    Known(Option<Bytes>),
    /// The stored value with these on top (none: as stored).
    Stored(&'a [(AtomicOp, Bytes)]),
}

/// Buffered writes. What is in `keys` was written after the clearing of any range around it.
#[derive(Default)]
pub(super) struct Overlay {
    keys: BTreeMap<Bytes, Write>,
    /// Disjoint, from begin to end.
    cleared: BTreeMap<Bytes, Bytes>,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.cleared.is_empty()
    }

    /// The keys written, in order. They come after [`Self::cleared`].
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Bytes, &Write)> {
        self.keys.iter()
    }

    /// The ranges cleared, in order.
    pub(super) fn cleared(&self) -> impl Iterator<Item = KeyRange> {
        self.cleared
            .iter()
            .map(|(begin, end)| KeyRange::new(begin.clone(), end.clone()))
    }

    pub(super) fn set(&mut self, key: Bytes, value: Bytes) {
        self.keys.insert(key, Write::Set(value));
    }

    pub(super) fn clear(&mut self, key: Bytes) {
        if self.cleared_around(&key).is_some() {
            self.keys.remove(&key);
        } else {
            self.keys.insert(key, Write::Clear);
        }
    }

    pub(super) fn clear_range(&mut self, range: &KeyRange) {
        if range.is_empty() {
            return;
        }
        let doomed: Vec<Bytes> = self
            .keys
            .range::<[u8], _>(range.bounds())
            .map(|(key, _)| key.clone())
            .collect();
        for key in doomed {
            self.keys.remove(&key);
        }
        let KeyRange { mut begin, mut end } = range.clone();
        // Every range that touches the new one begins at or before its end; walk down from there.
        while let Some((b, e)) = self
            .cleared
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(&end[..])))
            .next_back()
            .filter(|(_, e)| **e >= begin)
            .map(|(b, e)| (b.clone(), e.clone()))
        {
            self.cleared.remove(&b);
            begin = begin.min(b);
            end = end.max(e);
        }
        self.cleared.insert(begin, end);
    }

    pub(super) fn atomic(&mut self, key: Bytes, op: AtomicOp, operand: Bytes) {
        let is_cleared = self.cleared_around(&key).is_some();
        match self.keys.get_mut(&key) {
            Some(Write::Set(value)) => *value = atomic::apply(op, Some(value), &operand),
            Some(write @ Write::Clear) => *write = Write::Set(operand),
            Some(Write::Atomics(ops)) => match ops.last_mut() {
                // With operands of one length both operations are associative.
                Some((last, sum)) if *last == op && sum.len() == operand.len() => {
                    *sum = atomic::apply(op, Some(sum), &operand);
                }
                _ => ops.push((op, operand)),
            },
            None if is_cleared => {
                self.keys.insert(key, Write::Set(operand));
            }
            None => {
                self.keys.insert(key, Write::Atomics(vec![(op, operand)]));
            }
        }
    }

    pub(super) fn lookup(&self, key: &[u8]) -> Lookup<'_> {
        match self.keys.get(key) {
            Some(Write::Set(value)) => Lookup::Known(Some(value.clone())),
            Some(Write::Clear) => Lookup::Known(None),
            Some(Write::Atomics(ops)) => Lookup::Stored(ops),
            None if self.cleared_around(key).is_some() => Lookup::Known(None),
            None => Lookup::Stored(&[]),
        }
    }

    /// At most `limit` rows of `range` as the transaction sees them.
    pub(super) fn rows(
        &self,
        snapshot: &impl Snapshot,
        range: &KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Row>, EngineError> {
        let mut rows = Vec::new();
        if range.is_empty() || limit == 0 {
            return Ok(rows);
        }
        let mut stored = StoredRows {
            overlay: self,
            snapshot,
            range,
            reverse,
            rows: snapshot.rows(range, reverse)?,
        };
        let mut own = self.keys.range::<[u8], _>(range.bounds());
        let mut next_own = || {
            if reverse { own.next_back() } else { own.next() }
        };
        let mut stored_row = stored.next()?;
        let mut own_row = next_own();
        while rows.len() < limit {
            let order = match (&stored_row, &own_row) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((a, _)), Some((b, _))) if reverse => (*b).cmp(a),
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            // The stored row that is due, if any; and the write that is due, if any.
            let base = if order.is_le() {
                std::mem::replace(&mut stored_row, stored.next()?)
            } else {
                None
            };
            let write = if order.is_ge() {
                std::mem::replace(&mut own_row, next_own())
            } else {
                None
            };
            match (write, base) {
                (None, None) | (Some((_, Write::Clear)), _) => {}
                (None, Some(row)) => rows.push(row),
                (Some((key, Write::Set(value))), _) => rows.push((key.clone(), value.clone())),
                (Some((key, Write::Atomics(ops))), base) => {
                    let value = resolve(base.map(|(_, value)| value), ops);
                    rows.extend(value.map(|value| (key.clone(), value)));
                }
            }
        }
        Ok(rows)
    }

    fn cleared_around(&self, key: &[u8]) -> Option<(&Bytes, &Bytes)> {
        self.cleared
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()
            .filter(|(_, end)| key < &end[..])
    }
}

/// A stored value with atomic operations on top.
pub(super) fn resolve(stored: Option<Bytes>, ops: &[(AtomicOp, Bytes)]) -> Option<Bytes> {
    ops.iter().fold(stored, |value, (op, operand)| {
        Some(atomic::apply(*op, value.as_deref(), operand))
    })
}

/// Stored rows without those in cleared ranges, which are leapt over rather than walked through.
struct StoredRows<'a, S> {
    overlay: &'a Overlay,
    snapshot: &'a S,
    range: &'a KeyRange,
    reverse: bool,
    rows: Rows<'a>,
}

impl<S: Snapshot> StoredRows<'_, S> {
    fn next(&mut self) -> Result<Option<Row>, EngineError> {
        while let Some(row) = self.rows.next().transpose()? {
            let Some((begin, end)) = self.overlay.cleared_around(&row.0) else {
                return Ok(Some(row));
            };
            let left = if self.reverse {
                KeyRange::new(self.range.begin.clone(), begin.clone())
            } else {
                KeyRange::new(end.clone(), self.range.end.clone())
            };
            if left.is_empty() {
                return Ok(None);
            }
            self.rows = self.snapshot.rows(&left, self.reverse)?;
        }
        Ok(None)
    }
}
