//! What the transactions of this process came to, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::EngineError;

/// Counts since the process started. Shared by all clones of a [`Database`](crate::Database).
#[derive(Debug, Default)]
pub(crate) struct Counters {
    operations: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    too_old: AtomicU64,
    busy: AtomicU64,
    maybe_committed: AtomicU64,
    unavailable: AtomicU64,
    key_writes: AtomicU64,
    bytes_written: AtomicU64,
}

/// A reading of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Operations begun.
    pub operations: u64,
    /// Transactions committed that wrote something.
    pub commits: u64,
    /// Attempts that met a conflict.
    pub conflicts: u64,
    /// Attempts that took too long.
    pub too_old: u64,
    /// Attempts that the engine had no time for.
    pub busy: u64,
    /// Commits of unknown outcome.
    pub maybe_committed: u64,
    /// Attempts that found the engine away.
    pub unavailable: u64,
    /// Keys set, cleared, added to or cleared as a range, by transactions committed.
    pub key_writes: u64,
    /// The keys and values of those, in bytes.
    pub bytes_written: u64,
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn begun(&self) {
        count(&self.operations, 1);
    }

    pub(crate) fn committed(&self, written: Written) {
        if written.keys > 0 {
            count(&self.commits, 1);
            count(&self.key_writes, written.keys);
            count(&self.bytes_written, written.bytes);
        }
    }

    pub(crate) fn failed(&self, error: &EngineError) {
        match error {
            EngineError::Conflict => count(&self.conflicts, 1),
            EngineError::TooOld => count(&self.too_old, 1),
            EngineError::Busy(_) => count(&self.busy, 1),
            EngineError::MaybeCommitted => count(&self.maybe_committed, 1),
            EngineError::Unavailable(_) | EngineError::Poisoned(_) => count(&self.unavailable, 1),
            EngineError::TooLarge { .. } | EngineError::ReservedKey => {}
        }
    }

    pub(crate) fn read(&self) -> StoreStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            operations: read(&self.operations),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            too_old: read(&self.too_old),
            busy: read(&self.busy),
            maybe_committed: read(&self.maybe_committed),
            unavailable: read(&self.unavailable),
            key_writes: read(&self.key_writes),
            bytes_written: read(&self.bytes_written),
        }
    }
}

/// What one transaction wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    keys: u64,
    bytes: u64,
}

impl Written {
    pub(crate) fn add(&mut self, key: usize, value: usize) {
        self.keys += 1;
        self.bytes += (key + value) as u64;
    }
}
