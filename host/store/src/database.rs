//! The retry loop: runs an operation as one transaction, again where that can help.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_workflow::{Deadlines, IllegalTransition};

use crate::codec::{self, Record};
use crate::engine::{
    AtomicOp, EngineError, KeyRange, RangeOptions, Read, Row, SharedEngine, Transaction, Watch,
};

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine is away, closed or full. Nothing is known to have been written.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The operation met too many conflicts in a row.
    #[error("gave up after {attempts} attempts that each met a conflict")]
    Contended {
        /// How many attempts were made.
        attempts: u32,
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
            | EngineError::MaybeCommitted) => Self::Retry(retryable),
        }
    }
}

/// One transaction, as an operation sees it.
pub struct Tx<'t> {
    inner: &'t mut dyn Transaction,
    maybe_committed: bool,
    deadlines: Deadlines,
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
        self.inner.set(key, value);
    }

    /// Writes a record.
    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) -> Result<(), StoreError> {
        self.inner.set(key, &codec::encode(record)?);
        Ok(())
    }

    /// Removes a key.
    pub fn clear(&mut self, key: &[u8]) {
        self.inner.clear(key);
    }

    /// Removes all keys of a range.
    pub fn clear_range(&mut self, range: &KeyRange) {
        self.inner.clear_range(range);
    }

    /// Adds to a 64-bit counter without reading it.
    pub fn add(&mut self, key: &[u8], by: i64) {
        self.inner.atomic(key, AtomicOp::Add, &by.to_le_bytes());
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

/// How often and how long an operation is tried.
const MOST_ATTEMPTS: u32 = 100;
const FIRST_BACKOFF: Duration = Duration::from_millis(1);
const LONGEST_BACKOFF: Duration = Duration::from_millis(100);

/// An engine with its retry loop. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    engine: SharedEngine,
    clock: SharedClock,
    entropy: SharedEntropy,
    deadlines: Deadlines,
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
        }
    }

    /// The engine below.
    pub fn engine(&self) -> &SharedEngine {
        &self.engine
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Where randomness comes from.
    pub(crate) fn entropy(&self) -> &SharedEntropy {
        &self.entropy
    }

    /// Runs an operation as one strictly serialisable transaction. When it returns `Ok`, what was
    /// written is durable. Conflicts are retried with full jitter, a bounded number of times.
    pub async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output, StoreError> {
        let mut maybe_committed = false;
        for attempt in 0..MOST_ATTEMPTS {
            let error = match self.attempt(operation, maybe_committed).await {
                Err(StoreError::Retry(error)) => error,
                done => return done,
            };
            maybe_committed |= error == EngineError::MaybeCommitted;
            // The first conflicts are met again at once: the other transaction is done by now.
            if attempt >= 3 {
                let longest = FIRST_BACKOFF.saturating_mul(1 << (attempt - 3).min(10));
                let micros = longest.min(LONGEST_BACKOFF).as_micros();
                let wait = self
                    .entropy
                    .below(u64::try_from(micros).unwrap_or(u64::MAX));
                self.clock.sleep(Duration::from_micros(wait)).await;
            }
        }
        Err(StoreError::Contended {
            attempts: MOST_ATTEMPTS,
        })
    }

    async fn attempt<O: Operation>(
        &self,
        operation: &O,
        maybe_committed: bool,
    ) -> Result<O::Output, StoreError> {
        let mut transaction = self.engine.begin().await?;
        let mut tx = Tx {
            inner: transaction.as_mut(),
            maybe_committed,
            deadlines: self.deadlines,
        };
        let output = operation.run(&mut tx).await?;
        transaction.commit().await?;
        Ok(output)
    }
}
