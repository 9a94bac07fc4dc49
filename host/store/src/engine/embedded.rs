//! The embedded engine: redb below one sequencer.
//!
//! *Reads* go to a redb read transaction at the newest durable version, which is shared by all transactions
//! that began at that version. They run where they are called: they find their pages in redb's cache, or
//! wait for one read of the file. *Commits* go through a bounded queue to the sequencer, a thread of its
//! own, which takes all that wait, checks each against what was written since it read (those before it in
//! the group included), writes the survivors in one redb transaction, makes it durable, and only then
//! lets new transactions read it and answers. While the disk works, the next group gathers.
//!
//! A commit's version is a number stored in the same redb transaction, so none is ever used twice. *Any*
//! I/O error poisons the engine: what the operating system says of a file after a failed sync cannot be
//! trusted, so nothing more is read or written until the process starts anew.
//!
//! Owns the file, its two tables and the sequencer's thread. It knows nothing of what the rows mean.

mod file;
mod health;
mod queue;
mod sequencer;
mod snapshot;
mod transaction;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use patchbay_ambient::SharedClock;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::sync::watch;

use self::health::{Health, describe};
use self::queue::Queue;
use self::sequencer::Sequencer;
use self::snapshot::TableSnapshot;
use self::transaction::EmbeddedTransaction;
use super::watches::Watches;
use super::{Engine, EngineError, Transaction};

/// How an embedded engine is set up.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Tells how old a transaction is.
    pub clock: SharedClock,
    /// Memory for pages of the file, in bytes. Up to half of it holds what a commit has yet to write.
    pub cache_bytes: usize,
    /// Memory for commits that wait for the sequencer, in bytes. Where it is taken, the next ones wait to be
    /// let in.
    pub pending_bytes: usize,
    /// Memory for the keys written lately, in bytes. Where it is not enough for the writes of five seconds,
    /// transactions become too old earlier.
    pub window_bytes: usize,
    /// How many watches may exist.
    pub watches: usize,
}

impl EmbeddedOptions {
    /// The defaults, for a machine that runs other things too.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            cache_bytes: 256 << 20,
            pending_bytes: 32 << 20,
            window_bytes: 64 << 20,
            watches: 10_000,
        }
    }
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedOptions")
            .field("cache_bytes", &self.cache_bytes)
            .field("pending_bytes", &self.pending_bytes)
            .field("window_bytes", &self.window_bytes)
            .field("watches", &self.watches)
            .finish_non_exhaustive()
    }
}

/// What an engine has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbeddedStats {
    /// The newest durable version.
    pub version: u64,
    /// Transactions committed, those without writes apart.
    pub commits: u64,
    /// Groups made durable: commits ÷ groups is how well grouping works.
    pub groups: u64,
    /// Commits refused because something read had changed.
    pub conflicts: u64,
    /// Commits refused because the writes since they read were no longer all known.
    pub too_old: u64,
    /// Watches that exist.
    pub watches: usize,
    /// Whether opening it had to read and repair the whole file, which a crash alone does not cause.
    pub repaired: bool,
}

/// The embedded engine.
pub struct EmbeddedEngine {
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

/// What the engine, its transactions and its sequencer share.
struct Shared {
    clock: SharedClock,
    health: Arc<Health>,
    watches: Arc<Watches>,
    /// The newest durable version; none once the engine has stopped.
    newest: RwLock<Option<Arc<TableSnapshot>>>,
    queue: Queue,
    stats: Mutex<EmbeddedStats>,
}

impl Shared {
    fn newest(&self) -> Result<Arc<TableSnapshot>, EngineError> {
        self.health.check()?;
        let newest = self.newest.read().clone();
        newest.ok_or_else(|| self.health.error())
    }
}

impl EmbeddedEngine {
    /// Opens the store in the file at `path`, making it if there is none.
    ///
    /// Gives [`EngineError::Unavailable`] where the file cannot be opened or is in use by another process,
    /// and [`EngineError::Poisoned`] where it is damaged.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Arc<Self>, EngineError> {
        let named = |error| match error {
            EngineError::Unavailable(why) => unavailable(path, &why),
            EngineError::Poisoned(why) => {
                EngineError::Poisoned(format!("{}: {why}", path.display()))
            }
            other => other,
        };
        if !path.exists() {
            file::make(path).map_err(named)?;
        }
        file::backend(path)
            .and_then(|backend| Self::open_with_backend(backend, options))
            .map_err(named)
    }

    /// A store that lives as long as the engine.
    pub fn in_memory(options: EmbeddedOptions) -> Result<Arc<Self>, EngineError> {
        Self::open_with_backend(InMemoryBackend::new(), options)
    }

    /// Opens the store that `backend` holds; where that is empty, a new one, which a crash until this
    /// returns may leave unusable (that is why [`Self::open`] makes a new file elsewhere and renames it).
    pub fn open_with_backend(
        backend: impl StorageBackend,
        options: EmbeddedOptions,
    ) -> Result<Arc<Self>, EngineError> {
        let EmbeddedOptions {
            clock,
            cache_bytes,
            pending_bytes,
            window_bytes,
            watches,
        } = options;
        let began = clock.monotonic();
        let file::Opened {
            database,
            version,
            repaired,
        } = file::database(backend, cache_bytes)?;
        let health = Arc::new(Health::new(Watches::new(watches)));
        let snapshot = TableSnapshot::open(&database, version, &health)
            .map_err(|error| EngineError::Poisoned(describe(&error)))?;

        let (stopping, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            clock,
            watches: Arc::clone(health.watches()),
            health,
            newest: RwLock::new(Some(Arc::new(snapshot))),
            queue: Queue::new(pending_bytes),
            stats: Mutex::new(EmbeddedStats {
                version,
                repaired,
                ..EmbeddedStats::default()
            }),
        });
        let sequencer = Sequencer::new(Arc::clone(&shared), database, version, window_bytes);
        std::thread::Builder::new()
            .name("store-sequencer".into())
            .spawn(move || {
                // Dropped however the thread ends, and then waiting for it ends.
                let stopping = stopping;
                sequencer.run();
                stopping.send_replace(true);
            })
            .map_err(|error| {
                EngineError::Unavailable(format!("cannot start the store's thread: {error}"))
            })?;
        let took = shared.clock.monotonic().saturating_sub(began);
        tracing::info!(
            version,
            repaired,
            took_ms = took.as_millis() as u64,
            "the store is open"
        );
        Ok(Arc::new(Self { shared, stopped }))
    }

    /// What it has done so far.
    pub fn stats(&self) -> EmbeddedStats {
        EmbeddedStats {
            watches: self.shared.watches.len(),
            ..*self.shared.stats.lock()
        }
    }

    /// Lets no more commits in. Those that are in are still carried out.
    fn shut(&self) {
        self.shared.health.close();
        self.shared.queue.close();
    }
}

#[async_trait]
impl Engine for EmbeddedEngine {
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        let snapshot = self.shared.newest()?;
        Ok(Box::new(EmbeddedTransaction::new(
            Arc::clone(&self.shared),
            snapshot,
        )))
    }

    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn close(&self) {
        self.shut();
        // An error means that the thread ended without saying so, which is an end too.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        self.shut();
    }
}

impl fmt::Debug for EmbeddedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedEngine")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

fn unavailable(path: &Path, why: &str) -> EngineError {
    EngineError::Unavailable(format!("{}: {why}", path.display()))
}
