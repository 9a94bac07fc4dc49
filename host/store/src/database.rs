//! The retry loop: runs an operation as one transaction, again where that can help.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_workflow::{Deadlines, IllegalTransition, Status};

use crate::codec::{self, Record};
use crate::counter;
use crate::engine::{
    AtomicOp, EngineError, KeyRange, RangeOptions, Read, Row, SharedEngine, Transaction, Watch,
};
use crate::installation::{Claim, Claimed, Installation};
use crate::stats::{Counters, StoreStats, Written};

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine is away, closed or full. Nothing is known to have been written.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// Each attempt met a conflict, a store too busy to commit, or the like, until the time was up.
    #[error("gave up after {attempts} attempts, the last of which met this: {last}")]
    Contended {
        /// How many attempts were made.
        attempts: u32,
        /// What the last one met.
        last: EngineError,
    },
    /// A record is too large for any engine.
    #[error("{what} is {size} bytes, at most {limit} are possible")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A stored record cannot be read: it was written by a newer version, or damaged.
    #[error("the stored {0} cannot be read by this version")]
    Corrupt(&'static str),
    /// The state machine does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// An engine's word for "run it again"; it does not leave [`Database::run`].
    #[error(transparent)]
    Retry(EngineError),
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable(why) | EngineError::Poisoned(why) => Self::Unavailable(why),
            EngineError::TooLarge { what, size, limit } => Self::TooLarge { what, size, limit },
            EngineError::ReservedKey => Self::Corrupt("key"),
            retryable @ (EngineError::Conflict
            | EngineError::TooOld
            | EngineError::Busy(_)
            | EngineError::MaybeCommitted) => Self::Retry(retryable),
        }
    }
}

/// One transaction, as an operation sees it.
pub struct Tx<'t> {
    inner: &'t mut dyn Transaction,
    maybe_committed: bool,
    deadlines: Deadlines,
    written: Written,
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("maybe_committed", &self.maybe_committed)
            .finish_non_exhaustive()
    }
}

impl Tx<'_> {
    /// Whether an earlier attempt of this operation may have been committed after all. Once true it
    /// stays so for all later attempts.
    pub const fn maybe_committed(&self) -> bool {
        self.maybe_committed
    }

    /// How long a workflow may stay in each state.
    pub const fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// One value.
    pub async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, StoreError> {
        Ok(self.inner.get(key, read).await?)
    }

    /// One record.
    pub async fn record<R: Record>(
        &mut self,
        key: &[u8],
        read: Read,
    ) -> Result<Option<R>, StoreError> {
        self.get(key, read)
            .await?
            .map(|bytes| codec::decode(&bytes))
            .transpose()
    }

    /// Rows in order.
    pub async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.inner.get_range(range, options).await?)
    }

    /// The first row of a range.
    pub async fn first(&mut self, range: &KeyRange, read: Read) -> Result<Option<Row>, StoreError> {
        Ok(self
            .get_range(
                range,
                RangeOptions {
                    limit: 1,
                    reverse: false,
                    read,
                },
            )
            .await?
            .pop())
    }

    /// The last row of a range.
    pub async fn last(&mut self, range: &KeyRange, read: Read) -> Result<Option<Row>, StoreError> {
        Ok(self
            .get_range(
                range,
                RangeOptions {
                    limit: 1,
                    reverse: true,
                    read,
                },
            )
            .await?
            .pop())
    }

    /// Writes a value.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        self.written.add(key.len(), value.len());
        self.inner.set(key, value);
    }

    /// Writes a record.
    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) -> Result<(), StoreError> {
        self.set(key, &codec::encode(record)?);
        Ok(())
    }

    /// Removes a key.
    pub fn clear(&mut self, key: &[u8]) {
        self.written.add(key.len(), 0);
        self.inner.clear(key);
    }

    /// Removes all keys of a range.
    pub fn clear_range(&mut self, range: &KeyRange) {
        self.written.add(range.begin.len() + range.end.len(), 0);
        self.inner.clear_range(range);
    }

    /// Adds to a 64-bit counter without reading it.
    pub fn add(&mut self, key: &[u8], by: i64) {
        self.written.add(key.len(), size_of::<i64>());
        self.inner.atomic(key, AtomicOp::Add, &by.to_le_bytes());
    }

    /// Adds to a counter of workflows by status, without reading it.
    pub(crate) fn count(&mut self, key: &[u8], by: &[(Status, i64)]) {
        let change = counter::change(by);
        self.written.add(key.len(), change.len());
        self.inner.atomic(key, AtomicOp::Add, &change);
    }

    /// Watches a key from the moment this transaction commits.
    pub async fn watch(&mut self, key: &[u8]) -> Result<Watch, StoreError> {
        Ok(self.inner.watch(key).await?)
    }
}

/// What is done in one transaction. It may be run several times, and so must not change anything but
/// through `tx`.
#[async_trait]
pub trait Operation: Sync {
    /// What it gives.
    type Output: Send;

    /// Reads and writes. Nothing it writes is there until [`Database::run`] has returned.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError>;
}

/// How often and how long an operation is tried. What it meets in vain for so long is not a conflict among
/// neighbours any more, and whoever asked has stopped waiting.
const MOST_ATTEMPTS: u32 = 100;
const LONGEST: Duration = Duration::from_secs(15);
const FIRST_BACKOFF: Duration = Duration::from_millis(1);
const LONGEST_BACKOFF: Duration = Duration::from_millis(100);

/// An engine with its retry loop. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    engine: SharedEngine,
    clock: SharedClock,
    entropy: SharedEntropy,
    deadlines: Deadlines,
    counters: Arc<Counters>,
    /// False until it is known whose store this is, where that has to be known.
    open: Arc<AtomicBool>,
}

/// Which version of the store an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Newest,
    Recent,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.engine).finish()
    }
}

impl Database {
    /// Wraps an engine.
    pub fn new(
        engine: SharedEngine,
        clock: SharedClock,
        entropy: SharedEntropy,
        deadlines: Deadlines,
    ) -> Self {
        Self {
            engine,
            clock,
            entropy,
            deadlines,
            counters: Arc::default(),
            open: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Wraps an engine whose store has to be [claimed](Self::claim) first; until then, everything else is
    /// [`StoreError::Unavailable`].
    #[must_use]
    pub fn unclaimed(self) -> Self {
        self.open.store(false, Ordering::Release);
        self
    }

    /// The engine below.
    pub fn engine(&self) -> &SharedEngine {
        &self.engine
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// What the transactions of this process came to.
    pub fn stats(&self) -> StoreStats {
        self.counters.read()
    }

    /// Claims the store for an installation, if it is nobody's, and lets operations run if it is this one's.
    pub async fn claim(&self, installation: Installation) -> Result<Claimed, StoreError> {
        let claimed = self.retry(&Claim(installation), Version::Newest).await?;
        if matches!(claimed, Claimed::New | Claimed::Ours) {
            self.open.store(true, Ordering::Release);
        }
        Ok(claimed)
    }

    /// Where randomness comes from.
    pub(crate) fn entropy(&self) -> &SharedEntropy {
        &self.entropy
    }

    /// Runs an operation as one strictly serialisable transaction. When it returns `Ok`, what was
    /// written is durable. What another attempt may mend is tried again with full jitter, a bounded number
    /// of times.
    pub async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, StoreError> {
        self.check_open()?;
        self.retry(operation, Version::Newest).await
    }

    /// Runs an operation that only looks: what it reads is consistent, but may be a little old
    /// ([`limits::RECENT`](crate::engine::limits::RECENT)). Nothing may be decided by it.
    pub async fn look<O: Operation>(&self, operation: &O) -> Result<O::Output, StoreError> {
        self.check_open()?;
        self.retry(operation, Version::Recent).await
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.open.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = "it has not been possible yet to see whose store it is";
        Err(StoreError::Unavailable(why.into()))
    }

    async fn retry<O: Operation>(
        &self,
        operation: &O,
        version: Version,
    ) -> Result<O::Output, StoreError> {
        self.counters.begun();
        let began = self.clock.monotonic();
        let mut maybe_committed = false;
        let mut attempts = 0;
        loop {
            let error = match self.attempt(operation, version, maybe_committed).await {
                Err(StoreError::Retry(error)) => error,
                done => return done,
            };
            attempts += 1;
            maybe_committed |= error == EngineError::MaybeCommitted;
            let spent = self.clock.monotonic().saturating_sub(began);
            if attempts >= MOST_ATTEMPTS || spent >= LONGEST {
                let last = error;
                return Err(StoreError::Contended { attempts, last });
            }
            self.back_off(attempts, &error).await;
        }
    }

    async fn back_off(&self, attempts: u32, error: &EngineError) {
        // The first conflicts are met again at once: the other transaction is done by now. A store that is
        // busy is not helped by haste.
        let busy = matches!(error, EngineError::Busy(_));
        if attempts <= 3 && !busy {
            return;
        }
        let longest = FIRST_BACKOFF.saturating_mul(1 << attempts.saturating_sub(3).min(10));
        let longest = if busy {
            LONGEST_BACKOFF
        } else {
            longest.min(LONGEST_BACKOFF)
        };
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let wait = self.entropy.below(micros);
        self.clock.sleep(Duration::from_micros(wait)).await;
    }

    async fn attempt<O: Operation>(
        &self,
        operation: &O,
        version: Version,
        maybe_committed: bool,
    ) -> Result<O::Output, StoreError> {
        let begun = match version {
            Version::Newest => self.engine.begin().await,
            Version::Recent => self.engine.begin_recent().await,
        };
        let mut transaction = begun.inspect_err(|error| self.counters.failed(error))?;
        let mut tx = Tx {
            inner: transaction.as_mut(),
            maybe_committed,
            deadlines: self.deadlines,
            written: Written::default(),
        };
        let output = operation.run(&mut tx).await;
        if let Err(StoreError::Retry(error)) = &output {
            self.counters.failed(error);
        }
        let output = output?;
        let written = tx.written;
        let committed = transaction.commit().await;
        committed.inspect_err(|error| self.counters.failed(error))?;
        self.counters.committed(written);
        Ok(output)
    }
}
