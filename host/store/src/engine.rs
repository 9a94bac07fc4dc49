//! The store API: one ordered key-value engine with optimistic, strictly serialisable transactions,
//! shaped like FoundationDB's.
//!
//! A transaction reads at one version and commits at another; it commits only if nothing that it read
//! (snapshot reads apart) was changed in between. Reads see the transaction's own writes. All engines
//! enforce FoundationDB's limits ([`limits`]), so that what works embedded works in the cluster.
//!
//! Owns the traits, what all engines have in common (the buffered writes, the conflict window, the
//! watches) and the engines. It knows nothing of the keys and values that go through it.

use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) mod atomic;
pub mod embedded;
#[cfg(feature = "fdb")]
pub mod fdb;
mod meter;
mod overlay;
mod pending;
pub mod simulated;
mod watches;
mod window;

/// FoundationDB's limits, enforced by every engine.
pub mod limits {
    use std::time::Duration;
    /// The longest key, in bytes.
    pub const KEY_BYTES: usize = 10_000;
    /// Every key sorts before this: keys that start with `0xff` belong to the engine.
    pub const KEY_END: &[u8] = &[0xff];
    /// The longest value, in bytes.
    pub const VALUE_BYTES: usize = 100_000;
    /// All keys and values written, and all conflict keys, of one transaction, in bytes.
    pub const TRANSACTION_BYTES: usize = 10_000_000;
    /// How long after its first read a transaction may commit.
    pub const TRANSACTION_AGE: Duration = Duration::from_secs(5);
    /// How stale the reads of [`begin_recent`](super::Engine::begin_recent) may be.
    pub const RECENT: Duration = Duration::from_millis(100);
}

/// Whether a read takes part in conflict detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The commit fails if what was read has changed.
    Serializable,
    /// The read may be stale by the time of the commit.
    Snapshot,
}

/// Keys from `begin` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub begin: Bytes,
    /// The first key no longer in it.
    pub end: Bytes,
}

impl KeyRange {
    /// The keys from `begin` to before `end`.
    pub fn new(begin: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self {
            begin: begin.into(),
            end: end.into(),
        }
    }

    /// Every key that starts with `prefix`, itself included; with an empty prefix every key there is.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while let Some(last) = end.last_mut() {
            if *last == 0xff {
                end.pop();
            } else {
                *last += 1;
                break;
            }
        }
        if end.is_empty() {
            end.extend_from_slice(limits::KEY_END);
        }
        Self {
            begin: Bytes::copy_from_slice(prefix),
            end: end.into(),
        }
    }

    /// One key.
    pub fn key(key: &[u8]) -> Self {
        let mut end = key.to_vec();
        end.push(0);
        Self {
            begin: Bytes::copy_from_slice(key),
            end: end.into(),
        }
    }

    /// As bounds for ordered maps.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(&self.begin), Bound::Excluded(&self.end))
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }
}

/// How much of a range to read.
#[derive(Debug, Clone, Copy)]
pub struct RangeOptions {
    /// The most rows; with 0 nothing is read.
    pub limit: usize,
    /// From the end.
    pub reverse: bool,
    /// Whether it takes part in conflict detection. What conflicts is the part of the range that was
    /// looked at: up to the last row given where the limit was reached, all of it otherwise.
    pub read: Read,
}

/// Operations that need no read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicOp {
    /// Little-endian addition that wraps. The result is as long as the operand: a longer value is cut, a
    /// shorter or missing one counts as filled up with zeros.
    Add,
    /// Keeps the greater of the two little-endian unsigned numbers, cut or filled up as by [`Self::Add`].
    Max,
}

/// One row.
pub type Row = (Bytes, Bytes);

/// The ten bytes that order commits: eight of the version, two of the order within it, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versionstamp(pub [u8; 10]);

impl Versionstamp {
    /// Its length.
    pub const BYTES: usize = 10;

    /// The stamp of the `order`th transaction that committed at `version`.
    pub fn new(version: u64, order: u16) -> Self {
        let mut bytes = [0; Self::BYTES];
        let (head, tail) = bytes.split_at_mut(size_of::<u64>());
        head.copy_from_slice(&version.to_be_bytes());
        tail.copy_from_slice(&order.to_be_bytes());
        Self(bytes)
    }
}

/// What a commit gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The version at which it took effect; for a transaction without writes the version it read at.
    pub version: u64,
    /// The stamp put into versionstamped keys; none for a transaction without writes.
    pub versionstamp: Option<Versionstamp>,
}

/// Why the engine could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Something that was read has changed: do it all again.
    #[error("conflict with another transaction")]
    Conflict,
    /// The read version is older than the engine can still check: do it all again.
    #[error("the transaction is older than five seconds")]
    TooOld,
    /// The engine has too much to do, or is being rearranged; nothing was written: do it all again.
    #[error("the store is busy: {0}")]
    Busy(&'static str),
    /// The commit may or may not have happened: do it again only if that is harmless.
    #[error("it is unknown whether the commit happened")]
    MaybeCommitted,
    /// The engine is away or overloaded; nothing was written.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A limit of [`limits`] was passed. Doing it again does not help.
    #[error("{what} is {size} bytes, at most {limit} are possible")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A key starts with `0xff` (see [`limits::KEY_END`]). Doing it again does not help.
    #[error("keys that start with 0xff belong to the store itself")]
    ReservedKey,
    /// The engine met an error after which it trusts nothing; the process has to be restarted. A commit
    /// that gives this did not happen; one whose outcome is unknown gives [`Self::MaybeCommitted`].
    #[error("the store has stopped after an error: {0}")]
    Poisoned(String),
}

impl EngineError {
    /// Whether the same transaction may succeed if it is run again from its start.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::TooOld | Self::Busy(_) | Self::MaybeCommitted
        )
    }
}

/// Ends when the watched key has changed from the value the transaction saw (or, rarely, for no
/// reason). Dropping it stops watching. It fires only after its transaction has committed; after the
/// engine was closed or poisoned it gives the error.
pub type Watch = Pin<Box<dyn Future<Output = Result<(), EngineError>> + Send>>;

/// One transaction. Dropping it without `commit` undoes it.
#[async_trait]
pub trait Transaction: Send {
    /// One value.
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError>;

    /// Rows in order.
    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError>;

    /// Writes a value.
    fn set(&mut self, key: &[u8], value: &[u8]);

    /// Removes a key.
    fn clear(&mut self, key: &[u8]);

    /// Removes all keys of a range.
    fn clear_range(&mut self, range: &KeyRange);

    /// Changes a value without reading it.
    fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]);

    /// Writes `value` under `prefix` + the commit's versionstamp + `suffix`. The key cannot be read
    /// back in the same transaction.
    fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]);

    /// Makes the commit fail if the range has changed, as if it had been read.
    fn add_read_conflict(&mut self, range: &KeyRange);

    /// Makes other transactions that read the range fail, as if it had been written.
    fn add_write_conflict(&mut self, range: &KeyRange);

    /// Watches a key, from the moment this transaction commits.
    async fn watch(&mut self, key: &[u8]) -> Result<Watch, EngineError>;

    /// Commits; durable when it returns `Ok`. A refusal that `set` and its like could not report (a limit,
    /// a reserved key) is reported here, or by a read before.
    async fn commit(self: Box<Self>) -> Result<Committed, EngineError>;
}

/// An engine. Cheap to share.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Begins a transaction at the newest durable version.
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError>;

    /// Begins a transaction whose reads may be a little stale ([`limits::RECENT`]), where that is cheaper.
    /// For what is shown to people; whoever decides something reads the newest.
    async fn begin_recent(&self) -> Result<Box<dyn Transaction>, EngineError> {
        self.begin().await
    }

    /// `embedded`, `fdb` or `simulated`.
    fn name(&self) -> &'static str;

    /// Stops taking commits, waits for those under way, and closes the files. Later calls give
    /// [`EngineError::Unavailable`].
    async fn close(&self);
}

/// A shared engine.
pub type SharedEngine = Arc<dyn Engine>;

impl fmt::Debug for dyn Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.name())
    }
}
